"""Who may sign for a combo and for how much: nothing that bounds an order is wider for one of several legs."""

from __future__ import annotations

import msgspec
import pytest
from contract_combos import FEES, INDEX, between, crossed, implied, legs, moved, signed_combo, value
from contract_drawing import PATIENCE, drawn
from contract_venue import LOT, USDC, WINDOW, address, spoiled
from hypothesis import given
from hypothesis import strategies as st

from exchange import calldata, signing
from exchange.calldata import OVER, SignedOrder, SignedQuote, Trade
from exchange.core.commands import QuoteLeaf, QuoteMandate
from exchange.core.fees import taker_fee
from exchange.core.legs import pack
from exchange.reverts import Revert

pytestmark = PATIENCE
PRICES = (900 * USDC, 500 * USDC)
UNREAD = frozenset(range(4, 8)) | frozenset(range(16, 32))


@pytest.fixture
def m(shared_market):
    """The shared market, taken back afterwards."""
    with shared_market.venue.aside():
        yield shared_market


def spread(m):
    return legs((m.calls[1], 1), (m.calls[2], -1))


def maker(m, units: int = LOT):
    """Somebody who sells the spread."""
    return signed_combo(m.venue, m.maker, spread(m), -units, 400 * USDC)


def bought(m, taker: SignedOrder, units: int = LOT):
    """A batch in which an order buys the spread."""
    return crossed(m.venue, spread(m), maker(m, units), taker, units, PRICES)


# -- signatures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"legs": 1},
        {"quantity": 2 * LOT},
        {"limit_price": 401 * USDC},
        {"limit_price": -(400 * USDC)},
        {"max_fee": 10**12},
        {"time_in_force": 1},
        {"replaces": 7},
        {"nonce": 999},
        {"expiry": 2**40},
        {"terms": b"\1" * 32},
    ],
)
def test_tampered_terms_of_a_combo(m, fields):
    signed = signed_combo(m.venue, m.taker, spread(m), LOT, 400 * USDC)
    batch = bought(m, SignedOrder(msgspec.structs.replace(signed.order, **fields), signed.signature))
    expected = Revert.SERIES_MISMATCH if "legs" in fields else Revert.ORDER_SIGNATURE
    if fields.get("limit_price", 0) < 0:
        expected = Revert.PRICE_BEYOND_LIMIT
    assert m.venue.settle_refusal(batch) == expected


def test_legs_are_signed(m):
    """Both sides say the same of them, and it is not what one of them signed."""
    other = pack(legs((m.calls[1], 1), (m.calls[3], -1)))
    taker = signed_combo(m.venue, m.taker, spread(m), LOT, 400 * USDC)
    forged = SignedOrder(msgspec.structs.replace(taker.order, legs=other), taker.signature)
    against = signed_combo(m.venue, m.maker, other, -LOT, 400 * USDC)
    batch = m.venue.batch([against, forged], between(spread(m), 0, 1, LOT, PRICES))
    assert m.venue.settle_refusal(batch) == Revert.ORDER_SIGNATURE


def test_a_negative_limit_is_signed_as_one(m):
    signed = signed_combo(m.venue, m.taker, spread(m), LOT, -(400 * USDC))
    against = signed_combo(m.venue, m.maker, spread(m), -LOT, -(400 * USDC))
    prices = PRICES[::-1]
    m.venue.settle(crossed(m.venue, spread(m), against, signed, LOT, prices))


def test_terms_of_a_combo_stand_behind_its_signature(m):
    signed = signed_combo(m.venue, m.taker, spread(m), LOT, 400 * USDC, terms=b"\1" * 32)
    batch = bought(m, signed)
    with m.venue.aside():
        m.venue.settle(batch)
    forged = SignedOrder(msgspec.structs.replace(signed.order, terms=b"\2" * 32), signed.signature)
    assert m.venue.settle_refusal(bought(m, forged)) == Revert.ORDER_SIGNATURE


def test_an_order_for_a_series_is_none_for_a_combo(m):
    """The same fields under another type: a signature for one says nothing of the other."""
    order = m.venue.order(m.taker, m.calls[1], LOT, 400 * USDC)
    fields = {name: getattr(order, name) for name in order.__struct_fields__ if name != "series"}
    signature = m.venue.sign(order).signature
    assert m.venue.settle_refusal(bought(m, SignedOrder(signing.ComboOrder(legs=pack(spread(m)), **fields), signature)))
    combo = signed_combo(m.venue, m.taker, spread(m), LOT, 400 * USDC)
    fields = {name: getattr(combo.order, name) for name in combo.order.__struct_fields__ if name != "legs"}
    plain = SignedOrder(signing.Order(series=m.calls[1], **fields), combo.signature)
    sold = m.venue.sign(m.venue.order(m.maker, m.calls[1], -LOT, 400 * USDC))
    batch = m.venue.batch([sold, plain], [Trade(0, 1, LOT, 400 * USDC, INDEX)])
    assert m.venue.settle_refusal(batch) == Revert.ORDER_SIGNATURE


@drawn(60)
@given(word=st.sampled_from(("terms", "validity", "legs", "r", "vs")), bit=st.integers(0, 255), place=st.integers(0, 1))
def test_any_bit_of_a_combo_is_protected(shared_market, word, bit, place):
    """Of what is read: flags 3 to 7 and 16 to 31 are not, and the places in the annex are not signed."""
    m = shared_market
    if (word == "terms" and bit in UNREAD) or (word == "validity" and bit < 64):
        return
    with m.venue.aside():
        batch = bought(m, signed_combo(m.venue, m.taker, spread(m), LOT, 400 * USDC))
        body = bytearray(calldata.batch_body(batch.orders, batch.trades))
        words = {"terms": 0, "validity": 32, "legs": 64, "r": 96}
        at = 2 * 128 + 2 * 32 + 32 * place if word == "vs" else 128 * place + words[word]
        body[at + 31 - bit // 8] ^= 1 << bit % 8
        assert m.venue.settle_refusal(spoiled(batch, body=bytes(body))) not in {"accepted", ""}


def test_half_a_signature_beyond_the_annex(m):
    batch = bought(m, signed_combo(m.venue, m.taker, spread(m), LOT, 400 * USDC))

    body = bytearray(calldata.batch_body(batch.orders, batch.trades))
    body[61] = 99
    assert m.venue.settle_refusal(spoiled(batch, body=bytes(body))) != "accepted"


# -- fills ----------------------------------------------------------------------------------------------------------


def test_a_combo_fills_once(m):
    taker = signed_combo(m.venue, m.taker, spread(m), LOT, 400 * USDC)
    m.venue.settle(bought(m, taker))
    assert m.venue.settle_refusal(bought(m, taker)) == Revert.ORDER_OVERFILLED
    assert m.venue.settle_refusal(bought(m, taker, 1)) == Revert.ORDER_OVERFILLED


def test_a_combo_fills_no_more_than_was_signed(m):
    taker = signed_combo(m.venue, m.taker, spread(m), LOT - 1, 400 * USDC)
    assert m.venue.settle_refusal(bought(m, taker)) == Revert.ORDER_OVERFILLED
    m.venue.settle(bought(m, taker, LOT - 1))


def test_an_expired_combo(m):
    taker = signed_combo(m.venue, m.taker, spread(m), LOT, 400 * USDC, expiry=m.venue.now - WINDOW - 5)
    assert m.venue.settle_refusal(bought(m, taker)) == Revert.ORDER_EXPIRED


def test_a_cancelled_nonce_kills_a_combo(m):
    taker = signed_combo(m.venue, m.taker, spread(m), LOT, 400 * USDC, nonce=300)
    m.venue.send("taker", m.venue.clearing, "cancel_nonces", m.taker.account, 1, 1 << 44)
    with m.venue.aside():
        m.venue.settle(bought(m, taker))  # it binds a window later
    m.venue.chain.set_time(m.venue.now + WINDOW)
    m.venue.post(m.venue.round())
    assert m.venue.settle_refusal(bought(m, taker)) == Revert.ORDER_CANCELLED


def test_a_combo_that_replaces_another_takes_over_what_it_filled(m):
    first = signed_combo(m.venue, m.taker, spread(m), 3 * LOT, 400 * USDC, nonce=900)
    second = signed_combo(m.venue, m.taker, spread(m), 3 * LOT, 401 * USDC, nonce=901, replaces=901)
    m.venue.settle(bought(m, first, 2 * LOT))
    with m.venue.aside():
        assert m.venue.settle_refusal(bought(m, second, LOT + 1)) == Revert.ORDER_OVERFILLED
    m.venue.settle(bought(m, second, LOT))
    assert m.venue.clearing.call("filled", m.taker.account, 900) == OVER
    assert m.venue.settle_refusal(bought(m, first, LOT)) == Revert.ORDER_REPLACED


def test_an_ancestor_shown_without_a_fill_moves_nothing(m):
    first = signed_combo(m.venue, m.taker, spread(m), 3 * LOT, 400 * USDC, nonce=900)
    second = signed_combo(m.venue, m.taker, spread(m), LOT, 400 * USDC, nonce=901, replaces=901)
    batch = m.venue.batch([maker(m), first, second], between(spread(m), 0, 2, LOT, PRICES))
    m.venue.settle(batch)
    assert m.venue.positions(m.taker.account) == moved(spread(m), LOT)


# -- keys -----------------------------------------------------------------------------------------------------------


def register(m, scopes: int = 1, **limits: int):
    until = m.venue.now + 3600
    terms = [limits.get(name, 0) for name in ("underlyings", "notional", "spend")]
    m.venue.send("taker", m.venue.clearing, "register_key", m.taker.account, address("session"), scopes, until, *terms)


def by_key(m, units: int = LOT, price: int = 400 * USDC, **terms):
    return signed_combo(m.venue, m.taker, spread(m), units, price, by="session", **terms)


def test_a_stranger_signs_no_combo(m):
    assert m.venue.settle_refusal(bought(m, by_key(m))) == Revert.ORDER_SIGNATURE


def test_a_key_needs_the_scope_to_trade(m):
    register(m, scopes=2 | 4)
    assert m.venue.settle_refusal(bought(m, by_key(m))) == Revert.KEY_SCOPE


def test_a_key_signs_for_combos(m):
    register(m)
    m.venue.settle(bought(m, by_key(m)))
    assert m.venue.positions(m.taker.account) == moved(spread(m), LOT)


def test_a_revoked_key_signs_nothing_after_the_window(m):
    register(m)
    m.venue.send("taker", m.venue.clearing, "revoke_key", m.taker.account, address("session"))
    m.venue.chain.set_time(m.venue.now + WINDOW)
    m.venue.post(m.venue.round())
    assert m.venue.settle_refusal(bought(m, by_key(m))) == Revert.KEY_REVOKED


@pytest.mark.parametrize(("allowed", "expected"), [(1 << 1, "accepted"), (1 << 2, Revert.KEY_UNDERLYING)])
def test_a_key_trades_combos_of_the_underlyings_it_is_allowed(m, allowed, expected):
    register(m, underlyings=allowed)
    assert m.venue.settle_refusal(bought(m, by_key(m))) == expected


@pytest.mark.parametrize("short", [0, 1])
@pytest.mark.parametrize("side", [1, -1])
def test_notional_counts_every_leg(m, side, short):
    strikes = 60_000 + 65_000
    register(m, notional=strikes * USDC - short)
    combo = by_key(m, side * LOT)
    batch = implied(m.venue, spread(m), combo, (m.maker, m.maker), LOT, PRICES)
    assert m.venue.settle_refusal(batch) == (Revert.KEY_NOTIONAL if short else "accepted")
    if not short:
        assert m.venue.clearing.call("key_room", m.taker.account, address("session"))[2] == 0


@pytest.mark.parametrize("short", [0, 1])
def test_what_a_combo_costs_counts_as_spent(m, short):
    full, other = (taker_fee(FEES, INDEX, price, LOT) for price in PRICES)
    register(m, spend=400 * USDC + full + (other + 1) // 2 - short)
    assert m.venue.settle_refusal(bought(m, by_key(m))) == (Revert.KEY_SPEND if short else "accepted")


def test_a_combo_that_pays_spends_nothing(m):
    register(m, spend=1)
    sold = by_key(m, -LOT)
    m.venue.settle(implied(m.venue, spread(m), sold, (m.maker, m.maker), LOT, PRICES))
    assert m.venue.clearing.call("key_room", m.taker.account, address("session"))[3] == 1


# -- margin ---------------------------------------------------------------------------------------------------------


def test_a_combo_is_margined_as_one(m):
    """Cash for the spread, a fraction of what either leg alone would need."""
    poor = m.venue.open("poor", 6_000 * USDC)
    of, prices = spread(m), (1_000 * USDC, 900 * USDC)
    sold = signed_combo(m.venue, poor, of, -LOT, 0)
    m.venue.settle(implied(m.venue, of, sold, (m.maker, m.maker), LOT, prices))
    assert m.venue.positions(poor.account) == moved(of, -LOT)
    naked = m.venue.open("naked", 6_000 * USDC)
    alone = m.venue.sign(m.venue.order(naked, of[0].series, -LOT, prices[0]))
    against = m.venue.sign(m.venue.order(m.maker, of[0].series, LOT, prices[0]))
    batch = m.venue.batch([against, alone], [Trade(0, 1, LOT, prices[0], INDEX)])
    assert m.venue.settle_refusal(batch) == Revert.ACCOUNT_MARGIN


def test_a_combo_that_is_not_covered(m):
    poor = m.venue.open("poor", 100 * USDC)
    of = spread(m)
    sold = signed_combo(m.venue, poor, of, -LOT, 0)
    batch = implied(m.venue, of, sold, (m.maker, m.maker), LOT, (1_000 * USDC, 900 * USDC))
    assert m.venue.settle_refusal(batch) == Revert.ACCOUNT_MARGIN


@pytest.mark.parametrize("units", [LOT, -LOT])
def test_short_of_margin_a_combo_may_settle_if_it_makes_nothing_worse(m, units):
    """The contract undoes all legs to look at what was before, and does them again."""
    weak = m.venue.open("weak", 20_000 * USDC)
    sold = m.venue.sign(m.venue.order(weak, m.calls[1], -2 * LOT, 900 * USDC))
    against = m.venue.sign(m.venue.order(m.maker, m.calls[1], 2 * LOT, 900 * USDC))
    m.venue.settle(m.venue.batch([against, sold], [Trade(0, 1, 2 * LOT, 900 * USDC, INDEX)]))
    m.venue.post(m.venue.round(75_000 * USDC))
    of, prices = legs((m.calls[1], 1), (m.calls[3], 1)), (15_000 * USDC, 5_000 * USDC)
    combo = signed_combo(m.venue, weak, of, units, value(of, prices))
    beside = m.venue.sign(m.venue.order(weak, m.calls[1], LOT, prices[0]))
    theirs = m.venue.sign(m.venue.order(m.maker, m.calls[1], -LOT, prices[0]))
    other = signed_combo(m.venue, m.taker, of, -units, value(of, prices))
    trades = [*between(of, 1, 0, LOT, prices), Trade(3, 2, LOT, prices[0], INDEX)]
    batch = m.venue.batch([combo, other, beside, theirs], trades)
    said = m.venue.settle_refusal(batch)
    assert said == ("accepted" if units > 0 else Revert.ACCOUNT_MARGIN)
    if units > 0:
        assert m.venue.positions(weak.account) == {m.calls[3]: LOT}


def test_a_frozen_account_trades_no_combo(m):
    m.venue.send("taker", m.venue.clearing, "request_exit", m.taker.account)
    m.venue.chain.set_time(m.venue.now + WINDOW)
    m.venue.post(m.venue.round())
    batch = bought(m, signed_combo(m.venue, m.taker, spread(m), LOT, 400 * USDC))
    assert m.venue.settle_refusal(batch) == Revert.ACCOUNT_FROZEN


# -- beside other orders --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("already", "expected"), [(LOT, "accepted"), (LOT + 1, Revert.ORDER_REDUCE_ONLY)])
def test_what_only_reduces_counts_what_combos_filled_before(m, already, expected):
    """Two bought; the combo sells so many of them; what may only reduce sells one more."""
    venue = m.venue
    venue.settle(venue.cross(m.taker, m.third, m.calls[1], 2 * LOT, PRICES[0]))
    sells = signed_combo(venue, m.taker, spread(m), -already, 400 * USDC)
    buys = signed_combo(venue, m.maker, spread(m), already, 400 * USDC)
    close = venue.sign(venue.order(m.taker, m.calls[1], -LOT, PRICES[0], reduce_only=True))
    against = venue.sign(venue.order(m.third, m.calls[1], LOT, PRICES[0]))
    last = Trade(3, 2, LOT, PRICES[0], INDEX)
    combos = between(spread(m), 0, 1, already, PRICES)
    orders = [buys, sells, close, against]
    with venue.aside():
        assert venue.settle_refusal(venue.batch(orders, [*combos, last])) == expected
    # What happens after it does not count.
    assert venue.settle_refusal(venue.batch(orders, [last, *combos])) == "accepted"


def test_an_order_that_only_reduces_may_rest_for_a_leg(m):
    venue = m.venue
    venue.settle(venue.cross(m.maker, m.third, m.calls[1], LOT, PRICES[0]))
    combo = signed_combo(venue, m.taker, spread(m), 2 * LOT, 10**12)
    close = venue.sign(venue.order(m.maker, m.calls[1], -2 * LOT, PRICES[0], reduce_only=True))
    other = venue.sign(venue.order(m.third, m.calls[2], 2 * LOT, PRICES[1]))
    for units, expected in ((LOT + 1, Revert.ORDER_REDUCE_ONLY), (LOT, "accepted")):
        trades = [Trade(1 + leg, 0, units, PRICES[leg], INDEX, units) for leg in (0, 1)]
        assert venue.settle_refusal(venue.batch([combo, close, other], trades)) == expected


def mandate(m, leaves, **budget):
    fields = {"qty": 0, "delta": 0, "vega": 0, "count": 0} | budget
    unsigned = QuoteMandate(m.maker.account, 5_000, m.venue.now + 3600, 10**9, **fields, signer=b"", signature=b"")
    root = signing.mandate_root(leaves)
    signature = signing.sign(m.maker.key, signing.mandate_digest(m.venue.domain, unsigned, root))
    return msgspec.structs.replace(unsigned, signature=signature), root, signing.mandate_proofs(leaves)


@pytest.mark.parametrize("budget", [{"qty": LOT}, {"count": 1}])
def test_a_quote_that_rests_for_a_leg_counts_against_its_budget(m, budget):
    leaves = (QuoteLeaf(m.calls[1], False, 3 * LOT, PRICES[0], 5_000, 100),)
    signed, root, proofs = mandate(m, leaves, **budget)
    quote = SignedQuote(signed, root, 0, leaves[0], tuple(proofs[0]))
    combo = signed_combo(m.venue, m.taker, spread(m), 3 * LOT, 10**12)
    other = m.venue.sign(m.venue.order(m.third, m.calls[2], 3 * LOT, PRICES[1]))
    once = [Trade(1 + leg, 0, LOT, PRICES[leg], INDEX, LOT) for leg in (0, 1)]
    assert m.venue.settle_refusal(m.venue.batch([combo, quote, other], once * 2)).startswith("mandate_")
    m.venue.settle(m.venue.batch([combo, quote, other], once))
    assert m.venue.clearing.call("mandate_spent", m.maker.account, 5_000)[2:] == (1, LOT)


def test_no_quote_is_a_combo(m):
    """A leaf that names no series, and a combo that calldata calls a quote: neither is what was signed."""
    leaves = (QuoteLeaf(0, False, 3 * LOT, 400 * USDC, 5_000, 100),)
    signed, root, proofs = mandate(m, leaves)
    quote = SignedQuote(signed, root, 0, leaves[0], tuple(proofs[0]))
    taker = signed_combo(m.venue, m.taker, spread(m), LOT, 400 * USDC)
    batch = m.venue.batch([quote, taker], [Trade(0, 1, LOT, 400 * USDC, INDEX, LOT)])
    assert m.venue.settle_refusal(batch) != "accepted"

    good = bought(m, taker)
    body = bytearray(calldata.batch_body(good.orders, good.trades))
    body[31] |= 8
    assert m.venue.settle_refusal(spoiled(good, body=bytes(body))) != "accepted"
