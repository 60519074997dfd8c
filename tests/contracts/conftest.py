"""Fixtures of the contract tests: freshly compiled artifacts, and a venue with a listed market and three traders."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# The helpers are shared with benchmarks/gas.py, so they live in a module of their own.
sys.path[:0] = [str(HERE), str(HERE.parent / "core")]

from contract_venue import USDC, Player, Venue  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def _compiled_contracts() -> None:
    """Compile what has changed; tests never run against yesterday's contracts."""
    spec = importlib.util.spec_from_file_location("contracts_build", ROOT / "contracts" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.build()


@dataclass
class Market:
    """A venue with one expiry of eight series, a fresh round, and three funded traders."""

    venue: Venue
    maker: Player
    taker: Player
    third: Player
    expiry_id: int
    calls: tuple[int, ...]
    puts: tuple[int, ...]

    @property
    def call(self) -> int:
        """The 65,000 call."""
        return self.calls[2]


def make_market(**terms: object) -> Market:
    venue = Venue(**terms)
    maker, taker, third = (venue.open(name, 200_000 * USDC) for name in ("maker", "taker", "third"))
    strikes = [(strike * USDC, is_call) for strike in (55_000, 60_000, 65_000, 70_000) for is_call in (True, False)]
    expiry_id = venue.list(venue.now // 1800 * 1800 + 8 * 1800, strikes)
    series = [expiry_id << 16 | index for index in range(8)]
    venue.post(venue.round())
    return Market(venue, maker, taker, third, expiry_id, tuple(series[::2]), tuple(series[1::2]))


@pytest.fixture
def market() -> Market:
    return make_market()


@pytest.fixture(scope="module")
def shared_market() -> Market:
    """For tests that take everything back (`venue.aside`), such as Hypothesis examples."""
    return make_market()


@pytest.fixture
def market_factory():
    return make_market
