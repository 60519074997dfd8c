"""A crash in the middle of combos that trade: the journal cut after any record. All legs of a fill are there, or none. # M11

One record holds a combo's fills whole, so a cut can only fall between records. What a full record left to the next is
still to be done in what is rebuilt, and a start goes on with it.
"""

import pytest
from core_venue import USDC, Venue, series_named, standard_venue

from exchange import codec
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import implied, invariants
from exchange.core.images import decode, encode
from exchange.core.machine import apply
from exchange.core.state import State

LOW, MID = series_named("61000C"), series_named("62000C")
LOT, WAITING = 100, 6


def crowded() -> tuple[Venue, int]:
    """Six bids for a spread wait, and whoever bids for its upper leg."""
    venue = standard_venue(combos=True)
    for account in (1, 2, 3, 4):
        venue.fund(account, 10**6)
    spread = venue.list_combo((LOW, 1), (MID, -1))
    venue.place(3, MID, True, 2 * WAITING * LOT, 560 * USDC)
    for number in range(WAITING):
        venue.place(1 + number % 2, spread, True, LOT, (640 - number % 3) * USDC)
    return venue, spread


def reach(venue: Venue) -> None:
    """An offer of the lower leg reaches all of them; the record, and those that go on with it."""
    venue.place(4, LOW, False, 2 * WAITING * LOT, 1_195 * USDC)
    while venue.state.deferred:
        venue.must(c.Proceed())


def rebuilt(venue: Venue, records: int) -> State:
    """What a start computes from that many records of the journal, from their bytes."""
    state = State()
    for record in venue.log[:records]:
        command = codec.decode_command(codec.encode_command(record.command))
        events = apply(state, record.seq, record.time_ns, command)
        assert codec.encode_events(events) == codec.encode_events(record.events)
    return state


def whole(state: State) -> bool:
    """Whether everybody holds as much of one leg as was sold of the other, and groups of fills are complete."""
    groups: dict[int, list[int]] = {}
    for trade in state.trades.values():
        groups.setdefault(trade.group, []).append(trade.series)
    spreads = all(
        state.accounts[key].positions.get(LOW, 0) == -state.accounts[key].positions.get(MID, 0) for key in (1, 2)
    )
    return spreads and all(legs == [LOW, MID] for legs in groups.values())


@pytest.mark.parametrize("bound", [1, 4, 1_000])
def test_whatever_record_is_the_last_all_legs_have_filled_or_none(monkeypatch: pytest.MonkeyPatch, bound: int) -> None:
    monkeypatch.setattr(implied, "FOLLOWED_MAX", bound)
    venue, spread = crowded()
    before = len(venue.log)
    reach(venue)
    ends = []
    for records in range(before, len(venue.log) + 1):
        state = rebuilt(venue, records)
        assert whole(state)
        while state.deferred:  # as the sequencer does before anybody else
            apply(state, state.seq + 1, state.time_ns, c.Proceed())
        invariants.check_all(state)
        ends.append(sum(order.series == spread for order in state.orders.values()))
    assert ends == [WAITING] + [0] * (len(venue.log) - before)


def test_a_snapshot_between_two_records_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(implied, "FOLLOWED_MAX", 1)
    venue, _ = crowded()
    venue.place(4, LOW, False, 2 * WAITING * LOT, 1_195 * USDC)
    assert venue.state.deferred
    restored = decode(encode(venue.state))
    for state in (venue.state, restored):
        while state.deferred:
            events = apply(state, state.seq + 1, state.time_ns, c.Proceed())
            assert any(type(event) is e.Traded for event in events)
    assert encode(restored) == encode(venue.state)
