"""Line charts as SVG, made of integers: the same figures give the same bytes on any machine and with any version.

Owns scales, ticks and paths. Colours are classes that the page defines, so one chart serves light and dark; text is
escaped here. Times are nanoseconds, values integers of 10**-digits; coordinates are tenths of a unit of the picture.
Why no library: docs/adr, forensic report. Imports nothing of the venue.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final, NamedTuple

WIDTH: Final = 7_200
HEIGHT: Final = 2_400
LEFT: Final = 900  # for the figures of the value axis
RIGHT: Final = 280
TOP: Final = 120
BOTTOM: Final = 300
FLOOR: Final = (HEIGHT - BOTTOM) // 10
TICKS: Final = 5
POINTS_MAX: Final = 1_200
COLOURS: Final = 6
_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400)
_DAY_S: Final = 86_400


class Line(NamedTuple):
    """Values over time; each holds until the next, so the line goes in steps."""

    name: str
    points: Sequence[tuple[int, int]]


class Mark(NamedTuple):
    """A moment with a short label."""

    time_ns: int
    label: str


class Chart(NamedTuple):
    """What is drawn: values in 10**-digits of the unit."""

    title: str
    unit: str
    digits: int
    lines: Sequence[Line]
    marks: Sequence[Mark] = ()


class Thinned:
    """Points of a line in bounded memory: of four neighbours the lowest and highest stay, if there are too many."""

    def __init__(self) -> None:
        self._points: list[tuple[int, int]] = []

    def add(self, time_ns: int, value: int) -> None:
        """One more; repeated values are left out, for the line holds them."""
        if len(self._points) > 1 and self._points[-1][1] == self._points[-2][1] == value:
            self._points[-1] = (time_ns, value)
            return
        self._points.append((time_ns, value))
        if len(self._points) >= 2 * POINTS_MAX:
            self._points = list(_thinner(self._points))

    def points(self) -> list[tuple[int, int]]:
        """What is left of them, in their order."""
        return list(self._points)


def _thinner(points: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for at in range(0, len(points), 4):
        four = points[at : at + 4]
        kept = {min(four, key=lambda point: point[1]), max(four, key=lambda point: point[1])}
        yield from sorted(kept)


class _Scale(NamedTuple):
    """From values to tenths: ``low`` is at ``start``, ``high`` at ``end``."""

    low: int
    high: int
    start: int
    end: int

    def at(self, value: int) -> int:
        """Rounded down."""
        return self.start + (value - self.low) * (self.end - self.start) // (self.high - self.low)


def svg(chart: Chart) -> str:
    """The chart as one element, with its title and a legend; without any point it says that there is nothing."""
    points = [point for line in chart.lines for point in line.points]
    head = (
        f'<svg viewBox="0 0 {WIDTH // 10} {HEIGHT // 10}" role="img" class="chart"><title>{escape(chart.title)}</title>'
    )
    if not points:
        return f'{head}<text x="{WIDTH // 20}" y="{HEIGHT // 20}" class="none">nothing to draw</text></svg>'
    times, values = [time for time, _ in points], [value for _, value in points]
    ticks = value_ticks(min(values), max(values))
    across = _Scale(min(times), max(*times, times[0] + 1), LEFT, WIDTH - RIGHT)
    up = _Scale(ticks[0], ticks[-1], HEIGHT - BOTTOM, TOP)
    parts = [head, *_value_axis(chart, ticks, up), *_time_axis(across), *_marks(chart.marks, across)]
    parts += [_path(line, number, across, up) for number, line in enumerate(chart.lines) if line.points]
    return "".join((*parts, "</svg>"))


def legend(chart: Chart) -> list[tuple[str, str, str]]:
    """For each line its class, its name and its last value."""
    return [
        (f"l{number % COLOURS}", line.name, f"{decimal(line.points[-1][1], chart.digits)} {chart.unit}")
        for number, line in enumerate(chart.lines)
        if line.points
    ]


def decimal(value: int, digits: int) -> str:
    """An integer of 10**-digits as text, without zeros at its end."""
    whole, fraction = divmod(abs(value), 10**digits)
    text = f"{whole:,}.{fraction:0{digits}d}".rstrip("0").rstrip(".") if digits else f"{whole:,}"
    return f"-{text}" if value < 0 else text


def value_ticks(low: int, high: int) -> list[int]:
    """Round figures from at or below the lowest value to at or above the highest; at least two."""
    high = max(high, low + 1)
    step = 1
    while (high - low) > TICKS * step:
        leading = int(str(step)[0])
        step = step * 2 if leading in (1, 5) else step * 5 // 2
    first, last = low // step * step, -(-high // step) * step
    return list(range(first, last + 1, step))


def time_ticks(low_ns: int, high_ns: int) -> list[int]:
    """Round moments in between, in nanoseconds."""
    low_s, high_s = -(-low_ns // 10**9), high_ns // 10**9
    span = max(high_s - low_s, 1)
    step = next((each for each in _STEPS_S if span <= 6 * each), -(-span // (6 * _DAY_S)) * _DAY_S)
    return [at * 10**9 for at in range(-(-low_s // step) * step, high_s + 1, step)]


def _value_axis(chart: Chart, ticks: Sequence[int], up: _Scale) -> Iterator[str]:
    for tick in ticks:
        y = _tenths(up.at(tick))
        yield f'<line x1="{LEFT // 10}" x2="{(WIDTH - RIGHT) // 10}" y1="{y}" y2="{y}" class="grid"/>'
        label = escape(decimal(tick, chart.digits))
        yield f'<text x="{LEFT // 10 - 6}" y="{y}" dy="4" class="tick end">{label}</text>'


def _time_axis(across: _Scale) -> Iterator[str]:
    ticks = time_ticks(across.low, across.high)
    days = len(ticks) > 1 and ticks[1] - ticks[0] >= _DAY_S * 10**9
    for tick in ticks:
        moment = datetime.fromtimestamp(tick // 10**9, UTC)
        label = f"{moment:%d %b}" if days else f"{moment:%H:%M:%S}" if tick // 10**9 % 60 else f"{moment:%H:%M}"
        x = _tenths(across.at(tick))
        yield f'<line x1="{x}" x2="{x}" y1="{FLOOR}" y2="{FLOOR + 4}" class="axis"/>'
        yield f'<text x="{x}" y="{FLOOR + 18}" class="tick middle">{label}</text>'


def _marks(marks: Sequence[Mark], across: _Scale) -> Iterator[str]:
    for mark in marks:
        if across.low <= mark.time_ns <= across.high:
            x = _tenths(across.at(mark.time_ns))
            yield f'<line x1="{x}" x2="{x}" y1="{TOP // 10}" y2="{FLOOR}" class="mark"/>'
            yield f'<text x="{x}" y="{TOP // 10 - 2}" class="tick middle">{escape(mark.label)}</text>'


def _path(line: Line, number: int, across: _Scale, up: _Scale) -> str:
    first, *rest = line.points
    steps = [f"M{_tenths(across.at(first[0]))} {_tenths(up.at(first[1]))}"]
    for time, value in rest:
        steps.append(f"H{_tenths(across.at(time))}V{_tenths(up.at(value))}")
    return f'<path d="{"".join(steps)}" class="line l{number % COLOURS}"/>'


def _tenths(value: int) -> str:
    whole, tenth = divmod(value, 10)
    return f"{whole}.{tenth}" if tenth else str(whole)
