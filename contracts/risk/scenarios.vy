# pragma version 0.4.3
"""
@title Scenarios of the PORTFOLIO margin
@license Apache-2.0
@notice What a parameter set is, its bounds, and the moves that its scenarios are made of.
@dev Shares and rates in 1e-18. Bounds are those of exchange/core/risk_models/soundness.py: under them the laws of the
     margin hold, whatever is held. A set is known by the hash of its encoding, its version.
@custom:kill Stateless; nothing to disable.
"""

W: constant(uint256) = 10**18
TEN: constant(uint256) = 10**19
MAX_SCENARIOS: constant(uint256) = 48
# Moves fill the lanes of eleven words.
MAX_MOVES: constant(uint256) = 44
MAX_KIND: constant(uint256) = 7
MAX_SET: constant(uint256) = 8

# How a scenario moves the surface; the last moves an option along its delta.
SAME: constant(uint256) = 0
UP: constant(uint256) = 1
DOWN: constant(uint256) = 2
SLOPE_UP: constant(uint256) = 3
SLOPE_DOWN: constant(uint256) = 4
WINGS_UP: constant(uint256) = 5
WINGS_DOWN: constant(uint256) = 6
TANGENT: constant(uint256) = 7

# `spot` multiplies forwards. In set 0 every expiry moves together; in any other each by itself, to the worst of the set.
struct Scenario:
    spot: uint256
    vol: uint256
    weight: uint256
    weight_yearly: uint256
    weight_max: uint256
    set: uint256
    short: uint256

# The names are those of exchange/core/parameters.py.
struct Surface:
    up: uint256
    down: uint256
    up_least: uint256
    power_short: uint256
    power_long: uint256
    floor_s: uint256
    slope_cap: uint256
    slope_yearly: int256
    wings_cap: uint256
    wings_yearly: int256
    width_least: uint256
    width: uint256
    deviation: uint256
    deviation_yearly: int256

struct Charges:
    mm_factor: uint256
    im_factor: uint256
    short_mm: uint256
    short_im: uint256
    conf_threshold: uint256
    conf_factor: uint256
    conf_on_longs: bool
    depeg_threshold: uint256
    depeg_factor: uint256

struct Model:
    scenarios: DynArray[Scenario, MAX_SCENARIOS]
    surface: Surface
    charges: Charges


@internal
@pure
def version(model: Model) -> bytes32:
    """
    @notice By which a set is known.
    """
    return keccak256(abi_encode(model))


@internal
@pure
def check(model: Model):
    """
    @notice Refuse a set under which a law of the margin need not hold.
    """
    assert len(model.scenarios) > 0, "parameter_range"
    for item: Scenario in model.scenarios:
        assert item.spot <= TEN and item.vol <= MAX_KIND and item.set <= MAX_SET, "parameter_range"
        assert item.weight <= item.weight_max and item.weight_max <= W, "parameter_range"
        if item.set == 0:
            assert item.weight_yearly == 0 and item.short <= W, "parameter_range"
        else:
            assert item.weight_yearly <= TEN and item.short == 0, "parameter_range"
    surface: Surface = model.surface
    assert surface.up <= TEN and surface.down <= W and surface.up_least <= TEN, "parameter_range"
    assert surface.power_short <= W and surface.power_long <= W, "parameter_range"
    assert surface.floor_s >= 60 and surface.floor_s <= 30 * 86_400, "parameter_range"
    one: int256 = convert(W, int256)
    assert surface.slope_cap <= W and surface.slope_yearly >= -one and surface.slope_yearly <= 0, "parameter_range"
    assert surface.wings_cap <= W and surface.wings_yearly >= -one and surface.wings_yearly <= 0, "parameter_range"
    assert surface.width_least >= W // 10_000 and surface.width_least <= W, "parameter_range"
    assert surface.width <= TEN and surface.deviation <= TEN, "parameter_range"
    assert surface.deviation_yearly >= -one and surface.deviation_yearly <= one, "parameter_range"
    charges: Charges = model.charges
    assert charges.mm_factor <= W, "parameter_range"
    assert charges.im_factor >= charges.mm_factor and charges.im_factor <= TEN, "parameter_range"
    assert charges.short_mm <= W and charges.short_im <= W and charges.conf_threshold <= W, "parameter_range"
    assert charges.conf_factor <= TEN and charges.depeg_threshold <= TEN, "parameter_range"
    assert charges.depeg_factor <= TEN, "parameter_range"


@internal
@pure
def moves(model: Model) -> DynArray[uint256, MAX_MOVES]:
    """
    @notice The different moves of a set, spot << 8 | vol: none at all, those of single expiries, then the rest, in the
            order of first use. More than there are lanes are refused.
    """
    found: DynArray[uint256, MAX_MOVES] = [W << 8]
    for single: bool in [True, False]:
        for item: Scenario in model.scenarios:
            if single and item.set == 0:
                continue
            move: uint256 = (item.spot << 8) | item.vol
            if move not in found:
                assert len(found) < MAX_MOVES, "parameter_range"
                found.append(move)
    return found
