"""The vol surface in integers: SVI slices, what they imply, and whether they leave an arbitrage.

A slice is fitted elsewhere, in floats; here it is five integers and the forward and time it was fitted at, and every
vol follows from them by the written order of operations, on the chain as well. Imports units and fixedmath.
Source of the forms: reference quant 2.1 to 2.4 (raw SVI; Gatheral and Jacquier for the butterfly condition).
"""

from enum import IntEnum
from math import isqrt
from typing import Final, NamedTuple

import msgspec

from exchange.core.fixedmath import exp_wad, ln_wad
from exchange.core.units import U63_MAX, U64_MAX, WAD, Price, Seconds, Wad, mul_div_down, mul_div_up

VARIANCE_MAX: Final[Wad] = 144 * WAD  # total variance beyond which a vol says nothing any more
MONEYNESS_MAX: Final[Wad] = 5 * WAD  # log-moneyness is clamped here: strikes 148 times the forward, or a 148th of it
# Where slices are checked: a hundredth apart up to strikes 4.5 times the forward, a twentieth from there on.
GRID: Final = (
    *range(-MONEYNESS_MAX, -3 * WAD // 2, WAD // 20),
    *range(-3 * WAD // 2, 3 * WAD // 2, WAD // 100),
    *range(3 * WAD // 2, MONEYNESS_MAX + 1, WAD // 20),
)
PRICED_DEVIATIONS: Final = 10  # beyond so many deviations no option has a price: a 1e-23rd of the forward
DENSITY_MIN: Final[Wad] = 10**6  # a hair above zero covers the rounding of the check itself
LEE_SLOPE: Final[Wad] = 2 * WAD  # the steepest wing that leaves a price at all
DAY_SECONDS: Final = 86_400
TERM_DAYS: Final = 30
_FINE: Final = WAD * WAD


class Slice(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Raw SVI of one expiry: w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)), k = ln(strike / forward).

    ``w`` is total variance over ``years``; forward and years are those of the fit, so the smile stands still until the
    next one. All but the forward in 1e-18.
    """

    a: Wad
    b: Wad
    rho: Wad
    m: Wad
    sigma: Wad
    forward: Price
    years: Wad


class Fault(IntEnum):
    """What is wrong with a slice, in the order in which it is looked for."""

    PARAMETER_OUT_OF_RANGE = 1  # what a contract's lane cannot hold, or what is not a hyperbola
    WING_TOO_STEEP = 2
    VARIANCE_NOT_POSITIVE = 3
    BUTTERFLY = 4  # a butterfly would cost less than nothing
    CALENDAR = 5  # a later expiry has less variance than an earlier one


class Finding(NamedTuple):
    """The first fault of a slice, the log-moneyness where it shows, and by how much (density or variance, 1e-18)."""

    fault: Fault
    k: Wad = 0
    value: Wad = 0


# -- what a slice implies ---------------------------------------------------------------------------------------------


def log_moneyness(cut: Slice, strike: Price) -> Wad:
    """ln(strike / forward), floored; the smile is flat beyond where it was checked. Both positive.

    Clamping nearer, at four deviations as others do, bends the smile where options still have a price: a butterfly
    there would cost less than nothing (tests/core/test_surface.py measures it).
    """
    k = ln_wad(max(strike * WAD // cut.forward, 1))
    return max(-MONEYNESS_MAX, min(k, MONEYNESS_MAX))


def total_variance(cut: Slice, k: Wad) -> Wad:
    """w(k): the root is floored, then the whole sum once; at most 144."""
    away = k - cut.m
    root = isqrt(away * away + cut.sigma * cut.sigma)
    return min(cut.a + cut.b * (cut.rho * away + root * WAD) // _FINE, VARIANCE_MAX)


def vol_of(cut: Slice, strike: Price) -> Wad:
    """Vol of a strike, floored; zero where a slice that was never checked has no variance."""
    variance = total_variance(cut, log_moneyness(cut, strike))
    return isqrt(max(variance, 0) * _FINE // cut.years)


# -- whether it leaves an arbitrage -----------------------------------------------------------------------------------


def inspect(cut: Slice, earlier: Slice | None = None) -> Finding | None:
    """The first fault of a slice, by itself and after the slice of the expiry before it; None if there is none.

    Butterflies and calendars are looked for on ``GRID``, wherever an option has a price.
    """
    return _range(cut) or _shape(cut) or (_calendar(earlier, cut) if earlier is not None else None)


def _range(cut: Slice) -> Finding | None:
    held = all(-U63_MAX <= value <= U63_MAX for value in (cut.a, cut.b, cut.m, cut.sigma))
    real = cut.b >= 0 and -WAD < cut.rho < WAD and cut.sigma > 0
    if not (held and real and 0 < cut.forward <= U64_MAX and 0 < cut.years <= U64_MAX):
        return Finding(Fault.PARAMETER_OUT_OF_RANGE)
    slope = cut.b * (WAD + abs(cut.rho)) // WAD
    return Finding(Fault.WING_TOO_STEEP, value=slope) if slope > LEE_SLOPE else None


def _shape(cut: Slice) -> Finding | None:
    lowest = cut.a * WAD + cut.b * cut.sigma * isqrt(_FINE - cut.rho * cut.rho) // WAD  # 1e-36
    if lowest <= 0:
        return Finding(Fault.VARIANCE_NOT_POSITIVE, value=lowest // WAD)
    for k in GRID:
        found = density(cut, k)
        if found < DENSITY_MIN and _is_priced(cut, k):
            return Finding(Fault.BUTTERFLY, k, found)
    return None


def _calendar(earlier: Slice, later: Slice) -> Finding | None:
    for k in GRID:
        gap = total_variance(later, k) - total_variance(earlier, k)
        if gap < 0 and _is_priced(later, k):
            return Finding(Fault.CALENDAR, k, gap)
    return None


def _is_priced(cut: Slice, k: Wad) -> bool:
    return k * k <= PRICED_DEVIATIONS**2 * WAD * total_variance(cut, k)


def density(cut: Slice, k: Wad) -> Wad:
    """Durrleman's g(k), which has the sign of the risk-neutral density; floored.

    g = (1 - k w' / 2w)^2 - w'^2 / 4 (1/w + 1/4) + w'' / 2, put over w^2 so that one division remains. Values inside
    carry 36 decimals, so that the result is off by far less than ``DENSITY_MIN`` wherever w is above 1e-6.
    """
    away = k - cut.m
    root = isqrt((away * away + cut.sigma * cut.sigma) * _FINE)
    w = cut.a * WAD + (cut.b * cut.rho * away + cut.b * root) // WAD
    slope = cut.b * cut.rho + cut.b * away * _FINE // root
    bend = cut.b * cut.sigma * cut.sigma * (_FINE * _FINE * WAD) // root**3
    straight = w - k * slope // (2 * WAD)
    over = straight * straight - slope * slope * (4 * w + w * w // _FINE) // (16 * _FINE) + bend * w * w // (2 * _FINE)
    return over * WAD // (w * w)


# -- the surface that margin may lean on ------------------------------------------------------------------------------


class Caution(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How far from the mark vol shorts and longs are valued; all in 1e-18."""

    up: Wad = WAD // 2
    down: Wad = 275 * WAD // 1000
    near_power: Wad = 30 * WAD // 100  # up to 30 days
    far_power: Wad = 13 * WAD // 100
    floor: Wad = 40 * WAD // 100
    decay: Wad = WAD // 100  # of the running maximum, per round
    jump: Wad = 30 * WAD // 100  # largest move of the vol at the money that one round may make, as a share


def term_factor(caution: Caution, seconds: Seconds) -> Wad:
    """(30 / days)^p, of at least one day; floored. Short terms move more."""
    days = max(seconds, DAY_SECONDS) * WAD // DAY_SECONDS
    power = caution.near_power if days <= TERM_DAYS * WAD else caution.far_power
    return exp_wad(power * ln_wad(TERM_DAYS * _FINE // days) // WAD)


def vol_for_short(caution: Caution, mark: Wad, highest: Wad, seconds: Seconds) -> Wad:
    """Vol at which a short option is valued: never below the floor, the running maximum or the mark; rounded up."""
    raised = mul_div_up(mark, WAD + mul_div_up(caution.up, term_factor(caution, seconds) + 1, WAD), WAD)
    return max(caution.floor, raised, highest)


def vol_for_long(caution: Caution, mark: Wad, seconds: Seconds) -> Wad:
    """Vol at which a long option is valued: below the mark, at least zero; rounded down."""
    return mul_div_down(mark, max(WAD - mul_div_up(caution.down, term_factor(caution, seconds) + 1, WAD), 0), WAD)


def running_maximum(caution: Caution, highest: Wad, mark: Wad) -> Wad:
    """The highest recent vol: follows the mark up at once and comes down slowly; rounded up."""
    return max(mark, mul_div_up(highest, WAD - caution.decay, WAD))


def too_far(caution: Caution, last: Wad, given: Wad) -> bool:
    """Whether the vol at the money moved by more of itself than one round may move it."""
    return abs(given - last) * WAD > caution.jump * last


def agrees(caution: Caution, last: Wad, proposed: Wad, given: Wad) -> bool:
    """Whether a vol may be adopted: near the last one, or near what the round before proposed and was refused for."""
    return not too_far(caution, last, given) or (proposed > 0 and not too_far(caution, proposed, given))
