"""Planted outcomes of combos: legs that fill alone or otherwise, prices and fees that are not theirs, who is passed over."""

from collections.abc import Callable
from typing import Any

import msgspec
from planting import CALL, ONE, OTHER, Events, Story, instead, planted

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.events import CancelReason as Why
from replay.checker.rules import Rule

LOW, UP = sorted((CALL, OTHER))


def spreads() -> Story:
    """The spread of two calls is listed; 3 offers the lower leg at 1,200, 2 bids 560 for the upper one: 640 in sum."""
    story = Story(combos=True)
    story.venue.list_combo((LOW, 1), (UP, -1))
    story.rest(3, "sell", 1_200, series=LOW)
    story.rest(2, "buy", 560, series=UP)
    return story


def buys(story: Story, price: int = 640, qty: int = ONE, **terms: Any) -> c.Place:
    """4 buys the spread."""
    return story.order("buy", price, qty, series=1, **terms)


def offers(story: Story, price: int, qty: int = ONE) -> int:
    """1 offers the spread; the number of the order."""
    return story.rest(1, "sell", price, qty, series=1)


def fills(change: Callable[[int, e.Traded], e.Traded]) -> Callable[[Events], Events]:
    """Changes trades by their places among trades."""

    def doctor(events: Events) -> Events:
        places = [at for at, event in enumerate(events) if type(event) is e.Traded]
        return tuple(change(places.index(at), event) if at in places else event for at, event in enumerate(events))

    return doctor


def other(at: int, **changes: Any) -> Callable[[Events], Events]:
    """Changes one trade."""
    return fills(lambda place, event: msgspec.structs.replace(event, **changes) if place == at else event)


# -- all legs or none -------------------------------------------------------------------------------------------------


@planted(Rule.COMBO_MUST_FILL_WHOLE, spreads)
def a_combo_fills_one_leg_only(story: Story) -> None:
    story.change(buys(story, 2_000), lambda events: (events[0], msgspec.structs.replace(events[1], units=ONE)))


@planted(Rule.COMBO_MUST_FILL_WHOLE, spreads)
def a_leg_fills_for_less_than_the_other(story: Story) -> None:
    story.change(buys(story, 2_000), other(1, qty=ONE // 2))


@planted(Rule.COMBO_MUST_FILL_WHOLE, spreads)
def legs_of_one_fill_bear_two_numbers(story: Story) -> None:
    story.change(buys(story), other(1, group=0))


@planted(Rule.COMBO_MUST_FILL_WHOLE, spreads)
def legs_share_out_otherwise_against_a_combo(story: Story) -> None:
    offers(story, 630)
    story.change(buys(story), other(0, qty=ONE // 2))


# -- price, time, and the choice between the books --------------------------------------------------------------------


@planted(Rule.BEST_PRICE_MUST_GO_FIRST, spreads)
def a_worse_book_goes_before_the_legs(story: Story) -> None:
    offers(story, 650)
    story.change(buys(story, 650, ONE // 2), lambda events: _as_if_own(story, events))


def _as_if_own(story: Story, events: Events) -> Events:
    """The same quantity against the combo's own offer, with its fees."""
    from exchange.core.combosweep import leg_fills

    state = story.venue.state
    own = next(order for order in state.orders.values() if order.series == 1)
    first = next(event for event in events if type(event) is e.Traded)
    units = next(event.units for event in events if type(event) is e.Traded and event.units)
    found = leg_fills(state, state.combos[1], own.price, units, own.id)
    assert found is not None
    trades = [
        msgspec.structs.replace(fill, trade_id=first.trade_id + at, group=first.trade_id)
        for at, fill in enumerate(found)
    ]
    return (events[0], *trades)


@planted(Rule.BEST_PRICE_MUST_GO_FIRST, spreads)
def legs_go_before_a_book_that_is_as_good(story: Story) -> None:
    command = buys(story)
    through = story.venue.do(command)
    story.log.pop()
    story.venue.state = _again(story)
    offers(story, 640)
    story.plant(buys(story), *(_renumbered(story, event) for event in through))


def _again(story: Story) -> Any:
    """The state as the log has it."""
    from exchange.core.machine import apply
    from exchange.core.state import State

    state = State()
    for record in story.log:
        apply(state, record.seq, record.time_ns, record.command)
    return state


def _renumbered(story: Story, event: Any) -> Any:
    return e.Accepted(story.seq) if type(event) is e.Accepted else event


@planted(Rule.FIRST_IN_MUST_GO_FIRST, spreads)
def a_later_offer_of_a_leg_goes_first(story: Story) -> None:
    later = story.rest(1, "sell", 1_200, series=LOW)
    story.change(buys(story), other(0, maker_order=later))


@planted(Rule.PRICE_MUST_BE_THE_MAKERS, spreads)
def a_leg_trades_beside_the_price_that_stood_there(story: Story) -> None:
    story.change(buys(story, 650), other(1, price=555 * 10**6))


@planted(Rule.PRICE_MUST_BE_WITHIN_LIMIT, spreads)
def legs_come_to_more_than_the_limit(story: Story) -> None:
    through = story.venue.do(buys(story))
    story.log.pop()
    story.venue.state = _again(story)
    story.plant(buys(story, 639, nonce=50), *(_renumbered(story, event) for event in through))


@planted(Rule.PRICE_MUST_BE_THE_MAKERS, spreads)
def legs_against_a_combo_do_not_come_to_its_price(story: Story) -> None:
    offers(story, 600)
    story.change(buys(story), fills(lambda at, event: msgspec.structs.replace(event, price=event.price - (at == 0))))


@planted(Rule.FEE_MUST_FOLLOW_THE_SCHEDULE, spreads)
def every_leg_is_charged_in_full(story: Story) -> None:
    story.change(buys(story), other(1, taker_fee=24_800_000))


@planted(Rule.POST_ONLY_MUST_NOT_TAKE, spreads)
def a_post_only_combo_takes_from_its_legs(story: Story) -> None:
    through = story.venue.do(buys(story, 700))
    story.log.pop()
    story.venue.state = _again(story)
    low = next(order for order in story.venue.state.orders.values() if order.series == LOW)
    story.venue.must(c.Cancel(3, low.id))
    maker = story.order("buy", 700, ONE, series=1, post_only=True)
    story.venue.must(maker)
    offer = story.order("sell", 1_200, ONE, account=3, series=LOW)
    reached, number = story.venue.state.seq, story.seq
    trades = [
        msgspec.structs.replace(event, taker_order=reached, maker_order=number if at == 0 else event.maker_order)
        for at, event in enumerate(event for event in through if type(event) is e.Traded)
    ]
    told = (e.Accepted(number), e.Rested(number, 1_200 * 10**6), e.Reached(reached), *trades)
    story.plant(offer, *told)


# -- combos that are reached ------------------------------------------------------------------------------------------


def waiting(story: Story) -> tuple[int, c.Place]:
    """A resting bid of 630 for the spread, and the offer of the lower leg that reaches it."""
    resting = story.rest(4, "buy", 630, series=1)
    return resting, story.order("sell", 1_190, ONE, account=3, series=LOW)


@planted(Rule.COMBO_MUST_NOT_STAND_REACHED, spreads)
def a_combo_that_is_reached_stands_still(story: Story) -> None:
    _, offer = waiting(story)
    story.change(offer, lambda events: events[:2])


@planted(Rule.EVENTS_MUST_FIT, spreads)
def a_combo_that_is_reached_waits_without_a_reason(story: Story) -> None:
    _, offer = waiting(story)
    story.change(offer, lambda events: (*events[:2], e.Deferred()))


@planted(Rule.COMBO_MUST_BE_REACHED, spreads)
def a_combo_is_said_to_be_reached(story: Story) -> None:
    resting, _ = waiting(story)
    offer = story.order("sell", 1_195, ONE, account=3, series=LOW)
    number = story.seq
    gone = e.Cancelled(resting, Why.MARGIN, ONE)
    story.plant(offer, e.Accepted(number), e.Rested(number, 1_195 * 10**6), e.Reached(resting), gone)


@planted(Rule.FIRST_IN_MUST_GO_FIRST, spreads)
def of_two_that_are_reached_the_later_goes_first(story: Story) -> None:
    story.venue.list_combo((LOW, 1), (UP, -2))
    _, offer = waiting(story)
    later = story.rest(4, "buy", 75, ONE // 2, series=2)
    story.change(offer, lambda events: (*events[:2], e.Reached(later), e.Cancelled(later, Why.MARGIN, ONE // 2)))


@planted(Rule.CANCEL_MUST_HAVE_A_REASON, spreads)
def a_combo_ends_for_no_reason(story: Story) -> None:
    _, offer = waiting(story)
    resting = story.seq - 1
    story.change(offer, lambda events: (*events[:3], e.Cancelled(resting, Why.POST_ONLY, ONE)))


# -- what may be ordered ----------------------------------------------------------------------------------------------


@planted(Rule.ADMISSION_MUST_HOLD, spreads)
def a_reduce_only_combo_is_let_in(story: Story) -> None:
    number = story.seq
    command = buys(story, 1, reduce_only=True)
    story.plant(command, e.Accepted(number), e.Rested(number, 10**6))


@planted(Rule.REFUSAL_MUST_HOLD, spreads)
def a_combo_is_refused_for_its_sign(story: Story) -> None:
    story.plant(buys(story, -5), e.Rejected(e.Reject.PRICE_MUST_BE_POSITIVE, -5 * 10**6))


@planted(Rule.NOBODY_MUST_BE_PASSED_OVER, spreads)
def a_combo_rests_though_its_legs_offer_it(story: Story) -> None:
    number = story.seq
    story.plant(buys(story), e.Accepted(number), e.Rested(number, 640 * 10**6))


@planted(Rule.EVENTS_MUST_FIT, spreads)
def the_same_legs_get_another_number(story: Story) -> None:
    command = c.CreateCombo(story.venue.state.combos[1].legs)
    story.change(command, instead(e.ComboListed, combo=2))


@planted(Rule.FILL_OR_KILL_MUST_FILL, spreads)
def a_fill_or_kill_combo_fills_in_part(story: Story) -> None:
    through = story.venue.do(buys(story))
    story.log.pop()
    story.venue.state = _again(story)
    number = story.seq
    command = buys(story, qty=2 * ONE, tif=c.FOK, nonce=60)
    told = [event for event in through if type(event) is e.Traded]
    story.plant(command, e.Accepted(number), *told, e.Cancelled(number, Why.IMMEDIATE_REMAINDER, ONE))


@planted(Rule.COMBO_MUST_FILL_WHOLE, spreads)
def a_batch_parts_the_legs_of_a_combo(story: Story) -> None:
    story.venue.must(buys(story))
    state = story.venue.state
    assert state.round is not None
    cuts = [e.BatchSealed(1, 1, 1, state.round.round_id), e.BatchSealed(2, 2, 2, state.round.round_id)]
    story.plant(c.SealBatch(), *cuts)


@planted(Rule.CANCEL_MUST_HAVE_A_REASON, spreads)
def somebody_in_a_leg_is_taken_away_for_nothing(story: Story) -> None:
    low = next(order for order in story.venue.state.orders.values() if order.series == LOW)
    number = story.seq
    gone = (e.Cancelled(low.id, Why.EXPIRED, ONE), e.Rested(number, 640 * 10**6))
    story.plant(buys(story), e.Accepted(number), *gone)
