"""Laws of a margin, each as a function that raises where it is broken; Hypothesis and planted bugs both call them."""

from collections.abc import Callable
from itertools import pairwise

from margin_world import SHEETS, SPOT, STRIKES, WIDTHS, Positions, Stage, naive_requirement, series_at

from exchange.core.margin import Kind
from exchange.core.units import QTY_ONE, USDC_ONE, WAD

Law = Callable[[Stage, Positions, Positions], None]


def plus(*parts: Positions) -> Positions:
    total: Positions = {}
    for part in parts:
        for series, qty in part.items():
            total[series] = total.get(series, 0) + qty
    return total


def longs(positions: Positions) -> Positions:
    return {series: abs(qty) for series, qty in positions.items()}


def nothing_needs_nothing(stage: Stage, _x: Positions, _y: Positions) -> None:
    for kind in Kind:
        assert stage.needs({}, kind) == 0


def initial_is_the_larger_and_neither_is_negative(stage: Stage, x: Positions, _y: Positions) -> None:
    assert stage.needs(x, Kind.INITIAL) >= stage.needs(x, Kind.MAINTENANCE) >= 0


def ten_times_the_position_needs_ten_times_as_much(stage: Stage, x: Positions, _y: Positions) -> None:
    """Up to what the one rounding of each takes: so a slice of a portfolio frees its share."""
    for kind in Kind:
        ten = stage.needs({series: 10 * qty for series, qty in x.items()}, kind)
        assert 0 <= 10 * stage.needs(x, kind) - ten <= 10


def two_together_need_no_more_than_apart(stage: Stage, x: Positions, y: Positions) -> None:
    for kind in Kind:
        assert stage.needs(plus(x, y), kind) <= stage.needs(x, kind) + stage.needs(y, kind)


def the_order_of_legs_is_nothing(stage: Stage, x: Positions, _y: Positions) -> None:
    backwards = dict(reversed(x.items()))
    for kind in Kind:
        assert stage.assess(x, kind) == stage.assess(backwards, kind)


def what_is_only_bought_needs_no_more_than_it_is_worth(stage: Stage, x: Positions, _y: Positions) -> None:
    bought = longs(x)
    assert stage.risk(bought) <= stage.premium(bought)


def a_bought_option_raises_maintenance_by_no_more_than_its_value(stage: Stage, x: Positions, y: Positions) -> None:
    bought = longs(y)
    more = stage.needs(plus(x, bought), Kind.MAINTENANCE) - stage.needs(x, Kind.MAINTENANCE)
    assert more <= stage.premium(bought) + 1


def a_box_has_no_risk(stage: Stage, x: Positions, _y: Positions) -> None:
    """Two synthetic forwards against each other are worth the same in every scenario."""
    size = 1 + sum(map(abs, x.values()))
    for expiry in SHEETS:
        for low, high in pairwise(range(len(STRIKES))):
            box = {
                series_at(expiry, low, True): size,
                series_at(expiry, low, False): -size,
                series_at(expiry, high, True): -size,
                series_at(expiry, high, False): size,
            }
            assert stage.needs(box, Kind.MAINTENANCE) == 0
            worth = stage.assess(box, Kind.INITIAL).worth
            assert 0 <= (STRIKES[high] - STRIKES[low]) * size // QTY_ONE - worth <= 2 * size // QTY_ONE + 1


def a_buffer_never_lowers_it(stage: Stage, x: Positions, _y: Positions) -> None:
    for wide in stage.wider:
        for kind in Kind:
            assert wide.needs(x, kind) >= stage.needs(x, kind)


def a_short_call_needs_its_loss_in_the_outermost_move(stage: Stage, x: Positions, _y: Positions) -> None:
    """And with a buffer what it would lose from a price that much higher."""
    size = 1 + sum(map(abs, x.values()))
    call = {series_at(2, 2, True): -size}
    least = 15_000 * USDC_ONE * size // QTY_ONE  # 18% of the forward, less what the mark was
    assert stage.needs(call, Kind.INITIAL) > least
    more = stage.wider[-1].needs(call, Kind.INITIAL) - stage.needs(call, Kind.INITIAL)
    assert more > SPOT * WIDTHS[-1] // WAD * size // QTY_ONE * 3 // 4  # its delta there is less than one


def it_is_what_the_plain_words_say(stage: Stage, x: Positions, _y: Positions) -> None:
    for kind in Kind:
        assert stage.needs(x, kind) == naive_requirement(stage, x, kind)


LAWS: list[Law] = [
    nothing_needs_nothing,
    initial_is_the_larger_and_neither_is_negative,
    ten_times_the_position_needs_ten_times_as_much,
    two_together_need_no_more_than_apart,
    the_order_of_legs_is_nothing,
    what_is_only_bought_needs_no_more_than_it_is_worth,
    a_bought_option_raises_maintenance_by_no_more_than_its_value,
    a_box_has_no_risk,
    a_buffer_never_lowers_it,
    a_short_call_needs_its_loss_in_the_outermost_move,
]
