"""Frames of a journal in their order, for whoever walks through all of it. Imports journal only.

Owns what every such walk needs: whole frames or the damage that ends it, records out of a frame, a word on progress,
and a collector that does not get in the way.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import msgspec

from journal.record import Frame, Record
from replay.findings import Diverged, Finding, Kind, of_chain
from replay.source import open_source

Progress: TypeAlias = Callable[[int], None]
"""Told the last seq done, once per frame."""


def whole_frames(path: Path, from_frame: int = 1) -> Iterator[Frame]:
    """Frames as they follow one another. Raises Diverged at the first damage that no crash explains, CannotRun."""
    due_seq = 1
    for item in open_source(path).scan(from_frame):
        if isinstance(item, Frame):
            due_seq = item.last_seq + 1
            yield item
        elif not item.recoverable:
            raise Diverged(of_chain(item, due_seq))


@contextmanager
def rare_collections() -> Iterator[None]:
    """Within it the cycle collector runs a hundred times less often: it walks the state and finds nothing there."""
    young, *older = gc.get_threshold()
    gc.set_threshold(100 * young, *older)
    try:
        yield
    finally:
        gc.set_threshold(young, *older)


def read_frame(frame: Frame) -> list[Record]:
    """The records of a frame. Raises Diverged when the body is of another make."""
    try:
        return frame.records()
    except msgspec.MsgspecError as error:
        sentence = f"the records of frame {frame.frame_no}, from seq {frame.first_seq}, cannot be read: {error}"
        finding = Finding(seq=frame.first_seq, kind=Kind.RECORD_UNREADABLE, sentence=sentence, frame_no=frame.frame_no)
        raise Diverged(finding) from error


def out_of_order(seq: int, time_ns: int, record: Record) -> Finding:
    """The finding that a record does not follow the one with this number and time."""
    if record.seq != seq + 1:
        sentence = f"the record after seq {seq} is numbered {record.seq}"
        return Finding(
            seq=seq + 1,
            kind=Kind.SEQ_NOT_DENSE,
            sentence=sentence,
            expected=str(seq + 1),
            actual=str(record.seq),
        )
    return Finding(
        seq=record.seq,
        kind=Kind.TIME_RAN_BACK,
        sentence=f"seq {record.seq} is stamped {time_ns - record.time_ns} ns before the record it follows",
        expected=f">= {time_ns}",
        actual=str(record.time_ns),
    )
