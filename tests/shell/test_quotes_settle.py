"""Quotes under one signature from the machine to the real contracts: each fill is proved there, and the budget is one."""

import contextlib
from pathlib import Path

import msgspec
from shell_floor import KEYS, START_S, Floor, open_market, opened

from exchange.core import commands as c
from exchange.core.events import Rejected
from exchange.core.units import QTY_ONE, USDC_ONE, seconds_of
from exchange.session.limits import UNLIMITED
from exchange.shell.client import Client
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Terms
from exchange.shell.venue import Settings
from exchange.signing import address_of, domain_separator, mandate_digest, mandate_root, sign

CALL = 1 << 16


async def quote(floor: Floor, account: int, nonce: int, key: bytes = KEYS[0]) -> None:
    """A bid and an offer in one message, with a budget of two contracts of delta one half."""
    leaves = tuple(
        c.QuoteLeaf(CALL, is_buy, QTY_ONE, price * USDC_ONE, 5_000, 100)
        for is_buy, price in ((True, 800), (False, 900))
    )
    now_s = seconds_of(floor.clock.now_ns())
    unsigned = c.QuoteMandate(account, nonce, now_s + 3600, 100 * USDC_ONE, 0, 10_000, 0, 0, address_of(key), b"")
    contracts = floor.venue.contracts
    domain = domain_separator(contracts.deployment.chain_id, contracts.clearing.address)
    signature = sign(key, mandate_digest(domain, unsigned, mandate_root(leaves)))
    mandate = msgspec.structs.replace(unsigned, signature=signature)
    outcome = await floor.venue.sequencer.record(c.MassQuote(mandate, leaves, "front"))
    assert not isinstance(outcome.events[0], Rejected), outcome


async def test_quotes_settle_on_the_contracts(tmp_path: Path):
    settings = Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=4)
    async with opened(settings) as floor, contextlib.AsyncExitStack() as stack:
        maker, taker = await open_market(floor)
        group = c.SetProtection(maker.account, "front", c.Protection(10**10, 0, 0, 0, 0, 0))
        await floor.venue.apply(group)
        gateway = await stack.enter_async_context(floor.venue.gateway(limits=UNLIMITED))
        client = await stack.enter_async_context(await Client.connect(gateway.url))
        await client.login(KEYS[1])
        names = {item.series: name for name, item in (await client.instruments()).items()}
        await quote(floor, maker.account, 7)
        await client.buy(names[CALL], 1, 900, time_in_force="immediate_or_cancel")
        await quote(floor, maker.account, 8)
        await client.buy(names[CALL], 1, 900, time_in_force="immediate_or_cancel")
        await client.sell(names[CALL], 1, 800, time_in_force="immediate_or_cancel")
        await floor.venue.apply(c.SealBatch())
        await floor.until_settled()
        clearing = floor.venue.contracts.clearing
        assert await clearing.call("mandate_spent", maker.account, 7) == (-5_000 * QTY_ONE, -100 * QTY_ONE, 1, QTY_ONE)
        assert await clearing.call("mandate_spent", maker.account, 8) == (0, 0, 2, 2 * QTY_ONE)
        there = await floor.venue.sequencer.read(lambda state: dict(state.mirror.positions))
        assert there == {maker.account: {CALL: -QTY_ONE}, taker.account: {CALL: QTY_ONE}}
        assert (await clearing.call("positions_of", maker.account, 1))[0] == 1
