"""Where an auction clears, and how much of each order takes part: of quotes, what their bounds leave of them.

The price is the one that trades most, then leaves least, then is nearest the mark, then the lower. A bound that fills
would reach takes quotes off the book, and less is on offer than stood there: so fills are tried at the price, what
they would take off counts for what had filled of it, and the price is looked for again, until nothing more is cut. Of
a reduce-only order what it can close takes part. Imports facts, the ledger, quotes and protection.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise, takewhile
from typing import Any, NamedTuple, TypeAlias

from replay.checker import quotes
from replay.checker.bounds import PASSES_MAX
from replay.checker.facts import Order, Series, Underlying
from replay.checker.ledger import Ledger
from replay.checker.protection import Sums, Window

Caps: TypeAlias = Mapping[int, int]
"""Orders that take part with no more than so much."""


class Clearing(NamedTuple):
    """Where an auction clears; ``surplus`` is what is bid for less what is offered there."""

    price: int
    volume: int
    surplus: int


class Share(NamedTuple):
    """An order that takes part, with how much of it does."""

    order: Order
    qty: int


class Due(NamedTuple):
    """How an auction is to end: where it clears (None where nothing does), and who takes part with how much.

    ``restless`` are quotes that go because every price that was tried reaches another bound.
    """

    clearing: Clearing | None
    bids: deque[Share]
    asks: deque[Share]
    restless: dict[int, int]


def due(ledger: Ledger, option: Series) -> Due:
    """How the auction of a series ends with the orders that stand there now."""
    caps: dict[int, int] = {}
    for _ in range(PASSES_MAX):
        bids, asks = shares(option, caps=caps)
        found = _clearing_of(_levels(bids), _levels(asks), option)
        if found is None:
            return Due(None, bids, asks, {})
        cut = Trial(ledger).run(_within(bids, found.price), _within(asks, found.price))
        news = {key: qty for key, qty in cut.items() if caps.get(key) != qty}
        if not news:
            return Due(found, bids, asks, {})
        caps |= news
    return Due(None, deque(), deque(), news)


def _levels(side: Iterable[Share]) -> list[tuple[int, int]]:
    return [(share.order.price, share.qty) for share in side]


def _clearing_of(bids: list[tuple[int, int]], asks: list[tuple[int, int]], option: Series) -> Clearing | None:
    crosses = bids and asks and bids[0][0] >= asks[0][0]
    return clearing(bids, asks, option.step, option.mark) if crosses else None


# -- the price --------------------------------------------------------------------------------------------------------


def clearing(bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]], step: Underlying, near: int) -> Clearing:
    """The best of all prices between the best offer and the best bid; both sides from best to worst and crossing.

    What is bid for and offered changes at named prices only: between two of them the step nearest the mark stands for
    all.
    """
    demand_at, demanded = [-price for price, _ in bids], [0, *accumulate(qty for _, qty in bids)]
    supply_at, supplied = [price for price, _ in asks], [0, *accumulate(qty for _, qty in asks)]
    low, high = asks[0][0], bids[0][0]
    named = sorted({price for price, _ in (*bids, *asks) if low <= price <= high})
    tried = named + [_between(below, above, step, near) for below, above in pairwise(named)]
    found = []
    for price in dict.fromkeys(tried):
        demand = demanded[bisect_right(demand_at, -price)]
        supply = supplied[bisect_right(supply_at, price)]
        found.append(Clearing(price, min(demand, supply), demand - supply))
    return min(found, key=lambda at: (-at.volume, abs(at.surplus), abs(at.price - near), at.price))


def _between(below: int, above: int, step: Underlying, near: int) -> int:
    """The price on a step strictly between two others that is nearest a third; ``below`` when there is none."""
    first, last = below + step.tick_at(below), above - step.tick_at(above - 1)
    if first > last:
        return below
    if not first < near < last:
        return first if near <= first else last
    tick = step.tick_at(near)
    under = near - near % tick
    return under if near - under <= under + tick - near else under + tick


# -- who takes part ---------------------------------------------------------------------------------------------------


def shares(option: Series, *, price: int = 0, caps: Caps | None = None) -> tuple[deque[Share], deque[Share]]:
    """Who takes part on both sides in price-time order, at a price or at any that could be found.

    A reduce-only order closes what is left once the better orders of its account on this side have filled.
    """
    bid, ask = option.bids.first(), option.asks.first()
    if bid is None or ask is None:
        return deque(), deque()
    bids = _side(option.bids.in_turn(), price or ask.price, caps or {})
    return deque(bids), deque(_side(option.asks.in_turn(), price or bid.price, caps or {}))


def reaching(orders: Iterator[Order], price: int) -> Iterator[Order]:
    """Those of a side, from best to worst, who would trade at a price."""
    return takewhile(lambda order: order.price >= price if order.is_buy else order.price <= price, orders)


def _side(orders: Iterator[Order], limit: int, caps: Caps) -> Iterator[Share]:
    ahead: dict[int, int] = {}
    for order in reaching(orders, limit):
        qty, account = min(order.left, caps.get(order.id, order.left)), order.account
        if order.reduce_only:
            qty = min(qty, max(order.reducible() - ahead.get(account.id, 0), 0))
        ahead[account.id] = ahead.get(account.id, 0) + qty
        if qty:
            yield Share(order, qty)


def _within(side: Iterable[Share], price: int) -> list[Share]:
    """Those who trade at a price."""
    return [
        share for share in side if (share.order.price >= price if share.order.is_buy else share.order.price <= price)
    ]


# -- what bounds cut --------------------------------------------------------------------------------------------------


class Trial:
    """Fills that nobody has made: what each group and mandate would count, and whom that would take off the book."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.windows: dict[tuple[int, str], Window] = {}
        self.spent: dict[int, Sums] = {}
        self.filled: dict[int, int] = {}
        self.off: dict[int, int] = {}  # what had filled of an order when it was taken off

    def run(self, bids: list[Share], asks: list[Share]) -> dict[int, int]:
        """The first with the first until one side is through; what was cut, and at how much."""
        if all(share.order.group_of_quotes is None for share in (*bids, *asks)):
            return {}
        buyers, sellers = deque(bids), deque(asks)
        while buyers and sellers:
            for side in (buyers, sellers):
                if not self._left(side[0]):
                    side.popleft()
                    break
            else:
                qty = min(self._left(buyers[0]), self._left(sellers[0]))
                self._fill((buyers[0].order, sellers[0].order), qty)
        return self.off

    def _left(self, share: Share) -> int:
        return 0 if share.order.id in self.off else share.qty - self.filled.get(share.order.id, 0)

    def _fill(self, pair: tuple[Order, Order], qty: int) -> None:
        for order in pair:
            self.filled[order.id] = self.filled.get(order.id, 0) + qty
        for order in pair:
            if order.group_of_quotes is not None:
                self._count(order, order.group_of_quotes, qty if order.is_buy else -qty)

    def _count(self, order: Order, group: Any, bought: int) -> None:
        mandate, spent = order.mandate, None
        signed = order.leaf if mandate is not None else order.terms
        window = self.windows.setdefault((group.account, group.name), group.window(self.ledger.time_ns))
        if mandate is not None:
            spent = self.spent.setdefault(mandate.id, mandate.sums.copied())
            spent.add(signed, bought)
        if window.add(signed, bought) is not None:
            self._take_off(quotes.protected(self.ledger, group))
        elif mandate is not None and mandate.reached(spent):
            self._take_off(each for each in quotes.standing(self.ledger, group) if each.mandate is mandate)

    def _take_off(self, orders: Iterable[Order]) -> None:
        for order in orders:
            filled = self.filled.get(order.id, 0)
            if order.left > filled:
                self.off.setdefault(order.id, filled)
