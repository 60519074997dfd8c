"""What may be listed is what the contracts can price, fix and settle."""

import pytest
from core_venue import HALF_HOUR, T0, Venue

from exchange.core import commands as c
from exchange.core.events import Reject, Rejected
from exchange.core.listing import LIVE_EXPIRIES_MAX


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
