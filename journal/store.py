"""What a journal's storage promises, whatever it is made of, and the storage made of memory.

Owns the contract that the tests put to every store, its errors, and `MemoryStore`. May import the standard
library, msgspec and the sans-IO modules of this package.
"""

import asyncio
from collections.abc import AsyncGenerator, Container
from enum import StrEnum
from typing import Literal, Protocol, Self, runtime_checkable

from journal.damage import Damaged, Verifier
from journal.record import Frame, Head, genesis_head

Written = Literal["written", "not_written", "other"]
"""The answer to "was this frame written?"; `other` means that another frame holds its number."""


class StoreError(Exception):
    """A store could not do what it was asked."""


class Fenced(StoreError):
    """The head is not where this writer left it: another has extended the journal. Nothing was written."""


class StoreFailed(StoreError):
    """The store stopped: the last append may or may not be durable, and only `resolve` can tell."""


class Refusal(StrEnum):
    """The rules of start-up, in the order they are checked."""

    WRITER_MUST_BE_ALONE = "writer_must_be_alone"
    ANCHOR_MUST_BE_READABLE = "anchor_must_be_readable"
    WAL_MUST_BE_SOUND = "wal_must_be_sound"
    FILE_MUST_BE_A_JOURNAL = "file_must_be_a_journal"
    JOURNAL_MODE_MUST_BE_WAL = "journal_mode_must_be_wal"
    SYNCHRONOUS_MUST_BE_FULL = "synchronous_must_be_full"
    GENESIS_MUST_MATCH = "genesis_must_match"
    HEAD_MUST_REACH_ANCHOR = "head_must_reach_anchor"
    ANCHOR_MUST_LIE_ON_CHAIN = "anchor_must_lie_on_chain"
    LAST_FRAME_MUST_BE_WHOLE = "last_frame_must_be_whole"
    SCHEMA_MUST_BE_KNOWN = "schema_must_be_known"


class StartupRefused(StoreError):
    """The journal must not be written to as it is; `reason` is the rule it breaks, the message says how."""

    def __init__(self, reason: Refusal, sentence: str) -> None:
        super().__init__(f"{reason}: {sentence}")
        self.reason = reason


@runtime_checkable
class Store(Protocol):
    """Append-only storage of frames with one head.

    After an append that did not end well, for whatever cause, everything but `resolve` and `close` raises
    `StoreFailed`: "raised" and "cancelled" do not mean "not written".
    """

    async def head(self) -> Head:
        """Where the chain stands, read from the storage itself."""
        ...

    async def append(self, frame: Frame, prev_head: bytes) -> None:
        """Make `frame` durable if the head still is `prev_head`; one call at a time.

        Raises `Fenced` if it is not, and `StoreFailed` if the storage failed.
        """
        ...

    def frames(self, from_frame: int = 0) -> AsyncGenerator[Frame, None]:
        """The frames from number `from_frame` on, each checked against the one before. Raises `Damaged`."""
        ...

    async def resolve(self, frame: Frame) -> Written:
        """Whether `frame` was written, asked of the storage and not of memory: the one answer to doubt."""
        ...

    async def anchor_now(self) -> None:
        """Remember the head outside the storage, durably, before this returns."""
        ...

    async def close(self) -> None:
        """Release everything; may be called again, and after a failure."""
        ...


class MemoryStore:
    """A store that forgets on exit, for simulations and tests. Same contract, no disk.

    Stores made over the same `frames_held` list see one journal, as two processes see one file.
    """

    def __init__(
        self,
        genesis: bytes,
        *,
        schemas: Container[bytes] | None = None,
        frames_held: list[Frame] | None = None,
    ) -> None:
        self._genesis = genesis_head(genesis)
        self._schemas = schemas
        self.frames_held: list[Frame] = [] if frames_held is None else frames_held
        self.anchored = self._genesis
        self._doubt: Frame | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        """The store itself."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close it."""
        await self.close()

    async def head(self) -> Head:
        """Where the chain stands."""
        self._check_usable()
        return self._head()

    async def append(self, frame: Frame, prev_head: bytes) -> None:
        """Add `frame` if the head still is `prev_head`."""
        self._check_usable()
        self._doubt = frame
        await asyncio.sleep(0)
        head = self._head()
        if head.hash == prev_head and head.frame_no + 1 == frame.frame_no and head.last_seq + 1 == frame.first_seq:
            self.frames_held.append(frame)
            self._doubt = None
            return
        self._doubt = None
        raise Fenced(f"frame {frame.frame_no} does not follow frame {head.frame_no}")

    async def frames(self, from_frame: int = 0) -> AsyncGenerator[Frame, None]:
        """The frames from number `from_frame` on, each checked against the one before."""
        self._check_usable()
        at = max(from_frame - 1, 0)
        if at > len(self.frames_held):
            return
        verifier = Verifier(self.frames_held[at - 1].position() if at else self._genesis, self._schemas)
        while at < len(self.frames_held):
            frame = self.frames_held[at]
            for finding in verifier.check(frame):
                raise Damaged(finding)
            yield frame
            at += 1
            self._check_usable()

    async def resolve(self, frame: Frame) -> Written:
        """Whether `frame` was written."""
        if len(self.frames_held) < frame.frame_no:
            return "not_written"
        return "written" if self.frames_held[frame.frame_no - 1].head == frame.head else "other"

    async def anchor_now(self) -> None:
        """Remember the head apart from the frames."""
        self._check_usable()
        self.anchored = self._head()

    async def close(self) -> None:
        """Refuse everything from here on but `resolve`."""
        self._closed = True

    def _head(self) -> Head:
        return self.frames_held[-1].position() if self.frames_held else self._genesis

    def _check_usable(self) -> None:
        if self._closed:
            raise StoreFailed("the store is closed")
        if self._doubt is not None:
            raise StoreFailed(f"the append of frame {self._doubt.frame_no} did not end; resolve it")
