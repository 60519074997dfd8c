"""History after a restart is what it would have been without one, wherever the venue stopped. # M31 M51"""

import asyncio
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exchange import codec
from exchange.core.images import decode, encode
from exchange.core.machine import apply
from exchange.core.state import State
from exchange.publisher import Publisher
from exchange.publisher.dropcopy import drop_copy_object
from exchange.shell import historian as module
from exchange.shell.boot import GENESIS, Foreign, Repeated, boot
from exchange.shell.clock import ManualClock
from exchange.shell.historian import Historian, path_of
from exchange.shell.sequencer import Sequencer
from exchange.shell.snapshots import Keeper, directory_of
from exchange.shell.venue import sequencing
from journal import Frame, Record, SqliteStore, Writer, scan

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.workload import START_S, draw

EMPTY = ["open requests"]  # at the end of that market
GOLDEN = Path(__file__).parents[1] / "golden" / "venue.journal"


@pytest.fixture(scope="module")
def records(tmp_path_factory) -> list[Record]:
    """A market with everything in it."""
    copy = tmp_path_factory.mktemp("golden") / GOLDEN.name
    shutil.copyfile(GOLDEN, copy)
    shutil.copyfile(GOLDEN.with_name(GOLDEN.name + ".anchor"), copy.with_name(copy.name + ".anchor"))
    frames = [item for item in scan(copy) if isinstance(item, Frame)]
    return [record for frame in frames for record in frame.records()]


class Run:
    """A venue that executes records, with an index beside it."""

    def __init__(self, path: Path, records: list[Record], state: State | None = None) -> None:
        self.state = State() if state is None else state
        self.publisher = Publisher()
        self.historian = Historian(self.publisher, path)
        self.records = records

    def begin(self) -> "Run":
        covers = self.historian.covers(self.state.seq)
        (self.historian.begin if covers and self.state.seq else self.historian.start_anew)(self.state)
        return self

    def until(self, last: int) -> "Run":
        for record in self.records[self.state.seq : last]:
            command = codec.decode_command(record.command)
            events = apply(self.state, record.seq, record.time_ns, command)
            self.historian.follow(self.state, Repeated(record.seq, record.time_ns, command, events))
        return self

    def image(self) -> State:
        return decode(encode(self.state))

    def end(self) -> None:
        self.historian.end(self.state)
        self.historian.close()


def plain(value: Any) -> Any:
    """Structs as tuples, so that they compare by what they hold."""
    if isinstance(value, msgspec.Struct):
        return tuple(plain(getattr(value, name)) for name in value.__struct_fields__)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def told(publisher: Publisher) -> dict[str, Any]:
    """Everything that history answers from."""
    history, moments = publisher.history, publisher.moments
    return {
        "deals": [plain(deal) for deal in history.tape.all],
        "own": {account: [plain(deal) for deal in deals] for account, deals in history.tape.of_account.items()},
        "bars": {series: plain(list(bars)) for series, bars in history.candles._bars.items()},
        "entries": {account: plain(list(held)) for account, held in history.statements.of_account.items()},
        "numbers": history.statements._numbers,
        "deliveries": plain(list(history.statements.deliveries)),
        "minutes": {key: list(path.points) for key, path in history.indices._minutes.items()},
        "open": plain(publisher.orders.open),
        "closed": plain(dict(publisher.orders.closed)),
        "order of closing": list(publisher.orders.closed),
        "ticks": publisher.orders._ticks,
        "blocks": plain(dict(publisher.blocks.traded)),
        "requests": plain(dict(publisher.rfqs.closed)),
        "open requests": plain(publisher.rfqs.open),
        "acceptances": plain(list(publisher.rfqs.accepted)),
        "labels": dict(publisher.labels._held),
        "drop copies": {
            account: [drop_copy_object(each, account, publisher.by_series) for each in moments.of(account, 0)]
            for account in moments.last
        },
        "last": moments.last,
    }


@pytest.fixture(scope="module")
def lived(records, tmp_path_factory) -> dict[str, Any]:
    """What a venue tells that never stopped."""
    run = Run(tmp_path_factory.mktemp("lived") / "index", records).begin().until(len(records))
    found = told(run.publisher)
    assert [what for what, known in found.items() if not known] == EMPTY
    run.end()
    return found


@pytest.mark.parametrize(("snapshot", "written"), [(0.2, 1.0), (0.5, 0.6), (0.93, 0.0), (1.0, 1.0)])
def test_a_restart_forgets_nothing(records, lived, tmp_path, snapshot, written):
    """The venue resumes from a snapshot and what was written then, or somewhat or much later."""
    count = len(records)
    resumed = int(count * snapshot)
    before = Run(tmp_path / "index", records).begin().until(resumed)
    image = before.image()
    before.until(resumed + int((count - resumed) * written)).end()
    after = Run(tmp_path / "index", records, image).begin().until(count)
    found = told(after.publisher)
    for what, known in lived.items():
        assert found[what] == known, what
    after.end()


def test_many_restarts_forget_nothing(records, lived, tmp_path):
    state: State | None = None
    count = len(records)
    for stop in (count // 7, count // 2, count):
        run = Run(tmp_path / "index", records, state).begin().until(stop)
        state = run.image()
        run.end()
    run = Run(tmp_path / "index", records, state).begin()
    assert told(run.publisher) == lived
    run.end()


def test_the_index_of_another_journal_is_noticed(records, tmp_path):
    half = len(records) // 2
    before = Run(tmp_path / "index", records).begin().until(half - 20)
    image = before.image()
    before.until(half).end()
    other = list(records)
    other[half - 1] = msgspec.structs.replace(records[half - 1], time_ns=records[half - 1].time_ns + 1)
    with pytest.raises(Foreign):
        Run(tmp_path / "index", other, image).begin().until(half)
    with pytest.raises(Foreign):  # the journal ends before what the index tells of
        Run(tmp_path / "index", records[: half - 1], decode(encode(image))).begin().until(half - 1).end()


# -- beside a journal -------------------------------------------------------------------------------------------------


async def live(path: Path, commands) -> dict[str, Any]:
    """Run a venue on a journal until these commands are through; what it tells then."""
    folder, publisher = directory_of(path), Publisher()
    async with await SqliteStore.open(path, GENESIS, schemas=[codec.SCHEMA_FP]) as store:
        historian = Historian(publisher, path_of(path))
        booted = await boot(store, folder, historian)
        keeper = Keeper(folder, historian.flush)
        async with Writer(store, codec.SCHEMA_FP) as writer:
            sequencer = Sequencer(
                booted.state,
                writer,
                ManualClock(START_S),
                b"\x01" * 32,
                bytes(32),
                anchors=booted.anchors,
                tap=publisher.tap,
                publish=historian.take,
                keeper=keeper,
                snapshot_every=100,
            )
            async with sequencing(sequencer):
                for command in commands:
                    await sequencer.record(command)
        await keeper.close()
        historian.close()
    return told(publisher)


DAY = draw(400)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A journal of a venue that went home, and what it told."""
    path = tmp_path_factory.mktemp("kept") / "venue.journal"
    before = asyncio.run(live(path, [*DAY.setup, *DAY.trading[:150]]))
    assert before["deals"]
    return path, before


@pytest.fixture
def stopped(kept, tmp_path):
    """A copy of it."""
    shutil.copytree(kept[0].parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / kept[0].name, kept[1]


async def test_a_venue_that_starts_again_tells_what_it_told(stopped):
    path, before = stopped
    assert await live(path, []) == before
    after = await live(path, DAY.trading[150:])
    assert len(after["drop copies"][1]) > len(before["drop copies"][1])
    path_of(path).unlink()
    assert await live(path, []) == after  # made again from the journal


def gone(path: Path) -> None:
    path.unlink()


def scribbled(path: Path) -> None:
    path.write_bytes(b"no database at all, of some length" * 100)


def of_another_version(path: Path) -> None:
    with sqlite3.connect(path) as file:
        file.execute("UPDATE meta SET value = 99 WHERE key = 'format'")
    file.close()


def of_another_program(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE notes (text)")
    file.close()


def of_another_journal(path: Path) -> None:
    with sqlite3.connect(path) as file:
        file.execute("UPDATE meta SET value = value + 1 WHERE key = 'time_ns'")
    file.close()


def ahead(path: Path) -> None:
    with sqlite3.connect(path) as file:
        file.execute("UPDATE meta SET value = value + 1000 WHERE key = 'seq'")
    file.close()


def behind(path: Path) -> None:
    with sqlite3.connect(path) as file:
        file.execute("UPDATE meta SET value = value - 100 WHERE key = 'seq'")
    file.close()


SPOILED = (gone, scribbled, of_another_version, of_another_program, of_another_journal, ahead, behind)


@pytest.mark.parametrize("spoil", SPOILED)
async def test_an_index_that_is_no_good_is_made_again_from_the_journal(stopped, spoil):
    path, before = stopped
    spoil(path_of(path))
    assert await live(path, []) == before
    assert await live(path, []) == before  # and is good from then on


async def test_of_a_long_journal_history_begins_with_the_snapshot_unless_all_is_asked_for(stopped, monkeypatch):
    path, before = stopped
    monkeypatch.setattr("exchange.shell.boot.AGAIN_MAX", 10)
    path_of(path).unlink()
    assert (await live(path, []))["deals"] == []
    path_of(path).unlink()
    publisher = Publisher()
    async with await SqliteStore.open(path, GENESIS, schemas=[codec.SCHEMA_FP]) as store:
        historian = Historian(publisher, path_of(path))
        await boot(store, directory_of(path), historian, from_genesis=True)
        historian.close()
    assert told(publisher)["deals"] == before["deals"]


def test_a_disk_that_is_full_costs_history_and_nothing_else(records, tmp_path):
    run = Run(tmp_path / "index", records).begin().until(100)
    run.historian.flush()
    run.historian._file.execute("PRAGMA max_page_count = 1")
    run.until(len(records))
    run.historian.flush()
    assert not run.publisher.keeps
    run.end()
    after = Run(tmp_path / "index", records, run.image())
    assert not after.historian.covers(run.state.seq)
    after.historian.close()


def test_what_is_written_is_bounded(records, tmp_path, monkeypatch):
    for name, most in (("MOMENTS_MAX", 50), ("DEALS_MAX", 40), ("BARS_MAX", 30), ("PRUNE_EVERY", 1)):
        monkeypatch.setattr(module, name, most)
    run = Run(tmp_path / "index", records).begin().until(len(records))
    run.historian.flush()
    counts = dict(run.historian._rows("SELECT matters, count(*) FROM moments GROUP BY matters"))
    assert counts == {0: 51, 1: 41}
    run.end()


def test_a_gap_of_the_drop_copy_shows(records, tmp_path):
    """Each message names the one before; what is forgotten is not passed over."""
    run = Run(tmp_path / "index", records).begin().until(len(records))
    moments = run.publisher.moments
    for account, last in moments.last.items():
        chain = [(each.priors[account], each.seq) for each in moments.of(account, 0)]
        assert [prior for prior, _ in chain] == [0, *[seq for _, seq in chain[:-1]]]
        assert chain[-1][1] == last
        assert moments.reach(account) == 1
    run.end()
