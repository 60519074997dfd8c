"""The legs of a combo: what is signed, as one word, and the one form in which a combo may be written down.

A combo is two to four series with a signed ratio each; one unit of it is that many contracts of each leg, bought where
the ratio is above zero and sold where it is below. Every combo has exactly one canonical form, so that equal combos
have equal words: legs in ascending order of series, each series once, ratios without a common divisor, the first above
zero. Imports units.
"""

from enum import StrEnum
from itertools import pairwise
from math import gcd
from typing import Final, NamedTuple, TypeAlias

import msgspec

from exchange.core.units import U16_MAX, U32_MAX

LEGS_MIN: Final = 2  # one leg would be the series itself
LEGS_MAX: Final = 4
RATIO_MAX: Final = 2**15 - 1  # either way: sixteen bits of two's complement, without the one that has no negative
LANE_BITS: Final = 64
WORD_MAX: Final = 2**256 - 1


class LegsFault(StrEnum):
    """What is wrong with legs: the first rule they break, in checking order."""

    COUNT = "legs_must_be_two_to_four"
    SERIES = "leg_series_must_fit"
    RATIO = "leg_ratio_must_fit"
    ORDER = "legs_must_ascend"
    COMMON_DIVISOR = "leg_ratios_must_be_reduced"
    SIGN = "first_leg_must_be_bought"
    WORD = "legs_word_must_be_dense"


class LegsError(ValueError):
    """Legs that are no combo: the rule, the value that breaks it, and its limit."""

    def __init__(self, fault: LegsFault, value: int, limit: int = 0) -> None:
        super().__init__(f"{fault}: {value}, limit {limit}")
        self.fault = fault
        self.value = value
        self.limit = limit


class Leg(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """So many contracts of a series in one unit of a combo; below zero: sold by whoever buys the combo."""

    series: int
    ratio: int


Legs: TypeAlias = tuple[Leg, ...]


class Canonical(NamedTuple):
    """Legs in canonical form; what was asked for is ``factor`` units of that combo, sold where it is below zero."""

    legs: Legs
    factor: int


def fault_of(legs: Legs) -> LegsError | None:
    """The first rule that keeps these legs from being a combo in canonical form; None if they are one."""
    if not LEGS_MIN <= len(legs) <= LEGS_MAX:
        return LegsError(LegsFault.COUNT, len(legs), LEGS_MAX)
    for leg in legs:
        if not U16_MAX < leg.series <= U32_MAX:  # what is smaller numbers a combo, and none is a leg of another
            return LegsError(LegsFault.SERIES, leg.series, U32_MAX)
        if not 0 < abs(leg.ratio) <= RATIO_MAX:
            return LegsError(LegsFault.RATIO, leg.ratio, RATIO_MAX)
    for before, after in pairwise(legs):
        if before.series >= after.series:
            return LegsError(LegsFault.ORDER, after.series, before.series)
    common = gcd(*(leg.ratio for leg in legs))
    if common != 1:
        return LegsError(LegsFault.COMMON_DIVISOR, common, 1)
    return LegsError(LegsFault.SIGN, legs[0].ratio) if legs[0].ratio < 0 else None


def check(legs: Legs) -> Legs:
    """The same legs; LegsError unless they are a combo in canonical form."""
    fault = fault_of(legs)
    if fault is not None:
        raise fault
    return legs


def canonical(legs: Legs) -> Canonical:
    """The combo that legs in any order and any multiple stand for; a series that comes twice counts once, in sum.

    LegsError if nothing canonical is left of them, or their factor hides in a ratio that does not fit.
    """
    ratios: dict[int, int] = {}
    for leg in legs:
        ratios[leg.series] = ratios.get(leg.series, 0) + leg.ratio
    kept = [Leg(series, ratios[series]) for series in sorted(ratios) if ratios[series]]
    if not kept:
        raise LegsError(LegsFault.COUNT, 0, LEGS_MAX)
    factor = gcd(*(leg.ratio for leg in kept))
    if kept[0].ratio < 0:
        factor = -factor
    return Canonical(check(tuple(Leg(leg.series, leg.ratio // factor) for leg in kept)), factor)


def pack(legs: Legs) -> int:
    """Canonical legs as one word of 256 bits: lanes of 64, the first leg lowest; LegsError for any other form.

    A lane is ``series << 16 | ratio``, the ratio in two's complement; zero is no leg.
    """
    word = 0
    for place, leg in enumerate(check(legs)):
        word |= (leg.series << 16 | leg.ratio & U16_MAX) << LANE_BITS * place
    return word


def unpack(word: int) -> Legs:
    """The legs in a word; LegsError unless ``pack`` gives that word."""
    if not 0 <= word <= WORD_MAX:
        raise LegsError(LegsFault.WORD, word, WORD_MAX)
    legs = []
    while word:
        lane = word & (1 << LANE_BITS) - 1
        if lane >> 48:
            raise LegsError(LegsFault.WORD, lane, (1 << 48) - 1)
        ratio = lane & U16_MAX
        legs.append(Leg(lane >> 16, ratio - (1 << 16) if ratio >> 15 else ratio))
        word >>= LANE_BITS
    return check(tuple(legs))
