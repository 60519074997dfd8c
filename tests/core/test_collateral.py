"""Collateral beside cash: haircuts, caps, concentration, prices of LP tokens; the time-of-flight buffer's rates."""

from math import isqrt

import pytest
from core_venue import STANDARD
from hypothesis import given
from hypothesis import strategies as st
from margin_world import PORTFOLIO, Stage, series_at
from msgspec import structs

from exchange.core import parameters as p
from exchange.core.margin import Kind, Leg, short_units
from exchange.core.risk_models import buffer, interest
from exchange.core.risk_models.collateral import Line, fair_lp_price, haircut_of, lp_price, value_of
from exchange.core.risk_models.requirement import Account, PortfolioMarket, assess, portfolio_rules
from exchange.core.risk_models.scan import Market
from exchange.core.units import QTY_ONE, USDC_ONE, WAD

PCT = WAD // 100
ETH = p.CollateralAsset(20 * PCT, 5 * PCT)
AMOUNTS = st.integers(0, 10**24)
THIN = (55 * PCT, WAD)


def line(asset: p.CollateralAsset, amount: int, price: int = 2_000 * USDC_ONE, conf: int = WAD) -> Line:
    return Line(asset, amount, price, conf)


def counted(held: Line, kind: Kind, stable: int = WAD) -> int:
    return value_of(held, stable) - haircut_of(held, stable, kind, *THIN)


def test_haircuts_of_both_kinds() -> None:
    held = line(ETH, 10 * WAD)
    assert value_of(held, WAD) == 20_000 * USDC_ONE
    assert counted(held, Kind.MAINTENANCE) == 16_000 * USDC_ONE
    assert counted(held, Kind.INITIAL) == 15_000 * USDC_ONE
    unsure = held._replace(conf=25 * PCT)
    assert counted(unsure, Kind.MAINTENANCE) == 16_000 * USDC_ONE
    assert counted(unsure, Kind.INITIAL) == 0


def test_value_is_in_the_currency_of_the_account() -> None:
    """Dollars over the price of the stablecoin, down."""
    assert value_of(line(ETH, WAD), 80 * PCT) == 2_500 * USDC_ONE
    assert value_of(line(ETH, 1, price=1), WAD) == 0


def test_nothing_counts_beyond_the_bound_and_less_beyond_the_depth() -> None:
    deep = structs.replace(
        ETH, im_haircut=0, depth=10_000 * USDC_ONE, concentration=30 * PCT, value_max=50_000 * USDC_ONE
    )
    assert counted(line(deep, 5 * WAD), Kind.MAINTENANCE) == 8_000 * USDC_ONE
    assert counted(line(deep, 10 * WAD), Kind.MAINTENANCE) == (16_000 - 3_000) * USDC_ONE
    most = (40_000 - 12_000) * USDC_ONE
    assert counted(line(deep, 25 * WAD), Kind.MAINTENANCE) == most
    assert counted(line(deep, 1_000 * WAD), Kind.MAINTENANCE) == most


@given(one=AMOUNTS, other=AMOUNTS, kind=st.sampled_from(Kind), conf=st.integers(50 * PCT, WAD))
def test_more_never_counts_for_less_and_two_holdings_no_less_than_one(
    one: int, other: int, kind: Kind, conf: int
) -> None:
    """Concave: splitting a holding over accounts may gain, so the bounds of the venue are by asset too."""
    deep = structs.replace(ETH, depth=10**9, concentration=20 * PCT, value_max=10**12)
    first, second, both = (counted(line(deep, amount, conf=conf), kind) for amount in (one, other, one + other))
    assert both >= max(first, second) - 3
    assert both <= first + second + 3


# -- LP tokens --------------------------------------------------------------------------------------------------------


@given(
    first=st.integers(10**18, 10**27),
    second=st.integers(10**18, 10**27),
    swapped=st.integers(0, 10**27),
    price=st.integers(10**4, 10**12),
)
def test_trading_in_a_pool_does_not_move_the_price_of_its_token(
    first: int, second: int, swapped: int, price: int
) -> None:
    """A swap keeps the invariant (what rounding adds stays in the pool), however far it pushes the reserves."""
    supply = isqrt(first * second)
    before = fair_lp_price(first * second, supply, price, USDC_ONE)
    after_first = first + swapped
    after_second = -(-first * second // after_first)
    after = fair_lp_price(after_first * after_second, supply, price, USDC_ONE)
    assert 0 <= after - before <= 1 + before // 10**8
    reserves = (after_first * price + after_second * USDC_ONE) // supply
    assert before <= reserves + 1  # the fair price is the least that any reserves on the invariant are worth


def test_price_of_a_balanced_pool() -> None:
    """1,000 tokens of 2,000 dollars and 2,000,000 dollars, 1e6 shares: four dollars a share; never above redemption."""
    fair = fair_lp_price(1_000 * WAD * 2_000_000 * WAD, 1_000_000 * WAD, 2_000 * USDC_ONE, USDC_ONE)
    assert fair == 4 * USDC_ONE
    assert lp_price(fair, 3 * USDC_ONE) == 3 * USDC_ONE
    assert lp_price(fair, 5 * USDC_ONE) == fair


# -- hedges -----------------------------------------------------------------------------------------------------------


def test_a_token_that_hedges_lowers_what_a_short_call_needs() -> None:
    """A covered call; the same token where it does not offset is only worth something."""
    stage, rules = Stage(), portfolio_rules(PORTFOLIO)
    options = stage.market({series_at(2, 2, True): -QTY_ONE})
    asset = p.CollateralAsset(2 * PCT, PCT)
    bare, beside, covered = (
        assess(Account(rules, 0, WAD, tokens, (PortfolioMarket(rules, options, (), tokens),)), Kind.MAINTENANCE)
        for tokens in (
            (),
            (line(asset, WAD, price=options.spot),),
            (line(structs.replace(asset, offsets=True), WAD, price=options.spot),),
        )
    )
    assert beside.requirement == bare.requirement > covered.requirement > 0
    assert beside.equity == covered.equity == bare.equity + 98_000 * USDC_ONE


def test_a_token_that_hedges_nothing_is_a_position() -> None:
    rules = portfolio_rules(PORTFOLIO)
    held = (line(structs.replace(ETH, offsets=True), 10 * WAD),)
    market = PortfolioMarket(rules, Market(2_000 * USDC_ONE, ()), (), held)
    found = assess(Account(rules, 0, WAD, held, (market,)), Kind.INITIAL)
    assert found.requirement == 20_000 * USDC_ONE * 18 // 100


# -- buffer and interest ----------------------------------------------------------------------------------------------


@given(by=st.integers(0, 20 * PCT), strike=st.integers(1, 10**12), is_call=st.booleans(), mark=st.integers(0, 10**11))
def test_a_buffer_raises_what_a_short_needs(by: int, strike: int, is_call: bool, mark: int) -> None:
    spot, leg = 10**11, Leg(-1, strike, is_call, mark)
    before, after = short_units(STANDARD, spot, leg), short_units(buffer.raised(STANDARD, by), spot, leg)
    assert after.initial >= before.initial
    assert after.maintenance >= before.maintenance


def test_the_width_grows_with_age_and_with_doubt() -> None:
    rule = p.BufferRule(vol=150 * PCT, deviations=4 * WAD, window_s=0, publisher=PCT // 4, conf_factor=PCT, jump=PCT)
    ages = [buffer.width(rule, age, WAD) for age in (0, 2, 12, 60, 300, 3_600)]
    assert ages[0] == PCT // 4 + PCT
    assert ages == sorted(ages)
    assert buffer.width(rule, 12, WAD // 2) - buffer.width(rule, 12, WAD) == PCT // 2
    averaged = structs.replace(rule, window_s=1_800)
    assert buffer.width(averaged, 12, WAD) == buffer.width(rule, 612, WAD)


@pytest.mark.parametrize(
    ("supplied", "borrowed", "used"), [(0, 0, 0), (0, 1, WAD), (3, 1, WAD // 3 + 1), (1, 2, 2 * WAD)]
)
def test_interest_of_a_pool_at_its_ends(supplied: int, borrowed: int, used: int) -> None:
    curve = p.BorrowCurve(0, WAD, WAD, WAD // 2)
    assert interest.borrow_rate(curve, supplied, borrowed) == used
