"""Planted outcomes of requests for quotes: whose quotes an acceptance takes, who answers, and when a request is over."""

from typing import Any

from core_rfqs import accepted, quote, request, requoted, signed
from planting import CALL, ONE, USDC, Story, instead, planted, without

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.events import CancelReason as Why
from exchange.core.events import Reject
from replay.checker.rules import Rule

PRICE = 900 * USDC


def asked(story: Story, **terms: Any) -> int:
    """Account 1 asks for ten; 2, 3 and 4 answer requests."""
    for account in (2, 3, 4):
        story.venue.must(c.AdmitMaker(account, True))
    story.venue.must(request(story.venue, **terms))
    return story.venue.state.seq


def answered(story: Story, **terms: Any) -> tuple[int, int, int, int]:
    """A request with three offers: at 910, and twice at 900; the request and the offers in that order."""
    rfq = asked(story, **terms)
    prices = ((2, PRICE + 10 * USDC), (3, PRICE), (4, PRICE))
    return rfq, *(quote(story.venue, account, rfq, price) for account, price in prices)  # type: ignore[return-value]


def taking(story: Story, rfq: int, qty: int = ONE, price: int = PRICE + 10 * USDC, **terms: Any) -> c.AcceptRfq:
    return accepted(story.venue, rfq, price, qty, **terms)


# -- whose quotes -----------------------------------------------------------------------------------------------------


@planted(Rule.BEST_PRICE_MUST_GO_FIRST)
def the_dearer_quote_is_taken(story: Story) -> None:
    rfq, dear, *_ = answered(story)
    story.plant(taking(story, rfq), e.Accepted(story.seq), story.fill(dear, 910))


@planted(Rule.FIRST_IN_MUST_GO_FIRST)
def the_later_quote_is_taken(story: Story) -> None:
    rfq, _, _, late = answered(story)
    story.plant(taking(story, rfq), e.Accepted(story.seq), story.fill(late, 900))


@planted(Rule.FIRST_IN_MUST_GO_FIRST)
def a_quote_that_lost_its_place_is_taken(story: Story) -> None:
    rfq, _, first, _ = answered(story)
    story.venue.must(requoted(story.venue, first, PRICE, 10 * ONE, whole=True))
    story.venue.must(requoted(story.venue, first, PRICE, 10 * ONE))
    story.plant(taking(story, rfq), e.Accepted(story.seq), story.fill(first, 900))


@planted(Rule.MAKER_MUST_BE_OPEN)
def a_quote_for_another_request_is_taken(story: Story) -> None:
    _, _, other, _ = answered(story)
    rfq = asked(story)
    story.plant(taking(story, rfq), e.Accepted(story.seq), story.fill(other, 900))


@planted(Rule.MAKER_MUST_BE_OPEN)
def an_order_of_the_book_is_taken(story: Story) -> None:
    rfq = asked(story)
    offer = story.rest(2, "sell", 900)
    story.plant(taking(story, rfq), e.Accepted(story.seq), story.fill(offer, 900))


@planted(Rule.PRICE_MUST_BE_THE_MAKERS)
def a_quote_fills_at_the_takers_price(story: Story) -> None:
    rfq, _, first, _ = answered(story)
    story.plant(taking(story, rfq), e.Accepted(story.seq), story.fill(first, 910))


@planted(Rule.PRICE_MUST_BE_WITHIN_LIMIT)
def a_quote_beyond_the_limit_is_taken(story: Story) -> None:
    rfq = asked(story)
    offer = quote(story.venue, 2, rfq, PRICE + 10 * USDC)
    story.plant(taking(story, rfq, price=PRICE), e.Accepted(story.seq), story.fill(offer, 910))


@planted(Rule.NOBODY_MUST_BE_PASSED_OVER)
def an_acceptance_ends_though_quotes_are_left(story: Story) -> None:
    rfq = asked(story)
    first, _ = (quote(story.venue, account, rfq, PRICE, ONE) for account in (2, 3))
    story.plant(
        taking(story, rfq, 2 * ONE, tif=c.IOC),
        e.Accepted(story.seq),
        story.fill(first, 900),
        e.Cancelled(story.seq, Why.IMMEDIATE_REMAINDER, ONE),
    )


@planted(Rule.FILL_MUST_BE_WHOLE)
def a_quote_fills_in_two_parts(story: Story) -> None:
    rfq, _, first, _ = answered(story)
    halves = [story.fill(first, 900, ONE // 2, after=place) for place in (0, 1)]
    story.plant(taking(story, rfq), e.Accepted(story.seq), *halves)


@planted(Rule.WHOLE_MUST_FILL_WHOLE)
def a_whole_quote_fills_in_part(story: Story) -> None:
    rfq = asked(story)
    whole = quote(story.venue, 2, rfq, PRICE, 2 * ONE, whole=True)
    story.plant(taking(story, rfq), e.Accepted(story.seq), story.fill(whole, 900))


@planted(Rule.FILL_OR_KILL_MUST_FILL)
def an_acceptance_of_all_fills_in_part(story: Story) -> None:
    rfq = asked(story)
    offer = quote(story.venue, 2, rfq, PRICE, ONE)
    rest = e.Cancelled(story.seq, Why.IMMEDIATE_REMAINDER, ONE)
    story.plant(taking(story, rfq, 2 * ONE), e.Accepted(story.seq), story.fill(offer, 900), rest)


@planted(Rule.REQUEST_MUST_FILL_IN_ITS_STEPS)
def less_than_the_minimum_fills(story: Story) -> None:
    rfq = asked(story, minimum=2 * ONE)
    offer = quote(story.venue, 2, rfq, PRICE, 3 * ONE)
    story.venue.must(taking(story, rfq, 2 * ONE))
    rest = e.Cancelled(story.seq, Why.IMMEDIATE_REMAINDER, ONE)
    story.plant(taking(story, rfq, 2 * ONE, tif=c.IOC), e.Accepted(story.seq), story.fill(offer, 900), rest)


@planted(Rule.REQUEST_MUST_FILL_IN_ITS_STEPS)
def a_fill_is_no_whole_step(story: Story) -> None:
    rfq = asked(story, step=ONE)
    offer = quote(story.venue, 2, rfq, PRICE)
    rest = e.Cancelled(story.seq, Why.IMMEDIATE_REMAINDER, ONE // 2)
    story.plant(
        taking(story, rfq, 2 * ONE, tif=c.IOC), e.Accepted(story.seq), story.fill(offer, 900, ONE + ONE // 2), rest
    )


@planted(Rule.ADMISSION_MUST_HOLD)
def somebody_else_accepts(story: Story) -> None:
    rfq, _, first, _ = answered(story)
    story.venue.must(request(story.venue, account=2))
    auth = signed(story.venue, 4, rfq, True, ONE, PRICE, tif=c.FOK)
    story.plant(c.AcceptRfq(auth), e.Accepted(story.seq), story.fill(first, 900))


@planted(Rule.REFUSAL_MUST_HOLD)
def an_acceptance_is_refused_though_there_are_quotes(story: Story) -> None:
    rfq, *_ = answered(story)
    story.plant(taking(story, rfq), e.Rejected(Reject.RFQ_MUST_MEET_QUOTES))


@planted(Rule.CANCEL_MUST_HAVE_A_REASON)
def a_better_quote_is_taken_away_for_no_reason(story: Story) -> None:
    rfq, _, first, late = answered(story)
    gone = e.Cancelled(first, Why.EXPIRED, 10 * ONE)
    story.plant(taking(story, rfq), e.Accepted(story.seq), gone, story.fill(late, 900))


# -- who answers ------------------------------------------------------------------------------------------------------


@planted(Rule.ADMISSION_MUST_HOLD)
def an_order_for_a_request_enters_the_book(story: Story) -> None:
    rfq = asked(story)
    auth = signed(story.venue, 2, rfq, False, ONE, PRICE)
    story.plant(c.Place(auth), e.Accepted(story.seq), e.Rested(story.seq, PRICE))


@planted(Rule.ADMISSION_MUST_HOLD)
def an_order_for_the_book_answers_a_request(story: Story) -> None:
    asked(story)
    story.plant(c.QuoteRfq(story.venue.auth(2, CALL, False, ONE, PRICE)), e.Accepted(story.seq))


@planted(Rule.ADMISSION_MUST_HOLD)
def somebody_answers_who_was_not_asked(story: Story) -> None:
    rfq = asked(story, makers=(2,))
    story.plant(c.QuoteRfq(signed(story.venue, 3, rfq, False, ONE, PRICE)), e.Accepted(story.seq))


@planted(Rule.ADMISSION_MUST_HOLD)
def the_taker_answers_by_another_account(story: Story) -> None:
    rfq = asked(story)
    story.venue.must(c.AdmitMaker(5, True))
    auth = signed(story.venue, 5, rfq, False, ONE, PRICE, signer=(1).to_bytes(20, "big"))
    story.plant(c.QuoteRfq(auth), e.Accepted(story.seq))


@planted(Rule.EVENTS_MUST_FIT)
def an_edit_keeps_a_place_it_should_lose(story: Story) -> None:
    _, _, first, _ = answered(story)
    story.change(requoted(story.venue, first, PRICE + USDC * 5, ONE), instead(e.Amended, kept=True))


@planted(Rule.CANCEL_MUST_BE_COMPLETE)
def a_quote_is_taken_back_and_stays(story: Story) -> None:
    rfq, *_ = answered(story)
    story.change(c.CancelRfqQuotes(2, rfq), without(e.Cancelled))


# -- ends -------------------------------------------------------------------------------------------------------------


@planted(Rule.REQUEST_MUST_NOT_OUTLIVE_ITS_END)
def a_request_outlives_its_time(story: Story) -> None:
    answered(story)
    story.venue.wait(61)
    story.plant(c.Tick(), e.Applied())


@planted(Rule.REQUEST_MUST_END_WITH_A_REASON)
def a_request_ends_before_its_time(story: Story) -> None:
    rfq = asked(story)
    story.plant(c.Tick(), e.RfqEnded(rfq, e.RfqEnd.EXPIRED), e.Applied())


@planted(Rule.REQUEST_MUST_END_WITH_A_REASON)
def a_request_that_is_filled_goes_on(story: Story) -> None:
    rfq = asked(story)
    quote(story.venue, 2, rfq, PRICE)
    story.change(taking(story, rfq, 10 * ONE), without(e.RfqEnded))


@planted(Rule.CANCEL_MUST_BE_COMPLETE)
def a_quote_outlives_its_request(story: Story) -> None:
    rfq, *_ = answered(story)
    story.change(c.CloseRfq(1, rfq), without(e.Cancelled))


@planted(Rule.ADMISSION_MUST_HOLD)
def a_request_is_accepted_after_its_time(story: Story) -> None:
    rfq, _, first, _ = answered(story)
    story.venue.wait(60)
    story.plant(taking(story, rfq), e.Accepted(story.seq), story.fill(first, 900))


@planted(Rule.ADMISSION_MUST_HOLD)
def a_maker_closes_the_request(story: Story) -> None:
    rfq = asked(story)
    story.plant(c.CloseRfq(2, rfq), e.RfqEnded(rfq, e.RfqEnd.BY_TAKER))
