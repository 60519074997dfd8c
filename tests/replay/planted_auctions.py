"""Planted outcomes of auctions: what collects, the price, who trades at it, and what comes after."""

from typing import Any

import msgspec
from planting import CALL, ONE, USDC, Story, instead, planted, without

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.events import CancelReason as Why
from exchange.core.events import Reject
from exchange.core.units import WAD
from replay.checker.rules import Rule

PERCENT = WAD // 100


def call(story: Story, **rules: Any) -> None:
    """A series collects for half a minute."""
    if rules:
        terms = {
            "opening_s": 0,
            "volatility_s": 60,
            "extensions_max": 0,
            "band_mark": 0,
            "band_spot": 0,
            "jump_spot": 0,
        }
        story.venue.must(c.SetAuctions(0, *(terms | rules).values(), "test"))
    story.venue.must(c.SetPhase(c.SERIES, CALL, c.AUCTION, story.venue.now_s + 30, 0, "test", "test"))


def collected(story: Story, **rules: Any) -> list[int]:
    """Bids at 920, 910 and 900, offers at 890, 900 and 910, one contract each; their time has come."""
    call(story, **rules)
    terms = ((1, "buy", 920), (2, "buy", 910), (1, "buy", 900), (3, "sell", 890), (4, "sell", 900), (3, "sell", 910))
    orders = [story.rest(*each) for each in terms]
    story.venue.wait(30)
    return orders


@planted(Rule.AUCTION_MUST_COLLECT)
def an_order_trades_while_its_series_collects(story: Story) -> None:
    call(story)
    ask = story.rest(3, "sell", 890)
    story.plant(story.order("buy", 900), e.Accepted(story.seq), story.fill(ask, 890))


@planted(Rule.AUCTION_MUST_CLEAR_AT_BEST)
def the_price_is_not_that_of_most_volume(story: Story) -> None:
    collected(story)
    story.change(c.Tick(), instead(e.Uncrossed, price=890 * USDC))


@planted(Rule.AUCTION_MUST_CLEAR_AT_BEST)
def another_price_trades_as_much_and_is_nearer(story: Story) -> None:
    """Any price from 890 to 920 trades one contract: the one nearest the mark is due."""
    call(story)
    story.rest(1, "buy", 920)
    story.rest(3, "sell", 890)
    story.venue.wait(30)
    story.change(c.Tick(), lambda events: tuple(priced(event, 901 * USDC) for event in events))


@planted(Rule.AUCTION_MUST_CLEAR_AT_BEST)
def more_volume_is_said_than_there_is(story: Story) -> None:
    collected(story)
    story.change(c.Tick(), instead(e.Uncrossed, volume=3 * ONE))


@planted(Rule.PRICE_MUST_BE_THE_AUCTIONS)
def one_fill_has_a_price_of_its_own(story: Story) -> None:
    collected(story)
    story.change(c.Tick(), instead(e.Traded, price=899 * USDC))


@planted(Rule.AUCTION_MUST_LET_THE_LATER_TAKE)
def the_earlier_order_pays_as_taker(story: Story) -> None:
    collected(story)
    story.change(c.Tick(), lambda events: tuple(_swapped(event) for event in events))


@planted(Rule.BEST_PRICE_MUST_GO_FIRST)
def the_better_bid_does_not_trade(story: Story) -> None:
    best, _, worst, *_ = collected(story)
    story.change(c.Tick(), lambda events: tuple(_instead(event, best, worst) for event in events))


@planted(Rule.FIRST_IN_MUST_GO_FIRST)
def the_later_of_two_bids_trades(story: Story) -> None:
    call(story)
    first, later = story.rest(1, "buy", 900), story.rest(2, "buy", 900)
    story.rest(3, "sell", 900)
    story.venue.wait(30)
    story.change(c.Tick(), lambda events: tuple(_instead(event, first, later) for event in events))


@planted(Rule.NOBODY_MUST_BE_PASSED_OVER)
def an_auction_ends_before_all_have_traded(story: Story) -> None:
    collected(story)
    story.change(c.Tick(), without(e.Traded, 1))


@planted(Rule.FILL_MUST_BE_WHOLE)
def a_pair_trades_less_than_both_have(story: Story) -> None:
    collected(story)
    story.change(c.Tick(), instead(e.Traded, qty=ONE // 2))


@planted(Rule.PHASE_MUST_FOLLOW)
def an_auction_does_not_end(story: Story) -> None:
    collected(story)
    story.change(c.Tick(), lambda events: events[-1:])


@planted(Rule.EVENTS_MUST_FIT)
def an_auction_ends_before_its_time(story: Story) -> None:
    call(story)
    story.change(
        c.Tick(), lambda events: (e.PhaseChanged(c.SERIES, CALL, c.CONTINUOUS, 0, e.PhaseCause.UNCROSSED), *events)
    )


@planted(Rule.PHASE_MUST_FOLLOW)
def an_auction_is_extended_for_longer_than_the_rules_say(story: Story) -> None:
    collected(story, extensions_max=1, band_mark=PERCENT)
    story.change(c.Tick(), instead(e.PhaseChanged, ends_s=story.venue.now_s + 3_600))


@planted(Rule.PHASE_MUST_FOLLOW)
def an_auction_ends_at_a_price_outside_the_band(story: Story) -> None:
    orders = collected(story, extensions_max=1, band_mark=PERCENT)
    found = e.Uncrossed(CALL, 900 * USDC, 2 * ONE, 0)
    trades = (story.fill(orders[0], 900), story.fill(orders[1], 900, after=1))
    fills = (msgspec.structs.replace(trade, taker_order=ask) for trade, ask in zip(trades, orders[3:5], strict=True))
    opened = e.PhaseChanged(c.SERIES, CALL, c.AUCTION, story.venue.now_s, e.PhaseCause.UNCROSSED)
    story.plant(c.Tick(), found, *fills, opened, e.Applied())


@planted(Rule.PHASE_MUST_FOLLOW)
def a_jump_of_the_spot_stops_nothing(story: Story) -> None:
    story.venue.must(c.SetAuctions(0, 0, 60, 0, 0, 0, PERCENT, "test"))
    story.venue.wait(1)
    story.change(story.venue.round_of({0: 65_000 * USDC}), without(e.PhaseChanged))


@planted(Rule.PRICE_MUST_BE_IN_BAND)
def a_fill_is_outside_the_band(story: Story) -> None:
    story.venue.must(c.SetAuctions(0, 0, 60, 0, PERCENT, 0, 0, "test"))
    ask = story.rest(2, "sell", 2_000)
    story.plant(story.order("buy", 2_000), e.Accepted(story.seq), story.fill(ask, 2_000))


@planted(Rule.PHASE_MUST_FOLLOW)
def an_order_starts_an_auction_without_leaving_the_band(story: Story) -> None:
    story.venue.must(c.SetAuctions(0, 0, 60, 0, 30 * PERCENT, 30 * PERCENT, 0, "test"))
    story.rest(2, "sell", 900)
    halted = e.PhaseChanged(c.SERIES, CALL, c.AUCTION, story.venue.now_s + 60, e.PhaseCause.VOLATILITY)
    story.plant(story.order("buy", 900), e.Accepted(story.seq), halted, e.Rested(story.seq, 900 * USDC))


@planted(Rule.BOOK_MUST_HAVE_SPREAD)
def a_crossed_book_trades_on(story: Story) -> None:
    collected(story)
    story.plant(c.SetPhase(c.SERIES, CALL, c.CONTINUOUS, 0, 0, "test", "test"), e.Applied())


@planted(Rule.OWNERS_MUST_DIFFER)
def an_owner_trades_with_herself_in_an_auction(story: Story) -> None:
    call(story)
    signer = (1).to_bytes(20, "big")
    story.rest(2, "buy", 900)
    bid = story.rest(1, "buy", 900)
    ask = story.rest(5, "sell", 900, signer=signer)
    story.venue.must(c.Cancel(2, bid - 1))
    story.venue.wait(30)
    found = e.Uncrossed(CALL, 900 * USDC, ONE, 0)
    honest = story.fill(bid, 900)
    trade = msgspec.structs.replace(honest, taker_order=ask)
    opened = e.PhaseChanged(c.SERIES, CALL, c.CONTINUOUS, 0, e.PhaseCause.UNCROSSED)
    story.plant(c.Tick(), found, trade, opened, e.Applied())


@planted(Rule.CANCEL_MUST_HAVE_A_REASON)
def an_order_is_taken_out_of_an_auction_for_nothing(story: Story) -> None:
    best, *_ = collected(story)
    story.change(c.Tick(), lambda events: (e.Cancelled(best, Why.SELF_TRADE, ONE), *events))


@planted(Rule.ADMISSION_MUST_HOLD)
def an_immediate_order_enters_an_auction(story: Story) -> None:
    call(story)
    gone = e.Cancelled(story.seq, Why.IMMEDIATE_REMAINDER, ONE)
    story.plant(story.order("buy", 900, tif=c.IOC), e.Accepted(story.seq), gone)


@planted(Rule.REFUSAL_MUST_HOLD)
def an_order_is_refused_for_a_phase_that_is_over(story: Story) -> None:
    story.plant(story.order("buy", 900), e.Rejected(Reject.SERIES_MUST_TAKE_ORDERS))


def priced(event: Any, price: int) -> Any:
    return msgspec.structs.replace(event, price=price) if type(event) in (e.Uncrossed, e.Traded) else event


def _swapped(event: Any) -> Any:
    if type(event) is not e.Traded:
        return event
    return msgspec.structs.replace(event, maker_order=event.taker_order, taker_order=event.maker_order)


def _instead(event: Any, due: int, other: int) -> Any:
    """The same event with one order for another."""
    if type(event) is not e.Traded:
        return event
    changes = {name: other for name in ("maker_order", "taker_order") if getattr(event, name) == due}
    return msgspec.structs.replace(event, **changes)
