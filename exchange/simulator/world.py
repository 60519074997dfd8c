"""What the market is worth, second by second: spot, its vol, implied vols and their smile. All of it integers.

Spot: diffusion whose vol returns to its level within hours, and jumps. Implied vols move against the spot and return
within a day. Sources of the index see the spot with an error of their own. Imports chance, flow, core numbers.
"""

from math import isqrt
from typing import Final

from exchange.core.black76 import black76_mark
from exchange.core.fixedmath import exp_wad, ln_wad
from exchange.core.index import Observation
from exchange.core.units import WAD, YEAR_SECONDS, Price, Seconds, Wad, years_of
from exchange.dialect.listed import Listed
from exchange.simulator.chance import Chance
from exchange.simulator.flow import Flow

HOUR_S: Final = 3_600
DAY_S: Final = 86_400
_ROOT_SECOND: Final = isqrt(WAD * WAD // YEAR_SECONDS)  # of a year
_ROOT_DAY: Final = isqrt(WAD * WAD // DAY_S)
_ERROR: Final = WAD // 50_000  # deviation of what a source says: a fifth of a basis point
_REACH: Final = 3 * WAD  # deviations within which the smile was measured, and a little more


def _times(left: Wad, right: Wad) -> Wad:
    return left * right // WAD


class World:
    """Grows a second at a time, and remembers."""

    def __init__(self, seed: int, start_s: Seconds, spot: Price, flow: Flow) -> None:
        self.start_s = start_s
        self.flow = flow
        self._moves, self._jumps = Chance(seed, "moves"), Chance(seed, "jumps")
        self._spots: list[Price] = [spot]
        self._levels: list[Wad] = [0]  # logarithm of vol over what it returns to
        self._implied: list[Wad] = [0]
        self._pushes: dict[Seconds, Wad] = {}
        self._kept = exp_wad(ln_wad(flow.vol_kept_an_hour) // HOUR_S)
        self._unrest = _times(flow.vol_spread, isqrt((WAD - _times(self._kept, self._kept)) * WAD))
        # Jumps were measured in a market of another vol: as many times a minute's move as there.
        self._jump = flow.jump_deviation * flow.implied_vol // flow.spot_vol

    def push(self, time_s: Seconds, move: Wad) -> None:
        """Have the spot move by this logarithm at a second that has not come yet, besides what chance does."""
        assert time_s - self.start_s >= len(self._spots)
        self._pushes[time_s] = move

    def spot(self, time_s: Seconds) -> Price:
        """The price of the underlying; before the start, as at the start."""
        return self._spots[self._grown(time_s)]

    def vol(self, time_s: Seconds, expiry_s: Seconds, strike: Price) -> Wad:
        """Implied vol of a strike: the money's, with slope and bend over deviations."""
        second = self._grown(time_s)
        money = _times(self.flow.implied_vol, exp_wad(self._implied[second]))
        root = isqrt(max(years_of(expiry_s - time_s), 1) * WAD)
        place = ln_wad(strike * WAD // self._spots[second]) * WAD // max(_times(money, root), 1)
        place = max(-_REACH, min(place, _REACH))
        lean = _times(self.flow.smile_slope, place) + _times(self.flow.smile_bend, _times(place, place))
        return _times(money, WAD + lean)

    def worth(self, time_s: Seconds, listed: Listed, more: Wad = 0) -> Price:
        """An option at its implied vol, or at so much more of it; 1e-6 USDC."""
        assert listed.strike is not None
        vol = max(self.vol(time_s, listed.expiry_s, listed.strike) + more, WAD // 100)
        years = years_of(listed.expiry_s - time_s)
        return black76_mark(self.spot(time_s), listed.strike, vol, years, is_call=listed.is_call)

    def _grown(self, time_s: Seconds) -> int:
        second = max(time_s - self.start_s, 0)
        while len(self._spots) <= second:
            self._grow()
        return second

    def _grow(self) -> None:
        flow, along = self.flow, self._moves.normal()
        level = _times(self._kept, self._levels[-1]) + _times(self._unrest, self._moves.normal())
        move = _times(_times(_times(flow.implied_vol, exp_wad(level)), _ROOT_SECOND), along)
        if self._jumps.happens(flow.jumps_a_day // DAY_S):
            move += _times(self._jump, self._jumps.normal())
        move += self._pushes.pop(self.start_s + len(self._spots), 0)
        other = isqrt((WAD - _times(flow.implied_with_spot, flow.implied_with_spot)) * WAD)
        shock = _times(flow.implied_with_spot, along) + _times(other, self._moves.normal())
        before = self._implied[-1]
        implied = before - before // DAY_S + _times(_times(flow.implied_spread_a_day, _ROOT_DAY), shock)
        self._spots.append(max(_times(self._spots[-1], exp_wad(move)), 1))
        self._levels.append(level)
        self._implied.append(implied)


class Place:
    """A source of the index: the spot with a small error of its own, and silence or lies where a fault says so."""

    def __init__(self, number: int, seed: int, world: World) -> None:
        self.number = number
        self.silent = False
        self.lie: Wad = WAD  # what it multiplies the truth by
        self._world = world
        self._chance = Chance(seed, f"source {number}")
        self._told: dict[Seconds, Observation] = {}

    def at(self, time_s: Seconds) -> Observation | None:
        """As ``Source.at``. Asked again for the same second it answers the same."""
        if self.silent or time_s < self._world.start_s:
            return None
        told = self._told.get(time_s)
        if told is None:
            error = WAD + _times(_ERROR, self._chance.normal())
            price = _times(_times(self._world.spot(time_s), error), self.lie)
            self._told = {time_s: (told := Observation(self.number, time_s, max(price, 1)))}
        return told
