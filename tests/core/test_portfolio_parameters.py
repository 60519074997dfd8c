"""Parameters of the PORTFOLIO margin: which ones a venue may set, and that the laws hold under all of those."""

from typing import Any

import pytest
from core_venue import BTC, ETH, Venue
from hypothesis import given, settings
from hypothesis import strategies as st
from margin_laws import LAWS, a_short_call_needs_its_loss_in_the_outermost_move
from margin_world import Stage, series_at
from msgspec import structs
from published_models import pm2_model

from exchange import codec
from exchange.core import commands as c
from exchange.core import parameters as p
from exchange.core.events import Reject
from exchange.core.images import decode, encode
from exchange.core.risk_models.soundness import SCENARIOS_MAX, broken
from exchange.core.risk_models.venue_set import PORTFOLIO
from exchange.core.units import WAD


def test_parameters_are_journaled_kept_and_replaced(venue: Venue) -> None:
    lighter = structs.replace(PORTFOLIO, mm_factor=WAD // 2)
    for model in (PORTFOLIO, lighter):
        command = c.SetPortfolio(BTC, model, "test")
        assert codec.decode_command(codec.encode_command(command)) == command
        venue.must(command)
        assert venue.state.portfolios[BTC].model == model
    assert decode(encode(venue.state)).portfolios == {BTC: c.SetPortfolio(BTC, lighter, "test")}
    venue.check_history()


def test_parameters_are_of_what_is_listed_and_sound(venue: Venue) -> None:
    assert venue.rejected(c.SetPortfolio(ETH, PORTFOLIO, "test")) is Reject.UNDERLYING_MUST_EXIST
    odd = structs.replace(PORTFOLIO, scenarios=(structs.replace(FIRST, mirrored=True),))
    assert venue.rejected(c.SetPortfolio(BTC, odd, "test")) is Reject.PORTFOLIO_MUST_BE_SOUND
    assert venue.state.portfolios == {}


FIRST = PORTFOLIO.scenarios[0]
UNSOUND: list[tuple[str, Any]] = [
    ("no scenario", {"scenarios": ()}),
    ("too many", {"scenarios": (FIRST,) * (SCENARIOS_MAX + 1)}),
    ("initial is the smaller", {"im_factor": PORTFOLIO.mm_factor - 1}),
    ("maintenance above the whole", {"mm_factor": WAD + 1, "im_factor": 2 * WAD}),
    ("a share of all", {"short_mm": WAD + 1}),
    ("a negative add-on", {"linear_im": -1}),
    ("a factor of nothing", {"depeg_factor": -1}),
    ("vol falls by more than all", {"vol": structs.replace(PORTFOLIO.vol, down=WAD + 1)}),
    ("no least time", {"vol": structs.replace(PORTFOLIO.vol, floor_s=0)}),
    ("a negative power", {"vol": structs.replace(PORTFOLIO.vol, power_long=-1)}),
    ("no width", {"skew": structs.replace(PORTFOLIO.skew, width_least=0)}),
    ("a cap that grows", {"skew": structs.replace(PORTFOLIO.skew, slope_yearly=1)}),
    ("discounted", {"static": p.StaticDiscount(long=WAD - 1)}),
    ("discounted by rate", {"static": p.StaticDiscount(short_add=1)}),
]
ODD: list[tuple[str, dict[str, Any]]] = [
    ("weight", {"weight": WAD + 1, "weight_max": WAD + 1}),
    ("weight above its most", {"weight": 2, "weight_max": 1}),
    ("weight grows with no expiry", {"weight_yearly": 1}),
    ("gain as loss", {"mirrored": True}),
    ("unknown move", {"vol": p.TANGENT + 1}),
    ("negative forward", {"spot": -1}),
    ("rate for naked shorts by expiry", {"group": 1, "short": 1}),
]


@pytest.mark.parametrize(("name", "fields"), UNSOUND, ids=lambda value: value if isinstance(value, str) else "")
def test_unsound_parameters_are_found(name: str, fields: dict[str, Any]) -> None:
    assert broken(structs.replace(PORTFOLIO, **fields)) is not None, name


@pytest.mark.parametrize(("name", "fields"), ODD, ids=lambda value: value if isinstance(value, str) else "")
def test_unsound_scenarios_are_found(name: str, fields: dict[str, Any]) -> None:
    odd = structs.replace(FIRST, **fields)
    assert broken(structs.replace(PORTFOLIO, scenarios=(*PORTFOLIO.scenarios, odd))) is not None, name


def test_the_set_of_the_venue_is_sound_and_the_published_one_is_not() -> None:
    assert broken(PORTFOLIO) is None
    assert broken(pm2_model()) is not None


SHARE = st.integers(0, WAD)
SCENARIOS = st.builds(
    lambda spot, vol, weight, group, yearly, short: p.Scenario(
        spot, vol, weight, yearly if group else 0, WAD, group, short=0 if group else short
    ),
    st.integers(0, 6 * WAD),
    st.integers(p.VOL_SAME, p.TANGENT),
    SHARE,
    st.integers(0, 2),
    st.integers(0, 3 * WAD),
    st.integers(0, WAD // 10),
)
SOUND = st.builds(
    lambda scenarios, mm, more, short, down, up: structs.replace(
        PORTFOLIO,
        scenarios=tuple(scenarios),
        mm_factor=mm,
        im_factor=mm + more,
        short_mm=short,
        vol=structs.replace(PORTFOLIO.vol, down=down, up=up),
    ),
    st.lists(SCENARIOS, min_size=1, max_size=5),
    SHARE,
    SHARE,
    st.integers(0, WAD // 10),
    SHARE,
    st.integers(0, 2 * WAD),
)
X = {series_at(2, 2, True): -10_000, series_at(2, 3, False): 7_001, series_at(3, 2, True): 300}
Y = {series_at(1, 2, False): -5, series_at(2, 5, True): 10_000, series_at(2, 2, True): 4_000}


@settings(max_examples=15)
@given(model=SOUND)
def test_the_laws_hold_under_whatever_is_sound(model: p.PortfolioModel) -> None:
    """But for how much a short call needs, which is for the operator to say."""
    assert broken(model) is None
    stage = Stage(model)
    for law in LAWS:
        if law is not a_short_call_needs_its_loss_in_the_outermost_move:
            law(stage, X, Y)
