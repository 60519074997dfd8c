"""Marks of many options at once, in floating point with an error bound: the integers of ``core.black76``, or nothing.

A value is computed in float64 together with a bound on how far the core's can lie from it. Where rounding both ends
gives one integer, that is the result; where it does not, floors are settled one by one, and what is still open goes to
the core. So no choice of processor, C library or numpy can change a result: it could only make this slower.
Only operations that IEEE 754 rounds correctly are used (+ - * / sqrt, comparisons, conversions); the tables come from
the core's integers. docs/MATHEMATICS.md derives the bounds. Imports numpy, core.black76 and core.fixedmath.
"""

from collections.abc import Sequence
from functools import cache
from math import factorial
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from exchange.core.black76 import SCALAR, black76_mark
from exchange.core.fixedmath import norm_cdf_bits, norm_pdf_bits
from exchange.core.units import WAD, Price, Wad

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_U: Final = 2.0**-53
_W: Final = 1e18
_CELLS_PER_UNIT: Final = 32  # of the table of Phi: centres every 1/32
_TABLE_END: Final = 9.0  # Phi(-9) is a tenth of 1e-18
_TABLE_BITS: Final = 256
_DEGREE: Final = 8
_LN_TERMS: Final = 13
_LN2: Final = 0.6931471805599453
_SQRT_HALF: Final = 0.7071067811865476
_LN_ERROR: Final = 2.0**-45  # of ln F - ln K, against the true value
_V_MIN: Final = 2.0**-14
_V_MAX: Final = 16.0
_RATIO_MAX: Final = 2.0**14  # of strike to forward
_FAR: Final = 8.8  # Phi(-8.8) is two thirds of 1e-18
_MOVE_MAX: Final = 2**52
_PRICE_MAX: Final = 2**49  # 562 million USDC, and exact as a double


class _Grid(NamedTuple):
    """Options out of the money, a row for each forward: calls below their strike, else puts."""

    forward: Ints
    strike: Ints
    side: Floats  # 1 for a call, -1 for a put
    vol: Floats
    v: Floats
    d1: Floats
    near: Floats  # probability that belongs to the forward
    far: Floats  # and to the strike
    inside: Flags  # where all of this holds; elsewhere the numbers mean nothing


class VectorPricer:
    """``core.black76.Pricer`` by numpy, about a hundred times as fast as the scalar one."""

    def calls(
        self, forwards: Sequence[Price], strikes: Sequence[Price], vols: Sequence[Sequence[Wad]], years: Wad
    ) -> list[list[Price]]:
        """As ``Pricer.calls``."""
        grid = _grid(forwards, strikes, vols, years)
        if grid is None:
            return SCALAR.calls(forwards, strikes, vols, years)
        value, error = _time_value(grid)
        low, high = np.ceil(np.maximum(value - error, 0.0)), np.ceil(np.maximum(value + error, 0.0))
        extra, is_open = high.astype(np.int64), low != high
        _settle(grid, extra, is_open)
        rows: list[list[Price]] = (np.maximum(grid.forward - grid.strike, 0) + extra).tolist()
        for row, column in np.argwhere(is_open | ~grid.inside).tolist():
            rows[row][column] = black76_mark(forwards[row], strikes[column], vols[row][column], years, is_call=True)
        return rows

    def gains(
        self, forward: Price, strikes: Sequence[Price], vols: Sequence[Wad], years: Wad, moves: Sequence[Price]
    ) -> list[list[Price]]:
        """As ``Pricer.gains``."""
        prices = (forward, *strikes)
        in_range = min(prices) > 0 and max(prices) <= _PRICE_MAX and all(abs(move) <= _MOVE_MAX for move in moves)
        if not strikes or not moves or not in_range or years <= 0:
            return SCALAR.gains(forward, strikes, vols, years, moves)
        found, is_open = _gains(forward, np.array(strikes, np.float64), np.array(vols, np.float64) / _W, years, moves)
        rows: list[list[Price]] = found.tolist()
        for row, column in np.argwhere(is_open).tolist():
            ((rows[row][column],),) = SCALAR.gains(forward, [strikes[column]], [vols[column]], years, [moves[row]])
        return rows


def _gains(forward: Price, strikes: Floats, vol: Floats, years: Wad, moves: Sequence[Price]) -> tuple[Ints, Flags]:
    """Gains, and which of them are open. Here an error of d1 counts in full, so its logarithm is taken of the ratio."""
    v = vol * np.sqrt(years / _W)
    ratio = forward / strikes
    inside = (v >= _V_MIN) & (v <= _V_MAX) & (ratio <= _RATIO_MAX) & (ratio * _RATIO_MAX >= 1)
    v = np.where(inside, v, 1.0)
    drift = _ln(np.where(inside, ratio, 1.0))
    d1 = drift / v + v * 0.5
    off = (_U * (4 + 3 * np.abs(drift)) + (1 / ratio + 2) / _W) / v + 1 / _W
    off += (np.abs(drift) / v + v) * (9 * _U + (vol + 1) / _W / v)
    delta, move = _phi(d1), np.array(moves, np.float64)[:, None]
    value, error = delta * move, (np.abs(move) * (6 * _U * delta + 0.4 * off + 2 / _W) + 2 * _U) * 1.1
    low, high = np.ceil(value - error), np.ceil(value + error)
    # Far out a delta is 0, and far in 1e-18 less than 1: less than that of any move, and rounded up.
    out, far_in = d1 + off < -_FAR, d1 - off > _FAR
    found = np.where(out, 0.0, np.where(far_in, move + (move < 0), high)).astype(np.int64)
    return found, ~(inside & (out | far_in | (low == high)))


def _grid(
    forwards: Sequence[Price], strikes: Sequence[Price], vols: Sequence[Sequence[Wad]], years: Wad
) -> _Grid | None:
    """The grid, or nothing where a price is out of range for all of it."""
    prices = (*forwards, *strikes)
    if not forwards or not strikes or min(prices) <= 0 or max(prices) > _PRICE_MAX or years <= 0:
        return None
    forward, strike = np.array(forwards, np.int64)[:, None], np.array(strikes, np.int64)[None, :]
    money, terms = forward.astype(np.float64), strike.astype(np.float64)
    vol = _table_of(vols) / _W
    v = vol * np.sqrt(years / _W)
    inside = (v >= _V_MIN) & (v <= _V_MAX) & (terms <= money * _RATIO_MAX)
    v = np.where(inside, v, 1.0)
    side = np.where(money < terms, 1.0, -1.0)
    d1 = (_ln(money) - _ln(terms)) / v + v * 0.5
    near, far = _phi(side * d1), _phi(side * (d1 - v))
    return _Grid(forward, strike, side, vol, v, d1, near, far, inside)


def _table_of(vols: Sequence[Sequence[Wad]]) -> Floats:
    """Rows as floats; a row that stands in several places is the same object, and is converted once."""
    rows: dict[int, Floats] = {}
    for row in vols:
        if id(row) not in rows:
            rows[id(row)] = np.array(row, np.float64)
    return np.stack([rows[id(row)] for row in vols])


def _time_value(grid: _Grid) -> tuple[Floats, Floats]:
    """What time adds to intrinsic value, in 1e-6 USDC, and how far the core's may lie from it.

    Each term of the bound is one of the derivation's, and a tenth is added to all.
    """
    owed, paid = grid.forward * grid.near, grid.strike * grid.far
    rounding = 12 * _U * (owed + paid)
    moved = (grid.forward + grid.strike) * (2.0**-58 + _U)
    steep = 2 * grid.forward * (2 * _U * grid.v + (grid.vol + 1) / _W)
    return (owed - paid) * grid.side, (rounding + moved + steep) * 1.1


def _settle(grid: _Grid, extra: Ints, is_open: Flags) -> None:
    """Marks far out of the money, where 1e-18 of a probability counts: take the core's floors, and its sum of them.

    Wherever both floors are certain the result is exact in 64-bit integers, and the cell is no longer open.
    """
    where = np.nonzero(is_open)
    forward, strike = (np.broadcast_to(column, is_open.shape)[where] for column in (grid.forward, grid.strike))
    vol, v, d1 = grid.vol[where], grid.v[where], grid.d1[where]
    # A floor must stay the same when its argument moves by as much as the core's may differ from ours.
    reach = np.abs(d1) + v
    slack = (2 * _LN_ERROR / v + (8 * _U + (vol + 1) / _W / v) * reach) * 10 + 2.0**-40
    counts, certain = [], np.ones(len(d1), np.bool_)
    for probability in (grid.near[where], grid.far[where]):
        scaled = probability * _W
        certain &= scaled * np.maximum(forward, strike) < 2.0**61
        scaled = np.where(certain, scaled, 0.0)
        low, high = np.floor(scaled * (1 - slack)), np.floor(scaled * (1 + slack))
        certain &= low == high
        counts.append(low.astype(np.int64))
    near, far = counts
    owed = np.where(grid.side[where] > 0, forward * near - strike * far, strike * (far + 1) - forward * (near + 1))
    extra[where] = np.where(certain, -(-np.maximum(owed, 0) // WAD), extra[where])
    is_open[where] = ~certain


def _ln(x: Floats) -> Floats:
    """Natural logarithm of numbers from 1 to 2**49, off by less than 2**-46: frexp, then 2 atanh((m-1)/(m+1))."""
    m, k = np.frexp(x)
    low = m < _SQRT_HALF
    m, k = np.where(low, m * 2, m), np.where(low, k - 1, k)
    z = (m - 1) / (m + 1)
    square = z * z
    total = np.full_like(z, 1 / (2 * _LN_TERMS - 1))
    for term in range(_LN_TERMS - 1, 0, -1):
        total = total * square + 1 / (2 * term - 1)
    found: Floats = 2 * z * total + k * _LN2
    return found


def _phi(x: Floats) -> Floats:
    """Phi by its Taylor series about the nearest centre of the table; relative to its value where x < 0."""
    held = np.minimum(np.maximum(x, -_TABLE_END), _TABLE_END)
    at = np.rint(held * _CELLS_PER_UNIT)
    step = held - at / _CELLS_PER_UNIT  # exact: neighbours
    cell = (at + _TABLE_END * _CELLS_PER_UNIT).astype(np.intp)
    rows = _table()
    total: Floats = rows[_DEGREE].take(cell)
    for row in rows[-2::-1]:
        total = total * step + row.take(cell)
    return total


@cache
def _table() -> tuple[Floats, ...]:
    """Taylor coefficients of Phi about each centre, lowest first, each the double nearest to its true value."""
    half = int(_TABLE_END) * _CELLS_PER_UNIT
    cells = [_coefficients(cell) for cell in range(-half, half + 1)]
    return tuple(np.array(column, np.float64) for column in zip(*cells, strict=True))


def _coefficients(cell: int) -> list[float]:
    """Phi(c), then phi(c) He_(n-1)(-c) / n!, by the Hermite polynomials He_(n+1)(y) = y He_n(y) - n He_(n-1)(y).

    All in integers, with 32**n He_n for He_n; the division at the end rounds correctly.
    """
    centre = cell * WAD // _CELLS_PER_UNIT
    (level, _), (density, _) = norm_cdf_bits(centre, _TABLE_BITS), norm_pdf_bits(centre, _TABLE_BITS)
    hermite = [1, -cell]
    for n in range(1, _DEGREE - 1):
        hermite.append(-cell * hermite[n] - n * _CELLS_PER_UNIT**2 * hermite[n - 1])
    slopes = [
        density * hermite[n - 1] / (factorial(n) * _CELLS_PER_UNIT ** (n - 1) << _TABLE_BITS)
        for n in range(1, _DEGREE + 1)
    ]
    return [level / (1 << _TABLE_BITS), *slopes]
