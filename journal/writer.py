"""The one task that turns encoded records into durable frames.

Owns group commit, the bounds of what may wait, and fail-stop. May import the standard library, msgspec and
the sans-IO modules of this package. No timer: whatever has queued while a frame was being written is the
next frame, one frame in flight. Nothing the callers do, cancelling included, reaches the task that writes.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain, islice
from typing import Self

import msgspec

from journal.record import Chain, Frame, Head, leaf_hashes
from journal.store import Store


class Backlogged(Exception):
    """The hard bound on undurable records is reached: these were not queued, and nothing else happened."""


class JournalFailed(Exception):
    """The writer has stopped.

    What it was asked for may or may not be durable; a restart finds out by reading.
    """


class Limits(msgspec.Struct, frozen=True):
    """How much goes into a frame, and how much may wait.

    A frame is closed before it would pass `frame_records` or `frame_bytes`; one append is never split.
    Beyond `records`, `bytes` or `age_ns` undurable, `accepting` turns false: refuse new orders, go on with
    cancels and receipts. Beyond `hard` times as many records or bytes even those are refused, with
    `Backlogged`.
    """

    frame_records: int = 4096
    frame_bytes: int = 256 << 10
    records: int = 64 << 10
    bytes: int = 8 << 20
    age_ns: int = 250_000_000
    hard: int = 2


_DEFAULTS = Limits()


class Backlog(msgspec.Struct, frozen=True):
    """What is not durable yet: records, their bytes, and the age of the oldest in nanoseconds."""

    records: int
    bytes: int
    age_ns: int


class Durable(msgspec.Struct, frozen=True, gc=False):
    """The receipt of one append: its frame, the head before that frame, and the leaves of its own records."""

    frame: Frame
    prev_head: bytes
    first_seq: int
    leaves: list[bytes]


class _Pending:
    """One append that waits to become durable."""

    __slots__ = ("future", "records", "since_ns", "size")

    def __init__(self, records: Sequence[bytes], size: int, since_ns: int, future: asyncio.Future[Durable]) -> None:
        self.records = records
        self.size = size
        self.since_ns = since_ns
        self.future = future


class Writer:
    """Appends in order to one store until it is closed or fails.

    `failed` is set when it fails, `cause` says why. `committed` hears of each durable frame: records, bytes, and
    the nanoseconds its append took; it must not raise.
    """

    def __init__(
        self,
        store: Store,
        schema_fp: bytes,
        *,
        limits: Limits = _DEFAULTS,
        committed: Callable[[int, int, int], None] = lambda _records, _bytes, _took_ns: None,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._store = store
        self._schema_fp = schema_fp
        self._limits = limits
        self._committed = committed
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._queue: deque[_Pending] = deque()
        self._records = 0
        self._bytes = 0
        self._wake = asyncio.Event()
        self._closing = False
        self._chain: Chain | None = None
        self._task: asyncio.Task[None] | None = None
        self._head: Head | None = None
        self.failed = asyncio.Event()
        self.cause: BaseException | None = None

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Write what has queued, and stop. The store stays open."""
        await self.close()

    async def start(self) -> Head:
        """Take the head of the store, open the next epoch, begin to write. The head records must continue."""
        assert self._task is None
        head = await self._store.head()
        self._head = head
        self._chain = Chain(head, head.epoch + 1, self._schema_fp)
        self._task = asyncio.create_task(self._run(self._chain), name="journal writer")
        self._task.add_done_callback(self._ended)
        return head

    @property
    def head(self) -> Head:
        """The last durable head."""
        assert self._head is not None
        return self._head

    @property
    def backlog(self) -> Backlog:
        """What is not durable yet, the frame in flight included."""
        age_ns = self._monotonic_ns() - self._queue[0].since_ns if self._queue else 0
        return Backlog(self._records, self._bytes, age_ns)

    @property
    def accepting(self) -> bool:
        """Whether new intake is within bounds. Ask before a command changes state, not after."""
        limits, backlog = self._limits, self.backlog
        return (
            self._running()
            and backlog.records < limits.records
            and backlog.bytes < limits.bytes
            and backlog.age_ns < limits.age_ns
        )

    def append(self, records: Sequence[bytes]) -> asyncio.Future[Durable]:
        """Queue encoded records that continue `seq`; the futures resolve in order, once durable.

        Raises `Backlogged` beyond the hard bound, unless nothing else waits: what a venue has to say at once it
        would have to say again after every restart. Raises `JournalFailed` once stopped; the future may fail with
        `JournalFailed`. Cancelling the future gives up the receipt, not the write.
        """
        if not self._running():
            raise JournalFailed(f"the journal writer has stopped: {self.cause}") from self.cause
        size = sum(map(len, records))
        limits = self._limits
        too_many = self._records + len(records) > limits.records * limits.hard
        too_large = self._bytes + size > limits.bytes * limits.hard
        if self._queue and (too_many or too_large):
            raise Backlogged(f"{self._records} records of {self._bytes} bytes are not durable yet")
        assert records
        future: asyncio.Future[Durable] = asyncio.get_running_loop().create_future()
        self._queue.append(_Pending(records, size, self._monotonic_ns(), future))
        self._records += len(records)
        self._bytes += size
        self._wake.set()
        return future

    async def close(self) -> None:
        """Make durable what has queued, then stop.

        After a failure this returns at once and raises nothing.
        """
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    def _running(self) -> bool:
        return self._task is not None and not self._task.done() and not self._closing

    async def _run(self, chain_: Chain) -> None:
        """Until closed and empty: take what has queued, write it as one frame, tell those who wait."""
        while True:
            while not self._queue:
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
            await self._commit(chain_, self._take())

    def _take(self) -> list[_Pending]:
        """The appends of the next frame.

        They stay queued until durable, so that whoever fails them finds them.
        """
        batch = [self._queue[0]]
        records, size = len(batch[0].records), batch[0].size
        for pending in islice(self._queue, 1, None):
            records += len(pending.records)
            size += pending.size
            if records > self._limits.frame_records or size > self._limits.frame_bytes:
                break
            batch.append(pending)
        return batch

    async def _commit(self, chain_: Chain, batch: list[_Pending]) -> None:
        records = list(chain.from_iterable(pending.records for pending in batch))
        leaves = leaf_hashes(records)
        prev_head = chain_.head.hash
        frame = chain_.frame(records, self._wall_ns(), leaves)
        began_ns = self._monotonic_ns()
        await self._store.append(frame, prev_head)
        self._committed(len(records), len(frame.body), self._monotonic_ns() - began_ns)
        self._head = frame.position()
        at = 0
        for pending in batch:
            self._forget_first()
            end = at + len(pending.records)
            if not pending.future.done():
                pending.future.set_result(Durable(frame, prev_head, frame.first_seq + at, leaves[at:end]))
            at = end

    def _forget_first(self) -> _Pending:
        pending = self._queue.popleft()
        self._records -= len(pending.records)
        self._bytes -= pending.size
        return pending

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Fail-stop: whatever ended the task other than `close`, no one who waits is left waiting."""
        self.cause = asyncio.CancelledError("cancelled") if task.cancelled() else task.exception()
        if self.cause is None:
            return
        while self._queue:
            pending = self._forget_first()
            if not pending.future.done():
                failure = JournalFailed(f"the journal writer has stopped: {self.cause}")
                failure.__cause__ = self.cause
                pending.future.set_exception(failure)
                pending.future.exception()  # `cause` says it to all: a receipt nobody asks for again is no news
        self.failed.set()
