# pragma version 0.4.3
"""
@title Models
@license Apache-2.0
@notice Which margin an account is under: STANDARD, or the better of STANDARD and PORTFOLIO.
@dev The choice is the owner's and binds one settlement window later, so that fills acknowledged under the model before it
     settle first. STANDARD's answer always counts too: whoever may leave a model at any time gains nothing by the better of
     both, and nearly every check is answered without arrays. PORTFOLIO is computed by another contract from arrays that whoever
     calls has shown; where they would matter and are missing there is no answer, so it never depends on who asks.
@custom:kill None: an account may go back to STANDARD whatever has stopped, and needs no arrays to.
"""

from core import accounts
from core import actions
from core import listings
from core import portfolio
from lib import fail

uses: accounts
uses: actions
uses: listings
uses: portfolio

STANDARD: constant(uint256) = 0
PORTFOLIO: constant(uint256) = 1
MASK_32: constant(uint256) = 2**32 - 1
MASK_64: constant(uint256) = 2**64 - 1
MAX_GROUPS: constant(uint256) = 64
# Words of four series that PORTFOLIO is asked for; an account that holds more is under STANDARD alone, so that no choice of
# positions makes a check, or a liquidation, cost more than a transaction has.
MAX_HELD: constant(uint256) = 32
MAX_WORDS: constant(uint256) = 4 * MAX_HELD

interface Portfolio:
    def of_positions(words: DynArray[uint256, MAX_WORDS], round: uint256, initial: bool) -> uint256: view

# 0 STANDARD, 1 PORTFOLIO; `before` counts until `model` binds.
event ModelChosen:
    action_id: uint64
    account: indexed(uint32)
    before: uint8
    model: uint8
    effective: uint64

# account -> time from which the newest choice binds << 2 | that choice << 1 | the choice before it
choices: HashMap[uint256, uint256]


@internal
@view
def is_portfolio(account: uint256) -> bool:
    """
    @notice Whether PORTFOLIO counts for an account now.
    """
    word: uint256 = self.choices[account]
    if word == 0:
        return False
    if actions.binds(word >> 2):
        return word & 2 != 0
    return word & 1 != 0


@external
def choose_model(account: uint32, model: uint8):
    """
    @notice Choose a margin model: 0 STANDARD, 1 PORTFOLIO, from the binding time on. What was chosen before and does not
            bind yet is dropped. Only the owner.
    """
    accounts.check_owner(account)
    if convert(model, uint256) > PORTFOLIO:
        fail.because("parameter_range")
    number: uint256 = convert(account, uint256)
    effective: uint256 = actions.binding_time()
    before: uint256 = PORTFOLIO if self.is_portfolio(number) else STANDARD
    self.choices[number] = (effective << 2) | (convert(model, uint256) << 1) | before
    accounts.words[number] |= accounts.HAS_CHOSEN
    log ModelChosen(
        action_id=actions.next(),
        account=account,
        before=convert(before, uint8),
        model=model,
        effective=convert(effective, uint64),
    )


@external
@view
def margin_model(account: uint256) -> (uint256, uint256, uint256):
    """
    @notice The model that counts for an account now, the one chosen last, and the time from which that binds (0: never
            chosen).
    """
    word: uint256 = self.choices[account]
    return PORTFOLIO if self.is_portfolio(account) else STANDARD, (word >> 1) & 1, word >> 2


@external
@view
def under_portfolio(account: uint256, live: uint256, base: int256, initial: bool, round: uint256) -> int256:
    """
    @notice Margin by PORTFOLIO, in 1e-6 USDC; the least there is for an account that PORTFOLIO does not count for.
    @param live Bits of expiry_id % 128.
    @param base Cash and claims.
    @param round Time in seconds above 128 bits of stable price in 1e-18.
    """
    if not self.is_portfolio(account):
        return min_value(int256)
    # Ascending in underlying: underlying u32 << 16 | expiry_id.
    places: DynArray[uint256, MAX_HELD] = []
    slots: uint256 = 0
    left: uint256 = live
    for bit: uint256 in range(128):
        if left == 0:
            break
        if left & 1 != 0:
            expiry_id: uint256 = listings.at_bit(bit)
            if not listings.is_claim(expiry_id, round >> 128):
                held: uint256 = portfolio.groups[(account << 16) | expiry_id]
                for _: uint256 in range(MAX_GROUPS):
                    if held == 0:
                        break
                    held &= unsafe_sub(held, 1)
                    slots += 1
                if slots > MAX_HELD:
                    return min_value(int256)
                place: uint256 = (((listings.expiries[expiry_id] >> 64) & MASK_32) << 16) | expiry_id
                at: uint256 = len(places)
                places.append(place)
                for _: uint256 in range(MAX_HELD):
                    if at == 0 or places[at - 1] < place:
                        break
                    places[at] = places[at - 1]
                    at -= 1
                places[at] = place
        left >>= 1
    words: DynArray[uint256, MAX_WORDS] = []
    for place: uint256 in places:
        expiry_id: uint256 = place & (2**16 - 1)
        held: uint256 = portfolio.groups[(account << 16) | expiry_id]
        head: uint256 = len(words)
        words.append(0)
        series: uint256 = expiry_id << 14
        count: uint256 = 0
        for _: uint256 in range(MAX_GROUPS):
            if held == 0:
                break
            if held & 1 != 0:
                words.append(series << 2)
                words.append(portfolio.positions[(account << 30) | series])
                words.append(listings.strikes[series])
                count += 1
            held >>= 1
            series += 1
        words[head] = self.head_of(place, listings.expiries[expiry_id], count)
    if len(words) == 0:
        return base
    return base - convert(staticcall Portfolio(portfolio.PORTFOLIO).of_positions(words, round, initial), int256)


@internal
@pure
def head_of(place: uint256, info: uint256, count: uint256) -> uint256:
    """
    @notice How `of_positions` is told of an expiry. `place`: underlying u32 << 16 | expiry_id.
    """
    return ((place & (2**16 - 1)) << 224) | ((place >> 16) << 192) | ((info & MASK_64) << 128) | count
