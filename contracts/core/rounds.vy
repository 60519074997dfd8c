# pragma version 0.4.3
"""
@title Rounds
@license Apache-2.0
@notice Reads a named round from the oracle and checks price sheets in calldata against its root.
@custom:kill None: an oracle that stops makes every round stale, and stale rounds are refused.
"""

from lib import refusals


MAX_HASH_BYTES: constant(uint256) = 32 * 64
MAX_SHEET_BYTES: constant(uint256) = 32 * 512
MAX_GROUPS: constant(uint256) = 64
# For whoever shows no sheets: a time after every expiry, so that what is fixed is a claim.
NO_ROUND: constant(uint256) = (2**64 - 1) << 128

interface Oracle:
    def last_round() -> (uint256, uint256): view
    def round_of(round_id: uint256) -> (uint256, uint256, bytes32): view
    def settlement_price(underlying: uint256, expiry: uint256) -> uint256: view

ORACLE: immutable(address)
MAX_ROUND_AGE: immutable(uint256)
EXIT_ROUND_AGE: immutable(uint256)


@deploy
def __init__(oracle: address, max_round_age: uint256, exit_round_age: uint256):
    """
    @param max_round_age Seconds after which a round is too old to check a margin against.
    @param exit_round_age Seconds for which collateral may leave by a round that is no longer the newest.
    """
    ORACLE = oracle
    MAX_ROUND_AGE = max_round_age
    EXIT_ROUND_AGE = exit_round_age


@internal
@view
def settlement_price(underlying: uint256, expiry: uint256) -> uint256:
    """
    @notice The oracle's fixing of an expiry; reverts while it is unknown.
    """
    return staticcall Oracle(ORACLE).settlement_price(underlying, expiry)


@internal
@view
def check_recent(round_id: uint256):
    """
    @notice Refuse a round by which no collateral may leave: neither the newest nor of the last moments. A rule of
            the newest alone would let whoever posts rounds keep an exit from ever being judged in time.
    """
    newest: uint256 = 0
    _time: uint256 = 0
    newest, _time = staticcall Oracle(ORACLE).last_round()
    if round_id != newest:
        time: uint256 = 0
        _stable: uint256 = 0
        _root: bytes32 = empty(bytes32)
        time, _stable, _root = staticcall Oracle(ORACLE).round_of(round_id)
        if time + EXIT_ROUND_AGE < block.timestamp:
            refusals.because(refusals.ROUND_NOT_NEWEST)


@internal
@view
def checked(round_id: uint256, hashes: Bytes[MAX_HASH_BYTES], sheets: Bytes[MAX_SHEET_BYTES]) -> uint256:
    """
    @notice A fresh round whose root covers `sheets`: its time in seconds above 128 bits of stable price in 1e-18.
    @param hashes All sheet hashes of the round, concatenated.
    @param sheets Some sheets of the round, concatenated, in the round's order.
    """
    time: uint256 = 0
    stable: uint256 = 0
    root: bytes32 = empty(bytes32)
    time, stable, root = staticcall Oracle(ORACLE).round_of(round_id)
    if time + MAX_ROUND_AGE < block.timestamp:
        refusals.because(refusals.ROUND_STALE)
    if keccak256(hashes) != root:
        refusals.because(refusals.SHEET_ROOT)
    offset: uint256 = 0
    hash_at: uint256 = 0
    for _: uint256 in range(64):
        if offset == len(sheets):
            break
        if offset + 64 > len(sheets):
            refusals.because(refusals.SHEET_FORMAT)
        head: uint256 = extract32(sheets, offset, output_type=uint256)
        groups: uint256 = (head >> 160) & (2**32 - 1)
        size: uint256 = 64 + 32 * groups
        if head >> 240 != 0 or groups > MAX_GROUPS or offset + size > len(sheets):
            refusals.because(refusals.SHEET_FORMAT)
        sheet_hash: bytes32 = keccak256(slice(sheets, offset, size))
        for _tried: uint256 in range(64):
            if hash_at >= len(hashes):
                refusals.because(refusals.SHEET_UNKNOWN)
            hash_at += 32
            if extract32(hashes, hash_at - 32) == sheet_hash:
                break
        offset += size
    if offset != len(sheets):
        refusals.because(refusals.SHEET_FORMAT)
    return (time << 128) | stable
