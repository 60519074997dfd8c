# pragma version 0.4.3
"""
@title A token that cheats
@notice What a bond or a deposit must survive: fees, lies, refusals, and a call back into whoever moves it.
"""

HONEST: constant(uint256) = 0
FEE: constant(uint256) = 1
LIE: constant(uint256) = 2
REFUSE: constant(uint256) = 3
CALL_BACK: constant(uint256) = 4

mode: public(uint256)
victim: public(address)
message: public(Bytes[4096])
answered: public(bool)
balanceOf: public(HashMap[address, uint256])


@external
def behave(mode: uint256, victim: address, message: Bytes[4096]):
    self.mode = mode
    self.victim = victim
    self.message = message
    self.answered = False


@external
def mint(receiver: address, amount: uint256):
    self.balanceOf[receiver] += amount


@external
def transfer(receiver: address, amount: uint256) -> bool:
    return self._move(msg.sender, receiver, amount)


@external
def transferFrom(sender: address, receiver: address, amount: uint256) -> bool:
    return self._move(sender, receiver, amount)


@internal
def _move(sender: address, receiver: address, amount: uint256) -> bool:
    if self.mode == REFUSE:
        return False
    if self.mode == LIE:
        return True
    if self.mode == CALL_BACK:
        done: bool = raw_call(self.victim, self.message, revert_on_failure=False)
        self.answered = done
    fee: uint256 = 0
    if self.mode == FEE:
        fee = 1
    self.balanceOf[sender] -= amount
    self.balanceOf[receiver] += amount - fee
    return True
