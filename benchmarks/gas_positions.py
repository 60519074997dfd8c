"""Gas of one trade by what the buyer already holds, measured on the contracts and estimated by the machine.

The dearest case there is: the buyer is short of margin before and after, so the contract adds up, nets, and nets again
what was before. Runs on the embedded chain, whose gas is exact. Fails if an estimate is below what was measured.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "tests/contracts")]

from contract_venue import GENESIS, USDC, WAD, Player, Trade, Venue  # type: ignore[import-not-found]  # noqa: E402

from exchange.core import budget  # noqa: E402
from exchange.core.commands import Authorisation  # noqa: E402
from exchange.core.state import State  # noqa: E402
from exchange.core.state_types import Account, AuthEntry, Expiry, Series  # noqa: E402

DEAR, CHEAP = 3_000 * USDC, 600 * USDC
INDEX = 60_000 * USDC
BOX = (100, -100, -100, 100)  # call, put, next call, next put: worth the difference of the strikes, whatever happens
BUYER, SELLER = 1, 2


class Case(NamedTuple):
    """What the buyer holds: boxes in so many groups of so many expiries."""

    expiries: int
    groups: int
    is_descending: bool = False

    def strike(self, index: int) -> int:
        """Strikes in the order in which they are listed, two series each."""
        last = 2 * self.groups - 1
        return int(30_000 + 500 * (last - index // 2 if self.is_descending else index // 2)) * int(USDC)

    def quantities(self) -> tuple[int, ...]:
        return tuple(-quantity for quantity in BOX) if self.is_descending else BOX

    def closing(self) -> int:
        """A put that the buyer has sold, in the first expiry."""
        return 1 << 16 | (3 if self.is_descending else 1)


def acquire(venue: Venue, case: Case, buyer: Player, other: Player) -> None:
    """Sixteen boxes to a batch, all at one price, so that no cash stays behind."""
    places = [(expiry, group) for expiry in range(1, case.expiries + 1) for group in range(case.groups)]
    for at in range(0, len(places), 16):
        orders, trades = [], []
        for expiry, group in places[at : at + 16]:
            for lane, quantity in enumerate(case.quantities()):
                series = expiry << 16 | 4 * group + lane
                orders.append(venue.sign(venue.order(buyer, series, quantity, DEAR)))
                orders.append(venue.sign(venue.order(other, series, -quantity, DEAR)))
                trades.append(Trade(len(orders) - 2, len(orders) - 1, 100, DEAR, INDEX))
        venue.post(venue.round())
        venue.settle(venue.batch(orders, trades))


def measured(case: Case) -> int:
    """Gas of the batch in which the buyer buys half of a sold put back."""
    venue = Venue(vault_cap=10**18)
    for expiry in range(case.expiries):
        terms = [(case.strike(index), index % 2 == 0) for index in range(4 * case.groups)]
        venue.list(GENESIS + 86_400 * (2 + expiry), terms)
    buyer = venue.open("buyer", 130 * case.groups * case.expiries * USDC)
    other, seller = venue.open("other", 10**8 * USDC), venue.open("seller", 10**8 * USDC)
    acquire(venue, case, buyer, other)
    venue.post(venue.round(conf=WAD // 10, stable=WAD // 2))
    series = case.closing()
    orders = [venue.sign(venue.order(buyer, series, 50, CHEAP)), venue.sign(venue.order(seller, series, -50, CHEAP))]
    gas: int = venue.settle(venue.batch(orders, [Trade(0, 1, 50, CHEAP, INDEX)])).gas_used
    return gas


def estimated(case: Case) -> int:
    """The same batch as the machine plans it."""
    state = State()
    held: dict[int, int] = {}
    for expiry_id in range(1, case.expiries + 1):
        state.expiries[expiry_id] = Expiry(expiry_id, 0, 0, [expiry_id << 16 | n for n in range(4 * case.groups)])
        for index, series in enumerate(state.expiries[expiry_id].series):
            state.series[series] = Series(series, expiry_id, 0, 0, case.strike(index), index % 2 == 0)
            held[series] = case.quantities()[index % 4]
    for number in (BUYER, SELLER):
        state.accounts[number] = Account(number, b"")
    state.accounts[BUYER].positions = held
    state.accounts[SELLER].expect(case.closing(), 1)
    draft = budget.Draft(state)
    both = [_signed(number, case.closing()) for number in (BUYER, SELLER)]
    draft.add(both, both)
    return draft.total()


def _signed(account: int, series: int) -> AuthEntry:
    auth = Authorisation(account, series, account == BUYER, 50, CHEAP, 0, 0, False, False, 0, 0, 0, b"", b"")
    return AuthEntry(account, auth, 0, 0, 1)


def main() -> None:
    """Print the table."""
    print("One trade; the buyer holds four legs in every group, is short of margin, and closes half a leg")
    print(f"{'expiries':>8} {'groups each':>11} {'strikes listed':>14} {'measured gas':>13} {'estimated':>12}")
    cases = [Case(1, 1), Case(1, 4), Case(1, 16), Case(1, 32), Case(16, 1), Case(16, 2), Case(32, 1)]
    cases += [Case(1, groups, is_descending=True) for groups in (4, 16)]
    for case in cases:
        gas, bound = measured(case), estimated(case)
        order = "descending" if case.is_descending else "ascending"
        print(f"{case.expiries:>8} {case.groups:>11} {order:>14} {gas:>13,} {bound:>12,}")
        if gas > bound:
            raise SystemExit("an estimate is below what was measured")


if __name__ == "__main__":
    main()
