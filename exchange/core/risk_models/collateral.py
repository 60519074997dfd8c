"""What tokens other than the settlement currency count for: value, haircuts, concentration, prices of LP tokens.

Values are in 1e-6 USDC and rounded down, haircuts up. Imports parameters, margin, units.
"""

from math import isqrt
from typing import NamedTuple

from exchange.core.margin import Kind, confidence_rate
from exchange.core.parameters import CollateralAsset
from exchange.core.units import WAD, Cash, Price, Wad, mul_div_down, mul_div_up


class Line(NamedTuple):
    """Tokens of one kind held as collateral: amount and dollar price of one, and how sure the oracle is of it."""

    asset: CollateralAsset
    amount: Wad
    price: Price
    conf: Wad


def value_of(line: Line, stable: Wad) -> Cash:
    """Worth in the settlement currency: dollars over its own price, rounded down, as far as the asset's bound."""
    value = mul_div_down(mul_div_down(line.amount, line.price, WAD), WAD, stable)
    return min(value, line.asset.value_max) if line.asset.value_max else value


def haircut_of(line: Line, stable: Wad, kind: Kind, conf_threshold: Wad, conf_factor: Wad) -> Cash:
    """What of the value does not count, rounded up.

    Initial margin cuts more, and more again when the oracle is unsure; it may then cut more than all of it.
    """
    value, asset = value_of(line, stable), line.asset
    rate = asset.mm_haircut
    if kind is Kind.INITIAL:
        rate += asset.im_haircut + confidence_rate(conf_threshold, conf_factor, line.conf)
    concentrated = max(value - asset.depth, 0) if asset.depth else 0
    return mul_div_up(value, rate, WAD) + mul_div_up(concentrated, asset.concentration, WAD)


def fair_lp_price(invariant: int, supply: Wad, first: Price, second: Price) -> Price:
    """Price of one token of a constant-product pool from its invariant and oracle prices; rounded down.

    ``invariant`` is the product of both reserves in wad. At prices p and q arbitrage leaves the pool worth
    2 * sqrt(invariant * p * q); reserves of the moment do not enter, so nobody moves this price by trading in the pool.
    """
    assert invariant >= 0
    assert supply > 0
    return 2 * isqrt(invariant * first * second) // supply


def lp_price(fair: Price, redeemable: Price) -> Price:
    """What an LP token counts at: its fair price, or what it can be redeemed for if that is less."""
    return min(fair, redeemable)
