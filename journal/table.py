"""The journal as SQLite holds it: one table, one row per frame, and the statements over it.

Owns the SQL text, the file's identity, and the way between rows and frames. Standard library and msgspec
only. The genesis stands as row zero, so that there is always a last row to compare with. `body` is the last
column and `marks` the one before, so that reading the head of a large frame does not walk its overflow
pages.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from journal.damage import Damage, Damaged, Finding
from journal.record import Frame, Head
from journal.wal import WalState, scan_wal

APPLICATION_ID: Final = int.from_bytes(b"JRNL", "big")
FORMAT_VERSION: Final = 1
_PATIENCE_S: Final = 0.5
PRIMARY_CODE: Final = 0xFF
"""The part of an extended SQLite error code that names its kind."""

CREATE: Final = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT_VERSION};
CREATE TABLE frame(
  frame_no INTEGER PRIMARY KEY, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, epoch INTEGER NOT NULL,
  n INTEGER NOT NULL, schema_fp BLOB NOT NULL, wall_ns INTEGER NOT NULL, head BLOB NOT NULL, marks BLOB NOT NULL,
  body BLOB NOT NULL) STRICT;
"""

INSERT_GENESIS: Final = "INSERT INTO frame VALUES (0, 0, 0, 0, 0, zeroblob(32), 0, ?, x'', x'')"

APPEND: Final = """
INSERT INTO frame(frame_no, first_seq, last_seq, epoch, n, schema_fp, wall_ns, body, marks, head)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10
FROM (SELECT frame_no, last_seq, head FROM frame ORDER BY frame_no DESC LIMIT 1) AS tip
WHERE tip.head = ?11 AND tip.frame_no = ?1 - 1 AND tip.last_seq = ?2 - 1
"""
"""The fence: one autocommit statement that writes nothing unless the head is where the writer left it."""

SELECT_HEAD: Final = "SELECT frame_no, last_seq, epoch, head FROM frame ORDER BY frame_no DESC LIMIT 1"
SELECT_HEAD_AT: Final = "SELECT frame_no, last_seq, epoch, head FROM frame WHERE frame_no = ?"
SELECT_FRAMES: Final = """
SELECT frame_no, first_seq, last_seq, epoch, n, schema_fp, wall_ns, body, marks, head
FROM frame WHERE frame_no >= max(1, ?) ORDER BY frame_no LIMIT ?
"""
"""The fields of `Frame`, in its order."""

PAGE: Final = 64
"""Frames fetched at a time, so that no read keeps the write-ahead log from being folded in."""


def append_parameters(frame: Frame, prev_head: bytes) -> tuple[Any, ...]:
    """What `APPEND` takes."""
    return (*msgspec.structs.astuple(frame), prev_head)


def frame_from_row(row: Sequence[Any]) -> Frame:
    """The frame of a row of `SELECT_FRAMES`.

    Raises `Damaged` on a column of a type that no writer gave it.
    """
    try:
        return msgspec.convert(tuple(row), Frame, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise _unreadable(row, error) from error


def head_from_row(row: Sequence[Any]) -> Head:
    """The head of a row of `SELECT_HEAD` or `SELECT_HEAD_AT`. Raises `Damaged` as `frame_from_row` does."""
    fields = dict(zip(Head.__struct_fields__, row, strict=True))
    try:
        return msgspec.convert(fields, Head, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise _unreadable(row, error) from error


def connect_read_only(path: Path) -> sqlite3.Connection:
    """A connection that changes neither the file nor its log. Raises `sqlite3.DatabaseError`.

    Where the index of the log cannot be made, as in an archive, and there is no log, the file is read as one
    that nobody writes. With a log it is not: that reading would leave out what only the log holds.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro"
    # A reading that is given up may be collected, and so closed, in another thread than began it.
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_PATIENCE_S, check_same_thread=False)
    try:
        connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.DatabaseError as error:
        connection.close()
        archived = error.sqlite_errorcode & PRIMARY_CODE in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
        if not archived or scan_wal(path).state is not WalState.EMPTY:
            raise
        return sqlite3.connect(f"{uri}&immutable=1", uri=True, isolation_level=None, check_same_thread=False)
    return connection


def select_head(connection: sqlite3.Connection, frame_no: int | None = None) -> Head | None:
    """The last head, or the one at `frame_no`; None if there is no such row."""
    if frame_no is None:
        row = connection.execute(SELECT_HEAD).fetchone()
    else:
        row = connection.execute(SELECT_HEAD_AT, (frame_no,)).fetchone()
    return None if row is None else head_from_row(row)


def malformed(frame_no: int, error: sqlite3.DatabaseError) -> Damaged:
    """What it means that SQLite could not read the row of `frame_no`."""
    sentence = f"the file cannot be read at or after frame {frame_no}: {error}"
    return Damaged(Finding(Damage.ALTERED, frame_no, 0, sentence))


def _unreadable(row: Sequence[Any], error: msgspec.ValidationError) -> Damaged:
    sentence = f"the row of frame {row[0]} cannot be read: {error}"
    return Damaged(Finding(Damage.ALTERED, row[0], 0, sentence))
