"""The acceptance of a request for quotes: the best that answered, each at its own price, for whole steps.

It is an order that meets the quotes of its request instead of a book, so the rules of a meeting hold, and some of its
own. Imports the words of the journal, matching and the rooms of requests.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from exchange.core import commands as c
from exchange.core.events import Accepted, Cancelled, CancelReason, Event, Reject, Rejected, RfqEnd, RfqEnded, Traded
from replay.checker import batches, keys, presence, rfqs
from replay.checker.admission import settlement_lags
from replay.checker.bounds import FEW_POSITIONS
from replay.checker.facts import Combo, Order, Request
from replay.checker.ledger import Ledger
from replay.checker.matching import Meeting
from replay.checker.rules import Rule, Taken
from replay.checker.slices import Slice
from replay.checker.together import Together
from replay.checker.waiting import waited


class Answers:
    """The quotes of a request that an acceptance may take: those of the other side, or the one that it names.

    One that fills whole or not at all is not there for an order that has less left.
    """

    def __init__(self, request: Request, taker: Order, named: int) -> None:
        self.request, self.taker, self.named = request, taker, named

    def first(self) -> Order | None:
        """The best price, then the one that stood there first."""
        return next(self.in_turn(), None)

    def standing(self) -> list[Order]:
        """All of the other side, the best first."""
        sign = 1 if self.taker.is_buy else -1
        across = [order for order in self.request.quotes.values() if order.is_buy != self.taker.is_buy]
        return sorted(across, key=lambda quote: (sign * quote.price, quote.age, quote.id))

    def in_turn(self) -> Iterator[Order]:
        """Those of them that it may take, in that order."""
        taker = self.taker
        for order in self.standing():
            fits = not order.terms.whole or order.left <= taker.left
            if fits and self.named in (0, order.id):
                yield order


def steps(ledger: Ledger, request: Request, quote_id: int, qty: int) -> None:
    """A fill is of whole steps, of a quote for this request, and of all of one that fills whole."""
    quote = request.quotes.get(quote_id)
    request.left -= qty
    if qty % request.asked.step or request.left < 0:
        sentence = f"{qty} from order {quote_id} does not fit request {request.id}"
        ledger.note(Rule.REQUEST_MUST_FILL_IN_ITS_STEPS, sentence, actual=request.left)
    if quote is None:
        sentence = f"order {quote_id} is filled, and does not answer {request.id}"
        ledger.note(Rule.MAKER_MUST_BE_OPEN, sentence, order=quote_id)
    elif quote.terms.whole and qty != quote.left:
        sentence = f"quote {quote.id} fills whole or not at all, and fills in part"
        ledger.note(Rule.WHOLE_MUST_FILL_WHOLE, sentence, order=quote.id, expected=quote.left, actual=qty)


class Acceptance(Meeting):
    """The meeting of an acceptance with the quotes of its request."""

    __slots__ = ("answers", "request")

    def __init__(self, ledger: Ledger, taker: Order, request: Request, named: int) -> None:
        super().__init__(ledger, taker)
        self.request = request
        self.across = self.answers = Answers(request, taker, named)

    def fill(self, events: Sequence[Event]) -> None:
        """Follow the record up to the end of the request, which is due when nothing of it is left."""
        for event in events:
            if type(event) is Traded:
                steps(self.ledger, self.request, event.maker_order, event.qty)
        self.follow(events)

    def could_fill(self) -> int:
        """How much of the order the quotes hold that it can reach, if everybody can bear it."""
        left = self.taker.left
        for order in self.answers.standing():
            if not self.reaches(order) or not self.in_band(order.price):
                break
            if self.answers.named in (0, order.id) and (not order.terms.whole or order.left <= left):
                left -= min(left, order.left)
        return self.taker.left - left


class Legged(Together):
    """The meeting of an acceptance of several legs: whole units, with the quotes of its request and with no book."""

    def __init__(self, ledger: Ledger, taker: Order, request: Request, named: int) -> None:
        super().__init__(ledger, taker)
        self.request, self.answers = request, Answers(request, taker, named)

    def own(self) -> Order | None:
        """The best that answered, within the limit."""
        quote = self.answers.first()
        return quote if quote is not None and self.reaches(quote) else None

    def slice(self) -> Slice | None:
        """Nothing is taken from the books of the legs."""
        return None

    def reaches(self, maker: Order) -> bool:
        """Whether a price on the other side is within the order's limit."""
        return self.sign * maker.price <= self.sign * self.taker.price

    def fill(self, events: Sequence[Event]) -> None:
        """Follow the record up to the end of the request, which is due when nothing of it is left."""
        for event in events:
            if type(event) is Traded and event.units:
                steps(self.ledger, self.request, event.maker_order, event.units)
        self.follow(events)

    def could_fill(self) -> int:
        """How much of the order the quotes hold that it can reach, if everybody can bear it."""
        left = self.taker.left
        for order in self.answers.standing():
            fits = not order.terms.whole or order.left <= left
            if self.reaches(order) and fits and self.answers.named in (0, order.id):
                left -= min(left, order.left)
        return self.taker.left - left


Either = Acceptance | Legged


def accepted(ledger: Ledger, command: c.AcceptRfq, events: Sequence[Event]) -> None:
    """The taker's order fills the best quotes, or is refused."""
    waited(ledger, command)
    auth = command.auth
    events = presence.overdue(ledger, auth.account, batches.sealed_first(ledger, events))
    request = rfqs.opened(ledger, auth)
    if request is not None and request.account.id != auth.account:
        request = None
    broken = [*rfqs.broken_order(ledger, auth), *_broken(ledger, request, command)]
    meeting = _meeting(ledger, request, command)
    if events and type(events[-1]) is Rejected:
        _refused(ledger, meeting, events, broken)
        return
    rest = rfqs.answer(ledger, events, broken, Accepted(ledger.seq), command)
    if rest is None or meeting is None:
        return
    ledger.enter(meeting.taker, auth)
    at = next((place for place, event in enumerate(rest) if type(event) is RfqEnded), len(rest))
    filled = meeting.request.left
    meeting.fill(rest[:at])
    _enough(ledger, meeting, filled - meeting.request.left, filled)
    if at < len(rest) or not meeting.request.left:
        rfqs.ended(ledger, rest[at:], [RfqEnd.FILLED] if not meeting.request.left else [], meeting.request)


def _enough(ledger: Ledger, meeting: Either, filled: int, left: int) -> None:
    asked = meeting.request.asked
    least = min(left, max(asked.minimum, asked.step))
    if filled < least:
        sentence = f"order {meeting.taker.id} fills less than request {meeting.request.id} asks for at least"
        ledger.note(Rule.REQUEST_MUST_FILL_IN_ITS_STEPS, sentence, expected=least, actual=filled)


def _meeting(ledger: Ledger, request: Request | None, command: c.AcceptRfq) -> Either | None:
    auth = command.auth
    account, series = ledger.accounts.get(auth.account), rfqs.subject(ledger, auth.series)
    if request is None or account is None or series is None:
        return None
    if series is not rfqs.subject(ledger, request.asked.series):
        return None
    kind = Legged if isinstance(series, Combo) else Acceptance
    return kind(ledger, Order(ledger.seq, account, series, auth), request, command.quote)


def _broken(ledger: Ledger, request: Request | None, command: c.AcceptRfq) -> Iterator[Reject]:
    auth = command.auth
    yield from rfqs.broken_in(request, auth)
    yield from settlement_lags(ledger)
    if auth.tif == c.GTC:
        yield Reject.TIF_MUST_BE_KNOWN
    if auth.replaces:
        yield Reject.AMEND_MUST_NAME_REPLACED_NONCE
    if auth.post_only or c.terms_of(auth) != c.Terms(rfq=c.terms_of(auth).rfq):
        yield Reject.RFQ_ORDER_MUST_BE_PLAIN
    if command.quote and request is not None:
        named = request.quotes.get(command.quote)
        if named is None or named.is_buy == auth.is_buy:
            yield Reject.ORDER_MUST_BE_OPEN


SINCE: Final = (CancelReason.MARGIN, CancelReason.POSITIONS_BOUND, CancelReason.FEE, CancelReason.KEY_LIMIT)
"""Why a quote could not be honoured, besides its own end: what of it depends on fills that were not made."""


def _refused(ledger: Ledger, meeting: Either | None, events: Sequence[Event], broken: list[Reject]) -> None:
    """Quotes that could not be honoured leave although nothing is filled; then there is too little."""
    for event in events[:-1]:
        if type(event) is not Cancelled or meeting is None or not _could_not(meeting, event):
            ledger.note(Rule.EVENTS_MUST_FIT, f"a refused acceptance causes {event}")
        if type(event) is Cancelled:
            ledger.end(event.order_id, event.remaining)
    last = events[-1]
    assert isinstance(last, Rejected)
    if last.reason is Reject.RFQ_MUST_MEET_QUOTES and meeting is not None:
        _too_little(ledger, meeting)
    else:
        rfqs.refused(ledger, last, broken, "AcceptRfq")


def _could_not(meeting: Either, event: Cancelled) -> bool:
    ledger, quote = meeting.ledger, meeting.request.quotes.get(event.order_id)
    if quote is None or quote.is_buy == meeting.taker.is_buy or not meeting.reaches(quote):
        return False
    since = (*SINCE, CancelReason.VOLATILITY) if isinstance(meeting, Legged) else SINCE  # no prices of legs come to it
    if event.reason in since:
        ledger.take(Taken.MARGIN)
        return True
    if event.reason is CancelReason.EXPIRED:
        return quote.expiry_s <= ledger.now_s
    return event.reason in presence.dooms(ledger, quote)


def _too_little(ledger: Ledger, meeting: Either) -> None:
    taker = meeting.taker
    least = taker.left if taker.tif == c.FOK else meeting.request.least()
    if meeting.could_fill() < least:
        return
    banded = isinstance(taker.series, Combo) and taker.series.underlying in ledger.banded
    if banded or keys.bound_of(taker) is not None or len(taker.account.positions) >= FEW_POSITIONS:
        ledger.take(Taken.FILL_OR_KILL)
        return
    sentence = f"request {meeting.request.id} is not accepted for too few quotes, and there are enough"
    ledger.note(Rule.REFUSAL_MUST_HOLD, sentence, expected=least, actual=meeting.could_fill())
