"""What all commands share: exit codes, how a command is added, and how it prints. Imports msgspec."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from replay.findings import CannotRun

CLEAN: Final = 0
FOUND: Final = 1
COULD_NOT_RUN: Final = 2
MOMENT: Final = "a seq, a time in ns, an ISO 8601 time (UTC), block:N of the chain, or end"


def add(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], text: str, *, aliases: Sequence[str] = ()
) -> argparse.ArgumentParser:
    """A command that reads a journal; ``run`` gives the exit code."""
    command = add_bare(commands, name, run, text, aliases=aliases)
    command.add_argument("journal", type=Path, help="the journal file")
    return command


def add_bare(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], text: str, *, aliases: Sequence[str] = ()
) -> argparse.ArgumentParser:
    """A command that reads something else than a journal."""
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text, aliases=aliases)
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=run)
    return command


def emit(options: argparse.Namespace, document: Any, lines: Callable[[], Sequence[str]]) -> None:
    """One JSON object for programs, or lines for people."""
    if options.json:
        print_json(document)
    else:
        sys.stdout.write("\n".join(lines()) + "\n")


def print_json(document: Any) -> None:
    """One JSON object, on one line."""
    sys.stdout.write(msgspec.json.encode(document).decode() + "\n")


def manifest_path(options: argparse.Namespace) -> Path:
    """The deployment file: the one named, or the one a venue keeps beside its journal."""
    journal: Path = options.journal
    return options.manifest or journal.with_name(journal.name + ".deployment.json")


def manifest(path: Path) -> Any:
    """A deployment. Raises CannotRun."""
    from exchange.shell.deploy import Deployment  # noqa: PLC0415 - only commands about contracts need it

    try:
        return Deployment.load(path)
    except (OSError, msgspec.MsgspecError) as error:
        raise CannotRun(f"{path} is not a deployment file: {error}") from error
