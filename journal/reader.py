"""Reading a journal from outside the process that writes it: in order, in constant memory, trusting nothing.

Owns `scan`, which the offline audit is built on. Standard library and this package only; blocking. It
neither writes nor locks, and works on a file that is being written as on one from an archive.
"""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Container, Iterator
from pathlib import Path

from journal.anchor import AnchorUnreadable, read_anchor
from journal.damage import Damage, Damaged, Finding, Verifier, require
from journal.record import Frame, Head, Record, genesis_head
from journal.startup import anchor_path, lock_path
from journal.table import PAGE, SELECT_FRAMES, connect_read_only, frame_from_row, malformed, select_head
from journal.wal import WalScan, WalState, scan_wal


def scan(
    path: Path,
    *,
    genesis: bytes | None = None,
    anchor: Path | None = None,
    schemas: Container[bytes] | None = None,
    from_frame: int = 1,
) -> Iterator[Frame | Finding]:
    """Every frame that is whole, from number `from_frame` on, and a finding for each damage, in order.

    `anchor` is the anchor file, by default the one beside the journal if there is one. `genesis`, if given,
    must be what the journal began with. The end of the journal is compared with the anchor and, unless a
    writer is at work, the log is searched for commits that SQLite does not show.
    """
    log = None if _is_live(path) else scan_wal(path)
    anchored, findings = _read_anchor(anchor or anchor_path(path), anchor is not None)
    last = Head(0, 0, 0, b"")
    try:
        with contextlib.closing(connect_read_only(path)) as connection:
            start = _start(connection, genesis, from_frame)
            last = start
            for item in _checked(connection, start, schemas):
                if isinstance(item, Frame):
                    last = item.position()
                    findings += _compare(last, anchored)
                yield item
    except sqlite3.DatabaseError as error:
        yield malformed(last.frame_no + 1, error).finding
    except Damaged as error:
        yield error.finding
    yield from findings
    yield from _end(last, anchored, log)


def read_records(
    path: Path, *, genesis: bytes | None = None, schemas: Container[bytes] | None = None
) -> Iterator[Record]:
    """Every record of a journal. Raises `Damaged` at the first damage that a crash does not explain."""
    for frame in require(scan(path, genesis=genesis, schemas=schemas)):
        yield from frame.records()


def _start(connection: sqlite3.Connection, genesis: bytes | None, from_frame: int) -> Head:
    """The head before the first frame asked for."""
    origin = select_head(connection, 0)
    if origin is None or (genesis is not None and origin.hash != genesis_head(genesis).hash):
        raise Damaged(Finding(Damage.FORK, 0, 0, "the journal does not begin at this genesis"))
    start = select_head(connection, from_frame - 1)
    if start is None:
        raise Damaged(Finding(Damage.GAP, from_frame - 1, 0, f"there is no frame {from_frame - 1} to start after"))
    return start


def _checked(
    connection: sqlite3.Connection, start: Head, schemas: Container[bytes] | None
) -> Iterator[Frame | Finding]:
    """The frames after `start`, verified, a page at a time."""
    verifier = Verifier(start, schemas)
    at = start.frame_no + 1
    while rows := connection.execute(SELECT_FRAMES, (at, PAGE)).fetchall():
        for row in rows:
            at = row[0] + 1
            try:
                frame = frame_from_row(row)
            except Damaged as error:
                yield error.finding
                continue
            yield from verifier.check(frame) or (frame,)


def _is_live(path: Path) -> bool:
    """Whether a writer holds the journal's lock at this moment."""
    try:
        descriptor = os.open(lock_path(path), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _read_anchor(path: Path, demanded: bool) -> tuple[Head | None, list[Finding]]:
    """The anchored head, and what is wrong with the anchor file itself."""
    try:
        anchored, damaged = read_anchor(path)
    except FileNotFoundError:
        missing = Finding(Damage.LOST_TAIL, 0, 0, f"the anchor file {path.name} is missing")
        return None, [missing] if demanded else []
    except AnchorUnreadable as error:
        return None, [Finding(Damage.ALTERED, 0, 0, str(error))]
    if not damaged:
        return anchored, []
    sentence = f"{damaged} slot(s) of the anchor file are torn; the newest whole one is of frame {anchored.frame_no}"
    return anchored, [Finding(Damage.TORN_TAIL, anchored.frame_no, anchored.last_seq, sentence)]


def _compare(head: Head, anchored: Head | None) -> list[Finding]:
    if anchored is None or head.frame_no != anchored.frame_no or head == anchored:
        return []
    sentence = f"frame {head.frame_no} is whole but not the one that was anchored"
    return [Finding(Damage.FORK, head.frame_no, head.last_seq, sentence)]


def _end(last: Head, anchored: Head | None, log: WalScan | None) -> Iterator[Finding]:
    """What is wrong with the end: frames that were anchored, or synced into the log, and cannot be read."""
    frame_no, seq = last.frame_no + 1, last.last_seq + 1
    if anchored is not None and anchored.frame_no > last.frame_no:
        sentence = f"the journal ends before frame {frame_no}, but frame {anchored.frame_no} was anchored"
        yield Finding(Damage.LOST_TAIL, frame_no, seq, sentence)
    if log is not None and log.state is WalState.ROTTEN:
        sentence = f"the log breaks at byte {log.offset} and hides {log.hidden} synced commits from frame {frame_no} on"
        yield Finding(Damage.LOST_TAIL, frame_no, seq, sentence)
    if log is not None and log.state is WalState.TORN:
        sentence = f"the log ends in an unfinished commit at byte {log.offset}, after frame {last.frame_no}"
        yield Finding(Damage.TORN_TAIL, frame_no, seq, sentence)
