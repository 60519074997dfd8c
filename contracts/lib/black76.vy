# pragma version 0.4.3
"""
@title Black-76
@license Apache-2.0
@notice Value of an option on a forward and its Greeks, in the order of products that docs/MATHEMATICS.md writes down.
@dev Prices in 1e-6 USDC below 2**64; vols and years in wads below 2**64. Products that could exceed a word are checked.
     Divisions round towards minus infinity unless a name says otherwise; Vyper's own truncate, so signed ones go
     through `_floor`. Written a second time, independently, in exchange/core/black76.py and greeks.py; the two agree
     to the unit.
@custom:kill Stateless; nothing to disable.
"""

from lib import fixedmath

W: constant(uint256) = 10**18
ONE: constant(int256) = 10**18
USDC: constant(int256) = 10**6
CASH: constant(int256) = 10**42  # a wad, twice, and the units of a USDC

# Total volatility and the two distances to the strike, in wads.
struct Moments:
    v: uint256
    d1: int256
    d2: int256

# Of one contract, long, in wads: of the forward; delta for a USDC of forward; USDC for 1.00 of vol; USDC for a year;
# USDC for 1.00 of rate; delta for 1.00 of vol; vega for 1.00 of vol; USDC for a USDC of strike.
struct Greeks:
    delta: int256
    gamma: int256
    vega: int256
    theta: int256
    rho: int256
    vanna: int256
    volga: int256
    strike_delta: int256


@internal
@pure
def total_vol(vol: uint256, years: uint256) -> uint256:
    """
    @notice Volatility over the whole life.
    """
    return vol * fixedmath.sqrt_wad(years) // W


@internal
@pure
def moments(forward: uint256, strike: uint256, v: uint256) -> Moments:
    """
    @notice Distances of a forward to a strike; all three positive. A ratio below 1e-18 counts as that.
    """
    ratio: uint256 = max(forward * W // strike, 1)
    drift: int256 = fixedmath.ln_wad(ratio) * ONE + convert(v * v // 2, int256)
    d1: int256 = self._floor(drift, convert(v, int256))
    return Moments(v=v, d1=d1, d2=d1 - convert(v, int256))


@internal
@pure
def scaled_value(forward: uint256, strike: uint256, vol: uint256, years: uint256, is_call: bool) -> uint256:
    """
    @notice Undiscounted value in 1e-24 USDC.
    """
    v: uint256 = self.total_vol(vol, years)
    if v == 0 or forward == 0 or strike == 0:
        return convert(self._value(forward, strike, 0, 0, is_call), uint256)
    at: Moments = self.moments(forward, strike, v)
    first: uint256 = fixedmath.norm_cdf_wad(at.d1)
    return convert(self._value(forward, strike, first, fixedmath.norm_cdf_wad(at.d2), is_call), uint256)


@internal
@pure
def _value(forward: uint256, strike: uint256, first: uint256, second: uint256, is_call: bool) -> int256:
    """
    @notice Value from the two probabilities, exact, in 1e-24 USDC; never below intrinsic value, which is all there
            is of two zeros.
    """
    ahead: int256 = (convert(forward, int256) - convert(strike, int256)) * ONE
    call: int256 = convert(forward * first, int256) - convert(strike * second, int256)
    if is_call:
        return max(max(call, ahead), 0)
    return max(max(call - ahead, -ahead), 0)


@internal
@pure
def mark(forward: uint256, strike: uint256, vol: uint256, years: uint256, is_call: bool) -> uint256:
    """
    @notice Undiscounted value in 1e-6 USDC, rounded up.
    """
    return (self.scaled_value(forward, strike, vol, years, is_call) + W - 1) // W


@internal
@pure
def discount_factor(rate: int256, years: uint256) -> uint256:
    """
    @notice e**(-rate * years), with the product rounded up.
    """
    return fixedmath.exp_wad(self._floor(-rate * convert(years, int256), ONE))


@internal
@pure
def value_up(scaled: uint256, discount: uint256) -> uint256:
    """
    @notice Present value in 1e-6 USDC of what is owed, rounded up.
    """
    return (scaled * discount + W * W - 1) // (W * W)


@internal
@pure
def value_down(scaled: uint256, discount: uint256) -> uint256:
    """
    @notice Present value in 1e-6 USDC of what is owned, rounded down.
    """
    return scaled * discount // (W * W)


@internal
@pure
def greeks(
    forward: uint256, strike: uint256, vol: uint256, years: uint256, discount: uint256, rate: int256, is_call: bool
) -> Greeks:
    """
    @notice Greeks at a discount factor and the rate that gave it.
    """
    factor: int256 = convert(discount, int256)
    own: int256 = 0 if is_call else ONE
    v: uint256 = self.total_vol(vol, years)
    if v == 0 or forward == 0 or strike == 0:
        ends: int256 = ONE if forward > strike else 0
        return self._of_value(factor, ends, ends, own, self._value(forward, strike, 0, 0, is_call), rate, years)
    at: Moments = self.moments(forward, strike, v)
    first: uint256 = fixedmath.norm_cdf_wad(at.d1)
    second: uint256 = fixedmath.norm_cdf_wad(at.d2)
    worth: int256 = self._value(forward, strike, first, second, is_call)
    found: Greeks = self._of_value(
        factor, convert(first, int256), convert(second, int256), own, worth, rate, years
    )
    density: int256 = factor * convert(fixedmath.norm_pdf_wad(at.d1), int256)
    money: int256 = convert(forward, int256)
    sigma: int256 = convert(vol, int256)
    root: int256 = convert(fixedmath.sqrt_wad(years), int256)
    found.gamma = density * USDC // (money * convert(v, int256))
    found.vega = density * money * root // CASH
    found.theta += self._floor(-density * money * sigma, 2 * root * ONE * USDC)
    found.vanna = self._floor(-density * at.d2, ONE * sigma)
    found.volga = self._floor(found.vega * (at.d1 * at.d2), sigma * ONE)
    return found


@internal
@pure
def _of_value(
    factor: int256, first: int256, second: int256, own: int256, worth: int256, rate: int256, years: uint256
) -> Greeks:
    """
    @notice Greeks that need no density; an option that is only its intrinsic value has no others.
    """
    found: Greeks = empty(Greeks)
    found.delta = self._floor(factor * (first - own), ONE)
    found.strike_delta = self._floor(factor * (own - second), ONE)
    found.theta = self._floor(rate * (factor * worth), CASH)
    found.rho = self._floor(-convert(years, int256) * (factor * worth), CASH)
    return found


@internal
@pure
def _floor(a: int256, b: int256) -> int256:
    """
    @notice a / b towards minus infinity, for positive b.
    """
    quotient: int256 = a // b
    if a < 0 and quotient * b != a:
        return quotient - 1
    return quotient
