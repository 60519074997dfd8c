# pragma version 0.4.3
"""
@title Treasury
@license Apache-2.0
@notice Where the venue's income goes: fees that Clearing remits, tokens sent to the vault without a deposit, what
        slashed operators lose, and gifts. Each unit that arrives is owed to one of four parts: insurance, stakers,
        reserve and operator, by shares that add up to one.
@dev It asks nobody where tokens came from: what it holds beyond what it owes is income. Anyone may divide and pay out;
     it goes to the receivers. A part without a receiver keeps what it is owed here. A receiver that refuses keeps
     waiting and stops nobody else. Amounts in token units, shares in 1e-18.
@custom:kill None. The governor changes shares and receivers and spends the reserve; it cannot take what it does not owe.
"""

from lib import apportion

INSURANCE: constant(uint256) = 0
STAKERS: constant(uint256) = 1
RESERVE: constant(uint256) = 2
OPERATOR: constant(uint256) = 3
PARTS: constant(uint256) = 4
ONE: constant(uint256) = 10**18

interface Token:
    def balanceOf(owner: address) -> uint256: view
    def transfer(receiver: address, amount: uint256) -> bool: nonpayable

event Divided:
    amount: uint256
    parts: uint256[PARTS]

event Paid:
    part: indexed(uint256)
    receiver: indexed(address)
    amount: uint256

event Spent:
    receiver: indexed(address)
    amount: uint256

event ShareSet:
    part: indexed(uint256)
    share: uint256

event ReceiverSet:
    part: indexed(uint256)
    receiver: indexed(address)

TOKEN: public(immutable(address))
GOVERNOR: public(immutable(address))

# What is owed to each part and has not left, in whole units; and what rounding owes it beyond that, in 1e-18.
owed: public(uint256[PARTS])
credits: public(int256[PARTS])
shares: public(uint256[PARTS])
receivers: public(address[PARTS])


@deploy
def __init__(token: address, governor: address, shares: uint256[PARTS], receivers: address[PARTS]):
    """
    @param shares Of insurance, stakers, reserve and operator, together 1e18.
    @param receivers Of the same; empty: to be named. The reserve has none, it is spent by the governor.
    """
    total: uint256 = 0
    for share: uint256 in shares:
        assert share <= ONE, "parameter_range"
        total += share
    assert total == ONE and receivers[RESERVE] == empty(address), "parameter_range"
    TOKEN = token
    GOVERNOR = governor
    self.shares = shares
    self.receivers = receivers


@external
@nonreentrant
def divide() -> uint256:
    """
    @notice Owe to the parts what has arrived since the last call. Anyone.
    @return How much that was.
    """
    return self._divide()


@internal
def _divide() -> uint256:
    held: uint256 = staticcall Token(TOKEN).balanceOf(self)
    # A token that takes back what it gave leaves less here than is owed; then nothing is income.
    owed: uint256[PARTS] = self.owed
    due: uint256 = owed[0] + owed[1] + owed[2] + owed[3]
    if held <= due:
        return 0
    given: uint256[PARTS] = empty(uint256[PARTS])
    given, self.credits = apportion.divide(held - due, self.shares, self.credits)
    for part: uint256 in range(PARTS):
        owed[part] += given[part]
    self.owed = owed
    log Divided(amount=held - due, parts=given)
    return held - due


@external
@nonreentrant
def pay(part: uint256):
    """
    @notice Pay a part what it is owed. Anyone may call; it goes to the receiver.
    """
    assert part < PARTS, "part_unknown"
    receiver: address = self.receivers[part]
    assert receiver != empty(address), "part_unknown"
    self._divide()
    amount: uint256 = self.owed[part]
    assert amount > 0, "nothing_owed"
    self.owed[part] = 0
    self._move(receiver, amount)
    log Paid(part=part, receiver=receiver, amount=amount)


@external
@nonreentrant
def spend(receiver: address, amount: uint256):
    """
    @notice Pay out of the reserve, and of nothing else. Only the governor.
    """
    assert msg.sender == GOVERNOR, "only_governor"
    assert receiver != empty(address), "part_unknown"
    assert amount > 0, "amount_zero"
    self._divide()
    assert amount <= self.owed[RESERVE], "nothing_owed"
    self.owed[RESERVE] -= amount
    self._move(receiver, amount)
    log Spent(receiver=receiver, amount=amount)


@external
@nonreentrant
def set_share(part: uint256, share: uint256):
    """
    @notice Change the share of a part; the reserve takes or gives the difference. What has arrived is divided first,
            by the old shares. Only the governor.
    """
    assert msg.sender == GOVERNOR, "only_governor"
    assert part < PARTS and part != RESERVE, "part_unknown"
    self._divide()
    rest: uint256 = self.shares[RESERVE] + self.shares[part]
    assert share <= rest, "parameter_range"
    self.shares[part] = share
    self.shares[RESERVE] = rest - share
    log ShareSet(part=part, share=share)


@external
def set_receiver(part: uint256, receiver: address):
    """
    @notice Name who receives a part from now on, and what it is owed already. Only the governor.
    """
    assert msg.sender == GOVERNOR, "only_governor"
    assert part < PARTS and part != RESERVE, "part_unknown"
    self.receivers[part] = receiver
    log ReceiverSet(part=part, receiver=receiver)


@external
@view
def share_of(part: uint256) -> uint256:
    """
    @notice Share of a part, in 1e-18.
    """
    return self.shares[part]


@internal
def _move(receiver: address, amount: uint256):
    moved: bool = extcall Token(TOKEN).transfer(receiver, amount, default_return_value=True)
    assert moved, "treasury_transfer"
