# pragma version 0.4.3
"""
@title Vault
@license Apache-2.0
@notice Sole custodian of the collateral. Tokens enter by `deposit`, which credits an account in Clearing, and
        leave only when Clearing releases them. Tokens that came by any other way are the treasury's.
@dev Amounts in 1e-6 USDC.
@custom:kill The guardian may lower the cap of deposits, or pause them for a while, and not again for as long. Nothing here
             can stop a release.
"""

interface Token:
    def balanceOf(owner: address) -> uint256: view
    def transfer(receiver: address, amount: uint256) -> bool: nonpayable
    def transferFrom(sender: address, receiver: address, amount: uint256) -> bool: nonpayable

interface Clearing:
    def credit(account: uint32, amount: uint256): nonpayable

event Paused:
    until: uint256

event GuardianSet:
    guardian: address

event CapChanged:
    cap: uint256

event ClearingSet:
    clearing: address

event Skimmed:
    amount: uint256

# Seconds for which deposits can be paused. Who must add margin can wait no longer for somebody to relent.
PAUSE: public(constant(uint256)) = 3 * 86_400

TOKEN: public(immutable(address))
GOVERNOR: public(immutable(address))
DEPLOYER: public(immutable(address))
TREASURY: public(immutable(address))

# Tokens that accounts and the treasury own by the books of Clearing.
held: public(uint256)
clearing: public(address)
cap: public(uint256)
guardian: public(address)
paused_until: public(uint256)


@deploy
def __init__(token: address, governor: address, guardian: address, treasury: address, cap: uint256):
    """
    @param governor May change the cap and the guardian.
    @param guardian May pause deposits and lower the cap.
    @param treasury Receives what nobody deposited.
    @param cap Most tokens the vault accepts in all.
    """
    TOKEN = token
    GOVERNOR = governor
    DEPLOYER = msg.sender
    self.guardian = guardian
    TREASURY = treasury
    self.cap = cap


@external
def set_clearing(clearing: address):
    """
    @notice Name the one contract that may release tokens. Only the deployer, once; there is no second Clearing.
    """
    assert msg.sender == DEPLOYER, "only_deployer"
    assert self.clearing == empty(address), "clearing_set"
    assert clearing != empty(address), "clearing_set"
    self.clearing = clearing
    log ClearingSet(clearing=clearing)


@external
def set_cap(cap: uint256):
    """
    @notice Change the most tokens the vault accepts; the guardian only lowers it. Tokens above a lowered cap stay and
            may leave.
    """
    assert msg.sender == GOVERNOR or (msg.sender == self.guardian and cap <= self.cap), "only_governor"
    self.cap = cap
    log CapChanged(cap=cap)


@external
def pause():
    """
    @notice Stop deposits for three days. Only the guardian, and not again for three days after that.
    """
    assert msg.sender == self.guardian, "only_guardian"
    last: uint256 = self.paused_until
    assert last == 0 or block.timestamp >= last + PAUSE, "pause_early"
    self.paused_until = block.timestamp + PAUSE
    log Paused(until=block.timestamp + PAUSE)


@external
def resume():
    """
    @notice End a pause. Only the guardian.
    """
    assert msg.sender == self.guardian, "only_guardian"
    assert block.timestamp < self.paused_until, "pause_over"
    self.paused_until = block.timestamp
    log Paused(until=block.timestamp)


@external
def set_guardian(guardian: address):
    """
    @notice Replace the guardian. Only the governor.
    """
    assert msg.sender == GOVERNOR, "only_governor"
    self.guardian = guardian
    log GuardianSet(guardian=guardian)


@external
@nonreentrant
def deposit(account: uint32, amount: uint256):
    """
    @notice Move `amount` of the caller's tokens into the vault and credit it to `account`, whoever owns it.
    """
    assert block.timestamp >= self.paused_until, "vault_paused"
    assert amount > 0, "amount_zero"
    before: uint256 = staticcall Token(TOKEN).balanceOf(self)
    # Not the balance: a gift must not close the door on those who come after.
    assert self.held + amount <= self.cap, "vault_cap"
    moved: bool = extcall Token(TOKEN).transferFrom(msg.sender, self, amount, default_return_value=True)
    assert moved, "vault_transfer"
    # A token that takes a fee or lies would leave accounts richer than the vault.
    assert staticcall Token(TOKEN).balanceOf(self) - before == amount, "vault_delta"
    self.held += amount
    extcall Clearing(self.clearing).credit(account, amount)


@external
@nonreentrant
def release(receiver: address, amount: uint256):
    """
    @notice Pay out. Only Clearing, which has already debited the account.
    """
    assert msg.sender == self.clearing, "only_clearing"
    self.held -= amount
    moved: bool = extcall Token(TOKEN).transfer(receiver, amount, default_return_value=True)
    assert moved, "vault_transfer"


@external
@nonreentrant
def skim():
    """
    @notice Send the treasury what arrived without a deposit. Anyone; what accounts own stays.
    """
    balance: uint256 = staticcall Token(TOKEN).balanceOf(self)
    assert balance > self.held, "nothing_owed"
    amount: uint256 = balance - self.held
    moved: bool = extcall Token(TOKEN).transfer(TREASURY, amount, default_return_value=True)
    assert moved, "vault_transfer"
    log Skimmed(amount=amount)
