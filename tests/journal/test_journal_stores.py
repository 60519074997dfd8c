"""The contract of a store, put to each of them alike."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from journal import Damaged, Fenced, Frame, MemoryStore, SqliteStore, Store, StoreFailed, genesis_head

Opener = Callable[..., Awaitable[Store]]
Frames = Callable[..., list[Frame]]


@pytest.fixture(params=["memory", "sqlite"])
async def reopen(request: pytest.FixtureRequest, tmp_path: Path, genesis: bytes) -> AsyncIterator[Opener]:
    """Opens the same journal again and again, as successive processes do; closes whatever is left open."""
    held: list[Frame] = []
    async with contextlib.AsyncExitStack() as stack:

        async def opener(**options: object) -> Store:
            if request.param == "memory":
                options.pop("ignore_lock", None)
                store: Store = MemoryStore(genesis, frames_held=held, **options)
            else:
                store = await SqliteStore.open(tmp_path / "j.sqlite", genesis, **options)
            stack.push_async_callback(store.close)
            return store

        yield opener


@pytest.fixture
async def store(reopen: Opener) -> Store:
    return await reopen()


async def put(store: Store, frames: list[Frame]) -> None:
    for frame in frames:
        await store.append(frame, (await store.head()).hash)


async def test_a_store_keeps_the_protocol(store: Store) -> None:
    assert isinstance(store, Store)


async def test_a_new_journal_stands_at_genesis(store: Store, genesis: bytes) -> None:
    assert await store.head() == genesis_head(genesis)
    assert [frame async for frame in store.frames()] == []


async def test_what_was_appended_is_what_is_read(store: Store, frames_of: Frames) -> None:
    frames = frames_of([1, 30, 2, 400])
    await put(store, frames)
    assert [frame async for frame in store.frames()] == frames
    assert await store.head() == frames[-1].position()


@pytest.mark.parametrize("start", [0, 1, 2, 4, 5, 6, 99])
async def test_reading_may_start_at_any_frame(store: Store, frames_of: Frames, start: int) -> None:
    frames = frames_of([1, 2, 3, 4])
    await put(store, frames)
    assert [frame async for frame in store.frames(start)] == frames[max(start - 1, 0) :]


async def test_more_frames_than_a_page_are_read_in_order(store: Store, frames_of: Frames) -> None:
    frames = frames_of([1] * 150)
    await put(store, frames)
    assert [frame async for frame in store.frames()] == frames


async def test_a_frame_that_does_not_follow_the_head_is_fenced(store: Store, frames_of: Frames) -> None:
    mine, theirs = frames_of([2, 2], epoch=1), frames_of([3, 3], epoch=2)
    await store.append(theirs[0], genesis_hash := (await store.head()).hash)
    with pytest.raises(Fenced):
        await store.append(mine[0], genesis_hash)
    with pytest.raises(Fenced):
        await store.append(mine[1], mine[0].head)
    await store.append(theirs[1], theirs[0].head)
    assert [frame async for frame in store.frames()] == theirs


@pytest.mark.parametrize("change", [{"frame_no": 3}, {"frame_no": 1}, {"first_seq": 4}, {"first_seq": 1}])
async def test_a_frame_out_of_place_is_fenced_though_the_head_is_right(
    store: Store, frames_of: Frames, change: dict[str, int]
) -> None:
    first, second = frames_of([2, 2])
    await put(store, [first])
    with pytest.raises(Fenced):
        await store.append(msgspec.structs.replace(second, **change), first.head)
    await store.append(second, first.head)


async def test_of_two_writers_the_second_to_write_is_fenced(reopen: Opener, frames_of: Frames) -> None:
    old = await reopen()
    new = await reopen(ignore_lock=True)
    mine, theirs = frames_of([1, 1, 1], epoch=1), frames_of([1], epoch=2)
    await put(old, mine[:2])
    (theirs,) = frames_of([1], start=await new.head(), epoch=2)
    await new.append(theirs, mine[1].head)
    with pytest.raises(Fenced):
        await old.append(mine[2], mine[1].head)
    assert [frame async for frame in new.frames()] == [*mine[:2], theirs]


async def test_a_journal_goes_on_where_it_was_closed(reopen: Opener, frames_of: Frames) -> None:
    frames = frames_of([3, 3])
    first = await reopen()
    await put(first, frames[:1])
    await first.close()
    again = await reopen()
    assert await again.head() == frames[0].position()
    await again.append(frames[1], frames[0].head)
    assert [frame async for frame in again.frames()] == frames


async def test_the_resolver_knows_three_answers(store: Store, frames_of: Frames) -> None:
    frames, others = frames_of([2, 2]), frames_of([1], epoch=5)
    await put(store, frames[:1])
    assert await store.resolve(frames[0]) == "written"
    assert await store.resolve(frames[1]) == "not_written"
    assert await store.resolve(others[0]) == "other"


async def test_an_append_cancelled_in_flight_is_in_doubt_until_resolved(
    reopen: Opener, frames_of: Frames, genesis: bytes
) -> None:
    store = await reopen()
    frames = frames_of([1, 1])
    task = asyncio.create_task(store.append(frames[0], genesis_head(genesis).hash))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for refused in (store.append(frames[1], frames[0].head), store.head(), store.anchor_now()):
        with pytest.raises(StoreFailed, match="did not end"):
            await refused
    with pytest.raises(StoreFailed):
        _ = [frame async for frame in store.frames()]
    answer = await store.resolve(frames[0])
    await store.close()
    again = await reopen()
    assert (answer == "written") == ((await again.head()).frame_no == 1)
    assert answer != "other"


async def test_a_closed_store_refuses_everything_but_the_resolver(store: Store, frames_of: Frames) -> None:
    frames = frames_of([1, 1])
    await put(store, frames[:1])
    await store.close()
    await store.close()
    for refused in (store.append(frames[1], frames[0].head), store.head(), store.anchor_now()):
        with pytest.raises(StoreFailed, match="closed"):
            await refused
    assert await store.resolve(frames[0]) == "written"
    assert await store.resolve(frames[1]) == "not_written"


async def test_an_unknown_schema_stops_the_reader(reopen: Opener, frames_of: Frames) -> None:
    store = await reopen(schemas={bytes(32)})
    await put(store, frames_of([1]))
    with pytest.raises(Damaged, match="unknown"):
        _ = [frame async for frame in store.frames()]


async def test_a_store_is_closed_at_the_end_of_its_block(reopen: Opener) -> None:
    async with await reopen() as store:
        await store.anchor_now()
    with pytest.raises(StoreFailed):
        await store.head()
