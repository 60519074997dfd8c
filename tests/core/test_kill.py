"""The kill switch: who may pull it, how far it reaches, who releases it, and that nothing passes it. # M11"""

from typing import Any

import pytest
from core_venue import USDC, Venue, series_named, wallet

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import invariants, purging
from exchange.core.events import CancelReason, Reject
from exchange.core.images import decode, encode
from exchange.core.units import NO_EXPIRY

CALL = series_named("62000C")
OPERATOR = b"p" * 20
TRADER, CANCELLER, READER, LATE = b"t" * 20, b"k" * 20, b"r" * 20, b"l" * 20
TWIN = 3  # a second account of the first wallet


@pytest.fixture
def venue(venue: Venue) -> Venue:
    """Two wallets, the first with two accounts and keys of every kind; everybody has orders."""
    venue.observe(c.ObserveAccount, TWIN, wallet(1))
    venue.fund(TWIN, 100_000)
    for key, scopes in ((TRADER, c.SCOPE_TRADE), (CANCELLER, c.SCOPE_CANCEL), (READER, c.SCOPE_READ)):
        venue.observe(c.ObserveKey, 1, key, scopes, NO_EXPIRY)
    venue.observe(c.ObserveKey, 1, LATE, c.SCOPE_CANCEL, venue.now_s + 60)
    for account in (1, 2, TWIN):
        bid(venue, account, 800 * USDC)
    return venue


def switch(kind: Any, scope: int, by: bytes, account: int = 1) -> Any:
    """Pull or release, over the first wallet or one of its accounts."""
    named = {
        c.KILL_ACCOUNT: (account, b""),
        c.KILL_OWNER: (0, wallet(1)),
        c.KILL_VENUE: (0, b""),
    }[scope]
    return kind(scope, *named, by, "test")


def bid(venue: Venue, account: int, price: int) -> Any:
    """What becomes of a bid signed by the account's wallet."""
    return venue.place(account, CALL, True, 10_000, price, signer=wallet(1 if account == TWIN else account))[-1]


def taken_off(events: tuple[Any, ...]) -> list[int]:
    """Orders the switch took."""
    return [event.order_id for event in events if type(event) is e.Cancelled]


@pytest.mark.parametrize(
    ("scope", "by", "may_pull", "may_release"),
    [
        (c.KILL_ACCOUNT, wallet(1), True, True),
        (c.KILL_ACCOUNT, CANCELLER, True, False),
        (c.KILL_ACCOUNT, TRADER, False, False),
        (c.KILL_ACCOUNT, READER, False, False),
        (c.KILL_ACCOUNT, LATE, False, False),
        (c.KILL_ACCOUNT, wallet(2), False, False),
        (c.KILL_ACCOUNT, OPERATOR, True, False),
        (c.KILL_OWNER, wallet(1), True, True),
        (c.KILL_OWNER, CANCELLER, False, False),
        (c.KILL_OWNER, wallet(2), False, False),
        (c.KILL_OWNER, OPERATOR, True, False),
        (c.KILL_VENUE, wallet(1), False, False),
        (c.KILL_VENUE, CANCELLER, False, False),
        (c.KILL_VENUE, OPERATOR, True, True),
    ],
)
def test_who_may_pull_and_who_may_release_what_the_wallet_side_pulled(
    venue: Venue, scope: int, by: bytes, may_pull: bool, may_release: bool
) -> None:
    venue.wait(60)
    pulled = venue.do(switch(c.PullKill, scope, by))
    assert (type(pulled[0]) is e.Applied) == may_pull
    if not may_pull:
        assert pulled[0].reason is Reject.SIGNER_MUST_BE_AUTHORISED
    venue.must(switch(c.PullKill, scope, OPERATOR if scope == c.KILL_VENUE else wallet(1)))
    if by == OPERATOR and scope != c.KILL_VENUE:
        venue.must(switch(c.ReleaseKill, scope, OPERATOR))  # its own, not the wallet's
    released = venue.do(switch(c.ReleaseKill, scope, by))
    assert (type(released[0]) is e.Applied) == may_release


@pytest.mark.parametrize(
    ("scope", "by", "reached"),
    [
        (c.KILL_ACCOUNT, wallet(1), (1,)),
        (c.KILL_OWNER, wallet(1), (1, TWIN)),
        (c.KILL_VENUE, OPERATOR, (1, 2, TWIN)),
    ],
)
def test_everything_in_reach_goes_and_nothing_comes_until_released(
    venue: Venue, scope: int, by: bytes, reached: tuple[int, ...]
) -> None:
    mine = [order.id for order in venue.state.orders.values() if order.account in reached]
    events = venue.must(switch(c.PullKill, scope, by))
    assert taken_off(events) == mine
    assert all(event.reason is CancelReason.KILL_SWITCH for event in events if type(event) is e.Cancelled)
    for account in (1, 2, TWIN):
        answer = bid(venue, account, 801 * USDC)
        if account in reached:
            assert answer == e.Rejected(Reject.KILL_SWITCH_MUST_BE_RELEASED, scope, venue.now_s)
        else:
            assert type(answer) is e.Rested
    restored = decode(encode(venue.state))
    assert restored.kills == venue.state.kills
    venue.must(switch(c.ReleaseKill, scope, by))
    for account in (1, 2, TWIN):
        assert type(bid(venue, account, 801 * USDC)) is e.Rested
    venue.check_history()


def test_neither_hand_releases_what_the_other_pulled(venue: Venue) -> None:
    for by in (wallet(1), OPERATOR):
        venue.must(switch(c.PullKill, c.KILL_ACCOUNT, by))
    venue.must(switch(c.ReleaseKill, c.KILL_ACCOUNT, wallet(1)))
    assert venue.rejected(switch(c.ReleaseKill, c.KILL_ACCOUNT, wallet(1))) is Reject.KILL_SWITCH_MUST_BE_PULLED
    assert bid(venue, 1, 801 * USDC).reason is Reject.KILL_SWITCH_MUST_BE_RELEASED
    venue.must(switch(c.ReleaseKill, c.KILL_ACCOUNT, OPERATOR))
    assert type(bid(venue, 1, 801 * USDC)) is e.Rested


def test_cause_and_hand_are_written_down(venue: Venue) -> None:
    venue.must(c.PullKill(c.KILL_ACCOUNT, 1, b"", CANCELLER, "the quoter runs away"))
    (kill,) = venue.state.kills.values()
    assert (kill.by, kill.cause, kill.time_ns, kill.by_operator) == (
        CANCELLER,
        "the quoter runs away",
        venue.time_ns,
        False,
    )


def test_reduce_only_orders_go_too_and_none_is_taken(venue: Venue) -> None:
    venue.place(2, CALL, False, 10_000, 800 * USDC)
    venue.place(1, CALL, False, 5_000, 950 * USDC, reduce_only=True)
    venue.must(switch(c.PullKill, c.KILL_ACCOUNT, wallet(1)))
    assert not venue.state.accounts[1].orders
    answer = venue.place(1, CALL, False, 5_000, 950 * USDC, reduce_only=True)[-1]
    assert answer.reason is Reject.KILL_SWITCH_MUST_BE_RELEASED


def test_a_large_book_leaves_in_steps_and_none_of_it_trades(venue: Venue, monkeypatch: Any) -> None:
    monkeypatch.setattr(purging, "CANCELS_MAX", 1)
    orders = list(venue.state.orders)
    events = venue.must(switch(c.PullKill, c.KILL_VENUE, OPERATOR))
    assert taken_off(events) == orders[:1]
    assert type(venue.must(c.Cancel(venue.state.orders[orders[1]].account, orders[1]))[0]) is e.Cancelled
    venue.must(switch(c.ReleaseKill, c.KILL_VENUE, OPERATOR))
    sold = venue.place(1, CALL, False, 10_000, 800 * USDC)
    assert not any(type(event) is e.Traded for event in sold)
    assert venue.state.seq in venue.state.orders  # entered after the release
    while venue.state.purges:
        venue.must(c.Proceed())
    assert len(venue.state.orders) == 1
    venue.check_history()


def test_a_venue_killed_answers_whose_account_is_unknown_first(venue: Venue) -> None:
    venue.must(switch(c.PullKill, c.KILL_VENUE, OPERATOR))
    assert bid(venue, 99, 800 * USDC).reason is Reject.ACCOUNT_MUST_EXIST


@pytest.mark.parametrize(
    ("scope", "account", "owner", "reason"),
    [
        (0, 1, b"", Reject.SWITCH_MUST_BE_KNOWN),
        (4, 0, b"", Reject.SWITCH_MUST_BE_KNOWN),
        (c.KILL_ACCOUNT, 0, b"", Reject.ACCOUNT_MUST_EXIST),
        (c.KILL_ACCOUNT, 99, b"", Reject.ACCOUNT_MUST_EXIST),
        (c.KILL_ACCOUNT, 1, wallet(1), Reject.SWITCH_MUST_BE_KNOWN),
        (c.KILL_OWNER, 0, b"", Reject.ACCOUNT_MUST_EXIST),
        (c.KILL_OWNER, 1, wallet(1), Reject.SWITCH_MUST_BE_KNOWN),
        (c.KILL_VENUE, 1, b"", Reject.SWITCH_MUST_BE_KNOWN),
    ],
)
def test_a_reach_is_named_in_one_way(venue: Venue, scope: int, account: int, owner: bytes, reason: Reject) -> None:
    assert venue.rejected(c.PullKill(scope, account, owner, OPERATOR, "")) is reason


@pytest.mark.parametrize("scope", [c.KILL_ACCOUNT, c.KILL_OWNER, c.KILL_VENUE])
def test_an_order_that_stands_under_a_switch_is_noticed(venue: Venue, scope: int) -> None:
    order = next(order for order in venue.state.orders.values() if order.account == 1)
    venue.must(switch(c.PullKill, scope, OPERATOR if scope == c.KILL_VENUE else wallet(1)))
    assert order.id not in venue.state.orders
    assert invariants.killed_trade_nothing(venue.state) is None
    venue.state.orders[order.id] = order
    assert invariants.killed_trade_nothing(venue.state) is not None
