"""What people and configuration did, and every record as it was written: admin actions and the slice of the journal.

Imports texts, tables, core.
"""

import base64
from typing import Any, Final

import msgspec

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.state import State
from exchange.core.state_types import Identity
from journal.record import leaf_hash
from replay.engine import Step
from replay.export import texts
from replay.export.tables import Row, Table, columns

ADMIN: Final = Table(
    "11_admin_actions",
    "commands of the operator and of its process, with the warrant where there is one",
    columns(
        "time",
        "command",
        "outcome",
        "reason",
        "by",
        "warrant_nonce:i",
        "warrant_expiry",
        "authoriser",
        "cause",
        "detail",
    ),
)
JOURNAL: Final = Table(
    "15_journal",
    "every record of the day as its bytes, with the leaf of the Merkle tree that it is",
    columns("time_ns:i", "frame:i", "command", "events", "leaf", "record"),
)
CLOCK: Final = Table(
    "12_clock",
    "what the time service said of the clock; without a source it is unknown",
    columns(
        "time",
        "known:b",
        "source",
        "stratum:i",
        "offset_ns:i",
        "rms_ns:i",
        "delay_ns:i",
        "dispersion_ns:i",
        "bound_ns:i",
        "leap",
    ),
)
CORRECTIONS: Final = Table(
    "14_corrections",
    "reference data as they were told: first entries, and corrections beside what they correct",
    columns("time", "kind", "scope", "subject:i", "field", "told", "cause", "corrects:i", "was", "was_told", "by"),
)
PROCESS: Final = "venue process"
SCOPE_NAMES: Final = {c.VENUE: "VENUE", c.UNDERLYING: "UNDERLYING", c.EXPIRY: "EXPIRY", c.SERIES: "SERIES"}
ROLE_NAMES: Final = {c.SUBMITTER: "submitter", c.CLIENT: "client", c.DECISION: "decision", c.EXECUTION: "execution"}
ADMIN_KINDS: Final = (
    c.Configure,
    c.ListUnderlying,
    c.ListExpiry,
    c.ListSeries,
    c.SetTrading,
    c.SetAuctions,
    c.SetPhase,
    c.SetBands,
    c.SetBlocks,
    c.SetPortfolio,
    c.SetPool,
    c.ResumePool,
    c.AdmitMaker,
    c.SealBatch,
    c.BatchRefused,
    c.PullKill,
    c.ReleaseKill,
    c.Operate,
    c.CommitIdentity,
    c.SetReference,
    c.SetBreaker,
    c.SetFeed,
)


def admin_row(step: Step) -> Row | None:
    """The row of a command that is an act; whoever sent it without a warrant sat at the venue's own process."""
    command = step.command
    if not isinstance(command, ADMIN_KINDS):
        return None
    operation = command.operation if isinstance(command, c.Operate) else command
    refused = next((event for event in step.events if isinstance(event, e.Rejected)), None)
    row: Row = {
        "time": texts.moment(step.time_ns),
        "command": type(operation).__name__,
        "outcome": "APPLIED" if refused is None else "REJECTED",
        "by": f"0x{operation.by.hex()}" if isinstance(operation, c.PullKill | c.ReleaseKill) else PROCESS,
        "detail": detail_of(operation),
    }
    if refused is not None:
        row["reason"] = str(refused.reason)
    if isinstance(command, c.Operate):
        warrant = command.warrant
        row |= {"by": f"0x{warrant.signer.hex()}", "warrant_nonce": warrant.nonce}
        row["warrant_expiry"] = texts.second(warrant.expiry_s)
    for name in ("authoriser", "cause"):
        said = getattr(operation, name, "")
        row |= {name: said} if said else {}
    return row


def clock_row(step: Step) -> Row | None:
    """A reading that was taken: ``bound_ns`` is how far the clock can have been from UTC at most."""
    told = step.command
    if not isinstance(told, c.RecordClock) or not _is_applied(step):
        return None
    row: Row = {"time": texts.moment(step.time_ns), "known": bool(told.source), "leap": told.leap}
    if not told.source:
        return row
    bound_ns = abs(told.offset_ns) + told.dispersion_ns + -(-told.delay_ns // 2)
    figures = {
        name: getattr(told, name) for name in ("source", "stratum", "offset_ns", "rms_ns", "delay_ns", "dispersion_ns")
    }
    return row | figures | {"bound_ns": bound_ns}


def correction_row(step: Step, state: State) -> Row | None:
    """An entry of reference data and, of a correction, the entry that was wrong."""
    command = step.command.operation if isinstance(step.command, c.Operate) else step.command
    if not isinstance(command, c.SetReference) or not _is_applied(step):
        return None
    row: Row = {
        "time": texts.moment(step.time_ns),
        "kind": "CORRECTION" if command.corrects else "FIRST",
        "scope": SCOPE_NAMES[command.scope],
        "subject": command.subject,
        "field": command.field,
        "told": command.value,
        "by": command.authoriser,
    }
    if command.cause:
        row["cause"] = command.cause
    if command.corrects:
        wrong = state.references[command.scope, command.subject, command.field][-2]
        row |= {"corrects": wrong.seq, "was": wrong.value, "was_told": texts.moment(wrong.time_ns)}
    return row


def committed(step: Step, state: State) -> list[Identity]:
    """The commitment that a record made."""
    command = step.command.operation if isinstance(step.command, c.Operate) else step.command
    if not isinstance(command, c.CommitIdentity) or not _is_applied(step):
        return []
    return [state.identities[command.account, command.role]]


def _is_applied(step: Step) -> bool:
    return any(isinstance(event, e.Applied) for event in step.events)


def facts_of(state: State, series: int, account: int) -> dict[str, str]:
    """Reference data in force for an order, and the commitment to whose it is."""
    found = {"mic": in_force(state, c.VENUE, 0, "mic"), "instrument": in_force(state, c.SERIES, series, "isin")}
    identity = state.identities.get((account, c.CLIENT))
    if identity is not None:
        found["commitment"] = identity.commitment.hex()
    return {name: value for name, value in found.items() if value}


def in_force(state: State, scope: int, subject: int, field: str) -> str:
    """A reference datum as it was last told; empty when it never was."""
    entries = state.references.get((scope, subject, field))
    return entries[-1].value if entries else ""


def detail_of(command: Any) -> str:
    """All fields of a command by name, as canonical JSON; bytes in hex."""
    return msgspec.json.encode(_plain(command), order="sorted").decode()


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53 else value


def journal_row(step: Step, raw: bytes, frame_no: int) -> Row:
    """A record as it was hashed."""
    return {
        "time_ns": step.time_ns,
        "frame": frame_no,
        "command": type(step.command).__name__,
        "events": ",".join(type(event).__name__ for event in step.events),
        "leaf": leaf_hash(raw).hex(),
        "record": base64.b64encode(raw).decode(),
    }
