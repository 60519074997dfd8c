"""Which PORTFOLIO parameters a venue may run: those under which the laws of the margin hold, whatever is held.

Scenarios that never take more of a value than there is of it, add-ons that nobody gains by, factors in order; so sums
stay homogeneous and sub-additive, what is only bought never needs more than it is worth, and initial margin is the
larger. Bounds on the numbers keep every figure within its lane and its 64 bits, and every array within its leaf; they
are those of `contracts/risk/scenarios.vy`. Imports parameters, arrays, grid, units.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from exchange.core.parameters import ALL_EXPIRIES, TANGENT, PortfolioModel, Scenario
from exchange.core.risk_models.arrays import CELLS_MAX
from exchange.core.risk_models.grid import shocks_of
from exchange.core.units import WAD

SCENARIOS_MAX: Final = 48
GROUPS_MAX: Final = 8
_TEN: Final = 10 * WAD
_DAY_S: Final = 86_400


class Bound(NamedTuple):
    """A number and the range it must lie in, ends included."""

    value: int
    low: int
    high: int


def broken(model: PortfolioModel) -> Bound | None:
    """The first bound that a model breaks, or None if it is sound."""
    if len(model.scenarios) > SCENARIOS_MAX:
        return Bound(len(model.scenarios), 1, SCENARIOS_MAX)
    if len(shocks_of(model)) > CELLS_MAX:
        return Bound(len(shocks_of(model)), 1, CELLS_MAX)
    return next((bound for bound in _bounds(model) if not bound.low <= bound.value <= bound.high), None)


def _bounds(model: PortfolioModel) -> Iterator[Bound]:
    yield Bound(len(model.scenarios), 1, SCENARIOS_MAX)
    for scenario in model.scenarios:
        yield from _of_scenario(scenario)
    yield from _of_moves(model)
    yield Bound(model.mm_factor, 0, WAD)
    yield Bound(model.im_factor, model.mm_factor, _TEN)
    for share in (model.linear_mm, model.linear_im, model.short_mm, model.short_im, model.conf_threshold):
        yield Bound(share, 0, WAD)
    for number in (model.conf_factor, model.depeg_threshold, model.depeg_factor):
        yield Bound(number, 0, _TEN)


def _of_scenario(scenario: Scenario) -> Iterator[Bound]:
    """A share of a true move: no gain is a loss, and no more than the whole of it counts."""
    yield Bound(scenario.spot, 0, _TEN)
    yield Bound(scenario.vol, 0, TANGENT)
    yield Bound(scenario.weight_max, 0, WAD)
    yield Bound(scenario.weight, 0, scenario.weight_max)
    yield Bound(scenario.weight_yearly, 0, 0 if scenario.group == ALL_EXPIRIES else _TEN)
    yield Bound(scenario.group, ALL_EXPIRIES, GROUPS_MAX)
    yield Bound(scenario.mirrored, 0, 0)
    # The add-on for naked shorts is of scenarios that move everything; those of single expiries have none.
    yield Bound(scenario.short, 0, WAD if scenario.group == ALL_EXPIRIES else 0)


def _of_moves(model: PortfolioModel) -> Iterator[Bound]:
    """Vols move by sensible shares, and options are worth what they are worth: no static discount."""
    vol, skew, static = model.vol, model.skew, model.static
    for number, most in ((vol.up, _TEN), (vol.down, WAD), (vol.up_least, _TEN)):
        yield Bound(number, 0, most)
    for power in (vol.power_short, vol.power_long):
        yield Bound(power, 0, WAD)
    yield Bound(vol.floor_s, 60, 30 * _DAY_S)
    for cap, yearly in ((skew.slope_cap, skew.slope_yearly), (skew.wings_cap, skew.wings_yearly)):
        yield Bound(cap, 0, WAD)
        yield Bound(yearly, -WAD, 0)
    yield Bound(skew.width_least, WAD // 10_000, WAD)
    for number in (skew.width, skew.deviation):
        yield Bound(number, 0, _TEN)
    yield Bound(skew.deviation_yearly, -WAD, WAD)
    for factor in (static.long, static.short):
        yield Bound(factor, WAD, WAD)
    for number in (static.long_rate, static.long_add, static.short_rate, static.short_add):
        yield Bound(number, 0, 0)
