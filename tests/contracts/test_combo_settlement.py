"""Combos on chain: all legs move or none, at no worse than what was signed for them together, margined as one."""

from __future__ import annotations

import msgspec
import pytest
from contract_combos import (
    FEES,
    INDEX,
    between,
    combo_order,
    crossed,
    fees_of,
    implied,
    legs,
    moved,
    premium,
    signed_combo,
    value,
)
from contract_drawing import PATIENCE, drawn
from contract_venue import LOT, USDC, WINDOW, spoiled
from hypothesis import given
from hypothesis import strategies as st

from exchange.calldata import Trade
from exchange.core.commands import FeeSchedule
from exchange.core.fees import combo_fees, fee_allowed, maker_fee, taker_fee
from exchange.reverts import Revert

pytestmark = PATIENCE


@pytest.fixture
def m(shared_market):
    """The shared market, taken back afterwards."""
    with shared_market.venue.aside():
        yield shared_market


def spread(m):
    """The 60,000 call against the 65,000 call."""
    return legs((m.calls[1], 1), (m.calls[2], -1))


def butterfly(m):
    return legs((m.calls[0], 1), (m.calls[1], -2), (m.calls[2], 1))


def ledger_after(m, batch):
    before = m.venue.ledger()
    m.venue.settle(batch)
    after = m.venue.ledger()
    cash = {account: after[account][0] - before[account][0] for account in after}
    assert sum(cash.values()) == 0
    return cash, {account: positions for account, (_, positions) in after.items()}


# -- what settles ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("prices", [(900, 500), (500, 900), (700, 700), (0, 0)])
def test_two_orders_for_the_same_combo_meet(m, side, prices):
    """At a positive, a negative and no price at all."""
    of, prices, units = spread(m), [price * USDC + 3 for price in prices], 2 * LOT + 1
    maker = signed_combo(m.venue, m.maker, of, side * units, value(of, prices))
    taker = signed_combo(m.venue, m.taker, of, -side * units, value(of, prices))
    cash, positions = ledger_after(m, crossed(m.venue, of, maker, taker, units, prices))
    _, taken, rested = fees_of(of, units, prices)
    assert cash[m.maker.account] == -side * premium(of, units, prices) - rested
    assert cash[m.taker.account] == side * premium(of, units, prices) - taken
    assert cash[0] == taken + rested >= 0
    assert positions[m.maker.account] == moved(of, side * units)
    assert positions[m.taker.account] == moved(of, -side * units)


@pytest.mark.parametrize("side", [1, -1])
def test_a_combo_takes_from_the_orders_of_its_legs(m, side):
    of, prices, units = butterfly(m), [3_000 * USDC, 1_500 * USDC + 1, 700 * USDC], 3_333
    combo = signed_combo(m.venue, m.taker, of, side * units, value(of, prices), time_in_force=2)
    batch = implied(m.venue, of, combo, (m.maker, m.third, m.maker), units, prices)
    cash, positions = ledger_after(m, batch)
    rested, taken, _ = fees_of(of, units, prices)
    parts = [price * units * abs(leg.ratio) // LOT for leg, price in zip(of, prices, strict=True)]
    assert cash[m.taker.account] == side * (-parts[0] + parts[1] - parts[2]) - taken
    assert cash[m.maker.account] == side * (parts[0] + parts[2]) - rested[0] - rested[2]
    assert cash[m.third.account] == -side * parts[1] - rested[1]
    assert cash[0] == taken + sum(rested) > 0
    assert positions[m.taker.account] == moved(of, side * units)
    assert positions[m.third.account] == {m.calls[1]: 2 * side * units}


def test_a_leg_may_come_from_several_orders(m):
    """Fees are rounded for each fill; the leg whose fills together cost most is charged in full."""
    of, venue = butterfly(m), m.venue
    combo = venue.sign(combo_order(venue, m.taker, of, LOT, 10**12))
    sizes = [(m.calls[0], 4_001, 3_000), (m.calls[0], 5_999, 3_001), (m.calls[1], 19_999, 1_500), (m.calls[1], 1, 1)]
    sizes.append((m.calls[2], LOT, 700))
    orders, trades = [combo], []
    for series, size, price in sizes:
        side = 1 if series == m.calls[1] else -1
        orders.append(venue.sign(venue.order(m.maker, series, side * size, price * USDC)))
        trades.append(Trade(len(orders) - 1, 0, size, price * USDC, INDEX, LOT))
    cash, positions = ledger_after(m, venue.batch(orders, trades))
    taken = [
        [taker_fee(FEES, INDEX, t.price, t.quantity) for t in part] for part in (trades[:2], trades[2:4], trades[4:])
    ]
    rested = [maker_fee(FEES, INDEX, t.price, t.quantity, taker_fee(FEES, INDEX, t.price, t.quantity)) for t in trades]
    assert cash[0] == sum(map(sum, combo_fees(taken))) + sum(rested)
    assert positions[m.taker.account] == moved(of, LOT)


def test_one_order_for_a_combo_fills_in_parts_and_ways(m):
    """Half of it against another order for the combo, the rest against the legs, with ordinary trades in between."""
    of, venue, prices = spread(m), m.venue, (900 * USDC, 500 * USDC)
    big = signed_combo(venue, m.taker, of, 3 * LOT, 400 * USDC)
    rest = signed_combo(venue, m.third, of, -LOT, 400 * USDC)
    orders = [rest, big, venue.sign(venue.order(m.maker, m.calls[1], -2 * LOT, prices[0]))]
    orders.append(venue.sign(venue.order(m.maker, m.calls[2], LOT, prices[1])))
    orders.append(venue.sign(venue.order(m.third, m.calls[1], LOT, prices[0])))
    trades = between(of, 0, 1, LOT, prices)
    trades += [Trade(2, 1, LOT, prices[0], INDEX, LOT), Trade(2, 4, LOT, prices[0], INDEX)]
    trades += [Trade(3, 1, LOT, prices[1], INDEX, LOT)]
    _, positions = ledger_after(m, venue.batch(orders, trades))
    assert positions[m.taker.account] == moved(of, 2 * LOT)
    assert positions[m.third.account] == {m.calls[2]: LOT}
    assert venue.clearing.call("filled", m.taker.account, big.order.nonce) == 2 * LOT


def test_positions_of_a_combo_and_of_orders_beside_it_share_their_words(m):
    of, venue, prices = butterfly(m), m.venue, (3_000 * USDC, 1_500 * USDC, 700 * USDC)
    combo = signed_combo(venue, m.taker, of, LOT, value(of, prices))
    against = signed_combo(venue, m.maker, of, -LOT, value(of, prices))
    mine = venue.sign(venue.order(m.taker, m.calls[1], 2 * LOT, prices[1]))
    theirs = venue.sign(venue.order(m.maker, m.calls[1], -2 * LOT, prices[1]))
    trades = [*between(of, 0, 1, LOT, prices), Trade(2, 3, 2 * LOT, prices[1], INDEX)]
    _, positions = ledger_after(m, venue.batch([against, combo, mine, theirs], trades))
    assert positions[m.taker.account] == {m.calls[0]: LOT, m.calls[2]: LOT}
    assert positions[m.maker.account] == {m.calls[0]: -LOT, m.calls[2]: -LOT}


def test_legs_of_two_expiries(market_factory):
    m = market_factory()
    venue = m.venue
    later = venue.list(venue.now // 1800 * 1800 + 40 * 1800, [(65_000 * USDC, True)])
    venue.post(venue.round())
    of, prices = legs((m.call, 1), (later << 16, -1)), (700 * USDC, 900 * USDC)
    maker = signed_combo(venue, m.maker, of, LOT, -200 * USDC)
    taker = signed_combo(venue, m.taker, of, -LOT, -200 * USDC)
    _, positions = ledger_after(m, crossed(venue, of, maker, taker, LOT, prices))
    assert positions[m.maker.account] == {m.call: LOT, later << 16: -LOT}
    assert venue.clearing.call("expiry_state", later)[2] == 2


@drawn(40)
@given(
    ratios=st.lists(st.integers(-5, 5).filter(bool), min_size=2, max_size=4),
    prices=st.lists(st.integers(0, 3_000 * USDC), min_size=4, max_size=4),
    units=st.integers(1, 2 * LOT),
    takes=st.booleans(),
    is_buy=st.booleans(),
)
def test_an_execution_costs_what_the_core_says(shared_market, ratios, prices, units, takes, is_buy):
    """To the unit, for each of all accounts, whichever way the combo trades."""
    m, side = shared_market, 1 if is_buy else -1
    ratios[0] = 1
    of = legs(*zip((*m.calls, *m.puts), ratios, strict=False))
    prices = prices[: len(of)]
    with m.venue.aside():
        for player in (m.maker, m.taker):
            m.venue.deposit(player, 10**7 * USDC)
        rested, taken, resting = fees_of(of, units, prices)
        combo = signed_combo(m.venue, m.taker, of, side * units, value(of, prices))
        if takes:
            batch, pays = implied(m.venue, of, combo, [m.maker] * len(of), units, prices), sum(rested)
        else:
            against = signed_combo(m.venue, m.maker, of, -side * units, value(of, prices))
            batch, pays = crossed(m.venue, of, against, combo, units, prices), resting
        cash, positions = ledger_after(m, batch)
        assert cash[m.taker.account] == -side * premium(of, units, prices) - taken
        assert cash[m.maker.account] == side * premium(of, units, prices) - pays
        assert cash[0] == taken + pays >= 0
        assert positions[m.taker.account] == moved(of, side * units)


def test_makers_who_pay_have_the_same_discount(market_factory):
    m = market_factory(maker_rate=2 * 10**14)
    of, prices = butterfly(m), (3_000 * USDC, 1_500 * USDC, 700 * USDC)
    maker = signed_combo(m.venue, m.maker, of, LOT, value(of, prices))
    taker = signed_combo(m.venue, m.taker, of, -LOT, value(of, prices))
    cash, _ = ledger_after(m, crossed(m.venue, of, maker, taker, LOT, prices))
    _, taken, rested = fees_of(of, LOT, prices, FeeSchedule(4 * 10**14, 2 * 10**14, 125 * 10**15))
    assert cash[m.maker.account] == -premium(of, LOT, prices) - rested
    assert (taken, rested) == (72 * USDC, 36 * USDC)  # two of the middle in full, one of each wing at half


# -- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("prices", [(900 * USDC, 500 * USDC), (500 * USDC, 900 * USDC)])
def test_a_limit_holds_for_all_legs_together(m, side, prices):
    """To the last unit: the price of the combo is within it, or one beyond."""
    of = spread(m)
    for beyond in (0, 1):
        limit = value(of, prices) - side * beyond
        combo = signed_combo(m.venue, m.taker, of, side * LOT, limit)
        expected = Revert.PRICE_BEYOND_LIMIT if beyond else "accepted"
        batch = implied(m.venue, of, combo, (m.maker, m.maker), LOT, prices)
        with m.venue.aside():
            assert m.venue.settle_refusal(batch) == expected
        against = signed_combo(m.venue, m.maker, of, -side * LOT, value(of, prices))
        for pair in ((against, combo), (combo, against)):
            with m.venue.aside():
                assert m.venue.settle_refusal(crossed(m.venue, of, *pair, LOT, prices)) == expected


def test_the_orders_of_legs_keep_their_own_limits(m):
    of, prices = spread(m), (900 * USDC, 500 * USDC)
    combo = signed_combo(m.venue, m.taker, of, LOT, 10**12)
    batch = implied(m.venue, of, combo, (m.maker, m.maker), LOT, prices)
    worse = tuple(msgspec.structs.replace(one, price=one.price - 1) for one in batch.trades)
    assert m.venue.settle_refusal(spoiled(batch, trades=worse)) == Revert.PRICE_BEYOND_LIMIT


@pytest.mark.parametrize("short", [0, 1])
def test_a_fee_limit_holds_for_all_legs_together(m, short):
    of, prices, units = butterfly(m), (3_000 * USDC, 1_500 * USDC, 700 * USDC), LOT // 2
    _, taken, _ = fees_of(of, units, prices)
    limit = 2 * taken - 2 * short
    assert (taken <= fee_allowed(limit, units)) == (not short)
    combo = signed_combo(m.venue, m.taker, of, units, 10**12, max_fee=limit)
    batch = implied(m.venue, of, combo, (m.maker,) * 3, units, prices)
    assert m.venue.settle_refusal(batch) == (Revert.FEE_BEYOND_MAX if short else "accepted")


def test_a_combo_that_rests_has_a_fee_limit_too(market_factory):
    m = market_factory(maker_rate=2 * 10**14)
    of, prices = spread(m), (900 * USDC, 500 * USDC)
    _, _, rested = fees_of(of, LOT, prices, FeeSchedule(4 * 10**14, 2 * 10**14, 125 * 10**15))
    taker = signed_combo(m.venue, m.taker, of, -LOT, 400 * USDC)
    for limit, expected in ((rested - 1, Revert.FEE_BEYOND_MAX), (rested, "accepted")):
        maker = signed_combo(m.venue, m.maker, of, LOT, 400 * USDC, max_fee=limit)
        assert m.venue.settle_refusal(crossed(m.venue, of, maker, taker, LOT, prices)) == expected


# -- executions that are none ---------------------------------------------------------------------------------------


def execution(m, units: int = LOT):
    """A combo that takes from its legs, nothing wrong with it."""
    of = butterfly(m)
    combo = signed_combo(m.venue, m.taker, of, 2 * units, 10**12)
    return implied(m.venue, of, combo, (m.maker,) * 3, units, (3_000 * USDC, 1_500 * USDC, 700 * USDC))


def test_the_execution_the_next_tests_spoil_is_good(m):
    m.venue.settle(execution(m))


SPOILT = {
    "a leg is missing at the end": lambda t: t[:2],
    "a leg is missing at the beginning": lambda t: t[1:],
    "a leg is missing between": lambda t: [t[0], t[2]],
    "a leg comes twice": lambda t: [t[0], t[0], t[1], t[2]],
    "legs in another order": lambda t: [t[1], t[0], t[2]],
    "a leg of too little": lambda t: [t[0], less(t[1]), t[2]],
    "a leg of too much": lambda t: [t[0], more(t[1]), t[2]],
    "more units than legs": lambda t: [msgspec.structs.replace(one, units=one.units + 1) for one in t],
    "fewer units than legs": lambda t: [msgspec.structs.replace(one, units=one.units - 1) for one in t],
    "no units": lambda t: [msgspec.structs.replace(one, units=0) for one in t],
    "half of it again": lambda t: [*t, t[0]],
}


def less(trade: Trade) -> Trade:
    return msgspec.structs.replace(trade, quantity=trade.quantity - 1)


def more(trade: Trade) -> Trade:
    return msgspec.structs.replace(trade, quantity=trade.quantity + 1)


@pytest.mark.parametrize("how", SPOILT)
def test_an_execution_is_whole_or_none(m, how):
    batch = execution(m)
    said = m.venue.settle_refusal(spoiled(batch, trades=tuple(SPOILT[how](list(batch.trades)))))
    assert said in {Revert.COMBO_LEGS, Revert.SERIES_MISMATCH}


def test_a_trade_of_a_leg_by_itself_is_no_execution(m):
    batch = execution(m)
    alone = [msgspec.structs.replace(batch.trades[0], units=0)]
    assert m.venue.settle_refusal(spoiled(batch, trades=tuple(alone))) == Revert.COMBO_LEGS


def two_takers(m):
    of, prices = spread(m), (900 * USDC, 500 * USDC)
    first = signed_combo(m.venue, m.taker, of, LOT, 10**12)
    second = signed_combo(m.venue, m.third, of, LOT, 10**12)
    orders = [first, second, m.venue.sign(m.venue.order(m.maker, m.calls[1], -2 * LOT, prices[0]))]
    orders.append(m.venue.sign(m.venue.order(m.maker, m.calls[2], 2 * LOT, prices[1])))
    return orders, prices


def test_two_combos_do_not_share_an_execution(m):
    orders, prices = two_takers(m)
    halves = [Trade(2, 0, LOT, prices[0], INDEX, LOT), Trade(3, 1, LOT, prices[1], INDEX, LOT)]
    assert m.venue.settle_refusal(m.venue.batch(orders, halves)) == Revert.COMBO_LEGS
    whole = [Trade(leg + 2, combo, LOT, prices[leg], INDEX, LOT) for combo in (0, 1) for leg in (0, 1)]
    m.venue.settle(m.venue.batch(orders, whole))


def test_an_execution_is_against_a_combo_or_against_legs(m):
    """Also when the places of the makers are such that they could be taken for each other."""
    of, prices = spread(m), (900 * USDC, 500 * USDC)
    against = signed_combo(m.venue, m.maker, of, -LOT, -(10**12))
    combo = signed_combo(m.venue, m.taker, of, LOT, 10**12)
    first = m.venue.sign(m.venue.order(m.third, m.calls[1], -LOT, prices[0]))
    second = m.venue.sign(m.venue.order(m.third, m.calls[2], LOT, prices[1]))
    for makers in ((0, 3), (2, 0)):
        trades = [Trade(makers[leg], 1, LOT, prices[leg], INDEX, LOT) for leg in (0, 1)]
        batch = m.venue.batch([against, combo, first, second], trades)
        assert batch.orders[0] == against
        assert m.venue.settle_refusal(batch) == Revert.COMBO_LEGS


def test_only_orders_for_the_same_combo_meet(m):
    other = legs((m.calls[1], 1), (m.calls[3], -1))
    maker = signed_combo(m.venue, m.maker, other, -LOT, -(10**12))
    taker = signed_combo(m.venue, m.taker, spread(m), LOT, 10**12)
    batch = crossed(m.venue, spread(m), maker, taker, LOT, (1, 1))
    assert m.venue.settle_refusal(batch) == Revert.SERIES_MISMATCH


def test_an_order_does_not_take_from_a_combo(m):
    """The combo takes from the orders of its legs, whoever came first."""
    maker = signed_combo(m.venue, m.maker, spread(m), -LOT, -(10**12))
    taker = m.venue.sign(m.venue.order(m.taker, m.calls[1], LOT, 10**12))
    batch = m.venue.batch([maker, taker], [Trade(0, 1, LOT, 900 * USDC, INDEX, LOT)])
    assert m.venue.settle_refusal(batch) == Revert.SERIES_MISMATCH


@pytest.mark.parametrize(
    ("maker", "taker", "expected"),
    [
        ({}, {"post_only": True}, Revert.ORDER_POST_ONLY),
        ({"time_in_force": 1}, {}, Revert.ORDER_NOT_RESTING),
        ({"post_only": True}, {"time_in_force": 1}, "accepted"),
        ({"reduce_only": True}, {}, Revert.ORDER_REDUCE_ONLY),
        ({}, {"reduce_only": True}, Revert.ORDER_REDUCE_ONLY),
    ],
)
def test_flags_of_combos(m, maker, taker, expected):
    of, prices = spread(m), (900 * USDC, 500 * USDC)
    rests = signed_combo(m.venue, m.maker, of, -LOT, 400 * USDC, **maker)
    takes = signed_combo(m.venue, m.taker, of, LOT, 400 * USDC, **taker)
    with m.venue.aside():
        assert m.venue.settle_refusal(crossed(m.venue, of, rests, takes, LOT, prices)) == expected
    alone = implied(m.venue, of, takes, (m.maker, m.maker), LOT, prices)
    assert m.venue.settle_refusal(alone) == (expected if taker.keys() - {"time_in_force"} else "accepted")


def test_both_on_one_side(m):
    of = spread(m)
    both = [signed_combo(m.venue, player, of, LOT, 10**12) for player in (m.maker, m.taker)]
    batch = crossed(m.venue, of, *both, LOT, (900 * USDC, 500 * USDC))
    assert m.venue.settle_refusal(batch) == Revert.SIDE_MISMATCH


# -- legs that are none ---------------------------------------------------------------------------------------------


def lane(series: int, ratio: int) -> int:
    return series << 16 | ratio & 0xFFFF


WORDS = {
    "descending": lambda s: lane(s[1], -1) | lane(s[0], 1) << 64,
    "the same twice": lambda s: lane(s[0], 1) | lane(s[0], -1) << 64,
    "no ratio": lambda s: lane(s[0], 1) | lane(s[1], 0) << 64,
    "no series": lambda s: lane(0, 1) | lane(s[1], -1) << 64,
    "a gap": lambda s: lane(s[0], 1) | lane(s[1], -1) << 128,
    "more than a series": lambda s: lane(s[0], 1) | (1 << 48 | lane(s[1], -1)) << 64,
    "nothing": lambda s: 0 * s[0],
}


@pytest.mark.parametrize("how", WORDS)
def test_a_word_that_spells_no_combo_cannot_be_executed(m, how):
    word = WORDS[how](m.calls[1:3])
    maker = signed_combo(m.venue, m.maker, word, -LOT, -(10**12))
    taker = signed_combo(m.venue, m.taker, word, LOT, 10**12)
    lanes = max(1, -(-word.bit_length() // 64))
    trades = [Trade(0, 1, LOT, 900 * USDC, INDEX, LOT)] * lanes
    assert m.venue.settle_refusal(m.venue.batch([maker, taker], trades)) == Revert.COMBO_LEGS


def test_legs_must_be_listed_and_tradable(market_factory):
    m = market_factory()
    unlisted = legs((m.calls[1], 1), (m.calls[1] >> 16 << 16 | 8, -1))
    pair = [signed_combo(m.venue, who, unlisted, side, 0) for who, side in ((m.maker, -LOT), (m.taker, LOT))]
    assert m.venue.settle_refusal(crossed(m.venue, unlisted, *pair, LOT, (1, 1))) == Revert.SERIES_UNKNOWN
    nowhere = legs((m.calls[1], 1), (9 << 16, -1))
    pair = [signed_combo(m.venue, who, nowhere, side, 0) for who, side in ((m.maker, -LOT), (m.taker, LOT))]
    assert m.venue.settle_refusal(crossed(m.venue, nowhere, *pair, LOT, (1, 1))) == Revert.SERIES_EXPIRED
    of = spread(m)
    m.venue.fix_at(m.expiry_id, 60_000 * USDC)
    m.venue.chain.set_time(m.venue.now + WINDOW + 2)
    pair = [signed_combo(m.venue, who, of, side, 0) for who, side in ((m.maker, -LOT), (m.taker, LOT))]
    assert m.venue.settle_refusal(crossed(m.venue, of, *pair, LOT, (1, 1))) == Revert.SERIES_EXPIRED


def test_the_largest_ratios_fit(m):
    """One unit of 1e-4 contract, a ratio at the end of its range either way."""
    of = legs((m.calls[1], 2**15 - 1), (m.calls[2], -(2**15) + 1))
    maker = signed_combo(m.venue, m.maker, pack_any(of), -1, 0, max_fee=10**13)
    taker = signed_combo(m.venue, m.taker, pack_any(of), 1, 0, max_fee=10**13)
    batch = m.venue.batch([maker, taker], between(of, 0, 1, 1, (700 * USDC, 700 * USDC)))
    _, positions = ledger_after(m, batch)
    assert positions[m.taker.account] == moved(of, 1)


def pack_any(of) -> int:
    """The word of legs that need not be reduced."""
    return sum(lane(leg.series, leg.ratio) << 64 * place for place, leg in enumerate(of))
