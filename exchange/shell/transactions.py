"""Signed EIP-1559 transactions as bytes: built, signed and hashed here, with no node and no clock.

May import rlp, coincurve and tiny_keccak. eth-account does the same with validation of every field on the way;
a sender that signs each settlement twice (fee bumps) and the contract tests, which sign thousands, want the
short road.
"""

from dataclasses import dataclass
from functools import lru_cache

from coincurve import PrivateKey
from rlp.codec import encode
from tiny_keccak import keccak256 as keccak

from exchange.shell.chain import Address, Hash

_TYPE_2 = b"\x02"


@dataclass(frozen=True, slots=True)
class Payload:
    """What a transaction does, before anyone has signed it. Fees in wei per gas; `to` None deploys `data`."""

    to: Address | None
    data: bytes
    value: int
    gas: int
    max_fee: int
    priority_fee: int


def encode_rlp(value: object) -> bytes:
    """Recursive length prefix of integers, bytes and lists of them."""
    return bytes(encode(value))  # type: ignore[no-untyped-call]


@lru_cache(maxsize=256)
def _private_key(key: bytes) -> PrivateKey:
    return PrivateKey(key)


@lru_cache(maxsize=4096)
def address_of(key: bytes) -> Address:
    """The account that a 32-byte private key controls."""
    point = _private_key(key).public_key.format(compressed=False)
    return bytes(keccak(point[1:])[-20:])


def sign_transaction(key: bytes, chain_id: int, nonce: int, payload: Payload) -> bytes:
    """The raw transaction: type byte, then RLP of the fields and a deterministic low-s signature."""
    fields = [
        chain_id,
        nonce,
        payload.priority_fee,
        payload.max_fee,
        payload.gas,
        payload.to or b"",
        payload.value,
        payload.data,
        [],
    ]
    digest = keccak(_TYPE_2 + encode_rlp(fields))
    signature = _private_key(key).sign_recoverable(digest, hasher=None)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    return bytes(_TYPE_2 + encode_rlp([*fields, signature[64], r, s]))


def transaction_hash(raw: bytes) -> Hash:
    """The name of a raw typed transaction on any chain."""
    return bytes(keccak(raw))


def contract_address(sender: Address, nonce: int) -> Address:
    """Where the deployment with this nonce will live."""
    return bytes(keccak(encode_rlp([sender, nonce]))[-20:])
