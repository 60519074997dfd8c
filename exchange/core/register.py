"""The register: what supervisors ask for and no order needs.

Who stands behind an account is kept as a commitment to it, never as a name (ADR 40). What an instrument is called
elsewhere may turn out to be wrong: an entry is corrected by another one that names it, and both stay. How good the
venue's clock is, is said by its time service, or said to be unknown. Imports state, commands, events.
"""

from typing import Final

from exchange.core.commands import (
    EXPIRY,
    SERIES,
    UNDERLYING,
    VENUE,
    CommitIdentity,
    RecordClock,
    SetReference,
)
from exchange.core.events import Applied, Event, Reject, Rejected
from exchange.core.state import TREASURY, State
from exchange.core.state_types import Entry, Identity, Reading
from exchange.core.units import U63_MAX, Nanos

ROLES_MAX: Final = 4
COMMITMENT_BYTES: Final = 32
FIELDS: Final[dict[int, tuple[str, ...]]] = {
    VENUE: ("mic", "lei"),
    UNDERLYING: ("dti", "index"),
    EXPIRY: (),
    SERIES: ("isin", "full_name"),
}
"""What there is to be told about each scope."""
VALUE_MAX: Final = 350  # characters: the longest name that a regulator takes
ENTRIES_MAX: Final = 64  # of one datum: its first, and so many corrections
SOURCE_MAX: Final = 64
STRATUM_MAX: Final = 16  # a server that is not synchronised


def decide(state: State, command: CommitIdentity | SetReference | RecordClock) -> tuple[Event, ...]:
    """What is told must be about something that is there, in a form that can be kept."""
    if isinstance(command, CommitIdentity):
        refused = _refuse_identity(state, command)
    elif isinstance(command, SetReference):
        refused = _refuse_subject(state, command) or _refuse_entry(state, command)
    else:
        refused = _refuse_reading(command)
    return (refused,) if refused is not None else (Applied(),)


def _refuse_identity(state: State, command: CommitIdentity) -> Rejected | None:
    if command.account == TREASURY or command.account not in state.accounts:
        return Rejected(Reject.ACCOUNT_MUST_EXIST, command.account)
    if not 0 < command.role <= ROLES_MAX:
        return Rejected(Reject.IDENTITY_MUST_FIT, max(min(command.role, U63_MAX), -U63_MAX), ROLES_MAX)
    if len(command.commitment) != COMMITMENT_BYTES:
        return Rejected(Reject.IDENTITY_MUST_FIT, len(command.commitment), COMMITMENT_BYTES)
    return None


def _refuse_subject(state: State, command: SetReference) -> Rejected | None:
    subject = command.subject
    if command.scope == UNDERLYING and subject not in state.underlyings:
        return Rejected(Reject.UNDERLYING_MUST_EXIST, subject)
    if command.scope == EXPIRY and subject not in state.expiries:
        return Rejected(Reject.EXPIRY_MUST_EXIST, subject)
    if command.scope == SERIES and subject not in state.series:
        return Rejected(Reject.SERIES_MUST_EXIST, subject)
    if command.scope == VENUE and subject != 0:
        return Rejected(Reject.REFERENCE_MUST_FIT, subject, 0)
    return None


def _refuse_entry(state: State, command: SetReference) -> Rejected | None:
    """A known field and a value, in place of the last one there is: who corrects must know what."""
    if command.field not in FIELDS.get(command.scope, ()):
        return Rejected(Reject.REFERENCE_MUST_FIT, command.scope, SERIES)
    if not 0 < len(command.value) <= VALUE_MAX:
        return Rejected(Reject.REFERENCE_MUST_FIT, len(command.value), VALUE_MAX)
    entries = state.references.get((command.scope, command.subject, command.field), [])
    if len(entries) >= ENTRIES_MAX:
        return Rejected(Reject.REFERENCE_MUST_FIT, len(entries), ENTRIES_MAX)
    last = entries[-1].seq if entries else 0
    if command.corrects != last:
        return Rejected(Reject.REFERENCE_MUST_CORRECT_THE_LAST, max(min(command.corrects, U63_MAX), -U63_MAX), last)
    return None


def _refuse_reading(command: RecordClock) -> Rejected | None:
    """A reading with a source, or without one and with nothing measured."""
    if len(command.source) > SOURCE_MAX or len(command.leap) > SOURCE_MAX:
        return Rejected(Reject.READING_MUST_FIT, max(len(command.source), len(command.leap)), SOURCE_MAX)
    if not 0 <= command.stratum <= STRATUM_MAX:
        return Rejected(Reject.READING_MUST_FIT, max(min(command.stratum, U63_MAX), -U63_MAX), STRATUM_MAX)
    measured = (command.rms_ns, command.delay_ns, command.dispersion_ns)
    if not all(0 <= figure <= U63_MAX for figure in measured) or abs(command.offset_ns) > U63_MAX:
        return Rejected(Reject.READING_MUST_FIT, 0, U63_MAX)
    if not command.source and any((command.stratum, command.offset_ns, *measured)):
        return Rejected(Reject.READING_MUST_FIT, 0, 0)
    return None


def evolve(state: State, command: CommitIdentity | SetReference | RecordClock, seq: int, time_ns: Nanos) -> None:
    """It is in the register from here on; what it takes the place of stays where it was."""
    if isinstance(command, CommitIdentity):
        key = command.account, command.role
        state.identities[key] = Identity(*key, command.commitment, seq)
    elif isinstance(command, SetReference):
        about = command.scope, command.subject, command.field
        entry = Entry(*about, seq, time_ns, command.value, command.corrects, command.cause)
        state.references.setdefault(about, []).append(entry)
    else:
        state.reading = Reading(seq, time_ns, command)
