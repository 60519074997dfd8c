"""``bundle``: records of a journal with all that a stranger needs to believe them, in one folder.

Records as they were hashed, each with its inclusion proof; the checkpoint they are under; roots that batches anchored
on chain, with proofs that they are of the same tree; commands and their results; and the script that verifies it all
without this package. Imports the tree, the notes and the trail.
"""

import base64
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from exchange.core import commands as c
from exchange.core import events as e
from replay import leaves, verify_bundle
from replay.findings import CannotRun
from replay.frames import read_frame, whole_frames
from replay.leaves import Head
from replay.notes import Note, NoteError, Signer, read_checkpoint
from replay.trail import entry_of

ANCHORS_MAX: Final = 2
RECORDS_MAX: Final = 100_000
README: Final = """Evidence out of the journal of {origin}: records {first} to {last} of {size}.

    python verify.py --key KEY

KEY is the venue's public key, from where the venue publishes it and not from here. Needs Python 3.11 or newer and
the package cryptography. With --root and --size it is held against a root that you have from elsewhere: from the
contracts, a receipt, or a witness (--witness KEY). What each file is:

records.jsonl   the records, base64 of their bytes, with the hashes that lead from each to the root
checkpoint      size and root of the whole journal, signed (c2sp.org/tlog-checkpoint)
checkpoint.tsr  if it is there: when a third party saw the checkpoint (RFC 3161), held against --tsa-roots PEM
anchors.json    roots that settlement batches anchored on chain, with proofs that they are of the same tree
results/        what commands of verbatim-replay say of it; manifest.json has the commands, to run them again
manifest.json   all files with their hashes; manifest.note is the signature over it
verify.py       the verification; compare it with the published one
"""


class Result(msgspec.Struct, frozen=True):
    """What a command printed and how it ended."""

    arguments: list[str]
    exit_code: int
    output: bytes


class Vouched(NamedTuple):
    """The checkpoint that the records are under, and the token of its time stamp, if it has one."""

    note: Note
    token: bytes | None = None

    def write(self, folder: Path) -> None:
        """Both as files."""
        (folder / "checkpoint").write_bytes(bytes(self.note))
        if self.token is not None:
            (folder / "checkpoint.tsr").write_bytes(self.token)


class Told(msgspec.Struct, kw_only=True):
    """What was put together."""

    folder: str
    origin: str
    first: int
    last: int
    size: int
    root: str
    signed: bool
    stamped: bool = False
    files: int = 0


def write_bundle(
    path: Path, folder: Path, first: int, last: int, vouched: Vouched, signer: Signer | None, results: list[Result]
) -> Told:
    """Write records ``first`` to ``last`` under a checkpoint, which must be of this journal, with its time stamp.

    The folder must be new. Raises CannotRun, Diverged.
    """
    head = checkpoint_of(path, vouched.note)
    if not 0 < first <= last <= head.size or last - first >= RECORDS_MAX:
        raise CannotRun(f"seq {first} to {last} are not up to {RECORDS_MAX:,} records of {head.size:,}")
    if folder.exists():
        raise CannotRun(f"{folder} is there already")
    (folder / "results").mkdir(parents=True)
    vouched.write(folder)
    _write_records(path, folder, first, last, head.size)
    (folder / "anchors.json").write_bytes(msgspec.json.encode(list(_anchors(path, last, head.size))))
    commands = [_write_result(folder, number, result) for number, result in enumerate(results, 1)]
    shutil.copyfile(verify_bundle.__file__, folder / "verify.py")
    told = Told(
        folder=str(folder),
        origin=read_checkpoint(vouched.note).origin,
        first=first,
        last=last,
        size=head.size,
        root=head.root.hex(),
        signed=signer is not None,
        stamped=vouched.token is not None,
    )
    (folder / "README.txt").write_text(README.format(**msgspec.structs.asdict(told)))
    told.files = _write_manifest(folder, told, commands, signer)
    return told


def checkpoint_of(path: Path, note: Note) -> Head:
    """The head that a checkpoint says, once the journal has borne it out. Raises CannotRun, Diverged."""
    try:
        said = read_checkpoint(note)
    except NoteError as error:
        raise CannotRun(str(error)) from error
    head = leaves.head_of(path, said.size)
    if head.root != said.root:
        raise CannotRun(f"the checkpoint is not of this journal: over {said.size} records its root is another")
    return head


def _names(folder: Path) -> list[str]:
    return sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file())


def _write_manifest(folder: Path, told: Told, commands: list[dict[str, Any]], signer: Signer | None) -> int:
    """All files with their hashes, signed; how many."""
    files = {name: sha256((folder / name).read_bytes()).hexdigest() for name in _names(folder)}
    manifest = {
        "format": verify_bundle.FORMAT,
        "origin": told.origin,
        "size": told.size,
        "root": told.root,
        "first": told.first,
        "last": told.last,
        "commands": commands,
        "files": files,
    }
    data = msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=1) + b"\n"
    (folder / "manifest.json").write_bytes(data)
    if signer is not None:
        note = Note(f"{verify_bundle.FORMAT}\n{sha256(data).hexdigest()}\n".encode())
        (folder / "manifest.note").write_bytes(bytes(signer.sign(note)))
    return len(files)


def _write_records(path: Path, folder: Path, first: int, last: int, size: int) -> None:
    proofs = leaves.inclusion_proofs(path, range(first - 1, last), size)
    with (folder / "records.jsonl").open("wb") as file:
        for seq, (record, proof) in enumerate(zip(_records(path, first, last), proofs, strict=True), first):
            entry = {"seq": seq, "record": _base64(record), "proof": [_base64(node) for node in proof]}
            file.write(msgspec.json.encode(entry) + b"\n")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _records(path: Path, first: int, last: int) -> Iterator[bytes]:
    for frame in whole_frames(path):
        if frame.last_seq >= first:
            for seq, record in enumerate(frame.raw_records(), frame.first_seq):
                if first <= seq <= last:
                    yield record
        if frame.last_seq >= last:
            return


def _anchors(path: Path, last: int, size: int) -> Iterator[dict[str, Any]]:
    """The first batches sealed at or after the last record: what they anchored covers all of the slice."""
    clearing, found = "", list[tuple[int, int]]()
    for frame in whole_frames(path):
        for record in read_frame(frame):
            if record.seq > size or len(found) == ANCHORS_MAX:
                break
            entry = entry_of(record) if record.seq == 1 or record.seq >= last else None
            if entry is None:
                continue
            if isinstance(entry.command, c.Configure):
                clearing = "0x" + entry.command.clearing.hex()
            if record.seq >= last:
                found += [(event.batch_id, record.seq) for event in entry.events if isinstance(event, e.BatchSealed)]
    for batch_id, sealed in found[:ANCHORS_MAX]:
        head, proof = leaves.head_of(path, sealed), leaves.consistency_proof(path, sealed, size)
        yield {
            "batch": batch_id,
            "size": sealed,
            "root": head.root.hex(),
            "proof": [_base64(node) for node in proof],
            "clearing": clearing,
        }


def _write_result(folder: Path, number: int, result: Result) -> dict[str, Any]:
    name = f"results/{number}.json"
    (folder / name).write_bytes(result.output)
    return {"arguments": result.arguments, "exit_code": result.exit_code, "result": name}
