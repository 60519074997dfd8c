"""The verdict on a folder: files, fields, rows among themselves, links, and, with the journal, both ways against it.

Owns the order of the checks and what is read of a table: the first of its forms that is there; of the others only that
they hold the same rows. Imports everything else in here.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from exchange.core.state_types import Identity
from replay.export.acts import JOURNAL
from replay.export.checks import cells, orders, others, replayed
from replay.export.checks.files import Messages, Slice, inventory, signed_by
from replay.export.checks.findings import Code, Finding, of_file, of_row
from replay.export.day import TABLES
from replay.export.manifest import LAYOUT, MANIFEST, VALIDATION, Entry, Manifest, canonical, digest_of, read_manifest
from replay.export.rows import MICA_ORDERS, ORDERS
from replay.export.tables import FORMATS, Row, Table, Unreadable, line_of, read_rows
from replay.findings import CannotRun
from replay.frames import Progress

FINDINGS_MAX: Final = 1_000
"""Findings kept; beyond that they are only counted."""
ENCLOSED_MAX: Final = 100
"""Findings that file 16 repeats."""


class Report(msgspec.Struct, kw_only=True):
    """What was looked at and what was found, with the rows it was found in. ``journal``: compared with one."""

    directory: str
    day: str
    venue: str
    files: int
    rows: int = 0
    signer: str = ""
    journal: bool = False
    findings: list[Finding] = []
    findings_omitted: int = 0
    by_code: dict[str, int] = {}

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.by_code


def validate(
    directory: Path, journal: Path | None = None, progress: Progress | None = None, persons_key: bytes | None = None
) -> Report:
    """Check a folder; with the key, file P too. Raises CannotRun without a manifest or a Parquet reader, Diverged."""
    if not directory.is_dir():
        raise CannotRun(f"there is no folder at {directory}")
    return _Run(directory, read_manifest(directory)).through(journal, progress, persons_key)


class Enclosed(msgspec.Struct, kw_only=True):
    """File 16: what validating the folder gives, for whoever has no tool for it; ``found`` counts each code."""

    layout: int
    manifest_sha256: str
    files: int
    rows: int
    looked_for: list[str]
    found: dict[str, int]
    findings: list[Finding]


def validation_of(directory: Path) -> bytes:
    """File 16 of a folder, from everything else in it."""
    run = _Run(directory, read_manifest(directory))
    run.by_itself()
    return run.enclosed()


class _Run:
    """One validation under way."""

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        self._directory, self._manifest = directory, manifest
        self._orders = orders.Orders(manifest.day)
        self._others = others.Others(self._orders)
        self._slice = Slice(manifest)
        self._named: dict[str, None] = {}
        self.report = Report(
            directory=str(directory), day=manifest.day, venue=manifest.venue, files=len(manifest.files)
        )

    def through(self, journal: Path | None, progress: Progress | None, persons_key: bytes | None) -> Report:
        """All checks, the dearest last."""
        self.by_itself()
        self._add(self._beside_itself())
        identities: list[Identity] = []
        if journal is not None:
            self.report.journal = True
            rows = {table.name: self._rows(table) for table in TABLES}
            findings, identities = replayed.compare(journal, self._manifest, rows, progress)
            self._add(findings)
        if persons_key is not None:
            from replay.export.persons import check_persons  # noqa: PLC0415 - needs cryptography

            told = identities if journal is not None else None
            self._add(check_persons(self._directory, persons_key, self._named, told))
        return self.report

    def by_itself(self) -> None:
        """What the folder says of itself."""
        self._add(inventory(self._directory, self._manifest))
        self.report.signer, wrong = signed_by(self._directory)
        self._add(wrong)
        for table in TABLES:
            self._check_table(table)
        self._add(self._orders.finish())
        self._add(self._others.finish())
        self._add(self._slice.finish())

    def enclosed(self) -> bytes:
        """What was found so far, as file 16."""
        report = self.report
        return canonical(
            Enclosed(
                layout=LAYOUT,
                manifest_sha256=digest_of(self._directory / MANIFEST),
                files=report.files,
                rows=report.rows,
                looked_for=[code for code in Code if code[0] not in "RVP"],
                found=report.by_code,
                findings=report.findings[:ENCLOSED_MAX],
            )
        )

    def _beside_itself(self) -> Iterator[Finding]:
        """The validation that lies in the folder is this one."""
        try:
            enclosed = (self._directory / VALIDATION).read_bytes()
        except FileNotFoundError:
            yield of_file(Code.FILE_MISSING, VALIDATION)
            return
        if enclosed != self.enclosed():
            yield of_file(Code.VALIDATION_DIFFERS, VALIDATION)

    def _add(self, findings: Iterable[Finding]) -> None:
        report = self.report
        for finding in findings:
            report.by_code[finding.code] = report.by_code.get(finding.code, 0) + 1
            if len(report.findings) < FINDINGS_MAX:
                report.findings.append(finding)
            else:
                report.findings_omitted += 1

    # -- tables -------------------------------------------------------------------------------------------------------

    def _forms(self, table: Table) -> list[Entry]:
        """The files of a table that are there, the one to read first."""
        entries = {entry.name: entry for entry in self._manifest.files if entry.table == table.name}
        names = [f"{table.name}.{form}" for form in FORMATS]
        return [entries[name] for name in names if name in entries and (self._directory / name).is_file()]

    def _rows(self, table: Table) -> Iterator[Row]:
        forms = self._forms(table)
        return read_rows(self._directory / forms[0].name, table) if forms else iter(())

    def _check_table(self, table: Table) -> None:
        forms = self._forms(table)
        if not forms:
            if not any(entry.table == table.name for entry in self._manifest.files):
                self._add([of_file(Code.FILE_MISSING, table.name)])
            return
        for place, entry in enumerate(forms):
            self._read(table, entry, is_first=place == 0)

    def _read(self, table: Table, entry: Entry, *, is_first: bool) -> None:
        """One file of a table: what it holds in all and, of the first form, what each row says."""
        count, digest, last, first_seq = 0, sha256(), (0, -1), 0
        check = self._checks(table, entry.name) if is_first else None
        try:
            for row in read_rows(self._directory / entry.name, table):
                count, key = count + 1, (int(row["jseq"]), int(row["place"]))
                digest.update(line_of(row))
                first_seq = first_seq or key[0]
                if check is not None:
                    if key <= last:
                        self._add([of_row(Code.KEY_ORDER, entry.name, row, "jseq", f"{key} after {last}")])
                    self._add(check.take(row))
                last = key
        except Unreadable as error:
            self._add([of_file(Code.FILE_UNREADABLE, entry.name, str(error))])
            return
        if check is not None:
            self._add(check.finish())
            self.report.rows += count
        self._add(_totals(entry, count, digest.hexdigest(), first_seq, last[0]))

    def _checks(self, table: Table, file: str) -> "_Checks":
        return _Checks(self, table, file)

    def row_faults(self, table: Table, file: str, row: Row) -> Iterator[Finding]:
        """What is wrong with a row of any table."""
        yield from cells.faults(table, file, row, self._manifest.day)
        if table is ORDERS:
            self._named |= {str(row["x_commitment"]): None} if "x_commitment" in row else {}
            yield from self._orders.take(row)
        elif table is JOURNAL:
            yield from self._slice.take(row)
        yield from self._others.take(table.name, row)

    def beside(self, table: Table) -> tuple[Messages | None, Iterator[Row]]:
        """What is read along with order events: their other forms."""
        if table is not ORDERS:
            return None, iter(())
        return Messages(self._directory, self._others.names), self._rows(MICA_ORDERS)


class _Checks:
    """Every check of the rows of one table."""

    def __init__(self, run: _Run, table: Table, file: str) -> None:
        self._run, self._table, self._file = run, table, file
        self._messages, self._mica = run.beside(table)

    def take(self, row: Row) -> Iterator[Finding]:
        """The next row."""
        yield from self._run.row_faults(self._table, self._file, row)
        if self._messages is not None:
            yield from self._messages.take(row)
            mica = replayed.next_row(self._mica)
            if mica is not None:
                yield from orders.mica_faults(row, mica)

    def finish(self) -> Iterator[Finding]:
        """That was the last."""
        if self._messages is not None:
            yield from self._messages.finish()


def _totals(entry: Entry, count: int, digest: str, first: int, last: int) -> Iterator[Finding]:
    if count != entry.rows:
        yield of_file(Code.FILE_ROWS, entry.name, f"{count} and {entry.rows}")
    if digest != entry.rows_sha256:
        yield of_file(Code.FORMS_DIFFER, entry.name)
    if (first, last) != (entry.first_seq, entry.last_seq):
        yield of_file(Code.FILE_RECORDS, entry.name, f"{first} to {last}, not {entry.first_seq} to {entry.last_seq}")
