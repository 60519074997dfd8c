"""A sealed block of the embedded chain: header and hash, receipts, logs, and the record that executes it
again.

Owns how outcomes of execution become what a node would serve. Pure functions of their arguments.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from eth_hash.auto import keccak

from exchange.shell.chain import Address, Block, Log, Receipt, Transaction
from exchange.shell.devstore import BlockRecord
from exchange.shell.evm import Environment, Outcome
from exchange.shell.flatstore import Undo
from exchange.shell.pool import Decoded
from exchange.shell.transactions import encode_rlp

Edits = Sequence[tuple[Address, int]]


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


def next_base_fee(parent: Block) -> int:
    """EIP-1559: an eighth up or down, in proportion to how far the parent was from half full."""
    target = parent.gas_limit // 2
    if parent.gas_used >= target:
        rise = parent.base_fee * (parent.gas_used - target) // target // 8
        return parent.base_fee + (max(rise, 1) if parent.gas_used > target else 0)
    return parent.base_fee - parent.base_fee * (target - parent.gas_used) // target // 8


def assemble(parent: Block, env: Environment, branch: int, edits: Edits, done: list[tuple[Decoded, Outcome]]) -> Sealed:
    """Header, receipts, logs and the durable record of an executed block."""
    gas_used = sum(outcome.gas_used for _, outcome in done)
    hashes = tuple(bytes(tx.hash) for tx, _ in done)
    effects = [[int(out.ok), out.gas_used, [list(log) for log in out.logs]] for _, out in done]
    header = [
        parent.hash, env.number, env.time_s, env.base_fee, env.gas_limit, env.seed, gas_used,
        list(hashes), keccak(encode_rlp(effects)), [list(edit) for edit in edits],
    ]  # fmt: skip
    digest = bytes(keccak(encode_rlp(header)))
    block = Block(env.number, digest, parent.hash, env.time_s, env.base_fee, gas_used, env.gas_limit, hashes)
    receipts = _receipts(block, done)
    record = BlockRecord(
        number=env.number,
        time_s=env.time_s,
        branch=branch,
        hash=digest,
        edits=tuple((address, str(wei)) for address, wei in edits),
        transactions=tuple(bytes(tx.encode()) for tx, _ in done),
    )
    return Sealed(
        block,
        env,
        transactions=tuple(tx for tx, _ in done),
        outputs=tuple(outcome.output for _, outcome in done),
        receipts=receipts,
        logs=tuple(log for receipt in receipts for log in receipt.logs),
        record=record,
    )


def _receipts(block: Block, done: list[tuple[Decoded, Outcome]]) -> tuple[Receipt, ...]:
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
