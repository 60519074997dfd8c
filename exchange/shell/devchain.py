"""The embedded development chain: a real EVM with blocks, receipts, logs and reorganisations, inside the
process.

Owns the chain as a list of sealed blocks. `DevChain` is synchronous and used by contract tests as it is;
`devnode.py` puts it behind the asynchronous interface. May import evm, pool and devstore. No clock of its
own: by default each block is one second after its parent, and a wall clock is handed in by whoever wants
one.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from tiny_keccak import keccak256 as keccak

from exchange.shell.chain import (
    ZERO_ADDRESS,
    Address,
    AlreadyKnown,
    Block,
    BlockId,
    BlockNotFound,
    ChainError,
    Fees,
    Hash,
    Log,
    Receipt,
    Reverted,
    StatePruned,
    Transaction,
    TransactionRefused,
    UnknownSnapshot,
    revert_reason,
)
from exchange.shell.devblock import (
    GWEI,
    BlockTimes,
    Edits,
    Executed,
    Sealed,
    Snapshot,
    assemble,
    edits_of,
    genesis,
    next_base_fee,
    read_effects,
    record_of,
    transaction_view,
)
from exchange.shell.devstore import BlockRecord, BlockStore, ChainMeta, StoreMismatch
from exchange.shell.evm import Environment, Machine
from exchange.shell.flatstore import Undo, swap
from exchange.shell.pool import Decoded, Pool, check_admissible, decode_transaction
from exchange.shell.transactions import Payload, address_of, encode_rlp, sign_transaction

GENESIS_TIME_S = 1_700_000_000
UNDO_BLOCKS_MAX = 65_536  # how far back state can be read or reorganised away
SNAPSHOTS_MAX = 1024


class DevChain:
    """A development chain. Not thread-safe: one thread at a time.

    `finality_depth` blocks behind the head is `finalized`, half of that `safe`; 0 makes every block final
    at once. `store` keeps the chain in a file, from which it is rebuilt on the next start: out of the
    recorded effects, or with `verify` by executing every transaction again and comparing.
    """

    def __init__(
        self,
        *,
        chain_id: int = 31337,
        finality_depth: int = 0,
        automine: bool = True,
        gas_limit: int = 30_000_000,
        genesis_time_s: int = GENESIS_TIME_S,
        allocation: Mapping[Address, int] | None = None,
        clock: Callable[[], int] | None = None,
        store: Path | None = None,
        verify: bool = False,
    ) -> None:
        """Raises StoreMismatch when the file is another chain's, or does not come to its own hashes."""
        grants = tuple((address, str(wei)) for address, wei in (allocation or {}).items())
        meta = ChainMeta(chain_id, genesis_time_s, gas_limit, grants)
        self._store = BlockStore(store) if store else None
        self.finality_depth, self.automine = finality_depth, automine
        self._times = BlockTimes(clock)
        try:
            self._start(chain_id, meta, verify=verify)
        except BaseException:
            self.close()
            raise

    def _start(self, chain_id: int, meta: ChainMeta, *, verify: bool) -> None:
        """Take up what the file keeps."""
        meta = self._store.bind(meta) if self._store else meta
        self.chain_id, self.gas_limit = chain_id, meta.gas_limit
        self._branch = 0
        self._machine = Machine(chain_id)
        self._pool = Pool()
        self._mined: dict[Hash, tuple[int, int]] = {}
        self._snapshots: dict[int, Snapshot] = {}
        self._snapshot_count = 0
        self._blocks = [self._genesis(meta)]
        self._restore(verify=verify)

    def close(self) -> None:
        """Close the file; everything sealed is in it already."""
        if self._store:
            self._store.close()

    # Reading

    @property
    def head(self) -> Block:
        """The newest block."""
        return self._blocks[-1].block

    def number_of(self, block: BlockId) -> int:
        """The height a tag or number stands for. Raises BlockNotFound."""
        if isinstance(block, int):
            if not 0 <= block < len(self._blocks):
                raise BlockNotFound(f"no block {block}, the head is {self.head.number}")
            return block
        depth = {"latest": 0, "safe": (self.finality_depth + 1) // 2, "finalized": self.finality_depth}[block]
        return max(0, self.head.number - depth)

    def block(self, block: BlockId = "latest") -> Block:
        """The block of a number or tag. Raises BlockNotFound."""
        return self._blocks[self.number_of(block)].block

    def call(
        self,
        to: Address,
        data: bytes,
        block: BlockId = "latest",
        *,
        sender: Address = ZERO_ADDRESS,
        value: int = 0,
    ) -> bytes:
        """Execute without a transaction on the state after `block`. Raises Reverted."""
        with self._state_after(block):
            return self._machine.call(sender, to, data, value, self.gas_limit)

    def estimate_gas(self, sender: Address, to: Address | None, data: bytes, *, value: int = 0) -> int:
        """Gas the transaction needs at the head, with no margin. Raises Reverted."""
        with self._state_after("latest"):
            return self._machine.estimate(sender, to, data, value)

    def receipt(self, tx_hash: Hash) -> Receipt | None:
        """The receipt on this branch, or None."""
        place = self._mined.get(tx_hash)
        return self._blocks[place[0]].receipts[place[1]] if place else None

    def transaction(self, tx_hash: Hash) -> Transaction | None:
        """The transaction if it is mined or waits."""
        place = self._mined.get(tx_hash)
        if place is None:
            waiting = self._pool.get(tx_hash)
            return None if waiting is None else transaction_view(waiting, None)
        sealed = self._blocks[place[0]]
        return transaction_view(sealed.transactions[place[1]], sealed.block)

    def nonce(self, address: Address, block: BlockId | Literal["pending"] = "latest") -> int:
        """The next nonce of the account; `pending` counts the pool."""
        if block == "pending":
            return self._pool.next_nonce(address, self._machine.store.get_nonce(address))
        with self._state_after(block):
            return self._machine.store.get_nonce(address)

    def balance(self, address: Address, block: BlockId = "latest") -> int:
        """Wei held by the account."""
        with self._state_after(block):
            return self._machine.store.get_balance(address)

    def code(self, address: Address) -> bytes:
        """The runtime code at the head."""
        return self._machine.store.get_code(address)

    def fees(self) -> Fees:
        """Fees for the next block."""
        return Fees(next_base_fee(self.head), GWEI)

    def logs(self, first: int, last: int, addresses: Sequence[Address] = ()) -> list[Log]:
        """Logs of blocks first..last inclusive by the given emitters (all, when empty), in chain order."""
        wanted = frozenset(addresses)
        found = (log for sealed in self._blocks[max(first, 0) : last + 1] for log in sealed.logs)
        return [log for log in found if not wanted or log.address in wanted]

    # Writing

    def send_raw(self, raw: bytes) -> Hash:
        """Take a signed transaction into the pool, and with automine into a block. Raises a TransactionRefused."""
        tx = decode_transaction(raw, self.chain_id)
        if tx.hash in self._mined:
            raise AlreadyKnown(f"0x{tx.hash.hex()} is mined")
        store = self._machine.store
        self._pool.admit(tx, store.get_nonce(tx.sender), store.get_balance(tx.sender), self.gas_limit)
        if self.automine:
            self._seal_waiting(empty=False)
        return bytes(tx.hash)

    def transact(
        self, key: bytes, to: Address | None, data: bytes = b"", *, value: int = 0, gas: int | None = None
    ) -> Receipt:
        """Sign, send and seal in one step, for tests and tools. Raises Reverted with its reason."""
        sender = address_of(key)
        limit = gas if gas is not None else self._limit_for(sender, to, data, value)
        fees = self.fees()
        payload = Payload(to, data, value, limit, fees.base_fee * 2 + fees.priority_fee, fees.priority_fee)
        raw = sign_transaction(key, self.chain_id, self.nonce(sender, "pending"), payload)
        tx_hash = self.send_raw(raw)
        if not self.automine:
            self._seal_waiting(empty=False)
        receipt = self.receipt(tx_hash)
        if receipt is None:
            raise ChainError(f"0x{tx_hash.hex()} waits: an earlier nonce or the block's room is missing")
        if not receipt.ok:
            output = self._blocks[receipt.block_number].outputs[receipt.index]
            raise Reverted(revert_reason(output), output)
        return receipt

    def _limit_for(self, sender: Address, to: Address | None, data: bytes, value: int) -> int:
        return min(self.gas_limit, self.estimate_gas(sender, to, data, value=value) * 3 // 2 + 10_000)

    # Development controls

    def set_next_block_time(self, time_s: int) -> None:
        """The next block carries this time. Raises ChainError when it is before the head's."""
        if time_s < self.head.time_s:
            raise ChainError(f"time {time_s} is before the head's {self.head.time_s}")
        self._times.wanted_s = time_s

    def set_time(self, time_s: int) -> None:
        """Travel: seal a block at this time, so that calls see it too."""
        self.set_next_block_time(time_s)
        self.mine()

    def mine(self, count: int = 1) -> None:
        """Seal blocks from what waits in the pool; empty ones when nothing does."""
        for _ in range(count):
            self._seal_waiting(empty=True)

    def fund(self, address: Address, wei: int) -> None:
        """Set a balance, in a block of its own, so that a restart and a reorganisation treat it like any other."""
        fork = self.head.number
        self._keep(fork, [self._build([], edits=((address, wei),))])

    def snapshot(self) -> int:
        """Remember the present; valid for one revert, and only while its block stands."""
        self._snapshot_count += 1
        head = self.head
        self._snapshots[self._snapshot_count] = Snapshot(head.number, head.hash, self._pool.copy(), self._times.lead_s)
        if len(self._snapshots) > SNAPSHOTS_MAX:
            del self._snapshots[next(iter(self._snapshots))]
        return self._snapshot_count

    def revert(self, snapshot: int) -> None:
        """Return to a snapshot and forget everything since, later snapshots included. Raises UnknownSnapshot."""
        kept = self._snapshots.get(snapshot)
        if kept is None or kept.number > self.head.number or self.block(kept.number).hash != kept.hash:
            raise UnknownSnapshot(f"snapshot {snapshot}")
        self._unwind(kept.number)
        self._pool, self._times.lead_s, self._times.wanted_s = kept.pool, kept.lead_s, None
        self._snapshots = {id_: kept for id_, kept in self._snapshots.items() if id_ < snapshot}
        if self._store:
            self._store.replace(kept.number, [])

    def reorg(self, depth: int, remine: Sequence[tuple[bytes, int]] = (), *, new_blocks: int | None = None) -> None:
        """Replace the last `depth` blocks by `new_blocks` (as many, by default).

        Lost transactions do not return to the pool. `remine` is (raw transaction, offset of the new block
        that takes it), lost too if it cannot execute. New blocks keep the times of those they replace.
        Raises ChainError beyond the genesis, StatePruned beyond the undo log.
        """
        if not 0 < depth <= self.head.number:
            raise ChainError(f"cannot replace {depth} of {self.head.number} blocks")
        fork = self.head.number - depth
        times = [sealed.block.time_s for sealed in self._blocks[fork + 1 :]]
        groups: dict[int, list[Decoded]] = {}
        for raw, offset in remine:
            groups.setdefault(offset, []).append(decode_transaction(raw, self.chain_id))
        self._unwind(fork)
        built = []
        for offset in range(depth if new_blocks is None else new_blocks):
            time_s = times[offset] if offset < depth else None
            built.append(self._build(groups.get(offset, []), time_s=time_s))
        self._keep(fork, built)

    # Sealing

    def _seal_waiting(self, *, empty: bool) -> None:
        chosen = self._pool.take(self._machine.store.get_nonce, next_base_fee(self.head), self.gas_limit)
        if chosen or empty:
            fork = self.head.number
            self._keep(fork, [self._build(chosen)])

    def _build(self, transactions: Sequence[Decoded], *, edits: Edits = (), time_s: int | None = None) -> Sealed:
        """Execute the next block on top of the head. What turns out not to be executable is left out, and lost."""
        env = self._environment(self._times.after(self.head) if time_s is None else time_s)
        self._machine.enter(env, self._ancestors(env.number))
        for address, wei in edits:
            self._machine.store.set_balance(address, wei)
        done = [(tx, self._machine.apply(tx)) for tx in transactions if self._is_executable(tx)]
        return self._seal(assemble(self.head, env, edits, done), edits, done)

    def _seal(self, sealed: Sealed, edits: Edits, done: Executed) -> Sealed:
        """Put an assembled block on the chain, with the way back from it and what the file will keep of it."""
        store = self._machine.store
        sealed.undo = store.take_block_undo()
        if self._store:
            changes = store.changes(sealed.undo)
            sealed.record = record_of(sealed.block, self._branch, edits, done, changes)
        self._append(sealed)
        return sealed

    def _is_executable(self, tx: Decoded) -> bool:
        store = self._machine.store
        nonce = store.get_nonce(tx.sender)
        try:
            check_admissible(tx, nonce, store.get_balance(tx.sender), self.gas_limit)
        except TransactionRefused:
            return False
        return bool(tx.nonce == nonce)

    def _append(self, sealed: Sealed) -> None:
        self._blocks.append(sealed)
        for index, receipt in enumerate(sealed.receipts):
            self._mined[receipt.tx_hash] = (sealed.block.number, index)
        if len(self._blocks) > UNDO_BLOCKS_MAX:
            self._blocks[-UNDO_BLOCKS_MAX].undo = None

    def _keep(self, fork: int, sealed: list[Sealed]) -> None:
        """Make the blocks after `fork` durable before anyone hears of them; on a disk error they never were."""
        if self._store is None:
            return
        try:
            self._store.replace(fork, [each.record for each in sealed if each.record])
        except (sqlite3.Error, StoreMismatch):
            self._unwind(fork)
            raise

    def _unwind(self, number: int) -> None:
        """Step back to the state after block `number`."""
        doomed = self._blocks[number + 1 :]
        if any(sealed.undo is None for sealed in doomed):
            raise StatePruned(f"block {number} is more than {UNDO_BLOCKS_MAX} blocks ago")
        for sealed in reversed(doomed):
            swap(reversed(sealed.undo or []))
            for receipt in sealed.receipts:
                del self._mined[receipt.tx_hash]
        del self._blocks[number + 1 :]
        self._branch += 1  # the same transactions in the same second now make another hash

    @contextmanager
    def _state_after(self, block: BlockId) -> Iterator[None]:
        """The world as it was after a block, for the duration."""
        number = self.number_of(block)
        entries: list[Undo] = []
        for sealed in reversed(self._blocks[number + 1 :]):
            if sealed.undo is None:
                raise StatePruned(f"the state of block {number} is no longer kept")
            entries.extend(reversed(sealed.undo))
        redo = swap(entries)
        self._machine.enter(self._blocks[number].env, self._ancestors(number))
        try:
            yield
        finally:
            swap(redo)

    def _environment(self, time_s: int) -> Environment:
        parent = self.head
        seed = bytes(keccak(encode_rlp([parent.hash, self._branch])))
        return Environment(parent.number + 1, time_s, next_base_fee(parent), self.gas_limit, seed)

    def _ancestors(self, number: int) -> Iterator[Hash]:
        return (sealed.block.hash for sealed in reversed(self._blocks[max(0, number - 256) : number]))

    def _genesis(self, meta: ChainMeta) -> Sealed:
        for address, wei in meta.allocation:
            self._machine.store.set_balance(address, int(wei))
        self._machine.store.undo.clear()
        return genesis(meta)

    def _restore(self, *, verify: bool) -> None:
        for record in self._store.records() if self._store else []:
            if record.number != self.head.number + 1:
                raise StoreMismatch(f"block {self.head.number + 1} is missing")
            self._branch = record.branch
            sealed = self._execute_again(record) if verify else self._recall(record)
            if sealed.block.hash != record.hash:
                raise StoreMismatch(f"block {record.number} does not come to its recorded hash")
            if sealed.record != record:
                raise StoreMismatch(f"block {record.number} does not have its recorded effects")

    def _recall(self, record: BlockRecord) -> Sealed:
        """Rebuild a block from its recorded effects, a few hundred times faster than from its transactions."""
        effects = read_effects(record)
        env = self._environment(record.time_s)
        self._machine.store.lock_changes()
        self._machine.store.apply(effects.changes)
        transactions = [decode_transaction(raw, self.chain_id, recover=False) for raw in record.transactions]
        done = list(zip(transactions, effects.outcomes, strict=True))
        edits = edits_of(record)
        return self._seal(assemble(self.head, env, edits, done), edits, done)

    def _execute_again(self, record: BlockRecord) -> Sealed:
        transactions = [decode_transaction(raw, self.chain_id) for raw in record.transactions]
        return self._build(transactions, edits=edits_of(record), time_s=record.time_s)
