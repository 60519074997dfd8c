"""What somebody tries who knows the contracts: one signature for two fills, one nonce for several things, the order of words
in a batch, splitting for fees, a token that calls back. Attacks on one part alone stand beside the tests of that part. # M13
"""

from __future__ import annotations

import pytest
from contract_blocks import Desk, desk
from contract_combos import between, legs, signed_combo
from contract_venue import LOT, USDC, Trade
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from exchange.calldata import OVER, SignedOrder
from exchange.core.commands import BlockLeg
from exchange.reverts import Revert

PRICE, INDEX = 700 * USDC, 60_000 * USDC
PRICES = (900 * USDC, 500 * USDC)


@pytest.fixture
def m(shared_market):
    """The shared market, taken back afterwards."""
    with shared_market.venue.aside():
        shared_market.venue.post(shared_market.venue.round())
        yield shared_market


def bid(m, quantity: int, **terms) -> SignedOrder:
    return m.venue.sign(m.venue.order(m.maker, m.call, quantity, PRICE, **terms))


def sold(m, mine: list[SignedOrder], quantities: list[int]):
    """A batch in which others sell so much to each of these orders; 0 shows one without a fill."""
    orders, trades = list(mine), []
    for place, quantity in enumerate(quantities):
        if quantity:
            terms = {"for_rfq": mine[place].order.for_rfq}
            orders.append(m.venue.sign(m.venue.order(m.taker, m.call, -quantity, PRICE, **terms)))
            trades.append(Trade(place, len(orders) - 1, quantity, PRICE, INDEX))
    return m.venue.batch(orders, trades)


def filled(m, *nonces: int) -> list[int]:
    return [m.venue.clearing.call("filled", m.maker.account, nonce) for nonce in nonces]


# -- one signature, two fills -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [LOT, 4 * LOT])
def test_an_order_that_replaces_itself_fills_once(m, first):
    mine = bid(m, 4 * LOT, nonce=900, replaces=901)
    m.venue.settle(sold(m, [mine], [first]))
    assert filled(m, 900) == [OVER if first == 4 * LOT else first]
    assert m.venue.settle_refusal(sold(m, [mine], [4 * LOT - first + 1])) == Revert.ORDER_OVERFILLED
    if first < 4 * LOT:
        m.venue.settle(sold(m, [mine], [4 * LOT - first]))
        assert m.venue.settle_refusal(sold(m, [mine], [1])) == Revert.ORDER_OVERFILLED


def test_orders_that_replace_each_other_fill_no_more_than_one(m):
    """A ring of two: whichever comes first, the other has taken over from it, and it is dead."""
    one, two = bid(m, 4 * LOT, nonce=900, replaces=902), bid(m, 4 * LOT, nonce=901, replaces=901)
    m.venue.settle(sold(m, [one], [3 * LOT]))
    assert m.venue.settle_refusal(sold(m, [two], [1])) == Revert.ORDER_REPLACED
    assert m.venue.settle_refusal(sold(m, [one], [LOT + 1])) == Revert.ORDER_OVERFILLED
    assert m.venue.settle_refusal(sold(m, [one, two], [LOT, 1])) == Revert.ORDER_REPLACED
    m.venue.settle(sold(m, [one], [LOT]))


def test_an_order_listed_twice_in_a_batch_fills_what_was_signed(m):
    mine = bid(m, 4 * LOT, nonce=900)
    assert m.venue.settle_refusal(sold(m, [mine, mine], [3 * LOT, 3 * LOT])) == Revert.ORDER_OVERFILLED
    m.venue.settle(sold(m, [mine, mine], [LOT, LOT]))
    assert filled(m, 900) == [2 * LOT]


def test_an_order_shown_twice_hands_on_once(m):
    chain = [
        bid(m, 4 * LOT, nonce=900),
        bid(m, 4 * LOT, nonce=901, replaces=901),
        bid(m, 4 * LOT, nonce=902, replaces=902),
    ]
    m.venue.settle(sold(m, chain[:1], [2 * LOT]))
    shown = sold(m, [chain[1], chain[1], chain[2]], [0, 0, LOT])
    assert m.venue.settle_refusal(shown) == Revert.ORDER_REPLACED
    m.venue.settle(sold(m, chain[1:], [0, LOT]))
    assert filled(m, 900, 901, 902) == [OVER, OVER, 3 * LOT]


# -- one nonce, several things ----------------------------------------------------------------------------------------


def spread(m):
    return legs((m.calls[1], 1), (m.calls[2], -1))


def combo(m, units: int = 4 * LOT, **terms) -> SignedOrder:
    return signed_combo(m.venue, m.maker, spread(m), units, 400 * USDC, **terms)


def bought(m, mine: SignedOrder, units: int):
    terms = {"for_rfq": mine.order.for_rfq}
    theirs = signed_combo(m.venue, m.third, spread(m), -units, 400 * USDC, **terms)
    return m.venue.batch([mine, theirs], between(spread(m), 0, 1, units, PRICES))


def block(m, nonce: int) -> Desk:
    return desk(m.venue, m.maker, m.third, BlockLeg(m.call, True, LOT, PRICE), nonce=nonce)


KINDS = {
    "an order": lambda m, part: sold(m, [bid(m, 4 * LOT, nonce=900)], [part]),
    "an order for a request": lambda m, part: sold(m, [bid(m, 4 * LOT, nonce=900, for_rfq=True)], [part]),
    "a combo": lambda m, part: bought(m, combo(m, nonce=900), part),
    "a combo for a request": lambda m, part: bought(m, combo(m, nonce=900, for_rfq=True), part),
}


@pytest.mark.parametrize("second", KINDS)
@pytest.mark.parametrize("first", KINDS)
def test_whatever_is_signed_under_one_nonce_fills_as_one(m, first, second):
    """Quantities add up whatever kind of order they are of, so a nonce used twice by mistake costs nothing more."""
    m.venue.settle(KINDS[first](m, 3 * LOT))
    assert filled(m, 900) == [3 * LOT]
    assert m.venue.settle_refusal(KINDS[second](m, 2 * LOT)) == Revert.ORDER_OVERFILLED
    m.venue.settle(KINDS[second](m, LOT))
    assert filled(m, 900) == [OVER]
    assert m.venue.settle_refusal(KINDS[first](m, 1)) == Revert.ORDER_OVERFILLED


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [LOT, 4 * LOT])
def test_a_block_needs_a_nonce_that_nothing_has_used(m, kind, part):
    m.venue.settle(KINDS[kind](m, part))
    assert block(m, 900).settle_refusal() == Revert.BLOCK_NONCE


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_fills_under_the_nonce_of_a_block(m, kind):
    block(m, 900).settle()
    assert m.venue.settle_refusal(KINDS[kind](m, LOT)) == Revert.ORDER_REPLACED


def test_a_block_cannot_be_replaced(m):
    """Its nonce is over: an order that names it finds nothing to take over, and does not fill."""
    block(m, 900).settle()
    assert m.venue.settle_refusal(sold(m, [bid(m, 4 * LOT, nonce=901, replaces=901)], [LOT])) == Revert.ORDER_REPLACED


def test_a_nonce_that_was_replaced_is_none_for_a_block(m):
    m.venue.settle(sold(m, [bid(m, 4 * LOT, nonce=901, replaces=901)], [LOT]))
    assert filled(m, 900) == [OVER]
    assert block(m, 900).settle_refusal() == Revert.BLOCK_NONCE


# -- the order of words in a batch ------------------------------------------------------------------------------------


def test_an_ordinary_trade_between_the_legs_of_a_combo_changes_neither(m):
    mine, other = combo(m, LOT), bid(m, LOT)
    theirs = signed_combo(m.venue, m.third, spread(m), -LOT, 400 * USDC)
    seller = m.venue.sign(m.venue.order(m.taker, m.call, -LOT, PRICE))
    first, last = between(spread(m), 0, 1, LOT, PRICES)
    with m.venue.aside():
        m.venue.settle(m.venue.batch([mine, theirs, other, seller], [first, last, Trade(2, 3, LOT, PRICE, INDEX)]))
        apart = m.venue.ledger()
    m.venue.settle(m.venue.batch([mine, theirs, other, seller], [first, Trade(2, 3, LOT, PRICE, INDEX), last]))
    assert m.venue.ledger() == apart


@pytest.mark.parametrize("units", [0, 1, 2 * LOT, 2**32 - 1])
def test_units_of_the_later_words_of_an_execution_say_nothing(m, units):
    """Those of the first word hold; the operator gains nothing by what it writes into the others."""
    mine, theirs = combo(m, LOT), signed_combo(m.venue, m.third, spread(m), -LOT, 400 * USDC)
    first, last = between(spread(m), 0, 1, LOT, PRICES)
    m.venue.settle(m.venue.batch([mine, theirs], [first, replace(last, units=units)]))
    assert m.venue.positions(m.maker.account) == {leg.series: leg.ratio * LOT for leg in spread(m)}


# -- fees -------------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    price=st.integers(0, 10**11),
    parts=st.lists(st.integers(1, 10**7), min_size=2, max_size=6),
    index=st.integers(0, 10**12),
)
def test_a_fill_in_parts_never_costs_less(shared_market, price, parts, index):
    """A fee is rounded up in each part. A maker may gain a unit by it, since a rebate is at most half of what the taker pays,
    but no more than the taker pays more: the venue never has less.
    """
    call = shared_market.venue.clearing.call
    maker, taker = call("fees_of", price, sum(parts), index)
    split = [call("fees_of", price, part, index) for part in parts]
    assert sum(fee for _, fee in split) >= taker
    assert sum(mine + theirs for mine, theirs in split) >= maker + taker
    assert all(mine + theirs >= 0 for mine, theirs in split)


@settings(max_examples=12, deadline=None)
@given(
    lots=st.lists(st.integers(1, 300), min_size=2, max_size=4), prices=st.tuples(*[st.integers(1, 2_000 * USDC)] * 2)
)
def test_a_combo_in_parts_never_costs_less(shared_market, lots, prices):
    """Nor does the discount on all legs but the largest grow with the number of executions."""
    m, whole = shared_market, sum(lots)
    price = prices[0] - prices[1]

    def paid(parts: list[int]) -> tuple[int, int]:
        with m.venue.aside():
            m.venue.post(m.venue.round())
            mine = signed_combo(m.venue, m.maker, spread(m), whole, price)
            theirs = signed_combo(m.venue, m.third, spread(m), -whole, price)
            trades = [trade for part in parts for trade in between(spread(m), 0, 1, part, prices)]
            before = [m.venue.cash(account) for account in (0, m.third.account)]
            m.venue.settle(m.venue.batch([mine, theirs], trades))
            return m.venue.cash(0) - before[0], m.venue.cash(m.third.account) - before[1]

    fees_whole, _ = paid([whole])
    fees_parts, _ = paid(lots)
    assert fees_parts >= fees_whole >= 0
