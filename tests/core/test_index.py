"""From many prices to one: reference numbers, and what a minority of liars can and cannot do."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.core import index
from exchange.core.black76 import averaging_years
from exchange.core.index import Condition, Index, Observation, Rules, Standing
from exchange.core.units import TWAP_SECONDS, U64_MAX, USDC_ONE, WAD
from tests import vectors

RULES = Rules()
NOW = 1_000_000
BTC = 60_000 * USDC_ONE


def said(*prices, conf=WAD, time_s=NOW):
    return [Observation(source, time_s, price, conf) for source, price in enumerate(prices, 1)]


# -- reference numbers ------------------------------------------------------------------------------------------------


def test_an_index_caps_its_sources_as_published():
    vector = vectors.named("deribit_index_caps")
    prices = [int(price) * USDC_ONE for price in vector["inputs"]["prices"]]
    weights = [int(Decimal(weight) * 100) for weight in vector["inputs"]["weights"]]
    sources = [
        Observation(n, NOW, price, WAD, weight) for n, (price, weight) in enumerate(zip(prices, weights, strict=True))
    ]
    assert index.lower_median(prices) == int(vector["expected"]["median"]) * USDC_ONE
    assert [Decimal(price) / USDC_ONE for price in index.clamped(RULES, prices)] == [
        Decimal(price) for price in vector["expected"]["capped"]
    ]
    assert index.index_of(RULES, sources, NOW).price == int(vector["expected"]["index"]) * USDC_ONE


def test_the_average_is_made_of_what_is_settled_and_what_is_open():
    vector = vectors.named("fwd_portions_10min")
    given_ = vector["inputs"]
    settled = int(given_["avg_so_far"]) * USDC_ONE * (given_["window"] - given_["seconds_left"])
    forward = (int(given_["spot"]) + int(given_["fwd_diff"])) * USDC_ONE
    found = index.expected_average(forward, given_["seconds_left"], settled)
    assert found.fixed == int(vector["expected"]["fixed"]) * USDC_ONE
    assert found.expected - found.fixed == int(Decimal(vector["expected"]["variable"]) * USDC_ONE)


def test_the_window_settles_at_the_mean():
    vector = vectors.named("settle_twap")
    price, seconds = (int(part) for part in vector["inputs"]["aggregate_diff"].split("*"))
    found = index.expected_average(7 * BTC, 0, price * USDC_ONE * seconds)
    assert found.expected == found.fixed == int(vector["expected"]["settlement"]) * USDC_ONE


def test_a_mean_varies_as_much_as_a_third_of_its_window():
    vector = vectors.named("twap_vs_spot_sd")
    assert vector["inputs"]["W_s"] == TWAP_SECONDS
    year = Decimal(averaging_years(TWAP_SECONDS, BTC, 0)) / WAD
    found = Decimal(vector["inputs"]["sigma"]) * year.sqrt()
    assert abs(found - Decimal(vector["expected"]["sd"])) <= Decimal("1e-12")


# -- many prices ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        Observation(9, NOW - 181, BTC),
        Observation(9, NOW + 2, BTC),
        Observation(9, NOW, 0),
        Observation(9, NOW, U64_MAX + 1),
        Observation(9, NOW, BTC, WAD + 1),
        Observation(9, NOW, BTC, -1),
        Observation(9, NOW, BTC, WAD, 0),
    ],
    ids=["stale", "ahead", "no price", "too large", "too sure", "less than unsure", "without weight"],
)
def test_what_is_unfit_is_left_out_and_named(bad):
    found = index.round_of(RULES, [*said(BTC, BTC, BTC), bad], NOW)
    assert (found.price, found.used, found.unfit) == (BTC, (1, 2, 3), (9,))


def test_at_the_edges_of_time_an_observation_counts():
    both = [Observation(1, NOW - 180, BTC), Observation(2, NOW + 1, BTC)]
    found = index.round_of(RULES, both, NOW)
    assert (found.used, found.time_s) == ((1, 2), NOW - 180)


def test_who_speaks_twice_is_not_heard():
    found = index.round_of(RULES, [*said(BTC, BTC, BTC), Observation(2, NOW, 2 * BTC)], NOW)
    assert (found.used, found.unfit) == ((1, 3), (2, 2))


def test_without_a_quorum_there_is_no_price():
    rules = Rules(quorum=4)
    assert index.round_of(rules, said(BTC, BTC, BTC), NOW) is None
    assert index.index_of(rules, said(BTC, BTC, BTC), NOW) is None
    assert index.round_of(rules, said(BTC, BTC, BTC, BTC), NOW) is not None
    assert index.round_of(RULES, [], NOW) is None


@given(
    st.lists(st.integers(59_900, 60_100), min_size=3, max_size=9),
    st.lists(st.integers(1, 10**9), max_size=4),
    st.permutations(range(13)),
)
def test_a_minority_of_liars_never_moves_a_round_beyond_the_honest_prices(honest, lies, order):
    lies = lies[: (len(honest) - 1) // 2]
    everybody = said(*[price * USDC_ONE for price in honest + lies])
    shuffled = [everybody[place] for place in order if place < len(everybody)]
    found = index.round_of(RULES, shuffled, NOW)
    assert min(honest) * USDC_ONE <= found.price <= max(honest) * USDC_ONE
    assert found == index.round_of(RULES, everybody, NOW)


@given(st.lists(st.integers(59_990, 60_010), min_size=3, max_size=3), st.integers(1, 10**9), st.integers(0, WAD))
def test_one_liar_of_four_thins_a_price_and_does_not_stop_it(honest, lie, conf):
    everybody = [*said(*[price * USDC_ONE for price in honest]), Observation(9, NOW, lie * USDC_ONE, conf)]
    assert index.round_of(RULES, everybody, NOW).conf > index.THIN


def test_confidence_falls_with_the_spread():
    apart = [BTC, BTC * 1002 // 1000, BTC * 1004 // 1000]
    assert index.round_of(RULES, said(*apart), NOW).conf < index.round_of(RULES, said(BTC, BTC, BTC), NOW).conf == WAD
    wide = Rules(clamp=WAD // 2)
    assert index.round_of(wide, said(BTC, BTC, BTC * 103 // 100), NOW).conf == 0


# -- one price after another ------------------------------------------------------------------------------------------


def at(price, time_s, conf=WAD):
    return Index(price, conf, time_s, (1,), ())


def test_a_jump_is_doubted_once_and_adopted_when_it_is_said_again():
    standing = Standing(BTC, NOW, WAD)
    doubted = index.follow(RULES, standing, at(BTC * 11 // 10, NOW + 5))
    assert (doubted.price, doubted.time_s, doubted.doubted) == (BTC, NOW, BTC * 11 // 10)
    assert index.condition(RULES, doubted, NOW + 5) is Condition.DEGRADED
    adopted = index.follow(RULES, doubted, at(BTC * 11 // 10, NOW + 10))
    assert (adopted.price, adopted.doubted, adopted.jumped) == (BTC * 11 // 10, 0, True)
    assert index.condition(RULES, adopted, NOW + 10) is Condition.DEGRADED
    calm = index.follow(RULES, adopted, at(BTC * 11 // 10, NOW + 15))
    assert index.condition(RULES, calm, NOW + 15) is Condition.NORMAL


def test_a_single_wrong_print_changes_nothing():
    standing = Standing(BTC, NOW, WAD)
    doubted = index.follow(RULES, standing, at(BTC // 2, NOW + 5))
    assert index.follow(RULES, doubted, at(BTC, NOW + 10)) == Standing(BTC, NOW + 10, WAD)


def test_two_different_jumps_do_not_agree():
    doubted = index.follow(RULES, Standing(BTC, NOW, WAD), at(BTC // 2, NOW + 5))
    again = index.follow(RULES, doubted, at(2 * BTC, NOW + 10))
    assert (again.price, again.doubted) == (BTC, 2 * BTC)


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_more_time_allows_more(one, other):
    least, most = sorted((one, other))
    assert RULES.jump_min <= index.jump_bound(RULES, least) <= index.jump_bound(RULES, most)


def test_the_bound_of_a_jump_is_six_deviations():
    day = 86_400
    expected = Decimal(6) * Decimal("1.5") * (Decimal(day) / 31_536_000).sqrt()
    assert abs(Decimal(index.jump_bound(RULES, day)) / WAD - expected) < Decimal("1e-15")


@pytest.mark.parametrize("seconds", [0, -5])
def test_time_has_to_advance(seconds):
    with pytest.raises(ValueError, match="does not follow"):
        index.follow(RULES, Standing(BTC, NOW, WAD), at(BTC, NOW + seconds))


@pytest.mark.parametrize(
    ("age_s", "conf", "expected"),
    [
        (180, WAD, Condition.NORMAL),
        (181, WAD, Condition.DEGRADED),
        (540, WAD, Condition.DEGRADED),
        (541, WAD, Condition.HALTED),
        (0, index.THIN, Condition.NORMAL),
        (0, index.THIN - 1, Condition.DEGRADED),
    ],
)
def test_age_and_confidence_decide_what_a_feed_is_good_for(age_s, conf, expected):
    assert index.condition(RULES, Standing(BTC, NOW, conf), NOW + age_s) is expected


# -- the half hour that settles ---------------------------------------------------------------------------------------


@given(st.integers(1, 10**6), st.integers(0, TWAP_SECONDS), st.integers(1, 10**6))
def test_an_average_lies_between_what_was_and_what_will_be(forward, left, so_far):
    found = index.expected_average(forward * USDC_ONE, left, so_far * USDC_ONE * (TWAP_SECONDS - left))
    low, high = sorted((forward, so_far))
    if left == TWAP_SECONDS:
        assert found == (forward * USDC_ONE, 0)
    assert low * USDC_ONE - 2 <= found.expected <= high * USDC_ONE or left == TWAP_SECONDS
