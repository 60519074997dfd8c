"""Order events: each row against itself, and against the one before of its order. Imports formats, findings, rows.

What is remembered of the day is its open orders and, for the links to trades, the sides of its transactions.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from replay.export.checks.findings import Code, Finding, of_row
from replay.export.checks.formats import decimal_of
from replay.export.fields import MICA, RTS24
from replay.export.rows import MICA_ORDERS, ORDERS
from replay.export.tables import Cell, Row

_ENTERS: Final = ("NEWO", "RFQR", "RFQS")
_ENDS: Final = ("CAME", "CAMO", "EXPI", "RFQE", "FILL")
_FILLS: Final = ("PARF", "FILL")
_MOVES: Final = ("REME", "REMA", "REMH", "TRIG")
_OUTSIDE: Final = ("REMO", "RMRJ")
"""Events of orders that are not there, or that stand as they stood."""
_OF_FILLS: Final = ("traded_price", "traded", "passive", "transaction")
COLUMN: Final = {field.slug: field.column for field in RTS24}
_SAME: Final = tuple(
    (COLUMN[field.slug], field.column)
    for field in MICA
    if field.slug in COLUMN and field.slug not in {"submitter", "client", "instrument", "currency"}
)
_MICA: Final = {field.slug: field.column for field in MICA}
FILE: Final = ORDERS.name
ZERO: Final = Decimal(0)


class Standing(NamedTuple):
    """An open order as its last event left it."""

    left: Decimal
    priority: Cell | None
    same: tuple[Cell | None, ...]  # account, book, date of receipt; a side too, but for combos


class Side(NamedTuple):
    """One side of a transaction, as an order event has it."""

    row: Row
    what: tuple[Cell | None, ...]  # series, price, quantity
    side: Cell | None


class Orders:
    """Order events in their order."""

    def __init__(self, day: str) -> None:
        self._day = day
        self._open: dict[Cell, Standing] = {}
        self._ended: dict[Cell, None] = {}
        self._sequence = 0
        self.sides: dict[Cell, list[Side]] = {}

    def take(self, row: Row) -> Iterator[Finding]:
        """What is wrong with the next event."""
        cells = {slug: row.get(column) for slug, column in COLUMN.items()}
        yield from _alone(row, cells)
        yield from self._in_sequence(row, cells)
        yield from self._in_life(row, cells)
        if cells["transaction"] is not None:
            what = (row.get("x_series"), cells["traded_price"], cells["traded"])
            sides = self.sides.setdefault(cells["transaction"], [])
            sides.append(Side(row, what, cells["side"]))
            if len(sides) > 2:
                yield of_row(Code.SIDES_TOO_MANY, FILE, row, COLUMN["transaction"], str(cells["transaction"]))

    def finish(self) -> Iterator[Finding]:
        """Transactions of which only one side was told, or two that do not fit."""
        for name, sides in self.sides.items():
            if len(sides) == 1:
                yield of_row(Code.SIDE_MISSING, FILE, sides[0].row, COLUMN["transaction"], str(name))
            elif sides[0].what != sides[1].what or sides[0].side == sides[1].side:
                yield of_row(Code.SIDES_DISAGREE, FILE, sides[1].row, COLUMN["transaction"], str(name))

    def _in_sequence(self, row: Row, cells: dict[str, Cell | None]) -> Iterator[Finding]:
        text = str(cells["sequence"])
        number = int(text) if text.isdigit() else 0
        if number <= self._sequence:
            yield of_row(Code.SEQUENCE_ORDER, FILE, row, COLUMN["sequence"], f"{text} after {self._sequence}")
        self._sequence = max(number, self._sequence)

    # -- the life of an order -----------------------------------------------------------------------------------------

    def _in_life(self, row: Row, cells: dict[str, Cell | None]) -> Iterator[Finding]:
        order, event = cells["order"], cells["event"]
        if order is None or event in _OUTSIDE:
            return
        before = self._open.get(order)
        now = _standing(row, cells)
        if event in _ENTERS:
            if before is not None or order in self._ended:
                yield of_row(Code.ENTERED_TWICE, FILE, row, COLUMN["order"], str(order))
        elif before is None:
            yield from self._unknown(row, cells)
        else:
            yield from _follows(row, cells, before, now)
        if event in _ENDS:
            self._open.pop(order, None)
            self._ended[order] = None
        else:
            self._open[order] = now

    def _unknown(self, row: Row, cells: dict[str, Cell | None]) -> Iterator[Finding]:
        """An order of a day before is met in the middle of its life; one of this day is not."""
        if cells["order"] in self._ended:
            yield of_row(Code.AFTER_END, FILE, row, COLUMN["event"], str(cells["event"]))
        elif cells["received"] == self._day:
            yield of_row(Code.NEVER_ENTERED, FILE, row, COLUMN["order"], str(cells["order"]))


def _standing(row: Row, cells: dict[str, Cell | None]) -> Standing:
    # The side of a combo's fill is that of the leg.
    side = None if cells["strategy"] or str(row.get("x_series")).startswith("COMBO") else cells["side"]
    same = (row.get("x_account"), cells["book"], cells["received"], side)
    return Standing(decimal_of(cells["remaining"]) or ZERO, cells["priority_time"], same)


def _follows(row: Row, cells: dict[str, Cell | None], before: Standing, now: Standing) -> Iterator[Finding]:
    """One event after another of the same order."""
    event = cells["event"]
    if any(a != b for a, b in zip(before.same, now.same, strict=True) if a is not None and b is not None):
        yield of_row(Code.ORDER_TURNED, FILE, row, COLUMN["order"], str(cells["order"]))
    if event not in {*_MOVES, *_ENDS} or event == "FILL":
        filled = decimal_of(row.get("x_own_filled", "0")) or ZERO
        if before.left - filled != now.left:
            said = f"{before.left} less {filled} is not {now.left}"
            yield of_row(Code.REMAINING_BREAKS, FILE, row, COLUMN["remaining"], said)
    elif event in _ENDS and not _ends(event, before.left, decimal_of(row.get("x_ended", "0")) or ZERO):
        yield of_row(Code.REMAINING_BREAKS, FILE, row, "x_ended", f"{before.left} remained")
    if event not in _MOVES and before.priority != now.priority:
        yield of_row(Code.PRIORITY_MOVED, FILE, row, COLUMN["priority_time"], str(now.priority))


def _ends(event: Cell | None, left: Decimal, ended: Decimal) -> bool:
    """Whether what ended is what remained; of a request, what its quotes filled is told of them only."""
    return ended <= left if event == "RFQE" else ended == left


# -- a row by itself --------------------------------------------------------------------------------------------------


def _alone(row: Row, cells: dict[str, Cell | None]) -> Iterator[Finding]:
    """What the fields of one event say of each other."""
    event = cells["event"]
    yield from _quantities(row, cells)
    is_fill = event in _FILLS
    for slug in _OF_FILLS:
        if (cells[slug] is not None) != is_fill:
            yield of_row(Code.FILL_FIELDS, FILE, row, COLUMN[slug], f"{slug} of {event}")
    if (cells["valid_until"] is None) != (cells["validity"] in {"IOCV", "FOKV"}):
        yield of_row(Code.VALIDITY, FILE, row, COLUMN["valid_until"], str(cells["validity"]))
    if (cells["stop"] is not None) != (cells["order_class"] == "STOP"):
        yield of_row(Code.STOP, FILE, row, COLUMN["stop"], str(cells["order_class"]))
    is_over = event in {*_ENDS, "REMO"}
    if is_over and str(cells["status"]).startswith("ACTI"):
        yield of_row(Code.STATUS, FILE, row, COLUMN["status"], f"{cells['status']} after {event}")
    if cells["priority_time"] is not None and str(cells["priority_time"]) > str(cells["time"]):
        yield of_row(Code.PRIORITY_AHEAD, FILE, row, COLUMN["priority_time"], str(cells["priority_time"]))
    day, received = str(cells["time"])[:10], str(cells["received"])
    if received > day or (event in {*_ENTERS, "REMO"} and received != day):
        yield of_row(Code.RECEIVED, FILE, row, COLUMN["received"], received)
    if ("x_cause" in row) < (event in _OUTSIDE):
        yield of_row(Code.REASON, FILE, row, "x_cause", str(event))


def _quantities(row: Row, cells: dict[str, Cell | None]) -> Iterator[Finding]:
    event = cells["event"]
    initial, left, shown = (decimal_of(cells[slug]) for slug in ("initial", "remaining", "displayed"))
    if initial is None or left is None or shown is None:
        return  # said of the fields themselves
    if event in _ENTERS and initial != left:
        yield of_row(Code.ENTRY_WHOLE, FILE, row, COLUMN["remaining"], f"{left} of {initial}")
    if left > initial:
        yield of_row(Code.REMAINING_BOUND, FILE, row, COLUMN["remaining"], f"{left} of {initial}")
    if shown > left:
        yield of_row(Code.DISPLAYED_BOUND, FILE, row, COLUMN["displayed"], f"{shown} of {left}")
    if (event == "FILL" and left) or (event == "PARF" and not left):
        yield of_row(Code.FILL_LEFT, FILE, row, COLUMN["remaining"], f"{left} after {event}")
    if event in {"CAME", "CAMO", "EXPI", "RFQE", "REMO"} and left:
        yield of_row(Code.END_LEFT, FILE, row, COLUMN["remaining"], f"{left} after {event}")


def mica_faults(row: Row, mica: Row) -> Iterator[Finding]:
    """The same event in both forms says the same; what MiCA fills with NOAP is blank in RTS 24."""
    for ours, theirs in _SAME:
        told = mica.get(theirs)
        if row.get(ours) != (None if told == "NOAP" else told):
            yield of_row(
                Code.MICA_DIFFERS, MICA_ORDERS.name, mica, theirs, f"{told!r}, and {row.get(ours)!r} in RTS 24"
            )
            return
    if mica.get(_MICA["submitter"]) != f"A{row.get('x_account')}":
        yield of_row(Code.MICA_DIFFERS, MICA_ORDERS.name, mica, _MICA["submitter"], str(row.get("x_account")))
