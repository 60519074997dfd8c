"""A pool of the options AMM along drawn paths, with and without its hedge: every rule the core's own, in integers.

Each round the surface is frozen, ladders are dealt, takers take what they like of them, and the hedger decides. What is
counted at the end: the pool at the mark, what spreads brought, what hedging cost, and when breakers spoke. Takers come
at random and do not know the next price. Imports numpy, paths, core.oamm*, core.hedging.
"""

from typing import Final, NamedTuple

import numpy as np

from exchange.core.black76 import scaled_value
from exchange.core.greeks import Greeks, black76_greeks
from exchange.core.hedging import CONTRACT, Exposure, HedgeTerms, Spent, after_fill, decide
from exchange.core.oamm import (
    PoolRound,
    Quoted,
    Sold,
    SpreadTerms,
    after,
    convexity_of,
    default_slopes,
    half_spread_of,
    net_vega,
    own_slope_of,
)
from exchange.core.oamm_breakers import BreakerState, Observation, observe, standing
from exchange.core.oamm_ladder import Ladder, Placed, PoolFacts, PoolLimits, Ticks, ladder, sizes_of
from exchange.core.units import QTY_ONE, USDC_ONE, WAD, Cash, Price, Qty, years_of
from exchange.quant.paths import Diffusion, Floats, Grid, Model

CENT: Final = WAD // 100
TICKS: Final = Ticks(USDC_ONE, 5 * USDC_ONE, 1_000 * USDC_ONE, 100)
SPREAD: Final = SpreadTerms(vol_error=WAD, vega_share=50 * CENT, buffer=WAD // 1_000, fee_share=0)
HEDGE: Final = HedgeTerms(5 * WAD // 10_000, WAD // 10_000, 100, WAD // 1_000, WAD // 100)
LIMITS: Final = PoolLimits()
START_S: Final = 1_800_000_000
SPOT: Final = 100_000.0
_USD: Final = WAD // USDC_ONE
_PER_QTY: Final = CONTRACT // QTY_ONE


class Plan(NamedTuple):
    """Of one pool: its money, what it quotes, how busy its takers are, and whether it hedges."""

    nav: Cash = 10_000_000 * USDC_ONE
    strikes: tuple[int, ...] = (90_000, 100_000, 115_000)
    days: int = 30
    takers: float = 1.5  # a round, on average
    buyers: float = 0.6  # of them
    vol: float = 0.6
    vol_of_vol: float = 0.8
    hedges: bool = True
    margin_per_contract: float = 0.1  # of spot, for the pool's own margin limit
    half_cost: float = 2e-4  # of the price, between the oracle's and the hedge's fills


class Result(NamedTuple):
    """Of one path, in USDC. ``made`` is the change of the pool at the mark; ``spreads`` what fills brought over it."""

    made: float
    spreads: float
    hedge_cost: float
    hedges: int
    fills: int
    vega: float
    quiet_rounds: int


class _Pool:
    """The state of one pool along one path."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.cash: Cash = plan.nav
        self.sold: Sold = {}
        self.hedge: Qty = 0
        self.spent = Spent()
        self.breakers = BreakerState()
        self.spreads = self.hedge_cost = 0
        self.hedges = self.fills = self.quiet = 0


class _Frozen(NamedTuple):
    """A round: what the pool quotes on, and the Greeks its hedge is made of."""

    round: PoolRound
    placed: dict[int, Placed]
    greeks: dict[int, Greeks]
    spot: Price


def run(model: Model, plan: Plan, grid: Grid, seed: int) -> list[Result]:
    """One result for each path; the same seed gives the same takers whether the pool hedges or not."""
    spots = SPOT * model.draw(grid, seed)
    vols = plan.vol * Diffusion(plan.vol_of_vol).draw(grid, seed + 1)
    return [_one(plan, grid, spots[path], vols[path], seed + 2 + path) for path in range(grid.paths)]


def _one(plan: Plan, grid: Grid, spots: Floats, vols: Floats, seed: int) -> Result:
    chance = np.random.default_rng(seed)
    pool = _Pool(plan)
    nav, frozen = plan.nav, None
    for step in range(grid.steps + 1):
        now_s = START_S + round(step * grid.step_s)
        frozen = _freeze(plan, nav, now_s, float(spots[step]), float(vols[step]))
        nav = _nav(pool, frozen)
        frozen = frozen._replace(round=PoolRound(default_slopes(nav), frozen.round.series))
        pool.breakers = observe(pool.breakers, Observation(now_s, round(float(vols[step]) * WAD), frozen.spot, nav))
        _trade(pool, frozen, nav, now_s, chance)
        if plan.hedges:
            _hedge(pool, frozen, nav, now_s, step)
    assert frozen is not None
    return Result(
        (_nav(pool, frozen) - plan.nav) / USDC_ONE,
        pool.spreads / USDC_ONE,
        pool.hedge_cost / USDC_ONE,
        pool.hedges,
        pool.fills,
        net_vega(frozen.round, pool.sold) / WAD / QTY_ONE,
        pool.quiet,
    )


# -- a round ----------------------------------------------------------------------------------------------------------


def _freeze(plan: Plan, nav: Cash, now_s: int, spot: float, vol: float) -> _Frozen:
    price, wad_vol = round(spot * USDC_ONE), round(vol * WAD)
    left_s = plan.days * 86_400 - (now_s - START_S)
    years = years_of(left_s)
    series: dict[int, Quoted] = {}
    placed: dict[int, Placed] = {}
    all_greeks: dict[int, Greeks] = {}
    for number, (strike, is_call) in enumerate(
        (strike, is_call) for strike in plan.strikes for is_call in (True, False)
    ):
        greeks = black76_greeks(price, strike * USDC_ONE, wad_vol, years, WAD, 0, is_call=is_call)
        mid = scaled_value(price, strike * USDC_ONE, wad_vol, years, is_call=is_call) // USDC_ONE
        bare = Quoted(mid, greeks.vega // 100, convexity_of(greeks.gamma, price), greeks.delta, own_slope_of(mid), 0)
        wide = half_spread_of(SPREAD, bare, greeks.gamma, price, TICKS.tick_at(mid // _USD))
        series[number] = bare._replace(half_spread=wide)
        placed[number] = Placed(0, strike * USDC_ONE, left_s)
        all_greeks[number] = greeks
    return _Frozen(PoolRound(default_slopes(nav), series), placed, all_greeks, price)


def _nav(pool: _Pool, frozen: _Frozen) -> Cash:
    """Cash, the hedge at the index, options at the mid; rounded down."""
    options = sum(frozen.round.series[key].mid * qty for key, qty in pool.sold.items())
    return pool.cash + pool.hedge * frozen.spot // QTY_ONE - options // (_USD * QTY_ONE)


def _ladders(pool: _Pool, frozen: _Frozen, nav: Cash, factor: int) -> dict[int, Ladder]:
    wide = {
        key: option._replace(half_spread=option.half_spread * factor) for key, option in frozen.round.series.items()
    }
    round_ = frozen.round._replace(series=wide)
    gross = sum(abs(qty) for qty in pool.sold.values())
    margin = round(gross * frozen.spot * pool.plan.margin_per_contract / QTY_ONE)
    hedged = pool.hedge * WAD if pool.plan.hedges else _option_delta(pool, frozen)
    facts = PoolFacts(nav, margin, frozen.spot, hedged)
    sizes = sizes_of(LIMITS, facts, round_, frozen.placed, pool.sold, TICKS.lot)
    return {key: ladder(round_, pool.sold, key, sizes, TICKS) for key in round_.series}


def _option_delta(pool: _Pool, frozen: _Frozen) -> int:
    """Delta that others are owed, in wad x quantity: a pool that never hedges is not stopped for it."""
    return sum(frozen.round.series[key].delta * qty for key, qty in pool.sold.items())


def _trade(pool: _Pool, frozen: _Frozen, nav: Cash, now_s: int, chance: np.random.Generator) -> None:
    """Takers of this round, one after another; each meets ladders that know of the one before."""
    allowed = standing(pool.breakers, now_s)
    pool.quiet += not allowed.quotes
    for _ in range(int(chance.poisson(pool.plan.takers))):
        series = int(chance.integers(len(frozen.round.series)))
        buys = bool(chance.random() < pool.plan.buyers)
        wish = int(chance.integers(1, 41)) * QTY_ONE // 4
        if not allowed.quotes:
            continue
        shown = _ladders(pool, frozen, nav, allowed.spread_factor)[series]
        sign = 1 if buys else -1
        for level in shown.asks if buys else shown.bids:
            qty = min(level.qty, wish)
            if not qty:
                break
            paid = sign * level.price * qty // QTY_ONE
            fair = sign * frozen.round.series[series].mid * qty // (_USD * QTY_ONE)
            pool.cash, pool.spreads = pool.cash + paid, pool.spreads + paid - fair
            pool.sold, wish, pool.fills = after(pool.sold, series, sign * qty), wish - qty, pool.fills + 1


def _hedge(pool: _Pool, frozen: _Frozen, nav: Cash, now_s: int, round_id: int) -> None:
    """One decision, filled at the index and half the cost away from it."""
    delta = pool.hedge * _PER_QTY - _option_delta(pool, frozen) // (WAD * QTY_ONE // CONTRACT)
    gamma = abs(sum(frozen.greeks[key].gamma * qty for key, qty in pool.sold.items())) // QTY_ONE
    found = decide(HEDGE, Exposure(round_id, now_s, frozen.spot, delta, gamma, nav), pool.spent)
    if not found.qty:
        return
    slip = round(frozen.spot * pool.plan.half_cost)
    price = frozen.spot + slip if found.qty > 0 else frozen.spot - slip
    pool.spent = after_fill(pool.spent, now_s, price, found.qty)
    pool.cash -= -(-price * found.qty // QTY_ONE)
    pool.hedge_cost += slip * abs(found.qty) // QTY_ONE
    pool.hedge, pool.hedges = pool.hedge + found.qty, pool.hedges + 1
