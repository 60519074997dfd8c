# pragma version 0.4.3
"""
@title Liquidations of accounts
@license Apache-2.0
@notice The part of Clearing that hands a pro-rata slice of a flagged account to the pools that have committed to take it, one
        settlement window after the flag.
@dev Call it through Clearing, which runs Office, which runs Blocks, which runs Cases, which runs this code on the storage
     of Clearing. Called directly it acts on a storage of its own, which is empty and stays worthless.
@custom:kill The governor may take the providers off the list; then nobody is liquidated, and nobody is safe.
"""

from core import accounts
from core import actions
from core import distress
from core import liquidations
from core import portfolio
from core import rounds
from core import state
from lib import fail
from risk import payoff

initializes: state
initializes: distress[accounts := accounts, liquidations := liquidations, rounds := rounds]
uses: actions
uses: liquidations
uses: portfolio

exports: (state.TERMS, distress.EXIT_TERMS)

PPM: constant(uint256) = 10**6
WAD: constant(int256) = 10**18
MASK_32: constant(uint256) = 2**32 - 1
MAX_HASH_BYTES: constant(uint256) = 32 * 64
MAX_SHEET_BYTES: constant(uint256) = 32 * 512
MAX_SHEETS: constant(uint256) = 64
MAX_HELD: constant(uint256) = 128
MAX_PROVIDERS: constant(uint256) = 4
# Shares grow by 1/256 of themselves, so a millionth is a whole after fewer steps.
MAX_STEPS: constant(uint256) = 2_400
# A provider is passed over once it cannot bear so much more of what is needed.
ANOTHER: constant(uint256) = PPM // 64

# `paid` went to the account, below zero from it; three words for each slot: its place, the positions that went, and what
# they were marked at.
event LiquidationTransferred:
    action_id: uint64
    account: indexed(uint32)
    provider: indexed(uint32)
    paid: int256
    moves: DynArray[uint256, 3 * MAX_HELD]


@deploy
def __init__(settings: state.Settings, terms: distress.Terms):
    """
    @param settings Those of the Clearing that runs this code.
    @param terms See `distress`.
    """
    state.__init__(settings)
    distress.__init__(terms, settings.window)


@internal
@view
def _sold(
    book: liquidations.Book, before: distress.Standing, part: DynArray[uint256, MAX_HELD], rate: uint256
) -> (distress.Standing, int256):
    """
    @notice The account after handing over a part at its worth less the haircut, and the haircut.
    """
    rest: DynArray[uint256, MAX_HELD] = liquidations.without(book.held, part)
    after: distress.Standing = distress.standing_of(book, rest, 0)
    haircut: int256 = 0
    if before.risk > after.risk:
        haircut = convert(rate, int256) * (before.risk - after.risk) // WAD
    after.cash = before.cash + payoff.floor_cash(before.worth - after.worth) - haircut
    after.equity += after.cash
    return after, haircut


@internal
@view
def _improves(before: distress.Standing, after: distress.Standing, rate: uint256) -> bool:
    """
    @notice Whether a part helps by itself: risk does not rise, and equity covers no smaller share of it.
    """
    if after.risk > before.risk:
        return False
    if before.equity * WAD <= convert(rate, int256) * before.risk:
        return True
    return (after.equity + 1) * before.risk >= before.equity * after.risk


@external
def liquidate(
    account: uint32,
    steps: uint256,
    part: uint256,
    round_id: uint256,
    hashes: Bytes[MAX_HASH_BYTES],
    sheets: Bytes[MAX_SHEET_BYTES],
):
    """
    @notice Hand what has to go of a flagged account to the next provider, or as much of it as that can bear. Anyone may call.
    @param steps How often the first share has to grow until it does; checked from both sides.
    @param part In 1e-6 of the slice, what the provider bears; checked from both sides.
    @param sheets The sheets of all expiries of account and provider, in the round's order.
    """
    number: uint256 = convert(account, uint256)
    flagged: uint256 = liquidations.check_case(number)
    round: uint256 = distress.round_of(round_id, hashes, sheets)
    if round >> 128 < flagged + distress.T.confirmation or round >> 128 == flagged:
        fail.because("round_unconfirmed")
    book: liquidations.Book = empty(liquidations.Book)
    claims: int256 = 0
    book, claims = liquidations.load(number, round, sheets, distress.T.confidence)
    before: distress.Standing = distress.standing_of(book, book.held, portfolio.cash(number) + claims)
    if liquidations.cases[number].times & 1 == 0:
        if before.equity >= before.risk:
            fail.because("account_covers")
        liquidations.cases[number].times |= 1
    if distress.is_cured(before, liquidations.is_flat(book.held)):
        fail.because("account_covers")
    entry: uint256 = self._next_provider(number, book)
    if entry == 0:
        fail.because("providers_exhausted")
    self._hand_over(number, entry, book, before, steps, part, round, sheets)


@internal
def _next_provider(number: uint256, book: liquidations.Book) -> uint256:
    """
    @notice The next to be asked, in the underlying that carries the most risk among those not gone through; 0 when all
            have been asked.
    """
    done: uint256 = liquidations.cases[number].done
    cursor: uint256 = liquidations.cases[number].cursor
    entry: uint256 = 0
    for _: uint256 in range(MAX_SHEETS * (MAX_PROVIDERS + 1)):
        if cursor >> 32 == 0:
            field: uint256 = self._riskiest(book, done)
            if field == liquidations.EVERY:
                break
            cursor = (field + 1) << 32
        field: uint256 = (cursor >> 32) - 1
        asked: uint256 = cursor & MASK_32
        if asked >= len(liquidations.providers[field]) or liquidations.is_flat(liquidations.in_field(book, field)):
            done |= 1 << field
            cursor = 0
            continue
        cursor += 1
        if liquidations.providers[field][asked] & MASK_32 != number:
            entry = liquidations.providers[field][asked]
            break
    liquidations.cases[number].done = done
    liquidations.cases[number].cursor = cursor
    return entry


@internal
@view
def _riskiest(book: liquidations.Book, done: uint256) -> uint256:
    """
    @notice Of the underlyings that are not done the one with the most risk, of equals the lowest; EVERY if there is none.
    """
    best: uint256 = liquidations.EVERY
    most: int256 = 0
    looked: uint256 = done
    for head: uint256 in book.heads:
        field: uint256 = head >> 32
        if field >= 256:
            continue
        if looked & (1 << field) != 0:
            continue
        looked |= 1 << field
        risk: int256 = 0
        _worth: int256 = 0
        risk, _worth = liquidations.measure(book, book.held, field)
        if best == liquidations.EVERY or risk > most or (risk == most and field < best):
            best = field
            most = risk
    return best


@internal
def _hand_over(
    number: uint256,
    entry: uint256,
    book: liquidations.Book,
    before: distress.Standing,
    steps: uint256,
    part: uint256,
    round: uint256,
    sheets: Bytes[MAX_SHEET_BYTES],
):
    """
    @notice What is needed, and of that what the provider bears, goes to it.
    """
    provider: uint256 = entry & MASK_32
    rate: uint256 = entry >> 128
    needed: DynArray[uint256, MAX_HELD] = self._needed(liquidations.fields[provider] - 1, book, before, rate, steps)
    if part > PPM:
        fail.because("parameter_range")
    if part != PPM:
        more: DynArray[uint256, MAX_HELD] = liquidations.share_of(needed, min(part + ANOTHER, PPM))
        if self._bears(provider, rate, book, before, more, round, sheets):
            fail.because("provider_bears_more")
        if part == 0:
            return
        needed = liquidations.share_of(needed, part)
    if not self._bears(provider, rate, book, before, needed, round, sheets):
        fail.because("provider_margin")
    after: distress.Standing = empty(distress.Standing)
    haircut: int256 = 0
    after, haircut = self._sold(book, before, needed, rate)
    liquidations.shift(number, book.slots, needed, -1)
    liquidations.shift(provider, book.slots, needed, 1)
    portfolio.add_cash(number, after.cash - before.cash)
    portfolio.add_cash(provider, before.cash - after.cash)
    liquidations.note_haircut(number, provider, convert(haircut, uint256))
    moves: DynArray[uint256, 3 * MAX_HELD] = []
    for j: uint256 in range(len(needed), bound=MAX_HELD):
        if needed[j] != 0:
            moves.append(book.slots[j])
            moves.append(needed[j])
            moves.append(book.marks[j])
    log LiquidationTransferred(
        action_id=actions.next(),
        account=convert(number, uint32),
        provider=convert(provider, uint32),
        paid=after.cash - before.cash,
        moves=moves,
    )


@internal
@view
def _needed(
    field: uint256, book: liquidations.Book, before: distress.Standing, rate: uint256, steps: uint256
) -> DynArray[uint256, MAX_HELD]:
    """
    @notice The first share of what is held in an underlying that cures the account, or all of it.
    @dev The caller says how many steps lead there. Trying each would let whoever shapes a portfolio choose what a
         liquidation costs; so the share is checked to do, and the one before it not to.
    """
    held: DynArray[uint256, MAX_HELD] = liquidations.in_field(book, field)
    risk: int256 = 0
    _worth: int256 = 0
    risk, _worth = liquidations.measure(book, held, field)
    share: uint256 = liquidations.first_share(
        before.equity, before.risk, risk, convert(rate, int256), convert(distress.T.buffer, int256)
    )
    tried: uint256 = share
    for _: uint256 in range(steps, bound=MAX_STEPS):
        tried = share
        share = min(share + max(1, share // 256), PPM)
    if steps != 0:
        if tried == PPM or self._does(book, before, liquidations.share_of(held, tried), rate):
            fail.because("share_large")
    slice_: DynArray[uint256, MAX_HELD] = liquidations.share_of(held, share)
    if share != PPM:
        if not self._does(book, before, slice_, rate):
            fail.because("share_small")
    return slice_


@internal
@view
def _does(book: liquidations.Book, before: distress.Standing, part: DynArray[uint256, MAX_HELD], rate: uint256) -> bool:
    after: distress.Standing = empty(distress.Standing)
    _haircut: int256 = 0
    after, _haircut = self._sold(book, before, part, rate)
    return distress.is_cured(after, liquidations.is_flat(liquidations.without(book.held, part)))


@internal
def _bears(
    provider: uint256,
    rate: uint256,
    book: liquidations.Book,
    before: distress.Standing,
    part: DynArray[uint256, MAX_HELD],
    round: uint256,
    sheets: Bytes[MAX_SHEET_BYTES],
) -> bool:
    """
    @notice Whether the provider has initial margin with the part at its worth, for it may have to give up its haircut; and
            whether the part cures the account or helps it by itself.
    """
    after: distress.Standing = empty(distress.Standing)
    haircut: int256 = 0
    after, haircut = self._sold(book, before, part, rate)
    if not self._improves(before, after, rate):
        if not distress.is_cured(after, liquidations.is_flat(liquidations.without(book.held, part))):
            return False
    liquidations.shift(provider, book.slots, part, 1)
    worth: int256 = after.cash - before.cash + haircut
    bears: bool = liquidations.has_initial(provider, -worth, round, sheets)
    liquidations.shift(provider, book.slots, part, -1)
    return bears
