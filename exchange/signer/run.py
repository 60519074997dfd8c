"""A signer from its settings to its end: keys opened, venue checked, ports opened. Imports server, traders."""

import asyncio
import contextlib
import secrets
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from aiohttp import web

from exchange.session import Limits
from exchange.shell.clock import Clock, SystemClock
from exchange.shell.wallet import Venue
from exchange.signer.catalogue import Catalogue
from exchange.signer.config import ConfigError, Settings
from exchange.signer.credentials import Credentials
from exchange.signer.keys import open_keystore, write_keystore, write_private
from exchange.signer.nonces import DurableNonces
from exchange.signer.server import Server
from exchange.signer.traders import Trader, anonymous
from exchange.signer.upstream import Unreachable, Upstream

BACKOFF_MAX_S: Final = 30.0
_log = structlog.get_logger(__name__)


class Ready(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where clients connect."""

    http: str = ""
    ws: str = ""
    https: str = ""
    wss: str = ""


@contextlib.asynccontextmanager
async def running(
    settings: Settings, password: str, clock: Clock | None = None, limits: Limits | None = None
) -> AsyncIterator[Ready]:
    """A signer that serves until left. Raises ConfigError, Untrusted, Refused, Unreachable."""
    keys = {client.client_id: open_keystore(client.keystore, password) for client in settings.clients}
    tls = _tls(settings)
    clock = clock or SystemClock()
    loop = asyncio.get_running_loop()
    with DurableNonces(settings.nonces) as nonces:
        async with Upstream(settings.url, settings.venue) as upstream:
            traders = {item.client_id: Trader(item, keys[item.client_id], upstream) for item in settings.clients}
            catalogue = Catalogue(anonymous(upstream), loop.time)
            for trader in traders.values():
                await trader.begin(catalogue, nonces, settings)
            credentials = Credentials(settings.clients, clock.now_ns())
            server = Server(upstream, traders, credentials, clock, limits or Limits())
            async with _listening(server, settings, tls) as ready:
                yield ready


def _tls(settings: Settings) -> ssl.SSLContext | None:
    listen = settings.listen
    if listen.tls_port is None or listen.certificate is None or listen.private_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(listen.certificate, listen.private_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{listen.certificate}: {error}") from error
    return context


@contextlib.asynccontextmanager
async def _listening(server: Server, settings: Settings, tls: ssl.SSLContext | None) -> AsyncIterator[Ready]:
    runner, listen = web.AppRunner(server.app(), access_log=None, shutdown_timeout=1.0), settings.listen
    await runner.setup()
    told: dict[str, str] = {}
    try:
        for port, context, http, ws in (
            (listen.port, None, "http", "ws"),
            (listen.tls_port if tls is not None else None, tls, "https", "wss"),
        ):
            if port is not None:
                site = web.TCPSite(runner, listen.host, port, ssl_context=context)
                await site.start()
                number = runner.addresses[len(told) // 2][1]
                told |= {http: f"{http}://{listen.host}:{number}", ws: f"{ws}://{listen.host}:{number}/ws/api/v2"}
        _log.info("signer_listening", **told)
        yield Ready(**told)
    finally:
        await server.close()
        await runner.cleanup()


async def serve(settings: Settings, password: str, ready: Callable[[Ready], None], stop: asyncio.Event) -> None:
    """Run until ``stop`` is set. A venue that is out of reach at the start is waited for."""
    delay_s = 0.5
    while not stop.is_set():
        try:
            async with running(settings, password) as told:
                ready(told)
                await stop.wait()
        except Unreachable as error:
            _log.warning("venue_out_of_reach", error=str(error), retry_s=delay_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), delay_s)
            delay_s = min(2 * delay_s, BACKOFF_MAX_S)


# -- a first configuration --------------------------------------------------------------------------------------------


async def make(config: Path, url: str, client_id: str, secret: bytes, password: str) -> dict[str, Any]:
    """Write a keystore and settings for one key, pinning the venue at ``url`` as it is now; what a client needs.

    Raises ConfigError when a file is there already, Unreachable when the venue is not.
    """
    venue = await _venue_at(url)
    keystore = config.with_name(f"{client_id}.keystore")
    key = write_keystore(keystore, secret, password)
    client_secret = secrets.token_urlsafe(32)
    client = {"client_id": client_id, "client_secret": client_secret, "keystore": keystore.name}
    settings = {"url": url, "venue": msgspec.to_builtins(venue), "clients": [client], "nonces": f"{config.stem}.nonces"}
    settings["listen"] = {"host": "127.0.0.1", "port": 8090}
    write_private(config, msgspec.json.format(msgspec.json.encode(settings), indent=2) + b"\n")
    return {"client_id": client_id, "client_secret": client_secret, "address": key.address, "config": str(config)}


async def _venue_at(url: str) -> Venue:
    async with Upstream(url, None) as upstream:
        return await upstream.seen()
