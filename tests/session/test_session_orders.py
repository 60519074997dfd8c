"""Orders through a session: exact numbers, signatures over exactly what is asked, honest replies. # M03 M04 M10"""

import json

import pytest

from exchange import signing
from exchange.core import commands as c
from exchange.core.units import NO_EXPIRY
from exchange.session import Read, Submit
from exchange.signing import terms_hash

from .conftest import CALL, PUT, USDC, complete, key_of


def test_a_resting_order_and_a_fill_are_told_with_fees_and_receipts(trader):
    maker, taker = trader(1), trader(2)
    sold = maker.sell(CALL, 0.5, 500, label="quote")
    assert sold["order"]["order_state"] == "open"
    assert sold["trades"] == []
    bought = taker.buy(CALL, 0.5, 510)
    assert bought["order"]["order_state"] == "filled"
    assert bought["order"]["average_price"] == 500
    (trade,) = bought["trades"]
    assert (trade["price"], trade["amount"], trade["liquidity"], trade["fee"]) == (500, 0.5, "T", 12.6)
    assert bought["receipt"]["seq"] == int(bought["order"]["order_id"])
    assert maker.ask("private/get_order_state", order_id=sold["order"]["order_id"])["order_state"] == "filled"


def test_the_order_hash_is_the_digest_that_was_signed(trader, venue):
    maker = trader(1)
    params = maker.order(CALL, 0.5, 500, is_buy=False)
    reply = maker.ask("private/sell", **params)
    signature = bytes.fromhex(params["authorization"]["signature"][2:])
    digest = bytes.fromhex(reply["x_order_hash"][2:])
    assert signing.recover(digest, signature) == maker.address
    assert venue.outcomes[-1].command.auth.signature == signature


# What is sent, and what the machine is asked: text to integers without a float between.
@pytest.mark.parametrize(
    ("price", "amount", "expected"),
    [
        ("500", "0.5", (500_000_000, 5_000)),
        ("500.000000", "5e-1", (500_000_000, 5_000)),
        ("5E2", "0.50", (500_000_000, 5_000)),
        ("1005", "16.90", (1_005_000_000, 169_000)),
        ("29", "0.29", (29_000_000, 2_900)),
        ("57", "1.15", (57_000_000, 11_500)),
    ],
)
def test_numbers_are_read_from_their_text(trader, price, amount, expected):
    maker = trader(1)
    params = maker.order(CALL, 0.5, 500, is_buy=True)
    body = json.dumps(params | {"price": "PRICE", "amount": "AMOUNT"})
    body = body.replace('"PRICE"', price).replace('"AMOUNT"', amount)
    work = maker.session.receive(f'{{"id":1,"method":"private/buy","params":{body}}}', maker.venue.time_ns)
    assert isinstance(work, Submit), work
    assert (work.command.auth.price, work.command.auth.qty) == expected


# Refused before the signature is looked at: the signature here is always good for something else.
@pytest.mark.parametrize(
    ("sent", "code", "reason"),
    [
        ({"price": 500.5}, 10043, "price_must_be_on_tick"),
        ({"price": 1001}, 10043, "price_must_be_on_tick"),
        ({"price": 0.0000001}, 10043, "price_must_be_on_tick"),
        ({"price": 0}, 10005, "price_must_be_positive"),
        ({"price": -1}, 10005, "price_must_be_positive"),
        ({"price": 10**16}, 10007, "price_must_fit"),
        ({"amount": 0}, 10002, "qty_must_be_positive"),
        ({"amount": -1}, 10002, "qty_must_be_positive"),
        ({"amount": 0.001}, 10021, "qty_must_be_on_lot"),
        ({"amount": 0.00001}, 10021, "qty_must_be_on_lot"),
        ({"amount": 429_497}, 10022, "qty_must_fit"),
        ({"amount": "1"}, -32602, "must_be_a_number"),
        ({"amount": True}, -32602, "must_be_a_number"),
        ({"amount": None}, -32602, "required"),
        ({"amount": 1, "contracts": 2}, -32602, "must_equal_amount"),
        ({"price": [500]}, -32602, "must_be_a_number"),
        ({"price": 2**70}, -32602, "out_of_range"),
        ({"instrument_name": "BTC_USDC-17AUG26-1-C"}, 10020, "series_must_exist"),
        ({"instrument_name": 5}, -32602, "must_be_a_string"),
        ({"time_in_force": "tomorrow"}, -32602, "must_be_one_of"),
        ({"post_only": "yes"}, -32602, "must_be_a_boolean"),
        ({"label": "x" * 65}, -32602, "too_long"),
        ({"valid_until": 1}, 13888, "valid_until_has_passed"),
        ({"authorization": None}, 10000, "order_must_be_signed"),
        ({"authorization": "0x"}, -32602, "must_be_an_object"),
    ],
)
def test_terms_are_checked_before_the_signature(trader, venue, sent, code, reason):
    maker = trader(1)
    before = venue.state.seq
    got, data = maker.refused("private/buy", **(maker.order(CALL, 0.5, 500, is_buy=True) | sent))
    assert (got, data["reason"]) == (code, reason)
    assert venue.state.seq == before  # nothing was journaled


@pytest.mark.parametrize(
    ("sent", "param"),
    [
        ({"type": "market_limit"}, "type"),
        ({"type": "trailing_stop"}, "type"),
        ({"trigger_offset": 5}, "trigger_offset"),
        ({"advanced": "implv"}, "advanced"),
        ({"refresh_amount": 1}, "refresh_amount"),
    ],
)
def test_what_would_change_the_meaning_is_refused_not_ignored(trader, sent, param):
    maker = trader(1)
    code, data = maker.refused("private/buy", **(maker.order(CALL, 0.5, 500, is_buy=True) | sent))
    assert (code, data["param"]) == (10033, param)


@pytest.mark.parametrize(
    "signed",
    [
        {"limit_price": 501 * USDC},
        {"quantity": 5_100},
        {"flip": True},
        {"series": 65_537},
        {"post_only": True},
        {"reduce_only": True},
        {"time_in_force": c.IOC},
    ],
)
def test_a_signature_over_anything_else_is_refused_by_the_machine(trader, venue, signed):
    maker = trader(1)
    code, data = maker.refused("private/sell", **maker.order(CALL, 0.5, 500, is_buy=False, **signed))
    assert (code, data["reason"]) == (10000, "signer_must_be_authorised")
    assert data["receipt"]["seq"] == venue.state.seq  # and that it was refused is on record


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        ({"account": 2}, 13021, "account_must_belong_to_login"),
        ({"account": 2**32}, -32602, "out_of_range"),
        ({"nonce": -1}, -32602, "out_of_range"),
        ({"nonce": 2**64}, -32602, "out_of_range"),
        ({"nonce": "7"}, 10000, "signer_must_be_authorised"),
        ({"nonce": 1.5}, -32602, "must_be_an_integer"),
        ({"expiry": "soon"}, -32602, "must_be_a_number"),
        ({"max_fee": True}, -32602, "must_be_an_integer"),
        ({"signature": "0x"}, 10000, "signature_length"),
        ({"signature": "abc"}, -32602, "must_be_0x_hexadecimal"),
        ({"signature": "0x" + "zz" * 65}, -32602, "must_be_0x_hexadecimal"),
        ({"signature": "0x" + "11" * 64 + "05"}, 10000, "signature_wrong_v"),
        ({"signature": "0x" + "11" * 32 + "ff" * 32 + "1b"}, 10000, "signature_high_s"),
        ({"signature": "0x" + "11" * 66}, -32602, "too_long"),
        ({"signature": "0x" + "00" * 64 + "1b"}, 10000, "signature_no_signer"),
    ],
)
def test_authorizations_are_read_strictly(trader, change, code, reason):
    maker = trader(1)
    params = maker.order(CALL, 0.5, 500, is_buy=True)
    params["authorization"] |= change
    got, data = maker.refused("private/buy", **params)
    assert (got, data["reason"]) == (code, reason)


def test_a_nonce_is_good_once(trader):
    maker = trader(1)
    params = maker.order(CALL, 0.5, 400, is_buy=True)
    maker.ask("private/buy", **params)
    assert maker.refused("private/buy", **params)[1]["reason"] == "nonce_must_be_fresh"


def test_an_expired_order_and_a_small_max_fee_are_the_machines_refusals(trader, venue):
    maker = trader(1)
    now_s = venue.time_ns // 10**9
    code, data = maker.refused("private/buy", **maker.order(CALL, 0.5, 500, is_buy=True, expiry=now_s))
    assert (code, data["reason"]) == (13888, "order_must_not_be_expired")
    code, data = maker.refused("private/buy", **maker.order(CALL, 0.5, 500, is_buy=True, max_fee=1))
    assert (code, data["reason"], data["limit"]) == (11030, "max_fee_must_cover_fee", 12.6)


def test_post_only_slides_unless_told_to_be_refused(trader):
    maker, other = trader(1), trader(2)
    maker.sell(CALL, 0.5, 500)
    params = other.order(CALL, 0.5, 505, is_buy=True, post_only=True) | {"post_only": True}
    code, data = other.refused("private/buy", **(params | {"reject_post_only": True}))
    assert (code, data["limit"]) == (11054, 500)
    slides = terms_hash(c.Terms(slide=True))
    params = other.order(CALL, 0.5, 505, is_buy=True, post_only=True, terms=slides) | {"post_only": True}
    assert other.ask("private/buy", **params)["order"]["price"] == 499


def test_immediate_or_cancel_tells_what_was_left(trader):
    maker, other = trader(1), trader(2)
    maker.sell(CALL, 0.2, 500)
    params = other.order(CALL, 0.5, 500, is_buy=True, time_in_force=c.IOC)
    order = other.ask("private/buy", **params, time_in_force="immediate_or_cancel")["order"]
    assert (order["order_state"], order["filled_amount"]) == ("cancelled", 0.2)
    assert order["x_cancel_reason"] == "immediate_remainder"


def test_edit_replaces_the_authorisation_and_keeps_the_id(trader):
    maker = trader(1)
    placed = maker.sell(CALL, 0.5, 500)
    order_id = placed["order"]["order_id"]
    params = maker.order(CALL, 0.4, 505, is_buy=False, replaces=1)
    edited = maker.ask("private/edit", order_id=order_id, **params)
    assert edited["order"] | {"amount": 0.4, "price": 505.0, "replaced": True, "order_id": order_id} == edited["order"]
    params = maker.order(CALL, 0.4, 510, is_buy=False, replaces=1)
    assert maker.refused("private/edit", order_id=order_id, **params)[1]["reason"] == "amend_must_name_replaced_nonce"


def test_orders_are_found_cancelled_and_remembered(trader):
    maker, other = trader(1), trader(2)
    ids = [maker.sell(name, 0.1, 600)["order"]["order_id"] for name in (CALL, CALL, PUT)]
    assert other.refused("private/cancel", order_id=ids[0])[0] == 10029
    assert other.refused("private/get_order_state", order_id=ids[0])[0] == 10004
    assert maker.ask("private/cancel", order_id=ids[0])["order_state"] == "cancelled"
    assert maker.refused("private/cancel", order_id=ids[0])[0] == 11044
    assert maker.refused("private/cancel", order_id="99999")[0] == 10004
    assert maker.refused("private/cancel", order_id="ETH-12")[0] == 10004
    assert maker.ask("private/get_order_state", order_id=ids[0])["cancel_reason"] == "user_request"
    assert len(maker.ask("private/get_open_orders_by_instrument", instrument_name=PUT)) == 1
    assert len(maker.ask("private/get_open_orders_by_currency", currency="BTC")) == 2
    assert maker.ask("private/get_open_orders_by_currency", currency="ETH") == []
    assert maker.ask("private/get_open_orders", kind="future") == []
    assert maker.ask("private/cancel_all_by_instrument", instrument_name=PUT) == 1
    assert maker.ask("private/cancel_all") == 1


def test_session_keys_trade_within_their_scopes(trader, venue):
    reader_key, trader_key = key_of(20), key_of(21)
    venue.observe(c.ObserveKey, 1, signing.address_of(reader_key), c.SCOPE_READ, NO_EXPIRY)
    venue.observe(c.ObserveKey, 1, signing.address_of(trader_key), c.SCOPE_TRADE, venue.time_ns // 10**9 + 60)
    reads, trades = trader(1, logged_in=False), trader(1, logged_in=False)
    reads.key, trades.key = reader_key, trader_key
    reads.login()
    trades.login()
    assert reads.ask("private/get_positions") == []
    code, data = reads.refused("private/buy", **reads.order(CALL, 0.1, 400, is_buy=True))
    assert (code, data["reason"]) == (13021, "scope_must_allow")
    assert trades.buy(CALL, 0.1, 400)["order"]["order_state"] == "open"
    assert trades.refused("private/get_positions")[0] == 13021
    venue.advance(61)
    venue.must(c.Tick())
    code, data = trades.refused("private/buy", **trades.order(CALL, 0.1, 400, is_buy=True))
    assert (code, data["reason"]) == (13009, "key_revoked_or_expired")


def test_a_wallet_with_two_accounts_names_the_one_it_means(trader, venue):
    owner = trader(1)
    venue.observe(c.ObserveAccount, 4, owner.address)
    venue.observe(c.ObserveDeposit, 4, 5_000 * USDC)
    assert owner.ask("private/get_account_summary", currency="USDC")["id"] == 1
    second = owner.ask("private/get_account_summary", currency="USDC", subaccount_id=4)
    assert (second["id"], second["balance"]) == (4, 5_000)
    owner.account = 4
    owner.buy(CALL, 0.1, 400)
    assert owner.ask("private/get_open_orders") == []
    assert len(owner.ask("private/get_open_orders", subaccount_id=4)) == 1
    assert owner.refused("private/get_open_orders", subaccount_id=2)[0] == 13021


def test_an_order_pipelined_behind_another_sees_it(trader, venue):
    maker = trader(1)
    works = [
        maker.session.receive(
            json.dumps({"id": number, "method": "private/sell", "params": maker.order(CALL, 0.1, 500, is_buy=False)}),
            venue.time_ns,
        )
        for number in range(3)
    ]
    replies = [json.loads(complete(venue, work)) for work in works]
    assert [reply["id"] for reply in replies] == [0, 1, 2]
    ids = [int(reply["result"]["order"]["order_id"]) for reply in replies]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("method", ["private/cancel", "private/edit"])
def test_that_an_order_is_gone_is_told_once_it_is_durable(trader, method):
    """The session knows of a fill before its record is durable; what it says of it waits like a query."""
    maker, taker = trader(1), trader(2)
    order_id = maker.sell(CALL, 0.1, 400)["order"]["order_id"]
    taker.buy(CALL, 0.1, 400)
    for asked, reason in ((order_id, "order_must_be_open"), ("999999", "order_must_exist")):
        params = {"order_id": asked, "amount": 0.1, "price": 401.0}
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        work = maker.session.receive(json.dumps(message), maker.venue.time_ns)
        assert isinstance(work, Read)
        assert maker.refused(method, **params)[1]["reason"] == reason


def test_the_next_nonce_is_free_even_after_the_last_one(trader):
    client = trader(1)

    def next_nonce():
        return client.ask("private/get_account_summary", currency="USDC")["x_next_nonce"]

    def spend(nonce):
        return client.call("private/buy", **client.order(CALL, 0.1, 400, is_buy=True, nonce=nonce))

    for nonce, free in ((0, 1), (70, 71), (2**64 - 1, 1), (1, 2)):
        assert "result" in spend(nonce)
        assert next_nonce() == free
    for nonce in range(2, 64):
        spend(nonce)
    assert next_nonce() == 64
    assert "result" in spend(64)


def test_a_bare_number_has_its_receipt_beside_it(trader, venue):
    client = trader(1)
    client.buy(CALL, 0.1, 400)
    for method, params, count in (
        ("private/cancel_all", {}, 1),
        ("private/cancel_all_by_instrument", {"instrument_name": CALL}, 0),
    ):
        reply = client.call(method, **params)
        assert reply["result"] == count
        assert reply["x_receipt"]["seq"] == venue.state.seq
