"""Where each index has been: a point a minute for two days, a point an hour for a year.

Imports core.
"""

import math
from collections import deque
from itertools import pairwise
from typing import Final, NamedTuple

from exchange.core.units import Nanos, Price

MINUTE_NS: Final = 60 * 10**9
HOUR_NS: Final = 60 * MINUTE_NS
MINUTES_MAX: Final = 2 * 1_440
HOURS_MAX: Final = 366 * 24
VOL_HOURS: Final = 15 * 24
VOL_HOURS_MIN: Final = 24
_HOURS_A_YEAR: Final = 365 * 24


class Point(NamedTuple):
    """A price and the moment of its round."""

    time_ns: Nanos
    price: Price


class _Path:
    def __init__(self, step_ns: Nanos, count_max: int) -> None:
        self.points: deque[Point] = deque(maxlen=count_max)
        self._step_ns = step_ns

    def add(self, point: Point) -> None:
        """The last price of a step stands for it."""
        if self.points and self.points[-1].time_ns // self._step_ns == point.time_ns // self._step_ns:
            self.points.pop()
        self.points.append(point)


class IndexLog:
    """Paths by underlying."""

    def __init__(self) -> None:
        self._minutes: dict[int, _Path] = {}
        self._hours: dict[int, _Path] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._minutes.clear()
        self._hours.clear()

    def note(self, underlying: int, time_ns: Nanos, price: Price) -> None:
        """A round has a price."""
        for paths, step_ns, count_max in ((self._minutes, MINUTE_NS, MINUTES_MAX), (self._hours, HOUR_NS, HOURS_MAX)):
            paths.setdefault(underlying, _Path(step_ns, count_max)).add(Point(time_ns, price))

    def since(self, underlying: int, time_ns: Nanos, *, hourly: bool = False) -> list[Point]:
        """Points from a moment on, oldest first."""
        path = (self._hours if hourly else self._minutes).get(underlying)
        return [point for point in path.points if point.time_ns >= time_ns] if path is not None else []

    def volatility(self, underlying: int) -> list[tuple[Nanos, float]]:
        """For each hour the annualised volatility of the hours before it, 15 days at most, in percent.

        Hours with fewer than a day before them are left out: a handful of returns is no estimate.
        """
        path = self._hours.get(underlying)
        points = [point for point in path.points if point.price > 0] if path is not None else []
        squares = [math.log(later.price / earlier.price) ** 2 for earlier, later in pairwise(points)]
        found = []
        for at in range(VOL_HOURS_MIN, len(points)):
            past = squares[max(at - VOL_HOURS, 0) : at]
            found.append((points[at].time_ns, 100 * math.sqrt(sum(past) / len(past) * _HOURS_A_YEAR)))
        return found
