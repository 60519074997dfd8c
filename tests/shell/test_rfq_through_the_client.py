"""A taker and a maker with nothing but the client: asked, answered, accepted over the socket, and settled on the chain."""

import contextlib
from pathlib import Path

import pytest
from shell_floor import KEYS, START_S, open_market, opened

from exchange.core import commands as c
from exchange.session.limits import UNLIMITED
from exchange.shell.client import Client, Refused
from exchange.shell.client_rfqs import Rfqs
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Terms
from exchange.shell.venue import Settings


async def test_a_request_is_answered_accepted_and_settled(tmp_path: Path):
    settings = Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=4)
    async with opened(settings) as floor, contextlib.AsyncExitStack() as stack:
        maker_account, taker_account = await open_market(floor)
        gateway = await stack.enter_async_context(floor.venue.gateway(limits=UNLIMITED))
        maker, taker = [await stack.enter_async_context(await logged_in(gateway.url, key)) for key in KEYS]
        await maker.call("private/x_set_block_rfq_maker")
        asked = await maker.subscribe(["block_rfq.maker.btc"])
        told, public = [await taker.subscribe([f"block_rfq.{whose}.any"]) for whose in ("taker", "trades")]
        name = min(await maker.instruments())
        rfq = await Rfqs(taker).ask(name, 3, makers=await taker.call("private/get_block_rfq_makers"))
        assert (await asked.get()).data["block_rfq_id"] == rfq
        answers, takes = Rfqs(maker), Rfqs(taker).accept
        first = await answers.answer(rfq, name, 3, 810, is_buy=False)
        await answers.replace(first, name, 3, 800)
        await answers.answer(rfq, name, 3, 700, is_buy=True, whole=True)
        with pytest.raises(Refused, match="rfq_must_meet_quotes"):
            await takes(rfq, name, 1, 790, is_buy=True)
        part = await takes(rfq, name, 1, 805, is_buy=True)
        assert [(item["price"], item["amount"]) for item in part["block_trades"][0]["trades"]] == [(800.0, 1.0)]
        await answers.replace(await quoted(maker, first), name, 3, 795)
        whole = await takes(rfq, name, 2, 805, is_buy=True, time_in_force="immediate_or_cancel")
        assert whole["x_block_rfq"]["state"] == "filled"
        assert [(await public.get()).data["amount"] for _ in range(2)] == [1.0, 2.0]
        assert [(await told.get()).data["state"] for _ in range(7)] == ["open"] * 6 + ["filled"]
        await floor.venue.apply(c.SealBatch())
        await floor.until_settled()
        there = await floor.venue.sequencer.read(lambda state: dict(state.mirror.positions))
        held = [list(there[owner.account].values()) for owner in (taker_account, maker_account)]
        assert held == [[30_000], [-30_000]]


async def test_a_request_for_two_legs_is_settled_whole(tmp_path: Path):
    settings = Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=4)
    async with opened(settings) as floor, contextlib.AsyncExitStack() as stack:
        maker_owner, taker_owner = await open_market(floor)
        gateway = await stack.enter_async_context(floor.venue.gateway(limits=UNLIMITED))
        maker, taker = [await stack.enter_async_context(await logged_in(gateway.url, key)) for key in KEYS]
        await maker.call("private/x_set_block_rfq_maker")
        call, put = sorted(await maker.instruments())
        legs = [
            {"instrument_name": name, "amount": 3, "direction": direction}
            for name, direction in ((call, "buy"), (put, "sell"))
        ]
        asked = await Rfqs(taker).ask_for(legs, makers=["account_" + str(maker_owner.account)])
        rfq, combo = asked["block_rfq_id"], asked["combo_id"]
        assert [leg["direction"] for leg in asked["legs"]] == ["buy", "sell"]
        first = await Rfqs(maker).answer(rfq, combo, 3, -10, is_buy=False)
        await Rfqs(maker).replace(first, combo, 3, -15)
        with pytest.raises(Refused, match="rfq_must_meet_quotes"):
            await Rfqs(taker).accept(rfq, combo, 3, -20, is_buy=True)
        done = await Rfqs(taker).accept(rfq, combo, 3, -10, is_buy=True)
        trades = done["block_trades"][0]["trades"]
        assert [item["instrument_name"] for item in trades] == [call, put]
        assert trades[0]["price"] - trades[1]["price"] == -15
        await floor.venue.apply(c.SealBatch())
        await floor.until_settled()
        there = await floor.venue.sequencer.read(lambda state: dict(state.mirror.positions))
        held = [sorted(there[owner.account].values()) for owner in (taker_owner, maker_owner)]
        assert held == [[-30_000, 30_000]] * 2
        assert await taker_owner.cash_on_chain() == await floor.cash(taker_owner.account)


async def logged_in(url: str, key: bytes) -> Client:
    client = await Client.connect(url)
    await client.login(key)
    return client


async def quoted(maker: Client, first: dict[str, object]) -> dict[str, object]:
    """The quote as it stands, with the nonce that stands behind it."""
    (shown,) = await maker.call("private/get_block_rfq_quotes", {"block_rfq_quote_id": first["block_rfq_quote_id"]})
    return shown | {"nonce": int(str(first["nonce"])) + 1}
