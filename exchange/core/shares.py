"""Shares of a pool: what a deposit buys and what a withdrawal brings, so that those who stay never lose by either.

Owns the two values of a pool (deposits pay the higher, withdrawals get the lower), the conversion of cash to shares
and back, and an epoch: requests wait, and all of one epoch are served at one price. Cash is in 1e-6 USDC; a share is
born worth one unit. Source: reference quant 6.3. Imports units.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple, TypeAlias

from exchange.core.units import QTY_ONE, USDC_ONE, WAD, Cash, Qty, Wad, div_down, div_up, mul_div_down

Shares: TypeAlias = int

DEAD_SHARES: Final = 1_000  # of the first deposit, owned by nobody for ever: the price of a share cannot be blown up
FIRST_DEPOSIT_MIN: Final[Cash] = 1_000 * USDC_ONE
FEE: Final[Wad] = 3 * WAD // 1_000  # of a withdrawal, stays in the pool
EPOCH_S: Final = 86_400

_USD_PER_CASH: Final = WAD // USDC_ONE


class Option(NamedTuple):
    """A position of the pool with its mid and half spread at the mean vol of the last hour, both in 1e-18 USDC."""

    qty: Qty
    mid: int
    half_spread: int


class Nav(NamedTuple):
    """What a pool is worth to who leaves, and to who comes."""

    low: Cash
    high: Cash


def nav_of(cash: Cash, options: Iterable[Option]) -> Nav:
    """Low: longs at the bid, shorts at the ask, rounded down. High: the other way round, rounded up. No bid below 0."""
    low = high = cash * _USD_PER_CASH * QTY_ONE
    for option in options:
        bid, ask = max(option.mid - option.half_spread, 0), option.mid + option.half_spread
        low += option.qty * (bid if option.qty > 0 else ask)
        high += option.qty * (ask if option.qty > 0 else bid)
    return Nav(div_down(low, _USD_PER_CASH * QTY_ONE), div_up(high, _USD_PER_CASH * QTY_ONE))


def shares_for(amount: Cash, supply: Shares, nav_high: Cash) -> Shares:
    """Shares a deposit buys, rounded down; none where a pool with shares is worth nothing.

    The first deposit buys one share for each unit, and leaves the dead ones behind.
    """
    if not supply:
        return amount - DEAD_SHARES if amount >= FIRST_DEPOSIT_MIN else 0
    return mul_div_down(amount, supply, nav_high) if nav_high > 0 else 0


def payout_for(shares: Shares, supply: Shares, nav_low: Cash, fee: Wad = FEE) -> Cash:
    """Cash that shares bring, after the fee; rounded down once."""
    return div_down(shares * max(nav_low, 0) * (WAD - fee), supply * WAD)


# -- epochs -----------------------------------------------------------------------------------------------------------


class Deposit(NamedTuple):
    """Cash that waits to become shares."""

    owner: int
    amount: Cash


class Withdrawal(NamedTuple):
    """Shares that wait to become cash; locked until they do."""

    owner: int
    shares: Shares


class Epoch(NamedTuple):
    """What an epoch did, request by request in their order; ``waiting`` goes into the next one.

    ``minted`` are shares for each deposit (0: sent back whole), ``paid`` burned shares and cash for each withdrawal.
    """

    minted: tuple[Shares, ...]
    paid: tuple[tuple[Shares, Cash], ...]
    waiting: tuple[Withdrawal, ...]
    supply: Shares
    cash: Cash  # in, less out


def serve(
    supply: Shares, nav: Nav, deposits: tuple[Deposit, ...], withdrawals: tuple[Withdrawal, ...], free_cash: Cash
) -> Epoch:
    """Serve an epoch: every request at the supply and values before it, so their order gives nobody a better price.

    Withdrawals are paid from free cash and what comes in; if that is short, all get the same part and the rest waits.
    A deposit too small for a share, or into a pool that is worth nothing, is sent back. Callers do not serve an epoch
    while a breaker is open.
    """
    minted, born = _mint(supply, nav.high, deposits)
    came = sum(deposit.amount for deposit, shares in zip(deposits, minted, strict=True) if shares)
    due = sum(payout_for(wish.shares, supply, nav.low) for wish in withdrawals) if supply else 0
    cash = min(due, max(free_cash + came, 0))
    paid: list[tuple[Shares, Cash]] = []
    waiting: list[Withdrawal] = []
    for wish in withdrawals:
        burned = wish.shares if cash == due else mul_div_down(wish.shares, cash, due)
        got = payout_for(burned, supply, nav.low) if supply else 0
        if not got:
            burned = 0  # what brings nothing is not burned
        paid.append((burned, got))
        if burned < wish.shares:
            waiting.append(Withdrawal(wish.owner, wish.shares - burned))
    gone, out = sum(burned for burned, _ in paid), sum(got for _, got in paid)
    return Epoch(tuple(minted), tuple(paid), tuple(waiting), supply + born - gone, came - out)


def _mint(supply: Shares, nav_high: Cash, deposits: tuple[Deposit, ...]) -> tuple[list[Shares], Shares]:
    """Shares of each deposit, and how many come to life. The first large enough into an empty pool opens it; those
    after it pay what it paid.
    """
    minted: list[Shares] = []
    born = 0
    for deposit in deposits:
        if supply or not born:
            shares = shares_for(deposit.amount, supply, nav_high)
            opened = DEAD_SHARES if shares and not supply else 0
        else:
            shares, opened = deposit.amount, 0
        minted.append(shares)
        born += shares + opened
    return minted, born
