"""The time-of-flight buffer against prices: how often it would have been exceeded, beside its design quantile.

Files are CSV, gzipped or not: one-minute bars with `open_time_ms` or `time_ms` and `close`, trades with `timestamp_ms`
and `price`, or quotes with `timestamp_ms` and `index_price`; ticks are put on a grid of a second. Without a file, two
drawn recordings stand in.  `python -m benchmarks.flight [FILE ...]`
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
from pathlib import Path

import numpy as np

from benchmarks import conditions
from exchange.quant.flight import Exceeded, Prices, back_test, on_grid, twin, yearly_vol

TIMES = ("open_time_ms", "time_ms", "timestamp_ms")
VALUES = ("index_price", "price", "close")


def read(path: Path) -> Prices:
    """The prices of a file on their grid: bars at the end of their minute."""
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    rows = csv.DictReader(io.StringIO(text))
    names = rows.fieldnames or []
    time, value = (next(name for name in known if name in names) for known in (TIMES, VALUES))
    found = [(int(row[time]), float(row[value])) for row in rows if row[value]]
    is_bars = time != "timestamp_ms"
    times = np.array([when + 60_000 * is_bars for when, _ in found], dtype=np.int64)
    order = np.argsort(times, kind="stable")
    prices = np.array([price for _, price in found])[order]
    return on_grid(path.name, times[order], prices, 60 if is_bars else 1)


def show(prices: Prices, table: list[Exceeded]) -> None:
    """One table for a recording."""
    print(
        f"\n{prices.name}: {len(prices.values):,} moments {prices.step_s} s apart, vol {yearly_vol(prices):.0%} a year"
    )
    heads = (("latency", 8), ("vol", 6), ("z", 5), ("buffer", 9), ("exceeded", 10), ("design", 9), ("and 25 bp", 10))
    print(" ".join(f"{head:>{width}}" for head, width in heads), f"{'worst':>9}")
    for line in table:
        print(
            f"{line.latency_s:>6} s {line.rule.vol:>6.0%} {line.rule.deviations:>5} {line.width * 1e4:>6.1f} bp"
            f" {line.share:>10.4%} {line.design:>9.4%} {line.with_publisher:>10.4%} {line.worst * 1e4:>6.0f} bp"
        )


def main() -> None:
    """Every file, or the twin."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    files = parser.parse_args().files
    print(conditions.line())
    for prices in [read(path) for path in files] or twin():
        show(prices, back_test(prices))


if __name__ == "__main__":
    main()
