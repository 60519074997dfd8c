"""Orders: entering, amending and cancelling them, and the price-time matching between.

Deciding only reads: a sweep is planned fill by fill against running totals, then written by ``orders``.
Imports state, admission, sweep, combosweep, orders, backlog, settlement, events.
"""

import msgspec

from exchange.core import admission, backlog, bands, budget, links, orders, phases, presence, purging, settlement
from exchange.core.book import Side
from exchange.core.combosweep import ComboSweep
from exchange.core.commands import (
    FOK,
    GTC,
    IOC,
    UNTRIGGERED,
    Amend,
    Authorisation,
    Cancel,
    CancelAll,
    Place,
    terms_of,
)
from exchange.core.events import Accepted, Amended, Cancelled, CancelReason, Event, Parked, Reject, Rejected, Rested
from exchange.core.state import State
from exchange.core.state_types import Account, Order, attached_id
from exchange.core.sweep import Plan, Sweep
from exchange.core.units import U64_MAX, Price, Qty, Seconds, seconds_of

OPEN_ORDERS_MAX = 10_000  # per account; bounds mass cancels and snapshots
TRIGGERS_MAX = 100  # of them that wait for a trigger: one price may reach them all
LINEAGE_MAX = budget.ORDERS_MAX >> 1  # a trade has two lineages, and one batch must carry both


# -- place ------------------------------------------------------------------------------------------------------------


def decide_place(state: State, command: Place, seq: int, time_ns: int) -> tuple[Event, ...]:
    """Admit, match, and rest or cancel what is left."""
    auth, now_s = command.auth, seconds_of(time_ns)
    refused = _refuse_entry(state, auth, command.session, now_s)
    if refused is not None:
        return (refused,)
    account, terms = state.accounts[auth.account], terms_of(auth)
    if auth.replaces:
        return (Rejected(Reject.AMEND_MUST_NAME_REPLACED_NONCE, auth.replaces),)
    refused = _refuse_attached(state, command, now_s) or _refuse_count(state, account, command)
    if refused is not None:
        return (refused,)
    parked = tuple(Parked(attached_id(seq, place)) for place in range(1, len(command.attached) + 1))
    if terms.trigger:
        return (Accepted(seq), Parked(seq), *parked)
    if auth.reduce_only and not admission.closes(account, auth):
        return (Rejected(Reject.REDUCE_ONLY_MUST_REDUCE, account.positions.get(auth.series, 0)),)
    return enter(state, auth, Entry(seq, auth.qty, (Accepted(seq), *parked), command.slide or terms.slide), now_s)


def _refuse_entry(state: State, auth: Authorisation, session: int, now_s: Seconds) -> Rejected | None:
    refused = admission.refuse(state, auth, now_s) or admission.refuse_bound(auth)
    refused = refused or presence.refuse_gone(state, session)
    if refused is None and auth.terms is not None:
        return admission.refuse_greeks(auth.terms.delta, auth.terms.vega, auth.qty)
    return refused


def _refuse_attached(state: State, command: Place, now_s: Seconds) -> Rejected | None:
    """Orders that come along are held to the same rules, and have to fit."""
    if not command.attached and command.auth.terms is None:
        return None
    for item in command.attached:
        refused = admission.refuse(state, item.auth, now_s) or admission.refuse_bound(item.auth)
        if refused is not None:
            return refused
    return links.refuse(command)


def _refuse_count(state: State, account: Account, command: Place) -> Rejected | None:
    count = len(account.orders) + len(command.attached)
    if count >= OPEN_ORDERS_MAX:
        return Rejected(Reject.OPEN_ORDERS_MUST_FIT, count, OPEN_ORDERS_MAX)
    full = admission.refuse_room(state, command.auth)
    if full is not None:
        return full
    more = len(command.attached) + (terms_of(command.auth).trigger != UNTRIGGERED)
    if more:
        waiting = sum(order.watch != UNTRIGGERED for order in account.orders.values())
        if waiting + more > TRIGGERS_MAX:
            return Rejected(Reject.TRIGGERS_MUST_FIT, waiting, TRIGGERS_MAX)
    return None


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An admitted order about to meet the book: its id, what is left of it, and the events that admit it."""

    order_id: int
    qty: Qty
    admitted: tuple[Event, ...]
    slide: bool = False
    replaced: Order | None = None
    bends: bool = False  # it goes as far as its band if it was signed for more


def enter(state: State, auth: Authorisation, entry: Entry, now_s: Seconds) -> tuple[Event, ...]:
    """Match an admitted order and dispose of the rest; or refuse it, alone."""
    edge = bands.edge_for(state, auth)
    if edge is not None:
        if not (entry.bends or auth.reduce_only):
            return (Rejected(Reject.PRICE_MUST_BE_IN_BAND, auth.price, edge),)
        auth = msgspec.structs.replace(auth, price=edge)  # better for whoever signed the other one
    return _enter_combo(state, auth, entry, now_s) if auth.legs else _enter_series(state, auth, entry, now_s)


def _enter_series(state: State, auth: Authorisation, entry: Entry, now_s: Seconds) -> tuple[Event, ...]:
    opposite = state.books[auth.series].side(is_buy=not auth.is_buy)
    price = auth.price
    meets = opposite.meets(price)
    if meets and auth.post_only:
        slid = _slid_price(state, opposite, auth) if entry.slide else 0
        if slid <= 0:
            return (Rejected(Reject.POST_ONLY_MUST_NOT_CROSS, price, opposite.best() or 0),)
        price, meets = slid, False
    meets = meets and auth.series not in state.auctions  # what is collected in an auction meets nobody yet
    late = backlog.refuse(state) if meets else None
    if late is not None:
        return (late,)
    # A reduce-only order reserves nothing: it can only shrink the position, and each fill is checked exactly.
    refused = None if auth.reduce_only else admission.refuse_margin(state, auth, entry.qty, entry.replaced)
    if refused is not None:
        return (refused,)
    if not meets:
        return _without_fills(auth, entry, price)
    sweep = Sweep(state, auth, entry.qty, now_s)
    sweep.run()
    if sweep.stopped is CancelReason.VOLATILITY and auth.tif == GTC:
        auction = phases.volatility(state, auth.series)
        if auction is not None:  # nothing has traded: the order, and whoever it would have met, wait for others
            return (*entry.admitted, auction, Rested(entry.order_id, price))
    return _after_sweep(sweep, entry)


def _enter_combo(state: State, auth: Authorisation, entry: Entry, now_s: Seconds) -> tuple[Event, ...]:
    """The same for a combo, which meets its own book and those of its legs; while a leg is auctioned it does not come.

    A combo has no auction of its own: at a price out of its band it stops.
    """
    replaced_auth = entry.replaced.auth_id if entry.replaced is not None else 0
    sweep = ComboSweep(state, auth, entry.qty, now_s, auth_id=replaced_auth)
    meets = sweep.meets()
    if meets and auth.post_only:
        return (Rejected(Reject.POST_ONLY_MUST_NOT_CROSS, auth.price, sweep.best() or 0),)
    refused = (backlog.refuse(state) if meets else None) or admission.refuse_margin(
        state, auth, entry.qty, entry.replaced
    )
    if refused is not None:
        return (refused,)
    if not meets:
        return _without_fills(auth, entry, auth.price)
    sweep.run()
    return _after_sweep(sweep, entry)


def _slid_price(state: State, opposite: Side[Order], auth: Authorisation) -> Price:
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
        return (*entry.admitted, Cancelled(entry.order_id, CancelReason.IMMEDIATE_REMAINDER, entry.qty))
    return (*entry.admitted, Rested(entry.order_id, price))


def _after_sweep(sweep: Plan, entry: Entry) -> tuple[Event, ...]:
    auth, left, order_id = sweep.auth, sweep.left, entry.order_id
    whole_or_nothing = auth.tif == FOK and left
    if sweep.stopped is CancelReason.MARGIN and (whole_or_nothing or not sweep.movers()):
        return (admission.short_of_margin(sweep.state.accounts[auth.account], sweep.shortfall),)
    if whole_or_nothing:
        return (Rejected(Reject.FILL_OR_KILL_MUST_FILL, entry.qty - left, entry.qty),)
    events = [*entry.admitted, *sweep.events]
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
    refused = _refuse_entry(state, auth, command.session, now_s) or _refuse_amend(state, command, now_s)
    if refused is not None:
        return (refused,)
    order = state.orders[command.order_id]
    if order.watch:
        return (Amended(order.id, kept=False), Parked(order.id))
    account = state.accounts[order.account]
    if auth.reduce_only and not admission.closes(account, auth):
        return (Rejected(Reject.REDUCE_ONLY_MUST_REDUCE, account.positions.get(auth.series, 0)),)
    if auth.qty <= order.qty and _keeps_place(order, auth):
        return (Amended(order.id, kept=True),)
    left, slide = auth.qty - order.filled, terms_of(auth).slide
    return enter(state, auth, Entry(order.id, left, (Amended(order.id, kept=False),), slide, order), now_s)


def _keeps_place(order: Order, auth: Authorisation) -> bool:
    """Whether an order that is only made smaller stands where it stood."""
    same_price = auth.price == order.price and terms_of(auth).display == order.display
    return same_price and auth.post_only == order.post_only and auth.reduce_only == order.reduce_only


def _refuse_amend(state: State, command: Amend, now_s: Seconds) -> Rejected | None:
    auth = command.auth
    order = state.orders.get(command.order_id)
    # Past its time, or on its way out with others, it only waits for the record that takes it.
    if order is None or order.expiry_s <= now_s or purging.doom_of(state, order) is not None:
        return Rejected(Reject.ORDER_MUST_BE_OPEN, command.order_id)
    if order.account != auth.account:
        return Rejected(Reject.ORDER_MUST_BE_OWN, auth.account, order.account)
    if order.mandate or order.rfq:
        return Rejected(Reject.QUOTE_MUST_BE_QUOTED_ANEW, order.id)
    tif = order.tif if order.watch else GTC
    if order.series != auth.series or order.is_buy != auth.is_buy or auth.tif != tif or not _waits_alike(order, auth):
        return Rejected(Reject.AMEND_MUST_KEEP_SERIES_AND_SIDE, auth.series, order.series)
    replaced = state.auths[order.auth_id].auth.nonce
    if auth.replaces != replaced + 1:
        return Rejected(Reject.AMEND_MUST_NAME_REPLACED_NONCE, auth.replaces, min(replaced + 1, U64_MAX))
    if auth.qty <= order.filled:
        return Rejected(Reject.AMEND_QTY_MUST_EXCEED_FILLED, auth.qty, order.filled)
    refused = links.refuse_edit(state, order, auth)
    if refused is not None:
        return refused
    if order.filled:
        length = len(settlement.lineage(state, order.auth_id, state.next_batch))
        if length >= LINEAGE_MAX:
            return Rejected(Reject.OPEN_ORDERS_MUST_FIT, length, LINEAGE_MAX)
    return admission.refuse_room(state, auth, order)


def _waits_alike(order: Order, auth: Authorisation) -> bool:
    """An order that waits still names a trigger; one in the book no longer does."""
    return (order.watch != UNTRIGGERED) == (terms_of(auth).trigger != UNTRIGGERED)


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
    return tuple(orders.cancel_orders(account, CancelReason.BY_OWNER, None if command.series < 0 else command.series))
