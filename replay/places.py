"""Where things stand in a journal: orders, trades, batches, accounts and keys by their records, kept as it grows.

Nothing is executed. Memory is some 200 bytes a record, so there is a bound on records. Imports the trail, the forest.
"""

from bisect import bisect_right
from pathlib import Path
from typing import Final, NamedTuple

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.events import Rejected
from exchange.core.units import Seconds
from journal.record import Frame, leaf_hash
from replay import trail
from replay.findings import CannotRun
from replay.forest import Forest
from replay.frames import Progress, read_frame, whole_frames
from replay.trail import Entry

RECORDS_MAX: Final = 5_000_000


class Batch(NamedTuple):
    """A batch by the records that sealed and that settled it; transaction, block and gas once it is final on chain."""

    number: int
    sealed_seq: int
    first_trade: int
    last_trade: int
    round_id: int
    settled_seq: int = 0
    tx_hash: bytes = b""
    block: int = 0
    gas: int = 0


class Grant(NamedTuple):
    """A session key as its owner registered it on chain, and the record that says that it was revoked (0: none)."""

    seq: int
    scopes: int
    expiry_s: Seconds
    revoked_seq: int = 0


class Places:
    """What was read of a journal so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.forest = Forest()
        self.venue: c.Configure | None = None
        self.batches: dict[int, Batch] = {}
        self.trades: dict[int, int] = {}  # trade -> record
        self.fills: dict[int, list[int]] = {}  # order -> trades
        self.owners: dict[int, tuple[int, bytes]] = {}  # account -> record, owner
        self.grants: dict[tuple[int, bytes], list[Grant]] = {}
        self._firsts: list[int] = []  # of each frame the first record
        self._numbers: list[int] = []
        self._frame_no = 0

    def advance(self, progress: Progress | None = None) -> None:
        """Read what has been added. Raises Diverged at damage, CannotRun beyond the bound."""
        for frame in whole_frames(self.path, self._frame_no + 1):
            if frame.last_seq > RECORDS_MAX:
                raise CannotRun(f"a journal of more than {RECORDS_MAX:,} records is too long to keep in memory")
            self._take(frame)
            if progress is not None:
                progress(frame.last_seq)

    def entry(self, seq: int) -> tuple[Entry, bytes]:
        """A record and its bytes as they were hashed. Raises CannotRun, Diverged."""
        if not 0 < seq <= self.forest.size:
            raise CannotRun(f"there is no record {seq}: the journal has {self.forest.size}")
        number = self._numbers[bisect_right(self._firsts, seq) - 1]
        frame = next(whole_frames(self.path, number))
        place = seq - frame.first_seq
        return trail.entry_of(read_frame(frame)[place]), frame.raw_records()[place]

    def batch_of(self, trade_id: int) -> Batch | None:
        """The batch that a trade went into; one that was refused is sealed anew, so the latest."""
        holds = [batch for batch in self.batches.values() if batch.first_trade <= trade_id <= batch.last_trade]
        return max(holds, key=lambda batch: batch.sealed_seq, default=None)

    def _take(self, frame: Frame) -> None:
        self._firsts.append(frame.first_seq)
        self._numbers.append(frame.frame_no)
        self._frame_no = frame.frame_no
        for record, raw in zip(read_frame(frame), frame.raw_records(), strict=True):
            self.forest.append(leaf_hash(raw))
            self._note(trail.entry_of(record))

    def _note(self, entry: Entry) -> None:
        if entry.events and isinstance(entry.events[0], Rejected):
            return
        for traded, taker in trail.takers(entry):
            self.trades[traded.trade_id] = entry.seq
            for order in (taker, traded.maker_order):
                self.fills.setdefault(order, []).append(traded.trade_id)
        for event in entry.events:
            if isinstance(event, e.BatchSealed):
                span = (event.first_trade, event.last_trade, event.round_id)
                self.batches[event.batch_id] = Batch(event.batch_id, entry.seq, *span)
        self._note_fact(entry)

    def _note_fact(self, entry: Entry) -> None:
        match entry.command:
            case c.Configure() as command:
                self.venue = command
            case c.ObserveBatch() as command if command.batch_id in self.batches:
                self.batches[command.batch_id] = self.batches[command.batch_id]._replace(
                    settled_seq=entry.seq, tx_hash=command.tx_hash, block=command.block, gas=command.gas
                )
            case c.ObserveAccount() as command:
                self.owners[command.account] = (entry.seq, command.owner)
            case c.ObserveKey() as command:
                grant = Grant(entry.seq, command.scopes, command.expiry_s)
                self.grants.setdefault((command.account, command.key), []).append(grant)
            case c.ObserveRevocation() as command:
                held_keys = self.grants.get((command.account, command.key), [])
                held_keys[-1:] = [grant._replace(revoked_seq=entry.seq) for grant in held_keys[-1:]]
            case _:
                pass
