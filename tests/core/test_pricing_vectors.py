"""Prices and Greeks that others published or computed independently, at the tolerances stated with them.

A price here has six decimals and the published ones have more. Prices are homogeneous in forward and strike, so both are
taken ``SCALE`` times as large, and what is published then has digits to compare.
"""

from decimal import Decimal
from typing import Any

import mpmath
import pytest

from exchange.core import fixedmath as fx
from exchange.core.black76 import (
    averaging_years,
    black76_mark,
    discount_factor,
    moments,
    scaled_value,
    total_vol,
    value_up,
)
from exchange.core.greeks import black76_greeks
from exchange.core.units import USDC_ONE, WAD, YEAR_SECONDS, years_of
from tests.vectors import Vector, family

SCALE = 10**12
FUNCTIONS = {"ln": fx.ln_wad, "exp": fx.exp_wad, "norm_cdf": fx.norm_cdf_wad, "norm_pdf": fx.norm_pdf_wad}


def name_of(vector: Vector) -> str:
    return str(vector["name"])


def wad(value: Any) -> int:
    return int(Decimal(str(value)) * WAD)


def large(value: Any) -> int:
    """USDC as ``SCALE`` times as many units of 1e-6."""
    return int(mpmath.nint(mpmath.mpf(str(value)) * SCALE * USDC_ONE))


def small(price: int) -> mpmath.mpf:
    return mpmath.mpf(price) / SCALE / USDC_ONE


@pytest.mark.parametrize("vector", family("fx_"), ids=name_of)
def test_floors_are_those_of_the_reference(vector: Vector) -> None:
    given = vector["inputs"]
    assert FUNCTIONS[given["fn"]](int(given["x_e18"])) == int(vector["expected"]["floor_e18"])


@pytest.mark.parametrize("vector", family("annualise_"), ids=name_of)
def test_years_have_365_days(vector: Vector) -> None:
    assert vector["inputs"]["year_seconds"] == YEAR_SECONDS
    assert years_of(vector["inputs"]["seconds"]) == wad(vector["expected"]["years_floor_e18"])


@pytest.mark.parametrize("vector", family("settlement_T_eff"), ids=name_of)
def test_an_average_is_worth_less_time(vector: Vector) -> None:
    seconds = vector["inputs"]["seconds_to_expiry"]
    assert averaging_years(seconds, USDC_ONE, 0) == years_of(int(vector["expected"]["T_eff_seconds"]))


@pytest.mark.parametrize("vector", family("black76_"), ids=name_of)
def test_prices_and_greeks(vector: Vector) -> None:
    given = vector["inputs"]
    with mpmath.workdps(40):
        money, vol, rate, years = mpmath.mpf(given["F"]), wad(given["sigma"]), wad(given["r"]), wad(given["T_years"])
        discount = discount_factor(rate, years)
        for side, wanted in vector["expected"].items():
            is_call = side == "call"
            scaled = scaled_value(large(given["F"]), large(given["K"]), vol, years, is_call=is_call)
            greeks = black76_greeks(
                *(int(Decimal(given[name]) * USDC_ONE) for name in "FK"), vol, years, discount, rate, is_call=is_call
            )
            ours = {
                "price": small(value_up(scaled, discount)),
                "delta_fwd_pv": mpmath.mpf(greeks.delta) / WAD,
                "gamma": mpmath.mpf(greeks.gamma) / WAD,
                "vega_per_1": mpmath.mpf(greeks.vega) / WAD,
                "theta_per_year": mpmath.mpf(greeks.theta) / WAD,
                "rho_per_1": mpmath.mpf(greeks.rho) / WAD,
                "vanna": mpmath.mpf(greeks.vanna) / WAD,
                "volga": mpmath.mpf(greeks.volga) / WAD,
                "strike_delta": mpmath.mpf(greeks.strike_delta) / WAD,
            }
            assert set(ours) == set(wanted)
            for name, number in ours.items():
                true = mpmath.mpf(wanted[name])
                # stated: 1e-12 of itself, and money to 1e-12 of the forward; what is not money to a thousand units
                is_money = name not in ("delta_fwd_pv", "gamma", "strike_delta", "vanna")
                slack = max(abs(true), money if is_money else mpmath.mpf("1e-3"))
                assert abs(number - true) <= slack * mpmath.mpf(10) ** -12, (side, name)


@pytest.mark.parametrize("vector", family("derive_black76_"), ids=name_of)
def test_published_prices_on_a_forward(vector: Vector) -> None:
    given, wanted = vector["inputs"], vector["expected"]
    forward, strike, vol = large(given["F"]), large(given["K"]), wad(given["sigma"])
    years, discount = years_of(given["seconds"]), wad(given["discount"])
    for side in ("call", "put"):
        scaled = scaled_value(forward, strike, vol, years, is_call=side == "call")
        with mpmath.workdps(40):
            assert abs(small(value_up(scaled, discount)) - mpmath.mpf(wanted[side])) <= mpmath.mpf(10) ** -12
    delta = fx.norm_cdf_wad(moments(forward, strike, total_vol(vol, years)).d1)
    assert abs(delta - wad(wanted["undiscounted_call_delta"])) <= 10**6  # published to 1e-12


def carried(given: dict[str, Any]) -> int:
    """The forward of a spot that earns the rate."""
    growth = mpmath.exp(mpmath.mpf(given["r"]) * mpmath.mpf(given["T_years"]))
    return large(mpmath.mpf(given["spot"]) * growth)


@pytest.mark.parametrize("vector", family("premia_d1d2_"), ids=name_of)
def test_published_distances_to_the_strike(vector: Vector) -> None:
    given, wanted = vector["inputs"], vector["expected"]
    with mpmath.workdps(40):
        at = moments(carried(given), large(given["K"]), total_vol(wad(given["sigma"]), wad(given["T_years"])))
    assert abs(at.d1 - wad(wanted["d1"])) <= 10**4
    assert abs(at.d2 - wad(wanted["d2"])) <= 10**4


@pytest.mark.parametrize("vector", family("premia_bs_"), ids=name_of)
def test_published_prices_on_a_spot(vector: Vector) -> None:
    given, wanted = vector["inputs"], vector["expected"]
    years = wad(given["T_years"])
    with mpmath.workdps(40):
        forward, strike = carried(given), large(given["K"])
        discount = discount_factor(wad(given["r"]), years)
        for side in ("call", "put"):
            scaled = scaled_value(forward, strike, wad(given["sigma"]), years, is_call=side == "call")
            assert abs(small(value_up(scaled, discount)) - mpmath.mpf(wanted[side])) <= mpmath.mpf(10) ** -12


def test_a_mark_is_such_a_price_in_units_of_cash() -> None:
    """The vectors above are scaled; this one is not."""
    (vector,) = family("black76_btc_otm_30d")
    given = vector["inputs"]
    terms = (*(int(Decimal(given[name]) * USDC_ONE) for name in "FK"), wad(given["sigma"]), wad(given["T_years"]))
    for side, wanted in vector["expected"].items():
        mark = black76_mark(*terms, is_call=side == "call")
        assert 0 <= Decimal(mark) / USDC_ONE - Decimal(wanted["price"]) <= Decimal("0.000001")
