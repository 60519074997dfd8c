"""From journal to state: the one path for a first start, a restart and a crash.

Every record after the newest good snapshot is executed again and its events compared byte for byte with what was
written: a venue that cannot repeat its own words must not speak. Imports core, codec, quant, journal, snapshots.
"""

from pathlib import Path
from typing import Final, NamedTuple, Protocol

import structlog

from exchange import codec
from exchange.core.commands import AnyCommand
from exchange.core.events import BatchSealed, Digested, Event
from exchange.core.machine import apply
from exchange.core.state import State
from exchange.core.units import Nanos
from exchange.publisher.notes import Outcome
from exchange.quant.pricer import VectorPricer
from exchange.shell.snapshots import Anchors, Resumed, discard, resume
from journal import Record, Store

GENESIS = b"verbatim journal 1"
AGAIN_MAX: Final = 500_000  # records that a start executes again so that history is whole
_log = structlog.get_logger(__name__)


class Diverged(Exception):
    """Re-execution gave other events than the journal holds: another program wrote it, or this one is broken."""

    def __init__(self, seq: int) -> None:
        super().__init__(f"record {seq} replays to other events than it was written with")
        self.seq = seq


class Booted(NamedTuple):
    """State and journal roots as of the last durable record."""

    state: State
    anchors: Anchors


class Repeated(NamedTuple):
    """One record that was executed again."""

    seq: int
    time_ns: Nanos
    command: AnyCommand
    events: tuple[Event, ...]


class Follower(Protocol):
    """Whoever wants to know of every record again, and remembers some of them: ``historian.Historian``."""

    def covers(self, seq: int) -> bool:
        """Whether it remembers everything up to a record."""
        ...

    def begin(self, state: State) -> None:
        """Execution takes up from this state. Raises Foreign when what it remembers is of another journal."""
        ...

    def start_anew(self, state: State) -> None:
        """The same, and it is to forget what it remembers."""
        ...

    def follow(self, state: State, outcome: Outcome) -> None:
        """A record was executed. Raises Foreign."""
        ...

    def end(self, state: State) -> None:
        """That was the last one. Raises Foreign."""
        ...


class Foreign(Exception):
    """What a follower remembers is not of this journal."""


class Nobody:
    """A follower for those who only want the state."""

    def covers(self, seq: int) -> bool:
        """It misses nothing."""
        del seq
        return True

    def begin(self, state: State) -> None:
        """Nothing."""

    start_anew = begin
    end = begin

    def follow(self, state: State, outcome: Outcome) -> None:
        """Nothing."""


async def boot(
    store: Store, snapshots: Path | None = None, follower: Follower | None = None, *, from_genesis: bool = False
) -> Booted:
    """Rebuild, from a snapshot in the folder or from genesis. Raises Damaged, CodecError or Diverged.

    A follower that does not remember what lies before the snapshot hears everything from genesis, if that is soon
    done or asked for; else it begins anew with the snapshot.
    """
    told = follower if follower is not None else Nobody()
    try:
        return await _boot(store, snapshots, told, from_genesis=from_genesis)
    except Foreign as error:
        _log.warning("history_discarded", why=str(error))
        told.start_anew(_fast(State()))
        return await _boot(store, snapshots, told, from_genesis=from_genesis)


async def _boot(store: Store, snapshots: Path | None, follower: Follower, *, from_genesis: bool) -> Booted:
    while snapshots is not None and not from_genesis:
        resumed = await resume(snapshots, store)
        if resumed is None or (resumed.state.seq <= AGAIN_MAX and not follower.covers(resumed.state.seq)):
            break
        found = await _borne_out(store, resumed, follower)
        if isinstance(found, Booted):
            return found
        discard(snapshots, resumed, found)
    booted = Booted(_fast(State()), Anchors())
    follower.start_anew(booted.state)
    await _replay(store, booted, 0, follower)
    follower.end(booted.state)
    return booted


def _fast(state: State) -> State:
    """The same state with a pricer that gives the same integers sooner. The auditor prices by the definition."""
    state.pricer = VectorPricer()
    return state


async def _borne_out(store: Store, resumed: Resumed, follower: Follower) -> Booted | str:
    """What follows from a snapshot if a digest in the journal confirms it; else why not. Raises Foreign."""
    booted = Booted(_fast(resumed.state), resumed.anchors)
    try:
        (follower.begin if follower.covers(booted.state.seq) else follower.start_anew)(booted.state)
        if await _replay(store, booted, resumed.next_frame, follower):
            follower.end(booted.state)
            return booted
    except Foreign:
        raise
    except Exception as error:  # noqa: BLE001 - a forged state can break the machine in any way; genesis decides
        return f"what follows it cannot be repeated: {error!r}"
    return "the journal holds no digest after it"


async def _replay(store: Store, booted: Booted, first_frame: int, follower: Follower) -> bool:
    """Execute every record from a frame on; whether a digest was among them."""
    digests = 0
    async for frame in store.frames(first_frame):
        sealing: list[int] = []
        for record in frame.records():
            events = _repeat(booted.state, record, follower)
            digests += any(type(event) is Digested for event in events)  # a cancel of nothing has no event at all
            if any(type(event) is BatchSealed for event in events):
                sealing.append(record.seq)
        booted.anchors.extend(frame.first_seq, frame.leaves(), sealing)
    return digests > 0


def _repeat(state: State, record: Record, follower: Follower) -> tuple[Event, ...]:
    """Execute a record again. Raises Diverged."""
    command = codec.decode_command(record.command)
    events = apply(state, record.seq, record.time_ns, command)
    if codec.encode_events(events) != record.events:
        raise Diverged(record.seq)
    follower.follow(state, Repeated(record.seq, record.time_ns, command, events))
    return events
