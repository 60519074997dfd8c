"""An order's life over a real socket, signed, sequenced, journaled, receipted. # M03 M08 M10 M50"""

import asyncio
from decimal import Decimal

import pytest

from exchange import codec
from exchange.core.commands import BRACKET, INDEX, Place, Terms
from exchange.core.units import USDC_ONE
from exchange.publisher.changes import merged
from exchange.shell.client import Linked, Refused
from exchange.shell.wallet import Untrusted, Venue, verify_receipt


async def test_sell_buy_edit_cancel(venue):
    maker, taker = await venue.client(1), await venue.client(2)
    sold = await maker.sell(venue.call, "0.5", 500)
    assert sold.order["order_state"] == "open"
    bought = await taker.buy(venue.call, Decimal("0.2"), 510, label="mine")
    assert bought.order["order_state"] == "filled"
    assert bought.order["label"] == "mine"
    assert [trade["price"] for trade in bought.trades] == [500.0]
    edited = await maker.edit(sold.order_id, "0.4", 505)
    assert edited.order["amount"] == 0.4
    assert edited.order["filled_amount"] == 0.2
    assert (await maker.cancel(sold.order_id))["order_state"] == "cancelled"
    assert (await maker.call("private/get_order_state", {"order_id": sold.order_id}))["order_state"] == "cancelled"
    position = await taker.call("private/get_position", {"instrument_name": venue.call})
    assert position["size"] == 0.2
    await asyncio.gather(maker.close(), taker.close())


async def test_every_acknowledged_order_is_in_the_journal_with_the_leaf_its_receipt_names(venue):
    client = await venue.client(1)
    placed = [await client.sell(venue.call, "0.01", 600 + number) for number in range(20)]
    leaves = {}
    for frame in venue.store.frames_held:
        for record, leaf in zip(frame.records(), frame.leaves(), strict=True):
            leaves[record.seq] = (codec.decode_command(record.command), leaf)
    for item in placed:
        command, leaf = leaves[item.receipt.receipt.seq]
        assert isinstance(command, Place)
        assert str(item.receipt.receipt.seq) == item.order_id
        assert leaf == item.receipt.receipt.record_hash
    assert len({item.order_hash for item in placed}) == 20
    await client.close()


async def test_orders_survive_the_connection_that_sent_them(venue):
    first = await venue.client(1)
    placed = await first.sell(venue.call, "0.1", 700)
    await first.close()
    second = await venue.client(1)
    found = await second.call("private/get_open_orders")
    assert [order["order_id"] for order in found] == [placed.order_id]
    assert await second.cancel_all() == 1
    await second.close()


async def test_a_new_client_continues_the_nonces(venue):
    first = await venue.client(1)
    await first.sell(venue.call, "0.1", 700)
    await first.close()
    second = await venue.client(1)
    await second.sell(venue.call, "0.1", 701)
    assert len(await second.call("private/get_open_orders")) == 2
    await second.close()


async def test_a_refusal_carries_a_receipt_too(venue):
    client = await venue.client(1)
    with pytest.raises(Refused) as caught:
        await client.buy(venue.call, 20_000, 500)
    assert caught.value.code == 10009
    assert caught.value.data["receipt"]["seq"] > 0
    await client.close()


async def test_a_client_notices_a_forged_receipt_and_a_foreign_venue(venue):
    client = await venue.client(1)
    placed = await client.sell(venue.call, "0.1", 700)
    last = placed.receipt.signature[-1]
    forged = placed.receipt._replace(signature=placed.receipt.signature[:-1] + bytes([55 - last]))
    other = Venue(client.venue.name, client.venue.chain_id, client.venue.clearing, client.venue.clearing)
    with pytest.raises(Untrusted):
        verify_receipt(other, placed.receipt)
    with pytest.raises(Untrusted):
        verify_receipt(client.venue, forged)
    with pytest.raises(Untrusted):
        await type(client).connect(venue.gateway.url, pinned=other)
    await client.close()


async def test_user_channels_tell_both_sides(venue):
    maker, taker = await venue.client(1), await venue.client(2)
    orders = await maker.subscribe(["user.orders.any.any.raw"])
    trades = await taker.subscribe([f"user.trades.{venue.call}.raw"])
    sold = await maker.sell(venue.call, "0.5", 500)
    assert (await orders.get()).data["order_state"] == "open"
    await taker.buy(venue.call, "0.5", 500)
    filled = (await orders.get()).data
    assert (filled["order_id"], filled["order_state"]) == (sold.order_id, "filled")
    assert (await trades.get()).data[0]["liquidity"] == "T"
    await asyncio.gather(maker.close(), taker.close())


async def test_changes_tell_orders_fills_and_the_position_at_once(venue):
    maker, taker = await venue.client(1), await venue.client(2)
    raw = await maker.subscribe([f"user.changes.{venue.call}.raw"])
    paced = await maker.subscribe(["user.changes.option.USDC.100ms"])
    sold = await maker.sell(venue.call, "0.5", 500)
    rested = (await raw.get()).data
    assert [order["order_state"] for order in rested["orders"]] == ["open"]
    assert (rested["instrument_name"], rested["trades"], rested["positions"]) == (venue.call, [], [])
    await taker.buy(venue.call, "0.2", 500)
    await taker.buy(venue.call, "0.3", 500)
    halves = [(await raw.get()).data for _ in range(2)]
    assert [item["orders"][0]["order_state"] for item in halves] == ["open", "filled"]
    assert [item["positions"][0]["size"] for item in halves] == [-0.2, -0.5]
    traded = []
    async with asyncio.timeout(5):
        while sum(traded) < 0.5:
            last = (await paced.get()).data
            assert [order["order_id"] for order in last["orders"]] == [
                sold.order_id
            ]  # each once, however often it changed
            traded += [trade["amount"] for trade in last["trades"]]
    assert traded == [0.2, 0.3]
    assert (last["orders"][0]["order_state"], last["positions"][0]["size"]) == ("filled", -0.5)
    await asyncio.gather(maker.close(), taker.close())


def test_an_interval_tells_each_order_once_and_each_trade():
    def item(name, orders, trades, positions):
        return {"instrument_name": name, "orders": orders, "trades": trades, "positions": positions}

    first, second = {"order_id": "1", "state": "open"}, {"order_id": "1", "state": "filled"}
    held, moved = {"x_account": 1, "size": 1}, {"x_account": 1, "size": 2}
    items = [item("A", [first], ["x"], [held]), item("B", [first], [], []), item("A", [second], ["y"], [moved])]
    assert merged(items) == [item("A", [second], ["x", "y"], [moved]), item("B", [first], [], [])]


async def test_a_combo_is_listed_signed_by_its_legs_and_traded_over_the_socket(venue):
    maker, taker = await venue.client(1), await venue.client(2)
    other = venue.call.replace("63000", "64000")
    name = await maker.create_combo([(venue.call, 1), (other, -1)])
    assert name == await taker.create_combo([(other, 2), (venue.call, -2)])
    mine = await maker.subscribe(["user.combo_trades.any.any.raw"])
    book = await taker.subscribe([f"book.{name}.raw"])
    assert (await book.get()).data["asks"] == []
    sold = await maker.sell(name, "0.5", -5, post_only=True)
    assert (await book.get()).data["asks"] == [["new", -5.0, 0.5]]
    await maker.edit(sold.order_id, "0.4", -6, post_only=True)
    bought = await taker.buy(name, "0.3", 10)
    assert [(trade["price"], trade["amount"], len(trade["legs"])) for trade in bought.trades] == [(-6.0, 0.3, 2)]
    (told,) = (await mine.get()).data
    assert (told["instrument_name"], told["direction"], told["order_id"]) == (name, "sell", sold.order_id)
    shown = await taker.call("public/get_order_book", {"instrument_name": name})
    assert (shown["asks"], shown["last_price"]) == ([[-6.0, 0.1]], -6.0)
    assert (await maker.cancel(sold.order_id))["order_state"] == "cancelled"
    await asyncio.gather(maker.close(), taker.close())


async def test_a_max_fee_of_nothing_is_signed_as_such(venue):
    maker = await venue.client(1)
    placed = await maker.sell(venue.call, "0.1", 700)
    for asked in (maker.edit(placed.order_id, "0.2", 700, max_fee=0), maker.sell(venue.call, "0.1", 700, max_fee=0)):
        with pytest.raises(Refused) as refused:
            await asked
        assert refused.value.data["reason"] == "max_fee_must_cover_fee"
    await maker.close()


async def test_an_iceberg_a_stop_and_a_bracket_over_the_socket(venue):
    maker, holder = await venue.client(1), await venue.client(2)
    shown = await maker.sell(venue.call, "0.5", 500, terms=Terms(display=1_000))
    assert shown.order["display_amount"] == 0.1
    smaller = await maker.edit(shown.order_id, "0.4", 500)
    assert (smaller.order["amount"], smaller.order["refresh_amount"]) == (0.4, 0.1)
    stop = Terms(trigger=INDEX, trigger_price=USDC_ONE)
    take = Terms(trigger=INDEX, trigger_price=10**6 * USDC_ONE, trigger_above=True)
    ways_out = [Linked(False, 1, stop, reduce_only=True), Linked(False, 900, take, reduce_only=True)]
    entry = await holder.buy(venue.call, "0.2", 500, terms=Terms(link=BRACKET), linked=ways_out)
    assert entry.order["order_state"] == "filled"
    waiting = await holder.call("private/get_open_orders", {"type": "trigger_all"})
    assert sorted(order["order_type"] for order in waiting) == ["stop_limit", "take_limit"]
    assert all(order["order_state"] == "untriggered" and "x_held_amount" not in order for order in waiting)
    for order in waiting:
        assert (await holder.cancel(order["order_id"]))["order_state"] == "cancelled"
    await asyncio.gather(maker.close(), holder.close())
