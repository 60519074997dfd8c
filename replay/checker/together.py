"""One order for a combo: whom it had to meet, in the combo's own book or the books of its legs, and on which terms.

Fills of a group are one: all legs of so many units, at prices that are no worse in sum than the order's limit, nor than
what stood on the other side of the choice. What only margin, gas or the fees of others can tell is taken as journaled.
Imports the words of the journal and the ledger.
"""

from collections.abc import Sequence
from typing import Final

from exchange.core.commands import CANCEL_BOTH, CANCEL_TAKER, FOK, GTC
from exchange.core.events import Cancelled, CancelReason, Event, Rested, Traded
from exchange.core.units import premium_of
from replay.checker import fees, fills, keys, phases, presence, quotes
from replay.checker.facts import Account, Combo, Order
from replay.checker.ledger import TREASURY, Ledger
from replay.checker.rules import Rule, Taken
from replay.checker.slices import Slice, first_slice

BEYOND: Final = (
    CancelReason.MARGIN,
    CancelReason.POSITIONS_BOUND,
    CancelReason.FEE,
    CancelReason.KEY_LIMIT,
    CancelReason.VOLATILITY,
    CancelReason.SWEEP_BOUND,
)
"""Reasons that rest on more than the books."""


class Together:
    """An order for a combo that has been let in or stands, and whom its fills have moved so far."""

    def __init__(self, ledger: Ledger, taker: Order) -> None:
        assert isinstance(taker.series, Combo)
        self.ledger, self.taker, self.combo = ledger, taker, taker.series
        self.sign = 1 if taker.is_buy else -1
        self.moved: dict[int, Account] = {}
        self.over = self.yielded = False
        self.tripped: list[Event] = []

    # -- whom it may meet ---------------------------------------------------------------------------------------------

    def own(self) -> Order | None:
        """Who is first in the combo's own book, within the limit."""
        side = self.combo.asks if self.taker.is_buy else self.combo.bids
        maker = side.first()
        return maker if maker is not None and self.sign * maker.price <= self.sign * self.taker.price else None

    def slice(self) -> Slice | None:
        """What the legs offer within the limit."""
        taker = self.taker
        found = first_slice(self.ledger, self.combo, taker.account.id, taker.left, is_buy=taker.is_buy)
        if found is None or self.sign * found.value > self.sign * taker.price * found.units:
            return None
        return found

    def meets(self) -> bool:
        """Whether anybody would trade with it, or stands where they would."""
        return self.own() is not None or self.slice() is not None

    # -- a record -----------------------------------------------------------------------------------------------------

    def follow(self, events: Sequence[Event]) -> None:
        """All that is its doing."""
        at = 0
        while at < len(events):
            event, at = events[at], at + 1
            if self.tripped:
                quotes.expect_trip(self.ledger, [self.tripped.pop(0)], [event])
            elif type(event) is Traded:
                group = [event]
                while at < len(events) and getattr(events[at], "group", 0) == event.group != 0:
                    group.append(events[at])  # type: ignore[arg-type]
                    at += 1
                self._traded(group)
            elif type(event) is Rested:
                self._rested(event)
            elif type(event) is not Cancelled:
                what = f"{type(event).__name__} does not follow from an order for a combo"
                self.ledger.note(Rule.EVENTS_MUST_FIT, what, order=self.taker.id)
            elif event.order_id == self.taker.id:
                self._ended(event)
            elif self.over or not self.taker.left:
                self._lingers(event)
            else:
                self._removed(event)
        self._finish()

    def _lingers(self, event: Cancelled) -> None:
        order = self.ledger.orders.get(event.order_id)
        series = order.series if order is not None else self.combo
        fills.linger(self.ledger, event, self.moved, series)

    # -- fills --------------------------------------------------------------------------------------------------------

    def _traded(self, group: list[Traded]) -> None:
        ledger, taker, units = self.ledger, self.taker, group[-1].units
        if self.yielded:
            sentence = f"order {taker.id} goes on after it met its owner, and signed that both end"
            ledger.note(Rule.SELF_TRADE_MUST_END_AS_SIGNED, sentence, order=taker.id)
        first = ledger.next_trade
        for event in group:
            fills.number(ledger, event)
        if any(event.group != first or (event.units and event is not group[-1]) for event in group) or units <= 0:
            sentence = f"trades from {first} on are no group of the legs of a combo"
            ledger.note(Rule.COMBO_MUST_FILL_WHOLE, sentence, order=taker.id)
            return
        if taker.post_only:
            ledger.note(Rule.POST_ONLY_MUST_NOT_TAKE, f"order {taker.id} is post-only and takes", order=taker.id)
        if any(series.id in ledger.auctions for series, _ in self.combo.legs):
            ledger.note(Rule.AUCTION_MUST_COLLECT, f"combo {self.combo.id} trades while a leg does not", order=taker.id)
        if units > taker.left:
            sentence = f"order {taker.id} is filled for more than it has left"
            ledger.note(Rule.TAKER_MUST_HAVE_QUANTITY, sentence, order=taker.id, expected=taker.left, actual=units)
        value = sum(event.price * event.qty * self._way(event) for event in group)
        if self.sign * value > self.sign * taker.price * units:
            sentence = f"the legs of order {taker.id} come to more than its limit"
            ledger.note(Rule.PRICE_MUST_BE_WITHIN_LIMIT, sentence, order=taker.id, expected=taker.price, actual=value)
        if group[0].leg:
            self._in_its_book(group, units, value)
        else:
            self._through_its_legs(group, units, value)
        ledger.totals.filled += units
        taker.left, taker.filled = max(taker.left - units, 0), taker.filled + units
        taker.shown = taker.left

    def _way(self, event: Traded) -> int:
        """1 for a leg that whoever buys the combo buys, -1 for one that is sold."""
        return 1 if self._ratio(event) > 0 else -1

    def _ratio(self, event: Traded) -> int:
        maker = self.ledger.orders.get(event.maker_order)
        series_id = event.leg or (maker.series.id if maker is not None else 0)
        return next((ratio for series, ratio in self.combo.legs if series.id == series_id), 0)

    def _in_its_book(self, group: list[Traded], units: int, value: int) -> None:
        """Against the first in line of the combo's own book, at just that price, unless the legs are better."""
        ledger, taker, maker = self.ledger, self.taker, self.own()
        named = ledger.orders.get(group[0].maker_order)
        if named is None or named.place is None or named.series is not self.combo or named.is_buy == taker.is_buy:
            sentence = f"order {taker.id} trades with order {group[0].maker_order}, which does not stand there"
            ledger.note(Rule.MAKER_MUST_BE_OPEN, sentence, order=taker.id)
            return
        if maker is not named and maker is not None:
            rule = Rule.FIRST_IN_MUST_GO_FIRST if maker.price == named.price else Rule.BEST_PRICE_MUST_GO_FIRST
            ledger.note(rule, f"order {named.id} goes before order {maker.id}", order=maker.id)
        self._alike(group, named, units, value)
        part = self.slice()
        if part is not None and self.sign * part.value < self.sign * named.price * part.units and not part.may_clash():
            sentence = f"order {taker.id} meets its own book though its legs are better"
            ledger.note(Rule.BEST_PRICE_MUST_GO_FIRST, sentence, order=taker.id, expected=part.value, actual=value)
        due = min(taker.left, named.left)
        if units != due:
            sentence = f"orders {taker.id} and {named.id} fill less than both have"
            ledger.note(Rule.FILL_MUST_BE_WHOLE, sentence, order=named.id, expected=due, actual=units)
        self._may_meet(named)
        for event in group:
            self._book(event, named)
        ledger.totals.filled += units
        named.left, named.filled = max(named.left - units, 0), named.filled + units
        named.shown = named.left
        if not named.left:
            ledger.close(named)

    def _alike(self, group: list[Traded], named: Order, units: int, value: int) -> None:
        """All legs for as many units, at prices from zero up that come to the maker's, for fees that both signed."""
        ledger, taker = self.ledger, self.taker
        legs = [(series.id, abs(ratio) * units) for series, ratio in self.combo.legs]
        if [(event.leg, event.qty) for event in group] != legs or {event.maker_order for event in group} != {named.id}:
            ledger.note(Rule.COMBO_MUST_FILL_WHOLE, f"order {taker.id} does not fill all legs alike", order=taker.id)
        due = named.price * units
        if value != due or any(event.price < 0 for event in group):
            sentence = f"the legs of order {taker.id} do not come to the price of order {named.id}"
            ledger.note(Rule.PRICE_MUST_BE_THE_MAKERS, sentence, order=named.id, expected=due, actual=value)
        made = self._charged(group, [event.maker_fee for event in group], makers=True)
        self._signed(named, sum(made), units)
        self._signed(taker, sum(self._charged(group, [event.taker_fee for event in group])), units)

    def _through_its_legs(self, group: list[Traded], units: int, value: int) -> None:
        """Against the first in line of every leg, all for as many units, unless the combo's own book is as good."""
        ledger, taker = self.ledger, self.taker
        own, part = self.own(), self.slice()
        if own is not None and self.sign * own.price * units <= self.sign * value:
            sentence = f"order {taker.id} meets its legs though order {own.id} is as good"
            ledger.note(Rule.BEST_PRICE_MUST_GO_FIRST, sentence, order=own.id, expected=own.price, actual=value)
        makers = self._makers(group, units)
        told = [(event.maker_order, event.qty) for event in group]
        if part is None or [(maker.id, qty) for _, maker, qty in part.makers] != told:
            self._otherwise(group, part)
        if not makers:
            return
        self._signed(taker, sum(self._charged(group, [event.taker_fee for event in group])), units)
        for event, maker in zip(group, makers, strict=True):
            self._of_a_leg(event, maker)
            self._after(event, maker)
        for event, maker in zip(group, makers, strict=True):
            if maker.group_of_quotes is not None:
                self.tripped += quotes.filled(ledger, maker, event.qty)

    def _makers(self, group: list[Traded], units: int) -> list[Order]:
        """Who is filled, all of them standing in a leg, and every leg for as many units."""
        ledger, filled = self.ledger, {series.id: 0 for series, _ in self.combo.legs}
        for event in group:
            maker = ledger.orders.get(event.maker_order)
            if maker is None or maker.place is None or maker.series.id not in filled:
                sentence = f"trade {event.trade_id} fills order {event.maker_order}, which does not stand in a leg"
                ledger.note(Rule.MAKER_MUST_BE_OPEN, sentence, order=event.maker_order)
                return []
            filled[maker.series.id] += event.qty
        if [filled[series.id] for series, _ in self.combo.legs] != [abs(ratio) * units for _, ratio in self.combo.legs]:
            sentence = f"order {self.taker.id} does not fill all legs alike"
            ledger.note(Rule.COMBO_MUST_FILL_WHOLE, sentence, order=self.taker.id)
        return [ledger.orders[event.maker_order] for event in group]

    def _after(self, event: Traded, maker: Order) -> None:
        """A maker that is through leaves its place; the next slice of an iceberg queues behind everybody."""
        if not maker.left:
            self.ledger.close(maker)
        elif maker.place is not None and maker.reduce_only and not maker.reducible():
            self.ledger.lift(maker)
        elif maker.place is not None and not maker.shown:
            self.ledger.lift(maker)
            self.ledger.rest(maker, maker.price, event.trade_id)

    def _otherwise(self, group: list[Traded], part: Slice | None) -> None:
        """Others filled than those in line: quotes that trip each other, and who may only reduce, explain it."""
        ledger, taker = self.ledger, self.taker
        named = [ledger.orders.get(event.maker_order) for event in group]
        reducing = any(maker is not None and maker.reduce_only for maker in named)
        if part is not None and (part.may_clash() or reducing):
            ledger.take(Taken.COMBO)
            return
        due = [(maker.id, qty) for _, maker, qty in part.makers] if part is not None else []
        told = [(event.maker_order, event.qty) for event in group]
        sentence = f"order {taker.id} meets others in its legs than who stands first, or for another quantity"
        ledger.note(Rule.FIRST_IN_MUST_GO_FIRST, sentence, order=taker.id, expected=due, actual=told)

    def _of_a_leg(self, event: Traded, maker: Order) -> None:
        ledger, taker = self.ledger, self.taker
        ratio = self._ratio(event)
        if maker.is_buy == (taker.is_buy == (ratio > 0)):
            sentence = f"order {taker.id} trades with order {maker.id} of its own side"
            ledger.note(Rule.MAKER_MUST_BE_OPPOSITE, sentence, order=maker.id)
        if event.price != maker.price:
            sentence = f"trade {event.trade_id} is not at the price of order {maker.id}, which stood there"
            ledger.note(
                Rule.PRICE_MUST_BE_THE_MAKERS, sentence, order=maker.id, expected=maker.price, actual=event.price
            )
        if event.qty > maker.left:
            sentence = f"order {maker.id} is filled for more than it has left"
            ledger.note(Rule.MAKER_MUST_HAVE_QUANTITY, sentence, order=maker.id, expected=maker.left, actual=event.qty)
        if maker.reduce_only and event.qty > maker.reducible():
            sentence = f"order {maker.id} fills more than there is to reduce"
            ledger.note(Rule.REDUCE_ONLY_MUST_REDUCE, sentence, order=maker.id, expected=maker.reducible())
        limits = phases.band(ledger, maker.series)
        if limits is not None and not limits[0] <= event.price <= limits[1]:
            ledger.note(Rule.PRICE_MUST_BE_IN_BAND, f"trade {event.trade_id} is outside the band", order=maker.id)
        self._may_meet(maker)
        due = fills.charges(ledger, maker.series, event.price, event.qty)
        if (event.index, event.maker_fee) != (due[0], due[2]):
            sentence = f"trade {event.trade_id} has other fees than schedule and index make"
            ledger.note(Rule.FEE_MUST_FOLLOW_THE_SCHEDULE, sentence, order=maker.id, expected=due, actual=event)
        self._signed(maker, event.maker_fee, event.qty)
        self._book(event, maker)
        ledger.totals.filled += event.qty
        maker.left, maker.shown = max(maker.left - event.qty, 0), max(maker.shown - event.qty, 0)
        maker.filled += event.qty

    def _may_meet(self, maker: Order) -> None:
        ledger, taker = self.ledger, self.taker
        if maker.expiry_s <= ledger.now_s:
            ledger.note(Rule.MAKER_MUST_BE_IN_TIME, f"order {maker.id} is filled after its time", order=maker.id)
        if maker.account.owner == taker.account.owner:
            sentence = f"order {taker.id} trades with order {maker.id} of the same owner"
            ledger.note(Rule.OWNERS_MUST_DIFFER, sentence, order=maker.id)
        if presence.dooms(ledger, maker):
            sentence = f"order {maker.id} is on its way out with others and trades"
            ledger.note(Rule.MAKER_MUST_NOT_BE_PURGED, sentence, order=maker.id)

    # -- fees and money -----------------------------------------------------------------------------------------------

    def _charged(self, group: list[Traded], told: list[int], *, makers: bool = False) -> list[int]:
        """What one side pays for each fill, as the rule for combos makes it of ordinary fees."""
        ledger = self.ledger
        by_leg: list[list[int]] = [[] for _ in self.combo.legs]
        for event in group:
            maker = ledger.orders[event.maker_order]
            series_id = event.leg or maker.series.id
            place = next((at for at, (series, _) in enumerate(self.combo.legs) if series.id == series_id), 0)
            charges = fills.charges(ledger, self.combo.legs[place][0], event.price, event.qty)
            by_leg[place].append(charges[2] if makers else charges[1])
        due = fees.of_combo(by_leg)
        if due != told:
            sentence = f"order {self.taker.id} or who it met is charged otherwise than for a combo"
            ledger.note(Rule.FEE_MUST_FOLLOW_THE_SCHEDULE, sentence, order=self.taker.id, expected=due, actual=told)
        return told

    def _signed(self, order: Order, fee: int, qty: int) -> None:
        most = fees.most(order.max_fee, qty)
        if fee > most:
            sentence = f"order {order.id} is charged more than it signed"
            self.ledger.note(Rule.FEE_MUST_BE_SIGNED, sentence, order=order.id, expected=most, actual=fee)

    def _book(self, event: Traded, maker: Order) -> None:
        """Positions and cash of one leg, as journaled."""
        ledger, taker = self.ledger, self.taker
        series_id = event.leg or maker.series.id
        bought = taker.is_buy == (self._ratio(event) > 0)
        buyer, seller = (taker.account, maker.account) if bought else (maker.account, taker.account)
        paid = premium_of(event.price, event.qty)
        buyer.cash, seller.cash = buyer.cash - paid, seller.cash + paid
        taker.account.cash -= event.taker_fee
        maker.account.cash -= event.maker_fee
        ledger.accounts[TREASURY].cash += event.taker_fee + event.maker_fee
        fills.move(buyer.positions, series_id, event.qty)
        fills.move(seller.positions, series_id, -event.qty)
        self.moved[maker.account.id], self.moved[taker.account.id] = maker.account, taker.account
        ledger.totals.trades += 1
        if not ledger.unsealed:
            ledger.open_since_ns = ledger.time_ns
        ledger.unsealed.append((maker.signed, taker.signed))
        ledger.parts.append(event.trade_id != event.group)
        series = next(series for series, _ in self.combo.legs if series.id == series_id)
        keys.count_leg(ledger, event, series, ((maker, event.maker_fee, not bought), (taker, event.taker_fee, bought)))
        ledger.waiting += 1

    # -- others, and its own end --------------------------------------------------------------------------------------

    def _removed(self, event: Cancelled) -> None:
        """Another order leaves while this one goes on: it stood where a fill would have been."""
        ledger, maker, reason = self.ledger, self.ledger.orders.get(event.order_id), event.reason
        if maker is not None:
            part = self.slice()
            stood = [self.own(), *(order for _, order, _ in part.makers if part is not None)] if part else [self.own()]
            reduced = maker.place is None and maker.reduce_only and not maker.reducible()
            holds = maker in stood or reduced or (part is not None and part.may_clash())
            holds = holds and self._may_go(maker, reason, part)
            if not holds:
                sentence = (
                    f"order {maker.id} is taken out of the way of order {self.taker.id}, and {reason} does not hold"
                )
                ledger.note(Rule.CANCEL_MUST_HAVE_A_REASON, sentence, order=maker.id, actual=reason)
        ledger.end(event.order_id, event.remaining)

    def _may_go(self, maker: Order, reason: CancelReason, part: Slice | None) -> bool:
        if reason in BEYOND:
            self.ledger.take(Taken.COMBO)
            return True
        if reason is CancelReason.SELF_TRADE:
            self.yielded = self.taker.self_trade == CANCEL_BOTH
            return maker.account.owner == self.taker.account.owner and self.taker.self_trade != CANCEL_TAKER
        if reason is CancelReason.EXPIRED:
            return maker.expiry_s <= self.ledger.now_s
        if reason is CancelReason.REDUCE_ONLY:
            return maker.reduce_only and maker.reducible() <= (part.beside(maker) if part is not None else 0)
        return reason in presence.dooms(self.ledger, maker)

    def _rested(self, event: Rested) -> None:
        ledger, taker = self.ledger, self.taker
        if event.order_id != taker.id or self.over or not taker.left or taker.place is not None:
            ledger.note(Rule.EVENTS_MUST_FIT, f"order {event.order_id} comes to rest out of turn", order=event.order_id)
            return
        self.over = True
        if taker.tif != GTC:
            ledger.note(Rule.IMMEDIATE_MUST_NOT_REST, f"order {taker.id} was for this moment only", order=taker.id)
        if event.price != taker.price:
            ledger.note(Rule.REST_MUST_BE_AT_ITS_PRICE, f"order {taker.id} rests elsewhere", order=taker.id)
        if self.meets():
            sentence = f"order {taker.id} rests though somebody is within its limit"
            ledger.note(Rule.NOBODY_MUST_BE_PASSED_OVER, sentence, order=taker.id)
        ledger.rest(taker, event.price)

    def _ended(self, event: Cancelled) -> None:
        ledger, taker, reason = self.ledger, self.taker, event.reason
        own, part = self.own(), self.slice()
        met = [own, *(order for _, order, _ in part.makers)] if part is not None else [own]
        alike = any(order is not None and order.account.owner == taker.account.owner for order in met)
        holds = reason in BEYOND and (own is not None or part is not None)
        if reason is CancelReason.IMMEDIATE_REMAINDER:
            holds = taker.tif != GTC and own is None and part is None
        elif reason is CancelReason.SELF_TRADE:
            holds = alike if taker.self_trade == CANCEL_TAKER else self.yielded
        elif reason is CancelReason.POST_ONLY:
            holds = taker.post_only and taker.place is not None and part is not None
        elif reason is CancelReason.EXPIRED:
            holds = taker.place is not None and taker.expiry_s <= ledger.now_s
        elif reason not in BEYOND:
            holds = reason in presence.dooms(ledger, taker)
        if self.over or not taker.left or not holds:
            sentence = f"order {taker.id} ends ({reason}), and that does not hold"
            ledger.note(Rule.CANCEL_MUST_HAVE_A_REASON, sentence, order=taker.id, actual=reason)
        if reason in BEYOND:
            ledger.take(Taken.COMBO)
        self.over = True
        ledger.end(taker.id, event.remaining)

    def _finish(self) -> None:
        ledger, taker = self.ledger, self.taker
        if self.tripped:
            ledger.note(
                Rule.PROTECTION_MUST_TRIP, f"a fill of order {taker.id} trips, and nothing follows", order=taker.id
            )
        if taker.tif == FOK and taker.left:
            ledger.note(Rule.FILL_OR_KILL_MUST_FILL, f"order {taker.id} was to be filled whole", order=taker.id)
        if not taker.left:
            ledger.close(taker)
        elif not self.over and taker.place is None:
            sentence = f"order {taker.id} has a rest that neither stands in the book nor was cancelled"
            ledger.note(Rule.ORDER_MUST_END_OR_REST, sentence, order=taker.id)
            ledger.close(taker)
        for series, _ in self.combo.legs:
            fills.none_lingers(ledger, self.moved.values(), series)
        bid, ask = self.combo.bids.first(), self.combo.asks.first()
        if bid is not None and ask is not None and bid.price >= ask.price:
            ledger.note(Rule.BOOK_MUST_HAVE_SPREAD, f"the book of combo {self.combo.id} is crossed", order=taker.id)
