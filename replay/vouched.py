"""``verify --checkpoint``: a journal against a checkpoint that was made of it before, and that against its time stamp.

What was hashed anew since then, or cut off, has another root at that size. Imports the tree, notes and stamps.
"""

from pathlib import Path

import msgspec
from cryptography import x509

from replay import leaves, stamps
from replay.findings import CannotRun, Diverged, Finding, Kind
from replay.notes import Checkpoint, Note, NoteError, read_checkpoint, read_note, read_verifier
from replay.source import open_source
from replay.stamps import Stamp, State


class Told(msgspec.Struct, kw_only=True):
    """What the checkpoint says, how it stands with its time stamp, and what of both is contradicted."""

    origin: str
    size: int
    root: str
    stamp: Stamp
    findings: list[Finding] = []


def hold(journal: Path, path: Path, venue: str | None, roots: list[x509.Certificate]) -> Told:
    """Hold a journal against a checkpoint; if ``venue`` is given, it must have signed it. Raises CannotRun."""
    try:
        note = read_note(path.read_bytes())
        said = read_checkpoint(note)
        unsigned = "" if venue is None else _unsigned(note, venue)
    except (OSError, NoteError) as error:
        raise CannotRun(f"{path} cannot be used: {error}") from error
    stamp = stamps.stored(path, note, roots)
    told = Told(origin=said.origin, size=said.size, root=said.root.hex(), stamp=stamp)
    if unsigned:
        told.findings.append(Finding(seq=said.size, kind=Kind.STATEMENT_NOT_SIGNED, sentence=unsigned))
    told.findings += _contradicted(journal, said)
    if stamp.state is State.WRONG or (roots and not stamp.ok):
        told.findings.append(Finding(seq=said.size, kind=Kind.STAMP_NOT_SOUND, sentence=stamp.sentence))
    return told


def _unsigned(note: Note, venue: str) -> str:
    verifier = read_verifier(venue)
    try:
        return "" if note.signed_by(verifier) else f"the checkpoint is not signed by {verifier.name}"
    except NoteError as error:
        return str(error)


def _contradicted(journal: Path, said: Checkpoint) -> list[Finding]:
    """The journal must have that root at that size; where it is damaged, ``verify`` has said so."""
    last_seq = open_source(journal).last_seq
    if 0 <= last_seq < said.size:
        sentence = f"the checkpoint is of {said.size} records, and the journal has {last_seq}"
        return [Finding(seq=last_seq + 1, kind=Kind.LOST_TAIL, sentence=sentence)]
    try:
        head = leaves.head_of(journal, said.size)
    except (Diverged, CannotRun):
        return []
    if head.root == said.root:
        return []
    sentence = f"over the first {said.size} records the journal has another root than the checkpoint"
    expected, actual = said.root.hex(), head.root.hex()
    return [Finding(seq=said.size, kind=Kind.ROOT_DIFFERS, sentence=sentence, expected=expected, actual=actual)]


def lines(told: Told) -> list[str]:
    """For people; findings are told with those of the journal."""
    return [f"checkpoint {told.origin}, {told.size:,} records", f"time stamp {told.stamp.state}: {told.stamp.sentence}"]
