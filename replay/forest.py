"""The whole tree over a journal, kept level by level: any root and any proof of a few thousand million records at once.

Sixty-four bytes a record. ``replay.leaves`` needs no memory and a pass over the file instead. Imports the journal.
"""

from typing import Final

from journal.merkle import inclusion_ranges, node_hash

HASH_BYTES: Final = 32


class Forest:
    """Leaf hashes in their order, and over them the hashes of all perfect subtrees."""

    def __init__(self) -> None:
        self._levels: list[bytearray] = [bytearray()]
        self.size = 0

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash at the right edge."""
        self.size += 1
        node, level, count = leaf, 0, self.size
        self._levels[0] += node
        while count & 1 == 0:
            node = node_hash(self._node(level, count - 2), node)
            level, count = level + 1, count >> 1
            if level == len(self._levels):
                self._levels.append(bytearray())
            self._levels[level] += node

    def root(self, size: int) -> bytes:
        """The tree head over the first ``size`` leaves. Raises IndexError for none, or more than there are."""
        if not 0 < size <= self.size:
            raise IndexError(f"{size} of {self.size} leaves")
        return self._root(0, size)

    def leaf(self, index: int) -> bytes:
        """The leaf hash with a number, from 0."""
        return self._node(0, index)

    def proof(self, index: int, size: int) -> list[bytes]:
        """The hashes from leaf ``index`` up to the root over ``size`` leaves. Raises IndexError."""
        if size > self.size:
            raise IndexError(f"{size} of {self.size} leaves")
        return [self._root(low, high) for low, high in inclusion_ranges(index, size)]

    def _root(self, low: int, high: int) -> bytes:
        span = high - low
        level = span.bit_length() - 1
        if span == 1 << level:
            return self._node(level, low >> level)
        middle = low + (1 << level)
        return node_hash(self._root(low, middle), self._root(middle, high))

    def _node(self, level: int, place: int) -> bytes:
        at = place * HASH_BYTES
        return bytes(self._levels[level][at : at + HASH_BYTES])
