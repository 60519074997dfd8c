"""Channels over real sockets: books splice without gaps, paced channels conflate, keys lose what they are revoked. # M51"""

import asyncio
import contextlib
import json

import pytest
from websockets.asyncio.client import connect

from exchange import signing
from exchange.core import commands as c
from exchange.core.units import NO_EXPIRY
from exchange.shell.client import Client
from exchange.shell.outbox import Outbox, Overflow
from exchange.shell.subscription import Disconnected

from .conftest import key_of, must, post_round


def _apply(book, data):
    """A client's own copy of a book, moved as the dialect says."""
    if data["type"] == "snapshot":
        book["bids"], book["asks"] = {}, {}
    else:
        assert data["prev_change_id"] == book["id"]
    for side in ("bids", "asks"):
        for verb, price, amount in data[side]:
            if verb == "delete":
                del book[side][price]
            else:
                assert (verb == "new") == (price not in book[side])
                book[side][price] = amount
    book["id"] = data["change_id"]


async def _churn(maker, name, count):
    """Orders at a few prices, some cancelled at once."""
    for number in range(count):
        placed = await maker.sell(name, "0.01", 800 + number % 5)
        if number % 3:
            await maker.cancel(placed.order_id)


@pytest.mark.parametrize("interval", ["raw", "100ms"])
async def test_books_are_gap_free_and_end_where_rest_says(venue, interval):
    maker, reader = await venue.client(1), await venue.client()
    channel = f"book.{venue.call}.{interval}"
    copy = {"id": None}
    churning = asyncio.create_task(_churn(maker, venue.call, 60))
    book = await reader.subscribe([channel])
    first = (await book.get()).data
    assert first["type"] == "snapshot"
    assert "prev_change_id" not in first
    _apply(copy, first)
    late = await venue.client()
    late_book = await late.subscribe([channel])
    late_copy = {"id": None}
    _apply(late_copy, (await late_book.get()).data)
    await churning
    # What cancels out within a beat is not told, so a paced channel stays at an older id until something remains.
    await maker.sell(venue.call, "0.01", 900)
    shown = await reader.call("public/get_order_book", {"instrument_name": venue.call, "depth": 100})
    for copied, source in ((copy, book), (late_copy, late_book)):
        async with asyncio.timeout(10):
            while copied["id"] < shown["change_id"] or copied["asks"] != dict(map(tuple, shown["asks"])):
                _apply(copied, (await source.get()).data)
    assert copy["id"] == late_copy["id"]
    await asyncio.gather(maker.close(), reader.close(), late.close())


async def test_depth_channel_shows_whole_levels(venue):
    maker, reader = await venue.client(1), await venue.client()
    depth = await reader.subscribe([f"book.{venue.call}.none.1.100ms"])
    assert (await depth.get()).data["asks"] == []
    await maker.sell(venue.call, "0.3", 700)
    await maker.sell(venue.call, "0.3", 710)
    async with asyncio.timeout(5):
        while (data := (await depth.get()).data)["asks"] != [[700.0, 0.3]]:
            assert len(data["asks"]) <= 1
    await asyncio.gather(maker.close(), reader.close())


async def test_ticker_index_and_portfolio_follow_a_round(venue):
    client = await venue.client(1)
    channels = [f"ticker.{venue.call}.100ms", "deribit_price_index.btc_usdc", "user.portfolio.usdc"]
    news = await client.subscribe(channels)
    seen = {}
    async with asyncio.timeout(5):
        while len(seen) < 2:
            message = await news.get()
            seen[message.channel] = message.data
    assert seen[channels[0]]["index_price"] == 63_000
    assert seen[channels[2]]["balance"] == 1_000_000
    await post_round(venue.sequencer, 64_000 * 10**6)
    async with asyncio.timeout(5):
        while seen.get(channels[1], {}).get("price") != 64_000 or seen[channels[0]]["index_price"] != 64_000:
            message = await news.get()
            seen[message.channel] = message.data
    await client.close()


async def test_trades_come_raw_and_gathered(venue):
    maker, taker = await venue.client(1), await venue.client(2)
    news = await maker.subscribe([f"trades.{venue.call}.raw", "trades.option.BTC.100ms"])
    await maker.sell(venue.call, "0.5", 500)
    for _ in range(3):
        await taker.buy(venue.call, "0.1", 500)
    counts = dict.fromkeys(news.channels, 0)
    async with asyncio.timeout(5):
        while sum(counts.values()) < 6:
            message = await news.get()
            assert message.channel in counts
            assert message.channel.endswith("100ms") or len(message.data) == 1
            counts[message.channel] += len(message.data)
    assert list(counts.values()) == [3, 3]
    await asyncio.gather(maker.close(), taker.close())


async def test_unsubscribing_stops_the_channel_and_the_work_behind_it(venue):
    maker, reader = await venue.client(1), await venue.client()
    name = f"book.{venue.call}.raw"
    book = await reader.subscribe([name, f"trades.{venue.call}.100ms"])
    await book.get()
    await book.close()
    await maker.sell(venue.call, "0.1", 700)
    with pytest.raises(Disconnected):
        await book.get()
    assert not venue.publisher.has_marked()
    again = await reader.subscribe([name])
    assert (await again.get()).data["asks"] == [["new", 700.0, 0.1]]
    await reader.close()
    await maker.sell(venue.call, "0.1", 710)
    await maker.close()


async def test_a_subscriber_that_leaves_at_once_leaves_nothing_behind(venue):
    for _ in range(20):
        socket = await connect(venue.gateway.url)
        request = {"id": 1, "method": "public/subscribe", "params": {"channels": [f"book.{venue.call}.raw"]}}
        await socket.send(json.dumps(request))
        socket.transport.abort()
        await socket.wait_closed()
    maker = await venue.client(1)
    await maker.sell(venue.call, "0.1", 700)
    async with asyncio.timeout(5):
        while len(venue.gateway.connections) > 1:
            await maker.call("public/test")
    assert venue.publisher.watching() == 0
    await maker.close()


async def test_logout_answers_and_closes(venue):
    client = await venue.client(1)
    assert await client.call("private/logout") is None
    await _until_disconnected(client)
    await client.close()


async def _until_disconnected(client):
    async with asyncio.timeout(5):
        with contextlib.suppress(Disconnected):
            while True:
                await client.call("public/test")


async def test_a_revoked_key_loses_its_connection_at_once(venue):
    key = key_of(9)
    address = signing.address_of(key)
    action = await venue.sequencer.read(lambda state: state.mirror.action_id)
    await must(venue.sequencer, c.ObserveKey(action + 1, 1, address, c.SCOPE_TRADE | c.SCOPE_READ, NO_EXPIRY))
    client = await Client.connect(venue.gateway.url)
    await client.login(key)
    await client.subscribe(["user.orders.any.any.raw"])
    placed = await client.sell(venue.call, "0.1", 700)
    await must(venue.sequencer, c.ObserveRevocation(action + 2, 1, address))
    await _until_disconnected(client)
    owner = await venue.client(1)
    found = await owner.call("private/get_order_state", {"order_id": placed.order_id})
    assert (found["order_state"], found["x_cancel_reason"]) == ("cancelled", "key_revoked")
    await asyncio.gather(client.close(), owner.close())


async def test_the_outbox_replaces_what_only_the_latest_of_counts():
    outbox = Outbox(messages_max=3)
    outbox.put_latest("ticker", "old")
    outbox.put("delta")
    outbox.put_latest("ticker", "new")
    outbox.put("delta 2")
    with pytest.raises(Overflow):
        outbox.put("delta 3")
    outbox.put_latest("ticker", "newest")
    outbox.finish()
    taken = [await outbox.take() for _ in range(4)]
    assert taken == ["newest", "delta", "delta 2", None]
