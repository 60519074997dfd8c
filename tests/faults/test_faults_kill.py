"""Writers killed at any moment, inside a write included: nothing acknowledged is lost, nothing is there twice."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

SETTINGS = {"checkpoint_s": 0.004, "idle_s": 0.01, "anchor_s": 0.01, "wal_bytes_max": 60_000}
PER_JOURNAL = 25


@pytest.mark.counts(short=120, soak=5000)
async def test_a_writer_killed_at_any_time_loses_nothing_acknowledged(
    count: int, tmp_path: Path, zygote: Any, acked: Callable[..., Any], audit: Callable[..., Any]
) -> None:
    dice = random.Random(count)
    acknowledged = untold = 0
    for turn in range(count):
        folder = tmp_path / str(turn // PER_JOURNAL)
        folder.mkdir(exist_ok=True)
        pid = zygote.fork(folder, seed=turn, settings=SETTINGS)
        await asyncio.sleep(dice.uniform(0, 0.04))
        zygote.kill(pid)
        acks = acked(folder)
        frames = await audit(folder, acks)
        acknowledged += len(acks)
        untold += bool(frames) and frames[-1].frame_no not in acks
    assert acknowledged > count
    assert untold > count // 20, "kills leave durable frames that were told to nobody; the audit must meet some"


@pytest.mark.counts(short=40, soak=1500)
async def test_a_writer_killed_inside_a_write_loses_nothing_acknowledged(
    count: int, tmp_path: Path, shimmed: Any, acked: Callable[..., Any], audit: Callable[..., Any]
) -> None:
    dice = random.Random(count)
    died = 0
    for turn in range(count):
        folder = tmp_path / str(turn // PER_JOURNAL)
        folder.mkdir(exist_ok=True)
        env = {"SHIM_ROOT": folder, "SHIM_KILL_AT": dice.randint(1, 150), "SHIM_KILL_PART": dice.randint(0, 255)}
        died += shimmed.wait(shimmed.fork(folder, env, seed=turn, frames=40, settings=SETTINGS)) < 0
        await audit(folder, acked(folder))
    assert died > count // 2


async def test_a_client_told_before_the_commit_would_have_been_told_too_much(
    tmp_path: Path, zygote: Any, acked: Callable[..., Any], audit: Callable[..., Any]
) -> None:
    """The negative control: the audit does notice an acknowledgement that the journal does not hold."""
    pid = zygote.fork(tmp_path, frames=5)
    assert zygote.wait(pid) == 0
    acks = acked(tmp_path)
    assert len(await audit(tmp_path, acks)) == 5
    with pytest.raises(AssertionError):
        await audit(tmp_path, acks | {6: "00" * 32})


async def test_the_audit_notices_work_journaled_twice(
    tmp_path: Path, work: SimpleNamespace, zygote: Any, audit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control of "no double append": the same work at two sequence numbers is not what belongs there."""
    assert zygote.wait(zygote.fork(tmp_path, frames=3)) == 0
    honest = work.record_of
    monkeypatch.setattr(work, "record_of", lambda seq: honest(max(1, seq - 1)))
    with pytest.raises(AssertionError):
        await audit(tmp_path, {})
