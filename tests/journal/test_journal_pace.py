"""How fast records become durable, in one process whose loop also makes them. Soak only: it measures the machine.

`VERBATIM_SOAK=1 python -m pytest tests/journal/test_journal_pace.py -s` prints one line per rate.
"""

import asyncio
import os
import time
from pathlib import Path

import pytest

from journal import Record, SqliteStore, Writer, encode_record

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(os.environ.get("VERBATIM_SOAK") != "1", reason="soak: run make soak"),
]
SECONDS = 5.0
DRAIN_MAX = 2048


def batch(first: int, n: int) -> list[bytes]:
    """Records of about 150 bytes."""
    return [encode_record(Record(first + i, 10**18, b"c" * 72, b"e" * 60)) for i in range(n)]


async def drive(writer: Writer, rate: int) -> tuple[int, float, list[float]]:
    """Offer `rate` records a second, open loop; records made durable, seconds taken, latency of each append."""
    latencies: list[float] = []
    start = time.perf_counter()
    seq, last = 0, None
    while (elapsed := time.perf_counter() - start) < SECONDS:
        due = min(int(rate * elapsed) - seq, DRAIN_MAX)
        if due > 0 and writer.accepting:
            last = writer.append(batch(seq + 1, due))
            offered = time.perf_counter()
            last.add_done_callback(lambda _, offered=offered: latencies.append(time.perf_counter() - offered))
            seq += due
        await asyncio.sleep(0 if rate > 10**6 else 0.0005)
    assert last is not None
    await last
    return seq, time.perf_counter() - start, sorted(latencies)


@pytest.mark.parametrize("rate", [1_000, 10_000, 60_000, 100_000, 10**9])
async def test_records_become_durable_at_the_pace_the_exchange_needs(tmp_path: Path, genesis: bytes, rate: int) -> None:
    async with await SqliteStore.open(tmp_path / "j", genesis) as store, Writer(store, bytes(32)) as writer:
        cpu = time.process_time()
        records, seconds, latencies = await drive(writer, rate)
        cpu = time.process_time() - cpu
        frames = (await store.head()).frame_no
    p50, p99 = (latencies[int(len(latencies) * q)] * 1000 for q in (0.5, 0.99))
    print(
        f"\noffered {rate}/s: {records / seconds:,.0f} durable records/s of {len(batch(1, 1)[0])} bytes in {frames} "
        f"frames, append to durable p50 {p50:.2f} ms p99 {p99:.2f} ms, {cpu / seconds:.0%} of a core"
    )
    assert records / seconds > min(rate, 60_000) * 0.95
