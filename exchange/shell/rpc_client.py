"""A JSON-RPC 2.0 client over HTTP or WebSocket: bounded, timed, typed. Knows nothing of blocks.

Owns connections and the matching of answers to questions. May import aiohttp and msgspec. A read that meets
a broken connection is asked again, with backoff; anything else is sent once, since the node may have acted
on it unheard.
"""

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

import aiohttp
import msgspec

from exchange.shell.chain import ChainUnavailable, NodeError

_RETRY_DELAYS_S = (0.1, 0.4, 1.6)
_MESSAGE_MAX = 64 << 20  # bytes of one answer

Call = tuple[str, list[Any]]


class _Error(msgspec.Struct):
    code: int
    message: str
    data: Any = None


class Reply(msgspec.Struct):
    """One answer; `result` is JSON still, decoded by whoever knows its shape."""

    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _Error | None = None


_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(Reply | list[Reply]).decode


class Transport(Protocol):
    """Carries one encoded message and the answers that belong to `ids`."""

    async def exchange(self, message: bytes, ids: list[int]) -> dict[int, Reply]:
        """Raises ChainUnavailable."""
        ...

    async def close(self) -> None:
        """Release the connection."""
        ...


class HttpTransport:
    """One POST per message over a kept-alive pool."""

    def __init__(self, url: str, timeout_s: float) -> None:
        """Connects on first use."""
        self._url = url
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(timeout_s))

    async def exchange(self, message: bytes, ids: list[int]) -> dict[int, Reply]:
        """Post and read the whole answer."""
        headers = {"Content-Type": "application/json"}
        try:
            async with self._session.post(self._url, data=message, headers=headers) as response:
                body = await _read(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ChainUnavailable(f"{self._url}: {_words(error)}") from error
        return _by_id(_parse(body, f"{self._url} answered {response.status}"), ids)

    async def close(self) -> None:
        """Close the pool."""
        await self._session.close()


class WebSocketTransport:
    """One socket, opened on demand and again after it broke; answers arrive in any order."""

    def __init__(self, url: str, timeout_s: float) -> None:
        """Connects on first use."""
        self._url, self._timeout_s = url, timeout_s
        self._session = aiohttp.ClientSession()
        self._opening = asyncio.Lock()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[Reply]] = {}

    async def exchange(self, message: bytes, ids: list[int]) -> dict[int, Reply]:
        """Send, then wait until every id is answered."""
        socket = await self._connected()
        loop = asyncio.get_running_loop()
        futures = {id_: loop.create_future() for id_ in ids}
        self._waiting.update(futures)
        try:
            async with asyncio.timeout(self._timeout_s):
                await socket.send_str(message.decode())
                return dict(zip(ids, await asyncio.gather(*futures.values()), strict=True))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ChainUnavailable(f"{self._url}: {_words(error)}") from error
        finally:
            for id_ in ids:
                self._waiting.pop(id_, None)

    async def _connected(self) -> aiohttp.ClientWebSocketResponse:
        async with self._opening:
            if self._socket is None or self._socket.closed:
                await self._stop_reading()
                try:
                    async with asyncio.timeout(self._timeout_s):
                        self._socket = await self._session.ws_connect(self._url, max_msg_size=_MESSAGE_MAX)
                except (aiohttp.ClientError, TimeoutError, OSError) as error:
                    raise ChainUnavailable(f"{self._url}: {_words(error)}") from error
                self._reader = asyncio.create_task(self._read(self._socket))
            return self._socket

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Deliver answers until the socket ends; then nobody may go on waiting."""
        reason = "the connection ended"
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._deliver(_parse(message.data.encode(), self._url))
        except ChainUnavailable as error:
            reason = str(error)
            await socket.close()
        finally:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(ChainUnavailable(f"{self._url}: {reason}"))

    def _deliver(self, replies: list[Reply]) -> None:
        for reply in replies:
            future = None if reply.id is None else self._waiting.get(reply.id)
            if future is not None and not future.done():
                future.set_result(reply)

    async def _stop_reading(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader

    async def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            await self._socket.close()
        await self._stop_reading()
        await self._session.close()


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__  # a timeout has no words of its own


async def _read(response: aiohttp.ClientResponse) -> bytes:
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > _MESSAGE_MAX:
            raise ChainUnavailable(f"{response.url} answered with more than {_MESSAGE_MAX} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _parse(body: bytes, context: str) -> list[Reply]:
    try:
        replies = _DECODE(body)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ChainUnavailable(f"{context}: not JSON-RPC") from error
    return replies if isinstance(replies, list) else [replies]


def _by_id(replies: list[Reply], ids: list[int]) -> dict[int, Reply]:
    found = {reply.id: reply for reply in replies if reply.id is not None}
    if len(replies) == 1 and replies[0].error is not None and replies[0].id is None:
        return dict.fromkeys(ids, replies[0])  # the node refused the message as a whole
    missing = [id_ for id_ in ids if id_ not in found]
    if missing:
        raise ChainUnavailable(f"no answer to {len(missing)} of {len(ids)} questions")
    return {id_: found[id_] for id_ in ids}


class RpcClient:
    """Questions to one node, at most `concurrency` messages under way at once."""

    def __init__(self, url: str, *, timeout_s: float = 10.0, concurrency: int = 32) -> None:
        """http, https, ws or wss. Raises ValueError for another scheme."""
        scheme = url.partition("://")[0]
        if scheme not in ("http", "https", "ws", "wss"):
            raise ValueError(f"cannot speak to {url}: http, https, ws or wss")
        transport = WebSocketTransport if scheme.startswith("ws") else HttpTransport
        self._transport: Transport = transport(url, timeout_s)
        self._room = asyncio.Semaphore(concurrency)
        self._ids = itertools.count(1)

    async def read(self, method: str, *params: object) -> msgspec.Raw:
        """Ask something that changes nothing; retried. Raises ChainUnavailable, NodeError."""
        return (await self.read_all([(method, list(params))]))[0]

    async def read_all(self, calls: Sequence[Call]) -> list[msgspec.Raw]:
        """Ask several things in one message; retried as a whole. Raises the first error among the answers."""
        for delay_s in _RETRY_DELAYS_S:
            try:
                return await self._ask(calls)
            except ChainUnavailable:
                await asyncio.sleep(delay_s)
        return await self._ask(calls)

    async def act(self, method: str, *params: object) -> msgspec.Raw:
        """Tell the node to do something; sent once. After ChainUnavailable it may or may not have been done."""
        return (await self._ask([(method, list(params))]))[0]

    async def _ask(self, calls: Sequence[Call]) -> list[msgspec.Raw]:
        ids = [next(self._ids) for _ in calls]
        messages = [
            {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}
            for id_, (method, params) in zip(ids, calls, strict=True)
        ]
        message = _ENCODE(messages[0] if len(messages) == 1 else messages)
        async with self._room:
            replies = await self._transport.exchange(message, ids)
        return [_result(replies[id_]) for id_ in ids]

    async def close(self) -> None:
        """Release the connection."""
        await self._transport.close()


def _result(reply: Reply) -> msgspec.Raw:
    if reply.error is not None:
        raise NodeError(reply.error.code, reply.error.message, reply.error.data)
    return reply.result
