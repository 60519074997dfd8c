"""The writer: order, coalescing, bounds, and that neither cancelling nor failing leaves anyone in the dark."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journal import (
    Backlogged,
    Durable,
    Fenced,
    Frame,
    JournalFailed,
    Limits,
    MemoryStore,
    Record,
    StoreFailed,
    Writer,
    encode_record,
    leaf_hashes,
)

GENESIS = b"a journal made by a test"
SCHEMA = bytes(range(32))
Encoded = Callable[[int, int], list[bytes]]


class Held(MemoryStore):
    """A store whose disk is slow on demand, and broken on demand."""

    def __init__(self) -> None:
        super().__init__(GENESIS)
        self.open = asyncio.Event()
        self.open.set()
        self.broken: Exception | None = None
        self.flying = 0

    async def append(self, frame: Frame, prev_head: bytes) -> None:
        self.flying += 1
        assert self.flying == 1
        await self.open.wait()
        if self.broken is not None:
            raise self.broken
        await super().append(frame, prev_head)
        self.flying -= 1


@pytest.fixture
def store() -> Held:
    return Held()


@pytest.fixture
async def writer(store: Held) -> AsyncIterator[Writer]:
    async with Writer(store, SCHEMA) as writer:
        yield writer
        store.open.set()


async def test_an_append_is_durable_when_its_future_resolves(writer: Writer, store: Held, encoded: Encoded) -> None:
    data = encoded(1, 5)
    durable = await writer.append(data)
    assert durable == Durable(store.frames_held[0], store._genesis.hash, 1, leaf_hashes(data))
    assert writer.head == await store.head()


async def test_what_queues_behind_a_frame_becomes_the_next_one(writer: Writer, store: Held, encoded: Encoded) -> None:
    store.open.clear()
    first = writer.append(encoded(1, 1))
    await asyncio.sleep(0)
    later = [writer.append(encoded(2 + 3 * i, 3)) for i in range(4)]
    store.open.set()
    receipts = await asyncio.gather(first, *later)
    assert [frame.n for frame in store.frames_held] == [1, 12]
    assert [r.first_seq for r in receipts] == [1, 2, 5, 8, 11]
    assert {r.prev_head for r in receipts[1:]} == {store.frames_held[0].head}
    assert [leaf for r in receipts for leaf in r.leaves] == [x for f in store.frames_held for x in f.leaves()]


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(1, 40), st.integers(100, 3000))
def test_frames_respect_their_caps_and_never_split_an_append(sizes: list[int], records: int, size: int) -> None:
    async def run() -> list[Frame]:
        store = MemoryStore(GENESIS)
        async with Writer(store, SCHEMA, limits=Limits(frame_records=records, frame_bytes=size)) as writer:
            at, futures = 1, []
            for n in sizes:
                futures.append(writer.append([encode_record(Record(at + i, 1, b"x" * 20, b"")) for i in range(n)]))
                at += n
            receipts = await asyncio.gather(*futures)
        assert all(len(r.leaves) == n for r, n in zip(receipts, sizes, strict=True))
        assert all(r.frame.first_seq <= r.first_seq <= r.frame.last_seq for r in receipts)
        return store.frames_held

    frames = asyncio.run(run())
    assert sum(frame.n for frame in frames) == sum(sizes)
    for frame in frames:
        assert (frame.n <= records and len(frame.body) - 5 <= size) or frame.n in sizes


async def test_each_writer_opens_an_epoch_of_its_own(store: Held, encoded: Encoded) -> None:
    for turn in range(3):
        async with Writer(store, SCHEMA) as writer:
            await writer.append(encoded(turn * 2 + 1, 2))
    assert [frame.epoch for frame in store.frames_held] == [1, 2, 3]
    assert [frame async for frame in store.frames()] == store.frames_held


async def test_a_cancelled_caller_gives_up_the_receipt_and_not_the_write(
    writer: Writer, store: Held, encoded: Encoded
) -> None:
    store.open.clear()

    async def caller() -> None:
        await writer.append(encoded(1, 2))

    task = asyncio.create_task(caller())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    store.open.set()
    durable = await writer.append(encoded(3, 1))
    assert durable.first_seq == 3
    assert store.frames_held[0].first_seq == 1


async def test_closing_writes_what_has_queued_and_takes_no_more(store: Held, encoded: Encoded) -> None:
    writer = Writer(store, SCHEMA)
    await writer.start()
    futures = [writer.append(encoded(i, 1)) for i in range(1, 5)]
    await writer.close()
    assert [future.result().first_seq for future in futures] == [1, 2, 3, 4]
    assert not writer.failed.is_set()
    assert not writer.accepting
    with pytest.raises(JournalFailed):
        writer.append(encoded(5, 1))
    await writer.close()


async def test_a_writer_that_was_never_started_takes_nothing(store: Held, encoded: Encoded) -> None:
    writer = Writer(store, SCHEMA)
    with pytest.raises(JournalFailed):
        writer.append(encoded(1, 1))
    await writer.close()


@pytest.mark.parametrize("error", [StoreFailed("no disk"), Fenced("another writer")])
async def test_a_store_that_fails_fails_everyone_who_waits(store: Held, encoded: Encoded, error: Exception) -> None:
    writer = Writer(store, SCHEMA)
    await writer.start()
    store.open.clear()
    futures = [writer.append(encoded(1, 1))]
    await asyncio.sleep(0)
    futures += [writer.append(encoded(2, 1)), writer.append(encoded(3, 1))]
    futures[1].cancel()
    store.broken = error
    store.open.set()
    await writer.failed.wait()
    for future in (futures[0], futures[2]):
        with pytest.raises(JournalFailed) as caught:
            await future
        assert caught.value.__cause__ is error
    assert writer.cause is error
    assert not writer.accepting
    assert writer.backlog.records == writer.backlog.bytes == 0
    with pytest.raises(JournalFailed, match=str(error)):
        writer.append(encoded(4, 1))
    await writer.close()


async def test_records_out_of_sequence_stop_the_writer(store: Held, encoded: Encoded) -> None:
    writer = Writer(store, SCHEMA)
    await writer.start()
    with pytest.raises(JournalFailed):
        await writer.append(encoded(2, 1))
    assert isinstance(writer.cause, AssertionError)
    assert store.frames_held == []


async def test_a_writer_cancelled_from_outside_fails_those_who_wait(store: Held, encoded: Encoded) -> None:
    writer = Writer(store, SCHEMA)
    await writer.start()
    store.open.clear()
    future = writer.append(encoded(1, 1))
    await asyncio.sleep(0)
    assert writer._task is not None
    writer._task.cancel()
    with pytest.raises(JournalFailed, match="cancelled"):
        await future
    assert writer.failed.is_set()


async def test_intake_stops_at_the_soft_bound_and_everything_at_the_hard_one(store: Held, encoded: Encoded) -> None:
    limits = Limits(records=10, bytes=1 << 20, hard=2)
    async with Writer(store, SCHEMA, limits=limits) as writer:
        store.open.clear()
        futures = [writer.append(encoded(1, 9))]
        assert writer.accepting
        futures.append(writer.append(encoded(10, 1)))
        assert not writer.accepting
        futures.append(writer.append(encoded(11, 10)))
        with pytest.raises(Backlogged):
            writer.append(encoded(21, 1))
        assert writer.backlog.records == 20
        store.open.set()
        await asyncio.gather(*futures)
        assert writer.accepting
        await writer.append(encoded(21, 1))
    assert store.frames_held[-1].last_seq == 21


async def test_bytes_are_bounded_as_records_are(store: Held, encoded: Encoded) -> None:
    data = encoded(1, 1)
    async with Writer(store, SCHEMA, limits=Limits(bytes=len(data[0]), hard=1)) as writer:
        store.open.clear()
        future = writer.append(data)
        assert not writer.accepting
        with pytest.raises(Backlogged):
            writer.append(encoded(2, 1))
        assert writer.backlog.bytes == len(data[0])
        store.open.set()
        await future


async def test_what_is_said_at_once_is_taken_whole_when_nothing_else_waits(store: Held, encoded: Encoded) -> None:
    """Refused, it would be said again after every restart."""
    async with Writer(store, SCHEMA, limits=Limits(records=2, bytes=8, hard=1)) as writer:
        store.open.clear()
        future = writer.append(encoded(1, 5))
        with pytest.raises(Backlogged):
            writer.append(encoded(6, 1))
        store.open.set()
        await future
    assert store.frames_held[-1].last_seq == 5


async def test_intake_stops_when_the_oldest_has_waited_too_long(store: Held, encoded: Encoded) -> None:
    now = [0]
    async with Writer(store, SCHEMA, limits=Limits(age_ns=100), monotonic_ns=lambda: now[0]) as writer:
        store.open.clear()
        future = writer.append(encoded(1, 1))
        now[0] = 99
        assert writer.accepting
        assert writer.backlog.age_ns == 99
        now[0] = 100
        assert not writer.accepting
        store.open.set()
        await future
        assert writer.accepting
        assert writer.backlog.age_ns == 0


async def test_the_time_of_a_frame_comes_from_the_clock_it_was_given(store: Held, encoded: Encoded) -> None:
    async with Writer(store, SCHEMA, wall_ns=lambda: 777) as writer:
        assert (await writer.append(encoded(1, 1))).frame.wall_ns == 777
