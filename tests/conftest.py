"""What all tests share: how Hypothesis looks, and the two forms of a fault test. Neither a clock nor chance decides whether a build is red.

Examples are derived from the code, so the same code gives the same run; a machine under load fails no health check.
"""

import gc
import logging
import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from exchange.operations import logs
from exchange.operations.settings import LogSection

SOAK = os.environ.get("VERBATIM_SOAK") == "1"

settings.register_profile(
    "verbatim", deadline=None, derandomize=not SOAK, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("verbatim")


@pytest.fixture(autouse=True, scope="session")
def nothing_is_left_unread() -> Iterator[None]:
    """No future or task may fail without anybody looking: asyncio says so when it is collected, at some later instant.

    On CPython 3.11 that instant is also a hazard: a report written while `ast.parse` runs breaks the parser's depth count.
    """
    reports: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: reports.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("asyncio").addHandler(handler)
    yield
    gc.collect()
    logging.getLogger("asyncio").removeHandler(handler)
    assert reports == []


@pytest.fixture(autouse=True)
def logging_is_taken_back() -> Iterator[None]:
    """Logging belongs to the process: a command that a test runs in it configures it for all tests after it."""
    root, held = logging.getLogger(), structlog.get_config()
    handlers, level = list(root.handlers), root.level
    yield
    if root.handlers != handlers or structlog.get_config() != held:
        for handler in root.handlers:
            if handler not in handlers:
                handler.close()
        root.handlers[:] = handlers
        logs.set_levels(LogSection())
        root.setLevel(level)
        structlog.configure(**held)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "counts(short, soak): how often a fault is tried in the two forms of the test")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test marked `counts` with its short count if it has one, and under VERBATIM_SOAK=1 with its long one."""
    marker = metafunc.definition.get_closest_marker("counts")
    if marker is None:
        return
    asleep = pytest.mark.skipif(not SOAK, reason="soak: run make soak")
    long = pytest.param(marker.kwargs["soak"], marks=[pytest.mark.soak, asleep, pytest.mark.timeout(7200)])
    short = [marker.kwargs["short"]] if "short" in marker.kwargs else []
    metafunc.parametrize("count", [*short, long])
