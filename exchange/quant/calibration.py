"""Fitting SVI slices to quotes: floats that propose, integers that are judged.

Zeliade's quasi-explicit idea: for a given centre and width of the hyperbola the other three parameters are a linear
least squares problem with box bounds, so only two dimensions are searched, with a penalty on arbitrage. Where that
family holds no slice that is clean throughout, the best one is moved towards a clean one, no further than needed. What
comes out is rounded to the integers of ``core.surface`` and inspected there; a slice that fails is never proposed.
Imports core.surface, numpy, scipy. Source: reference quant 2.3 (De Marco and Martini for the reduction).
"""

from collections.abc import Iterator
from itertools import product
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, NonlinearConstraint, lsq_linear, minimize

from exchange.core.surface import GRID, PRICED_DEVIATIONS, Finding, Slice, inspect
from exchange.core.units import WAD, Price, Wad

Floats = npt.NDArray[np.float64]

QUOTES_MIN: Final = 5  # as many as a slice has parameters
_GRID: Final = np.array(GRID) / WAD
_PRICED: Final = 1.1 * PRICED_DEVIATIONS  # a little wider than inspection looks
_MARGIN: Final = 1e-4  # density, and relative gain of variance, that the fit aims at: rounding cannot take that much
_SLOPE: Final = 1.999
_RHO: Final = 0.9999
_PENALTY: Final = 10.0  # of a missing density or variance, beside squared errors of 1e-5: linear, so it is exact
_WIDER: Final = 1.3
_WIDTHS: Final = (0.3, 1.0, 3.0)
_CENTRES: Final = (-0.5, 0.5)  # both in deviations at the money


class Smile(NamedTuple):
    """Quotes of one expiry: strikes and forward in USDC, vols of 1.00 a year, weights (vega, or 1 / spread)."""

    strikes: Floats
    vols: Floats
    weights: Floats
    forward: float
    years: float


class Fit(NamedTuple):
    """A proposed slice with the weighted rms of its error in vol, or the fault that kept it from being proposed."""

    cut: Slice | None
    error: float
    fault: Finding | None


class _Shape(NamedTuple):
    a: float
    b: float
    rho: float
    m: float
    sigma: float

    def variance(self, k: Floats) -> Floats:
        away = k - self.m
        return np.asarray(self.a + self.b * (self.rho * away + np.sqrt(away * away + self.sigma * self.sigma)))


def fit(smile: Smile, earlier: Slice | None = None) -> Fit:
    """The best slice without arbitrage, by itself and after the expiry before it.

    Raises ValueError on fewer quotes than parameters.
    """
    if len(smile.strikes) < QUOTES_MIN:
        raise ValueError(f"a slice has {QUOTES_MIN} parameters, {len(smile.strikes)} quotes cannot fix them")
    problem = _Problem(smile, earlier)
    fault: Finding | None = None
    for shape in problem.proposals():
        cut = _quantised(shape, smile)
        found = inspect(cut, earlier)
        if found is None:
            return Fit(cut, problem.error(shape), None)
        fault = fault or found
    return Fit(None, float("nan"), fault)


def fit_all(smiles: list[Smile], kept: list[Slice | None] | None = None) -> list[Fit]:
    """Slices of several expiries, soonest first, each fitted after the one before it that passed.

    Where a fit fails, the last good slice of that expiry (``kept``) stands for the calendar condition of the next.
    """
    fits: list[Fit] = []
    earlier: Slice | None = None
    for number, smile in enumerate(smiles):
        found = fit(smile, earlier)
        fits.append(found)
        earlier = found.cut or (kept[number] if kept else None) or earlier
    return fits


class _Problem:
    """Weighted least squares in total variance, with a penalty on what inspection would refuse."""

    def __init__(self, smile: Smile, earlier: Slice | None) -> None:
        self.k = np.log(smile.strikes / smile.forward)
        self.vols, self.years = smile.vols, smile.years
        self.w = smile.vols**2 * smile.years
        self.weights = smile.weights / smile.weights.sum()
        self.scale = float((self.weights * self.w).sum())
        self.earlier = _floats(earlier) if earlier is not None else _Shape(self.scale, 0.0, 0.0, 0.0, self.scale**0.5)
        self.least = self.earlier.variance(_GRID) if earlier is not None else np.zeros_like(_GRID)

    def proposals(self) -> Iterator[_Shape]:
        """The closest hyperbola, the closest one beside it without arbitrage, and the closest one beside a safe one."""
        closest = self.closest()
        yield closest
        yield self.corrected(closest)
        yield self.corrected(self.safe())

    def closest(self) -> _Shape:
        """The best of several starts, for the search is not convex."""
        spread = float(np.sqrt(self.scale))
        starts = [np.array([at * spread, np.log(width * spread)]) for width, at in product(_WIDTHS, _CENTRES)]
        found = [minimize(self._cost, start, method="Nelder-Mead", options={"maxiter": 150}) for start in starts]
        return self._shape(*min(found, key=lambda result: float(result.fun)).x)

    def safe(self) -> _Shape:
        """The slice of the expiry before, grown to this variance; a flat one for the first expiry."""
        there = float(self.earlier.variance(np.zeros(1))[0])
        grown = max(self.scale / there, 1 + 4 * _MARGIN)
        return self.earlier._replace(a=self.earlier.a * grown, b=self.earlier.b * grown)

    def corrected(self, shape: _Shape) -> _Shape:
        """The closest slice without arbitrage in all five parameters that a search from here finds.

        Where options have a price is settled at the start, generously, or the conditions would come and go. Parameters
        are measured so that the search sees numbers near 1.
        """
        seen = (_WIDER * _PRICED) ** 2 * np.maximum(shape.variance(_GRID), 0.0) >= _GRID * _GRID
        units = np.array([self.scale, self.scale**0.5, 1.0, self.scale**0.5, self.scale**0.5])

        def shape_at(point: Floats) -> _Shape:
            return _Shape(*(point * units).tolist())

        def miss(point: Floats) -> float:
            return self._miss(shape_at(point))

        def room(point: Floats) -> Floats:
            return self._room(shape_at(point), seen)

        start: Floats = np.array(shape) / units
        least, most = [-np.inf, 0.0, -_RHO, -np.inf, 1e-3], [np.inf, _SLOPE / float(units[1]), _RHO, np.inf, np.inf]
        clean = NonlinearConstraint(room, 0.0, np.inf)
        found = minimize(miss, start, method="SLSQP", bounds=Bounds(least, most), constraints=clean, tol=1e-10)
        return shape_at(found.x)

    def error(self, shape: _Shape) -> float:
        """Weighted rms of vol errors."""
        vols = np.sqrt(np.maximum(shape.variance(self.k), 0.0) / self.years)
        return float(np.sqrt((self.weights * (vols - self.vols) ** 2).sum()))

    def _cost(self, point: Floats) -> float:
        shape = self._shape(float(point[0]), float(point[1]))
        w = shape.variance(_GRID)
        seen = _PRICED**2 * np.maximum(w, 0.0) >= _GRID * _GRID
        return self._miss(shape) - _PENALTY * float(np.minimum(self._room(shape, seen), 0.0).sum())

    def _miss(self, shape: _Shape) -> float:
        """Weighted squared error, in variances at the money."""
        misses = (shape.variance(self.k) - self.w) / self.scale
        return float((self.weights * misses * misses).sum())

    def _room(self, shape: _Shape, seen: npt.NDArray[np.bool_]) -> Floats:
        """What must not be negative: Lee's bound, and density and calendar where options have a price."""
        w = shape.variance(_GRID)
        steep = np.array([_SLOPE - shape.b * (1 + abs(shape.rho))])
        rise = (w - self.least) / self.scale - _MARGIN
        return np.concatenate([steep, (_density(shape, w) - _MARGIN)[seen], rise[seen]])

    def _shape(self, m: float, log_sigma: float) -> _Shape:
        """The best slice of this centre and width: bounds are those of a hyperbola whose wings Lee allows."""
        sigma = float(np.exp(np.clip(log_sigma, -12.0, 2.0)))
        y = (self.k - m) / sigma
        root = np.sqrt(y * y + 1.0)
        a, up, down = _bounded(np.column_stack([np.ones_like(y), (root + y) / 2, (root - y) / 2]), self, _SLOPE * sigma)
        c, d = (up + down) / 2, (up - down) / 2
        rho = d / c if c > 0 else 0.0
        return _Shape(a, c / sigma, float(np.clip(rho, -_RHO, _RHO)), m, sigma)


def _bounded(columns: Floats, problem: _Problem, most: float) -> list[float]:
    """Weighted least squares with both wings between 0 and ``most``."""
    roots = np.sqrt(problem.weights)
    bounds = ([-np.inf, 0.0, 0.0], [np.inf, most, most])
    return list(lsq_linear(columns * roots[:, None], problem.w * roots, bounds, method="bvls").x)


def _density(shape: _Shape, w: Floats) -> Floats:
    """Durrleman's condition on the grid; where there is no variance, as wrong as can be."""
    away = _GRID - shape.m
    root = np.sqrt(away * away + shape.sigma * shape.sigma)
    safe = np.where(w > 1e-9, w, 1.0)
    slope = shape.b * (shape.rho + away / root)
    bend = shape.b * shape.sigma**2 / root**3
    g = (1 - _GRID * slope / (2 * safe)) ** 2 - slope**2 / 4 * (1 / safe + 0.25) + bend / 2
    return np.asarray(np.where(w > 1e-9, g, -1.0 + w))


def _floats(cut: Slice) -> _Shape:
    return _Shape(cut.a / WAD, cut.b / WAD, cut.rho / WAD, cut.m / WAD, cut.sigma / WAD)


def _quantised(shape: _Shape, smile: Smile) -> Slice:
    a, b, rho, m, sigma = (_wad(value) for value in shape)
    return Slice(a, b, rho, m, sigma, _usdc(smile.forward), _wad(smile.years))


def _wad(value: float) -> Wad:
    return round(value * WAD)


def _usdc(value: float) -> Price:
    return round(value * 10**6)
