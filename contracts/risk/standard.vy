# pragma version 0.4.3
"""
@title STANDARD margin
@license Apache-2.0
@notice Requirement of the option positions of one expiry: the smaller of the sum of isolated requirements
        and the largest loss at expiry, plus contingencies for thin oracles and a weak stablecoin.
@dev Prices in 1e-6 USDC, quantities in 1e-4 contract, rates in 1e-18; results in 1e-28 USDC, which is the
     product of the three, so nothing is rounded before `to_cash`. Written a second time, independently, in
     exchange/core/margin.py; the two agree to the unit on any portfolio.
     Bounds: prices below 2**64, strikes below 2**63, rates below 2**64, |quantity| below 2**63, 256 legs.
     Every product then stays below 2**200, far inside a word.
@custom:kill Stateless apart from its immutable parameters; a new set is a new deployment.
"""

from lib import lanes

W: constant(uint256) = 10**18
LOTS: constant(uint256) = 10**4
MASK_64: constant(uint256) = 2**64 - 1
STRIKE_MASK: constant(uint256) = 2**63 - 1
MAX_GROUPS: constant(uint256) = 64
MAX_LEGS: constant(uint256) = 256

# All in 1e-18; the names follow the table in the docs.
struct Parameters:
    max_req: uint256
    min_req: uint256
    mm_call: uint256
    mm_put: uint256
    mm_put_mtm: uint256
    unpaired_im: uint256
    unpaired_mm: uint256
    mm_offset: uint256
    oc_threshold: uint256
    oc_factor: uint256
    depeg_threshold: uint256
    depeg_factor: uint256

# What the round says about one expiry, and the price of the stablecoin.
struct Quote:
    spot: uint256
    forward: uint256
    conf: uint256
    stable: uint256

P: immutable(Parameters)


@deploy
def __init__(parameters: Parameters):
    assert parameters.max_req < 2**64 and parameters.min_req < 2**64, "parameter_range"
    assert parameters.mm_call < 2**64 and parameters.mm_put < 2**64, "parameter_range"
    assert parameters.mm_put_mtm < 2**64 and parameters.mm_offset < 2**64, "parameter_range"
    assert parameters.unpaired_im < 2**64 and parameters.unpaired_mm < 2**64, "parameter_range"
    assert parameters.oc_threshold <= W and parameters.oc_factor < 2**64, "parameter_range"
    assert parameters.depeg_threshold < 2**64 and parameters.depeg_factor < 2**64, "parameter_range"
    P = parameters


@internal
@pure
def to_cash(scaled: uint256) -> uint256:
    """
    @notice A sum of requirements in 1e-6 USDC, rounded up against the account. The only rounding of a total.
    """
    return (scaled + W * LOTS - 1) // (W * LOTS)


@internal
@view
def _short_unit(strike: uint256, is_call: bool, mark: uint256, spot: uint256, initial: bool) -> uint256:
    """
    @notice Isolated requirement of one short contract, in 1e-24 USDC.
    """
    value: uint256 = mark * W
    if is_call:
        if not initial:
            return value + P.mm_call * spot
        return value + self._scaled(max(strike, spot) - spot, spot)
    maintenance: uint256 = value + max(P.mm_put * spot, P.mm_put_mtm * mark)
    if not initial:
        return maintenance
    scaled: uint256 = self._scaled(max(strike, spot) - strike, spot)
    return max(value + scaled, (P.mm_offset * maintenance + W - 1) // W)


@internal
@view
def _scaled(otm: uint256, spot: uint256) -> uint256:
    """
    @notice max(max_req * spot - out_of_the_money_amount, min_req * spot), in 1e-24 USDC.
    """
    most: uint256 = P.max_req * spot
    least: uint256 = P.min_req * spot
    discount: uint256 = otm * W
    if discount + least >= most:
        return least
    return most - discount


@internal
@view
def _contingency(quote: Quote) -> uint256:
    """
    @notice Add-on per short contract for thin oracles and a weak stablecoin, in 1e-24 USDC; initial margin only.
    """
    rate: uint256 = 0
    if quote.conf < P.oc_threshold:
        rate = ((W - quote.conf) * P.oc_factor + W - 1) // W
    if quote.stable < P.depeg_threshold:
        rate += ((P.depeg_threshold - quote.stable) * P.depeg_factor + W - 1) // W
    return rate * quote.spot


@internal
@view
def of_expiry(words: DynArray[uint256, 3 * MAX_GROUPS], quote: Quote, initial: bool) -> uint256:
    """
    @notice Requirement of an account's positions in one expiry, in 1e-28 USDC.
    @param words Three for each group of series: signed 64-bit lanes of quantity, lanes of strike with the top
           bit set for a call, lanes of mark price.
    @param initial True for initial margin, False for maintenance.
    """
    isolated: uint256 = 0
    shorts: uint256 = 0
    net_calls: int256 = 0
    # Payoff at expiry as a function of the price X: its value at X = 0, and its slope just above.
    payoff: int256 = 0
    slope: int256 = 0
    knots: DynArray[uint256, MAX_LEGS] = []
    for group: uint256 in range(len(words) // 3, bound=MAX_GROUPS):
        position: uint256 = words[3 * group]
        terms: uint256 = words[3 * group + 1]
        prices: uint256 = words[3 * group + 2]
        for lane: uint256 in range(4):
            if position == 0:
                break
            quantity: int256 = lanes.signed(position)
            if quantity != 0:
                strike: uint256 = terms & STRIKE_MASK
                is_call: bool = (terms >> 63) & 1 == 1
                if quantity < 0:
                    short: uint256 = convert(-quantity, uint256)
                    shorts += short
                    isolated += short * self._short_unit(strike, is_call, prices & MASK_64, quote.spot, initial)
                if is_call:
                    net_calls += quantity
                else:
                    payoff += quantity * convert(strike, int256)
                    slope -= quantity
                # Kept in ascending strike. Series are listed in that order, so this seldom moves anything.
                knot: uint256 = (strike << 64) | (position & MASK_64)
                at: uint256 = len(knots)
                knots.append(knot)
                for _: uint256 in range(MAX_LEGS):
                    if at == 0 or knots[at - 1] <= knot:
                        break
                    knots[at] = knots[at - 1]
                    at -= 1
                knots[at] = knot
            position >>= 64
            terms >>= 64
            prices >>= 64
    if shorts == 0:
        return 0
    scaled: uint256 = min(isolated, self._largest_loss(knots, payoff, slope, net_calls, quote.forward, initial))
    if initial:
        scaled += self._contingency(quote) * shorts
    return scaled


@internal
@view
def _largest_loss(
    knots: DynArray[uint256, MAX_LEGS],
    payoff_at_zero: int256,
    slope_at_zero: int256,
    net_calls: int256,
    forward: uint256,
    initial: bool,
) -> uint256:
    """
    @notice Largest loss at expiry over the prices 0 and every strike held, in 1e-28 USDC, with an add-on for
            calls sold beyond those bought.
    @dev The payoff is piecewise linear and each leg, call or put, bends it upwards by its quantity at its
         strike; one walk over the sorted strikes visits every corner.
    """
    payoff: int256 = payoff_at_zero
    slope: int256 = slope_at_zero
    price: int256 = 0
    worst: int256 = min(payoff, 0)
    for knot: uint256 in knots:
        strike: int256 = convert(knot >> 64, int256)
        payoff += slope * (strike - price)
        slope += lanes.signed(knot)
        price = strike
        worst = min(worst, payoff)
    loss: uint256 = convert(-worst, uint256) * W
    if net_calls < 0:
        loss += (P.unpaired_im if initial else P.unpaired_mm) * forward * convert(-net_calls, uint256)
    return loss
