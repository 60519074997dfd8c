"""A refusal for margin, as the client reads it: the worst scenario, its loss, and cures that work. # M11 M50"""

from exchange.core import commands as c

from .conftest import CALL, USDC


def test_a_refusal_for_margin_explains_itself(trader, venue):
    client = trader(1)
    code, data = client.refused("private/sell", **client.order(CALL, 500, 500, is_buy=False))
    assert (code, data["reason"]) == (10009, "account_must_have_margin")
    assert data["cure"].startswith("Deposit")
    worst, cures = data["margin"]["worst"], data["margin"]["cures"]
    assert worst["rule"] == "isolated_shorts"
    assert worst["initial_margin"] == worst["loss"] + worst["unpaired_calls"] + worst["confidence_and_depeg"]
    more = round(cures["amount"] + 0.01, 2)
    assert client.refused("private/sell", **client.order(CALL, more, 500, is_buy=False))[0] == 10009
    assert client.sell(CALL, cures["amount"], 500)["order"]["order_state"] == "open"
    client.ask("private/cancel_all")
    venue.observe(c.ObserveDeposit, 1, round(cures["deposit"] * USDC))
    assert client.sell(CALL, 500, 500)["order"]["order_state"] == "open"


def test_every_refusal_carries_its_cure(trader):
    client = trader(1)
    _, data = client.refused("private/cancel", order_id="5")
    assert data["reason"] == "order_must_exist"
    _, data = client.refused(
        "private/sell", **client.order(CALL, 0.1, 500, is_buy=False, reduce_only=True), reduce_only=True
    )
    assert (data["reason"], bool(data["cure"]), bool(data["rule"])) == ("reduce_only_must_reduce", True, True)
    assert data["cures"] == {}


def test_an_order_that_reduces_nothing_is_told_what_would(trader):
    """The cured order is taken; either way round."""
    short, long = trader(1), trader(2)
    short.sell(CALL, 0.4, 500)
    long.buy(CALL, 0.3, 500)
    for client, is_buy in ((short, False), (long, True)):
        refused = client.order(CALL, 0.1, 450 if is_buy else 550, is_buy=is_buy, reduce_only=True)
        _, data = client.refused("private/buy" if is_buy else "private/sell", **refused, reduce_only=True)
        cures = data["cures"]
        assert cures == {"direction": "sell" if is_buy else "buy", "amount": 0.3}
        cured = client.order(CALL, cures["amount"], 550 if is_buy else 450, is_buy=not is_buy, reduce_only=True)
        order = client.ask(f"private/{cures['direction']}", **cured, reduce_only=True)["order"]
        assert order["order_state"] == "open"
