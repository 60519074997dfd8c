"""Ladders: what they bring is never below the potential, and no combination of fills leaves the limits."""

import random
from itertools import pairwise
from typing import Any

import pytest
from amm_market import NAV, TICKS, Market, market_at, some_sold
from core_venue import USDC

from exchange.core import oamm_ladder
from exchange.core.oamm import Sold, after, cost, net_vega, vega_bound
from exchange.core.oamm_ladder import SIZES, Ladder, PoolFacts, PoolLimits, ladder, may_quote, rooms_of, sizes_of
from exchange.core.units import QTY_ONE, WAD

LIMITS = PoolLimits()


def facts(market: Market, **changes: Any) -> PoolFacts:
    return PoolFacts(NAV, NAV // 4, market.spot, 0)._replace(**changes)


def ladders(market: Market, sold: Sold, pool: PoolFacts) -> dict[int, Ladder]:
    sizes = sizes_of(LIMITS, pool, market.round, market.placed, sold, TICKS.lot)
    return {key: ladder(market.round, sold, key, sizes, TICKS) for key in sorted(market.round.series)}


def fills(dice: random.Random, shown: dict[int, Ladder]) -> list[tuple[int, int, int]]:
    """Some of what is shown trades, best levels first on each side: series, quantity bought from the pool, price."""
    found = []
    for key, sides in shown.items():
        for sign, levels in ((1, sides.asks), (-1, sides.bids)):
            for level in levels[: dice.randint(0, len(levels))]:
                whole = dice.random() < 0.7
                part = level.qty if whole else dice.randint(1, level.qty // TICKS.lot) * TICKS.lot
                found.append((key, sign * part, level.price))
                if not whole:
                    break
    return found


def test_a_flat_pool_shows_every_level() -> None:
    market = market_at()
    shown = ladders(market, {}, facts(market, nav=10**5 * NAV))
    full = [contracts * QTY_ONE for contracts in SIZES]
    complete = [key for key, sides in shown.items() if [level.qty for level in sides.asks] == full]
    assert len(complete) >= 10
    for sides in shown.values():
        assert all(a.price <= b.price for a, b in pairwise(sides.asks))
        assert all(a.price >= b.price for a, b in pairwise(sides.bids))
        if sides.asks and sides.bids:
            assert sides.asks[0].price - sides.bids[0].price >= 2 * USDC
        for level in (*sides.asks, *sides.bids):
            assert level.price % TICKS.tick_at(level.price) == 0
            assert level.qty % TICKS.lot == 0


@pytest.mark.counts(short=600, soak=10_000)
def test_whatever_fills_brings_what_the_potential_asks(count: int) -> None:
    """Parts of levels on both sides, in any order: the pool has at least what quoting each by itself would have brought,
    and whoever closes the loop at once has paid.
    """
    market = market_at()
    for seed in range(count):
        dice = random.Random(seed)
        sold = some_sold(dice, market, 100_000)
        done = fills(dice, ladders(market, sold, facts(market)))
        dice.shuffle(done)
        for sign in (1, -1):
            for key in dict.fromkeys(key for key, _, _ in done):
                qty = sum(q for k, q, _ in done if k == key and q * sign > 0)
                paid = sum(p * q // QTY_ONE for k, q, p in done if k == key and q * sign > 0)
                if qty:
                    assert paid >= cost(market.round, sold, key, qty)
        both = [
            key for key in {fill[0] for fill in done} if {1, -1} <= {1 if q > 0 else -1 for k, q, _ in done if k == key}
        ]
        for key in both:
            bought = sum(q for k, q, _ in done if k == key and q > 0)
            back = -sum(q for k, q, _ in done if k == key and q < 0)
            paid = sum(p * q // QTY_ONE for k, q, p in done if k == key)
            if bought == back:
                assert paid > 0


@pytest.mark.counts(short=600, soak=10_000)
def test_no_fills_leave_the_limits(count: int) -> None:
    """Any part of any ladders: each figure ends within its bound, or no further out than it was."""
    touched = 0
    for seed in range(count):
        dice = random.Random(seed)
        market = market_at(dice.choice((92_000, 100_000, 108_000)))
        sold = some_sold(dice, market, 400_000)
        hedge = dice.randint(-4, 4) * WAD * QTY_ONE
        pool = facts(market, hedge=hedge, nav=dice.choice((NAV // 20, NAV, 5 * NAV)))
        if dice.random() < 0.2:
            pool = pool._replace(initial_margin=pool.nav)
        before = rooms_of(LIMITS, pool, market.round, market.placed, sold)
        held = sold
        for key, qty, _ in fills(dice, ladders(market, sold, pool)):
            held = after(held, key, qty)
        for book, room in rooms_of(LIMITS, pool, market.round, market.placed, held).items():
            assert abs(room.now) <= max(room.bound, abs(before[book].now)), (seed, book)
            touched += abs(room.now) * 10 > room.bound * 9
    assert touched > count


def test_vega_stays_within_its_bound_through_a_day_of_rounds() -> None:
    market, dice = market_at(), random.Random(5)
    sold: Sold = {}
    for turn in range(300):
        hedge = sum(market.round.series[key].delta * qty for key, qty in sold.items())
        for key, qty, _ in fills(dice, ladders(market, sold, facts(market, hedge=hedge))):
            if qty > 0 or turn % 7 == 0:
                sold = after(sold, key, qty)
        assert abs(net_vega(market.round, sold)) <= vega_bound(NAV) * QTY_ONE
    assert abs(net_vega(market.round, sold)) * 10 > vega_bound(NAV) * QTY_ONE


def test_a_pool_short_of_margin_only_shrinks() -> None:
    market = market_at()
    keys = sorted(market.round.series)
    sold = {keys[4]: 3 * QTY_ONE, keys[5]: -2 * QTY_ONE}
    strained = facts(market, initial_margin=NAV * 81 // 100)
    shown = ladders(market, sold, strained)
    asks = {key: sum(level.qty for level in sides.asks) for key, sides in shown.items() if sides.asks}
    bids = {key: sum(level.qty for level in sides.bids) for key, sides in shown.items() if sides.bids}
    assert (asks, bids) == ({keys[5]: 2 * QTY_ONE}, {keys[4]: 3 * QTY_ONE})
    easy = ladders(market, sold, facts(market, initial_margin=NAV * 80 // 100))
    assert sum(len(sides.asks) for sides in easy.values()) > 1


def test_a_pool_beyond_its_vega_bound_only_buys() -> None:
    market = market_at()
    keys = sorted(market.round.series)
    sold = {keys[14]: 1_500 * QTY_ONE}
    assert net_vega(market.round, sold) > vega_bound(NAV) * QTY_ONE
    shown = ladders(market, sold, facts(market, hedge=600 * WAD * QTY_ONE))
    assert not any(sides.asks for sides in shown.values())
    assert shown[keys[14]].bids


@pytest.mark.parametrize(
    ("nav", "delta", "left", "quotes"),
    [
        (NAV, WAD // 2, 7_201, True),
        (NAV, -WAD // 2, 7_201, True),
        (NAV, WAD // 2, 7_200, False),
        (NAV, 4 * WAD // 100, 90_000, False),
        (NAV, -96 * WAD // 100, 90_000, False),
        (0, WAD // 2, 90_000, False),
    ],
)
def test_which_series_are_quoted(nav: int, delta: int, left: int, quotes: bool) -> None:
    assert may_quote(LIMITS, PoolFacts(nav, 0, 10**11, 0), delta, left) is quotes


PLANTED = {
    "asks are rounded down": lambda exact, qty, ticks: (
        exact * QTY_ONE // (qty * 2 * 10**56) // ticks.tick * ticks.tick if qty else 0
    ),
    "levels are priced at the end of the one before": lambda exact, qty, ticks: (
        _true_price(exact, qty, ticks) - (2 * ticks.tick if qty > 0 else -2 * ticks.tick)
    ),
}
_true_price = oamm_ladder._on_tick


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_mistake_in_prices_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oamm_ladder, "_on_tick", PLANTED[name])
    with pytest.raises(AssertionError):
        test_whatever_fills_brings_what_the_potential_asks(150)


def test_planted_mistakes_in_rooms_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = oamm_ladder._fitting
    monkeypatch.setattr(
        oamm_ladder, "_fitting", lambda loads, left, sign, lot: max(2 * honest(loads, left, sign, lot), 0)
    )
    with pytest.raises(AssertionError):
        test_no_fills_leave_the_limits(150)
