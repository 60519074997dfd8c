"""A disk that fails to sync, or is full: the writer stops at once, a restart finds out, nothing is there twice."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from journal import JournalFailed, Refusal, SqliteStore, StoreFailed, Writer, encode_record

SETTINGS = {"checkpoint_s": 0.002, "idle_s": 0.01, "anchor_s": 0.01, "wal_bytes_max": 60_000}
QUIET = {"checkpoint_s": 600.0, "anchor_s": 600.0}


def resolved(folder: Path) -> list[list[str]]:
    lines = (folder / "acks").read_text(encoding="utf-8").splitlines()
    return [line.split()[1:] for line in lines if line.startswith("resolved")]


def of_directory(folder: Path) -> bool:
    """Whether it was a directory that was not synced: SQLite does not look at the answer, so the store syncs it too."""
    return (folder / "failed").read_text(encoding="utf-8") == str(folder)


@pytest.mark.parametrize("settings", [SETTINGS, QUIET], ids=["with checkpoints", "log only"])
@pytest.mark.parametrize("resolve", [True, False], ids=["resolving", "abrupt"])
@pytest.mark.counts(short=11, soak=80)
async def test_the_kth_sync_fails(
    count: int,
    resolve: bool,
    settings: dict[str, float],
    tmp_path: Path,
    work: SimpleNamespace,
    shimmed: Any,
    acked: Callable[..., Any],
    audit: Callable[..., Any],
) -> None:
    stopped = 0
    for k in range(1, 81, 80 // count):
        folder = tmp_path / str(k)
        folder.mkdir()
        env = {"SHIM_ROOT": folder, "SHIM_EIO_AT": k}
        code = shimmed.wait(shimmed.fork(folder, env, frames=60, settings=settings, resolve=resolve))
        if not of_directory(folder):
            assert code in (work.FAILED, work.REFUSED), k
        stopped += code == work.FAILED
        frames = await audit(folder, acked(folder))
        for number, head, answer in resolved(folder):
            held = {frame.frame_no: frame.head.hex() for frame in frames}.get(int(number))
            assert answer == ("not_written" if held is None else "written" if held == head else "other"), k
        assert shimmed.wait(shimmed.fork(folder, {}, frames=5, seed=k)) == 0
        assert len(await audit(folder, acked(folder))) == len(frames) + 5
    assert stopped > count // 3


@pytest.mark.counts(short=300, soak=3000)
async def test_one_sync_in_fifty_fails(
    count: int,
    tmp_path: Path,
    work: SimpleNamespace,
    shimmed: Any,
    acked: Callable[..., Any],
    audit: Callable[..., Any],
) -> None:
    failures, frames = 0, []
    while len(frames) < count:
        env = {"SHIM_ROOT": tmp_path, "SHIM_EIO_PERMILLE": 20, "SHIM_SEED": failures * 7919}
        wanted = count - len(frames)
        code = shimmed.wait(shimmed.fork(tmp_path, env, frames=wanted, seed=failures, settings=SETTINGS))
        assert code in (0, work.FAILED, work.REFUSED)
        failures += 1
        frames = await audit(tmp_path, acked(tmp_path))
    assert failures > count // 100


async def test_a_write_ahead_log_that_cannot_be_made_is_refused_though_sqlite_is_silent(
    tmp_path: Path, shimmed: Any, work: SimpleNamespace
) -> None:
    """If its first syncs fail, SQLite answers "delete" to the request for WAL, or raises: either way, no journal."""
    said = set()
    for k in range(1, 12):
        folder = tmp_path / str(k)
        folder.mkdir()
        if shimmed.wait(shimmed.fork(folder, {"SHIM_ROOT": folder, "SHIM_EIO_AT": k}, frames=1)) == work.REFUSED:
            said.add((folder / "acks").read_text(encoding="utf-8").split(":")[0].strip())
            assert not (folder / "j").exists() or k > 4
    assert said <= {"refused opening", f"refused {Refusal.JOURNAL_MODE_MUST_BE_WAL}"}
    assert said


@pytest.mark.counts(short=6, soak=20)
async def test_a_full_disk_stops_the_writer_and_room_lets_it_go_on(
    count: int,
    tmp_path: Path,
    work: SimpleNamespace,
    shimmed: Any,
    acked: Callable[..., Any],
    audit: Callable[..., Any],
) -> None:
    """The same as on the small file system below, on any machine: the shim refuses to lengthen files."""
    frames: list[Any] = []
    for turn in range(count):
        pid = shimmed.fork(tmp_path, {"SHIM_ROOT": tmp_path}, seed=turn, settings=SETTINGS)
        while len(acked(tmp_path)) < len(frames) + 10:
            os.sched_yield()
        (tmp_path / "full").touch()
        assert shimmed.wait(pid) == work.FAILED
        (tmp_path / "full").unlink()
        before, frames = len(frames), await audit(tmp_path, acked(tmp_path))
        assert len(frames) >= before + 10


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB of its own."""
    image, place = tmp_path / "image", tmp_path / "small"
    tools = [
        shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") for name in ("mkfs.ext4", "mount", "umount")
    ]
    if os.geteuid() != 0 or None in tools:
        pytest.skip("mounting a small file system needs root, mkfs.ext4 and mount; the shim stands in for it")
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(24 << 20)
    subprocess.run([str(tools[0]), "-q", "-m", "0", str(image)], check=True)
    if subprocess.run(
        [str(tools[1]), "-o", "loop", str(image), str(place)], capture_output=True, check=False
    ).returncode:
        pytest.skip("this machine does not mount loop devices; the shim stands in for one")
    yield place
    subprocess.run([str(tools[2]), str(place)], check=True)


@pytest.mark.counts(short=2, soak=20)
async def test_a_file_system_that_fills_up(
    count: int, small_disk: Path, work: SimpleNamespace, audit: Callable[..., Any]
) -> None:
    """A ballast file is what an operator removes to come up again, so each turn fills, fails, frees and goes on."""
    told: dict[int, str] = {}
    seq = 0
    ballast = small_disk / "ballast"
    for _ in range(count):
        fill(ballast)
        with pytest.raises(JournalFailed) as caught:
            seq = await write_until_failure(small_disk, work, seq, told)
        assert isinstance(caught.value.__cause__, StoreFailed)
        ballast.unlink()
        frames = await audit(small_disk, told)
        seq = frames[-1].last_seq if frames else 0
        async with (
            await SqliteStore.open(small_disk / "j", work.GENESIS) as store,
            Writer(store, work.SCHEMA) as writer,
        ):
            durable = await writer.append([encode_record(work.record_of(seq + 1))])
            told[durable.frame.frame_no] = durable.frame.head.hex()
            seq += 1
    assert len(await audit(small_disk, told)) >= len(told) > count


def fill(path: Path) -> None:
    """Take what the file system has left but for some hundred kilobytes."""
    free = os.statvfs(path.parent).f_bavail * os.statvfs(path.parent).f_frsize
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(free - (400 << 10), 4096))


async def write_until_failure(folder: Path, work: SimpleNamespace, seq: int, told: dict[int, str]) -> int:
    async with await SqliteStore.open(folder / "j", work.GENESIS) as store, Writer(store, work.SCHEMA) as writer:
        while True:
            durable = await writer.append([encode_record(work.record_of(seq + i)) for i in range(1, 101)])
            told[durable.frame.frame_no] = durable.frame.head.hex()
            seq += 100
