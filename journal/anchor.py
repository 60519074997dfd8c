"""The head anchor: a small file beside the journal that remembers how far the chain had come.

Owns the `<journal>.anchor` file. A hash chain cannot show that its own tail is missing; this file can,
because it is written and fsynced apart from the database. Standard library and `journal.record` only.
Blocking: callers on an event loop run it in a thread.

Layout: eight slots of one 512-byte sector, written in turn, so that a torn write harms one slot and the
seven earlier anchors stand. A slot is magic, counter, frame_no, last_seq, epoch, head, zero padding, and
their CRC-32.
"""

import os
import struct
import threading
import zlib
from pathlib import Path
from typing import Final, Self

from journal.record import Head

SLOTS: Final = 8
SLOT_BYTES: Final = 512
_MAGIC: Final = b"ANCHOR\x00\x01"
_SLOT: Final = struct.Struct(">8sQQQQ32s436xI")
_CRC_BYTES: Final = 4
_BLANK: Final = bytes(SLOT_BYTES)

assert _SLOT.size == SLOT_BYTES


class AnchorUnreadable(Exception):
    """The anchor file exists and not one of its slots can be believed."""


class Anchor:
    """An open anchor file.

    `head` is the newest anchored head; `damaged` counts slots that are not as written.
    """

    def __init__(self, fd: int, entries: dict[int, Head], damaged: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._counter = max(entries)
        self.head = max(entries.values(), key=lambda head: head.frame_no)
        self.damaged = damaged

    @classmethod
    def create(cls, path: Path, head: Head) -> Self:
        """A new anchor file at `head`, durable with its directory entry before this returns."""
        temporary = path.with_name(path.name + ".new")
        temporary.write_bytes(_pack(0, head) + _BLANK * (SLOTS - 1))
        fd = os.open(temporary, os.O_RDWR | os.O_CLOEXEC)
        os.fsync(fd)
        temporary.replace(path)
        sync_directory(path.parent)
        return cls(fd, {0: head}, 0)

    @classmethod
    def open(cls, path: Path) -> Self:
        """The anchor file as the last writer left it.

        Raises `AnchorUnreadable`, or `OSError` if there is none.
        """
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            entries, damaged = _read(fd)
        except (AnchorUnreadable, OSError):
            os.close(fd)
            raise
        return cls(fd, entries, damaged)

    def write(self, head: Head) -> None:
        """Anchor `head`, which must already be durable in the journal. Safe from several threads."""
        with self._lock:
            if head.frame_no <= self.head.frame_no:
                return
            self._counter += 1
            os.pwrite(self._fd, _pack(self._counter, head), self._counter % SLOTS * SLOT_BYTES)
            os.fdatasync(self._fd)
            self.head = head

    def close(self) -> None:
        """Close the file; what was anchored stays."""
        os.close(self._fd)


def read_anchor(path: Path) -> tuple[Head, int]:
    """The newest anchored head and the number of damaged slots, without opening the file for writing.

    Raises `AnchorUnreadable`, or `FileNotFoundError` if there is none.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        entries, damaged = _read(fd)
    finally:
        os.close(fd)
    return max(entries.values(), key=lambda head: head.frame_no), damaged


def sync_directory(path: Path) -> None:
    """Make the directory entries of `path` durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _read(fd: int) -> tuple[dict[int, Head], int]:
    """The believable slots by counter, and how many others are neither blank nor believable."""
    data = os.pread(fd, SLOTS * SLOT_BYTES, 0).ljust(SLOTS * SLOT_BYTES, b"\x00")
    entries: dict[int, Head] = {}
    damaged = 0
    for index in range(SLOTS):
        slot = data[index * SLOT_BYTES : (index + 1) * SLOT_BYTES]
        magic, counter, frame_no, last_seq, epoch, digest, crc = _SLOT.unpack(slot)
        if magic == _MAGIC and counter % SLOTS == index and crc == zlib.crc32(slot[:-_CRC_BYTES]):
            entries[counter] = Head(frame_no, last_seq, epoch, digest)
        elif slot != _BLANK:
            damaged += 1
    if not entries:
        raise AnchorUnreadable(f"none of the {SLOTS} slots of the anchor file holds an anchor")
    return entries, damaged


def _pack(counter: int, head: Head) -> bytes:
    slot = _SLOT.pack(_MAGIC, counter, head.frame_no, head.last_seq, head.epoch, head.hash, 0)
    return slot[:-_CRC_BYTES] + zlib.crc32(slot[:-_CRC_BYTES]).to_bytes(_CRC_BYTES, "big")
