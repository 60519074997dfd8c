# pragma version 0.4.3
"""
@title Exits
@license Apache-2.0
@notice How collateral leaves: withdrawal in two steps, and a forced exit that needs nobody's help.
@dev Amounts in 1e-6 USDC. A request binds one settlement window later, so that fills already acknowledged
     settle first; then anyone may finalise it. With positions the caller shows the price sheets of the newest
     round, or of one of the last moments.
@custom:kill None, by design.
"""

from core import accounts
from core import actions
from core import portfolio
from core import rounds
from lib import fail

uses: actions
uses: accounts
uses: portfolio
uses: rounds

MAX_HASH_BYTES: constant(uint256) = 32 * 64
MAX_SHEET_BYTES: constant(uint256) = 32 * 512
MASK_128: constant(uint256) = 2**128 - 1
MAX_AMOUNT: constant(uint256) = 2**126

interface Vault:
    def release(receiver: address, amount: uint256): nonpayable

event WithdrawalRequested:
    action_id: uint64
    account: indexed(uint32)
    amount: uint256
    effective: uint64

event WithdrawalCancelled:
    action_id: uint64
    account: indexed(uint32)
    amount: uint256

event Withdrawn:
    action_id: uint64
    account: indexed(uint32)
    amount: uint256

event ExitRequested:
    action_id: uint64
    account: indexed(uint32)
    effective: uint64

event ExitCleared:
    action_id: uint64
    account: indexed(uint32)

VAULT: immutable(address)

# account -> effective time << 128 | amount; 0 when nothing is requested
requests: HashMap[uint256, uint256]


@deploy
def __init__(vault: address):
    VAULT = vault


@internal
@view
def vault() -> address:
    """
    @notice The custodian.
    """
    return VAULT


@external
def request_withdrawal(account: uint32, amount: uint256):
    """
    @notice Ask for `amount`. One request at a time; only the owner.
    """
    accounts.check_owner(account)
    if amount == 0 or amount >= MAX_AMOUNT:
        fail.because("amount_range")
    if self.requests[convert(account, uint256)] != 0:
        fail.because("withdrawal_pending")
    effective: uint256 = actions.binding_time()
    self.requests[convert(account, uint256)] = (effective << 128) | amount
    log WithdrawalRequested(
        action_id=actions.next(), account=account, amount=amount, effective=convert(effective, uint64)
    )


@external
def cancel_withdrawal(account: uint32):
    """
    @notice Take a request back, at once. It frees collateral, so no fill can depend on it.
    """
    accounts.check_owner(account)
    if self.requests[convert(account, uint256)] == 0:
        fail.because("withdrawal_unknown")
    self._drop_request(account)


@internal
def _drop_request(account: uint32):
    amount: uint256 = self.requests[convert(account, uint256)] & MASK_128
    self.requests[convert(account, uint256)] = 0
    log WithdrawalCancelled(action_id=actions.next(), account=account, amount=amount)


@external
@nonreentrant
def finalise_withdrawal(
    account: uint32, round_id: uint256, hashes: Bytes[MAX_HASH_BYTES], sheets: Bytes[MAX_SHEET_BYTES]
):
    """
    @notice Pay a request that is in force to the owner, if initial margin still holds without it. Anyone may
            call. The round and its sheets are read only for an account with positions.
    """
    key: uint256 = convert(account, uint256)
    request: uint256 = self.requests[key]
    if request == 0:
        fail.because("withdrawal_unknown")
    if not actions.binds(request >> 128):
        fail.because("withdrawal_early")
    amount: uint256 = request & MASK_128
    if self._free(key, convert(amount, int256), round_id, hashes, sheets) < convert(amount, int256):
        fail.because("account_margin")
    self.requests[key] = 0
    self.pay_out(account, accounts.owner_of(account), amount)


@external
def request_exit(account: uint32):
    """
    @notice Leave: the account stops trading at the binding time, and may be emptied from then on. Only the owner.
    """
    accounts.check_owner(account)
    if accounts.frozen_from(account) != 0:
        fail.because("exit_pending")
    effective: uint256 = actions.binding_time()
    accounts.set_frozen(account, effective)
    log ExitRequested(action_id=actions.next(), account=account, effective=convert(effective, uint64))


@external
def clear_exit(account: uint32):
    """
    @notice Stay after all: the account may trade again at once. Only the owner.
    """
    accounts.check_owner(account)
    if accounts.frozen_from(account) == 0:
        fail.because("exit_unknown")
    self._clear_exit(account)


@internal
def _clear_exit(account: uint32):
    accounts.set_frozen(account, 0)
    log ExitCleared(action_id=actions.next(), account=account)


@external
@nonreentrant
def finalise_exit(
    account: uint32, round_id: uint256, hashes: Bytes[MAX_HASH_BYTES], sheets: Bytes[MAX_SHEET_BYTES]
):
    """
    @notice Pay all free collateral of an account whose exit is in force to its owner. Anyone may call, again
            and again while positions expire; with the last of them gone the exit is over.
    """
    key: uint256 = convert(account, uint256)
    effective: uint256 = accounts.frozen_from(account)
    if effective == 0:
        fail.because("exit_unknown")
    if not actions.binds(effective):
        fail.because("exit_early")
    free: int256 = self._free(key, max_value(int256), round_id, hashes, sheets)
    if self.requests[key] != 0:
        self._drop_request(account)
    if portfolio.live(key) == 0:
        self._clear_exit(account)
    else:
        if free <= 0:
            fail.because("nothing_free")
    if free > 0:
        self.pay_out(account, accounts.owner_of(account), convert(free, uint256))


@internal
@view
def _free(
    account: uint256,
    wanted: int256,
    round_id: uint256,
    hashes: Bytes[MAX_HASH_BYTES],
    sheets: Bytes[MAX_SHEET_BYTES],
) -> int256:
    """
    @notice Cash that may leave: no more than there is, no more than initial margin leaves over.
    @param wanted How much is asked for; it need not be more exact than that.
    """
    ledger: int256 = portfolio.ledger[account]
    cash: int256 = ledger >> 128
    if portfolio.live(account) == 0:
        return cash
    # Claims of fixed expiries need no prices; a caller without sheets reads no round.
    round: uint256 = rounds.NO_ROUND
    if len(sheets) != 0:
        rounds.check_recent(round_id)
        round = rounds.checked(round_id, hashes, sheets)
    return min(cash, portfolio.margin_of(account, ledger, True, min(cash, wanted), True, round, sheets))


@internal
def pay_out(account: uint32, receiver: address, amount: uint256):
    """
    @notice Debit an account and have the vault pay. Whoever calls has checked that it may leave.
    """
    portfolio.add_cash(convert(account, uint256), -convert(amount, int256))
    log Withdrawn(action_id=actions.next(), account=account, amount=amount)
    extcall Vault(VAULT).release(receiver, amount)
