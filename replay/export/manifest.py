"""The manifest of a day's folder: what is in it, and how it hangs together with the journal. Imports day, tables."""

from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import msgspec

from exchange.codec import SCHEMA_FP
from replay.export import texts
from replay.export.day import Range, Told
from replay.export.tables import pyarrow_version
from replay.findings import CannotRun

MANIFEST: Final = "00_manifest.json"
SIGNATURE: Final = "00_manifest.sig"
VALIDATION: Final = "16_validation.json"
PERSONS: Final = "P_persons.restricted"
LAYOUT: Final = 2
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


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        found = sha256()
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


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


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a folder. Raises CannotRun without one."""
    try:
        return msgspec.json.decode((directory / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise CannotRun(f"{directory} has no manifest that can be read: {error}") from error
