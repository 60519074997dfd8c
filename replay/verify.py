"""``verify``: is this journal what the machine did, every byte of it.

Owns the verdict. The chain is checked frame by frame, each record re-executed and its events compared byte for byte, a
second state folded from the events, every invariant held; with ``signatures`` every order and oracle round is checked
against who signed it. Needs the standard library, msgspec and the journal package; signatures are imported on demand.
"""

import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from exchange.codec import SCHEMA_FP
from exchange.core.images import decode, encode
from journal.record import Frame
from journal.snapshot import Snapshot
from replay.engine import Replayer
from replay.findings import Diverged, Finding, Kind, of_chain
from replay.frames import Progress, rare_collections, read_frame
from replay.source import Source, open_source

if TYPE_CHECKING:
    from replay.signatures import Signatures

FINDINGS_MAX: Final = 1_000
"""Findings kept; beyond that they are only counted, so that a ruined journal does not fill memory."""


class Part(msgspec.Struct, kw_only=True):
    """Which frames are verified: those after the image ``start``, None for genesis, up to ``until``, None for the end.

    Where images are to be made on the way, one is handed to ``keep`` at the end of a frame, ``every`` so many records.
    """

    start: Snapshot | None = None
    until: int | None = None
    every: int = 0
    keep: Callable[[Snapshot], object] | None = None


class Report(msgspec.Struct, kw_only=True):
    """What was verified and what was found. Digests and hashes in hex, ``seconds`` of wall time.

    ``since_seq`` is the record of the image that it went on from, 0 for genesis. ``executed_seq`` is the last record
    re-executed with equal events: less than ``records`` after a divergence. ``final_digest`` is of the state after the
    last record, and empty when the journal is damaged before it.
    """

    journal: str
    anchored: bool
    since_seq: int = 0
    records: int = 0
    events: int = 0
    frames: int = 0
    executed_seq: int = 0
    head: str = ""
    digests_checked: int = 0
    final_digest: str = ""
    orders_checked: int = 0
    rounds_checked: int = 0
    oracle_signers: tuple[str, ...] = ()
    findings: list[Finding] = []
    findings_omitted: int = 0
    seconds: float = 0.0
    events_per_second: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong but, at most, what a crash leaves behind."""
        return not self.findings_omitted and all(finding.recoverable for finding in self.findings)


def verify(
    path: Path,
    *,
    anchor: Path | None = None,
    signatures: bool = False,
    oracle_signers: tuple[bytes, ...] = (),
    folding: bool = True,
    progress: Progress | None = None,
    part: Part | None = None,
) -> Report:
    """Verify a journal from genesis to its end, in constant memory beside the state.

    ``anchor`` is the head's anchor, by default the one beside the journal. ``oracle_signers`` pins who may sign rounds;
    without it, distinct signers and the smallest quorum are required and reported. Without ``folding`` the second state
    is left out, which saves a third of the time. With ``part`` only some of it is verified. Raises CannotRun.
    """
    source = open_source(path, anchor)
    run = _Run(source, _signatures(oracle_signers) if signatures else None, part or Part(), folding=folding)
    began = time.perf_counter()
    with rare_collections():
        run.through(progress)
    report = run.report
    report.seconds = round(time.perf_counter() - began, 6)
    report.events_per_second = int(report.events / report.seconds) if report.seconds else 0
    return report


def _signatures(oracle_signers: tuple[bytes, ...]) -> "Signatures":
    from replay.signatures import Signatures  # noqa: PLC0415 - needs secp256k1 and keccak, which plain verify does not

    return Signatures(oracle_signers)


class _Run:
    """One verification under way."""

    def __init__(self, source: Source, signatures: "Signatures | None", part: Part, *, folding: bool) -> None:
        self.report = Report(journal=str(source.path), anchored=source.anchor is not None)
        self._source = source
        self._signatures = signatures
        self._replayer = Replayer(folding=folding)
        self._part = part
        self._diverged = False
        self._broken = False
        self._kept = 0
        if part.start is not None:
            self._begin(part.start, folding=folding)
        self._due_seq = self._replayer.state.seq + 1

    def _begin(self, start: Snapshot, *, folding: bool) -> None:
        """Go on from an image; whether it is what the records before it lead to is for whoever verifies those."""
        self._replayer.state = decode(start.state)
        if folding:
            self._replayer.folded = decode(start.state)
        self._kept = self.report.since_seq = self.report.executed_seq = start.last_seq
        if self._signatures is not None:
            self._signatures.go_on(self._replayer.state)

    def through(self, progress: Progress | None) -> None:
        """Every frame of the part, then the end: invariants, both states, the final digest."""
        part = self._part
        for item in self._source.scan(1 if part.start is None else part.start.frame_no + 1):
            if not isinstance(item, Frame):
                self._broken |= not item.recoverable
                self._add(of_chain(item, self._due_seq))
                continue
            self._take(item)
            self._keep(item)
            if progress is not None:
                progress(item.last_seq)
            if item.frame_no == part.until:
                break
        self._finish()

    def _keep(self, frame: Frame) -> None:
        """Hand out an image of the state, if one is due and the journal is sound so far."""
        keep, state = self._part.keep, self._replayer.state
        if keep is None or frame.last_seq - self._kept < self._part.every or self._diverged or self._broken:
            return
        self._kept = frame.last_seq
        data = encode(state)
        keep(Snapshot(frame.frame_no, frame.last_seq, frame.head, sha256(data).digest(), SCHEMA_FP, data))

    def _take(self, frame: Frame) -> None:
        report = self.report
        report.frames += 1
        report.records += frame.n
        report.head = frame.head.hex()
        self._due_seq = frame.last_seq + 1
        # After damage the chain is read on, but a state that misses a record proves nothing about the next.
        if not self._diverged and frame.first_seq == self._replayer.state.seq + 1:
            self._execute(frame)
        elif not self._diverged:
            self._diverged = True
            self._miss(frame)

    def _miss(self, frame: Frame) -> None:
        """Records between the last one executed and this frame are not there; the chain has said so, or should have."""
        if not self.report.findings:
            due = self._replayer.state.seq + 1
            sentence = f"frame {frame.frame_no} begins at seq {frame.first_seq} where seq {due} was due"
            self._add(Finding(seq=due, kind=Kind.SEQ_NOT_DENSE, sentence=sentence, frame_no=frame.frame_no))

    def _execute(self, frame: Frame) -> None:
        try:
            if self._signatures is not None:
                for finding in self._signatures.check(read_frame(frame)):
                    self._add(finding)
            self._replayer.run_frame(frame)
            self.report.executed_seq = frame.last_seq
        except Diverged as diverged:
            self._diverged = True
            self.report.executed_seq = diverged.finding.seq - 1
            self._add(msgspec.structs.replace(diverged.finding, frame_no=frame.frame_no))

    def _finish(self) -> None:
        report, replayer = self.report, self._replayer
        report.events, report.digests_checked = replayer.events, replayer.digests
        if self._signatures is not None:
            report.orders_checked, report.rounds_checked = self._signatures.orders, self._signatures.rounds
            report.oracle_signers = tuple("0x" + signer.hex() for signer in sorted(self._signatures.seen))
        if self._diverged:
            return
        try:
            final = replayer.finish()
            report.final_digest = "" if self._broken else final.hex()
        except Diverged as diverged:
            self._add(diverged.finding)

    def _add(self, finding: Finding) -> None:
        if len(self.report.findings) < FINDINGS_MAX:
            self.report.findings.append(finding)
        else:
            self.report.findings_omitted += 1
