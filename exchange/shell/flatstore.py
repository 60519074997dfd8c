"""Accounts, storage and code of the embedded chain as dictionaries, with one undo log through which all
writes go.

Owns the data and the way back; has the methods that py-evm's state expects of its account database.
py-evm's own one hashes a trie on every write and cannot step back across transactions; here stepping back
any distance is a list walk. Original values (EIP-2200) and warm sets (EIP-2929) are kept per transaction,
so gas stays exact.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from eth.constants import EMPTY_SHA3, ZERO_HASH32
from tiny_keccak import keccak256 as keccak

_ABSENT: Any = object()  # marks a key that was not in its table
Undo = tuple[dict[Any, Any], Any, Any]  # table, key, value before (or _ABSENT)


class Account(NamedTuple):
    """Everything about an account but its storage. An account that is all zero is not stored."""

    nonce: int = 0
    balance: int = 0
    code: bytes = b""


_NOBODY = Account()


@lru_cache(maxsize=512)
def _code_hash(code: bytes) -> bytes:
    return bytes(keccak(code)) if code else EMPTY_SHA3


class Slots(dict[int, int]):
    """The storage of one account."""

    __slots__ = ("address",)

    def __init__(self, address: bytes) -> None:
        """Empty, and knowing whose it is."""
        super().__init__()
        self.address = address


class Changes(msgspec.Struct, frozen=True, array_like=True):
    """What a block left different: accounts as they are now (None: gone), storage wiped, slots as they are
    now.

    Numbers beyond 64 bits travel as big-endian bytes. Sorted, so that equal effects are equal bytes.
    """

    accounts: list[tuple[bytes, tuple[int, bytes, bytes] | None]]
    wiped: list[bytes]
    slots: list[tuple[bytes, list[tuple[bytes, bytes]]]]


class FlatStore:
    """Accounts and storage with an undo log; has the methods py-evm's state expects of its account database."""

    state_root = ZERO_HASH32  # no trie, so no root: the devchain commits to receipts instead

    def __init__(self, _db: object = None, _root: bytes = ZERO_HASH32) -> None:
        """Start empty. The arguments are py-evm's calling convention and carry nothing here."""
        self.accounts: dict[bytes, Account] = {}
        self.storage: dict[bytes, Slots] = {}
        self.undo: list[Undo] = []
        self._warm: dict[Any, bool] = {}
        self._transient: dict[tuple[bytes, int], bytes] = {}
        self._originals: dict[tuple[bytes, int], int] = {}

    # One place writes, so one place can take back.

    def _put(self, table: dict[Any, Any], key: object, value: object) -> None:
        self.undo.append((table, key, table.get(key, _ABSENT)))
        if value is _ABSENT:
            table.pop(key, None)
        else:
            table[key] = value

    def rollback(self, mark: int) -> list[Undo]:
        """Undo everything after `mark` and return the log that would redo it."""
        redo = swap(reversed(self.undo[mark:]))
        del self.undo[mark:]
        return redo

    def take_block_undo(self) -> list[Undo]:
        """Empty the log into the smallest list that undoes a whole block: the first old value of each key."""
        tables = (id(self._warm), id(self._transient))
        first: dict[tuple[int, Any], Undo] = {}
        for entry in self.undo:
            if id(entry[0]) not in tables:
                first.setdefault((id(entry[0]), entry[1]), entry)
        self.undo.clear()
        return list(first.values())

    def changes(self, undo: list[Undo]) -> Changes:
        """The present values of everything that `undo` would put back."""
        accounts: dict[bytes, tuple[int, bytes, bytes] | None] = {}
        slots: dict[bytes, list[tuple[bytes, bytes]]] = {}
        wiped: list[bytes] = []
        for table, key, old in undo:
            if table is self.accounts:
                account = self.accounts.get(key)
                accounts[key] = account and (account.nonce, _shortest(account.balance), account.code)
            elif table is self.storage:
                wiped += [] if old is _ABSENT else [key]
            elif isinstance(table, Slots) and self.storage.get(table.address) is table:
                slots.setdefault(table.address, []).append((_shortest(key), _shortest(table.get(key, 0))))
        for each in slots.values():
            each.sort()
        return Changes(sorted(accounts.items()), sorted(wiped), sorted(slots.items()))

    def apply(self, changes: Changes) -> None:
        """Write what a block changed, undoable like any other writing."""
        for address in changes.wiped:
            self.delete_storage(address)
        for address, account in changes.accounts:
            nonce, balance, code = account or (0, b"", b"")
            value = Account(nonce, int.from_bytes(balance, "big"), code) if account else _ABSENT
            self._put(self.accounts, address, value)
        for address, slots in changes.slots:
            for slot, word in slots:
                self.set_storage(address, int.from_bytes(slot, "big"), int.from_bytes(word, "big"))

    # Storage

    def get_storage(self, address: bytes, slot: int, from_journal: bool = True) -> int:
        """The value now, or at the start of the transaction when `from_journal` is false."""
        if not from_journal and (address, slot) in self._originals:
            return self._originals[address, slot]
        slots = self.storage.get(address)
        return slots.get(slot, 0) if slots else 0

    def set_storage(self, address: bytes, slot: int, value: int) -> None:
        """Write a slot; zero removes it."""
        slots = self.storage.get(address)
        if slots is None:
            slots = Slots(address)
            self._put(self.storage, address, slots)
        self._originals.setdefault((address, slot), slots.get(slot, 0))
        self._put(slots, slot, value or _ABSENT)

    def delete_storage(self, address: bytes) -> None:
        """Forget every slot of an account."""
        if address in self.storage:
            self._put(self.storage, address, _ABSENT)

    # Accounts

    def _set(self, address: bytes, account: Account) -> None:
        self._put(self.accounts, address, account)

    def get_balance(self, address: bytes) -> int:
        """Wei."""
        return self.accounts.get(address, _NOBODY).balance

    def set_balance(self, address: bytes, balance: int) -> None:
        """Wei."""
        account = self.accounts.get(address, _NOBODY)
        if account.balance != balance:
            self._set(address, Account(account.nonce, balance, account.code))

    def get_nonce(self, address: bytes) -> int:
        """The next nonce."""
        return self.accounts.get(address, _NOBODY).nonce

    def set_nonce(self, address: bytes, nonce: int) -> None:
        """Write the next nonce."""
        account = self.accounts.get(address, _NOBODY)
        self._set(address, Account(nonce, account.balance, account.code))

    def increment_nonce(self, address: bytes) -> None:
        """Spend one nonce."""
        self.set_nonce(address, self.get_nonce(address) + 1)

    def get_code(self, address: bytes) -> bytes:
        """Runtime code, empty for a wallet."""
        return self.accounts.get(address, _NOBODY).code

    def set_code(self, address: bytes, code: bytes) -> None:
        """Install runtime code."""
        account = self.accounts.get(address, _NOBODY)
        self._set(address, Account(account.nonce, account.balance, code))

    def delete_code(self, address: bytes) -> None:
        """Remove runtime code (an EIP-7702 delegation to nobody)."""
        self.set_code(address, b"")

    def get_code_hash(self, address: bytes) -> bytes:
        """keccak256 of the runtime code."""
        return _code_hash(self.get_code(address))

    def account_has_code_or_nonce(self, address: bytes) -> bool:
        """Whether a deployment there would collide."""
        account = self.accounts.get(address, _NOBODY)
        return account.nonce != 0 or account.code != b""

    def account_exists(self, address: bytes) -> bool:
        """Whether anything was ever written."""
        return address in self.accounts

    def account_is_empty(self, address: bytes) -> bool:
        """EIP-161: no nonce, no balance, no code."""
        return self.accounts.get(address, _NOBODY) == _NOBODY

    def touch_account(self, address: bytes) -> None:
        """Touching an empty account leaves nothing behind since EIP-161, so there is nothing to do."""

    def delete_account(self, address: bytes) -> None:
        """Remove an account with its storage."""
        self.delete_storage(address)
        if address in self.accounts:
            self._put(self.accounts, address, _ABSENT)

    # Warm sets (EIP-2929) and transient storage (EIP-1153): undone with a frame, emptied with the transaction

    def is_storage_warm(self, address: bytes, slot: int) -> bool:
        """Whether this transaction has touched the slot."""
        return (address, slot) in self._warm

    def mark_storage_warm(self, address: bytes, slot: int) -> None:
        """Remember that this transaction touched the slot."""
        if (address, slot) not in self._warm:
            self._put(self._warm, (address, slot), True)

    def is_address_warm(self, address: bytes) -> bool:
        """Whether this transaction has touched the account."""
        return address in self._warm

    def mark_address_warm(self, address: bytes) -> None:
        """Remember that this transaction touched the account."""
        if address not in self._warm:
            self._put(self._warm, address, True)

    def get_transient(self, address: bytes, slot: int) -> bytes:
        """The transient value; empty bytes when never written."""
        return self._transient.get((address, slot), b"")

    def set_transient(self, address: bytes, slot: int, value: bytes) -> None:
        """Write a transient slot."""
        self._put(self._transient, (address, slot), value)

    def lock_changes(self) -> None:
        """Begin a transaction: everything is cold, nothing is transient, present values are the originals."""
        self._warm.clear()
        self._transient.clear()
        self._originals.clear()


def _shortest(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def swap(entries: Iterable[Undo]) -> list[Undo]:
    """Put the remembered values back, in the order given; returns what was there instead, oldest first."""
    replaced: list[Undo] = []
    for table, key, value in entries:
        replaced.append((table, key, table.get(key, _ABSENT)))
        if value is _ABSENT:
            table.pop(key, None)
        else:
            table[key] = value
    replaced.reverse()
    return replaced
