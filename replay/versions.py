"""``bisect`` with ``--code``: the first record on which two versions of the code do not agree.

Both execute the journal in stretches, each in a process of its own; what every record caused is compared by hash, and
the states at the end of each stretch by digest. A stretch that differs is executed again with more digests, until one
record is left. Imports the engines and the codec.
"""

from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from exchange.codec import SCHEMA_FP
from journal.record import Record
from replay.at import iso
from replay.divergence import EVENTS, STATE, STOPPED, Divergence, Snapshots, fill
from replay.engines import Code, Engine, raw
from replay.findings import CannotRun
from replay.frames import Progress, read_frame, whole_frames
from replay.tree import differences
from replay.worker import HASH_BYTES

STRETCH: Final = 4_096
COARSE: Final = 64
"""Records between two digests of the second execution. A state that differs and agrees again within them is passed."""
SEEDS: Final = (1, 2)


class _Told(NamedTuple):
    """What a worker says of records: a hash of the events of each, digests, and why it stopped."""

    hashes: bytes
    digests: list[bytes]
    stopped: str


class _Pair:
    """Two engines that are asked the same at once."""

    def __init__(self, a: Engine, b: Engine) -> None:
        self.a, self.b = a, b
        fields = [name for name in a.fields if name in b.fields]
        self.plain = a.schema != b.schema
        self.call("agree", fields=fields, plain=self.plain)

    def call(self, do: str, **arguments: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """One request to both."""
        self.a.ask(do, **arguments)
        self.b.ask(do, **arguments)
        return self.a.answer(), self.b.answer()

    def run(self, do: str, **arguments: Any) -> tuple[_Told, _Told]:
        """One request to both that executes records."""
        a, b = self.call(do, **arguments)
        return _Told(**a), _Told(**b)


def of_codes(
    path: Path, codes: tuple[Code, Code], progress: Progress | None = None
) -> tuple[Divergence, Snapshots | None]:
    """Where two versions part over one journal. Raises Diverged when it is damaged before that, CannotRun."""
    found = Divergence(a=codes[0].label, b=codes[1].label)
    with Engine(codes[0], SEEDS[0]) as a, Engine(codes[1], SEEDS[1]) as b:
        found.a, found.b = f"{a.package} on Python {a.python}", f"{b.package} on Python {b.python}"
        pair = _Pair(a, b)
        for records in _stretches(path):
            told = pair.run("take", records=raw(records))
            if told[0] != told[1] or told[0].stopped:
                return found, _Search(pair, records, told).locate(found)
            found.compared = records[-1].seq
            if progress is not None:
                progress(found.compared)
    return found, None


def _stretches(path: Path) -> Iterator[list[Record]]:
    records = (record for frame in whole_frames(path) for record in read_frame(frame))
    while stretch := list(islice(records, STRETCH)):
        yield stretch


class _Search:
    """A stretch on which the two do not agree, looked at more closely."""

    def __init__(self, pair: _Pair, records: list[Record], told: tuple[_Told, _Told]) -> None:
        self._pair, self._records, self._told = pair, records, told

    def locate(self, found: Divergence) -> Snapshots:
        """Find the record and describe it."""
        by_events = self._first_event()
        by_state = self._first_state(by_events)
        size = len(self._records)
        found.repeatable = self._pair.run("again", first=0, until=size, every=size) == self._told
        if by_state is None and by_events == len(self._records):
            return self._vanished(found)
        return self._describe(found, by_events if by_state is None else by_state)

    def _first_event(self) -> int:
        """The place of the first record with other events, or that stopped one; their number if there is none."""
        a, b = (told.hashes for told in self._told)
        whole = min(len(a), len(b))
        step = HASH_BYTES
        unequal = (at for at in range(0, whole, step) if a[at : at + step] != b[at : at + step])
        return next(unequal, whole) // step

    def _first_state(self, until: int) -> int | None:
        """The place of the first record behind which the states differ although all events up to it are the same."""
        first = self._unequal(0, until, COARSE)
        if first is None:
            return None
        start = first // COARSE * COARSE
        return self._unequal(start, min(start + COARSE, until), 1)

    def _unequal(self, start: int, until: int, every: int) -> int | None:
        """The end of the first step of ``every`` records behind which the states differ, less one."""
        a, b = self._pair.run("again", first=start, until=until, every=every)
        ends = [*range(start + every, until, every), until]
        states = zip(ends, a.digests, b.digests, strict=False)
        return next((end - 1 for end, left, right in states if left != right), None)

    def _describe(self, found: Divergence, place: int) -> Snapshots:
        a, b = self._pair.call("show", place=place)
        record = self._records[place]
        found.compared, found.seq, found.time = record.seq - 1, record.seq, iso(record.time_ns)
        found.command = a["command"] or b["command"]
        snapshots = Snapshots(a["before"], a["after"], b["after"])
        fill(found, differences({"events": a["events"]}, {"events": b["events"]}), snapshots)
        found.agrees = self._agrees(place)
        if a["stopped"] or b["stopped"]:
            found.kind = STOPPED
            said = [f"{name} stops ({told['stopped']})" for name, told in (("a", a), ("b", b)) if told["stopped"]]
            found.sentence = f"at seq {found.seq} {' and '.join(said)}"
            return snapshots
        found.kind = EVENTS if a["events"] != b["events"] else STATE
        what = "decides other events" if found.kind == EVENTS else "comes to another state by the same events"
        found.sentence = f"at seq {found.seq} b {what}: the first difference is {found.field or 'not repeated'}"
        return snapshots

    def _vanished(self, found: Divergence) -> Snapshots:
        """States differed at the end of the stretch and, executed again, they do not: what is left is that end."""
        a, b = self._pair.call("end")
        last = self._records[-1]
        found.compared, found.seq, found.time = self._records[0].seq - 1, last.seq, iso(last.time_ns)
        found.kind, found.repeatable = STATE, False
        snapshots = Snapshots(None, a["after"], b["after"])
        fill(found, iter(()), snapshots)
        found.sentence = (
            f"between seq {self._records[0].seq} and {last.seq} the states part at {found.field}, and not in the same "
            "way when executed again"
        )
        return snapshots

    def _agrees(self, place: int) -> str:
        """Whose events the journal holds; nothing is said where it is written in another version's words."""
        if self._pair.plain or self._pair.a.schema != SCHEMA_FP:
            return ""
        at = place * HASH_BYTES
        journaled = sha256(self._records[place].events).digest()[:HASH_BYTES]
        same = [told.hashes[at : at + HASH_BYTES] == journaled for told in self._told]
        return {(True, True): "both", (True, False): "a", (False, True): "b", (False, False): "neither"}[
            (same[0], same[1])
        ]


def require_readable(found: Divergence) -> None:
    """A version that cannot read the journal at all says nothing about it. Raises CannotRun."""
    if found.kind == STOPPED and found.seq == 1 and "CodecError" in found.sentence:
        raise CannotRun(f"one of the versions does not read this journal: {found.sentence}")


def save(folder: Path, snapshots: Snapshots | None) -> None:
    """Write the states around the record: ``before.json``, ``a.json``, ``b.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in Snapshots.__struct_fields__ if snapshots is not None else ():
        told = msgspec.json.format(msgspec.json.encode(getattr(snapshots, name)), indent=1)
        (folder / f"{name}.json").write_bytes(told + b"\n")
