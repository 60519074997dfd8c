"""Price bands: the corners are what they say, one price each, and each of their rules broken by hand is noticed."""

from pathlib import Path
from typing import Any

import pytest
from core_scenario import check
from core_venue import HALF_HOUR, T0, USDC, series_named
from test_scenarios import scenarios_of

from exchange.core import bands, matching
from exchange.core import commands as c
from exchange.core.black76 import averaging_years, black76_mark
from exchange.core.images import decode, encode
from exchange.core.units import WAD, mul_div_up

SCENARIOS = scenarios_of(Path(__file__).parent / "scenarios" / "bands.txt")
RULES = c.SetBands(0, WAD // 50, WAD // 5, WAD // 1_000, "test")


def play() -> None:
    for _, text in SCENARIOS:
        check(text)


@pytest.mark.parametrize(
    ("place", "rule", "broken"),
    [
        (bands, "_moved", lambda value, by, **_: mul_div_up(value, WAD + by, WAD)),
        (bands, "_moved", lambda value, *_, **__: value),
        (bands, "edge_for", lambda *_: None),
        (bands, "div_up", lambda value, tick: value // tick - 1),
        (matching.Entry, "bends", False),
    ],
    ids=["both corners up", "no corners", "no bands", "one tick lower", "a stop is refused too"],
)
def test_a_broken_rule_is_noticed(monkeypatch: pytest.MonkeyPatch, place: Any, rule: str, broken: Any) -> None:
    play()
    monkeypatch.setattr(place, rule, property(lambda _: broken) if place is matching.Entry else broken)
    with pytest.raises(AssertionError):
        play()


def test_the_corners_are_prices_of_the_surface_on_the_tick_inside(venue):
    venue.must(RULES)
    call, put = series_named("62000C"), series_named("62000P")
    years = averaging_years(36 * HALF_HOUR, 60_000 * USDC, 0)
    forward, vol = 62_000 * USDC, WAD // 2
    up, down = forward * 102 // 100, forward * 50 // 51
    for series, dear, cheap in ((call, up, down), (put, down, up)):
        high = black76_mark(dear, forward, vol * 6 // 5, years, is_call=series == call)
        low = black76_mark(cheap, forward, vol * 5 // 6, years, is_call=series == call)
        buy = venue.auth(1, series, True, 100, 10**12)
        sell = venue.auth(1, series, False, 100, 1)
        highest, lowest = bands.edge_for(venue.state, buy), bands.edge_for(venue.state, sell)
        assert high - 5 * USDC < highest <= high
        assert low <= lowest < low + USDC
    assert venue.now_s == T0


def test_bands_survive_a_snapshot_and_change_with_their_rules(venue):
    venue.must(RULES)
    far = venue.auth(1, series_named("62000C"), True, 100, 10**12)
    edge = bands.edge_for(venue.state, far)
    assert bands.edge_for(decode(encode(venue.state)), far) == edge
    venue.must(c.SetBands(0, WAD // 25, WAD // 5, 0, "test"))
    assert bands.edge_for(venue.state, far) > edge
    venue.must(c.SetBands(0, 0, 0, 0, "test"))
    assert bands.edge_for(venue.state, far) is None
