"""Long streams in the shape of the neutral oracle's: `python -m benchmarks.draw_stream SCENARIO FILE [--new N]`

Drawn after the published description of its workload, not with its generator: the streams differ, the mix does not.
Buys are priced off the first half of a mid-price walk, sells off the second, all passively; then arrival is shuffled,
so that they meet. Of the new orders 15 % are immediate-or-cancel; of the others 20 % are modified and 95 % cancelled,
2 % of those twice. Only ``random.random`` is drawn from, so a seed gives the same stream on every Python.
"""

from __future__ import annotations

import argparse
import math
import random
from bisect import bisect_left
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from benchmarks.streams import BUY, CANCEL, HEADER, MAGIC, MODIFY, NEW, RECORD, SELL, VERSION

SWINGS = {"static": 0.0, "normal": 0.02, "swing-25": 0.25, "swing-40": 0.40, "flash-crash": 0.60}
MID = 33_504  # ticks
DEEPEST = 200  # ticks from the mid
IOC, MODIFIED, REPRICED, CANCELLED, TWICE = 0.15, 0.20, 0.80, 0.95, 0.02
ARRIVAL_NS = 23_400_000  # between two new orders: a million in a session of six and a half hours
AGAIN_NS = 100_000  # until a message is sent once more
LIFE_NS = 431_000 / math.log(2)  # mean of an exponential whose median the description gives


class Order(NamedTuple):
    """A new order before its life is drawn."""

    side: int
    price: int
    depth: int
    qty: int


class Entry(NamedTuple):
    """A message on its way into the order of time."""

    time_ns: int
    kind: int
    side: int
    ioc: int
    qty: int
    number: int
    price: int


def _depths() -> list[float]:
    """Cumulated weights of the distance from the mid: a power law with a hump about eight ticks out."""
    weights = [depth**-2.23 + 0.05 * math.exp(-(((depth - 8) / 3) ** 2)) for depth in range(1, DEEPEST + 1)]
    whole = sum(weights)
    return list(accumulate(weight / whole for weight in weights))


def _normal(chance: random.Random) -> float:
    return math.sqrt(-2 * math.log(1 - chance.random())) * math.cos(2 * math.pi * chance.random())


def _placed(chance: random.Random, swing: float, count: int) -> list[Order]:
    """Orders off a geometric walk that swings about so much, in shuffled arrival."""
    step, mid, depths, orders = swing / math.sqrt(count), float(MID), _depths(), []
    for turn in range(count):
        mid *= math.exp(step * _normal(chance) - step * step / 2)
        side = BUY if turn < count // 2 else SELL
        depth = bisect_left(depths, chance.random()) + 1
        price = math.floor(mid) - depth + 1 if side == BUY else math.ceil(mid) + depth - 1
        orders.append(Order(side, max(price, 1), depth, 1 + int(chance.random() * 100)))
    for at in range(count - 1, 0, -1):
        other = int(chance.random() * (at + 1))
        orders[at], orders[other] = orders[other], orders[at]
    return orders


def _life(chance: random.Random, number: int, order: Order) -> list[Entry]:
    """Everything that is said about one order."""
    side, price, depth, qty = order
    born = number * ARRIVAL_NS
    if chance.random() < IOC:
        return [Entry(born, NEW, side, 1, qty, number, price)]
    said = [Entry(born, NEW, side, 0, qty, number, price)]
    died = born + int(-math.log(1 - chance.random()) * LIFE_NS * (1 + depth / 10))
    if chance.random() < MODIFIED:
        moved = (1 if chance.random() < 0.5 else -1) if chance.random() < REPRICED else 0
        when = born + int(chance.random() * (died - born))
        said.append(Entry(when, MODIFY, side, 0, qty + 1, number, max(price + moved, 1)))
    if chance.random() < CANCELLED:
        said.append(Entry(died, CANCEL, side, 0, qty, number, price))
        if chance.random() < TWICE:
            said.append(Entry(died + AGAIN_NS, CANCEL, side, 0, qty, number, price))
            if len(said) == 4:
                said.append(Entry(died + AGAIN_NS, MODIFY, side, 0, qty + 2, number, price))
    return said


def draw(scenario: str, new: int, seed: int) -> bytes:
    """A stream of about twice as many messages as new orders."""
    chance = random.Random(seed)
    entries = [
        entry
        for number, order in enumerate(_placed(chance, SWINGS[scenario], new))
        for entry in _life(chance, number, order)
    ]
    entries.sort(key=lambda entry: entry.time_ns)
    return HEADER.pack(MAGIC, VERSION, len(entries)) + b"".join(
        RECORD.pack(entry.kind, entry.side, entry.ioc, entry.qty, seq, entry.number, entry.price, 0)
        for seq, entry in enumerate(entries)
    )


def main() -> None:
    """Write one file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.draw_stream", description=__doc__)
    parser.add_argument("scenario", choices=SWINGS)
    parser.add_argument("file", type=Path)
    parser.add_argument("--new", type=int, default=1_000_000, help="new orders (%(default)s)")
    parser.add_argument("--seed", type=int, default=23)
    given = parser.parse_args()
    given.file.write_bytes(draw(given.scenario, given.new, given.seed))


if __name__ == "__main__":
    main()
