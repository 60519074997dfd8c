"""Clients that others wrote, unmodified, through `verbatim signer` to a development venue: what traders already have. # M51

ccxt and typed-deribit come from PyPI. Only their addresses, id and secret are set.
"""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import ccxt.async_support as ccxt
import pytest
from e2e_serve import Serving
from e2e_signer import Signing

WAIT_S = 20.0


@pytest.fixture
async def desks(tmp_path):
    """A development venue and a signer for each of two of its traders."""
    serving = await Serving.start(tmp_path / "venue.journal")
    signers = [await Signing.start(serving, tmp_path, number) for number in (1, 2)]
    yield signers
    assert [await signer.stop() for signer in signers] == [0, 0]
    assert await serving.stop() == 0
    for number in (1, 2):
        log = (tmp_path / f"desk{number}.log").read_text()
        assert "signer_listening" in log
        assert signers[number - 1].client["client_secret"] not in log
        assert serving.ready["keys"][number - 1]["key"][2:] not in log


@pytest.fixture
async def pair(desks):
    """Two clients of ccxt, markets loaded."""
    async with contextlib.AsyncExitStack() as stack:
        clients = []
        for desk in desks:
            client = desk.ccxt()
            stack.push_async_callback(client.close)
            await client.load_markets()
            clients.append(client)
        yield clients


async def near_the_money(client: Any) -> tuple[str, float]:
    """An option with some value, and a price on its tick near the mark."""
    chain = await client.fetch_option_chain("BTC")
    symbol = min(chain, key=lambda name: abs(chain[name]["info"]["mark_price"] - 900))
    mark = chain[symbol]["info"]["mark_price"]
    return symbol, max(round(mark / 5) * 5, 5)


@pytest.mark.timeout(240)
async def test_ccxt_trades(pair):
    """Markets, chain, books, Greeks; placed, edited, cancelled, traded; positions, balance, history."""
    maker, taker = pair
    symbol, price = await near_the_money(maker)
    assert maker.markets[symbol]["option"] is True
    greeks = await maker.fetch_greeks(symbol)
    assert greeks["delta"] is not None
    assert greeks["markImpliedVolatility"] > 0
    placed = await maker.create_order(symbol, "limit", "sell", 0.3, price, {"label": "mine"})
    book = await taker.fetch_order_book(symbol)
    assert book["asks"] == [[price, 0.3]]
    edited = await maker.edit_order(placed["id"], symbol, "limit", "sell", 0.4, price + 5)
    assert (edited["amount"], edited["price"], edited["id"]) == (0.4, price + 5, placed["id"])
    bought = await taker.create_order(symbol, "market", "buy", 0.1)
    assert (bought["status"], bought["average"]) == ("closed", price + 5)
    kept = await taker.create_order(symbol, "limit", "buy", 0.1, price + 5, {"timeInForce": "IOC"})
    assert kept["filled"] == 0.1
    assert (await maker.fetch_order(placed["id"], symbol))["filled"] == 0.2
    assert [order["id"] for order in await maker.fetch_open_orders(symbol)] == [placed["id"]]
    await after(maker, taker, symbol, price)


async def after(maker: Any, taker: Any, symbol: str, price: float) -> None:
    """What both have of it afterwards."""
    (position,) = await taker.fetch_positions([symbol])
    assert (position["side"], position["contracts"]) == ("long", 0.2)
    assert len(await taker.fetch_my_trades(symbol)) == len(await taker.fetch_trades(symbol)) == 2
    (closed, _) = await taker.fetch_closed_orders(symbol)
    assert closed["status"] == "closed"
    (bar,) = await taker.fetch_ohlcv(symbol, "1h", limit=1)
    assert bar[4] == price + 5
    balance = await taker.fetch_balance({"code": "USDC"})
    assert balance["USDC"]["total"] < 1_000_000
    (order,) = await maker.fetch_open_orders(symbol)
    assert (await maker.cancel_order(order["id"], symbol))["status"] == "canceled"
    with pytest.raises(ccxt.OrderNotFound):
        await maker.cancel_order("123456789", symbol)
    with pytest.raises(ccxt.InsufficientFunds):
        await taker.create_order(symbol, "limit", "sell", 5_000, price)
    with pytest.raises(ccxt.NotSupported):
        await taker.fetch_deposits("USDC")


@pytest.mark.timeout(240)
async def test_ccxt_listens(pair):
    """Books, tickers, trades, own orders and trades, balance, bars, each over its own stream."""
    maker, taker = pair
    symbol, price = await near_the_money(maker)
    placed = await maker.create_order(symbol, "limit", "sell", 1, price)
    watching = {
        "book": maker.watch_order_book(symbol),
        "ticker": maker.watch_ticker(symbol),
        "trades": maker.watch_trades(symbol),
        "bars": maker.watch_ohlcv(symbol, "1m"),
        "orders": maker.watch_orders(),
        "balance": maker.watch_balance(),
        "own": taker.watch_my_trades(),
    }
    tasks = {name: asyncio.create_task(coroutine) for name, coroutine in watching.items()}
    await asyncio.wait_for(tasks["book"], WAIT_S)

    async def trade() -> None:
        """Until everything has spoken: nobody knows which subscription came first."""
        while not all(task.done() for task in tasks.values()):
            await taker.create_order(symbol, "limit", "buy", 0.01, price)
            await asyncio.wait(tasks.values(), timeout=0.5)

    await asyncio.wait_for(trade(), 2 * WAIT_S)
    heard = {name: task.result() for name, task in tasks.items()}
    assert heard["book"]["asks"][0][0] == price
    assert heard["trades"][-1]["price"] == heard["own"][-1]["price"] == price
    assert heard["orders"][-1]["id"] == placed["id"]
    assert heard["ticker"]["symbol"] == symbol
    assert heard["bars"][-1][4] == price
    assert heard["balance"]["info"]["currency"] == "USDC"
    assert await maker.cancel_all_orders(symbol)


@pytest.mark.timeout(240)
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # of the client, about requests it makes itself
async def test_typed_deribit_validates_everything(desks):
    """Every reply validated by the client itself: over HTTP by HMAC and by token, over a WebSocket, and streams."""
    async with desks[0].typed_deribit(hmac=True) as maker, desks[1].typed_deribit() as taker:
        (listed, *_) = await maker.market_data.get_instruments(currency="USDC", kind="option")
        name = listed["instrument_name"]
        ticker = await maker.market_data.ticker(name)
        price = max(round(ticker["mark_price"] / 5) * 5, 5)
        assert ticker["greeks"]["gamma"] >= 0
        order = {"instrument_name": name, "amount": 0.3, "type": "limit", "price": price, "label": "typed"}
        async with taker.streams.market_data.book(name, interval="raw") as book:
            first = await asyncio.wait_for(anext(aiter(book)), WAIT_S)
            assert first["type"] == "snapshot"
            placed = await maker.trading.sell(order)
            change = await asyncio.wait_for(anext(aiter(book)), WAIT_S)
            assert (change["prev_change_id"], change["asks"]) == (first["change_id"], [("new", price, 0.3)])
        bought = await taker.trading.buy(order | {"amount": 0.1}, transport="ws")
        assert bought["order"]["order_state"] == "filled"
        await maker.trading.edit(order_id=placed["order"]["order_id"], amount=0.5, price=price + 5)
        closed = await taker.trading.close_position({"instrument_name": name, "type": "limit", "price": price + 50})
        assert closed["order"]["reduce_only"] is True
        assert await taker.trading.cancel_all() == 1
        await asked(taker, name)


async def asked(client: Any, name: str) -> None:
    """The questions of an account that has traded."""
    now = datetime.now(UTC)
    of_late = {"start_timestamp": now - timedelta(days=1), "end_timestamp": now + timedelta(hours=1)}
    trades = await client.trading.get_user_trades_by_instrument(name)
    assert len(trades["trades"]) == 1
    log = await client.account.get_transaction_log(currency="USDC", **of_late)
    assert {entry["type"] for entry in log["logs"]} == {"deposit", "trade"}
    (position,) = await client.account.get_positions(currency="USDC")
    assert position["size"] == 0.1
    summaries = await client.account.get_account_summaries()
    assert summaries["summaries"][0]["currency"] == "USDC"
    assert (await client.trading.get_order_history_by_instrument(instrument_name=name))[0]["label"] == "typed"
    bars = await client.market_data.get_tradingview_chart_data(instrument_name=name, resolution="60", **of_late)
    assert bars["status"] == "ok"
