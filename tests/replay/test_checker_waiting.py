"""The checker on takers that were let through early, or out of turn, in journals the machine would or would not write."""

import pytest
from msgspec.structs import replace
from planting import USDC, Story

from exchange.core import commands as c
from exchange.core import events as e
from replay.checker import Checker
from replay.checker.rules import Rule

DELAY = 50_000_000


def found(story: Story) -> list[tuple[Rule, int]]:
    checker = Checker()
    for record in story.log:
        checker.take(*record)
    return [(violation.rule, violation.seq) for violation in checker.finish().violations]


@pytest.fixture
def story() -> Story:
    """Offers that only rest, at a venue that holds takers back."""
    made = Story(taker_delay_ns=DELAY)
    for price in (900, 901, 902):
        made.rest(1, "sell", price, post_only=True)
    return made


def taker(story: Story, arrived_ns: int, price: int = 900) -> c.Place:
    return replace(story.order("buy", price), arrived_ns=arrived_ns)


def test_takers_that_waited_in_turn_are_in_order(story):
    due_ns = story.venue.time_ns - DELAY
    for arrived_ns in (due_ns - 2, due_ns - 1, due_ns - 1):
        story.venue.must(taker(story, arrived_ns, 902))
    assert found(story) == []


@pytest.mark.parametrize("early_ns", [1, DELAY, 2 * DELAY])
def test_a_taker_that_was_let_through_early(story, early_ns):
    """Such a record stops the machine that replays it; the checker says what is wrong with it."""
    maker = story.seq - 3
    command = taker(story, story.venue.time_ns - DELAY + early_ns)
    story.plant(command, e.Accepted(story.seq), story.fill(maker, 900))
    assert found(story) == [(Rule.TAKER_MUST_HAVE_WAITED, story.seq)]


def test_a_taker_of_which_nobody_says_when_it_came(story):
    maker = story.seq - 3
    story.plant(taker(story, 0), e.Accepted(story.seq), story.fill(maker, 900))
    assert found(story) == [(Rule.TAKER_MUST_HAVE_WAITED, story.seq)]


def test_a_taker_that_overtook_another(story):
    """The machine does not remember arrivals; the journal does."""
    due_ns = story.venue.time_ns - DELAY
    story.venue.must(taker(story, due_ns))
    story.venue.must(taker(story, due_ns - 1, 901))
    assert found(story) == [(Rule.TAKERS_MUST_KEEP_THEIR_ORDER, story.venue.state.seq)]


def test_amendments_wait_in_the_same_line(story):
    order_id = story.rest(4, "buy", 800, post_only=True)
    due_ns = story.venue.time_ns - DELAY
    story.venue.must(taker(story, due_ns))
    auth = story.venue.amend_auth(order_id, 10_000, 801 * USDC, post_only=False)
    story.venue.must(c.Amend(order_id, auth, arrived_ns=due_ns - 5))
    assert found(story) == [(Rule.TAKERS_MUST_KEEP_THEIR_ORDER, story.venue.state.seq)]


def stopped(story: Story, *, post_only: bool = False) -> int:
    """An order that waits for the index to rise, and the rise; its number."""
    terms = c.Terms(trigger=c.INDEX, trigger_above=True, trigger_price=63_000 * USDC)
    place = replace(story.order("buy", 880, terms=terms, post_only=post_only), arrived_ns=story.venue.time_ns - DELAY)
    story.venue.must(place)
    number = story.venue.state.seq
    story.venue.wait(1)
    story.venue.round(63_000)
    return number


@pytest.mark.parametrize("early_ns", [0, 1, DELAY])
def test_a_stop_that_fired_before_it_had_waited(story, early_ns):
    """The same record is in order once the delay is over."""
    number = stopped(story)
    fact = story.venue.state.seq
    story.venue.time_ns += DELAY - early_ns
    story.plant(c.Fire(number), e.Triggered(number, 63_000 * USDC, fact), e.Rested(number, 880 * USDC))
    assert found(story) == ([(Rule.TAKER_MUST_HAVE_WAITED, story.seq)] if early_ns else [])


def test_a_stop_that_only_makes_waits_for_nothing(story):
    story.venue.must(c.Fire(stopped(story, post_only=True)))
    assert found(story) == []
