"""Fetching and running anvil: what cannot be trusted or started is one typed error with its reason."""

import base64
import hashlib
import io
import os
import tarfile

import pytest

from exchange.shell import anvil
from exchange.shell.anvil import Anvil, AnvilUnavailable


def tarball(script):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("package/bin/anvil")
        member.size = len(script)
        archive.addfile(member, io.BytesIO(script))
    return buffer.getvalue()


def integrity(body):
    return "sha512-" + base64.b64encode(hashlib.sha512(body).digest()).decode()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and a registry that serves what the test puts into the returned dictionary."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    served = {}

    def download(url):
        if url not in served:
            raise AnvilUnavailable(f"cannot download {url}: no such test file")
        return served[url]

    monkeypatch.setattr(anvil, "_download", download)
    monkeypatch.setattr(anvil, "_platform", lambda: "linux-test")
    return served


def serve(cache, body, published=None):
    base = "https://registry.npmjs.org/@foundry-rs/anvil-linux-test"
    cache[f"{base}/-/anvil-linux-test-{anvil.VERSION}.tgz"] = body
    cache[f"{base}/{anvil.VERSION}"] = f'{{"dist":{{"integrity":"{published or integrity(body)}"}}}}'.encode()


def test_a_verified_download_is_cached_and_not_fetched_twice(cache):
    serve(cache, tarball(b"#!/bin/sh\necho anvil\n"))
    path = anvil.fetch()
    assert os.access(path, os.X_OK)
    assert anvil.find() == path
    cache.clear()
    assert anvil.fetch() == path


def test_an_altered_download_is_refused_and_not_kept(cache):
    serve(cache, tarball(b"#!/bin/sh\n"), published=integrity(b"something else"))
    with pytest.raises(AnvilUnavailable, match="expected sha512-"):
        anvil.fetch()
    assert not anvil.cached_path().exists()


@pytest.mark.usefixtures("cache")
def test_no_network_and_no_cache_are_plain_reasons():
    with pytest.raises(AnvilUnavailable, match="not in the cache"):
        anvil.find()
    with pytest.raises(AnvilUnavailable, match="cannot download"):
        anvil.fetch()


def test_an_executable_that_will_not_start_says_why(cache):
    serve(cache, tarball(b"#!/bin/sh\necho 'GLIBC_2.35 not found' >&2\nexit 1\n"))
    with pytest.raises(AnvilUnavailable, match="GLIBC"):
        anvil.fetch()


def test_a_foreign_machine_is_a_reason(monkeypatch):
    monkeypatch.setattr(anvil.platform, "machine", lambda: "riscv64")
    with pytest.raises(AnvilUnavailable, match="riscv64"):
        anvil.cached_path()


async def test_a_process_that_dies_at_once_is_a_reason(cache):
    serve(cache, tarball(b'#!/bin/sh\n[ "$1" = --version ] && exit 0\necho address in use\nexit 1\n'))
    anvil.fetch()
    with pytest.raises(AnvilUnavailable, match="address in use"):
        await Anvil.start()


async def test_it_runs_and_leaves_nothing_behind():
    try:
        node = await Anvil.start()
    except AnvilUnavailable as error:
        pytest.skip(f"anvil: {error.reason}")
    scratch = node._scratch
    async with node:
        assert node.url.startswith("http://127.0.0.1:")
        assert scratch.exists()
    assert node._process.returncode is not None
    assert not scratch.exists()
    again = await Anvil.start()
    await again.kill()
    assert again._process.returncode == -9
