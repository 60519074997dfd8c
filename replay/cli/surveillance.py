"""``surveil``: cases to look at, each with its records, and ratios of orders to trades. Imports replay.surveil."""

import argparse
from pathlib import Path
from typing import Any

import msgspec

from replay import terminal
from replay.cli.common import CLEAN, FOUND, add, emit
from replay.findings import CannotRun
from replay.source import open_source
from replay.surveil.cases import Bounds, Case
from replay.surveil.run import Report, surveil, write_drafts

EVIDENCE_SHOWN = 6


class _Settings(msgspec.Struct, forbid_unknown_fields=True):
    """What a venue knows and the journal does not."""

    bounds: Bounds = Bounds()
    linked: list[list[str]] = []


def add_to(commands: Any) -> None:
    """The command of this module and its arguments."""
    text = "Look for practices of market abuse; each case names its records. Exit 1 when there are cases."
    command = add(commands, "surveil", _run, text)
    command.add_argument(
        "--settings", type=Path, metavar="FILE", help='JSON: {"bounds": {...}, "linked": [[wallet, wallet], ...]}'
    )
    command.add_argument("--stor", type=Path, metavar="DIR", help="write a draft of a report for each case")


def _run(options: argparse.Namespace) -> int:
    settings = _settings(options.settings)
    total = open_source(options.journal).last_seq
    with terminal.progress(total, not options.json) as progress:
        report = surveil(options.journal, settings.bounds, settings.linked, progress)
    drafts = write_drafts(report, options.stor) if options.stor is not None else []
    document = msgspec.structs.asdict(report) | {"drafts": [str(path) for path in drafts]}
    emit(options, {"ok": not report.cases, **document}, lambda: _lines(report))
    return FOUND if report.cases else CLEAN


def _settings(path: Path | None) -> _Settings:
    """Raises CannotRun."""
    if path is None:
        return _Settings()
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Settings)
    except (OSError, msgspec.MsgspecError) as error:
        raise CannotRun(f"{path} holds no settings: {error}") from error


def _lines(report: Report) -> list[str]:
    """What was found, for people."""
    lines = [f"looked at  {report.records:,} records, {len(report.ratios):,} participants by series and day"]
    for case in report.cases[: terminal.SHOWN_MAX]:
        lines += _case_lines(case)
    more = len(report.cases) - terminal.SHOWN_MAX
    lines += [f"and {more:,} more cases"] if more > 0 else []
    return [*lines, f"verdict    {len(report.cases):,} cases to look at" if report.cases else "verdict    nothing"]


def _case_lines(case: Case) -> list[str]:
    """One case: what it looks like, who, and where to look."""
    shown = ", ".join(f"{seq:,}" for seq in case.seqs[:EVIDENCE_SHOWN])
    rest = f" and {len(case.seqs) - EVIDENCE_SHOWN} more" if len(case.seqs) > EVIDENCE_SHOWN else ""
    accounts = ", ".join(map(str, case.accounts)) or "of " + ", ".join(case.owners)
    return [
        f"{case.practice} ({case.point}), {case.score / 10:.0f} % of its bound: {case.words}",
        f"    accounts {accounts}; records {shown}{rest}",
    ]
