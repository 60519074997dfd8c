"""Shares of a pool: published conversions, and that nobody who stays loses by those who come and go."""

import random
from fractions import Fraction

import pytest
from core_venue import USDC
from hypothesis import given
from hypothesis import strategies as st

from exchange.core import shares
from exchange.core.shares import (
    DEAD_SHARES,
    FEE,
    FIRST_DEPOSIT_MIN,
    SUPPLY_MAX,
    Entry,
    Nav,
    Option,
    Widths,
    nav_of,
    payout_for,
    price_of,
    serve,
    shares_for,
    width_of,
)
from exchange.core.units import QTY_ONE, WAD, YEAR_SECONDS
from tests import vectors


def test_a_deposit_pays_the_high_value() -> None:
    vector = vectors.named("lp_shares_deposit")
    given_ = {key: int(value) * USDC for key, value in vector["inputs"].items()}
    found = shares_for(given_["deposit"], price_of(given_["supply"], given_["nav_high"], given_["deposit"]))
    assert found == int(vector["expected"]["shares_floor"]) * USDC
    assert found < given_["deposit"] * given_["supply"] // given_["nav_low"]


def test_a_withdrawal_gets_the_low_value_less_the_fee() -> None:
    vector = vectors.named("lp_shares_withdraw")
    nav_low, supply, burned = (int(vector["inputs"][name]) * USDC for name in ("nav_low", "supply", "shares"))
    fee = int(Fraction(vector["inputs"]["fee"]) * WAD)
    assert payout_for(burned, supply, nav_low, fee) == int(Fraction(vector["expected"]["payout_floor"]) * USDC)
    assert fee == FEE


def test_longs_at_the_bid_are_low_and_shorts_at_the_bid_are_high() -> None:
    option = (10 * USDC, USDC)
    assert nav_of(100 * USDC, [Option(2 * QTY_ONE, *option)]) == Nav(118 * USDC, 122 * USDC)
    assert nav_of(100 * USDC, [Option(-2 * QTY_ONE, *option)]) == Nav(78 * USDC, 82 * USDC)
    assert nav_of(0, [Option(QTY_ONE, USDC, 3 * USDC)]) == Nav(0, 4 * USDC)
    assert nav_of(5, [Option(1, 1, 0)]) == Nav(5, 6)
    assert nav_of(5, []) == Nav(5, 5)


def test_a_width_is_a_share_of_the_mark_or_points_of_vol_whichever_is_less() -> None:
    widths = Widths(WAD // 2, WAD // 20)
    month = YEAR_SECONDS // 12
    assert width_of(widths, 100 * USDC, 100_000 * USDC, month) == 50 * USDC
    at_the_money = width_of(widths, 6_854 * USDC, 100_000 * USDC, month)
    assert 577 * USDC < at_the_money < 578 * USDC  # five points of a vega of 115.5 a point
    assert width_of(widths, 1, 1, 0) == 1
    assert width_of(Widths(0, 0), 10**9, 10**9, month) == 0


def test_the_first_deposits_leave_dead_shares_behind() -> None:
    opened = serve(0, Nav(0, 0), FIRST_DEPOSIT_MIN, 0, 0)
    assert opened == (Entry(FIRST_DEPOSIT_MIN - DEAD_SHARES, FIRST_DEPOSIT_MIN), FIRST_DEPOSIT_MIN, 0, 0)
    assert shares_for(FIRST_DEPOSIT_MIN, opened.price) == FIRST_DEPOSIT_MIN - DEAD_SHARES
    assert serve(0, Nav(0, 0), FIRST_DEPOSIT_MIN - 1, 0, 0) == serve(0, Nav(0, 0), SUPPLY_MAX, 0, 0)
    assert shares_for(10**9, serve(0, Nav(0, 0), FIRST_DEPOSIT_MIN - 1, 0, 0).price) == 0


def test_a_gift_to_a_small_pool_does_not_rob_the_next_deposit() -> None:
    """Whoever blows the price of a share up gives nearly all of it to the dead, and the next loses less than a share."""
    supply = FIRST_DEPOSIT_MIN
    left = serve(supply, Nav(supply, supply), 0, supply - DEAD_SHARES - 1, supply)
    supply, value = supply - left.burned, supply - left.paid + 10**6 * USDC
    victim = serve(supply, Nav(value, value), 10**6 * USDC, 0, 0)
    after, total = supply + victim.born, value + 10**6 * USDC
    assert 10**6 * USDC - payout_for(victim.born, after, total, 0) <= value // supply + 1
    assert payout_for(1, after, total, 0) < value // 900


def test_a_pool_that_is_worth_nothing_takes_and_gives_nothing() -> None:
    assert serve(1_000_000, Nav(-5, 0), USDC, 500, 10**9) == (Entry(), 0, 0, 0)


def test_withdrawals_share_what_is_free_and_the_rest_waits() -> None:
    supply, value = 1_000_000, 1_000_000
    served = serve(supply, Nav(value, value), 0, 300_000, 149_550)
    assert (served.burned, served.paid) == (150_000, 149_550)
    fed = serve(supply, Nav(value, value), 500_000, 300_000, 0)
    assert fed.burned == 300_000
    assert serve(supply, Nav(value, value), 0, 300_000, 0).burned == 0


def test_what_would_make_more_shares_than_there_may_be_is_sent_back() -> None:
    assert serve(SUPPLY_MAX - 10, Nav(1, 1), 10, 0, 0).price == Entry()
    assert serve(SUPPLY_MAX - 100, Nav(SUPPLY_MAX, SUPPLY_MAX), 50, 0, 0).born == 49


def history(seed: int) -> None:
    """A pool through many epochs; its values move between them, and never by what is asked of it."""
    dice = random.Random(seed)
    supply, cash, waiting, held = 0, 0, 0, dict.fromkeys(range(4), 0)
    for _ in range(30):
        spread = dice.randint(0, max(cash, 0) // 20 + 1)
        nav = Nav(cash - spread, cash + spread) if supply else Nav(0, 0)
        deposits = [dice.choice((0, 1, dice.randint(1, 10**10))) for _ in held]
        for owner in held:
            if dice.random() < 0.4:
                wish = dice.randint(0, held[owner])
                held[owner], waiting = held[owner] - wish, waiting + wish
        served = serve(supply, nav, sum(deposits), waiting, dice.choice((0, max(cash, 0) // 10, max(cash, 0))))
        entered = sum(deposits) if served.price.cash else 0
        now, moved = supply + served.born - served.burned, entered - served.paid
        if supply:
            for value in nav:  # no share of those who stay is worth less at either value
                assert (value + moved) * supply >= value * now or value < 0
        assert 0 <= served.burned <= waiting
        bought = [shares_for(amount, served.price) for amount in deposits]
        assert sum(bought) + (DEAD_SHARES if not supply and now else 0) <= served.born
        for owner, shares_ in enumerate(bought):
            held[owner] += shares_
        supply, cash, waiting = now, cash + moved, waiting - served.burned
        assert sum(held.values()) + waiting <= supply  # SHARES_ARE_COVERED
        if supply:
            cash = max(cash * dice.randint(60, 140) // 100, 0)


@pytest.mark.counts(short=600, soak=20_000)
def test_those_who_stay_never_lose_by_those_who_come_and_go(count: int) -> None:
    for seed in range(count):
        history(seed)


@given(st.integers(1, 10**13), st.integers(1, 10**13), st.integers(0, 10**13), st.integers(1, 10**12))
def test_in_and_out_again_never_gains(supply: int, low: int, spread: int, amount: int) -> None:
    """At once, at the same values: what comes back is less than what went in."""
    born = serve(supply, Nav(low, low + spread), amount, 0, 0).born
    if born:
        again = Nav(low + amount, low + spread + amount)
        assert serve(supply + born, again, 0, born, amount).paid <= amount


MISTAKES = {
    "deposits pay the low value": (
        "price_of",
        lambda old: lambda supply, high, amount: old(supply, max(high * 9 // 10, 1), amount),
    ),
    "withdrawals get more than the low value": ("payout_for", lambda old: lambda *given_: old(*given_) * 102 // 100),
    "a share is rounded up": ("shares_for", lambda old: lambda *given_: old(*given_) + 1),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_in_shares_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    attribute, change = MISTAKES[name]
    monkeypatch.setattr(shares, attribute, change(getattr(shares, attribute)))
    with pytest.raises(AssertionError):
        test_those_who_stay_never_lose_by_those_who_come_and_go(100)
