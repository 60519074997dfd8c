"""Orders that wait for a price, and those that came together: where they stand, and what lets them enter.

That a price reaches what was signed is checked; which of several that are due comes first, and how much linked orders
hold of each other, is taken as journaled and counted. Imports the words of the journal, matching and the ledger.
"""

from collections.abc import Sequence
from typing import Final

from exchange.core.commands import BRACKET, FOK, Fire, Place
from exchange.core.events import (
    Cancelled,
    CancelReason,
    Event,
    Held,
    Parked,
    Reject,
    Rejected,
    Triggered,
)
from replay.checker import batches, breakers, keys, presence, waiting
from replay.checker.admission import settlement_lags
from replay.checker.facts import Order
from replay.checker.ledger import Ledger
from replay.checker.matching import Meeting
from replay.checker.rules import Rule, Taken

SHIFT: Final = 48
"""Orders that come along are numbered above the record that brought them."""


# -- waiting ----------------------------------------------------------------------------------------------------------


def parked(ledger: Ledger, command: Place, order: Order, events: Sequence[Event]) -> Sequence[Event]:
    """What remains of an order's events after those that wait, itself perhaps, and those that came along with it."""
    waiters = [order] if order.terms.trigger else []
    if command.attached:
        order.group = order.id
    for place, item in enumerate(command.attached, 1):
        other = Order(place << SHIFT | ledger.seq, order.account, order.series, item.auth)
        ledger.enter(other, item.auth)
        presence.mind(ledger, other, command.session)
        other.group = order.id
        other.held = other.left if other.terms.link == BRACKET and other.terms.parent else 0
        waiters.append(other)
    due = [Parked(each.id) for each in waiters]
    if list(events[: len(due)]) != due:
        ledger.note(Rule.EVENTS_MUST_FIT, "other orders are said to wait than do", order=order.id, expected=due)
    for each in waiters:
        park(each)
    return events[len(due) :]


def park(order: Order) -> None:
    """The order waits; what it may reduce is judged when it enters."""
    order.watch = order.terms.trigger
    order.account.reducing.pop(order.id, None)


def is_ahead(ledger: Ledger, order: Order, event: Triggered) -> bool:
    """Whether a price, seen in a record before, reaches what the order waits for."""
    if not 0 < event.fact < ledger.seq or event.price <= 0:
        return False
    terms = order.terms
    return bool(event.price >= terms.trigger_price if terms.trigger_above else event.price <= terms.trigger_price)


# -- firing -----------------------------------------------------------------------------------------------------------


def fire(ledger: Ledger, command: Fire, events: Sequence[Event]) -> None:
    """An order that waited enters as if it were placed now, or ends."""
    events = batches.sealed_first(ledger, events)
    first = events[0] if events else None
    order = ledger.orders.get(command.order_id)
    if type(first) is Rejected:
        _refused(ledger, first)
    elif first is None:
        ledger.take(Taken.TRIGGER)  # what it takes the place of leaves first, in this record
    elif order is None or not order.watch or first.order_id != order.id:  # type: ignore[attr-defined]
        sentence = f"order {command.order_id} fires and does not wait"
        ledger.note(Rule.TRIGGER_MUST_BE_REACHED, sentence, order=command.order_id)
    elif type(first) is Cancelled:
        _ended(ledger, order, first)
    elif type(first) is Triggered:
        _enters(ledger, order, first, events[1:])
    else:
        ledger.note(Rule.EVENTS_MUST_FIT, f"{type(first).__name__} does not follow from a trigger", order=order.id)


def _refused(ledger: Ledger, event: Rejected) -> None:
    closed = event.reason is Reject.TRADING_MUST_BE_OPEN and not ledger.is_open
    if closed or event.reason in settlement_lags(ledger):
        return
    if event.reason not in (Reject.TRIGGER_MUST_BE_DUE, Reject.ORACLE_MUST_BE_FRESH):
        sentence = f"a trigger is refused for {event.reason}, and that does not hold"
        ledger.note(Rule.REFUSAL_MUST_HOLD, sentence, actual=event.reason)
    ledger.take(Taken.TRIGGER)


def _ended(ledger: Ledger, order: Order, event: Cancelled) -> None:
    holds = event.reason in presence.dooms(ledger, order)
    if event.reason is CancelReason.EXPIRED:
        holds = order.expiry_s <= ledger.now_s
    elif event.reason is CancelReason.SERIES_EXPIRED:
        holds = order.series.expiry.expiry_s <= ledger.now_s
    if not holds:
        sentence = f"order {order.id} ends at its trigger, and {event.reason} does not hold"
        ledger.note(Rule.CANCEL_MUST_HAVE_A_REASON, sentence, order=order.id, actual=event.reason)
    ledger.end(event.order_id, event.remaining)


def _enters(ledger: Ledger, order: Order, event: Triggered, rest: Sequence[Event]) -> None:
    ledger.take(Taken.TRIGGER)
    if not is_ahead(ledger, order, event):
        sentence = f"order {order.id} enters at a price that does not reach its trigger"
        expected = (order.terms.trigger_price, "above" if order.terms.trigger_above else "below")
        ledger.note(Rule.TRIGGER_MUST_BE_REACHED, sentence, order=order.id, expected=expected, actual=event.price)
    if breakers.bars(ledger, order.series.underlying, reduces=order.reduce_only):
        sentence = f"order {order.id} enters a market that lets no such order in"
        ledger.note(Rule.ADMISSION_MUST_HOLD, sentence, order=order.id, actual=Reject.MARKET_MUST_TAKE_RISK)
    waiting.fired(ledger, order, event)
    ledger.totals.amended -= order.held
    order.left -= order.held
    order.watch = order.held = 0
    order.age = (ledger.seq, 0)
    if order.reduce_only:
        order.account.reducing[order.id] = order
    meeting = Meeting(ledger, order, fired=True)
    last = rest[0] if len(rest) == 1 else None
    if type(last) is Cancelled and last.order_id == order.id and _refuses(ledger, meeting, last.reason):
        ledger.end(last.order_id, last.remaining)
    else:
        meeting.follow(rest)


def _refuses(ledger: Ledger, meeting: Meeting, reason: CancelReason) -> bool:
    """Whether an order ends for what would have refused a new one."""
    order = meeting.taker
    if reason is CancelReason.REDUCE_ONLY:
        return order.reduce_only and not order.reducible()
    if reason is CancelReason.POST_ONLY:
        return order.post_only and meeting.first() is not None
    if reason is CancelReason.KEY_LIMIT:
        bound = keys.bound_of(order)
        return bound is not None and bool(keys.used_up(bound, order.series.underlying, is_buy=order.is_buy))
    if reason in (CancelReason.MARGIN, CancelReason.AT_TRIGGER):
        ledger.take(Taken.MARGIN if reason is CancelReason.MARGIN else Taken.TRIGGER)
        return True
    return reason is CancelReason.IMMEDIATE_REMAINDER and order.tif == FOK


# -- linked orders ----------------------------------------------------------------------------------------------------


def split(events: Sequence[Event]) -> tuple[Sequence[Event], Sequence[Event]]:
    """A record's events, and what its fills and cancellations bring upon linked orders, which comes last."""
    at = len(events)
    while at and _is_consequence(events[at - 1]):
        at -= 1
    return events[:at], events[at:]


def _is_consequence(event: Event) -> bool:
    return type(event) is Held or (type(event) is Cancelled and event.reason is CancelReason.LINKED)


def follow(ledger: Ledger, events: Sequence[Event]) -> None:
    """Linked orders hold more or less of each other, or end: none but those that came together with others."""
    for event in events:
        order = ledger.orders.get(event.order_id)  # type: ignore[attr-defined]
        ledger.take(Taken.LINK)
        if order is not None and not order.group:
            sentence = f"order {order.id} is bound to others and came alone"
            ledger.note(Rule.CANCEL_MUST_HAVE_A_REASON, sentence, order=order.id, actual=event)
        if type(event) is Cancelled:
            ledger.end(event.order_id, event.remaining)
        elif type(event) is Held and order is not None:
            if not (order.watch and 0 <= event.qty <= order.left):
                sentence = f"more of order {order.id} is held than there is"
                ledger.note(Rule.QUANTITIES_MUST_ADD_UP, sentence, order=order.id, actual=event.qty)
            if event.qty < order.left <= order.held:
                order.age = (ledger.seq, 0)
            order.held = event.qty
