"""`verbatim-replay serve` in a process of its own, beside a venue."""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator

from e2e_serve import READY_S, ROOT, Serving
from web_browser import address


def free_port() -> int:
    """A port that nobody has now: the venue is told of it before the server takes it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.asynccontextmanager
async def replaying(serving: Serving, port: int) -> AsyncIterator[str]:
    """Serve the journal of a venue to the venue's own page; the address of the server."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "replay", "serve", str(serving.journal), "--json", "--port", str(port)),
        *("--origin", address(serving.ready)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), READY_S)
        yield json.loads(line)["url"]
    finally:
        process.terminate()
        code = await asyncio.wait_for(process.wait(), READY_S)
    assert code == 0
