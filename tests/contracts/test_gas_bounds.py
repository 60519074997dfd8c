"""What a batch may cost: the promise of docs/adr/0004 at 128 trades, and room for the dearest batch in a transaction."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from contract_combos import between, legs, signed_combo
from contract_venue import GAS, GENESIS, LOT, USDC, Trade, Venue

from exchange.core import budget
from exchange.core.commands import Authorisation
from exchange.core.legs import Leg
from exchange.core.state import State
from exchange.core.state_types import Account, AuthEntry, Combo, Expiry, Series
from exchange.signing import ComboOrder

ROOT = Path(__file__).resolve().parents[2]


def loaded(name):
    spec = importlib.util.spec_from_file_location(f"{name}_benchmark", ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def bench():
    return loaded("gas")


def test_a_trade_costs_less_than_25_000_gas_in_a_batch_of_128(bench):
    """Mean of eight batches, so that the phase of the fill lanes does not decide."""
    venue, players, series = bench.make_venue()
    flow = bench.Flow(venue, players, series)
    for _ in range(3):
        bench.settle(venue, flow.shared_makers(128))
    gas = [bench.settle(venue, flow.shared_makers(128))[0] for _ in range(8)]
    assert sum(gas) < 25_000 * 128 * len(gas)
    dearest, _ = bench.settle(venue, flow.distinct(128))
    assert dearest < GAS // 3


def test_64_trades_between_strangers_fit_a_transaction(bench):
    venue, _, series = bench.make_venue()
    gas, accounts = bench.settle(venue, bench.strangers(venue, series[2], 64))
    assert accounts == 128
    assert gas < GAS


def closing(bench, orders, fills, reduce_only):
    """Gas of a batch in which the last of so many orders of one account beside each other fill."""
    venue, (maker, other, taker, *_), (series, *_) = bench.make_venue()

    def sell(number, lots):
        terms = {"nonce": 1_000 + 8 * number, "reduce_only": reduce_only and lots == 1}
        return venue.sign(venue.order(maker if lots == 1 else other, series, -lots * LOT, bench.PRICE, **terms))

    index = 60_000 * USDC
    bought = venue.sign(venue.order(maker, series, orders * LOT, bench.PRICE, nonce=1))
    bench.settle(venue, ([bought, sell(0, orders)], [Trade(0, 1, orders * LOT, bench.PRICE, index)]))
    shown = [sell(number, 1) for number in range(orders)]
    shown.append(venue.sign(venue.order(taker, series, orders * LOT, bench.PRICE, nonce=1)))
    trades = [Trade(orders - 1 - number, orders, LOT, bench.PRICE, index) for number in range(fills)]
    return bench.settle(venue, (shown, trades))[0]


@pytest.mark.parametrize("orders", [8, 96])
def test_the_machine_knows_what_an_order_that_only_reduces_costs(bench, orders):
    """Each of its fills looks at every order of its account in the series, and the machine says how much that is."""
    more = closing(bench, orders, 8, reduce_only=True) - closing(bench, orders, 8, reduce_only=False)
    said = 8 * (budget.REDUCING_GAS + orders * budget.BESIDE_GAS)
    assert said // 2 < more < said


def four_expiries():
    """Four expiries of one group each, and four legs, one of each."""
    venue = Venue(vault_cap=10**18)
    for number in range(1, 5):
        venue.list(GENESIS + 86_400 * number, [((60_000 + 1_000 * index) * USDC, True) for index in range(4)])
    venue.post(venue.round())
    return venue, legs(*((number << 16, 1 if number & 1 else -1) for number in range(1, 5)))


def planned(venue, of, batch) -> int:
    """The batch as the machine counts it before it is sealed."""
    state = State()
    for expiry_id in range(1, 5):
        state.expiries[expiry_id] = Expiry(expiry_id, 0, 0, [expiry_id << 16 | index for index in range(4)])
        for series in state.expiries[expiry_id].series:
            state.series[series] = Series(series, expiry_id, 0, 0, venue.strikes[series][0], True)
    state.combos[1] = Combo(1, 0, of, 0)
    entries = []
    for place, order in enumerate(one.order for one in batch.orders):
        is_combo = isinstance(order, ComboOrder)
        account = state.accounts.setdefault(order.account, Account(order.account, b""))
        for leg in of if is_combo else (Leg(order.series, 1),):
            account.expect(leg.series, 1)
        auth = Authorisation(
            order.account, 1 if is_combo else order.series, order.is_buy, 1, 1, 0, 0, False, False, 0, 0, 0, b"", b"",
            None, of if is_combo else (),
        )  # fmt: skip
        entries.append(AuthEntry(place + 1, auth, 0, 0, 1))
    draft = budget.Draft(state)
    for trade in batch.trades:
        both = [entries[trade.maker], entries[trade.taker]]
        draft.add(both, both)
    return draft.total()


@pytest.mark.parametrize("is_implied", [False, True])
@pytest.mark.parametrize("executions", [1, 4])
def test_the_machine_knows_what_a_combo_costs(executions, is_implied):
    """Everybody holds nothing before, and all legs are in words and expiries of their own."""
    venue, of = four_expiries()
    orders, trades = [], []
    for number in range(executions):
        taker, *makers = (venue.open(f"stranger {number} {place}", 10**6 * USDC) for place in range(5))
        mine = len(orders)
        orders.append(signed_combo(venue, taker, of, LOT, 0))
        if is_implied:
            for place, (leg, maker) in enumerate(zip(of, makers, strict=True)):
                orders.append(venue.sign(venue.order(maker, leg.series, -leg.ratio * LOT, 700 * USDC)))
                trades.append(Trade(mine + 1 + place, mine, LOT, 700 * USDC, 60_000 * USDC, LOT))
        else:
            orders.append(signed_combo(venue, makers[0], of, -LOT, 0))
            trades += between(of, mine + 1, mine, LOT, [700 * USDC] * 4)
    venue.post(venue.round())
    batch = venue.batch(orders, trades)
    said, gas = planned(venue, of, batch), venue.settle(batch).gas_used
    assert said // 3 < gas < said


def test_a_portfolio_of_16_legs_is_checked_from_arrays_for_less_than_350_000_gas():
    """Neighbouring strikes of one expiry, every second one sold; with intrinsic gas, calldata and proofs."""
    bench = loaded("gas_portfolio")
    risk, arrays = bench.make_round(expiries=1)
    near = sorted(arrays.leaves)[:16]
    assert bench.checking(risk, arrays, near, computed=False) < bench.TARGET
