# pragma version 0.4.3
"""
@title Fees of a fill
@license Apache-2.0
@notice Proportional to the index, capped by a share of the premium, rounded up; a rebate to the maker is
        rounded down and is never more than half of the taker's fee of the same fill, so the pot cannot shrink.
        An execution of a combo is charged in full for the leg whose fees are the largest, by size, and half of every other
        fee f: f - (f >> 1), so up, and a rebate down. That is as much as whoever rested for the leg can be paid back.
@dev Prices in 1e-6 USDC, quantity in 1e-4 contract, rates in 1e-18. Written a second time, independently, in
     exchange/core/fees.py; the two agree to the unit.
@custom:kill Stateless apart from its immutable rates; nothing to disable.
"""

SCALE: constant(uint256) = 10**18 * 10**4

TAKER_RATE: immutable(uint256)
MAKER_RATE: immutable(int256)
CAP: immutable(uint256)


@deploy
def __init__(taker_rate: uint256, maker_rate: int256, cap: uint256):
    assert taker_rate <= 10**18 and cap <= 10**18, "parameter_range"
    assert maker_rate <= 10**18 and maker_rate >= -(10**18), "parameter_range"
    TAKER_RATE = taker_rate
    MAKER_RATE = maker_rate
    CAP = cap


@internal
@view
def of_fill(price: uint256, quantity: uint256, index: uint256) -> (int256, int256):
    """
    @notice Maker's and taker's fee of a fill in 1e-6 USDC; the maker's is negative when it is a rebate.
    @dev Price and index below 2**64, quantity below 2**32, rates at most 2**60: nothing can leave a word, and what is
         returned is small enough to take for a signed number unchecked.
    """
    notional: uint256 = unsafe_mul(index, quantity)
    most: uint256 = unsafe_mul(CAP, unsafe_mul(price, quantity))
    # The smaller of two roundings is the rounding of the smaller.
    taker: uint256 = unsafe_mul(TAKER_RATE, notional)
    if taker > most:
        taker = most
    taker = unsafe_div(unsafe_add(taker, SCALE - 1), SCALE)
    maker_rate: int256 = MAKER_RATE
    if maker_rate >= 0:
        maker: uint256 = min(unsafe_mul(convert(maker_rate, uint256), notional), most)
        maker = unsafe_div(unsafe_add(maker, SCALE - 1), SCALE)
        return convert(convert(maker, bytes32), int256), convert(convert(taker, bytes32), int256)
    rebate: uint256 = unsafe_div(unsafe_mul(convert(unsafe_sub(0, maker_rate), uint256), notional), SCALE)
    if rebate > taker >> 1:
        rebate = taker >> 1
    return unsafe_sub(0, convert(convert(rebate, bytes32), int256)), convert(convert(taker, bytes32), int256)
