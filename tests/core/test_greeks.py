"""Greeks: the written order of products, said again with fractions; the textbook's values; and their identities."""

import random
from collections.abc import Iterator
from fractions import Fraction
from math import floor
from typing import NamedTuple

import mpmath
import pytest
from core_truth import exactly, true_cdf, true_ln, true_pdf, true_sqrt

from exchange.core.black76 import discount_factor, scaled_value
from exchange.core.greeks import Greeks, black76_greeks
from exchange.core.units import USDC_ONE, WAD, YEAR_SECONDS


class Terms(NamedTuple):
    forward: int
    strike: int
    vol: int
    years: int
    rate: int
    is_call: bool


def terms(count: int) -> Iterator[Terms]:
    """A USDC to a million, strikes from a third to three times that, an hour to three years, rates of either sign."""
    rng = random.Random("verbatim greeks")
    for number in range(count):
        forward = rng.randint(10**6, 10 ** rng.randint(7, 12))
        strike = forward * rng.randint(333, 3_000) // 1_000
        vol, seconds = rng.randint(WAD // 20, 5 * WAD), rng.randint(3_600, 3 * YEAR_SECONDS)
        yield Terms(
            forward, strike, vol, seconds * WAD // YEAR_SECONDS, rng.randint(-WAD // 5, WAD // 2), number % 2 == 0
        )


def ours(at: Terms) -> Greeks:
    discount = discount_factor(at.rate, at.years)
    return black76_greeks(at.forward, at.strike, at.vol, at.years, discount, at.rate, is_call=at.is_call)


def by_definition(at: Terms) -> Greeks:
    """From floors of true values; each division of the specification is a floor or a ceiling of an exact fraction."""
    root = true_sqrt(at.years)
    v = at.vol * root // WAD
    d1 = (true_ln(at.forward * WAD // at.strike) * WAD + v * v // 2) // v
    d2 = d1 - v
    discount = Fraction(discount_factor(at.rate, at.years), WAD)
    first, second, density = (Fraction(value, WAD) for value in (true_cdf(d1), true_cdf(d2), true_pdf(d1)))
    money, deviation, sigma, stem = (Fraction(n, WAD) for n in (at.forward * 10**12, v, at.vol, root))
    value = discount * scaled_value(at.forward, at.strike, at.vol, at.years, is_call=at.is_call) / WAD / USDC_ONE
    own = 0 if at.is_call else 1
    vega = floor(discount * density * money * stem * WAD)
    return Greeks(
        delta=floor(discount * (first - own) * WAD),
        gamma=floor(discount * density / money / deviation * WAD),
        vega=vega,
        theta=floor(Fraction(at.rate, WAD) * value * WAD) + floor(-discount * money * density * sigma / 2 / stem * WAD),
        rho=floor(-Fraction(at.years, WAD) * value * WAD),
        vanna=floor(-discount * density * Fraction(d2, WAD) / sigma * WAD),
        volga=floor(Fraction(vega, WAD) * Fraction(d1, WAD) * Fraction(d2, WAD) / sigma * WAD),
        strike_delta=floor(discount * (own - second) * WAD),
    )


def test_greeks_follow_the_specified_order_exactly() -> None:
    with exactly():
        for at in terms(300):
            assert ours(at) == by_definition(at), at


def test_greeks_are_those_of_the_textbook() -> None:
    """By mpmath's own derivatives of the price, so that no formula is said twice in the same way."""
    with mpmath.workdps(40):
        for at in terms(12):
            f, k, s, t, r = (mpmath.mpf(n) / d for n, d in zip(at[:5], (10**6, 10**6, WAD, WAD, WAD), strict=True))

            def price(f, k, s, t, r, is_call=at.is_call):
                v = s * mpmath.sqrt(t)
                d1 = mpmath.log(f / k) / v + v / 2
                call = f * mpmath.ncdf(d1) - k * mpmath.ncdf(d1 - v)
                return mpmath.exp(-r * t) * (call if is_call else call - f + k)

            def by(*orders, here=(f, k, s, t, r), price=price):
                return mpmath.diff(price, here, orders)

            true = Greeks(
                delta=by(1, 0, 0, 0, 0),
                gamma=by(2, 0, 0, 0, 0),
                vega=by(0, 0, 1, 0, 0),
                theta=-by(0, 0, 0, 1, 0),
                rho=by(0, 0, 0, 0, 1),
                vanna=by(1, 0, 1, 0, 0),
                volga=by(0, 0, 2, 0, 0),
                strike_delta=by(0, 1, 0, 0, 0),
            )
            for name, given, wanted in zip(Greeks._fields, ours(at), true, strict=True):
                scale = max(abs(wanted), f * mpmath.mpf(10) ** -6)
                assert abs(mpmath.mpf(given) / WAD - wanted) <= scale * mpmath.mpf(10) ** -10, (name, at)


def test_calls_and_puts_share_what_parity_says() -> None:
    for at in terms(300):
        call, put = ours(at._replace(is_call=True)), ours(at._replace(is_call=False))
        discount = discount_factor(at.rate, at.years)
        assert call.delta - put.delta == discount
        assert put.strike_delta - call.strike_delta == discount
        assert call[1:3] == put[1:3]
        assert call.vanna == put.vanna
        assert call.volga == put.volga
        assert 0 <= call.delta <= discount
        assert call.gamma >= 0
        assert call.vega >= 0


@pytest.mark.parametrize("is_call", [True, False])
@pytest.mark.parametrize(("vol", "years"), [(WAD, 0), (0, WAD)])
def test_without_time_or_vol_an_option_is_its_intrinsic_value(vol: int, years: int, is_call: bool) -> None:
    inside, outside = (120, 100) if is_call else (100, 120), (100, 120) if is_call else (120, 100)
    sign = 1 if is_call else -1
    for (forward, strike), worth in ((inside, 20 * USDC_ONE), (outside, 0)):
        greeks = black76_greeks(forward * USDC_ONE, strike * USDC_ONE, vol, years, WAD // 2, WAD // 10, is_call=is_call)
        held = WAD // 2 * sign * (worth > 0)
        value = worth * WAD // 2 // USDC_ONE
        assert greeks == Greeks(held, 0, 0, value // 10, -value * years // WAD, 0, 0, -held)
