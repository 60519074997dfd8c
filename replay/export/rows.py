"""An order event as a row: the 51 fields of RTS 24, the 50 of MiCA, and columns of our own beside them.

Imports orders, fields, texts, core.
"""

from typing import Final

from exchange.core import commands as c
from exchange.core.combos import is_combo
from exchange.core.phases import phase_of
from exchange.core.state import State
from exchange.core.units import NO_EXPIRY
from replay.export import texts
from replay.export.fields import MICA, RTS24
from replay.export.orders import Of, OrderEvent, Told
from replay.export.tables import Cell, Column, Row, Table, columns

OWN: Final = columns(
    "x_cause", "x_of", "x_account:i", "x_commitment", "x_series", "x_currency", "x_own_filled", "x_ended", "x_left",
    "x_other", "x_mandate:i", "x_rfq:i",
)  # fmt: skip
ORDERS: Final = Table(
    "02_orders_rts24",
    "one row for each event of an order, in the 51 fields of RTS 24",
    (*(Column(field.column) for field in RTS24), *OWN),
)
MICA_ORDERS: Final = Table(
    "03_orders_mica416",
    "the same events in the 50 fields of (EU) 2025/416",
    tuple(Column(field.column) for field in MICA),
)
PHASES: Final = {
    c.CONTINUOUS: "CONTINUOUS",
    c.AUCTION: "AUCTION",
    c.UNCROSSING: "UNCROSSING",
    c.HALTED: "HALTED",
    c.CLOSED: "CLOSED",
}
VENUE_HALTED: Final = "VENUE_HALTED"
PLACES: Final = 10**6  # places of rows in a record
_TYPES: Final = {Of.QUOTE: "QUOTE", Of.RFQ_QUOTE: "RFQ_QUOTE", Of.RFQ_TAKE: "RFQ_TAKE", Of.REQUEST: "RFQ"}
_NOAP: Final = ("client", "broker", "limit", "limit2", "stop", "peg", "maq", "residence")


def row_of(event: OrderEvent, place: int, state: State, facts: dict[str, str]) -> tuple[Row, Row]:
    """The event in both forms; ``facts`` are reference data: ``mic``, ``instrument``, ``commitment``."""
    known = {slug: facts.get(slug) for slug in ("mic", "instrument")}
    cells = _facts(event, place, state) | _filled(event) | known
    return _rts24(event, cells, state, facts), _mica(event, cells)


def _facts(event: OrderEvent, place: int, state: State) -> dict[str, Cell | None]:
    """What both forms have in common, by field."""
    told = event.order
    return _identity(told, state) | _validity(told, state) | {
        "time": texts.moment(event.time_ns),
        "sequence": str(event.seq * PLACES + place + 1),
        "event": event.code,
        "order_type": _type_of(told),
        "order_class": None if told.of is Of.REQUEST else "STOP" if told.trigger else "LMTO",
        "limit": None if told.price is None else texts.price(told.price),
        "stop": texts.price(told.trigger_price) if told.trigger else None,
        "notation": "MONE",
        "status": _status(told),
        "qty_notation": "UNIT",
        "initial": texts.quantity(told.qty),
        "remaining": texts.quantity(told.left),
        "displayed": texts.quantity(told.shown),
        "maq": texts.quantity(told.qty) if told.whole or told.tif == c.FOK else None,
        "passive_only": _truth(told.post_only or told.of in {Of.QUOTE, Of.RFQ_QUOTE}),
        "self_trade": "true",
        "phase": _phase(state, told.series),
    }  # fmt: skip


def _identity(told: Told, state: State) -> dict[str, Cell | None]:
    return {
        "dea": "false",
        "execution": _hand(told, state),
        "capacity": "DEAL",
        "provision": _truth(told.of in {Of.QUOTE, Of.RFQ_QUOTE}),
        "book": str(told.series),
        "received": texts.day_of(told.received_ns),
        "order": str(told.id),
        "side": None if told.is_buy is None else _side(told.is_buy),
    }


def _hand(told: Told, state: State) -> str | None:
    """Who signed: the owner, or one of the session keys, which is no person's name."""
    if not told.signer:
        return None
    account = state.accounts.get(told.account)
    is_owner = account is not None and account.owner == told.signer
    return "OWNER" if is_owner else f"KEY-{told.signer[:8].hex()}"


def _validity(told: Told, state: State) -> dict[str, Cell | None]:
    """Time in force, and until when: at the latest until the series ends."""
    until = None if told.of is Of.REQUEST else told.priority_ns
    base: dict[str, Cell | None] = {"priority_time": None if until is None else texts.moment(until)}
    if told.tif != c.GTC or told.of is Of.RFQ_TAKE:
        return base | {"validity": "FOKV" if told.tif == c.FOK else "IOCV"}
    listed = state.combos.get(told.series) or state.series.get(told.series)
    ends_s = min(told.expiry_s, listed.expiry_s if listed is not None else NO_EXPIRY)
    return base | {"validity": "GTCV" if told.expiry_s == NO_EXPIRY else "GTSV", "valid_until": texts.second(ends_s)}


def _type_of(told: Told) -> str:
    if told.of in _TYPES:
        return _TYPES[told.of]
    if told.trigger:
        return "STOP"
    return "MARKET" if told.market else "ICEBERG" if told.display else "LIMIT"


def _status(told: Told) -> str:
    quality = "INDI" if told.of is Of.REQUEST else "FIRM"
    return f"{'ACTI' if told.is_open and not told.is_waiting else 'INAC'},{quality}"


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _side(is_buy: bool) -> str:
    return "BUYI" if is_buy else "SELL"


def _phase(state: State, series: int) -> str:
    return PHASES[phase_of(state, series)] if state.is_open else VENUE_HALTED


def _filled(event: OrderEvent) -> dict[str, Cell | None]:
    """What only a fill has. Its side is that of what traded: of a combo's leg, the leg's."""
    fill = event.fill
    if fill is None:
        return {}
    return {
        "side": _side(fill.is_buy),
        "traded_price": texts.price(fill.price),
        "traded": texts.quantity(fill.qty),
        "passive": "AGRE" if fill.is_taker else "PASV",
        "strategy": f"C{fill.group}" if fill.group else None,
        "transaction": f"T{fill.trade_id}",
    }


def _rts24(event: OrderEvent, cells: dict[str, Cell | None], state: State, facts: dict[str, str]) -> Row:
    told, fill = event.order, event.fill
    traded_in = told.series if fill is None else fill.series
    own: dict[str, Cell | None] = {
        "x_cause": event.cause or None,
        "x_of": str(told.of),
        "x_account": told.account,
        "x_commitment": facts.get("commitment"),
        "x_series": texts.series_name(state, traded_in) if is_combo(traded_in) or traded_in in state.series else None,
        "x_currency": "USDC",
        "x_own_filled": None if fill is None else texts.quantity(fill.own),
        "x_ended": texts.quantity(event.ended) if event.ended else None,
        "x_left": texts.quantity(told.left),
        "x_other": None if fill is None else str(fill.other),
        "x_mandate": told.mandate or None,
        "x_rfq": told.rfq or None,
    }
    return _in_columns(_RTS24_COLUMNS, cells) | {name: cell for name, cell in own.items() if cell is not None}


def _mica(event: OrderEvent, cells: dict[str, Cell | None]) -> Row:
    told = event.order
    filled: dict[str, Cell | None] = {
        **dict.fromkeys(_NOAP, "NOAP"),
        **{slug: cell for slug, cell in cells.items() if cell is not None},
        "submitter": f"A{told.account}",
        "instrument": str(told.series if event.fill is None else event.fill.series),
        "currency": "USDC",
    }
    return _in_columns(_MICA_COLUMNS, filled)


def _in_columns(columns: tuple[tuple[str, str], ...], cells: dict[str, Cell | None]) -> Row:
    return {column: cell for slug, column in columns if (cell := cells.get(slug)) is not None}


_RTS24_COLUMNS: Final = tuple((field.slug, field.column) for field in RTS24)
_MICA_COLUMNS: Final = tuple((field.slug, field.column) for field in MICA)
