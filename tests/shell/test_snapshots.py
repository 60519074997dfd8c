"""Snapshots make a start faster and change nothing about where it arrives."""

import asyncio
import sys
from pathlib import Path

import pytest

from exchange import codec
from exchange.core.state import digest
from exchange.shell.boot import GENESIS, boot
from exchange.shell.clock import ManualClock
from exchange.shell.sequencer import Sequencer
from exchange.shell.snapshots import KEPT, Keeper
from exchange.shell.venue import sequencing
from journal import SqliteStore, Writer

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.workload import START_S, draw

COMMANDS = 600
DAY = draw(COMMANDS)


async def live(path: Path, commands, *, snapshot_every: int = 10**9) -> bytes:
    """Run a venue on a journal until these commands are through; the digest it ends with."""
    snapshots = path.with_name("snapshots")
    async with await SqliteStore.open(path, GENESIS, schemas=[codec.SCHEMA_FP]) as store:
        booted = await boot(store, snapshots)
        keeper = Keeper(snapshots)
        async with Writer(store, codec.SCHEMA_FP) as writer:
            clock = ManualClock(START_S)
            sequencer = Sequencer(
                booted.state,
                writer,
                clock,
                b"\x01" * 32,
                bytes(32),
                anchors=booted.anchors,
                keeper=keeper,
                snapshot_every=snapshot_every,
            )
            async with sequencing(sequencer):
                for command in commands:
                    await sequencer.record(command)
                ended = await sequencer.read(digest)
        sequencer.leave(keeper, await store.head())
        await keeper.close()
        return ended


async def start(path: Path, snapshots: Path | None):
    async with await SqliteStore.open(path, GENESIS, schemas=[codec.SCHEMA_FP]) as store:
        booted = await boot(store, snapshots)
        return digest(booted.state), booted.anchors.tree.root()


@pytest.fixture
async def stopped(tmp_path: Path):
    """A journal with a snapshot at its end, and the digest there."""
    path = tmp_path / "venue.journal"
    return path, await live(path, [*DAY.setup, *DAY.trading[:300]])


async def test_a_start_from_a_snapshot_arrives_where_genesis_does(stopped):
    path, ended = stopped
    assert await start(path, path.with_name("snapshots")) == await start(path, None)
    assert (await start(path, None))[0] == ended


async def test_what_follows_a_snapshot_is_executed_again(stopped):
    path, _ = stopped
    kept = list(path.with_name("snapshots").iterdir())
    ended = await live(path, DAY.trading[300:])
    for newer in set(path.with_name("snapshots").iterdir()) - set(kept):
        newer.unlink()
    assert await start(path, path.with_name("snapshots")) == await start(path, None)
    assert (await start(path, None))[0] == ended


async def test_snapshots_are_kept_while_trading_goes_on_and_old_ones_go(tmp_path: Path):
    path = tmp_path / "venue.journal"
    await live(path, [*DAY.setup, *DAY.trading], snapshot_every=100)
    found = sorted((tmp_path / "snapshots").iterdir())
    assert len(found) == KEPT
    assert await start(path, tmp_path / "snapshots") == await start(path, None)


async def test_a_damaged_snapshot_is_passed_over(stopped):
    path, ended = stopped
    (only,) = path.with_name("snapshots").iterdir()
    data = bytearray(await asyncio.to_thread(only.read_bytes))
    data[len(data) // 2] ^= 1
    await asyncio.to_thread(only.write_bytes, bytes(data))
    assert (await start(path, path.with_name("snapshots")))[0] == ended


async def test_a_snapshot_of_another_journal_is_passed_over(stopped, tmp_path: Path):
    path, _ = stopped
    other = tmp_path / "other" / "venue.journal"
    other.parent.mkdir()
    ended = await live(other, [*DAY.setup, *DAY.trading[100:102]][: len(DAY.setup)])
    (only,) = path.with_name("snapshots").iterdir()
    foreign = other.with_name("snapshots") / only.name
    await asyncio.to_thread(foreign.write_bytes, await asyncio.to_thread(only.read_bytes))
    assert (await start(other, other.with_name("snapshots")))[0] == ended
