"""What may be listed is what the contracts can price, fix and settle."""

import msgspec
import pytest
from core_venue import HALF_HOUR, T0, Venue

from exchange.core import commands as c
from exchange.core.events import Applied, Reject, Rejected
from exchange.core.listing import EXPIRY_SLOTS, LIVE_EXPIRIES_MAX
from exchange.core.units import seconds_of


@pytest.fixture
def empty() -> Venue:
    return Venue().open()


def test_an_expiry_is_listed_before_its_averaging_begins(empty):
    """The contracts fix it with the round that opens its last half hour, and that is kept only if it is listed."""
    assert empty.do(c.ListExpiry(1, 0, T0 + HALF_HOUR)) == (
        Rejected(Reject.EXPIRY_MUST_BE_AHEAD, T0 + HALF_HOUR, T0 + HALF_HOUR),
    )
    empty.list_expiry(T0 + 24 * HALF_HOUR)
    empty.wait(HALF_HOUR - 1)
    late = empty.list_expiry(T0 + 2 * HALF_HOUR)
    empty.wait(1)
    empty.round(60_000)
    opening = empty.state.round.round_id
    empty.wait(HALF_HOUR)
    empty.round(60_000)
    assert empty.state.expiries[late].fixing > 0
    assert opening in empty.state.rounds


def test_as_many_expiries_are_live_as_a_round_can_carry(empty):
    for number in range(LIVE_EXPIRIES_MAX):
        empty.list_expiry(T0 + (number + 2) * HALF_HOUR, (60_000,))
    one_more = c.ListExpiry(LIVE_EXPIRIES_MAX + 1, 0, T0 + 200 * HALF_HOUR)
    assert empty.do(one_more) == (Rejected(Reject.LISTING_MUST_FIT_A_BATCH, LIVE_EXPIRIES_MAX, LIVE_EXPIRIES_MAX),)
    for _ in range(2):
        empty.wait(HALF_HOUR)
        empty.round(60_000)
    empty.must(one_more)


def test_a_slot_is_free_when_the_last_fills_of_its_expiry_had_to_settle(empty):
    """The contracts take them until then, and positions on a bit that another expiry has taken would need no margin."""
    first = empty.list_expiry(T0 + 2 * HALF_HOUR, (60_000,))
    for _ in range(2):
        empty.wait(HALF_HOUR)
        empty.round(60_000)
    ended = empty.state.expiries[first]
    assert ended.fixing > 0
    for number in range(first + 1, first + EXPIRY_SLOTS):
        empty.state.expiries[number] = msgspec.structs.replace(ended, id=number, series=[])
    again = c.ListExpiry(first + EXPIRY_SLOTS, 0, T0 + 200 * HALF_HOUR)
    window_s = empty.state.config.settlement_window_s
    assert seconds_of(empty.state.time_ns) == ended.expiry_s
    empty.wait(window_s)
    assert empty.do(again) == (Rejected(Reject.EXPIRY_SLOT_MUST_BE_FREE, again.expiry_id, first),)
    empty.wait(1)
    assert empty.do(again) == (Applied(),)
