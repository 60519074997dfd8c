"""What the fixed-point functions must give, from mpmath: floor(true value * 1e18). Call within ``exactly()``."""

from collections.abc import Iterator
from contextlib import contextmanager

import mpmath

from exchange.core.units import WAD

DIGITS = 90


@contextmanager
def exactly() -> Iterator[None]:
    """Ninety digits for whatever is worked out inside."""
    with mpmath.workdps(DIGITS):
        yield


def floor_wad(value: mpmath.mpf) -> int:
    return int(mpmath.floor(value * WAD))


def true_exp(x: int) -> int:
    return floor_wad(mpmath.exp(mpmath.mpf(x) / WAD))


def true_ln(x: int) -> int:
    return floor_wad(mpmath.log(mpmath.mpf(x) / WAD))


def true_cdf(x: int) -> int:
    # erfc keeps its digits in the lower tail; the upper tail is one minus it, exact in 90 digits.
    z = mpmath.mpf(abs(x)) / WAD
    tail = mpmath.erfc(z / mpmath.sqrt(2)) / 2
    return floor_wad(1 - tail if x > 0 else tail)


def true_pdf(x: int) -> int:
    return floor_wad(mpmath.npdf(mpmath.mpf(x) / WAD))


def true_sqrt(x: int) -> int:
    return int(mpmath.floor(mpmath.sqrt(x * WAD)))  # exact at squares, which x / WAD is not
