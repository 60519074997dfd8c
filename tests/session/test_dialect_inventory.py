"""Every method and channel of the dialect is here, or says why it is not; the page that lists them is the code's. # M50"""

from pathlib import Path

from exchange.dialect.channels import PATTERNS, parse_channel
from exchange.session.elsewhere import CHANNELS_ELSEWHERE, ELSEWHERE
from exchange.session.methods import METHODS
from exchange.session.reference import SIGNED, page
from tests.dialect.oracle import faults, names

from .conftest import CALL

SUBSCRIBING = {f"{scope}/{name}" for scope in ("public", "private") for name in ("subscribe", "unsubscribe")}
PAGE = Path(__file__).resolve().parents[2] / "docs" / "DIALECT.md"
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
    here = set(PATTERNS) - {"auction.{instrument_name}"}
    assert not here & set(CHANNELS_ELSEWHERE)
    assert sorted(here | set(CHANNELS_ELSEWHERE)) == names().channels


def test_channels_that_are_here_can_be_named():
    for pattern in PATTERNS:
        assert parse_channel(pattern.format_map(WORDS)) is not None, pattern
    for pattern in CHANNELS_ELSEWHERE:
        assert parse_channel(pattern.format_map(WORDS)) is None, pattern


def test_the_page_is_what_the_code_says():
    assert PAGE.read_text() == page()
    assert set(SIGNED) <= set(METHODS)


def test_the_committed_copy_notices():
    kind = {"a": "int", "?b": "float | None", "c": [{"d": "buy|sell"}]}
    assert faults(kind, {"a": 1, "c": [{"d": "buy"}]}) == []
    assert faults(kind, {"a": True, "b": None, "c": [{"d": "hold"}]}) == [
        "result.a: True is not int",
        "result.c[0].d: 'hold' is not buy|sell",
    ]
    assert faults(kind, {"a": 1, "b": "x"}) == ["result.b: 'x' is not float | None", "result.c: missing"]
