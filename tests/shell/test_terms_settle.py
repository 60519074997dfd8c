"""Orders with signed terms from the sockets to the real contracts: what the venue acknowledges under them settles."""

import contextlib
from pathlib import Path

from shell_floor import KEYS, START_S, open_market, opened

from exchange.core.commands import BRACKET, LAST, SealBatch, Terms
from exchange.core.units import USDC_ONE
from exchange.session.limits import UNLIMITED
from exchange.shell.client import Client, Linked
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Terms as Parameters
from exchange.shell.venue import Settings

CALL = 1 << 16


async def trade(clients: list[Client], name: str) -> None:
    """An iceberg is taken in part by an entry with a stop behind it; the stop is reached by a trade and closes."""
    maker, holder = clients
    await maker.sell(name, 1, 900, terms=Terms(display=2_000))
    stop = Terms(market=True, trigger=LAST, trigger_price=850 * USDC_ONE)
    way_out = Linked(False, 100, stop, reduce_only=True, time_in_force="immediate_or_cancel")
    entry = await holder.buy(name, "0.5", 900, terms=Terms(link=BRACKET), linked=[way_out])
    assert entry.order["filled_amount"] == 0.5
    await maker.cancel_all()
    await maker.buy(name, 1, 840)
    await holder.sell(name, "0.1", 840)
    state = await holder.call("private/get_position", {"instrument_name": name})
    assert state["size"] == 0  # 0.1 by hand; the last price was then at the stop, which closed the rest


async def test_an_iceberg_and_a_stop_settle_on_the_contracts(tmp_path: Path):
    settings = Settings(tmp_path / "venue.journal", Parameters(), ManualClock(START_S), finality_depth=4)
    async with opened(settings) as floor, contextlib.AsyncExitStack() as stack:
        await open_market(floor)
        gateway = await stack.enter_async_context(floor.venue.gateway(limits=UNLIMITED))
        clients = [await stack.enter_async_context(await Client.connect(gateway.url)) for _ in KEYS]
        for client, key in zip(clients, KEYS, strict=True):
            await client.login(key)
        names = {item.series: name for name, item in (await clients[0].instruments()).items()}
        await trade(clients, names[CALL])
        await floor.venue.apply(SealBatch())
        await floor.until_settled()
        assert await floor.batches_settled() == 1
        there, waiting = await floor.venue.sequencer.read(
            lambda state: ({key: held.get(CALL, 0) for key, held in state.mirror.positions.items()}, len(state.trades))
        )
        assert not waiting
        assert not any(there.values())
