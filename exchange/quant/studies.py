"""What only a simulation can price: an option on the settlement average, and the rules of hedging side by side.

Floats that advise. Money in units of the forward at the start unless said otherwise. Imports numpy, paths.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from scipy.special import ndtr

from exchange.quant.paths import YEAR_S, Diffusion, Floats, Grid, Model

WINDOW_S: Final = 1_800.0  # of the settlement average


class Estimate(NamedTuple):
    """A mean over paths and its standard error."""

    mean: float
    error: float


def black_call(forward: Floats | float, strike: float, vol: float, years: float) -> Floats:
    """Undiscounted calls; vol and years above zero."""
    forwards = np.asarray(forward, dtype=np.float64)
    v = vol * np.sqrt(years)
    d1 = np.log(forwards / strike) / v + v / 2
    return np.asarray(forwards * ndtr(d1) - strike * ndtr(d1 - v), dtype=np.float64)


def _call_delta(forward: Floats, strike: float, vol: float, years: float) -> Floats:
    v = vol * np.sqrt(years)
    return np.asarray(ndtr(np.log(forward / strike) / v + v / 2), dtype=np.float64)


def _gamma(forward: Floats, strike: float, vol: float, years: float) -> Floats:
    v = vol * np.sqrt(years)
    d1 = np.log(forward / strike) / v + v / 2
    return np.asarray(np.exp(-d1 * d1 / 2) / np.sqrt(2 * np.pi) / (forward * v), dtype=np.float64)


# -- settlement -------------------------------------------------------------------------------------------------------


def settlement_call(model: Model, strike: float, seconds: float, paths: int, seed: int, averages: int = 60) -> Estimate:
    """A call on the mean price of the half hour before expiry, as expiries settle; at least that half hour away.

    The way to the window is one step for the diffusion, whose steps need no refinement, and 200 for the others.
    """
    before = 1 if isinstance(model, Diffusion) else 200
    lead = seconds - WINDOW_S
    spots = np.ones(paths)
    if lead > 0:
        spots = model.draw(Grid(paths, before, lead / before), seed)[:, -1]
    window = model.draw(Grid(paths, averages, WINDOW_S / averages), seed + 1)
    mean = (window[:, :-1] + window[:, 1:]).mean(axis=1) / 2  # trapezium: the mean of a path, not of its left ends
    payoff = np.maximum(spots * mean - strike, 0.0)
    return Estimate(float(payoff.mean()), float(payoff.std() / np.sqrt(paths)))


def settlement_by_formula(vol: float, strike: float, seconds: float) -> float:
    """The same by Black-76 with two thirds of the window taken off the time."""
    return float(black_call(1.0, strike, vol, (seconds - 2 * WINDOW_S / 3) / YEAR_S))


# -- hedging ----------------------------------------------------------------------------------------------------------


class HedgeStudy(NamedTuple):
    """Of one rule: deviation of what hedging made, mean cost and mean number of trades; USDC for one contract."""

    rule: str
    deviation: float
    cost: float
    trades: float


Rule = Callable[[int, Floats, Floats, Floats], Floats]
"""Step, hedge held, hedge that would be exact, gamma: the hedge to hold."""


def every(steps: int) -> Rule:
    """All the way, each so many steps."""
    return lambda step, held, exact, _gamma: exact if step % steps == 0 else held


def band(aversion: float, cost: float, forward: float, *, to_edge: bool = True) -> Rule:
    """Whalley and Wilmott: to the edge of the band, or to its centre."""

    def rule(step: int, held: Floats, exact: Floats, gamma: Floats) -> Floats:
        if step == 0:
            return exact
        half = np.cbrt(1.5 * cost * forward * gamma**2 / aversion)
        gap = held - exact
        target = exact + np.sign(gap) * half if to_edge else exact
        return np.where(np.abs(gap) > half, target, held)

    return rule


def study_hedging(
    model: Model, rules: dict[str, Rule], paths: int, seed: int, cost: float = 5e-4, forward: float = 100_000.0
) -> list[HedgeStudy]:
    """Short one 30-day call at the money at 60 vol, delta by Black-76, steps of a quarter of an hour."""
    grid, vol = Grid(paths, 30 * 96, 900.0), 0.6
    spots = forward * model.draw(grid, seed)
    results = []
    for name, rule in rules.items():
        held, made = np.zeros(paths), np.zeros(paths)
        paid, trades = np.zeros(paths), np.zeros(paths)
        for step in range(grid.steps):
            spot, years = spots[:, step], (grid.steps - step) * grid.step
            wanted = rule(step, held, _call_delta(spot, forward, vol, years), _gamma(spot, forward, vol, years))
            change = np.abs(wanted - held)
            paid, trades, held = paid + cost * change * spot, trades + (change > 0), wanted
            made += held * (spots[:, step + 1] - spot)
        paid += cost * held * spots[:, -1]  # the hedge is closed at the end
        made -= np.maximum(spots[:, -1] - forward, 0.0)
        results.append(HedgeStudy(name, float(made.std()), float(paid.mean()), float(trades.mean())))
    return results
