"""``verbatim-replay receipts``: what is said of each kind of statement, and the exit codes. # M08"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from exchange import codec, signing
from exchange.core.commands import Configure
from exchange.evidence import Collection, Statement, encode_file
from exchange.shell.chain import checksum
from exchange.shell.contract import artifact
from exchange.signing import BatchHeader, Receipt
from journal import Record, encode_record, root_of
from journal.record import leaf_hash
from replay.__main__ import main

OPERATOR = b"\x07" * 32


class Signed(NamedTuple):
    """A journal of an operator whose key is known, and what it would sign."""

    path: Path
    config: Configure
    leaves: list[bytes]
    times: list[int]

    def statement(self, said: Receipt | BatchHeader, key: bytes = OPERATOR) -> Statement:
        content = bytes(32) if isinstance(said, BatchHeader) else b""
        digest = Statement(said, b"", content).digest(self.collection(()).domain())
        return Statement(said, signing.sign(key, digest), content)

    def receipt(self, seq: int, **changes: object) -> Receipt:
        leaf = self.leaves[seq - 1] if seq <= len(self.leaves) else bytes(32)
        fields = {
            "seq": seq,
            "prior_root": root_of(self.leaves[: seq - 1]),
            "record_hash": leaf,
            "time_ns": self.times[min(seq, len(self.times)) - 1],
        }
        return Receipt(**(fields | changes))

    def batch(self, size: int, **changes: object) -> BatchHeader:
        fields = {
            "batch_id": size,
            "round_id": 1,
            "deadline": 1,
            "journal_size": size,
            "journal_root": root_of(self.leaves[:size]),
        }
        return BatchHeader(**(fields | changes))

    def collection(self, said: Sequence[Statement]) -> Collection:
        clearing = checksum(self.config.clearing)
        return Collection(self.config.chain_id, clearing, checksum(self.config.operator), tuple(said))

    def file(self, directory: Path, *said: Statement) -> Path:
        path = directory / "receipts.json"
        path.write_bytes(encode_file(self.collection(said)))
        return path


@pytest.fixture(scope="module")
def signed(sample, make_sample) -> Signed:
    """The sample venue, opened by an operator whose key the tests have."""
    opening = codec.decode_command(sample.records[0].command)
    config = msgspec.structs.replace(opening, operator=signing.address_of(OPERATOR))
    first = sample.records[0]
    records = [Record(1, first.time_ns, codec.encode_command(config), first.events), *sample.records[1:]]
    made = make_sample(records)
    leaves = [leaf_hash(encode_record(record)) for record in records]
    return Signed(made.path, config, leaves, [record.time_ns for record in records])


@pytest.fixture
def told(signed: Signed, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict]]:
    """Exit code and document for a file of these statements."""

    def tell(*said: Statement, flags: Sequence[str] = ()) -> tuple[int, dict]:
        code = main(["receipts", str(signed.path), str(signed.file(tmp_path, *said)), "--json", *flags])
        return code, json.loads(capsys.readouterr().out)

    return tell


def kinds(document: dict) -> list[str]:
    return [finding["kind"] for finding in document["findings"]]


def test_the_truth_is_clean(signed, told):
    last = len(signed.leaves)
    seqs = (1, 2, 30, last)
    said = [signed.statement(signed.receipt(seq)) for seq in seqs]
    said += [signed.statement(signed.batch(size)) for size in (1, 29, last)]
    code, document = told(*said)
    assert (code, document["ok"], document["findings"], document["proofs"]) == (0, True, [], [])
    assert (document["receipts"], document["batches"], document["records"]) == (4, 3, last)


def test_another_record_is_an_omission_as_soon_as_a_later_root_is_known(signed, told):
    forgotten = signed.statement(signed.receipt(20, record_hash=b"\x01" * 32))
    code, document = told(forgotten)
    assert (code, kinds(document), document["proofs"]) == (1, ["record_differs"], [])
    for later in (signed.batch(20), signed.batch(33), signed.receipt(21)):
        code, document = told(forgotten, signed.statement(later), flags=["--reporter", "0x" + "11" * 20])
        assert (code, kinds(document)) == (1, ["record_differs"])
        (proof,) = document["proofs"]
        assert proof["function"] == "prove_omission"
        name, args = artifact("Operators").interface.decode_call(bytes.fromhex(proof["reveal"][2:]))
        assert (name, args["leaf"]) == ("prove_omission", signed.leaves[19])
    code, document = told(forgotten, signed.statement(signed.batch(19)))
    assert (code, document["proofs"]) == (1, [])


def test_two_stories_need_no_journal(signed, told):
    pair = [signed.statement(signed.receipt(20, record_hash=bytes([n]) * 32)) for n in (1, 2)]
    code, document = told(*pair)
    assert (code, kinds(document)) == (1, ["told_twice", "record_differs", "record_differs"])
    assert [proof["function"] for proof in document["proofs"]] == ["prove_equivocation"]
    assert document["proofs"][0]["commit"] == ""  # nobody to announce it for


def test_a_past_or_a_batch_with_another_root(signed, told):
    past = signed.statement(signed.receipt(20, prior_root=b"\x01" * 32))
    batch = signed.statement(signed.batch(40, journal_root=b"\x02" * 32))
    code, document = told(past, batch)
    assert (code, kinds(document), document["proofs"]) == (1, ["root_differs", "root_differs"], [])
    code, document = told(past, signed.statement(signed.batch(19)))
    assert (code, kinds(document)) == (1, ["told_twice", "root_differs"])


def test_a_journal_that_ends_too_early(signed, told):
    beyond = len(signed.leaves) + 2
    code, document = told(signed.statement(signed.receipt(beyond)), signed.statement(signed.batch(beyond)))
    assert (code, kinds(document)) == (1, ["record_missing", "record_missing"])


def test_what_others_signed_binds_nobody(signed, told):
    code, document = told(signed.statement(signed.receipt(20, record_hash=bytes(32)), key=b"\x08" * 32))
    assert (code, kinds(document), document["proofs"]) == (1, ["statement_not_signed"], [])


def test_people_are_told_the_same(signed, tmp_path, capsys):
    pair = [signed.statement(signed.receipt(20, record_hash=bytes([n]) * 32)) for n in (1, 2)]
    path = signed.file(tmp_path, *pair)
    assert main(["receipts", str(signed.path), str(path), "--reporter", "0x" + "11" * 20]) == 1
    text = capsys.readouterr().out
    assert "told_twice" in text
    assert "reveal   0x" in text
    assert "the operator's word and the journal differ, 1 proofs" in text
    path = signed.file(tmp_path, signed.statement(signed.receipt(20)))
    assert main(["receipts", str(signed.path), str(path)]) == 0
    assert "the operator kept its word" in capsys.readouterr().out


def test_what_cannot_be_compared(signed, sample, tmp_path, capsys):
    """No file, no journal, another venue's journal, no address, no chain: no verdict."""
    pair = [signed.statement(signed.receipt(20, record_hash=bytes([n]) * 32)) for n in (1, 2)]
    path = signed.file(tmp_path, *pair)
    none = tmp_path / "none"
    for arguments in (
        [signed.path, none],
        [none, path],
        [signed.path, signed.path],
        [sample.path, path],
        [signed.path, path, "--reporter", "0x12"],
        [signed.path, path, "--chain", none],
    ):
        assert main(["receipts", *map(str, arguments), "--json"]) == 2
        assert json.loads(capsys.readouterr().out)["error"]


def test_a_damaged_journal_is_found_before_anything_is_compared(signed, sample, tmp_path, edit, capsys):
    copied, frame = sample._replace(path=signed.path).copy(tmp_path), sample.frames[4]
    edit(copied, ("DELETE FROM frame WHERE frame_no = ?", (frame.frame_no,)))
    path = signed.file(tmp_path, signed.statement(signed.receipt(20)))
    assert main(["receipts", str(copied), str(path), "--json"]) == 1
    assert [each["kind"] for each in json.loads(capsys.readouterr().out)["findings"]] == ["gap"]
