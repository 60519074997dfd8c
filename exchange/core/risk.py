"""Margin of live accounts: the fast sufficient test, the exact one, and what open orders reserve.

The exact requirement is ``margin.requirement``. Most checks are answered by the isolated sum, which is never below it
and moves by one multiplication per fill; only when that fails are the legs of the account laid out in full. Views are
arguments, so the same code answers for the live round and for the round about to be adopted.
Imports state, budget, combos, models, oracle, margin, portfolio_margin, units.
"""

from collections.abc import Iterable
from typing import Final, TypeAlias

import msgspec

from exchange.core import budget, combos, models, portfolio_margin
from exchange.core.commands import Authorisation, QuoteLeaf, StandardModel
from exchange.core.margin import ExpiryBook, Kind, Leg, requirement
from exchange.core.oracle import RoundView
from exchange.core.parameters import PORTFOLIO_MARGIN, STANDARD_MARGIN
from exchange.core.state import State, count_open, is_covered
from exchange.core.state_types import Account, Combo, Cover, OpenInterest, Order
from exchange.core.units import RISK_ONE, WAD, Cash, Price, Qty, Risk, div_down, div_up, expiry_of


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
    return _moved(account, Moves(0, {series: qty}))


def needed_by(state: State, view: RoundView, account: Account, enough: Cash, words_max: int = budget.SHOWN_MAX) -> Cash:
    """Exact initial requirement of what an account holds, by the models that count for it; STANDARD's where that is at
    most ``enough``.
    """
    needed = requirement_of(state, view, account.positions, Kind.INITIAL)
    if needed <= enough or view.arrays is None or models.models_of(state, account) != (PORTFOLIO_MARGIN,):
        return needed
    if not budget.may_show(state, account, (), words_max):
        return needed
    return min(needed, portfolio_margin.needed(state, view, account.positions, Kind.INITIAL))


def holds_at(state: State, view: RoundView, account: Account) -> bool:
    """Whether the account meets initial margin at a view; decides if its unsettled trades may name that round."""
    free = account.cash - account.held
    isolated = sum(-qty * view.im_units[series] for series, qty in account.positions.items() if qty < 0)
    if free >= div_up(isolated, RISK_ONE):
        return True
    return free >= needed_by(state, view, account, free, budget.SHOWN_IN_GROUP_MAX)


# -- fast -------------------------------------------------------------------------------------------------------------


def refresh(state: State, account: Account) -> None:
    """Bring the derived sums of an account to the round in force."""
    view = state.view
    assert view is not None
    if account.risk_round == view.id:
        return
    units = view.im_units
    account.isolated = sum(-qty * units[series] for series, qty in account.positions.items() if qty < 0)
    account.reserved = sum(
        _reserve_combo(state, account, state.combos[series], item)
        if combos.is_combo(series)
        else _reserve(state, account.positions.get(series, 0), item, units[series])
        for series, item in account.open.items()
    )
    account.risk_round = view.id


def _reserve(state: State, position: Qty, item: OpenInterest, unit: Risk) -> Risk:
    """What the open orders of one series may cost: new shorts at their unit, new longs at price plus the fee cap.

    Orders that only close the position reserve nothing; the exact check at the fill guards them.
    """
    buys = _reserve_buys(state, position, item.buy_qty, item.buy_value)
    return buys + _reserve_sells(position, item.sell_qty, unit)


def _reserve_sells(position: Qty, qty: Qty, unit: Risk) -> Risk:
    if position > 0:
        qty -= position
    return qty * unit if qty > 0 else 0


def _reserve_buys(state: State, position: Qty, qty: Qty, value: int) -> Risk:
    if position < 0:
        opening = qty + position
        if opening <= 0:
            return 0
        value = div_up(value * opening, qty)
    assert state.config is not None
    return value * (WAD + state.config.fees.cap)


def reserve_with(state: State, account: Account, auth: Authorisation, qty: Qty, replaced: Order | None) -> Risk:
    """Reservation of all open orders with ``qty`` of a new one in, and the order it replaces out; sums are fresh."""
    if combos.is_combo(auth.series):
        return account.reserved + _change_combo(state, account, auth, qty, replaced)
    position, item = account.positions.get(auth.series, 0), account.open.get(auth.series)
    value = qty * auth.price
    if replaced is not None:  # on the same side, always
        left = replaced.qty - replaced.filled
        qty, value = qty - left, value - left * replaced.price
    return account.reserved + change(state, position, item, auth.series, auth.is_buy, qty, value)


def change(
    state: State, position: Qty, item: OpenInterest | None, series: int, is_buy: bool, qty: Qty, value: int
) -> Risk:
    """What ``qty`` more on one side, worth ``value``, changes in a series' reservation; only that side changes."""
    view, config = state.view, state.config
    assert view is not None
    assert config is not None
    if is_buy:
        if position >= 0:  # with no position against it, an order counts for just what it is worth
            return value * (WAD + config.fees.cap)
        had, worth = (item.buy_qty, item.buy_value) if item is not None else (0, 0)
        return _reserve_buys(state, position, had + qty, worth + value) - _reserve_buys(state, position, had, worth)
    unit = view.im_units[series]
    if position <= 0:
        return qty * unit
    had = item.sell_qty if item is not None else 0
    return _reserve_sells(position, had + qty, unit) - _reserve_sells(position, had, unit)


# Open orders of a combo reserve as those of isolated legs would, each side on its own: each leg that a side would leave
# short at its isolated requirement, what it pays, and the fee of its legs. Units that only close positions, in every
# leg, reserve nothing. What a leg earns, and what legs do for each other, counts at the fill, where the check is exact.


def _reserve_combo(
    state: State, account: Account, combo: Combo, item: OpenInterest, moved: "_Moving | None" = None
) -> Risk:
    """What the open orders of one combo may cost; ``moved``: with a position as it is about to be."""
    buys = _reserve_units(state, account, combo, item.buy_qty, item.buy_value, moved)
    return buys + _reserve_units(state, account, combo, -item.sell_qty, item.sell_value, moved)


_Moving: TypeAlias = tuple[int, Qty]  # series, and its position


def _reserve_units(state: State, account: Account, combo: Combo, units: Qty, value: int, moved: _Moving | None) -> Risk:
    """What so many units, bought or below zero sold, may cost when they pay ``value``; rounded up."""
    view, config, qty = view_now(state), state.config, abs(units)
    assert config is not None
    shorts, closing = 0, qty
    for leg in combo.legs:
        gain = leg.ratio * units
        position = moved[1] if moved is not None and moved[0] == leg.series else account.positions.get(leg.series, 0)
        closed = min(max(-position if gain > 0 else position, 0), abs(gain))
        closing = min(closing, div_down(closed, abs(leg.ratio)))
        if gain < 0:
            shorts += (-gain - closed) * view.im_units[leg.series]
    if closing == qty:
        return 0
    fee = config.fees.taker_rate * view.spots[combo.underlying] * combos.weight_of(state, combo.id)
    return shorts + (qty - closing) * fee + div_up(value * (qty - closing), qty) * WAD


def _change_combo(state: State, account: Account, auth: Authorisation, qty: Qty, replaced: Order | None) -> Risk:
    combo, held = state.combos[auth.series], account.open.get(auth.series, OpenInterest())
    item = OpenInterest(held.buy_qty, held.buy_value, held.sell_qty, held.sell_value)
    count_open(item, qty, auth.price, is_buy=auth.is_buy)
    if replaced is not None:
        count_open(item, replaced.filled - replaced.qty, replaced.price, is_buy=auth.is_buy)
    return _reserve_combo(state, account, combo, item) - _reserve_combo(state, account, combo, held)


def shortfall_with(state: State, account: Account, reserved: Risk) -> Cash:
    """How far free cash misses positions plus reservations; zero or less means it suffices."""
    free, covers = account.cash - account.held, covers_of(state, account)
    if free * RISK_ONE >= account.isolated + reserved + covers:
        return 0
    if covers:
        return div_up(account.isolated + reserved + covers, RISK_ONE) - free
    needed = needed_by(state, view_now(state), account, free - div_up(reserved, RISK_ONE))
    return needed + div_up(reserved, RISK_ONE) - free


def reserve_max(state: State, account: Account, reserved: Risk, covers: Risk) -> Risk:
    """The largest reservation the account can bear beside these covers; how much exactly only if less would not do."""
    free = account.cash - account.held
    easily = free * RISK_ONE - account.isolated - covers
    if covers or reserved <= easily:
        return easily
    needed = needed_by(state, view_now(state), account, 0)
    return max(easily, (free - needed) * RISK_ONE)


class Moved(msgspec.Struct, frozen=True, gc=False):
    """Cash and quantity of one series an account has moved since the last record, within the sweep being planned."""

    cash: Cash
    qty: Qty

    def of(self, series: int) -> "Moves":
        """The same, of a series by its name."""
        return Moves(self.cash, {series: self.qty})


UNMOVED: Final = Moved(0, 0)


def fill_shortfall(state: State, account: Account, series: int, before: Moved, after: Moved, keep: Risk = 0) -> Cash:
    """Shortfall that forbids a fill taking the account from ``before`` to ``after``; zero if it is acceptable.

    Acceptable is: initial margin holds afterwards, or is no worse than just before (the contract's rule too). Of an
    account under PORTFOLIO the better of both models counts, see ``_judged``. ``keep``
    is what covers other fills of the account: a fill they are not for leaves that much, without offsets, or takes
    nothing.
    """
    refresh(state, account)
    position = account.positions.get(series, 0)
    held = position + after.qty
    isolated, unit = account.isolated, view_now(state).im_units[series]
    if position < 0 or held < 0:
        isolated += (min(position, 0) - min(held, 0)) * unit
    left = (account.cash - account.held + after.cash) * RISK_ONE - isolated
    if left >= keep:
        return 0
    if keep:
        short = min(position, 0) - min(position + before.qty, 0)
        if left < (account.cash - account.held + before.cash) * RISK_ONE - account.isolated - short * unit:
            return div_up(keep - left, RISK_ONE)
    return _judged(state, account, before.of(series), after.of(series), budget.SHOWN_MAX)


class Moves(msgspec.Struct, gc=False):
    """Cash and quantities by series that an account has moved, or is about to, since the last record."""

    cash: Cash = 0
    qtys: dict[int, Qty] = {}

    def plus(self, cash: Cash, qtys: Iterable[tuple[int, Qty]]) -> "Moves":
        """With so much more."""
        moved = dict(self.qtys)
        for series, qty in qtys:
            moved[series] = moved.get(series, 0) + qty
        return Moves(self.cash + cash, moved)


def moves_shortfall(
    state: State,
    account: Account,
    before: Moves,
    after: Moves,
    keep: Risk = 0,
    words_max: int = budget.SHOWN_IN_GROUP_MAX,
) -> Cash:
    """As ``fill_shortfall``, for fills of several series that count as one and settle with those of other accounts."""
    refresh(state, account)
    left = _left_isolated(state, account, after)
    if left >= keep:
        return 0
    if keep and left < _left_isolated(state, account, before):
        return div_up(keep - left, RISK_ONE)
    return _judged(state, account, before, after, words_max)


def _judged(state: State, account: Account, before: Moves, after: Moves, words_max: int) -> Cash:
    """The shortfall that forbids fills where the bound without offsets does not do.

    Each model that may count when they land has to accept them: initial margin holds afterwards, or is no worse than
    before. Under PORTFOLIO the better of both models is measured, so where a batch could not show its arrays, or the
    round has none, only margin by STANDARD does.
    """
    standard = _left_standard(state, account, after)
    if standard >= 0:
        return 0
    allowed = models.models_of(state, account)
    if STANDARD_MARGIN in allowed and standard < _left_standard(state, account, before):
        return -standard
    if PORTFOLIO_MARGIN not in allowed:
        return 0
    if view_now(state).arrays is None or not budget.may_show(state, account, (*before.qtys, *after.qtys), words_max):
        return -standard
    left = max(standard, _left_portfolio(state, account, after))
    if left >= 0:
        return 0
    had = max(_left_standard(state, account, before), _left_portfolio(state, account, before))
    return -left if left < had else 0


def _left_isolated(state: State, account: Account, moves: Moves) -> Risk:
    units, isolated = view_now(state).im_units, account.isolated
    for series, qty in moves.qtys.items():
        position = account.positions.get(series, 0)
        isolated += (min(position, 0) - min(position + qty, 0)) * units[series]
    return (account.cash - account.held + moves.cash) * RISK_ONE - isolated


def _moved(account: Account, moves: Moves) -> dict[int, Qty]:
    positions = dict(account.positions)
    for series, qty in moves.qtys.items():
        positions[series] = positions.get(series, 0) + qty
    return positions


def _left_standard(state: State, account: Account, moves: Moves) -> Cash:
    needed = requirement_of(state, view_now(state), _moved(account, moves), Kind.INITIAL)
    return account.cash - account.held + moves.cash - needed


def _left_portfolio(state: State, account: Account, moves: Moves) -> Cash:
    needed = portfolio_margin.needed(state, view_now(state), _moved(account, moves), Kind.INITIAL)
    return account.cash - account.held + moves.cash - needed


# -- covers -----------------------------------------------------------------------------------------------------------

# A covered mandate holds margin once, for the worst that can fill under it. What fills before the last fill is below
# the budget, and costs at most ``unit`` for each 1e-4 contract; the last fill is at most a whole leaf, which costs at
# most ``last``. So remaining * unit + last covers any order of fills, and shrinks by no less than a fill costs: with
#     (cash - held) * RISK_ONE >= isolated + covers
# true once, it stays true through every fill under the budgets, whichever comes, at the round in force. Isolated is
# what all shorts need with no offset, never less than the requirement, so none of these fills can be short of margin.
# One fill of q at price p costs: bought, p * q and a fee of at most the cap, rounded up; isolated cannot grow. Sold,
# isolated grows by at most unit * q; the premium is whole (lot and tick are exact) and no less than its fee.


def cover_units(state: State, leaves: tuple[QuoteLeaf, ...]) -> tuple[Risk, Risk]:
    """Most that 1e-4 contract of any leaf can cost at the round in force, and the most that a whole leaf can."""
    unit = last = 0
    for leaf in leaves:
        cost = _cost_of(state, leaf)
        unit, last = max(unit, cost), max(last, cost * leaf.qty)
    return unit, last


def _cost_of(state: State, leaf: QuoteLeaf) -> Risk:
    """What one 1e-4 contract of a quote can cost, the rounding of the fee spread over the least that can fill."""
    config, units = state.config, view_now(state).im_units
    assert config is not None
    if leaf.series not in units:
        return 0  # not listed, or settled: it stands in no book
    rounding = div_up(RISK_ONE, state.underlyings[state.series[leaf.series].underlying].lot)
    return (leaf.price * (WAD + config.fees.cap) if leaf.is_buy else units[leaf.series]) + rounding


def cover_of(state: State, mandate_id: int, cover: Cover, filled: Qty) -> Risk:
    """Margin held for one covered mandate of which so much has filled; its unit costs follow the round in force."""
    mandate, view = state.mandates[mandate_id], view_now(state)
    if cover.round_id != view.id:
        cover.unit, cover.last = cover_units(state, mandate.leaves)
        cover.round_id = view.id
    return max(mandate.quote.qty - filled, 0) * cover.unit + cover.last


def covers_of(state: State, account: Account) -> Risk:
    """Margin held for all covered mandates of an account that have quotes in the book."""
    return sum(cover_of(state, key, cover, state.mandates[key].qty) for key, cover in account.covers.items())


# -- keeping the sums -------------------------------------------------------------------------------------------------


def move_position(state: State, account: Account, series: int, qty: Qty) -> None:
    """Keep the derived sums across a change of position; call before the position itself changes."""
    view = state.view
    if view is None or account.risk_round != view.id:
        return  # stale sums are rebuilt on next use
    position = account.positions.get(series, 0)
    after, unit = position + qty, view.im_units[series]
    if position < 0 or after < 0:
        account.isolated += (min(position, 0) - min(after, 0)) * unit
    if state.on_leg and series in state.on_leg and account.open:
        _move_combos(state, account, series, after)
    item = account.open.get(series)
    if item is None:
        return
    if item.sell_qty and (position > 0 or after > 0):  # longs are what sells may close, shorts what buys may
        account.reserved += _reserve_sells(after, item.sell_qty, unit) - _reserve_sells(position, item.sell_qty, unit)
    if item.buy_qty and (position < 0 or after < 0):
        qty, value = item.buy_qty, item.buy_value
        account.reserved += _reserve_buys(state, after, qty, value) - _reserve_buys(state, position, qty, value)


def _move_combos(state: State, account: Account, series: int, after: Qty) -> None:
    """A leg's position is about to be another: what the open orders of its combos may cost follows."""
    for combo_id in state.on_leg[series]:
        item = account.open.get(combo_id)
        if item is not None:
            combo = state.combos[combo_id]
            account.reserved += _reserve_combo(state, account, combo, item, (series, after))
            account.reserved -= _reserve_combo(state, account, combo, item)


def move_order(state: State, account: Account, order: Order, qty: Qty) -> None:
    """More or, with a negative quantity, less of an order is open; what a mandate covers is counted there."""
    if not is_covered(state, order):
        move_open(state, account, order.series, order.is_buy, qty, order.price)


def move_open(state: State, account: Account, series: int, is_buy: bool, qty: Qty, price: Price) -> None:
    """Add (or with negative quantity take away) open order quantity, keeping the reservation."""
    item = account.open.get(series)
    if item is None:
        item = account.open[series] = OpenInterest()
    view = state.view
    if view is None or account.risk_round != view.id:  # stale sums are rebuilt on next use
        count_open(item, qty, price, is_buy=is_buy)
    elif combos.is_combo(series):
        combo = state.combos[series]
        account.reserved -= _reserve_combo(state, account, combo, item)
        count_open(item, qty, price, is_buy=is_buy)
        account.reserved += _reserve_combo(state, account, combo, item)
    else:
        account.reserved += change(state, account.positions.get(series, 0), item, series, is_buy, qty, qty * price)
        count_open(item, qty, price, is_buy=is_buy)
    if item.buy_qty == 0 and item.sell_qty == 0:
        del account.open[series]
