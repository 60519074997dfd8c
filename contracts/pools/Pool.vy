# pragma version 0.4.3
"""
@title Pool
@license Apache-2.0
@notice A pool of liquidity providers that makes markets through one account of Clearing: who owns how much of it, when they
        come and go and at which value, who may quote for it, and what becomes of it when that goes wrong.
@dev The pool owns its account. A session key that may quote and cancel, and nothing else, signs for it off chain; money
     leaves only by an epoch. An account is an account: this contract asks Clearing for no favour, and there may be any number.
     Each quote is signed for one round: its mandate expires `life` seconds after the time of the round. Anyone who holds one
     that was signed too far from the mark of that round closes the pool with it, at the manager's expense. Cash in 1e-6
     USDC, shares likewise, rates in 1e-18.
@custom:kill The manager may close the pool. So may anybody: with a quote beyond the terms, after a fall, or when the
     operator is gone. Closed, it sells nothing more; what is free goes to those who leave, until nothing is left.
"""

from core import quotes
from lib import ecdsa
from lib import eip712
from lib import lanes
from pools import shares

MAX_HASH_BYTES: constant(uint256) = 32 * 64
MAX_SHEET_BYTES: constant(uint256) = 32 * 512
MAX_GROUPS: constant(uint256) = 64
MAX_PROOF: constant(uint256) = 8
MASK_32: constant(uint256) = 2**32 - 1
MASK_64: constant(uint256) = 2**64 - 1
W: constant(uint256) = 10**18
MAY_CANCEL: constant(uint32) = 2
MAY_QUOTE: constant(uint32) = 4
# Of the bond of a manager whose quote was beyond the terms: who proved it gets one part in so many, the pool the rest.
REWARD: constant(uint256) = 10
# Seconds between the end of a pool and the return of the bond, in which quotes may still be held against it.
BOND_WAIT: constant(uint256) = 7 * 86_400
NEVER: constant(uint256) = 2**64 - 1

interface Token:
    def balanceOf(owner: address) -> uint256: view
    def approve(spender: address, amount: uint256) -> bool: nonpayable
    def transfer(receiver: address, amount: uint256) -> bool: nonpayable
    def transferFrom(sender: address, receiver: address, amount: uint256) -> bool: nonpayable

interface Vault:
    def TOKEN() -> address: view
    def deposit(account: uint32, amount: uint256): nonpayable

interface Oracle:
    def round_of(round_id: uint256) -> (uint256, uint256, bytes32): view

interface Clearing:
    def open_account() -> uint32: nonpayable
    def register_key(account: uint32, key: address, scopes: uint32, expiry: uint64): nonpayable
    def revoke_key(account: uint32, key: address): nonpayable
    def request_withdrawal(account: uint32, amount: uint256): nonpayable
    def cancel_withdrawal(account: uint32): nonpayable
    def request_exit(account: uint32): nonpayable
    def account_state(account: uint256) -> (address, int256, uint256, uint256, uint256, uint256): view
    def claims_of(account: uint256, live: uint256, time: uint256) -> int256: view
    def positions_of(account: uint256, expiry_id: uint256) -> (uint256, DynArray[uint256, MAX_GROUPS]): view
    def expiry_state(expiry_id: uint256) -> (uint256, uint256, uint256, bool, uint256): view
    def key_state(account: uint256, key: address) -> (uint256, uint256, uint256): view
    def last_batch() -> (uint256, uint256, uint256, uint256): view
    def timing() -> (uint256, uint256): view
    def margin_of(
        account: uint256,
        initial: bool,
        round_id: uint256,
        hashes: Bytes[MAX_HASH_BYTES],
        sheets: Bytes[MAX_SHEET_BYTES],
    ) -> int256: view

# What the pool promises to those who come, for good. Times in seconds.
struct Terms:
    epoch: uint256
    # From the time of a round to the expiry of what is quoted at it.
    life: uint256
    # Of a withdrawal, stays in the pool.
    fee: uint256
    # How far from the mark a quote may be, and an option be valued: a share of the mark, at most so many points of vol.
    quote_share: uint256
    quote_points: uint256
    nav_share: uint256
    nav_points: uint256
    # Fall of a share since an epoch, by which anybody may close the pool.
    fall: uint256
    # Below which the oracle's confidence prices no shares.
    confidence: uint256
    # Least that the manager has at stake before anybody may come, and most that the pool may be worth.
    bond: uint256
    cap: uint256

# Cash that waits to become shares, in the epoch of this number.
struct Entry:
    epoch: uint256
    amount: uint256

# Shares that wait to become cash with those of a bucket, and the cash that was taken so far.
struct Leave:
    bucket: uint256
    amount: uint256
    taken: uint256

# Shares that leave together: how many, how many of them have been paid, and what.
struct Bucket:
    amount: uint256
    burned: uint256
    paid: uint256

# What deposits of an epoch buy; no denominator: they are sent back.
struct Price:
    numerator: uint256
    denominator: uint256

# A quote as its maker signed it: see `quotes` for the words.
struct Quote:
    head: uint256
    budget: uint256
    r: uint256
    vs: uint256
    terms: uint256
    place: uint256
    greeks: uint256
    proof: DynArray[bytes32, MAX_PROOF]

event DepositRequested:
    owner: indexed(address)
    epoch: uint256
    amount: uint256

event DepositCancelled:
    owner: indexed(address)
    amount: uint256

event WithdrawalRequested:
    owner: indexed(address)
    bucket: uint256
    shares: uint256

event Claimed:
    owner: indexed(address)
    shares: uint256
    amount: uint256

event EpochServed:
    epoch: indexed(uint256)
    low: int256
    high: int256
    born: uint256
    burned: uint256
    paid: uint256

event KeySet:
    key: indexed(address)
    expiry: uint64

event Closed:
    by: indexed(address)
    cause: String[16]

event BondTaken:
    amount: uint256
    reward: uint256

CLEARING: public(immutable(address))
VAULT: public(immutable(address))
ORACLE: public(immutable(address))
TOKEN: public(immutable(address))
MANAGER: public(immutable(address))
ACCOUNT: public(immutable(uint32))
TERMS: immutable(Terms)

supply: public(uint256)
shares_of: public(HashMap[address, uint256])
entries: public(HashMap[address, Entry])
leaves: public(HashMap[address, Leave])
prices: public(HashMap[uint256, Price])
buckets: public(HashMap[uint256, Bucket])

# Epochs served; requests made now belong to the next one. When the last was, and the low value of a share at it.
epoch: public(uint256)
served_at: public(uint256)
low_price: public(uint256)
# Of the worth of a share at the last epoch, for what those who wait to leave may need.
high_price: public(uint256)
# The bucket that is being paid; the next one collects.
bucket: public(uint256)
entering: public(uint256)

# Tokens here that are not the pool's: of those who enter, and of those who have left and not come for it.
owed: public(uint256)
bond: public(uint256)
key: public(address)
closed_at: public(uint256)


@deploy
def __init__(clearing: address, vault: address, oracle: address, manager: address, terms: Terms):
    """
    @param clearing In which the pool opens its account.
    @param oracle The one that Clearing asks.
    @param manager Names the key that quotes, and answers for it with a bond.
    @param terms See above; they never change.
    """
    assert terms.epoch >= 60 and terms.epoch <= 30 * 86_400 and terms.life <= 3_600, "parameter_range"
    assert terms.fee <= W // 20 and terms.fall > 0 and terms.fall <= W and terms.confidence <= W, "parameter_range"
    assert max(terms.quote_share, terms.nav_share) <= W, "parameter_range"
    assert max(terms.quote_points, terms.nav_points) <= W and terms.cap < 2**90 and terms.bond < 2**90, "parameter_range"
    CLEARING = clearing
    VAULT = vault
    ORACLE = oracle
    TOKEN = staticcall Vault(vault).TOKEN()
    MANAGER = manager
    TERMS = terms
    ACCOUNT = extcall Clearing(clearing).open_account()
    self.served_at = block.timestamp
    self.bucket = 1


# -- coming and going -------------------------------------------------------------------------------------------------


@external
@nonreentrant
def request_deposit(amount: uint256):
    """
    @notice Bring cash, which becomes shares when the epoch is served.
    """
    assert self.closed_at == 0, "pool_closed"
    assert self.bond >= TERMS.bond, "pool_bond"
    assert amount > 0 and amount < 2**90, "amount_range"
    self._claim(msg.sender)
    self.entering += amount
    assert self.entering <= TERMS.cap, "pool_cap"
    entry: Entry = self.entries[msg.sender]
    self.entries[msg.sender] = Entry(epoch=self.epoch + 1, amount=entry.amount + amount)
    self.owed += amount
    self._take(msg.sender, amount)
    log DepositRequested(owner=msg.sender, epoch=self.epoch + 1, amount=amount)


@external
@nonreentrant
def cancel_deposit():
    """
    @notice Take back what waits to become shares.
    """
    self._claim(msg.sender)
    amount: uint256 = self.entries[msg.sender].amount
    assert amount > 0, "nothing_owed"
    self.entries[msg.sender] = empty(Entry)
    self.entering -= amount
    self._give(msg.sender, amount)
    log DepositCancelled(owner=msg.sender, amount=amount)


@external
def request_withdrawal(amount: uint256):
    """
    @notice Ask for cash in the place of so many shares. They stay shares until an epoch burns them, and cannot be had back.
    """
    self._claim(msg.sender)
    assert amount > 0 and amount <= self.shares_of[msg.sender], "amount_range"
    bucket: uint256 = self.bucket + 1
    leave: Leave = self.leaves[msg.sender]
    assert leave.bucket == bucket or leave.amount == 0, "withdrawal_pending"
    self.shares_of[msg.sender] -= amount
    self.leaves[msg.sender] = Leave(bucket=bucket, amount=leave.amount + amount, taken=0)
    self.buckets[bucket].amount += amount
    log WithdrawalRequested(owner=msg.sender, bucket=bucket, shares=amount)


@external
@nonreentrant
def claim(owner: address):
    """
    @notice Give somebody what epochs have made of their requests: shares, and cash. Anyone.
    """
    self._claim(owner)


@internal
def _claim(owner: address):
    born: uint256 = 0
    cash: uint256 = 0
    entry: Entry = self.entries[owner]
    if entry.amount != 0 and entry.epoch <= self.epoch:
        price: Price = self.prices[entry.epoch]
        if price.denominator == 0:
            cash = entry.amount
        else:
            born = entry.amount * price.numerator // price.denominator
            self.shares_of[owner] += born
        self.entries[owner] = empty(Entry)
    leave: Leave = self.leaves[owner]
    if leave.amount != 0:
        bucket: Bucket = self.buckets[leave.bucket]
        due: uint256 = bucket.paid * leave.amount // bucket.amount
        cash += due - leave.taken
        self.leaves[owner].taken = due
        if bucket.burned == bucket.amount:
            self.leaves[owner] = empty(Leave)
    if cash > 0:
        self._give(owner, cash)
    if born + cash > 0:
        log Claimed(owner=owner, shares=born, amount=cash)


@external
@nonreentrant
def serve(round_id: uint256, hashes: Bytes[MAX_HASH_BYTES], sheets: Bytes[MAX_SHEET_BYTES]):
    """
    @notice Serve the epoch once its time is over, at a fresh round; a pool without open options needs none. Anyone.
    @param sheets Those of all expiries that the pool holds, in the round's order.
    """
    low: int256 = 0
    high: int256 = 0
    flat: bool = False
    low, high, flat = self._nav(round_id, hashes, sheets)
    if self.closed_at == 0 or not flat:
        assert block.timestamp >= self.served_at + TERMS.epoch, "epoch_early"
    assert high < 2**96, "nav_range"
    paying: uint256 = self.bucket
    if self.buckets[paying].burned == self.buckets[paying].amount:
        paying += 1
        self.bucket = paying
    bucket: Bucket = self.buckets[paying]
    supply: uint256 = self.supply
    entering: uint256 = self.entering
    welcome: uint256 = entering
    # Who would come to a pool that is full, or over, is sent home.
    if self.closed_at != 0 or (supply != 0 and high + convert(entering, int256) > convert(TERMS.cap, int256)):
        welcome = 0
    # Nothing stays behind for others when nobody is to go on.
    fee: uint256 = TERMS.fee if self.closed_at == 0 else 0
    served: shares.Served = shares.serve(supply, low, high, welcome, bucket.amount - bucket.burned, self._idle(), fee)
    number: uint256 = self.epoch + 1
    self.epoch = number
    self.prices[number] = Price(numerator=served.numerator, denominator=served.denominator)
    self.entering = 0
    if served.denominator != 0:
        self.owed -= entering
    self.owed += served.paid
    self.buckets[paying].burned = bucket.burned + served.burned
    self.buckets[paying].paid = bucket.paid + served.paid
    self.supply = supply + served.born - served.burned
    self.served_at = block.timestamp
    self.low_price = 0
    self.high_price = 0
    if supply != 0:
        self.low_price = convert(max(low, 0), uint256) * W // supply
        self.high_price = (convert(max(high, 0), uint256) * W + supply - 1) // supply
    elif served.born != 0:
        self.low_price = W
        self.high_price = W
    log EpochServed(epoch=number, low=low, high=high, born=served.born, burned=served.burned, paid=served.paid)


# -- the money --------------------------------------------------------------------------------------------------------


@internal
@view
def _idle() -> uint256:
    """
    @notice Tokens here that are the pool's.
    """
    return staticcall Token(TOKEN).balanceOf(self) - self.owed - self.bond


@internal
@view
def _needed() -> uint256:
    """
    @notice Cash that all who wait to leave may need, by the values of the last epoch.
    """
    paying: Bucket = self.buckets[self.bucket]
    waiting: uint256 = paying.amount - paying.burned + self.buckets[self.bucket + 1].amount
    return (waiting * self.high_price + W - 1) // W


@external
@nonreentrant
def invest(amount: uint256):
    """
    @notice Put idle cash that nobody waits for into the pool's account. Anyone.
    """
    assert self.closed_at == 0, "pool_closed"
    assert amount > 0 and amount + self._needed() <= self._idle(), "amount_range"
    approved: bool = extcall Token(TOKEN).approve(VAULT, amount, default_return_value=True)
    assert approved, "vault_transfer"
    extcall Vault(VAULT).deposit(ACCOUNT, amount)


@external
def gather():
    """
    @notice Ask Clearing for the cash that those who wait to leave need and that is not here. Anyone; once it binds,
            `finalise_withdrawal` of Clearing brings it.
    """
    needed: uint256 = self._needed()
    idle: uint256 = self._idle()
    assert needed > idle, "nothing_owed"
    cash: int256 = (staticcall Clearing(CLEARING).account_state(convert(ACCOUNT, uint256)))[1]
    assert cash > 0, "nothing_free"
    extcall Clearing(CLEARING).request_withdrawal(ACCOUNT, min(needed - idle, convert(cash, uint256)))


@external
def cancel_gather():
    """
    @notice Take back a request that margin does not allow for, so that a smaller one can follow. Only the manager.
    """
    assert msg.sender == MANAGER, "only_manager"
    extcall Clearing(CLEARING).cancel_withdrawal(ACCOUNT)


@internal
def _take(sender: address, amount: uint256):
    before: uint256 = staticcall Token(TOKEN).balanceOf(self)
    moved: bool = extcall Token(TOKEN).transferFrom(sender, self, amount, default_return_value=True)
    assert moved, "vault_transfer"
    assert staticcall Token(TOKEN).balanceOf(self) - before == amount, "vault_delta"


@internal
def _give(receiver: address, amount: uint256):
    self.owed -= amount
    moved: bool = extcall Token(TOKEN).transfer(receiver, amount, default_return_value=True)
    assert moved, "vault_transfer"


# -- the value --------------------------------------------------------------------------------------------------------


@internal
@view
def _nav(
    round_id: uint256, hashes: Bytes[MAX_HASH_BYTES], sheets: Bytes[MAX_SHEET_BYTES]
) -> (int256, int256, bool):
    """
    @notice Worth of the pool to who leaves and to who comes, and whether it has no open options. What of its fills is not
            settled yet is not in it.
    """
    _owner: address = empty(address)
    cash: int256 = 0
    _frozen: uint256 = 0
    live: uint256 = 0
    _asked: uint256 = 0
    _binding: uint256 = 0
    _owner, cash, _frozen, live, _asked, _binding = staticcall Clearing(CLEARING).account_state(convert(ACCOUNT, uint256))
    low: int256 = (cash + convert(self._idle(), int256)) * shares.LOTS
    high: int256 = low
    time: uint256 = NEVER
    flat: bool = True
    if live != 0 and len(sheets) != 0:
        # Clearing refuses a round that is not fresh, sheets that are not of it, and an expiry without one.
        _margin: int256 = staticcall Clearing(CLEARING).margin_of(
            convert(ACCOUNT, uint256), False, round_id, hashes, sheets
        )
        _stable: uint256 = 0
        _root: bytes32 = empty(bytes32)
        time, _stable, _root = staticcall Oracle(ORACLE).round_of(round_id)
        offset: uint256 = 0
        for _: uint256 in range(64):
            if offset == len(sheets):
                break
            head: uint256 = extract32(sheets, offset, output_type=uint256)
            groups: uint256 = (head >> 160) & MASK_32
            bit: uint256 = 1 << ((head >> 224) & 127)
            if live & bit != 0:
                held: uint256 = 0
                words: DynArray[uint256, MAX_GROUPS] = []
                held, words = staticcall Clearing(CLEARING).positions_of(convert(ACCOUNT, uint256), head >> 224)
                # The bit may belong to another expiry; and what is settled by then is a claim.
                if held != 0 and not self._is_claim(head >> 224, time):
                    live ^= bit
                    flat = False
                    below: int256 = 0
                    above: int256 = 0
                    below, above = self._worth(sheets, offset, held, words, time)
                    low += below
                    high += above
            offset += 64 + (groups << 5)
    claims: int256 = 0
    if live != 0:
        claims = (staticcall Clearing(CLEARING).claims_of(convert(ACCOUNT, uint256), live, time)) * shares.LOTS
    return shares.rounded(low + claims, False), shares.rounded(high + claims, True), flat


@internal
@view
def _is_claim(expiry_id: uint256, time: uint256) -> bool:
    _underlying: uint256 = 0
    expiry: uint256 = 0
    _holders: uint256 = 0
    fixed: bool = False
    _price: uint256 = 0
    _underlying, expiry, _holders, fixed, _price = staticcall Clearing(CLEARING).expiry_state(expiry_id)
    return fixed and expiry <= time


@internal
@view
def _left(expiry_id: uint256, time: uint256) -> uint256:
    """
    @notice Seconds from a time to an expiry, at least 0.
    """
    expiry: uint256 = (staticcall Clearing(CLEARING).expiry_state(expiry_id))[1]
    return expiry - min(time, expiry)


@internal
@view
def _worth(
    sheets: Bytes[MAX_SHEET_BYTES], offset: uint256, held: uint256, words: DynArray[uint256, MAX_GROUPS], time: uint256
) -> (int256, int256):
    """
    @notice Positions of one expiry at both prices, in 1e-10 USDC.
    """
    prices: uint256 = extract32(sheets, offset + 32, output_type=uint256)
    assert (prices >> 64) & MASK_64 >= TERMS.confidence, "round_unsure"
    forward: uint256 = (prices >> 128) & MASK_64
    left: uint256 = self._left(extract32(sheets, offset, output_type=uint256) >> 224, time)
    low: int256 = 0
    high: int256 = 0
    groups: uint256 = held
    at: uint256 = offset + 64
    place: uint256 = 0
    for _group: uint256 in range(MAX_GROUPS):
        if groups == 0:
            break
        if groups & 1 != 0:
            word: uint256 = words[place]
            marks: uint256 = extract32(sheets, at, output_type=uint256)
            for _lane: uint256 in range(4):
                if word & MASK_64 != 0:
                    mark: uint256 = marks & MASK_64
                    width: uint256 = shares.width(mark, forward, left, TERMS.nav_share, TERMS.nav_points)
                    below: int256 = 0
                    above: int256 = 0
                    below, above = shares.worth(lanes.signed(word), mark, width)
                    low += below
                    high += above
                word >>= 64
                marks >>= 64
            place += 1
        groups >>= 1
        at += 32
    return low, high


@external
@view
def nav(
    round_id: uint256, hashes: Bytes[MAX_HASH_BYTES], sheets: Bytes[MAX_SHEET_BYTES]
) -> (int256, int256, bool):
    """
    @notice What the pool is worth at a fresh round, to who leaves and to who comes, and whether it has no open options.
    """
    return self._nav(round_id, hashes, sheets)


@external
@view
def idle() -> uint256:
    """
    @notice Tokens here that are the pool's.
    """
    return self._idle()


@external
@view
def terms() -> Terms:
    """
    @notice What the pool promises.
    """
    return TERMS


# -- who quotes -------------------------------------------------------------------------------------------------------


@external
@nonreentrant
def post_bond(amount: uint256):
    """
    @notice Put cash at stake for what the key signs. Only the manager.
    """
    assert msg.sender == MANAGER, "only_manager"
    self.bond += amount
    self._take(msg.sender, amount)


@external
def set_key(key: address, expiry: uint64):
    """
    @notice Let a key quote for the pool, and cancel, until `expiry`, in the place of the one before. Only the manager.
    """
    assert msg.sender == MANAGER, "only_manager"
    assert self.closed_at == 0, "pool_closed"
    assert self.bond >= TERMS.bond, "pool_bond"
    self._drop_key()
    self.key = key
    extcall Clearing(CLEARING).register_key(ACCOUNT, key, MAY_QUOTE | MAY_CANCEL, expiry)
    log KeySet(key=key, expiry=expiry)


@external
def drop_key():
    """
    @notice Revoke the key. Only the manager.
    """
    assert msg.sender == MANAGER, "only_manager"
    assert self.key != empty(address), "key_unknown"
    self._drop_key()
    log KeySet(key=empty(address), expiry=0)


@internal
def _drop_key():
    key: address = self.key
    if key != empty(address):
        # The key may have revoked itself.
        if (staticcall Clearing(CLEARING).key_state(convert(ACCOUNT, uint256), key))[2] == 0:
            extcall Clearing(CLEARING).revoke_key(ACCOUNT, key)
        self.key = empty(address)


# -- the end ----------------------------------------------------------------------------------------------------------


@external
def close():
    """
    @notice End the pool: no further quotes, no further deposits. Only the manager.
    """
    assert msg.sender == MANAGER, "only_manager"
    self._close("closed")


@external
def abandon():
    """
    @notice End a pool whose venue's operator has settled nothing for the timeout. Anyone.
    """
    settled: uint256 = (staticcall Clearing(CLEARING).last_batch())[2]
    timeout: uint256 = (staticcall Clearing(CLEARING).timing())[1]
    assert block.timestamp > settled + timeout, "operator_early"
    self._close("abandoned")


@external
def trip(round_id: uint256, hashes: Bytes[MAX_HASH_BYTES], sheets: Bytes[MAX_SHEET_BYTES]):
    """
    @notice End a pool whose shares are worth less, even to who comes, than the share of their low value at the last epoch
            that the terms allow it to lose. Anyone, at a fresh round.
    """
    low: int256 = 0
    high: int256 = 0
    _flat: bool = False
    low, high, _flat = self._nav(round_id, hashes, sheets)
    worth: uint256 = convert(max(high, 0), uint256) * W
    assert worth < self.supply * (self.low_price * (W - TERMS.fall) // W), "pool_sound"
    self._close("fall")


@external
@nonreentrant
def prove(
    quote: Quote, round_id: uint256, hashes: Bytes[MAX_HASH_BYTES], sheet: Bytes[64 + 32 * MAX_GROUPS], at: uint256
):
    """
    @notice Show a quote that a key of the pool signed too far from the mark of its round. Ends the pool; the manager's
            bond goes to the pool, and a tenth of it to the caller. Filled or not, in force or not.
    @param sheet Of the series' expiry, the one at place `at` among those of the round.
    """
    assert quote.head >> 224 == convert(ACCOUNT, uint256), "account_unknown"
    node: bytes32 = quotes.leaf_hash(quote.terms, quote.place << 192, quote.greeks)
    for sibling: bytes32 in quote.proof:
        node = quotes.parent(node, sibling)
    signer: address = ecdsa.recover(self._mandate_digest(quote.head, quote.budget, node), quote.r, quote.vs)
    scopes: uint256 = (staticcall Clearing(CLEARING).key_state(convert(ACCOUNT, uint256), signer))[0]
    assert signer != empty(address) and scopes & convert(MAY_QUOTE, uint256) != 0, "quote_signature"
    time: uint256 = 0
    _stable: uint256 = 0
    root: bytes32 = empty(bytes32)
    time, _stable, root = staticcall Oracle(ORACLE).round_of(round_id)
    assert (quote.head >> 96) & MASK_64 == time + TERMS.life, "quote_round"
    assert keccak256(hashes) == root, "sheet_root"
    assert extract32(hashes, 32 * at) == keccak256(sheet), "sheet_unknown"
    assert self._is_beyond(quote.terms, sheet, time), "quote_within"
    self._close("quote")
    taken: uint256 = self.bond
    self.bond = 0
    reward: uint256 = taken // REWARD
    self.owed += reward
    self._give(msg.sender, reward)
    log BondTaken(amount=taken, reward=reward)


@internal
@view
def _mandate_digest(head: uint256, budget: uint256, root: bytes32) -> bytes32:
    domain: bytes32 = keccak256(abi_encode(eip712.DOMAIN_TYPE, eip712.NAME, eip712.VERSION, chain.id, CLEARING))
    return eip712.digest(
        domain,
        keccak256(
            abi_encode(
                quotes.MANDATE_TYPE,
                head >> 224,
                root,
                (head >> 160) & MASK_64,
                (head >> 96) & MASK_64,
                (head >> 32) & MASK_64,
                budget >> 192,
                (budget >> 128) & MASK_64,
                (budget >> 64) & MASK_64,
                budget & MASK_64,
            )
        ),
    )


@internal
@view
def _is_beyond(terms: uint256, sheet: Bytes[64 + 32 * MAX_GROUPS], time: uint256) -> bool:
    """
    @notice Whether a quote asks less than the mark less the width, or bids more than the mark and the width.
    """
    series: uint256 = (terms >> 192) & MASK_32
    assert extract32(sheet, 0, output_type=uint256) >> 224 == series >> 16, "sheet_missing"
    word: uint256 = extract32(sheet, 64 + 32 * ((series & (2**16 - 1)) >> 2), output_type=uint256)
    mark: uint256 = (word >> ((series & 3) << 6)) & MASK_64
    assert mark != 0, "mark_missing"
    forward: uint256 = (extract32(sheet, 32, output_type=uint256) >> 128) & MASK_64
    left: uint256 = self._left(series >> 16, time)
    width: uint256 = shares.width(mark, forward, left, TERMS.quote_share, TERMS.quote_points)
    price: uint256 = (terms >> 128) & MASK_64
    if terms & 1 != 0:
        return price > mark + width
    return price + width < mark


@internal
def _close(cause: String[16]):
    assert self.closed_at == 0, "pool_closed"
    self.closed_at = block.timestamp
    self._drop_key()
    extcall Clearing(CLEARING).request_exit(ACCOUNT)
    log Closed(by=msg.sender, cause=cause)


@external
@nonreentrant
def release_bond():
    """
    @notice Give the manager of a closed pool the bond back, when nobody has held a quote against it. Anyone.
    """
    assert self.closed_at != 0 and block.timestamp >= self.closed_at + BOND_WAIT, "bond_early"
    amount: uint256 = self.bond
    assert amount > 0, "nothing_owed"
    self.bond = 0
    self.owed += amount
    self._give(MANAGER, amount)
