# pragma version 0.4.3
"""
@title Four 64-bit lanes in a word
@license Apache-2.0
@notice Positions, strikes and marks of four neighbouring series share a storage slot; lane 0 is the lowest.
@dev `convert(uint256, int256)` is range-checked in Vyper and would revert on a negative lane, so the sign is
     extended by shifting through bytes32.
@custom:kill Stateless; nothing to disable.
"""

from lib import refusals


MASK_64: constant(uint256) = 2**64 - 1


@internal
@pure
def signed(word: uint256) -> int256:
    """
    @notice Lowest lane of `word` as a signed number.
    """
    return convert(convert(word << 192, bytes32), int256) >> 192


@internal
@view
def add(word: uint256, lane: uint256, delta: int256) -> uint256:
    """
    @notice `word` with `delta` added to one signed lane; refuses to leave the 64-bit range.
    @param delta Less than 2**64 in size.
    """
    return self.add_at(word, lane << 6, delta)


@internal
@view
def add_at(word: uint256, offset: uint256, delta: int256) -> uint256:
    """
    @notice As `add`, with the lane given by its lowest bit.
    """
    total: int256 = unsafe_add(convert(convert((word >> offset) << 192, bytes32), int256) >> 192, delta)
    if not (total >= -(2**63) and total < 2**63):
        refusals.because(refusals.POSITION_RANGE)
    raw: uint256 = convert(convert(total, bytes32), uint256) & MASK_64
    return (word & ~(MASK_64 << offset)) | (raw << offset)
