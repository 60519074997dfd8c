"""Combos for the contract tests: orders, executions against legs and against each other, and what they must come to.

The model of an execution is written from the rules and the fee functions of the core, not from the contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contract_venue import LOT, USDC, Batch, Player, Venue

from exchange.calldata import SignedOrder, Trade
from exchange.core.commands import FeeSchedule
from exchange.core.fees import combo_fees, maker_fee, taker_fee
from exchange.core.legs import Leg, Legs, pack
from exchange.signing import ComboOrder

INDEX = 60_000 * USDC
FEES = FeeSchedule(4 * 10**14, -(10**14), 125 * 10**15)


def legs(*pairs: tuple[int, int]) -> Legs:
    """Legs of (series, ratio)."""
    return tuple(Leg(series, ratio) for series, ratio in pairs)


def combo_order(venue: Venue, player: Player, of: Legs | int, units: int, price: int, **terms: Any) -> ComboOrder:
    """An order for a combo, or for whatever a word of legs says; positive units buy."""
    order = venue.order(player, 1, units, 0, **terms)
    fields = {name: getattr(order, name) for name in order.__struct_fields__ if name not in {"series", "limit_price"}}
    return ComboOrder(legs=of if isinstance(of, int) else pack(of), limit_price=price, **fields)


def signed_combo(venue: Venue, player: Player, of: Legs | int, units: int, price: int, **terms: Any) -> SignedOrder:
    """The same, signed by its owner or `by` another player's key."""
    by = terms.pop("by", None)
    return venue.sign(combo_order(venue, player, of, units, price, **terms), by)


def between(of: Legs, maker: int, taker: int, units: int, prices: Sequence[int]) -> list[Trade]:
    """An execution between two orders for the same combo, at these prices of its legs."""
    return [
        Trade(maker, taker, units * abs(leg.ratio), price, INDEX, units) for leg, price in zip(of, prices, strict=True)
    ]


def crossed(venue: Venue, of: Legs, maker: SignedOrder, taker: SignedOrder, units: int, prices: Sequence[int]) -> Batch:
    """A batch of one execution between two orders for the same combo."""
    return venue.batch([maker, taker], between(of, 0, 1, units, prices))


def implied(
    venue: Venue, of: Legs, combo: SignedOrder, makers: Sequence[Player], units: int, prices: Sequence[int]
) -> Batch:
    """A batch in which a combo takes from one order for each leg, good for just that much at just that price."""
    orders, trades = [combo], []
    for leg, maker, price in zip(of, makers, prices, strict=True):
        size = units * leg.ratio if combo.order.is_buy else -units * leg.ratio
        orders.append(venue.sign(venue.order(maker, leg.series, -size, price)))
        trades.append(Trade(len(orders) - 1, 0, abs(size), price, INDEX, units))
    return venue.batch(orders, trades)


def value(of: Legs, prices: Sequence[int]) -> int:
    """Price of one unit."""
    return sum(leg.ratio * price for leg, price in zip(of, prices, strict=True))


def premium(of: Legs, units: int, prices: Sequence[int]) -> int:
    """What the buyer of a combo pays, each leg rounded down where it is bought and where it is sold."""
    return sum(
        (1 if leg.ratio > 0 else -1) * (price * units * abs(leg.ratio) // LOT)
        for leg, price in zip(of, prices, strict=True)
    )


def fees_of(of: Legs, units: int, prices: Sequence[int], schedule: FeeSchedule = FEES) -> tuple[list[int], int, int]:
    """Ordinary fees of whoever rests for the legs, and what a combo pays that takes, and one that rests."""
    taken, rested = [], []
    for leg, price in zip(of, prices, strict=True):
        quantity = units * abs(leg.ratio)
        taken.append(taker_fee(schedule, INDEX, price, quantity))
        rested.append(maker_fee(schedule, INDEX, price, quantity, taken[-1]))
    total = [sum(map(sum, combo_fees([[fee] for fee in fees]))) for fees in (taken, rested)]
    return rested, total[0], total[1]


def moved(of: Legs, units: int) -> dict[int, int]:
    """Positions of who bought so many units."""
    return {leg.series: leg.ratio * units for leg in of}
