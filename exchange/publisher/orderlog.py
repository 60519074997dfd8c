"""The orders of the venue as records change them: what each looks like now, and what one record did to it.

The machine forgets an order when it closes; its last shape is kept here for a while, because clients ask. References to
the machine's own records are held, never copies, and never written. Imports core, dialect.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from msgspec.structs import replace

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.state import State
from exchange.core.state_types import ATTACHED_SHIFT, Order
from exchange.core.units import Price, Qty, div_down
from exchange.dialect.listed import Listed
from exchange.dialect.market import mark_of
from exchange.dialect.orders import ComboFill, Fill, Side, Tracked, leg_trade_object, user_trade_object
from exchange.dialect.rfqs import Asked
from exchange.publisher.notes import Outcome

UP, FLAT_UP, DOWN, FLAT_DOWN = range(4)
CLOSED_MAX: Final = 10_000


Level: TypeAlias = tuple[int, bool, Price]
"""A place in a book that a record may have changed: series, whether bids, price."""


class Noted:
    """What one record did: orders it touched (in order), fills, combos that traded by them, and levels of books."""

    __slots__ = ("combos", "fills", "levels", "touched")

    def __init__(self) -> None:
        self.touched: dict[int, Tracked] = {}
        self.fills: list[Fill] = []
        self.combos: list[ComboFill] = []
        self.levels: dict[Level, None] = {}

    def trades(self) -> list[Fill | ComboFill]:
        """Fills, then trades of combos."""
        return [*self.fills, *self.combos]

    def trade_of(self, fill: Fill, side: Side, *, is_open: bool) -> dict[str, Any]:
        """A fill of this record as one side sees it."""
        if fill.block:
            return leg_trade_object(fill, side)
        return user_trade_object(fill, side, self.touched[side.order_id], is_open=is_open)


class OrderLog:
    """Open orders, and the last ones that closed."""

    def __init__(self, by_series: dict[int, Listed], asked: Mapping[int, Asked]) -> None:
        self.open: dict[int, Tracked] = {}
        self.closed: OrderedDict[int, Tracked] = OrderedDict()
        self._by_series = by_series
        self._asked = asked
        self._ticks: dict[int, tuple[Price, int]] = {}
        self._recalled: dict[int, Tracked] = {}  # open as far as was recalled yet

    def rebuild(self, state: State) -> None:
        """From the open orders of the state; average prices of orders that filled before are unknown."""
        self.closed.clear()
        self._recalled.clear()
        self.open = {order.id: _tracked(state, order, None if order.filled else 0) for order in state.orders.values()}
        self._ticks = {option.id: (option.last_price, FLAT_UP) for option in state.series.values() if option.last_price}
        self._ticks |= {combo.id: (combo.last_price, FLAT_UP) for combo in state.combos.values() if combo.volume}

    def recall(self, tracked: Tracked, *, is_open: bool) -> Tracked:
        """Remember an order as it was known before a restart, unless it is open: then the state knows it better, but
        not what its fills came to. What is remembered already is brought up to date, for others hold on to it.
        """
        known = self.open.get(tracked.order.id)
        if known is not None:
            if known.order.filled == tracked.order.filled:
                known.value = tracked.value
            known.replaced = known.replaced or tracked.replaced
            return known
        known = self._recalled.setdefault(tracked.order.id, tracked)
        if known is not tracked:
            for name in tracked.__struct_fields__:
                setattr(known, name, getattr(tracked, name))
        if not is_open:
            del self._recalled[known.order.id]
            self.closed[known.order.id] = known
            if len(self.closed) > CLOSED_MAX:
                self.closed.popitem(last=False)
        return known

    def recall_tick(self, fill: Fill | ComboFill) -> None:
        """The last price of an instrument that moved prices, and which way."""
        self._ticks[fill.listed.series] = (fill.price, fill.ticks)

    def recalled(self) -> None:
        """Nothing more is recalled."""
        self._recalled.clear()

    def find(self, order_id: int) -> Tracked | None:
        """An order that is open, or closed not long ago."""
        return self.open.get(order_id) or self.closed.get(order_id)

    def note(self, state: State, outcome: Outcome) -> Noted:
        """Follow one record. This runs for every command, watched or not, so it avoids calls where it can."""
        noted = Noted()
        touched, levels, tracking = noted.touched, noted.levels, self.open
        for event in outcome.events:
            kind = type(event)
            if kind is e.Rested:
                tracked = touched[event.order_id] = tracking[event.order_id]  # type: ignore[attr-defined]
                tracked.resting_at = event.price  # type: ignore[attr-defined]
                levels[tracked.order.series, tracked.order.is_buy, tracked.resting_at] = None
            elif kind is e.Cancelled:
                tracked = touched[event.order_id] = tracking[event.order_id]  # type: ignore[attr-defined]
                tracked.reason = event.reason  # type: ignore[attr-defined]
                if tracked.resting_at is not None:
                    levels[tracked.order.series, tracked.order.is_buy, tracked.resting_at] = None
            elif kind is e.Accepted:
                tracking[outcome.seq] = touched[outcome.seq] = _accepted(state, outcome, outcome.seq)
            elif kind is e.Traded:
                self._traded(noted, state, outcome, event)  # type: ignore[arg-type]
            elif kind is e.Amended or kind is e.Quoted:
                self._replaced(noted, state, outcome, event)  # type: ignore[arg-type]
            elif kind is e.BlockTraded:
                self._traded_block(noted, state, outcome, event)  # type: ignore[arg-type]
            elif kind is e.Parked or kind is e.Triggered or kind is e.Held:
                self._waited(noted, state, outcome, event)  # type: ignore[arg-type]
        for order_id, tracked in touched.items():
            if order_id not in state.orders:
                self._close(order_id, tracked)
        return noted

    def _touch(self, noted: Noted, order_id: int) -> Tracked:
        tracked = noted.touched[order_id] = self.open[order_id]
        return tracked

    def _leave_level(self, noted: Noted, tracked: Tracked) -> None:
        if tracked.resting_at is not None:
            noted.levels[tracked.order.series, tracked.order.is_buy, tracked.resting_at] = None

    def _replaced(self, noted: Noted, state: State, outcome: Outcome, event: e.Amended | e.Quoted) -> None:
        if type(event) is e.Quoted:
            self._quoted(noted, state, event)
        else:
            self._amended(noted, outcome.command, event)  # type: ignore[arg-type]

    def _waited(self, noted: Noted, state: State, outcome: Outcome, event: e.Parked | e.Triggered | e.Held) -> None:
        """An order waits, or waits no longer; one that came along with another is seen by this for the first time."""
        if event.order_id not in self.open:
            self.open[event.order_id] = _accepted(state, outcome, event.order_id)
        tracked = self._touch(noted, event.order_id)
        if isinstance(event, e.Triggered):
            tracked.triggered = True

    def _amended(self, noted: Noted, command: c.Amend | c.RequoteRfq, event: e.Amended) -> None:
        tracked, terms = self._touch(noted, event.order_id), c.terms_of(command.auth)
        self._leave_level(noted, tracked)
        tracked.replaced = True
        if tracked.triggered:  # what it once waited for is not signed again, and stays what it came with
            old = tracked.terms
            terms = replace(
                terms,
                trigger=old.trigger,
                trigger_price=old.trigger_price,
                trigger_above=old.trigger_above,
                market=old.market,
            )
        tracked.terms, tracked.nonce = terms, command.auth.nonce
        if not event.kept:
            tracked.resting_at = None

    def _quoted(self, noted: Noted, state: State, event: e.Quoted) -> None:
        """A quote never trades in the record that enters it, so what it looks like stands in the state."""
        order = state.orders[event.order_id]
        tracked = self.open.get(order.id)
        if tracked is None:
            tracked = self.open[order.id] = Tracked(order, nonce=state.auths[order.auth_id].auth.nonce)
        else:
            tracked.replaced = True
        noted.touched[order.id] = tracked
        self._leave_level(noted, tracked)
        tracked.resting_at, tracked.value = order.price, 0
        tracked.nonce = state.auths[order.auth_id].auth.nonce
        self._leave_level(noted, tracked)

    def _traded(self, noted: Noted, state: State, outcome: Outcome, event: e.Traded) -> None:
        command = outcome.command
        own = command.order_id if isinstance(command, c.Amend | c.Fire) else outcome.seq
        taker_id = event.taker_order or own
        maker, taker = self._touch(noted, event.maker_order), self._touch(noted, taker_id)
        self._leave_level(noted, maker)
        self._leave_level(noted, taker)  # in an auction, or as a combo that others reached, it rested too
        series, rfq = event.leg or maker.order.series, maker.order.rfq
        disclosed = rfq > 0 and not (maker.order.anonymous or self._asked[rfq].rfq.request.anonymous)
        noted.fills.append(
            Fill(
                trade_id=event.trade_id,
                listed=self._by_series[series],
                time_ns=outcome.time_ns,
                price=event.price,
                qty=event.qty,
                index=event.index,
                mark=mark_of(state, series),
                vol=state.view.vols.get(series, 0) if state.view is not None else 0,
                ticks=self._tick(series, event.price, is_public=not rfq),
                taker=self._side(taker, series, event, event.taker_fee, is_taker=True),
                maker=self._side(maker, series, event, event.maker_fee, is_taker=False),
                combo=self._by_series[taker.order.series] if event.group else None,
                group=event.group,
                rfq=rfq,
                disclosed=disclosed,
            )
        )
        if event.units:
            self._combo_traded(noted, state, event, (taker.order, maker.order))

    def _side(self, tracked: Tracked, series: int, event: e.Traded, fee: int, *, is_taker: bool) -> Side:
        """An order's side of a fill in a series, which counts for what the order has paid.

        Whoever buys a combo sells the legs with a ratio below zero, at prices that make it cheaper.
        """
        order = tracked.order
        is_bought = all(leg.ratio > 0 for leg in self._by_series[order.series].legs if leg.series == series)
        if tracked.value is not None:
            tracked.value += event.price * (event.qty if is_bought else -event.qty)
        return Side(order.id, order.account, order.is_buy == is_bought, fee, is_taker)

    def _combo_traded(self, noted: Noted, state: State, event: e.Traded, orders: tuple[Order, Order]) -> None:
        """The last of its legs has traded: the combo has."""
        taker, maker = orders
        listed, legs = self._by_series[taker.series], [fill for fill in noted.fills if fill.group == event.group]
        ratios = {leg.series: leg.ratio for leg in listed.legs}
        value = sum(leg.price * (leg.qty if ratios[leg.listed.series] > 0 else -leg.qty) for leg in legs)
        price = div_down(value, event.units)
        noted.combos.append(
            ComboFill(
                group=event.group,
                listed=listed,
                time_ns=legs[-1].time_ns,
                price=price,
                qty=event.units,
                mark=mark_of(state, listed.series),
                ticks=self._tick(listed.series, price, is_public=not legs[0].rfq),
                taker=Side(taker.id, taker.account, taker.is_buy, 0, is_taker=True),
                maker=Side(maker.id, maker.account, maker.is_buy, 0, is_taker=False) if event.leg else None,
                legs=tuple(legs),
            )
        )

    def _traded_block(self, noted: Noted, state: State, outcome: Outcome, event: e.BlockTraded) -> None:
        """A leg of a block: no order of a book is touched, and the tick direction of the next trade neither."""
        command = outcome.command
        assert isinstance(command, c.ExecuteBlock)
        block, leg = command.block, command.block.legs[event.leg]
        noted.fills.append(
            Fill(
                trade_id=event.trade_id,
                listed=self._by_series[leg.series],
                time_ns=outcome.time_ns,
                price=leg.price,
                qty=leg.qty,
                index=event.index,
                mark=mark_of(state, leg.series),
                vol=state.view.vols.get(leg.series, 0) if state.view is not None else 0,
                ticks=self._tick(leg.series, leg.price, is_public=False),
                taker=Side(0, block.taker, leg.is_buy, event.taker_fee, is_taker=True),
                maker=Side(0, block.maker, not leg.is_buy, event.maker_fee, is_taker=False),
                block=outcome.seq,
                legs=len(block.legs),
            )
        )

    def _tick(self, series: int, price: Price, *, is_public: bool) -> int:
        last, before = self._ticks.get(series, (price, FLAT_UP))
        tick = UP if price > last else DOWN
        if price == last:
            tick = FLAT_UP if before in (UP, FLAT_UP) else FLAT_DOWN
        if is_public:
            self._ticks[series] = (price, tick)
        return tick

    def _close(self, order_id: int, tracked: Tracked) -> None:
        del self.open[order_id]
        tracked.resting_at = None
        self.closed[order_id] = tracked
        if len(self.closed) > CLOSED_MAX:
            self.closed.popitem(last=False)


def _tracked(state: State, order: Order, value: int | None = 0) -> Tracked:
    """An open order as the state has it."""
    terms = c.terms_of(state.auths[order.auth_id].auth)
    triggered = terms.trigger != c.UNTRIGGERED and not order.watch
    nonce = state.auths[order.auth_id].auth.nonce
    return Tracked(order, order.price if order.resting else None, value, terms=terms, triggered=triggered, nonce=nonce)


def _accepted(state: State, outcome: Outcome, order_id: int) -> Tracked:
    """The machine's record of a new order; rebuilt from the command when it closed within the same record."""
    order = state.orders.get(order_id)
    command = outcome.command
    assert isinstance(command, c.Place | c.QuoteRfq | c.AcceptRfq)
    place = order_id >> ATTACHED_SHIFT
    brought = command.attached[place - 1] if place and isinstance(command, c.Place) else command
    terms = c.terms_of(brought.auth)
    if order is not None:
        return Tracked(order, terms=terms, nonce=brought.auth.nonce)
    traded = (
        event.units if event.group else event.qty
        for event in outcome.events
        if isinstance(event, e.Traded) and event.taker_order in {0, order_id}
    )
    gone = _gone(outcome, order_id, brought, 0 if place else sum(traded))
    return Tracked(gone, terms=terms, nonce=brought.auth.nonce)


def _gone(
    outcome: Outcome, order_id: int, brought: c.Place | c.Attached | c.QuoteRfq | c.AcceptRfq, filled: Qty
) -> Order:
    """What an order looked like that is over in the record that brought it."""
    auth = brought.auth
    return Order(
        id=order_id,
        auth_id=order_id,
        account=auth.account,
        series=auth.series,
        is_buy=auth.is_buy,
        price=auth.price,
        qty=auth.qty,
        filled=filled,
        priority=outcome.seq,
        max_fee=auth.max_fee,
        reduce_only=auth.reduce_only,
        post_only=auth.post_only,
        tif=auth.tif,
        expiry_s=auth.expiry_s,
        label=brought.label,
        created_ns=outcome.time_ns,
        updated_ns=outcome.time_ns,
    )
