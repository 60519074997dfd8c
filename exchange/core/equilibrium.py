"""The one price of an auction: most volume, then least surplus, then nearest the reference, then the lower.

Every price on the tick between the best offer and the best bid is considered, not only those somebody named: volume and
surplus change only where somebody did, so each stretch between two named prices is answered at once. Imports units and
state_types.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from exchange.core.state_types import Underlying
from exchange.core.units import Price, Qty

Levels: TypeAlias = Sequence[tuple[Price, Qty]]


class Equilibrium(NamedTuple):
    """Where an auction clears. ``surplus``: quantity bid for less quantity offered at the price."""

    price: Price
    volume: Qty
    surplus: Qty


class _Stretch(NamedTuple):
    """Prices ``low`` to ``high`` on the tick, at each of which the same is bid for and offered."""

    low: Price
    high: Price
    demand: Qty
    supply: Qty


def equilibrium(bids: Levels, asks: Levels, steps: Underlying, reference: Price) -> Equilibrium | None:
    """The price at which collected orders trade, or None if none would; levels in any order, prices on the tick."""
    if not bids or not asks:
        return None
    low, high = min(price for price, _ in asks), max(price for price, _ in bids)
    if high < low:
        return None
    best: tuple[tuple[int, int, int, Price], Equilibrium] | None = None
    for stretch in _stretches(bids, asks, steps, low, high):
        price = nearest(stretch.low, stretch.high, steps, reference)
        found = Equilibrium(price, min(stretch.demand, stretch.supply), stretch.demand - stretch.supply)
        rank = (-found.volume, abs(found.surplus), abs(price - reference), price)
        if best is None or rank < best[0]:
            best = rank, found
    assert best is not None
    return best[1]


def _stretches(bids: Levels, asks: Levels, steps: Underlying, low: Price, high: Price) -> Iterator[_Stretch]:
    """From the best offer up to the best bid: each named price, and what lies between it and the next."""
    bid, offered = _by_price(bids), _by_price(asks)
    named = sorted(price for price in {**bid, **offered} if low <= price <= high)
    demand = sum(qty for price, qty in bids if price >= low)
    supply = 0
    for place, price in enumerate(named):
        supply += offered.get(price, 0)
        yield _Stretch(price, price, demand, supply)
        demand -= bid.get(price, 0)
        if price < high:
            above, below = price + steps.tick_at(price), named[place + 1]
            below -= steps.tick_at(below - 1)
            if above <= below:
                yield _Stretch(above, below, demand, supply)


def _by_price(levels: Levels) -> dict[Price, Qty]:
    totals: dict[Price, Qty] = {}
    for price, qty in levels:
        totals[price] = totals.get(price, 0) + qty
    return totals


def nearest(low: Price, high: Price, steps: Underlying, reference: Price) -> Price:
    """The price on the tick between two such prices that is nearest the reference; of two, the lower."""
    if reference <= low:
        return low
    if reference >= high:
        return high
    tick = steps.tick_at(reference)
    under = reference // tick * tick
    return under if 2 * (reference - under) <= tick else under + tick
