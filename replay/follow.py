"""A journal that is followed while it grows: its state, and the roots that its batches anchor, as of its newest frame.

Each look executes only what came since the last one. Imports the engine and the anchors.
"""

from pathlib import Path

from exchange.core.state import State
from replay.anchors import BatchRoots
from replay.engine import END, Moment, Replayer
from replay.frames import Progress, rare_collections, read_frame, whole_frames


class Follower:
    """Stands at the end of what it has read, or at a moment beyond which it does not go."""

    def __init__(self, path: Path, until: Moment = END) -> None:
        self._path, self._until = path, until
        self._replayer = Replayer()
        self._roots = BatchRoots()
        self._frame_no = 0
        self._arrived = False

    @property
    def state(self) -> State:
        """The state there; the live one."""
        return self._replayer.state

    @property
    def roots(self) -> dict[int, bytes]:
        """Roots by sealed batch, as ``batch_roots`` gives them."""
        return self._roots.found

    def advance(self, progress: Progress | None = None) -> None:
        """Read what has been added. Raises Diverged at damage or difference, CannotRun."""
        if self._arrived:
            return
        with rare_collections():
            for frame in whole_frames(self._path, self._frame_no + 1):
                records = [record for record in read_frame(frame) if self._until.covers(record)]
                self._replayer.run(records)
                self._roots.take(frame, len(records))
                if len(records) < frame.n:
                    self._arrived = True
                    return
                self._frame_no = frame.frame_no
                if progress is not None:
                    progress(frame.last_seq)
