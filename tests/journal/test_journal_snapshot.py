"""A snapshot is used only if its bytes, its place on the chain and its state all hold; else the next older one."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from journal import (
    Choice,
    Frame,
    MemoryStore,
    Snapshot,
    SnapshotUnusable,
    SqliteStore,
    latest,
    read_snapshot,
    write_snapshot,
)

Frames = Callable[..., list[Frame]]


def digest(state: bytes) -> bytes:
    return sha256(b"state" + state).digest()


def snapshot_of(frame: Frame, state: bytes = b"a state") -> Snapshot:
    return Snapshot(frame.frame_no, frame.last_seq, frame.head, digest(state), frame.schema_fp, state)


@pytest.fixture
def frames(frames_of: Frames) -> list[Frame]:
    return frames_of([2] * 12)


@pytest.fixture
def store(genesis: bytes, frames: list[Frame]) -> MemoryStore:
    return MemoryStore(genesis, frames_held=list(frames))


async def whys(folder: Path, store: MemoryStore, **options: object) -> tuple[Snapshot | None, list[str]]:
    choice = await latest(folder, store, digest, **options)
    return choice.snapshot, [skipped.why for skipped in choice.skipped]


async def test_without_snapshots_the_start_is_genesis(tmp_path: Path, store: MemoryStore) -> None:
    assert await latest(tmp_path, store, digest) == Choice(None, ())


async def test_the_newest_is_chosen(tmp_path: Path, store: MemoryStore, frames: list[Frame]) -> None:
    for number in (2, 11, 9):
        path = write_snapshot(tmp_path, snapshot_of(frames[number]))
        assert read_snapshot(path) == snapshot_of(frames[number])
    assert await latest(tmp_path, store, digest) == Choice(snapshot_of(frames[11]), ())


async def test_a_snapshot_is_named_by_the_digest_of_its_bytes(tmp_path: Path, frames: list[Frame]) -> None:
    path = write_snapshot(tmp_path, snapshot_of(frames[0]))
    assert path.stem.endswith(sha256(path.read_bytes()).hexdigest())
    assert list(tmp_path.iterdir()) == [path]


async def test_changed_bytes_are_passed_over(tmp_path: Path, store: MemoryStore, frames: list[Frame]) -> None:
    old, new = (write_snapshot(tmp_path, snapshot_of(frames[i])) for i in (3, 7))
    data = bytearray(new.read_bytes())
    data[-1] ^= 1
    new.write_bytes(data)
    choice = await latest(tmp_path, store, digest)
    assert choice.snapshot == read_snapshot(old)
    assert [(s.path, s.why) for s in choice.skipped] == [(new, "its bytes are not those it is named for")]


async def test_a_state_that_is_not_what_it_claims(tmp_path: Path, store: MemoryStore, frames: list[Frame]) -> None:
    write_snapshot(tmp_path, msgspec.structs.replace(snapshot_of(frames[3]), state=b"another"))
    assert await whys(tmp_path, store) == (None, ["its state does not have the digest it claims"])


@pytest.mark.parametrize("change", [{"head": bytes(32)}, {"last_seq": 1}])
async def test_a_place_that_is_not_on_the_chain(
    tmp_path: Path, store: MemoryStore, frames: list[Frame], change: dict[str, object]
) -> None:
    write_snapshot(tmp_path, msgspec.structs.replace(snapshot_of(frames[3]), **change))
    assert await whys(tmp_path, store) == (None, ["frame 4 of the journal is not the one it follows"])


async def test_a_snapshot_from_beyond_the_end(tmp_path: Path, store: MemoryStore, frames: list[Frame]) -> None:
    del store.frames_held[9:]
    write_snapshot(tmp_path, snapshot_of(frames[10]))
    write_snapshot(tmp_path, snapshot_of(frames[8]))
    assert await whys(tmp_path, store) == (snapshot_of(frames[8]), ["the journal ends before frame 11"])


async def test_a_snapshot_in_an_unknown_schema(
    tmp_path: Path, store: MemoryStore, frames: list[Frame], schema: bytes
) -> None:
    write_snapshot(tmp_path, snapshot_of(frames[3]))
    found, (why,) = await whys(tmp_path, store, schemas={bytes(32)})
    assert found is None
    assert "unknown" in why
    assert (await whys(tmp_path, store, schemas={schema}))[1] == []


async def test_a_snapshot_at_a_damaged_frame(tmp_path: Path, store: MemoryStore, frames: list[Frame]) -> None:
    write_snapshot(tmp_path, snapshot_of(frames[5]))
    store.frames_held[5] = msgspec.structs.replace(frames[5], body=frames[5].body[:-1])
    found, (why,) = await whys(tmp_path, store)
    assert found is None
    assert "frame 6" in why


async def test_bytes_that_are_no_snapshot(tmp_path: Path) -> None:
    data = msgspec.msgpack.encode(["not", "a", "snapshot"])
    path = tmp_path / f"{0:016d}-{sha256(data).hexdigest()}.snapshot"
    path.write_bytes(data)
    with pytest.raises(SnapshotUnusable):
        read_snapshot(path)


async def test_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(SnapshotUnusable):
        read_snapshot(tmp_path / "none.snapshot")


async def test_a_snapshot_is_checked_against_a_journal_on_disk(
    tmp_path: Path, genesis: bytes, frames: list[Frame]
) -> None:
    write_snapshot(tmp_path, snapshot_of(frames[6]))
    async with await SqliteStore.open(tmp_path / "j.sqlite", genesis) as store:
        for frame in frames[:8]:
            await store.append(frame, (await store.head()).hash)
        assert (await latest(tmp_path, store, digest)).snapshot == snapshot_of(frames[6])
