"""The signer's own port: the plain dialect over WebSocket, GET and POST, for clients of this machine.

Each WebSocket of a client has one of its own at the venue, and ends with it: what is heard is the venue's word, unread
and unthinned. HTTP requests share connections. What cannot be signed, or not be sent, is refused. Imports traders,
credentials, aiohttp.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from exchange.core.commands import SCOPE_TRADE
from exchange.core.units import Nanos
from exchange.dialect.bounds import Bound, beyond
from exchange.dialect.errors import Code, DialectError
from exchange.session import Bucket, Limits
from exchange.session.access import Grant
from exchange.session.login import grant_object
from exchange.session.methods import SIGNED
from exchange.session.requests import Malformed, Params, Request, RequestId, parse
from exchange.session.work import Envelope
from exchange.shell.clock import Clock
from exchange.shell.outbox import Outbox, Overflow
from exchange.shell.wallet import Untrusted
from exchange.signer.credentials import Credentials, signed_header
from exchange.signer.orders import typed
from exchange.signer.traders import Trader
from exchange.signer.upstream import Link, Refused, Unreachable, Upstream, refusal_of
from exchange.signing import SigningError

IN_FLIGHT_MAX: Final = 64
CONNECTIONS_MAX: Final = 256
BUCKETS_MAX: Final = 4_096
COSTS: Final = {"public/auth": 1_000}
COST: Final = 100
_OURS: Final = ("public/fork_token", "public/exchange_token")
_JSON: Final = "application/json"
_HMAC: Final = "deri-hmac-sha256"
_encode: Final = msgspec.json.Encoder().encode
_log = structlog.get_logger(__name__)


class Caller:
    """Who asks, over what: the client once it has proven itself, its scope, and its credits."""

    def __init__(self, remote: str, bucket: Bucket) -> None:
        self.remote = remote
        self.bucket = bucket
        self.grant: Grant | None = None


class Server:
    """Answers requests; knows clients and the venue."""

    def __init__(
        self, upstream: Upstream, traders: Mapping[str, Trader], credentials: Credentials, clock: Clock, limits: Limits
    ) -> None:
        self.upstream = upstream
        self.credentials = credentials
        self.clock = clock
        self.limits = limits
        self._traders = traders
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._sockets: dict[Downstream, None] = {}

    def app(self) -> web.Application:
        """The routes of the dialect."""
        app = web.Application(client_max_size=self.limits.message_bytes_max)
        app.router.add_get("/ws/api/v2", self._websocket)
        app.router.add_post("/api/v2", self._post)
        app.router.add_post("/api/v2/{method:(public|private)/.+}", self._post)
        app.router.add_get("/api/v2/{method:(public|private)/.+}", self._get)
        app.router.add_get("/health", self._health)
        return app

    async def close(self) -> None:
        """End every connection."""
        await asyncio.gather(*(socket.end("shutting down") for socket in list(self._sockets)))

    # -- what all ways in share ---------------------------------------------------------------------------------------

    def trader(self, grant: Grant) -> Trader:
        """The client of a grant."""
        return self._traders[grant.address.decode()]

    def refused(self, request_id: RequestId, error: DialectError, began_ns: Nanos) -> dict[str, Any]:
        """A refusal of the signer's own."""
        text = Envelope(request_id, began_ns // 1_000, testnet=True).error(error, self.clock.now_ns()).text
        reply: dict[str, Any] = msgspec.json.decode(text)
        return reply

    def log_in(self, caller: Caller, request: Request, now_ns: Nanos) -> dict[str, Any]:
        """Answer ``public/auth``; the caller is somebody from here on. Raises DialectError."""
        caller.grant = self.credentials.log_in(request.params, caller.remote, now_ns)
        _log.info("client_logged_in", client=caller.grant.address.decode())
        reply = Envelope(request.id, now_ns // 1_000, testnet=True).result(
            grant_object(caller.grant, request.params, now_ns), self.clock.now_ns()
        )
        told: dict[str, Any] = msgspec.json.decode(reply.text)
        return told

    def spend(self, caller: Caller, request: Request, now_ns: Nanos) -> None:
        """Charge a request. Raises DialectError too_many_requests."""
        caller.bucket.spend(COSTS.get(request.method, COST), now_ns)
        if caller.grant is not None and request.method in SIGNED:
            name = caller.grant.address.decode()
            self.bucket(f"client {name}", now_ns).spend(self.limits.costs.matching, now_ns)

    def bucket(self, name: str, now_ns: Nanos) -> Bucket:
        """Credits that several connections share; those longest unused are forgotten first."""
        found = self._buckets.pop(name, None) or Bucket(self.limits.connection, now_ns)
        self._buckets[name] = found
        if len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)
        return found

    def grant_of(self, caller: Caller, params: Params, now_ns: Nanos) -> Grant:
        """Who asks: by a token of the request, else by the connection. Raises unauthorized."""
        if params.given("access_token"):
            return self.credentials.find(params.text("access_token"), now_ns)
        if caller.grant is None:
            raise DialectError(Code.UNAUTHORIZED, reason="login_required")
        return caller.grant

    async def prepared(self, grant: Grant, request: Request, now_ns: Nanos) -> tuple[str, dict[str, Any]]:
        """What goes to the venue instead. Raises DialectError, Refused, Unreachable, Untrusted."""
        if request.method in SIGNED and not grant.rights & SCOPE_TRADE:
            raise DialectError(Code.FORBIDDEN, reason="scope_must_allow", scope=grant.scope)
        params = request.params
        params.values.pop("access_token", None)
        try:
            return await self.trader(grant).desk.prepared(request.method, params, now_ns)
        except SigningError as error:
            raise DialectError(Code.INVALID_PARAMS, reason=error.fault.value) from error

    # -- HTTP ---------------------------------------------------------------------------------------------------------

    async def _post(self, http: web.Request) -> web.Response:
        now_ns = self.clock.now_ns()
        try:
            body = await http.text()
            request = parse(body.strip() or '{"id":0}', self.limits.shape, method=http.match_info.get("method"))
        except web.HTTPRequestEntityTooLarge:
            limit, told = self.limits.message_bytes_max, http.content_length or 0
            error = beyond(Bound.MESSAGE_BYTES, value=max(told, limit + 1), limit=limit)
            return _answer(self.refused(None, error, now_ns))
        except UnicodeDecodeError:
            return _answer(self.refused(None, DialectError(Code.PARSE_ERROR, reason="not_json"), now_ns))
        except Malformed as malformed:
            return _answer(self.refused(malformed.request_id, malformed.error, now_ns))
        return await self._over_http(http, request, body, now_ns)

    async def _get(self, http: web.Request) -> web.Response:
        values: dict[str, Any] = dict(http.query)
        request = Request(values.pop("id", 0), http.match_info["method"], Params(values, textual=True))
        return await self._over_http(http, request, "", self.clock.now_ns())

    async def _over_http(self, http: web.Request, request: Request, body: str, now_ns: Nanos) -> web.Response:
        remote = http.remote or ""
        caller = Caller(remote, self.bucket(f"from {remote}", now_ns))
        try:
            caller.grant = self._proven(http, request, body, now_ns)
            self.spend(caller, request, now_ns)
            reply = await self._replied(caller, request, now_ns)
        except DialectError as error:
            return _answer(self.refused(request.id, error, now_ns))
        except Refused as refused:
            reply = refused.message
        except Unreachable as error:
            return _answer(self.refused(request.id, refusal_of(error), now_ns))
        except Untrusted as error:
            return _answer(self.refused(request.id, _distrust(error), now_ns))
        return _answer(reply | {"id": request.id})

    def _proven(self, http: web.Request, request: Request, body: str, now_ns: Nanos) -> Grant | None:
        """Who the header says it is. Raises DialectError."""
        kind, _, rest = http.headers.get("Authorization", "").partition(" ")
        if not kind:
            return None
        if kind.lower() == "bearer":
            return self.credentials.find(rest.strip(), now_ns)
        if kind.lower() != _HMAC:
            raise DialectError(Code.UNAUTHORIZED, reason="bearer_or_deri_hmac_sha256_required")
        signed = signed_header(rest, http.method, http.raw_path, body)
        changes = not request.method.startswith(("public/", "private/get_"))
        self.credentials.verify(signed, http.remote or "", now_ns, once=changes)
        return self.credentials.granted(signed.client_id)

    async def _replied(self, caller: Caller, request: Request, now_ns: Nanos) -> dict[str, Any]:
        method, params = request.method, request.params
        if method == "public/auth":
            return self.log_in(caller, request, now_ns)
        if method in _OURS:
            raise DialectError(Code.NOT_IMPLEMENTED, reason="log in to the signer instead")
        if method.startswith("public/"):
            return await (
                self.upstream.get(method, params.values) if params.textual else self.upstream.ask(method, params.values)
            )
        grant = self.grant_of(caller, params, now_ns)
        trader = self.trader(grant)
        scope = "" if grant.rights == -1 else grant.scope
        if params.textual and method not in SIGNED:
            params.values.pop("access_token", None)
            return await trader.get(scope, method, params.values)
        sent = await self.prepared(grant, request._replace(params=typed(params)), now_ns)
        return await trader.ask(scope, *sent)

    async def _health(self, http: web.Request) -> web.Response:
        """Whether the venue is there, and still the one pinned."""
        del http
        try:
            await self.upstream.require_pinned()
        except (Unreachable, Untrusted, Refused) as error:
            return web.json_response({"status": "down", "reason": type(error).__name__.lower()}, status=503)
        return web.json_response({"status": "ok"})

    # -- WebSocket ----------------------------------------------------------------------------------------------------

    async def _websocket(self, http: web.Request) -> web.StreamResponse:
        if len(self._sockets) >= CONNECTIONS_MAX:
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse(
            max_msg_size=self.limits.message_bytes_max + 1, compress=False, timeout=2.0, heartbeat=30.0
        )
        await socket.prepare(http)
        downstream = Downstream(self, socket, http)
        self._sockets[downstream] = None
        try:
            await downstream.run()
        finally:
            self._sockets.pop(downstream, None)
        return socket


class Turn:
    """A request's place among those of its connection: prepared side by side, they are sent in the order they came."""

    def __init__(self, before: "Turn | None") -> None:
        self._before = before
        self._over = asyncio.Event()

    async def come(self) -> None:
        """Wait until the request before is on its way, or refused."""
        if self._before is not None:
            await self._before._over.wait()  # noqa: SLF001 - one of its own kind
            self._before = None

    def over(self) -> None:
        """Let the next one come."""
        self._over.set()


class Downstream:
    """One WebSocket of a client, and the link to the venue that it has for itself."""

    def __init__(self, server: Server, socket: web.WebSocketResponse, http: web.Request) -> None:
        self._server = server
        self._socket = socket
        self._transport = http.transport
        self._caller = Caller(http.remote or "", Bucket(server.limits.connection, server.clock.now_ns()))
        self._outbox = Outbox()
        self._in_flight = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._tasks: set[asyncio.Task[None]] = set()
        self._link: Link | None = None
        self._linked_as = b""
        self._login = asyncio.Lock()
        self._last: Turn | None = None

    async def run(self) -> None:
        """Serve until either side ends it."""
        writer = asyncio.create_task(self._write(), name="signer writer")
        try:
            self._link = await self._server.upstream.link(self._send, self._lost)
            async for frame in self._socket:
                if frame.type is not WSMsgType.TEXT:
                    break
                await self._in_flight.acquire()
                self._start(frame.data)
        except Unreachable as error:
            _log.warning("venue_out_of_reach", error=str(error))
        finally:
            for task in list(self._tasks):
                task.cancel()
            writer.cancel()
            await asyncio.gather(writer, *self._tasks, return_exceptions=True)
            if self._link is not None:
                await self._link.close()
            await self.end("closed")

    def _start(self, text: str) -> None:
        turn = self._last = Turn(self._last)
        task = asyncio.create_task(self._take(text, turn))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._in_flight.release()
        if not task.cancelled() and task.exception() is not None:
            _log.error("request_failed", exc_info=task.exception())
            self._lost("internal error")

    async def end(self, why: str) -> None:
        """Close."""
        with contextlib.suppress(ConnectionError, RuntimeError):
            await self._socket.close(code=WSCloseCode.GOING_AWAY, message=why.encode())

    def _lost(self, why: str) -> None:
        """Fail closed: a client that still believed in the connection would trade on what it last heard."""
        _log.info("client_connection_ended", why=why)
        if self._transport is not None and not self._socket.closed:
            self._transport.close()

    def _send(self, text: str) -> None:
        try:
            self._outbox.put(text)
        except Overflow:
            self._lost("slow consumer")

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionError):
            while (text := await self._outbox.take()) is not None:
                await self._socket.send_str(text)

    async def _take(self, text: str, turn: Turn) -> None:
        try:
            await self._answer(text, turn)
        finally:
            await turn.come()
            turn.over()

    async def _answer(self, text: str, turn: Turn) -> None:
        server, now_ns = self._server, self._server.clock.now_ns()
        try:
            request = parse(text, server.limits.shape)
        except Malformed as malformed:
            self._send(_text(server.refused(malformed.request_id, malformed.error, now_ns)))
            return
        try:
            server.spend(self._caller, request, now_ns)
            reply = await self._replied(request, turn, now_ns)
        except DialectError as error:
            reply = server.refused(request.id, error, now_ns)
        except Refused as refused:
            reply = refused.message
        except Unreachable as error:
            reply = server.refused(request.id, refusal_of(error), now_ns)
        except Untrusted as error:
            reply = server.refused(request.id, _distrust(error), now_ns)
        self._send(_text(reply | {"id": request.id}))
        if request.method == "private/logout" and "result" in reply:
            self._outbox.finish()

    async def _replied(self, request: Request, turn: Turn, now_ns: Nanos) -> dict[str, Any]:
        server, method, params, link = self._server, request.method, request.params, self._link
        assert link is not None
        if method == "public/auth":
            reply = server.log_in(self._caller, request, now_ns)
            await self._log_in(server.grant_of(self._caller, Params({}), now_ns))
            return reply
        if method in _OURS:
            raise DialectError(Code.NOT_IMPLEMENTED, reason="log in to the signer instead")
        if method.startswith("public/"):
            await turn.come()
            return await link.ask(method, params.values, turn.over)
        grant = server.grant_of(self._caller, params, now_ns)
        await self._log_in(grant)
        sent = await server.prepared(grant, request, now_ns)
        await turn.come()
        return await link.ask(*sent, turn.over)

    async def _log_in(self, grant: Grant) -> None:
        """The link speaks for one client; another one needs another connection. Raises DialectError."""
        async with self._login:
            if self._linked_as == grant.address:
                return
            if self._linked_as:
                raise DialectError(Code.FORBIDDEN, reason="one_client_for_each_connection")
            assert self._link is not None
            await self._link.log_in(self._server.trader(grant).key, "" if grant.rights == -1 else grant.scope)
            self._linked_as = grant.address
            self._caller.grant = self._caller.grant or grant


def _distrust(error: Untrusted) -> DialectError:
    """The venue broke its word: nothing it says is handed on as if it were true."""
    _log.critical("venue_untrusted", error=str(error))
    return DialectError(Code.TEMPORARILY_UNAVAILABLE, reason="venue_must_be_trusted")


def _text(message: Mapping[str, Any]) -> str:
    return _encode(message).decode()


def _answer(message: Mapping[str, Any]) -> web.Response:
    return web.Response(text=_text(message), content_type=_JSON, status=400 if "error" in message else 200)
