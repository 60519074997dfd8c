"""`verbatim serve` as a process: what it refuses, how it ends, and that it never writes to a journal it cannot vouch for."""

import asyncio
import hashlib
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from e2e_serve import ROOT, Serving, audit, run_module

from exchange.shell.client import Client
from journal import Frame, scan


async def test_a_venue_with_money_on_it_does_not_exist_yet(tmp_path: Path) -> None:
    code, out, err = await run_module("exchange", "serve", "--journal", str(tmp_path / "venue.journal"))
    assert (code, out) == (2, "")
    assert "--dev" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("module", ["exchange", "replay"])
async def test_running_without_assertions_is_refused(module: str) -> None:
    code, out, err = await run_without_assertions(module)
    assert (code, out) == (2, "")
    assert "python -O" in err


async def run_without_assertions(module: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-O", "-m", module, "--help"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_one_journal_has_one_venue_and_sigterm_closes_it_cleanly(tmp_path: Path) -> None:
    journal = tmp_path / "venue.journal"
    first = await Serving.start(journal)
    second = await Serving.spawn(journal)
    assert await second.ended() == 1
    assert "writer_must_be_alone" in first.log()
    assert f"process {first.process.pid}" in first.log()
    async with await Client.connect(first.ready["url"]) as client:
        await client.login(bytes.fromhex(first.ready["keys"][0]["key"][2:]))
        placed = await client.buy(min(await client.instruments()), "0.01", 10)
    assert await first.stop() == 0
    verdict = await audit("verify", str(journal), "--signatures")
    assert (verdict["ok"], verdict["findings"], verdict["orders_checked"]) == (True, [], 1)
    assert verdict["records"] >= placed.receipt.receipt.seq
    assert not Path(f"{journal}-wal").exists() or Path(f"{journal}-wal").stat().st_size == 0


async def test_a_journal_with_an_altered_record_is_refused_by_its_seq_and_left_as_it_is(tmp_path: Path) -> None:
    journal = tmp_path / "venue.journal"
    serving = await Serving.start(journal)
    await serving.kill()  # which leaves no snapshot that a start could take up from behind the damage
    seq = alter_middle(journal)
    before = fingerprint(journal)
    refused = await Serving.spawn(journal)
    with pytest.raises(AssertionError, match="did not come up"):
        await refused.wait_ready()
    assert await refused.ended() == 1
    assert "Damaged" in refused.log()
    assert f"seq {seq}" in refused.log()
    assert fingerprint(journal) == before
    verdict = await audit("verify", str(journal))
    assert not verdict["ok"]
    assert verdict["findings"][0]["seq"] == seq


@pytest.mark.parametrize(
    ("lost", "sentence"),
    [(".chain", "there is no contract"), (".deployment.json", "venue.journal.deployment.json is missing")],
)
async def test_a_journal_without_its_contracts_is_not_continued_on_others(tmp_path: Path, lost: str, sentence: str):
    """Deposits of one deployment are not looked for in another: action numbers would seem to be known already."""
    journal = tmp_path / "venue.journal"
    serving = await Serving.start(journal)
    await serving.kill()
    before = fingerprint(journal)
    for path in tmp_path.glob(f"venue.journal{lost}*"):
        path.unlink()
    refused = await Serving.spawn(journal)
    assert await refused.ended() == 1
    assert "SetupRefused" in refused.log()
    assert sentence in refused.log()
    assert fingerprint(journal) == before


def alter_middle(journal: Path) -> int:
    """Flip one bit of an event in the middle of the journal; the seq of its record, the last of its frame."""
    frames = [frame for frame in scan(journal) if isinstance(frame, Frame)]
    frame = frames[len(frames) // 2]
    body = bytearray(frame.body)
    body[-1] ^= 1
    with closing(sqlite3.connect(journal, isolation_level=None)) as connection:
        connection.execute("UPDATE frame SET body = ? WHERE frame_no = ?", (bytes(body), frame.frame_no))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return frame.last_seq


def fingerprint(journal: Path) -> str:
    """Of every frame as it lies in the file."""
    with closing(sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT * FROM frame ORDER BY frame_no").fetchall()
    return hashlib.sha256(repr(rows).encode()).hexdigest()


async def test_a_taker_delay_is_chosen_once_and_told(tmp_path: Path) -> None:
    journal = tmp_path / "venue.journal"
    first = await Serving.start(journal, "--taker-delay", "3")
    async with await Client.connect(first.ready["url"]) as client:
        assert (await client.call("public/status"))["x_taker_delay_ns"] == 3_000_000
    assert await first.stop() == 0
    other = await Serving.spawn(journal, "--taker-delay", "4")
    assert await other.ended() == 1
    assert "taker delay of 3 ms" in other.log()
    again = await Serving.start(journal)
    async with await Client.connect(again.ready["url"]) as client:
        assert (await client.call("public/status"))["x_taker_delay_ns"] == 3_000_000
    assert await again.stop() == 0


@pytest.mark.parametrize("delay", ["1001", "-1", "0.5", "x"])
async def test_a_delay_no_venue_can_have_is_refused_at_once(tmp_path: Path, delay: str) -> None:
    journal = str(tmp_path / "venue.journal")
    code, _, err = await run_module("exchange", "serve", "--dev", "--journal", journal, f"--taker-delay={delay}")
    assert (code, list(tmp_path.iterdir())) == (2, [])
    assert "milliseconds" in err
