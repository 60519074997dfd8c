"""The folder against the journal: every row that the journal gives, and no other. Imports day, package, findings.

The journal is walked once more and its rows are merged with those of the folder, table by table; both ascend by key, so
neither is held in memory.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

from exchange.core.legs import Legs
from exchange.core.state_types import Identity
from replay.export.checks.findings import Code, Finding, of_file, of_row
from replay.export.day import TABLES, Taker, walk
from replay.export.manifest import MANIFEST, Manifest, manifest_of
from replay.export.tables import Row, Table, Unreadable
from replay.frames import Progress

_TOLD: Final = ("state_seq", "state_digest", "journal", "venue", "chain_id", "clearing", "schema", "starts", "ends")


class Comparison(Taker):
    """Rows of the journal on one side, rows of files on the other."""

    def __init__(self, rows: dict[str, Iterator[Row]]) -> None:
        self._rows = rows
        self._next = {name: next_row(iterator) for name, iterator in rows.items()}
        self._keys: dict[str, tuple[int, int]] = {}
        self.findings: list[Finding] = []

    def row(self, table: Table, jseq: int, row: Row) -> None:
        """The next row that the journal gives of a table."""
        name = table.name
        last, place = self._keys.get(name, (0, -1))
        key = self._keys[name] = (jseq, place + 1 if jseq == last else 0)
        due: Row = {"jseq": key[0], "place": key[1], **row}
        while (found := self._next.get(name)) is not None and _key(found) < key:
            self.findings.append(of_row(Code.ROW_SURPLUS, name, found))
            self._advance(name)
        if found is None or _key(found) != key:
            self.findings.append(of_row(Code.ROW_MISSING, name, due))
            return
        if found != due:
            differ = [field for field in due.keys() | found.keys() if due.get(field) != found.get(field)]
            self.findings.append(
                of_row(Code.ROW_DIFFERS, name, found, min(differ), f"{min(differ)} is {due.get(min(differ))!r}")
            )
        self._advance(name)

    def _advance(self, name: str) -> None:
        self._next[name] = next_row(self._rows[name])

    def order(self, row: Row, legs: Legs) -> None:
        """The message is held against the rows."""

    def trail(self, record: dict[str, Any]) -> None:
        """So is the audit trail."""

    def finish(self) -> None:
        """What is left in files is too much."""
        for name in self._rows:
            while (found := self._next[name]) is not None:
                self.findings.append(of_row(Code.ROW_SURPLUS, name, found))
                self._advance(name)


def next_row(rows: Iterator[Row]) -> Row | None:
    """The next row; none after a line that cannot be read, which the files themselves are blamed for."""
    try:
        return next(rows, None)
    except Unreadable:
        return None


def _key(row: Row) -> tuple[int, int]:
    return int(row["jseq"]), int(row["place"])


def compare(
    journal: Path, manifest: Manifest, rows: dict[str, Iterator[Row]], progress: Progress | None
) -> tuple[list[Finding], list[Identity]]:
    """What differs, and the commitments that were in force on the day. Raises Diverged, CannotRun."""
    comparison = Comparison({table.name: rows.get(table.name, iter(())) for table in TABLES})
    told = walk(journal, date.fromisoformat(manifest.day), comparison, progress)
    comparison.finish()
    due = manifest_of(told, manifest.formats, manifest.files)
    differ = [name for name in _TOLD if getattr(due, name) != getattr(manifest, name)]
    findings = [*comparison.findings, *(of_file(Code.MANIFEST_DIFFERS, MANIFEST, name) for name in differ)]
    return findings, told.identities
