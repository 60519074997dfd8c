# pragma version 0.4.3
"""
@title Values of an option in every move of a model
@license Apache-2.0
@notice The cells of a risk array, by Black-76 from what a round says of an expiry and the vol of a strike.
@dev Prices in 1e-6 USDC below 2**63, vols and years in 1e-18. The order of operations is that of
     exchange/core/risk_models/grid.py, which is its definition; the two agree to the unit.
@custom:kill Stateless; nothing to disable.
"""

from lib import black76
from lib import fail
from lib import fixedmath
from risk import scenarios

W: constant(uint256) = 10**18
ONE: constant(int256) = 10**18
MONTH: constant(uint256) = 30 * 86_400
YEAR: constant(uint256) = 365 * 86_400
WINDOW: constant(uint256) = 1800
PRICE_LIMIT: constant(uint256) = 2**63

# The settlement average as it is expected, the part of it that is settled, and the time to expiry in seconds.
struct Term:
    expected: uint256
    fixed: uint256
    seconds: uint256


@internal
@pure
def years_of(seconds: uint256) -> uint256:
    """
    @notice Year fraction of 365 days.
    """
    return seconds * W // YEAR


@internal
@pure
def averaging_years(term: Term) -> uint256:
    """
    @notice Time that the variance of the settlement average is worth: all but two thirds of the window, and within it
            a third of what is left, of the part that is still open.
    """
    if term.seconds >= WINDOW:
        return (3 * term.seconds - 2 * WINDOW) * W // (3 * YEAR)
    if term.expected == 0:
        return 0
    still_open: uint256 = term.expected - term.fixed
    return term.seconds * still_open * still_open * W // (3 * YEAR * term.expected * term.expected)


@internal
@pure
def of_option(
    surface: scenarios.Surface,
    moves: DynArray[uint256, scenarios.MAX_MOVES],
    term: Term,
    strike: uint256,
    vol: uint256,
    is_call: bool,
) -> DynArray[uint256, scenarios.MAX_MOVES]:
    """
    @notice Values of one contract, one for each move, each rounded up to 1e-6 USDC.
    """
    years: uint256 = self.averaging_years(term)
    root: uint256 = fixedmath.sqrt_wad(years)
    vols: uint256[7] = self._vols(surface, term, strike, vol)
    found: DynArray[uint256, scenarios.MAX_MOVES] = []
    base: uint256 = 0
    last: uint256 = max_value(uint256)
    money: int256 = 0
    for move: uint256 in moves:
        kind: uint256 = move & 255
        forward: uint256 = term.fixed + (term.expected - term.fixed) * (move >> 8) // W
        value: uint256 = 0
        if kind == scenarios.TANGENT:
            value = self._along(term.expected, forward, strike, vols[0], root, base)
        else:
            total: uint256 = vols[kind] * root // W
            if total == 0 or forward == 0 or strike == 0:
                value = max(forward, strike) - strike
            else:
                if forward != last:
                    last = forward
                    money = fixedmath.ln_wad(max(forward * W // strike, 1))
                value = self._mark(forward, strike, total, money)
        if len(found) == 0:
            base = value
        if not is_call:
            value = value + strike - forward
        if value >= PRICE_LIMIT:
            fail.because("cell_range")
        found.append(value)
    return found


@internal
@pure
def _mark(forward: uint256, strike: uint256, total: uint256, money: int256) -> uint256:
    """
    @notice A call's value, rounded up; `total` is the vol of its whole life, `money` the logarithm of forward over strike.
    """
    v: int256 = convert(total, int256)
    d1: int256 = black76._floor(money * ONE + convert(total * total // 2, int256), v)
    first: uint256 = fixedmath.norm_cdf_wad(d1)
    second: uint256 = fixedmath.norm_cdf_wad(d1 - v)
    return (convert(black76._value(forward, strike, first, second, True), uint256) + W - 1) // W


@internal
@pure
def _along(forward: uint256, moved: uint256, strike: uint256, vol: uint256, root: uint256, base: uint256) -> uint256:
    """
    @notice A call's value moved along its delta, no less than exercise would pay.
    """
    total: uint256 = vol * root // W
    delta: uint256 = W if forward > strike else 0
    if total != 0 and forward != 0 and strike != 0:
        v: int256 = convert(total, int256)
        money: int256 = fixedmath.ln_wad(max(forward * W // strike, 1))
        delta = fixedmath.norm_cdf_wad(black76._floor(money * ONE + convert(total * total // 2, int256), v))
    gained: int256 = 0
    if moved >= forward:
        gained = convert((delta * (moved - forward) + W - 1) // W, int256)
    else:
        gained = -convert(delta * (forward - moved) // W, int256)
    exercised: int256 = convert(max(moved, strike) - strike, int256)
    return convert(max(convert(base, int256) + gained, exercised), uint256)


# -- vols --------------------------------------------------------------------------------------------------------------


@internal
@pure
def _vols(surface: scenarios.Surface, term: Term, strike: uint256, vol: uint256) -> uint256[7]:
    """
    @notice The vol of a strike as each kind of move leaves it, rounded down.
    """
    scale: uint256 = self._time_scale(surface, term.seconds)
    down: uint256 = surface.down * scale // W
    root: uint256 = fixedmath.sqrt_wad(self.years_of(term.seconds))
    width: int256 = self._width(surface, root)
    slope: int256 = self._cap(surface.slope_cap, surface.slope_yearly, root)
    wings: int256 = self._cap(surface.wings_cap, surface.wings_yearly, root)
    distance: int256 = fixedmath.ln_wad(max(strike * W // term.expected, 1))
    turned: int256 = max(min(black76._floor(distance * slope, width), slope), -slope)
    raised: int256 = min(abs(distance) * wings // width, wings)
    return [
        vol,
        max(vol * (W + surface.up * scale // W) // W, surface.up_least),
        vol * (W - min(down, W)) // W,
        self._scaled(vol, turned),
        self._scaled(vol, -turned),
        self._scaled(vol, raised),
        self._scaled(vol, -raised),
    ]


@internal
@pure
def _scaled(vol: uint256, change: int256) -> uint256:
    return vol * convert(max(ONE + change, 0), uint256) // W


@internal
@pure
def _time_scale(surface: scenarios.Surface, seconds: uint256) -> uint256:
    """
    @notice How much more vol moves for this time to expiry than for 30 days.
    """
    ratio: uint256 = MONTH * W // max(seconds, surface.floor_s)
    power: uint256 = surface.power_short if seconds <= MONTH else surface.power_long
    return fixedmath.exp_wad(black76._floor(convert(power, int256) * fixedmath.ln_wad(ratio), ONE))


@internal
@pure
def _width(surface: scenarios.Surface, root: uint256) -> int256:
    """
    @notice Log-moneyness at which a move of the smile reaches its cap.
    """
    years: int256 = convert(root, int256)
    deviation: int256 = convert(surface.deviation, int256) + black76._floor(years * surface.deviation_yearly, ONE)
    reach: int256 = black76._floor(convert(root * surface.width // W, int256) * deviation, ONE)
    return max(max(reach, convert(surface.width_least, int256)), 1)


@internal
@pure
def _cap(cap: uint256, yearly: int256, root: uint256) -> int256:
    """
    @notice Largest relative move of a vol.
    """
    return max(convert(cap, int256) + black76._floor(convert(root, int256) * yearly, ONE), 0)
