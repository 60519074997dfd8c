"""Snapshots: a faster start, never a source of truth.

Owns the snapshot files. Standard library, msgspec and this package only. A file is named by the digest of
its bytes, appears whole or not at all, and is used only if those bytes, the frame it claims and the state
inside all agree with what can be computed without it.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Container
from hashlib import sha256
from pathlib import Path

import msgspec

from journal.anchor import sync_directory
from journal.damage import Damaged
from journal.record import Bytes32, Count
from journal.store import Store

_SUFFIX = ".snapshot"


class Snapshot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A state and where on the chain it belongs: after frame `frame_no`, whose head is `head`."""

    frame_no: Count
    last_seq: Count
    head: Bytes32
    state_digest: bytes
    schema_fp: Bytes32
    state: bytes


class Skipped(msgspec.Struct, frozen=True):
    """A snapshot file that was not used, and why."""

    path: Path
    why: str


class Choice(msgspec.Struct, frozen=True):
    """The snapshot to start from, None for genesis, and the newer ones that were passed over."""

    snapshot: Snapshot | None
    skipped: tuple[Skipped, ...]


class SnapshotUnusable(Exception):
    """The file does not hold what its name says, or what this version can read."""


def write_snapshot(directory: Path, snapshot: Snapshot) -> Path:
    """Write a snapshot durably under its own digest; the path. Blocking."""
    data = msgspec.msgpack.encode(snapshot)
    path = directory / f"{snapshot.frame_no:016d}-{sha256(data).hexdigest()}{_SUFFIX}"
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_directory(directory)
    return path


def read_snapshot(path: Path) -> Snapshot:
    """The snapshot in `path`, if its bytes are those it is named for. Raises `SnapshotUnusable`. Blocking."""
    try:
        data = path.read_bytes()
        if path.stem.rpartition("-")[2] != sha256(data).hexdigest():
            raise SnapshotUnusable("its bytes are not those it is named for")
        return msgspec.msgpack.decode(data, type=Snapshot)
    except (OSError, msgspec.MsgspecError) as error:
        raise SnapshotUnusable(str(error)) from error


async def latest(
    directory: Path, store: Store, digest: Callable[[bytes], bytes], schemas: Container[bytes] | None = None
) -> Choice:
    """The newest snapshot that stands every check, against `store` and against `digest` of its state."""
    skipped: list[Skipped] = []
    for path in await asyncio.to_thread(_newest_first, directory):
        try:
            snapshot = await asyncio.to_thread(read_snapshot, path)
            await _check(snapshot, store, digest, schemas)
        except (SnapshotUnusable, Damaged) as error:
            skipped.append(Skipped(path, str(error)))
        else:
            return Choice(snapshot, tuple(skipped))
    return Choice(None, tuple(skipped))


async def _check(
    snapshot: Snapshot, store: Store, digest: Callable[[bytes], bytes], schemas: Container[bytes] | None
) -> None:
    if schemas is not None and snapshot.schema_fp not in schemas:
        raise SnapshotUnusable(f"it is written in schema {snapshot.schema_fp.hex()}, which is unknown here")
    if digest(snapshot.state) != snapshot.state_digest:
        raise SnapshotUnusable("its state does not have the digest it claims")
    async with contextlib.aclosing(store.frames(snapshot.frame_no)) as frames:
        async for frame in frames:
            claimed = (snapshot.frame_no, snapshot.last_seq, snapshot.head)
            if (frame.frame_no, frame.last_seq, frame.head) != claimed:
                raise SnapshotUnusable(f"frame {snapshot.frame_no} of the journal is not the one it follows")
            return
    raise SnapshotUnusable(f"the journal ends before frame {snapshot.frame_no}")


def _newest_first(directory: Path) -> list[Path]:
    return sorted(directory.glob(f"*{_SUFFIX}"), reverse=True)
