"""Which records concern an order, a trade or a batch, found without executing anything.

One pass over the decoded records, going by the numbers that they name. Imports the codec and the words of the journal.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from exchange import codec
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.quoting import leaf_auth
from exchange.core.state_types import entered
from exchange.core.units import Nanos
from journal.record import Record
from replay.findings import Diverged, Finding, Kind
from replay.frames import Progress, read_frame, whole_frames


class Entry(NamedTuple):
    """A record, and its command and events decoded."""

    record: Record
    command: c.AnyCommand
    events: tuple[e.AnyEvent, ...]

    @property
    def seq(self) -> int:
        """Its number."""
        return self.record.seq

    @property
    def time_ns(self) -> Nanos:
        """Its time."""
        return self.record.time_ns


class Sealed(msgspec.Struct):
    """A batch: the record that sealed it, its trades, and the record that says that it is final on chain, if it is."""

    entry: Entry
    sealed: e.BatchSealed
    settled: Entry | None = None


class Trail(msgspec.Struct):
    """What was found: records that concern the subject in their order, its orders, and all batches by number.

    ``rounds`` are the seqs of all oracle rounds adopted, ascending, so that one can say on which a record was decided.
    """

    entries: list[Entry] = []
    orders: list[int] = []
    batches: dict[int, Sealed] = {}
    rounds: list[int] = []


def entries(path: Path, progress: Progress | None = None) -> Iterator[Entry]:
    """All records, decoded. Raises Diverged at damage or at what this version cannot read, CannotRun."""
    for frame in whole_frames(path):
        for record in read_frame(frame):
            yield entry_of(record)
        if progress is not None:
            progress(frame.last_seq)


def entry_of(record: Record) -> Entry:
    """A record decoded. Raises Diverged."""
    try:
        return Entry(record, codec.decode_command(record.command), codec.decode_events(record.events))
    except codec.CodecError as error:
        sentence = f"seq {record.seq} is {error}"
        raise Diverged(Finding(seq=record.seq, kind=Kind.RECORD_UNREADABLE, sentence=sentence)) from error


def own_order(entry: Entry) -> int:
    """The order that a record's command is about: the one it brings, replaces, cancels or fires; 0 if none."""
    command = entry.command
    if isinstance(command, c.Place | c.QuoteRfq | c.AcceptRfq):
        return entry.seq
    if isinstance(command, c.Amend | c.Cancel | c.Fire | c.RequoteRfq):
        return command.order_id
    return 0


def takers(entry: Entry) -> Iterator[tuple[e.Traded, int]]:
    """The fills of a record, each with the order that took; of a combo that was reached it is that combo's."""
    current = own_order(entry)
    for event in entry.events:
        if isinstance(event, e.Reached):
            current = event.order_id
        elif isinstance(event, e.Traded):
            yield event, event.taker_order or current


def signed_for(entry: Entry, order_id: int) -> c.Authorisation | None:
    """What was signed for an order in the record that brought it; a quote is spelt out as the order it is."""
    command, (_, place) = entry.command, entered(order_id)
    if isinstance(command, c.MassQuote):
        return leaf_auth(command, command.leaves[place]) if place < len(command.leaves) else None
    if isinstance(command, c.Place) and place:
        return command.attached[place - 1].auth if place <= len(command.attached) else None
    return command.auth if isinstance(command, c.Place | c.QuoteRfq | c.AcceptRfq) else None


def of_order(path: Path, order_id: int, progress: Progress | None = None) -> Trail:
    """Everything that names an order, and the batches that its trades went into."""
    trail = Trail(orders=[order_id])
    for entry in entries(path, progress):
        _note(trail, entry)
        traded = any(order_id in (event.maker_order, taker) for event, taker in takers(entry))
        brought = entry.seq == entered(order_id)[0] and signed_for(entry, order_id) is not None
        if traded or brought or _names(entry, order_id):
            trail.entries.append(entry)
    return trail


def of_trade(path: Path, trade_id: int, progress: Progress | None = None) -> Trail:
    """The record of a trade, those that brought its orders, and its batch."""
    trail = Trail()
    for entry in entries(path, progress):
        _note(trail, entry)
        for event, taker in takers(entry):
            if event.trade_id == trade_id:
                trail.orders, trail.entries = [event.maker_order, taker], [entry]
        if any(isinstance(event, e.BlockTraded) and event.trade_id == trade_id for event in entry.events):
            trail.entries = [entry]
    if trail.orders:
        last = trail.entries[0].seq
        before = (entry for entry in entries(path) if entry.seq < last and _places(entry, trail.orders))
        trail.entries = [*before, *trail.entries]
    return trail


def _places(entry: Entry, orders: list[int]) -> bool:
    """Whether a record brings one of these orders, or gives it another place."""
    if any(entered(order)[0] == entry.seq for order in orders):
        return True
    moves = (event for event in entry.events if isinstance(event, e.Amended | e.Quoted | e.Triggered))
    return any(event.order_id in orders for event in moves)


def _note(trail: Trail, entry: Entry) -> None:
    """Rounds, and batches with what became of them."""
    command = entry.command
    for event in entry.events:
        if isinstance(event, e.RoundAdopted):
            trail.rounds.append(entry.seq)
        elif isinstance(event, e.BatchSealed):
            trail.batches[event.batch_id] = Sealed(entry, event)
    if isinstance(command, c.ObserveBatch) and command.batch_id in trail.batches:
        trail.batches[command.batch_id].settled = entry


def batch_of(trail: Trail, trade_id: int) -> Sealed | None:
    """The batch of a trade; a batch that was refused is sealed anew under the same numbers or later ones."""
    holds = (
        batch for batch in trail.batches.values() if batch.sealed.first_trade <= trade_id <= batch.sealed.last_trade
    )
    return max(holds, key=lambda batch: batch.entry.seq, default=None)


def round_before(trail: Trail, seq: int) -> int:
    """The record of the oracle round in force when a record was decided; 0 before the first."""
    return max((round_ for round_ in trail.rounds if round_ < seq), default=0)


def _names(entry: Entry, order_id: int) -> bool:
    if own_order(entry) == order_id:
        return True
    numbers = (getattr(event, "order_id", 0) for event in entry.events)
    return order_id in numbers
