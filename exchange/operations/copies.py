"""``verbatim backup`` and ``verbatim restore``: a venue's files, copied beside it while it runs, and put back.

Owns what belongs to a copy, and the order in which its files become true: at every instant a folder holds a journal
that could be started, and ``backup.json`` speaks only of what was read back. Imports journal and the names of the
shell's files.
"""

import base64
import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from exchange.shell.boot import GENESIS
from exchange.shell.venue import deployment_path
from journal import CopyDiverged, Damaged, StoreError, copy_frames, read_anchor, tree_head
from journal.startup import anchor_path

NOTE: Final = "backup.json"
PARTS: Final = ("", "-wal", "-shm", ".anchor", ".lock")  # of a journal under a name of its own


class CopyError(Exception):
    """A backup or a restoration that was not done; the sentence says why, and nothing half-done counts."""


class Copied(msgspec.Struct, frozen=True):
    """What a copy holds: ``size`` records under the tree head ``root``, in hex, up to frame ``frame_no``."""

    journal: str
    size: int
    root: str
    frame_no: int
    at_ns: int
    new_frames: int = 0


def back_up(journal: Path, folder: Path) -> Copied:
    """Bring the copy in a folder up to date, read it back, and note what it holds. Raises CopyError.

    The venue may run. The journal goes first and the embedded chain last: a chain may be ahead of its journal, never
    behind.
    """
    with _told():
        if not journal.exists():
            raise CopyError(f"{journal} is not there")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = folder / journal.name
        new = copy_frames(journal, target, GENESIS)
        _replace(deployment_path(journal), deployment_path(target))
        if _chain(journal).exists():
            _copy_database(_chain(journal), _chain(target))
        head = tree_head(target, GENESIS)
        made = Copied(journal.name, head.size, head.root.hex(), head.head.frame_no, time.time_ns(), new)
        _write(folder / NOTE, msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n")
        return made


def restore(folder: Path, journal: Path, checkpoint: Path | None = None) -> Copied:
    """Put a copy in the place of a journal that is gone. Raises CopyError, and then has changed nothing that counts.

    The copy must be what its note says, and agree with the checkpoint if there is one; beside a journal that is there,
    or an anchor that knows of more, nothing is restored. A chain or deployment that survived stays.
    """
    with _told():
        note = msgspec.json.decode((folder / NOTE).read_bytes(), type=Copied)
        if journal.exists():
            raise CopyError(f"{journal} is there: move it away first, and keep it")
        source = folder / note.journal
        _require(source, note.size, note.root, NOTE)
        if checkpoint is not None:
            size, root = _checkpoint(checkpoint)
            _require(source, size, root, checkpoint.name)
        journal.parent.mkdir(parents=True, exist_ok=True)
        _require_same(deployment_path(source), deployment_path(journal))
        made = journal.with_name(journal.name + ".restoring")
        _clear(made)
        copy_frames(source, made, GENESIS)
        _place(source, made, journal, note)
        _clear(made)
        return note


def _place(source: Path, made: Path, journal: Path, note: Copied) -> None:
    """Move what was made to where it belongs, the journal last: without it no venue starts beside the others."""
    with contextlib.suppress(FileNotFoundError):
        anchored = read_anchor(anchor_path(journal))[0]
        if anchored.frame_no > note.frame_no:
            raise CopyError(f"the anchor knows frame {anchored.frame_no}, the copy ends at {note.frame_no}: {_ASK}")
    _replace(anchor_path(made), anchor_path(journal))
    if not deployment_path(journal).exists():
        _replace(deployment_path(source), deployment_path(journal))
    if _chain(source).exists() and not _chain(journal).exists():
        _copy_database(_chain(source), _chain(journal))
    made.replace(journal)
    _sync(journal.parent)


def _clear(made: Path) -> None:
    """Take away what an earlier attempt may have left under the name of a journal that is being made."""
    for part in PARTS:
        made.with_name(made.name + part).unlink(missing_ok=True)


_ASK: Final = "records that were acknowledged are not in it; read docs/RUNBOOK.md, Restore, before anything else"


def _require(source: Path, size: int, root: str, by: str) -> None:
    try:
        found = tree_head(source, GENESIS, size)
    except ValueError as error:
        raise CopyError(f"{error} by {by}") from error
    if found.root.hex() != root:
        raise CopyError(f"the first {size} records of the copy have another root than {by} says")


def _require_same(copied: Path, there: Path) -> None:
    if there.exists() and there.read_bytes() != copied.read_bytes():
        raise CopyError(f"{there} is of another deployment than the copy")


def _checkpoint(path: Path) -> tuple[int, str]:
    """Size and root of a checkpoint (c2sp.org/tlog-checkpoint). Whose it is, ``verbatim-replay witness`` says."""
    try:
        _, size, root, *_ = path.read_text().split("\n")
        return int(size), base64.b64decode(root, validate=True).hex()
    except ValueError as error:
        raise CopyError(f"{path} is no checkpoint: {error}") from error


# -- files ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What a disk, a database or a journal refuses, in one sentence."""
    try:
        yield
    except (OSError, sqlite3.Error, msgspec.DecodeError, Damaged, CopyDiverged, StoreError) as error:
        raise CopyError(f"{type(error).__name__}: {error}") from error


def _chain(journal: Path) -> Path:
    return journal.with_name(journal.name + ".chain")


def _copy_database(source: Path, target: Path) -> None:
    """SQLite's own copy of a live database, in place only once it is whole."""
    made = target.with_name(target.name + ".new")
    made.unlink(missing_ok=True)
    with (
        contextlib.closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as live,
        contextlib.closing(sqlite3.connect(made)) as copy,
    ):
        live.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
    _settle(made, target)


def _replace(source: Path, target: Path) -> None:
    made = target.with_name(target.name + ".new")
    shutil.copyfile(source, made)
    _settle(made, target)


def _write(target: Path, data: bytes) -> None:
    made = target.with_name(target.name + ".new")
    made.write_bytes(data)
    _settle(made, target)


def _settle(made: Path, target: Path) -> None:
    """Durable, then under its name, then that durable."""
    _sync(made)
    made.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
