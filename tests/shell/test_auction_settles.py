"""An auction from the sockets to the real contracts: what crossed trades at one price, is told, and settles."""

import contextlib
from pathlib import Path

import pytest
from shell_floor import KEYS, START_S, Floor, open_market, opened

from exchange.core import commands as c
from exchange.core import phases, uncross
from exchange.core.units import NANOS_PER_SECOND
from exchange.session.limits import UNLIMITED
from exchange.shell.client import Client, Refused
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Terms
from exchange.shell.serve import moves_auctions
from exchange.shell.venue import Settings

CALL = 1 << 16


async def collect(floor: Floor, clients: list[Client], name: str) -> None:
    """Bids and offers across each other, one of them by somebody who only makes."""
    seller, buyer = clients
    await seller.sell(name, 1, 900, post_only=True, reject_post_only=True)
    ends_s = floor.clock.now_ns() // NANOS_PER_SECOND + 5
    await floor.venue.apply(c.SetPhase(c.SERIES, CALL, c.AUCTION, ends_s, 0, "test", "operator"))
    with pytest.raises(Refused, match="invalid_arguments"):
        await buyer.buy(name, 1, 900, time_in_force="immediate_or_cancel")
    for amount, price in ((1, 950), (2, 940), (1, 910)):
        await buyer.buy(name, amount, price)
    for amount, price in ((2, 880), (1, 905)):
        await seller.sell(name, amount, price)


async def end(floor: Floor) -> int:
    """Five seconds later; how many records it took."""
    floor.clock.move_to(floor.clock.now_ns() + 5 * NANOS_PER_SECOND)
    ticks = 1
    while moves_auctions(await floor.venue.sequencer.record(c.Tick())):
        ticks += 1
    return ticks


async def test_an_uncross_settles_on_the_contracts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(uncross, "SWEEP_MAX", 2)
    settings = Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=4)
    async with opened(settings) as floor, contextlib.AsyncExitStack() as stack:
        await open_market(floor)
        gateway = await stack.enter_async_context(floor.venue.gateway(limits=UNLIMITED))
        clients = [await stack.enter_async_context(await Client.connect(gateway.url)) for _ in KEYS]
        for client, key in zip(clients, KEYS, strict=True):
            await client.login(key)
        names = {item.series: name for name, item in (await clients[0].instruments()).items()}
        heard = await clients[0].subscribe([f"auction.{names[CALL]}"])
        assert (await heard.get()).data["phase"] == "continuous"
        await collect(floor, clients, names[CALL])
        told = (await heard.get()).data
        while told.get("indicative_amount") != 4:
            told = (await heard.get()).data
        assert (told["phase"], told["indicative_price"], told["surplus"]) == ("auction", 905, 0)
        assert (await clients[1].call("public/ticker", {"instrument_name": names[CALL]}))["x_phase"] == "auction"
        assert await end(floor) > 2
        while told["phase"] != "continuous":
            told = (await heard.get()).data
        await check_books(floor)
        await floor.venue.apply(c.SealBatch())
        await floor.until_settled()
        await check_books(floor)
        assert await floor.batches_settled() == 1


async def check_books(floor: Floor) -> None:
    """Four contracts at one price, and everybody holds the same here and, once settled, there."""

    def look(state):
        assert phases.phase_of(state, CALL) == c.CONTINUOUS
        held = {account.id: account.positions.get(CALL, 0) for account in state.accounts.values() if account.id}
        there = {key: held.get(CALL, 0) for key, held in state.mirror.positions.items() if held}
        return held, there, {trade.price for trade in state.trades.values()}, bool(state.trades)

    held, there, prices, waiting = await floor.venue.sequencer.read(look)
    assert sorted(held.values()) == [-40_000, 40_000]
    if waiting:
        assert len(prices) == 1
    else:
        assert there == held
