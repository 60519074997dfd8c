"""One venue day out of a journal: every record re-executed, and every row of the day in its table.

Owns the one walk through the journal that an export makes. It begins at genesis, for the state of a day is what all
days before it made of it, and ends with the last record before midnight UTC. Rows go to whoever takes them: to files,
or to a comparison with files. Imports the engine and everything that makes rows.
"""

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from exchange import codec
from exchange.core import commands as c
from exchange.core.events import BatchSealed
from exchange.core.images import digest
from exchange.core.legs import Legs
from exchange.core.state import State
from exchange.core.state_types import Identity
from journal.merkle import Tree
from journal.record import Frame, Record, encode_record, leaf_hash
from replay.engine import Replayer, Step
from replay.export import acts, cat, market, money, rows, texts, watch
from replay.export.orders import Follower, OrderEvent
from replay.export.tables import Row, Table
from replay.findings import CannotRun
from replay.frames import Progress, rare_collections, read_frame, whole_frames

TABLES: Final = (
    market.INSTRUMENTS,
    rows.ORDERS,
    rows.MICA_ORDERS,
    money.CHAIN,
    money.TRADES,
    market.PHASES,
    market.ORACLE,
    money.MARGIN,
    money.BREAKS,
    acts.ADMIN,
    acts.CLOCK,
    watch.SURVEILLANCE,
    acts.CORRECTIONS,
    acts.JOURNAL,
)
LINES_ONLY: Final = (acts.JOURNAL,)
"""Tables that are NDJSON whatever was asked for."""


class Taker:
    """Where rows go. All methods may be called only with rows of the day, in the order of the journal."""

    def row(self, table: Table, jseq: int, row: Row) -> None:
        """A row of a table."""
        raise NotImplementedError

    def order(self, row: Row, legs: Legs) -> None:
        """An order event once more, with the legs of the combo it is for."""
        raise NotImplementedError

    def trail(self, record: dict[str, Any]) -> None:
        """The same as a record of an audit trail."""
        raise NotImplementedError


class Anchored(msgspec.Struct, kw_only=True):
    """A root of the journal's tree over its first ``size`` records, that a batch was to put on chain."""

    batch: int
    size: int
    root: str


class Range(msgspec.Struct, kw_only=True):
    """The records of the day in the tree of the whole journal.

    ``frontier`` holds the roots of the perfect subtrees over the ``before`` records ahead of the day, largest first:
    they fold to ``root_before``, and with the leaves of the day after them to ``root_after``.
    """

    before: int = 0
    after: int = 0
    root_before: str = ""
    root_after: str = ""
    frontier: list[str] = []
    anchored: list[Anchored] = []


class Told(NamedTuple):
    """What there is to say about the day beside its rows."""

    day: date
    state: State
    digest: str
    range: Range
    identities: list[Identity]


class Walk:
    """One walk under way."""

    def __init__(self, day: date, taker: Taker) -> None:
        self._day = day
        self._start_ns, self._end_ns = texts.bounds_of(day)
        self._taker = taker
        self._replayer = Replayer()
        self._orders, self._listed = Follower(), market.Listed()
        self._prices, self._money = market.Prices(), money.Settlement()
        self._sentinel = watch.Sentinel()
        self._tree, self._range = Tree(), Range()
        self._identities: list[Identity] = []
        self._begun = False

    def through(self, path: Path, progress: Progress | None) -> Told:
        """The journal up to the end of the day. Raises Diverged; CannotRun when the day has no record."""
        with rare_collections():
            for frame in whole_frames(path):
                if not self._take_frame(frame):
                    break
                if progress is not None:
                    progress(frame.last_seq)
        if not self._begun:
            raise CannotRun(f"the journal has no record of {self._day}")
        self._end()
        return Told(self._day, self._replayer.state, digest(self._replayer.state).hex(), self._range, self._identities)

    def _take_frame(self, frame: Frame) -> bool:
        """Whether the day goes on after this frame."""
        for record in read_frame(frame):
            if record.time_ns >= self._end_ns:
                return False
            told = record.time_ns >= self._start_ns
            if told and not self._begun:
                self._begin(record)
            self._take(record, frame.frame_no, told=told)
        return True

    def _take(self, record: Record, frame_no: int, *, told: bool) -> None:
        replayer = self._replayer
        replayer.run((record,))
        command, events = codec.decode_command(record.command), codec.decode_events(record.events)
        step, state, raw = Step(record.seq, record.time_ns, command, events), replayer.state, encode_record(record)
        self._listed.note(step)
        found = self._orders.follow(step, state)
        self._sentinel.see(step, found, state)
        self._tree.append(leaf_hash(raw))
        mic = acts.in_force(state, c.VENUE, 0, "mic")
        trades = self._money.trade_rows(step, state, found, mic)
        chain, breaks = self._money.chain_rows(step, state), list(self._money.break_rows(step))
        prices = self._prices.rows(step, state, told=told)
        self._emit(market.ORACLE, step, prices)
        if not told:
            return
        self._emit_orders(step, state, found)
        self._emit(money.TRADES, step, trades)
        self._emit(money.CHAIN, step, chain)
        self._emit(money.BREAKS, step, breaks)
        self._emit(money.MARGIN, step, money.margin_rows(step, state, found))
        self._emit(market.PHASES, step, market.phase_rows(step, state))
        self._emit(acts.ADMIN, step, filter(None, (acts.admin_row(step),)))
        self._emit(acts.CLOCK, step, filter(None, (acts.clock_row(step),)))
        self._emit(acts.CORRECTIONS, step, filter(None, (acts.correction_row(step, state),)))
        self._emit(acts.JOURNAL, step, (acts.journal_row(step, raw, frame_no),))
        self._identities += acts.committed(step, state)
        self._note_batches(step)

    def _emit(self, table: Table, step: Step, found: Iterable[Row]) -> None:
        for row in found:
            self._taker.row(table, step.seq, row)

    def _emit_orders(self, step: Step, state: State, found: list[OrderEvent]) -> None:
        for place, event in enumerate(found):
            series = event.order.series if event.fill is None else event.fill.series
            facts = acts.facts_of(state, series, event.order.account)
            rts24, mica = rows.row_of(event, place, state, facts)
            self._taker.row(rows.ORDERS, step.seq, rts24)
            self._taker.row(rows.MICA_ORDERS, step.seq, mica)
            combo = state.combos.get(event.order.series)
            self._taker.order(rts24, combo.legs if combo is not None else ())
            self._taker.trail(cat.record_of(event, place, state))

    def _note_batches(self, step: Step) -> None:
        root = self._tree.root
        self._range.anchored += [
            Anchored(batch=event.batch_id, size=step.seq, root=root().hex())
            for event in step.events
            if isinstance(event, BatchSealed)
        ]

    def _begin(self, record: Record) -> None:
        """The day begins with this record; what there is before it is what the day before left."""
        self._begun = True
        self._identities = list(self._replayer.state.identities.values())
        tree, range_ = self._tree, self._range
        range_.before, range_.root_before = tree.size, tree.root().hex()
        range_.frontier = [node.hex() for node in tree.frontier]
        self._taker.row(watch.SURVEILLANCE, record.seq, self._sentinel.bounds(record.time_ns))
        for row in money.balances(self._replayer.state):
            self._taker.row(money.BREAKS, record.seq, row | {"kind": "OPENING", "time": texts.moment(record.time_ns)})

    def _end(self) -> None:
        state, seq = self._replayer.state, self._replayer.state.seq
        self._range.after, self._range.root_after = self._tree.size, self._tree.root().hex()
        facts = {number: _called(state, number) for number in state.series}
        for jseq, row in self._listed.rows(state, self._start_ns, facts):
            self._taker.row(market.INSTRUMENTS, jseq, row)
        for jseq, row in self._sentinel.rows(state, (self._start_ns, self._end_ns)):
            self._taker.row(watch.SURVEILLANCE, jseq, row)
        for row in self._money.ending_rows(state):
            self._taker.row(money.BREAKS, seq, row)
        for row in money.requirement_rows(state):
            self._taker.row(money.MARGIN, seq, row)


def _called(state: State, number: int) -> dict[str, str]:
    """What a series is called elsewhere."""
    option = state.series[number]
    found = {
        "isin": acts.in_force(state, c.SERIES, number, "isin"),
        "underlying_dti": acts.in_force(state, c.UNDERLYING, option.underlying, "dti"),
    }
    return {name: value for name, value in found.items() if value}


def walk(path: Path, day: date, taker: Taker, progress: Progress | None = None) -> Told:
    """Hand every row of a day to ``taker``. Raises Diverged at the first damage before its end, CannotRun."""
    return Walk(day, taker).through(path, progress)
