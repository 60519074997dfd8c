"""What a signer refuses, what it hides, and how it ends when the venue does. # M51"""

import asyncio
import datetime as dt
import logging
import ssl

import aiohttp
import msgspec
import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from exchange.session.methods import PRIVATE, SIGNED
from exchange.shell.gateway import Gateway
from exchange.shell.wallet import Untrusted
from exchange.signer import run
from exchange.signer.config import ConfigError, Listen
from exchange.signer.upstream import Unreachable
from tests.gateway.conftest import key_of

from .conftest import PASSWORD, SECRETS, Plain, settings_for


@pytest.mark.parametrize("method", sorted(PRIVATE))
async def test_nothing_private_without_a_login(connect, method):
    assert (await (await connect()).refused(method))[0] == 13009


@pytest.mark.parametrize("method", sorted(SIGNED))
async def test_nothing_is_signed_for_who_may_only_read(connect, signer, method):
    reader = await connect("maker", scope="trade:read account:read")
    code, data = await reader.refused(method, instrument_name=signer.venue.call, amount=1, price=5)
    assert (code, data["reason"]) == (13021, "scope_must_allow")


async def test_an_account_is_its_client_s_alone(connect, signer):
    maker, taker = await connect("maker"), await connect("taker")
    placed = await maker.ask("private/buy", instrument_name=signer.venue.call, amount=0.1, price=5)
    order_id = placed["order"]["order_id"]
    assert (await taker.refused("private/edit", order_id=order_id, amount=1, price=9))[0] == 10004
    assert (await taker.refused("private/cancel", order_id=order_id))[0] == 10029
    assert (await taker.refused("private/get_positions", subaccount_id=1))[0] == 13021
    assert (await taker.refused("public/auth", grant_type="client_credentials", client_id="maker", client_secret="no"))[
        0
    ] == 13004
    grant = {"grant_type": "client_credentials", "client_id": "maker", "client_secret": SECRETS["maker"]}
    code, data = await taker.refused("public/auth", **grant)
    assert (code, data["reason"]) == (13021, "one_client_for_each_connection")


async def test_tokens_are_of_this_signer_only(connect, signer, http):
    maker = await connect("maker")
    venue_side = await signer.venue.client(1)
    grant = await venue_side.login(key_of(1))
    stranger = await connect()
    assert (await stranger.refused("private/get_positions", access_token=grant["access_token"]))[0] == 13009
    for header in ("Bearer none", "Basic xyz", f"deri-hmac-sha256 id=maker,ts=1,nonce=1,sig={'0' * 64}"):
        reply = await http.get(f"{signer.ready.http}/api/v2/private/get_positions", headers={"Authorization": header})
        assert (reply.status, (await reply.json())["error"]["code"] in (13004, 13009)) == (400, True)
    own = await maker.ask(
        "public/auth", grant_type="client_credentials", client_id="maker", client_secret=SECRETS["maker"]
    )
    assert await stranger.ask("private/get_positions", access_token=own["access_token"], currency="USDC") == []
    assert (await stranger.refused("public/fork_token", refresh_token=own["refresh_token"], session_name="x"))[
        0
    ] == 10033
    await venue_side.close()


async def test_messages_that_are_none(connect, signer, http):
    client = await connect()
    await client.socket.send_str("{")
    assert msgspec.json.decode(await client.socket.receive_str())["error"]["code"] == -32700
    await client.socket.send_str("[]")
    assert msgspec.json.decode(await client.socket.receive_str())["error"]["code"] == -32600
    reply = await http.post(f"{signer.ready.http}/api/v2", data=b"\xff\xfe")
    assert (await reply.json())["error"]["code"] == -32700
    reply = await http.post(f"{signer.ready.http}/api/v2", data=b"x" * 70_000)
    assert (await reply.json())["error"]["data"]["reason"] == "message_too_long"


async def test_a_venue_that_is_another_one_is_not_served(venue, tmp_path):
    settings = settings_for(venue.gateway.url, tmp_path)
    other = msgspec.structs.replace(settings.venue, chain_id=1)
    with pytest.raises(Untrusted):
        async with run.running(msgspec.structs.replace(settings, venue=other), PASSWORD):
            pass
    with pytest.raises(ConfigError, match="password"):
        async with run.running(settings, "another password"):
            pass


async def test_nobody_home_is_told_and_waited_for(tmp_path):
    settings = settings_for("ws://127.0.0.1:1/ws/api/v2", tmp_path)
    with pytest.raises(Unreachable):
        async with run.running(settings, PASSWORD):
            pass
    stop = asyncio.Event()

    def told(_logger, _name, event):
        if event["event"] == "venue_out_of_reach":
            stop.set()
        raise structlog.DropEvent

    structlog.configure(processors=[told])
    try:
        await run.serve(settings, PASSWORD, lambda _: None, stop)
    finally:
        structlog.reset_defaults()


async def test_it_fails_closed_and_comes_back(connect, signer, http, venue):
    """The venue's port closes: connections end, requests are refused; it opens again, and all goes on."""
    client = await connect("maker")
    port, call = venue.gateway.port, venue.call
    health = await http.get(f"{signer.ready.http}/health")
    assert health.status == 200
    await venue.gateway.__aexit__(None, None, None)
    assert (await client.socket.receive(timeout=10)).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
    reply = await http.get(f"{signer.ready.http}/api/v2/public/ticker?instrument_name={call}")
    told = (await reply.json())["error"]
    assert (told["code"], told["data"]["reason"]) == (13028, "venue_is_out_of_reach")
    assert (await http.get(f"{signer.ready.http}/health")).status == 503
    again = await http.ws_connect(signer.ready.ws)
    assert (await again.receive(timeout=10)).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
    async with Gateway(venue.publisher, venue.sequencer, venue.hub, port=port):
        plain = await Plain(await http.ws_connect(signer.ready.ws)).login("maker")
        placed = await plain.ask("private/buy", instrument_name=call, amount=0.1, price=5)
        assert placed["order"]["order_state"] == "open"
        login = {"grant_type": "client_credentials", "client_id": "taker", "client_secret": SECRETS["taker"]}
        body = {"id": 1, "params": login}
        grant = (await (await http.post(f"{signer.ready.http}/api/v2/public/auth", json=body)).json())["result"]
        bearer = {"Authorization": f"Bearer {grant['access_token']}"}
        # The token that the signer had at the venue is gone with its gateway; it logs in anew.
        held = await http.get(f"{signer.ready.http}/api/v2/private/get_positions", headers=bearer)
        assert (await held.json())["result"] == []
        await plain.socket.close()


async def test_logs_hold_no_key_and_no_secret(venue, tmp_path, http, capfd):
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    try:
        async with run.running(settings_for(venue.gateway.url, tmp_path), PASSWORD) as ready:
            plain = await Plain(await http.ws_connect(ready.ws)).login("maker")
            await plain.refused(
                "public/auth", grant_type="client_credentials", client_id="maker", client_secret="guess-1"
            )
            await plain.ask("private/buy", instrument_name=venue.call, amount=0.1, price=5)
            await plain.refused("private/buy", instrument_name=venue.call, amount="x", price=5)
            await plain.socket.close()
    finally:
        structlog.reset_defaults()
    out, err = capfd.readouterr()
    assert "signer_listening" in out
    assert "client_logged_in" in out
    for hidden in (*SECRETS.values(), PASSWORD, key_of(1).hex(), key_of(2).hex(), "guess-1"):
        assert hidden not in out + err


@pytest.fixture
def certificate(tmp_path):
    """A certificate of 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = tmp_path / "cert.pem", tmp_path / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    formats = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *formats))
    return paths


async def test_plain_and_tls(venue, tmp_path, http, certificate):
    listen = Listen(host="localhost", port=0, tls_port=0, certificate=certificate[0], private_key=certificate[1])
    settings = settings_for(venue.gateway.url, tmp_path, listen=listen)
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    async with run.running(settings, PASSWORD) as ready:
        assert ready.http.startswith("http://")
        for url, tls in ((ready.ws, False), (ready.wss, trusting)):
            plain = await Plain(await http.ws_connect(url, ssl=tls)).login("maker")
            assert (await plain.ask("private/get_account_summary", currency="USDC"))["id"] == 1
            await plain.socket.close()
    broken = msgspec.structs.replace(listen, private_key=certificate[0])
    with pytest.raises(ConfigError):
        async with run.running(settings_for(venue.gateway.url, tmp_path, listen=broken), PASSWORD):
            pass
