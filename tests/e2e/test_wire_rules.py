"""What driving real clients taught about the wire, rule by rule, against a venue of its own that speaks TLS. # M50

Rules that have tests of their own are named in `RULES`; those without a name are tested here.
"""

import datetime as dt
import json
import ssl
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from e2e_serve import ROOT, Serving

RULES = {
    1: "tests/session/test_session_wire.py::test_the_envelope",
    2: "tests/gateway/test_http.py::test_unknown_and_foreign_methods",
    3: "tests/session/test_session_schema.py::test_orders_and_logins_validate",
    4: "tests/signer/test_signer_settings.py::test_a_signed_request_is_good_once",
    5: "tests/gateway/test_http.py::test_query_values_are_text",
    6: "tests/session/test_session_wire.py::test_numbers_are_numbers_and_nothing_optional_is_null",
    7: "tests/session/test_session_wire.py::test_an_empty_side_is_zero_and_what_is_not_quoted_is_left_out",
    8: "",  # underlying_index: not in tickers and books, text in summaries
    9: "",  # all fields of an instrument
    10: "tests/gateway/test_channels.py::test_books_are_gap_free_and_end_where_rest_says",
    11: "",  # raw channels without a login, and replies that list what was accepted
    12: "tests/session/test_session_schema.py::test_channels_validate",
    13: "tests/gateway/test_presence_socket.py::",
    14: "tests/session/test_session_wire.py::test_malformed_requests",
    15: "",  # fields of ours beside the dialect's
    16: "",  # TLS
}
INSTRUMENT = [
    "kind",
    "option_type",
    "strike",
    "expiration_timestamp",
    "settlement_period",
    "base_currency",
    "quote_currency",
    "counter_currency",
    "settlement_currency",
    "instrument_id",
    "tick_size",
    "tick_size_steps",
    "min_trade_amount",
    "contract_size",
    "is_active",
    "maker_commission",
    "taker_commission",
    "creation_timestamp",
    "price_index",
    "instrument_type",
    "underlying_type",
    "instrument_name",
]


def test_every_rule_has_its_test():
    assert sorted(RULES) == list(range(1, 17))
    for named in filter(None, RULES.values()):
        path, _, name = named.partition("::")
        assert name in (ROOT / path).read_text(), named


@pytest.fixture
def certificate(tmp_path):
    """A certificate of localhost, signed by itself, and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    now = dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    made = made.not_valid_before(now - dt.timedelta(minutes=5)).not_valid_after(now + dt.timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    signed = made.add_extension(names, critical=False).sign(key, hashes.SHA256())
    paths = tmp_path / "cert.pem", tmp_path / "key.pem"
    paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    return paths


@pytest.mark.timeout(120)
async def test_a_venue_that_speaks_tls(tmp_path: Path, certificate):
    given = ("--host", "localhost", "--certificate", str(certificate[0]), "--private-key", str(certificate[1]))
    serving = await Serving.start(tmp_path / "venue.journal", *given)
    url = serving.ready["url"]
    assert url.startswith("wss://localhost:")
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as http:
        base = url.replace("wss", "https").removesuffix("/ws/api/v2") + "/api/v2/public"
        await fields(http, base)
        async with http.ws_connect(url) as socket:
            await channels(socket, http, base)
    async with aiohttp.ClientSession() as plain:
        with pytest.raises(aiohttp.ClientError):
            await plain.get(url.replace("wss", "http").removesuffix("/ws/api/v2") + "/health")
    assert await serving.stop() == 0


async def fields(http, base):
    """Rules 8, 9 and 15."""
    listed = (await (await http.get(f"{base}/get_instruments?currency=BTC")).json())["result"]
    assert [item["instrument_name"] for item in listed if set(INSTRUMENT) - set(item)] == []
    name = listed[0]["instrument_name"]
    for method in ("ticker", "get_order_book"):
        shown = (await (await http.get(f"{base}/{method}?instrument_name={name}")).json())["result"]
        assert "underlying_index" not in shown
        assert shown["x_phase"] == "continuous"
    lines = (await (await http.get(f"{base}/get_book_summary_by_currency?currency=BTC")).json())["result"]
    assert {line["underlying_index"] for line in lines} == {"btc_usdc"}


async def channels(socket, http, base):
    """Rule 11."""
    name = (await (await http.get(f"{base}/get_instruments")).json())["result"][0]["instrument_name"]
    asked = [f"book.{name}.raw", "book.NONE.raw", "user.orders.any.any.raw", "perpetual.X.raw"]
    await socket.send_json({"jsonrpc": "2.0", "id": "s", "method": "public/subscribe", "params": {"channels": asked}})
    reply = json.loads(await socket.receive_str())
    assert (reply["id"], reply["result"]) == ("s", asked[:1])
    assert json.loads(await socket.receive_str())["params"]["data"]["type"] == "snapshot"
