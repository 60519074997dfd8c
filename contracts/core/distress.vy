# pragma version 0.4.3
"""
@title Terms of liquidation, and an account measured by them
@license Apache-2.0
@notice What two code parts of Clearing need alike: the terms that a deployment fixes, and how an account stands at a round.
@custom:kill None of its own.
"""

from core import accounts
from core import liquidations
from core import rounds
from lib import fail
from risk import payoff

uses: accounts
uses: liquidations
uses: rounds

WAD: constant(int256) = 10**18
MAX_HASH_BYTES: constant(uint256) = 32 * 64
MAX_SHEET_BYTES: constant(uint256) = 32 * 512
MAX_HELD: constant(uint256) = 128

# Rates in 1e-18, the reward in 1e-6 USDC, times in seconds.
struct Terms:
    haircut: uint256
    buffer: uint256
    insurance_share: uint256
    keeper_reward: uint256
    confidence: uint256
    confirmation: uint256

# An account at a round: cash with claims, equity, risk, and its worth in price times quantity.
struct Standing:
    cash: int256
    equity: int256
    risk: int256
    worth: int256

T: immutable(Terms)
# Of the terms, so that two contracts can tell that they were made under the same ones.
EXIT_TERMS: public(immutable(bytes32))


@deploy
def __init__(terms: Terms, window: uint256):
    """
    @param terms The most a provider may earn, the buffer an account leaves with, the fund's share of what providers earn,
           the keepers' reward out of that, the confidence a round must have, and how much later than the round of the flag
           the round of the liquidation must be: within the window.
    """
    if terms.haircut >= 10**18 or terms.insurance_share > 10**18 or terms.buffer > 10**18:
        fail.because("parameter_range")
    if terms.confidence > 10**18 or terms.keeper_reward >= 2**64 or terms.confirmation > window:
        fail.because("parameter_range")
    T = terms
    EXIT_TERMS = keccak256(abi_encode(terms))


@internal
@view
def check_account(account: uint32):
    """
    @notice Refuse an account that nobody owns.
    """
    if accounts.owner_of(account) == empty(address):
        fail.because("account_unknown")


@internal
@view
def round_of(round_id: uint256, hashes: Bytes[MAX_HASH_BYTES], sheets: Bytes[MAX_SHEET_BYTES]) -> uint256:
    """
    @notice A round by which collateral could leave as well, and its sheets.
    """
    rounds.check_recent(round_id)
    return rounds.checked(round_id, hashes, sheets)


@internal
@view
def standing_of(book: liquidations.Book, held: DynArray[uint256, MAX_HELD], cash: int256) -> Standing:
    """
    @notice An account with such positions and cash.
    """
    risk: int256 = 0
    worth: int256 = 0
    risk, worth = liquidations.measure(book, held, liquidations.EVERY)
    return Standing(cash=cash, equity=cash + payoff.floor_cash(worth), risk=risk, worth=worth)


@internal
@view
def is_cured(now: Standing, flat: bool) -> bool:
    """
    @notice Whether nothing is held, or equity covers the risk with the buffer.
    """
    return flat or now.equity * WAD >= (WAD + convert(T.buffer, int256)) * now.risk
