"""The venue's own PORTFOLIO parameters: the published second-generation portfolio margin, with three changes.

A turning or widening smile is two scenarios, one each way, where the published rule takes any change for a loss: so
what is only bought can never need more than it is worth. The basis scenarios never weigh more than the move itself, for
the same reason. A further pair of scenarios moves every option along its delta by 2% and adds 0.5% of spot for each net
short: the least that is asked for options about to expire, whose value hardly moves before it jumps.
Source: reference quant 3.2 and 3.6; docs/MARGIN.md has the table. Imports parameters, units.
"""

from typing import Final

from exchange.core import parameters as p
from exchange.core.units import WAD

_BP: Final = WAD // 10_000
_DAY_S: Final = 86_400

_CORE_BP: Final = (11_800, 11_350, 10_900, 10_450, 10_000, 9_550, 9_100, 8_650, 8_200)
_TAILS: Final = (  # what forwards are multiplied by in basis points, and what of the loss counts in tenths of one
    (3_400, 21_000),
    (6_700, 42_000),
    (15_000, 27_720),
    (20_000, 13_860),
    (30_000, 6_930),
    (40_000, 4_620),
    (50_000, 3_465),
    (60_000, 2_772),
)
_TURN, _WIDEN, _BASIS = 1, 2, 3

_core = [p.Scenario(spot * _BP, vol) for spot in _CORE_BP for vol in (p.VOL_UP, p.VOL_SAME, p.VOL_DOWN)]
_tails = [p.Scenario(spot * _BP, p.VOL_UP, weight * _BP // 10) for spot, weight in _TAILS]
_smile = [
    p.Scenario(WAD, move, group=group)
    for group, moves in ((_TURN, (p.SLOPE_UP, p.SLOPE_DOWN)), (_WIDEN, (p.WINGS_UP, p.WINGS_DOWN)))
    for move in moves
]
_basis = [p.Scenario(spot * _BP, weight=WAD // 2, weight_yearly=2 * WAD, group=_BASIS) for spot in (10_450, 9_550)]
_least = [p.Scenario(spot * _BP, p.TANGENT, short=50 * _BP) for spot in (10_200, 9_800)]

PORTFOLIO: Final = p.PortfolioModel(
    scenarios=(*_core, *_tails, *_smile, *_basis, *_least),
    vol=p.VolRule(
        up=5_000 * _BP,
        down=2_750 * _BP,
        up_least=4_500 * _BP,
        power_short=3_000 * _BP,
        power_long=1_300 * _BP,
        floor_s=_DAY_S,
    ),
    skew=p.SkewRule(
        slope_cap=1_500 * _BP,
        slope_yearly=-500 * _BP,
        wings_cap=1_500 * _BP,
        wings_yearly=-500 * _BP,
        width_least=100 * _BP,
        width=4 * WAD,
        deviation=6_000 * _BP,
        deviation_yearly=-1_000 * _BP,
    ),
    static=p.StaticDiscount(),
    mm_factor=8_000 * _BP,
    im_factor=WAD,
    linear_mm=300 * _BP,
    linear_im=100 * _BP,
    short_mm=30 * _BP,
    short_im=20 * _BP,
    conf_threshold=5_500 * _BP,
    conf_factor=WAD,
    conf_on_longs=False,
    depeg_threshold=9_900 * _BP,
    depeg_factor=4 * WAD,
)
