"""A crash in the middle of a purge: the journal cut after any record, then the steps of a start. All of it, or none. # M11"""

from collections.abc import Callable
from typing import Any

import pytest
from core_venue import USDC, Venue, series_named, standard_venue, wallet

from exchange import codec
from exchange.core import commands as c
from exchange.core import invariants, purging
from exchange.core.images import decode, encode
from exchange.core.machine import apply
from exchange.core.state import State

CALL = series_named("62000C")
ORDERS = 7


def crowded() -> tuple[Venue, int]:
    """Two accounts with orders through one connection that wants them to leave, and one order that nobody minds."""
    venue = standard_venue()
    for account in (1, 2):
        venue.fund(account, 100_000)
    venue.must(c.OpenSession(wallet(1)))
    session = venue.state.seq
    venue.must(c.SwitchSession(session, c.SWITCH_ON))
    for number in range(ORDERS):
        venue.must(c.Place(venue.auth(1 + number % 2, CALL, True, 10_000, (800 + number) * USDC), session=session))
    venue.place(2, CALL, False, 10_000, 950 * USDC)
    return venue, session


def disconnected(venue: Venue, session: int) -> None:
    venue.must(c.EndSession(session))


def killed(venue: Venue, session: int) -> None:
    del session
    venue.must(c.PullKill(c.KILL_VENUE, 0, b"", b"p" * 20, "test"))


def fired(venue: Venue, session: int) -> None:
    del session
    venue.must(c.SetTimer(1, 1_000))
    venue.wait(1)
    venue.must(c.Tick())


def restarted(venue: Venue, session: int) -> None:
    del session
    venue.must(c.EndAllSessions())


def rebuilt(venue: Venue, records: int) -> State:
    """What a start computes from that many records of the journal."""
    state = State()
    for record in venue.log[:records]:
        command = codec.decode_command(codec.encode_command(record.command))
        assert apply(state, record.seq, record.time_ns, command) == record.events
    return state


def start(state: State) -> None:
    """What a venue does with a journal before it listens."""
    if state.sessions:
        apply(state, state.seq + 1, state.time_ns, c.EndAllSessions())
    while state.purges:
        apply(state, state.seq + 1, state.time_ns, c.Proceed())
    invariants.check_all(state)


@pytest.mark.parametrize("happens", [disconnected, killed, fired, restarted])
@pytest.mark.parametrize("bound", [1, 2, 3])
def test_whatever_record_is_the_last_all_of_it_or_none_has_left(
    monkeypatch: pytest.MonkeyPatch, happens: Callable[[Venue, int], None], bound: int
) -> None:
    monkeypatch.setattr(purging, "CANCELS_MAX", bound)
    venue, session = crowded()
    before = len(venue.log)
    happens(venue, session)
    while venue.state.purges:
        venue.must(c.Proceed())
    total = len(venue.log)
    assert total - before > ORDERS // bound - 3
    ends: dict[bool, set[tuple[int, ...]]] = {False: set(), True: set()}
    for records in range(before, total + 1):
        state = rebuilt(venue, records)
        start(state)
        ends[has_begun(venue, before, records)].add(tuple(sorted(state.orders)))
    assert len(ends[True]) == 1  # wherever it was cut, it ended alike
    assert len(ends[False]) <= 1


def has_begun(venue: Venue, before: int, records: int) -> bool:
    """Whether the record that begins the purge is among those that were kept."""
    kinds: tuple[Any, ...] = (c.EndSession, c.PullKill, c.EndAllSessions, c.Tick)
    return any(isinstance(item.command, kinds) for item in venue.log[before:records])


def test_a_snapshot_in_the_middle_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "CANCELS_MAX", 2)
    venue, session = crowded()
    venue.must(c.EndSession(session))
    restored = decode(encode(venue.state))
    start(restored)
    start(venue.state)
    assert encode(restored) == encode(venue.state)
