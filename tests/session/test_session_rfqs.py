"""Requests for quotes through sessions: the dialect's methods, and who hears of what. # M12"""

import itertools
import json

import pytest
from typed_core.validation import validator

from exchange import signing
from exchange.core import commands as c
from exchange.core.commands import SCOPE_RFQ, Terms
from exchange.core.legs import pack
from exchange.core.units import NO_EXPIRY
from exchange.dialect.channels import Family, parse_channel
from exchange.publisher.notes import Note
from exchange.shell.wallet import exact_price, exact_qty, sign_order

from .conftest import CALL, PUT, USDC, Trader, key_of
from .test_session_schema import schema  # noqa: F401

TAKER, MAKER, OTHER, STRANGER = 1, 2, 3, 4
CHANNELS = ("block_rfq.taker", "block_rfq.maker", "block_rfq.maker.quotes", "block_rfq.trades")


@pytest.fixture
def people(venue, trader):
    """A taker, two makers, and somebody who answers nothing."""
    venue.observe(c.ObserveAccount, STRANGER, signing.address_of(key_of(STRANGER)))
    venue.observe(c.ObserveDeposit, STRANGER, 1_000_000 * USDC)
    found = [trader(number) for number in (TAKER, MAKER, OTHER, STRANGER)]
    for maker in found[1:3]:
        assert maker.ask("private/x_set_block_rfq_maker") == "ok"
    return found


def leg(name=CALL, amount=1.0, **more):
    return {"instrument_name": name, "amount": amount, "direction": "buy"} | more


def ask(taker, **terms):
    """A request for one call; its number."""
    return taker.ask("private/create_block_rfq", **({"legs": [leg()]} | terms))["block_rfq_id"]


def signed(who: Trader, rfq: int, price: float, amount: float = 1.0, *, direction: str = "sell", **terms):
    """Parameters of a quote or an acceptance; what is ``sent`` differs from what is signed only on purpose."""
    bound = Terms(rfq=rfq, whole=terms.get("execution_instruction") == "all_or_none")
    tif = {"fill_or_kill": c.FOK, "immediate_or_cancel": c.IOC}.get(terms.get("time_in_force", ""), c.GTC)
    listed = who.venue.publisher.listed[terms.pop("name", CALL)]
    said = {
        "account": who.account,
        "is_buy": direction == "buy",
        "quantity": exact_qty(amount),
        "limit_price": exact_price(price),
        "max_fee": 100 * USDC,
        "time_in_force": tif,
        "replaces": terms.pop("replaces", 0),
        "nonce": who.nonces.take(who.account),
        "expiry": NO_EXPIRY,
        "terms": signing.terms_hash(bound),
        "for_rfq": True,
    }
    if listed.legs:
        order = signing.ComboOrder(legs=pack(listed.legs), **said)
    else:
        order = signing.Order(series=listed.series, **said)
    authorization = sign_order(terms.pop("key", who.key), who.venue.publisher.venue.domain, order)
    fields = {"block_rfq_id": rfq, "price": price, "amount": amount, "direction": direction}
    return fields | {"authorization": authorization} | terms


def quote(maker, rfq, price, amount=1.0, **terms):
    return maker.ask("private/add_block_rfq_quote", **signed(maker, rfq, price, amount, **terms))


def accept(taker, rfq, price, amount=1.0, **terms):
    fields = {"direction": "buy", "time_in_force": "fill_or_kill"} | terms
    return taker.ask("private/accept_block_rfq", **signed(taker, rfq, price, amount, **fields))


def test_request_is_answered_and_accepted(people):
    taker, maker, other, _ = people
    made = taker.ask("private/create_block_rfq", legs=[leg()], label="mine", x_direction="buy", x_step=0.1)
    rfq = made["block_rfq_id"]
    assert (made["role"], made["state"], made["amount"], made["x_step"]) == ("taker", "open", 1.0, 0.1)
    quote(maker, rfq, 505, 0.6)
    best = quote(other, rfq, 500, 0.6, label="q")
    assert (best["quote_state"], best["execution_instruction"], best["label"]) == ("open", "any_part_of", "q")
    (seen,) = taker.ask("private/get_block_rfqs")["block_rfqs"]
    assert [(item["price"], item["amount"]) for item in seen["asks"]] == [(500.0, 0.6), (505.0, 0.6)]
    assert "makers" not in seen["asks"][0]
    done = accept(taker, rfq, 505)
    trades = done["block_trades"][0]["trades"]
    assert [(item["price"], item["amount"]) for item in trades] == [(500.0, 0.6), (505.0, 0.4)]
    assert [item["x_counterparty"] for item in trades] == ["account_3", "account_2"]
    assert [item["block_rfq_id"] for item in trades] == [rfq, rfq]
    assert done["x_block_rfq"]["state"] == "filled"
    assert taker.ask("private/get_position", instrument_name=CALL)["size"] == 1.0
    (told,) = maker.ask("private/get_block_rfqs", role="maker")["block_rfqs"]
    assert told["trades"] == [{"direction": "buy", "price": 505.0, "amount": 0.4, "x_taker": "account_1"}]
    assert maker.ask("private/get_block_rfqs", role="taker")["block_rfqs"] == []


def test_quote_is_edited_and_cancelled_by_number_or_label(people):
    taker, maker, other, _ = people
    rfq = ask(taker)
    number = quote(maker, rfq, 500, 0.5, label="a")["block_rfq_quote_id"]
    edit = signed(maker, rfq, 495, 0.6, replaces=1, execution_instruction="all_or_none")
    assert other.refused("private/edit_block_rfq_quote", **(edit | {"block_rfq_quote_id": number}))[0] == 11044
    edited = maker.ask("private/edit_block_rfq_quote", **(edit | {"block_rfq_quote_id": number}))
    assert (edited["replaced"], edited["price"], edited["execution_instruction"]) == (True, 495.0, "all_or_none")
    edit = signed(maker, rfq, 490, 0.6, replaces=2, label="a")
    assert maker.ask("private/edit_block_rfq_quote", **edit)["price"] == 490.0
    assert maker.ask("private/get_block_rfq_quotes", label="a")[0]["block_rfq_quote_id"] == number
    gone = maker.ask("private/cancel_block_rfq_quote", block_rfq_id=rfq, label="a")
    assert (gone["quote_state"], gone["quote_state_reason"]) == ("cancelled", "by_owner")
    assert maker.refused("private/cancel_block_rfq_quote", block_rfq_quote_id=number)[0] == 11044
    for _ in range(2):
        quote(maker, ask(taker), 500)
    assert maker.ask("private/cancel_all_block_rfq_quotes") == 2
    assert maker.ask("private/get_block_rfq_quotes") == []


def test_named_quote_is_accepted_and_any_part_of_the_rest(people):
    taker, maker, other, _ = people
    rfq = ask(taker)
    quote(maker, rfq, 500, 0.3)
    named = quote(other, rfq, 505, 0.3)["block_rfq_quote_id"]
    first = accept(taker, rfq, 505, 0.3, x_block_rfq_quote_id=named)
    assert [item["price"] for item in first["block_trades"][0]["trades"]] == [505.0]
    then = accept(taker, rfq, 505, 0.7, time_in_force="immediate_or_cancel")
    assert (then["x_block_rfq"]["state"], then["x_block_rfq"]["x_remaining_amount"]) == ("open", 0.4)
    code, data = taker.refused(
        "private/accept_block_rfq", **signed(taker, rfq, 505, 0.4, direction="buy", time_in_force="fill_or_kill")
    )
    assert (code, data["reason"], data["value"], data["limit"]) == (13907, "rfq_must_meet_quotes", 0.0, 0.4)
    closed = taker.ask("private/cancel_block_rfq", block_rfq_id=rfq)
    assert (closed["state"], closed["x_end"], len(closed["trades"])) == ("cancelled", "by_taker", 2)


def test_to_whom_was_not_asked_a_request_is_none_whatever_else_is_wrong(people):
    """The same refusal for a request that is not there, whatever the call would reveal about one that is."""
    taker, maker, other, stranger = people
    rfq = ask(taker, makers=["account_2"])
    for who, number in itertools.product((other, stranger), (rfq, rfq + 1_000)):
        for change in ({}, {"price": 500.0000001}, {"amount": 1e9}, {"legs": [leg(PUT, ratio=1)]}):
            sent = signed(who, number, 500) | change
            assert who.refused("private/add_block_rfq_quote", **sent)[1]["reason"] == "rfq_must_be_open"
            assert who.refused("private/accept_block_rfq", **sent)[1]["reason"] == "rfq_must_be_open"
        assert who.refused("private/cancel_block_rfq", block_rfq_id=number)[1]["reason"] == "rfq_must_be_open"
        assert who.ask("private/get_block_rfqs", block_rfq_id=number)["block_rfqs"] == []
    quote(maker, rfq, 500)
    for who in (other, stranger):
        assert who.ask("private/get_block_rfq_quotes", block_rfq_id=rfq) == []


@pytest.mark.parametrize(("taker_told", "maker_told"), list(itertools.product((True, False), repeat=2)))
def test_names_are_told_after_the_trade_if_neither_asked_otherwise(people, venue, taker_told, maker_told):
    taker, maker, *_ = people
    rfq = ask(taker, disclosed=taker_told)
    quote(maker, rfq, 500, disclosed=maker_told)
    before = [who.ask("private/get_block_rfqs") for who in (taker, maker)]
    assert "account_" not in json.dumps(before)
    venue.notes.clear()
    for family, who in itertools.product(CHANNELS, (TAKER, MAKER)):
        venue.publisher.watch(venue.state, parse_channel(f"{family}.btc"), who)
    venue.publisher.watch(venue.state, parse_channel("user.trades.any.any.raw"), MAKER)
    done = accept(taker, rfq, 500)
    after = [who.ask("private/get_block_rfqs", block_rfq_id=rfq) for who in (taker, maker)]
    told = json.dumps([done["block_trades"], after, [note.item for note in venue.notes]])
    assert ("account_1" in told) == ("account_2" in told) == (taker_told and maker_told)
    assert "account_" not in json.dumps(people[3].ask("public/get_block_rfq_trades", currency="any"))


def test_each_channel_tells_only_whom_it_is_meant_for(people, venue):
    """Everybody listens to everything; a journal of a whole request is told."""
    taker, maker, *_ = people
    for family, number in itertools.product(CHANNELS, (0, TAKER, MAKER, OTHER, STRANGER)):
        channel = parse_channel(f"{family}.any")
        if channel.is_private == bool(number):
            venue.publisher.watch(venue.state, channel, number)
    venue.notes.clear()
    rfq = ask(taker, makers=["account_2"], label="secret label")
    quote(maker, rfq, 500, label="maker's own")
    edit = signed(maker, rfq, 495, replaces=1)
    maker.ask("private/edit_block_rfq_quote", **(edit | {"label": "maker's own"}))
    accept(taker, rfq, 500, 0.5)
    taker.ask("private/cancel_block_rfq", block_rfq_id=rfq)
    heard: dict[str, dict[int, list[dict]]] = {family: {} for family in CHANNELS}
    for note in venue.notes:
        if isinstance(note, Note):
            for stem in note.stems:
                heard[stem.rpartition(".")[0]].setdefault(note.account, []).append(note.item)
    assert [set(heard[family]) for family in CHANNELS] == [{TAKER}, {MAKER}, {MAKER}, {0}]
    states = [item["state"] for item in heard["block_rfq.maker"][MAKER]]
    assert states == ["open", "open", "cancelled"]  # asked, filled in part, over; nothing of its own quotes
    assert "secret" not in json.dumps(heard["block_rfq.maker"])
    assert not {"asks", "bids", "makers", "label"} & set(heard["block_rfq.maker"][MAKER][0])
    assert [item["quote_state"] for item in heard["block_rfq.maker.quotes"][MAKER]] == [*["open"] * 3, "cancelled"]
    assert "maker's own" not in json.dumps(heard["block_rfq.taker"])
    (public,) = heard["block_rfq.trades"][0]
    assert (public["id"], public["amount"], public["legs"][0]["price"]) == (rfq, 0.5, 495.0)
    assert "account" not in json.dumps(public)


def test_side_is_told_to_makers_only_if_the_taker_tells_it(people, venue):
    taker, maker, *_ = people
    venue.publisher.watch(venue.state, parse_channel("block_rfq.maker.btc"), MAKER)
    for side in (None, "sell"):
        ask(taker, x_direction=side)
        assert venue.notes[-1].item.get("x_direction") == side
    rfq = ask(taker, x_direction="buy")
    wrong = signed(maker, rfq, 500, direction="buy")
    assert maker.refused("private/add_block_rfq_quote", **wrong)[1]["reason"] == "rfq_order_must_keep_series_and_side"


def test_what_is_not_offered_is_said(people):
    taker, maker, *_ = people
    for more in ({"hedge": "{}"}, {"trade_allocations": []}):
        assert taker.refused("private/create_block_rfq", **({"legs": [leg()]} | more))[0] == 10033, more
    for more in (
        {"legs": []},
        {"legs": [leg(direction="sell")]},
        {"legs": [leg(direction="sell"), leg(PUT, direction="sell")]},
        {"legs": [leg(), leg()]},
        {"legs": [leg(amount=0.0015), leg(PUT, amount=0.001)]},
        {"legs": [leg(amount=0.001)]},
        {"makers": ["Somebody"]},
        {"x_direction": "both"},
        {"min_trade_amount": 0.00001},
        {"legs": [leg("BTC-PERPETUAL")]},
    ):
        assert "error" in taker.call("private/create_block_rfq", **({"legs": [leg()]} | more)), more
    rfq = ask(taker)
    assert maker.refused("private/add_block_rfq_quote", **signed(maker, rfq, 500, hedge="{}"))[0] == 10033
    waits = signed(taker, rfq, 500, direction="buy", time_in_force="good_til_cancelled")
    assert taker.refused("private/accept_block_rfq", **waits)[0] == 10033
    other_leg = signed(maker, rfq, 500, legs=[leg(PUT, ratio=1)])
    assert maker.refused("private/add_block_rfq_quote", **other_leg)[0] == -32602
    by_leg = signed(maker, rfq, 500, legs=[leg(ratio=1, price=500)])
    del by_leg["price"]
    assert maker.ask("private/add_block_rfq_quote", **by_leg)["price"] == 500.0


def test_order_for_a_request_that_differs_from_what_was_signed_is_refused(people):
    taker, maker, *_ = people
    rfq, other = ask(taker), ask(taker)
    good = signed(maker, rfq, 500)
    for change in (
        {"block_rfq_id": other},
        {"price": 505},
        {"amount": 0.5},
        {"direction": "buy"},
        {"execution_instruction": "all_or_none"},
        {"post_only": True},
    ):
        assert (
            maker.refused("private/add_block_rfq_quote", **(good | change))[1]["reason"] == "signer_must_be_authorised"
        )
    assert maker.refused("private/add_block_rfq_quote", **(good | {"authorization": None}))[0] == 10000


def test_makers_are_listed_and_know_themselves(people):
    taker, maker, *_ = people
    assert taker.ask("private/get_block_rfq_makers") == ["account_2", "account_3"]
    assert maker.ask("private/get_block_rfq_user_info")["users"] == [
        {"user_id": 2, "identity": "account_2", "is_maker": True}
    ]
    rfq = ask(taker)
    quote(maker, rfq, 500)
    maker.ask("private/x_set_block_rfq_maker", enabled=False)
    assert taker.ask("private/get_block_rfqs")["block_rfqs"][0]["asks"] == []
    assert taker.ask("private/get_block_rfq_makers") == ["account_3"]
    assert maker.ask("private/get_block_rfqs")["block_rfqs"] == []


def test_requests_and_trades_come_in_pages(people):
    taker, maker, *_ = people
    numbers = [ask(taker) for _ in range(5)]
    first = taker.ask("private/get_block_rfqs", count=2)
    assert [item["block_rfq_id"] for item in first["block_rfqs"]] == numbers[:2:-1]
    then = taker.ask("private/get_block_rfqs", count=9, continuation=first["continuation"])
    assert ([item["block_rfq_id"] for item in then["block_rfqs"]], "continuation" in then) == (numbers[2::-1], False)
    for rfq in numbers:
        quote(maker, rfq, 500)
        accept(taker, rfq, 500)
    page = maker.ask("public/get_block_rfq_trades", currency="BTC", count=3)
    rest = maker.ask("public/get_block_rfq_trades", currency="BTC", count=3, continuation=page["continuation"])
    assert [item["id"] for item in (*page["block_rfqs"], *rest["block_rfqs"])] == numbers[::-1]
    assert rest["continuation"] is None
    assert maker.ask("public/get_block_rfq_trades", currency="ETH")["block_rfqs"] == []
    for state, count in (("filled", 5), ("traded", 5), ("closed", 5), ("open", 0), ("expired", 0)):
        assert len(taker.ask("private/get_block_rfqs", state=state)["block_rfqs"]) == count


def story(taker, maker):
    """The answers to one call of every method, in a sensible order."""
    made = taker.ask("private/create_block_rfq", legs=[leg()], makers=["account_2"])
    rfq = made["block_rfq_id"]
    added = quote(maker, rfq, 500)
    number = {"block_rfq_quote_id": added["block_rfq_quote_id"]}
    edit = signed(maker, rfq, 495, replaces=1) | number
    return {
        "private/create_block_rfq": made,
        "private/add_block_rfq_quote": added,
        "private/edit_block_rfq_quote": maker.ask("private/edit_block_rfq_quote", **edit),
        "private/get_block_rfqs": taker.ask("private/get_block_rfqs"),
        "private/get_block_rfq_quotes": maker.ask("private/get_block_rfq_quotes"),
        "private/accept_block_rfq": accept(taker, rfq, 500, 0.5),
        "public/get_block_rfq_trades": taker.ask("public/get_block_rfq_trades", currency="any"),
        "private/cancel_block_rfq_quote": maker.ask("private/cancel_block_rfq_quote", **number),
        "private/cancel_block_rfq": taker.ask("private/cancel_block_rfq", block_rfq_id=rfq),
        "private/cancel_all_block_rfq_quotes": maker.ask("private/cancel_all_block_rfq_quotes"),
        "private/get_block_rfq_makers": taker.ask("private/get_block_rfq_makers"),
        "private/get_block_rfq_user_info": taker.ask("private/get_block_rfq_user_info"),
    }


def test_answers_and_channels_of_requests_validate(schema, people, venue):  # noqa: F811
    methods, channels = schema
    taker, maker, *_ = people
    for family, number in zip(CHANNELS, (TAKER, MAKER, MAKER, 0), strict=True):
        venue.publisher.watch(venue.state, parse_channel(f"{family}.BTC"), number)
    venue.notes.clear()
    for method, result in story(taker, maker).items():
        validator(methods[method]).json(json.dumps(result))
    patterns = {pattern.rpartition(".")[0]: pattern for pattern in channels if pattern.startswith("block_rfq")}
    assert set(patterns) == set(CHANNELS)
    heard = [(stem.rpartition(".")[0], note.item) for note in venue.notes for stem in note.stems]
    assert {family for family, _ in heard} == set(CHANNELS)
    for family, item in heard:
        told_as = [item] if family == "block_rfq.maker.quotes" else item  # as streams tell them
        validator(channels[patterns[family]]).json(json.dumps(told_as))


def test_key_that_may_only_trade_by_request_asks_accepts_and_trades_in_no_book(people, venue):
    taker, maker, *_ = people
    key = key_of(30)
    venue.observe(c.ObserveKey, TAKER, signing.address_of(key), SCOPE_RFQ, NO_EXPIRY)
    holder = Trader(venue, TAKER, key)
    holder.nonces = taker.nonces
    holder.login()
    rfq = ask(holder)
    quote(maker, rfq, 500)
    assert holder.refused("private/buy", **holder.order(CALL, 0.1, 400, is_buy=True))[1]["reason"] == "scope_must_allow"
    assert accept(holder, rfq, 500)["x_block_rfq"]["state"] == "filled"


def test_channels_of_requests_are_named_by_currency():
    names = {
        f"{family}.btc_usdc": kind
        for family, kind in zip(
            CHANNELS, (Family.RFQ_TAKER, Family.RFQ_MAKER, Family.RFQ_QUOTES, Family.RFQ_TRADES), strict=True
        )
    }
    for name, family in names.items():
        channel = parse_channel(name)
        assert (channel.family, channel.subject) == (family, "BTC_USDC")
    assert [
        parse_channel(name) for name in ("block_rfq", "block_rfq.btc", "block_rfq.x.btc", "block_rfq.maker.a.b")
    ] == [None] * 4
