"""A key with limits signs no orders here, because only the contract counts what it has left; the rule in integers."""

import pytest
from core_venue import USDC, series_named, standard_venue

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.events import Reject
from exchange.core.keylimits import KeyLimits, KeyUse, is_limited, paid_by, refusal

TRADER = 1
KEY = b"\x77" * 20


@pytest.mark.parametrize("limits", [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_only_a_key_without_limits_trades(limits):
    venue = standard_venue()
    venue.fund(TRADER, 100_000)
    scopes = c.SCOPE_TRADE | c.SCOPE_CANCEL | c.SCOPE_READ
    venue.observe(c.ObserveKey, TRADER, KEY, scopes, venue.now_s + 3_600, *limits)
    auth = venue.auth(TRADER, series_named("62000C"), True, 100, 900 * USDC, signer=KEY)
    entered = venue.do(c.Place(auth))
    if any(limits):
        assert entered[0] == e.Rejected(Reject.SIGNER_MUST_BE_AUTHORISED, c.SCOPE_CANCEL | c.SCOPE_READ, c.SCOPE_TRADE)
    else:
        assert type(entered[0]) is not e.Rejected


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
