"""What recorded markets were like, in the numbers that are drawn from. `benchmarks/flow.py` counts them.

Figures are fixed-point with eighteen digits, exact as they are written. Imports units.
"""

import json
from decimal import Decimal
from importlib import resources
from typing import Final

import msgspec

from exchange.core.units import WAD, Wad

_FILE: Final = "simulated_flow.json"


class Flow(msgspec.Struct, frozen=True):
    """Rates, spreads and deviations in wad; what each means stands beside its value in the file."""

    spot_vol: Wad
    jumps_a_day: Wad
    jump_deviation: Wad
    vol_kept_an_hour: Wad
    vol_spread: Wad
    implied_spread_a_day: Wad
    implied_with_spot: Wad
    implied_vol: Wad
    smile_slope: Wad
    smile_bend: Wad
    half_spread_tight: Wad
    half_spread: Wad
    half_spread_wide: Wad
    rest_size: Wad
    rest_size_spread: Wad
    level_changes: Wad
    cancel_share: Wad
    resize_share: Wad
    bursts_an_hour: Wad
    burst_trades: Wad
    take_size: Wad
    take_size_spread: Wad
    buy_share: Wad
    strike_spread: Wad
    gone_share: Wad


def load() -> Flow:
    """The figures of the package."""
    text = (resources.files("exchange") / "data" / _FILE).read_text(encoding="ascii")
    told = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    return Flow(**{name: int(entry["value"] * WAD) for name, entry in told.items()})
