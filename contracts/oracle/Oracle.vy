# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title Oracle
@license Apache-2.0
@notice Accepts rounds of prices signed by a quorum of independent signers, keeps the last 256 of them, and
        keeps the price integrals from which expiries are fixed.
@dev A round on chain is three numbers and a root; the price sheets travel in the calldata of whoever needs
     them and are checked against the root. Anyone may post, since the signatures carry the authority.
     Stable price in 1e-18, spot in 1e-6 USDC, integral in 1e-6 USDC times seconds.
@custom:kill No switch. Rounds that stop leave every consumer with a stale round, which it refuses.
"""

from lib import ecdsa
from lib import eip712

MAX_SIGNERS: constant(uint256) = 16
MAX_SPOTS: constant(uint256) = 32
RING: constant(uint256) = 256
FIXING_WINDOW: constant(uint256) = 1800
KNOWN: constant(uint256) = 1 << 255
MASK_32: constant(uint256) = 2**32 - 1
MASK_64: constant(uint256) = 2**64 - 1
MASK_96: constant(uint256) = 2**96 - 1

ROUND_TYPE: constant(bytes32) = keccak256(
    "Round(uint64 roundId,uint64 time,uint256 stable,bytes32 spots,bytes32 sheets)"
)

# EIP-2098 signature.
struct Signature:
    r: uint256
    vs: uint256

event RoundPosted:
    round_id: indexed(uint64)
    time: uint64
    stable: uint256
    spots: bytes32
    sheets: bytes32

QUORUM: public(immutable(uint256))
signers: public(DynArray[address, MAX_SIGNERS])
is_signer: public(HashMap[address, bool])

# round_id u64 | time u64 | stable u128, and the root of the sheets, at round_id % 256.
_heads: HashMap[uint256, uint256]
_sheets: HashMap[uint256, bytes32]
_last: uint256

# (underlying << 64 | time) -> known flag | integral u96
_integrals: HashMap[uint256, uint256]


@deploy
def __init__(signers: DynArray[address, MAX_SIGNERS]):
    """
    @param signers At least five distinct addresses in ascending order; two thirds of them, rounded up, make a quorum.
    """
    assert len(signers) >= 5, "signer_count"
    previous: uint256 = 0
    for signer: address in signers:
        assert convert(signer, uint256) > previous, "signer_order"
        previous = convert(signer, uint256)
        self.is_signer[signer] = True
    self.signers = signers
    QUORUM = (2 * len(signers) + 2) // 3


@external
def post_round(
    round_id: uint64,
    time: uint64,
    stable: uint256,
    spots: DynArray[uint256, MAX_SPOTS],
    sheets: bytes32,
    signatures: DynArray[Signature, MAX_SIGNERS],
):
    """
    @notice Record a signed round: a newer one, or one of the 255 before the newest that was left out.
    @param spots One word per underlying: underlying u32 | spot u64 | confidence u64 | integral u96.
    @param sheets keccak256 of the concatenated sheet hashes.
    @param signatures Ordered by ascending signer address.
    """
    last: uint256 = self._last
    slot: uint256 = convert(round_id, uint256) % RING
    # What an operator has named must reach the chain even if a later round was posted first: the gap is filled.
    assert convert(round_id, uint256) > self._heads[slot] >> 192, "round_order"
    is_newest: bool = convert(round_id, uint256) > last >> 64
    if is_newest:
        assert convert(time, uint256) > last & MASK_64, "round_time"
    else:
        assert convert(time, uint256) < last & MASK_64, "round_time"
    assert convert(time, uint256) <= block.timestamp, "round_future"
    assert stable < 2**128, "round_stable"
    spots_hash: bytes32 = keccak256(self._joined(spots))
    self._check_quorum(
        eip712.digest(
            eip712.separator(),
            keccak256(abi_encode(ROUND_TYPE, round_id, time, stable, spots_hash, sheets)),
        ),
        signatures,
    )
    self._heads[slot] = (convert(round_id, uint256) << 192) | (convert(time, uint256) << 128) | stable
    self._sheets[slot] = sheets
    if is_newest:
        self._last = (convert(round_id, uint256) << 64) | convert(time, uint256)
    if convert(time, uint256) % FIXING_WINDOW == 0:
        for word: uint256 in spots:
            self._integrals[((word >> 224) << 64) | convert(time, uint256)] = KNOWN | (word & MASK_96)
    log RoundPosted(round_id=round_id, time=time, stable=stable, spots=spots_hash, sheets=sheets)


@internal
@pure
def _joined(words: DynArray[uint256, MAX_SPOTS]) -> Bytes[32 * MAX_SPOTS + 64]:
    encoded: Bytes[32 * MAX_SPOTS + 64] = abi_encode(words)
    return slice(encoded, 64, 32 * len(words))


@internal
@view
def _check_quorum(digest: bytes32, signatures: DynArray[Signature, MAX_SIGNERS]):
    assert len(signatures) >= QUORUM, "round_quorum"
    previous: uint256 = 0
    for signature: Signature in signatures:
        signer: address = ecdsa.recover(digest, signature.r, signature.vs)
        assert self.is_signer[signer], "round_signature"
        assert convert(signer, uint256) > previous, "signer_order"
        previous = convert(signer, uint256)


@external
@view
def round_of(round_id: uint256) -> (uint256, uint256, bytes32):
    """
    @notice Time, stable price and sheets root of one of the last 256 rounds.
    """
    head: uint256 = self._heads[round_id % RING]
    assert head != 0 and head >> 192 == round_id, "round_unknown"
    return (head >> 128) & MASK_64, head & (2**128 - 1), self._sheets[round_id % RING]


@external
@view
def last_round() -> (uint256, uint256):
    """
    @notice Id and time of the newest round; zeros before the first.
    """
    return self._last >> 64, self._last & MASK_64


@external
@view
def integral(underlying: uint256, time: uint256) -> (bool, uint256):
    """
    @notice Whether the price integral at `time` is known, and its value. Only multiples of 1800 s are kept.
    """
    word: uint256 = self._integrals[(underlying << 64) | time]
    return word & KNOWN != 0, word & MASK_96


@external
@view
def settlement_price(underlying: uint256, expiry: uint256) -> uint256:
    """
    @notice Time-weighted average over the 30 minutes before `expiry`, in 1e-6 USDC, rounded down.
    """
    first: uint256 = self._integrals[(underlying << 64) | (expiry - FIXING_WINDOW)]
    second: uint256 = self._integrals[(underlying << 64) | expiry]
    assert first & KNOWN != 0 and second & KNOWN != 0, "fixing_unknown"
    assert second >= first, "fixing_unknown"
    price: uint256 = (second - first) // FIXING_WINDOW
    assert price < 2**63, "fixing_unknown"
    return price
