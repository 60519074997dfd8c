# pragma version 0.4.3
"""
@title Accounts
@license Apache-2.0
@notice Accounts of wallets, the session keys they delegate to, and the nonces they cancel on chain.
@dev A wallet may open several accounts; ids are dense from 1, and 0 is the treasury, which nobody owns.
@custom:kill None: opening, revoking and cancelling must work while trading is stopped.
"""

from core import actions
from lib import refusals

uses: actions

MASK_64: constant(uint256) = 2**64 - 1
MASK_160: constant(uint256) = 2**160 - 1
HAS_CANCELS: constant(uint256) = 1 << 224
HAS_CHOSEN: constant(uint256) = 1 << 225
KEY_KNOWN: constant(uint256) = 1 << 160
KEY_LIMITED: constant(uint256) = 1 << 161
HAD: constant(uint256) = 168
LOTS: constant(uint256) = 10**4
MASK_96: constant(uint256) = 2**96 - 1
# In place of a room: nothing is counted.
NO_LIMIT: constant(uint256) = 2**96 - 1
EVERY: constant(uint256) = 2**64 - 1

SCOPE_TRADE: public(constant(uint32)) = 1
SCOPE_CANCEL: public(constant(uint32)) = 2
SCOPE_QUOTE: public(constant(uint32)) = 4
SCOPE_RFQ: public(constant(uint32)) = 8

event AccountOpened:
    action_id: uint64
    account: indexed(uint32)
    owner: indexed(address)

event KeyRegistered:
    action_id: uint64
    account: indexed(uint32)
    key: indexed(address)
    scopes: uint32
    expiry: uint64
    underlyings: uint64
    notional: uint64
    spend: uint64

event KeyRevoked:
    action_id: uint64
    account: indexed(uint32)
    key: indexed(address)
    effective: uint64

event NoncesCancelled:
    action_id: uint64
    account: indexed(uint32)
    word: uint64
    mask: uint256
    effective: uint64

# Nonces cancelled in one word of 256: those in force, those that join them at `pending_from`, and those that were
# cancelled while others were pending and join them one window after those.
struct Cancels:
    bound: uint256
    pending: uint256
    pending_from: uint256
    later: uint256

count: uint256

# owner u160 | frozen_from u64 | flags: has cancelled nonces, has chosen a margin model. The flags spare everybody else a
# cold read of the cancel bitmap, or of the choice.
words: HashMap[uint256, uint256]

# (account << 160 | key) -> scopes u32 | expiry u64 | revoked_from u64 | known flag | limited flag | 0 u6 | scopes u32 that
# it ever had
keys: HashMap[uint256, uint256]

# (account << 160 | key) -> map of underlyings u64 | notional left u96 in 1e-10 USDC | spend left u96 in 1e-6 USDC,
# of a key with the limited flag.
rooms: HashMap[uint256, uint256]

# (account << 64 | nonce >> 8)
cancels: HashMap[uint256, Cancels]


@internal
@view
def owner_of(account: uint32) -> address:
    """
    @notice Wallet that owns an account, or the zero address.
    """
    return convert(self.words[convert(account, uint256)] & MASK_160, address)


@internal
@view
def check_owner(account: uint32):
    """
    @notice Refuse unless the caller owns the account.
    """
    if self.owner_of(account) != msg.sender:
        refusals.because(refusals.ONLY_OWNER)


@internal
@view
def check_active(word: uint256):
    """
    @notice Refuse an account whose exit is in force.
    """
    frozen_from: uint256 = (word >> 160) & MASK_64
    if frozen_from != 0:
        if actions.binds(frozen_from):
            refusals.because(refusals.ACCOUNT_FROZEN)


@internal
def set_frozen(account: uint32, frozen_from: uint256):
    """
    @notice Freeze an account from a time, or thaw it with 0.
    """
    key: uint256 = convert(account, uint256)
    self.words[key] = (self.words[key] & ~(MASK_64 << 160)) | (frozen_from << 160)


@internal
@view
def frozen_from(account: uint32) -> uint256:
    """
    @notice Time from which the account may no longer trade; 0 when it may.
    """
    return (self.words[convert(account, uint256)] >> 160) & MASK_64


@internal
@view
def check_key(account: uint256, signer: address, filled: bool, scope: uint32) -> bool:
    """
    @notice Refuse an order that its owner did not sign unless a session key with a scope for it did.
    @param signer The zero address when the signature is malformed.
    @param filled False for an order that is listed only as an ancestor: it moves nothing, so it need not be
           in force any more, nor have kept its scope, but it must once have had it.
    @param scope Any of these bits will do.
    @return Whether the key has limits, which `use_key` counts.
    """
    key: uint256 = self.keys[(account << 160) | convert(signer, uint256)]
    if signer == empty(address) or key == 0:
        refusals.because(refusals.ORDER_SIGNATURE)
    if not filled:
        if (key >> HAD) & convert(scope, uint256) == 0:
            refusals.because(refusals.KEY_SCOPE)
    else:
        if key & convert(scope, uint256) == 0:
            refusals.because(refusals.KEY_SCOPE)
        if ((key >> 32) & MASK_64) + actions.window() < block.timestamp:
            refusals.because(refusals.KEY_EXPIRED)
        revoked_from: uint256 = (key >> 96) & MASK_64
        if revoked_from != 0:
            if actions.binds(revoked_from):
                refusals.because(refusals.KEY_REVOKED)
    return key & KEY_LIMITED != 0


@internal
def use_key(account: uint256, signer: address, underlying: uint256, notional: uint256, spend: uint256):
    """
    @notice Take a fill out of what a limited key has left.
    @dev What is counted only ever grows, so the order in which a batch lists its orders does not matter.
    @param notional In 1e-10 USDC.
    @param spend In 1e-6 USDC.
    """
    slot: uint256 = (account << 160) | convert(signer, uint256)
    room: uint256 = self.rooms[slot]
    if room >> 192 != EVERY and ((room >> 192) >> underlying) & 1 == 0:
        refusals.because(refusals.KEY_UNDERLYING)
    left: uint256 = (room >> 96) & MASK_96
    if left != NO_LIMIT:
        if notional > left:
            refusals.because(refusals.KEY_NOTIONAL)
        room -= notional << 96
    left = room & MASK_96
    if left != NO_LIMIT:
        if spend > left:
            refusals.because(refusals.KEY_SPEND)
        room -= spend
    self.rooms[slot] = room


@internal
@view
def check_nonce(account: uint256, nonce: uint256):
    """
    @notice Refuse an order whose nonce is cancelled on chain. Only for accounts flagged HAS_CANCELS.
    """
    entry: Cancels = self.cancels[(account << 64) | (nonce >> 8)]
    bits: uint256 = entry.bound
    if entry.pending != 0 and actions.binds(entry.pending_from):
        bits |= entry.pending
        if entry.later != 0 and actions.binds(entry.pending_from + actions.window()):
            bits |= entry.later
    if (bits >> (nonce & 255)) & 1 != 0:
        refusals.because(refusals.ORDER_CANCELLED)


@external
def open_account() -> uint32:
    """
    @notice Open an account owned by the caller.
    @return The id of the account.
    """
    account: uint256 = self.count + 1
    self.count = account
    self.words[account] = convert(msg.sender, uint256)
    log AccountOpened(action_id=actions.next(), account=convert(account, uint32), owner=msg.sender)
    return convert(account, uint32)


@external
def register_key(
    account: uint32,
    key: address,
    scopes: uint32,
    expiry: uint64,
    underlyings: uint64 = 0,
    notional: uint64 = 0,
    spend: uint64 = 0,
):
    """
    @notice Let `key` act for the account until `expiry` (seconds), at once.
    @param underlyings Bit n allows underlying n; 0 allows all.
    @param notional Most that strike times quantity of all its fills may come to, in 1e-6 USDC; 0 is no limit.
    @param spend Most that it may pay for what it buys, fees included, in 1e-6 USDC; 0 is no limit.
    @dev A key in use keeps its terms until it is revoked or expired: narrowing them here would unsettle
         fills that relied on them.
    """
    self.check_owner(account)
    if key == empty(address) or key == msg.sender:
        refusals.because(refusals.KEY_ADDRESS)
    if convert(expiry, uint256) <= block.timestamp:
        refusals.because(refusals.KEY_EXPIRED)
    slot: uint256 = (convert(account, uint256) << 160) | convert(key, uint256)
    before: uint256 = self.keys[slot]
    if not self._key_is_over(before):
        refusals.because(refusals.KEY_IN_USE)
    word: uint256 = convert(scopes, uint256) | (convert(expiry, uint256) << 32) | KEY_KNOWN
    word |= ((before >> HAD) | convert(scopes, uint256)) << HAD
    if underlyings != 0 or notional != 0 or spend != 0:
        # A mandate to quote has a budget of its own, which knows no underlyings and no cash.
        if max(underlyings, max(notional, spend)) >= 2**63 or scopes & SCOPE_QUOTE != 0:
            refusals.because(refusals.KEY_LIMITS)
        word |= KEY_LIMITED
        room: uint256 = (EVERY if underlyings == 0 else convert(underlyings, uint256)) << 192
        room |= (NO_LIMIT if notional == 0 else convert(notional, uint256) * LOTS) << 96
        room |= NO_LIMIT if spend == 0 else convert(spend, uint256)
        self.rooms[slot] = room
    self.keys[slot] = word
    log KeyRegistered(
        action_id=actions.next(),
        account=account,
        key=key,
        scopes=scopes,
        expiry=expiry,
        underlyings=underlyings,
        notional=notional,
        spend=spend,
    )


@internal
@view
def _key_is_over(word: uint256) -> bool:
    if word == 0:
        return True
    revoked_from: uint256 = (word >> 96) & MASK_64
    if revoked_from != 0 and actions.binds(revoked_from):
        return True
    return ((word >> 32) & MASK_64) + actions.window() < block.timestamp


@external
def revoke_key(account: uint32, key: address):
    """
    @notice Revoke a session key from the binding time on. The owner or the key itself may call.
    """
    if msg.sender != key:
        self.check_owner(account)
    slot: uint256 = (convert(account, uint256) << 160) | convert(key, uint256)
    word: uint256 = self.keys[slot]
    if word == 0 or (word >> 96) & MASK_64 != 0:
        refusals.because(refusals.KEY_UNKNOWN)
    effective: uint256 = actions.binding_time()
    self.keys[slot] = word | (effective << 96)
    log KeyRevoked(action_id=actions.next(), account=account, key=key, effective=convert(effective, uint64))


@external
def cancel_nonces(account: uint32, word: uint64, mask: uint256):
    """
    @notice Cancel the orders whose nonces are word * 256 + i for every bit i of `mask`, from the binding time
            on, or from one window after the binding time of what is still pending in the word. The owner or a
            session key with cancel scope may call.
    @dev Nobody can postpone what is pending: what comes later has a time of its own, at most two windows away.
    """
    if self.owner_of(account) != msg.sender:
        self._check_cancel_scope(account)
    key: uint256 = (convert(account, uint256) << 64) | convert(word, uint256)
    entry: Cancels = self.cancels[key]
    for _: uint256 in range(2):
        if entry.pending != 0 and actions.binds(entry.pending_from):
            entry.bound |= entry.pending
            entry.pending = entry.later
            entry.pending_from += actions.window()
            entry.later = 0
    effective: uint256 = actions.binding_time()
    if entry.pending == 0:
        entry.pending = mask
        entry.pending_from = effective
    else:
        entry.later |= mask
        effective = entry.pending_from + actions.window()
    self.cancels[key] = entry
    self.words[convert(account, uint256)] |= HAS_CANCELS
    log NoncesCancelled(
        action_id=actions.next(), account=account, word=word, mask=mask, effective=convert(effective, uint64)
    )


@internal
@view
def _check_cancel_scope(account: uint32):
    word: uint256 = self.keys[(convert(account, uint256) << 160) | convert(msg.sender, uint256)]
    if self._key_is_over(word):
        refusals.because(refusals.ONLY_OWNER)
    if word & convert(SCOPE_CANCEL, uint256) == 0:
        refusals.because(refusals.KEY_SCOPE)


@external
@view
def account_count() -> uint256:
    """
    @notice Number of accounts, equal to the id of the newest.
    """
    return self.count


@external
@view
def key_state(account: uint256, key: address) -> (uint256, uint256, uint256):
    """
    @notice Scopes, expiry and revocation time (0: none) of a session key.
    """
    word: uint256 = self.keys[(account << 160) | convert(key, uint256)]
    return word & (2**32 - 1), (word >> 32) & MASK_64, (word >> 96) & MASK_64


@external
@view
def key_room(account: uint256, key: address) -> (bool, uint256, uint256, uint256):
    """
    @notice Whether a session key has limits; if so its map of underlyings, and the notional in 1e-10 USDC and spend in
            1e-6 USDC that it has left (all ones: no limit).
    """
    slot: uint256 = (account << 160) | convert(key, uint256)
    room: uint256 = self.rooms[slot]
    return self.keys[slot] & KEY_LIMITED != 0, room >> 192, (room >> 96) & MASK_96, room & MASK_96


@external
@view
def cancelled(account: uint256, word: uint256) -> Cancels:
    """
    @notice The raw cancel bitmap of 256 nonces.
    """
    return self.cancels[(account << 64) | word]
