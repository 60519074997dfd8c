"""What the chain said: accounts, money, keys, cancellations, exits, batches; and the orders that leave because of it.

Facts of the chain are taken from the journal; ``reconcile`` compares them with the contracts. Imports the words of the
journal and the ledger.
"""

from collections.abc import Sequence
from typing import Final

from exchange.core import commands as c
from exchange.core.events import Applied, CancelReason, ChainDisagreed, Event, Reject, Rejected
from exchange.core.units import U64_MAX
from replay.checker import batches, blocks, distress, keys, rfqs
from replay.checker.facts import Account
from replay.checker.leaving import leave
from replay.checker.ledger import Ledger
from replay.checker.rules import Rule, Taken

SEATS_MAX: Final = 16


def observe(ledger: Ledger, command: c.Observation, events: Sequence[Event]) -> None:
    """Facts come in the order of the contracts, each once; the first that does not is refused."""
    in_turn = command.action_id == ledger.action_id + 1
    if len(events) == 1 and type(events[0]) is Rejected:
        if in_turn or events[0].reason is not Reject.CHAIN_ACTIONS_MUST_BE_DENSE:
            ledger.note(Rule.REFUSAL_MUST_HOLD, "a fact of the chain is refused though it is the next")
        return
    if not in_turn:
        sentence = "a fact of the chain is taken out of its turn"
        ledger.note(Rule.ADMISSION_MUST_HOLD, sentence, expected=ledger.action_id + 1, actual=command.action_id)
    if not events or type(events[0]) is not Applied:
        ledger.note(Rule.EVENTS_MUST_FIT, "a fact of the chain is neither refused nor applied")
        return
    ledger.action_id = command.action_id
    rest = [event for event in events[1:] if type(event) is not ChainDisagreed]
    for _ in range(len(events) - 1 - len(rest)):
        ledger.take(Taken.CHAIN_DISAGREED)
    if isinstance(command, c.ObserveOffbookSettled):
        blocks.settled_offbook(ledger, command, rest)
        return
    if isinstance(command, c.ObserveTransfer):
        distress.transferred(ledger, command, rest)
        return
    _orders(ledger, command, rest)
    if isinstance(command, c.ObserveOffbookQueued):
        blocks.queued(ledger, command)
    if isinstance(command, c.ObserveFlag | c.ObserveCaseClosed):
        distress.follow(ledger, command)
    _facts(ledger, command)


def see(ledger: Ledger, command: c.ObserveBlock, events: Sequence[Event]) -> None:
    """A final block up to which every fact is in the journal; only ever a later one."""
    known = ledger.block
    advances = known is None or (command.number > known.number and command.time_s >= known.time_s)
    if _is_taken(ledger, "a block of the chain", events, fits=advances, otherwise=Reject.CHAIN_BLOCKS_MUST_ADVANCE):
        ledger.block = command
        blocks.lapse(ledger, command)


def seated(ledger: Ledger, command: c.ObserveSeat, events: Sequence[Event]) -> None:
    """A signer of rounds took a seat: an address without one, after somebody who has not been followed yet."""
    followed = [former for _, former in ledger.seats.values()]
    taken = command.signer in ledger.seats or len(command.signer) != 20 or not 0 <= command.since_s < 2**63
    if command.former:
        since_s, _ = ledger.seats.get(command.former, (2**64, b""))
        fits = not taken and command.former not in followed and since_s <= command.since_s
    else:
        fits = not taken and len(ledger.seats) < SEATS_MAX
    if _is_taken(ledger, "a seat of a signer", events, fits=fits, otherwise=Reject.SEATS_MUST_FOLLOW):
        ledger.seats[command.signer] = command.since_s, command.former


def _is_taken(ledger: Ledger, what: str, events: Sequence[Event], *, fits: bool, otherwise: Reject) -> bool:
    """Whether a fact without an action number was applied, which it must be if it fits, and only then."""
    first = events[0] if len(events) == 1 else None
    if type(first) is Rejected:
        if fits or first.reason is not otherwise:
            ledger.note(Rule.REFUSAL_MUST_HOLD, f"{what} is refused though it fits")
        return False
    if type(first) is not Applied:
        ledger.note(Rule.EVENTS_MUST_FIT, f"{what} is neither refused nor applied")
        return False
    if not fits:
        ledger.note(Rule.ADMISSION_MUST_HOLD, f"{what} is taken that does not fit")
    return True


def _orders(ledger: Ledger, command: c.Observation, events: Sequence[Event]) -> None:
    match command:
        case c.ObserveRevocation():
            orders = ledger.accounts[command.account].orders.values()
            signed = [o for o in orders if any(link.signer == command.key for link in o.signed.lineage())]
            leave(ledger, signed, events, CancelReason.KEY_REVOKED)
        case c.ObserveCancellation():
            mask = int.from_bytes(command.mask, "big")
            orders = ledger.accounts[command.account].orders.values()
            named = [o for o in orders if o.nonce >> 8 == command.word and mask >> (o.nonce & 255) & 1]
            leave(ledger, named, events, CancelReason.ON_CHAIN)
        case c.ObserveOffbookQueued():
            parties = [ledger.accounts[key] for key in (command.maker, command.taker)]
            both = [order for account in parties for order in account.orders.values()]
            leave(ledger, both, events, CancelReason.BLOCK_QUEUED)
        case c.ObserveFlag():
            leave(ledger, list(ledger.accounts[command.account].orders.values()), events, CancelReason.ACCOUNT_FLAGGED)
        case c.ObserveExit():
            leaving = list(ledger.accounts[command.account].orders.values())
            leave(ledger, leaving, events, CancelReason.ACCOUNT_EXITING)
            rfqs.exits(ledger, command.account)
        case _:
            leave(ledger, (), events, CancelReason.ON_CHAIN)


def _facts(ledger: Ledger, command: c.Observation) -> None:
    accounts = ledger.accounts
    match command:
        case c.ObserveAccount():
            accounts[command.account] = Account(command.account, command.owner)
        case c.ObserveDeposit():
            accounts[command.account].cash += command.amount
            ledger.totals.paid_in += command.amount
        case c.ObserveWithdrawal():
            accounts[command.account].cash -= command.amount
            ledger.totals.paid_in -= command.amount
        case c.ObserveKey():
            keys.register(ledger, command)
            limited = command.key in accounts[command.account].bounds
            scopes = command.scopes & ~c.SCOPE_QUOTE if limited else command.scopes
            accounts[command.account].keys[command.key] = (scopes, command.expiry_s)
        case c.ObserveRevocation():
            accounts[command.account].keys.pop(command.key, None)
            accounts[command.account].bounds.pop(command.key, None)
        case c.ObserveCancellation():
            if command.word <= U64_MAX >> 8:
                accounts[command.account].spend(command.word, int.from_bytes(command.mask, "big"))
        case c.ObserveExit():
            accounts[command.account].exiting = True
        case c.ObserveExitCleared():
            accounts[command.account].exiting = False
        case c.ObserveBatch():
            batches.settled(ledger, command.batch_id)
        case _:
            pass  # listings, fixings and payments on chain, and withdrawals still to come, change no book of ours
