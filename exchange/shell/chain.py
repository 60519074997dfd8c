"""What the venue needs from a chain: one small asynchronous interface, its values and its typed errors.

Owns the vocabulary only; `devchain.py` (embedded) and `rpc.py` (any URL) implement it, `contract.py` binds
ABIs to it. Addresses and hashes are raw bytes (20 and 32 of them), amounts of gas money are wei, times are
unix seconds. May import the standard library only. A reorganisation is something a reader infers
from parent hashes: nothing here speaks of `removed` logs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Address = bytes
Hash = bytes
Tag = Literal["latest", "safe", "finalized"]
BlockId = int | Tag

ZERO_ADDRESS: Address = bytes(20)

_ERROR_SELECTOR = bytes.fromhex("08c379a0")  # Error(string)
_PANIC_SELECTOR = bytes.fromhex("4e487b71")  # Panic(uint256)


class ChainError(Exception):
    """The world outside the process disappointed; never a bug of ours and never a business refusal."""


class ChainUnavailable(ChainError):
    """The node did not answer in time, or not at all. Reads may be retried, sends must be looked up first."""


class NodeError(ChainError):
    """The node answered with an error we have no name for."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        """Keep the node's own code and words."""
        super().__init__(f"{message} ({code})")
        self.code, self.message, self.data = code, message, data


class BlockNotFound(ChainError):
    """The node has no block of that number, yet or any longer."""


class StatePruned(ChainError):
    """The state of so old a block is no longer kept."""


class NotADevelopmentNode(ChainError):
    """Time travel and reorganisation on demand exist on development nodes only."""


class UnknownSnapshot(ChainError):
    """The snapshot was used already, or its block has been reorganised away."""


class Reverted(ChainError):
    """Execution failed; nothing moved. `reason` is the contract's own string, or the machine's name for the fault."""

    def __init__(self, reason: str, data: bytes = b"") -> None:
        """Keep the decoded reason and the raw return data."""
        super().__init__(reason or "reverted without a reason")
        self.reason, self.data = reason, data


class TransactionRefused(ChainError):
    """The node did not take the transaction; it is in no pool and costs nothing."""


class MalformedTransaction(TransactionRefused):
    """The bytes do not decode to a signed transaction."""


class WrongChain(TransactionRefused):
    """Signed for another chain id."""


class NonceTooLow(TransactionRefused):
    """The account has already spent this nonce."""


class InsufficientFunds(TransactionRefused):
    """The account cannot pay value plus gas at the fee it offered."""


class GasTooLow(TransactionRefused):
    """Less gas than the transaction costs before its first instruction (EIP-7623 floor included)."""


class GasTooHigh(TransactionRefused):
    """More gas than a block holds."""


class FeeTooLow(TransactionRefused):
    """The fee cannot enter the next block."""


class ReplacementUnderpriced(TransactionRefused):
    """Another transaction waits with this nonce and the new one does not outbid it by a tenth."""


class AlreadyKnown(TransactionRefused):
    """The node holds exactly this transaction, waiting or mined. To a rebroadcaster this is success."""


class PoolFull(TransactionRefused):
    """The node keeps a bounded number of waiting transactions and has reached it."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block as its header tells it; `tx_hashes` in execution order."""

    number: int
    hash: Hash
    parent_hash: Hash
    time_s: int
    base_fee: int = 0
    gas_used: int = 0
    gas_limit: int = 0
    tx_hashes: tuple[Hash, ...] = ()


@dataclass(frozen=True, slots=True)
class Log:
    """One event as the contract emitted it. `log_index` counts within the block."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: Hash
    tx_hash: Hash
    log_index: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """The fate of an included transaction. `ok` is false when it reverted: gas was paid, nothing else moved."""

    tx_hash: Hash
    block_number: int
    block_hash: Hash
    index: int
    ok: bool
    gas_used: int
    gas_price: int
    contract_address: Address | None
    logs: tuple[Log, ...]


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction the node knows; `block_number` is None while it waits in the pool."""

    hash: Hash
    sender: Address
    to: Address | None
    nonce: int
    value: int
    data: bytes
    gas: int
    block_number: int | None
    block_hash: Hash | None


@dataclass(frozen=True, slots=True)
class Fees:
    """Wei per gas: what the next block will burn, and a tip that is customary there."""

    base_fee: int
    priority_fee: int


class Chain(Protocol):
    """A chain as the venue reads and writes it. Every method may raise ChainUnavailable or NodeError."""

    @property
    def chain_id(self) -> int:
        """The EIP-155 id, known once the chain is open."""
        ...

    async def block(self, block: BlockId = "latest") -> Block:
        """The block of a number or tag. Raises BlockNotFound."""
        ...

    async def blocks(self, first: int, last: int) -> list[Block]:
        """Blocks first..last inclusive, in as few round trips as can be; not atomic. Raises BlockNotFound."""
        ...

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
        ...

    async def estimate_gas(self, sender: Address, to: Address | None, data: bytes, *, value: int = 0) -> int:
        """Gas the transaction needs at the head, before any margin of safety. Raises Reverted."""
        ...

    async def send_raw(self, raw: bytes) -> Hash:
        """Hand over a signed transaction; returns its hash. Raises a TransactionRefused. Never retried inside."""
        ...

    async def receipt(self, tx_hash: Hash) -> Receipt | None:
        """The receipt on the current best branch, or None."""
        ...

    async def transaction(self, tx_hash: Hash) -> Transaction | None:
        """The transaction if the node knows it, mined or waiting."""
        ...

    async def nonce(self, address: Address, block: BlockId | Literal["pending"] = "latest") -> int:
        """The next nonce of the account; `pending` counts what waits in the pool."""
        ...

    async def balance(self, address: Address, block: BlockId = "latest") -> int:
        """Wei held by the account."""
        ...

    async def code(self, address: Address) -> bytes:
        """The runtime code at the head; empty when no contract lives there."""
        ...

    async def fees(self) -> Fees:
        """Fees for the next block."""
        ...

    async def logs(self, first: int, last: int, addresses: Sequence[Address]) -> list[Log]:
        """Logs of blocks first..last inclusive by the given emitters (all, when empty), in chain order."""
        ...

    async def close(self) -> None:
        """Release sockets, threads and files."""
        ...


class DevControls(Protocol):
    """The levers of a development node. Real networks have none of them."""

    async def set_next_block_time(self, time_s: int) -> None:
        """The next block carries exactly this time, and time runs on from there."""
        ...

    async def mine(self, count: int = 1) -> None:
        """Seal blocks from what waits in the pool; empty ones when nothing does."""
        ...

    async def snapshot(self) -> int:
        """Remember the present; valid for one revert."""
        ...

    async def revert(self, snapshot: int) -> None:
        """Return to a snapshot and forget everything since. Raises UnknownSnapshot."""
        ...

    async def reorg(self, depth: int, remine: Sequence[tuple[bytes, int]] = ()) -> None:
        """Replace the last `depth` blocks by as many new ones.

        Their transactions are lost, and not returned to the pool, but for `remine`: (raw transaction,
        offset of the new block that takes it, 0 the oldest).
        """
        ...

    async def fund(self, address: Address, wei: int) -> None:
        """Set the account's balance."""
        ...


def revert_reason(data: bytes) -> str:
    """Read the words out of return data: Error(string), Panic(code), or the hex of anything else."""
    if data[:4] == _ERROR_SELECTOR and len(data) >= 68:
        length = int.from_bytes(data[36:68], "big")
        return data[68 : 68 + length].decode("utf-8", "replace")
    if data[:4] == _PANIC_SELECTOR and len(data) >= 36:
        return f"panic 0x{int.from_bytes(data[4:36], 'big'):02x}"
    return f"0x{data.hex()}" if data else ""


def to_address(text: str | bytes) -> Address:
    """Read an address written either way. Raises ValueError when it does not have 20 bytes."""
    raw = text if isinstance(text, bytes) else bytes.fromhex(text.removeprefix("0x"))
    if len(raw) != 20:
        raise ValueError(f"an address has 20 bytes, not {len(raw)}")
    return raw


def checksum(address: Address) -> str:
    """EIP-55 spelling, for people and JSON."""
    from eth_utils.address import to_checksum_address  # noqa: PLC0415 - light to import otherwise

    return str(to_checksum_address(address))
