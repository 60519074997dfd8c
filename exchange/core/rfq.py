"""Requests for quotes: who may ask whom for what, and who may answer with which signed order.

A request lives outside the books. Answers are orders whose signed terms name it, so they neither rest where others
could meet them nor can they be entered there. A request that has ended is dead from that record on; a tick sends its
quotes home. Deciding only reads. Imports state, admission, orders, presence, events.
"""

from collections.abc import Container, Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

from msgspec import structs

from exchange.core import admission, bands, combos, kill, presence, purging, rfq_rooms, settlement, status
from exchange.core.commands import (
    AUCTION,
    BUYING,
    GTC,
    SCOPE_RFQ,
    SCOPE_TRADE,
    SELLING,
    UNTOLD,
    AdmitMaker,
    Authorisation,
    CancelRfqQuotes,
    CloseRfq,
    CreateCombo,
    OpenRfq,
    QuoteRfq,
    RequoteRfq,
    is_for_rfq,
    terms_of,
)
from exchange.core.events import (
    Accepted,
    Amended,
    Applied,
    Cancelled,
    CancelReason,
    Event,
    Reject,
    Rejected,
    RfqEnd,
    RfqEnded,
)
from exchange.core.legs import Legs
from exchange.core.matching import LINEAGE_MAX, OPEN_ORDERS_MAX
from exchange.core.state import State, legs_of
from exchange.core.state_types import Order, Rfq
from exchange.core.units import QTY_MAX, U64_MAX, Nanos, Qty, Seconds, div_down, seconds_of

RFQS_MAX: Final = 1_000  # requests of the venue that are not over
RFQS_OF_ACCOUNT_MAX: Final = 16
MAKERS_MAX: Final = 64  # that a request may name
QUOTES_MAX: Final = 128  # of one request: what one record may have to cancel
LIFE_MAX_S: Final = 3_600
LABEL_MAX: Final = 64  # characters
ENDS_MAX: Final = 8  # requests whose quotes one tick sends home; the next one goes on

SCOPES: Final = SCOPE_TRADE | SCOPE_RFQ
"""Any of these scopes lets a session key sign an order that names a request: what the contract takes."""

Command: TypeAlias = OpenRfq | CloseRfq | QuoteRfq | RequoteRfq | CancelRfqQuotes | AdmitMaker
KINDS: Final = (OpenRfq, CloseRfq, QuoteRfq, RequoteRfq, CancelRfqQuotes, AdmitMaker)


def decide(state: State, command: Command, seq: int, time_ns: Nanos) -> tuple[Event, ...]:
    """What a command about requests and quotes causes; reads only."""
    match command:
        case OpenRfq():
            return _decide_open(state, command, seconds_of(time_ns))
        case CloseRfq():
            return _decide_close(state, command)
        case QuoteRfq():
            return (_refuse_quote(state, command, seconds_of(time_ns)) or Accepted(seq),)
        case RequoteRfq():
            return _decide_requote(state, command, seconds_of(time_ns))
        case CancelRfqQuotes():
            return _decide_cancel(state, command)
        case AdmitMaker():
            return _decide_admit(state, command)


def evolve(state: State, command: OpenRfq | CancelRfqQuotes | AdmitMaker, seq: int, time_ns: Nanos) -> None:
    """A request is open, or an account answers requests from here on or no longer; quotes leave by other events."""
    match command:
        case OpenRfq():
            series = state.combo_of[command.legs] if command.legs else command.series
            state.rfqs[seq] = Rfq(seq, structs.replace(command, series=series), time_ns)
        case AdmitMaker():
            state.accounts[command.account].makes = command.is_maker
        case CancelRfqQuotes():
            pass


def evolve_ended(state: State, event: RfqEnded) -> None:
    """The request is forgotten; its quotes leave behind it."""
    del state.rfqs[event.rfq]


# -- asking -----------------------------------------------------------------------------------------------------------


def ending_of(state: State, rfq: Rfq, now_s: Seconds) -> RfqEnd | None:
    """Why a request is over at this moment, whether or not a tick has said so; None while it is open."""
    if rfq.ended is not None:
        return rfq.ended
    account = state.accounts[rfq.request.account]
    if kill.standing(state, account) is not None:
        return RfqEnd.KILL_SWITCH
    if presence.overdue(state, account.id):
        return RfqEnd.DEAD_MAN
    return RfqEnd.EXPIRED if rfq.request.expires_s <= now_s else None


def find(state: State, rfq_id: int, now_s: Seconds) -> Rfq | None:
    """A request that is open."""
    rfq = state.rfqs.get(rfq_id)
    return rfq if rfq is not None and ending_of(state, rfq, now_s) is None else None


def asks(state: State, rfq: Rfq, account_id: int) -> bool:
    """Whether an account was asked: it answers requests, and was named or nobody was; nobody is asked by herself."""
    account, request = state.accounts[account_id], rfq.request
    is_meant = account_id in request.makers if request.makers else account.makes
    return account.makes and is_meant and account.owner != state.accounts[request.account].owner


def left_of(rfq: Rfq) -> Qty:
    """What of a request has not filled."""
    return rfq.request.qty - rfq.filled


def least_of(rfq: Rfq) -> Qty:
    """The least that may be quoted or accepted: the minimum while there is as much, then all of it."""
    return min(max(rfq.request.minimum, rfq.request.step), left_of(rfq))


def _decide_open(state: State, command: OpenRfq, now_s: Seconds) -> tuple[Event, ...]:
    """A request stands by itself; for a combo, with the number of that."""
    refused = _refuse_open(state, command, now_s)
    if refused is not None:
        return (refused,)
    if not command.legs:
        return (Applied(),)
    listed = combos.decide_create(state, CreateCombo(command.legs))
    return listed if isinstance(listed[0], Rejected) else (*listed, Applied())


class Subject(NamedTuple):
    """What a request is for: legs, of which a series has one; when the first of them ends; of what; in which lots."""

    legs: Legs
    expiry_s: Seconds
    underlying: int
    lot: Qty


def _subject_of(state: State, command: OpenRfq) -> Subject | None:
    """The subject of a request; None if any of it is not listed."""
    if command.series not in state.series and command.series not in state.combos and not command.legs:
        return None
    legs = command.legs or legs_of(state, command.series)
    if any(leg.series not in state.series for leg in legs) or (command.legs and command.series):
        return None
    options = [state.series[leg.series] for leg in legs]
    underlying = state.underlyings[options[0].underlying]
    return Subject(legs, min(option.expiry_s for option in options), underlying.id, underlying.lot)


def _refuse_open(state: State, command: OpenRfq, now_s: Seconds) -> Rejected | None:
    if not state.is_open or state.config is None:
        return Rejected(Reject.TRADING_MUST_BE_OPEN)
    if not state.config.rfqs:
        return Rejected(Reject.RFQS_MUST_BE_SUPPORTED)
    refused = admission.refuse_account(state, command.account) or _refuse_series(state, command, now_s)
    if refused is not None:
        return refused
    return (
        presence.refuse_gone(state, command.session)
        or _refuse_count(state, command.account)
        or _refuse_terms(state, command, now_s)
        or _refuse_makers(state, command)
    )


def _refuse_series(state: State, command: OpenRfq, now_s: Seconds) -> Rejected | None:
    """Series that are alive and take orders, of a combo each continuously; whole lots, no more than fit a fill."""
    subject = _subject_of(state, command)
    if subject is None:
        return Rejected(Reject.SERIES_MUST_EXIST, command.series)
    if subject.expiry_s <= now_s:
        return Rejected(Reject.SERIES_MUST_BE_TRADING, now_s, subject.expiry_s)
    for leg in subject.legs:
        auction = state.auctions.get(leg.series)
        if auction is not None and (len(subject.legs) > 1 or auction.phase != AUCTION):
            return Rejected(Reject.SERIES_MUST_TAKE_ORDERS, auction.phase, AUCTION)
    curbed = status.refuse(state, subject.underlying, reduces=False)
    if curbed is not None:
        return curbed
    if command.qty <= 0:
        return Rejected(Reject.QTY_MUST_BE_POSITIVE, command.qty)
    if command.qty % subject.lot:
        return Rejected(Reject.QTY_MUST_BE_ON_LOT, command.qty, subject.lot)
    most = div_down(QTY_MAX, max(abs(leg.ratio) for leg in subject.legs) or 1)
    return Rejected(Reject.QTY_MUST_FIT, command.qty, most) if command.qty > most else None


def _refuse_count(state: State, account: int) -> Rejected | None:
    if len(state.rfqs) >= RFQS_MAX:
        return Rejected(Reject.RFQS_MUST_FIT, len(state.rfqs), RFQS_MAX)
    count = sum(rfq.request.account == account for rfq in state.rfqs.values())
    return Rejected(Reject.RFQS_MUST_FIT, count, RFQS_OF_ACCOUNT_MAX) if count >= RFQS_OF_ACCOUNT_MAX else None


def _refuse_terms(state: State, command: OpenRfq, now_s: Seconds) -> Rejected | None:
    """A side that exists, steps of whole lots that add up, and an end that lies ahead, before that of the series."""
    subject = _subject_of(state, command)
    assert subject is not None
    step, lot = command.step, subject.lot
    if not UNTOLD <= command.side <= SELLING:
        return Rejected(Reject.RFQ_TERMS_MUST_FIT, command.side, SELLING)
    if not 0 < step <= command.qty or step % lot or command.qty % step:
        return Rejected(Reject.RFQ_TERMS_MUST_FIT, step, command.qty)
    if not 0 <= command.minimum <= command.qty or command.minimum % step:
        return Rejected(Reject.RFQ_TERMS_MUST_FIT, command.minimum, command.qty)
    latest = min(now_s + LIFE_MAX_S, subject.expiry_s)
    if not now_s < command.expires_s <= latest:
        return Rejected(Reject.RFQ_TERMS_MUST_FIT, command.expires_s, latest)
    if len(command.label) > LABEL_MAX:
        return Rejected(Reject.RFQ_TERMS_MUST_FIT, len(command.label), LABEL_MAX)
    return None


def _refuse_makers(state: State, command: OpenRfq) -> Rejected | None:
    """Whoever is named answers requests, is somebody else, and is named once."""
    if len(command.makers) > MAKERS_MAX:
        return Rejected(Reject.RFQ_TERMS_MUST_FIT, len(command.makers), MAKERS_MAX)
    owner = state.accounts[command.account].owner
    named: dict[int, None] = {}
    for maker in command.makers:
        account = state.accounts.get(maker)
        if account is None or not account.makes or maker in named:
            return Rejected(Reject.RFQ_MAKERS_MUST_BE_ADMITTED, maker)
        if account.owner == owner:
            return Rejected(Reject.RFQ_MUST_BE_OF_ANOTHER, maker)
        named[maker] = None
    return None


def _decide_close(state: State, command: CloseRfq) -> tuple[Event, ...]:
    """Who asked may stop asking at any time, also when the request is over but its quotes have not left."""
    rfq = state.rfqs.get(command.rfq)
    if rfq is None or rfq.request.account != command.account:
        return (Rejected(Reject.RFQ_MUST_BE_OPEN, command.rfq),)
    return tuple(ended(state, rfq, rfq.ended or RfqEnd.BY_TAKER))


def ended(
    state: State, rfq: Rfq, reason: RfqEnd, gone: Container[int] = (), filled: Mapping[int, Qty] | None = None
) -> list[Event]:
    """The end of a request, and the quotes that leave with it: without those that have ``gone`` in this record, and
    with what it has ``filled`` of others.
    """
    events: list[Event] = [RfqEnded(rfq.id, reason)]
    for order in rfq_rooms.quotes_of(state, rfq.id):
        left = order.qty - order.filled - (filled.get(order.id, 0) if filled else 0)
        if left and order.id not in gone:
            events.append(Cancelled(order.id, CancelReason.RFQ_ENDED, left))
    return events


def _cancelled(quotes: Iterable[Order], reason: CancelReason) -> list[Event]:
    return [Cancelled(order.id, reason, order.qty - order.filled) for order in quotes]


def tick(state: State, now_s: Seconds, before: Iterable[Event]) -> list[Event]:
    """Requests that are over are forgotten, the oldest first; what was cancelled ``before`` in this record has gone."""
    if not state.rfqs:
        return []
    gone = {event.order_id: None for event in before if isinstance(event, Cancelled)}
    events: list[Event] = []
    count = 0
    for rfq_id in sorted(state.rfqs):
        reason = ending_of(state, state.rfqs[rfq_id], now_s)
        if reason is not None and count < ENDS_MAX:
            events += ended(state, state.rfqs[rfq_id], reason, gone)
            count += 1
    return events


def _decide_admit(state: State, command: AdmitMaker) -> tuple[Event, ...]:
    """Whoever answers no longer takes all quotes along."""
    account = state.accounts.get(command.account)
    if account is None or account.id == 0:
        return (Rejected(Reject.ACCOUNT_MUST_EXIST, command.account),)
    quotes = [] if command.is_maker else _quotes_by(state, command.account, 0)
    return (Applied(), *_cancelled(quotes, CancelReason.BY_OWNER))


# -- answering --------------------------------------------------------------------------------------------------------


def _quotes_by(state: State, account: int, rfq: int) -> list[Order]:
    """Quotes of an account, of one request or of all, in order of entry."""
    rooms = [rfq] if rfq else sorted(state.rfq_quotes)
    return [order for room in rooms for order in rfq_rooms.quotes_of(state, room) if order.account == account]


def _decide_cancel(state: State, command: CancelRfqQuotes) -> tuple[Event, ...]:
    """Never refused for what is not there: there may be no quotes."""
    if command.account not in state.accounts:
        return (Rejected(Reject.ACCOUNT_MUST_EXIST, command.account),)
    return (Applied(), *_cancelled(_quotes_by(state, command.account, command.rfq), CancelReason.BY_OWNER))


def refuse_plain(auth: Authorisation) -> Rejected | None:
    """The terms of an order are for the request and for nothing else."""
    terms = terms_of(auth)
    if auth.reduce_only or not is_for_rfq(terms) or terms.rfq > U64_MAX:
        return Rejected(Reject.RFQ_ORDER_MUST_BE_PLAIN)
    return None


def _refuse_quote(state: State, command: QuoteRfq, now_s: Seconds) -> Rejected | None:
    auth = command.auth
    refused = admission.refuse(state, auth, now_s, SCOPES) or presence.refuse_gone(state, command.session)
    if refused is not None:
        return refused
    rfq = find(state, terms_of(auth).rfq, now_s)
    refused = _refuse_maker(state, auth, rfq)
    if refused is not None:
        return refused
    assert rfq is not None
    return (
        refuse_plain(auth)
        or _refuse_resting(auth, 0)
        or admission.refuse_greeks(terms_of(auth).delta, terms_of(auth).vega, auth.qty)
        or admission.refuse_room(state, auth)
        or refuse_fit(rfq, auth, auth.qty)
        or _refuse_beside(state, rfq, auth)
        or refuse_band(state, auth)
        or admission.refuse_margin(state, auth, auth.qty, None)
    )


def _refuse_maker(state: State, auth: Authorisation, rfq: Rfq | None) -> Rejected | None:
    """To whom was not asked, a request is no different from one that does not exist."""
    account, rfq_id = state.accounts[auth.account], min(terms_of(auth).rfq, U64_MAX)
    if not account.makes:
        return Rejected(Reject.RFQ_MAKERS_MUST_BE_ADMITTED, account.id)
    if rfq is not None and state.accounts[rfq.request.account].owner == account.owner:
        return Rejected(Reject.RFQ_MUST_BE_OF_ANOTHER, rfq_id)
    if rfq is None or not asks(state, rfq, account.id):
        return Rejected(Reject.RFQ_MUST_BE_OPEN, rfq_id)
    return None


def _refuse_resting(auth: Authorisation, replaced: int) -> Rejected | None:
    """What waits to be taken is signed to rest, and names the order that it replaces, if any."""
    if auth.tif != GTC:
        return Rejected(Reject.TIF_MUST_BE_KNOWN, auth.tif, GTC)
    if auth.replaces != replaced:
        return Rejected(Reject.AMEND_MUST_NAME_REPLACED_NONCE, auth.replaces, min(replaced, U64_MAX))
    return None


def refuse_fit(rfq: Rfq, auth: Authorisation, qty: Qty) -> Rejected | None:
    """An order in a request is for its series, for or against its side as told, and for a quantity that it asks for.

    ``qty`` is what the order could still fill.
    """
    request = rfq.request
    taker_buys = auth.is_buy if auth.account == request.account else not auth.is_buy
    if auth.series != request.series or request.side == (SELLING if taker_buys else BUYING):
        return Rejected(Reject.RFQ_ORDER_MUST_KEEP_SERIES_AND_SIDE, auth.series, request.series)
    if not least_of(rfq) <= qty <= left_of(rfq) or qty % request.step:
        return Rejected(Reject.RFQ_QTY_MUST_FIT, qty, left_of(rfq))
    return None


def _refuse_beside(state: State, rfq: Rfq, auth: Authorisation) -> Rejected | None:
    """One quote of an account on a side, and not too many of anything."""
    quotes = state.rfq_quotes.get(rfq.id, {})
    for order in quotes.values():
        if order.account == auth.account and order.is_buy == auth.is_buy:
            return Rejected(Reject.QUOTE_MUST_BE_ALONE_ON_ITS_SIDE, order.id)
    count = len(state.accounts[auth.account].orders)
    if count >= OPEN_ORDERS_MAX:
        return Rejected(Reject.OPEN_ORDERS_MUST_FIT, count, OPEN_ORDERS_MAX)
    return Rejected(Reject.RFQS_MUST_FIT, len(quotes), QUOTES_MAX) if len(quotes) >= QUOTES_MAX else None


def refuse_band(state: State, auth: Authorisation) -> Rejected | None:
    """Bands bind what is signed, here as in a book."""
    edge = bands.edge_for(state, auth)
    return Rejected(Reject.PRICE_MUST_BE_IN_BAND, auth.price, edge) if edge is not None else None


def _decide_requote(state: State, command: RequoteRfq, now_s: Seconds) -> tuple[Event, ...]:
    """Replace a quote: made only smaller it keeps its place, otherwise it is the last at its price."""
    auth = command.auth
    refused = (
        admission.refuse(state, auth, now_s, SCOPES)
        or presence.refuse_gone(state, command.session)
        or _refuse_requote(state, command, now_s)
    )
    if refused is not None:
        return (refused,)
    order = state.orders[command.order_id]
    refused = admission.refuse_margin(state, auth, auth.qty - order.filled, order)
    return (refused or Amended(order.id, kept=auth.qty <= order.qty and _keeps_place(state, order, auth)),)


def _keeps_place(state: State, order: Order, auth: Authorisation) -> bool:
    return auth.price == order.price and terms_of(auth) == terms_of(state.auths[order.auth_id].auth)


def _refuse_requote(state: State, command: RequoteRfq, now_s: Seconds) -> Rejected | None:
    auth, order = command.auth, state.orders.get(command.order_id)
    if order is None or not order.rfq or order.expiry_s <= now_s or purging.doom_of(state, order) is not None:
        return Rejected(Reject.ORDER_MUST_BE_OPEN, command.order_id)
    if order.account != auth.account:
        return Rejected(Reject.ORDER_MUST_BE_OWN, auth.account, order.account)
    rfq = find(state, order.rfq, now_s)
    if rfq is None or terms_of(auth).rfq != order.rfq:
        return Rejected(Reject.RFQ_MUST_BE_OPEN, order.rfq)
    if order.is_buy != auth.is_buy:
        return Rejected(Reject.RFQ_ORDER_MUST_KEEP_SERIES_AND_SIDE, auth.series, order.series)
    if auth.qty <= order.filled:
        return Rejected(Reject.AMEND_QTY_MUST_EXCEED_FILLED, auth.qty, order.filled)
    return (
        refuse_plain(auth)
        or _refuse_resting(auth, state.auths[order.auth_id].auth.nonce + 1)
        or refuse_fit(rfq, auth, auth.qty - order.filled)
        or _refuse_lineage(state, order)
        or admission.refuse_greeks(terms_of(auth).delta, terms_of(auth).vega, auth.qty)
        or admission.refuse_room(state, auth, order)
        or refuse_band(state, auth)
    )


def _refuse_lineage(state: State, order: Order) -> Rejected | None:
    """One batch must carry all that a fill has to show."""
    length = len(settlement.lineage(state, order.auth_id, state.next_batch)) if order.filled else 0
    return Rejected(Reject.OPEN_ORDERS_MUST_FIT, length, LINEAGE_MAX) if length >= LINEAGE_MAX else None
