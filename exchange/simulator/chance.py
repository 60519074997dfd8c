"""Chance in integers: the same seed draws the same numbers on every machine, whatever its mathematics library.

Bits come from the Mersenne Twister, whose sequence Python promises; what is made of them is fixed-point mathematics
that is specified to the last digit. No float comes near. Imports core numbers.
"""

import random
from collections.abc import Sequence
from typing import Final, TypeVar

from exchange.core.fixedmath import exp_wad, ln_wad
from exchange.core.units import WAD, Wad

T = TypeVar("T")

_BITS: Final = 60
_ONE: Final = 1 << _BITS
_WIDTH: Final = 857_763_884_960_706_796  # sqrt(2 / e) in wad: half the width of the region that normals are drawn from


class Chance:
    """One stream of draws."""

    def __init__(self, seed: int, name: str) -> None:
        self._random = random.Random(f"{seed} {name}")  # noqa: S311 - a market, not a secret

    def uniform(self) -> Wad:
        """Above zero, at most one."""
        return -(-(self._random.getrandbits(_BITS) + 1) * WAD >> _BITS)

    def happens(self, share: Wad) -> bool:
        """True in this share of draws."""
        return self._random.getrandbits(_BITS) * WAD < share * _ONE

    def one_of(self, items: Sequence[T]) -> T:
        """Any of them, alike."""
        return items[self._random.getrandbits(_BITS) % len(items)]

    def normal(self) -> Wad:
        """Mean zero, deviation one: the ratio of two uniforms, kept where it falls under the density."""
        while True:
            height = self._random.getrandbits(_BITS) + 1
            drawn = (2 * self._random.getrandbits(_BITS) + 1 - _ONE) * _WIDTH // height
            if drawn * drawn <= -4 * ln_wad(max(height * WAD >> _BITS, 1)) * WAD:
                return drawn

    def wait(self, mean: int) -> int:
        """Exponential with this mean, in its unit; at least one."""
        return max(-ln_wad(self.uniform()) * mean // WAD, 1)

    def size(self, median: Wad, spread: Wad) -> Wad:
        """Lognormal: a median, and the deviation of the logarithm."""
        return median * exp_wad(spread * self.normal() // WAD) // WAD
