"""Gas of one PORTFOLIO margin check by legs: from arrays with proofs, and with every array computed on chain first.

512 series in four expiries; the legs are the strikes next to each other of one expiry after another, or drawn from all.
Runs on the embedded chain, whose gas is exact: intrinsic gas, calldata, proofs, and the answer.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "tests/contracts")]

from contract_arrays import Arrays, Prices, Risk  # type: ignore[import-not-found]  # noqa: E402
from contract_venue import BTC, USDC, Venue, key  # type: ignore[import-not-found]  # noqa: E402

from exchange import risk_words  # noqa: E402
from exchange.core.margin import Kind  # noqa: E402
from exchange.core.units import WAD  # noqa: E402

SPOT = 60_000 * USDC
EXPIRIES, STRIKES = 4, 64
LEGS = (1, 16, 64, 128)
DAY = 86_400
TARGET = 350_000  # 16 neighbouring legs from arrays


def make_round(expiries: int = EXPIRIES) -> tuple[Risk, Arrays]:
    """A venue with as many series as a round may carry, and a round that commits to their arrays."""
    venue = Venue()
    for month in range(1, expiries + 1):
        terms = [((20_000 + 1_500 * at) * USDC, is_call) for at in range(STRIKES) for is_call in (True, False)]
        venue.list(venue.now // 1800 * 1800 + 30 * DAY * month, terms)
    risk = Risk(venue)
    vols = {key: WAD // 2 + key % 64 * WAD // 200 for key in venue.strikes}
    ones = dict.fromkeys(venue.expiries, WAD)
    prices = Prices({BTC: SPOT}, dict.fromkeys(venue.expiries, SPOT), vols, ones, {})
    arrays = risk.at(prices, dict.fromkeys(venue.expiries, BTC))
    venue.post(arrays.round)
    return risk, arrays


def checking(risk: Risk, arrays: Arrays, series: list[int], *, computed: bool) -> int:
    """Gas of a transaction that asks what these legs need, every second one sold."""
    positions = {key: (-1) ** at * (10_000 + at) for at, key in enumerate(sorted(series))}
    assert risk.ask(arrays, positions, Kind.INITIAL, computed=computed) == arrays.needed(positions, Kind.INITIAL)
    call = risk.question(arrays, positions, Kind.INITIAL)
    data = risk_words.with_arrays(call, risk.probe.address, arrays.shown, positions, computed=computed)
    return int(risk.venue.chain.transact(key("keeper"), risk.portfolio.address, data).gas_used)


def computing(risk: Risk, arrays: Arrays, series: int) -> int:
    """Gas of the transaction that computes one array and keeps its hash."""
    source = arrays.source(series >> 16)
    return int(risk.venue.send("keeper", risk.arrays, "compute", source, series).gas_used)


def main() -> None:
    """Print the table. Fails beyond the target."""
    risk, arrays = make_round()
    listed = sorted(arrays.leaves)
    drawn = random.Random(16).sample(listed, max(LEGS))
    once = {key: computing(risk, arrays, key) for key in dict.fromkeys(listed[: max(LEGS)] + drawn)}
    print(
        f"{len(listed)} series in {EXPIRIES} expiries; embedded chain, Prague rules, intrinsic gas, calldata included"
    )
    print(f"{'legs':>5} {'arrays with proofs':>20} {'arrays computed before':>24} {'and computing them':>20}  legs are")
    for legs in LEGS:
        for name, chosen in (("neighbours", listed[:legs]), ("drawn", drawn[:legs])):
            proven, kept = (checking(risk, arrays, chosen, computed=flag) for flag in (False, True))
            exact = kept + sum(once[key] for key in chosen)
            print(f"{legs:>5} {proven:>20,} {kept:>24,} {exact:>20,}  {name}")
            if legs == 16 and name == "neighbours" and proven > TARGET:
                raise SystemExit(f"{proven:,} gas for 16 legs, the target is {TARGET:,}")


if __name__ == "__main__":
    main()
