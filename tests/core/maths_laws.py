"""What the fixed-point functions and what is built of them must satisfy, each a function that raises where they do not.

Truth is mpmath's, and the order of products is said again here with fractions.
"""

import random
from fractions import Fraction
from math import floor

from core_truth import exactly, true_cdf, true_exp, true_ln, true_pdf, true_sqrt

from exchange.core import black76, fixedmath, greeks
from exchange.core.units import TWAP_SECONDS, USDC_ONE, WAD, YEAR_SECONDS, years_of

FUNCTIONS = (("exp_wad", true_exp), ("ln_wad", true_ln), ("norm_pdf_wad", true_pdf), ("norm_cdf_wad", true_cdf))


def floors_are_true() -> None:
    """At points of every size, and next to the rational values."""
    rng = random.Random("verbatim laws")
    with exactly():
        for name, true in FUNCTIONS:
            drawn = [1, 2, WAD + 1, WAD - 1, *(rng.randint(1, 10 ** rng.randint(1, 19)) for _ in range(40))]
            drawn += [15 * WAD // 2, 87 * WAD // 10, 9 * WAD, 12 * WAD]
            signed = drawn if name == "ln_wad" else [*drawn, *(-x for x in drawn)]
            for x in signed:
                assert getattr(fixedmath, name)(x) == true(x), (name, x)


def distances_are_floors() -> None:
    """Also of negative numbers, where other languages truncate."""
    with exactly():
        assert black76.total_vol(WAD // 3 + 1, WAD // 7) == (WAD // 3 + 1) * true_sqrt(WAD // 7) // WAD
        for forward, strike, v in ((10**11, 11 * 10**10, WAD // 9), (10**11, 9 * 10**10, WAD // 7), (3, 7, WAD // 3)):
            drift = true_ln(forward * WAD // strike) * WAD + v * v // 2
            d1 = floor(Fraction(drift, v))
            assert black76.moments(forward, strike, v) == (v, d1, d1 - v)


def marks_follow_their_order() -> None:
    """Ordinary options, one deep in the money, one far out, and parity."""
    terms = [
        (10**11, 9 * 10**10, WAD // 2, WAD // 12),
        (10**11, 13 * 10**10, WAD, WAD // 4),
        (10**9, 10**8, WAD, WAD // 50),
    ]
    terms += [(2_345_678_901, 2_400_000_007, WAD * 3 // 4, WAD // 365), (10**11, 3 * 10**11, WAD // 5, WAD // 400)]
    with exactly():
        for forward, strike, vol, years in terms:
            v = vol * true_sqrt(years) // WAD
            d1 = floor((Fraction(true_ln(forward * WAD // strike) * WAD) + v * v // 2) / v)
            call = forward * true_cdf(d1) - strike * true_cdf(d1 - v)
            for is_call, value in ((True, call), (False, call - (forward - strike) * WAD)):
                intrinsic = max(forward - strike if is_call else strike - forward, 0)
                expected = max(-(-value // WAD), intrinsic)
                assert black76.black76_mark(forward, strike, vol, years, is_call=is_call) == expected
            mark = black76.black76_mark(forward, strike, vol, years, is_call=True)
            put = black76.black76_mark(forward, strike, vol, years, is_call=False)
            assert black76.put_mark(mark, forward, strike) == put


def present_values_are_rounded_once() -> None:
    """Down for who holds, up for who owes, at a discount factor that is never above the true one."""
    scaled, rate, years = 7 * 10**24 + 12_345, WAD // 20 + 1, WAD // 3 + 1
    with exactly():
        discount = true_exp(-(rate * years // WAD) - 1)
    assert black76.discount_factor(rate, years) == discount
    exact = Fraction(scaled * discount, WAD * WAD)
    assert black76.value_down(scaled, discount) == floor(exact)
    assert black76.value_up(scaled, discount) == floor(exact) + 1


def greeks_follow_their_order() -> None:
    """A call and a put near the money, at a rate of either sign."""
    for strike, rate, is_call in ((11 * 10**10, WAD // 20, True), (9 * 10**10, -WAD // 30, False)):
        at = 10**11, strike, WAD * 3 // 5, WAD // 7
        found = greeks.black76_greeks(*at, WAD - 10**16, rate, is_call=is_call)
        with exactly():
            assert found == said_again(*at, WAD - 10**16, rate, is_call)


def said_again(
    forward: int, strike: int, vol: int, years: int, discount: int, rate: int, is_call: bool
) -> greeks.Greeks:
    """Greeks as exact fractions of the same floors, each floored at its end."""
    root = true_sqrt(years)
    v = vol * root // WAD
    d1 = (true_ln(forward * WAD // strike) * WAD + v * v // 2) // v
    first, second, density = true_cdf(d1), true_cdf(d1 - v), true_pdf(d1)
    own = 0 if is_call else WAD
    call = forward * first - strike * second
    value = Fraction(discount * (call if is_call else call - (forward - strike) * WAD), WAD * WAD * USDC_ONE)
    money, held = Fraction(forward, USDC_ONE), Fraction(discount, WAD)
    vega = floor(held * density * money * root / WAD)
    return greeks.Greeks(
        delta=floor(held * (first - own)),
        gamma=floor(held * density / money * WAD / v),
        vega=vega,
        theta=floor(rate * value) + floor(-held * density * money * vol / (2 * root)),
        rho=floor(-years * value),
        vanna=floor(-held * density * (d1 - v) / vol),
        volga=floor(Fraction(vega * d1 * (d1 - v), vol * WAD)),
        strike_delta=floor(held * (own - second)),
    )


def averages_vary_less() -> None:
    """Before the window, at its opening, and half way through with half of the mean settled."""
    window = TWAP_SECONDS
    assert black76.averaging_years(86_400, 10**11, 0) == years_of(86_400 - 2 * window // 3)
    assert black76.averaging_years(window, 10**11, 0) == years_of(window // 3)
    half = Fraction(window // 2, 3 * YEAR_SECONDS) * Fraction(1, 4)
    assert black76.averaging_years(window // 2, 10**11, 5 * 10**10) == floor(half * WAD)


LAWS = (
    floors_are_true,
    distances_are_floors,
    marks_follow_their_order,
    present_values_are_rounded_once,
    greeks_follow_their_order,
    averages_vary_less,
)
