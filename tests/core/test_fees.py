"""Fees against the formulas as they are published, and what a trader's limit admits."""

from core_profiles import effort
from hypothesis import given
from hypothesis import strategies as st

from exchange.core import fees
from exchange.core.commands import FeeSchedule
from exchange.core.units import QTY_MAX, WAD

ONE = 10**4
RATES = st.integers(0, WAD // 100)
PRICES = st.integers(1, 10**12) | st.integers(1, 10**6)
QTYS = st.integers(1, QTY_MAX) | st.integers(1, 20_000)


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def published(rate: int, cap: int, index: int, price: int, qty: int) -> int:
    """The lesser of two amounts, each rounded up."""
    return min(ceil_div(rate * index * qty, WAD * ONE), ceil_div(cap * price * qty, WAD * ONE))


@effort(300)
@given(RATES, st.integers(0, WAD), PRICES, PRICES, QTYS)
def test_a_taker_pays_the_lesser_of_notional_and_premium(rate: int, cap: int, index: int, price: int, qty: int) -> None:
    schedule = FeeSchedule(rate, 0, cap)
    assert fees.taker_fee(schedule, index, price, qty) == published(rate, cap, index, price, qty)


@effort(300)
@given(st.integers(-WAD // 100, WAD // 100), st.integers(0, WAD), PRICES, PRICES, QTYS, st.integers(0, 10**12))
def test_a_maker_pays_the_same_way_or_gets_at_most_half_of_what_the_taker_pays(
    rate: int, cap: int, index: int, price: int, qty: int, taker: int
) -> None:
    fee = fees.maker_fee(FeeSchedule(0, rate, cap), index, price, qty, taker)
    if rate >= 0:
        assert fee == published(rate, cap, index, price, qty)
    else:
        assert fee == -min(-rate * index * qty // (WAD * ONE), taker // 2)
        assert taker + fee >= 0


@effort(300)
@given(RATES, st.integers(0, WAD), PRICES, PRICES, QTYS, st.integers(-2, 2) | st.integers(0, 10**11), st.booleans())
def test_the_short_way_to_tell_that_a_limit_covers_the_fee_never_tells_wrong(
    rate: int, cap: int, index: int, price: int, qty: int, limit: int, near: bool
) -> None:
    """Near: around the limit at which the rate on notional is just covered."""
    limit = max(limit + (ceil_div(rate * index, WAD) if near else 0), 0)
    schedule = FeeSchedule(rate, 0, cap)
    fee = fees.taker_fee(schedule, index, price, qty)
    covered = fee <= fees.fee_allowed(limit, qty)
    assert fees.fits(fee, limit, qty) == covered
    if fees.taker_fee_fits(schedule, index, limit):
        assert covered


def test_a_rebate_fits_any_limit() -> None:
    assert fees.fits(-1, 0, 1)
    assert fees.fits(0, 0, 1)
    assert not fees.fits(1, 0, 1)


FILLS = st.lists(st.lists(st.integers(0, 10) | st.integers(0, 10**12), min_size=1, max_size=3), min_size=2, max_size=4)


@effort(300)
@given(FILLS, st.booleans())
def test_a_combo_pays_for_its_dearest_leg_and_half_of_every_other(sizes: list[list[int]], rebates: bool) -> None:
    """Told again as money: halves in the venue's favour, one leg whole, and no way to pay less by naming another."""
    by_leg = [[-size if rebates else size for size in leg] for leg in sizes]
    charged = fees.combo_fees(by_leg)
    halves = [[-(size // 2) if rebates else ceil_div(size, 2) for size in leg] for leg in sizes]
    whole = [at for at in range(len(by_leg)) if charged[at] == by_leg[at]]
    assert all(charged[at] in (by_leg[at], halves[at]) for at in range(len(by_leg)))
    totals = [sum(map(sum, halves)) - sum(halves[at]) + sum(by_leg[at]) for at in range(len(by_leg))]
    assert sum(map(sum, charged)) == (min(totals) if rebates else max(totals))
    assert whole


@effort(300)
@given(FILLS, st.integers(0, 10**12))
def test_the_pot_of_a_combo_never_shrinks_by_a_leg(sizes: list[list[int]], rate: int) -> None:
    """Whoever rested for a leg is paid at most half of the ordinary fee; that much the combo pays for any leg."""
    schedule = FeeSchedule(0, -rate, 0)
    for ordinary, charged in zip(sizes, fees.combo_fees(sizes), strict=True):
        for whole, paid in zip(ordinary, charged, strict=True):
            assert paid + fees.maker_fee(schedule, 10**12, 1, 10**4, whole) >= 0


@effort(300)
@given(
    RATES,
    st.integers(0, WAD),
    PRICES,
    st.lists(st.tuples(st.integers(1, 9), PRICES), min_size=2, max_size=4),
    st.integers(100, 10**6),
    st.integers(-2, 2),
)
def test_a_limit_that_covers_the_rate_of_a_combo_covers_any_execution_of_it(
    rate: int, cap: int, index: int, legs: list[tuple[int, int]], qty: int, near: int
) -> None:
    """Near: around the limit that just covers it. Each leg fills in two parts."""
    schedule, ratios = FeeSchedule(rate, 0, cap), [ratio for ratio, _ in legs]
    limit = ceil_div(rate * index * (sum(ratios) + max(ratios)), 2 * WAD) + ceil_div(120_000, qty) + near
    parts = [[(price, ratio * qty // 2), (price, ratio * qty - ratio * qty // 2)] for ratio, price in legs]
    charged = fees.combo_fees([[fees.taker_fee(schedule, index, *part) for part in leg] for leg in parts])
    if fees.combo_fee_fits(schedule, index, limit, ratios, qty):
        assert fees.fits(sum(map(sum, charged)), limit, qty)
    else:
        assert near < 1
