"""What can be wrong with a journal, found and named: the verifier of frames in storage order.

Owns the vocabulary of damage and the one reader of the hash chain. No input or output. May import
`journal.record`. The head of a frame proves that something is wrong; its marks only say where. A forged mark
can mislead a finding about the place, but can never make a damaged frame pass.
"""

from collections.abc import Container, Iterable, Iterator
from enum import StrEnum
from typing import Final

import msgspec

from journal.record import MARK_BYTES, Frame, Head, compute_head, leaf_hashes, pack_framing, row_mark

GAPS_MAX: Final = 4096
"""Missing stretches remembered, to tell a late frame from a repeated one. The oldest are forgotten first."""

_BODY_START: Final = 5
_RECORD_TAG: Final = 0x94
_FIXINT_MAX: Final = 0x7F
_UINT_BYTES: Final = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
_BIN_LENGTH_BYTES: Final = {0xC4: 1, 0xC5: 2, 0xC6: 4}


class Damage(StrEnum):
    """Every way a journal can be wrong. Only a torn tail is what a crash may leave behind."""

    TORN_TAIL = "torn_tail"
    LOST_TAIL = "lost_tail"
    GAP = "gap"
    FORK = "fork"
    ALTERED = "altered"
    REORDERED = "reordered"
    DUPLICATED = "duplicated"
    UNKNOWN_SCHEMA = "unknown_schema"


class Finding(msgspec.Struct, frozen=True):
    """One damage: its kind, the frame and the first record it concerns, and a sentence for people."""

    kind: Damage
    frame_no: int
    seq: int
    sentence: str

    @property
    def recoverable(self) -> bool:
        """Whether this is the ordinary trace of a crash, which opening the journal repairs."""
        return self.kind is Damage.TORN_TAIL


class Damaged(Exception):
    """Raised by readers that were asked for frames and met damage; `finding` says which."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.sentence)
        self.finding = finding


class Verifier:
    """Takes frames in storage order and names what is wrong with each, going on past damage.

    `start` is the head before the first frame it is shown. `schemas`, if given, are the fingerprints that the
    caller can read.
    """

    def __init__(self, start: Head, schemas: Container[bytes] | None = None) -> None:
        self._due_no = start.frame_no + 1
        self._due_seq = start.last_seq + 1
        self._links: tuple[bytes, ...] = (start.hash,)
        self._missing: list[tuple[int, int]] = []
        self._schemas = schemas

    def check(self, frame: Frame) -> tuple[Finding, ...]:
        """The damage of this frame; nothing when it is the next of the chain, whole and readable."""
        computed = [compute_head(link, frame) for link in self._links]
        linked = frame.head in computed
        if not linked and row_mark(frame) != frame.marks[:MARK_BYTES]:
            return self._altered_header(frame, computed[0])
        if frame.first_seq < self._due_seq:
            return _some(self._late(frame), locate(frame))
        findings = self._out_of_place(frame) or (() if linked else _some(locate(frame) or _fork(frame)))
        self._links = (frame.head,) if linked else (frame.head, computed[0])
        self._due_no, self._due_seq = frame.frame_no + 1, frame.last_seq + 1
        return findings + self._unreadable(frame)

    def _altered_header(self, frame: Frame, computed: bytes) -> tuple[Finding, ...]:
        """Nothing the header says can be believed, so the next frame's place is counted from the marks."""
        place = f"frame {self._due_no}, due to begin at seq {self._due_seq}"
        finding = Finding(Damage.ALTERED, self._due_no, self._due_seq, f"{place}, had its header or its head altered")
        self._links = (frame.head, computed)
        self._due_no += 1
        self._due_seq += max(1, len(frame.marks) // MARK_BYTES - 1)
        return (finding,)

    def _late(self, frame: Frame) -> Finding:
        """Records that were due earlier: the missing ones, or ones that were there before."""
        first, last = frame.first_seq, frame.last_seq
        place = f"frame {frame.frame_no} holds seq {first}..{last} where seq {self._due_seq} was due"
        for index, (low, high) in enumerate(self._missing):
            if low <= first and last <= high:
                rest = [(low, first - 1), (last + 1, high)]
                self._missing[index : index + 1] = [(a, b) for a, b in rest if a <= b]
                return Finding(Damage.REORDERED, frame.frame_no, first, f"{place}: it comes too late")
        return Finding(Damage.DUPLICATED, frame.frame_no, first, f"{place}: they are there already")

    def _out_of_place(self, frame: Frame) -> tuple[Finding, ...]:
        """A frame after a gap, or one with the right records under a wrong number."""
        low, high = self._due_seq, frame.first_seq - 1
        if low <= high:
            self._missing = [*self._missing[1 - GAPS_MAX :], (low, high)]
            sentence = f"seq {low}..{high} are missing before frame {frame.frame_no}"
            return _some(Finding(Damage.GAP, frame.frame_no, low, sentence), locate(frame))
        if frame.frame_no != self._due_no:
            due = f"where {self._due_no} was due"
            sentence = f"the frame of seq {frame.first_seq} is numbered {frame.frame_no} {due}"
            return (Finding(Damage.ALTERED, frame.frame_no, frame.first_seq, sentence),)
        return ()

    def _unreadable(self, frame: Frame) -> tuple[Finding, ...]:
        if self._schemas is None or frame.schema_fp in self._schemas:
            return ()
        place = f"frame {frame.frame_no} from seq {frame.first_seq}"
        sentence = f"{place} is written in schema {frame.schema_fp.hex()}, which is unknown here"
        return (Finding(Damage.UNKNOWN_SCHEMA, frame.frame_no, frame.first_seq, sentence),)


def verify(frames: Iterable[Frame], start: Head, schemas: Container[bytes] | None = None) -> Iterator[Frame | Finding]:
    """Each frame that is whole, and a finding for each damage, in storage order and constant memory."""
    verifier = Verifier(start, schemas)
    for frame in frames:
        findings = verifier.check(frame)
        if findings:
            yield from findings
        else:
            yield frame


def require(frames: Iterable[Frame | Finding]) -> Iterator[Frame]:
    """The frames alone. Raises `Damaged` at the first finding that a crash does not explain."""
    for item in frames:
        if isinstance(item, Frame):
            yield item
        elif not item.recoverable:
            raise Damaged(item)


def locate(frame: Frame) -> Finding | None:
    """Which record of this frame differs from what was written, going by its marks; None if all agree."""
    kept = [frame.marks[at : at + MARK_BYTES] for at in range(MARK_BYTES, len(frame.marks), MARK_BYTES)]
    found = [leaf[:MARK_BYTES] for leaf in leaf_hashes(list(split_records(frame.body)))]
    if found == kept and frame.body[:_BODY_START] == pack_framing(frame.n) and frame.n == len(kept):
        return None
    pairs = enumerate(zip(found, kept, strict=False))
    shorter = 0 if found == kept else min(len(found), len(kept))
    at = next((i for i, (a, b) in pairs if a != b), shorter)
    kind, what = _difference(kept, found, at)
    seq = frame.first_seq + at
    return Finding(kind, frame.frame_no, seq, f"frame {frame.frame_no}: at seq {seq} {what}")


def _difference(kept: list[bytes], found: list[bytes], at: int) -> tuple[Damage, str]:
    """How the records found differ from those kept; `at` is the first place where they do."""
    if found == kept:
        return Damage.ALTERED, "begin records whose framing was altered"
    if sorted(found) == sorted(kept):
        return Damage.REORDERED, "the records are in another order than written"
    rest = iter(kept)
    if len(found) < len(kept) and all(mark in rest for mark in found):
        return Damage.GAP, f"{len(kept) - len(found)} record(s) are missing"
    if at < len(found) and found[at] in kept:
        return Damage.DUPLICATED, "stands a record that the frame holds already"
    return Damage.ALTERED, "the record is not what was written"


def split_records(body: bytes) -> Iterator[bytes]:
    """The bytes of each record of a body that may be damaged; what makes no sense is one last piece."""
    at = _BODY_START
    while at < len(body):
        end = _record_end(body, at)
        yield body[at:end]
        at = end


def _record_end(body: bytes, at: int) -> int:
    """Where the record at `at` ends: after two unsigned integers and two byte strings of msgpack."""
    if body[at] != _RECORD_TAG:
        return len(body)
    at += 1
    for _ in range(2):
        tag = body[at] if at < len(body) else _FIXINT_MAX
        at += 1 + _UINT_BYTES.get(tag, 0)
    for _ in range(2):
        width = _BIN_LENGTH_BYTES.get(body[at] if at < len(body) else 0, 0)
        at += 1 + width + int.from_bytes(body[at + 1 : at + 1 + width], "big")
    return min(at, len(body))


def _some(*findings: Finding | None) -> tuple[Finding, ...]:
    return tuple(finding for finding in findings if finding is not None)


def _fork(frame: Frame) -> Finding:
    place = f"frame {frame.frame_no} from seq {frame.first_seq}"
    sentence = f"{place} is whole, but follows another history than the frame before it"
    return Finding(Damage.FORK, frame.frame_no, frame.first_seq, sentence)
