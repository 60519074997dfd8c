"""Typed messages of the venue: EIP-712 digests by hand, signatures, and their recovery.

Owns the structs that wallets, the operator and the oracle signers sign, and the 32 bytes they sign for them.
Addresses are 20-byte `bytes` here; `to_hex` and `from_hex` stand at the border to text. May import core, msgspec,
coincurve and tiny_keccak; knows no node, no clock and no file. The contracts hold the same types and refuse
whatever differs by a bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

import msgspec
from coincurve import PrivateKey, PublicKey
from tiny_keccak import keccak256 as keccak

from exchange.core.commands import (
    NO_TERMS,
    Authorisation,
    Block,
    BlockLeg,
    CommitIdentity,
    Operation,
    PullKill,
    QuoteLeaf,
    QuoteMandate,
    ReleaseKill,
    SetAuctions,
    SetBands,
    SetBlocks,
    SetBreaker,
    SetFeed,
    SetPhase,
    SetReference,
    SetTrading,
    Terms,
    is_for_rfq,
    terms_of,
)
from exchange.core.legs import LegsError, pack

GROUP_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
HALF_ORDER = GROUP_ORDER // 2
NO_TERMS_HASH = bytes(32)
DEV_CHAINS: Final = (1337, 31337)
"""Chains that can hold no value: development keys sign for these only."""
_LOW_255_BITS = 2**255 - 1

_DOMAIN_TYPE = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_NAME = keccak(b"Verbatim")
_VERSION = keccak(b"1")
_OF_SERIES = (
    b"Order(uint32 account,uint32 series,bool isBuy,uint64 quantity,uint64 limitPrice,uint64 maxFee,"
    b"uint8 timeInForce,bool postOnly,bool reduceOnly,uint64 replaces,uint64 nonce,uint64 expiry,bytes32 terms)"
)
_OF_COMBO = (
    b"ComboOrder(uint32 account,uint256 legs,bool isBuy,uint64 quantity,int64 limitPrice,uint64 maxFee,"
    b"uint8 timeInForce,bool postOnly,bool reduceOnly,uint64 replaces,uint64 nonce,uint64 expiry,bytes32 terms)"
)
_ORDER_TYPE, _COMBO_TYPE = keccak(_OF_SERIES), keccak(_OF_COMBO)
_RFQ_ORDER_TYPE, _RFQ_COMBO_TYPE = keccak(b"Rfq" + _OF_SERIES), keccak(b"Rfq" + _OF_COMBO)
_TERMS_TYPE = keccak(
    b"Terms(uint64 display,uint8 selfTrade,bool slide,bool market,uint8 trigger,uint64 triggerPrice,"
    b"bool triggerAbove,uint8 link,uint64 parent,uint8 attached,string protection,int64 delta,uint64 vega)"
)
_RFQ_TERMS_TYPE = keccak(b"RfqTerms(uint64 rfq,bool whole,string protection,int64 delta,uint64 vega)")

_MANDATE_TYPE = keccak(
    b"QuoteMandate(uint32 account,bytes32 root,uint64 nonce,uint64 expiry,uint64 maxFee,uint64 quantity,uint64 delta,"
    b"uint64 vega,uint32 count)"
)
_LEAF_TYPE = keccak(b"QuoteLeaf(uint32 series,bool isBuy,uint64 quantity,uint64 price,int64 delta,uint64 vega)")
_BLOCK_LEG = b"BlockLeg(uint32 series,bool isBuy,uint64 quantity,uint64 price)"
_BLOCK_LEG_TYPE = keccak(_BLOCK_LEG)
_BLOCK_TYPE = keccak(
    b"BlockTrade(uint32 maker,uint32 taker,BlockLeg[] legs,uint64 makerMaxFee,uint64 takerMaxFee,uint64 nonce,"
    b"uint64 expiry,bool queueable)" + _BLOCK_LEG
)
_BATCH_TYPE = keccak(
    b"Batch(uint64 batchId,uint64 roundId,uint64 deadline,uint64 journalSize,bytes32 journalRoot,bytes32 content)"
)
_REPLACEMENT_TYPE = keccak(b"Replacement(address signer,address successor)")
_ROUND_TYPE = keccak(b"Round(uint64 roundId,uint64 time,uint256 stable,bytes32 spots,bytes32 sheets)")
_RECEIPT_TYPE = keccak(b"Receipt(uint64 seq,bytes32 priorRoot,bytes32 recordHash,uint64 timeNs)")


class Fault(StrEnum):
    """What is wrong with a signature or an address, in the order of the checks."""

    LENGTH = "signature_length"
    HIGH_S = "signature_high_s"
    WRONG_V = "signature_wrong_v"
    NO_SIGNER = "signature_no_signer"
    ADDRESS = "address_form"
    RANGE = "value_range"


class SigningError(ValueError):
    """A value that cannot be signed, or a signature that proves nothing; `fault` says why."""

    def __init__(self, fault: Fault, detail: str) -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault = fault


class _Common(msgspec.Struct, frozen=True, kw_only=True):
    """What every order signs, of one series or of a combo. Quantity in 1e-4 contract, expiry in seconds.

    `limit_price` and `max_fee` are in 1e-6 USDC per contract; `replaces` is the nonce of the order replaced plus one,
    0 for none; `time_in_force` is 0 GTC, 1 IOC, 2 FOK. `terms` is the hash of what only the venue keeps to, such as a
    display size; 32 zero bytes when there are none. An order `for_rfq` signs a type of its own and fills
    against another such order only.
    """

    account: int
    is_buy: bool
    quantity: int
    limit_price: int
    max_fee: int
    time_in_force: int = 0
    post_only: bool = False
    reduce_only: bool = False
    replaces: int = 0
    nonce: int
    expiry: int
    terms: bytes = NO_TERMS_HASH
    for_rfq: bool = False


class Order(_Common, frozen=True, kw_only=True):
    """What a trader signs for one series, known by its number."""

    series: int


class ComboOrder(_Common, frozen=True, kw_only=True):
    """What a trader signs for a combo; ``legs`` is their word, see ``exchange.core.legs``.

    Quantity, price and fee are per unit of the combo. The price has either sign: below zero, the buyer is paid.
    """

    legs: int


class BatchHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator signs, apart from the content of the batch. `deadline` in seconds."""

    batch_id: int
    round_id: int
    deadline: int
    journal_size: int
    journal_root: bytes


class RoundHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What an oracle signer signs: `time` in seconds, `stable` in 1e-18, hashes of the spots and the sheets."""

    round_id: int
    time: int
    stable: int
    spots_hash: bytes
    sheets_root: bytes


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The venue's word that a message took place `seq` in the journal, and what the journal held before it.

    `record_hash` is the record's leaf; `prior_root` is the RFC 6962 root over the `seq` - 1 records before, so that
    each receipt is also a signed head of the whole journal (docs/adr/0008).
    """

    seq: int
    prior_root: bytes
    record_hash: bytes
    time_ns: int


def _uint(value: int, bits: int) -> bytes:
    """Big-endian word of an unsigned integer of at most `bits` bits. Raises SigningError outside the range."""
    if value < 0 or value >> bits:
        raise SigningError(Fault.RANGE, f"{value} does not fit {bits} unsigned bits")
    return value.to_bytes(32, "big")


def _int(value: int, bits: int) -> bytes:
    """Two's complement word of a signed integer of at most `bits` bits. Raises SigningError outside the range."""
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise SigningError(Fault.RANGE, f"{value} does not fit {bits} signed bits")
    return value.to_bytes(32, "big", signed=True)


def _word(value: bytes) -> bytes:
    """Exactly 32 bytes. Raises SigningError otherwise."""
    if len(value) != 32:
        raise SigningError(Fault.RANGE, f"{len(value)} bytes where 32 are needed")
    return value


@lru_cache(maxsize=64)
def domain_separator(chain_id: int, contract: bytes) -> bytes:
    """EIP-712 separator of domain {Verbatim, 1, chain_id, contract}."""
    if len(contract) != 20:
        raise SigningError(Fault.ADDRESS, f"{len(contract)} bytes where 20 are needed")
    return keccak(_DOMAIN_TYPE + _NAME + _VERSION + _uint(chain_id, 256) + contract.rjust(32, b"\0"))


def _address_word(value: bytes) -> bytes:
    """Word of an address; nobody's when it is empty. Raises SigningError for any other length."""
    if len(value) not in (0, 20):
        raise SigningError(Fault.ADDRESS, f"{len(value)} bytes where 20 are needed")
    return value.rjust(32, b"\0")


_ENCODERS: Final[dict[str, Callable[[Any], bytes]]] = {
    "bool": lambda value: _uint(value, 1),
    "uint8": lambda value: _uint(value, 8),
    "uint32": lambda value: _uint(value, 32),
    "uint64": lambda value: _uint(value, 64),
    "string": lambda value: keccak(value.encode()),
    "address": _address_word,
    "bytes32": _word,
}
_BANDS = "uint32 underlying,uint64 spot,uint64 vol,uint64 floor,string authoriser"
_KILL = "uint8 scope,uint32 account,address owner,address by,string cause"
_OPERATIONS: Final[dict[type, str]] = {
    SetTrading: "bool isOpen,string cause,uint64 auction",
    SetAuctions: "uint32 underlying,uint64 opening,uint64 volatility,uint32 extensions,uint64 bandMark,uint64 bandSpot,"
    "uint64 jumpSpot,string authoriser",
    SetPhase: "uint8 scope,uint32 subject,uint8 phase,uint64 ends,uint64 every,string cause,string authoriser",
    SetBands: _BANDS,
    SetBlocks: "uint32 underlying,uint64 minimum,string authoriser",
    SetBreaker: "uint8 scope,uint32 subject,uint8 status,uint64 stage,string cause,string authoriser",
    SetFeed: "uint32 underlying,uint64 heartbeat,uint64 thin,uint64 jumpMin,uint32 jumpDeviations,uint64 stressVol,"
    "string authoriser",
    PullKill: _KILL,
    ReleaseKill: _KILL,
    CommitIdentity: "uint32 account,uint8 role,bytes32 commitment,string authoriser",
    SetReference: "uint8 scope,uint32 subject,string field,string value,uint64 corrects,string cause,string authoriser",
}
"""Members of what the operator signs, in the order of the command's fields."""


def _typed(domain: bytes, struct_hash: bytes) -> bytes:
    return keccak(b"\x19\x01" + domain + struct_hash)


def order_digest(domain: bytes, order: Order | ComboOrder) -> bytes:
    """Digest of an order in the domain of Clearing. Raises SigningError when a field leaves its type."""
    if isinstance(order, Order):
        kind = _RFQ_ORDER_TYPE if order.for_rfq else _ORDER_TYPE
        of, limit = _uint(order.series, 32), _uint(order.limit_price, 64)
    else:
        kind = _RFQ_COMBO_TYPE if order.for_rfq else _COMBO_TYPE
        of, limit = _uint(order.legs, 256), _int(order.limit_price, 64)
    fields = (
        _uint(order.account, 32),
        of,
        _uint(order.is_buy, 1),
        _uint(order.quantity, 64),
        limit,
        _uint(order.max_fee, 64),
        _uint(order.time_in_force, 8),
        _uint(order.post_only, 1),
        _uint(order.reduce_only, 1),
        _uint(order.replaces, 64),
        _uint(order.nonce, 64),
        _uint(order.expiry, 64),
        _word(order.terms),
    )
    return _typed(domain, keccak(kind + b"".join(fields)))


def terms_hash(terms: Terms | None) -> bytes:
    """What stands for the terms in a signed order: their EIP-712 struct hash, or zero when all are as by default.

    An order for a request for quotes signs a type of its own, which has no room for what only makes sense in a book.
    Raises SigningError when a field leaves its type.
    """
    if terms is None or terms == NO_TERMS:
        return NO_TERMS_HASH
    if terms.rfq or terms.whole:
        return _rfq_terms_hash(terms)
    fields = (
        _uint(terms.display, 64),
        _uint(terms.self_trade, 8),
        _uint(terms.slide, 1),
        _uint(terms.market, 1),
        _uint(terms.trigger, 8),
        _uint(terms.trigger_price, 64),
        _uint(terms.trigger_above, 1),
        _uint(terms.link, 8),
        _uint(terms.parent, 64),
        _uint(terms.attached, 8),
        keccak(terms.protection.encode()),
        _int(terms.delta, 64),
        _uint(terms.vega, 64),
    )
    return keccak(_TERMS_TYPE + b"".join(fields))


def _rfq_terms_hash(terms: Terms) -> bytes:
    if not is_for_rfq(terms):
        raise SigningError(Fault.RANGE, "an order for a request for quotes has no terms for a book")
    fields = (
        _uint(terms.rfq, 64),
        _uint(terms.whole, 1),
        keccak(terms.protection.encode()),
        _int(terms.delta, 64),
        _uint(terms.vega, 64),
    )
    return keccak(_RFQ_TERMS_TYPE + b"".join(fields))


def operation_digest(domain: bytes, operation: Operation, nonce: int, expiry_s: int) -> bytes:
    """Digest of what the operator commands, in the domain of Clearing: a struct of the command's name, all its fields,
    and the warrant's two. Raises SigningError when a field leaves its type.
    """
    name, members = type(operation).__name__, f"{_OPERATIONS[type(operation)]},uint64 nonce,uint64 expiry"
    types = [member.split(" ")[0] for member in members.split(",")]
    values = (*msgspec.structs.astuple(operation), nonce, expiry_s)
    fields = b"".join(_ENCODERS[kind](value) for kind, value in zip(types, values, strict=True))
    return _typed(domain, keccak(keccak(f"{name}({members})".encode()) + fields))


def leaf_hash(index: int, leaf: QuoteLeaf) -> bytes:
    """Hash of one quote at its place in a message. Its 256 bytes cannot be mistaken for the 64 of an inner node."""
    fields = (
        _uint(leaf.series, 32),
        _uint(leaf.is_buy, 1),
        _uint(leaf.qty, 64),
        _uint(leaf.price, 64),
        _int(leaf.delta, 64),
        _uint(leaf.vega, 64),
        _uint(index, 8),
    )
    return keccak(_LEAF_TYPE + b"".join(fields))


def _levels(leaves: Sequence[QuoteLeaf]) -> list[list[bytes]]:
    """Levels of the tree, leaves first: neighbours are hashed in ascending order, one without a neighbour moves up."""
    if not leaves:
        raise SigningError(Fault.RANGE, "a message has at least one quote")
    levels = [[leaf_hash(index, leaf) for index, leaf in enumerate(leaves)]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = [below[at : at + 2] for at in range(0, len(below), 2)]
        levels.append([keccak(b"".join(sorted(pair))) if len(pair) == 2 else pair[0] for pair in pairs])
    return levels


def mandate_root(leaves: Sequence[QuoteLeaf]) -> bytes:
    """Root of the tree over the quotes of a message, in their order. Raises SigningError for a field out of range."""
    return _levels(leaves)[-1][0]


def mandate_proofs(leaves: Sequence[QuoteLeaf]) -> list[list[bytes]]:
    """For each quote of a message the hashes, from below, that lead from it to the root."""
    levels = _levels(leaves)[:-1]
    return [
        [level[at >> height ^ 1] for height, level in enumerate(levels) if at >> height ^ 1 < len(level)]
        for at in range(len(leaves))
    ]


def mandate_digest(domain: bytes, mandate: QuoteMandate, root: bytes) -> bytes:
    """Digest of a mandate over a root, in the domain of Clearing. Raises SigningError when a field leaves its type."""
    fields = (
        _uint(mandate.account, 32),
        _word(root),
        _uint(mandate.nonce, 64),
        _uint(mandate.expiry_s, 64),
        _uint(mandate.max_fee, 64),
        _uint(mandate.qty, 64),
        _uint(mandate.delta, 64),
        _uint(mandate.vega, 64),
        _uint(mandate.count, 32),
    )
    return _typed(domain, keccak(_MANDATE_TYPE + b"".join(fields)))


def _leg_struct(leg: BlockLeg) -> bytes:
    fields = (_uint(leg.series, 32), _uint(leg.is_buy, 1), _uint(leg.qty, 64), _uint(leg.price, 64))
    return keccak(_BLOCK_LEG_TYPE + b"".join(fields))


def block_digest(domain: bytes, block: Block) -> bytes:
    """Digest of a block trade in the domain of Clearing, the same for both. Raises SigningError for a field's range."""
    fields = (
        _uint(block.maker, 32),
        _uint(block.taker, 32),
        keccak(b"".join(_leg_struct(leg) for leg in block.legs)),
        _uint(block.maker_max_fee, 64),
        _uint(block.taker_max_fee, 64),
        _uint(block.nonce, 64),
        _uint(block.expiry_s, 64),
        _uint(block.queueable, 1),
    )
    return _typed(domain, keccak(_BLOCK_TYPE + b"".join(fields)))


def batch_digest(domain: bytes, header: BatchHeader, content: bytes) -> bytes:
    """Digest of a batch in the domain of Clearing. `content` is the hash of its orders and trades."""
    fields = (
        _uint(header.batch_id, 64),
        _uint(header.round_id, 64),
        _uint(header.deadline, 64),
        _uint(header.journal_size, 64),
        _word(header.journal_root),
        _word(content),
    )
    return _typed(domain, keccak(_BATCH_TYPE + b"".join(fields)))


def round_digest(domain: bytes, header: RoundHeader) -> bytes:
    """Digest of a round in the domain of Oracle."""
    fields = (
        _uint(header.round_id, 64),
        _uint(header.time, 64),
        _uint(header.stable, 256),
        _word(header.spots_hash),
        _word(header.sheets_root),
    )
    return _typed(domain, keccak(_ROUND_TYPE + b"".join(fields)))


def replacement_digest(domain: bytes, signer: bytes, successor: bytes) -> bytes:
    """Digest of a seat that passes from one oracle signer to another, in the domain of Oracle."""
    return _typed(domain, keccak(_REPLACEMENT_TYPE + _address_word(signer) + _address_word(successor)))


def receipt_digest(domain: bytes, receipt: Receipt) -> bytes:
    """Digest of an ingress receipt in the domain of Clearing."""
    fields = (
        _uint(receipt.seq, 64),
        _word(receipt.prior_root),
        _word(receipt.record_hash),
        _uint(receipt.time_ns, 64),
    )
    return _typed(domain, keccak(_RECEIPT_TYPE + b"".join(fields)))


def login_digest(text: str) -> bytes:
    """Digest of a text as wallets sign it (EIP-191, personal_sign)."""
    raw = text.encode()
    return keccak(b"\x19Ethereum Signed Message:\n" + str(len(raw)).encode() + raw)


def order_of(auth: Authorisation) -> Order | ComboOrder:
    """The message behind a journaled authorisation, field by field. Raises SigningError for legs that are no combo."""
    shared = {
        "account": auth.account,
        "is_buy": auth.is_buy,
        "quantity": auth.qty,
        "limit_price": auth.price,
        "max_fee": auth.max_fee,
        "time_in_force": auth.tif,
        "post_only": auth.post_only,
        "reduce_only": auth.reduce_only,
        "replaces": auth.replaces,
        "nonce": auth.nonce,
        "expiry": auth.expiry_s,
        "terms": terms_hash(auth.terms),
        "for_rfq": terms_of(auth).rfq > 0,
    }
    if not auth.legs:
        return Order(series=auth.series, **shared)  # type: ignore[arg-type]
    try:
        return ComboOrder(legs=pack(auth.legs), **shared)  # type: ignore[arg-type]
    except LegsError as error:
        raise SigningError(Fault.RANGE, str(error)) from error


class Signer:
    """A private key made ready once: deriving its public key costs half as much as a signature."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = PrivateKey(key)

    def sign(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest: r, s in the lower half of the order, v 27 or 28; 65 bytes."""
        raw = self._key.sign_recoverable(_word(digest), hasher=None)
        return raw[:64] + bytes((raw[64] + 27,))


def sign(key: bytes, digest: bytes) -> bytes:
    """Sign once, as ``Signer.sign``."""
    return Signer(key).sign(digest)


def address_of(key: bytes) -> bytes:
    """Address of a private key."""
    return _address(PrivateKey(key).public_key)


def _address(public_key: PublicKey) -> bytes:
    return keccak(public_key.format(compressed=False)[1:])[12:]


def normalise(signature: bytes) -> tuple[int, int, int]:
    """(r, s, parity) of a 65-byte signature with v 27 or 28, or of a 64-byte one in the form of EIP-2098.

    Raises SigningError for another length, an s in the upper half of the order, or another v.
    """
    if len(signature) not in {64, 65}:
        raise SigningError(Fault.LENGTH, f"{len(signature)} bytes")
    r = int.from_bytes(signature[:32], "big")
    last = int.from_bytes(signature[32:64], "big")
    s, parity = last, signature[64] - 27 if len(signature) == 65 else 0
    if len(signature) == 64:
        s, parity = last & _LOW_255_BITS, last >> 255
    if s > HALF_ORDER:
        raise SigningError(Fault.HIGH_S, "s is in the upper half of the group order")
    if parity not in {0, 1}:
        raise SigningError(Fault.WRONG_V, f"v is {signature[64]}, not 27 or 28")
    return r, s, parity


def compact(signature: bytes) -> tuple[int, int]:
    """The two words (r, vs) of EIP-2098, the only form the contracts read."""
    r, s, parity = normalise(signature)
    return r, parity << 255 | s


def expanded(r: int, vs: int) -> bytes:
    """The 65 bytes of a signature in the two words of EIP-2098."""
    return r.to_bytes(32, "big") + (vs & _LOW_255_BITS).to_bytes(32, "big") + bytes((27 + (vs >> 255),))


def recover(digest: bytes, signature: bytes) -> bytes:
    """Address that signed a digest. Raises SigningError when nobody can have."""
    r, s, parity = normalise(signature)
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes((parity,))
    try:
        return _address(PublicKey.from_signature_and_message(raw, _word(digest), hasher=None))
    except ValueError as error:
        raise SigningError(Fault.NO_SIGNER, "no public key fits") from error


def to_hex(address: bytes) -> str:
    """Checksummed text of a 20-byte address (EIP-55)."""
    if len(address) != 20:
        raise SigningError(Fault.ADDRESS, f"{len(address)} bytes where 20 are needed")
    digits = address.hex()
    pattern = keccak(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if int(nibble, 16) >= 8 else digit for digit, nibble in zip(digits, pattern, strict=False)
    )


def from_hex(text: str) -> bytes:
    """20-byte address of a 0x-text; mixed case must carry the right checksum. Raises SigningError."""
    try:
        address = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise SigningError(Fault.ADDRESS, text) from error
    if len(text) != 42 or len(address) != 20:
        raise SigningError(Fault.ADDRESS, text)
    if text[2:] not in {text[2:].lower(), text[2:].upper()} and text != to_hex(address):
        raise SigningError(Fault.ADDRESS, f"{text} has a wrong checksum")
    return address
