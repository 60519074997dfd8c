"""Requests for quotes: who asks and answers, which answers stand, and when a request is over.

What an acceptance fills is another room (``acceptance``). Imports the words of the journal, admission and the ledger.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import structs

from exchange.core import commands as c
from exchange.core.events import (
    Accepted,
    Amended,
    Applied,
    CancelReason,
    ComboListed,
    Event,
    Reject,
    Rejected,
    RfqEnd,
    RfqEnded,
)
from exchange.core.units import QTY_MAX
from replay.checker import breakers, combos, presence
from replay.checker.admission import broken_account, broken_by, broken_combo
from replay.checker.bounds import (
    LINEAGE_MAX,
    NAME_MAX,
    OPEN_ORDERS_MAX,
    RFQ_ENDS_MAX,
    RFQ_LIFE_MAX_S,
    RFQ_MAKERS_MAX,
    RFQ_QUOTES_MAX,
    RFQS_MAX,
    RFQS_OF_ACCOUNT_MAX,
)
from replay.checker.facts import Combo, Order, Request, Series
from replay.checker.leaving import leave as leave_for
from replay.checker.ledger import TREASURY, Ledger
from replay.checker.rules import Rule, Taken

SCOPES: Final = c.SCOPE_TRADE | c.SCOPE_RFQ
UNLISTED: Final = (
    Reject.COMBOS_MUST_BE_SUPPORTED,
    Reject.COMBO_LEGS_MUST_BE_CANONICAL,
    Reject.COMBO_LEGS_MUST_SHARE_UNDERLYING,
    Reject.COMBOS_MUST_FIT,
)


def reasons(ledger: Ledger, request: Request) -> list[RfqEnd]:
    """Why a request is over at this moment; nothing while it is open."""
    if request.ended is not None:
        return [request.ended]
    found = [RfqEnd.KILL_SWITCH] if presence.is_killed(ledger, request.account) else []
    due_ns = ledger.timers.get(request.account.id)
    if due_ns is not None and due_ns <= ledger.time_ns:
        found.append(RfqEnd.DEAD_MAN)
    return [*found, RfqEnd.EXPIRED] if request.asked.expires_s <= ledger.now_s else found


def opened(ledger: Ledger, auth: c.Authorisation) -> Request | None:
    """The open request that the terms of an order name."""
    request = ledger.requests.get(c.terms_of(auth).rfq)
    return request if request is not None and not reasons(ledger, request) else None


def exits(ledger: Ledger, account: int) -> None:
    """Whoever leaves the venue asks for nothing any more."""
    for request in ledger.requests.values():
        if request.account.id == account and request.ended is None:
            request.ended = RfqEnd.ACCOUNT_EXITING


def answer(
    ledger: Ledger, events: Sequence[Event], broken: list[Reject], due: Event, command: c.Rfqs
) -> Sequence[Event] | None:
    """What follows the event that takes a command, once what it says of the rules is checked; None if it is refused."""
    what, first = type(command).__name__, events[0] if events else None
    if type(first) is Rejected:
        refused(ledger, first, broken, what)
        if len(events) > 1:
            ledger.note(Rule.EVENTS_MUST_FIT, f"a refused {what} causes something")
        return None
    if first != due:
        ledger.note(Rule.EVENTS_MUST_FIT, f"a {what} is neither refused nor taken", expected=due, actual=first)
        return None
    for rule in broken:
        ledger.note(Rule.ADMISSION_MUST_HOLD, f"a {what} is taken that breaks {rule}", actual=rule)
    return events[1:]


def refused(ledger: Ledger, event: Rejected, broken: list[Reject], what: str) -> None:
    """Margin, and where a band ends, are taken as journaled."""
    if event.reason is Reject.ACCOUNT_MUST_HAVE_MARGIN:
        ledger.take(Taken.MARGIN)
    elif event.reason is Reject.PRICE_MUST_BE_IN_BAND and ledger.banded:
        ledger.take(Taken.BAND)
    elif event.reason not in broken:
        sentence = f"a {what} is refused for {event.reason}, and that does not hold"
        ledger.note(Rule.REFUSAL_MUST_HOLD, sentence, actual=event.reason)


def _nothing_more(ledger: Ledger, rest: Sequence[Event] | None) -> bool:
    """Whether a command was taken; then it causes nothing but itself."""
    if rest:
        ledger.note(Rule.EVENTS_MUST_FIT, f"{type(rest[0]).__name__} does not follow from such a command")
    return rest is not None


# -- asking -----------------------------------------------------------------------------------------------------------


def asked(ledger: Ledger, command: c.OpenRfq, events: Sequence[Event]) -> None:
    """A request for quotes."""
    events = presence.overdue(ledger, command.account, events)
    if command.legs and len(events) == 1 and type(events[0]) is Rejected and events[0].reason in UNLISTED:
        ledger.take(Taken.LISTING)
        return
    broken, what = list(_broken_request(ledger, command)), command
    if command.legs and events and type(events[0]) is ComboListed:
        what = structs.replace(command, series=combos.listed(ledger, command.legs, events[0]), legs=())
        events = events[1:]
    rest = answer(ledger, events, broken, Applied(), command)
    account = ledger.accounts.get(command.account)
    if _nothing_more(ledger, rest) and account is not None:
        if what.legs:
            ledger.note(Rule.EVENTS_MUST_FIT, f"request {ledger.seq} is for legs that are not listed with it")
            return
        ledger.requests[ledger.seq] = Request(ledger.seq, account, what)


def subject(ledger: Ledger, number: int) -> Series | None:
    """A series or a combo, by its number."""
    return ledger.series.get(number) or ledger.combos.get(number)


def _asked_for(ledger: Ledger, command: c.OpenRfq) -> Series | None:
    """What a request is for, listed yet or not."""
    if not command.legs:
        return subject(ledger, command.series)
    if command.series or any(leg.series not in ledger.series for leg in command.legs):
        return None
    return combos.of_legs(ledger, 0, command.legs)


def _broken_request(ledger: Ledger, command: c.OpenRfq) -> Iterator[Reject]:
    if not ledger.is_open or ledger.config is None:
        yield Reject.TRADING_MUST_BE_OPEN
    elif not ledger.config.rfqs:
        yield Reject.RFQS_MUST_BE_SUPPORTED
    yield from broken_account(ledger, command.account)
    if command.session and command.session not in ledger.sessions:
        yield Reject.SESSION_MUST_BE_OPEN
    mine = [request for request in ledger.requests.values() if request.account.id == command.account]
    if len(ledger.requests) >= RFQS_MAX or len(mine) >= RFQS_OF_ACCOUNT_MAX:
        yield Reject.RFQS_MUST_FIT
    yield from _broken_makers(ledger, command)
    yield from _broken_series(ledger, command)


def _broken_series(ledger: Ledger, command: c.OpenRfq) -> Iterator[Reject]:
    series = _asked_for(ledger, command)
    if series is None:
        yield Reject.SERIES_MUST_EXIST
        return
    expiry_s, lot, step = series.expiry.expiry_s, series.step.lot, command.step
    legs = series.legs if isinstance(series, Combo) else [(series, 1)]
    if expiry_s <= ledger.now_s:
        yield Reject.SERIES_MUST_BE_TRADING
    held = [ledger.auctions[leg.id].phase for leg, _ in legs if leg.id in ledger.auctions]
    if any(len(legs) > 1 or phase != c.AUCTION for phase in held):
        yield Reject.SERIES_MUST_TAKE_ORDERS
    if breakers.bars(ledger, series.underlying):
        yield Reject.MARKET_MUST_TAKE_RISK
    if command.qty <= 0:
        yield Reject.QTY_MUST_BE_POSITIVE
    if command.qty % lot:
        yield Reject.QTY_MUST_BE_ON_LOT
    if command.qty * max(abs(ratio) for _, ratio in legs) > QTY_MAX:
        yield Reject.QTY_MUST_FIT
    steps = step > 0 and not (step % lot or command.qty % step or command.minimum % step)
    fits = 0 <= command.minimum <= command.qty and command.side in (c.UNTOLD, c.BUYING, c.SELLING)
    ends = ledger.now_s < command.expires_s <= min(expiry_s, ledger.now_s + RFQ_LIFE_MAX_S)
    if not (steps and fits and ends) or len(command.label) > NAME_MAX:
        yield Reject.RFQ_TERMS_MUST_FIT


def _broken_makers(ledger: Ledger, command: c.OpenRfq) -> Iterator[Reject]:
    makers, taker = command.makers, ledger.accounts.get(command.account)
    if len(makers) > RFQ_MAKERS_MAX:
        yield Reject.RFQ_TERMS_MUST_FIT
    known = [ledger.accounts[maker] for maker in makers if maker in ledger.accounts]
    if len(dict.fromkeys(makers)) < len(makers) or len(known) < len(makers) or not all(item.makes for item in known):
        yield Reject.RFQ_MAKERS_MUST_BE_ADMITTED
    if taker is not None and any(item.owner == taker.owner for item in known):
        yield Reject.RFQ_MUST_BE_OF_ANOTHER


def closed(ledger: Ledger, command: c.CloseRfq, events: Sequence[Event]) -> None:
    """Who asked stops asking."""
    request = ledger.requests.get(command.rfq)
    is_own = request is not None and request.account.id == command.account
    if len(events) == 1 and type(events[0]) is Rejected:
        if is_own or events[0].reason is not Reject.RFQ_MUST_BE_OPEN:
            ledger.note(Rule.REFUSAL_MUST_HOLD, f"closing request {command.rfq} is refused, and that does not hold")
        return
    if not is_own or request is None:
        ledger.note(Rule.ADMISSION_MUST_HOLD, f"request {command.rfq} is closed by account {command.account}")
        return
    ended(ledger, events, [request.ended or RfqEnd.BY_TAKER], request)


def ended(ledger: Ledger, events: Sequence[Event], why: Sequence[RfqEnd], request: Request) -> None:
    """A request ends, for one of these reasons, and just its quotes leave with it."""
    first = events[0] if events else None
    if type(first) is not RfqEnded or first.rfq != request.id or first.reason not in why:
        sentence = f"request {request.id} is to end, and does not for such a reason"
        ledger.note(Rule.REQUEST_MUST_END_WITH_A_REASON, sentence, expected=why, actual=first)
    leave_for(ledger, list(request.quotes.values()), events[1:], CancelReason.RFQ_ENDED)
    ledger.requests.pop(request.id, None)


def split(ledger: Ledger, events: Sequence[Event]) -> Sequence[Event]:
    """What of a tick comes before the ends of requests; all that are over end, up to so many."""
    at = next((place for place, event in enumerate(events) if type(event) is RfqEnded), len(events))
    ends = list(events[at:])
    count = 0
    while ends:
        last = next((place for place, event in enumerate(ends) if place and type(event) is RfqEnded), len(ends))
        _end_by_time(ledger, ends[:last])
        del ends[:last]
        count += 1
    over = [request.id for request in ledger.requests.values() if reasons(ledger, request)]
    if over and count < RFQ_ENDS_MAX:
        sentence = f"request {over[0]} is over and stays"
        ledger.note(Rule.REQUEST_MUST_NOT_OUTLIVE_ITS_END, sentence, expected=over)
    return events[:at]


def _end_by_time(ledger: Ledger, events: Sequence[Event]) -> None:
    event = events[0]
    assert isinstance(event, RfqEnded)
    request = ledger.requests.get(event.rfq)
    if request is None:
        ledger.note(Rule.REQUEST_MUST_END_WITH_A_REASON, f"request {event.rfq} ends and is not there")
        leave_for(ledger, [], events[1:], CancelReason.RFQ_ENDED)
        return
    ended(ledger, events, reasons(ledger, request), request)


def admitted(ledger: Ledger, command: c.AdmitMaker, events: Sequence[Event]) -> None:
    """An account answers requests, or no longer; then its quotes leave."""
    account = ledger.accounts.get(command.account)
    broken = [Reject.ACCOUNT_MUST_EXIST] if account is None or account.id == TREASURY else []
    rest = answer(ledger, events, broken, Applied(), command)
    if rest is None or account is None:
        return
    account.makes = command.is_maker
    leave_for(ledger, [] if command.is_maker else _quotes(ledger, account.id, 0), rest, CancelReason.BY_OWNER)


def cancelled(ledger: Ledger, command: c.CancelRfqQuotes, events: Sequence[Event]) -> None:
    """An account takes quotes back."""
    broken = [] if command.account in ledger.accounts else [Reject.ACCOUNT_MUST_EXIST]
    rest = answer(ledger, events, broken, Applied(), command)
    if rest is not None:
        leave_for(ledger, _quotes(ledger, command.account, command.rfq), rest, CancelReason.BY_OWNER)


def _quotes(ledger: Ledger, account: int, rfq: int) -> list[Order]:
    orders = ledger.accounts[account].orders.values() if account in ledger.accounts else ()
    return [order for order in orders if order.rfq and rfq in (0, order.rfq)]


# -- answering --------------------------------------------------------------------------------------------------------


def broken_order(ledger: Ledger, auth: c.Authorisation) -> list[Reject]:
    """The rules that an order breaks by itself, for a series or for a combo."""
    return broken_combo(ledger, auth) if combos.is_for_combo(auth) else broken_by(ledger, auth, SCOPES)


def broken_in(request: Request | None, auth: c.Authorisation, filled: int = 0) -> Iterator[Reject]:
    """The rules that an order, of which so much has filled, breaks by the request it names."""
    terms = c.terms_of(auth)
    signed = c.Terms(rfq=terms.rfq, whole=terms.whole, protection=terms.protection, delta=terms.delta, vega=terms.vega)
    if auth.reduce_only or terms != signed or not terms.rfq:
        yield Reject.RFQ_ORDER_MUST_BE_PLAIN
    if request is None:
        yield Reject.RFQ_MUST_BE_OPEN
        return
    asked_for, takes = request.asked, auth.account == request.account.id
    against = {c.BUYING: takes, c.SELLING: not takes, c.UNTOLD: auth.is_buy}[asked_for.side]
    if auth.series != asked_for.series or auth.is_buy != against:
        yield Reject.RFQ_ORDER_MUST_KEEP_SERIES_AND_SIDE
    qty = auth.qty - filled
    if qty % asked_for.step or not request.least() <= qty <= request.left:
        yield Reject.RFQ_QTY_MUST_FIT


def quoted(ledger: Ledger, command: c.QuoteRfq, events: Sequence[Event]) -> None:
    """A maker answers: the quote stands in its request and in no book."""
    auth = command.auth
    events = presence.overdue(ledger, auth.account, events)
    request = opened(ledger, auth)
    broken = [*broken_order(ledger, auth), *_broken_answer(ledger, request, command)]
    rest = answer(ledger, events, broken, Accepted(ledger.seq), command)
    account, series = ledger.accounts.get(auth.account), subject(ledger, auth.series)
    if not _nothing_more(ledger, rest) or account is None or series is None or request is None:
        return
    order = Order(ledger.seq, account, series, auth)
    ledger.enter(order, auth)
    presence.mind(ledger, order, command.session)
    order.rfq, order.shown = request.id, order.left
    request.add(order)


def _broken_answer(ledger: Ledger, request: Request | None, command: c.QuoteRfq) -> Iterator[Reject]:
    auth = command.auth
    account = ledger.accounts.get(auth.account)
    if command.session and command.session not in ledger.sessions:
        yield Reject.SESSION_MUST_BE_OPEN
    yield from broken_in(request, auth)
    yield from _broken_rest(auth, 0)
    if account is None:
        return
    if not account.makes:
        yield Reject.RFQ_MAKERS_MUST_BE_ADMITTED
    if len(account.orders) >= OPEN_ORDERS_MAX:
        yield Reject.OPEN_ORDERS_MUST_FIT
    if request is None:
        return
    if account.owner == request.account.owner:
        yield Reject.RFQ_MUST_BE_OF_ANOTHER
    if request.asked.makers and account.id not in request.asked.makers:
        yield Reject.RFQ_MUST_BE_OPEN
    if len(request.quotes) >= RFQ_QUOTES_MAX:
        yield Reject.RFQS_MUST_FIT
    if any(order.account is account and order.is_buy == auth.is_buy for order in request.quotes.values()):
        yield Reject.QUOTE_MUST_BE_ALONE_ON_ITS_SIDE


def _broken_rest(auth: c.Authorisation, replaces: int) -> Iterator[Reject]:
    if auth.tif != c.GTC:
        yield Reject.TIF_MUST_BE_KNOWN
    if auth.replaces != replaces:
        yield Reject.AMEND_MUST_NAME_REPLACED_NONCE


def requoted(ledger: Ledger, command: c.RequoteRfq, events: Sequence[Event]) -> None:
    """A quote under a new signature."""
    auth, order = command.auth, ledger.orders.get(command.order_id)
    events = presence.overdue(ledger, auth.account, events)
    request = opened(ledger, auth)
    broken = broken_order(ledger, auth)
    if order is not None and order.shelter is not None and order.shelter.name == c.terms_of(auth).protection:
        broken = [rule for rule in broken if rule is not Reject.OPEN_ORDERS_MUST_FIT]  # it has its room already
    broken += _broken_requote(ledger, request, order, command)
    keeps = order is not None and _keeps(order, auth)
    rest = answer(ledger, events, broken, Amended(command.order_id, keeps), command)
    if not _nothing_more(ledger, rest) or order is None:
        return
    if command.session:
        presence.mind(ledger, order, command.session)
    ledger.amend(order, auth)
    order.shown = order.left
    if not keeps:
        order.age = (ledger.seq, 0)


def _keeps(order: Order, auth: c.Authorisation) -> bool:
    """Less of the same keeps its place."""
    return (order.price, order.terms) == (auth.price, c.terms_of(auth)) and auth.qty <= order.left + order.filled


def _broken_requote(
    ledger: Ledger, request: Request | None, order: Order | None, command: c.RequoteRfq
) -> Iterator[Reject]:
    auth = command.auth
    if command.session and command.session not in ledger.sessions:
        yield Reject.SESSION_MUST_BE_OPEN
    if order is None or not order.rfq or order.expiry_s <= ledger.now_s or presence.dooms(ledger, order):
        yield Reject.ORDER_MUST_BE_OPEN
    if order is None:
        return
    yield from broken_in(request, auth, order.filled)
    yield from _broken_rest(auth, order.nonce + 1)
    if order.account.id != auth.account:
        yield Reject.ORDER_MUST_BE_OWN
    if order.rfq != c.terms_of(auth).rfq:
        yield Reject.RFQ_MUST_BE_OPEN
    if order.is_buy != auth.is_buy:
        yield Reject.RFQ_ORDER_MUST_KEEP_SERIES_AND_SIDE
    if auth.qty <= order.filled:
        yield Reject.AMEND_QTY_MUST_EXCEED_FILLED
    if order.filled and len(order.signed.lineage()) >= LINEAGE_MAX:
        yield Reject.OPEN_ORDERS_MUST_FIT
