"""The pool on chain: who comes and goes and at which value, what its key may sign, and how it ends without an engine."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from contract_drawing import PATIENCE, SOAK, drawn
from contract_maths import compiled
from contract_pools import (
    BOND,
    CAP,
    EPOCH,
    FALL,
    NOTHING,
    QUOTE,
    TERMS,
    Pooled,
    evidence,
    found,
    fund,
    sheet_of,
    shown,
)
from contract_venue import ETHER, GENESIS, LOT, OPERATOR_TIMEOUT, USDC, WAD, WINDOW, address, key
from hypothesis import given
from hypothesis import strategies as st
from test_quote_mandates import leaf

from exchange.calldata import Trade
from exchange.core import shares as law
from exchange.core.shares import DEAD_SHARES, FEE, Nav, Option, Widths, nav_of, payout_for, width_of
from exchange.core.units import U64_MAX
from exchange.reverts import Revert
from exchange.shell.chain import Reverted
from exchange.shell.contract import artifact, deploy_local
from exchange.shell.devchain import DevChain

pytestmark = PATIENCE


@pytest.fixture(scope="module")
def probe():
    chain = DevChain(genesis_time_s=GENESIS, allocation={address("operator"): 10**6 * ETHER})
    return deploy_local(chain, key("operator"), compiled("PoolProbe"))


@pytest.fixture(scope="module")
def founded(shared_market) -> Pooled:
    return found(shared_market.venue)


@pytest.fixture
def pool(founded):
    """The shared market with a pool of a million, taken back afterwards."""
    with founded.venue.aside():
        founded.come("anne", 600_000 * USDC)
        founded.come("bob", 400_000 * USDC)
        founded.serve()
        for who in ("anne", "bob"):
            founded.send("keeper", "claim", address(who))
        founded.send("keeper", "invest", 1_000_000 * USDC)
        yield founded


# -- the same in both layers ------------------------------------------------------------------------------------------

_wads = st.integers(0, WAD)
_prices = st.integers(0, U64_MAX)
_sums = st.integers(-(2**90), 2**95)


@drawn(60)
@given(_prices, _prices, st.integers(0, 10**9), _wads, _wads)
def test_widths_agree(probe, mark, forward, left, share, points):
    assert probe.call("width", mark, forward, left, share, points) == width_of(
        Widths(share, points), mark, forward, left
    )


@drawn(40)
@given(
    st.integers(-(2**100), 2**100),
    st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), _prices, _prices), max_size=8),
)
def test_values_agree(probe, cash, options):
    assert tuple(probe.call("nav", cash, [list(option) for option in options])) == nav_of(
        cash, [Option(*option) for option in options]
    )


@drawn(80)
@given(
    st.integers(0, 2**96 - 1) | st.integers(0, 10**12),
    _sums,
    st.integers(0, 2**94),
    st.integers(0, 2**90) | st.integers(0, 10**12),
    st.fractions(0, 1),
    st.integers(0, 2**90) | st.integers(0, 10**12),
    st.integers(0, WAD // 20),
)
def test_epochs_agree(probe, supply, low, spread, entering, part, idle, fee):
    high, leaving = min(low + spread, 2**96 - 1), int(supply * part)
    numerator, denominator, *rest = probe.call("serve", supply, low, high, entering, leaving, idle, fee)
    served = law.serve(supply, Nav(low, high), entering, leaving, idle, fee)
    assert (numerator, denominator) == served.price
    assert tuple(rest) == served[1:]


# -- coming and going -------------------------------------------------------------------------------------------------


def test_those_who_come_first_share_and_leave_the_dead_behind(pool):
    assert pool.pool.call("supply") == 1_000_000 * USDC
    whole = pool.shares("anne") + pool.shares("bob")
    assert whole == 1_000_000 * USDC - DEAD_SHARES
    assert pool.venue.cash(pool.account) == 1_000_000 * USDC
    assert pool.tokens(pool.pool.address) == BOND


def trade(pool: Pooled, market) -> None:
    """The pool sells calls and buys puts, at the mark."""
    round_ = pool.fresh()
    marks = round_.sheets[0].marks
    pool.sell(round_, market.taker, market.call, 20 * LOT, marks[4])
    pool.sell(round_, market.taker, market.puts[0], -5 * LOT, marks[1])
    nav = pool.nav(round_)
    assert nav == pool.expected(round_)
    rebates = 25 * 60_000 * USDC // 10_000
    assert nav.low < 1_000_000 * USDC + rebates < nav.high


def test_who_comes_pays_the_high_value_and_who_leaves_is_paid_the_low_one_as_cash_comes_free(pool, shared_market):
    trade(pool, shared_market)
    pool.come("carl", 100_000 * USDC)
    anne, supply = pool.shares("anne"), pool.pool.call("supply")
    pool.send("anne", "request_withdrawal", anne)
    pool.wait()
    round_ = pool.fresh()
    nav = pool.nav(round_)
    pool.send("keeper", "serve", *shown(round_))
    pool.send("keeper", "claim", address("carl"))
    assert pool.shares("carl") == 100_000 * USDC * supply // nav.high
    # All that came pays some of what is due; the rest waits, and is gathered.
    pool.send("keeper", "claim", address("anne"))
    assert 0 < law.serve(supply, nav, 100_000 * USDC, anne, 0).paid == pool.tokens("anne")
    pool.send("keeper", "gather")
    pool.wait(WINDOW)
    pool.venue.send("keeper", pool.venue.clearing, "finalise_withdrawal", pool.account, *shown(pool.fresh()))
    pool.wait()
    pool.send("keeper", "serve", *shown(pool.fresh()))
    pool.send("keeper", "claim", address("anne"))
    assert pool.pool.call("leaves", address("anne")) == (0, 0, 0)
    assert payout_for(anne, supply, nav.low) < pool.tokens("anne") < anne * nav.high // supply


def test_a_deposit_may_be_taken_back_until_it_is_served(pool):
    pool.come("carl", 500 * USDC)
    assert pool.refused("dora", "cancel_deposit") == Revert.NOTHING_OWED
    pool.send("carl", "cancel_deposit")
    assert pool.tokens("carl") == 500 * USDC
    pool.serve()
    pool.send("carl", "claim", address("carl"))
    assert (pool.tokens("carl"), pool.shares("carl")) == (500 * USDC, 0)


def test_who_would_fill_the_pool_beyond_its_cap_is_sent_back(pool):
    pool.come("carl", CAP - 1_000_000 * USDC + 1)
    pool.serve()
    pool.send("keeper", "claim", address("carl"))
    assert (pool.shares("carl"), pool.tokens("carl")) == (0, CAP - 1_000_000 * USDC + 1)
    fund(pool.venue, "carl", pool.pool, CAP + 1)
    assert pool.refused("carl", "request_deposit", CAP + 1) == Revert.POOL_CAP


def test_what_is_asked_for_twice_leaves_once(pool):
    anne = pool.shares("anne")
    pool.send("anne", "request_withdrawal", anne // 2)
    pool.send("anne", "request_withdrawal", anne - anne // 2)
    assert pool.refused("anne", "request_withdrawal", 1) == Revert.AMOUNT_RANGE
    pool.serve()  # nothing is idle: nothing is paid
    assert pool.pool.call("buckets", pool.pool.call("bucket")) == (anne, 0, 0)
    assert pool.refused("bob", "invest", 1) == Revert.AMOUNT_RANGE
    pool.send("keeper", "gather")
    assert pool.refused("keeper", "cancel_gather") == Revert.ONLY_MANAGER
    assert pool.refused("keeper", "gather") == Revert.WITHDRAWAL_PENDING
    pool.send("manager", "cancel_gather")
    pool.send("keeper", "gather")
    pool.wait(WINDOW)
    pool.venue.send("keeper", pool.venue.clearing, "finalise_withdrawal", pool.account, *NOTHING)
    pool.serve()
    pool.send("anne", "claim", address("anne"))
    assert pool.tokens("anne") == payout_for(anne, 1_000_000 * USDC, 1_000_000 * USDC, FEE)
    pool.send("anne", "claim", address("anne"))
    assert pool.tokens("anne") == payout_for(anne, 1_000_000 * USDC, 1_000_000 * USDC, FEE)


def test_an_epoch_waits_for_its_time_and_for_prices_that_are_sure(pool, shared_market):
    round_ = pool.fresh()
    pool.sell(round_, shared_market.taker, shared_market.call, LOT, round_.sheets[0].marks[4])
    assert pool.refused("keeper", "serve", *shown(round_)) == Revert.EPOCH_EARLY
    pool.wait()
    assert pool.refused("keeper", "serve", *shown(round_)) == Revert.ROUND_STALE
    assert pool.refused("keeper", "serve", *NOTHING) == Revert.SHEET_MISSING
    assert pool.refused("keeper", "serve", *shown(pool.fresh(conf=54 * WAD // 100))) == Revert.ROUND_UNSURE
    pool.send("keeper", "serve", *shown(pool.fresh(conf=55 * WAD // 100)))


def test_only_the_manager_names_who_quotes_and_only_with_a_bond(pool):
    venue = pool.venue
    for name, args in (("post_bond", (1,)), ("set_key", (address("x"), 2**63)), ("drop_key", ()), ("close", ())):
        assert pool.refused("anne", name, *args) == Revert.ONLY_MANAGER
    pool.send("manager", "set_key", address("other"), venue.now + 3600)
    assert venue.clearing.call("key_state", pool.account, address("quoter"))[2] == venue.now + WINDOW
    venue.send("other", venue.clearing, "revoke_key", pool.account, address("other"))
    pool.send("manager", "drop_key")
    assert pool.refused("manager", "drop_key") == Revert.KEY_UNKNOWN
    poor = deploy_local(
        venue.chain,
        key("operator"),
        artifact("Pool"),
        *(venue.clearing.address, venue.vault.address, venue.oracle.address, address("manager"), TERMS),
    )
    assert venue.refusal("manager", poor, "set_key", address("quoter"), 2**40) == Revert.POOL_BOND
    assert venue.refusal("anne", poor, "request_deposit", 1) == Revert.POOL_BOND


@pytest.mark.parametrize("place", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
def test_terms_are_bounded(pool, place):
    venue, beyond = pool.venue, [59, 3_601, WAD, 2 * WAD, 2 * WAD, 2 * WAD, 2 * WAD, 0, 2 * WAD, 2**90, 2**90]
    terms = (*TERMS[:place], beyond[place], *TERMS[place + 1 :])
    parts = (venue.clearing.address, venue.vault.address, venue.oracle.address, address("manager"), terms)
    with pytest.raises(Reverted, match=Revert.PARAMETER_RANGE):
        deploy_local(venue.chain, key("operator"), artifact("Pool"), *parts)


def test_the_key_can_quote_and_nothing_else(pool, shared_market):
    venue, series = pool.venue, shared_market.call
    pool.fresh()
    mine = venue.order(venue.open("quoter"), series, LOT, 700 * USDC)
    order = venue.order(shared_market.taker, series, -LOT, 700 * USDC)
    stolen = type(mine)(**{name: getattr(mine, name) for name in mine.__struct_fields__} | {"account": pool.account})
    entries = [venue.sign(stolen, "quoter"), venue.sign(order)]
    batch = venue.batch(entries, [Trade(0, 1, LOT, 700 * USDC, 60_000 * USDC)])
    assert venue.settle_refusal(batch) == Revert.KEY_SCOPE
    for name, args in (("request_withdrawal", (pool.account, 1)), ("request_exit", (pool.account,))):
        assert venue.refusal("quoter", venue.clearing, name, *args) == Revert.ONLY_OWNER


# -- what the key may sign --------------------------------------------------------------------------------------------


def edges(pool: Pooled, round_, series: int) -> tuple[int, int]:
    """Lowest ask and highest bid that the terms allow."""
    sheet = next(sheet for sheet in round_.sheets if sheet.expiry_id == series >> 16)
    mark = sheet.marks[series & 0xFFFF]
    width = width_of(QUOTE, mark, sheet.forward, pool.venue.expiries[series >> 16] - round_.time)
    return mark - width, mark + width


@pytest.mark.parametrize("of_bids", [False, True])
def test_a_quote_beyond_the_terms_ends_the_pool_at_the_managers_expense(pool, shared_market, of_bids):
    round_, series = pool.fresh(), shared_market.call
    least, most = edges(pool, round_, series)
    price, side = (most, 1) if of_bids else (least, -1)
    other = leaf(shared_market.calls[0], -LOT, price=9_000 * USDC)
    good = pool.quoted(round_, other, leaf(series, side * LOT, delta=-5_000, price=price), other)
    bad = pool.quoted(round_, other, leaf(series, side * LOT, delta=-5_000, price=price + side), other)
    court = sheet_of(round_, series)
    for place in range(3):
        assert pool.refused("anne", "prove", evidence(good, place), *court) == Revert.QUOTE_WITHIN
    assert pool.refused("anne", "prove", evidence(bad, 0), *court) == Revert.QUOTE_WITHIN
    before = pool.tokens("anne")
    pool.wait(3 * 3_600)  # long after it has lapsed
    pool.send("anne", "prove", evidence(bad, 1), *court)
    assert pool.tokens("anne") - before == BOND // 10
    assert pool.pool.call("idle") == BOND - BOND // 10
    assert pool.pool.call("bond") == 0
    assert pool.refused("anne", "prove", evidence(bad, 1), *court) == Revert.POOL_CLOSED
    assert pool.refused("carl", "request_deposit", 1) == Revert.POOL_CLOSED
    assert pool.refused("manager", "set_key", address("x"), 2**40) == Revert.POOL_CLOSED
    pool.wait(8 * 86_400)
    assert pool.refused("manager", "release_bond") == Revert.NOTHING_OWED


def test_a_quote_is_held_against_its_own_round_and_key_only(pool, shared_market):
    round_, series = pool.fresh(), shared_market.call
    least, _ = edges(pool, round_, series)
    cheap = leaf(series, -LOT, price=least - 1)
    court = sheet_of(round_, series)
    forged = pool.quoted(round_, cheap, by="anne")
    assert pool.refused("anne", "prove", evidence(forged, 0), *court) == Revert.QUOTE_SIGNATURE
    own = pool.quoted(round_, cheap)
    stranger = list(evidence(own, 0))
    stranger[0] ^= 1 << 224
    assert pool.refused("anne", "prove", tuple(stranger), *court) == Revert.ACCOUNT_UNKNOWN
    later = pool.fresh(spot=70_000 * USDC)
    assert pool.refused("anne", "prove", evidence(own, 0), *sheet_of(later, series)) == Revert.QUOTE_ROUND
    number, hashes, sheet, at = court
    assert pool.refused("anne", "prove", evidence(own, 0), number, hashes[::-1], sheet, at) == Revert.SHEET_ROOT
    assert pool.refused("anne", "prove", evidence(own, 0), number, hashes, sheet[::-1], at) == Revert.SHEET_UNKNOWN
    elsewhere = pool.quoted(round_, leaf(2 << 16, -LOT, price=1))
    assert pool.refused("anne", "prove", evidence(elsewhere, 0), *court) == Revert.SHEET_MISSING


# -- the end ----------------------------------------------------------------------------------------------------------


def test_a_fall_lets_anybody_end_the_pool(pool, shared_market):
    round_ = pool.fresh()
    for _ in range(4):
        pool.sell(round_, shared_market.taker, shared_market.call, 20 * LOT, round_.sheets[0].marks[4])
    pool.wait()
    pool.send("keeper", "serve", *shown(pool.fresh()))
    value = pool.nav(pool.fresh())
    assert pool.refused("anne", "trip", *shown(pool.fresh(spot=63_000 * USDC))) == Revert.POOL_SOUND
    for spot in range(60_000, 70_000, 250):
        round_ = pool.fresh(spot=spot * USDC)
        fallen = pool.nav(round_).high * WAD < value.low * (WAD - FALL)
        if fallen:
            break
        assert pool.refused("anne", "trip", *shown(round_)) == Revert.POOL_SOUND
    assert fallen
    pool.send("anne", "trip", *shown(round_))
    assert pool.pool.call("closed_at") == pool.venue.now


def test_the_engine_is_gone_and_everybody_leaves_at_what_the_expiry_pays(pool, shared_market):
    venue, round_ = pool.venue, pool.fresh()
    pool.sell(round_, shared_market.taker, shared_market.call, 20 * LOT, round_.sheets[0].marks[4])
    pool.come("carl", 5_000 * USDC)
    assert pool.refused("anne", "abandon") == Revert.OPERATOR_EARLY
    pool.wait(OPERATOR_TIMEOUT + 1)
    pool.send("anne", "abandon")
    anne, bob = pool.shares("anne"), pool.shares("bob")
    pool.send("anne", "request_withdrawal", anne)
    # What margin leaves free comes at once, the rest when the options are over.
    venue.send("keeper", venue.clearing, "finalise_exit", pool.account, *shown(pool.fresh()))
    pool.send("keeper", "serve", *shown(pool.fresh()))
    venue.fix_at(shared_market.expiry_id, 67_000 * USDC)
    pool.wait(WINDOW + 2)
    venue.send("keeper", venue.clearing, "settle_expiry", shared_market.expiry_id, [pool.account])
    venue.send("keeper", venue.clearing, "finalise_exit", pool.account, *NOTHING)
    pool.send("bob", "request_withdrawal", bob)
    for _ in range(3):  # flat and over: no waiting, no prices
        pool.send("keeper", "serve", *NOTHING)
    for who in ("anne", "bob", "carl"):
        pool.send("keeper", "claim", address(who))
    assert pool.tokens("carl") == 5_000 * USDC
    assert venue.cash(pool.account) == 0
    assert pool.pool.call("supply") == DEAD_SHARES
    left = pool.tokens(pool.pool.address) - BOND
    assert 0 <= left <= DEAD_SHARES
    pool.wait(8 * 86_400)
    pool.send("keeper", "release_bond")
    assert pool.tokens("manager") == BOND


def test_the_bond_stays_a_while(pool):
    assert pool.refused("keeper", "release_bond") == Revert.BOND_EARLY
    pool.send("manager", "close")
    assert pool.refused("keeper", "release_bond") == Revert.BOND_EARLY
    assert pool.refused("manager", "close") == Revert.POOL_CLOSED


# -- any history ------------------------------------------------------------------------------------------------------


def laws(pool: Pooled, names: list[str]) -> None:
    """SHARES_ARE_COVERED and TOKENS_ARE_OWED_ONCE."""
    supply, waiting = pool.pool.call("supply"), 0
    for number in range(1, pool.pool.call("bucket") + 2):
        amount, burned, _paid = pool.pool.call("buckets", number)
        waiting += amount - burned
    unclaimed = 0
    for who in names:
        epoch, amount = pool.pool.call("entries", address(who))
        numerator, denominator = pool.pool.call("prices", epoch)
        unclaimed += amount * numerator // denominator if denominator and epoch <= pool.pool.call("epoch") else 0
    held = sum(pool.shares(who) for who in names)
    assert held + waiting + unclaimed + (DEAD_SHARES if supply else 0) <= supply
    assert pool.tokens(pool.pool.address) >= pool.pool.call("owed") + pool.pool.call("bond")


def do_something(pool: Pooled, market, dice: random.Random, who: str) -> None:
    act = dice.randrange(6)
    if act == 0:
        pool.come(who, dice.randint(1, 10**5) * USDC + dice.randint(0, 999))
    elif act == 1:
        pool.send(who, "request_withdrawal", dice.randint(1, pool.shares(who) or 1))
    elif act == 2:
        pool.send(who, dice.choice(("cancel_deposit", "gather")))
    elif act == 3:
        pool.send(who, "invest", dice.randint(1, pool.pool.call("idle") or 1))
    elif act == 4:
        pool.wait(WINDOW)
        round_ = shown(pool.fresh())
        pool.venue.send("keeper", pool.venue.clearing, "finalise_withdrawal", pool.account, *round_)
    elif pool.venue.cash(pool.account) > 20_000 * USDC:
        round_ = pool.fresh()
        pool.sell(round_, market.taker, market.call, dice.choice((LOT, -LOT)), round_.sheets[0].marks[4])


@pytest.mark.parametrize("seed", range(200 if SOAK else 2))
def test_any_coming_and_going_keeps_the_laws(founded, shared_market, seed):
    dice, names = random.Random(f"pool {seed}"), ["anne", "bob", "carl"]
    with founded.venue.aside():
        pool = founded
        pool.come("anne", 50_000 * USDC)
        for _ in range(14):
            with suppress(Reverted):  # much of it may not be done just now
                do_something(pool, shared_market, dice, dice.choice(names))
            laws(pool, names)
            if dice.random() < 0.5:
                serve_and_compare(pool, dice)
                laws(pool, names)
            pool.send("keeper", "claim", address(dice.choice(names)))
            laws(pool, names)


def serve_and_compare(pool: Pooled, dice: random.Random) -> None:
    """NOBODY_STAYS_TO_LOSE: an epoch leaves each share what it was worth, at either value."""
    if pool.venue.now > pool.venue.expiries[1] - EPOCH - 600:
        return
    pool.wait()
    round_ = pool.fresh(spot=dice.randint(55_000, 66_000) * USDC)
    before, supply = pool.nav(round_), pool.pool.call("supply")
    pool.send("keeper", "serve", *shown(round_))
    after, now = pool.nav(round_), pool.pool.call("supply")
    if supply and now:
        for was, value in zip(before, after, strict=True):
            assert value * supply >= was * now
