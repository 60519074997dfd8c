"""The edge: one port for WebSocket and HTTP, in front of the sequencer.

Everything a stranger can do to it is bounded: bytes of a message, seconds until the first one, connections, work in
flight, words waiting to be read. Imports session, broadcast, connection, website, aiohttp.
"""

import asyncio
import ipaddress
import itertools
import secrets
import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self

import msgspec
import structlog
from aiohttp import web

from exchange.dialect.bounds import Bound, beyond
from exchange.dialect.errors import HALTED, OVERLOADED, Code, DialectError
from exchange.publisher import Publisher
from exchange.session import Fairness, Limits, Purse, Reply, Session, Tokens, Work
from exchange.session.requests import Params, Request
from exchange.session.work import Read, Several, Submit
from exchange.shell.broadcast import Hub
from exchange.shell.clock import Clock, SystemClock
from exchange.shell.connection import Backend, Connection, complete
from exchange.shell.meters import Meters
from exchange.shell.outbox import CHARS_MAX, MESSAGES_MAX, Outbox
from exchange.shell.sequencer import Halted, Overloaded
from exchange.shell.website import add_pages

PURSES_MAX: Final = 65_536
SWEEP_S: Final = 0.5
_JSON: Final = "application/json"
_log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Settings(msgspec.Struct, frozen=True):
    """Bounds of the edge. An address is one of IPv4, or 64 bits of IPv6, which is what a household gets."""

    limits: Limits = Limits()
    connections_max: int = 8_192
    connections_per_address: int = 2_048
    first_message_s: float = 10.0
    body_s: float = 10.0
    ping_s: float = 30.0  # a peer that is gone without a word is noticed within one and a half of it
    outbox_messages: int = MESSAGES_MAX
    outbox_chars: int = CHARS_MAX
    page: bool = True  # the page that comes with the venue, at /
    replay: str = ""  # origin of a replay server that the page may ask


class Door:
    """Counts connections, of all and of each address, and shows out those that never ask for anything."""

    def __init__(self, server: web.Server, settings: Settings) -> None:
        self._server = server
        self._max = settings.connections_max
        self._max_each = settings.connections_per_address
        self._patience_s = settings.first_message_s
        self._silent: OrderedDict[Any, float] = OrderedDict()
        self._seated: dict[str, dict[Any, None]] = {}

    def __call__(self) -> asyncio.Protocol:
        """A protocol for a new connection."""
        return _Guest(self)

    def seat(self, transport: asyncio.Transport) -> Any | None:
        """Who serves a connection from now on; None for one too many."""
        address = block_of(transport.get_extra_info("peername"))
        if len(self._server.connections) >= self._max or len(self._of(address)) >= self._max_each:
            return None
        protocol = self._server()
        self._seated.setdefault(address, {})[protocol] = None
        self._silent[protocol] = asyncio.get_running_loop().time() + self._patience_s
        return protocol

    def _of(self, address: str) -> dict[Any, None]:
        """Connections of an address; when that looks like too many, without those that have gone."""
        held = self._seated.get(address, {})
        return self._present(address) if len(held) >= self._max_each else held

    def _present(self, address: str) -> dict[Any, None]:
        held = {protocol: None for protocol in self._seated.pop(address, {}) if protocol.transport is not None}
        if held:
            self._seated[address] = held
        return held

    def spoke(self, request: web.Request) -> None:
        """A whole request came: the connection is somebody's."""
        self._silent.pop(request.protocol, None)

    def sweep(self) -> None:
        """Close what has been silent too long, and forget what has gone."""
        now = asyncio.get_running_loop().time()
        while self._silent and next(iter(self._silent.values())) <= now:
            protocol, _ = self._silent.popitem(last=False)
            if protocol.transport is not None:
                protocol.transport.abort()
        for address in list(self._seated):
            self._present(address)


def block_of(peer: Any) -> str:
    """The address that counts: one of IPv4, 64 bits of IPv6; empty where there is none."""
    host = peer[0] if isinstance(peer, tuple) and peer else ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return str(host)
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    mapped = address.ipv4_mapped
    return str(mapped) if mapped is not None else str(ipaddress.ip_network((address, 64), strict=False))


class _Guest(asyncio.Protocol):
    """A new connection until it has a seat; hung up on at once when there is none."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand over, or close."""
        assert isinstance(transport, asyncio.Transport)
        seated = self._door.seat(transport)
        if seated is None:
            transport.abort()
            return
        transport.set_protocol(seated)
        seated.connection_made(transport)


class Gateway:
    """An async context manager that serves until left; ``url`` and ``port`` are known once entered."""

    def __init__(
        self,
        publisher: Publisher,
        backend: Backend,
        hub: Hub,
        *,
        clock: Clock | None = None,
        settings: Settings | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        meters: Meters | None = None,
    ) -> None:
        self.port = port
        self.meters = meters or Meters()
        self.connections: dict[Connection, None] = {}
        self._publisher = publisher
        self._backend = backend
        self._hub = hub
        self._clock = clock or SystemClock()
        self._settings = settings or Settings()
        self._host = host
        self.tls = tls
        self._tokens = Tokens(lambda: secrets.token_urlsafe(32))
        self._purses: OrderedDict[str, Purse] = OrderedDict()
        self._fairness = Fairness(self._settings.limits, publisher.fills_of)
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1.0, keepalive_timeout=75.0)
        self._door: Door | None = None
        self._listening: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._numbers = itertools.count(1)

    @property
    def url(self) -> str:
        """Where WebSocket clients connect."""
        return f"{'wss' if self.tls else 'ws'}://{self._host}:{self.port}/ws/api/v2"

    async def __aenter__(self) -> Self:
        """Catch up with the state, then listen."""
        if not self._publisher.ready:
            await self._backend.read(self._publisher.rebuild)
        await self._runner.setup()
        assert self._runner.server is not None
        self._door = Door(self._runner.server, self._settings)
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(self._door, self._host, self.port, backlog=1024, ssl=self.tls)
        self.port = self._listening.sockets[0].getsockname()[1]
        self._tasks = [
            asyncio.create_task(self._hub.run(SystemClock()), name="hub"),
            asyncio.create_task(self._sweep(), name="gateway sweep"),
        ]
        for task in self._tasks:
            task.add_done_callback(self._background_ended)
        _log.info("gateway_listening", host=self._host, port=self.port)
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Stop listening and close every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listening is not None:
            self._listening.close()
        for connection in list(self.connections):
            connection.end("shutting down")
        await self._runner.cleanup()

    @property
    def is_listening(self) -> bool:
        """Whether anybody new can come in."""
        return self._listening is not None and self._listening.is_serving()

    async def part(self) -> None:
        """Let nobody in any more; answer what connections have asked, and close each with 1001, going away."""
        if self._listening is not None:
            self._listening.close()
        await asyncio.gather(*(connection.part() for connection in list(self.connections)))

    def _background_ended(self, task: asyncio.Task[None]) -> None:
        """Channels that fall silent and deadlines nobody keeps are worse than a closed door: hang up and stay shut."""
        if task.cancelled() or isinstance(task.exception(), Halted):
            return  # left on purpose, or the venue has stopped and says so itself
        _log.error("gateway_closed", task=task.get_name(), exc_info=task.exception())
        if self._listening is not None:
            self._listening.close()
        for connection in list(self.connections):
            connection.end("internal error")

    def _app(self) -> web.Application:
        limit = self._settings.limits.message_bytes_max
        app = web.Application(middlewares=[self._admit], client_max_size=limit)
        app.router.add_get("/ws/api/v2", self._websocket)
        app.router.add_post("/api/v2", self._post)
        app.router.add_post("/api/v2/{method:(public|private)/.+}", self._post)
        app.router.add_get("/api/v2/{method:(public|private)/.+}", self._get)
        app.router.add_get("/health", self._health)
        if self._settings.page:
            add_pages(app, replay=self._settings.replay, secure=self.tls is not None)
        return app

    @web.middleware
    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        assert self._door is not None
        self._door.spoke(request)
        return await handler(request)

    async def _sweep(self) -> None:
        """Heartbeats and deadlines, looked at twice a second."""
        while True:
            await asyncio.sleep(SWEEP_S)
            assert self._door is not None
            self._door.sweep()
            for connection in list(self.connections):
                connection.poll(self._settings.first_message_s)

    # -- WebSocket ----------------------------------------------------------------------------------------------------

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        limits = self._settings.limits
        # The library counts a message of exactly the maximum as too long.
        socket = web.WebSocketResponse(
            max_msg_size=limits.message_bytes_max + 1, compress=False, timeout=2.0, heartbeat=self._settings.ping_s
        )
        await socket.prepare(request)
        session = self._begun(_remote_of(request), is_socket=True)
        outbox = Outbox(self._settings.outbox_messages, self._settings.outbox_chars)
        connection = Connection(
            socket, request, session, self._backend, self._hub, self._clock, outbox, limits.in_flight_max, self.meters
        )
        self.connections[connection] = None
        structlog.contextvars.bind_contextvars(connection=next(self._numbers))  # for the log; this task is its own
        try:
            await connection.run()
        finally:
            session.end()
            self.connections.pop(connection, None)
            self.meters.ended[connection.why or "client"] += 1
        return socket

    # -- HTTP ---------------------------------------------------------------------------------------------------------

    async def _post(self, request: web.Request) -> web.StreamResponse:
        """JSON-RPC in the body; the path may name the method instead."""
        session, now_ns = self._session(request), self._clock.now_ns()
        try:
            async with asyncio.timeout(self._settings.body_s):
                body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            limit, told = self._settings.limits.message_bytes_max, request.content_length or 0
            error = beyond(Bound.MESSAGE_BYTES, value=max(told, limit + 1), limit=limit)
            return self._answer(session.refuse(error, now_ns), 413)
        except TimeoutError:
            return self._answer(session.refuse(DialectError(Code.TIMED_OUT, reason="body_too_slow"), now_ns), 408)
        refused = self._bear(request, session)
        if refused is not None:
            return refused
        named = request.match_info.get("method")
        return await self._done(session.receive(body.strip() or b'{"id":0}', now_ns, named))

    async def _get(self, request: web.Request) -> web.StreamResponse:
        """The method in the path, parameters as query text."""
        session = self._session(request)
        refused = self._bear(request, session)
        if refused is not None:
            return refused
        values: dict[str, Any] = dict(request.query)
        call = Request(values.pop("id", 0), request.match_info["method"], Params(values, textual=True))
        return await self._done(session.handle(call, self._clock.now_ns()))

    def _session(self, request: web.Request) -> Session:
        """A conversation of one request, which shares the credits of its address."""
        remote = _remote_of(request)
        return self._begun(remote, is_socket=False, purse=self._purse(remote))

    def _begun(self, remote: str, *, is_socket: bool, purse: Purse | None = None) -> Session:
        return Session(
            self._publisher,
            self._tokens,
            self._settings.limits,
            self._clock.now_ns(),
            purse=purse,
            fairness=self._fairness,
            remote=remote,
            is_socket=is_socket,
        )

    async def _done(self, work: Work) -> web.Response:
        if isinstance(work, Submit | Several | Read):
            return self._answer(await complete(work, self._backend, self._clock))
        assert isinstance(work, Reply)  # the session refuses subscriptions over HTTP
        return self._answer(work)

    def _bear(self, request: web.Request, session: Session) -> web.Response | None:
        """Take the bearer token, if any; the refusal when it is not good."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        now_ns = self._clock.now_ns()
        if kind and kind.lower() != "bearer":
            error = DialectError(Code.UNAUTHORIZED, reason="bearer_token_required")
            return self._answer(session.refuse(error, now_ns), 401)
        try:
            if kind:
                session.bear(token.strip(), now_ns)
        except DialectError as error:
            return self._answer(session.refuse(error, now_ns), 401)
        return None

    def _purse(self, remote: str) -> Purse:
        """Credits of an address, shared by its requests; the longest unused address is forgotten first."""
        purse = self._purses.pop(remote, None) or Purse(self._settings.limits, self._clock.now_ns())
        self._purses[remote] = purse
        if len(self._purses) > PURSES_MAX:
            self._purses.popitem(last=False)
        return purse

    def _answer(self, reply: Reply, status: int = 0) -> web.Response:
        """A reply; refusals are 400 over HTTP unless they have a status of their own."""
        if reply.failed:
            self.meters.refused[reply.code] += 1
        return web.Response(text=reply.text, content_type=_JSON, status=status or (400 if reply.failed else 200))

    async def _health(self, request: web.Request) -> web.StreamResponse:
        """Whether the venue still sequences, and how far it has come."""
        del request
        try:
            seq = await self._backend.read(lambda state: state.seq)
        except Halted:
            return web.json_response({"status": "halted", "error": HALTED.object()}, status=503)
        except Overloaded:
            return web.json_response({"status": "overloaded", "error": OVERLOADED.object()}, status=503)
        return web.json_response({"status": "ok", "seq": seq}, dumps=lambda value: msgspec.json.encode(value).decode())


def _remote_of(request: web.Request) -> str:
    return block_of((request.remote or "",))
