"""Orders for requests for quotes: signed as what they are, good against each other only, and all that some keys may sign."""

from __future__ import annotations

import dataclasses

import pytest
from contract_combos import between, legs, signed_combo
from contract_venue import LOT, USDC, WINDOW, address
from msgspec.structs import replace

from exchange import signing
from exchange.calldata import OVER, SignedOrder, SignedQuote, Trade, joined_body
from exchange.core.commands import QuoteLeaf, QuoteMandate
from exchange.reverts import Revert

PRICE, INDEX = 700 * USDC, 60_000 * USDC
TRADE, CANCEL, QUOTE, RFQ, READ = 1, 2, 4, 8, 16


@pytest.fixture
def m(market):
    return market


def register(m, scopes: int, life: int = 3_600, *limits: int) -> None:
    terms = (m.taker.account, address("session"), scopes, m.venue.now + life, *limits)
    m.venue.send("taker", m.venue.clearing, "register_key", *terms)


def bid(m, by: str | None = "session", quantity: int = LOT, **terms) -> SignedOrder:
    """The taker's acceptance, signed by the session key."""
    return m.venue.sign(m.venue.order(m.taker, m.call, quantity, PRICE, **({"for_rfq": True} | terms)), by)


def offer(m, quantity: int = LOT, **terms) -> SignedOrder:
    return m.venue.sign(m.venue.order(m.maker, m.call, -quantity, PRICE, **({"for_rfq": True} | terms)))


def met(m, taker: SignedOrder, maker: SignedOrder | None = None, quantity: int = LOT):
    return m.venue.batch([maker or offer(m), taker], [Trade(0, 1, quantity, PRICE, INDEX)])


def test_what_two_sign_for_a_request_settles(m):
    m.venue.settle(met(m, bid(m, by="taker")))
    assert m.venue.positions(m.taker.account) == {m.call: LOT}


@pytest.mark.parametrize("scopes", [TRADE, RFQ, TRADE | RFQ])
def test_a_key_with_either_scope_signs_for_a_request(m, scopes):
    register(m, scopes)
    m.venue.settle(met(m, bid(m)))
    assert m.venue.positions(m.taker.account) == {m.call: LOT}


@pytest.mark.parametrize("scopes", [0, CANCEL, QUOTE, READ, CANCEL | QUOTE | READ])
def test_no_other_scope_will_do(m, scopes):
    register(m, scopes)
    assert m.venue.settle_refusal(met(m, bid(m))) == Revert.KEY_SCOPE


def test_a_key_for_requests_signs_no_order_for_a_book(m):
    """Nor can the operator pass one off as the other: the type is part of what is signed."""
    register(m, RFQ)
    plain = bid(m, for_rfq=False)
    assert m.venue.settle_refusal(met(m, plain, offer(m, for_rfq=False))) == Revert.KEY_SCOPE
    flagged = SignedOrder(replace(plain.order, for_rfq=True), plain.signature)
    assert m.venue.settle_refusal(met(m, flagged)) == Revert.ORDER_SIGNATURE
    unflagged = bid(m)
    unflagged = SignedOrder(replace(unflagged.order, for_rfq=False), unflagged.signature)
    assert m.venue.settle_refusal(met(m, unflagged, offer(m, for_rfq=False))) == Revert.ORDER_SIGNATURE


@pytest.mark.parametrize("who", ["maker", "taker"])
def test_an_order_for_a_request_meets_no_order_of_a_book(m, who):
    """Not even its owner's: so whoever stole the key needs a counterparty that signed for requests, too."""
    register(m, RFQ)
    if who == "taker":
        batch = met(m, bid(m), offer(m, for_rfq=False))
    else:
        mine, other = bid(m), offer(m, for_rfq=False)
        batch = m.venue.batch([mine, other], [Trade(0, 1, LOT, PRICE, INDEX)])
    assert m.venue.settle_refusal(batch) == Revert.RFQ_MISMATCH


def test_an_order_for_a_request_takes_no_quote_of_a_mandate(m):
    """Whatever flag the operator gives the quote, which is not part of what the maker signed."""
    leaves = tuple(QuoteLeaf(m.call, False, LOT, PRICE, 5_000, 100) for _ in range(2))
    root, proofs = signing.mandate_root(leaves), signing.mandate_proofs(leaves)
    budget = (10**9, 10**12, 10**9, 10**9, 10**6)
    unsigned = QuoteMandate(m.maker.account, 77, m.venue.now + 3_600, *budget, b"", b"")
    signature = signing.sign(m.maker.key, signing.mandate_digest(m.venue.domain, unsigned, root))
    mandate = replace(unsigned, signature=signature)
    quote = SignedQuote(mandate, root, 0, leaves[0], tuple(proofs[0]))
    register(m, RFQ)
    batch = met(m, bid(m), quote)
    assert m.venue.settle_refusal(batch) == Revert.RFQ_MISMATCH
    body = bytearray(joined_body(batch.orders, batch.trades))
    place = next(at for at, entry in enumerate(batch.orders) if isinstance(entry, SignedQuote))
    body[128 * place + 31] |= 16
    assert m.venue.settle_refusal(dataclasses.replace(batch, body=bytes(body))) == Revert.QUOTE_PROOF


def test_a_key_that_lost_its_scope_signs_nothing_new_and_its_replaced_orders_may_be_shown(m):
    register(m, RFQ, 60)
    first = bid(m, quantity=4 * LOT, nonce=500, expiry=m.venue.now + 9_000)
    m.venue.settle(met(m, first))
    middle = bid(m, quantity=4 * LOT, nonce=501, replaces=501, expiry=m.venue.now + 9_000)
    last = bid(m, "taker", quantity=4 * LOT, nonce=502, replaces=502, expiry=m.venue.now + 9_000)
    m.venue.chain.set_time(m.venue.now + 2 * WINDOW + 5)
    m.venue.post(m.venue.round())
    register(m, CANCEL)
    assert m.venue.settle_refusal(met(m, middle)) == Revert.KEY_SCOPE
    shown = m.venue.batch([offer(m), middle, last], [Trade(0, 2, LOT, PRICE, INDEX)])
    m.venue.settle(shown)
    assert [m.venue.clearing.call("filled", m.taker.account, nonce) for nonce in (500, 501, 502)] == [
        OVER,
        OVER,
        2 * LOT,
    ]


def test_a_key_for_requests_is_no_reason_to_show_an_order_of_a_book(m):
    """Shown without a fill it moves nothing, but it would hand on what the owner's order has filled."""
    register(m, RFQ)
    first = bid(m, "taker", quantity=4 * LOT, nonce=500, for_rfq=False)
    m.venue.settle(met(m, first, offer(m, for_rfq=False)))
    middle = bid(m, quantity=4 * LOT, nonce=501, replaces=501, for_rfq=False)
    last = bid(m, "taker", quantity=4 * LOT, nonce=502, replaces=502, for_rfq=False)
    batch = m.venue.batch([offer(m, for_rfq=False), middle, last], [Trade(0, 2, LOT, PRICE, INDEX)])
    assert m.venue.settle_refusal(batch) == Revert.KEY_SCOPE


def spread(m):
    return legs((m.calls[1], 1), (m.calls[2], -1))


PRICES = (900 * USDC, 500 * USDC)


def test_a_key_for_requests_signs_for_several_legs(m):
    register(m, RFQ)
    mine = signed_combo(m.venue, m.taker, spread(m), LOT, 400 * USDC, by="session", for_rfq=True)
    theirs = signed_combo(m.venue, m.maker, spread(m), -LOT, 400 * USDC, for_rfq=True)
    batch = m.venue.batch([theirs, mine], between(spread(m), 0, 1, LOT, PRICES))
    m.venue.settle(batch)
    assert m.venue.positions(m.taker.account) == {m.calls[1]: LOT, m.calls[2]: -LOT}


def test_for_several_legs_too_it_meets_nothing_of_a_book(m):
    register(m, RFQ)
    mine = signed_combo(m.venue, m.taker, spread(m), LOT, 400 * USDC, by="session", for_rfq=True)
    theirs = signed_combo(m.venue, m.maker, spread(m), -LOT, 400 * USDC)
    batch = m.venue.batch([theirs, mine], between(spread(m), 0, 1, LOT, PRICES))
    assert m.venue.settle_refusal(batch) == Revert.RFQ_MISMATCH
    plain = SignedOrder(replace(mine.order, for_rfq=False), mine.signature)
    batch = m.venue.batch([theirs, plain], between(spread(m), 0, 1, LOT, PRICES))
    assert m.venue.settle_refusal(batch) == Revert.ORDER_SIGNATURE
    rests = [
        m.venue.sign(m.venue.order(m.maker, leg.series, -leg.ratio * LOT, price))
        for leg, price in zip(spread(m), PRICES, strict=True)
    ]
    trades = [Trade(1 + at, 0, LOT, price, INDEX, LOT) for at, price in enumerate(PRICES)]
    assert m.venue.settle_refusal(m.venue.batch([mine, *rests], trades)) == Revert.RFQ_MISMATCH


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((0, 70_000 * USDC, 0), "accepted"),
        ((0, 1_000 * USDC, 0), Revert.KEY_NOTIONAL),
        ((0, 0, 600 * USDC), Revert.KEY_SPEND),
    ],
)
def test_limits_hold_for_requests_as_for_books(m, limits, expected):
    register(m, RFQ, 3_600, *limits)
    assert m.venue.settle_refusal(met(m, bid(m))) == expected


def test_a_revoked_key_has_the_window_and_no_more(m):
    register(m, RFQ)
    accepted = bid(m)
    m.venue.send("taker", m.venue.clearing, "revoke_key", m.taker.account, address("session"))
    with m.venue.aside():
        m.venue.settle(met(m, accepted))
    m.venue.chain.set_time(m.venue.now + WINDOW + 2)
    m.venue.post(m.venue.round())
    assert m.venue.settle_refusal(met(m, accepted)) == Revert.KEY_REVOKED


def test_what_is_signed_for_a_request_fills_once(m):
    register(m, RFQ)
    accepted = bid(m)
    m.venue.settle(met(m, accepted))
    assert m.venue.settle_refusal(met(m, accepted)) == Revert.ORDER_OVERFILLED
