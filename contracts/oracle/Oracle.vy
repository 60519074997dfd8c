# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title Oracle
@license Apache-2.0
@notice Accepts rounds of prices signed by a quorum of independent signers, keeps the last 256 of them, and
        keeps the price integrals from which expiries are fixed.
@dev A round on chain is three numbers and a root; the price sheets travel in the calldata of whoever needs
     them and are checked against the root. Anyone may post, since the signatures carry the authority.
     Each signer holds a seat for a time, and a round is signed by those who sat at its time, whenever it is posted.
     So a seat changes hands without a doubt about any round, and the number of seats, hence the quorum, never changes.
     Stable price in 1e-18, spot in 1e-6 USDC, integral in 1e-6 USDC times seconds.
@custom:kill No switch. Rounds that stop leave every consumer with a stale round, which it refuses. The governor
        replaces signers, one by one.
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
FOREVER: constant(uint256) = MASK_64

ROUND_TYPE: constant(bytes32) = keccak256(
    "Round(uint64 roundId,uint64 time,uint256 stable,bytes32 spots,bytes32 sheets)"
)

REPLACEMENT_TYPE: constant(bytes32) = keccak256("Replacement(address signer,address successor)")

# EIP-2098 signature.
struct Signature:
    r: uint256
    vs: uint256

# A signer has the seat of its former, from `since` on; the first ones have none before them.
event SignerSeated:
    signer: indexed(address)
    former: indexed(address)
    since: uint64

event RoundPosted:
    round_id: indexed(uint64)
    time: uint64
    stable: uint256
    spots: bytes32
    sheets: bytes32

QUORUM: public(immutable(uint256))
GOVERNOR: public(immutable(address))
# Seconds from the naming of a successor to its first round, and from its former's last round to the latest time at
# which that may be posted.
NOTICE: public(immutable(uint256))
# Of each seat, who has it or will have it.
signers: public(DynArray[address, MAX_SIGNERS])
# signer -> since u64 | until u64; an open seat ends at FOREVER. Nobody is seated twice.
_terms: HashMap[address, uint256]

# round_id u64 | time u64 | stable u128, and the root of the sheets, at round_id % 256.
_heads: HashMap[uint256, uint256]
_sheets: HashMap[uint256, bytes32]
_last: uint256

# (underlying << 64 | time) -> known flag | integral u96
_integrals: HashMap[uint256, uint256]


@deploy
def __init__(signers: DynArray[address, MAX_SIGNERS], governor: address, notice: uint256):
    """
    @param signers At least five distinct addresses in ascending order; two thirds of them, rounded up, make a quorum.
    @param governor Who may give a seat to another.
    @param notice Seconds, one to thirty days: longer than any settlement window, so that whatever was acknowledged
           at a round of a former has settled before that round can no longer be posted.
    """
    assert len(signers) >= 5, "signer_count"
    assert notice >= 86_400 and notice <= 30 * 86_400, "parameter_range"
    previous: uint256 = 0
    for signer: address in signers:
        assert convert(signer, uint256) > previous, "signer_order"
        previous = convert(signer, uint256)
        self._terms[signer] = FOREVER
        log SignerSeated(signer=signer, former=empty(address), since=0)
    self.signers = signers
    QUORUM = (2 * len(signers) + 2) // 3
    GOVERNOR = governor
    NOTICE = notice


@external
def replace_signer(signer: address, successor: address):
    """
    @notice Give the seat of a signer to another, who signs the rounds of after the notice. Only the governor, or the
            signer itself, which so changes its key.
    @param successor Somebody who never had a seat.
    """
    assert msg.sender == GOVERNOR or msg.sender == signer, "only_governor"
    self._replace(signer, successor)


@external
def replace_by_quorum(signer: address, successor: address, signatures: DynArray[Signature, MAX_SIGNERS]):
    """
    @notice The same by the word of those who have seats now, for one whose key is lost. Anyone may bring it.
    @param signatures Ordered by ascending signer address.
    """
    digest: bytes32 = eip712.digest(
        eip712.separator(), keccak256(abi_encode(REPLACEMENT_TYPE, signer, successor))
    )
    self._check_quorum(digest, signatures, block.timestamp)
    self._replace(signer, successor)


@internal
def _replace(signer: address, successor: address):
    assert self._terms[signer] & MASK_64 == FOREVER, "signer_unknown"
    # Nobody has a seat twice: so nothing that was signed for one holds for another.
    assert successor != empty(address) and self._terms[successor] == 0, "signer_again"
    since: uint256 = block.timestamp + NOTICE
    self._terms[signer] = (self._terms[signer] & ~MASK_64) | since
    self._terms[successor] = (since << 64) | FOREVER
    for place: uint256 in range(MAX_SIGNERS):
        if self.signers[place] == signer:
            self.signers[place] = successor
            break
    log SignerSeated(signer=successor, former=signer, since=convert(since, uint64))


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
        convert(time, uint256),
    )
    self._heads[slot] = (convert(round_id, uint256) << 192) | (convert(time, uint256) << 128) | stable
    self._sheets[slot] = sheets
    if is_newest:
        self._last = (convert(round_id, uint256) << 64) | convert(time, uint256)
    if convert(time, uint256) % FIXING_WINDOW == 0:
        for word: uint256 in spots:
            at: uint256 = ((word >> 224) << 64) | convert(time, uint256)
            # What an expiry may have been fixed from is not said again otherwise.
            if self._integrals[at] == 0:
                self._integrals[at] = KNOWN | (word & MASK_96)
    log RoundPosted(round_id=round_id, time=time, stable=stable, spots=spots_hash, sheets=sheets)


@internal
@pure
def _joined(words: DynArray[uint256, MAX_SPOTS]) -> Bytes[32 * MAX_SPOTS + 64]:
    encoded: Bytes[32 * MAX_SPOTS + 64] = abi_encode(words)
    return slice(encoded, 64, 32 * len(words))


@internal
@view
def _check_quorum(digest: bytes32, signatures: DynArray[Signature, MAX_SIGNERS], time: uint256):
    assert len(signatures) >= QUORUM, "round_quorum"
    previous: uint256 = 0
    for signature: Signature in signatures:
        signer: address = ecdsa.recover(digest, signature.r, signature.vs)
        assert self._sat(signer, time), "round_signature"
        assert convert(signer, uint256) > previous, "signer_order"
        previous = convert(signer, uint256)


@internal
@view
def _sat(signer: address, time: uint256) -> bool:
    """
    @notice Whether the signer had a seat at a time whose rounds may still be posted.
    """
    term: uint256 = self._terms[signer]
    until: uint256 = term & MASK_64
    return time >= term >> 64 and time < until and block.timestamp <= until + NOTICE


@external
@view
def term_of(signer: address) -> (uint256, uint256):
    """
    @notice From when, and until when, the signer has a seat; zeros if it never had one.
    """
    term: uint256 = self._terms[signer]
    return term >> 64, term & MASK_64


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
