"""Whether orders that can take were held back as the venue says: long enough, and let through as they came.

One that waited for a price arrives with the record that brought it. Imports the words of the journal and the ledger.
"""

from exchange.core.commands import AcceptRfq, Amend, Place
from exchange.core.events import Triggered
from replay.checker.facts import Order
from replay.checker.ledger import Ledger
from replay.checker.rules import Rule


def waited(ledger: Ledger, command: Place | Amend | AcceptRfq) -> None:
    """The arrival is the venue's word; that it fits the record's time, and that of the taker before, is not."""
    config = ledger.config
    if config is None or config.taker_delay_ns == 0 or command.auth.post_only:
        return
    arrived_ns, due_ns = command.arrived_ns, command.arrived_ns + config.taker_delay_ns
    if arrived_ns <= 0 or due_ns > ledger.time_ns:
        sentence = "an order that can take was let through before its delay had passed"
        ledger.note(Rule.TAKER_MUST_HAVE_WAITED, sentence, expected=due_ns, actual=ledger.time_ns)
    if arrived_ns < ledger.arrived_ns:
        sentence = "an order that can take overtook one that had come before it"
        ledger.note(Rule.TAKERS_MUST_KEEP_THEIR_ORDER, sentence, expected=ledger.arrived_ns, actual=arrived_ns)
    ledger.arrived_ns = max(arrived_ns, ledger.arrived_ns)


def fired(ledger: Ledger, order: Order, event: Triggered) -> None:
    """A price that was seen within the delay lets nobody take yet."""
    if ledger.lately and event.fact >= ledger.lately[0][0] and not order.post_only:
        sentence = f"order {order.id} can take, and enters before it has waited behind what reached its trigger"
        ledger.note(Rule.TAKER_MUST_HAVE_WAITED, sentence, order=order.id, actual=event.fact)


def pass_on(ledger: Ledger) -> None:
    """Forget the records that are as long ago as takers wait; remember the one at hand."""
    config = ledger.config
    if config is None or config.taker_delay_ns == 0:
        return
    while ledger.lately and ledger.lately[0][1] <= ledger.time_ns - config.taker_delay_ns:
        ledger.lately.popleft()
    ledger.lately.append((ledger.seq, ledger.time_ns))
