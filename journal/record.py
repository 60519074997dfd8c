"""Records, frames and the hash chain: bytes to bytes, with no input, output or clock.

Owns the durable shapes. A *record* is one command and what it caused; the records that queued together form a
*frame*, which is one row, one link of the hash chain and one compare-and-set append. May import the standard
library and msgspec only. Anyone holding the frames and the genesis bytes can recompute every head.
"""

import struct
from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Final

import msgspec

Bytes32 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

HEADER: Final = struct.Struct(">QQQQI32sQ")
"""frame_no, first_seq, last_seq, epoch, n, schema_fp, wall_ns; big-endian and of fixed width."""

MARK_BYTES: Final = 4
"""Bytes kept of each leaf hash beside a frame, so that damage can be traced to one record."""

_ARRAY32: Final = struct.Struct(">BI")
_ARRAY32_TAG: Final = 0xDD
_LEAF_PREFIX: Final = b"\x00"


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One command in the order the machine took it, and the events it caused.

    `seq` is dense from 1, `time_ns` is UTC nanoseconds stamped by the sequencer, `command` and `events` are
    the owner's encodings, opaque here.
    """

    seq: int
    time_ns: int
    command: bytes
    events: bytes


class _Numbered(msgspec.Struct, array_like=True, gc=False):
    """The first field of a record: all that the density check of a new frame needs to decode."""

    seq: int


class Head(msgspec.Struct, frozen=True, gc=False):
    """Where the chain stands: the last frame and record, its writer's epoch, the hash that covers it all."""

    frame_no: Count
    last_seq: Count
    epoch: Count
    hash: Bytes32


class Frame(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The unit of everything durable.

    `frame_no` is dense from 1; `first_seq..last_seq` are its records, `n` of them; `epoch` grows with each
    writer; `schema_fp` names the encoding of the records; `wall_ns` is when it was closed, for people only.
    `body` is a msgpack array32 of records. `head` is SHA-256 over the previous head, the header and the body.
    `marks` is outside the head and proves nothing: it locates damage that the head has proved.
    """

    frame_no: Count
    first_seq: Count
    last_seq: Count
    epoch: Count
    n: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
    schema_fp: Bytes32
    wall_ns: Count
    body: bytes
    marks: bytes
    head: Bytes32

    def records(self) -> list[Record]:
        """The records, decoded in one call. Raises `msgspec.MsgspecError` on a body of another make."""
        return _decode_records(self.body)

    def raw_records(self) -> list[bytes]:
        """The bytes of each record as they were hashed."""
        return [bytes(raw) for raw in _decode_raw(self.body)]

    def leaves(self) -> list[bytes]:
        """The RFC 6962 leaf hash of each record, in order."""
        return leaf_hashes(self.raw_records())

    def position(self) -> Head:
        """The head of the chain once this frame is its last."""
        return Head(self.frame_no, self.last_seq, self.epoch, self.head)


_encode_record: Final = msgspec.msgpack.Encoder().encode
_decode_record: Final = msgspec.msgpack.Decoder(Record).decode
_decode_records: Final = msgspec.msgpack.Decoder(list[Record]).decode
_decode_numbers: Final = msgspec.msgpack.Decoder(list[_Numbered]).decode
_decode_raw: Final = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


def encode_record(record: Record) -> bytes:
    """The one encoding of a record; its leaf hash and every head above it depend on these bytes."""
    return _encode_record(record)


def decode_record(data: bytes) -> Record:
    """The record that `encode_record` wrote. Raises `msgspec.MsgspecError` on anything else."""
    return _decode_record(data)


def leaf_hash(record: bytes) -> bytes:
    """RFC 6962 leaf hash of an encoded record: SHA-256 over a zero byte and the record."""
    return sha256(_LEAF_PREFIX + record).digest()


def leaf_hashes(records: Sequence[bytes]) -> list[bytes]:
    """`leaf_hash` of each, without a Python call per record."""
    return [sha256(_LEAF_PREFIX + record).digest() for record in records]


def genesis_head(genesis: bytes) -> Head:
    """The head before the first frame: a hash of whatever the caller says the journal starts from."""
    return Head(0, 0, 0, sha256(genesis).digest())


def compute_head(prev_head: bytes, frame: Frame) -> bytes:
    """The head `frame` must carry if it follows `prev_head`."""
    digest = sha256(prev_head)
    digest.update(pack_header(frame))
    digest.update(frame.body)
    return digest.digest()


def pack_framing(n: int) -> bytes:
    """What stands before the `n` records of a body: the msgpack tag and length of an array32."""
    return _ARRAY32.pack(_ARRAY32_TAG, n)


def pack_header(frame: Frame) -> bytes:
    """The header fields of a frame as they enter its head."""
    return HEADER.pack(
        frame.frame_no, frame.first_seq, frame.last_seq, frame.epoch, frame.n, frame.schema_fp, frame.wall_ns
    )


def row_mark(frame: Frame) -> bytes:
    """The first mark: a check of the row's own columns that leaves out `frame_no`.

    A row moved to another number keeps its mark, so that a moved row and an altered one can be told apart.
    """
    header = pack_header(frame)[8:]
    return sha256(header + frame.head).digest()[:MARK_BYTES]


def record_marks(leaves: Sequence[bytes]) -> bytes:
    """The beginnings of the leaf hashes, joined."""
    return b"".join([leaf[:MARK_BYTES] for leaf in leaves])


class Chain:
    """Builds frames, each following the one before it. Made once per writer, from the head it found."""

    def __init__(self, head: Head, epoch: int, schema_fp: bytes) -> None:
        assert epoch >= head.epoch
        assert len(schema_fp) == len(head.hash) == 32
        self._head = head
        self._epoch = epoch
        self._schema_fp = schema_fp

    @property
    def head(self) -> Head:
        """Where the chain stands after the last frame built here, durable or not."""
        return self._head

    def frame(self, records: Sequence[bytes], wall_ns: int, leaves: Sequence[bytes] | None = None) -> Frame:
        """The next frame over these encoded records, which must continue `seq` without a gap.

        `leaves` may hand in their leaf hashes if the caller has them already. The body is decoded once before
        it is hashed: what we are about to make permanent must at least be readable.
        """
        n, first = len(records), self._head.last_seq + 1
        last = first + n - 1
        body = pack_framing(n) + b"".join(records)
        assert n > 0
        assert [record.seq for record in _decode_numbers(body)] == list(range(first, last + 1))
        bare = Frame(
            self._head.frame_no + 1,
            first,
            last,
            self._epoch,
            n,
            self._schema_fp,
            wall_ns,
            body,
            b"",
            bytes(32),
        )
        hashed = msgspec.structs.replace(bare, head=compute_head(self._head.hash, bare))
        marks = row_mark(hashed) + record_marks(leaf_hashes(records) if leaves is None else leaves)
        frame = msgspec.structs.replace(hashed, marks=marks)
        self._head = frame.position()
        return frame
