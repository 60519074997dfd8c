"""Commands that judge a journal: ``verify``, ``check``, ``reconcile``, ``receipts``."""

import argparse
import asyncio
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from replay import ahead, at, parts, terminal
from replay.checker import check
from replay.cli.common import CLEAN, FOUND, add, emit, manifest, manifest_path, print_json
from replay.findings import CannotRun
from replay.follow import Follower
from replay.frames import Progress
from replay.reconcile import Report as Reconciliation
from replay.reconcile import reconcile
from replay.source import open_source
from replay.verify import Report as Verification
from replay.verify import verify


def add_to(commands: Any) -> None:
    """The commands of this module and their arguments."""
    _add_verify(commands)
    text = "Hold every record to spread, price-time priority and conservation, by books of the checker's own."
    add(commands, "check", _check, text)
    _add_reconcile(commands)
    _add_receipts(commands)


def _add_verify(commands: Any) -> None:
    text = "Check the chain, re-execute every record, compare events, digests and invariants."
    command = add(commands, "verify", _verify, text)
    command.add_argument("--anchor", type=Path, help="the head's anchor; by default the one beside the journal")
    command.add_argument("--signatures", action="store_true", help="check who signed every order and oracle round")
    command.add_argument("--manifest", type=Path, help="deployment file that names the oracle signers")
    command.add_argument(
        "--no-fold", dest="fold", action="store_false", help="leave out the second state folded from the events"
    )
    text = "keep images of the state here, and verify by those there are: in parts at once, or with --resume"
    command.add_argument("--images", type=Path, metavar="DIR", help=text)
    text = "processes that verify parts at once; more than one, without images, by those of one that folds ahead"
    command.add_argument("--jobs", type=int, default=1, help=text)
    command.add_argument("--every", type=int, help=f"records between two images (at most {parts.EVERY:,})")
    command.add_argument("--resume", action="store_true", help="verify only what came since the last image")
    text = "a checkpoint that was made before: the journal must go on from it"
    command.add_argument("--checkpoint", type=Path, metavar="FILE", help=text)
    command.add_argument("--venue", metavar="PUBLIC-KEY", help="who must have signed the checkpoint")
    text = "certificates that the time stamp beside the checkpoint is held against"
    command.add_argument("--tsa-roots", type=Path, metavar="PEM", help=text)


def _add_reconcile(commands: Any) -> None:
    command = add(commands, "reconcile", _reconcile, "Compare a journal with the contracts: once, or as both go on.")
    command.add_argument("--chain", required=True, help="URL of a node, or the file of an embedded chain")
    command.add_argument("--manifest", type=Path, help="deployment file; by default the one beside the journal")
    command.add_argument("--block", type=int, help="the block to read; by default the one the journal has reached")
    text = "the journal's side; with block:N the contracts are read at that block too (%(default)s)"
    command.add_argument("--at", default="end", metavar="MOMENT", help=text)
    text = "compare again every so many seconds, until both sides disagree"
    command.add_argument("--follow", type=float, metavar="SECONDS", help=text)
    command.add_argument("--rounds", type=int, default=0, help="with --follow: how often in all; 0: until stopped")


def _add_receipts(commands: Any) -> None:
    text = "Compare a file of receipts with each other and the journal; print what takes the operator's bond."
    command = add(commands, "receipts", _receipts, text)
    command.add_argument("receipts", type=Path, help="the file a client saved")
    command.add_argument("--chain", help="URL of a node, or the file of an embedded chain: adds the settled batches")
    command.add_argument("--manifest", type=Path, help="deployment file; by default the one beside the journal")
    command.add_argument("--reporter", help="address that will report a lie: prints the calls to send")


def _verify(options: argparse.Namespace) -> int:
    signers = _signers(options) if options.signatures else ()
    total = open_source(options.journal, options.anchor).last_seq
    how = parts.How(options.anchor, options.signatures, signers, options.fold)
    with terminal.progress(total, not options.json) as progress:
        report = _verified(options, how, progress)
    held, lines = _held_against(options, report)
    document = {"ok": report.ok, **msgspec.structs.asdict(report), **held}
    emit(options, document, lambda: [*lines, *terminal.verification(report)])
    return CLEAN if report.ok else FOUND


def _held_against(options: argparse.Namespace, report: Verification) -> tuple[dict[str, Any], list[str]]:
    """What a checkpoint that was made before says of the journal; what it contradicts is a finding."""
    if options.checkpoint is None:
        return {}, []
    from replay import stamps, vouched  # noqa: PLC0415 - needs rfc3161-client, which plain verify does not

    roots = [] if options.tsa_roots is None else stamps.read_roots(options.tsa_roots)
    told = vouched.hold(options.journal, options.checkpoint, options.venue, roots)
    report.findings += told.findings
    return {"checkpoint": told}, vouched.lines(told)


def _verified(options: argparse.Namespace, how: parts.How, progress: Progress | None) -> Verification:
    path, images = options.journal, options.images
    if options.jobs < 1 or (options.every is not None and options.every < 1):
        raise CannotRun("--jobs and --every are at least 1")
    if options.resume and images is None:
        raise CannotRun("--resume goes by images of the state: say where these are with --images DIR")
    if images is None and options.jobs == 1:
        return verify(path, **how._asdict(), progress=progress)
    began = time.perf_counter()
    if options.resume:
        report = parts.from_last(path, images, options.every or parts.EVERY, how, progress)
    elif options.jobs > 1 and how.folding and (images is None or not parts.usable(images)):
        report = ahead.folded_ahead(path, images, options.jobs, options.every, how, progress)
    elif images is None:
        raise CannotRun("without the folded state there are no images to begin at: --no-fold has --jobs 1")
    else:
        report = parts.in_parts(path, images, options.jobs, options.every or parts.EVERY, how, progress)
    report.seconds = round(time.perf_counter() - began, 6)
    report.events_per_second = int(report.events / report.seconds) if report.seconds else 0
    return report


def _signers(options: argparse.Namespace) -> tuple[bytes, ...]:
    """The oracle signers of the deployment, when its file is there."""
    path = manifest_path(options)
    if options.manifest is None and not path.is_file():
        return ()
    from exchange.signing import from_hex  # noqa: PLC0415 - plain verify does without secp256k1

    return tuple(from_hex(signer) for signer in manifest(path).signers)


def _check(options: argparse.Namespace) -> int:
    with terminal.progress(open_source(options.journal).last_seq, not options.json) as progress:
        report = check(options.journal, progress)
    emit(options, {"ok": report.ok, **msgspec.structs.asdict(report)}, lambda: terminal.checking(report))
    return CLEAN if report.ok else FOUND


def _reconcile(options: argparse.Namespace) -> int:
    block = _block_of(options)
    follower = Follower(options.journal, at.moment_of(options.journal, options.at))
    rounds = count() if options.follow is not None and options.rounds == 0 else range(max(options.rounds, 1))
    report = None
    try:
        for number in rounds:
            if number and options.follow is not None:
                time.sleep(options.follow)
            with terminal.progress(open_source(options.journal).last_seq, not options.json) as progress:
                follower.advance(progress)
            report = asyncio.run(_read_chain(options, follower, block))
            _show_reconciliation(options, report)
            if not report.ok:
                return FOUND
    except KeyboardInterrupt:
        sys.stderr.write("verbatim-replay: no longer followed\n")
    return CLEAN


def _block_of(options: argparse.Namespace) -> int | None:
    """The block to read: the one named, or that of the moment if it is one; None: the one the journal has reached."""
    number = options.at.removeprefix("block:")
    return int(number) if options.block is None and number != options.at and number.isdigit() else options.block


def _show_reconciliation(options: argparse.Namespace, report: Reconciliation) -> None:
    if options.json:
        print_json({"ok": report.ok, "settled": report.settled, **msgspec.structs.asdict(report)})
    else:
        terminal.print_reconciliation(report)
    sys.stdout.flush()


async def _read_chain(options: argparse.Namespace, follower: Follower, block: int | None) -> Reconciliation:
    from exchange.shell.chain import ChainError  # noqa: PLC0415 - only this command needs a chain
    from replay.contracts import ChainView, open_contracts  # noqa: PLC0415

    state = follower.state
    try:
        async with open_contracts(options.chain, manifest(manifest_path(options))) as contracts:
            if block is not None:
                view = ChainView(contracts, block)
            else:
                view = await ChainView.at_action(contracts, state.mirror.action_id)
            return await reconcile(state, view, follower.roots)
    except ChainError as error:
        raise CannotRun(f"the chain cannot be read: {error}") from error


def _receipts(options: argparse.Namespace) -> int:
    from exchange.evidence import EvidenceError, decode_file  # noqa: PLC0415 - only this command needs secp256k1
    from replay.receipts import check as compare  # noqa: PLC0415

    try:
        kept = decode_file(options.receipts.read_bytes())
    except (OSError, EvidenceError) as error:
        raise CannotRun(f"{options.receipts} is not a file of receipts: {error}") from error
    if options.chain is not None:
        kept = msgspec.structs.replace(kept, statements=(*kept.statements, *asyncio.run(_settled(options))))
    report = compare(options.journal, kept)
    shown = [_reveal(proof, kept.domain(), options.reporter) for proof in report.proofs]
    document = {"ok": report.ok, **msgspec.structs.asdict(report), "proofs": shown}
    emit(options, document, lambda: terminal.receipts(report, shown))
    return CLEAN if report.ok else FOUND


async def _settled(options: argparse.Namespace) -> Any:
    """Headers of the batches on the contracts."""
    from exchange.shell.chain import ChainError  # noqa: PLC0415 - only with a chain
    from replay.contracts import open_contracts  # noqa: PLC0415
    from replay.headers import signed_headers  # noqa: PLC0415

    try:
        async with open_contracts(options.chain, manifest(manifest_path(options))) as contracts:
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
