"""A copy made frame by frame beside a live writer: only what is missing, verified, and whole wherever it is killed."""

import contextlib
import multiprocessing
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from journal import (
    Chain,
    CopyDiverged,
    Damaged,
    Frame,
    Record,
    Refusal,
    SqliteStore,
    StartupRefused,
    copy_frames,
    encode_record,
    genesis_head,
    scan,
    tree_head,
)
from journal.anchor import Anchor
from journal.startup import anchor_path, create, lock_path, take_lock
from journal.table import APPEND, append_parameters, select_head

GENESIS = b"copies"
MANY = 4_000


def written(path: Path, count: int, word: bytes = b"command") -> Path:
    """A journal with frames appended in one transaction, as many a writer would have needed an hour for."""
    if not path.exists():
        create(path, GENESIS)
        Anchor.create(anchor_path(path), genesis_head(GENESIS)).close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        chain = Chain(select_head(connection), 1, b"\x05" * 32)
        connection.execute("BEGIN")
        for _ in range(count):
            before = chain.head
            frame = chain.frame([encode_record(Record(before.last_seq + 1, before.last_seq + 1, word, b"events"))], 1)
            connection.execute(APPEND, append_parameters(frame, before.hash))
        connection.execute("COMMIT")
    return path


def frames_of(path: Path) -> list[Frame]:
    found = list(scan(path, genesis=GENESIS))
    assert all(isinstance(item, Frame) for item in found), found
    return found


async def test_a_live_journal_is_copied_and_then_only_what_came_since(tmp_path: Path):
    source, copy = tmp_path / "venue.journal", tmp_path / "copy" / "venue.journal"
    copy.parent.mkdir()
    written(source, 20)
    async with await SqliteStore.open(source, GENESIS) as store:
        assert copy_frames(source, copy, GENESIS) == 20
        assert copy_frames(source, copy, GENESIS) == 0
        chain = Chain(await store.head(), 2, b"\x05" * 32)
        before = chain.head
        await store.append(chain.frame([encode_record(Record(21, 21, b"command", b"events"))], 1), before.hash)
        assert copy_frames(source, copy, GENESIS) == 1
        assert frames_of(copy) == frames_of(source)
    assert tree_head(copy, GENESIS) == tree_head(source, GENESIS)
    async with await SqliteStore.open(copy, GENESIS) as restored:
        assert (await restored.head()).last_seq == 21


def test_a_copy_goes_on_for_its_own_journal_only(tmp_path: Path):
    source, other, copy = tmp_path / "a", tmp_path / "b", tmp_path / "copy"
    written(source, 5)
    written(other, 9, b"another history")
    copy_frames(source, copy, GENESIS)
    before = frames_of(copy)
    with pytest.raises(CopyDiverged, match="frame 5"):
        copy_frames(other, copy, GENESIS)
    with pytest.raises(CopyDiverged, match="frame 0"):
        copy_frames(source, tmp_path / "c", b"another genesis")
    assert not (tmp_path / "c").exists()
    shorter = written(tmp_path / "shorter", 3)
    with pytest.raises(CopyDiverged):
        copy_frames(shorter, copy, GENESIS)
    assert frames_of(copy) == before


def test_what_is_damaged_is_not_copied_and_what_came_before_is(tmp_path: Path):
    source, copy = written(tmp_path / "venue.journal", 1_200), tmp_path / "copy"
    with contextlib.closing(sqlite3.connect(source, isolation_level=None)) as connection:
        connection.execute("UPDATE frame SET body = zeroblob(length(body)) WHERE frame_no = 1100")
    with pytest.raises(Damaged) as damaged:
        copy_frames(source, copy, GENESIS)
    assert damaged.value.finding.frame_no == 1_100
    assert len(frames_of(copy)) == 1_024  # whole transactions


def test_two_do_not_write_to_one_copy(tmp_path: Path):
    source, copy = written(tmp_path / "venue.journal", 3), tmp_path / "copy"
    copy_frames(source, copy, GENESIS)
    descriptor = take_lock(lock_path(copy))
    try:
        with pytest.raises(StartupRefused) as refused:
            copy_frames(source, copy, GENESIS)
    finally:
        os.close(descriptor)
    assert refused.value.reason is Refusal.WRITER_MUST_BE_ALONE


@pytest.mark.parametrize("committed", [0, 512, 1_536])
def test_killed_at_any_moment_the_copy_is_a_whole_prefix_and_the_next_attempt_goes_on(tmp_path: Path, committed: int):
    source, copy = written(tmp_path / "venue.journal", MANY), tmp_path / "copy"
    process = multiprocessing.get_context("spawn").Process(target=copy_frames, args=(source, copy, GENESIS))
    process.start()
    while count(copy) < committed and process.is_alive():
        pass
    process.kill()
    process.join()
    had = frames_of(copy) if copy.exists() else []
    assert had == frames_of(source)[: len(had)]
    if copy.exists():
        shutil.copy(copy, tmp_path / "as it was left")
        assert len(frames_of(tmp_path / "as it was left")) <= len(had)
    assert copy_frames(source, copy, GENESIS) == MANY - len(had)
    assert tree_head(copy, GENESIS) == tree_head(source, GENESIS)


def count(path: Path) -> int:
    if not path.exists():
        return -1
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        (frames,) = connection.execute("SELECT max(frame_no) FROM frame").fetchone()
    return int(frames)


def test_the_tree_head_of_a_prefix_is_that_of_the_journal_as_it_was(tmp_path: Path):
    source = written(tmp_path / "venue.journal", 7)
    then = tree_head(source, GENESIS)
    written(source, 5)
    assert tree_head(source, GENESIS, 7).root == then.root != tree_head(source, GENESIS).root
    assert tree_head(source, GENESIS, 0).root == tree_head(written(tmp_path / "empty", 0), GENESIS).root
    with pytest.raises(ValueError, match="12 records, 13"):
        tree_head(source, GENESIS, 13)
