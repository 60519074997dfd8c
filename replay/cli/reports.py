"""``report``: one page about a journal that a committee can read. Imports replay.report."""

import argparse
from hashlib import sha256
from pathlib import Path
from typing import Any

from replay import at, terminal
from replay.cli.common import CLEAN, FOUND, MOMENT, add, emit
from replay.findings import CannotRun
from replay.source import open_source


def add_to(commands: Any) -> None:
    """The command of this module and its arguments."""
    text = "Write one self-contained page: timeline, prices, books, margin, causes, totals, proofs. Exit 1 on findings."
    command = add(commands, "report", _report, text)
    command.add_argument("--from", dest="first", default="1", metavar="MOMENT", help=f"{MOMENT} (%(default)s)")
    command.add_argument("--to", dest="last", default="end", metavar="MOMENT", help=f"{MOMENT} (%(default)s)")
    command.add_argument("--account", type=int, action="append", default=[], help="draw its margin; repeatable")
    command.add_argument("--order", type=int, action="append", default=[], help="explain it; repeatable")
    command.add_argument("-o", "--out", type=Path, default=Path("report.html"), metavar="FILE", help="(%(default)s)")


def _report(options: argparse.Namespace) -> int:
    from replay.report.gather import Span  # noqa: PLC0415 - only this command needs templates
    from replay.report.page import Asked, report  # noqa: PLC0415

    total = open_source(options.journal).last_seq
    span = Span(at.moment_of(options.journal, options.first), at.moment_of(options.journal, options.last))
    with terminal.progress(total, not options.json) as progress:
        made = report(options.journal, Asked(span, options.account, options.order), progress)
    data = made.html.encode()
    try:
        options.out.write_bytes(data)
    except OSError as error:
        raise CannotRun(f"{options.out} cannot be written: {error}") from error
    digest = sha256(data).hexdigest()
    document = {"ok": made.ok, "file": str(options.out), "sha256": digest, "verdicts": made.verdicts}
    emit(options, document, lambda: _lines(options.out, digest, made.verdicts))
    return CLEAN if made.ok else FOUND


def _lines(path: Path, digest: str, verdicts: Any) -> list[str]:
    shown = [f"written    {path}", f"sha256     {digest}"]
    for each in verdicts:
        shown.append(f"{'clean' if each.ok else 'FOUND':<10} {each.name}: {each.sentence}")
        shown += [f"           {text}" for text in each.findings]
    return shown
