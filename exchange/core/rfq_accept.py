"""The acceptance of a request for quotes: one signed order against the best of those that answered, in one record.

It is planned as a sweep is, fill by fill against running totals, with the quotes of the request in the place of a book:
best price first, then who stood there first; of a combo each fill is all its legs. So each is checked for fees, keys,
positions and the margin of both, and a quote that cannot be honoured leaves instead of standing in the way of the next.
Imports state, rfq, sweep, combosweep, events.
"""

from collections.abc import Iterator
from typing import TypeAlias

from exchange.core import admission, backlog, rfq, rfq_rooms
from exchange.core.combosweep import ComboSweep
from exchange.core.commands import FOK, GTC, IOC, AcceptRfq, Authorisation, Terms, terms_of
from exchange.core.events import Accepted, Cancelled, CancelReason, Event, Reject, Rejected, RfqEnd
from exchange.core.state import State
from exchange.core.state_types import Order, Rfq
from exchange.core.sweep import Sweep
from exchange.core.units import U64_MAX, Nanos, Seconds, seconds_of

AnySweep: TypeAlias = Sweep | ComboSweep


def decide(state: State, command: AcceptRfq, seq: int, time_ns: Nanos) -> tuple[Event, ...]:
    """Admit the order, fill quotes, cancel what is left of it, and end the request when all of it has filled."""
    auth, now_s = command.auth, seconds_of(time_ns)
    refused = admission.refuse(state, auth, now_s, rfq.SCOPES) or _refuse(state, command, now_s)
    if refused is not None:
        return (refused,)
    request = state.rfqs[terms_of(auth).rfq]
    sweep = (ComboSweep if auth.legs else Sweep)(state, auth, auth.qty, now_s)
    sweep.walk(_in_turn(sweep, eligible(state, request, auth, command.quote)))
    short = _refuse_outcome(sweep, request)
    if short is not None:
        return (*_dishonoured(sweep), short)
    events = [Accepted(seq), *sweep.events]
    if sweep.left:
        events.append(Cancelled(seq, sweep.stopped or CancelReason.IMMEDIATE_REMAINDER, sweep.left))
    return (*events, *sweep.stale_reduce_only(seq), *_ended(state, request, sweep))


def _refuse(state: State, command: AcceptRfq, now_s: Seconds) -> Rejected | None:
    auth = command.auth
    request = rfq.find(state, terms_of(auth).rfq, now_s)
    if request is None or request.request.account != auth.account:
        return Rejected(Reject.RFQ_MUST_BE_OPEN, min(terms_of(auth).rfq, U64_MAX))
    return (
        rfq.refuse_plain(auth)
        or _refuse_taking(auth)
        or rfq.refuse_fit(request, auth, auth.qty)
        or _refuse_named(state, request, command)
        or rfq.refuse_band(state, auth)
        or backlog.refuse(state)
    )


def _refuse_taking(auth: Authorisation) -> Rejected | None:
    """An acceptance takes at once: all of it or any part."""
    if auth.tif == GTC:
        return Rejected(Reject.TIF_MUST_BE_KNOWN, auth.tif, IOC)
    if auth.replaces:
        return Rejected(Reject.AMEND_MUST_NAME_REPLACED_NONCE, auth.replaces)
    if auth.post_only or terms_of(auth) != Terms(rfq=terms_of(auth).rfq):
        return Rejected(Reject.RFQ_ORDER_MUST_BE_PLAIN)
    return None


def _refuse_named(state: State, request: Rfq, command: AcceptRfq) -> Rejected | None:
    if not command.quote:
        return None
    order = state.rfq_quotes.get(request.id, {}).get(command.quote)
    if order is None or order.is_buy == command.auth.is_buy:
        return Rejected(Reject.ORDER_MUST_BE_OPEN, command.quote)
    return None


def eligible(state: State, request: Rfq, auth: Authorisation, named: int = 0) -> list[Order]:
    """Quotes on the other side within the price, best first, then who stood there first; or the one that is named."""
    sign = 1 if auth.is_buy else -1
    quotes = [
        order
        for order in rfq_rooms.quotes_of(state, request.id)
        if order.is_buy != auth.is_buy and order.price * sign <= auth.price * sign and named in (0, order.id)
    ]
    return sorted(quotes, key=lambda order: order.price * sign)  # stable: time stays within price


def _in_turn(sweep: AnySweep, quotes: list[Order]) -> Iterator[Order]:
    """One that fills whole or not at all is passed over when less is left to fill."""
    for order in quotes:
        is_whole = terms_of(sweep.state.auths[order.auth_id].auth).whole
        if not is_whole or order.qty - order.filled <= sweep.left:
            yield order


def _refuse_outcome(sweep: AnySweep, request: Rfq) -> Rejected | None:
    """Less than all, or than the least that was asked for, is nothing."""
    auth, filled = sweep.auth, sweep.auth.qty - sweep.left
    least = auth.qty if auth.tif == FOK else rfq.least_of(request)
    if filled >= least:
        return None
    if sweep.stopped is CancelReason.MARGIN:
        return admission.short_of_margin(sweep.state.accounts[auth.account], sweep.shortfall)
    return Rejected(Reject.RFQ_MUST_MEET_QUOTES, filled, least)


def _dishonoured(sweep: AnySweep) -> list[Event]:
    """Quotes that could not have been filled leave though nothing fills, so that nobody is shown them again.

    What the fills that were planned would have tripped stays.
    """
    quotes = [event for event in sweep.events if isinstance(event, Cancelled)]
    return [event for event in quotes if event.reason is not CancelReason.QUOTE_PROTECTION]


def _ended(state: State, request: Rfq, sweep: AnySweep) -> list[Event]:
    """The end of a request of which nothing is left; quotes that filled or left on the way are not there any more."""
    if rfq.left_of(request) > sweep.auth.qty - sweep.left:
        return []
    return rfq.ended(state, request, RfqEnd.FILLED, sweep.cancelled, sweep.filled)
