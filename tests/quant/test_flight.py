"""The back-test of the time-of-flight buffer: it counts what it says, and finds the design quantile where it holds."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr

from benchmarks.flight import read
from exchange.quant.flight import RULES, Prices, Rule, back_test, design, moves, on_grid, twin, width_of, yearly_vol
from exchange.quant.paths import Diffusion, Grid


def test_a_grid_has_the_last_price_known():
    times = np.array([500, 1_000, 2_400, 5_000], dtype=np.int64)
    prices = on_grid("x", times, np.array([10.0, 11.0, 12.0, 13.0]), 1)
    assert prices.values.tolist() == [11.0, 11.0, 12.0, 12.0, 13.0]


def test_moves_are_counted_both_ways_from_the_price_used():
    prices = Prices("x", 60, np.array([100.0, 101.0, 99.0, 99.0]))
    assert np.allclose(moves(prices, 60), [0.01, 2 / 101, 0.0])
    assert np.allclose(moves(prices, 120), [0.01, 2 / 101])


def test_the_width_is_that_of_margin():
    """Published widths in basis points."""
    published = {2: (4.7, 11.7, 30.2), 12: (11.4, 28.6, 74.0), 60: (25.6, 63.9, 165.5), 300: (57.2, 143.0, 370.1)}
    for latency_s, widths in published.items():
        for rule, width in zip(RULES[1:], widths, strict=True):
            assert abs(width_of(rule, rule.vol, latency_s) * 1e4 - width) < 0.06


@pytest.mark.parametrize(("deviations", "share"), [(3.09, 0.0020), (4.0, 0.000063)])
def test_the_design_quantile_is_two_sided(deviations, share):
    assert abs(design(Rule(1.0, deviations)) / share - 1) < 0.01


def test_normal_moves_exceed_the_buffer_as_often_as_designed():
    """A year of minutes at 60 vol, where latency is the step so that moves do not overlap."""
    path = Diffusion(0.6).draw(Grid(1, 525_600, 60.0), 2)[0]
    prices = Prices("drawn", 60, path)
    assert abs(yearly_vol(prices) - 0.6) < 0.005
    for line in back_test(prices, (60,), (Rule(0.6, 3.09), Rule(0.6, 2.0), Rule(0.3, 3.09))):
        expected = 2 * ndtr(-line.rule.deviations * line.rule.vol / 0.6)
        assert abs(line.share - expected) < 4 * np.sqrt(expected / line.moments)
        assert line.with_publisher <= line.share
        assert line.worst < 0.01


def test_jumps_exceed_it_more_often_and_the_twin_has_them():
    month, storm = twin()
    assert (month.step_s, len(month.values)) == (60, 31 * 1_440 + 1)
    assert (storm.step_s, len(storm.values)) == (1, 86_401)
    again = twin()
    assert np.array_equal(month.values, again[0].values)
    lines = [line for line in back_test(storm) if line.rule.deviations == 4.0]
    assert [line.latency_s for line in lines] == [1, 2, 5, 12, 30, 60, 120, 300]
    assert any(line.share > line.design for line in lines)
    assert max(line.worst for line in lines) > 0.01
    assert {line.latency_s for line in back_test(month)} == {60, 120, 300}


FILES = {
    "bars.csv": "time_ms,open,high,low,close,volume\n0,1,1,1,100,5\n60000,1,1,1,101,5\n120000,1,1,1,102,5\n",
    "trades.csv": "timestamp_ms,trade_id,side,price,amount\n1000,1,buy,100,1\n2500,2,sell,101,1\n4000,3,buy,102,1\n",
    "quotes.csv": "timestamp_ms,bid,index_price\n900,1,\n1000,1,100\n2500,,101\n4000,1,102\n",
}


@pytest.mark.parametrize("name", FILES)
def test_recordings_of_three_kinds_are_read(name, tmp_path: Path):
    path = tmp_path / f"{name}.gz"
    path.write_bytes(gzip.compress(FILES[name].encode()))
    (tmp_path / name).write_text(FILES[name])
    prices = read(path)
    if name == "bars.csv":
        assert (prices.step_s, prices.values.tolist()) == (60, [100.0, 101.0, 102.0])
    else:
        assert (prices.step_s, prices.values.tolist()) == (1, [100.0, 100.0, 101.0, 102.0])
    assert np.array_equal(prices.values, read(tmp_path / name).values)
