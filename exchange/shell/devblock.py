"""A sealed block of the embedded chain: header and hash, receipts, logs, and the record that executes it
again.

Owns how outcomes of execution become what a node would serve. Pure functions of their arguments.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
from tiny_keccak import keccak256 as keccak

from exchange.shell.chain import Address, Block, Hash, Log, Receipt, Transaction
from exchange.shell.devstore import BlockRecord, ChainMeta, StoreMismatch
from exchange.shell.evm import Environment, Outcome
from exchange.shell.flatstore import Changes, Undo
from exchange.shell.pool import Decoded, Pool
from exchange.shell.transactions import encode_rlp

GWEI = 10**9

Edits = Sequence[tuple[Address, int]]
Executed = Sequence[tuple[Decoded, Outcome]]


@dataclass(slots=True)
class Sealed:
    """A block with everything needed to serve it, undo it and execute it again."""

    block: Block
    env: Environment
    transactions: tuple[Decoded, ...] = ()
    outputs: tuple[bytes, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    logs: tuple[Log, ...] = ()
    record: BlockRecord | None = None
    undo: list[Undo] | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A moment to return to: its head, what waited, and how far time had been moved."""

    number: int
    hash: Hash
    pool: Pool
    lead_s: int


@dataclass(slots=True)
class BlockTimes:
    """When the next block is: a second after its parent, or as the clock has it, until told otherwise."""

    clock: Callable[[], int] | None
    lead_s: int = 0  # how far chain time has been moved ahead of the clock
    wanted_s: int | None = None

    def after(self, parent: Block) -> int:
        """Unix seconds of the block that follows `parent`; a wanted time is used once and shifts the clock's."""
        wanted, self.wanted_s = self.wanted_s, None
        if self.clock is None:
            return parent.time_s + 1 if wanted is None else wanted
        now = self.clock()
        if wanted is not None:
            self.lead_s = wanted - now
            return wanted
        return max(now + self.lead_s, parent.time_s)


def genesis(meta: ChainMeta) -> Sealed:
    """Block 0, named after everything a chain is started with."""
    facts = [meta.chain_id, meta.genesis_time_s, meta.gas_limit, [list(grant) for grant in meta.allocation]]
    digest = bytes(keccak(encode_rlp(facts)))
    env = Environment(0, meta.genesis_time_s, GWEI, meta.gas_limit, digest)
    return Sealed(Block(0, digest, bytes(32), meta.genesis_time_s, GWEI, 0, meta.gas_limit), env)


def edits_of(record: BlockRecord) -> list[tuple[Address, int]]:
    """The balances a block set by decree."""
    return [(address, int(wei)) for address, wei in record.edits]


def next_base_fee(parent: Block) -> int:
    """EIP-1559: an eighth up or down, in proportion to how far the parent was from half full."""
    target = parent.gas_limit // 2
    if parent.gas_used >= target:
        rise = parent.base_fee * (parent.gas_used - target) // target // 8
        return parent.base_fee + (max(rise, 1) if parent.gas_used > target else 0)
    return parent.base_fee - parent.base_fee * (target - parent.gas_used) // target // 8


class Effects(msgspec.Struct, frozen=True, array_like=True):
    """What executing a block did: the outcome of each transaction, and the state it left different."""

    outcomes: list[Outcome]
    changes: Changes


def read_effects(record: BlockRecord) -> Effects:
    """The recorded effects. Raises StoreMismatch when they are not what was sealed with this block."""
    if record.seal != _seal(record.hash, record.effects):
        raise StoreMismatch(f"block {record.number}: the recorded effects are damaged")
    return msgspec.msgpack.decode(record.effects, type=Effects)


def _seal(block_hash: bytes, effects: bytes) -> bytes:
    return bytes(keccak(block_hash + effects))


def assemble(parent: Block, env: Environment, edits: Edits, done: Executed) -> Sealed:
    """Header, receipts and logs of an executed block. The hash commits to everything but the state itself."""
    gas_used = sum(outcome.gas_used for _, outcome in done)
    hashes = tuple(bytes(tx.hash) for tx, _ in done)
    results = [[int(out.ok), out.gas_used, [list(log) for log in out.logs]] for _, out in done]
    header = [
        parent.hash, env.number, env.time_s, env.base_fee, env.gas_limit, env.seed, gas_used,
        list(hashes), keccak(encode_rlp(results)), [list(edit) for edit in edits],
    ]  # fmt: skip
    digest = bytes(keccak(encode_rlp(header)))
    block = Block(env.number, digest, parent.hash, env.time_s, env.base_fee, gas_used, env.gas_limit, hashes)
    receipts = _receipts(block, done)
    return Sealed(
        block,
        env,
        transactions=tuple(tx for tx, _ in done),
        outputs=tuple(outcome.output for _, outcome in done),
        receipts=receipts,
        logs=tuple(log for receipt in receipts for log in receipt.logs),
    )


def record_of(block: Block, branch: int, edits: Edits, done: Executed, changes: Changes) -> BlockRecord:
    """What the file keeps of a block."""
    effects = msgspec.msgpack.encode(Effects([outcome for _, outcome in done], changes))
    return BlockRecord(
        number=block.number,
        time_s=block.time_s,
        branch=branch,
        hash=block.hash,
        edits=tuple((address, str(wei)) for address, wei in edits),
        transactions=tuple(bytes(tx.encode()) for tx, _ in done),
        effects=effects,
        seal=_seal(block.hash, effects),
    )


def _receipts(block: Block, done: Executed) -> tuple[Receipt, ...]:
    receipts, log_index = [], 0
    for index, (tx, outcome) in enumerate(done):
        logs = tuple(
            Log(address, topics, data, block.number, block.hash, bytes(tx.hash), log_index + i)
            for i, (address, topics, data) in enumerate(outcome.logs)
        )
        log_index += len(logs)
        price = min(tx.max_fee_per_gas, block.base_fee + tx.max_priority_fee_per_gas)
        receipts.append(
            Receipt(
                tx_hash=bytes(tx.hash),
                block_number=block.number,
                block_hash=block.hash,
                index=index,
                ok=outcome.ok,
                gas_used=outcome.gas_used,
                gas_price=price,
                contract_address=outcome.created,
                logs=logs,
            )
        )
    return tuple(receipts)


def transaction_view(tx: Decoded, block: Block | None) -> Transaction:
    """What a node tells of a transaction; `block` is None while it waits."""
    return Transaction(
        hash=bytes(tx.hash),
        sender=bytes(tx.sender),
        to=bytes(tx.to) or None,
        nonce=tx.nonce,
        value=tx.value,
        data=bytes(tx.data),
        gas=tx.gas,
        block_number=block.number if block else None,
        block_hash=block.hash if block else None,
    )
