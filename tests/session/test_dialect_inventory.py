"""Every method and channel of the dialect is here, or says why it is not; the page that lists them is the code's. # M50"""

import re
from pathlib import Path

import pytest

from exchange.dialect.channels import PATTERNS, parse_channel
from exchange.dialect.errors import Code
from exchange.session import quoting
from exchange.session.call import Call
from exchange.session.elsewhere import CHANNELS_ELSEWHERE, ELSEWHERE
from exchange.session.methods import METHODS, SIGNED
from exchange.session.reading import reads_of
from exchange.session.reference import asyncapi, documents, openrpc
from exchange.session.requests import Params, Request
from exchange.session.results import RESULTS
from exchange.session.shapes import OBJECTS
from tests.dialect.answers import fault_of
from tests.dialect.oracle import faults, names

from .conftest import CALL, complete
from .test_session_scopes import NEEDS

SUBSCRIBING = {f"{scope}/{name}" for scope in ("public", "private") for name in ("subscribe", "unsubscribe")}
REFERENCE = re.compile(r"#/components/schemas/(\w+)")
DOCS = Path(__file__).resolve().parents[2] / "docs"
WORDS = {
    "instrument_name": CALL,
    "interval": "100ms",
    "group": "10",
    "depth": "10",
    "kind": "option",
    "currency": "USDC",
    "resolution": "1D",
    "index_name": "btc_usdc",
}


def test_every_name_of_the_schema_has_its_place():
    here = {name for name in METHODS if "/x_" not in name} - SUBSCRIBING
    assert not here & set(ELSEWHERE)
    assert sorted(here | set(ELSEWHERE)) == names().methods
    assert all(ELSEWHERE.values())


def test_every_channel_of_the_schema_has_its_place():
    here = set(PATTERNS) - {"auction.{instrument_name}", "user.drop_copy"}
    assert not here & set(CHANNELS_ELSEWHERE)
    assert sorted(here | set(CHANNELS_ELSEWHERE)) == names().channels


def test_channels_that_are_here_can_be_named():
    for pattern in PATTERNS:
        assert parse_channel(pattern.format_map(WORDS)) is not None, pattern
    for pattern in CHANNELS_ELSEWHERE:
        assert parse_channel(pattern.format_map(WORDS)) is None, pattern


@pytest.mark.parametrize("name", ["DIALECT.md", "openrpc.json", "asyncapi.json"])
def test_the_reference_is_what_the_code_says(name):
    assert (DOCS / name).read_text() == documents()[name], f"python -m exchange.session.reference {name} > docs/{name}"
    assert set(SIGNED) <= set(METHODS)


def test_the_reference_tells_of_everything():
    document = openrpc()
    assert sorted(method["name"] for method in document["methods"]) == sorted(METHODS)
    assert [method["name"] for method in document["methods"] if not method.get("summary")] == []
    assert sorted(asyncapi()["channels"]) == sorted(PATTERNS)
    assert {error["code"] for error in document["components"]["errors"].values()} == {code.value[0] for code in Code}


class Asked(dict):
    """Parameters that remember what they were asked for."""

    def __init__(self, values):
        super().__init__(values)
        self.names = {}

    def get(self, name, default=None):
        self.names[name] = None
        return super().get(name, default)


@pytest.mark.parametrize("method", sorted(NEEDS))
def test_what_a_method_reads_is_in_the_reference(trader, method):
    """Whatever the running code asks a request for has been found in its source."""
    (told,) = [each for each in openrpc()["methods"] if each["name"] == method]
    client, asked = trader(1), Asked(NEEDS[method][1])
    request = Request(1, method, Params(asked))
    complete(client.venue, client.session.handle(request, client.venue.time_ns))
    charged = {"subaccount_id", "authorization"}  # read of any request, to know whose credits it spends
    known = {param["name"] for param in told["params"]} | {"access_token"} | charged
    assert sorted(set(asked.names) - known) == []


def test_reading_finds_what_is_inside_apart():
    reads = reads_of(quoting.mass_quote, Call)
    assert {"quotes", "mmp_group", "quote_id", "authorization", "detailed", "x_whole"} <= set(reads.whole)
    assert {"instrument_name", "bid", "amount", "x_delta", "nonce"} <= set(reads.inner)
    assert "bid" not in reads.whole


def test_every_method_says_what_it_answers_with():
    assert list(RESULTS) == list(METHODS)
    told = {name for method in openrpc()["methods"] for name in REFERENCE.findall(str(method["result"]))}
    inside = {name for shape in openrpc()["components"]["schemas"].values() for name in REFERENCE.findall(str(shape))}
    assert told | inside == set(OBJECTS)


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("public/test", {}),
        ("public/test", {"version": 1}),
        ("public/test", {"version": "1", "more": 1}),
        ("private/get_positions", [{}]),
        ("private/cancel_all", "two"),
        ("public/get_block_rfq_trades", {"block_rfqs": [], "continuation": 3}),
        ("private/get_subaccounts", None),
    ],
)
def test_an_answer_that_is_not_as_said_is_noticed(method, result):
    assert fault_of(method, result)


def test_the_committed_copy_notices():
    kind = {"a": "int", "?b": "float | None", "c": [{"d": "buy|sell"}]}
    assert faults(kind, {"a": 1, "c": [{"d": "buy"}]}) == []
    assert faults(kind, {"a": True, "b": None, "c": [{"d": "hold"}]}) == [
        "result.a: True is not int",
        "result.c[0].d: 'hold' is not buy|sell",
    ]
    assert faults(kind, {"a": 1, "b": "x"}) == ["result.b: 'x' is not float | None", "result.c: missing"]
