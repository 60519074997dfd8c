"""``tiles``: the tree of a journal and its records as plain files (c2sp.org/tlog-tiles), for any static file server.

A tile holds up to 256 hashes of one level; a bundle of entries up to 256 records as they were hashed. The last of each
may be partial. Equal journals give equal files. Imports the journal and the notes.
"""

import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from journal.merkle import node_hash
from journal.record import leaf_hash
from replay.findings import CannotRun
from replay.frames import Progress, whole_frames

WIDTH: Final = 256
_LENGTH: Final = struct.Struct(">H")
_ENTRY_MAX: Final = 2**16 - 1


def write_tiles(path: Path, folder: Path, size: int, progress: Progress | None = None) -> int:
    """Write the tiles of the first ``size`` records; the number of files. Raises CannotRun, Diverged."""
    files, met = _Files(folder), 0
    levels: list[list[bytes]] = [[]]
    done: list[int] = [0]
    for bundle in _bundles(path, size, progress):
        files.entries(met // WIDTH, bundle)
        met += len(bundle)
        levels[0] += [leaf_hash(entry) for entry in bundle]
        if len(bundle) == WIDTH:
            _close(files, levels, done)
    if met < size:
        raise CannotRun(f"{path} has {met} records, not {size}")
    for level, hashes in enumerate(levels):
        if hashes:
            files.tile(level, done[level], hashes)
    return files.count


def _close(files: "_Files", levels: list[list[bytes]], done: list[int]) -> None:
    """Write every tile that has become full; its root is one hash of the level above."""
    level = 0
    while len(levels[level]) == WIDTH:
        files.tile(level, done[level], levels[level])
        if level + 1 == len(levels):
            levels.append([])
            done.append(0)
        levels[level + 1].append(_root(levels[level]))
        levels[level] = []
        done[level] += 1
        level += 1


def _root(hashes: list[bytes]) -> bytes:
    """The root of a full tile."""
    while len(hashes) > 1:
        hashes = [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


def _bundles(path: Path, size: int, progress: Progress | None) -> Iterator[list[bytes]]:
    entries = islice(_entries(path, progress), size)
    while bundle := list(islice(entries, WIDTH)):
        yield bundle


def _entries(path: Path, progress: Progress | None) -> Iterator[bytes]:
    for frame in whole_frames(path):
        for place, entry in enumerate(frame.raw_records()):
            if len(entry) > _ENTRY_MAX:
                raise CannotRun(f"seq {frame.first_seq + place} has {len(entry)} bytes, more than a tile can hold")
            yield entry
        if progress is not None:
            progress(frame.last_seq)


class _Files:
    """Where files go."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.count = 0

    def tile(self, level: int, number: int, hashes: list[bytes]) -> None:
        self._write(f"tile/{level}/{tile_path(number, len(hashes))}", b"".join(hashes))

    def entries(self, number: int, bundle: list[bytes]) -> None:
        data = b"".join(_LENGTH.pack(len(entry)) + entry for entry in bundle)
        self._write(f"tile/entries/{tile_path(number, len(bundle))}", data)

    def _write(self, name: str, data: bytes) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.count += 1


def tile_path(number: int, width: int) -> str:
    """The path of a tile: its number in groups of three digits, all but the last with an x; a partial one's width."""
    groups = [f"{number % 1000:03d}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03d}")
    return "/".join(groups) + (f".p/{width}" if width < WIDTH else "")
