# pragma version 0.4.3
"""
@title Square root, logarithm, exponential and the normal distribution
@license Apache-2.0
@notice Each result is floor(true value * 1e18), so it equals that of exchange/core/fixedmath.py bit for bit.
@dev A first stage computes with 120 to 128 fractional bits and a bound on its error; where the bound leaves the floor
     open, a wide stage of 240 bits and more decides. What that leaves open is refused: no such argument is known.
     docs/MATHEMATICS.md derives every bound used here. Arithmetic is unchecked where a comment bounds it.
     Numbers are wads (1e-18); q127 says that a number has 127 fractional bits.
@custom:kill Stateless; nothing to disable.
"""

from lib import fail

W: constant(uint256) = 10**18
HALF: constant(uint256) = 5 * 10**17
SQUARE: constant(uint256) = 10**36
EXP_MAX: constant(int256) = 50 * 10**18
EXP_MIN: constant(int256) = -42 * 10**18
NORM_MAX: constant(uint256) = 10 * 10**18
SERIES_MAX: constant(uint256) = 4 * 10**18
LN_MAX: constant(uint256) = 2**192

ONE_127: constant(uint256) = 2**127
ONE_248: constant(uint256) = 2**248
LN2_128: constant(uint256) = 235865763225513294137944142764154484399
LN2_136: constant(int256) = 60381635385731403299313700547623548006208
LN2_248: constant(uint256) = 313519375726528550243101188305898713023401045357773228930167451193046706938
INV_SQRT_2PI_127: constant(uint256) = 67876511719918116081295503587892730975
INV_SQRT_2PI_248: constant(uint256) = 180446719268676220898445395217721583986422415552867237672993638409817973661
# Powers of two lifted over a negative exponent: more than any argument needs.
LIFT: constant(uint256) = 96
LIFT_128: constant(int256) = 96 * 235865763225513294137944142764154484399

# Bounds of errors, in the last of the fractional bits named.
EXP_ERROR_127: constant(uint256) = 2**9
LN_ERROR_127: constant(int256) = 2**5
SERIES_ERROR_123: constant(uint256) = 2**20
TAIL_ERROR: constant(uint256) = 63  # two to the minus so much of the tail
EXP_ERROR_248: constant(uint256) = 2**16
LN_ERROR_248: constant(uint256) = 2**18
NORM_ERROR_248: constant(uint256) = 2**90


@internal
@pure
def sqrt_wad(x: uint256) -> uint256:
    """
    @notice Floor of the square root. Reverts for x of 2**196 or more.
    """
    return isqrt(x * W)


# -- exponential ----------------------------------------------------------------------------------------------


@internal
@pure
def exp_wad(x: int256) -> uint256:
    """
    @notice Floor of e**x, for x of at most 50.
    """
    if x < EXP_MIN:
        return 0
    if x > EXP_MAX:
        fail.because("exp_domain")
    if x == 0:
        return W
    # |x| < 2**66, so the shift stays below 2**194. Signed division truncates; the error of one unit covers that.
    mantissa: uint256 = 0
    k: int256 = 0
    mantissa, k = self._exp_parts(unsafe_div(x << 128, 10**18))
    # To 120 bits. The mantissa is below 2**128 and k at most 72: below 2**193, and below 2**253 times W.
    value: uint256 = 0
    error: uint256 = 0
    if k >= 7:
        value = mantissa << convert(k - 7, uint256)
        error = EXP_ERROR_127 << convert(k - 7, uint256)
    else:
        value = mantissa >> convert(7 - k, uint256)
        error = (EXP_ERROR_127 >> convert(7 - k, uint256)) + 2
    low: uint256 = 0
    if value > error:
        low = unsafe_mul(unsafe_sub(value, error), W) >> 120
    if low == unsafe_mul(unsafe_add(value, error), W) >> 120:
        return low
    return self.exp_wide(x)


@internal
@pure
def _exp_parts(x: int256) -> (uint256, int256):
    """
    @notice e**x as a mantissa in [1, 2) of q127 and a power of two; x of q128, between -66 and 66.
    """
    lifted: uint256 = convert(unsafe_add(x, LIFT_128), uint256)
    k: uint256 = unsafe_div(lifted, LN2_128)
    r: uint256 = unsafe_sub(lifted, unsafe_mul(k, LN2_128)) >> 5
    # Taylor's series of e**r: r < 2**122.5, sums below 2**127.1
    a: uint256 = 130109748744780192657020332
    a = unsafe_add(1951646231171702889855304983, unsafe_mul(a, r) >> 128)
    a = unsafe_add(27323047236403840457974269768, unsafe_mul(a, r) >> 128)
    a = unsafe_add(355199614073249925953665506995, unsafe_mul(a, r) >> 128)
    a = unsafe_add(4262395368878999111443986083951, unsafe_mul(a, r) >> 128)
    a = unsafe_add(46886349057668990225883846923468, unsafe_mul(a, r) >> 128)
    a = unsafe_add(468863490576689902258838469234689, unsafe_mul(a, r) >> 128)
    a = unsafe_add(4219771415190209120329546223112205, unsafe_mul(a, r) >> 128)
    a = unsafe_add(33758171321521672962636369784897640, unsafe_mul(a, r) >> 128)
    a = unsafe_add(236307199250651710738454588494283480, unsafe_mul(a, r) >> 128)
    a = unsafe_add(1417843195503910264430727530965700881, unsafe_mul(a, r) >> 128)
    a = unsafe_add(7089215977519551322153637654828504405, unsafe_mul(a, r) >> 128)
    a = unsafe_add(28356863910078205288614550619314017621, unsafe_mul(a, r) >> 128)
    a = unsafe_add(85070591730234615865843651857942052864, unsafe_mul(a, r) >> 128)
    a = unsafe_add(170141183460469231731687303715884105728, unsafe_mul(a, r) >> 128)
    a = unsafe_add(170141183460469231731687303715884105728, unsafe_mul(a, r) >> 128)
    # Squared five times, below 2**127.5 before the last.
    a = unsafe_mul(a, a) >> 127
    a = unsafe_mul(a, a) >> 127
    a = unsafe_mul(a, a) >> 127
    a = unsafe_mul(a, a) >> 127
    a = unsafe_mul(a, a) >> 127
    return a, convert(k, int256) - convert(LIFT, int256)


@internal
@pure
def exp_wide(x: int256) -> uint256:
    """
    @notice As `exp_wad` for the arguments it does not settle itself.
    """
    magnitude: uint256 = convert(abs(x), uint256)
    mantissa: uint256 = 0
    k: int256 = 0
    mantissa, k = self._exp_parts_wide(self._fraction(magnitude), x < 0)
    return self._decide(unsafe_sub(mantissa, EXP_ERROR_248), unsafe_add(mantissa, EXP_ERROR_248), 248 - k)


@internal
@pure
def _exp_parts_wide(x: uint256, negative: bool) -> (uint256, int256):
    """
    @notice e**x, or e**-x, as a mantissa in [1, 2) of q248 and a power of two; x of q248, below 92.
    """
    k: uint256 = unsafe_div(x, LN2_248)
    r: uint256 = unsafe_sub(x, unsafe_mul(k, LN2_248))
    power: int256 = convert(k, int256)
    if negative:
        r = unsafe_sub(LN2_248, r)
        power = -power - 1
    r >>= 8
    total: uint256 = ONE_248
    term: uint256 = ONE_248
    for n: uint256 in range(1, 64):
        term = unsafe_div(self._mul_shift(term, r, 248), n)
        if term == 0:
            break
        total = unsafe_add(total, term)
    for _: uint256 in range(8):
        total = self._mul_shift(total, total, 248)
    return total, power


# -- logarithm ------------------------------------------------------------------------------------------------


@internal
@pure
def ln_wad(x: uint256) -> int256:
    """
    @notice Floor of the natural logarithm, for x above 0 and below 2**192.
    """
    if x == 0 or x >= LN_MAX:
        fail.because("ln_domain")
    if x == W:
        return 0
    value: int256 = self._ln(x)
    # |value| < 2**134, below 2**194 times W; shifting right rounds down.
    low: int256 = unsafe_mul(unsafe_sub(value, LN_ERROR_127), 10**18) >> 127
    if low == unsafe_mul(unsafe_add(value, LN_ERROR_127), 10**18) >> 127:
        return low
    return self._ln_wide(x, value)


@internal
@pure
def _ln(x: uint256) -> int256:
    """
    @notice ln of x / 1e18 in q127: a mantissa in [1, 2), taken into [1, 2**(1/16)), then 2 atanh((m - 1) / (m + 1)).
    """
    bit: uint256 = self._top_bit(x)
    # Below 2**196; the quotient lies between 2**135.2 and 2**136.3.
    m: uint256 = unsafe_div(x << unsafe_sub(195, bit), W)
    sixteenths: int256 = unsafe_mul(unsafe_sub(convert(bit, int256), 59), 16)
    if m >= 2**136:
        m >>= 9
    else:
        m >>= 8
        sixteenths = unsafe_sub(sixteenths, 16)
    # Each product is below 2**255; a threshold lies a little above its power of two, so that no quotient is below 1.
    if m >= 240615969168004511545033772477625056943:
        m = unsafe_mul(m, 120307984584002255772516886238812528463) >> 127
        sixteenths = unsafe_add(sixteenths, 8)
    if m >= 202333105926173297125496651828617737990:
        m = unsafe_mul(m, 143071111258933163793427930652159156207) >> 127
        sixteenths = unsafe_add(sixteenths, 4)
    if m >= 185540276208459938995127072211809418400:
        m = unsafe_mul(m, 156020153148878021764219273105743751805) >> 127
        sixteenths = unsafe_add(sixteenths, 2)
    if m >= 177673977198940748734846910156470796738:
        m = unsafe_mul(m, 162927755463683233669382878899083151329) >> 127
        sixteenths = unsafe_add(sixteenths, 1)
    # z of q128, below 2**122.5
    z: uint256 = unsafe_div(unsafe_sub(m, ONE_127) << 128, unsafe_add(m, ONE_127))
    square: uint256 = unsafe_mul(z, z) >> 128
    a: uint256 = 8101961117165201511032728748375433606
    a = unsafe_add(8954799129498380617457226511362321354, unsafe_mul(a, square) >> 128)
    a = unsafe_add(10008304909439366572452194336228476807, unsafe_mul(a, square) >> 128)
    a = unsafe_add(11342745564031282115445820247725607048, unsafe_mul(a, square) >> 128)
    a = unsafe_add(13087783343113017825514407978144931209, unsafe_mul(a, square) >> 128)
    a = unsafe_add(15467380314588111975607936701444009611, unsafe_mul(a, square) >> 128)
    a = unsafe_add(18904575940052136859076367079542678414, unsafe_mul(a, square) >> 128)
    a = unsafe_add(24305883351495604533098186245126300818, unsafe_mul(a, square) >> 128)
    a = unsafe_add(34028236692093846346337460743176821145, unsafe_mul(a, square) >> 128)
    a = unsafe_add(56713727820156410577229101238628035242, unsafe_mul(a, square) >> 128)
    a = unsafe_add(170141183460469231731687303715884105728, unsafe_mul(a, square) >> 128)
    # Sixteenths of ln 2 of q140, |sixteenths| < 2**12
    return unsafe_add(
        unsafe_mul(sixteenths, LN2_136) >> 13, convert(unsafe_mul(z, a) >> 127, int256)
    )


@internal
@pure
def _ln_wide(x: uint256, near: int256) -> int256:
    """
    @notice Floor of ln from a value near it, of q127: ln x = near + ln(x e**-near), and the last is tiny.
    """
    bit: uint256 = self._top_bit(x)
    lifted: uint256 = x << unsafe_sub(195, bit)
    # x / 1e18 = m 2**(bit - 59) of q248, between 2**247.2 and 2**248.3
    m: uint256 = (unsafe_div(lifted, W) << 112) + unsafe_div((lifted % W) << 112, W)
    mantissa: uint256 = 0
    k: int256 = 0
    mantissa, k = self._exp_parts_wide(convert(abs(near), uint256) << 121, near > 0)
    product: uint256 = self._mul_shift(m, mantissa, 248)
    # product 2**(bit - 59 + k) is 1 but for 2**-121.
    power: int256 = convert(bit, int256) - 59 + k
    if power > 0:
        product <<= convert(power, uint256)
    else:
        product >>= convert(-power, uint256)
    rest: int256 = convert(product, int256) - convert(ONE_248, int256)
    value: int256 = (near << 121) + rest - ((rest * rest) >> 249)
    size: uint256 = convert(abs(value), uint256)
    found: int256 = convert(self._decide(size - LN_ERROR_248, size + LN_ERROR_248, 248), int256)
    return found if value > 0 else -found - 1


# -- normal distribution --------------------------------------------------------------------------------------


@internal
@pure
def norm_pdf_wad(x: int256) -> uint256:
    """
    @notice Floor of the standard normal density.
    """
    size: uint256 = self._size(x)
    if size > NORM_MAX:
        return 0
    density: uint256 = 0
    k: uint256 = 0
    density, k = self._density(size)
    # To 120 bits; below 2**186 times W.
    value: uint256 = density >> unsafe_add(7, k)
    error: uint256 = (EXP_ERROR_127 >> unsafe_add(7, k)) + 2
    low: uint256 = 0
    if value > error:
        low = unsafe_mul(unsafe_sub(value, error), W) >> 120
    if low == unsafe_mul(unsafe_add(value, error), W) >> 120:
        return low
    return self.norm_pdf_wide(x)


@internal
@pure
def norm_cdf_wad(x: int256) -> uint256:
    """
    @notice Floor of the standard normal distribution function.
    """
    size: uint256 = self._size(x)
    if size > NORM_MAX:
        return 0 if x < 0 else W - 1
    if size > SERIES_MAX:
        return self._cdf_tail(x, size)
    if x == 0:
        return HALF
    # Phi(x) = 1/2 + x P(x^2 / 2) / sqrt(2 pi); the wad of x is the wad of the result. Below 2**187.
    slope: uint256 = unsafe_mul(self._series(size), INV_SQRT_2PI_127) >> 127
    low: uint256 = unsafe_mul(unsafe_sub(slope, SERIES_ERROR_123), size) >> 123
    if low != unsafe_mul(unsafe_add(slope, SERIES_ERROR_123), size) >> 123:
        return self.norm_cdf_wide(x)
    return unsafe_add(HALF, low) if x > 0 else unsafe_sub(HALF - 1, low)


@internal
@pure
def _series(size: uint256) -> uint256:
    """
    @notice P(y) = sum of (-y)^n / (n! (2n + 1)) of q123 for y = x^2 / 2 up to 8, by Horner's rule in u = y / 8.
    @dev Small arguments need fewer terms. With 8^n in the coefficients every partial sum is between 0 and 29, so all
         products are below 2**255.
    """
    u: uint256 = unsafe_div(unsafe_mul(size, size) << 123, SQUARE)
    a: uint256 = 0
    if size > 3 * 10**18:
        a = unsafe_sub(265132, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(2088184, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(16185587, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(123432105, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(925872666, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(6829317298, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(49520104969, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(352886513794, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(2470610282932, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(16988331922128, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(114691464679037, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(759970142169351, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(4940746481207432, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(31503497133961535, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(196937454377380683, unsafe_mul(a, u) >> 127)
    if size > 2 * 10**18:
        a = unsafe_sub(1206501036290900609, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(7240627858923214004, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(42548634588562513065, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(244714408202476813204, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(1376870147300142529464, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(7574810619190931180480, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(40726014925469313726376, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(213874427147179127485893, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(1096444848033006919389708, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(5484004183100153114674824, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(26743660399585080022564227, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(127078180837069515518177620, unsafe_mul(a, u) >> 127)
    if size > 1 * 10**18:
        a = unsafe_sub(587960315563061068277765470, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(2646886565532983251214215932, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(11585066945411154304754758538, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(49258813492892427245793790632, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(203290341399238588633434691500, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(813577944165395417215364656762, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(3154338215726003418440926529395, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(11835685717340333002088651955690, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(42931260011079935162121564821097, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(150360663010504018197524820187097, unsafe_mul(a, u) >> 127)
        a = unsafe_sub(507835768697241512441640201514266, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(1651761747675976858069110349312983, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(5166148444858906343322536624446992, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(15512795746923549325365728030631106, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(44644383108878819279395554506758126, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(122908164473529188442970078413422526, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(323027868167608764497549565060918177, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(808660980784453021934744012534258006, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(1923457904294448973601926829813627972, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(4335066110057564921564948726284502437, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(9229495589154815639460858578541198737, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(18498773486883574449781462237162316434, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(34770842757753385308385526242073613297, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(61022829039857191216216598554839191336, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(99493742999767159591657497643759551092, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(149832839160363639146960398237328371586, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(207005896208397133031984760722624723902, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(260279472438499336385804368261535498435, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(294983402096965914570578284029740231560, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(297819780963282894518372305991564656864, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(263976624035637111050375453037977764038, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(201648810027222793163481248848455236418, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(129631377874643224176523659974006937697, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(68056473384187692692674921486353642291, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(28356863910078205288614550619314017621, unsafe_mul(a, u) >> 127)
    a = unsafe_sub(10633823966279326983230456482242756608, unsafe_mul(a, u) >> 127)
    return a


@internal
@pure
def _cdf_tail(x: int256, size: uint256) -> uint256:
    """
    @notice Phi beyond 4, by phi(x) / (x + 1 / (x + 2 / (x + 3 / ...))), whose convergents enclose the value.
    """
    density: uint256 = 0
    k: uint256 = 0
    density, k = self._density(size)
    at: uint256 = unsafe_div(size << 120, W)
    r: uint256 = at
    r = unsafe_add(at, unsafe_div(44 << 240, r))
    r = unsafe_add(at, unsafe_div(43 << 240, r))
    r = unsafe_add(at, unsafe_div(42 << 240, r))
    r = unsafe_add(at, unsafe_div(41 << 240, r))
    r = unsafe_add(at, unsafe_div(40 << 240, r))
    r = unsafe_add(at, unsafe_div(39 << 240, r))
    r = unsafe_add(at, unsafe_div(38 << 240, r))
    r = unsafe_add(at, unsafe_div(37 << 240, r))
    r = unsafe_add(at, unsafe_div(36 << 240, r))
    r = unsafe_add(at, unsafe_div(35 << 240, r))
    r = unsafe_add(at, unsafe_div(34 << 240, r))
    r = unsafe_add(at, unsafe_div(33 << 240, r))
    r = unsafe_add(at, unsafe_div(32 << 240, r))
    r = unsafe_add(at, unsafe_div(31 << 240, r))
    r = unsafe_add(at, unsafe_div(30 << 240, r))
    r = unsafe_add(at, unsafe_div(29 << 240, r))
    r = unsafe_add(at, unsafe_div(28 << 240, r))
    r = unsafe_add(at, unsafe_div(27 << 240, r))
    r = unsafe_add(at, unsafe_div(26 << 240, r))
    r = unsafe_add(at, unsafe_div(25 << 240, r))
    r = unsafe_add(at, unsafe_div(24 << 240, r))
    r = unsafe_add(at, unsafe_div(23 << 240, r))
    r = unsafe_add(at, unsafe_div(22 << 240, r))
    r = unsafe_add(at, unsafe_div(21 << 240, r))
    r = unsafe_add(at, unsafe_div(20 << 240, r))
    r = unsafe_add(at, unsafe_div(19 << 240, r))
    r = unsafe_add(at, unsafe_div(18 << 240, r))
    r = unsafe_add(at, unsafe_div(17 << 240, r))
    r = unsafe_add(at, unsafe_div(16 << 240, r))
    r = unsafe_add(at, unsafe_div(15 << 240, r))
    r = unsafe_add(at, unsafe_div(14 << 240, r))
    r = unsafe_add(at, unsafe_div(13 << 240, r))
    r = unsafe_add(at, unsafe_div(12 << 240, r))
    r = unsafe_add(at, unsafe_div(11 << 240, r))
    r = unsafe_add(at, unsafe_div(10 << 240, r))
    r = unsafe_add(at, unsafe_div(9 << 240, r))
    r = unsafe_add(at, unsafe_div(8 << 240, r))
    r = unsafe_add(at, unsafe_div(7 << 240, r))
    r = unsafe_add(at, unsafe_div(6 << 240, r))
    r = unsafe_add(at, unsafe_div(5 << 240, r))
    r = unsafe_add(at, unsafe_div(4 << 240, r))
    r = unsafe_add(at, unsafe_div(3 << 240, r))
    r = unsafe_add(at, unsafe_div(2 << 240, r))
    r = unsafe_add(at, unsafe_div(1 << 240, r))
    # The density below 2**127, W below 2**60, r above 2**122: below 2**247, then 2**125.
    value: uint256 = unsafe_div(unsafe_mul(density, W) << 60, r)
    error: uint256 = unsafe_add(value >> TAIL_ERROR, 2)
    places: uint256 = unsafe_add(67, k)
    low: uint256 = unsafe_sub(value, error) >> places
    if low != unsafe_add(value, error) >> places:
        return self.norm_cdf_wide(x)
    return low if x < 0 else unsafe_sub(W - 1, low)


@internal
@pure
def _density(size: uint256) -> (uint256, uint256):
    """
    @notice phi(x) for |x| of at most 10, as a number of q127 to be shifted right by a number of bits.
    """
    # size^2 < 2**127, so the shift stays below 2**254.
    argument: uint256 = unsafe_div(unsafe_mul(size, size) << 127, SQUARE)
    mantissa: uint256 = 0
    k: int256 = 0
    mantissa, k = self._exp_parts(-convert(argument, int256))
    return unsafe_mul(mantissa, INV_SQRT_2PI_127) >> 127, convert(-k, uint256)


@internal
@pure
def norm_pdf_wide(x: int256) -> uint256:
    """
    @notice As `norm_pdf_wad` for the arguments it does not settle itself.
    """
    density: uint256 = 0
    k: int256 = 0
    density, k = self._density_wide(self._square_wide(self._size(x)))
    return self._decide(unsafe_sub(density, EXP_ERROR_248), unsafe_add(density, EXP_ERROR_248), 248 - k)


@internal
@pure
def norm_cdf_wide(x: int256) -> uint256:
    """
    @notice As `norm_cdf_wad` for the arguments it does not settle itself: 1/2 + phi(x) (x + x^3/3 + x^5/15 + ...).
    """
    size: uint256 = self._size(x)
    square: uint256 = self._square_wide(size)
    density: uint256 = 0
    k: int256 = 0
    density, k = self._density_wide(square)
    term: uint256 = self._mul_shift(density >> convert(-k, uint256), self._fraction(size), 248)
    away: uint256 = 0
    for n: uint256 in range(512):
        if term == 0:
            break
        away += term
        term = unsafe_div(self._mul_shift(term, square, 240), unsafe_add(unsafe_mul(2, n), 3))
    half: uint256 = ONE_248 >> 1
    value: uint256 = half + away if x > 0 else half - away
    return self._decide(value - NORM_ERROR_248, value + NORM_ERROR_248, 248)


@internal
@pure
def _density_wide(square: uint256) -> (uint256, int256):
    """
    @notice phi of the root of a square of q240, as a number of q248 and a power of two of at most 0.
    """
    mantissa: uint256 = 0
    k: int256 = 0
    mantissa, k = self._exp_parts_wide(square << 7, True)
    return self._mul_shift(mantissa, INV_SQRT_2PI_248, 248), k


# -- words ----------------------------------------------------------------------------------------------------


@internal
@pure
def _size(x: int256) -> uint256:
    """
    @notice |x|, also of the lowest number there is.
    """
    if x >= 0:
        return convert(x, uint256)
    return unsafe_add(~convert(convert(x, bytes32), uint256), 1)


@internal
@pure
def _top_bit(x: uint256) -> uint256:
    """
    @notice Place of the highest bit of x > 0.
    """
    bit: uint256 = 0
    rest: uint256 = x
    if rest >= 2**128:
        rest >>= 128
        bit = unsafe_add(bit, 128)
    if rest >= 2**64:
        rest >>= 64
        bit = unsafe_add(bit, 64)
    if rest >= 2**32:
        rest >>= 32
        bit = unsafe_add(bit, 32)
    if rest >= 2**16:
        rest >>= 16
        bit = unsafe_add(bit, 16)
    if rest >= 2**8:
        rest >>= 8
        bit = unsafe_add(bit, 8)
    if rest >= 2**4:
        rest >>= 4
        bit = unsafe_add(bit, 4)
    if rest >= 2**2:
        rest >>= 2
        bit = unsafe_add(bit, 2)
    if rest >= 2:
        bit = unsafe_add(bit, 1)
    return bit


@internal
@pure
def _fraction(size: uint256) -> uint256:
    """
    @notice A wad below 2**7 wads as a number of q248, rounded down: long division, 60 bits in the second step.
    """
    rest: uint256 = size % W
    high: uint256 = unsafe_div(rest << 188, W)
    low: uint256 = unsafe_div(((rest << 188) % W) << 60, W)
    return (unsafe_div(size, W) << 248) + (high << 60) + low


@internal
@pure
def _square_wide(size: uint256) -> uint256:
    """
    @notice Square of a wad of at most 10 wads as a number of q240, rounded down.
    """
    square: uint256 = size * size
    high: uint256 = unsafe_div(square << 120, SQUARE)
    low: uint256 = unsafe_div(((square << 120) % SQUARE) << 120, SQUARE)
    return (high << 120) + low


@internal
@pure
def _mul_shift(a: uint256, b: uint256, places: uint256) -> uint256:
    """
    @notice a * b >> places without losing the high half of the product; the result must fit, places > 0.
    """
    low: uint256 = unsafe_mul(a, b)
    folded: uint256 = uint256_mulmod(a, b, max_value(uint256))
    high: uint256 = unsafe_sub(folded, low)
    if folded < low:
        high = unsafe_sub(high, 1)
    if places >= 256:
        return high >> unsafe_sub(places, 256)
    return (high << unsafe_sub(256, places)) | (low >> places)


@internal
@pure
def _decide(low: uint256, high: uint256, places: int256) -> uint256:
    """
    @notice The floor of a number, times 1e18, of which two bounds are known; `places` bits of them are fractional.
    """
    found: uint256 = self._mul_shift(low, W, convert(places, uint256))
    if found != self._mul_shift(high, W, convert(places, uint256)):
        fail.because("fixedmath_undecided")
    return found
