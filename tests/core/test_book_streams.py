"""The production book on plain messages, as `python -m benchmarks.book` runs it: the streams of the neutral oracle.

``test_conformance`` drives the whole machine over the same streams; here only the book and its walk are at work.
"""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import book
from benchmarks.book_peer import Peer
from benchmarks.desk import Desk, DuplicateOrder
from benchmarks.streams import HEADER, MAGIC, RECORD, MalformedStream, Report, Stream

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).parent / "conformance"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())


def stream_of(*messages: tuple[int, ...]) -> bytes:
    """Messages as kind, side, ioc, quantity, sequence, order, price."""
    return HEADER.pack(MAGIC, 1, len(messages)) + b"".join(RECORD.pack(*message, 0) for message in messages)


def told(*messages: tuple[int, ...]) -> list[str]:
    desk = Desk()
    desk.take((*message, 0) for message in messages)  # type: ignore[misc]
    return desk.lines


@pytest.mark.parametrize("name", EXPECTED)
def test_the_book_reports_what_160_other_engines_report(name: str) -> None:
    stream = Stream.read(FOLDER / f"{name}.bin.gz")
    report = book.replay(Desk(), stream).report
    assert (stream.count, report.trades) == (EXPECTED[name]["messages"], EXPECTED[name]["trades"])
    assert report.sha256() == EXPECTED[name]["sha256"]


def test_the_peer_from_pypi_reports_the_same() -> None:
    stream = Stream.read(FOLDER / "flash-crash_s11.bin.gz")
    report = book.replay(Peer(), stream, 5_000).report
    assert report.trades > 100
    assert report.sha256() == book.replay(Desk(), stream, 5_000).report.sha256()


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_the_command_reads_files_of_either_kind_and_prints_the_verdict(tmp_path: Path, packed: bool) -> None:
    name = "static_s5"
    whole = (FOLDER / f"{name}.bin.gz").read_bytes()
    path = tmp_path / "stream"
    path.write_bytes(whole if packed else gzip.decompress(whole))
    arguments = [str(path), "--repeats", "1", "--peer", "2000"]
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.book", *arguments, *(["--json"] if packed else [])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert EXPECTED[name]["sha256"] in told
    if packed:
        found: dict[str, Any] = json.loads(told)["files"][0]
        assert found["messages"] == EXPECTED[name]["messages"]
        assert found["messages_per_s"] >= found["messages_per_s_median"] > 0
        assert found["messages_per_processor_s"] > 0
        assert 0 < found["p50_ns"] <= found["p99_ns"] <= found["p999_ns"]
        assert found["peer"]["agrees"] is True


def test_lines_come_in_the_order_of_the_report() -> None:
    """A modify that trades and is not filled: its trades come first, for the report is sorted by kind."""
    lines = told((0, 1, 0, 5, 1, 7, 100), (0, 0, 0, 5, 2, 8, 90), (2, 0, 1, 9, 3, 8, 100), (1, 0, 0, 0, 4, 8, 0))
    assert lines == ["0,1,1,7,100,5", "0,2,0,8,90,5", "1,3,100,5,7,8", "2,3,0,8,100", "3,3,0,8,100,9", "4,4,8"]


def test_messages_out_of_sequence_are_reported_in_sequence() -> None:
    stream = Stream(stream_of((0, 0, 0, 5, 9, 1, 100), (0, 1, 0, 5, 3, 2, 100), (1, 0, 0, 0, 3, 1, 0)))
    report = book.replay(Desk(), stream).report
    straight = Report(in_order=True)
    straight.keep(["0,3,1,2,100,5", "1,3,100,5,1,2", "4,3,1", "0,9,0,1,100,5"])
    assert report.sha256() == straight.sha256()


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (b"", "header"),
        (HEADER.pack(MAGIC, 2, 0), "version 2"),
        (HEADER.pack(1, 1, 0), "magic 1"),
        (stream_of((0, 0, 0, 5, 1, 1, 100))[:-1], "bytes found"),
        (stream_of((0, 0, 0, 5, 1, 1, 100), (3, 0, 0, 5, 2, 2, 100)), "message 1"),
        (stream_of((0, 2, 0, 5, 1, 1, 100)), "message 0"),
        (stream_of((2, 0, 0, 0, 1, 1, 100)), "message 0"),
    ],
    ids=["empty", "version", "magic", "cut short", "kind", "side", "no quantity"],
)
def test_a_file_that_is_no_stream_is_refused(raw: bytes, complaint: str) -> None:
    with pytest.raises(MalformedStream, match=complaint):
        Stream(raw)


def test_an_id_that_still_rests_is_not_taken_twice() -> None:
    with pytest.raises(DuplicateOrder, match="order 1 still rests"):
        told((0, 0, 0, 5, 1, 1, 100), (0, 0, 0, 5, 2, 1, 101))
