"""Who trades in a simulated market: makers with quotes on everything, and a crowd that takes, rests, resizes, cancels.

Real clients on real sockets, each awaited in turn: the same seed gives the same journal. How often and how much is
drawn from what was recorded. Imports client, world, chance.
"""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from math import isqrt
from typing import Final, NamedTuple

from exchange.core.fixedmath import exp_wad
from exchange.core.units import QTY_ONE, USDC_ONE, WAD, Price, Qty, Seconds, Wad, years_of
from exchange.dialect.listed import Listed
from exchange.shell.client import Client, Placed, Refused
from exchange.shell.wallet import Quote
from exchange.simulator.chance import Chance
from exchange.simulator.world import World

GROUP: Final = "simulated"
QUOTE_MAX: Final = 100 * QTY_ONE
TAKE_MAX: Final = 25 * QTY_ONE
LAST_S: Final = 60  # before an expiry nobody quotes or trades it any more
LOGIN_S: Final = 3_000  # a login lasts an hour


def below(listed: Listed, price: Price) -> Price:
    """Down to the grid."""
    return price // listed.tick_at(price) * listed.tick_at(price)


def beyond(listed: Listed, price: Price) -> Price:
    """Up to the grid, a tick at least."""
    return max(-(-price // listed.tick_at(price)), 1) * listed.tick_at(price)


def _lots(listed: Listed, size: Wad, most: Qty) -> Qty:
    """An amount drawn, as whole lots: one at least."""
    lots = min(size * QTY_ONE // WAD, most) // listed.lot
    return max(lots, 1) * listed.lot


def _usdc(price: Price) -> Decimal:
    return Decimal(price) / USDC_ONE


def _contracts(qty: Qty) -> Decimal:
    return Decimal(qty) / QTY_ONE


class Trader:
    """A wallet, its connection while it has one, and what it was refused."""

    def __init__(self, key: bytes, world: World, chance: Chance, refusals: Counter[str]) -> None:
        self.key = key
        self.world = world
        self.chance = chance
        self._refusals = refusals
        self._client: Client | None = None
        self._since_s: Seconds = 0

    @property
    def client(self) -> Client:
        """The connection. There must be one."""
        assert self._client is not None
        return self._client

    @property
    def is_in(self) -> bool:
        """Whether it is connected."""
        return self._client is not None

    async def enter(self, url: str, now_s: Seconds) -> None:
        """Connect and log in."""
        self._client = await Client.connect(url)
        await self.log_in(now_s)

    async def log_in(self, now_s: Seconds) -> None:
        """Log in, again before the last login runs out."""
        await self.client.login(self.key)
        self._since_s = now_s

    async def keep_in(self, now_s: Seconds) -> None:
        """Log in again if it is time."""
        if now_s - self._since_s >= LOGIN_S:
            await self.log_in(now_s)

    async def leave(self) -> None:
        """Close the connection, if there is one."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    def refused(self, why: Refused) -> None:
        """Count it: a market goes on."""
        self._refusals[why.message] += 1


class Maker(Trader):
    """Quotes both sides of every option at vols around its own, and again whenever it is due."""

    def __init__(self, key: bytes, world: World, chance: Chance, refusals: Counter[str], half: Wad) -> None:
        super().__init__(key, world, chance, refusals)
        self._half = half

    async def enter(self, url: str, now_s: Seconds) -> None:
        """Connect, log in, and say how much may fill at once."""
        await super().enter(url, now_s)
        protection = {"mmp_group": GROUP, "interval": 1, "frozen_time": 2, "quantity_limit": QUOTE_MAX // QTY_ONE}
        await self.client.call("private/set_mmp_config", protection)

    async def quote(self, now_s: Seconds, listed: Sequence[Listed]) -> None:
        """All of it anew."""
        await self.keep_in(now_s)
        quotes = [self._quote(now_s, each) for each in listed if each.expiry_s - now_s > LAST_S]
        try:
            await self.client.mass_quote(quotes, GROUP)
        except Refused as refused:
            self.refused(refused)

    def _quote(self, now_s: Seconds, listed: Listed) -> Quote:
        flow = self.world.flow
        low = below(listed, self.world.worth(now_s, listed, -self._half))
        high = beyond(listed, max(self.world.worth(now_s, listed, self._half), low + 1))
        bid_qty, ask_qty = (
            _lots(listed, self.chance.size(flow.rest_size, flow.rest_size_spread), QUOTE_MAX) for _ in range(2)
        )
        bid = (_usdc(low), _contracts(bid_qty)) if low else None
        return Quote(listed.name, bid, (_usdc(high), _contracts(ask_qty)))

    async def withdraw(self) -> None:
        """Take every quote back."""
        await self.client.call("private/cancel_quotes", {"cancel_type": "all", "mmp_group": GROUP})


class Rest(NamedTuple):
    """An order of the crowd that rests."""

    order_id: str
    name: str
    price: Price
    qty: Qty


class Wallet(Trader):
    """One of the crowd."""

    async def take(self, now_s: Seconds, listed: Sequence[Listed]) -> Placed | None:
        """What is there of one option, at no worse than twice the widest quartile of half spreads."""
        await self.keep_in(now_s)
        flow, option = self.world.flow, self._choose(now_s, listed)
        is_buy = self.chance.happens(flow.buy_share)
        far = 2 * flow.half_spread_wide
        worst = self.world.worth(now_s, option, far if is_buy else -far)
        price = beyond(option, worst) if is_buy else max(below(option, worst), option.tick)
        qty = _lots(option, self.chance.size(flow.take_size, flow.take_size_spread), TAKE_MAX)
        try:
            return await self.client.place(
                option.name, _contracts(qty), _usdc(price), is_buy=is_buy, time_in_force="immediate_or_cancel"
            )
        except Refused as refused:
            self.refused(refused)
            return None

    async def rest(self, now_s: Seconds, listed: Sequence[Listed]) -> Rest | None:
        """Bid or offer inside the middle maker's spread; post-only, so it slides rather than takes."""
        await self.keep_in(now_s)
        flow, option = self.world.flow, self._choose(now_s, listed)
        is_buy = self.chance.happens(WAD // 2)
        off = flow.half_spread * self.chance.uniform() // WAD
        worth = self.world.worth(now_s, option, -off if is_buy else off)
        price = max(below(option, worth), option.tick) if is_buy else beyond(option, worth)
        qty = _lots(option, self.chance.size(flow.take_size, flow.take_size_spread), TAKE_MAX)
        try:
            placed = await self.client.place(option.name, _contracts(qty), _usdc(price), is_buy=is_buy, post_only=True)
        except Refused as refused:
            self.refused(refused)
            return None
        return Rest(placed.order_id, option.name, price, qty)

    async def resize(self, rest: Rest) -> None:
        """Twice as much of it."""
        try:
            await self.client.edit(rest.order_id, _contracts(2 * rest.qty), _usdc(rest.price), post_only=True)
        except Refused as refused:
            self.refused(refused)

    async def cancel(self, rest: Rest) -> None:
        """Take it back, if it is still there."""
        try:
            await self.client.cancel(rest.order_id)
        except Refused as refused:
            self.refused(refused)

    def _choose(self, now_s: Seconds, listed: Sequence[Listed]) -> Listed:
        """An expiry, a strike as far from the spot as recorded trades were, and the side that is out of the money."""
        expiry_s = self.chance.one_of(sorted({each.expiry_s for each in listed if each.expiry_s - now_s > LAST_S}))
        spot = self.world.spot(now_s)
        money = self.world.vol(now_s, expiry_s, spot)
        deviation = money * isqrt(years_of(expiry_s - now_s) * WAD) // WAD
        away = self.world.flow.strike_spread * self.chance.normal() // WAD * deviation // WAD
        wanted = spot * exp_wad(away) // WAD
        there = [each for each in listed if each.expiry_s == expiry_s and each.is_call == (wanted >= spot)]
        return min(there, key=lambda each: (abs(each.strike - wanted), each.strike))
