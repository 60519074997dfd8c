# pragma version 0.4.3
"""
@title Blocks
@license Apache-2.0
@notice The part of Clearing that settles block trades, in a batch of the operator's or without an operator.
@dev Call it through Clearing, which runs Office, which runs this code on the storage of Clearing. Called directly it acts
     on a storage of its own, which is empty and stays worthless.
@custom:kill See Clearing.
"""

from core import actions
from core import batches
from core import blocktrades
from core import rounds
from core import state
from lib import eip712
from lib import fail
from lib import refusals

initializes: state
initializes: batches[actions := actions, state := state]
uses: actions
uses: blocktrades
uses: rounds

exports: (state.TERMS, blocktrades.block_queued, refusals.reason_of)

MAX_ANSWER_BYTES: constant(uint256) = 32 * 8
MAX_HASH_BYTES: constant(uint256) = 32 * 64
MAX_SHEET_BYTES: constant(uint256) = 32 * 512

event BlockQueued:
    action_id: uint64
    maker: indexed(uint32)
    taker: indexed(uint32)
    digest: bytes32
    nonce: uint64
    effective: uint64
    lapses: uint64

event BlockSettled:
    action_id: uint64
    maker: indexed(uint32)
    taker: indexed(uint32)
    digest: bytes32
    nonce: uint64
    maker_signer: address
    taker_signer: address
    legs: uint256[4]
    fees: uint256[4]

interface Cases:
    def TERMS() -> bytes32: view

BLOCK_BAND: public(immutable(uint256))
CASES: public(immutable(address))


@deploy
def __init__(settings: state.Settings, band: uint256, cases: address):
    """
    @param settings Those of the Clearing that runs this code.
    @param band How far from its mark a leg may be priced without the operator, in 1e-18 of the index.
    @param cases Code of liquidations, deployed under the same settings.
    """
    state.__init__(settings)
    if band > 10**18:
        fail.because("parameter_range")
    if staticcall Cases(cases).TERMS() != state.TERMS:
        fail.because("office_settings")
    BLOCK_BAND = band
    CASES = cases


@external
@raw_return
def __default__() -> Bytes[MAX_ANSWER_BYTES]:
    """
    @notice Every function of Cases, which runs those of Liquidations.
    """
    return raw_call(CASES, msg.data, max_outsize=MAX_ANSWER_BYTES, is_delegate_call=True)


@external
def settle_block_batch(
    batch: batches.Batch,
    operator_r: uint256,
    operator_vs: uint256,
    deal: blocktrades.BlockTrade,
    signatures: blocktrades.Signatures,
    hashes: Bytes[MAX_HASH_BYTES],
    sheets: Bytes[MAX_SHEET_BYTES],
):
    """
    @notice Settle a batch that is one block trade, whole or not at all. Anyone may send what the operator has signed.
    @dev The content is hashed over 161 bytes, so that no body of `settle_signed`, which is whole words, can have it.
    @param hashes All sheet hashes of the round, concatenated.
    @param sheets The sheets of the legs' expiries and those that the margin checks need, in the round's order.
    """
    digest: bytes32 = blocktrades.digest(deal)
    content: bytes32 = keccak256(
        concat(
            b"\x01",
            digest,
            convert(signatures.maker_r, bytes32),
            convert(signatures.maker_vs, bytes32),
            convert(signatures.taker_r, bytes32),
            convert(signatures.taker_vs, bytes32),
        )
    )
    batches.check(batch, eip712.separator(), content, operator_r, operator_vs)
    round: uint256 = rounds.checked(convert(batch.round_id, uint256), hashes, sheets)
    oldest: uint256 = block.timestamp - actions.window()
    # As with orders, the operator's venue has judged the price; both signed it.
    blocktrades.execute(deal, digest, signatures, oldest, 2**128, round, sheets)
    batches.record(batch, len(deal.legs), True)


@external
def queue_block(deal: blocktrades.BlockTrade, signatures: blocktrades.Signatures):
    """
    @notice Announce a block that both parties allowed to be queued. Anyone who holds both signatures may call, once.
    """
    if not deal.queueable:
        fail.because("block_queueable")
    digest: bytes32 = blocktrades.digest(deal)
    if blocktrades.queue[digest] != 0:
        fail.because("block_queued")
    blocktrades.check_form(deal)
    signer: address = empty(address)
    _limited: bool = False
    signer, _limited = blocktrades.check_party(
        deal.maker, digest, signatures.maker_r, signatures.maker_vs, deal.nonce
    )
    blocktrades.check_queueable(deal, signer, deal.maker)
    signer, _limited = blocktrades.check_party(
        deal.taker, digest, signatures.taker_r, signatures.taker_vs, deal.nonce
    )
    blocktrades.check_queueable(deal, signer, deal.taker)
    effective: uint256 = actions.binding_time()
    if convert(deal.expiry, uint256) < effective:
        fail.because("block_expired")
    blocktrades.check_live(deal, effective)
    blocktrades.queue[digest] = effective
    log BlockQueued(
        action_id=actions.next(),
        maker=deal.maker,
        taker=deal.taker,
        digest=digest,
        nonce=deal.nonce,
        effective=convert(effective, uint64),
        lapses=convert(blocktrades.lapse_of(deal, effective), uint64),
    )


@external
def settle_block(
    deal: blocktrades.BlockTrade,
    signatures: blocktrades.Signatures,
    round_id: uint256,
    hashes: Bytes[MAX_HASH_BYTES],
    sheets: Bytes[MAX_SHEET_BYTES],
):
    """
    @notice Trade a queued block that is in force and has not lapsed. Anyone may call, with the newest round or one of the
            last moments.
    @param sheets The sheets of the legs' expiries and those that the margin checks need, in the round's order.
    """
    digest: bytes32 = blocktrades.digest(deal)
    effective: uint256 = blocktrades.queue[digest]
    if effective == 0:
        fail.because("block_unknown")
    if not actions.binds(effective):
        fail.because("block_early")
    if blocktrades.lapse_of(deal, effective) < block.timestamp:
        fail.because("block_lapsed")
    blocktrades.check_live(deal, block.timestamp)
    rounds.check_recent(round_id)
    round: uint256 = rounds.checked(round_id, hashes, sheets)
    traded: blocktrades.Traded = blocktrades.execute(
        deal, digest, signatures, block.timestamp, BLOCK_BAND, round, sheets
    )
    log BlockSettled(
        action_id=actions.next(),
        maker=deal.maker,
        taker=deal.taker,
        digest=digest,
        nonce=deal.nonce,
        maker_signer=traded.maker_signer,
        taker_signer=traded.taker_signer,
        legs=traded.legs,
        fees=traded.fees,
    )
