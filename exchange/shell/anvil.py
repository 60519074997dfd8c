"""anvil, a second and independent development node: fetched once into a cache, verified, run as a child
process.

Owns the download (the npm platform package, whose tarball holds the bare executable) and the life of the
process. Tests run the same suite against it and against the embedded chain. May import the standard
library. Whatever keeps it from running here is one typed error with the reason in words, so that a test run
can say plainly what it left out.

`python -m exchange.shell.anvil` fetches it and prints the path; exit code 3 when it is unavailable.
"""

import asyncio
import base64
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

VERSION = "1.7.1"
_REGISTRY = "https://registry.npmjs.org/@foundry-rs/anvil-{platform}"
# The platform that continuous integration runs on is pinned here; for the others npm's own metadata must do.
_PINNED = {
    "linux-amd64": "sha512-+XmShybEaxfCrr0OUUZwYEy2OnYZt5pHH9TzBtLv3+VrK0O/ANuNSVEahqNhKHlgX7GRJ59383ofNhxkRWIYTg=="
}
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_FETCH_TIMEOUT_S = 120
_TARBALL_MAX = 64 << 20
_READY_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 5.0
_LISTENING = re.compile(rb"Listening on (\S+:\d+)")


class AnvilUnavailable(Exception):
    """anvil cannot be had or run here; `reason` says why."""

    def __init__(self, reason: str) -> None:
        """Keep the reason for the test report."""
        super().__init__(reason)
        self.reason = reason


def cached_path() -> Path:
    """Where the executable lives once fetched: the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "verbatim" / f"anvil-{VERSION}-{_platform()}"


def find() -> Path:
    """The cached executable, if it starts. Never touches the network. Raises AnvilUnavailable."""
    path = cached_path()
    if not path.exists():
        raise AnvilUnavailable("not in the cache; `python -m exchange.shell.anvil` fetches it")
    _check_starts(path)
    return path


def fetch() -> Path:
    """The executable, downloaded, verified and cached unless it is there already. Raises AnvilUnavailable."""
    path = cached_path()
    if not path.exists():
        name = _platform()
        tarball = _download(f"{_REGISTRY.format(platform=name)}/-/anvil-{name}-{VERSION}.tgz")
        _verify(tarball, _PINNED.get(name) or _published_integrity(name))
        _unpack(tarball, path)
    _check_starts(path)
    return path


def _platform() -> str:
    system, machine = platform.system().lower(), _MACHINES.get(platform.machine().lower())
    if system not in ("linux", "darwin") or machine is None:
        raise AnvilUnavailable(f"no build for {platform.system()} on {platform.machine()}")
    return f"{system}-{machine}"


def _download(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=_FETCH_TIMEOUT_S) as response:  # noqa: S310 - a constant https address
            body = bytes(response.read(_TARBALL_MAX + 1))
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        raise AnvilUnavailable(f"cannot download {url}: {error}") from error
    if len(body) > _TARBALL_MAX:
        raise AnvilUnavailable(f"{url} is larger than {_TARBALL_MAX} bytes")
    return body


def _published_integrity(name: str) -> str:
    metadata = json.loads(_download(f"{_REGISTRY.format(platform=name)}/{VERSION}"))
    integrity = str(metadata.get("dist", {}).get("integrity", ""))
    if not integrity.startswith("sha512-"):
        raise AnvilUnavailable("the registry publishes no sha512 for this platform")
    return integrity


def _verify(tarball: bytes, integrity: str) -> None:
    digest = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    if digest != integrity:
        raise AnvilUnavailable(f"the download has {digest}, expected {integrity}")


def _unpack(tarball: bytes, path: Path) -> None:
    """Write the executable in one step, so that a reader sees all of it or nothing."""
    try:
        with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
            member = archive.extractfile("package/bin/anvil")
            assert member is not None  # a regular file in the verified tarball
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as part:
                shutil.copyfileobj(member, part)
        Path(part.name).chmod(0o755)
        Path(part.name).replace(path)
    except (OSError, KeyError) as error:
        raise AnvilUnavailable(f"cannot unpack into {path.parent}: {error}") from error


def _check_starts(path: Path) -> None:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, timeout=30, check=False)  # noqa: S603 - ours
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AnvilUnavailable(f"cannot run it: {error}") from error
    if done.returncode != 0:  # an older C library says so on stderr
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise AnvilUnavailable(f"cannot run it: {words[0] if words else f'exit {done.returncode}'}")


class Anvil:
    """A running node: `async with await Anvil.start() as node`, then `node.url`.

    History goes to a folder of its own that is removed at the end, since by default it fills the home folder.
    """

    def __init__(self, process: asyncio.subprocess.Process, address: str, scratch: Path) -> None:
        """Use `start`."""
        self._process, self._scratch = process, scratch
        self.address = address
        self._drain = asyncio.create_task(_drain(process))

    @property
    def url(self) -> str:
        """HTTP address; the same port speaks WebSocket."""
        return f"http://{self.address}"

    @property
    def ws_url(self) -> str:
        """WebSocket address."""
        return f"ws://{self.address}"

    @classmethod
    async def start(
        cls,
        *,
        port: int = 0,
        chain_id: int = 31337,
        slots_in_an_epoch: int = 32,
        automine: bool = True,
        state: Path | None = None,
        options: Sequence[str] = (),
    ) -> Self:
        """Run it and wait until it listens. `finalized` is two epochs behind the head. Raises AnvilUnavailable."""
        path = await asyncio.to_thread(find)
        scratch = Path(tempfile.mkdtemp(prefix="verbatim-anvil-"))
        flags = ["--host", "127.0.0.1", "--port", str(port), "--chain-id", str(chain_id)]
        flags += ["--hardfork", "prague", "--accounts", "1", "--cache-path", str(scratch)]
        flags += ["--slots-in-an-epoch", str(slots_in_an_epoch)]
        flags += [] if automine else ["--no-mining"]
        flags += ["--state", str(state), "--state-interval", "1"] if state else []
        process = await asyncio.create_subprocess_exec(
            path, *flags, *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        try:
            address = await asyncio.wait_for(_await_ready(process), _READY_TIMEOUT_S)
        except (AnvilUnavailable, TimeoutError) as error:
            await _stop(process)
            shutil.rmtree(scratch, ignore_errors=True)
            raise AnvilUnavailable(f"it did not start: {error}") from error
        return cls(process, address, scratch)

    async def stop(self) -> None:
        """End the process and remove its scratch folder."""
        await _stop(self._process)
        await self._drain
        shutil.rmtree(self._scratch, ignore_errors=True)

    async def kill(self) -> None:
        """End the process as a power cut would."""
        if self._process.returncode is None:
            self._process.kill()
            # Waited for before `stop` looks: a second signal would reap the dead child in asyncio's place, and
            # its way of ending would be lost (3.11 then reports 255).
            await self._process.wait()
        await self.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


async def _await_ready(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None  # asked for as a pipe
    words = b""
    while line := await process.stdout.readline():
        if found := _LISTENING.search(line):
            return found[1].decode()
        words = line.strip() or words
    raise AnvilUnavailable(words.decode(errors="replace"))


async def _drain(process: asyncio.subprocess.Process) -> None:
    """A full pipe would stop the node."""
    assert process.stdout is not None  # asked for as a pipe
    while await process.stdout.read(65536):
        pass


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def main() -> int:
    """Fetch into the cache and say where."""
    try:
        print(fetch())  # noqa: T201 - the command's output
    except AnvilUnavailable as error:
        print(f"anvil is unavailable: {error.reason}", file=sys.stderr)  # noqa: T201 - the command's output
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
