"""The folder of a day: tables in the formats asked for, the two messages, the manifest and its signature.

Everything in it follows from the journal, the day, the formats and, of the signature, the key: whoever has these writes
the same bytes. Imports day, tables and, for a signature, exchange.signing.
"""

import shutil
from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from exchange.core.legs import Legs
from exchange.core.state_types import Identity
from replay.export import auth113, cat, rows
from replay.export.checks.validate import validation_of
from replay.export.day import LINES_ONLY, TABLES, Taker, walk
from replay.export.manifest import (
    MANIFEST,
    SCHEME,
    SIGNATURE,
    VALIDATION,
    Entry,
    Manifest,
    Signature,
    canonical,
    digest_of,
    manifest_of,
)
from replay.export.tables import FORMATS, Row, Table, Writer, pyarrow_version
from replay.findings import CannotRun
from replay.frames import Progress

if TYPE_CHECKING:
    from replay.identities import Store


class Persons(NamedTuple):
    """Where names are, and the key that file P is sealed with."""

    store: "Store"
    key: bytes


class _Files(Taker):
    """Rows on their way into files."""

    def __init__(self, directory: Path, day: date, formats: Sequence[str]) -> None:
        self.writers = {
            table.name: Writer(directory, table, ("ndjson",) if table in LINES_ONLY else formats) for table in TABLES
        }
        self.message = auth113.Message(directory, f"{day}")
        self.cat = cat.Trail(directory)
        self.mic = ""

    def row(self, table: Table, jseq: int, row: Row) -> None:
        if table is rows.ORDERS:
            self.mic = str(row.get("16_mic", self.mic))
        self.writers[table.name].take(jseq, row)

    def order(self, row: Row, legs: Legs) -> None:
        self.message.take(row, legs)

    def trail(self, record: dict[str, Any]) -> None:
        self.cat.take(record)

    def close(self, mic: str) -> None:
        for writer in self.writers.values():
            writer.close()
        self.message.close(mic)
        self.cat.close()


def export(
    journal: Path,
    day: date,
    out: Path,
    *,
    formats: Sequence[str] = ("ndjson",),
    key: bytes | None = None,
    persons: Persons | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """Write the folder of a day to ``out``, which must not exist or be empty; with ``persons`` file P too.

    It is written beside its place first: a folder at ``out`` is a whole one. Raises CannotRun, Diverged.
    """
    if "parquet" in formats and pyarrow_version() is None:
        raise CannotRun("Parquet needs pyarrow: install verbatim-exchange[export]")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CannotRun(f"{out} is there already")
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        manifest, identities = _fill(journal, day, partial, formats, key, progress)
        (partial / VALIDATION).write_bytes(validation_of(partial))
        if persons is not None:
            from replay.export.persons import rows_of, write_persons  # noqa: PLC0415 - needs cryptography

            write_persons(partial, rows_of(identities, persons.store), persons.key)
        if out.exists():
            out.rmdir()
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def _fill(
    journal: Path, day: date, partial: Path, formats: Sequence[str], key: bytes | None, progress: Progress | None
) -> tuple[Manifest, list[Identity]]:
    formats = [name for name in FORMATS if name in formats]
    files = _Files(partial, day, formats)
    try:
        told = walk(journal, day, files, progress)
    finally:
        files.close(files.mic)
    manifest = manifest_of(told, formats, _entries(partial, files.writers))
    data = canonical(manifest)
    (partial / MANIFEST).write_bytes(data)
    if key is not None:
        (partial / SIGNATURE).write_bytes(canonical(_sign(key, data)))
    return manifest, told.identities


def _entries(directory: Path, writers: dict[str, Writer]) -> list[Entry]:
    entries = []
    for path in sorted(directory.iterdir()):
        entry = Entry(name=path.name, bytes=path.stat().st_size, sha256=digest_of(path))
        writer = writers.get(path.stem)
        if writer is not None:
            entry.table, entry.rows, entry.rows_sha256 = path.stem, writer.rows, writer.digest
            entry.first_seq, entry.last_seq = writer.first, writer.last
        entries.append(entry)
    return entries


def _sign(key: bytes, data: bytes) -> Signature:
    from exchange.signing import address_of, sign, to_hex  # noqa: PLC0415 - needs secp256k1, which an export does not

    signature = sign(key, sha256(data).digest())
    return Signature(scheme=SCHEME, signer=to_hex(address_of(key)), signature=signature.hex())
