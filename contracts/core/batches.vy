# pragma version 0.4.3
"""
@title Batches
@license Apache-2.0
@notice What the operator signs, and the order in which it happens: whatever a batch holds, it follows the one before
        and anchors the journal.
@custom:kill See Clearing.
"""

from core import actions
from core import state
from lib import ecdsa
from lib import eip712
from lib import refusals

uses: actions
uses: state

MASK_64: constant(uint256) = 2**64 - 1

BATCH_TYPE: constant(bytes32) = keccak256(
    "Batch(uint64 batchId,uint64 roundId,uint64 deadline,uint64 journalSize,bytes32 journalRoot,bytes32 content)"
)

# What the operator signs, apart from the content, which is hashed from the calldata.
struct Batch:
    batch_id: uint64
    round_id: uint64
    deadline: uint64
    journal_size: uint64
    journal_root: bytes32

event BatchSettled:
    batch_id: indexed(uint64)
    action_id: uint64
    trades: uint256
    journal_size: uint64
    journal_root: bytes32


@internal
@view
def check(batch: Batch, domain: bytes32, content: bytes32, r: uint256, vs: uint256):
    """
    @notice Refuse unless the batch is the next one, in time, and signed by the operator with this content.
    """
    head: uint256 = actions.head
    if convert(batch.batch_id, uint256) != (head >> 192) + 1:
        refusals.because(refusals.BATCH_ID)
    if block.timestamp > convert(batch.deadline, uint256):
        refusals.because(refusals.BATCH_DEADLINE)
    if convert(batch.round_id, uint256) < (head >> 128) & MASK_64:
        refusals.because(refusals.ROUND_ORDER)
    if convert(batch.journal_size, uint256) < head & MASK_64:
        refusals.because(refusals.JOURNAL_SIZE)
    digest: bytes32 = eip712.digest(
        domain,
        keccak256(
            abi_encode(
                BATCH_TYPE,
                batch.batch_id,
                batch.round_id,
                batch.deadline,
                batch.journal_size,
                batch.journal_root,
                content,
            )
        ),
    )
    signer: address = ecdsa.recover(digest, r, vs)
    if signer == empty(address) or signer != state.operator:
        refusals.because(refusals.OPERATOR_SIGNATURE)


@internal
def record(batch: Batch, trades: uint256, priced: bool):
    """
    @notice The batch has happened.
    @param priced False for a heartbeat: it checks no prices, so it must not move the round that later batches are
           compared with.
    """
    round_id: uint256 = convert(batch.round_id, uint256)
    if not priced:
        round_id = (actions.head >> 128) & MASK_64
    actions.head = (
        (convert(batch.batch_id, uint256) << 192)
        | (round_id << 128)
        | (block.timestamp << 64)
        | convert(batch.journal_size, uint256)
    )
    state.anchors[convert(batch.batch_id, uint256)] = batch.journal_root
    log BatchSettled(
        batch_id=batch.batch_id,
        action_id=actions.next(),
        trades=trades,
        journal_size=batch.journal_size,
        journal_root=batch.journal_root,
    )
