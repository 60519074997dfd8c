"""Charts: round ticks around every value, lines that hold, and no more points than are bounded."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from exchange.charts import POINTS_MAX, Chart, Line, Mark, Thinned, decimal, legend, svg, time_ticks, value_ticks

SECOND = 10**9
ROUND = (1, 2, 5)


@given(st.integers(-(10**15), 10**15), st.integers(0, 10**15))
def test_ticks_enclose_all_values_in_round_steps(low, width):
    ticks = value_ticks(low, low + width)
    steps = {b - a for a, b in pairwise(ticks)}
    (step,) = steps
    assert ticks[0] <= low
    assert ticks[-1] >= low + width
    assert 2 <= len(ticks) <= 8
    assert int(str(step).rstrip("0")) in ROUND


@given(st.integers(0, 4 * 10**18), st.integers(0, 10**17))
def test_moments_are_round_and_inside(low, width):
    ticks = time_ticks(low, low + width)
    assert len(ticks) <= 8
    assert all(low <= tick <= low + width and tick % SECOND == 0 for tick in ticks)


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=6_000))
def test_a_thinned_line_keeps_its_ends_and_is_bounded(values):
    line = Thinned()
    for at, value in enumerate(values):
        line.add(at * SECOND, value)
    points = line.points()
    assert len(points) <= 2 * POINTS_MAX
    assert points == sorted(points)
    assert {min(values), max(values)} <= {value for _, value in points}
    assert {point[1] for point in points} <= set(values)


def test_a_chart_is_what_it_was_and_holds_its_values():
    line = Line("a <b>", [(0, 10), (60 * SECOND, 20), (120 * SECOND, 15)])
    chart = Chart('"t" & <u>', "USDC", 1, [line], [Mark(60 * SECOND, "<L>"), Mark(999 * SECOND, "late")])
    drawn = svg(chart)
    assert drawn == svg(chart)
    assert "<u>" not in drawn
    assert "<L>" not in drawn
    assert "late" not in drawn
    assert drawn.count("<path") == 1
    assert "H" in drawn.partition("<path")[2]
    assert legend(chart) == [("l0", "a <b>", "1.5 USDC")]


def test_a_chart_of_nothing_says_so():
    assert "nothing to draw" in svg(Chart("empty", "USDC", 6, [Line("a", [])]))


def test_decimals_are_exact():
    assert [decimal(value, 6) for value in (0, 1, -1, 1_500_000, -2_000_000)] == [
        "0",
        "0.000001",
        "-0.000001",
        "1.5",
        "-2",
    ]
