"""``bisect``: the first record at which two journals, or one journal under two versions of the code, part ways.

Owns the report of it and the search between journals. Equal heads of the hash chain mean equal pasts, so the last
frame that two journals share is found in the logarithm of their length; behind it records are compared as bytes.
Imports core, codec, the journal and ``replay.tree``.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, Final

import msgspec

from exchange import codec
from exchange.core.images import decode, encode, image
from exchange.core.machine import fold
from exchange.core.state import State
from journal.record import Record
from journal.table import connect_read_only, select_head
from replay.at import iso
from replay.compare import difference_lines
from replay.engine import MACHINE_FAULTS, Moment, replay
from replay.findings import CannotRun
from replay.frames import Progress, read_frame, whole_frames
from replay.source import open_source
from replay.tree import Difference, differences, named

TOLD_MAX: Final = 200
NONE: Final = "none"
SHORTER: Final = "shorter"
RECORD: Final = "record"
EVENTS: Final = "events"
STATE: Final = "state"
STOPPED: Final = "stopped"


class Snapshots(msgspec.Struct):
    """The states around the record, by name: before it (of ``a``), and after it on either side."""

    before: Any
    a: Any
    b: Any


class Divergence(msgspec.Struct, kw_only=True):
    """Where two sides part, and in what.

    ``kind``: ``none``; ``shorter``, one journal ends first; ``record``, another command or time; ``events``, one
    command with two outcomes; ``state``, one outcome with two states; ``stopped``, a machine could not go on.
    ``field`` is the first that differs: of the record if it does, else of the state. ``compared`` records before it
    are equal.
    ``repeatable``: both sides did the same when they were run once more, so that neither looks at a clock.
    ``agrees``: whose outcome the journal has: a, b, both or neither.
    """

    a: str
    b: str
    kind: str = NONE
    compared: int = 0
    seq: int = 0
    time: str = ""
    command: Any = None
    field: str = ""
    sentence: str = ""
    differences: list[Difference] = []
    omitted: int = 0
    repeatable: bool = True
    agrees: str = ""

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return self.kind == NONE


def fill(found: Divergence, of_record: Iterator[Difference], snapshots: Snapshots) -> None:
    """Put in what differs, the record before the state, and name the first field."""
    both = [*of_record]
    if snapshots.a is not None and snapshots.b is not None:
        both += [Difference(f"state.{each.path}", each.a, each.b) for each in differences(snapshots.a, snapshots.b)]
    found.differences, found.omitted = both[:TOLD_MAX], max(len(both) - TOLD_MAX, 0)
    if both:
        found.field = both[0].path


# -- two journals ------------------------------------------------------------------------------------------------------


def of_journals(a: Path, b: Path, progress: Progress | None = None) -> tuple[Divergence, Snapshots | None]:
    """Where two journals part. Raises Diverged when one of them is damaged before that, CannotRun."""
    found = Divergence(a=str(a), b=str(b))
    common = _common_frames(a, b)
    pairs = zip_longest(_records(a, common + 1), _records(b, common + 1))
    for left, right in pairs:
        if left == right:
            continue
        shown = left or right
        assert shown is not None
        found.compared, found.seq, found.time = shown.seq - 1, shown.seq, iso(shown.time_ns)
        if left is None or right is None:
            return _shorter(found, shown, is_a=left is None), None
        before = replay(a, Moment(seq=shown.seq - 1), progress)
        return found, _part(found, before, left, right)
    found.compared = max(open_source(a).last_seq, 0)
    return found, None


def _shorter(found: Divergence, shown: Record, *, is_a: bool) -> Divergence:
    found.kind, name = SHORTER, "a" if is_a else "b"
    found.sentence = f"{name} ends after seq {shown.seq - 1}; the other goes on, and up to there they are the same"
    return found


def _common_frames(a: Path, b: Path) -> int:
    """The last frame number at which both have the same head; 0 is the genesis."""
    for path in (a, b):
        open_source(path)
    try:
        with contextlib.closing(connect_read_only(a)) as left, contextlib.closing(connect_read_only(b)) as right:
            if _head(left, 0) != _head(right, 0):
                raise CannotRun(f"{a} and {b} do not begin at one genesis: they are of two venues")
            low, high = 0, min(_last(left), _last(right))
            while low < high:
                middle = (low + high + 1) // 2
                here = _head(left, middle)
                low, high = (middle, high) if here and here == _head(right, middle) else (low, middle - 1)
    except sqlite3.DatabaseError as error:
        raise CannotRun(f"{a} and {b} cannot be compared: {error}") from error
    return low


def _head(connection: sqlite3.Connection, frame_no: int) -> bytes:
    head = select_head(connection, frame_no)
    return b"" if head is None else head.hash


def _last(connection: sqlite3.Connection) -> int:
    head = select_head(connection)
    return 0 if head is None else head.frame_no


def _records(path: Path, from_frame: int) -> Iterator[Record]:
    for frame in whole_frames(path, from_frame):
        yield from read_frame(frame)


def _part(found: Divergence, before: State, left: Record, right: Record) -> Snapshots:
    """Both records by name, and the state that each leads to by its own events."""
    found.kind = EVENTS if (left.time_ns, left.command) == (right.time_ns, right.command) else RECORD
    told = [_told(record) for record in (left, right)]
    found.command = told[0]["command"]
    states = [_after(before, record) for record in (left, right)]
    snapshots = Snapshots(named(image(before)), *states)
    fill(found, differences(told[0], told[1]), snapshots)
    what = "other events" if found.kind == EVENTS else "another record"
    found.sentence = f"at seq {found.seq} b has {what} than a: the first difference is {found.field}"
    return snapshots


def _told(record: Record) -> dict[str, Any]:
    """A record by name; what this version cannot read is told as its bytes."""
    try:
        command: Any = named(codec.decode_command(record.command))
        events: Any = [named(event) for event in codec.decode_events(record.events)]
    except codec.CodecError:
        command, events = record.command.hex(), record.events.hex()
    return {"seq": record.seq, "time_ns": record.time_ns, "command": command, "events": events}


def _after(before: State, record: Record) -> Any:
    """The state that a record's own events lead to; None where they cannot be folded."""
    state = decode(encode(before))
    try:
        command, events = codec.decode_command(record.command), codec.decode_events(record.events)
        fold(state, record.seq, record.time_ns, command, events)
    except MACHINE_FAULTS:
        return None
    return named(image(state))


# -- words -------------------------------------------------------------------------------------------------------------


def lines(found: Divergence) -> list[str]:
    """The report for people."""
    shown = [f"a          {found.a}", f"b          {found.b}", f"equal      the first {found.compared:,} records"]
    if found.equal:
        return [*shown, "verdict    they are the same"]
    shown.append(f"seq        {found.seq:,} at {found.time}")
    if isinstance(found.command, dict):
        shown.append(f"command    {found.command.get('kind', '')}")
    if found.field:
        shown.append(f"field      {found.field}")
    shown += [f"  {line}" for line in difference_lines([*islice(found.differences, 20)])]
    more = max(len(found.differences) - 20, 0) + found.omitted
    if more:
        shown.append(f"  and {more:,} more fields")
    if not found.repeatable:
        shown.append("repeated   one side does something else each time: it looks at a clock, at chance, or at memory")
    if found.agrees:
        shown.append(f"journal    agrees with {found.agrees}")
    return [*shown, f"verdict    {found.sentence}"]
