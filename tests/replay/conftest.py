"""A small venue's journal to audit and to damage, and the ways to damage it."""

import importlib.util
import shutil
import sqlite3
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import msgspec
import pytest

from exchange import codec
from exchange.core.machine import apply
from exchange.core.state import State
from journal import Frame, Head, Record, encode_record, scan
from journal.record import compute_head, genesis_head, leaf_hashes, pack_framing, record_marks, row_mark
from journal.table import CREATE, INSERT_GENESIS

# Stories with a planted lie are driven by the venue of the core tests.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "core")]

BUILDER = Path(__file__).parents[1] / "golden" / "build.py"


def _builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_build", BUILDER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["golden_build"] = module
    spec.loader.exec_module(module)
    return module


class Sample(NamedTuple):
    """A sound journal: its file, and what is in it."""

    path: Path
    records: list[Record]
    frames: list[Frame]

    def copy(self, directory: Path, *, anchor: bool = True) -> Path:
        """Its files in another place."""
        target = directory / self.path.name
        shutil.copyfile(self.path, target)
        if anchor:
            shutil.copyfile(anchor_of(self.path), anchor_of(target))
        return target

    def frame_of(self, seq: int) -> Frame:
        return next(frame for frame in self.frames if frame.first_seq <= seq <= frame.last_seq)

    def state_at(self, seq: int) -> State:
        """The live state right after a record."""
        state = State()
        for record in self.records[:seq]:
            apply(state, record.seq, record.time_ns, codec.decode_command(record.command))
        return state


def anchor_of(path: Path) -> Path:
    return path.with_name(path.name + ".anchor")


@pytest.fixture(scope="session")
def golden() -> ModuleType:
    """The builder of the golden journal."""
    return _builder()


@pytest.fixture(scope="session")
def make_sample(golden: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Sample]:
    """Writes records as a journal through the real store."""
    import asyncio

    def make(records: list[Record]) -> Sample:
        path = tmp_path_factory.mktemp("journal") / "venue.journal"
        asyncio.run(golden.write(path, records, seed=7, largest=24))
        return Sample(path, records, [item for item in scan(path) if isinstance(item, Frame)])

    return make


@pytest.fixture(scope="session")
def sample(golden: ModuleType, make_sample: Callable[..., Sample]) -> Sample:
    """Some seven hundred records, orders unsigned."""
    return make_sample(golden.Story(seed=5, steps=480, signed=False, digest_every=50).tell())


@pytest.fixture(scope="session")
def signed_sample(golden: ModuleType, make_sample: Callable[..., Sample]) -> Sample:
    """The same venue with every order and round signed."""
    return make_sample(golden.Story(seed=6, steps=240, signed=True, digest_every=50).tell())


@pytest.fixture
def edit() -> Callable[..., None]:
    """Runs statements on a journal file behind the venue's back."""

    def run(path: Path, *statements: tuple[str, Sequence[object]]) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for sql, parameters in statements:
                connection.execute(sql, parameters)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    return run


@pytest.fixture
def forge(golden: ModuleType) -> Callable[..., None]:
    """Writes a whole chain anew over chosen records: hashes, marks and all, as a forger with the code would."""

    def write(path: Path, frames: Sequence[Sequence[bytes]], template: Sequence[Frame]) -> None:
        head = genesis_head(golden.GENESIS)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.executescript(CREATE)
            connection.execute(INSERT_GENESIS, (head.hash,))
            for bodies, old in zip(frames, template, strict=True):
                frame = rehashed(head, bodies, old)
                head = frame.position()
                connection.execute(f"INSERT INTO frame VALUES ({','.join('?' * 10)})", _columns(frame))

    return write


def rehashed(head: Head, bodies: Sequence[bytes], old: Frame) -> Frame:
    """A frame over encoded records that follows `head` by every hash there is."""
    first = head.last_seq + 1
    bare = msgspec.structs.replace(
        old,
        frame_no=head.frame_no + 1,
        first_seq=first,
        last_seq=first + len(bodies) - 1,
        n=len(bodies),
        body=pack_framing(len(bodies)) + b"".join(bodies),
    )
    linked = msgspec.structs.replace(bare, head=compute_head(head.hash, bare))
    return msgspec.structs.replace(linked, marks=row_mark(linked) + record_marks(leaf_hashes(list(bodies))))


def _columns(frame: Frame) -> tuple[object, ...]:
    names = ("frame_no", "first_seq", "last_seq", "epoch", "n", "schema_fp", "wall_ns", "head", "marks", "body")
    return tuple(getattr(frame, name) for name in names)


@pytest.fixture(scope="session")
def encoded() -> Callable[[Sequence[Record]], list[bytes]]:
    """Records as their bytes."""
    return lambda records: [encode_record(record) for record in records]
