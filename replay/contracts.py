"""The deployed contracts as ``reconcile`` reads them, over any chain.

Owns the choice of the block: the last one at which the contract had performed exactly the actions the journal knows, so
that a venue that goes on trading can still be compared to the unit. Imports the shell's chain, bindings and deployment.
"""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from exchange import calldata
from exchange.core.units import Cash, Price, Qty
from exchange.shell.chain import Chain, ChainError
from exchange.shell.deploy import Contracts, Deployment
from exchange.shell.devnode import DevNode
from exchange.shell.rpc import RpcChain
from replay.findings import CannotRun


class ChainView:
    """The contracts of a deployment as of one block. Implements ``reconcile.ContractView``."""

    def __init__(self, contracts: Contracts, block: int) -> None:
        self._contracts = contracts
        self._block = block
        self._expiries: list[int] | None = None

    @classmethod
    async def at_head(cls, contracts: Contracts) -> "ChainView":
        """As of the newest block."""
        return cls(contracts, (await contracts.chain.block("latest")).number)

    @classmethod
    async def at_action(cls, contracts: Contracts, action_id: int) -> "ChainView":
        """As of the last block by which no more than these actions had happened, or the head if that is it.

        Where the state of that block is no longer kept, the head is read and what differs is late.
        """
        head = await cls.at_head(contracts)
        low, high = contracts.deployment.first_block, await head.head()
        try:
            if await head.action_id() <= action_id:
                return head
            while low < high:  # the deployment's own block had no actions, so `low` always qualifies
                middle = (low + high + 1) // 2
                if await cls(contracts, middle).action_id() <= action_id:
                    low = middle
                else:
                    high = middle - 1
        except ChainError:
            return head
        return cls(contracts, low)

    async def head(self) -> int:
        """The block that is read."""
        return self._block

    async def action_id(self) -> int:
        """Number of the newest action; 0 in a block before the contract, where calls return nothing."""
        clearing = self._contracts.clearing
        output = await clearing.chain.call(clearing.address, clearing.encode("action_count"), self._block)
        return int.from_bytes(output, "big")

    async def batch_id(self) -> int:
        """The newest batch settled."""
        batch_id, *_ = await self._contracts.clearing.call("last_batch", block=self._block)
        return int(batch_id)

    async def vault_held(self) -> Cash:
        """Tokens the vault took in by deposits and has not paid out."""
        return int(await self._contracts.vault.call("held", block=self._block))

    async def vault_balance(self) -> Cash:
        """Tokens the vault has, gifts included."""
        vault = self._contracts.vault.address
        return int(await self._contracts.usdc.call("balanceOf", vault, block=self._block))

    async def account_cash(self, account: int) -> Cash:
        """Cash of an account."""
        return int(await self._contracts.clearing.call("cash_of", account, block=self._block))

    async def positions(self, account: int) -> dict[int, Qty]:
        """Positions by series, in every expiry that anybody still holds."""
        held: dict[int, Qty] = {}
        for expiry_id in await self._held_expiries():
            groups, words = await self._contracts.clearing.call("positions_of", account, expiry_id, block=self._block)
            held |= calldata.positions_from_words(expiry_id, groups, words)
        return held

    async def _held_expiries(self) -> list[int]:
        """Expiries in which the contract counts at least one holder; read once, the block does not change."""
        if self._expiries is None:
            clearing, block = self._contracts.clearing, self._block
            newest = int(await clearing.call("expiry_count", block=block))
            states = {each: await clearing.call("expiry_state", each, block=block) for each in range(1, newest + 1)}
            self._expiries = [each for each, (_, _, holders, _, _) in states.items() if holders]
        return self._expiries

    async def fixing(self, expiry_id: int) -> Price | None:
        """Settlement price of an expiry, None while it is not fixed or not listed."""
        *_, is_fixed, price = await self._contracts.clearing.call("expiry_state", expiry_id, block=self._block)
        return int(price) if is_fixed else None

    async def anchor(self, batch_id: int) -> bytes:
        """Journal root that a batch anchored; zeros for a batch that has not settled."""
        return bytes(await self._contracts.clearing.call("anchors", batch_id, block=self._block))


@contextlib.asynccontextmanager
async def open_contracts(where: str, deployment: Deployment) -> AsyncIterator[Contracts]:
    """Bindings on the node at a URL, or on the embedded chain kept in a file. Raises CannotRun, ChainError."""
    chain: DevNode | RpcChain
    if "://" in where:
        chain = await RpcChain.open(where)
    else:
        chain = await DevNode.open(chain_id=deployment.chain_id, store=_existing(where))
    try:
        _require_chain(chain, deployment)
        yield Contracts(chain, deployment)
    finally:
        await chain.close()


def _existing(where: str) -> Path:
    """The file of an embedded chain, which opening would otherwise create."""
    path = Path(where)
    if not path.is_file():
        raise CannotRun(f"{where} is neither the URL of a node nor the file of an embedded chain")
    return path


def _require_chain(chain: Chain, deployment: Deployment) -> None:
    if chain.chain_id != deployment.chain_id:
        raise CannotRun(f"the node is of chain {chain.chain_id}, the deployment of chain {deployment.chain_id}")
