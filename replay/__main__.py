"""``verbatim-replay``: what happened, and is it true.

Owns the command line and the exit codes: 0 clean, 1 something was found, 2 the audit could not be carried out.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from replay import at, stress, terminal
from replay.checker import check
from replay.engine import END, replay
from replay.findings import CannotRun, Diverged
from replay.reconcile import Report as Reconciliation
from replay.reconcile import reconcile
from replay.source import open_source
from replay.verify import verify

CLEAN: Final = 0
FOUND: Final = 1
COULD_NOT_RUN: Final = 2


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
        _print_json(document)
    else:
        sys.stderr.write(f"verbatim-replay: {sentence}\n")
    return code


def _print_json(document: Any) -> None:
    sys.stdout.write(msgspec.json.encode(document).decode() + "\n")


# -- commands ---------------------------------------------------------------------------------------------------------


def _verify(options: argparse.Namespace) -> int:
    signers = _signers(options) if options.signatures else ()
    total = open_source(options.journal, options.anchor).last_seq
    with terminal.progress(total, not options.json) as progress:
        report = verify(
            options.journal,
            anchor=options.anchor,
            signatures=options.signatures,
            oracle_signers=signers,
            folding=options.fold,
            progress=progress,
        )
    if options.json:
        _print_json({"ok": report.ok, **msgspec.structs.asdict(report)})
    else:
        sys.stdout.write("\n".join(terminal.verification(report)) + "\n")
    return CLEAN if report.ok else FOUND


def _signers(options: argparse.Namespace) -> tuple[bytes, ...]:
    """The oracle signers of the deployment, when its file is there."""
    path = _manifest_path(options)
    if options.manifest is None and not path.is_file():
        return ()
    from exchange.signing import from_hex  # noqa: PLC0415 - plain verify does without secp256k1

    return tuple(from_hex(signer) for signer in _manifest(path).signers)


def _check(options: argparse.Namespace) -> int:
    with terminal.progress(open_source(options.journal).last_seq, not options.json) as progress:
        report = check(options.journal, progress)
    if options.json:
        _print_json({"ok": report.ok, **msgspec.structs.asdict(report)})
    else:
        sys.stdout.write("\n".join(terminal.checking(report)) + "\n")
    return CLEAN if report.ok else FOUND


def _at(options: argparse.Namespace) -> int:
    moment = at.parse_moment(options.moment)
    total = moment.seq if moment.seq is not None else open_source(options.journal).last_seq
    with terminal.progress(total, not options.json) as progress:
        state = at.state_at(options.journal, moment, progress)
    view = at.view(state, account=options.account, series=options.series, depth=options.depth)
    if options.json:
        _print_json(view)
    else:
        terminal.print_state(view, narrow=options.account is not None or options.series is not None)
    return CLEAN


def _stress(options: argparse.Namespace) -> int:
    moment = at.parse_moment(options.moment)
    backing = stress.backing_of(options.insurance, options.provider)
    total = moment.seq if moment.seq is not None else open_source(options.journal).last_seq
    with terminal.progress(total, not options.json) as progress:
        state = at.state_at(options.journal, moment, progress)
    found = stress.table(state, backing)
    if options.json:
        _print_json(found)
    else:
        sys.stdout.write("\n".join(stress.lines(found)) + "\n")
    return CLEAN


def _reconcile(options: argparse.Namespace) -> int:
    with terminal.progress(open_source(options.journal).last_seq, not options.json) as progress:
        state = replay(options.journal, END, progress)
    report = asyncio.run(_read_chain(options, state))
    if options.json:
        _print_json({"ok": report.ok, "settled": report.settled, **msgspec.structs.asdict(report)})
    else:
        terminal.print_reconciliation(report)
    return CLEAN if report.ok else FOUND


async def _read_chain(options: argparse.Namespace, state: Any) -> Reconciliation:
    from exchange.shell.chain import ChainError  # noqa: PLC0415 - only this command needs a chain
    from replay.anchors import batch_roots  # noqa: PLC0415
    from replay.contracts import ChainView, open_contracts  # noqa: PLC0415

    roots = batch_roots(options.journal)
    try:
        async with open_contracts(options.chain, _manifest(_manifest_path(options))) as contracts:
            if options.block is not None:
                view = ChainView(contracts, options.block)
            else:
                view = await ChainView.at_action(contracts, state.mirror.action_id)
            return await reconcile(state, view, roots)
    except ChainError as error:
        raise CannotRun(f"the chain cannot be read: {error}") from error


def _receipts(options: argparse.Namespace) -> int:
    from exchange.evidence import EvidenceError, decode_file  # noqa: PLC0415 - only this command needs secp256k1
    from replay.receipts import check  # noqa: PLC0415

    try:
        kept = decode_file(options.receipts.read_bytes())
    except (OSError, EvidenceError) as error:
        raise CannotRun(f"{options.receipts} is not a file of receipts: {error}") from error
    if options.chain is not None:
        kept = msgspec.structs.replace(kept, statements=(*kept.statements, *asyncio.run(_settled(options))))
    report = check(options.journal, kept)
    shown = [_reveal(proof, kept.domain(), options.reporter) for proof in report.proofs]
    if options.json:
        _print_json({"ok": report.ok, **msgspec.structs.asdict(report), "proofs": shown})
    else:
        sys.stdout.write("\n".join(terminal.receipts(report, shown)) + "\n")
    return CLEAN if report.ok else FOUND


async def _settled(options: argparse.Namespace) -> Any:
    """Headers of the batches on the contracts."""
    from exchange.shell.chain import ChainError  # noqa: PLC0415 - only with a chain
    from replay.contracts import open_contracts  # noqa: PLC0415
    from replay.headers import signed_headers  # noqa: PLC0415

    try:
        async with open_contracts(options.chain, _manifest(_manifest_path(options))) as contracts:
            return await signed_headers(contracts)
    except ChainError as error:
        raise CannotRun(f"the chain cannot be read: {error}") from error


def _reveal(proof: Any, domain: bytes, reporter: str | None) -> Any:
    from exchange.signing import SigningError, from_hex  # noqa: PLC0415
    from replay.calls import reveal  # noqa: PLC0415

    try:
        return reveal(proof, domain, from_hex(reporter) if reporter is not None else None)
    except SigningError as error:
        raise CannotRun(f"{reporter} is no address: {error}") from error


def _manifest_path(options: argparse.Namespace) -> Path:
    """The deployment file: the one named, or the one a venue keeps beside its journal."""
    journal: Path = options.journal
    return options.manifest or journal.with_name(journal.name + ".deployment.json")


def _manifest(path: Path) -> Any:
    from exchange.shell.deploy import Deployment  # noqa: PLC0415 - only commands about contracts need it

    try:
        return Deployment.load(path)
    except (OSError, msgspec.MsgspecError) as error:
        raise CannotRun(f"{path} is not a deployment file: {error}") from error


# -- arguments --------------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="verbatim-replay",
        description="Replay a journal of the exchange, offline: what happened, and is it true.",
        epilog="Exit codes: 0 clean, 1 something was found, 2 the audit could not be carried out.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_verify(commands)
    text = "Hold every record to spread, price-time priority and conservation, by books of the checker's own."
    _add(commands, "check", _check, text)
    _add_at(commands)
    _add_stress(commands)
    _add_reconcile(commands)
    _add_receipts(commands)
    return parser


def _add(commands: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    command.add_argument("journal", type=Path, help="the journal file")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=run)
    return command


def _add_verify(commands: Any) -> None:
    text = "Check the chain, re-execute every record, compare events, digests and invariants."
    command = _add(commands, "verify", _verify, text)
    command.add_argument("--anchor", type=Path, help="the head's anchor; by default the one beside the journal")
    command.add_argument("--signatures", action="store_true", help="check who signed every order and oracle round")
    command.add_argument("--manifest", type=Path, help="deployment file that names the oracle signers")
    command.add_argument(
        "--no-fold", dest="fold", action="store_false", help="leave out the second state folded from the events"
    )


def _add_at(commands: Any) -> None:
    command = _add(commands, "at", _at, "Show the venue as it stood after a record or at a moment.")
    command.add_argument("moment", help="a seq, a time in ns, or an ISO 8601 time (UTC)")
    command.add_argument("--account", type=int, help="only this account")
    command.add_argument("--series", help="only this series, by name or number")
    command.add_argument("--depth", type=int, default=at.DEPTH, help="levels of each book (%(default)s)")


def _add_stress(commands: Any) -> None:
    text = "Show who would fail under a grid of shocks, in which order, and who would pay."
    command = _add(commands, "stress", _stress, text)
    command.add_argument("moment", help="a seq, a time in ns, or an ISO 8601 time (UTC)")
    command.add_argument("--insurance", type=int, default=0, metavar="USDC", help="the fund (%(default)s)")
    command.add_argument(
        "--provider", action="append", default=[], metavar="ACCOUNT:PERCENT", help="a backstop provider; repeatable"
    )


def _add_reconcile(commands: Any) -> None:
    command = _add(commands, "reconcile", _reconcile, "Compare the end of a journal with the contracts.")
    command.add_argument("--chain", required=True, help="URL of a node, or the file of an embedded chain")
    command.add_argument("--manifest", type=Path, help="deployment file; by default the one beside the journal")
    command.add_argument("--block", type=int, help="the block to read; by default the one the journal has reached")


def _add_receipts(commands: Any) -> None:
    text = "Compare a file of receipts with each other and the journal; print what takes the operator's bond."
    command = _add(commands, "receipts", _receipts, text)
    command.add_argument("receipts", type=Path, help="the file a client saved")
    command.add_argument("--chain", help="URL of a node, or the file of an embedded chain: adds the settled batches")
    command.add_argument("--manifest", type=Path, help="deployment file; by default the one beside the journal")
    command.add_argument("--reporter", help="address that will report a lie: prints the calls to send")


if __name__ == "__main__":
    sys.exit(main())
