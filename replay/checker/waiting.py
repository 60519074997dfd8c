"""Whether orders that can take were held back as the venue says: long enough, and let through as they came.

Imports the words of the journal and the ledger.
"""

from exchange.core.commands import Amend, Place
from replay.checker.ledger import Ledger
from replay.checker.rules import Rule


def waited(ledger: Ledger, command: Place | Amend) -> None:
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
