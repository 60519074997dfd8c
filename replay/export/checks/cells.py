"""One row by itself: what is always there, in which format, on which day. Imports formats, findings, and the tables."""

from collections.abc import Iterator
from typing import Final

from replay.export import acts, market, money, rows, watch
from replay.export.checks.findings import Code, Finding, of_row
from replay.export.checks.formats import fits
from replay.export.fields import MICA, ONCHAIN, RTS24, Field
from replay.export.tables import Row, Table
from replay.surveil.cases import Practice

TIME: Final = "{DATE_TIME_FORMAT}"
NUMBER: Final = "{DECIMAL}"
RTS24_NEEDS: Final = [
    "dea",
    "capacity",
    "provision",
    "time",
    "validity",
    "sequence",
    "book",
    "received",
    "order",
    "event",
    "order_type",
    "notation",
    "status",
    "qty_notation",
    "initial",
    "remaining",
    "displayed",
    "passive_only",
    "self_trade",
    "phase",
]
MICA_NEEDS: Final = [
    *(slug for slug in RTS24_NEEDS if slug not in {"dea", "provision"}),
    *("submitter", "client", "instrument", "currency", "residence"),
]


def _columns(fields: tuple[Field, ...], slugs: list[str]) -> tuple[str, ...]:
    return tuple(field.column for field in fields if field.slug in slugs)


NEEDS: Final[dict[str, tuple[str, ...]]] = {
    rows.ORDERS.name: (*_columns(RTS24, RTS24_NEEDS), "x_of", "x_account", "x_currency", "x_left"),
    rows.MICA_ORDERS.name: _columns(MICA, MICA_NEEDS),
    money.CHAIN.name: ("03_contract", "12_currency", "13_record", "x_kind", "x_told"),
    money.TRADES.name: (
        *("report", "time", "transaction", "side", "role", "channel", "account", "other_account", "series", "name"),
        *("quantity", "price", "currency", "premium", "fee", "index"),
    ),
    market.INSTRUMENTS.name: ("series", "name", "kind", "underlying", "currency", "multiplier", "expiry", "volume"),
    market.PHASES.name: ("time", "kind", "is_open"),
    market.ORACLE.name: ("time", "kind", "round", "source_time", "age_s", "adopted", "value", "stable", "signatures"),
    money.MARGIN.name: ("time", "kind"),
    money.BREAKS.name: ("time", "kind"),
    acts.ADMIN.name: ("time", "command", "outcome", "by", "detail"),
    acts.CLOCK.name: ("time", "known", "leap"),
    watch.SURVEILLANCE.name: ("time", "kind"),
    acts.CORRECTIONS.name: ("time", "kind", "scope", "subject", "field", "told", "by"),
    acts.JOURNAL.name: ("time_ns", "frame", "command", "leaf", "record"),
}
_AMOUNTS: Final = dict.fromkeys(
    ("strike", "tick", "tick_above", "tick_step", "lot", "settlement_price", "open_interest", "volume", "quantity",
     "price", "premium", "fee", "index", "surplus", "before", "confidence", "vol", "stable", "cash", "held",
     "initial", "maintenance", "value", "limit", "x_own_filled", "x_ended", "x_left", "05_amount",
     "amount", "mark", "ordered", "transacted", "ratio_number",
     "ratio_volume"),
    NUMBER,
)  # fmt: skip
_TIMES: Final = dict.fromkeys(
    (
        "time",
        "until",
        "expiry",
        "source_time",
        "sealed",
        "warrant_expiry",
        "x_told",
        "04_time",
        "was_told",
        "from",
        "to",
    ),
    TIME,
)
_CODES: Final = {
    "side": "BUYI | SELL",
    "report": "NEWT | CANC",
    "cfi": "{CFI_CODE}",
    "isin": "{ISIN}",
    "option_type": "CALL | PUTO",
    "style": "EURO | AMER",
    "delivery": "CASH | PHYS",
    "leaf": "{HASH}",
    "tx_hash": "{HEX}",
    "01_hash": "{HEX}",
}
_SHARED: Final[dict[str, str]] = _AMOUNTS | _TIMES | _CODES
_WORDS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    money.TRADES.name: {
        "role": ("MAKER", "TAKER"),
        "channel": ("BOOK", "AUCTION", "BLOCK", "RFQ", "COMBO", "OFFBOOK"),
        "currency": ("USDC",),
    },
    market.INSTRUMENTS.name: {"kind": ("OPTION", "COMBO")},
    market.PHASES.name: {"kind": ("TRADING", "BREAKER", "PHASE", "RULES", "UNCROSSED")},
    market.ORACLE.name: {"kind": ("SPOT", "FORWARD", "MARK")},
    money.MARGIN.name: {
        "kind": (
            *("CANCELLED", "REFUSED", "PARAMETERS", "CLOSING"),
            *("FLAGGED", "TRANSFERRED", "PAID", "CLOSED", "SHARED"),
        )
    },
    watch.SURVEILLANCE.name: {"kind": ("BOUNDS", "RATIO", "CASE"), "practice": tuple(Practice)},
    money.BREAKS.name: {
        "kind": ("OPENING", "CLOSING", "BATCH", "DISAGREED"),
        "verdict": ("MATCHED", "ON_ITS_WAY", "SEALED", "PENDING", "LATE", "REFUSED", "MISMATCH"),
    },
    acts.CORRECTIONS.name: {"kind": ("FIRST", "CORRECTION")},
    acts.ADMIN.name: {"outcome": ("APPLIED", "REJECTED")},
    money.CHAIN.name: {"x_kind": ("TRADE", "HEARTBEAT", "DEPOSIT", "WITHDRAWAL", "EXPIRY", "OFFBOOK", "LIQUIDATION")},
    rows.ORDERS.name: {"x_of": ("order", "quote", "rfq_quote", "rfq_take", "request")},
}
_OF_FIELDS: Final[dict[str, dict[str, str]]] = {
    rows.ORDERS.name: {field.column: field.format for field in RTS24},
    rows.MICA_ORDERS.name: {field.column: field.format for field in MICA},
    money.CHAIN.name: {field.column: field.format for field in ONCHAIN if field.column not in _SHARED},
}
_WHEN: Final = {rows.ORDERS.name: "09_time", rows.MICA_ORDERS.name: "08_time", money.CHAIN.name: "x_told"}


def faults(table: Table, file: str, row: Row, day: str) -> Iterator[Finding]:
    """What is wrong with the cells of a row."""
    for name in NEEDS[table.name]:
        if name not in row:
            yield of_row(Code.FIELD_BLANK, file, row, name, name)
    formats, words = _OF_FIELDS.get(table.name, {}), _WORDS.get(table.name, {})
    for name, cell in row.items():
        format_ = formats.get(name) or _SHARED.get(name)
        if isinstance(cell, str) and format_ is not None and not fits(format_, cell):
            yield of_row(Code.FIELD_FORMAT, file, row, name, f"{name} is {cell!r}")
        if name in words and cell not in words[name]:
            yield of_row(Code.FIELD_FORMAT, file, row, name, f"{name} is {cell!r}")
    when = row.get(_WHEN.get(table.name, "time"))
    if isinstance(when, str) and when[:10] != day:
        yield of_row(Code.FIELD_DAY, file, row, _WHEN.get(table.name, "time"), when)
