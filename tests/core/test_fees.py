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
