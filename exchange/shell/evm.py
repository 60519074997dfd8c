"""The virtual machine of the embedded chain: py-evm's Prague rules over the flat store.

Owns how a transaction or a call executes; knows nothing of blocks as a chain, pools or files (`devchain.py`
does). Gas is exact: the schedule, refunds and the calldata floor are py-evm's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from eth.abc import SignedTransactionAPI
from eth.constants import ZERO_ADDRESS, ZERO_HASH32
from eth.vm.code_stream import CodeStream
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.berlin.transactions import calculate_txn_intrinsic_gas_berlin
from eth.vm.forks.london.transactions import UnsignedDynamicFeeTransaction
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.forks.prague.state import PragueState, PragueTransactionExecutor
from eth.vm.message import Message

from exchange.shell.chain import InsufficientFunds, Reverted, revert_reason
from exchange.shell.flatstore import FlatStore
from exchange.shell.opcodes import fast_opcodes
from exchange.shell.transactions import contract_address


@lru_cache(maxsize=512)
def _analysis(_code: bytes) -> tuple[set[int], set[int], dict[int, int]]:
    """What has been learnt of one code: valid and invalid jump targets, literals. Its executions fill and share it."""
    return set(), set(), {}


class _SharedCodeStream(CodeStream):
    def __init__(self, code: bytes) -> None:
        super().__init__(code)
        self.valid_positions, self.invalid_positions, self.literals = _analysis(code)


class _Computation(PragueComputation):
    opcodes = fast_opcodes(PragueComputation.opcodes)

    def __init__(self, state: Any, message: Any, transaction_context: Any) -> None:
        super().__init__(state, message, transaction_context)
        self.code = _SharedCodeStream(message.code)

    def extend_memory(self, start_position: int, size: int) -> None:
        """Charge for and add what memory lacks; most often it lacks nothing, and that is seen at once."""
        if size and start_position + size > len(self._memory):
            super().extend_memory(start_position, size)


class _Executor(PragueTransactionExecutor):
    def validate_transaction(self, transaction: SignedTransactionAPI) -> None:
        """The pool has validated it with typed errors; py-evm would recover the signature a second time."""


class State(PragueState):
    """py-evm's Prague state, its checkpoints being positions in the undo log."""

    account_db_class = FlatStore  # type: ignore[assignment]
    computation_class = _Computation
    transaction_executor_class = _Executor

    @property
    def store(self) -> FlatStore:
        """The dictionaries underneath."""
        return self._account_db  # type: ignore[return-value]

    def snapshot(self) -> Any:
        """A position in the undo log."""
        return len(self.store.undo)

    def revert(self, snapshot: Any) -> None:
        """Undo a frame."""
        self.store.rollback(snapshot)

    def commit(self, snapshot: Any) -> None:
        """A frame that succeeds leaves its entries to its parent."""

    def get_transient_storage(self, address: bytes, slot: int) -> bytes:
        """TLOAD."""
        return self.store.get_transient(address, slot)

    def set_transient_storage(self, address: bytes, slot: int, value: bytes) -> None:
        """TSTORE."""
        self.store.set_transient(address, slot, value)

    def clear_transient_storage(self) -> None:
        """Done by lock_changes when the next transaction begins."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What the code of a block can see of it. `seed` is PREVRANDAO and tells branches apart."""

    number: int
    time_s: int
    base_fee: int
    gas_limit: int
    seed: bytes
    coinbase: bytes = ZERO_ADDRESS


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an executed transaction did. `logs` are (emitter, topics, data); `output` is revert data when not ok."""

    ok: bool
    gas_used: int
    output: bytes
    created: bytes | None
    logs: tuple[tuple[bytes, tuple[bytes, ...], bytes], ...]


class Machine:
    """Executes transactions and calls on one store, in the environment last entered."""

    def __init__(self, chain_id: int) -> None:
        """Start with an empty world; `enter` must follow before anything executes."""
        self.chain_id = chain_id
        self.state = State(None, None, ZERO_HASH32)  # type: ignore[arg-type]
        self.store = self.state.store

    def enter(self, env: Environment, ancestors: Iterator[bytes]) -> None:
        """Execute in this block from now on. `ancestors` yields block hashes from the parent backwards."""
        self.state.execution_context = ExecutionContext(
            coinbase=env.coinbase,  # type: ignore[arg-type]
            timestamp=env.time_s,
            block_number=env.number,  # type: ignore[arg-type]
            difficulty=0,
            mix_hash=env.seed,  # type: ignore[arg-type]
            gas_limit=env.gas_limit,
            prev_hashes=ancestors,  # type: ignore[arg-type]
            chain_id=self.chain_id,
            base_fee_per_gas=env.base_fee,
            excess_blob_gas=0,
        )

    def apply(self, transaction: SignedTransactionAPI) -> Outcome:
        """Execute a validated transaction and keep its effects."""
        self.store.lock_changes()
        computation = self.state.apply_transaction(transaction)
        used = transaction.gas - computation.get_gas_remaining()
        refund = _Executor.calculate_gas_refund(computation, used)
        created = None
        if transaction.to == b"" and computation.is_success:
            created = contract_address(transaction.sender, transaction.nonce)
        logs = tuple(
            (address, tuple(topic.to_bytes(32, "big") for topic in topics), bytes(data))
            for address, topics, data in computation.get_log_entries()
        )
        # EIP-7623: what calldata costs at least. py-evm has already taken it from the sender's balance.
        gas_used = used - refund + computation.data_floor_gas
        return Outcome(computation.is_success, gas_used, bytes(computation.output), created, logs)

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """Whatever happens inside is taken back."""
        mark = len(self.store.undo)
        self.store.lock_changes()
        try:
            yield
        finally:
            self.store.rollback(mark)

    def call(self, sender: bytes, to: bytes, data: bytes, value: int, gas: int) -> bytes:
        """Execute a message and take it back. Raises Reverted, or InsufficientFunds for a value not held."""
        with self._aside():
            computation = self._message(sender, to, data, value, gas)
            if computation.is_error:
                raise _reverted(computation)
            return bytes(computation.output)

    def estimate(self, sender: bytes, to: bytes | None, data: bytes, value: int) -> int:
        """Gas a transaction must offer: what it consumes before refunds, or the calldata floor if that is
        more.

        A contract that hands a share of its remaining gas to another may consume less here than it asks
        for; senders add a margin. Raises Reverted, InsufficientFunds.
        """
        intrinsic = intrinsic_gas(to, data)
        with self._aside():
            gas = self.state.gas_limit - intrinsic
            computation = self._message(sender, to, data, value, gas)
            if computation.is_error:
                raise _reverted(computation)
            used: int = gas - computation.get_gas_remaining()
            return max(intrinsic + used, floor_gas(data))

    def _message(self, sender: bytes, to: bytes | None, data: bytes, value: int, gas: int) -> Any:
        if self.store.get_balance(sender) < value:
            raise InsufficientFunds(f"{value} wei sent, {self.store.get_balance(sender)} held")
        state, target = self.state, to or b""
        created = None if to else contract_address(sender, self.store.get_nonce(sender))
        message = Message(
            gas=gas,
            to=target,  # type: ignore[arg-type]
            sender=sender,  # type: ignore[arg-type]
            value=value,
            data=data if to else b"",
            code=self.store.get_code(to) if to else data,
            create_address=created,  # type: ignore[arg-type]
        )
        context = state.get_transaction_context_class()(gas_price=0, origin=sender)  # type: ignore[arg-type]
        self.store.mark_address_warm(sender)
        self.store.mark_address_warm(message.storage_address)
        apply = _Computation.apply_message if to else _Computation.apply_create_message
        return apply(state, message, context)


def _reverted(computation: Any) -> Reverted:
    output = bytes(computation.output)
    return Reverted(revert_reason(output) or _fault(computation.error), output)


def _fault(error: Exception) -> str:
    """A bare revert has no reason; every other fault is named as py-evm names it (OutOfGas, InvalidInstruction)."""
    return "" if type(error).__name__ == "Revert" else type(error).__name__


def intrinsic_gas(to: bytes | None, data: bytes) -> int:
    """Gas owed before the first instruction."""
    unsigned = UnsignedDynamicFeeTransaction(0, 0, 0, 0, 0, to or b"", 0, data, [])
    return int(calculate_txn_intrinsic_gas_berlin(unsigned))


def floor_gas(data: bytes) -> int:
    """EIP-7623: the least a transaction with this calldata pays."""
    zeros = data.count(0)
    return 21_000 + 10 * (zeros + 4 * (len(data) - zeros))
