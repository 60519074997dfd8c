# pragma version 0.4.3
"""
@title Inclusion of several leaves in an RFC 6962 tree
@license Apache-2.0
@notice The root that some leaves of a tree have, with the fewest other nodes that make it.
@dev Hashes as in `merkle`. A tree is walked level by level: neighbours are joined, a node without a neighbour among
     those known is joined with the next one of the proof, and a last node without any goes up as it is, which is how
     RFC 6962 splits. Index and size alone decide who meets whom, so under one root there is one leaf for an index.
     Written a second time in exchange/core/risk_models/arrays.py.
@custom:kill Stateless; nothing to disable.
"""

from lib import fail

MAX_LEAVES: constant(uint256) = 128
MAX_PROOF: constant(uint256) = 512
MAX_LEVELS: constant(uint256) = 32


@internal
@view
def root_of(
    leaves: DynArray[bytes32, MAX_LEAVES],
    indexes: DynArray[uint256, MAX_LEAVES],
    size: uint256,
    proof: DynArray[bytes32, MAX_PROOF],
) -> bytes32:
    """
    @notice Root of a tree of `size` leaves that has these at these places; refuses a proof that is longer or shorter.
    @param indexes Strictly ascending and below `size`, or refused; one for each leaf, of which there is at least one.
    @param proof Of each level, from the leaves upwards, the neighbours that are missing, from the left.
    """
    nodes: DynArray[bytes32, MAX_LEAVES] = leaves
    places: DynArray[uint256, MAX_LEAVES] = indexes
    known: uint256 = len(leaves)
    width: uint256 = size
    used: uint256 = 0
    if known == 0 or known != len(indexes) or indexes[known - 1] >= size:
        fail.because("proof_wrong")
    for _: uint256 in range(MAX_LEVELS):
        if width == 1:
            break
        kept: uint256 = 0
        at: uint256 = 0
        for _node: uint256 in range(MAX_LEAVES):
            if at >= known:
                break
            place: uint256 = places[at]
            node: bytes32 = nodes[at]
            at = unsafe_add(at, 1)
            if place & 1 == 1:
                if used >= len(proof):
                    fail.because("proof_wrong")
                node = sha256(concat(b"\x01", proof[used], node))
                used = unsafe_add(used, 1)
            elif at < known and places[at] == unsafe_add(place, 1):
                node = sha256(concat(b"\x01", node, nodes[at]))
                at = unsafe_add(at, 1)
            elif unsafe_add(place, 1) < width:
                if used >= len(proof):
                    fail.because("proof_wrong")
                node = sha256(concat(b"\x01", node, proof[used]))
                used = unsafe_add(used, 1)
            places[kept] = place >> 1
            nodes[kept] = node
            kept = unsafe_add(kept, 1)
        known = kept
        width = unsafe_add(width, 1) >> 1
    # Only neighbours in ascending order are joined. A place named twice, or out of order, would leave a second node up
    # here that nobody has compared with anything.
    if width != 1 or known != 1 or used != len(proof):
        fail.because("proof_wrong")
    return nodes[0]
