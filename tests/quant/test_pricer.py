"""The fast pricer gives the integers of the slow one: on any grid, and whatever the processor and the C library do."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import mpmath
import numpy as np
import pytest
from numpy._core import _multiarray_umath as dispatch
from risk_grids import Grid, chain, grids
from simulated_hour import Hour

from exchange.core.black76 import SCALAR, scaled_value
from exchange.core.units import USDC_ONE, WAD
from exchange.quant import pricer
from exchange.quant.pricer import VectorPricer

ROOT = Path(__file__).resolve().parents[2]
SOAK = os.environ.get("VERBATIM_SOAK") == "1"
FAST = VectorPricer()
DAYS = (0.02, 0.5, 2, 14, 90, 700)


@pytest.mark.parametrize("days", DAYS)
def test_a_chain_in_its_scenarios_has_the_marks_of_the_definition(days: float) -> None:
    for forward in (97_531 * USDC_ONE, 2_345_678_901, 1_234_567):
        grid = chain(forward, days, 100 if SOAK else 8)
        assert FAST.calls(*grid) == SCALAR.calls(*grid)


def test_any_grid_has_the_integers_of_the_definition() -> None:
    for grid in grids(20_000 if SOAK else 400):
        assert FAST.calls(*grid) == SCALAR.calls(*grid), grid


@pytest.mark.parametrize("days", DAYS)
def test_gains_along_a_delta_are_those_of_the_definition(days: float) -> None:
    forward = 97_531 * USDC_ONE
    _, strikes, vols, years = chain(forward, days, 100 if SOAK else 30)
    moves = [5 * forward, -forward, forward // 7, -1, 0, 1, 2**52]
    for row in vols[:3]:
        assert FAST.gains(forward, strikes, row, years, moves) == SCALAR.gains(forward, strikes, row, years, moves)


def test_any_gains_are_those_of_the_definition() -> None:
    rng = random.Random("verbatim gains")
    for grid in grids(20_000 if SOAK else 400):
        for forward, row in zip(grid.forwards, grid.vols, strict=True):
            moves = [rng.randint(-(10**16), 10**16) // 10 ** rng.randint(0, 15) for _ in range(3)]
            terms = forward, grid.strikes, row, grid.years, moves
            assert FAST.gains(*terms) == SCALAR.gains(*terms), terms


def test_hardly_any_gain_is_left_to_the_definition() -> None:
    forward = 97_531 * USDC_ONE
    left, options = 0, 0
    for days in (1, 3, 9, 30, 120):
        _, strikes, (row, *_), years = chain(forward, days, 400)
        terms = np.array(strikes, np.float64), np.array(row, np.float64) / 1e18, years, [5 * forward]
        left += int(pricer._gains(forward, *terms)[1].sum())
        options += len(strikes)
    assert left < options / 20


def test_a_grid_may_be_empty() -> None:
    assert FAST.gains(1, [], [], WAD, [1]) == SCALAR.gains(1, [], [], WAD, [1])
    assert FAST.gains(1, [1], [WAD], WAD, []) == []
    assert FAST.calls([], [1], [], WAD) == SCALAR.calls([], [1], [], WAD) == []
    assert FAST.calls([1], [], [[]], WAD) == SCALAR.calls([1], [], [[]], WAD) == [[]]


# -- the bound --------------------------------------------------------------------------------------------------------


def apart(grid: Grid) -> list[tuple[Fraction, Fraction]]:
    """Where the bound applies: how far the core's time value lies from ours, and how far it may."""
    made = pricer._grid(*grid)
    assert made is not None
    value, error = pricer._time_value(made)
    found = []
    for row, column in np.argwhere(made.inside).tolist():
        forward, strike = grid.forwards[row], grid.strikes[column]
        scaled = scaled_value(forward, strike, grid.vols[row][column], grid.years, is_call=forward < strike)
        ours = max(Fraction(float(value[row, column])), Fraction(0))
        found.append((abs(ours - Fraction(scaled, WAD)), Fraction(float(error[row, column]))))
    return found


def test_the_core_lies_well_within_the_bound() -> None:
    """Half of it at most, over everything a bound is claimed for; and the bound is not so wide as to decide nothing."""
    worst, decided, cells = Fraction(0), 0, 0
    for days in DAYS:
        for distance, bound in apart(chain(97_531 * USDC_ONE, days, 8)):
            worst = max(worst, distance / bound)
            decided += bound < Fraction(1, 500)
            cells += 1
    assert decided == cells
    usable = [grid for grid in grids(200) if pricer._grid(*grid) is not None]
    assert len(usable) > 50
    worst = max(worst, *(distance / bound for grid in usable for distance, bound in apart(grid)))
    assert Fraction(1, 50) < worst < Fraction(1, 2)


def test_without_its_bound_it_would_be_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tests above would say of a pricer that trusts its floats."""
    honest = pricer._time_value
    monkeypatch.setattr(pricer, "_time_value", lambda grid: (honest(grid)[0], honest(grid)[1] * 0))
    grid = chain(10**13, 30, 8)
    assert FAST.calls(*grid) != SCALAR.calls(*grid)


def test_most_cells_are_decided_at_once_and_some_at_each_later_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """On chains with far strikes: those worth nothing by their floors, hardly any by the definition."""
    asked, settled = [], []
    scalar, settle = pricer.black76_mark, pricer._settle

    def counted(*terms: int, is_call: bool) -> int:
        asked.append(terms)
        return scalar(*terms, is_call=is_call)

    def watched(grid: pricer._Grid, extra: pricer.Ints, is_open: pricer.Flags) -> None:
        before = int(is_open.sum())
        settle(grid, extra, is_open)
        settled.append(before - int(is_open.sum()))

    monkeypatch.setattr(pricer, "black76_mark", counted)
    monkeypatch.setattr(pricer, "_settle", watched)
    cells = 0
    for days in (1, 3, 9, 30, 120):
        grid = chain(97_531 * USDC_ONE, days, 60)
        FAST.calls(*grid)
        cells += len(grid.forwards) * len(grid.strikes)
    assert cells / 100 < sum(settled) < cells / 2
    assert 0 < len(asked) < cells / 500


def test_logarithm_and_distribution_are_as_exact_as_the_bound_takes_them_to_be() -> None:
    rng = random.Random("verbatim parts")
    prices = [1, 2, 3, 2**49, *(rng.randint(1, 2 ** rng.randint(1, 49)) for _ in range(500))]
    points = [-9.0, 0.0, 9.0, *(rng.uniform(-9, 9) for _ in range(2_000))]
    points += [cell / 64 for cell in range(-576, 577)]  # where one centre hands over to the next
    with mpmath.workprec(200):
        for price, ours in zip(prices, pricer._ln(np.array(prices, np.float64)).tolist(), strict=True):
            assert abs(mpmath.log(price) - ours) < mpmath.mpf(2) ** -46
        for x, ours in zip(points, pricer._phi(np.array(points)).tolist(), strict=True):
            true = mpmath.erfc(-mpmath.mpf(x) / mpmath.sqrt(2)) / 2
            slack = mpmath.mpf(2) ** -51 * true + mpmath.mpf(10) ** -20
            assert abs(true - ours) <= slack, x
            assert abs(true - ours) <= mpmath.mpf(2) ** -42 * true, x


# -- other machines ---------------------------------------------------------------------------------------------------


def fingerprint() -> str:
    """Of many marks, and of the very floats they were decided by."""
    digest = hashlib.sha256()
    for days in DAYS:
        grid = chain(97_531 * USDC_ONE, days, 40)
        digest.update(repr(FAST.calls(*grid)).encode())
        made = pricer._grid(*grid)
        assert made is not None
        for column in (made.d1, made.near, made.far, *pricer._time_value(made)):
            digest.update(column.tobytes())
    return digest.hexdigest()


ELSEWHERE = {
    "no vector instructions beyond the baseline": {"NPY_DISABLE_CPU_FEATURES": " ".join(dispatch.__cpu_dispatch__)},
    "a C library without AVX2 and FMA": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F,-AVX512VL"},
    "an old BLAS kernel": {"OPENBLAS_CORETYPE": "Nehalem"},
    "another hash seed": {"PYTHONHASHSEED": "12345"},
}


def printed(name: str, *arguments: str) -> str:
    """What a program prints elsewhere."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **ELSEWHERE[name]}
    command = [sys.executable, "-W", "ignore", *arguments]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.parametrize("name", ELSEWHERE)
def test_other_processors_and_libraries_give_the_same_bits(name: str) -> None:
    script = "import sys; sys.path.insert(0, 'tests/quant'); import test_pricer; print(test_pricer.fingerprint())"
    assert printed(name, "-c", script) == fingerprint()


@pytest.fixture(scope="module")
def by_definition() -> str:
    """The digests of the hour with every price from the core's own functions."""
    return Hour(SCALAR).run()


def test_an_hour_priced_fast_is_the_hour_priced_by_the_definition(by_definition: str) -> None:
    assert Hour(FAST).run() == by_definition


@pytest.mark.parametrize("name", ELSEWHERE)
def test_an_hour_of_the_market_ends_in_the_same_digest_everywhere(name: str, by_definition: str) -> None:
    assert printed(name, "tests/quant/simulated_hour.py") == by_definition
