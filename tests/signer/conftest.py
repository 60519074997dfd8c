"""A venue behind sockets, and a signer in front of it for two of its accounts."""

import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

import aiohttp
import msgspec
import pytest

from exchange.session import Limits
from exchange.session.limits import UNLIMITED
from exchange.shell.gateway import Settings as Edge
from exchange.shell.wallet import Venue
from exchange.signer import run
from exchange.signer.config import ClientSettings, Settings
from exchange.signer.keys import write_keystore
from exchange.signing import address_of, to_hex
from tests.gateway.conftest import OPERATOR_KEY, Running, key_of, running

PASSWORD = "correct horse battery staple"
SECRETS = {"maker": "maker secret, long enough", "taker": "taker secret, long enough"}


def settings_for(url: str, folder: Path, **more: Any) -> Settings:
    """Settings for accounts 1 and 2 of the venue of the gateway's tests."""
    clients = []
    for number, name in enumerate(SECRETS, 1):
        keystore = folder / f"{name}.keystore"
        if not keystore.exists():
            write_keystore(keystore, key_of(number), PASSWORD)
        clients.append(ClientSettings(name, SECRETS[name], keystore))
    pinned = Venue("test", 31337, to_hex(b"C" * 20), to_hex(address_of(OPERATOR_KEY)))
    return Settings(**{"url": url, "venue": pinned, "clients": clients, "nonces": folder / "nonces"} | more)


class Signer(NamedTuple):
    """A running signer and the venue behind it."""

    ready: run.Ready
    venue: Running
    settings: Settings


class Plain:
    """A client that knows a name and a secret, and nothing of keys: one WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.notices: list[dict[str, Any]] = []
        self._ids = itertools.count(1)

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """The whole reply."""
        number = next(self._ids)
        await self.socket.send_json({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        while True:
            message = msgspec.json.decode(await self.socket.receive_str(timeout=10))
            if message.get("id") == number:
                return message
            self.notices.append(message)

    async def ask(self, method: str, **params: Any) -> Any:
        reply = await self.send(method, **params)
        assert "result" in reply, reply
        return reply["result"]

    async def refused(self, method: str, **params: Any) -> tuple[int, dict[str, Any]]:
        reply = await self.send(method, **params)
        assert "error" in reply, reply
        return reply["error"]["code"], reply["error"].get("data", {})

    async def login(self, name: str, **more: Any) -> Self:
        fields = {"grant_type": "client_credentials", "client_id": name, "client_secret": SECRETS[name]}
        await self.ask("public/auth", **(fields | more))
        return self


@pytest.fixture
async def venue() -> AsyncIterator[Running]:
    async with running(Edge(limits=UNLIMITED)) as made:
        yield made


@pytest.fixture
def limits() -> Limits:
    return UNLIMITED


@pytest.fixture
async def signer(venue: Running, tmp_path: Path, limits: Limits) -> AsyncIterator[Signer]:
    settings = settings_for(venue.gateway.url, tmp_path)
    async with run.running(settings, PASSWORD, limits=limits) as ready:
        yield Signer(ready, venue, settings)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def connect(signer: Signer, http: aiohttp.ClientSession) -> AsyncIterator[Callable[..., Any]]:
    """Clients over WebSockets, logged in by name."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(name: str = "", **more: Any) -> Plain:
            plain = Plain(await stack.enter_async_context(http.ws_connect(signer.ready.ws)))
            return await plain.login(name, **more) if name else plain

        yield make


def as_text(params: dict[str, Any]) -> dict[str, str]:
    """Parameters as a query has them."""
    plain = {name: value if isinstance(value, str) else json.dumps(value) for name, value in params.items()}
    return dict(plain)
