"""What margin says of an account, worked out from a state: at this record or, by replay, at any earlier one.

Figures, Greeks by expiry, the scenario table, what another position would change, where along the index the account
falls short, and the least that cures a shortfall. Only reads. The requirement is that of the model in force, STANDARD;
the scenario table is PORTFOLIO's and tells, it does not bind. Amounts in 1e-6 USDC, rounded against the account.
Imports state, risk, oracle, risk_models, greeks.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from exchange.core import risk
from exchange.core.black76 import averaging_years, put_mark
from exchange.core.greeks import black76_greeks
from exchange.core.margin import Kind
from exchange.core.oracle import MARK_MIN, RoundView, Term
from exchange.core.parameters import PortfolioModel, Scenario
from exchange.core.risk_models import scan
from exchange.core.risk_models.arrays import RiskRound, Terms
from exchange.core.risk_models.grid import Sheet
from exchange.core.risk_models.requirement import Account as LaidOut
from exchange.core.risk_models.requirement import PortfolioMarket, assess, portfolio_rules
from exchange.core.state import State
from exchange.core.state_types import Account
from exchange.core.units import (
    QTY_ONE,
    RISK_ONE,
    WAD,
    Cash,
    Price,
    Qty,
    Seconds,
    Wad,
    div_down,
    div_up,
    expiry_of,
    mul_div_down,
)

_STEPS: Final = 32  # along the index, in each direction, before the crossing is narrowed down
_HIGHEST: Final = 4  # times the index: farther up nothing is looked for


class Figures(NamedTuple):
    """What counts towards margin and what is needed. ``initial`` and ``maintenance`` leave out open orders."""

    equity: Cash
    initial: Cash
    maintenance: Cash
    open_orders: Cash

    def margin(self, kind: Kind) -> Cash:
        """What is left beyond the requirement of a kind; negative is a shortfall."""
        return self.equity - (self.initial if kind is Kind.INITIAL else self.maintenance)


class GreekSums(NamedTuple):
    """Greeks of options, in wad of: contracts of forward, the same per USDC, USDC per 1.00 of vol, USDC per year."""

    delta: Wad
    gamma: Wad
    vega: Wad
    theta: Wad


class ScenarioLoss(NamedTuple):
    """A scenario of the model and what the account would lose in it, weighted; negative is a gain."""

    scenario: Scenario
    loss: Cash


class Table(NamedTuple):
    """Scenarios of an underlying under a PORTFOLIO model, the number of the worst, and what the model would need."""

    scenarios: tuple[ScenarioLoss, ...]
    worst: int
    initial: Cash
    maintenance: Cash


class Crossing(NamedTuple):
    """Index prices, below and above the round's, from which on maintenance margin is missing; None: not in sight."""

    below: Price | None
    above: Price | None


class Cure(NamedTuple):
    """The least deposit that restores margin, and for each series the least to close at its mark instead."""

    deposit: Cash
    closing: dict[int, Qty]


# -- figures ----------------------------------------------------------------------------------------------------------


def figures(state: State, account: Account) -> Figures:
    """The account as it is, at the round in force."""
    risk.refresh(state, account)
    reserved = div_up(account.reserved + risk.covers_of(state, account), RISK_ONE)
    return _figures(state, risk.view_now(state), account.cash - account.held, account.positions, reserved)


def _figures(
    state: State, view: RoundView, equity: Cash, positions: Mapping[int, Qty], open_orders: Cash = 0
) -> Figures:
    held = {series: qty for series, qty in positions.items() if qty}
    initial, maintenance = (risk.requirement_of(state, view, held, kind) for kind in (Kind.INITIAL, Kind.MAINTENANCE))
    return Figures(equity, initial, maintenance, open_orders)


def figures_of(state: State, account: Account, positions: Mapping[int, Qty], *, with_orders: bool) -> Figures:
    """The account's cash with other positions in place of its own, with its open orders or without any."""
    now = figures(state, account)
    return _figures(state, risk.view_now(state), now.equity, positions, now.open_orders if with_orders else 0)


def with_changes(state: State, account: Account, changes: Mapping[int, Qty], cash: Cash = 0) -> Figures:
    """The account after more positions, by series and signed, and more cash; open orders as they are."""
    now = figures(state, account)
    positions = dict(account.positions)
    for series, qty in changes.items():
        positions[series] = positions.get(series, 0) + qty
    return _figures(state, risk.view_now(state), now.equity + cash, positions, now.open_orders)


# -- Greeks and scenarios ---------------------------------------------------------------------------------------------


def greeks_by_expiry(state: State, positions: Mapping[int, Qty]) -> dict[int, GreekSums]:
    """Sums of the Greeks of positions, by expiry in ascending order; each rounded down once."""
    view, sums = risk.view_now(state), dict[int, GreekSums]()
    for series in sorted(positions):
        option, expiry = state.series[series], expiry_of(series)
        on = view.terms[expiry]
        one = black76_greeks(on.expected, option.strike, view.vols[series], on.years, WAD, 0, is_call=option.is_call)
        qty, held = positions[series], sums.get(expiry, GreekSums(0, 0, 0, 0))
        each = zip(held, (one.delta, one.gamma, one.vega, one.theta), strict=True)
        sums[expiry] = GreekSums(*(total + greek * qty for total, greek in each))
    return {expiry: GreekSums(*(div_down(total, QTY_ONE) for total in found)) for expiry, found in sums.items()}


def scenario_tables(state: State, positions: Mapping[int, Qty]) -> dict[int, Table]:
    """What positions would lose in each scenario of PORTFOLIO, by underlying in ascending order.

    Under the parameters in force; an underlying that has none has no table.
    """
    by_underlying: dict[int, dict[int, Qty]] = {}
    for series in sorted(positions):
        by_underlying.setdefault(state.series[series].underlying, {})[series] = positions[series]
    stable, tables = risk.view_now(state).stable, {}
    for underlying, held in sorted(by_underlying.items()):
        if underlying not in state.portfolios:
            continue
        model = state.portfolios[underlying].model
        rules = portfolio_rules(model)
        market = market_of(state, model, underlying, held)
        laid_out = LaidOut(rules, 0, stable, (), (PortfolioMarket(rules, market),))
        losses = [div_up(loss, RISK_ONE) for loss in scan.losses(rules.plan, market)]
        tables[underlying] = Table(
            tuple(ScenarioLoss(*pair) for pair in zip(model.scenarios, losses, strict=True)),
            scan.worst_of(rules.plan, market).scenario,
            assess(laid_out, Kind.INITIAL).requirement,
            assess(laid_out, Kind.MAINTENANCE).requirement,
        )
    return tables


def market_of(state: State, model: PortfolioModel, underlying: int, positions: Mapping[int, Qty]) -> scan.Market:
    """Positions of one underlying as the scenarios of a model read them, at the round in force."""
    view = risk.view_now(state)
    held: dict[int, dict[int, Qty]] = {}
    for series in sorted(positions):
        held.setdefault(expiry_of(series), {})[series] = positions[series]
    sheets = {}
    for expiry in held:
        on, left = view.terms[expiry], state.expiries[expiry].expiry_s - view.time_s
        sheets[expiry] = Sheet(on.expected, max(left, 0), on.years, on.fixed)
    options = {series: state.series[series] for series in positions}
    terms = {series: Terms(option.strike, option.is_call, view.vols[series]) for series, option in options.items()}
    arrays = RiskRound(model, view.id, sheets, terms, state.pricer)
    expiries = (scan.added_up(arrays, expiry, legs, view.confs[expiry]) for expiry, legs in held.items())
    return scan.Market(view.spots[underlying], tuple(expiries))


# -- along the index --------------------------------------------------------------------------------------------------


def liquidation_prices(state: State, account: Account, underlying: int) -> Crossing:
    """Where the index of one underlying, moving alone with its forwards and with vols as they are, leaves a shortfall.

    The first crossing in each direction that steps of a thirty-second of the index (below) or a tenth (above) find,
    narrowed to 1e-6 USDC.
    """
    spot = risk.view_now(state).spots[underlying]
    equity = account.cash - account.held
    positions = {series: qty for series, qty in account.positions.items() if qty}

    def falls_short(price: Price) -> bool:
        view = moved_view(state, positions, underlying, price)
        return equity < risk.requirement_of(state, view, positions, Kind.MAINTENANCE)

    if falls_short(spot):
        return Crossing(spot, spot)
    down = [spot * step // _STEPS for step in range(_STEPS - 1, 0, -1)]
    up = [spot + spot * (_HIGHEST - 1) * step // _STEPS for step in range(1, _STEPS + 1)]
    return Crossing(_first(spot, down, falls_short), _first(spot, up, falls_short))


def _first(spot: Price, steps: list[Price], falls_short: Callable[[Price], bool]) -> Price | None:
    """The price nearest ``spot`` that falls short while its neighbour towards ``spot`` does not."""
    good = spot
    for bad in steps:
        if falls_short(bad):
            while abs(bad - good) > 1:
                middle = (good + bad) // 2
                good, bad = (good, middle) if falls_short(middle) else (middle, bad)  # noqa: PLW2901
            return bad
        good = bad
    return None


def moved_view(state: State, positions: Mapping[int, Qty], underlying: int, spot: Price) -> RoundView:
    """The round in force with another index: forwards in proportion, vols as they are, marks of positions anew."""
    now = risk.view_now(state)
    view = RoundView(now.id, now.time_s, now.stable)
    view.spots, view.confs, view.marks = {**now.spots, underlying: spot}, now.confs, dict(now.marks)
    view.forwards = dict(now.forwards)
    held: dict[int, list[int]] = {}
    for series in positions:
        if state.series[series].underlying == underlying:
            held.setdefault(expiry_of(series), []).append(series)
    for expiry, listed in held.items():
        view.forwards[expiry] = mul_div_down(now.forwards[expiry], spot, now.spots[underlying])
        on = _moved_term(now, expiry, state.expiries[expiry].expiry_s, spot, now.spots[underlying])
        strikes, vols = [state.series[series].strike for series in listed], [now.vols[series] for series in listed]
        (calls,) = state.pricer.calls([on.expected], strikes, [vols], on.years)
        for series, strike, call in zip(listed, strikes, calls, strict=True):
            mark = call if state.series[series].is_call else put_mark(call, on.expected, strike)
            view.marks[series] = max(mark, MARK_MIN)
    return view


def _moved_term(view: RoundView, expiry: int, expiry_s: Seconds, spot: Price, was: Price) -> Term:
    """What options are priced on at another index; the settled part of an average stays."""
    on = view.terms[expiry]
    expected = on.fixed + mul_div_down(on.expected - on.fixed, spot, was)
    return Term(expected, on.fixed, averaging_years(max(expiry_s - view.time_s, 0), expected, on.fixed))


# -- cures ------------------------------------------------------------------------------------------------------------


def smallest_cure(state: State, account: Account, kind: Kind) -> Cure:
    """The least that restores margin of a kind: a deposit, or part of one position closed at its mark; else nothing.

    A series is left out where closing all of it does not do. Quantities are in whole lots, or all that is held; one
    lot less does not do, though where offsets come and go much less may do again.
    """
    now = figures(state, account)
    missing = -now.margin(kind)
    if missing <= 0:
        return Cure(0, {})
    found = {series: _least_closing(state, account, series, kind) for series in sorted(account.positions)}
    return Cure(missing, {series: qty for series, qty in found.items() if qty is not None})


def _least_closing(state: State, account: Account, series: int, kind: Kind) -> Qty | None:
    """Lots to close, up to all: so many cure it and one lot less does not. None if not even all of it does."""
    held, mark = account.positions[series], risk.view_now(state).marks[series]
    lot = state.underlyings[state.series[series].underlying].lot

    def cured(qty: Qty) -> bool:
        signed = -qty if held > 0 else qty
        return with_changes(state, account, {series: signed}, div_down(-signed * mark, QTY_ONE)).margin(kind) >= 0

    size = abs(held)
    if not cured(size):
        return None
    short, enough = 0, div_up(size, lot)
    while enough - short > 1:
        middle = (short + enough) // 2
        short, enough = (short, middle) if cured(min(middle * lot, size)) else (middle, enough)
    return min(enough * lot, size)
