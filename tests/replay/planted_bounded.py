"""Planted outcomes of auctions in which bounds cut: quotes, fees, limits of keys."""

from typing import Any

import msgspec
from planted_auctions import PERCENT, call, collected, priced
from planted_books import delegated
from planted_makers import mandated
from planting import CALL, ONE, USDC, Story, instead, planted

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.events import CancelReason as Why
from exchange.core.units import NO_EXPIRY, WAD
from replay.checker.rules import Rule


def offered(story: Story, qty: int, price: int, group: str = "front", **bounds: Any) -> int:
    """Account 1 quotes one side of the series under the bounds of a group; the number of the quote."""
    fields = {"interval_ns": 10**10, "frozen_ns": 0, "qty": 0, "delta": 0, "vega": 0, "count": 0}
    story.venue.must(c.SetProtection(1, group, c.Protection(**(fields | bounds))))
    nonce = 1_000 + story.seq
    mandate = c.QuoteMandate(1, nonce, NO_EXPIRY, 10_000 * USDC, 0, 0, 0, 0, (1).to_bytes(20, "big"), b"s" * 65)
    (quoted,) = (
        event
        for event in story.venue.must(
            c.MassQuote(mandate, (c.QuoteLeaf(CALL, False, qty, price * USDC, 5_000, 10**6),), group)
        )
        if type(event) is e.Quoted
    )
    return quoted.order_id


def bounded(story: Story) -> int:
    """A quote of three at 890 of which one may fill, and bids at 920, 910 and 905; the number of the quote."""
    call(story)
    quote = offered(story, 3 * ONE, 890, count=1)
    for account, price in ((2, 920), (3, 910), (2, 905)):
        story.rest(account, "buy", price)
    story.venue.wait(30)
    return quote


@planted(Rule.AUCTION_MUST_CLEAR_AT_BEST, mandated)
def the_price_counts_what_a_bound_has_cut(story: Story) -> None:
    """Three would trade at 905 if the group let them; of the one that does, no more than the best bid is due."""
    bounded(story)
    story.change(c.Tick(), lambda events: tuple(priced(event, 905 * USDC) for event in events))


@planted(Rule.AUCTION_MUST_CLEAR_AT_BEST, mandated)
def the_volume_counts_what_a_bound_has_cut(story: Story) -> None:
    bounded(story)
    story.change(c.Tick(), instead(e.Uncrossed, volume=3 * ONE))


@planted(Rule.FILL_MUST_BE_WHOLE, mandated)
def a_quote_within_its_bounds_trades_less_than_it_could(story: Story) -> None:
    call(story)
    offered(story, 3 * ONE, 890)
    story.rest(2, "buy", 900, 3 * ONE)
    story.venue.wait(30)
    story.change(c.Tick(), instead(e.Traded, qty=ONE))


@planted(Rule.BEST_PRICE_MUST_GO_FIRST, mandated)
def a_quote_is_passed_over(story: Story) -> None:
    call(story)
    quote = offered(story, 1 * ONE, 890)
    other = story.rest(4, "sell", 895)
    story.rest(2, "buy", 900)
    story.venue.wait(30)
    story.change(c.Tick(), lambda events: tuple(_instead(event, quote, other) for event in events))


@planted(Rule.PROTECTION_MUST_TRIP, mandated)
def a_quote_fills_on_after_its_bound_in_an_auction(story: Story) -> None:
    bounded(story)
    story.change(c.Tick(), lambda events: tuple(event for event in events if type(event) is not e.ProtectionTriggered))


@planted(Rule.CANCEL_MUST_HAVE_A_REASON, mandated)
def a_quote_gives_way_though_there_is_a_price(story: Story) -> None:
    quote = bounded(story)
    story.change(c.Tick(), lambda _: (e.Cancelled(quote, Why.SWEEP_BOUND, 3 * ONE), e.Applied()))


@planted(Rule.PHASE_MUST_FOLLOW, mandated)
def an_auction_with_quotes_is_extended_at_a_price_in_its_band(story: Story) -> None:
    bounded(story)
    story.venue.must(c.SetAuctions(0, 0, 60, 1, 90 * PERCENT, 90 * PERCENT, 0, "test"))
    longer = e.PhaseChanged(c.SERIES, CALL, c.AUCTION, story.venue.now_s + 60, e.PhaseCause.EXTENDED)
    story.change(c.Tick(), lambda _: (longer, e.Applied()))


@planted(Rule.CANCEL_MUST_HAVE_A_REASON)
def an_order_leaves_an_auction_for_a_fee_it_signed(story: Story) -> None:
    best, *_ = collected(story)
    story.change(c.Tick(), lambda events: (e.Cancelled(best, Why.FEE, ONE), *events))


@planted(Rule.CANCEL_MUST_HAVE_A_REASON)
def an_order_leaves_an_auction_for_margin_that_no_price_asks_of_it(story: Story) -> None:
    collected(story)
    low = story.rest(1, "buy", 500)
    story.change(c.Tick(), lambda events: (e.Cancelled(low, Why.MARGIN, ONE), *events))


@planted(Rule.CANCEL_MUST_HAVE_A_REASON)
def a_key_with_room_for_all_it_signed_leaves_an_auction(story: Story) -> None:
    call(story)
    story.rest(3, "sell", 890)
    bid = story.rest(4, "buy", 900, signer=delegated(story, 2_000))
    story.venue.wait(30)
    story.change(c.Tick(), lambda events: (e.Cancelled(bid, Why.KEY_LIMIT, ONE), *events))


@planted(Rule.PHASE_MUST_FOLLOW)
def an_auction_takes_somebody_out_and_stops(story: Story) -> None:
    """An offer of the best bidder's owner has gone; nothing keeps the others from trading."""
    collected(story)
    own = story.rest(5, "sell", 915, signer=(1).to_bytes(20, "big"))
    story.change(c.Tick(), lambda _: (e.Cancelled(own, Why.SELF_TRADE, ONE), e.Applied()))


@planted(Rule.REFUSAL_MUST_HOLD)
def a_bent_amendment_is_refused_for_crossing_and_meets_nobody(story: Story) -> None:
    order = reducing(story)
    story.plant(amendment(story, order, 899), e.Rejected(e.Reject.POST_ONLY_MUST_NOT_CROSS))


def reducing(story: Story) -> int:
    """Account 3 is short and bids to close one contract; prices are bounded by the surface."""
    story.hold(3, "sell", ONE)
    story.venue.must(c.SetBands(0, WAD // 10, WAD // 10, WAD // 10, "test"))
    order = story.rest(3, "buy", 880, reduce_only=True)
    story.rest(2, "sell", 900)
    return order


def amendment(story: Story, order: int, price: int) -> c.Amend:
    """The bid at another price, to be refused where it would cross."""
    return c.Amend(order, story.venue.amend_auth(order, ONE, price * USDC, reduce_only=True, post_only=True))


def _instead(event: Any, due: int, other: int) -> Any:
    """The same event with one order for another."""
    if type(event) is not e.Traded:
        return event
    changes = {name: other for name in ("maker_order", "taker_order") if getattr(event, name) == due}
    return msgspec.structs.replace(event, **changes)
