"""Planted outcomes around the book: how orders leave, who is let in, and what is conserved."""

from typing import Any

import msgspec
from planting import CALL, ONE, USDC, Story, instead, planted, without

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.events import CancelReason as Why
from exchange.core.events import Reject
from replay.checker.rules import Rule

HALF_HOUR = 1_800


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


def delegated(story: Story, spend: int) -> bytes:
    """Account 4 has a session key that may pay so many USDC."""
    key = b"k" * 20
    story.venue.observe(c.ObserveKey, 4, key, c.SCOPE_TRADE, story.venue.now_s + 3_600, 0, 0, spend * USDC)
    return key


@planted(Rule.KEY_MUST_HAVE_ROOM)
def a_key_pays_more_than_it_may(story: Story) -> None:
    _, first, _ = story.book()
    order = story.order("buy", 900, signer=delegated(story, 899))
    story.plant(order, e.Accepted(story.seq), story.fill(first, 900))


@planted(Rule.CANCEL_MUST_HAVE_A_REASON)
def a_key_is_said_to_have_no_room_and_has(story: Story) -> None:
    story.book()
    order = story.order("buy", 900, signer=delegated(story, 2_000))
    story.plant(order, e.Accepted(story.seq), e.Cancelled(story.seq, e.CancelReason.KEY_LIMIT, ONE))


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
