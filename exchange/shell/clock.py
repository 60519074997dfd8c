"""Where time comes from: the one place that reads the clock, and the clock a demonstration or a test turns by hand."""

import asyncio
import time
from typing import Protocol

from exchange.core.units import NANOS_PER_SECOND, Nanos, Seconds


class Clock(Protocol):
    """UTC nanoseconds, and waiting for a moment of it."""

    def now_ns(self) -> Nanos:
        """Nanoseconds since the epoch."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return once ``seconds`` of this clock have passed."""
        ...


class SystemClock:
    """The machine's clock as it stood when this was made, carried on by one that nobody sets.

    A wall clock that is set back would let prices grow old unnoticed; one set forward would end every order.
    """

    def __init__(self) -> None:
        self._since_ns = time.time_ns() - time.monotonic_ns()

    def now_ns(self) -> Nanos:
        """Nanoseconds since the epoch."""
        return self._since_ns + time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        """Sleep for real."""
        await asyncio.sleep(seconds)


class ManualClock:
    """Stands still until moved: compressed time. Sleepers wake, earliest first, as it passes their moment."""

    def __init__(self, start_s: Seconds) -> None:
        self._now_ns = start_s * NANOS_PER_SECOND
        self._sleepers: list[tuple[Nanos, int, asyncio.Future[None]]] = []
        self._count = 0

    def now_ns(self) -> Nanos:
        """The moment it was moved to."""
        return self._now_ns

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been moved far enough."""
        waker = asyncio.get_running_loop().create_future()
        self._count += 1
        self._sleepers.append((self._now_ns + int(seconds * NANOS_PER_SECOND), self._count, waker))
        await waker

    def move_to(self, time_ns: Nanos) -> None:
        """Let time pass; it never runs backwards."""
        self._now_ns = max(self._now_ns, time_ns)
        due = sorted(item for item in self._sleepers if item[0] <= self._now_ns)
        self._sleepers = [item for item in self._sleepers if item[0] > self._now_ns]
        for _, _, waker in due:
            if not waker.done():
                waker.set_result(None)
