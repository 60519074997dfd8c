"""Margin of accounts under the PORTFOLIO model: risk arrays of a round, checks, and everything anew after a spot move.

The peer is numpy's matrix product of positions and arrays in 64-bit integers, which does the sums of the scenarios that
move everything and nothing else: no expiries by themselves, no naked shorts, no rounding rules. It is exact only while
quantity x value stays under 2**63, which is 922 million USDC; ours is exact to the bounds of the contracts.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from time import process_time

import numpy as np

from benchmarks import conditions
from exchange.core.black76 import Pricer
from exchange.core.margin import Kind
from exchange.core.risk_models import scan
from exchange.core.risk_models.arrays import RiskRound, Terms
from exchange.core.risk_models.grid import Sheet
from exchange.core.risk_models.holdings import Holdings
from exchange.core.risk_models.requirement import Account, PortfolioMarket, assess, portfolio_rules
from exchange.core.risk_models.venue_set import PORTFOLIO
from exchange.core.units import USDC_ONE, WAD, years_of
from exchange.quant.pricer import VectorPricer

DAYS = (1, 2, 7, 14, 30, 60, 90, 180, 270, 360)
STRIKES = range(50, 150, 2)  # percent of the forward
SPOT = 100_000 * USDC_ONE
LEGS = (16, 64, 256)
ACCOUNTS = 10_000
RULES = portfolio_rules(PORTFOLIO)
CONFS = dict.fromkeys(range(1, len(DAYS) + 1), WAD)


def round_at(round_id: int, spot: int, pricer: Pricer | None = None) -> RiskRound:
    """A thousand series in ten expiries, not priced yet."""
    times = {at: days * 86_400 + 3_600 for at, days in enumerate(DAYS, 1)}
    sheets = {at: Sheet(spot + left * USDC_ONE // 8_640, left, years_of(left)) for at, left in times.items()}
    terms = {
        expiry << 16 | 2 * at + side: Terms(SPOT * percent // 100, side == 0, WAD * (55 + abs(at - 25)) // 100)
        for expiry in sheets
        for at, percent in enumerate(STRIKES)
        for side in (0, 1)
    }
    return RiskRound(PORTFOLIO, round_id, sheets, terms, pricer or VectorPricer())


def price_all(arrays: RiskRound) -> None:
    for series in arrays.terms:
        arrays.array(series)


def drawn(source: random.Random, arrays: RiskRound, legs: int) -> dict[int, int]:
    """Positions of so many series, long and short."""
    return {
        series: source.choice((-1, 1)) * source.randrange(100, 50_000)
        for series in source.sample(sorted(arrays.terms), legs)
    }


def laid_out(arrays: RiskRound, spot: int, positions: dict[int, int]) -> scan.Market:
    by_expiry: dict[int, dict[int, int]] = {}
    for series, qty in positions.items():
        by_expiry.setdefault(series >> 16, {})[series] = qty
    expiries = (scan.added_up(arrays, expiry, held, CONFS[expiry]) for expiry, held in sorted(by_expiry.items()))
    return scan.Market(spot, tuple(expiries))


def margin(market: scan.Market) -> int:
    return assess(Account(RULES, 0, WAD, (), (PortfolioMarket(RULES, market),)), Kind.INITIAL).margin


def best(action: Callable[[], object], times: int = 25) -> float:
    """Seconds of processor time of the fastest of a few runs."""
    found = []
    for _ in range(times):
        started = process_time()
        action()
        found.append(process_time() - started)
    return min(found)


def matrix(arrays: RiskRound) -> np.ndarray:
    """Changes of all series in all scenarios, as the peer wants them."""
    cells = [arrays.array(series).cells for series in sorted(arrays.terms)]
    return np.array([[cell - row[0] for cell in row] for row in cells], dtype=np.int64)


def checks(arrays: RiskRound) -> None:
    """One account: from its positions, after one more fill, and the peer's product of the same size."""
    source, changes = random.Random(1), matrix(arrays)
    rows = {series: at for at, series in enumerate(sorted(arrays.terms))}
    print(f"  {'legs':>6} {'from scratch/s':>16} {'after a fill/s':>16} {'numpy product/s':>16}")
    for legs in LEGS:
        positions = drawn(source, arrays, legs)
        kept = Holdings(arrays, SPOT, CONFS)
        for series, qty in positions.items():
            kept.move(series, qty)
        series = next(iter(positions))

        def after_fill(kept: Holdings = kept, series: int = series) -> int:
            kept.move(series, 1)
            return margin(kept.market())

        at = np.array([rows[series] for series in positions])
        qtys = np.array(list(positions.values()), dtype=np.int64)
        rates = [
            20 / best(lambda: [margin(laid_out(arrays, SPOT, positions)) for _ in range(20)]),  # noqa: B023
            20 / best(lambda: [after_fill() for _ in range(20)]),
            20 / best(lambda: [(qtys @ changes[at]).min() for _ in range(20)]),  # noqa: B023
        ]
        print(f"  {legs:>6} " + " ".join(f"{rate:>16,.0f}" for rate in rates))


def after_a_move() -> None:
    """Ten thousand accounts of sixteen legs at a new round: arrays, sums and margins."""
    source = random.Random(2)
    before = round_at(1, SPOT)
    accounts = [drawn(source, before, 16) for _ in range(ACCOUNTS)]
    moved = SPOT * 101 // 100
    started = process_time()
    arrays = round_at(2, moved)
    price_all(arrays)
    priced = process_time()
    short = sum(margin(laid_out(arrays, moved, positions)) < 0 for positions in accounts)
    done = process_time()
    order = sorted(arrays.terms)
    rows = {series: at for at, series in enumerate(order)}
    held = np.zeros((ACCOUNTS, len(order)), dtype=np.int64)
    for number, positions in enumerate(accounts):
        for series, qty in positions.items():
            held[number, rows[series]] = qty
    changes = matrix(arrays)
    product = best(lambda: (held @ changes).min(axis=1), 2)
    print(f"  arrays of {len(order):,} series: {priced - started:.3f} s; {ACCOUNTS:,} accounts: {done - priced:.2f} s")
    print(f"  numpy's product alone, positions already in a matrix: {product:.2f} s ({short:,} accounts need cash)")


def main() -> None:
    conditions.show("1,000 series in 10 expiries, 41 values each; single process; processor time; best of twenty-five")
    arrays = round_at(1, SPOT)
    once = best(lambda: price_all(round_at(1, SPOT)), 3)
    price_all(arrays)
    print(
        f"  risk arrays of a round: {once * 1e3:.0f} ms, {1 / once:.1f} rounds/s; root {best(arrays.root) * 1e3:.0f} ms"
    )
    checks(arrays)
    after_a_move()


if __name__ == "__main__":
    main()
