"""A key with limits fills what they allow and not a lot more, on either side, in sweep and auction; the rule in integers."""

import pytest
from core_venue import USDC, Venue, series_named, standard_venue

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.events import CancelReason, Reject
from exchange.core.keylimits import KeyLimits, KeyUse, is_limited, paid_by, refusal
from exchange.core.state_types import Key

TRADER, OTHER, THIRD = 1, 2, 3
KEY = b"\x77" * 20


CALL = series_named("62000C")
ONE = 10_000
STRIKE = 62_000 * USDC


@pytest.fixture
def keyed():
    """One who trades by a key, and one who trades with her."""

    def make(*limits: int, scopes: int = c.SCOPE_TRADE) -> Venue:
        venue = standard_venue()
        for account in (TRADER, OTHER, THIRD):
            venue.fund(account, 1_000_000)
        venue.observe(c.ObserveKey, TRADER, KEY, scopes, venue.now_s + 3_600, *limits)
        return venue

    return make


def key_of(venue: Venue) -> Key:
    return venue.state.accounts[TRADER].keys[KEY]


def cancelled(events: tuple) -> list:
    return [(event.order_id, event.reason) for event in events if type(event) is e.Cancelled]


def traded(events: tuple) -> int:
    return sum(event.qty for event in events if type(event) is e.Traded)


def test_an_underlying_outside_the_map_is_refused(keyed):
    venue = keyed(0b110)
    auth = venue.auth(TRADER, CALL, True, ONE, 900 * USDC, signer=KEY)
    assert venue.do(c.Place(auth)) == (e.Rejected(Reject.KEY_MUST_ALLOW_UNDERLYING, 0, 0b110),)


def test_a_limited_key_does_not_quote_here_either(keyed):
    assert key_of(keyed(1, scopes=c.SCOPE_TRADE | c.SCOPE_QUOTE)).scopes == c.SCOPE_TRADE


@pytest.mark.parametrize("limits", [(0, STRIKE, 0), (0, 0, 924_800_000)])
def test_a_taker_fills_up_to_its_limit_and_not_a_lot_more(keyed, limits):
    venue = keyed(*limits)
    for _ in range(2):
        venue.place(OTHER, CALL, False, ONE, 900 * USDC)
    events = venue.place(TRADER, CALL, True, 2 * ONE, 900 * USDC, signer=KEY)
    assert traded(events) == ONE
    assert cancelled(events) == [(venue.state.seq, CancelReason.KEY_LIMIT)]
    venue.check_history()


def test_a_used_up_limit_refuses_with_value_and_limit(keyed):
    venue = keyed(0, STRIKE, 0)
    venue.place(OTHER, CALL, False, ONE, 900 * USDC)
    assert traded(venue.place(TRADER, CALL, True, ONE, 900 * USDC, signer=KEY)) == ONE
    refused = venue.place(TRADER, CALL, False, 100, 900 * USDC, signer=KEY)
    assert refused == (e.Rejected(Reject.KEY_MUST_HAVE_NOTIONAL, STRIKE, STRIKE),)
    assert traded(venue.place(OTHER, CALL, True, 100, 900 * USDC)) == 0
    assert traded(venue.place(TRADER, CALL, False, 100, 900 * USDC)) == 100, "the owner has no limit"


def test_spend_that_is_used_up_still_sells(keyed):
    venue = keyed(0, 0, 900 * USDC)
    venue.place(OTHER, CALL, False, ONE, 900 * USDC)
    venue.place(OTHER, CALL, True, ONE, 800 * USDC)
    key_of(venue).spend = 900 * USDC
    refused = venue.place(TRADER, CALL, True, ONE, 900 * USDC, signer=KEY)
    assert refused == (e.Rejected(Reject.KEY_MUST_HAVE_SPEND, 900 * USDC, 900 * USDC),)
    assert traded(venue.place(TRADER, CALL, False, ONE, 800 * USDC, signer=KEY)) == ONE


def test_makers_of_a_key_share_its_room_within_one_sweep(keyed):
    venue = keyed(0, 2 * STRIKE, 0)
    numbers = []
    for qty in (ONE, ONE, ONE):
        venue.place(TRADER, CALL, False, qty, 900 * USDC, signer=KEY)
        numbers.append(venue.state.seq)
    venue.place(THIRD, CALL, False, ONE, 905 * USDC)
    events = venue.place(OTHER, CALL, True, 3 * ONE, 905 * USDC)
    assert traded(events) == 3 * ONE, "who has room behind it fills instead"
    assert cancelled(events) == [(numbers[2], CancelReason.KEY_LIMIT)]
    assert (key_of(venue).notional, key_of(venue).rest, key_of(venue).spend) == (2 * STRIKE, 0, 0)
    venue.check_history()


def test_the_key_counts_that_signed_the_order_that_fills(keyed):
    """Amended by the owner, an order no longer counts for the key; amended by the key, it does from then on."""
    venue = keyed(0, STRIKE, 0)
    venue.place(TRADER, CALL, False, 2 * ONE, 900 * USDC, signer=KEY)
    number = venue.state.seq
    venue.place(OTHER, CALL, True, ONE // 2, 900 * USDC)
    venue.amend(number, 3 * ONE, 900 * USDC)
    venue.place(OTHER, CALL, True, ONE, 900 * USDC)
    assert key_of(venue).notional == STRIKE // 2
    venue.amend(number, 2 * ONE, 900 * USDC, signer=KEY)
    venue.place(OTHER, CALL, True, ONE // 2, 900 * USDC)
    assert key_of(venue).notional == STRIKE
    venue.check_history()


def test_an_auction_takes_out_who_has_no_room(keyed):
    venue = keyed(0, STRIKE, 0)
    venue.must(c.SetPhase(c.SERIES, CALL, c.AUCTION, venue.now_s + 60, 0, "test", "test"))
    for _ in range(2):
        venue.place(TRADER, CALL, False, ONE, 900 * USDC, signer=KEY)
    venue.place(OTHER, CALL, True, 2 * ONE, 900 * USDC)
    venue.wait(60)
    events = venue.do(c.Tick())
    assert traded(events) == ONE
    assert cancelled(events) == [(venue.state.seq - 2, CancelReason.KEY_LIMIT)]
    venue.check_history()


def test_a_stop_of_a_key_that_has_nothing_left_ends_as_it_fires(keyed):
    venue = keyed(0, STRIKE, 0)
    stop = c.Terms(trigger=c.LAST, trigger_above=True, trigger_price=900 * USDC)
    venue.place(TRADER, CALL, True, ONE, 950 * USDC, signer=KEY, terms=stop)
    number = venue.state.seq
    venue.place(OTHER, CALL, False, ONE, 900 * USDC)
    venue.place(TRADER, CALL, True, ONE, 900 * USDC, signer=KEY)
    events = venue.do(c.Fire(number))
    assert cancelled(events) == [(number, CancelReason.KEY_LIMIT)]
    venue.check_history()


@pytest.mark.parametrize(
    ("limits", "underlying", "use", "reason"),
    [
        (KeyLimits(), 70, KeyUse(10**30, 10**18), ""),
        (KeyLimits(underlyings=0b110), 1, KeyUse(), ""),
        (KeyLimits(underlyings=0b110), 0, KeyUse(), "key_underlying"),
        (KeyLimits(underlyings=0b110), 64, KeyUse(), "key_underlying"),
        (KeyLimits(notional=5), 0, KeyUse(50_000), ""),
        (KeyLimits(notional=5), 0, KeyUse(50_001), "key_notional"),
        (KeyLimits(spend=5), 0, KeyUse(0, 5), ""),
        (KeyLimits(spend=5), 0, KeyUse(0, 6), "key_spend"),
    ],
)
def test_what_a_limit_refuses(limits, underlying, use, reason):
    assert refusal(limits, underlying, use) == reason
    assert is_limited(limits) == (limits != KeyLimits())


def test_what_fills_is_added_up_without_rounding():
    use = KeyUse().after(65_000, 3, paid_by(is_buy=True, premium=7, fee=2))
    assert use == KeyUse(195_000, 9)
    assert use.after(1, 1, paid_by(is_buy=False, premium=7, fee=2)) == KeyUse(195_001, 9)
