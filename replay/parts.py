"""``verify --images``: a journal verified in parts at once, or only from where it was verified before.

Owns the images of the state kept for that, and why they need not be trusted. Each part starts from an image and must
end in the next one, byte for byte: the first starts from genesis, so if all of them hold, every image is what the
records before it lead to. An image that does not hold is thrown away and its part verified with the one before it.
Imports verify and the journal's snapshots.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from exchange.codec import SCHEMA_FP
from journal.snapshot import Snapshot, SnapshotUnusable, read_snapshot, write_snapshot
from replay.findings import Diverged, Finding, Kind
from replay.frames import Progress
from replay.source import open_source
from replay.verify import FINDINGS_MAX, Part, Report, verify

EVERY: Final = 250_000
"""Records between two images."""


class How(NamedTuple):
    """What is asked of every part, as in ``verify``."""

    anchor: Path | None
    signatures: bool
    oracle_signers: tuple[bytes, ...]
    folding: bool


class Job(NamedTuple):
    """One part, for a process of its own; where images are made on the way, ``every`` so many records, and where to."""

    path: Path
    start: Path | None
    until: int | None
    how: How
    every: int = 0
    images: Path | None = None


def in_parts(path: Path, images: Path, jobs: int, every: int, how: How, progress: Progress | None = None) -> Report:
    """Verify a journal with so many processes, by the images there are; make missing ones. Raises CannotRun."""
    images.mkdir(parents=True, exist_ok=True)
    source, kept = open_source(path), []
    for snapshot, file in usable(images):
        if source.head_at(snapshot.frame_no) == snapshot.head:
            kept.append((snapshot, file))
        else:
            file.unlink()
    while True:
        starts = [None, *(each for _, each in kept)]
        ends = [snapshot.frame_no for snapshot, _ in kept]
        work = [Job(path, start, until, how, every, images) for start, until in zip(starts, [*ends, None], strict=True)]
        reports = _run(work, jobs, progress)
        wrong = first_wrong(reports, [snapshot for snapshot, _ in kept])
        if wrong is None:
            return joined(reports)
        kept[wrong][1].unlink()
        del kept[wrong]


def from_last(path: Path, images: Path, every: int, how: How, progress: Progress | None = None) -> Report:
    """Verify what came since the last image, which an earlier verification made; the hash chain holds what was before.

    The image is used only if its frame still has the head it had: heads cover all that is before them. Without an image
    all is verified. Raises Diverged when the journal is no longer what was verified, CannotRun.
    """
    images.mkdir(parents=True, exist_ok=True)
    kept = usable(images)
    last = kept[-1][1] if kept else None
    if kept and open_source(path).head_at(kept[-1][0].frame_no) != kept[-1][0].head:
        snapshot = kept[-1][0]
        sentence = f"frame {snapshot.frame_no} is not the one that was verified before: the past was changed since"
        raise Diverged(Finding(seq=snapshot.last_seq, kind=Kind.FORK, sentence=sentence, frame_no=snapshot.frame_no))
    return verify_part(Job(path, last, None, how, every, images), progress)


def usable(images: Path) -> list[tuple[Snapshot, Path]]:
    """Whole images of this schema, by frame; others are thrown away."""
    found = []
    for path in sorted(images.glob("*.snapshot")):
        try:
            snapshot = read_snapshot(path)
        except SnapshotUnusable:
            path.unlink()
            continue
        if snapshot.schema_fp == SCHEMA_FP:
            found.append((msgspec.structs.replace(snapshot, state=b""), path))
    return found


def _run(work: list[Job], jobs: int, progress: Progress | None) -> list[Report]:
    if jobs == 1 or len(work) == 1:
        return [verify_part(job, progress) for job in work]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(work)), mp_context=context) as pool:
        return list(pool.map(verify_part, work))


def verify_part(job: Job, progress: Progress | None = None) -> Report:
    """Verify one part. Raises CannotRun."""
    start = None if job.start is None else read_snapshot(job.start)
    keep = None if job.images is None else partial(write_snapshot, job.images)
    part = Part(start=start, until=job.until, every=job.every, keep=keep)
    how = job.how
    return verify(
        job.path,
        anchor=how.anchor,
        signatures=how.signatures,
        oracle_signers=how.oracle_signers,
        folding=how.folding,
        progress=progress,
        part=part,
    )


def first_wrong(reports: list[Report], images: list[Snapshot]) -> int | None:
    """The first image that the part before it does not lead to, though that part is sound."""
    for place, (report, image) in enumerate(zip(reports, images, strict=False)):
        if not report.ok or not report.final_digest:
            return None
        if report.final_digest != image.state_digest.hex() or report.head != image.head.hex():
            return place
    return None


def joined(reports: list[Report]) -> Report:
    """One report of all parts. After one that diverged, later ones say nothing of what is executed."""
    whole = Report(journal=reports[0].journal, anchored=reports[0].anchored)
    signers: dict[str, None] = {}
    sound = True
    for report in reports:
        for name in ("records", "events", "frames", "digests_checked", "orders_checked", "rounds_checked"):
            setattr(whole, name, getattr(whole, name) + getattr(report, name))
        signers |= dict.fromkeys(report.oracle_signers)
        whole.findings_omitted += report.findings_omitted
        kept = [each for each in report.findings if sound or each.kind not in _OF_EXECUTION]
        room = FINDINGS_MAX - len(whole.findings)
        whole.findings += kept[:room]
        whole.findings_omitted += max(len(kept) - room, 0)
        whole.head = report.head or whole.head
        if sound:
            whole.executed_seq = report.executed_seq
        sound = sound and report.ok
    whole.oracle_signers = tuple(sorted(signers))
    whole.final_digest = reports[-1].final_digest if sound else ""
    return whole


_OF_EXECUTION: Final = (Kind.MACHINE_STOPPED, Kind.INVARIANT_BROKEN, Kind.EVENTS_DIFFER, Kind.DIGEST_DIFFERS)
