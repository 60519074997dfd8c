# pragma version 0.4.3
"""
@title Clearing
@license Apache-2.0
@notice The ledger of the venue: accounts, cash and positions. A batch of fills is taken whole or not at all,
        and only with the operator's signature over the batch and the trader's signature over every order.
@dev Composed of modules: `actions` numbers and queues, `accounts` holds owners and keys, `listings` the
     series, `rounds` reads the oracle, `portfolio` holds cash, positions and margin, `orders` checks what
     was signed, `exits` lets collateral out.
@custom:kill The governor may replace the operator by an address without a key; after the operator timeout
     everything queued binds at once, and exits, fixing and expiry settlement go on without it.
"""

from core import accounts
from core import actions
from core import exits
from core import listings
from core import orders
from core import portfolio
from core import rounds
from lib import ecdsa
from lib import eip712
from lib import fail
from lib import fees
from lib import lanes
from risk import standard

initializes: actions
initializes: fees
initializes: rounds
initializes: standard
initializes: accounts[actions := actions]
initializes: listings[actions := actions]
initializes: portfolio[actions := actions, listings := listings, standard := standard]
initializes: orders[actions := actions, accounts := accounts, fees := fees]
initializes: exits[actions := actions, accounts := accounts, portfolio := portfolio, rounds := rounds]

exports: (
    actions.action_count,
    actions.last_batch,
    actions.timing,
    accounts.open_account,
    accounts.register_key,
    accounts.revoke_key,
    accounts.cancel_nonces,
    accounts.account_count,
    accounts.key_state,
    accounts.cancelled,
    listings.expiry_count,
    listings.expiry_state,
    listings.strikes_of,
    portfolio.cash_of,
    portfolio.MARGIN,
    portfolio.dust_of,
    portfolio.positions_of,
    orders.filled,
    orders.fees_of,
    exits.request_withdrawal,
    exits.cancel_withdrawal,
    exits.finalise_withdrawal,
    exits.request_exit,
    exits.clear_exit,
    exits.finalise_exit,
)

MAX_ORDERS: constant(uint256) = 256
MAX_TRADES: constant(uint256) = 256
MAX_BODY_BYTES: constant(uint256) = 128 * MAX_ORDERS + 32 * MAX_TRADES
MAX_HASH_BYTES: constant(uint256) = 32 * 64
MAX_SHEET_BYTES: constant(uint256) = 32 * 512
MASK_64: constant(uint256) = 2**64 - 1
MASK_30: constant(uint256) = 2**30 - 1
MASK_16: constant(uint256) = 2**16 - 1
MASK_32: constant(uint256) = 2**32 - 1

BATCH_TYPE: constant(bytes32) = keccak256(
    "Batch(uint64 batchId,uint64 roundId,uint64 deadline,uint64 journalSize,bytes32 journalRoot,bytes32 content)"
)

interface Margin:
    def parameters() -> standard.Parameters: view

# What the operator signs, apart from the content, which is hashed from the calldata.
struct Batch:
    batch_id: uint64
    round_id: uint64
    deadline: uint64
    journal_size: uint64
    journal_root: bytes32

struct Settings:
    governor: address
    operator: address
    vault: address
    oracle: address
    margin: address
    window: uint256
    operator_timeout: uint256
    max_round_age: uint256
    taker_rate: uint256
    maker_rate: int256
    fee_cap: uint256

event Deposited:
    action_id: uint64
    account: indexed(uint32)
    amount: uint256

event BatchSettled:
    batch_id: indexed(uint64)
    action_id: uint64
    trades: uint256
    journal_size: uint64
    journal_root: bytes32

event OperatorSet:
    operator: address

GOVERNOR: public(immutable(address))

operator: public(address)

# batch_id -> root of the journal when the batch was made
anchors: public(HashMap[uint256, bytes32])


@deploy
def __init__(settings: Settings):
    """
    @param settings Addresses, times in seconds, and fee rates in 1e-18.
    """
    actions.__init__(settings.window, settings.operator_timeout)
    fees.__init__(settings.taker_rate, settings.maker_rate, settings.fee_cap)
    # The same module under the same parameters answers in Margin, where anyone may ask.
    standard.__init__(staticcall Margin(settings.margin).parameters())
    portfolio.__init__(settings.margin)
    rounds.__init__(settings.oracle, settings.max_round_age)
    exits.__init__(settings.vault)
    GOVERNOR = settings.governor
    self.operator = settings.operator


@external
def set_operator(operator: address):
    """
    @notice Replace the operator. Only the governor.
    """
    if msg.sender != GOVERNOR:
        fail.because("only_governor")
    self.operator = operator
    log OperatorSet(operator=operator)


@external
def credit(account: uint32, amount: uint256):
    """
    @notice Credit tokens that have arrived in the vault. Only the vault.
    """
    if msg.sender != exits.vault():
        fail.because("only_vault")
    if accounts.owner_of(account) == empty(address):
        fail.because("account_unknown")
    if amount >= 2**126:
        fail.because("amount_range")
    portfolio.add_cash(convert(account, uint256), convert(amount, int256))
    log Deposited(action_id=actions.next(), account=account, amount=amount)


@external
def list_expiry(expiry_id: uint16, underlying: uint32, expiry: uint64):
    """
    @notice List the next expiry; ids are dense from 1. Only the operator.
    @param expiry Seconds; a multiple of 1800, so that the oracle keeps the integrals that fix it.
    """
    if msg.sender != self.operator:
        fail.because("only_operator")
    listings.list_expiry(expiry_id, underlying, expiry)


@external
def list_group(expiry_id: uint16, group: uint8, strikes: uint256):
    """
    @notice List four series, or fill the empty lanes of a group; what is listed never changes. Only the operator.
    @param strikes Four lanes of strike | is_call << 63; 0 leaves a lane empty.
    """
    if msg.sender != self.operator:
        fail.because("only_operator")
    listings.list_group(expiry_id, group, strikes)


@external
def fix_expiry(expiry_id: uint16):
    """
    @notice Fix an expiry at the oracle's 30-minute average. Anyone may call once the oracle knows it.
    """
    number: uint256 = convert(expiry_id, uint256)
    info: uint256 = listings.expiries[number]
    if info == 0:
        fail.because("expiry_unknown")
    if listings.is_fixed(number):
        fail.because("expiry_fixed")
    if block.timestamp < info & MASK_64:
        fail.because("expiry_early")
    listings.fix(expiry_id, rounds.settlement_price((info >> 64) & MASK_32, info & MASK_64))


@external
def settle_expiry(expiry_id: uint16, account_ids: DynArray[uint32, 256]):
    """
    @notice Turn the positions of accounts in a fixed expiry into cash. Anyone may call, after the time that
            acknowledged fills have to settle. Accounts without positions are passed over.
    """
    number: uint256 = convert(expiry_id, uint256)
    if not listings.is_fixed(number):
        fail.because("expiry_unfixed")
    if not actions.binds((listings.expiries[number] & MASK_64) + actions.window() + 1):
        fail.because("expiry_early")
    price: uint256 = listings.fixing(number)
    dust: uint256 = 0
    for account: uint32 in account_ids:
        dust += portfolio.settle_account(convert(account, uint256), number, price)
    portfolio.collect_dust(number, dust)


@external
def settle_signed(
    batch: Batch,
    operator_r: uint256,
    operator_vs: uint256,
    order_count: uint256,
    body: Bytes[MAX_BODY_BYTES],
    hashes: Bytes[MAX_HASH_BYTES],
    sheets: Bytes[MAX_SHEET_BYTES],
):
    """
    @notice Settle a batch of fills, all or nothing. Anyone may send what the operator has signed. A batch
            without orders is a heartbeat.
    @param body `order_count` orders of four words each, in ascending account and series and with replaced
           orders before those that replace them, then the trades of one word each. See `orders`.
    @param hashes All sheet hashes of the round, concatenated.
    @param sheets The sheets that the margin checks need, concatenated, in the round's order.
    """
    domain: bytes32 = eip712.separator()
    self._check_batch(batch, domain, keccak256(body), operator_r, operator_vs)
    if order_count > MAX_ORDERS or len(body) < order_count << 7:
        fail.because("batch_format")
    trade_count: uint256 = (len(body) - (order_count << 7)) >> 5
    if (order_count << 7) + (trade_count << 5) != len(body) or trade_count > MAX_TRADES:
        fail.because("batch_format")

    # First the trades. Of each order, the cash its account receives above 64 bits of filled quantity.
    tally: uint256[MAX_ORDERS] = empty(uint256[MAX_ORDERS])
    for t: uint256 in range(trade_count, bound=MAX_TRADES):
        trade: uint256 = extract32(body, unsafe_add(order_count << 7, t << 5), output_type=uint256)
        maker: uint256 = trade >> 240
        taker: uint256 = (trade >> 224) & MASK_16
        if maker >= order_count or taker >= order_count:
            fail.because("batch_format")
        for_maker: uint256 = 0
        for_taker: uint256 = 0
        for_maker, for_taker = orders.match(
            trade,
            extract32(body, maker << 7, output_type=uint256),
            extract32(body, taker << 7, output_type=uint256),
        )
        tally[maker] = unsafe_add(tally[maker], for_maker)
        tally[taker] = unsafe_add(tally[taker], for_taker)

    stable: uint256 = 0
    if order_count != 0:
        stable = rounds.stable_of(convert(batch.round_id, uint256), hashes, sheets)
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
            fail.because("order_sequence")
        if key >> 2 != last >> 2 or i == 0:
            if i != 0:
                portfolio.store(last >> 2, held, word)
            if key >> 32 != last >> 32 or i == 0:
                if i != 0:
                    ledger: int256 = portfolio.ledger[last >> 32] + cash_delta * 2**128
                    portfolio.ledger[last >> 32] = ledger
                    pot = unsafe_sub(pot, cash_delta)
                    # A lower bound first: most accounts pass without the netting of their positions.
                    margin: int256 = portfolio.margin_of(last >> 32, ledger, False, True, stable, sheets)
                    if margin < 0:
                        margin = portfolio.margin_of(last >> 32, ledger, True, True, stable, sheets)
                    if margin < 0:
                        # Not sufficient, so it must be no worse than before: undo, look, and do again.
                        for undo: bool in [True, False]:
                            for j: uint256 in range(first, i, bound=MAX_ORDERS):
                                order: uint256 = extract32(body, j << 7, output_type=uint256)
                                delta: int256 = convert(tally[j] & MASK_64, int256)
                                if (order & 1 == 1) == undo:
                                    delta = -delta
                                portfolio.shift_lane(order >> 192, delta)
                            if undo:
                                ledger = portfolio.ledger[last >> 32] - cash_delta * 2**128
                                if margin < portfolio.margin_of(last >> 32, ledger, True, True, stable, sheets):
                                    fail.because("account_margin")
                if i == order_count:
                    break
                first = i
                cash_delta = 0
                account_word = accounts.words[key >> 32]
                accounts.check_active(account_word)
            if (key >> 16) & MASK_16 != expiry_id:
                expiry_id = (key >> 16) & MASK_16
                listings.check_tradable(expiry_id)
            strikes = listings.strikes[(key >> 2) & MASK_30]
            held = portfolio.positions[key >> 2]
            word = held
        if (strikes >> ((key & 3) << 6)) & MASK_64 == 0:
            fail.because("series_unknown")
        delta: int256 = orders.execute(
            domain,
            a,
            extract32(body, unsafe_add(i << 7, 32), output_type=uint256),
            extract32(body, unsafe_add(i << 7, 64), output_type=uint256),
            extract32(body, unsafe_add(i << 7, 96), output_type=uint256),
            account_word,
            tally[i] & MASK_64,
        )
        word = lanes.add(word, key & 3, delta)
        cash_delta = unsafe_add(cash_delta, convert(convert(tally[i], bytes32), int256) >> 64)
    # What the accounts together paid more than they received are the fees.
    portfolio.add_cash(0, pot)
    self._record_batch(batch, trade_count, order_count != 0)


@internal
@view
def _check_batch(batch: Batch, domain: bytes32, content: bytes32, r: uint256, vs: uint256):
    head: uint256 = actions.head
    if convert(batch.batch_id, uint256) != (head >> 192) + 1:
        fail.because("batch_id")
    if block.timestamp > convert(batch.deadline, uint256):
        fail.because("batch_deadline")
    if convert(batch.round_id, uint256) < (head >> 128) & MASK_64:
        fail.because("round_order")
    if convert(batch.journal_size, uint256) < head & MASK_64:
        fail.because("journal_size")
    digest: bytes32 = eip712.digest(
        domain,
        keccak256(
            abi_encode(
                BATCH_TYPE,
                batch.batch_id,
                batch.round_id,
                batch.deadline,
                batch.journal_size,
                batch.journal_root,
                content,
            )
        ),
    )
    signer: address = ecdsa.recover(digest, r, vs)
    if signer == empty(address) or signer != self.operator:
        fail.because("operator_signature")


@internal
def _record_batch(batch: Batch, trades: uint256, priced: bool):
    # A heartbeat checks no prices, so it must not move the round that later batches are compared with.
    round_id: uint256 = convert(batch.round_id, uint256)
    if not priced:
        round_id = (actions.head >> 128) & MASK_64
    actions.head = (
        (convert(batch.batch_id, uint256) << 192)
        | (round_id << 128)
        | (block.timestamp << 64)
        | convert(batch.journal_size, uint256)
    )
    self.anchors[convert(batch.batch_id, uint256)] = batch.journal_root
    log BatchSettled(
        batch_id=batch.batch_id,
        action_id=actions.next(),
        trades=trades,
        journal_size=batch.journal_size,
        journal_root=batch.journal_root,
    )


@external
@view
def account_state(account: uint256) -> (address, int256, uint256, uint256, uint256, uint256):
    """
    @notice Owner, cash, time from which it is frozen (0: not), bits of live expiries, amount of the requested
            withdrawal and its binding time.
    """
    word: uint256 = accounts.words[account]
    request: uint256 = exits.requests[account]
    return (
        convert(word & (2**160 - 1), address),
        portfolio.cash(account),
        (word >> 160) & MASK_64,
        portfolio.live(account),
        request & (2**128 - 1),
        request >> 128,
    )


@external
@view
def margin_of(
    account: uint256,
    initial: bool,
    round_id: uint256,
    hashes: Bytes[MAX_HASH_BYTES],
    sheets: Bytes[MAX_SHEET_BYTES],
) -> int256:
    """
    @notice Cash and claims less the requirement at a fresh round, in 1e-6 USDC.
    """
    stable: uint256 = rounds.stable_of(round_id, hashes, sheets)
    return portfolio.margin_of(account, portfolio.ledger[account], True, initial, stable, sheets)
