"""A message of a hundred two-sided quotes: how long until the machine has replaced them, and the door has proved them.

One maker quotes a hundred series on both sides and moves every price each time, keeps every price, or moves half of
them; four others stand in every book. ``apply`` alone is processor time of the thread. At the door the root of the
tree is built again and the signature recovered; the journal's bytes are those of command and events.
`python -m benchmarks.quoting [messages]`
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable

from benchmarks import conditions
from exchange import codec
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.machine import apply
from exchange.core.pricing import marks_of
from exchange.core.state import State
from exchange.core.units import NO_EXPIRY, USDC_ONE, WAD
from exchange.shell.deploy import FEES, STANDARD
from exchange.signing import address_of, domain_separator, mandate_digest, mandate_root, recover, sign

MESSAGES = 300
SERIES = 100
START_S = 1_800_000_000
SPOT = 62_000 * USDC_ONE
KEY = b"\x11" * 32
MAKER = 1
OTHERS = range(2, 6)
LOTS = 1_000
GROUP = "front"
# How far from the middle a message quotes, in ticks, by its number; and on how many of the series.
SHAPES: dict[str, Callable[[int, int], int]] = {
    "every price moves": lambda number, _: 4 + number % 2,
    "no price moves": lambda _number, _place: 4,
    "half of them move": lambda number, place: 4 + (number % 2 if place % 2 else 0),
}


def main() -> None:
    """Print the table."""
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES
    conditions.show()
    print(f"\n{'200 quotes, replaced':<28}{'p50 us':>9}{'p99 us':>9}{'quotes/s':>11}{'bytes':>9}")
    for covered in (False, True):
        for name, shape in SHAPES.items():
            title = f"{name}, covered" if covered else name
            times, size = measure(messages, shape, covered=covered)
            rate = 2 * SERIES * len(times) / sum(times)
            print(f"{title:<28}{at(times, 0.5):>9,.0f}{at(times, 0.99):>9,.0f}{rate:>11,.0f}{size:>9,}")
    times = [proved(number) for number in range(messages)]
    print(f"{'root and signature, checked':<28}{at(times, 0.5):>9,.0f}{at(times, 0.99):>9,.0f}")


def at(times: list[float], share: float) -> float:
    """A quantile in microseconds."""
    return sorted(times)[int(share * (len(times) - 1))] * 1e6


def market(*, covered: bool) -> State:
    """A hundred series, with four others on both sides of every book."""
    state = State()
    chain = (b"C" * 20, b"O" * 20, b"P" * 20)
    made: list[c.AnyCommand] = [
        c.Configure("bench", 31337, *chain, 86_400, 64, 86_400, FEES, STANDARD, mandates=True),
        c.ListUnderlying(0, "BTC_USDC", 100, USDC_ONE, 5 * USDC_ONE, 1_000 * USDC_ONE),
        c.ListExpiry(1, 0, START_S + 30 * 86_400),
    ]
    made += [c.ListSeries(1, index, (40_000 + 500 * index) * USDC_ONE, index % 2 == 0) for index in range(SERIES)]
    for account in (MAKER, *OTHERS):
        made.append(
            c.ObserveAccount(2 * account - 1, account, address_of(KEY) if account == MAKER else bytes([account] * 20))
        )
        made.append(c.ObserveDeposit(2 * account, account, 10**9 * USDC_ONE))
    made.append(c.SetProtection(MAKER, GROUP, c.Protection(10**10, 10**9, 0, 0, 0, 0, covered)))
    for command in made:
        step(state, command)
    step(state, first_round(state))
    for account in OTHERS:
        for series in state.series:
            for is_buy in (True, False):
                terms = (account, series, is_buy, 1_000, price_of(state, series, is_buy, 10 + account), 100 * USDC_ONE)
                nonce = state.seq
                signed = (*terms, c.GTC, False, False, 0, nonce, NO_EXPIRY, bytes([account] * 20), bytes(65))
                step(state, c.Place(c.Authorisation(*signed)))
    return state


def first_round(state: State) -> c.PostRound:
    bare = c.Sheet(1, SPOT, WAD, (WAD // 2,) * SERIES, ())
    marks = marks_of(state, bare, START_S, 0)
    sheet = c.Sheet(1, SPOT, WAD, bare.vols, marks)
    return c.PostRound(1, START_S, WAD, (c.Spot(0, SPOT, WAD, 0),), (sheet,), ())


def price_of(state: State, series: int, is_buy: bool, away: int) -> int:
    """So many ticks of five from the mark, rounded to one, and never below one."""
    assert state.view is not None
    tick = 5 * USDC_ONE
    middle = max(state.view.marks[series] // tick, 40) * tick
    return middle + (-away if is_buy else away) * tick


def message(state: State, number: int, shape: Callable[[int, int], int], *, covered: bool) -> c.MassQuote:
    """Both sides of every series, under one signature that nobody checks here."""
    leaves = []
    for place, series in enumerate(state.series):
        away = shape(number, place)
        leaves += [
            c.QuoteLeaf(series, is_buy, LOTS, price_of(state, series, is_buy, away), 5_000, 10**8)
            for is_buy in (True, False)
        ]
    qty = 100 * LOTS if covered else 0
    mandate = c.QuoteMandate(MAKER, 10**6 + number, NO_EXPIRY, 0, qty, 0, 0, 0, address_of(KEY), bytes(65))
    return c.MassQuote(mandate, tuple(leaves), GROUP)


def step(state: State, command: c.AnyCommand) -> tuple[e.Event, ...]:
    events = apply(state, state.seq + 1, START_S * 10**9, command)
    assert type(events[0]) is not e.Rejected, (command, events)
    return events


def measure(messages: int, shape: Callable[[int, int], int], *, covered: bool) -> tuple[list[float], int]:
    """Seconds of each message, and the bytes of one in the journal."""
    state, times, size = market(covered=covered), [], 0
    drawn = [message(state, number, shape, covered=covered) for number in range(messages + 1)]
    step(state, drawn[0])
    gc.collect()
    for command in drawn[1:]:
        begun = time.thread_time()
        events = step(state, command)
        times.append(time.thread_time() - begun)
        assert sum(type(event) is e.Quoted for event in events) == 2 * SERIES
        size = len(codec.encode_command(command)) + len(codec.encode_events(events))
    return times, size


def proved(number: int) -> float:
    """Seconds to rebuild the root of a message of two hundred leaves and to recover who signed it."""
    leaves = [
        c.QuoteLeaf(1 << 16 | place >> 1, place % 2 == 0, LOTS, 5 * (place + number), 5_000, 10**8)
        for place in range(200)
    ]
    mandate = c.QuoteMandate(MAKER, number, NO_EXPIRY, 0, 0, 0, 0, 0, b"", b"")
    domain = domain_separator(31337, b"C" * 20)
    signature = sign(KEY, mandate_digest(domain, mandate, mandate_root(leaves)))
    begun = time.thread_time()
    found = recover(mandate_digest(domain, mandate, mandate_root(leaves)), signature)
    spent = time.thread_time() - begun
    assert found == address_of(KEY)
    return spent


if __name__ == "__main__":
    main()
