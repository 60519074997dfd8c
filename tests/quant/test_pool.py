"""A pool along drawn paths: it earns its spreads, hedging narrows what it makes, and breakers stop it in a storm."""

import numpy as np
import pytest

from exchange.core.oamm import vega_bound
from exchange.core.units import USDC_ONE, WAD
from exchange.quant.paths import CALM, Diffusion, Floats, Grid
from exchange.quant.pool import Plan, Result, run

DAY = Grid(6, 96, 900.0)


@pytest.fixture(scope="module")
def calm() -> tuple[list[Result], list[Result]]:
    """With and without a hedge, on the same paths with the same takers."""
    return run(CALM, Plan(), DAY, 1), run(CALM, Plan(hedges=False), DAY, 1)


def test_a_pool_repeats(calm):
    assert run(CALM, Plan(), DAY._replace(paths=6), 1) == calm[0]


def test_fills_bring_more_than_the_mark_and_hedges_cost_something(calm):
    hedged, bare = calm
    for result in (*hedged, *bare):
        assert result.fills > 20
        assert result.spreads > 0
    assert all(result.hedges > 0 and result.hedge_cost > 0 for result in hedged)
    assert all(result.hedges == result.hedge_cost == 0 for result in bare)


def test_a_hedged_pool_swings_less(calm):
    """What it made beyond its spreads is the market's doing; of vega there is no hedge."""
    hedged, bare = ([result.made - result.spreads + result.hedge_cost for result in results] for results in calm)
    still = Plan(vol_of_vol=1e-9)
    quiet, loud = (run(CALM, still._replace(hedges=hedges), DAY, 1) for hedges in (True, False))
    swings = [np.std([result.made - result.spreads for result in results]) for results in (quiet, loud)]
    assert swings[0] < swings[1] / 3
    assert np.std(hedged) < np.std(bare)


def test_vega_stays_within_its_bound(calm):
    bound = vega_bound(Plan().nav) / WAD
    assert all(abs(result.vega) <= 1.1 * bound for results in calm for result in results)


def test_without_takers_nothing_happens():
    (result,) = run(CALM, Plan(takers=0.0), Grid(1, 10, 900.0), 3)
    assert result == Result(0.0, 0.0, 0.0, 0, 0, 0.0, 0)


class Jumping:
    """Six percent up and down in turn."""

    def draw(self, grid: Grid, _seed: int) -> Floats:
        path = np.ones((grid.paths, grid.steps + 1))
        path[:, 1::2] = 1.06
        return path


def test_a_spot_that_jumps_stops_the_quotes():
    (result,) = run(Jumping(), Plan(vol_of_vol=1e-9), Grid(1, 20, 900.0), 3)
    assert result.quiet_rounds == 20
    assert result.fills < 20
    calm_day = run(Diffusion(0.3), Plan(vol_of_vol=1e-9), Grid(1, 20, 900.0), 3)[0]
    assert calm_day.quiet_rounds == 0


class Falling:
    """A day at one price, and two fifths lower from then on."""

    def draw(self, grid: Grid, _seed: int) -> Floats:
        path = np.ones((grid.paths, grid.steps + 1))
        path[:, grid.steps // 2 :] = 0.6
        return path


def test_a_pool_that_loses_a_tenth_is_halted():
    unhedged = Plan(vol_of_vol=1e-9, hedges=False, buyers=1.0, takers=4.0)
    (result,) = run(Falling(), unhedged, DAY._replace(paths=1), 2)
    assert result.made < -0.1 * unhedged.nav / USDC_ONE
    assert result.quiet_rounds == 96 // 2 + 1
