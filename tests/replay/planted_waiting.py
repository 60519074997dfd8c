"""Planted outcomes of orders that wait for a price."""

from planting import CALL, ONE, USDC, Story, planted

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.events import CancelReason as Why
from replay.checker.rules import Rule


def waiting(story: Story) -> tuple[int, int]:
    """An order of 1 that waits until the mark has doubled; its number, and the mark."""
    view = story.venue.state.view
    assert view is not None
    mark = view.marks[CALL]
    terms = c.Terms(trigger=c.MARK, trigger_price=2 * mark, trigger_above=True)
    story.venue.must(story.order("buy", 880, account=1, terms=terms))
    return story.venue.state.seq, mark


@planted(Rule.TRIGGER_MUST_BE_REACHED)
def an_order_enters_before_its_price(story: Story) -> None:
    order, mark = waiting(story)
    entered = e.Triggered(order, mark, story.seq - 1)
    story.plant(c.Fire(order), entered, e.Rested(order, 880 * USDC))


@planted(Rule.TRIGGER_MUST_BE_REACHED)
def an_order_enters_at_a_price_nobody_has_seen_yet(story: Story) -> None:
    order, mark = waiting(story)
    entered = e.Triggered(order, 2 * mark, story.seq)
    story.plant(c.Fire(order), entered, e.Rested(order, 880 * USDC))


@planted(Rule.TRIGGER_MUST_BE_REACHED)
def an_order_that_stands_fires(story: Story) -> None:
    order = story.rest(1, "buy", 880)
    story.plant(c.Fire(order), e.Triggered(order, 1, story.seq - 1), e.Rested(order, 880 * USDC))


@planted(Rule.MAKER_MUST_BE_OPEN)
def an_order_trades_while_it_waits(story: Story) -> None:
    order, _ = waiting(story)
    story.plant(story.order("sell", 880), e.Accepted(story.seq), story.fill(order, 880))


@planted(Rule.CANCEL_MUST_HAVE_A_REASON)
def an_order_ends_at_its_trigger_for_nothing(story: Story) -> None:
    order, _ = waiting(story)
    story.plant(c.Fire(order), e.Cancelled(order, Why.EXPIRED, ONE))


@planted(Rule.CANCEL_MUST_HAVE_A_REASON)
def an_order_that_came_alone_ends_with_others(story: Story) -> None:
    order, _ = waiting(story)
    story.change(story.order("buy", 870), lambda events: (*events, e.Cancelled(order, Why.LINKED, ONE)))


@planted(Rule.EVENTS_MUST_FIT)
def an_order_that_should_wait_stands(story: Story) -> None:
    terms = c.Terms(trigger=c.MARK, trigger_price=10**12, trigger_above=True)
    order = story.order("buy", 880, terms=terms)
    story.plant(order, e.Accepted(story.seq), e.Rested(story.seq, 880 * USDC))
