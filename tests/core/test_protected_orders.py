"""Orders that are no quotes and stand under the protection of a group: they count and leave like its quotes."""

from typing import Any

import pytest
from core_quotes import (
    CALL,
    GROUP,
    HIGH,
    LOT,
    MAKER,
    OTHER,
    PUT,
    SECOND,
    TAKER,
    ask,
    bid,
    hit,
    kinds,
    protect,
    quote,
    quoted,
    quotes,
    quoting_venue,
    taken_off,
)
from core_venue import USDC, Venue
from naive_protection import broken_promises

from exchange.core import admission
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.events import CancelReason, Figure, Reject
from exchange.core.images import decode, encode

R = Reject


def order(venue: Venue, series: int, is_buy: bool, lots: int, usdc: int, **signed: Any) -> c.Authorisation:
    terms = {"protection": GROUP, "delta": 5_000, "vega": 10**8} | signed.pop("terms", {})
    fields = {"post_only": True, "terms": c.Terms(**terms)} | signed
    return venue.auth(fields.pop("account", MAKER), series, is_buy, lots * LOT, usdc * USDC, **fields)


def protected(venue: Venue, series: int, is_buy: bool, lots: int, usdc: int, **signed: Any) -> int:
    """Enter a protected order; its number."""
    events = venue.must(c.Place(order(venue, series, is_buy, lots, usdc, **signed)))
    assert type(events[-1]) is e.Rested, events
    return venue.state.seq


FIGURES = [
    ({"qty": 12 * LOT}, Figure.QTY, 16 * LOT, 12 * LOT),
    ({"delta": 700}, Figure.DELTA, 800, 700),
    ({"vega": 15 * 10**6}, Figure.VEGA, 16 * 10**6, 15 * 10**6),
    ({"count": 2}, Figure.COUNT, 2, 2),
]


@pytest.mark.parametrize(("bounds", "figure", "value", "limit"), FIGURES)
def test_fills_of_quotes_and_orders_add_up_and_both_leave(bounds, figure, value, limit):
    """A quote fills, then an order: its rest, another order and the quotes go; what is not protected stays."""
    venue = quoting_venue(**bounds)
    ids = quoted(venue, bid(CALL, 8, 800), ask(HIGH, 10, 400))
    mine = [protected(venue, CALL, True, 20, 790), protected(venue, PUT, True, 10, 700)]
    venue.place(MAKER, PUT, True, 10 * LOT, 690 * USDC)
    unprotected = venue.state.seq
    assert kinds(hit(venue, CALL, False, 8, 790)) == ["Accepted", "Traded"]
    events = hit(venue, CALL, False, 8, 790)
    assert events[2] == e.ProtectionTriggered(MAKER, GROUP, figure, value, limit)
    assert taken_off(events, CancelReason.QUOTE_PROTECTION) == [ids[1], *mine]
    assert list(venue.state.accounts[MAKER].orders) == [unprotected]
    assert not venue.state.accounts[MAKER].protected
    assert venue.rejected(c.Place(order(venue, CALL, True, 1, 700))) is R.QUOTES_MUST_NOT_BE_FROZEN
    venue.check()
    venue.check_history()


def test_within_a_sweep_what_tripped_is_passed_over():
    venue = quoting_venue(qty=5 * LOT)
    protected(venue, CALL, True, 5, 800)
    deeper = protected(venue, CALL, True, 5, 795)
    venue.place(OTHER, CALL, True, 5 * LOT, 790 * USDC)
    others = venue.state.seq
    events = hit(venue, CALL, False, 10, 700)
    assert kinds(events) == ["Accepted", "Traded", "ProtectionTriggered", "Cancelled", "Traded"]
    assert events[3] == e.Cancelled(deeper, CancelReason.QUOTE_PROTECTION, 5 * LOT)
    assert events[4].maker_order == others
    venue.check()


def test_an_order_counts_for_no_mandate():
    venue = quoting_venue()
    quoted(venue, bid(CALL, 5, 800), qty=10 * LOT)
    protected(venue, CALL, True, 20, 795)
    hit(venue, CALL, False, 25, 700)
    assert not quotes(venue)
    group = venue.state.accounts[MAKER].groups[GROUP]
    assert [(moment.qty, moment.count) for moment in group.fills] == [(25 * LOT, 2)]
    venue.check()


def test_what_takes_cannot_be_protected():
    venue = quoting_venue()
    for signed in ({"post_only": False}, {"terms": {"trigger": c.INDEX, "trigger_price": USDC}}):
        assert venue.rejected(c.Place(order(venue, CALL, True, 1, 800, **signed))) is R.PROTECTED_MUST_MAKE
    for terms, reason in (
        ({"protection": "none"}, R.QUOTE_GROUP_MUST_EXIST),
        ({"vega": -1}, R.QUOTE_GREEKS_MUST_FIT),
        ({"delta": 2**50}, R.QUOTE_GREEKS_MUST_FIT),
    ):
        assert venue.rejected(c.Place(order(venue, CALL, True, 1, 800, terms=terms))) is reason
    venue.place(OTHER, CALL, False, LOT, 900 * USDC)
    assert venue.rejected(c.Place(order(venue, CALL, True, 1, 900))) is R.POST_ONLY_MUST_NOT_CROSS
    assert kinds(venue.do(c.Place(order(venue, CALL, True, 1, 900, terms={"slide": True})))) == ["Accepted", "Rested"]


def test_a_group_has_room_for_so_many_quotes_and_orders(monkeypatch):
    monkeypatch.setattr(admission, "GROUP_MAX", 3)
    venue = quoting_venue()
    quoted(venue, bid(CALL, 1, 800))
    first = protected(venue, CALL, True, 5, 700)
    protected(venue, CALL, True, 5, 690)
    assert venue.rejected(c.Place(order(venue, CALL, True, 5, 680))) is R.OPEN_ORDERS_MUST_FIT
    assert quote(venue, ask(PUT, 1, 2_500))[-1] == e.QuoteRefused(0, R.OPEN_ORDERS_MUST_FIT, 3, 3)
    venue.must(c.Amend(first, order(venue, CALL, True, 5, 705, replaces=1 + nonce_of(venue, first))))
    venue.place(MAKER, PUT, True, LOT, 600 * USDC)
    outside = venue.state.seq
    into = order(venue, PUT, True, 1, 610, replaces=1 + nonce_of(venue, outside))
    assert venue.rejected(c.Amend(outside, into)) is R.OPEN_ORDERS_MUST_FIT
    venue.check()


def nonce_of(venue: Venue, order_id: int) -> int:
    return venue.state.auths[venue.state.orders[order_id].auth_id].auth.nonce


@pytest.mark.parametrize("lots", [5, 50])
def test_an_edit_says_anew_who_protects_whether_or_not_it_keeps_its_place(lots):
    venue = quoting_venue(count=1)
    protect(venue, group="back", count=1)
    first, second = protected(venue, CALL, True, 10, 800), protected(venue, CALL, True, 10, 790)
    for order_id, usdc, group in ((first, 800, ""), (second, 790, "back")):
        signed = {"terms": {"protection": group}, "replaces": 1 + nonce_of(venue, order_id)}
        (amended, *_) = venue.must(c.Amend(order_id, order(venue, CALL, True, lots, usdc, **signed)))
        assert amended.kept == (lots < 10)
    assert list(venue.state.accounts[MAKER].protected) == ["back"]
    assert "ProtectionTriggered" not in kinds(hit(venue, CALL, False, lots, 800))
    assert e.ProtectionTriggered(MAKER, "back", Figure.COUNT, 1, 1) in hit(venue, CALL, False, 1, 790)
    venue.check()
    venue.check_history()


def test_freezing_and_tighter_bounds_take_orders_off_and_cancelling_quotes_does_not():
    venue = quoting_venue()
    quoted(venue, bid(CALL, 1, 800))
    mine = protected(venue, CALL, True, 5, 700)
    assert kinds(venue.must(c.CancelQuotes(MAKER))) == ["Applied", "Cancelled"]
    assert mine in venue.state.orders
    events = venue.must(c.FreezeQuotes(MAKER, GROUP, is_frozen=True))
    assert taken_off(events, CancelReason.BY_OWNER) == [mine]
    venue.must(c.FreezeQuotes(MAKER, GROUP, is_frozen=False))
    mine = protected(venue, CALL, True, 5, 700)
    hit(venue, CALL, False, 3, 700)
    assert taken_off(protect(venue, qty=3 * LOT), CancelReason.QUOTE_PROTECTION) == [mine]
    venue.check()


def test_a_restored_venue_protects_as_before():
    venue = quoting_venue(count=2)
    protected(venue, CALL, True, 5, 800)
    rest = protected(venue, PUT, False, 5, 2_500)
    hit(venue, CALL, False, 2, 800)
    restored = decode(encode(venue.state))
    assert encode(restored) == encode(venue.state)
    account = restored.accounts[MAKER]
    assert account.protected == venue.state.accounts[MAKER].protected
    venue.state = restored
    assert rest in taken_off(hit(venue, CALL, False, 2, 800), CancelReason.QUOTE_PROTECTION)
    venue.check()


def test_in_an_auction_what_tripped_takes_no_more_part_and_is_cancelled_once():
    """A reduce-only order of the maker has nothing left to reduce by the fill that trips it: one cancellation."""
    venue = quoting_venue()
    venue.place(MAKER, CALL, True, 5 * LOT, 800 * USDC)
    hit(venue, CALL, False, 5, 800)
    protect(venue, qty=5 * LOT)
    venue.must(c.SetPhase(c.SERIES, CALL, c.AUCTION, venue.now_s + 60, 0, "test", "test"))
    protected(venue, CALL, False, 5, 800)
    other = protected(venue, CALL, False, 5, 805, reduce_only=True)
    venue.place(OTHER, CALL, True, 20 * LOT, 810 * USDC)
    venue.wait(60)
    events = venue.do(c.Tick())
    trades = [event.qty for event in events if type(event) is e.Traded]
    assert trades == [5 * LOT]
    assert [event.order_id for event in events if type(event) is e.Cancelled] == [other]
    assert e.ProtectionTriggered(MAKER, GROUP, Figure.QTY, 5 * LOT, 5 * LOT) in events
    venue.check()
    venue.check_history()


def test_the_slow_count_sees_protected_orders():
    """Negative control: fills of orders alone, held against a tighter bound than they were made under."""
    venue = quoting_venue()
    protected(venue, CALL, True, 20, 800)
    for _ in range(2):
        hit(venue, CALL, False, 5, 800)
        venue.wait(1)
    loose = c.Protection(10 * SECOND, 0, 0, 0, 0, 0)
    assert broken_promises(venue.log, loose) == []
    assert broken_promises(venue.log, c.Protection(10 * SECOND, 0, 5 * LOT, 0, 0, 0)) == ["quantity"]
    assert TAKER in venue.state.accounts
