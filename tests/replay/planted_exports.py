"""Folders of a day with one thing wrong in each, and the code that must be found.

A plot changes files; unless it is about the files themselves the manifest is then made to fit them, so that nothing but
what the rows say can give it away.
"""

import bz2
import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from replay.export.checks.findings import Code
from replay.export.checks.validate import validation_of
from replay.export.manifest import MANIFEST, SIGNATURE, VALIDATION, canonical, read_manifest
from replay.export.persons import read_persons, write_persons
from replay.export.tables import line_of
from replay.identities import Facts

ORDERS, MICA, TRADES = "02_orders_rts24", "03_orders_mica416", "05_trades"
CHAIN, ORACLE, MARGIN, BREAKS = "04_onchain_mica416_t3", "08_oracle", "09_margin_liquidation", "10_recon_breaks"
INSTRUMENTS, PHASES, ADMIN, JOURNAL = "01_instruments", "07_phases_halts", "11_admin_actions", "15_journal"
CLOCK, WATCH, CORRECTIONS = "12_clock", "13_surveillance", "14_corrections"

Row = dict[str, Any]


class Folder:
    """A folder that is changed by hand."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, table: str) -> Path:
        return self.path / f"{table}.ndjson"

    def rows(self, table: str) -> list[Row]:
        return [json.loads(line) for line in self.file(table).read_text().splitlines()]

    def write(self, table: str, rows: list[Row]) -> None:
        self.file(table).write_bytes(b"".join(line_of(row) for row in rows))

    def first(self, table: str, where: Callable[[Row], Any]) -> tuple[list[Row], int]:
        rows = self.rows(table)
        return rows, next(place for place, row in enumerate(rows) if where(row))

    def change(self, table: str, where: Callable[[Row], Any], **cells: Any) -> None:
        """Cells of the first such row; names are the columns, with ``f`` before those that begin with a digit."""
        rows, at = self.first(table, where)
        for name, cell in cells.items():
            column = name[1:] if name[0] == "f" and name[1].isdigit() else name
            value = cell(rows[at].get(column)) if callable(cell) else cell
            if value is None:
                del rows[at][column]
            else:
                assert rows[at].get(column) != value, "nothing would change"
                rows[at][column] = value
        self.write(table, rows)

    def drop(self, table: str, where: Callable[[Row], Any]) -> Row:
        rows, at = self.first(table, where)
        gone = rows.pop(at)
        self.write(table, rows)
        return gone

    def repeat(self, table: str, where: Callable[[Row], Any], **cells: Any) -> None:
        rows, at = self.first(table, where)
        rows.insert(at + 1, rows[at] | {(k[1:] if k[0] == "f" and k[1].isdigit() else k): v for k, v in cells.items()})
        self.write(table, rows)

    def manifest(self, change: Callable[[Any], None]) -> None:
        manifest = read_manifest(self.path)
        change(manifest)
        (self.path / MANIFEST).write_bytes(canonical(manifest))

    def reseal(self) -> None:
        """Make the manifest fit the files."""
        manifest = read_manifest(self.path)
        for entry in manifest.files:
            data = (self.path / entry.name).read_bytes()
            entry.bytes, entry.sha256 = len(data), sha256(data).hexdigest()
            if entry.table:
                seqs = [json.loads(line)["jseq"] for line in data.splitlines()]
                entry.rows, entry.rows_sha256 = len(seqs), sha256(data).hexdigest()
                entry.first_seq, entry.last_seq = (seqs[0], seqs[-1]) if seqs else (0, 0)
        (self.path / MANIFEST).write_bytes(canonical(manifest))
        (self.path / VALIDATION).write_bytes(validation_of(self.path))


class Plant(NamedTuple):
    name: str
    code: Code
    plot: Callable[[Folder], object]
    reseal: bool = True
    journal: bool = False


def event(code: str, **cells: Any) -> Callable[[Row], bool]:
    return lambda row: row["21_event"] == code and all(row.get(name) == cell for name, cell in cells.items())


def entry_of(folder: Folder, name: str, **facts: Any) -> None:
    def change(manifest: Any) -> None:
        entry = next(entry for entry in manifest.files if entry.name == name)
        for fact, value in facts.items():
            setattr(entry, fact, value)

    folder.manifest(change)


def touch_two(folder: Folder, **cells: Any) -> None:
    """Both sides of the first trade in a book change alike."""
    rows = folder.rows(TRADES)
    name = next(row["transaction"] for row in rows if row["channel"] == "BOOK")
    for row in rows:
        if row["transaction"] == name:
            row.update(cells)
    folder.write(TRADES, rows)


def span(**facts: Any) -> Callable[[Folder], None]:
    def change(manifest: Any) -> None:
        for name, value in facts.items():
            setattr(manifest.journal, name, value)

    return lambda folder: folder.manifest(change)


def anchors(folder: Folder) -> None:
    folder.manifest(lambda manifest: setattr(manifest.journal.anchored[1], "root", "00" * 32))


def late_anchor(folder: Folder) -> None:
    folder.manifest(lambda manifest: setattr(manifest.journal.anchored[1], "size", 10**9))


def forge_signature(folder: Folder) -> None:
    path = folder.path / SIGNATURE
    told = json.loads(path.read_text())
    told["signer"] = "0x" + "11" * 20
    path.write_text(json.dumps(told))


def change_signed(folder: Folder) -> None:
    folder.manifest(lambda manifest: setattr(manifest, "venue", "another"))


def message(folder: Folder, change: Callable[[str], str]) -> None:
    path = folder.path / "02_orders_auth113.json"
    text = path.read_text()
    assert change(text) != text
    path.write_text(change(text))


def trail(folder: Folder, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path = folder.path / "06_cat_options.json.bz2"
    path.write_bytes(bz2.compress(b"\n".join(change(bz2.decompress(path.read_bytes()).splitlines())) + b"\n"))


def swap_records(folder: Folder) -> None:
    rows = folder.rows(JOURNAL)
    rows[40]["record"], rows[41]["record"] = rows[41]["record"], rows[40]["record"]
    folder.write(JOURNAL, rows)


def clean_bill(folder: Folder) -> None:
    """A trade is left out, and the validation is still the one that found nothing."""
    kept = (folder.path / VALIDATION).read_bytes()
    folder.drop(TRADES, is_trade)
    folder.reseal()
    (folder.path / VALIDATION).write_bytes(kept)


PERSONS_KEY = b"p" * 32


def persons(folder: Folder, change: Callable[[list[Any]], list[Any]]) -> None:
    """File P is sealed anew over other rows."""
    write_persons(folder.path, change(read_persons(folder.path, PERSONS_KEY)), PERSONS_KEY)


def named(rows: list[Any]) -> list[Any]:
    """Somebody is said to be behind the first commitment, with a salt that does not show it."""
    facts = Facts(name="Ada Lovelace")
    rows[0].state, rows[0].facts, rows[0].identity, rows[0].salt = "KNOWN", facts, facts.text(), "00" * 32
    return rows


def remembered(rows: list[Any]) -> list[Any]:
    """Somebody is erased, and still told of."""
    rows[0].state, rows[0].facts = "ERASED", Facts(name="Ada Lovelace")
    return rows


def is_case(row: Row) -> bool:
    return row["kind"] == "CASE"


def is_trade(row: Row) -> bool:
    return row["channel"] == "BOOK"


PLANTS = [
    # files
    Plant("a file is gone", Code.FILE_MISSING, lambda f: f.file(TRADES).unlink(), reseal=False),
    Plant("a message is gone", Code.FILE_MISSING, lambda f: (f.path / "02_orders_auth113.json").unlink(), reseal=False),
    Plant("a file too many", Code.FILE_SURPLUS, lambda f: (f.path / "99_notes.txt").write_text("n"), reseal=False),
    Plant("a byte more", Code.FILE_LENGTH, lambda f: f.file(PHASES).write_bytes(f.file(PHASES).read_bytes() + b"\n"), reseal=False),
    Plant("a byte changed", Code.HASH, lambda f: f.change(ORACLE, lambda _: True, age_s=77), reseal=False),
    Plant("a message changed", Code.HASH, lambda f: message(f, lambda t: t.replace("BUYI", "SELL", 1)), reseal=False),
    Plant("half a line", Code.FILE_UNREADABLE, lambda f: f.file(TRADES).write_bytes(f.file(TRADES).read_bytes()[:-9]), reseal=False),
    Plant("an unknown column", Code.FILE_UNREADABLE, lambda f: f.change(TRADES, is_trade, colour=lambda _: "red")),
    Plant("a number as text", Code.FILE_UNREADABLE, lambda f: f.change(TRADES, is_trade, account=str)),
    Plant("rows miscounted", Code.FILE_ROWS, lambda f: entry_of(f, f"{TRADES}.ndjson", rows=3), reseal=False),
    Plant("another digest of rows", Code.FORMS_DIFFER, lambda f: entry_of(f, f"{TRADES}.ndjson", rows_sha256="00"), reseal=False),
    Plant("another first record", Code.FILE_RECORDS, lambda f: entry_of(f, f"{TRADES}.ndjson", first_seq=1), reseal=False),
    # fields
    Plant("no book", Code.FIELD_BLANK, lambda f: f.change(ORDERS, event("NEWO"), f17_book=lambda _: None)),
    Plant("no capacity", Code.FIELD_BLANK, lambda f: f.change(ORDERS, event("CAME"), f07_capacity=lambda _: None)),
    Plant("no price of a round", Code.FIELD_BLANK, lambda f: f.change(ORACLE, lambda _: True, value=lambda _: None)),
    Plant("a float's exponent", Code.FIELD_FORMAT, lambda f: f.change(ORDERS, event("NEWO"), f24_limit="9e2")),
    Plant("zeros at the end", Code.FIELD_FORMAT, lambda f: f.change(ORDERS, event("NEWO"), f36_initial=lambda v: v + "0" if "." in v else v + ".0")),
    Plant("too many digits", Code.FIELD_FORMAT, lambda f: f.change(ORDERS, event("NEWO"), f24_limit="1234567890.123456789")),
    Plant("a code of nobody", Code.FIELD_FORMAT, lambda f: f.change(ORDERS, event("NEWO"), f07_capacity="BOTH")),
    Plant("a side of nobody", Code.FIELD_FORMAT, lambda f: f.change(TRADES, is_trade, side="BUY")),
    Plant("local time", Code.FIELD_FORMAT, lambda f: f.change(ORDERS, event("NEWO"), f09_time=lambda v: v[:-1] + "+01:00")),
    Plant("the thirtieth of February", Code.FIELD_FORMAT, lambda f: f.change(INSTRUMENTS, lambda _: True, expiry="2026-02-30T08:00:00.000000000Z")),
    Plant("an ISIN with a wrong digit", Code.FIELD_FORMAT, lambda f: f.change(INSTRUMENTS, lambda _: True, isin=lambda _: "US0378331006")),
    Plant("a LEI with a wrong digit", Code.FIELD_FORMAT, lambda f: f.change(ORDERS, event("NEWO"), f01_submitter=lambda _: "5493001KJTIIGC8Y1R13")),
    Plant("a status that is none", Code.FIELD_FORMAT, lambda f: f.change(ORDERS, event("NEWO"), f33_status="ACTI,GONE")),
    Plant("another day", Code.FIELD_DAY, lambda f: f.change(ORDERS, event("NEWO"), f09_time=lambda v: v.replace("2026-08-16", "2026-08-15"))),
    Plant("a trade of tomorrow", Code.FIELD_DAY, lambda f: f.change(TRADES, is_trade, time=lambda v: v.replace("2026-08-16", "2026-08-17"))),
    # fields among themselves
    Plant("less enters than was sent", Code.ENTRY_WHOLE, lambda f: f.change(ORDERS, event("NEWO"), f36_initial="77")),
    Plant("more remains than was", Code.REMAINING_BOUND, lambda f: f.change(ORDERS, event("PARF"), f37_remaining="999", x_left="999")),
    Plant("more is shown than is", Code.DISPLAYED_BOUND, lambda f: f.change(ORDERS, event("PARF"), f38_displayed="999")),
    Plant("a fill without a price", Code.FILL_FIELDS, lambda f: f.change(ORDERS, event("PARF"), f28_traded_price=lambda _: None)),
    Plant("a price without a fill", Code.FILL_FIELDS, lambda f: f.change(ORDERS, event("NEWO"), f28_traded_price=lambda _: "5")),
    Plant("a fill that nobody began", Code.FILL_FIELDS, lambda f: f.change(ORDERS, event("FILL"), f44_passive=lambda _: None)),
    Plant("FILL with a rest", Code.FILL_LEFT, lambda f: f.change(ORDERS, event("FILL"), f37_remaining="0.01")),
    Plant("PARF without a rest", Code.FILL_LEFT, lambda f: f.change(ORDERS, event("PARF"), f37_remaining="0", f38_displayed="0")),
    Plant("good till when", Code.VALIDITY, lambda f: f.change(ORDERS, event("NEWO", **{"10_validity": "GTCV"}), f12_valid_until=lambda _: None)),
    Plant("immediate, until tomorrow", Code.VALIDITY, lambda f: f.change(ORDERS, event("NEWO", **{"10_validity": "IOCV"}), f12_valid_until=lambda _: "2026-08-17T00:00:00.000000000Z")),
    Plant("a stop without a price", Code.STOP, lambda f: f.change(ORDERS, lambda r: r.get("23_order_class") == "STOP", f26_stop=lambda _: None)),
    Plant("a price without a stop", Code.STOP, lambda f: f.change(ORDERS, event("NEWO", **{"23_order_class": "LMTO"}), f26_stop=lambda _: "5")),
    Plant("cancelled with a rest", Code.END_LEFT, lambda f: f.change(ORDERS, event("CAME"), f37_remaining="0.01")),
    Plant("cancelled and active", Code.STATUS, lambda f: f.change(ORDERS, event("CAMO"), f33_status="ACTI,FIRM")),
    Plant("priority of the future", Code.PRIORITY_AHEAD, lambda f: f.change(ORDERS, event("NEWO"), f13_priority_time="2026-08-16T23:59:59.000000000Z")),
    Plant("received tomorrow", Code.RECEIVED, lambda f: f.change(ORDERS, event("CAME"), f19_received="2026-08-17")),
    Plant("entered today, received yesterday", Code.RECEIVED, lambda f: f.change(ORDERS, event("NEWO"), f19_received="2026-08-15")),
    Plant("refused for nothing", Code.REASON, lambda f: f.change(ORDERS, event("REMO"), x_cause=lambda _: None)),
    Plant("adopted with a refusal", Code.REASON, lambda f: f.change(ORACLE, lambda r: r["adopted"], reason=lambda _: "round_must_advance")),
    Plant("an act refused for nothing", Code.REASON, lambda f: f.change(ADMIN, lambda r: r["outcome"] == "REJECTED", reason=lambda _: None)),
    Plant("another premium", Code.PREMIUM, lambda f: f.change(TRADES, is_trade, premium="0.5")),
    Plant("a call as a put", Code.INSTRUMENT, lambda f: f.change(INSTRUMENTS, lambda r: r.get("option_type") == "CALL", option_type="PUTO")),
    Plant("another CFI code", Code.INSTRUMENT, lambda f: f.change(INSTRUMENTS, lambda r: r.get("kind") == "OPTION", cfi="OCAICS")),
    Plant("another strike", Code.INSTRUMENT, lambda f: f.change(INSTRUMENTS, lambda r: r.get("kind") == "OPTION", strike="1")),
    Plant("needs more to hold than to open", Code.MARGINS, lambda f: f.change(MARGIN, lambda r: "maintenance" in r, maintenance="99999999")),
    Plant("unequal balances called equal", Code.BALANCE, lambda f: f.change(BREAKS, lambda r: r["kind"] == "CLOSING" and r["verdict"] == "MATCHED", actual="0.000001")),
    Plant("a batch that ends before it begins", Code.BATCH, lambda f: f.change(BREAKS, lambda r: r["kind"] == "BATCH", last_trade=-5)),
    Plant("a clock known from nowhere", Code.REASON, lambda f: f.change(CLOCK, lambda r: r["known"], source=lambda _: None)),
    Plant("a correction of nothing", Code.REASON, lambda f: f.change(CORRECTIONS, lambda r: r["kind"] == "CORRECTION", was=lambda _: None)),
    Plant("a ratio better than it was", Code.RATIO, lambda f: f.change(WATCH, lambda r: "ratio_number" in r, ratio_number="-0.5")),
    Plant("messages forgotten", Code.RATIO, lambda f: f.change(WATCH, lambda r: "ratio_number" in r, messages=lambda v: v + 3)),
    Plant("a ratio without a transaction", Code.RATIO, lambda f: f.change(WATCH, lambda r: r.get("transactions") == 0, ratio_number=lambda _: "1")),
    Plant("a case below its bound", Code.CASE, lambda f: f.change(WATCH, is_case, score=999)),
    Plant("a case that ends before it begins", Code.CASE, lambda f: f.change(WATCH, is_case, to="2026-08-16T00:00:00.000000000Z")),
    Plant("a case under another record", Code.CASE, lambda f: f.change(WATCH, is_case, records=lambda v: v + " 7")),
    Plant("a practice of nobody", Code.FIELD_FORMAT, lambda f: f.change(WATCH, is_case, practice="boredom")),
    Plant("more is given than got", Code.SHARES, lambda f: f.change(MARGIN, lambda r: r["kind"] == "SHARED", amount="777")),
    Plant("a share is left out", Code.SHARES, lambda f: f.drop(MARGIN, lambda r: r["kind"] == "SHARED")),
    Plant("a step of no liquidation", Code.FIELD_FORMAT, lambda f: f.change(MARGIN, lambda r: r["kind"] == "FLAGGED", kind="SEIZED")),
    # keys
    Plant("a row twice", Code.KEY_ORDER, lambda f: f.repeat(PHASES, lambda _: True)),
    Plant("two rows change places", Code.KEY_ORDER, lambda f: f.write(ORACLE, list(reversed(f.rows(ORACLE))))),
    Plant("a sequence number again", Code.SEQUENCE_ORDER, lambda f: f.change(ORDERS, event("CAME"), f15_sequence="1")),
    Plant("an order enters again", Code.ENTERED_TWICE, lambda f: f.repeat(ORDERS, event("NEWO"), place=10**5)),
    Plant("a third side", Code.SIDES_TOO_MANY, lambda f: f.repeat(ORDERS, event("PARF"), place=10**5)),
    # links
    Plant("an order that never entered", Code.NEVER_ENTERED, lambda f: f.drop(ORDERS, event("NEWO"))),
    Plant("an order under another number", Code.NEVER_ENTERED, lambda f: f.change(ORDERS, event("CAME"), f20_order="999999999")),
    Plant("cancelled after its end", Code.AFTER_END, lambda f: f.repeat(ORDERS, event("CAME"), place=10**5)),
    Plant("a fill is left out", Code.REMAINING_BREAKS, lambda f: f.drop(ORDERS, event("PARF", x_of="order"))),
    Plant("less is cancelled than remained", Code.REMAINING_BREAKS, lambda f: f.change(ORDERS, event("CAME"), x_ended="0.0001")),
    Plant("priority without a reason", Code.PRIORITY_MOVED, lambda f: f.change(ORDERS, event("CAME"), f13_priority_time="2026-08-16T00:00:00.000000000Z")),
    Plant("one side is missing", Code.SIDE_MISSING, lambda f: f.drop(ORDERS, event("FILL", x_of="order"))),
    Plant("the sides name two prices", Code.SIDES_DISAGREE, lambda f: f.change(ORDERS, event("PARF"), f28_traded_price="0.07")),
    Plant("both sides buy", Code.SIDES_DISAGREE, lambda f: touch_two(f, side="BUYI")),
    Plant("a trade without order events", Code.TRADE_UNLINKED, lambda f: touch_two(f, transaction="T999999")),
    Plant("order events without a trade", Code.TRADE_UNLINKED, lambda f: [f.drop(TRADES, is_trade) for _ in range(2)]),
    Plant("a trade at another price", Code.TRADE_UNLINKED, lambda f: touch_two(f, price="1", premium="1", quantity="1")),
    Plant("a trade of another account", Code.TRADE_UNLINKED, lambda f: f.change(TRADES, is_trade, account=99)),
    Plant("a series that is not listed", Code.INSTRUMENT_UNKNOWN, lambda f: f.change(ORDERS, event("NEWO"), f17_book="999")),
    Plant("an instrument is left out", Code.INSTRUMENT_UNKNOWN, lambda f: f.drop(INSTRUMENTS, lambda r: r.get("volume", "0") != "0")),
    Plant("settled and never traded", Code.CHAIN_UNLINKED, lambda f: f.change(CHAIN, lambda r: r["x_kind"] == "TRADE", f13_record="T888888")),
    Plant("settled in another quantity", Code.CHAIN_UNLINKED, lambda f: f.change(CHAIN, lambda r: r["x_kind"] == "TRADE", f05_amount="777")),
    Plant("settled to another", Code.CHAIN_UNLINKED, lambda f: f.change(CHAIN, lambda r: r["x_kind"] == "TRADE", f10_to="A99")),
    Plant("the message says otherwise", Code.MESSAGE_DIFFERS, lambda f: message(f, lambda t: t.replace('"BuySellInd":"BUYI"', '"BuySellInd":"SELL"', 1))),
    Plant("the message is no JSON", Code.MESSAGE_DIFFERS, lambda f: message(f, lambda t: t[:-5])),
    Plant("MiCA says otherwise", Code.MICA_DIFFERS, lambda f: f.change(MICA, lambda r: r.get("23_limit", "NOAP") != "NOAP", f23_limit="0.07")),
    Plant("MiCA names another account", Code.MICA_DIFFERS, lambda f: f.change(MICA, lambda _: True, f01_submitter="A99")),
    Plant("the trail leaves one out", Code.TRAIL_DIFFERS, lambda f: trail(f, lambda lines: lines[:7] + lines[8:])),
    Plant("the trail has one too many", Code.TRAIL_DIFFERS, lambda f: trail(f, lambda lines: [*lines, lines[-1]])),
    Plant("an order changes hands", Code.ORDER_TURNED, lambda f: f.change(ORDERS, event("CAME"), x_account=99)),
    Plant("an order changes its book", Code.ORDER_TURNED, lambda f: f.change(ORDERS, event("CAME"), f17_book="77")),
    Plant("a case of trades that are none", Code.CASE_UNLINKED, lambda f: f.change(WATCH, is_case, trades=lambda _: "888888")),
    # against the journal
    Plant("a row is missing", Code.ROW_MISSING, lambda f: f.drop(ORACLE, lambda r: r["kind"] == "FORWARD"), journal=True),
    Plant("a whole table is empty", Code.ROW_MISSING, lambda f: f.write(PHASES, []), journal=True),
    Plant("a row nobody wrote", Code.ROW_SURPLUS, lambda f: f.repeat(ADMIN, lambda _: True, place=1), journal=True),
    Plant("a row after the last", Code.ROW_SURPLUS, lambda f: f.write(PHASES, [*f.rows(PHASES), f.rows(PHASES)[-1] | {"jseq": 10**6}]), journal=True),
    Plant("a value nobody wrote", Code.ROW_DIFFERS, lambda f: f.change(ORACLE, lambda r: r["kind"] == "MARK", value="0.07"), journal=True),
    Plant("another digest of the state", Code.MANIFEST_DIFFERS, lambda f: f.manifest(lambda m: setattr(m, "state_digest", "00")), journal=True),
    Plant("a case is kept back", Code.ROW_MISSING, lambda f: f.drop(WATCH, is_case), journal=True),
    Plant("a flag is kept back", Code.ROW_MISSING, lambda f: f.drop(MARGIN, lambda r: r["kind"] == "FLAGGED"), journal=True),
    # what the folder says of itself
    Plant("a clean bill", Code.VALIDATION_DIFFERS, clean_bill, reseal=False),
    Plant("another folder's validation", Code.VALIDATION_DIFFERS, lambda f: (f.path / VALIDATION).write_text("{}"), reseal=False),
    Plant("no validation", Code.FILE_MISSING, lambda f: (f.path / VALIDATION).unlink(), reseal=False),
    # persons
    Plant("persons sealed with another key", Code.PERSONS_SEALED, lambda f: write_persons(f.path, read_persons(f.path, PERSONS_KEY), b"q" * 32), reseal=False),
    Plant("persons of another manifest", Code.PERSONS_SEALED, lambda f: f.manifest(lambda m: setattr(m, "venue", "another")), reseal=False),
    Plant("somebody else is named", Code.PERSON_WRONG, lambda f: persons(f, named), reseal=False),
    Plant("the erased are remembered", Code.PERSON_WRONG, lambda f: persons(f, remembered), reseal=False),
    Plant("nobody is named", Code.PERSON_MISSING, lambda f: persons(f, lambda _: []), reseal=False),
    Plant("one commitment is kept back", Code.PERSON_MISSING, lambda f: persons(f, lambda rows: rows[:-1]), reseal=False, journal=True),
    # tampering
    Plant("somebody else's signature", Code.SIGNATURE, forge_signature, reseal=False),
    Plant("another manifest was signed", Code.SIGNATURE, change_signed, reseal=False),
    Plant("a record with another leaf", Code.LEAF, lambda f: f.change(JOURNAL, lambda r: r["jseq"] > 9, leaf="00" * 32)),
    Plant("records change places", Code.LEAF, swap_records),
    Plant("a record that is none", Code.LEAF, lambda f: f.change(JOURNAL, lambda r: r["jseq"] > 9, record="AAAA")),
    Plant("another root", Code.ROOT, span(root_after="00" * 32)),
    Plant("a frontier that does not fit", Code.ROOT, span(frontier=["00" * 32])),
    Plant("another root before", Code.ROOT, span(root_before="00" * 32)),
    Plant("another root at a batch", Code.ANCHOR, anchors),
    Plant("a batch after the day", Code.ANCHOR, late_anchor),
    Plant("a record left out", Code.RECORD_GAP, lambda f: f.drop(JOURNAL, lambda r: r["jseq"] == 100)),
]  # fmt: skip


def copy_of(folder: Path, target: Path) -> Folder:
    shutil.copytree(folder, target)
    return Folder(target)
