"""Each bound of the door, attacked: by one connection, by many of one account, by guesses, by size and depth. # M50

How connections are counted and slow readers ended: `tests/gateway/test_hostile_clients.py`.
"""

import itertools

import msgspec
import pytest

from exchange.session import Fairness, Limits, Rate, Session
from exchange.session.fairness import KEPT_MAX, Pool
from exchange.session.limits import UNLIMITED, OrderToTrade
from exchange.shell.wallet import sign_login

from .conftest import CALL, Trader, key_of
from .test_session_quotes import GROUP, message, two_sided


def limited(**bounds: object) -> Limits:
    return msgspec.structs.replace(UNLIMITED, **bounds)


@pytest.fixture
def crowd(venue):
    """Connections that share a door, as those of one gateway do: ``crowd(account)``, logged in."""

    def gather(limits, remote="192.0.2.1"):
        fairness = Fairness(limits, venue.publisher.fills_of)
        first, ids = Trader(venue, 1, key_of(1), limits), itertools.count(1)

        def join(number=1, *, logged_in=True, remote=remote):
            made = Trader(venue, number, key_of(number), limits)
            made.tokens, made.ids, made.nonces = first.tokens, ids, first.nonces if number == 1 else made.nonces
            made.session = Session(
                venue.publisher, first.tokens, limits, venue.time_ns, fairness=fairness, remote=remote
            )
            if logged_in:
                made.login()
            return made

        return join

    return gather


def told(refused):
    code, data = refused
    assert data["rule"]
    assert data["cure"]
    return code, data["reason"], data["value"], data["limit"], data.get("wait")


def test_more_connections_do_not_make_an_account_faster(crowd, venue):
    join = crowd(limited(account_matching=Rate(1_000, 250)))
    one, two, other = join(), join(), join(2)
    for client in (one, two, one, two):
        client.buy(CALL, 0.1, 5)
    before = venue.state.seq
    assert told(one.refused("private/buy", **one.order(CALL, 0.1, 5, is_buy=True))) == (
        *(10028, "account_credits_exhausted", 250, 0),
        1.0,
    )
    assert told(two.refused("private/buy", **two.order(CALL, 0.1, 5, is_buy=True)))[1] == "account_credits_exhausted"
    assert venue.state.seq == before
    other.buy(CALL, 0.1, 5)  # nobody else feels it
    assert one.ask("private/get_positions") == []  # nor do questions
    assert one.ask("private/cancel_all") == 4  # nor cancels
    venue.advance(1)
    two.buy(CALL, 0.1, 5)


def test_questions_and_cancels_of_an_account_have_pools_of_their_own(crowd):
    join = crowd(limited(account_queries=Rate(500, 1), account_cancels=Rate(250, 1)))
    one, two = join(), join()
    one.ask("private/get_positions")
    assert told(two.refused("private/get_positions"))[1] == "account_credits_exhausted"
    one.ask("private/cancel_all")
    assert told(two.refused("private/cancel_all"))[1] == "account_credits_exhausted"
    two.buy(CALL, 0.1, 5)


def test_whoever_floods_can_still_leave_the_book(crowd):
    client = crowd(limited(credits_max=1_250, refill_per_s=1))()
    client.buy(CALL, 0.1, 5)
    assert told(client.refused("public/test"))[1:3] == ("credits_exhausted", 500)
    assert client.ask("private/cancel_all") == 1


def test_nobody_spends_the_credits_of_another_account(crowd):
    join = crowd(limited(account_queries=Rate(1_000, 1)))
    mine, other = join(1), join(2)
    for _ in range(2):
        assert mine.refused("private/get_positions", subaccount_id=2)[1]["reason"] == "account_must_belong_to_login"
    assert mine.refused("private/get_positions", subaccount_id=2)[1]["reason"] == "account_credits_exhausted"
    other.ask("private/get_positions")


def test_orders_without_fills_run_out_and_fills_bring_more(crowd, venue):
    join = crowd(limited(order_to_trade=OrderToTrade(window_s=3_600, free=3, per_fill=2)))
    client, other = join(1), join(2)
    order = client.buy(CALL, 0.1, 400)["order"]["order_id"]
    client.buy(CALL, 0.1, 400)
    client.buy(CALL, 0.1, 400)
    reason = told(client.refused("private/buy", **client.order(CALL, 0.1, 400, is_buy=True)))
    assert reason[:4] == (10028, "order_to_trade_exceeded", 4, 3)
    assert 0 < reason[4] <= 3_600
    assert client.refused("private/edit", order_id=order, amount=1)[1]["reason"] == "order_to_trade_exceeded"
    assert client.ask("private/cancel", order_id=order)["order_state"] == "cancelled"
    other.sell(CALL, 0.1, 400)  # client is filled, once
    for _ in range(2):
        client.buy(CALL, 0.1, 300)
    assert told(client.refused("private/buy", **client.order(CALL, 0.1, 5, is_buy=True)))[2:4] == (6, 5)
    venue.advance(3_600)
    venue.round()
    client.login()
    client.buy(CALL, 0.1, 5)


def test_quotes_of_a_message_count_each(crowd):
    client = crowd(limited(order_to_trade=OrderToTrade(free=3)))()
    client.ask("private/set_mmp_config", index_name="btc_usdc", mmp_group=GROUP, interval=1, frozen_time=0)
    quotes = message(client, *[two_sided(CALL, 300, 900)] * 4)
    assert told(client.refused("private/mass_quote", **quotes))[1:4] == ("order_to_trade_exceeded", 4, 3)


def test_an_address_whose_logins_fail_is_locked_out_and_others_are_not(crowd, venue):
    join = crowd(limited(guesses=Rate(3, 1), guess_wait_s=10))
    clients = [join(logged_in=False) for _ in range(2)]
    good = sign_login(key_of(1), venue.time_ns // 10**6, "fresh")
    bad = good | {"nonce": "another"}
    for guess in range(3):
        assert clients[guess % 2].refused("public/auth", **bad)[1]["reason"] == "signer_must_be_client_id"
    code, reason, value, limit, wait = told(clients[0].refused("public/auth", **good))
    assert (code, reason, value, limit, wait) == (10028, "logins_locked_out", 1, 0, 10.0)
    assert join(logged_in=False, remote="192.0.2.2").ask("public/auth", **good)["access_token"]
    clients[0].ask("public/test")  # only logins are refused
    venue.advance(10)
    assert clients[1].login()["access_token"]
    assert clients[1].refused("public/auth", grant_type="refresh_token", refresh_token="guess")[0] == 13004
    assert clients[1].refused("public/fork_token", refresh_token="guess", session_name="s")[0] == 10028


def test_so_many_connections_of_an_account_and_one_that_leaves_makes_room(crowd):
    join = crowd(limited(connections_per_account=2))
    one, two = join(), join()
    one.login()  # again: still one connection
    third = join(logged_in=False)
    fields = sign_login(key_of(1), third.venue.time_ns // 10**6, "third")
    assert told(third.refused("public/auth", **fields))[:4] == (10028, "account_connections_exceeded", 2, 2)
    assert third.refused("private/get_positions")[0] == 13009
    join(2)
    one.session.end()
    one.session.end()  # a connection leaves once
    third.login()
    two.ask("private/logout")
    join().ask("private/get_positions")


def test_memory_of_accounts_and_guesses_is_bounded():
    fairness = Fairness(limited(guesses=Rate(2, 1)), lambda _: 0)
    for number in range(KEPT_MAX + 10):
        fairness.charge(number, Pool.MATCHING, 1, number)
        fairness.ratio.count(number, 1, number)
        fairness.guessed(str(number), number)
    assert len(fairness._accounts) == len(fairness._guesses) == len(fairness.ratio._windows) == KEPT_MAX


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x" * 300, (-32600, "message_too_long", 300, 256)),
        ('{"id":1,"x":[' + "[]," * 9 + "[]]}", (-32700, "too_many_lists_and_objects", 12, 10)),
        ('{"id":1,"x":[[[]]]}', (-32600, "nested_too_deeply", 4, 3)),
    ],
)
def test_size_and_depth_are_settings(crowd, text, expected):
    client = crowd(limited(message_bytes_max=256, containers_max=10, depth_max=3))(logged_in=False)
    error = client.send(text)["error"]
    assert told((error["code"], error["data"]))[:4] == expected
