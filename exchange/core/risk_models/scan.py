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
from exchange.core.risk_models.lanes import Packed, first, unpack
from exchange.core.units import WAD, Price, Qty, Risk, Wad, mul_div_down


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
    total, shorts, gross = 0, 0, 0
    nets: dict[Price, Qty] = {}
    for series, qty in positions.items():
        array = arrays.array(series)
        total += qty * array.packed
        nets[array.strike] = nets.get(array.strike, 0) + qty
        shorts -= min(qty, 0)
        gross += abs(qty)
    grid = arrays.grids[expiry]
    return Expiry(total, grid.years, grid.discounts, conf, naked_of(nets), shorts, gross)


def naked_of(nets: Mapping[Price, Qty]) -> Qty:
    """Net shorts of strikes, from what each is long or short in calls and puts together."""
    return -sum([net for net in nets.values() if net < 0])


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
    """How a model reads arrays: scenarios that move everything, groups that move one expiry, and how many there are.

    The lanes that groups need come first; there are ``near`` of them.
    """

    lanes: int
    near: int
    scenarios: int
    joint: tuple[Cell, ...]
    groups: tuple[tuple[Cell, ...], ...]


class Worst(NamedTuple):
    """The largest loss of a market, never negative, and the number of the scenario; of a group, its first."""

    loss: Risk
    scenario: int


def plan_of(model: PortfolioModel) -> Plan:
    """Lanes and groups of a model; made once and kept beside it."""
    shocks = shocks_of(model)
    cells = [Cell(at, shocks.index((item.spot, item.vol)), item) for at, item in enumerate(model.scenarios)]
    joint = tuple(cell for cell in cells if cell.scenario.group == ALL_EXPIRIES)
    names = dict.fromkeys(cell.scenario.group for cell in cells if cell.scenario.group != ALL_EXPIRIES)
    groups = tuple(tuple(cell for cell in cells if cell.scenario.group == name) for name in names)
    near = 1 + max([cell.lane for group in groups for cell in group], default=0)
    return Plan(len(shocks), near, len(cells), joint, groups)


def options_value(expiry: Expiry) -> Risk:
    """Worth of an expiry's options at the round, against the account: what it owns is a unit of price less."""
    return (first(expiry.scan) - (expiry.gross - expiry.shorts)) * WAD


def worst_of(plan: Plan, market: Market) -> Worst:
    """The worst scenario of a market and its loss."""
    worst, scenario = 0, 0
    for number, loss in _joint_losses(plan, market):
        if loss > worst:
            worst, scenario = loss, number
    near = [_gains(expiry, plan.near) for expiry in market.expiries] if plan.groups else []
    for group in plan.groups:
        total = 0
        for gains, expiry in zip(near, market.expiries, strict=True):
            total += _group_loss(group, gains, expiry)
        if total > worst:
            worst, scenario = total, group[0].number
    return Worst(worst, scenario)


def losses(plan: Plan, market: Market) -> list[Risk]:
    """Loss of a market in each scenario of a model, in its order; a gain is negative.

    A scenario of single expiries tells what it alone would take from those it hurts.
    """
    found = dict(_joint_losses(plan, market))
    near = [_gains(expiry, plan.near) for expiry in market.expiries]
    for cell in (cell for group in plan.groups for cell in group):
        each = zip(near, market.expiries, strict=True)
        found[cell.number] = sum(_group_loss((cell,), gains, expiry) for gains, expiry in each)
    return [found[number] for number in range(plan.scenarios)]


class _Gains(NamedTuple):
    """What options gain in every lane, before weights: with the static discounts, and without."""

    discounted: list[Risk]
    plain: list[Risk]


def _gains(expiry: Expiry, lanes: int) -> _Gains:
    values = unpack(expiry.scan, lanes)
    base = values[0]
    plain = [(value - base) * WAD for value in values]
    _, long, short = expiry.discounts
    if long == short == WAD:
        return _Gains(plain, plain)
    now = base * WAD
    return _Gains([value * (short if value < 0 else long) - now for value in values], plain)


def _together(expiries: Sequence[Expiry]) -> list[Expiry]:
    """Expiries as a scenario that moves all of them sees them: those without static discounts are one."""
    plain = [expiry for expiry in expiries if expiry.discounts.long == expiry.discounts.short == WAD]
    if len(plain) < 2:
        return list(expiries)
    others = [expiry for expiry in expiries if not expiry.discounts.long == expiry.discounts.short == WAD]
    return [plain[0]._replace(scan=sum([expiry.scan for expiry in plain])), *others]


def _joint_gains(plan: Plan, expiries: Sequence[Expiry]) -> _Gains:
    parts = [_gains(expiry, plan.lanes) for expiry in _together(expiries)]
    if len(parts) == 1:
        return parts[0]
    none = [0] * plan.lanes
    discounted = [sum(column) for column in zip(none, *(part.discounted for part in parts), strict=True)]
    return _Gains(discounted, [sum(column) for column in zip(none, *(part.plain for part in parts), strict=True)])


def _joint_losses(plan: Plan, market: Market) -> list[tuple[int, Risk]]:
    """Numbers and weighted losses of the scenarios that move everything, rounded up."""
    gains = _joint_gains(plan, market.expiries)
    linear, naked = market.linear, market.spot * sum([expiry.naked for expiry in market.expiries])
    found = []
    for number, lane, item in plan.joint:
        gain = (gains.discounted if item.discounted else gains.plain)[lane]
        if linear:
            gain += linear * (item.spot - WAD)
        found.append((number, -(gain * item.weight // WAD) + item.short * naked))
    return found


def _group_loss(group: Sequence[Cell], gains: _Gains, expiry: Expiry) -> Risk:
    """The worst of a group for one expiry, weighted for its time, rounded up; at least nothing."""
    worst = 0
    for _, lane, item in group:
        gain = (gains.discounted if item.discounted else gains.plain)[lane]
        if item.mirrored and gain > 0:
            gain = -gain
        if gain < 0:
            weight = item.weight
            if item.weight_yearly:
                weight += mul_div_down(item.weight_yearly, expiry.years, WAD)
            worst = max(worst, -(gain * min(weight, item.weight_max) // WAD))
    return worst
