"""What the time service says of the clock, as a command; what it does not say is said to be unknown."""

import sys

import pytest

from exchange.core import commands as c
from exchange.shell.timekeeping import parse_tracking, read_clock

TOLD = "A9FEA97B,169.254.169.123,4,1787000000.123456789,-0.000001250,0.000000310,0.000000900,-12.5,0.001,0.02,0.000015001,0.0000220004,16.2,Normal\n"


def test_a_reading_is_what_chrony_says():
    assert parse_tracking(TOLD) == c.RecordClock("A9FEA97B", 4, -1_250, 900, 15_001, 22_001, "Normal")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not that of chronyc"),
        ("506 Cannot talk to daemon", "not that of chronyc"),
        (TOLD.replace("-0.000001250", "fast"), "not that of chronyc"),
        (TOLD.replace("Normal", "Not synchronised"), "not synchronised"),
        (TOLD.replace(",4,", ",0,"), "not synchronised"),
    ],
)
def test_what_is_not_said_is_unknown(text, why):
    reading = parse_tracking(text)
    assert (reading.source, reading.stratum, reading.offset_ns, reading.dispersion_ns) == ("", 0, 0, 0)
    assert why in reading.leap


async def test_a_service_that_is_not_there_or_fails_is_unknown():
    assert (await read_clock(("no-such-time-service",))).leap == "no-such-time-service cannot be run"
    failing = await read_clock((sys.executable, "-c", "raise SystemExit(3)"))
    assert (failing.source, failing.leap.split(" ", 1)[1]) == ("", "ended with 3")


async def test_a_service_that_answers_is_heard():
    assert (await read_clock((sys.executable, "-c", f"print({TOLD!r}, end='')"))).offset_ns == -1_250
