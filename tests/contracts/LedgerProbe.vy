# pragma version 0.4.3
"""
@title Ledger probe
@license Apache-2.0
@notice Clearing without settlement: the storage and the parts of the real one, and a way to lay out any ledger at once.
@custom:kill Tests only.
"""

from core import portfolio
from core import state

initializes: state
uses: portfolio

MAX_ANSWER_BYTES: constant(uint256) = 32 * 80

OFFICE: immutable(address)


@deploy
def __init__(settings: state.Settings, office: address):
    state.__init__(settings)
    OFFICE = office


@external
@raw_return
def __default__() -> Bytes[MAX_ANSWER_BYTES]:
    return raw_call(OFFICE, msg.data, max_outsize=MAX_ANSWER_BYTES, is_delegate_call=True)


@external
def lay_out(accounts: DynArray[uint256, 32], cash: DynArray[int256, 32], slots: DynArray[uint256, 256], words: DynArray[uint256, 256]):
    """
    @notice Set the cash of accounts, and position slots (account << 30 | expiry_id << 14 | group).
    """
    for i: uint256 in range(len(accounts), bound=32):
        portfolio.add_cash(accounts[i], cash[i] - portfolio.cash(accounts[i]))
    for i: uint256 in range(len(slots), bound=256):
        portfolio.store(slots[i], portfolio.positions[slots[i]], words[i])
