"""What is to happen, in order of time; what falls on the same moment happens in the order it was put down."""

import heapq
from collections.abc import Awaitable, Callable

from exchange.core.units import Nanos

Action = Callable[[], Awaitable[None]]


class Agenda:
    """A calendar of actions."""

    def __init__(self) -> None:
        self._items: list[tuple[Nanos, int, Action]] = []
        self._count = 0

    def put(self, time_ns: Nanos, action: Action) -> None:
        """At this moment."""
        self._count += 1
        heapq.heappush(self._items, (time_ns, self._count, action))

    def next(self) -> tuple[Nanos, Action]:
        """The earliest; there must be one."""
        time_ns, _, action = heapq.heappop(self._items)
        return time_ns, action
