"""A copy of a journal beside a live writer: frame by frame, each verified, only those that the copy does not have yet.

Owns `copy_frames` and `tree_head`. Standard library and this package only; blocking. The copy is a journal at every
instant: what is committed to it is a prefix of the source, its anchor never ahead of it.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from journal.anchor import Anchor
from journal.damage import require
from journal.merkle import Tree
from journal.reader import scan
from journal.record import Frame, Head, genesis_head
from journal.startup import anchor_path, create, lock_path, take_lock
from journal.table import APPEND, append_parameters, connect_read_only, select_head

FRAMES_AT_ONCE: Final = 512  # of a transaction of the copy


class CopyDiverged(Exception):
    """The copy holds a frame that the source does not: it is of another journal, or of another history of it."""


class TreeHead(NamedTuple):
    """How many records, the root of the tree over them, and the head of their last frame."""

    size: int
    root: bytes
    head: Head


def copy_frames(source: Path, target: Path, genesis: bytes) -> int:
    """Bring the copy up to the source, creating it if it is new; how many frames were missing.

    Raises `Damaged` for what a crash of the writer does not explain, `CopyDiverged`, `StartupRefused` when somebody
    writes to the copy, `sqlite3.Error` and `OSError` when a disk fails. Whatever ends it, the copy is a whole prefix.
    """
    target = target.absolute()
    _require_common(source, genesis_head(genesis))
    with contextlib.ExitStack() as held:
        held.callback(os.close, take_lock(lock_path(target)))
        if not target.exists():
            create(target, genesis)
        copy = held.enter_context(contextlib.closing(sqlite3.connect(target, isolation_level=None)))
        copy.execute("PRAGMA synchronous=FULL")
        before = select_head(copy)
        assert before is not None
        _require_common(source, before)
        frames = require(scan(source, genesis=genesis, from_frame=before.frame_no + 1))
        copied = _append(copy, before, frames)
        copy.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        after = select_head(copy)
        assert after is not None
        _anchor(target, after, genesis)
        return copied


def tree_head(path: Path, genesis: bytes, size: int | None = None) -> TreeHead:
    """Read a journal from its beginning, verifying every frame, and hash its tree, or that of its first records.

    Raises `Damaged`; ValueError when it has fewer records than asked for.
    """
    tree, found, at = Tree(), genesis_head(genesis), 0
    root = tree.root() if size == 0 else b""
    for frame in require(scan(path, genesis=genesis)):
        for leaf in frame.leaves():
            tree.append(leaf)
            at += 1
            if at == size:
                root = tree.root()
        found = frame.position()
    if size is not None and at < size:
        raise ValueError(f"{path} has {at} records, {size} were asked for")
    return TreeHead(at, tree.root(), found) if size is None else TreeHead(size, root, found)


def _append(copy: sqlite3.Connection, head: Head, frames: Iterator[Frame]) -> int:
    """Write the frames that follow a head, so many in a transaction."""
    copied, last = 0, head.hash
    while batch := list(islice(frames, FRAMES_AT_ONCE)):
        copy.execute("BEGIN IMMEDIATE")
        for frame in batch:
            written = copy.execute(APPEND, append_parameters(frame, last))
            assert written.rowcount == 1
            last = frame.head
        copy.execute("COMMIT")
        copied += len(batch)
    return copied


def _require_common(source: Path, head: Head) -> None:
    with contextlib.closing(connect_read_only(source)) as connection:
        if select_head(connection, head.frame_no) != head:
            raise CopyDiverged(f"frame {head.frame_no} of the copy is not one of {source.name}")


def _anchor(target: Path, head: Head, genesis: bytes) -> None:
    place = anchor_path(target)
    anchor = Anchor.open(place) if place.exists() else Anchor.create(place, genesis_head(genesis))
    try:
        anchor.write(head)
    finally:
        anchor.close()
