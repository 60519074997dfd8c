"""The moment an order that waited enters: one to a record, in the order in which prices reached them.

It enters as if it were placed now, under the terms that were signed then: margin, position, book and band are judged
now. What would have refused a new order ends this one. While the venue as a whole takes no orders it stays due; where
takers are held back, one that can take waits as long behind the record that reached its trigger.
Imports state, matching, triggers, links, keyroom, backlog, events.
"""

from typing import Final

from exchange.core import admission, backlog, keyroom, links, matching, purging, status, triggers
from exchange.core.commands import AUCTION, GTC, Fire
from exchange.core.events import Cancelled, CancelReason, Event, Reject, Rejected, Triggered
from exchange.core.state import State
from exchange.core.state_types import Order
from exchange.core.units import Nanos, Seconds, seconds_of

_REASONS: Final = {
    Reject.REDUCE_ONLY_MUST_REDUCE: CancelReason.REDUCE_ONLY,
    Reject.POST_ONLY_MUST_NOT_CROSS: CancelReason.POST_ONLY,
    Reject.ACCOUNT_MUST_HAVE_MARGIN: CancelReason.MARGIN,
    Reject.FILL_OR_KILL_MUST_FILL: CancelReason.IMMEDIATE_REMAINDER,
}


def ready(state: State, time_ns: Nanos) -> int:
    """The order to fire next; 0 when none is due or none may enter now."""
    if not state.due or _refuse_now(state, seconds_of(time_ns)) is not None:
        return 0
    order = _first(state, time_ns)
    return order.id if order is not None else 0


def wakes_ns(state: State) -> Nanos | None:
    """When the first of those whose series takes them will have waited long enough; None when none waits for that."""
    moments = [
        _released_ns(state, order)
        for order in map(state.orders.__getitem__, (next(iter(line)) for line in state.due_lines.values()))
        if _is_taken(state, order)
    ]
    return min(moments, default=None)


def _first(state: State, time_ns: Nanos) -> Order | None:
    """The first that is due, of those that have waited and whose series takes them now.

    Who stands first in a line enters before the others of it. Those of a line that is not let through are not looked
    at: what ends them, time or a purge, finds them by itself.
    """
    found: Order | None = None
    best = 0
    for line in state.due_lines.values():
        order_id, rank = next(iter(line.items()))
        if found is None or rank < best:
            order = state.orders[order_id]
            passes = _is_taken(state, order) and _released_ns(state, order) <= time_ns
            if passes or _ended(state, order, seconds_of(time_ns)) is not None:
                found, best = order, rank
    return found


def _is_taken(state: State, order: Order) -> bool:
    """Whether the series takes the order now: an auction takes what may rest, a curbed market what reduces."""
    if status.refuse(state, state.series[order.series].underlying, reduces=order.reduce_only) is not None:
        return False
    auction = state.auctions.get(order.series)
    return auction is None or (auction.phase == AUCTION and order.tif == GTC)


def _released_ns(state: State, order: Order) -> Nanos:
    """When the order has waited as long as one that arrived with the price that reached its trigger."""
    assert state.config is not None
    delay_ns = 0 if order.post_only else state.config.taker_delay_ns
    return state.due[order.id].time_ns + delay_ns


def _ended(state: State, order: Order, now_s: Seconds) -> CancelReason | None:
    """Why the order may not enter any more, if that is so."""
    doom = purging.doom_of(state, order)
    if doom is not None:
        return doom
    if order.expiry_s <= now_s:
        return CancelReason.EXPIRED
    return CancelReason.SERIES_EXPIRED if state.series[order.series].expiry_s <= now_s else None


def _refuse_now(state: State, now_s: Seconds) -> Rejected | None:
    return admission.refuse_venue(state, now_s) or backlog.refuse(state)


def decide_fire(state: State, command: Fire, time_ns: int) -> tuple[Event, ...]:
    """Clear the book of what the order takes the place of; else let it enter, or end it."""
    now_s = seconds_of(time_ns)
    late = _refuse_now(state, now_s)
    if late is not None:
        return (late,)
    order = _first(state, time_ns)
    if order is None or order.id != command.order_id:
        return (Rejected(Reject.TRIGGER_MUST_BE_DUE, command.order_id, order.id if order is not None else 0),)
    ended = _ended(state, order, now_s)
    if ended is not None:
        return (Cancelled(order.id, ended, order.qty),)
    in_the_way = links.in_the_way(state, order)
    if in_the_way:
        return tuple(Cancelled(other.id, CancelReason.LINKED, other.qty - other.filled) for other in in_the_way)
    return _enter(state, order, now_s)


def _enter(state: State, order: Order, now_s: Seconds) -> tuple[Event, ...]:
    auth, due = state.auths[order.auth_id].auth, state.due[order.id]
    triggered = Triggered(order.id, due.price, due.fact)
    live = order.qty - order.held
    if order.reduce_only and not admission.closes(state.accounts[order.account], auth):
        return (triggered, Cancelled(order.id, CancelReason.REDUCE_ONLY, live))
    if keyroom.refuse(state, auth) is not None:
        return (triggered, Cancelled(order.id, CancelReason.KEY_LIMIT, live))
    entry = matching.Entry(order.id, live, (triggered,), slide=triggers.signed(state, order).slide, bends=True)
    events = matching.enter(state, auth, entry, now_s)
    first = events[0]
    if isinstance(first, Rejected):
        return (triggered, Cancelled(order.id, _REASONS.get(first.reason, CancelReason.AT_TRIGGER), live))
    return events
