"""From journal to state: the one path for a first start, a restart and a crash.

Every record after the newest good snapshot is executed again and its events compared byte for byte with what was
written: a venue that cannot repeat its own words must not speak. Imports core, codec, quant, journal, snapshots.
"""

from pathlib import Path
from typing import NamedTuple

from exchange import codec
from exchange.core.events import BatchSealed, Digested, Event
from exchange.core.machine import apply
from exchange.core.state import State
from exchange.quant.pricer import VectorPricer
from exchange.shell.snapshots import Anchors, Resumed, discard, resume
from journal import Record, Store

GENESIS = b"verbatim journal 1"


class Diverged(Exception):
    """Re-execution gave other events than the journal holds: another program wrote it, or this one is broken."""

    def __init__(self, seq: int) -> None:
        super().__init__(f"record {seq} replays to other events than it was written with")
        self.seq = seq


class Booted(NamedTuple):
    """State and journal roots as of the last durable record."""

    state: State
    anchors: Anchors


async def boot(store: Store, snapshots: Path | None = None) -> Booted:
    """Rebuild, from a snapshot in the folder or from genesis. Raises Damaged, CodecError or Diverged."""
    while snapshots is not None:
        resumed = await resume(snapshots, store)
        if resumed is None:
            break
        found = await _borne_out(store, resumed)
        if isinstance(found, Booted):
            return found
        discard(snapshots, resumed, found)
    booted = Booted(_fast(State()), Anchors())
    await _replay(store, booted, 0)
    return booted


def _fast(state: State) -> State:
    """The same state with a pricer that gives the same integers sooner. The auditor prices by the definition."""
    state.pricer = VectorPricer()
    return state


async def _borne_out(store: Store, resumed: Resumed) -> Booted | str:
    """What follows from a snapshot if a digest in the journal confirms it; else why not."""
    booted = Booted(_fast(resumed.state), resumed.anchors)
    try:
        if await _replay(store, booted, resumed.next_frame):
            return booted
    except Exception as error:  # noqa: BLE001 - a forged state can break the machine in any way; genesis decides
        return f"what follows it cannot be repeated: {error!r}"
    return "the journal holds no digest after it"


async def _replay(store: Store, booted: Booted, first_frame: int) -> bool:
    """Execute every record from a frame on; whether a digest was among them."""
    digests = 0
    async for frame in store.frames(first_frame):
        sealing: list[int] = []
        for record in frame.records():
            events = _repeat(booted.state, record)
            digests += type(events[0]) is Digested
            if any(type(event) is BatchSealed for event in events):
                sealing.append(record.seq)
        booted.anchors.extend(frame.first_seq, frame.leaves(), sealing)
    return digests > 0


def _repeat(state: State, record: Record) -> tuple[Event, ...]:
    """Execute a record again. Raises Diverged."""
    events = apply(state, record.seq, record.time_ns, codec.decode_command(record.command))
    if codec.encode_events(events) != record.events:
        raise Diverged(record.seq)
    return events
