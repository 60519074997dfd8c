"""The machine's order book alone, on streams of plain messages: what it reports, and how fast.

The book is the production one (``benchmarks/desk.py``); the SHA-256 of its report is the verdict of the neutral oracle
in tests/core/conformance/README.md. The peer is a book from PyPI on the first messages of the same file.
`python -m benchmarks.book FILE [FILE ...] [--json]`
"""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.util
import json
import statistics
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import conditions
from benchmarks.desk import Desk
from benchmarks.streams import Message, Report, Stream, Taker

REPEATS = 3
PIECE = 50_000  # messages decoded at a time
PEER_MESSAGES = 50_000
PEER = "lightmatchingengine"


class Run(NamedTuple):
    """Seconds for matching and writing the lines, by the clock and of the processor, and what was reported."""

    clock_s: float
    processor_s: float
    report: Report


def replay(desk: Taker, stream: Stream, limit: int | None = None) -> Run:
    """One run over a stream, or over its first ``limit`` messages; decoding is not counted."""
    report, clock_s, processor_s = Report(in_order=stream.in_order()), 0.0, 0.0
    for messages in stream.pieces(PIECE, limit):
        began, spent = time.perf_counter(), time.thread_time()
        desk.take(messages)
        clock_s += time.perf_counter() - began
        processor_s += time.thread_time() - spent
        report.keep(desk.lines)
    return Run(clock_s, processor_s, report)


def waits(desk: Taker, stream: Stream) -> list[int]:
    """Nanoseconds each message took, the clock included: from when it was asked for until the next one was."""
    stamps: list[int] = []

    def clocked(messages: list[Message]) -> Iterator[Message]:
        stamp, clock = stamps.append, time.perf_counter_ns
        for message in messages:
            stamp(clock())
            yield message
        stamp(clock())

    found: list[int] = []
    for messages in stream.pieces(PIECE):
        desk.take(clocked(messages))
        found += [after - before for before, after in pairwise(stamps)]
        stamps.clear()
        desk.lines.clear()
    return sorted(found)


def measure(path: Path, repeats: int, peer_messages: int) -> dict[str, Any]:
    """All figures of one file."""
    stream = Stream.read(path)
    runs = []
    for _ in range(repeats):
        desk = Desk()
        gc.collect()
        runs.append(replay(desk, stream))
    digests = {run.report.sha256() for run in runs}
    assert len(digests) == 1
    took = waits(Desk(), stream)
    return {
        "file": str(path),
        "messages": stream.count,
        "trades": runs[0].report.trades,
        "resting": len(desk.live),
        "levels": sum(len(side.keys) for side in desk.sides),
        "sha256": digests.pop(),
        "messages_per_s": round(stream.count / min(run.clock_s for run in runs)),
        "messages_per_s_median": round(stream.count / statistics.median(run.clock_s for run in runs)),
        "messages_per_processor_s": round(stream.count / min(run.processor_s for run in runs)),
        "p50_ns": took[len(took) // 2],
        "p99_ns": took[len(took) * 99 // 100],
        "p999_ns": took[len(took) * 999 // 1000],
        "peer": against(stream, min(peer_messages, stream.count)),
    }


def against(stream: Stream, limit: int) -> dict[str, Any]:
    """Both on the first messages of a file, one after the other; nothing if the peer is not installed."""
    if not limit or importlib.util.find_spec(PEER) is None:
        return {}
    ours = replay(Desk(), stream, limit)
    theirs = replay(importlib.import_module("benchmarks.book_peer").Peer(), stream, limit)
    return {
        "name": PEER,
        "messages": limit,
        "messages_per_s": round(limit / theirs.clock_s),
        "messages_per_processor_s": round(limit / theirs.processor_s),
        "ratio": round(theirs.processor_s / ours.processor_s, 1),
        "agrees": theirs.report.sha256() == ours.report.sha256(),
    }


def show(found: dict[str, Any]) -> None:
    """One file, for a reader."""
    peer = found["peer"]
    print(f"{found['file']}: {found['messages']:,} messages, {found['trades']:,} trades, {found['resting']:,} rest")
    print(f"  sha256 {found['sha256']}")
    print(f"  {found['messages_per_s']:,} messages/s best, {found['messages_per_s_median']:,} median;", end=" ")
    print(f"{found['messages_per_processor_s']:,} per second of processor time")
    print(f"  p50 {found['p50_ns']:,} ns, p99 {found['p99_ns']:,} ns, p99.9 {found['p999_ns']:,} ns per message")
    if not peer:
        print(f"  no peer: {PEER} is in the optional dependencies `bench`")
        return
    verdict = "reports alike" if peer["agrees"] else "reports something else"
    print(f"  {peer['name']} on the first {peer['messages']:,}: {peer['messages_per_s']:,} messages/s,", end=" ")
    print(f"{peer['messages_per_processor_s']:,} per second of processor time; {verdict}; ours is", end=" ")
    print(f"{peer['ratio']} times as fast")


def main() -> None:
    """Measure the files named; without any, the samples of the tests."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.book", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="streams, plain or gzip")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="runs over each file (%(default)s)")
    parser.add_argument(
        "--peer", type=int, default=PEER_MESSAGES, metavar="N", help="messages for the peer (%(default)s)"
    )
    given = parser.parse_args()
    files = given.files or sorted((conditions.ROOT / "tests/core/conformance").glob("*.gz"))
    notes = (
        f"{given.repeats} runs over each file; matching and writing the report are timed, decoding and hashing are not",
        "p50, p99, p99.9: a run of its own with a clock read before each message, which is part of the figure",
    )
    if given.json:
        found = [measure(path, given.repeats, given.peer) for path in files]
        print(json.dumps({"conditions": [conditions.line(), *notes], "files": found}, indent=1))
        return
    conditions.show(*notes)
    for path in files:
        show(measure(path, given.repeats, given.peer))


if __name__ == "__main__":
    main()
