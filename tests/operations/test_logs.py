"""Lines of the log: their form, their levels, files that are moved away, and what must never be in one. # M54"""

import json
import logging

import pytest
import structlog

from exchange.operations import logs
from exchange.operations.settings import LogSection


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_is_one_json_object_with_time_level_module_and_context(tmp_path):
    path = tmp_path / "venue.log"
    logs.begin(LogSection(file=path))
    with structlog.contextvars.bound_contextvars(connection=7):
        structlog.get_logger("exchange.shell.serve").warning("round_refused", reason="x", raw=b"\x01")
    logging.getLogger("aiohttp").error("of a library")
    own, foreign = lines(path)
    assert own.pop("timestamp").endswith("Z")
    assert own == {
        "event": "round_refused",
        "level": "warning",
        "logger": "exchange.shell.serve",
        "connection": 7,
        "reason": "x",
        "raw": "b'\\x01'",
    }
    assert (foreign["event"], foreign["logger"], foreign["level"]) == ("of a library", "aiohttp", "error")


def test_levels_are_by_module_and_may_change(tmp_path):
    path = tmp_path / "venue.log"
    logs.begin(LogSection(file=path, levels={"exchange.shell": "info", "exchange.shell.sender": "error"}))
    for name in ("exchange.shell.serve", "exchange.shell.sender", "journal.writer"):
        structlog.get_logger(name).info("quiet_or_not", of=name)
    assert [line["of"] for line in lines(path)] == ["exchange.shell.serve"]
    logs.set_levels(LogSection(level="error"), verbose=True)
    for name in ("exchange.shell.serve", "exchange.shell.sender"):
        structlog.get_logger(name).info("again", of=name)
    assert [line["of"] for line in lines(path)[1:]] == ["exchange.shell.serve", "exchange.shell.sender"]


def test_a_file_that_was_moved_away_is_opened_anew(tmp_path):
    path, old = tmp_path / "venue.log", tmp_path / "venue.log.1"
    logs.begin(LogSection(file=path))
    structlog.get_logger("a").warning("first")
    path.rename(old)
    structlog.get_logger("a").warning("second")
    assert [line["event"] for line in lines(old)] == ["first"]
    assert [line["event"] for line in lines(path)] == ["second"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_tells_no_local_variable(tmp_path, form):
    path = tmp_path / "venue.log"
    logs.begin(LogSection(file=path, format=form))
    fail_with("0f" * 32)
    text = path.read_text()
    assert "RuntimeError" in text
    assert "fail_with" in text
    assert "0f0f" not in text


def fail_with(secret: str) -> None:
    held = bytes.fromhex(secret)
    try:
        _refuse(held)
    except RuntimeError:
        structlog.get_logger("a").exception("it_failed")


def _refuse(held: bytes) -> None:
    raise RuntimeError(f"{len(held)} bytes")


def test_a_terminal_is_told_in_its_own_words(capsys):
    logs.begin(LogSection(format="console"))
    structlog.get_logger("a").warning("plain", n=1)
    assert "[warning  ] plain" in capsys.readouterr().err
    logs.begin(LogSection())
    structlog.get_logger("b").warning("piped")
    assert json.loads(capsys.readouterr().err)["event"] == "piped"
