"""The means of vol that others published, and the three breakers of a pool."""

from decimal import Decimal
from typing import Any

import pytest
from core_venue import USDC

from exchange.core.oamm_breakers import (
    DAY_S,
    GWAV_S,
    VOL_WAIT_S,
    BreakerState,
    Observation,
    Standing,
    gwav,
    observe,
    recent,
    reset,
    standing,
)
from exchange.core.units import WAD
from tests import vectors

CENT = WAD // 100
T0 = 1_800_000_000
CALM = Observation(T0, 60 * CENT, 100_000 * USDC, 10_000_000 * USDC)


@pytest.mark.parametrize("vector", vectors.family("gwav_"), ids=lambda v: v["name"])
def test_the_weighted_mean_is_as_published(vector: dict[str, Any]) -> None:
    given = vector["inputs"]
    observed = tuple(
        (round(Decimal(str(time)) * 1_000), int(Decimal(value) * WAD))
        for time, value in given["observations_time_value"]
    )
    start, end = (time * 1_000 for time in given["window"])
    mean = Decimal(gwav(recent(observed, start), start, end)) / WAD
    due = Decimal(vector["expected"]["gwav"])
    assert abs(mean / due - 1) < Decimal("1e-5")
    assert gwav(observed, start, end) == gwav(recent(observed, start), start, end)


def after(*rounds: Observation) -> BreakerState:
    state = BreakerState()
    for seen in rounds:
        state = observe(state, seen)
    return state


def later(seconds: int, **changes: Any) -> Observation:
    return CALM._replace(time_s=T0 + seconds, **changes)


CALM_HOUR = tuple(later(60 * minute) for minute in range(61))


def test_a_calm_pool_quotes_and_is_open() -> None:
    assert standing(after(*CALM_HOUR), T0 + 3_600) == Standing(quotes=True, spread_factor=1, liquidity=True)


@pytest.mark.parametrize(
    ("vol", "is_wide"), [(69 * CENT - 10, False), (70 * CENT, True), (51 * CENT + CENT // 10, False), (50 * CENT, True)]
)
def test_a_jump_of_vol_closes_the_doors_and_widens_for_twelve_hours(vol: int, is_wide: bool) -> None:
    state = after(*CALM_HOUR, later(3_660, atm_vol=vol))
    assert standing(state, T0 + 3_660) == Standing(True, 3 if is_wide else 1, not is_wide)
    assert standing(state, T0 + 3_660 + VOL_WAIT_S - 1).spread_factor == (3 if is_wide else 1)
    assert standing(state, T0 + 3_660 + VOL_WAIT_S) == Standing(True, 1, True)


def test_a_slow_rise_of_vol_is_no_jump() -> None:
    """A point every ten minutes, for two hours."""
    state = BreakerState()
    for step in range(13):
        state = observe(state, later(600 * step, atm_vol=(60 + step) * CENT))
        assert standing(state, T0 + 600 * step).spread_factor == 1


@pytest.mark.parametrize(("spot", "pulls"), [(105_000, False), (105_001, True), (95_000, False), (94_999, True)])
def test_a_jump_of_spot_pulls_quotes_for_three_rounds(spot: int, pulls: bool) -> None:
    state = after(*CALM_HOUR, later(3_660, spot=spot * USDC))
    seen = []
    for turn in range(1, 5):
        seen.append(standing(state, T0 + 3_660).quotes)
        state = observe(state, later(3_660 + turn, spot=spot * USDC))
    assert seen == ([False, False, False, True] if pulls else [True] * 4)


def test_a_fall_of_a_tenth_within_a_day_halts_until_somebody_answers() -> None:
    rich, poor = CALM.nav, CALM.nav * 9 // 10 - 1
    fallen = after(*CALM_HOUR, later(DAY_S - 900, nav=poor))
    assert standing(fallen, T0 + DAY_S) == Standing(quotes=False, spread_factor=1, liquidity=False)
    assert observe(fallen, later(DAY_S, nav=rich)).halted
    assert not after(*CALM_HOUR, later(DAY_S - 900, nav=poor + 1)).halted
    slow = after(*CALM_HOUR, later(DAY_S + 2 * GWAV_S, nav=poor))
    assert not slow.halted
    answered = reset(fallen, later(DAY_S, nav=poor))
    assert standing(answered, T0 + DAY_S).quotes
    assert not observe(answered, later(DAY_S + 60, nav=poor * 91 // 100)).halted
    assert observe(answered, later(DAY_S + 60, nav=poor * 89 // 100)).halted


def test_what_is_remembered_is_bounded() -> None:
    state = BreakerState()
    for second in range(0, 3 * DAY_S, 300):
        state = observe(state, later(second))
    assert len(state.navs) <= 97
    assert len(state.vols) <= GWAV_S // 300 + 2
