"""The anchor file: it remembers the newest head, survives a torn write, and never tells a wrong one."""

import os
from pathlib import Path

import pytest

from journal import Anchor, AnchorUnreadable, Head, read_anchor
from journal.anchor import SLOT_BYTES, SLOTS


def head(number: int) -> Head:
    return Head(number, number * 10, 1, bytes([number % 256]) * 32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "j.anchor"


def anchored(path: Path, upto: int) -> None:
    anchor = Anchor.create(path, head(0))
    for number in range(1, upto + 1):
        anchor.write(head(number))
    anchor.close()


@pytest.mark.parametrize("upto", [0, 1, SLOTS - 1, SLOTS, 3 * SLOTS + 2])
def test_the_newest_head_is_read_back(path: Path, upto: int) -> None:
    anchored(path, upto)
    assert read_anchor(path) == (head(upto), 0)
    assert path.stat().st_size == SLOTS * SLOT_BYTES


def test_an_older_head_never_replaces_a_newer_one(path: Path) -> None:
    anchored(path, 5)
    anchor = Anchor.open(path)
    anchor.write(head(3))
    anchor.write(head(5))
    anchor.close()
    assert read_anchor(path) == (head(5), 0)


def test_an_anchor_goes_on_where_the_last_writer_stopped(path: Path) -> None:
    anchored(path, 5)
    anchor = Anchor.open(path)
    assert anchor.head == head(5)
    anchor.write(head(9))
    anchor.close()
    assert read_anchor(path) == (head(9), 0)


@pytest.mark.parametrize("torn_at", [1, 8, 80, SLOT_BYTES - 1])
def test_a_torn_write_costs_one_anchor_and_is_counted(path: Path, torn_at: int) -> None:
    anchored(path, 5)
    with path.open("r+b") as file:
        file.seek(5 * SLOT_BYTES + torn_at)
        file.write(bytes([255]) * (SLOT_BYTES - torn_at))
    assert read_anchor(path) == (head(4), 1)


def test_a_file_without_one_whole_slot_is_unreadable(path: Path) -> None:
    path.write_bytes(os.urandom(SLOTS * SLOT_BYTES))
    with pytest.raises(AnchorUnreadable):
        read_anchor(path)
    with pytest.raises(AnchorUnreadable):
        Anchor.open(path)


def test_a_file_that_is_not_there_is_an_os_error(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_anchor(path)


def test_a_slot_in_the_wrong_place_is_not_believed(path: Path) -> None:
    anchored(path, 2)
    data = path.read_bytes()
    path.write_bytes(data[:SLOT_BYTES] + data[2 * SLOT_BYTES : 3 * SLOT_BYTES] * 2 + data[3 * SLOT_BYTES :])
    assert read_anchor(path) == (head(2), 1)
