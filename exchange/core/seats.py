"""Who may sign oracle rounds, and when: the seats of the oracle's contract, as it told them.

A seat changes hands at a second that is announced, and a round is signed by those who sat at its time. The machine
keeps what the chain said; signatures are recovered at the edge and by the auditor, who ask here. Imports state,
commands, events.
"""

from typing import Final

from msgspec.structs import replace

from exchange.core.commands import ObserveSeat
from exchange.core.events import Applied, Event, Reject, Rejected
from exchange.core.state import State
from exchange.core.state_types import Seat
from exchange.core.units import U63_MAX, U64_MAX, Seconds

SEATS_MAX: Final = 16
ADDRESS_BYTES: Final = 20
OPEN_END: Final[Seconds] = U64_MAX
"""Until when somebody sits who has no successor; the contract's own word for it."""


def quorum_of(seats: int) -> int:
    """Two thirds of the seats, rounded up."""
    return (2 * seats + 2) // 3


def sitting(state: State, time_s: Seconds) -> tuple[bytes, ...]:
    """Addresses of those who have a seat at a time, ascending; none before the contract's first word was heard."""
    return tuple(sorted(key for key, seat in state.seats.items() if seat.since_s <= time_s < seat.until_s))


def decide(state: State, command: ObserveSeat) -> tuple[Event, ...]:
    """Somebody new takes a seat: one of the first, or that of somebody who has no successor yet."""
    refused = _refuse(state, command)
    return (refused,) if refused is not None else (Applied(),)


def _refuse(state: State, command: ObserveSeat) -> Rejected | None:
    if len(command.signer) != ADDRESS_BYTES or command.signer in state.seats:
        return Rejected(Reject.SEATS_MUST_FOLLOW, len(command.signer), ADDRESS_BYTES)
    if not 0 <= command.since_s <= U63_MAX:
        return Rejected(Reject.SEATS_MUST_FOLLOW, 0, U63_MAX)
    if command.former:
        former = state.seats.get(command.former)
        if former is None or former.until_s != OPEN_END or former.since_s > command.since_s:
            return Rejected(Reject.SEATS_MUST_FOLLOW, command.since_s, former.since_s if former is not None else 0)
        return None
    if len(state.seats) >= SEATS_MAX:
        return Rejected(Reject.SEATS_MUST_FOLLOW, len(state.seats), SEATS_MAX)
    return None


def evolve(state: State, command: ObserveSeat) -> None:
    """The seat is taken, and its former holder's time ends there."""
    if command.former:
        state.seats[command.former] = replace(state.seats[command.former], until_s=command.since_s)
    state.seats[command.signer] = Seat(command.signer, command.since_s, OPEN_END)
