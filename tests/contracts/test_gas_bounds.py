"""What a batch may cost: the promise of docs/adr/0004 at 128 trades, and room for the dearest batch in a transaction."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from contract_venue import GAS, LOT, USDC, Trade

from exchange.core import budget

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("gas_benchmark", ROOT / "benchmarks" / "gas.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
