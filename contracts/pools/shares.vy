# pragma version 0.4.3
"""
@title Shares
@license Apache-2.0
@notice What a pool is worth to those who come and to those who leave, what their epoch gives them, and how far from its
        mark an option may be quoted.
@dev Written a second time, independently, in exchange/core/shares.py; the two agree to the unit. Cash and prices in
     1e-6 USDC, quantities in 1e-4 contract, rates in 1e-18, time in seconds. Bounds: prices below 2**64, rates at most
     1e18, worth and supply below 2**96.
@custom:kill Stateless; nothing to disable.
"""

W: constant(uint256) = 10**18
LOTS: constant(int256) = 10**4
YEAR: constant(uint256) = 31_536_000
# Of the first deposit, owned by nobody for ever: the price of a share cannot be blown up.
DEAD_SHARES: constant(uint256) = 1_000
FIRST_DEPOSIT_MIN: constant(uint256) = 1_000 * 10**6
SUPPLY_MAX: constant(uint256) = 2**96

# What an epoch came to. A deposit of it buys amount * numerator // denominator shares; a denominator of 0 sends it back.
struct Served:
    numerator: uint256
    denominator: uint256
    born: uint256
    burned: uint256
    paid: uint256


@internal
@pure
def width(mark: uint256, forward: uint256, left: uint256, share: uint256, points: uint256) -> uint256:
    """
    @notice The smaller of a share of the mark and so many points of vol on an option at the money, rounded up.
    @param left Seconds to the expiry.
    @param points Of vol, in 1e-18 a year.
    @dev No option has more vega than forward * sqrt(years) * 0.4, which is a little more than that at the money.
    """
    root: uint256 = isqrt(left * W // YEAR * W) + 1
    of_vol: uint256 = (points * forward * root * 4 + 10 * W * W - 1) // (10 * W * W)
    return min((mark * share + W - 1) // W, of_vol)


@internal
@pure
def worth(quantity: int256, mark: uint256, width: uint256) -> (int256, int256):
    """
    @notice A position at the prices of those who leave and of those who come, in 1e-10 USDC: longs at the bid and shorts
            at the ask, and the other way round. No bid is below 0.
    """
    bid: int256 = convert(mark - min(width, mark), int256)
    ask: int256 = convert(mark + width, int256)
    if quantity > 0:
        return quantity * bid, quantity * ask
    return quantity * ask, quantity * bid


@internal
@pure
def rounded(scaled: int256, up: bool) -> int256:
    """
    @notice 1e-10 USDC in 1e-6 USDC, rounded down or up.
    """
    least: int256 = scaled // LOTS
    # Vyper cuts towards zero.
    if scaled < 0 and least * LOTS != scaled:
        least -= 1
    if up and least * LOTS != scaled:
        least += 1
    return least


@internal
@pure
def payout(shares: uint256, supply: uint256, low: int256, fee: uint256) -> uint256:
    """
    @notice Cash that shares bring, after the fee; rounded down once.
    """
    return shares * convert(max(low, 0), uint256) * (W - fee) // (supply * W)


@internal
@pure
def serve(
    supply: uint256, low: int256, high: int256, entering: uint256, leaving: uint256, idle: uint256, fee: uint256
) -> Served:
    """
    @notice Serve an epoch: everybody at the supply and values before it. Who leaves is paid from idle cash and from what
            comes in; if that is short all get the same part, and the rest waits.
    @param entering Cash that wants to become shares.
    @param leaving Shares that want to become cash.
    """
    served: Served = empty(Served)
    if supply == 0:
        if entering >= FIRST_DEPOSIT_MIN and entering < SUPPLY_MAX:
            served.born = entering
            served.numerator = entering - DEAD_SHARES
            served.denominator = entering
        return served
    cash: uint256 = idle
    if high > 0:
        born: uint256 = entering * supply // convert(high, uint256)
        if born != 0 and supply + born < SUPPLY_MAX:
            served.born = born
            served.numerator = supply
            served.denominator = convert(high, uint256)
            cash += entering
    due: uint256 = self.payout(leaving, supply, low, fee)
    if due != 0:
        served.burned = leaving
        if cash < due:
            served.burned = leaving * cash // due
        served.paid = self.payout(served.burned, supply, low, fee)
        # What brings nothing is not burned.
        if served.paid == 0:
            served.burned = 0
    return served
