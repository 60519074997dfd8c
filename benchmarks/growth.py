"""How the machine slows with what it holds: one command at a time, by series listed and orders resting.

Place, cancel, amend, take one, sweep a hundred, quote a hundred series, uncross ten thousand orders.

Every row is the same machine with more orders in it. Commands are due on a timetable (``benchmarks/latency.py``), so a
slow one also delays those behind it. Times are those of ``apply``: no journal, no socket, no signature check.
`python -m benchmarks.growth [--most ORDERS]`
"""

from __future__ import annotations

import argparse
import gc
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator

from benchmarks import conditions, latency
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.machine import apply
from exchange.core.pricing import marks_of
from exchange.core.state import State
from exchange.core.units import NO_EXPIRY, USDC_ONE, WAD
from exchange.shell.deploy import FEES, STANDARD

START_S = 1_800_000_000
START_NS = START_S * 10**9
SPOT = 62_000 * USDC_ONE
LOT, MAX_FEE = 100, 100 * USDC_ONE
SERIES = (1, 100, 1_984)  # the last is what the calldata of one batch can carry: eight expiries of 248
IN_EXPIRY = 248
RESTING = (1_000, 10_000, 100_000, 1_000_000)
MOST = 100_000  # without being asked for more: a million orders take a minute and 1.5 GB
MAKERS, TAKERS = 200, 200
QUOTER = MAKERS + TAKERS + 1
LEVELS, CENTRE = 200, 500  # prices on each side, and between them, in USDC
COUNT = 2_000  # commands in a row of the table
SWEEPS, FILLS = 200, 100
QUOTED, MESSAGES = 100, 200  # series in a message, each with a bid and an offer
UNCROSSED, AUCTIONS = 10_000, 4  # orders that trade in an auction, in front of all that rest
INTERVAL_NS = 100_000  # ten thousand commands a second
TAKE_INTERVAL_NS = 1_000_000  # what fills asks for the margin of two accounts, whatever they hold
SWEEP_INTERVAL_NS = 50_000_000
UNCROSS_INTERVAL_NS = 250_000_000


class Hall:
    """A machine whose orders rest at random prices of random series, made by many makers."""

    def __init__(self, series: int) -> None:
        self.state = State()
        self.chance = random.Random(series)
        self.nonces: Counter[int] = Counter()
        self.resting: list[int] = []
        self.time_ns = START_NS
        for command in self._opening(series):
            self.do(command)
        self.series = list(self.state.series)
        self.do(self._round())

    def do(self, command: c.AnyCommand) -> tuple[e.Event, ...]:
        """Apply a command that has to be taken."""
        events = apply(self.state, self.state.seq + 1, self.time_ns, command)
        assert type(events[-1]) is not e.Rejected, (command, events)
        return events

    def _opening(self, series: int) -> Iterator[c.AnyCommand]:
        chain = (b"C" * 20, b"O" * 20, b"P" * 20)
        yield c.Configure("bench", 31337, *chain, 86_400, 64, 86_400, FEES, STANDARD, mandates=True)
        yield c.ListUnderlying(0, "BTC_USDC", LOT, USDC_ONE, USDC_ONE, 1_000 * USDC_ONE)
        for expiry in range(-(-series // IN_EXPIRY)):
            yield c.ListExpiry(expiry + 1, 0, START_S + (30 + expiry) * 86_400)
            for index in range(min(IN_EXPIRY, series - expiry * IN_EXPIRY)):
                yield c.ListSeries(expiry + 1, index, (50_000 + 100 * index) * USDC_ONE, index % 2 == 0)
        for account in range(1, QUOTER + 1):
            yield c.ObserveAccount(2 * account - 1, account, account.to_bytes(20, "big"))
            yield c.ObserveDeposit(2 * account, account, 4 * 10**9 * USDC_ONE)
        yield c.SetProtection(QUOTER, "all", c.Protection(10**9, 0, 10**9, 0, 0, 0, covered=True))

    def _round(self) -> c.PostRound:
        sheets = []
        for expiry in self.state.expiries.values():
            vols = (WAD // 2,) * len(expiry.series)
            marks = marks_of(self.state, c.Sheet(expiry.id, SPOT, WAD, vols, ()), START_S, 0)
            sheets.append(c.Sheet(expiry.id, SPOT, WAD, vols, marks))
        return c.PostRound(1, START_S, WAD, (c.Spot(0, SPOT, WAD, 0),), tuple(sheets), ())

    # -- commands -----------------------------------------------------------------------------------------------------

    def auth(
        self, account: int, series: int, is_buy: bool, lots: int, price: int, *, tif: int = c.GTC, replaces: int = 0
    ) -> c.Authorisation:
        """Signed by the owner, with the next nonce; signatures are blank, for the machine never looks at them."""
        nonce = self.nonces[account]
        self.nonces[account] = nonce + 1
        terms = (account, series, is_buy, lots * LOT, price, MAX_FEE, tif, False, False, replaces, nonce)
        return c.Authorisation(*terms, NO_EXPIRY, account.to_bytes(20, "big"), bytes(65))

    def price(self, *, is_buy: bool) -> int:
        away = self.chance.randint(1, LEVELS)
        return (CENTRE - away if is_buy else CENTRE + away) * USDC_ONE

    def place(self) -> c.Place:
        """A bid or an offer somewhere."""
        is_buy, account = self.chance.random() < 0.5, self.chance.randint(1, MAKERS)
        self.resting.append(self.state.seq + 1)
        series = self.chance.choice(self.series)
        return c.Place(self.auth(account, series, is_buy, self.chance.randint(1, 9), self.price(is_buy=is_buy)))

    def some_order(self, *, forget: bool) -> int:
        """A resting order, anywhere in its queue."""
        while True:
            at = self.chance.randrange(len(self.resting))
            order_id = self.resting[at]
            known = order_id in self.state.orders
            if forget or not known:
                self.resting[at] = self.resting[-1]
                self.resting.pop()
            if known:
                return order_id

    def cancel(self) -> c.Cancel:
        order_id = self.some_order(forget=True)
        return c.Cancel(self.state.orders[order_id].account, order_id)

    def amend(self) -> c.Amend:
        """To another price, so that it leaves one queue and enters another."""
        order = self.state.orders[self.some_order(forget=False)]
        replaces = self.state.auths[order.auth_id].auth.nonce + 1
        lots, price = order.qty // LOT, self.price(is_buy=order.is_buy)
        return c.Amend(order.id, self.auth(order.account, order.series, order.is_buy, lots, price, replaces=replaces))

    def take(self, fills: int = 1, series: int = -1) -> c.Place:
        """What the first so many have left, on the side of some series, or of this one, where that many rest."""
        while True:
            order = self.state.orders[self.some_order(forget=False)]
            if series not in (-1, order.series):
                order = next(self.state.books[series].side(is_buy=order.is_buy).orders())
            walk = self.state.books[order.series].side(is_buy=order.is_buy).orders()
            met = [maker.qty - maker.filled for maker, _ in zip(walk, range(fills), strict=False)]
            if len(met) == fills:
                break
        price = (CENTRE - LEVELS if order.is_buy else CENTRE + LEVELS) * USDC_ONE
        account, lots = MAKERS + self.chance.randint(1, TAKERS), sum(met) // LOT
        return c.Place(self.auth(account, order.series, not order.is_buy, lots, price, tif=c.IOC))

    def quote(self) -> c.MassQuote:
        """A bid and an offer in each of a hundred series; those of the message before leave."""
        nonce = self.nonces[QUOTER]
        self.nonces[QUOTER] = nonce + 1
        terms = (QUOTER, nonce, NO_EXPIRY, MAX_FEE, QUOTED * LOT, 0, 0, 0, QUOTER.to_bytes(20, "big"), bytes(65))
        leaves = tuple(
            c.QuoteLeaf(series, is_buy, LOT, self.price(is_buy=is_buy), 5_000, 10**8)
            for series in self.chance.sample(self.series, QUOTED)
            for is_buy in (True, False)
        )
        return c.MassQuote(c.QuoteMandate(*terms), leaves, "all", whole=True)

    def deepen(self, series: int, count: int) -> None:
        """Place in one series until so many rest on each side."""
        for is_buy in (True, False):
            while sum(1 for _, _ in zip(self.state.books[series].side(is_buy=is_buy).orders(), range(count))) < count:  # noqa: B905
                account = self.chance.randint(1, MAKERS)
                self.resting.append(self.state.seq + 1)
                self.do(c.Place(self.auth(account, series, is_buy, 3, self.price(is_buy=is_buy))))

    def settle(self) -> None:
        """All that has traded is final: a venue whose settlement keeps up."""
        self.do(c.SealBatch())
        for batch_id in list(self.state.batches):
            self.do(c.ObserveBatch(self.state.mirror.action_id + 1, batch_id, bytes(32), 1, 1))

    def auction(self, series: int, count: int) -> list[int]:
        """So many orders collected between best bid and best offer, and what each record of their uncross takes."""
        ends_s = self.time_ns // 10**9 + 1
        self.do(c.SetPhase(c.SERIES, series, c.AUCTION, ends_s, 0, "benchmark", "operator"))
        for number in range(count):
            is_buy = number % 2 == 0
            account = 1 + self.chance.randrange(MAKERS) + (0 if is_buy else MAKERS)
            self.do(c.Place(self.auth(account, series, is_buy, 1, CENTRE * USDC_ONE)))
        self.time_ns = ends_s * 10**9
        took: list[int] = []
        while series in self.state.auctions:
            took += self.timed(c.Tick, 1)
        return took

    # -- time ---------------------------------------------------------------------------------------------------------

    def fill_up(self, count: int) -> None:
        """Place until so many rest."""
        while len(self.state.orders) < count:
            self.do(self.place())

    def timed(self, draw: Callable[[], c.AnyCommand], count: int) -> list[int]:
        """Nanoseconds of processor time that each of ``count`` commands takes, drawn one by one from what is there."""
        took = []
        for _ in range(count):
            command, seq = draw(), self.state.seq + 1
            began = time.thread_time_ns()
            events = apply(self.state, seq, self.time_ns, command)
            took.append(time.thread_time_ns() - began)
            assert type(events[-1]) is not e.Rejected, (command, events)
        return took


def rows(hall: Hall, count: int) -> Iterator[tuple[str, list[int], int]]:
    """Kinds of command, what each took, and how often one is due."""
    yield "place", hall.timed(hall.place, count), INTERVAL_NS
    yield "cancel", hall.timed(hall.cancel, count), INTERVAL_NS
    yield "amend", hall.timed(hall.amend, count), INTERVAL_NS
    yield "take one", hall.timed(hall.take, count), TAKE_INTERVAL_NS
    if len(hall.series) >= QUOTED:
        yield f"quote {QUOTED}", hall.timed(hall.quote, MESSAGES), SWEEP_INTERVAL_NS
        hall.do(c.CancelQuotes(QUOTER))
    took: list[int] = []
    for _ in range(SWEEPS):
        hall.deepen(hall.series[0], FILLS)
        took += hall.timed(lambda: hall.take(FILLS, hall.series[0]), 1)
    hall.settle()
    yield f"take {FILLS}", took, SWEEP_INTERVAL_NS
    took = []
    for _ in range(AUCTIONS):
        took += hall.auction(hall.series[0], UNCROSSED)
        hall.settle()
    yield "uncross", took, UNCROSS_INTERVAL_NS


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--most", type=int, default=MOST, help="resting orders at most (%(default)s)")
    parser.add_argument("--count", type=int, default=COUNT, help="commands in a row (%(default)s)")
    given = parser.parse_args()
    conditions.show(
        f"{MAKERS} makers at {LEVELS} prices on each side, {TAKERS} takers; {given.count:,} commands a row",
        f"due: a command every {INTERVAL_NS // 1000:,} us, one that fills every {TAKE_INTERVAL_NS // 1000:,} us, "
        f"a sweep or a mass quote every {SWEEP_INTERVAL_NS // 1000:,} us",
        f"uncross: the records that trade {UNCROSSED:,} orders of one series, {AUCTIONS} times, beside all that rest; "
        f"one is due every {UNCROSS_INTERVAL_NS // 1_000_000} ms, and the last two columns are the longest of them",
        f"a message quotes {QUOTED} series on both sides, so there is none where fewer are listed",
        "times are processor time of the thread, so that neighbours on the machine count little; collector on",
    )
    print(f"  {'series':>6} {'resting':>9}  {'command':<9} {'per second':>10} {latency.HEADINGS}")
    for series in SERIES:
        hall = Hall(series)
        for resting in RESTING:
            if resting > given.most:
                break
            hall.fill_up(resting)
            gc.collect()
            for name, took, interval in rows(hall, given.count):
                waits = latency.percentiles(latency.on_timetable(took, interval))
                rate = len(took) * 10**9 // sum(took)
                print(f"  {series:>6,} {resting:>9,}  {name:<9} {rate:>10,} {waits}", flush=True)


if __name__ == "__main__":
    main()
