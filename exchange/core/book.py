"""The limit order book of one series: price-time priority, and nothing about money.

A side keeps its prices in a sorted list with the best one last, and per price a queue in priority order with its total.
Every operation the matching path needs is O(1) or one bisection. Imports units.
"""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator

from exchange.core.state_types import Order
from exchange.core.units import Price, Qty


class Level:
    """Orders at one price, first in first out."""

    __slots__ = ("orders", "total")

    def __init__(self) -> None:
        # An ordered dict, not a dict: removing the head of a large plain dict again and again is quadratic.
        self.orders: OrderedDict[int, Order] = OrderedDict()
        self.total: Qty = 0


class Side:
    """Bids or asks. Keys are prices for bids and negated prices for asks, so the best key is always the largest."""

    __slots__ = ("keys", "levels", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.keys: list[int] = []
        self.levels: dict[int, Level] = {}

    def best(self) -> Price | None:
        """Best price, or None when the side is empty."""
        return self.keys[-1] * self.sign if self.keys else None

    def add(self, order: Order) -> None:
        """Queue an order behind those already at its price."""
        key = order.price * self.sign
        level = self.levels.get(key)
        if level is None:
            level = self.levels[key] = Level()
            insort(self.keys, key)
        level.orders[order.id] = order
        level.total += order.qty - order.filled

    def remove(self, order: Order) -> None:
        """Take an order out, wherever it stands in its queue."""
        key = order.price * self.sign
        level = self.levels[key]
        del level.orders[order.id]
        level.total -= order.qty - order.filled
        if not level.orders:
            del self.levels[key]
            del self.keys[bisect_left(self.keys, key)]

    def reduce(self, order: Order, by: Qty) -> None:
        """Shrink an order where it stands; the caller changes the order itself."""
        self.levels[order.price * self.sign].total -= by

    def total_at(self, price: Price) -> Qty:
        """Quantity resting at a price."""
        level = self.levels.get(price * self.sign)
        return level.total if level is not None else 0

    def orders(self) -> Iterator[Order]:
        """Orders from best to worst, first to last."""
        for key in reversed(self.keys):
            yield from self.levels[key].orders.values()

    def depth(self, count: int) -> list[tuple[Price, Qty]]:
        """The best ``count`` levels as (price, total)."""
        return [(key * self.sign, self.levels[key].total) for key in self.keys[: -count - 1 : -1]]


class Book:
    """Both sides of one series."""

    __slots__ = ("asks", "bids")

    def __init__(self) -> None:
        self.bids = Side(1)
        self.asks = Side(-1)

    def side(self, *, is_buy: bool) -> Side:
        """The side an order of this direction rests on."""
        return self.bids if is_buy else self.asks

    def crossed(self) -> bool:
        """Whether the best bid has reached the best ask, which must never last beyond a command."""
        bids, asks = self.bids.keys, self.asks.keys
        return bool(bids and asks) and bids[-1] + asks[-1] >= 0  # keys of asks are negated prices
