"""The limit order book of one series: price-time priority, and nothing about money.

A side keeps its prices in a sorted list with the best one last, and per price a queue in priority order with its total.
Every operation the matching path needs is O(1) or one bisection. What rests is anything with an id, a price and a
quantity: orders here, plain messages in ``benchmarks/book.py``. Imports units.
"""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from exchange.core.units import Price, Qty


class Resting(Protocol):
    """What the book knows of an order: which one it is, where it stands, and how much of it is left."""

    id: int
    price: Price
    qty: Qty
    filled: Qty


R = TypeVar("R", bound=Resting)
# A plain dict is cheaper, but finding its head means stepping over what was removed there, again and again. One that
# never held this many orders at a time has few such gaps, for it closes them whenever it is full.
DEEP: Final = 64


class Level(msgspec.Struct, Generic[R], gc=False):
    """Orders at one price, first in first out; ``hidden`` of their ``total`` is not shown.

    A deep queue is an ordered dict, whose head is removed in O(1).
    """

    orders: dict[int, R]
    total: Qty
    hidden: Qty = 0


class Side(Generic[R]):
    """Bids or asks. Keys are prices for bids and negated prices for asks, so the best key is always the largest."""

    __slots__ = ("keys", "levels", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.keys: list[int] = []
        self.levels: dict[int, Level[R]] = {}

    # -- what rests ---------------------------------------------------------------------------------------------------

    def add(self, order: R) -> None:
        """Queue an order behind those already at its price."""
        key = order.price * self.sign
        level = self.levels.get(key)
        if level is None:
            self.levels[key] = Level({order.id: order}, order.qty - order.filled)
            insort(self.keys, key)
            return
        orders = level.orders
        orders[order.id] = order
        level.total += order.qty - order.filled
        if len(orders) == DEEP:
            level.orders = OrderedDict(orders)

    def remove(self, order: R) -> None:
        """Take an order out, wherever it stands in its queue."""
        key = order.price * self.sign
        level = self.levels[key]
        orders = level.orders
        del orders[order.id]
        if orders:
            level.total -= order.qty - order.filled
        else:
            del self.levels[key]
            del self.keys[bisect_left(self.keys, key)]

    def take(self, order: R, by: Qty) -> bool:
        """Take quantity off an order where it stands; the caller changes the order itself.

        True if nothing is left and the order is gone.
        """
        if by == order.qty - order.filled:
            self.remove(order)
            return True
        self.levels[order.price * self.sign].total -= by
        return False

    def hide(self, price: Price, qty: Qty) -> None:
        """Show so much less of what rests at a price, or with a negative quantity more."""
        self.levels[price * self.sign].hidden += qty

    # -- who meets whom -----------------------------------------------------------------------------------------------

    def meets(self, limit: Price) -> bool:
        """Whether somebody on the other side who goes as far as ``limit`` would trade here."""
        keys = self.keys
        return bool(keys) and keys[-1] >= limit * self.sign

    def within(self, limit: Price) -> Iterator[R]:
        """Those he would meet, best price first, first in first out: the walk of every match.

        Matching is planned on this walk and written afterwards; nothing may be added or removed before it ends.
        """
        bound, levels = limit * self.sign, self.levels
        for key in reversed(self.keys):
            if key < bound:
                return
            yield from levels[key].orders.values()

    def reach(self, limit: Price) -> list[tuple[Price, Qty]]:
        """The levels he would meet, best first, as (price, total), what is hidden included."""
        first = bisect_left(self.keys, limit * self.sign)
        return [(key * self.sign, self.levels[key].total) for key in reversed(self.keys[first:])]

    # -- what one sees ------------------------------------------------------------------------------------------------

    def best(self) -> Price | None:
        """Best price, or None when the side is empty."""
        return self.keys[-1] * self.sign if self.keys else None

    def total_at(self, price: Price) -> Qty:
        """Quantity shown at a price."""
        level = self.levels.get(price * self.sign)
        return level.total - level.hidden if level is not None else 0

    def orders(self) -> Iterator[R]:
        """Orders from best to worst, first to last."""
        for key in reversed(self.keys):
            yield from self.levels[key].orders.values()

    def depth(self, count: int) -> list[tuple[Price, Qty]]:
        """The best ``count`` levels as (price, quantity shown)."""
        levels = self.levels
        return [(key * self.sign, levels[key].total - levels[key].hidden) for key in self.keys[: -count - 1 : -1]]


class Book(Generic[R]):
    """Both sides of one series."""

    __slots__ = ("asks", "bids")

    def __init__(self) -> None:
        self.bids: Side[R] = Side(1)
        self.asks: Side[R] = Side(-1)

    def side(self, *, is_buy: bool) -> Side[R]:
        """The side an order of this direction rests on."""
        return self.bids if is_buy else self.asks

    def crossed(self) -> bool:
        """Whether the best bid has reached the best ask, which must never last beyond a command."""
        bids, asks = self.bids.keys, self.asks.keys
        return bool(bids and asks) and bids[-1] + asks[-1] >= 0  # keys of asks are negated prices
