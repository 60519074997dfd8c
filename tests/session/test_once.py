"""An order sent again is not an order twice: same label and content, within a day. # M10"""

import json

import pytest

from exchange.publisher.labels import WINDOW_NS

from .conftest import CALL, PUT, complete


def sent(client, name=CALL, amount=0.1, price=5, **more):
    return client.order(name, amount, price, is_buy=True) | {"label": "a1", "x_once": True} | more


def but_times(reply):
    return {key: value for key, value in reply.items() if key != "x_repeated"}


def test_the_same_request_again_gets_the_first_answer(trader, venue):
    client, other = trader(1), trader(2)
    other.sell(CALL, 0.05, 5)
    request = sent(client)
    first = client.ask("private/buy", **request)
    assert len(first["trades"]) == 1
    seq = venue.state.seq
    other.sell(CALL, 0.05, 5)  # meanwhile it fills
    again = client.ask("private/buy", **request)
    assert venue.state.seq == seq + 1
    assert again["x_repeated"] is True
    assert but_times(again) == first
    assert client.ask("private/get_order_state", order_id=first["order"]["order_id"])["order_state"] == "filled"


def test_signed_anew_it_is_still_the_same_order(trader, venue):
    client = trader(1)
    first = client.ask("private/buy", **sent(client))
    seq = venue.state.seq
    assert but_times(client.ask("private/buy", **sent(client))) == first
    assert venue.state.seq == seq


@pytest.mark.parametrize(
    "change",
    [{"price": 6}, {"amount": 0.2}, {"name": PUT}],
)
def test_another_order_under_the_label_is_refused(trader, venue, change):
    client = trader(1)
    first = client.ask("private/buy", **sent(client))["order"]["order_id"]
    seq = venue.state.seq
    code, data = client.refused("private/buy", **sent(client, **change))
    assert (code, data["reason"], data["value"], bool(data["cure"])) == (13032, "label_must_be_new", int(first), True)
    code, data = client.refused("private/sell", **client.order(CALL, 0.1, 5, is_buy=False), label="a1", x_once=True)
    assert data["reason"] == "label_must_be_new"
    assert venue.state.seq == seq
    assert client.ask("private/buy", **sent(client, label="a2"))["order"]["order_id"] != first


def test_who_does_not_ask_for_it_may_use_a_label_often(trader):
    client = trader(1)
    ids = [client.ask("private/buy", **sent(client, x_once=False))["order"]["order_id"] for _ in range(3)]
    assert len(set(ids)) == 3
    assert client.ask("private/buy", **sent(client))["order"]["order_id"] == ids[-1]  # the latest bears it


def test_labels_are_each_account_s_own(trader):
    one, two = trader(1), trader(2)
    first = one.ask("private/buy", **sent(one))
    assert "x_repeated" not in two.ask("private/buy", **sent(two))
    assert but_times(one.ask("private/buy", **sent(one))) == first


def test_what_was_refused_may_be_sent_again(trader):
    client = trader(1)
    assert client.refused("private/buy", **sent(client, amount=10_000, price=10_000))[0] == 10009
    assert "x_repeated" not in client.ask("private/buy", **sent(client))


def test_a_day_later_the_label_is_new(trader, venue):
    client = trader(1)
    client.ask("private/buy", **sent(client, x_once=True))
    venue.advance(WINDOW_NS / 10**9 - 60)
    client.login()
    assert client.ask("private/buy", **sent(client))["x_repeated"]
    assert venue.publisher.labels.find(1, "a1", venue.time_ns + 59 * 10**9) is not None  # by the last record's time
    venue.publisher.time_ns += 2 * WINDOW_NS
    assert venue.publisher.labels.find(1, "a1", venue.publisher.time_ns) is None


def test_it_takes_a_label(trader):
    client = trader(1)
    request = sent(client) | {"label": ""}
    assert client.refused("private/buy", **request) == (-32602, {"param": "label", "reason": "required"})


def test_two_that_are_on_their_way_together_are_one(trader, venue):
    """Both are prepared before either is entered; what the second gets is decided when its turn has come."""
    client = trader(1)
    text = '{"id":1,"method":"private/buy","params":%s}'
    works = [client.session.receive(text % json.dumps(sent(client)), venue.time_ns) for _ in range(2)]
    replies = [json.loads(complete(venue, work))["result"] for work in works]
    assert replies[1]["x_repeated"]
    assert replies[1]["order"] == replies[0]["order"]
    assert len(venue.state.accounts[1].orders) == 1
