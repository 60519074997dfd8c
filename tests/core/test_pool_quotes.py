"""What a pool quotes: the ladder of the potential on the marks of the round, within its limits, and anew after a fill."""

import pytest
from core_pools import TERMS, pool_venue
from core_quotes import MAKER, TAKER, hit, protect
from core_venue import CENT, USDC, Venue, series_named

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import oamm, pool_quotes, pools, risk
from exchange.core.margin import Kind
from exchange.core.pool_quotes import PoolQuote, freeze, quotes
from exchange.core.units import QTY_ONE, WAD

LEVELS = ("level 1", "level 2", "level 3")
NEAR = series_named("62000C.2")


def shown(venue: Venue) -> PoolQuote:
    pool = venue.state.pools[MAKER]
    return quotes(venue.state, pool, freeze(venue.state, pool))


def quoting(**changes: object) -> Venue:
    """A pool of a hundred million whose groups are its levels."""
    venue = pool_venue(**(dict.fromkeys(("delta_share", "strike_share", "expiry_share"), WAD) | changes))
    venue.fund(MAKER, 99_000_000)
    for name in LEVELS:
        protect(venue, group=name)
    return venue


def put_up(venue: Venue) -> int:
    """Everything the pool shows enters the book; how many quotes stand."""
    state = venue.state
    assert state.round is not None
    entered = 0
    for name, leaves in zip(LEVELS, shown(venue).levels, strict=False):
        if not leaves:
            continue
        nonce = venue.nonces[MAKER] = venue.nonces.get(MAKER, -1) + 1
        signed = c.QuoteMandate(
            MAKER,
            nonce,
            state.round.time_s + TERMS.life_s,
            10_000 * USDC,
            0,
            0,
            0,
            0,
            state.accounts[MAKER].owner,
            b"s",
        )
        events = venue.must(c.MassQuote(signed, leaves, name, whole=True))
        entered += sum(type(event) is e.Quoted for event in events)
    return entered


def test_every_level_stands_in_the_book_around_the_mark():
    venue = quoting()
    levels = shown(venue).levels
    assert [len(leaves) > 0 for leaves in levels] == [True, True, True]
    assert put_up(venue) == sum(map(len, levels))
    book, mark = venue.state.books[NEAR], venue.state.view.marks[NEAR]
    bids, asks = (list(side.orders()) for side in (book.bids, book.asks))
    assert [order.qty for order in asks] == [order.qty for order in bids] == [QTY_ONE, 2 * QTY_ONE, 5 * QTY_ONE]
    assert bids[-1].price <= bids[0].price < mark < asks[0].price <= asks[-1].price
    venue.check()


def test_a_level_costs_what_the_potential_asks():
    venue = quoting()
    pool = venue.state.pools[MAKER]
    frozen = freeze(venue.state, pool)
    nav = pools.nav_of(venue.state.view, venue.state.accounts[MAKER])
    round_ = oamm.PoolRound(oamm.default_slopes(nav), frozen.quoted)
    ask = next(leaf for leaf in shown(venue).levels[0] if leaf.series == NEAR and not leaf.is_buy)
    due = oamm.cost(round_, {}, NEAR, QTY_ONE)
    assert due <= ask.price < due + 5 * USDC
    assert frozen.quoted[NEAR].mid // 10**12 - venue.state.view.marks[NEAR] in (-1, 0)
    assert ask.delta == frozen.greeks[NEAR].delta * 10_000 // WAD
    assert ask.vega == frozen.greeks[NEAR].vega * USDC // (100 * WAD)


def test_what_fills_moves_every_quote():
    venue = quoting()
    put_up(venue)
    before = {(leaf.series, leaf.is_buy): leaf.price for leaf in shown(venue).levels[0]}
    hit(venue, NEAR, True, 800, 60_000)
    assert venue.state.accounts[MAKER].positions[NEAR] == -8 * QTY_ONE
    after = {(leaf.series, leaf.is_buy): leaf.price for leaf in shown(venue).levels[0]}
    assert all(after[side] >= price for side, price in before.items() if side in after)
    assert after[NEAR, False] > before[NEAR, False]
    assert put_up(venue)
    venue.check()


def test_nothing_is_quoted_beyond_the_width():
    """However far the potential leans, the price stays where the contract forgives it."""
    venue = quoting(quote_points=CENT // 100)
    for level in shown(venue).levels:
        for leaf in level:
            least, most = pools.edges_of(venue.state, venue.state.view, venue.state.pools[MAKER].rules, leaf.series)
            assert leaf.price <= most if leaf.is_buy else leaf.price >= least
    assert put_up(venue)


@pytest.mark.parametrize("what", ["poor", "leaving", "silent", "last hours"])
def test_who_may_not_quote_shows_nothing(what):
    venue = quoting(quiet_s=7 * 86_400 if what == "last hours" else 7_200)
    pool, account = venue.state.pools[MAKER], venue.state.accounts[MAKER]
    if what == "poor":
        account.cash = 0
    elif what == "leaving":
        account.exiting = True
    elif what == "silent":
        pool.breakers = pool.breakers._replace(halted=True)
    assert [leaf for level in shown(venue).levels for leaf in level] == []


def test_margin_that_is_used_up_leaves_only_what_leads_back():
    venue = quoting(margin_share=1)
    put_up(venue)
    assert risk.requirement_of(venue.state, venue.state.view, {}, Kind.INITIAL) == 0
    hit(venue, NEAR, True, 100, 60_000)
    sides = {(leaf.series, leaf.is_buy) for level in shown(venue).levels for leaf in level}
    assert sides == {(NEAR, True)}


def test_spreads_are_three_times_as_wide_after_a_jump_of_vol():
    venue = quoting()
    pool = venue.state.pools[MAKER]
    calm = freeze(venue.state, pool).quoted[NEAR].half_spread
    pool.breakers = pool.breakers._replace(wide_until_s=venue.now_s + 1)
    assert freeze(venue.state, pool).quoted[NEAR].half_spread == 3 * calm


def test_a_hedge_elsewhere_makes_room_for_delta():
    venue = quoting(delta_share=CENT)
    pool = venue.state.pools[MAKER]
    frozen = freeze(venue.state, pool)

    def bid_calls(hedge: int) -> int:
        levels = quotes(venue.state, pool, frozen, hedge).levels
        return sum(leaf.qty for level in levels for leaf in level if leaf.is_buy and leaf.delta > 0)

    assert bid_calls(-8 * QTY_ONE) > bid_calls(0) > bid_calls(8 * QTY_ONE)


def test_the_ladder_is_a_function_of_the_state(monkeypatch):
    venue = quoting()
    put_up(venue)
    hit(venue, NEAR, False, 40, 1, account=TAKER)
    assert shown(venue) == shown(venue)
    monkeypatch.setattr(pool_quotes, "default_slopes", lambda nav: oamm.Slopes(nav, 0))
    assert shown(venue) != PoolQuote((), 0)
