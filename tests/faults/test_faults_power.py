"""Power lost at any instant: images that a disk may legally hold are built from a log of writes and syncs, and opened.

Two models of what survives besides what was synced. *Ordered*: directory changes and lengths survive in the order made,
and a sync of anything makes the earlier ones durable, as with ext4's journal. *Weak*: any subset of directory changes
survives until the directory itself is synced. In both, unsynced writes survive wholly, not at all, up to some point,
or in any choice of 512-byte sectors.
"""

import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from journal import Chain, Damaged, SqliteStore, StoreError, encode_record

SECTOR = 512
ENTRY = struct.Struct("<BHIQ")
SETTINGS = {"checkpoint_s": 0.003, "idle_s": 0.02, "anchor_s": 0.01, "wal_bytes_max": 80_000}


class Op(NamedTuple):
    """One thing that reached the disk: w(rite), s(ync), d(irectory sync), t(runcate), c(reate), u(nlink), r(ename)."""

    kind: str
    name: str
    offset: int
    data: bytes


class File:
    """The content that is certain to survive, and what was done to it since."""

    def __init__(self) -> None:
        self.kept = bytearray()
        self.pending: list[Op] = []

    def sync(self) -> None:
        for op in self.pending:
            put(self.kept, op.offset, op.data if op.kind == "w" else None)
        self.pending = []

    def survivor(self, dice: random.Random) -> bytes:
        """What may be found after the loss."""
        content = bytearray(self.kept)
        fate = dice.choice(("none", "all", "prefix", "sectors"))
        ops = {"none": [], "prefix": self.pending[: dice.randint(0, len(self.pending))]}.get(fate, self.pending)
        for op in ops:
            if op.kind == "t" or fate != "sectors":
                put(content, op.offset, op.data if op.kind == "w" else None)
            else:
                for at in range(0, len(op.data), SECTOR):
                    if dice.random() < 0.5:
                        put(content, op.offset + at, op.data[at : at + SECTOR])
        if fate == "prefix" and len(ops) < len(self.pending) and self.pending[len(ops)].kind == "w":
            torn = self.pending[len(ops)]
            put(content, torn.offset, torn.data[: dice.randrange(0, len(torn.data) + 1, SECTOR)])
        return bytes(content)


class Disk:
    """Files by inode, names by directory entry, under one model of what is durable when."""

    def __init__(self, ordered: bool) -> None:
        self.ordered = ordered
        self.files: dict[str, File] = {}
        self.kept_names: dict[str, File] = {}
        self.pending: list[Op] = []
        self.inodes: list[File] = []

    def take(self, op: Op) -> None:
        """Apply one operation as the running system sees it."""
        if op.kind == "c":
            self.files[op.name] = File()
            self.pending.append(op)
            self.inodes.append(self.files[op.name])
        elif op.kind == "u":
            del self.files[op.name]
            self.pending.append(op)
        elif op.kind == "r":
            self.files[op.data.decode()] = self.files.pop(op.name)
            self.pending.append(op)
        elif op.kind == "s":
            self.files[op.name].sync()
            self.settle_names(self.ordered)
        elif op.kind == "d":
            self.settle_names(True)
        else:
            self.files[op.name].pending.append(op)

    def settle_names(self, durable: bool) -> None:
        if durable:
            self.kept_names, self.pending, self.inodes = dict(self.files), [], []

    def image(self, dice: random.Random) -> dict[str, bytes]:
        """Names and contents that may be found after the loss."""
        if self.ordered:
            survivors = self.pending[: dice.randint(0, len(self.pending))]
        else:
            survivors = [op for op in self.pending if dice.random() < 0.5]
        names, inodes = dict(self.kept_names), iter(self.inodes)
        created = {id(op): next(inodes) for op in self.pending if op.kind == "c"}
        for op in survivors:
            if op.kind == "c":
                names[op.name] = created[id(op)]
            elif op.name in names:
                file = names.pop(op.name)
                if op.kind == "r":
                    names[op.data.decode()] = file
        return {name: file.survivor(dice) for name, file in names.items()}


def put(content: bytearray, offset: int, data: bytes | None) -> None:
    """Write into content as a file would take it; None truncates."""
    content.extend(bytes(max(0, offset - len(content))))
    if data is None:
        del content[offset:]
    else:
        content[offset : offset + len(data)] = data


def read_trace(path: Path, root: Path) -> list[Op]:
    data, at, ops = path.read_bytes(), 0, []
    while at < len(data):
        kind, n, m, offset = ENTRY.unpack_from(data, at)
        at += ENTRY.size
        name = data[at : at + n].decode()
        payload = data[at + n : at + n + (m if chr(kind) in "wr" else 0)]
        at += n + len(payload)
        if chr(kind) == "r":
            payload = Path(payload.decode()).name.encode()
        ops.append(Op(chr(kind), "." if name == str(root) else Path(name).name, offset, payload))
    return ops


def images(ops: list[Op], count: int, ordered: bool, seed: int) -> Iterator[tuple[dict[str, bytes], dict[int, str]]]:
    """`count` disks as found after losing power, spread over the whole trace, and what had been told by then."""
    dice = random.Random(seed)
    disk, told = Disk(ordered), {}
    instants = sorted(dice.randrange(len(ops)) for _ in range(count))
    at = 0
    for index, op in enumerate(ops):
        if op.name == "acks":
            if op.kind == "w":
                _, number, head, _ = op.data.split()
                told[int(number)] = head.decode()
        else:
            disk.take(op)
        while at < count and instants[at] == index:
            yield disk.image(dice), dict(told)
            at += 1


@pytest.fixture
def trace(shimmed: Any, tmp_path: Path) -> Callable[..., list[Op]]:
    """Runs a writer on a new journal, from creation to a clean close, and returns all it did to the disk."""

    def record(**arguments: Any) -> list[Op]:
        folder = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        log = tmp_path / f"{folder.name}.trace"
        env = {"SHIM_ROOT": folder, "SHIM_TRACE": log}
        assert shimmed.wait(shimmed.fork(folder, env, settings=SETTINGS, **arguments)) == 0
        return read_trace(log, folder)

    return record


@pytest.fixture
def survives(
    quick_path: Path, work: SimpleNamespace, audit: Callable[..., Any]
) -> Callable[[dict[str, bytes], dict[int, str]], Any]:
    """Whether an image opens, holds all that was told, and takes another frame."""

    async def check(image: dict[str, bytes], told: dict[int, str]) -> str | None:
        for leftover in quick_path.iterdir():
            leftover.unlink()
        for name, content in image.items():
            (quick_path / name).write_bytes(content)
        try:
            await audit(quick_path, told)
            async with await SqliteStore.open(quick_path / "j", work.GENESIS) as store:
                head = await store.head()
                record = encode_record(work.record_of(head.last_seq + 1))
                await store.append(Chain(head, head.epoch + 1, work.SCHEMA).frame([record], 0), head.hash)
            await audit(quick_path, told)
        except (StoreError, Damaged, AssertionError) as failure:
            return repr(failure)
        return None

    return check


@pytest.mark.parametrize("ordered", [True, False], ids=["ordered", "weak"])
@pytest.mark.counts(short=120, soak=10_000)
async def test_no_power_loss_loses_what_was_acknowledged(
    count: int, ordered: bool, trace: Callable[..., list[Op]], survives: Callable[..., Any]
) -> None:
    ops = trace(frames=150, seed=count)
    assert {op.kind for op in ops} == set("wsdtcur")
    lost = [failure for image, told in images(ops, count, ordered, seed=1) if (failure := await survives(image, told))]
    assert lost == []


@pytest.mark.parametrize("ordered", [True, False], ids=["ordered", "weak"])
@pytest.mark.counts(short=60, soak=1250)
async def test_a_writer_that_does_not_sync_each_frame_does_lose_some(
    count: int, ordered: bool, trace: Callable[..., list[Op]], survives: Callable[..., Any]
) -> None:
    """The negative control: with synchronous=NORMAL more than a tenth of the images must lose something."""
    ops = trace(frames=150, seed=count, synchronous="NORMAL")
    lost = [failure for image, told in images(ops, count, ordered, seed=1) if (failure := await survives(image, told))]
    assert len(lost) > count * 0.1, len(lost)
