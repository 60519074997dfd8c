"""Commands that show states and how they came about: ``at``, ``diff``, ``explain``, ``shell``/``step``, ``stress``."""

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from exchange.core.state import State
from replay import at, compare, explain, stress, terminal
from replay.cli.common import CLEAN, COULD_NOT_RUN, FOUND, MOMENT, add, emit, print_json
from replay.findings import CannotRun
from replay.shell import Shell
from replay.source import open_source


def add_to(commands: Any) -> None:
    """The commands of this module and their arguments."""
    command = add(commands, "at", _at, "Show the venue as it stood after a record, at a moment, or at a block.")
    command.add_argument("moment", help=MOMENT)
    command.add_argument("--account", type=int, help="only this account, with margin, Greeks and limits")
    command.add_argument("--series", help="only this series, by name or number")
    command.add_argument("--depth", type=int, default=at.DEPTH, help="levels of each book (%(default)s)")
    _add_diff(commands)
    _add_explain(commands)
    text = "Walk through a journal record by record: next, prev, goto, until, watch, show; a script comes on stdin."
    command = add(commands, "shell", _shell, text, aliases=("step",))
    command.add_argument("--at", default="0", metavar="MOMENT", help=f"where to begin: {MOMENT} (%(default)s)")
    text = "Show who would fail under a grid of shocks, in which order, and who would pay."
    command = add(commands, "stress", _stress, text)
    command.add_argument("moment", help=MOMENT)
    command.add_argument("--insurance", type=int, default=0, metavar="USDC", help="the fund (%(default)s)")
    command.add_argument(
        "--provider", action="append", default=[], metavar="ACCOUNT:PERCENT", help="a backstop provider; repeatable"
    )


def _add_diff(commands: Any) -> None:
    text = "Name every field in which two states differ: two moments of a journal, or two journals."
    command = add(commands, "diff", _diff, text)
    command.add_argument("a", help=MOMENT)
    command.add_argument("b", nargs="?", help="the other moment; with --other the same one, if left out")
    command.add_argument("--other", type=Path, metavar="JOURNAL", help="take the other state from this journal")
    command.add_argument("--under", default="", metavar="PATH", help="only this part of the state, such as accounts.3")


def _add_explain(commands: Any) -> None:
    text = "Tell why an order, a fill or a refusal came about, each step with the record that proves it."
    command = add(commands, "explain", _explain, text)
    command.add_argument("what", choices=explain.SUBJECTS, help="what is to be explained")
    command.add_argument("number", type=int, help="the order's or trade's number; of the others, the seq of a record")


def _state_at(options: argparse.Namespace, path: Path, text: str) -> State:
    moment = at.moment_of(path, text)
    total = moment.seq if moment.seq is not None else open_source(path).last_seq
    with terminal.progress(total, not options.json) as progress:
        return at.state_at(path, moment, progress)


def _at(options: argparse.Namespace) -> int:
    state = _state_at(options, options.journal, options.moment)
    view = at.view(state, account=options.account, series=options.series, depth=options.depth)
    if options.json:
        print_json(view)
    else:
        terminal.print_state(view, narrow=options.account is not None or options.series is not None)
    return CLEAN


def _diff(options: argparse.Namespace) -> int:
    if options.b is None and options.other is None:
        raise CannotRun("one moment of one journal is one state: name a second moment, or --other JOURNAL")
    second = options.other or options.journal
    a = _state_at(options, options.journal, options.a)
    b = _state_at(options, second, options.b or options.a)
    report = compare.report_of((str(options.journal), a), (str(second), b), options.under)
    emit(options, {"equal": report.equal, **msgspec.structs.asdict(report)}, lambda: compare.lines(report))
    return CLEAN if report.equal else FOUND


def _explain(options: argparse.Namespace) -> int:
    total = open_source(options.journal).last_seq
    with terminal.progress(total, not options.json) as progress:
        told = explain.explain(options.journal, options.what, options.number, progress)
    emit(options, told, lambda: explain.lines(told))
    return CLEAN


def _shell(options: argparse.Namespace) -> int:
    open_source(options.journal)
    walk = Shell(options.journal, sys.stdin, as_json=options.json)
    walk.begin(options.at)
    if walk.found:
        return FOUND
    return COULD_NOT_RUN if walk.failed and not sys.stdin.isatty() else CLEAN


def _stress(options: argparse.Namespace) -> int:
    backing = stress.backing_of(options.insurance, options.provider)
    state = _state_at(options, options.journal, options.moment)
    found = stress.table(state, backing)
    emit(options, found, lambda: stress.lines(found))
    return CLEAN
