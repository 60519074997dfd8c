"""The folder of a day: tables in the formats asked for, the two messages, the manifest and its signature.

Everything in it follows from the journal, the day, the formats and, of the signature, the key: whoever has these writes
the same bytes. Imports day, tables and, for a signature, exchange.signing.
"""

import shutil
from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import msgspec

from exchange.codec import SCHEMA_FP
from exchange.core.legs import Legs
from replay.export import auth113, cat, rows, texts
from replay.export.day import LINES_ONLY, TABLES, Range, Taker, Told, walk
from replay.export.tables import FORMATS, Row, Table, Writer, pyarrow_version
from replay.findings import CannotRun
from replay.frames import Progress

MANIFEST: Final = "00_manifest.json"
SIGNATURE: Final = "00_manifest.sig"
LAYOUT: Final = 1
"""Grows whenever the same journal gives other bytes than before."""
SCHEME: Final = "secp256k1 over SHA-256 of the manifest, r s v"


class Entry(msgspec.Struct, kw_only=True):
    """A file of the folder; of a table also how many rows it has, of which records, and the digest of its rows."""

    name: str
    bytes: int
    sha256: str
    table: str = ""
    rows: int = 0
    first_seq: int = 0
    last_seq: int = 0
    rows_sha256: str = ""


class Manifest(msgspec.Struct, kw_only=True):
    """What the folder is, and how it hangs together with the journal."""

    layout: int
    venue: str
    day: str
    starts: str
    ends: str
    chain_id: int
    clearing: str
    schema: str
    version: str
    formats: list[str]
    pyarrow: str
    state_seq: int
    state_digest: str
    journal: Range
    files: list[Entry]


class Signature(msgspec.Struct, kw_only=True):
    """Who vouches for a manifest."""

    scheme: str
    signer: str
    signature: str


_encode: Final = msgspec.json.Encoder(order="sorted").encode


def canonical(value: Any) -> bytes:
    """Sorted keys, an indent of one, a line feed at the end."""
    return msgspec.json.format(_encode(value), indent=1) + b"\n"


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
    progress: Progress | None = None,
) -> Manifest:
    """Write the folder of a day to ``out``, which must not exist or be empty. Raises CannotRun, Diverged.

    It is written beside its place first: a folder at ``out`` is a whole one.
    """
    if "parquet" in formats and pyarrow_version() is None:
        raise CannotRun("Parquet needs pyarrow: install verbatim-exchange[export]")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CannotRun(f"{out} is there already")
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        manifest = _fill(journal, day, partial, formats, key, progress)
        if out.exists():
            out.rmdir()
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def _fill(
    journal: Path, day: date, partial: Path, formats: Sequence[str], key: bytes | None, progress: Progress | None
) -> Manifest:
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
    return manifest


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        found = sha256()
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


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


def manifest_of(told: Told, formats: list[str], entries: list[Entry]) -> Manifest:
    """The manifest of a day that was walked through, over these files."""
    start_ns, end_ns = texts.bounds_of(told.day)
    config = told.state.config
    return Manifest(
        layout=LAYOUT,
        venue=config.venue if config is not None else "",
        day=f"{told.day}",
        starts=texts.moment(start_ns),
        ends=texts.moment(end_ns),
        chain_id=config.chain_id if config is not None else 0,
        clearing=f"0x{config.clearing.hex()}" if config is not None else "",
        schema=SCHEMA_FP.hex(),
        version=_version(),
        formats=formats,
        pyarrow=(pyarrow_version() or "") if "parquet" in formats else "",
        state_seq=told.state.seq,
        state_digest=told.digest,
        journal=told.range,
        files=entries,
    )


def _version() -> str:
    try:
        return version("verbatim-exchange")
    except PackageNotFoundError:
        return "not installed"


def _sign(key: bytes, data: bytes) -> Signature:
    from exchange.signing import address_of, sign, to_hex  # noqa: PLC0415 - needs secp256k1, which an export does not

    signature = sign(key, sha256(data).digest())
    return Signature(scheme=SCHEME, signer=to_hex(address_of(key)), signature=signature.hex())


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a folder. Raises CannotRun without one."""
    try:
        return msgspec.json.decode((directory / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise CannotRun(f"{directory} has no manifest that can be read: {error}") from error
