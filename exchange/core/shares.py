"""Shares of a pool: what a deposit buys and what a withdrawal brings, so that those who stay never lose by either.

Owns the two values of a pool (deposits pay the higher, withdrawals get the lower), the width by which both differ from
the mark, and an epoch: requests wait, and all of one epoch are served at one price. The contract says the same a second
time (contracts/pools/shares.vy), to the unit. Cash and prices are in 1e-6 USDC; a share is born worth one unit. Source:
reference quant 6.3. Imports units.
"""

from collections.abc import Iterable
from math import isqrt
from typing import Final, NamedTuple, TypeAlias

from exchange.core.units import QTY_ONE, USDC_ONE, WAD, Cash, Price, Qty, Seconds, Wad, div_down, div_up, years_of

Shares: TypeAlias = int

DEAD_SHARES: Final = 1_000  # of the first deposit, owned by nobody for ever: the price of a share cannot be blown up
FIRST_DEPOSIT_MIN: Final[Cash] = 1_000 * USDC_ONE
SUPPLY_MAX: Final[Shares] = 1 << 96
FEE: Final[Wad] = 3 * WAD // 1_000  # of a withdrawal, stays in the pool
EPOCH_S: Final = 86_400

_VEGA_TENTHS: Final = 4  # of forward x sqrt(years): no option has more vega, at the money 0.399


class Widths(NamedTuple):
    """How far from its mark a price may be: a share of it, and at most so many points of vol; wad."""

    share: Wad
    points: Wad


class Option(NamedTuple):
    """A position of the pool, its mark, and how far bid and ask are from that."""

    qty: Qty
    mark: Price
    width: Price


class Nav(NamedTuple):
    """What a pool is worth to who leaves, and to who comes."""

    low: Cash
    high: Cash


def width_of(widths: Widths, mark: Price, forward: Price, left_s: Seconds) -> Price:
    """The smaller of the share of the mark and the points of vol on an option at the money; rounded up."""
    root = isqrt(years_of(left_s) * WAD) + 1
    of_vol = div_up(widths.points * forward * root * _VEGA_TENTHS, 10 * WAD * WAD)
    return min(div_up(mark * widths.share, WAD), of_vol)


def nav_of(cash: Cash, options: Iterable[Option]) -> Nav:
    """Low: longs at the bid, shorts at the ask, rounded down. High: the other way round, rounded up. No bid below 0."""
    low = high = cash * QTY_ONE
    for option in options:
        bid, ask = max(option.mark - option.width, 0), option.mark + option.width
        low += option.qty * (bid if option.qty > 0 else ask)
        high += option.qty * (ask if option.qty > 0 else bid)
    return Nav(div_down(low, QTY_ONE), div_up(high, QTY_ONE))


def payout_for(shares: Shares, supply: Shares, nav_low: Cash, fee: Wad = FEE) -> Cash:
    """Cash that shares bring, after the fee; rounded down once."""
    return div_down(shares * max(nav_low, 0) * (WAD - fee), supply * WAD)


# -- epochs -----------------------------------------------------------------------------------------------------------


class Entry(NamedTuple):
    """What a deposit of an epoch buys: amount x shares / cash, rounded down. No cash: it is sent back."""

    shares: Shares = 0
    cash: Cash = 0


class Served(NamedTuple):
    """What an epoch came to: its price, shares ``born`` with the dead ones among them, ``burned`` and ``paid`` for."""

    price: Entry = Entry()
    born: Shares = 0
    burned: Shares = 0
    paid: Cash = 0


def shares_for(amount: Cash, price: Entry) -> Shares:
    """Shares that one deposit of an epoch buys, rounded down; none if its epoch sends deposits back."""
    return div_down(amount * price.shares, price.cash) if price.cash else 0


def price_of(supply: Shares, nav_high: Cash, entering: Cash) -> Entry:
    """At which all deposits of an epoch enter: first one unit a share, less the dead ones; later the high value.

    They are sent back where they buy nothing or more than there may be, and by a pool that is worth nothing.
    """
    if not supply:
        return Entry(entering - DEAD_SHARES, entering) if FIRST_DEPOSIT_MIN <= entering < SUPPLY_MAX else Entry()
    if nav_high <= 0:
        return Entry()
    born = div_down(entering * supply, nav_high)
    return Entry(supply, nav_high) if born and supply + born < SUPPLY_MAX else Entry()


def serve(supply: Shares, nav: Nav, entering: Cash, leaving: Shares, idle: Cash, fee: Wad = FEE) -> Served:
    """Serve an epoch: everybody at the supply and values before it, so that no order of requests gains.

    Who leaves is paid from idle cash and what comes in; if that is short all get the same part, and the rest waits.
    """
    price = price_of(supply, nav.high, entering)
    if not supply:
        return Served(price, entering if price.cash else 0)
    cash = idle + entering if price.cash else idle
    due = payout_for(leaving, supply, nav.low, fee)
    burned = leaving if cash >= due else div_down(leaving * cash, due)
    paid = payout_for(burned, supply, nav.low, fee)
    return Served(price, shares_for(entering, price), burned if paid else 0, paid)
