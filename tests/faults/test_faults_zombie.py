"""A writer that was stopped, replaced, and wakes up: its first write is refused and the journal stays one chain."""

import asyncio
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from journal import Chain, Damaged, Refusal, SqliteSettings, SqliteStore, StartupRefused, StoreFailed, encode_record

TAKEOVER = SqliteSettings(busy_s=0.05, checkpoint_s=600)
QUIET = {"checkpoint_s": 600.0, "anchor_s": 600.0}


async def stop_after(pid: int, seconds: float) -> None:
    await asyncio.sleep(seconds)
    os.kill(pid, signal.SIGSTOP)


async def take_over(folder: Path, work: SimpleNamespace) -> dict[int, str]:
    """Open beside the stopped writer, append three frames, close; what was made durable."""
    told = {}
    async with await SqliteStore.open(folder / "j", work.GENESIS, ignore_lock=True, settings=TAKEOVER) as store:
        head = await store.head()
        chain = Chain(head, head.epoch + 1, work.SCHEMA)
        for n in (3, 1, 2):
            first, prev_head = chain.head.last_seq + 1, chain.head.hash
            frame = chain.frame([encode_record(work.record_of(first + i)) for i in range(n)], 0)
            await store.append(frame, prev_head)
            told[frame.frame_no] = frame.head.hex()
    return told


async def told_more_than(number: int, folder: Path, acked: Callable[..., Any]) -> None:
    while len(acked(folder)) <= number:  # noqa: ASYNC110 - what is awaited happens in another process
        await asyncio.sleep(0.001)


@pytest.mark.counts(short=12, soak=100)
async def test_a_zombie_is_fenced_at_its_first_write(
    count: int,
    tmp_path: Path,
    work: SimpleNamespace,
    zygote: Any,
    acked: Callable[..., Any],
    audit: Callable[..., Any],
) -> None:
    dice = random.Random(count)
    fenced = blocked = 0
    for turn in range(count):
        folder = tmp_path / str(turn)
        folder.mkdir()
        zombie = zygote.fork(folder, seed=turn, settings=QUIET, ignore_lock=True)
        await told_more_than(0, folder, acked)
        await stop_after(zombie, dice.uniform(0, 0.01))
        try:
            told = await take_over(folder, work)
        except StartupRefused as refused:
            blocked += refused.reason is Refusal.WRITER_MUST_BE_ALONE
            zygote.kill(zombie)
            told = await take_over(folder, work)
        else:
            os.kill(zombie, signal.SIGCONT)
            assert zygote.wait(zombie) == work.FENCED
            fenced += 1
        assert not set(told) & set(acked(folder))
        await audit(folder, acked(folder) | told)
    assert fenced + blocked == count
    assert fenced >= count // 4


async def test_without_the_fence_the_zombie_forks_the_journal_and_the_chain_shows_it(
    tmp_path: Path, work: SimpleNamespace, zygote: Any, acked: Callable[..., Any], audit: Callable[..., Any]
) -> None:
    """The negative control: the same takeover from a writer that takes the next free number instead."""
    for turn in range(200):  # on a busy disk most instants lie inside a write
        folder = tmp_path / str(turn)
        folder.mkdir()
        zombie = zygote.fork(folder, seed=turn, settings=QUIET, ignore_lock=True, fenced=False)
        await told_more_than(0, folder, acked)
        await stop_after(zombie, 0.003)
        try:
            told = await take_over(folder, work)
        except (StartupRefused, StoreFailed):  # it was stopped inside a write, whose lock it holds
            zygote.kill(zombie)
            continue
        before = len(acked(folder))
        os.kill(zombie, signal.SIGCONT)
        await told_more_than(before + 2, folder, acked)
        zygote.kill(zombie)
        with pytest.raises((Damaged, StartupRefused)):
            await audit(folder, told)
        return
    pytest.fail("the zombie was always stopped inside a write")
