"""Fixtures of the core tests. The drivers live in modules of their own, because state machines need them at import."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from core_venue import Venue, standard_venue  # noqa: E402


@pytest.fixture
def venue() -> Venue:
    """A standard venue with two funded traders, 1 and 2."""
    venue = standard_venue()
    venue.fund(1, 100_000)
    venue.fund(2, 100_000)
    return venue
