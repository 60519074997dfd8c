"""Integers in the widths they have on chain: words of 32 bytes, and four lanes of 64 bits in one.

What does not fit is refused by the name of its field. Imports nothing of the product.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

LANE_MASK = 2**64 - 1


class EncodingError(ValueError):
    """A value that has no place in calldata; `field` names it."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field


def fit(field: str, value: int, bits: int) -> int:
    """`value`, if it is an unsigned integer of `bits` bits. Raises EncodingError otherwise."""
    if value < 0 or value >> bits:
        raise EncodingError(field, f"{value} does not fit {bits} unsigned bits")
    return value


def twos_complement(field: str, value: int) -> int:
    """64 bits of two's complement. Raises EncodingError if `value` needs more."""
    if not -(2**63) <= value < 2**63:
        raise EncodingError(field, f"{value} does not fit 64 signed bits")
    return value & LANE_MASK


def joined(words: Iterable[int]) -> bytes:
    """Words, one after another."""
    return b"".join(word.to_bytes(32, "big") for word in words)


def pack_signed(lanes: Sequence[int]) -> int:
    """A word of four signed 64-bit lanes, lane 0 lowest; missing lanes are 0."""
    word = 0
    for place, lane in enumerate(_four(lanes)):
        word |= twos_complement("position", lane) << 64 * place
    return word


def unpack_signed(word: int) -> tuple[int, int, int, int]:
    """Four signed lanes of a word."""
    first, second, third, fourth = (lane - 2**64 if lane & 1 << 63 else lane for lane in unpack_unsigned(word))
    return first, second, third, fourth


def pack_unsigned(lanes: Sequence[int]) -> int:
    """A word of four unsigned 64-bit lanes, lane 0 lowest; missing lanes are 0."""
    return sum(fit("lane", lane, 64) << 64 * place for place, lane in enumerate(_four(lanes)))


def unpack_unsigned(word: int) -> tuple[int, int, int, int]:
    """Four unsigned lanes of a word."""
    fit("word", word, 256)
    return (word & LANE_MASK, word >> 64 & LANE_MASK, word >> 128 & LANE_MASK, word >> 192)


def _four(lanes: Sequence[int]) -> Sequence[int]:
    if len(lanes) > 4:
        raise EncodingError("lanes", f"{len(lanes)} where a word holds 4")
    return lanes
