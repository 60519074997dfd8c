"""Re-execution: records in, states out, and the first place where the journal and the machine disagree.

Owns ``Replayer``, which every command of the audit is built on. One state is re-executed from the commands; a second
may be folded from the journaled events, and must agree at every digest. Imports core, codec and journal only.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from exchange import codec
from exchange.core import invariants
from exchange.core.commands import AnyCommand, TakeDigest
from exchange.core.events import AnyEvent, Digested, Event
from exchange.core.images import digest
from exchange.core.machine import apply, fold
from exchange.core.state import State
from journal.record import Frame, Record
from replay.findings import Diverged, Finding, Kind, shown
from replay.frames import Progress, out_of_order, rare_collections, read_frame, whole_frames

# What a pure function can raise on commands that no sequencer took: a forged journal must give a finding, not a trace.
MACHINE_FAULTS: Final = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


class Moment(NamedTuple):
    """A point in the journal: after record ``seq``, or after the last record stamped at or before ``time_ns``."""

    seq: int | None = None
    time_ns: int | None = None

    def covers(self, record: Record) -> bool:
        """Whether the record had happened by then."""
        if self.seq is not None:
            return record.seq <= self.seq
        return self.time_ns is None or record.time_ns <= self.time_ns


END: Final = Moment()


class Step(NamedTuple):
    """One record as it was re-executed, with the bytes of its events checked."""

    seq: int
    time_ns: int
    command: AnyCommand
    events: tuple[AnyEvent, ...]


class Replayer:
    """Re-executes records in order. ``state`` is as of the last record taken; ``folded`` follows the events alone."""

    def __init__(self, *, folding: bool = False) -> None:
        self.state = State()
        self.folded = State() if folding else None
        self.events = 0
        self.digests = 0

    def run_frame(self, frame: Frame) -> None:
        """Re-execute a whole frame. Raises Diverged."""
        self.run(read_frame(frame))
        if self.state.seq != frame.last_seq:
            ends = f"frame {frame.frame_no} says it ends at seq {frame.last_seq}, its records end at {self.state.seq}"
            raise Diverged(
                Finding(seq=self.state.seq + 1, kind=Kind.SEQ_NOT_DENSE, sentence=ends, frame_no=frame.frame_no)
            )

    def run(self, records: Sequence[Record]) -> None:
        """Re-execute records, comparing the bytes of their events. Raises Diverged at the first that differs."""
        state, folded, seq = self.state, self.folded, self.state.seq
        decode, encode, decode_events = codec.decode_command, codec.encode_events, codec.decode_events
        try:
            for record in records:
                seq, time_ns = record.seq, record.time_ns
                if seq != state.seq + 1 or time_ns < state.time_ns:
                    raise Diverged(out_of_order(state.seq, state.time_ns, record))
                command = decode(record.command)
                events = apply(state, seq, time_ns, command)
                if encode(events) != record.events:
                    raise Diverged(_events_differ(seq, command, events, record.events))
                self.events += len(events)
                if type(command) is TakeDigest:
                    self._compare_digests(record, events[0])
                if folded is not None:
                    fold(folded, seq, time_ns, command, decode_events(record.events))
        except MACHINE_FAULTS as error:
            raise Diverged(stopped(seq, error)) from error

    def _compare_digests(self, record: Record, event: Event) -> None:
        """The re-executed digest is the journal's, for the bytes are equal; the folded state must have it too."""
        if not isinstance(event, Digested):
            return  # refused: the venue was not yet configured
        self.digests += 1
        if self.folded is not None:
            self.folded.time_ns = record.time_ns  # a digest is of the state before its record, at the record's time
            found = digest(self.folded)
            if found != event.digest:
                raise Diverged(fold_differs(record.seq, event.digest, found))

    def finish(self) -> bytes:
        """Check every invariant, and both states against each other; the final digest. Raises Diverged."""
        state = self.state
        for invariant in invariants.ALL:
            broken = invariant(state)
            if broken is not None:
                sentence = f"{invariant.__name__}: {broken}"
                raise Diverged(Finding(seq=state.seq, kind=Kind.INVARIANT_BROKEN, sentence=sentence))
        final = digest(state)
        if self.folded is not None and (found := digest(self.folded)) != final:
            raise Diverged(fold_differs(state.seq, final, found))
        return final


def replay(path: Path, until: Moment = END, progress: Progress | None = None) -> State:
    """The state at a moment, every record on the way re-executed and compared.

    Raises Diverged at the first damage or difference before the moment, CannotRun when there is no journal to read.
    """
    replayer = Replayer()
    with rare_collections():
        for frame in whole_frames(path):
            records = read_frame(frame)
            covered = [record for record in records if until.covers(record)]
            replayer.run(covered)
            if progress is not None:
                progress(replayer.state.seq)
            if len(covered) < len(records):
                break
    return replayer.state


def steps(path: Path) -> Iterator[tuple[Step, State]]:
    """Each record with the state right after it. The state is the live one: read it before asking for the next.

    Raises as ``replay`` does.
    """
    replayer = Replayer()
    for frame in whole_frames(path):
        for record in read_frame(frame):
            replayer.run((record,))
            command, events = codec.decode_command(record.command), codec.decode_events(record.events)
            yield Step(record.seq, record.time_ns, command, events), replayer.state


# -- wording ----------------------------------------------------------------------------------------------------------


def stopped(seq: int, error: Exception) -> Finding:
    """The finding that the machine cannot take a record."""
    if isinstance(error, invariants.InvariantBroken):
        return Finding(seq=seq, kind=Kind.INVARIANT_BROKEN, sentence=str(error))
    if isinstance(error, codec.CodecError):
        return Finding(seq=seq, kind=Kind.RECORD_UNREADABLE, sentence=f"seq {seq} is {error}")
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Finding(
        seq=seq, kind=Kind.MACHINE_STOPPED, sentence=f"the machine cannot take the command of seq {seq} ({what})"
    )


def _events_differ(seq: int, command: AnyCommand, events: tuple[Event, ...], journaled: bytes) -> Finding:
    kind = Kind.DIGEST_DIFFERS if type(command) is TakeDigest else Kind.EVENTS_DIFFER
    try:
        actual = shown(codec.decode_events(journaled))
    except codec.CodecError as error:
        actual = str(error)
    name = type(command).__name__
    sentence = f"seq {seq}, a {name}: the machine decides other events than the journal holds"
    return Finding(seq=seq, kind=kind, sentence=sentence, expected=shown(events), actual=actual)


def fold_differs(seq: int, expected: bytes, actual: bytes) -> Finding:
    """The finding that the events do not lead to the state that the commands lead to."""
    sentence = f"at seq {seq} the state folded from the events alone is not the state re-executed from the commands"
    return Finding(seq=seq, kind=Kind.FOLD_DIFFERS, sentence=sentence, expected=shown(expected), actual=shown(actual))
