"""Implied vols: the reference vectors, prices of mpmath's own over the whole domain, and prices that have none."""

from __future__ import annotations

import random

import mpmath
import pytest

from exchange.quant.implied import NoImpliedVolError, implied_vol
from tests.vectors import Vector, family


@pytest.mark.parametrize("vector", family("iv_"), ids=lambda vector: vector["name"])
def test_published_prices_have_their_vols(vector: Vector) -> None:
    given, sigma = vector["inputs"], float(vector["expected"]["sigma"])
    terms = (float(given[name]) for name in ("price", "F", "K", "T_years"))
    found = implied_vol(*terms, is_call=given["type"] == "call", discount=float(given["discount"]))
    assert found == pytest.approx(sigma, rel=1e-10)
    assert found == pytest.approx(sigma, rel=2e-15)  # the reference asks for less than there is


def price_of(forward: float, strike: float, vol: float, years: float, is_call: bool) -> mpmath.mpf:
    f, k, v = mpmath.mpf(forward), mpmath.mpf(strike), mpmath.mpf(vol) * mpmath.sqrt(mpmath.mpf(years))
    sign = 1 if is_call else -1
    d1 = mpmath.log(f / k) / v + v / 2
    return sign * (f * mpmath.ncdf(sign * d1) - k * mpmath.ncdf(sign * (d1 - v)))


def test_any_price_gives_its_vol_back_to_a_few_last_digits() -> None:
    """Out of the money and down to 1e-30 of the forward; the price is rounded to a double, which moves the vol."""
    rng = random.Random("verbatim implied")
    tried = 0
    with mpmath.workdps(60):
        while tried < 500:
            forward, vol, years = 10 ** rng.uniform(-3, 6), 10 ** rng.uniform(-2, 0.7), 10 ** rng.uniform(-4, 0.7)
            strike = forward * 2.718281828 ** (rng.gauss(0, 2) * vol * years**0.5)
            is_call = strike > forward
            price = price_of(forward, strike, vol, years, is_call)
            if price < forward * mpmath.mpf(10) ** -30:
                continue
            tried += 1
            slope = mpmath.diff(lambda x, at=(forward, strike, years, is_call): price_of(at[0], at[1], x, *at[2:]), vol)
            moved = float(price / slope / vol)  # relative move of the vol for a relative move of the price
            found = implied_vol(float(price), forward, strike, years, is_call=is_call)
            assert found == pytest.approx(vol, rel=2e-15 + 2e-16 * moved), (forward, strike, vol, years)


@pytest.mark.parametrize("is_call", [True, False])
def test_a_discounted_price_has_the_vol_of_the_undiscounted_one(is_call: bool) -> None:
    price = float(price_of(100, 104, 0.6, 0.2, is_call))
    assert implied_vol(0.9 * price, 100, 104, 0.2, is_call=is_call, discount=0.9) == pytest.approx(0.6, rel=1e-14)


@pytest.mark.parametrize(
    ("price", "forward", "strike", "years", "discount"),
    [
        (9.9, 110, 100, 1, 1),
        (-1, 90, 100, 1, 1),
        (110, 110, 100, 1, 1),
        (111, 110, 100, 1, 1),
        (5, 100, 100, 0, 1),
        (5, 0, 100, 1, 1),
        (5, 100, 0, 1, 1),
        (5, 100, 100, 1, 0),
        (5, 100, 100, float("nan"), 1),
    ],
)
def test_a_price_that_no_vol_gives_is_refused(price, forward, strike, years, discount) -> None:
    with pytest.raises(NoImpliedVolError):
        implied_vol(price, forward, strike, years, is_call=True, discount=discount)


def test_intrinsic_value_is_no_vol_at_all() -> None:
    assert implied_vol(10, 110, 100, 1, is_call=True) == 0
