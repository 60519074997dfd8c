# pragma version 0.4.3
"""
@title Verbatim
@license Apache-2.0
@notice The token of the venue: ERC-20 with permit (EIP-2612). All of it is made at deployment; none can be made,
        frozen or taken afterwards, and nobody owns the contract. It votes and earns where it is staked, see `Staking`.
        It is no collateral.
@custom:kill None.
"""

from lib import ecdsa
from lib import eip712

PERMIT_TYPE: constant(bytes32) = keccak256(
    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
)

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    amount: uint256

event Approval:
    owner: indexed(address)
    spender: indexed(address)
    amount: uint256

# As the EIP-712 domain says it, which wallets compose from these.
name: public(constant(String[8])) = "Verbatim"
version: public(constant(String[1])) = "1"
symbol: public(constant(String[4])) = "VBTM"
decimals: public(constant(uint8)) = 18

totalSupply: public(immutable(uint256))
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
nonces: public(HashMap[address, uint256])


@deploy
def __init__(supply: uint256, receiver: address):
    """
    @param receiver Owns all of it at first.
    """
    assert supply > 0 and supply < 2**127 and receiver != empty(address), "parameter_range"
    totalSupply = supply
    self.balanceOf[receiver] = supply
    log Transfer(sender=empty(address), receiver=receiver, amount=supply)


@external
def approve(spender: address, amount: uint256) -> bool:
    """
    @notice Let `spender` move up to `amount` of the caller's tokens.
    """
    self._approve(msg.sender, spender, amount)
    return True


@external
def permit(
    owner: address, spender: address, amount: uint256, deadline: uint256, v: uint8, r: bytes32, s: bytes32
):
    """
    @notice Approve by a signature of the owner, good once and until `deadline`. Anyone may carry it.
    """
    assert block.timestamp <= deadline, "permit_expired"
    assert (v == 27 or v == 28) and convert(s, uint256) < 2**255, "permit_signature"
    nonce: uint256 = self.nonces[owner]
    digest: bytes32 = eip712.digest(
        eip712.separator(), keccak256(abi_encode(PERMIT_TYPE, owner, spender, amount, nonce, deadline))
    )
    parity: uint256 = convert(v, uint256) - 27
    signer: address = ecdsa.recover(digest, convert(r, uint256), convert(s, uint256) | (parity << 255))
    assert signer != empty(address) and signer == owner, "permit_signature"
    self.nonces[owner] = nonce + 1
    self._approve(owner, spender, amount)


@external
def transfer(receiver: address, amount: uint256) -> bool:
    """
    @notice Move tokens of the caller.
    """
    self._move(msg.sender, receiver, amount)
    return True


@external
def transferFrom(sender: address, receiver: address, amount: uint256) -> bool:
    """
    @notice Move tokens of `sender` within the caller's allowance; an allowance of all ones is not used up.
    """
    allowed: uint256 = self.allowance[sender][msg.sender]
    assert allowed >= amount, "token_allowance"
    if allowed != max_value(uint256):
        self._approve(sender, msg.sender, allowed - amount)
    self._move(sender, receiver, amount)
    return True


@external
@view
def DOMAIN_SEPARATOR() -> bytes32:
    """
    @notice What a permit is signed under.
    """
    return eip712.separator()


@internal
def _approve(owner: address, spender: address, amount: uint256):
    self.allowance[owner][spender] = amount
    log Approval(owner=owner, spender=spender, amount=amount)


@internal
def _move(sender: address, receiver: address, amount: uint256):
    assert receiver not in [empty(address), self], "token_receiver"
    assert self.balanceOf[sender] >= amount, "token_balance"
    self.balanceOf[sender] -= amount
    self.balanceOf[receiver] += amount
    log Transfer(sender=sender, receiver=receiver, amount=amount)
