"""A chain behind any JSON-RPC address: the Chain interface over `rpc_client.py`, and levers when it is a
dev node.

Owns the translation between Ethereum's JSON and the values of `chain.py`, errors included. Finality is the
node's own `finalized` tag unless a depth is given, for networks whose nodes do not know the tag.
"""

from collections.abc import Sequence
from typing import Any, Literal, Self

import msgspec

from exchange.shell import chain
from exchange.shell.chain import (
    ZERO_ADDRESS,
    Address,
    Block,
    BlockId,
    BlockNotFound,
    Fees,
    Hash,
    Log,
    NodeError,
    NotADevelopmentNode,
    Receipt,
    Reverted,
    Transaction,
    TransactionRefused,
    UnknownSnapshot,
    revert_reason,
)
from exchange.shell.rpc_client import RpcClient

_BLOCKS_PER_MESSAGE = 100
_DEFAULT_TIP = 10**9


class _Block(msgspec.Struct, rename="camel"):
    number: str
    hash: str
    parent_hash: str
    timestamp: str
    gas_used: str
    gas_limit: str
    transactions: list[str]
    base_fee_per_gas: str = "0x0"


class _Log(msgspec.Struct, rename="camel"):
    address: str
    topics: list[str]
    data: str
    block_number: str
    block_hash: str
    transaction_hash: str
    log_index: str


class _Receipt(msgspec.Struct, rename="camel"):
    transaction_hash: str
    block_number: str
    block_hash: str
    transaction_index: str
    status: str
    gas_used: str
    effective_gas_price: str
    logs: list[_Log]
    contract_address: str | None = None


class _Transaction(msgspec.Struct, rename="camel"):
    hash: str
    from_: str = msgspec.field(name="from")
    nonce: str
    value: str
    input: str
    gas: str
    to: str | None = None
    block_number: str | None = None
    block_hash: str | None = None


class _FeeHistory(msgspec.Struct, rename="camel"):
    base_fee_per_gas: list[str]


# Nodes agree on the words more than on the codes. First match wins.
_REFUSALS: tuple[tuple[str, type[TransactionRefused]], ...] = (
    ("nonce too low", chain.NonceTooLow),
    ("replacement transaction underpriced", chain.ReplacementUnderpriced),
    ("insufficient funds", chain.InsufficientFunds),
    ("already known", chain.AlreadyKnown),
    ("already imported", chain.AlreadyKnown),
    ("floor", chain.GasTooLow),
    ("intrinsic gas too low", chain.GasTooLow),
    ("intrinsic gas too high", chain.GasTooHigh),
    ("exceeds block gas limit", chain.GasTooHigh),
    ("gas limit", chain.GasTooHigh),
    ("base fee", chain.FeeTooLow),
    ("underpriced", chain.FeeTooLow),
    ("chain id", chain.WrongChain),
    ("chain_id", chain.WrongChain),
    ("invalid sender", chain.WrongChain),
    ("pool is full", chain.PoolFull),
    ("decode", chain.MalformedTransaction),
    ("rlp", chain.MalformedTransaction),
    ("unexpected", chain.MalformedTransaction),
)


class RpcChain:
    """Any node. `async with await RpcChain.open(url) as chain`."""

    def __init__(self, client: RpcClient, chain_id: int, finality_depth: int | None) -> None:
        """Use `open`."""
        self._client, self._chain_id, self._finality_depth = client, chain_id, finality_depth

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        timeout_s: float = 10.0,
        concurrency: int = 32,
        finality_depth: int | None = None,
    ) -> Self:
        """Connect and learn the chain id. Raises ChainUnavailable, NodeError, ValueError for a strange address."""
        client = RpcClient(url, timeout_s=timeout_s, concurrency=concurrency)
        try:
            chain_id = _int(_text(await client.read("eth_chainId")))
        except chain.ChainError:
            await client.close()
            raise
        return cls(client, chain_id, finality_depth)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Release the connection."""
        await self._client.close()

    @property
    def chain_id(self) -> int:
        """The EIP-155 id."""
        return self._chain_id

    async def block(self, block: BlockId = "latest") -> Block:
        """The block of a number or tag. Raises BlockNotFound."""
        raw = await self._client.read("eth_getBlockByNumber", await self._tag(block), False)
        return _block(raw, block)

    async def blocks(self, first: int, last: int) -> list[Block]:
        """Blocks first..last inclusive, a hundred to a message. Raises BlockNotFound."""
        found: list[Block] = []
        for start in range(first, last + 1, _BLOCKS_PER_MESSAGE):
            numbers = range(start, min(start + _BLOCKS_PER_MESSAGE, last + 1))
            raws = await self._client.read_all([("eth_getBlockByNumber", [hex(n), False]) for n in numbers])
            found += [_block(raw, number) for raw, number in zip(raws, numbers, strict=True)]
        return found

    async def call(
        self,
        to: Address,
        data: bytes,
        block: BlockId = "latest",
        *,
        sender: Address = ZERO_ADDRESS,
        value: int = 0,
    ) -> bytes:
        """Execute without a transaction on the state after `block`. Raises Reverted."""
        message = {"to": _hex(to), "data": _hex(data), "from": _hex(sender), "value": hex(value)}
        try:
            return _bytes(await self._client.read("eth_call", message, await self._tag(block)))
        except NodeError as error:
            raise _execution_error(error) from error

    async def estimate_gas(self, sender: Address, to: Address | None, data: bytes, *, value: int = 0) -> int:
        """Gas the transaction needs at the head. Raises Reverted."""
        message = {"from": _hex(sender), "data": _hex(data), "value": hex(value)}
        if to is not None:
            message["to"] = _hex(to)
        try:
            return _int(_text(await self._client.read("eth_estimateGas", message)))
        except NodeError as error:
            raise _execution_error(error) from error

    async def send_raw(self, raw: bytes) -> Hash:
        """Hand over a signed transaction, once. Raises a TransactionRefused, or ChainUnavailable when in doubt."""
        try:
            return _bytes(await self._client.act("eth_sendRawTransaction", _hex(raw)))
        except NodeError as error:
            raise _refusal(error) from error

    async def receipt(self, tx_hash: Hash) -> Receipt | None:
        """The receipt on the current best branch, or None."""
        raw = await self._client.read("eth_getTransactionReceipt", _hex(tx_hash))
        kept = msgspec.json.decode(raw, type=_Receipt | None)
        return None if kept is None else _receipt(kept)

    async def transaction(self, tx_hash: Hash) -> Transaction | None:
        """The transaction if the node knows it, mined or waiting."""
        raw = await self._client.read("eth_getTransactionByHash", _hex(tx_hash))
        kept = msgspec.json.decode(raw, type=_Transaction | None)
        return None if kept is None else _transaction(kept)

    async def nonce(self, address: Address, block: BlockId | Literal["pending"] = "latest") -> int:
        """The next nonce of the account; `pending` counts the pool."""
        tag = "pending" if block == "pending" else await self._tag(block)
        return _int(_text(await self._client.read("eth_getTransactionCount", _hex(address), tag)))

    async def balance(self, address: Address, block: BlockId = "latest") -> int:
        """Wei held by the account."""
        return _int(_text(await self._client.read("eth_getBalance", _hex(address), await self._tag(block))))

    async def code(self, address: Address) -> bytes:
        """The runtime code at the head."""
        return _bytes(await self._client.read("eth_getCode", _hex(address), "latest"))

    async def fees(self) -> Fees:
        """The next block's base fee, and the tip the node suggests."""
        raw = await self._client.read("eth_feeHistory", "0x1", "latest", [])
        history = msgspec.json.decode(raw, type=_FeeHistory)
        try:
            tip = _int(_text(await self._client.read("eth_maxPriorityFeePerGas")))
        except NodeError:
            tip = _DEFAULT_TIP  # an optional method
        return Fees(_int(history.base_fee_per_gas[-1]), tip)

    async def logs(self, first: int, last: int, addresses: Sequence[Address]) -> list[Log]:
        """Logs of blocks first..last inclusive by the given emitters (all, when empty), in chain order."""
        query: dict[str, Any] = {"fromBlock": hex(first), "toBlock": hex(last)}
        if addresses:
            query["address"] = [_hex(address) for address in addresses]
        raw = await self._client.read("eth_getLogs", query)
        found = [_log(each) for each in msgspec.json.decode(raw, type=list[_Log])]
        return sorted(found, key=lambda log: (log.block_number, log.log_index))

    async def dev_controls(self) -> "RpcDevControls":
        """The levers of a development node. Raises NotADevelopmentNode anywhere else."""
        version = _text(await self._client.read("web3_clientVersion"))
        name = version.partition("/")[0].lower()
        if name not in ("anvil", "hardhatnetwork"):
            raise NotADevelopmentNode(version)
        return RpcDevControls(self._client, can_reorg=name == "anvil")

    async def _tag(self, block: BlockId) -> str:
        if isinstance(block, int):
            return hex(block)
        if block == "latest" or self._finality_depth is None:
            return block
        depth = self._finality_depth if block == "finalized" else (self._finality_depth + 1) // 2
        head = _int(_text(await self._client.read("eth_blockNumber")))
        return hex(max(0, head - depth))


class RpcDevControls:
    """Levers of anvil and hardhat."""

    def __init__(self, client: RpcClient, *, can_reorg: bool) -> None:
        """Use RpcChain.dev_controls."""
        self._client, self._can_reorg = client, can_reorg

    async def set_next_block_time(self, time_s: int) -> None:
        """The next block carries exactly this time."""
        await self._client.act("evm_setNextBlockTimestamp", time_s)

    async def mine(self, count: int = 1) -> None:
        """Seal blocks from what waits in the pool; empty ones when nothing does."""
        for _ in range(count):
            await self._client.act("evm_mine")

    async def snapshot(self) -> int:
        """Remember the present; valid for one revert."""
        return _int(_text(await self._client.act("evm_snapshot")))

    async def revert(self, snapshot: int) -> None:
        """Return to a snapshot. Raises UnknownSnapshot."""
        if not msgspec.json.decode(await self._client.act("evm_revert", hex(snapshot)), type=bool):
            raise UnknownSnapshot(f"snapshot {snapshot}")

    async def reorg(self, depth: int, remine: Sequence[tuple[bytes, int]] = ()) -> None:
        """Replace the last `depth` blocks; see DevControls. Raises NotADevelopmentNode on hardhat."""
        if not self._can_reorg:
            raise NotADevelopmentNode("hardhat cannot reorganise")
        await self._client.act("anvil_reorg", depth, [[_hex(raw), offset] for raw, offset in remine])

    async def fund(self, address: Address, wei: int) -> None:
        """Set the account's balance."""
        await self._client.act("hardhat_setBalance", _hex(address), hex(wei))


def _execution_error(error: NodeError) -> chain.ChainError:
    words = error.message.lower()
    if "revert" not in words and error.code != 3:
        return chain.InsufficientFunds(error.message) if "insufficient funds" in words else error
    data = bytes.fromhex(error.data[2:]) if isinstance(error.data, str) and error.data[:2] == "0x" else b""
    said = error.message.partition("execution reverted: ")[2].removeprefix("revert: ")
    return Reverted(revert_reason(data) or said, data)


def _refusal(error: NodeError) -> chain.ChainError:
    words = error.message.lower()
    kind = next((kind for part, kind in _REFUSALS if part in words), None)
    return error if kind is None else kind(error.message)


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()


def _text(raw: msgspec.Raw) -> str:
    return msgspec.json.decode(raw, type=str)


def _int(text: str) -> int:
    return int(text, 16)


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def _bytes(raw: msgspec.Raw) -> bytes:
    return _unhex(_text(raw))


def _block(raw: msgspec.Raw, asked: BlockId) -> Block:
    kept = msgspec.json.decode(raw, type=_Block | None)
    if kept is None:
        raise BlockNotFound(f"no block {asked}")
    return Block(
        number=_int(kept.number),
        hash=_unhex(kept.hash),
        parent_hash=_unhex(kept.parent_hash),
        time_s=_int(kept.timestamp),
        base_fee=_int(kept.base_fee_per_gas),
        gas_used=_int(kept.gas_used),
        gas_limit=_int(kept.gas_limit),
        tx_hashes=tuple(_unhex(each) for each in kept.transactions),
    )


def _log(kept: _Log) -> Log:
    return Log(
        address=_unhex(kept.address),
        topics=tuple(_unhex(topic) for topic in kept.topics),
        data=_unhex(kept.data),
        block_number=_int(kept.block_number),
        block_hash=_unhex(kept.block_hash),
        tx_hash=_unhex(kept.transaction_hash),
        log_index=_int(kept.log_index),
    )


def _receipt(kept: _Receipt) -> Receipt:
    return Receipt(
        tx_hash=_unhex(kept.transaction_hash),
        block_number=_int(kept.block_number),
        block_hash=_unhex(kept.block_hash),
        index=_int(kept.transaction_index),
        ok=_int(kept.status) == 1,
        gas_used=_int(kept.gas_used),
        gas_price=_int(kept.effective_gas_price),
        contract_address=_unhex(kept.contract_address) if kept.contract_address else None,
        logs=tuple(_log(each) for each in kept.logs),
    )


def _transaction(kept: _Transaction) -> Transaction:
    return Transaction(
        hash=_unhex(kept.hash),
        sender=_unhex(kept.from_),
        to=_unhex(kept.to) if kept.to else None,
        nonce=_int(kept.nonce),
        value=_int(kept.value),
        data=_unhex(kept.input),
        gas=_int(kept.gas),
        block_number=_int(kept.block_number) if kept.block_number else None,
        block_hash=_unhex(kept.block_hash) if kept.block_hash else None,
    )
