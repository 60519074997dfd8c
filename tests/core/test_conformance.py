"""Matching against a neutral oracle: message streams that 160 engines of other people answer byte for byte alike.

The streams and the digests of the expected reports are those of the public matching-engine benchmark named in
``conformance/README.md``. They know new orders, immediate-or-cancel, cancel and modify (cancel and enter anew). The whole
machine is driven here, not a part of it; ``test_book_streams`` drives the book alone.
"""

import gzip
import hashlib
import json
import struct
from pathlib import Path

import pytest
from core_desk import MachineDesk

FOLDER = Path(__file__).parent / "conformance"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())
HEADER, MESSAGE = struct.Struct("<QII"), struct.Struct("<BBBxIQQqq")


def messages(name: str) -> list[tuple[int, ...]]:
    data = gzip.decompress((FOLDER / f"{name}.bin.gz").read_bytes())
    found = list(MESSAGE.iter_unpack(data[HEADER.size :]))
    assert len(found) == HEADER.unpack_from(data)[2] == EXPECTED[name]["messages"]
    return found


@pytest.mark.parametrize("name", EXPECTED)
def test_the_reports_are_those_of_160_other_engines(name: str) -> None:
    desk = MachineDesk()
    desk.take(messages(name))
    desk.venue.check()
    assert sum(line.startswith("1,") for line in desk.lines) == EXPECTED[name]["trades"]
    ordered = sorted(desk.lines, key=lambda line: (int(line.split(",")[1]), line[0]))
    assert hashlib.sha256("\n".join(ordered).encode()).hexdigest() == EXPECTED[name]["sha256"]
