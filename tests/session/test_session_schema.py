"""Replies and channels validate under typed-deribit, the public schema of the dialect. # M50"""

import importlib
import inspect
import json
import pkgutil
import re
import typing

import pytest
import typed_deribit
from typed_core.exceptions import ValidationError
from typed_core.validation import validator
from typed_deribit.core.envelope import validate_envelope

from exchange.dialect.channels import parse_channel
from exchange.publisher import Note
from exchange.shell.broadcast import Hub
from exchange.shell.clock import ManualClock

from .conftest import CALL, PUT, T0

METHOD = re.compile(r"path='((?:public|private)/[\w/]+)'")
CHANNEL = re.compile(r"f?'([a-z_]+\.[\w.{}]+)'")


def _functions():
    for info in pkgutil.walk_packages(typed_deribit.__path__, "typed_deribit."):
        module = importlib.import_module(info.name)
        for kind in vars(module).values():
            if inspect.isclass(kind) and kind.__module__ == info.name:
                yield from (item for name, item in vars(kind).items() if inspect.isfunction(item) and name[0] != "_")


@pytest.fixture(scope="session")
def schema():
    """Result types by method, and payload types by channel pattern."""
    methods, channels = {}, {}
    for function in _functions():
        source = inspect.getsource(function)
        returned = typing.get_type_hints(function).get("return")
        found = METHOD.search(source)
        if found is not None:
            methods[found.group(1)] = returned
        elif "self.subscribe(" in source or "self.authed_subscribe(" in source:
            name = CHANNEL.search(source.split("subscribe(", 1)[1])
            if name is not None:
                channels[name.group(1)] = typing.get_args(returned)[0]
    return methods, channels


CALLS = [
    ("public/get_time", {}),
    ("public/test", {}),
    ("public/hello", {"client_name": "me", "client_version": "1"}),
    ("public/status", {}),
    ("public/get_currencies", {}),
    ("public/get_instruments", {"currency": "USDC"}),
    ("public/get_instrument", {"instrument_name": CALL}),
    ("public/get_order_book", {"instrument_name": CALL}),
    ("public/ticker", {"instrument_name": CALL}),
    ("public/ticker", {"instrument_name": PUT}),
    ("public/get_index_price", {"index_name": "btc_usdc"}),
    ("public/set_heartbeat", {"interval": 30}),
    ("public/disable_heartbeat", {}),
    ("public/unsubscribe_all", {}),
    ("private/unsubscribe_all", {}),
    ("private/get_open_orders", {}),
    ("private/get_open_orders_by_currency", {"currency": "USDC"}),
    ("private/get_open_orders_by_instrument", {"instrument_name": CALL}),
    ("private/get_positions", {}),
    ("private/get_position", {"instrument_name": CALL}),
    ("private/get_position", {"instrument_name": PUT}),
    ("private/get_account_summary", {"currency": "USDC"}),
    ("private/get_account_summaries", {}),
    ("private/get_margins", {"instrument_name": CALL, "amount": 0.2, "price": 500}),
    ("private/simulate_portfolio", {"currency": "USDC", "simulated_positions": {CALL: -0.5, PUT: 1}}),
    ("private/cancel_all_by_instrument", {"instrument_name": PUT}),
    ("private/cancel_all", {}),
    ("private/logout", {}),
]


@pytest.fixture
def dealt(trader):
    """Two traders with open orders and positions."""
    maker, taker = trader(1), trader(2)
    maker.sell(CALL, 0.5, 500, label="quote")
    taker.buy(CALL, 0.2, 500)
    taker.buy(PUT, 0.2, 300)
    return maker, taker


@pytest.mark.parametrize(("method", "params"), CALLS)
def test_replies_validate(schema, dealt, method, params):
    for client in dealt:
        reply = client.call(method, **params)
        validate_envelope(json.dumps(reply))
        validator(schema[0][method]).json(json.dumps(reply["result"]))


def test_orders_and_logins_validate(schema, trader):
    maker, taker = trader(1, logged_in=False), trader(2)
    methods = schema[0]
    validator(methods["public/auth"]).json(json.dumps(maker.login()))
    sold = maker.sell(CALL, 0.5, 500)
    order_id = sold["order"]["order_id"]
    bought = taker.buy(CALL, 0.2, 500)
    edited = maker.ask("private/edit", order_id=order_id, **maker.order(CALL, 0.4, 505, is_buy=False, replaces=1))
    cancelled = maker.ask("private/cancel", order_id=order_id)
    state = maker.ask("private/get_order_state", order_id=order_id)
    for method, result in (
        ("private/sell", sold),
        ("private/buy", bought),
        ("private/edit", edited),
        ("private/cancel", cancelled),
        ("private/get_order_state", state),
    ):
        validator(methods[method]).json(json.dumps(result))


def test_the_validator_would_notice(schema, dealt):
    ticker = dealt[0].ask("public/ticker", instrument_name=CALL)
    del ticker["mark_price"]
    with pytest.raises(ValidationError):
        validator(schema[0]["public/ticker"]).json(json.dumps(ticker))


CHANNELS = [
    (f"book.{CALL}.raw", "book.{instrument_name}.{interval}"),
    (f"book.{CALL}.100ms", "book.{instrument_name}.{interval}"),
    (f"book.{CALL}.none.10.100ms", "book.{instrument_name}.{group}.{depth}.{interval}"),
    (f"ticker.{CALL}.100ms", "ticker.{instrument_name}.{interval}"),
    (f"trades.{CALL}.raw", "trades.{instrument_name}.{interval}"),
    ("trades.option.USDC.100ms", "trades.{kind}.{currency}.{interval}"),
    ("deribit_price_index.btc_usdc", "deribit_price_index.{index_name}"),
    (f"user.orders.{CALL}.raw", "user.orders.{instrument_name}.raw"),
    ("user.orders.any.any.raw", "user.orders.{kind}.{currency}.raw"),
    ("user.orders.option.BTC.100ms", "user.orders.{kind}.{currency}.{interval}"),
    ("user.trades.any.any.raw", "user.trades.{kind}.{currency}.{interval}"),
    (f"user.trades.{CALL}.100ms", "user.trades.{instrument_name}.{interval}"),
    (f"user.changes.{CALL}.raw", "user.changes.{instrument_name}.{interval}"),
    ("user.changes.any.any.100ms", "user.changes.{kind}.{currency}.{interval}"),
    ("user.portfolio.usdc", "user.portfolio.{currency}"),
]


class Ear:
    """A listener that remembers."""

    def __init__(self, address=b""):
        self.is_open, self.address, self.heard = True, address, []

    def send(self, text):
        self.heard.append(json.loads(text))

    def send_latest(self, key, text):
        assert json.loads(text)["params"]["channel"] == key
        self.send(text)

    def end(self, why):
        self.is_open = False
        self.heard.append(why)


async def test_channels_validate(schema, trader, venue):
    maker, taker = trader(1), trader(2)

    async def read(query):
        return query(venue.state)

    hub, ear = Hub(venue.publisher, read), Ear()
    names = [name for name, _ in CHANNELS]
    text = json.dumps({"id": 1, "method": "private/subscribe", "params": {"channels": names}})
    work = maker.session.receive(text, venue.time_ns)
    await hub.attach(ear, work, lambda: work.finish(venue.time_ns))
    assert ear.heard.pop(0)["result"] == names
    venue.notes.clear()
    maker.sell(CALL, 0.5, 500)
    taker.buy(CALL, 0.2, 500)
    venue.advance(1)
    venue.round(64_000 * 10**6)
    assert any(isinstance(note, Note) for note in venue.notes)
    hub.publish(venue.notes)
    await hub.beat()
    seen = {}
    for message in ear.heard:
        assert (message["jsonrpc"], message["method"]) == ("2.0", "subscription")
        seen.setdefault(message["params"]["channel"], []).append(message["params"]["data"])
    for name, pattern in CHANNELS:
        assert seen.get(name), name
        for data in seen[name]:
            validator(schema[1][pattern]).json(json.dumps(data))
    assert all(parse_channel(name) is not None for name in names)
    assert ManualClock(T0).now_ns() == T0 * 10**9
