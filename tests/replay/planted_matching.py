"""Planted outcomes of matching: spread, priority, terms, icebergs, and meeting oneself."""

from planting import ONE, OTHER, USDC, Story, instead, planted, without

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.events import CancelReason as Why
from replay.checker.rules import Rule

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
