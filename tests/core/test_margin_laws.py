"""Laws of the venue's PORTFOLIO margin over drawn portfolios, and which of them other sets and STANDARD break."""

import pytest
from core_venue import STANDARD
from hypothesis import example, given
from hypothesis import strategies as st
from margin_laws import (
    LAWS,
    Law,
    it_is_what_the_plain_words_say,
    longs,
    plus,
    what_is_only_bought_needs_no_more_than_it_is_worth,
)
from margin_world import SERIES, SHEETS, SPOT, TERMS, Positions, Stage, series_at
from published_models import pm2_model

from exchange.core.margin import ExpiryBook, Kind, Leg, requirement
from exchange.core.units import WAD

PLAIN = Stage()
STAGES = [PLAIN, PLAIN.but(conf=WAD // 3), PLAIN.but(stable=WAD * 9 // 10)]
POSITIONS = st.dictionaries(st.sampled_from(SERIES), st.integers(-500_000, 500_000), max_size=8)
SMALL = st.dictionaries(st.sampled_from(SERIES), st.integers(-3, 3), max_size=4)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@given(stage=st.sampled_from(STAGES), x=POSITIONS | SMALL, y=POSITIONS | SMALL)
def test_margin_keeps_its_laws(law: Law, stage: Stage, x: Positions, y: Positions) -> None:
    law(stage, x, y)


@given(
    stage=st.sampled_from(STAGES), x=st.dictionaries(st.sampled_from(SERIES), st.integers(-99_999, 99_999), max_size=5)
)
@example(stage=STAGES[0], x=dict.fromkeys(SERIES, -7))
def test_margin_is_what_the_plain_words_say(stage: Stage, x: Positions) -> None:
    it_is_what_the_plain_words_say(stage, x, {})


def test_the_published_rule_asks_more_for_a_bought_option_than_it_is_worth() -> None:
    """Why the venue's set differs: any change of the smile is a loss there, that of what is only bought too."""
    theirs, ours, far = Stage(pm2_model()), STAGES[0], {series_at(2, 5, True): 10_000}
    assert theirs.risk(far) > theirs.premium(far) > ours.risk(far) > 0
    with pytest.raises(AssertionError):
        what_is_only_bought_needs_no_more_than_it_is_worth(theirs, far, {})


# -- STANDARD ---------------------------------------------------------------------------------------------------------


def standard(positions: Positions, kind: Kind) -> int:
    """What the STANDARD rules ask for the same positions."""
    books = []
    for expiry, sheet in SHEETS.items():
        held = {series: qty for series, qty in positions.items() if series >> 16 == expiry}
        legs = tuple(
            Leg(qty, TERMS[series].strike, TERMS[series].is_call, STAGES[0].round.array(series).cells[0])
            for series, qty in held.items()
        )
        books.append(ExpiryBook(SPOT, sheet.forward, WAD, legs))
    return requirement(STANDARD, tuple(books), WAD, kind)


@given(x=POSITIONS | SMALL, y=POSITIONS)
def test_standard_margin_keeps_all_laws_but_one(x: Positions, y: Positions) -> None:
    bought = longs(y)
    for kind in Kind:
        assert standard({}, kind) == standard(bought, kind) == 0
        assert standard(plus(x, bought), kind) <= standard(x, kind)
        assert standard(dict(reversed(x.items())), kind) == standard(x, kind)
        ten = standard({series: 10 * qty for series, qty in x.items()}, kind)
        # The floor of a put's offset is cut before it is multiplied, so a short counts for a unit more or less.
        assert abs(10 * standard(x, kind) - ten) <= 10 + 10 * len(x)
    assert standard(x, Kind.INITIAL) >= standard(x, Kind.MAINTENANCE) >= 0


def test_standard_margin_of_two_may_exceed_that_of_each() -> None:
    """The smaller of two rules for each expiry: a spread that was let off by one of them is not beside a naked short."""
    spread = {series_at(2, 0, True): -10_000, series_at(2, 1, True): 10_000}
    naked = {series_at(2, 5, True): -10_000}
    for kind in Kind:
        assert standard(plus(spread, naked), kind) > standard(spread, kind) + standard(naked, kind)
