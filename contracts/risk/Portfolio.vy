# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title Portfolio
@license Apache-2.0
@notice The PORTFOLIO requirement: the worst scenario of what an account holds, from risk arrays.
@dev Arrays are shown once in a transaction and kept in transient storage, so that whoever asks for a margin within it
     (Clearing, for each account of a batch) finds them; they are those of the round's signed root, or those that
     RiskArrays computed. So an answer follows from positions and round, and from nobody's choice: without the arrays
     there is none. What options are worth counts towards what they need, never beyond: nobody borrows against them.
     Prices in 1e-6 USDC, quantities in 1e-4 contract, rates in 1e-18. Written a second time, independently, in
     exchange/core/risk_models; the two agree to the unit. A parameter set is a deployment.
     Bounds: prices and cells below 2**63, quantities of an underlying below 2**63 in sum; then every lane of two cells
     holds its sum, and every product stays below 2**250.
@custom:kill Read only apart from what lives for a transaction; nothing to disable.
"""

from lib import fail
from lib import lanes
from lib import multiproof
from risk import payoff
from risk import scenarios

MAX_HASH_BYTES: constant(uint256) = 32 * 64
MAX_HASHES: constant(uint256) = 64
MAX_ARRAYS: constant(uint256) = 128
LEAF_WORDS: constant(uint256) = 12
LANES: constant(uint256) = 44
SUMS: constant(uint256) = 22
LEAF_BYTES: constant(uint256) = 32 * LEAF_WORDS
# Three words for each group of series, and one for each expiry.
MAX_WORDS: constant(uint256) = 448
MAX_LEGS: constant(uint256) = 256
MAX_GROUPS: constant(uint256) = 64
MAX_EXPIRIES: constant(uint256) = 64
W: constant(uint256) = 10**18
LOTS: constant(uint256) = 10**4
LIMIT: constant(uint256) = 2**63
MASK_8: constant(uint256) = 2**8 - 1
MASK_32: constant(uint256) = 2**32 - 1
MASK_63: constant(uint256) = 2**63 - 1
MASK_64: constant(uint256) = 2**64 - 1
MASK_128: constant(uint256) = 2**128 - 1
# Lanes 0 and 2 of a word, each with the room of two.
EVEN: constant(uint256) = 2**192 - 2**128 + 2**64 - 1
BIAS: constant(uint256) = 2**255 + 2**127
YEAR: constant(uint256) = 365 * 86_400

interface RiskArrays:
    def VERSION() -> bytes32: view
    def committed(
        round_id: uint256, hashes: Bytes[MAX_HASH_BYTES + 64], commitment: Commitment
    ) -> (uint256, bytes32, bool): view
    def leaf_of(record: bytes32, series: uint256) -> bytes32: view

# See RiskArrays.
struct Commitment:
    root: bytes32
    size: uint256
    vols: bytes32
    heads: bytes32

# What is held of one underlying. Sums of quantity times cell, two to a word; the rest in 1e-4 contract. `thin` is in
# rate times quantity, `alone` the losses of expiries moved by themselves, by set.
struct Held:
    underlying: uint256
    spot: uint256
    sums: uint256[SUMS]
    naked: uint256
    owned: uint256
    gross: uint256
    thin: uint256
    alone: uint256[9]

ARRAYS: public(immutable(address))
CHARGES: immutable(scenarios.Charges)
# Scenarios that move everything: short u64 | weight u64 | lane u8. Those of single expiries: weight u64 | weight_yearly u64 |
# weight_max u64 | set u8 | lane u8.
JOINT: immutable(DynArray[uint256, scenarios.MAX_SCENARIOS])
SINGLE: immutable(DynArray[uint256, scenarios.MAX_SCENARIOS])
CELLS: immutable(uint256)

# For the length of a transaction: the round that is shown, time above 128 bits of stable price; how often one was; and,
# with that number, the prices of its expiries and where the array of a series is kept, from 1; and the arrays.
_round: transient(uint256)
_turn: transient(uint256)
_prices: transient(HashMap[uint256, uint256])
_places: transient(HashMap[uint256, uint256])
_leaves: transient(uint256[LEAF_WORDS][MAX_ARRAYS])


@deploy
def __init__(arrays: address, model: scenarios.Model):
    """
    @param arrays Of the same parameters.
    @param model Parameters of the PORTFOLIO margin.
    """
    scenarios.check(model)
    if staticcall RiskArrays(arrays).VERSION() != scenarios.version(model):
        fail.because("parameter_range")
    ARRAYS = arrays
    CHARGES = model.charges
    moves: DynArray[uint256, scenarios.MAX_MOVES] = scenarios.moves(model)
    CELLS = len(moves)
    joint: DynArray[uint256, scenarios.MAX_SCENARIOS] = []
    single: DynArray[uint256, scenarios.MAX_SCENARIOS] = []
    for item: scenarios.Scenario in model.scenarios:
        lane: uint256 = 0
        for move: uint256 in moves:
            if move == (item.spot << 8) | item.vol:
                break
            lane += 1
        if item.set == 0:
            joint.append((item.short << 72) | (item.weight << 8) | lane)
        else:
            weights: uint256 = (item.weight << 144) | (item.weight_yearly << 80) | (item.weight_max << 16)
            single.append(weights | (item.set << 8) | lane)
    JOINT = joint
    SINGLE = single


# -- showing arrays ----------------------------------------------------------------------------------------------------


@external
@raw_return
def __default__() -> Bytes[32]:
    """
    @notice Pass a call on, with arrays shown for as long as it lasts. Anyone may call; to the target the caller is this
            contract, which is nobody, and what it asks here is answered from what the round says.
    @dev The call is what its target reads, which is told by its selector alone, so words may follow it: target, round id,
         root, size, hash of vols; then five lists, each after its length: hashes of the round; heads, one for each expiry
         (expiry_id u32 | 0 u32 | index u64 | confidence u64 | 0); leaves of twelve words, in ascending series; their places
         under the root, or none if RiskArrays computed them; the proof as `multiproof` reads it. The last word of all is
         how many bytes these are with it.
    """
    if self._round != 0:
        fail.because("arrays_shown")
    at: uint256 = len(msg.data) - self._word(len(msg.data) - 32)
    target: address = convert(self._word(at) & (2**160 - 1), address)
    round_id: uint256 = self._word(at + 32)
    commitment: Commitment = Commitment(
        root=convert(self._word(at + 64), bytes32),
        size=self._word(at + 96),
        vols=convert(self._word(at + 128), bytes32),
        heads=empty(bytes32),
    )
    at += 160
    hashes: DynArray[bytes32, MAX_HASHES] = []
    for _: uint256 in range(self._word(at), bound=MAX_HASHES):
        at += 32
        hashes.append(convert(self._word(at), bytes32))
    at += 32
    turn: uint256 = (self._turn + 1) << 64
    self._turn = turn >> 64
    heads: DynArray[bytes32, MAX_HASHES] = []
    for _: uint256 in range(self._word(at), bound=MAX_HASHES):
        at += 32
        head: uint256 = self._word(at)
        heads.append(convert(head, bytes32))
        self._prices[turn | (head >> 224)] = head
    at += 32
    commitment.heads = keccak256(self._joined(heads))
    round: uint256 = 0
    record: bytes32 = empty(bytes32)
    is_void: bool = False
    round, record, is_void = staticcall RiskArrays(ARRAYS).committed(round_id, self._joined(hashes), commitment)
    self._round = round
    count: uint256 = self._word(at)
    indexes_at: uint256 = at + 32 + count * LEAF_BYTES
    is_proven: bool = self._word(indexes_at) != 0
    leaves: DynArray[bytes32, multiproof.MAX_LEAVES] = []
    indexes: DynArray[uint256, multiproof.MAX_LEAVES] = []
    last: uint256 = 0
    at += 32
    for place: uint256 in range(count, bound=multiproof.MAX_LEAVES):
        leaf: Bytes[LEAF_BYTES] = slice(msg.data, at, LEAF_BYTES)
        at = unsafe_add(at, LEAF_BYTES)
        words: uint256[LEAF_WORDS] = abi_decode(leaf, uint256[LEAF_WORDS])
        series: uint256 = (words[0] >> 128) & MASK_64
        if words[0] >> 192 != round_id or (words[0] >> 64) & MASK_64 != CELLS or series <= last:
            fail.because("arrays_format")
        last = series
        self._leaves[place] = words
        self._places[turn | series] = unsafe_add(place, 1)
        hashed: bytes32 = sha256(concat(b"\x00", leaf))
        if is_proven:
            leaves.append(hashed)
            indexes.append(self._word(indexes_at + 32 + 32 * place))
        elif staticcall RiskArrays(ARRAYS).leaf_of(record, series) != hashed:
            fail.because("arrays_unknown")
    if is_proven:
        if is_void:
            fail.because("commitment_void")
        at = indexes_at + 32 + 32 * count
        proof: DynArray[bytes32, multiproof.MAX_PROOF] = []
        for _: uint256 in range(self._word(at), bound=multiproof.MAX_PROOF):
            at += 32
            proof.append(convert(self._word(at), bytes32))
        if multiproof.root_of(leaves, indexes, commitment.size, proof) != commitment.root:
            fail.because("proof_wrong")
    answer: Bytes[32] = raw_call(target, msg.data, max_outsize=32)
    # Another call of this transaction shows its own.
    self._round = 0
    return answer


@internal
@view
def _word(at: uint256) -> uint256:
    """
    @notice A word of what was sent.
    """
    return extract32(slice(msg.data, at, 32), 0, output_type=uint256)


@internal
@pure
def _joined(words: DynArray[bytes32, MAX_HASHES]) -> Bytes[MAX_HASH_BYTES + 64]:
    encoded: Bytes[MAX_HASH_BYTES + 64] = abi_encode(words)
    return slice(encoded, 64, 32 * len(words))


# -- the requirement ---------------------------------------------------------------------------------------------------


@external
@view
def of_positions(words: DynArray[uint256, MAX_WORDS], round: uint256, initial: bool) -> uint256:
    """
    @notice What cash must not fall below, in 1e-6 USDC, rounded up: the requirement less what options are worth, or
            nothing. Refuses a round and series whose arrays have not been shown in this transaction.
    @param words Of each expiry: expiry_id u32 << 224 | underlying u32 << 192 | time u64 << 128 | groups, in ascending
           underlying; then of each of its groups: number of the first series, positions, strikes.
    @param round Time in seconds above 128 bits of stable price in 1e-18.
    """
    if round != self._round or round == 0:
        fail.because("arrays_missing")
    turn: uint256 = self._turn << 64
    needed: uint256 = 0
    worth: int256 = 0
    part: uint256 = 0
    value: int256 = 0
    held: Held = empty(Held)
    strikes: DynArray[uint256, MAX_LEGS] = []
    nets: DynArray[int256, MAX_LEGS] = []
    at: uint256 = 0
    for _expiry: uint256 in range(MAX_EXPIRIES):
        if at >= len(words):
            break
        head: uint256 = words[at]
        prices: uint256 = self._prices[turn | (head >> 224)]
        if prices == 0:
            fail.because("arrays_missing")
        if (head >> 192) & MASK_32 != held.underlying:
            if at != 0:
                part, value = self._needed(held, round & MASK_128, initial)
                needed += part
                worth += value
            held = empty(Held)
            held.underlying = (head >> 192) & MASK_32
        held.spot = (prices >> 128) & MASK_64
        at += 1
        sums: uint256[SUMS] = empty(uint256[SUMS])
        shorts: uint256 = 0
        owned: uint256 = 0
        strikes = []
        nets = []
        for _group: uint256 in range(head & MASK_64, bound=MAX_GROUPS):
            series: uint256 = words[at]
            positions: uint256 = words[at + 1]
            terms: uint256 = words[at + 2]
            at += 3
            for _lane: uint256 in range(4):
                if positions == 0:
                    break
                if positions & MASK_64 != 0:
                    quantity: int256 = lanes.signed(positions)
                    factor: uint256 = convert(convert(quantity, bytes32), uint256)
                    place: uint256 = self._places[turn | series]
                    if place == 0:
                        fail.because("arrays_missing")
                    row: uint256[LEAF_WORDS] = self._leaves[unsafe_sub(place, 1)]
                    sums[0] = unsafe_add(sums[0], unsafe_mul(factor, row[1] & EVEN))
                    sums[1] = unsafe_add(sums[1], unsafe_mul(factor, (row[1] >> 64) & EVEN))
                    sums[2] = unsafe_add(sums[2], unsafe_mul(factor, row[2] & EVEN))
                    sums[3] = unsafe_add(sums[3], unsafe_mul(factor, (row[2] >> 64) & EVEN))
                    sums[4] = unsafe_add(sums[4], unsafe_mul(factor, row[3] & EVEN))
                    sums[5] = unsafe_add(sums[5], unsafe_mul(factor, (row[3] >> 64) & EVEN))
                    sums[6] = unsafe_add(sums[6], unsafe_mul(factor, row[4] & EVEN))
                    sums[7] = unsafe_add(sums[7], unsafe_mul(factor, (row[4] >> 64) & EVEN))
                    sums[8] = unsafe_add(sums[8], unsafe_mul(factor, row[5] & EVEN))
                    sums[9] = unsafe_add(sums[9], unsafe_mul(factor, (row[5] >> 64) & EVEN))
                    sums[10] = unsafe_add(sums[10], unsafe_mul(factor, row[6] & EVEN))
                    sums[11] = unsafe_add(sums[11], unsafe_mul(factor, (row[6] >> 64) & EVEN))
                    sums[12] = unsafe_add(sums[12], unsafe_mul(factor, row[7] & EVEN))
                    sums[13] = unsafe_add(sums[13], unsafe_mul(factor, (row[7] >> 64) & EVEN))
                    sums[14] = unsafe_add(sums[14], unsafe_mul(factor, row[8] & EVEN))
                    sums[15] = unsafe_add(sums[15], unsafe_mul(factor, (row[8] >> 64) & EVEN))
                    sums[16] = unsafe_add(sums[16], unsafe_mul(factor, row[9] & EVEN))
                    sums[17] = unsafe_add(sums[17], unsafe_mul(factor, (row[9] >> 64) & EVEN))
                    sums[18] = unsafe_add(sums[18], unsafe_mul(factor, row[10] & EVEN))
                    sums[19] = unsafe_add(sums[19], unsafe_mul(factor, (row[10] >> 64) & EVEN))
                    sums[20] = unsafe_add(sums[20], unsafe_mul(factor, row[11] & EVEN))
                    sums[21] = unsafe_add(sums[21], unsafe_mul(factor, (row[11] >> 64) & EVEN))
                    if quantity < 0:
                        shorts += convert(-quantity, uint256)
                    else:
                        owned += convert(quantity, uint256)
                    # Series are listed in ascending strike, so this seldom moves anything.
                    strike: uint256 = terms & MASK_63
                    spot_at: uint256 = len(strikes)
                    for _: uint256 in range(MAX_LEGS):
                        if spot_at == 0 or strikes[spot_at - 1] <= strike:
                            break
                        spot_at -= 1
                    if spot_at != 0 and strikes[spot_at - 1] == strike:
                        nets[spot_at - 1] += quantity
                    else:
                        strikes.append(strike)
                        nets.append(quantity)
                        moved: uint256 = len(strikes) - 1
                        for _: uint256 in range(MAX_LEGS):
                            if moved == spot_at:
                                break
                            strikes[moved] = strikes[moved - 1]
                            nets[moved] = nets[moved - 1]
                            moved -= 1
                        strikes[spot_at] = strike
                        nets[spot_at] = quantity
                series = unsafe_add(series, 1)
                positions >>= 64
                terms >>= 64
        for net: int256 in nets:
            if net < 0:
                held.naked += convert(-net, uint256)
        held.owned += owned
        held.gross += shorts + owned
        if held.gross >= LIMIT:
            fail.because("quantity_range")
        conf: uint256 = (prices >> 64) & MASK_64
        if initial and conf < CHARGES.conf_threshold:
            rate: uint256 = ((W - conf) * CHARGES.conf_factor + W - 1) // W
            held.thin += rate * (shorts + owned if CHARGES.conf_on_longs else shorts)
        for sum: uint256 in range(SUMS):
            held.sums[sum] = unsafe_add(held.sums[sum], sums[sum])
        time: uint256 = (head >> 128) & MASK_64
        alone: uint256[9] = self._alone(sums, (max(time, round >> 128) - (round >> 128)) * W // YEAR)
        for set: uint256 in range(1, 9):
            held.alone[set] += alone[set]
    part, value = self._needed(held, round & MASK_128, initial)
    needed += part
    worth += value
    needed = (needed + W * LOTS - 1) // (W * LOTS)
    return convert(max(convert(needed, int256) - payoff.floor_cash(worth), 0), uint256)


@internal
@pure
def _lanes(sums: uint256[SUMS]) -> int256[LANES]:
    """
    @notice Sums of quantity times cell, one by one: the first and third of four are in one word, the others in the next.
    @dev Each is below 2**127 in size; added to that it is positive, and can be read by itself.
    """
    found: int256[LANES] = empty(int256[LANES])
    at: uint256 = 0
    for word: uint256 in sums:
        biased: uint256 = unsafe_add(word, BIAS)
        found[at] = unsafe_sub(convert(biased & MASK_128, int256), 2**127)
        found[unsafe_add(at, 2)] = unsafe_sub(convert(biased >> 128, int256), 2**127)
        # 0, 1, 4, 5, 8 and so on
        at = unsafe_add(at, 1)
        if at & 2 != 0:
            at = unsafe_add(at, 2)
    return found


@internal
@view
def _alone(sums: uint256[SUMS], years: uint256) -> uint256[9]:
    """
    @notice For each set of scenarios that move expiries by themselves the worst loss of one, in 1e-28 USDC.
    """
    found: uint256[9] = empty(uint256[9])
    values: int256[LANES] = self._lanes(sums)
    for word: uint256 in SINGLE:
        gain: int256 = unsafe_sub(values[word & MASK_8], values[0])
        if gain < 0:
            weight: uint256 = unsafe_div(unsafe_mul((word >> 80) & MASK_64, years), W)
            weight = min(unsafe_add(weight, word >> 144), (word >> 16) & MASK_64)
            loss: uint256 = unsafe_mul(convert(unsafe_sub(0, gain), uint256), weight)
            if loss > found[(word >> 8) & MASK_8]:
                found[(word >> 8) & MASK_8] = loss
    return found


@internal
@view
def _needed(held: Held, stable: uint256, initial: bool) -> (uint256, int256):
    """
    @notice The worst scenario of an underlying, scaled and rounded up, and what is added to it, in 1e-28 USDC; and what its
            options are worth in 1e-10 USDC, a unit of price less for each that is owned.
    """
    values: int256[LANES] = self._lanes(held.sums)
    naked: int256 = convert(held.spot * held.naked, int256)
    most: int256 = 0
    for word: uint256 in JOINT:
        # A price and a quantity below 2**127, shares of at most 1e18: less than 2**189.
        gain: int256 = unsafe_mul(unsafe_sub(values[word & MASK_8], values[0]), convert((word >> 8) & MASK_64, int256))
        most = max(most, unsafe_sub(unsafe_mul(convert(word >> 72, int256), naked), gain))
    worst: uint256 = convert(most, uint256)
    for loss: uint256 in held.alone:
        worst = max(worst, loss)
    worth: int256 = values[0] - convert(held.owned, int256)
    if not initial:
        return (worst * CHARGES.mm_factor + W - 1) // W + CHARGES.short_mm * convert(naked, uint256), worth
    factor: uint256 = CHARGES.im_factor
    if stable < CHARGES.depeg_threshold:
        factor += ((CHARGES.depeg_threshold - stable) * CHARGES.depeg_factor + W - 1) // W
    added: uint256 = (CHARGES.short_mm + CHARGES.short_im) * convert(naked, uint256)
    return (worst * factor + W - 1) // W + added + held.thin * held.spot, worth
