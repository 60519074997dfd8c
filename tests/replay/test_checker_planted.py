"""Outcomes that break a rule, one by one, in journals that are sound by every hash: the checker names rule and record.

A story runs the real machine up to its last record, which is planted. Nothing before it may be found, and the first
thing that is found must be the rule that was broken.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from planting import CALL, ONE, OTHER, USDC, Events, Story

from exchange import codec
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.events import CancelReason as Why
from exchange.core.events import Reject
from journal import Record
from replay.__main__ import main
from replay.checker import Checker, check
from replay.checker.rules import Rule

HALF_HOUR = 1_800
Plot = Callable[[Story], None]
PLANTED: dict[str, tuple[Rule, Plot]] = {}


def planted(rule: Rule) -> Callable[[Plot], Plot]:
    """Registers a story that ends in a breach of ``rule``."""

    def register(plot: Plot) -> Plot:
        PLANTED[plot.__name__] = (rule, plot)
        return plot

    return register


def without(kind: type, at: int = 0) -> Callable[[Events], Events]:
    """Leaves out the event of a kind, by place among those of its kind."""

    def doctor(events: Events) -> Events:
        victim = [event for event in events if type(event) is kind][at]
        return tuple(event for event in events if event is not victim)

    return doctor


def instead(kind: type, **changes: Any) -> Callable[[Events], Events]:
    """Changes every event of a kind."""
    return lambda events: tuple(
        msgspec.structs.replace(event, **changes) if type(event) is kind else event for event in events
    )


# -- spread -----------------------------------------------------------------------------------------------------------


@planted(Rule.BOOK_MUST_HAVE_SPREAD)
def the_book_is_locked(story: Story) -> None:
    story.book()
    story.plant(story.order("buy", 900), e.Accepted(story.seq), e.Rested(story.seq, 900 * USDC))


@planted(Rule.BOOK_MUST_HAVE_SPREAD)
def a_crossing_order_rests_without_trading(story: Story) -> None:
    story.book()
    story.plant(story.order("buy", 950, 5 * ONE), e.Accepted(story.seq), e.Rested(story.seq, 950 * USDC))


@planted(Rule.BOOK_MUST_HAVE_SPREAD)
def an_amended_order_crosses_without_trading(story: Story) -> None:
    story.book()
    bid = story.rest(4, "buy", 890)
    auth = story.venue.amend_auth(bid, ONE, 905 * USDC)
    story.plant(c.Amend(bid, auth), e.Amended(bid, kept=False), e.Rested(bid, 905 * USDC))


# -- price and time ---------------------------------------------------------------------------------------------------


@planted(Rule.BEST_PRICE_MUST_GO_FIRST)
def the_worse_price_is_hit_first(story: Story) -> None:
    worse, _, _ = story.book()
    story.plant(story.order("buy", 910), e.Accepted(story.seq), story.fill(worse, 910))


@planted(Rule.BEST_PRICE_MUST_GO_FIRST)
def the_worse_bid_is_hit_first(story: Story) -> None:
    worse, _ = story.rest(1, "buy", 880), story.rest(2, "buy", 890)
    story.plant(story.order("sell", 880), e.Accepted(story.seq), story.fill(worse, 880))


@planted(Rule.FIRST_IN_MUST_GO_FIRST)
def the_later_order_is_hit_first(story: Story) -> None:
    _, _, later = story.book()
    story.plant(story.order("buy", 900), e.Accepted(story.seq), story.fill(later, 900))


@planted(Rule.FIRST_IN_MUST_GO_FIRST)
def an_amended_order_is_hit_as_if_it_had_kept_its_place(story: Story) -> None:
    _, first, _ = story.book()
    story.venue.amend(first, 2 * ONE, 900 * USDC)
    story.plant(story.order("buy", 900), e.Accepted(story.seq), story.fill(first, 900))


@planted(Rule.FIRST_IN_MUST_GO_FIRST)
def a_partly_filled_order_is_sent_to_the_back(story: Story) -> None:
    _, _, second = story.book()
    story.venue.do(story.order("buy", 900, ONE // 2))
    story.plant(story.order("buy", 900, ONE), e.Accepted(story.seq), story.fill(second, 900))


@planted(Rule.NOBODY_MUST_BE_PASSED_OVER)
def the_rest_is_cancelled_though_somebody_stood_in_reach(story: Story) -> None:
    _, first, _ = story.book()
    rest = e.Cancelled(story.seq, Why.IMMEDIATE_REMAINDER, ONE)
    story.plant(story.order("buy", 900, 2 * ONE, tif=c.IOC), e.Accepted(story.seq), story.fill(first, 900), rest)


@planted(Rule.FILL_MUST_BE_WHOLE)
def both_had_more(story: Story) -> None:
    _, first, second = story.book()
    fills = (story.fill(first, 900, ONE // 2), story.fill(second, 900, ONE // 2, after=1))
    story.plant(story.order("buy", 900), e.Accepted(story.seq), *fills)


@planted(Rule.AMEND_MUST_QUEUE_BY_RULE)
def more_quantity_keeps_its_place(story: Story) -> None:
    _, first, _ = story.book()
    auth = story.venue.amend_auth(first, 2 * ONE, 900 * USDC)
    story.plant(c.Amend(first, auth), e.Amended(first, kept=True))


@planted(Rule.AMEND_MUST_QUEUE_BY_RULE)
def another_price_keeps_its_place(story: Story) -> None:
    _, first, _ = story.book()
    auth = story.venue.amend_auth(first, ONE, 899 * USDC)
    story.plant(c.Amend(first, auth), e.Amended(first, kept=True))


@planted(Rule.AMEND_MUST_QUEUE_BY_RULE)
def less_quantity_loses_its_place(story: Story) -> None:
    _, first, _ = story.book()
    auth = story.venue.amend_auth(first, ONE // 2, 900 * USDC)
    story.plant(c.Amend(first, auth), e.Amended(first, kept=False), e.Rested(first, 900 * USDC))


# -- who meets whom, on which terms -----------------------------------------------------------------------------------


@planted(Rule.PRICE_MUST_BE_THE_MAKERS)
def the_taker_pays_its_own_price(story: Story) -> None:
    _, first, _ = story.book()
    story.plant(story.order("buy", 905), e.Accepted(story.seq), story.fill(first, 905))


@planted(Rule.PRICE_MUST_BE_WITHIN_LIMIT)
def the_taker_is_filled_beyond_its_limit(story: Story) -> None:
    _, first, _ = story.book()
    story.plant(story.order("buy", 895), e.Accepted(story.seq), story.fill(first, 900))


@planted(Rule.MAKER_MUST_HAVE_QUANTITY)
def the_maker_is_overfilled(story: Story) -> None:
    _, first, _ = story.book()
    story.plant(story.order("buy", 900, 2 * ONE), e.Accepted(story.seq), story.fill(first, 900, 2 * ONE))


@planted(Rule.TAKER_MUST_HAVE_QUANTITY)
def the_taker_is_overfilled(story: Story) -> None:
    _, first, _ = story.book()
    story.plant(story.order("buy", 900, ONE // 2), e.Accepted(story.seq), story.fill(first, 900))


@planted(Rule.MAKER_MUST_BE_OPEN)
def a_cancelled_order_is_filled(story: Story) -> None:
    _, first, _ = story.book()
    story.venue.must(c.Cancel(2, first))
    story.plant(story.order("buy", 900), e.Accepted(story.seq), story.fill(first, 900))


@planted(Rule.MAKER_MUST_BE_OPEN)
def a_filled_order_is_filled_again(story: Story) -> None:
    _, first, _ = story.book()
    story.venue.do(story.order("buy", 900))
    story.plant(story.order("buy", 900), e.Accepted(story.seq), story.fill(first, 900))


@planted(Rule.MAKER_MUST_BE_IN_TIME)
def an_expired_order_is_filled(story: Story) -> None:
    ends = story.venue.now_s + 60
    old = story.rest(2, "sell", 890, expiry_s=ends)
    story.venue.wait(60)
    story.plant(story.order("buy", 890), e.Accepted(story.seq), story.fill(old, 890))


@planted(Rule.MAKER_MUST_BE_OPPOSITE)
def an_order_of_another_series_is_filled(story: Story) -> None:
    other = story.rest(2, "sell", 900, series=OTHER)
    story.plant(story.order("buy", 900), e.Accepted(story.seq), story.fill(other, 900))


@planted(Rule.MAKER_MUST_BE_OPPOSITE)
def an_order_of_the_same_side_is_filled(story: Story) -> None:
    same = story.rest(2, "buy", 900)
    story.plant(story.order("buy", 900), e.Accepted(story.seq), story.fill(same, 900))


@planted(Rule.OWNERS_MUST_DIFFER)
def an_owner_trades_with_his_other_account(story: Story) -> None:
    own = story.rest(1, "sell", 900)
    order = story.order("buy", 900, account=5, signer=(1).to_bytes(20, "big"))
    story.plant(order, e.Accepted(story.seq), story.fill(own, 900))


@planted(Rule.POST_ONLY_MUST_NOT_TAKE)
def a_post_only_order_takes(story: Story) -> None:
    _, first, _ = story.book()
    order = story.order("buy", 900, post_only=True, slide=True)
    story.plant(order, e.Accepted(story.seq), story.fill(first, 900))


@planted(Rule.FILL_OR_KILL_MUST_FILL)
def a_fill_or_kill_order_is_filled_in_part(story: Story) -> None:
    _, first, second = story.book()
    fills = (story.fill(first, 900), story.fill(second, 900, after=1))
    rest = e.Cancelled(story.seq, Why.IMMEDIATE_REMAINDER, ONE)
    story.plant(story.order("buy", 900, 3 * ONE, tif=c.FOK), e.Accepted(story.seq), *fills, rest)


@planted(Rule.IMMEDIATE_MUST_NOT_REST)
def an_immediate_order_rests(story: Story) -> None:
    story.book()
    story.plant(story.order("buy", 890, tif=c.IOC), e.Accepted(story.seq), e.Rested(story.seq, 890 * USDC))


@planted(Rule.REST_MUST_BE_AT_ITS_PRICE)
def an_order_rests_at_another_price(story: Story) -> None:
    story.book()
    story.change(story.order("buy", 890), instead(e.Rested, price=889 * USDC))


@planted(Rule.REST_MUST_BE_AT_ITS_PRICE)
def an_order_slides_too_far(story: Story) -> None:
    story.book()
    story.change(story.order("buy", 900, post_only=True, slide=True), instead(e.Rested, price=898 * USDC))


@planted(Rule.REDUCE_ONLY_MUST_REDUCE)
def a_reduce_only_taker_turns_its_position(story: Story) -> None:
    story.hold(3, "sell", ONE // 2)
    _, first, _ = story.book()
    order = story.order("buy", 900, account=3, reduce_only=True)
    story.plant(order, e.Accepted(story.seq), story.fill(first, 900))


@planted(Rule.REDUCE_ONLY_MUST_REDUCE)
def a_reduce_only_maker_turns_its_position(story: Story) -> None:
    story.hold(3, "sell", ONE)
    first, second = story.rest(3, "buy", 890, reduce_only=True), story.rest(3, "buy", 890, reduce_only=True)
    fills = (story.fill(first, 890), story.fill(second, 890, after=1))
    story.plant(story.order("sell", 890, 2 * ONE), e.Accepted(story.seq), *fills)


@planted(Rule.REDUCE_ONLY_MUST_NOT_LINGER)
def a_reduce_only_order_outlives_its_position(story: Story) -> None:
    story.hold(3, "sell", ONE)
    story.rest(3, "buy", 890, reduce_only=True)
    story.rest(3, "buy", 890, reduce_only=True)
    story.change(story.order("sell", 890), without(e.Cancelled))


# -- icebergs and one's own orders ------------------------------------------------------------------------------------


def iceberg(story: Story) -> tuple[int, int]:
    """Three contracts of 2 at 900, one shown at a time, and behind it one of 3."""
    return story.rest(2, "sell", 900, 3 * ONE, terms=c.Terms(display=ONE)), story.rest(3, "sell", 900)


@planted(Rule.FIRST_IN_MUST_GO_FIRST)
def a_fresh_slice_goes_before_who_stood_there(story: Story) -> None:
    hidden, _ = iceberg(story)
    fills = (story.fill(hidden, 900), story.fill(hidden, 900, after=1))
    story.plant(story.order("buy", 900, 2 * ONE), e.Accepted(story.seq), *fills)


@planted(Rule.FIRST_IN_MUST_GO_FIRST)
def a_slice_keeps_the_place_of_the_one_before(story: Story) -> None:
    hidden, _ = iceberg(story)
    story.venue.do(story.order("buy", 900))
    story.plant(story.order("buy", 900), e.Accepted(story.seq), story.fill(hidden, 900))


@planted(Rule.MAKER_MUST_HAVE_QUANTITY)
def an_iceberg_gives_more_than_it_shows(story: Story) -> None:
    hidden, _ = iceberg(story)
    story.plant(story.order("buy", 900, 2 * ONE), e.Accepted(story.seq), story.fill(hidden, 900, 2 * ONE))


@planted(Rule.AMEND_MUST_QUEUE_BY_RULE)
def an_iceberg_shows_more_and_keeps_its_place(story: Story) -> None:
    hidden, _ = iceberg(story)
    auth = story.venue.amend_auth(hidden, 3 * ONE, 900 * USDC, terms=c.Terms(display=2 * ONE))
    story.plant(c.Amend(hidden, auth), e.Amended(hidden, kept=True))


def meeting_oneself(story: Story, mode: int, qty: int = ONE) -> tuple[int, c.Place]:
    """An order of 1 at 900, and one of the same owner that reaches it."""
    own = story.rest(1, "sell", 900)
    signer = (1).to_bytes(20, "big")
    return own, story.order("buy", 900, qty, account=5, signer=signer, terms=c.Terms(self_trade=mode))


@planted(Rule.CANCEL_MUST_HAVE_A_REASON)
def the_maker_gives_way_though_the_taker_should(story: Story) -> None:
    own, order = meeting_oneself(story, c.CANCEL_TAKER)
    gone = e.Cancelled(own, Why.SELF_TRADE, ONE)
    story.plant(order, e.Accepted(story.seq), gone, e.Rested(story.seq, 900 * USDC))


@planted(Rule.CANCEL_MUST_HAVE_A_REASON)
def the_taker_gives_way_though_the_maker_should(story: Story) -> None:
    _, order = meeting_oneself(story, c.CANCEL_MAKER)
    story.plant(order, e.Accepted(story.seq), e.Cancelled(story.seq, Why.SELF_TRADE, ONE))


@planted(Rule.SELF_TRADE_MUST_END_AS_SIGNED)
def only_one_of_two_ends(story: Story) -> None:
    own, order = meeting_oneself(story, c.CANCEL_BOTH)
    gone = e.Cancelled(own, Why.SELF_TRADE, ONE)
    story.plant(order, e.Accepted(story.seq), gone, e.Rested(story.seq, 900 * USDC))


# -- leaving ----------------------------------------------------------------------------------------------------------


@planted(Rule.ORDER_MUST_END_OR_REST)
def an_order_vanishes(story: Story) -> None:
    story.book()
    story.plant(story.order("buy", 890), e.Accepted(story.seq))


@planted(Rule.ORDER_MUST_END_OR_REST)
def the_rest_of_an_order_vanishes(story: Story) -> None:
    story.book()
    story.change(story.order("buy", 905, 5 * ONE), without(e.Rested))


@planted(Rule.CANCEL_MUST_HAVE_A_REASON)
def somebody_cancels_what_is_not_theirs(story: Story) -> None:
    _, first, _ = story.book()
    story.plant(c.Cancel(3, first), e.Cancelled(first, Why.BY_OWNER, ONE))


@planted(Rule.CANCEL_MUST_HAVE_A_REASON)
def a_maker_is_called_expired_who_is_not(story: Story) -> None:
    _, first, second = story.book()
    gone = e.Cancelled(first, Why.EXPIRED, ONE)
    story.plant(story.order("buy", 900), e.Accepted(story.seq), gone, story.fill(second, 900))


@planted(Rule.CANCEL_MUST_HAVE_A_REASON)
def a_taker_is_stopped_for_a_self_trade_that_is_none(story: Story) -> None:
    story.book()
    stopped = e.Cancelled(story.seq, Why.SELF_TRADE, ONE)
    story.plant(story.order("buy", 900), e.Accepted(story.seq), stopped)


@planted(Rule.CANCEL_MUST_HAVE_A_REASON)
def an_order_out_of_reach_is_cancelled_on_the_way(story: Story) -> None:
    bystander = story.rest(1, "buy", 880)
    story.change(story.order("buy", 870), lambda events: (*events, e.Cancelled(bystander, Why.REDUCE_ONLY, ONE)))


@planted(Rule.CANCEL_MUST_HAVE_A_REASON)
def an_order_ends_before_its_time(story: Story) -> None:
    order = story.rest(1, "sell", 900, expiry_s=story.venue.now_s + 60)
    story.plant(c.Tick(), e.Cancelled(order, Why.EXPIRED, ONE), e.Applied())


@planted(Rule.CANCEL_MUST_BE_OF_AN_OPEN_ORDER)
def an_order_is_cancelled_twice(story: Story) -> None:
    story.book()
    story.change(c.CancelAll(1), lambda events: events * 2)


@planted(Rule.CANCEL_MUST_BE_OF_THE_REST)
def another_quantity_is_cancelled_than_was_left(story: Story) -> None:
    _, first, _ = story.book()
    story.venue.do(story.order("buy", 900, ONE // 2))
    story.change(c.Cancel(2, first), instead(e.Cancelled, remaining=ONE))


@planted(Rule.CANCEL_MUST_BE_COMPLETE)
def one_order_survives_the_cancellation_of_all(story: Story) -> None:
    story.rest(1, "sell", 900)
    story.rest(1, "sell", 910)
    story.change(c.CancelAll(1), without(e.Cancelled, 1))


@planted(Rule.CANCEL_MUST_BE_COMPLETE)
def an_expired_order_survives_the_tick(story: Story) -> None:
    story.rest(1, "sell", 900, expiry_s=story.venue.now_s + 60)
    story.venue.wait(60)
    story.change(c.Tick(), without(e.Cancelled))


@planted(Rule.CANCEL_MUST_BE_COMPLETE)
def an_order_survives_the_key_that_signed_it(story: Story) -> None:
    key = b"k" * 20
    story.venue.observe(c.ObserveKey, 1, key, c.SCOPE_TRADE, story.venue.now_s + 900)
    story.rest(1, "sell", 900, signer=key)
    story.change(c.ObserveRevocation(story.venue.state.mirror.action_id + 1, 1, key), without(e.Cancelled))


@planted(Rule.CANCEL_MUST_BE_COMPLETE)
def an_order_survives_the_exit_of_its_account(story: Story) -> None:
    story.rest(1, "sell", 900)
    story.change(c.ObserveExit(story.venue.state.mirror.action_id + 1, 1), without(e.Cancelled))


# -- who is let in ----------------------------------------------------------------------------------------------------


@planted(Rule.ADMISSION_MUST_HOLD)
def a_nonce_counts_twice(story: Story) -> None:
    story.rest(1, "buy", 880)
    nonce = story.venue.nonces[1]
    story.plant(story.order("buy", 870, account=1, nonce=nonce), e.Accepted(story.seq), e.Rested(story.seq, 870 * USDC))


@planted(Rule.ADMISSION_MUST_HOLD)
def a_stranger_signs(story: Story) -> None:
    order = story.order("buy", 870, signer=b"x" * 20)
    story.plant(order, e.Accepted(story.seq), e.Rested(story.seq, 870 * USDC))


@planted(Rule.ADMISSION_MUST_HOLD)
def a_halted_venue_trades(story: Story) -> None:
    story.venue.must(c.SetTrading(False, "test"))
    story.plant(story.order("buy", 870), e.Accepted(story.seq), e.Rested(story.seq, 870 * USDC))


@planted(Rule.ADMISSION_MUST_HOLD)
def an_amendment_is_taken_without_the_replaced_nonce(story: Story) -> None:
    _, first, _ = story.book()
    auth = story.venue.amend_auth(first, ONE // 2, 900 * USDC, replaces=77)
    story.plant(c.Amend(first, auth), e.Amended(first, kept=True))


@planted(Rule.ADMISSION_MUST_HOLD)
def a_deposit_counts_twice(story: Story) -> None:
    action = story.venue.state.mirror.action_id
    story.plant(c.ObserveDeposit(action, 1, USDC), e.Applied())


@planted(Rule.REFUSAL_MUST_HOLD)
def an_order_is_refused_for_no_reason(story: Story) -> None:
    story.plant(story.order("buy", 870), e.Rejected(Reject.POST_ONLY_MUST_NOT_CROSS))


@planted(Rule.REFUSAL_MUST_HOLD)
def a_cancellation_is_refused_for_no_reason(story: Story) -> None:
    _, first, _ = story.book()
    story.plant(c.Cancel(2, first), e.Rejected(Reject.ORDER_MUST_BE_OPEN, first))


@planted(Rule.EVENTS_MUST_FIT)
def an_order_rests_for_another(story: Story) -> None:
    first, _, _ = story.book()
    story.change(story.order("buy", 870), instead(e.Rested, order_id=first))


@planted(Rule.EVENTS_MUST_FIT)
def an_amendment_of_what_never_was(story: Story) -> None:
    auth = story.venue.auth(1, CALL, True, ONE, 870 * USDC, replaces=1)
    story.plant(c.Cancel(1, 77), e.Applied())
    del auth


# -- conservation -----------------------------------------------------------------------------------------------------


@planted(Rule.TRADE_IDS_MUST_BE_DENSE)
def two_trades_have_one_number(story: Story) -> None:
    _, first, _ = story.book()
    story.venue.do(story.order("buy", 900, ONE // 2))
    story.plant(story.order("buy", 900, ONE // 2), e.Accepted(story.seq), story.fill(first, 900, ONE // 2, after=-1))


@planted(Rule.TRADE_IDS_MUST_BE_DENSE)
def a_number_is_left_out(story: Story) -> None:
    story.book()
    story.change(story.order("buy", 900), instead(e.Traded, trade_id=2))


@planted(Rule.FEE_MUST_FOLLOW_THE_SCHEDULE)
def the_fees_are_on_the_wrong_side(story: Story) -> None:
    _, first, _ = story.book()
    honest = story.fill(first, 900)
    story.change(story.order("buy", 900), instead(e.Traded, taker_fee=honest.maker_fee, maker_fee=honest.taker_fee))


@planted(Rule.FEE_MUST_FOLLOW_THE_SCHEDULE)
def the_rebate_stays_in_the_pot(story: Story) -> None:
    story.book()
    story.change(story.order("buy", 900), instead(e.Traded, maker_fee=0))


@planted(Rule.FEE_MUST_FOLLOW_THE_SCHEDULE)
def the_index_is_an_old_one(story: Story) -> None:
    _, first, _ = story.book()
    stale = story.fill(first, 900)
    story.venue.wait(1)
    story.venue.round(63_000)
    story.plant(story.order("buy", 900), e.Accepted(story.seq), stale)


@planted(Rule.FEE_MUST_BE_SIGNED)
def the_taker_pays_more_than_it_signed(story: Story) -> None:
    bid = story.rest(1, "buy", 890)
    order = story.order("sell", 10, max_fee=2 * USDC)
    story.plant(order, e.Accepted(story.seq), story.fill(bid, 890))


@planted(Rule.BATCH_MUST_BE_COMPLETE)
def a_trade_is_missing_from_its_batch(story: Story) -> None:
    story.book()
    story.venue.do(story.order("buy", 900, 2 * ONE))
    story.change(c.SealBatch(), instead(e.BatchSealed, last_trade=1))


@planted(Rule.BATCH_MUST_BE_COMPLETE)
def a_batch_holds_a_trade_that_never_was(story: Story) -> None:
    story.book()
    story.venue.do(story.order("buy", 900, 2 * ONE))
    story.change(c.SealBatch(), instead(e.BatchSealed, last_trade=3))


@planted(Rule.BATCH_MUST_FOLLOW)
def a_batch_names_another_round(story: Story) -> None:
    story.book()
    story.venue.do(story.order("buy", 900))
    story.change(c.SealBatch(), instead(e.BatchSealed, round_id=7))


@planted(Rule.BATCH_MUST_FOLLOW)
def a_batch_begins_before_the_last_one_ends(story: Story) -> None:
    story.book()
    story.venue.do(story.order("buy", 900))
    story.venue.must(c.SealBatch())
    story.venue.do(story.order("buy", 900))
    story.change(c.SealBatch(), instead(e.BatchSealed, first_trade=1))


@planted(Rule.BATCH_MUST_BE_DUE)
def an_old_batch_stays_open(story: Story) -> None:
    story.book()
    story.venue.do(story.order("buy", 900))
    story.venue.wait(900)
    story.change(c.Tick(), without(e.BatchSealed))


@planted(Rule.EXPIRY_MUST_BE_FIXED_BY_THE_MEAN)
def an_expiry_is_fixed_at_another_price(story: Story) -> None:
    command = to_the_expiry(story)
    story.change(command, instead(e.ExpiryFixed, price=62_001 * USDC))


@planted(Rule.EXPIRY_MUST_PAY_WHAT_IS_HELD)
def a_holder_is_paid_too_much(story: Story) -> None:
    command = to_the_expiry(story)
    story.change(command, lambda events: tuple(one_more(event) for event in events))


@planted(Rule.EXPIRY_MUST_PAY_WHAT_IS_HELD)
def a_holder_is_forgotten(story: Story) -> None:
    story.change(to_the_expiry(story), without(e.AccountSettled))


@planted(Rule.CANCEL_MUST_BE_COMPLETE)
def an_order_outlives_its_series(story: Story) -> None:
    story.change(to_the_expiry(story), without(e.Cancelled))


def one_more(event: Any) -> Any:
    if type(event) is e.AccountSettled and event.cash_delta > 0:
        return msgspec.structs.replace(event, cash_delta=event.cash_delta + 1)
    return event


def to_the_expiry(story: Story) -> c.PostRound:
    """A position and an open order in an expiry, and the round that ends it."""
    venue = story.venue
    expiry_s = venue.state.expiries[1].expiry_s
    story.hold(3, "buy", ONE)
    story.rest(2, "sell", 2_000)
    venue.must(c.SealBatch())
    venue.wait(expiry_s - HALF_HOUR - venue.now_s)
    venue.round(62_500)
    venue.wait(HALF_HOUR)
    return venue.round_of({0: 62_500 * USDC})


# -- the verdicts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(PLANTED))
def test_a_planted_violation_is_found(name, make_sample, capsys):
    rule, plot = PLANTED[name]
    story = Story()
    plot(story)
    sample = make_sample(
        [
            Record(seq, time_ns, codec.encode_command(command), codec.encode_events(events))
            for seq, time_ns, command, events in story.log
        ]
    )
    report = check(sample.path)
    first = report.violations[0]
    assert (first.rule, first.seq) == (rule, len(story.log)), report.violations
    assert main(["check", str(sample.path)]) == 1
    assert f"{rule}: {first.sentence}" in capsys.readouterr().out


@pytest.mark.parametrize("name", list(PLANTED))
def test_without_what_is_planted_nothing_is_found(name):
    """The same story with its last record decided by the machine."""
    _, plot = PLANTED[name]
    story = Story()
    plot(story)
    lie = story.log.pop()
    if story.venue.state.seq < lie.seq:
        story.venue.do(lie.command)
        lie = story.log.pop()
    checker = Checker()
    for record in story.log:
        checker.take(*record)
    assert checker.finish().violations == []


def test_every_rule_is_broken_once():
    """What adds up at the end, and kinds unknown, cannot be planted in one honest record."""
    assert set(Rule) - {rule for rule, _ in PLANTED.values()} == {
        Rule.KIND_MUST_BE_KNOWN,
        Rule.QUANTITIES_MUST_ADD_UP,
    }
    assert len(PLANTED) > 60
