"""Planted steps of breakers, and orders that a curbed market should not have taken."""

from planting import USDC, Story, planted

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.breakers import Layer, Status
from exchange.core.units import WAD
from replay.checker.rules import Rule

REDUCE_ONLY = c.SetBreaker(c.UNDERLYING, 0, Status.REDUCE_ONLY, 0, "test", "operator")
FEED = c.SetFeed(0, 60, WAD // 2, WAD // 100, 6, 0, "operator")


def felt(story: Story, spot: int = 60_000, conf: int = WAD) -> c.PostRound:
    story.venue.must(FEED)
    story.venue.wait(1)
    return story.venue.round_of({0: spot * USDC}, conf=conf)


@planted(Rule.BREAKER_MUST_FOLLOW)
def a_breaker_does_not_move_as_ordered(story: Story) -> None:
    story.change(REDUCE_ONLY, lambda events: events[:1])


@planted(Rule.REFUSAL_MUST_HOLD)
def a_breaker_that_could_move_is_not_moved(story: Story) -> None:
    story.plant(REDUCE_ONLY, e.Rejected(e.Reject.BREAKER_MUST_MOVE, 2, 2))


@planted(Rule.BREAKER_MUST_FOLLOW)
def a_thin_round_degrades_nothing(story: Story) -> None:
    story.change(felt(story, conf=WAD // 4), lambda events: events[:1])


@planted(Rule.BREAKER_MUST_FOLLOW)
def a_feed_falls_silent_unheard(story: Story) -> None:
    story.venue.must(FEED)
    story.venue.wait(61)
    story.change(c.Tick(), lambda events: events[-1:])


@planted(Rule.BREAKER_MUST_FOLLOW)
def a_halt_without_a_reason(story: Story) -> None:
    moved = e.BreakerMoved(c.UNDERLYING, 0, Layer.FEED, 0, 4, e.BreakerCause.FEED_WORSE, e.Authority.MACHINE)
    story.change(c.Tick(), lambda events: (moved, *events))


@planted(Rule.ADMISSION_MUST_HOLD)
def a_market_that_only_reduces_takes_an_order_that_opens(story: Story) -> None:
    story.venue.must(REDUCE_ONLY)
    story.plant(story.order("buy", 500), e.Accepted(story.seq), e.Rested(story.seq, 500 * USDC))
