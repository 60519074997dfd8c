"""A connection's number in the journal: given with its first order, taken back when it ends.

What becomes of the orders is the machine's decision; here it is told that somebody came and that somebody went. A
venue that starts tells it that everybody went, before anybody can come. Imports core, dialect, sequencer's errors.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import structlog

from exchange.core import commands as c
from exchange.core.events import Rejected
from exchange.core.state import State
from exchange.dialect.errors import DialectError, refuse
from exchange.publisher.notes import Outcome
from exchange.session import Submit
from exchange.shell.sequencer import Halted

_log = structlog.get_logger(__name__)


class Records(Protocol):
    """The sequencer, as far as it is needed here."""

    async def submit(self, command: c.AnyCommand, render: Callable[[State, Outcome], Any]) -> tuple[Any, Any]:
        """Sequence a command; returns once it is durable."""
        ...


class Attendance:
    """Whether a connection has a number, and which."""

    def __init__(self, backend: Records) -> None:
        self._backend = backend
        self._opening: asyncio.Future[int] | None = None

    async def number(self, by: bytes) -> int:
        """The connection's number; the first to ask has it written down. Raises DialectError, Halted."""
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._open(by))
        return await asyncio.shield(self._opening)

    async def minded(self, work: Submit, by: bytes) -> Submit:
        """The same work, in the name of this connection."""
        command = msgspec.structs.replace(work.command, session=await self.number(by))
        return work._replace(command=command)

    async def _open(self, by: bytes) -> int:
        outcome, _ = await self._backend.submit(c.OpenSession(by), _outcome)
        first = outcome.events[0]
        if isinstance(first, Rejected):
            self._opening = None  # there may be room for the next order
            raise refuse(first)
        return int(outcome.seq)

    async def leave(self, *, keeps: bool) -> None:
        """The connection is gone. A venue that has stopped hears of it at its next start."""
        if self._opening is None:
            return
        try:
            number = await self._opening
            purging, _ = await self._backend.submit(c.EndSession(number, keeps), _is_purging)
            while purging:
                purging, _ = await self._backend.submit(c.Proceed(), _is_purging)
        except (Halted, DialectError) as error:
            _log.info("connection_end_untold", why=str(error))


def _outcome(_state: State, outcome: Outcome) -> Outcome:
    return outcome


def _is_purging(state: State, _outcome: Outcome) -> bool:
    return bool(state.purges)
