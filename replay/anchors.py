"""The Merkle root of the journal at each sealed batch: what the batch must have anchored on chain.

Whoever rewrites the journal and hashes it anew cannot rewrite these. Imports codec and journal.
"""

from pathlib import Path

from exchange import codec
from exchange.core.events import BatchSealed
from journal.merkle import Tree
from journal.record import Frame, leaf_hash
from replay.frames import whole_frames


def batch_roots(path: Path) -> dict[int, bytes]:
    """Root over all records up to and including the one that sealed a batch, by batch. Raises Diverged, CannotRun."""
    tree, roots = Tree(), dict[int, bytes]()
    for frame in whole_frames(path):
        _extend(tree, roots, frame)
    return roots


def _extend(tree: Tree, roots: dict[int, bytes], frame: Frame) -> None:
    for record, raw in zip(frame.records(), frame.raw_records(), strict=True):
        tree.append(leaf_hash(raw))
        for event in codec.decode_events(record.events):
            if type(event) is BatchSealed:
                roots[event.batch_id] = tree.root()
