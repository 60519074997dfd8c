"""What must hold before a journal file is written to: lock, creation, guards, adoption of the tail.

Owns `<journal>.lock`, the creation of a journal, and each rule of `Refusal` that concerns a file. Standard
library, msgspec and this package only. Blocking: `SqliteStore` runs it in a thread. The guards read through
a read-only connection, which leaves the write-ahead log as it found it, so that a refusal destroys no
evidence.
"""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Container
from pathlib import Path

import msgspec

from journal.anchor import Anchor, AnchorUnreadable, sync_directory
from journal.damage import Damaged, Verifier
from journal.record import Head, genesis_head
from journal.store import Refusal, StartupRefused
from journal.table import (
    APPLICATION_ID,
    CREATE,
    FORMAT_VERSION,
    INSERT_GENESIS,
    PRIMARY_CODE,
    SELECT_FRAMES,
    connect_read_only,
    frame_from_row,
    select_head,
)
from journal.wal import WalScan, WalState, scan_wal, wal_path


class Ground(msgspec.Struct):
    """What a writer holds beside its connections: the absolute path, the anchor, the lock if it took it."""

    path: Path
    anchor: Anchor
    lock: int | None

    def release(self) -> None:
        """Give both back."""
        self.anchor.close()
        if self.lock is not None:
            os.close(self.lock)


def anchor_path(journal: Path) -> Path:
    """Where the anchor of `journal` lies."""
    return journal.with_name(journal.name + ".anchor")


def lock_path(journal: Path) -> Path:
    """Where the writer of `journal` leaves its lock and its process number."""
    return journal.with_name(journal.name + ".lock")


def prepare(
    path: Path, genesis: bytes, schemas: Container[bytes] | None, *, ignore_lock: bool, busy_s: float
) -> Ground:
    """Lock, create if new, check every guard, and make what was found durable. Raises `StartupRefused`."""
    path = path.absolute()
    with contextlib.ExitStack() as held:
        lock = None if ignore_lock else take_lock(lock_path(path))
        if lock is not None:
            held.callback(os.close, lock)
        anchor = _open_anchor(path, genesis_head(genesis))
        held.callback(anchor.close)
        if not path.exists():
            create(path, genesis)
        scan = scan_wal(path)
        if scan.state is WalState.ROTTEN:
            raise StartupRefused(
                Refusal.WAL_MUST_BE_SOUND,
                f"the log breaks at byte {scan.offset}, before {scan.hidden} commits that were synced",
            )
        guard(path, genesis_head(genesis), anchor.head, schemas, scan)
        adopt(path, busy_s)
        held.pop_all()
        return Ground(path, anchor, lock)


def take_lock(path: Path) -> int:
    """The writer's lock, held until the returned descriptor is closed or the process ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise StartupRefused(Refusal.WRITER_MUST_BE_ALONE, f"process {holder} is writing to it") from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    return descriptor


def create(path: Path, genesis: bytes) -> None:
    """A new journal under `path`, whole and durable or not there at all."""
    temporary = path.with_name(f"{path.name}.new")
    for leftover in (temporary, wal_path(temporary)):
        leftover.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
        connection.executescript(CREATE)
        connection.execute(INSERT_GENESIS, (genesis_head(genesis).hash,))
        (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    require_wal(mode)
    descriptor = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
    sync_directory(path.parent)


def require_wal(mode: str) -> None:
    """`PRAGMA journal_mode=WAL` can fail without raising, so its answer is what counts."""
    if mode != "wal":
        raise StartupRefused(Refusal.JOURNAL_MODE_MUST_BE_WAL, f"its journal mode is {mode}")


def guard(path: Path, genesis: Head, anchored: Head, schemas: Container[bytes] | None, scan: WalScan) -> None:
    """Every rule about the content of the file, in the order of `Refusal`."""
    try:
        with contextlib.closing(connect_read_only(path)) as connection:
            _guard_identity(connection, genesis)
            _guard_anchor(connection, anchored, scan)
            _guard_last_frame(connection, schemas)
    except sqlite3.DatabaseError as error:
        raise StartupRefused(Refusal.FILE_MUST_BE_A_JOURNAL, str(error)) from error
    except Damaged as error:
        raise StartupRefused(Refusal.LAST_FRAME_MUST_BE_WHOLE, str(error)) from error


def adopt(path: Path, busy_s: float) -> None:
    """Fold the log into the file and sync it, so that what is read next is durable, not only cached.

    A kill between a commit's write and its sync leaves frames that were told to nobody and would not
    survive a power loss. After this they would, and may be announced.
    """
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=busy_s)) as connection:
        try:
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
            _, logged, folded = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & PRIMARY_CODE != sqlite3.SQLITE_BUSY:
                raise
            raise StartupRefused(Refusal.WRITER_MUST_BE_ALONE, f"someone holds it: {error}") from error
    if folded < 0 or logged != folded:
        reason = f"someone reads it: {folded} of {logged} pages of its log folded in"
        raise StartupRefused(Refusal.WRITER_MUST_BE_ALONE, reason)


def _open_anchor(path: Path, genesis: Head) -> Anchor:
    """The anchor of a journal, made anew only where there is no journal yet."""
    place = anchor_path(path)
    try:
        anchor = Anchor.open(place)
    except AnchorUnreadable as error:
        raise StartupRefused(Refusal.ANCHOR_MUST_BE_READABLE, str(error)) from error
    except FileNotFoundError as error:
        if path.exists():
            raise StartupRefused(Refusal.ANCHOR_MUST_BE_READABLE, f"{place.name} is missing") from error
        return Anchor.create(place, genesis)
    if anchor.head.frame_no and not path.exists():
        anchor.close()
        raise StartupRefused(
            Refusal.HEAD_MUST_REACH_ANCHOR, f"frame {anchor.head.frame_no} is anchored and the journal is missing"
        )
    return anchor


def _guard_identity(connection: sqlite3.Connection, genesis: Head) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if (application, version) != (APPLICATION_ID, FORMAT_VERSION):
        raise StartupRefused(
            Refusal.FILE_MUST_BE_A_JOURNAL, f"its application id is {application:#x}, its format {version}"
        )
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    require_wal(mode)
    found = select_head(connection, 0)
    if found is None or found.hash != genesis.hash:
        raise StartupRefused(
            Refusal.GENESIS_MUST_MATCH, f"it begins at {found and found.hash.hex()}, not {genesis.hash.hex()}"
        )


def _guard_anchor(connection: sqlite3.Connection, anchored: Head, scan: WalScan) -> None:
    head = select_head(connection)
    assert head is not None
    if head.frame_no < anchored.frame_no:
        raise StartupRefused(
            Refusal.HEAD_MUST_REACH_ANCHOR,
            f"it ends at frame {head.frame_no}, frame {anchored.frame_no} is anchored, "
            f"and its log is {scan.state} at byte {scan.offset}",
        )
    if select_head(connection, anchored.frame_no) != anchored:
        raise StartupRefused(
            Refusal.ANCHOR_MUST_LIE_ON_CHAIN, f"its frame {anchored.frame_no} is not the one that was anchored"
        )


def _guard_last_frame(connection: sqlite3.Connection, schemas: Container[bytes] | None) -> None:
    head = select_head(connection)
    assert head is not None
    if head.frame_no == 0:
        return
    before = select_head(connection, head.frame_no - 1)
    if before is None:
        raise StartupRefused(Refusal.LAST_FRAME_MUST_BE_WHOLE, f"frame {head.frame_no - 1} is missing")
    row = connection.execute(SELECT_FRAMES, (head.frame_no, 1)).fetchone()
    frame = frame_from_row(row)
    for finding in Verifier(before).check(frame):
        raise StartupRefused(Refusal.LAST_FRAME_MUST_BE_WHOLE, finding.sentence)
    if schemas is not None and frame.schema_fp not in schemas:
        raise StartupRefused(
            Refusal.SCHEMA_MUST_BE_KNOWN, f"frame {frame.frame_no} is written in schema {frame.schema_fp.hex()}"
        )
