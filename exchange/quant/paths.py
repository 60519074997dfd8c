"""Paths of prices by three models, from a seed: the same seed and sizes give the same paths.

Spot starts at one and has no drift (a forward under its own measure). Units: years, vol 1.00. Imports numpy.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

YEAR_S: Final = 31_536_000.0


class Grid(NamedTuple):
    """So many paths of so many steps of equal length in seconds."""

    paths: int
    steps: int
    step_s: float

    @property
    def step(self) -> float:
        """Length of a step in years."""
        return self.step_s / YEAR_S


class Diffusion(NamedTuple):
    """Geometric Brownian motion."""

    vol: float

    def draw(self, grid: Grid, seed: int) -> Floats:
        """Spots at the start and after each step: paths x (steps + 1)."""
        chance = np.random.default_rng(seed)
        moves = self.vol * np.sqrt(grid.step) * chance.standard_normal((grid.paths, grid.steps))
        return _from_logs(moves - self.vol**2 * grid.step / 2)


class Jumps(NamedTuple):
    """Diffusion and jumps: so many a year, each normal in the logarithm."""

    vol: float
    yearly: float
    mean: float
    deviation: float

    def draw(self, grid: Grid, seed: int) -> Floats:
        """Spots as of ``Diffusion.draw``; the drift takes back what jumps add in the mean."""
        chance = np.random.default_rng(seed)
        shape = (grid.paths, grid.steps)
        moves = self.vol * np.sqrt(grid.step) * chance.standard_normal(shape)
        count = chance.poisson(self.yearly * grid.step, shape)
        jumps = count * self.mean + np.sqrt(count) * self.deviation * chance.standard_normal(shape)
        gain = float(np.expm1(self.mean + self.deviation**2 / 2))
        return _from_logs(moves + jumps - (self.vol**2 / 2 + self.yearly * gain) * grid.step)


class Heston(NamedTuple):
    """Variance that returns to a mean, and moves against the price."""

    variance: float
    mean_variance: float
    speed: float
    vol_of_variance: float
    correlation: float

    def draw(self, grid: Grid, seed: int) -> Floats:
        """Spots as of ``Diffusion.draw``. Full truncation: a variance below zero counts as none and drifts back."""
        chance = np.random.default_rng(seed)
        root, other = np.sqrt(grid.step), np.sqrt(1 - self.correlation**2)
        moves = np.empty((grid.paths, grid.steps))
        variance = np.full(grid.paths, self.variance)
        for step in range(grid.steps):
            first, second = chance.standard_normal((2, grid.paths))
            seen = np.maximum(variance, 0.0)
            moves[:, step] = np.sqrt(seen) * root * first - seen * grid.step / 2
            drift = self.speed * (self.mean_variance - seen) * grid.step
            variance = (
                variance
                + drift
                + self.vol_of_variance * np.sqrt(seen) * root * (self.correlation * first + other * second)
            )
        return _from_logs(moves)


Model = Diffusion | Jumps | Heston

CALM: Final = Diffusion(0.6)
JUMPY: Final = Jumps(0.5, 20.0, -0.01, 0.06)
STORM: Final = Jumps(1.5, 365.0, -0.02, 0.08)
CLUSTERED: Final = Heston(0.36, 0.36, 4.0, 1.2, -0.5)


def _from_logs(moves: Floats) -> Floats:
    start = np.zeros((moves.shape[0], 1))
    return np.asarray(np.exp(np.concatenate([start, np.cumsum(moves, axis=1)], axis=1)), dtype=np.float64)
