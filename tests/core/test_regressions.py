"""Faults that were found once: each has a name and its smallest reproducer."""

import msgspec
from core_quotes import TAKER, ask, quoted, quoting_venue
from core_venue import HALF_HOUR, T0, USDC, Venue, series_named, standard_venue

from exchange import codec
from exchange.core import budget, settlement
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.events import CancelReason, Reject
from exchange.core.images import decode, encode
from exchange.core.machine import apply
from exchange.core.units import CASH_MAX, NO_EXPIRY, QTY_MAX, U63_MAX, U64_MAX

CALL = series_named("62000C")
KEY = b"k" * 20


def test_an_order_is_not_filled_after_its_session_key_has_expired(venue):
    """The contract refuses such a fill once the settlement window has passed as well: NO_BUST."""
    expiry_s = venue.now_s + 60
    venue.observe(c.ObserveKey, 1, KEY, c.SCOPE_TRADE, expiry_s)
    venue.place(1, CALL, False, 10_000, 900 * USDC, signer=KEY)
    placed = venue.state.seq
    venue.place(1, CALL, False, 10_000, 901 * USDC)
    amended = venue.state.seq
    venue.amend(amended, 10_000, 902 * USDC, signer=KEY)
    assert {venue.state.orders[key].expiry_s for key in (placed, amended)} == {expiry_s}
    venue.wait(60)
    events = venue.place(2, CALL, True, 20_000, 902 * USDC)
    expired = [
        event.order_id for event in events if type(event) is e.Cancelled and event.reason is CancelReason.EXPIRED
    ]
    assert expired == [placed, amended]
    assert not any(type(event) is e.Traded for event in events)


def test_an_order_amended_back_by_its_owner_lives_on(venue):
    venue.observe(c.ObserveKey, 1, KEY, c.SCOPE_TRADE, venue.now_s + 60)
    venue.place(1, CALL, False, 10_000, 900 * USDC, signer=KEY)
    order_id = venue.state.seq
    venue.amend(order_id, 5_000, 900 * USDC)
    assert venue.state.orders[order_id].expiry_s == NO_EXPIRY


def test_a_snapshot_taken_between_a_listing_and_the_next_round_can_be_restored(venue):
    venue.must(c.ListSeries(1, 10, 65_000 * USDC, True))
    data = encode(venue.state)
    restored = decode(data)
    assert encode(restored) == data
    assert restored.view.marks == venue.state.view.marks


def test_cancelling_nonces_beyond_the_last_one_does_not_stop_the_journal(venue):
    """The contract takes any u64 as a word of 256 nonces; nonces end at 2**64."""
    venue.observe(c.ObserveCancellation, 1, 2**64 - 1, b"\xff" * 32)
    venue.observe(c.ObserveCancellation, 1, 2**56, b"\xff" * 32)
    assert venue.state.accounts[1].nonces == {}
    venue.observe(c.ObserveCancellation, 1, 2**56 - 1, b"\xff" * 32)
    assert venue.state.accounts[1].nonce_used(2**64 - 1)
    venue.must(c.TakeDigest())


def test_rounds_are_numbered_from_one():
    venue = Venue().open()
    venue.list_expiry(T0 + 36 * HALF_HOUR)
    honest = venue.round_of({0: 62_000 * USDC})
    for number in (-1, 0):
        assert venue.rejected(msgspec.structs.replace(honest, round_id=number)) is Reject.ROUND_MUST_ADVANCE


def test_trades_that_need_several_batches_do_not_change_their_round():
    """The account ends hedged and holds at the new round, but the first of the batches ends with it unhedged."""
    venue = standard_venue(batch_trades_max=2)
    for account, usdc in ((1, 200_000), (2, 30_000)):
        venue.fund(account, usdc)
    for price in (900, 901, 902, 903):
        venue.place(1, CALL, True, 5_000, price * USDC)
    venue.place(2, CALL, False, 20_000, 900 * USDC)
    venue.wait(60)
    events = venue.round(62_000)
    assert [(event.first_trade, event.last_trade, event.round_id) for event in events[:-1]] == [(1, 2, 1), (3, 4, 1)]
    assert events[-1] == e.RoundAdopted(2)


def test_a_partly_filled_order_amended_without_end_still_fits_a_batch(venue):
    """Every replaced order that carries fills travels with the next fill; a batch carries 256 orders."""
    venue.place(1, CALL, False, 30_000, 900 * USDC)
    order_id = venue.state.seq
    venue.place(2, CALL, True, 10_000, 900 * USDC)
    amends = 0
    while type((events := venue.amend(order_id, 30_000, (901 + amends % 2) * USDC))[0]) is not e.Rejected:
        amends += 1
    assert events[0].reason is Reject.OPEN_ORDERS_MUST_FIT
    venue.place(2, CALL, True, 10_000, 910 * USDC)
    trade = venue.state.trades[2]
    links = len(settlement.lineage(venue.state, trade.maker_auth, venue.state.next_batch))
    assert links == amends + 1 == budget.ORDERS_MAX // 2
    # Once a batch names them, they need not travel again, and the order may be amended again.
    venue.must(c.SealBatch())
    assert type(venue.amend(order_id, 30_000, 950 * USDC)[0]) is e.Amended
    assert len(settlement.lineage(venue.state, venue.state.orders[order_id].auth_id, venue.state.next_batch)) == 1
    for batch_id in sorted(venue.state.batches):
        venue.observe(c.ObserveBatch, batch_id, b"t" * 32, 1, 1)
    assert type(venue.amend(order_id, 30_000, 950 * USDC)[0]) is e.Amended


def test_an_untraded_quote_amended_all_day_leaves_nothing_behind(venue):
    venue.place(1, CALL, False, 30_000, 900 * USDC)
    order_id = venue.state.seq
    for turn in range(200):
        venue.amend(order_id, 30_000 - 100 * (turn % 3), (901 + turn % 2) * USDC)
    assert len(venue.state.auths) == 1
    venue.must(c.Cancel(1, order_id))
    assert venue.state.auths == {}


def test_a_replaced_order_travels_once_even_if_its_batch_is_not_final_yet(venue):
    """The contract refuses a replaced order from the batch on in which its replacement took over."""
    venue.place(1, CALL, False, 50_000, 900 * USDC)
    order_id = venue.state.seq
    venue.place(2, CALL, True, 10_000, 900 * USDC)
    venue.must(c.SealBatch())
    venue.amend(order_id, 50_000, 901 * USDC)
    amendment = venue.state.seq
    for _ in range(2):
        venue.place(2, CALL, True, 10_000, 901 * USDC)
        venue.must(c.SealBatch())
    makers = {batch: venue.state.trades[batch].maker_auth for batch in (1, 2, 3)}
    named = [[link.id for link in settlement.lineage(venue.state, makers[batch], batch)] for batch in makers]
    assert named == [[order_id], [amendment], [amendment]]
    for batch in (1, 2):
        venue.observe(c.ObserveBatch, batch, b"t" * 32, 1, 1)
    assert order_id not in venue.state.auths  # taken over for good
    assert [link.id for link in settlement.lineage(venue.state, makers[3], 3)] == [amendment]


def test_a_partly_filled_order_amended_and_filled_all_day_leaves_little_behind(venue):
    venue.fund(1, 10_000_000)
    venue.fund(2, 10_000_000)
    venue.place(1, CALL, False, 1_000_000, 900 * USDC)
    order_id = venue.state.seq
    for turn in range(40):
        venue.place(2, CALL, True, 100, 910 * USDC)
        for price in (901, 902, 903 + turn % 2):
            venue.amend(order_id, 1_000_000, price * USDC)
        venue.must(c.SealBatch())
        venue.observe(c.ObserveBatch, venue.state.next_batch - 1, b"t" * 32, 1, 1)
    assert len(venue.state.auths) <= 5


def test_the_dearest_order_there_is_does_not_stop_the_journal(venue):
    """Its shortfall is 2**82: the refusal must still be an event that can be written."""
    price = U63_MAX // (5 * USDC) * 5 * USDC
    events = venue.place(1, CALL, True, QTY_MAX // 100 * 100, price, max_fee=U63_MAX)
    assert events[-1].reason is Reject.ACCOUNT_MUST_HAVE_MARGIN
    assert codec.decode_events(codec.encode_events(events)) == events


def test_an_order_with_the_last_nonce_cannot_be_amended_and_does_not_stop_the_journal(venue):
    """The word that names a replaced order is its nonce plus one, which for this one no longer fits."""
    venue.place(1, CALL, False, 10_000, 900 * USDC, nonce=U64_MAX)
    events = venue.amend(venue.state.seq, 10_000, 905 * USDC)
    assert events[-1].reason is Reject.AMEND_MUST_NAME_REPLACED_NONCE
    assert codec.decode_events(codec.encode_events(events)) == events


def test_an_accumulator_that_outgrows_the_journal_is_refused_in_words_it_can_hold(venue):
    venue.wait(60)
    venue.must(venue.round_of({0: U64_MAX}))
    venue.wait(60)
    honest = venue.round_of({0: 62_000 * USDC})
    short = msgspec.structs.replace(honest.spots[0], acc=U64_MAX)
    assert venue.rejected(msgspec.structs.replace(honest, spots=(short,))) is Reject.ROUND_MUST_CONTINUE_ACCUMULATOR


def test_a_fee_that_outgrows_the_journal_is_refused_in_words_it_can_hold(venue):
    """On a spot near 2**64 both the fee due and the fee signed can be more than a journal integer holds."""
    venue.wait(60)
    venue.must(venue.round_of({0: U64_MAX}))
    price = U63_MAX // (5 * USDC) * 5 * USDC
    for max_fee in (0, U64_MAX // 2_501):
        events = venue.place(1, CALL, True, QTY_MAX // 100 * 100, price, max_fee=max_fee)
        assert events[-1].reason is Reject.MAX_FEE_MUST_COVER_FEE
        assert (events[-1].value, events[-1].limit) == (CASH_MAX if max_fee else 0, CASH_MAX)
        assert codec.decode_events(codec.encode_events(events)) == events


def test_an_account_that_asks_for_all_the_money_there_is_does_not_stop_the_journal(venue):
    """The contract lets anybody ask for more than they have; what is free is then less than a journal integer holds."""
    venue.observe(c.ObserveWithdrawalRequest, 1, U64_MAX)
    events = venue.place(1, CALL, True, 10_000, 900 * USDC)
    assert events[-1] == e.Rejected(Reject.ACCOUNT_MUST_HAVE_MARGIN, -CASH_MAX, CASH_MAX)
    assert codec.decode_events(codec.encode_events(events)) == events
    venue.must(c.TakeDigest())


def test_a_kill_switch_over_the_venue_takes_quotes_and_orders_alike_after_a_restart():
    """A restored state has its orders by number, a live one as they came; numbers of quotes are apart from the others'."""
    venue = quoting_venue()
    quoted(venue, ask(CALL, 10, 1_000))
    assert type(venue.place(TAKER, CALL, True, 1_000, 800 * USDC)[-1]) is e.Rested
    command = c.PullKill(c.KILL_VENUE, 0, b"", b"p" * 20, "test")
    restored, seq = decode(encode(venue.state)), venue.state.seq + 1
    assert apply(restored, seq, venue.time_ns, command) == venue.must(command)
