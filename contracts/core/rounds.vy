# pragma version 0.4.3
"""
@title Rounds
@license Apache-2.0
@notice Reads a named round from the oracle and checks price sheets in calldata against its root.
@custom:kill None: an oracle that stops makes every round stale, and stale rounds are refused.
"""

from lib import fail

MAX_HASH_BYTES: constant(uint256) = 32 * 64
MAX_SHEET_BYTES: constant(uint256) = 32 * 512
MAX_GROUPS: constant(uint256) = 64

interface Oracle:
    def round_of(round_id: uint256) -> (uint256, uint256, bytes32): view
    def settlement_price(underlying: uint256, expiry: uint256) -> uint256: view

ORACLE: immutable(address)
MAX_ROUND_AGE: immutable(uint256)


@deploy
def __init__(oracle: address, max_round_age: uint256):
    """
    @param max_round_age Seconds after which a round is too old to check a margin against.
    """
    ORACLE = oracle
    MAX_ROUND_AGE = max_round_age


@internal
@view
def settlement_price(underlying: uint256, expiry: uint256) -> uint256:
    """
    @notice The oracle's fixing of an expiry; reverts while it is unknown.
    """
    return staticcall Oracle(ORACLE).settlement_price(underlying, expiry)


@internal
@view
def stable_of(round_id: uint256, hashes: Bytes[MAX_HASH_BYTES], sheets: Bytes[MAX_SHEET_BYTES]) -> uint256:
    """
    @notice Stable price of a fresh round whose root covers `sheets`, in 1e-18.
    @param hashes All sheet hashes of the round, concatenated.
    @param sheets Some sheets of the round, concatenated, in the round's order.
    """
    time: uint256 = 0
    stable: uint256 = 0
    root: bytes32 = empty(bytes32)
    time, stable, root = staticcall Oracle(ORACLE).round_of(round_id)
    if time + MAX_ROUND_AGE < block.timestamp:
        fail.because("round_stale")
    if keccak256(hashes) != root:
        fail.because("sheet_root")
    offset: uint256 = 0
    hash_at: uint256 = 0
    for _: uint256 in range(64):
        if offset == len(sheets):
            break
        if offset + 64 > len(sheets):
            fail.because("sheet_format")
        head: uint256 = extract32(sheets, offset, output_type=uint256)
        groups: uint256 = (head >> 160) & (2**32 - 1)
        size: uint256 = 64 + 32 * groups
        if head >> 240 != 0 or groups > MAX_GROUPS or offset + size > len(sheets):
            fail.because("sheet_format")
        sheet_hash: bytes32 = keccak256(slice(sheets, offset, size))
        for _tried: uint256 in range(64):
            if hash_at >= len(hashes):
                fail.because("sheet_unknown")
            hash_at += 32
            if extract32(hashes, hash_at - 32) == sheet_hash:
                break
        offset += size
    if offset != len(sheets):
        fail.because("sheet_format")
    return stable
