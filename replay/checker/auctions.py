"""How an auction ends: at the price that trades most, in price-time order on both sides, leaving nobody out.

The price is looked for again, with what bounds leave of quotes. Fills must pair who stands first on one side with who
stands first on the other. That somebody was taken out before for want of margin is taken as journaled; for a fee, or
the limits of a key, that it was at a price that was not taken. Imports the words of the journal, clearing, phases,
matching and the ledger.
"""

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final

from exchange.core.commands import AUCTION, CANCEL_MAKER, CANCEL_TAKER, UNCROSSING
from exchange.core.events import Cancelled, CancelReason, Event, PhaseChanged, Traded, Uncrossed
from replay.checker import breakers, clearing, fills, keys, phases, quotes
from replay.checker.admission import room
from replay.checker.bounds import CHANGES_MAX, SWEEP_MAX
from replay.checker.clearing import Share
from replay.checker.facts import Account, Auction, Order, Series
from replay.checker.ledger import Ledger
from replay.checker.rules import Rule, Taken

TRUSTED: Final = {
    CancelReason.MARGIN: Taken.MARGIN,
    CancelReason.FEE: Taken.AUCTION_FEE,
    CancelReason.KEY_LIMIT: Taken.AUCTION_KEY,
    CancelReason.POSITIONS_BOUND: Taken.POSITIONS_BOUND,
}


# -- a tick -----------------------------------------------------------------------------------------------------------


def moved(ledger: Ledger, events: Sequence[Event], *, lags: bool) -> None:
    """What a tick does besides sealing and expiring, of which it does nothing when it ended orders."""
    openings = [
        due
        for key, auction in sorted(ledger.auctions.items())
        if (due := phases.opening(ledger, ledger.series[key], auction)) is not None
    ]
    if openings:
        if list(events) != openings[: len(events)] or len(events) < min(len(openings), CHANGES_MAX):
            sentence = "series open, or end, otherwise than by the rules"
            ledger.note(Rule.PHASE_MUST_FOLLOW, sentence, expected=openings, actual=events)
        for event in events:
            if type(event) is PhaseChanged:
                phases.changed(ledger, event)
        return
    _ended(ledger, events, lags=lags)


def _ended(ledger: Ledger, events: Sequence[Event], *, lags: bool) -> None:
    """Auctions whose time has come: those that are not crossed just open, and the first that is crossed trades."""
    due = _due(ledger)
    rest = list(events)
    opened = 0
    for key, auction in due:
        option = ledger.series[key]
        if auction.phase == AUCTION and not phases.is_crossed(option):
            if opened >= CHANGES_MAX:
                return
            opened += 1
            event = rest.pop(0) if rest else None
            if type(event) is PhaseChanged:
                phases.expect(ledger, event, phases.ending(ledger, option, auction))
            else:
                _stays(ledger, key)
                return
        elif not opened and not lags:
            Uncross(ledger, option, auction).follow(rest)
            return
    if rest:
        ledger.note(Rule.EVENTS_MUST_FIT, f"{type(rest[0]).__name__} does not follow from a tick", actual=rest[0])


def _stays(ledger: Ledger, series: int) -> None:
    ledger.note(Rule.PHASE_MUST_FOLLOW, f"the auction of series {series} does not end though its time has come")


def _due(ledger: Ledger) -> list[tuple[int, Auction]]:
    """Auctions that may end now, those in the middle of it first, then by their time."""
    config, round_ = ledger.config, ledger.round
    if not ledger.is_open or config is None or round_ is None:
        return []
    if ledger.now_s - round_.time_s > config.settlement_window_s:
        return []
    ready = [
        (key, auction)
        for key, auction in ledger.auctions.items()
        if auction.phase in (AUCTION, UNCROSSING)
        and _has_come(ledger, auction, ledger.series[key])
        and ledger.now_s < ledger.series[key].expiry.expiry_s
        and phases.is_priced(ledger.series[key])
        and not breakers.bars(ledger, ledger.series[key].underlying)
    ]
    return sorted(ready, key=lambda item: (item[1].phase != UNCROSSING, item[1].ends_s, item[0]))


def _has_come(ledger: Ledger, auction: Auction, option: Series) -> bool:
    """Whether the time of an auction has come; one that an order began need not wait for it when nothing crosses."""
    return auction.ends_s <= ledger.now_s or (auction.volatile and not phases.is_crossed(option))


# -- one record of an uncross -----------------------------------------------------------------------------------------


class Uncross:
    """What one record fills at the price of an auction."""

    def __init__(self, ledger: Ledger, option: Series, auction: Auction) -> None:
        self.ledger, self.option, self.auction = ledger, option, auction
        self.removed = self.filled = 0
        self.moved: dict[int, Account] = {}
        self.owners: dict[bytes, list[Order]] = {}
        self.price = auction.price
        self.reach = (self.price, self.price)  # prices at which the auction may end
        self.restless = False  # quotes give way because their bounds leave no price in peace
        self.trusts = False  # somebody is taken out for a reason that only the machine knows
        self.queues: tuple[deque[Share], deque[Share]] = (deque(), deque())
        self.partial = False  # there are more orders than one record looks at
        self.tripped: list[Event] = []

    def follow(self, events: Sequence[Event]) -> None:
        """Some are taken out, a price is found, orders fill, reduce-only orders with nothing to reduce go, it opens."""
        ledger = self.ledger
        self._look()
        at = next((place for place, event in enumerate(events) if type(event) is not Cancelled), len(events))
        gone = [event for event in events[:at] if type(event) is Cancelled]
        if any(event.reason is CancelReason.SELF_TRADE for event in gone):
            self._group_owners()
        barred = [event for event in gone if event.reason is not CancelReason.SWEEP_BOUND]
        for event in barred:
            self._why_taken_out(event)
        for event in barred:
            ledger.end(event.order_id, event.remaining)
        self._given_up([event for event in gone if event.reason is CancelReason.SWEEP_BOUND])
        rest = list(events[at:])
        if self.removed >= SWEEP_MAX or (not rest and self.removed):
            return self._goes_on(rest)
        if self.price:
            self.queues = clearing.shares(self.option, price=self.price)
        elif not self._priced(rest):
            return None
        while rest and type(rest[0]) is Traded:
            self._traded(rest.pop(0))  # type: ignore[arg-type]
            if self.tripped:
                self._trips(rest)
        while rest and type(rest[0]) is Cancelled:
            fills.linger(ledger, rest.pop(0), self.moved, self.option)  # type: ignore[arg-type]
        fills.none_lingers(ledger, self.moved.values(), self.option)
        return self._finish(rest)

    def _look(self) -> None:
        """Which prices the auction may end at, and whether one record looks at everybody who could trade there."""
        bids, asks = self.option.bids, self.option.asks
        if self.price:
            sides = [clearing.reaching(ladder.in_turn(), self.price) for ladder in (bids, asks)]
            self.partial = any(sum(1 for _ in islice(side, 2 * SWEEP_MAX)) == 2 * SWEEP_MAX for side in sides)
        elif (bid := bids.first()) is not None and (ask := asks.first()) is not None:
            self.reach = (ask.price, bid.price)

    def _goes_on(self, rest: list[Event]) -> None:
        """A record may end after those it takes out: it is full, or another price would have been looked for."""
        if self.removed < SWEEP_MAX and not self.trusts and not self.restless:
            _stays(self.ledger, self.option.id)
        self._only(rest)

    def _only(self, rest: list[Event]) -> None:
        if rest:
            self.ledger.note(Rule.EVENTS_MUST_FIT, "an auction goes on in a record that is full", actual=rest[0])

    # -- who takes part -----------------------------------------------------------------------------------------------

    def _why_taken_out(self, event: Cancelled) -> None:
        self.removed += 1
        ledger, order = self.ledger, self.ledger.orders.get(event.order_id)
        if order is not None and not (order.series is self.option and self._why(order, event.reason)):
            sentence = f"order {order.id} is taken out of the auction of series {self.option.id} without a reason"
            ledger.note(Rule.CANCEL_MUST_HAVE_A_REASON, sentence, order=order.id, actual=event.reason)

    def _why(self, order: Order, reason: CancelReason) -> bool:
        if reason not in TRUSTED:
            return self._cannot_trade(order, reason)
        self.trusts = True
        self.ledger.take(TRUSTED[reason])
        if reason is CancelReason.FEE:
            return fills.may_cost_too_much(self.ledger, order, self.reach[1])
        if reason is CancelReason.KEY_LIMIT:
            return self._may_be_beyond(order)
        low, high = self.reach
        return order.price >= low if order.is_buy else order.price <= high

    def _may_be_beyond(self, order: Order) -> bool:
        """Whether a key's orders in the auction could be more than it may do, at the highest price there may be."""
        ladder = self.option.bids if order.is_buy else self.option.asks
        same = [each for each in ladder.in_turn() if each.account is order.account and _of_one_key(each, order)]
        return keys.may_be_beyond(self.ledger, same, self.reach[1])

    def _given_up(self, events: Sequence[Cancelled]) -> None:
        """Quotes go whose bounds leave no price in peace; nobody else's part is in doubt then."""
        self.restless = bool(events)
        if not events:
            return
        restless = {} if self.trusts or self.price else clearing.due(self.ledger, self.option).restless
        self.removed += len(events)
        told = [event.order_id for event in events]
        if told != sorted(restless)[: len(told)] or (len(told) < len(restless) and self.removed < SWEEP_MAX):
            sentence = f"quotes give way in the auction of series {self.option.id}, and it has a price"
            self.ledger.note(Rule.CANCEL_MUST_HAVE_A_REASON, sentence, expected=sorted(restless), actual=told)
        for event in events:
            self.ledger.end(event.order_id, event.remaining)

    def _cannot_trade(self, order: Order, reason: CancelReason) -> bool:
        if reason is CancelReason.EXPIRED:
            return order.expiry_s <= self.ledger.now_s
        if reason is CancelReason.REDUCE_ONLY:
            return order.reduce_only and not order.reducible()
        return reason is CancelReason.SELF_TRADE and self._meets_itself(order)

    def _meets_itself(self, order: Order) -> bool:
        """Whether an order of the same owner on the other side crosses, and who arrived later said this one gives way.

        Who of them has already gone in this record still counts.
        """
        for other in self.owners.get(order.account.owner, ()):
            if other.is_buy == order.is_buy:
                continue
            bid, ask = (order, other) if order.is_buy else (other, order)
            if bid.price < ask.price:
                continue
            later = max(order, other, key=lambda one: one.age)
            if later.self_trade != (CANCEL_MAKER if order is later else CANCEL_TAKER):
                return True
        return False

    def _group_owners(self) -> None:
        for ladder in (self.option.bids, self.option.asks):
            for order in ladder.in_turn():
                self.owners.setdefault(order.account.owner, []).append(order)

    # -- the price ----------------------------------------------------------------------------------------------------

    def _priced(self, rest: list[Event]) -> bool:
        """The price that is due, and whether the auction goes on to fill at it."""
        ledger, option, auction = self.ledger, self.option, self.auction
        due = clearing.due(ledger, option)
        self.queues = (due.bids, due.asks)
        if due.clearing is None and not due.restless:
            self._finish(rest)
            return False
        extended = phases.extension(ledger, option, auction, due.clearing.price) if due.clearing is not None else None
        event = rest.pop(0) if rest else None
        if extended is not None and type(event) is PhaseChanged:
            phases.expect(ledger, event, extended)
            self._only(rest)
            return False
        if type(event) is not Uncrossed or event.series != option.id:
            _stays(ledger, option.id)
            return False
        if extended is not None:
            ledger.note(Rule.PHASE_MUST_FOLLOW, "an auction ends at a price outside the band", expected=extended)
        if (event.price, event.volume, event.surplus) != due.clearing:
            sentence = f"series {option.id} uncrosses at another price than trades most (price, volume, surplus)"
            actual = (event.price, event.volume, event.surplus)
            ledger.note(Rule.AUCTION_MUST_CLEAR_AT_BEST, sentence, expected=due.clearing, actual=actual)
        auction.phase, auction.price, auction.volume = UNCROSSING, event.price, event.volume
        self.price = event.price
        return True

    # -- fills --------------------------------------------------------------------------------------------------------

    def _traded(self, event: Traded) -> None:
        """The first on one side with the first on the other, for as much as both take part with, at the one price."""
        ledger = self.ledger
        self.filled += 1
        fills.number(ledger, event)
        maker, taker = ledger.orders.get(event.maker_order), ledger.orders.get(event.taker_order)
        if maker is None or taker is None:
            sentence = f"trade {event.trade_id} of an auction fills an order that is not open"
            ledger.note(Rule.MAKER_MUST_BE_OPEN, sentence, order=event.maker_order)
            return
        self._paired(event, maker, taker)
        self._check(event, maker, taker)
        fills.book(ledger, event, maker, taker, self.moved)
        if maker.group_of_quotes is not None:
            self.tripped = quotes.filled(ledger, maker, event.qty)
        for order in (maker, taker):
            if not order.left:
                ledger.close(order)
            elif not order.shown:
                order.shown = min(order.display, order.left)  # in an auction all of an iceberg has its place

    def _paired(self, event: Traded, maker: Order, taker: Order) -> None:
        """Both must be the first of their sides, and trade all that both take part with."""
        ledger, (bids, asks) = self.ledger, self.queues
        bid, ask = (maker, taker) if maker.is_buy else (taker, maker)
        due = self._pair(bids, asks)
        if due is None or (bid, ask) != due[:2]:
            rule, first = self._passed_over(due, bid, ask)
            sentence = f"trade {event.trade_id} of an auction is not between those who stand first"
            expected = due and (due[0].id, due[1].id)
            ledger.note(rule, sentence, order=first, expected=expected, actual=(bid.id, ask.id))
        elif event.qty != due[2]:
            sentence = f"trade {event.trade_id} of an auction is not for as much as both take part with"
            ledger.note(Rule.FILL_MUST_BE_WHOLE, sentence, order=maker.id, expected=due[2], actual=event.qty)
        for queue, order in ((bids, bid), (asks, ask)):
            _consume(queue, order, event.qty)

    def _trips(self, rest: list[Event]) -> None:
        """What a fill of a quote brings about comes next; the quotes it takes off take no more part."""
        count = len(self.tripped)
        quotes.expect_trip(self.ledger, self.tripped, rest[:count])
        del rest[:count]
        self.filled += count
        self.tripped = []
        for queue in self.queues:
            kept = [share for share in queue if share.order.id in self.ledger.orders]
            queue.clear()
            queue.extend(kept)

    def _pair(self, bids: deque[Share], asks: deque[Share]) -> tuple[Order, Order, int] | None:
        if not bids or not asks:
            return None
        bid, ask = bids[0], asks[0]
        if bid.order.price < self.price or ask.order.price > self.price:
            return None
        return bid.order, ask.order, min(bid.qty, ask.qty)

    @staticmethod
    def _passed_over(due: tuple[Order, Order, int] | None, bid: Order, ask: Order) -> tuple[Rule, int]:
        if due is None:
            return Rule.PRICE_MUST_BE_WITHIN_LIMIT, bid.id
        first, instead = (due[0], bid) if due[0] is not bid else (due[1], ask)
        rule = Rule.FIRST_IN_MUST_GO_FIRST if first.price == instead.price else Rule.BEST_PRICE_MUST_GO_FIRST
        return rule, first.id

    def _check(self, event: Traded, maker: Order, taker: Order) -> None:
        """One price, the later order takes, nobody trades with herself, the fees are those of the schedule."""
        ledger = self.ledger
        if event.price != self.price:
            sentence = f"trade {event.trade_id} of an auction is not at its price"
            ledger.note(Rule.PRICE_MUST_BE_THE_AUCTIONS, sentence, expected=self.price, actual=event.price)
        first, second = sorted((maker, taker), key=lambda one: one.age)
        if (maker, taker) != (first, second):
            sentence = f"trade {event.trade_id} of an auction takes from the order that arrived later"
            ledger.note(Rule.AUCTION_MUST_LET_THE_LATER_TAKE, sentence, order=taker.id, expected=second.id)
        if maker.account.owner == taker.account.owner:
            sentence = f"order {taker.id} trades with order {maker.id} of the same owner"
            ledger.note(Rule.OWNERS_MUST_DIFFER, sentence, order=maker.id)
        fills.check_charges(ledger, event, maker, taker)

    # -- the end ------------------------------------------------------------------------------------------------------

    def _finish(self, rest: list[Event]) -> None:
        """The record ends because the auction does, or because it is full."""
        ledger, option, auction = self.ledger, self.option, self.auction
        complete = not self.price or self._pair(*self.queues) is None
        event = rest.pop(0) if rest else None
        if type(event) is PhaseChanged:
            if not complete:
                sentence = f"the auction of series {option.id} ends and orders that take part have not traded"
                ledger.note(Rule.NOBODY_MUST_BE_PASSED_OVER, sentence, order=self.queues[0][0].order.id)
            phases.expect(ledger, event, phases.ending(ledger, option, auction))
        elif event is not None:
            sentence = f"{type(event).__name__} does not follow from an auction"
            ledger.note(Rule.EVENTS_MUST_FIT, sentence, actual=event)
        elif self.removed + self.filled < SWEEP_MAX and room(ledger) > 0 and not self.partial:
            _stays(ledger, option.id)
        self._only(rest)


def _consume(queue: deque[Share], order: Order, qty: int) -> None:
    for place, share in enumerate(queue):
        if share.order is order:
            if share.qty <= qty:
                del queue[place]
            else:
                queue[place] = Share(order, share.qty - qty)
            return


def _of_one_key(one: Order, other: Order) -> bool:
    return one.signed.signer == other.signed.signer
