"""What a constructor for each number would cost on the trading path: the measurement behind docs/adr/0002.

Counts the arithmetic results of one resting and one filling order in the core, by tracing every instruction, and times
the call that would wrap each of them. `python benchmarks/aliases.py`
"""

from __future__ import annotations

import dis
import platform
import sys
import timeit
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NewType

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "tests/core")]

from core_venue import USDC, Venue, standard_venue  # type: ignore[import-not-found]  # noqa: E402

Cash = NewType("Cash", int)
LOOPS = 1_000_000
PRICE = 500 * USDC


def operations(action: Callable[[], object]) -> int:
    """Binary operations that the core executes while an action runs."""
    count = 0

    def instruction(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "opcode" and dis.opname[frame.f_code.co_code[frame.f_lasti]] == "BINARY_OP"
        return instruction

    def call(frame: FrameType, _event: str, _argument: Any) -> Any:
        if "/core/" not in frame.f_code.co_filename or "exchange" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes = True
        return instruction

    sys.settrace(call)
    try:
        action()
    finally:
        sys.settrace(None)
    return count


def main() -> None:
    """Print both counts, the price of one constructor, and what they come to."""
    venue: Venue = standard_venue()
    venue.fund(1, 10_000_000)
    venue.fund(2, 10_000_000)
    series = min(venue.state.series)
    venue.place(1, series, False, 1_000, PRICE)
    resting = operations(lambda: venue.place(1, series, False, 1_000, PRICE))
    filling = operations(lambda: venue.place(2, series, True, 1_000, PRICE))
    value = 123_456_789
    wrapped = min(timeit.repeat(lambda: Cash(value), number=LOOPS, repeat=5))
    plain = min(timeit.repeat(lambda: value, number=LOOPS, repeat=5))
    nanos = (wrapped - plain) / LOOPS * 1e9
    print(f"CPython {platform.python_version()}, {platform.machine()}, best of 5 x {LOOPS:,}")
    print(f"a NewType constructor: {nanos:.0f} ns")
    for name, count in (("resting", resting), ("filling", filling)):
        print(f"an order {name}: {count} arithmetic results, {count * nanos / 1e3:.1f} us if each were constructed")


if __name__ == "__main__":
    main()
