"""Requests for quotes: asking, answering, and whose quotes an acceptance takes. # M12"""

from collections.abc import Iterator

import pytest
from core_rfqs import (
    CALL,
    MAKER,
    MARK,
    ONE,
    OTHER,
    PUT,
    STRANGER,
    TAKER,
    THIRD,
    accept,
    accepted,
    ask,
    asking_venue,
    check,
    ends,
    fills,
    gone,
    quote,
    request,
    requoted,
    signed,
    standing,
)
from core_venue import USDC, Venue, wallet
from msgspec.structs import replace

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import rfq as rfqs
from exchange.core.events import CancelReason, Reject, RfqEnd
from exchange.core.units import NO_EXPIRY


@pytest.fixture
def venue() -> Iterator[Venue]:
    """Whatever a test did, the invariants hold after it, and its history can be told again."""
    venue = asking_venue()
    yield venue
    check(venue)


# -- asking -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"account": 99}, Reject.ACCOUNT_MUST_EXIST),
        ({"account": 0}, Reject.ACCOUNT_MUST_EXIST),
        ({"series": 12}, Reject.SERIES_MUST_EXIST),
        ({"qty": 0}, Reject.QTY_MUST_BE_POSITIVE),
        ({"qty": 150}, Reject.QTY_MUST_BE_ON_LOT),
        ({"qty": 2**32}, Reject.QTY_MUST_BE_ON_LOT),
        ({"qty": 2**32 + 4}, Reject.QTY_MUST_FIT),
        ({"session": 7}, Reject.SESSION_MUST_BE_OPEN),
        ({"side": 3}, Reject.RFQ_TERMS_MUST_FIT),
        ({"side": -1}, Reject.RFQ_TERMS_MUST_FIT),
        ({"step": 0}, Reject.RFQ_TERMS_MUST_FIT),
        ({"step": 50}, Reject.RFQ_TERMS_MUST_FIT),
        ({"step": 3_000}, Reject.RFQ_TERMS_MUST_FIT),
        ({"step": 200_000}, Reject.RFQ_TERMS_MUST_FIT),
        ({"minimum": -100}, Reject.RFQ_TERMS_MUST_FIT),
        ({"step": 1_000, "minimum": 1_500}, Reject.RFQ_TERMS_MUST_FIT),
        ({"minimum": 100_100}, Reject.RFQ_TERMS_MUST_FIT),
        ({"expires_s": 0}, Reject.RFQ_TERMS_MUST_FIT),
        ({"label": "x" * 65}, Reject.RFQ_TERMS_MUST_FIT),
        ({"makers": tuple(range(65))}, Reject.RFQ_TERMS_MUST_FIT),
        ({"makers": (STRANGER,)}, Reject.RFQ_MAKERS_MUST_BE_ADMITTED),
        ({"makers": (MAKER, MAKER)}, Reject.RFQ_MAKERS_MUST_BE_ADMITTED),
        ({"makers": (99,)}, Reject.RFQ_MAKERS_MUST_BE_ADMITTED),
    ],
)
def test_request_that_does_not_fit_is_refused(venue: Venue, terms: dict[str, int], reason: Reject) -> None:
    assert venue.rejected(request(venue, **terms)) is reason


def test_request_ends_within_an_hour_and_before_its_series(venue: Venue) -> None:
    now_s = venue.now_s
    assert venue.rejected(request(venue, expires_s=now_s)) is Reject.RFQ_TERMS_MUST_FIT
    assert venue.rejected(request(venue, expires_s=now_s + 3_601)) is Reject.RFQ_TERMS_MUST_FIT
    venue.must(request(venue, expires_s=now_s + 3_600))
    expiry_s = venue.state.series[CALL].expiry_s
    venue.wait(expiry_s - now_s - 60)
    assert venue.rejected(request(venue, expires_s=expiry_s + 1)) is Reject.RFQ_TERMS_MUST_FIT
    venue.must(request(venue, expires_s=expiry_s))
    venue.wait(60)
    assert venue.rejected(request(venue)) is Reject.SERIES_MUST_BE_TRADING


def test_requests_and_their_quotes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    venue = asking_venue()  # the checker has bounds of its own
    opened = [ask(venue) for _ in range(rfqs.RFQS_OF_ACCOUNT_MAX)]
    assert venue.rejected(request(venue)) is Reject.RFQS_MUST_FIT
    venue.must(request(venue, account=STRANGER))
    venue.must(c.CloseRfq(TAKER, opened[0]))
    ask(venue)
    monkeypatch.setattr(rfqs, "RFQS_MAX", len(venue.state.rfqs))
    assert venue.rejected(request(venue, account=THIRD)) is Reject.RFQS_MUST_FIT
    monkeypatch.setattr(rfqs, "QUOTES_MAX", 1)
    quote(venue, MAKER, opened[1], MARK, ONE)
    one_more = signed(venue, OTHER, opened[1], False, ONE, MARK)
    assert venue.rejected(c.QuoteRfq(one_more)) is Reject.RFQS_MUST_FIT
    monkeypatch.setattr(rfqs, "OPEN_ORDERS_MAX", 0)
    assert venue.rejected(c.QuoteRfq(one_more)) is Reject.OPEN_ORDERS_MUST_FIT


def test_only_the_taker_closes_a_request(venue: Venue) -> None:
    rfq = ask(venue)
    offer = quote(venue, MAKER, rfq, MARK)
    assert venue.rejected(c.CloseRfq(MAKER, rfq)) is Reject.RFQ_MUST_BE_OPEN
    events = venue.must(c.CloseRfq(TAKER, rfq))
    assert (ends(events), gone(events)) == ({rfq: RfqEnd.BY_TAKER}, {offer: CancelReason.RFQ_ENDED})
    assert venue.rejected(c.CloseRfq(TAKER, rfq)) is Reject.RFQ_MUST_BE_OPEN
    assert not venue.state.orders


def test_nobody_asks_while_halted_leaving_or_under_a_kill_switch(venue: Venue) -> None:
    venue.must(c.SetPhase(c.SERIES, CALL, c.HALTED, 0, 0, "test", "test"))
    assert venue.rejected(request(venue)) is Reject.SERIES_MUST_TAKE_ORDERS
    venue.must(c.PullKill(c.KILL_ACCOUNT, TAKER, b"", wallet(TAKER), "test"))
    assert venue.rejected(request(venue)) is Reject.KILL_SWITCH_MUST_BE_RELEASED
    venue.observe(c.ObserveExit, TAKER)
    assert venue.rejected(request(venue)) is Reject.ACCOUNT_MUST_BE_ACTIVE
    venue.must(c.SetTrading(False, "test"))
    assert venue.rejected(request(venue)) is Reject.TRADING_MUST_BE_OPEN


def test_nobody_asks_where_the_contracts_do_not_know_such_orders() -> None:
    plain = asking_venue(rfqs=False)
    assert plain.rejected(request(plain)) is Reject.RFQS_MUST_BE_SUPPORTED


# -- answering --------------------------------------------------------------------------------------------------------


def test_to_whom_was_not_asked_a_request_is_none(venue: Venue) -> None:
    rfq = ask(venue, makers=(MAKER,))
    quote(venue, MAKER, rfq, MARK)
    assert venue.rejected(c.QuoteRfq(signed(venue, OTHER, rfq, False, ONE, MARK))) is Reject.RFQ_MUST_BE_OPEN
    assert venue.rejected(c.QuoteRfq(signed(venue, OTHER, rfq + 99, False, ONE, MARK))) is Reject.RFQ_MUST_BE_OPEN


def test_only_makers_answer_and_nobody_answers_her_own_wallet(venue: Venue) -> None:
    rfq = ask(venue)
    stranger = signed(venue, STRANGER, rfq, False, ONE, MARK)
    assert venue.rejected(c.QuoteRfq(stranger)) is Reject.RFQ_MAKERS_MUST_BE_ADMITTED
    venue.observe(c.ObserveAccount, 6, wallet(TAKER))
    venue.fund(6, 100_000)
    venue.must(c.AdmitMaker(6, True))
    own = signed(venue, 6, rfq, False, ONE, MARK, signer=wallet(TAKER))
    assert venue.rejected(c.QuoteRfq(own)) is Reject.RFQ_MUST_BE_OF_ANOTHER
    assert venue.rejected(request(venue, makers=(6,))) is Reject.RFQ_MUST_BE_OF_ANOTHER


@pytest.mark.parametrize("scopes", [c.SCOPE_TRADE, c.SCOPE_RFQ])
def test_a_key_for_requests_or_for_trading_signs_what_answers_and_accepts(venue: Venue, scopes: int) -> None:
    for account in (TAKER, MAKER):
        venue.observe(c.ObserveKey, account, b"k" * 20, scopes, NO_EXPIRY)
    rfq = ask(venue)
    offer = quote(venue, MAKER, rfq, MARK, signer=b"k" * 20)
    venue.must(requoted(venue, offer, MARK, 10 * ONE, whole=True, signer=b"k" * 20))
    assert fills(accept(venue, rfq, MARK, signer=b"k" * 20)) == [(offer, 10 * ONE, MARK)]


def test_a_key_for_requests_signs_nothing_for_a_book(venue: Venue) -> None:
    venue.observe(c.ObserveKey, TAKER, b"k" * 20, c.SCOPE_RFQ, NO_EXPIRY)
    plain = venue.auth(TAKER, CALL, True, ONE, MARK, signer=b"k" * 20)
    assert venue.rejected(c.Place(plain)) is Reject.SIGNER_MUST_BE_AUTHORISED
    order = venue.place(TAKER, CALL, True, ONE, MARK)[0].order_id
    nonce = venue.state.auths[venue.state.orders[order].auth_id].auth.nonce
    again = venue.auth(TAKER, CALL, True, 2 * ONE, MARK, signer=b"k" * 20, replaces=nonce + 1)
    assert venue.rejected(c.Amend(order, again)) is Reject.SIGNER_MUST_BE_AUTHORISED


@pytest.mark.parametrize("scopes", [c.SCOPE_CANCEL, c.SCOPE_QUOTE, c.SCOPE_READ])
def test_no_other_key_answers(venue: Venue, scopes: int) -> None:
    venue.observe(c.ObserveKey, MAKER, b"k" * 20, scopes, NO_EXPIRY)
    answer = signed(venue, MAKER, ask(venue), False, ONE, MARK, signer=b"k" * 20)
    assert venue.rejected(c.QuoteRfq(answer)) is Reject.SIGNER_MUST_BE_AUTHORISED


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"series": PUT}, Reject.RFQ_ORDER_MUST_KEEP_SERIES_AND_SIDE),
        ({"is_buy": True}, Reject.RFQ_ORDER_MUST_KEEP_SERIES_AND_SIDE),
        ({"qty": 1_500}, Reject.RFQ_QTY_MUST_FIT),
        ({"qty": 2_000}, Reject.RFQ_QTY_MUST_FIT),
        ({"qty": 101_000}, Reject.RFQ_QTY_MUST_FIT),
        ({"tif": c.IOC}, Reject.TIF_MUST_BE_KNOWN),
        ({"tif": c.FOK}, Reject.TIF_MUST_BE_KNOWN),
        ({"reduce_only": True}, Reject.RFQ_ORDER_MUST_BE_PLAIN),
        ({"replaces": 5}, Reject.AMEND_MUST_NAME_REPLACED_NONCE),
        ({"price": 900 * USDC + 1}, Reject.PRICE_MUST_BE_ON_TICK),
        ({"max_fee": 0}, Reject.MAX_FEE_MUST_COVER_FEE),
        ({"signer": b"x" * 20}, Reject.SIGNER_MUST_BE_AUTHORISED),
        ({"expiry_s": 1}, Reject.ORDER_MUST_NOT_BE_EXPIRED),
    ],
)
def test_quote_that_does_not_fit_is_refused(venue: Venue, terms: dict[str, int], reason: Reject) -> None:
    rfq = ask(venue, side=c.BUYING, step=1_000, minimum=3_000)
    base = signed(venue, MAKER, rfq, False, 5_000, MARK)
    assert venue.rejected(c.QuoteRfq(replace(base, **terms))) is reason
    venue.must(c.QuoteRfq(base))


@pytest.mark.parametrize(
    "terms", [{"display": 100}, {"self_trade": 1}, {"trigger": c.INDEX, "trigger_price": 1}, {"slide": True}]
)
def test_terms_for_a_book_do_not_go_with_a_request(venue: Venue, terms: dict[str, int]) -> None:
    rfq = ask(venue)
    mixed = signed(venue, MAKER, rfq, False, ONE, MARK, terms=c.Terms(rfq=rfq, **terms))
    assert venue.rejected(c.QuoteRfq(mixed)) is Reject.RFQ_ORDER_MUST_BE_PLAIN


def test_bound_order_enters_no_book_and_plain_one_no_request(venue: Venue) -> None:
    rfq = ask(venue)
    bound = signed(venue, MAKER, rfq, False, ONE, MARK)
    assert venue.rejected(c.Place(bound)) is Reject.RFQ_ORDER_MUST_STAY_THERE
    free = venue.must(c.Place(venue.auth(MAKER, CALL, False, ONE, MARK)))[0].order_id
    amended = venue.amend_auth(free, ONE, MARK + 5 * USDC, terms=c.Terms(rfq=rfq))
    assert venue.rejected(c.Amend(free, amended)) is Reject.RFQ_ORDER_MUST_STAY_THERE
    assert venue.rejected(c.QuoteRfq(venue.auth(MAKER, CALL, False, ONE, MARK))) is Reject.RFQ_MUST_BE_OPEN
    only_whole = venue.auth(MAKER, CALL, False, ONE, MARK, terms=c.Terms(whole=True))
    assert venue.rejected(c.Place(only_whole)) is Reject.TERMS_MUST_BE_KNOWN


def test_quote_is_in_no_book_and_no_book_order_is_in_the_request(venue: Venue) -> None:
    rfq = ask(venue)
    quote(venue, MAKER, rfq, MARK - 100 * USDC)
    quote(venue, OTHER, rfq, MARK + 100 * USDC, is_buy=True)  # crossed, and nobody minds: nobody has accepted
    book = venue.state.books[CALL]
    assert (book.bids.best(), book.asks.best()) == (None, None)
    venue.must(c.Place(venue.auth(THIRD, CALL, False, ONE, MARK)))
    assert fills(venue.place(STRANGER, CALL, True, 2 * ONE, MARK + 50 * USDC)) == [(venue.state.seq - 1, ONE, MARK)]
    assert fills(accept(venue, rfq, MARK, 10 * ONE)) == [(rfq + 1, 10 * ONE, MARK - 100 * USDC)]


def test_maker_has_one_quote_on_each_side(venue: Venue) -> None:
    rfq = ask(venue)
    quote(venue, MAKER, rfq, MARK)
    quote(venue, MAKER, rfq, MARK - 50 * USDC, is_buy=True)
    again = signed(venue, MAKER, rfq, False, ONE, MARK)
    assert venue.rejected(c.QuoteRfq(again)) is Reject.QUOTE_MUST_BE_ALONE_ON_ITS_SIDE


def test_quote_is_edited_as_a_quote(venue: Venue) -> None:
    rfq = ask(venue)
    first, second = quote(venue, MAKER, rfq, MARK), quote(venue, OTHER, rfq, MARK)
    plain = venue.amend_auth(first, ONE, MARK)
    assert venue.rejected(c.Amend(first, plain)) is Reject.QUOTE_MUST_BE_QUOTED_ANEW
    assert venue.must(requoted(venue, first, MARK, 5 * ONE)) == (e.Amended(first, kept=True),)
    assert fills(accept(venue, rfq, MARK, ONE)) == [(first, ONE, MARK)]
    assert venue.must(requoted(venue, first, MARK, 6 * ONE)) == (e.Amended(first, kept=False),)
    assert fills(accept(venue, rfq, MARK, ONE)) == [(second, ONE, MARK)]
    venue.must(requoted(venue, first, MARK - 5 * USDC, 6 * ONE))
    assert fills(accept(venue, rfq, MARK, ONE)) == [(first, ONE, MARK - 5 * USDC)]
    venue.must(requoted(venue, second, MARK - 5 * USDC, 4 * ONE, whole=True))
    assert [order.qty - order.filled for order in standing(venue, rfq)] == [4 * ONE, 3 * ONE]


def test_edit_that_does_not_fit_is_refused(venue: Venue) -> None:
    rfq, other = ask(venue), ask(venue)
    offer = quote(venue, MAKER, rfq, MARK)
    accept(venue, rfq, MARK, 3 * ONE)
    good = requoted(venue, offer, MARK, 5 * ONE)

    def refused(**terms: object) -> Reject:
        return venue.rejected(c.RequoteRfq(offer, replace(good.auth, **terms)))

    assert venue.rejected(c.RequoteRfq(offer + 99, good.auth)) is Reject.ORDER_MUST_BE_OPEN
    assert refused(account=OTHER, signer=wallet(OTHER)) is Reject.ORDER_MUST_BE_OWN
    assert refused(terms=c.Terms(rfq=other)) is Reject.RFQ_MUST_BE_OPEN
    assert refused(is_buy=True) is Reject.RFQ_ORDER_MUST_KEEP_SERIES_AND_SIDE
    assert refused(qty=3 * ONE) is Reject.AMEND_QTY_MUST_EXCEED_FILLED
    assert refused(replaces=0) is Reject.AMEND_MUST_NAME_REPLACED_NONCE
    assert refused(qty=3 * ONE + 50) is Reject.QTY_MUST_BE_ON_LOT
    assert refused(qty=11 * ONE) is Reject.RFQ_QTY_MUST_FIT
    venue.must(good)
    book_order = venue.must(c.Place(venue.auth(MAKER, CALL, False, ONE, MARK)))[0].order_id
    bound = signed(venue, MAKER, rfq, False, ONE, MARK, replaces=venue.nonces[MAKER])
    assert venue.rejected(c.RequoteRfq(book_order, bound)) is Reject.ORDER_MUST_BE_OPEN


def test_quotes_are_taken_back_one_by_one_by_request_and_all(venue: Venue) -> None:
    first, second = ask(venue), ask(venue)
    mine = [quote(venue, MAKER, rfq, MARK) for rfq in (first, second, ask(venue))]
    theirs = quote(venue, OTHER, first, MARK)
    assert gone(venue.must(c.Cancel(MAKER, mine[0]))) == {mine[0]: CancelReason.BY_OWNER}
    assert gone(venue.must(c.CancelRfqQuotes(MAKER, second))) == {mine[1]: CancelReason.BY_OWNER}
    assert gone(venue.must(c.CancelRfqQuotes(MAKER))) == {mine[2]: CancelReason.BY_OWNER}
    assert venue.must(c.CancelRfqQuotes(MAKER)) == (e.Applied(),)
    assert venue.rejected(c.CancelRfqQuotes(99)) is Reject.ACCOUNT_MUST_EXIST
    assert venue.rejected(c.Cancel(MAKER, theirs)) is Reject.ORDER_MUST_BE_OWN
    assert gone(venue.must(c.CancelAll(OTHER))) == {theirs: CancelReason.BY_OWNER}


def test_who_answers_no_longer_takes_the_quotes_along(venue: Venue) -> None:
    rfq = ask(venue, makers=(MAKER, OTHER))
    offer = quote(venue, MAKER, rfq, MARK)
    assert gone(venue.must(c.AdmitMaker(MAKER, False))) == {offer: CancelReason.BY_OWNER}
    late = signed(venue, MAKER, rfq, False, ONE, MARK)
    assert venue.rejected(c.QuoteRfq(late)) is Reject.RFQ_MAKERS_MUST_BE_ADMITTED
    assert venue.rejected(c.AdmitMaker(99, True)) is Reject.ACCOUNT_MUST_EXIST
    venue.must(c.AdmitMaker(MAKER, True))
    quote(venue, MAKER, rfq, MARK)


def test_bands_bind_quotes_and_acceptances(venue: Venue) -> None:
    rfq = ask(venue)
    quote(venue, MAKER, rfq, MARK)
    narrow = c.SetBands(0, 0, 0, 1, "test")
    venue.must(narrow)
    low = signed(venue, OTHER, rfq, False, ONE, 100 * USDC)
    assert venue.rejected(c.QuoteRfq(low)) is Reject.PRICE_MUST_BE_IN_BAND
    assert venue.rejected(accepted(venue, rfq, 5_000 * USDC)) is Reject.PRICE_MUST_BE_IN_BAND


# -- whose quotes an acceptance takes ---------------------------------------------------------------------------------


def test_best_price_first_then_who_stood_there_first(venue: Venue) -> None:
    rfq = ask(venue)
    worse = quote(venue, MAKER, rfq, MARK + 5 * USDC, 4 * ONE)
    first = quote(venue, OTHER, rfq, MARK, 4 * ONE)
    second = quote(venue, THIRD, rfq, MARK, 4 * ONE)
    events = accept(venue, rfq, MARK + 5 * USDC)
    took = [(first, 4 * ONE, MARK), (second, 4 * ONE, MARK), (worse, 2 * ONE, MARK + 5 * USDC)]
    assert fills(events) == took
    assert ends(events) == {rfq: RfqEnd.FILLED}
    assert gone(events) == {worse: CancelReason.RFQ_ENDED}
    assert venue.state.accounts[TAKER].positions == {CALL: 10 * ONE}
    assert not venue.state.orders


def test_a_seller_takes_the_highest_bid(venue: Venue) -> None:
    rfq = ask(venue, side=c.SELLING)
    quote(venue, MAKER, rfq, MARK, is_buy=True)
    best = quote(venue, OTHER, rfq, MARK + 5 * USDC, is_buy=True)
    wrong = signed(venue, THIRD, rfq, False, ONE, MARK)
    assert venue.rejected(c.QuoteRfq(wrong)) is Reject.RFQ_ORDER_MUST_KEEP_SERIES_AND_SIDE
    assert venue.rejected(accepted(venue, rfq, MARK)) is Reject.RFQ_ORDER_MUST_KEEP_SERIES_AND_SIDE
    assert fills(accept(venue, rfq, MARK, is_buy=False)) == [(best, 10 * ONE, MARK + 5 * USDC)]


def test_nothing_fills_beyond_the_limit(venue: Venue) -> None:
    rfq = ask(venue)
    near = quote(venue, MAKER, rfq, MARK, 4 * ONE)
    far = quote(venue, OTHER, rfq, MARK + 5 * USDC)
    assert venue.rejected(accepted(venue, rfq, MARK)) is Reject.RFQ_MUST_MEET_QUOTES
    events = accept(venue, rfq, MARK, tif=c.IOC)
    assert fills(events) == [(near, 4 * ONE, MARK)]
    assert gone(events) == {venue.state.seq: CancelReason.IMMEDIATE_REMAINDER}
    assert [order.id for order in standing(venue, rfq)] == [far]
    assert venue.state.rfqs[rfq].filled == 4 * ONE
    assert venue.rejected(accepted(venue, rfq, MARK, 6 * ONE, tif=c.IOC)) is Reject.RFQ_MUST_MEET_QUOTES


def test_whole_quote_fills_whole_or_not_at_all(venue: Venue) -> None:
    rfq = ask(venue)
    whole = quote(venue, MAKER, rfq, MARK, 6 * ONE, whole=True)
    part = quote(venue, OTHER, rfq, MARK + 5 * USDC, 10 * ONE)
    assert fills(accept(venue, rfq, MARK + 5 * USDC, 5 * ONE)) == [(part, 5 * ONE, MARK + 5 * USDC)]
    assert venue.state.orders[whole].filled == 0
    assert accept(venue, rfq, MARK, ONE, named=whole)[-1].reason is Reject.RFQ_MUST_MEET_QUOTES
    late = quote(venue, THIRD, rfq, MARK - 5 * USDC, 5 * ONE, whole=True)
    events = accept(venue, rfq, MARK + 5 * USDC, 5 * ONE)
    assert fills(events) == [(late, 5 * ONE, MARK - 5 * USDC)]
    assert gone(events) == {whole: CancelReason.RFQ_ENDED, part: CancelReason.RFQ_ENDED}


def test_named_quote_is_the_only_one_taken(venue: Venue) -> None:
    rfq = ask(venue)
    better = quote(venue, MAKER, rfq, MARK)
    chosen = quote(venue, OTHER, rfq, MARK + 5 * USDC, 5 * ONE)
    bid = quote(venue, THIRD, rfq, MARK, is_buy=True)
    for wrong in (chosen + 99, bid):
        assert venue.rejected(accepted(venue, rfq, MARK + 5 * USDC, named=wrong)) is Reject.ORDER_MUST_BE_OPEN
    events = accept(venue, rfq, MARK + 5 * USDC, named=chosen, tif=c.IOC)
    assert fills(events) == [(chosen, 5 * ONE, MARK + 5 * USDC)]
    assert sorted(order.id for order in standing(venue, rfq)) == [better, bid]


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"tif": c.GTC}, Reject.TIF_MUST_BE_KNOWN),
        ({"post_only": True}, Reject.RFQ_ORDER_MUST_BE_PLAIN),
        ({"whole": True}, Reject.RFQ_ORDER_MUST_BE_PLAIN),
        ({"reduce_only": True}, Reject.RFQ_ORDER_MUST_BE_PLAIN),
        ({"replaces": 1}, Reject.AMEND_MUST_NAME_REPLACED_NONCE),
        ({"series": PUT}, Reject.RFQ_ORDER_MUST_KEEP_SERIES_AND_SIDE),
        ({"qty": 2 * ONE}, Reject.RFQ_QTY_MUST_FIT),
        ({"qty": 3 * ONE + 500}, Reject.RFQ_QTY_MUST_FIT),
        ({"qty": 11 * ONE}, Reject.RFQ_QTY_MUST_FIT),
    ],
)
def test_acceptance_that_does_not_fit_is_refused(venue: Venue, terms: dict[str, int], reason: Reject) -> None:
    rfq = ask(venue, step=1_000, minimum=3 * ONE)
    quote(venue, MAKER, rfq, MARK)
    assert venue.rejected(accepted(venue, rfq, MARK, **({"qty": 5 * ONE} | terms))) is reason
    venue.must(accepted(venue, rfq, MARK, 5 * ONE))


def test_minimum_is_all_that_is_left_at_the_end(venue: Venue) -> None:
    rfq = ask(venue, minimum=4 * ONE)
    quote(venue, MAKER, rfq, MARK)
    accept(venue, rfq, MARK, 7 * ONE)
    assert venue.rejected(accepted(venue, rfq, MARK, 2 * ONE)) is Reject.RFQ_QTY_MUST_FIT
    assert ends(accept(venue, rfq, MARK, 3 * ONE)) == {rfq: RfqEnd.FILLED}


def test_any_part_is_at_least_the_minimum(venue: Venue) -> None:
    rfq = ask(venue, minimum=4 * ONE)
    quote(venue, MAKER, rfq, MARK, 5 * ONE)
    accept(venue, rfq, MARK, 4 * ONE)  # one is left of the quote
    assert venue.rejected(accepted(venue, rfq, MARK, 6 * ONE, tif=c.IOC)) is Reject.RFQ_MUST_MEET_QUOTES
    quote(venue, OTHER, rfq, MARK, 4 * ONE)
    assert sum(qty for _, qty, _ in fills(accept(venue, rfq, MARK, 6 * ONE, tif=c.IOC))) == 5 * ONE


def test_only_who_asked_accepts(venue: Venue) -> None:
    rfq = ask(venue)
    quote(venue, MAKER, rfq, MARK)
    auth = signed(venue, STRANGER, rfq, True, ONE, MARK, tif=c.FOK)
    assert venue.rejected(c.AcceptRfq(auth)) is Reject.RFQ_MUST_BE_OPEN


def test_nothing_is_accepted_while_orders_are_collected_but_quotes_come_in(venue: Venue) -> None:
    rfq = ask(venue)
    venue.must(c.SetPhase(c.SERIES, CALL, c.AUCTION, venue.now_s + 30, 0, "test", "test"))
    offer = quote(venue, MAKER, rfq, MARK)
    assert venue.rejected(accepted(venue, rfq, MARK)) is Reject.TIF_MUST_SUIT_AUCTION
    venue.must(c.SetPhase(c.SERIES, CALL, c.HALTED, 0, 0, "test", "test"))
    assert venue.rejected(accepted(venue, rfq, MARK)) is Reject.SERIES_MUST_TAKE_ORDERS
    assert venue.rejected(c.QuoteRfq(signed(venue, OTHER, rfq, False, ONE, MARK))) is Reject.SERIES_MUST_TAKE_ORDERS
    venue.must(c.SetPhase(c.SERIES, CALL, c.CONTINUOUS, 0, 0, "test", "test"))
    assert fills(accept(venue, rfq, MARK)) == [(offer, 10 * ONE, MARK)]


def test_fill_outside_the_band_of_the_series_does_not_happen(venue: Venue) -> None:
    rfq = ask(venue)
    quote(venue, MAKER, rfq, 3_000 * USDC)
    venue.must(c.SetAuctions(0, 0, 60, 0, 10**16, 10**15, 0, "test"))
    assert venue.rejected(accepted(venue, rfq, 3_000 * USDC)) is Reject.RFQ_MUST_MEET_QUOTES
    assert not venue.state.auctions


def test_what_two_agreed_on_moves_no_last_price(venue: Venue) -> None:
    rfq = ask(venue)
    quote(venue, MAKER, rfq, MARK)
    waits = c.Terms(trigger=c.LAST, trigger_price=MARK, trigger_above=True)
    venue.must(c.Place(venue.auth(THIRD, CALL, True, ONE, MARK, terms=waits)))
    accept(venue, rfq, MARK)
    option = venue.state.series[CALL]
    assert (option.volume, option.last_price, option.open_interest) == (10 * ONE, 0, 10 * ONE)
    assert not venue.state.due


def test_reduce_only_order_whose_position_a_fill_closed_leaves_the_book(venue: Venue) -> None:
    venue.must(c.Place(venue.auth(MAKER, CALL, False, 10 * ONE, MARK)))
    venue.place(TAKER, CALL, True, 10 * ONE, MARK)
    stop = venue.must(c.Place(venue.auth(TAKER, CALL, False, ONE, 2 * MARK, reduce_only=True)))[0].order_id
    rfq = ask(venue, side=c.SELLING)
    quote(venue, OTHER, rfq, MARK, is_buy=True)
    assert gone(accept(venue, rfq, MARK, is_buy=False)) == {stop: CancelReason.REDUCE_ONLY}
