"""The worst scenario of a market: dot products of positions and risk arrays, and a minimum.

Positions are added up per expiry as lanes (`Expiry.scan`), so that a fill moves one expiry by one product. Amounts are
in risk units (1e-28 USDC); the only rounding is of weighted losses, up. What an account owes is worth a unit more than
the array says and what it owns as much as it says, so that in every scenario the sum is against the account.
Imports parameters, arrays, grid, lanes, units.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from exchange.core.parameters import ALL_EXPIRIES, PortfolioModel, Scenario
from exchange.core.risk_models.arrays import RiskRound
from exchange.core.risk_models.grid import Discounts, shocks_of
from exchange.core.risk_models.lanes import Packed, unpack, unpack_first
from exchange.core.units import WAD, Price, Qty, Risk, Wad, mul_div_down, mul_div_up


class Expiry(NamedTuple):
    """Positions of one expiry, added up. ``naked``: net shorts of each strike; ``shorts``, ``gross``: of all legs."""

    scan: Packed  # sum of quantity x array
    years: Wad
    discounts: Discounts
    conf: Wad
    naked: Qty
    shorts: Qty
    gross: Qty


def added_up(arrays: RiskRound, expiry: int, positions: Mapping[int, Qty], conf: Wad) -> Expiry:
    """Positions of one expiry, by series, added up at a round."""
    total, naked = 0, 0
    strikes: dict[Price, Qty] = {}
    for series, qty in positions.items():
        total += qty * arrays.array(series).packed
        strike = arrays.terms[series].strike
        strikes[strike] = strikes.get(strike, 0) + qty
    naked = -sum(min(net, 0) for net in strikes.values())
    sheet = arrays.grids[expiry]
    shorts = -sum(min(qty, 0) for qty in positions.values())
    return Expiry(total, sheet.years, sheet.discounts, conf, naked, shorts, sum(map(abs, positions.values())))


class Market(NamedTuple):
    """Everything of one underlying that scenarios move. ``linear``: notional that moves with spot, price x quantity."""

    spot: Price
    expiries: tuple[Expiry, ...]
    linear: int = 0


class Cell(NamedTuple):
    """A scenario, its number in the model and the lane its values are in."""

    number: int
    lane: int
    scenario: Scenario


class Plan(NamedTuple):
    """How a model reads arrays: scenarios that move everything, groups that move one expiry, and how many there are."""

    lanes: int
    scenarios: int
    joint: tuple[Cell, ...]
    groups: tuple[tuple[Cell, ...], ...]


class Worst(NamedTuple):
    """The largest loss of a market, never negative, and the number of the scenario; of a group, its first."""

    loss: Risk
    scenario: int


class _Moved(NamedTuple):
    """Values of an expiry, or of several that share their discounts, in every lane."""

    lanes: list[int]
    discounts: Discounts


def plan_of(model: PortfolioModel) -> Plan:
    """Lanes and groups of a model; made once and kept beside it."""
    shocks = shocks_of(model)
    cells = [Cell(at, shocks.index((item.spot, item.vol)), item) for at, item in enumerate(model.scenarios)]
    joint = tuple(cell for cell in cells if cell.scenario.group == ALL_EXPIRIES)
    names = dict.fromkeys(cell.scenario.group for cell in cells if cell.scenario.group != ALL_EXPIRIES)
    groups = tuple(tuple(cell for cell in cells if cell.scenario.group == name) for name in names)
    return Plan(len(shocks), len(cells), joint, groups)


def options_value(expiry: Expiry) -> Risk:
    """Worth of an expiry's options at the round, against the account: what it owns is a unit of price less."""
    return (unpack_first(expiry.scan) - (expiry.gross - expiry.shorts)) * WAD


def worst_of(plan: Plan, market: Market) -> Worst:
    """The worst scenario of a market and its loss."""
    apart = [_Moved(unpack(expiry.scan, plan.lanes), expiry.discounts) for expiry in market.expiries]
    together = _merged(apart)
    naked = sum(expiry.naked for expiry in market.expiries)
    worst = Worst(0, 0)
    for cell in plan.joint:
        loss = _loss(cell, together, market, naked)
        if loss > worst.loss:
            worst = Worst(loss, cell.number)
    for group in plan.groups:
        loss = sum(_group_loss(group, moved, expiry) for moved, expiry in zip(apart, market.expiries, strict=True))
        if loss > worst.loss:
            worst = Worst(loss, group[0].number)
    return worst


def losses(plan: Plan, market: Market) -> list[Risk]:
    """Loss of a market in each scenario of a model, in its order; a gain is negative.

    A scenario of single expiries tells what it alone would take from those it hurts.
    """
    apart = [_Moved(unpack(expiry.scan, plan.lanes), expiry.discounts) for expiry in market.expiries]
    together = _merged(apart)
    naked = sum(expiry.naked for expiry in market.expiries)
    found = [0] * plan.scenarios
    for cell in plan.joint:
        found[cell.number] = _loss(cell, together, market, naked)
    for cell in (cell for group in plan.groups for cell in group):
        found[cell.number] = sum(
            _group_loss((cell,), moved, expiry) for moved, expiry in zip(apart, market.expiries, strict=True)
        )
    return found


def _merged(apart: Sequence[_Moved]) -> list[_Moved]:
    """Expiries with the same static discounts as one, where what is owed is worth no less than what is owned."""
    plain = [moved.lanes for moved in apart if moved.discounts.long == moved.discounts.short == WAD]
    others = [moved for moved in apart if not moved.discounts.long == moved.discounts.short == WAD]
    if plain:
        lanes = plain[0] if len(plain) == 1 else [sum(column) for column in zip(*plain, strict=True)]
        others.append(_Moved(lanes, Discounts(WAD, WAD, WAD)))
    return others


def _change(moved: _Moved, cell: Cell) -> Risk:
    """What options gain in a scenario, before its weight."""
    value = moved.lanes[cell.lane]
    if not cell.scenario.discounted:
        return (value - moved.lanes[0]) * WAD
    return value * (moved.discounts.short if value < 0 else moved.discounts.long) - moved.lanes[0] * WAD


def _loss(cell: Cell, together: Sequence[_Moved], market: Market, naked: Qty) -> Risk:
    """Weighted loss in a scenario that moves everything, rounded up, and what it adds for naked shorts."""
    scenario = cell.scenario
    change = market.linear * (scenario.spot - WAD)
    for moved in together:
        change += _change(moved, cell)
    loss = -change if scenario.weight == WAD else mul_div_up(-change, scenario.weight, WAD)
    return loss + scenario.short * market.spot * naked


def _group_loss(group: Sequence[Cell], moved: _Moved, expiry: Expiry) -> Risk:
    """The worst of a group for one expiry, weighted for its time, rounded up; at least nothing."""
    worst = 0
    for cell in group:
        scenario, change = cell.scenario, _change(moved, cell)
        loss = abs(change) if scenario.mirrored else -change
        if loss > 0:
            yearly = mul_div_down(scenario.weight_yearly, expiry.years, WAD)
            worst = max(worst, mul_div_up(loss, min(scenario.weight + yearly, scenario.weight_max), WAD))
    return worst
