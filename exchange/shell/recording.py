"""The recorded market the demonstration relives: one expiry's last twelve hours, and the price it was delivered at.

Owns the reading of the data files in ``exchange/data`` (their origin stands beside them). Prices in coin become USDC by
the recorded index of the same row. Imports units.
"""

import csv
import gzip
from decimal import Decimal
from importlib import resources
from typing import Final, NamedTuple

from exchange.core.units import QTY_ONE, USDC_ONE, WAD, Nanos, Price, Qty, Wad

EXPIRY_S: Final = 1_786_953_600  # 2026-08-17 08:00:00 UTC
EXPIRY_DATE: Final = "2026-08-17"
START_S: Final = 1_786_911_600  # 2026-08-16 20:20:00 UTC, before the first recorded trade
_NANOS_PER_MS: Final = 1_000_000


class RecordedTrade(NamedTuple):
    """One trade as it happened. ``price`` in 1e-6 USDC per contract, before any tick; ``vol`` 0 where none exists."""

    time_ns: Nanos
    strike: Price
    is_call: bool
    taker_buys: bool
    price: Price
    qty: Qty
    vol: Wad
    spot: Price


def trades() -> list[RecordedTrade]:
    """The recorded trades in order of time."""
    return [_trade(row) for row in _rows("deribit_trades_BTC-17AUG26_last12h.csv.gz")]


def delivery_price() -> Price:
    """The price the venue that recorded these trades delivered at, in 1e-6 USDC."""
    for row in _rows("deribit_delivery_prices.csv.gz"):
        if row["index_name"] == "btc_usd" and row["date_utc"] == EXPIRY_DATE:
            return _scaled(row["delivery_price"], USDC_ONE)
    raise LookupError(f"no delivery price of {EXPIRY_DATE}")


def _rows(name: str) -> list[dict[str, str]]:
    source = resources.files("exchange") / "data" / name
    with source.open("rb") as raw, gzip.open(raw, "rt", encoding="ascii", newline="") as text:
        return list(csv.DictReader(text))


def _trade(row: dict[str, str]) -> RecordedTrade:
    strike, kind = row["instrument"].split("-")[2:]
    spot = _scaled(row["index_price"], USDC_ONE)
    return RecordedTrade(
        time_ns=int(row["timestamp_ms"]) * _NANOS_PER_MS,
        strike=int(strike) * USDC_ONE,
        is_call=kind == "C",
        taker_buys=row["direction"] == "buy",
        price=int(Decimal(row["price"]) * spot),
        qty=_scaled(row["amount"], QTY_ONE),
        vol=_scaled(row["iv_pct"], WAD // 100),
        spot=spot,
    )


def _scaled(text: str, one: int) -> int:
    return int(Decimal(text) * one)
