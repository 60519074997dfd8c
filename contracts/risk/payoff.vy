# pragma version 0.4.3
"""
@title Payoff at expiry
@license Apache-2.0
@notice What positions are worth once the price of their expiry is fixed.
@dev Prices in 1e-6 USDC, quantities in 1e-4 contract, payoffs in 1e-10 USDC.
@custom:kill Stateless; nothing to disable.
"""

from lib import lanes

LOTS: constant(int256) = 10**4
STRIKE_MASK: constant(uint256) = 2**63 - 1


@internal
@pure
def of_group(positions: uint256, strikes: uint256, price: uint256) -> int256:
    """
    @notice Settlement value of four lanes at the fixing `price`, in 1e-10 USDC, exact and signed.
    """
    total: int256 = 0
    position: uint256 = positions
    terms: uint256 = strikes
    for lane: uint256 in range(4):
        if position == 0:
            break
        strike: uint256 = terms & STRIKE_MASK
        intrinsic: uint256 = max(price, strike) - strike
        if (terms >> 63) & 1 == 0:
            intrinsic = max(price, strike) - price
        total += lanes.signed(position) * convert(intrinsic, int256)
        position >>= 64
        terms >>= 64
    return total


@internal
@pure
def floor_cash(payoff: int256) -> int256:
    """
    @notice A payoff in 1e-10 USDC as cash in 1e-6 USDC, rounded towards minus infinity (Vyper truncates).
    """
    if payoff >= 0:
        return payoff // LOTS
    return -((-payoff + LOTS - 1) // LOTS)
