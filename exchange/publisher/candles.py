"""What each instrument traded minute by minute: the bars of charts, and the last day of tickers.

Trades of requests and blocks count as volume and move no price, as everywhere. Bars are of minutes in which something
traded, so many at most over all instruments, the oldest going first. Imports core, dialect.
"""

from collections import deque
from itertools import takewhile
from typing import Any, Final

import msgspec

from exchange.core.units import QTY_ONE, Nanos, Price, Qty
from exchange.dialect.market import Day
from exchange.dialect.numbers import contracts, usdc

MINUTE_NS: Final = 60 * 10**9
DAY_MINUTES: Final = 1_440
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(tuple[int, int, str, tuple[int, int, int, int] | None]).decode
BARS_MAX: Final = 200_000


class Bar(msgspec.Struct, gc=False):
    """A minute: what traded, ``value`` the sum of price x quantity, and open, high, low and close if a price moved."""

    minute: int
    volume: Qty = 0
    value: int = 0
    prices: tuple[Price, Price, Price, Price] | None = None

    def add(self, price: Price, qty: Qty, *, is_public: bool) -> None:
        """Count one trade."""
        self.volume += qty
        self.value += price * qty
        if is_public and self.prices is None:
            self.prices = (price, price, price, price)
        elif is_public and self.prices is not None:
            first, high, low, _ = self.prices
            self.prices = (first, max(high, price), min(low, price), price)


class Candles:
    """Bars by instrument, oldest first."""

    def __init__(self) -> None:
        self._bars: dict[int, deque[Bar]] = {}
        self._order: deque[int] = deque()  # the instrument of each bar, in the order in which they began
        self._days: dict[int, tuple[int, Day]] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._bars.clear()
        self._order.clear()
        self._days.clear()

    def adopt(self, bars: list[tuple[int, Bar]]) -> None:
        """Bars of instruments as they were known before a restart, the oldest first."""
        for series, bar in bars:
            self._bars.setdefault(series, deque()).append(bar)
            self._order.append(series)
            self._forget_oldest()

    def last(self, series: int) -> Bar:
        """The newest bar of an instrument that has traded."""
        return self._bars[series][-1]

    def note(self, series: int, time_ns: Nanos, price: Price, qty: Qty, *, is_public: bool) -> Bar:
        """Count one trade; the bar that it is in."""
        minute, bars = time_ns // MINUTE_NS, self._bars.setdefault(series, deque())
        if not bars or bars[-1].minute != minute:
            bars.append(Bar(minute))
            self._order.append(series)
            self._forget_oldest()
        bars[-1].add(price, qty, is_public=is_public)
        self._days.pop(series, None)
        return bars[-1]

    def _forget_oldest(self) -> None:
        if len(self._order) > BARS_MAX:
            self._bars[self._order.popleft()].popleft()

    def between(self, series: int, first: int, last: int) -> list[Bar]:
        """Bars of the minutes from first to last, both included."""
        newest = takewhile(lambda bar: bar.minute >= first, reversed(self._bars.get(series, ())))
        return [bar for bar in newest if bar.minute <= last][::-1]

    def day(self, series: int, now_ns: Nanos) -> Day:
        """The last 1,440 minutes, the running one included."""
        minute = now_ns // MINUTE_NS
        known = self._days.get(series)
        if known is not None and known[0] == minute:
            return known[1]
        found = _summed(self.between(series, minute - DAY_MINUTES + 1, minute))
        self._days[series] = (minute, found)
        return found


def _summed(bars: list[Bar]) -> Day:
    priced = [bar.prices for bar in bars if bar.prices is not None]
    volume, value = sum(bar.volume for bar in bars), sum(bar.value for bar in bars)
    if not priced:
        return Day(volume, value)
    high, low = max(prices[1] for prices in priced), min(prices[2] for prices in priced)
    return Day(volume, value, priced[0][0], high, low, priced[-1][3], has_price=True)


def merged(bars: list[Bar], minutes: int) -> list[Bar]:
    """The bars as bars of so many minutes each, named by the first of them; the lists are in order."""
    found: list[Bar] = []
    for bar in bars:
        first = bar.minute - bar.minute % minutes
        if not found or found[-1].minute != first:
            found.append(Bar(first))
        into = found[-1]
        into.volume += bar.volume
        into.value += bar.value
        into.prices = _joined(into.prices, bar.prices)
    return found


_Prices = tuple[Price, Price, Price, Price] | None


def _joined(one: _Prices, other: _Prices) -> _Prices:
    if one is None or other is None:
        return one or other
    return (one[0], max(one[1], other[1]), min(one[2], other[2]), other[3])


def bar_object(bar: Bar) -> dict[str, Any]:
    """The dialect's bar; its price is there."""
    assert bar.prices is not None
    first, high, low, close = bar.prices
    return {
        "tick": bar.minute * MINUTE_NS // 10**6,
        "open": usdc(first),
        "high": usdc(high),
        "low": usdc(low),
        "close": usdc(close),
        "volume": contracts(bar.volume),
        "cost": usdc(bar.value) / QTY_ONE,
    }


def encode_bar(bar: Bar) -> bytes:
    """A bar as bytes; its value may outgrow 64 bits, so it is digits."""
    return _encode((bar.minute, bar.volume, str(bar.value), bar.prices))


def decode_bar(data: bytes) -> Bar:
    """The bar again."""
    minute, volume, value, prices = _decode(data)
    return Bar(minute, volume, int(value), prices)
