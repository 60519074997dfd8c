"""What has arrived and was not looked at yet: two lanes, and a shelf for orders that are held back.

Owns the order in which the sequencer takes things up. No clock and no tasks: the moment is handed in. Every item is
found here until it has been taken, so that none is left unanswered. Imports precedence, commands.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import msgspec

from exchange.core import commands as c
from exchange.core.state import State
from exchange.core.units import Nanos
from exchange.shell.precedence import TAKE_BACK, Entry, Turn, account_of, takes_back


class Submission(msgspec.Struct, eq=False):
    """A command, how to answer it, and who waits for the answer."""

    command: c.AnyCommand
    render: Callable[[State, Any], Any]
    waiter: asyncio.Future[Any]
    signed: bool
    number: int = 0  # given on arrival
    is_gone: bool = False  # taken back: it keeps its place and is passed over there
    unless: Callable[[State], Any] | None = None  # an answer there may be already, when its turn has come


class Query(msgspec.Struct, eq=False):
    """A question to the state, in turn with the orders."""

    ask: Callable[[State], Any]
    waiter: asyncio.Future[Any]


class Inbox:
    """First in, first out in each lane. ``len`` counts everything that waits, held back or not."""

    def __init__(self) -> None:
        self._ahead: deque[Submission] = deque()
        self._turn: deque[Submission | Query] = deque()
        self._held: deque[tuple[Nanos, Submission]] = deque()
        self._entries: dict[int, list[Submission]] | None = None  # by account, within a drain: may be taken back
        self._count = 0

    def __len__(self) -> int:
        return len(self._ahead) + len(self._turn) + len(self._held)

    @property
    def ready(self) -> int:
        """How many may be taken now."""
        return len(self._ahead) + len(self._turn)

    @property
    def due_ns(self) -> Nanos | None:
        """When the first of those held back may be taken."""
        return self._held[0][0] if self._held else None

    @property
    def brings_facts(self) -> bool:
        """Whether something the chain said is to be taken next."""
        return bool(self._ahead) and isinstance(self._ahead[0].command, c.Observation)

    def ask(self, query: Query) -> None:
        """Put a question in turn."""
        self._turn.append(query)

    def put(self, item: Submission, turn: Turn, now_ns: Nanos = 0, delay_ns: Nanos = 0) -> None:
        """Put a command where its turn belongs. One that can take is held back by the delay and bears its arrival."""
        item.number = self._count = self._count + 1
        if turn is Turn.AHEAD:
            self._ahead.append(item)
            return
        if turn is Turn.TAKING and delay_ns and isinstance(item.command, c.Place | c.Amend | c.AcceptRfq):
            item.command = msgspec.structs.replace(item.command, arrived_ns=now_ns)
            self._held.append((now_ns + delay_ns, item))
        else:
            self._turn.append(item)

    @property
    def held(self) -> int:
        """How many are held back."""
        return len(self._held)

    @property
    def held_until_ns(self) -> Nanos | None:
        """When the last of those held back may get in line; None if none is."""
        return self._held[-1][0] if self._held else None

    def release(self, now_ns: Nanos) -> None:
        """Those held back long enough get in line, in the order of their arrival, behind all that stands there."""
        while self._held and self._held[0][0] <= now_ns:
            self._turn.append(self._held.popleft()[1])

    def drain(self, most: int) -> Iterator[Submission | Query]:
        """What is to be taken now, at most so many; each stays in here until the next one is asked for."""
        self._entries = None  # others have arrived since it was made
        for _ in range(most):
            lane: deque[Any] = self._ahead or self._turn
            if not lane:
                return
            yield lane[0]
            lane.popleft()

    def take_back(self, item: Submission) -> Iterator[Submission]:
        """Orders that a command which overtakes them ends before they are entered. They will be passed over."""
        assert isinstance(item.command, TAKE_BACK)
        if self._entries is None:  # once in a drain at most, however many cancel everything in it
            self._entries = self._waiting_entries()
        for entry in self._entries.get(item.command.account, ()):
            assert isinstance(entry.command, Entry)
            if not entry.is_gone and entry.number < item.number and takes_back(item.command, entry.command):
                entry.is_gone = True
                yield entry

    def _waiting_entries(self) -> dict[int, list[Submission]]:
        found: dict[int, list[Submission]] = {}
        for item in chain(self._turn, (held for _, held in self._held)):
            if isinstance(item, Submission) and isinstance(item.command, Entry):
                found.setdefault(account_of(item.command), []).append(item)
        return found

    def waiters(self) -> Iterator[asyncio.Future[Any]]:
        """Everyone who waits for something in here."""
        return (item.waiter for item in chain(self._ahead, self._turn, (held for _, held in self._held)))
