"""What is SQLite's own: folding the log in, anchoring, failing for good, damage met while reading."""

import asyncio
import contextlib
import itertools
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from journal import Damage, Damaged, Frame, SqliteSettings, SqliteStore, StoreFailed, genesis_head, read_anchor
from journal.startup import anchor_path
from journal.wal import wal_path

Frames = Callable[..., list[Frame]]
LEAF = 0x0D
QUICK = SqliteSettings(checkpoint_s=0.005, idle_s=0.02, anchor_s=0.01)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "j.sqlite"


@pytest.fixture
async def quick(path: Path, genesis: bytes) -> AsyncIterator[SqliteStore]:
    async with await SqliteStore.open(path, genesis, settings=QUICK) as store:
        yield store


async def put(store: SqliteStore, frames: list[Frame]) -> None:
    for frame in frames:
        await store.append(frame, (await store.head()).hash)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what the keeper does on its own clock; the test's time-out is the bound."""
    while not condition():  # noqa: ASYNC110 - what is awaited happens to a file
        await asyncio.sleep(0.002)


async def test_an_idle_journal_has_no_log(quick: SqliteStore, path: Path, frames_of: Frames) -> None:
    await put(quick, frames_of([2] * 5))
    assert wal_path(path).stat().st_size > 0
    await until(lambda: wal_path(path).stat().st_size == 0)


async def test_a_long_log_is_cut_while_work_goes_on(path: Path, genesis: bytes, frames_of: Frames) -> None:
    settings = SqliteSettings(checkpoint_s=0.001, idle_s=60, wal_bytes_max=40_000)
    sizes = []
    async with await SqliteStore.open(path, genesis, settings=settings) as store:
        head = genesis_head(genesis).hash
        for frame in frames_of([20] * 100):
            await store.append(frame, head)
            head = frame.head
            sizes.append(wal_path(path).stat().st_size)
    assert any(later < earlier for earlier, later in itertools.pairwise(sizes))


async def test_a_reader_delays_the_cut_but_never_the_writer(quick: SqliteStore, path: Path, frames_of: Frames) -> None:
    frames = frames_of([2] * 6)
    await put(quick, frames[:3])
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT max(frame_no) FROM frame").fetchone() == (3,)
        await put(quick, frames[3:])
        await asyncio.sleep(0.05)
        assert reader.execute("SELECT max(frame_no) FROM frame").fetchone() == (3,)
        assert wal_path(path).stat().st_size > 0
    await until(lambda: wal_path(path).stat().st_size == 0)


async def test_the_head_is_anchored_by_itself(quick: SqliteStore, path: Path, frames_of: Frames) -> None:
    frames = frames_of([2] * 3)
    await put(quick, frames)
    await until(lambda: read_anchor(anchor_path(path))[0] == frames[-1].position())


async def test_the_head_is_anchored_on_demand_and_at_the_end(path: Path, genesis: bytes, frames_of: Frames) -> None:
    frames = frames_of([2] * 2)
    async with await SqliteStore.open(path, genesis, settings=SqliteSettings(anchor_s=60)) as store:
        await put(store, frames[:1])
        assert read_anchor(anchor_path(path))[0].frame_no == 0
        await store.anchor_now()
        assert read_anchor(anchor_path(path))[0] == frames[0].position()
        await store.append(frames[1], frames[0].head)
    assert read_anchor(anchor_path(path))[0] == frames[1].position()


async def test_a_failed_append_stops_the_store_and_is_resolved_by_reading_anew(
    path: Path, genesis: bytes, frames_of: Frames
) -> None:
    frames = frames_of([2, 2])
    settings = SqliteSettings(busy_s=0.01)
    async with await SqliteStore.open(path, genesis, settings=settings) as store:
        await put(store, frames[:1])
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreFailed, match="frame 2"):
                await store.append(frames[1], frames[0].head)
            with pytest.raises(StoreFailed, match="did not end"):
                await store.head()
        assert await store.resolve(frames[1]) == "not_written"
        assert await store.resolve(frames[0]) == "written"
    async with await SqliteStore.open(path, genesis) as again:
        await again.append(frames[1], frames[0].head)


async def test_the_resolver_says_when_it_cannot_tell(path: Path, genesis: bytes, frames_of: Frames) -> None:
    store = await SqliteStore.open(path, genesis)
    await store.close()
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreFailed, match="cannot be resolved"):
        await store.resolve(frames_of([1])[0])


async def test_a_head_that_cannot_be_read_is_a_failure(quick: SqliteStore, path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("DROP TABLE frame")
    with pytest.raises(StoreFailed, match="reading the head"):
        await quick.head()


async def test_an_anchor_that_cannot_be_written_stops_the_store(path: Path, genesis: bytes, frames_of: Frames) -> None:
    frames = frames_of([1, 1])
    store = await SqliteStore.open(path, genesis, settings=SqliteSettings(anchor_s=60))
    await put(store, frames[:1])
    make_read_only(store)
    with pytest.raises(StoreFailed, match="anchoring"):
        await store.anchor_now()
    with pytest.raises(StoreFailed, match="anchoring"):
        await store.append(frames[1], frames[0].head)
    assert await store.resolve(frames[1]) == "not_written"
    await store.close()


async def test_an_anchor_that_cannot_be_written_in_passing_stops_the_store(
    path: Path, genesis: bytes, frames_of: Frames
) -> None:
    frames = frames_of([1, 1])
    store = await SqliteStore.open(path, genesis, settings=QUICK)
    make_read_only(store)
    await put(store, frames[:1])
    await asyncio.wait([store._task])
    with pytest.raises(StoreFailed, match="anchoring"):
        await store.append(frames[1], frames[0].head)
    await store.close()


def make_read_only(store: SqliteStore) -> None:
    """Put a descriptor that refuses writes under the anchor, as a file system turned read-only does."""
    descriptor = store._ground.anchor._fd
    with open("/proc/self/exe", "rb") as unwritable:  # noqa: PTH123 - any file that cannot be written
        os.dup2(unwritable.fileno(), descriptor)


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE frame SET body = zeroblob(length(body)) WHERE frame_no = 3", Damage.ALTERED),
        ("UPDATE frame SET epoch = -1 WHERE frame_no = 3", Damage.ALTERED),
        ("DELETE FROM frame WHERE frame_no = 3", Damage.GAP),
    ],
)
async def test_damage_met_while_reading_is_raised_with_its_name(
    path: Path, genesis: bytes, frames_of: Frames, statement: str, kind: Damage
) -> None:
    async with await SqliteStore.open(path, genesis) as store:
        await put(store, frames_of([2] * 6))
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute(statement)
        with pytest.raises(Damaged) as caught:
            _ = [frame async for frame in store.frames()]
    assert caught.value.finding.kind is kind


async def test_reading_from_behind_a_missing_frame_is_refused(path: Path, genesis: bytes, frames_of: Frames) -> None:
    async with await SqliteStore.open(path, genesis) as store:
        await put(store, frames_of([2] * 6))
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("DELETE FROM frame WHERE frame_no = 3")
        with pytest.raises(Damaged, match="frame 3 is missing"):
            _ = [frame async for frame in store.frames(4)]


async def test_pages_that_sqlite_cannot_read_are_damage(path: Path, genesis: bytes, frames_of: Frames) -> None:
    async with await SqliteStore.open(path, genesis) as store:
        await put(store, frames_of([40] * 30))
    data = bytearray(path.read_bytes())
    leaves = [at for at in range(4096, len(data), 4096) if data[at] == LEAF]
    data[leaves[1] : leaves[1] + 4096] = bytes(4096)
    path.write_bytes(data)
    async with await SqliteStore.open(path, genesis) as store:
        with pytest.raises(Damaged, match="malformed") as caught:
            _ = [frame async for frame in store.frames()]
    assert caught.value.finding.kind is Damage.ALTERED
