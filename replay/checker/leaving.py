"""Orders that leave without a counterparty: cancelled by their owner, or because of what the chain said.

Who must leave is worked out before the events are read: none may be missing and none too many. Imports the words of the
journal and the ledger.
"""

from collections.abc import Iterable, Sequence

from exchange.core.commands import Cancel, CancelAll
from exchange.core.events import Cancelled, CancelReason, Event, Reject, Rejected
from replay.checker.facts import Order
from replay.checker.ledger import Ledger
from replay.checker.rules import Rule


def cancel(ledger: Ledger, command: Cancel, events: Sequence[Event]) -> None:
    """One order, by its owner, and no other."""
    order = ledger.orders.get(command.order_id)
    if len(events) == 1 and type(events[0]) is Rejected:
        reason = events[0].reason
        holds = order is None if reason is Reject.ORDER_MUST_BE_OPEN else False
        if reason is Reject.ORDER_MUST_BE_OWN:
            holds = order is not None and order.account.id != command.account
        if not holds:
            sentence = f"cancelling order {command.order_id} is refused for {reason}, and that does not hold"
            ledger.note(Rule.REFUSAL_MUST_HOLD, sentence, order=command.order_id, actual=reason)
        return
    own = [order] if order is not None and order.account.id == command.account else []
    leave(ledger, own, events, CancelReason.BY_OWNER)


def cancel_all(ledger: Ledger, command: CancelAll, events: Sequence[Event]) -> None:
    """Everything an account has open, or all of it in one series."""
    account = ledger.accounts.get(command.account)
    if len(events) == 1 and type(events[0]) is Rejected:
        if account is not None or events[0].reason is not Reject.ACCOUNT_MUST_EXIST:
            ledger.note(Rule.REFUSAL_MUST_HOLD, f"cancelling is refused for {events[0].reason}, and that does not hold")
        return
    orders = list(account.orders.values()) if account is not None else []
    if command.series >= 0:
        orders = [order for order in orders if order.series.id == command.series]
    leave(ledger, orders, events, CancelReason.BY_OWNER)


def leave(ledger: Ledger, orders: Iterable[Order], events: Sequence[Event], reason: CancelReason) -> None:
    """Exactly these orders leave, and for this reason; the journal names them in any order."""
    due = {order.id: order for order in orders}
    for event in events:
        if type(event) is not Cancelled:
            ledger.note(Rule.EVENTS_MUST_FIT, f"{type(event).__name__} does not follow from such a command")
            continue
        order = due.pop(event.order_id, None)
        if event.order_id in ledger.orders and (order is None or event.reason is not reason):
            sentence = f"order {event.order_id} is cancelled ({event.reason}) by a command that does not reach it"
            ledger.note(
                Rule.CANCEL_MUST_HAVE_A_REASON, sentence, order=event.order_id, expected=reason, actual=event.reason
            )
        ledger.end(event.order_id, event.remaining)
    for order in due.values():
        sentence = f"order {order.id} stays though the record should end it ({reason})"
        ledger.note(Rule.CANCEL_MUST_BE_COMPLETE, sentence, order=order.id, expected=reason)
