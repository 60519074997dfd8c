"""Two desks agree by themselves, somebody else hands it in over the socket, and it settles on the contracts."""

import contextlib
from pathlib import Path

import pytest
from shell_blocks import block_of, domain_of
from shell_floor import KEYS, START_S, open_market, opened

from exchange.core import commands as c
from exchange.core.units import QTY_ONE, USDC_ONE
from exchange.session.limits import UNLIMITED
from exchange.shell.client import Client, Refused
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Terms
from exchange.shell.venue import Settings
from exchange.shell.wallet import sign_block

CALL, PUT = 1 << 16, 1 << 16 | 1
LEGS = c.BlockLeg(CALL, True, QTY_ONE, 900 * USDC_ONE), c.BlockLeg(PUT, False, 2 * QTY_ONE, 800 * USDC_ONE)


async def test_anybody_hands_a_block_in_and_both_hear_of_it(tmp_path: Path):
    settings = Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=4)
    async with opened(settings) as floor, contextlib.AsyncExitStack() as stack:
        maker, taker = (owner.account for owner in await open_market(floor))
        await floor.venue.apply(c.SetBlocks(0, QTY_ONE, "desk"))
        gateway = await stack.enter_async_context(floor.venue.gateway(limits=UNLIMITED))
        party, stranger = [await stack.enter_async_context(await Client.connect(gateway.url)) for _ in range(2)]
        await party.login(KEYS[1])
        heard = await party.subscribe(["user.trades.any.any.raw", "trades.option.any.raw"])
        block = block_of(floor, (maker, taker), 10**6, *LEGS).block
        signatures = [sign_block(key, domain_of(floor), block) for key in KEYS]
        told = await stranger.trade_block(block, *signatures)
        assert len(told["trades"]) == 2
        assert told["receipt"]["seq"] == int(told["id"].removeprefix("BLOCK-"))
        with pytest.raises(Refused) as refused:
            await stranger.trade_block(block, *signatures)
        assert refused.value.data["reason"] == "nonce_must_be_fresh"
        for _ in range(2):
            note = await heard.get()
            assert {item["block_trade_id"] for item in note.data} == {told["id"]}
        await floor.until_settled()
        assert await floor.batches_settled() == 1
        clearing = floor.venue.contracts.clearing
        assert (await clearing.call("positions_of", maker, 1))[0] == 1
