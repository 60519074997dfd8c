"""A signer in a process of its own, set up by its own command line, and the clients that others wrote in front of it.

Owns `Signing` (the process) and how ccxt and typed-deribit are pointed at it: addresses, id and secret, nothing else.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, Self

import ccxt.pro
from e2e_serve import READY_S, ROOT, Serving
from typed_core.http import HttpClient
from typed_deribit import Credentials, Deribit
from typed_deribit.core.transport.http import HmacHttpRpcClient, OAuthHttpRpcClient
from typed_deribit.core.transport.ws import SocketRpcStreamClient

PASSWORD = "of the test only"


class Signing:
    """`verbatim signer` for one of the traders of a development venue."""

    def __init__(self, process: asyncio.subprocess.Process, ready: dict[str, str], client: dict[str, str]) -> None:
        self.process = process
        self.ready = ready
        self.client = client

    @classmethod
    async def start(cls, serving: Serving, folder: Path, number: int) -> Self:
        """From the venue's ready line to a signer that listens, as its documentation says."""
        name = f"desk{number}"
        config, secret, password = folder / f"{name}.json", folder / f"{name}.key", folder / "password"
        for path, text in ((secret, serving.ready["keys"][number - 1]["key"]), (password, PASSWORD)):
            path.touch(0o600)
            path.write_text(text + "\n")
        given = ("--config", str(config), "--password-file", str(password))
        where = ("--url", serving.ready["url"], "--client-id", name, "--key-file", str(secret))
        client = json.loads(await _run("signer-init", *given, *where))
        settings = json.loads(config.read_text())
        config.write_text(json.dumps(settings | {"listen": {"port": 0}}))
        with (folder / f"{name}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "exchange", "--verbose", "signer", *given),
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), READY_S)
        assert line, (folder / f"{name}.log").read_text()[-2000:]
        return cls(process, json.loads(line), client)

    async def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.process.terminate()
        await asyncio.wait_for(self.process.communicate(), READY_S)
        assert self.process.returncode is not None
        return self.process.returncode

    def ccxt(self) -> Any:
        """ccxt.pro as it is on PyPI."""
        urls = {"api": {"rest": self.ready["http"], "ws": self.ready["ws"]}}
        key, secret = self.client["client_id"], self.client["client_secret"]
        return ccxt.pro.deribit({"apiKey": key, "secret": secret, "urls": urls, "enableRateLimit": False})

    def typed_deribit(self, *, hmac: bool = False) -> Deribit:
        """typed-deribit as it is on PyPI: every reply is validated by it."""
        credentials = Credentials(self.client["client_id"], self.client["client_secret"])
        kind = HmacHttpRpcClient if hmac else OAuthHttpRpcClient
        base = f"{self.ready['http']}/api/v2"
        rpc = kind(http=HttpClient(), base_url=base, credentials=credentials, validate=True)
        streams = SocketRpcStreamClient.new(self.ready["ws"], credentials=credentials, validate=True)
        return Deribit(rpc_client=rpc, ws_client=streams)


async def _run(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exchange", *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), READY_S)
    assert process.returncode == 0, err.decode()
    return out.decode()
