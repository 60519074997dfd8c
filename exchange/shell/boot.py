"""From journal to state: the one path for a first start, a restart and a crash.

Every record after the newest good snapshot is executed again and its events compared byte for byte with what was
written: a venue that cannot repeat its own words must not speak. Imports core, codec, journal, snapshots.
"""

from pathlib import Path
from typing import NamedTuple

from exchange import codec
from exchange.core.events import BatchSealed
from exchange.core.machine import apply
from exchange.core.state import State
from exchange.shell.snapshots import Anchors, Resumed, resume
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
    resumed = await resume(snapshots, store) if snapshots is not None else None
    state, anchors, first = resumed or Resumed(State(), Anchors(), 0)
    async for frame in store.frames(first):
        sealing = [record.seq for record in frame.records() if _repeat(state, record)]
        anchors.extend(frame.first_seq, frame.leaves(), sealing)
    return Booted(state, anchors)


def _repeat(state: State, record: Record) -> bool:
    """Execute a record again; whether it sealed a batch."""
    events = apply(state, record.seq, record.time_ns, codec.decode_command(record.command))
    if codec.encode_events(events) != record.events:
        raise Diverged(record.seq)
    return any(type(event) is BatchSealed for event in events)
