"""The scanner of write-ahead logs against logs that SQLite itself wrote."""

import contextlib
import shutil
import sqlite3
import struct
from pathlib import Path

import pytest

from journal.wal import WalScan, WalState, scan_wal, wal_path

PAGE = 4096 + 24
COMMITS = 9


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A log of `COMMITS` commits as it stands while the database is open, read from a copy."""
    folder = tmp_path_factory.mktemp("wal")
    with contextlib.closing(sqlite3.connect(folder / "w.sqlite", isolation_level=None)) as connection:
        fill(connection)
        shutil.copy(folder / "w.sqlite-wal", folder / "copy")
    return (folder / "copy").read_bytes()


def fill(connection: sqlite3.Connection) -> None:
    """`COMMITS` commits, all in the log."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("CREATE TABLE t(x BLOB)")
    for _ in range(COMMITS - 1):
        connection.execute("INSERT INTO t VALUES (randomblob(6000))")


def scan(folder: Path, data: bytes) -> WalScan:
    """Scan `data` as the log of a database that holds nothing of it."""
    path = folder / "w.sqlite"
    path.touch()
    wal_path(path).write_bytes(data)
    return scan_wal(path)


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :]


def commit_ends(data: bytes) -> list[int]:
    ends = range(32 + PAGE, len(data) + 1, PAGE)
    return [end for end in ends if struct.unpack_from(">I", data, end - PAGE + 4)[0]]


def test_a_log_is_clean_as_sqlite_leaves_it(tmp_path: Path, written: bytes) -> None:
    assert scan(tmp_path, written) == WalScan(WalState.CLEAN, COMMITS, 0, len(written))
    assert len(commit_ends(written)) == COMMITS


@pytest.mark.parametrize("data", [None, b""])
def test_no_log_is_an_empty_log(tmp_path: Path, data: bytes | None) -> None:
    if data is None:
        assert scan_wal(tmp_path / "none").state is WalState.EMPTY
    else:
        assert scan(tmp_path, data).state is WalState.EMPTY


@pytest.mark.parametrize("cut", [1, 24, 4000, PAGE - 1])
def test_an_unfinished_last_commit_is_torn(tmp_path: Path, written: bytes, cut: int) -> None:
    found = scan(tmp_path, written[:-cut])
    assert (found.state, found.commits) == (WalState.TORN, COMMITS - 1)


def test_a_log_cut_inside_its_header_is_torn(tmp_path: Path, written: bytes) -> None:
    assert scan(tmp_path, written[:17]).state is WalState.TORN


def test_a_log_cut_between_commits_looks_clean_and_only_an_anchor_knows(tmp_path: Path, written: bytes) -> None:
    end = commit_ends(written)[3]
    assert scan(tmp_path, written[:end]) == WalScan(WalState.CLEAN, 4, 0, end)


def test_whole_pages_without_their_commit_are_torn(tmp_path: Path, written: bytes) -> None:
    found = scan(tmp_path, written[: commit_ends(written)[3] + PAGE])
    assert (found.state, found.commits) == (WalState.TORN, 4)


def test_a_flip_before_the_last_two_commits_is_rot(tmp_path: Path, written: bytes) -> None:
    ends = commit_ends(written)
    for index in range(COMMITS - 2):
        found = scan(tmp_path, flip(written, ends[index] + 1000))
        assert (found.state, found.commits) == (WalState.ROTTEN, index + 1)
        assert found.hidden == COMMITS - index - 1


def test_a_flip_in_the_last_commit_cannot_be_told_from_a_torn_one(tmp_path: Path, written: bytes) -> None:
    assert scan(tmp_path, flip(written, commit_ends(written)[-2] + 1000)).state is WalState.TORN


@pytest.mark.parametrize("at", [0, 5, 9, 14, 17, 21, 25, 30])
def test_a_flip_in_the_header_is_rot(tmp_path: Path, written: bytes, at: int) -> None:
    found = scan(tmp_path, flip(written, at))
    assert (found.state, found.commits, found.hidden) == (WalState.ROTTEN, 0, COMMITS)


def test_a_broken_header_over_nothing_is_torn(tmp_path: Path, written: bytes) -> None:
    assert scan(tmp_path, bytes(32)).state is WalState.TORN
    assert scan(tmp_path, bytes(32) + written[32 : commit_ends(written)[0] - PAGE]).state is WalState.TORN


def test_a_broken_header_over_commits_that_the_database_holds_is_torn(tmp_path: Path) -> None:
    """SQLite starts the log anew in place once all of it is folded in; a kill inside that write breaks the header."""
    path = tmp_path / "w.sqlite"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        fill(connection)
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        for part in (path, wal_path(path)):
            shutil.copy(part, tmp_path / part.name.replace("w.", "copy."))
    copy = tmp_path / "copy.sqlite"
    log = wal_path(copy).read_bytes()
    wal_path(copy).write_bytes(log[:12] + b"torn" + log[16:])
    assert scan_wal(copy) == WalScan(WalState.TORN, 0, COMMITS, 0)
    with copy.open("r+b") as file:
        file.seek(2 * 4096)
        file.write(b"not what was folded in")
    assert scan_wal(copy) == WalScan(WalState.ROTTEN, 0, COMMITS, 0)


def test_a_broken_header_is_judged_by_the_latest_generation(tmp_path: Path, written: bytes) -> None:
    older = bytearray(written)
    struct.pack_into(">I", older, commit_ends(written)[0] + 8, 12345)
    assert scan(tmp_path, bytes(32) + bytes(older[32:])) == WalScan(WalState.ROTTEN, 0, 1, 0)


def test_an_earlier_generation_behind_the_end_is_clean(tmp_path: Path, written: bytes) -> None:
    old = bytearray(written)
    keep = commit_ends(written)[4]
    for at in range(keep, len(old), PAGE):
        struct.pack_into(">I", old, at + 8, 12345)
    assert scan(tmp_path, bytes(old)) == WalScan(WalState.CLEAN, 5, 0, keep)


def test_both_byte_orders_are_read(tmp_path: Path, written: bytes) -> None:
    """The same log as a big-endian machine would have written it."""
    out = bytearray(struct.pack(">I", struct.unpack_from(">I", written)[0] ^ 1) + written[4:])
    sums = big_endian(bytes(out[:24]), (0, 0))
    struct.pack_into(">2I", out, 24, *sums)
    for at in range(32, len(out), PAGE):
        sums = big_endian(bytes(out[at : at + 8] + out[at + 24 : at + PAGE]), sums)
        struct.pack_into(">2I", out, at + 16, *sums)
    assert scan(tmp_path, bytes(out)) == WalScan(WalState.CLEAN, COMMITS, 0, len(written))


def big_endian(data: bytes, sums: tuple[int, int]) -> tuple[int, int]:
    a, b = sums
    for at in range(0, len(data), 8):
        x, y = struct.unpack_from(">2I", data, at)
        a = (a + x + b) % 2**32
        b = (b + y + a) % 2**32
    return a, b
