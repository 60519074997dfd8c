"""Fitting vol surfaces: time per slice, error in vol points, and slices refused for an arbitrage.

A chain file has one row per option and snapshot: `snapshot_ms`, `expiry_ms`, `strike`, `cp`, `bid`, `ask`,
`mark_iv_pct`, `underlying`. Without one, surfaces are drawn from a seed: slices of known shape, with noise on each vol.
Options out of the money with a bid and an ask are fitted, weighted by vega; expiries from six hours on.
`python -m benchmarks.surface [CHAIN.csv.gz] [--every N]`
"""

from __future__ import annotations

import argparse
import csv
import gzip
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks import conditions
from exchange.core.units import YEAR_SECONDS
from exchange.quant.calibration import QUOTES_MIN, Fit, Smile, fit_all

SEED = 1
SNAPSHOTS = 6
DAYS = (1, 2, 7, 14, 30, 60, 90, 180, 270, 360)
NOISE = 0.003
SOON_S = 6 * 3600


def drawn() -> Iterator[list[Smile]]:
    """Surfaces of a seed: a smile that flattens with time, and an error on each vol."""
    chance = np.random.default_rng(SEED)
    for _ in range(SNAPSHOTS):
        level, skew = chance.uniform(0.3, 0.9), chance.uniform(-0.3, 0.1)
        yield [_drawn_smile(chance, days, level, skew) for days in DAYS]


def _drawn_smile(chance: np.random.Generator, days: int, level: float, skew: float) -> Smile:
    years = days / 365
    k = np.linspace(-2.5, 2.5, 25) * level * np.sqrt(years)
    x = k / np.sqrt(years)
    vols = level * (1 + skew * x + 0.4 * x * x / (1 + np.abs(x))) + chance.normal(0, NOISE, len(k))
    return Smile(100_000 * np.exp(k), vols, np.exp(-x * x / (2 * level * level)) + 1e-3, 100_000.0, years)


def recorded(path: Path, every: int) -> Iterator[list[Smile]]:
    """Every so many snapshots of a chain file."""
    found: dict[int, dict[int, list[dict[str, str]]]] = defaultdict(lambda: defaultdict(list))
    with gzip.open(path, "rt") as lines:
        for row in csv.DictReader(lines):
            found[int(row["snapshot_ms"])][int(row["expiry_ms"])].append(row)
    for number, (now_ms, expiries) in enumerate(sorted(found.items())):
        if number % every == 0:
            smiles = [_smile(rows, (expiry_ms - now_ms) / 1000) for expiry_ms, rows in sorted(expiries.items())]
            yield [smile for smile in smiles if smile is not None]


def _smile(rows: list[dict[str, str]], seconds: float) -> Smile | None:
    forward = statistics.median(float(row["underlying"]) for row in rows)
    quoted = [row for row in rows if row["bid"] and row["ask"]]
    out = [row for row in quoted if (row["cp"] == "C") == (float(row["strike"]) >= forward)]
    if seconds < SOON_S or len(out) < QUOTES_MIN:
        return None
    out.sort(key=lambda row: float(row["strike"]))
    strikes = np.array([float(row["strike"]) for row in out])
    vols = np.array([float(row["mark_iv_pct"]) for row in out]) / 100
    years = seconds / YEAR_SECONDS
    spread = vols * np.sqrt(years)
    d1 = np.log(forward / strikes) / spread + spread / 2
    return Smile(strikes, vols, np.exp(-d1 * d1 / 2) + 1e-3, forward, years)


def main() -> None:
    """Fit and tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.surface", description=__doc__)
    parser.add_argument("chain", nargs="?", type=Path, help="recorded chain; without it surfaces are drawn")
    parser.add_argument("--every", type=int, default=12, metavar="N", help="of a recording, each Nth snapshot")
    given = parser.parse_args()
    surfaces = list(recorded(given.chain, given.every) if given.chain else drawn())
    source = f"{given.chain.name}, each {given.every}th snapshot" if given.chain else f"drawn from seed {SEED}"
    conditions.show(source, f"{len(surfaces)} surfaces, {sum(map(len, surfaces))} slices")
    fits: list[Fit] = []
    began = time.thread_time()
    for smiles in surfaces:
        fits += fit_all(smiles)
    spent = time.thread_time() - began
    errors = sorted(100 * each.error for each in fits if each.cut is not None)
    refused = [each.fault.fault.name.lower() for each in fits if each.fault is not None]
    print(f"  {1000 * spent / len(fits):.0f} ms of processor time per slice")
    print(
        f"  error: median {statistics.median(errors):.2f} vol points, 90 % within {errors[len(errors) * 9 // 10]:.2f}"
    )
    print(f"  refused: {len(refused)} {', '.join(refused)}")


if __name__ == "__main__":
    main()
