"""What the operator may list: no two expiries on one bit, no more than an exit can show; and nothing is owed unpriced."""

from __future__ import annotations

import pytest
from contract_venue import LOT, USDC, WINDOW

from exchange import calldata
from exchange.calldata import Trade
from exchange.reverts import Revert

PRICE = 700 * USDC
INDEX = 60_000 * USDC
HALF_HOUR = 1800
RING = 128
LIVE = 64
WORDS = 512
FORTUNE = (1, True)  # a call that is worth the spot


def list_empty(venue, numbers, expiry: int) -> None:
    for number in numbers:
        venue.send("operator", venue.clearing, "list_expiry", number, 1, expiry)


def fix_all(venue, numbers) -> None:
    for number in numbers:
        venue.send("keeper", venue.clearing, "fix_expiry", number)


def go_to(venue, time: int) -> None:
    """With a round just then, whose accumulator has run at one price."""
    venue.chain.set_time(time)
    venue.post(venue.round(time=time, acc=INDEX * (time - 1_690_000_000)))


def round_the_ring(market) -> tuple[str, int, int, int]:
    """At the end of the first expiry, the call that lists the one whose bit is that of the first."""
    venue = market.venue
    ends = venue.expiries[market.expiry_id]
    list_empty(venue, range(2, LIVE + 1), ends - 2 * HALF_HOUR)
    go_to(venue, ends - 3 * HALF_HOUR)
    go_to(venue, ends - 2 * HALF_HOUR)
    fix_all(venue, range(2, LIVE + 1))
    list_empty(venue, range(LIVE + 1, RING), ends - HALF_HOUR)
    go_to(venue, ends - HALF_HOUR)
    fix_all(venue, range(LIVE + 1, RING))
    later = ends + 100 * HALF_HOUR
    list_empty(venue, [RING], later)
    go_to(venue, ends)
    return "list_expiry", RING + 1, 1, later


def test_a_bit_serves_another_expiry_when_its_own_is_over(market):
    """Fixed, its last fills had to settle, and nobody holds it."""
    venue, first = market.venue, market.expiry_id
    venue.settle(venue.cross(market.maker, market.taker, market.call, LOT, PRICE))
    next_one = round_the_ring(market)
    fix_all(venue, [first])
    venue.chain.set_time(venue.expiries[first] + WINDOW + 2)
    assert venue.refusal("operator", venue.clearing, *next_one) == Revert.EXPIRY_HELD
    venue.send("keeper", venue.clearing, "settle_expiry", first, [1, 2])
    venue.send("operator", venue.clearing, *next_one)
    number, expiry = next_one[1], next_one[3]
    venue.send("operator", venue.clearing, "list_group", number, 0, calldata.strikes_word([(INDEX, True)]))
    venue.expiries[number] = expiry
    series = calldata.series_id(number, 0)
    venue.strikes[series] = (INDEX, True)
    round_ = venue.post(venue.round(expiry_ids=[number]))
    maker = venue.sign(venue.order(market.maker, series, LOT, PRICE))
    taker = venue.sign(venue.order(market.taker, series, -LOT, PRICE))
    venue.settle(venue.batch([maker, taker], [Trade(0, 1, LOT, PRICE, INDEX)], round_))
    assert venue.clearing.call("account_state", market.maker.account)[3] == 1 << number % RING


def test_a_bit_is_not_free_while_fills_may_still_come(market):
    """Of two expiries on one bit, margin would see neither."""
    venue, first = market.venue, market.expiry_id
    waiting = {"expiry": venue.expiries[first] + WINDOW}
    maker = venue.sign(venue.order(market.maker, market.call, LOT, PRICE, **waiting))
    taker = venue.sign(venue.order(market.taker, market.call, -LOT, PRICE, **waiting))
    next_one = round_the_ring(market)
    assert venue.refusal("operator", venue.clearing, *next_one) == Revert.EXPIRY_HELD
    fix_all(venue, [first])
    assert venue.refusal("operator", venue.clearing, *next_one) == Revert.EXPIRY_HELD
    venue.settle(venue.batch([maker, taker], [Trade(0, 1, LOT, PRICE, INDEX)]))


def test_an_expiry_that_is_never_fixed_keeps_its_bit(market):
    venue = market.venue
    next_one = round_the_ring(market)
    venue.chain.set_time(venue.now + 10 * HALF_HOUR)
    assert venue.refusal("operator", venue.clearing, *next_one) == Revert.EXPIRY_HELD


def test_no_more_expiries_live_than_a_round_has_sheets_for(market):
    venue = market.venue
    ends = venue.expiries[market.expiry_id]
    list_empty(venue, range(2, LIVE + 1), ends)
    assert venue.refusal("operator", venue.clearing, "list_expiry", LIVE + 1, 1, ends) == Revert.LISTING_FULL
    go_to(venue, ends - HALF_HOUR)
    go_to(venue, ends)
    fix_all(venue, [2])
    list_empty(venue, [LIVE + 1], ends + HALF_HOUR)


def test_all_live_sheets_fit_one_call(market):
    """The market has 4 words, every other expiry two and one for each group."""
    venue = market.venue
    later = venue.expiries[market.expiry_id] + HALF_HOUR
    word = calldata.strikes_word([FORTUNE])
    left = WORDS - 4
    for number in range(2, 10):
        list_empty(venue, [number], later)
        left -= 2
        for group in range(min(64, left)):
            venue.send("operator", venue.clearing, "list_group", number, group, word)
            left -= 1
    assert left == 0
    assert venue.refusal("operator", venue.clearing, "list_expiry", 10, 1, later) == Revert.LISTING_FULL
    assert venue.refusal("operator", venue.clearing, "list_group", market.expiry_id, 2, word) == Revert.LISTING_FULL


def test_groups_are_listed_without_gaps(market):
    word = calldata.strikes_word([FORTUNE])
    venue = market.venue
    assert venue.refusal("operator", venue.clearing, "list_group", market.expiry_id, 3, word) == Revert.SERIES_RANGE
    venue.send("operator", venue.clearing, "list_group", market.expiry_id, 2, word)
    venue.send("operator", venue.clearing, "list_group", market.expiry_id, 3, word)


@pytest.mark.parametrize("seller_cash", [10_000 * USDC, 10**6 * USDC])
def test_what_the_round_does_not_price_cannot_be_owed(market, seller_cash):
    """A series is listed into an empty lane of a group that an earlier round prices."""
    venue, known = market.venue, calldata.strikes_word([(50_000 * USDC, True)])
    venue.send("operator", venue.clearing, "list_group", market.expiry_id, 2, known)
    venue.strikes[calldata.series_id(market.expiry_id, 8)] = (50_000 * USDC, True)
    before = venue.post(venue.round())
    both = calldata.strikes_word([(50_000 * USDC, True), FORTUNE])
    venue.send("operator", venue.clearing, "list_group", market.expiry_id, 2, both)
    series = calldata.series_id(market.expiry_id, 9)
    venue.strikes[series] = FORTUNE
    seller = venue.open("seller", seller_cash)
    orders = [venue.sign(venue.order(market.maker, series, LOT, 0)), venue.sign(venue.order(seller, series, -LOT, 0))]
    trades = [Trade(0, 1, LOT, 0, 0)]
    assert venue.settle_refusal(venue.batch(orders, trades, before)) == Revert.MARK_MISSING
    after = venue.batch(orders, trades, venue.post(venue.round()))
    assert venue.settle_refusal(after) == ("accepted" if seller_cash > 10**5 * USDC else Revert.ACCOUNT_MARGIN)
