"""The production book behind plain messages: the adapter that a neutral oracle judges.

``Desk`` turns each message into calls of the very ``Side`` that the machine matches on: the same walk down the other
side, the same queues. What is missing is money. It writes the report of tests/core/conformance/README.md.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from benchmarks.streams import CANCEL, NEW, Message
from exchange.core.book import Book, Side


class DuplicateOrder(ValueError):
    """A new order under the id of one that still rests."""


class Plain(msgspec.Struct, gc=False):
    """A resting message: what the book knows of it, its side, and the words that reports name it with."""

    id: int
    price: int
    qty: int
    filled: int
    side: int
    words: str


class Desk:
    """The production book behind plain messages."""

    def __init__(self) -> None:
        self.book: Book[Plain] = Book()
        self.sides: tuple[Side[Plain], Side[Plain]] = (self.book.bids, self.book.asks)
        self.live: dict[int, Plain] = {}
        self.lines: list[str] = []

    def take(self, messages: Iterable[Message]) -> None:
        """New orders that meet nobody, and cancels, are nearly all there is; the rest has functions of its own."""
        live, say, sides = self.live, self.lines.append, self.sides
        for kind, side, ioc, qty, seq, number, price, _ in messages:
            if kind == NEW:
                if number in live:
                    raise DuplicateOrder(f"message {seq}: order {number} still rests")
                words = f"{side},{number},{price}"
                say(f"0,{seq},{words},{qty}")
                if sides[1 - side].meets(price):
                    self._match(seq, Plain(number, price, qty, 0, side, words), ioc)
                elif ioc:
                    say(f"2,{seq},{words}")
                else:
                    order = live[number] = Plain(number, price, qty, 0, side, words)
                    sides[side].add(order)
            elif kind == CANCEL:
                gone = live.pop(number, None)
                if gone is not None:
                    sides[gone.side].remove(gone)
                    say(f"2,{seq},{gone.words}")
                else:
                    say(f"4,{seq},{number}")
            else:
                self._modify(seq, Plain(number, price, qty, 0, side, f"{side},{number},{price}"), ioc)

    def _modify(self, seq: int, new: Plain, ioc: int) -> None:
        """Cancel and enter anew; its own line comes after those of its trades."""
        old = self.live.pop(new.id, None)
        if old is None:
            self.lines.append(f"5,{seq},{new.id}")
            return
        self.sides[old.side].remove(old)
        if ioc or self.sides[1 - new.side].meets(new.price):
            self._match(seq, new, ioc)
        else:
            self.live[new.id] = new
            self.sides[new.side].add(new)
        self.lines.append(f"3,{seq},{new.words},{new.qty}")

    def _match(self, seq: int, new: Plain, ioc: int) -> None:
        """Plan the fills on the book's walk, write them, and rest or cancel what is left."""
        say, opposite, left = self.lines.append, self.sides[1 - new.side], new.qty
        makers: list[Plain] = []
        fills: list[int] = []  # beside the makers: a pair for each would be five thousand objects more to collect
        for maker in opposite.within(new.price):
            if not left:
                break
            qty = min(left, maker.qty - maker.filled)
            makers.append(maker)
            fills.append(qty)
            left -= qty
        for maker, qty in zip(makers, fills, strict=True):
            say(f"1,{seq},{maker.price},{qty},{maker.id},{new.id}")
            if opposite.take(maker, qty):
                del self.live[maker.id]
            maker.filled += qty
        if left and ioc:
            say(f"2,{seq},{new.words}")
        elif left:
            new.filled = new.qty - left
            self.live[new.id] = new
            self.sides[new.side].add(new)
