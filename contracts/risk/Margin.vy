# pragma version 0.4.3
"""
@title Margin
@license Apache-2.0
@notice The STANDARD requirement: of one expiry, which is what Clearing asks for every account of a batch; of an
        account of a Clearing at a round; and of positions written out in full.
@dev Amounts in 1e-6 USDC, quantities in 1e-4 contract, rates in 1e-18. A parameter set is a deployment, so
     that a set never changes under a batch that relied on it. More than one Clearing may ask.
@custom:kill Read only; nothing to disable.
"""

from risk import payoff
from risk import standard

initializes: standard

MAX_EXPIRIES: constant(uint256) = 8
MAX_GROUPS: constant(uint256) = 64
MAX_HASH_BYTES: constant(uint256) = 32 * 64
MAX_SHEET_BYTES: constant(uint256) = 32 * 512

interface Clearing:
    def cash_of(account: uint256) -> int256: view
    def margin_of(
        account: uint256,
        initial: bool,
        round_id: uint256,
        hashes: Bytes[MAX_HASH_BYTES],
        sheets: Bytes[MAX_SHEET_BYTES],
    ) -> int256: view

# Positions of one expiry and what prices them: spot u64 | forward u64 | confidence u64 | 0, and three words for
# each group of series: positions, strikes, marks.
struct Holding:
    prices: uint256
    words: DynArray[uint256, 3 * MAX_GROUPS]


@deploy
def __init__(parameters: standard.Parameters):
    """
    @param parameters Of the STANDARD margin, in 1e-18.
    """
    standard.__init__(parameters)


@external
@view
def of_expiry(
    words: DynArray[uint256, 3 * MAX_GROUPS], prices: uint256, stable: uint256, initial: bool
) -> uint256:
    """
    @notice Requirement of positions in one expiry, in 1e-28 USDC, so that a sum over expiries is rounded once.
    @param words Three for each group of series: positions, strikes, marks.
    @param prices Spot u64 | forward u64 | confidence u64 | 0.
    """
    return standard.of_expiry(words, prices, stable, initial)


@external
@view
def requirement_of(holdings: DynArray[Holding, MAX_EXPIRIES], stable: uint256, initial: bool) -> uint256:
    """
    @notice Requirement of positions written out in full, in 1e-6 USDC, rounded up once.
    """
    scaled: uint256 = 0
    for holding: Holding in holdings:
        scaled += standard.of_expiry(holding.words, holding.prices, stable, initial)
    return standard.to_cash(scaled)


@external
@view
def requirement(
    clearing: address,
    account: uint256,
    initial: bool,
    round_id: uint256,
    hashes: Bytes[MAX_HASH_BYTES],
    sheets: Bytes[MAX_SHEET_BYTES],
) -> int256:
    """
    @notice Requirement of an account of `clearing` less its claims on fixed expiries: what its cash must not
            fall below.
    """
    cash: int256 = staticcall Clearing(clearing).cash_of(account)
    return cash - staticcall Clearing(clearing).margin_of(account, initial, round_id, hashes, sheets)


@external
@view
def claim_of(words: DynArray[uint256, 3 * MAX_GROUPS], price: uint256) -> int256:
    """
    @notice What positions of one expiry pay at the fixing `price`, in 1e-6 USDC, rounded down.
    """
    total: int256 = 0
    for group: uint256 in range(len(words) // 3, bound=MAX_GROUPS):
        total += payoff.of_group(words[3 * group], words[3 * group + 1], price)
    return payoff.floor_cash(total)


@external
@view
def parameters() -> standard.Parameters:
    """
    @notice Parameters of the STANDARD margin, in 1e-18.
    """
    return standard.P
