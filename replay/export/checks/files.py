"""Files against the manifest, the manifest against its signature, and the slice of the journal against the tree.

Imports findings, package, auth113, the Merkle tree.
"""

import base64
import binascii
import bz2
import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from exchange.core.legs import Leg
from journal.merkle import Tree
from journal.record import decode_record, leaf_hash
from replay.export import auth113, cat
from replay.export.checks.findings import Code, Finding, of_file, of_row
from replay.export.manifest import MANIFEST, PERSONS, SIGNATURE, VALIDATION, Manifest, Signature, digest_of
from replay.export.tables import Cell, Row

_LEG: Final = "x"


def inventory(directory: Path, manifest: Manifest) -> Iterator[Finding]:
    """Every file that is named is there as it was written, and no other."""
    there = {path.name: path for path in directory.iterdir()}
    for entry in manifest.files:
        path = there.pop(entry.name, None)
        if path is None:
            yield of_file(Code.FILE_MISSING, entry.name)
            continue
        if path.stat().st_size != entry.bytes:
            yield of_file(Code.FILE_LENGTH, entry.name, f"{path.stat().st_size} and {entry.bytes} bytes")
        if digest_of(path) != entry.sha256:
            yield of_file(Code.HASH, entry.name)
    for name in sorted(there.keys() - {MANIFEST, SIGNATURE, VALIDATION, PERSONS}):
        yield of_file(Code.FILE_SURPLUS, name)


def signed_by(directory: Path) -> tuple[str, list[Finding]]:
    """Who signed the manifest, if anybody did, and what is wrong with that."""
    path = directory / SIGNATURE
    if not path.is_file():
        return "", []
    from exchange.signing import SigningError, recover, to_hex  # noqa: PLC0415 - only a signed folder needs secp256k1

    try:
        told = msgspec.json.decode(path.read_bytes(), type=Signature)
        signer = to_hex(recover(sha256((directory / MANIFEST).read_bytes()).digest(), bytes.fromhex(told.signature)))
    except (msgspec.MsgspecError, SigningError, ValueError) as error:
        return "", [of_file(Code.SIGNATURE, SIGNATURE, str(error))]
    if signer != told.signer:
        return "", [of_file(Code.SIGNATURE, SIGNATURE, f"{signer} signed, not {told.signer}")]
    return signer, []


class Slice:
    """The day's records, hashed into the tree that the days before left."""

    FILE: Final = "15_journal.ndjson"

    def __init__(self, manifest: Manifest) -> None:
        span = manifest.journal
        self._span = span
        self._due = span.before + 1
        self._anchored = {anchor.size: anchor for anchor in span.anchored}
        try:
            self._tree: Tree | None = Tree(span.before, [bytes.fromhex(node) for node in span.frontier])
        except ValueError:
            self._tree = None

    def take(self, row: Row) -> Iterator[Finding]:
        """What is wrong with the next record."""
        seq = int(row["jseq"])
        if seq != self._due:
            yield of_row(Code.RECORD_GAP, self.FILE, row, "jseq", f"{seq} where {self._due} was due")
        self._due = seq + 1
        try:
            raw = base64.b64decode(str(row.get("record")), validate=True)
            record = decode_record(raw)
        except (binascii.Error, msgspec.MsgspecError) as error:
            yield of_row(Code.LEAF, self.FILE, row, "record", str(error))
            return
        leaf = leaf_hash(raw)
        if leaf.hex() != row.get("leaf") or (record.seq, record.time_ns) != (seq, row.get("time_ns")):
            yield of_row(Code.LEAF, self.FILE, row, "leaf")
        if self._tree is not None:
            self._tree.append(leaf)
            yield from self._anchor(row, self._tree)

    def _anchor(self, row: Row, tree: Tree) -> Iterator[Finding]:
        anchor = self._anchored.pop(tree.size, None)
        if anchor is not None and anchor.root != tree.root().hex():
            yield of_row(Code.ANCHOR, self.FILE, row, "record", f"batch {anchor.batch}")

    def finish(self) -> Iterator[Finding]:
        """The day ends at the root that the manifest names."""
        span, tree = self._span, self._tree
        if tree is None or tree.size != span.after or tree.root().hex() != span.root_after:
            yield of_file(Code.ROOT, MANIFEST, "root_after")
        elif Tree(span.before, [bytes.fromhex(node) for node in span.frontier]).root().hex() != span.root_before:
            yield of_file(Code.ROOT, MANIFEST, "root_before")
        for anchor in self._anchored.values():
            yield of_file(Code.ANCHOR, MANIFEST, f"batch {anchor.batch} at {anchor.size} is none of the day")


def legs_of(instrument: Row | None) -> tuple[Leg, ...]:
    """The legs of a combo as the instruments spell them."""
    text = str((instrument or {}).get("legs", ""))
    pairs = (part.split(_LEG) for part in text.split())
    return tuple(Leg(int(series), int(ratio)) for ratio, series in pairs)


class Messages:
    """What is written of order events beside their tables: the message and the audit trail, line by line."""

    def __init__(self, directory: Path, names: dict[Cell, Row]) -> None:
        self._names = names
        self._message = _lines_of_message(directory / auth113.NAME)
        self._trail = _lines_of_trail(directory / cat.NAME)

    def take(self, row: Row) -> Iterator[Finding]:
        """One order event is in both, as its row has it."""
        book = str(row.get("17_book"))
        legs = legs_of(self._names.get(int(book) if book.isdigit() else 0))
        if next(self._message, None) != _plain(auth113.order_of(row, legs)):
            yield of_row(Code.MESSAGE_DIFFERS, auth113.NAME, row, "15_sequence", str(row.get("15_sequence")))
        if not _tells(next(self._trail, {}), row):
            yield of_row(Code.TRAIL_DIFFERS, cat.NAME, row, "15_sequence", str(row.get("15_sequence")))

    def finish(self) -> Iterator[Finding]:
        """Neither has more."""
        for code, name, lines in (
            (Code.MESSAGE_DIFFERS, auth113.NAME, self._message),
            (Code.TRAIL_DIFFERS, cat.NAME, self._trail),
        ):
            surplus = sum(1 for _ in lines)
            if surplus:
                yield of_file(code, name, f"{surplus} order events too many")


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _lines_of_message(path: Path) -> Iterator[Any]:
    """The orders of the message; what is not JSON in the shape of one has none."""
    try:
        orders = json.loads(path.read_bytes())["OrdrBookRpt"]["OrdrRpt"][0]["New"]["Ordr"]
    except (OSError, ValueError, LookupError, TypeError):
        return
    yield from orders


def _lines_of_trail(path: Path) -> Iterator[Any]:
    try:
        data = bz2.decompress(path.read_bytes())
        records = [json.loads(line, parse_int=str, parse_float=str) for line in data.splitlines()]
    except (OSError, ValueError, EOFError):
        return
    yield from records


def _tells(record: dict[str, Any], row: Row) -> bool:
    """Whether a record of the trail is of the same event as a row: which, of whom, in what, how much is left."""
    roeid = f"{str(row.get('09_time'))[:10].replace('-', '')}_{row['jseq']}-{row['place']}"
    told = (record.get("firmROEID"), record.get("orderID"))
    left, traded = record.get("leavesQty"), row.get("39_traded")
    return (
        told == (roeid, row.get("20_order"))
        and record.get("senderIMID", f"A{row.get('x_account')}") == f"A{row.get('x_account')}"
        and left in {None, row.get("x_left")}
        and (traded is None or record.get("tradeID") == row.get("48_transaction"))
        and (str(record.get("type")).startswith("X") or row.get("21_event") not in {"REMO", "RMRJ", "PARF", "FILL"})
    )
