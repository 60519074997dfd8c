"""Commands per second through the sequencer, journaled and synced before they are answered; and how long one waits.

The peer of the same run is the same sequencer on a journal in memory, which shows what the disk costs. Receipts are
signed in a row of their own. `python -m benchmarks.durable`
"""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from benchmarks import conditions
from benchmarks.workload import START_S, Day, draw
from exchange import codec
from exchange.core.state import State
from exchange.shell.boot import GENESIS
from exchange.shell.clock import ManualClock
from exchange.shell.sequencer import Outcome, Sequencer
from exchange.shell.venue import sequencing
from journal import MemoryStore, SqliteStore, Writer

COMMANDS = 30_000
IN_FLIGHT = 1_024
REPEATS = 3
KEY = b"\x01" * 32
Opener = Callable[[Path], Any]


async def _on_disk(folder: Path) -> AbstractAsyncContextManager[Any]:
    return await SqliteStore.open(folder / "bench.journal", GENESIS, schemas=[codec.SCHEMA_FP])


async def _in_memory(_folder: Path) -> AbstractAsyncContextManager[Any]:
    return MemoryStore(GENESIS, schemas=[codec.SCHEMA_FP])


async def run(day: Day, opened: Opener, *, signed: bool, in_flight: int) -> tuple[float, list[float]]:
    """Seconds for all commands, and the wait of each."""
    waits: list[float] = []
    with tempfile.TemporaryDirectory(dir=conditions.scratch()) as folder:
        async with await opened(Path(folder)) as store, Writer(store, codec.SCHEMA_FP) as writer:
            sequencer = Sequencer(State(), writer, ManualClock(START_S), KEY, bytes(32), digest_every=10**9)
            async with sequencing(sequencer):
                for command in day.setup:
                    await sequencer.record(command)
                queue = iter(day.trading)

                async def client() -> None:
                    for command in queue:
                        began = time.perf_counter()
                        await sequencer.submit(command, _seq, signed=signed)
                        waits.append(time.perf_counter() - began)

                began = time.perf_counter()
                await asyncio.gather(*(client() for _ in range(in_flight)))
                return time.perf_counter() - began, waits


def _seq(_state: object, outcome: Outcome) -> int:
    return outcome.seq


def main() -> None:
    """Print the table."""
    day = draw(COMMANDS)
    gc.collect()
    gc.freeze()  # the commands that wait to be sent are the benchmark's, as in a venue what was built at its start
    conditions.show(
        f"{COMMANDS:,} commands of benchmarks/workload.py; best of {REPEATS}; journal on the checkout's disk"
    )
    print(f"  {'journal':<8} {'receipts':<8} {'in flight':>9} {'commands/s':>11} {'p50 ms':>8} {'p99 ms':>8}")
    rates: dict[str, float] = {}
    rows: list[tuple[str, Opener, bool, int]] = [
        ("disk", _on_disk, False, IN_FLIGHT),
        ("memory", _in_memory, False, IN_FLIGHT),
        ("disk", _on_disk, True, IN_FLIGHT),
        ("disk", _on_disk, True, 16),
    ]
    for name, opened, signed, in_flight in rows:
        runs = [asyncio.run(run(day, opened, signed=signed, in_flight=in_flight)) for _ in range(REPEATS)]
        seconds, waits = min(runs)
        waits.sort()
        p50, p99 = waits[len(waits) // 2] * 1e3, waits[len(waits) * 99 // 100] * 1e3
        rate = COMMANDS / seconds
        rates.setdefault(name, rate)
        kind = "signed" if signed else "none"
        print(f"  {name:<8} {kind:<8} {in_flight:>9,} {rate:>11,.0f} {p50:>8.2f} {p99:>8.2f}")
    print(f"  disk / memory: {rates['disk'] / rates['memory']:.2f}")


if __name__ == "__main__":
    main()
