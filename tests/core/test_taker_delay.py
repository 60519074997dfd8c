"""The machine will not take an order that can take before its delay has passed: whoever stamps must hold it back. # M08"""

from typing import Any

import pytest
from core_venue import USDC, Venue, configuration, series_named, standard_venue

from exchange.core import admission, firing
from exchange.core import commands as c
from exchange.core.events import Accepted, Amended, Parked, Reject, Rested, Triggered
from exchange.core.images import decode, digest, encode
from exchange.core.listing import TAKER_DELAY_MAX

DELAY = 50_000_000
CALL = series_named("62000C")
ME, MAKER = 1, 2


@pytest.fixture
def venue() -> Venue:
    """Two accounts with money, and a venue that holds takers back for 50 ms."""
    made = standard_venue(taker_delay_ns=DELAY)
    for account in (ME, MAKER):
        made.fund(account, 100_000)
    return made


def order(venue: Venue, arrived_ns: int, **terms: Any) -> c.Place:
    return c.Place(venue.auth(ME, CALL, True, 10_000, 900 * USDC, **terms), arrived_ns=arrived_ns)


@pytest.mark.parametrize("early_ns", [1, DELAY // 2, DELAY, DELAY + 1])
def test_an_order_that_comes_early_stops_the_machine(venue, early_ns):
    """Whatever is said of its arrival: later than it could be, in the future, or nothing at all."""
    with pytest.raises(AssertionError):
        venue.do(order(venue, venue.time_ns - DELAY + early_ns))
    with pytest.raises(AssertionError):
        venue.do(order(venue, 0))


@pytest.mark.parametrize("late_ns", [0, 1, 10**9])
def test_an_order_that_has_waited_is_taken(venue, late_ns):
    assert type(venue.do(order(venue, venue.time_ns - DELAY - late_ns))[0]) is Accepted


def test_an_order_that_only_rests_need_not_wait(venue):
    assert type(venue.do(order(venue, 0, post_only=True))[0]) is Accepted


def test_an_amendment_is_held_to_the_same(venue):
    order_id = venue.state.seq + 1
    venue.must(order(venue, 0, post_only=True))
    for arrived_ns, post_only, is_taken in ((0, False, False), (0, True, True), (venue.time_ns - DELAY, False, True)):
        auth = venue.amend_auth(order_id, 20_000 + arrived_ns % 2 * 100, 901 * USDC, post_only=post_only)
        command = c.Amend(order_id, auth, arrived_ns=arrived_ns)
        if is_taken:
            assert type(venue.do(command)[0]) is Amended
        else:
            with pytest.raises(AssertionError):
                venue.do(command)


def test_without_a_delay_nobody_asks_when_it_came():
    venue = standard_venue()
    venue.fund(ME, 100_000)
    assert type(venue.do(order(venue, 0))[0]) is Accepted


def test_the_delay_is_in_the_image_of_the_state(venue):
    restored = decode(encode(venue.state))
    assert restored.config is not None
    assert (restored.config.taker_delay_ns, digest(restored)) == (DELAY, digest(venue.state))


@pytest.mark.parametrize("delay_ns", [-1, TAKER_DELAY_MAX + 1])
def test_a_venue_that_would_hold_orders_back_for_longer_is_not_opened(delay_ns):
    with pytest.raises(AssertionError):
        Venue().do(configuration(taker_delay_ns=delay_ns))
    Venue().must(configuration(taker_delay_ns=TAKER_DELAY_MAX))


# -- orders that waited for a price ---------------------------------------------------------------------------------------


def waiting(venue: Venue, usdc: int, **terms: Any) -> int:
    """An order that waits for the index to rise so far; its number."""
    trigger = c.Terms(trigger=c.INDEX, trigger_above=True, trigger_price=usdc * USDC)
    place = order(venue, venue.time_ns - DELAY, terms=trigger, **terms)
    assert type(venue.do(place)[-1]) is Parked
    return venue.state.seq


def reach(venue: Venue, usdc: int) -> None:
    """The index rises."""
    venue.wait(1)
    venue.round(usdc)


def test_a_stop_that_can_take_waits_behind_the_price_that_reached_it(venue):
    """To the nanosecond; a cancel of the maker gets through meanwhile."""
    stop = waiting(venue, 63_000)
    venue.place(MAKER, CALL, False, 10_000, 900 * USDC, post_only=True)
    offer = venue.state.seq
    reach(venue, 63_000)
    assert firing.wakes_ns(venue.state) == venue.time_ns + DELAY
    for early_ns in (DELAY, 1):
        venue.time_ns += DELAY - early_ns if early_ns == 1 else 0
        assert firing.ready(venue.state, venue.time_ns) == 0
        assert venue.rejected(c.Fire(stop)) is Reject.TRIGGER_MUST_BE_DUE
    venue.must(c.Cancel(MAKER, offer))
    venue.time_ns += 1
    assert firing.ready(venue.state, venue.time_ns) == stop
    assert [type(event) for event in venue.must(c.Fire(stop))] == [Triggered, Rested]
    venue.check()
    venue.check_history()


def test_one_that_only_makes_enters_at_once_and_past_those_that_wait(venue):
    stops = [waiting(venue, 63_000), waiting(venue, 63_000, post_only=True), waiting(venue, 63_000)]
    reach(venue, 63_000)
    assert firing.ready(venue.state, venue.time_ns) == stops[1]
    venue.must(c.Fire(stops[1]))
    assert firing.ready(venue.state, venue.time_ns) == 0
    assert firing.ready(venue.state, venue.time_ns + DELAY) == stops[0]
    restored = decode(encode(venue.state))
    lines, again = ({key: list(line) for key, line in state.due_lines.items()} for state in (venue.state, restored))
    assert (again, firing.wakes_ns(restored)) == (lines, firing.wakes_ns(venue.state))
    venue.check()


def test_a_stop_that_is_edited_while_it_waits_begins_to_wait_anew(venue):
    stop = waiting(venue, 63_000)
    reach(venue, 63_000)
    venue.time_ns += DELAY - 1
    trigger = c.Terms(trigger=c.INDEX, trigger_above=True, trigger_price=64_000 * USDC)
    auth = venue.amend_auth(stop, 10_000, 899 * USDC, terms=trigger)
    venue.must(c.Amend(stop, auth, arrived_ns=venue.time_ns - DELAY))
    assert not venue.state.due
    assert not venue.state.due_lines
    reach(venue, 64_000)
    assert firing.wakes_ns(venue.state) == venue.time_ns + DELAY
    venue.check()


def test_what_waits_in_a_series_that_is_stopped_does_not_wake_anybody(venue):
    stop = waiting(venue, 63_000)
    reach(venue, 63_000)
    venue.must(c.SetPhase(c.SERIES, CALL, c.HALTED, 0, 0, "test", "test"))
    assert firing.wakes_ns(venue.state) is None
    assert firing.ready(venue.state, venue.time_ns + 2 * DELAY) == 0
    venue.must(c.Cancel(ME, stop))
    assert not venue.state.due_lines
    venue.check()


EARLY, LATE, UNSAID, RESTS = range(4)


def is_taken(venue: Venue, case: int) -> bool:
    """Whether the machine takes an order that came a nanosecond too late to be let through now, just in time, and so on."""
    arrived_ns = (venue.time_ns - DELAY + 1, venue.time_ns - DELAY, 0, 0)[case]
    try:
        venue.do(order(venue, arrived_ns, post_only=case == RESTS))
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize(
    ("broken", "wrong"),
    [
        (lambda *_: True, [EARLY, UNSAID]),
        (lambda _state, command, _now: command.auth.post_only or command.arrived_ns > 0, [EARLY]),
        (lambda _state, command, now: command.auth.post_only or command.arrived_ns < now - DELAY, [LATE, UNSAID]),
        (lambda _state, command, now: 0 < command.arrived_ns <= now - DELAY, [RESTS]),
    ],
)
def test_a_machine_without_the_rule_is_noticed(venue, monkeypatch, broken, wrong):
    """Each case that a broken rule answers otherwise, and no case that the true one does."""
    cases, true = (EARLY, LATE, UNSAID, RESTS), [False, True, False, True]
    assert [is_taken(venue, case) for case in cases] == true
    monkeypatch.setattr(admission, "has_waited", broken)
    assert [case for case in cases if is_taken(venue, case) is not true[case]] == wrong
