"""Triggered orders enter by the sequencer's own hand, right behind what triggered them; a crash in between loses none."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from shell_bench import turns

from exchange import codec
from exchange.core import commands as c
from exchange.core.events import Rested, Triggered
from exchange.core.images import digest
from exchange.core.pricing import marks_of
from exchange.core.state import State
from exchange.core.units import WAD
from exchange.shell.boot import GENESIS, boot
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import FEES, STANDARD
from exchange.shell.sequencer import Sequencer
from exchange.signing import domain_separator
from journal import Limits, MemoryStore, Writer
from journal.record import Chain, genesis_head

NOW_S = 1_800_000_000
USDC = 10**6
WALLET = b"w" * 20
SPOT, FAR_SPOT = 62_000 * USDC, 63_000 * USDC
WAITS = c.Terms(trigger=c.INDEX, trigger_above=True, trigger_price=FAR_SPOT)


def opening(state: State) -> list[c.AnyCommand]:
    """A venue with one option and one account."""
    del state
    return [
        c.Configure("test", 1, b"C" * 20, b"O" * 20, b"P" * 20, 1_800, 100, 900, FEES, STANDARD),
        c.ListUnderlying(0, "BTC_USDC", 100, USDC, USDC, USDC),
        c.ListExpiry(1, 0, NOW_S + 36_000),
        c.ListSeries(1, 0, SPOT, True),
        c.ObserveAccount(1, 1, WALLET),
        c.ObserveDeposit(2, 1, 10**6 * USDC),
        c.ObserveBlock(1, NOW_S, b"b" * 32),
    ]


def round_at(state: State, round_id: int, time_s: int, spot: int) -> c.PostRound:
    """What an honest oracle would say."""
    held, last = state.spots.get(0), state.round
    acc = held.acc + held.spot * (time_s - last.time_s) if held and last else 0
    bare = c.Sheet(1, spot, WAD, (WAD // 2,), ())
    marks = marks_of(state, bare, time_s, acc)
    return c.PostRound(
        round_id, time_s, WAD, (c.Spot(0, spot, WAD, acc),), (c.Sheet(1, spot, WAD, bare.vols, marks),), ()
    )


def order(nonce: int, terms: c.Terms | None = None) -> c.Place:
    auth = c.Authorisation(
        1,
        1 << 16,
        True,
        10_000,
        (900 - nonce) * USDC,
        10**12,
        0,
        False,
        False,
        0,
        nonce,
        2**32 - 1,
        WALLET,
        bytes(65),
        terms,
    )
    return c.Place(auth)


DELAY = 50_000_000


async def test_where_takers_wait_a_stop_fires_after_the_delay_without_anybody_asking():
    """What arrives meanwhile and only rests goes first; nothing arrives at the moment itself."""
    async with MemoryStore(GENESIS, schemas=[codec.SCHEMA_FP]) as store:
        state, clock = State(), ManualClock(NOW_S)
        async with Writer(store, codec.SCHEMA_FP, limits=Limits()) as writer:
            sequencer = Sequencer(state, writer, clock, b"\x01" * 32, domain_separator(1, b"C" * 20))
            running = asyncio.create_task(sequencer.run())
            configure, *others = opening(state)
            await sequencer.record_all([msgspec.structs.replace(configure, taker_delay_ns=DELAY), *others])
            await sequencer.record(round_at(state, 1, NOW_S, SPOT))
            placing = asyncio.create_task(sequencer.record(order(0, WAITS)))
            await passes(clock, DELAY)
            stop = (await placing).seq
            clock.move_to((NOW_S + 60) * 10**9)
            await sequencer.record(round_at(state, 2, NOW_S + 60, FAR_SPOT))
            await sequencer.record(c.Tick())
            await passes(clock, DELAY - 1)
            assert list(state.due) == [stop]
            await passes(clock, 1)
            assert not state.due
            sequencer.stop()
            await running
        kinds = [type(codec.decode_command(record.command)).__name__ for record in records_of(store)]
        assert kinds[-3:] == ["PostRound", "Tick", "Fire"]
        assert records_of(store)[-1].time_ns - records_of(store)[-3].time_ns == DELAY


async def passes(clock: ManualClock, by_ns: int) -> None:
    await turns()
    clock.move_to(clock.now_ns() + by_ns)
    await turns()


async def live(store: MemoryStore, clock: ManualClock, limits: Limits) -> list[Any]:
    """Three orders wait for a price; it comes together with a fourth order. The commands in the journal, in order."""
    state = State()
    async with Writer(store, codec.SCHEMA_FP, limits=limits) as writer:
        sequencer = Sequencer(state, writer, clock, b"\x01" * 32, domain_separator(1, b"C" * 20))
        running = asyncio.create_task(sequencer.run())
        await sequencer.record_all(opening(state))
        await sequencer.record(round_at(state, 1, NOW_S, SPOT))
        for nonce in range(3):
            await sequencer.record(order(nonce, WAITS))
        clock.move_to((NOW_S + 60) * 10**9)
        posted = round_at(state, 2, NOW_S + 60, FAR_SPOT)
        await asyncio.gather(sequencer.record(posted), sequencer.record(order(3)))
        sequencer.stop()
        await running
    return [codec.decode_command(record.command) for record in records_of(store)]


def records_of(store: MemoryStore) -> Sequence[Any]:
    return [record for frame in store.frames_held for record in frame.records()]


async def test_what_a_round_triggers_enters_before_the_next_order_of_anybody():
    async with MemoryStore(GENESIS, schemas=[codec.SCHEMA_FP]) as store:
        commands = await live(store, ManualClock(NOW_S), Limits())
        assert [type(command).__name__ for command in commands[-5:]] == ["PostRound", "Fire", "Fire", "Fire", "Place"]
        events = [codec.decode_events(record.events) for record in records_of(store)[-4:-1]]
        assert [[type(event) for event in each] for each in events] == [[Triggered, Rested]] * 3


async def test_a_journal_cut_between_two_of_them_keeps_the_rest_due_and_nothing_half_done():
    """Each enters by a record of its own: whatever survives, an order waits, is due, or stands in the book whole."""
    async with MemoryStore(GENESIS, schemas=[codec.SCHEMA_FP]) as store:
        await live(store, ManualClock(NOW_S), Limits())
        chain = Chain(genesis_head(GENESIS), 1, codec.SCHEMA_FP)
        whole = [chain.frame([raw], 0) for frame in store.frames_held for raw in frame.raw_records()]
        for lost in range(5):
            async with MemoryStore(GENESIS, schemas=[codec.SCHEMA_FP], frames_held=whole[: len(whole) - lost]) as cut:
                state = (await boot(cut)).state
                resting = [item for item in state.orders.values() if item.resting]
                assert len(state.due) == (0, 0, 1, 2, 3)[lost]
                assert len(resting) == (4, 3, 2, 1, 0)[lost]
                assert len(state.orders) == len(resting) + len(state.due)
                assert digest((await boot(cut)).state) == digest(state)
