"""The slowest book that could be right: one list of orders, searched anew for every message and every fill.

Written from the description of the reports in ``conformance/README.md``. It shares no code with the exchange, and
should be so short that one sees it is right. Quantities, prices and ids are plain integers.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

NEW, CANCEL, MODIFY = 0, 1, 2
BUY, SELL = 0, 1


@dataclass
class Order:
    id: int
    side: int
    price: int
    left: int

    def beats(self, other: "Order") -> bool:
        """Whether it stands in front of an order that has waited longer."""
        return self.price > other.price if self.side == BUY else self.price < other.price

    def meets(self, other: "Order") -> bool:
        """Whether it would trade with an order of the other side."""
        buyer, seller = (self, other) if self.side == BUY else (other, self)
        return buyer.side != seller.side and buyer.price >= seller.price


class PlainBook:
    """Orders that rest, in the order in which they came; and the report so far."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.lines: list[str] = []

    def take(self, messages: Iterable[tuple[int, ...]]) -> None:
        for kind, side, ioc, qty, seq, number, price, _ in messages:
            (self.new, self.cancel, self.modify)[kind](seq, Order(number, side, price, qty), bool(ioc))

    def tell(self, *words: int) -> None:
        self.lines.append(",".join(str(word) for word in words))

    def new(self, seq: int, order: Order, ioc: bool) -> None:
        self.tell(0, seq, order.side, order.id, order.price, order.left)
        self.match(seq, order, ioc)

    def cancel(self, seq: int, named: Order, ioc: bool) -> None:
        del ioc
        order = self.find(named.id)
        if order is None:
            self.tell(4, seq, named.id)
        else:
            self.orders.remove(order)
            self.tell(2, seq, order.side, order.id, order.price)

    def modify(self, seq: int, order: Order, ioc: bool) -> None:
        old, qty = self.find(order.id), order.left
        if old is None:
            self.tell(5, seq, order.id)
        else:
            self.orders.remove(old)
            self.match(seq, order, ioc)
            self.tell(3, seq, order.side, order.id, order.price, qty)

    def match(self, seq: int, order: Order, ioc: bool) -> None:
        while order.left and (maker := self.first(1 - order.side)) and order.meets(maker):
            qty = min(order.left, maker.left)
            self.tell(1, seq, maker.price, qty, maker.id, order.id)
            order.left -= qty
            maker.left -= qty
            if not maker.left:
                self.orders.remove(maker)
        if order.left and ioc:
            self.tell(2, seq, order.side, order.id, order.price)
        elif order.left:
            self.orders.append(order)

    def find(self, number: int) -> Order | None:
        return next((order for order in self.orders if order.id == number), None)

    def first(self, side: int) -> Order | None:
        found = None
        for order in self.orders:
            if order.side == side and (found is None or order.beats(found)):
                found = order
        return found

    def depth(self, side: int) -> list[tuple[int, int]]:
        """Levels as (price, quantity), the best first."""
        levels = Counter[int]()
        for order in self.orders:
            if order.side == side:
                levels[order.price] += order.left
        return sorted(levels.items(), reverse=side == BUY)
