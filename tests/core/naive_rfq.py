"""Requests for quotes in the simplest words: lists that are sorted anew each time, for people who can bear anything.

It hears commands and the numbers of their records, and says who trades with whom at what; who may ask or answer it does not ask,
but for what the request itself says.
"""

from typing import Any, NamedTuple

from exchange.core import commands as c


class Fill(NamedTuple):
    quote: int
    qty: int
    price: int


class Quote:
    def __init__(self, seq: int, auth: c.Authorisation) -> None:
        self.id, self.since = seq, seq
        self.filled = 0
        self.say(auth)

    def say(self, auth: c.Authorisation) -> None:
        self.account, self.is_buy, self.price, self.qty = auth.account, auth.is_buy, auth.price, auth.qty
        self.whole = c.terms_of(auth).whole

    @property
    def left(self) -> int:
        return self.qty - self.filled


class Request:
    def __init__(self, asked: c.OpenRfq) -> None:
        self.asked, self.left = asked, asked.qty
        self.quotes: list[Quote] = []


class NaiveRfqs:
    """All requests of a venue."""

    def __init__(self) -> None:
        self.requests: dict[int, Request] = {}

    def do(self, seq: int, now_s: int, command: Any) -> list[Fill] | None:
        """What a command fills; None if it is refused."""
        if isinstance(command, c.OpenRfq):
            self.requests[seq] = Request(command)
        elif isinstance(command, c.CloseRfq):
            del self.requests[command.rfq]
        elif isinstance(command, c.QuoteRfq):
            return self._quote(seq, command.auth)
        elif isinstance(command, c.RequoteRfq):
            return self._requote(seq, command)
        elif isinstance(command, c.CancelRfqQuotes):
            for rfq, request in self.requests.items():
                if command.rfq in (0, rfq):
                    request.quotes = [quote for quote in request.quotes if quote.account != command.account]
        elif isinstance(command, c.AcceptRfq):
            return self._accept(command)
        elif isinstance(command, c.Tick):
            self.requests = {key: item for key, item in self.requests.items() if item.asked.expires_s > now_s}
        return []

    def _fits(self, request: Request | None, auth: c.Authorisation, qty: int) -> bool:
        if request is None:
            return False
        asked = request.asked
        least = min(max(asked.step, asked.minimum), request.left)
        taker_buys = auth.is_buy == (auth.account == asked.account)
        side = asked.side in (c.UNTOLD, c.BUYING if taker_buys else c.SELLING)
        return side and qty % asked.step == 0 and least <= qty <= request.left

    def _quote(self, seq: int, auth: c.Authorisation) -> list[Fill] | None:
        request = self.requests.get(c.terms_of(auth).rfq)
        if request is None or not self._fits(request, auth, auth.qty):
            return None
        if any((quote.account, quote.is_buy) == (auth.account, auth.is_buy) for quote in request.quotes):
            return None
        request.quotes.append(Quote(seq, auth))
        return []

    def _requote(self, seq: int, command: c.RequoteRfq) -> list[Fill] | None:
        auth = command.auth
        request = self.requests.get(c.terms_of(auth).rfq)
        found = [quote for quote in request.quotes if quote.id == command.order_id] if request is not None else []
        if not found or auth.qty <= found[0].filled or not self._fits(request, auth, auth.qty - found[0].filled):
            return None
        (quote,) = found
        smaller = auth.qty <= quote.qty and (auth.price, c.terms_of(auth).whole) == (quote.price, quote.whole)
        quote.say(auth)
        quote.since = quote.since if smaller else seq
        return []

    def _accept(self, command: c.AcceptRfq) -> list[Fill] | None:
        auth = command.auth
        request = self.requests.get(c.terms_of(auth).rfq)
        if request is None or not self._fits(request, auth, auth.qty):
            return None
        quotes = [quote for quote in request.quotes if quote.is_buy != auth.is_buy and command.quote in (0, quote.id)]
        if command.quote and not quotes:
            return None
        quotes.sort(key=lambda quote: (quote.price if auth.is_buy else -quote.price, quote.since, quote.id))
        left, fills = auth.qty, []
        for quote in quotes:
            within = quote.price <= auth.price if auth.is_buy else quote.price >= auth.price
            if within and left and not (quote.whole and quote.left > left):
                fills.append(Fill(quote.id, min(left, quote.left), quote.price))
                left -= fills[-1].qty
        least = min(max(request.asked.step, request.asked.minimum), request.left)
        if auth.qty - left < (auth.qty if auth.tif == c.FOK else least):
            return None
        self._fill(request, c.terms_of(auth).rfq, fills)
        return fills

    def _fill(self, request: Request, rfq: int, fills: list[Fill]) -> None:
        for fill in fills:
            (quote,) = [quote for quote in request.quotes if quote.id == fill.quote]
            quote.filled += fill.qty
            request.left -= fill.qty
        request.quotes = [quote for quote in request.quotes if quote.left]
        if not request.left:
            del self.requests[rfq]
