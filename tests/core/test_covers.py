"""Margin held once, against the budget of a mandate: no fill inside it is ever short of margin.

Hypothesis draws makers with little money, mandates that cover many times what they could bear, takers and the maker's own
other trades, all at one round. After each record the account has what its covers need, without offsets, and more than the
contract asks of it.
"""

from typing import Any

import pytest
from core_profiles import effort
from core_quotes import (
    CALL,
    GROUP,
    HIGH,
    LOT,
    MAKER,
    OTHER,
    PUT,
    TAKER,
    ask,
    bid,
    hit,
    kinds,
    protect,
    quote,
    quoted,
    taken_off,
)
from core_venue import FEES, USDC, Venue, standard_venue
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import risk
from exchange.core.events import CancelReason, Reject
from exchange.core.margin import Kind
from exchange.core.state_types import Account
from exchange.core.units import RISK_ONE

SERIES = (CALL, PUT, HIGH)
MIDS = {CALL: 900, PUT: 900, HIGH: 300}
DEAR = replace(FEES, maker_rate=FEES.taker_rate)


def covered_venue(usdc: int, fees: c.FeeSchedule = FEES, **bounds: Any) -> Venue:
    """A maker with so much money and two covered groups, and others with plenty."""
    venue = standard_venue(mandates=True, fees=fees)
    for account, amount in ((MAKER, usdc), (TAKER, 10_000_000), (OTHER, 10_000_000)):
        venue.fund(account, amount)
    for group in (GROUP, "back"):
        protect(venue, group=group, covered=True, **bounds)
    return venue


def slack(venue: Venue, account: Account) -> int:
    """What is left, in risk units, beside the shorts without offsets and the covers."""
    risk.refresh(venue.state, account)
    free = (account.cash - account.held) * RISK_ONE
    return free - account.isolated - risk.covers_of(venue.state, account)


def test_one_check_stands_for_any_number_of_quotes():
    """Six quotes of ninety lots in each of two groups; the account can bear two hundred in each, not all twelve."""
    venue = covered_venue(70_000)
    leaves = [leaf for series in SERIES for leaf in (bid(series, 90, MIDS[series]), ask(series, 90, MIDS[series] + 50))]
    assert quote(venue, *leaves, qty=10_000 * LOT)[-1].reason is Reject.ACCOUNT_MUST_HAVE_MARGIN
    assert len(quoted(venue, *leaves, qty=200 * LOT)) == 6
    assert len(quoted(venue, *leaves, qty=200 * LOT, group="back")) == 6
    account = venue.state.accounts[MAKER]
    assert (account.reserved, account.open) == (0, {})
    assert slack(venue, account) >= 0


def test_without_a_bound_on_quantity_nothing_can_be_covered():
    venue = covered_venue(40_000)
    assert quote(venue, bid(CALL, 1, 900))[-1].reason is Reject.QUOTE_BUDGET_MUST_FIT


def test_a_cover_is_given_back_with_the_last_quote_of_its_mandate():
    venue = covered_venue(40_000)
    account = venue.state.accounts[MAKER]
    first, second = quoted(venue, bid(CALL, 10, 900), ask(CALL, 10, 950), qty=100 * LOT)
    held = risk.covers_of(venue.state, account)
    assert held > 0
    venue.must(c.Cancel(MAKER, first))
    assert risk.covers_of(venue.state, account) == held
    venue.must(c.Cancel(MAKER, second))
    assert risk.covers_of(venue.state, account) == 0


def test_a_cover_bounds_what_orders_and_other_messages_may_reserve():
    venue = covered_venue(40_000)
    quoted(venue, bid(CALL, 10, 900), ask(CALL, 10, 950), qty=300 * LOT)
    again = quote(venue, bid(PUT, 10, 900), ask(PUT, 10, 950), qty=300 * LOT, group="back")
    assert again[-1].reason is Reject.ACCOUNT_MUST_HAVE_MARGIN
    order = venue.auth(MAKER, PUT, False, 300 * LOT, 900 * USDC)
    assert venue.rejected(c.Place(order)) is Reject.ACCOUNT_MUST_HAVE_MARGIN
    quoted(venue, bid(CALL, 10, 905), ask(CALL, 10, 955), qty=300 * LOT)


def test_a_cover_follows_the_round():
    venue = covered_venue(200_000)
    quoted(venue, ask(CALL, 10, 2_950), qty=100 * LOT)
    account = venue.state.accounts[MAKER]
    before = risk.covers_of(venue.state, account)
    venue.wait(60)
    venue.round(66_000)
    assert risk.covers_of(venue.state, account) > before


def test_when_a_round_takes_the_cover_away_fills_are_judged_one_by_one():
    """Nothing is promised then; but the account is not filled into what the contract would refuse."""
    venue = covered_venue(18_000)
    quoted(venue, ask(CALL, 90, 2_950), qty=90 * LOT)
    venue.wait(60)
    venue.round(150_000)
    events = hit(venue, CALL, True, 90, 3_000)
    assert len(taken_off(events, CancelReason.MARGIN)) == 1
    venue.check()


def test_the_makers_own_order_does_not_take_what_covers_quotes():
    """An order that closes reserves nothing; its fill may still not spend what a cover needs, unless it lowers risk."""
    venue = covered_venue(40_000)
    venue.place(OTHER, CALL, True, 100 * LOT, 900 * USDC)
    venue.place(MAKER, CALL, False, 100 * LOT, 900 * USDC)
    account = venue.state.accounts[MAKER]
    assert account.positions[CALL] == -100 * LOT
    quoted(venue, bid(PUT, 10, 900), ask(PUT, 10, 950), qty=200 * LOT)
    assert slack(venue, account) >= 0
    venue.place(OTHER, CALL, False, 100 * LOT, 30_000 * USDC)
    dear = venue.do(c.Place(venue.auth(MAKER, CALL, True, 100 * LOT, 30_000 * USDC, tif=c.IOC)))
    assert dear[-1].reason is Reject.ACCOUNT_MUST_HAVE_MARGIN
    assert slack(venue, account) >= 0


Step = tuple[str, int, bool, int, int]
step = st.tuples(
    st.sampled_from(("hit", "hit", "hit", "quote", "order", "cancel")),
    st.integers(0, 2),
    st.booleans(),
    st.integers(1, 120),
    st.integers(0, 5),
)
leaf = st.tuples(st.integers(0, 2), st.booleans(), st.integers(1, 120), st.integers(0, 8))


def take_step(venue: Venue, what: Step, leaves: list[tuple[int, bool, int, int]], qty: int) -> tuple[Any, ...]:
    kind, place, is_buy, lots, away = what
    series = SERIES[place]
    if kind == "hit":
        return hit(venue, series, is_buy, lots, MIDS[series] + (200 if is_buy else -200))
    if kind == "order":
        price = (MIDS[series] + (5 - 10 * is_buy) * away) * USDC
        return venue.place(MAKER, series, is_buy, lots * LOT, max(price, 5 * USDC), tif=c.GTC if away else c.IOC)
    if kind == "cancel":
        return venue.do(c.CancelQuotes(MAKER, GROUP if is_buy else "back", series))
    made = [
        (ask, bid)[buys](SERIES[at], size, MIDS[SERIES[at]] + (5 - 10 * buys) * (far + 1))
        for at, buys, size, far in leaves
    ]
    return quote(venue, *made, qty=qty * LOT, group=GROUP if is_buy else "back")


@pytest.mark.timeout(1_200)
@effort(150)
@given(
    usdc=st.integers(2_000, 60_000),
    dear=st.booleans(),
    messages=st.lists(st.tuples(st.lists(leaf, min_size=1, max_size=8), st.integers(1, 400)), min_size=1, max_size=4),
    steps=st.lists(step, min_size=1, max_size=30),
)
def test_no_fill_inside_a_budget_is_short_of_margin(usdc, dear, messages, steps):
    venue = covered_venue(usdc, DEAR if dear else FEES)
    account = venue.state.accounts[MAKER]
    take_step(venue, ("quote", 0, True, 1, 0), *messages[0])
    for number, what in enumerate(steps):
        before = slack(venue, account)
        events = take_step(venue, what, *messages[number % len(messages)])
        covered = [
            event.order_id for event in events if type(event) is e.Cancelled and event.reason is CancelReason.MARGIN
        ]
        assert all(order_id < 1 << 62 for order_id in covered), (what, events)
        assert slack(venue, account) >= 0 or slack(venue, account) >= before, what
        assert slack(venue, account) >= 0 or not account.covers, what
        needed = risk.requirement_of(venue.state, risk.view_now(venue.state), account.positions, Kind.INITIAL)
        assert account.cash >= needed, what
        if what[0] == "hit" and account.covers:
            assert "Rejected" not in kinds(events)
    venue.check()
