"""Interest on cash that accounts owe, which they may once other tokens count as collateral.

Rates of a year in wad. Source: reference quant 3.5. Imports parameters, fixedmath, units.
"""

from exchange.core.fixedmath import exp_wad
from exchange.core.parameters import BorrowCurve
from exchange.core.units import WAD, YEAR_SECONDS, Cash, Seconds, Wad, mul_div_down, mul_div_up


def borrow_rate(curve: BorrowCurve, supplied: Cash, borrowed: Cash) -> Wad:
    """Rate at this use of what is lent; rounded up, against those who borrow. Nothing lent counts as fully used."""
    used = mul_div_up(borrowed, WAD, supplied) if supplied else WAD if borrowed else 0
    low = min(used, curve.kink)
    return curve.least + mul_div_up(curve.slope, low, WAD) + mul_div_up(curve.steep, used - low, WAD)


def accrued(rate: Wad, seconds: Seconds) -> Wad:
    """What a debt grows by, as a share of it: e ** (rate x time) - 1, rounded down."""
    return exp_wad(mul_div_down(rate, seconds, YEAR_SECONDS)) - WAD
