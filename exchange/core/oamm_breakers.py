"""When a pool stops quoting, widens, or shuts its doors to liquidity providers, by itself and for how long.

Owns the time-weighted geometric mean of vol (GWAV) and a pure table of three breakers. A state and an observation make
the next state; nothing here reads a clock. Source: reference quant 6.2. Imports fixedmath, units.
"""

from typing import Final, NamedTuple, TypeAlias

from exchange.core.fixedmath import exp_wad, ln_wad
from exchange.core.units import WAD, Cash, Price, Seconds, Wad, div_down

Observed: TypeAlias = tuple[tuple[Seconds, Wad], ...]  # times ascending, each value in force until the next

GWAV_S: Final = 3_600
VOL_JUMP: Final[Wad] = 15 * WAD // 100  # of the mean
VOL_WAIT_S: Final = 12 * 3_600
WIDE: Final = 3  # times the half spread, while a vol jump is waited out
SPOT_JUMP: Final[Wad] = 5 * WAD // 100  # of the spot one round before
SPOT_ROUNDS: Final = 3
NAV_FALL: Final[Wad] = 10 * WAD // 100  # of the most in a day
DAY_S: Final = 86_400
BUCKET_S: Final = 900  # the most in a day is remembered in quarters of an hour
VOL_EVERY_S: Final = 60  # of what was observed within a minute the mean remembers the first


class BreakerState(NamedTuple):
    """A pool's breakers, and what they remember: an hour of vols, a day of NAVs, the last spot."""

    vols: Observed = ()
    spot: Price = 0
    navs: tuple[tuple[int, Cash], ...] = ()  # quarter of an hour, most in it
    wide_until_s: Seconds = 0
    pulled_rounds: int = 0
    halted: bool = False


class Observation(NamedTuple):
    """What a round tells a pool; times ascend."""

    time_s: Seconds
    atm_vol: Wad
    spot: Price
    nav: Cash


class Standing(NamedTuple):
    """What a pool may do at the round just observed."""

    quotes: bool
    spread_factor: int
    liquidity: bool  # deposits and withdrawals


def gwav(observed: Observed, start: int, end: int) -> Wad:
    """exp(sum ln(v) dt / sum dt) over [start, end): each value holds until the next. All three steps round down.

    The first observation is no later than the start, and the window is not empty.
    """
    assert observed[0][0] <= start < end
    total = 0
    for place, (since, value) in enumerate(observed):
        until = observed[place + 1][0] if place + 1 < len(observed) else end
        held = min(until, end) - max(since, start)
        total += ln_wad(value) * max(held, 0)
    return exp_wad(div_down(total, end - start))


def recent(observed: Observed, start: int) -> Observed:
    """Observations that still count from ``start`` on: the last before it, and all after."""
    first = max((place for place, (time_s, _) in enumerate(observed) if time_s <= start), default=0)
    return observed[first:]


def has_moved(value: int, reference: int, share: Wad) -> bool:
    """Whether a value is further than a share away from a reference."""
    return abs(value - reference) * WAD > share * reference


def observe(state: BreakerState, seen: Observation) -> BreakerState:
    """The breakers after one more round.

    Vol is compared with the mean of the hour before it, once there is any history; spot with the round before; NAV with
    the most of the last day. A halt is lifted by ``reset`` only.
    """
    vols = recent(state.vols, seen.time_s - GWAV_S)
    wide_until_s = state.wide_until_s
    if vols and vols[0][0] < seen.time_s:
        mean = gwav(vols, max(vols[0][0], seen.time_s - GWAV_S), seen.time_s)
        if has_moved(seen.atm_vol, mean, VOL_JUMP):
            wide_until_s = seen.time_s + VOL_WAIT_S
    pulled = max(state.pulled_rounds - 1, 0)
    if state.spot and has_moved(seen.spot, state.spot, SPOT_JUMP):
        pulled = SPOT_ROUNDS
    navs = _navs(state.navs, seen)
    fallen = max(nav for _, nav in navs) - seen.nav
    halted = state.halted or fallen * WAD > NAV_FALL * max(nav for _, nav in navs)
    if not vols or div_down(vols[-1][0], VOL_EVERY_S) != div_down(seen.time_s, VOL_EVERY_S):
        vols = (*vols, (seen.time_s, seen.atm_vol))
    return BreakerState(vols, seen.spot, navs, wide_until_s, pulled, halted)


def moved(state: BreakerState, amount: Cash) -> BreakerState:
    """Money came or, below zero, went: what the pool was worth before is remembered as if it had been so all along."""
    return state._replace(navs=tuple((bucket, nav + amount) for bucket, nav in state.navs))


def _navs(navs: tuple[tuple[int, Cash], ...], seen: Observation) -> tuple[tuple[int, Cash], ...]:
    """The most of each quarter of an hour of the last day, this one included."""
    bucket, first = div_down(seen.time_s, BUCKET_S), div_down(seen.time_s - DAY_S, BUCKET_S)
    kept = tuple(entry for entry in navs if first <= entry[0] < bucket)
    before = max((nav for number, nav in navs if number == bucket), default=seen.nav)
    return (*kept, (bucket, max(before, seen.nav)))


def standing(state: BreakerState, now_s: Seconds) -> Standing:
    """What the pool may do: wide and closed to flows after a vol jump, silent after a spot jump, neither if halted."""
    is_wide = now_s < state.wide_until_s
    may_quote = not state.halted and not state.pulled_rounds
    return Standing(may_quote, WIDE if is_wide else 1, not is_wide and not state.halted)


def reset(state: BreakerState, seen: Observation) -> BreakerState:
    """Somebody answers for going on: the halt ends, and the fall is measured from here."""
    return state._replace(halted=False, navs=((div_down(seen.time_s, BUCKET_S), seen.nav),))
