"""The orders of the venue as records change them: what each looks like now, and what one record did to it.

The machine forgets an order when it closes; its last shape is kept here for a while, because clients ask. References to
the machine's own records are held, never copies, and never written. Imports core, dialect.
"""

from collections import OrderedDict
from typing import Final, NamedTuple

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.state import State
from exchange.core.state_types import Order
from exchange.core.units import Price
from exchange.dialect.listed import Listed
from exchange.dialect.market import mark_of
from exchange.dialect.orders import UNKNOWN_VALUE, Fill, Side, Tracked
from exchange.publisher.notes import Outcome

UP, FLAT_UP, DOWN, FLAT_DOWN = range(4)
CLOSED_MAX: Final = 10_000


class Level(NamedTuple):
    """A place in a book that a record may have changed."""

    series: int
    is_buy: bool
    price: Price


class Noted(NamedTuple):
    """What one record did: orders it touched (in order), fills, and levels of books."""

    touched: dict[int, Tracked]
    fills: list[Fill]
    levels: dict[Level, None]


class OrderLog:
    """Open orders, and the last ones that closed."""

    def __init__(self, by_series: dict[int, Listed]) -> None:
        self.open: dict[int, Tracked] = {}
        self.closed: OrderedDict[int, Tracked] = OrderedDict()
        self._by_series = by_series
        self._ticks: dict[int, tuple[Price, int]] = {}

    def rebuild(self, state: State) -> None:
        """From the open orders of the state; average prices of orders that filled before are unknown."""
        self.closed.clear()
        self.open = {
            order.id: Tracked(order, order.price, UNKNOWN_VALUE if order.filled else 0)
            for order in state.orders.values()
        }
        self._ticks = {option.id: (option.last_price, FLAT_UP) for option in state.series.values() if option.last_price}

    def find(self, order_id: int) -> Tracked | None:
        """An order that is open, or closed not long ago."""
        return self.open.get(order_id) or self.closed.get(order_id)

    def note(self, state: State, outcome: Outcome) -> Noted:
        """Follow one record."""
        noted = Noted({}, [], {})
        command = outcome.command
        for event in outcome.events:
            kind = type(event)
            if kind is e.Rested:
                self._rested(noted, event)  # type: ignore[arg-type]
            elif kind is e.Cancelled:
                self._cancelled(noted, event)  # type: ignore[arg-type]
            elif kind is e.Accepted:
                assert type(command) is c.Place
                self.open[outcome.seq] = noted.touched[outcome.seq] = _accepted(state, outcome, command)
            elif kind is e.Traded:
                taker_id = command.order_id if type(command) is c.Amend else outcome.seq
                self._traded(noted, state, outcome, event, taker_id)  # type: ignore[arg-type]
            elif kind is e.Amended:
                self._amended(noted, event)  # type: ignore[arg-type]
        for order_id in noted.touched:
            if order_id not in state.orders:
                self._close(order_id)
        return noted

    def _touch(self, noted: Noted, order_id: int) -> Tracked:
        tracked = noted.touched[order_id] = self.open[order_id]
        return tracked

    def _leave_level(self, noted: Noted, tracked: Tracked) -> None:
        if tracked.resting_at:
            noted.levels[Level(tracked.order.series, tracked.order.is_buy, tracked.resting_at)] = None

    def _rested(self, noted: Noted, event: e.Rested) -> None:
        tracked = self._touch(noted, event.order_id)
        tracked.resting_at = event.price
        self._leave_level(noted, tracked)

    def _cancelled(self, noted: Noted, event: e.Cancelled) -> None:
        tracked = self._touch(noted, event.order_id)
        self._leave_level(noted, tracked)
        tracked.reason = event.reason

    def _amended(self, noted: Noted, event: e.Amended) -> None:
        tracked = self._touch(noted, event.order_id)
        self._leave_level(noted, tracked)
        tracked.replaced = True
        if not event.kept:
            tracked.resting_at = 0

    def _traded(self, noted: Noted, state: State, outcome: Outcome, event: e.Traded, taker_id: int) -> None:
        maker, taker = self._touch(noted, event.maker_order), self._touch(noted, taker_id)
        for tracked in (maker, taker):
            if tracked.value != UNKNOWN_VALUE:
                tracked.value += event.price * event.qty
        self._leave_level(noted, maker)
        series = maker.order.series
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
                ticks=self._tick(series, event.price),
                taker=_side(taker.order, event.taker_fee, is_taker=True),
                maker=_side(maker.order, event.maker_fee, is_taker=False),
            )
        )

    def _tick(self, series: int, price: Price) -> int:
        last, before = self._ticks.get(series, (price, FLAT_UP))
        tick = UP if price > last else DOWN
        if price == last:
            tick = FLAT_UP if before in (UP, FLAT_UP) else FLAT_DOWN
        self._ticks[series] = (price, tick)
        return tick

    def _close(self, order_id: int) -> None:
        tracked = self.open.pop(order_id)
        tracked.resting_at = 0
        self.closed[order_id] = tracked
        if len(self.closed) > CLOSED_MAX:
            self.closed.popitem(last=False)


def _side(order: Order, fee: int, *, is_taker: bool) -> Side:
    return Side(order.id, order.account, order.is_buy, fee, is_taker)


def _accepted(state: State, outcome: Outcome, command: c.Place) -> Tracked:
    """The machine's record of a new order; rebuilt from the command when it closed within the same record."""
    order = state.orders.get(outcome.seq)
    if order is not None:
        return Tracked(order)
    auth = command.auth
    filled = sum(event.qty for event in outcome.events if isinstance(event, e.Traded))
    gone = Order(
        id=outcome.seq,
        auth_id=outcome.seq,
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
        label=command.label,
        created_ns=outcome.time_ns,
        updated_ns=outcome.time_ns,
    )
    return Tracked(gone)
