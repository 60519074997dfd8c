"""Blocks that settle without the operator: nobody is busted by one, and nobody can be kept out of the market with them."""

from typing import Any

import pytest
from core_blocks import RFQ, Queued, block_of, digest_of
from core_contract import Refused
from core_dealing import queue, settle_waiting
from core_quotes import bid as quote_bid
from core_quotes import kinds, mandate, protect, quoted
from core_venue import HALF_HOUR, USDC, Venue, series_named, standard_venue, wallet
from core_world import SEEN_WITHIN, WINDOW, World

from exchange.core import admission, offbook
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.images import decode, encode

A, B, D = 1, 2, 3
CALL, PUT = series_named("62000C"), series_named("62000P")
ONE = 10_000
R = e.Reject
DIGEST = b"d" * 32


def venue_of() -> Venue:
    venue = standard_venue(blocks=True, mandates=True)
    venue.must(c.SetBlocks(0, ONE, "desk"))
    for account in (A, B, D):
        venue.fund(account, 1_000_000)
    return venue


def observe_queue(venue: Venue, digest: bytes = DIGEST, nonce: int = 10**6, life: int = 3_600) -> tuple[Any, ...]:
    return venue.observe(c.ObserveOffbookQueued, A, B, digest, nonce, venue.now_s + life)


def settled(venue: Venue, *legs: c.OffbookLeg) -> tuple[Any, ...]:
    return venue.observe(c.ObserveOffbookSettled, A, B, DIGEST, wallet(A), wallet(B), legs)


def leg(series: int = CALL, *, is_buy: bool = True, qty: int = ONE, usdc: int = 900) -> c.OffbookLeg:
    return c.OffbookLeg(series, is_buy, qty, usdc * USDC, 7 * USDC, 2 * USDC, 62_000 * USDC)


def test_everything_both_have_open_leaves_in_the_record_that_observes_it():
    venue = venue_of()
    protect(venue, A)
    quoted(venue, quote_bid(CALL, 10, 890), account=A)
    stop = c.Terms(trigger=c.INDEX, trigger_above=True, trigger_price=70_000 * USDC)
    venue.place(B, CALL, True, 100, 900 * USDC, terms=stop)
    venue.place(B, PUT, True, 100, 600 * USDC)
    (entered, _) = venue.place(D, PUT, True, 100, 600 * USDC)
    events = observe_queue(venue)
    assert kinds(events) == ["Applied", "Cancelled", "Cancelled", "Cancelled"]
    assert {event.reason for event in events[1:]} == {e.CancelReason.BLOCK_QUEUED}
    assert list(venue.state.orders) == [entered.order_id]
    venue.check()
    venue.check_history()


@pytest.mark.parametrize("account", [A, B])
def test_neither_opens_anything_meanwhile_and_others_trade_on(account):
    venue = venue_of()
    protect(venue, account)
    observe_queue(venue)
    place = c.Place(venue.auth(account, CALL, True, 100, 890 * USDC))
    assert venue.rejected(place) is R.ACCOUNT_MUST_NOT_AWAIT_BLOCK
    reducing = c.Place(venue.auth(account, CALL, True, 100, 890 * USDC, reduce_only=True))
    assert venue.rejected(reducing) is R.ACCOUNT_MUST_NOT_AWAIT_BLOCK
    quotes = c.MassQuote(mandate(venue, account), (quote_bid(CALL, 10, 890),), "front")
    assert venue.rejected(quotes) is R.ACCOUNT_MUST_NOT_AWAIT_BLOCK
    for maker, taker in ((account, D), (D, account)):
        plain = c.BlockLeg(CALL, True, ONE, 900 * USDC)
        assert venue.rejected(block_of(venue, maker, taker, plain)) is R.ACCOUNT_MUST_NOT_AWAIT_BLOCK
    venue.must(c.Place(venue.auth(D, CALL, True, 100, 890 * USDC)))


def test_its_nonce_is_gone_from_both_for_good():
    venue = venue_of()
    observe_queue(venue, nonce=77, life=10)
    venue.wait(20)
    venue.must(c.ObserveBlock(10**9, venue.now_s, bytes(32)))
    for account in (A, B):
        order = venue.auth(account, CALL, True, 100, 890 * USDC, nonce=77)
        assert venue.rejected(c.Place(order)) is R.NONCE_MUST_BE_FRESH


def test_it_is_over_when_a_final_block_is_later_than_it_could_settle_and_not_a_second_before():
    venue = venue_of()
    observe_queue(venue, life=100)
    venue.wait(500)
    venue.round(62_000)
    order = venue.auth(A, CALL, True, 100, 890 * USDC)
    for number, lapsed in ((1, False), (2, True)):
        venue.must(c.ObserveBlock(number, venue.now_s - 400 + lapsed, bytes(32)))
        assert (A in [key for key, account in venue.state.accounts.items() if account.awaiting]) is not lapsed
    venue.must(c.Place(order))
    venue.check()
    venue.check_history()


def test_of_two_that_are_queued_the_last_to_end_lets_go():
    venue = venue_of()
    observe_queue(venue)
    observe_queue(venue, b"e" * 32, 10**6 + 1)
    settled(venue, leg())
    assert venue.rejected(c.Place(venue.auth(A, CALL, True, 100, 890 * USDC))) is R.ACCOUNT_MUST_NOT_AWAIT_BLOCK
    venue.observe(c.ObserveOffbookSettled, A, B, b"e" * 32, wallet(A), wallet(B), (leg(PUT),))
    venue.must(c.Place(venue.auth(A, CALL, True, 100, 890 * USDC)))
    venue.check_history()


def test_what_settled_there_is_so_here_and_in_the_mirror():
    venue = venue_of()
    before = {key: account.cash for key, account in venue.state.accounts.items()}
    observe_queue(venue)
    settled(venue, leg(), leg(PUT, is_buy=False, usdc=700))
    state = venue.state
    assert state.accounts[B].positions == state.mirror.positions[B] == {CALL: ONE, PUT: -ONE}
    assert state.accounts[A].cash - before[A] == (900 - 700 - 2 * 2) * USDC
    assert state.accounts[B].cash - before[B] == (700 - 900 - 2 * 7) * USDC
    assert state.accounts[0].cash - before[0] == 18 * USDC
    assert state.series[CALL].open_interest == ONE
    assert state.series[CALL].last_price == 0
    venue.check()
    venue.check_history()


def test_a_limited_key_has_used_what_it_signed():
    venue = venue_of()
    venue.observe(c.ObserveKey, B, b"k" * 20, RFQ, venue.now_s + 3_600, 0, 100_000 * USDC, 2_000 * USDC)
    observe_queue(venue)
    venue.observe(c.ObserveOffbookSettled, A, B, DIGEST, wallet(A), b"k" * 20, (leg(),))
    key = venue.state.accounts[B].keys[b"k" * 20]
    assert (key.notional, key.spend) == (62_000 * USDC, 907 * USDC)


def test_a_leg_in_an_expiry_that_is_over_here_is_worth_what_it_pays():
    """The contracts traded it before the end; the record of that comes after."""
    venue = venue_of()
    option = venue.state.series[CALL]
    observe_queue(venue, life=10**6)
    venue.wait(option.expiry_s - HALF_HOUR - venue.now_s)
    venue.round(63_000)
    venue.wait(HALF_HOUR)
    venue.round(63_000)
    assert venue.state.expiries[option.expiry_id].fixing == 63_000 * USDC
    before = {key: account.cash for key, account in venue.state.accounts.items()}
    events = settled(venue, leg(qty=ONE + 1))
    assert kinds(events) == ["Applied", "AccountSettled", "AccountSettled", "AccountSettled"]
    assert venue.state.accounts[B].positions == {}
    paid = 900 * USDC * (ONE + 1) // ONE
    worth = 1_000 * USDC * (ONE + 1) // ONE
    assert venue.state.accounts[B].cash - before[B] == worth - paid - 7 * USDC
    venue.check()
    venue.check_history()


def test_a_snapshot_in_between_still_awaits_it():
    venue = venue_of()
    observe_queue(venue)
    restored = decode(encode(venue.state))
    assert [restored.accounts[key].awaiting for key in (A, B, D)] == [1, 1, 0]
    assert encode(restored) == encode(venue.state)


# -- NO_BUST ----------------------------------------------------------------------------------------------------------


def rushed(world: World) -> World:
    """An account with money for one large purchase agrees on it without the operator, and then buys something else."""
    series = world.trading()[-1]
    mark = world.price_near(series, 100)
    qty = world.state.accounts[3].cash * 8 // 10 * ONE // mark // 100 * 100
    block = c.BlockLeg(series, True, qty, mark)
    world.place(4, series, False, qty, mark)
    world.see_block()
    assert queue(world, block_of(world, 4, 3, block, queueable=True, expiry_s=world.now_s + 10 * WINDOW))
    world.wait(SEEN_WITHIN)
    world.finalise(len(world.unseen))
    world.place(4, series, False, qty, mark)
    world.place(3, series, True, qty, mark, tif=c.IOC)
    queued: Queued = next(iter(world.chain.queue.values()))
    while world.now_s < queued.effective:
        world.wait(600)
        world.oracle_speaks()
    assert settle_waiting(world, 0) == 1
    world.see_block()
    world.quiesce()
    return world


def test_what_an_account_acknowledges_does_not_depend_on_a_block_that_waits():
    world = rushed(World())
    assert list(world.chain.accounts[3].positions.values()) == list(world.state.accounts[3].positions.values())


def test_a_machine_that_lets_the_parties_trade_on_is_refused_by_the_contract(monkeypatch):
    honest = admission.refuse_account

    def blind(state: Any, account_id: int) -> Any:
        refused = honest(state, account_id)
        return None if refused is not None and refused.reason is R.ACCOUNT_MUST_NOT_AWAIT_BLOCK else refused

    monkeypatch.setattr(admission, "refuse_account", blind)
    with pytest.raises(Refused, match="account_margin"):
        rushed(World())


def test_a_machine_that_leaves_their_orders_open_is_noticed(monkeypatch):
    monkeypatch.setattr(offbook, "on_queued", lambda *_: [])
    venue = venue_of()
    venue.place(A, CALL, True, 100, 890 * USDC)
    observe_queue(venue)
    with pytest.raises(AssertionError, match="awaits a block"):
        venue.check()


def misread(_: Any, command: c.ObserveOffbookSettled) -> list[Any]:
    return [offbook.trade_of(command, each) for each in command.legs[:1]]


def test_a_machine_that_misreads_what_settled_is_noticed(monkeypatch):
    monkeypatch.setattr(offbook, "evolve_settled", misread)
    venue = venue_of()
    observe_queue(venue)
    settled(venue, leg(), leg(PUT))
    with pytest.raises(AssertionError):
        venue.check()


class Observant(World):
    """A world that sees another block of the chain before every order."""

    def place(self, *order: Any, **terms: Any) -> tuple[Any, ...]:
        self.wait(12)
        self.see_block(1)
        return super().place(*order, **terms)


def test_forgetting_a_queued_block_too_early_is_noticed_by_the_contract(monkeypatch):
    def hasty(state: Any, _: c.ObserveBlock) -> None:
        for digest in list(state.queued):
            state.forget_block(digest)

    rushed(Observant())
    monkeypatch.setattr(offbook, "lapse", hasty)
    with pytest.raises(Refused, match="account_margin"):
        rushed(Observant())


# -- griefing ---------------------------------------------------------------------------------------------------------


def test_nobody_is_kept_out_of_the_market_without_having_signed_for_it_nor_twice_by_one_signature():
    """A stranger has no signature; a counterparty has one for each queueable block, good once, for two windows at most."""
    world = World()
    series = world.trading()[0]
    plain = c.BlockLeg(series, True, 1_000, world.price_near(series, 100))
    shy = block_of(world, 1, 2, plain)
    assert not queue(world, shy)
    agreed = block_of(world, 1, 2, plain, queueable=True)
    assert queue(world, agreed)
    assert not queue(world, agreed)
    assert world.chain.queue[digest_of(agreed)].lapses(WINDOW) == world.now_s + 2 * WINDOW
    world.finalise(1)
    assert world.state.accounts[1].awaiting == 1
    for _ in range(2 * WINDOW // 600 + 1):
        world.wait(600)
        world.oracle_speaks()
    assert settle_waiting(world, 0) == 0
    assert not queue(world, agreed)
    world.see_block()
    world.wait(12)
    world.see_block(0)
    assert world.state.accounts[1].awaiting == 0
    assert len(world.unseen) == 0
