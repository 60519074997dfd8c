"""No more is filled than can settle in time: what waits is bounded in trades, in batches and in age."""

import pytest
from core_venue import USDC, Venue, series_named, standard_venue

from exchange import codec
from exchange.core import backlog, sweep
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.events import CancelReason, Reject

CALL = series_named("62000C")
LOT = 100
WINDOW, AGE, TRADES = 100, 20, 2  # eight batches of two trades, forty seconds


@pytest.fixture
def tight() -> Venue:
    venue = standard_venue(settlement_window_s=WINDOW, batch_age_max_s=AGE, batch_trades_max=TRADES)
    for account in (1, 2):
        venue.fund(account, 1_000_000)
    return venue


def fill(venue: Venue, lots: int = 1) -> tuple[e.Event, ...]:
    """Lots for sale one by one, and one order that takes them all."""
    for _ in range(lots):
        venue.must(c.Place(venue.auth(1, CALL, False, LOT, 900 * USDC)))
    return venue.place(2, CALL, True, lots * LOT, 900 * USDC)


def fills(events: tuple[e.Event, ...]) -> int:
    return sum(type(event) is e.Traded for event in events)


def land(venue: Venue) -> None:
    venue.observe(c.ObserveBatch, next(iter(venue.state.batches)), b"t" * 32, 1, 1)


def test_one_order_fills_no_more_than_may_wait(tight):
    """The rest of it is cancelled, and the next one is refused until a batch is final."""
    may_wait = backlog.trades_max(tight.state.config)
    assert may_wait == backlog.BATCHES_MIN * TRADES
    events = fill(tight, may_wait + 2)
    assert fills(events) == may_wait
    assert events[-1] == e.Cancelled(tight.state.seq, CancelReason.SWEEP_BOUND, 2 * LOT)
    refused = tight.place(2, CALL, True, LOT, 900 * USDC)[-1]
    assert (refused.reason, refused.value, refused.limit) == (Reject.SETTLEMENT_MUST_KEEP_UP, 16, 16)
    land(tight)
    events = tight.place(2, CALL, True, 2 * LOT, 900 * USDC)
    assert fills(events) == 2
    tight.check()
    tight.check_history()


def test_no_more_batches_wait_than_may(tight):
    """Batches need not be full, and each takes a block."""
    for number in range(8):
        assert fills(fill(tight)) == 1, number
        tight.must(c.SealBatch())
    refused = fill(tight)[-1]
    assert (refused.reason, refused.value, refused.limit) == (Reject.SETTLEMENT_MUST_KEEP_UP, 8, 8)


def test_quotes_are_kept_up_to_date_meanwhile(tight):
    """What does not fill adds nothing that has to settle: makers move, shrink and leave."""
    fill(tight)
    tight.must(c.SealBatch())
    tight.wait(41)
    quote = tight.must(c.Place(tight.auth(1, CALL, False, 2 * LOT, 950 * USDC)))[0].order_id
    tight.must(c.Amend(quote, tight.amend_auth(quote, 2 * LOT, 940 * USDC)))
    tight.must(c.Amend(quote, tight.amend_auth(quote, LOT, 940 * USDC)))
    bid = tight.must(c.Place(tight.auth(2, CALL, True, LOT, 900 * USDC)))[0].order_id
    assert tight.amend(bid, LOT, 940 * USDC)[-1].reason is Reject.SETTLEMENT_MUST_KEEP_UP
    tight.must(c.Cancel(1, quote))


def test_a_heartbeat_that_does_not_land_is_a_warning_too(tight):
    tight.must(c.SealBatch(heartbeat=True))
    tight.wait(41)
    assert fill(tight)[-1].reason is Reject.SETTLEMENT_MUST_KEEP_UP


def test_one_order_disturbs_a_bounded_number_of_others(venue, monkeypatch):
    """Orders that it only moves out of the way count too: they are written in the same record."""
    monkeypatch.setattr(sweep, "SWEEP_MAX", 3)
    for price in (896, 897, 898, 899):
        venue.must(c.Place(venue.auth(1, CALL, False, LOT, price * USDC, expiry_s=venue.now_s + 60)))
    venue.must(c.Place(venue.auth(1, CALL, False, LOT, 900 * USDC)))
    venue.wait(60)
    events = venue.place(2, CALL, True, LOT, 900 * USDC)
    reasons = [event.reason for event in events[1:]]
    assert reasons == [CancelReason.EXPIRED] * 3 + [CancelReason.SWEEP_BOUND]
    assert fills(venue.place(2, CALL, True, LOT, 900 * USDC)) == 1
    assert codec.decode_events(codec.encode_events(events)) == events


def test_what_may_wait_follows_from_the_window():
    for window, age, batches, seconds in ((60, 10, 8, 25), (600, 10, 25, 295), (1_800, 900, 75, 450), (10, 10, 8, 0)):
        config = standard_venue(settlement_window_s=window, batch_age_max_s=age).state.config
        assert (backlog.batches_max(config), backlog.age_max_s(config)) == (batches, seconds)


def test_nothing_fills_while_the_chain_is_out_of_sight(tight):
    """What somebody does there unseen binds a window later, and fills of now must have landed by then."""
    limit = backlog.age_max_s(tight.state.config)
    see = c.ObserveBlock(7, tight.now_s, b"7" * 32)
    tight.must(see)
    assert fills(fill(tight)) == 1
    tight.must(c.SealBatch())
    land(tight)
    tight.wait(limit)
    assert fills(fill(tight)) == 1
    tight.must(c.SealBatch())
    land(tight)
    tight.wait(1)
    refused = fill(tight)[-1]
    assert (refused.reason, refused.value, refused.limit) == (Reject.CHAIN_MUST_BE_IN_SIGHT, limit + 1, limit)
    assert tight.place(2, CALL, True, LOT, 800 * USDC)[-1] == e.Rested(tight.state.seq, 800 * USDC)
    tight.must(c.ObserveBlock(8, tight.now_s, b"8" * 32))
    assert fills(fill(tight)) == 1
    tight.check()
    tight.check_history()


def test_blocks_are_seen_in_their_order(tight):
    tight.must(c.ObserveBlock(7, tight.now_s, b"7" * 32))
    for again in (c.ObserveBlock(7, tight.now_s + 1, b"x" * 32), c.ObserveBlock(8, tight.now_s - 1, b"8" * 32)):
        (refused,) = tight.do(again)
        assert (refused.reason, refused.limit) == (Reject.CHAIN_BLOCKS_MUST_ADVANCE, 7)
    assert tight.state.block.hash == b"7" * 32
