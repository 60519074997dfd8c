"""A client that signs nothing trades through a signer: orders, edits, market orders, closings, quotes, requests. # M51"""

import hashlib
import hmac
import time
from decimal import Decimal

import msgspec
import pytest

from exchange.core.units import USDC_ONE
from exchange.dialect.listed import Listed
from exchange.session import Limits
from exchange.session.limits import Costs
from exchange.signer.orders import worst_price
from tests.gateway.conftest import post_round

from .conftest import SECRETS, as_text


async def test_orders_are_signed_and_edited(connect, signer):
    maker, taker, call = await connect("maker"), await connect("taker"), signer.venue.call
    placed = await maker.ask("private/sell", instrument_name=call, amount=0.5, price=500, label="mine", post_only=True)
    order = placed["order"]
    assert (order["order_state"], order["post_only"], order["label"]) == ("open", True, "mine")
    assert placed["receipt"]["seq"] == int(order["order_id"])
    edited = await maker.ask("private/edit", order_id=order["order_id"], price=505)
    assert (edited["order"]["price"], edited["order"]["amount"], edited["order"]["post_only"]) == (505, 0.5, True)
    again = await maker.ask("private/edit_by_label", label="mine", instrument_name=call, amount=0.7, price=510)
    assert (again["order"]["amount"], again["order"]["order_id"]) == (0.7, order["order_id"])
    bought = await taker.ask("private/buy", instrument_name=call, amount=0.2, price=510)
    assert [trade["price"] for trade in bought["trades"]] == [510]
    assert (await maker.ask("private/cancel", order_id=order["order_id"]))["order_state"] == "cancelled"
    assert await maker.refused("private/edit_by_label", label="mine", instrument_name=call, amount=1, price=5) == (
        10004,
        {"reason": "label_must_name_one_order", "param": "label", "value": 0},
    )


async def test_a_market_order_signs_the_worst_price(connect, signer):
    maker, taker, call = await connect("maker"), await connect("taker"), signer.venue.call
    await maker.ask("private/sell", instrument_name=call, amount=0.2, price=500)
    await maker.ask("private/sell", instrument_name=call, amount=0.2, price=600)
    bought = await taker.ask("private/buy", instrument_name=call, amount=0.4, type="market")
    assert [(trade["price"], trade["amount"]) for trade in bought["trades"]] == [(500, 0.2)]
    assert (bought["order"]["order_type"], bought["order"]["price"]) == ("market", 525)
    assert bought["order"]["order_state"] == "cancelled"  # what would have cost more than signed does not trade


async def test_closing_a_position_is_a_reduce_only_order(connect, signer):
    maker, taker, call = await connect("maker"), await connect("taker"), signer.venue.call
    await maker.ask("private/sell", instrument_name=call, amount=0.3, price=500)
    await taker.ask("private/buy", instrument_name=call, amount=0.3, price=500)
    await maker.ask("private/buy", instrument_name=call, amount=1, price=490)
    closed = await taker.ask("private/close_position", instrument_name=call, type="market")
    order = closed["order"]
    assert (order["direction"], order["amount"], order["reduce_only"]) == ("sell", 0.3, True)
    assert sum(trade["amount"] for trade in closed["trades"]) == 0.3
    assert (await taker.ask("private/get_position", instrument_name=call))["size"] == 0
    assert (await taker.refused("private/close_position", instrument_name=call, type="market"))[0] == 10010
    limit = await maker.send("private/close_position", instrument_name=call, type="limit", price=400)
    assert limit["error"]["code"] == 10010


async def test_precision_is_looked_at_before_anything_is_signed(connect, signer):
    maker, call = await connect("maker"), signer.venue.call
    first = await maker.ask("private/buy", instrument_name=call, amount=0.1, price=5)
    for wrong, code in (({"price": 5.5}, 10043), ({"amount": 0.00001}, 10021), ({"amount": 0}, 10002)):
        fields = {"instrument_name": call, "amount": 0.1, "price": 6} | wrong
        assert (await maker.refused("private/buy", **fields))[0] == code
    assert (await maker.refused("private/buy", instrument_name="NONE", amount=1, price=1))[0] == 10020
    assert (await maker.refused("private/buy", instrument_name=call, amount=1, price=1, type="trailing_stop"))[
        0
    ] == 10033
    second = await maker.ask("private/buy", instrument_name=call, amount=0.1, price=6)
    assert second["order"]["x_nonce"] == first["order"]["x_nonce"] + 1  # none was used in between


async def test_triggers_links_and_days(connect, signer):
    taker, call = await connect("taker"), signer.venue.call
    linked = await taker.ask(
        "private/buy",
        instrument_name=call,
        amount=0.1,
        price=300,
        time_in_force="good_til_day",
        linked_order_type="one_triggers_one_cancels_other",
        otoco_config=[
            {"direction": "sell", "type": "take_limit", "price": 900, "trigger": "mark_price", "trigger_price": 900}
            | {"reduce_only": True},
            {"direction": "sell", "type": "stop_market", "price": 50, "trigger": "mark_price", "trigger_price": 100}
            | {"reduce_only": True},
        ],
    )
    assert (linked["order"]["time_in_force"], len(linked["x_linked_orders"])) == ("good_til_day", 2)
    stop = await taker.ask(
        "private/buy", instrument_name=call, amount=0.1, type="stop_market", trigger="mark_price", trigger_price=5_000
    )
    assert (stop["order"]["order_state"], stop["order"]["price"]) == ("untriggered", 5_250)
    moved = await taker.ask("private/edit", order_id=stop["order"]["order_id"], trigger_price=5_500)
    assert (moved["order"]["trigger_price"], moved["order"]["order_type"]) == (5_500, "stop_market")


async def test_quotes_and_their_protection(connect, signer):
    maker, taker, call = await connect("maker"), await connect("taker"), signer.venue.call
    await maker.ask("private/set_mmp_config", index_name="btc_usdc", interval=1, frozen_time=0, quantity_limit=1)
    quotes = [{"instrument_name": call, "bid": {"price": 490, "amount": 1}, "ask": {"price": 510, "amount": 1}}]
    told = await maker.ask("private/mass_quote", quote_id="q", mmp_group="btc_usdc", quotes=quotes, detailed=True)
    assert (told["errors_count"], len(told["orders"])) == (0, 2)
    await taker.ask("private/buy", instrument_name=call, amount=1, price=510)
    (status,) = await maker.ask("private/get_mmp_status", index_name="btc_usdc")
    assert status["is_frozen"] is True
    assert (await maker.refused("private/mass_quote", quote_id="q", mmp_group="btc_usdc", quotes=[]))[0] == -32602


async def test_quotes_within_a_signed_budget(connect, signer):
    """The budget is in the signature: once a fill has reached it nothing more does."""
    maker, taker, call = await connect("maker"), await connect("taker"), signer.venue.call
    await maker.ask("private/set_mmp_config", index_name="btc_usdc", interval=1, frozen_time=0)
    quotes = [{"instrument_name": call, "ask": {"price": 510, "amount": 1}}]
    where = {"quote_id": "q", "mmp_group": "btc_usdc", "quotes": quotes}
    code, data = await maker.refused("private/mass_quote", **where, x_budget={"quantity": 0.00001})
    assert (code, data["param"], data["reason"]) == (-32602, "quantity", "finer_than_can_be_signed")
    await maker.ask("private/mass_quote", **where, x_budget={"quantity": 0.4, "count": 5})
    bought = await taker.ask("private/buy", instrument_name=call, amount=0.4, price=510)
    assert bought["order"]["filled_amount"] == 0.4
    more = await taker.ask("private/buy", instrument_name=call, amount=0.1, price=510)
    assert more["order"]["filled_amount"] == 0
    assert await maker.ask("private/get_open_orders") == []


async def test_block_trades_are_signed_on_both_sides(connect, signer):
    """Each side hands over a signature and no key; the words of the dialect are enough to come to the same struct."""
    maker, taker, call = await connect("maker"), await connect("taker"), signer.venue.call
    put = call.removesuffix("C") + "P"
    now = await maker.ask("public/get_time")
    trades = [
        {"instrument_name": put, "amount": 2, "price": 400, "direction": "buy"},
        {"instrument_name": call, "amount": 2, "price": 500, "direction": "sell"},
    ]
    said = {"timestamp": now, "nonce": 987_654, "trades": trades}
    mine, theirs = said | {"role": "maker", "x_counterparty": 2}, said | {"role": "taker", "x_counterparty": 1}
    assert await maker.ask("private/simulate_block_trade", **mine) is True
    signature = (await maker.ask("private/verify_block_trade", **mine))["signature"]
    other = theirs | {"trades": [trades[0] | {"price": 390}, trades[1]]}
    code, data = await taker.refused("private/execute_block_trade", **other, counterparty_signature=signature)
    assert (code, data["reason"]) == (10000, "signer_must_be_authorised")
    done = await taker.ask("private/execute_block_trade", **theirs, counterparty_signature=signature)
    assert [trade["direction"] for trade in done["trades"]] == ["buy", "sell"]
    assert (await maker.ask("private/get_position", instrument_name=put))["size"] == 2
    assert (await taker.ask("private/get_position", instrument_name=put))["size"] == -2
    code, data = await taker.refused("private/execute_block_trade", **theirs, counterparty_signature=signature)
    assert data["reason"] == "nonce_must_be_fresh"
    late = mine | {"timestamp": now - 301_000}
    assert (await maker.refused("private/verify_block_trade", **late))[1]["reason"] == "timestamp_must_be_near_now"


async def test_the_same_request_again_is_the_same_signature(connect, signer):
    taker, call = await connect("taker"), signer.venue.call
    order = {"instrument_name": call, "amount": 0.1, "price": 5, "label": "once", "x_once": True}
    first = await taker.ask("private/buy", **order)
    again = await taker.ask("private/buy", **order)
    assert again.pop("x_repeated") is True
    assert again == first
    assert (await taker.refused("private/buy", **order | {"price": 6}))[1]["reason"] == "label_must_be_new"
    assert len(await taker.ask("private/get_open_orders")) == 1


async def test_requests_for_quotes_and_combos(connect, signer):
    maker, taker, call = await connect("maker"), await connect("taker"), signer.venue.call
    put = call.removesuffix("C") + "P"
    await maker.ask("private/x_set_block_rfq_maker")
    legs = [{"instrument_name": name, "amount": 1, "direction": "buy"} for name in (call, put)]
    asked = await taker.ask("private/create_block_rfq", legs=legs)
    where = {"block_rfq_id": asked["block_rfq_id"]}
    quoted = await maker.ask("private/add_block_rfq_quote", **where, amount=1, price=1_200, direction="sell")
    await maker.ask(
        "private/edit_block_rfq_quote", block_rfq_quote_id=quoted["block_rfq_quote_id"], amount=1, price=1_190
    )
    done = await taker.ask("private/accept_block_rfq", **where, amount=1, price=1_190, direction="buy")
    assert "receipt" in done
    assert (await taker.ask("private/get_position", instrument_name=put))["size"] == 1
    combo = await taker.ask("private/create_combo", trades=legs)
    resting = await maker.ask("private/sell", instrument_name=combo["id"], amount=1, price=1_100)
    bought = await taker.ask("private/buy", instrument_name=combo["id"], amount=1, price=1_100)
    assert (resting["order"]["order_state"], bought["order"]["order_state"]) == ("open", "filled")
    assert (await taker.refused("private/accept_block_rfq", block_rfq_id=1, amount=1, price=1, direction="buy"))[
        0
    ] == -32602


async def test_streams_are_the_venue_s_own(connect, signer):
    maker, call = await connect("maker"), signer.venue.call
    names = [f"book.{call}.raw", "user.orders.any.any.raw"]
    assert await maker.ask("private/subscribe", channels=names) == names
    await maker.ask("private/buy", instrument_name=call, amount=0.1, price=5)
    await post_round(signer.venue.sequencer)
    await maker.ask("public/test")
    heard = [notice["params"]["channel"] for notice in maker.notices]
    assert heard.count(names[0]) == 2
    assert names[1] in heard
    assert await maker.ask("private/get_cancel_on_disconnect") == {"scope": "connection", "enabled": False}


async def test_requests_of_a_connection_keep_their_order(connect, signer):
    """An order that has to be priced first is not overtaken by the question behind it."""
    maker, call = await connect("maker"), signer.venue.call
    first = await maker.ask("private/buy", instrument_name=call, amount=0.1, price=5)  # the venue knows the connection
    stop = {"instrument_name": call, "amount": 0.1, "type": "stop_market", "trigger": "index_price"}
    asked = [("private/buy", stop | {"trigger_price": 90_000}), ("private/get_open_orders", {})]
    for number, (method, params) in enumerate(asked, 100):
        await maker.socket.send_json({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
    replies = {}
    while len(replies) < 2:
        reply = msgspec.json.decode(await maker.socket.receive_str(timeout=10))
        replies[reply["id"]] = reply["result"]
    orders = (first, replies[100])
    assert [item["order_id"] for item in replies[101]] == [placed["order"]["order_id"] for placed in orders]


def hmac_header(name, uri, body="", verb="GET"):
    stamp = time.time_ns() // 10**6
    text = f"{stamp}\nn{stamp}\n{verb}\n{uri}\n{body}\n"
    digest = hmac.new(SECRETS[name].encode(), text.encode(), hashlib.sha256).hexdigest()
    return {"Authorization": f"deri-hmac-sha256 id={name},ts={stamp},sig={digest},nonce=n{stamp}"}


async def test_orders_over_get_and_post(signer, http):
    call, base = signer.venue.call, signer.ready.http
    path = f"/api/v2/private/buy?instrument_name={call}&amount=0.1&price=5.0&post_only=true&label=77"
    placed = await (await http.get(base + path, headers=hmac_header("taker", path))).json()
    order = placed["result"]["order"]
    assert (order["label"], order["post_only"], order["price"]) == ("77", True, 5)
    path = f"/api/v2/private/get_open_orders_by_instrument?instrument_name={call}"
    shown = await (await http.get(base + path, headers=hmac_header("taker", path))).json()
    assert [item["order_id"] for item in shown["result"]] == [order["order_id"]]
    login = {"grant_type": "client_credentials", "client_id": "taker", "client_secret": SECRETS["taker"]}
    grant = (await (await http.get(f"{base}/api/v2/public/auth", params=as_text(login))).json())["result"]
    bearer = {"Authorization": f"bearer {grant['access_token']}"}
    body = {"id": "a", "method": "private/edit", "params": {"order_id": order["order_id"], "amount": 0.2, "price": 6}}
    edited = await (await http.post(f"{base}/api/v2", json=body, headers=bearer)).json()
    assert (edited["id"], edited["result"]["order"]["amount"]) == ("a", 0.2)
    cancel = {"params": {"order_id": order["order_id"]}}
    gone = await (await http.post(f"{base}/api/v2/private/cancel", json={"id": 1} | cancel, headers=bearer)).json()
    assert gone["result"]["order_state"] == "cancelled"
    listed = await (await http.get(f"{base}/api/v2/public/get_instruments?currency=BTC")).json()
    assert len(listed["result"]) == 6


@pytest.mark.parametrize("limits", [Limits(credits_max=1_000, refill_per_s=1, costs=Costs(matching=400))])
async def test_a_client_that_floods_is_told_to_wait(connect):
    maker = await connect("maker")
    code, data = await maker.refused("public/test")
    assert (code, data["reason"], 90 < data["wait"] <= 100) == (10028, "credits_exhausted", True)


def test_worst_prices_lie_on_the_tick():
    listed = Listed(1, "X", "BTC", "btc_usdc", 0, 0, 0, 0, True, 100, USDC_ONE, 5 * USDC_ONE, 1_000 * USDC_ONE, ())
    tenth = Decimal("0.1")
    assert worst_price(listed, Decimal(500), tenth, is_buy=True) == 550
    assert worst_price(listed, Decimal(1_001), tenth, is_buy=True) == 1_105
    assert worst_price(listed, Decimal(1_001), tenth, is_buy=False) == 900
    assert worst_price(listed, Decimal(1), tenth, is_buy=False) == 1  # never nothing
    combo = listed._replace(legs=((1, 1), (2, -1)))
    assert worst_price(combo, Decimal(-100), tenth, is_buy=True) == -90
    assert worst_price(combo, Decimal(-100), tenth, is_buy=False) == -110
