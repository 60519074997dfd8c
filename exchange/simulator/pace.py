"""Simulated time at a pace: the clock stands at what happens, and runs between for whoever else looks at it.

What the simulation does is stamped with the moment it is due, at any pace; that is why the pace does not show in the
journal. Imports clock.
"""

import asyncio
import time

from exchange.core.units import NANOS_PER_SECOND, Nanos, Seconds
from exchange.shell.clock import ManualClock


class PacedClock(ManualClock):
    """Moved by ``until``; with a speed, no faster than so many seconds of its own in one of the world's."""

    def __init__(self, start_s: Seconds, speed: int | None) -> None:
        super().__init__(start_s)
        self._speed = speed
        self._began: tuple[Nanos, Nanos] | None = None
        self._ahead: Nanos | None = None  # the moment that is waited for

    def now_ns(self) -> Nanos:
        """The moment it stands at; while it waits, as far towards the next as its pace has come."""
        stands = super().now_ns()
        return stands if self._ahead is None else min(max(stands, self._running()), self._ahead)

    def begin(self) -> None:
        """The pace counts from here."""
        self._began = (time.monotonic_ns(), super().now_ns())

    async def until(self, time_ns: Nanos, stop: asyncio.Event) -> None:
        """Move to a moment, no sooner than the pace allows; at once when told to stop."""
        if self._speed is not None:
            self._ahead = time_ns
            try:
                left_s = (time_ns - self._running()) / self._speed / NANOS_PER_SECOND
                if left_s > 0:
                    async with asyncio.timeout(left_s):
                        await stop.wait()
            except TimeoutError:
                pass  # the moment has come
            finally:
                self._ahead = None
        self.move_to(time_ns)

    def _running(self) -> Nanos:
        assert self._began is not None
        assert self._speed is not None
        real_ns, own_ns = self._began
        return own_ns + (time.monotonic_ns() - real_ns) * self._speed
