"""Commands that find where two things part: ``bisect``."""

import argparse
from pathlib import Path
from typing import Any

import msgspec

from replay import divergence, terminal, versions
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
