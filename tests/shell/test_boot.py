"""From journal to state: a journal that this program would not have written is refused, by the seq of its first lie."""

import msgspec
import pytest

from exchange import codec
from exchange.core import commands as c
from exchange.core.black76 import SCALAR
from exchange.core.events import Applied, Event, Reject, Rejected
from exchange.core.images import digest
from exchange.core.machine import apply
from exchange.core.state import State
from exchange.quant.pricer import VectorPricer
from exchange.shell.boot import GENESIS, Diverged, boot
from exchange.shell.deploy import FEES, STANDARD
from journal import Damage, Damaged, MemoryStore, Record, Tree, Writer, encode_record

START_NS = 1_800_000_000 * 10**9
COMMANDS = [c.Tick(), c.Cancel(1, 1), c.SealBatch(heartbeat=True), c.Tick(), c.CancelAll(1)]


def honest() -> list[Record]:
    """What the machine decides."""
    state = State()
    return [
        record_of(seq, command, apply(state, seq, START_NS + seq, command)) for seq, command in enumerate(COMMANDS, 1)
    ]


def record_of(seq: int, command: c.AnyCommand, events: tuple[Event, ...]) -> Record:
    return Record(seq, START_NS + seq, codec.encode_command(command), codec.encode_events(events))


async def journaled(records: list[Record]) -> MemoryStore:
    """These records in a journal whose chain is sound."""
    store = MemoryStore(GENESIS, schemas=[codec.SCHEMA_FP])
    async with Writer(store, codec.SCHEMA_FP) as writer:
        for record in records:
            await writer.append([encode_record(record)])
    return store


async def test_a_journal_boots_to_the_state_its_commands_make():
    state = State()
    for record in honest():
        apply(state, record.seq, record.time_ns, codec.decode_command(record.command))
    booted = await boot(await journaled(honest()))
    assert digest(booted.state) == digest(state)
    tree = Tree()
    for frame in (await journaled(honest())).frames_held:
        for leaf in frame.leaves():
            tree.append(leaf)
    assert booted.anchors.tree.root() == tree.root()


async def test_a_record_without_events_boots_like_any_other():
    """Cancelling everything of an account that has nothing: found by drawn requests, at the next start."""
    state, records = State(), []
    chain = (b"C" * 20, b"O" * 20, b"P" * 20)
    opening = c.Configure("test", 31337, *chain, 3_600, 64, 900, FEES, STANDARD)
    for seq, command in enumerate([opening, c.ObserveAccount(1, 1, b"W" * 20), c.CancelAll(1), c.Tick()], 1):
        records.append(record_of(seq, command, apply(state, seq, START_NS + seq, command)))
    assert codec.decode_events(records[2].events) == ()
    assert digest((await boot(await journaled(records))).state) == digest(state)


async def test_an_empty_journal_boots_to_a_new_venue():
    assert digest((await boot(await journaled([]))).state) == digest(State())


@pytest.mark.parametrize("seq", range(1, len(COMMANDS) + 1))
@pytest.mark.parametrize("events", [(), (Applied(),), (Rejected(Reject.TRADING_MUST_BE_OPEN, 7),)], ids=repr)
async def test_events_that_the_machine_does_not_decide_are_named_by_their_seq(seq: int, events: tuple[Event, ...]):
    records = honest()
    lie = msgspec.structs.replace(records[seq - 1], events=codec.encode_events(events))
    assert lie != records[seq - 1]
    records[seq - 1] = lie
    with pytest.raises(Diverged, match=f"record {seq} ") as caught:
        await boot(await journaled(records))
    assert caught.value.seq == seq


async def test_a_command_of_no_known_kind_is_refused():
    records = honest()
    records[2] = msgspec.structs.replace(records[2], command=msgspec.msgpack.encode([999]))
    with pytest.raises(codec.CodecError):
        await boot(await journaled(records))


async def test_a_broken_chain_is_refused_before_anything_after_it_is_executed():
    store = await journaled(honest())
    frame = store.frames_held[2]
    store.frames_held[2] = msgspec.structs.replace(frame, body=frame.body[:-1] + bytes([frame.body[-1] ^ 1]))
    with pytest.raises(Damaged) as caught:
        await boot(store)
    assert caught.value.finding.kind is Damage.ALTERED
    assert caught.value.finding.seq == 3


async def test_a_running_venue_prices_fast_and_an_auditor_by_the_definition():
    """Both give the same integers, so every replay of a live journal compares the two."""
    assert isinstance((await boot(await journaled(honest()))).state.pricer, VectorPricer)
    assert State().pricer is SCALAR
