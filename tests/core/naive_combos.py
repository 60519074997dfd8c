"""Combos the slow and obvious way: one lot at a time, looking at every book anew before each.

Written from the rules (docs/adr, combos and their legs); it shares no code with the exchange and knows nothing of money.
Quantities are lots, prices whole numbers. A leg that is sold counts with its price below zero.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

Legs = tuple[tuple[str, int], ...]  # name of the leg, ratio
TOGETHER, ACCOUNTS = 6, 5  # orders of legs that may fill as one lot, and accounts, with that of the combo


@dataclass
class Order:
    id: int
    account: int
    book: str
    is_buy: bool
    left: int
    price: int
    post_only: bool = False


@dataclass
class Done:
    """What a request led to: lots by order, what each combo order paid, who ended and why."""

    filled: dict[int, int] = field(default_factory=dict)
    paid: dict[int, int] = field(default_factory=dict)
    ended: dict[int, str] = field(default_factory=dict)


class Refused(Exception):
    """A request that changes nothing."""


class NaiveMarket:
    """Books of legs and of combos. ``owners`` says whose wallet holds each account."""

    def __init__(self, owners: dict[int, str], combos: dict[str, Legs]) -> None:
        self.owners, self.combos = owners, combos
        self.orders: list[Order] = []  # in order of arrival
        self.held: dict[tuple[int, str], int] = {}

    def queue(self, book: str, is_buy: bool) -> list[Order]:
        """A side from best to worst: price, then arrival."""
        side = [order for order in self.orders if order.book == book and order.is_buy == is_buy and order.left]
        return sorted(side, key=lambda order: -order.price if is_buy else order.price)

    # -- requests -----------------------------------------------------------------------------------------------------

    def place(self, new: Order, tif: str) -> Done:
        """A new order, then whoever it has reached."""
        before = [Order(**vars(order)) for order in self.orders], dict(self.held)
        done = Done()
        if new.post_only and next(iter(self.ways(new)), None) is not None:
            raise Refused("post_only_must_not_cross")
        stopped = self.trade(new, done)
        if tif == "fok" and new.left:
            self.orders, self.held = before
            raise Refused("fill_or_kill_must_fill")
        if new.left and (stopped or tif == "ioc"):
            done.ended[new.id] = stopped or "immediate_remainder"
        elif new.left:
            self.orders.append(new)
        self.settle_down(done)
        return done

    def cancel(self, order_id: int) -> Done:
        self.orders = [order for order in self.orders if order.id != order_id]
        done = Done(ended={order_id: "by_owner"})
        self.settle_down(done)
        return done

    # -- one lot at a time --------------------------------------------------------------------------------------------

    def ways(self, new: Order) -> Iterator[tuple[int, list[tuple[Order, int]]]]:
        """What one lot would cost within the limit, and from whom: the best way first, a book of its own before legs."""
        found = [(maker.price, [(maker, 1)]) for maker in self.queue(new.book, not new.is_buy)[:1]]
        if new.book in self.combos:
            through = self.through_legs(new)
            found += [through] if through is not None else []
        found.sort(key=lambda way: way[0] if new.is_buy else -way[0])  # stable: at the same price as they stand here
        yield from (way for way in found if (way[0] <= new.price if new.is_buy else way[0] >= new.price))

    def through_legs(self, new: Order) -> tuple[int, list[tuple[Order, int]]] | None:
        """The price of one lot from the books of the legs; None where they do not hold one."""
        price, makers = 0, list[tuple[Order, int]]()
        for name, ratio in self.combos[new.book]:
            buys = new.is_buy == (ratio > 0)
            wanted = abs(ratio)
            for maker in self.queue(name, not buys):
                lots = min(wanted, maker.left)
                if lots:
                    makers.append((maker, lots))
                    price += maker.price * lots * (1 if ratio > 0 else -1)
                wanted -= lots
            if wanted:
                return None
        accounts = {new.account, *(maker.account for maker, _ in makers)}
        return (price, makers) if len(makers) <= TOGETHER and len(accounts) <= ACCOUNTS else None

    def trade(self, new: Order, done: Done) -> str:
        """Lot by lot, until it is filled, or nobody is left, or it meets its owner."""
        while new.left and (way := next(iter(self.ways(new)), None)) is not None:
            price, makers = way
            if any(self.owners[maker.account] == self.owners[new.account] for maker, _ in makers):
                return "self_trade"
            for maker, lots in makers:
                maker.left -= lots
                done.filled[maker.id] = done.filled.get(maker.id, 0) + lots
                self.move(maker.account, maker.book, lots if maker.is_buy else -lots)
            new.left -= 1
            done.filled[new.id] = done.filled.get(new.id, 0) + 1
            done.paid[new.id] = done.paid.get(new.id, 0) + price
            self.move(new.account, new.book, 1 if new.is_buy else -1)
            self.orders = [order for order in self.orders if order.left]
        return ""

    def move(self, account: int, book: str, lots: int) -> None:
        for name, ratio in self.combos.get(book, ((book, 1),)):
            self.held[account, name] = self.held.get((account, name), 0) + ratio * lots

    def settle_down(self, done: Done) -> None:
        """Combos that their legs have reached trade, who has waited longest first."""
        while (order := self.first_reached()) is not None:
            if order.post_only:
                done.ended[order.id] = "post_only"
                order.left = 0
            else:
                stopped = self.trade(order, done)
                if stopped:
                    done.ended[order.id] = stopped
                    order.left = 0
            self.orders = [one for one in self.orders if one.left]

    def first_reached(self) -> Order | None:
        best = [queue[0] for book in self.combos for side in (True, False) if (queue := self.queue(book, side))]
        reached = [order for order in best if self.is_reached(order)]
        return min(reached, key=self.orders.index, default=None)

    def is_reached(self, order: Order) -> bool:
        way = self.through_legs(order)
        return way is not None and (way[0] <= order.price if order.is_buy else way[0] >= order.price)
