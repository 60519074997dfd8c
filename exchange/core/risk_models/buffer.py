"""The time between a price and its use: how far it may have moved, and what margin asks for that.

A wider set of scenarios, never a wider set of moves in place of the narrow one: the union can only raise the
requirement, where moving the outermost scenarios could lower that of a book that gains far out. Widths are shares of
the price and rounded up. Source: reference quant 5.3. Imports commands, parameters, units.
"""

from math import isqrt

import msgspec

from exchange.core.commands import StandardModel
from exchange.core.parameters import ALL_EXPIRIES, BufferRule, PortfolioModel, Scenario
from exchange.core.units import WAD, YEAR_SECONDS, Seconds, Wad, div_up, mul_div_down, mul_div_up

_THIRDS = 3  # the variance of the mean of a window is a third of that of its end


def width(rule: BufferRule, latency_s: Seconds, conf: Wad) -> Wad:
    """How far a price of this age at execution may be off, as a share of it."""
    variance = div_up((_THIRDS * latency_s + rule.window_s) * WAD * WAD, _THIRDS * YEAR_SECONDS)
    root = isqrt(variance - 1) + 1 if variance > 0 else 0
    moved = mul_div_up(mul_div_up(rule.deviations, rule.vol, WAD), root, WAD)
    return moved + rule.publisher + mul_div_up(WAD - conf, rule.conf_factor, WAD) + rule.jump


def widened(model: PortfolioModel, by: Wad) -> PortfolioModel:
    """The model with further scenarios: its outermost moves of full weight, in a price that is off either way."""
    full = [item for item in model.scenarios if item.group == ALL_EXPIRIES and item.weight == WAD]
    if not full or by == 0:
        return model
    ends = (min(item.spot for item in full), max(item.spot for item in full))
    extra = [
        msgspec.structs.replace(item, spot=spot) for item in full if item.spot in ends for spot in _around(item, by)
    ]
    return msgspec.structs.replace(model, scenarios=model.scenarios + tuple(extra))


def _around(scenario: Scenario, by: Wad) -> tuple[Wad, Wad]:
    """The scenario's move from a price that was too high, and from one that was too low."""
    return mul_div_down(scenario.spot, max(WAD - by, 0), WAD), mul_div_up(scenario.spot, WAD + by, WAD)


def raised(model: StandardModel, by: Wad) -> StandardModel:
    """The STANDARD rules with what they ask of short options, as shares of spot, raised by a width."""
    return msgspec.structs.replace(
        model,
        max_req=model.max_req + by,
        min_req=model.min_req + by,
        mm_call=model.mm_call + by,
        mm_put=model.mm_put + by,
    )
