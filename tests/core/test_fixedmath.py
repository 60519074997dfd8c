"""exp, ln, Phi and phi against mpmath: each must be floor(true value * 1e18), to the last digit.

mpmath works with 90 digits here, the code under test with 38 and more; a point whose floor the two decide differently is
an error of ours. No tolerance is needed.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any

import mpmath
import pytest
from core_profiles import SOAK
from core_truth import exactly, true_cdf, true_exp, true_ln, true_pdf, true_sqrt

from exchange.core import fixedmath as fx
from exchange.core.units import U64_MAX, WAD

POINTS = 800
LONG = 100_000
# 1e-18, 2e-18, ... around every place where the code changes its mind.
NEAR = (-2, -1, 0, 1, 2)
soak = [pytest.mark.soak, pytest.mark.skipif(not SOAK, reason="soak: run make soak"), pytest.mark.timeout(3_600)]


Draw = Callable[[random.Random], int]
FUNCTIONS: dict[str, tuple[Callable[[int], int], Callable[[int], int], tuple[Draw, ...], tuple[int, ...]]] = {
    "exp": (
        fx.exp_wad,
        true_exp,
        (
            lambda rng: rng.randint(-45 * WAD, 50 * WAD),
            lambda rng: rng.randint(-2 * WAD, 2 * WAD),
            lambda rng: rng.choice((-1, 1)) * rng.randint(1, 10 ** rng.randint(1, 18)),
        ),
        (0, WAD, -WAD, -41 * WAD, -42 * WAD, 50 * WAD - 2, 693147180559945309, -693147180559945309),
    ),
    "ln": (
        fx.ln_wad,
        true_ln,
        (
            lambda rng: rng.randint(1, 10 ** rng.randint(1, 40)),
            lambda rng: WAD + rng.randint(-(10**12), 10**12),
            lambda rng: rng.randint(WAD // 4, 4 * WAD),
        ),
        (3, WAD, 2 * WAD, WAD // 2, 10 * WAD, U64_MAX * WAD),
    ),
    "norm_cdf": (
        fx.norm_cdf_wad,
        true_cdf,
        (
            lambda rng: rng.randint(-10 * WAD, 10 * WAD),
            lambda rng: rng.randint(-3 * WAD, 3 * WAD),
            lambda rng: rng.choice((-1, 1)) * rng.randint(1, 10 ** rng.randint(1, 18)),
        ),
        (0, WAD, -WAD, 6 * WAD, -6 * WAD, 37 * WAD // 4, -37 * WAD // 4, 12 * WAD, -12 * WAD),
    ),
    "norm_pdf": (
        fx.norm_pdf_wad,
        true_pdf,
        (lambda rng: rng.randint(-16 * WAD, 16 * WAD), lambda rng: rng.randint(-3 * WAD, 3 * WAD)),
        (0, WAD, -WAD, 9 * WAD, 15 * WAD, -15 * WAD),
    ),
    "sqrt": (
        fx.sqrt_wad,
        true_sqrt,
        (lambda rng: rng.randint(0, 10 ** rng.randint(1, 40)),),
        (2, WAD, 4 * WAD, WAD // 365, WAD // 4),
    ),
}


def points(name: str, count: int) -> Iterator[int]:
    """The boundaries with their neighbours, then points drawn in turn from each range of interest."""
    *_, draws, boundaries = FUNCTIONS[name]
    for boundary in boundaries:
        yield from (boundary + step for step in NEAR)
    rng = random.Random(f"verbatim {name}")
    for number in range(count):
        yield draws[number % len(draws)](rng)


def assert_floors(name: str, count: int) -> None:
    ours, true, *_ = FUNCTIONS[name]
    with exactly():
        for x in points(name, count):
            assert ours(x) == true(x), f"{name}_wad({x})"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_is_the_floor_of_the_true_value(name: str) -> None:
    assert_floors(name, POINTS)


@pytest.mark.parametrize("name", [pytest.param(name, marks=soak) for name in FUNCTIONS])
def test_it_is_the_floor_of_the_true_value_at_a_hundred_thousand_points(name: str) -> None:
    assert_floors(name, LONG)


def test_the_two_constants_are_those_of_mathematics() -> None:
    with mpmath.workdps(200):
        assert int(mpmath.floor(mpmath.log(2) * 2**512)) == fx._LN2
        assert int(mpmath.floor(2**512 / mpmath.sqrt(2 * mpmath.pi))) == fx._INV_SQRT_2PI


# -- error bounds -----------------------------------------------------------------------------------------------------

# name -> (approximation, true value of an argument given as a number, range of its arguments)
APPROXIMATIONS: dict[str, tuple[Callable[[int, int], tuple[int, int]], Callable[[Any], Any], tuple[int, int]]] = {
    "exp": (fx.exp_bits, mpmath.exp, (-42 * WAD, 50 * WAD)),
    "ln": (fx.ln_bits, mpmath.log, (1, U64_MAX * WAD)),
    "pdf": (fx.norm_pdf_bits, mpmath.npdf, (-10 * WAD, 10 * WAD)),
    "cdf": (fx.norm_cdf_bits, lambda z: mpmath.erfc(-z / mpmath.sqrt(2)) / 2, (-10 * WAD, 10 * WAD)),
}


def spread(low: int, high: int, count: int) -> Iterator[int]:
    """The ends, evenly drawn points, and points near zero or near one of every size."""
    rng = random.Random(f"verbatim bounds {low}")
    yield from (low, high)
    for _ in range(count):
        yield rng.randint(low, high)
        near = rng.randint(-(10 ** rng.randint(1, 18)), 10 ** rng.randint(1, 18))
        yield from (x for x in (near, WAD + near) if low <= x <= high)


@pytest.mark.parametrize("bits", fx._STAGES)
@pytest.mark.parametrize("name", APPROXIMATIONS)
def test_an_approximation_lies_within_its_stated_bound(name: str, bits: int) -> None:
    """Within a third of it, which is the room that the derivation leaves."""
    approximate, true, (low, high) = APPROXIMATIONS[name]
    with mpmath.workprec(bits + 200):
        for x in spread(low, high, 60):
            value, error = approximate(x, bits)
            apart = abs(value - true(mpmath.mpf(x) / WAD) * mpmath.mpf(2) ** bits)
            assert apart <= max(mpmath.mpf(error) / 3, 2), f"{name}({x}) with {bits} bits: {apart} of {error}"


@pytest.mark.parametrize("x", [1, -1, 2, -2])
def test_where_the_first_stage_cannot_tell_the_second_does(x: int) -> None:
    """e**(1e-18) is 1 + 1e-18 + 0.5e-36: half of 1e-18 of a unit above a whole number, closer than 128 bits reach."""
    value, error = fx.exp_bits(x, 128)
    assert (value - error) * WAD >> 128 != (value + error) * WAD >> 128
    assert fx.exp_wad(x) == WAD + x
    value, error = fx.ln_bits(WAD + x, 128)
    assert (value - error) * WAD >> 128 != (value + error) * WAD >> 128
    assert fx.ln_wad(WAD + x) == x - 1


def test_a_floor_that_no_stage_can_tell_is_refused() -> None:
    asked = []

    def whole(x: int, bits: int) -> tuple[int, int]:
        asked.append(bits)
        return x << bits, 1

    with pytest.raises(fx.UndecidedError, match="the floor at 7"):
        fx._floor(whole, 7)
    assert asked == [128, 256, 512]


def test_exact_points_are_exact() -> None:
    assert fx.ln_wad(WAD) == 0
    assert fx.exp_wad(0) == WAD
    assert fx.norm_cdf_wad(0) == WAD // 2
    assert [fx.sqrt_wad(n * n * WAD) for n in (0, 1, 2, 1_000)] == [0, WAD, 2 * WAD, 1_000 * WAD]


def test_outside_its_domain_it_refuses_or_has_reached_its_limit() -> None:
    with pytest.raises(fx.DomainError, match="-1"):
        fx.sqrt_wad(-1)
    for x in (0, -1):
        with pytest.raises(fx.DomainError, match="positive argument"):
            fx.ln_wad(x)
    with pytest.raises(fx.DomainError, match="at most 50"):
        fx.exp_wad(50 * WAD + 1)
    assert fx.exp_wad(-(10**30)) == 0
    assert (fx.norm_cdf_wad(-(10**30)), fx.norm_cdf_wad(10**30)) == (0, WAD - 1)
    assert fx.norm_pdf_wad(10**30) == fx.norm_pdf_wad(-(10**30)) == 0


def test_phi_is_symmetric_and_never_falls() -> None:
    rng = random.Random("verbatim symmetry")
    drawn = sorted(rng.randint(1, 10 * WAD) for _ in range(300))
    values = [fx.norm_cdf_wad(x) for x in drawn]
    assert values == sorted(values)
    for x, value in zip(drawn, values, strict=True):
        assert value + fx.norm_cdf_wad(-x) == WAD - 1  # two floors of irrational numbers that sum to one
