"""The options AMM: one potential over everything the pool has sold, frozen at each oracle round.

Owns the price of a trade against the pool. With x the contracts sold, V = sum(vega_i x_i) and G = sum(convexity_i x_i),

    U(x) = sum mid_i x_i + vega_slope/2 V^2 + gamma_slope/2 G^2 + sum own_slope_i/2 x_i^2

and whoever buys n of series i pays U(x + n e_i) - U(x) + half_spread_i |n|, rounded up once; who sells receives that
with n below zero, rounded down by the same formula. U depends on where the pool stands and not on how it came there: no
split is cheaper, and no closed loop of trades returns less than its spreads. Quadratic and convex, it is exact in
integers. Source: reference quant 6.2. Imports units.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

from exchange.core.units import QTY_ONE, USDC_ONE, WAD, Cash, Price, Qty, Wad, div_up, mul_div_down, mul_div_up

Usd: TypeAlias = int  # 1e-18 USDC: mids and slopes need more places than cash has
Sold: TypeAlias = dict[int, Qty]  # contracts the pool has sold; negative: bought
Potential: TypeAlias = int  # 5e-63 USDC: half of wad x (wad x quantity)^2

USD_PER_CASH: Final = WAD // USDC_ONE
POTENTIAL_ONE: Final = 2 * WAD * (WAD * QTY_ONE) ** 2  # one USDC
_PER_CASH: Final = POTENTIAL_ONE // USDC_ONE
_LINEAR: Final = POTENTIAL_ONE // (WAD * QTY_ONE)  # of wad x quantity
_SQUARE: Final = POTENTIAL_ONE // (2 * WAD * QTY_ONE**2)  # of wad x quantity^2, halved

_VEGA_POINTS: Final = 5  # points of vol that a pool at its bound has moved its quotes by
_OWN_SHARE: Final = 1_000  # of the mid: what a hundred contracts of one series move it by
_OWN_CONTRACTS: Final = 100
_MOVE: Final = 3 * WAD // 100  # of a day, in which convexity is measured


class Quoted(NamedTuple):
    """What a round says of one series, for one contract; all wad."""

    mid: Usd
    vega: Usd  # for one point of vol
    convexity: Usd  # lost by being short through a move of three percent
    delta: Wad
    own_slope: Usd  # by how much one contract moves the mid, for each contract sold of this series alone
    half_spread: Usd


class Slopes(NamedTuple):
    """How hard quotes lean against what the pool has sold; wad."""

    vega: Wad  # points of vol for each USDC a point that the pool is short
    gamma: Wad  # of convexity, for each USDC of convexity sold


class PoolRound(NamedTuple):
    """Everything a round freezes for a pool."""

    slopes: Slopes
    series: Mapping[int, Quoted]


# -- parameters that follow from a round ------------------------------------------------------------------------------


def vega_bound(nav: Cash) -> Usd:
    """Most USDC a vol point that a pool may be short or long: one percent of what it is worth; rounded down."""
    return mul_div_down(max(nav, 0), USD_PER_CASH, 100)


def default_slopes(nav: Cash) -> Slopes:
    """Five points of vol at the vega bound; convexity doubled where it reaches one percent of the pool. Rounded up.

    A pool without worth has no slopes, and must not quote.
    """
    bound = vega_bound(nav)
    if not bound:
        return Slopes(0, 0)
    return Slopes(mul_div_up(_VEGA_POINTS * WAD, WAD, bound), mul_div_up(WAD, WAD, bound))


def own_slope_of(mid: Usd) -> Usd:
    """A thousandth of the mid for each hundred contracts of the same series; rounded up."""
    return div_up(mid, _OWN_SHARE * _OWN_CONTRACTS)


def convexity_of(gamma: Wad, spot: Price) -> Usd:
    """What a short contract loses by gamma alone when spot moves by three percent; rounded up, against the buyer."""
    move = mul_div_up(spot, _MOVE, USDC_ONE)  # wad USDC
    return div_up(gamma * move * move, 2 * WAD * WAD)


class SpreadTerms(NamedTuple):
    """What a half spread has to cover beside the tick."""

    vol_error: Wad  # points by which the surface may be wrong
    vega_share: Wad  # of vega times that error
    buffer: Wad  # time-of-flight buffer: how far spot may have moved, as a share
    fee_share: Usd  # for each contract, to the pool


def half_spread_of(terms: SpreadTerms, quoted: Quoted, gamma: Wad, spot: Price, tick: Price) -> Usd:
    """The tick, or what an informed trader could take: vol error, delta and gamma over the buffer, plus the fee share.

    Rounded up term by term.
    """
    move = mul_div_up(spot, terms.buffer, USDC_ONE)  # wad USDC
    vol = div_up(terms.vega_share * abs(quoted.vega) * terms.vol_error, WAD * WAD)
    spot_risk = mul_div_up(abs(quoted.delta), move, WAD) + div_up(gamma * move * move, 2 * WAD * WAD)
    return max(tick * USD_PER_CASH, vol + spot_risk + terms.fee_share)


# -- the potential ----------------------------------------------------------------------------------------------------


def net_vega(round_: PoolRound, sold: Sold) -> int:
    """USDC a vol point that the pool is short, exact: wad x quantity."""
    return sum(round_.series[key].vega * qty for key, qty in sold.items())


def net_convexity(round_: PoolRound, sold: Sold) -> int:
    """Convexity the pool is short, exact: wad x quantity."""
    return sum(round_.series[key].convexity * qty for key, qty in sold.items())


def potential(round_: PoolRound, sold: Sold) -> Potential:
    """U(x), exact."""
    linear = sum(round_.series[key].mid * qty for key, qty in sold.items())
    own = sum(round_.series[key].own_slope * qty * qty for key, qty in sold.items())
    vega, gamma = net_vega(round_, sold), net_convexity(round_, sold)
    lean = round_.slopes.vega * vega * vega + round_.slopes.gamma * gamma * gamma
    return linear * _LINEAR + own * _SQUARE + lean


def after(sold: Sold, series: int, qty: Qty) -> Sold:
    """What is sold once somebody has bought ``qty`` more of a series."""
    total = {**sold, series: sold.get(series, 0) + qty}
    return {key: value for key, value in total.items() if value}


def exact_cost(round_: PoolRound, sold: Sold, series: int, qty: Qty) -> Potential:
    """What buying ``qty`` costs (selling, below zero), spread included, before rounding: U(x + n e_i) - U(x),
    multiplied out so that only two sums run over the series.
    """
    quoted, held = round_.series[series], sold.get(series, 0)
    twice = qty * (2 * held + qty)
    vega, gamma = quoted.vega * qty, quoted.convexity * qty
    lean = round_.slopes.vega * vega * (2 * net_vega(round_, sold) + vega)
    lean += round_.slopes.gamma * gamma * (2 * net_convexity(round_, sold) + gamma)
    return (quoted.mid * qty + quoted.half_spread * abs(qty)) * _LINEAR + quoted.own_slope * twice * _SQUARE + lean


def cost(round_: PoolRound, sold: Sold, series: int, qty: Qty) -> Cash:
    """What a user pays for ``qty``, rounded up; below zero is received, and rounded down by the same rounding."""
    return div_up(exact_cost(round_, sold, series, qty), _PER_CASH)


def price_at_least(exact: Potential, qty: Qty, tick: Price) -> Price:
    """Lowest multiple of a tick at which ``qty`` brings so much."""
    return div_up(exact * QTY_ONE, qty * tick * _PER_CASH) * tick
