"""Every method of a running venue, and its reply under the public schema of the dialect. # M50

Three traders live through a short market; every reply they get is kept. A method without one fails the test, so a new
method needs its row.
"""

import itertools
import json
import secrets

import aiohttp
import pytest
from typed_core.exceptions import ValidationError
from typed_core.validation import validator

from exchange import signing
from exchange.core import commands as c
from exchange.core.units import NO_EXPIRY, QTY_ONE, USDC_ONE
from exchange.session.methods import METHODS
from exchange.shell.client import Client, Refused
from exchange.shell.client_rfqs import Rfqs
from exchange.shell.wallet import Quote, block_params, sign_block, sign_login
from tests.dialect.answers import fault_of
from tests.dialect.oracle import COPY, faults, schema

from .conftest import OPERATOR_KEY, key_of

FAR = 2**53
# Asked as they are once something has happened, by whoever traded.
PLAIN = {
    "public/get_time": {},
    "public/test": {},
    "public/hello": {"client_name": "me", "client_version": "1"},
    "public/status": {},
    "public/get_currencies": {},
    "public/get_instruments": {"currency": "any"},
    "public/get_instrument": {"instrument_name": "$"},
    "public/get_order_book": {"instrument_name": "$", "depth": 5},
    "public/ticker": {"instrument_name": "$"},
    "public/get_index_price": {"index_name": "btc_usdc"},
    "public/get_book_summary_by_currency": {"currency": "USDC", "kind": "option"},
    "public/get_book_summary_by_instrument": {"instrument_name": "$"},
    "public/get_last_trades_by_instrument": {"instrument_name": "$"},
    "public/get_last_trades_by_instrument_and_time": {
        "instrument_name": "$",
        "start_timestamp": 0,
        "end_timestamp": FAR,
    },
    "public/get_last_trades_by_currency": {"currency": "BTC"},
    "public/get_last_trades_by_currency_and_time": {"currency": "any", "start_timestamp": 0, "end_timestamp": FAR},
    "public/get_trade_volumes": {},
    "public/get_tradingview_chart_data": {"instrument_name": "$", "resolution": "1"},
    "public/get_index_chart_data": {"index_name": "btc_usdc", "range": "1d"},
    "public/get_historical_volatility": {"currency": "BTC"},
    "public/get_contract_size": {"instrument_name": "$"},
    "public/get_index_price_names": {},
    "public/get_supported_index_names": {},
    "public/get_expirations": {"currency": "USDC", "kind": "any"},
    "public/get_delivery_prices": {"index_name": "btc_usdc"},
    "public/get_last_settlements_by_currency": {"currency": "USDC"},
    "public/get_last_settlements_by_instrument": {"instrument_name": "$"},
    "public/get_block_rfq_trades": {"currency": "any"},
    "public/get_combos": {"currency": "any"},
    "public/get_combo_ids": {"currency": "any"},
    "public/set_heartbeat": {"interval": 30},
    "public/disable_heartbeat": {},
    "public/subscribe": {"channels": ["deribit_price_index.btc_usdc"]},
    "public/unsubscribe": {"channels": ["deribit_price_index.btc_usdc"]},
    "public/unsubscribe_all": {},
    "private/subscribe": {"channels": ["user.orders.any.any.raw"]},
    "private/unsubscribe": {"channels": ["user.orders.any.any.raw"]},
    "private/unsubscribe_all": {},
    "private/get_open_orders": {},
    "private/get_open_orders_by_currency": {"currency": "USDC"},
    "private/get_open_orders_by_instrument": {"instrument_name": "$"},
    "private/get_open_orders_by_label": {"currency": "USDC", "label": "mine"},
    "private/get_order_state_by_label": {"currency": "USDC", "label": "mine"},
    "private/get_order_history_by_currency": {"currency": "USDC", "include_unfilled": True},
    "private/get_order_history_by_instrument": {"instrument_name": "$"},
    "private/get_trigger_order_history": {"currency": "USDC"},
    "private/get_user_trades_by_currency": {"currency": "USDC"},
    "private/get_user_trades_by_currency_and_time": {"currency": "USDC", "start_timestamp": 0, "end_timestamp": FAR},
    "private/get_user_trades_by_instrument": {"instrument_name": "$"},
    "private/get_user_trades_by_instrument_and_time": {"instrument_name": "$", "start_timestamp": 0},
    "private/get_transaction_log": {"currency": "USDC", "start_timestamp": 0, "end_timestamp": FAR},
    "private/get_settlement_history_by_currency": {"currency": "USDC"},
    "private/get_settlement_history_by_instrument": {"instrument_name": "$"},
    "private/get_subaccounts": {"with_portfolio": True},
    "private/get_subaccounts_details": {"currency": "USDC", "with_open_orders": True},
    "private/get_user_locks": {},
    "private/get_currencies": {},
    "private/get_positions": {"currency": "USDC"},
    "private/get_position": {"instrument_name": "$"},
    "private/get_account_summary": {"currency": "USDC", "extended": True},
    "private/get_account_summaries": {},
    "private/get_margins": {"instrument_name": "$", "amount": 0.2, "price": 500},
    "private/simulate_portfolio": {"currency": "USDC"},
    "private/get_cancel_on_disconnect": {},
    "private/enable_cancel_on_disconnect": {},
    "private/disable_cancel_on_disconnect": {},
    "private/x_cancel_all_after": {"timeout": 0},
    "private/x_get_drop_copy": {},
    "private/x_get_kill_switch": {},
    "private/x_kill_switch": {"cause": "test"},
    "private/x_release_kill_switch": {},
    "private/get_mmp_config": {"index_name": "btc_usdc"},
    "private/get_mmp_status": {"index_name": "btc_usdc"},
    "private/reset_mmp": {"index_name": "btc_usdc", "mmp_group": "grid"},
    "private/get_block_rfqs": {},
    "private/get_block_rfq_quotes": {},
    "private/get_block_rfq_makers": {},
    "private/get_block_rfq_user_info": {},
    "private/get_block_trades": {"currency": "any"},
    "private/invalidate_block_trade_signature": {"nonce": 77_777},
    "private/cancel_by_label": {"label": "mine"},
    "private/cancel_quotes": {"cancel_type": "all"},
    "private/cancel_all_by_instrument": {"instrument_name": "$"},
    "private/cancel_all_by_currency": {"currency": "USDC", "detailed": True},
    "private/cancel_all_by_currency_pair": {"currency_pair": "btc_usdc"},
    "private/cancel_all_by_kind_or_type": {"currency": ["USDC"], "type": "limit"},
    "private/cancel_all": {"detailed": True},
    "private/logout": {},
}


class Recording(Client):
    """A client that keeps what it was answered."""

    heard: list[tuple[str, object]]

    async def call(self, method, params=None):
        result = await super().call(method, params)
        self.__dict__.setdefault("heard", []).append((method, result))
        return result


async def connected(venue, number):
    client = await Recording.connect(venue.gateway.url)
    await client.login(key_of(number))
    return client


async def trade(maker, taker, call):
    """Orders of every kind, some of which stay."""
    resting = await maker.sell(call, 0.5, 500, label="mine")
    bought = await taker.buy(call, 0.2, 500, label="mine")
    await taker.buy(call, 0.1, 300, label="mine")
    edited = await maker.edit(resting.order_id, 0.6, 505)
    placed = {"order_id": edited.order_id}
    await maker.call("private/get_order_state", placed)
    await taker.call("private/get_user_trades_by_order", {"order_id": bought.order_id})
    await maker.call("private/get_order_margin_by_ids", {"ids": [edited.order_id]})
    labelled = await maker.sell(call, 0.1, 900, label="only")
    before = maker._signed[labelled.order_id]
    order = (await maker.known(call)).order(
        account=maker.account, is_buy=False, quantity=2_000, limit_price=910 * USDC_ONE, max_fee=10**8,
        replaces=before.nonce + 1, nonce=maker.nonces.take(maker.account), expiry=NO_EXPIRY,
    )  # fmt: skip
    await maker.call("private/edit_by_label", maker.signed_params(order) | {"instrument_name": call, "label": "only"})
    closing = (await taker.known(call)).order(
        account=taker.account, is_buy=False, quantity=1_000, limit_price=5_000 * USDC_ONE, max_fee=10**8,
        reduce_only=True, nonce=taker.nonces.take(taker.account), expiry=NO_EXPIRY,
    )  # fmt: skip
    closing_params = taker.signed_params(closing) | {"instrument_name": call, "direction": "sell", "type": "limit"}
    closed = await taker.call("private/close_position", closing_params)
    await taker.cancel(closed["order"]["order_id"])


async def quote(maker, call):
    """A group of quotes."""
    group = {"index_name": "btc_usdc", "mmp_group": "grid", "interval": 1, "frozen_time": 0}
    await maker.call("private/set_mmp_config", group | {"quantity_limit": 5})
    told = await maker.mass_quote([Quote(call, bid=(100, 1), ask=(2_000, 1))], "grid")
    assert told["errors_count"] == 0


async def request(maker, taker, call, put):
    """Requests for quotes: one filled, one taken back; a combo of its own."""
    await maker.call("private/x_set_block_rfq_maker")
    rfq = await Rfqs(taker).ask(call, 1)
    answered = await Rfqs(maker).answer(rfq, call, 1, 600, is_buy=False)
    await Rfqs(maker).replace(answered, call, 1, 590)
    await Rfqs(taker).accept(rfq, call, 1, 590, is_buy=True)
    other = await Rfqs(taker).ask(put, 1)
    again = await Rfqs(maker).answer(other, put, 1, 600, is_buy=False)
    await maker.call("private/cancel_block_rfq_quote", {"block_rfq_quote_id": again["block_rfq_quote_id"]})
    await maker.call("private/cancel_all_block_rfq_quotes")
    await taker.call("private/cancel_block_rfq", {"block_rfq_id": other})
    combo = await taker.create_combo([(call, 1), (put, 1)])
    await taker.call("public/get_combo_details", {"combo_id": combo})
    legs = [{"instrument_name": name, "amount": 1, "direction": "buy"} for name in (call, put)]
    marks = [(await taker.call("public/ticker", {"instrument_name": name}))["mark_price"] for name in (call, put)]
    await taker.call("private/get_leg_prices", {"legs": legs, "price": round(sum(marks))})


async def agree(maker, taker, call):
    """Two blocks, one brought by a party and one by anybody who has both signatures."""
    listed = (await maker.known(call)).series
    mark = round((await maker.call("public/ticker", {"instrument_name": call}))["mark_price"] / 5) * 5
    names, numbers = {listed: call}, itertools.count(1_000_000)
    domain = maker.venue.domain()
    for anybody in (False, True):
        legs = (c.BlockLeg(listed, True, QTY_ONE, mark * USDC_ONE),)
        block = c.Block(maker.account, taker.account, legs, 10**9, 10**9, next(numbers), NO_EXPIRY, False)
        own, other = sign_block(key_of(1), domain, block), sign_block(key_of(2), domain, block)
        if anybody:
            await maker.trade_block(block, own, other)
            continue
        mine = block_params(block, "maker", names, own, "")
        await maker.call("private/simulate_block_trade", mine)
        await maker.call("private/verify_block_trade", mine)
        done = await maker.call("private/execute_block_trade", block_params(block, "maker", names, own, other))
        await taker.call("private/get_block_trade", {"id": done["id"]})


async def tokens(venue, client):
    """Every kind of token."""
    fields = sign_login(key_of(3), await client.call("public/get_time"), secrets.token_hex(8))
    grant = await client.call("public/auth", fields)
    await client.call("public/fork_token", {"refresh_token": grant["refresh_token"], "session_name": "second"})
    await client.call("public/exchange_token", {"refresh_token": grant["refresh_token"], "subject_id": 3})
    await client.call(
        "public/get_order_book_by_instrument_id", {"instrument_id": (await client.known(venue.call)).series}
    )
    await client.operate(c.SetBlocks(0, QTY_ONE, client.venue.operator), OPERATOR_KEY, index_name="btc_usdc")


@pytest.fixture
async def heard(venue):
    """All replies of a market's life."""
    call = venue.call
    put = call.removesuffix("C") + "P"
    maker, taker, third = [await connected(venue, number) for number in (1, 2, 3)]
    await trade(maker, taker, call)
    await quote(maker, call)
    await request(maker, taker, call, put)
    await agree(maker, taker, call)
    await tokens(venue, third)
    now = await taker.call("public/get_time")
    for method, plain in PLAIN.items():
        window = {"start_timestamp": now - 600_000, "end_timestamp": now} if "chart_data" in method else {}
        params = {name: call if value == "$" else value for name, value in plain.items()} | window
        for client in (maker,) if method == "private/reset_mmp" else (maker, taker):
            await client.call(method, params)
    return [pair for client in (maker, taker, third) for pair in client.heard]


def _faults(method, result):
    """What the package says, and what the committed copy says."""
    found, types, copy = [], schema().methods, json.loads(COPY.read_text())["rpc"]
    if method in types:
        try:
            validator(types[method]).json(json.dumps(result))
        except ValidationError as error:
            found.append(str(error))
    return found + (faults(copy[method]["result"], result) if method in copy else [])


async def test_every_reply_of_every_method_is_as_the_dialect_says(heard):
    assert sorted({method for method, _ in heard}) == sorted(METHODS)
    wrong = [f"{method} {fault}" for method, result in heard for fault in _faults(method, result)]
    assert wrong == []
    assert [f"{method} {fault}" for method, result in heard if (fault := fault_of(method, result))] == []


@pytest.mark.usefixtures("heard")
async def test_http_tells_the_same(venue):
    """Queries of the public half by GET with a query, by POST to a path and by POST of an envelope."""
    asked = [(name, params) for name, params in PLAIN.items() if name.startswith("public/get_") and "time" not in name]
    async with aiohttp.ClientSession() as http:
        for method, params in asked:
            named = {key: venue.call if value == "$" else value for key, value in params.items()}
            named |= {"start_timestamp": 1, "end_timestamp": 2} if "chart_data" in method else {}
            url = f"{venue.http}/api/v2"
            replies = [
                await http.get(f"{url}/{method}", params={key: str(value) for key, value in named.items()}),
                await http.post(f"{url}/{method}", json={"id": 1, "params": named}),
                await http.post(url, json={"id": 1, "method": method, "params": named}),
            ]
            told = [(await reply.json()).get("result") for reply in replies]
            assert told[0] == told[1] == told[2] is not None, method


async def test_the_validators_would_notice(heard):
    ticker = next(result for method, result in reversed(heard) if method == "public/ticker")
    del ticker["mark_price"]
    with pytest.raises(Exception, match="mark_price"):
        validator(schema().methods["public/ticker"]).json(json.dumps(ticker))
    kind = json.loads(COPY.read_text())["rpc"]["public/ticker"]["result"]
    assert faults(kind, ticker) == ["result.mark_price: missing"]


async def test_what_nobody_signed_is_refused(venue):
    taker = await connected(venue, 2)
    with pytest.raises(Refused, match="order_must_be_signed"):
        await taker.call("private/close_position", {"instrument_name": venue.call, "type": "market"})
    assert signing.to_hex(signing.address_of(OPERATOR_KEY)) == taker.venue.operator
