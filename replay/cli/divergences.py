"""Commands that set one course of events against another: ``bisect``, ``whatif``."""

import argparse
from pathlib import Path
from typing import Any

import msgspec

from replay import changes, divergence, terminal, versions, whatif
from replay.cli.common import CLEAN, FOUND, add, emit
from replay.engines import HERE, code_at
from replay.findings import CannotRun
from replay.source import open_source


def add_to(commands: Any) -> None:
    """The commands of this module and their arguments."""
    text = "Find the first record at which two journals, or two versions of the code on one journal, part ways."
    command = add(commands, "bisect", _bisect, text)
    command.add_argument("other", nargs="?", type=Path, help="another journal")
    text = "a worktree, a folder with the packages, or an interpreter; once: against this version; twice: those two"
    command.add_argument("--code", action="append", default=[], type=Path, metavar="PATH", help=text)
    command.add_argument("--save", type=Path, metavar="DIR", help="write the states around the record here")
    _add_whatif(commands)


def _add_whatif(commands: Any) -> None:
    text = "Run a journal with something changed: outcomes that differ, money per account, and what was not re-decided."
    command = add(commands, "whatif", _whatif, text)
    text = "another parameter, a field of the command that opened the venue: fees.taker_rate=0"
    command.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help=text)
    text = "another field of one command: 812:auth.qty=500"
    command.add_argument("--change", action="append", default=[], metavar="SEQ:PATH=VALUE", help=text)
    command.add_argument("--drop", action="append", default=[], type=int, metavar="SEQ", help="leave a command out")
    text = "put a command in after a record, like another one but for some fields: 812:700,auth.nonce=9000"
    command.add_argument("--add", action="append", default=[], metavar="AFTER:LIKE[,PATH=VALUE]", help=text)
    command.add_argument("--code", type=Path, metavar="PATH", help="another version of the code, as in bisect")


def _whatif(options: argparse.Namespace) -> int:
    asked = changes.parse(options.set, options.change, options.drop, options.add)
    code = HERE if options.code is None else code_at(options.code)
    if not asked.count and options.code is None:
        raise CannotRun("nothing is changed: say what with --set, --change, --drop, --add or --code")
    with terminal.progress(open_source(options.journal).last_seq, not options.json) as progress:
        report = whatif.whatif(options.journal, asked, code, progress)
    emit(options, {"same": report.same, **msgspec.structs.asdict(report)}, lambda: whatif.lines(report))
    return CLEAN if report.same else FOUND


def _bisect(options: argparse.Namespace) -> int:
    if (options.other is None) == (not options.code) or len(options.code) > 2:
        raise CannotRun("name another journal, or one or two versions with --code")
    total = open_source(options.journal).last_seq
    with terminal.progress(total, not options.json) as progress:
        if options.other is not None:
            found, snapshots = divergence.of_journals(options.journal, options.other, progress)
        else:
            first, *rest = [code_at(path) for path in options.code]
            codes = (first, rest[0]) if rest else (HERE, first)
            found, snapshots = versions.of_codes(options.journal, codes, progress)
            versions.require_readable(found)
    if options.save is not None:
        versions.save(options.save, snapshots)
    document = {"equal": found.equal, **msgspec.structs.asdict(found)}
    emit(options, document, lambda: divergence.lines(found))
    return CLEAN if found.equal else FOUND
