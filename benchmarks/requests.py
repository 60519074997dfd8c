"""Requests for quotes: how long the machine takes to put a quote in place, to replace one, and to fill an acceptance.

A taker asks; four makers answer, each with a price of its own; an acceptance fills all of them. Of one series, and of a
spread of two. ``apply`` alone, in processor time of the thread; signatures are checked before it, at the door, and cost
what any signature costs, see ``benchmarks.machine``. `python -m benchmarks.requests [requests]`
"""

from __future__ import annotations

import gc
import sys
import time

from benchmarks import conditions
from benchmarks.quoting import at
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.legs import Leg, Legs
from exchange.core.machine import apply
from exchange.core.pricing import marks_of
from exchange.core.state import State
from exchange.core.units import NO_EXPIRY, USDC_ONE, WAD
from exchange.shell.deploy import FEES, STANDARD

REQUESTS = 300
START_S = 1_800_000_000
SPOT = 62_000 * USDC_ONE
TAKER = 1
MAKERS = range(2, 6)
SERIES = 10
LOTS = 1_000
LOW, HIGH = 1 << 16 | 4, 1 << 16 | 6
SPREAD: Legs = (Leg(LOW, 1), Leg(HIGH, -1))
STEPS = ("asked", "quoted", "replaced", "accepted, four fills", "taken back")


def main() -> None:
    """Print the table."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else REQUESTS
    conditions.show()
    print(f"\n{'us':<24}{'p50':>8}{'p99':>8}{'two legs p50':>14}{'p99':>8}")
    one, two = measure(requests, ()), measure(requests, SPREAD)
    for name in STEPS:
        print(
            f"{name:<24}{at(one[name], 0.5):>8,.0f}{at(one[name], 0.99):>8,.0f}"
            f"{at(two[name], 0.5):>14,.0f}{at(two[name], 0.99):>8,.0f}"
        )


def market() -> State:
    """Ten series, a taker, and four makers who answer requests."""
    state = State()
    chain = (b"C" * 20, b"O" * 20, b"P" * 20)
    made: list[c.AnyCommand] = [
        c.Configure("bench", 31337, *chain, 86_400, 64, 86_400, FEES, STANDARD, combos=True, rfqs=True),
        c.ListUnderlying(0, "BTC_USDC", 100, USDC_ONE, 5 * USDC_ONE, 1_000 * USDC_ONE),
        c.ListExpiry(1, 0, START_S + 30 * 86_400),
    ]
    made += [c.ListSeries(1, index, (60_000 + 500 * index) * USDC_ONE, True) for index in range(SERIES)]
    for account in (TAKER, *MAKERS):
        made.append(c.ObserveAccount(2 * account - 1, account, bytes([account] * 20)))
        made.append(c.ObserveDeposit(2 * account, account, 10**9 * USDC_ONE))
    made += [c.AdmitMaker(account, True) for account in MAKERS]
    for command in made:
        timed(state, command)
    bare = c.Sheet(1, SPOT, WAD, (WAD // 2,) * SERIES, ())
    sheet = c.Sheet(1, SPOT, WAD, bare.vols, marks_of(state, bare, START_S, 0))
    timed(state, c.PostRound(1, START_S, WAD, (c.Spot(0, SPOT, WAD, 0),), (sheet,), ()))
    return state


def timed(state: State, command: c.AnyCommand) -> float:
    """Seconds of a command that must not be refused."""
    begun = time.thread_time()
    events = apply(state, state.seq + 1, START_S * 10**9, command)
    spent = time.thread_time() - begun
    assert type(events[0]) is not e.Rejected, (command, events)
    return spent


def measure(requests: int, legs: Legs) -> dict[str, list[float]]:
    """Seconds of each step of so many requests, one after another; sides take turns, and positions stay small."""
    state = market()
    times: dict[str, list[float]] = {name: [] for name in STEPS}
    gc.collect()
    for number in range(requests):
        is_buy = number % 2 == 0
        times["asked"].append(timed(state, asking(legs)))
        rfq = state.seq
        middle = price_of(state, legs)
        for place, maker in enumerate(MAKERS):
            price = middle + (10 * place if is_buy else -10 * place) * USDC_ONE
            times["quoted"].append(timed(state, c.QuoteRfq(order(state, rfq, maker, not is_buy, LOTS, price, legs))))
            quote = state.seq
            terms = (rfq, maker, not is_buy, LOTS, price + (5 if is_buy else -5) * USDC_ONE, legs, state.seq)
            times["replaced"].append(timed(state, c.RequoteRfq(quote, order(state, *terms))))
        limit = middle + (100 if is_buy else -100) * USDC_ONE
        taking = order(state, rfq, TAKER, is_buy, len(MAKERS) * LOTS, limit, legs, tif=c.FOK)
        times["accepted, four fills"].append(timed(state, c.AcceptRfq(taking)))
        assert rfq not in state.rfqs or state.rfqs[rfq].filled == len(MAKERS) * LOTS
        quote_back(state, legs, is_buy=is_buy, times=times["taken back"])
        timed(state, c.Tick())
    return times


def quote_back(state: State, legs: Legs, *, is_buy: bool, times: list[float]) -> None:
    """A quote that is cancelled, of a request that is closed."""
    timed(state, asking(legs))
    rfq, maker = state.seq, MAKERS[0]
    timed(state, c.QuoteRfq(order(state, rfq, maker, not is_buy, LOTS, price_of(state, legs), legs)))
    times.append(timed(state, c.Cancel(maker, state.seq)))
    timed(state, c.CloseRfq(TAKER, rfq))


def asking(legs: Legs) -> c.OpenRfq:
    """A request of the taker to every maker."""
    series = 0 if legs else LOW
    return c.OpenRfq(TAKER, series, c.UNTOLD, len(MAKERS) * LOTS, 100, 0, START_S + 60, legs=legs)


def price_of(state: State, legs: Legs) -> int:
    """The mark in whole ticks of five."""
    assert state.view is not None
    mark = sum(leg.ratio * state.view.marks[leg.series] for leg in legs or (Leg(LOW, 1),))
    return mark // (5 * USDC_ONE) * 5 * USDC_ONE


def order(
    state: State,
    rfq: int,
    account: int,
    is_buy: bool,
    qty: int,
    price: int,
    legs: Legs,
    replaced: int = 0,
    *,
    tif: int = c.GTC,
) -> c.Authorisation:
    """An order good for a request; its nonce is the number of its record, and its signature nobody checks here."""
    return c.Authorisation(
        account=account,
        series=state.rfqs[rfq].request.series,
        is_buy=is_buy,
        qty=qty,
        price=price,
        max_fee=100 * USDC_ONE,
        tif=tif,
        post_only=False,
        reduce_only=False,
        replaces=replaced + 1 if replaced else 0,
        nonce=state.seq + 1,
        expiry_s=NO_EXPIRY,
        signer=bytes([account] * 20),
        signature=bytes(65),
        terms=c.Terms(rfq=rfq),
        legs=legs,
    )


if __name__ == "__main__":
    main()
