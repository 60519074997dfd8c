"""What a client reads of its channels: a bounded queue that ends instead of dropping. Imports nothing of the venue."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple


class Disconnected(Exception):
    """The connection ended before an answer came; what was sent may or may not have been sequenced."""


class Lagging(Exception):
    """The reader of a subscription fell behind its bounded queue; the subscription is over."""


class Notification(NamedTuple):
    """One message of a channel."""

    channel: str
    data: Any


class Subscription:
    """Messages of a set of channels, in order. Ends with the connection; raises Lagging when read too slowly."""

    def __init__(
        self, channels: tuple[str, ...], limit: int, leave: Callable[["Subscription"], Awaitable[None]]
    ) -> None:
        self.channels = channels
        self._leave = leave
        self._queue: asyncio.Queue[Notification | Exception] = asyncio.Queue(limit + 1)
        self._over = False

    def __aiter__(self) -> AsyncIterator[Notification]:
        return self._messages()

    async def _messages(self) -> AsyncIterator[Notification]:
        with contextlib.suppress(Disconnected):
            while True:
                yield await self.get()

    async def get(self) -> Notification:
        """The next message. Raises Disconnected or Lagging once nothing more will come."""
        item = await self._queue.get()
        if isinstance(item, Exception):
            self._queue.put_nowait(item)  # whoever asks again hears it again
            raise item
        return item

    async def close(self) -> None:
        """Stop receiving."""
        await self._leave(self)

    def push(self, message: Notification) -> None:
        """Hand over one message; a full queue ends the subscription instead of dropping anything silently."""
        if self._over:
            return
        if self._queue.qsize() >= self._queue.maxsize - 1:
            self.end(Lagging(f"{self._queue.qsize()} messages unread"))
        else:
            self._queue.put_nowait(message)

    def end(self, why: Exception) -> None:
        """Nothing more will come."""
        if not self._over:
            self._over = True
            self._queue.put_nowait(why)
