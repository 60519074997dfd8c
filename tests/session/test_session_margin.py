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


def test_what_an_order_would_take_is_what_its_fill_takes(trader):
    """Available funds before less after, but for the fee, which is told beside it."""
    maker, taker = trader(1), trader(2)
    told = taker.ask("private/get_margins", instrument_name=CALL, amount=0.5, price=500)
    before = taker.ask("private/get_account_summary", currency="USDC")["available_funds"]
    maker.sell(CALL, 0.5, 500)
    taker.buy(CALL, 0.5, 500)
    after = taker.ask("private/get_account_summary", currency="USDC")["available_funds"]
    assert told["buy"] == 250
    assert round(before - after, 6) == round(told["buy"] + told["buy_taker_fee"], 6)
    assert told["sell"] > told["buy"]
    assert told["buy_maker_fee"] < told["buy_taker_fee"]
    assert told["min_price"] < 500 < told["max_price"]
    closing = taker.ask("private/get_margins", instrument_name=CALL, amount=0.5, price=500)
    assert closing["sell"] == 0


def test_questions_about_margin_are_checked(trader):
    client = trader(1)
    for wrong in ({"amount": 0}, {"price": -1}, {"amount": 0.00001}):
        code, _ = client.refused("private/get_margins", **{"instrument_name": CALL, "amount": 1, "price": 1} | wrong)
        assert code == -32602
    for positions, code in (({"BTC-1": 1}, 10020), ({CALL: "x"}, -32602), ({str(at): 1 for at in range(65)}, -32602)):
        assert client.refused("private/simulate_portfolio", currency="USDC", simulated_positions=positions)[0] == code


def test_a_simulation_is_what_holding_it_would_be(trader):
    maker, taker = trader(1), trader(2)
    told = maker.ask("private/simulate_portfolio", currency="USDC", simulated_positions={CALL: -0.5})
    text = maker.ask("private/simulate_portfolio", currency="USDC", simulated_positions=f'{{"{CALL}": -0.5}}')
    assert told == text
    maker.sell(CALL, 0.5, 500)
    taker.buy(CALL, 0.5, 500)
    held = maker.ask("private/simulate_portfolio", currency="USDC")
    summary = maker.ask("private/get_account_summary", currency="USDC")
    for name in ("initial_margin", "maintenance_margin", "options_value", "options_delta"):
        assert told[name] == held[name] == summary[name]
    alone = maker.ask("private/simulate_portfolio", currency="USDC", simulated_positions={CALL: 1}, add_positions=False)
    assert alone["initial_margin"] == 0 < alone["options_value"]
    (table,) = held["x_scenarios"].values()
    worst = table["scenarios"][table["worst"]]
    assert worst["profit_loss"] == min(row["profit_loss"] for row in table["scenarios"]) < 0
    assert -worst["profit_loss"] < table["initial_margin"]
    assert (
        maker.ask("private/simulate_portfolio", currency="USDC", simulated_positions={CALL: 0.5})["x_scenarios"] == {}
    )


def test_nothing_is_told_of_what_no_round_prices(trader, venue):
    client = trader(1)
    venue.state.view = None
    for method, params in (
        ("private/get_margins", {"instrument_name": CALL, "amount": 1, "price": 500}),
        ("private/simulate_portfolio", {"currency": "USDC", "simulated_positions": {CALL: 1}}),
    ):
        code, data = client.refused(method, **params)
        assert (code, data["reason"]) == (13028, "oracle_must_price_series")
