"""A maker with nothing but the client: opens a group, quotes under one signature, is filled, protected, and settled."""

import contextlib
from pathlib import Path

import pytest
from shell_floor import KEYS, START_S, open_market, opened

from exchange.core import commands as c
from exchange.session.limits import UNLIMITED
from exchange.shell.client import Client, Refused
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Terms
from exchange.shell.venue import Settings
from exchange.shell.wallet import Budget, Quote

GROUP = {"index_name": "btc_usdc", "mmp_group": "front", "interval": 10, "frozen_time": 0}


async def test_a_maker_quotes_is_filled_protected_and_settled(tmp_path: Path):
    settings = Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=4)
    async with opened(settings) as floor, contextlib.AsyncExitStack() as stack:
        maker_account, taker_account = await open_market(floor)
        gateway = await stack.enter_async_context(floor.venue.gateway(limits=UNLIMITED))
        maker, taker = [await stack.enter_async_context(await Client.connect(gateway.url)) for _ in range(2)]
        await maker.login(KEYS[0])
        await taker.login(KEYS[1])
        await maker.call("private/set_mmp_config", GROUP | {"quantity_limit": 1.5, "max_quote_quantity": 1})
        triggers = await maker.subscribe(["user.mmp_trigger.btc_usdc"])
        names = sorted(await maker.instruments())
        quotes = [Quote(name, bid=(300, 2), ask=(9_000, 2), delta="0.5", vega="12.25") for name in names]
        told = await maker.mass_quote(quotes, "front", Budget(quantity=4, delta=3))
        assert (told["x_standing"], told["errors"]) == (2 * len(names), [])
        assert len(await maker.call("private/get_open_orders", {})) == 2 * len(names)
        for _ in range(2):
            await taker.sell(names[0], 1, 300, time_in_force="immediate_or_cancel")
        notice = await triggers.get()
        assert (notice.data["mmp_group"], notice.data["x_figure"]) == ("front", "quantity")
        assert await maker.call("private/get_open_orders", {}) == []
        with pytest.raises(Refused, match="quotes_frozen"):
            await maker.mass_quote(quotes, "front", Budget(quantity=2))
        await maker.call("private/reset_mmp", GROUP)
        await floor.venue.apply(c.SealBatch())
        await floor.until_settled()
        there = await floor.venue.sequencer.read(lambda state: dict(state.mirror.positions))
        (held,) = there[maker_account.account].values()
        assert held > 0
        assert [-qty for qty in there[taker_account.account].values()] == [held]
