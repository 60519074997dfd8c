"""The offline reader: whole, live and archived journals, and each kind of damage in the file."""

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from journal import (
    Anchor,
    Damage,
    Damaged,
    Finding,
    Frame,
    Head,
    Record,
    SqliteSettings,
    SqliteStore,
    read_records,
    scan,
)
from journal.startup import anchor_path, lock_path
from journal.wal import wal_path

Frames = Callable[..., list[Frame]]
N = 8
NOBODY = 65534


@pytest.fixture
def frames(frames_of: Frames) -> list[Frame]:
    return frames_of([3] * N)


@pytest.fixture
async def path(tmp_path: Path, genesis: bytes, frames: list[Frame]) -> Path:
    """A closed journal of `N` frames of three records."""
    place = tmp_path / "j.sqlite"
    await write(place, genesis, frames)
    return place


async def write(place: Path, genesis: bytes, frames: list[Frame]) -> None:
    async with await SqliteStore.open(place, genesis) as store:
        for frame in frames:
            await store.append(frame, (await store.head()).hash)


def edit(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def findings(path: Path, **options: object) -> list[tuple[Damage, int]]:
    return [(item.kind, item.frame_no) for item in scan(path, **options) if isinstance(item, Finding)]


def test_a_whole_journal_is_its_frames(path: Path, genesis: bytes, schema: bytes, frames: list[Frame]) -> None:
    assert list(scan(path, genesis=genesis, schemas={schema})) == frames


def test_records_are_read_in_one_stream(path: Path, genesis: bytes, frames: list[Frame]) -> None:
    records = list(read_records(path, genesis=genesis))
    assert records == [record for frame in frames for record in frame.records()]
    assert isinstance(records[0], Record)


@pytest.mark.parametrize("start", [1, 4, N, N + 1])
def test_a_scan_may_start_at_any_frame(path: Path, frames: list[Frame], start: int) -> None:
    anchor_path(path).unlink()
    assert list(scan(path, from_frame=start)) == frames[start - 1 :]


def test_a_scan_cannot_start_after_a_frame_that_is_not_there(path: Path) -> None:
    assert findings(path, from_frame=N + 5)[0] == (Damage.GAP, N + 4)


async def test_a_live_journal_is_read_to_its_present_end(path: Path, genesis: bytes, frames_of: Frames) -> None:
    async with await SqliteStore.open(path, genesis) as store:
        (more,) = frames_of([2], start=await store.head(), epoch=2)
        await store.append(more, (await store.head()).hash)
        assert list(scan(path))[-1] == more


@pytest.fixture
def read_only(path: Path) -> Iterator[Path]:
    """The journal in a directory that this process may only read; root sheds its privilege for the time."""
    shelf = Path(tempfile.mkdtemp())
    archived = Path(shutil.copy(path, shelf / path.name))
    shelf.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    yield archived
    os.seteuid(user)
    shelf.chmod(0o755)
    shutil.rmtree(shelf)


def test_a_journal_in_a_read_only_archive_is_read(read_only: Path, frames: list[Frame]) -> None:
    assert list(scan(read_only)) == frames


def test_a_reading_that_is_given_up_may_be_closed_by_another_thread(path: Path) -> None:
    """As the collector does with one that nobody holds any more."""
    reading = scan(path)
    next(reading)
    with ThreadPoolExecutor(1) as other:
        other.submit(reading.close).result()


def test_a_journal_that_another_program_locks_is_not_read_around_the_lock(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("CREATE TABLE noise(x)")
        ((finding),) = [item for item in scan(path) if isinstance(item, Finding) and item.frame_no == 1][:1]
        assert "locked" in finding.sentence


async def test_an_archive_is_read_with_the_log_that_belongs_to_it(
    tmp_path: Path, genesis: bytes, frames: list[Frame]
) -> None:
    copy = await logged(tmp_path, genesis, frames)
    copy.with_name(copy.name + "-shm").mkdir()
    assert list(scan(copy)) == frames


def test_a_journal_without_an_anchor_is_read_unless_the_anchor_is_demanded(path: Path, frames: list[Frame]) -> None:
    anchor_path(path).unlink()
    lock_path(path).unlink()
    assert list(scan(path)) == frames
    assert findings(path, anchor=anchor_path(path)) == [(Damage.LOST_TAIL, 0)]


def test_a_file_that_is_no_journal_is_a_finding(tmp_path: Path) -> None:
    place = tmp_path / "x"
    place.write_bytes(b"nothing" * 999)
    assert findings(place) == [(Damage.ALTERED, 1)]
    assert findings(tmp_path / "none") == [(Damage.ALTERED, 1)]


def test_another_genesis_is_a_fork(path: Path) -> None:
    assert findings(path, genesis=b"another")[0] == (Damage.FORK, 0)


def test_a_journal_without_its_first_row_is_a_fork(path: Path) -> None:
    edit(path, "DELETE FROM frame WHERE frame_no = 0")
    assert findings(path)[0] == (Damage.FORK, 0)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE frame SET body = substr(body, 1, 40) WHERE frame_no = 3", [(Damage.ALTERED, 3)]),
        ("UPDATE frame SET wall_ns = -4 WHERE frame_no = 3", [(Damage.ALTERED, 3), (Damage.GAP, 4)]),
        ("DELETE FROM frame WHERE frame_no IN (3, 4)", [(Damage.GAP, 5)]),
        (f"DELETE FROM frame WHERE frame_no = {N}", [(Damage.LOST_TAIL, N)]),
        (
            f"""INSERT INTO frame SELECT {N} + 1, first_seq, last_seq, epoch, n, schema_fp, wall_ns, head, marks,
            body FROM frame WHERE frame_no = 2""",
            [(Damage.DUPLICATED, N + 1)],
        ),
    ],
)
def test_damage_to_rows(path: Path, statement: str, expected: list[tuple[Damage, int]]) -> None:
    edit(path, statement)
    assert findings(path) == expected


def test_a_moved_row_is_found(path: Path) -> None:
    edit(path, "UPDATE frame SET frame_no = 99 WHERE frame_no = 2")
    assert findings(path) == [(Damage.GAP, 3), (Damage.REORDERED, 99)]


def test_pages_that_sqlite_cannot_read_are_a_finding(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[2 * 4096 :] = bytes(len(data) - 2 * 4096)
    path.write_bytes(data)
    assert findings(path)[0] == (Damage.ALTERED, 1)


async def test_a_rewritten_history_is_a_fork_at_the_anchor(tmp_path: Path, genesis: bytes, frames_of: Frames) -> None:
    """A forger can rebuild the whole chain, but not the anchor, which lies elsewhere."""
    honest, forged = tmp_path / "honest", tmp_path / "forged"
    await write(honest, genesis, frames_of([3] * N, epoch=1))
    await write(forged, genesis, frames_of([3] * N, epoch=2))
    assert findings(forged) == []
    assert findings(forged, anchor=anchor_path(honest)) == [(Damage.FORK, N)]


def test_an_anchor_ahead_of_the_journal_is_a_lost_tail(path: Path) -> None:
    Anchor.create(anchor_path(path), Head(N + 3, 99, 1, bytes(32))).close()
    assert findings(path) == [(Damage.LOST_TAIL, N + 1)]


def test_an_anchor_that_is_unreadable_or_torn_is_reported(path: Path) -> None:
    data = bytearray(anchor_path(path).read_bytes())
    data[512 * 7] ^= 1
    anchor_path(path).write_bytes(data)
    assert [item.recoverable for item in scan(path) if isinstance(item, Finding)] == [True]
    anchor_path(path).write_bytes(b"\x01" * 4096)
    assert findings(path) == [(Damage.ALTERED, 0)]


async def logged(tmp_path: Path, genesis: bytes, frames: list[Frame]) -> Path:
    """A copy of a journal as a kill leaves it: everything still in the log, the anchor behind."""
    live, copy = tmp_path / "live", tmp_path / "copy"
    async with await SqliteStore.open(live, genesis, settings=SqliteSettings(checkpoint_s=60, anchor_s=60)) as store:
        for frame in frames:
            await store.append(frame, (await store.head()).hash)
        for place in (lambda p: p, wal_path, anchor_path):
            shutil.copy(place(live), place(copy))
    return copy


async def test_a_torn_log_is_recoverable(tmp_path: Path, genesis: bytes, frames: list[Frame]) -> None:
    copy = await logged(tmp_path, genesis, frames)
    wal_path(copy).write_bytes(wal_path(copy).read_bytes()[:-50])
    assert findings(copy) == [(Damage.TORN_TAIL, N)]
    assert len(list(read_records(copy))) == 3 * (N - 1)


async def test_a_rotten_log_hides_a_tail_and_the_scan_says_so(
    tmp_path: Path, genesis: bytes, frames: list[Frame]
) -> None:
    copy = await logged(tmp_path, genesis, frames)
    data = bytearray(wal_path(copy).read_bytes())
    data[len(data) // 2] ^= 1
    wal_path(copy).write_bytes(data)
    ((kind, frame_no),) = findings(copy)
    assert kind is Damage.LOST_TAIL
    assert 1 < frame_no < N
    with pytest.raises(Damaged, match="hides"):
        list(read_records(copy))
