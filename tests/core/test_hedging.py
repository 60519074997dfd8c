"""The hedging band: published widths, an exact cube root, and decisions that never overshoot."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from core_venue import USDC
from hypothesis import given
from hypothesis import strategies as st

from exchange.core.hedging import (
    CONTRACT,
    Exposure,
    Hedge,
    HedgeTerms,
    Spent,
    after_fill,
    cube_root,
    decide,
    half_width,
    in_last_minute,
)
from exchange.core.units import QTY_ONE, WAD
from tests import vectors

TERMS = HedgeTerms(
    cost=5 * WAD // 10_000, risk_aversion=WAD // 1_000, lot=100, slip=WAD // 1_000, per_minute=WAD // 100
)
POOL = Exposure(7, 1_800_000_000, 100_000 * USDC, 0, 2 * WAD // 1_000, 50_000_000 * USDC)


@pytest.mark.parametrize("vector", vectors.family("ww_band_"), ids=lambda v: v["name"])
def test_the_half_width_is_as_published(vector: dict[str, Any]) -> None:
    """The width has twelve places, the vectors more: a million-fold book shows them, in a band ten thousand times as wide."""
    given_ = {key: Decimal(value) for key, value in vector["inputs"].items()}
    terms = TERMS._replace(cost=int(given_["cost"] * WAD), risk_aversion=int(given_["risk_aversion"] * WAD))
    due = Decimal(vector["expected"]["half_width"])
    width = half_width(terms, int(given_["F"] * USDC), int(given_["gamma_total"] * WAD * 10**6))
    assert abs(Decimal(width) / CONTRACT / 10**4 / due - 1) < Decimal("1e-12")
    plain = half_width(terms, int(given_["F"] * USDC), int(given_["gamma_total"] * WAD))
    assert 0 <= due * CONTRACT - plain < 1


@given(st.one_of(st.integers(0, 10**6), st.integers(0, 10**90), st.integers(0, 10**25).map(lambda n: n**3)))
def test_a_cube_root_is_the_floor(value: int) -> None:
    for number in (value, max(value - 1, 0), value + 1):
        root = cube_root(number)
        assert root**3 <= number < (root + 1) ** 3


def test_inside_the_band_nothing_is_traded() -> None:
    width = half_width(TERMS, POOL.spot, POOL.gamma)
    assert CONTRACT // 2 < width < 2 * CONTRACT
    for delta in (0, width, -width):
        assert decide(TERMS, POOL._replace(delta=delta), Spent()).qty == 0


def test_outside_the_band_only_to_its_edge() -> None:
    width = half_width(TERMS, POOL.spot, POOL.gamma)
    long, short = (decide(TERMS, POOL._replace(delta=sign * 3 * CONTRACT), Spent()) for sign in (1, -1))
    lots = (3 * CONTRACT - width) // (CONTRACT // QTY_ONE) // 100 * 100
    assert long == Hedge(7, 3 * CONTRACT, width, -lots, 99_900 * USDC)
    assert short == Hedge(7, -3 * CONTRACT, width, lots, 100_100 * USDC)


@given(
    st.integers(-100 * CONTRACT, 100 * CONTRACT),
    st.integers(0, WAD // 100),
    st.integers(1, 10**6),
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 10**12)), max_size=4),
)
def test_a_hedge_never_overshoots_nor_passes_the_bound_of_a_minute(
    delta: int, gamma: int, nav: int, past: list[tuple[int, int]]
) -> None:
    exposure = POOL._replace(delta=delta, gamma=gamma, nav=nav * 1_000 * USDC)
    spent = Spent(tuple((exposure.time_s - ago, cash) for ago, cash in past))
    hedge = decide(TERMS, exposure, spent)
    left = abs(delta + hedge.qty * (CONTRACT // QTY_ONE))
    assert left >= min(abs(delta), hedge.half_width)
    assert hedge.qty * delta <= 0
    assert hedge.qty % TERMS.lot == 0
    before = sum(cash for time_s, cash in spent.trades if time_s > exposure.time_s - 60)
    assert before > exposure.nav // 100 or before + abs(hedge.qty) * hedge.limit // QTY_ONE <= exposure.nav // 100


def test_a_large_exposure_is_worked_off_minute_by_minute() -> None:
    """A short of 100 contracts with a bound of five a minute."""
    spent, delta, time_s, seen = Spent(), -100 * CONTRACT, POOL.time_s, []
    for _ in range(240):
        hedge = decide(TERMS, POOL._replace(delta=delta, time_s=time_s), spent)
        if hedge.qty:
            seen.append(time_s)
        spent = after_fill(spent, time_s, hedge.limit, hedge.qty)
        delta += hedge.qty * (CONTRACT // QTY_ONE)
        time_s += 10
    assert -delta - half_width(TERMS, POOL.spot, POOL.gamma) < 100 * CONTRACT // QTY_ONE
    assert all(later - earlier >= 60 for earlier, later in pairwise(seen))
    assert len(spent.trades) <= 6


def test_what_did_not_fill_is_not_spent() -> None:
    assert after_fill(Spent(), 100, 10**11, 0) == Spent()
    once = after_fill(Spent(), 100, 10**11, -3)
    assert once == Spent(((100, 30_000_000),))
    assert in_last_minute(once, 159) == once
    assert in_last_minute(once, 160) == Spent()
