"""What users of other venues ask for or complain about, one test each, in the numbering of that list.

| | what went wrong elsewhere | here |
|---|---|---|
| 1 | a signature the operator would not stop using | below, and `tests/contracts/test_batch_refusals.py` |
| 2 | one signed order matched twice | below |
| 3 | nonces that must come in order | below |
| 4 | an amendment that leaves the maker off the book | below |
| 5 | self-trades that leave ghosts | below |
| 6 | no way to cancel everything | below |
| 7 | roundings nobody can trust | below, and `tests/session/test_session_orders.py` for the text of numbers |
| 8 | legs of a combination margined one by one | below for positions, and `test_combos.py` for orders |
| 9 | accounts under portfolio margin | not a fault that a test here could show: STANDARD offsets inside an expiry is the model there is |
| 10 | balances and books lost in a crash | below, and `tests/e2e/test_kill_serve.py` |
| 11 | a replay that is not what happened | below, one test for each way it was found |
| 12 | a snapshot that forgets who waits | below |
| 13 | quantity lost when a partly filled order is changed, orders behind the first not found, phantom best prices | below |
| 14 | a liquidation stopped by dust | `test_liquidation.py`, whose markets have positions down to one unit; dust of settlement: `tests/contracts/test_expiry_settlement.py` |
| 15 | rate limits that punish a refresh of many books at once | below |
| 16 | an old price settling an expiry | below |
| 17 | pools that cannot hedge or close | `test_hedging.py` and `test_oamm_ladder.py`; the pool does not trade yet |
| 18 | settlement of overlapping fills refused | below |
| 19 | one oracle signer; money that leaves before it is needed | below |
| 20 | fills missed while disconnected | below, and `tests/gateway/test_channels.py` |
"""

from typing import Any

import pytest
from core_venue import HALF_HOUR, T0, USDC, Venue, series_named, standard_venue, wallet
from core_world import World

from exchange import codec
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.events import CancelReason, Reject
from exchange.core.images import decode, digest, encode
from exchange.core.machine import apply
from exchange.core.state import State
from exchange.session.limits import Bucket, Limits
from exchange.shell.feeds import RoundRefused, check

CALL, HIGH = series_named("62000C"), series_named("64000C")


def resting(venue: Venue, account: int, is_buy: bool, qty: int, price: int, **terms: Any) -> int:
    """The number of an order that came to rest."""
    assert type(venue.place(account, CALL, is_buy, qty, price * USDC, **terms)[-1]) is e.Rested
    return venue.state.seq


def replayed(venue: Venue) -> State:
    """The state that the journal of a venue gives again."""
    state = State()
    for record in venue.log:
        command = codec.decode_command(codec.encode_command(record.command))
        assert codec.encode_events(apply(state, record.seq, record.time_ns, command)) == codec.encode_events(
            record.events
        )
    return state


def test_01_an_owner_cancels_on_chain_whatever_the_operator_does(venue):
    order_id = resting(venue, 1, True, 10_000, 800)
    auth = venue.state.auths[order_id].auth
    events = venue.observe(c.ObserveCancellation, 1, auth.nonce >> 8, (1 << (auth.nonce & 255)).to_bytes(32, "big"))
    assert events[1] == e.Cancelled(order_id, CancelReason.ON_CHAIN, 10_000)
    assert venue.rejected(c.Place(auth)) is Reject.NONCE_MUST_BE_FRESH


def test_02_a_signed_order_is_good_once_and_for_no_more_than_it_says(venue):
    order_id = resting(venue, 1, True, 10_000, 800)
    auth = venue.state.auths[order_id].auth
    venue.place(2, CALL, False, 30_000, 800 * USDC)
    assert venue.state.accounts[1].positions[CALL] == 10_000
    assert venue.rejected(c.Place(auth)) is Reject.NONCE_MUST_BE_FRESH


def test_03_nonces_come_in_any_order(venue):
    for nonce in (900, 3, 2**64 - 1, 0, 64):
        resting(venue, 1, True, 100, 800, nonce=nonce)
    assert venue.rejected(c.Place(venue.auth(1, CALL, True, 100, 800 * USDC, nonce=64))) is Reject.NONCE_MUST_BE_FRESH


def test_04_an_amendment_is_one_record_and_one_that_is_refused_leaves_the_order_where_it_stood(venue):
    first, second = resting(venue, 1, True, 10_000, 800), resting(venue, 2, True, 10_000, 800)
    assert venue.amend(first, 10**9, 800 * USDC)[-1].reason is Reject.ACCOUNT_MUST_HAVE_MARGIN
    assert [order.id for order in venue.state.books[CALL].bids.orders()] == [first, second]
    assert [type(event) for event in venue.amend(first, 10_000, 801 * USDC)] == [e.Amended, e.Rested]


def test_05_a_self_trade_leaves_neither_trade_nor_ghost(venue):
    order_id = resting(venue, 1, True, 10_000, 800)
    events = venue.place(1, CALL, False, 10_000, 790 * USDC)
    assert not any(type(event) is e.Traded for event in events)
    assert list(venue.state.orders) == [order_id]
    assert venue.state.books[CALL].asks.best() is None
    venue.check()


def test_06_everything_is_cancelled_at_once(venue):
    mine = [resting(venue, 1, True, 100, 700 + number) for number in range(5)]
    theirs = resting(venue, 2, True, 100, 700)
    assert [event.order_id for event in venue.must(c.CancelAll(1))] == mine
    assert list(venue.state.orders) == [theirs]


@pytest.mark.parametrize(("qty", "price"), [(100, 1), (300, 997), (1_700, 1_005), (12_300, 4_995)])
def test_07_what_one_pays_the_other_gets_to_the_unit(venue, qty, price):
    cash = {key: account.cash for key, account in venue.state.accounts.items()}
    venue.place(1, CALL, False, qty, price * USDC)
    (traded,) = [event for event in venue.place(2, CALL, True, qty, price * USDC) if type(event) is e.Traded]
    moved = {key: account.cash - cash[key] for key, account in venue.state.accounts.items()}
    assert moved[1] + traded.maker_fee == -(moved[2] + traded.taker_fee) == price * qty * USDC // 10**4
    assert price * qty * USDC % 10**4 == 0
    assert sum(moved.values()) == 0


def test_08_the_legs_of_a_spread_are_margined_together():
    venue = standard_venue()
    venue.fund(1, 5_000)
    venue.fund(2, 1_000_000)
    assert venue.place(1, CALL, False, 10_000, 900 * USDC)[-1].reason is Reject.ACCOUNT_MUST_HAVE_MARGIN
    venue.place(2, HIGH, False, 10_000, 400 * USDC)
    venue.place(1, HIGH, True, 10_000, 400 * USDC)
    venue.place(2, CALL, True, 10_000, 900 * USDC)
    reducing = venue.place(1, CALL, False, 10_000, 900 * USDC, tif=c.IOC)
    assert reducing[-1].reason is Reject.ACCOUNT_MUST_HAVE_MARGIN  # an open order reserves what it may cost alone
    venue.fund(1, 10_000)
    assert any(type(event) is e.Traded for event in venue.place(1, CALL, False, 10_000, 900 * USDC, tif=c.IOC))
    venue.check()


def test_10_balances_and_books_come_back_from_any_prefix_of_the_journal(venue):
    for number in range(8):
        venue.place(1 + number % 2, CALL, number % 3 == 0, 5_000, (880 + 5 * number) * USDC)
    assert encode(replayed(venue)) == encode(venue.state)


def test_11a_an_immediate_order_that_traded_and_was_cut_is_replayed(venue):
    venue.place(1, CALL, False, 5_000, 900 * USDC)
    venue.place(2, CALL, True, 10_000, 900 * USDC, tif=c.IOC)
    assert replayed(venue).accounts[2].positions == {CALL: 5_000}


def test_11b_numbers_of_trades_and_orders_follow_from_the_journal_alone(venue):
    for _ in range(3):
        venue.place(1, CALL, False, 5_000, 900 * USDC)
        venue.place(2, CALL, True, 5_000, 900 * USDC)
    assert list(replayed(venue).trades) == list(venue.state.trades) == [1, 2, 3]


def test_11c_priority_survives_a_restore(venue):
    orders = [resting(venue, 1 + number % 2, True, 1_000, 800) for number in range(4)]
    venue.amend(orders[0], 2_000, 800 * USDC)
    restored = decode(encode(venue.state))
    assert [order.id for order in restored.books[CALL].bids.orders()] == [*orders[1:], orders[0]]


def test_11d_states_that_differ_in_who_is_first_differ(venue):
    first, second = resting(venue, 1, True, 1_000, 800), resting(venue, 2, True, 1_000, 800)
    before = digest(venue.state)
    orders = venue.state.orders
    orders[first].priority, orders[second].priority = orders[second].priority, orders[first].priority
    assert digest(venue.state) != before


def test_12_a_snapshot_knows_who_waits_for_a_price_or_a_moment(venue):
    stop = c.Terms(trigger=c.MARK, trigger_price=2_000 * USDC, trigger_above=True)
    venue.must(c.Place(venue.auth(1, CALL, True, 1_000, 900 * USDC, terms=stop)))
    waiting = venue.state.seq
    venue.must(c.SetTimer(2, 60_000))
    restored = decode(encode(venue.state))
    assert restored.orders[waiting].watch == c.MARK
    assert restored.timers == venue.state.timers
    venue.wait(60)
    for state in (venue.state, restored):
        assert e.TimerFired(2) in apply(state, state.seq + 1, venue.time_ns, c.Tick())
    assert encode(restored) == encode(venue.state)


def test_13a_a_partly_filled_order_keeps_what_it_filled_when_it_is_changed(venue):
    order_id = resting(venue, 1, False, 10_000, 900)
    venue.place(2, CALL, True, 4_000, 900 * USDC)
    venue.amend(order_id, 9_000, 905 * USDC)
    order = venue.state.orders[order_id]
    assert (order.qty, order.filled, venue.state.books[CALL].asks.total_at(905 * USDC)) == (9_000, 4_000, 5_000)


def test_13b_an_order_behind_the_first_is_cancelled_and_leaves_no_best_price_behind(venue):
    orders = [resting(venue, 1, True, 1_000, 800) for _ in range(3)]
    for order_id in (orders[1], orders[0], orders[2]):
        venue.must(c.Cancel(1, order_id))
    assert venue.state.books[CALL].bids.best() is None
    assert type(venue.place(2, CALL, False, 1_000, 800 * USDC)[-1]) is e.Rested


def test_15_a_hundred_quotes_are_refreshed_in_one_burst():
    limits = Limits()
    bucket = Bucket(limits, 0)
    for _ in range(200):
        bucket.spend(limits.costs.matching, 0)


def test_16_an_expiry_is_fixed_by_rounds_at_both_edges_of_its_last_half_hour_and_by_no_older_price():
    venue = Venue().open()
    venue.list_expiry(T0 + 4 * HALF_HOUR)
    for step in range(3):
        venue.round(62_000 + step)
        venue.wait(HALF_HOUR)
    venue.round(70_000)
    venue.wait(HALF_HOUR - 1)
    venue.round(99_000)
    assert venue.state.expiries[1].fixing < 0
    venue.wait(1)
    venue.round(99_000)
    assert venue.state.expiries[1].fixing == (70_000 * 1_799 + 99_000) * USDC // 1_800


def test_18_fills_of_one_order_in_many_batches_settle_one_after_another():
    world = World(batch_trades_max=1)
    world.trade(4, 0, True, 60, 100)
    for _ in range(6):
        world.trade(2, 0, False, 10, 100)
    world.quiesce()


def test_19a_one_signature_is_no_round(venue):
    venue.wait(60)
    round_ = venue.round_of({0: 62_000 * USDC})
    with pytest.raises(RoundRefused, match="not been heard to seat anybody"):
        check(venue.state, round_)
    for number in range(5):
        venue.must(c.ObserveSeat(bytes([number + 1]) * 20, 0))
    with pytest.raises(RoundRefused, match="0 known signatures of 5"):
        check(venue.state, round_)


def test_19b_money_asked_back_is_no_margin_from_that_moment(venue):
    venue.observe(c.ObserveWithdrawalRequest, 1, venue.state.accounts[1].cash)
    assert venue.place(1, CALL, True, 10_000, 800 * USDC)[-1].reason is Reject.ACCOUNT_MUST_HAVE_MARGIN


def test_20_what_fills_while_its_owner_is_away_is_numbered_and_waits_for_the_return(venue):
    venue.must(c.OpenSession(wallet(1)))
    session = venue.state.seq
    venue.must(c.Place(venue.auth(1, CALL, False, 10_000, 900 * USDC), session=session))
    venue.must(c.EndSession(session))
    venue.place(2, CALL, True, 4_000, 900 * USDC)
    account = venue.state.accounts[1]
    assert account.positions == {CALL: -4_000}
    assert [order.filled for order in account.orders.values()] == [4_000]
    assert list(venue.state.trades) == [1]
