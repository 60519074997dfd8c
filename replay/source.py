"""Opening a journal for audit: is there one, can it be read, how long is it.

Owns the line between "cannot run" (no file, someone else's file, a locked one) and "runs and finds damage". Reads only;
imports the journal and the codec, for the one schema this version reads.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from exchange.codec import SCHEMA_FP
from journal.damage import Damaged
from journal.damage import Finding as ChainFinding
from journal.reader import scan
from journal.record import Frame
from journal.startup import anchor_path
from journal.table import APPLICATION_ID, FORMAT_VERSION, select_head
from replay.findings import CannotRun

GENESIS: Final = b"verbatim journal 1"
"""What every journal of a venue begins with; ``exchange.shell.boot`` has it too, but needs its whole shell."""
SCHEMAS: Final = (SCHEMA_FP,)
_HELD: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_WAIT_S: Final = 2.0
_READ_ONLY_FAULTS: Final = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


class Source(NamedTuple):
    """A journal that can be read, its anchor if there is one, and the last seq it claims (-1: unknown)."""

    path: Path
    anchor: Path | None
    last_seq: int

    def scan(self, from_frame: int = 1) -> Iterator[Frame | ChainFinding]:
        """Every whole frame from a number on and every damage, in storage order and constant memory."""
        return scan(self.path, genesis=GENESIS, anchor=self.anchor, schemas=SCHEMAS, from_frame=from_frame)

    def head_at(self, frame_no: int) -> bytes:
        """The head that a frame says it has; empty where there is no such frame. Raises CannotRun."""
        try:
            with contextlib.closing(_connect(self.path)) as connection:
                head = select_head(connection, frame_no)
        except (sqlite3.DatabaseError, Damaged) as error:
            raise CannotRun(f"frame {frame_no} of {self.path} cannot be read: {error}") from error
        return b"" if head is None else head.hash


def open_source(path: Path, anchor: Path | None = None) -> Source:
    """A readable journal. Raises CannotRun for a missing, foreign or locked file, or when a named anchor is missing."""
    if not path.is_file():
        raise CannotRun(f"there is no journal at {path}")
    if anchor is not None and not anchor.is_file():
        raise CannotRun(f"there is no anchor at {anchor}")
    try:
        last_seq = _inspect(path)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in _HELD:
            raise CannotRun(f"{path} is locked: {error}") from error
        raise CannotRun(f"{path} cannot be read as a journal: {error}") from error
    beside = anchor_path(path)
    return Source(path, anchor or (beside if beside.is_file() else None), last_seq)


def _inspect(path: Path) -> int:
    """Check that the file is a journal of this format; the seq of its last row, or -1 when that row is damaged."""
    with contextlib.closing(_connect(path)) as connection:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if (application, version) != (APPLICATION_ID, FORMAT_VERSION):
            raise CannotRun(f"{path} is not a journal: application id {application:#x}, format {version}")
        try:
            head = select_head(connection)
        except Damaged:
            return -1
        return -1 if head is None else head.last_seq


def _connect(path: Path) -> sqlite3.Connection:
    """A read-only connection that respects locks; in a directory that cannot be written, one that assumes no writer."""
    uri = path.absolute().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, timeout=_WAIT_S)
    try:
        connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.DatabaseError as error:
        connection.close()
        if error.sqlite_errorcode & 0xFF not in _READ_ONLY_FAULTS:
            raise
        return sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True)
    return connection
