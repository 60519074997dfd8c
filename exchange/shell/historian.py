"""History written down beside the journal, so that a restart does not forget it: an index, never a source of truth.

What the publisher says of each durable record goes into a SQLite file, a second later at most. A start reads what lies
before the snapshot it resumes from and follows the records after it anew. A file that is missing, behind, damaged or of
another journal is made again from the records themselves. Imports publisher, boot's protocol.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import structlog

from exchange.core.state import State
from exchange.dialect.orders import ComboFill, Fill
from exchange.publisher import Notification, Publisher
from exchange.publisher.candles import MINUTE_NS, Bar, decode_bar
from exchange.publisher.history import is_public
from exchange.publisher.moments import Moment, combos_of, decode, fills_of
from exchange.publisher.notes import Kept, Outcome
from exchange.shell.boot import Foreign

MOMENTS_MAX: Final = 250_000  # records without a fill; more than lie between two snapshots
DEALS_MAX: Final = 100_000  # records in which money moved
BARS_MAX: Final = 200_000
MOMENTS_RECALLED: Final = 100_000
PRUNE_EVERY: Final = 64  # flushes
FLUSH_S: Final = 1.0
PENDING_MAX: Final = 50_000
FORMAT: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS moments (seq INTEGER PRIMARY KEY, matters INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS moments_by_weight ON moments (matters, seq);
CREATE TABLE IF NOT EXISTS bars (minute INTEGER, series INTEGER, seq INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY (minute, series)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS points (underlying INTEGER, minute INTEGER, seq INTEGER NOT NULL, time_ns INTEGER NOT NULL,
  price INTEGER NOT NULL, PRIMARY KEY (underlying, minute)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lasts (account INTEGER PRIMARY KEY, seq INTEGER NOT NULL, number INTEGER NOT NULL);
"""
_TABLES: Final = ("meta", "moments", "bars", "points", "lasts")
_log = structlog.get_logger(__name__)


def path_of(journal: Path) -> Path:
    """Where the index of a journal is."""
    return journal.with_name(journal.name + ".history")


class Historian:
    """Feeds a publisher from the first record of a start on, and writes down what it says of durable ones."""

    def __init__(self, publisher: Publisher, path: Path) -> None:
        self._publisher = publisher
        self._path = path
        self._lock = threading.Lock()  # the file is written by threads
        self._file = _opened(path)
        self._pending: list[Kept] = []
        self._flushes = 0
        self._is_lost = False
        self._covered, self._covered_ns = self._meta("seq"), self._meta("time_ns")
        publisher.keeps = True

    # -- starting -----------------------------------------------------------------------------------------------------

    def covers(self, seq: int) -> bool:
        """Whether nothing up to a record is missing here."""
        return self._covered >= seq

    def begin(self, state: State) -> None:
        """Start from a state: what is written up to it is remembered. Raises Foreign."""
        self._pending.clear()
        self._publisher.rebuild(state)
        if not self.covers(state.seq) or (self._covered == state.seq and self._covered_ns != state.time_ns):
            raise Foreign(f"it ends with record {self._covered}")
        if self._covered:
            self._recall(state.seq)
            self._publisher.history.since_ns = self._meta("since_ns")
            self._publisher.moments.since = self._meta("since_seq")

    def start_anew(self, state: State) -> None:
        """Forget what is written; history begins with a state."""
        with self._lock, self._file:
            for table in _TABLES:
                self._file.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours
            self._file.executemany(
                "INSERT INTO meta VALUES (?, ?)",
                [
                    ("format", FORMAT),
                    ("seq", state.seq),
                    ("time_ns", state.time_ns),
                    ("since_seq", state.seq),
                    ("since_ns", state.time_ns),
                ],
            )
        self._covered, self._covered_ns = state.seq, state.time_ns
        self._pending.clear()
        self._publisher.rebuild(state)
        if state.seq:
            _log.warning("history_begins", seq=state.seq)

    def follow(self, state: State, outcome: Outcome) -> None:
        """Follow a record of the journal while starting. Raises Foreign when the index knew another one."""
        if outcome.seq == self._covered and outcome.time_ns != self._covered_ns:
            raise Foreign(f"record {outcome.seq} is another one here")
        self.take(self._publisher.tap(state, outcome))
        if len(self._pending) >= PENDING_MAX:
            self.flush()

    def end(self, state: State) -> None:
        """The journal ends here. Raises Foreign when the index knows more."""
        if self._covered > state.seq:
            raise Foreign(f"it ends with record {self._covered}, the journal with {state.seq}")

    # -- writing ------------------------------------------------------------------------------------------------------

    def take(self, notes: Sequence[Notification]) -> None:
        """What durable records came to; kept until the next flush."""
        if not self._is_lost:
            self._pending += [note for note in notes if isinstance(note, Kept)]

    async def run(self) -> None:
        """Flush every second, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_S)
            await asyncio.to_thread(self.flush)

    def flush(self) -> None:
        """Write what is pending, in one transaction. Any thread may call it.

        A file that cannot be written is given up for the life of the process: the venue goes on, and the next start
        makes it again from the journal.
        """
        with self._lock:
            pending, self._pending = self._pending, []
            if not pending or self._is_lost:
                return
            try:
                with self._file:
                    self._write(pending)
                    self._flushes += 1
                    if self._flushes % PRUNE_EVERY == 0:
                        self._prune()
            except sqlite3.Error as error:
                self._is_lost, self._publisher.keeps = True, False
                _log.error("history_unwritten", path=str(self._path), why=str(error))
                return
            if pending[-1].seq > self._covered:
                self._covered, self._covered_ns = pending[-1].seq, pending[-1].time_ns

    def _write(self, pending: list[Kept]) -> None:
        kept = [note for note in pending if note.moment]
        moments = [(note.seq, note.matters, note.moment) for note in kept]
        self._file.executemany("INSERT OR REPLACE INTO moments VALUES (?, ?, ?)", moments)
        bars = [(decode_bar(data).minute, series, note.seq, data) for note in kept for series, data in note.bars]
        self._file.executemany("INSERT OR REPLACE INTO bars VALUES (?, ?, ?, ?)", bars)
        points = [
            (underlying, at // MINUTE_NS, note.seq, at, price)
            for note in pending
            for underlying, at, price in note.points
        ]
        self._file.executemany("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?)", points)
        lasts: dict[int, tuple[int, int]] = {}
        for note in kept:
            for account, number in note.numbers.items():
                lasts[account] = (note.seq, number or lasts.get(account, (0, 0))[1])
        self._file.executemany(
            "INSERT INTO lasts VALUES (?, ?, ?) ON CONFLICT (account) DO UPDATE SET "
            "seq = excluded.seq, number = max(number, excluded.number)",
            [(account, *values) for account, values in lasts.items()],
        )
        self._note_reach(pending[-1])

    def _note_reach(self, last: Kept) -> None:
        if last.seq > self._covered:
            values = [("seq", last.seq), ("time_ns", last.time_ns)]
            self._file.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values)

    def _prune(self) -> None:
        for matters, most in ((0, MOMENTS_MAX), (1, DEALS_MAX)):
            self._file.execute(
                "DELETE FROM moments WHERE matters = ?1 AND seq < "
                "(SELECT seq FROM moments WHERE matters = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
                (matters, most),
            )
        self._file.execute(
            "DELETE FROM bars WHERE minute < (SELECT minute FROM bars ORDER BY minute DESC LIMIT 1 OFFSET ?)",
            (BARS_MAX,),
        )

    def close(self) -> None:
        """Write what is pending and let go of the file."""
        self.flush()
        with self._lock:
            self._file.close()

    # -- reading ------------------------------------------------------------------------------------------------------

    def _meta(self, key: str) -> int:
        row = self._file.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return int(row[0]) if row is not None else 0

    def _recall(self, seq: int) -> None:
        """Everything up to a record; what is written of later ones is followed again."""
        publisher = self._publisher
        lasts = {account: (last, number) for account, last, number in self._rows("SELECT * FROM lasts")}
        self._count_back(lasts, seq)
        torn, bars = self._bars(seq)
        for data in self._moments(seq):
            moment = publisher.recall(data)
            if moment.fills and torn:
                _mend(torn, moment, publisher)
        publisher.orders.recalled()
        publisher.moments.last.update({account: last for account, (last, _) in lasts.items()})
        publisher.history.statements.begin_numbers({account: number for account, (_, number) in lasts.items()})
        mended = [(series, bar) for (series, _), bar in torn.items() if bar.volume]
        publisher.history.candles.adopt(sorted([*bars, *mended], key=lambda item: item[1].minute))
        publisher.history.indices.clear()
        points = "SELECT underlying, time_ns, price FROM points WHERE seq <= ? ORDER BY minute"
        for underlying, time_ns, price in self._rows(points, seq):
            publisher.history.indices.note(underlying, time_ns, price)

    def _rows(self, question: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        yield from self._file.execute(question, values)

    def _moments(self, seq: int) -> Iterator[bytes]:
        """The last ones up to a record, in order; of those without a fill as many as are remembered."""
        question = """
            SELECT data FROM moments WHERE seq <= ?1 AND (matters = 1 OR seq >= coalesce(
              (SELECT seq FROM moments WHERE matters = 0 AND seq <= ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2), 0))
            ORDER BY seq
        """
        return (row[0] for row in self._rows(question, seq, MOMENTS_RECALLED))

    def _count_back(self, lasts: dict[int, tuple[int, int]], seq: int) -> None:
        """Where accounts stood at a record that moments were written after: each names the one before it."""
        seen: dict[int, None] = {}
        numbered: dict[int, None] = {}
        for (data,) in self._rows("SELECT data FROM moments WHERE seq > ? ORDER BY seq", seq):
            moment = decode(data)
            for account, prior in moment.priors.items():
                if account not in seen:
                    seen[account] = None
                    lasts[account] = (prior, lasts[account][1])
            for item in moment.entries:
                if item.account not in numbered:
                    numbered[item.account] = None
                    lasts[item.account] = (lasts[item.account][0], item.number - 1)

    def _bars(self, seq: int) -> tuple[dict[tuple[int, int], Bar], list[tuple[int, Bar]]]:
        """Bars that later records went on with, to be added up again, and those that are whole."""
        torn: dict[tuple[int, int], Bar] = {}
        whole: list[tuple[int, Bar]] = []
        for minute, series, last, data in self._rows("SELECT minute, series, seq, data FROM bars ORDER BY minute"):
            if last > seq:
                torn[series, minute] = Bar(minute)
            else:
                whole.append((series, decode_bar(data)))
        return torn, whole


@contextlib.asynccontextmanager
async def writing(publisher: Publisher, path: Path) -> AsyncIterator[Historian]:
    """A historian that flushes in the background, and for the last time when left."""
    historian = Historian(publisher, path)
    task = asyncio.create_task(historian.run(), name="historian")
    try:
        yield historian
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        historian.close()


def _mend(torn: dict[tuple[int, int], Bar], moment: Moment, publisher: Publisher) -> None:
    minute, fills = moment.time_ns // MINUTE_NS, fills_of(moment, publisher.by_series)
    trades: list[Fill | ComboFill] = [*fills, *combos_of(moment, fills, publisher.by_series)]
    for fill in trades:
        bar = torn.get((fill.listed.series, minute))
        if bar is not None:
            bar.add(fill.price, fill.qty, is_public=is_public(fill))


def _opened(path: Path) -> sqlite3.Connection:
    """The file; one that cannot be read as what it should be is removed: it can be made again."""
    try:
        return _connected(path)
    except sqlite3.DatabaseError as error:
        _log.warning("history_discarded", path=str(path), why=str(error))
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _connected(path)


def _connected(path: Path) -> sqlite3.Connection:
    file = sqlite3.connect(path, check_same_thread=False)
    try:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = NORMAL")
        _require_format(file)
        file.executescript(_SCHEMA)
        with file:
            file.execute("INSERT OR IGNORE INTO meta VALUES ('format', ?)", (FORMAT,))
    except sqlite3.DatabaseError:
        file.close()
        raise
    return file


def _require_format(file: sqlite3.Connection) -> None:
    """Raise DatabaseError for tables that another version of this made, or another program."""
    if file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        found = file.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
        if found is None or found[0] != FORMAT:
            raise sqlite3.DatabaseError(f"it has format {found and found[0]}, not {FORMAT}")
