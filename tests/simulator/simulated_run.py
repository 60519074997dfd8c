"""A simulation run to its end in this process, and its journal read back."""

import asyncio
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from exchange import codec
from exchange.core.commands import AnyCommand
from exchange.core.events import Event
from exchange.simulator import Options, Summary, parse, simulate
from exchange.simulator.run import START_S
from journal import Frame, scan


class Entry(NamedTuple):
    """A record: seconds since the market opened, and what it says."""

    at_s: float
    command: AnyCommand
    events: tuple[Event, ...]


class Run(NamedTuple):
    """What was said at the end, and what was written."""

    summary: Summary
    frames: list[bytes]
    entries: list[Entry]

    def of(self, kind: type[Any]) -> list[Entry]:
        """Records whose command is of a kind."""
        return [entry for entry in self.entries if isinstance(entry.command, kind)]

    def between(self, first_s: float, last_s: float, kind: type[Any] = object) -> list[Entry]:
        """Records strictly inside a span."""
        return [entry for entry in self.of(kind) if first_s < entry.at_s < last_s]


def run(folder: Path, seconds: int, *faults: str, seed: int = 1) -> Run:
    """A journal of its own in a folder."""
    journal = folder / f"{len(list(folder.iterdir()))}.journal"
    options = Options(seed=seed, seconds=seconds, journal=journal, faults=tuple(map(parse, faults)))
    summary = asyncio.run(simulate(options, lambda _: None))
    frames = [frame for frame in scan(journal) if isinstance(frame, Frame)]
    entries = [
        Entry(
            record.time_ns / 10**9 - START_S, codec.decode_command(record.command), codec.decode_events(record.events)
        )
        for frame in frames
        for record in frame.records()
    ]
    return Run(summary, [msgspec.msgpack.encode(frame) for frame in frames], entries)
