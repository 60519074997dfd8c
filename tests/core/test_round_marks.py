"""Marks of a round: one for each series, from any pricer that keeps to the definition, and from no other."""

from collections.abc import Sequence

import msgspec
from core_venue import BTC, USDC, Venue

from exchange.core.black76 import SCALAR, black76_mark
from exchange.core.commands import PostRound
from exchange.core.events import Reject
from exchange.core.oracle import MARK_MIN, implied_marks
from exchange.core.units import WAD, years_of


class Dearer:
    """Prices a unit too high."""

    def calls(
        self, forwards: Sequence[int], strikes: Sequence[int], vols: Sequence[Sequence[int]], years: int
    ) -> list[list[int]]:
        return [[mark + 1 for mark in row] for row in SCALAR.calls(forwards, strikes, vols, years)]


def skewed(venue: Venue) -> PostRound:
    """A round in which the options of a strike have different vols, and some none."""
    round_ = venue.round_of({BTC: 61_500 * USDC})
    vols = [tuple(WAD // (2 + place) if place != 5 else 0 for place in range(len(s.vols))) for s in round_.sheets]
    sheets = tuple(msgspec.structs.replace(s, vols=v) for s, v in zip(round_.sheets, vols, strict=True))
    return msgspec.structs.replace(round_, sheets=sheets)


def test_each_series_is_marked_at_its_own_vol(venue: Venue) -> None:
    for sheet in skewed(venue).sheets:
        expiry = venue.state.expiries[sheet.expiry_id]
        marks = implied_marks(sheet, expiry, venue.state.series, venue.now_s)
        years = years_of(expiry.expiry_s - venue.now_s)
        for series_id, vol, mark in zip(expiry.series, sheet.vols, marks, strict=True):
            option = venue.state.series[series_id]
            exact = black76_mark(sheet.forward, option.strike, vol, years, is_call=option.is_call)
            assert mark == max(exact, MARK_MIN)


def test_a_machine_whose_pricer_strays_by_a_unit_refuses_honest_rounds(venue: Venue) -> None:
    venue.wait(60)
    honest = venue.round_of({BTC: 61_500 * USDC})
    venue.state.pricer = Dearer()
    assert venue.rejected(honest) is Reject.ROUND_MARKS_MUST_FOLLOW
    venue.state.pricer = SCALAR
    venue.must(honest)
