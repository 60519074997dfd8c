"""Liquidation without an oracle: only who is short of margin at every price of an announced band, at the kinder end.

Owns the band and the test. Opening the safeguard, its vote and its delay are elsewhere; here is arithmetic. Valuing an
account at a price is an argument, since it takes the last good surface moved to that price.
Source: reference quant 4.4. Imports liquidation, margin, fixedmath, units.
"""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from exchange.core.fixedmath import sqrt_wad
from exchange.core.liquidation import Appraisal, Holder, covers, equity_of
from exchange.core.margin import Kind
from exchange.core.units import WAD, YEAR_SECONDS, Price, Seconds, Wad, div_up, mul_div_down, mul_div_up

QUANTILE: Final[Wad] = 309 * WAD // 100  # standard deviations: 99.9 % of a normal move
FLOOR: Final[Wad] = 5 * WAD // 100  # what the band has from the start


class PriceBand(NamedTuple):
    """Prices between which the index may be while nobody can say where."""

    low: Price
    high: Price


class Verdict(NamedTuple):
    """An account that may be liquidated, and the end of the band whose prices it gets."""

    price: Price
    appraisal: Appraisal


def band_around(twap: Price, stress_vol: Wad, silent_s: Seconds) -> PriceBand:
    """Band around the last good TWAP after so many seconds of silence: 3.09 stress deviations and five percent.

    Rounded outwards, so that rounding never liquidates; its low end is never below zero.
    """
    years = div_up(max(silent_s, 0) * WAD, YEAR_SECONDS)
    deviation = mul_div_up(stress_vol, sqrt_wad(years) + 1, WAD)
    width = mul_div_up(QUANTILE, deviation, WAD) + FLOOR
    return PriceBand(max(mul_div_down(twap, WAD - width, WAD), 0), mul_div_up(twap, WAD + width, WAD))


def prices_to_test(band: PriceBand, strikes: Iterable[Price]) -> tuple[Price, ...]:
    """Both ends and every strike strictly inside, in ascending order, each once."""
    inside = {strike: None for strike in sorted(strikes) if band.low < strike < band.high}
    return (band.low, *inside, *([band.high] if band.high > band.low else []))


def safeguard_verdict(
    account: Holder, band: PriceBand, strikes: Iterable[Price], at: Callable[[Price], Appraisal]
) -> Verdict | None:
    """The end of the band at which the account is liquidated, or None if it covers its risk at any price tested.

    Of the two ends the one that leaves the account more equity, the lower one if both leave the same.
    """
    prices = prices_to_test(band, strikes)
    if not account.positions or any(covers(at(price), account, Kind.MAINTENANCE) for price in prices):
        return None
    low, high = at(band.low), at(band.high)
    if equity_of(high, account) > equity_of(low, account):
        return Verdict(band.high, high)
    return Verdict(band.low, low)
