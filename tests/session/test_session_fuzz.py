"""A hundred thousand generated messages: the session answers each with valid dialect JSON under the same id. # M50

Valid requests of every method are drawn and then damaged, as values and as text, from a fixed seed. What the reply's id
must be is worked out by the standard library's parser, which shares no code with the session.
"""

import copy
import itertools
import json
import math
import os
import random
from collections import Counter

import pytest

from exchange.core import commands as c
from exchange.core import invariants
from exchange.dialect.errors import Code
from exchange.dialect.market import mark_of
from exchange.session.elsewhere import ELSEWHERE
from exchange.session.methods import METHODS
from exchange.shell.wallet import sign_login

from .conftest import CALL, PUT, complete

MESSAGES = 100_000 if os.environ.get("VERBATIM_SOAK") == "1" else 30_000
SEED = 20_260_816
SPREAD = "BTC_USDC-CS-17AUG26-62000_63000"
NAMES = (CALL, PUT, "BTC_USDC-17AUG26-62000-C", "BTC_USDC-17AUG26-64000-P", SPREAD, "ETH_USDC-1JAN30-1-C", "")
CHANNELS = (
    f"book.{CALL}.raw",
    f"ticker.{PUT}.100ms",
    f"book.{SPREAD}.raw",
    "user.orders.any.any.raw",
    "user.changes.any.any.raw",
    "user.combo_trades.any.any.raw",
    "trades.any.any.raw",
    "nothing",
    "",
)
CODES = {code.value[0]: code.value[1] for code in Code}
ODD_VALUES = (
    None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63, 2**64, -(2**64), 10**30, 0.1, -0.0, 1e-9, 1e22, 1e300, "",
    "x", "0", "-5", "1e5", "NaN", "0x", "0x" + "ff" * 65, "é" * 40, "\u0000", "a" * 300, [], [[]], [1, "a"], {}, {"a": {}},
    {"account": 1}, "2026-01-01", "null", "true",
)  # fmt: skip
ODD_TEXT = (
    "", "{", "}", "[", "]", '"', ",", ":", "\\", "\\u", "\\ud800", "1e999", "-", "0" * 40, "9" * 400, ".5", "NaN",
    "Infinity", "null", "true", "\x00", "\x7f", "é", "😀", "/*x*/", " ", "\n", '"id":1,', '"params":',
)  # fmt: skip


class Source:
    """Valid requests by the grammar of the dialect, on behalf of three traders."""

    def __init__(self, rng, traders):
        self.rng = rng
        self.traders = traders
        self.ids = itertools.count(1)
        self.orders = []
        self.methods = sorted(METHODS) + ["private/buy", "private/sell", "private/edit", "private/cancel"] * 6

    def draw(self, trader):
        method = self.rng.choice(self.methods)
        if self.rng.random() < 0.02:
            method = self.rng.choice(sorted(ELSEWHERE))
        number = next(self.ids)
        request_id = number if self.rng.random() < 0.8 else f"r{number}"
        return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": self.params(method, trader)}

    def params(self, method, trader):
        rng, name = self.rng, self.rng.choice(NAMES)
        match method.split("/")[1]:
            case "buy" | "sell" | "edit" as verb:
                return self.order(verb, trader)
            case "auth":
                return sign_login(trader.key, trader.venue.time_ns // 10**6, str(rng.random()))
            case "cancel" | "get_order_state":
                return {"order_id": self.some_order()}
            case "subscribe" | "unsubscribe":
                return {"channels": rng.sample(CHANNELS, 2)}
            case "set_heartbeat":
                return {"interval": 30}
            case "get_index_price":
                return {"index_name": rng.choice(("btc_usdc", "eth_usdc"))}
            case "hello":
                return {"client_name": "fuzz", "client_version": "1"}
            case "create_combo" | "get_leg_prices":
                sides = rng.sample(("buy", "sell"), 2)
                trades = [
                    {"instrument_name": leg, "direction": side}
                    for leg, side in zip((CALL, NAMES[2]), sides, strict=True)
                ]
                return {"trades": trades, "legs": trades, "price": rng.randrange(-300, 300)}
            case "get_combo_details":
                return {"combo_id": name}
            case _:
                return {"instrument_name": name, "currency": rng.choice(("USDC", "BTC", "any"))}

    def some_order(self):
        return self.rng.choice(self.orders) if self.orders else "1"

    def order(self, verb, trader):
        rng, venue = self.rng, trader.venue
        name = rng.choice(NAMES[:4] if SPREAD not in venue.publisher.listed else NAMES[:5])
        is_buy = verb == "buy"
        more, replaces = {}, 0
        if verb == "edit":
            more["order_id"] = self.some_order()
            tracked = venue.publisher.find_order(int(more["order_id"]))
            if tracked is not None:
                name, is_buy = venue.publisher.by_series[tracked.order.series].name, tracked.order.is_buy
                entry = venue.state.auths.get(tracked.order.auth_id)
                replaces = entry.auth.nonce + 1 if entry is not None else 0
        listed = venue.publisher.listed[name]
        mark = mark_of(venue.state, listed.series) // 10**6
        price = mark + rng.randrange(-30, 31) if listed.legs else max(mark + rng.randrange(-30, 31), 1)
        price -= price % 5 if price >= 1000 else 0
        return trader.order(name, rng.randrange(1, 60) / 100, price, is_buy=is_buy, replaces=replaces) | more


def damage(rng, message):
    """Half of the messages stay whole; the rest lose, gain or change something, as a value or as text."""
    kind = rng.random()
    if kind < 0.5:
        return json.dumps(message)
    if kind < 0.8:
        for _ in range(rng.randrange(1, 3)):
            _damage_value(rng, message)
        return json.dumps(message, ensure_ascii=rng.random() < 0.5)
    text = json.dumps(message)
    for _ in range(rng.randrange(1, 4)):
        place = rng.randrange(len(text) + 1)
        end = min(place + rng.choice((0, 0, 1, 5, 40)), len(text))
        text = text[:place] + rng.choice(ODD_TEXT) + text[end:]
    return text if rng.random() < 0.98 else text * rng.randrange(2, 40)


TERMS = ("trigger", "trigger_price", "display_amount", "linked_order_type", "otoco_config", "x_self_trade")


def _damage_value(rng, message):
    holder = message
    while True:
        inner = [value for value in holder.values() if isinstance(value, dict) and value]
        if not inner or rng.random() < 0.35:
            break
        holder = rng.choice(inner)
    keys = list(holder)
    if not keys:
        return
    key, kind = rng.choice(keys), rng.random()
    if kind < 0.25:
        del holder[key]
    elif kind < 0.35:
        more = ("x", "type", "mmp", "valid_until", "access_token", "subaccount_id", *TERMS)
        holder[rng.choice(more)] = copy.deepcopy(rng.choice(ODD_VALUES))
    else:
        holder[key] = copy.deepcopy(rng.choice(ODD_VALUES))  # a value put into itself would be no message


def expected_id(text):
    """(parsed, id to echo): by another parser, and by the rule in docs/API.md."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return False, None
    value = message.get("id") if isinstance(message, dict) else None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64:
        return True, value
    if isinstance(value, str) and len(value) <= 256:
        return True, value
    return True, None


def check(text, reply_text):
    """Everything a client relies on, whatever it sent; the reply's code, 0 for a result."""
    reply = json.loads(reply_text)
    parsed, request_id = expected_id(text)
    assert list(reply)[:2] == ["jsonrpc", "id"], reply
    beside = ["x_receipt"] if "x_receipt" in reply else []  # of what has no room inside
    assert list(reply)[3:] == ["usIn", "usOut", "usDiff", "testnet", *beside], reply
    assert not beside or type(reply["result"]) is not dict
    assert reply["jsonrpc"] == "2.0"
    assert reply["usOut"] - reply["usIn"] == reply["usDiff"] >= 0
    if "result" in reply:
        assert parsed
        assert (reply["id"], type(reply["id"])) == (request_id, type(request_id))
        assert request_id is not None
        _check_finite(reply["result"])
        return 0
    error = reply["error"]
    assert CODES[error["code"]] == error["message"]
    assert set(error) <= {"code", "message", "data"}
    if error["code"] == -32700:
        assert reply["id"] is None
    else:
        assert parsed, text
        assert (reply["id"], type(reply["id"])) == (request_id, type(request_id)), text
    return error["code"]


def _check_finite(value):
    if isinstance(value, float):
        assert math.isfinite(value)
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _check_finite(item)


def test_damaged_messages_never_get_inside(venue, trader):
    rng = random.Random(SEED)
    traders = [trader(number) for number in (1, 2, 3)]
    source = Source(rng, traders)
    codes = Counter()
    for number in range(MESSAGES):
        client = rng.choice(traders)
        if client.session.grant is None and rng.random() < 0.2:
            client.login()
        message = source.draw(client)
        text = damage(rng, message)
        reply = complete(venue, client.session.receive(text, venue.time_ns))
        code = check(text, reply)
        codes[code] += 1
        if code == 0 and '"order_state":"open"' in reply and len(source.orders) < 500:
            source.orders.append(str(venue.state.seq))
        if number % 10 == 9:
            _release(venue)  # or the traders, who pull kill switches, would trade no more
        if number % 500 == 499:
            _let_time_pass(venue, source, traders)
    invariants.check_all(venue.state)
    print(f"{MESSAGES} messages, replies by code: {dict(codes.most_common())}")
    assert sum(codes.values()) == MESSAGES
    assert codes[0] > MESSAGES // 10  # the draws reach the inside, not only the door
    assert len(codes) >= 20, codes
    assert venue.state.next_trade > 100  # kill switches empty the book all the time


def _let_time_pass(venue, source, traders):
    """A round, so that prices stay fresh; and a fresh start for orders, channels and notes, so that memory stays flat."""
    venue.advance(30)
    venue.round(63_000 * 10**6)
    venue.notes.clear()
    venue.outcomes.clear()
    source.orders = [order_id for order_id in source.orders if int(order_id) in venue.state.orders][-200:]
    for client in traders:
        client.ask("public/unsubscribe_all")


def _release(venue):
    for kill in list(venue.state.kills.values()):
        owner = kill.owner or venue.state.accounts[kill.account].owner
        venue.must(c.ReleaseKill(kill.scope, kill.account, kill.owner, owner, "fuzz"))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda reply: reply | {"id": str(reply["id"])},
        lambda reply: reply | {"id": None},
        lambda reply: reply | {"usDiff": -1},
        lambda reply: reply | {"jsonrpc": "1"},
        lambda reply: {key: value for key, value in reply.items() if key != "testnet"},
        lambda reply: (
            {("error" if key == "result" else key): value for key, value in reply.items()}
            | {"error": {"code": 1, "message": "unheard of"}}
        ),
        lambda reply: (
            {("error" if key == "result" else key): value for key, value in reply.items()}
            | {"error": {"code": -32700, "message": "parse_error"}}
        ),
    ],
)
def test_the_check_notices_a_spoiled_reply(trader, venue, spoil):
    client = trader(1)
    text = '{"id":7,"method":"public/test"}'
    reply = complete(venue, client.session.receive(text, venue.time_ns))
    assert check(text, reply) == 0
    with pytest.raises((AssertionError, KeyError)):
        check(text, json.dumps(spoil(json.loads(reply))))
