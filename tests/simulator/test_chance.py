"""Draws are integers, the same everywhere, and distributed as they say."""

import random
from fractions import Fraction
from itertools import pairwise
from math import isqrt

import pytest

from exchange.core.units import USDC_ONE, WAD
from exchange.simulator.chance import Chance
from exchange.simulator.flow import load
from exchange.simulator.world import Place, World

MANY = 20_000
GOLDEN = [396015088683956268, 963504546204262031, -1587882630228177912, 605442990, 704189165455560718]


def test_draws_of_a_seed_are_these_integers():
    chance = Chance(1, "golden")
    drawn = [chance.uniform(), chance.normal(), chance.normal(), chance.wait(10**9), chance.size(WAD, WAD)]
    assert all(type(each) is int for each in drawn)
    assert drawn == GOLDEN


def test_streams_of_one_seed_are_different():
    assert Chance(1, "one").uniform() != Chance(1, "other").uniform() != Chance(2, "other").uniform()


def test_normals_have_the_moments_of_normals():
    chance = Chance(7, "moments")
    drawn = [Fraction(chance.normal(), WAD) for _ in range(MANY)]
    second, fourth = (sum(each**power for each in drawn) / MANY for power in (2, 4))
    assert abs(sum(drawn) / MANY) < Fraction(3, 100)
    assert abs(second - 1) < Fraction(4, 100)
    assert abs(fourth - 3) < Fraction(3, 10)
    within = sum(abs(each) < 1 for each in drawn)
    assert abs(Fraction(within, MANY) - Fraction(6827, 10_000)) < Fraction(1, 100)


def test_waits_sizes_and_shares_are_as_they_say():
    chance = Chance(7, "others")
    waits = sorted(chance.wait(10**9) for _ in range(MANY))
    assert abs(sum(waits) / MANY / 10**9 - 1) < 0.03
    sizes = sorted(chance.size(WAD, WAD) for _ in range(MANY))
    assert abs(sizes[MANY // 2] / WAD - 1) < 0.05
    assert abs(sum(chance.happens(WAD // 5) for _ in range(MANY)) / MANY - 0.2) < 0.01
    assert {chance.one_of("abc") for _ in range(100)} == set("abc")


def test_the_spot_moves_as_much_as_it_should_and_is_asked_in_any_order():
    flow = load()
    world, again = (World(3, 0, 60_000 * USDC_ONE, flow) for _ in range(2))
    spots = [world.spot(second) for second in range(7_200)]
    order = list(range(7_200))
    random.Random(1).shuffle(order)
    assert {second: again.spot(second) for second in order} == dict(enumerate(spots))
    squares = sum((later - earlier) ** 2 * WAD // earlier**2 for earlier, later in pairwise(spots))
    realised = isqrt(squares * WAD // len(spots) * 31_536_000)
    assert flow.implied_vol // 3 < realised < 3 * flow.implied_vol


def test_vols_smile_and_move_against_the_spot():
    flow = load()
    world = World(3, 0, 60_000 * USDC_ONE, flow)
    low, money, high = (world.vol(0, 86_400, strike * USDC_ONE) for strike in (58_000, 60_000, 62_000))
    assert low > money < high
    assert low > high  # the slope of a fear of falling
    world.push(1, -WAD // 10)
    assert world.spot(1) < 55_000 * USDC_ONE


@pytest.mark.parametrize("lie", [WAD, 12 * WAD // 10])
def test_a_source_says_the_spot_or_a_lie_or_nothing(lie):
    world = World(3, 0, 60_000 * USDC_ONE, load())
    place = Place(1, 3, world)
    place.lie = lie
    told = place.at(5)
    assert told is not None
    assert told == place.at(5)
    assert abs(told.price * WAD // lie - world.spot(5)) < world.spot(5) // 5_000
    place.silent = True
    assert place.at(6) is None
