"""What a pool shows in the book: levels of the potential on both sides, cut to what its limits leave room for.

Each level is priced at the mean of the potential over it, asks rounded up to the tick and bids down, so any part of any
levels brings the pool at least what the potential asks. Room is dealt level by level to all series at once: whatever
fills, and if all of one side fills, no limit is passed. Where one is passed already (prices move between rounds), only
what leads back is quoted. Source: reference quant 6.2. Imports oamm, units.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

from exchange.core.oamm import PoolRound, Potential, Sold, exact_cost, price_at_least, vega_bound
from exchange.core.units import QTY_ONE, WAD, Cash, Price, Qty, Seconds, Wad, div_down, mul_div_down

SIZES: Final = (1, 2, 5, 10, 25, 50, 100)  # contracts of each level, best first


class Level(NamedTuple):
    """One price of a ladder and the quantity behind it."""

    price: Price
    qty: Qty


class Ladder(NamedTuple):
    """Both sides of a series, best first."""

    asks: tuple[Level, ...]
    bids: tuple[Level, ...]


class Ticks(NamedTuple):
    """Steps of prices and quantities of an underlying."""

    tick: Price
    tick_above: Price
    tick_step: Price
    lot: Qty

    def tick_at(self, price: Price) -> Price:
        """The step at a price; ``tick_step`` is a multiple of both."""
        return self.tick_above if price >= self.tick_step else self.tick


class Placed(NamedTuple):
    """Where a series stands: what limits are counted by."""

    expiry: int
    strike: Price
    seconds_left: Seconds


class PoolLimits(NamedTuple):
    """Shares in wad: of the vega bound for expiries and strikes, of NAV for margin and delta."""

    margin_share: Wad = 80 * WAD // 100
    expiry_share: Wad = 40 * WAD // 100
    strike_share: Wad = 15 * WAD // 100
    delta_share: Wad = 2 * WAD // 100
    delta_min: Wad = 5 * WAD // 100
    delta_max: Wad = 95 * WAD // 100
    quiet_s: Seconds = 7_200


class PoolFacts(NamedTuple):
    """The pool at a round. ``hedge`` is the delta of what hedges it, in wad x quantity of the underlying."""

    nav: Cash
    initial_margin: Cash
    spot: Price
    hedge: int


Side: TypeAlias = tuple[int, int]  # series; 1 for asks, -1 for bids
Book: TypeAlias = tuple[int, ...]  # what a limit counts under: which limit, then of what

_VEGA: Final = 0
_EXPIRY: Final = 1
_STRIKE: Final = 2
_DELTA: Final = 3
_OWN: Final = 4


class Room(NamedTuple):
    """Where a figure stands and its bound, on both sides of zero; wad x quantity."""

    now: int
    bound: int

    def left(self, sign: int) -> int:
        """How far the figure may still move one way: to the bound; where it stands beyond, no further."""
        return max(self.bound - sign * self.now, 0)


# -- limits -----------------------------------------------------------------------------------------------------------


def may_quote(limits: PoolLimits, facts: PoolFacts, delta: Wad, seconds_left: Seconds) -> bool:
    """Whether a series is quoted at all: neither worthless nor a forward, not in its last hours, by a solvent pool."""
    return (
        facts.nav > 0
        and facts.spot > 0
        and limits.delta_min <= abs(delta) <= limits.delta_max
        and seconds_left > limits.quiet_s
    )


def _loads(round_: PoolRound, placed: Mapping[int, Placed], series: int) -> dict[Book, int]:
    """What selling one unit of 1e-4 contract adds to each figure that has a limit."""
    quoted, place = round_.series[series], placed[series]
    return {
        (_VEGA,): quoted.vega,
        (_EXPIRY, place.expiry): quoted.vega,
        (_STRIKE, place.expiry, place.strike): quoted.vega,
        (_DELTA,): -quoted.delta,
        (_OWN, series): WAD,
    }


def rooms_of(
    limits: PoolLimits, facts: PoolFacts, round_: PoolRound, placed: Mapping[int, Placed], sold: Sold
) -> dict[Book, Room]:
    """Each figure with its bound. A pool whose margin is used up may only shrink each series, hence a bound of zero."""
    vega = vega_bound(facts.nav) * QTY_ONE
    delta = div_down(facts.nav * limits.delta_share * QTY_ONE, facts.spot) if facts.spot else 0
    strained = facts.initial_margin * WAD > facts.nav * limits.margin_share
    bounds = {
        _VEGA: vega,
        _EXPIRY: mul_div_down(vega, limits.expiry_share, WAD),
        _STRIKE: mul_div_down(vega, limits.strike_share, WAD),
        _DELTA: delta,
        _OWN: 0 if strained else WAD * WAD,
    }
    now: dict[Book, int] = {(_DELTA,): facts.hedge}
    for series in sorted(round_.series):
        for book, load in _loads(round_, placed, series).items():
            now[book] = now.get(book, 0) + load * sold.get(series, 0)
    return {book: Room(value, bounds[book[0]]) for book, value in now.items()}


def _fitting(loads: dict[Book, int], left: dict[tuple[Book, int], int], sign: int, lot: Qty) -> Qty:
    """Most that one more level of a side may hold, in whole lots."""
    most = [
        div_down(left[book, 1 if sign * load > 0 else -1], abs(load)) for book, load in sorted(loads.items()) if load
    ]
    return div_down(min(most), lot) * lot


# -- levels -----------------------------------------------------------------------------------------------------------


def sizes_of(
    limits: PoolLimits,
    facts: PoolFacts,
    round_: PoolRound,
    placed: Mapping[int, Placed],
    sold: Sold,
    lot: Qty,
    sizes: tuple[int, ...] = SIZES,
) -> dict[Side, list[Qty]]:
    """Quantities of the levels of every side, dealt level by level in ascending series; a side ends where it is cut."""
    rooms = rooms_of(limits, facts, round_, placed, sold)
    left = {(book, sign): room.left(sign) for book, room in rooms.items() for sign in (1, -1)}
    open_: dict[Side, list[Qty]] = {
        (series, sign): []
        for series in sorted(round_.series)
        if may_quote(limits, facts, round_.series[series].delta, placed[series].seconds_left)
        for sign in (1, -1)
    }
    loads = {series: _loads(round_, placed, series) for series, _ in open_}
    for step, contracts in enumerate(sizes):
        for (series, sign), levels in open_.items():
            if len(levels) < step:
                continue
            qty = min(contracts * QTY_ONE, _fitting(loads[series], left, sign, lot))
            if qty:
                levels.append(qty)
                for book, load in loads[series].items():
                    if load:
                        left[book, 1 if sign * load > 0 else -1] -= abs(load) * qty
    return open_


def ladder(round_: PoolRound, sold: Sold, series: int, sizes: dict[Side, list[Qty]], ticks: Ticks) -> Ladder:
    """The levels of one series at their prices; bids that would round to nothing are left out."""
    asks = _priced(round_, sold, series, sizes.get((series, 1), []), 1, ticks)
    bids = _priced(round_, sold, series, sizes.get((series, -1), []), -1, ticks)
    return Ladder(tuple(asks), tuple(level for level in bids if level.price > 0))


def _priced(round_: PoolRound, sold: Sold, series: int, sizes: list[Qty], sign: int, ticks: Ticks) -> list[Level]:
    """Mean of the exact cost over each level; a bid is an ask of less than nothing, so one rounding serves both."""
    levels: list[Level] = []
    total = paid = 0
    for qty in sizes:
        total += qty
        whole: Potential = exact_cost(round_, sold, series, sign * total)
        levels.append(Level(_on_tick(whole - paid, sign * qty, ticks), qty))
        paid = whole
    return levels


def _on_tick(exact: Potential, qty: Qty, ticks: Ticks) -> Price:
    """Price of a level in the pool's favour: an ask (qty > 0) rounded up, a bid down."""
    if qty > 0:
        rough = price_at_least(exact, qty, 1)
        return price_at_least(exact, qty, ticks.tick_at(rough))
    rough = -price_at_least(exact, -qty, 1)
    return -price_at_least(exact, -qty, ticks.tick_at(rough))
