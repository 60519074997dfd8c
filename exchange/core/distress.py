"""Liquidations on the contracts, as the venue follows them: flags, slices that change hands, and who pays in the end.

From the record that observes a flag the account opens nothing and all its open orders are off the book: what was
acknowledged before has a window to settle, and nothing is acknowledged that a slice could take away under it. A fill
that only reduces would not do: it may reduce what the slice took first. It ends with the case, or with a final block
later than the last second of the flag; a case closed after that moves cash only, and takes none from the account.
Imports state, orders, ledger, offbook, settlement, events.
"""

from exchange.core import ledger, offbook, orders
from exchange.core.commands import Liquidation, ObserveBlock, ObserveCaseClosed, ObserveFlag, ObserveTransfer
from exchange.core.events import AccountSettled, CancelReason, ChainDisagreed, Event
from exchange.core.state import TREASURY, State
from exchange.core.units import Qty, expiry_of

# -- deciding ---------------------------------------------------------------------------------------------------------


def follow(state: State, command: Liquidation) -> list[Event]:
    """What follows from a fact of a liquidation: open orders of who is flagged leave, as when an account leaves."""
    match command:
        case ObserveFlag():
            return orders.cancel_orders(state.accounts[command.account], CancelReason.ACCOUNT_FLAGGED)
        case ObserveTransfer():
            return _settled(state, command)
        case ObserveCaseClosed():
            total = sum(change.amount for change in command.changes)
            return [ChainDisagreed("liquidation", 0, total)] if total else []


def _settled(state: State, command: ObserveTransfer) -> list[Event]:
    """What positions in expiries that are fixed here already are worth to either side: the contracts pay it there."""
    events: list[Event] = []
    for expiry_id in dict.fromkeys(expiry_of(leg.series) for leg in command.legs):
        if state.expiries[expiry_id].fixing < 0:
            continue
        total = 0
        for account, sign in ((command.account, -1), (command.provider, 1)):
            before = offbook.owed(state, account, expiry_id, {})
            after = offbook.owed(state, account, expiry_id, _moves(command, expiry_id, sign))
            events.append(AccountSettled(expiry_id, account, after - before))
            total += after - before
        events.append(AccountSettled(expiry_id, TREASURY, -total))
    return events


def _moves(command: ObserveTransfer, expiry_id: int, sign: int) -> dict[int, Qty]:
    return {leg.series: sign * leg.qty for leg in command.legs if expiry_of(leg.series) == expiry_id}


def concerned(command: Liquidation) -> list[int]:
    """Accounts whose cash or positions a fact of a liquidation may move."""
    match command:
        case ObserveTransfer():
            return [command.account, command.provider]
        case ObserveCaseClosed():
            return [command.account, *(change.account for change in command.changes)]
        case ObserveFlag():
            return [command.account]


# -- evolving ---------------------------------------------------------------------------------------------------------


def evolve(state: State, command: Liquidation) -> None:
    """Apply the fact to the live ledger; a case that is closed pays everybody, and the account is free."""
    match command:
        case ObserveFlag():
            state.flag(command.account, command.lapses_s)
        case ObserveTransfer():
            _move(state, command)
        case ObserveCaseClosed():
            for change in command.changes:
                state.accounts[change.account].cash += change.amount
            state.unflag(command.account)


def _move(state: State, command: ObserveTransfer) -> None:
    """Cash and positions move here as they did there; positions in expiries fixed here are cash already."""
    for account_id, sign in ((command.account, -1), (command.provider, 1)):
        account = state.accounts[account_id]
        account.cash -= sign * command.paid
        account.risk_round = -1  # a leg may be in a series that the round in force does not price
        for leg in command.legs:
            if state.expiries[expiry_of(leg.series)].fixing < 0:
                ledger.change_position(state, account, leg.series, sign * leg.qty, leg.mark)


def lapse(state: State, block: ObserveBlock) -> None:
    """Every fact up to this final block is in the journal: a flag that ended before it binds nobody."""
    for account in [key for key, lapses_s in state.flags.items() if lapses_s < block.time_s]:
        state.unflag(account)
