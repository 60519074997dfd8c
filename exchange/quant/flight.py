"""How often the time-of-flight buffer would have been exceeded: recorded or drawn prices against its design quantile.

A price is used ``latency`` after it was taken; the buffer must cover what it moved meanwhile. Widths come from the same
integers that margin uses. Imports numpy, scipy, core.parameters and core.risk_models.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from exchange.core.parameters import BufferRule
from exchange.core.risk_models import buffer
from exchange.core.units import WAD
from exchange.quant.paths import YEAR_S, Floats, Grid, Jumps

Ints = npt.NDArray[np.int64]

LATENCIES_S: Final = (1, 2, 5, 12, 30, 60, 120, 300)


class Prices(NamedTuple):
    """A price at each of equally distant moments, ``step_s`` apart: the last one known by then."""

    name: str
    step_s: int
    values: Floats


class Rule(NamedTuple):
    """A buffer by its yearly stress vol and number of deviations; a vol of 0 stands for that of the sample."""

    vol: float
    deviations: float


RULES: Final = (Rule(0.0, 3.09), Rule(0.6, 3.09), Rule(1.5, 3.09), Rule(3.0, 4.0))


class Exceeded(NamedTuple):
    """One line of the table. Shares are of all moments; ``worst`` is the largest move, as a share of the price."""

    latency_s: int
    rule: Rule
    width: float
    moments: int
    share: float
    design: float
    worst: float
    with_publisher: float  # share still exceeded with a publisher's threshold of 0.25 % added


_PUBLISHER: Final = WAD // 400


def on_grid(name: str, times_ms: Ints, prices: Floats, step_s: int) -> Prices:
    """Irregular prices brought onto a grid of whole steps: each moment has the last price known by then."""
    first, last = -(-int(times_ms[0]) // (1_000 * step_s)), int(times_ms[-1]) // (1_000 * step_s)
    moments = np.arange(first, last + 1, dtype=np.int64) * step_s * 1_000
    places = np.searchsorted(times_ms, moments, side="right") - 1
    return Prices(name, step_s, prices[places])


def moves(prices: Prices, latency_s: int) -> Floats:
    """Size of the move over the latency, from each moment; as a share of the price used."""
    shift = latency_s // prices.step_s
    return np.asarray(np.abs(prices.values[shift:] / prices.values[:-shift] - 1.0), dtype=np.float64)


def yearly_vol(prices: Prices) -> float:
    """Realised vol of the sample, by its own steps."""
    logs = np.diff(np.log(prices.values))
    return float(np.sqrt(np.mean(logs * logs) * YEAR_S / prices.step_s))


def width_of(rule: Rule, vol: float, latency_s: int, publisher: int = 0) -> float:
    """The buffer as margin has it: of a price of one moment, by a sure oracle, with no allowance for jumps."""
    terms = BufferRule(round(vol * WAD), round(rule.deviations * WAD), 0, publisher, 0, 0)
    return buffer.width(terms, latency_s, WAD) / WAD


def design(rule: Rule) -> float:
    """Share of moves beyond the buffer on both sides, were moves normal at the vol of the rule."""
    return float(2 * ndtr(-rule.deviations))


def back_test(
    prices: Prices, latencies: tuple[int, ...] = LATENCIES_S, rules: tuple[Rule, ...] = RULES
) -> list[Exceeded]:
    """Every latency the prices are fine enough for, by every rule."""
    table = []
    realised = yearly_vol(prices)
    for latency_s in latencies:
        if latency_s % prices.step_s or latency_s // prices.step_s >= len(prices.values):
            continue
        seen = moves(prices, latency_s)
        for rule in rules:
            vol = rule.vol or realised
            width = width_of(rule, vol, latency_s)
            wide = width_of(rule, vol, latency_s, _PUBLISHER)
            table.append(
                Exceeded(
                    latency_s,
                    rule._replace(vol=vol),
                    width,
                    len(seen),
                    float(np.mean(seen > width)),
                    design(rule),
                    float(seen.max()),
                    float(np.mean(seen > wide)),
                )
            )
    return table


def twin(seed: int = 1) -> list[Prices]:
    """Two drawn recordings, a month of minutes and a day of seconds with a fall in it: what stands in for real ones."""
    month = Jumps(0.6, 40.0, -0.002, 0.02).draw(Grid(1, 31 * 1_440, 60.0), seed)[0]
    storm = Jumps(1.2, 3_000.0, -0.001, 0.008).draw(Grid(1, 86_400, 1.0), seed + 1)[0]
    return [
        Prices("twin: a month of minutes", 60, 50_000 * month),
        Prices("twin: a day of seconds", 1, 120_000 * storm),
    ]
