"""Commands for the regulator: ``export``, the folder of a venue day, and ``export validate``. Imports replay.export."""

import argparse
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec

from replay import terminal
from replay.cli.common import CLEAN, FOUND, add_bare, emit
from replay.findings import CannotRun
from replay.source import open_source

FORMATS: Final = ("ndjson", "csv", "parquet")
KEY_BYTES: Final = 32


def add_to(commands: Any) -> None:
    """The command of this module and its arguments."""
    text = "Write one venue day for the regulator, from the journal alone; or check such a folder: export validate DIR."
    command = add_bare(commands, "export", _run, text)
    command.add_argument("what", nargs="+", metavar="JOURNAL", help="the journal file; or validate and a folder")
    command.add_argument("--day", type=_day, help="the UTC day, as YYYY-MM-DD")
    command.add_argument("--out", type=Path, metavar="DIR", help="a folder that is not there yet")
    command.add_argument(
        "--format", type=_formats, default=FORMATS[:2], metavar="LIST", help="of parquet, csv, ndjson (ndjson,csv)"
    )
    command.add_argument("--key", type=Path, metavar="FILE", help="sign the manifest with the private key in this file")
    command.add_argument("--identities", type=Path, metavar="STORE", help="write file P too, from this store")
    command.add_argument("--identities-key", type=Path, metavar="FILE", help="the key of that store")
    command.add_argument("--persons-key", type=Path, metavar="FILE", help="the key that file P is sealed with")
    command.add_argument("--journal", type=Path, help="validate: compare with what this journal gives, both ways")
    command.set_defaults(refuse=command.error)


def _run(options: argparse.Namespace) -> int:
    """Which of the two it is; the wrong arguments end as argparse ends."""
    match options.what:
        case ["validate", folder]:
            return _validate(options, Path(folder))
        case [journal] if options.day is not None and options.out is not None and options.journal is None:
            return _export(options, Path(journal))
        case _:
            options.refuse("either JOURNAL --day YYYY-MM-DD --out DIR, or validate DIR [--journal JOURNAL]")
            raise AssertionError("argparse has ended the process")


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


def _export(options: argparse.Namespace, journal: Path) -> int:
    from replay.export.package import export  # noqa: PLC0415 - the other commands do without

    key, persons = _key(options.key), _persons(options)
    total = open_source(journal).last_seq
    with terminal.progress(total, not options.json) as progress:
        manifest = export(
            journal, options.day, options.out, formats=options.format, key=key, persons=persons, progress=progress
        )
    emit(options, {"ok": True, "out": str(options.out), "manifest": manifest}, lambda: _lines(options.out, manifest))
    return CLEAN


def _persons(options: argparse.Namespace) -> Any:
    """Where file P comes from, if it is asked for. Raises CannotRun."""
    asked = (options.identities, options.identities_key, options.persons_key)
    if not any(asked):
        return None
    if not all(asked):
        raise CannotRun("file P needs all of --identities, --identities-key and --persons-key")
    from replay.export.package import Persons  # noqa: PLC0415 - as above
    from replay.identities import Store, read_key  # noqa: PLC0415 - needs cryptography

    return Persons(Store(options.identities, read_key(options.identities_key)), read_key(options.persons_key))


def _lines(out: Path, manifest: Any) -> list[str]:
    """What was written, for people."""
    from replay.export.manifest import PERSONS  # noqa: PLC0415 - as above

    span = manifest.journal
    lines = [
        f"day        {manifest.day} of venue {manifest.venue}",
        f"records    {span.before + 1:,} to {span.after:,} of the journal",
        f"digest     {manifest.state_digest}",
        *(f"{entry.rows:>10,} rows  {entry.bytes:>12,} bytes  {entry.name}" for entry in manifest.files),
    ]
    lines += [f"           file P, {(out / PERSONS).stat().st_size:,} bytes"] if (out / PERSONS).is_file() else []
    return [*lines, f"written    {out}"]


def _validate(options: argparse.Namespace, folder: Path) -> int:
    from replay.export.checks.validate import validate  # noqa: PLC0415 - as above

    persons_key = None
    if options.persons_key is not None:
        from replay.identities import read_key  # noqa: PLC0415 - needs cryptography

        persons_key = read_key(options.persons_key)
    total = open_source(options.journal).last_seq if options.journal is not None else 0
    with terminal.progress(total, not options.json) as progress:
        report = validate(folder, options.journal, progress, persons_key)
    emit(options, {"ok": report.ok, **msgspec.structs.asdict(report)}, lambda: _verdict(report))
    return CLEAN if report.ok else FOUND


def _verdict(report: Any) -> list[str]:
    """The lines of a verdict, offending rows included."""
    lines = [
        f"day        {report.day} of venue {report.venue}",
        f"files      {report.files:,}, {report.rows:,} rows",
        f"signed     {report.signer or 'by nobody'}",
        f"journal    {'compared both ways' if report.journal else 'not compared'}",
    ]
    for each in report.findings[: terminal.SHOWN_MAX]:
        where = f" seq {each.jseq:,}, row {each.place}" if each.row is not None else ""
        lines.append(f"{each.code} {each.file}{where}: {each.sentence}")
        if each.row is not None:
            lines.append("    " + msgspec.json.encode(each.row, order="sorted").decode())
    more = sum(report.by_code.values()) - min(len(report.findings), terminal.SHOWN_MAX)
    lines += [f"and {more:,} more findings"] if more else []
    return [*lines, "verdict    " + ("the folder is sound" if report.ok else "the folder is not sound")]
