"""How an auction ends: at the price that trades most, in price-time order on both sides, leaving nobody out.

The price is looked for again, among all steps between best offer and best bid: most volume, then least surplus, then
nearest the mark, then the lower. Fills must pair who stands first on one side with who stands first on the other.
Who was taken out before, for want of margin or fee, is taken as journaled. Imports the words of the journal, phases,
matching and the ledger.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

from exchange.core.commands import AUCTION, CANCEL_MAKER, CANCEL_TAKER, UNCROSSING
from exchange.core.events import Cancelled, CancelReason, Event, PhaseChanged, Traded, Uncrossed
from replay.checker import fills, keys, phases, quotes
from replay.checker.admission import room
from replay.checker.bounds import CHANGES_MAX, SWEEP_MAX
from replay.checker.facts import Account, Auction, Order, Series, Underlying
from replay.checker.ladder import Ladder
from replay.checker.ledger import Ledger
from replay.checker.rules import Rule, Taken

TRUSTED: Final = {
    CancelReason.MARGIN: Taken.MARGIN,
    CancelReason.FEE: Taken.AUCTION_FEE,
    CancelReason.KEY_LIMIT: Taken.AUCTION_KEY,
    CancelReason.POSITIONS_BOUND: Taken.POSITIONS_BOUND,
}


class Clearing(NamedTuple):
    """Where an auction clears; ``surplus`` is what is bid for less what is offered there."""

    price: int
    volume: int
    surplus: int


class Share(NamedTuple):
    """An order that takes part, with how much of it does."""

    order: Order
    qty: int


def clearing(bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]], step: Underlying, near: int) -> Clearing:
    """The best of all prices between the best offer and the best bid; both sides from best to worst and crossing.

    What is bid for and offered changes at named prices only: between two of them the step nearest the mark stands for
    all.
    """
    demand_at, demanded = [-price for price, _ in bids], [0, *accumulate(qty for _, qty in bids)]
    supply_at, supplied = [price for price, _ in asks], [0, *accumulate(qty for _, qty in asks)]
    low, high = asks[0][0], bids[0][0]
    named = sorted({price for price, _ in (*bids, *asks) if low <= price <= high})
    tried = named + [_between(below, above, step, near) for below, above in pairwise(named)]
    found = []
    for price in dict.fromkeys(tried):
        demand = demanded[bisect_right(demand_at, -price)]
        supply = supplied[bisect_right(supply_at, price)]
        found.append(Clearing(price, min(demand, supply), demand - supply))
    return min(found, key=lambda at: (-at.volume, abs(at.surplus), abs(at.price - near), at.price))


def _between(below: int, above: int, step: Underlying, near: int) -> int:
    """The price on a step strictly between two others that is nearest a third; ``below`` when there is none."""
    first, last = below + step.tick_at(below), above - step.tick_at(above - 1)
    if first > last:
        return below
    if not first < near < last:
        return first if near <= first else last
    tick = step.tick_at(near)
    under = near - near % tick
    return under if near - under <= under + tick - near else under + tick


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
        self.queues: tuple[deque[Share], deque[Share]] = (deque(), deque())
        self.looked = 0
        self.tripped: list[Event] = []

    def follow(self, events: Sequence[Event]) -> None:
        """Some are taken out, a price is found, orders fill, reduce-only orders with nothing to reduce go, it opens."""
        at = next((place for place, event in enumerate(events) if type(event) is not Cancelled), len(events))
        if any(event.reason is CancelReason.SELF_TRADE for event in events[:at]):  # type: ignore[attr-defined]
            self._group_owners()
        for event in events[:at]:
            self._taken_out(event)  # type: ignore[arg-type]
        rest = list(events[at:])
        if self.removed >= SWEEP_MAX or (not rest and self.removed):
            return self._only(rest)
        self.queues = (self._shares(self.option.bids), self._shares(self.option.asks))
        if not self.price and not self._priced(rest):
            return None
        self.looked = max(len(queue) for queue in self.queues)
        while rest and type(rest[0]) is Traded:
            self._traded(rest.pop(0))  # type: ignore[arg-type]
            if self.tripped:
                self._trips(rest)
        while rest and type(rest[0]) is Cancelled:
            fills.linger(self.ledger, rest.pop(0), self.moved, self.option)  # type: ignore[arg-type]
        fills.none_lingers(self.ledger, self.moved.values(), self.option)
        return self._finish(rest)

    def _only(self, rest: list[Event]) -> None:
        if rest:
            self.ledger.note(Rule.EVENTS_MUST_FIT, "an auction goes on in a record that is full", actual=rest[0])

    # -- who takes part -----------------------------------------------------------------------------------------------

    def _taken_out(self, event: Cancelled) -> None:
        self.removed += 1
        ledger, order = self.ledger, self.ledger.orders.get(event.order_id)
        if order is not None:
            reason = event.reason
            if reason in TRUSTED and (reason is not CancelReason.KEY_LIMIT or keys.bound_of(order) is not None):
                ledger.take(TRUSTED[reason])
            elif order.series is not self.option or not self._cannot_trade(order, reason):
                sentence = f"order {order.id} is taken out of the auction of series {self.option.id} without a reason"
                ledger.note(Rule.CANCEL_MUST_HAVE_A_REASON, sentence, order=order.id, actual=reason)
        ledger.end(event.order_id, event.remaining)

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

    def _shares(self, ladder: Ladder) -> deque[Share]:
        """Who takes part on one side in price-time order: all of an order, of a reduce-only one what it can close.

        It closes what is left once the better orders of its account on this side have filled.
        """
        across = self.option.asks if ladder is self.option.bids else self.option.bids
        facing = across.first()
        ahead: dict[int, int] = {}
        shares: deque[Share] = deque()
        if facing is None:
            return shares
        limit = self.price or facing.price
        for order in ladder.in_turn():
            if order.price < limit if order.is_buy else order.price > limit:
                break
            qty, account = order.left, order.account
            if order.reduce_only:
                qty = min(qty, max(order.reducible() - ahead.get(account.id, 0), 0))
            ahead[account.id] = ahead.get(account.id, 0) + qty
            if qty:
                shares.append(Share(order, qty))
        return shares

    # -- the price ----------------------------------------------------------------------------------------------------

    def _priced(self, rest: list[Event]) -> bool:
        """The price that is due, and whether the auction goes on to fill at it."""
        ledger, option, auction = self.ledger, self.option, self.auction
        bids, asks = ([(share.order.price, share.qty) for share in side] for side in self.queues)
        if not bids or not asks or bids[0][0] < asks[0][0]:
            self._finish(rest)
            return False
        due = clearing(bids, asks, option.step, option.mark)
        extended = phases.extension(ledger, option, auction, due.price)
        event = rest.pop(0) if rest else None
        if extended is None and type(event) is PhaseChanged and self._quoted():
            extended = phases.extension(ledger, option, auction, -1)
        if extended is not None and type(event) is PhaseChanged:
            phases.expect(ledger, event, extended)
            self._only(rest)
            return False
        if type(event) is not Uncrossed or event.series != option.id:
            _stays(ledger, option.id)
            return False
        if extended is not None and not (event.price != due.price and self._quoted()):
            ledger.note(Rule.PHASE_MUST_FOLLOW, "an auction ends at a price outside the band", expected=extended)
        if (event.price, event.volume, event.surplus) != due and not self._quoted():
            sentence = f"series {option.id} uncrosses at another price than trades most (price, volume, surplus)"
            actual = (event.price, event.volume, event.surplus)
            ledger.note(Rule.AUCTION_MUST_CLEAR_AT_BEST, sentence, expected=tuple(due), actual=actual)
        auction.phase, auction.price, auction.volume = UNCROSSING, event.price, event.volume
        self.price = event.price
        self.queues = (self._shares(option.bids), self._shares(option.asks))
        return True

    def _quoted(self) -> bool:
        """Whether quotes take part: what their protection cuts may move the price, which is then taken as journaled."""
        if all(share.order.group_of_quotes is None for side in self.queues for share in side):
            return False
        self.ledger.take(Taken.AUCTION_QUOTE)
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
        due = self._due(bid, ask)
        if due is None or (bid, ask) != due[:2]:
            rule, first = self._passed_over(due, bid, ask)
            sentence = f"trade {event.trade_id} of an auction is not between those who stand first"
            expected = due and (due[0].id, due[1].id)
            ledger.note(rule, sentence, order=first, expected=expected, actual=(bid.id, ask.id))
        elif event.qty != due[2] and not (event.qty < due[2] and self._capped(bid, ask)):
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

    def _due(self, bid: Order, ask: Order) -> tuple[Order, Order, int] | None:
        """The pair whose turn it is. A quote may take part with less than it shows, where its protection will take it
        off for what others fill: that it had its part is taken as journaled.
        """
        bids, asks = self.queues
        for queue, order in ((bids, bid), (asks, ask)):
            while queue and queue[0].order is not order and queue[0].order.group_of_quotes is not None:
                queue.popleft()
                self.ledger.take(Taken.AUCTION_QUOTE)
        return self._pair(bids, asks)

    def _capped(self, bid: Order, ask: Order) -> bool:
        if bid.group_of_quotes is None and ask.group_of_quotes is None:
            return False
        self.ledger.take(Taken.AUCTION_QUOTE)
        return True

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
        elif self.removed + self.filled < SWEEP_MAX and room(ledger) > 0 and self.looked < 2 * SWEEP_MAX:
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
