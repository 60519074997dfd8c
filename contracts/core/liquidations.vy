# pragma version 0.4.3
"""
@title Liquidations
@license Apache-2.0
@notice Who stands ready to take over risk, what an account in trouble holds at a round, and how much of it has to go.
@dev Cash in 1e-6 USDC, shares in 1e-6 of a whole, rates in 1e-18. Worth is kept exact, in price times quantity, until it
     is paid. Written a second time, independently, in exchange/core/liquidation.py; the two agree to the unit.
@custom:kill None: an account without a flag cannot be touched, and a flag lapses by itself.
"""

from core import actions
from core import listings
from core import models
from core import portfolio
from lib import fail
from lib import lanes
from risk import payoff
from risk import standard

uses: actions
uses: listings
uses: models
uses: portfolio

PPM: constant(uint256) = 10**6
WAD: constant(int256) = 10**18
MASK_32: constant(uint256) = 2**32 - 1
MASK_64: constant(uint256) = 2**64 - 1
MASK_128: constant(uint256) = 2**128 - 1
MAX_SHEETS: constant(uint256) = 64
MAX_SHEET_BYTES: constant(uint256) = 32 * 512
MAX_GROUPS: constant(uint256) = 64
# Slots of four series that one account may hold and still be liquidated in a transaction; see docs/LIQUIDATION.md.
MAX_HELD: constant(uint256) = 128
MAX_PROVIDERS: constant(uint256) = 4
MAX_TOOK: constant(uint256) = 16
# Fields are bits of a word, so no pool stands for an underlying beyond it.
MAX_FIELDS: constant(uint256) = 256
EVERY: constant(uint256) = 2**32
BEGUN: constant(uint256) = 1

interface Claims:
    def claims_of(account: uint256, live: uint256, time: uint256) -> int256: view

interface Margin:
    def of_expiry(
        words: DynArray[uint256, 3 * MAX_GROUPS], prices: uint256, stable: uint256, initial: bool
    ) -> uint256: view

interface Portfolio:
    def of_positions(words: DynArray[uint256, models.MAX_WORDS], round: uint256, initial: bool) -> uint256: view

# What an account holds in expiries that are no claims yet, at a round. One head and one price word for each expiry:
# underlying u32 << 32 | number of slots u32, and the word of its sheet; and beside each other for each slot: its
# place, what is held, strikes and marks. `round`: time in seconds above 128 bits of stable price.
struct Book:
    heads: DynArray[uint256, MAX_SHEETS]
    prices: DynArray[uint256, MAX_SHEETS]
    slots: DynArray[uint256, MAX_HELD]
    held: DynArray[uint256, MAX_HELD]
    strikes: DynArray[uint256, MAX_HELD]
    marks: DynArray[uint256, MAX_HELD]
    round: uint256
    is_portfolio: bool

# A flagged account. `times`: effective u64 | lapses u64 | time of the round it was flagged at u64 | account of whoever
# flagged it u32 | 0 u31 | begun u1. `done`: bits of the underlyings whose providers were all asked. `cursor`:
# underlying + 1 u32 << 32 | providers asked in it u32. `took`: provider u32 << 128 | its haircuts so far u128.
struct Case:
    times: uint256
    done: uint256
    cursor: uint256
    took: DynArray[uint256, MAX_TOOK]

cases: HashMap[uint256, Case]

# underlying -> haircut u64 << 128 | since u64 << 64 | account u32: in the order in which they are asked
providers: HashMap[uint256, DynArray[uint256, MAX_PROVIDERS]]

# account -> underlying + 1: one pool stands for one underlying, whatever happens in another
fields: HashMap[uint256, uint256]

# Account of the insurance fund; 0 until there is one.
insurance: uint256


@internal
@view
def load(account: uint256, round: uint256, sheets: Bytes[MAX_SHEET_BYTES], confidence: uint256) -> (Book, int256):
    """
    @notice What an account holds at a round, and what its fixed expiries will pay. Refuses a round that is not sure of a
            price that matters.
    @param round Time in seconds above 128 bits of stable price in 1e-18.
    """
    book: Book = empty(Book)
    book.round = round
    live: uint256 = portfolio.live(account)
    offset: uint256 = 0
    for _: uint256 in range(MAX_SHEETS):
        if live == 0 or offset == len(sheets):
            break
        head: uint256 = extract32(sheets, offset, output_type=uint256)
        expiry_id: uint256 = head >> 224
        listed: uint256 = (head >> 160) & MASK_32
        held: uint256 = portfolio.groups[(account << 16) | expiry_id]
        if held != 0 and not listings.is_claim(expiry_id, round >> 128):
            live ^= 1 << (expiry_id & 127)
            if held >> listed != 0:
                fail.because("sheet_missing")
            prices: uint256 = extract32(sheets, offset + 32, output_type=uint256)
            if (prices >> 64) & MASK_64 < confidence:
                fail.because("round_unsure")
            count: uint256 = 0
            for group: uint256 in range(MAX_GROUPS):
                if held == 0:
                    break
                if held & 1 != 0:
                    slot: uint256 = (expiry_id << 14) | group
                    book.slots.append(slot)
                    book.held.append(portfolio.positions[(account << 30) | slot])
                    book.strikes.append(listings.strikes[slot])
                    book.marks.append(extract32(sheets, offset + 64 + (group << 5), output_type=uint256))
                    count += 1
                held >>= 1
            book.heads.append((((listings.expiries[expiry_id] >> 64) & MASK_32) << 32) | count)
            book.prices.append(prices)
        offset += 64 + (listed << 5)
    claims: int256 = 0
    if live != 0:
        claims = staticcall Claims(self).claims_of(account, live, round >> 128)
    if len(book.slots) <= models.MAX_HELD:
        book.is_portfolio = models.is_portfolio(account)
    return book, claims


@internal
@view
def measure(book: Book, held: DynArray[uint256, MAX_HELD], field: uint256) -> (int256, int256):
    """
    @notice Risk of positions, which is the requirement that keeps them plus their worth, and their worth itself: cash in
            1e-6 USDC, rounded up and down, and price times quantity, exact.
    @param held Beside the slots of the book.
    @param field An underlying, or EVERY.
    """
    scaled: uint256 = 0
    worth: int256 = 0
    at: uint256 = 0
    for i: uint256 in range(len(book.heads), bound=MAX_SHEETS):
        head: uint256 = book.heads[i]
        count: uint256 = head & MASK_32
        if field == EVERY or head >> 32 == field:
            words: DynArray[uint256, 3 * MAX_GROUPS] = []
            for j: uint256 in range(at, at + count, bound=MAX_GROUPS):
                if held[j] != 0:
                    words.append(held[j])
                    words.append(book.strikes[j])
                    words.append(book.marks[j])
                    worth += self._worth(held[j], book.marks[j])
            if len(words) != 0:
                scaled += staticcall Margin(portfolio.MARGIN).of_expiry(words, book.prices[i], book.round & MASK_128, False)
        at += count
    needed: uint256 = standard.to_cash(scaled)
    if book.is_portfolio and needed != 0:
        needed = min(needed, self._under_portfolio(book, held, field))
    return convert(needed, int256) + payoff.floor_cash(worth), worth


@internal
@view
def _under_portfolio(book: Book, held: DynArray[uint256, MAX_HELD], field: uint256) -> uint256:
    """
    @notice What PORTFOLIO asks for to keep positions of a book, in 1e-6 USDC.
    """
    words: DynArray[uint256, models.MAX_WORDS] = []
    next: uint256 = 0
    for _: uint256 in range(models.MAX_HELD):
        # Underlyings in ascending order, and the expiries of each as the book has them.
        field_now: uint256 = EVERY
        for head: uint256 in book.heads:
            if head >> 32 >= next:
                field_now = min(field_now, head >> 32)
        if field_now == EVERY:
            break
        next = field_now + 1
        if field != EVERY and field != field_now:
            continue
        at: uint256 = 0
        for head: uint256 in book.heads:
            if head >> 32 == field_now:
                place: uint256 = book.slots[at] >> 14
                head_at: uint256 = len(words)
                words.append(0)
                count: uint256 = 0
                for j: uint256 in range(at, at + (head & MASK_32), bound=MAX_GROUPS):
                    if held[j] != 0:
                        words.append(book.slots[j] << 2)
                        words.append(held[j])
                        words.append(book.strikes[j])
                        count += 1
                if count == 0:
                    words.pop()
                else:
                    words[head_at] = models.head_of((field_now << 16) | place, listings.expiries[place], count)
            at += head & MASK_32
    return staticcall Portfolio(portfolio.PORTFOLIO).of_positions(words, book.round, False)


@internal
@view
def _worth(held: uint256, marks: uint256) -> int256:
    total: int256 = 0
    positions: uint256 = held
    prices: uint256 = marks
    for _: uint256 in range(4):
        if positions == 0:
            break
        if positions & MASK_64 != 0:
            # A lane that was empty when the round was signed: nobody can say what is held there.
            if prices & MASK_64 == 0:
                fail.because("mark_missing")
            total += lanes.signed(positions) * convert(prices & MASK_64, int256)
        positions >>= 64
        prices >>= 64
    return total


@internal
@view
def in_field(book: Book, field: uint256) -> DynArray[uint256, MAX_HELD]:
    """
    @notice What is held in one underlying; nothing in the slots of others.
    """
    found: DynArray[uint256, MAX_HELD] = book.held
    at: uint256 = 0
    for head: uint256 in book.heads:
        for j: uint256 in range(at, at + (head & MASK_32), bound=MAX_GROUPS):
            if head >> 32 != field:
                found[j] = 0
        at += head & MASK_32
    return found


@internal
@view
def share_of(held: DynArray[uint256, MAX_HELD], share: uint256) -> DynArray[uint256, MAX_HELD]:
    """
    @notice A share of every position with its sign, each rounded up to 1e-4 contract and at most the position.
    """
    found: DynArray[uint256, MAX_HELD] = held
    for j: uint256 in range(len(held), bound=MAX_HELD):
        word: uint256 = held[j]
        if word == 0:
            continue
        part: uint256 = 0
        for lane: uint256 in range(4):
            quantity: int256 = lanes.signed(word >> (lane << 6))
            size: uint256 = convert(abs(quantity), uint256)
            taken: uint256 = min(size, (size * share + PPM - 1) // PPM)
            if quantity < 0:
                taken = unsafe_sub(0, taken) & MASK_64
            part |= taken << (lane << 6)
        found[j] = part
    return found


@internal
@view
def without(held: DynArray[uint256, MAX_HELD], part: DynArray[uint256, MAX_HELD]) -> DynArray[uint256, MAX_HELD]:
    """
    @notice What is left of positions when a part of them has gone.
    """
    rest: DynArray[uint256, MAX_HELD] = held
    for j: uint256 in range(len(held), bound=MAX_HELD):
        if part[j] != 0:
            rest[j] = self._shifted(held[j], part[j], -1)
    return rest


@internal
@view
def _shifted(word: uint256, by: uint256, sign: int256) -> uint256:
    """
    @notice Four positions with four others added or taken away.
    """
    found: uint256 = word
    for lane: uint256 in range(4):
        found = lanes.add(found, lane, sign * lanes.signed(by >> (lane << 6)))
    return found


@internal
@view
def is_flat(held: DynArray[uint256, MAX_HELD]) -> bool:
    """
    @notice Whether nothing is held.
    """
    for word: uint256 in held:
        if word != 0:
            return False
    return True


@internal
def shift(account: uint256, slots: DynArray[uint256, MAX_HELD], part: DynArray[uint256, MAX_HELD], sign: int256):
    """
    @notice Give positions to an account, or take them away.
    """
    for j: uint256 in range(len(slots), bound=MAX_HELD):
        if part[j] != 0:
            slot: uint256 = (account << 30) | slots[j]
            before: uint256 = portfolio.positions[slot]
            portfolio.store(slot, before, self._shifted(before, part[j], sign))


@internal
@view
def has_initial(account: uint256, cash: int256, round: uint256, sheets: Bytes[MAX_SHEET_BYTES]) -> bool:
    """
    @notice Whether an account has initial margin for what it holds once its cash has changed.
    """
    ledger: int256 = portfolio.ledger[account] + cash * 2**128
    if portfolio.margin_of(account, ledger, False, 0, True, round, sheets) >= 0:
        return True
    return portfolio.margin_of(account, ledger, True, 0, True, round, sheets) >= 0


@internal
@view
def check_case(account: uint256) -> uint256:
    """
    @notice Refuse an account whose flag is not in force.
    @return Time of the round at which it was flagged.
    """
    times: uint256 = self.cases[account].times
    if times == 0:
        fail.because("flag_unknown")
    if not actions.binds(times >> 192):
        fail.because("flag_early")
    if (times >> 128) & MASK_64 < block.timestamp:
        fail.because("flag_lapsed")
    return (times >> 64) & MASK_64


@internal
def note_haircut(account: uint256, provider: uint256, haircut: uint256):
    """
    @notice Remember what a provider has earned in a case: it may yet have to give it up.
    """
    count: uint256 = len(self.cases[account].took)
    for i: uint256 in range(count, bound=MAX_TOOK):
        if self.cases[account].took[i] >> 128 == provider:
            self.cases[account].took[i] += haircut
            return
    self.cases[account].took.append((provider << 128) | haircut)


@internal
@view
def first_share(equity: int256, risk: int256, part: int256, haircut: int256, buffer: int256) -> uint256:
    """
    @notice The share of positions with the risk `part` that leaves equity at (1 + buffer) times what is left of the risk,
            were quantities divisible; rounded up. All of it where the haircut would eat equity faster than risk.
    """
    if part <= 0 or equity * WAD <= haircut * risk:
        return PPM
    missing: int256 = ((WAD + buffer) * risk - equity * WAD) * convert(PPM, int256)
    if missing <= 0:
        return 0
    cost: int256 = (WAD + buffer - haircut) * part
    return min(convert((missing + cost - 1) // cost, uint256), PPM)


@internal
@view
def shared(total: uint256, weights: DynArray[uint256, MAX_TOOK]) -> DynArray[uint256, MAX_TOOK]:
    """
    @notice `total` in proportion to weights, exact to the unit: floors first, what is left to the largest remainders.
            Ties to the first. No share exceeds its weight while `total` is at most the sum of weights.
    """
    whole: uint256 = 0
    for weight: uint256 in weights:
        whole += weight
    shares: DynArray[uint256, MAX_TOOK] = []
    rests: DynArray[uint256, MAX_TOOK] = []
    left: uint256 = total
    for weight: uint256 in weights:
        share: uint256 = 0
        rest: uint256 = 0
        if whole != 0:
            share = total * weight // whole
            rest = total * weight % whole
        shares.append(share)
        rests.append(rest)
        left -= share
    for _: uint256 in range(MAX_TOOK):
        if left == 0 or whole == 0:
            break
        best: uint256 = 0
        for i: uint256 in range(len(rests), bound=MAX_TOOK):
            if rests[i] > rests[best]:
                best = i
        shares[best] += 1
        rests[best] = 0
        left -= 1
    return shares
