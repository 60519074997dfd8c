"""How the book alone slows with what rests in it: by orders and by prices, and what its worst messages cost.

The book is the production one behind plain messages (``benchmarks/desk.py``). Messages are due on a timetable
(``benchmarks/latency.py``), so a slow one also delays those behind it. `python -m benchmarks.book_growth`
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterator

from benchmarks import conditions, latency
from benchmarks.desk import Desk
from benchmarks.streams import BUY, CANCEL, MODIFY, NEW, SELL, Message

RESTING = (1_000, 10_000, 100_000, 1_000_000)
PRICES = (1, 100, 100_000)  # on each side
COUNT, SWEEPS, FILLS = 20_000, 40, 5_000
INTERVAL_NS, SWEEP_INTERVAL_NS = 10_000, 20_000_000
MIDDLE = 10**6


class Room:
    """A desk with so many orders at random prices of so many, and messages to it."""

    def __init__(self, resting: int, prices: int) -> None:
        self.desk, self.chance, self.prices = Desk(), random.Random(resting), prices
        self.seq = 0
        self.ids: list[int] = []
        self.desk.take(self.new() for _ in range(resting))

    def message(self, kind: int, side: int, qty: int, number: int, price: int) -> Message:
        self.seq += 1
        return kind, side, 0, qty, self.seq, number, price, 0

    def price(self, side: int) -> int:
        away = 1 + self.chance.randrange(self.prices)
        return MIDDLE - away if side == BUY else MIDDLE + away

    def new(self, side: int | None = None) -> Message:
        side = self.chance.randrange(2) if side is None else side
        self.ids.append(self.seq)
        return self.message(NEW, side, 1 + self.chance.randrange(9), self.seq, self.price(side))

    def cancel(self) -> Message:
        """Of any order, mostly from the middle of its queue."""
        at = self.chance.randrange(len(self.ids))
        self.ids[at], self.ids[-1] = self.ids[-1], self.ids[at]
        return self.message(CANCEL, BUY, 0, self.ids.pop(), 0)

    def modify(self) -> Message:
        number = self.chance.choice(self.ids)
        side = self.desk.live[number].side
        return self.message(MODIFY, side, 1 + self.chance.randrange(9), number, self.price(side))

    def head(self) -> Message:
        """Of the first in some queue: what a queue of the wrong kind pays for."""
        side = self.desk.sides[self.chance.randrange(2)]
        key = self.chance.choice(side.keys)
        number = next(iter(side.levels[key].orders))
        return self.message(CANCEL, BUY, 0, number, 0)

    def sweep(self, fills: int) -> Message:
        """What the first so many offers have left."""
        walk = self.desk.sides[SELL].orders()
        qty = sum(order.qty - order.filled for order, _ in zip(walk, range(fills), strict=False))
        return self.message(NEW, BUY, qty, self.seq, MIDDLE + self.prices)

    def timed(self, draw: Callable[[], Message], count: int) -> list[int]:
        """Nanoseconds of processor time for each of ``count`` messages, drawn one by one from what is there."""
        took = []
        for _ in range(count):
            messages = [draw()]
            began = time.thread_time_ns()
            self.desk.take(messages)
            took.append(time.thread_time_ns() - began)
            self.desk.lines.clear()
        return took

    def refill(self, resting: int) -> None:
        """As many as at first, by new offers; what was filled or cancelled at the head is forgotten."""
        self.ids = list(self.desk.live)
        self.desk.take(self.new(SELL) for _ in range(resting - len(self.ids)))
        self.desk.lines.clear()


def rows(room: Room, resting: int) -> Iterator[tuple[str, list[int], int]]:
    """Kinds of message, what each took, and how often one is due."""
    count = min(COUNT, resting // 4)
    yield "new", room.timed(room.new, count), INTERVAL_NS
    yield "cancel", room.timed(room.cancel, count), INTERVAL_NS
    yield "modify", room.timed(room.modify, count), INTERVAL_NS
    yield "cancel the head", room.timed(room.head, count), INTERVAL_NS
    room.refill(resting)
    if resting >= 4 * FILLS:
        took: list[int] = []
        for _ in range(SWEEPS):
            took += room.timed(lambda: room.sweep(FILLS), 1)
            room.refill(resting)
        yield f"{FILLS:,} fills", took, SWEEP_INTERVAL_NS


def main() -> None:
    """Print the table."""
    conditions.show(
        f"due: a message every {INTERVAL_NS // 1000:,} us, a sweep every {SWEEP_INTERVAL_NS // 1000:,} us",
        "times are processor time of the thread, the reading of its clock included; collector on",
    )
    print(f"  {'resting':>9} {'prices':>7}  {'message':<15} {'per second':>10} {latency.HEADINGS}")
    for prices in PRICES:
        for resting in RESTING:
            if resting < prices:
                continue
            room = Room(resting, prices)
            gc.collect()
            for name, took, interval in rows(room, resting):
                waits = latency.percentiles(latency.on_timetable(took, interval))
                rate = len(took) * 10**9 // sum(took)
                print(f"  {resting:>9,} {prices:>7,}  {name:<15} {rate:>10,} {waits}", flush=True)


if __name__ == "__main__":
    main()
