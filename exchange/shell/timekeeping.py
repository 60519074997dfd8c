"""How good the clock is that stamps records: what chrony says of it, or that nobody knows.

``chronyc -c tracking`` prints one line of fourteen values: reference id, its name, stratum, reference time, offset of
the system clock, last and RMS offset, frequency, residual frequency, skew, root delay, root dispersion, interval, leap
status. Seconds become nanoseconds by their decimal text; the offset has the sign that chrony prints. The venue's clock
is the system's as it stood at the start, carried on by the monotonic one, so steps of the system's since then are not
in it: a reading is evidence about the host. Imports core.
"""

import asyncio
from decimal import Decimal, InvalidOperation
from typing import Final

from exchange.core import commands as c

COMMAND: Final = ("chronyc", "-c", "tracking")
FIELDS: Final = 14
WAIT_S: Final = 5.0
_STRATUM, _OFFSET, _RMS, _DELAY, _DISPERSION, _LEAP = 2, 4, 6, 10, 11, 13


async def read_clock(command: tuple[str, ...] = COMMAND) -> c.RecordClock:
    """A reading; without a source, and with the reason in ``leap``, when the time service cannot be asked."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError:
        return unknown(f"{command[0]} cannot be run")
    try:
        async with asyncio.timeout(WAIT_S):
            told, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return unknown(f"{command[0]} does not answer")
    if process.returncode:
        return unknown(f"{command[0]} ended with {process.returncode}")
    return parse_tracking(told.decode(errors="replace"))


def unknown(why: str) -> c.RecordClock:
    """Nothing is known, and why."""
    return c.RecordClock("", 0, 0, 0, 0, 0, why)


def parse_tracking(text: str) -> c.RecordClock:
    """A reading from what chronyc prints; one that follows no source says nothing either."""
    values = text.strip().split(",")
    if len(values) != FIELDS:
        return unknown("the answer is not that of chronyc tracking")
    try:
        figures = [_nanos(values[place]) for place in (_OFFSET, _RMS, _DELAY, _DISPERSION)]
        stratum = int(values[_STRATUM])
    except (InvalidOperation, ValueError):
        return unknown("the answer is not that of chronyc tracking")
    if values[_LEAP] == "Not synchronised" or not 0 < stratum <= 16:
        return unknown("not synchronised")
    offset, rms, delay, dispersion = figures
    return c.RecordClock(values[0], stratum, offset, abs(rms), abs(delay), abs(dispersion), values[_LEAP])


def _nanos(seconds: str) -> int:
    """Nanoseconds of a decimal text of seconds, to the nearest away from zero: never less than was told."""
    exact = Decimal(seconds).scaleb(9)
    whole = int(exact)
    return whole if whole == exact else whole + (1 if exact > 0 else -1)
