"""Session keys with limits: the contract counts what they fill for all their lives, to the unit of its specification."""

from __future__ import annotations

import pytest
from contract_drawing import PATIENCE, drawn
from contract_venue import LOT, USDC, WINDOW, address
from hypothesis import given
from hypothesis import strategies as st

from exchange.calldata import Trade
from exchange.core.commands import FeeSchedule
from exchange.core.fees import maker_fee, taker_fee
from exchange.core.keylimits import KeyLimits, KeyUse, paid_by, refusal
from exchange.core.units import premium_of
from exchange.reverts import Revert

pytestmark = PATIENCE
PRICE = 700 * USDC
INDEX = 60_000 * USDC
NO_LIMIT = 2**96 - 1
FEES = FeeSchedule(4 * 10**14, -(10**14), 125 * 10**15)


@pytest.fixture
def m(shared_market):
    """The shared market, taken back afterwards."""
    with shared_market.venue.aside():
        yield shared_market


def register(m, *limits: int, scopes: int = 1):
    m.venue.send("taker", m.venue.clearing, "register_key", *terms(m, *limits, scopes=scopes))


def terms(m, *limits: int, scopes: int = 1) -> tuple:
    return (m.taker.account, address("session"), scopes, m.venue.now + 3600, *limits)


def trade(m, *fills: tuple[int, int], as_maker: bool = False):
    """A batch in which the taker's session key signs an order for each (series, quantity), met by the maker."""
    entries, trades = [], []
    for series, quantity in fills:
        entries.append(m.venue.sign(m.venue.order(m.taker, series, quantity, PRICE), by="session"))
        entries.append(m.venue.sign(m.venue.order(m.maker, series, -quantity, PRICE)))
        mine, theirs = len(entries) - 2, len(entries) - 1
        places = (mine, theirs) if as_maker else (theirs, mine)
        trades.append(Trade(*places, abs(quantity), PRICE, INDEX))
    return m.venue.batch(entries, trades)


def room(m) -> tuple:
    return m.venue.clearing.call("key_room", m.taker.account, address("session"))


def test_a_key_without_limits_has_no_room_to_count(m):
    register(m)
    m.venue.settle(trade(m, (m.call, -LOT)))
    assert room(m)[0] is False


def test_limits_are_announced(m):
    receipt = m.venue.send("taker", m.venue.clearing, "register_key", *terms(m, 1 << 1, 5 * USDC, 7 * USDC))
    [(name, args)] = m.venue.events(receipt)
    assert (name, args["underlyings"], args["notional"], args["spend"]) == ("KeyRegistered", 2, 5 * USDC, 7 * USDC)
    assert room(m) == (True, 2, 5 * USDC * 10**4, 7 * USDC)


@pytest.mark.parametrize("allowed", [1 << 1, 1 << 1 | 1 << 40, 0])
def test_a_key_trades_the_underlyings_it_is_allowed(m, allowed):
    register(m, allowed, 10**12 * USDC)
    m.venue.settle(trade(m, (m.call, -LOT)))


@pytest.mark.parametrize("allowed", [1 << 0, 1 << 2, 1 << 62])
def test_a_key_trades_no_other_underlying(m, allowed):
    register(m, allowed)
    assert m.venue.settle_refusal(trade(m, (m.call, -LOT))) == Revert.KEY_UNDERLYING


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("together", [True, False])
def test_notional_is_strike_times_quantity_on_either_side(m, side, together):
    """The 65,000 call: two contracts and not one lot more."""
    register(m, 0, 2 * 65_000 * USDC)
    if together:
        assert m.venue.settle_refusal(trade(m, *[(m.call, side * LOT)] * 2, (m.call, side))) == Revert.KEY_NOTIONAL
        m.venue.settle(trade(m, *[(m.call, side * LOT)] * 2))
    else:
        m.venue.settle(trade(m, (m.call, side * LOT)))
        m.venue.settle(trade(m, (m.call, -side * LOT)))  # what is undone counts again
    assert room(m)[2:] == (0, NO_LIMIT)
    assert m.venue.settle_refusal(trade(m, (m.call, side))) == Revert.KEY_NOTIONAL


def test_spend_is_premium_and_fee_of_purchases(m):
    fee = taker_fee(FEES, INDEX, PRICE, LOT)
    register(m, 0, 0, PRICE + fee)
    m.venue.settle(trade(m, (m.call, -5 * LOT)))
    assert room(m)[3] == PRICE + fee
    assert m.venue.settle_refusal(trade(m, (m.call, LOT + 1))) == Revert.KEY_SPEND
    m.venue.settle(trade(m, (m.call, LOT)))
    assert room(m)[3] == 0
    m.venue.settle(trade(m, (m.call, -LOT)))  # what a sale brings buys no room
    assert m.venue.settle_refusal(trade(m, (m.call, LOT))) == Revert.KEY_SPEND


def test_an_ancestor_uses_up_nothing(m):
    register(m, 0, 1)
    first = m.venue.order(m.taker, m.call, -LOT, PRICE, nonce=900)
    second = m.venue.order(m.taker, m.call, -LOT, PRICE, nonce=901, replaces=901)
    buyer = m.venue.sign(m.venue.order(m.maker, m.call, LOT, PRICE))
    entries = [m.venue.sign(first, by="session"), m.venue.sign(second), buyer]
    m.venue.settle(m.venue.batch(entries, [Trade(2, 1, LOT, PRICE, INDEX)]))
    assert room(m)[2] == 10**4


def test_a_key_registered_anew_has_its_new_limits(m):
    register(m, 0, 65_000 * USDC)
    m.venue.settle(trade(m, (m.call, LOT)))
    assert m.venue.refusal("taker", m.venue.clearing, "register_key", *terms(m, 0, 10**15)) == Revert.KEY_IN_USE
    m.venue.send("taker", m.venue.clearing, "revoke_key", m.taker.account, address("session"))
    m.venue.chain.set_time(m.venue.now + WINDOW)
    register(m, 0, 65_000 * USDC)
    m.venue.post(m.venue.round())
    m.venue.settle(trade(m, (m.call, -LOT)))
    m.venue.send("taker", m.venue.clearing, "revoke_key", m.taker.account, address("session"))
    m.venue.chain.set_time(m.venue.now + WINDOW)
    register(m)
    m.venue.post(m.venue.round())
    assert room(m)[0] is False
    m.venue.settle(trade(m, (m.call, LOT)))


@pytest.mark.parametrize("limits", [(2**63,), (0, 2**63), (0, 0, 2**63)])
def test_limits_beyond_their_range(m, limits):
    assert m.venue.refusal("taker", m.venue.clearing, "register_key", *terms(m, *limits)) == Revert.KEY_LIMITS


@pytest.mark.parametrize("limits", [(1,), (0, 1), (0, 0, 1)])
def test_a_key_with_limits_does_not_quote(m, limits):
    """A mandate has a budget of its own."""
    refused = ("register_key", *terms(m, *limits, scopes=1 | 4))
    assert m.venue.refusal("taker", m.venue.clearing, *refused) == Revert.KEY_LIMITS


def test_the_owner_is_bound_by_no_limit_of_a_key(m):
    register(m, 0, 1, 1)
    m.venue.settle(m.venue.cross(m.taker, m.maker, m.call, LOT, PRICE))
    assert room(m)[2:] == (10**4, 1)


fills = st.lists(
    st.tuples(st.integers(0, 7), st.sampled_from([-1, 1]), st.integers(1, 2 * LOT)), min_size=1, max_size=4
)
bounds = st.tuples(
    st.sampled_from([0, 2, 4]),
    st.sampled_from([0, 60_000 * USDC, 150_000 * USDC]),
    st.sampled_from([0, PRICE, 2 * PRICE]),
)


@drawn(40)
@given(bounds, st.lists(st.tuples(fills, st.booleans()), min_size=1, max_size=3))
def test_the_specification_and_the_contract_agree(m, limits, batches):
    with m.venue.aside():
        register(m, *limits)
        use = KeyUse()
        for drawn_fills, as_maker in batches:
            orders = [((*m.calls, *m.puts)[at], side * quantity) for at, side, quantity in drawn_fills]
            after, reasons = use, []
            for series, quantity in orders:
                paid = spent(quantity, as_maker)
                after = after.after(m.venue.strikes[series][0], abs(quantity), paid)
                reasons.append(refusal(KeyLimits(*limits), 1, after))
            batch = trade(m, *orders, as_maker=as_maker)
            if any(reasons):
                assert m.venue.settle_refusal(batch).startswith("key_")
                continue
            m.venue.settle(batch)
            use = after
        check_room(room(m), limits, use)


def spent(quantity: int, as_maker: bool) -> int:
    taking = taker_fee(FEES, INDEX, PRICE, abs(quantity))
    fee = maker_fee(FEES, INDEX, PRICE, abs(quantity), taking) if as_maker else taking
    return paid_by(is_buy=quantity > 0, premium=premium_of(PRICE, abs(quantity)), fee=fee)


def check_room(found: tuple, limits: tuple[int, int, int], use: KeyUse) -> None:
    is_limited, _, notional, spend = found
    assert is_limited == any(limits)
    if is_limited:
        assert notional == (limits[1] * 10**4 - use.notional if limits[1] else NO_LIMIT)
        assert spend == (limits[2] - use.spend if limits[2] else NO_LIMIT)
