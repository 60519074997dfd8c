# pragma version 0.4.3
"""
@title Listings
@license Apache-2.0
@notice The expiries and series that can be traded, and the prices at which expiries are fixed.
@dev A series is expiry_id << 16 | index; four neighbouring indices share a word. What is listed never changes.
     Strikes and prices in 1e-6 USDC.
@custom:kill None of its own: an expiry ends at its time, and the fixing is open to anyone.
"""

from core import actions
from lib import refusals

uses: actions

MASK_32: constant(uint256) = 2**32 - 1
MASK_64: constant(uint256) = 2**64 - 1
FIXED: constant(uint256) = 1 << 192
GROUPS_AT: constant(uint256) = 200
FIXING_WINDOW: constant(uint256) = 1800
MAX_GROUPS: constant(uint256) = 64
# Live expiries of an account are bits of one word, so an id 128 later takes over the bit, once that is over for good.
RING: constant(uint256) = 128
# What an exit can show: hashes of the sheets of a round, and sheets of all expiries that an account may hold.
MAX_LIVE: constant(uint256) = 64
MAX_SHEET_WORDS: constant(uint256) = 512
HEAD_WORDS: constant(uint256) = 2

event ExpiryListed:
    action_id: uint64
    expiry_id: indexed(uint16)
    underlying: uint32
    expiry: uint64

event SeriesListed:
    action_id: uint64
    expiry_id: indexed(uint16)
    group: uint8
    strikes: uint256

event ExpiryFixed:
    action_id: uint64
    expiry_id: indexed(uint16)
    price: uint64

count: uint256

# Expiries that are not fixed, and the words of their sheets, which the sheets of a round must fit.
live: uint256
sheet_words: uint256

# expiry u64 | underlying u32 | number of accounts with positions u32 | fixing price u64 | fixed flag | 0 u7 |
# number of groups u8
expiries: HashMap[uint256, uint256]

# (series >> 2) -> four lanes of strike | is_call << 63
strikes: HashMap[uint256, uint256]


@internal
def list_expiry(expiry_id: uint16, underlying: uint32, expiry: uint64):
    """
    @notice List the next expiry, if its bit is free and every exit could still show its sheets.
    """
    number: uint256 = convert(expiry_id, uint256)
    if number != self.count + 1:
        refusals.because(refusals.EXPIRY_ORDER)
    if convert(expiry, uint256) % FIXING_WINDOW != 0:
        refusals.because(refusals.EXPIRY_TIME)
    if convert(expiry, uint256) <= block.timestamp:
        refusals.because(refusals.EXPIRY_TIME)
    if number > RING:
        # Nobody holds it, and nobody can any more: of two expiries on one bit, margin would see neither.
        earlier: uint256 = self.expiries[number - RING]
        if (earlier >> 96) & MASK_32 != 0 or earlier & FIXED == 0:
            refusals.because(refusals.EXPIRY_HELD)
        if (earlier & MASK_64) + actions.window() >= block.timestamp:
            refusals.because(refusals.EXPIRY_HELD)
    self._make_room(1, HEAD_WORDS)
    self.count = number
    self.expiries[number] = convert(expiry, uint256) | (convert(underlying, uint256) << 64)
    log ExpiryListed(action_id=actions.next(), expiry_id=expiry_id, underlying=underlying, expiry=expiry)


@internal
def list_group(expiry_id: uint16, group: uint8, strikes: uint256):
    """
    @notice List the next group of series of an expiry, or fill lanes that a listed group left empty.
    """
    info: uint256 = self.expiries[convert(expiry_id, uint256)]
    if info & MASK_64 <= block.timestamp:
        refusals.because(refusals.SERIES_EXPIRED)
    if convert(group, uint256) >= MAX_GROUPS:
        refusals.because(refusals.SERIES_RANGE)
    key: uint256 = (convert(expiry_id, uint256) << 14) | convert(group, uint256)
    listed: uint256 = self.strikes[key]
    for lane: uint256 in range(4):
        known: uint256 = (listed >> (64 * lane)) & MASK_64
        wanted: uint256 = (strikes >> (64 * lane)) & MASK_64
        if known != 0 and known != wanted:
            refusals.because(refusals.SERIES_LISTED)
        if wanted == 1 << 63:
            refusals.because(refusals.SERIES_RANGE)
    if strikes == listed:
        refusals.because(refusals.SERIES_LISTED)
    if listed == 0:
        if convert(group, uint256) != info >> GROUPS_AT:
            refusals.because(refusals.SERIES_RANGE)
        self._make_room(0, 1)
        self.expiries[convert(expiry_id, uint256)] = info + (1 << GROUPS_AT)
    self.strikes[key] = strikes
    log SeriesListed(action_id=actions.next(), expiry_id=expiry_id, group=group, strikes=strikes)


@internal
def _make_room(expiries: uint256, words: uint256):
    self.live += expiries
    self.sheet_words += words
    if self.live > MAX_LIVE or self.sheet_words > MAX_SHEET_WORDS:
        refusals.because(refusals.LISTING_FULL)


@internal
def fix(expiry_id: uint16, price: uint256):
    """
    @notice Record the settlement price of an expiry.
    """
    number: uint256 = convert(expiry_id, uint256)
    info: uint256 = self.expiries[number]
    self.expiries[number] = info | FIXED | (price << 128)
    self.live -= 1
    self.sheet_words -= HEAD_WORDS + (info >> GROUPS_AT)
    log ExpiryFixed(action_id=actions.next(), expiry_id=expiry_id, price=convert(price, uint64))


@internal
def change_holders(expiry_id: uint256, joined: bool):
    """
    @notice Count an account into or out of those that hold positions in an expiry.
    """
    if joined:
        self.expiries[expiry_id] += 1 << 96
    else:
        self.expiries[expiry_id] -= 1 << 96


@internal
@view
def is_fixed(expiry_id: uint256) -> bool:
    """
    @notice Whether the settlement price is recorded.
    """
    return self.expiries[expiry_id] & FIXED != 0


@internal
@view
def is_claim(expiry_id: uint256, time: uint256) -> bool:
    """
    @notice Whether positions are worth their payoff at a round of `time`: fixed, and not after the round.
    """
    info: uint256 = self.expiries[expiry_id]
    return info & FIXED != 0 and info & MASK_64 <= time


@internal
@view
def fixing(expiry_id: uint256) -> uint256:
    """
    @notice Settlement price of a fixed expiry.
    """
    return (self.expiries[expiry_id] >> 128) & MASK_64


@internal
@view
def at_bit(bit: uint256) -> uint256:
    """
    @notice The newest expiry whose id ends in `bit` modulo 128.
    """
    count: uint256 = self.count
    return count - (count + RING - bit) % RING


@internal
@view
def check_tradable(expiry_id: uint256):
    """
    @notice Refuse an expiry that is not listed, and one that is fixed and whose fills had to be settled by now.
    @dev From then on anyone may turn its positions into cash. Until it is fixed nobody can, and fills may be late.
    """
    info: uint256 = self.expiries[expiry_id]
    if info == 0 or info & FIXED != 0:
        if unsafe_add(info & MASK_64, actions.window()) < block.timestamp:
            refusals.because(refusals.SERIES_EXPIRED)


@external
@view
def expiry_count() -> uint256:
    """
    @notice Number of expiries listed, equal to the id of the newest.
    """
    return self.count


@external
@view
def expiry_state(expiry_id: uint256) -> (uint256, uint256, uint256, bool, uint256):
    """
    @notice Underlying, expiry in seconds, number of accounts with positions, whether it is fixed, fixing price.
    """
    info: uint256 = self.expiries[expiry_id]
    return (
        (info >> 64) & MASK_32,
        info & MASK_64,
        (info >> 96) & MASK_32,
        info & FIXED != 0,
        (info >> 128) & MASK_64,
    )


@external
@view
def strikes_of(expiry_id: uint256, group: uint256) -> uint256:
    """
    @notice Four lanes of strike | is_call << 63.
    """
    return self.strikes[(expiry_id << 14) | group]
