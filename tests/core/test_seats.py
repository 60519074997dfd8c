"""Seats of the oracle's signers: what the machine keeps of what the contract said.

The naive twin is a list of who followed whom and when; at any second it looks for those nobody has followed yet.
"""

from typing import Any

import pytest
from core_venue import Venue, standard_venue
from hypothesis import given
from hypothesis import strategies as st

from exchange.core import commands as c
from exchange.core import seats
from exchange.core.events import Reject, Rejected
from exchange.core.images import decode, encode

NAMES = [bytes([letter]) * 20 for letter in b"abcdefg"]
FIRST = NAMES[:5]


def fresh() -> Venue:
    venue = standard_venue()
    assert not venue.state.seats
    return venue


def sitting_naively(taken: list[Any], time_s: int) -> list[bytes]:
    begun = [told for told in taken if told.since_s <= time_s]
    followed = [told.former for told in begun]
    return sorted(told.signer for told in begun if told.signer not in followed)


words = st.builds(
    c.ObserveSeat, st.sampled_from([*NAMES, b"short"]), st.integers(-1, 9), st.sampled_from([b"", b"", *NAMES])
)


@given(st.lists(words, max_size=30))
def test_who_sits_is_whom_nobody_has_followed(told):
    venue = fresh()
    taken: list[Any] = []
    for command in told:
        events = venue.do(command)
        if not isinstance(events[0], Rejected):
            taken.append(command)
    for time_s in range(11):
        assert list(seats.sitting(venue.state, time_s)) == sitting_naively(taken, time_s)
    assert decode(encode(venue.state)).seats == venue.state.seats
    followed = [command.former for command in taken if command.former]
    assert len(set(followed)) == len(followed)


@pytest.mark.parametrize(
    "command",
    [
        c.ObserveSeat(NAMES[0], 5, NAMES[1]),
        c.ObserveSeat(NAMES[5], 5, NAMES[6]),
        c.ObserveSeat(NAMES[5], -1, NAMES[0]),
        c.ObserveSeat(b"x" * 19, 5, NAMES[0]),
        c.ObserveSeat(NAMES[5], 2**63, NAMES[0]),
    ],
    ids=["seated already", "after nobody", "before all time", "no address", "after all time"],
)
def test_a_seat_passes_from_who_has_it_to_somebody_new(command):
    venue = fresh()
    for signer in FIRST:
        venue.must(c.ObserveSeat(signer, 0))
    assert venue.rejected(command) is Reject.SEATS_MUST_FOLLOW


def test_there_are_sixteen_seats():
    venue = fresh()
    for number in range(seats.SEATS_MAX):
        venue.must(c.ObserveSeat(bytes([number]) * 20, 0))
    assert venue.rejected(c.ObserveSeat(b"x" * 20, 0)) is Reject.SEATS_MUST_FOLLOW
    venue.must(c.ObserveSeat(b"x" * 20, 7, bytes(20)))
    assert len(seats.sitting(venue.state, 7)) == seats.SEATS_MAX
