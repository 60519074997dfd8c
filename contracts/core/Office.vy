# pragma version 0.4.3
"""
@title Office
@license Apache-2.0
@notice The part of Clearing that no fill waits for: accounts and keys, listings, fixing and settlement of
        expiries, withdrawals and exits, and everything that may be looked up.
@dev Call it through Clearing, which runs this code on its own storage. Called directly it acts on a storage of
     its own, which is empty and stays worthless: the vault obeys Clearing only.
@custom:kill See Clearing.
"""

from core import accounts
from core import actions
from core import exits
from core import listings
from core import models
from core import orders
from core import portfolio
from core import quotes
from core import rounds
from core import state
from lib import fail

initializes: state
uses: accounts
uses: actions
uses: exits
uses: listings
uses: models
uses: orders
uses: portfolio
uses: quotes
uses: rounds

exports: (
    state.GOVERNOR,
    state.TERMS,
    state.anchors,
    state.operator,
    actions.action_count,
    actions.last_batch,
    actions.timing,
    accounts.open_account,
    accounts.register_key,
    accounts.revoke_key,
    accounts.cancel_nonces,
    accounts.account_count,
    accounts.key_state,
    accounts.key_room,
    accounts.cancelled,
    listings.expiry_count,
    listings.expiry_state,
    listings.strikes_of,
    portfolio.claims_of,
    portfolio.cash_of,
    portfolio.MARGIN,
    portfolio.PORTFOLIO,
    portfolio.dust_of,
    portfolio.positions_of,
    models.choose_model,
    models.margin_model,
    models.under_portfolio,
    orders.filled,
    orders.fees_of,
    quotes.check_mandate,
    quotes.mandate_spent,
    quotes.quote_filled,
    exits.request_withdrawal,
    exits.cancel_withdrawal,
    exits.finalise_withdrawal,
    exits.request_exit,
    exits.clear_exit,
    exits.finalise_exit,
)

MAX_ANSWER_BYTES: constant(uint256) = 32 * 8
MAX_HASH_BYTES: constant(uint256) = 32 * 64
MAX_SHEET_BYTES: constant(uint256) = 32 * 512
MASK_32: constant(uint256) = 2**32 - 1
MASK_64: constant(uint256) = 2**64 - 1
SUCCEEDED: constant(uint256) = 1 << 224

interface Blocks:
    def TERMS() -> bytes32: view

event Deposited:
    action_id: uint64
    account: indexed(uint32)
    amount: uint256

event OperatorQueued:
    operator: address
    effective: uint64

event OperatorSet:
    operator: address


BLOCKS: public(immutable(address))
TREASURY: public(immutable(address))


@deploy
def __init__(settings: state.Settings, blocks: address, treasury: address):
    """
    @param settings Those of the Clearing that runs this code.
    @param blocks Code of block trades, deployed under the same settings.
    @param treasury Receives the fees.
    """
    state.__init__(settings)
    if staticcall Blocks(blocks).TERMS() != state.TERMS:
        fail.because("office_settings")
    BLOCKS = blocks
    TREASURY = treasury


@external
@raw_return
def __default__() -> Bytes[MAX_ANSWER_BYTES]:
    """
    @notice Every function of Blocks, and of what that runs in its turn.
    """
    return raw_call(BLOCKS, msg.data, max_outsize=MAX_ANSWER_BYTES, is_delegate_call=True)


@external
def set_operator(operator: address):
    """
    @notice Name another operator, who takes office at the binding time, so that what the present one acknowledged has
            settled by then; naming the present one takes it back. Only the governor.
    """
    if msg.sender != state.GOVERNOR:
        fail.because("only_governor")
    effective: uint256 = actions.binding_time()
    state.successor = SUCCEEDED | (effective << 160) | convert(operator, uint256)
    log OperatorQueued(operator=operator, effective=convert(effective, uint64))


@external
def install_operator():
    """
    @notice Let the operator who was named take office. Anyone, once it binds.
    """
    successor: uint256 = state.successor
    if successor == 0:
        fail.because("operator_unknown")
    if not actions.binds((successor >> 160) & MASK_64):
        fail.because("operator_early")
    state.successor = 0
    state.operator = convert(successor & (2**160 - 1), address)
    log OperatorSet(operator=state.operator)


@external
@view
def succession() -> (bool, address, uint256):
    """
    @notice Whether another operator is named, who, and when they may take office.
    """
    successor: uint256 = state.successor
    return successor != 0, convert(successor & (2**160 - 1), address), (successor >> 160) & MASK_64


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
@nonreentrant
def remit_fees():
    """
    @notice Pay the treasury what account 0 has: settled fees, and whole units that rounding left over. Anyone. No
            account has anything to wait for: nothing of theirs depends on it.
    """
    fees: int256 = portfolio.cash(0)
    if fees <= 0:
        fail.because("nothing_owed")
    exits.pay_out(0, TREASURY, convert(fees, uint256))


@external
def list_expiry(expiry_id: uint16, underlying: uint32, expiry: uint64):
    """
    @notice List the next expiry; ids are dense from 1. Only the operator.
    @param expiry Seconds; a multiple of 1800, so that the oracle keeps the integrals that fix it.
    """
    state.check_operator()
    listings.list_expiry(expiry_id, underlying, expiry)


@external
def list_group(expiry_id: uint16, group: uint8, strikes: uint256):
    """
    @notice List four series, or fill the empty lanes of a group; what is listed never changes. Only the operator.
    @param strikes Four lanes of strike | is_call << 63; 0 leaves a lane empty.
    """
    state.check_operator()
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
    round: uint256 = rounds.checked(round_id, hashes, sheets)
    return portfolio.margin_of(account, portfolio.ledger[account], True, max_value(int256), initial, round, sheets)
