"""A sequencer on a store in memory whose disk a test can hold back or break, with a clock that it turns."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from exchange import codec
from exchange.core import commands as c
from exchange.core.state import State
from exchange.shell.boot import GENESIS
from exchange.shell.clock import ManualClock
from exchange.shell.sequencer import Sequencer
from exchange.signing import domain_separator
from journal import Limits, MemoryStore, Record, StoreFailed, Writer

KEY = b"\x01" * 32
DOMAIN = domain_separator(31337, b"C" * 20)
AUTH = c.Authorisation(1, 1 << 16, True, 100, 10**6, 0, 0, False, False, 0, 0, 2**32 - 1, bytes(20), bytes(65))
PLACE, CANCEL, TICK = c.Place(AUTH), c.Cancel(1, 1), c.Tick()
TURNS = 50  # of the loop: more than anything here needs that is not waiting for the disk


class Disk(MemoryStore):
    """A store that writes only while `open`, and fails instead once `broken`."""

    def __init__(self) -> None:
        super().__init__(GENESIS, schemas=[codec.SCHEMA_FP])
        self.open = asyncio.Event()
        self.open.set()
        self.broken = False

    async def append(self, frame: Any, prev_head: bytes) -> None:
        await self.open.wait()
        if self.broken:
            raise StoreFailed("the disk is gone")
        await super().append(frame, prev_head)


class Bench:
    """A sequencer with its disk, and what it has published."""

    def __init__(self, disk: Disk, writer: Writer) -> None:
        self.disk = disk
        self.clock = ManualClock(1_800_000_000)
        self.published: list[int] = []
        self.state = State()
        self.sequencer = Sequencer(
            self.state,
            writer,
            self.clock,
            KEY,
            DOMAIN,
            tap=lambda _state, outcome: [outcome.seq],
            publish=self.published.extend,
        )
        self.running = asyncio.create_task(self.sequencer.run())

    def ask(self, command: c.AnyCommand) -> "asyncio.Task[Any]":
        return asyncio.create_task(self.sequencer.submit(command, lambda state, outcome: (state.seq, outcome.seq)))

    def records(self) -> list[Record]:
        """What is on the disk."""
        return [record for frame in self.disk.frames_held for record in frame.records()]

    def commands(self) -> list[c.AnyCommand]:
        """What is on the disk, decoded."""
        return [codec.decode_command(record.command) for record in self.records()]


@contextlib.asynccontextmanager
async def opened(limits: Limits | None = None) -> AsyncIterator[Bench]:
    async with Disk() as disk, Writer(disk, codec.SCHEMA_FP, limits=limits or Limits()) as writer:
        bench = Bench(disk, writer)
        yield bench
        bench.disk.open.set()
        bench.sequencer.stop()
        await asyncio.wait([bench.running], timeout=5)
        assert bench.running.done()
        bench.running.exception()  # looked at, for those tests that break the disk


async def turns() -> None:
    """Let everything run that can."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
