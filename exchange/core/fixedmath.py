"""exp, ln, Phi, phi and Black-76 in integers: each is floor(true value * 1e18).

The specification is the mathematics, so any correct implementation agrees, in any language. Inside, numbers carry 192
fractional bits, which leaves more than 100 guard bits below the last digit kept, and 40 in the largest exponential.
Imports units only.
Source: reference vectors fx_* (mpmath, 50 digits); Marsaglia's series for Phi.
"""

from math import isqrt
from typing import Final

from exchange.core.units import WAD, Price, Wad, div_up

_BITS: Final = 192
_ONE: Final = 1 << _BITS
_HALF: Final = _ONE >> 1
# floor(constant * 2**192), checked against mpmath in tests/core/test_fixedmath.py
_LN2: Final = 4350955369971217654477563090224794165364344896676135745069
_INV_SQRT_2PI: Final = 2504201280626952864894549311249338563268063356138482501336
_EXP_ARG_MAX: Final = 50 * WAD  # beyond it the error of 2**-178 of the value comes near the last digit
_EXP_ARG_MIN: Final = -42 * WAD  # below it the floor is 0
_PHI_ARG_MAX: Final = 9 * WAD + WAD // 4  # beyond it Phi is 0 or 1 - 1e-18 after flooring


class DomainError(ValueError):
    """The argument lies outside the function's stated domain."""


def sqrt_wad(x: Wad) -> Wad:
    """Floor of the square root; x >= 0."""
    if x < 0:
        raise DomainError(f"sqrt needs a non-negative argument, got {x}")
    return isqrt(x * WAD)


def ln_wad(x: Wad) -> Wad:
    """Floor of the natural logarithm; x > 0."""
    if x <= 0:
        raise DomainError(f"ln needs a positive argument, got {x}")
    if x == WAD:
        return 0  # the one rational point; every other value is irrational, so the floor is unambiguous
    return _ln_bits((x << _BITS) // WAD) * WAD >> _BITS


def _ln_bits(m: int) -> int:
    """Ln of m / 2**192: scale into [1, 2), take four square roots, then 2 atanh((m-1)/(m+1))."""
    k = m.bit_length() - 1 - _BITS
    m = m >> k if k >= 0 else m << -k
    for _ in range(4):
        m = isqrt(m << _BITS)
    z = ((m - _ONE) << _BITS) // (m + _ONE)
    square = z * z >> _BITS
    total, power, odd = 0, z, 1
    while power:
        total += power // odd
        power = power * square >> _BITS
        odd += 2
    return (total << 5) + k * _LN2


def exp_wad(x: Wad) -> Wad:
    """Floor of e**x; x <= 50."""
    if x < _EXP_ARG_MIN:
        return 0
    if x > _EXP_ARG_MAX:
        raise DomainError(f"exp needs an argument of at most 50, got {x}")
    if x == 0:
        return WAD
    return _exp_bits((x << _BITS) // WAD) * WAD >> _BITS


def _exp_bits(x: int) -> int:
    """e**(x / 2**192): subtract multiples of ln 2, shrink by 2**8, Taylor, square eight times."""
    k = x // _LN2
    r = x - k * _LN2 >> 8
    total = term = _ONE
    n = 1
    while term:
        term = (term * r >> _BITS) // n
        total += term
        n += 1
    for _ in range(8):
        total = total * total >> _BITS
    return total << k if k >= 0 else total >> -k


def _pdf_bits(x: int) -> int:
    return _INV_SQRT_2PI * _exp_bits(-(x * x >> _BITS + 1)) >> _BITS


def norm_pdf_wad(x: Wad) -> Wad:
    """Floor of the standard normal density."""
    if abs(x) > 15 * WAD:
        return 0
    return _pdf_bits((x << _BITS) // WAD) * WAD >> _BITS


def norm_cdf_wad(x: Wad) -> Wad:
    """Floor of the standard normal distribution function.

    Phi(x) = 1/2 + phi(x) * (x + x^3/3 + x^5/15 + ...); all terms have one sign, so the only cancellation is the final
    sum, whose absolute error is far below 1e-18.
    """
    if x == 0:
        return WAD // 2
    if x < -_PHI_ARG_MAX:
        return 0
    if x > _PHI_ARG_MAX:
        return WAD - 1
    z = (abs(x) << _BITS) // WAD
    square = z * z >> _BITS
    total, term, odd = 0, z, 1
    while term:
        total += term
        odd += 2
        term = (term * square >> _BITS) // odd
    tail = _pdf_bits(z) * total >> _BITS
    return (_HALF + tail if x > 0 else _HALF - tail) * WAD >> _BITS


def black76_mark(forward: Price, strike: Price, vol: Wad, years: Wad, *, is_call: bool) -> Price:
    """Undiscounted Black-76 value of one contract, rounded up to 1e-6 USDC.

    Up, because the mark enters margin only for short options, where more is against the account. The order of the
    divisions is part of the specification: v = floor(vol * floor(sqrt(T))), d1 = floor((ln(floor(F/K)) + v^2/2) / v),
    then F * Phi(d1) - K * Phi(d2) exactly, one ceiling at the end, never below intrinsic value.
    """
    intrinsic = max(forward - strike if is_call else strike - forward, 0)
    v = vol * sqrt_wad(years) // WAD
    if v == 0 or forward == 0 or strike == 0:
        return intrinsic
    d1 = (ln_wad(forward * WAD // strike) * WAD + v * v // 2) // v
    call = forward * norm_cdf_wad(d1) - strike * norm_cdf_wad(d1 - v)
    value = call if is_call else call - (forward - strike) * WAD
    return max(div_up(value, WAD), intrinsic)
