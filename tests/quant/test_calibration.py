"""Fitting slices: what went in comes out, and nothing with an arbitrage is ever proposed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.core import surface
from exchange.core.surface import Slice
from exchange.core.units import USDC_ONE, WAD
from exchange.quant.calibration import Smile, fit, fit_all

TRUE = Slice(
    2138900837067276,
    41639765820381208,
    -290894349076049536,
    -26351062568175804,
    62563079314213912,
    100_000 * USDC_ONE,
    WAD // 12,
)


def smile_of(cut, percents=range(60, 165, 5), years=None):
    strikes = np.array([1000.0 * percent for percent in percents])
    vols = np.array([surface.vol_of(cut, int(strike) * USDC_ONE) for strike in strikes]) / WAD
    return Smile(strikes, vols, np.ones_like(vols), 100_000.0, cut.years / WAD if years is None else years)


def test_a_slice_is_found_again():
    found = fit(smile_of(TRUE))
    assert found.fault is None
    assert found.error < 1e-6
    for percent in range(60, 165, 5):
        strike = 1000 * percent * USDC_ONE
        assert abs(surface.vol_of(found.cut, strike) - surface.vol_of(TRUE, strike)) < WAD // 10**5


def test_the_next_expiry_never_has_less_variance():
    """The later quotes lie below the earlier ones in total variance: the fit gives way, not the condition."""
    first = smile_of(TRUE)
    later = Smile(first.strikes, first.vols * 0.6, first.weights, first.forward, 2 * first.years)
    found = fit_all([first, later])
    assert [each.fault for each in found] == [None, None]
    assert surface.inspect(found[1].cut, found[0].cut) is None
    assert found[1].error > found[0].error


def test_too_few_quotes_are_refused():
    with pytest.raises(ValueError, match="5 parameters"):
        fit(smile_of(TRUE, range(80, 120, 10)))


def test_where_nothing_fits_the_last_good_slice_bounds_the_next():
    first = smile_of(TRUE)
    hopeless = Smile(first.strikes, np.full_like(first.vols, 200.0), first.weights, first.forward, 1.0)
    found = fit_all([first, hopeless, smile_of(TRUE, years=0.5)], [None, TRUE, None])
    assert found[1].cut is None
    assert found[1].fault is not None
    assert found[2].fault is None


@settings(max_examples=8)
@given(st.lists(st.integers(20, 250), min_size=6, max_size=14), st.integers(1, 400))
def test_quotes_of_any_shape_never_make_an_arbitrage(vols, days):
    strikes = np.linspace(60_000.0, 160_000.0, len(vols))
    found = fit(Smile(strikes, np.array(vols) / 100, np.ones(len(vols)), 100_000.0, days / 365))
    assert (found.cut is None) == (found.fault is not None)
    if found.cut is not None:
        assert surface.inspect(found.cut) is None
