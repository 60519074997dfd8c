"""A copy of a running journal, made as docs/OPERATIONS.md says, starts and is whole."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from journal import Chain, Frame, Record, Refusal, SqliteStore, StartupRefused, encode_record, scan

GENESIS = b"backup"


def backed_up(source: Path, target: Path) -> None:
    """SQLite's own backup of a live database."""
    with contextlib.closing(sqlite3.connect(source)) as live, contextlib.closing(sqlite3.connect(target)) as copy:
        live.backup(copy)


async def extend(store: SqliteStore, count: int) -> None:
    chain = Chain(await store.head(), 1, b"\x05" * 32)
    for _ in range(count):
        before = chain.head
        seq = before.last_seq + 1
        await store.append(chain.frame([encode_record(Record(seq, seq, b"command", b"events"))], 1), before.hash)


@pytest.fixture
async def live(tmp_path):
    """A store that is being written to, with ten frames and its head anchored."""
    async with await SqliteStore.open(tmp_path / "venue.journal", GENESIS) as store:
        await extend(store, 10)
        await store.anchor_now()
        yield store


async def test_a_live_journal_is_copied_anchor_first(live, tmp_path):
    source, copy = tmp_path / "venue.journal", tmp_path / "copy.journal"
    shutil.copy(f"{source}.anchor", f"{copy}.anchor")
    await extend(live, 5)
    backed_up(source, copy)
    async with await SqliteStore.open(copy, GENESIS) as restored:
        assert (await restored.head()).last_seq == 15
        await extend(restored, 1)
    assert all(isinstance(item, Frame) for item in scan(copy))


async def test_the_anchor_copied_last_tells_of_a_lost_tail(live, tmp_path):
    source, copy = tmp_path / "venue.journal", tmp_path / "copy.journal"
    backed_up(source, copy)
    await extend(live, 5)
    await live.anchor_now()
    shutil.copy(f"{source}.anchor", f"{copy}.anchor")
    with pytest.raises(StartupRefused) as refused:
        await SqliteStore.open(copy, GENESIS)
    assert refused.value.reason is Refusal.HEAD_MUST_REACH_ANCHOR
