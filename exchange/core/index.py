"""From many prices to one: the index of a signer, the round of a quorum, and what makes either unfit.

Every function is integer and pure, so that a signer, the venue and an auditor come to the same price from the same
observations. Imports units.
Source of the rules: reference quant 5.1 (caps at half a percent of the median, as published by an options venue) and
5.2 (lower median of a quorum, confidence from spread, jumps that two rounds must agree on).
"""

from collections.abc import Sequence
from enum import IntEnum
from math import isqrt
from typing import Final, NamedTuple

import msgspec

from exchange.core.units import (
    TWAP_SECONDS,
    U64_MAX,
    WAD,
    YEAR_SECONDS,
    Price,
    Seconds,
    Wad,
    div_down,
    div_up,
    mul_div_down,
    mul_div_up,
)

AHEAD_MAX_S: Final[Seconds] = 1  # clocks of honest sources differ by less
THIN: Final[Wad] = 55 * WAD // 100  # confidence below which a price carries no liquidation
HALT_HEARTBEATS: Final = 3


class Observation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one source or one signer says: a price in 1e-6 USDC, when, how sure (wad), and its weight in an index."""

    source: int
    time_s: Seconds
    price: Price
    conf: Wad = WAD
    weight: int = 1


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of a feed; rates in 1e-18."""

    heartbeat_s: Seconds = 180
    clamp: Wad = 5 * WAD // 1000  # of the median: how far one price may pull
    spread_max: Wad = 2 * WAD // 100  # between the highest and the lowest price; there confidence is nothing
    jump_min: Wad = 5 * WAD // 1000
    jump_deviations: int = 6
    stress_vol: Wad = 15 * WAD // 10
    quorum: int = 1
    thin: Wad = THIN


class Index(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One price from many: how sure, as of when, and who was left out."""

    price: Price
    conf: Wad
    time_s: Seconds
    used: tuple[int, ...]
    unfit: tuple[int, ...]


class Condition(IntEnum):
    """How far a feed may be trusted, in order of trouble."""

    NORMAL = 0
    DEGRADED = 1  # late, thin or just jumped: only what reduces risk, no liquidation
    HALTED = 2  # too late to say anything


class Standing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A feed as of its last round: the price in force, and the one that was too far away to believe at once."""

    price: Price
    time_s: Seconds
    conf: Wad
    doubted: Price = 0
    jumped: bool = False


# -- many prices ------------------------------------------------------------------------------------------------------


def fit(rules: Rules, observations: Sequence[Observation], now_s: Seconds) -> tuple[list[Observation], list[int]]:
    """Observations that may count, by source, and the sources of those that may not: stale, ahead, absurd, or twice.

    Of a source that speaks twice nothing counts, because which of the two it meant is anyone's guess.
    """
    speakers = sorted(observation.source for observation in observations)
    twice = {speaker: speakers.count(speaker) > 1 for speaker in speakers}
    good, bad = [], []
    for observation in sorted(observations, key=lambda each: (each.source, each.time_s, each.price)):
        if twice[observation.source] or not _is_sound(rules, observation, now_s):
            bad.append(observation.source)
        else:
            good.append(observation)
    return good, bad


def _is_sound(rules: Rules, observation: Observation, now_s: Seconds) -> bool:
    on_time = now_s - rules.heartbeat_s <= observation.time_s <= now_s + AHEAD_MAX_S
    return on_time and 0 < observation.price <= U64_MAX and 0 <= observation.conf <= WAD and observation.weight > 0


def lower_median(prices: Sequence[Price]) -> Price:
    """The middle price; of an even number the lower of the two, which somebody said. At least one."""
    return sorted(prices)[div_down(len(prices) - 1, 2)]


def clamped(rules: Rules, prices: Sequence[Price]) -> list[Price]:
    """Each price brought within the clamp of their median; bounds rounded towards it."""
    middle = lower_median(prices)
    low, high = mul_div_up(middle, WAD - rules.clamp, WAD), mul_div_down(middle, WAD + rules.clamp, WAD)
    return [max(low, min(price, high)) for price in prices]


def index_of(rules: Rules, observations: Sequence[Observation], now_s: Seconds) -> Index | None:
    """A signer's index: the weighted mean of its sources, each held near their median; rounded down.

    None without a quorum of sources that may count.
    """
    good, bad = fit(rules, observations, now_s)
    if len(good) < max(rules.quorum, 1):
        return None
    near = clamped(rules, [each.price for each in good])
    weights = sum(each.weight for each in good)
    price = div_down(sum(value * each.weight for value, each in zip(near, good, strict=True)), weights)
    return _index(rules, good, bad, price)


def round_of(rules: Rules, observations: Sequence[Observation], now_s: Seconds) -> Index | None:
    """The price of a round: the lower median over signers. None without a quorum; a minority never moves it far.

    While fewer than half the signers lie, the median lies between two honest prices.
    """
    good, bad = fit(rules, observations, now_s)
    if len(good) < max(rules.quorum, 1):
        return None
    return _index(rules, good, bad, lower_median([each.price for each in good]))


def _index(rules: Rules, good: Sequence[Observation], bad: Sequence[int], price: Price) -> Index:
    """Confidence falls with the spread, each price held near the median first: one liar thins a price, no more."""
    near = clamped(rules, [each.price for each in good])
    spread = div_up((max(near) - min(near)) * WAD, price)
    agreement = max(WAD - mul_div_up(spread, WAD, rules.spread_max), 0)
    conf = mul_div_down(agreement, lower_median([each.conf for each in good]), WAD)
    oldest = min(each.time_s for each in good)
    return Index(price, conf, oldest, tuple(each.source for each in good), tuple(bad))


# -- one price after another ------------------------------------------------------------------------------------------


def jump_bound(rules: Rules, seconds: Seconds) -> Wad:
    """Largest believable relative move in so many seconds, rounded up: max(jump_min, z sigma sqrt(t)), t in years."""
    root = isqrt(max(seconds, 0) * WAD * WAD // YEAR_SECONDS)
    return max(rules.jump_min, rules.jump_deviations * mul_div_up(rules.stress_vol, root + 1, WAD))


def believes(rules: Rules, last: Price, given: Price, seconds: Seconds) -> bool:
    """Whether a move is small enough for the time it took."""
    return abs(given - last) * WAD <= jump_bound(rules, seconds) * last


def follow(rules: Rules, standing: Standing, given: Index) -> Standing:
    """The feed after one more round. A jump is doubted once and adopted when the next round says it again.

    Raises ValueError unless time advances: which of two prices of one second is the later nobody can say.
    """
    elapsed = given.time_s - standing.time_s
    if elapsed <= 0:
        raise ValueError(f"a round at {given.time_s} does not follow one at {standing.time_s}")
    if believes(rules, standing.price, given.price, elapsed):
        return Standing(given.price, given.time_s, given.conf)
    if standing.doubted and believes(rules, standing.doubted, given.price, elapsed):
        return Standing(given.price, given.time_s, given.conf, jumped=True)
    return Standing(standing.price, standing.time_s, standing.conf, doubted=given.price)


def condition(rules: Rules, standing: Standing, now_s: Seconds) -> Condition:
    """What a feed is good for now."""
    age_s = now_s - standing.time_s
    if age_s > HALT_HEARTBEATS * rules.heartbeat_s:
        return Condition.HALTED
    trouble = age_s > rules.heartbeat_s or standing.conf < rules.thin or standing.doubted > 0 or standing.jumped
    return Condition.DEGRADED if trouble else Condition.NORMAL


# -- the half hour that settles ---------------------------------------------------------------------------------------


class Average(NamedTuple):
    """The settlement average as it is expected, and the part of it that is settled already; 1e-6 USDC."""

    expected: Price
    fixed: Price


def expected_average(forward: Price, seconds_left: Seconds, sum_so_far: int) -> Average:
    """The mean over the window: what it has settled, and the forward for the rest; each portion rounded down.

    ``sum_so_far`` is price times seconds since the window opened; before that it is nothing and all is forward.
    """
    if seconds_left >= TWAP_SECONDS:
        return Average(forward, 0)
    fixed = div_down(sum_so_far, TWAP_SECONDS)
    return Average(fixed + mul_div_down(forward, max(seconds_left, 0), TWAP_SECONDS), fixed)
