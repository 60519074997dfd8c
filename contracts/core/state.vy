# pragma version 0.4.3
"""
@title State
@license Apache-2.0
@notice Everything Clearing keeps in storage, in one order, and the settings of a deployment.
@dev Clearing is one address with one storage, but its code is more than one contract may carry: what is called
     for every fill is in Clearing itself, block trades are in Blocks, liquidations in Cases and Liquidations, and the rest
     is in Office. Clearing runs Office on its own storage by delegatecall, Office Blocks, Blocks Cases, and that
     Liquidations. All are built on this module alone, so a slot means the same to each; the build compares their layouts and fails if they differ.
@custom:kill See Clearing.
"""

from core import accounts
from core import actions
from core import blocktrades
from core import exits
from core import liquidations
from core import listings
from core import models
from core import orders
from core import portfolio
from core import quotes
from core import rounds
from lib import fail
from lib import fees
from risk import standard

initializes: actions
initializes: fees
initializes: rounds
initializes: standard
initializes: accounts[actions := actions]
initializes: listings[actions := actions]
initializes: portfolio[accounts := accounts, actions := actions, listings := listings, standard := standard]
initializes: models[accounts := accounts, actions := actions, listings := listings, portfolio := portfolio]
initializes: orders[accounts := accounts, fees := fees, listings := listings]
initializes: quotes[accounts := accounts]
initializes: blocktrades[
    accounts := accounts, actions := actions, fees := fees, listings := listings, orders := orders, portfolio := portfolio
]
initializes: exits[actions := actions, accounts := accounts, portfolio := portfolio, rounds := rounds]
initializes: liquidations[actions := actions, listings := listings, models := models, portfolio := portfolio]

interface Margin:
    def parameters() -> standard.Parameters: view

# Addresses, times in seconds, and fee rates in 1e-18.
struct Settings:
    governor: address
    operator: address
    vault: address
    oracle: address
    margin: address
    portfolio: address
    window: uint256
    operator_timeout: uint256
    max_round_age: uint256
    exit_round_age: uint256
    taker_rate: uint256
    maker_rate: int256
    fee_cap: uint256

GOVERNOR: public(immutable(address))
# Of the settings, so that two contracts can tell that they were made under the same ones.
TERMS: public(immutable(bytes32))

operator: public(address)

# batch_id -> root of the journal when the batch was made
anchors: public(HashMap[uint256, bytes32])

# Who follows the operator, and from when: address u160 | time u64 << 160 | flag; 0 when nobody does.
successor: uint256


@deploy
def __init__(settings: Settings):
    """
    @param settings See above.
    """
    actions.__init__(settings.window, settings.operator_timeout)
    fees.__init__(settings.taker_rate, settings.maker_rate, settings.fee_cap)
    # The same module under the same parameters answers in Margin, where anyone may ask.
    standard.__init__(staticcall Margin(settings.margin).parameters())
    portfolio.__init__(settings.margin, settings.portfolio)
    rounds.__init__(settings.oracle, settings.max_round_age, settings.exit_round_age)
    exits.__init__(settings.vault)
    GOVERNOR = settings.governor
    TERMS = keccak256(abi_encode(settings))
    self.operator = settings.operator


@internal
@view
def check_operator():
    """
    @notice Refuse unless the operator calls.
    """
    if msg.sender != self.operator:
        fail.because("only_operator")
