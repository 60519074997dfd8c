"""Each rule of start-up is broken on purpose, and the store refuses by that rule's name."""

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from journal import Anchor, Frame, Refusal, SqliteSettings, SqliteStore, StartupRefused, StoreFailed, read_anchor
from journal import startup as startup_module
from journal.startup import anchor_path, lock_path, require_wal
from journal.wal import wal_path

Frames = Callable[..., list[Frame]]


@pytest.fixture
async def path(tmp_path: Path, genesis: bytes, frames_of: Frames) -> Path:
    """A closed journal of six frames whose head is anchored."""
    place = tmp_path / "j.sqlite"
    async with await SqliteStore.open(place, genesis) as store:
        for frame in frames_of([3] * 6):
            await store.append(frame, (await store.head()).hash)
    return place


def edit(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


async def refused(path: Path, genesis: bytes, **options: object) -> StartupRefused:
    with pytest.raises(StartupRefused) as caught:
        await SqliteStore.open(path, genesis, **options)
    assert str(caught.value).startswith(caught.value.reason)
    return caught.value


async def test_every_rule_is_tried_in_this_file() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert [rule.name for rule in Refusal if f"Refusal.{rule.name}" not in source] == []


async def test_a_second_writer_is_refused_by_the_number_of_the_first(path: Path, genesis: bytes) -> None:
    async with await SqliteStore.open(path, genesis):
        error = await refused(path, genesis)
    assert error.reason is Refusal.WRITER_MUST_BE_ALONE
    assert str(os.getpid()) in str(error)
    async with await SqliteStore.open(path, genesis):
        pass


async def test_a_held_write_lock_is_refused_even_by_one_who_ignores_the_lock_file(path: Path, genesis: bytes) -> None:
    settings = SqliteSettings(busy_s=0.01)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        error = await refused(path, genesis, ignore_lock=True, settings=settings)
    assert error.reason is Refusal.WRITER_MUST_BE_ALONE


async def test_a_reader_who_pins_the_log_is_refused_until_he_goes(path: Path, genesis: bytes) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM frame").fetchone()
        edit(path, "PRAGMA wal_autocheckpoint=0", "CREATE TABLE noise(x)")
        error = await refused(path, genesis)
    assert error.reason is Refusal.WRITER_MUST_BE_ALONE
    assert "reads" in str(error)


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"\x01" * 4096)])
async def test_an_anchor_that_is_lost_or_unreadable(path: Path, genesis: bytes, harm: Callable[[Path], object]) -> None:
    harm(anchor_path(path))
    assert (await refused(path, genesis)).reason is Refusal.ANCHOR_MUST_BE_READABLE


async def test_a_log_with_rot_in_it(tmp_path: Path, genesis: bytes, frames_of: Frames) -> None:
    live, copy = tmp_path / "live.sqlite", tmp_path / "copy.sqlite"
    async with await SqliteStore.open(live, genesis, settings=SqliteSettings(checkpoint_s=60)) as store:
        for frame in frames_of([3] * 6):
            await store.append(frame, (await store.head()).hash)
        for place in (lambda p: p, wal_path, anchor_path):
            place(copy).write_bytes(place(live).read_bytes())
    data = bytearray(wal_path(copy).read_bytes())
    data[5000] ^= 1
    wal_path(copy).write_bytes(data)
    error = await refused(copy, genesis)
    assert error.reason is Refusal.WAL_MUST_BE_SOUND
    assert "byte" in str(error)


@pytest.mark.parametrize("content", [b"", b"hello" * 1000])
async def test_a_file_that_is_no_journal(path: Path, genesis: bytes, content: bytes) -> None:
    path.write_bytes(content)
    assert (await refused(path, genesis)).reason is Refusal.FILE_MUST_BE_A_JOURNAL


@pytest.mark.parametrize("statement", ["PRAGMA application_id=7", "PRAGMA user_version=2"])
async def test_a_database_of_another_kind_or_version(path: Path, genesis: bytes, statement: str) -> None:
    edit(path, statement)
    assert (await refused(path, genesis)).reason is Refusal.FILE_MUST_BE_A_JOURNAL


async def test_a_journal_mode_that_is_not_wal(path: Path, genesis: bytes) -> None:
    edit(path, "PRAGMA journal_mode=DELETE")
    assert (await refused(path, genesis)).reason is Refusal.JOURNAL_MODE_MUST_BE_WAL


def test_the_answer_to_the_pragma_counts_and_not_its_silence() -> None:
    require_wal("wal")
    with pytest.raises(StartupRefused, match="delete"):
        require_wal("delete")


@pytest.mark.parametrize("level", ["NORMAL", "OFF"])
async def test_a_synchronous_below_full(path: Path, genesis: bytes, level: str) -> None:
    error = await refused(path, genesis, settings=SqliteSettings(synchronous=level))
    assert error.reason is Refusal.SYNCHRONOUS_MUST_BE_FULL


async def test_full_and_extra_are_accepted(path: Path, genesis: bytes) -> None:
    for level in ("FULL", "EXTRA"):
        async with await SqliteStore.open(path, genesis, settings=SqliteSettings(synchronous=level)):
            pass


async def test_another_genesis(path: Path) -> None:
    assert (await refused(path, b"another")).reason is Refusal.GENESIS_MUST_MATCH


async def test_a_journal_without_its_first_row(path: Path, genesis: bytes) -> None:
    edit(path, "DELETE FROM frame WHERE frame_no = 0")
    assert (await refused(path, genesis)).reason is Refusal.GENESIS_MUST_MATCH


async def test_a_head_behind_its_anchor(path: Path, genesis: bytes) -> None:
    edit(path, "DELETE FROM frame WHERE frame_no = 6")
    error = await refused(path, genesis)
    assert error.reason is Refusal.HEAD_MUST_REACH_ANCHOR
    assert "ends at frame 5" in str(error)


async def test_a_journal_that_vanished_beside_its_anchor(path: Path, genesis: bytes) -> None:
    path.unlink()
    assert (await refused(path, genesis)).reason is Refusal.HEAD_MUST_REACH_ANCHOR


async def test_an_anchored_head_that_is_not_on_the_chain(path: Path, genesis: bytes) -> None:
    head, _ = read_anchor(anchor_path(path))
    anchor_path(path).unlink()
    Anchor.create(anchor_path(path), type(head)(4, 12, 1, bytes(32))).close()
    assert (await refused(path, genesis)).reason is Refusal.ANCHOR_MUST_LIE_ON_CHAIN


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE frame SET body = CAST(body || x'00' AS BLOB) WHERE frame_no = 6",
        "DELETE FROM frame WHERE frame_no = 5",
        "UPDATE frame SET wall_ns = -1 WHERE frame_no = 6",
        "UPDATE frame SET epoch = -1 WHERE frame_no = 5",
        "UPDATE frame SET n = n + 1 WHERE frame_no = 6",
    ],
)
async def test_a_last_frame_that_is_not_whole(path: Path, genesis: bytes, statement: str) -> None:
    edit(path, statement)
    assert (await refused(path, genesis)).reason is Refusal.LAST_FRAME_MUST_BE_WHOLE


async def test_a_last_frame_in_an_unknown_schema(path: Path, genesis: bytes, schema: bytes) -> None:
    assert (await refused(path, genesis, schemas={bytes(32)})).reason is Refusal.SCHEMA_MUST_BE_KNOWN
    async with await SqliteStore.open(path, genesis, schemas={schema}):
        pass


async def test_a_refusal_leaves_the_log_as_evidence(tmp_path: Path, genesis: bytes, frames_of: Frames) -> None:
    live, copy = tmp_path / "live.sqlite", tmp_path / "copy.sqlite"
    async with await SqliteStore.open(live, genesis, settings=SqliteSettings(checkpoint_s=60)) as store:
        for frame in frames_of([3] * 6):
            await store.append(frame, (await store.head()).hash)
        await store.anchor_now()
        for place in (lambda p: p, wal_path, anchor_path):
            place(copy).write_bytes(place(live).read_bytes())
    torn = wal_path(copy).read_bytes()[:-100]
    wal_path(copy).write_bytes(torn)
    assert (await refused(copy, genesis)).reason is Refusal.HEAD_MUST_REACH_ANCHOR
    assert wal_path(copy).read_bytes() == torn


async def test_a_start_that_was_killed_half_way_leaves_nothing_behind(tmp_path: Path, genesis: bytes) -> None:
    path = tmp_path / "j.sqlite"
    path.with_name("j.sqlite.new").write_bytes(b"half a journal")
    path.with_name("j.sqlite.new-wal").write_bytes(b"half a log")
    async with await SqliteStore.open(path, genesis) as store:
        assert (await store.head()).frame_no == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["j.sqlite", "j.sqlite.anchor", "j.sqlite.lock"]


async def test_the_lock_names_its_holder(path: Path, genesis: bytes) -> None:
    async with await SqliteStore.open(path, genesis):
        assert lock_path(path).read_text(encoding="ascii") == f"{os.getpid()}\n"


def test_a_directory_that_is_not_there_is_an_os_error(tmp_path: Path, genesis: bytes) -> None:
    with pytest.raises(FileNotFoundError):
        startup_module.prepare(tmp_path / "none" / "j", genesis, None, ignore_lock=False, busy_s=0)


async def test_a_log_that_cannot_be_opened_is_no_question_of_who_holds_it(path: Path, genesis: bytes) -> None:
    wal_path(path).mkdir()
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        startup_module.adopt(path, 0)
    with pytest.raises(StoreFailed, match="opening"):
        await SqliteStore.open(path, genesis)
