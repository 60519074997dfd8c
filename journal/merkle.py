"""The RFC 6962 tree over record leaf hashes, so that one record can be proved to a stranger by a few hashes.

Owns the incremental tree, inclusion proofs and their verification. Pure; standard library only. Leaves are
the hashes of `journal.record.leaf_hash`; the root over the first n is what a settlement batch anchors.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962 interior node: SHA-256 over a one byte and both children."""
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """The tree of everything appended so far, kept as the roots of its perfect subtrees, largest first.

    Memory is one hash per set bit of `size`. `Tree(tree.size, tree.frontier)` continues one from a snapshot.
    """

    def __init__(self, size: int = 0, frontier: Sequence[bytes] = ()) -> None:
        if len(frontier) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} subtrees, not {len(frontier)}")
        self._size = size
        self._frontier = list(frontier)

    @property
    def size(self) -> int:
        """Leaves appended so far."""
        return self._size

    @property
    def frontier(self) -> tuple[bytes, ...]:
        """The roots of the perfect subtrees, largest first."""
        return tuple(self._frontier)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash at the right edge."""
        node, size = leaf, self._size
        while size & 1:
            node = node_hash(self._frontier.pop(), node)
            size >>= 1
        self._frontier.append(node)
        self._size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes in order."""
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        """The tree head over all leaves; SHA-256 of nothing when there are none."""
        if not self._frontier:
            return sha256(b"").digest()
        node = self._frontier[-1]
        for left in reversed(self._frontier[:-1]):
            node = node_hash(left, node)
        return node


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The tree head over these leaf hashes."""
    tree = Tree()
    tree.extend(leaves)
    return tree.root()


def prove_inclusion(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The sibling hashes from leaf `index` up to the root of `leaves`. Raises `IndexError` outside."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} of {len(leaves)}")
    proof: list[bytes] = []
    low, high = 0, len(leaves)
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            proof.append(root_of(leaves[middle:high]))
            high = middle
        else:
            proof.append(root_of(leaves[low:middle]))
            low = middle
    return proof[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` shows that leaf number `index` of the tree of `size` leaves under `root` is `leaf`."""
    if not 0 <= index < size:
        return False
    node, last = leaf, size - 1
    for sibling in proof:
        if last == 0:
            return False
        if index & 1 or index == last:
            node = node_hash(sibling, node)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and node == root


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << (size - 1).bit_length() - 1
