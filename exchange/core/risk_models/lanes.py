"""Many signed numbers in one integer, so that one multiplication moves them all.

A risk array times a quantity, added to those of the other positions, is one product and one sum of long integers, which
an interpreter does many times faster than forty short ones. A lane holds 128 bits. Values are below 2**63 (prices) and
quantities below 2**63 in sum (a position is a signed 64-bit lane on chain), so no lane ever reaches its neighbour:
|sum of quantity x value| < 2**126. Imports nothing.
"""

from collections.abc import Sequence
from struct import Struct
from typing import Final, TypeAlias

Packed: TypeAlias = int  # lanes of 128 bits, the first lowest

_BYTES: Final = 16
_BITS: Final = 8 * _BYTES
_BIAS: Final = 1 << _BITS - 1  # added to a lane it makes it positive, so that it can be read by itself
VALUE_MAX: Final = 2**63 - 1
LANES_MAX: Final = 255
# For each number of lanes, the bias of all of them, and what keeps only them.
_BIASES: Final = tuple(_BIAS * (((1 << _BITS * count) - 1) // ((1 << _BITS) - 1)) for count in range(LANES_MAX + 1))
_MASKS: Final = tuple((1 << _BITS * count) - 1 for count in range(LANES_MAX + 1))
_LAYOUTS: Final = tuple(Struct("<" + "Q8x" * count) for count in range(LANES_MAX + 1))  # a value, and room above it
_PLACES: Final = tuple(range(0, _BYTES * LANES_MAX, _BYTES))


def pack(values: Sequence[int]) -> Packed:
    """Values 0 <= value <= ``VALUE_MAX``, as lanes."""
    assert not values or (min(values) >= 0 and max(values) <= VALUE_MAX)
    return int.from_bytes(_LAYOUTS[len(values)].pack(*values), "little")


def unpack(packed: Packed, count: int) -> list[int]:
    """The signed numbers in the first lanes; each is below 2**127 in size. Lanes beyond them do not matter."""
    raw = ((packed + _BIASES[count]) & _MASKS[count]).to_bytes(_BYTES * count, "little")
    return [int.from_bytes(raw[at : at + _BYTES], "little") - _BIAS for at in _PLACES[:count]]


def first(packed: Packed) -> int:
    """The signed number in the first lane."""
    value = packed & _MASKS[1]
    return value - (1 << _BITS) if value >= _BIAS else value
