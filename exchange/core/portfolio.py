"""Parameters of the PORTFOLIO margin of an underlying: set by the operator, journaled, and read by whoever asks.

It tells what a model would need and binds nobody: accounts that chose PORTFOLIO are under the parameters of the
contracts, which stand in Configure (docs/MARGIN.md).
Imports state, commands, events, risk_models.
"""

from exchange.core.commands import SetPortfolio
from exchange.core.events import Applied, Event, Reject, Rejected
from exchange.core.risk_models.soundness import broken
from exchange.core.state import State


def decide(state: State, command: SetPortfolio) -> tuple[Event, ...]:
    """Parameters of a listed underlying under which the laws of the margin hold."""
    if command.underlying not in state.underlyings:
        return (Rejected(Reject.UNDERLYING_MUST_EXIST, command.underlying),)
    bound = broken(command.model)
    if bound is not None:
        return (Rejected(Reject.PORTFOLIO_MUST_BE_SOUND, bound.value, bound.high),)
    return (Applied(),)


def evolve(state: State, command: SetPortfolio) -> None:
    """They hold from here on."""
    state.portfolios[command.underlying] = command
