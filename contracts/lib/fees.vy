# pragma version 0.4.3
"""
@title Fees of a fill
@license Apache-2.0
@notice Proportional to the index, capped by a share of the premium, rounded up; a rebate to the maker is
        rounded down and is never more than half of the taker's fee of the same fill, so the pot cannot shrink.
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
@pure
def _capped(rate: uint256, cap: uint256, price: uint256, quantity: uint256, index: uint256) -> uint256:
    by_index: uint256 = (rate * index * quantity + SCALE - 1) // SCALE
    by_premium: uint256 = (cap * price * quantity + SCALE - 1) // SCALE
    return min(by_index, by_premium)


@internal
@view
def of_fill(price: uint256, quantity: uint256, index: uint256) -> (int256, int256):
    """
    @notice Maker's and taker's fee of a fill in 1e-6 USDC; the maker's is negative when it is a rebate.
    """
    cap: uint256 = CAP
    maker_rate: int256 = MAKER_RATE
    taker: uint256 = self._capped(TAKER_RATE, cap, price, quantity, index)
    if maker_rate >= 0:
        maker: uint256 = self._capped(convert(maker_rate, uint256), cap, price, quantity, index)
        return convert(maker, int256), convert(taker, int256)
    rebate: uint256 = min(convert(-maker_rate, uint256) * index * quantity // SCALE, taker // 2)
    return -convert(rebate, int256), convert(taker, int256)
