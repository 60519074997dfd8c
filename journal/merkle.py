"""The RFC 6962 tree over record leaf hashes, so that one record can be proved to a stranger by a few hashes.

Owns the incremental tree, proofs of inclusion and of consistency, and their verification. Pure; standard library
only. Leaves are the hashes of `journal.record.leaf_hash`; the root over the first n is what a settlement batch anchors.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import TypeAlias


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


Range: TypeAlias = tuple[int, int]
"""Leaves from the first number up to, not including, the second."""


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Whose roots prove leaf `index` in a tree of `size`: siblings from the leaf up. Raises `IndexError` outside."""
    if not 0 <= index < size:
        raise IndexError(f"leaf {index} of {size}")
    ranges: list[Range] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low = middle
    return ranges[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """Whose roots prove that a tree of `new` leaves goes on from its first `old` (RFC 6962, 2.1.2).

    Raises `IndexError` unless `0 < old <= new`.
    """
    if not 0 < old <= new:
        raise IndexError(f"a tree of {new} leaves does not go on from {old}")
    ranges: list[Range] = []
    low, high, whole = 0, new, True
    while old != high - low:
        middle = low + _split(high - low)
        if old <= middle - low:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            old, low, whole = old - (middle - low), middle, False
    return [*([] if whole else [(low, high)]), *ranges[::-1]]


def roots_of(leaves: Iterable[bytes], wanted: Iterable[Range]) -> dict[Range, bytes]:
    """The roots of ranges, in one pass over all leaves and the memory of the trees under way."""
    waiting = sorted(dict.fromkeys(wanted))[::-1]
    growing: list[tuple[Range, Tree]] = []
    found: dict[Range, bytes] = {}
    for at, leaf in enumerate(leaves):
        while waiting and waiting[-1][0] == at:
            growing.append((waiting.pop(), Tree()))
        for _, tree in growing:
            tree.append(leaf)
        if any(high == at + 1 for (_, high), _ in growing):
            found |= {(low, high): tree.root() for (low, high), tree in growing if high == at + 1}
            growing = [each for each in growing if each[0][1] > at + 1]
    if waiting or growing:
        raise IndexError("the leaves end before a range does")
    return found


def prove_inclusion(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The sibling hashes from leaf `index` up to the root of `leaves`. Raises `IndexError` outside."""
    return [root_of(leaves[low:high]) for low, high in inclusion_ranges(index, len(leaves))]


def prove_consistency(leaves: Sequence[bytes], old: int) -> list[bytes]:
    """The hashes that show that the tree over `leaves` goes on from its first `old`. Raises `IndexError`."""
    return [root_of(leaves[low:high]) for low, high in consistency_ranges(old, len(leaves))]


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


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether `proof` shows that the tree of `new` leaves goes on from that of `old` (RFC 9162, 2.1.4.2)."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    first, last = old - 1, new - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    before = after = path[0]
    for node in path[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            before, after = node_hash(node, before), node_hash(node, after)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            after = node_hash(after, node)
        first, last = first >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << (size - 1).bit_length() - 1
