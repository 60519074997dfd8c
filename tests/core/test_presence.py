"""Cancel on disconnect and the dead man's timer: whose orders leave, when, and in how many records. # M11"""

from typing import Any

import pytest
from core_venue import USDC, Venue, series_named, wallet

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import presence, purging
from exchange.core.events import CancelReason, Reject
from exchange.core.images import decode, encode

CALL, PUT = series_named("62000C"), series_named("62000P")
LATER = 1_000 * USDC


def connect(venue: Venue, switch: int = c.AS_ACCOUNT) -> int:
    """A connection, and what it says about its orders."""
    venue.must(c.OpenSession(wallet(1)))
    session = venue.state.seq
    if switch:
        venue.must(c.SwitchSession(session, switch))
    return session


def enter(venue: Venue, account: int, session: int, price: int = 800 * USDC, **terms: Any) -> int:
    """A resting bid through a connection; its number."""
    venue.must(c.Place(venue.auth(account, CALL, True, 10_000, price, **terms), session=session))
    return venue.state.seq


def left(events: tuple[Any, ...], reason: CancelReason) -> list[int]:
    """Orders that left for a reason."""
    return [event.order_id for event in events if type(event) is e.Cancelled and event.reason is reason]


@pytest.mark.parametrize(
    ("switch", "careful", "leaves"),
    [
        (c.AS_ACCOUNT, False, False),
        (c.AS_ACCOUNT, True, True),
        (c.SWITCH_ON, False, True),
        (c.SWITCH_OFF, True, False),
    ],
)
def test_the_connection_decides_and_else_the_account(venue: Venue, switch: int, careful: bool, leaves: bool) -> None:
    venue.must(c.SwitchAccount(1, careful))
    session, other = connect(venue, switch), connect(venue, c.SWITCH_ON)
    mine, theirs = enter(venue, 1, session), enter(venue, 1, other)
    by_http = enter(venue, 1, 0)
    events = venue.must(c.EndSession(session))
    assert left(events, CancelReason.DISCONNECTED) == [mine] * leaves
    assert {theirs, by_http} <= set(venue.state.orders)
    venue.check()


def test_only_careful_accounts_of_a_silent_connection_lose_their_orders(venue: Venue) -> None:
    venue.must(c.SwitchAccount(2, True))
    session = connect(venue)
    enter(venue, 1, session)
    second = enter(venue, 2, session)
    assert left(venue.must(c.EndSession(session)), CancelReason.DISCONNECTED) == [second]


def test_orders_that_can_only_reduce_stay_and_go_on(venue: Venue) -> None:
    venue.place(2, CALL, False, 10_000, 900 * USDC)
    venue.place(1, CALL, True, 10_000, 900 * USDC)
    session = connect(venue, c.SWITCH_ON)
    venue.must(c.Place(venue.auth(1, CALL, False, 10_000, 950 * USDC, reduce_only=True), session=session))
    closing = venue.state.seq
    enter(venue, 1, session)
    venue.must(c.EndSession(session))
    assert list(venue.state.orders) == [closing]
    venue.place(2, CALL, True, 10_000, 950 * USDC)
    assert not venue.state.orders
    assert CALL not in venue.state.accounts[1].positions


def test_a_farewell_keeps_orders_and_their_number_is_never_used_again(venue: Venue) -> None:
    session = connect(venue, c.SWITCH_ON)
    order_id = enter(venue, 1, session)
    assert venue.must(c.EndSession(session, keeps=True)) == (e.Applied(),)
    assert order_id in venue.state.orders
    assert connect(venue) > session
    assert venue.must(c.EndAllSessions()) == (e.Applied(),)
    assert order_id in venue.state.orders


def test_what_is_under_way_when_the_connection_ends_is_not_taken(venue: Venue) -> None:
    session = connect(venue, c.SWITCH_ON)
    order_id = enter(venue, 1, 0)
    venue.must(c.EndSession(session))
    late = c.Place(venue.auth(1, CALL, True, 10_000, 800 * USDC), session=session)
    assert venue.rejected(late) is Reject.SESSION_MUST_BE_OPEN
    late_change = c.Amend(order_id, venue.amend_auth(order_id, 5_000, 800 * USDC), session=session)
    assert venue.rejected(late_change) is Reject.SESSION_MUST_BE_OPEN
    assert venue.rejected(c.EndSession(session)) is Reject.SESSION_MUST_BE_OPEN


def test_whoever_amends_an_order_minds_it_but_http_does_not_unmind_it(venue: Venue) -> None:
    first, second = connect(venue, c.SWITCH_ON), connect(venue, c.SWITCH_ON)
    order_id = enter(venue, 1, first)
    venue.must(c.Amend(order_id, venue.amend_auth(order_id, 9_000, 800 * USDC), session=second))
    assert not left(venue.must(c.EndSession(first)), CancelReason.DISCONNECTED)
    venue.must(c.Amend(order_id, venue.amend_auth(order_id, 8_000, 801 * USDC)))
    assert left(venue.must(c.EndSession(second)), CancelReason.DISCONNECTED) == [order_id]


def test_a_restored_venue_minds_orders_that_wait_for_a_price_too(venue: Venue) -> None:
    stop = c.Terms(trigger=c.INDEX, trigger_price=90_000 * USDC, trigger_above=True)
    session = connect(venue, c.SWITCH_ON)
    first, second = enter(venue, 1, session, terms=stop), enter(venue, 1, session, terms=stop)
    venue.state = decode(encode(venue.state))
    venue.check()
    venue.must(c.Cancel(1, first))
    assert left(venue.must(c.EndSession(session)), CancelReason.DISCONNECTED) == [second]
    venue.check_history()


def test_a_restart_ends_every_connection_in_one_record(venue: Venue) -> None:
    venue.must(c.SwitchAccount(2, True))
    sessions = [connect(venue, switch) for switch in (c.SWITCH_ON, c.AS_ACCOUNT, c.SWITCH_OFF)]
    orders = [enter(venue, account, session) for session in sessions for account in (1, 2)]
    restored = decode(encode(venue.state))
    assert sorted(restored.by_session) == sessions
    events = venue.must(c.EndAllSessions())
    assert left(events, CancelReason.DISCONNECTED) == [*orders[:2], orders[3]]
    assert not venue.state.sessions
    assert not venue.state.purges
    venue.check_history()


def test_a_purge_goes_by_bounded_records_and_nothing_of_it_trades_meanwhile(venue: Venue, monkeypatch: Any) -> None:
    monkeypatch.setattr(purging, "CANCELS_MAX", 2)
    session = connect(venue, c.SWITCH_ON)
    orders = [enter(venue, 1, session) for _ in range(5)]
    assert left(venue.must(c.EndSession(session)), CancelReason.DISCONNECTED) == orders[:2]
    half = decode(encode(venue.state))
    assert encode(half) == encode(venue.state)
    auth = venue.auth(2, CALL, False, 10_000, 800 * USDC)
    assert left(venue.must(c.Place(auth)), CancelReason.DISCONNECTED) == orders[2:]
    assert not venue.state.series[CALL].volume
    assert [type(event) for event in venue.must(c.Proceed())] == [e.Applied, e.Purged]
    assert [type(event) for event in venue.must(c.Proceed())] == [e.Applied]
    venue.check_history()


def test_the_doomed_may_be_cancelled_but_not_amended(venue: Venue, monkeypatch: Any) -> None:
    monkeypatch.setattr(purging, "CANCELS_MAX", 1)
    session = connect(venue, c.SWITCH_ON)
    _, second, third = [enter(venue, 1, session) for _ in range(3)]
    venue.must(c.EndSession(session))
    change = c.Amend(second, venue.amend_auth(second, 5_000, 800 * USDC))
    assert venue.rejected(change) is Reject.ORDER_MUST_BE_OPEN
    venue.must(c.Cancel(1, second))
    assert left(venue.must(c.Tick()), CancelReason.DISCONNECTED) == [third]
    assert not venue.state.purges


def test_ticks_finish_what_one_record_could_not_and_cancel_nothing_twice(venue: Venue, monkeypatch: Any) -> None:
    monkeypatch.setattr(purging, "CANCELS_MAX", 1)
    session = connect(venue, c.SWITCH_ON)
    orders = [enter(venue, 1, session, expiry_s=venue.now_s + 30) for _ in range(3)]
    venue.must(c.EndSession(session))
    venue.wait(30)
    events = venue.must(c.Tick())
    assert left(events, CancelReason.EXPIRED) == orders[1:]
    assert not left(events, CancelReason.DISCONNECTED)
    assert not venue.state.purges


def test_the_dead_mans_timer_fires_by_the_time_of_the_record(venue: Venue) -> None:
    venue.must(c.SetTimer(1, 20_000))
    order_id, other = enter(venue, 1, 0), enter(venue, 2, 0)
    venue.wait(19)
    assert venue.must(c.Tick()) == (e.Applied(),)
    venue.wait(1)
    events = venue.must(c.Tick())
    assert events[0] == e.TimerFired(1)
    assert left(events, CancelReason.DEAD_MAN) == [order_id]
    assert list(venue.state.orders) == [other]
    assert not venue.state.timers


def test_a_timer_set_again_in_time_does_not_fire_and_zero_stops_it(venue: Venue) -> None:
    order_id = enter(venue, 1, 0)
    for _ in range(5):
        venue.must(c.SetTimer(1, 20_000))
        venue.wait(19)
        assert venue.must(c.Tick()) == (e.Applied(),)
    venue.must(c.SetTimer(1, 0))
    venue.wait(100)
    assert venue.must(c.Tick()) == (e.Applied(),)
    assert order_id in venue.state.orders


def test_from_its_moment_on_nothing_old_trades_and_what_comes_after_stays(venue: Venue) -> None:
    """Between the moment and the next tick: makers are passed over, and the account that is back starts afresh."""
    venue.must(c.SetTimer(1, 20_000))
    old, older = enter(venue, 1, 0), enter(venue, 1, 0, 799 * USDC)
    venue.wait(20)
    sold = venue.place(2, CALL, False, 10_000, 800 * USDC)
    assert left(sold, CancelReason.DEAD_MAN) == [old]
    assert type(sold[-1]) is e.Rested
    events = venue.must(c.Place(venue.auth(1, CALL, True, 10_000, 798 * USDC)))
    assert events[0] == e.TimerFired(1)
    new = venue.state.seq
    assert left(venue.must(c.Tick()), CancelReason.DEAD_MAN) == [older]
    assert new in venue.state.orders
    venue.check_history()


def test_a_timer_renewed_too_late_has_fired_first(venue: Venue) -> None:
    order_id = enter(venue, 1, 0)
    venue.must(c.SetTimer(1, 1_000))
    venue.wait(1)
    assert venue.must(c.SetTimer(1, 20_000)) == (e.TimerFired(1), e.Applied())
    assert venue.state.timers == {1: venue.time_ns + 20 * 10**9}
    assert left(venue.must(c.Proceed()), CancelReason.DEAD_MAN) == [order_id]


def test_a_spared_order_amended_after_the_timer_fired_is_the_living_traders(venue: Venue) -> None:
    venue.place(2, CALL, True, 10_000, 900 * USDC)
    venue.place(1, CALL, False, 10_000, 900 * USDC)
    closing = enter(venue, 1, 0, reduce_only=True)
    venue.must(c.SetTimer(1, 1_000))
    venue.wait(1)
    venue.must(c.Amend(closing, venue.amend_auth(closing, 10_000, 800 * USDC, reduce_only=False)))
    assert not left(venue.must(c.Tick()), CancelReason.DEAD_MAN)
    assert closing in venue.state.orders


def test_a_timer_runs_for_at_most_a_day(venue: Venue) -> None:
    assert venue.do(c.SetTimer(1, 86_400_001)) == (
        e.Rejected(Reject.TIMER_MUST_FIT, 86_400_001, presence.TIMER_MAX_MS),
    )
    venue.must(c.SetTimer(1, presence.TIMER_MAX_MS))


def test_more_timers_than_one_tick_fires_all_bind_at_once(venue: Venue, monkeypatch: Any) -> None:
    monkeypatch.setattr(presence, "FIRED_MAX", 1)
    orders = [enter(venue, account, 0) for account in (1, 2)]
    for account in (1, 2):
        venue.must(c.SetTimer(account, 1_000))
    venue.wait(1)
    assert left(venue.must(c.Tick()), CancelReason.DEAD_MAN) == orders[:1]
    change = c.Amend(orders[1], venue.amend_auth(orders[1], 5_000, 800 * USDC))
    assert venue.rejected(change) is Reject.ORDER_MUST_BE_OPEN
    assert left(venue.must(c.Tick()), CancelReason.DEAD_MAN) == orders[1:]


def test_connections_are_counted(venue: Venue, monkeypatch: Any) -> None:
    monkeypatch.setattr(presence, "SESSIONS_MAX", 1)
    connect(venue)
    assert venue.do(c.OpenSession(wallet(1))) == (e.Rejected(Reject.SESSIONS_MUST_FIT, 1, 1),)
