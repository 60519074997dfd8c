"""Rules of the wire that real clients were seen to need, and the typed errors of everything else. # M50"""

import json
import sys

import pytest

from exchange.session.elsewhere import ELSEWHERE
from exchange.session.methods import METHODS

from .conftest import CALL, PUT


@pytest.mark.parametrize("request_id", [0, 7, -1, 2**63, "auth_1", "", "ünï"])
def test_ids_are_echoed_with_their_type(trader, request_id):
    reply = trader(1).send({"id": request_id, "method": "public/test"})
    assert reply["id"] == request_id
    assert type(reply["id"]) is type(request_id)


def test_the_envelope(trader):
    reply = trader(1).call("public/status")
    assert list(reply) == ["jsonrpc", "id", "result", "usIn", "usOut", "usDiff", "testnet"]
    assert reply["usOut"] - reply["usIn"] == reply["usDiff"] == 5
    assert reply["testnet"] is True
    assert reply["result"]["locked"] == "false"


@pytest.mark.parametrize(
    ("text", "request_id", "code", "reason"),
    [
        ("", None, -32700, "not_json"),
        ("nul", None, -32700, "not_json"),
        ('{"id":1,"method":"public/test"', None, -32700, "not_json"),
        ('{"id":1,"method":"public/test"}{}', None, -32700, "not_json"),
        ('{"id":NaN}', None, -32700, "not_json"),
        ('{"id":1,"method":"public/test","params":{"a":1e65}}', None, -32700, "number_out_of_range"),
        ('{"id":1,"params":{"a":0.' + "1" * 63 + "}}", None, -32700, "number_out_of_range"),
        ('{"id":1,"params":{"a":' + "1" * 5_000 + "}}", None, -32700, "number_out_of_range"),
        ("[" * 60_000, None, -32700, "too_many_lists_and_objects"),
        ('{"a":' * 600, None, -32700, "too_many_lists_and_objects"),
        ('{"id":1,"method":"public/test","params":{"a":[[[[[[[[[1]]]]]]]]]}}', 1, -32600, "nested_too_deeply"),
        ('{"id":1,"method":"public/test","params":{"a":"\\ud800"}}', None, -32700, "not_json"),
        ('{"id":"\\ud800","method":"public/test"}', None, -32700, "not_json"),
        ('{"id":1,"method":"\\udfff"}', None, -32700, "not_json"),
        ("[]", None, -32600, "batches_are_not_supported"),
        ('[{"id":1,"method":"public/test"}]', None, -32600, "batches_are_not_supported"),
        ("7", None, -32600, "request_must_be_an_object"),
        ("{}", None, -32600, "id_must_be_an_integer_or_a_string"),
        ('{"id":null,"method":"public/test"}', None, -32600, "id_must_be_an_integer_or_a_string"),
        ('{"id":true,"method":"public/test"}', None, -32600, "id_must_be_an_integer_or_a_string"),
        ('{"id":1.0,"method":"public/test"}', None, -32600, "id_must_be_an_integer_or_a_string"),
        ('{"id":[1],"method":"public/test"}', None, -32600, "id_must_be_an_integer_or_a_string"),
        ('{"id":18446744073709551616,"method":"public/test"}', None, -32600, "id_must_be_an_integer_or_a_string"),
        ('{"id":"' + "x" * 257 + '","method":"public/test"}', None, -32600, "id_must_be_an_integer_or_a_string"),
        ('{"id":1}', 1, -32600, "method_must_be_a_string"),
        ('{"id":1,"method":null}', 1, -32600, "method_must_be_a_string"),
        ('{"jsonrpc":"1.0","id":1,"method":"public/test"}', 1, -32600, "jsonrpc_must_be_2.0"),
        ('{"id":1,"method":"public/test","params":[]}', 1, -32602, "params_must_be_named"),
        ('{"id":1,"method":"public/test","params":"x"}', 1, -32602, "params_must_be_an_object"),
    ],
)
def test_malformed_requests(trader, text, request_id, code, reason):
    reply = trader(1).send(text)
    assert reply["id"] == request_id
    assert (reply["error"]["code"], reply["error"]["data"]["reason"]) == (code, reason)


def test_depth_is_bounded_whatever_libraries_did_to_the_recursion_limit(trader):
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    try:
        reply = trader(1).send("[" * 65_000)
    finally:
        sys.setrecursionlimit(limit)
    assert reply["error"]["data"]["reason"] == "too_many_lists_and_objects"


@pytest.mark.parametrize("size", [65_536, 65_537])
def test_the_limit_counts_bytes_and_is_inclusive(trader, size):
    head = '{"id":1,"method":"public/test","params":{"x":"'
    text = head + "é" * ((size - len(head) - 3) // 2) + "a" * ((size - len(head) - 3) % 2) + '"}}'
    assert len(text.encode()) == size
    reply = trader(1).send(text)
    assert ("result" in reply) == (size == 65_536)


def test_unknown_and_unsupported_methods(trader):
    client = trader(1)
    assert client.refused("public/nothing")[0] == -32601
    assert client.refused("")[0] == -32601
    assert {client.refused(name)[0] for name in sorted(ELSEWHERE)} == {10033}
    assert not set(ELSEWHERE) & set(METHODS)
    assert client.ask("/public/test")["version"]  # some clients spell it with a slash


def test_private_methods_need_a_login(trader):
    client = trader(1, logged_in=False)
    private = [name for name in METHODS if name.startswith("private/")]
    assert len(private) > 15
    assert {client.refused(name)[0] for name in private} == {13009}


def test_numbers_are_numbers_and_nothing_optional_is_null(trader):
    maker, taker = trader(1), trader(2)
    maker.sell(CALL, 0.5, 500)
    reply = taker.buy(CALL, 0.2, 500)
    shown = [
        reply["order"],
        maker.ask("private/get_open_orders")[0],
        maker.ask("private/get_positions")[0],
        maker.ask("public/get_instrument", instrument_name=CALL),
        maker.ask("private/get_account_summary", currency="USDC"),
    ]
    assert [key for item in shown for key, value in item.items() if value is None] == []
    assert reply["trades"][0]["matching_id"] is None  # the one that must be there and null
    assert isinstance(reply["order"]["price"], float)
    assert isinstance(reply["order"]["order_id"], str)


def test_an_empty_side_is_zero_and_what_is_not_quoted_is_left_out(trader):
    client = trader(1)
    ticker = client.ask("public/ticker", instrument_name=CALL)
    assert [ticker[f"best_{side}"] for side in ("bid_price", "bid_amount", "ask_price", "ask_amount")] == [0.0] * 4
    assert "underlying_index" not in ticker
    assert ticker["greeks"]["delta"] == pytest.approx(0.5, abs=0.01)
    assert client.ask("public/ticker", instrument_name=PUT)["greeks"]["delta"] == pytest.approx(-0.5, abs=0.01)
    assert ticker["mark_iv"] == 50
    assert (ticker["bid_iv"], ticker["ask_iv"]) == (0.0, 0.0)


def test_the_vols_of_the_best_prices_stand_beside_that_of_the_mark(trader):
    """On the terms of the mark, which is rounded up: what bids the mark bids its vol, but for its last digits."""
    client = trader(1)
    mark = client.ask("public/ticker", instrument_name=CALL)["mark_price"]
    step = 1.0 if mark < 1_000 else 5.0
    client.buy(CALL, 0.5, mark // step * step)
    client.sell(CALL, 0.5, (mark // step + 1) * step)
    shown = client.ask("public/ticker", instrument_name=CALL)
    assert shown["bid_iv"] <= shown["mark_iv"] == 50 <= shown["ask_iv"]
    assert shown["ask_iv"] - shown["bid_iv"] == pytest.approx(step / (shown["greeks"]["vega"]), rel=0.01)


def test_instruments_answer_to_any_currency_and_to_none(trader):
    client = trader(1)
    counts = [
        len(client.ask("public/get_instruments", **params))
        for params in ({}, {"currency": "any"}, {"currency": "USDC"}, {"currency": "btc"}, {"currency": "ETH"})
    ]
    assert counts == [6, 6, 6, 6, 0]
    assert client.ask("public/get_instruments", kind="future") == []
    assert client.ask("public/get_instruments", expired=True) == []
    assert client.refused("public/get_instruments", currency=5)[0] == -32602
    assert client.refused("public/get_instruments", expired="no")[0] == -32602


def test_subscribing_lists_only_what_was_accepted(trader):
    client = trader(1)
    channels = [
        f"book.{CALL}.raw",
        f"book.{CALL}.none.20.100ms",
        f"ticker.{CALL}.100ms",
        "trades.any.any.raw",
        "trades.option.USDC.100ms",
        "deribit_price_index.btc_usdc",
    ]
    wrong = [
        "book.X.raw",
        f"book.{CALL}.5ms",
        f"book.{CALL}.none.5.100ms",
        "ticker",
        "",
        "x" * 200,
        "deribit_price_index.doge_usdc",
        "user.orders.any.any.raw",
        "trades.future.any.raw",
        "perpetual.BTC.raw",
        f"trades.{CALL}.raw.raw.raw.raw.raw",
    ]
    assert client.ask("public/subscribe", channels=[*channels, *wrong, channels[0]]) == channels
    private = ["user.orders.any.any.raw", f"user.trades.{CALL}.100ms", "user.portfolio.any", "user.portfolio.eth"]
    assert client.ask("private/subscribe", channels=private) == private[:3]
    assert client.ask("public/unsubscribe", channels=[channels[0], "none"]) == [channels[0]]
    assert client.ask("public/unsubscribe_all") == "ok"
    assert client.session.topics == {}
    assert client.refused("public/subscribe", channels="book")[0] == -32602
    assert client.refused("public/subscribe", channels=[1])[0] == -32602
    assert client.refused("public/subscribe")[1]["param"] == "channels"


def test_rest_and_streams_share_the_change_id(trader, venue):
    maker = trader(1)
    before = maker.ask("public/get_order_book", instrument_name=CALL)
    maker.sell(PUT, 0.5, 500)
    assert maker.ask("public/get_order_book", instrument_name=CALL)["change_id"] == before["change_id"]
    maker.sell(CALL, 0.5, 500)
    after = maker.ask("public/get_order_book", instrument_name=CALL)
    assert after["change_id"] == venue.state.seq > before["change_id"]
    assert json.dumps(after["asks"]) == "[[500.0, 0.5]]"
