"""``verbatim-replay``: what happened, and is it true.

Owns the entry and how it ends: 0 clean, 1 something was found, 2 the audit could not be carried out. What a command
does is in ``replay.cli``.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from replay.cli import audit, divergences, exports, persons, proofs, reports, scenarios, serving, states, surveillance
from replay.cli.common import COULD_NOT_RUN, FOUND, print_json
from replay.findings import CannotRun, Diverged


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    if not __debug__:
        sys.stderr.write("verbatim-replay: refusing to run under python -O: assertions are part of the audit\n")
        return COULD_NOT_RUN
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except CannotRun as error:
        return _fail(options, COULD_NOT_RUN, {"error": str(error)}, str(error))
    except Diverged as error:
        sentence = f"the journal is damaged: {error}; run verify for all of it"
        return _fail(options, FOUND, {"findings": [error.finding]}, sentence)


def _fail(options: argparse.Namespace, code: int, document: dict[str, Any], sentence: str) -> int:
    if options.json:
        print_json(document)
    else:
        sys.stderr.write(f"verbatim-replay: {sentence}\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="verbatim-replay",
        description="Replay a journal of the exchange, offline: what happened, and is it true.",
        epilog="Exit codes: 0 clean, 1 something was found, 2 the audit could not be carried out.",
    )
    parser.set_defaults(main=main)  # for a command that runs others
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for family in (audit, states, divergences, exports, persons, proofs, surveillance, scenarios, reports, serving):
        family.add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
