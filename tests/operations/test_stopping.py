"""A venue in a process of its own, told to stop, to stop again, and to read its settings again. # M54"""

import asyncio
import datetime as dt
import json
import os
import signal
import ssl
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from e2e_serve import Serving, audit

from exchange.shell.client import Client, Refused
from exchange.shell.subscription import Disconnected


async def probe(serving: Serving, page: str) -> dict:
    async with aiohttp.ClientSession() as http, http.get(f"{serving.ready['metrics']}/{page}") as told:
        return await told.json()


async def trader(serving: Serving, number: int = 0) -> Client:
    client = await Client.connect(serving.ready["url"])
    await client.login(bytes.fromhex(serving.ready["keys"][number]["key"][2:]))
    return client


async def closing_code(url: str) -> int | None:
    """The code that a client which only listens is hung up on with."""
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        await socket.send_str('{"jsonrpc":"2.0","id":1,"method":"public/test"}')
        async for message in socket:
            assert message.type is aiohttp.WSMsgType.TEXT
        return socket.close_code


async def test_a_drain_answers_what_was_asked_refuses_new_orders_and_says_goodbye(tmp_path: Path):
    """A held-back taker keeps the drain open for as long as the test needs to look inside."""
    serving = await Serving.start(tmp_path / "venue.journal", "--taker-delay", "1000")
    maker, taker = await trader(serving), await trader(serving, 1)
    listener = asyncio.create_task(closing_code(serving.ready["url"]))
    name = min(await maker.instruments())
    rested = await maker.sell(name, 1, 5_000, post_only=True)
    held = asyncio.create_task(taker.buy(name, 1, 5_000))
    while "1 of them held back" not in (await probe(serving, "readyz"))["checks"]["accepting"]["detail"]:
        assert not held.done()
    serving.process.terminate()
    while (await probe(serving, "readyz"))["stage"] != "draining":
        pass
    with pytest.raises(Refused) as refused:
        await maker.sell(name, 1, 5_100, post_only=True)
    assert (refused.value.code, refused.value.data["reason"]) == (11051, "venue_is_stopping")
    told = await probe(serving, "readyz")
    assert (told["ok"], told["reasons"][0]) == (False, "serving: draining")
    assert len((await held).trades) == 1  # it had come before, so it is entered, and its maker is still there
    assert await listener == aiohttp.WSCloseCode.GOING_AWAY
    with pytest.raises(Disconnected):
        await maker.cancel(rested.order_id)
    assert await serving.ended() == 0
    events = [json.loads(line)["event"] for line in serving.log().splitlines()]
    assert events == ["stopping"]  # nothing was left unsettled or undrained
    verdict = await audit("verify", str(serving.journal), "--signatures")
    assert (verdict["ok"], verdict["orders_checked"]) == (True, 2)
    again = await Serving.start(serving.journal)
    assert (await probe(again, "readyz"))["ok"]
    assert await again.stop() == 0


async def test_said_again_it_ends_at_once_and_the_next_start_goes_on(tmp_path: Path):
    """A client that reads nothing would hold a drain up to its limit; a second signal does not wait for it."""
    serving = await Serving.start(tmp_path / "venue.journal", "--taker-delay", "1000", "--stop.drain-s", "60")
    maker, taker = await trader(serving), await trader(serving, 1)
    name = min(await maker.instruments())
    placed = await maker.sell(name, 1, 5_000, post_only=True)
    held = asyncio.create_task(taker.buy(name, 1, 5_000))
    while "1 of them held back" not in (await probe(serving, "readyz"))["checks"]["accepting"]["detail"]:
        assert not held.done()
    serving.process.terminate()
    while (await probe(serving, "readyz"))["stage"] != "draining":
        pass
    serving.process.terminate()
    assert await serving.ended() == 1
    assert "stop_forced" in serving.log()
    with pytest.raises((Disconnected, Refused)):
        await held
    again = await Serving.start(serving.journal)
    assert again.ready["seq"] >= placed.receipt.receipt.seq
    assert await again.stop() == 0
    assert (await audit("verify", str(serving.journal)))["ok"]


async def test_a_start_that_is_told_to_stop_stops(tmp_path: Path):
    serving = await Serving.spawn(tmp_path / "venue.journal", "--log.level", "info")
    await heard(serving, "probes_listening")
    serving.process.terminate()
    assert await serving.ended() == 0
    assert "stopping" in serving.log()
    again = await Serving.start(serving.journal)
    assert await again.stop() == 0


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate of its own."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    secret, named = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder().subject_name(named).issuer_name(named).public_key(secret.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    plain = serialization.NoEncryption()
    cert.write_bytes(made.sign(secret, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        secret.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption_algorithm=plain)
    )
    return cert, key


async def shown(url: str) -> bytes:
    """The certificate that a door shows, as it came."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    port = int(url.split(":")[2].partition("/")[0])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return bytes(found)


async def heard(serving: Serving, event: str, times: int = 1) -> dict:
    """The last of so many lines of an event, once they are there."""
    while True:
        lines = [json.loads(line) for line in serving.log().splitlines()]
        found = [line for line in lines if line["event"] == event]
        if len(found) == times:
            return found[-1]
        await asyncio.sleep(0.01)


async def test_sighup_takes_up_certificate_and_levels_and_keeps_both_when_the_file_is_wrong(tmp_path: Path):
    cert, key = certificate(tmp_path, "first")
    config = tmp_path / "venue.toml"
    base = f'[gateway]\ncertificate = "{cert}"\nprivate_key = "{key}"\n'
    config.write_text(base)
    serving = await Serving.start(tmp_path / "venue.journal", "--config", str(config))
    first = await shown(serving.ready["url"])
    certificate(tmp_path, "second")
    config.write_text(base + 'ping_s = 7\n[log]\nlevel = "info"\n')
    serving.process.send_signal(signal.SIGHUP)
    assert (await heard(serving, "settings_reread"))["need_a_restart"] == ["gateway.ping_s"]
    second = await shown(serving.ready["url"])
    assert second != first
    config.write_text(base + "pong_s = 7\n")
    serving.process.send_signal(signal.SIGHUP)
    assert "gateway.ping_s" in (await heard(serving, "settings_not_reread"))["error"]
    config.write_text(base)
    key.write_bytes(os.urandom(32))
    serving.process.send_signal(signal.SIGHUP)
    assert "cert.pem" in (await heard(serving, "settings_not_reread", 2))["error"]
    assert await shown(serving.ready["url"]) == second
    assert await serving.stop() == 0
