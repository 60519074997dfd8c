"""Margin of live accounts: the fast sufficient test, the exact one, and what open orders reserve.

The exact requirement is ``margin.requirement``. Most checks are answered by the isolated sum, which is never below it
and moves by one multiplication per fill; only when that fails are the legs of the account laid out in full. Views are
arguments, so the same code answers for the live round and for the round about to be adopted.
Imports state, oracle, margin, units.
"""

from typing import NamedTuple

from exchange.core.commands import Authorisation, StandardModel
from exchange.core.margin import ExpiryBook, Kind, Leg, requirement
from exchange.core.oracle import RoundView
from exchange.core.state import State
from exchange.core.state_types import Account, OpenInterest, Order
from exchange.core.units import RISK_ONE, WAD, Cash, Price, Qty, Risk, Wad, div_up, expiry_of


def model_of(state: State) -> StandardModel:
    """The margin parameters in force."""
    assert state.config is not None
    return state.config.standard


def view_now(state: State) -> RoundView:
    """The round in force; callers check freshness first."""
    assert state.view is not None
    return state.view


# -- exact ------------------------------------------------------------------------------------------------------------


def books_of(state: State, view: RoundView, positions: dict[int, Qty]) -> tuple[ExpiryBook, ...]:
    """Positions laid out per expiry with the prices of a view, in ascending series order."""
    legs: dict[int, list[Leg]] = {}
    for series_id in sorted(positions):
        option = state.series[series_id]
        leg = Leg(positions[series_id], option.strike, option.is_call, view.marks[series_id])
        legs.setdefault(expiry_of(series_id), []).append(leg)
    return tuple(
        ExpiryBook(
            view.spots[state.expiries[expiry_id].underlying],
            view.forwards[expiry_id],
            view.confs[expiry_id],
            tuple(items),
        )
        for expiry_id, items in legs.items()
    )


def requirement_of(state: State, view: RoundView, positions: dict[int, Qty], kind: Kind) -> Cash:
    """Exact requirement of a set of positions at a view."""
    return requirement(model_of(state), books_of(state, view, positions), view.stable, kind)


def with_fill(account: Account, series: int, qty: Qty) -> dict[int, Qty]:
    """Positions after one more signed quantity."""
    positions = dict(account.positions)
    positions[series] = positions.get(series, 0) + qty
    return positions


def exact_margin(state: State, account: Account, cash: Cash, series: int, qty: Qty) -> Cash:
    """Initial margin left after moving ``cash`` and ``qty`` of a series; negative is a shortfall."""
    positions = with_fill(account, series, qty)
    needed = requirement_of(state, view_now(state), positions, Kind.INITIAL)
    return account.cash - account.held + cash - needed


def holds_at(state: State, view: RoundView, account: Account) -> bool:
    """Whether the account meets initial margin at a view; decides if its unsettled trades may name that round."""
    free = account.cash - account.held
    isolated = sum(-qty * view.im_units[series] for series, qty in account.positions.items() if qty < 0)
    if free >= div_up(isolated, RISK_ONE):
        return True
    return free >= requirement_of(state, view, account.positions, Kind.INITIAL)


# -- fast -------------------------------------------------------------------------------------------------------------


def refresh(state: State, account: Account) -> None:
    """Bring the derived sums of an account to the round in force."""
    view = view_now(state)
    if account.risk_round == view.id:
        return
    units = view.im_units
    account.isolated = sum(-qty * units[series] for series, qty in account.positions.items() if qty < 0)
    account.reserved = sum(
        _reserve(state, account.positions.get(series, 0), item, units[series]) for series, item in account.open.items()
    )
    account.risk_round = view.id


def _reserve(state: State, position: Qty, item: OpenInterest, unit: Risk) -> Risk:
    """What the open orders of one series may cost: new shorts at their unit, new longs at price plus the fee cap.

    Orders that only close the position reserve nothing; the exact check at the fill guards them.
    """
    opening_sells = item.sell_qty - position if position > 0 else item.sell_qty
    reserve = opening_sells * unit if opening_sells > 0 else 0
    opening_buys = item.buy_qty + position if position < 0 else item.buy_qty
    if opening_buys > 0:
        value = item.buy_value if position >= 0 else div_up(item.buy_value * opening_buys, item.buy_qty)
        reserve += value * _premium_rate(state)
    return reserve


def _premium_rate(state: State) -> Wad:
    """Risk units that one 1e-6 USDC x 1e-4 contract of an open buy reserves: its premium and the highest fee."""
    assert state.config is not None
    return WAD + state.config.fees.cap


def reserve_with(state: State, account: Account, auth: Authorisation, qty: Qty, replaced: Order | None) -> Risk:
    """Reservation of all open orders with ``qty`` of a new one in, and the order it replaces out; sums are fresh."""
    unit = view_now(state).im_units[auth.series]
    position = account.positions.get(auth.series, 0)
    if replaced is None:  # with no position against it, an order adds just what it is worth
        if auth.is_buy and position >= 0:
            return account.reserved + qty * auth.price * _premium_rate(state)
        if not auth.is_buy and position <= 0:
            return account.reserved + qty * unit
    item = account.open.get(auth.series) or OpenInterest()
    before = _reserve(state, position, item, unit)
    after = OpenInterest(item.buy_qty, item.buy_value, item.sell_qty)
    _count(after, auth.is_buy, qty, auth.price)
    if replaced is not None:
        _count(after, replaced.is_buy, replaced.filled - replaced.qty, replaced.price)
    return account.reserved - before + _reserve(state, position, after, unit)


def _count(item: OpenInterest, is_buy: bool, qty: Qty, price: Price) -> None:
    if is_buy:
        item.buy_qty += qty
        item.buy_value += qty * price
    else:
        item.sell_qty += qty


def shortfall_with(state: State, account: Account, reserved: Risk) -> Cash:
    """How far free cash misses positions plus reservations; zero or less means it suffices."""
    free = account.cash - account.held
    missing = div_up(account.isolated + reserved, RISK_ONE) - free
    if missing <= 0:
        return missing
    needed = requirement_of(state, view_now(state), account.positions, Kind.INITIAL)
    return needed + div_up(reserved, RISK_ONE) - free


class Moved(NamedTuple):
    """Cash and quantity of one series an account has moved since the last record, within the sweep being planned."""

    cash: Cash
    qty: Qty


def fill_shortfall(state: State, account: Account, series: int, before: Moved, after: Moved) -> Cash:
    """Shortfall that forbids a fill taking the account from ``before`` to ``after``; zero if it is acceptable.

    Acceptable is: initial margin holds afterwards, or is no worse than just before (the contract's rule too).
    """
    refresh(state, account)
    position = account.positions.get(series, 0)
    unit = view_now(state).im_units[series]
    isolated = account.isolated - max(-position, 0) * unit + max(-(position + after.qty), 0) * unit
    if account.cash - account.held + after.cash >= div_up(isolated, RISK_ONE):
        return 0
    margin = exact_margin(state, account, after.cash, series, after.qty)
    if margin >= 0 or margin >= exact_margin(state, account, before.cash, series, before.qty):
        return 0
    return -margin


# -- keeping the sums -------------------------------------------------------------------------------------------------


def move_position(state: State, account: Account, series: int, qty: Qty) -> None:
    """Keep the derived sums across a change of position; call before the position itself changes."""
    view = state.view
    if view is None or account.risk_round != view.id:
        return  # stale sums are rebuilt on next use
    position = account.positions.get(series, 0)
    unit = view.im_units[series]
    account.isolated += (max(-(position + qty), 0) - max(-position, 0)) * unit
    item = account.open.get(series)
    if item is not None:
        account.reserved += _reserve(state, position + qty, item, unit) - _reserve(state, position, item, unit)


def move_open(state: State, account: Account, series: int, is_buy: bool, qty: Qty, price: Price) -> None:
    """Add (or with negative quantity take away) open order quantity, keeping the reservation."""
    item = account.open.get(series)
    if item is None:
        item = account.open[series] = OpenInterest()
    view = state.view
    if view is None or account.risk_round != view.id:
        _count(item, is_buy, qty, price)  # stale sums are rebuilt on next use
    else:
        position = account.positions.get(series, 0)
        if is_buy and position >= 0:  # with no position against it, an order counts for just what it is worth
            _count(item, is_buy, qty, price)
            account.reserved += qty * price * _premium_rate(state)
        elif not is_buy and position <= 0:
            _count(item, is_buy, qty, price)
            account.reserved += qty * view.im_units[series]
        else:
            unit = view.im_units[series]
            before = _reserve(state, position, item, unit)
            _count(item, is_buy, qty, price)
            account.reserved += _reserve(state, position, item, unit) - before
    if item.buy_qty == 0 and item.sell_qty == 0:
        del account.open[series]
