"""Liquidations of the contracts as the checker follows them: a flag, what changed hands, who paid.

That an account was short, and what a slice costs, the contracts have decided; here cash and positions are conserved,
and nothing of a flagged account is in a book. Imports what the checker believes, and its rules.
"""

from collections.abc import Sequence
from typing import Final

from exchange.core.commands import ObserveCaseClosed, ObserveFlag, ObserveTransfer
from exchange.core.events import AccountSettled, Event
from replay.checker import fills
from replay.checker.ledger import Ledger
from replay.checker.rules import Rule

_FLAG: Final = b"flag"  # among what an account awaits; digests of blocks are longer


def follow(ledger: Ledger, command: ObserveFlag | ObserveCaseClosed) -> None:
    """Who is flagged takes nothing new until it lapses; when a case is closed all are paid and the account is free."""
    awaits = ledger.accounts[command.account].awaits
    if isinstance(command, ObserveFlag):
        awaits[_FLAG] = command.lapses_s
        return
    for change in command.changes:
        ledger.accounts[change.account].cash += change.amount
    awaits.pop(_FLAG, None)


def transferred(ledger: Ledger, command: ObserveTransfer, events: Sequence[Event]) -> None:
    """What one gives the other gets; in an expiry that is over it is worth what that pays, and rounding."""
    sides = ((ledger.accounts[command.account], -1), (ledger.accounts[command.provider], 1))
    expiries = dict.fromkeys(ledger.series[leg.series].expiry for leg in command.legs)
    over = [expiry for expiry in expiries if expiry.fixed]
    paid = [event for event in events if type(event) is AccountSettled]
    total = sum(event.cash_delta for event in paid)
    if len(paid) != len(events) or len(paid) != 3 * len(over) or total:
        ledger.note(Rule.EXPIRY_MUST_PAY_WHAT_IS_HELD, "a slice in an expiry that is over pays what nobody owes")
    for event in paid:
        ledger.accounts[event.account].cash += event.cash_delta
    for account, sign in sides:
        account.cash -= sign * command.paid
        for leg in command.legs:
            if not ledger.series[leg.series].expiry.fixed:
                fills.move(account.positions, leg.series, sign * leg.qty)
