# pragma version 0.4.3
"""
@title Orders
@license Apache-2.0
@notice Checks what traders signed: signature, validity, limit price, fees, and how much of an order is filled.
@dev An order is four words in calldata.
     word a: account u32 | series u32 | limit price u64 | max fee u64 | quantity u32 | flags u32 (bit 0 buy,
             1 post-only, 2 reduce-only, 3 quote, 4 for a request, bits 8 to 15 time in force): all that a trade is
             checked against
     word b: replaces u64 | nonce u64 | expiry u64 | 0 u48 | place u16 of the terms in the annex, from 1; 0 when the
             terms are zero, as they are for all but a few orders
     words r, vs: EIP-2098 signature
     An order for a combo has series 0, so it comes before all others of its account, and a limit price with a sign. Its
     third word are its legs: up to four lanes of 64 bits, series u32 << 16 | ratio i16, lane 0 lowest, in ascending
     series. One unit of it is `ratio` contracts of each leg, sold where the ratio is negative. Its fourth word is r;
     word b has the place of vs in the annex, u16 from 1, above that of the terms.
     A trade is one word: maker u16 | taker u16 (places in the list of orders) | quantity u64 | price u64 |
     index u64 | units u32. An execution of a combo is one such word or several for each leg, in order of the lanes, which
     together are `units` of it: against another order for the same combo, or against orders for the legs, from which the
     combo takes.
     An order for a request for quotes is signed as a type of its own, with the members of the other. It fills against
     another such order only, so that a key which may sign nothing else trades in no book.
     Prices in 1e-6 USDC, quantities in 1e-4 contract.
@custom:kill Owners cancel nonces and revoke keys; a batch that ignores either is refused.
"""

from core import accounts
from core import listings
from lib import ecdsa
from lib import fees
from lib import refusals

uses: accounts
uses: fees
uses: listings

ORDER_TYPE: constant(bytes32) = keccak256(
    "Order(uint32 account,uint32 series,bool isBuy,uint64 quantity,uint64 limitPrice,uint64 maxFee,uint8 timeInForce,bool postOnly,bool reduceOnly,uint64 replaces,uint64 nonce,uint64 expiry,bytes32 terms)"
)
# Members as of an Order, but for the legs in place of the series and the sign of the limit price.
COMBO_TYPE: constant(bytes32) = keccak256(
    "ComboOrder(uint32 account,uint256 legs,bool isBuy,uint64 quantity,int64 limitPrice,uint64 maxFee,uint8 timeInForce,bool postOnly,bool reduceOnly,uint64 replaces,uint64 nonce,uint64 expiry,bytes32 terms)"
)
RFQ_ORDER_TYPE: constant(bytes32) = keccak256(
    "RfqOrder(uint32 account,uint32 series,bool isBuy,uint64 quantity,uint64 limitPrice,uint64 maxFee,uint8 timeInForce,bool postOnly,bool reduceOnly,uint64 replaces,uint64 nonce,uint64 expiry,bytes32 terms)"
)
RFQ_COMBO_TYPE: constant(bytes32) = keccak256(
    "RfqComboOrder(uint32 account,uint256 legs,bool isBuy,uint64 quantity,int64 limitPrice,uint64 maxFee,uint8 timeInForce,bool postOnly,bool reduceOnly,uint64 replaces,uint64 nonce,uint64 expiry,bytes32 terms)"
)
LOTS: constant(uint256) = 10**4
MASK_8: constant(uint256) = 2**8 - 1
MASK_32: constant(uint256) = 2**32 - 1
MASK_64: constant(uint256) = 2**64 - 1
MASK_160: constant(uint256) = 2**160 - 1
BUY: constant(uint256) = 1
POST_ONLY: constant(uint256) = 2
QUOTE: constant(uint256) = 8
RFQ: constant(uint256) = 16
# What two orders must have in common to meet, but for their sides.
MEETING: constant(uint256) = (MASK_32 << 192) | RFQ | BUY
GTC: constant(uint256) = 0
# What has become of a nonce. Nothing more can fill under the last two.
PARTLY: constant(uint256) = 1
FILLED: constant(uint256) = 2
REPLACED: constant(uint256) = 3
# What is said to be filled of an order that is over.
OVER: constant(uint256) = MASK_32
# Of word a of a combo order, what holds for each leg too: account, quantity, flags but the side and that of a quote.
COMBO_KEPT: constant(uint256) = (MASK_32 << 224) | (MASK_64 & ~(BUY | QUOTE))

# (account << 64 | nonce >> 7) -> two bits for each of 128 nonces: 0 nothing filled, PARTLY, FILLED, REPLACED. Most orders
# fill at once or never, so they need no word of their own: 128 of them share one that is written for the first time.
nonces: HashMap[uint256, uint256]

# (account << 64 | nonce >> 3) -> eight lanes u32, each the filled quantity while the order is PARTLY filled
fills: HashMap[uint256, uint256]

# (account << 64 | nonce) -> what an order without a fill took over and is to hand on in the same batch, and how many such
# there are. An order amended a hundred times would else write a word for each of them.
handed: transient(HashMap[uint256, uint256])
unclaimed: transient(uint256)


@internal
@view
def match(
    trade: uint256, maker: uint256, taker: uint256
) -> (uint256, uint256):
    """
    @notice Check one trade against word a of both orders.
    @return For maker and taker the cash received, fees included, above 64 bits of quantity: a sum of such words
            is the sum of both. What the two do not receive together is the venue's.
    """
    quantity: uint256 = (trade >> 160) & MASK_64
    price: uint256 = (trade >> 96) & MASK_64
    if quantity == 0 or quantity >= OVER:
        refusals.because(refusals.TRADE_QUANTITY)
    differ: uint256 = (maker ^ taker) & MEETING
    if differ != BUY:
        if differ >> 192 != 0:
            refusals.because(refusals.SERIES_MISMATCH)
        refusals.because(refusals.RFQ_MISMATCH if differ & RFQ != 0 else refusals.SIDE_MISMATCH)
    if taker & (POST_ONLY | QUOTE) != 0:
        refusals.because(refusals.ORDER_POST_ONLY)
    if (maker >> 8) & MASK_8 != GTC:
        refusals.because(refusals.ORDER_NOT_RESTING)
    maker_limit: uint256 = (maker >> 128) & MASK_64
    taker_limit: uint256 = (taker >> 128) & MASK_64
    maker_fee: int256 = 0
    taker_fee: int256 = 0
    maker_fee, taker_fee = fees.of_fill(price, quantity, (trade >> 32) & MASK_64)
    # A fee f is at most ceil(m * q / LOTS) just when f - 1 is below m * q / LOTS.
    if maker_fee > 0:
        if unsafe_mul(unsafe_sub(convert(maker_fee, uint256), 1), LOTS) >= unsafe_mul((maker >> 64) & MASK_64, quantity):
            refusals.because(refusals.FEE_BEYOND_MAX)
    if taker_fee > 0:
        if unsafe_mul(unsafe_sub(convert(taker_fee, uint256), 1), LOTS) >= unsafe_mul((taker >> 64) & MASK_64, quantity):
            refusals.because(refusals.FEE_BEYOND_MAX)
    # Prices fit 64 bits and quantities 32, so cash fits 97 and unchecked arithmetic cannot overflow.
    premium: int256 = convert(convert(unsafe_div(unsafe_mul(price, quantity), LOTS), bytes32), int256)
    if maker & BUY == 0:
        if maker_limit > price or price > taker_limit:
            refusals.because(refusals.PRICE_BEYOND_LIMIT)
    else:
        premium = unsafe_sub(0, premium)
        if taker_limit > price or price > maker_limit:
            refusals.because(refusals.PRICE_BEYOND_LIMIT)
    return (
        (convert(convert(unsafe_sub(premium, maker_fee), bytes32), uint256) << 64) | quantity,
        (convert(convert(unsafe_sub(unsafe_sub(0, premium), taker_fee), bytes32), uint256) << 64) | quantity,
    )


@internal
@pure
def leg_of(a: uint256, lane: uint256) -> uint256:
    """
    @notice Word a of a combo order as if it were one for a leg, with any limit and any fee: those are checked over all
            legs together, see `close_side`.
    """
    side: uint256 = (a ^ (lane >> 15)) & BUY
    limit: uint256 = MASK_64 * side
    return (
        (a & COMBO_KEPT)
        | (((lane >> 16) & MASK_32) << 192)
        | (limit << 128)
        | (MASK_64 << 64)
        | side
    )


@internal
@pure
def ratio_of(lane: uint256) -> int256:
    """
    @notice Ratio of a leg.
    """
    return convert(convert(lane << 240, bytes32), int256) >> 240


@internal
@pure
def size_of(lane: uint256) -> uint256:
    """
    @notice Contracts of a leg in one unit of a combo.
    """
    return convert(abs(self.ratio_of(lane)), uint256)


@internal
@pure
def ratio_in(legs: uint256, series: uint256) -> int256:
    """
    @notice Ratio of a series in a combo, 0 if it is no leg.
    """
    for place: uint256 in range(4):
        lane: uint256 = (legs >> (place << 6)) & MASK_64
        if lane >> 16 == series:
            return self.ratio_of(lane)
    return 0


@internal
@view
def check_combo(a: uint256, paid: int256, fee: int256, units: uint256):
    """
    @notice Check an execution of a combo against word a of an order for it.
    @param paid What the side of the order pays for the legs, before fees, in 1e-10 USDC.
    @param fee Of all legs, see `fees`.
    """
    if fee > 0 and unsafe_mul(convert(fee, uint256) - 1, LOTS) >= unsafe_mul((a >> 64) & MASK_64, units):
        refusals.because(refusals.FEE_BEYOND_MAX)
    limit: int256 = convert(convert(a << 64, bytes32), int256) >> 192
    if a & BUY == 0:
        limit = -limit
    if paid > limit * convert(units, int256):
        refusals.because(refusals.PRICE_BEYOND_LIMIT)


@internal
@pure
def signed(a: uint256, quantity: uint256) -> int256:
    """
    @notice A quantity with the sign of an order's side.
    """
    if a & BUY != 0:
        return convert(quantity, int256)
    return unsafe_sub(0, convert(quantity, int256))


@internal
def execute(
    domain: bytes32,
    a: uint256,
    b: uint256,
    legs: uint256,
    hidden: bytes32,
    r: uint256,
    vs: uint256,
    account_word: uint256,
    oldest: uint256,
    moved: uint256,
) -> int256:
    """
    @notice Check an order and count its fill.
    @param legs Those of a combo order; 0 for any other.
    @param hidden Hash of terms that are the engine's to keep, such as a display size; nothing here reads it.
    @param account_word The account's word in `accounts`.
    @param oldest Expiry in seconds of the oldest orders that may still settle.
    @param moved Cash the account received in this batch above 64 bits of quantity traded; no quantity for an order
           listed only because a later one replaces it.
    @return Change of the account's position, in units of a combo.
    """
    # Everything in one function: a call costs about 60 gas, and this runs for every order of a batch.
    account: uint256 = a >> 224
    nonce: uint256 = (b >> 128) & MASK_64
    fill: uint256 = moved & MASK_64
    instrument: uint256 = (a >> 192) & MASK_32
    limit: uint256 = (a >> 128) & MASK_64
    type_hash: bytes32 = ORDER_TYPE
    if instrument == 0:
        type_hash = COMBO_TYPE
        instrument = legs
        limit = convert(convert(convert(convert(a << 64, bytes32), int256) >> 192, bytes32), uint256)
    scope: uint32 = accounts.SCOPE_TRADE
    if a & RFQ != 0:
        type_hash = RFQ_COMBO_TYPE if type_hash == COMBO_TYPE else RFQ_ORDER_TYPE
        scope |= accounts.SCOPE_RFQ
    struct_hash: bytes32 = keccak256(
        abi_encode(
            type_hash,
            account,
            instrument,
            a & 1,
            (a >> 32) & MASK_32,
            limit,
            (a >> 64) & MASK_64,
            (a >> 8) & MASK_8,
            (a >> 1) & 1,
            (a >> 2) & 1,
            b >> 192,
            nonce,
            (b >> 64) & MASK_64,
            hidden,
        )
    )
    signer: address = ecdsa.recover(keccak256(concat(b"\x19\x01", domain, struct_hash)), r, vs)
    if signer == empty(address) or convert(signer, uint256) != account_word & MASK_160:
        if accounts.check_key(account, signer, fill != 0, scope) and fill != 0:
            self._count_key(signer, a, legs, moved)
    if fill != 0:
        if (b >> 64) & MASK_64 < oldest:
            refusals.because(refusals.ORDER_EXPIRED)
        if account_word & accounts.HAS_CANCELS != 0:
            accounts.check_nonce(account, nonce)

    # Add to what is filled, taking over that of the order replaced the first time.
    place: uint256 = (nonce & 127) << 1
    state: uint256 = (self.nonces[(account << 64) | (nonce >> 7)] >> place) & 3
    before: uint256 = 0
    total: uint256 = fill
    if state != 0:
        if state != PARTLY:
            refusals.because(refusals.ORDER_REPLACED if state == REPLACED else refusals.ORDER_OVERFILLED)
        before = self._lane(account, nonce)
        total = unsafe_add(before, fill)
    elif b >> 192 != 0:
        total = unsafe_add(fill, self._take_over(account, unsafe_sub(b >> 192, 1), fill != 0))
    if total != before:
        quantity: uint256 = (a >> 32) & MASK_32
        now: uint256 = FILLED
        if fill == 0:
            now = REPLACED
            self.handed[(account << 64) | nonce] = total
            self.unclaimed += 1
        elif total != quantity:
            if total > quantity:
                refusals.because(refusals.ORDER_OVERFILLED)
            now = PARTLY
            self._keep_lane(account, nonce, total)
        if now != state:
            # Read again: the order replaced may live in the same word, and be this very one.
            key: uint256 = (account << 64) | (nonce >> 7)
            self.nonces[key] = (self.nonces[key] & ~(3 << place)) | (now << place)
    if a & BUY != 0:
        return convert(convert(fill, bytes32), int256)
    return unsafe_sub(0, convert(convert(fill, bytes32), int256))


@internal
def _count_key(signer: address, a: uint256, legs: uint256, moved: uint256):
    """
    @notice Count a fill against the limits of the key that signed the order.
    @dev Notional is strike times quantity: of the batch the contract can vouch for that, not for the index in it. Of a
         combo each leg counts, and as spent what is paid for all of them together: that legs sold help to pay for others
         is no more than selling them too cheaply, which notional bounds.
    """
    lanes: uint256 = legs
    if legs == 0:
        lanes = (((a >> 192) & MASK_32) << 16) | 1
    spent: uint256 = 0
    if legs != 0 or a & BUY != 0:
        spent = convert(max(-(convert(convert(moved, bytes32), int256) >> 64), 0), uint256)
    for _: uint256 in range(4):
        if lanes == 0:
            break
        series: uint256 = (lanes >> 16) & MASK_32
        strike: uint256 = (listings.strikes[series >> 2] >> ((series & 3) << 6)) & (2**63 - 1)
        underlying: uint256 = (listings.expiries[series >> 16] >> 64) & MASK_32
        quantity: uint256 = (moved & MASK_64) * self.size_of(lanes)
        accounts.use_key(a >> 224, signer, underlying, strike * quantity, spent)
        spent = 0
        lanes >>= 64


@internal
@view
def _lane(account: uint256, nonce: uint256) -> uint256:
    return (self.fills[(account << 64) | (nonce >> 3)] >> ((nonce & 7) << 5)) & MASK_32


@internal
def _keep_lane(account: uint256, nonce: uint256, quantity: uint256):
    key: uint256 = (account << 64) | (nonce >> 3)
    offset: uint256 = (nonce & 7) << 5
    self.fills[key] = (self.fills[key] & ~(MASK_32 << offset)) | (quantity << offset)


@internal
def _take_over(account: uint256, nonce: uint256, filled: bool) -> uint256:
    """
    @notice Filled quantity of a replaced order, which is dead from now on. One that is filled cannot be replaced.
    """
    state: uint256 = self.state_of(account, nonce)
    if state > PARTLY:
        taken: uint256 = self.handed[(account << 64) | nonce]
        if taken == 0:
            refusals.because(refusals.ORDER_REPLACED)
        self.handed[(account << 64) | nonce] = 0
        self.unclaimed -= 1
        return taken
    if state == 0 and not filled:
        # An ancestor without fills, replacing one without fills: nothing to hand on.
        return 0
    self.end(account, nonce)
    return self._lane(account, nonce) if state == PARTLY else 0


@internal
@view
def check_claimed():
    """
    @notice Refuse a batch that shows an order without a fill, but not the one that takes over what it took over.
    """
    if self.unclaimed != 0:
        refusals.because(refusals.ORDER_REPLACED)


@internal
@view
def state_of(account: uint256, nonce: uint256) -> uint256:
    """
    @notice What has become of a nonce; 0 when nothing has filled under it.
    """
    return (self.nonces[(account << 64) | (nonce >> 7)] >> ((nonce & 127) << 1)) & 3


@internal
def end(account: uint256, nonce: uint256):
    """
    @notice Nothing may fill under a nonce any more.
    """
    self.nonces[(account << 64) | (nonce >> 7)] |= REPLACED << ((nonce & 127) << 1)


@external
@view
def filled(account: uint256, nonce: uint256) -> uint256:
    """
    @notice Filled quantity of an order in 1e-4 contract; 0xFFFFFFFF once it is over, filled whole or replaced.
    """
    state: uint256 = self.state_of(account, nonce)
    if state > PARTLY:
        return OVER
    return self._lane(account, nonce) if state == PARTLY else 0


@external
@view
def fees_of(price: uint256, quantity: uint256, index: uint256) -> (int256, int256):
    """
    @notice Maker's and taker's fee of a fill in 1e-6 USDC.
    """
    return fees.of_fill(price, quantity, index)
