# pragma version 0.4.3
"""
@title STANDARD margin
@license Apache-2.0
@notice Requirement of the option positions of one expiry: the smaller of the sum of isolated requirements
        and the largest loss at expiry, plus contingencies for thin oracles and a weak stablecoin.
@dev Prices in 1e-6 USDC, quantities in 1e-4 contract, rates in 1e-18; results in 1e-28 USDC, which is the
     product of the three, so nothing is rounded before `to_cash`. Written a second time, independently, in
     exchange/core/margin.py; the two agree to the unit on any portfolio.
     Bounds: prices and rates below 2**64, strikes below 2**63, |quantity| at most 2**63, 256 legs. Every product
     and sum then stays below 2**210; where batches pass, arithmetic is unchecked.
@custom:kill Stateless apart from its immutable parameters; a new set is a new deployment.
"""

from lib import fail
from lib import lanes

W: constant(uint256) = 10**18
LOTS: constant(uint256) = 10**4
MASK_64: constant(uint256) = 2**64 - 1
STRIKE_MASK: constant(uint256) = 2**63 - 1
CALL: constant(uint256) = 2**63
SHORT: constant(uint256) = 2**63
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
def isolated(position: uint256, strikes: uint256, marks: uint256, spot: uint256, initial: bool) -> (uint256, uint256):
    """
    @notice Sum of the isolated requirements of four lanes, in 1e-28 USDC, and the quantity sold. A mark of 0 is none.
    @dev With the contingencies this bounds the requirement from above: netting only lowers it.
    """
    total: uint256 = 0
    shorts: uint256 = 0
    positions: uint256 = position
    terms: uint256 = strikes
    prices: uint256 = marks
    for lane: uint256 in range(4):
        if positions == 0:
            break
        if positions & SHORT != 0:
            # A lane that was empty when the round was signed: what is owed there has no price.
            if prices & MASK_64 == 0:
                fail.because("mark_missing")
            sold: uint256 = unsafe_sub(2**64, positions & MASK_64)
            shorts = unsafe_add(shorts, sold)
            unit: uint256 = self._short_unit(terms & STRIKE_MASK, terms & CALL != 0, prices & MASK_64, spot, initial)
            total = unsafe_add(total, unsafe_mul(sold, unit))
        positions >>= 64
        terms >>= 64
        prices >>= 64
    return total, shorts


@internal
@view
def contingency(shorts: uint256, spot: uint256, conf: uint256, stable: uint256) -> uint256:
    """
    @notice Add-on to initial margin for thin oracles and a weak stablecoin, in 1e-28 USDC.
    """
    rate: uint256 = 0
    if conf < P.oc_threshold:
        rate = ((W - conf) * P.oc_factor + W - 1) // W
    if stable < P.depeg_threshold:
        rate += ((P.depeg_threshold - stable) * P.depeg_factor + W - 1) // W
    return rate * spot * shorts


@internal
@view
def of_expiry(words: DynArray[uint256, 3 * MAX_GROUPS], prices: uint256, stable: uint256, initial: bool) -> uint256:
    """
    @notice Requirement of positions in one expiry, in 1e-28 USDC, so that a sum over expiries is rounded once.
    @dev The payoff at expiry is piecewise linear and each leg, call or put, bends it upwards by its quantity at
         its strike; one walk over the sorted strikes visits every corner.
    @param words Three for each group of series: signed 64-bit lanes of quantity, lanes of strike with the top
           bit set for a call, lanes of mark price.
    @param prices Spot u64 | forward u64 | confidence u64 | 0.
    @param stable Price of the stablecoin in 1e-18.
    @param initial True for initial margin, False for maintenance.
    """
    isolated: uint256 = 0
    shorts: uint256 = 0
    net_calls: int256 = 0
    # Payoff as a function of the price X: its value at X = 0 and its slope just above.
    payoff: int256 = 0
    slope: int256 = 0
    # Ascending strike << 64 | quantity.
    knots: DynArray[uint256, MAX_LEGS] = []
    for group: uint256 in range(len(words) // 3, bound=MAX_GROUPS):
        position: uint256 = words[3 * group]
        terms: uint256 = words[3 * group + 1]
        total: uint256 = 0
        sold: uint256 = 0
        total, sold = self.isolated(position, terms, words[3 * group + 2], prices >> 192, initial)
        isolated += total
        shorts += sold
        for lane: uint256 in range(4):
            if position == 0:
                break
            if position & MASK_64 != 0:
                quantity: int256 = lanes.signed(position)
                strike: uint256 = terms & STRIKE_MASK
                if terms & CALL != 0:
                    net_calls += quantity
                else:
                    payoff += quantity * convert(strike, int256)
                    slope -= quantity
                knot: uint256 = (strike << 64) | (position & MASK_64)
                at: uint256 = len(knots)
                knots.append(knot)
                # Series are listed in ascending strike, so this seldom moves anything.
                for _: uint256 in range(MAX_LEGS):
                    if at == 0 or knots[at - 1] <= knot:
                        break
                    knots[at] = knots[at - 1]
                    at -= 1
                knots[at] = knot
            position >>= 64
            terms >>= 64
    if shorts == 0:
        return 0
    loss: uint256 = self._largest_loss(knots, payoff, slope) * W
    if net_calls < 0:
        unpaired: uint256 = P.unpaired_im if initial else P.unpaired_mm
        loss += unpaired * ((prices >> 128) & MASK_64) * convert(-net_calls, uint256)
    scaled: uint256 = min(isolated, loss)
    if initial:
        scaled += self.contingency(shorts, prices >> 192, (prices >> 64) & MASK_64, stable)
    return scaled


@internal
@pure
def _largest_loss(knots: DynArray[uint256, MAX_LEGS], payoff_at_zero: int256, slope_at_zero: int256) -> uint256:
    """
    @notice Largest loss at expiry over the prices 0 and every strike held, in 1e-10 USDC.
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
    return convert(-worst, uint256)


@internal
@view
def _short_unit(strike: uint256, is_call: bool, mark: uint256, spot: uint256, initial: bool) -> uint256:
    """
    @notice Isolated requirement of one short contract, in 1e-24 USDC.
    """
    value: uint256 = unsafe_mul(mark, W)
    if is_call:
        if not initial:
            return unsafe_add(value, unsafe_mul(P.mm_call, spot))
        return unsafe_add(value, self._scaled(unsafe_sub(max(strike, spot), spot), spot))
    maintenance: uint256 = unsafe_mul(P.mm_put, spot)
    if maintenance < unsafe_mul(P.mm_put_mtm, mark):
        maintenance = unsafe_mul(P.mm_put_mtm, mark)
    maintenance = unsafe_add(maintenance, value)
    if not initial:
        return maintenance
    offset: uint256 = unsafe_div(unsafe_add(unsafe_mul(P.mm_offset, maintenance), W - 1), W)
    unit: uint256 = unsafe_add(value, self._scaled(unsafe_sub(max(strike, spot), strike), spot))
    if unit < offset:
        return offset
    return unit


@internal
@view
def _scaled(otm: uint256, spot: uint256) -> uint256:
    """
    @notice max(max_req * spot - out_of_the_money_amount, min_req * spot), in 1e-24 USDC.
    """
    most: uint256 = unsafe_mul(P.max_req, spot)
    least: uint256 = unsafe_mul(P.min_req, spot)
    discount: uint256 = unsafe_mul(otm, W)
    if unsafe_add(discount, least) >= most:
        return least
    return unsafe_sub(most, discount)
