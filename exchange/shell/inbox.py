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
from exchange.shell.precedence import Entry, Turn, account_of, takes_back


class Submission:
    """A command, how to answer it, and who waits for the answer."""

    __slots__ = ("command", "is_gone", "number", "render", "signed", "waiter")

    def __init__(
        self, command: c.AnyCommand, render: Callable[[State, Any], Any], waiter: asyncio.Future[Any], *, signed: bool
    ) -> None:
        self.command = command
        self.render = render
        self.waiter = waiter
        self.signed = signed
        self.number = 0  # given on arrival
        self.is_gone = False  # taken back: it keeps its place and is passed over there


class Query:
    """A question to the state, in turn with the orders."""

    __slots__ = ("ask", "waiter")

    def __init__(self, ask: Callable[[State], Any], waiter: asyncio.Future[Any]) -> None:
        self.ask = ask
        self.waiter = waiter


class Inbox:
    """First in, first out in each lane. ``len`` counts everything that waits, held back or not."""

    def __init__(self) -> None:
        self._ahead: deque[Submission] = deque()
        self._turn: deque[Submission | Query] = deque()
        self._held: deque[tuple[Nanos, Submission]] = deque()
        self._entries: dict[int, dict[int, Submission]] = {}  # by account: orders that may still be taken back
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

    def ask(self, query: Query) -> None:
        """Put a question in turn."""
        self._turn.append(query)

    def put(self, item: Submission, turn: Turn, now_ns: Nanos = 0, delay_ns: Nanos = 0) -> None:
        """Put a command where its turn belongs. One that can take is held back by the delay and bears its arrival."""
        self._count += 1
        item.number = self._count
        if turn is Turn.AHEAD:
            self._ahead.append(item)
            return
        if isinstance(item.command, Entry):
            self._entries.setdefault(account_of(item.command), {})[item.number] = item
        if turn is Turn.TAKING and delay_ns and isinstance(item.command, c.Place | c.Amend):
            item.command = msgspec.structs.replace(item.command, arrived_ns=now_ns)
            self._held.append((now_ns + delay_ns, item))
        else:
            self._turn.append(item)

    def release(self, now_ns: Nanos) -> None:
        """Those held back long enough get in line, in the order of their arrival, behind all that stands there."""
        while self._held and self._held[0][0] <= now_ns:
            self._turn.append(self._held.popleft()[1])

    def first(self) -> Submission | Query:
        """What is to be taken next; it stays here until ``take``."""
        return self._ahead[0] if self._ahead else self._turn[0]

    def take(self) -> None:
        """Forget what is first: it has been dealt with."""
        item = self._ahead.popleft() if self._ahead else self._turn.popleft()
        if isinstance(item, Submission):
            self._forget(item)

    def take_back(self, item: Submission) -> Iterator[Submission]:
        """Orders that a command which overtook them ends before they are entered. They will be passed over."""
        if not isinstance(item.command, c.CancelAll | c.CancelQuotes):
            return
        for entry in list(self._entries.get(item.command.account, {}).values()):
            assert isinstance(entry.command, Entry)
            if entry.number < item.number and takes_back(item.command, entry.command):
                entry.is_gone = True
                self._forget(entry)
                yield entry

    def waiters(self) -> Iterator[asyncio.Future[Any]]:
        """Everyone who waits for something in here."""
        return (item.waiter for item in chain(self._ahead, self._turn, (held for _, held in self._held)))

    def _forget(self, item: Submission) -> None:
        if not isinstance(item.command, Entry):
            return
        account = account_of(item.command)
        entries = self._entries.get(account, {})
        entries.pop(item.number, None)
        if not entries:
            self._entries.pop(account, None)
