"""Message streams of the neutral oracle that tests/core/conformance/README.md describes, as files.

A message is (kind, side, ioc, quantity, sequence, order, price, reserved); what it may say is checked when a file is
read, so that whoever takes messages need not.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

NEW, CANCEL, MODIFY = 0, 1, 2
BUY, SELL = 0, 1  # sides
MAGIC, VERSION = int.from_bytes(b"MEBW_001", "big"), 1
Message = tuple[int, int, int, int, int, int, int, int]
HEADER, RECORD = struct.Struct("<QII"), struct.Struct("<BBBxIQQqq")
FIELDS = np.dtype(
    {
        "names": ["kind", "side", "ioc", "qty", "seq", "number", "price"],
        "formats": ["u1", "u1", "u1", "<u4", "<u8", "<u8", "<i8"],
        "offsets": [0, 1, 2, 4, 8, 16, 24],
        "itemsize": RECORD.size,
    }
)


class MalformedStream(ValueError):
    """A file that is no stream, or a stream that says something no message may say."""


class Stream:
    """The records of one file, decoded a piece at a time so that a long file is never all in memory as messages."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.count = (len(raw) - HEADER.size) // RECORD.size
        self._check()

    @classmethod
    def read(cls, path: Path) -> Stream:
        """A file, plain or gzip; told apart by its first two bytes, not by its name."""
        raw = path.read_bytes()
        return cls(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)

    def _check(self) -> None:
        if len(self.raw) < HEADER.size:
            raise MalformedStream("shorter than its header")
        magic, version, count = HEADER.unpack_from(self.raw)
        if (magic, version) != (MAGIC, VERSION):
            raise MalformedStream(f"magic {magic:x} version {version}, expected {MAGIC:x} version {VERSION}")
        if len(self.raw) != HEADER.size + count * RECORD.size:
            raise MalformedStream(f"{count} messages announced, {len(self.raw)} bytes found")
        table = self.table()
        wrong = (table["kind"] > MODIFY) | (table["side"] > SELL) | ((table["kind"] != CANCEL) & (table["qty"] == 0))
        if wrong.any():
            raise MalformedStream(f"message {int(wrong.argmax())}: unknown kind or side, or no quantity")

    def table(self) -> np.ndarray[Any, Any]:
        """All records as columns."""
        return np.frombuffer(self.raw, FIELDS, offset=HEADER.size)

    def in_order(self) -> bool:
        """Whether every message has a sequence number of its own, larger than those before."""
        seqs = self.table()["seq"]
        return bool((seqs[1:] > seqs[:-1]).all())

    def pieces(self, size: int, limit: int | None = None) -> Iterator[list[Message]]:
        """Messages, ``size`` at a time; the first ``limit`` of them, or all."""
        view, count = memoryview(self.raw)[HEADER.size :], self.count if limit is None else min(limit, self.count)
        for start in range(0, count, size):
            end = min(start + size, count)
            yield list(RECORD.iter_unpack(view[start * RECORD.size : end * RECORD.size]))


class Taker(Protocol):
    """A book under test: takes messages, leaves lines of the report."""

    lines: list[str]

    def take(self, messages: Iterable[Message]) -> None:
        """Answer each message with lines, in the order of the report text."""


class Report:
    """The report text of one run."""

    def __init__(self, *, in_order: bool) -> None:
        self.in_order = in_order
        self.pieces: list[str] = []
        self.trades = 0

    def keep(self, lines: list[str]) -> None:
        """Take lines over from a desk."""
        self.trades += sum(line[0] == "1" for line in lines)
        self.pieces.append("\n".join(lines))
        lines.clear()

    def sha256(self) -> str:
        """Of the lines by sequence and kind. A desk writes them so, if the messages came in the order of sequence."""
        text = "\n".join(piece for piece in self.pieces if piece)
        if not self.in_order:
            text = "\n".join(sorted(text.split("\n"), key=_place))
        return hashlib.sha256(text.encode()).hexdigest()


def _place(line: str) -> tuple[int, str]:
    kind, seq, _ = line.split(",", 2)
    return int(seq), kind
