"""The Merkle root of the journal at each sealed batch: what the batch must have anchored on chain.

Whoever rewrites the journal and hashes it anew cannot rewrite these. Imports codec and journal.
"""

from itertools import islice
from pathlib import Path

from exchange import codec
from exchange.core.events import BatchSealed
from journal.merkle import Tree
from journal.record import Frame, leaf_hash
from replay.frames import whole_frames


class BatchRoots:
    """Frames in, roots out: ``found`` by batch."""

    def __init__(self) -> None:
        self.found: dict[int, bytes] = {}
        self._tree = Tree()

    def take(self, frame: Frame, records: int) -> None:
        """Go on with the first so many records of the next frame."""
        pairs = zip(frame.records(), frame.raw_records(), strict=True)
        for record, raw in islice(pairs, records):
            self._tree.append(leaf_hash(raw))
            for event in codec.decode_events(record.events):
                if type(event) is BatchSealed:
                    self.found[event.batch_id] = self._tree.root()


def batch_roots(path: Path) -> dict[int, bytes]:
    """Root over all records up to and including the one that sealed a batch, by batch. Raises Diverged, CannotRun."""
    roots = BatchRoots()
    for frame in whole_frames(path):
        roots.take(frame, frame.n)
    return roots.found
