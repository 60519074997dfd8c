"""The embedded chain behind the asynchronous interface.

Owns one worker thread, in which everything of the chain happens, in order: a settlement costs tens of
milliseconds of pure Python, and the event loop has an exchange to run meanwhile. `DevNode` is both Chain
and DevControls.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, ParamSpec, Self, TypeVar

from exchange.shell.chain import (
    ZERO_ADDRESS,
    Address,
    Block,
    BlockId,
    ChainUnavailable,
    Fees,
    Hash,
    Log,
    Receipt,
    Transaction,
)
from exchange.shell.devchain import DevChain

_P = ParamSpec("_P")
_T = TypeVar("_T")


class DevNode:
    """A DevChain in its thread: `async with await DevNode.open(...) as node`. Arguments are DevChain's."""

    def __init__(self, core: DevChain, worker: ThreadPoolExecutor) -> None:
        """Use `open`, which also loads a stored chain off the event loop."""
        self._core, self._worker = core, worker
        self._closed = False

    @classmethod
    async def open(cls, **options: Any) -> Self:
        """Start, or execute again what `store` keeps. Raises StoreMismatch."""
        worker = ThreadPoolExecutor(1, thread_name_prefix="devchain")
        try:
            core = await asyncio.get_running_loop().run_in_executor(worker, lambda: DevChain(**options))
        except BaseException:
            worker.shutdown(wait=False)
            raise
        return cls(core, worker)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Finish what is under way and close the file."""
        if not self._closed:
            await self._run(self._core.close)
            self._closed = True
            self._worker.shutdown()

    async def _run(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        if self._closed:
            raise ChainUnavailable("the embedded chain is closed")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, lambda: function(*args, **kwargs))

    @property
    def chain_id(self) -> int:
        """The EIP-155 id."""
        return self._core.chain_id

    async def block(self, block: BlockId = "latest") -> Block:
        """See Chain."""
        return await self._run(self._core.block, block)

    async def blocks(self, first: int, last: int) -> list[Block]:
        """See Chain; here it is atomic."""
        return await self._run(lambda: [self._core.block(number) for number in range(first, last + 1)])

    async def call(
        self,
        to: Address,
        data: bytes,
        block: BlockId = "latest",
        *,
        sender: Address = ZERO_ADDRESS,
        value: int = 0,
    ) -> bytes:
        """See Chain."""
        return await self._run(self._core.call, to, data, block, sender=sender, value=value)

    async def estimate_gas(self, sender: Address, to: Address | None, data: bytes, *, value: int = 0) -> int:
        """See Chain."""
        return await self._run(self._core.estimate_gas, sender, to, data, value=value)

    async def send_raw(self, raw: bytes) -> Hash:
        """See Chain."""
        return await self._run(self._core.send_raw, raw)

    async def receipt(self, tx_hash: Hash) -> Receipt | None:
        """See Chain."""
        return await self._run(self._core.receipt, tx_hash)

    async def transaction(self, tx_hash: Hash) -> Transaction | None:
        """See Chain."""
        return await self._run(self._core.transaction, tx_hash)

    async def nonce(self, address: Address, block: BlockId | Literal["pending"] = "latest") -> int:
        """See Chain."""
        return await self._run(self._core.nonce, address, block)

    async def balance(self, address: Address, block: BlockId = "latest") -> int:
        """See Chain."""
        return await self._run(self._core.balance, address, block)

    async def code(self, address: Address) -> bytes:
        """See Chain."""
        return await self._run(self._core.code, address)

    async def fees(self) -> Fees:
        """See Chain."""
        return await self._run(self._core.fees)

    async def logs(self, first: int, last: int, addresses: Sequence[Address]) -> list[Log]:
        """See Chain."""
        return await self._run(self._core.logs, first, last, addresses)

    async def set_next_block_time(self, time_s: int) -> None:
        """See DevControls."""
        await self._run(self._core.set_next_block_time, time_s)

    async def mine(self, count: int = 1) -> None:
        """See DevControls."""
        await self._run(self._core.mine, count)

    async def snapshot(self) -> int:
        """See DevControls."""
        return await self._run(self._core.snapshot)

    async def revert(self, snapshot: int) -> None:
        """See DevControls."""
        await self._run(self._core.revert, snapshot)

    async def reorg(
        self, depth: int, remine: Sequence[tuple[bytes, int]] = (), *, new_blocks: int | None = None
    ) -> None:
        """See DevControls; `new_blocks` lets the new branch be shorter or longer."""
        await self._run(self._core.reorg, depth, remine, new_blocks=new_blocks)

    async def fund(self, address: Address, wei: int) -> None:
        """See DevControls."""
        await self._run(self._core.fund, address, wei)
