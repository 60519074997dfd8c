"""What bounds a maker's fills, counted again: the budget of each mandate, and per group a rolling window.

A fill that brings a figure to its bound is the last: the quotes concerned leave before anything else happens. Imports
the words of the journal and facts.
"""

from typing import Final

from exchange.core.commands import Protection, QuoteLeaf, QuoteMandate, Terms
from exchange.core.events import Figure
from exchange.core.units import QTY_ONE
from replay.checker.bounds import MOMENTS_MAX

FOREVER: Final = 2**63 - 1


class Sums:
    """Quantity, net delta, net vega and number of some fills; the net figures in 1e-4 of the units of a bound."""

    __slots__ = ("count", "delta", "qty", "vega")

    def __init__(self) -> None:
        self.qty = self.delta = self.vega = self.count = 0

    def copied(self) -> "Sums":
        """The same figures, to add to apart from these."""
        other = Sums()
        other.qty, other.delta, other.vega, other.count = self.qty, self.delta, self.vega, self.count
        return other

    def add(self, signed: QuoteLeaf | Terms, bought: int) -> None:
        """One fill of a quote, or of another order that its group protects; ``bought`` is below zero when it sold."""
        self.qty += abs(bought)
        self.delta += signed.delta * bought
        self.vega += signed.vega * bought
        self.count += 1


class Moment(Sums):
    """What filled in a group at one time."""

    __slots__ = ("time_ns",)

    def __init__(self, time_ns: int) -> None:
        super().__init__()
        self.time_ns = time_ns


class Mandate:
    """A message of quotes under one signature, and what has filled of it."""

    __slots__ = ("covered", "group", "id", "leaves", "signed", "sums")

    def __init__(self, seq: int, signed: QuoteMandate, leaves: tuple[QuoteLeaf, ...], group: "Group") -> None:
        self.id, self.signed, self.leaves, self.group = seq, signed, leaves, group
        self.covered = group.bounds.covered
        self.sums = Sums()

    def reached(self, sums: Sums | None = None) -> bool:
        """Whether the budget is used up, by what has filled or by other sums."""
        sums = sums if sums is not None else self.sums
        return _reached(self.signed, sums.qty, abs(sums.delta), abs(sums.vega), sums.count) is not None


class Group:
    """Quotes of a maker that are protected together: its bounds, what filled of late, and the quotes that stand."""

    __slots__ = (
        "_record",
        "_window",
        "account",
        "bounds",
        "frozen_until_ns",
        "moments",
        "name",
        "orders",
        "quotes",
    )

    def __init__(self, account: int, name: str, bounds: Protection) -> None:
        self.account, self.name, self.bounds = account, name, bounds
        self.frozen_until_ns = 0
        self.moments: list[Moment] = []
        self.quotes: dict[tuple[int, bool], int] = {}  # series and side -> order
        self.orders: dict[int, None] = {}  # that are no quotes
        self._record = 0
        self._window = Window(bounds, [])

    def is_frozen(self, now_ns: int) -> bool:
        """Whether it takes no quotes: frozen, or its window is still full."""
        return now_ns < self.frozen_until_ns or self.tripped(now_ns) is not None

    def freeze(self, now_ns: int) -> None:
        """A bound was reached."""
        self.frozen_until_ns = now_ns + self.bounds.frozen_ns if self.bounds.frozen_ns else FOREVER

    def within(self, now_ns: int) -> list[Moment]:
        """What filled within the interval."""
        return [moment for moment in self.moments if moment.time_ns > now_ns - self.bounds.interval_ns]

    def tripped(self, now_ns: int) -> tuple[Figure, int, int] | None:
        """The bound that what filled within the interval has reached."""
        return self.window(now_ns).reached()

    def add(self, seq: int, now_ns: int, signed: QuoteLeaf | Terms, bought: int) -> tuple[Figure, int, int] | None:
        """Count one fill of a record; the bound it brings the group to."""
        if self._record != seq:
            self._record, self._window, self.moments = seq, self.window(now_ns), self.within(now_ns)
        if not self.moments or self.moments[-1].time_ns != now_ns:
            self.moments.append(Moment(now_ns))
        self.moments[-1].add(signed, bought)
        return self._window.add(signed, bought)

    def window(self, now_ns: int) -> "Window":
        """What filled within the interval, with nothing of this record."""
        return Window(self.bounds, self.within(now_ns))


class Window:
    """What counts for a group in one record, on top of what filled within its interval before.

    Net figures are looked at from every moment of the window on: whichever fills roll out of it first, what is left
    has not been beyond its bound.
    """

    __slots__ = ("_before", "_bounds", "_now")

    def __init__(self, bounds: Protection, moments: list[Moment]) -> None:
        self._bounds, self._before, self._now = bounds, _span(moments), Sums()

    def add(self, signed: QuoteLeaf | Terms, bought: int) -> tuple[Figure, int, int] | None:
        """Count one fill; the bound it brings the group to."""
        self._now.add(signed, bought)
        return self.reached(1)

    def reached(self, more: int = 0) -> tuple[Figure, int, int] | None:
        """The bound that is reached, with ``more`` moments than were there before."""
        qty, count, moments, delta_low, delta_high, vega_low, vega_high = self._before
        now = self._now
        delta = max(delta_high + now.delta, -delta_low - now.delta)
        vega = max(vega_high + now.vega, -vega_low - now.vega)
        found = _reached(self._bounds, qty + now.qty, delta, vega, count + now.count)
        if found is None and moments + more >= MOMENTS_MAX:
            return Figure.COUNT, moments + more, MOMENTS_MAX
        return found


def _span(moments: list[Moment]) -> tuple[int, int, int, int, int, int, int]:
    """Quantity, fills and moments of a window, and how far its net figures range from any moment on."""
    delta = delta_low = delta_high = vega = vega_low = vega_high = 0
    for moment in reversed(moments):
        delta += moment.delta
        vega += moment.vega
        delta_low, delta_high = min(delta_low, delta), max(delta_high, delta)
        vega_low, vega_high = min(vega_low, vega), max(vega_high, vega)
    qty, count = sum(moment.qty for moment in moments), sum(moment.count for moment in moments)
    return qty, count, len(moments), delta_low, delta_high, vega_low, vega_high


def _reached(
    bounds: Protection | QuoteMandate, qty: int, delta: int, vega: int, count: int
) -> tuple[Figure, int, int] | None:
    """The first figure that is at its bound or beyond, with both; a bound of zero is none."""
    if 0 < bounds.qty <= qty:
        return Figure.QTY, qty, bounds.qty
    if 0 < bounds.delta * QTY_ONE <= delta:
        return Figure.DELTA, delta // QTY_ONE, bounds.delta
    if 0 < bounds.vega * QTY_ONE <= vega:
        return Figure.VEGA, vega // QTY_ONE, bounds.vega
    if 0 < bounds.count <= count:
        return Figure.COUNT, count, bounds.count
    return None
