"""The offline half of a trader: keys sign here, and nothing here touches a socket.

Owns the ``authorization`` object of orders, the login of wallets, the counter of nonces and the reading of receipts.
Imports dialect and signing.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from exchange.core.units import Price, Qty
from exchange.dialect.numbers import price_units, qty_units
from exchange.signing import (
    Order,
    Receipt,
    address_of,
    domain_separator,
    from_hex,
    login_digest,
    order_digest,
    receipt_digest,
    recover,
    sign,
    to_hex,
)

Number = Decimal | int | str | float


class Untrusted(Exception):
    """The venue is not the one pinned, or a receipt does not carry the operator's signature."""


class Venue(msgspec.Struct, frozen=True):
    """What orders are signed for: addresses as checksummed text."""

    name: str
    chain_id: int
    clearing: str
    operator: str

    def domain(self) -> bytes:
        """EIP-712 separator of Clearing."""
        return domain_separator(self.chain_id, from_hex(self.clearing))


class SignedReceipt(NamedTuple):
    """The operator's word that the message stands in the journal."""

    receipt: Receipt
    signature: bytes


class Nonces:
    """A counter per account. Share one object among the clients of an account, so that no nonce repeats."""

    def __init__(self) -> None:
        self._next: dict[int, int] = {}

    def start_at(self, account: int, nonce: int) -> None:
        """Never give out anything below ``nonce``."""
        self._next[account] = max(self._next.get(account, 0), nonce)

    def take(self, account: int) -> int:
        """The next unused nonce."""
        nonce = self._next.get(account, 0)
        self._next[account] = nonce + 1
        return nonce


def sign_order(key: bytes, domain: bytes, order: Order) -> dict[str, Any]:
    """The ``authorization`` object of an order, signed offline. Raises SigningError when a field leaves its type."""
    return {
        "account": order.account,
        "nonce": order.nonce,
        "expiry": order.expiry,
        "max_fee": order.max_fee,
        "replaces": order.replaces,
        "signature": "0x" + sign(key, order_digest(domain, order)).hex(),
    }


def sign_login(key: bytes, timestamp_ms: int, nonce: str, data: str = "") -> dict[str, Any]:
    r"""Parameters of ``public/auth`` for a wallet: EIP-191 over ``timestamp\nnonce\ndata``."""
    digest = login_digest(f"{timestamp_ms}\n{nonce}\n{data}")
    return {
        "grant_type": "client_signature",
        "client_id": to_hex(address_of(key)),
        "timestamp": timestamp_ms,
        "nonce": nonce,
        "data": data,
        "signature": "0x" + sign(key, digest).hex(),
    }


def exact_price(value: Number) -> Price:
    """A price as 1e-6 USDC. Raises NotExact when it is finer."""
    return price_units(_decimal(value))


def exact_qty(value: Number) -> Qty:
    """An amount as 1e-4 contract. Raises NotExact when it is finer."""
    return qty_units(_decimal(value))


def _decimal(value: Number) -> Decimal:
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def parse_receipt(value: Mapping[str, Any]) -> SignedReceipt:
    """Receipt from its JSON object."""
    plain = Receipt(
        seq=value["seq"],
        prior_root=bytes.fromhex(value["prior_root"][2:]),
        record_hash=bytes.fromhex(value["record_hash"][2:]),
        time_ns=value["time_ns"],
    )
    return SignedReceipt(plain, bytes.fromhex(value["signature"][2:]))


def verify_receipt(venue: Venue, receipt: SignedReceipt) -> None:
    """Raise Untrusted unless the venue's operator signed the receipt."""
    signer = recover(receipt_digest(venue.domain(), receipt.receipt), receipt.signature)
    if to_hex(signer) != venue.operator:
        raise Untrusted(f"receipt {receipt.receipt.seq} is not signed by the operator")
