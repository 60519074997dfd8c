"""Planted outcomes of quotes and of who is there: budgets, protection, connections, timers, kill switches."""

from typing import Any

import msgspec
from planting import CALL, ONE, OTHER, USDC, Story, instead, planted, without

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.events import CancelReason as Why
from exchange.core.events import Reject
from exchange.core.units import NO_EXPIRY
from replay.checker.rules import Rule

OPERATOR = b"p" * 20


def quoting(story: Story, **bounds: Any) -> list[int]:
    """Account 1 quotes one contract on both sides of two series; the numbers of its quotes."""
    fields = {"interval_ns": 10**10, "frozen_ns": 0, "qty": 0, "delta": 0, "vega": 0, "count": 0}
    budget = {name: bounds.pop(f"budget_{name}", 0) for name in ("qty", "delta", "vega", "count")}
    story.venue.must(c.SetProtection(1, "front", c.Protection(**(fields | bounds))))
    events = story.venue.must(message(**budget))
    return [event.order_id for event in events if type(event) is e.Quoted]


def message(nonce: int = 1_000, **budget: int) -> c.MassQuote:
    """Bids at 880 and offers at 900 in two series."""
    figures = {"qty": 0, "delta": 0, "vega": 0, "count": 0} | budget
    mandate = c.QuoteMandate(1, nonce, NO_EXPIRY, 10_000 * USDC, *figures.values(), (1).to_bytes(20, "big"), b"s" * 65)
    leaves = [
        c.QuoteLeaf(series, is_buy, ONE, price * USDC, 5_000, 10**6)
        for series in (CALL, OTHER)
        for is_buy, price in ((False, 900), (True, 880))
    ]
    return c.MassQuote(mandate, tuple(leaves), "front")


def mandated() -> Story:
    """A venue whose contracts know mandates."""
    return Story(mandates=True)


# -- quotes -----------------------------------------------------------------------------------------------------------


@planted(Rule.PROTECTION_MUST_TRIP, mandated)
def a_group_goes_on_beyond_its_bound(story: Story) -> None:
    quoting(story, count=1)
    story.change(story.order("buy", 900), lambda events: events[:2])


@planted(Rule.PROTECTION_MUST_TRIP, mandated)
def one_quote_survives_the_bound_of_its_group(story: Story) -> None:
    quoting(story, qty=ONE)
    story.change(story.order("buy", 900), without(e.Cancelled, 1))


def sheltered(story: Story, price: int) -> c.Place:
    """Account 1 sells one contract under the protection of its group."""
    return story.order("sell", price, account=1, post_only=True, terms=c.Terms(protection="front", delta=5_000))


@planted(Rule.PROTECTION_MUST_TRIP, mandated)
def an_order_that_is_no_quote_survives_the_bound_of_its_group(story: Story) -> None:
    quoting(story, qty=ONE)
    story.venue.must(sheltered(story, 910))
    story.change(story.order("buy", 900), without(e.Cancelled, 3))


@planted(Rule.PROTECTION_MUST_TRIP, mandated)
def an_order_that_is_no_quote_counts_nowhere(story: Story) -> None:
    quoting(story, delta=4_000)
    story.venue.must(sheltered(story, 895))
    story.change(story.order("buy", 895), lambda events: events[:2])


@planted(Rule.ADMISSION_MUST_HOLD, mandated)
def an_order_enters_a_frozen_group(story: Story) -> None:
    quoting(story, qty=ONE)
    story.venue.must(story.order("buy", 900))
    story.change(sheltered(story, 950), lambda _: (e.Accepted(story.seq), e.Rested(story.seq, 950 * USDC)))


@planted(Rule.PROTECTION_MUST_TRIP, mandated)
def another_figure_is_told(story: Story) -> None:
    quoting(story, delta=4_000)
    story.change(story.order("buy", 900), instead(e.ProtectionTriggered, value=4_000))


@planted(Rule.PROTECTION_MUST_TRIP, mandated)
def a_mandate_goes_on_beyond_its_budget(story: Story) -> None:
    quoting(story, budget_qty=ONE)
    story.change(story.order("buy", 900), without(e.Cancelled))


@planted(Rule.CANCEL_MUST_HAVE_A_REASON, mandated)
def quotes_leave_for_a_bound_that_was_not_reached(story: Story) -> None:
    _, bid, *_ = quoting(story, count=5)
    gone = e.Cancelled(bid, Why.QUOTE_PROTECTION, ONE)
    story.change(story.order("buy", 900), lambda events: (*events, gone))


@planted(Rule.AMEND_MUST_QUEUE_BY_RULE, mandated)
def a_quote_that_stands_loses_its_place(story: Story) -> None:
    quoting(story)
    story.change(message(1_001), lambda events: tuple(_told(event, e.Quoted, kept=False) for event in events))


@planted(Rule.CANCEL_MUST_BE_COMPLETE, mandated)
def an_old_quote_stays_beside_the_new_ones(story: Story) -> None:
    quoting(story)
    again = message(1_001)
    crossing = (c.QuoteLeaf(CALL, True, ONE, 901 * USDC, 5_000, 10**6), *again.leaves[1:])
    story.rest(2, "sell", 901)
    story.change(msgspec.structs.replace(again, leaves=crossing), without(e.Cancelled))


@planted(Rule.ADMISSION_MUST_HOLD, mandated)
def a_quote_crosses(story: Story) -> None:
    quoting(story)
    story.rest(2, "sell", 890)
    again = message(1_001)
    leaf = c.QuoteLeaf(CALL, True, ONE, 895 * USDC, 5_000, 10**6)
    held = sorted(story.venue.state.accounts[1].quotes["front"].items())
    ask, bid = (order for _, order in held if order.series == CALL)
    events = (
        e.MassQuoted(story.seq),
        e.Cancelled(ask.id, Why.QUOTE_REPLACED, ONE),
        e.Quoted(0, bid.id, False),
    )
    story.plant(msgspec.structs.replace(again, leaves=(leaf,)), *events)


@planted(Rule.REFUSAL_MUST_HOLD, mandated)
def a_leaf_is_refused_for_nothing(story: Story) -> None:
    quoting(story)
    leaf = c.QuoteLeaf(CALL, True, ONE, 870 * USDC, 5_000, 10**6)
    command = msgspec.structs.replace(message(1_001), leaves=(leaf,))
    refused = e.QuoteRefused(0, Reject.POST_ONLY_MUST_NOT_CROSS)
    held = [order for _, order in sorted(story.venue.state.accounts[1].quotes["front"].items()) if order.series == CALL]
    gone = [e.Cancelled(order.id, Why.QUOTE_REPLACED, ONE) for order in held]
    story.plant(command, e.MassQuoted(story.seq), *gone, refused)


@planted(Rule.ADMISSION_MUST_HOLD, mandated)
def a_frozen_group_quotes(story: Story) -> None:
    quoting(story)
    story.venue.must(c.FreezeQuotes(1, "front", True))
    standing = tuple(e.Quoted(leaf, 1 << 62 | story.seq << 8 | leaf, False) for leaf in range(4))
    story.plant(message(1_001), e.MassQuoted(story.seq), *standing)


@planted(Rule.CANCEL_MUST_BE_COMPLETE, mandated)
def a_quote_survives_the_freeze(story: Story) -> None:
    quoting(story)
    story.change(c.FreezeQuotes(1, "front", True), without(e.Cancelled, 2))


@planted(Rule.CANCEL_MUST_HAVE_A_REASON, mandated)
def quotes_of_another_series_are_cancelled(story: Story) -> None:
    *_, other = quoting(story)
    gone = e.Cancelled(other, Why.BY_OWNER, ONE)
    story.change(c.CancelQuotes(1, "front", CALL), lambda events: (*events, gone))


# -- who is there -----------------------------------------------------------------------------------------------------


def connected(story: Story) -> tuple[int, int]:
    """A connection that wants its orders gone with it, and an order entered through it."""
    story.venue.must(c.OpenSession((1).to_bytes(20, "big")))
    session = story.venue.state.seq
    story.venue.must(c.SwitchSession(session, c.SWITCH_ON))
    story.venue.must(msgspec.structs.replace(story.order("sell", 900, account=1), session=session))
    return session, story.venue.state.seq


@planted(Rule.CANCEL_MUST_BE_COMPLETE)
def an_order_survives_its_connection(story: Story) -> None:
    session, _ = connected(story)
    story.change(c.EndSession(session), without(e.Cancelled))


@planted(Rule.CANCEL_MUST_HAVE_A_REASON)
def an_order_leaves_with_a_connection_that_is_not_its_own(story: Story) -> None:
    other = story.rest(2, "sell", 910)
    session, _ = connected(story)
    gone = e.Cancelled(other, Why.DISCONNECTED, ONE)
    story.change(c.EndSession(session), lambda events: (events[0], gone, *events[1:]))


@planted(Rule.CANCEL_MUST_HAVE_A_REASON)
def a_reduce_only_order_leaves_with_its_connection(story: Story) -> None:
    story.hold(1, "buy", ONE)
    session, _ = connected(story)
    order = story.order("sell", 950, account=1, reduce_only=True)
    story.venue.must(msgspec.structs.replace(order, session=session))
    gone = e.Cancelled(story.venue.state.seq, Why.DISCONNECTED, ONE)
    story.change(c.EndSession(session), lambda events: (*events[:2], gone, *events[2:]))


@planted(Rule.TIMER_MUST_FIRE)
def a_timer_does_not_fire(story: Story) -> None:
    story.rest(1, "sell", 900)
    story.venue.must(c.SetTimer(1, 1_000))
    story.venue.wait(1)
    story.change(c.Tick(), lambda events: events[-1:])


@planted(Rule.TIMER_MUST_FIRE)
def a_timer_fires_too_early(story: Story) -> None:
    story.venue.must(c.SetTimer(1, 2_000))
    story.venue.wait(1)
    story.change(c.Tick(), lambda events: (e.TimerFired(1), e.Purged(2, 1, b""), *events))


@planted(Rule.MAKER_MUST_NOT_BE_PURGED)
def an_order_trades_after_its_timer(story: Story) -> None:
    maker = story.rest(1, "sell", 900)
    story.venue.must(c.SetTimer(1, 1_000))
    story.venue.wait(1)
    story.plant(story.order("buy", 900), e.Accepted(story.seq), story.fill(maker, 900))


@planted(Rule.CANCEL_MUST_BE_COMPLETE)
def one_order_survives_the_kill_switch(story: Story) -> None:
    story.book()
    story.change(c.PullKill(c.KILL_VENUE, 0, b"", OPERATOR, "test"), without(e.Cancelled, 1))


@planted(Rule.ADMISSION_MUST_HOLD)
def an_order_enters_under_the_kill_switch(story: Story) -> None:
    story.venue.must(c.PullKill(c.KILL_ACCOUNT, 4, b"", OPERATOR, "test"))
    story.plant(story.order("buy", 870), e.Accepted(story.seq), e.Rested(story.seq, 870 * USDC))


@planted(Rule.ADMISSION_MUST_HOLD)
def a_stranger_pulls_the_kill_switch(story: Story) -> None:
    story.plant(c.PullKill(c.KILL_ACCOUNT, 1, b"", b"x" * 20, "test"), e.Applied(), e.Purged(3, 1, b""))


@planted(Rule.REFUSAL_MUST_HOLD)
def an_order_is_refused_for_a_switch_nobody_pulled(story: Story) -> None:
    story.plant(story.order("buy", 870), e.Rejected(Reject.KILL_SWITCH_MUST_BE_RELEASED))


def _told(event: Any, kind: type, **changes: Any) -> Any:
    return msgspec.structs.replace(event, **changes) if type(event) is kind else event
