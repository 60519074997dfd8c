"""Oracle rounds: what a round must satisfy, the view it gives of prices, and the settlement TWAP.

Signatures are checked at the edge (``exchange/shell/feeds.py``) and again by the auditor; here a round must advance,
cover every live listing, continue the accumulator and carry exactly the marks its vols imply.
Imports units, commands, margin, index, black76, risk_models.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from exchange.core.black76 import SCALAR, Pricer, averaging_years, put_mark
from exchange.core.commands import PostRound, Sheet, StandardModel
from exchange.core.index import expected_average
from exchange.core.margin import Leg, contingency_rate, short_units
from exchange.core.parameters import PortfolioModel
from exchange.core.risk_models import grid
from exchange.core.risk_models.arrays import RiskRound, Terms
from exchange.core.risk_models.requirement import PortfolioRules, portfolio_rules
from exchange.core.state_types import Expiry, Series
from exchange.core.units import TWAP_SECONDS, Price, Risk, Seconds, Wad, div_down

MARK_MIN: Final[Price] = 1
Sums = Mapping[int, Mapping[Seconds, int]]
"""Integral of spot by underlying, at half hours."""


class Term(NamedTuple):
    """What the options of an expiry are priced on: the settlement average as expected, its settled part, and the time
    that its variance is worth (wad of a year).
    """

    expected: Price
    fixed: Price
    years: Wad


class RoundView:
    """Prices of one round, indexed for margin: spot per underlying; mark and short units per series."""

    __slots__ = (
        "arrays",
        "bands",
        "confs",
        "forwards",
        "id",
        "im_units",
        "marks",
        "mm_units",
        "portfolio",
        "spots",
        "stable",
        "terms",
        "time_s",
        "vols",
    )

    def __init__(self, round_id: int, time_s: Seconds, stable: Wad) -> None:
        self.id = round_id
        self.time_s = time_s
        self.stable = stable
        self.spots: dict[int, Price] = {}
        self.forwards: dict[int, Price] = {}
        self.terms: dict[int, Term] = {}  # by expiry
        self.confs: dict[int, Wad] = {}
        self.marks: dict[int, Price] = {}
        self.vols: dict[int, Wad] = {}
        self.im_units: dict[int, Risk] = {}  # of one short 1e-4 contract, contingencies included
        self.mm_units: dict[int, Risk] = {}
        self.bands: dict[int, tuple[Price, Price]] = {}  # of series that somebody asked for
        self.arrays: RiskRound | None = None  # of a round that commits to them; priced when somebody asks
        self.portfolio: PortfolioRules | None = None  # what they are read by


def view_of(
    round_: PostRound, expiries: dict[int, Expiry], series: dict[int, Series], model: StandardModel, sums: Sums
) -> RoundView:
    """Index a round. The units follow from its marks, so they are never stored."""
    view = RoundView(round_.round_id, round_.time_s, round_.stable)
    for spot in round_.spots:
        view.spots[spot.underlying] = spot.spot
    accs = {spot.underlying: spot.acc for spot in round_.spots}
    for sheet in round_.sheets:
        expiry = expiries[sheet.expiry_id]
        view.terms[expiry.id] = term_of(sheet, expiry, round_.time_s, accs[expiry.underlying], sums)
        _index_sheet(view, sheet, expiry, series, model)
    return view


def with_arrays(
    view: RoundView,
    expiries: Mapping[int, Expiry],
    series: Mapping[int, Series],
    model: PortfolioModel,
    pricer: Pricer = SCALAR,
) -> RoundView:
    """The view with the risk arrays that follow from it under a model."""
    sheets = {}
    for key, on in view.terms.items():
        left = max(expiries[key].expiry_s - view.time_s, 0)
        sheets[key] = grid.Sheet(on.expected, left, on.years, on.fixed)
    terms = {key: Terms(series[key].strike, series[key].is_call, vol) for key, vol in view.vols.items()}
    view.arrays, view.portfolio = RiskRound(model, view.id, sheets, terms, pricer), portfolio_rules(model)
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


def term_of(sheet: Sheet, expiry: Expiry, time_s: Seconds, acc: int, sums: Sums) -> Term:
    """What the options of a sheet are priced on at the round's time; ``acc`` is the integral of spot up to then.

    An expiry whose window opened without a round has no settled part: it cannot be fixed by the mean either, and its
    options are priced as if all of the window were still to come.
    """
    left = max(expiry.expiry_s - time_s, 0)
    opened = sums.get(expiry.underlying, {}).get(expiry.expiry_s - TWAP_SECONDS)
    if left >= TWAP_SECONDS or opened is None:
        return Term(sheet.forward, 0, averaging_years(left, sheet.forward, 0))
    average = expected_average(sheet.forward, left, acc - opened)
    return Term(average.expected, average.fixed, averaging_years(left, average.expected, average.fixed))


def implied_marks(
    sheet: Sheet, term: Term, expiry: Expiry, series: Mapping[int, Series], pricer: Pricer = SCALAR
) -> tuple[Price, ...]:
    """Marks that follow from a sheet's vols and what its options are priced on, at least 1e-6 USDC.

    The contract reads 0 as no mark at all: as the lane of a series that is newer than the round. Both options of a
    strike usually have one vol, and then are priced once.
    """
    options = [series[sid] for sid in expiry.series]
    wanted = [(option.strike, vol) for option, vol in zip(options, sheet.vols, strict=True)]
    different = list(dict.fromkeys(wanted))
    strikes, vols = [strike for strike, _ in different], [vol for _, vol in different]
    (calls,) = pricer.calls([term.expected], strikes, [vols], term.years)
    call_of = dict(zip(different, calls, strict=True))
    marks = (
        call_of[key] if option.is_call else put_mark(call_of[key], term.expected, option.strike)
        for option, key in zip(options, wanted, strict=True)
    )
    return tuple(max(mark, MARK_MIN) for mark in marks)


def twap(acc_at: dict[int, int], expiry_s: Seconds) -> Price | None:
    """Settlement price: mean of spot over the last half hour, rounded down; None until both ends are known."""
    start, end = acc_at.get(expiry_s - TWAP_SECONDS), acc_at.get(expiry_s)
    if start is None or end is None:
        return None
    return div_down(end - start, TWAP_SECONDS)
