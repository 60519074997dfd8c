# pragma version 0.4.3
"""
@title The fixed-point functions of the contracts, many arguments to a call
@license Apache-2.0
@notice For tests and benchmarks; each result is that of the library, `wide` asks for its second stage at once.
"""

from lib import black76
from lib import fixedmath

MOST: constant(uint256) = 256

struct Option:
    forward: uint256
    strike: uint256
    vol: uint256
    years: uint256
    discount: uint256
    rate: int256
    is_call: bool


@external
@view
def exp(xs: DynArray[int256, MOST], wide: bool) -> DynArray[uint256, MOST]:
    found: DynArray[uint256, MOST] = []
    for x: int256 in xs:
        found.append(fixedmath.exp_wide(x) if wide else fixedmath.exp_wad(x))
    return found


@external
@view
def ln(xs: DynArray[uint256, MOST], wide: bool) -> DynArray[int256, MOST]:
    found: DynArray[int256, MOST] = []
    for x: uint256 in xs:
        found.append(fixedmath._ln_wide(x, fixedmath._ln(x)) if wide else fixedmath.ln_wad(x))
    return found


@external
@view
def norm_pdf(xs: DynArray[int256, MOST], wide: bool) -> DynArray[uint256, MOST]:
    found: DynArray[uint256, MOST] = []
    for x: int256 in xs:
        found.append(fixedmath.norm_pdf_wide(x) if wide else fixedmath.norm_pdf_wad(x))
    return found


@external
@view
def norm_cdf(xs: DynArray[int256, MOST], wide: bool) -> DynArray[uint256, MOST]:
    found: DynArray[uint256, MOST] = []
    for x: int256 in xs:
        found.append(fixedmath.norm_cdf_wide(x) if wide else fixedmath.norm_cdf_wad(x))
    return found


@external
@view
def sqrt(xs: DynArray[uint256, MOST]) -> DynArray[uint256, MOST]:
    found: DynArray[uint256, MOST] = []
    for x: uint256 in xs:
        found.append(fixedmath.sqrt_wad(x))
    return found


@external
@view
def decide(low: uint256, high: uint256, places: int256) -> uint256:
    return fixedmath._decide(low, high, places)


@external
@view
def marks(options: DynArray[Option, MOST]) -> DynArray[uint256, MOST]:
    found: DynArray[uint256, MOST] = []
    for o: Option in options:
        found.append(black76.mark(o.forward, o.strike, o.vol, o.years, o.is_call))
    return found


@external
@view
def values(options: DynArray[Option, MOST]) -> DynArray[uint256[3], MOST]:
    """
    @notice Discount factor of each, and present values rounded down and up at its given factor.
    """
    found: DynArray[uint256[3], MOST] = []
    for o: Option in options:
        scaled: uint256 = black76.scaled_value(o.forward, o.strike, o.vol, o.years, o.is_call)
        found.append(
            [
                black76.discount_factor(o.rate, o.years),
                black76.value_down(scaled, o.discount),
                black76.value_up(scaled, o.discount),
            ]
        )
    return found


@external
@view
def greeks(options: DynArray[Option, MOST]) -> DynArray[black76.Greeks, MOST]:
    found: DynArray[black76.Greeks, MOST] = []
    for o: Option in options:
        found.append(black76.greeks(o.forward, o.strike, o.vol, o.years, o.discount, o.rate, o.is_call))
    return found


@external
@view
def gas_of_option(o: Option, with_greeks: bool) -> uint256:
    """
    @notice What a mark, or all Greeks, cost inside a contract.
    """
    before: uint256 = msg.gas
    if with_greeks:
        all_of_them: black76.Greeks = black76.greeks(o.forward, o.strike, o.vol, o.years, o.discount, o.rate, o.is_call)
    else:
        mark: uint256 = black76.mark(o.forward, o.strike, o.vol, o.years, o.is_call)
    return before - msg.gas


@external
@view
def gas_of(name: String[16], x: int256, wide: bool) -> uint256:
    """
    @notice What one call costs inside a contract.
    """
    size: uint256 = convert(abs(x), uint256)
    unsigned: uint256 = 0
    signed: int256 = 0
    before: uint256 = msg.gas
    if name == "exp":
        before = msg.gas
        unsigned = fixedmath.exp_wide(x) if wide else fixedmath.exp_wad(x)
    elif name == "ln":
        before = msg.gas
        signed = fixedmath._ln_wide(size, fixedmath._ln(size)) if wide else fixedmath.ln_wad(size)
    elif name == "norm_pdf":
        before = msg.gas
        unsigned = fixedmath.norm_pdf_wide(x) if wide else fixedmath.norm_pdf_wad(x)
    elif name == "norm_cdf":
        before = msg.gas
        unsigned = fixedmath.norm_cdf_wide(x) if wide else fixedmath.norm_cdf_wad(x)
    else:
        before = msg.gas
        unsigned = fixedmath.sqrt_wad(size)
    return before - msg.gas
