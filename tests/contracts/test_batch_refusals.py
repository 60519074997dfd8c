"""A batch with anything wrong in it reverts with its named reason, and not one storage slot moves."""

from __future__ import annotations

import msgspec
import pytest
from contract_drawing import PATIENCE, drawn
from contract_venue import LOT, MAX_ROUND_AGE, OPERATOR_TIMEOUT, USDC, WINDOW, Batch, key, spoiled
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from exchange import calldata, signing
from exchange.calldata import Round, SignedOrder, Trade
from exchange.reverts import Revert
from exchange.shell.chain import Reverted

pytestmark = PATIENCE
PRICE = 700 * USDC
INDEX = 60_000 * USDC


@pytest.fixture
def m(shared_market):
    """The shared market, taken back afterwards."""
    with shared_market.venue.aside():
        yield shared_market


def good(m, quantity: int = LOT, **taker_terms) -> Batch:
    """A batch of one trade; nothing is wrong with it."""
    maker = m.venue.sign(m.venue.order(m.maker, m.call, 3 * LOT, PRICE))
    taker = m.venue.sign(m.venue.order(m.taker, m.call, -quantity, PRICE, **taker_terms))
    return m.venue.batch([maker, taker], [Trade(0, 1, quantity, PRICE, INDEX)])


def altered(batch: Batch, place: int, **fields) -> Batch:
    """The batch with fields of one order changed after it was signed."""
    orders = list(batch.orders)
    order = msgspec.structs.replace(orders[place].order, **fields)
    orders[place] = SignedOrder(order, orders[place].signature)
    return spoiled(batch, orders=tuple(orders))


def retraded(batch: Batch, **fields) -> Batch:
    return spoiled(batch, trades=(msgspec.structs.replace(batch.trades[0], **fields), *batch.trades[1:]))


def by_session(m, **terms) -> Batch:
    maker = m.venue.sign(m.venue.order(m.maker, m.call, LOT, PRICE))
    taker = m.venue.sign(m.venue.order(m.taker, m.call, -LOT, PRICE, **terms), by="session")
    return m.venue.batch([maker, taker], [Trade(0, 1, LOT, PRICE, INDEX)])


def register(m, scopes: int = 1, life: int = 3600) -> None:
    session_address = signing.address_of(key("session"))
    until = m.venue.now + life
    m.venue.send("taker", m.venue.clearing, "register_key", m.taker.account, session_address, scopes, until)


def later(m, seconds: int) -> None:
    """Time passes; a fresh round comes in."""
    m.venue.chain.set_time(m.venue.now + seconds)
    m.venue.post(m.venue.round())


def test_the_batch_every_test_spoils_is_good(m):
    m.venue.settle(good(m))
    assert m.venue.positions(m.taker.account) == {m.call: -LOT}
    assert m.venue.positions(m.maker.account) == {m.call: LOT}


# -- signatures ----------------------------------------------------------------------------------------------------


def test_a_forged_signature(m):
    maker = m.venue.sign(m.venue.order(m.maker, m.call, LOT, PRICE))
    forged = m.venue.sign(m.venue.order(m.taker, m.call, -LOT, PRICE), by="third")
    batch = m.venue.batch([maker, forged], [Trade(0, 1, LOT, PRICE, INDEX)])
    assert m.venue.settle_refusal(batch) == Revert.ORDER_SIGNATURE


def test_a_signature_that_recovers_nobody(m):
    batch = good(m)
    broken = SignedOrder(batch.orders[1].order, b"\xff" * 32 + batch.orders[1].signature[32:])
    assert m.venue.settle_refusal(spoiled(batch, orders=(batch.orders[0], broken))) == Revert.ORDER_SIGNATURE


def test_the_other_spelling_of_a_signature(m):
    """The curve accepts n - s with the other parity for the same signer; the contract does not."""
    batch = good(m)
    raw = calldata.encode_order(batch.orders[1])
    s = int.from_bytes(raw[96:], "big") & (2**255 - 1)
    parity = raw[96] >> 7
    other = ((1 - parity) << 255 | (signing.GROUP_ORDER - s)) & (2**256 - 1)
    body = calldata.encode_order(batch.orders[0]) + raw[:96] + other.to_bytes(32, "big")
    body += calldata.encode_trade(batch.trades[0]) + calldata.encode_counts(2, 1)
    assert m.venue.settle_refusal(spoiled(batch, body=body)) == Revert.ORDER_SIGNATURE


@pytest.mark.parametrize(
    "fields",
    [
        {"quantity": 4 * LOT},
        {"limit_price": PRICE - 1},
        {"max_fee": 10**12},
        {"time_in_force": 1},
        {"replaces": 7},
        {"nonce": 999},
        {"expiry": 2**40},
        {"terms": b"\1" * 32},
    ],
)
def test_tampered_terms_of_the_taker(m, fields):
    assert m.venue.settle_refusal(altered(good(m), 1, **fields)) == Revert.ORDER_SIGNATURE


@pytest.mark.parametrize("was", [True, False])
def test_nobody_but_the_trader_says_what_only_reduces(m, was):
    m.venue.settle(m.venue.cross(m.taker, m.maker, m.call, LOT, PRICE))
    assert m.venue.settle_refusal(altered(good(m, reduce_only=was), 1, reduce_only=not was)) == Revert.ORDER_SIGNATURE
    m.venue.settle(good(m, reduce_only=was))


def test_terms_cannot_be_changed_nor_left_out(m):
    batch = good(m, terms=b"\1" * 32)
    with m.venue.aside():
        m.venue.settle(batch)
    for terms in (b"\2" * 32, signing.NO_TERMS_HASH):
        assert m.venue.settle_refusal(altered(batch, 1, terms=terms)) == Revert.ORDER_SIGNATURE


def test_terms_beyond_the_annex(m):
    """A place that the calldata does not have reverts, though without a word."""
    body = bytearray(calldata.batch_body(good(m, terms=b"\1" * 32).orders, good(m).trades))
    body[128 + 63] = 2
    with pytest.raises(Reverted):
        m.venue.settle(spoiled(good(m, terms=b"\1" * 32), body=bytes(body)))


def test_the_operator_cannot_be_replaced(m):
    assert m.venue.settle_refusal(spoiled(good(m), operator="third")) == Revert.OPERATOR_SIGNATURE


def test_the_content_cannot_change_after_the_operator_signed(m):
    batch = good(m)
    body = calldata.batch_body(batch.orders, batch.trades)
    digest = signing.batch_digest(m.venue.domain, batch.header, calldata.content_hash(body))
    signed = spoiled(batch, operator_signature=signing.sign(key("operator"), digest))
    assert m.venue.settle_refusal(retraded(signed, index=INDEX - 1)) == Revert.OPERATOR_SIGNATURE


@pytest.mark.parametrize("field", ["round_id", "deadline", "journal_size"])
def test_the_header_cannot_change_after_the_operator_signed(m, field):
    batch = good(m)
    body = calldata.batch_body(batch.orders, batch.trades)
    digest = signing.batch_digest(m.venue.domain, batch.header, calldata.content_hash(body))
    signature = signing.sign(key("operator"), digest)
    changed = spoiled(batch, operator_signature=signature, **{field: getattr(batch.header, field) + 1})
    assert m.venue.settle_refusal(changed) == Revert.OPERATOR_SIGNATURE


# -- header --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [-1, 1, 100])
def test_a_wrong_batch_id(m, step):
    batch = good(m)
    assert m.venue.settle_refusal(spoiled(batch, batch_id=batch.header.batch_id + step)) == Revert.BATCH_ID


def test_a_batch_settles_once(m):
    batch = good(m)
    m.venue.settle(batch)
    assert m.venue.settle_refusal(batch) == Revert.BATCH_ID


def test_a_late_batch(m):
    assert m.venue.settle_refusal(spoiled(good(m), deadline=m.venue.now)) == Revert.BATCH_DEADLINE


def test_a_journal_that_shrinks(m):
    m.venue.settle(good(m))
    assert m.venue.settle_refusal(spoiled(good(m), journal_size=0)) == Revert.JOURNAL_SIZE


def test_a_stale_round(m):
    batch = spoiled(good(m), deadline=m.venue.now + 10_000)
    m.venue.chain.set_time(m.venue.rounds[max(m.venue.rounds)].time + MAX_ROUND_AGE)
    assert m.venue.settle_refusal(batch) == Revert.ROUND_STALE


def test_an_unknown_round(m):
    assert m.venue.settle_refusal(spoiled(good(m), round_id=77)) == Revert.ROUND_UNKNOWN


def test_an_older_round_than_the_batch_before(m):
    old = m.venue.rounds[max(m.venue.rounds)]
    m.venue.post(m.venue.round())
    m.venue.settle(good(m))
    maker = m.venue.sign(m.venue.order(m.maker, m.call, LOT, PRICE))
    taker = m.venue.sign(m.venue.order(m.taker, m.call, -LOT, PRICE))
    batch = m.venue.batch([maker, taker], [Trade(0, 1, LOT, PRICE, INDEX)], round_=old)
    assert m.venue.settle_refusal(batch) == Revert.ROUND_ORDER


# -- sheets --------------------------------------------------------------------------------------------------------


def test_a_sheet_the_signers_did_not_sign(m):
    batch = good(m)
    for place in (0, 40, 64, len(batch.sheets) - 1):
        sheets = bytearray(batch.sheets)
        sheets[place] ^= 1
        assert m.venue.settle_refusal(spoiled(batch, sheets=bytes(sheets))) in {
            Revert.SHEET_UNKNOWN,
            Revert.SHEET_FORMAT,
        }


def test_hashes_of_another_round(m):
    batch = good(m)
    assert m.venue.settle_refusal(spoiled(batch, hashes=bytes(32))) == Revert.SHEET_ROOT
    assert m.venue.settle_refusal(spoiled(batch, hashes=batch.hashes * 2)) == Revert.SHEET_ROOT


def test_a_missing_sheet(m):
    assert m.venue.settle_refusal(spoiled(good(m), sheets=b"")) == Revert.SHEET_MISSING


def test_a_sheet_older_than_the_series(m):
    """A round from before a group was listed prices none of its series."""
    venue = m.venue
    word = calldata.strikes_word([(75_000 * USDC, True)])
    venue.send("operator", venue.clearing, "list_group", m.expiry_id, 2, word)
    series = calldata.series_id(m.expiry_id, 8)
    assert venue.settle_refusal(venue.cross(m.maker, m.taker, series, LOT, PRICE)) == Revert.SHEET_MISSING


@pytest.mark.parametrize("cut", [1, 31, 32, 64])
def test_a_sheet_cut_short(m, cut):
    batch = good(m)
    assert m.venue.settle_refusal(spoiled(batch, sheets=batch.sheets[:-cut])) == Revert.SHEET_FORMAT


def test_a_sheet_out_of_order_or_twice(m):
    batch = good(m)
    assert m.venue.settle_refusal(spoiled(batch, sheets=batch.sheets * 2)) == Revert.SHEET_UNKNOWN


# -- validity of orders --------------------------------------------------------------------------------------------


def test_an_expired_order_has_the_settlement_window(m):
    batch = spoiled(good(m, expiry=m.venue.now + 5), deadline=m.venue.now + 500)
    with m.venue.aside():
        m.venue.chain.set_time(m.venue.now + 5 + WINDOW - 1)
        m.venue.settle(batch)
    m.venue.chain.set_time(m.venue.now + 5 + WINDOW)
    assert m.venue.settle_refusal(batch) == Revert.ORDER_EXPIRED


def test_an_expired_series_has_the_settlement_window_and_until_it_is_fixed(m):
    venue, expiry = m.venue, m.venue.expiries[m.expiry_id]
    for time in (expiry - 1800, expiry - 5):
        venue.chain.set_time(time)
        venue.post(venue.round(time=time))
    batch = good(m, expiry=expiry + 10_000)
    with venue.aside():
        fix(venue, m.expiry_id)
        venue.chain.set_time(expiry + WINDOW - 1)
        venue.settle(batch)
    venue.chain.set_time(expiry + WINDOW)
    with venue.aside():
        venue.settle(batch)  # nobody could be paid yet: a venue that was away may still settle what it owes
    fix(venue, m.expiry_id)
    assert venue.settle_refusal(batch) == Revert.SERIES_EXPIRED


def fix(venue, expiry_id: int) -> None:
    """The round at the expiry, and the fixing; the one half an hour before is there."""
    expiry = venue.expiries[expiry_id]
    venue.chain.set_time(max(venue.now + 1, expiry))
    venue.post(venue.round(time=expiry, acc=1800 * 60_000 * USDC))
    venue.send("keeper", venue.clearing, "fix_expiry", expiry_id)


@pytest.mark.parametrize("index", [8, 9, 255])
def test_an_unlisted_series(m, index):
    series = calldata.series_id(m.expiry_id, index)
    assert m.venue.settle_refusal(m.venue.cross(m.maker, m.taker, series, LOT, PRICE)) == Revert.SERIES_UNKNOWN


def test_an_expiry_that_was_never_listed(m):
    series = calldata.series_id(9, 0)
    assert m.venue.settle_refusal(m.venue.cross(m.maker, m.taker, series, LOT, PRICE)) == Revert.SERIES_EXPIRED


def test_an_account_that_does_not_exist(m):
    for account in (0, 99):
        order = m.venue.order(m.taker, m.call, -LOT, PRICE)
        stranger = m.venue.sign(msgspec.structs.replace(order, account=account), by="taker")
        maker = m.venue.sign(m.venue.order(m.maker, m.call, LOT, PRICE))
        batch = m.venue.batch([maker, stranger], [Trade(0, 1, LOT, PRICE, INDEX)])
        assert m.venue.settle_refusal(batch) == Revert.ORDER_SIGNATURE


def test_a_nonce_cancelled_on_chain_binds_after_the_window(m):
    batch = spoiled(good(m, nonce=300), deadline=m.venue.now + 500)
    m.venue.send("taker", m.venue.clearing, "cancel_nonces", m.taker.account, 1, 1 << 44)
    effective = m.venue.now + WINDOW
    with m.venue.aside():
        m.venue.chain.set_time(effective - 2)
        m.venue.settle(batch)
    m.venue.chain.set_time(effective - 1)
    assert m.venue.settle_refusal(batch) == Revert.ORDER_CANCELLED


def test_a_second_cancel_keeps_the_first_in_force(m):
    batch = spoiled(good(m, nonce=300), deadline=m.venue.now + 500)
    m.venue.send("taker", m.venue.clearing, "cancel_nonces", m.taker.account, 1, 1 << 44)
    m.venue.chain.set_time(m.venue.now + WINDOW)
    m.venue.send("taker", m.venue.clearing, "cancel_nonces", m.taker.account, 1, 1 << 45)
    assert m.venue.settle_refusal(batch) == Revert.ORDER_CANCELLED


def test_a_cancel_binds_at_once_when_the_operator_is_gone(m):
    later(m, OPERATOR_TIMEOUT + 10)
    batch = good(m, nonce=300)
    m.venue.send("taker", m.venue.clearing, "cancel_nonces", m.taker.account, 1, 1 << 44)
    assert m.venue.settle_refusal(batch) == Revert.ORDER_CANCELLED


def test_a_frozen_account(m):
    batch = spoiled(good(m), deadline=m.venue.now + 500)
    m.venue.send("taker", m.venue.clearing, "request_exit", m.taker.account)
    effective = m.venue.now + WINDOW
    with m.venue.aside():
        m.venue.chain.set_time(effective - 2)
        m.venue.settle(batch)
    m.venue.chain.set_time(effective - 1)
    assert m.venue.settle_refusal(batch) == Revert.ACCOUNT_FROZEN


# -- session keys --------------------------------------------------------------------------------------------------


def test_a_session_key_trades_within_its_scope(m):
    register(m)
    m.venue.settle(by_session(m))


def test_a_key_nobody_registered(m):
    assert m.venue.settle_refusal(by_session(m)) == Revert.ORDER_SIGNATURE


def test_a_key_of_another_account(m):
    session_address = signing.address_of(key("session"))
    m.venue.send("third", m.venue.clearing, "register_key", m.third.account, session_address, 1, m.venue.now + 99)
    assert m.venue.settle_refusal(by_session(m)) == Revert.ORDER_SIGNATURE


@pytest.mark.parametrize("scopes", [0, 2, 2**32 - 2])
def test_an_unscoped_key(m, scopes):
    register(m, scopes)
    assert m.venue.settle_refusal(by_session(m)) == Revert.KEY_SCOPE


def test_an_expired_key_has_the_settlement_window(m):
    register(m, life=10)
    expiry = m.venue.clearing.call("key_state", m.taker.account, signing.address_of(key("session")))[1]
    batch = spoiled(by_session(m), deadline=m.venue.now + 500)
    with m.venue.aside():
        m.venue.chain.set_time(expiry + WINDOW - 1)
        m.venue.settle(batch)
    m.venue.chain.set_time(expiry + WINDOW)
    assert m.venue.settle_refusal(batch) == Revert.KEY_EXPIRED


def test_a_revoked_key_has_the_settlement_window(m):
    register(m)
    batch = spoiled(by_session(m), deadline=m.venue.now + 500)
    m.venue.send("taker", m.venue.clearing, "revoke_key", m.taker.account, signing.address_of(key("session")))
    effective = m.venue.now + WINDOW
    with m.venue.aside():
        m.venue.chain.set_time(effective - 2)
        m.venue.settle(batch)
    m.venue.chain.set_time(effective - 1)
    assert m.venue.settle_refusal(batch) == Revert.KEY_REVOKED


# -- fills ---------------------------------------------------------------------------------------------------------


def test_a_replayed_order(m):
    batch = good(m)
    m.venue.settle(batch)
    again = m.venue.batch(batch.orders, batch.trades)
    assert m.venue.settle_refusal(again) == Revert.ORDER_OVERFILLED


def test_an_overfilled_order(m):
    assert m.venue.settle_refusal(retraded(good(m), quantity=LOT + 1)) == Revert.ORDER_OVERFILLED


def test_two_trades_overfill_together(m):
    batch = good(m)
    assert m.venue.settle_refusal(spoiled(batch, trades=batch.trades * 2)) == Revert.ORDER_OVERFILLED


def test_an_order_listed_twice_fills_once(m):
    maker = m.venue.sign(m.venue.order(m.maker, m.call, 3 * LOT, PRICE))
    taker = m.venue.sign(m.venue.order(m.taker, m.call, -LOT, PRICE))
    trades = [Trade(0, 1, LOT, PRICE, INDEX), Trade(0, 2, LOT, PRICE, INDEX)]
    assert m.venue.settle_refusal(m.venue.batch([maker, taker, taker], trades)) == Revert.ORDER_OVERFILLED


@pytest.mark.parametrize("quantity", [0, 2**32 - 1, 2**64 - 1])
def test_a_trade_of_nothing_or_of_too_much(m, quantity):
    batch = good(m)
    word = int.from_bytes(calldata.encode_trade(batch.trades[0]), "big")
    word = word & ~(2**64 - 1 << 160) | quantity << 160
    body = calldata.batch_body(batch.orders, [])[:-32] + word.to_bytes(32, "big") + calldata.encode_counts(2, 1)
    assert m.venue.settle_refusal(spoiled(batch, body=body)) == Revert.TRADE_QUANTITY


@pytest.mark.parametrize(("maker_limit", "taker_limit"), [(PRICE - 1, PRICE), (PRICE, PRICE + 1)])
def test_a_price_beyond_a_limit_when_the_maker_buys(m, maker_limit, taker_limit):
    maker = m.venue.sign(m.venue.order(m.maker, m.call, LOT, maker_limit))
    taker = m.venue.sign(m.venue.order(m.taker, m.call, -LOT, taker_limit))
    batch = m.venue.batch([maker, taker], [Trade(0, 1, LOT, PRICE, INDEX)])
    assert m.venue.settle_refusal(batch) == Revert.PRICE_BEYOND_LIMIT


@pytest.mark.parametrize(("maker_limit", "taker_limit"), [(PRICE + 1, PRICE), (PRICE, PRICE - 1)])
def test_a_price_beyond_a_limit_when_the_maker_sells(m, maker_limit, taker_limit):
    maker = m.venue.sign(m.venue.order(m.maker, m.call, -LOT, maker_limit))
    taker = m.venue.sign(m.venue.order(m.taker, m.call, LOT, taker_limit))
    batch = m.venue.batch([maker, taker], [Trade(0, 1, LOT, PRICE, INDEX)])
    assert m.venue.settle_refusal(batch) == Revert.PRICE_BEYOND_LIMIT


def test_a_fee_beyond_what_the_taker_signed(m):
    fee = m.venue.clearing.call("fees_of", PRICE, LOT, INDEX)[1]
    with m.venue.aside():
        m.venue.settle(good(m, max_fee=fee))
    assert m.venue.settle_refusal(good(m, max_fee=fee - 1)) == Revert.FEE_BEYOND_MAX


def test_a_fee_beyond_what_the_maker_signed(market_factory):
    m = market_factory(maker_rate=10**14)
    fee = m.venue.clearing.call("fees_of", PRICE, LOT, INDEX)[0]
    assert fee > 0
    taker = m.venue.sign(m.venue.order(m.taker, m.call, -LOT, PRICE))
    for max_fee, expected in ((fee - 1, Revert.FEE_BEYOND_MAX), (fee, "accepted")):
        maker = m.venue.sign(m.venue.order(m.maker, m.call, LOT, PRICE, max_fee=max_fee))
        batch = m.venue.batch([maker, taker], [Trade(0, 1, LOT, PRICE, INDEX)])
        assert m.venue.settle_refusal(batch) == expected


def test_orders_that_do_not_meet(m):
    maker = m.venue.sign(m.venue.order(m.maker, m.call, LOT, PRICE))
    put = m.venue.sign(m.venue.order(m.taker, m.puts[0], -LOT, PRICE))
    buyer = m.venue.sign(m.venue.order(m.taker, m.call, LOT, PRICE))
    trade = [Trade(0, 1, LOT, PRICE, INDEX)]
    assert m.venue.settle_refusal(m.venue.batch([maker, put], trade)) == Revert.SERIES_MISMATCH
    assert m.venue.settle_refusal(m.venue.batch([maker, buyer], trade)) == Revert.SIDE_MISMATCH


def test_a_post_only_order_never_takes(m):
    assert m.venue.settle_refusal(good(m, post_only=True)) == Revert.ORDER_POST_ONLY


@pytest.mark.parametrize("time_in_force", [1, 2])
def test_an_immediate_order_never_rests(m, time_in_force):
    maker = m.venue.sign(m.venue.order(m.maker, m.call, LOT, PRICE, time_in_force=time_in_force))
    taker = m.venue.sign(m.venue.order(m.taker, m.call, -LOT, PRICE))
    batch = m.venue.batch([maker, taker], [Trade(0, 1, LOT, PRICE, INDEX)])
    assert m.venue.settle_refusal(batch) == Revert.ORDER_NOT_RESTING


# -- form ----------------------------------------------------------------------------------------------------------


def test_orders_out_of_order(m):
    batch = good(m)
    turned = spoiled(batch, orders=batch.orders[::-1], trades=(Trade(1, 0, LOT, PRICE, INDEX),))
    assert m.venue.settle_refusal(turned) == Revert.ORDER_SEQUENCE


def test_a_trade_beyond_the_list(m):
    for fields in ({"maker": 2}, {"taker": 2}, {"maker": 2**16 - 1}):
        assert m.venue.settle_refusal(retraded(good(m), **fields)) == Revert.BATCH_FORMAT


@pytest.mark.parametrize("extra", [b"\0", bytes(31)])
def test_a_body_that_does_not_add_up(m, extra):
    batch = good(m)
    body = calldata.batch_body(batch.orders, batch.trades)
    assert m.venue.settle_refusal(spoiled(batch, body=body + extra)) == Revert.BATCH_FORMAT
    for wrong in (b"", body[:255], body[:256], bytes(32) + b"\1"):
        assert m.venue.settle_refusal(spoiled(batch, body=wrong)) == Revert.BATCH_FORMAT
    for counts in (257, 257 << 16, 2 | 1 << 16 | 1 << 32, 3 | 1 << 16, 2 | 6 << 16, 2**255):
        wrong = body[:-32] + counts.to_bytes(32, "big")
        assert m.venue.settle_refusal(spoiled(batch, body=wrong)) == Revert.BATCH_FORMAT


def test_whoever_sends_a_batch_cannot_drop_its_last_trade(m):
    """The border between trades and annex is signed with them."""
    batch = good(m)
    body = calldata.batch_body(batch.orders, batch.trades)
    digest = signing.batch_digest(m.venue.domain, batch.header, calldata.content_hash(body))
    signature = signing.sign(key("operator"), digest)
    fewer = body[:-32] + calldata.encode_counts(2, 0)
    refused = spoiled(batch, body=fewer, operator_signature=signature)
    assert m.venue.settle_refusal(refused) == Revert.OPERATOR_SIGNATURE


# -- margin --------------------------------------------------------------------------------------------------------


def test_a_seller_short_of_margin(m):
    assert m.venue.settle_refusal(m.venue.cross(m.maker, m.taker, m.call, 40 * LOT, PRICE)) == Revert.ACCOUNT_MARGIN


def test_a_buyer_short_of_cash(m):
    price = 201_000 * USDC
    assert m.venue.settle_refusal(m.venue.cross(m.maker, m.taker, m.call, LOT, price)) == Revert.ACCOUNT_MARGIN


def test_the_last_unit_of_margin_counts(m):
    """With one unit less the same trade is refused, with it the trade settles."""
    venue = m.venue
    batch = venue.cross(m.maker, m.taker, m.call, LOT, PRICE)
    with venue.aside():
        venue.settle(batch)
        args = (m.taker.account, True, batch.header.round_id, batch.hashes, batch.sheets)
        spare = venue.clearing.call("margin_of", *args)
    assert spare > 0
    for amount, expected in ((spare + 1, Revert.ACCOUNT_MARGIN), (spare, "accepted")):
        with venue.aside():
            venue.send("taker", venue.clearing, "request_withdrawal", m.taker.account, amount)
            venue.chain.set_time(venue.now + WINDOW)
            venue.send("keeper", venue.clearing, "finalise_withdrawal", m.taker.account, 0, b"", b"")
            assert venue.settle_refusal(batch) == expected


def test_one_bad_trade_takes_the_whole_batch_with_it(m):
    venue = m.venue
    orders = [
        venue.sign(venue.order(m.maker, m.call, 50 * LOT, PRICE)),
        venue.sign(venue.order(m.taker, m.call, -LOT, PRICE)),
        venue.sign(venue.order(m.third, m.call, -49 * LOT, PRICE)),
    ]
    trades = [Trade(0, 1, LOT, PRICE, INDEX), Trade(0, 2, 49 * LOT, PRICE, INDEX)]
    assert venue.settle_refusal(venue.batch(orders, trades)) == Revert.ACCOUNT_MARGIN


# -- drawn ---------------------------------------------------------------------------------------------------------

READ_BITS_A = ~(0xFFFF00F8)  # spare flag bits of word a and the low half of word b are read by nobody
FAILURES = {reason.value for reason in Revert}


def random_batch(m, draws: list[tuple[int, int, int]]) -> Batch:
    """A valid batch of several trades between the three players."""
    players = (m.maker, m.taker, m.third)
    orders, trades = [], []
    for who, series, quantity in draws:
        maker, taker = players[who % 3], players[(who + 1) % 3]
        side = 1 if series & 1 else -1
        index = (m.calls + m.puts)[series]
        orders.append(m.venue.sign(m.venue.order(maker, index, side * quantity, PRICE)))
        orders.append(m.venue.sign(m.venue.order(taker, index, -side * quantity, PRICE)))
        trades.append(Trade(len(orders) - 2, len(orders) - 1, quantity, PRICE, INDEX))
    return m.venue.batch(orders, trades)


draws = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 7), st.integers(1, LOT)), min_size=1, max_size=4)


@drawn(60)
@given(draws, st.data())
def test_any_bit_of_an_order_is_protected(m, draws, data):
    """The operator signs a batch in which one bit of one order is not what the trader signed."""
    with m.venue.aside():
        batch = random_batch(m, draws)
        place = data.draw(st.integers(0, len(batch.orders) - 1))
        word = data.draw(st.integers(0, 3))
        bit = data.draw(st.integers(0, 255).filter(lambda bit: is_read(word, bit)))
        body = bytearray(calldata.batch_body(batch.orders, batch.trades))
        body[128 * place + 32 * word + 31 - bit // 8] ^= 1 << bit % 8
        assert m.venue.settle_refusal(spoiled(batch, body=bytes(body))) in FAILURES


def is_read(word: int, bit: int) -> bool:
    if word == 0:
        return bool(READ_BITS_A >> bit & 1)
    return word != 1 or bit >= 64


@drawn(40)
@given(draws, st.data())
def test_any_bit_of_the_calldata_is_covered_by_the_operator(m, draws, data):
    with m.venue.aside():
        batch = random_batch(m, draws)
        body = bytearray(calldata.batch_body(batch.orders, batch.trades))
        digest = signing.batch_digest(m.venue.domain, batch.header, keccak(bytes(body)))
        signature = signing.sign(key("operator"), digest)
        at = data.draw(st.integers(0, 8 * len(body) - 1))
        body[at // 8] ^= 1 << at % 8
        changed = spoiled(batch, body=bytes(body), operator_signature=signature)
        assert m.venue.settle_refusal(changed) == Revert.OPERATOR_SIGNATURE


def resigned(m, batch: Batch, by: str | None = None, **fields) -> Batch:
    """The first order with other terms or another signer."""
    order = msgspec.structs.replace(batch.orders[0].order, **fields)
    return spoiled(batch, orders=(m.venue.sign(order, by=by), *batch.orders[1:]))


def enlarged(m, batch: Batch) -> Batch:
    """The trades a thousand times as large; their orders allow it, the accounts do not."""
    orders = [
        m.venue.sign(msgspec.structs.replace(one.order, quantity=one.order.quantity * 1000 + 10**8))
        for one in batch.orders
    ]
    trades = [msgspec.structs.replace(one, quantity=one.quantity * 1000 + 10**8) for one in batch.trades]
    return spoiled(batch, orders=tuple(orders), trades=tuple(trades))


def cancelled(m, batch: Batch) -> Batch:
    order = batch.orders[0].order
    owner = m.venue.accounts[order.account]
    m.venue.send(owner, m.venue.clearing, "cancel_nonces", order.account, order.nonce >> 8, 1 << (order.nonce & 255))
    m.venue.chain.set_time(m.venue.now + WINDOW)
    return batch


def frozen(m, batch: Batch) -> Batch:
    account = batch.orders[0].order.account
    m.venue.send(m.venue.accounts[account], m.venue.clearing, "request_exit", account)
    m.venue.chain.set_time(m.venue.now + WINDOW)
    return batch


MUTATIONS = {
    "forged": (Revert.ORDER_SIGNATURE, lambda m, b: resigned(m, b, by="stranger")),
    "tampered": (Revert.ORDER_SIGNATURE, lambda _, b: altered(b, 0, max_fee=b.orders[0].order.max_fee + 1)),
    "overfilled": (Revert.ORDER_OVERFILLED, lambda _, b: retraded(b, quantity=b.trades[0].quantity + 1)),
    "repeated": (Revert.ORDER_OVERFILLED, lambda _, b: spoiled(b, trades=(*b.trades, b.trades[0]))),
    "expired": (Revert.ORDER_EXPIRED, lambda m, b: resigned(m, b, expiry=m.venue.now - WINDOW)),
    "above the limit": (Revert.PRICE_BEYOND_LIMIT, lambda _, b: retraded(b, price=PRICE + 1)),
    "below the limit": (Revert.PRICE_BEYOND_LIMIT, lambda _, b: retraded(b, price=PRICE - 1)),
    "poor": (Revert.ACCOUNT_MARGIN, enlarged),
    "wrong operator": (Revert.OPERATOR_SIGNATURE, lambda _, b: spoiled(b, operator="third")),
    "wrong id": (Revert.BATCH_ID, lambda _, b: spoiled(b, batch_id=b.header.batch_id + 1)),
    "late": (Revert.BATCH_DEADLINE, lambda m, b: spoiled(b, deadline=m.venue.now)),
    "unknown round": (Revert.ROUND_UNKNOWN, lambda _, b: spoiled(b, round_id=b.header.round_id + 1)),
    "no sheet": (Revert.SHEET_MISSING, lambda _, b: spoiled(b, sheets=b"")),
    "cancelled": (Revert.ORDER_CANCELLED, cancelled),
    "frozen": (Revert.ACCOUNT_FROZEN, frozen),
}


@drawn(90)
@given(draws, st.sampled_from(sorted(MUTATIONS)))
def test_a_spoiled_batch_reverts_with_its_reason(m, draws, mutation):
    reason, spoil = MUTATIONS[mutation]
    with m.venue.aside():
        batch = random_batch(m, draws)
        assert m.venue.settle_refusal(spoil(m, batch)) == reason


@drawn(20)
@given(draws)
def test_the_batch_before_it_is_spoiled_settles(m, draws):
    with m.venue.aside():
        total = sum(cash for cash, _ in m.venue.ledger().values())
        m.venue.settle(random_batch(m, draws))
        assert sum(cash for cash, _ in m.venue.ledger().values()) == total


def test_a_round_of_no_sheets_prices_nothing(m):
    """The hashes of a round without sheets are empty and match its root; a margin check then finds no sheet."""
    empty: Round = m.venue.post(m.venue.round(expiry_ids=[]))
    maker = m.venue.sign(m.venue.order(m.maker, m.call, LOT, PRICE))
    taker = m.venue.sign(m.venue.order(m.taker, m.call, -LOT, PRICE))
    batch = m.venue.batch([maker, taker], [Trade(0, 1, LOT, PRICE, INDEX)], round_=empty)
    assert m.venue.settle_refusal(batch) == Revert.SHEET_MISSING
