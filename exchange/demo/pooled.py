"""The pool of the demonstration's day: funded on chain, it quotes at half hours, is visited, and pays out in the end.

Imports the shell's liquidity and quoter, traders.
"""

from typing import Final, NamedTuple

import msgspec

from exchange.core import commands as c
from exchange.core.state import State
from exchange.core.units import QTY_ONE, USDC_ONE, WAD, Cash, Price, Qty
from exchange.demo.market import Happening
from exchange.demo.traders import Maker, Taker
from exchange.shell import devmarket
from exchange.shell.chain import DevControls
from exchange.shell.keys import dev_key
from exchange.shell.liquidity import Member, PoolPromise, found, terms_of
from exchange.shell.owner import GAS_MONEY_WEI
from exchange.shell.quoter import Quoter
from exchange.shell.sender import Sender
from exchange.shell.venue import Venue
from exchange.signing import address_of, domain_separator

MONEY: Final[Cash] = 5_000_000 * USDC_ONE
PROMISE: Final = PoolPromise(epoch_s=60)
SIZES: Final = (1, 2, 5)
# A market that makers quote a few ticks wide: a pool that asked for a vol point would never be met.
TERMS: Final = msgspec.structs.replace(terms_of(PROMISE, SIZES), vol_error=WAD // 10, buffer=WAD // 20_000)
VISIT: Final[Qty] = QTY_ONE // 2
MAX_FEE: Final[Price] = 100 * USDC_ONE
KEY_LIFE_S: Final = 7 * 86_400


class Left(NamedTuple):
    """What the pool came to: cash that its provider took home, and what is left in its contract, bond aside."""

    paid: Cash
    rest: Cash


class _Found(NamedTuple):
    """Where the pool's best offer stands, and what is offered before it."""

    price: Price
    ahead: Qty


class DayPool:
    """One pool, its provider, its manager and its quoter; whatever it does is awaited in turn."""

    def __init__(self, venue: Venue, manager: Member, provider: Member, account: int) -> None:
        """Of a pool that has been founded."""
        self._venue, self._manager, self._provider = venue, manager, provider
        self.account = account
        contracts = venue.contracts
        domain = domain_separator(contracts.deployment.chain_id, contracts.clearing.address)
        self._quoter = Quoter(venue.sequencer, domain, dev_key("demo pool quoter"), account, MAX_FEE)

    @classmethod
    async def open(cls, venue: Venue, controls: DevControls) -> "DayPool":
        """Deploy, bond and fund it; its money is in Clearing once this returns, final and journaled."""
        boss = await _wallet(venue, controls, "demo pool manager", PROMISE.bond)
        pool = await found(venue.contracts, boss, PROMISE)
        manager = Member(venue.contracts, pool, boss)
        provider = Member(venue.contracts, pool, await _wallet(venue, controls, "demo pool provider", MONEY))
        head = await venue.chain.block("latest")
        await manager.stand_for(PROMISE.bond, address_of(dev_key("demo pool quoter")), head.time_s + KEY_LIFE_S)
        await provider.come(MONEY)
        head = await venue.chain.block("latest")
        await controls.set_next_block_time(head.time_s + PROMISE.epoch_s)
        await controls.mine(1)
        await manager.serve()
        await provider.claim()
        await manager.invest()
        await devmarket.until_final(venue, controls)
        account = await manager.account()
        await venue.apply(c.SetPool(account, devmarket.UNDERLYING, TERMS, "demo"))
        return cls(venue, manager, provider, account)

    async def quote(self) -> int:
        """Answer the round in force; how many quotes stand until the next one."""
        return await self._quoter.refresh()

    async def make_way(self, series: int) -> None:
        """Take the pool's quotes in a series off, for what the recording says happened there."""
        if await self._venue.sequencer.read(lambda state: self._best_ask(state, series)) is not None:
            await self._venue.sequencer.record(c.CancelQuotes(self.account, series=series))

    async def be_visited(self, taker: Taker, series: int, name: str, makers: list[Maker]) -> None:
        """A wallet buys all that is offered before the pool, and some of what the pool asks least for."""
        found = await self._venue.sequencer.read(lambda state: self._best_ask(state, series))
        if found is None:
            return
        now_ns = await self._venue.sequencer.read(lambda state: state.time_ns)
        qty = found.ahead + VISIT
        await taker.take(Happening(now_ns, name, taker_buys=True, price=found.price, qty=qty), found.price, qty)
        for maker in makers:
            maker.note_hit(name, is_buy=False)

    def _best_ask(self, state: State, series: int) -> _Found | None:
        ahead = 0
        for order in state.books[series].asks.orders():
            if order.account == self.account:
                return _Found(order.price, ahead)
            ahead += order.qty - order.filled
        return None

    async def end(self) -> None:
        """The manager closes it, and the provider wants everything; what is free can come one window later."""
        await self._manager.close()
        await self._provider.leave(await self._provider.shares())

    async def pay_out(self) -> Left:
        """After the window, without an option left: the provider takes all there is."""
        await self._manager.bring()
        await self._manager.serve()
        await self._provider.claim()
        usdc = self._venue.contracts.usdc
        paid = int(await usdc.call("balanceOf", self._provider.address))
        rest = int(await usdc.call("balanceOf", self._manager.pool.address)) - PROMISE.bond
        return Left(paid, rest)


async def _wallet(venue: Venue, controls: DevControls, name: str, tokens: Cash) -> Sender:
    sender = Sender(venue.chain, dev_key(name))
    await controls.fund(sender.address, GAS_MONEY_WEI)
    usdc = venue.contracts.usdc
    await sender.included(await sender.submit(usdc.address, usdc.encode("mint", sender.address, tokens)))
    return sender
