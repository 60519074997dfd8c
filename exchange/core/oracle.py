"""Oracle rounds: what a round must satisfy, the view it gives of prices, and the settlement TWAP.

Signatures are checked at the edge (``exchange/shell/feeds.py``) and again by the auditor; here a round must advance,
cover every live listing, continue the accumulator and carry exactly the marks its vols imply.
Imports units, commands, margin, black76.
"""

from typing import Final

from exchange.core.black76 import SCALAR, Pricer, put_mark
from exchange.core.commands import PostRound, Sheet, StandardModel
from exchange.core.margin import Leg, contingency_rate, short_units
from exchange.core.state_types import Expiry, Series
from exchange.core.units import TWAP_SECONDS, Price, Risk, Seconds, Wad, div_down, years_of

MARK_MIN: Final[Price] = 1


class RoundView:
    """Prices of one round, indexed for margin: spot per underlying; mark and short units per series."""

    __slots__ = (
        "bands",
        "confs",
        "forwards",
        "id",
        "im_units",
        "marks",
        "mm_units",
        "spots",
        "stable",
        "time_s",
        "vols",
    )

    def __init__(self, round_id: int, time_s: Seconds, stable: Wad) -> None:
        self.id = round_id
        self.time_s = time_s
        self.stable = stable
        self.spots: dict[int, Price] = {}
        self.forwards: dict[int, Price] = {}
        self.confs: dict[int, Wad] = {}
        self.marks: dict[int, Price] = {}
        self.vols: dict[int, Wad] = {}
        self.im_units: dict[int, Risk] = {}  # of one short 1e-4 contract, contingencies included
        self.mm_units: dict[int, Risk] = {}
        self.bands: dict[int, tuple[Price, Price]] = {}  # of series that somebody asked for


def view_of(
    round_: PostRound, expiries: dict[int, Expiry], series: dict[int, Series], model: StandardModel
) -> RoundView:
    """Index a round. The units follow from its marks, so they are never stored."""
    view = RoundView(round_.round_id, round_.time_s, round_.stable)
    for spot in round_.spots:
        view.spots[spot.underlying] = spot.spot
    for sheet in round_.sheets:
        _index_sheet(view, sheet, expiries[sheet.expiry_id], series, model)
    return view


def _index_sheet(
    view: RoundView, sheet: Sheet, expiry: Expiry, series: dict[int, Series], model: StandardModel
) -> None:
    spot = view.spots[expiry.underlying]
    view.forwards[expiry.id] = sheet.forward
    view.confs[expiry.id] = sheet.conf
    extra = contingency_rate(model, sheet.conf, view.stable) * spot
    # Series listed since the round are not in it: a restored state indexes the round again, after such listings.
    for series_id, vol, mark in zip(expiry.series, sheet.vols, sheet.marks, strict=False):
        option = series[series_id]
        units = short_units(model, spot, Leg(0, option.strike, option.is_call, mark))
        view.marks[series_id] = mark
        view.vols[series_id] = vol
        view.im_units[series_id] = units.initial + extra
        view.mm_units[series_id] = units.maintenance


def implied_marks(
    sheet: Sheet, expiry: Expiry, series: dict[int, Series], time_s: Seconds, pricer: Pricer = SCALAR
) -> tuple[Price, ...]:
    """Marks that follow from a sheet's forward and vols at the round's time, at least 1e-6 USDC.

    The contract reads 0 as no mark at all: as the lane of a series that is newer than the round. Both options of a
    strike usually have one vol, and then are priced once.
    """
    years = years_of(expiry.expiry_s - time_s)
    options = [series[sid] for sid in expiry.series]
    terms = [(option.strike, vol) for option, vol in zip(options, sheet.vols, strict=True)]
    different = list(dict.fromkeys(terms))
    strikes, vols = [strike for strike, _ in different], [vol for _, vol in different]
    (calls,) = pricer.calls([sheet.forward], strikes, [vols], years)
    call_of = dict(zip(different, calls, strict=True))
    marks = (
        call_of[key] if option.is_call else put_mark(call_of[key], sheet.forward, option.strike)
        for option, key in zip(options, terms, strict=True)
    )
    return tuple(max(mark, MARK_MIN) for mark in marks)


def twap(acc_at: dict[int, int], expiry_s: Seconds) -> Price | None:
    """Settlement price: mean of spot over the last half hour, rounded down; None until both ends are known."""
    start, end = acc_at.get(expiry_s - TWAP_SECONDS), acc_at.get(expiry_s)
    if start is None or end is None:
        return None
    return div_down(end - start, TWAP_SECONDS)
