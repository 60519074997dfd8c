# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title RiskArrays
@license Apache-2.0
@notice What the options of a signed round are worth in every scenario: computed here from the round itself, for whoever
        asks, and the judge of arrays that somebody committed to without computing them here.
@dev A round signs its sheets, and as the last of their hashes may sign a commitment: the version of the parameters, the
     Merkle root of the arrays of all series, how many there are, the hash of what arrays follow from (terms of each expiry,
     vol of each strike), and that of the index and its confidence for each expiry. Arrays follow from the rest, so a wrong cell can be shown by computing it; then the
     root is void, and margins go on from arrays computed here. Layouts: exchange/risk_words.py.
     A parameter set is a deployment. Prices in 1e-6 USDC, vols in 1e-18.
@custom:kill None: without a root every array can be computed here, by anyone.
"""

from lib import fail
from lib import multiproof
from risk import cells
from risk import scenarios

MAX_HASH_BYTES: constant(uint256) = 32 * 64
MAX_VOL_BYTES: constant(uint256) = 32 * 66
LEAF_WORDS: constant(uint256) = 12
MASK_32: constant(uint256) = 2**32 - 1
MASK_64: constant(uint256) = 2**64 - 1
STRIKE_MASK: constant(uint256) = 2**63 - 1

interface Oracle:
    def round_of(round_id: uint256) -> (uint256, uint256, bytes32): view

interface Clearing:
    def expiry_state(expiry_id: uint256) -> (uint256, uint256, uint256, bool, uint256): view
    def strikes_of(expiry_id: uint256, group: uint256) -> uint256: view

# What a round commits to beside its sheets.
struct Commitment:
    root: bytes32
    size: uint256
    vols: bytes32
    heads: bytes32

# What the array of a series follows from: the hashes of the round's sheets, its commitment, the hashes of what is said of
# the vols of each expiry, concatenated, and of those the series' own: head, terms, and a word for four vols.
struct Source:
    round_id: uint256
    hashes: Bytes[MAX_HASH_BYTES]
    commitment: Commitment
    vol_hashes: Bytes[MAX_HASH_BYTES]
    vols: Bytes[MAX_VOL_BYTES]

event Computed:
    round_id: indexed(uint256)
    series: indexed(uint256)
    leaf: bytes32

event Voided:
    round_id: indexed(uint256)
    series: indexed(uint256)
    commitment: bytes32
    challenger: indexed(address)

ORACLE: public(immutable(address))
DEPLOYER: immutable(address)
# Of the parameters, see `scenarios`.
VERSION: public(immutable(bytes32))
SURFACE: immutable(scenarios.Surface)
MOVES: immutable(DynArray[uint256, scenarios.MAX_MOVES])

clearing: public(address)
# Commitments with a wrong cell, by their hash, and the round by which that was shown.
voided: public(HashMap[bytes32, uint256])
# hash of commitment and series -> hash of the array's leaf
computed: public(HashMap[bytes32, bytes32])


@deploy
def __init__(oracle: address, model: scenarios.Model):
    """
    @param oracle Whose rounds are computed.
    @param model Parameters of the PORTFOLIO margin.
    """
    scenarios.check(model)
    ORACLE = oracle
    DEPLOYER = msg.sender
    VERSION = scenarios.version(model)
    SURFACE = model.surface
    MOVES = scenarios.moves(model)


@external
def set_clearing(clearing: address):
    """
    @notice Name the Clearing whose listings give strikes and expiries. Once, by the deployer.
    """
    if msg.sender != DEPLOYER or self.clearing != empty(address):
        fail.because("clearing_set")
    self.clearing = clearing


@external
@view
def moves() -> DynArray[uint256, scenarios.MAX_MOVES]:
    """
    @notice The moves that the lanes of an array stand for, spot in 1e-18 << 8 | vol.
    """
    return MOVES


# -- commitments -------------------------------------------------------------------------------------------------------


@internal
@view
def _committed(round_id: uint256, hashes: Bytes[MAX_HASH_BYTES], commitment: Commitment) -> (uint256, bytes32):
    """
    @notice Time of a round above 128 bits of stable price, and the hash of its commitment, which must be the last of its
            hashes.
    """
    time: uint256 = 0
    stable: uint256 = 0
    root: bytes32 = empty(bytes32)
    time, stable, root = staticcall Oracle(ORACLE).round_of(round_id)
    # One byte more than words: a sheet, which is words, never hashes to it.
    record: bytes32 = keccak256(
        concat(
            b"\x02", VERSION, commitment.root, convert(commitment.size, bytes32), commitment.vols, commitment.heads
        )
    )
    if keccak256(hashes) != root or len(hashes) < 32 or extract32(hashes, len(hashes) - 32) != record:
        fail.because("commitment_unknown")
    return (time << 128) | stable, record


@external
@view
def committed(round_id: uint256, hashes: Bytes[MAX_HASH_BYTES], commitment: Commitment) -> (uint256, bytes32, bool):
    """
    @notice Time of a round above 128 bits of stable price, the hash of its commitment, and whether the root is void.
            Refuses a commitment that the round did not sign.
    """
    round: uint256 = 0
    record: bytes32 = empty(bytes32)
    round, record = self._committed(round_id, hashes, commitment)
    return round, record, self.voided[record] != 0


@external
@view
def leaf_of(record: bytes32, series: uint256) -> bytes32:
    """
    @notice Hash of the leaf of a series that was computed here under a commitment; zero if it was not.
    """
    return self.computed[keccak256(abi_encode(record, series))]


# -- arrays ------------------------------------------------------------------------------------------------------------


@internal
@view
def _array(source: Source, series: uint256) -> (bytes32, uint256[LEAF_WORDS]):
    """
    @notice Hash of the commitment that a round signed, and the leaf of a series as it follows from it.
    """
    round: uint256 = 0
    record: bytes32 = empty(bytes32)
    round, record = self._committed(source.round_id, source.hashes, source.commitment)
    if keccak256(source.vol_hashes) != source.commitment.vols:
        fail.because("vols_unknown")
    expiry_id: uint256 = series >> 16
    group: uint256 = (series >> 2) & (2**14 - 1)
    head: uint256 = extract32(source.vols, 0, output_type=uint256)
    if head >> 224 != expiry_id or len(source.vols) < 96 + (group << 5):
        fail.because("vols_unknown")
    wanted: bytes32 = keccak256(source.vols)
    place: uint256 = 0
    for _: uint256 in range(64):
        if place >= len(source.vol_hashes):
            fail.because("vols_unknown")
        place += 32
        if extract32(source.vol_hashes, place - 32) == wanted:
            break
    _underlying: uint256 = 0
    expiry: uint256 = 0
    _holders: uint256 = 0
    _is_fixed: bool = False
    _price: uint256 = 0
    _underlying, expiry, _holders, _is_fixed, _price = staticcall Clearing(self.clearing).expiry_state(expiry_id)
    terms: uint256 = staticcall Clearing(self.clearing).strikes_of(expiry_id, group)
    terms = (terms >> ((series & 3) << 6)) & MASK_64
    if terms == 0:
        fail.because("series_unknown")
    said: uint256 = extract32(source.vols, 32, output_type=uint256)
    vols: uint256 = extract32(source.vols, 64 + (group << 5), output_type=uint256)
    term: cells.Term = cells.Term(
        expected=(said >> 64) & MASK_64, fixed=said & MASK_64, seconds=max(expiry, round >> 128) - (round >> 128)
    )
    values: DynArray[uint256, scenarios.MAX_MOVES] = cells.of_option(
        SURFACE,
        MOVES,
        term,
        terms & STRIKE_MASK,
        (vols >> ((series & 3) << 6)) & MASK_64,
        terms >> 63 == 1,
    )
    leaf: uint256[LEAF_WORDS] = empty(uint256[LEAF_WORDS])
    leaf[0] = (source.round_id << 192) | (series << 128) | (len(values) << 64)
    for cell: uint256 in range(len(values), bound=scenarios.MAX_MOVES):
        leaf[1 + (cell >> 2)] |= values[cell] << ((cell & 3) << 6)
    return record, leaf


@internal
@pure
def _leaf_hash(leaf: uint256[LEAF_WORDS]) -> bytes32:
    """
    @notice As RFC 6962 has it: over a zero byte and the words.
    """
    return sha256(concat(b"\x00", abi_encode(leaf)))


@external
@view
def array(source: Source, series: uint256) -> uint256[LEAF_WORDS]:
    """
    @notice The leaf of a series as it follows from a round: round u64 | series u64 | cells u64 | 0, then four cells to a
            word, the first lowest.
    """
    record: bytes32 = empty(bytes32)
    leaf: uint256[LEAF_WORDS] = empty(uint256[LEAF_WORDS])
    record, leaf = self._array(source, series)
    return leaf


@external
def compute(source: Source, series: uint256):
    """
    @notice Compute the array of a series and keep the hash of its leaf, by which it may be shown from then on. Anyone may
            call; where a root is missing or void, this is the way.
    """
    record: bytes32 = empty(bytes32)
    leaf: uint256[LEAF_WORDS] = empty(uint256[LEAF_WORDS])
    record, leaf = self._array(source, series)
    hashed: bytes32 = self._leaf_hash(leaf)
    self.computed[keccak256(abi_encode(record, series))] = hashed
    log Computed(round_id=source.round_id, series=series, leaf=hashed)


@external
def challenge(
    source: Source,
    leaf: uint256[LEAF_WORDS],
    index: uint256,
    proof: DynArray[bytes32, multiproof.MAX_PROOF],
):
    """
    @notice Show a leaf under the root of a round that is not what follows from the round. The root is void from then on.
            A leaf of another round, or of a series that is not listed, is of no use to anyone and proves nothing.
    @param leaf What stands at `index`, with its header; the proof as `multiproof` reads it.
    """
    series: uint256 = (leaf[0] >> 128) & MASK_64
    if leaf[0] >> 192 != source.round_id:
        fail.because("leaf_round")
    record: bytes32 = empty(bytes32)
    true_leaf: uint256[LEAF_WORDS] = empty(uint256[LEAF_WORDS])
    record, true_leaf = self._array(source, series)
    if multiproof.root_of([self._leaf_hash(leaf)], [index], source.commitment.size, proof) != source.commitment.root:
        fail.because("proof_wrong")
    if self._leaf_hash(leaf) == self._leaf_hash(true_leaf):
        fail.because("leaf_right")
    if self.voided[record] != 0:
        fail.because("commitment_void")
    self.voided[record] = source.round_id
    log Voided(round_id=source.round_id, series=series, commitment=record, challenger=msg.sender)
