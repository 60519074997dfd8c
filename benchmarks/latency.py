"""Waiting times as those who wait see them: against a timetable, not one after another.

A closed loop asks the next question when the last one is answered, so a slow answer delays the questions behind it and
they never count as slow: coordinated omission. Here commands are due at fixed times, and each waits from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

HEADINGS = f"{'p50 us':>9} {'p99 us':>9} {'p99.9 us':>9}"


class Waits(NamedTuple):
    """Nanoseconds from when a command was due until it was answered: the median, the 99th and the 999th permille."""

    p50: int
    p99: int
    p999: int

    def __str__(self) -> str:
        return " ".join(f"{nanos / 1e3:>9,.1f}" for nanos in self)


def percentiles(nanos: Sequence[int]) -> Waits:
    """Of times in any order."""
    ordered = sorted(nanos)
    return Waits(*(ordered[min(len(ordered) * permille // 1000, len(ordered) - 1)] for permille in (500, 990, 999)))


def on_timetable(service_ns: Sequence[int], interval_ns: int) -> list[int]:
    """How long each command waits if one is due every ``interval_ns`` and one is served at a time, in that order.

    The service times are measured, the timetable is arithmetic: a command is begun when it is due and the one before it
    is done.
    """
    free, waits = 0, []
    for turn, service in enumerate(service_ns):
        due = turn * interval_ns
        free = max(free, due) + service
        waits.append(free - due)
    return waits
