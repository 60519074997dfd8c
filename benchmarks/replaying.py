"""Events per second of a replay: executing every record again, with and without the second, folded state.

The peer of the same run only reads: it walks the same file and checks frames and hash chain, without executing.
`python -m benchmarks.replaying`
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import conditions
from benchmarks.workload import START_S, Day, draw
from exchange import codec
from exchange.core.state import State
from exchange.shell.boot import GENESIS
from exchange.shell.clock import ManualClock
from exchange.shell.sequencer import Sequencer
from exchange.shell.venue import sequencing
from journal import Frame, SqliteStore, Writer
from journal.reader import scan
from replay.verify import verify

COMMANDS = 60_000
REPEATS = 3


async def record(day: Day, path: Path) -> None:
    """A journal of the day."""
    opened = await SqliteStore.open(path, GENESIS, schemas=[codec.SCHEMA_FP])
    async with opened as store, Writer(store, codec.SCHEMA_FP) as writer:
        sequencer = Sequencer(State(), writer, ManualClock(START_S), b"\x01" * 32, bytes(32))
        async with sequencing(sequencer):
            for command in day.setup:
                await sequencer.record(command)
            for first in range(0, len(day.trading), 1_000):
                chunk = day.trading[first : first + 1_000]
                await asyncio.gather(*(sequencer.record(command) for command in chunk))


def timed(action: Callable[[], object]) -> float:
    """Best of several."""
    found = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        action()
        found.append(time.perf_counter() - began)
    return min(found)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(dir=conditions.scratch()) as folder:
        path = Path(folder) / "bench.journal"
        asyncio.run(record(draw(COMMANDS), path))
        report = verify(path)
        assert report.ok, report
        megabytes = path.stat().st_size / 1e6
        conditions.show(f"{report.records:,} records, {report.events:,} events, {megabytes:.1f} MB; best of {REPEATS}")
        reading = timed(lambda: all(isinstance(item, Frame) for item in scan(path, genesis=GENESIS)))
        for name, seconds in (
            ("verify, re-execution alone", timed(lambda: verify(path, folding=False))),
            ("verify, with the folded state", timed(lambda: verify(path))),
        ):
            rate = report.events / seconds
            print(f"  {name:<32} {rate:>10,.0f} events/s  {report.records / seconds:>10,.0f} records/s", end="")
            print(f"  {seconds / reading:>6.1f} x the time of reading alone")


if __name__ == "__main__":
    main()
