"""Combos through a session: listed by their legs, traded by name, told of whole and leg by leg. # M10"""

import json
from typing import Any

import pytest
from typed_core.validation import validator

from exchange.core import commands as c
from exchange.dialect.channels import parse_channel
from exchange.dialect.names import NamedLeg, combo_name
from exchange.publisher.notes import Note

from .conftest import CALL, PUT, USDC
from .test_session_schema import schema

__all__ = ["schema"]
HIGH = CALL.replace("-63000-", "-64000-")
LOW = CALL.replace("-63000-", "-62000-")
SPREAD = CALL.replace("-17AUG26-63000-C", "-CS-17AUG26-63000_64000")


def legs(*trades: tuple[str, str, float]) -> list[dict[str, Any]]:
    return [{"instrument_name": name, "direction": side, "amount": amount} for name, side, amount in trades]


def listed(client: Any, *trades: tuple[str, str, float]) -> dict[str, Any]:
    return client.ask("private/create_combo", trades=legs(*(trades or ((CALL, "buy", 1), (HIGH, "sell", 1)))))


@pytest.fixture
def pair(trader):
    """Two traders, and the call spread."""
    first, second = trader(1), trader(2)
    assert listed(first)["id"] == SPREAD
    return first, second


# -- what there is --------------------------------------------------------------------------------------------------------


def test_equal_legs_have_one_combo_whichever_way_they_are_asked_for(pair, venue):
    first, second = pair
    seq = venue.state.seq
    again = listed(second, (HIGH, "sell", 0.2), (CALL, "buy", 0.2))
    other_way = listed(second, (CALL, "sell", 3), (HIGH, "buy", 3))
    assert (again["id"], again["x_reversed"]) == (SPREAD, False)
    assert (other_way["id"], other_way["x_reversed"]) == (SPREAD, True)
    assert venue.state.seq == seq + 2
    assert len(venue.state.combos) == 1
    (combo,) = first.ask("public/get_combos", currency="BTC")
    assert combo["legs"] == [{"instrument_name": CALL, "amount": 1}, {"instrument_name": HIGH, "amount": -1}]
    assert combo == first.ask("public/get_combo_details", combo_id=SPREAD)
    assert (combo["state"], combo["instrument_id"]) == ("active", 1)
    assert first.ask("public/get_combo_ids", currency="USDC") == [SPREAD]
    assert first.ask("public/get_combo_ids", currency="any", state="inactive") == []
    assert first.ask("public/get_combo_ids", currency="ETH") == []


def test_instruments_of_a_kind_hold_combos_or_do_not(pair):
    kinds = {
        kind: {item["kind"] for item in pair[0].ask("public/get_instruments", currency="any", kind=kind)}
        for kind in ("any", "option", "option_combo", "combo", "future")
    }
    combo = {"option_combo"}
    assert kinds == {
        "any": combo | {"option"},
        "option": {"option"},
        "option_combo": combo,
        "combo": combo,
        "future": set(),
    }
    item = pair[0].ask("public/get_instrument", instrument_name=SPREAD)
    series = [pair[0].venue.publisher.listed[name].series for name in (CALL, HIGH)]
    assert item["x_legs"] == [[series[0], 1], [series[1], -1]]
    assert (item["state"], item["x_phase"], "strike" in item) == ("open", "continuous", False)


def test_answers_about_combos_validate(schema, pair):
    methods = schema[0]
    first, second = pair
    first.sell(SPREAD, 0.5, 100)
    second.buy(SPREAD, 0.2, 100)
    for method, params in (
        ("public/get_combos", {"currency": "BTC"}),
        ("public/get_combo_ids", {"currency": "BTC"}),
        ("public/get_combo_details", {"combo_id": SPREAD}),
        ("public/ticker", {"instrument_name": SPREAD}),
        ("public/get_order_book", {"instrument_name": SPREAD}),
        ("private/get_open_orders", {}),
    ):
        validator(methods[method]).json(json.dumps(first.ask(method, **params)))
    validator(methods["private/create_combo"]).json(json.dumps(listed(first)))
    asked = {"legs": legs((CALL, "buy", 1), (HIGH, "sell", 1)), "price": 100}
    validator(methods["private/get_leg_prices"]).json(json.dumps(first.ask("private/get_leg_prices", **asked)))


@pytest.mark.parametrize(
    ("trades", "code", "reason"),
    [
        ([], -32602, "legs_must_be_two_to_four"),
        ([(CALL, "buy", 1)], -32602, "legs_must_be_two_to_four"),
        ([(CALL, "buy", 1), (CALL, "sell", 1)], -32602, "legs_must_be_two_to_four"),
        ([(CALL, "buy", 0), (HIGH, "sell", 1)], -32602, "must_be_positive"),
        ([(CALL, "buy", 0.00001), (HIGH, "sell", 1)], -32602, "finer_than_can_be_signed"),
        ([(CALL, "buy", 40_000), (HIGH, "sell", 1)], -32602, "leg_ratio_must_fit"),
        ([(CALL, "hold", 1), (HIGH, "sell", 1)], -32602, "must_be_one_of"),
        ([("BTC", "buy", 1), (HIGH, "sell", 1)], 10020, "series_must_exist"),
        ([(SPREAD, "buy", 1), (HIGH, "sell", 1)], 10020, "series_must_exist"),
    ],
)
def test_what_is_no_combo_is_told_why(pair, venue, trades, code, reason):
    before = venue.state.seq
    found, data = pair[0].refused("private/create_combo", trades=legs(*trades))
    assert (found, data["reason"]) == (code, reason)
    assert venue.state.seq == before


@pytest.mark.parametrize("sides", [("buy", "sell"), ("sell", "buy")])
def test_leg_prices_come_to_the_price_asked(pair, sides):
    asked = legs((CALL, sides[0], 0.2), (HIGH, sides[1], 0.4))
    told = pair[0].ask("private/get_leg_prices", legs=asked, price=-150)
    worth = [leg["price"] * leg["ratio"] * (1 if leg["direction"] == "buy" else -1) for leg in told["legs"]]
    assert sum(worth) == -150
    assert [(leg["instrument_name"], leg["direction"]) for leg in told["legs"]] == [(CALL, sides[0]), (HIGH, sides[1])]


def test_names_tell_the_shape_where_it_has_a_name():
    def named(*rest: tuple[int, int, int, bool]) -> str:
        return combo_name("BTC_USDC", [NamedLeg(*leg) for leg in rest], 7).removeprefix("BTC_USDC-")

    day, later = 1_786_953_600, 1_787_558_400
    k1, k2, k3 = 60_000 * USDC, 62_000 * USDC, 64_000 * USDC
    assert named((1, day, k1, True), (-1, day, k2, True)) == "CS-17AUG26-60000_62000"
    assert named((1, day, k1, False), (-1, day, k2, False)) == "PS-17AUG26-60000_62000"
    assert named((1, day, k1, True), (1, day, k1, False)) == "STRD-17AUG26-60000"
    assert named((1, day, k2, True), (1, day, k1, False)) == "STRG-17AUG26-60000_62000"
    assert named((1, day, k1, True), (1, day, k2, False)) == "STRG-17AUG26-62000_60000"
    assert named((1, day, k2, True), (-1, day, k1, False)) == "RR-17AUG26-60000_62000"
    assert named((1, day, k1, True), (-1, later, k1, True)) == "CCAL-17AUG26_24AUG26-60000"
    assert named((1, day, k1, False), (-2, day, k2, False), (1, day, k3, False)) == "PBUT-17AUG26-60000_62000_64000"
    assert named((1, day, k1, True), (-2, day, k2, True)) == "CUSTOM-7"
    assert named((1, day, k1, True), (-1, later, k2, True)) == "CUSTOM-7"


# -- trading ----------------------------------------------------------------------------------------------------------


def heard(venue: Any, *names: str, account: int = 0) -> None:
    for name in names:
        channel = parse_channel(name)
        assert venue.publisher.knows(channel)
        venue.publisher.watch(venue.state, channel, account)
    venue.notes.clear()


def told(venue: Any, stem: str, account: int = 0) -> list[dict[str, Any]]:
    notes = [note for note in venue.notes if isinstance(note, Note)]
    return [note.item for note in notes if note.account == account and stem in note.stems]


def test_two_orders_for_a_combo_trade_all_legs_and_everybody_hears_of_both(pair, venue):
    first, second = pair
    sold = first.sell(SPREAD, 0.5, 100)["order"]
    assert (sold["order_state"], sold["instrument_name"]) == ("open", SPREAD)
    heard(venue, f"trades.{SPREAD}.raw", "trades.option_combo.BTC.raw", f"trades.{CALL}.raw", "trades.option.any.raw")
    heard(venue, "user.trades.any.any.raw", "user.combo_trades.any.any.raw", "user.orders.combo.any.raw", account=1)
    answer = second.buy(SPREAD, 0.2, 105)
    order, (trade,) = answer["order"], answer["trades"]
    assert (order["order_state"], order["average_price"]) == ("filled", 100)
    assert (trade["instrument_name"], trade["price"], trade["amount"], trade["direction"]) == (SPREAD, 100, 0.2, "buy")
    assert [(leg["instrument_name"], leg["direction"], leg["amount"]) for leg in trade["legs"]] == [
        (CALL, "buy", 0.2),
        (HIGH, "sell", 0.2),
    ]
    assert round(trade["legs"][0]["price"] - trade["legs"][1]["price"], 6) == 100
    assert trade["fee"] == sum(leg["fee"] for leg in trade["legs"])
    sizes = {item["instrument_name"]: item["size"] for item in second.ask("private/get_positions")}
    assert sizes == {CALL: 0.2, HIGH: -0.2}
    (combo,), (leg,) = told(venue, f"trades.{SPREAD}"), told(venue, f"trades.{CALL}")
    assert (combo["trade_id"], combo["price"], combo["amount"]) == (leg["combo_trade_id"], 100, 0.2)
    assert leg["combo_id"] == SPREAD
    assert told(venue, "trades.option_combo.BTC") == [combo]
    assert len(told(venue, "trades.option.ANY")) == 2
    (mine,) = told(venue, "user.combo_trades.any.ANY", 1)
    assert (mine["direction"], mine["liquidity"], mine["state"]) == ("sell", "M", "open")
    assert [(leg["instrument_name"], leg["direction"]) for leg in mine["legs"]] == [(CALL, "sell"), (HIGH, "buy")]
    assert [item["order_id"] for item in told(venue, "user.trades.any.ANY", 1)] == [sold["order_id"]] * 2
    assert [item["filled_amount"] for item in told(venue, "user.orders.combo.ANY", 1)] == [0.2]
    ticker = first.ask("public/ticker", instrument_name=SPREAD)
    assert (ticker["last_price"], ticker["best_ask_amount"], ticker["stats"]["volume"]) == (100, 0.3, 0.2)


def test_a_combo_is_met_by_the_orders_of_its_legs(pair, venue):
    first, second = pair
    first.sell(CALL, 0.5, 500)
    first.buy(HIGH, 0.3, 380)
    heard(venue, "user.trades.option.any.raw", "user.combo_trades.any.any.raw", account=1)
    heard(venue, f"trades.{SPREAD}.raw", f"trades.{HIGH}.raw")
    answer = second.buy(SPREAD, 0.5, 130, time_in_force="good_til_cancelled")
    order, (trade,) = answer["order"], answer["trades"]
    assert (order["order_state"], order["filled_amount"], order["average_price"]) == ("open", 0.3, 120)
    assert [(leg["price"], leg["liquidity"]) for leg in trade["legs"]] == [(500, "T"), (380, "T")]
    assert told(venue, "user.combo_trades.any.ANY", 1) == []  # who made ordered no combo
    makers = told(venue, "user.trades.option.ANY", 1)
    assert [(item["instrument_name"], item["direction"], item["combo_id"]) for item in makers] == [
        (CALL, "sell", SPREAD),
        (HIGH, "buy", SPREAD),
    ]
    assert [item["price"] for item in told(venue, f"trades.{SPREAD}")] == [120]
    assert [item["direction"] for item in told(venue, f"trades.{HIGH}")] == ["sell"]
    book = first.ask("public/get_order_book", instrument_name=SPREAD)
    assert (book["bids"], book["asks"]) == ([[130, 0.2]], [])


def test_a_resting_combo_is_reached_by_an_order_of_a_leg_in_its_record(pair, venue):
    first, second = pair
    waiting = second.buy(SPREAD, 0.2, 130)["order"]["order_id"]
    first.buy(HIGH, 0.3, 380)
    heard(venue, "user.orders.any.any.raw", "user.combo_trades.any.any.raw", "user.changes.any.any.raw", account=2)
    answer = first.sell(CALL, 0.5, 500)
    assert (answer["order"]["filled_amount"], len(answer["trades"])) == (0.2, 0)  # it rested, and then was met
    (mine,) = told(venue, "user.combo_trades.any.ANY", 2)
    assert (mine["order_id"], mine["price"], mine["state"]) == (waiting, 120, "filled")
    changed = {item["instrument_name"]: item for item in told(venue, "user.changes.any.ANY", 2)}
    assert set(changed) == {SPREAD, CALL, HIGH}
    assert (changed[SPREAD]["orders"][0]["order_state"], changed[SPREAD]["positions"]) == ("filled", [])
    assert [changed[name]["positions"][0]["size"] for name in (CALL, HIGH)] == [0.2, -0.2]


@pytest.mark.parametrize("price", [0, -40])
def test_a_price_may_be_nothing_or_below(pair, price):
    first, second = pair
    order = first.sell(SPREAD, 0.5, price)["order"]
    assert (order["price"], order["order_state"]) == (price, "open")
    assert first.ask("public/get_order_book", instrument_name=SPREAD)["asks"] == [[price, 0.5]]
    nonce = first.nonces.take(1) - 1
    change = first.order(SPREAD, 0.4, price - 1, is_buy=False, replaces=nonce + 1)
    del change["instrument_name"]
    edited = first.ask("private/edit", order_id=order["order_id"], **change)["order"]
    assert (edited["price"], edited["amount"]) == (price - 1, 0.4)
    answer = second.buy(SPREAD, 0.1, 5)
    assert (answer["trades"][0]["price"], answer["order"]["average_price"]) == (price - 1, price - 1)
    assert [item["kind"] for item in second.ask("private/get_positions")] == ["option", "option"]
    assert first.ask("private/cancel_all_by_instrument", instrument_name=SPREAD) == 1
    assert first.ask("private/get_order_state", order_id=order["order_id"])["average_price"] == price - 1


def test_orders_of_a_kind_are_combos_or_not(pair):
    first, _ = pair
    first.sell(SPREAD, 0.5, 100)
    first.sell(PUT, 0.5, 900)
    names = {
        kind: [item["instrument_name"] for item in first.ask("private/get_open_orders", kind=kind)]
        for kind in ("any", "option", "option_combo")
    }
    assert names == {"any": [SPREAD, PUT], "option": [PUT], "option_combo": [SPREAD]}


def test_a_fill_or_kill_combo_tells_what_it_filled(pair):
    first, second = pair
    first.sell(SPREAD, 0.5, 100)
    first.sell(SPREAD, 0.5, 101)
    order = second.order(SPREAD, 0.8, 101, is_buy=True, time_in_force=c.FOK)
    answer = second.ask("private/buy", **order, time_in_force="fill_or_kill")
    assert (answer["order"]["filled_amount"], round(answer["order"]["average_price"], 6)) == (0.8, 100.375)
    assert [(trade["price"], trade["amount"]) for trade in answer["trades"]] == [(100, 0.5), (101, 0.3)]


@pytest.mark.parametrize(
    ("signed", "sent", "reason"),
    [
        ({"legs": 1 << 200}, {}, "signer_must_be_authorised"),
        ({"limit_price": -100 * USDC}, {}, "signer_must_be_authorised"),
        ({"reduce_only": True}, {"reduce_only": True}, "combo_must_be_plain"),
    ],
)
def test_a_combo_is_signed_by_its_legs_and_is_plain(pair, signed, sent, reason):
    first, _ = pair
    _, data = first.refused("private/buy", **first.order(SPREAD, 0.5, 100, is_buy=True, **signed), **sent)
    assert data["reason"] == reason


def test_a_post_only_combo_does_not_slide(pair):
    first, second = pair
    first.sell(SPREAD, 0.5, 100)
    order = second.order(SPREAD, 0.5, 100, is_buy=True, post_only=True)
    _, data = second.refused("private/buy", **order, post_only=True)
    assert data["reason"] == "post_only_must_not_cross"
    order = second.order(SPREAD, 0.5, 99, is_buy=True, post_only=True)
    assert second.ask("private/buy", **order, post_only=True)["order"]["order_state"] == "open"


def test_a_combo_whose_leg_is_stopped_is_halted(pair, venue):
    series = venue.publisher.listed[HIGH].series
    venue.must(c.SetPhase(c.SERIES, series, c.HALTED, 0, 0, "test", "operator"))
    ticker = pair[0].ask("public/ticker", instrument_name=SPREAD)
    assert (ticker["state"], ticker["x_phase"]) == ("halted", "halted")
    _, data = pair[0].refused("private/buy", **pair[0].order(SPREAD, 0.5, 100, is_buy=True))
    assert data["reason"] == "series_must_take_orders"


def test_what_is_of_options_only_takes_no_combo(pair, venue):
    first, before = pair[0], venue.state.seq
    for method, params in (
        ("private/get_position", {"instrument_name": SPREAD}),
        ("private/get_margins", {"instrument_name": SPREAD, "amount": 1, "price": 5}),
        ("private/simulate_portfolio", {"currency": "USDC", "simulated_positions": {SPREAD: 1}}),
    ):
        assert first.refused(method, **params)[0] == 10020
    assert venue.state.seq == before
    combo = venue.publisher.listed[SPREAD].series
    stop = c.SetPhase(c.SERIES, combo, c.HALTED, 0, 0, "test", "operator")
    assert venue.do(stop).events[0].reason == "series_must_exist"


def test_a_publisher_that_starts_again_knows_combos(pair, venue):
    first, second = pair
    first.sell(SPREAD, 0.5, -20)
    second.buy(SPREAD, 0.2, -20)
    before = first.ask("public/get_order_book", instrument_name=SPREAD)
    venue.publisher.rebuild(venue.state)
    after = first.ask("public/get_order_book", instrument_name=SPREAD)
    assert (before.pop("stats")["volume"], after.pop("stats")["volume"]) == (0.2, 0.0)  # a day is not of the state
    assert (before.pop("change_id") <= after.pop("change_id"), after) == (True, before)
    (order,) = first.ask("private/get_open_orders")
    assert (order["price"], order["filled_amount"], "average_price" in order) == (-20, 0.2, False)
    assert LOW in venue.publisher.listed
