"""What recorded markets were like, in the few numbers that the simulator draws from.

Reads a folder of recordings (names and columns as in `FILES`); the recordings stay where they are, figures counted from
them are facts. Each figure is written with the file it was counted in and the sentence that says how.
`python -m benchmarks.flow FOLDER > exchange/data/simulated_flow.json`
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Row = dict[str, str]

BARS = "btc_perp_1m_2021-12-31_2022-02-01.csv.gz"
STORM = "deribit_chain_btc_2026-01-26_2026-02-10.csv.gz"
CHAIN = "deribit_chain_btc_2026-08-14_2026-08-21.csv.gz"
TRADES = "deribit_trades_BTC-17AUG26_last12h.csv.gz"
BOOKS = "deribit_books_btc_2020-05-21.ndjson.gz"
SOCKET = "deribit_ws_2021-04-05.ndjson.gz"
CRASH = "okx_quotes_BTC-USD-251031-80000-C_2025-10-10.csv.gz"
EXPIRY_MS = 1_786_953_600_000  # of the trades
MINUTES = 525_600
YEAR_MS = 365 * 86_400_000
SOON_DAYS = 4.0
JUMP = 6.0  # deviations of the day's continuous moves
BURST_MS = 1_000
GONE_MS = (1_760_130_960_000, 1_760_135_400_000)  # 21:16 to 22:30 UTC on 10 October 2025


class Figure(NamedTuple):
    """A number, the file it was counted in, and how."""

    value: float
    file: str
    how: str


def _text(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode()


def _rows(path: Path) -> list[Row]:
    return list(csv.DictReader(io.StringIO(_text(path))))


def _objects(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _text(path).splitlines()]


# -- the underlying ---------------------------------------------------------------------------------------------------


def spot(folder: Path) -> dict[str, Figure]:
    """Continuous vol, jumps, and how vol itself moves: by the hour, from bars of a minute."""
    closes = np.array([float(row["close"]) for row in _rows(folder / BARS)])
    moves = np.diff(np.log(closes))
    hours = moves[: len(moves) // 60 * 60].reshape(-1, 60)
    bipower = np.pi / 2 * np.mean(np.abs(hours[:, 1:] * hours[:, :-1]), axis=1)
    days = np.repeat(np.convolve(bipower, np.ones(24) / 24, mode="same"), 60)
    jumps = np.abs(moves[: len(days)]) > JUMP * np.sqrt(days)
    sizes = moves[: len(days)][jumps]
    level = np.log(bipower) / 2 - np.mean(np.log(bipower) / 2)
    first, second = (float(np.mean(level[lag:] * level[:-lag])) for lag in (1, 2))
    kept = second / first
    spread = np.sqrt(first / kept)
    return {
        "spot_vol": Figure(
            float(np.sqrt(np.mean(bipower) * MINUTES)), BARS, "bipower variation of minutes, within hours, a year"
        ),
        "jumps_a_day": Figure(
            float(len(sizes) / len(days) * 1440), BARS, f"minutes beyond {JUMP:.0f} deviations of the day around them"
        ),
        "jump_deviation": Figure(float(np.std(sizes)), BARS, "deviation of those minutes' moves, in the logarithm"),
        "vol_kept_an_hour": Figure(
            float(kept), BARS, "autocovariance of hourly log vol at two hours over that at one: free of its noise"
        ),
        "vol_spread": Figure(float(spread), BARS, "deviation of hourly log vol, the noise of measuring it taken off"),
    }


# -- implied vols -----------------------------------------------------------------------------------------------------


def _chains(folder: Path, name: str) -> dict[tuple[int, int], list[Row]]:
    found: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in _rows(folder / name):
        found[int(row["snapshot_ms"]), int(row["expiry_ms"])].append(row)
    return found


def _years(snapshot: int, expiry: int) -> float:
    return (expiry - snapshot) / YEAR_MS


def _middle(rows: list[Row]) -> Row:
    """The strike nearest the forward."""
    return min(rows, key=lambda row: abs(float(row["strike"]) - float(row["underlying"])))


def implied(folder: Path) -> dict[str, Figure]:
    """How the vol at the money moves, alone and with the price, in a storm; expiries of about two weeks."""
    seen: dict[int, dict[int, Row]] = defaultdict(dict)
    for (snapshot, expiry), rows in _chains(folder, STORM).items():
        seen[snapshot][expiry] = _middle(rows)
    moves, times = [], sorted(seen)
    for before, after in pairwise(times):
        shared = [expiry for expiry in seen[before] if expiry in seen[after] and expiry - before > 5 * 86_400_000]
        expiry = min(shared, key=lambda each: abs(each - before - 14 * 86_400_000))
        old, new = seen[before][expiry], seen[after][expiry]
        change = [np.log(float(new[key]) / float(old[key])) for key in ("mark_iv_pct", "underlying")]
        moves.append([each / np.sqrt((after - before) / 86_400_000) for each in change])
    table = np.array(moves)
    told = "log change of the vol nearest the money between snapshots, per root day"
    return {
        "implied_spread_a_day": Figure(float(np.std(table[:, 0])), STORM, told),
        "implied_with_spot": Figure(float(np.corrcoef(table.T)[0, 1]), STORM, "correlation of it with the forward's"),
    }


def smile(folder: Path) -> dict[str, Figure]:
    """Vol over strikes in deviations, of expiries within days: level, slope and bend relative to the money."""
    fits, levels, halves = [], [], []
    for (snapshot, expiry), rows in _chains(folder, CHAIN).items():
        years = _years(snapshot, expiry)
        if not 0.25 / 365 < years < SOON_DAYS / 365:
            continue
        level = float(_middle(rows)["mark_iv_pct"])
        found = [_place(row, level, years) for row in rows]
        near = np.array([(x, float(row["mark_iv_pct"]) / level - 1) for x, row in found if abs(x) < 2])
        fits.append(np.linalg.lstsq(np.stack([near[:, 0], near[:, 0] ** 2], axis=1), near[:, 1], rcond=None)[0])
        levels.append(level / 100)
        for x, row in found:
            if abs(x) < 2 and row["bid"] and row["ask"] and float(row["vega"]) > 0:
                half = (float(row["ask"]) - float(row["bid"])) * float(row["underlying"]) / 2
                halves.append(half / float(row["vega"]) / 100)
    slope, bend = np.median(np.array(fits), axis=0)
    told = f"expiries within {SOON_DAYS:.0f} days, strikes within two deviations"
    wide = f"quartile of half spread over vega, as vol, {told}"
    quartiles = np.quantile(halves, (0.25, 0.5, 0.75))
    named = zip(("half_spread_tight", "half_spread", "half_spread_wide"), quartiles, strict=True)
    return {
        "implied_vol": Figure(float(np.median(levels)), CHAIN, f"median vol nearest the money, {told}"),
        "smile_slope": Figure(float(slope), CHAIN, f"median slope of vol over the money's, per deviation, {told}"),
        "smile_bend": Figure(float(bend), CHAIN, f"median bend of it, per deviation squared, {told}"),
        **{name: Figure(float(value), CHAIN, wide) for name, value in named},
    }


def _place(row: Row, level: float, years: float) -> tuple[float, Row]:
    return np.log(float(row["strike"]) / float(row["underlying"])) / (level / 100 * np.sqrt(years)), row


# -- orders and trades ------------------------------------------------------------------------------------------------


def books(folder: Path) -> dict[str, Figure]:
    """What rests."""
    rows = _objects(folder / BOOKS)
    best = [float(row[side][0][1]) for row in rows for side in ("bids", "asks") if row[side]]
    return {
        "rest_size": Figure(float(np.median(best)), BOOKS, "median amount at the best level of a side, contracts"),
        "rest_size_spread": Figure(float(np.std(np.log(best))), BOOKS, "deviation of its logarithm"),
    }


def changes(folder: Path) -> dict[str, Figure]:
    """What moves in books while nobody trades."""
    kinds: Counter[str] = Counter()
    seen: set[str] = set()
    spans: list[int] = []
    for line in _objects(folder / SOCKET):
        data = line["msg"].get("params", {}).get("data", {})
        if not str(line["msg"].get("params", {}).get("channel", "")).startswith("book."):
            continue
        spans.append(line["recv_us"])
        seen.add(data["instrument_name"])
        if data["type"] == "change":
            kinds.update(row[0] for side in ("bids", "asks") for row in data[side])
    total = sum(kinds.values())
    seconds = (max(spans) - min(spans)) / 1e6
    told = "of the level changes of ten books in two minutes without a trade"
    return {
        "level_changes": Figure(total / seconds / len(seen), SOCKET, "level changes a second and book"),
        "cancel_share": Figure(kinds["delete"] / total, SOCKET, f"share of deletes {told}"),
        "resize_share": Figure(kinds["change"] / total, SOCKET, f"share of changed amounts {told}"),
    }


def trades(folder: Path) -> dict[str, Figure]:
    """Who takes: how often, how much, in what."""
    rows = _rows(folder / TRADES)
    times = np.array([int(row["timestamp_ms"]) for row in rows])
    sizes = np.array([float(row["amount"]) for row in rows])
    bursts = 1 + int(np.sum(np.diff(times) > BURST_MS))
    places = []
    for row in rows:
        years, vol = _years(int(row["timestamp_ms"]), EXPIRY_MS), float(row["iv_pct"]) / 100
        if vol:
            strike, index = float(row["instrument"].split("-")[2]), float(row["index_price"])
            places.append(np.log(strike / index) / (vol * np.sqrt(years)))
    hours = (times.max() - times.min()) / 3_600_000
    return {
        "bursts_an_hour": Figure(float(bursts / hours), TRADES, "trades with more than a second before them, an hour"),
        "burst_trades": Figure(len(rows) / bursts, TRADES, "trades of such a burst, mean"),
        "take_size": Figure(float(np.median(sizes)), TRADES, "median amount, contracts"),
        "take_size_spread": Figure(float(np.std(np.log(sizes))), TRADES, "deviation of its logarithm"),
        "buy_share": Figure(float(np.mean([row["direction"] == "buy" for row in rows])), TRADES, "share of buyers"),
        "strike_spread": Figure(
            float(np.std(places)), TRADES, "deviation of traded strikes from the index, in deviations"
        ),
    }


def outage(folder: Path) -> dict[str, Figure]:
    """What is left when makers leave."""
    rows = [row for row in _rows(folder / CRASH) if GONE_MS[0] <= int(row["timestamp_ms"]) < GONE_MS[1]]
    told = "share of seconds without an ask, 21:16 to 22:30 UTC"
    return {
        "gone_share": Figure(float(np.mean([not row["ask"] for row in rows])), CRASH, told),
    }


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    counted: dict[str, Figure] = {}
    for count in (spot, implied, smile, books, changes, trades, outage):
        counted |= count(folder)
    told = {
        name: {"value": float(f"{each.value:.4g}"), "file": each.file, "how": each.how}
        for name, each in counted.items()
    }
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
