"""Single bits flipped in each file a journal is made of: found, or of no consequence; never a wrong value."""

import contextlib
import random
import shutil
import sqlite3
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgspec
import pytest

from journal import (
    AnchorUnreadable,
    Damage,
    Finding,
    Frame,
    Snapshot,
    SnapshotUnusable,
    SqliteSettings,
    SqliteStore,
    StartupRefused,
    Writer,
    encode_record,
    read_anchor,
    read_snapshot,
    scan,
    write_snapshot,
)
from journal.startup import anchor_path
from journal.wal import WalState, scan_wal, wal_path

FRAMES = 60


class Specimen(NamedTuple):
    """A journal's files, the frames in it, and a place to damage copies of them."""

    original: Path
    copy: Path
    frames: list[Frame]

    def flip(self, place: Callable[[Path], Path], dice: random.Random) -> int:
        """Restore the copy, then flip one bit of one of its files; the bit."""
        for file in self.copy.parent.iterdir():
            file.unlink()
        for part in (database, wal_path, anchor_path):
            if part(self.original).exists():
                shutil.copy(part(self.original), part(self.copy))
        return flip_bit(place(self.copy), dice)


def database(path: Path) -> Path:
    return path


def flip_bit(path: Path, dice: random.Random) -> int:
    data = bytearray(path.read_bytes())
    bit = dice.randrange(len(data) * 8)
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    return bit


@pytest.fixture
async def specimens(quick_path: Path, work: SimpleNamespace) -> tuple[Specimen, Specimen]:
    """One journal twice: while all of it is still in the log, and after it was closed."""
    settings = SqliteSettings(checkpoint_s=600, anchor_s=600)
    live, logged, closed, copy = (quick_path / name / "j" for name in ("live", "logged", "closed", "copy"))
    for place in (live, logged, closed, copy):
        place.parent.mkdir()
    async with await SqliteStore.open(live, work.GENESIS, settings=settings) as store:
        async with Writer(store, work.SCHEMA) as writer:
            seq = 0
            for turn in range(FRAMES):
                n = turn % 7 + 1
                await writer.append([encode_record(work.record_of(seq + i)) for i in range(1, n + 1)])
                seq += n
        await store.anchor_now()
        frames = [frame async for frame in store.frames()]
        for part in (database, wal_path, anchor_path):
            shutil.copy(part(live), part(logged))
    for part in (database, anchor_path):
        shutil.copy(part(live), part(closed))
    return Specimen(logged, copy, frames), Specimen(closed, copy, frames)


def read(path: Path, **options: Any) -> tuple[list[Frame], list[Finding]]:
    items = list(scan(path, **options))
    return [i for i in items if isinstance(i, Frame)], [i for i in items if isinstance(i, Finding)]


def is_same(frames: list[Frame], originals: list[Frame]) -> bool:
    """Equal in everything but the marks, which prove nothing and are not under the head."""
    return [msgspec.structs.replace(f, marks=b"") for f in frames] == [
        msgspec.structs.replace(f, marks=b"") for f in originals
    ]


@pytest.mark.counts(short=250, soak=3000)
def test_a_bit_of_the_database(count: int, specimens: tuple[Specimen, Specimen]) -> None:
    specimen, dice = specimens[1], random.Random(count)
    by_number = {frame.frame_no: frame for frame in specimen.frames}
    found = sqlite_found = 0
    for _ in range(count):
        bit = specimen.flip(database, dice)
        frames, findings = read(specimen.copy)
        harmful = [finding for finding in findings if not finding.recoverable]
        assert harmful or is_same(frames, specimen.frames), bit
        assert is_same(frames, [by_number[frame.frame_no] for frame in frames]), bit
        found += bool(harmful)
        sqlite_found += bool(harmful) and integrity_check(specimen.copy) != "ok"
    assert found > count // 2
    assert sqlite_found < found // 2, "the control: SQLite's own check sees little of what the chain sees"


def integrity_check(path: Path) -> str:
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    except sqlite3.DatabaseError as error:
        return str(error)


@pytest.mark.counts(short=250, soak=3000)
def test_a_bit_of_the_log(count: int, specimens: tuple[Specimen, Specimen]) -> None:
    specimen, dice = specimens[0], random.Random(count)
    by_scanner = silent = 0
    for _ in range(count):
        bit = specimen.flip(wal_path, dice)
        by_scanner += scan_wal(specimen.copy).state is WalState.ROTTEN
        frames, findings = read(specimen.copy)
        harmful = [finding for finding in findings if not finding.recoverable]
        assert is_same(frames, specimen.frames[: len(frames)]), bit
        assert harmful or len(frames) == FRAMES, bit
        assert {finding.kind for finding in harmful} <= {Damage.LOST_TAIL}
        silent += bool(harmful) and integrity_check(specimen.copy) == "ok"
    assert by_scanner >= count * 0.95
    assert silent >= count * 0.95, "the control: SQLite drops the tail and calls the file whole"


@pytest.mark.counts(short=20, soak=200)
async def test_a_bit_of_the_log_is_refused_at_start(
    count: int, specimens: tuple[Specimen, Specimen], work: SimpleNamespace
) -> None:
    specimen, dice = specimens[0], random.Random(count)
    for _ in range(count):
        specimen.flip(wal_path, dice)
        with pytest.raises(StartupRefused):
            await SqliteStore.open(specimen.copy, work.GENESIS)


@pytest.mark.counts(short=250, soak=3000)
def test_a_bit_of_the_anchor(count: int, specimens: tuple[Specimen, Specimen]) -> None:
    specimen, dice = specimens[1], random.Random(count)
    on_chain = {frame.frame_no: frame.head for frame in specimen.frames}
    on_chain[0] = sha256(b"a journal among faults").digest()
    for _ in range(count):
        specimen.flip(anchor_path, dice)
        try:
            head, damaged = read_anchor(anchor_path(specimen.copy))
        except AnchorUnreadable:
            continue
        assert damaged == 1
        assert on_chain[head.frame_no] == head.hash


@pytest.mark.counts(short=250, soak=3000)
def test_a_bit_of_a_snapshot(count: int, specimens: tuple[Specimen, Specimen], quick_path: Path) -> None:
    frame, dice = specimens[1].frames[30], random.Random(count)
    state = random.Random(1).randbytes(3000)
    snapshot = Snapshot(frame.frame_no, frame.last_seq, frame.head, sha256(state).digest(), frame.schema_fp, state)
    path = write_snapshot(quick_path, snapshot)
    whole = path.read_bytes()
    assert read_snapshot(path) == snapshot
    for _ in range(count):
        path.write_bytes(whole)
        flip_bit(path, dice)
        with pytest.raises(SnapshotUnusable):
            read_snapshot(path)
