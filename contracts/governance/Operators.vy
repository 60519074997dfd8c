# pragma version 0.4.3
"""
@title Operators
@license Apache-2.0
@notice Holds what an operator loses when it tells two stories. An operator signs a receipt for each message and a
        header for each batch; every one of them also names the root of the journal at some size. Whoever holds two
        that cannot both be true, or a receipt and a later root without its record, takes the bond.
@dev Statements are EIP-712 messages in the domain of Clearing on this chain: what was signed for another venue or
     another chain proves nothing here. An honest operator signs for each place of its journal one receipt, and for
     each size of it one root, so no two of its statements meet any test below. An operator key serves one journal.
     The reporter commits to the proof first and reveals it later, so that a proof read in the mempool is of no use to
     a copyist. Payments are collected by those they are owed to: no receiver can stop a proof. Amounts in token units.
@custom:kill None. A frozen operator stays frozen; what it acknowledged still settles in Clearing, whose governor
     names another operator.
"""

from lib import ecdsa
from lib import eip712
from lib import merkle

MAX_DEPTH: constant(uint256) = 64
ONE: constant(uint256) = 10**18
REVEAL_DELAY: constant(uint256) = 60

RECEIPT_TYPE: constant(bytes32) = keccak256(
    "Receipt(uint64 seq,bytes32 priorRoot,bytes32 recordHash,uint64 timeNs)"
)
BATCH_TYPE: constant(bytes32) = keccak256(
    "Batch(uint64 batchId,uint64 roundId,uint64 deadline,uint64 journalSize,bytes32 journalRoot,bytes32 content)"
)

interface Token:
    def balanceOf(owner: address) -> uint256: view
    def transfer(receiver: address, amount: uint256) -> bool: nonpayable
    def transferFrom(sender: address, receiver: address, amount: uint256) -> bool: nonpayable

interface Clearing:
    def operator() -> address: view

# Something an operator signed, in the order of its EIP-712 type: seq, prior root, record hash, time and two zeros, or
# batch id, round id, deadline, journal size, journal root, content. The signature is in the form of EIP-2098.
struct Statement:
    is_batch: bool
    words: uint256[6]
    r: uint256
    vs: uint256

struct Bond:
    amount: uint256
    requested: uint256
    ripe_at: uint256
    is_known: bool
    is_frozen: bool

event Bonded:
    operator: indexed(address)
    amount: uint256

event WithdrawalRequested:
    operator: indexed(address)
    amount: uint256
    ripe_at: uint256

event WithdrawalVoided:
    operator: indexed(address)

event Withdrawn:
    operator: indexed(address)
    amount: uint256

event Committed:
    commitment: indexed(bytes32)

event Slashed:
    operator: indexed(address)
    reporter: indexed(address)
    first: bytes32
    second: bytes32
    reward: uint256
    penalty: uint256

event Collected:
    receiver: indexed(address)
    amount: uint256

TOKEN: public(immutable(address))
CLEARING: public(immutable(address))
TREASURY: public(immutable(address))
MINIMUM: public(immutable(uint256))
REPORTER_SHARE: public(immutable(uint256))
WITHDRAWAL_DELAY: public(immutable(uint256))

bonds: public(HashMap[address, Bond])
owed: public(HashMap[address, uint256])
# hash of reporter, salt and both digests -> time of the commitment
commitments: public(HashMap[bytes32, uint256])


@deploy
def __init__(
    token: address,
    clearing: address,
    treasury: address,
    minimum: uint256,
    reporter_share: uint256,
    proof_window: uint256,
    withdrawal_delay: uint256,
):
    """
    @param minimum What the operator in office must leave in its bond.
    @param reporter_share Of a bond, in 1e-18; at most a half, so that an operator that reports itself loses the rest.
    @param proof_window Seconds after which Clearing has anchored a record or the operator counts as gone.
    @param withdrawal_delay Seconds from a request to the payment; longer than the proof window and the reveal.
    """
    assert reporter_share > 0 and reporter_share <= ONE // 2, "parameter_range"
    assert treasury != empty(address) and minimum > 0, "parameter_range"
    assert withdrawal_delay > proof_window + REVEAL_DELAY, "parameter_range"
    TOKEN = token
    CLEARING = clearing
    TREASURY = treasury
    MINIMUM = minimum
    REPORTER_SHARE = reporter_share
    WITHDRAWAL_DELAY = withdrawal_delay


# -- the bond ----------------------------------------------------------------------------------------------------------


@external
@nonreentrant
def post_bond(operator: address, amount: uint256):
    """
    @notice Add to the bond of an operator, from the caller's tokens. Only the operator can take it out again.
    """
    bond: Bond = self.bonds[operator]
    assert operator != empty(address), "operator_unknown"
    assert not bond.is_frozen, "operator_frozen"
    assert amount > 0, "amount_zero"
    before: uint256 = staticcall Token(TOKEN).balanceOf(self)
    moved: bool = extcall Token(TOKEN).transferFrom(msg.sender, self, amount, default_return_value=True)
    assert moved, "bond_transfer"
    # A token that takes a fee or lies would leave one bond to be paid from another.
    assert staticcall Token(TOKEN).balanceOf(self) == before + amount, "bond_delta"
    self.bonds[operator].amount = bond.amount + amount
    self.bonds[operator].is_known = True
    log Bonded(operator=operator, amount=amount)


@external
@nonreentrant
def request_withdrawal(amount: uint256):
    """
    @notice Ask for part of the caller's bond, payable after the delay; a new request starts the delay anew. Until it
            is paid all of it can be lost.
    """
    bond: Bond = self.bonds[msg.sender]
    assert bond.is_known, "operator_unknown"
    assert not bond.is_frozen, "operator_frozen"
    assert amount > 0, "amount_zero"
    assert amount <= bond.amount, "amount_range"
    assert self._may_leave(msg.sender, bond.amount - amount), "bond_minimum"
    self.bonds[msg.sender].requested = amount
    self.bonds[msg.sender].ripe_at = block.timestamp + WITHDRAWAL_DELAY
    log WithdrawalRequested(operator=msg.sender, amount=amount, ripe_at=block.timestamp + WITHDRAWAL_DELAY)


@external
@nonreentrant
def void_withdrawal(operator: address):
    """
    @notice Take a request back: the operator at any time, anyone when the operator is in office and the request would
            leave less than the minimum. An operator that steps down, asks and returns would else be free to lie.
    """
    bond: Bond = self.bonds[operator]
    assert bond.requested > 0, "withdrawal_unknown"
    if msg.sender != operator:
        assert not self._may_leave(operator, bond.amount - bond.requested), "only_operator"
    self.bonds[operator].requested = 0
    log WithdrawalVoided(operator=operator)


@external
@nonreentrant
def withdraw():
    """
    @notice Pay what the caller asked for, once the delay has passed.
    """
    bond: Bond = self.bonds[msg.sender]
    assert bond.requested > 0, "withdrawal_unknown"
    assert block.timestamp >= bond.ripe_at, "withdrawal_early"
    assert self._may_leave(msg.sender, bond.amount - bond.requested), "bond_minimum"
    self.bonds[msg.sender].amount = bond.amount - bond.requested
    self.bonds[msg.sender].requested = 0
    self._pay(msg.sender, bond.requested)
    log Withdrawn(operator=msg.sender, amount=bond.requested)


@internal
@view
def _may_leave(operator: address, rest: uint256) -> bool:
    return rest >= MINIMUM or staticcall Clearing(CLEARING).operator() != operator


@external
@view
def is_bonded(operator: address) -> bool:
    """
    @notice Whether an operator has its minimum here, none of it on the way out, and was never caught.
    """
    bond: Bond = self.bonds[operator]
    return not bond.is_frozen and bond.amount >= bond.requested + MINIMUM


# -- proofs ------------------------------------------------------------------------------------------------------------


@external
def commit(commitment: bytes32):
    """
    @notice Announce a proof without showing it: keccak256(abi.encode(reporter, salt, first digest, second digest)).
    """
    assert self.commitments[commitment] == 0, "commitment_known"
    self.commitments[commitment] = block.timestamp
    log Committed(commitment=commitment)


@external
@nonreentrant
def prove_equivocation(first: Statement, second: Statement, salt: bytes32):
    """
    @notice Show two statements of one operator that cannot both be true: two receipts for one place of the journal,
            two journals under one batch, or two roots of the journal at one size, whichever statement names them.
    """
    a: bytes32 = self._digest(first)
    b: bytes32 = self._digest(second)
    operator: address = self._author(first, a, second, b, salt)
    same: bool = first.is_batch == second.is_batch and first.words[0] == second.words[0]
    lies: bool = False
    if same and not first.is_batch:
        lies = a != b
    else:
        size: bool = self._size(first) == self._size(second)
        root: bool = self._root(first) == self._root(second)
        lies = (size or same) and not root
    assert lies, "statements_agree"
    self._slash(operator, a, b)


@external
@nonreentrant
def prove_omission(
    receipt: Statement, head: Statement, leaf: bytes32, proof: DynArray[bytes32, MAX_DEPTH], salt: bytes32
):
    """
    @notice Show a receipt, and a root that covers its place and holds another record there.
    @param head A batch header, or a later receipt.
    @param leaf The leaf hash that stands at index seq - 1 under the root of `head`.
    @param proof RFC 6962 inclusion proof of `leaf`, siblings from the leaf upwards.
    """
    a: bytes32 = self._digest(receipt)
    b: bytes32 = self._digest(head)
    operator: address = self._author(receipt, a, head, b, salt)
    assert not receipt.is_batch, "statement_form"
    assert leaf != convert(receipt.words[2], bytes32), "leaf_same"
    root: bytes32 = convert(self._root(head), bytes32)
    assert merkle.holds(leaf, self._size(receipt), self._size(head), proof, root), "proof_wrong"
    self._slash(operator, a, b)


@internal
@view
def _digest(said: Statement) -> bytes32:
    domain: bytes32 = keccak256(abi_encode(eip712.DOMAIN_TYPE, eip712.NAME, eip712.VERSION, chain.id, CLEARING))
    hashed: bytes32 = empty(bytes32)
    if said.is_batch:
        hashed = keccak256(abi_encode(BATCH_TYPE, said.words))
    else:
        # The first record has number 1, and what is no part of a receipt may not be dressed up as one.
        assert said.words[0] > 0 and said.words[4] == 0 and said.words[5] == 0, "statement_form"
        words: uint256[4] = [said.words[0], said.words[1], said.words[2], said.words[3]]
        hashed = keccak256(abi_encode(RECEIPT_TYPE, words))
    return eip712.digest(domain, hashed)


@internal
@view
def _author(first: Statement, a: bytes32, second: Statement, b: bytes32, salt: bytes32) -> address:
    """
    @notice The one bonded operator that signed both, if the caller committed to this pair long enough ago.
    """
    since: uint256 = self.commitments[keccak256(abi_encode(msg.sender, salt, a, b))]
    assert since > 0, "commitment_unknown"
    assert block.timestamp >= since + REVEAL_DELAY, "commitment_early"
    operator: address = ecdsa.recover(a, first.r, first.vs)
    assert operator != empty(address), "statement_signer"
    assert operator == ecdsa.recover(b, second.r, second.vs), "statement_signer"
    assert self.bonds[operator].is_known, "operator_unknown"
    assert not self.bonds[operator].is_frozen, "operator_frozen"
    return operator


@internal
@pure
def _size(said: Statement) -> uint256:
    """
    @notice How many records the root of a statement covers: a receipt names the root before its own.
    """
    if said.is_batch:
        return said.words[3]
    return said.words[0] - 1


@internal
@pure
def _root(said: Statement) -> uint256:
    if said.is_batch:
        return said.words[4]
    return said.words[1]


@internal
def _slash(operator: address, first: bytes32, second: bytes32):
    amount: uint256 = self.bonds[operator].amount
    reward: uint256 = amount * REPORTER_SHARE // ONE
    self.bonds[operator].amount = 0
    self.bonds[operator].requested = 0
    self.bonds[operator].is_frozen = True
    self.owed[msg.sender] += reward
    self.owed[TREASURY] += amount - reward
    log Slashed(
        operator=operator, reporter=msg.sender, first=first, second=second, reward=reward, penalty=amount - reward
    )


@external
@nonreentrant
def collect(receiver: address):
    """
    @notice Pay a reporter or the treasury what it is owed. Anyone may call; it goes to the receiver.
    """
    amount: uint256 = self.owed[receiver]
    assert amount > 0, "nothing_owed"
    self.owed[receiver] = 0
    self._pay(receiver, amount)
    log Collected(receiver=receiver, amount=amount)


@internal
def _pay(receiver: address, amount: uint256):
    moved: bool = extcall Token(TOKEN).transfer(receiver, amount, default_return_value=True)
    assert moved, "bond_transfer"
