"""Orders end at their time: a bounded number in one record, from a heap that does not remember the past."""

from collections.abc import Callable

import pytest
from core_venue import USDC, Venue, series_named, standard_venue

from exchange.core import commands as c
from exchange.core import deadlines
from exchange.core import events as e
from exchange.core.events import CancelReason, Reject
from exchange.core.images import decode, encode

CALL = series_named("62000C")
FAR = 2**32 - 2  # ahead of everything, and not "never"


def bid(venue: Venue, life: int, price: int = 800) -> int:
    """An order that ends so many seconds from now; its number."""
    venue.must(c.Place(venue.auth(1, CALL, True, 100, price * USDC, expiry_s=venue.now_s + life)))
    return venue.state.seq


def ended(events: tuple[e.Event, ...]) -> list[int]:
    return [event.order_id for event in events if type(event) is e.Cancelled and event.reason is CancelReason.EXPIRED]


def test_deadlines_of_orders_that_are_gone_are_forgotten(venue):
    for _ in range(500):
        venue.must(c.Cancel(1, venue.place(1, CALL, True, 100, USDC, expiry_s=FAR)[0].order_id))
    assert len(venue.state.deadlines) <= deadlines.STALE_MIN


def test_deadlines_of_orders_amended_all_day_are_forgotten(venue):
    quotes = [bid(venue, 1_000 + number) for number in range(20)]
    for turn in range(500):
        venue.must(c.Amend(quotes[turn % 20], venue.amend_auth(quotes[turn % 20], 100, (700 + turn % 90) * USDC)))
        venue.must(
            c.Amend(
                quotes[turn % 20],
                venue.amend_auth(quotes[turn % 20], 100, 799 * USDC, expiry_s=venue.now_s + 600 + turn),
            )
        )
    assert len(venue.state.deadlines) <= 2 * 20 + deadlines.STALE_MIN
    venue.wait(2_000)
    assert sorted(ended(venue.must(c.Tick()))) == quotes
    assert not venue.state.deadlines
    venue.check()


@pytest.mark.parametrize("spoil", [lambda state: state, lambda state: decode(encode(state))], ids=["lived", "restored"])
def test_a_tick_ends_a_bounded_number_and_the_next_goes_on(
    spoil: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which ones follows from the open orders alone, so a restored venue writes the same records."""
    monkeypatch.setattr(deadlines, "CANCELS_MAX", 3)
    venue = standard_venue()
    venue.fund(1, 100_000)
    orders = [bid(venue, life) for life in (50, 10, 40, 20, 30, 60, 99)]
    venue.must(c.Amend(orders[1], venue.amend_auth(orders[1], 100, 801 * USDC, expiry_s=venue.now_s + 45)))
    venue.must(c.Cancel(1, orders[3]))
    venue.state = spoil(venue.state)
    venue.wait(60)
    assert ended(venue.do(c.Tick())) == [orders[4], orders[2], orders[1]]
    assert ended(venue.do(c.Tick())) == [orders[0], orders[5]]
    assert ended(venue.do(c.Tick())) == []
    assert list(venue.state.orders) == [orders[6]]
    venue.check()


def test_what_waits_for_its_tick_neither_trades_nor_is_amended(venue, monkeypatch):
    monkeypatch.setattr(deadlines, "CANCELS_MAX", 1)
    orders = [bid(venue, 60, 900 + number) for number in range(3)]
    venue.wait(60)
    assert ended(venue.do(c.Tick())) == orders[:1]
    assert venue.amend(orders[1], 100, 900 * USDC)[-1].reason is Reject.ORDER_MUST_BE_OPEN
    events = venue.place(2, CALL, False, 100, 900 * USDC, tif=c.IOC)
    assert ended(events) == [orders[2], orders[1]]
    assert not any(type(event) is e.Traded for event in events)
    venue.check_history()


def test_a_tick_leaves_the_heap_in_order_whatever_is_in_it(venue):
    """Ascending deadlines, equal ones in order of entry, found without sorting all that waits."""
    lives = [number * 37 % 101 + 1 for number in range(100)]
    orders = sorted((life, bid(venue, life)) for life in lives)
    heap = list(venue.state.deadlines)
    venue.wait(50)
    due = [order_id for life, order_id in orders if life <= 50]
    assert [event.order_id for event in deadlines.expired(venue.state, venue.now_s)] == due
    assert venue.state.deadlines == heap
    assert ended(venue.do(c.Tick())) == due
    assert len(venue.state.deadlines) == 100 - len(due)
