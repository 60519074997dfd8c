"""The golden journal replays byte for byte, on every CPython the project supports and under any hash seed.

`python -m tests.golden.build` at the root of the repository builds it anew when schema or rules change on purpose.
Interpreters are looked for in VERBATIM_PYTHONS (paths, separated as PATH is), in ~/.pyenv/versions and on PATH.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from exchange import codec
from exchange.core import commands as c
from exchange.core import events as e
from journal import Frame, scan
from replay.verify import verify

ROOT = Path(__file__).parents[2]
VERSIONS = ("3.11", "3.12", "3.13")
HASH_SEEDS = ("0", "1", "4242")
# What an auditor's bare interpreter needs. msgspec does the work; aiosqlite is imported by the journal package itself.
NEEDS = ("msgspec", "aiosqlite")
REBUILD = "the golden journal is not what today's code writes; if that is meant: python -m tests.golden.build"


@pytest.fixture
def path(golden, tmp_path) -> Path:
    """A copy to read, so that SQLite leaves nothing beside the original."""
    for name in (golden.GOLDEN.name, golden.GOLDEN.name + ".anchor"):
        shutil.copyfile(golden.GOLDEN.with_name(name), tmp_path / name)
    return tmp_path / golden.GOLDEN.name


def frames_of(path: Path) -> list[Frame]:
    items = list(scan(path))
    assert all(isinstance(item, Frame) for item in items)
    return items


def test_it_is_sound_signatures_included(path):
    report = verify(path, signatures=True)
    assert report.ok, report.findings
    assert report.findings == []
    assert report.anchored
    assert report.digests_checked >= 7
    assert report.orders_checked > 1_500
    assert report.rounds_checked == 61
    assert len(report.oracle_signers) == 4


def test_todays_code_writes_it_byte_for_byte(golden, path):
    kept = [record for frame in frames_of(path) for record in frame.records()]
    assert golden.golden_records() == kept, REBUILD


async def test_todays_journal_gives_it_the_same_heads(golden, path, tmp_path):
    anew = tmp_path / "anew.journal"
    await golden.write(anew, [record for frame in frames_of(path) for record in frame.records()])
    assert [frame.head for frame in frames_of(anew)] == [frame.head for frame in frames_of(path)], REBUILD
    assert anew.with_name("anew.journal.anchor").read_bytes() == path.with_name(path.name + ".anchor").read_bytes()


def test_it_tells_of_everything_that_can_happen(path):
    records = [record for frame in frames_of(path) for record in frame.records()]
    commands = {type(codec.decode_command(record.command)) for record in records}
    events = {type(event) for record in records for event in codec.decode_events(record.events)}
    assert commands == set(get_args(c.AnyCommand))
    # The first no sound chain causes; the second takes a thousand fills of combos in one record.
    assert events == set(get_args(e.AnyEvent)) - {e.ChainDisagreed, e.Deferred}


# -- other interpreters -----------------------------------------------------------------------------------------------


def candidates(version: str) -> Iterator[str]:
    """Where an interpreter of a version may be."""
    yield from filter(None, os.environ.get("VERBATIM_PYTHONS", "").split(os.pathsep))
    if version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        yield sys.executable
    yield from map(str, sorted(Path.home().glob(f".pyenv/versions/{version}*/bin/python")))
    found = shutil.which(f"python{version}")
    if found:
        yield found


def interpreter(version: str) -> str:
    """A CPython of a version that starts; skips the test when there is none."""
    ask = "import platform; print(platform.python_implementation(), *platform.python_version_tuple()[:2])"
    for path in candidates(version):
        try:
            done = subprocess.run([path, "-c", ask], capture_output=True, text=True, timeout=30, check=False)
        except OSError:
            continue
        if done.stdout.split() == ["CPython", *version.split(".")]:
            return path
    pytest.skip(f"no CPython {version} in VERBATIM_PYTHONS, ~/.pyenv/versions or on PATH")


def bare_environment(version: str) -> Path:
    """The interpreter of an environment with nothing but what an audit needs, kept under .cache between runs."""
    place = ROOT / ".cache" / f"audit-{version}"
    python = place / "bin" / "python"
    if not (place / "ready").exists():
        subprocess.run([interpreter(version), "-m", "venv", "--clear", "--without-pip", str(place)], check=True)
        install = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", *NEEDS]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"{' and '.join(NEEDS)} cannot be had for CPython {version}: {done.stderr.strip()[-200:]}")
        (place / "ready").touch()
    return python


@pytest.mark.parametrize("version", VERSIONS)
def test_a_bare_interpreter_of_each_version_replays_it_under_any_hash_seed(version, path):
    python = bare_environment(version)
    expected = verify(path).final_digest
    for seed in HASH_SEEDS:
        environment = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [str(python), "-W", "error", "-m", "replay", "verify", str(path), "--json"]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), (done.stdout, done.stderr)
        told = json.loads(done.stdout)
        assert told["ok"] is True
        assert told["final_digest"] == expected
