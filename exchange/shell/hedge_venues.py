"""Markets for a hedger: one simulated around a price that moves by hand, one that replays recorded best quotes.

Both answer orders signed by the key they know, and the same number always alike. Imports shell.hedger, signing.
"""

from collections.abc import Sequence
from typing import NamedTuple

from exchange.core.units import Price, Qty, Seconds
from exchange.shell.hedger import NOTHING, HedgeFill, HedgeOrder, SignedHedgeOrder, hedge_digest
from exchange.signing import recover


class NotOurs(Exception):
    """An order whose signature is not of the key that may trade here."""


class _Answers:
    """What both venues share: who may trade, and the memory of answers."""

    def __init__(self, trader: bytes) -> None:
        self._trader = trader
        self._answers: dict[int, HedgeFill] = {}

    def _check(self, signed: SignedHedgeOrder) -> None:
        if recover(hedge_digest(signed.order), signed.signature) != self._trader:
            raise NotOurs(f"order {signed.order.number} is not signed by the trader")

    async def outcome(self, number: int) -> HedgeFill:
        """What the order of a number came to; nothing if it never arrived."""
        return self._answers.get(number, NOTHING)


class SimulatedVenue(_Answers):
    """Offers ``depth`` at each of so many steps of ``step`` away from a price, on both sides, anew for each order."""

    def __init__(self, trader: bytes, price: Price, *, step: Price, depth: Qty, steps: int = 10) -> None:
        """A market whose best quotes are one step from the price."""
        super().__init__(trader)
        self.price = price
        self._step, self._depth, self._steps = step, depth, steps

    async def send(self, signed: SignedHedgeOrder) -> HedgeFill:
        """Take what is offered up to the limit, the best first. Raises NotOurs."""
        self._check(signed)
        order = signed.order
        if order.number not in self._answers:
            self._answers[order.number] = self._fill(order)
        return self._answers[order.number]

    def _fill(self, order: HedgeOrder) -> HedgeFill:
        left, value = order.qty, 0
        for level in range(1, self._steps + 1):
            price = self.price + level * self._step if order.buys else self.price - level * self._step
            if not left or (price > order.limit if order.buys else price < order.limit):
                break
            part = min(left, self._depth)
            left, value = left - part, value + part * price
        return _mean(order.qty - left, value, buys=order.buys)


class BestQuote(NamedTuple):
    """One recorded moment: best prices and what stands there; a price of zero is an empty side."""

    time_s: Seconds
    bid: Price
    bid_qty: Qty
    ask: Price
    ask_qty: Qty


class RecordedVenue(_Answers):
    """Answers from recorded best quotes, each of which can be taken once."""

    def __init__(self, trader: bytes, quotes: Sequence[BestQuote]) -> None:
        """Quotes in the order of their times."""
        super().__init__(trader)
        self._quotes = list(quotes)
        self._now = 0

    def advance(self, time_s: Seconds) -> BestQuote:
        """The last quote recorded by then. The first one where the recording begins later."""
        while self._now + 1 < len(self._quotes) and self._quotes[self._now + 1].time_s <= time_s:
            self._now += 1
        return self._quotes[self._now]

    async def send(self, signed: SignedHedgeOrder) -> HedgeFill:
        """Take what the recorded quote has, if its price is within the limit. Raises NotOurs."""
        self._check(signed)
        order = signed.order
        if order.number not in self._answers:
            quote = self._quotes[self._now]
            price, there = (quote.ask, quote.ask_qty) if order.buys else (quote.bid, quote.bid_qty)
            meets = price and (price <= order.limit if order.buys else price >= order.limit)
            part = min(order.qty, there) if meets else 0
            self._answers[order.number] = HedgeFill(part, price) if part else NOTHING
            if part:
                self._quotes[self._now] = _taken(quote, part, buys=order.buys)
        return self._answers[order.number]


def _taken(quote: BestQuote, part: Qty, *, buys: bool) -> BestQuote:
    if buys:
        return quote._replace(ask_qty=quote.ask_qty - part)
    return quote._replace(bid_qty=quote.bid_qty - part)


def _mean(qty: Qty, value: int, *, buys: bool) -> HedgeFill:
    """Quantity and mean price, rounded against who traded."""
    if not qty:
        return NOTHING
    return HedgeFill(qty, -(-value // qty) if buys else value // qty)
