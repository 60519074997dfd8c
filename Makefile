# Every target sets up what it needs; nothing but python3, make and git is assumed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: test check soak hooks clean

$(STAMP): pyproject.toml contracts/build.py $(shell find contracts -name '*.vy')
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,bench]'
	$(BIN)/python contracts/build.py
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/python -m exchange demo

test: $(STAMP)
	-$(BIN)/python -m exchange.shell.anvil
	$(BIN)/python -m pytest -q --numprocesses auto --dist worksteal

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python -m pytest -q tests/test_tidy.py tests/test_docs.py

bench: $(STAMP)
	$(BIN)/python -m benchmarks

soak: $(STAMP)
	VERBATIM_SOAK=1 $(BIN)/python -m pytest -q -m soak --timeout 3600

hooks: $(STAMP)
	$(BIN)/pre-commit install

clean:
	rm -rf $(VENV) .cache exchange/artifacts
