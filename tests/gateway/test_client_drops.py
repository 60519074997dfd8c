"""The client's drop copy has every message once, though the connection broke in between. # M51"""

import pytest

from exchange.client import Client, Forgotten, drop_copy
from exchange.publisher import moments

from .conftest import key_of


async def client_of(venue, number):
    client = await Client.connect(venue.gateway.url)
    await client.login(key_of(number))
    return client


async def taken(stream, count):
    return [await anext(stream) for _ in range(count)]


async def test_everything_once_over_two_connections(venue):
    trader = await client_of(venue, 1)
    listener = await client_of(venue, 1)
    placed = [await trader.buy(venue.call, "0.1", 5)]
    stream = drop_copy(listener)
    heard = await taken(stream, 1)
    placed += [await trader.buy(venue.call, "0.1", 5) for _ in range(2)]
    heard += await taken(stream, 2)
    assert [str(each["seq"]) for each in heard] == [each.order_id for each in placed]
    await listener.close()
    assert [each async for each in stream] == []
    missed = [await trader.buy(venue.call, "0.1", 5) for _ in range(3)]
    again = await client_of(venue, 1)
    stream = drop_copy(again, heard[-1]["seq"] + 1)
    heard += await taken(stream, 3)
    missed.append(await trader.buy(venue.call, "0.1", 5))
    heard += await taken(stream, 1)
    assert [str(each["seq"]) for each in heard[3:]] == [each.order_id for each in missed]
    assert [each["prev_seq"] for each in heard] == [0, *[each["seq"] for each in heard[:-1]]]
    await again.close()
    await trader.close()


async def test_what_is_forgotten_is_said(venue, monkeypatch):
    monkeypatch.setattr(moments, "KEPT_OF_ACCOUNT_MAX", 2)
    trader = await client_of(venue, 1)
    placed = [await trader.buy(venue.call, "0.1", 5) for _ in range(4)]
    with pytest.raises(Forgotten) as told:
        await anext(drop_copy(trader, int(placed[0].order_id)))
    assert told.value.reach_seq == int(placed[1].order_id) + 1
    await trader.close()


async def test_once_is_once(venue):
    trader = await client_of(venue, 1)
    first = await trader.buy(venue.call, "0.1", 5, label="a", once=True)
    again = await trader.buy(venue.call, "0.1", 5, label="a", once=True)
    assert (again.order_id, again.order_hash) == (first.order_id, first.order_hash)
    assert await trader.cancel_all() == 1
    await trader.close()
