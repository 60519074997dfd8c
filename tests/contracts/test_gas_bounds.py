"""What a batch may cost: the promise of docs/adr/0004 at 128 trades, and room for the dearest batch in a transaction."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from contract_venue import GAS

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
