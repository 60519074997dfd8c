"""The command for the regulator: ``export``, the folder of a venue day. Imports replay.export."""

import argparse
from datetime import date
from pathlib import Path
from typing import Any, Final

from replay import terminal
from replay.cli.common import CLEAN, add, emit
from replay.findings import CannotRun
from replay.source import open_source

FORMATS: Final = ("ndjson", "csv", "parquet")
KEY_BYTES: Final = 32


def add_to(commands: Any) -> None:
    """The command of this module and its arguments."""
    command = add(commands, "export", _export, "Write one venue day for the regulator, from the journal alone.")
    command.add_argument("--day", required=True, type=_day, help="the UTC day, as YYYY-MM-DD")
    command.add_argument("--out", required=True, type=Path, metavar="DIR", help="a folder that is not there yet")
    command.add_argument(
        "--format", type=_formats, default=FORMATS[:2], metavar="LIST", help="of parquet, csv, ndjson (ndjson,csv)"
    )
    command.add_argument("--key", type=Path, metavar="FILE", help="sign the manifest with the private key in this file")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: {error}") from error


def _formats(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in FORMATS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(FORMATS)}")
    return names


def _key(path: Path | None) -> bytes | None:
    """A private key: 64 hex digits. Raises CannotRun, without a word of what the file holds."""
    if path is None:
        return None
    try:
        key = bytes.fromhex(path.read_text().strip().removeprefix("0x"))
    except (OSError, ValueError) as error:
        raise CannotRun(f"{path} holds no private key") from error
    if len(key) != KEY_BYTES:
        raise CannotRun(f"{path} holds no private key")
    return key


def _export(options: argparse.Namespace) -> int:
    from replay.export.package import export  # noqa: PLC0415 - the other commands do without

    key = _key(options.key)
    total = open_source(options.journal).last_seq
    with terminal.progress(total, not options.json) as progress:
        manifest = export(options.journal, options.day, options.out, formats=options.format, key=key, progress=progress)
    emit(options, {"ok": True, "out": str(options.out), "manifest": manifest}, lambda: _lines(options.out, manifest))
    return CLEAN


def _lines(out: Path, manifest: Any) -> list[str]:
    """What was written, for people."""
    span = manifest.journal
    lines = [
        f"day        {manifest.day} of venue {manifest.venue}",
        f"records    {span.before + 1:,} to {span.after:,} of the journal",
        f"digest     {manifest.state_digest}",
        *(f"{entry.rows:>10,} rows  {entry.bytes:>12,} bytes  {entry.name}" for entry in manifest.files),
    ]
    return [*lines, f"written    {out}"]
