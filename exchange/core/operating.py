"""What the operator commands from outside the venue's process: signed by its key, once, and until a moment.

The command inside is decided and evolved by whatever module it belongs to. Imports state, commands, events.
"""

from exchange.core.commands import Operate, PullKill, ReleaseKill
from exchange.core.events import Reject, Rejected
from exchange.core.state import State
from exchange.core.units import NO_EXPIRY, U63_MAX, seconds_of


def refuse(state: State, command: Operate) -> Rejected | None:
    """Whether the operator's key signed this, for now, and nothing after it: numbers of warrants only rise."""
    assert state.config is not None
    warrant, now_s, operator = command.warrant, seconds_of(state.time_ns), state.config.operator
    hands = [warrant.signer]
    if isinstance(command.operation, PullKill | ReleaseKill):
        hands.append(command.operation.by)
    if any(hand != operator for hand in hands):
        return Rejected(Reject.SIGNER_MUST_BE_AUTHORISED)
    if not now_s < warrant.expiry_s <= NO_EXPIRY:
        return Rejected(Reject.ORDER_MUST_NOT_BE_EXPIRED, warrant.expiry_s, now_s)
    if not state.operator_nonce < warrant.nonce <= U63_MAX:
        return Rejected(Reject.NONCE_MUST_BE_FRESH, warrant.nonce, state.operator_nonce)
    return None


def evolve(state: State, command: Operate) -> None:
    """The warrant is used, and all before it are void."""
    state.operator_nonce = command.warrant.nonce
