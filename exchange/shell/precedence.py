"""What goes first, what may be refused for load, and what waits: one table of command types.

Whoever adds a command says here what it is; the type checker asks for it. Imports commands.
"""

from enum import Enum, auto
from typing import TypeAlias, assert_never

from exchange.core import commands as c


class Turn(Enum):
    """How a command passes the inbox.

    AHEAD overtakes everything else that waits, and is never refused for load nor held back: it takes risk away, or the
    chain has already decided it. IN_TURN keeps its place among orders and is never refused. RESTING and TAKING are
    orders: in turn, and refused under load. TAKING may meet a resting order, and is held back where the venue has a
    taker delay.
    """

    AHEAD = auto()
    IN_TURN = auto()
    RESTING = auto()
    TAKING = auto()


Entry: TypeAlias = c.Place | c.Amend | c.MassQuote | c.QuoteRfq | c.RequoteRfq | c.AcceptRfq
"""What enters orders for an account, and can be taken back while it waits."""

ORDERS = (Turn.RESTING, Turn.TAKING)
TAKE_BACK = (c.CancelAll, c.CancelQuotes, c.CancelRfqQuotes)
"""What may end orders that it overtakes, before they were entered."""


def turn_of(command: c.AnyCommand) -> Turn:
    """The one table."""
    match command:
        case c.Place() | c.Amend():
            return Turn.RESTING if command.auth.post_only else Turn.TAKING
        case c.MassQuote() | c.ExecuteBlock():
            return Turn.RESTING  # a block meets no order, but anyone may send one
        case c.Cancel() | c.CancelAll() | c.CancelQuotes() | c.FreezeQuotes():
            return Turn.AHEAD
        case _ if isinstance(command, c.Rfqs):
            return _turn_of_rfq(command)
        case c.EndSession() | c.EndAllSessions() | c.PullKill() | c.Proceed() | c.SetTimer():
            return Turn.AHEAD  # orders leave; a timer that is set again must not fire for the length of a queue
        case c.SwitchSession() | c.SwitchAccount() | c.ReleaseKill():
            return Turn.AHEAD  # or a kill could overtake the release before it, and a farewell the switch it relies on
        case c.SetBreaker() | c.SetTrading() | c.BatchRefused() | c.Tick() | c.ObserveBlock() | c.ObserveSeat():
            return Turn.AHEAD  # a halt, orders that have ended, and that the facts before it are all there are
        case c.Operate():
            return turn_of(command.operation)
        case c.CommitIdentity() | c.SetReference() | c.RecordClock():
            return Turn.IN_TURN
        case c.SetPortfolio() | c.Configure() | c.ListUnderlying() | c.ListExpiry() | c.ListSeries() | c.OpenSession():
            return Turn.IN_TURN
        case c.PostRound() | c.SealBatch() | c.TakeDigest() | c.Fire() | c.SetBands() | c.SetBlocks() | c.SetFeed():
            return Turn.IN_TURN
        case c.SetPool() | c.ResumePool():
            return Turn.IN_TURN
        case c.InvalidateBlock():
            return Turn.AHEAD  # as a cancel
        case c.SetProtection() | c.SetAuctions() | c.SetPhase() | c.CreateCombo():
            return Turn.IN_TURN  # an order that came before the uncross is in it
        case _ if isinstance(command, c.Observation):
            return Turn.AHEAD  # revocations, withdrawals, exits, and what the contracts did
        case _:
            assert_never(command)


def _turn_of_rfq(command: c.Rfqs) -> Turn:
    """Requests for quotes: what is taken back goes first, what was signed is an order like any other."""
    match command:
        case c.QuoteRfq() | c.RequoteRfq():
            return Turn.RESTING
        case c.AcceptRfq():
            return Turn.TAKING  # a maker's quote for one is as stale as a quote for all, and as much in need of time
        case c.CancelRfqQuotes() | c.CloseRfq():
            return Turn.AHEAD
        case c.OpenRfq() | c.AdmitMaker():
            return Turn.IN_TURN


def account_of(entry: Entry) -> int:
    """For which account it enters orders."""
    return entry.mandate.account if isinstance(entry, c.MassQuote) else entry.auth.account


def takes_back(command: c.AnyCommand, entry: Entry) -> bool:
    """Whether a command that overtakes orders of the same account ends them before they were entered.

    "Cancel everything" means also what is still on its way: otherwise it would rest, or trade, after all. A message
    that enters many orders is ended whole when one of them is meant.
    """
    if isinstance(command, c.CancelAll):
        return command.account == account_of(entry) and _names(command.series, entry)
    if isinstance(command, c.CancelQuotes) and isinstance(entry, c.MassQuote):
        return (
            command.account == account_of(entry)
            and command.group in {"", entry.group}
            and command.label in {"", entry.label}
            and _names(command.series, entry)
        )
    if isinstance(command, c.CancelRfqQuotes) and isinstance(entry, c.QuoteRfq | c.RequoteRfq):
        same = command.account == account_of(entry)
        return same and command.rfq in {0, c.terms_of(entry.auth).rfq}
    return False


def _names(series: int, entry: Entry) -> bool:
    """Whether orders of a message are in a series; -1 is any."""
    if isinstance(entry, c.MassQuote):
        return series == -1 or any(leaf.series == series for leaf in entry.leaves)
    return series in {-1, entry.auth.series}
