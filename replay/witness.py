"""``witness``: an independent party that keeps the last checkpoint it saw, and refuses whatever does not go on from it.

It needs no journal and no machine: two checkpoints, a consistency proof, and the key of whoever signs them. Imports
notes and the tree.
"""

import base64
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from journal.anchor import sync_directory
from journal.merkle import verify_consistency
from replay.findings import Finding, Kind, shown
from replay.notes import Checkpoint, Note, NoteError, Signer, Verifier, read_checkpoint, read_note


class Report(msgspec.Struct, kw_only=True):
    """What was shown, what was held against it, and what is wrong. ``cosigned`` is the note as it may be passed on."""

    origin: str
    size: int
    root: str
    before: int
    findings: list[Finding] = []
    cosigned: str = ""

    @property
    def ok(self) -> bool:
        """Whether it goes on from what was seen before."""
        return not self.findings


def judge(data: bytes, seen: bytes | None, proof: Sequence[bytes], venue: Verifier) -> tuple[Report, Note]:
    """Hold a checkpoint against the last one seen, None at first. Raises NoteError on what is no checkpoint at all."""
    note = read_note(data)
    new = read_checkpoint(note)
    old = None if seen is None else read_checkpoint(read_note(seen))
    report = Report(origin=new.origin, size=new.size, root=new.root.hex(), before=old.size if old is not None else 0)
    finding = _unsigned(note, new, venue) or _wrong(new, old, proof)
    if finding is not None:
        report.findings.append(finding)
    return report, note


def _unsigned(note: Note, new: Checkpoint, venue: Verifier) -> Finding | None:
    try:
        if note.signed_by(venue):
            return None
        sentence = f"the checkpoint of {new.size} records is not signed by {venue.name}"
    except NoteError as error:
        sentence = str(error)
    return Finding(seq=new.size, kind=Kind.STATEMENT_NOT_SIGNED, sentence=sentence)


def _wrong(new: Checkpoint, old: Checkpoint | None, proof: Sequence[bytes]) -> Finding | None:
    if old is None:
        return None
    if new.origin != old.origin:
        sentence = f"the checkpoint is of {new.origin}, and {old.origin} was seen before"
        return Finding(seq=new.size, kind=Kind.ROOT_DIFFERS, sentence=sentence, expected=old.origin, actual=new.origin)
    if new.size < old.size:
        sentence = f"the checkpoint of {new.size} records is older than the one of {old.size} that was seen before"
        return _against(new, old, Kind.LOST_TAIL, sentence)
    if new.size == old.size and new.root != old.root:
        sentence = f"there are two roots over {new.size} records: whoever signed both shows two journals"
        return _against(new, old, Kind.TOLD_TWICE, sentence)
    if old.size and not verify_consistency(old.size, new.size, proof, old.root, new.root):
        sentence = f"nothing shows that the tree of {new.size} records goes on from that of {old.size} seen before"
        return _against(new, old, Kind.FORK, sentence)
    return None


def _against(new: Checkpoint, old: Checkpoint, kind: Kind, sentence: str) -> Finding:
    return Finding(seq=old.size, kind=kind, sentence=sentence, expected=shown(old.root), actual=shown(new.root))


def witness(
    state: Path, data: bytes, proof: Sequence[bytes], venue: Verifier, signer: Signer | None, time_s: int
) -> Report:
    """Judge a checkpoint against the one kept in ``state``; if it goes on from there, keep it, cosigned if we may.

    What is kept is durable before anything is cosigned, so that no crash makes a witness vouch for two pasts. Raises
    NoteError, OSError.
    """
    seen = state.read_bytes() if state.exists() else None
    report, note = judge(data, seen, proof, venue)
    if not report.ok:
        return report
    cosigned = note if signer is None else signer.cosign(note, time_s)
    temporary = state.with_name(state.name + ".new")
    with temporary.open("wb") as file:
        file.write(bytes(cosigned))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(state)
    sync_directory(state.parent)
    report.cosigned = bytes(cosigned).decode()
    return report


def write_proof(proof: Sequence[bytes]) -> bytes:
    """A proof as a file: one hash in base64 on each line."""
    return "".join(base64.b64encode(node).decode() + "\n" for node in proof).encode()


def read_proof(data: bytes) -> list[bytes]:
    """A proof from its file. Raises NoteError."""
    try:
        proof = [base64.b64decode(line, validate=True) for line in data.split()]
    except ValueError as error:
        raise NoteError("this is no proof: one hash in base64 on each line") from error
    if any(len(node) != 32 for node in proof):
        raise NoteError("a hash of a proof has 32 bytes")
    return proof


def lines(report: Report) -> list[str]:
    """The verdict for people."""
    shown_lines = [
        f"origin     {report.origin}",
        f"records    {report.size:,}, {report.before:,} seen before",
        f"root       {report.root}",
    ]
    for finding in report.findings:
        shown_lines.append(f"{finding.kind}: {finding.sentence}")
        shown_lines += [f"    seen     {finding.expected}", f"    shown    {finding.actual}"] if finding.actual else []
    return [*shown_lines, "verdict    " + ("it goes on from what was seen" if report.ok else "refused")]
