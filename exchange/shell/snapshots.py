"""What a venue keeps beside its journal: the tree over its records, and snapshots for a faster start.

A snapshot is never a source of truth. It must agree with the journal's hash chain, what follows it is executed again,
and it is believed only when the first digest in the journal after it comes out the same. Imports core, codec, journal.
"""

import asyncio
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import structlog

from exchange import codec
from exchange.core.images import decode, digest
from exchange.core.state import State
from journal import Snapshot, Store, Tree, latest, write_snapshot

KEPT: Final = 2
_log = structlog.get_logger(__name__)


class _Image(msgspec.Struct, array_like=True):
    """What a snapshot holds: canonical state, subtrees of the journal's tree, and roots that pending batches anchor."""

    state: bytes
    frontier: tuple[bytes, ...]
    roots: dict[int, bytes]


class Anchors:
    """Merkle roots of the journal at the records that sealed a batch: what each batch anchors on chain."""

    def __init__(self, tree: Tree | None = None, roots: Mapping[int, bytes] | None = None) -> None:
        self.tree = tree or Tree()
        self.roots: dict[int, bytes] = dict(roots or {})

    def extend(
        self, first_seq: int, leaves: Sequence[bytes], sealing: Sequence[int], asked: Collection[int] = ()
    ) -> dict[int, bytes]:
        """Add the leaves of consecutive records; remember the root after each record in ``sealing``.

        Returns the root over everything before each record in ``asked``.
        """
        wanted = dict.fromkeys(sealing)
        prior: dict[int, bytes] = {}
        for seq, leaf in enumerate(leaves, first_seq):
            if seq in asked:
                prior[seq] = self.tree.root()
            self.tree.append(leaf)
            if seq in wanted:
                self.roots[seq] = self.tree.root()
        return prior

    def forget_before(self, seq: int) -> None:
        """Drop roots of records before ``seq``: their batches are final."""
        for sealed in [known for known in self.roots if known < seq]:
            del self.roots[sealed]


class Resumed(NamedTuple):
    """Where execution takes up again: the state and tree after a frame, and the frame that follows."""

    state: State
    anchors: Anchors
    next_frame: int


def directory_of(journal: Path) -> Path:
    """Where the snapshots of a journal are."""
    return journal.with_name(journal.name + ".snapshots")


def _digest(data: bytes) -> bytes:
    """Digest of the state inside, after a round trip: bytes that decode to another state are no snapshot."""
    try:
        return digest(decode(msgspec.msgpack.decode(data, type=_Image).state))
    except msgspec.MsgspecError:
        return b""


async def resume(directory: Path, store: Store) -> Resumed | None:
    """The newest snapshot that agrees with the journal, or None to start from genesis."""
    choice = await latest(directory, store, _digest, [codec.SCHEMA_FP])
    for skipped in choice.skipped:
        _log.warning("snapshot_skipped", path=str(skipped.path), why=skipped.why)
    if choice.snapshot is None:
        return None
    image = msgspec.msgpack.decode(choice.snapshot.state, type=_Image)
    anchors = Anchors(Tree(choice.snapshot.last_seq, image.frontier), image.roots)
    return Resumed(decode(image.state), anchors, choice.snapshot.frame_no + 1)


def discard(directory: Path, resumed: Resumed, why: str) -> None:
    """Remove a snapshot that the journal does not bear out."""
    for path in directory.glob(f"{resumed.next_frame - 1:016d}-*.snapshot"):
        _log.warning("snapshot_discarded", path=str(path), why=why)
        path.unlink()


class Mark(NamedTuple):
    """Where in the journal a state belongs: after this frame, which ends with this record and has this head."""

    frame_no: int
    last_seq: int
    head: bytes


class Keeper:
    """Writes snapshots, one at a time, and leaves the newest few; ``before`` is done before each is there."""

    def __init__(self, directory: Path, before: Callable[[], None] = lambda: None) -> None:
        self._directory = directory
        self._before = before
        self._writing: asyncio.Task[None] | None = None

    def prepare(self, state: bytes, anchors: Anchors, at: Mark) -> Snapshot:
        """A snapshot of an encoded state, with the anchors as they are now, which must be as of the same mark."""
        image = msgspec.msgpack.encode(_Image(state, anchors.tree.frontier, dict(anchors.roots)))
        return Snapshot(at.frame_no, at.last_seq, at.head, hashlib.sha256(state).digest(), codec.SCHEMA_FP, image)

    def write(self, snapshot: Snapshot) -> bool:
        """Write in the background; False while the last one is still being written."""
        if self._writing is not None and not self._writing.done():
            return False
        self._writing = asyncio.create_task(asyncio.to_thread(self._write, snapshot), name="snapshot")
        return True

    def _write(self, snapshot: Snapshot) -> None:
        self._before()
        self._directory.mkdir(exist_ok=True)
        write_snapshot(self._directory, snapshot)
        for stale in sorted(self._directory.glob("*.snapshot"), reverse=True)[KEPT:]:
            stale.unlink(missing_ok=True)

    async def close(self) -> None:
        """Wait for what is being written. Raises OSError when it could not be."""
        if self._writing is not None:
            await self._writing
