"""The tree over a journal: its root at a size, and proofs out of one pass over the leaves in constant memory.

Imports the journal.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from journal.merkle import Tree, consistency_ranges, inclusion_ranges, roots_of
from replay.findings import CannotRun
from replay.frames import Progress, whole_frames
from replay.source import open_source


class Head(NamedTuple):
    """A size and the root there."""

    size: int
    root: bytes


def head_of(path: Path, size: int | None = None, progress: Progress | None = None) -> Head:
    """The root over the first ``size`` records, or over all. Raises CannotRun when there are fewer, Diverged."""
    tree = Tree()
    tree.extend(_first(path, size, progress))
    if size is not None and tree.size < size:
        raise _short(path, tree.size, size)
    return Head(tree.size, tree.root())


def inclusion_proofs(path: Path, indices: Sequence[int], size: int) -> list[list[bytes]]:
    """For each leaf, from 0, the hashes up to the root over ``size`` records. Raises CannotRun, Diverged."""
    ranges = [inclusion_ranges(index, size) for index in indices]
    roots = _roots(path, [span for each in ranges for span in each], size)
    return [[roots[span] for span in each] for each in ranges]


def consistency_proof(path: Path, old: int, new: int) -> list[bytes]:
    """What shows that the tree of ``new`` records goes on from that of ``old``. Raises CannotRun, Diverged."""
    if not 0 < old <= new:
        raise CannotRun(f"a tree of {new} records does not go on from one of {old}")
    ranges = consistency_ranges(old, new)
    roots = _roots(path, ranges, new)
    return [roots[span] for span in ranges]


def _roots(path: Path, ranges: list[tuple[int, int]], size: int) -> dict[tuple[int, int], bytes]:
    try:
        return roots_of(_first(path, size, None), ranges)
    except IndexError as error:
        raise _short(path, max(open_source(path).last_seq, 0), size) from error


def _first(path: Path, size: int | None, progress: Progress | None) -> Iterator[bytes]:
    return islice(_all(path, progress), size)


def _all(path: Path, progress: Progress | None) -> Iterator[bytes]:
    for frame in whole_frames(path):
        yield from frame.leaves()
        if progress is not None:
            progress(frame.last_seq)


def _short(path: Path, has: int, wanted: int) -> CannotRun:
    return CannotRun(f"{path} has {has} records, not {wanted}")
