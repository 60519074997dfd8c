"""Tests of the venue as a whole, from outside. Their helpers live in modules of their own."""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "shell")]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "counts(short, soak): how often a fault is tried in the two forms of the test")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test marked `counts` with its short count if it has one, and under VERBATIM_SOAK=1 with its long one."""
    marker = metafunc.definition.get_closest_marker("counts")
    if marker is None:
        return
    asleep = pytest.mark.skipif(os.environ.get("VERBATIM_SOAK") != "1", reason="soak: run make soak")
    long = pytest.param(marker.kwargs["soak"], marks=[pytest.mark.soak, asleep, pytest.mark.timeout(7200)])
    short = [marker.kwargs["short"]] if "short" in marker.kwargs else []
    metafunc.parametrize("count", [*short, long])
