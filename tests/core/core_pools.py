"""Pools in the venue of the tests: terms, messages of a round, and short words for what breakers say."""

from typing import Any

import msgspec
from core_quotes import MAKER, TAKER, ask, bid, protect
from core_venue import BTC, CENT, USDC, Venue, standard_venue, wallet

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import pools
from exchange.core.units import WAD

LIFE = 120
TERMS = c.PoolTerms(
    LIFE, 50 * CENT, 8 * CENT, WAD, 50 * CENT, WAD // 1_000, 0, 80 * CENT, 40 * CENT, 15 * CENT, 2 * CENT, 5 * CENT,
    95 * CENT, 7_200, (1, 2, 5),
)  # fmt: skip


def pool_venue(**changes: Any) -> Venue:
    """A maker whose account is a pool, and a taker, both with a million."""
    venue = standard_venue(mandates=True)
    for account in (MAKER, TAKER):
        venue.fund(account, 1_000_000)
    protect(venue)
    protect(venue, group="back")
    venue.must(set_pool(**changes))
    return venue


def set_pool(account: int = MAKER, underlying: int = BTC, **changes: Any) -> c.SetPool:
    return c.SetPool(account, underlying, msgspec.structs.replace(TERMS, **changes), "test")


def message(venue: Venue, *leaves: c.QuoteLeaf, group: str = "front", whole: bool = False, **terms: Any) -> c.MassQuote:
    """What the pool's key signs for the round in force."""
    assert venue.state.round is not None
    nonce = venue.nonces[MAKER] = venue.nonces.get(MAKER, -1) + 1
    due = venue.state.round.time_s + LIFE
    fields = {"account": MAKER, "nonce": nonce, "expiry_s": due, "max_fee": 10_000 * USDC}
    fields |= {"qty": 0, "delta": 0, "vega": 0, "count": 0, "signer": wallet(MAKER), "signature": b"s" * 65} | terms
    return c.MassQuote(c.QuoteMandate(**fields), leaves, group, whole=whole)


def edges(venue: Venue, series: int) -> tuple[int, int]:
    state = venue.state
    assert state.view is not None
    return pools.edges_of(state, state.view, state.pools[MAKER].rules, series)


def of(events: tuple[Any, ...], kind: type) -> list[Any]:
    return [event for event in events if type(event) is kind]


def breaker(events: tuple[Any, ...]) -> tuple[Any, ...]:
    """What the one transition among the events says."""
    (moved,) = of(events, e.PoolMoved)
    return moved.cause, moved.quotes, moved.spread_factor, moved.liquidity


__all__ = ["LIFE", "TERMS", "ask", "bid", "breaker", "edges", "message", "of", "pool_venue", "set_pool"]
