"""Orders: admission, price-time matching, resting, amending and cancelling.

Deciding only reads: a sweep is planned fill by fill against running totals, then written by ``evolve``. The order of
the checks is the order of ``Reject``. Imports state, sweep, risk, fees, backlog, settlement, events.
"""

import msgspec

from exchange.core import backlog, deadlines, fees, ledger, risk, settlement
from exchange.core.book import Side
from exchange.core.commands import FOK, GTC, IOC, SCOPE_TRADE, Amend, Authorisation, Cancel, CancelAll, Place
from exchange.core.events import (
    Accepted,
    Amended,
    Cancelled,
    CancelReason,
    Event,
    Reject,
    Rejected,
    Rested,
    Traded,
)
from exchange.core.state import State
from exchange.core.state_types import Account, AuthEntry, Order, Trade
from exchange.core.sweep import Sweep, crosses
from exchange.core.units import (
    CASH_MAX,
    NO_EXPIRY,
    QTY_MAX,
    U63_MAX,
    U64_MAX,
    Cash,
    Price,
    Qty,
    Seconds,
    seconds_of,
)

OPEN_ORDERS_MAX = 10_000  # per account; bounds mass cancels and snapshots
LINEAGE_MAX = settlement.ORDERS_MAX >> 1  # a trade has two lineages, and one batch must carry both


# -- admission --------------------------------------------------------------------------------------------------------


def _refuse_who(state: State, auth: Authorisation, now_s: Seconds) -> Rejected | None:
    account = state.accounts.get(auth.account)
    if account is None or account.id == 0:
        return Rejected(Reject.ACCOUNT_MUST_EXIST, auth.account)
    if account.exiting:
        return Rejected(Reject.ACCOUNT_MUST_BE_ACTIVE, auth.account)
    if auth.signer != account.owner:
        key = account.keys.get(auth.signer)
        if key is None or not key.scopes & SCOPE_TRADE:
            return Rejected(Reject.SIGNER_MUST_BE_AUTHORISED, key.scopes if key else 0, SCOPE_TRADE)
        if key.expiry_s <= now_s:
            return Rejected(Reject.SIGNER_MUST_BE_AUTHORISED, key.expiry_s, now_s)
    return None


def _refuse_what(state: State, auth: Authorisation, now_s: Seconds) -> Rejected | None:
    option = state.series.get(auth.series)
    if option is None:
        return Rejected(Reject.SERIES_MUST_EXIST, auth.series)
    if option.expiry_s <= now_s:
        return Rejected(Reject.SERIES_MUST_BE_TRADING, now_s, option.expiry_s)
    if not GTC <= auth.tif <= FOK:
        return Rejected(Reject.TIF_MUST_BE_KNOWN, auth.tif, FOK)
    underlying = state.underlyings[option.underlying]
    if auth.qty <= 0:
        return Rejected(Reject.QTY_MUST_BE_POSITIVE, auth.qty)
    if auth.qty % underlying.lot:
        return Rejected(Reject.QTY_MUST_BE_ON_LOT, auth.qty, underlying.lot)
    if auth.qty > QTY_MAX:
        return Rejected(Reject.QTY_MUST_FIT, auth.qty, QTY_MAX)
    if auth.price <= 0:
        return Rejected(Reject.PRICE_MUST_BE_POSITIVE, auth.price)
    tick = underlying.tick_at(auth.price)
    if auth.price % tick:
        return Rejected(Reject.PRICE_MUST_BE_ON_TICK, auth.price, tick)
    if auth.price > U63_MAX or not 0 <= auth.max_fee <= U63_MAX:
        return Rejected(Reject.PRICE_MUST_FIT, max(auth.price, auth.max_fee), U63_MAX)
    return None


def _refuse_signed(state: State, auth: Authorisation, now_s: Seconds) -> Rejected | None:
    if not now_s < auth.expiry_s <= NO_EXPIRY:
        return Rejected(Reject.ORDER_MUST_NOT_BE_EXPIRED, auth.expiry_s, now_s)
    account = state.accounts[auth.account]
    if not 0 <= auth.nonce <= U64_MAX or account.nonce_used(auth.nonce):
        return Rejected(Reject.NONCE_MUST_BE_FRESH, min(auth.nonce, U64_MAX))
    view = state.view
    assert state.config is not None
    if view is None or auth.series not in view.marks or now_s - view.time_s > state.config.settlement_window_s:
        return Rejected(Reject.ORACLE_MUST_BE_FRESH, now_s - view.time_s if view else 0)
    index = view.spots[state.series[auth.series].underlying]
    if fees.taker_fee_fits(state.config.fees, index, auth.max_fee):
        return None
    fee = fees.taker_fee(state.config.fees, index, auth.price, auth.qty)
    allowed = fees.fee_allowed(auth.max_fee, auth.qty)
    if fee > allowed:
        # A spot and a price near the ends of their ranges make a fee that no journal integer holds.
        return Rejected(Reject.MAX_FEE_MUST_COVER_FEE, min(allowed, CASH_MAX), min(fee, CASH_MAX))
    return None


def _refuse(state: State, auth: Authorisation, now_s: Seconds) -> Rejected | None:
    if not state.is_open or state.config is None:
        return Rejected(Reject.TRADING_MUST_BE_OPEN)
    return _refuse_who(state, auth, now_s) or _refuse_what(state, auth, now_s) or _refuse_signed(state, auth, now_s)


def _closes(account: Account, auth: Authorisation) -> Qty:
    """How much of a position an order on this side can close."""
    position = account.positions.get(auth.series, 0)
    return max(-position, 0) if auth.is_buy else max(position, 0)


def _refuse_margin(state: State, auth: Authorisation, qty: Qty, replaced: Order | None) -> Rejected | None:
    """An order is taken only if margin holds with everything the account has open, unless it opens nothing."""
    account = state.accounts[auth.account]
    risk.refresh(state, account)
    reserved = risk.reserve_with(state, account, auth, qty, replaced)
    if reserved <= account.reserved:
        return None
    shortfall = risk.shortfall_with(state, account, reserved)
    return _short_of_margin(account, shortfall) if shortfall > 0 else None


def _short_of_margin(account: Account, shortfall: Cash) -> Rejected:
    """Free cash, and what it lacks: no more than a journal integer holds, whatever was ordered or asked back."""
    free = max(account.cash - account.held, -CASH_MAX)
    return Rejected(Reject.ACCOUNT_MUST_HAVE_MARGIN, free, min(shortfall, CASH_MAX))


# -- place ------------------------------------------------------------------------------------------------------------


def decide_place(state: State, command: Place, seq: int, time_ns: int) -> tuple[Event, ...]:
    """Admit, match, and rest or cancel what is left."""
    auth, now_s = command.auth, seconds_of(time_ns)
    refused = _refuse(state, auth, now_s)
    if refused is not None:
        return (refused,)
    account = state.accounts[auth.account]
    if auth.replaces:
        return (Rejected(Reject.AMEND_MUST_NAME_REPLACED_NONCE, auth.replaces),)
    if len(account.orders) >= OPEN_ORDERS_MAX:
        return (Rejected(Reject.OPEN_ORDERS_MUST_FIT, len(account.orders), OPEN_ORDERS_MAX),)
    if auth.reduce_only and not _closes(account, auth):
        return (Rejected(Reject.REDUCE_ONLY_MUST_REDUCE, account.positions.get(auth.series, 0)),)
    return _enter(state, auth, Entry(seq, auth.qty, Accepted(seq), command.slide), now_s)


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An admitted order about to meet the book: its id, what is left of it, and the event that admits it."""

    order_id: int
    qty: Qty
    admitted: Event
    slide: bool = False
    replaced: Order | None = None


def _enter(state: State, auth: Authorisation, entry: Entry, now_s: Seconds) -> tuple[Event, ...]:
    """Match an admitted order and dispose of the rest."""
    opposite = state.books[auth.series].side(is_buy=not auth.is_buy)
    price = auth.price
    meets = crosses(opposite, auth)
    if meets and auth.post_only:
        slid = _slid_price(state, opposite, auth) if entry.slide else 0
        if slid <= 0:
            return (Rejected(Reject.POST_ONLY_MUST_NOT_CROSS, price, opposite.best() or 0),)
        price, meets = slid, False
    late = backlog.refuse(state) if meets else None
    if late is not None:
        return (late,)
    # A reduce-only order reserves nothing: it can only shrink the position, and each fill is checked exactly.
    refused = None if auth.reduce_only else _refuse_margin(state, auth, entry.qty, entry.replaced)
    if refused is not None:
        return (refused,)
    if not meets:
        return _without_fills(auth, entry, price)
    sweep = Sweep(state, auth, entry.qty, now_s)
    sweep.run()
    return _after_sweep(sweep, entry)


def _slid_price(state: State, opposite: Side, auth: Authorisation) -> Price:
    best = opposite.best()
    assert best is not None
    underlying = state.underlyings[state.series[auth.series].underlying]
    if auth.is_buy:
        return best - underlying.tick_at(best - 1)
    return best + underlying.tick_at(best)


def _without_fills(auth: Authorisation, entry: Entry, price: Price) -> tuple[Event, ...]:
    if auth.tif == FOK:
        return (Rejected(Reject.FILL_OR_KILL_MUST_FILL, 0, entry.qty),)
    if auth.tif == IOC:
        return (entry.admitted, Cancelled(entry.order_id, CancelReason.IMMEDIATE_REMAINDER, entry.qty))
    return (entry.admitted, Rested(entry.order_id, price))


def _after_sweep(sweep: Sweep, entry: Entry) -> tuple[Event, ...]:
    auth, left, order_id = sweep.auth, sweep.left, entry.order_id
    whole_or_nothing = auth.tif == FOK and left
    if sweep.stopped is CancelReason.MARGIN and (whole_or_nothing or not sweep.moved):
        return (_short_of_margin(sweep.state.accounts[auth.account], sweep.shortfall),)
    if whole_or_nothing:
        return (Rejected(Reject.FILL_OR_KILL_MUST_FILL, entry.qty - left, entry.qty),)
    events = [entry.admitted, *sweep.events]
    if left and sweep.stopped is not None:
        events.append(Cancelled(order_id, sweep.stopped, left))
    elif left and auth.tif == IOC:
        events.append(Cancelled(order_id, CancelReason.IMMEDIATE_REMAINDER, left))
    elif left:
        events.append(Rested(order_id, auth.price))
    return (*events, *sweep.stale_reduce_only(order_id))


# -- amend and cancel -------------------------------------------------------------------------------------------------


def decide_amend(state: State, command: Amend, time_ns: int) -> tuple[Event, ...]:
    """Replace an open order: shrinking keeps its place, any other change queues it anew and may trade at once."""
    auth, now_s = command.auth, seconds_of(time_ns)
    refused = _refuse(state, auth, now_s) or _refuse_amend(state, command, now_s)
    if refused is not None:
        return (refused,)
    order = state.orders[command.order_id]
    account = state.accounts[order.account]
    if auth.reduce_only and not _closes(account, auth):
        return (Rejected(Reject.REDUCE_ONLY_MUST_REDUCE, account.positions.get(auth.series, 0)),)
    same_terms = auth.price == order.price and auth.post_only == order.post_only
    if same_terms and auth.qty <= order.qty and auth.reduce_only == order.reduce_only:
        return (Amended(order.id, kept=True),)
    left = auth.qty - order.filled
    return _enter(state, auth, Entry(order.id, left, Amended(order.id, kept=False), replaced=order), now_s)


def _refuse_amend(state: State, command: Amend, now_s: Seconds) -> Rejected | None:
    auth = command.auth
    order = state.orders.get(command.order_id)
    if order is None or order.expiry_s <= now_s:  # past its time it only waits for the next tick
        return Rejected(Reject.ORDER_MUST_BE_OPEN, command.order_id)
    if order.account != auth.account:
        return Rejected(Reject.ORDER_MUST_BE_OWN, auth.account, order.account)
    if order.series != auth.series or order.is_buy != auth.is_buy or auth.tif != GTC:
        return Rejected(Reject.AMEND_MUST_KEEP_SERIES_AND_SIDE, auth.series, order.series)
    replaced = state.auths[order.auth_id].auth.nonce
    if auth.replaces != replaced + 1:
        return Rejected(Reject.AMEND_MUST_NAME_REPLACED_NONCE, auth.replaces, min(replaced + 1, U64_MAX))
    if auth.qty <= order.filled:
        return Rejected(Reject.AMEND_QTY_MUST_EXCEED_FILLED, auth.qty, order.filled)
    if order.filled:
        links = len(settlement.lineage(state, order.auth_id, state.next_batch))
        if links >= LINEAGE_MAX:
            return Rejected(Reject.OPEN_ORDERS_MUST_FIT, links, LINEAGE_MAX)
    return None


def decide_cancel(state: State, command: Cancel) -> tuple[Event, ...]:
    """Cancels are never refused for any state of the market, only for naming something that is not there."""
    order = state.orders.get(command.order_id)
    if order is None:
        return (Rejected(Reject.ORDER_MUST_BE_OPEN, command.order_id),)
    if order.account != command.account:
        return (Rejected(Reject.ORDER_MUST_BE_OWN, command.account, order.account),)
    return (Cancelled(order.id, CancelReason.BY_OWNER, order.qty - order.filled),)


def decide_cancel_all(state: State, command: CancelAll) -> tuple[Event, ...]:
    """Everything the account has open, in order of entry."""
    account = state.accounts.get(command.account)
    if account is None:
        return (Rejected(Reject.ACCOUNT_MUST_EXIST, command.account),)
    return tuple(cancel_orders(account, CancelReason.BY_OWNER, None if command.series < 0 else command.series))


def cancel_orders(account: Account, reason: CancelReason, series: int | None = None) -> list[Event]:
    """Cancellations of an account's open orders, in order of entry."""
    return [
        Cancelled(order.id, reason, order.qty - order.filled)
        for order in sorted(account.orders.values(), key=lambda item: item.id)
        if series is None or order.series == series
    ]


# -- evolving ---------------------------------------------------------------------------------------------------------


def evolve_accepted(state: State, command: Place, seq: int, time_ns: int) -> None:
    """The order exists and its nonce is spent; nothing of it rests yet."""
    auth = command.auth
    account = state.accounts[auth.account]
    account.spend_nonces(auth.nonce >> 6, 1 << (auth.nonce & 63))
    state.auths[seq] = AuthEntry(seq, auth, 0, 0, 1)
    order = Order(  # by position: keywords take 0.5 us longer, a tenth of what placing an order takes
        seq,  # id
        seq,  # auth_id
        auth.account,
        auth.series,
        auth.is_buy,
        auth.price,
        auth.qty,
        0,  # filled
        seq,  # priority
        auth.max_fee,
        auth.reduce_only,
        auth.post_only,
        auth.tif,
        _good_until(account, auth),
        command.label,
        time_ns,  # created
        time_ns,  # updated
    )
    state.orders[seq] = account.orders[seq] = order
    if auth.reduce_only:
        account.reducing[seq] = order
    deadlines.remember(state, order)


def _good_until(account: Account, auth: Authorisation) -> Seconds:
    """An order dies with the session key that signed it: the contract would refuse a later fill."""
    return min(auth.expiry_s, _key_until(account, auth.signer))


def _key_until(account: Account, signer: bytes) -> Seconds:
    if signer == account.owner:
        return NO_EXPIRY
    key = account.keys.get(signer)
    return key.expiry_s if key is not None else 0


def evolve_amended(state: State, command: Amend, event: Amended, seq: int, time_ns: int) -> None:
    """The order stands under its new authorisation; unless it kept its place it has left the book."""
    auth = command.auth
    order = state.orders[event.order_id]
    account = state.accounts[order.account]
    account.spend_nonces(auth.nonce >> 6, 1 << (auth.nonce & 63))
    if event.kept:
        _shrink(state, order, order.qty - auth.qty)
    else:
        _lift(state, order)
        order.price, order.priority = auth.price, seq
    order.qty = auth.qty
    # The child takes over the order's reference to its parent, so the parent lives until the child is forgotten. A
    # parent that never traded is forgotten at once: a quote may be amended all day.
    state.auths[seq] = AuthEntry(seq, auth, order.auth_id if order.filled else 0, order.filled, 1)
    if not order.filled:
        settlement.release(state, order.auth_id)
    order.auth_id, order.max_fee, order.updated_ns = seq, auth.max_fee, time_ns
    order.reduce_only, order.post_only, order.label = auth.reduce_only, auth.post_only, command.label
    account.reducing.pop(order.id, None)
    if auth.reduce_only:
        account.reducing[order.id] = order
    # The contract asks who signed every order it is shown. Replaced ones that have yet to travel must do so before
    # their key may be registered anew, perhaps without the right to trade.
    shown = settlement.lineage(state, seq, state.next_batch)
    order.expiry_s = min(auth.expiry_s, *(_key_until(account, link.auth.signer) for link in shown))
    deadlines.remember(state, order)


def evolve_rested(state: State, event: Rested) -> None:
    """The rest of the order queues in the book."""
    order = state.orders[event.order_id]
    order.price, order.resting = event.price, True
    state.books[order.series].side(is_buy=order.is_buy).add(order)
    account = state.accounts[order.account]
    risk.move_open(state, account, order.series, order.is_buy, order.qty - order.filled, order.price)


def evolve_traded(state: State, event: Traded, taker_id: int) -> None:
    """Quantities, cash and positions of one fill move; the trade waits for settlement."""
    maker, taker = state.orders[event.maker_order], state.orders[taker_id]
    trade = Trade(  # by position, as above
        event.trade_id,
        maker.series,
        event.qty,
        event.price,
        taker.is_buy,
        taker.account,
        maker.account,
        taker.auth_id,
        maker.auth_id,
        event.taker_fee,
        event.maker_fee,
        event.index,
    )
    _shrink(state, maker, event.qty)
    maker.filled += event.qty
    taker.filled += event.qty
    settlement.open_trade(state, trade)
    ledger.book_trade(state, trade)
    option = state.series[trade.series]
    option.volume += trade.qty
    option.last_price = trade.price
    for order in (maker, taker):
        if order.filled == order.qty:
            _close(state, order)


def evolve_cancelled(state: State, event: Cancelled) -> None:
    """The order is gone."""
    order = state.orders[event.order_id]
    assert order.qty - order.filled == event.remaining
    if order.resting:
        _lift(state, order)
    _close(state, order)


def _shrink(state: State, order: Order, by: Qty) -> None:
    """Take quantity off a resting order where it stands; an order left with nothing leaves the book."""
    side = state.books[order.series].side(is_buy=order.is_buy)
    if by == order.qty - order.filled:
        side.remove(order)
        order.resting = False
    else:
        side.reduce(order, by)
    risk.move_open(state, state.accounts[order.account], order.series, order.is_buy, -by, order.price)


def _lift(state: State, order: Order) -> None:
    """Take a resting order out of the book."""
    _shrink(state, order, order.qty - order.filled)


def _close(state: State, order: Order) -> None:
    """Forget a finished order; its authorisation lives on while its trades settle."""
    del state.orders[order.id]
    account = state.accounts[order.account]
    del account.orders[order.id]
    account.reducing.pop(order.id, None)
    settlement.release(state, order.auth_id)
