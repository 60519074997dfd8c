"""Snapshots make a start faster and change nothing about where it arrives."""

import asyncio
import hashlib
import sys
from pathlib import Path

import msgspec
import pytest

from exchange import codec
from exchange.core.images import decode, digest, encode
from exchange.shell import snapshots
from exchange.shell.boot import GENESIS, boot
from exchange.shell.clock import ManualClock
from exchange.shell.sequencer import Sequencer
from exchange.shell.snapshots import KEPT, Keeper, Mark
from exchange.shell.venue import sequencing
from journal import SqliteStore, Writer, read_snapshot, write_snapshot

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.workload import START_S, draw

COMMANDS = 600
DAY = draw(COMMANDS)


async def live(path: Path, commands, *, snapshot_every: int = 10**9) -> None:
    """Run a venue on a journal until these commands are through."""
    folder = path.with_name("snapshots")
    async with await SqliteStore.open(path, GENESIS, schemas=[codec.SCHEMA_FP]) as store:
        booted = await boot(store, folder)
        keeper = Keeper(folder)
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
        await keeper.close()


async def start(path: Path, folder: Path | None):
    async with await SqliteStore.open(path, GENESIS, schemas=[codec.SCHEMA_FP]) as store:
        booted = await boot(store, folder)
        return digest(booted.state), booted.anchors.tree.root()


@pytest.fixture
async def stopped(tmp_path: Path):
    """A journal with a snapshot at its end."""
    path = tmp_path / "venue.journal"
    await live(path, [*DAY.setup, *DAY.trading[:300]])
    return path


async def test_a_start_from_a_snapshot_arrives_where_genesis_does(stopped):
    path = stopped
    assert await start(path, path.with_name("snapshots")) == await start(path, None)
    assert list(path.with_name("snapshots").iterdir())


async def test_what_follows_a_snapshot_is_executed_again(stopped):
    path = stopped
    kept = list(path.with_name("snapshots").iterdir())
    await live(path, DAY.trading[300:])
    for newer in set(path.with_name("snapshots").iterdir()) - set(kept):
        newer.unlink()
    assert await start(path, path.with_name("snapshots")) == await start(path, None)
    assert list(path.with_name("snapshots").iterdir())


async def test_snapshots_are_kept_while_trading_goes_on_and_old_ones_go(tmp_path: Path):
    path = tmp_path / "venue.journal"
    await live(path, [*DAY.setup, *DAY.trading], snapshot_every=100)
    found = sorted((tmp_path / "snapshots").iterdir())
    assert len(found) == KEPT
    assert await start(path, tmp_path / "snapshots") == await start(path, None)


async def test_a_damaged_snapshot_is_passed_over(stopped):
    path = stopped
    (only,) = path.with_name("snapshots").iterdir()
    data = bytearray(await asyncio.to_thread(only.read_bytes))
    data[len(data) // 2] ^= 1
    await asyncio.to_thread(only.write_bytes, bytes(data))
    assert await start(path, path.with_name("snapshots")) == await start(path, None)


async def test_a_snapshot_of_another_journal_is_passed_over(stopped, tmp_path: Path):
    path = stopped
    other = tmp_path / "other" / "venue.journal"
    other.parent.mkdir()
    await live(other, [*DAY.setup, *DAY.trading[100:102]][: len(DAY.setup)])
    (only,) = path.with_name("snapshots").iterdir()
    foreign = other.with_name("snapshots") / only.name
    await asyncio.to_thread(foreign.write_bytes, await asyncio.to_thread(only.read_bytes))
    assert await start(other, other.with_name("snapshots")) == await start(other, None)


async def forge(path: Path, change) -> None:
    """Another snapshot in the place of the only one, that agrees with itself and with the journal's chain."""
    folder = path.with_name("snapshots")
    (only,) = folder.iterdir()
    snapshot = read_snapshot(only)
    image = msgspec.msgpack.decode(snapshot.state, type=snapshots._Image)
    state = decode(image.state)
    change(state)
    image.state = encode(state)
    forged = msgspec.structs.replace(
        snapshot, state=msgspec.msgpack.encode(image), state_digest=hashlib.sha256(image.state).digest()
    )
    only.unlink()
    write_snapshot(folder, forged)


async def test_a_forged_snapshot_is_discarded(stopped):
    path = stopped
    await forge(path, lambda state: setattr(state.accounts[1], "cash", state.accounts[1].cash + 1))
    assert await start(path, path.with_name("snapshots")) == await start(path, None)
    assert not list(path.with_name("snapshots").iterdir())


async def test_a_snapshot_without_a_digest_behind_it_is_discarded(tmp_path: Path):
    path = tmp_path / "venue.journal"
    await live(path, [*DAY.setup, *DAY.trading[:100]])
    async with await SqliteStore.open(path, GENESIS, schemas=[codec.SCHEMA_FP]) as store:
        head, booted = await store.head(), await boot(store)
    keeper = Keeper(tmp_path / "snapshots")
    for old in list((tmp_path / "snapshots").iterdir()):
        old.unlink()
    keeper.write(keeper.prepare(encode(booted.state), booted.anchors, Mark(head.frame_no, head.last_seq, head.hash)))
    await keeper.close()
    assert await start(path, tmp_path / "snapshots") == await start(path, None)
    assert not list((tmp_path / "snapshots").iterdir())
