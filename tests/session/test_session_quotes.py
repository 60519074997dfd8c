"""Makers through a session: one signature over many quotes, per-quote errors, groups and what protects them. # M11"""

import json

import pytest

from exchange.core import commands as c
from exchange.core.units import NO_EXPIRY
from exchange.dialect.channels import parse_channel
from exchange.publisher.notes import Note
from exchange.session import Submit
from exchange.session.limits import Costs, Limits
from exchange.shell.wallet import NO_BUDGET, Budget, Quote, sign_quotes
from exchange.signing import domain_separator, mandate_digest, mandate_proofs, mandate_root, recover, terms_hash

from .conftest import CALL, PUT

GROUP = "front"


def message(maker, *quotes, budget=NO_BUDGET, key=None, **sent):
    """Parameters of a signed message."""
    venue = maker.venue.publisher
    leaves = [leaf for quote in quotes for leaf in quote.leaves(venue.listed[quote.instrument].series)]
    nonce = maker.nonces.take(maker.account)
    mandate = c.QuoteMandate(maker.account, nonce, NO_EXPIRY, 0, *budget.units(), b"", b"")
    signed = sign_quotes(key or maker.key, venue.venue.domain, mandate, leaves)
    shown = [quote.params() for quote in quotes]
    return {"mmp_group": GROUP, "quotes": shown, "authorization": signed} | sent


def configured(maker, **limits):
    fields = {"index_name": "btc_usdc", "mmp_group": GROUP, "interval": 10, "frozen_time": 20}
    return maker.ask("private/set_mmp_config", **(fields | limits))


def two_sided(name, bid, ask, amount=0.5, **greeks):
    return Quote(name, (bid, amount), (ask, amount), **greeks)


def test_quotes_stand_under_one_signature_and_bad_ones_are_told_apart(trader, venue):
    maker = trader(1)
    configured(maker)
    quotes = (two_sided(CALL, 490, 510, delta=0.5, vega=120.5), Quote(PUT, bid=(480.5, 0.5), ask=(520, 0.5)))
    reply = maker.ask("private/mass_quote", **message(maker, *quotes, quote_id="q1", detailed=True))
    assert (reply["x_standing"], reply["errors_count"]) == (3, 1)
    (error,) = reply["errors"]
    assert (error["instrument_name"], error["side"], error["error"]["message"]) == (PUT, "bid", "price_wrong_tick")
    assert [order["quote_id"] for order in reply["orders"]] == ["q1"] * 3
    assert reply["receipt"]["seq"] == reply["orders"][0]["x_mandate"]
    shown = maker.ask("private/get_open_orders")
    assert [order["quote"] for order in shown] == [True] * 3
    command = venue.outcomes[-1].command
    assert (command.leaves[0].delta, command.leaves[0].vega) == (5_000, 120_500_000)
    assert command.mandate.signer == maker.address


def test_a_hundred_two_sided_quotes_fit_a_message(trader):
    """As text, as containers and as leaves; here they name one series, so that all but two are refused alone."""
    maker = trader(1)
    configured(maker)
    reply = maker.ask("private/mass_quote", **message(maker, *[two_sided(CALL, 490, 510)] * 100))
    assert (reply["x_standing"], reply["errors_count"]) == (2, 198)


def test_a_message_costs_by_the_quotes_in_it(trader, venue):
    """The single writer works on every one of them."""
    costs = Costs()
    each = costs.matching + 100 * costs.quote
    maker = trader(1, limits=Limits(credits_max=20_000, refill_per_s=each))
    configured(maker)
    sent = message(maker, *[two_sided(CALL, 490, 510)] * 100)
    taken = 0
    while maker.call("private/mass_quote", **sent).get("error", {}).get("code") != 10028:
        sent = message(maker, *[two_sided(CALL, 490, 510)] * 100)
        taken += 1
    assert (20_000 - 10 * costs.login) // each <= taken <= 20_000 // each
    venue.advance(1)
    maker.ask("private/mass_quote", **sent)


@pytest.mark.parametrize(
    "change",
    [
        {"quotes": [two_sided(CALL, 495, 510).params()]},
        {"quotes": [two_sided(CALL, 490, 510, delta=1).params()]},
        {"quotes": [two_sided(PUT, 490, 510).params()]},
        {"quotes": [Quote(CALL, bid=(490, 0.5)).params()]},
    ],
)
def test_what_differs_from_what_was_signed_is_not_authorised(trader, change):
    maker = trader(1)
    configured(maker)
    code, data = maker.refused("private/mass_quote", **(message(maker, two_sided(CALL, 490, 510)) | change))
    assert (code, data["reason"]) == (10000, "signer_must_be_authorised")


def test_requests_that_cannot_be_signed_or_meant_are_refused_before_the_machine(trader):
    maker = trader(1)
    good = message(maker, two_sided(CALL, 490, 510))
    for change, code in (
        ({"quotes": []}, -32602),
        ({"quotes": [{"instrument_name": CALL}]}, -32602),
        ({"quotes": [{"instrument_name": "X", "bid": {"price": 1, "amount": 1}}]}, 10020),
        ({"quotes": [{"instrument_name": CALL, "bid": {"price": 0.0000001, "amount": 1}}]}, -32602),
        ({"quotes": [{"instrument_name": CALL, "bid": {"price": 1e30, "amount": 1}}]}, -32602),
        ({"quotes": "many"}, -32602),
        ({"authorization": None}, 10000),
        ({"authorization": good["authorization"] | {"signature": "0x00"}}, 10000),
        ({"authorization": good["authorization"] | {"account": 2}}, 13021),
        ({"valid_until": 1}, 13888),
        ({"mmp_group": None}, -32602),
    ):
        assert maker.refused("private/mass_quote", **(good | change))[0] == code, change
    assert maker.refused("private/mass_quote", **good)[0] == 13040


def test_quotes_are_cancelled_by_what_the_dialect_names(trader):
    maker = trader(1)
    configured(maker)
    for cancel, gone in (
        ({"cancel_type": "all"}, 4),
        ({"cancel_type": "instrument", "instrument_name": CALL}, 2),
        ({"cancel_type": "delta", "min_delta": -1, "max_delta": 0}, 2),
        ({"cancel_type": "currency", "currency": "BTC"}, 4),
        ({"cancel_type": "currency", "currency": "USDC"}, 4),
        ({"cancel_type": "currency_pair", "currency_pair": "btc_usdc"}, 4),
        ({"cancel_type": "instrument_kind", "kind": "option"}, 4),
        ({"cancel_type": "instrument_kind", "kind": "future"}, 0),
        ({"cancel_type": "quote_set_id", "quote_set_id": "set"}, 4),
        ({"cancel_type": "quote_set_id", "quote_set_id": "other"}, 0),
    ):
        quotes = (two_sided(CALL, 490, 510, delta=0.5), two_sided(PUT, 490, 510, delta=-0.5))
        maker.ask("private/mass_quote", **message(maker, *quotes, quote_id="set"))
        assert maker.ask("private/cancel_quotes", **cancel) == gone, cancel
        maker.ask("private/cancel_quotes")
    assert maker.refused("private/cancel_quotes", cancel_type="currency", currency="DOGE")[0] == -32602


def test_protection_is_set_told_and_reset(trader, venue):
    maker, taker = trader(1), trader(2)
    (config,) = configured(maker, quantity_limit=0.4, delta_limit=2.5, trade_count_limit=9, max_quote_quantity=1)
    told = {"index_name": "btc_usdc", "mmp_group": GROUP, "interval": 10, "frozen_time": 20, "x_covered": True}
    assert config == told | {"quantity_limit": 0.4, "delta_limit": 2.5, "trade_count_limit": 9}
    assert maker.ask("private/get_mmp_config", index_name="btc_usdc", mmp_group=GROUP) == [config]
    assert maker.ask("private/get_mmp_config", mmp_group="none") == []
    channel = parse_channel("user.mmp_trigger.btc_usdc")
    assert venue.publisher.knows(channel)
    venue.publisher.watch(venue.state, channel, 1)
    maker.ask("private/mass_quote", **message(maker, two_sided(CALL, 490, 510), budget=Budget(quantity=5)))
    assert maker.ask("private/get_mmp_status")[0]["is_frozen"] is False
    taker.buy(CALL, 0.5, 510)
    (note,) = [item for item in venue.notes if isinstance(item, Note) and item.stems == (channel.stem,)]
    assert (note.account, note.item["mmp_group"], note.item["x_figure"]) == (1, GROUP, "quantity")
    status = maker.ask("private/get_mmp_status")[0]
    assert status == {
        "index_name": "btc_usdc",
        "mmp_group": GROUP,
        "is_frozen": True,
        "frozen_until": venue.time_ns // 10**6 + 20_000,
    }
    code, data = maker.refused("private/mass_quote", **message(maker, two_sided(CALL, 490, 510), budget=Budget(5)))
    assert (code, data["reason"]) == (13043, "quotes_must_not_be_frozen")
    assert maker.ask("private/reset_mmp", index_name="btc_usdc", mmp_group=GROUP) == "ok"
    maker.ask("private/mass_quote", **message(maker, two_sided(CALL, 490, 510), budget=Budget(5)))
    assert maker.refused("private/set_mmp_config", index_name="doge_usdc", interval=1, frozen_time=1)[0] == -32602
    assert maker.refused("private/reset_mmp", mmp_group="none")[0] == 13040


def under_protection(maker, amount, price, *, group="btc_usdc", replaces=0, **counts):
    """Parameters of a post-only buy under the protection of a group, with the greeks that were signed."""
    terms = c.Terms(protection=group, slide=True, **counts)
    signed = {"terms": terms_hash(terms), "post_only": True, "replaces": replaces}
    sent = {"post_only": True, "x_delta": terms.delta / 10**4, "x_vega": terms.vega / 10**6}
    return maker.order(CALL, amount, price, is_buy=True, **signed) | sent


def test_an_order_is_counted_by_the_group_it_names_or_that_of_its_index(trader, venue):
    """Without a name it is the group of the index, as in the dialect."""
    maker, taker = trader(1), trader(2)
    code, data = maker.refused("private/buy", mmp=True, **under_protection(maker, 0.5, 480))
    assert (code, data["reason"]) == (13040, "quote_group_must_exist")
    maker.ask("private/set_mmp_config", index_name="btc_usdc", interval=10, frozen_time=20, delta_limit=0.2)
    configured(maker)
    order = maker.ask("private/buy", mmp=True, **under_protection(maker, 0.5, 480, delta=5_000))["order"]
    assert (order["mmp"], order["mmp_group"], order["post_only"]) == (True, "btc_usdc", True)
    named = under_protection(maker, 0.5, 470, group=GROUP)
    other = maker.ask("private/buy", mmp=True, mmp_group=GROUP, **named)["order"]
    taker.sell(CALL, 0.4, 480)
    assert maker.ask("private/get_mmp_status", index_name="btc_usdc")[0]["is_frozen"]
    gone = maker.ask("private/get_order_state", order_id=order["order_id"])
    reasons = (gone["order_state"], gone["cancel_reason"], gone["x_cancel_reason"])
    assert reasons == ("cancelled", "mmp_trigger", "quote_protection")
    assert [item["order_id"] for item in maker.ask("private/get_open_orders")] == [other["order_id"]]
    assert venue.state.orders[int(other["order_id"])].protection == GROUP


def test_an_edit_keeps_protection_unless_it_says_otherwise(trader, venue):
    maker = trader(1)
    configured(maker)
    sent = under_protection(maker, 0.5, 480, group=GROUP, delta=5_000)
    order_id = maker.ask("private/buy", mmp=True, mmp_group=GROUP, **sent)["order"]["order_id"]
    change = under_protection(maker, 0.4, 480, group=GROUP, delta=5_000, replaces=sent["authorization"]["nonce"] + 1)
    for name in ("x_delta", "x_vega", "instrument_name"):
        del change[name]
    assert maker.ask("private/edit", order_id=order_id, **change)["order"]["mmp_group"] == GROUP
    again = maker.order(
        CALL,
        0.3,
        480,
        is_buy=True,
        replaces=change["authorization"]["nonce"] + 1,
        terms=terms_hash(c.Terms(slide=True)),
    )
    edited = maker.ask("private/edit", order_id=order_id, mmp=False, x_delta=0, post_only=False, **again)["order"]
    assert "mmp" not in edited
    assert not venue.state.orders[int(order_id)].protection


def test_a_reader_may_not_quote(trader):
    maker = trader(1, logged_in=False)
    maker.login(scope="trade:read")
    assert maker.refused("private/mass_quote", **message(maker, two_sided(CALL, 490, 510)))[0] == 13021
    assert maker.refused("private/cancel_quotes")[0] == 13021
    assert maker.refused("private/set_mmp_config", interval=1, frozen_time=1)[0] == 13021


def test_the_tree_proves_each_leaf_and_the_digest_is_the_one_signed(trader):
    """Proofs by hand: neighbours hashed in ascending order lead from every leaf to the root."""
    from tiny_keccak import keccak256

    from exchange.signing import leaf_hash

    maker = trader(1)
    for count in (1, 2, 3, 5, 8, 13):
        leaves = [c.QuoteLeaf(place, place % 2 == 0, 100 + place, 5, -place, place) for place in range(count)]
        root = mandate_root(leaves)
        for place, (leaf, proof) in enumerate(zip(leaves, mandate_proofs(leaves), strict=True)):
            node = leaf_hash(place, leaf)
            for other in proof:
                node = keccak256(min(node, other) + max(node, other))
            assert node == root
    configured(maker)
    params = message(maker, two_sided(CALL, 490, 510))
    work = maker.session.receive(
        json.dumps({"id": 1, "method": "private/mass_quote", "params": params}), maker.venue.time_ns
    )
    assert isinstance(work, Submit)
    signed = work.command.mandate
    domain = domain_separator(31337, b"C" * 20)
    digest = mandate_digest(domain, signed, mandate_root(work.command.leaves))
    assert recover(digest, signed.signature) == maker.address == signed.signer
