"""What the operator's key commanded: the warrant, and then the command inside by the rules of its own room.

Imports the words of the journal, phases, presence, breakers, blocks and venue.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from exchange.core import commands as c
from exchange.core.events import Event, Reject, Rejected
from exchange.core.units import NO_EXPIRY, U63_MAX
from replay.checker import blocks, breakers, phases, presence, venue
from replay.checker.ledger import Ledger
from replay.checker.rules import Rule

ROOMS: Final[dict[type, Callable[[Ledger, Any, Sequence[Event]], None]]] = {
    c.SetTrading: phases.trading,
    c.SetAuctions: phases.rules,
    c.SetBands: phases.bands,
    c.SetBlocks: blocks.rules,
    c.SetBreaker: breakers.order,
    c.SetFeed: breakers.feed,
    c.SetPhase: phases.phase,
    c.PullKill: presence.present,
    c.ReleaseKill: presence.present,
    c.CommitIdentity: venue.recorded,
    c.SetReference: venue.recorded,
}


def operate(ledger: Ledger, command: c.Operate, events: Sequence[Event]) -> None:
    """Warrants of the operator's key, each numbered above the one before; what is refused uses none up."""
    broken = list(_broken(ledger, command))
    first = events[0] if events else None
    if type(first) is Rejected:
        if first.reason not in broken:
            ROOMS[type(command.operation)](ledger, command.operation, events)
        return
    for rule in broken:
        sentence = f"a command of the operator is taken that breaks {rule}"
        ledger.note(Rule.ADMISSION_MUST_HOLD, sentence, actual=rule)
    ledger.operator_nonce = max(ledger.operator_nonce, command.warrant.nonce)
    ROOMS[type(command.operation)](ledger, command.operation, events)


def _broken(ledger: Ledger, command: c.Operate) -> list[Reject]:
    warrant, operation, broken = command.warrant, command.operation, list[Reject]()
    operator = ledger.config.operator if ledger.config is not None else b""
    by = operation.by if isinstance(operation, c.PullKill | c.ReleaseKill) else operator
    if warrant.signer != operator or by != operator:
        broken.append(Reject.SIGNER_MUST_BE_AUTHORISED)
    if not ledger.now_s < warrant.expiry_s <= NO_EXPIRY:
        broken.append(Reject.ORDER_MUST_NOT_BE_EXPIRED)
    if not ledger.operator_nonce < warrant.nonce <= U63_MAX:
        broken.append(Reject.NONCE_MUST_BE_FRESH)
    return broken
