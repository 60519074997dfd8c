"""A market is a function of its seed: the same bytes on any machine, at any pace, whoever stalls or floods beside it."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from e2e_serve import ROOT, run_module
from numpy._core._multiarray_umath import __cpu_dispatch__
from simulated_run import Run, run

from exchange.__main__ import main
from exchange.core import commands as c
from exchange.shell.client import Client

SECONDS = 90
# What numpy and the C library choose by the processor's features, taken away.
WITHOUT = {
    "NPY_DISABLE_CPU_FEATURES": " ".join(__cpu_dispatch__),
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX,-FMA,-FMA4,-ERMS,-BMI2,-SSE4_2",
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(tmp_path_factory.mktemp("plain"), SECONDS)


def test_the_same_seed_gives_the_same_journal_byte_for_byte(plain, tmp_path):
    again = run(tmp_path, SECONDS)
    assert again.frames == plain.frames
    assert again.summary.digest == plain.summary.digest
    assert run(tmp_path, SECONDS, seed=2).frames != plain.frames


def test_one_who_reads_nothing_and_one_who_floods_change_not_a_byte(plain, tmp_path):
    """The others' orders, fills and receipts are the journal: it is the same with them as without."""
    beside = run(tmp_path, SECONDS, "slow-client@5s+80s", "flood@10s+3s")
    assert beside.summary.troubles["slow-client@5s+80s"] == "closed: slow consumer"
    assert beside.frames == plain.frames


def test_the_flow_is_what_was_recorded(plain):
    quotes, orders = plain.of(c.MassQuote), plain.of(c.Place)
    assert {len(entry.command.leaves) for entry in quotes} <= set(range(36, 73))
    assert {entry.command.auth.account for entry in orders} <= set(range(12, 16))
    assert plain.summary.trades > 0
    assert plain.summary.cancels > plain.summary.trades


def digest_of(folder: Path, seconds: int, extra: dict[str, str]) -> str:
    """The digest that a process of its own comes to."""
    arguments = [
        "simulate",
        "--speed",
        "max",
        "--for",
        f"{seconds}s",
        "--journal",
        str(folder / f"{len(extra)}.journal"),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "exchange", *arguments],
        cwd=ROOT,
        env=os.environ | extra,
        capture_output=True,
        check=True,
        text=True,
    )
    return str(json.loads(done.stdout.splitlines()[-1])["digest"])


def chosen(extra: dict[str, str]) -> list[str]:
    """Of what numpy has been built to choose from, what it would use of this processor."""
    asked = "import json, numpy._core._multiarray_umath as m; print(json.dumps(m.__cpu_features__))"
    done = subprocess.run([sys.executable, "-c", asked], env=os.environ | extra, capture_output=True, check=True)
    found = json.loads(done.stdout)
    return [name for name in __cpu_dispatch__ if found[name]]


@pytest.mark.counts(short=15, soak=3_600)
def test_digests_are_the_same_without_the_processors_features(count, tmp_path):
    assert chosen(WITHOUT) == []
    if not chosen({}):
        pytest.skip("this processor has nothing that numpy would choose")
    assert digest_of(tmp_path, count, {}) == digest_of(tmp_path, count, WITHOUT)


async def test_a_stranger_joins_a_paced_market_and_stops_it(tmp_path):
    journal = tmp_path / "joined.journal"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exchange", "simulate", "--speed", "20", "--journal", str(journal)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    ready = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
    async with await Client.connect(ready["url"]) as client:
        await client.login(bytes.fromhex(ready["accounts"][0]["key"][2:]))
        names = list(await client.instruments())
        heard = await client.subscribe([f"book.{name}.raw" for name in names])
        asks = [message.data["asks"] async for message in _until_changed(heard)]
        assert any(asks)
        name, ask = await _best_ask(client, names)
        bought = await client.buy(name, "0.1", ask * 2, time_in_force="immediate_or_cancel")
        assert bought.trades
    process.terminate()
    told, _ = await asyncio.wait_for(process.communicate(), 60)
    summary = json.loads(told)
    assert process.returncode == 0
    assert 0 < summary["seconds"] < 3_600
    assert summary["settled_trades"] == summary["trades"] >= 1
    code, out, err = await run_module("replay", "verify", str(journal), "--json")
    assert (code, json.loads(out)["ok"]) == (0, True), err


async def _until_changed(heard):
    """Messages, up to the first that is a change."""
    async with asyncio.timeout(60):
        async for message in heard:
            yield message
            if message.data["type"] == "change":
                return


async def _best_ask(client, names):
    """An option that is offered."""
    for name in names:
        book = await client.call("public/get_order_book", {"instrument_name": name, "depth": 1})
        if book["asks"] and book["asks"][0][0] >= 100:
            return name, book["asks"][0][0]
    raise AssertionError("nothing is offered")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--fault", "earthquake@2s"], 2, "there is no fault 'earthquake'; there are chain-down, reorg"),
        (["--for", "1m", "--fault", "crash@61s"], 2, "crash@61s is not within a run of 60 s"),
        (["--speed", "fast"], 2, "neither max nor a whole number from 1 to 1000"),
        (["--for", "90"], 2, "not a whole number of s, m or h"),
        (["--start", "yesterday"], 2, "neither now nor a time"),
        (["--journal", str(ROOT / "README.md")], 2, "README.md exists"),
    ],
)
def test_what_cannot_be_simulated_is_said_in_a_line(arguments, code, said, capsys):
    try:
        ended = main(["simulate", *arguments])
    except SystemExit as left:
        ended = left.code
    out, err = capsys.readouterr()
    assert (ended, out) == (code, "")
    assert said in err.replace("\n", " ")
