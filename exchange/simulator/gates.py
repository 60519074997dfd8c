"""Doors that a simulation can shut: between the venue and its chain, and between the journal and its disk.

Imports chain, journal.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

from exchange.shell.chain import Chain, ChainUnavailable
from journal import Frame, Head, Store, Written


class ChainGate:
    """A chain that answers nothing while it is shut. Everything else it passes on."""

    def __init__(self, chain: Chain, is_shut: Callable[[], bool]) -> None:
        self._chain = chain
        self._is_shut = is_shut

    def __getattr__(self, name: str) -> Any:
        """What the chain has of this name; methods refuse while the gate is shut."""
        found = getattr(self._chain, name)
        if not callable(found) or name == "close":
            return found

        async def asked(*args: Any, **options: Any) -> Any:
            if self._is_shut():
                raise ChainUnavailable("the simulated node is down")
            return await found(*args, **options)

        return asked


class Stall:
    """Whether the disk takes anything, and whether somebody waits for it."""

    def __init__(self) -> None:
        self.waited_for = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()

    @property
    def is_on(self) -> bool:
        """Whether nothing gets through."""
        return not self._open.is_set()

    def begin(self) -> None:
        """Nothing gets through from here."""
        self._open.clear()

    def end(self) -> None:
        """What waits goes through."""
        self.waited_for.clear()
        self._open.set()

    async def passing(self) -> None:
        """Wait until it is over."""
        if self.is_on:
            self.waited_for.set()
            await self._open.wait()


class StoreGate:
    """A store whose appends wait while its disk stalls."""

    def __init__(self, store: Store, stall: Stall) -> None:
        self._store = store
        self._stall = stall

    async def head(self) -> Head:
        """As of ``Store``."""
        return await self._store.head()

    async def append(self, frame: Frame, prev_head: bytes) -> None:
        """As of ``Store``, once the disk takes it."""
        await self._stall.passing()
        await self._store.append(frame, prev_head)

    def frames(self, from_frame: int = 0) -> AsyncGenerator[Frame, None]:
        """As of ``Store``."""
        return self._store.frames(from_frame)

    async def resolve(self, frame: Frame) -> Written:
        """As of ``Store``."""
        return await self._store.resolve(frame)

    async def anchor_now(self) -> None:
        """As of ``Store``."""
        await self._store.anchor_now()

    async def close(self) -> None:
        """As of ``Store``."""
        await self._store.close()
