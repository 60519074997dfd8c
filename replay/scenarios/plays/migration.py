"""S8: a venue starts on a state that is not the one it stopped with; and a history that is rolled back.

The venue here starts for real, from a journal and a snapshot in which an integral is zero; then an honest round arrives
on that wrong state; and a journal from which the last records were cut is shown to who has seen more of it.
Imports the stage, boot and snapshots of the shell, the tree, the old rule.
"""

import asyncio
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec
from structlog.testing import capture_logs

from exchange import codec
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.images import decode, digest, encode
from exchange.core.machine import apply
from exchange.core.state import State
from exchange.core.units import QTY_ONE, USDC_ONE
from exchange.shell.boot import boot
from exchange.shell.snapshots import Anchors, Keeper, Mark, directory_of
from journal import Record, SqliteStore
from journal.merkle import verify_consistency
from journal.startup import anchor_path, lock_path
from replay.engine import Moment, replay
from replay.findings import Kind
from replay.leaves import consistency_proof, head_of
from replay.scenarios.measures import Ask, Played
from replay.scenarios.rules.unverified_restart import Position, liquidated
from replay.scenarios.schema import Scenario, units_of, usdc
from replay.scenarios.stage import FRAME, Person, Stage, write
from replay.scenarios.takeover import short
from replay.source import GENESIS
from replay.verify import verify

HALF_HOUR: Final = 1_800
TICK: Final = 10_000
DEEP: Final = 10**7 * USDC_ONE


class World(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Funding positions for the old rule; a strike, spots of each minute and accounts for the venue here."""

    start_s: int
    funding_index: Decimal
    positions: tuple[tuple[int, Decimal], ...]
    strike: Decimal
    vol: Decimal
    accounts: int
    minutes: tuple[Decimal, ...]


def play(scenario: Scenario, folder: Path) -> Played:
    """Both restarts, and the history that was cut."""
    world = scenario.world_as(World)
    index = usdc(world.funding_index)
    positions = [Position(contracts, usdc(spare), index) for contracts, spare in world.positions]
    assert not liquidated(positions, index)
    stage = _traded(world)
    path = stage.journal(folder / "here.journal")
    started = asyncio.run(_restarted(path, stage))
    then = {"liquidated": len(liquidated(positions, 0))}
    here = started | {
        "liquidated": len(short(stage)),
        "rounds_refused_on_wrong_state": _refused(stage),
        "cut_history_found": _cut(path, folder, stage),
    }
    return Played(then, here, {"here": path}, (Ask("here", "fill", 1),))


def _traded(world: World) -> Stage:
    """A day at the venue: people trade, and rounds follow each other."""
    stage = Stage("migration", "BTC_USDC", start_s=world.start_s, lot=1_000, tick=TICK)
    stage.vol = units_of(world.vol, 18)
    call, put = stage.list_expiry(world.start_s + 48 * HALF_HOUR, [usdc(world.strike)])
    maker = stage.join("maker", DEEP)
    stage.round(usdc(world.minutes[0]))
    for number in range(world.accounts):
        who = stage.join(f"account {number}", 50_000 * USDC_ONE)
        _trade(stage, maker, who, put if number % 2 else call)
    for price in world.minutes[1:]:
        stage.wait(60)
        stage.round(usdc(price))
    stage.settle()
    return stage


def _trade(stage: Stage, maker: Person, who: Person, series: int) -> None:
    stage.trade(maker, who, series, QTY_ONE, stage.mark(series) // TICK * TICK, buys=False)


async def _restarted(path: Path, stage: Stage) -> dict[str, int]:
    """Start from a snapshot in which the integral of the index is zero; what came of it."""
    folder = directory_of(path)
    folder.mkdir()
    async with await SqliteStore.open(path, GENESIS) as store:
        frames = [frame async for frame in store.frames(0)]
        half = frames[len(frames) // 2 - 1]
        anchors = Anchors()
        for frame in frames[: len(frames) // 2]:
            anchors.extend(frame.first_seq, frame.leaves(), ())
        keeper = Keeper(folder)
        wrong = encode(_without_integral(replay(path, Moment(seq=half.last_seq))))
        keeper.write(keeper.prepare(wrong, anchors, Mark(half.frame_no, half.last_seq, half.head)))
        await keeper.close()
        with capture_logs() as logged:
            booted = await boot(store, folder)
    lock_path(path).unlink(missing_ok=True)
    discarded = sum(each["event"] == "snapshot_discarded" for each in logged)
    shutil.rmtree(folder)
    right = digest(booted.state) == digest(stage.state)
    return {"wrong_snapshots_discarded": discarded, "wrong_state_in_force": int(not right)}


def _without_integral(state: State) -> State:
    """The same state with the integral of the index at zero."""
    for key, spot in state.spots.items():
        state.spots[key] = msgspec.structs.replace(spot, acc=0)
    return state


def _refused(stage: Stage) -> int:
    """How many of one honest round are refused on the wrong state."""
    state = _without_integral(decode(encode(stage.state)))
    stage.wait(60)
    events = apply(state, state.seq + 1, stage.time_ns, stage.unsigned(stage.state.spots[0].spot))
    refusals = [event for event in events if isinstance(event, e.Rejected)]
    return sum(each.reason is e.Reject.ROUND_MUST_CONTINUE_ACCUMULATOR for each in refusals)


def _cut(path: Path, folder: Path, stage: Stage) -> int:
    """Who notices that the last records were cut and others put in their place: the anchor, and a witness."""
    kept = stage.records[: len(stage.records) - FRAME]
    state = replay(path, Moment(seq=kept[-1].seq))
    other = list(kept)
    while len(other) < len(stage.records) + 1:
        events = apply(state, state.seq + 1, stage.time_ns, c.Tick())
        told = codec.encode_command(c.Tick()), codec.encode_events(events)
        other.append(Record(state.seq, stage.time_ns, *told))
    cut = folder / "cut.journal"
    asyncio.run(write(cut, other))
    seen, shown = head_of(path), head_of(cut)
    proof = consistency_proof(cut, seen.size, shown.size)
    by_witness = not verify_consistency(seen.size, shown.size, proof, seen.root, shown.root)
    shutil.copyfile(anchor_path(path), anchor_path(cut))
    by_anchor = any(each.kind in (Kind.FORK, Kind.LOST_TAIL) for each in verify(cut).findings)
    return int(by_anchor) + int(by_witness)
