"""Which margin models an account's fills must satisfy: what its owner chose on the contracts, and when that binds.

On the contracts PORTFOLIO means the better of both models, and a choice binds one settlement window after it was made.
A fill may land on either side of that moment, so from the record that observes a choice until a final block in which it
binds every fill must satisfy what counted before and what will. Imports state, its types,
commands, parameters.
"""

from exchange.core.commands import ObserveModel
from exchange.core.parameters import PORTFOLIO_MARGIN
from exchange.core.state import State
from exchange.core.state_types import Account, Choice


def choose(state: State, command: ObserveModel) -> None:
    """The fact of a choice."""
    state.accounts[command.account].choice = Choice(command.before, command.chosen, command.effective_s)


def models_of(state: State, account: Account) -> tuple[int, ...]:
    """The models that may count on the contracts when a fill of now lands: one, or two while a choice does not bind."""
    choice = account.choice
    if choice.before == choice.chosen or (state.block is not None and state.block.time_s >= choice.effective_s):
        return (choice.chosen,)
    return choice.before, choice.chosen


def may_be_portfolio(state: State, account: Account) -> bool:
    """Whether the contracts may ask for risk arrays when a fill of now lands."""
    return PORTFOLIO_MARGIN in models_of(state, account)


def anybody_chose(state: State) -> bool:
    """Whether rounds are to carry risk arrays: some account is under PORTFOLIO, or will be."""
    if state.config is None or state.config.portfolio is None:
        return False
    return any(PORTFOLIO_MARGIN in (each.choice.before, each.choice.chosen) for each in state.accounts.values())
