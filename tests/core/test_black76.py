"""Black-76 marks: the value of an option rounded up, in the specified order of divisions, and what must hold of any."""

import random
from collections.abc import Iterator

import mpmath
import pytest
from core_profiles import SOAK
from core_truth import exactly, true_cdf, true_exp, true_ln, true_sqrt

from exchange.core.black76 import (
    SCALAR,
    averaging_years,
    black76_mark,
    discount_factor,
    put_mark,
    scaled_value,
    value_down,
    value_up,
)
from exchange.core.greeks import black76_greeks
from exchange.core.units import TWAP_SECONDS, WAD, YEAR_SECONDS, div_up, years_of

LONG = 100_000


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
    with exactly():
        for forward, strike, vol, years, is_call in options(count):
            ours = black76_mark(forward, strike, vol, years, is_call=is_call)
            true = true_mark(forward, strike, vol, years, is_call=is_call)
            assert abs(ours - true) <= 1, (forward, strike, vol, years, is_call, ours, true)
            apart += ours != true
    return apart


def test_a_mark_is_the_value_of_the_option_rounded_up() -> None:
    """d1 is rounded to 1e-18, which moves a forward of a million USDC by 1e-6: a few round to the next unit."""
    assert assert_marks(2_000) <= 20


def test_a_mark_follows_the_specified_order_of_divisions_exactly() -> None:
    with exactly():
        for forward, strike, vol, years, is_call in options(1_000):
            v = vol * true_sqrt(years) // WAD
            d1 = (true_ln(forward * WAD // strike) * WAD + v * v // 2) // v
            call = forward * true_cdf(d1) - strike * true_cdf(d1 - v)
            value = call if is_call else call - (forward - strike) * WAD
            expected = max(-(-value // WAD), forward - strike if is_call else strike - forward, 0)
            assert black76_mark(forward, strike, vol, years, is_call=is_call) == expected


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="soak: run make soak")
@pytest.mark.timeout(3_600)
def test_a_hundred_thousand_marks_are_values_rounded_up() -> None:
    assert assert_marks(LONG) <= LONG // 100


@pytest.mark.parametrize("is_call", [True, False])
def test_a_mark_is_never_below_intrinsic_value_nor_above_its_bound(is_call: bool) -> None:
    for forward, strike, vol, years, _ in options(500):
        mark = black76_mark(forward, strike, vol, years, is_call=is_call)
        intrinsic = max(forward - strike if is_call else strike - forward, 0)
        assert intrinsic <= mark <= (forward if is_call else strike)


def test_call_less_put_is_forward_less_strike() -> None:
    """Put-call parity holds to the unit: both are rounded up from values a whole number apart."""
    for forward, strike, vol, years, _ in options(500):
        call, put = (black76_mark(forward, strike, vol, years, is_call=is_call) for is_call in (True, False))
        assert call - put == forward - strike


def test_with_no_time_or_no_volatility_left_a_mark_is_intrinsic_value() -> None:
    for vol, years in ((0, WAD), (WAD, 0), (1, WAD // 31_536_000)):
        assert black76_mark(100, 90, vol, years, is_call=True) == 10
        assert black76_mark(100, 90, vol, years, is_call=False) == 0
    assert black76_mark(0, 90, WAD, WAD, is_call=False) == 90
    assert black76_mark(100, 0, WAD, WAD, is_call=True) == 100


# -- discounting ------------------------------------------------------------------------------------------------------


def test_a_discount_factor_is_the_exponential_of_the_rate_and_the_time() -> None:
    rng = random.Random("verbatim discount")
    with exactly():
        for _ in range(200):
            rate, years = rng.randint(-WAD // 2, WAD // 2), rng.randint(0, 3 * WAD)
            assert discount_factor(rate, years) == true_exp(-div_up(rate * years, WAD))
            true = mpmath.exp(-mpmath.mpf(rate * years) / WAD**2) * WAD
            assert -5 <= discount_factor(rate, years) - true <= 0
    assert discount_factor(0, WAD) == discount_factor(WAD, 0) == WAD


def test_present_values_are_rounded_against_whoever_holds_them() -> None:
    for forward, strike, vol, years, is_call in options(300):
        scaled = scaled_value(forward, strike, vol, years, is_call=is_call)
        discount = discount_factor(vol // 10, years)
        low, high = value_down(scaled, discount), value_up(scaled, discount)
        assert low * WAD**2 <= scaled * discount <= high * WAD**2
        assert high - low <= 1
        assert value_up(scaled, WAD) == black76_mark(forward, strike, vol, years, is_call=is_call)


# -- the settlement average -------------------------------------------------------------------------------------------


def test_an_average_varies_as_if_it_were_fixed_two_thirds_of_its_window_early() -> None:
    assert averaging_years(86_400, 10**11, 0) == years_of(85_200)
    assert averaging_years(TWAP_SECONDS, 10**11, 0) == years_of(TWAP_SECONDS // 3)
    assert averaging_years(0, 10**11, 10**11) == 0
    assert averaging_years(900, 0, 0) == 0


def test_inside_the_window_only_the_open_part_varies() -> None:
    """The variance of the mean of a walk over its last tau seconds, taken from its definition as a double sum."""
    spot, passed = 10**11, 600
    tau = TWAP_SECONDS - passed
    fixed = spot * passed // TWAP_SECONDS
    double_sum = sum(min(i, j) for i in range(0, tau, 10) for j in range(0, tau, 10)) * 100
    share = double_sum / TWAP_SECONDS**2 / YEAR_SECONDS
    assert averaging_years(tau, spot, fixed) / WAD == pytest.approx(share, rel=0.02)


def test_time_never_grows_as_the_window_runs_down() -> None:
    spot = 10**11
    left = [averaging_years(s, spot, spot * max(TWAP_SECONDS - s, 0) // TWAP_SECONDS) for s in range(3_600, -1, -60)]
    assert left == sorted(left, reverse=True)


# -- many at once -----------------------------------------------------------------------------------------------------


def test_a_table_of_calls_is_made_of_single_ones_and_puts_follow_by_parity() -> None:
    forwards, strikes, years = [95_000 * 10**6, 10**11, 0], [9 * 10**10, 10**11, 2 * 10**11, 0], years_of(86_400)
    vols = [[WAD // 2, WAD // 3, WAD, WAD], [WAD, 0, WAD // 7, WAD], [WAD] * 4]
    calls = SCALAR.calls(forwards, strikes, vols, years)
    for forward, marks, row in zip(forwards, calls, vols, strict=True):
        for strike, mark, vol in zip(strikes, marks, row, strict=True):
            assert mark == black76_mark(forward, strike, vol, years, is_call=True)
            assert put_mark(mark, forward, strike) == black76_mark(forward, strike, vol, years, is_call=False)


def test_a_gain_is_delta_times_the_move_rounded_up() -> None:
    years, strikes, vols = years_of(86_400), [9 * 10**10, 10**11, 2 * 10**11, 0], [WAD // 2, 0, WAD, WAD]
    for forward in (0, 10**11):
        deltas = [
            black76_greeks(forward, strike, vol, years, WAD, 0, is_call=True).delta
            for strike, vol in zip(strikes, vols, strict=True)
        ]
        moves = [7 * 10**9 + 1, -(3 * 10**9) - 1, 0]
        gains = SCALAR.gains(forward, strikes, vols, years, moves)
        assert gains == [[div_up(delta * move, WAD) for delta in deltas] for move in moves]


def test_a_forward_far_below_its_strike_has_a_price_too() -> None:
    """Their ratio in 1e-18 is zero, which has no logarithm."""
    assert black76_mark(1, 2 * 10**18, 5 * WAD, WAD, is_call=True) == 1
