"""A journal that one walks through record by record, forwards and backwards.

Owns the way back: states kept at some frames on the way, so that a step back executes a few thousand records and not
all of them. Memory is that of ``MARKS_MAX`` encoded states. Imports the engine and the trail.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from exchange.core.images import decode, encode
from exchange.core.state import State
from replay.engine import Moment, Replayer
from replay.frames import read_frame, whole_frames
from replay.trail import Entry, entry_of

SPAN: Final = 2_000
"""Records between two states kept; doubled each time there are too many."""
MARKS_MAX: Final = 64


class _Mark(NamedTuple):
    seq: int
    frame_no: int
    state: bytes


class Walker:
    """Stands after a record; ``last`` is that record, None at the very beginning."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._span = SPAN
        self._marks = [_Mark(0, 0, encode(State()))]
        self._replayer = Replayer()
        self._frame_no = 0
        self._ahead = self._entries(1)
        self._next: Entry | None = None
        self.last: Entry | None = None

    @property
    def state(self) -> State:
        """The state after the last record. It is the live one: read it before walking on."""
        return self._replayer.state

    def forward(self) -> Entry | None:
        """Execute the next record; None at the end. Raises Diverged."""
        entry = self._peek()
        if entry is None:
            return None
        self._next = None
        self._replayer.run((entry.record,))
        self.last = entry
        return entry

    def to(self, moment: Moment) -> bool:
        """Walk to a moment, back if need be; whether the journal reaches it. Raises Diverged."""
        here = self.last
        if here is not None and not moment.covers(here.record):
            self._back(moment)
        while (entry := self._peek()) is not None and moment.covers(entry.record):
            self.forward()
        return moment.seq is None or self.state.seq == moment.seq

    def until(self, holds: Callable[[Entry, State], bool]) -> Entry | None:
        """Walk on to the next record of which something holds, right after it; None at the end."""
        while (entry := self.forward()) is not None:
            if holds(entry, self.state):
                return entry
        return None

    def _peek(self) -> Entry | None:
        if self._next is None:
            self._next = next(self._ahead, None)
        if self._next is None:  # the end as it is; the journal may grow meanwhile
            self._ahead = self._entries(self._frame_no + 1)
        return self._next

    def _entries(self, from_frame: int) -> Iterator[Entry]:
        for frame in whole_frames(self._path, from_frame):
            for record in read_frame(frame):
                yield entry_of(record)
            self._frame_no = frame.frame_no
            if frame.last_seq - self._marks[-1].seq >= self._span and self.state.seq == frame.last_seq:
                self._keep(_Mark(frame.last_seq, frame.frame_no, encode(self.state)))

    def _keep(self, mark: _Mark) -> None:
        self._marks.append(mark)
        if len(self._marks) > MARKS_MAX:
            self._marks[1:] = self._marks[2::2]
            self._span *= 2

    def _back(self, moment: Moment) -> None:
        """Start anew from a state that lies before the moment; the record it stands after is not known there."""
        behind = 0 if moment.seq is None else moment.seq
        mark = next(mark for mark in reversed(self._marks) if mark.seq < max(behind, 1))
        self._replayer = Replayer()
        if mark.seq:
            self._replayer.state = decode(mark.state)
        self._frame_no = mark.frame_no
        self._ahead, self._next, self.last = self._entries(mark.frame_no + 1), None, None
