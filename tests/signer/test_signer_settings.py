"""Settings, keystores, nonces and credentials of a signer, each shown what it must refuse. # M51"""

import hashlib
import hmac
import json
import os
import pickle

import pytest

from exchange.dialect.errors import DialectError
from exchange.session.requests import Params
from exchange.shell.wallet import Nonces
from exchange.signer import nonces as nonces_module
from exchange.signer.config import ClientSettings, ConfigError, load
from exchange.signer.credentials import GUESSES, Credentials, signed_header
from exchange.signer.keys import Key, open_keystore, write_keystore
from exchange.signer.nonces import DurableNonces

from .conftest import PASSWORD

NOW_NS = 1_800_000_000 * 10**9
SECRET = "a secret that is long enough"
KEY = b"\x05" * 32
PLAIN = {
    "url": "ws://127.0.0.1:1/ws/api/v2",
    "venue": {"name": "v", "chain_id": 1, "clearing": "0x", "operator": "0x"},
    "clients": [{"client_id": "desk", "client_secret": SECRET, "keystore": "desk.keystore"}],
    "nonces": "nonces",
}


@pytest.fixture
def written(tmp_path):
    def write(mode=0o600, **more):
        path = tmp_path / "signer.json"
        path.write_text(json.dumps(PLAIN | more))
        path.chmod(mode)
        return path

    return write


def test_paths_are_relative_to_the_file(written, tmp_path):
    settings = load(written())
    assert settings.clients[0].keystore == tmp_path / "desk.keystore"
    assert settings.nonces == tmp_path / "nonces"
    assert (settings.listen.host, settings.slippage) == ("127.0.0.1", "0.05")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"listen": {"host": "0.0.0.0"}}, "loopback"),
        ({"listen": {"host": "192.168.1.7", "port": 80}}, "loopback"),
        ({"listen": {"host": "example.org", "port": 80}}, "loopback"),
        ({"listen": {"host": "0.0.0.0", "port": None, "tls_port": 1}}, "certificate"),
        ({"listen": {"port": None}}, "port or a tls_port"),
        ({"listen": {"tls_prt": 1}}, "nearest is tls_port"),
        ({"clients": []}, "one entry"),
        ({"clients": PLAIN["clients"] * 2}, "of its own"),
        ({"clients": [PLAIN["clients"][0] | {"client_secret": "short"}]}, "characters"),
        ({"url": "http://x"}, "ws://"),
        ({"slippage": "2"}, "between"),
        ({"slippage": "much"}, "no number"),
        ({"max_fee": "0"}, "above zero"),
        ({"surprise": 1}, "unknown field"),
    ],
)
def test_settings_that_cannot_be_used(written, more, why):
    with pytest.raises(ConfigError, match=why) as refused:
        load(written(**more))
    assert SECRET not in str(refused.value)


def test_a_file_of_secrets_is_its_owner_s_alone(written, tmp_path):
    with pytest.raises(ConfigError, match="chmod 600"):
        load(written(0o644))
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.json")
    assert SECRET not in repr(load(written()))


def test_a_key_is_kept_and_never_shown(tmp_path):
    path = tmp_path / "desk.keystore"
    key = write_keystore(path, KEY, PASSWORD)
    assert path.stat().st_mode & 0o777 == 0o600
    assert open_keystore(path, PASSWORD).address == key.address
    assert KEY.hex() not in path.read_text()
    assert repr(key) == f"Key({key.address})"
    with pytest.raises(TypeError):
        pickle.dumps(key)
    with pytest.raises(ConfigError, match="there already"):
        write_keystore(path, KEY, PASSWORD)
    with pytest.raises(ConfigError, match="another") as refused:
        open_keystore(path, "not this one")
    assert refused.value.__cause__ is None
    path.write_text("{}")
    with pytest.raises(ConfigError, match="no keystore"):
        open_keystore(path, PASSWORD)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        open_keystore(path, PASSWORD)
    assert isinstance(Key(KEY), Key)


def test_no_nonce_comes_twice_whatever_happens(tmp_path, monkeypatch):
    path = tmp_path / "nonces"
    with DurableNonces(path) as first:
        first.start_at(1, 40)
        given = [first.take(1) for _ in range(3)]
        with pytest.raises(ConfigError, match="another signer"), DurableNonces(path):
            pass
    assert given == [40, 41, 42]
    monkeypatch.setattr(nonces_module, "BLOCK", 2)
    with DurableNonces(path) as second:
        second.start_at(1, 5)  # the venue may know of fewer
        again = [second.take(1) for _ in range(5)]
        other = second.take(2)
    assert (again, other) == (list(range(1_040, 1_045)), 0)
    with DurableNonces(path) as third:
        assert third.take(1) == 1_046  # what was reserved and not used is left out
    path.write_text("[]")
    with pytest.raises(ConfigError), DurableNonces(path):
        pass
    assert isinstance(third, Nonces)


def test_a_nonce_is_durable_before_it_is_given(tmp_path, monkeypatch):
    with DurableNonces(tmp_path / "nonces") as held:

        def full(_handle):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            held.take(1)


@pytest.fixture
def credentials(tmp_path):
    return Credentials([ClientSettings("desk", SECRET, tmp_path)], NOW_NS)


def log_in(credentials, now_ns=NOW_NS, remote="127.0.0.1", **params):
    return credentials.log_in(
        Params({"grant_type": "client_credentials", "client_id": "desk"} | params), remote, now_ns
    )


def reason(call, *arguments, **named):
    with pytest.raises(DialectError) as refused:
        call(*arguments, **named)
    return refused.value.data["reason"]


def test_a_secret_opens_and_guesses_are_paid_for(credentials):
    grant = log_in(credentials, client_secret=SECRET, scope="session:x trade:read")
    assert credentials.find(grant.access_token, NOW_NS).scope == "session:x trade:read"
    for _ in range(GUESSES.credits_max // 1_000):
        assert reason(log_in, credentials, client_secret="wrong secret") == "client_id_and_secret_must_match"
    assert reason(log_in, credentials, client_secret="wrong secret") == "credits_exhausted"
    assert log_in(credentials, client_secret=SECRET).address == b"desk"  # who knows it is not locked out
    assert reason(log_in, credentials, client_id="none", client_secret=SECRET, remote="elsewhere")
    renewed = credentials.log_in(
        Params({"grant_type": "refresh_token", "refresh_token": grant.refresh_token}), "", NOW_NS
    )
    assert renewed.scope == grant.scope
    credentials.forget(renewed)
    assert reason(credentials.find, renewed.access_token, NOW_NS) == "invalid_token"


def header(uri="/api/v2/private/buy?amount=1", body="", stamp=NOW_NS // 10**6, secret=SECRET, nonce="n"):
    text = f"{stamp}\n{nonce}\nGET\n{uri}\n{body}\n"
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return f"sig={digest},ts={stamp}, nonce={nonce},id=desk"


def test_a_signed_request_is_good_once(credentials):
    signed = signed_header(header(), "GET", "/api/v2/private/buy?amount=1", "")
    credentials.verify(signed, "", NOW_NS, once=True)
    assert reason(credentials.verify, signed, "", NOW_NS, once=True) == "request_must_be_fresh"
    credentials.verify(signed, "", NOW_NS, once=False)  # a question may be asked twice in a millisecond
    late = NOW_NS + 61 * 10**9
    assert reason(credentials.verify, signed, "", late, once=True) == "timestamp_must_be_near_now"
    other = signed_header(header(), "GET", "/api/v2/private/buy?amount=100", "")
    assert reason(credentials.verify, other, "", NOW_NS, once=True) == "signature_must_match"
    forged = signed_header(header(secret="another secret"), "GET", "/api/v2/private/buy?amount=1", "")
    assert reason(credentials.verify, forged, "", NOW_NS, once=True) == "signature_must_match"
    assert reason(signed_header, "id=desk,ts=1", "GET", "/", "") == "header_must_have_id_ts_nonce_sig"


def test_a_signature_over_a_socket_is_good_once(credentials):
    stamp = NOW_NS // 10**6
    digest = hmac.new(SECRET.encode(), f"{stamp}\n{stamp}\n".encode(), hashlib.sha256).hexdigest()
    params = {
        "grant_type": "client_signature",
        "timestamp": stamp,
        "nonce": str(stamp),
        "data": "",
        "signature": digest,
    }
    assert log_in(credentials, **params).address == b"desk"
    assert reason(log_in, credentials, **params) == "request_must_be_fresh"
