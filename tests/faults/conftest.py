"""Fault injection: forked writers, a preloaded disk that misbehaves, the audit of what they leave, short and long runs."""

import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from journal import Frame, SqliteStore

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


class Zygote:
    """The other end of `zygote.py`."""

    def __init__(self, shim: Path | None) -> None:
        env = dict(os.environ, PYTHONPATH=str(ROOT), PYTHONWARNINGS="ignore")
        if shim is not None:
            env["LD_PRELOAD"] = str(shim)
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "zygote.py")],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def _ask(self, **request: Any) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def fork(self, folder: Path, env: dict[str, Any] | None = None, **arguments: Any) -> int:
        """Start a writer on the journal in `folder`; its process number."""
        arguments = {"path": str(folder / "j"), "acks": str(folder / "acks"), "frames": 10**9} | arguments
        return self._ask(fork=arguments, env={key: str(value) for key, value in (env or {}).items()})

    def wait(self, pid: int) -> int:
        """Its exit code; a negative number for a signal."""
        return self._ask(wait=pid)

    def kill(self, pid: int) -> None:
        """SIGKILL and wait."""
        os.kill(pid, signal.SIGKILL)
        self.wait(pid)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The misbehaving disk, built from source."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("the fault shim is built with a C compiler, and there is none here")
    library = tmp_path_factory.mktemp("shim") / "shim.so"
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(HERE / "shim.c"), "-ldl", "-lpthread"]
    subprocess.run(command, check=True)
    return library


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """Forks writers on an honest disk."""
    zygote = Zygote(None)
    yield zygote
    zygote.close()


@pytest.fixture(scope="session")
def shimmed(shim: Path) -> Iterator[Zygote]:
    """Forks writers on the misbehaving disk; what it does is set in each one's environment."""
    zygote = Zygote(shim)
    yield zygote
    zygote.close()


@pytest.fixture
def quick_path() -> Iterator[Path]:
    """A directory in memory where there is one: for tests that are about content and not about syncing."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="journal-", dir=base))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def work() -> SimpleNamespace:
    """The names of `zygote.py`: what its writers write and how they exit."""
    return SimpleNamespace(**runpy.run_path(str(HERE / "zygote.py"), run_name="zygote"))


@pytest.fixture
def acked() -> Callable[[Path], dict[int, str]]:
    """The acknowledgements noted in a folder: head by frame number. A line cut short by a kill was told to nobody."""

    def read(folder: Path) -> dict[int, str]:
        notes = folder / "acks"
        text = notes.read_text(encoding="utf-8") if notes.exists() else ""
        rows = [line.split() for line in text.splitlines()]
        return {int(row[1]): row[2] for row in rows if row[:1] == ["ack"] and row[-1] == "told"}

    return read


@pytest.fixture
def audit(work: SimpleNamespace) -> Callable[..., Any]:
    """Opens a journal as the next writer would and compares it with what was acknowledged; the frames it holds.

    Raises whatever opening and reading raise; fails if an acknowledged frame is missing or another, or if a record
    is not the one that belongs at its place.
    """

    async def check(folder: Path, acks: dict[int, str]) -> list[Frame]:
        async with await SqliteStore.open(folder / "j", work.GENESIS) as store:
            frames = [frame async for frame in store.frames()]
        heads = {frame.frame_no: frame.head.hex() for frame in frames}
        assert {number: heads.get(number) for number in acks} == acks
        records = [record for frame in frames for record in frame.records()]
        assert records == [work.record_of(seq) for seq in range(1, len(records) + 1)]
        return frames

    return check
