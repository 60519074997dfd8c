"""Records, chains and frames for the journal's tests. Deterministic: the same numbers give the same bytes."""

from collections.abc import Callable, Sequence

import pytest

from journal import Chain, Frame, Head, Record, encode_record, genesis_head

GENESIS = b"a journal made by a test"
SCHEMA = bytes(range(32))


@pytest.fixture
def genesis() -> bytes:
    return GENESIS


@pytest.fixture
def schema() -> bytes:
    return SCHEMA


@pytest.fixture
def encoded() -> Callable[[int, int], list[bytes]]:
    """Encoded records `first .. first + n - 1`, of lengths that cross the one- and two-byte forms of msgpack."""

    def make(first: int, n: int) -> list[bytes]:
        return [
            encode_record(Record(seq, 10**18 + seq, b"c%d" % seq, b"e" * (seq * 37 % 300)))
            for seq in range(first, first + n)
        ]

    return make


@pytest.fixture
def frames_of(encoded: Callable[[int, int], list[bytes]]) -> Callable[..., list[Frame]]:
    """Frames of the given sizes, chained from `start` (the genesis by default)."""

    def make(sizes: Sequence[int], start: Head | None = None, epoch: int = 1) -> list[Frame]:
        chain = Chain(start or genesis_head(GENESIS), epoch, SCHEMA)
        return [chain.frame(encoded(chain.head.last_seq + 1, n), 1_000 + n) for n in sizes]

    return make
