"""``verify --jobs``: one process folds the events and runs ahead, others re-execute what lies between its images.

Owns how the two states of a verification are told apart in time. Folding a record costs a third of deciding it again,
so the state folded from the events gets to places in the journal before the re-executed one does. Its image there is
where another process begins to re-execute, and the process before it must end in that image, byte for byte. The first
begins at genesis: if all of them hold, every image is what the commands before it lead to, and what the events fold to.
That is what ``verify`` shows in one process, and shown at more places. Imports parts.
"""

import multiprocessing
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Final

from exchange import codec
from exchange.codec import SCHEMA_FP
from exchange.core.commands import TakeDigest
from exchange.core.events import Digested
from exchange.core.images import digest, encode
from exchange.core.machine import fold
from exchange.core.state import State
from journal.record import Frame, Record
from journal.snapshot import Snapshot, write_snapshot
from replay.engine import MACHINE_FAULTS, fold_differs, stopped
from replay.findings import Diverged, Finding
from replay.frames import Progress, out_of_order, rare_collections, read_frame, whole_frames
from replay.parts import EVERY, How, Job, first_wrong, joined, verify_part
from replay.source import open_source
from replay.verify import Report

LEAST: Final = 5_000
"""Records of a part below which starting it costs more than it saves."""
PARTS: Final = 8
"""Parts for each process, so that all of them end at about the same time."""


class Folder:
    """The state that the events alone lead to, as far as they can be folded at all.

    ``stopped``: why it could not be folded to its end. Whoever re-executes those records folds them once more and finds
    the same; should that go well there, the finding stands, for then two folds of one journal differ.
    """

    def __init__(self, path: Path, every: int) -> None:
        self._path, self._every = path, every
        self._state = State()
        self.stopped: Finding | None = None

    def images(self) -> Iterator[Snapshot]:
        """An image of the state after each so many records, and one of the end, in constant memory."""
        last: Frame | None = None
        kept = 0
        try:
            for frame in whole_frames(self._path):
                self._fold(frame)
                last = frame
                if frame.last_seq - kept >= self._every:
                    kept = frame.last_seq
                    yield self._image(frame)
        except Diverged as diverged:
            self.stopped = diverged.finding
            return
        except MACHINE_FAULTS as error:
            self.stopped = stopped(self._state.seq + 1, error)
            return
        if last is not None and last.last_seq != kept:
            yield self._image(last)

    def _fold(self, frame: Frame) -> None:
        """Raises Diverged, or what a machine raises on records that none has made."""
        state = self._state
        for record in read_frame(frame):
            if record.seq != state.seq + 1 or record.time_ns < state.time_ns:
                raise Diverged(out_of_order(state.seq, state.time_ns, record))
            command, events = codec.decode_command(record.command), codec.decode_events(record.events)
            if type(command) is TakeDigest and isinstance(events[0], Digested):
                self._compare_digests(record, events[0])
            fold(state, record.seq, record.time_ns, command, events)

    def _compare_digests(self, record: Record, event: Digested) -> None:
        """A digest is of the state before its record, at the record's time."""
        self._state.time_ns = record.time_ns
        found = digest(self._state)
        if found != event.digest:
            raise Diverged(fold_differs(record.seq, event.digest, found))

    def _image(self, frame: Frame) -> Snapshot:
        data = encode(self._state)
        return Snapshot(frame.frame_no, frame.last_seq, frame.head, sha256(data).digest(), SCHEMA_FP, data)


def folded_ahead(
    path: Path, images: Path | None, jobs: int, every: int | None, how: How, progress: Progress | None = None
) -> Report:
    """Verify a journal from genesis with so many processes beside this one, which folds.

    Images that hold are left in ``images``, if that is given. Raises CannotRun.
    """
    if images is not None:
        images.mkdir(parents=True, exist_ok=True)
    last_seq = max(open_source(path, how.anchor).last_seq, 0)
    span = every or min(max(last_seq // (PARTS * jobs), LEAST), EVERY)
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(dir=images, prefix="unverified-") as folder, rare_collections():
        made, files = list[Snapshot](), list[Path]()
        with ProcessPoolExecutor(jobs, mp_context=context) as pool:
            under_way, bare, folding = [], how._replace(folding=False), Folder(path, span)
            for image in folding.images():
                files.append(write_snapshot(Path(folder), image))
                start = files[-2] if len(files) > 1 else None
                under_way.append(pool.submit(verify_part, Job(path, start, image.frame_no, bare)))
                made.append(_without_state(image))
            # What could not be folded is folded once more where it is re-executed; else only damage is left to read.
            rest = Job(path, files[-1] if files else None, None, how if folding.stopped is not None else bare)
            under_way.append(pool.submit(verify_part, rest))
            reports = []
            for future in under_way:
                reports.append(future.result())
                if progress is not None:
                    progress(reports[-1].executed_seq)
        sound = _hold(reports, made, folding.stopped)
        if images is not None:
            for file in files[:sound]:
                file.replace(images / file.name)
    return joined(reports)


def _without_state(image: Snapshot) -> Snapshot:
    return Snapshot(image.frame_no, image.last_seq, image.head, image.state_digest, image.schema_fp, b"")


def _hold(reports: list[Report], images: list[Snapshot], why: Finding | None) -> int:
    """How many images are what the records before them lead to; the first that is not is a finding."""
    wrong = first_wrong(reports, images)
    if wrong is None:
        sound = next((place for place, report in enumerate(reports) if not report.ok), len(images))
        if sound == len(images) and why is not None and reports[-1].ok:
            reports[-1].findings.append(why)
            reports[-1].final_digest = ""
        return sound
    report, image = reports[wrong], images[wrong]
    report.findings.append(fold_differs(image.last_seq, bytes.fromhex(report.final_digest), image.state_digest))
    report.final_digest = ""
    return wrong
