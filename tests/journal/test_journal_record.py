"""Framing laws: what is written is what is read, and every byte and every order is under the head."""

from hashlib import sha256

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journal import (
    Chain,
    Frame,
    Record,
    compute_head,
    decode_record,
    encode_record,
    genesis_head,
    leaf_hash,
    leaf_hashes,
)
from journal.record import HEADER, pack_framing

SCHEMA = bytes(range(32))
GENESIS = genesis_head(b"laws")

records = st.builds(
    Record,
    seq=st.integers(1, 2**64 - 1),
    time_ns=st.integers(0, 2**63 - 1),
    command=st.binary(max_size=300),
    events=st.binary(max_size=300),
)


def numbered(pairs: list[tuple[bytes, bytes]], first: int = 1) -> list[Record]:
    return [Record(first + i, 10**18 + i, command, events) for i, (command, events) in enumerate(pairs)]


bodies = st.lists(st.tuples(st.binary(max_size=70), st.binary(max_size=70)), min_size=1, max_size=20)


@settings(deadline=None)
@given(records)
def test_a_record_survives_its_encoding(record: Record) -> None:
    assert decode_record(encode_record(record)) == record


@settings(deadline=None)
@given(records)
def test_a_record_has_one_encoding(record: Record) -> None:
    data = encode_record(record)
    assert encode_record(decode_record(data)) == data
    assert leaf_hash(data) == sha256(b"\x00" + data).digest() == leaf_hashes([data])[0]


@settings(deadline=None)
@given(bodies)
def test_a_frame_holds_its_records_in_one_decodable_array(pairs: list[tuple[bytes, bytes]]) -> None:
    expected = numbered(pairs)
    data = [encode_record(record) for record in expected]
    frame = Chain(GENESIS, 1, SCHEMA).frame(data, 5)
    assert frame.records() == expected
    assert frame.raw_records() == data
    assert frame.leaves() == leaf_hashes(data)
    assert frame.body == pack_framing(len(data)) + b"".join(data)
    assert (frame.frame_no, frame.first_seq, frame.last_seq, frame.n) == (1, 1, len(data), len(data))


@settings(deadline=None)
@given(bodies, st.integers(0, 10**19))
def test_the_head_is_the_hash_written_down_in_the_specification(pairs: list[tuple[bytes, bytes]], wall: int) -> None:
    frame = Chain(GENESIS, 3, SCHEMA).frame([encode_record(r) for r in numbered(pairs)], wall)
    header = b"".join(
        [
            (1).to_bytes(8, "big"),
            (1).to_bytes(8, "big"),
            len(pairs).to_bytes(8, "big"),
            (3).to_bytes(8, "big"),
            len(pairs).to_bytes(4, "big"),
            SCHEMA,
            wall.to_bytes(8, "big"),
        ]
    )
    assert len(header) == HEADER.size
    assert frame.head == sha256(sha256(b"laws").digest() + header + frame.body).digest()
    assert frame.head == compute_head(GENESIS.hash, frame)


@settings(deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=8))
def test_frames_follow_each_other_without_a_gap(sizes: list[int]) -> None:
    chain, at, head = Chain(GENESIS, 1, SCHEMA), 1, GENESIS.hash
    for number, n in enumerate(sizes, 1):
        frame = chain.frame([encode_record(r) for r in numbered([(b"", b"")] * n, at)], 0)
        assert (frame.frame_no, frame.first_seq, frame.last_seq) == (number, at, at + n - 1)
        assert frame.head == compute_head(head, frame)
        assert chain.head == frame.position()
        at, head = at + n, frame.head


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=9).filter(lambda seqs: seqs != list(range(1, len(seqs) + 1))))
def test_a_frame_refuses_records_that_do_not_continue_the_sequence(seqs: list[int]) -> None:
    data = [encode_record(Record(seq, 1, b"", b"")) for seq in seqs]
    with pytest.raises(AssertionError):
        Chain(GENESIS, 1, SCHEMA).frame(data, 0)


def test_a_frame_is_never_empty() -> None:
    with pytest.raises(AssertionError):
        Chain(GENESIS, 1, SCHEMA).frame([], 0)


def test_a_frame_refuses_what_is_not_a_record() -> None:
    with pytest.raises(msgspec.MsgspecError):
        Chain(GENESIS, 1, SCHEMA).frame([b"\xc1"], 0)


def test_an_epoch_never_goes_back() -> None:
    with pytest.raises(AssertionError):
        Chain(Frame(1, 1, 1, 7, 1, SCHEMA, 0, b"", b"", bytes(32)).position(), 6, SCHEMA)


def test_leaves_handed_in_are_those_it_would_compute() -> None:
    data = [encode_record(r) for r in numbered([(b"a", b"b"), (b"c", b"d")])]
    assert Chain(GENESIS, 1, SCHEMA).frame(data, 9, leaf_hashes(data)) == Chain(GENESIS, 1, SCHEMA).frame(data, 9)
