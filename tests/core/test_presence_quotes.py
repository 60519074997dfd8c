"""Quotes and who minds them: they leave with a connection, a timer, a switch, and come back by being quoted anew. # M11"""

import msgspec
from core_quotes import CALL, MAKER, PUT, ask, bid, mandate, quoting_venue
from core_venue import Venue, wallet

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.events import CancelReason, Reject


def send(venue: Venue, *leaves: c.QuoteLeaf, session: int = 0) -> tuple[object, ...]:
    return venue.do(c.MassQuote(mandate(venue), leaves, "front", session=session))


def connect(venue: Venue) -> int:
    venue.must(c.OpenSession(wallet(MAKER)))
    session = venue.state.seq
    venue.must(c.SwitchSession(session, c.SWITCH_ON))
    return session


def reasons(events: tuple[object, ...]) -> list[CancelReason]:
    return [event.reason for event in events if isinstance(event, e.Cancelled)]


def test_quotes_leave_with_the_connection_that_quoted_last() -> None:
    venue = quoting_venue()
    first, second = connect(venue), connect(venue)
    send(venue, bid(CALL, 1, 800), ask(PUT, 1, 2_000), session=first)
    send(venue, bid(CALL, 1, 800), session=second)
    assert reasons(venue.must(c.EndSession(first))) == [CancelReason.DISCONNECTED]
    assert [order.series for order in venue.state.orders.values()] == [CALL]
    assert reasons(venue.must(c.EndSession(second))) == [CancelReason.DISCONNECTED]
    venue.check()
    venue.check_history()


def test_a_message_of_a_connection_that_ended_quotes_nothing() -> None:
    venue = quoting_venue()
    session = connect(venue)
    venue.must(c.EndSession(session))
    (refused,) = send(venue, bid(CALL, 1, 800), session=session)
    assert isinstance(refused, e.Rejected)
    assert refused.reason is Reject.SESSION_MUST_BE_OPEN


def test_a_maker_who_is_back_after_the_timer_quotes_anew_where_the_old_quote_stands() -> None:
    """The same price and less quantity would have kept its place; but the old quote was on its way out."""
    venue = quoting_venue()
    send(venue, bid(CALL, 2, 800), ask(PUT, 1, 2_000))
    venue.must(c.SetTimer(MAKER, 1_000))
    venue.wait(1)
    events = send(venue, bid(CALL, 1, 800))
    assert events[0] == e.TimerFired(MAKER)
    assert [event.kept for event in events if isinstance(event, e.Quoted)] == [False]
    assert reasons(venue.must(c.Tick())) == [CancelReason.DEAD_MAN]
    assert [order.series for order in venue.state.orders.values()] == [CALL]


def test_a_switch_takes_quotes_and_refuses_messages_and_quoted_places_are_free_again() -> None:
    venue = quoting_venue()
    send(venue, bid(CALL, 1, 800), ask(CALL, 1, 2_000))
    pulled = c.PullKill(c.KILL_ACCOUNT, MAKER, b"", wallet(MAKER), "test")
    assert reasons(venue.must(pulled)) == [CancelReason.KILL_SWITCH] * 2
    (refused,) = send(venue, bid(CALL, 1, 800))
    assert isinstance(refused, e.Rejected)
    assert refused.reason is Reject.KILL_SWITCH_MUST_BE_RELEASED
    venue.must(c.ReleaseKill(*msgspec.structs.astuple(pulled)))
    assert any(isinstance(event, e.Quoted) for event in send(venue, bid(CALL, 1, 800)))
    venue.check()
