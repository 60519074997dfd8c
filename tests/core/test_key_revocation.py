"""A session key is revoked: whatever it signed leaves in that record, and what filled before is good for a window. # M03"""

from typing import Any

import pytest
from core_contract import Refused
from core_quotes import CALL, MAKER, PUT, TAKER, bid, mandate, quoting_venue
from core_venue import USDC, Venue, wallet
from core_world import WINDOW, World

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.events import CancelReason, Reject
from exchange.core.units import NO_EXPIRY

KEY = b"k" * 20


def delegated(scopes: int = c.SCOPE_TRADE | c.SCOPE_QUOTE | c.SCOPE_CANCEL) -> Venue:
    venue = quoting_venue()
    venue.observe(c.ObserveKey, MAKER, KEY, scopes, NO_EXPIRY)
    return venue


def revoke(venue: Venue) -> tuple[Any, ...]:
    return venue.observe(c.ObserveRevocation, MAKER, KEY)


def test_orders_quotes_and_waiting_orders_of_the_key_leave_in_the_record_that_revokes_it() -> None:
    venue = delegated()
    venue.place(MAKER, CALL, True, 1_000, 700 * USDC, signer=KEY)
    stop = c.Terms(trigger=c.MARK, trigger_price=5_000 * USDC, trigger_above=True)
    venue.must(c.Place(venue.auth(MAKER, PUT, True, 1_000, 900 * USDC, terms=stop, signer=KEY)))
    venue.do(c.MassQuote(mandate(venue, signer=KEY), (bid(CALL, 1, 650),), "front"))
    venue.place(MAKER, CALL, True, 1_000, 600 * USDC)
    own = venue.state.seq
    signed = sorted(key for key in venue.state.orders if key != own)
    assert len(signed) == 3
    gone = [event for event in revoke(venue) if type(event) is e.Cancelled]
    assert [event.order_id for event in gone] == signed
    assert {event.reason for event in gone} == {CancelReason.KEY_REVOKED}
    assert list(venue.state.orders) == [own]
    venue.check()


def test_an_order_that_the_owner_amended_does_not_leave_with_the_key_unless_its_past_has_to_travel() -> None:
    venue = delegated()
    venue.place(MAKER, CALL, True, 1_000, 700 * USDC, signer=KEY)
    untouched = venue.state.seq
    venue.amend(untouched, 1_000, 701 * USDC)
    venue.place(MAKER, CALL, True, 2_000, 900 * USDC, signer=KEY)
    filled = venue.state.seq
    venue.place(TAKER, CALL, False, 1_000, 900 * USDC)
    venue.amend(filled, 2_000, 702 * USDC)
    assert [event.order_id for event in revoke(venue) if type(event) is e.Cancelled] == [filled]
    assert list(venue.state.orders) == [untouched]


def test_nothing_is_taken_from_a_revoked_key_and_it_pulls_no_switch() -> None:
    venue = delegated()
    revoke(venue)
    for price in (700, 701):
        auth = venue.auth(MAKER, CALL, True, 1_000, price * USDC, signer=KEY)
        assert venue.rejected(c.Place(auth)) is Reject.SIGNER_MUST_BE_AUTHORISED
    message = c.MassQuote(mandate(venue, signer=KEY), (bid(CALL, 1, 650),), "front")
    assert venue.rejected(message) is Reject.SIGNER_MUST_BE_AUTHORISED
    pulled = c.PullKill(c.KILL_ACCOUNT, MAKER, b"", KEY, "")
    assert venue.rejected(pulled) is Reject.SIGNER_MUST_BE_AUTHORISED


def filled_by_key() -> World:
    """A fill under a session key that the chain has revoked in the same second, not yet settled."""
    world = World(batch_trades_max=100)
    world.delegate(4, 7_200)
    world.finalise(1)
    world.trade(4, 0, True, 50, 100, by_key=True)
    world.trade(2, 0, False, 50, 100)
    assert len(world.state.trades) == 1
    world.revoke(4)
    return world


def test_a_fill_acknowledged_before_the_revocation_settles_in_the_last_second_of_the_window() -> None:
    world = filled_by_key()
    world.finalise(1)
    world.seal(heartbeat=False)
    world.wait(WINDOW - 1)
    world.land()
    world.quiesce()


def test_the_contract_takes_it_no_more_once_the_revocation_binds() -> None:
    world = filled_by_key()
    world.seal(heartbeat=False)
    world.wait(WINDOW + 1)
    with pytest.raises(Refused, match="key_revoked"):
        world.land()


def test_a_protective_stop_outlives_the_connection_and_one_that_could_open_does_not() -> None:
    venue = quoting_venue()
    venue.place(TAKER, CALL, False, 1_000, 900 * USDC)
    venue.place(MAKER, CALL, True, 1_000, 900 * USDC)
    venue.must(c.OpenSession(wallet(MAKER)))
    session = venue.state.seq
    venue.must(c.SwitchSession(session, c.SWITCH_ON))
    below = c.Terms(trigger=c.MARK, trigger_price=300 * USDC)
    ids = []
    for reduce_only in (True, False):
        auth = venue.auth(MAKER, CALL, False, 1_000, 100 * USDC, terms=below, reduce_only=reduce_only)
        venue.must(c.Place(auth, session=session))
        ids.append(venue.state.seq)
    venue.must(c.EndSession(session))
    assert list(venue.state.orders) == ids[:1]
    assert venue.state.orders[ids[0]].watch == c.MARK
