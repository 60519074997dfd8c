"""The other tables, and their links: trades with order events, chain with trades, everything with instruments.

Imports formats, findings, orders (for the sides it has seen), money.
"""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Final

from replay.export.acts import ADMIN, CLOCK, CORRECTIONS
from replay.export.checks.findings import Code, Finding, of_row
from replay.export.checks.formats import decimal_of
from replay.export.checks.orders import Orders, Side
from replay.export.market import CALL, INSTRUMENTS, ORACLE, PUT
from replay.export.money import BREAKS, CHAIN, MARGIN, TRADES
from replay.export.rows import ORDERS
from replay.export.tables import Cell, Row
from replay.export.watch import SURVEILLANCE

_DEALS: Final = ("BLOCK", "OFFBOOK")  # channels without orders
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


class Others:
    """What tables say of each other. They are taken in the order of their numbers, the instruments first."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._series: dict[Cell, Row] = {}
        self._trades: dict[Cell, list[Row]] = {}
        self._settled: list[Row] = []
        self._cases: list[Row] = []
        self._shares: dict[Cell, Decimal] = {}

    @property
    def names(self) -> dict[Cell, Row]:
        """Instruments by their number."""
        return self._series

    def take(self, table: str, row: Row) -> Iterator[Finding]:
        """What is wrong with the next row of a table."""
        match table:
            case INSTRUMENTS.name:
                self._series[row.get("series", "")] = row
                yield from _instrument(row)
            case ORDERS.name:
                yield from self._listed(table, row, row.get("17_book"))
            case TRADES.name:
                yield from self._trade(row)
            case CHAIN.name if row.get("x_kind") in {"TRADE", "OFFBOOK"}:
                self._settled.append(row)
            case ORACLE.name:
                yield from _price(row)
            case MARGIN.name:
                self._share(row)
                yield from _margin(row)
            case SURVEILLANCE.name:
                self._cases += [row] if row.get("kind") == "CASE" else []
                yield from _watched(row)
            case BREAKS.name:
                yield from _break(row)
            case CLOCK.name | CORRECTIONS.name:
                yield from _told(table, row)
            case ADMIN.name:
                if (row.get("outcome") == "REJECTED") != ("reason" in row):
                    yield of_row(Code.REASON, table, row, "reason", str(row.get("outcome")))
            case _:
                return

    def _listed(self, table: str, row: Row, number: Cell | None) -> Iterator[Finding]:
        """A refused order may name what is not listed; nothing else may."""
        known = isinstance(number, str) and number.isdigit() and int(number) in self._series
        if not known and row.get("21_event") not in {"REMO", "RMRJ"}:
            yield of_row(Code.INSTRUMENT_UNKNOWN, table, row, "17_book", str(number))

    def _trade(self, row: Row) -> Iterator[Finding]:
        self._trades.setdefault(row.get("transaction", ""), []).append(row)
        price, quantity, premium = (decimal_of(row.get(name)) for name in ("price", "quantity", "premium"))
        if price is not None and quantity is not None and premium != price * quantity:
            yield of_row(Code.PREMIUM, TRADES.name, row, "premium", f"{price} x {quantity} is not {premium}")
        if self._series.get(row.get("series", ""), {}).get("name") != row.get("name"):
            yield of_row(Code.INSTRUMENT_UNKNOWN, TRADES.name, row, "series", str(row.get("series")))

    def finish(self) -> Iterator[Finding]:
        """Links in both directions, once all tables have been read."""
        for name, rows in self._trades.items():
            yield from self._sides(name, rows)
        for name, sides in self._orders.sides.items():
            if name not in self._trades:
                yield of_row(Code.TRADE_UNLINKED, ORDERS.name, sides[0].row, "48_transaction", f"no trade {name}")
        for row in self._settled:
            yield from self._settlement(row)
        for row in self._cases:
            yield from self._case(row)
        for jseq, left in self._shares.items():
            if left:
                row = {"jseq": jseq, "place": 0}
                yield of_row(Code.SHARES, MARGIN.name, row, "amount", f"{left} is left over")

    def _share(self, row: Row) -> None:
        """What everybody gave and got as a liquidation was closed, by its record."""
        amount = decimal_of(row.get("amount"))
        if row.get("kind") == "SHARED" and amount is not None:
            self._shares[row["jseq"]] = self._shares.get(row["jseq"], Decimal(0)) + amount

    def _case(self, row: Row) -> Iterator[Finding]:
        """Trades of a case are those of the day, or of a day before."""
        first = min((int(str(name)[1:]) for name in self._trades if str(name).startswith("T")), default=0)
        for number in str(row.get("trades", "")).split():
            is_older = number.isdigit() and (not first or int(number) < first)
            if f"T{number}" not in self._trades and not is_older:
                yield of_row(Code.CASE_UNLINKED, SURVEILLANCE.name, row, "trades", f"T{number}")

    def _sides(self, name: Cell, rows: list[Row]) -> Iterator[Finding]:
        first = rows[0]
        sides = {(row.get("side"), row.get("role")) for row in rows}
        if len(rows) != 2 or len({side for side, _ in sides}) != 2 or len({role for _, role in sides}) != 2:
            yield of_row(Code.SIDES_DISAGREE, TRADES.name, first, "side", f"{len(rows)} rows of {name}")
        told = self._orders.sides.get(name, [])
        if first.get("channel") in _DEALS:
            if told:
                yield of_row(Code.TRADE_UNLINKED, TRADES.name, first, "channel", f"{name} has orders")
            return
        if not told:
            yield of_row(Code.TRADE_UNLINKED, TRADES.name, first, "transaction", f"no order event of {name}")
        for row in rows if told else ():
            if not any(_is_of(side, row) for side in told):
                yield of_row(Code.TRADE_UNLINKED, TRADES.name, row, "order", f"{name}: no order event tells it so")

    def _settlement(self, row: Row) -> Iterator[Finding]:
        """A trade that settled is one of the day, or of a day before."""
        record = row.get("13_record", "")
        trades = self._trades.get(record)
        if trades is None:
            first = min((int(str(name)[1:]) for name in self._trades if str(name).startswith("T")), default=0)
            number = str(record)[1:]
            is_older = str(record).startswith("T") and number.isdigit() and (not first or int(number) < first)
            if not is_older:
                yield of_row(Code.CHAIN_UNLINKED, CHAIN.name, row, "13_record", str(record))
            return
        buyer = next((trade for trade in trades if trade.get("side") == "BUYI"), {})
        told = (f"A{buyer.get('account')}", f"A{buyer.get('other_account')}", buyer.get("quantity"))
        if told != (row.get("10_to"), row.get("11_from"), row.get("05_amount")):
            yield of_row(Code.CHAIN_UNLINKED, CHAIN.name, row, "05_amount", f"{record} was {told}")


def _is_of(side: Side, row: Row) -> bool:
    """Whether an order event tells of this side of a trade."""
    event = side.row
    told = (event.get("20_order"), event.get("x_account"), event.get("32_side"), *side.what)
    return told == tuple(row.get(name) for name in ("order", "account", "side", "name", "price", "quantity"))


# -- rows by themselves -----------------------------------------------------------------------------------------------


def _instrument(row: Row) -> Iterator[Finding]:
    if row.get("kind") != "OPTION":
        return
    is_call = row.get("option_type") == "CALL"
    if row.get("cfi") != (CALL if is_call else PUT):
        yield of_row(Code.INSTRUMENT, INSTRUMENTS.name, row, "cfi", f"{row.get('cfi')} of a {row.get('option_type')}")
    strike, expiry = str(row.get("strike")).replace(".", "d"), str(row.get("expiry"))
    parts = str(row.get("name")).rsplit("-", 3)
    if expiry[5:7].isdigit() and 1 <= int(expiry[5:7]) <= 12:
        day = f"{int(expiry[8:10])}{_MONTHS[int(expiry[5:7]) - 1]}{expiry[2:4]}"
        if parts != [row.get("underlying"), day, strike, "C" if is_call else "P"]:
            yield of_row(Code.INSTRUMENT, INSTRUMENTS.name, row, "name", str(row.get("name")))


def _price(row: Row) -> Iterator[Finding]:
    if (row.get("adopted") is False) != ("reason" in row):
        yield of_row(Code.REASON, ORACLE.name, row, "reason", f"adopted: {row.get('adopted')}")


def _told(table: str, row: Row) -> Iterator[Finding]:
    """A reading with a source or without figures; a correction with what it corrects, from before it."""
    if table == CLOCK.name:
        if (row.get("known") is True) != ("source" in row):
            yield of_row(Code.REASON, table, row, "source", f"known: {row.get('known')}")
        return
    is_correction = row.get("kind") == "CORRECTION"
    if is_correction != ("was" in row) or int(row.get("corrects", 0)) >= int(row["jseq"]):
        yield of_row(Code.REASON, table, row, "was", str(row.get("kind")))


def _margin(row: Row) -> Iterator[Finding]:
    initial, maintenance = decimal_of(row.get("initial")), decimal_of(row.get("maintenance"))
    if initial is not None and maintenance is not None and maintenance > initial:
        yield of_row(Code.MARGINS, MARGIN.name, row, "maintenance", f"{maintenance} above {initial}")


def _watched(row: Row) -> Iterator[Finding]:
    """A ratio follows from its counts; a case is at its bound at least, and its record is the last it rests on."""
    if row.get("kind") == "RATIO":
        counts = (("ratio_number", "messages", "transactions"), ("ratio_volume", "ordered", "transacted"))
        for name, part, whole in counts:
            above, below = decimal_of(str(row.get(part))), decimal_of(str(row.get(whole)))
            if above is None or below is None:
                continue
            due = Decimal(Fraction(above) * 1_000 // Fraction(below) - 1_000) / 1_000 if below else None
            if decimal_of(row.get(name)) != due:
                yield of_row(Code.RATIO, SURVEILLANCE.name, row, name, f"{row.get(name)}, not {due}")
    elif row.get("kind") == "CASE":
        seqs = str(row.get("records", "")).split()
        ends = (str(row.get("from")) <= str(row.get("to"))) and seqs[-1:] == [str(row["jseq"])]
        if int(row.get("score", 0)) < 1_000 or not ends:
            yield of_row(Code.CASE, SURVEILLANCE.name, row, "score", f"{row.get('score')} of {row.get('practice')}")


def _break(row: Row) -> Iterator[Finding]:
    kind, verdict = row.get("kind"), row.get("verdict")
    if kind in {"OPENING", "CLOSING"} and (row.get("expected") == row.get("actual")) != (verdict == "MATCHED"):
        yield of_row(Code.BALANCE, BREAKS.name, row, "verdict", f"{row.get('expected')} and {row.get('actual')}")
    if kind == "DISAGREED" and row.get("expected") == row.get("actual"):
        yield of_row(Code.BALANCE, BREAKS.name, row, "actual", str(row.get("actual")))
    first, last, age = row.get("first_trade", 0), row.get("last_trade", 0), row.get("age_s", 0)  # a heartbeat is empty
    if kind == "BATCH" and first and (int(last) < int(first) - 1 or int(age) < 0):
        yield of_row(Code.BATCH, BREAKS.name, row, "last_trade", f"{first} to {last}, {age} s")
