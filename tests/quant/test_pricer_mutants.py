"""Bugs planted in the fast pricer: each must give other integers than the definition somewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from risk_grids import Grid, chain, grids

from exchange.core.black76 import SCALAR
from exchange.core.units import USDC_ONE
from exchange.quant import pricer
from exchange.quant.pricer import VectorPricer

FAST = VectorPricer()
GRIDS = [
    *(chain(97_531 * USDC_ONE, days, 10) for days in (0.5, 3, 40, 400)),
    chain(9 * 10**13, 30, 60),
    *grids(120),
]
TRUE = [SCALAR.calls(*grid) for grid in GRIDS]
MOVES = [3 * 10**11, -(10**11) - 7, 1]


def gains(grid: Grid, of: Any) -> Any:
    return of.gains(grid.forwards[0], grid.strikes, grid.vols[0], grid.years, MOVES)


GAINED = [gains(grid, SCALAR) for grid in GRIDS]


def strays() -> bool:
    """Whether any mark or gain is another than by the definition."""
    return any(
        FAST.calls(*grid) != marks or gains(grid, FAST) != gained
        for grid, marks, gained in zip(GRIDS, TRUE, GAINED, strict=True)
    )


def test_the_fast_pricer_strays_nowhere() -> None:
    assert not strays()


HONEST = {name: getattr(pricer, name) for name in ("_time_value", "_grid", "_phi", "_ln", "_settle", "_gains")}


def sure_of_itself(grid: Any) -> Any:
    value, error = HONEST["_time_value"](grid)
    return value, error * 1e-6


def a_unit_off(grid: Any) -> Any:
    value, error = HONEST["_time_value"](grid)
    return value + 1, error


def lazy_about_vol(*terms: Any) -> Any:
    """The vols of the first forward for all of them."""
    forwards, strikes, vols, years = terms
    return HONEST["_grid"](forwards, strikes, [vols[0]] * len(vols), years)


def single_precision(x: Any) -> Any:
    return HONEST["_phi"](x).astype(np.float32).astype(np.float64)


def coarse(x: Any) -> Any:
    return HONEST["_ln"](x) * (1 + 2.0**-26)


def never_settles(_grid: Any, _extra: Any, is_open: Any) -> None:
    is_open[:] = False


def worth_nothing(_grid: Any, extra: Any, is_open: Any) -> None:
    extra[is_open] = 0
    is_open[:] = False


def decides_all(*terms: Any) -> Any:
    found, is_open = HONEST["_gains"](*terms)
    return found, is_open & False


MUTANTS: list[tuple[str, Callable[..., Any] | float]] = [
    ("_time_value", sure_of_itself),
    ("_time_value", a_unit_off),
    ("_grid", lazy_about_vol),
    ("_phi", single_precision),
    ("_ln", coarse),
    ("_settle", never_settles),
    ("_settle", worth_nothing),
    ("_gains", decides_all),
    ("_FAR", 5.0),
    ("_U", 2.0**-80),
    ("_CELLS_PER_UNIT", 31),
]


@pytest.mark.parametrize(("name", "mutant"), MUTANTS, ids=lambda value: getattr(value, "__name__", str(value)))
@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
def test_a_planted_bug_of_the_fast_pricer_is_caught(
    monkeypatch: pytest.MonkeyPatch, name: str, mutant: Callable[..., Any] | float
) -> None:
    monkeypatch.setattr(pricer, name, mutant)
    assert strays()
