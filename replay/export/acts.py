"""What people and configuration did, and every record as it was written: admin actions and the slice of the journal.

Imports texts, tables, core.
"""

import base64
from typing import Any, Final

import msgspec

from exchange.core import commands as c
from exchange.core import events as e
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
PROCESS: Final = "venue process"
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
    c.AdmitMaker,
    c.SealBatch,
    c.BatchRefused,
    c.PullKill,
    c.ReleaseKill,
    c.Operate,
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
