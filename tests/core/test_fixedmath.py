"""exp, ln, Phi, phi and Black-76 against mpmath: each must be floor(true value * 1e18), to the last digit.

mpmath works with 90 digits here, the code under test with 58; a point whose floor the two decide differently is an error
of ours. No tolerance is needed.
"""

import random
from collections.abc import Callable, Iterator

import mpmath
import pytest
from core_profiles import SOAK

from exchange.core import fixedmath as fx
from exchange.core.units import U64_MAX, WAD

POINTS = 800
LONG = 100_000
DIGITS = 90
# 1e-18, 2e-18, ... around every place where the code changes its mind.
NEAR = (-2, -1, 0, 1, 2)
soak = [pytest.mark.soak, pytest.mark.skipif(not SOAK, reason="soak: run make soak"), pytest.mark.timeout(3_600)]


def floor_wad(value: mpmath.mpf) -> int:
    return int(mpmath.floor(value * WAD))


def true_exp(x: int) -> int:
    return floor_wad(mpmath.exp(mpmath.mpf(x) / WAD))


def true_ln(x: int) -> int:
    return floor_wad(mpmath.log(mpmath.mpf(x) / WAD))


def true_cdf(x: int) -> int:
    # erfc keeps its digits in the lower tail; the upper tail is one minus it, exact in 90 digits.
    z = mpmath.mpf(abs(x)) / WAD
    tail = mpmath.erfc(z / mpmath.sqrt(2)) / 2
    return floor_wad(1 - tail if x > 0 else tail)


def true_pdf(x: int) -> int:
    return floor_wad(mpmath.npdf(mpmath.mpf(x) / WAD))


def true_sqrt(x: int) -> int:
    return int(mpmath.floor(mpmath.sqrt(x * WAD)))  # exact at squares, which x / WAD is not


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
    with mpmath.workdps(DIGITS):
        for x in points(name, count):
            assert ours(x) == true(x), f"{name}_wad({x})"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_is_the_floor_of_the_true_value(name: str) -> None:
    assert_floors(name, POINTS)


@pytest.mark.parametrize("name", [pytest.param(name, marks=soak) for name in FUNCTIONS])
def test_it_is_the_floor_of_the_true_value_at_a_hundred_thousand_points(name: str) -> None:
    assert_floors(name, LONG)


def test_the_two_constants_are_those_of_mathematics() -> None:
    with mpmath.workdps(DIGITS):
        assert int(mpmath.floor(mpmath.log(2) * 2**192)) == fx._LN2
        assert int(mpmath.floor(2**192 / mpmath.sqrt(2 * mpmath.pi))) == fx._INV_SQRT_2PI


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


# -- Black-76 ---------------------------------------------------------------------------------------------------------


def true_mark(forward: int, strike: int, vol: int, years: int, *, is_call: bool) -> int:
    """The textbook's value in full precision, rounded up to 1e-6."""
    f, k, t = mpmath.mpf(forward), mpmath.mpf(strike), mpmath.mpf(years) / WAD
    deviation = mpmath.mpf(vol) / WAD * mpmath.sqrt(t)
    d1 = mpmath.log(f / k) / deviation + deviation / 2
    call = f * mpmath.ncdf(d1) - k * mpmath.ncdf(d1 - deviation)
    return int(mpmath.ceil(call if is_call else call - f + k))


def options(count: int) -> Iterator[tuple[int, int, int, int, bool]]:
    """Forwards of 0.01 to a million USDC, strikes from a third to three times that, an hour to three years."""
    rng = random.Random("verbatim black76")
    for number in range(count):
        forward = rng.randint(10**4, 10 ** rng.randint(5, 12))
        strike = max(forward * rng.randint(333, 3_000) // 1_000, 1)
        vol = rng.randint(WAD // 20, 5 * WAD)
        years = rng.randint(3_600, 3 * 31_536_000) * WAD // 31_536_000
        yield forward, strike, vol, years, number % 2 == 0


def assert_marks(count: int) -> int:
    """All within one unit; how many were not the very same."""
    apart = 0
    with mpmath.workdps(DIGITS):
        for forward, strike, vol, years, is_call in options(count):
            ours = fx.black76_mark(forward, strike, vol, years, is_call=is_call)
            true = true_mark(forward, strike, vol, years, is_call=is_call)
            assert abs(ours - true) <= 1, (forward, strike, vol, years, is_call, ours, true)
            apart += ours != true
    return apart


def test_a_mark_is_the_value_of_the_option_rounded_up() -> None:
    """d1 is rounded to 1e-18, which moves a forward of a million USDC by 1e-6: a few round to the next unit."""
    assert assert_marks(2_000) <= 20


def test_a_mark_follows_the_specified_order_of_divisions_exactly() -> None:
    with mpmath.workdps(DIGITS):
        for forward, strike, vol, years, is_call in options(1_000):
            v = vol * true_sqrt(years) // WAD
            d1 = (true_ln(forward * WAD // strike) * WAD + v * v // 2) // v
            call = forward * true_cdf(d1) - strike * true_cdf(d1 - v)
            value = call if is_call else call - (forward - strike) * WAD
            expected = max(-(-value // WAD), forward - strike if is_call else strike - forward, 0)
            assert fx.black76_mark(forward, strike, vol, years, is_call=is_call) == expected


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="soak: run make soak")
@pytest.mark.timeout(3_600)
def test_a_hundred_thousand_marks_are_values_rounded_up() -> None:
    assert assert_marks(LONG) <= LONG // 100


@pytest.mark.parametrize("is_call", [True, False])
def test_a_mark_is_never_below_intrinsic_value_nor_above_its_bound(is_call: bool) -> None:
    for forward, strike, vol, years, _ in options(500):
        mark = fx.black76_mark(forward, strike, vol, years, is_call=is_call)
        intrinsic = max(forward - strike if is_call else strike - forward, 0)
        assert intrinsic <= mark <= (forward if is_call else strike)


def test_call_less_put_is_forward_less_strike() -> None:
    """Put-call parity holds to the unit: both are rounded up from values a whole number apart."""
    for forward, strike, vol, years, _ in options(500):
        call, put = (fx.black76_mark(forward, strike, vol, years, is_call=is_call) for is_call in (True, False))
        assert call - put == forward - strike


def test_with_no_time_or_no_volatility_left_a_mark_is_intrinsic_value() -> None:
    for vol, years in ((0, WAD), (WAD, 0), (1, WAD // 31_536_000)):
        assert fx.black76_mark(100, 90, vol, years, is_call=True) == 10
        assert fx.black76_mark(100, 90, vol, years, is_call=False) == 0
    assert fx.black76_mark(0, 90, WAD, WAD, is_call=False) == 90
    assert fx.black76_mark(100, 0, WAD, WAD, is_call=True) == 100
