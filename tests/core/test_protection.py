"""Protection of makers: bounds by quantity, delta, vega and count, per window and per mandate, and what trips at them.

``naive_protection`` adds up every window of a history anew. The soak runs 10,000 bursts, each push a small share of them.
"""

import random
from typing import Any

import pytest
from core_profiles import SOAK
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
    mandate,
    protect,
    quote,
    quoted,
    quotes,
    quoting_venue,
    taken_off,
)
from core_venue import USDC, Venue
from msgspec.structs import replace
from naive_protection import broken_promises, fills_of

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import protection
from exchange.core.events import CancelReason, Figure, Reject
from exchange.core.images import decode, encode

FIGURES = [
    ({"qty": 12 * LOT}, Figure.QTY, 16 * LOT, 12 * LOT),
    ({"delta": 700}, Figure.DELTA, 800, 700),  # 0.5 of 0.16 contract
    ({"vega": 15 * 10**6}, Figure.VEGA, 16 * 10**6, 15 * 10**6),
    ({"count": 2}, Figure.COUNT, 2, 2),
]


@pytest.mark.parametrize(("bounds", "figure", "value", "limit"), FIGURES)
def test_the_fill_that_reaches_a_bound_takes_the_group_off_within_its_record(bounds, figure, value, limit):
    """The rest of the quote that filled goes too; quotes of other groups stay, and are met next."""
    venue = quoting_venue(**bounds)
    protect(venue, group="back", **bounds)
    ids = quoted(venue, bid(CALL, 20, 800), ask(CALL, 10, 950), ask(HIGH, 10, 400), bid(PUT, 10, 700))
    other = quoted(venue, bid(CALL, 10, 790), group="back")
    assert kinds(hit(venue, CALL, False, 8, 800)) == ["Accepted", "Traded"]
    events = venue.do(c.Place(venue.auth(TAKER, CALL, False, 8 * LOT, 790 * USDC)))
    assert events[2] == e.ProtectionTriggered(MAKER, GROUP, figure, value, limit)
    assert kinds(events) == ["Accepted", "Traded", "ProtectionTriggered", *["Cancelled"] * 4]
    assert sorted(taken_off(events, CancelReason.QUOTE_PROTECTION)) == ids
    assert quotes(venue) == []
    assert quotes(venue, group="back") == [(CALL, True, 790, 10)]
    assert kinds(hit(venue, CALL, False, 20, 700))[:2] == ["Accepted", "Traded"]
    assert other[0] not in venue.state.orders
    venue.check()
    venue.check_history()


def test_what_trips_within_a_sweep_is_gone_for_the_rest_of_it():
    """One order meets a quote, somebody's order and again quotes of groups that have tripped or not."""
    venue = quoting_venue(qty=5 * LOT)
    for group in ("b", "c"):
        protect(venue, group=group, qty=5 * LOT)
    quoted(venue, bid(CALL, 5, 800))
    quoted(venue, bid(CALL, 3, 800), group="b")
    venue.place(OTHER, CALL, True, 5 * LOT, 795 * USDC)
    quoted(venue, bid(CALL, 9, 790), group="c")
    events = hit(venue, CALL, False, 30, 700)
    assert [event.qty // LOT for event in events if type(event) is e.Traded] == [5, 3, 5, 9]
    assert [event.group for event in events if type(event) is e.ProtectionTriggered] == [GROUP, "c"]
    assert taken_off(events, CancelReason.QUOTE_PROTECTION) == []
    venue.check()
    venue.check_history()


def test_quotes_that_trip_are_passed_over_deeper_in_the_same_book():
    """An account quotes one series in two groups under one owner; only the group that tripped is passed over."""
    venue = quoting_venue(qty=5 * LOT)
    protect(venue, group="b")
    quoted(venue, bid(CALL, 5, 800))
    quoted(venue, bid(CALL, 5, 790), group="b", qty=3 * LOT)
    quoted(venue, bid(PUT, 5, 790), group="b", qty=30 * LOT)
    events = hit(venue, CALL, False, 9, 700)
    assert kinds(events) == ["Accepted", "Traded", "ProtectionTriggered", "Traded", "Cancelled"]
    assert taken_off(events, CancelReason.QUOTE_BUDGET) == [events[3].maker_order]
    assert quotes(venue, group="b") == [(PUT, True, 790, 5)]


@pytest.mark.parametrize(("budget", "figure", "value", "limit"), FIGURES)
def test_a_used_up_budget_takes_the_quotes_of_its_mandate_off(budget, figure, value, limit):
    del figure, value, limit
    venue = quoting_venue()
    ids = quoted(venue, bid(CALL, 20, 800), ask(CALL, 10, 950), **budget)
    kept = quoted(venue, bid(PUT, 10, 700), **budget)
    assert kinds(hit(venue, CALL, False, 8, 800)) == ["Accepted", "Traded"]
    venue.wait(3_000)
    venue.round(62_000)
    events = hit(venue, CALL, False, 8, 800)
    assert kinds(events) == ["Accepted", "Traded", "Cancelled", "Cancelled"]
    assert sorted(taken_off(events, CancelReason.QUOTE_BUDGET)) == ids
    assert [order.id for order in venue.state.accounts[MAKER].orders.values()] == kept
    quoted(venue, bid(CALL, 20, 800), **budget)
    venue.check()
    venue.check_history()


def test_buying_and_selling_net_out():
    venue = quoting_venue(delta=700)
    quoted(venue, bid(CALL, 50, 800), ask(CALL, 50, 950), delta=700)
    for _ in range(3):
        assert "Cancelled" not in kinds(hit(venue, CALL, False, 8, 800))
        assert "Cancelled" not in kinds(hit(venue, CALL, True, 8, 950))
    assert "ProtectionTriggered" not in kinds(hit(venue, CALL, True, 8, 950))
    assert "ProtectionTriggered" in kinds(hit(venue, CALL, True, 8, 950))


def test_a_fill_that_leaves_the_window_does_not_let_the_rest_through():
    """Bought, then sold twice as much: once the purchase is out of the window, the sales alone are beyond the bound."""
    venue = quoting_venue(delta=1_000)
    quoted(venue, bid(CALL, 90, 800), ask(CALL, 90, 950))
    hit(venue, CALL, False, 15, 800)
    venue.wait(6)
    assert kinds(hit(venue, CALL, True, 15, 950)) == ["Accepted", "Traded"]
    events = hit(venue, CALL, True, 10, 950)
    assert e.ProtectionTriggered(MAKER, GROUP, Figure.DELTA, 1_250, 1_000) in events


def test_fills_roll_out_of_the_window():
    venue = quoting_venue(qty=10 * LOT, interval_ns=10 * SECOND)
    quoted(venue, bid(CALL, 90, 800))
    for _ in range(4):
        assert kinds(hit(venue, CALL, False, 9, 800)) == ["Accepted", "Traded"]
        venue.wait(10)
    hit(venue, CALL, False, 9, 800)
    venue.wait(9)
    assert "ProtectionTriggered" in kinds(hit(venue, CALL, False, 1, 800))


def test_a_frozen_group_takes_no_quotes_until_it_thaws():
    venue = quoting_venue(qty=10 * LOT, interval_ns=5 * SECOND, frozen_ns=20 * SECOND)
    quoted(venue, bid(CALL, 10, 800))
    hit(venue, CALL, False, 10, 800)
    tripped_ns = venue.time_ns
    venue.wait(19)
    refused = quote(venue, bid(CALL, 10, 800))[-1]
    assert refused == e.Rejected(Reject.QUOTES_MUST_NOT_BE_FROZEN, venue.time_ns, tripped_ns + 20 * SECOND)
    venue.wait(1)
    quoted(venue, bid(CALL, 10, 800))


def test_a_group_that_thaws_before_its_window_has_room_waits_for_it():
    venue = quoting_venue(qty=10 * LOT, interval_ns=30 * SECOND, frozen_ns=SECOND)
    quoted(venue, bid(CALL, 10, 800))
    hit(venue, CALL, False, 10, 800)
    venue.wait(29)
    assert quote(venue, bid(CALL, 10, 800))[-1].reason is Reject.QUOTES_MUST_NOT_BE_FROZEN
    venue.wait(1)
    quoted(venue, bid(CALL, 10, 800))


def test_without_a_time_to_thaw_a_group_waits_for_its_reset():
    venue = quoting_venue(qty=10 * LOT, interval_ns=5 * SECOND)
    quoted(venue, bid(CALL, 10, 800))
    hit(venue, CALL, False, 10, 800)
    venue.wait(1_000)
    assert quote(venue, bid(CALL, 10, 800))[-1].limit == protection.UNTIL_RESET
    venue.must(c.FreezeQuotes(MAKER, GROUP, is_frozen=False))
    quoted(venue, bid(CALL, 10, 800))
    events = venue.must(c.FreezeQuotes(MAKER, GROUP, is_frozen=True))
    assert len(taken_off(events, CancelReason.BY_OWNER)) == 1
    assert quote(venue, bid(CALL, 10, 800))[-1].reason is Reject.QUOTES_MUST_NOT_BE_FROZEN
    venue.check()


def test_a_tighter_bound_that_is_already_reached_trips_at_once():
    venue = quoting_venue(qty=100 * LOT)
    ids = quoted(venue, bid(CALL, 20, 800), ask(PUT, 20, 2_500))
    hit(venue, CALL, False, 10, 800)
    events = protect(venue, qty=10 * LOT)
    assert kinds(events) == ["Applied", "ProtectionTriggered", "Cancelled", "Cancelled"]
    assert sorted(taken_off(events, CancelReason.QUOTE_PROTECTION)) == ids
    venue.check_history()


def test_a_window_remembers_so_many_moments(monkeypatch):
    """More moments than are kept apart trip the group, rather than being added up wrongly."""
    monkeypatch.setattr(protection, "MOMENTS_MAX", 3)
    venue = quoting_venue()
    quoted(venue, bid(CALL, 20, 800))
    for _ in range(2):
        assert kinds(hit(venue, CALL, False, 1, 800)) == ["Accepted", "Traded"]
        venue.wait(1)
    assert e.ProtectionTriggered(MAKER, GROUP, Figure.COUNT, 3, 3) in hit(venue, CALL, False, 1, 800)


def test_a_fill_or_kill_order_that_does_not_fill_trips_nothing():
    venue = quoting_venue(qty=5 * LOT)
    quoted(venue, bid(CALL, 9, 800))
    order = venue.auth(TAKER, CALL, False, 10 * LOT, 800 * USDC, tif=c.FOK)
    assert venue.rejected(c.Place(order)) is Reject.FILL_OR_KILL_MUST_FILL
    assert quotes(venue) == [(CALL, True, 800, 9)]
    assert not venue.state.accounts[MAKER].groups[GROUP].fills


def test_windows_and_budgets_survive_a_snapshot():
    venue = quoting_venue(qty=10 * LOT)
    quoted(venue, bid(CALL, 90, 800), ask(CALL, 90, 950), qty=50 * LOT)
    hit(venue, CALL, False, 9, 800)
    restored = decode(encode(venue.state))
    assert encode(restored) == encode(venue.state)
    old, venue.state = venue.state, restored
    assert old.accounts[MAKER].standing == restored.accounts[MAKER].standing
    events = hit(venue, CALL, False, 1, 800)
    assert "ProtectionTriggered" in kinds(events)
    venue.check()


# -- bursts ---------------------------------------------------------------------------------------------------------------

SERIES = (CALL, PUT, HIGH)
MIDS = {CALL: 900, PUT: 2_000, HIGH: 300}


def shelter(venue: Venue, series: int, is_buy: bool, lots: int, usdc: int, delta: int = 5_000) -> tuple[Any, ...]:
    """An order of the maker under the protection of the group, a tick from the other side at the nearest."""
    terms = c.Terms(protection=GROUP, delta=delta, vega=10**8, slide=True)
    return venue.do(c.Place(venue.auth(MAKER, series, is_buy, lots * LOT, usdc * USDC, post_only=True, terms=terms)))


def burst(venue: Venue, dice: random.Random) -> None:
    """Quotes on several series, and takers who hit them faster than the maker can answer."""
    budget = {
        "qty": dice.choice((0, 40, 100)) * LOT,
        "delta": dice.choice((0, 1_500, 4_000)),
        "vega": dice.choice((0, 40, 90)) * 10**6,
        "count": dice.choice((0, 0, 3, 9)),
    }
    leaves = []
    for series in SERIES:
        mid, delta, vega = MIDS[series], dice.randrange(-9_000, 9_000), dice.randrange(3 * 10**8)
        leaves.append(bid(series, dice.randrange(1, 40), mid - 5 * dice.randrange(1, 5), delta, vega))
        leaves.append(ask(series, dice.randrange(1, 40), mid + 5 * dice.randrange(1, 5), delta, vega))
    dice.shuffle(leaves)
    signed = mandate(venue, **budget)
    venue.do(c.MassQuote(signed, tuple(leaves[: dice.randrange(1, 7)]), GROUP, whole=dice.random() < 0.3))
    for _ in range(dice.randrange(3)):
        series, is_buy = dice.choice(SERIES), dice.random() < 0.5
        shelter(venue, series, is_buy, dice.randrange(1, 40), MIDS[series], dice.randrange(-9_000, 9_000))
    for _ in range(dice.randrange(1, 9)):
        series, is_buy = dice.choice(SERIES), dice.random() < 0.5
        price = MIDS[series] + (30 if is_buy else -30)
        hit(venue, series, is_buy, dice.randrange(1, 60), price)
        venue.time_ns += dice.choice((0, 0, 10**6, SECOND, 4 * SECOND))


BOUNDS = (
    {"qty": 60 * LOT, "interval_ns": 5 * SECOND, "frozen_ns": SECOND},
    {"delta": 2_000, "interval_ns": 10 * SECOND, "frozen_ns": 2 * SECOND},
    {"vega": 60 * 10**6, "interval_ns": 8 * SECOND, "frozen_ns": 8 * SECOND},
    {"count": 4, "interval_ns": 5 * SECOND, "frozen_ns": SECOND},
    {"qty": 90 * LOT, "delta": 3_000, "vega": 80 * 10**6, "count": 6, "interval_ns": 9 * SECOND, "frozen_ns": SECOND},
)
PER_VENUE = 20
LONG = (pytest.mark.soak, pytest.mark.skipif(not SOAK, reason="soak: run make soak"), pytest.mark.timeout(3_600))


@pytest.mark.parametrize("bursts", [200, pytest.param(10_000, marks=LONG)])
def test_no_window_of_any_burst_goes_beyond_its_bound_by_more_than_the_fill_that_reached_it(bursts):
    seen = {"fills": 0, "ProtectionTriggered": 0, "budgets": 0}
    for number in range(bursts // PER_VENUE):
        dice = random.Random(number)
        bounds = BOUNDS[number % len(BOUNDS)]
        venue = quoting_venue(**bounds)
        guard = venue.state.accounts[MAKER].groups[GROUP].protection
        for _ in range(PER_VENUE):
            burst(venue, dice)
            venue.wait(1)
            venue.round(62_000)
        assert broken_promises(venue.log, guard) == [], number
        venue.check()
        seen["fills"] += len(fills_of(venue.log))
        told = [event for record in venue.log for event in record.events]
        seen["ProtectionTriggered"] += sum(type(event) is e.ProtectionTriggered for event in told)
        seen["budgets"] += sum(
            type(event) is e.Cancelled and event.reason is CancelReason.QUOTE_BUDGET for event in told
        )
    assert all(count > bursts // 20 for count in seen.values()), seen


def test_the_slow_count_notices_a_bound_that_was_ignored():
    """Negative control: the same history held against a tighter bound than it was made under."""
    venue = quoting_venue(qty=60 * LOT)
    quoted(venue, bid(CALL, 90, 800))
    hit(venue, CALL, False, 10, 800)
    hit(venue, CALL, False, 10, 800)
    loose = venue.state.accounts[MAKER].groups[GROUP].protection
    assert broken_promises(venue.log, loose) == []
    for tighter in ({"qty": 10 * LOT}, {"delta": 500}, {"vega": 10**7}, {"count": 1}):
        assert broken_promises(venue.log, replace(loose, **tighter)) != []
