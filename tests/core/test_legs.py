"""Legs of a combo: one form, one word, and a rule by name for everything else."""

from math import gcd

import pytest
from core_profiles import effort
from hypothesis import assume, given
from hypothesis import strategies as st

from exchange.core.legs import LEGS_MAX, LEGS_MIN, RATIO_MAX, Leg, Legs, LegsError, LegsFault, canonical, pack, unpack
from exchange.core.units import U16_MAX, U32_MAX

A, B, C, D, E = ((1 << 16) + index for index in range(5))
SERIES = st.integers(U16_MAX + 1, U16_MAX + 12) | st.integers(U16_MAX + 1, U32_MAX)
RATIOS = st.integers(-RATIO_MAX, RATIO_MAX).filter(bool) | st.integers(-4, 4).filter(bool)
WANTED = st.lists(st.tuples(SERIES, RATIOS), min_size=LEGS_MIN, max_size=LEGS_MAX, unique_by=lambda leg: leg[0])


def legs(*pairs: tuple[int, int]) -> Legs:
    return tuple(Leg(series, ratio) for series, ratio in pairs)


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (legs(), LegsFault.COUNT),
        (legs((A, 1)), LegsFault.COUNT),
        (legs((A, 1), (B, 1), (C, 1), (D, 1), (E, 1)), LegsFault.COUNT),
        (legs((U16_MAX, 1), (B, 1)), LegsFault.SERIES),
        (legs((A, 1), (U32_MAX + 1, 1)), LegsFault.SERIES),
        (legs((A, 1), (B, 0)), LegsFault.RATIO),
        (legs((A, 1), (B, RATIO_MAX + 1)), LegsFault.RATIO),
        (legs((A, 1), (B, -RATIO_MAX - 1)), LegsFault.RATIO),
        (legs((A, 1), (A, -1)), LegsFault.ORDER),
        (legs((B, 1), (A, -1)), LegsFault.ORDER),
        (legs((A, 2), (B, -4)), LegsFault.COMMON_DIVISOR),
        (legs((A, -1), (B, 1)), LegsFault.SIGN),
    ],
)
def test_legs_that_are_no_combo_are_refused_by_name(wrong: Legs, fault: LegsFault) -> None:
    with pytest.raises(LegsError) as caught:
        pack(wrong)
    assert caught.value.fault is fault


@effort(300)
@given(WANTED)
def test_what_is_asked_for_is_so_many_units_of_one_canonical_combo(wanted: list[tuple[int, int]]) -> None:
    found = canonical(legs(*wanted))
    assert sorted(wanted) == [(leg.series, leg.ratio * found.factor) for leg in found.legs]
    assert gcd(*(leg.ratio for leg in found.legs)) == 1
    assert found.legs[0].ratio > 0
    assert canonical(found.legs) == (found.legs, 1)


@effort(300)
@given(WANTED)
def test_a_word_names_its_legs_and_no_others(wanted: list[tuple[int, int]]) -> None:
    found = canonical(legs(*wanted)).legs
    word = pack(found)
    assert word == sum(leg.series * 2**16 + leg.ratio % 2**16 << 64 * place for place, leg in enumerate(found))
    assert unpack(word) == found


@effort(300)
@given(st.integers(0, 2**256 - 1) | st.lists(st.integers(0, 2**48 - 1), max_size=4).map(sum))
def test_a_word_is_read_only_as_it_is_written(word: int) -> None:
    try:
        found = unpack(word)
    except LegsError:
        return
    assert pack(found) == word


@effort(200)
@given(WANTED, st.integers(48, 63), st.integers(0, 3))
def test_bits_beside_the_legs_are_refused(wanted: list[tuple[int, int]], bit: int, lane: int) -> None:
    word = pack(canonical(legs(*wanted)).legs)
    assume(not word >> (lane * 64 + bit) & 1)
    with pytest.raises(LegsError):
        unpack(word | 1 << lane * 64 + bit)


def test_a_gap_between_legs_is_no_combo() -> None:
    word = pack(legs((A, 1), (B, -1)))
    with pytest.raises(LegsError) as caught:
        unpack((word >> 64 << 128) | word & 2**64 - 1)
    assert caught.value.fault is LegsFault.SERIES


@pytest.mark.parametrize("word", [-1, 2**256])
def test_only_a_word_of_256_bits_is_read(word: int) -> None:
    with pytest.raises(LegsError) as caught:
        unpack(word)
    assert caught.value.fault is LegsFault.WORD


def test_legs_that_cancel_out_leave_no_combo() -> None:
    for wanted in (legs((A, 1), (A, -1)), legs((A, 1), (A, -1), (B, 1))):
        with pytest.raises(LegsError) as caught:
            canonical(wanted)
        assert caught.value.fault is LegsFault.COUNT


def test_the_same_series_twice_counts_once() -> None:
    assert canonical(legs((B, -2), (A, 1), (A, 1))) == (legs((A, 1), (B, -1)), 2)
