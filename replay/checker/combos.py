"""Combos: which are listed, and of which legs. Imports the words of the journal and the ledger."""

from collections.abc import Sequence

from exchange.core.commands import CreateCombo
from exchange.core.events import ComboListed, Event, Rejected
from replay.checker.ledger import Ledger
from replay.checker.rules import Rule, Taken


def create(ledger: Ledger, command: CreateCombo, events: Sequence[Event]) -> None:
    """The same legs have the same number, and new ones the next."""
    if len(events) == 1 and type(events[0]) is Rejected:
        ledger.take(Taken.LISTING)
        return
    if len(events) != 1 or type(events[0]) is not ComboListed:
        ledger.note(Rule.EVENTS_MUST_FIT, "a combo is neither refused nor listed")
        return
    due = ledger.combos.setdefault(command.legs, len(ledger.combos) + 1)
    if events[0].combo != due:
        ledger.note(Rule.EVENTS_MUST_FIT, "a combo has another number", expected=due, actual=events[0].combo)
