"""The insurance fund along drawn paths: quiet where prices are, and drawn on where they jump."""

import numpy as np
import pytest

from exchange.core.liquidation import covers
from exchange.core.margin import Kind
from exchange.core.units import USDC_ONE
from exchange.quant import insurance
from exchange.quant.insurance import SPOT, Scene, appraisal_at, quantile, tell
from exchange.quant.paths import CALM, STORM, Floats, Grid

FUND = 10**9 * USDC_ONE


class Falling:
    """One path: level for a day, then so much lower at once, and level again."""

    def __init__(self, fall: float) -> None:
        self.fall = fall

    def draw(self, grid: Grid, _seed: int) -> Floats:
        path = np.ones((grid.paths, grid.steps + 1))
        path[:, grid.steps // 2 :] = 1.0 - self.fall
        return path


def test_the_scene_starts_covered():
    scene = Scene()
    appraisal = appraisal_at(SPOT, scene, 30 / 365)
    crowd = insurance._crowd(scene, appraisal)
    assert len(crowd) == 30
    assert all(covers(appraisal, holder, Kind.INITIAL) for holder in crowd.values())


@pytest.mark.parametrize(("fall", "pays"), [(0.01, False), (0.25, True)])
def test_a_jump_reaches_the_fund_if_it_is_more_than_accounts_have(fall, pays):
    (tale,) = tell(Falling(fall), Scene(), 12, 3_600.0, 1, 0, FUND)
    assert (tale.fund_low < 0) == pays
    assert (tale.whole > 0) == pays
    assert tale.socialised == 0
    if pays:
        assert tale.exits >= 5
        assert tale.fund_end < 0


def test_without_a_fund_haircuts_and_profits_pay_what_it_would_have():
    (rich,) = tell(Falling(0.25), Scene(), 12, 3_600.0, 1, 0, FUND)
    (poor,) = tell(Falling(0.25), Scene(), 12, 3_600.0, 1, 0, 0)
    assert rich.given_up == 0
    assert poor.given_up > 0
    assert poor.socialised > 0
    assert abs((poor.given_up + poor.socialised) / -rich.fund_low - 1) < 0.05  # but for what the fund earned meanwhile


def test_storms_cost_more_than_calm_and_the_same_seed_tells_the_same():
    scene = Scene(strikes=(0.9, 1.1), cushions=(1.0,))
    calm, storm = (tell(model, scene, 48, 1_800.0, 6, 3, FUND) for model in (CALM, STORM))
    assert tell(STORM, scene, 48, 1_800.0, 6, 3, FUND) == storm
    assert sum(tale.exits for tale in storm) > sum(tale.exits for tale in calm)
    assert sum(tale.fund_low for tale in storm) <= sum(tale.fund_low for tale in calm)
    assert quantile([1.0, 2.0, 3.0], 0.5) == 2.0
