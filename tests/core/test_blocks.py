"""Block trades: whole or not at all, at the price both signed, and nothing in the books hears of them."""

from typing import Any

import pytest
from core_blocks import RFQ, block_of
from core_quotes import bid as quote_bid
from core_quotes import protect, quoted
from core_venue import T0, USDC, Venue, series_named, standard_venue, wallet
from core_world import World

from exchange.core import backlog, fees
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.images import decode, encode
from exchange.core.units import NO_EXPIRY

A, B, D = 1, 2, 3
CALL, PUT, HIGH, LATER = (
    series_named("62000C"),
    series_named("62000P"),
    series_named("64000C"),
    series_named("62000C.2"),
)
ONE = 10_000
R = e.Reject


def venue_of(**changes: Any) -> Venue:
    venue = standard_venue(blocks=True, mandates=True, **changes)
    venue.must(c.SetBlocks(0, ONE, "desk"))
    for account in (A, B, D):
        venue.fund(account, 1_000_000)
    return venue


def leg(series: int = CALL, *, is_buy: bool = True, lots: int = 100, usdc: int = 900) -> c.BlockLeg:
    return c.BlockLeg(series, is_buy, lots * 100, usdc * USDC)


def names(events: tuple[Any, ...]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_all_legs_trade_in_one_record_and_are_a_batch_of_their_own():
    venue = venue_of()
    venue.place(A, HIGH, False, ONE, 500 * USDC)
    venue.place(D, HIGH, True, ONE, 500 * USDC)
    events = venue.must(block_of(venue, A, B, leg(), leg(PUT, is_buy=False, usdc=700)))
    assert names(events) == ["BatchSealed", "BlockTraded", "BlockTraded", "BatchSealed"]
    first, _, _, second = events
    assert (first.batch_id, first.first_trade, first.last_trade) == (1, 1, 1)
    assert (second.batch_id, second.first_trade, second.last_trade) == (2, 2, 3)
    assert venue.state.accounts[B].positions == {CALL: ONE, PUT: -ONE}
    assert venue.state.accounts[A].positions[CALL] == -ONE
    venue.check()
    venue.check_history()


def test_taker_and_maker_pay_the_fees_of_the_schedule_and_a_block_earns_no_rebate():
    venue = venue_of()
    cash = {key: account.cash for key, account in venue.state.accounts.items()}
    (traded, _) = venue.must(block_of(venue, A, B, leg(usdc=900)))
    schedule, index = venue.state.config.fees, 62_000 * USDC
    fee = fees.taker_fee(schedule, index, 900 * USDC, ONE)
    assert (traded.taker_fee, traded.maker_fee, traded.index) == (fee, 0, index)
    accounts = venue.state.accounts
    assert accounts[A].cash - cash[A] == 900 * USDC
    assert accounts[B].cash - cash[B] == -900 * USDC - fee
    assert accounts[0].cash - cash[0] == fee


def test_neither_the_last_price_nor_stops_nor_quotes_nor_the_book_hear_of_it():
    venue = venue_of()
    protect(venue, A, qty=1)
    (quote,) = quoted(venue, quote_bid(CALL, 10, 890), account=A)
    stop = c.Terms(trigger=c.LAST, trigger_above=True, trigger_price=850 * USDC)
    venue.place(D, CALL, True, 100, 880 * USDC, terms=stop)
    standing = dict(venue.state.orders)
    events = venue.must(block_of(venue, A, B, leg(is_buy=False, usdc=900)))
    assert names(events) == ["BlockTraded", "BatchSealed"]
    assert venue.state.series[CALL].last_price == 0
    assert venue.state.series[CALL].volume == ONE
    assert venue.state.series[CALL].open_interest == ONE
    assert venue.state.orders == standing
    assert not venue.state.due
    assert quote in venue.state.orders


def test_reduce_only_orders_go_whose_position_it_closes():
    venue = venue_of()
    venue.must(block_of(venue, A, B, leg(), leg(PUT)))
    reducing = [
        venue.place(B, series, False, 500, 2_000 * USDC, reduce_only=True)[0].order_id for series in (CALL, PUT)
    ]
    venue.must(block_of(venue, A, B, leg(is_buy=False)))
    assert reducing[0] not in venue.state.orders
    assert reducing[1] in venue.state.orders


def test_the_nonce_is_gone_from_both_and_it_trades_once():
    venue = venue_of()
    command = block_of(venue, A, B, leg())
    venue.must(command)
    assert venue.rejected(command) is R.NONCE_MUST_BE_FRESH
    for account in (A, B):
        order = venue.auth(account, CALL, True, 100, 890 * USDC, nonce=command.block.nonce)
        assert venue.rejected(c.Place(order)) is R.NONCE_MUST_BE_FRESH


@pytest.mark.parametrize("account", [A, B])
def test_either_may_withdraw_its_signature(account):
    venue = venue_of()
    command = block_of(venue, A, B, leg())
    venue.must(c.InvalidateBlock(account, command.block.nonce))
    assert venue.rejected(command) is R.NONCE_MUST_BE_FRESH
    assert venue.rejected(c.InvalidateBlock(account, command.block.nonce)) is R.NONCE_MUST_BE_FRESH
    assert venue.rejected(c.InvalidateBlock(99, 1)) is R.ACCOUNT_MUST_EXIST
    venue.check_history()


def test_a_nonce_that_an_order_of_either_has_used_is_no_nonce_for_a_block():
    for account in (A, B):
        venue = venue_of()
        venue.place(account, CALL, True, 100, 890 * USDC, nonce=77)
        assert venue.rejected(block_of(venue, A, B, leg(), nonce=77)) is R.NONCE_MUST_BE_FRESH


# -- what is refused --------------------------------------------------------------------------------------------------


def halted(venue: Venue) -> None:
    venue.must(c.SetTrading(False, "test"))


def killed(venue: Venue) -> None:
    venue.must(c.PullKill(c.KILL_ACCOUNT, B, b"", wallet(B), "test"))


def leaving(venue: Venue) -> None:
    venue.observe(c.ObserveExit, A)


def same_owner(venue: Venue) -> None:
    venue.observe(c.ObserveAccount, 4, wallet(A))


def collecting(venue: Venue) -> None:
    venue.must(c.SetPhase(c.SERIES, CALL, c.AUCTION, venue.now_s + 3_600, 0, "test", "test"))


def stopped(venue: Venue) -> None:
    venue.must(c.SetPhase(c.SERIES, CALL, c.HALTED, 0, 0, "test", "test"))


def withheld(venue: Venue) -> None:
    venue.must(c.SetBlocks(0, 0, "desk"))


def stale(venue: Venue) -> None:
    venue.wait(1_801)


def over(venue: Venue) -> None:
    venue.wait(venue.state.series[CALL].expiry_s - venue.now_s)


def banded(venue: Venue) -> None:
    venue.must(c.SetBands(0, 0, 0, 10**15, "test"))


def spent(venue: Venue) -> None:
    venue.observe(c.ObserveWithdrawalRequest, A, 1_000_000 * USDC)


def unseen(venue: Venue) -> None:
    venue.must(c.ObserveBlock(1, venue.now_s - 1_700, bytes(32)))


def keyed(venue: Venue, scopes: int, *limits: int) -> bytes:
    venue.observe(c.ObserveKey, B, b"k" * 20, scopes, venue.now_s + 3_600, *limits)
    return b"k" * 20


REFUSALS: list[tuple[R, Any, dict[str, Any], tuple[c.BlockLeg, ...]]] = [
    (R.TRADING_MUST_BE_OPEN, halted, {}, (leg(),)),
    (R.ACCOUNT_MUST_EXIST, None, {"taker": 99}, (leg(),)),
    (R.ACCOUNT_MUST_EXIST, None, {"maker": 0}, (leg(),)),
    (R.ACCOUNT_MUST_BE_ACTIVE, leaving, {}, (leg(),)),
    (R.KILL_SWITCH_MUST_BE_RELEASED, killed, {}, (leg(),)),
    (R.SIGNER_MUST_BE_AUTHORISED, None, {"taker_signer": wallet(A)}, (leg(),)),
    (R.SIGNER_MUST_BE_AUTHORISED, None, {"maker_signer": wallet(B)}, (leg(),)),
    (R.BLOCK_MUST_HAVE_TWO_OWNERS, None, {"taker": A, "taker_signer": wallet(A)}, (leg(),)),
    (R.BLOCK_MUST_HAVE_TWO_OWNERS, same_owner, {"taker": 4, "taker_signer": wallet(A)}, (leg(),)),
    (R.BLOCK_LEGS_MUST_FIT, None, {}, ()),
    (R.BLOCK_LEGS_MUST_FIT, None, {}, (leg(), leg())),
    (R.BLOCK_LEGS_MUST_FIT, None, {}, (leg(PUT), leg(CALL))),
    (R.BLOCK_LEGS_MUST_FIT, None, {}, tuple(leg(CALL + at) for at in range(5))),
    (R.SERIES_MUST_EXIST, None, {}, (leg(99 << 16),)),
    (R.SERIES_MUST_BE_TRADING, over, {}, (leg(),)),
    (R.SERIES_MUST_TAKE_ORDERS, collecting, {}, (leg(),)),
    (R.SERIES_MUST_TAKE_ORDERS, stopped, {}, (leg(),)),
    (R.QTY_MUST_BE_POSITIVE, None, {}, (leg(lots=0),)),
    (R.QTY_MUST_BE_ON_LOT, None, {}, (c.BlockLeg(CALL, True, ONE + 1, 900 * USDC),)),
    (R.PRICE_MUST_BE_POSITIVE, None, {}, (leg(usdc=0),)),
    (R.PRICE_MUST_BE_ON_TICK, None, {}, (c.BlockLeg(CALL, True, ONE, 900 * USDC + 1),)),
    (R.PRICE_MUST_FIT, None, {"maker_max_fee": -1}, (leg(),)),
    (R.BLOCKS_MUST_BE_OFFERED, withheld, {}, (leg(),)),
    (R.BLOCK_MUST_BE_LARGE, None, {}, (leg(), leg(PUT, lots=99))),
    (R.ORDER_MUST_NOT_BE_EXPIRED, None, {"expiry_s": T0}, (leg(),)),
    (R.ORDER_MUST_NOT_BE_EXPIRED, None, {"expiry_s": NO_EXPIRY + 1}, (leg(),)),
    (R.NONCE_MUST_BE_FRESH, None, {"nonce": -1}, (leg(),)),
    (R.ORACLE_MUST_BE_FRESH, stale, {}, (leg(),)),
    (R.MAX_FEE_MUST_COVER_FEE, None, {"taker_max_fee": 1}, (leg(),)),
    (R.PRICE_MUST_BE_IN_BAND, banded, {}, (leg(usdc=5),)),
    (R.PRICE_MUST_BE_IN_BAND, banded, {}, (leg(usdc=5_000),)),
    (R.CHAIN_MUST_BE_IN_SIGHT, unseen, {}, (leg(),)),
    (R.PARTY_MUST_HAVE_MARGIN, spent, {}, (leg(),)),
]


@pytest.mark.parametrize(("reason", "happens", "terms", "legs"), REFUSALS)
def test_a_block_is_refused_whole(reason, happens, terms, legs):
    venue = venue_of()
    if happens is not None:
        happens(venue)
    before = encode(venue.state)
    terms = {"maker": A, "taker": B, "maker_signer": wallet(A), "taker_signer": wallet(B)} | terms
    command = block_of(venue, terms.pop("maker"), terms.pop("taker"), *legs, **terms)
    events = venue.do(command)
    assert [type(event) for event in events] == [e.Rejected]
    assert events[0].reason is reason
    after, was = decode(encode(venue.state)), decode(before)
    after.seq, after.time_ns = was.seq, was.time_ns
    assert encode(after) == encode(was)


def test_without_contracts_that_know_them_there_are_no_blocks():
    venue = standard_venue()
    venue.must(c.SetBlocks(0, ONE, "desk"))
    assert venue.rejected(block_of(venue, A, B, leg())) is R.BLOCKS_MUST_BE_SUPPORTED


def test_rules_are_for_listed_underlyings_and_quantities_that_fit():
    venue = venue_of()
    assert venue.rejected(c.SetBlocks(7, ONE, "desk")) is R.UNDERLYING_MUST_EXIST
    assert venue.rejected(c.SetBlocks(0, -1, "desk")) is R.QTY_MUST_FIT
    venue.check_history()


# -- keys -------------------------------------------------------------------------------------------------------------


def test_a_session_key_signs_blocks_with_a_scope_of_its_own():
    venue = venue_of()
    key = keyed(venue, c.SCOPE_TRADE | c.SCOPE_QUOTE | c.SCOPE_CANCEL)
    assert venue.rejected(block_of(venue, A, B, leg(), taker_signer=key)) is R.SIGNER_MUST_BE_AUTHORISED
    venue.observe(c.ObserveRevocation, B, key)
    key = keyed(venue, RFQ)
    venue.must(block_of(venue, A, B, leg(), taker_signer=key))
    assert (
        venue.rejected(c.Place(venue.auth(B, CALL, True, 100, 890 * USDC, signer=key))) is R.SIGNER_MUST_BE_AUTHORISED
    )


def test_what_a_limited_key_may_do_covers_all_legs_together():
    venue = venue_of()
    key = keyed(venue, RFQ, 1, 125_000 * USDC, 1_700 * USDC)
    legs = (leg(usdc=800), leg(PUT, usdc=800))
    dear = (leg(usdc=800), leg(PUT, usdc=900))
    assert venue.rejected(block_of(venue, A, B, *dear, taker_signer=key)) is R.KEY_MUST_HAVE_SPEND
    three = (*legs, leg(HIGH, is_buy=False))
    assert venue.rejected(block_of(venue, A, B, *three, taker_signer=key)) is R.KEY_MUST_HAVE_NOTIONAL
    venue.must(block_of(venue, A, B, *legs, taker_signer=key))
    assert venue.state.accounts[B].keys[key].notional == 124_000 * USDC
    assert venue.rejected(block_of(venue, A, B, leg(), taker_signer=key)) is R.KEY_MUST_HAVE_NOTIONAL


def test_a_key_for_another_underlying_signs_none():
    venue = venue_of()
    key = keyed(venue, RFQ, 2)
    assert venue.rejected(block_of(venue, A, B, leg(), taker_signer=key)) is R.KEY_MUST_ALLOW_UNDERLYING


# -- margin, bounds ---------------------------------------------------------------------------------------------------


def test_margin_is_that_of_all_legs_together():
    """Short a call and long the same call later would not pass one by one in any order; a spread passes as one."""
    venue = venue_of()
    venue.fund(4, 3_000)
    spread = (leg(CALL, is_buy=True, usdc=900), leg(HIGH, is_buy=False, usdc=400))
    assert venue.rejected(block_of(venue, A, 4, spread[1])) is R.PARTY_MUST_HAVE_MARGIN
    venue.must(block_of(venue, A, 4, *spread))
    assert venue.state.accounts[4].positions == {CALL: ONE, HIGH: -ONE}


def test_an_account_short_of_margin_may_still_get_nearer_to_it():
    venue = venue_of()
    venue.must(block_of(venue, A, B, leg(lots=1_000)))
    venue.observe(c.ObserveWithdrawalRequest, A, 1_000_000 * USDC)
    assert venue.rejected(block_of(venue, A, B, leg(lots=100))) is R.PARTY_MUST_HAVE_MARGIN
    venue.must(block_of(venue, A, B, leg(lots=500, is_buy=False)))


def test_what_covers_quotes_is_left():
    venue = venue_of()
    venue.fund(4, 4_000)
    protect(venue, 4, covered=True)
    quoted(venue, quote_bid(CALL, 100, 900), account=4, qty=ONE)  # which may fill twice over, but for one unit
    assert venue.rejected(block_of(venue, A, 4, leg(usdc=2_000))) is R.PARTY_MUST_HAVE_MARGIN
    venue.must(block_of(venue, A, 4, leg(usdc=1_500)))
    venue.check()


def test_blocks_leave_batches_for_orders():
    venue = venue_of()
    most = backlog.blocks_max(venue.state.config)
    for _ in range(most):
        venue.must(block_of(venue, A, B, leg()))
    assert venue.rejected(block_of(venue, A, B, leg())) is R.SETTLEMENT_MUST_KEEP_UP
    venue.place(A, HIGH, False, 100, 500 * USDC)
    assert "Traded" in names(venue.place(D, HIGH, True, 100, 500 * USDC))
    venue.observe(c.ObserveBatch, 1, b"t" * 32, 1, 1)
    venue.must(block_of(venue, A, B, leg()))
    venue.check()


def test_a_block_that_settles_leaves_nothing_behind():
    venue = venue_of()
    venue.must(block_of(venue, A, B, leg(), leg(PUT)))
    venue.observe(c.ObserveBatch, 1, b"t" * 32, 1, 1)
    state = venue.state
    assert (state.deals, state.auths, state.trades, state.batches) == ({}, {}, {}, {})
    assert state.mirror.positions[B] == {CALL: ONE, PUT: ONE}
    venue.check()
    venue.check_history()


def test_whatever_record_is_the_last_all_of_it_or_nothing_has_traded():
    """A record is durable whole or not at all; a start from any of them goes on to the same end."""
    venue = venue_of()
    venue.place(A, HIGH, False, ONE, 500 * USDC)
    venue.place(D, HIGH, True, ONE, 500 * USDC)
    venue.must(block_of(venue, A, B, leg(), leg(PUT, is_buy=False), leg(LATER)))
    for at in range(len(venue.log)):
        again = Venue()
        for record in venue.log[: at + 1]:
            again.time_ns = record.time_ns
            again.do(record.command)
        restored = decode(encode(again.state))
        held = restored.accounts[B].positions if B in restored.accounts else {}
        assert held in ({}, {CALL: ONE, PUT: -ONE, LATER: ONE})
        assert len(restored.deals) == bool(held)


def test_blocks_settle_on_the_model_of_the_contracts_while_the_market_moves():
    world = World()
    series = world.trading()[:2]
    world.trade(1, 0, False, 50, 100)
    world.trade(4, 0, True, 50, 100)
    legs = [c.BlockLeg(key, True, 1_000, world.price_near(key, 110)) for key in series]
    world.must(block_of(world, 3, 4, *legs))
    world.move_spot(-100)
    world.wait(60)
    world.oracle_speaks()
    world.quiesce()
    assert world.chain.accounts[4].positions[series[0]] >= 1_000
