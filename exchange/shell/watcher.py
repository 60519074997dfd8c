"""Reads a chain for the venue: acts on finalised blocks only, shows the newest, and notices reorganisations
itself.

Owns two cursors: the finalised position, which only moves forward and whose logs are delivered exactly once
and in order, and the recent branch, compared hash by hash. Never relies on `removed` logs or on filters
kept by the node, so a node that restarts, lags or answers from another branch costs a retry and nothing
else. May import chain and structlog.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

import structlog

from exchange.shell.chain import (
    Address,
    Block,
    BlockNotFound,
    Chain,
    ChainError,
    ChainUnavailable,
    Hash,
    Log,
)

_BRANCH_MAX = 256  # recent blocks remembered, on either side of finality
_BACKFILL = 64  # of them read at the start, so that the first reorganisation is measured too
_RANGE_MAX = 500  # blocks of one log query while catching up
_TORN_READS_MAX = 5
_BACKOFF_MAX_S = 30.0

_log = structlog.get_logger(__name__)


class FinalityBroken(ChainError):
    """A block the node called final is no longer part of its chain. No rule covers this: stop and call a human."""

    def __init__(self, number: int, expected: Hash, found: Hash) -> None:
        """Name the height and both hashes."""
        super().__init__(f"final block {number} was 0x{expected.hex()}, is 0x{found.hex()}")
        self.number, self.expected, self.found = number, expected, found


class _TornRead(Exception):
    """Two answers came from different branches; ask again."""


@dataclass(frozen=True, slots=True)
class Position:
    """A finalised block whose logs have been delivered; enough to resume from."""

    number: int
    hash: Hash


@dataclass(frozen=True, slots=True)
class FinalisedLogs:
    """The watched logs of one finalised block, in order; delivered for every block, also when there are none."""

    block: Block
    logs: tuple[Log, ...]

    @property
    def position(self) -> Position:
        """What to keep once these logs are durable elsewhere."""
        return Position(self.block.number, self.block.hash)


@dataclass(frozen=True, slots=True)
class NewHead:
    """The newest block changed. For display; it may yet go."""

    block: Block


@dataclass(frozen=True, slots=True)
class Reorged:
    """The last `depth` blocks of what we had seen are gone, or more if it goes beyond what is remembered."""

    depth: int
    old_head: Block
    new_head: Block


WatchEvent = FinalisedLogs | NewHead | Reorged


class Watcher:
    """Follows a chain from `start`: a Position already handled, or the number of the first block wanted."""

    def __init__(
        self,
        chain: Chain,
        addresses: Sequence[Address],
        start: Position | int,
        *,
        poll_s: float = 1.0,
    ) -> None:
        """`addresses` are the emitters wanted; none means all."""
        self._chain, self._addresses, self._poll_s = chain, tuple(addresses), poll_s
        self._position = start if isinstance(start, Position) else None
        self._first = start.number + 1 if isinstance(start, Position) else start
        self._final: dict[int, Hash] = {start.number: start.hash} if isinstance(start, Position) else {}
        self._branch: dict[int, Block] = {}
        self._head: Block | None = None
        self._torn_reads = 0
        self._found: list[WatchEvent] = []  # outlives a step that fails half-way
        self.reorgs = 0

    @property
    def position(self) -> Position | None:
        """The last finalised block delivered."""
        return self._position

    @property
    def head(self) -> Block | None:
        """The newest block seen."""
        return self._head

    async def events(self) -> AsyncIterator[WatchEvent]:
        """Poll for ever. An unreachable node is waited for with growing patience; raises FinalityBroken."""
        delay_s = self._poll_s
        while True:
            try:
                found = await self.step()
            except ChainUnavailable as error:
                _log.warning("chain_unavailable", error=str(error), retry_s=delay_s)
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, _BACKOFF_MAX_S)
                continue
            delay_s = self._poll_s
            for event in found:
                yield event
            if not found:
                await asyncio.sleep(self._poll_s)

    async def step(self) -> list[WatchEvent]:
        """Look once. Returns what is new; nothing when the node's answers did not fit together.

        Raises ChainUnavailable, and FinalityBroken also when answers have not fitted together five times
        running.
        """
        try:
            self._found += await self._follow_head()
            self._found += await self._follow_finality()
            self._torn_reads = 0
        except (_TornRead, BlockNotFound):
            self._torn_reads += 1
            if self._torn_reads >= _TORN_READS_MAX:
                with suppress(BlockNotFound):  # a node that is still catching up
                    await self._check_position()
        found, self._found = self._found, []
        return found

    # The newest blocks, for display and for senders

    async def _follow_head(self) -> list[WatchEvent]:
        head, known = await self._chain.block("latest"), self._head
        if known is not None and head.hash == known.hash:
            return []
        ancestor = None if known is None else await self._ancestor(known, head)
        await self._extend(ancestor, head)
        self._head = head
        depth = 0 if known is None or ancestor is None else known.number - ancestor
        if known is None or depth == 0:
            return [NewHead(head)]
        self.reorgs += 1
        _log.warning("chain_reorged", depth=depth, old=known.number, new=head.number)
        return [Reorged(depth, known, head), NewHead(head)]

    async def _ancestor(self, known: Block, head: Block) -> int:
        """The newest height at which the chain still holds the block we remember."""
        oldest = min(self._branch)
        if head.number < oldest:
            return head.number  # below all we remember; it may be older still
        for number in range(min(known.number, head.number), oldest - 1, -1):
            now = head if number == head.number else await self._chain.block(number)
            if now.hash == self._branch[number].hash:
                return number
        return oldest - 1

    async def _extend(self, ancestor: int | None, head: Block) -> None:
        """Remember the branch from the ancestor to the head, once all of it is seen to hang together."""
        oldest = max(0, head.number - (_BACKFILL if ancestor is None else _BRANCH_MAX) + 1)
        first = oldest if ancestor is None else max(ancestor + 1, oldest)
        blocks = await self._chain.blocks(first, head.number - 1) if first < head.number else []
        if first <= head.number:
            blocks.append(head)
        kept = {n: b for n, b in self._branch.items() if ancestor is not None and n <= ancestor}
        parent = kept.get(first - 1)
        for block in blocks:
            if parent is not None and block.parent_hash != parent.hash:
                raise _TornRead
            kept[block.number] = parent = block
        kept.setdefault(head.number, head)
        self._branch = {n: b for n, b in kept.items() if n > head.number - _BRANCH_MAX}

    # The finalised blocks, on which the venue acts

    async def _follow_finality(self) -> list[WatchEvent]:
        final = await self._chain.block("finalized")
        position = self._position
        if final.number < self._first:
            self._check_remembered(final)
            return []
        last = min(final.number, self._first + _RANGE_MAX - 1)
        before = [position.number] if position else []
        blocks = await self._chain.blocks(before[0] if before else self._first, last)
        if position is not None and blocks[0].hash != position.hash:
            raise FinalityBroken(position.number, position.hash, blocks[0].hash)
        for parent, block in pairwise(blocks):
            if block.parent_hash != parent.hash:
                raise _TornRead
        fresh = blocks[len(before) :]
        return await self._deliver(fresh)

    async def _deliver(self, blocks: list[Block]) -> list[WatchEvent]:
        first, last = blocks[0], blocks[-1]
        logs = await self._chain.logs(first.number, last.number, self._addresses)
        # The hash of the last block vouches for all before it: unchanged after the query, it vouches for the logs.
        if (await self._chain.block(last.number)).hash != last.hash:
            raise _TornRead
        by_block: dict[Hash, list[Log]] = {block.hash: [] for block in blocks}
        for log in logs:
            if log.block_hash not in by_block:
                raise _TornRead
            by_block[log.block_hash].append(log)
        self._advance(blocks)
        return [FinalisedLogs(block, tuple(by_block[block.hash])) for block in blocks]

    def _advance(self, blocks: list[Block]) -> None:
        last = blocks[-1]
        self._final |= {block.number: block.hash for block in blocks}
        self._final = {n: hash_ for n, hash_ in self._final.items() if n > last.number - _BRANCH_MAX}
        self._position, self._first = Position(last.number, last.hash), last.number + 1

    def _check_remembered(self, final: Block) -> None:
        """A node may lag behind what another, or it before a restart, called final; it must not differ."""
        expected = self._final.get(final.number, final.hash)
        if final.hash != expected:
            raise FinalityBroken(final.number, expected, final.hash)

    async def _check_position(self) -> None:
        if self._position is not None:
            now = await self._chain.block(self._position.number)
            if now.hash != self._position.hash:
                raise FinalityBroken(self._position.number, self._position.hash, now.hash)
