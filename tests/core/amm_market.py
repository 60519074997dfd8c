"""Rounds for the options AMM: Black-76 at a spot, with slopes and spreads as a pool of ten million would have them."""

import random
from functools import cache
from typing import NamedTuple

from core_venue import USDC

from exchange.core.black76 import scaled_value
from exchange.core.greeks import black76_greeks
from exchange.core.oamm import (
    PoolRound,
    Quoted,
    Sold,
    SpreadTerms,
    convexity_of,
    default_slopes,
    half_spread_of,
    own_slope_of,
)
from exchange.core.oamm_ladder import Placed, Ticks
from exchange.core.units import USDC_ONE, WAD, years_of

CENT = WAD // 100
NAV = 10_000_000 * USDC
TICKS = Ticks(USDC, 5 * USDC, 1_000 * USDC, 100)
SPREAD = SpreadTerms(vol_error=WAD, vega_share=50 * CENT, buffer=WAD // 1_000, fee_share=WAD // 10)
STRIKES = (80_000, 95_000, 100_000, 110_000, 130_000)
DAYS = (7, 30)


class Market(NamedTuple):
    """A round, and where its series stand."""

    round: PoolRound
    placed: dict[int, Placed]
    spot: int


def quoted(spot: int, strike: int, days: int, *, is_call: bool, vol: int = 60 * CENT) -> Quoted:
    """One series at a spot and strike in USDC."""
    years, forward = years_of(days * 86_400), spot * USDC
    greeks = black76_greeks(forward, strike * USDC, vol, years, WAD, 0, is_call=is_call)
    mid = scaled_value(forward, strike * USDC, vol, years, is_call=is_call) // USDC_ONE
    convexity = convexity_of(greeks.gamma, forward)
    bare = Quoted(mid, greeks.vega // 100, convexity, greeks.delta, own_slope_of(mid), 0)
    return bare._replace(half_spread=half_spread_of(SPREAD, bare, greeks.gamma, forward, TICKS.tick_at(mid // 10**12)))


@cache
def market_at(spot: int = 100_000, vol: int = 60 * CENT) -> Market:
    series, placed = {}, {}
    for number, days in enumerate(DAYS, 1):
        for index, (strike, is_call) in enumerate((strike, is_call) for strike in STRIKES for is_call in (True, False)):
            key = number << 16 | index
            series[key] = quoted(spot, strike, days, is_call=is_call, vol=vol)
            placed[key] = Placed(number, strike * USDC, days * 86_400)
    return Market(PoolRound(default_slopes(NAV), series), placed, spot * USDC)


def some_sold(dice: random.Random, market: Market, most: int = 200_000) -> Sold:
    """What a pool may have sold and bought."""
    keys = dice.sample(sorted(market.round.series), dice.randint(0, 6))
    return {key: qty for key in keys if (qty := dice.randint(-most, most))}
