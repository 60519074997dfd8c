"""A pool from the first deposit to the last unit: providers come on chain, the pool quotes, a taker trades, all leave."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from shell_floor import KEYS, START_S, Floor, open_market, opened

from exchange.calldata import Round, post_round_args
from exchange.core import commands as c
from exchange.core.pool_quotes import freeze, quotes
from exchange.core.shares import DEAD_SHARES
from exchange.core.state import State
from exchange.core.units import NANOS_PER_SECOND, QTY_ONE, TWAP_SECONDS, USDC_ONE, WAD
from exchange.session.limits import UNLIMITED
from exchange.shell.client import Client
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Terms
from exchange.shell.feeds import chain_round
from exchange.shell.keys import dev_key
from exchange.shell.liquidity import Member, PoolPromise, Waiting, found
from exchange.shell.quoter import NotAPool, Quoter
from exchange.shell.sender import Sender
from exchange.shell.sequencer import Outcome
from exchange.shell.venue import Settings
from exchange.signing import address_of, domain_separator

CALL = 1 << 16
CENT = WAD // 100
EPOCH_S = 600
PROMISE = PoolPromise(epoch_s=EPOCH_S)
MONEY = 5_000_000 * USDC_ONE
QUOTE_KEY = dev_key("floor pool quoter")
TERMS = c.PoolTerms(
    PROMISE.life_s, PROMISE.quote_share, PROMISE.quote_points, WAD, 50 * CENT, WAD // 1_000, 0,
    80 * CENT, WAD, WAD, WAD, 5 * CENT, 95 * CENT, 7_200, (1, 2, 5),
)  # fmt: skip


def _round_id(state: State) -> int:
    assert state.round is not None
    return state.round.round_id


class Stage(NamedTuple):
    """A market with a pool of one provider, who has shares, and its quoter."""

    floor: Floor
    manager: Member
    provider: Member
    account: int
    quoter: Quoter
    taps: list[Callable[[State, Outcome], None]]

    async def pass_time(self, seconds: int) -> None:
        self.floor.clock.move_to(self.floor.clock.now_ns() + seconds * NANOS_PER_SECOND)
        await self.floor.block()

    async def post(self) -> Round:
        """A round of now, in the journal and on chain."""
        await self.floor.post_round()
        venue = self.floor.venue

        def signed(state: State) -> tuple[Round, tuple[bytes, ...]]:
            assert state.round is not None
            return chain_round(state, state.round), state.round.signatures

        round_, signatures = await venue.sequencer.read(signed)
        oracle = venue.contracts.oracle
        data = oracle.encode("post_round", *post_round_args(round_, signatures))
        await venue.sender.included(await venue.sender.submit(oracle.address, data))
        return round_

    async def holds(self) -> dict[int, int]:
        return await self.floor.venue.sequencer.read(lambda state: dict(state.accounts[self.account].positions))


async def wallet(floor: Floor, name: str, tokens: int) -> Sender:
    sender = Sender(floor.venue.chain, dev_key(name))
    await floor.controls.fund(sender.address, 10**20)
    usdc = floor.venue.contracts.usdc
    await sender.included(await sender.submit(usdc.address, usdc.encode("mint", sender.address, tokens)))
    return sender


@contextlib.asynccontextmanager
async def staged(tmp_path: Path) -> AsyncIterator[Stage]:
    taps: list[Callable[[State, Outcome], None]] = []

    def tap(state: State, outcome: Outcome) -> None:
        for each in taps:
            each(state, outcome)

    settings = Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=2, tap=tap)
    async with opened(settings) as floor:
        await open_market(floor)
        contracts = floor.venue.contracts
        boss = await wallet(floor, "floor pool manager", PROMISE.bond)
        pool = await found(contracts, boss, PROMISE)
        manager = Member(contracts, pool, boss)
        provider = Member(contracts, pool, await wallet(floor, "floor provider", MONEY))
        await manager.stand_for(PROMISE.bond, address_of(QUOTE_KEY), START_S + 30 * 86_400)
        await provider.come(MONEY)
        stage_account = await manager.account()
        domain = domain_separator(contracts.deployment.chain_id, contracts.clearing.address)
        quoter = Quoter(floor.venue.sequencer, domain, QUOTE_KEY, stage_account, 100 * USDC_ONE)
        stage = Stage(floor, manager, provider, stage_account, quoter, taps)
        await stage.pass_time(EPOCH_S)
        await manager.serve()
        await provider.claim()
        assert await manager.invest() == MONEY
        await floor.until_settled()
        await floor.post_round()
        yield stage


@contextlib.asynccontextmanager
async def taking(stage: Stage) -> AsyncIterator[tuple[Client, str]]:
    """A taker with a login, and the name of the call."""
    async with stage.floor.venue.gateway(limits=UNLIMITED) as gateway, await Client.connect(gateway.url) as client:
        await client.login(KEYS[1])
        names = {item.series: name for name, item in (await client.instruments()).items()}
        yield client, names[CALL]


@pytest.mark.timeout(120)
async def test_from_the_first_deposit_to_the_last_unit(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        floor, provider = stage.floor, stage.provider
        assert await provider.shares() == MONEY - DEAD_SHARES
        assert await floor.cash(stage.account) == MONEY
        with pytest.raises(NotAPool):
            await stage.quoter.refresh()
        await floor.venue.apply(c.SetPool(stage.account, 0, TERMS, "test"))
        assert await stage.quoter.refresh() == 2 * 2 * len(TERMS.sizes)
        async with taking(stage) as (client, name):
            bought = await client.buy(name, 3, 1_000, time_in_force="immediate_or_cancel")
            assert sum(fill["amount"] for fill in bought.trades) == 3
            await stage.quoter.refresh()
            await client.sell(name, 1, 400, time_in_force="immediate_or_cancel")
        assert await stage.holds() == {CALL: -2 * QTY_ONE}
        await floor.venue.apply(c.SealBatch())
        await floor.until_settled()
        held, words = await floor.venue.contracts.clearing.call("positions_of", stage.account, 1)
        assert held == 1
        assert words[0] % 2**64 == 2**64 - 2 * QTY_ONE
        await half_leaves(stage)
        await expire(stage)
        await end(stage)


async def half_leaves(stage: Stage) -> None:
    """Half of it leaves while the options are open, as margin allows, at the low value."""
    floor, manager, provider = stage.floor, stage.manager, stage.provider
    half = await provider.shares() // 2
    await provider.leave(half)
    await manager.gather()
    await stage.pass_time(EPOCH_S)
    round_ = await stage.post()
    await manager.bring(round_)
    nav = await manager.serve(round_)
    assert nav.low < nav.high
    await provider.claim()
    assert await provider.waiting() == Waiting(0, 0)
    tokens = int(await floor.venue.contracts.usdc.call("balanceOf", provider.address))
    assert tokens == half * nav.low * (WAD - PROMISE.fee) // (MONEY * WAD)
    await floor.until_settled()
    assert await floor.cash(stage.account) == await floor.venue.contracts.clearing.call("cash_of", stage.account)


async def expire(stage: Stage) -> None:
    """Both rounds of the fixing, and the settlement that follows."""
    floor = stage.floor
    expiry_s = await floor.venue.sequencer.read(lambda state: state.expiries[1].expiry_s)
    for time_s in (expiry_s - TWAP_SECONDS, expiry_s):
        floor.clock.move_to(time_s * NANOS_PER_SECOND)
        await floor.post_round()
    await stage.pass_time(120)
    await floor.until_settled()
    assert await stage.holds() == {}


async def end(stage: Stage) -> None:
    """The manager closes, the provider takes what is left, and the dead shares have the rest."""
    manager, provider, usdc = stage.manager, stage.provider, stage.floor.venue.contracts.usdc
    await manager.close()
    await provider.leave(await provider.shares())
    await stage.pass_time(120)
    await manager.bring()
    await manager.serve()
    await manager.serve()
    await provider.claim()
    await stage.floor.until_settled()
    assert await stage.floor.cash(stage.account) == 0
    left = int(await usdc.call("balanceOf", manager.pool.address)) - PROMISE.bond
    assert 0 <= left <= 2 * DEAD_SHARES + 1
    assert await provider.shares() == 0


async def test_quotes_follow_rounds_and_fills_and_are_what_the_state_says(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        venue = stage.floor.venue
        await venue.apply(c.SetPool(stage.account, 0, TERMS, "test"))
        await stage.quoter.refresh()
        before = await venue.sequencer.read(_round_id)
        await stage.pass_time(5)
        await stage.floor.post_round()
        assert await venue.sequencer.read(_round_id) > before
        assert await venue.sequencer.read(lambda state: len(state.accounts[stage.account].orders)) == 0
        standing = await stage.quoter.refresh()

        def agrees(state: State) -> bool:
            pool = state.pools[stage.account]
            due = [leaf for level in quotes(state, pool, freeze(state, pool)).levels for leaf in level]
            stand = state.accounts[stage.account].orders.values()
            said = sorted((leaf.series, leaf.is_buy, leaf.price, leaf.qty) for leaf in due)
            return said == sorted((order.series, order.is_buy, order.price, order.qty) for order in stand)

        assert standing
        assert await venue.sequencer.read(agrees)


async def test_a_quoter_that_is_told_answers_each_round_and_stops_when_its_pool_leaves(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        venue = stage.floor.venue
        await venue.apply(c.SetPool(stage.account, 0, TERMS, "test"))
        await stage.pass_time(5)
        standing = asyncio.Event()

        def heard(state: State, outcome: Outcome) -> None:
            stage.quoter.tap(state, outcome)
            if len(state.accounts[stage.account].orders) == 12:
                standing.set()

        stage.taps.append(heard)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(stage.quoter.run())
            await venue.sequencer.record(c.Tick())
            assert not standing.is_set()
            await stage.floor.post_round()
            await standing.wait()
            running.cancel()
        await stage.manager.close()
        await stage.floor.until_settled()
        assert await venue.sequencer.read(lambda state: len(state.accounts[stage.account].orders)) == 0
        assert await stage.quoter.refresh() == 0
