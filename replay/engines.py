"""Another version of the exchange, or the same one once more, in a process of its own.

Owns where code is found and how the process is spoken to (``replay/worker.py``). Each process has a hash seed of its
own, so that code whose outcome hangs on the order of a set differs even from itself. Standard library and msgspec.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import msgspec

from journal.record import Record
from replay.findings import CannotRun
from replay.worker import LENGTH

WORKER: Final = Path(__file__).with_name("worker.py")
ROOT: Final = Path(__file__).resolve().parents[1]
_GRACE_S: Final = 10


class Code(NamedTuple):
    """Where a version of the exchange is found: an interpreter, and a folder before all others on its path."""

    python: str
    folder: Path | None

    @property
    def label(self) -> str:
        """How it is told apart."""
        return str(self.folder or self.python)


HERE: Final = Code(sys.executable, ROOT)


def code_at(path: Path) -> Code:
    """A worktree or folder of packages that has ``exchange`` in it, a virtual environment, or its interpreter.

    Raises CannotRun.
    """
    if (path / "exchange" / "__init__.py").is_file():
        return Code(sys.executable, path.resolve())
    python = path / "bin" / "python" if path.is_dir() else path
    if not (python.is_file() and os.access(python, os.X_OK)):
        raise CannotRun(f"{path} is neither a folder with the package exchange in it nor an interpreter")
    return Code(str(python.absolute()), None)


class Engine(AbstractContextManager["Engine"]):
    """A process under way. Its methods are those of the worker; ``ask`` and ``answer`` let two of them work at once."""

    def __init__(self, code: Code, hash_seed: int) -> None:
        self.code = code
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        environment["PYTHONHASHSEED"] = str(hash_seed)
        if code.folder is not None:
            environment["PYTHONPATH"] = str(code.folder)
        command = [code.python, "-P", str(WORKER)]
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process that writes to it
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the interpreter is the one that the user named
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, env=environment
            )
        except OSError as error:
            raise CannotRun(f"{code.python} cannot be run: {error}") from error
        self._asked, self._answers = _pipe(self._process.stdin), _pipe(self._process.stdout)
        told = self.call("hello")
        self.package, self.python = str(told["package"]), str(told["python"])
        self.schema, self.fields = bytes(told["schema"]), list(told["fields"])
        if code.folder is not None and Path(self.package).parent != code.folder:
            raise CannotRun(f"{code.label} was asked for, and {self.package} was loaded")

    def __exit__(self, *exc: object) -> None:
        """End the process."""
        for pipe in (self._asked, self._answers):
            pipe.close()
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()

    def call(self, do: str, **arguments: Any) -> dict[str, Any]:
        """One request and its answer. Raises CannotRun when the process has ended."""
        self.ask(do, **arguments)
        return self.answer()

    def ask(self, do: str, **arguments: Any) -> None:
        """Send a request."""
        request = msgspec.msgpack.encode({"do": do, **arguments})
        try:
            self._asked.write(LENGTH.pack(len(request)) + request)
            self._asked.flush()
        except BrokenPipeError as error:
            raise self._ended() from error

    def answer(self) -> dict[str, Any]:
        """Wait for the answer to the oldest request."""
        head = self._answers.read(LENGTH.size)
        if len(head) < LENGTH.size:
            raise self._ended()
        answer: dict[str, Any] = msgspec.msgpack.decode(self._answers.read(*LENGTH.unpack(head)))
        return answer

    def _ended(self) -> CannotRun:
        self._process.wait(_GRACE_S)
        self._said.seek(0)
        said = self._said.read().decode(errors="replace").strip().splitlines()
        return CannotRun(f"the code at {self.code.label} does not run: {said[-1] if said else 'no word why'}")


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def raw(records: Sequence[Record]) -> list[tuple[int, int, bytes, bytes]]:
    """Records as they are sent."""
    return [(record.seq, record.time_ns, record.command, record.events) for record in records]
