"""Requests for quotes: what an acceptance can rely on, and how requests and quotes end. # M12"""

from collections.abc import Iterator

import pytest
from core_rfqs import (
    CALL,
    MAKER,
    MAKERS,
    MARK,
    ONE,
    OTHER,
    STRANGER,
    TAKER,
    THIRD,
    accept,
    accepted,
    ask,
    asking_venue,
    check,
    ends,
    fills,
    gone,
    quote,
    request,
    requoted,
    signed,
    standing,
)
from core_venue import USDC, Venue, wallet
from msgspec.structs import replace

from exchange.core import backlog
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import rfq as rfqs
from exchange.core.events import CancelReason, Reject, RfqEnd
from exchange.core.images import decode, encode


@pytest.fixture
def venue() -> Iterator[Venue]:
    """Whatever a test did, the invariants hold after it, and its history can be told again."""
    venue = asking_venue()
    yield venue
    check(venue)


# -- margin -----------------------------------------------------------------------------------------------------------


def test_quote_holds_margin_like_an_order_in_a_book() -> None:
    venue = asking_venue(100_000)
    rfq = ask(venue, 20 * ONE)
    too_much = signed(venue, MAKER, rfq, False, 20 * ONE, MARK)
    assert venue.rejected(c.QuoteRfq(too_much)) is Reject.ACCOUNT_MUST_HAVE_MARGIN
    offer = quote(venue, MAKER, rfq, MARK, 6 * ONE)
    beside = venue.auth(MAKER, CALL, False, 6 * ONE, MARK)
    assert venue.rejected(c.Place(beside)) is Reject.ACCOUNT_MUST_HAVE_MARGIN
    assert venue.rejected(requoted(venue, offer, MARK, 20 * ONE)) is Reject.ACCOUNT_MUST_HAVE_MARGIN
    venue.must(requoted(venue, offer, MARK + 5 * USDC, 5 * ONE))
    venue.must(c.CloseRfq(TAKER, rfq))
    assert venue.state.accounts[MAKER].reserved == 0
    venue.must(c.Place(replace(beside, nonce=50)))
    check(venue)


def test_quote_that_cannot_be_honoured_any_more_makes_way_and_is_shown_to_nobody_again() -> None:
    venue = asking_venue(100_000)
    rfq = ask(venue)
    poor = quote(venue, MAKER, rfq, MARK, 7 * ONE)
    fair = quote(venue, OTHER, rfq, MARK + 5 * USDC, 5 * ONE)
    venue.observe(c.ObserveWithdrawalRequest, MAKER, 90_000 * USDC)
    events = accept(venue, rfq, MARK + 5 * USDC, 7 * ONE)
    assert (events[-1].reason, gone(events)) == (Reject.RFQ_MUST_MEET_QUOTES, {poor: CancelReason.MARGIN})
    assert [order.id for order in standing(venue, rfq)] == [fair]
    check(venue)
    assert fills(accept(venue, rfq, MARK + 5 * USDC, 5 * ONE)) == [(fair, 5 * ONE, MARK + 5 * USDC)]
    check(venue)


def test_taker_short_of_margin_is_told_so_and_nothing_has_happened() -> None:
    venue = asking_venue(100_000)
    rfq = ask(venue, 20 * ONE)
    for maker in MAKERS:
        quote(venue, maker, rfq, MARK, 7 * ONE if maker != THIRD else 6 * ONE, is_buy=True)
    before = encode(venue.state)
    assert venue.rejected(accepted(venue, rfq, MARK, 20 * ONE, is_buy=False)) is Reject.ACCOUNT_MUST_HAVE_MARGIN
    after = encode(venue.state)
    assert len(before) == len(after)
    assert not venue.state.trades
    events = accept(venue, rfq, MARK, 20 * ONE, is_buy=False, tif=c.IOC)
    assert gone(events)[venue.state.seq] is CancelReason.MARGIN
    assert [qty for _, qty, _ in fills(events)] == [7 * ONE]
    check(venue)


def test_acceptance_waits_while_settlement_does_not_keep_up(monkeypatch: pytest.MonkeyPatch) -> None:
    venue = asking_venue()
    rfq = ask(venue)
    quote(venue, MAKER, rfq, MARK)
    monkeypatch.setattr(backlog, "trades_max", lambda _: 0)
    assert venue.rejected(accepted(venue, rfq, MARK)) is Reject.SETTLEMENT_MUST_KEEP_UP


# -- protection -------------------------------------------------------------------------------------------------------


@pytest.fixture
def guarded() -> Venue:
    """A maker with a group that stands three contracts in ten seconds."""
    venue = asking_venue()
    guard = c.Protection(interval_ns=10**10, frozen_ns=0, qty=3 * ONE, delta=0, vega=0, count=0)
    venue.must(c.SetProtection(MAKER, "front", guard))
    return venue


def test_fill_of_a_quote_counts_in_its_group_and_freezes_it(guarded: Venue) -> None:
    first, second = ask(guarded), ask(guarded)
    taken = quote(guarded, MAKER, first, MARK, 3 * ONE, protection="front")
    beside = quote(guarded, MAKER, second, MARK, ONE, protection="front")
    rests = guarded.auth(MAKER, CALL, False, ONE, MARK, post_only=True, terms=c.Terms(protection="front"))
    in_book = guarded.must(c.Place(rests))[0].order_id
    free = quote(guarded, OTHER, first, MARK)
    events = accept(guarded, first, MARK, 2 * ONE)
    assert (fills(events), gone(events)) == ([(taken, 2 * ONE, MARK)], {})
    events = accept(guarded, first, MARK, 2 * ONE)
    assert fills(events) == [(taken, ONE, MARK), (free, ONE, MARK)]
    assert gone(events) == dict.fromkeys((beside, in_book), CancelReason.QUOTE_PROTECTION)
    assert any(type(event) is e.ProtectionTriggered for event in events)
    frozen = signed(guarded, MAKER, second, False, ONE, MARK, protection="front")
    assert guarded.rejected(c.QuoteRfq(frozen)) is Reject.QUOTES_MUST_NOT_BE_FROZEN
    check(guarded)


def test_group_of_a_quote_exists_and_its_quotes_only_make(guarded: Venue) -> None:
    rfq = ask(guarded)
    unknown = signed(guarded, MAKER, rfq, False, ONE, MARK, protection="back")
    assert guarded.rejected(c.QuoteRfq(unknown)) is Reject.QUOTE_GROUP_MUST_EXIST
    takes = signed(guarded, MAKER, rfq, False, ONE, MARK, protection="front")
    assert guarded.rejected(c.QuoteRfq(replace(takes, post_only=False))) is Reject.PROTECTED_MUST_MAKE
    steep = signed(guarded, MAKER, rfq, False, ONE, MARK, protection="front", delta=2**54)
    assert guarded.rejected(c.QuoteRfq(steep)) is Reject.QUOTE_GREEKS_MUST_FIT
    offer = quote(guarded, MAKER, rfq, MARK, ONE, protection="front", delta=5_000, vega=10**6)
    guarded.must(requoted(guarded, offer, MARK + 5 * USDC, ONE, protection="front"))
    assert gone(guarded.must(c.FreezeQuotes(MAKER, "front", True))) == {offer: CancelReason.BY_OWNER}
    taker = accepted(guarded, rfq, MARK, ONE)
    protected = replace(taker.auth, terms=c.Terms(rfq=rfq, delta=1))
    assert guarded.rejected(replace(taker, auth=protected)) is Reject.RFQ_ORDER_MUST_BE_PLAIN
    check(guarded)


def test_bound_that_a_refused_acceptance_would_have_reached_trips_nothing(guarded: Venue) -> None:
    rfq = ask(guarded)
    offer = quote(guarded, MAKER, rfq, MARK, 3 * ONE, protection="front")
    beside = quote(guarded, MAKER, rfq, MARK - 50 * USDC, ONE, is_buy=True, protection="front")
    assert guarded.do(accepted(guarded, rfq, MARK, 4 * ONE)) == (
        e.Rejected(Reject.RFQ_MUST_MEET_QUOTES, 3 * ONE, 4 * ONE),
    )
    assert [order.id for order in standing(guarded, rfq)] == [offer, beside]
    check(guarded)


# -- ends -------------------------------------------------------------------------------------------------------------


def test_request_is_over_at_its_second_and_forgotten_by_the_tick(venue: Venue) -> None:
    rfq = ask(venue)
    offer = quote(venue, MAKER, rfq, MARK)
    venue.wait(59)
    assert venue.must(c.Tick()) == (e.Applied(),)
    venue.wait(1)
    assert venue.rejected(accepted(venue, rfq, MARK)) is Reject.RFQ_MUST_BE_OPEN
    assert venue.rejected(c.QuoteRfq(signed(venue, OTHER, rfq, False, ONE, MARK))) is Reject.RFQ_MUST_BE_OPEN
    assert venue.rejected(requoted(venue, offer, MARK, ONE)) is Reject.RFQ_MUST_BE_OPEN
    events = venue.must(c.Tick())
    assert (ends(events), gone(events)) == ({rfq: RfqEnd.EXPIRED}, {offer: CancelReason.RFQ_ENDED})
    assert not venue.state.rfqs


def test_one_tick_ends_so_many_requests_and_the_next_the_others(venue: Venue) -> None:
    opened = [ask(venue) for _ in range(rfqs.ENDS_MAX + 2)]
    for rfq in opened:
        quote(venue, MAKER, rfq, MARK, 100)
    venue.wait(60)
    assert list(ends(venue.must(c.Tick()))) == opened[: rfqs.ENDS_MAX]
    assert list(ends(venue.must(c.Tick()))) == opened[rfqs.ENDS_MAX :]


def test_quote_ends_before_its_request(venue: Venue) -> None:
    rfq = ask(venue)
    brief = quote(venue, MAKER, rfq, MARK, expiry_s=venue.now_s + 10)
    lasting = quote(venue, OTHER, rfq, MARK + 5 * USDC)
    venue.wait(10)
    events = accept(venue, rfq, MARK + 5 * USDC, ONE)
    assert gone(events) == {brief: CancelReason.EXPIRED}
    assert fills(events) == [(lasting, ONE, MARK + 5 * USDC)]


def test_quote_and_request_that_end_in_one_tick_leave_once(venue: Venue) -> None:
    rfq = ask(venue)
    brief = quote(venue, MAKER, rfq, MARK, expiry_s=venue.now_s + 10)
    lasting = quote(venue, OTHER, rfq, MARK)
    venue.wait(60)
    events = venue.must(c.Tick())
    assert gone(events) == {brief: CancelReason.EXPIRED, lasting: CancelReason.RFQ_ENDED}
    assert len([event for event in events if type(event) is e.Cancelled]) == 2


@pytest.mark.parametrize("scope", [c.KILL_ACCOUNT, c.KILL_OWNER, c.KILL_VENUE])
def test_kill_switch_ends_requests_and_takes_quotes(venue: Venue, scope: int) -> None:
    rfq, other = ask(venue), ask(venue, account=STRANGER)
    quote(venue, MAKER, rfq, MARK)
    kept = quote(venue, OTHER, other, MARK)
    named = {c.KILL_ACCOUNT: (TAKER, b""), c.KILL_OWNER: (0, wallet(TAKER)), c.KILL_VENUE: (0, b"")}[scope]
    by = b"p" * 20 if scope == c.KILL_VENUE else wallet(TAKER)
    venue.must(c.PullKill(scope, *named, by, "test"))
    venue.must(c.ReleaseKill(scope, *named, by, "test"))
    assert venue.rejected(accepted(venue, rfq, MARK)) is Reject.RFQ_MUST_BE_OPEN
    assert ends(venue.must(c.Tick()))[rfq] is RfqEnd.KILL_SWITCH
    assert (kept in venue.state.orders) == (scope != c.KILL_VENUE)


def test_killed_makers_quote_is_not_taken(venue: Venue) -> None:
    rfq = ask(venue)
    offer = quote(venue, MAKER, rfq, MARK)
    assert gone(venue.must(c.PullKill(c.KILL_ACCOUNT, MAKER, b"", wallet(MAKER), "test"))) == {
        offer: CancelReason.KILL_SWITCH
    }
    assert accept(venue, rfq, MARK)[-1].reason is Reject.RFQ_MUST_MEET_QUOTES


def test_dead_mans_timer_ends_requests_and_takes_quotes(venue: Venue) -> None:
    rfq = ask(venue)
    offer = quote(venue, MAKER, rfq, MARK)
    for account in (TAKER, MAKER):
        venue.must(c.SetTimer(account, 5_000))
    venue.wait(5)
    assert accept(venue, rfq, MARK)[-1].reason is Reject.RFQ_MUST_BE_OPEN
    events = venue.must(c.Tick())
    assert (ends(events), gone(events)) == ({rfq: RfqEnd.DEAD_MAN}, {offer: CancelReason.DEAD_MAN})


@pytest.mark.parametrize(("switch", "goes"), [(c.SWITCH_ON, True), (c.SWITCH_OFF, False)])
@pytest.mark.parametrize("keeps", [False, True])
def test_lost_connection_ends_its_requests_and_quotes(venue: Venue, switch: int, goes: bool, keeps: bool) -> None:
    venue.must(c.OpenSession(wallet(TAKER)))
    session = venue.state.seq
    venue.must(c.SwitchSession(session, switch))
    mine, other = ask(venue, session=session), ask(venue)
    venue.must(c.QuoteRfq(signed(venue, MAKER, other, False, ONE, MARK), session=session))
    offer = venue.state.seq
    events = venue.must(c.EndSession(session, keeps))
    lost = goes and not keeps
    assert gone(events) == ({offer: CancelReason.DISCONNECTED} if lost else {})
    assert ends(venue.must(c.Tick())) == ({mine: RfqEnd.DISCONNECTED} if lost else {})
    gone_session = request(venue, session=session)
    assert venue.rejected(gone_session) is Reject.SESSION_MUST_BE_OPEN


def test_restart_of_the_venue_ends_requests_of_lost_connections(venue: Venue) -> None:
    venue.must(c.SwitchAccount(TAKER, True))
    for account in (TAKER, STRANGER):
        venue.must(c.OpenSession(wallet(account)))
        ask(venue, account=account, session=venue.state.seq)
    venue.must(c.EndAllSessions())
    assert list(ends(venue.must(c.Tick())).values()) == [RfqEnd.DISCONNECTED]
    assert [rfq.request.account for rfq in venue.state.rfqs.values()] == [STRANGER]


def test_leaving_the_chain_ends_requests_and_a_dead_key_its_quotes(venue: Venue) -> None:
    rfq = ask(venue)
    venue.observe(c.ObserveKey, MAKER, b"k" * 20, c.SCOPE_TRADE, 2**32 - 1)
    by_key = quote(venue, MAKER, rfq, MARK, signer=b"k" * 20)
    cancelled = quote(venue, OTHER, rfq, MARK, nonce=77)
    assert gone(venue.observe(c.ObserveRevocation, MAKER, b"k" * 20)) == {by_key: CancelReason.KEY_REVOKED}
    mask = (1 << 77).to_bytes(32, "big")
    assert gone(venue.observe(c.ObserveCancellation, OTHER, 0, mask)) == {cancelled: CancelReason.ON_CHAIN}
    leaving = quote(venue, THIRD, rfq, MARK)
    assert gone(venue.observe(c.ObserveExit, THIRD)) == {leaving: CancelReason.ACCOUNT_EXITING}
    venue.observe(c.ObserveExit, TAKER)
    venue.observe(c.ObserveExitCleared, TAKER)
    assert venue.rejected(accepted(venue, rfq, MARK)) is Reject.RFQ_MUST_BE_OPEN
    assert ends(venue.must(c.Tick())) == {rfq: RfqEnd.ACCOUNT_EXITING}


def test_restored_state_goes_on_as_the_live_one(venue: Venue) -> None:
    rfq = ask(venue, makers=(MAKER, OTHER), side=c.BUYING, anonymous=True, label="mine")
    quote(venue, MAKER, rfq, MARK)
    moved = quote(venue, OTHER, rfq, MARK, anonymous=True)
    venue.must(requoted(venue, rfq + 1, MARK, 11 * ONE - ONE, whole=True))
    accept(venue, rfq, MARK, ONE)
    copy = decode(encode(venue.state))
    assert {key: list(quotes) for key, quotes in copy.rfq_quotes.items()} == {rfq: [moved, rfq + 1]}
    assert copy.rfqs == venue.state.rfqs
    assert copy.accounts[OTHER].makes
    command = accepted(venue, rfq, MARK, 9 * ONE)
    live = venue.do(command)
    from exchange.core.machine import apply

    assert apply(copy, venue.state.seq, venue.time_ns, command) == live
    assert encode(copy) == encode(venue.state)


def test_taker_delay_holds_for_acceptances() -> None:
    venue = asking_venue(taker_delay_ns=10**9)
    rfq = ask(venue)
    quote(venue, MAKER, rfq, MARK, post_only=True)
    command = accepted(venue, rfq, MARK)
    with pytest.raises(AssertionError):
        venue.do(command)
    venue.must(replace(command, arrived_ns=venue.time_ns - 10**9))
