"""Liquidations on the contracts, as the machine follows them: who is flagged steps aside, and both layers stay equal."""

from typing import Any

import pytest
from core_quotes import kinds
from core_venue import HALF_HOUR, USDC, Venue, series_named, standard_venue

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.images import decode, encode

A, B, POOL, FUND = 1, 2, 3, 4
CALL, PUT = series_named("62000C"), series_named("62000P")
ONE = 10_000
R = e.Reject


def venue_of() -> Venue:
    """A is short of calls to B, and there are a pool and a fund, which never trade."""
    venue = standard_venue()
    for account in (A, B, POOL, FUND):
        venue.fund(account, 1_000_000)
    venue.place(A, CALL, False, 4 * ONE, 900 * USDC)
    venue.place(B, CALL, True, 4 * ONE, 900 * USDC)
    return venue


def flag(venue: Venue, life: int = 3_600) -> tuple[Any, ...]:
    return venue.observe(c.ObserveFlag, A, venue.now_s + life)


def hand_over(venue: Venue, qty: int = -ONE, paid: int = -1_000 * USDC, series: int = CALL) -> tuple[Any, ...]:
    return venue.observe(c.ObserveTransfer, A, POOL, paid, (c.MovedLeg(series, qty, 950 * USDC),))


def close(venue: Venue, *changes: tuple[int, int]) -> tuple[Any, ...]:
    return venue.observe(c.ObserveCaseClosed, A, 0, tuple(c.CashChange(*change) for change in changes))


def test_who_is_flagged_has_nothing_open_and_opens_nothing():
    venue = venue_of()
    venue.place(A, PUT, True, 100, 600 * USDC)
    (entered, _) = venue.place(B, PUT, True, 100, 600 * USDC)
    events = flag(venue)
    assert kinds(events) == ["Applied", "Cancelled"]
    assert events[1].reason is e.CancelReason.ACCOUNT_FLAGGED
    assert list(venue.state.orders) == [entered.order_id]
    for reduce_only in (False, True):
        order = c.Place(venue.auth(A, CALL, True, 100, 890 * USDC, reduce_only=reduce_only))
        assert venue.rejected(order) is R.ACCOUNT_MUST_NOT_AWAIT_BLOCK
    venue.place(B, PUT, True, 100, 600 * USDC)
    venue.check()
    venue.check_history()


@pytest.mark.parametrize("late", [False, True])
def test_a_flag_lapses_with_a_final_block_after_its_last_second(late):
    venue = venue_of()
    flag(venue, life=100)
    until = venue.now_s + 100
    again = c.Place(venue.auth(A, CALL, True, 100, 890 * USDC))
    venue.must(c.ObserveBlock(10**6, until + late, b"h" * 32))
    if late:
        venue.must(again)
    else:
        assert venue.rejected(again) is R.ACCOUNT_MUST_NOT_AWAIT_BLOCK
    venue.check()


def test_a_slice_moves_cash_and_positions_of_ledger_and_mirror_alike():
    venue = venue_of()
    flag(venue)
    state = venue.state
    cash = {key: (state.accounts[key].cash, state.mirror.cash.get(key, 0)) for key in (A, POOL)}
    assert kinds(hand_over(venue)) == ["Applied"]
    for key, sign in ((A, -1), (POOL, 1)):
        live, there = cash[key]
        assert state.accounts[key].cash == live + sign * 1_000 * USDC
        assert state.mirror.cash[key] == there + sign * 1_000 * USDC
    assert state.accounts[A].positions == {CALL: -3 * ONE}
    assert state.accounts[POOL].positions == {CALL: -ONE}
    # The trade between A and B has not settled yet: the mirror holds what the slice left there.
    assert state.mirror.positions[A] == {CALL: ONE}
    assert state.mirror.positions[POOL] == {CALL: -ONE}
    venue.check()
    venue.check_history()


def test_a_case_that_is_closed_pays_everybody_and_lets_go():
    venue = venue_of()
    flag(venue)
    hand_over(venue)
    before = {key: venue.state.accounts[key].cash for key in (A, POOL, FUND, B)}
    assert kinds(close(venue, (POOL, -20 * USDC), (FUND, 15 * USDC), (B, 5 * USDC))) == ["Applied"]
    after = {key: venue.state.accounts[key].cash - before[key] for key in before}
    assert after == {A: 0, POOL: -20 * USDC, FUND: 15 * USDC, B: 5 * USDC}
    assert (venue.state.flags, venue.state.accounts[A].awaiting) == ({}, 0)
    venue.must(c.Place(venue.auth(A, CALL, True, 100, 890 * USDC)))
    venue.check()
    venue.check_history()


def test_what_is_paid_and_not_received_is_told():
    venue = venue_of()
    flag(venue)
    events = close(venue, (POOL, -20), (FUND, 15))
    assert [event for event in events if isinstance(event, e.ChainDisagreed)] == [
        e.ChainDisagreed("liquidation", 0, -5)
    ]


def test_a_second_flag_takes_the_place_of_one_that_lapsed_unseen():
    venue = venue_of()
    flag(venue, life=10)
    flag(venue, life=500)
    assert venue.state.accounts[A].awaiting == 1
    close(venue)
    assert venue.state.accounts[A].awaiting == 0
    venue.check()


def test_an_account_can_be_flagged_while_it_awaits_a_block():
    venue = venue_of()
    venue.observe(c.ObserveOffbookQueued, A, B, b"d" * 32, 10**6, venue.now_s + 50)
    flag(venue, life=500)
    assert (venue.state.accounts[A].awaiting, venue.state.accounts[B].awaiting) == (2, 1)
    venue.must(c.ObserveBlock(10**6, venue.now_s + 100, b"h" * 32))
    assert (venue.state.accounts[A].awaiting, venue.state.accounts[B].awaiting) == (1, 0)
    venue.check()


def test_a_restored_venue_still_steps_aside():
    venue = venue_of()
    flag(venue)
    hand_over(venue)
    restored = decode(encode(venue.state))
    assert restored.flags == venue.state.flags
    assert restored.accounts[A].awaiting == 1
    assert encode(restored) == encode(venue.state)


def test_a_slice_in_an_expiry_that_is_fixed_here_is_cash_already():
    """The contracts fix later; what moved there is paid there, and here at once, to the same unit."""
    venue = venue_of()
    option = venue.state.series[CALL]
    flag(venue, life=10**9)
    venue.wait(option.expiry_s - HALF_HOUR - venue.now_s)
    venue.round(63_000)
    venue.wait(HALF_HOUR)
    venue.round(63_000)
    assert venue.state.expiries[option.expiry_id].fixing == 63_000 * USDC
    before = {key: venue.state.accounts[key].cash for key in (A, POOL)}
    events = hand_over(venue, qty=-2 * ONE)
    paid = {event.account: event.cash_delta for event in events if isinstance(event, e.AccountSettled)}
    assert paid == {A: 2_000 * USDC, POOL: -2_000 * USDC, 0: 0}
    after = {key: venue.state.accounts[key].cash - before[key] for key in before}
    assert after == {A: 1_000 * USDC, POOL: -1_000 * USDC}
    assert venue.state.accounts[POOL].positions == {}
    assert venue.state.mirror.positions[POOL] == {CALL: -2 * ONE}
    venue.check()
    venue.check_history()
