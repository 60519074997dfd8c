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
    Deposit,
    Nav,
    Option,
    Withdrawal,
    nav_of,
    payout_for,
    serve,
    shares_for,
)
from exchange.core.units import QTY_ONE, WAD
from tests import vectors


def test_a_deposit_pays_the_high_value() -> None:
    vector = vectors.named("lp_shares_deposit")
    given_ = {key: int(value) * USDC for key, value in vector["inputs"].items()}
    found = shares_for(given_["deposit"], given_["supply"], given_["nav_high"])
    assert found == int(vector["expected"]["shares_floor"]) * USDC
    assert found < given_["deposit"] * given_["supply"] // given_["nav_low"]


def test_a_withdrawal_gets_the_low_value_less_the_fee() -> None:
    vector = vectors.named("lp_shares_withdraw")
    nav_low, supply, burned = (int(vector["inputs"][name]) * USDC for name in ("nav_low", "supply", "shares"))
    fee = int(Fraction(vector["inputs"]["fee"]) * WAD)
    assert payout_for(burned, supply, nav_low, fee) == int(Fraction(vector["expected"]["payout_floor"]) * USDC)
    assert fee == FEE


def test_longs_at_the_bid_are_low_and_shorts_at_the_bid_are_high() -> None:
    option = (10 * WAD, WAD)
    assert nav_of(100 * USDC, [Option(2 * QTY_ONE, *option)]) == Nav(118 * USDC, 122 * USDC)
    assert nav_of(100 * USDC, [Option(-2 * QTY_ONE, *option)]) == Nav(78 * USDC, 82 * USDC)
    assert nav_of(0, [Option(QTY_ONE, WAD, 3 * WAD)]) == Nav(0, 4 * USDC)
    assert nav_of(5, [Option(1, 1, 0)]) == Nav(5, 6)
    assert nav_of(5, []) == Nav(5, 5)


def test_the_first_deposit_leaves_dead_shares_behind() -> None:
    opened = serve(0, Nav(0, 0), (Deposit(1, 999), Deposit(2, FIRST_DEPOSIT_MIN), Deposit(3, 5)), (), 0)
    assert opened.minted == (0, FIRST_DEPOSIT_MIN - DEAD_SHARES, 5)
    assert opened.supply == FIRST_DEPOSIT_MIN + 5
    assert opened.cash == FIRST_DEPOSIT_MIN + 5


def test_a_gift_to_a_small_pool_does_not_rob_the_next_deposit() -> None:
    """Whoever blows the price of a share up gives nearly all of it to the dead, and the next loses less than a share."""
    first = serve(0, Nav(0, 0), (Deposit(1, FIRST_DEPOSIT_MIN),), (), 0)
    left = serve(first.supply, Nav(first.cash, first.cash), (), (Withdrawal(1, first.minted[0] - 1),), first.cash)
    value = first.cash + left.cash + 10**6 * USDC
    victim = serve(left.supply, Nav(value, value), (Deposit(2, 10**6 * USDC),), (), 0)
    worth = payout_for(victim.minted[0], victim.supply, value + victim.cash, 0)
    assert 10**6 * USDC - worth <= value // left.supply + 1
    assert payout_for(1, victim.supply, value + victim.cash, 0) < value // 900


def test_a_pool_that_is_worth_nothing_takes_and_gives_nothing() -> None:
    served = serve(1_000_000, Nav(-5, 0), (Deposit(1, USDC),), (Withdrawal(2, 500),), 10**9)
    assert (served.minted, served.paid, served.waiting, served.cash) == ((0,), ((0, 0),), (Withdrawal(2, 500),), 0)


def test_withdrawals_share_what_is_free_and_the_rest_waits() -> None:
    supply, value = 1_000_000, 1_000_000
    wishes = (Withdrawal(1, 200_000), Withdrawal(2, 100_000))
    served = serve(supply, Nav(value, value), (), wishes, 149_550)
    (burned, got), (other, less) = served.paid
    assert got + less <= 149_550
    assert (burned, other) == (100_000, 50_000)
    assert served.waiting == (Withdrawal(1, 100_000), Withdrawal(2, 50_000))
    assert served.supply == supply - 150_000
    fed = serve(supply, Nav(value, value), (Deposit(3, 500_000),), wishes, 0)
    assert fed.waiting == ()


def test_the_order_of_requests_gives_nobody_a_better_price() -> None:
    nav, deposits = Nav(900_000_000, 950_000_000), tuple(Deposit(n, 10_000_007 * n) for n in range(1, 6))
    wishes = tuple(Withdrawal(n, 3_000_003 * n) for n in range(1, 6))
    one, two = serve(10**9, nav, deposits, wishes, 10**8), serve(10**9, nav, deposits[::-1], wishes[::-1], 10**8)
    assert one.minted == two.minted[::-1]
    assert one.paid == two.paid[::-1]


def history(seed: int) -> None:
    """A pool through many epochs; its values move between them, and never by what is asked of it."""
    dice = random.Random(seed)
    supply, cash, held = 0, 0, dict.fromkeys(range(4), 0)
    for _ in range(30):
        spread = dice.randint(0, max(cash, 0) // 20 + 1)
        nav = Nav(cash - spread, cash + spread) if supply else Nav(0, 0)
        deposits = tuple(
            Deposit(owner, dice.choice((0, 1, dice.randint(1, 10**10)))) for owner in range(dice.randint(0, 3))
        )
        wishes = tuple(Withdrawal(owner, dice.randint(0, held[owner])) for owner in held if dice.random() < 0.4)
        served = serve(supply, nav, deposits, wishes, dice.choice((0, cash // 10, cash)))
        if supply:
            for value in nav:  # no share of those who stay is worth less at either value
                assert (value + served.cash) * supply >= value * served.supply or value < 0
        kept = sum(wish.shares for wish in served.waiting)
        assert kept + sum(burned for burned, _ in served.paid) == sum(wish.shares for wish in wishes)
        assert served.supply - supply == sum(served.minted) - sum(burned for burned, _ in served.paid) + (
            DEAD_SHARES if not supply and served.supply else 0
        )
        for deposit, minted in zip(deposits, served.minted, strict=True):
            held[deposit.owner] += minted
        for wish, (burned, _) in zip(wishes, served.paid, strict=True):
            held[wish.owner] -= burned
        supply, cash = served.supply, cash + served.cash
        assert supply == sum(held.values()) + (DEAD_SHARES if supply else 0)
        if supply:
            cash = max(cash * dice.randint(60, 140) // 100, 0)


@pytest.mark.counts(short=600, soak=20_000)
def test_those_who_stay_never_lose_by_those_who_come_and_go(count: int) -> None:
    for seed in range(count):
        history(seed)


@given(st.integers(1, 10**13), st.integers(1, 10**13), st.integers(0, 10**13), st.integers(1, 10**12))
def test_in_and_out_again_never_gains(supply: int, low: int, spread: int, amount: int) -> None:
    """At once, at the same values: what comes back is less than what went in."""
    nav = Nav(low, low + spread)
    born = serve(supply, nav, (Deposit(1, amount),), (), 0)
    if born.minted[0]:
        again = Nav(low + amount, low + spread + amount)
        back = serve(born.supply, again, (), (Withdrawal(1, born.minted[0]),), amount)
        assert -back.cash <= amount


MISTAKES = {
    "deposits pay the low value": (
        "shares_for",
        lambda old: lambda amount, supply, high: old(amount, supply, max(high * 9 // 10, 1)),
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
