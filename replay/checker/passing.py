"""Time passes: batches close, orders end, timers fire, purges and auctions go on.

Imports the words of the journal and the rooms whose matters time moves.
"""

from collections.abc import Sequence
from heapq import heappop

from exchange.core.commands import Tick
from exchange.core.events import Applied, BreakerMoved, Cancelled, CancelReason, Event, TimerFired
from replay.checker import auctions, batches, breakers, presence, rfqs
from replay.checker.admission import settlement_lags
from replay.checker.bounds import EXPIRED_MAX, FIRED_MAX
from replay.checker.facts import Order
from replay.checker.ledger import Ledger
from replay.checker.rules import Rule


def _takes_off(events: Sequence[Event]) -> bool:
    """Whether orders leave the books, or may in the next tick for a timer that is over already."""
    fired = sum(type(event) is TimerFired for event in events)
    return fired >= FIRED_MAX or any(type(event) is Cancelled for event in events)


def tick(ledger: Ledger, command: Tick, events: Sequence[Event]) -> None:
    """Time passes: an old batch is sealed, and orders end whose time has come, as many as one record may end."""
    del command
    lags = bool(settlement_lags(ledger))
    events = batches.sealed(ledger, events, due=batches.old(ledger) or batches.full(ledger), free=False)
    if not events or type(events[-1]) is not Applied:
        ledger.note(Rule.EVENTS_MUST_FIT, "a tick is not said to be applied")
        return
    at = next((place for place, event in enumerate(events) if not _is_end(event)), len(events))
    for event in events[:at]:
        _ends(ledger, event)  # type: ignore[arg-type]
    late = _late(ledger)
    if late is not None and at < EXPIRED_MAX:
        sentence = f"order {late.id} stays though its time has passed"
        ledger.note(Rule.CANCEL_MUST_BE_COMPLETE, sentence, order=late.id, expected=late.expiry_s, actual=ledger.now_s)
    rest = presence.ticked(ledger, events[at:-1])
    is_quiet = not _takes_off(events[: len(events) - 1 - len(rest)])
    steps = [event for event in rest if type(event) is BreakerMoved]
    rest = rfqs.split(ledger, rest[: len(rest) - len(steps)])
    if is_quiet and ledger.auctions:
        auctions.moved(ledger, rest, lags=lags)
    elif rest:
        ledger.note(Rule.EVENTS_MUST_FIT, f"{type(rest[0]).__name__} does not follow from a tick")
    expected = breakers.on_tick(ledger)  # last, so that what they let in again waits for the next record
    if steps != expected:
        sentence = "time moves breakers in another way than they are due"
        ledger.note(Rule.BREAKER_MUST_FOLLOW, sentence, expected=expected, actual=steps)


def _is_end(event: Event) -> bool:
    return type(event) is Cancelled and event.reason is CancelReason.EXPIRED


def _ends(ledger: Ledger, event: Cancelled) -> None:
    order = ledger.orders.get(event.order_id)
    if order is not None and order.expiry_s > ledger.now_s:
        sentence = f"order {order.id} leaves at a tick before its time"
        ledger.note(
            Rule.CANCEL_MUST_HAVE_A_REASON, sentence, order=order.id, expected=order.expiry_s, actual=ledger.now_s
        )
    ledger.end(event.order_id, event.remaining)


def _late(ledger: Ledger) -> Order | None:
    """An open order whose time has passed, the earliest."""
    heap = ledger.deadlines
    while heap and heap[0][0] <= ledger.now_s:
        if ledger.ends_at(heap[0]):
            return heap[0][2]
        heappop(heap)
    return None
