"""Transactions that wait for a block of the embedded chain: admission with typed refusals, replacement,
selection.

Owns no state of accounts; what it must know of them it is told. May import py-evm's transaction classes.
"""

from collections.abc import Callable
from typing import Any

from eth.constants import SECPK1_N
from eth.vm.forks.prague.transactions import PragueTransactionBuilder
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException

from exchange.shell.chain import (
    Address,
    AlreadyKnown,
    GasTooHigh,
    GasTooLow,
    Hash,
    InsufficientFunds,
    MalformedTransaction,
    NonceTooLow,
    PoolFull,
    ReplacementUnderpriced,
    WrongChain,
)
from exchange.shell.evm import floor_gas

POOL_SIZE_MAX = 4096
NONCE_GAP_MAX = 1024
_BLOB_TYPE = 3

Decoded = Any  # py-evm's signed transaction: hash, sender, to, nonce, value, data, gas, max_fee_per_gas, ...


def decode_transaction(raw: bytes, chain_id: int, *, recover: bool = True) -> Decoded:
    """Decode and recover the sender, or leave that for whoever asks. Raises MalformedTransaction or WrongChain."""
    try:
        transaction = PragueTransactionBuilder.decode(raw)
        if recover:
            transaction.sender  # noqa: B018 - the recovery is cached on the object
    except (RLPException, ValidationError, BadSignature, ValueError, IndexError, TypeError) as error:
        raise MalformedTransaction(str(error)) from error
    if transaction.type_id == _BLOB_TYPE:
        raise MalformedTransaction("blobs have no place on a development chain")
    if transaction.s > SECPK1_N // 2:
        raise MalformedTransaction("the signature has the high s that EIP-2 forbids")
    if transaction.chain_id not in (None, chain_id):
        raise WrongChain(f"signed for chain {transaction.chain_id}, this is {chain_id}")
    return transaction


class Pool:
    """Waiting transactions by account and nonce. Bounded by POOL_SIZE_MAX, and by NONCE_GAP_MAX ahead of an account."""

    def __init__(self) -> None:
        """Start empty."""
        self._waiting: dict[Address, dict[int, Decoded]] = {}
        self._by_hash: dict[Hash, Decoded] = {}

    def __len__(self) -> int:
        return len(self._by_hash)

    def get(self, tx_hash: Hash) -> Decoded | None:
        """The waiting transaction of that hash."""
        return self._by_hash.get(tx_hash)

    def copy(self) -> "Pool":
        """An independent pool with the same content."""
        twin = Pool()
        twin._waiting = {sender: dict(queue) for sender, queue in self._waiting.items()}
        twin._by_hash = dict(self._by_hash)
        return twin

    def admit(self, tx: Decoded, nonce: int, balance: int, gas_limit: int) -> None:
        """Take a transaction of an account with this next nonce and balance. Raises a TransactionRefused."""
        if tx.hash in self._by_hash:
            raise AlreadyKnown(f"0x{tx.hash.hex()} waits already")
        check_admissible(tx, nonce, balance, gas_limit)
        queue = self._waiting.setdefault(tx.sender, {})
        rival = queue.get(tx.nonce)
        if rival is not None:
            _check_outbids(tx, rival)
            del self._by_hash[rival.hash]
        elif len(self._by_hash) >= POOL_SIZE_MAX or tx.nonce > nonce + NONCE_GAP_MAX:
            raise PoolFull(f"{len(self._by_hash)} transactions wait; nonce {tx.nonce}, next {nonce}")
        queue[tx.nonce] = tx
        self._by_hash[tx.hash] = tx

    def discard(self, tx: Decoded) -> None:
        """Forget a transaction, and whatever else waited with its nonce."""
        queue = self._waiting.get(tx.sender, {})
        rival = queue.pop(tx.nonce, None)
        if rival is not None:
            del self._by_hash[rival.hash]
        if not queue:
            self._waiting.pop(tx.sender, None)

    def next_nonce(self, address: Address, nonce: int) -> int:
        """The account's nonce once everything that waits without a gap has been mined."""
        queue = self._waiting.get(address, {})
        while nonce in queue:
            nonce += 1
        return nonce

    def take(self, nonce_of: Callable[[Address], int], base_fee: int, room: int) -> list[Decoded]:
        """Remove and return what fits a block of `room` gas: each account's in nonce order, accounts as they came."""
        chosen: list[Decoded] = []
        for sender in list(self._waiting):
            nonce = nonce_of(sender)
            while (tx := self._waiting.get(sender, {}).get(nonce)) is not None:
                if tx.max_fee_per_gas < base_fee or tx.gas > room:
                    break
                self.discard(tx)
                chosen.append(tx)
                nonce, room = nonce + 1, room - tx.gas
        return chosen


def check_admissible(tx: Decoded, nonce: int, balance: int, gas_limit: int) -> None:
    """The rules every transaction meets before it may wait. Raises a TransactionRefused."""
    if tx.nonce < nonce:
        raise NonceTooLow(f"nonce {tx.nonce}, next is {nonce}")
    needed = max(tx.intrinsic_gas, floor_gas(tx.data))
    if tx.gas < needed:
        raise GasTooLow(f"{tx.gas} gas offered, {needed} needed")
    if tx.gas > gas_limit:
        raise GasTooHigh(f"{tx.gas} gas asked, a block holds {gas_limit}")
    if tx.max_priority_fee_per_gas > tx.max_fee_per_gas:
        raise MalformedTransaction("the tip exceeds the whole fee")
    cost = tx.gas * tx.max_fee_per_gas + tx.value
    if balance < cost:
        raise InsufficientFunds(f"{cost} wei needed, {balance} held")


def _check_outbids(tx: Decoded, rival: Decoded) -> None:
    for new, old in (
        (tx.max_fee_per_gas, rival.max_fee_per_gas),
        (tx.max_priority_fee_per_gas, rival.max_priority_fee_per_gas),
    ):
        if new * 10 < old * 11:
            raise ReplacementUnderpriced(f"{new} offered, {old} waits: a tenth more is asked")
