"""SVI slices in integers: reference numbers, and no arbitrage in any slice that passes inspection."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from exchange.core import surface
from exchange.core.black76 import black76_mark
from exchange.core.surface import Caution, Fault, Slice
from exchange.core.units import U63_MAX, USDC_ONE, WAD
from tests import vectors

FORWARD = 100_000 * USDC_ONE
DAY = 86_400
GOOD = Slice(
    2138900837067276, 41639765820381208, -290894349076049536, -26351062568175804, 62563079314213912, FORWARD, WAD
)
CAUTION = Caution()


def wad(text):
    return int(Decimal(text) * WAD)


def slice_of(inputs):
    numbers = [wad(inputs[name]) for name in ("a", "b", "rho", "m", "sigma")]
    return Slice(*numbers, int(Decimal(inputs.get("forward", "1")) * USDC_ONE), wad(inputs.get("tau", "1")))


@pytest.mark.parametrize("vector", [*vectors.family("svi_0"), *vectors.family("svi_1"), *vectors.family("svi_2")])
def test_vols_are_those_of_the_reference(vector):
    found = surface.vol_of(slice_of(vector["inputs"]), int(vector["inputs"]["K"]) * USDC_ONE)
    assert abs(Decimal(found) / WAD - Decimal(vector["expected"]["vol"])) <= Decimal("1e-14")


def test_a_huge_variance_is_capped_where_the_reference_caps_it():
    vector = vectors.named("svi_maxvar")
    found = surface.vol_of(slice_of(vector["inputs"]), int(vector["inputs"]["K"]) * USDC_ONE)
    assert abs(Decimal(found) / WAD - Decimal(vector["expected"]["vol"])) <= Decimal("1e-6")


def test_a_slice_known_for_its_butterfly_is_found_out():
    vector = vectors.named("svi_butterfly_vogt")
    cut = slice_of(vector["inputs"])
    assert abs(surface.total_variance(cut, 0) - wad(vector["expected"]["w0"])) <= 1
    assert abs(surface.density(cut, wad("0.8")) - wad(vector["expected"]["g_0_8"])) <= 1000
    found = surface.inspect(cut)
    assert found.fault is Fault.BUTTERFLY
    assert (found.k, surface.density(cut, wad("0.64")) > 0) == (wad("0.65"), True)


def test_a_slice_of_a_live_venue_passes():
    vector = vectors.named("svi_butterfly_ok")
    cut = slice_of(vector["inputs"])
    assert surface.inspect(cut) is None
    lowest, where = vector["expected"]["g_min_on_grid_0_01"].split(" at k=")
    found = min((surface.density(cut, k), k) for k in range(-3 * WAD // 2, 3 * WAD // 2 + 1, WAD // 100))
    assert found[1] == wad(where)
    assert abs(found[0] - wad(lowest)) <= 10**6


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"b": -1}, Fault.PARAMETER_OUT_OF_RANGE),
        ({"rho": WAD}, Fault.PARAMETER_OUT_OF_RANGE),
        ({"rho": -WAD}, Fault.PARAMETER_OUT_OF_RANGE),
        ({"sigma": 0}, Fault.PARAMETER_OUT_OF_RANGE),
        ({"a": U63_MAX + 1}, Fault.PARAMETER_OUT_OF_RANGE),
        ({"m": -U63_MAX - 1}, Fault.PARAMETER_OUT_OF_RANGE),
        ({"forward": 0}, Fault.PARAMETER_OUT_OF_RANGE),
        ({"years": 0}, Fault.PARAMETER_OUT_OF_RANGE),
        ({"b": 16 * WAD // 10}, Fault.WING_TOO_STEEP),
        ({"a": -3 * WAD // 1000}, Fault.VARIANCE_NOT_POSITIVE),
    ],
)
def test_each_bound_is_named(change, fault):
    assert surface.inspect(GOOD) is None
    assert (
        surface.inspect(
            type(GOOD)(**{name: change.get(name, getattr(GOOD, name)) for name in GOOD.__struct_fields__})
        ).fault
        is fault
    )


def test_a_later_expiry_has_at_least_the_variance_of_an_earlier_one():
    later = Slice(GOOD.a + 1, GOOD.b, GOOD.rho, GOOD.m, GOOD.sigma, FORWARD, 2 * WAD)
    assert surface.inspect(later, GOOD) is None
    found = surface.inspect(GOOD, later)
    assert (found.fault, found.value) == (Fault.CALENDAR, -1)


def slices(years):
    """Shapes as venues publish them, in units of the deviation at the money."""
    return st.builds(
        _shaped,
        years,
        vol=st.integers(10, 300),
        wing=st.integers(0, 150),
        rho=st.integers(-95, 95),
        width=st.integers(5, 300),
        centre=st.integers(-100, 100),
    )


def _shaped(years, vol, wing, rho, width, centre):
    deviation = vol * WAD // 100 * surface.isqrt(years * WAD) // WAD
    b, sigma, m = deviation * wing // 100, deviation * width // 100, deviation * centre // 100
    return Slice(deviation * deviation // WAD - b * sigma // WAD, b, rho * WAD // 100, m, sigma, FORWARD, years)


@given(slices(st.integers(WAD // 365, 2 * WAD)), st.integers(1, 40))
@example(_shaped(30 * WAD // 365, 60, 40, -30, 100, 0), 4)
def test_what_passes_prices_no_butterfly_below_nothing(cut, step):
    """Marks are rounded up, and rest on floored probabilities: off by one unit each."""
    assume(surface.inspect(cut) is None)
    strikes = [FORWARD * (40 + step * n) // 100 for n in range(1, 160 // step)]
    marks = [_call(cut, strike) for strike in strikes]
    assert all(before >= after - 1 for before, after in pairwise(marks))
    assert all(a - 2 * b + c >= -2 for a, b, c in zip(marks, marks[1:], marks[2:], strict=False))


@given(slices(st.just(WAD // 52)), slices(st.just(WAD // 12)))
def test_what_passes_prices_no_calendar_below_nothing(earlier, later):
    assume(surface.inspect(earlier) is None and surface.inspect(later, earlier) is None)
    for percent in range(40, 200, 5):
        strike = FORWARD * percent // 100
        assert _call(later, strike) >= _call(earlier, strike) - 1


def _call(cut, strike):
    return black76_mark(FORWARD, strike, surface.vol_of(cut, strike), cut.years, is_call=True)


def test_clamping_at_four_deviations_would_price_a_butterfly_below_nothing():
    """Why log-moneyness is clamped at 5, far from any option with a price, and not where others clamp it."""
    cut = _shaped(30 * WAD // 365, 60, 40, -30, 100, 0)
    assert surface.inspect(cut) is None
    bound = 4 * surface.isqrt(cut.a * WAD + cut.b * cut.sigma)

    def clamped(strike):
        k = max(-bound, min(surface.log_moneyness(cut, strike), bound))
        vol = surface.isqrt(surface.total_variance(cut, k) * WAD * WAD // cut.years)
        return black76_mark(FORWARD, strike, vol, cut.years, is_call=True)

    strikes = range(40_000 * USDC_ONE, 70_000 * USDC_ONE, 250 * USDC_ONE)
    worst = min(clamped(k - 250 * USDC_ONE) - 2 * clamped(k) + clamped(k + 250 * USDC_ONE) for k in strikes)
    assert worst < -USDC_ONE // 10
    assert (
        min(_call(cut, k - 250 * USDC_ONE) - 2 * _call(cut, k) + _call(cut, k + 250 * USDC_ONE) for k in strikes) > -2
    )


@given(st.integers(0, 5 * WAD), st.integers(0, 5 * WAD), st.integers(0, 400 * DAY))
def test_caution_values_shorts_above_the_mark_and_longs_below_it(mark, highest, seconds):
    assert surface.vol_for_short(CAUTION, mark, highest, seconds) >= max(mark, highest, CAUTION.floor)
    assert 0 <= surface.vol_for_long(CAUTION, mark, seconds) <= mark


def test_caution_at_thirty_days_is_the_published_factor():
    assert surface.term_factor(CAUTION, 30 * DAY) == WAD
    assert surface.vol_for_short(CAUTION, WAD, 0, 30 * DAY) == WAD + WAD // 2 + 1
    assert surface.vol_for_long(CAUTION, WAD, 30 * DAY) == WAD - 275 * WAD // 1000 - 1
    assert surface.term_factor(CAUTION, 0) == surface.term_factor(CAUTION, DAY)


def test_the_running_maximum_rises_at_once_and_falls_slowly():
    highest = surface.running_maximum(CAUTION, WAD // 2, WAD)
    assert highest == WAD
    assert surface.running_maximum(CAUTION, highest, WAD // 2) == 99 * WAD // 100


def test_a_jump_is_adopted_when_two_rounds_agree():
    assert surface.agrees(CAUTION, WAD, 0, 130 * WAD // 100)
    assert not surface.agrees(CAUTION, WAD, 0, 130 * WAD // 100 + 1)
    assert not surface.agrees(CAUTION, WAD, 5 * WAD, 2 * WAD)
    assert surface.agrees(CAUTION, WAD, 18 * WAD // 10, 2 * WAD)
