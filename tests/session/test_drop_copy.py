"""Everything that happens to an account, chained, for whoever may hear that and nothing else. # M51"""

import pytest

from exchange import signing
from exchange.core import commands as c
from exchange.core.units import NO_EXPIRY
from exchange.publisher import Note, moments
from exchange.session import Subscribe
from exchange.session.methods import PRIVATE

from .conftest import CALL, PUT, USDC, key_of
from .test_session_quotes import GROUP, message, two_sided
from .test_session_scopes import NEEDS


def copied(client, **params):
    return client.ask("private/x_get_drop_copy", **params)


@pytest.fixture
def market(trader, venue):
    """Two who trade: orders, fills, quotes, a group that freezes, a deposit, a combo."""
    one, two = trader(1), trader(2)
    two.ask(
        "private/set_mmp_config",
        index_name="btc_usdc",
        mmp_group=GROUP,
        interval=60,
        frozen_time=60,
        quantity_limit=0.2,
    )
    two.ask("private/mass_quote", **message(two, two_sided(CALL, 380, 420)))
    one.buy(CALL, 0.1, 5, label="mine")
    one.buy(CALL, 0.3, 420)
    combo = one.ask(
        "private/create_combo",
        trades=[
            {"instrument_name": name, "amount": 1, "direction": side} for name, side in ((CALL, "buy"), (PUT, "sell"))
        ],
    )["id"]
    two.sell(combo, 0.1, 10)
    one.buy(combo, 0.1, 10)
    venue.observe(c.ObserveDeposit, 1, 5 * USDC)
    one.ask("private/cancel_all")
    return one, two


def test_it_tells_of_orders_trades_money_and_protection(market):
    one, two = market
    for client, number in ((one, 1), (two, 2)):
        told = copied(client)
        messages = told["messages"]
        assert not told["has_more"]
        assert [each["prev_seq"] for each in messages] == [0, *[each["seq"] for each in messages[:-1]]]
        assert messages[-1]["seq"] == told["last_seq"]
        assert {item["x_account"] for each in messages for item in each["orders"] + each["trades"]} == {number}
        trades = [item for each in messages for item in each["trades"]]
        assert [item["trade_id"] for item in trades] == [
            item["trade_id"]
            for item in client.ask("private/get_user_trades_by_currency", currency="any", sorting="asc")["trades"]
        ]
        log = client.ask("private/get_transaction_log", currency="USDC", start_timestamp=0, end_timestamp=2**53)["logs"]
        assert [item for each in messages for item in each["transactions"]] == log[::-1]
    mine = [item for each in copied(one)["messages"] for item in each["orders"] if item["label"] == "mine"]
    assert [item["order_state"] for item in mine] == ["open", "cancelled"]
    assert [item["mmp_group"] for each in copied(two)["messages"] for item in each["protections"]] == [GROUP]
    assert any("legs" in item for each in copied(one)["messages"] for item in each["trades"])


def test_a_reader_that_was_away_fills_its_gap_in_parts(market):
    one, _ = market
    everything = copied(one)["messages"]
    seen = everything[:2]
    while True:
        part = copied(one, from_seq=seen[-1]["seq"] + 1, count=2)
        assert part["messages"][0]["prev_seq"] == seen[-1]["seq"]
        seen += part["messages"]
        if not part["has_more"]:
            break
    assert seen == everything
    assert copied(one, from_seq=seen[-1]["seq"] + 1)["messages"] == []


def test_what_is_remembered_no_more_is_refused_rather_than_passed_over(trader, venue, monkeypatch):
    monkeypatch.setattr(moments, "KEPT_OF_ACCOUNT_MAX", 3)
    client = trader(1)
    orders = [client.buy(CALL, 0.1, 5)["order"]["order_id"] for _ in range(5)]
    code, data = client.refused("private/x_get_drop_copy", from_seq=int(orders[1]))
    assert (code, data["reason"], data["value"]) == (11029, "drop_copy_must_be_kept", int(orders[1]))
    assert data["limit"] == int(orders[1]) + 1
    told = copied(client, from_seq=data["limit"])
    assert [each["seq"] for each in told["messages"]] == [int(order) for order in orders[2:]]
    assert told["reach_seq"] == data["limit"]
    venue.publisher.rebuild(venue.state)  # a process that knows nothing of before says so
    assert client.refused("private/x_get_drop_copy", from_seq=int(orders[4]))[1]["limit"] == venue.state.seq + 1
    assert copied(client)["reach_seq"] == venue.state.seq + 1


def test_memory_is_bounded_over_all_accounts(trader, venue, monkeypatch):
    monkeypatch.setattr(moments, "KEPT_MAX", 4)
    one, two = trader(1), trader(2)
    one.buy(CALL, 0.1, 5)
    for _ in range(6):
        two.buy(CALL, 0.1, 5)
    assert len(venue.publisher.moments._blobs) == 4
    assert copied(one)["messages"] == []
    assert copied(one)["reach_seq"] > 1
    assert len(copied(two)["messages"]) == 4


def test_a_login_for_the_drop_copy_hears_it_and_may_nothing_else(trader, venue):
    client = trader(1, logged_in=False)
    client.login(scope="drop_copy:read")
    resting = trader(1).buy(CALL, 0.1, 5)["order"]["order_id"]
    assert [each["seq"] for each in copied(client)["messages"]][-1] == int(resting)
    assert client.ask("private/subscribe", channels=["user.drop_copy", "user.orders.any.any.raw"]) == ["user.drop_copy"]
    assert client.session.poll(venue.time_ns).close == ""
    for method in PRIVATE:
        needed, params = NEEDS[method]
        if method == "private/x_get_drop_copy" or needed == sum((1, 2, 4, 8, 16)):
            continue
        reply = client.call(method, **{"order_id": resting, "ids": [resting]} | params)
        assert "error" in reply, method
    assert venue.state.orders.keys() >= {int(resting)}


def test_a_key_that_may_not_read_hears_nothing(trader, venue):
    client, key = trader(1, logged_in=False), key_of(21)
    venue.observe(c.ObserveKey, 1, signing.address_of(key), c.SCOPE_TRADE, NO_EXPIRY)
    client.key = key
    client.login()
    assert client.refused("private/x_get_drop_copy")[1]["reason"] == "scope_must_allow"
    assert client.ask("private/subscribe", channels=["user.drop_copy"]) == []


def test_it_is_told_as_it_happens_and_to_its_own_account_only(trader, venue):
    one, two = trader(1), trader(2)
    work = one.session.receive(
        '{"id":1,"method":"private/subscribe","params":{"channels":["user.drop_copy"]}}', venue.time_ns
    )
    assert isinstance(work, Subscribe)
    (topic,) = work.topics
    venue.publisher.watch(venue.state, topic.channel, 1)
    venue.notes.clear()
    one.buy(CALL, 0.1, 5)
    two.buy(CALL, 0.1, 5)
    heard = [note for note in venue.notes if isinstance(note, Note) and note.stems == ("user.drop_copy.",)]
    assert [note.account for note in heard] == [1]
    assert heard[0].item == copied(one)["messages"][-1]
