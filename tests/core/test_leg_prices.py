"""Prices of legs: they come to the price of the combo exactly, stay near the marks, and are none only where none exist."""

from math import gcd

import pytest
from core_profiles import effort
from hypothesis import assume, given
from hypothesis import strategies as st

from exchange.core.leg_prices import leg_prices, price_floor
from exchange.core.legs import Leg, Legs

SMALL = st.integers(-6, 6).filter(bool)
MARKS = st.lists(st.integers(0, 20) | st.integers(0, 10**11), min_size=4, max_size=4)
PRICES = st.integers(-(10**11), 10**11) | st.integers(-30, 30)


def legs(*ratios: int) -> Legs:
    return tuple(Leg((1 << 16) + at, ratio) for at, ratio in enumerate(ratios))


def value(of: Legs, prices: tuple[int, ...]) -> int:
    return sum(leg.ratio * price for leg, price in zip(of, prices, strict=True))


@pytest.mark.parametrize(
    ("ratios", "marks", "price", "expected"),
    [
        ((1, -1), (700, 300), 400, (700, 300)),  # at the marks: the marks
        ((1, -1), (700, 300), 450, (750, 300)),  # the first of the smallest ratios takes the difference
        ((1, -1), (700, 300), -20, (280, 300)),
        ((1, -1), (700, 300), -400, (0, 400)),  # no leg below zero: the leg sold beside it goes up instead
        ((1, -2, 1), (900, 500, 200), 100, (900, 500, 200)),  # a butterfly
        ((1, -2, 1), (900, 500, 200), 90, (890, 500, 200)),
        ((1, 1), (300, 100), 200, (150, 50)),  # all bought: in proportion
        ((1, 1), (300, 100), 0, (0, 0)),
        ((1, 1), (300, 100), -1, None),
        ((2, -3), (700, 300), 500, (700, 300)),
        ((2, -3), (700, 300), 501, (702, 301)),  # 1404 - 903
        ((2, 3), (700, 300), 1, None),  # nothing above zero comes to 1
        ((1, 1), (0, 0), 7, (7, 0)),
    ],
)
def test_prices_of_legs_as_a_desk_would_write_them(ratios, marks, price, expected) -> None:
    found = leg_prices(legs(*ratios), marks, price)
    assert found == expected
    if expected is not None:
        assert value(legs(*ratios), expected) == price


@effort(500)
@given(st.lists(SMALL, min_size=2, max_size=4), MARKS, PRICES)
def test_legs_always_come_to_the_price_and_never_cost_less_than_nothing(ratios, marks, price) -> None:
    ratios[0] = abs(ratios[0])
    assume(gcd(*ratios) == 1)
    combo = legs(*ratios)
    found = leg_prices(combo, tuple(marks[: len(ratios)]), price)
    if found is None:  # all is bought, and there is nothing or next to nothing to pay for it
        assert price_floor(combo) == 0
        assert price < 36
        return
    assert value(combo, found) == price
    assert min(found) >= 0


@effort(300)
@given(st.lists(SMALL, min_size=2, max_size=4), MARKS)
def test_a_combo_at_its_mark_has_its_marks_but_for_the_rounding_of_odd_ratios(ratios, marks) -> None:
    ratios[0] = abs(ratios[0])
    assume(gcd(*ratios) == 1)
    combo, there = legs(*ratios), tuple(marks[: len(ratios)])
    found = leg_prices(combo, there, value(combo, there))
    assert found is not None
    assert max(abs(price - mark) for price, mark in zip(found, there, strict=True)) <= 4 * 6 * 6


@effort(300)
@given(
    st.lists(st.integers(-(2**15) + 1, 2**15 - 1).filter(bool), min_size=2, max_size=4),
    st.lists(st.integers(1, 10**12), min_size=4, max_size=4),
    st.integers(-(10**12), 10**12),
)
def test_any_ratios_with_a_leg_on_either_side_have_prices(ratios, marks, price) -> None:
    ratios[0], ratios[1] = abs(ratios[0]), -abs(ratios[1])
    assume(gcd(*ratios) == 1)
    found = leg_prices(legs(*ratios), tuple(marks[: len(ratios)]), price)
    assert found is not None
    assert value(legs(*ratios), found) == price
