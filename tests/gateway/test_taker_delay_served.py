"""The delay as traders meet it: a maker who cancels while a taker is held back is never hit. # M08"""

import asyncio
from typing import Any

import pytest

from exchange import codec
from exchange.core import commands as c
from exchange.session.limits import UNLIMITED
from exchange.shell.client import Refused
from exchange.shell.gateway import Settings

DELAY = 200_000_000


@pytest.fixture
async def delaying(open_venue):
    async with open_venue(Settings(limits=UNLIMITED), taker_delay_ns=DELAY) as venue:
        yield venue


async def until_held(venue: Any, count: int = 1) -> None:
    """Until so many orders are held back."""
    async with asyncio.timeout(5):
        while len(venue.sequencer._inbox) - venue.sequencer._inbox.ready < count:
            await venue.sequencer.read(lambda state: state.seq)


def takers(venue: Any) -> list[tuple[int, int]]:
    """Arrival and record time of every order in the journal that could take."""
    records = [record for frame in venue.store.frames_held for record in frame.records()]
    entered = [(codec.decode_command(record.command), record.time_ns) for record in records]
    return [(command.arrived_ns, at) for command, at in entered if isinstance(command, c.Place) and command.arrived_ns]


async def test_a_cancel_that_comes_while_the_taker_is_held_always_wins(delaying):
    """The price has moved; the taker was first at the door and the maker is first at the book."""
    async with await delaying.client(1) as maker, await delaying.client(2) as taker:
        for _ in range(3):
            placed = await maker.sell(delaying.call, 1, 900, post_only=True)
            snipe = asyncio.create_task(taker.buy(delaying.call, 1, 900, time_in_force="immediate_or_cancel"))
            await until_held(delaying)
            cancelled = await maker.cancel(placed.order_id)
            assert not snipe.done()  # the maker did not wait with the taker
            missed = await snipe
            assert (cancelled["filled_amount"], missed.trades) == (0, [])
            assert missed.order["order_state"] == "cancelled"


async def test_a_taker_that_nobody_evades_trades_after_its_delay(delaying):
    async with await delaying.client(1) as maker, await delaying.client(2) as taker:
        await maker.sell(delaying.call, 2, 900, post_only=True)
        fills = await asyncio.gather(*[taker.buy(delaying.call, 1, 900) for _ in range(2)])
        assert [len(each.trades) for each in fills] == [1, 1]
    waits = takers(delaying)
    assert waits == sorted(waits)
    assert len(waits) == 2
    assert all(at - arrived >= DELAY for arrived, at in waits)


async def test_cancelling_everything_takes_back_what_is_held(delaying):
    async with await delaying.client(1) as maker, await delaying.client(2) as taker:
        await maker.sell(delaying.call, 1, 900, post_only=True)
        held = asyncio.create_task(taker.buy(delaying.call, 1, 900))
        await until_held(delaying)
        assert await taker.cancel_all() == 0
        with pytest.raises(Refused) as caught:
            await held
        assert (caught.value.code, caught.value.data["reason"]) == (11044, "cancelled_before_it_was_entered")
        assert "receipt" not in caught.value.data
        assert await taker.call("private/get_open_orders") == []
    assert takers(delaying) == []
