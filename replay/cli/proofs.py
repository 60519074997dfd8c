"""Commands of evidence: ``key``, ``checkpoint``, ``timestamp``, ``consistency``, ``witness``, ``tiles``, ``bundle``."""

import argparse
import contextlib
import io
import os
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from replay import at, leaves, terminal
from replay.cli.common import CLEAN, FOUND, MOMENT, add, add_bare, emit
from replay.findings import CannotRun
from replay.frames import read_frame, whole_frames
from replay.source import open_source

_KEY = "file of a private key, made by the command key"


def add_to(commands: Any) -> None:
    """The commands of this module and their arguments."""
    text = "Make a key that signs checkpoints: a new file, and the public key to publish."
    command = add_bare(commands, "key", _key, text)
    command.add_argument("name", help="whose it is, such as venue.example/journal")
    command.add_argument("file", type=Path, help="where the private key goes")
    command = add(commands, "checkpoint", _checkpoint, "Sign how large the tree of a journal is, and its root.")
    command.add_argument("--key", type=Path, required=True, help=_KEY)
    command.add_argument("--origin", help="name of the journal; by default that of the key")
    command.add_argument("--at", default="end", metavar="MOMENT", help=f"{MOMENT} (%(default)s)")
    command.add_argument("--out", type=Path, metavar="FILE", help="write it here")
    _add_stamping(command)
    text = "Show and verify the time stamp of a checkpoint; with --tsa fetch it if there is none yet."
    command = add_bare(commands, "timestamp", _timestamp, text)
    command.add_argument("checkpoint", type=Path, help="the checkpoint; its token lies beside it as NAME.tsr")
    _add_stamping(command)
    command = add(commands, "consistency", _consistency, "Prove that the tree of a journal goes on from what it was.")
    command.add_argument("old", type=int, help="size of the earlier tree")
    command.add_argument("new", type=int, help="size of the later tree")
    command.add_argument("--out", type=Path, metavar="FILE", help="write it here")
    _add_witness(commands)
    command = add(commands, "tiles", _tiles, "Write the tree and its records as plain files for a file server.")
    command.add_argument("folder", type=Path, help="where they go")
    command.add_argument("--checkpoint", type=Path, required=True, help="the checkpoint that they are of")
    _add_bundle(commands)


def _add_stamping(command: argparse.ArgumentParser) -> None:
    text = "have its time stamped by this authority (RFC 3161) and keep the token beside it"
    command.add_argument("--tsa", metavar="URL", help=text)
    command.add_argument("--tsa-roots", type=Path, metavar="PEM", help="certificates that the authority is trusted by")


def _add_witness(commands: Any) -> None:
    text = "Take a checkpoint only if it goes on from the last one taken; needs no journal."
    command = add_bare(commands, "witness", _witness, text)
    command.add_argument("state", type=Path, help="where the last checkpoint taken is kept")
    command.add_argument("checkpoint", type=Path, help="the one that is shown")
    command.add_argument("--venue", required=True, metavar="PUBLIC-KEY", help="who must have signed it")
    command.add_argument("--proof", type=Path, metavar="FILE", help="made by the command consistency")
    command.add_argument("--key", type=Path, help=f"cosign what is taken; {_KEY}")


def _add_bundle(commands: Any) -> None:
    text = "Put records, proofs, commands and results into a folder that verifies without this package."
    command = add(commands, "bundle", _bundle, text)
    command.add_argument("folder", type=Path, help="a new folder")
    command.add_argument("--first", type=int, required=True, metavar="SEQ", help="the first record")
    command.add_argument("--last", type=int, required=True, metavar="SEQ", help="the last record")
    command.add_argument("--checkpoint", type=Path, help="one that was made before; by default a new one is signed")
    command.add_argument("--key", type=Path, help=f"signs the bundle; {_KEY}")
    text = "a command and its arguments after the journal, such as 'explain fill 12'; repeatable"
    command.add_argument("--run", dest="lines", action="append", default=[], metavar="COMMAND", help=text)


def _key(options: argparse.Namespace) -> int:
    from replay.notes import NoteError, Signer  # noqa: PLC0415 - needs cryptography, which plain verify does not

    try:
        signer = Signer.new(options.name)
        descriptor = os.open(options.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except (NoteError, OSError) as error:
        raise CannotRun(f"no key was made: {error}") from error
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{signer}\n")
    told = {"public_key": str(signer.verifier()), "witness_key": str(signer.verifier(4))}
    emit(options, told, lambda: [f"{name.replace('_', ' ')}: {key}" for name, key in told.items()])
    return CLEAN


def _signer(path: Path) -> Any:
    from replay.notes import NoteError, read_signer  # noqa: PLC0415

    return _read(path, lambda data: read_signer(data.decode(errors="replace")), NoteError)


def _note(path: Path) -> Any:
    from replay.notes import NoteError, read_note  # noqa: PLC0415

    return _read(path, read_note, NoteError)


def _read(path: Path, read: Callable[[bytes], Any], fault: type[Exception]) -> Any:
    try:
        return read(path.read_bytes())
    except (OSError, fault) as error:
        raise CannotRun(f"{path} cannot be used: {error}") from error


def _checkpoint(options: argparse.Namespace) -> int:
    from replay.notes import Checkpoint  # noqa: PLC0415

    signer = _signer(options.key)
    if options.tsa is not None and (options.out is None or options.tsa_roots is None):
        raise CannotRun("a time stamp needs --out, to lie beside it, and --tsa-roots, to be held against")
    total = open_source(options.journal).last_seq
    size = _size_at(options.journal, options.at)
    with terminal.progress(total, not options.json) as progress:
        head = leaves.head_of(options.journal, size, progress)
    note = signer.sign(Checkpoint(options.origin or signer.name, head.size, head.root).note())
    if options.out is not None:
        options.out.write_bytes(bytes(note))
    told = {"size": head.size, "root": head.root.hex(), "checkpoint": bytes(note).decode()}
    lines = bytes(note).decode().splitlines()
    if options.tsa is None:
        emit(options, told, lambda: lines)
        return CLEAN
    stamp = _stamped(options, options.out, note)
    emit(options, told | {"stamp": stamp}, lambda: [*lines, *_stamp_lines(stamp)])
    return CLEAN if stamp.ok else FOUND


def _timestamp(options: argparse.Namespace) -> int:
    from replay import stamps  # noqa: PLC0415 - needs rfc3161-client, which plain verify does not

    note = _note(options.checkpoint)
    if options.tsa is None or stamps.token_path(options.checkpoint).exists():
        roots = [] if options.tsa_roots is None else stamps.read_roots(options.tsa_roots)
        stamp = stamps.stored(options.checkpoint, note, roots)
    else:
        stamp = _stamped(options, options.checkpoint, note)
    emit(options, {"ok": stamp.ok, **msgspec.structs.asdict(stamp)}, lambda: _stamp_lines(stamp))
    return CLEAN if stamp.ok else FOUND


def _stamped(options: argparse.Namespace, checkpoint: Path, note: Any) -> Any:
    """Fetch a token and keep it if it holds. The checkpoint is there already, whatever comes of this."""
    from replay import stamps  # noqa: PLC0415

    if options.tsa_roots is None:
        raise CannotRun("a time stamp needs --tsa-roots, to be held against")
    stamp, token = stamps.fetch(note, options.tsa, stamps.read_roots(options.tsa_roots))
    if token:
        stamps.token_path(checkpoint).write_bytes(token)
    return stamp


def _stamp_lines(stamp: Any) -> list[str]:
    return [f"time stamp {stamp.state}: {stamp.sentence}"]


def _size_at(path: Path, text: str) -> int | None:
    """How many records there were at a moment; None for all."""
    moment = at.moment_of(path, text)
    if moment.seq is not None or moment.time_ns is None:
        return moment.seq
    size = 0
    for frame in whole_frames(path):
        covered = [record for record in read_frame(frame) if moment.covers(record)]
        size += len(covered)
        if len(covered) < frame.n:
            break
    return size


def _consistency(options: argparse.Namespace) -> int:
    from replay import witness  # noqa: PLC0415 - as above

    proof = leaves.consistency_proof(options.journal, options.old, options.new)
    data = witness.write_proof(proof)
    if options.out is not None:
        options.out.write_bytes(data)
    told = {"old": options.old, "new": options.new, "proof": data.decode().split()}
    emit(options, told, lambda: data.decode().splitlines())
    return CLEAN


def _witness(options: argparse.Namespace) -> int:
    from replay import witness  # noqa: PLC0415 - as above
    from replay.notes import NoteError, read_verifier  # noqa: PLC0415

    signer = None if options.key is None else _signer(options.key)
    try:
        venue = read_verifier(options.venue)
        proof = [] if options.proof is None else witness.read_proof(options.proof.read_bytes())
        data = options.checkpoint.read_bytes()
        report = witness.witness(options.state, data, proof, venue, signer, int(time.time()))
    except (NoteError, OSError) as error:
        raise CannotRun(f"nothing was judged: {error}") from error
    emit(options, {"ok": report.ok, **msgspec.structs.asdict(report)}, lambda: witness.lines(report))
    return CLEAN if report.ok else FOUND


def _tiles(options: argparse.Namespace) -> int:
    from replay.bundle import checkpoint_of  # noqa: PLC0415
    from replay.tiles import write_tiles  # noqa: PLC0415

    note = _note(options.checkpoint)
    head = checkpoint_of(options.journal, note)
    with terminal.progress(head.size, not options.json) as progress:
        files = write_tiles(options.journal, options.folder, head.size, progress)
    (options.folder / "checkpoint").write_bytes(bytes(note))
    told = {"folder": str(options.folder), "size": head.size, "root": head.root.hex(), "files": files + 1}
    emit(options, told, lambda: [f"{name:<10} {value}" for name, value in told.items()])
    return CLEAN


def _bundle(options: argparse.Namespace) -> int:
    from replay.bundle import Vouched, write_bundle  # noqa: PLC0415
    from replay.notes import Checkpoint  # noqa: PLC0415

    signer = None if options.key is None else _signer(options.key)
    token = None
    if options.checkpoint is not None:
        note, token = _note(options.checkpoint), _token_of(options.checkpoint)
    elif signer is not None:
        head = leaves.head_of(options.journal)
        note = signer.sign(Checkpoint(signer.name, head.size, head.root).note())
    else:
        raise CannotRun("evidence needs a checkpoint: name one with --checkpoint, or sign one with --key")
    results = [_result(options, line) for line in options.lines]
    vouched = Vouched(note, token)
    told = write_bundle(options.journal, options.folder, options.first, options.last, vouched, signer, results)
    shown = msgspec.structs.asdict(told)
    emit(options, shown, lambda: [f"{name:<10} {value}" for name, value in shown.items()])
    return CLEAN


def _token_of(checkpoint: Path) -> bytes | None:
    """The token beside a checkpoint, if it was stamped; a wrong one would be evidence against whoever hands it out."""
    from replay import stamps  # noqa: PLC0415

    stamp = stamps.stored(checkpoint, _note(checkpoint), [])
    if stamp.state is stamps.State.MISSING:
        return None
    if stamp.state is not stamps.State.UNTRUSTED:
        raise CannotRun(f"{stamps.token_path(checkpoint)}: {stamp.sentence}")
    return stamps.token_path(checkpoint).read_bytes()


def _result(options: argparse.Namespace, line: str) -> Any:
    """Run a command on the same journal; what it printed as JSON."""
    from replay.bundle import Result  # noqa: PLC0415

    name, *rest = shlex.split(line) or [""]
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        code = options.main([name, str(options.journal), *rest, "--json"])
    arguments = ["verbatim-replay", name, options.journal.name, *rest, "--json"]
    return Result(arguments, code, output.getvalue().encode())
