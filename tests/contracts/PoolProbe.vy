# pragma version 0.4.3
"""
@title Probe of the shares of a pool
@license Apache-2.0
@notice The mathematics of a pool, for the tests that hold it against the integers of the core.
@custom:kill Stateless; nothing to disable.
"""

from pools import shares


@external
@view
def width(mark: uint256, forward: uint256, left: uint256, share: uint256, points: uint256) -> uint256:
    """
    @notice See `shares`.
    """
    return shares.width(mark, forward, left, share, points)


@external
@view
def nav(cash: int256, options: DynArray[int256[3], 16]) -> (int256, int256):
    """
    @notice Both values of cash and positions: quantity, mark, width.
    """
    low: int256 = cash * shares.LOTS
    high: int256 = low
    for option: int256[3] in options:
        below: int256 = 0
        above: int256 = 0
        below, above = shares.worth(option[0], convert(option[1], uint256), convert(option[2], uint256))
        low += below
        high += above
    return shares.rounded(low, False), shares.rounded(high, True)


@external
@view
def serve(
    supply: uint256, low: int256, high: int256, entering: uint256, leaving: uint256, idle: uint256, fee: uint256
) -> shares.Served:
    """
    @notice See `shares`.
    """
    return shares.serve(supply, low, high, entering, leaving, idle, fee)
