# pragma version 0.4.3
"""
@title Staking
@license Apache-2.0
@notice Tokens locked here vote, by what was locked before a proposal was made, and share the stakers' part of the
        venue's income. Who leaves stops voting and earning at once and is paid after a cooldown, which outlasts any
        proposal that was voted on.
@dev Rewards are whatever arrives. They are shared in 1e-18 units, and what a division leaves over is shared with
     the next: what all accounts are owed and what is left over add up to what arrived, exactly. With nothing staked
     what arrives waits for the first. Nobody has a key to any of it.
@custom:kill None.
"""

ONE: constant(uint256) = 10**18
MASK_128: constant(uint256) = 2**128 - 1
# Halvings that find a place among 2**64 checkpoints.
HALVINGS: constant(uint256) = 64

interface Token:
    def balanceOf(owner: address) -> uint256: view
    def transfer(receiver: address, amount: uint256) -> bool: nonpayable
    def transferFrom(sender: address, receiver: address, amount: uint256) -> bool: nonpayable

struct Leaving:
    amount: uint256
    ripe_at: uint256

event Staked:
    account: indexed(address)
    amount: uint256

event UnstakeRequested:
    account: indexed(address)
    amount: uint256
    ripe_at: uint256

event UnstakeCancelled:
    account: indexed(address)
    amount: uint256

event Unstaked:
    account: indexed(address)
    amount: uint256

event Claimed:
    account: indexed(address)
    amount: uint256

TOKEN: public(immutable(address))
REWARD: public(immutable(address))
COOLDOWN: public(immutable(uint256))

total: public(uint256)
staked: public(HashMap[address, uint256])
leaving: public(HashMap[address, Leaving])

# Rewards for a unit of stake since the beginning, in 1e-18; what the last division left over, in 1e-18 units; and
# rewards in whole units that are in these figures and have not been paid.
per_share: public(uint256)
rest: public(uint256)
counted: public(uint256)
# account -> per_share up to which it is reckoned, and what it was owed by then, in 1e-18 units
_reckoned: HashMap[address, uint256]
_scaled: HashMap[address, uint256]

# account, or nobody for the total -> number -> time << 128 | staked from that time on
_checkpoints: HashMap[address, HashMap[uint256, uint256]]
_checkpoint_count: HashMap[address, uint256]


@deploy
def __init__(token: address, reward: address, cooldown: uint256):
    """
    @param reward Another token; of one balance nobody could tell stakes from rewards.
    @param cooldown Seconds from the request to leave to the payment.
    """
    assert token != reward and cooldown > 0, "parameter_range"
    TOKEN = token
    REWARD = reward
    COOLDOWN = cooldown


# -- stakes ------------------------------------------------------------------------------------------------------------


@external
@nonreentrant
def stake(amount: uint256):
    """
    @notice Lock tokens of the caller.
    """
    assert amount > 0, "amount_zero"
    self._reckon(msg.sender)
    self._set_stake(msg.sender, self.staked[msg.sender] + amount, self.total + amount)
    moved: bool = extcall Token(TOKEN).transferFrom(msg.sender, self, amount, default_return_value=True)
    assert moved, "stake_transfer"
    log Staked(account=msg.sender, amount=amount)


@external
@nonreentrant
def request_unstake(amount: uint256):
    """
    @notice Leave with part of the stake, payable after the cooldown; a second request starts it anew for both.
    """
    assert amount > 0, "amount_zero"
    held: uint256 = self.staked[msg.sender]
    assert amount <= held, "amount_range"
    self._reckon(msg.sender)
    self._set_stake(msg.sender, held - amount, self.total - amount)
    self.leaving[msg.sender].amount += amount
    self.leaving[msg.sender].ripe_at = block.timestamp + COOLDOWN
    log UnstakeRequested(account=msg.sender, amount=amount, ripe_at=block.timestamp + COOLDOWN)


@external
@nonreentrant
def cancel_unstake():
    """
    @notice Stay after all: what was leaving votes and earns again from now on.
    """
    amount: uint256 = self.leaving[msg.sender].amount
    assert amount > 0, "unstake_unknown"
    self._reckon(msg.sender)
    self._set_stake(msg.sender, self.staked[msg.sender] + amount, self.total + amount)
    self.leaving[msg.sender] = empty(Leaving)
    log UnstakeCancelled(account=msg.sender, amount=amount)


@external
@nonreentrant
def unstake():
    """
    @notice Pay the caller what was leaving, once the cooldown has passed.
    """
    gone: Leaving = self.leaving[msg.sender]
    assert gone.amount > 0, "unstake_unknown"
    assert block.timestamp >= gone.ripe_at, "unstake_early"
    self.leaving[msg.sender] = empty(Leaving)
    self._pay(TOKEN, msg.sender, gone.amount)
    log Unstaked(account=msg.sender, amount=gone.amount)


@internal
def _set_stake(account: address, amount: uint256, total: uint256):
    self.staked[account] = amount
    self.total = total
    self._note(account, amount)
    self._note(empty(address), total)


# -- rewards -----------------------------------------------------------------------------------------------------------


@external
@nonreentrant
def claim(account: address):
    """
    @notice Pay an account its rewards in whole units; what is below one stays owed. Anyone may call.
    """
    self._reckon(account)
    amount: uint256 = self._scaled[account] // ONE
    assert amount > 0, "nothing_owed"
    self._scaled[account] -= amount * ONE
    self.counted -= amount
    self._pay(REWARD, account, amount)
    log Claimed(account=account, amount=amount)


@external
@view
def owed(account: address) -> uint256:
    """
    @notice Rewards of an account in 1e-18 units, up to what has arrived.
    """
    per_share: uint256 = 0
    _rest: uint256 = 0
    _counted: uint256 = 0
    per_share, _rest, _counted = self._shared()
    return self._scaled[account] + self.staked[account] * (per_share - self._reckoned[account])


@internal
@view
def _shared() -> (uint256, uint256, uint256):
    """
    @notice `per_share`, `rest` and `counted` once what has arrived is shared.
    """
    held: uint256 = staticcall Token(REWARD).balanceOf(self)
    # A token that takes back what it gave leaves less than is owed; then nothing has arrived.
    if self.total == 0 or held <= self.counted:
        return self.per_share, self.rest, self.counted
    assert held < 2**128, "amount_range"
    scaled: uint256 = self.rest + (held - self.counted) * ONE
    return self.per_share + scaled // self.total, scaled % self.total, held


@internal
def _reckon(account: address):
    self.per_share, self.rest, self.counted = self._shared()
    self._scaled[account] += self.staked[account] * (self.per_share - self._reckoned[account])
    self._reckoned[account] = self.per_share


@internal
def _pay(token: address, receiver: address, amount: uint256):
    moved: bool = extcall Token(token).transfer(receiver, amount, default_return_value=True)
    assert moved, "stake_transfer"


# -- votes -------------------------------------------------------------------------------------------------------------


@external
@view
def votes_at(account: address, time: uint256) -> uint256:
    """
    @notice What an account had staked at the end of a second that has passed.
    """
    return self._at(account, time)


@external
@view
def total_at(time: uint256) -> uint256:
    """
    @notice What all had staked at the end of a second that has passed.
    """
    return self._at(empty(address), time)


@internal
def _note(account: address, amount: uint256):
    count: uint256 = self._checkpoint_count[account]
    word: uint256 = (block.timestamp << 128) | amount
    if count > 0 and self._checkpoints[account][count - 1] >> 128 == block.timestamp:
        self._checkpoints[account][count - 1] = word
        return
    self._checkpoints[account][count] = word
    self._checkpoint_count[account] = count + 1


@internal
@view
def _at(account: address, time: uint256) -> uint256:
    # The present second may still change.
    assert time < block.timestamp, "time_future"
    low: uint256 = 0
    high: uint256 = self._checkpoint_count[account]
    # The first checkpoint after `time` is in low..high.
    for _: uint256 in range(HALVINGS):
        if low == high:
            break
        middle: uint256 = (low + high) // 2
        if self._checkpoints[account][middle] >> 128 <= time:
            low = middle + 1
        else:
            high = middle
    if low == 0:
        return 0
    return self._checkpoints[account][low - 1] & MASK_128
