# pragma version 0.4.3
"""
@title Many questions to Portfolio at once
@license Apache-2.0
@notice For tests: arrays are shown once and asked for often, as a batch does.
"""

from lib import multiproof

MAX_WORDS: constant(uint256) = 448

interface Portfolio:
    def of_positions(words: DynArray[uint256, MAX_WORDS], round: uint256, initial: bool) -> uint256: view


@external
@view
def ask(portfolio: address, asked: DynArray[DynArray[uint256, 80], 64], round: uint256) -> bytes32:
    """
    @notice Hash of all answers, maintenance and initial of each, one after another.
    """
    hashed: bytes32 = empty(bytes32)
    for words: DynArray[uint256, 80] in asked:
        for initial: bool in [False, True]:
            answer: uint256 = staticcall Portfolio(portfolio).of_positions(words, round, initial)
            hashed = keccak256(abi_encode(hashed, answer))
    return hashed


@external
@view
def one(portfolio: address, words: DynArray[uint256, MAX_WORDS], round: uint256, initial: bool) -> uint256:
    """
    @notice One answer, of positions as many as there may be.
    """
    return staticcall Portfolio(portfolio).of_positions(words, round, initial)


@external
def twice(portfolio: address, first: Bytes[8192], second: Bytes[8192]):
    """
    @notice Two showings in one transaction.
    """
    raw_call(portfolio, first)
    raw_call(portfolio, second)


@external
@view
def root_of(
    leaves: DynArray[bytes32, multiproof.MAX_LEAVES],
    indexes: DynArray[uint256, multiproof.MAX_LEAVES],
    size: uint256,
    proof: DynArray[bytes32, multiproof.MAX_PROOF],
) -> bytes32:
    """
    @notice What the library makes of a proof.
    """
    return multiproof.root_of(leaves, indexes, size, proof)
