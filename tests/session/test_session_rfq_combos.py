"""Requests for several legs through sessions: whole quotes of a combo, told of as one and leg by leg. # M12"""

import itertools
import json

import pytest
from typed_core.validation import validator

from exchange.dialect.channels import parse_channel
from exchange.publisher.notes import Note

from .conftest import CALL, PUT
from .test_session_rfqs import CHANNELS, MAKER, OTHER, STRANGER, accept, leg, people, quote, signed
from .test_session_schema import schema

__all__ = ["people", "schema"]
HIGH = CALL.replace("-63000-", "-64000-")
SPREAD = CALL.replace("-17AUG26-63000-C", "-CS-17AUG26-63000_64000")
LONG = [leg(), leg(HIGH, direction="sell")]
SHORT = [leg(direction="sell"), leg(HIGH)]


def sizes(who) -> dict[str, float]:
    return {item["instrument_name"]: item["size"] for item in who.ask("private/get_positions") if item["size"]}


def test_legs_are_quoted_and_taken_together(people):
    taker, maker, other, _ = people
    made = taker.ask("private/create_block_rfq", legs=LONG, x_direction="buy")
    rfq = made["block_rfq_id"]
    assert (made["combo_id"], made["amount"], made["x_direction"]) == (SPREAD, 1.0, "buy")
    assert made["legs"] == [
        {"instrument_name": CALL, "direction": "buy", "ratio": 1},
        {"instrument_name": HIGH, "direction": "sell", "ratio": 1},
    ]
    quote(maker, rfq, 120, 0.6, name=SPREAD)
    told = quote(other, rfq, 100, 0.6, name=SPREAD)
    assert told["legs"][0]["price"] - told["legs"][1]["price"] == 100
    done = accept(taker, rfq, 120, name=SPREAD)
    assert done["x_block_rfq"]["trades"] == [
        {"direction": "buy", "price": 100.0, "amount": 0.6, "maker": "account_3"},
        {"direction": "buy", "price": 120.0, "amount": 0.4, "maker": "account_2"},
    ]
    trades = done["block_trades"][0]["trades"]
    assert [(item["instrument_name"], item["direction"], item["amount"]) for item in trades] == [
        (CALL, "buy", 0.6), (HIGH, "sell", 0.6), (CALL, "buy", 0.4), (HIGH, "sell", 0.4)
    ]  # fmt: skip
    assert [trades[at]["price"] - trades[at + 1]["price"] for at in (0, 2)] == [100, 120]
    assert [sizes(who) for who in (taker, maker, other)] == [
        {CALL: 1.0, HIGH: -1.0}, {CALL: -0.4, HIGH: 0.4}, {CALL: -0.6, HIGH: 0.6}
    ]  # fmt: skip
    (public,) = taker.ask("public/get_block_rfq_trades", currency="any")["block_rfqs"]
    assert public["legs"][0]["price"] - public["legs"][1]["price"] == pytest.approx(108)
    assert (public["combo_id"], public["amount"]) == (SPREAD, 1.0)
    assert [sorted(item) for item in public["trades"]] == [["amount", "direction", "price"]] * 2


def test_legs_asked_for_the_other_way_are_the_same_combo_sold(people):
    taker, maker, *_ = people
    made = taker.ask("private/create_block_rfq", legs=SHORT, x_direction="buy")
    assert (made["combo_id"], made["x_direction"]) == (SPREAD, "sell")
    assert [item["direction"] for item in made["legs"]] == ["buy", "sell"]
    rfq = made["block_rfq_id"]
    wrong = signed(maker, rfq, 100, name=SPREAD, direction="sell")
    assert maker.refused("private/add_block_rfq_quote", **wrong)[1]["reason"] == "rfq_order_must_keep_series_and_side"
    quote(maker, rfq, 100, name=SPREAD, direction="buy")
    accept(taker, rfq, 100, name=SPREAD, direction="sell")
    assert (sizes(taker), sizes(maker)) == ({CALL: -1.0, HIGH: 1.0}, {CALL: 1.0, HIGH: -1.0})


def test_too_little_for_all_legs_is_nothing(people):
    taker, maker, *_ = people
    rfq = taker.ask("private/create_block_rfq", legs=LONG)["block_rfq_id"]
    quote(maker, rfq, 100, 0.6, name=SPREAD)
    short = signed(taker, rfq, 120, name=SPREAD, direction="buy", time_in_force="fill_or_kill")
    assert taker.refused("private/accept_block_rfq", **short)[1]["reason"] == "rfq_must_meet_quotes"
    assert sizes(taker) == sizes(maker) == {}


def test_legs_said_again_must_be_those_of_the_request(people):
    taker, maker, *_ = people
    rfq = taker.ask("private/create_block_rfq", legs=LONG)["block_rfq_id"]
    for legs in (
        [leg(ratio=1)],
        [leg(ratio=1), leg(HIGH, ratio=1)],
        [leg(ratio=1), leg(PUT, direction="sell", ratio=1)],
    ):
        refused = maker.refused("private/add_block_rfq_quote", **signed(maker, rfq, 100, name=SPREAD, legs=legs))
        assert refused[1]["reason"] == "must_be_those_of_the_request"
    good = [leg(HIGH, direction="sell", ratio=1), leg(ratio=1)]
    assert quote(maker, rfq, 100, name=SPREAD, legs=good)["price"] == 100
    lone = signed(maker, rfq, 105, name=CALL)
    assert maker.refused("private/add_block_rfq_quote", **lone)[1]["reason"] == "signer_must_be_authorised"


def test_combo_that_a_request_lists_says_nothing_of_the_request(people, venue):
    """Anybody hears that there is a combo; not who asked, of whom, for how much, or on which side."""
    taker, maker, other, stranger = people
    for name in ("trades.option_combo.BTC.100ms", "block_rfq.trades.any"):
        venue.publisher.watch(venue.state, parse_channel(name), 0)
    for number, family in itertools.product((MAKER, OTHER, STRANGER), CHANNELS[:3]):
        venue.publisher.watch(venue.state, parse_channel(f"{family}.any"), number)
    venue.notes.clear()
    rfq = taker.ask("private/create_block_rfq", legs=LONG, makers=["account_2"], label="secret")["block_rfq_id"]
    quote(maker, rfq, 100, 0.7, name=SPREAD)
    assert {note.account for note in venue.notes if isinstance(note, Note)} == {MAKER}
    assert "secret" not in json.dumps([note.item for note in venue.notes if isinstance(note, Note)])
    for who in (other, stranger):
        assert who.ask("private/get_block_rfqs")["block_rfqs"] == []
    book = stranger.ask("public/get_order_book", instrument_name=SPREAD)
    assert (book["bids"], book["asks"]) == ([], [])


def test_answers_about_several_legs_validate(schema, people):
    taker, maker, *_ = people
    methods = schema[0]
    made = taker.ask("private/create_block_rfq", legs=LONG)
    rfq = made["block_rfq_id"]
    quoted = quote(maker, rfq, 100, name=SPREAD)
    seen = taker.ask("private/get_block_rfqs")
    done = accept(taker, rfq, 100, name=SPREAD)
    for method, answer in (
        ("private/create_block_rfq", made),
        ("private/add_block_rfq_quote", quoted),
        ("private/get_block_rfqs", seen),
        ("private/accept_block_rfq", done),
        ("public/get_block_rfq_trades", taker.ask("public/get_block_rfq_trades", currency="any")),
    ):
        validator(methods[method]).json(json.dumps(answer))
