"""Digests and signatures agree with eth_account, and malformed signatures are told apart."""

import pytest
from eth_account import Account
from eth_account.messages import _hash_eip191_message, encode_defunct, encode_typed_data
from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple

from exchange import signing
from exchange.core import commands as c
from exchange.signing import BatchHeader, ComboOrder, Fault, Order, Receipt, RoundHeader, SigningError

KEY = keccak(b"typed digests")
CONTRACT = bytes.fromhex("5fbdb2315678afecb367f032d93f642f64180aa3")
CHAIN_ID = 31337
TYPES = {
    "Order": (
        "uint32 account,uint32 series,bool isBuy,uint64 quantity,uint64 limitPrice,uint64 maxFee,uint8 timeInForce,"
        "bool postOnly,bool reduceOnly,uint64 replaces,uint64 nonce,uint64 expiry,bytes32 terms"
    ),
    "ComboOrder": (
        "uint32 account,uint256 legs,bool isBuy,uint64 quantity,int64 limitPrice,uint64 maxFee,uint8 timeInForce,"
        "bool postOnly,bool reduceOnly,uint64 replaces,uint64 nonce,uint64 expiry,bytes32 terms"
    ),
    "Batch": "uint64 batchId,uint64 roundId,uint64 deadline,uint64 journalSize,bytes32 journalRoot,bytes32 content",
    "Round": "uint64 roundId,uint64 time,uint256 stable,bytes32 spots,bytes32 sheets",
    "Receipt": "uint64 seq,bytes32 priorRoot,bytes32 recordHash,uint64 timeNs",
    "Terms": (
        "uint64 display,uint8 selfTrade,bool slide,bool market,uint8 trigger,uint64 triggerPrice,bool triggerAbove,"
        "uint8 link,uint64 parent,uint8 attached,string protection,int64 delta,uint64 vega"
    ),
    "CommitIdentity": "uint32 account,uint8 role,bytes32 commitment,string authoriser,uint64 nonce,uint64 expiry",
    "SetReference": (
        "uint8 scope,uint32 subject,string field,string value,uint64 corrects,string cause,string authoriser,"
        "uint64 nonce,uint64 expiry"
    ),
    "SetTrading": "bool isOpen,string cause,uint64 auction,uint64 nonce,uint64 expiry",
    "SetPhase": (
        "uint8 scope,uint32 subject,uint8 phase,uint64 ends,uint64 every,string cause,string authoriser,uint64 nonce,"
        "uint64 expiry"
    ),
    "SetAuctions": (
        "uint32 underlying,uint64 opening,uint64 volatility,uint32 extensions,uint64 bandMark,uint64 bandSpot,"
        "uint64 jumpSpot,string authoriser,uint64 nonce,uint64 expiry"
    ),
    "SetBands": "uint32 underlying,uint64 spot,uint64 vol,uint64 floor,string authoriser,uint64 nonce,uint64 expiry",
    "SetBreaker": (
        "uint8 scope,uint32 subject,uint8 status,uint64 stage,string cause,string authoriser,uint64 nonce,uint64 expiry"
    ),
    "SetFeed": (
        "uint32 underlying,uint64 heartbeat,uint64 thin,uint64 jumpMin,uint32 jumpDeviations,uint64 stressVol,"
        "string authoriser,uint64 nonce,uint64 expiry"
    ),
    "PullKill": "uint8 scope,uint32 account,address owner,address by,string cause,uint64 nonce,uint64 expiry",
    "ReleaseKill": "uint8 scope,uint32 account,address owner,address by,string cause,uint64 nonce,uint64 expiry",
}
TYPES |= {f"Rfq{kind}": TYPES[kind] for kind in ("Order", "ComboOrder")}
u8, u32, u64, u256 = (st.integers(0, 2**bits - 1) for bits in (8, 32, 64, 256))
i64 = st.integers(-(2**63), 2**63 - 1)
b32 = st.binary(min_size=32, max_size=32)
DOMAIN = signing.domain_separator(CHAIN_ID, CONTRACT)
MEMBERS = ("account", "series", "is_buy", "quantity", "limit_price", "max_fee", "time_in_force", "post_only")
MEMBERS += ("reduce_only", "replaces", "nonce", "expiry", "terms")
"""Fields of an order in the order in which they are signed."""


def wallet_digest(primary: str, values: tuple) -> bytes:
    """What a wallet signs, by somebody else's code."""
    fields = [field.split() for field in TYPES[primary].split(",")]
    message = {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            primary: [{"name": name, "type": kind} for kind, name in fields],
        },
        "primaryType": primary,
        "domain": {
            "name": "Verbatim",
            "version": "1",
            "chainId": CHAIN_ID,
            "verifyingContract": signing.to_hex(CONTRACT),
        },
        "message": {name: value for (_, name), value in zip(fields, values, strict=True)},
    }
    return bytes(_hash_eip191_message(encode_typed_data(full_message=message)))


@settings(max_examples=60, deadline=None)
@given(st.tuples(u32, u32, st.booleans(), u64, u64, u64, u8, st.booleans(), st.booleans(), u64, u64, u64, b32))
def test_order_digest_is_the_wallets(values):
    fields = dict(zip(MEMBERS, values, strict=True))
    assert signing.order_digest(DOMAIN, Order(**fields)) == wallet_digest("Order", values)
    assert signing.order_digest(DOMAIN, Order(**fields, for_rfq=True)) == wallet_digest("RfqOrder", values)


@settings(max_examples=60, deadline=None)
@given(st.tuples(u32, u256, st.booleans(), u64, i64, u64, u8, st.booleans(), st.booleans(), u64, u64, u64, b32))
def test_the_digest_of_an_order_for_a_combo_is_the_wallets(values):
    fields = dict(zip(("account", "legs", *MEMBERS[2:]), values, strict=True))
    assert signing.order_digest(DOMAIN, ComboOrder(**fields)) == wallet_digest("ComboOrder", values)
    assert signing.order_digest(DOMAIN, ComboOrder(**fields, for_rfq=True)) == wallet_digest("RfqComboOrder", values)


@settings(max_examples=30, deadline=None)
@given(st.tuples(u64, u64, u64, u64, b32, b32))
def test_batch_digest_is_the_wallets(values):
    header = BatchHeader(**dict(zip(BatchHeader.__struct_fields__, values, strict=False)))
    assert signing.batch_digest(DOMAIN, header, values[5]) == wallet_digest("Batch", values)


@settings(max_examples=30, deadline=None)
@given(st.tuples(u64, u64, u256, b32, b32))
def test_round_digest_is_the_wallets(values):
    header = RoundHeader(**dict(zip(RoundHeader.__struct_fields__, values, strict=True)))
    assert signing.round_digest(DOMAIN, header) == wallet_digest("Round", values)


@settings(max_examples=30, deadline=None)
@given(st.tuples(u64, b32, b32, u64))
def test_receipt_digest_is_the_wallets(values):
    receipt = Receipt(**dict(zip(Receipt.__struct_fields__, values, strict=True)))
    assert signing.receipt_digest(DOMAIN, receipt) == wallet_digest("Receipt", values)


u63, text = st.integers(1, 2**63 - 1), st.text(max_size=20)


@settings(max_examples=60, deadline=None)
@given(st.tuples(u64, u8, st.booleans(), st.booleans(), u8, u64, st.booleans(), u8, u64, u8, text, i64, u63))
def test_the_hash_of_terms_is_the_wallets(values):
    """All of them as by default are zero instead, which the last figure rules out here."""
    assert keccak(b"\x19\x01" + DOMAIN + signing.terms_hash(c.Terms(*values))) == wallet_digest("Terms", values)


b20 = st.one_of(st.just(b""), st.binary(min_size=20, max_size=20))
kills = st.sampled_from((c.PullKill, c.ReleaseKill))
operations = st.one_of(
    st.builds(c.SetTrading, st.booleans(), text, u64),
    st.builds(c.SetPhase, u8, u32, u8, u64, u64, text, text),
    st.builds(c.SetAuctions, u32, u64, u64, u32, u64, u64, u64, text),
    st.builds(c.SetBands, u32, u64, u64, u64, text),
    st.builds(c.SetBreaker, u8, u32, u8, u64, text, text),
    st.builds(c.SetFeed, u32, u64, u64, u64, u32, u64, text),
    st.builds(c.CommitIdentity, u32, u8, b32, text),
    st.builds(c.SetReference, u8, u32, text, text, u64, text, text),
    st.builds(lambda kind, *said: kind(*said), kills, u8, u32, b20, b20, text),
)


@settings(max_examples=120, deadline=None)
@given(operations, u64, u64)
def test_the_digest_of_a_command_is_the_wallets(operation, nonce, expiry_s):
    said = [
        signing.to_hex(part.rjust(20, b"\0")) if isinstance(part, bytes) and len(part) <= 20 else part
        for part in astuple(operation)
    ]
    expected = wallet_digest(type(operation).__name__, (*said, nonce, expiry_s))
    assert signing.operation_digest(DOMAIN, operation, nonce, expiry_s) == expected


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=80))
def test_login_digest_is_the_wallets(text):
    assert signing.login_digest(text) == bytes(_hash_eip191_message(encode_defunct(text=text)))


@settings(max_examples=30, deadline=None)
@given(b32)
def test_signatures_are_the_wallets(digest):
    signature = signing.sign(KEY, digest)
    assert signature == bytes(Account.unsafe_sign_hash(digest, KEY).signature)
    assert signing.recover(digest, signature) == signing.address_of(KEY)
    assert signing.to_hex(signing.address_of(KEY)) == Account.from_key(KEY).address


@settings(max_examples=30, deadline=None)
@given(b32)
def test_the_compact_form_names_the_same_signer(digest):
    signature = signing.sign(KEY, digest)
    compact = b"".join(word.to_bytes(32, "big") for word in signing.compact(signature))
    assert len(compact) == 64
    assert signing.recover(digest, compact) == signing.address_of(KEY)
    assert signing.compact(compact) == signing.compact(signature)


def malformed():
    signature = signing.sign(KEY, b"\1" * 32)
    s = int.from_bytes(signature[32:64], "big")
    high = (signing.GROUP_ORDER - s).to_bytes(32, "big")
    flipped = bytes((signature[64] ^ 7,))  # 27 and 28 change places
    return [
        (signature[:63], Fault.LENGTH),
        (signature + b"\0", Fault.LENGTH),
        (b"", Fault.LENGTH),
        (signature[:32] + high + flipped, Fault.HIGH_S),
        (signature[:64] + b"\0", Fault.WRONG_V),
        (signature[:64] + b"\x1d", Fault.WRONG_V),
        (bytes(64) + b"\x1b", Fault.NO_SIGNER),
        (bytes(64), Fault.NO_SIGNER),
        (b"\xff" * 32 + signature[32:], Fault.NO_SIGNER),
    ]


@pytest.mark.parametrize(("signature", "fault"), malformed())
def test_a_malformed_signature_has_a_name(signature, fault):
    with pytest.raises(SigningError) as caught:
        signing.recover(b"\1" * 32, signature)
    assert caught.value.fault is fault


@pytest.mark.parametrize(
    "field", ["account", "series", "quantity", "limit_price", "max_fee", "replaces", "nonce", "expiry"]
)
@pytest.mark.parametrize("value", [-1, 2**64])
def test_an_order_outside_its_types_is_not_signed(field, value):
    fields = {"account": 1, "series": 1, "is_buy": True, "quantity": 1, "limit_price": 1, "max_fee": 1, "nonce": 1}
    order = Order(**(fields | {"expiry": 1} | {field: value}))
    with pytest.raises(SigningError) as caught:
        signing.order_digest(DOMAIN, order)
    assert caught.value.fault is Fault.RANGE


@pytest.mark.parametrize(
    ("field", "value"), [("legs", -1), ("legs", 2**256), ("limit_price", 2**63), ("limit_price", -(2**63) - 1)]
)
def test_an_order_for_a_combo_outside_its_types_is_not_signed(field, value):
    fields = {"account": 1, "legs": 1, "is_buy": True, "quantity": 1, "limit_price": 1, "max_fee": 1, "nonce": 1}
    with pytest.raises(SigningError) as caught:
        signing.order_digest(DOMAIN, ComboOrder(**(fields | {"expiry": 1} | {field: value})))
    assert caught.value.fault is Fault.RANGE


@pytest.mark.parametrize(
    "text", ["", "0x", "0x12", "5fbdb2315678afecb367f032d93f642f64180aa3", "0x5FBDb2315678afecb367f032d93F642f64180aa3"]
)
def test_an_address_with_a_wrong_form_is_refused(text):
    with pytest.raises(SigningError) as caught:
        signing.from_hex(text)
    assert caught.value.fault is Fault.ADDRESS


def test_addresses_survive_text():
    assert signing.from_hex(signing.to_hex(CONTRACT)) == CONTRACT
    assert signing.from_hex("0x" + CONTRACT.hex()) == CONTRACT
    with pytest.raises(SigningError):
        signing.to_hex(b"\1" * 19)
    with pytest.raises(SigningError):
        signing.domain_separator(1, b"\1" * 19)
    with pytest.raises(SigningError):
        signing.sign(KEY, b"short")
