"""The journal in one SQLite file on this machine: WAL, FULL sync, one autocommit statement per frame.

Owns `SqliteStore` and its settings. May import aiosqlite, msgspec, the standard library and this package.
The statement that appends is the fence; a second connection folds the log into the file beside the writer;
the head is anchored in a second file. The first error of any of these stops the store for good: whoever
restarts, reads.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncGenerator, Container, Iterator
from pathlib import Path
from typing import Any, Final, Literal, Self

import aiosqlite
import msgspec

from journal.anchor import sync_directory
from journal.damage import Damage, Damaged, Finding, Verifier
from journal.record import Frame, Head
from journal.startup import Ground, adopt, prepare, require_wal
from journal.store import Fenced, Refusal, StartupRefused, StoreFailed, Written
from journal.table import (
    APPEND,
    PAGE,
    SELECT_FRAMES,
    SELECT_HEAD,
    SELECT_HEAD_AT,
    append_parameters,
    connect_read_only,
    frame_from_row,
    head_from_row,
    malformed,
    select_head,
)

_FULL: Final = 2
_PAGE_BYTES: Final = 4096 + 24


class SqliteSettings(msgspec.Struct, frozen=True):
    """Times in seconds; a `synchronous` below FULL is refused at start."""

    synchronous: Literal["EXTRA", "FULL", "NORMAL", "OFF"] = "FULL"
    checkpoint_s: float = 0.1
    idle_s: float = 1.0
    anchor_s: float = 1.0
    wal_bytes_max: int = 64 << 20
    busy_s: float = 5.0


_DEFAULTS: Final = SqliteSettings()


class _Upkeep(msgspec.Struct):
    """How far the keeper has come: the head last seen, folded in and anchored, and the bytes in the log."""

    seen: Head
    seen_at: float
    folded: Head
    anchored: Head
    anchored_at: float
    log_bytes: int


class SqliteStore:
    """The store behind a single-machine exchange. Made by `open`; must be closed on every path."""

    def __init__(
        self,
        path: Path,
        settings: SqliteSettings,
        schemas: Container[bytes] | None,
        ground: Ground,
        connections: tuple[aiosqlite.Connection, aiosqlite.Connection],
        head: Head,
    ) -> None:
        self._path = path
        self._settings = settings
        self._schemas = schemas
        self._ground = ground
        self._writer, self._keeper = connections
        self._durable = head
        self._gate = asyncio.Lock()
        self._doubt: Frame | None = None
        self._failure: str | None = None
        self._closed = False
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(self._keep(), name=f"keeper of {path.name}")

    @classmethod
    async def open(
        cls,
        path: Path,
        genesis: bytes,
        *,
        schemas: Container[bytes] | None = None,
        ignore_lock: bool = False,
        settings: SqliteSettings = _DEFAULTS,
    ) -> Self:
        """Open the journal at `path`, creating it if it is new. Raises `StartupRefused`, and `StoreFailed`
        if the disk does.

        `genesis` is hashed into the first head. `schemas` are the record encodings the caller can read; None
        reads any. `ignore_lock` is for taking over from a writer that cannot be reached: then the fence alone
        protects.
        """
        async with contextlib.AsyncExitStack() as held:
            held.enter_context(_translated("opening"))
            ground = await asyncio.to_thread(
                prepare, path, genesis, schemas, ignore_lock=ignore_lock, busy_s=settings.busy_s
            )
            path = ground.path
            held.callback(ground.release)
            writer = await held.enter_async_context(
                aiosqlite.connect(path, isolation_level=None, timeout=settings.busy_s)
            )
            keeper = await held.enter_async_context(aiosqlite.connect(path, isolation_level=None, timeout=0))
            await _set_pragmas(writer, settings)
            await _set_pragmas(keeper, settings)
            head = await _fetch_head(writer)
            # SQLite has just made the log, and does not look whether syncing its directory entry succeeded.
            await asyncio.to_thread(sync_directory, path.parent)
            held.pop_all()
        assert head is not None
        return cls(path, settings, schemas, ground, (writer, keeper), head)

    async def __aenter__(self) -> Self:
        """The store itself."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close it."""
        await self.close()

    async def head(self) -> Head:
        """Where the chain stands, read from the file."""
        self._check_usable()
        head = await _fetch_head(self._writer)
        assert head is not None
        return head

    async def append(self, frame: Frame, prev_head: bytes) -> None:
        """Make `frame` durable if the head still is `prev_head`: one statement, one sync, one thread hop."""
        async with self._gate:
            self._check_usable()
            self._doubt = frame
            with _translated(f"appending frame {frame.frame_no}"):
                cursor = await self._writer.execute(APPEND, append_parameters(frame, prev_head))
            self._doubt = None
            if cursor.rowcount != 1:
                raise Fenced(f"frame {frame.frame_no} does not follow the head of the journal")
            self._durable = frame.position()

    async def frames(self, from_frame: int = 0) -> AsyncGenerator[Frame, None]:
        """The frames from number `from_frame` on, each checked against the one before. Raises `Damaged`."""
        at = max(from_frame, 1)
        before = await self._head_before(at)
        if before is None:
            return
        verifier = Verifier(before, self._schemas)
        while rows := await self._page(at):
            for row in rows:
                frame = frame_from_row(row)
                for finding in verifier.check(frame):
                    raise Damaged(finding)
                yield frame
                at = frame.frame_no + 1

    async def resolve(self, frame: Frame) -> Written:
        """Whether `frame` was written.

        After a failure this reads the file anew, as a restart would, and leaves the store disconnected: the
        view of a connection whose commit failed is not what the next reader will find.
        """
        if self._doubt is None and self._failure is None and not self._closed:
            found = await _fetch_head(self._writer, frame.frame_no)
        else:
            await self._disconnect()
            found = await asyncio.to_thread(_reread, self._path, frame.frame_no, self._settings.busy_s)
        if found is None:
            return "not_written"
        return "written" if found.hash == frame.head else "other"

    async def anchor_now(self) -> None:
        """Write the head to the anchor file and sync it, before this returns."""
        self._check_usable()
        try:
            await asyncio.to_thread(self._ground.anchor.write, self._durable)
        except OSError as error:
            self._failure = f"anchoring: {error}"
            raise StoreFailed(self._failure) from error

    async def close(self) -> None:
        """Anchor the head if nothing failed, and release everything. May be called again."""
        if self._closed:
            return
        sound = self._doubt is None and self._failure is None
        self._closed = True
        try:
            await self._disconnect()
            if sound:
                await asyncio.to_thread(self._ground.anchor.write, self._durable)
        finally:
            self._ground.release()

    def _check_usable(self) -> None:
        if self._closed:
            raise StoreFailed("the store is closed")
        if self._failure is not None:
            raise StoreFailed(self._failure)
        if self._doubt is not None:
            raise StoreFailed(f"the append of frame {self._doubt.frame_no} did not end; resolve it")

    async def _head_before(self, frame_no: int) -> Head | None:
        """The head that frame `frame_no` follows; None if the journal ends before it."""
        head = await self.head()
        if head.frame_no < frame_no:
            return None
        before = await _fetch_head(self._keeper, frame_no - 1)
        if before is None:
            raise Damaged(Finding(Damage.GAP, frame_no - 1, 0, f"frame {frame_no - 1} is missing"))
        return before

    async def _page(self, frame_no: int) -> list[Any]:
        """The rows from `frame_no` on, a page of them."""
        self._check_usable()
        try:
            return list(await self._keeper.execute_fetchall(SELECT_FRAMES, (frame_no, PAGE)))
        except sqlite3.DatabaseError as error:
            raise malformed(frame_no, error) from error

    async def _disconnect(self) -> None:
        """Stop the keeper and close both connections; what they could not write stays in the log."""
        self._stopping.set()
        await self._task
        for connection in (self._keeper, self._writer):
            with contextlib.suppress(sqlite3.Error):
                await connection.close()

    async def _keep(self) -> None:
        """Beside the writer: fold the log into the file, cut it when idle or long, anchor the head."""
        now = asyncio.get_running_loop().time()
        done = _Upkeep(self._durable, now, self._durable, self._durable, now, 0)
        try:
            while not await self._stops_within(self._settings.checkpoint_s):
                await self._tend(done, asyncio.get_running_loop().time())
        except (sqlite3.Error, OSError) as error:
            self._failure = f"folding in the log or anchoring: {error}"

    async def _tend(self, done: _Upkeep, now: float) -> None:
        """One round of upkeep at loop time `now`, in seconds."""
        head, settings = self._durable, self._settings
        if head is not done.seen:
            done.seen, done.seen_at = head, now
        if head is not done.folded:
            done.folded, done.log_bytes = head, await self._fold("PASSIVE")
        idle = now - done.seen_at >= settings.idle_s
        if done.log_bytes and (idle or done.log_bytes >= settings.wal_bytes_max):
            async with self._gate:
                done.log_bytes = await self._fold("TRUNCATE")
        if head is not done.anchored and now - done.anchored_at >= settings.anchor_s:
            await asyncio.to_thread(self._ground.anchor.write, head)
            done.anchored, done.anchored_at = head, now

    async def _fold(self, mode: Literal["PASSIVE", "TRUNCATE"]) -> int:
        """Checkpoint, and say how many bytes the log still holds: a reader may keep it from being cut."""
        ((_, pages, _),) = await self._keeper.execute_fetchall(f"PRAGMA wal_checkpoint({mode})")
        return int(pages) * _PAGE_BYTES

    async def _stops_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()


@contextlib.contextmanager
def _translated(doing: str) -> Iterator[None]:
    """Whatever the disk or SQLite raises is a failure of the store."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreFailed(f"{doing}: {error}") from error


async def _set_pragmas(connection: aiosqlite.Connection, settings: SqliteSettings) -> None:
    """Set what durability rests on, and believe only what the connection answers."""
    ((mode,),) = await connection.execute_fetchall("PRAGMA journal_mode")
    require_wal(mode)
    await connection.execute(f"PRAGMA synchronous={settings.synchronous}")
    ((level,),) = await connection.execute_fetchall("PRAGMA synchronous")
    if level < _FULL:
        raise StartupRefused(Refusal.SYNCHRONOUS_MUST_BE_FULL, f"synchronous is {settings.synchronous}")
    await connection.execute("PRAGMA wal_autocheckpoint=0")
    await connection.execute("PRAGMA temp_store=MEMORY")


async def _fetch_head(connection: aiosqlite.Connection, frame_no: int | None = None) -> Head | None:
    """The last head, or the one at `frame_no`; None if there is no such frame."""
    sql, parameters = (SELECT_HEAD, ()) if frame_no is None else (SELECT_HEAD_AT, (frame_no,))
    with _translated("reading the head"):
        rows = list(await connection.execute_fetchall(sql, parameters))
    return head_from_row(rows[0]) if rows else None


def _reread(path: Path, frame_no: int, busy_s: float) -> Head | None:
    """The head at `frame_no` as the next writer will find it, made durable first."""
    with _translated(f"frame {frame_no} cannot be resolved yet"):
        adopt(path, busy_s)
        with contextlib.closing(connect_read_only(path)) as connection:
            return select_head(connection, frame_no)
