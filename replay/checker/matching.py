"""One incoming order against the other side: who it had to meet, in which order, for how much, and when it had to stop.

The checker stands where the order stood and, at each event, asks who was first. Whoever is first must be filled, or
taken away for a reason that holds, before anyone else; and the order must go on until nobody is in its reach, nothing
of it is left, or there is a reason to stop. Imports the words of the journal and the ledger.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from exchange.core.commands import CANCEL_BOTH, CANCEL_TAKER, FOK, GTC, IOC
from exchange.core.events import Cancelled, CancelReason, Event, PhaseChanged, Rested, Traded
from replay.checker import fees, fills, keys, phases, presence, quotes
from replay.checker.admission import room
from replay.checker.bounds import SWEEP_MAX
from replay.checker.facts import Account, Order
from replay.checker.ledger import Ledger
from replay.checker.rules import Rule, Taken


class Across(Protocol):
    """Whom an order may meet."""

    def first(self) -> Order | None:
        """Who is first."""
        ...

    def in_turn(self) -> Iterator[Order]:
        """Everybody, in turn."""
        ...


class Meeting:
    """An order that has been let in, the side it meets, and whom its fills have moved so far."""

    __slots__ = ("across", "bends", "ledger", "met", "moved", "over", "taker", "tripped", "yielded")

    def __init__(self, ledger: Ledger, taker: Order, *, fired: bool = False) -> None:
        self.ledger = ledger
        self.taker = taker
        self.across: Across = taker.series.asks if taker.is_buy else taker.series.bids
        self.moved: dict[int, Account] = {}
        self.met = 0  # fills, and others taken away
        # It goes no further than its band, though it was signed for more; where that ends is taken as journaled.
        self.bends = taker.series.underlying in ledger.banded and (fired or taker.reduce_only)
        self.over = False  # the order rests or was cancelled
        self.tripped: list[Event] = []  # what a fill of a quote has brought about and must come next
        self.yielded = False  # an order of the same owner went, and this one must end too

    def follow(self, events: Sequence[Event]) -> None:
        """All events of the record after the one that let the order in."""
        taker = self.taker
        for event in events:
            kind = type(event)
            if self.tripped and self._trips(event):
                continue
            if kind is Traded:
                self._traded(event)  # type: ignore[arg-type]
            elif kind is Rested:
                self._rested(event)  # type: ignore[arg-type]
            elif kind is PhaseChanged:
                self._halted(event)  # type: ignore[arg-type]
            elif kind is not Cancelled:
                self.ledger.note(Rule.EVENTS_MUST_FIT, f"{kind.__name__} does not follow from an order", order=taker.id)
            elif event.order_id == taker.id:  # type: ignore[attr-defined]
                self._ended(event)  # type: ignore[arg-type]
            elif self.over or not taker.left:
                fills.linger(self.ledger, event, self.moved, taker.series)  # type: ignore[arg-type]
            else:
                self._removed(event)  # type: ignore[arg-type]
        self._finish()

    def first(self) -> Order | None:
        """Who is first among those the order can reach."""
        maker = self.across.first()
        return maker if maker is not None and self.reaches(maker) else None

    def reaches(self, maker: Order) -> bool:
        """Whether a price on the other side is within the order's limit."""
        taker = self.taker
        return maker.price <= taker.price if taker.is_buy else maker.price >= taker.price

    # -- fills --------------------------------------------------------------------------------------------------------

    def _traded(self, event: Traded) -> None:
        ledger, taker = self.ledger, self.taker
        self.met += 1
        self._goes_on()
        fills.number(ledger, event)
        maker = ledger.orders.get(event.maker_order)
        if maker is None or maker.place is None:
            sentence = f"trade {event.trade_id} fills order {event.maker_order}, which does not stand in a book"
            ledger.note(Rule.MAKER_MUST_BE_OPEN, sentence, order=event.maker_order)
            taker.left = max(taker.left - event.qty, 0)
            return
        self._whom(maker)
        self._terms(event, maker)
        self._quantity(event, maker)
        fills.check_charges(ledger, event, maker, taker)
        self._book(event, maker)

    def _goes_on(self) -> None:
        """An order that signed to go together with its owner's other one meets nobody after it."""
        if self.yielded:
            sentence = f"order {self.taker.id} goes on after it met its owner, and signed that both end"
            self.ledger.note(Rule.SELF_TRADE_MUST_END_AS_SIGNED, sentence, order=self.taker.id)

    def _whom(self, maker: Order) -> None:
        """Who is filled must have been first."""
        ledger, taker = self.ledger, self.taker
        if maker.series is not taker.series or maker.is_buy == taker.is_buy:
            sentence = f"order {taker.id} trades with order {maker.id} of another series or of its own side"
            ledger.note(Rule.MAKER_MUST_BE_OPPOSITE, sentence, order=maker.id)
            return
        first = self.across.first()
        if first is maker or first is None:
            return
        rule = Rule.FIRST_IN_MUST_GO_FIRST if first.price == maker.price else Rule.BEST_PRICE_MUST_GO_FIRST
        sentence = f"order {maker.id} at {maker.price} goes before order {first.id} at {first.price}"
        ledger.note(rule, sentence, order=first.id, expected=first.id, actual=maker.id)

    def _terms(self, event: Traded, maker: Order) -> None:
        """What both signed."""
        ledger, taker, price = self.ledger, self.taker, event.price
        if price != maker.price:
            sentence = f"trade {event.trade_id} is not at the price of order {maker.id}, which stood there"
            ledger.note(
                Rule.PRICE_MUST_BE_THE_MAKERS, sentence, order=maker.id, expected=maker.price, actual=event.price
            )
        if price > taker.price if taker.is_buy else price < taker.price:
            sentence = f"trade {event.trade_id} is beyond the limit of order {taker.id}"
            ledger.note(Rule.PRICE_MUST_BE_WITHIN_LIMIT, sentence, order=taker.id, expected=taker.price, actual=price)
        if maker.expiry_s <= ledger.now_s:
            sentence = f"order {maker.id} is filled after its time"
            ledger.note(
                Rule.MAKER_MUST_BE_IN_TIME, sentence, order=maker.id, expected=maker.expiry_s, actual=ledger.now_s
            )
        if maker.account.owner == taker.account.owner:
            sentence = f"order {taker.id} trades with order {maker.id} of the same owner"
            ledger.note(Rule.OWNERS_MUST_DIFFER, sentence, order=maker.id)
        if presence.dooms(ledger, maker):
            sentence = f"order {maker.id} is on its way out with others and trades"
            ledger.note(Rule.MAKER_MUST_NOT_BE_PURGED, sentence, order=maker.id)
        if not self.in_band(price):
            sentence = f"trade {event.trade_id} is outside the band of its series"
            ledger.note(Rule.PRICE_MUST_BE_IN_BAND, sentence, order=taker.id, actual=price)
        if taker.series.id in ledger.auctions:
            sentence = f"order {taker.id} trades while its series collects orders"
            ledger.note(Rule.AUCTION_MUST_COLLECT, sentence, order=taker.id)
        if taker.post_only:
            ledger.note(Rule.POST_ONLY_MUST_NOT_TAKE, f"order {taker.id} is post-only and takes", order=taker.id)

    def in_band(self, price: int) -> bool:
        """Whether the series may trade at a price."""
        prices = phases.band(self.ledger, self.taker.series)
        return prices is None or prices[0] <= price <= prices[1]

    def _halted(self, event: PhaseChanged) -> None:
        """Instead of a fill outside the band the series collects orders: nothing of this one has traded."""
        ledger, taker = self.ledger, self.taker
        due = phases.volatility(ledger, taker.series)
        if self.met or self.over or taker.tif != GTC or not self._leaves_band():
            sentence = f"order {taker.id} starts an auction and had no reason to"
            ledger.note(Rule.PHASE_MUST_FOLLOW, sentence, order=taker.id, expected=due, actual=event)
        phases.expect(ledger, event, due)

    def _leaves_band(self) -> bool:
        """Whether the order could come to somebody outside the band before it is filled.

        It surely does when those before him have less than it wants. When they have enough, some of them cannot have
        been able to bear their fill, which is taken as journaled.
        """
        wanted = self.taker.left
        for maker in self.across.in_turn():
            if not self.reaches(maker):
                return False
            if not self.in_band(maker.price):
                if wanted <= 0:
                    self.ledger.take(Taken.VOLATILITY)
                return True
            if maker.account.owner == self.taker.account.owner and self.taker.self_trade == CANCEL_TAKER:
                return False
            wanted -= maker.left
        return False

    def _quantity(self, event: Traded, maker: Order) -> None:
        """As much as both have left, and a reduce-only order no more than its position."""
        ledger, taker, qty = self.ledger, self.taker, event.qty
        sentence = f"trade {event.trade_id} of {qty} between orders {taker.id} and {maker.id}"
        for order, most, rule in (
            (maker, maker.shown, Rule.MAKER_MUST_HAVE_QUANTITY),
            (taker, taker.left, Rule.TAKER_MUST_HAVE_QUANTITY),
        ):
            if qty > most:
                ledger.note(rule, f"{sentence}: more than there is", order=order.id, expected=most, actual=qty)
            if order.reduce_only and qty > order.reducible():
                ledger.note(
                    Rule.REDUCE_ONLY_MUST_REDUCE,
                    f"{sentence}: more than the position to be reduced",
                    order=order.id,
                    expected=order.reducible(),
                    actual=qty,
                )
        due = self.due(maker)
        if qty < due or qty <= 0:
            ledger.note(Rule.FILL_MUST_BE_WHOLE, f"{sentence}: both had more", order=maker.id, expected=due, actual=qty)

    def due(self, maker: Order) -> int:
        """How much the order and one maker must trade: of an iceberg, no more than the slice in its turn."""
        taker = self.taker
        qty = min(taker.left, maker.shown)
        if taker.reduce_only:
            qty = min(qty, taker.reducible())
        if maker.reduce_only:
            qty = min(qty, maker.reducible())
        return qty

    def _book(self, event: Traded, maker: Order) -> None:
        """The fill as journaled; a maker that is through leaves its place, an iceberg queues its next slice."""
        ledger = self.ledger
        fills.book(ledger, event, maker, self.taker, self.moved)
        if maker.group_of_quotes is not None:
            self.tripped = quotes.filled(ledger, maker, event.qty)
        if not maker.left:
            ledger.close(maker)
        elif maker.reduce_only and not maker.reducible():
            ledger.lift(maker)  # it has nothing more to reduce; that it goes is asked at the end of the record
        elif not maker.shown:
            ledger.lift(maker)  # the next slice of an iceberg queues behind everybody at its price
            ledger.rest(maker, maker.price, event.trade_id)

    def _trips(self, event: Event) -> bool:
        """Whether an event is the next of those that a fill of a quote brought about."""
        due = self.tripped.pop(0)
        if event != due:
            sentence = f"a fill of order {self.taker.id} brings a quote to its bound, and something else follows"
            self.ledger.note(Rule.PROTECTION_MUST_TRIP, sentence, order=self.taker.id, expected=due, actual=event)
            self.tripped = []
            return False
        self.met += 1
        quotes.follow_trip(self.ledger, event)
        return True

    # -- others taken out of the way ----------------------------------------------------------------------------------

    def _removed(self, event: Cancelled) -> None:
        """Another order leaves while this one goes on: it must have been first, and may not have been able to trade."""
        ledger = self.ledger
        self.met += 1
        self._goes_on()
        maker = ledger.orders.get(event.order_id)
        if maker is not None and not self._is_done(maker, event.reason):
            if maker.place is None or self.first() is None:
                sentence = f"order {maker.id} is cancelled, and order {self.taker.id} did not meet it"
                ledger.note(Rule.CANCEL_MUST_HAVE_A_REASON, sentence, order=maker.id, actual=event.reason)
            else:
                self._whom(maker)
                self._why_removed(maker, event.reason)
        ledger.end(event.order_id, event.remaining)

    def _is_done(self, maker: Order, reason: CancelReason) -> bool:
        """Whether a reduce-only maker, filled in this record for all it could reduce, comes to its end."""
        reduced = maker.place is None and maker.reduce_only and not maker.reducible()
        return reduced and reason is CancelReason.REDUCE_ONLY and maker.account.id in self.moved

    def _why_removed(self, maker: Order, reason: CancelReason) -> None:
        if reason is CancelReason.MARGIN:
            self.ledger.take(Taken.MARGIN)
            return
        if reason is CancelReason.POSITIONS_BOUND:
            self.ledger.take(Taken.POSITIONS_BOUND)
            return
        holds = False
        if reason is CancelReason.SELF_TRADE:
            holds = maker.account.owner == self.taker.account.owner and self.taker.self_trade != CANCEL_TAKER
            self.yielded = self.taker.self_trade == CANCEL_BOTH
        elif reason in presence.REASONS.values():
            holds = reason in presence.dooms(self.ledger, maker)
        elif reason is CancelReason.EXPIRED:
            holds = maker.expiry_s <= self.ledger.now_s
        elif reason is CancelReason.REDUCE_ONLY:
            holds = maker.reduce_only and not maker.reducible()
        elif reason is CancelReason.FEE:
            qty = self.due(maker)
            charged = fills.charges(self.ledger, maker.series, maker.price, qty)
            holds = charged[2] > fees.most(maker.max_fee, qty)
        elif reason is CancelReason.KEY_LIMIT:
            qty = self.due(maker)
            charged = fills.charges(self.ledger, maker.series, maker.price, qty)
            holds = keys.beyond(maker, maker.price, qty, charged[2])
        if not holds:
            sentence = f"order {maker.id} is taken out of the way of order {self.taker.id}, and {reason} does not hold"
            self.ledger.note(Rule.CANCEL_MUST_HAVE_A_REASON, sentence, order=maker.id, actual=reason)

    # -- what is left -------------------------------------------------------------------------------------------------

    def _rested(self, event: Rested) -> None:
        """What is left takes its place at the price it signed, or slid to."""
        ledger, taker = self.ledger, self.taker
        if event.order_id != taker.id or self.over or not taker.left:
            sentence = f"order {event.order_id} comes to rest in a record that is not its own, or has nothing left"
            ledger.note(Rule.EVENTS_MUST_FIT, sentence, order=event.order_id)
            return
        self.over = True
        if taker.tif != GTC:
            rule = Rule.IMMEDIATE_MUST_NOT_REST if taker.tif == IOC else Rule.FILL_OR_KILL_MUST_FILL
            ledger.note(rule, f"order {taker.id} was for this moment only and rests", order=taker.id)
        self._goes_on()
        due = self.slid_price() if taker.slides and self.first() is not None else taker.price
        inside = event.price <= taker.price if taker.is_buy else event.price >= taker.price
        if event.price != due and self.bends and inside:
            ledger.take(Taken.BAND)
        elif event.price != due:
            sentence = f"order {taker.id} rests at another price than it should"
            ledger.note(Rule.REST_MUST_BE_AT_ITS_PRICE, sentence, order=taker.id, expected=due, actual=event.price)
        ledger.rest(taker, event.price)

    def slid_price(self) -> int:
        """One step before whoever is first across."""
        first, step = self.across.first(), self.taker.series.step
        assert first is not None
        if self.taker.is_buy:
            return first.price - step.tick_at(first.price - 1)
        return first.price + step.tick_at(first.price)

    def _ended(self, event: Cancelled) -> None:
        """What is left is cancelled: because it was for this moment only, or because something stopped it."""
        ledger, taker = self.ledger, self.taker
        if self.over or not taker.left:
            ledger.note(Rule.EVENTS_MUST_FIT, f"order {taker.id} ends twice, or after it was filled", order=taker.id)
        else:
            self._why_ended(event.reason)
        self.over = True
        ledger.end(taker.id, event.remaining)

    def _why_ended(self, reason: CancelReason) -> None:
        ledger, taker, first = self.ledger, self.taker, self.first()
        if reason is CancelReason.IMMEDIATE_REMAINDER and taker.tif != GTC and self.bends:
            ledger.take(Taken.BAND)
            return
        if reason is CancelReason.IMMEDIATE_REMAINDER and first is not None and not taker.slides:
            sentence = f"order {taker.id} ends though order {first.id} stands within its limit"
            ledger.note(Rule.NOBODY_MUST_BE_PASSED_OVER, sentence, order=first.id, actual=reason)
            return
        why = STOPS.get(reason)
        if why is None or not why(self, first):
            sentence = f"order {taker.id} is stopped, and {reason} does not hold"
            ledger.note(Rule.CANCEL_MUST_HAVE_A_REASON, sentence, order=taker.id, actual=reason)

    def _finish(self) -> None:
        """The order is filled, rests or was cancelled; nothing lingers; the book has a spread."""
        ledger, taker = self.ledger, self.taker
        if self.tripped:
            sentence = f"a fill of order {taker.id} brings a quote to its bound, and nothing follows"
            ledger.note(Rule.PROTECTION_MUST_TRIP, sentence, order=taker.id, expected=self.tripped[0])
        if taker.tif == FOK and taker.left:
            sentence = f"order {taker.id} was to be filled whole or not at all"
            ledger.note(Rule.FILL_OR_KILL_MUST_FILL, sentence, order=taker.id, expected=0, actual=taker.left)
        if not self.over:
            if taker.left:
                sentence = f"order {taker.id} has a rest that neither stands in the book nor was cancelled"
                ledger.note(Rule.ORDER_MUST_END_OR_REST, sentence, order=taker.id, expected=0, actual=taker.left)
            ledger.close(taker)
        fills.none_lingers(ledger, self.moved.values(), taker.series)
        if taker.series.id in ledger.auctions:
            return  # what collects may cross
        bid, ask = taker.series.bids.first(), taker.series.asks.first()
        if bid is not None and ask is not None and bid.price >= ask.price:
            sentence = f"after the record order {bid.id} bids {bid.price} and order {ask.id} asks {ask.price}"
            ledger.note(Rule.BOOK_MUST_HAVE_SPREAD, sentence, order=taker.id)


# -- reasons to stop --------------------------------------------------------------------------------------------------


def _immediate(meeting: Meeting, first: Order | None) -> bool:
    return meeting.taker.tif != GTC and (first is None or meeting.taker.slides)


def _own(meeting: Meeting, first: Order | None) -> bool:
    if meeting.taker.self_trade != CANCEL_TAKER:
        return meeting.yielded
    return first is not None and first.account.owner == meeting.taker.account.owner


def _dear(meeting: Meeting, first: Order | None) -> bool:
    if first is None:
        return False
    qty = meeting.due(first)
    charged = fills.charges(meeting.ledger, first.series, first.price, qty)
    return charged[1] > fees.most(meeting.taker.max_fee, qty)


def _bound(meeting: Meeting, first: Order | None) -> bool:
    if first is None:
        return False
    qty = meeting.due(first)
    charged = fills.charges(meeting.ledger, first.series, first.price, qty)
    return keys.beyond(meeting.taker, first.price, qty, charged[1])


def _reduced(meeting: Meeting, first: Order | None) -> bool:
    del first
    return meeting.taker.reduce_only and not meeting.taker.reducible()


def _outside(meeting: Meeting, first: Order | None) -> bool:
    rests = meeting.taker.tif == GTC and phases.volatility(meeting.ledger, meeting.taker.series) is not None
    return first is not None and not meeting.in_band(first.price) and not rests


def _bounded(meeting: Meeting, first: Order | None) -> bool:
    return first is not None and (meeting.met >= SWEEP_MAX or room(meeting.ledger) <= 0)


def _margin(meeting: Meeting, first: Order | None) -> bool:
    meeting.ledger.take(Taken.MARGIN)
    return first is not None


def _positions(meeting: Meeting, first: Order | None) -> bool:
    meeting.ledger.take(Taken.POSITIONS_BOUND)
    return first is not None


STOPS: Final[dict[CancelReason, Callable[[Meeting, Order | None], bool]]] = {
    CancelReason.IMMEDIATE_REMAINDER: _immediate,
    CancelReason.SELF_TRADE: _own,
    CancelReason.FEE: _dear,
    CancelReason.KEY_LIMIT: _bound,
    CancelReason.REDUCE_ONLY: _reduced,
    CancelReason.SWEEP_BOUND: _bounded,
    CancelReason.VOLATILITY: _outside,
    CancelReason.MARGIN: _margin,
    CancelReason.POSITIONS_BOUND: _positions,
}
"""Why an incoming order may be stopped, with whether that holds given whoever is first in its reach."""
