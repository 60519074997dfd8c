"""Reference vectors for pricing, surface, margin, liquidation, oracle, AMM, hedging and fees.

`quant_vectors.json` holds published and independently computed numbers, each with its source and tolerance. A test takes
one with `named("...")` or a whole family with `family("...")`; test_claims.py sees to it that none is forgotten.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

Vector = dict[str, Any]


@cache
def _file() -> dict[str, Any]:
    return json.loads((Path(__file__).parent / "quant_vectors.json").read_text())


def every() -> list[Vector]:
    """All vectors, in the order of the file."""
    return _file()["vectors"]


def named(name: str) -> Vector:
    """The vector of this name."""
    return next(vector for vector in every() if vector["name"] == name)


def family(prefix: str) -> list[Vector]:
    """The vectors whose names begin so; at least one."""
    found = [vector for vector in every() if vector["name"].startswith(prefix)]
    assert found, f"no vector is named {prefix}..."
    return found


def parameters(name: str) -> dict[str, Any]:
    """A named set of risk parameters that margin vectors refer to."""
    return _file()["parameter_sets"][name]


def feeds(name: str) -> dict[str, Any]:
    """A named set of oracle values that margin vectors refer to."""
    return _file()["feed_sets"][name]
