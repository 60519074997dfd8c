"""The machine will not take an order that can take before its delay has passed: whoever stamps must hold it back. # M08"""

from typing import Any

import pytest
from core_venue import USDC, Venue, configuration, series_named, standard_venue

from exchange.core import admission
from exchange.core import commands as c
from exchange.core.events import Accepted, Amended
from exchange.core.listing import TAKER_DELAY_MAX
from exchange.core.state import decode, digest, encode

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
