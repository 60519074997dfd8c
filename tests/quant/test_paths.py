"""Drawn paths repeat, have no drift and the variance of their model; what is priced on them agrees with formulas."""

import numpy as np
import pytest

from exchange.quant.paths import CALM, CLUSTERED, JUMPY, STORM, Diffusion, Grid, Heston, Jumps
from exchange.quant.studies import band, every, settlement_by_formula, settlement_call, study_hedging

DAY = Grid(20_000, 24, 3_600.0)


@pytest.mark.parametrize("model", [CALM, JUMPY, CLUSTERED, STORM], ids=lambda model: type(model).__name__)
def test_paths_repeat_and_have_no_drift(model):
    paths = model.draw(DAY, 7)
    assert paths.shape == (20_000, 25)
    assert np.array_equal(paths, model.draw(DAY, 7))
    assert not np.array_equal(paths, model.draw(DAY, 8))
    assert np.all(paths[:, 0] == 1.0)
    end = paths[:, -1]
    assert abs(end.mean() - 1) < 4 * end.std() / np.sqrt(len(end))


def test_the_variance_is_that_of_the_model():
    for model, yearly in [
        (Diffusion(0.6), 0.36),
        (Jumps(0.5, 200.0, 0.0, 0.03), 0.25 + 200 * 0.03**2),
        (Heston(0.36, 0.36, 4.0, 0.4, -0.5), 0.36),
    ]:
        logs = np.log(model.draw(DAY, 3)[:, -1])
        assert abs(logs.var() / (yearly / 365) - 1) < 0.06, model


def test_jumps_have_fatter_tails_than_a_diffusion_of_the_same_variance():
    def kurtosis(model: Diffusion | Jumps) -> float:
        logs = np.log(model.draw(DAY, 5)[:, -1])
        return float(np.mean((logs - logs.mean()) ** 4) / logs.var() ** 2)

    assert kurtosis(Diffusion(0.6)) < 3.3
    assert kurtosis(JUMPY) > 5


@pytest.mark.parametrize("hours", [1, 24])
def test_a_call_on_the_settlement_average_is_one_with_less_time(hours):
    found = settlement_call(Diffusion(0.6), 1.0, hours * 3_600.0, 200_000, 1)
    assert abs(found.mean - settlement_by_formula(0.6, 1.0, hours * 3_600.0)) < 4 * found.error
    whole = settlement_by_formula(0.6, 1.0, hours * 3_600.0 + 1_200)
    assert whole - found.mean > 4 * found.error * (hours == 1)


def test_jumps_make_the_average_dearer_out_of_the_money():
    calm = settlement_call(Diffusion(0.5), 1.1, 86_400.0, 40_000, 1)
    jumpy = settlement_call(JUMPY, 1.1, 86_400.0, 40_000, 1)
    assert jumpy.mean > calm.mean + 4 * (jumpy.error + calm.error)


def test_the_band_hedges_as_published():
    """Published: 4,000 paths. Deviations and costs of 600 are within a few parts in a hundred of them."""
    published = {"1 h": (227, 483, 716), "8 h": (625, 205, 90), "1e-2": (234, 267, 750), "1e-3": (415, 169, 436)}
    rules = {
        "1 h": every(4),
        "8 h": every(32),
        "1e-2": band(1e-2, 5e-4, 100_000.0),
        "1e-3": band(1e-3, 5e-4, 100_000.0),
    }
    found = {line.rule: line for line in study_hedging(CALM, rules, 600, 11)}
    for name, (deviation, cost, trades) in published.items():
        line = found[name]
        assert abs(line.deviation / deviation - 1) < 0.15, line
        assert abs(line.cost / cost - 1) < 0.1, line
        assert abs(line.trades / trades - 1) < 0.05, line
    assert found["1e-3"].deviation < found["8 h"].deviation
    assert found["1e-3"].cost < found["8 h"].cost
    assert found["1e-2"].cost < 0.7 * found["1 h"].cost
