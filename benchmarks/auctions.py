"""Uncrossing an auction: orders collected in one series, then one price and all fills, through ``apply`` alone.

Ten accounts buy and ten sell one option at prices that overlap, so that about half of what they want trades. Figures
are processor time: of collecting an order, of the indicative price with all of them in the book, and of the uncross,
which takes several records: the first also finds the price and checks that everybody can bear every fill.
`python -m benchmarks.auctions [repeats] [orders ...]`
"""

from __future__ import annotations

import gc
import random
import sys
import time
from typing import NamedTuple

from benchmarks import conditions, workload
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.machine import apply
from exchange.core.state import State
from exchange.core.uncross import indicative
from exchange.core.units import NO_EXPIRY, USDC_ONE, series_of

REPEATS = 3
COUNTS = (1_000, 3_000, 10_000, 30_000, 100_000)
SEED = 1
SERIES = series_of(1, 20)
LASTS_S = 60
SPREAD = 100  # ticks around the middle that prices are drawn from
MAX_FEE = 100 * USDC_ONE
MOVES = (e.PhaseChanged, e.Uncrossed, e.Traded)


class Measured(NamedTuple):
    """Seconds to collect, to show the price, and of each record of the uncross; its fills and volume."""

    collecting: float
    showing: float
    records: list[float]
    fills: int
    volume: int


def draw(count: int) -> list[c.Place]:
    """Orders on both sides of one series, half of them where they will trade."""
    chance, placed = random.Random(SEED), []
    middle = 1_000 * USDC_ONE
    for number in range(count):
        account = 1 + number % workload.ACCOUNTS
        price = middle + 5 * USDC_ONE * chance.randint(0, SPREAD)
        terms = (account, SERIES, account % 2 == 0, workload.LOT * chance.randint(1, 50), price, MAX_FEE)
        signed = (*terms, c.GTC, False, False, 0, number, NO_EXPIRY, account.to_bytes(20, "big"), bytes(65))
        placed.append(c.Place(c.Authorisation(*signed)))
    return placed


def step(state: State, command: c.AnyCommand, time_ns: int) -> tuple[e.Event, ...]:
    """Apply one command."""
    return apply(state, state.seq + 1, time_ns, command)


def measure(orders: list[c.Place]) -> Measured:
    """One auction from its call to its end."""
    state = workload.machine_at(workload.draw(0))
    begins_ns = workload.START_NS
    ends_s = workload.START_S + LASTS_S
    step(state, c.SetPhase(c.SERIES, SERIES, c.AUCTION, ends_s, 0, "benchmark", "operator"), begins_ns)
    gc.collect()
    begun = time.thread_time()
    for order in orders:
        step(state, order, begins_ns)
    collecting = time.thread_time() - begun
    assert len(state.orders) == len(orders)
    begun = time.thread_time()
    found = indicative(state, SERIES)
    showing = time.thread_time() - begun
    assert found is not None
    records, fills = uncross(state, ends_s * 10**9)
    assert SERIES not in state.auctions
    return Measured(collecting, showing, records, fills, found.volume)


def uncross(state: State, time_ns: int) -> tuple[list[float], int]:
    """Seconds of each record until the series trades continuously, and how many fills there were."""
    records: list[float] = []
    fills = 0
    while True:
        begun = time.thread_time()
        events = step(state, c.Tick(), time_ns)
        taken = time.thread_time() - begun
        if not any(type(event) in MOVES for event in events):
            return records, fills
        records.append(taken)
        fills += sum(type(event) is e.Traded for event in events)


def main() -> None:
    """Measure each size and print the best of the repeats, conditions first."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else REPEATS
    counts = [int(word) for word in sys.argv[2:]] or COUNTS
    conditions.show(f"best of {repeats} by the whole uncross; processor time of one thread; orders of seed {SEED}")
    print(
        f"{'orders':>9} {'collect':>10} {'indicative':>11} {'uncross':>10} {'per order':>10} "
        f"{'records':>8} {'first':>9} {'others':>9} {'fills':>8}"
    )
    for count in counts:
        orders = draw(count)
        best = min((measure(orders) for _ in range(repeats)), key=lambda found: sum(found.records))
        others = max(best.records[1:], default=0.0)
        print(
            f"{count:>9,} {best.collecting / count * 1e6:>7.1f} us {best.showing * 1e6:>8.0f} us "
            f"{sum(best.records) * 1e3:>7.0f} ms {sum(best.records) / count * 1e6:>7.1f} us "
            f"{len(best.records):>8} {best.records[0] * 1e3:>6.0f} ms {others * 1e3:>6.0f} ms {best.fills:>8,}"
        )


if __name__ == "__main__":
    main()
