# pragma version 0.4.3
"""
@title Inclusion in an RFC 6962 tree
@license Apache-2.0
@notice Checks that a leaf hash stands at an index of the tree of a given size under a given root.
@dev SHA-256, as the journal hashes; leaves are hashed over a zero byte and nodes over a one byte. Index and size
     alone decide the shape of the path, so under one root there is one leaf hash for an index, whatever the caller
     claims: an interior node cannot pass for a leaf, nor a leaf for a node. Written a second time in journal/merkle.py.
@custom:kill Stateless; nothing to disable.
"""

MAX_DEPTH: constant(uint256) = 64


@internal
@view
def holds(leaf: bytes32, index: uint256, size: uint256, proof: DynArray[bytes32, MAX_DEPTH], root: bytes32) -> bool:
    """
    @notice Whether `proof`, the siblings from the leaf upwards, leads from `leaf` at `index` to `root`.
    @param index From zero; less than `size`, or the answer is no.
    """
    if index >= size:
        return False
    node: bytes32 = leaf
    at: uint256 = index
    last: uint256 = unsafe_sub(size, 1)
    for sibling: bytes32 in proof:
        if last == 0:
            return False
        if at & 1 == 1 or at == last:
            node = sha256(concat(b"\x01", sibling, node))
            # A right edge without siblings of its own: climb to where there is one.
            for _: uint256 in range(256):
                if at & 1 == 1 or at == 0:
                    break
                at >>= 1
                last >>= 1
        else:
            node = sha256(concat(b"\x01", node, sibling))
        at >>= 1
        last >>= 1
    return last == 0 and node == root
