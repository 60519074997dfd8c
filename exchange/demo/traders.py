"""Who trades in the demonstration: makers that quote every series, wallets that take. Real clients on real sockets.

Everything is awaited in turn, so that the same seed gives the same journal. Imports client, market.
"""

from typing import Final, NamedTuple

from exchange.core.units import QTY_ONE, USDC_ONE, Price, Qty
from exchange.demo.market import Happening
from exchange.shell import devmarket
from exchange.shell.client import Client, Placed, Refused

TICK: Final = devmarket.BTC.tick
LOT: Final = devmarket.BTC.lot
_GONE: Final = ("order_not_found", "not_open_order", "already_filled")


class Quote(NamedTuple):
    """What a maker wants to show on one side of a series."""

    name: str
    is_buy: bool
    price: Price
    qty: Qty


def on_tick(price: Price) -> Price:
    """Down to the grid."""
    tick = TICK if price < devmarket.BTC.tick_step else devmarket.BTC.tick_above
    return price // tick * tick


def above(price: Price) -> Price:
    """Up to the grid, strictly."""
    tick = TICK if price < devmarket.BTC.tick_step else devmarket.BTC.tick_above
    return price // tick * tick + tick


class Trader:
    """A wallet with a connection."""

    def __init__(self, client: Client, key: bytes) -> None:
        self.client = client
        self._key = key

    async def log_in(self) -> None:
        """Log in, again before the last login runs out."""
        await self.client.login(self._key)


class Taker(Trader):
    """Takes what the recording says was taken."""

    async def take(self, wanted: Happening, price: Price, qty: Qty) -> Placed:
        """Immediate or cancel, at the given price or better."""
        return await self.client.place(
            wanted.name,
            qty / QTY_ONE,
            price / USDC_ONE,
            is_buy=wanted.taker_buys,
            time_in_force="immediate_or_cancel",
        )

    async def rest(self, name: str, price: Price, qty: Qty, *, is_buy: bool) -> Placed:
        """Good until cancelled, at the given price or better."""
        return await self.client.place(name, qty / QTY_ONE, price / USDC_ONE, is_buy=is_buy)


class Maker(Trader):
    """Keeps one quote on each side of each series, ``width`` ticks from fair; replaces them by signed edits."""

    def __init__(self, client: Client, key: bytes, width: int, size: Qty) -> None:
        super().__init__(client, key)
        self.width = width
        self.size = size
        self._shown: dict[tuple[str, bool], tuple[str, Quote]] = {}
        self._hit: dict[tuple[str, bool], None] = {}

    def shows(self, name: str, *, is_buy: bool) -> Quote | None:
        """The quote believed to rest on a side of a series."""
        shown = self._shown.get((name, is_buy))
        return shown[1] if shown is not None else None

    def note_hit(self, name: str, *, is_buy: bool) -> None:
        """Somebody has taken from this side: what is left there is unknown until it is quoted anew."""
        self._hit[name, is_buy] = None

    async def show(self, quote: Quote) -> None:
        """Have exactly this quote on its side of its series, post-only.

        An edit names the total with the filled part, so a quote that was hit is cancelled and entered anew.
        """
        was_hit = (quote.name, quote.is_buy) in self._hit
        self._hit.pop((quote.name, quote.is_buy), None)
        order_id, before = self._shown.pop((quote.name, quote.is_buy), ("", None))
        if quote.price <= 0:
            if order_id:
                await self._withdraw(order_id)
            return
        if before == quote and not was_hit:
            self._shown[quote.name, quote.is_buy] = (order_id, quote)
            return
        if order_id and was_hit:
            await self._withdraw(order_id)
        elif order_id:
            self._remember(await self._edit(order_id, quote), quote)
            return
        amount, price = quote.qty / QTY_ONE, quote.price / USDC_ONE
        placed = await self.client.place(
            quote.name, amount, price, is_buy=quote.is_buy, post_only=True, reject_post_only=True
        )
        self._remember(placed, quote)

    def _remember(self, placed: Placed, quote: Quote) -> None:
        self._shown[quote.name, quote.is_buy] = (placed.order_id, quote)

    async def _edit(self, order_id: str, quote: Quote) -> Placed:
        return await self.client.edit(order_id, quote.qty / QTY_ONE, quote.price / USDC_ONE, post_only=True)

    async def _withdraw(self, order_id: str) -> None:
        try:
            await self.client.cancel(order_id)
        except Refused as refused:
            if refused.message not in _GONE:
                raise


async def requote(makers: list[Maker], name: str, quotes: list[tuple[Quote, Quote]]) -> None:
    """Move all makers to new (bid, ask) pairs without crossing anyone: first the side that moves away."""
    last = makers[0].shows(name, is_buy=False)
    rising = last is None or quotes[0][1].price >= last.price
    for side in (1, 0) if rising else (0, 1):
        for maker, pair in zip(makers, quotes, strict=True):
            await maker.show(pair[side])
