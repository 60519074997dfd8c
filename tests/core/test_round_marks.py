"""Marks of a round: one for each series, from any pricer that keeps to the definition, and from no other."""

from collections.abc import Sequence

import msgspec
from core_venue import BTC, USDC, Venue

from exchange.core.black76 import SCALAR, averaging_years, black76_mark
from exchange.core.commands import PostRound
from exchange.core.events import Reject
from exchange.core.oracle import MARK_MIN
from exchange.core.pricing import marks_of
from exchange.core.units import TWAP_SECONDS, WAD


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
        marks = marks_of(venue.state, sheet, venue.now_s, 0)
        years = averaging_years(expiry.expiry_s - venue.now_s, sheet.forward, 0)
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


def test_in_the_settlement_window_marks_follow_the_mean(venue: Venue) -> None:
    """Half of the window at 60,000 is settled; spot is 64,000 now. The mean is expected at 62,000, and half of it moves."""
    expiry = venue.state.expiries[1]
    opens_s = expiry.expiry_s - TWAP_SECONDS
    for time_s, spot in ((opens_s, 60_000), (opens_s + TWAP_SECONDS // 2, 64_000)):
        venue.wait(time_s - venue.now_s)
        venue.round(spot)
    left = TWAP_SECONDS // 2
    term = venue.state.view.terms[1]
    assert (term.expected, term.fixed) == (62_000 * USDC, 30_000 * USDC)
    assert term.years == left * 32_000**2 * WAD // (3 * 31_536_000 * 62_000**2)
    strikes = {venue.state.series[sid].strike: sid for sid in expiry.series if venue.state.series[sid].is_call}
    for strike, sid in strikes.items():
        mark = black76_mark(62_000 * USDC, strike, WAD // 2, term.years, is_call=True)
        assert venue.state.view.marks[sid] == max(mark, MARK_MIN)


def test_at_the_end_of_the_window_an_option_is_worth_what_it_settles_at(venue: Venue) -> None:
    """One second before the end the marks of a moving market differ from the payoff at the mean by almost nothing."""
    expiry = venue.state.expiries[1]
    opens_s = expiry.expiry_s - TWAP_SECONDS
    for number, spot in enumerate((60_000, 61_000, 66_000, 63_000)):
        venue.wait(opens_s + number * 450 - venue.now_s)
        venue.round(spot)
    venue.wait(expiry.expiry_s - 1 - venue.now_s)
    venue.round(70_000)
    mean = (60_000 + 61_000 + 66_000 + 63_000) * USDC // 4
    for sid in expiry.series:
        option = venue.state.series[sid]
        payoff = max(mean - option.strike if option.is_call else option.strike - mean, 0)
        assert abs(venue.state.view.marks[sid] - payoff) < 5 * USDC


def test_without_a_round_at_the_opening_nothing_counts_as_settled(venue: Venue) -> None:
    expiry = venue.state.expiries[1]
    venue.wait(expiry.expiry_s - TWAP_SECONDS // 2 - venue.now_s)
    venue.round(64_000)
    assert venue.state.view.terms[1][:2] == (64_000 * USDC, 0)
