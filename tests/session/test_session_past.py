"""What traded and where prices were: pages, windows, bars, summaries, deliveries."""

import json

import pytest

from exchange.core.commands import SetTrading
from exchange.publisher import candles, tape
from exchange.publisher.indexlog import IndexLog
from exchange.shell.broadcast import Hub

from .conftest import CALL, EXPIRY_S, PUT, T0, USDC
from .test_session_schema import Ear

MINUTE_MS = 60_000


@pytest.fixture
def dealt(trader, venue):
    """Five trades in as many minutes, prices 500, 510, 490, 505 and 495, amounts 0.1 to 0.5."""
    maker, taker = trader(1), trader(2)
    for place, price in enumerate((500, 510, 490, 505, 495), 1):
        maker.sell(CALL, place / 10, price, label="ask")
        taker.buy(CALL, place / 10, price, label=f"lift {place}")
        venue.advance(60)
    return maker, taker


def prices(page):
    return [trade["price"] for trade in page["trades"]]


def test_pages_of_trades(dealt):
    client = dealt[0]
    page = client.ask("public/get_last_trades_by_instrument", instrument_name=CALL, count=2)
    assert (prices(page), page["has_more"]) == ([495, 505], True)
    page = client.ask("public/get_last_trades_by_instrument", instrument_name=CALL, start_seq=2, count=2)
    assert (prices(page), page["has_more"]) == ([510, 490], True)
    page = client.ask("public/get_last_trades_by_instrument", instrument_name=CALL, start_seq=2, sorting="desc")
    assert (prices(page), page["has_more"]) == ([495, 505, 490, 510], False)
    page = client.ask("public/get_last_trades_by_instrument", instrument_name=CALL, sorting="asc", end_seq=4, count=3)
    assert prices(page) == [500, 510, 490]
    window = {"start_timestamp": T0 * 1000 + MINUTE_MS, "end_timestamp": T0 * 1000 + 2 * MINUTE_MS}
    page = client.ask("public/get_last_trades_by_currency_and_time", currency="BTC", **window)
    assert prices(page) == [510, 490]
    assert prices(client.ask("public/get_last_trades_by_currency", currency="ETH")) == []
    assert prices(client.ask("public/get_last_trades_by_currency", currency="USDC", start_id="5")) == [495]
    assert prices(client.ask("public/get_last_trades_by_instrument", instrument_name=PUT)) == []


@pytest.mark.parametrize(
    "wrong", [{"count": 0}, {"count": 1_001}, {"sorting": "up"}, {"start_seq": "x"}, {"start_timestamp": -1}]
)
def test_windows_that_are_none(trader, wrong):
    assert trader(1).refused("public/get_last_trades_by_instrument", instrument_name=CALL, **wrong)[0] == -32602


def test_own_trades_are_the_side_s_own(dealt, trader):
    maker, taker = dealt
    (last,) = taker.ask("private/get_user_trades_by_instrument", instrument_name=CALL, count=1)["trades"]
    assert (last["direction"], last["liquidity"], last["label"], last["state"]) == ("buy", "T", "lift 5", "filled")
    (again,) = maker.ask("private/get_user_trades_by_currency", currency="USDC", count=1)["trades"]
    assert (again["direction"], again["liquidity"], again["label"]) == ("sell", "M", "ask")
    assert again["trade_id"] == last["trade_id"]
    of_order = taker.ask("private/get_user_trades_by_order", order_id=last["order_id"])
    assert [trade["trade_id"] for trade in of_order] == [last["trade_id"]]
    assert maker.refused("private/get_user_trades_by_order", order_id=last["order_id"])[0] == 10004
    assert trader(3).ask("private/get_user_trades_by_currency", currency="any") == {"trades": [], "has_more": False}


def test_orders_that_closed(dealt):
    maker, taker = dealt
    taker.buy(CALL, 0.1, 300, label="rest")
    taker.ask("private/cancel_by_label", label="rest")
    shown = taker.ask("private/get_order_history_by_currency", currency="USDC", count=2, offset=1)
    assert [order["label"] for order in shown] == ["lift 4", "lift 3"]
    shown = taker.ask("private/get_order_history_by_instrument", instrument_name=CALL, include_unfilled=True, count=1)
    assert [(order["label"], order["order_state"]) for order in shown] == [("rest", "cancelled")]
    (order,) = taker.ask("private/get_order_state_by_label", currency="USDC", label="lift 2")
    assert (order["order_state"], order["amount"]) == ("filled", 0.2)
    assert taker.ask("private/get_open_orders_by_label", currency="USDC", label="lift 2") == []
    assert maker.ask("private/get_order_state_by_label", currency="USDC", label="lift 2") == []


def test_bars_have_no_gaps(dealt, venue):
    client = dealt[0]
    venue.round()  # a bar comes with the time of the last record
    window = {"instrument_name": CALL, "start_timestamp": T0 * 1000, "end_timestamp": T0 * 1000 + 9 * MINUTE_MS}
    bars = client.ask("public/get_tradingview_chart_data", resolution="1", **window)
    assert bars["close"] == [500, 510, 490, 505, 495, 495]
    assert bars["volume"] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.0]
    assert bars["ticks"] == [T0 * 1000 + place * MINUTE_MS for place in range(6)]
    wide = client.ask("public/get_tradingview_chart_data", resolution="3", **window)
    assert (wide["open"], wide["high"], wide["low"], wide["close"]) == ([500, 505], [510, 505], [490, 495], [490, 495])
    assert (wide["cost"], wide["status"]) == ([299.0, 449.5], "ok")
    none = client.ask("public/get_tradingview_chart_data", resolution="1", **(window | {"instrument_name": PUT}))
    assert (none["ticks"], none["status"]) == ([], "no_data")
    long = {"start_timestamp": 0, "instrument_name": CALL, "end_timestamp": T0 * 1000}
    assert client.refused("public/get_tradingview_chart_data", resolution="1", **long)[1]["limit"] == 5_000


def test_a_day_passes(dealt, venue):
    client = dealt[0]
    stats = client.ask("public/ticker", instrument_name=CALL)["stats"]
    assert (stats["volume"], stats["low"], stats["high"], stats["price_change"]) == (1.5, 490, 510, -1.0)
    (volumes,) = client.ask("public/get_trade_volumes")
    assert (volumes["calls_volume"], volumes["puts_volume"]) == (1.5, 0.0)
    venue.advance(86_400 - 180)
    venue.round()
    assert client.ask("public/ticker", instrument_name=CALL)["stats"]["volume"] == 0.9
    venue.advance(86_400)
    venue.round()
    ticker = client.ask("public/ticker", instrument_name=CALL)
    assert (ticker["stats"]["volume"], ticker["stats"]["high"], ticker["x_volume"]) == (0.0, None, 1.5)


def test_summaries_and_listings(dealt):
    client = dealt[0]
    lines = client.ask("public/get_book_summary_by_currency", currency="BTC", kind="option")
    assert len(lines) == 6
    (line,) = client.ask("public/get_book_summary_by_instrument", instrument_name=CALL)
    assert (line["last"], line["bid_price"], line["open_interest"], line["mid_price"]) == (495, None, 1.5, None)
    assert client.ask("public/get_expirations", currency="USDC", kind="any") == {"future": [], "option": ["17AUG26"]}
    grouped = client.ask("public/get_expirations", currency="grouped", kind="option")
    assert grouped == {"btc": {"option": ["17AUG26"]}}
    assert client.ask("public/get_index_price_names", extended=True)[0]["option_combo_creation_enabled"] is True
    assert client.ask("public/get_supported_index_names", type="derivative") == []
    book = client.ask("public/get_order_book_by_instrument_id", instrument_id=line and 65538)
    assert book["instrument_name"] == CALL
    assert client.refused("public/get_order_book_by_instrument_id", instrument_id=1)[0] == 10020


def test_indices_are_remembered(venue, trader):
    for spot in (63_000, 63_500, 62_500):
        venue.advance(3_600)
        venue.round(spot * USDC)
    points = trader(1).ask("public/get_index_chart_data", index_name="btc_usdc", range="2d")
    assert [price for _, price in points] == [63_000, 63_000, 63_500, 62_500]
    assert len(trader(1).ask("public/get_index_chart_data", index_name="btc_usdc", range="1h")) == 2
    assert trader(1).ask("public/get_historical_volatility", currency="BTC") == []
    assert trader(1).refused("public/get_historical_volatility", currency="ETH")[0] == 11029


def test_volatility_is_that_of_hours():
    log, hour_ns = IndexLog(), 3_600 * 10**9
    for place in range(26):  # one per cent up and back again, every hour
        log.note(0, place * hour_ns, 100 * USDC if place % 2 else 101 * USDC)
    found = log.volatility(0)
    assert [at // hour_ns for at, _ in found] == [24, 25]
    assert found[0][1] == pytest.approx(0.995033 * 8_760**0.5, rel=1e-6)


def test_memory_is_bounded(monkeypatch, dealt):
    monkeypatch.setattr(tape, "TRADES_MAX", 5)
    monkeypatch.setattr(candles, "BARS_MAX", 5)
    maker, taker = dealt
    maker.sell(PUT, 0.1, 300)
    taker.buy(PUT, 0.1, 300)
    history = maker.venue.publisher.history
    assert prices(maker.ask("public/get_last_trades_by_currency", currency="any")) == [300, 495, 505, 490, 510]
    assert len(history.tape.of_account[1]) == len(history.tape.all) == 5
    assert sum(len(bars) for bars in history.candles._bars.values()) == 5


BOARDS = [
    f"quote.{CALL}",
    f"incremental_ticker.{CALL}",
    f"chart.trades.{CALL}.1",
    f"book.{CALL}.10.10.100ms",
    "markprice.options.btc_usdc",
    "estimated_expiration_price.btc_usdc",
    "deribit_price_statistics.btc_usdc",
    "instrument.state.option.USDC",
    "instrument.creation.any.any",
    "platform_state",
]


async def listening(venue, client):
    """An ear at every board, and the hub that speaks to it."""

    async def read(query):
        return query(venue.state)

    hub, ear = Hub(venue.publisher, read), Ear()
    text = json.dumps({"id": 1, "method": "public/subscribe", "params": {"channels": BOARDS}})
    work = client.session.receive(text, 0)
    await hub.attach(ear, work, lambda: work.finish(0))
    assert ear.heard.pop(0)["result"] == BOARDS
    venue.notes.clear()
    return hub, ear


async def told(venue, hub, ear):
    """What the boards say, by channel."""
    hub.publish(venue.notes)
    venue.notes.clear()
    await hub.beat()
    heard = {}
    for message in ear.heard:
        heard.setdefault(message["params"]["channel"], []).append(message["params"]["data"])
    ear.heard.clear()
    return heard


async def test_boards_speak_when_something_changed(venue, trader):
    maker, taker = trader(1), trader(2)
    taker.buy(CALL, 0.1, 304)
    taker.buy(CALL, 0.1, 307)
    hub, ear = await listening(venue, maker)
    heard = await told(venue, hub, ear)
    assert heard[f"book.{CALL}.10.10.100ms"][0]["bids"] == [[300, 0.2]]
    assert heard[f"quote.{CALL}"][0]["best_bid_price"] == 307
    assert heard[f"incremental_ticker.{CALL}"][0]["type"] == "snapshot"
    maker.sell(CALL, 0.1, 307)
    trades = [{"instrument_name": name, "direction": "buy", "amount": 1} for name in (CALL, PUT)]
    maker.ask("private/create_combo", trades=trades)
    venue.advance(5)
    venue.round(64_000 * USDC)
    heard = await told(venue, hub, ear)
    change = heard[f"incremental_ticker.{CALL}"][-1]
    assert (change["type"], change["last_price"], "interest_rate" in change) == ("change", 307, False)
    assert heard[f"chart.trades.{CALL}.1"][0]["close"] == 307
    assert heard["instrument.creation.any.any"][0]["kind"] == "option_combo"
    assert len(heard["markprice.options.btc_usdc"][0]) == 6


async def test_boards_tell_the_end_of_an_expiry_and_of_trading(venue, trader):
    hub, ear = await listening(venue, trader(1))
    for left_s in (1_800, 0):
        venue.time_ns = (EXPIRY_S - left_s) * 10**9
        venue.round(64_000 * USDC)
        heard = await told(venue, hub, ear)
        (estimate,) = heard.get("estimated_expiration_price.btc_usdc", [None])
        assert (estimate is None) == (left_s == 0)
        assert estimate is None or (estimate["seconds"], estimate["is_estimated"]) == (1_800, True)
    states = heard["instrument.state.option.USDC"]
    assert {(item["state"], item["instrument_name"]) for item in states} > {("delivered", CALL), ("delivered", PUT)}
    venue.must(SetTrading(False, "test"))
    assert (await told(venue, hub, ear))["platform_state"] == [{"locked": True}]
