"""What bounds a maker's fills: the budget of each mandate, and per group of quotes a rolling window.

Orders that are no quotes may stand under the protection of a group too: they count and leave like its quotes. A fill
that brings a figure to its bound is the last one: within the same record, before anything else can fill, what it
concerns leaves the book. ``Watch`` plans this for whatever fills resting orders; the functions below it write it down.
Imports state, risk, events, units.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from exchange.core import risk
from exchange.core.commands import Protection, QuoteMandate, terms_of
from exchange.core.events import Cancelled, CancelReason, Event, Figure, ProtectionTriggered
from exchange.core.state import State, is_covered, side_of
from exchange.core.state_types import Account, Cover, Fills, Mandate, Order, QuoteGroup
from exchange.core.units import QTY_ONE, U63_MAX, Nanos, Qty, Risk

UNTIL_RESET: Final = U63_MAX  # frozen for good, until somebody resets the group
MOMENTS_MAX: Final = 1_024  # records with fills that a window may hold: so many trip it, whatever they add up to


class Span:
    """Where a net sum has been: the least and the most it grows by from any moment of a window up to its last."""

    __slots__ = ("high", "low")

    def __init__(self, fills: list[int]) -> None:
        self.low = self.high = total = 0
        for change in reversed(fills):
            total += change
            self.low, self.high = min(self.low, total), max(self.high, total)

    def widest(self, change: int) -> int:
        """The largest absolute sum of any part of the window that reaches to now, after one more change."""
        return max(self.high + change, -self.low - change)


class Sums:
    """Figures of some fills, in the units of ``Mandate``.

    Net figures of a window are looked at from each of its moments on: whichever fills roll out of it first, what is
    left has not been beyond its bound.
    """

    __slots__ = ("count", "delta", "delta_span", "moments", "past", "qty", "vega", "vega_span")

    def __init__(
        self, qty: Qty = 0, delta: int = 0, vega: int = 0, count: int = 0, fills: Sequence[Fills] = ()
    ) -> None:
        self.qty, self.delta, self.vega, self.count = qty, delta, vega, count
        self.past = self.moments = len(fills)
        self.delta_span = Span([moment.delta for moment in fills])
        self.vega_span = Span([moment.vega for moment in fills])

    def add(self, weight: "Weight", qty: Qty) -> None:
        """One fill."""
        signed = qty if weight.is_buy else -qty
        self.qty += qty
        self.delta += weight.delta * signed
        self.vega += weight.vega * signed
        self.count += 1
        self.moments = self.past + 1

    def copied(self) -> "Sums":
        """The same figures, to add to apart from these."""
        other = Sums(self.qty, self.delta, self.vega, self.count)
        other.past, other.moments = self.past, self.moments
        other.delta_span, other.vega_span = self.delta_span, self.vega_span
        return other

    def reached(self, bounds: QuoteMandate | Protection) -> tuple[Figure, int, int] | None:
        """The first figure that has reached its bound, with both, in the units of the bound, rounded down."""
        delta, vega = self.delta_span.widest(self.delta), self.vega_span.widest(self.vega)
        if 0 < bounds.qty <= self.qty:
            return Figure.QTY, self.qty, bounds.qty
        if 0 < bounds.delta * QTY_ONE <= delta:
            return Figure.DELTA, delta // QTY_ONE, bounds.delta
        if 0 < bounds.vega * QTY_ONE <= vega:
            return Figure.VEGA, vega // QTY_ONE, bounds.vega
        if 0 < bounds.count <= self.count:
            return Figure.COUNT, self.count, bounds.count
        if self.moments >= MOMENTS_MAX:
            return Figure.COUNT, self.moments, MOMENTS_MAX
        return None


class Weight(NamedTuple):
    """What the maker signed that a contract of a quote or protected order counts, and on which side it is."""

    is_buy: bool
    delta: int
    vega: int


def weight_of(state: State, order: Order) -> Weight:
    """What a fill of this order counts."""
    entry = state.auths[order.auth_id]
    if order.mandate:
        leaf = state.mandates[order.mandate].leaves[entry.leaf]
        return Weight(order.is_buy, leaf.delta, leaf.vega)
    terms = terms_of(entry.auth)
    return Weight(order.is_buy, terms.delta, terms.vega)


def counts(order: Order) -> bool:
    """Whether fills of this order count for a group."""
    return order.mandate != 0 or order.protection != ""


def _group_of(state: State, order: Order) -> QuoteGroup:
    name = state.mandates[order.mandate].group if order.mandate else order.protection
    return state.accounts[order.account].groups[name]


# -- planning ---------------------------------------------------------------------------------------------------------


class Watch:
    """The fills of quotes and protected orders that one record plans, and what they trip.

    ``filled`` and ``gone`` belong to the planner: what each order has filled so far in this record, and which orders
    are out of the way. What is tripped is added to ``gone``; the planner passes over it.
    """

    __slots__ = ("_filled", "_gone", "_groups", "_mandates", "_state")

    def __init__(self, state: State, filled: dict[int, Qty], gone: dict[int, None]) -> None:
        self._state, self._filled, self._gone = state, filled, gone
        self._mandates: dict[int, Sums] = {}
        self._groups: dict[tuple[int, str], Sums] = {}

    def keep(self, order: Order) -> Risk:
        """Margin that a fill of this order has to leave alone, because it covers quotes."""
        account = self._state.accounts[order.account]
        return 0 if not account.covers or is_covered(self._state, order) else self.keep_of(account)

    def keep_of(self, account: Account) -> Risk:
        """Margin held for the covered mandates of an account, after the fills planned so far."""
        total = 0
        for key, cover in account.covers.items():
            sums = self._mandates.get(key)
            mandate = self._state.mandates[key]
            if sums is None or not sums.reached(mandate.quote):
                total += risk.cover_of(self._state, key, cover, sums.qty if sums is not None else mandate.qty)
        return total

    def note(self, order: Order, qty: Qty) -> list[Event]:
        """Count one planned fill, already in ``filled``; the cancellations that it brings about."""
        state = self._state
        weight, group = weight_of(state, order), _group_of(state, order)
        mandate = state.mandates.get(order.mandate)
        window = self._window_of(order.account, group)
        window.add(weight, qty)
        if mandate is not None:
            self._sums_of(mandate).add(weight, qty)
        tripped = window.reached(group.protection)
        if tripped is not None:
            triggered = ProtectionTriggered(order.account, group.name, *tripped)
            return [triggered, *self.take_off(order.account, group.name, 0, CancelReason.QUOTE_PROTECTION)]
        if mandate is not None and self._sums_of(mandate).reached(mandate.quote) is not None:
            return self.take_off(order.account, group.name, mandate.id, CancelReason.QUOTE_BUDGET)
        return []

    def taken_off_before(self, fills: Sequence[tuple[Order, Qty]]) -> int:
        """Of fills that happen together, the first of an order that one before it takes off the book; -1: none is.

        The contract counts fill after fill, so quotes that trip each other cannot fill together.
        """
        spent: dict[int, Sums] = {}
        windows: dict[tuple[int, str], Sums] = {}
        for place, (order, qty) in enumerate(fills):
            if not counts(order):
                continue
            weight, group = weight_of(self._state, order), _group_of(self._state, order)
            window = windows.setdefault((order.account, group.name), self._window_of(order.account, group).copied())
            if window.reached(group.protection) is not None:
                return place
            window.add(weight, qty)
            mandate = self._state.mandates.get(order.mandate)
            if mandate is not None:
                sums = spent.setdefault(mandate.id, self._sums_of(mandate).copied())
                if sums.reached(mandate.quote) is not None:
                    return place
                sums.add(weight, qty)
        return -1

    def _sums_of(self, mandate: Mandate) -> Sums:
        if mandate.id not in self._mandates:
            self._mandates[mandate.id] = _spent(mandate)
        return self._mandates[mandate.id]

    def _window_of(self, account_id: int, group: QuoteGroup) -> Sums:
        key = (account_id, group.name)
        if key not in self._groups:
            self._groups[key] = window_of(group, self._state.time_ns)
        return self._groups[key]

    def take_off(self, account_id: int, group: str, mandate_id: int, reason: CancelReason) -> list[Event]:
        """Cancel what stands in a group, or the quotes of one mandate in it, as the planned fills leave them."""
        events: list[Event] = []
        for order in standing_in(self._state.accounts[account_id], group):
            left = order.qty - order.filled - self._filled.get(order.id, 0)
            if left and order.id not in self._gone and mandate_id in (0, order.mandate):
                events.append(Cancelled(order.id, reason, left))
                self._gone[order.id] = None
        return events


def window_of(group: QuoteGroup, now_ns: Nanos) -> Sums:
    """What filled in a group within its interval up to now."""
    fills = _within(group, now_ns)
    return Sums(sum(moment.qty for moment in fills), count=sum(moment.count for moment in fills), fills=fills)


def _within(group: QuoteGroup, now_ns: Nanos) -> list[Fills]:
    after_ns = now_ns - group.protection.interval_ns
    return [moment for moment in group.fills if moment.time_ns > after_ns]


def quotes_of(account: Account, group: str) -> Iterator[Order]:
    """Quotes of a group in the book, by series, asks before bids."""
    quotes = account.quotes.get(group, {})
    for side in sorted(quotes):
        yield quotes[side]


def standing_in(account: Account, group: str) -> Iterator[Order]:
    """Everything in the book that a group protects: its quotes, then other orders in order of entry."""
    yield from quotes_of(account, group)
    protected = account.protected.get(group, {})
    for key in sorted(protected):
        yield protected[key]


def size_of(account: Account, group: str) -> int:
    """How many orders stand in a group, quotes included."""
    return len(account.quotes.get(group, ())) + len(account.protected.get(group, ()))


def is_frozen(group: QuoteGroup, now_ns: Nanos) -> bool:
    """Whether the group takes no quotes at this moment: frozen, or thawed while its window is still full."""
    return now_ns < group.frozen_until_ns or window_of(group, now_ns).reached(group.protection) is not None


def is_used_up(mandate: Mandate) -> bool:
    """Whether nothing more may fill under a mandate."""
    return _spent(mandate).reached(mandate.quote) is not None


def _spent(mandate: Mandate) -> Sums:
    return Sums(mandate.qty, mandate.delta, mandate.vega, mandate.count)


def trip(state: State, account_id: int, group: QuoteGroup, protection: Protection) -> list[Event]:
    """What follows when a group gets bounds that its window has already reached."""
    tripped = window_of(QuoteGroup(group.name, protection, 0, group.fills), state.time_ns).reached(protection)
    if tripped is None:
        return []
    watch = Watch(state, {}, {})
    triggered = ProtectionTriggered(account_id, group.name, *tripped)
    return [triggered, *watch.take_off(account_id, group.name, 0, CancelReason.QUOTE_PROTECTION)]


# -- evolving ---------------------------------------------------------------------------------------------------------


def evolve_filled(state: State, order: Order, qty: Qty, time_ns: Nanos) -> None:
    """A quote or a protected order filled: its group, and its mandate if it has one, have that much less to give."""
    sums = Sums()
    sums.add(weight_of(state, order), qty)
    if order.mandate:
        mandate = state.mandates[order.mandate]
        mandate.qty += sums.qty
        mandate.delta += sums.delta
        mandate.vega += sums.vega
        mandate.count += sums.count
    _remember(_group_of(state, order), time_ns, sums)


def _remember(group: QuoteGroup, time_ns: Nanos, sums: Sums) -> None:
    fills = _within(group, time_ns)
    if not fills or fills[-1].time_ns != time_ns:
        fills.append(Fills(time_ns, 0, 0, 0, 0))
    last = fills[-1]
    last.qty += sums.qty
    last.delta += sums.delta
    last.vega += sums.vega
    last.count += sums.count
    group.fills = fills


def evolve_triggered(state: State, event: ProtectionTriggered, time_ns: Nanos) -> None:
    """The group is frozen. What filled goes on counting: thawed early, it takes no quotes until enough is past."""
    group = state.accounts[event.account].groups[event.group]
    frozen_ns = group.protection.frozen_ns
    group.frozen_until_ns = time_ns + frozen_ns if frozen_ns else UNTIL_RESET


def enter(state: State, order: Order) -> None:
    """A quote stands in its group."""
    account, mandate = state.accounts[order.account], state.mandates[order.mandate]
    account.quotes.setdefault(mandate.group, {})[side_of(order.series, is_buy=order.is_buy)] = order
    account.standing[mandate.id] = account.standing.get(mandate.id, 0) + 1
    if mandate.covered and mandate.id not in account.covers:
        account.covers[mandate.id] = Cover()


def shelter(account: Account, order: Order, group: str) -> None:
    """An order that is no quote stands under the protection of a group from here on; "" for none."""
    protected = account.protected.get(order.protection, {})
    if protected.pop(order.id, None) is not None and not protected:
        del account.protected[order.protection]
    order.protection = group
    if group:
        account.protected.setdefault(group, {})[order.id] = order


def leave(state: State, order: Order) -> None:
    """A quote has left its group, or stands there under another mandate from here on."""
    account, mandate = state.accounts[order.account], state.mandates[order.mandate]
    quotes = account.quotes[mandate.group]
    del quotes[side_of(order.series, is_buy=order.is_buy)]
    if not quotes:
        del account.quotes[mandate.group]
    account.standing[mandate.id] -= 1
    if not account.standing[mandate.id]:
        del account.standing[mandate.id]
        account.covers.pop(mandate.id, None)
