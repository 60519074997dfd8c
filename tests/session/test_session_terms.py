"""Orders with more to them than a price: market, stop and take, icebergs, self-trade modes, linked orders."""

from typing import Any

import pytest

from exchange.core import commands as c
from exchange.signing import terms_hash

from .conftest import CALL, USDC

INDEX_UP = {"trigger": "index_price", "trigger_price": 63_500}
UP = c.Terms(trigger=c.INDEX, trigger_price=63_500 * USDC, trigger_above=True)
DOWN = c.Terms(trigger=c.INDEX, trigger_price=62_500 * USDC)


def signed(trader: Any, amount: float, price: float, *, is_buy: bool, terms: c.Terms, **more: Any) -> dict[str, Any]:
    return trader.order(CALL, amount, price, is_buy=is_buy, terms=terms_hash(terms), **more)


def fire(venue: Any) -> None:
    """Let enter what is due, as the sequencer does."""
    while venue.state.due:
        venue.must(c.Fire(next(iter(venue.state.due))))


def test_a_market_order_takes_up_to_its_worst_price_and_leaves_nothing(trader):
    maker, taker = trader(1), trader(2)
    maker.sell(CALL, 0.2, 500)
    maker.sell(CALL, 0.2, 520)
    params = signed(taker, 0.5, 510, is_buy=True, terms=c.Terms(market=True), time_in_force=c.IOC)
    worst = params.pop("price")
    params["authorization"]["price"] = worst  # what is signed carries the worst price
    answer = taker.ask("private/buy", type="market", **params)
    order = answer["order"]
    assert (order["order_type"], order["time_in_force"]) == ("market", "immediate_or_cancel")
    assert (order["order_state"], order["filled_amount"]) == ("cancelled", 0.2)
    assert [trade["price"] for trade in answer["trades"]] == [500]
    code, data = taker.refused("private/buy", **(params | {"type": "market", "time_in_force": "good_til_cancelled"}))
    assert (code, data["reason"]) == (10000, "signer_must_be_authorised")


def test_a_stop_waits_fires_and_is_told_of(trader, venue):
    maker, holder = trader(1), trader(2)
    maker.sell(CALL, 0.5, 500)
    holder.buy(CALL, 0.5, 500)
    terms = c.Terms(market=True, trigger=c.INDEX, trigger_price=62_500 * USDC)
    params = signed(holder, 0.5, 300, is_buy=False, terms=terms, time_in_force=c.IOC, reduce_only=True)
    params |= {"type": "stop_market", "trigger": "index_price", "trigger_price": 62_500, "reduce_only": True}
    order = holder.ask("private/sell", **params)["order"]
    assert (order["order_state"], order["order_type"]) == ("untriggered", "stop_market")
    assert (order["trigger"], order["trigger_price"], order["triggered"]) == ("index_price", 62_500, False)
    assert [o["order_id"] for o in holder.ask("private/get_open_orders", type="stop_all")] == [order["order_id"]]
    assert holder.ask("private/get_open_orders", type="limit") == []
    maker.buy(CALL, 1, 310)
    venue.advance(60)
    venue.round(62_400 * USDC)
    fire(venue)
    after = holder.ask("private/get_order_state", order_id=order["order_id"])
    assert (after["order_state"], after["triggered"], after["average_price"]) == ("filled", True, 310)
    (entry,) = holder.ask("private/get_trigger_order_history", currency="USDC")["entries"]
    assert (entry["order_state"], entry["trigger_order_id"]) == ("triggered", order["order_id"])
    assert maker.ask("private/get_trigger_order_history", currency="USDC") == {"entries": []}


def test_a_trigger_price_is_edited_and_an_order_that_entered_has_none_to_edit(trader, venue):
    maker = trader(1)
    params = signed(maker, 0.5, 400, is_buy=True, terms=UP) | INDEX_UP | {"type": "stop_limit"}
    order_id = maker.ask("private/buy", **params)["order"]["order_id"]
    further = c.Terms(trigger=c.INDEX, trigger_price=64_000 * USDC, trigger_above=True)
    change = signed(maker, 0.4, 410, is_buy=True, terms=further, replaces=params["authorization"]["nonce"] + 1)
    del change["instrument_name"]
    edited = maker.ask("private/edit", order_id=order_id, trigger_price=64_000, **change)["order"]
    assert (edited["trigger_price"], edited["amount"], edited["order_state"]) == (64_000, 0.4, "untriggered")
    venue.advance(60)
    venue.round(64_000 * USDC)
    fire(venue)
    assert maker.ask("private/get_order_state", order_id=order_id)["order_state"] == "open"
    code, data = maker.refused("private/edit", order_id=order_id, trigger_price=65_000, **change)
    assert (code, data["param"]) == (-32602, "trigger_price")
    plain = maker.order(CALL, 0.3, 410, is_buy=True, replaces=change["authorization"]["nonce"] + 1)
    del plain["instrument_name"]
    edited = maker.ask("private/edit", order_id=order_id, **plain)["order"]
    assert (edited["amount"], edited["order_type"], edited["triggered"]) == (0.3, "stop_limit", True)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({"type": "stop_limit"}, "required"),
        ({"type": "limit", "trigger": "mark_price"}, "type_must_have_a_trigger"),
        ({"type": "take_limit", "trigger": "moon", "trigger_price": 5}, "must_be_one_of"),
        ({"type": "take_limit", "trigger": "mark_price", "trigger_price": 0}, "out_of_range"),
        ({"type": "take_limit", "trigger": "mark_price", "trigger_price": 0.0000001}, "finer_than_can_be_signed"),
        ({"display_amount": 0.00001}, "finer_than_can_be_signed"),
        ({"display_amount": -1}, "out_of_range"),
        ({"mmp": 1}, "must_be_a_boolean"),
        ({"mmp_group": "front"}, "required"),
        ({"mmp": True, "x_delta": 0.00001}, "finer_than_can_be_signed"),
        ({"mmp": True, "x_vega": -1}, "out_of_range"),
        ({"x_self_trade": "please"}, "must_be_one_of"),
        ({"otoco_config": []}, "required"),
        ({"linked_order_type": "one_cancels_other", "otoco_config": []}, "must_have"),
        ({"linked_order_type": "one_cancels_other", "otoco_config": [5]}, "must_be_a_list_of_objects"),
    ],
)
def test_terms_are_read_strictly(trader, venue, sent, reason):
    maker, before = trader(1), venue.state.seq
    code, data = maker.refused("private/buy", **(maker.order(CALL, 0.5, 500, is_buy=True) | sent))
    assert (code, data["reason"]) == (-32602, reason)
    assert venue.state.seq == before


def test_terms_nobody_signed_are_refused(trader):
    maker = trader(1)
    for sent in ({"display_amount": 0.1}, {"x_self_trade": "cancel_both"}, INDEX_UP | {"type": "stop_limit"}):
        code, data = maker.refused("private/buy", **(maker.order(CALL, 0.5, 500, is_buy=True) | sent))
        assert (code, data["reason"]) == (10000, "signer_must_be_authorised")


def test_an_iceberg_shows_a_slice_in_the_book_and_the_whole_to_its_owner(trader):
    maker, other = trader(1), trader(2)
    order = maker.ask(
        "private/sell", display_amount=0.1, **signed(maker, 0.5, 500, is_buy=False, terms=c.Terms(display=1_000))
    )["order"]
    assert (order["amount"], order["display_amount"], order["refresh_amount"]) == (0.5, 0.1, 0.1)
    assert other.ask("public/get_order_book", instrument_name=CALL)["asks"] == [[500, 0.1]]
    other.buy(CALL, 0.25, 500)
    assert other.ask("public/get_order_book", instrument_name=CALL)["asks"] == [[500, 0.05]]
    assert maker.ask("private/get_open_orders")[0]["filled_amount"] == 0.25


def test_who_gives_way_to_oneself_is_signed(trader):
    maker = trader(1)
    resting = maker.sell(CALL, 0.5, 500)["order"]["order_id"]
    terms = c.Terms(self_trade=c.CANCEL_MAKER)
    params = signed(maker, 0.5, 500, is_buy=True, terms=terms)
    order = maker.ask("private/buy", x_self_trade="cancel_maker", **params)["order"]
    assert (order["order_state"], order["x_self_trade"]) == ("open", "cancel_maker")
    gone = maker.ask("private/get_order_state", order_id=resting)
    assert (gone["order_state"], gone["x_cancel_reason"]) == ("cancelled", "self_trade")


def bracket(holder: Any) -> Any:
    """An entry with what takes profit and what stops loss."""
    entry = c.Terms(link=c.BRACKET, attached=2)
    params = signed(holder, 0.5, 500, is_buy=True, terms=entry)
    parent = params["authorization"]["nonce"] + 1
    config = []
    for price, trigger, kind in ((700, UP, "take_limit"), (300, DOWN, "stop_limit")):
        terms = c.Terms(
            trigger=c.INDEX,
            trigger_price=trigger.trigger_price,
            trigger_above=trigger.trigger_above,
            link=c.BRACKET,
            parent=parent,
        )
        item = signed(holder, 0.5, price, is_buy=False, terms=terms, reduce_only=True)
        config.append(
            {
                "direction": "sell",
                "type": kind,
                "price": price,
                "trigger": "index_price",
                "trigger_price": trigger.trigger_price // USDC,
                "reduce_only": True,
                "authorization": item["authorization"],
            }
        )
    return holder.ask("private/buy", linked_order_type="one_triggers_one_cancels_other", otoco_config=config, **params)


def test_a_bracket_in_one_message(trader, venue):
    maker, holder = trader(1), trader(2)
    answer = bracket(holder)
    assert answer["order"]["is_primary_otoco"]
    assert [order["x_held_amount"] for order in answer["x_linked_orders"]] == [0.5, 0.5]
    assert [order["order_type"] for order in answer["x_linked_orders"]] == ["take_limit", "stop_limit"]
    maker.sell(CALL, 0.2, 500)
    waiting = holder.ask("private/get_open_orders", type="trigger_all")
    assert [order["x_held_amount"] for order in waiting] == [0.3, 0.3]
    venue.advance(60)
    venue.round(63_500 * USDC)
    fire(venue)
    (take,) = [order for order in holder.ask("private/get_open_orders") if order["order_state"] == "open"]
    assert (take["order_type"], take["amount"], take["triggered"]) == ("take_limit", 0.2, True)
    assert holder.ask("private/get_order_state", order_id=answer["order"]["order_id"])["x_cancel_reason"] == "linked"
    maker.buy(CALL, 0.2, 700)
    assert holder.ask("private/get_open_orders") == []


def test_an_order_for_the_day_is_signed_to_end_with_it(trader, venue):
    maker = trader(1)
    end_s = venue.time_ns // 10**9 // 86_400 * 86_400 + 86_400 + 8 * 3_600
    params = maker.order(CALL, 0.5, 400, is_buy=True, expiry=end_s)
    order = maker.ask("private/buy", time_in_force="good_til_day", **params)["order"]
    assert (order["time_in_force"], order["x_expiry"]) == ("good_til_day", end_s)
    params = maker.order(CALL, 0.5, 400, is_buy=True, expiry=end_s + 1)
    code, data = maker.refused("private/buy", time_in_force="good_til_day", **params)
    assert (code, data["reason"], data["limit"]) == (-32602, "must_end_with_the_day", end_s)


def test_the_last_nonce_leaves_no_number_for_linked_orders_to_name(trader):
    one = trader(1)
    params = one.order(CALL, 0.1, 400, is_buy=True)
    params["authorization"]["nonce"] = 2**64 - 1
    other = params | INDEX_UP | {"direction": "sell", "type": "stop_limit", "price": 300}
    code, data = one.refused("private/buy", **params, linked_order_type="one_triggers_other", otoco_config=[other])
    assert (code, data["reason"], data["limit"]) == (-32602, "too_large", 2**64 - 2)
