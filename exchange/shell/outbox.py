"""What waits to be written to one connection: bounded, in order, some of it replaceable. Imports nothing."""

import asyncio
from collections import deque
from typing import Final, NamedTuple

MESSAGES_MAX: Final = 4_096
CHARS_MAX: Final = 16 * 2**20


class Overflow(Exception):
    """More waits than the connection may hold: its reader is too slow."""


class _Slot(NamedTuple):
    key: str


class Outbox:
    """Messages in order. A replaceable message keeps its place and takes its newest text."""

    def __init__(self, messages_max: int = MESSAGES_MAX, chars_max: int = CHARS_MAX) -> None:
        self._items: deque[str | _Slot] = deque()
        self._latest: dict[str, str] = {}
        self._chars = 0
        self._messages_max = messages_max
        self._chars_max = chars_max
        self._arrived = asyncio.Event()
        self._finished = False

    def __len__(self) -> int:
        """Messages waiting."""
        return len(self._items)

    def put(self, text: str) -> None:
        """Queue a message that may not be lost. Raises Overflow."""
        self._append(text, len(text))

    def put_latest(self, key: str, text: str) -> None:
        """Queue a message, or replace the one of this key that has not been written yet. Raises Overflow."""
        waiting = self._latest.get(key)
        if waiting is None:
            self._append(_Slot(key), len(text))
        else:
            self._chars += len(text) - len(waiting)
        self._latest[key] = text

    def _append(self, item: str | _Slot, chars: int) -> None:
        crowded = len(self._items) >= self._messages_max or self._chars + chars > self._chars_max
        if crowded and self._items:
            raise Overflow(f"{len(self._items)} messages, {self._chars} characters wait")
        self._items.append(item)
        self._chars += chars
        self._arrived.set()

    def finish(self) -> None:
        """Nothing more will be put: ``take`` returns None after the last message."""
        self._finished = True
        self._arrived.set()

    async def take(self) -> str | None:
        """The next message to write, or None when that was all."""
        while not self._items:
            if self._finished:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        item = self._items.popleft()
        text = self._latest.pop(item.key) if isinstance(item, _Slot) else item
        self._chars -= len(text)
        return text
