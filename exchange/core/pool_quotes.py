"""What a pool quotes: the ladder of its terms at the round in force, from what it holds now. A function of the state.

The machine decides none of this: whoever quotes for a pool calls it and signs what comes out, and whoever has the
journal calls it again and compares. Imports state, pools, oamm, oamm_ladder, greeks, risk.
"""

from typing import NamedTuple

from exchange.core import pools, risk
from exchange.core.black76 import scaled_value
from exchange.core.commands import PoolTerms, QuoteLeaf
from exchange.core.greeks import Greeks, black76_greeks
from exchange.core.margin import Kind
from exchange.core.oamm import (
    PoolRound,
    Quoted,
    Sold,
    SpreadTerms,
    convexity_of,
    default_slopes,
    half_spread_of,
    own_slope_of,
    vega_bound,
)
from exchange.core.oamm_ladder import Level, Placed, PoolFacts, PoolLimits, Ticks, ladder, sizes_of
from exchange.core.oracle import RoundView
from exchange.core.state import State
from exchange.core.state_types import Pool, Series
from exchange.core.units import USDC_ONE, WAD, Price, Qty, div_down, div_up

_USD: int = WAD // USDC_ONE
_POINTS: int = 100  # of vol in 1.00
_DELTA: int = WAD // 10_000  # of a leaf: 1e-4 underlying


class Frozen(NamedTuple):
    """What a round says to a pool, before what it holds: by series, in ascending order."""

    quoted: dict[int, Quoted]
    placed: dict[int, Placed]
    greeks: dict[int, Greeks]


class PoolQuote(NamedTuple):
    """The messages of a pool: for each level, best first, both sides of every series it shows something of."""

    levels: tuple[tuple[QuoteLeaf, ...], ...]
    vega: int  # of one message: the most it may fill before it is anew, 1e-6 USDC a vol point


def freeze(state: State, pool: Pool) -> Frozen:
    """The prices of the pool's underlying at the round in force: the slow part, the same for every fill of a round."""
    view, terms = state.view, pool.rules.terms
    assert view is not None
    spread = SpreadTerms(terms.vol_error, terms.vega_share, terms.buffer, terms.fee_share)
    frozen = Frozen({}, {}, {})
    factor = pools.told(pool, view).spread_factor
    spot, ticks = view.spots[pool.rules.underlying], _ticks_of(state, pool)
    for key in sorted(view.marks):
        option = state.series[key]
        if option.underlying != pool.rules.underlying or option.expiry_s <= view.time_s:
            continue
        mid, greeks = _priced(view, option)
        bare = Quoted(mid, div_down(greeks.vega, _POINTS), convexity_of(greeks.gamma, spot), greeks.delta, 0, 0)
        wide = half_spread_of(spread, bare, greeks.gamma, spot, ticks.tick_at(div_down(mid, _USD))) * factor
        frozen.quoted[key] = bare._replace(own_slope=own_slope_of(mid), half_spread=wide)
        frozen.placed[key] = Placed(option.expiry_id, option.strike, option.expiry_s - view.time_s)
        frozen.greeks[key] = greeks
    return frozen


def _priced(view: RoundView, option: Series) -> tuple[int, Greeks]:
    """Mid in 1e-18 USDC, and greeks, on what the mark is priced on."""
    term, vol = view.terms[option.expiry_id], view.vols[option.id]
    strike, is_call = option.strike, option.is_call
    mid = div_down(scaled_value(term.expected, strike, vol, term.years, is_call=is_call), USDC_ONE)
    return mid, black76_greeks(term.expected, strike, vol, term.years, WAD, 0, is_call=is_call)


def quotes(state: State, pool: Pool, frozen: Frozen, hedge: Qty = 0) -> PoolQuote:
    """The ladder for what the pool holds now; ``hedge`` (1e-4 underlying) is held elsewhere. Nothing while silent.

    Asks are no lower and bids no higher than the pool's contract forgives.
    """
    view, account, terms = state.view, state.accounts[pool.id], pool.rules.terms
    assert view is not None
    nav = pools.nav_of(view, account)
    if nav <= 0 or account.exiting or not pools.told(pool, view).quotes:
        return PoolQuote((), 0)
    sold: Sold = {key: -qty for key, qty in account.positions.items() if key in frozen.quoted}
    facts = PoolFacts(
        nav,
        risk.requirement_of(state, view, account.positions, Kind.INITIAL),
        view.spots[pool.rules.underlying],
        hedge * WAD,
    )
    round_, ticks = PoolRound(default_slopes(nav), frozen.quoted), _ticks_of(state, pool)
    sizes = sizes_of(_limits_of(terms), facts, round_, frozen.placed, sold, ticks.lot, terms.sizes)
    levels: list[list[QuoteLeaf]] = [[] for _ in terms.sizes]
    for key in frozen.quoted:
        shown = ladder(round_, sold, key, sizes, ticks)
        least, most = pools.edges_of(state, view, pool.rules, key)
        for side, is_buy in ((shown.asks, False), (shown.bids, True)):
            for place, level in enumerate(side):
                price = _within(level, least, most, ticks, is_buy=is_buy)
                if price > 0:
                    levels[place].append(_leaf(key, frozen.greeks[key], level.qty, price, is_buy=is_buy))
    return PoolQuote(tuple(tuple(leaves) for leaves in levels), div_down(vega_bound(nav), 10 * _USD))


def _within(level: Level, least: Price, most: Price, ticks: Ticks, *, is_buy: bool) -> Price:
    """The price of a level, or the nearest one that the contract forgives."""
    if is_buy:
        return min(level.price, div_down(most, ticks.tick_at(most)) * ticks.tick_at(most))
    return max(level.price, div_up(least, ticks.tick_at(least)) * ticks.tick_at(least))


def _leaf(series: int, greeks: Greeks, qty: Qty, price: Price, *, is_buy: bool) -> QuoteLeaf:
    vega = div_down(greeks.vega, _POINTS * _USD)
    return QuoteLeaf(series, is_buy, qty, price, div_down(greeks.delta, _DELTA), vega)


def _ticks_of(state: State, pool: Pool) -> Ticks:
    steps = state.underlyings[pool.rules.underlying]
    return Ticks(steps.tick, steps.tick_above, steps.tick_step, steps.lot)


def _limits_of(terms: PoolTerms) -> PoolLimits:
    return PoolLimits(
        terms.margin_share,
        terms.expiry_share,
        terms.strike_share,
        terms.delta_share,
        terms.delta_min,
        terms.delta_max,
        terms.quiet_s,
    )
