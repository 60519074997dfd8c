"""Parameters of the PORTFOLIO margin: scenarios, shocks of the surface, discounts, add-ons. Data, no rules.

A set of these is all that tells one published portfolio margin from another; the rules that read them are in
`exchange.core.risk_models`. Each struct may stand in a command of the journal. Imports units only.
"""

from typing import Final

import msgspec

from exchange.core.units import WAD, Seconds, Wad

# Margin models as accounts choose them.
STANDARD_MARGIN: Final = 0
PORTFOLIO_MARGIN: Final = 1

# How a scenario moves the surface.
VOL_SAME: Final = 0
VOL_UP: Final = 1
VOL_DOWN: Final = 2
SLOPE_UP: Final = 3  # vols above the forward rise, those below it fall
SLOPE_DOWN: Final = 4
WINGS_UP: Final = 5  # vols far from the forward rise, on both sides
WINGS_DOWN: Final = 6
TANGENT: Final = 7  # no surface at all: the value moves along its delta, never below what exercise would pay

ALL_EXPIRIES: Final = 0  # the group of scenarios that move every expiry together


class Scenario(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One joint move of a market, and how much of the loss in it counts.

    In group ``ALL_EXPIRIES`` every expiry moves together with everything linear. In any other group each expiry moves
    by itself, to whichever scenario of the group is worst for it, and nothing linear moves.
    """

    spot: Wad  # what forwards are multiplied by
    vol: int = VOL_SAME
    weight: Wad = WAD  # share of the loss that counts
    weight_yearly: Wad = 0  # more of it for each year to expiry; in groups of single expiries only
    weight_max: Wad = WAD  # never more than this
    group: int = ALL_EXPIRIES
    mirrored: bool = False  # in groups of single expiries: a gain counts as a loss of its size
    discounted: bool = True  # whether the static discounts apply to the moved value
    short: Wad = 0  # further loss for each net short option of a strike, as a share of spot


class VolRule(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Relative moves of vol: ``up`` and ``down`` for 30 days to expiry, times (30 days / time left) ** power."""

    up: Wad
    down: Wad
    up_least: Wad  # a raised vol is at least this
    power_short: Wad  # up to 30 days to expiry
    power_long: Wad
    floor_s: Seconds  # time left counts as at least this


class SkewRule(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Moves of the smile: in ``width`` standard deviations a vol moves by the cap, in proportion to log-moneyness."""

    slope_cap: Wad
    slope_yearly: Wad  # added to the cap, times the root of the years left; negative for less
    wings_cap: Wad
    wings_yearly: Wad
    width_least: Wad  # log-moneyness
    width: Wad  # standard deviations
    deviation: Wad  # a year's standard deviation
    deviation_yearly: Wad  # added to it, times the root of the years left


class StaticDiscount(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Discounts on the moved value of an expiry beside the market's: one for what is owned, one for what is owed."""

    long: Wad = WAD
    long_rate: Wad = 0  # share of the market's rate, which applies once more
    long_add: Wad = 0  # a rate added to it
    short: Wad = WAD
    short_rate: Wad = 0
    short_add: Wad = 0


class PortfolioModel(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A portfolio margin: the worst scenario, scaled, and add-ons. Factors and rates in wad.

    Add-ons of maintenance margin belong to initial margin too, and those of initial margin come on top of them.
    """

    scenarios: tuple[Scenario, ...]
    vol: VolRule
    skew: SkewRule
    static: StaticDiscount
    mm_factor: Wad
    im_factor: Wad
    linear_mm: Wad  # of the notional of perpetuals and futures
    linear_im: Wad
    short_mm: Wad  # of spot, for each net short option of a strike
    short_im: Wad
    conf_threshold: Wad
    conf_factor: Wad
    conf_on_longs: bool  # whether a thin oracle costs bought options too
    depeg_threshold: Wad
    depeg_factor: Wad  # added to ``im_factor`` for each unit of the shortfall


class LinearRates(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Margin of perpetuals and futures under the STANDARD rules, as shares of their notional."""

    maintenance: Wad
    initial: Wad


class CollateralAsset(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a token counts for as collateral. Haircuts are shares of its value."""

    mm_haircut: Wad
    im_haircut: Wad  # on top of the other, for initial margin
    offsets: bool = False  # whether it moves with its underlying in the scenarios, as a hedge does
    depth: int = 0  # value beyond which an account's holding is concentrated, 1e-6 USDC; 0: never
    concentration: Wad = 0  # further haircut on what lies beyond ``depth``
    value_max: int = 0  # value beyond which nothing counts, 1e-6 USDC; 0: no such bound


class BufferRule(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What bounds the move of a price between its round and its use."""

    vol: Wad  # of a stressed year
    deviations: Wad  # how many standard deviations of the time in flight
    window_s: Seconds  # length of the average a price is, 0 for a price of one moment
    publisher: Wad  # how far a price may move before its publisher speaks
    conf_factor: Wad  # more for an oracle that is unsure, times what it lacks
    jump: Wad


class BorrowCurve(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Interest on cash owed, by how much of what is lent is borrowed: a line with one kink. Rates of a year."""

    least: Wad
    slope: Wad  # up to the kink, for full use
    steep: Wad  # beyond it
    kink: Wad
