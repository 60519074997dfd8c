"""One side of a book as the checker sees it: who is first, and nothing else.

A heap of (price, arrival, order), the best first. Who has left is passed over when met, and swept out when those who
left are more than those who stand, so a step costs O(log n) and memory follows the orders that stand. The machine keeps
sorted levels instead; neither knows the other. Imports nothing.
"""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Final, TypeAlias

from replay.checker.facts import Order

LEFT_MIN: Final = 64
Place: TypeAlias = tuple[int, int, Order]


class Ladder:
    """Bids with ``sign`` -1, asks with 1: the place with the least key is first."""

    __slots__ = ("heap", "sign", "standing")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.heap: list[Place] = []
        self.standing = 0

    def add(self, order: Order, arrival: int) -> None:
        """An order takes its place behind everyone who arrived at its price before."""
        place = (self.sign * order.price, arrival, order)
        order.place = place
        self.standing += 1
        heappush(self.heap, place)

    def drop(self, order: Order) -> None:
        """An order leaves its place."""
        order.place = None
        self.standing -= 1
        if len(self.heap) > 2 * self.standing + LEFT_MIN:
            self.heap = [place for place in self.heap if place[2].place is place]
            heapify(self.heap)

    def first(self) -> Order | None:
        """Who stands first."""
        heap = self.heap
        while heap:
            order = heap[0][2]
            if order.place is heap[0]:
                return order
            heappop(heap)
        return None

    def in_turn(self) -> Iterator[Order]:
        """Those who stand, in their order; nobody may come or leave meanwhile."""
        passed: list[Place] = []
        try:
            while (order := self.first()) is not None:
                passed.append(heappop(self.heap))
                yield order
        finally:
            for place in passed:
                heappush(self.heap, place)
