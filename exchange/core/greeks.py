"""Greeks of Black-76 in integers: each is 1e-18 of its unit, rounded down (towards minus infinity) where it is divided.

Made of the same moments as the value, in an order of products that fits 256 bits, so that contracts can repeat it.
Units: USDC for money, 1.00 for vol and rate, years for time. Source: reference formulas, vectors black76_*.
Imports units, fixedmath, black76.
"""

from typing import Final, NamedTuple

from exchange.core.black76 import moments, settled_value, total_vol, value_of
from exchange.core.fixedmath import norm_cdf_wad, norm_pdf_wad, sqrt_wad
from exchange.core.units import USDC_ONE, WAD, Price, Wad, div_down, div_up, mul_div_down

_CASH: Final = WAD * WAD * USDC_ONE  # divisor of four wads and a price, less the wad of the result


class Greeks(NamedTuple):
    """Sensitivities of one contract, long, in wad."""

    delta: Wad  # of the forward, present value
    gamma: Wad  # delta for each USDC of the forward
    vega: Wad  # USDC for 1.00 of vol
    theta: Wad  # USDC for a year, forward and vol fixed
    rho: Wad  # USDC for 1.00 of rate, forward fixed
    vanna: Wad  # delta for 1.00 of vol
    volga: Wad  # vega for 1.00 of vol
    strike_delta: Wad  # USDC for each USDC of the strike


def black76_greeks(
    forward: Price, strike: Price, vol: Wad, years: Wad, discount: Wad, rate: Wad, *, is_call: bool
) -> Greeks:
    """Greeks at a discount factor and the rate that gave it.

    Without time or volatility the option is its intrinsic value: only delta, strike delta, rho and theta remain.
    """
    v = total_vol(vol, years)
    if v == 0 or forward == 0 or strike == 0:
        carry, rho = _of_value(discount * settled_value(forward, strike, is_call=is_call), rate, years)
        ends = WAD if forward > strike else 0
        delta, strike_delta = _deltas(discount, ends, ends, is_call=is_call)
        return Greeks(delta, 0, 0, carry, rho, 0, 0, strike_delta)
    _, d1, d2 = moments(forward, strike, v)
    first, second = norm_cdf_wad(d1), norm_cdf_wad(d2)
    carry, rho = _of_value(discount * value_of(forward, strike, first, second, is_call=is_call), rate, years)
    delta, strike_delta = _deltas(discount, first, second, is_call=is_call)
    density, root = discount * norm_pdf_wad(d1), sqrt_wad(years)
    vega = div_down(density * forward * root, _CASH)
    return Greeks(
        delta=delta,
        gamma=div_down(density * USDC_ONE, forward * v),
        vega=vega,
        theta=carry - div_up(density * forward * vol, 2 * root * WAD * USDC_ONE),
        rho=rho,
        vanna=div_down(-density * d2, WAD * vol),
        volga=mul_div_down(vega, d1 * d2, vol * WAD),
        strike_delta=strike_delta,
    )


def _of_value(value: int, rate: Wad, years: Wad) -> tuple[Wad, Wad]:
    """What the value earns in a year, and what it loses for a rate of 1.00."""
    return div_down(rate * value, _CASH), -div_up(years * value, _CASH)


def _deltas(discount: Wad, first: Wad, second: Wad, *, is_call: bool) -> tuple[Wad, Wad]:
    """Of forward and strike; those of call and put differ by exactly the discount factor."""
    own = 0 if is_call else WAD
    return mul_div_down(discount, first - own, WAD), mul_div_down(discount, own - second, WAD)
