# pragma version 0.4.3
"""
@title Portfolio
@license Apache-2.0
@notice Cash and positions of every account, their margin, and their settlement at expiry.
@dev Cash in 1e-6 USDC, signed. Positions are signed 64-bit lanes in 1e-4 contract, four series to a slot;
     bitmaps name the slots in use, so that a margin check cannot leave one out.
@custom:kill None: settlement at expiry is open to anyone and cannot be stopped.
"""

from core import accounts
from core import actions
from core import listings
from lib import lanes
from lib import refusals
from risk import payoff
from risk import standard

uses: accounts
uses: actions
uses: listings
uses: standard

MAX_SHEET_BYTES: constant(uint256) = 32 * 512
MAX_SHEETS: constant(uint256) = 64
MAX_GROUPS: constant(uint256) = 64
MASK_32: constant(uint256) = 2**32 - 1
MASK_64: constant(uint256) = 2**64 - 1
MASK_128: constant(uint256) = 2**128 - 1
LOTS: constant(uint256) = 10**4
LIVE: constant(int256) = 2**128 - 1

# Asked of this very contract, which has the answer from Office: few accounts have claims.
interface Claims:
    def claims_of(account: uint256, live: uint256, time: uint256) -> int256: view

interface Margin:
    def of_expiry(
        words: DynArray[uint256, 3 * MAX_GROUPS], prices: uint256, stable: uint256, initial: bool
    ) -> uint256: view

# The same: few accounts have chosen PORTFOLIO, and fewer need it.
interface Models:
    def under_portfolio(account: uint256, live: uint256, base: int256, initial: bool, round: uint256) -> int256: view

event ExpirySettled:
    action_id: uint64
    expiry_id: indexed(uint16)
    account: indexed(uint32)
    cash_delta: int256

MARGIN: public(immutable(address))
PORTFOLIO: public(immutable(address))

# account -> cash i128 | bits of expiry_id % 128 in which it holds positions. Cash sits on top, so that adding
# (amount << 128) moves it and nothing else.
ledger: HashMap[uint256, int256]

# (account << 16 | expiry_id) -> bits of the groups in which it holds positions
groups: HashMap[uint256, uint256]

# (account << 32 | series) >> 2 -> four lanes
positions: HashMap[uint256, uint256]

# Payoff of settled accounts below one unit of cash, by expiry, in 1e-10 USDC.
dust: HashMap[uint256, uint256]


@deploy
def __init__(margin: address, of_portfolios: address):
    """
    @param margin Has the STANDARD requirement.
    @param of_portfolios Has the PORTFOLIO requirement.
    """
    MARGIN = margin
    PORTFOLIO = of_portfolios


@internal
@view
def cash(account: uint256) -> int256:
    """
    @notice Cash of an account in 1e-6 USDC.
    """
    return self.ledger[account] >> 128


@internal
@view
def live(account: uint256) -> uint256:
    """
    @notice Bits of expiry_id % 128 in which the account holds positions.
    """
    return convert(self.ledger[account] & LIVE, uint256)


@internal
@view
def position_of(key: uint256) -> int256:
    """
    @notice One position in 1e-4 contract; `key` is account << 32 | series.
    """
    return lanes.signed(self.positions[key >> 2] >> ((key & 3) << 6))


@internal
def add_cash(account: uint256, amount: int256):
    """
    @notice Move cash; leaving the range of 128 bits overflows and reverts.
    """
    self.ledger[account] += amount * 2**128


@internal
def store(slot: uint256, before: uint256, word: uint256):
    """
    @notice Write a position slot that holds `before`, and keep the bitmaps true.
    """
    if before == word:
        return
    self.positions[slot] = word
    if before != 0 and word != 0:
        return
    account: uint256 = slot >> 30
    expiry_id: uint256 = (slot >> 14) & (2**16 - 1)
    key: uint256 = (account << 16) | expiry_id
    held: uint256 = self.groups[key]
    now_held: uint256 = held ^ (1 << (slot & (2**14 - 1)))
    self.groups[key] = now_held
    if held == 0 or now_held == 0:
        self.ledger[account] ^= convert(1 << (expiry_id & 127), int256)
        listings.change_holders(expiry_id, held == 0)


@internal
def shift_lane(key: uint256, delta: int256):
    """
    @notice Move one position; `key` is account << 32 | series.
    """
    before: uint256 = self.positions[key >> 2]
    self.store(key >> 2, before, lanes.add(before, key & 3, delta))


@internal
def shift_legs(account: uint256, legs: uint256, units: int256):
    """
    @notice Move the positions in all legs of a combo, see `orders`.
    @param units Less than 2**48 in size.
    """
    rest: uint256 = legs
    last: uint256 = 0
    for _: uint256 in range(4):
        if rest == 0:
            break
        series: uint256 = (rest & MASK_64) >> 16
        # Nothing twice, nothing between the lanes, nothing above a series: a combo has one spelling.
        if series <= last or series > MASK_32:
            refusals.because(refusals.COMBO_LEGS)
        last = series
        listings.check_tradable(series >> 16)
        if (listings.strikes[series >> 2] >> ((series & 3) << 6)) & MASK_64 == 0:
            refusals.because(refusals.SERIES_UNKNOWN)
        ratio: int256 = convert(convert(rest << 240, bytes32), int256) >> 240
        self.shift_lane((account << 32) | series, units * ratio)
        rest >>= 64


@internal
@view
def margin_of(
    account: uint256,
    ledger: int256,
    exact: bool,
    enough: int256,
    initial: bool,
    round: uint256,
    sheets: Bytes[MAX_SHEET_BYTES],
) -> int256:
    """
    @notice Cash and claims less the requirement, in 1e-6 USDC: by STANDARD, or for an account under PORTFOLIO by whichever
            leaves more.
    @param ledger The account's word in `ledger`.
    @param exact False for a lower bound of the margin, at half the price: positions do not offset each other.
    @param enough Of the exact margin: PORTFOLIO is not asked where STANDARD leaves that much.
    @param round Time in seconds above 128 bits of stable price in 1e-18.
    @param sheets Checked sheets; one for each expiry in which the account holds positions, unless it is a claim:
           fixed, and not after the round. When it was fixed does not matter, so nobody can turn a risk of the
           round into a claim by being quick.
    """
    live: uint256 = convert(ledger & LIVE, uint256)
    scaled: uint256 = 0
    offset: uint256 = 0
    for _: uint256 in range(MAX_SHEETS):
        if live == 0 or offset == len(sheets):
            break
        head: uint256 = extract32(sheets, offset, output_type=uint256)
        expiry_id: uint256 = head >> 224
        listed: uint256 = (head >> 160) & MASK_32
        if live & (1 << (expiry_id & 127)) != 0 and not listings.is_claim(expiry_id, round >> 128):
            held: uint256 = self.groups[(account << 16) | expiry_id]
            # The bit may belong to another expiry, 128 listings away.
            if held != 0:
                live ^= 1 << (expiry_id & 127)
                if held >> listed != 0:
                    refusals.because(refusals.SHEET_MISSING)
                prices: uint256 = extract32(sheets, offset + 32, output_type=uint256)
                shorts: uint256 = 0
                words: DynArray[uint256, 3 * MAX_GROUPS] = []
                series: uint256 = expiry_id << 14
                at: uint256 = offset + 64
                for _group: uint256 in range(MAX_GROUPS):
                    if held == 0:
                        break
                    if held & 1 != 0:
                        position: uint256 = self.positions[(account << 30) | series]
                        marks: uint256 = extract32(sheets, at, output_type=uint256)
                        if exact:
                            words.append(position)
                            words.append(listings.strikes[series])
                            words.append(marks)
                        else:
                            isolated: uint256 = 0
                            sold: uint256 = 0
                            isolated, sold = standard.isolated(
                                position, listings.strikes[series], marks, prices >> 192, initial
                            )
                            scaled = unsafe_add(scaled, isolated)
                            shorts = unsafe_add(shorts, sold)
                    held >>= 1
                    series = unsafe_add(series, 1)
                    at = unsafe_add(at, 32)
                if exact:
                    scaled += staticcall Margin(MARGIN).of_expiry(words, prices, round & MASK_128, initial)
                elif initial:
                    scaled += standard.contingency(shorts, prices >> 192, (prices >> 64) & MASK_64, round & MASK_128)
        offset = unsafe_add(offset, unsafe_add(64, listed << 5))
    claims: int256 = 0
    if live != 0:
        claims = staticcall Claims(self).claims_of(account, live, round >> 128)
    base: int256 = (ledger >> 128) + claims
    margin: int256 = base - convert(standard.to_cash(scaled), int256)
    if exact and margin < enough and accounts.words[account] & accounts.HAS_CHOSEN != 0:
        own: uint256 = convert(ledger & LIVE, uint256)
        margin = max(margin, staticcall Models(self).under_portfolio(account, own, base, initial, round))
    return margin


@internal
@view
def _payoff(account: uint256, expiry_id: uint256, price: uint256) -> int256:
    """
    @notice Settlement value of an account's positions in an expiry, in 1e-10 USDC.
    """
    total: int256 = 0
    held: uint256 = self.groups[(account << 16) | expiry_id]
    series: uint256 = expiry_id << 14
    for _: uint256 in range(MAX_GROUPS):
        if held == 0:
            break
        if held & 1 != 0:
            total += payoff.of_group(
                self.positions[(account << 30) | series], listings.strikes[series], price
            )
        held >>= 1
        series += 1
    return total


@internal
def settle_account(account: uint256, expiry_id: uint256, price: uint256) -> uint256:
    """
    @notice Turn an account's positions in a fixed expiry into cash.
    @return What rounding left over, in 1e-10 USDC.
    """
    held: uint256 = self.groups[(account << 16) | expiry_id]
    if held == 0:
        return 0
    value: int256 = self._payoff(account, expiry_id, price)
    delta: int256 = payoff.floor_cash(value)
    self.add_cash(account, delta)
    slot: uint256 = (account << 30) | (expiry_id << 14)
    for group: uint256 in range(MAX_GROUPS):
        if (held >> group) & 1 != 0:
            self.store(slot + group, self.positions[slot + group], 0)
    log ExpirySettled(
        action_id=actions.next(),
        expiry_id=convert(expiry_id, uint16),
        account=convert(account, uint32),
        cash_delta=delta,
    )
    return convert(value - delta * convert(LOTS, int256), uint256)


@internal
def collect_dust(expiry_id: uint256, amount: uint256):
    """
    @notice Keep what rounding left over; whole units go to the treasury, so that cash is conserved.
    """
    total: uint256 = self.dust[expiry_id] + amount
    self.dust[expiry_id] = total % LOTS
    self.add_cash(0, convert(total // LOTS, int256))


@external
@view
def claims_of(account: uint256, live: uint256, time: uint256) -> int256:
    """
    @notice What an account's expiries will pay, each rounded down; refuses one that is no claim at a time.
    @param live Bits of expiry_id % 128.
    @param time Of the round, in seconds.
    """
    total: int256 = 0
    left: uint256 = live
    for bit: uint256 in range(128):
        if left == 0:
            break
        if left & 1 != 0:
            expiry_id: uint256 = listings.at_bit(bit)
            if not listings.is_claim(expiry_id, time):
                refusals.because(refusals.SHEET_MISSING)
            total += payoff.floor_cash(self._payoff(account, expiry_id, listings.fixing(expiry_id)))
        left >>= 1
    return total


@external
@view
def cash_of(account: uint256) -> int256:
    """
    @notice Cash of an account in 1e-6 USDC; account 0 is the treasury.
    """
    return self.cash(account)


@external
@view
def dust_of(expiry_id: uint256) -> uint256:
    """
    @notice Payoff of settled accounts below one unit of cash, in 1e-10 USDC.
    """
    return self.dust[expiry_id]


@external
@view
def positions_of(account: uint256, expiry_id: uint256) -> (uint256, DynArray[uint256, MAX_GROUPS]):
    """
    @notice Bitmap of the groups held, and their position words in ascending group.
    """
    held: uint256 = self.groups[(account << 16) | expiry_id]
    words: DynArray[uint256, MAX_GROUPS] = []
    for group: uint256 in range(MAX_GROUPS):
        if (held >> group) & 1 != 0:
            words.append(self.positions[(account << 30) | (expiry_id << 14) | group])
    return held, words
