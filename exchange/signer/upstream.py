"""The venue, as the signer reaches it: over HTTP for questions and orders of HTTP clients, over one WebSocket for each
client's own. Every receipt is checked. What is not answered is never sent twice.

Imports keys, aiohttp.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

import aiohttp
import msgspec
import structlog

from exchange.dialect.errors import Code, DialectError
from exchange.shell.receipts import Receipts
from exchange.shell.wallet import Untrusted, Venue
from exchange.signer.keys import Key

TIMEOUT_S: Final = 30.0
FRAME_MAX: Final = 16 * 2**20
RENEW_S: Final = 1_200.0
encode: Final = msgspec.json.Encoder(decimal_format="number").encode
_NOBODY: Final = Venue("", 0, "", "")
_log = structlog.get_logger(__name__)


class Unreachable(Exception):
    """There is no venue to ask, or it hung up before it answered; ``sent``: it may have heard."""

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent


def refusal_of(error: Unreachable) -> DialectError:
    """What the client is told. An order that may have been heard is not called refused."""
    if error.sent:
        rule = "Ask private/get_order_state_by_label before sending it again."
        return DialectError(Code.TIMED_OUT, reason="venue_hung_up_before_it_answered", rule=rule)
    return DialectError(Code.TEMPORARILY_UNAVAILABLE, reason="venue_is_out_of_reach")


class Upstream:
    """One venue. Use as an async context manager: one that is pinned is entered only once it has shown that it is."""

    def __init__(self, url: str, pinned: Venue | None) -> None:
        self.venue = pinned or _NOBODY
        self.receipts = Receipts()
        self._url = url
        self._http = url.replace("ws", "http", 1).removesuffix("/ws/api/v2")
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        try:
            if self.venue is not _NOBODY:
                await self.require_pinned()
        except BaseException:
            await self._session.close()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def require_pinned(self) -> None:
        """Raise Untrusted unless the venue's contracts, chain and operator are those of the settings."""
        shown = await self.seen()
        if shown != self.venue:
            raise Untrusted(f"{shown} is not {self.venue}")

    async def seen(self) -> Venue:
        """What the venue says it is. Raises Refused, Unreachable."""
        return msgspec.convert((await self.result("public/status", {}))["x_venue"], Venue)

    # -- HTTP ---------------------------------------------------------------------------------------------------------

    async def ask(self, method: str, params: Mapping[str, Any], token: str = "") -> dict[str, Any]:
        """The venue's reply, refusals included. Raises Unreachable or Untrusted."""
        body = encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        return await self._told("POST", "/api/v2", token, data=body)

    async def get(self, method: str, query: Mapping[str, str], token: str = "") -> dict[str, Any]:
        """The same for parameters as query text, read by the venue as such."""
        return await self._told("GET", f"/api/v2/{method}", token, params=dict(query))

    async def _told(self, verb: str, path: str, token: str, **what: Any) -> dict[str, Any]:
        assert self._session is not None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            async with self._session.request(verb, self._http + path, headers=headers, **what) as reply:
                message = msgspec.json.decode(await reply.read())
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(str(error), sent=False) from error
        except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError) as error:
            raise Unreachable(repr(error), sent=True) from error
        return self.checked(message)

    def checked(self, message: Any) -> dict[str, Any]:
        """A reply with a sound receipt, if it has one. Raises Untrusted."""
        if not isinstance(message, dict):
            raise Untrusted("a reply that is no object")
        self.receipts.take(self.venue, message)
        return message

    async def result(self, method: str, params: Mapping[str, Any], token: str = "") -> Any:
        """The result of a question. Raises DialectError with the venue's refusal, Unreachable, Untrusted."""
        return result_of(await self.ask(method, params, token))

    # -- WebSocket ----------------------------------------------------------------------------------------------------

    async def link(self, heard: Callable[[str], None], ended: Callable[[str], None]) -> "Link":
        """A connection of one client's own: ``heard`` gets notifications, ``ended`` why it is over."""
        assert self._session is not None
        try:
            socket = await self._session.ws_connect(
                self._url, max_msg_size=FRAME_MAX, timeout=aiohttp.ClientWSTimeout(ws_close=2.0), heartbeat=20.0
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unreachable(repr(error), sent=False) from error
        return Link(self, socket, heard, ended)


def result_of(message: Mapping[str, Any]) -> Any:
    """The result of a reply. Raises Refused."""
    if "error" in message:
        raise Refused(message)
    return message["result"]


class Refused(Exception):
    """The venue said no; its words are handed on."""

    def __init__(self, message: Mapping[str, Any]) -> None:
        super().__init__(str(message["error"].get("message")))
        self.message = dict(message)


async def logged_in(ask: Callable[[str, Mapping[str, Any]], Any], key: Key, scope: str) -> dict[str, Any]:
    """Log in with a key over whatever asks. Raises Refused, Unreachable."""
    now_ms = result_of(await ask("public/get_time", {}))
    params = key.login(now_ms, secrets.token_hex(16)) | ({"scope": scope} if scope else {})
    grant: dict[str, Any] = result_of(await ask("public/auth", params))
    return grant


class Link:
    """One WebSocket to the venue."""

    def __init__(
        self,
        upstream: Upstream,
        socket: aiohttp.ClientWebSocketResponse,
        heard: Callable[[str], None],
        ended: Callable[[str], None],
    ) -> None:
        self._upstream = upstream
        self._socket = socket
        self._heard = heard
        self._ended = ended
        self._ids = 0
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._is_over = False
        self._reader = asyncio.create_task(self._read(), name="signer link")
        self._renewer: asyncio.Task[None] | None = None

    async def ask(
        self, method: str, params: Mapping[str, Any], sent: Callable[[], None] = lambda: None
    ) -> dict[str, Any]:
        """The venue's reply, refusals included; ``sent`` is called once it is on its way. Raises Unreachable or
        Untrusted.
        """
        if self._is_over:
            raise Unreachable("the connection is over", sent=False)
        self._ids += 1
        waiter = self._waiting[self._ids] = asyncio.get_running_loop().create_future()
        message = {"jsonrpc": "2.0", "id": self._ids, "method": method, "params": params}
        try:
            await self._socket.send_str(encode(message).decode())
        except ConnectionError as error:
            self._waiting.pop(self._ids, None)
            raise Unreachable(repr(error), sent=False) from error
        sent()
        reply: dict[str, Any] = await waiter
        return reply

    async def log_in(self, key: Key, scope: str) -> None:
        """Log in, and again before the login runs out, for as long as the connection lives."""
        await logged_in(self.ask, key, scope)
        if self._renewer is None:
            self._renewer = asyncio.create_task(self._renew(key, scope), name="signer login")

    async def _renew(self, key: Key, scope: str) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            try:
                await logged_in(self.ask, key, scope)
            except (Refused, Unreachable, Untrusted) as error:
                self._end(f"login not renewed: {error}")
                return

    async def _read(self) -> None:
        why = "venue hung up"
        try:
            async for frame in self._socket:
                if frame.type is aiohttp.WSMsgType.TEXT:
                    self._take(frame.data)
        except Untrusted as error:
            _log.critical("venue_untrusted", error=str(error))
            why = "venue untrusted"
        except msgspec.MsgspecError:
            why = "venue unreadable"
        finally:
            self._end(why)

    def _take(self, text: str) -> None:
        message = msgspec.json.decode(text)
        if isinstance(message, dict) and "id" not in message:
            self._heard(text)
            return
        message = self._upstream.checked(message)
        waiter = self._waiting.pop(message["id"], None) if isinstance(message["id"], int) else None
        if waiter is not None and not waiter.done():
            waiter.set_result(message)

    def _end(self, why: str) -> None:
        if self._is_over:
            return
        self._is_over = True
        for waiter in self._waiting.values():
            if not waiter.done():
                waiter.set_exception(Unreachable(why, sent=True))
                waiter.exception()  # a caller that gave up is not missed
        self._ended(why)

    async def close(self) -> None:
        """Hang up."""
        tasks = [task for task in (self._reader, self._renewer) if task is not None]
        with contextlib.suppress(ConnectionError):
            await self._socket.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._end("closed")
