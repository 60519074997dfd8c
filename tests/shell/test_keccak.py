"""Two implementations of keccak-256 say the same, wherever the padding changes."""

import pytest
from eth_hash.auto import keccak as other
from hypothesis import given
from hypothesis import strategies as st
from tiny_keccak import keccak256

RATE = 136  # bytes absorbed at a time


@pytest.mark.parametrize("length", sorted({0, 1, 31, 32, 66, *(n * RATE + d for n in range(1, 5) for d in (-1, 0, 1))}))
def test_every_length_around_a_block(length):
    data = bytes(range(256)) * 3
    assert keccak256(data[:length]) == other(data[:length])


@given(st.binary(max_size=2_000))
def test_any_bytes(data):
    assert keccak256(data) == other(data)
