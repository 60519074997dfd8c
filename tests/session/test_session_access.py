"""Logging in, tokens, scopes, credits and heartbeats. # M03 M50"""

import json

import pytest

from exchange import signing
from exchange.core import commands as c
from exchange.core.units import NO_EXPIRY
from exchange.session import Bucket, Limits, Session
from exchange.session.access import rights_of
from exchange.session.limits import UNLIMITED
from exchange.shell.wallet import sign_login

from .conftest import CALL, key_of

SECOND = 10**9


def test_a_login_has_the_five_fields_and_the_scope_asked_for(trader):
    result = trader(1, logged_in=False).login(scope="session:abc", state="mine")
    assert sorted(result) == ["access_token", "expires_in", "refresh_token", "scope", "state", "token_type"]
    assert (result["scope"], result["state"], result["expires_in"]) == ("session:abc", "mine", 3600)


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        ({"timestamp": 1}, 13004, "signer_must_be_client_id"),
        ({"nonce": "other"}, 13004, "signer_must_be_client_id"),
        ({"data": "more"}, 13004, "signer_must_be_client_id"),
        ({"client_id": "0x" + "11" * 20}, 13004, "signer_must_be_client_id"),
        ({"client_id": "me"}, 13004, "address_form"),
        ({"signature": "0x11"}, 13004, "signature_length"),
        ({"signature": 5}, -32602, "must_be_a_string"),
        ({"grant_type": "client_credentials"}, 13004, "no_shared_secrets"),
        ({"grant_type": "password"}, -32602, "must_be_one_of"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 13004, "invalid_refresh_token"),
        ({"grant_type": "refresh_token"}, -32602, "required"),
        ({"timestamp": "soon"}, -32602, "must_be_a_number"),
    ],
)
def test_bad_logins(trader, venue, change, code, reason):
    visitor = trader(1, logged_in=False)
    fields = sign_login(visitor.key, venue.time_ns // 10**6, "n") | change
    got, data = visitor.refused("public/auth", **fields)
    assert (got, data["reason"]) == (code, reason)
    assert visitor.refused("private/get_positions")[0] == 13009


@pytest.mark.parametrize("drift_s", [-61, 61])
def test_a_login_is_good_for_a_minute_and_once(trader, venue, drift_s):
    visitor = trader(1, logged_in=False)
    late = sign_login(visitor.key, venue.time_ns // 10**6 + drift_s * 1000, "n")
    assert visitor.refused("public/auth", **late)[1]["reason"] == "timestamp_must_be_near_now"
    good = sign_login(visitor.key, venue.time_ns // 10**6, "n")
    visitor.ask("public/auth", **good)
    assert visitor.refused("public/auth", **good)[1]["reason"] == "login_must_be_fresh"


def test_a_wallet_without_an_account_is_a_stranger(trader):
    stranger = trader(1, logged_in=False)
    stranger.key = key_of(30)
    code, data = stranger.refused("public/auth", **sign_login(stranger.key, stranger.venue.time_ns // 10**6, "n"))
    assert (code, data["reason"]) == (13004, "account_must_exist")


def test_tokens_run_out_are_renewed_once_and_are_forgotten_on_logout(trader, venue):
    client = trader(1, logged_in=False)
    grant = client.login()
    venue.advance(3_601)
    assert client.refused("private/get_positions")[1]["reason"] == "token_expired"
    renewed = client.ask("public/auth", grant_type="refresh_token", refresh_token=grant["refresh_token"])
    assert client.ask("private/get_positions") == []
    code, data = client.refused("public/auth", grant_type="refresh_token", refresh_token=grant["refresh_token"])
    assert (code, data["reason"]) == (13004, "invalid_refresh_token")
    client.ask("private/logout")
    code, data = client.refused("private/get_positions", access_token=renewed["access_token"])
    assert (code, data["reason"]) == (13009, "invalid_token")


def test_a_token_in_the_parameters_works_on_another_connection(trader, venue):
    client = trader(1, logged_in=False)
    token = client.login()["access_token"]
    client.session = Session(venue.publisher, client.tokens, UNLIMITED, venue.time_ns)
    assert client.refused("private/get_positions")[0] == 13009
    assert client.ask("private/get_positions", access_token=token) == []


@pytest.mark.parametrize(
    ("scope", "may_trade", "may_read"),
    [
        ("", True, True),
        ("session:x", True, True),
        ("connection trade:read_write", True, True),
        ("trade:read account:read", False, True),
        ("account:read", False, True),
        ("trade:none account:none", False, False),
        ("trade:read_write wallet:none", True, True),
        ("trade:nonsense", False, False),
    ],
)
def test_scopes_of_a_token(trader, scope, may_trade, may_read):
    client = trader(1, logged_in=False)
    client.login(scope=scope)
    assert ("result" in client.call("private/get_positions")) == may_read
    assert ("result" in client.call("private/buy", **client.order(CALL, 0.1, 400, is_buy=True))) == may_trade


def test_a_refresh_does_not_widen_a_scope(trader):
    client = trader(1, logged_in=False)
    grant = client.login(scope="account:read")
    code, data = client.refused(
        "public/auth", grant_type="refresh_token", refresh_token=grant["refresh_token"], scope="trade:read_write"
    )
    assert (code, data["reason"]) == (13021, "scope_must_not_grow")
    assert rights_of("account:read") < rights_of("trade:read_write")


def test_credits_run_out_and_come_back(trader, venue):
    client = trader(1, logged_in=False, limits=Limits(credits_max=1_500, refill_per_s=500))
    for _ in range(3):
        client.ask("public/test")
    code, data = client.refused("public/test")
    assert (code, data["wait"]) == (10028, 1.0)
    assert client.send("not json")["error"]["code"] == 10028  # nonsense is not free
    venue.advance(1)
    client.ask("public/test")


def test_a_bucket_never_overfills_and_ignores_clocks_that_step_back():
    bucket = Bucket(Limits(credits_max=1_000, refill_per_s=1_000), 0)
    bucket.spend(1_000, 100 * SECOND)
    bucket.spend(1_000, 101 * SECOND)
    with pytest.raises(Exception, match="too_many_requests"):
        bucket.spend(1, 50 * SECOND)


def test_heartbeats_are_sent_when_asked_for_and_silence_ends_the_connection(trader, venue):
    client = trader(1, logged_in=False)
    assert client.refused("public/set_heartbeat", interval=9)[0] == -32602
    start = venue.time_ns
    assert client.session.poll(start + 1_000 * SECOND).texts == ()  # never unasked
    client.ask("public/set_heartbeat", interval=10)
    kinds = [
        [json.loads(text)["params"]["type"] for text in client.session.poll(start + seconds * SECOND).texts]
        for seconds in (5, 10, 15)
    ]
    assert kinds == [[], ["heartbeat", "test_request"], []]
    assert client.session.poll(start + 20 * SECOND).close == "heartbeat close"


def test_answering_a_probe_keeps_the_connection(trader, venue):
    client = trader(1, logged_in=False)
    client.ask("public/set_heartbeat", interval=10)
    for _ in range(5):
        venue.advance(10)
        polled = client.session.poll(venue.time_ns)
        assert polled.close == ""
        client.ask("public/test")
    client.ask("public/disable_heartbeat")
    venue.advance(100)
    assert client.session.poll(venue.time_ns).texts == ()


def test_who_listens_privately_must_stay_authorised(trader, venue):
    client = trader(1)
    assert client.ask("private/subscribe", channels=["user.orders.any.any.raw"]) == ["user.orders.any.any.raw"]
    assert client.session.poll(venue.time_ns).close == ""
    venue.advance(3_601)
    assert client.session.poll(venue.time_ns).close == "authorization ended"


def test_a_token_that_subscribes_is_the_login_the_channels_end_with(trader, venue):
    key = key_of(20)
    venue.observe(c.ObserveKey, 1, signing.address_of(key), c.SCOPE_READ, NO_EXPIRY)
    client = trader(1, logged_in=False)
    client.key = key
    token = client.login()["access_token"]
    client.session = Session(venue.publisher, client.tokens, UNLIMITED, venue.time_ns)
    channels = ["user.orders.any.any.raw"]
    assert client.ask("private/subscribe", channels=channels, access_token=token) == channels
    assert client.session.grant.address == signing.address_of(key)
    assert client.session.poll(venue.time_ns).close == ""
    venue.observe(c.ObserveRevocation, 1, signing.address_of(key))
    assert client.session.poll(venue.time_ns).close == "authorization ended"


def test_a_token_of_another_wallet_does_not_add_its_channels(trader, venue):
    other = trader(2, logged_in=False)
    client = trader(1)
    other.tokens = client.tokens
    other.session = Session(venue.publisher, client.tokens, UNLIMITED, venue.time_ns)
    token = other.login()["access_token"]
    client.ask("private/subscribe", channels=["user.portfolio.usdc"])
    code, data = client.refused("private/subscribe", channels=["user.orders.any.any.raw"], access_token=token)
    assert (code, data["reason"]) == (13021, "unsubscribe_before_changing_login")


@pytest.mark.parametrize("scopes", [c.SCOPE_TRADE, 0])
def test_a_key_that_may_no_longer_read_one_of_its_accounts_hears_none(trader, venue, scopes):
    key = key_of(20)
    address = signing.address_of(key)
    for account in (1, 2):
        venue.observe(c.ObserveKey, account, address, c.SCOPE_READ, NO_EXPIRY)
    client = trader(1, logged_in=False)
    client.key = key
    client.login()
    client.ask("private/subscribe", channels=["user.orders.any.any.raw"])
    assert client.session.poll(venue.time_ns).close == ""
    venue.observe(c.ObserveKey, 2, address, scopes, NO_EXPIRY)
    assert client.session.poll(venue.time_ns).close == "authorization ended"


def test_strangers_do_not_fill_the_list_of_logins(trader):
    stranger = trader(9, logged_in=False)
    fields = sign_login(stranger.key, stranger.venue.time_ns // 10**6, "n")
    assert stranger.refused("public/auth", **fields)[1]["reason"] == "account_must_exist"
    assert not stranger.tokens._logins


def test_a_login_is_not_changed_under_private_channels(trader, venue):
    client = trader(1)
    client.ask("private/subscribe", channels=["user.portfolio.usdc"])
    other = sign_login(key_of(2), venue.time_ns // 10**6, "n")
    assert client.refused("public/auth", **other)[1]["reason"] == "unsubscribe_before_changing_login"
    client.ask("private/unsubscribe_all")
    client.ask("public/auth", **(sign_login(key_of(2), venue.time_ns // 10**6, "m")))
    assert client.ask("private/get_account_summary", currency="USDC")["id"] == 2
