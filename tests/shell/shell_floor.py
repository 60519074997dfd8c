"""A venue on a chain of its own whose every block, look and second is moved by the test. Used by tests/e2e as well."""

import contextlib
from collections.abc import AsyncIterator
from typing import NamedTuple

from exchange.core import commands as c
from exchange.core.events import Rejected
from exchange.core.units import NANOS_PER_SECOND, TWAP_SECONDS, USDC_ONE, WAD
from exchange.session.limits import UNLIMITED
from exchange.shell import devmarket
from exchange.shell.chain import DevControls
from exchange.shell.client import Client
from exchange.shell.clock import ManualClock
from exchange.shell.feeds import Maker
from exchange.shell.keys import dev_key
from exchange.shell.owner import Owner
from exchange.shell.venue import DevKeys, Series, Settings, Venue, open_venue

START_S = 1_800_000_000
DEPOSIT = 100_000 * USDC_ONE
SPOT = 63_000 * USDC_ONE
KEYS = [dev_key(f"floor wallet {number}") for number in range(2)]
TRIES = 40


class Floor(NamedTuple):
    """An open venue with its levers."""

    venue: Venue
    controls: DevControls
    clock: ManualClock

    async def block(self) -> None:
        """One block, at the venue's time or a later one, and the venue looks."""
        head = await self.venue.chain.block("latest")
        self.clock.move_to(max(self.clock.now_ns() + NANOS_PER_SECOND, head.time_s * NANOS_PER_SECOND))
        if self.clock.now_ns() // NANOS_PER_SECOND > head.time_s:
            await self.controls.set_next_block_time(self.clock.now_ns() // NANOS_PER_SECOND)
        await self.controls.mine(1)
        await self.venue.observe()

    async def post_round(self) -> None:
        """Prices as of now."""
        keys = DevKeys.make().signers
        outcome = await self.venue.post_round(Maker(keys), {0: SPOT}, lambda _: WAD // 2)
        assert not isinstance(outcome.events[0], Rejected), outcome

    async def cash(self, account: int) -> int:
        """What the machine credits."""
        return await self.venue.sequencer.read(lambda state: state.accounts[account].cash)

    async def batches_settled(self) -> int:
        """What the contracts have come to, final or not."""
        last, *_ = await self.venue.contracts.clearing.call("last_batch")
        return int(last)

    async def until_settled(self) -> None:
        """Blocks, looks and settlement steps until nothing is under way."""
        for _ in range(TRIES):
            await self.block()
            wanted = int(await self.venue.contracts.clearing.call("action_count"))
            if not await self.venue.settler.step() and await self._has_heard(wanted):
                return
        raise AssertionError(f"not settled after {TRIES} blocks")

    async def _has_heard(self, wanted: int) -> bool:
        return await self.venue.sequencer.read(lambda state: state.mirror.action_id == wanted and not state.trades)


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Floor]:
    assert isinstance(settings.clock, ManualClock)
    async with open_venue(settings) as (venue, controls):
        yield Floor(venue, controls, settings.clock)


async def open_market(floor: Floor) -> list[Owner]:
    """One expiry, one call and one put, two wallets with final deposits, and a round."""
    await floor.block()
    await floor.venue.apply(devmarket.BTC)
    expiry_s = (floor.clock.now_ns() // NANOS_PER_SECOND // TWAP_SECONDS + 48) * TWAP_SECONDS
    await floor.venue.list_expiry(0, expiry_s, [Series(SPOT, True), Series(SPOT, False)])
    owners = await devmarket.endow(floor.venue, floor.controls, KEYS, DEPOSIT)
    await floor.block()
    await floor.post_round()
    return owners


async def trade(floor: Floor, *, seal: bool = True) -> None:
    """One contract changes hands over the socket, and its batch is sealed."""
    async with floor.venue.gateway(limits=UNLIMITED) as gateway, contextlib.AsyncExitStack() as stack:
        maker, taker = [await stack.enter_async_context(await Client.connect(gateway.url)) for _ in KEYS]
        for client, key in zip((maker, taker), KEYS, strict=True):
            await client.login(key)
        name = min(await maker.instruments())
        await maker.sell(name, 1, 800)
        placed = await taker.buy(name, 1, 800, time_in_force="immediate_or_cancel")
        assert len(placed.trades) == 1
    if seal:
        await floor.venue.apply(c.SealBatch())
