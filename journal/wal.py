"""A reader of SQLite's write-ahead log, for what SQLite does not tell: is its end torn, or is it rotten?

Owns the format of `-wal` files; standard library and msgspec only. SQLite stops at the first frame whose
checksum fails and drops what follows without a word, be that the torn end of an unfinished commit or
acknowledged commits behind one flipped bit. With one commit in flight at most one commit is unsynced, so
two commit frames of the current generation at or behind the break mean that synced data has changed.
"""

import struct
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

_HEADER: Final = struct.Struct(">8I")
_FRAME: Final = struct.Struct(">6I")
_MAGIC: Final = 0x377F0682
_CHECKED_HEADER_BYTES: Final = 24
_CHECKED_FRAME_BYTES: Final = 8
_MASK: Final = 0xFFFFFFFF
_PAGE_SIZES: Final = frozenset(1 << power for power in range(9, 17))
_USUAL_PAGE_SIZE: Final = 4096
_COMMITS_OF_ROT: Final = 2


class WalState(StrEnum):
    """What a write-ahead log looks like. Only rot is not the work of a crash."""

    EMPTY = "empty"
    CLEAN = "clean"
    TORN = "torn"
    ROTTEN = "rotten"


class WalScan(msgspec.Struct, frozen=True):
    """The state of a log; the commits SQLite will see; those it will not; and the byte at which it stops."""

    state: WalState
    commits: int
    hidden: int
    offset: int


def wal_path(journal: Path) -> Path:
    """Where SQLite keeps the write-ahead log of `journal`."""
    return journal.with_name(journal.name + "-wal")


def scan_wal(journal: Path) -> WalScan:
    """Read the log of `journal`, which no writer has open, page by page.

    A log that does not exist is empty.
    """
    try:
        with wal_path(journal).open("rb") as file:
            return _scan(file, journal)
    except FileNotFoundError:
        return WalScan(WalState.EMPTY, 0, 0, 0)


def _scan(file: BinaryIO, journal: Path) -> WalScan:
    head = file.read(_HEADER.size)
    if len(head) < _HEADER.size:
        return WalScan(WalState.TORN if head else WalState.EMPTY, 0, 0, 0)
    magic, _, page_size, _, salt1, salt2, *sums = _HEADER.unpack(head)
    order = ">" if magic & 1 else "<"
    sound = magic | 1 == _MAGIC | 1 and page_size in _PAGE_SIZES
    if not sound or _checksum(head[:_CHECKED_HEADER_BYTES], order, (0, 0)) != tuple(sums):
        return _scan_headless(file, journal)
    return _scan_frames(file, page_size, (salt1, salt2), order, (sums[0], sums[1]))


def _scan_frames(file: BinaryIO, page_size: int, salts: tuple[int, int], order: str, sums: tuple[int, int]) -> WalScan:
    """Follow the checksums as SQLite does, then count what lies behind the place where they end."""
    commits, since_commit, offset = 0, 0, _HEADER.size
    size = _FRAME.size + page_size
    while len(data := file.read(size)) == size:
        _, pages, *rest = _FRAME.unpack_from(data)
        checked = data[:_CHECKED_FRAME_BYTES] + data[_FRAME.size :]
        sums_here = _checksum(checked, order, sums) if (rest[0], rest[1]) == salts else None
        if sums_here != (rest[2], rest[3]):
            break
        sums, offset = (rest[2], rest[3]), offset + size
        commits, since_commit = (commits + 1, 0) if pages else (commits, since_commit + 1)
    behind = 0
    hidden = 0
    while len(data) >= _FRAME.size:
        _, pages, *rest = _FRAME.unpack_from(data)
        current = (rest[0], rest[1]) == salts
        behind += current
        hidden += current and pages != 0 and len(data) == size
        data = file.read(size)
    state = WalState.TORN if behind or since_commit else WalState.CLEAN
    return WalScan(WalState.ROTTEN if hidden >= _COMMITS_OF_ROT else state, commits, hidden, offset)


def _scan_headless(file: BinaryIO, journal: Path) -> WalScan:
    """The log's own header is wrong, so SQLite will see none of it: does the database lack anything it held?

    SQLite writes a new header over the old one only when all that the log holds is in the database. A writer
    killed in that instant leaves commits behind a broken header that nobody misses; rot leaves ones that are.
    """
    size = _FRAME.size + _USUAL_PAGE_SIZE
    commits = 0
    pending: dict[int, bytes] = {}
    committed: dict[int, bytes] = {}
    generation = None
    while len(data := file.read(size)) == size:
        number, pages, salt1, salt2, _, _ = _FRAME.unpack_from(data)
        generation = generation or (salt1, salt2)
        if (salt1, salt2) != generation:
            break
        pending[number] = sha256(data[_FRAME.size :]).digest()
        if pages:
            commits += 1
            committed |= pending
    return WalScan(WalState.TORN if _holds(journal, committed) else WalState.ROTTEN, 0, commits, 0)


def _holds(journal: Path, pages: dict[int, bytes]) -> bool:
    """Whether the database itself has each of these pages, given as hashes by number, with this content."""
    with journal.open("rb") as file:
        for number, digest in pages.items():
            file.seek((number - 1) * _USUAL_PAGE_SIZE)
            if sha256(file.read(_USUAL_PAGE_SIZE)).digest() != digest:
                return False
    return True


def _checksum(data: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    """SQLite's running checksum over pairs of 32-bit words."""
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    first, second = sums
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & _MASK
        second = (second + odd + first) & _MASK
    return first, second
