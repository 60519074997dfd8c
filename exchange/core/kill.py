"""The kill switch: of an account, of all accounts of a wallet, of the venue.

Pulled, everything in its reach leaves the book and nothing new is taken, reduce-only orders included: whoever pulls it
no longer trusts what sends orders, and a price can do harm where a quantity cannot (ADR 0013). Cancels go on. Two hands
may hold the same switch, the owner's and the operator's, and neither releases what the other pulled.
Imports state, purging, events.
"""

from typing import Final

from exchange.core import purging
from exchange.core.commands import KILL_ACCOUNT, KILL_OWNER, KILL_VENUE, SCOPE_CANCEL, PullKill, ReleaseKill
from exchange.core.events import Applied, Event, Reject, Rejected
from exchange.core.state import KillKey, State
from exchange.core.state_types import Account, Kill, Purge
from exchange.core.units import Nanos, seconds_of

_KINDS: Final = {KILL_ACCOUNT: purging.OF_ACCOUNT, KILL_OWNER: purging.OF_OWNER, KILL_VENUE: purging.OF_VENUE}


def standing(state: State, account: Account) -> Kill | None:
    """The widest switch that is pulled over an account; the operator's before the owner's."""
    if not state.kills:
        return None
    for scope, number, owner in ((KILL_VENUE, 0, b""), (KILL_OWNER, 0, account.owner), (KILL_ACCOUNT, account.id, b"")):
        for by_operator in (True, False):
            kill = state.kills.get((scope, number, owner, by_operator))
            if kill is not None:
                return kill
    return None


def decide(state: State, seq: int, command: PullKill | ReleaseKill) -> tuple[Event, ...]:
    """Refuse hands that may not; otherwise pull, and begin to cancel, or release."""
    refused = _refuse_reach(state, command) or _refuse_hand(state, command)
    if refused is not None:
        return (refused,)
    if isinstance(command, ReleaseKill):
        if _key_of(state, command) not in state.kills:
            return (Rejected(Reject.KILL_SWITCH_MUST_BE_PULLED, command.scope),)
        return (Applied(),)
    return (Applied(), *purging.step(state, [_purge_of(command, seq), *_others(state, command)]))


def _refuse_reach(state: State, command: PullKill | ReleaseKill) -> Rejected | None:
    """What the switch is to be pulled over must be there, and be named in one way only."""
    if command.scope not in _KINDS:
        return Rejected(Reject.SWITCH_MUST_BE_KNOWN, command.scope, KILL_VENUE)
    named = bool(command.account) + bool(command.owner)
    if command.scope == KILL_ACCOUNT and (not command.account or command.account not in state.accounts):
        return Rejected(Reject.ACCOUNT_MUST_EXIST, command.account)
    if command.scope == KILL_OWNER and command.owner not in state.owned:
        return Rejected(Reject.ACCOUNT_MUST_EXIST)
    if named != (command.scope != KILL_VENUE):
        return Rejected(Reject.SWITCH_MUST_BE_KNOWN, command.scope, KILL_VENUE)
    return None


def _refuse_hand(state: State, command: PullKill | ReleaseKill) -> Rejected | None:
    """The operator may everywhere, a wallet over what it owns; a key with the cancel scope may pull, never release."""
    if _is_operator(state, command.by):
        return None
    if command.scope == KILL_ACCOUNT:
        account = state.accounts[command.account]
        if command.by == account.owner:
            return None
        key = account.keys.get(command.by)
        live = key is not None and key.expiry_s > seconds_of(state.time_ns)
        if isinstance(command, PullKill) and key is not None and live and key.scopes & SCOPE_CANCEL:
            return None
        return Rejected(Reject.SIGNER_MUST_BE_AUTHORISED, key.scopes if key is not None else 0, SCOPE_CANCEL)
    if command.scope == KILL_OWNER and command.by == command.owner:
        return None
    return Rejected(Reject.SIGNER_MUST_BE_AUTHORISED, 0, SCOPE_CANCEL)


def _is_operator(state: State, by: bytes) -> bool:
    assert state.config is not None
    return by == state.config.operator


def _key_of(state: State, command: PullKill | ReleaseKill) -> KillKey:
    return command.scope, command.account, command.owner, _is_operator(state, command.by)


def _purge_of(command: PullKill, seq: int) -> Purge:
    return Purge(_KINDS[command.scope], command.account, command.owner, seq)


def _others(state: State, command: PullKill) -> list[Purge]:
    """Purges in force but the one that this takes in."""
    key = _KINDS[command.scope], command.account, command.owner
    return [purge for held, purge in state.purges.items() if held != key]


def evolve(state: State, command: PullKill | ReleaseKill, seq: int, time_ns: Nanos) -> None:
    """The switch is pulled, or no longer is; an unfinished purge is finished all the same."""
    key = _key_of(state, command)
    if isinstance(command, ReleaseKill):
        del state.kills[key]
        return
    state.kills[key] = Kill(*key, command.by, command.cause, time_ns)
    purging.begin(state, _purge_of(command, seq))
