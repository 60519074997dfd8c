"""Place and Amend: who was let in, who was turned away, and whether an amended order kept its place by the rule.

Imports the words of the journal, admission, matching and the ledger.
"""

from collections.abc import Callable, Sequence
from typing import Final

from exchange.core.commands import CANCEL_MAKER, FOK, GTC, Amend, Authorisation, Place, terms_of
from exchange.core.events import Accepted, Amended, Event, Parked, Reject, Rejected
from replay.checker import batches, presence, triggers
from replay.checker.admission import broken_by, settlement_lags
from replay.checker.bounds import LINEAGE_MAX, OPEN_ORDERS_MAX
from replay.checker.facts import Order
from replay.checker.ledger import Ledger
from replay.checker.matching import Meeting
from replay.checker.rules import Rule, Taken
from replay.checker.waiting import waited


class Entry:
    """A signed order as it arrives, and the book it arrives at; no meeting where there is no such account or series."""

    __slots__ = ("account", "auth", "ledger", "meeting")

    def __init__(self, ledger: Ledger, auth: Authorisation, *, slide: bool = False, filled: int = 0) -> None:
        self.ledger, self.auth = ledger, auth
        self.account = ledger.accounts.get(auth.account)
        series = ledger.series.get(auth.series)
        self.meeting: Meeting | None = None
        if self.account is not None and series is not None:
            order = Order(ledger.seq, self.account, series, auth)
            order.left -= filled
            order.slides |= slide and auth.post_only
            self.meeting = Meeting(ledger, order)

    def broken(self) -> list[Reject]:
        """Rules of the book that the order breaks on arrival, before anything is matched."""
        broken: list[Reject] = []
        meeting = self.meeting
        if meeting is None:
            return broken
        taker = meeting.taker
        if taker.terms.trigger:
            return broken  # it is judged when it enters
        if taker.reduce_only and not taker.reducible():
            broken.append(Reject.REDUCE_ONLY_MUST_REDUCE)
        return broken if meeting.bends else broken + self._on_meeting(meeting)

    def _on_meeting(self, meeting: Meeting) -> list[Reject]:
        """Rules that an order breaks by coming within reach of somebody."""
        taker = meeting.taker
        if meeting.first() is None:
            return []
        if taker.post_only:
            return [] if taker.slides and meeting.slid_price() > 0 else [Reject.POST_ONLY_MUST_NOT_CROSS]
        return [] if taker.series.id in self.ledger.auctions else settlement_lags(self.ledger)

    def broken_if_unbent(self) -> list[Reject]:
        """Rules that an order breaks unless its band ends before whom it would meet; that is taken as journaled."""
        meeting = self.meeting
        return self._on_meeting(meeting) if meeting is not None and meeting.bends else []

    def may_fill(self) -> bool:
        """Whether the book holds as much as the order must fill, if everybody in its reach can bear it."""
        assert self.meeting is not None
        taker = self.meeting.taker
        wanted = taker.left
        if taker.reduce_only and taker.reducible() < wanted:
            return False
        for maker in self.meeting.across.in_turn():
            within = maker.price <= taker.price if taker.is_buy else maker.price >= taker.price
            if not within or wanted <= 0 or not self.meeting.in_band(maker.price):
                break
            if maker.account.owner == taker.account.owner:
                if taker.self_trade != CANCEL_MAKER:
                    break
            elif maker.expiry_s > self.ledger.now_s:
                wanted -= min(maker.left, maker.reducible()) if maker.reduce_only else maker.left
        return wanted <= 0


def place(ledger: Ledger, command: Place, events: Sequence[Event]) -> None:
    """A new order."""
    waited(ledger, command)
    events = due_before(ledger, command, events)
    entry = Entry(ledger, command.auth, slide=command.slide)
    broken = broken_by(ledger, command.auth) + _bound(command.auth)
    broken += entry.broken()
    broken += _gone(ledger, command)
    for item in command.attached:
        broken += broken_by(ledger, item.auth) + _bound(item.auth)
    if command.auth.replaces:
        broken.append(Reject.AMEND_MUST_NAME_REPLACED_NONCE)
    if entry.account is not None and len(entry.account.orders) + len(command.attached) >= OPEN_ORDERS_MAX:
        broken.append(Reject.OPEN_ORDERS_MUST_FIT)
    admitted = _answer(ledger, entry, events, broken)
    if type(admitted) is not Accepted or entry.meeting is None:
        return
    if admitted.order_id != ledger.seq:
        ledger.note(Rule.EVENTS_MUST_FIT, "an order's number is that of its record", order=admitted.order_id)
    ledger.enter(entry.meeting.taker, command.auth)
    presence.mind(ledger, entry.meeting.taker, command.session)
    rest = triggers.parked(ledger, command, entry.meeting.taker, events[1:])
    if not entry.meeting.taker.watch:
        entry.meeting.follow(rest)
    elif rest:
        ledger.note(Rule.EVENTS_MUST_FIT, "an order that waits meets nobody", order=ledger.seq)


def due_before(ledger: Ledger, command: Place | Amend, events: Sequence[Event]) -> Sequence[Event]:
    """What is due before an order is looked at: a full batch, and the timer of its account."""
    return presence.overdue(ledger, command.auth.account, batches.sealed_first(ledger, events))


def _bound(auth: Authorisation) -> list[Reject]:
    """What was signed for a request for quotes does not enter a book."""
    return [Reject.RFQ_ORDER_MUST_STAY_THERE] if terms_of(auth).rfq else []


def _gone(ledger: Ledger, command: Place | Amend) -> list[Reject]:
    """An order of a connection that has ended is refused: nobody would be there to mind it."""
    return [Reject.SESSION_MUST_BE_OPEN] if command.session and command.session not in ledger.sessions else []


def amend(ledger: Ledger, command: Amend, events: Sequence[Event]) -> None:
    """An open order under a new signature."""
    waited(ledger, command)
    events = due_before(ledger, command, events)
    auth, order = command.auth, ledger.orders.get(command.order_id)
    entry = Entry(ledger, auth, filled=order.filled if order is not None else 0)
    broken = broken_by(ledger, auth) + _bound(auth)
    broken += _gone(ledger, command)
    if order is None or order.expiry_s <= ledger.now_s or presence.dooms(ledger, order):
        broken.append(Reject.ORDER_MUST_BE_OPEN)
    if order is not None:
        broken += broken_by_amendment(order, auth)
        if order.shelter is not None and order.shelter.name == terms_of(auth).protection:
            broken = [rule for rule in broken if rule is not Reject.OPEN_ORDERS_MUST_FIT or _is_long(order)]
        broken += [rule for rule in entry.broken() if not keeps(order, auth) or rule in KEPT_RULES]
    admitted = _answer(ledger, entry, events, broken)
    if type(admitted) is not Amended or order is None:
        return
    if admitted.order_id != order.id:
        ledger.note(Rule.EVENTS_MUST_FIT, "another order is amended than the one named", order=admitted.order_id)
    if command.session:
        presence.mind(ledger, order, command.session)
    _stand(ledger, order, auth, admitted, events[1:])


KEPT_RULES: Final = (Reject.REDUCE_ONLY_MUST_REDUCE,)
"""Rules of arrival that also bind an amendment which leaves the order where it stands."""


def broken_by_amendment(order: Order, auth: Authorisation) -> list[Reject]:
    """Rules that an order breaks as a replacement of another."""
    broken: list[Reject] = []
    if order.mandate is not None or order.rfq:
        broken.append(Reject.QUOTE_MUST_BE_QUOTED_ANEW)
    if order.account.id != auth.account:
        broken.append(Reject.ORDER_MUST_BE_OWN)
    tif, alike = order.tif if order.watch else GTC, bool(order.watch) != bool(terms_of(auth).trigger)
    if order.series.id != auth.series or order.is_buy != auth.is_buy or auth.tif != tif or alike:
        broken.append(Reject.AMEND_MUST_KEEP_SERIES_AND_SIDE)
    if auth.replaces != order.nonce + 1:
        broken.append(Reject.AMEND_MUST_NAME_REPLACED_NONCE)
    if auth.qty <= order.filled:
        broken.append(Reject.AMEND_QTY_MUST_EXCEED_FILLED)
    if _is_long(order):
        broken.append(Reject.OPEN_ORDERS_MUST_FIT)
    return broken


def _is_long(order: Order) -> bool:
    """Whether a batch could carry no more of those it replaced."""
    return order.filled > 0 and len(order.signed.lineage()) >= LINEAGE_MAX


def keeps(order: Order, auth: Authorisation) -> bool:
    """Less of the same keeps its place: no more quantity, and nothing else changed that others could mind."""
    same = auth.price == order.price and auth.post_only == order.post_only and auth.reduce_only == order.reduce_only
    return same and terms_of(auth).display == order.display and auth.qty <= order.left + order.filled


def _stand(ledger: Ledger, order: Order, auth: Authorisation, event: Amended, rest: Sequence[Event]) -> None:
    """The order under its new terms, where the journal leaves it."""
    kept = not order.watch and keeps(order, auth)
    if event.kept != kept:
        word = "keeps its place" if event.kept else "loses its place"
        sentence = f"amended order {order.id} {word}, and the rule says otherwise"
        ledger.note(Rule.AMEND_MUST_QUEUE_BY_RULE, sentence, order=order.id, expected=kept, actual=event.kept)
    if not event.kept:
        ledger.lift(order)
    waited = order.watch
    ledger.amend(order, auth)
    if waited:
        order.age = (ledger.seq, 0)
        triggers.park(order)
        if list(rest) != [Parked(order.id)]:
            ledger.note(Rule.EVENTS_MUST_FIT, "an order that waits is amended and meets somebody", order=order.id)
    elif not event.kept:
        Meeting(ledger, order).follow(rest)
    elif rest:
        ledger.note(Rule.EVENTS_MUST_FIT, "an order that keeps its place meets nobody", order=order.id)


# -- refusals ---------------------------------------------------------------------------------------------------------


def _answer(ledger: Ledger, entry: Entry, events: Sequence[Event], broken: list[Reject]) -> Event | None:
    """The event that lets the order in, once what it says of the rules is checked; None when it was refused."""
    if not events:
        ledger.note(Rule.EVENTS_MUST_FIT, "an order without an answer")
        return None
    first = events[0]
    if type(first) is Rejected:
        _refused(ledger, entry, first, broken)
        if len(events) > 1:
            ledger.note(Rule.EVENTS_MUST_FIT, "a refused order causes something")
        return None
    if type(first) is not Accepted and type(first) is not Amended:
        ledger.note(Rule.EVENTS_MUST_FIT, f"{type(first).__name__} is no answer to an order")
        return None
    for rule in broken:
        ledger.note(Rule.ADMISSION_MUST_HOLD, f"an order is let in that breaks {rule}", order=ledger.seq, actual=rule)
    return first


def _refused(ledger: Ledger, entry: Entry, event: Rejected, broken: list[Reject]) -> None:
    if event.reason in broken:
        return
    if event.reason in entry.broken_if_unbent():
        ledger.take(Taken.BAND)
        return
    why = RESTS_ON.get(event.reason)
    if why is None or not why(ledger, entry):
        sentence = f"an order is refused for {event.reason}, and that does not hold"
        ledger.note(Rule.REFUSAL_MUST_HOLD, sentence, order=ledger.seq, actual=event.reason)


def _short_of_margin(ledger: Ledger, entry: Entry) -> bool:
    del entry
    ledger.take(Taken.MARGIN)
    return True


def _not_filled(ledger: Ledger, entry: Entry) -> bool:
    """A fill-or-kill order may be refused though the book had enough: some makers could not bear their part."""
    if entry.auth.tif != FOK or entry.meeting is None:
        return False
    if entry.may_fill():
        ledger.take(Taken.FILL_OR_KILL)
    return True


def _of_triggers(ledger: Ledger, entry: Entry) -> bool:
    """What may wait, and come together, is taken as journaled."""
    del entry
    ledger.take(Taken.TRIGGER)
    return True


def _of_bands(ledger: Ledger, entry: Entry) -> bool:
    """Where a band ends is priced from the surface."""
    ledger.take(Taken.BAND)
    series = ledger.series.get(entry.auth.series)
    return series is not None and series.underlying in ledger.banded


RESTS_ON: Final[dict[Reject, Callable[[Ledger, Entry], bool]]] = {
    Reject.ACCOUNT_MUST_HAVE_MARGIN: _short_of_margin,
    Reject.FILL_OR_KILL_MUST_FILL: _not_filled,
    Reject.TRIGGER_MUST_LIE_AHEAD: _of_triggers,
    Reject.TRIGGERS_MUST_FIT: _of_triggers,
    Reject.PRICE_MUST_BE_IN_BAND: _of_bands,
    Reject.LINKS_MUST_MATCH: _of_triggers,
}
"""Refusals that rest on more than the order and the book."""
