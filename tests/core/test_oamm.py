"""The potential: its published quotes, and that no order of trades, split or loop takes anything from the pool."""

import random
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Any

import mpmath
import pytest
from amm_market import CENT, NAV, SPREAD, TICKS, market_at, quoted, some_sold
from core_venue import USDC

from exchange.core import oamm
from exchange.core.oamm import (
    POTENTIAL_ONE,
    PoolRound,
    Quoted,
    Slopes,
    Sold,
    after,
    convexity_of,
    cost,
    default_slopes,
    exact_cost,
    half_spread_of,
    net_vega,
    own_slope_of,
    potential,
    price_at_least,
    vega_bound,
)
from exchange.core.units import QTY_ONE, WAD
from tests import vectors

# -- published quotes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", vectors.family("oamm_quote_"), ids=lambda v: v["name"])
def test_a_quote_is_as_worked_out(vector: dict[str, Any]) -> None:
    """Mid and vega from mpmath, to their last wad; the potential is then exact."""
    given, due = vector["inputs"], vector["expected"]
    with mpmath.workdps(40):
        forward, strike, years, vol = (mpmath.mpf(given[name]) for name in ("F", "K", "T_years", "sigma"))
        v = vol * mpmath.sqrt(years)
        d1 = mpmath.log(forward / strike) / v + v / 2
        mid = forward * mpmath.ncdf(d1) - strike * mpmath.ncdf(d1 - v)
        vega = forward * mpmath.npdf(d1) * mpmath.sqrt(years) / 100
        series = Quoted(int(mid * WAD), int(vega * WAD), 0, 0, 0, 0)
    short = int(Decimal(given["net_short_vega_usd_per_pt"]))
    other = Quoted(0, WAD, 0, 0, 0, 0)
    slope = int(Decimal(given["lambda_vol_per_usd_pt"]) * 100 * WAD)  # published in 1.00 of vol, here in points
    round_, sold = PoolRound(Slopes(slope, 0), {1: series, 2: other}), {2: short * QTY_ONE} if short else {}
    qty = int(given["n"]) * QTY_ONE
    premium = Fraction(exact_cost(round_, sold, 1, qty), POTENTIAL_ONE)
    assert abs(premium / Fraction(due["premium"]) - 1) < Fraction(1, 10**12)
    assert cost(round_, sold, 1, qty) == ceil(premium * USDC)
    assert abs(premium / int(given["n"]) / Fraction(due["avg_price"]) - 1) < Fraction(1, 10**12)


def test_the_worked_pool_of_ten_million() -> None:
    """Five points of vol at the bound, from flat, and half way to it on both sides."""
    assert vega_bound(NAV) == 100_000 * WAD
    assert default_slopes(NAV).vega == 5 * WAD // 100_000
    assert vega_bound(-1) == 0
    assert default_slopes(99) == default_slopes(0)._replace(
        vega=default_slopes(99).vega, gamma=default_slopes(99).gamma
    )
    assert default_slopes(0) == Slopes(0, 0)
    option = quoted(100_000, 110_000, 30, is_call=True)._replace(convexity=0, own_slope=0, half_spread=0)
    round_ = PoolRound(Slopes(default_slopes(NAV).vega, 0), {1: option, 2: Quoted(0, WAD, 0, 0, 0, 0)})
    means = [cost(round_, {2: v * QTY_ONE} if v else {}, 1, 100 * QTY_ONE) // USDC for v in (0, 50_000, -50_000)]
    assert means == [329_652, 355_279, 304_026]


def test_own_slope_and_convexity_are_what_they_say() -> None:
    mid = 3_000 * WAD
    assert own_slope_of(mid) * 100 == mid // 1_000
    assert own_slope_of(1) == 1
    gamma, spot = 2 * WAD // 100_000, 100_000 * USDC
    assert convexity_of(gamma, spot) == gamma * 3_000**2 // 2
    assert convexity_of(1, USDC) == 1


def test_a_half_spread_covers_the_buffer_or_a_tick() -> None:
    option, spot = quoted(100_000, 100_000, 30, is_call=True), 100_000 * USDC
    gamma = 2 * WAD // 100_000
    wide = half_spread_of(SPREAD, option, gamma, spot, USDC)
    move = spot // 1_000 * 10**12  # wad USDC
    informed = abs(option.delta) * move // WAD + gamma * move * move // (2 * WAD * WAD)
    assert wide >= informed + option.vega // 2
    assert wide <= informed + option.vega // 2 + WAD // 10 + 3
    tiny = half_spread_of(SPREAD._replace(vol_error=0, buffer=0, fee_share=0), option, gamma, spot, USDC)
    assert tiny == WAD


# -- laws -------------------------------------------------------------------------------------------------------------


def slow_cost(round_: PoolRound, sold: Sold, series: int, qty: int) -> Fraction:
    """The formula of the potential in fractions of a USDC, and nothing multiplied out."""

    def u(held: Sold) -> Fraction:
        total = Fraction(0)
        vega = gamma = Fraction(0)
        for key, value in held.items():
            x, option = Fraction(value, QTY_ONE), round_.series[key]
            total += Fraction(option.mid, WAD) * x + Fraction(option.own_slope, WAD) * x * x / 2
            vega += Fraction(option.vega, WAD) * x
            gamma += Fraction(option.convexity, WAD) * x
        slopes = (Fraction(slope, WAD) for slope in round_.slopes)
        return total + next(slopes) * vega * vega / 2 + next(slopes) * gamma * gamma / 2

    return (
        u(after(sold, series, qty))
        - u(sold)
        + Fraction(round_.series[series].half_spread, WAD) * Fraction(abs(qty), QTY_ONE)
    )


def test_costs_are_differences_of_the_potential() -> None:
    market = market_at()
    for seed in range(300):
        dice = random.Random(seed)
        sold, series = some_sold(dice, market), dice.choice(sorted(market.round.series))
        qty = dice.choice((-1, 1)) * dice.randint(1, 300_000)
        exact = exact_cost(market.round, sold, series, qty)
        then = after(sold, series, qty)
        spread = market.round.series[series].half_spread * abs(qty) * (POTENTIAL_ONE // (WAD * QTY_ONE))
        assert exact - spread == potential(market.round, then) - potential(market.round, sold)
        true = slow_cost(market.round, sold, series, qty)
        assert Fraction(exact, POTENTIAL_ONE) == true
        assert cost(market.round, sold, series, qty) == ceil(true * USDC)


@pytest.mark.counts(short=2_000, soak=50_000)
def test_no_closed_loop_of_trades_takes_anything_from_the_pool(count: int) -> None:
    market = market_at()
    series = sorted(market.round.series)
    for seed in range(count):
        dice = random.Random(seed)
        start = sold = some_sold(dice, market)
        trades = [
            (dice.choice(series), dice.choice((-1, 1)) * dice.randint(1, 100_000)) for _ in range(dice.randint(1, 6))
        ]
        paid = 0
        for key, qty in trades:
            paid += cost(market.round, sold, key, qty)
            sold = after(sold, key, qty)
        back = {key: start.get(key, 0) - sold.get(key, 0) for key in {**start, **sold}}
        for key in dice.sample(sorted(back), len(back)):
            if back[key]:
                paid += cost(market.round, sold, key, back[key])
                sold = after(sold, key, back[key])
        assert sold == start
        turned = sum(abs(qty) * market.round.series[key].half_spread for key, qty in trades) // QTY_ONE // 10**12
        assert paid >= turned > 0


@pytest.mark.counts(short=2_000, soak=50_000)
def test_no_split_is_cheaper_and_none_costs_more_than_its_rounding(count: int) -> None:
    market = market_at()
    for seed in range(count):
        dice = random.Random(seed)
        sold, series = some_sold(dice, market), dice.choice(sorted(market.round.series))
        sign = dice.choice((-1, 1))
        parts = [sign * dice.randint(1, 50_000) for _ in range(dice.randint(2, 6))]
        whole, paid, held = cost(market.round, sold, series, sum(parts)), 0, sold
        for part in parts:
            paid += cost(market.round, held, series, part)
            held = after(held, series, part)
        assert whole <= paid < whole + len(parts)


def test_the_order_of_trades_does_not_matter_but_for_rounding() -> None:
    market = market_at()
    for seed in range(200):
        dice = random.Random(seed)
        sold = some_sold(dice, market)
        trades = [
            (key, dice.choice((-1, 1)) * dice.randint(1, 90_000)) for key in dice.sample(sorted(market.round.series), 4)
        ]
        sums = []
        for order in (trades, trades[::-1]):
            held, exact = sold, 0
            for key, qty in order:
                exact += exact_cost(market.round, held, key, qty)
                held = after(held, key, qty)
            sums.append(exact)
        assert sums[0] == sums[1]


def test_short_vega_raises_every_quote_and_long_lowers_it() -> None:
    market = market_at()
    series = sorted(market.round.series)
    for key in series:
        flat = cost(market.round, {}, key, QTY_ONE)
        other = series[0] if key != series[0] else series[1]
        short = cost(market.round, {other: 50 * QTY_ONE}, key, QTY_ONE)
        long = cost(market.round, {other: -50 * QTY_ONE}, key, QTY_ONE)
        assert long < flat < short


def test_a_contract_could_repeat_the_sums() -> None:
    """At the bounds of a pool of a billion, everything that is added up fits a signed word of 256 bits."""
    market = market_at()
    sold = dict.fromkeys(market.round.series, 100000 * QTY_ONE)
    for key in market.round.series:
        assert abs(exact_cost(market.round, sold, key, 10_000 * QTY_ONE)) < 2**255
    assert potential(market.round, sold) < 2**255


def test_prices_are_the_least_multiples_of_a_tick() -> None:
    for exact in (1, POTENTIAL_ONE - 1, POTENTIAL_ONE, POTENTIAL_ONE + 1, 7 * POTENTIAL_ONE // 3):
        price = price_at_least(exact, 2 * QTY_ONE, 10)
        assert price % 10 == 0
        assert price * 2 * POTENTIAL_ONE >= exact * USDC > (price - 10) * 2 * POTENTIAL_ONE


def test_net_vega_is_of_what_is_sold() -> None:
    market = market_at()
    key = min(market.round.series)
    assert net_vega(market.round, {key: 3 * QTY_ONE}) == 3 * QTY_ONE * market.round.series[key].vega
    assert net_vega(market.round, {}) == 0
    assert market.round.series[key].vega > 0
    assert TICKS.tick_at(999 * USDC) == USDC
    assert CENT * 100 == WAD


def altered(**changes: int) -> Callable[[Any], Any]:
    """The same cost, of a series that says something else of itself."""

    def change(honest: Any) -> Any:
        def wrong(round_: PoolRound, sold: Sold, series: int, qty: int) -> int:
            option = round_.series[series]._replace(**changes)
            return honest(PoolRound(round_.slopes, {**round_.series, series: option}), sold, series, qty)

        return wrong

    return change


def at_the_end(honest: Any) -> Any:
    """The whole trade at the price where it ends, as pools did that could be split."""
    return lambda round_, sold, series, qty: honest(round_, after(sold, series, qty), series, 1) * qty


MISTAKES = {
    "the spread is forgotten": altered(half_spread=0),
    "convexity is forgotten": altered(convexity=0),
    "vega is forgotten": altered(vega=0),
    "a series does not know itself": altered(own_slope=0),
    "trades are priced where they end": at_the_end,
}


def loops_and_splits() -> None:
    test_no_split_is_cheaper_and_none_costs_more_than_its_rounding(100)
    test_no_closed_loop_of_trades_takes_anything_from_the_pool(100)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_in_the_potential_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = MISTAKES[name](exact_cost)
    monkeypatch.setattr(oamm, "exact_cost", wrong)
    monkeypatch.setitem(globals(), "exact_cost", wrong)
    with pytest.raises(AssertionError):
        test_costs_are_differences_of_the_potential()
    if name in ("the spread is forgotten", "trades are priced where they end"):
        with pytest.raises(AssertionError):
            loops_and_splits()
