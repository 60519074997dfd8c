"""sqrt, ln, exp and the normal distribution in integers: each is floor(true value * 1e18).

The specification is the mathematics, so any correct implementation agrees, in any language; contracts/lib/fixedmath.vy
is another one. Each function is computed with a bound on its error; if the floor is not the same at both ends of the
bound, it is computed again with twice the bits. docs/MATHEMATICS.md derives the bounds. Imports units only.
"""

from collections.abc import Callable
from math import isqrt
from typing import Final

from exchange.core.units import WAD, Wad

_STAGES: Final = (128, 256, 512)  # fractional bits
_CONSTANT_BITS: Final = 512
# floor(constant * 2**512), checked against mpmath in tests/core/test_fixedmath.py
_LN2: Final = int(
    "B17217F7D1CF79ABC9E3B39803F2F6AF40F343267298B62D8A0D175B8BAAFA2B"
    "E7B876206DEBAC98559552FB4AFA1B10ED2EAE35C138214427573B291169B825",
    16,
)
_INV_SQRT_2PI: Final = int(
    "662114CF50D942343F2CF1402EAE38BFD3829F30512706D8C0471B4802639D2E"
    "9DF8AC55447D3DB723F5D3ABB374E88DEB14277970BE1513278E993445F08CFF",
    16,
)
_EXP_ARG_MAX: Final = 50 * WAD
_EXP_ARG_MIN: Final = -42 * WAD  # below it the floor is 0
_NORM_ARG_MAX: Final = 10 * WAD  # beyond it the density floors to 0, and the distribution to 0 or 1 - 1e-18
_ROOTS: Final = 4  # square roots taken before the series of ln
_HALVINGS: Final = 8  # of the argument before the series of exp

# Of an argument that no rule settles, and a number of bits: the value with so many fractional bits, and a bound on its
# error in the last of them. The four functions that end in _bits are such.
_Approximation = Callable[[int, int], tuple[int, int]]


class DomainError(ValueError):
    """The argument lies outside the function's stated domain."""


class UndecidedError(ArithmeticError):
    """512 bits do not tell the floor. No argument is known that would; better none than a wrong one."""


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
        return 0  # the one argument whose logarithm is rational
    return _floor(ln_bits, x)


def exp_wad(x: Wad) -> Wad:
    """Floor of e**x; x <= 50."""
    if x < _EXP_ARG_MIN:
        return 0
    if x > _EXP_ARG_MAX:
        raise DomainError(f"exp needs an argument of at most 50, got {x}")
    if x == 0:
        return WAD  # the one argument whose exponential is rational
    return _floor(exp_bits, x)


def norm_pdf_wad(x: Wad) -> Wad:
    """Floor of the standard normal density."""
    if abs(x) > _NORM_ARG_MAX:
        return 0
    return _floor(norm_pdf_bits, x)


def norm_cdf_wad(x: Wad) -> Wad:
    """Floor of the standard normal distribution function."""
    if x == 0:
        return WAD // 2
    if x < -_NORM_ARG_MAX:
        return 0
    if x > _NORM_ARG_MAX:
        return WAD - 1
    return _floor(norm_cdf_bits, x)


def _floor(approximate: _Approximation, x: Wad) -> Wad:
    """The floor that both ends of the error bound agree on, with more bits until they do."""
    for bits in _STAGES:
        value, error = approximate(x, bits)
        low = (value - error) * WAD >> bits
        if (value + error) * WAD >> bits == low:
            return low
    raise UndecidedError(f"the floor at {x}")


def ln_bits(x: Wad, bits: int) -> tuple[int, int]:
    """Ln x: scale into [1, 2), take four square roots, then 2 atanh((m-1)/(m+1)).

    The error is below 16 units for each bit, and one for each power of two.
    """
    one = 1 << bits
    k = x.bit_length() - WAD.bit_length()
    m = _over_power(x, k, bits)
    if m < one:
        k -= 1
        m = _over_power(x, k, bits)
    for _ in range(_ROOTS):
        m = isqrt(m << bits)
    z = ((m - one) << bits) // (m + one)
    square = z * z >> bits
    total, power, odd = 0, z, 1
    while power:
        total += power // odd
        power = power * square >> bits
        odd += 2
    return (total << _ROOTS + 1) + k * (_LN2 >> _CONSTANT_BITS - bits), 16 * bits + abs(k)


def _over_power(x: Wad, k: int, bits: int) -> int:
    """The number that x stands for, over 2**k."""
    return (x << bits >> k if k >= 0 else x << bits - k) // WAD


def exp_bits(x: Wad, bits: int) -> tuple[int, int]:
    """e**x, with an error below 256 units for each bit of a value in [1, 2), and one for the last shift."""
    mantissa, k = _exp_parts((x << bits) // WAD, bits)
    if k >= 0:
        return mantissa << k, bits << _HALVINGS + k
    return mantissa >> -k, (bits << _HALVINGS >> -k) + 2


def _exp_parts(x: int, bits: int) -> tuple[int, int]:
    """e**(x / 2**bits) as a mantissa in [1, 2) and a power of two: subtract ln 2s, halve, Taylor, square."""
    ln2 = _LN2 >> _CONSTANT_BITS - bits
    k = x // ln2
    r = x - k * ln2 >> _HALVINGS
    total = term = 1 << bits
    n = 1
    while term:
        term = (term * r >> bits) // n
        total += term
        n += 1
    for _ in range(_HALVINGS):
        total = total * total >> bits
    return total, k


def _pdf_parts(x: Wad, bits: int) -> tuple[int, int]:
    mantissa, k = _exp_parts(-((x * x << bits - 1) // WAD**2), bits)
    return mantissa * (_INV_SQRT_2PI >> _CONSTANT_BITS - bits) >> bits, k


def norm_pdf_bits(x: Wad, bits: int) -> tuple[int, int]:
    """phi(x); its error is less than that of the exponential in it."""
    mantissa, k = _pdf_parts(x, bits)
    return mantissa >> -k, (bits << _HALVINGS >> -k) + 2


def norm_cdf_bits(x: Wad, bits: int) -> tuple[int, int]:
    """Phi(x) = 1/2 + phi(x) * (x + x^3/3 + x^5/15 + ...), error below 256 units for each bit.

    All terms have one sign, and the density keeps its own power of two until the product is formed: the only
    cancellation is the last sum, where it costs nothing of an absolute error.
    """
    z = (abs(x) << bits) // WAD
    square = z * z >> bits
    total, term, odd = 0, z, 1
    while term:
        total += term
        odd += 2
        term = (term * square >> bits) // odd
    mantissa, k = _pdf_parts(x, bits)
    away = mantissa * total >> bits - k
    half = 1 << bits - 1
    return half + away if x > 0 else half - away, bits << _HALVINGS
