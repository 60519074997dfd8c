"""Pools of the AMM in the machine: their terms, what rounds make of their breakers, and what their key may quote.

A pool is an owner like any other, whose quotes are messages like any other's. Three things are different: they are for
one round and leave with it, none is further from its mark than the pool's contract would forgive, and none enters while
a breaker is open. Who quotes, and why at these prices, is ``pool_quotes`` and not decided here. Imports state, shares,
oamm_breakers, commands, events.
"""

from collections.abc import Iterator
from typing import Final

from exchange.core.commands import MassQuote, PoolTerms, PostRound, ResumePool, SetPool
from exchange.core.events import (
    Applied,
    Cancelled,
    CancelReason,
    Event,
    PoolCause,
    PoolMoved,
    PoolObserved,
    Reject,
    Rejected,
)
from exchange.core.oamm_breakers import BreakerState, Observation, Standing, moved, observe, reset, standing
from exchange.core.oracle import RoundView
from exchange.core.shares import Widths, width_of
from exchange.core.state import State
from exchange.core.state_types import Account, Order, Pool
from exchange.core.units import QTY_ONE, U63_MAX, WAD, Cash, Price, Seconds, Wad, div_down

LIFE_MAX_S: Final = 3_600
QUIET_MAX_S: Final = 7 * 86_400
LEVELS_MAX: Final = 16
RATE_MAX: Final[Wad] = 10 * WAD
SIZE_MAX: Final = 10_000  # contracts of a level
QUOTES_MAX: Final = 1_000  # of a pool: all of them leave in the record of a round
DAY_S: Final = 86_400

_SHARES: Final = (
    "quote_share",
    "margin_share",
    "expiry_share",
    "strike_share",
    "delta_share",
    "delta_min",
    "delta_max",
)
_RATES: Final = ("quote_points", "vol_error", "vega_share", "buffer")


# -- commands ---------------------------------------------------------------------------------------------------------


def decide(state: State, command: SetPool | ResumePool) -> tuple[Event, ...]:
    """Found a pool, or give it other terms; or let one go on."""
    if isinstance(command, ResumePool):
        return _decide_resume(state, command)
    account = state.accounts.get(command.account)
    if command.underlying not in state.underlyings:
        return (Rejected(Reject.UNDERLYING_MUST_EXIST, command.underlying),)
    if account is None or account.id == 0:
        return (Rejected(Reject.ACCOUNT_MUST_EXIST, command.account),)
    if account.exiting:
        return (Rejected(Reject.ACCOUNT_MUST_BE_ACTIVE, command.account),)
    refused = _refuse_terms(command.terms)
    if refused is not None:
        return (refused,)
    standing_now = quotes_of(account)
    if len(standing_now) > QUOTES_MAX:
        return (Rejected(Reject.OPEN_ORDERS_MUST_FIT, len(standing_now), QUOTES_MAX),)
    return (Applied(), *_withdrawn(standing_now))


def _refuse_terms(terms: PoolTerms) -> Rejected | None:
    figures = [(terms.life_s, 1, LIFE_MAX_S), (terms.quiet_s, 0, QUIET_MAX_S), (len(terms.sizes), 1, LEVELS_MAX)]
    figures += [(size, 1, SIZE_MAX) for size in terms.sizes]
    figures += [(getattr(terms, name), 0, WAD) for name in _SHARES]
    figures += [(getattr(terms, name), 0, RATE_MAX) for name in _RATES]
    figures.append((terms.fee_share, 0, U63_MAX))
    for figure, least, most in figures:
        if not least <= figure <= most:
            return Rejected(Reject.POOL_TERMS_MUST_FIT, max(min(figure, U63_MAX), -U63_MAX), min(most, U63_MAX))
    return None


def _decide_resume(state: State, command: ResumePool) -> tuple[Event, ...]:
    pool = state.pools.get(command.account)
    if pool is None:
        return (Rejected(Reject.POOL_MUST_EXIST, command.account),)
    if not pool.breakers.halted:
        return (Rejected(Reject.POOL_MUST_BE_SILENT, command.account),)
    assert state.view is not None  # a pool falls at a round
    after = standing(_resumed(state, pool, state.view), state.view.time_s)
    return (Applied(), PoolMoved(pool.id, PoolCause.RESUMED, *after))


def _resumed(state: State, pool: Pool, view: RoundView) -> BreakerState:
    return reset(pool.breakers, Observation(view.time_s, 0, 0, nav_of(view, state.accounts[pool.id])))


def evolve(state: State, command: SetPool | ResumePool) -> None:
    """The terms hold from here on, or the fall is forgotten."""
    pool = state.pools.get(command.account)
    if isinstance(command, ResumePool):
        assert pool is not None
        assert state.view is not None
        pool.breakers = _resumed(state, pool, state.view)
    elif pool is None:
        state.pools[command.account] = Pool(command.account, command)
    else:
        pool.rules = command


# -- rounds -----------------------------------------------------------------------------------------------------------


def on_round(state: State, command: PostRound, view: RoundView, gone: dict[int, None]) -> Iterator[Event]:
    """The quotes of every pool leave with their round; what is seen of it at the next one, and what that moves.

    ``gone``: orders that leave within the record anyway.
    """
    last_s = state.round.time_s if state.round is not None else 0
    for pool in _in_order(state):
        account = state.accounts[pool.id]
        yield from _withdrawn([order for order in quotes_of(account) if order.id not in gone])
        seen = _seen(state, pool, command, view)
        if seen is None:
            continue
        yield PoolObserved(pool.id, seen.atm_vol, seen.nav)
        after = observe(pool.breakers, seen)
        now = standing(after, seen.time_s)
        if now != standing(pool.breakers, last_s):
            yield PoolMoved(pool.id, _cause(after, seen.time_s), *now)


def _in_order(state: State) -> list[Pool]:
    return [state.pools[key] for key in sorted(state.pools)]


def _cause(breakers: BreakerState, now_s: Seconds) -> PoolCause:
    """The gravest thing that is the case."""
    if breakers.halted:
        return PoolCause.NAV_FALL
    if breakers.pulled_rounds:
        return PoolCause.SPOT_JUMP
    return PoolCause.VOL_JUMP if now_s < breakers.wide_until_s else PoolCause.CALM


def _seen(state: State, pool: Pool, command: PostRound, view: RoundView) -> Observation | None:
    vol = atm_vol(state, view, pool.rules.underlying)
    if vol <= 0:
        return None
    spot = next(each.spot for each in command.spots if each.underlying == pool.rules.underlying)
    return Observation(command.time_s, vol, spot, nav_of(view, state.accounts[pool.id]))


def evolve_observed(state: State, command: PostRound, event: PoolObserved) -> None:
    """The breakers remember what was seen."""
    pool = state.pools[event.account]
    spot = state.spots[pool.rules.underlying].spot
    pool.breakers = observe(pool.breakers, Observation(command.time_s, event.atm_vol, spot, event.nav))


def atm_vol(state: State, view: RoundView, underlying: int) -> Wad:
    """Vol at the strike nearest to the forward, of the first expiry a day ahead, else of the last; 0 without any."""
    found: Wad = 0
    live = [expiry for key in view.terms if (expiry := state.expiries[key]).underlying == underlying]
    for expiry in sorted(live, key=lambda each: (each.expiry_s, each.id)):
        forward = view.terms[expiry.id].expected
        priced = [(abs(state.series[one].strike - forward), one) for one in expiry.series if one in view.vols]
        if priced:
            found = view.vols[min(priced)[1]]
            if expiry.expiry_s >= view.time_s + DAY_S:
                break
    return found


def nav_of(view: RoundView, account: Account) -> Cash:
    """Cash and options at the mark, rounded down; what hedges the pool elsewhere is not in it."""
    options = sum(view.marks.get(series, 0) * qty for series, qty in account.positions.items())
    return account.cash + div_down(options, QTY_ONE)


def note_flow(state: State, account: int, amount: Cash) -> None:
    """Money came to a pool's account, or went: that is no gain and no fall."""
    pool = state.pools.get(account)
    if pool is not None:
        pool.breakers = moved(pool.breakers, amount)


# -- quotes -----------------------------------------------------------------------------------------------------------


def quotes_of(account: Account) -> list[Order]:
    """Everything an account quotes, group by group."""
    return [order for name in sorted(account.quotes) for _, order in sorted(account.quotes[name].items())]


def _withdrawn(quotes: list[Order]) -> Iterator[Event]:
    return (Cancelled(order.id, CancelReason.POOL_ROUND, order.qty - order.filled) for order in quotes)


def refuse_quotes(state: State, command: MassQuote) -> Rejected | None:
    """The first rule that a message breaks because it is a pool's."""
    pool, view = state.pools.get(command.mandate.account), state.view
    if pool is None:
        return None
    assert view is not None
    if not told(pool, view).quotes:
        return Rejected(Reject.POOL_MUST_BE_HEARD, pool.id)
    due = view.time_s + pool.rules.terms.life_s
    if command.mandate.expiry_s != due:
        return Rejected(Reject.POOL_QUOTES_MUST_NAME_THEIR_ROUND, command.mandate.expiry_s, due)
    for leaf in command.leaves:
        least, most = edges_of(state, view, pool.rules, leaf.series)
        if leaf.is_buy and leaf.price > most:
            return Rejected(Reject.POOL_QUOTES_MUST_KEEP_TO_ITS_WIDTH, min(leaf.price, U63_MAX), most)
        if not leaf.is_buy and leaf.price < least:
            return Rejected(Reject.POOL_QUOTES_MUST_KEEP_TO_ITS_WIDTH, leaf.price, least)
    others = sum(len(quotes) for name, quotes in state.accounts[pool.id].quotes.items() if name != command.group)
    size = others + len(command.leaves) + (0 if command.whole else len(_own(state, command)))
    return Rejected(Reject.OPEN_ORDERS_MUST_FIT, size, QUOTES_MAX) if size > QUOTES_MAX else None


def _own(state: State, command: MassQuote) -> dict[int, Order]:
    return state.accounts[command.mandate.account].quotes.get(command.group, {})


def edges_of(state: State, view: RoundView, rules: SetPool, series: int) -> tuple[Price, Price]:
    """Lowest ask and highest bid that the pool's contract forgives; no ask and no bid of what it does not price.

    A series of another underlying is none of the pool's.
    """
    mark, option = view.marks.get(series), state.series.get(series)
    if mark is None or option is None or option.underlying != rules.underlying:
        return U63_MAX, -1
    widths = Widths(rules.terms.quote_share, rules.terms.quote_points)
    width = width_of(widths, mark, view.forwards[option.expiry_id], option.expiry_s - view.time_s)
    return max(mark - width, 0), min(mark + width, U63_MAX)


def told(pool: Pool, view: RoundView) -> Standing:
    """What a pool may do at the round in force."""
    return standing(pool.breakers, view.time_s)


# -- laws -------------------------------------------------------------------------------------------------------------


def pools_quote_for_their_round(state: State) -> str | None:
    """POOLS_QUOTE_FOR_THEIR_ROUND: what a pool has in the book names the round in force and keeps to its width."""
    for pool in _in_order(state):
        for order in quotes_of(state.accounts[pool.id]):
            assert state.view is not None
            signed = state.mandates[order.mandate].quote
            least, most = edges_of(state, state.view, pool.rules, order.series)
            if signed.expiry_s != state.view.time_s + pool.rules.terms.life_s:
                return f"quote {order.id} of pool {pool.id} is of another round"
            if order.price > most if order.is_buy else order.price < least:
                return f"quote {order.id} of pool {pool.id} at {order.price} is beyond {least} and {most}"
    return None
