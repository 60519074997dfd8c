# pragma version 0.4.3
"""
@title Clearing
@license Apache-2.0
@notice The ledger of the venue: accounts, cash and positions. A batch of fills is taken whole or not at all,
        and only with the operator's signature over the batch and the trader's signature over every order.
@dev What is called for every fill is here; every other function is in Office, which runs on this storage. See
     `state`. Which Office that is was fixed at deployment.
@custom:kill The governor may replace the operator by an address without a key; after the operator timeout
     everything queued binds at once, and exits, fixing and expiry settlement go on without it.
"""

from core import accounts
from core import actions
from core import batches
from core import listings
from core import orders
from core import portfolio
from core import quotes
from core import rounds
from core import state
from lib import eip712
from lib import fees
from lib import lanes
from lib import refusals

initializes: state
initializes: batches[actions := actions, state := state]
uses: accounts
uses: actions
uses: fees
uses: listings
uses: orders
uses: portfolio
uses: quotes
uses: rounds

MAX_ORDERS: constant(uint256) = 256
MAX_TRADES: constant(uint256) = 256
MAX_MANDATES: constant(uint256) = 32
MAX_PROOF: constant(uint256) = 8
MANDATE_BYTES: constant(uint256) = 160
MAX_BODY_BYTES: constant(uint256) = 128 * MAX_ORDERS + 32 * MAX_TRADES
MAX_HASH_BYTES: constant(uint256) = 32 * 64
MAX_SHEET_BYTES: constant(uint256) = 32 * 512
MAX_ANSWER_BYTES: constant(uint256) = 32 * 80
MASK_64: constant(uint256) = 2**64 - 1
MASK_30: constant(uint256) = 2**30 - 1
MASK_16: constant(uint256) = 2**16 - 1
REDUCE_ONLY: constant(uint256) = 4
QUOTE: constant(uint256) = 8
BUY: constant(uint256) = 1
MASK_32: constant(uint256) = 2**32 - 1
# Tells an execution between two combos from one against orders for the legs, in which makers change.
BOTH: constant(uint256) = 1 << 32

interface Office:
    def TERMS() -> bytes32: view

# Rules that only read, and that few batches need, are asked of this very contract: Office has them.
interface Rules:
    def check_mandate(
        domain: bytes32, head: uint256, budget: uint256, root: bytes32, r: uint256, vs: uint256, oldest: uint256
    ) -> uint256: view

OFFICE: public(immutable(address))


@deploy
def __init__(settings: state.Settings, office: address):
    """
    @param settings See `state`.
    @param office Code of all other functions, deployed under the same settings.
    """
    state.__init__(settings)
    if staticcall Office(office).TERMS() != state.TERMS:
        raise "office_settings"
    OFFICE = office


@external
@raw_return
def __default__() -> Bytes[MAX_ANSWER_BYTES]:
    """
    @notice Every function of Office.
    """
    return raw_call(OFFICE, msg.data, max_outsize=MAX_ANSWER_BYTES, is_delegate_call=True)


@external
def settle_signed(
    batch: batches.Batch,
    operator_r: uint256,
    operator_vs: uint256,
    body: Bytes[MAX_BODY_BYTES],
    hashes: Bytes[MAX_HASH_BYTES],
    sheets: Bytes[MAX_SHEET_BYTES],
):
    """
    @notice Settle a batch of fills, all or nothing. Anyone may send what the operator has signed. A batch
            without orders is a heartbeat.
    @param body Orders of four words each, in ascending account and series and with replaced orders before those
           that replace them; then trades of one word each, in the order in which they happened; then the annex,
           which holds what only some orders need; then one word of counts: orders u16, trades u16 << 16,
           mandates u16 << 32. See `orders` and `quotes`.
    @param hashes All sheet hashes of the round, concatenated.
    @param sheets The sheets that the margin checks need, concatenated, in the round's order.
    """
    domain: bytes32 = eip712.separator()
    batches.check(batch, domain, keccak256(body), operator_r, operator_vs)
    if len(body) == 0 or len(body) & 31 != 0:
        refusals.because(refusals.BATCH_FORMAT)
    # Signed with the body: whoever sends it must not be able to move the border between trades and annex.
    counts: uint256 = extract32(body, len(body) - 32, output_type=uint256)
    order_count: uint256 = counts & MASK_16
    trade_count: uint256 = (counts >> 16) & MASK_16
    annex: uint256 = unsafe_add(order_count << 7, trade_count << 5)
    mandate_count: uint256 = counts >> 32
    if order_count > MAX_ORDERS or trade_count > MAX_TRADES or mandate_count > MAX_MANDATES:
        refusals.because(refusals.BATCH_FORMAT)
    if annex + mandate_count * MANDATE_BYTES >= len(body):
        refusals.because(refusals.BATCH_FORMAT)
    oldest: uint256 = block.timestamp - actions.window()

    # Mandates before anything that fills under them. In ascending order none can be there twice.
    spent: uint256[MAX_MANDATES] = empty(uint256[MAX_MANDATES])
    head: uint256 = 0
    for m: uint256 in range(mandate_count, bound=MAX_MANDATES):
        at: uint256 = annex + m * MANDATE_BYTES
        before: uint256 = head
        head = extract32(body, at, output_type=uint256)
        if m != 0 and head >> 160 <= before >> 160:
            refusals.because(refusals.MANDATE_SEQUENCE)
        spent[m] = staticcall Rules(self).check_mandate(
            domain,
            head,
            extract32(body, at + 32, output_type=uint256),
            extract32(body, at + 64),
            extract32(body, at + 96, output_type=uint256),
            extract32(body, at + 128, output_type=uint256),
            oldest,
        )

    # First the trades. Of each order, the cash its account receives above 64 bits of filled quantity. An execution of a
    # combo runs over several of them.
    tally: uint256[MAX_ORDERS] = empty(uint256[MAX_ORDERS])
    lanes_left: uint256 = 0
    leg_left: uint256 = 0
    units: uint256 = 0
    paid: int256 = 0
    pair: uint256 = 0
    both: bool = False
    # Of the maker's side, if that is a combo too, and of the taker's: half the fee of each fill, the other half of those of
    # this leg, and of those of the leg where it is largest.
    halves: int256[2] = empty(int256[2])
    rests: int256[2] = empty(int256[2])
    most: int256[2] = empty(int256[2])
    for t: uint256 in range(trade_count, bound=MAX_TRADES):
        trade: uint256 = extract32(body, unsafe_add(order_count << 7, t << 5), output_type=uint256)
        maker: uint256 = trade >> 240
        taker: uint256 = (trade >> 224) & MASK_16
        if maker >= order_count or taker >= order_count:
            refusals.because(refusals.BATCH_FORMAT)
        maker_terms: uint256 = extract32(body, maker << 7, output_type=uint256)
        taker_terms: uint256 = extract32(body, taker << 7, output_type=uint256)
        # One leg of a combo is matched like any trade, under words of its own.
        of_combo: bool = (taker_terms >> 192) & MASK_32 == 0
        if of_combo:
            both = (maker_terms >> 192) & MASK_32 == 0
            sides: uint256 = (trade >> 224) | BOTH if both else taker
            if lanes_left == 0:
                pair = sides
                lanes_left = extract32(body, (taker << 7) + 64, output_type=uint256)
                if both and extract32(body, (maker << 7) + 64, output_type=uint256) != lanes_left:
                    refusals.because(refusals.SERIES_MISMATCH)
                units = trade & MASK_32
                leg_left = units * orders.size_of(lanes_left)
                paid = 0
                halves = empty(int256[2])
                most = empty(int256[2])
            if pair != sides or (trade >> 160) & MASK_64 > leg_left:
                refusals.because(refusals.COMBO_LEGS)
            if (taker_terms | (maker_terms if both else 0)) & REDUCE_ONLY != 0:
                refusals.because(refusals.ORDER_REDUCE_ONLY)
            taker_terms = orders.leg_of(taker_terms, lanes_left)
            if both:
                maker_terms = orders.leg_of(maker_terms, lanes_left)
        for_maker: uint256 = 0
        for_taker: uint256 = 0
        for_maker, for_taker = orders.match(trade, maker_terms, taker_terms)
        if (maker_terms | taker_terms) & (REDUCE_ONLY | QUOTE) != 0:
            if maker_terms & QUOTE != 0:
                greeks: uint256 = extract32(body, (maker << 7) + 64, output_type=uint256)
                m: uint256 = greeks & MASK_16
                if m >= mandate_count:
                    refusals.because(refusals.QUOTE_PROOF)
                budget: uint256 = extract32(body, annex + m * MANDATE_BYTES + 32, output_type=uint256)
                spent[m] = quotes.count(spent[m], budget, maker_terms, greeks, (trade >> 160) & MASK_64)
            at: uint256 = maker
            for order: uint256 in [maker_terms, taker_terms]:
                if order & REDUCE_ONLY != 0:
                    # What the account holds just before this trade: what it held before the batch, and what its orders
                    # in the series and those for combos with such a leg, which stand before them, have filled so far.
                    held: int256 = portfolio.position_of(order >> 192)
                    for _: uint256 in range(MAX_ORDERS):
                        if at == 0 or extract32(body, unsafe_sub(at, 1) << 7, output_type=uint256) >> 224 != order >> 224:
                            break
                        at = unsafe_sub(at, 1)
                    for beside: uint256 in range(at, order_count, bound=MAX_ORDERS):
                        terms: uint256 = extract32(body, beside << 7, output_type=uint256)
                        if terms >> 192 > order >> 192:
                            break
                        filled: int256 = orders.signed(terms, tally[beside] & MASK_64)
                        if (terms >> 192) & MASK_32 == 0:
                            legs: uint256 = extract32(body, (beside << 7) + 64, output_type=uint256)
                            held += filled * orders.ratio_in(legs, (order >> 192) & MASK_32)
                        elif terms >> 192 == order >> 192:
                            held += filled
                    if orders.signed(order, 1) * held + convert((trade >> 160) & MASK_64, int256) > 0:
                        refusals.because(refusals.ORDER_REDUCE_ONLY)
                at = taker
        if of_combo:
            quantity: uint256 = (trade >> 160) & MASK_64
            leg_left -= quantity
            price: uint256 = (trade >> 96) & MASK_64
            fee: int256[2] = empty(int256[2])
            fee[1], fee[0] = fees.of_fill(price, quantity, (trade >> 32) & MASK_64)
            paid += orders.signed(taker_terms, price * quantity)
            is_last: bool = leg_left == 0 and lanes_left >> 64 == 0
            for side: uint256 in range(2):
                if side == 1 and not both:
                    break
                # Cash as for an order, less what need not be paid; units, when all of them are there.
                rest: int256 = fee[side] >> 1
                halves[side] += fee[side] - rest
                rests[side] += rest
                counted: int256 = rest * 2**64 - convert(quantity, int256)
                if leg_left == 0:
                    if abs(rests[side]) > abs(most[side]):
                        most[side] = rests[side]
                    rests[side] = 0
                if is_last:
                    place: uint256 = taker if side == 0 else maker
                    terms: uint256 = extract32(body, place << 7, output_type=uint256)
                    orders.check_combo(terms, paid if side == 0 else -paid, halves[side] + most[side], units)
                    counted += convert(units, int256) - most[side] * 2**64
                if side == 0:
                    for_taker = unsafe_add(for_taker, convert(convert(counted, bytes32), uint256))
                else:
                    for_maker = unsafe_add(for_maker, convert(convert(counted, bytes32), uint256))
            if leg_left == 0:
                lanes_left >>= 64
                leg_left = units * orders.size_of(lanes_left)
        tally[maker] = unsafe_add(tally[maker], for_maker)
        tally[taker] = unsafe_add(tally[taker], for_taker)
    if lanes_left != 0:
        refusals.because(refusals.COMBO_LEGS)

    round: uint256 = 0
    if order_count != 0:
        round = rounds.checked(convert(batch.round_id, uint256), hashes, sheets)
    # Then the orders. They are sorted, so each account and each position slot is one run of the loop: it is read
    # when the run begins and written when it ends. One pass beyond the last order ends the last run.
    key: uint256 = 0
    first: uint256 = 0
    pot: int256 = 0
    account_word: uint256 = 0
    cash_delta: int256 = 0
    expiry_id: uint256 = 0
    strikes: uint256 = 0
    held: uint256 = 0
    word: uint256 = 0
    for i: uint256 in range(order_count + 1, bound=MAX_ORDERS + 1):
        a: uint256 = max_value(uint256)
        if i != order_count:
            a = extract32(body, i << 7, output_type=uint256)
        last: uint256 = key
        key = a >> 192
        if key < last:
            refusals.because(refusals.ORDER_SEQUENCE)
        if key >> 2 != last >> 2 or i == 0:
            if i != 0:
                portfolio.store(last >> 2, held, word)
            if key >> 32 != last >> 32 or i == 0:
                if i != 0:
                    ledger: int256 = portfolio.ledger[last >> 32] + cash_delta * 2**128
                    portfolio.ledger[last >> 32] = ledger
                    pot = unsafe_sub(pot, cash_delta)
                    # A lower bound first: most accounts pass without the netting of their positions.
                    margin: int256 = portfolio.margin_of(last >> 32, ledger, False, 0, True, round, sheets)
                    if margin < 0:
                        margin = portfolio.margin_of(last >> 32, ledger, True, 0, True, round, sheets)
                    if margin < 0:
                        # Not sufficient, so it must be no worse than before: undo, look, and do again.
                        for undo: bool in [True, False]:
                            for j: uint256 in range(first, i, bound=MAX_ORDERS):
                                order: uint256 = extract32(body, j << 7, output_type=uint256)
                                delta: int256 = convert(tally[j] & MASK_64, int256)
                                if (order & 1 == 1) == undo:
                                    delta = -delta
                                if (order >> 192) & MASK_32 != 0:
                                    portfolio.shift_lane(order >> 192, delta)
                                else:
                                    legs: uint256 = extract32(body, (j << 7) + 64, output_type=uint256)
                                    portfolio.shift_legs(order >> 224, legs, delta)
                            if undo:
                                ledger = portfolio.ledger[last >> 32] - cash_delta * 2**128
                                if margin < portfolio.margin_of(last >> 32, ledger, True, 0, True, round, sheets):
                                    refusals.because(refusals.ACCOUNT_MARGIN)
                if i == order_count:
                    break
                first = i
                cash_delta = 0
                account_word = accounts.words[key >> 32]
                accounts.check_active(account_word)
            strikes = 0
            held = 0
            # No position has the key of a combo, so no slot is held open while they are executed.
            if key & MASK_32 != 0:
                if (key >> 16) & MASK_16 != expiry_id:
                    expiry_id = (key >> 16) & MASK_16
                    listings.check_tradable(expiry_id)
                strikes = listings.strikes[(key >> 2) & MASK_30]
                held = portfolio.positions[key >> 2]
            word = held
        b: uint256 = extract32(body, unsafe_add(i << 7, 32), output_type=uint256)
        moved: uint256 = tally[i]
        delta: int256 = 0
        cash_delta = unsafe_add(cash_delta, convert(convert(moved, bytes32), int256) >> 64)
        if a & QUOTE != 0:
            greeks: uint256 = extract32(body, unsafe_add(i << 7, 64), output_type=uint256)
            if greeks & MASK_16 >= mandate_count or (b >> 16) & MASK_16 > MAX_PROOF:
                refusals.because(refusals.QUOTE_PROOF)
            node: bytes32 = quotes.leaf_hash(a, b, greeks)
            for n: uint256 in range((b >> 16) & MASK_16, bound=MAX_PROOF):
                node = quotes.parent(node, extract32(body, annex + (((b & MASK_16) + n) << 5) - 32))
            at: uint256 = annex + (greeks & MASK_16) * MANDATE_BYTES
            if node != extract32(body, at + 64):
                refusals.because(refusals.QUOTE_PROOF)
            quotes.execute(a, b, extract32(body, at, output_type=uint256), moved & MASK_64)
            delta = orders.signed(a, moved & MASK_64)
        else:
            hidden: bytes32 = empty(bytes32)
            if b & MASK_16 != 0:
                hidden = extract32(body, unsafe_add(annex, unsafe_sub(b & MASK_16, 1) << 5))
            if key & MASK_32 == 0:
                legs: uint256 = extract32(body, (i << 7) + 64, output_type=uint256)
                delta = orders.execute(
                    domain,
                    a,
                    b,
                    legs,
                    hidden,
                    extract32(body, (i << 7) + 96, output_type=uint256),
                    extract32(body, annex + ((b >> 11) & (MASK_16 << 5)) - 32, output_type=uint256),
                    account_word,
                    oldest,
                    moved,
                )
                if delta != 0:
                    portfolio.shift_legs(key >> 32, legs, delta)
                continue
            delta = orders.execute(
                domain,
                a,
                b,
                0,
                hidden,
                extract32(body, unsafe_add(i << 7, 64), output_type=uint256),
                extract32(body, unsafe_add(i << 7, 96), output_type=uint256),
                account_word,
                oldest,
                moved,
            )
        lane: uint256 = (key & 3) << 6
        if (strikes >> lane) & MASK_64 == 0:
            refusals.because(refusals.SERIES_UNKNOWN)
        word = lanes.add_at(word, lane, delta)
    orders.check_claimed()
    for m: uint256 in range(mandate_count, bound=MAX_MANDATES):
        quotes.keep(extract32(body, annex + m * MANDATE_BYTES, output_type=uint256), spent[m])
    # What the accounts together paid more than they received are the fees.
    portfolio.add_cash(0, pot)
    batches.record(batch, trade_count, order_count != 0)
