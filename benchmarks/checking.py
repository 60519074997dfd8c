"""Records per second of the independent checker, beside the machine and beside `verify`, and how both grow.

The same market (``benchmarks/long_market.py``) is applied by the machine, checked from its bytes, and verified from a
journal file. Times are processor time of the thread. With a number, so many records are streamed from the machine to
the checker without a file: rate and memory are shown as it goes. With a file name too, they are written as a journal.
`python -m benchmarks.checking [RECORDS [FILE]]`
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from benchmarks import conditions, long_market
from exchange.core.machine import apply
from exchange.core.state import State
from replay.checker import Checker, check
from replay.frames import rare_collections
from replay.verify import verify

RECORDS = 60_000
REPEATS = 3
SLICE = 1_000  # records that go to the checker in one call
SHOWN_EVERY = 10  # parts of a stream that get a line


def timed(action: Callable[[], object]) -> float:
    """Best of several, in seconds of processor time."""
    found = []
    for _ in range(REPEATS):
        began = time.thread_time()
        action()
        found.append(time.thread_time() - began)
    return min(found)


def compare(count: int) -> None:
    """The table: machine, checker, verify."""
    made = list(islice(long_market.Market().made(), count))
    records = list(long_market.records(count))

    def run() -> None:
        state = State()
        for each in made:
            apply(state, each.seq, each.time_ns, each.command)

    def look() -> None:
        checker = Checker()
        checker.run(records)
        assert checker.finish().ok

    with tempfile.TemporaryDirectory(dir=conditions.scratch()) as folder:
        path = Path(folder) / "bench.journal"
        asyncio.run(long_market.write(path, count))
        report = check(path)
        assert report.ok, report.violations
        conditions.show(
            f"{count:,} records, {report.events:,} events, {report.trades:,} trades, {report.open_orders:,} open",
            f"best of {REPEATS}; taken as journaled: {report.taken}",
        )
        with rare_collections():
            rates = [count / timed(action) for action in (run, look, lambda: check(path), lambda: verify(path))]
    for name, rate in zip(("the machine alone", "the checker alone", "check", "verify"), rates, strict=True):
        print(f"  {name:<20} {rate:>10,.0f} records/s {rate / rates[0]:>7.2f} of the machine")


def stream(count: int) -> None:
    """From the machine straight to the checker: the rate of each part, and the memory of both together."""
    checker, source = Checker(), long_market.records(count)
    conditions.show(f"{count:,} records, streamed; processor time of the checker, resident memory of the whole process")
    part = spent = done = 0.0
    with rare_collections():
        while records := list(islice(source, SLICE)):
            began = time.thread_time()
            checker.run(records)
            part += time.thread_time() - began
            done += len(records)
            if checker.records % max(count // SHOWN_EVERY, SLICE) == 0 or checker.records == count:
                spent, part = spent + part, 0.0
                _line(checker, spent)
    report = checker.finish()
    print(f"  {report.trades:,} trades, {len(report.violations)} findings, taken as journaled {report.taken}")
    assert report.ok, report.violations[:3]


def _line(checker: Checker, spent: float) -> None:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ledger = checker.ledger
    rate = checker.records / spent
    print(
        f"  {checker.records:>12,} records {rate:>9,.0f}/s {memory:>8,.0f} MiB {len(ledger.orders):>8,} open orders",
        flush=True,
    )


def main() -> None:
    """Compare, stream, or write."""
    if len(sys.argv) > 2:
        asyncio.run(long_market.write(Path(sys.argv[2]), int(sys.argv[1])))
    elif len(sys.argv) > 1:
        stream(int(sys.argv[1]))
    else:
        compare(RECORDS)


if __name__ == "__main__":
    main()
