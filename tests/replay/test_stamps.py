"""Time stamps: a real authority over HTTP, verified twice, by the library and by the script of a bundle."""

import json
import shutil
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from local_tsa import Authority, serving

from replay import verify_bundle
from replay.__main__ import main

NAME = "venue.example/journal"

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="the authority is openssl ts")


def run(capsys, *arguments):
    code = main([*map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tsa") / "rsa")


@pytest.fixture
def key(tmp_path, capsys):
    code, told = run(capsys, "key", NAME, tmp_path / "checkpoint.key")
    assert code == 0
    return tmp_path / "checkpoint.key", told["public_key"]


def checkpoint(capsys, sample, tmp_path, key, *arguments):
    out = tmp_path / "checkpoint"
    return out, *run(capsys, "checkpoint", sample.path, "--key", key[0], "--out", out, *arguments)


def stamped(capsys, sample, tmp_path, key, authority):
    with serving(authority) as url:
        return checkpoint(capsys, sample, tmp_path, key, "--tsa", url, "--tsa-roots", authority.roots)


def script(folder, *arguments):
    command = [sys.executable, "-I", str(folder / "verify.py"), str(folder), *map(str, arguments), "--json"]
    done = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def bundle(capsys, sample, tmp_path, key, out):
    folder = tmp_path / "evidence"
    range_ = ["--first", 5, "--last", 9, "--checkpoint", out, "--key", key[0]]
    code, told = run(capsys, "bundle", sample.path, folder, *range_)
    assert (code, told["stamped"]) == (0, True)
    return folder


def test_a_checkpoint_is_stamped_and_every_command_shows_it(sample, tmp_path, capsys, key, authority):
    out, code, told = stamped(capsys, sample, tmp_path, key, authority)
    assert (code, told["stamp"]["state"]) == (0, "verified")
    assert told["stamp"]["authority"] == "CN=Stamps Ltd"
    assert (tmp_path / "checkpoint.tsr").read_bytes() == authority.answers[-1]
    code, again = run(capsys, "timestamp", out, "--tsa-roots", authority.roots)
    assert (code, again["state"], again["time"]) == (0, "verified", told["stamp"]["time"])
    held = ["--checkpoint", out, "--venue", key[1], "--tsa-roots", authority.roots]
    code, report = run(capsys, "verify", sample.path, *held)
    assert (code, report["checkpoint"]["stamp"]["state"], report["findings"]) == (0, "verified", [])
    assert report["checkpoint"]["size"] == len(sample.records)
    assert main(["verify", str(sample.path), *map(str, held)]) == 0
    assert "time stamp verified: stamped at 20" in capsys.readouterr().out
    folder = bundle(capsys, sample, tmp_path, key, out)
    code, verdict = script(folder, "--key", key[1], "--tsa-roots", authority.roots)
    assert (code, verdict["findings"]) == (0, [])
    assert any("says CN=Stamps Ltd" in each for each in verdict["shown"])
    code, verdict = script(folder, "--key", key[1])
    assert (code, len(verdict["anchors"])) == (0, 3)


def test_the_token_of_an_elliptic_key_holds_in_both(sample, tmp_path, capsys, key):
    authority = Authority(tmp_path / "tsa", rsa_key=False)
    out, code, _ = stamped(capsys, sample, tmp_path, key, authority)
    assert code == 0
    folder = bundle(capsys, sample, tmp_path, key, out)
    code, verdict = script(folder, "--key", key[1], "--tsa-roots", authority.roots)
    assert (code, verdict["findings"]) == (0, [])


def test_without_a_certificate_nothing_is_believed(sample, tmp_path, capsys, key, authority):
    out, _, _ = stamped(capsys, sample, tmp_path, key, authority)
    assert run(capsys, "timestamp", out)[1]["state"] == "untrusted"
    code, report = run(capsys, "verify", sample.path, "--checkpoint", out)
    assert (code, report["checkpoint"]["stamp"]["state"]) == (0, "untrusted")


def test_an_authority_that_is_away_leaves_the_checkpoint_and_says_so(sample, tmp_path, capsys, key, authority):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
    told = ["--tsa", url, "--tsa-roots", authority.roots]
    out, code, said = checkpoint(capsys, sample, tmp_path, key, *told)
    assert (code, said["stamp"]["state"]) == (1, "unreachable")
    assert out.read_text() == said["checkpoint"]
    assert not (tmp_path / "checkpoint.tsr").exists()
    assert run(capsys, "timestamp", out)[1]["state"] == "missing"
    code, report = run(capsys, "verify", sample.path, "--checkpoint", out, "--tsa-roots", authority.roots)
    assert (code, [each["kind"] for each in report["findings"]]) == (1, ["stamp_not_sound"])
    with serving(authority) as url:  # it is back
        assert run(capsys, "timestamp", out, "--tsa", url, "--tsa-roots", authority.roots)[0] == 0
    assert run(capsys, "timestamp", out, "--tsa-roots", authority.roots)[1]["state"] == "verified"


def test_what_is_no_answer_to_the_query_is_not_kept(sample, tmp_path, capsys, key, authority):
    """An answer given before, a refusal, an error page, rubbish: each has its state."""
    stamped(capsys, sample, tmp_path, key, authority)
    old = authority.answers[-1]
    (tmp_path / "checkpoint.tsr").unlink()

    class Replaying(Authority):
        def __init__(self, said, status=200):
            self.said, self.status, self.roots = said, status, authority.roots

        def answer(self, _query):
            return self.said

    refusing = Authority(tmp_path / "refusing", digests="sha512")
    for other, state, words in (
        (Replaying(old), "wrong", "Nonce"),
        (Replaying(b"<html>"), "wrong", "no time stamp"),
        (Replaying(b"", 503), "unreachable", "503"),
        (refusing, "refused", "status 2"),
    ):
        _, code, told = stamped(capsys, sample, tmp_path, key, other)
        assert (code, told["stamp"]["state"]) == (1, state)
        assert words in told["stamp"]["sentence"]
        assert not (tmp_path / "checkpoint.tsr").exists()


def flipped(data, place):
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def test_a_token_that_was_tampered_with_or_is_of_another_holds_in_neither(sample, tmp_path, capsys, key, authority):
    out, _, _ = stamped(capsys, sample, tmp_path, key, authority)
    other = Authority(tmp_path / "other")
    folder, good = bundle(capsys, sample, tmp_path, key, out), authority.answers[-1]
    query = (authority.folder / "query").read_bytes()
    lies = {
        "imprint": flipped(good, good.index(query[query.index(b"\x04\x20") :][:34]) + 10),
        "signature": flipped(good, len(good) - 3),
        "signer": other.answer(query),
        "cut": good[: len(good) // 2],
    }
    for name, lie in lies.items():
        (tmp_path / "checkpoint.tsr").write_bytes(lie)
        (folder / "checkpoint.tsr").write_bytes(lie)
        code, told = run(capsys, "timestamp", out, "--tsa-roots", authority.roots)
        assert (code, told["state"]) == (1, "wrong"), name
        code, verdict = script(folder, "--tsa-roots", authority.roots)
        assert code == 1
        assert any("time stamp does not hold" in each for each in verdict["findings"]), name
    (folder / "checkpoint.tsr").unlink()
    assert any("no time stamp" in each for each in script(folder, "--tsa-roots", authority.roots)[1]["findings"])


def test_a_certificate_for_something_else_or_of_another_time_stamps_nothing(tmp_path, authority):
    lawyer = Authority(
        tmp_path / "lawyer", usages=[ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING]
    )
    now = datetime.now(UTC)
    for one, at, words in (
        (lawyer, now, "not for time stamps"),
        (authority, now + timedelta(days=1), "not valid then"),
        (authority, now, ""),
    ):
        leaf, *roots = (x509.load_pem_x509_certificate(f.read_bytes()) for f in (one.folder / "tsa.pem", one.roots))
        if not words:
            verify_bundle.check_chain(leaf, [], roots, at)
            continue
        with pytest.raises(ValueError, match=words):
            verify_bundle.check_chain(leaf, [], roots, at)


def test_a_journal_is_held_against_a_checkpoint_made_before(sample, signed_sample, forge, tmp_path, capsys, key):
    from journal import encode_record

    out, code, _ = checkpoint(capsys, sample, tmp_path, key)
    assert code == 0
    bodies = [[encode_record(record) for record in frame.records()] for frame in sample.frames]
    forge(tmp_path / "shorter.journal", bodies[:-2], sample.frames[:-2])
    for path, kind in ((tmp_path / "shorter.journal", "lost_tail"), (signed_sample.path, "lost_tail")):
        code, report = run(capsys, "verify", path, "--checkpoint", out)
        assert (code, [each["kind"] for each in report["findings"]]) == (1, [kind])
    longer, _, _ = checkpoint(capsys, signed_sample, tmp_path, key)
    code, report = run(capsys, "verify", sample.path, "--checkpoint", longer)
    assert (code, [each["kind"] for each in report["findings"]]) == (1, ["root_differs"])
    code, report = run(
        capsys, "verify", signed_sample.path, "--checkpoint", longer, "--venue", other_key(capsys, tmp_path)
    )
    assert (code, [each["kind"] for each in report["findings"]]) == (1, ["statement_not_signed"])


def other_key(capsys, tmp_path):
    return run(capsys, "key", "another.example/journal", tmp_path / "other.key")[1]["public_key"]


def test_a_stamp_needs_an_address_roots_and_a_file_to_lie_beside(sample, tmp_path, capsys, key, authority):
    begun = ["checkpoint", sample.path, "--key", key[0]]
    out = ["--out", tmp_path / "checkpoint"]
    for arguments in (
        [*begun, "--tsa", "http://127.0.0.1/", "--tsa-roots", authority.roots],
        [*begun, *out, "--tsa", "http://127.0.0.1/"],
        [*begun, *out, "--tsa", "file:///etc/passwd", "--tsa-roots", authority.roots],
        [*begun, *out, "--tsa", "http://127.0.0.1/", "--tsa-roots", sample.path],
    ):
        assert run(capsys, *arguments)[0] == 2
