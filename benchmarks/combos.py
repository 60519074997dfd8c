"""Orders for combos: through the books of their legs, through their own, and what resting ones cost an order for a leg.

Two makers stand in every leg's book; a taker buys or sells a spread of two legs, or a condor of four, lot by lot. Then
so many combos rest out of reach on one leg, and a quote of that leg comes and goes. ``apply`` alone, in processor
time of the thread. `python -m benchmarks.combos [commands]`
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator

import msgspec

from benchmarks import conditions
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.legs import Leg
from exchange.core.machine import apply
from exchange.core.pricing import marks_of
from exchange.core.state import State
from exchange.core.units import NO_EXPIRY, USDC_ONE, WAD
from exchange.shell.deploy import FEES, STANDARD

COMMANDS = 2_000
SERIES, START_S, SPOT, LOT = 48, 1_800_000_000, 62_000 * USDC_ONE, 100
TAKER, OTHERS = 1, (2, 3)
SPREAD = ((0, 1), (2, -1))
CONDOR = ((0, 1), (2, -1), (4, -1), (6, 1))
RESTING = (0, 1, 10, 100, 1_000)


class Market:
    """A venue with one expiry of calls and puts, and two makers in every book."""

    def __init__(self) -> None:
        self.state = State()
        self.nonce = 0
        chain = (b"C" * 20, b"O" * 20, b"P" * 20)
        config = c.Configure("bench", 31337, *chain, 86_400, 64, 86_400, FEES, STANDARD)
        self.do(msgspec.structs.replace(config, combos=True))
        self.do(c.ListUnderlying(0, "BTC_USDC", LOT, USDC_ONE, 5 * USDC_ONE, 1_000 * USDC_ONE))
        self.do(c.ListExpiry(1, 0, START_S + 30 * 86_400))
        for index in range(SERIES):
            self.do(c.ListSeries(1, index, (50_000 + 500 * (index >> 1)) * USDC_ONE, index % 2 == 0))
        for account in (TAKER, *OTHERS):
            self.do(c.ObserveAccount(2 * account - 1, account, bytes([account] * 20)))
            self.do(c.ObserveDeposit(2 * account, account, 10**9 * USDC_ONE))
        vols = (WAD // 2,) * SERIES
        bare = c.Sheet(1, SPOT, WAD, vols, ())
        marks = marks_of(self.state, bare, START_S, 0)
        sheet = msgspec.structs.replace(bare, marks=tuple(marks))
        self.do(c.PostRound(1, START_S, WAD, (c.Spot(0, SPOT, WAD, 0),), (sheet,), ()))

    def do(self, command: c.AnyCommand) -> tuple[e.Event, ...]:
        return apply(self.state, self.state.seq + 1, START_S * 10**9, command)

    def order(self, account: int, series: int, is_buy: bool, qty: int, price: int, tif: int = c.GTC) -> c.Place:
        """An order that nobody signed: the machine does not look."""
        self.nonce += 1
        combo = self.state.combos.get(series)
        legs = combo.legs if combo is not None else ()
        signer = bytes([account] * 20)
        terms = (10**12, tif, False, False, 0, self.nonce, NO_EXPIRY, signer, bytes(65), None, legs)
        return c.Place(c.Authorisation(account, series, is_buy, qty, price, *terms))

    def combo(self, legs: tuple[tuple[int, int], ...]) -> int:
        listed = self.do(c.CreateCombo(tuple(Leg(1 << 16 | index, ratio) for index, ratio in legs)))[0]
        assert isinstance(listed, e.ComboListed)
        return listed.combo

    def fill_books(self) -> None:
        """Both makers on both sides of every leg, ten ticks apart."""
        view = self.state.view
        assert view is not None
        for series, mark in view.marks.items():
            for account in OTHERS:
                for is_buy in (True, False):
                    price = mark // (5 * USDC_ONE) * 5 * USDC_ONE + (-50 if is_buy else 50) * USDC_ONE
                    self.do(self.order(account, series, is_buy, 10**6, max(price, 5 * USDC_ONE)))

    def settled(self) -> None:
        """All that has traded is final: a venue whose settlement keeps up."""
        self.do(c.SealBatch())
        for batch_id in list(self.state.batches):
            self.do(c.ObserveBatch(self.state.mirror.action_id + 1, batch_id, bytes(32), 1, 1))


def main() -> None:
    """Print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COMMANDS
    conditions.show()
    print(f"\n{'one lot of a combo':<44}{'p50 us':>9}{'p99 us':>9}{'p99.9 us':>10}")
    for name, legs in (("two legs", SPREAD), ("four legs", CONDOR)):
        show(f"{name}, through the books of the legs", list(through_legs(legs, count)))
        show(f"{name}, against an order for it", list(against_another(legs, count)))
    print(f"\n{'an order for a leg, with combos resting on it':<44}{'p50 us':>9}{'p99 us':>9}{'p99.9 us':>10}")
    for resting in RESTING:
        show(f"{resting:,} of them", list(beside(resting, count)))


def show(name: str, times: list[float]) -> None:
    times.sort()
    cells = (times[int(share * (len(times) - 1))] * 1e6 for share in (0.5, 0.99, 0.999))
    print("{:<44}{:>9,.0f}{:>9,.0f}{:>10,.0f}".format(name, *cells))


def timed(market: Market, command: c.AnyCommand) -> tuple[float, tuple[e.Event, ...]]:
    gc.disable()
    began = time.thread_time()
    events = market.do(command)
    took = time.thread_time() - began
    gc.enable()
    return took, events


def through_legs(legs: tuple[tuple[int, int], ...], count: int) -> Iterator[float]:
    """The taker buys and sells by turns at any price."""
    market = Market()
    combo = market.combo(legs)
    market.fill_books()
    for number in range(count):
        is_buy = number % 2 == 0
        price = (10**5 if is_buy else -(10**5)) * USDC_ONE
        took, events = timed(market, market.order(TAKER, combo, is_buy, LOT, price, c.IOC))
        assert sum(type(event) is e.Traded for event in events) == len(legs)
        yield took
        if number % 10 == 9:
            market.settled()


def against_another(legs: tuple[tuple[int, int], ...], count: int) -> Iterator[float]:
    market = Market()
    combo = market.combo(legs)
    for number in range(count):
        market.do(market.order(OTHERS[0], combo, number % 2 == 1, LOT, 0))
        took, events = timed(market, market.order(TAKER, combo, number % 2 == 0, LOT, 0))
        assert sum(type(event) is e.Traded for event in events) == len(legs)
        yield took
        if number % 10 == 9:
            market.settled()


def beside(resting: int, count: int) -> Iterator[float]:
    """A better offer of a leg, which the combos on it do not take; then it is gone again."""
    market = Market()
    market.fill_books()
    series = 1 << 16
    for number in range(resting):
        first, second = 1 + number // (SERIES - 2), 1 + number % (SERIES - 2)
        legs = sorted({0: 1, first: 2 + number // 2_000, second + (second >= first): -1}.items())
        market.do(market.order(TAKER, market.combo(tuple(legs)), True, LOT, -(10**6) * USDC_ONE))
    best = market.state.books[series].asks.best()
    assert best is not None
    for _ in range(count):
        took, events = timed(market, market.order(OTHERS[1], series, False, LOT, best - 5 * USDC_ONE))
        assert type(events[-1]) is e.Rested
        yield took
        market.do(c.Cancel(OTHERS[1], market.state.seq))


if __name__ == "__main__":
    main()
