"""Add-ons of the PORTFOLIO margin beside the worst scenario: naked shorts, linear notional, thin oracles, depeg.

The rate for a thin oracle is that of the STANDARD rules (`margin.confidence_rate`). Amounts are in risk units, rates
rounded up. Imports parameters, scan, margin, units.
"""

from collections.abc import Sequence
from typing import NamedTuple

from exchange.core.margin import confidence_rate
from exchange.core.parameters import PortfolioModel
from exchange.core.risk_models.scan import Market
from exchange.core.units import WAD, Price, Qty, Risk, Wad, mul_div_up


class Linear(NamedTuple):
    """A perpetual or future: signed quantity, its price, how sure the oracle is of it, and what is still to be paid."""

    qty: Qty
    price: Price
    conf: Wad
    pnl: Risk = 0


def maintenance(model: PortfolioModel, market: Market, linear: Sequence[Linear]) -> Risk:
    """What every kind of margin adds: naked shorts and linear notional, at spot."""
    return _standing(market, linear, model.short_mm, model.linear_mm)


def initial(model: PortfolioModel, market: Market, linear: Sequence[Linear]) -> Risk:
    """What initial margin adds on top: more of the same, and whatever is priced by a thin oracle."""
    thin = sum(
        confidence_rate(model.conf_threshold, model.conf_factor, expiry.conf)
        * (expiry.gross if model.conf_on_longs else expiry.shorts)
        for expiry in market.expiries
    )
    thin += sum(confidence_rate(model.conf_threshold, model.conf_factor, leg.conf) * abs(leg.qty) for leg in linear)
    return _standing(market, linear, model.short_im, model.linear_im) + thin * market.spot


def _standing(market: Market, linear: Sequence[Linear], short: Wad, notional: Wad) -> Risk:
    naked = sum(expiry.naked for expiry in market.expiries)
    return (short * naked + notional * sum(abs(leg.qty) for leg in linear)) * market.spot


def initial_factor(model: PortfolioModel, stable: Wad) -> Wad:
    """What the worst loss is multiplied by for initial margin; more while the stablecoin is off its peg."""
    return model.im_factor + mul_div_up(max(model.depeg_threshold - stable, 0), model.depeg_factor, WAD)
