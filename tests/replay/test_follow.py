"""A journal that is followed while it grows stands where a replay of all of it does."""

from exchange.core.images import digest
from journal import Frame, scan
from replay.anchors import batch_roots
from replay.engine import Moment, replay
from replay.follow import Follower


def test_each_look_goes_on_from_the_last(sample, tmp_path, edit):
    path = sample.copy(tmp_path, anchor=False)
    frames = [item for item in scan(sample.path) if isinstance(item, Frame)]
    cuts = (len(frames) // 3, 2 * len(frames) // 3)
    follower = Follower(path)
    full = path.with_name("full.journal")
    full.write_bytes(path.read_bytes())
    for cut in cuts:
        path.write_bytes(full.read_bytes())
        edit(path, ("DELETE FROM frame WHERE frame_no > ?", (cut,)))
        follower.advance()
        assert follower.state.seq == frames[cut - 1].last_seq
        assert digest(follower.state) == digest(replay(path))
    path.write_bytes(full.read_bytes())
    follower.advance()
    follower.advance()
    assert digest(follower.state) == digest(replay(sample.path))
    assert follower.roots == batch_roots(sample.path) != {}


def test_a_moment_is_not_passed(sample):
    half = len(sample.records) // 2
    follower = Follower(sample.path, Moment(seq=half))
    follower.advance()
    follower.advance()
    assert follower.state.seq == half
    assert digest(follower.state) == digest(sample.state_at(half))
    sealed = {batch for batch in batch_roots(sample.path) if batch < sample.state_at(half).next_batch}
    assert follower.roots.keys() == sealed
