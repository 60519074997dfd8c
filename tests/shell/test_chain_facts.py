"""What any wallet can make the contracts say: it neither stops the venue nor is it half believed."""

import asyncio

import pytest
from shell_floor import KEYS, START_S, open_market, opened

from exchange.core import commands as c
from exchange.core.units import NANOS_PER_SECOND
from exchange.session.limits import UNLIMITED
from exchange.shell.client import Client, Refused
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Terms
from exchange.shell.venue import Settings


def settings(tmp_path):
    return Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=2)


async def test_a_withdrawal_request_of_2_to_the_100_is_survived(tmp_path):
    async with opened(settings(tmp_path)) as floor:
        owners = await open_market(floor)
        await owners[0].request_withdrawal(2**100)  # one transaction of any wallet; the contract takes it
        for _ in range(4):
            await floor.block()
        assert await floor.venue.sequencer.read(lambda s: s.accounts[owners[0].account].held) > 0


async def test_an_order_beside_a_withdrawal_request_of_2_to_the_64_is_survived(tmp_path):
    async with opened(settings(tmp_path)) as floor:
        owners = await open_market(floor)
        await owners[0].request_withdrawal(2**64 - 1)
        for _ in range(4):
            await floor.block()
        async with floor.venue.gateway(limits=UNLIMITED) as gw, await Client.connect(gw.url) as client:
            await client.login(KEYS[0])
            name = min(await client.instruments())
            with pytest.raises(Refused):
                await client.buy(name, 1, 800)
            assert await client.call("public/status")
        await floor.venue.apply(c.Tick())


async def leave_on_chain(floor, leaver) -> None:
    """Ask for the exit, and let the window pass."""
    await leaver._send(floor.venue.contracts.clearing, "request_exit", leaver.account)
    for _ in range(4):
        await floor.block()
    floor.clock.move_to(floor.clock.now_ns() + 62 * NANOS_PER_SECOND)
    await floor.block()
    await floor.post_round()


async def test_cash_that_left_with_an_exit_is_not_traded(tmp_path):
    """The end of an exit makes the account active again, and the cash leaves in the same transaction."""
    async with opened(settings(tmp_path)) as floor:
        leaver, *_ = await open_market(floor)
        await leave_on_chain(floor, leaver)
        async with (
            floor.venue.gateway(limits=UNLIMITED) as gateway,
            await Client.connect(gateway.url) as bad,
            await Client.connect(gateway.url) as good,
        ):
            await bad.login(KEYS[0])
            await good.login(KEYS[1])
            name = min(await bad.instruments())
            await good.buy(name, 1, 800)
            await leaver._send(floor.venue.contracts.clearing, "finalise_exit", leaver.account, 0, b"", b"")
            journaled = asyncio.Event()

            async def flood():
                while True:
                    with pytest.raises(Refused) as refused:
                        await bad.sell(name, 1, 800, time_in_force="immediate_or_cancel")
                    if refused.value.data["reason"] == "account_must_have_margin":
                        journaled.set()

            flooding = [asyncio.create_task(flood()) for _ in range(20)]
            for _ in range(4):
                await floor.block()
            async with asyncio.timeout(20):
                await journaled.wait()
            ended = [task for task in flooding if task.done() or not task.cancel()]
        assert not ended
        assert await leaver.cash_on_chain() == 0
