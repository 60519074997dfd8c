"""Who is there: connections, what becomes of their orders when they are lost, and the dead man's timer.

A connection that enters orders has a number in the journal, and its orders carry it. When it ends without a farewell,
or the venue restarts and all have ended, the orders it minded are purged if the connection or their account wants that.
Imports state, purging, events.
"""

from typing import Final

from exchange.core import commands as c
from exchange.core import purging
from exchange.core.commands import AS_ACCOUNT, SWITCH_OFF, SWITCH_ON
from exchange.core.events import Applied, Cancelled, Event, Reject, Rejected, TimerFired
from exchange.core.state import State
from exchange.core.state_types import Purge, Session
from exchange.core.units import Nanos

SESSIONS_MAX: Final = 20_000  # open at once; more than twice what the edge lets in
TIMER_MAX_MS: Final = 86_400_000  # a day
FIRED_MAX: Final = 1_000  # timers that one tick fires; the others are over as well, the next tick says so
_NANOS_PER_MS: Final = 1_000_000


def refuse_gone(state: State, session: int) -> Rejected | None:
    """Refuse an order of a connection that has ended: nobody would be there to mind it."""
    if not session or session in state.sessions:
        return None
    return Rejected(Reject.SESSION_MUST_BE_OPEN, session)


# -- deciding ---------------------------------------------------------------------------------------------------------


def decide(state: State, seq: int, command: c.Presence) -> tuple[Event, ...]:
    """Refuse what names nothing; otherwise it stands, and what it purges begins to leave."""
    refused = _refuse(state, command)
    if refused is not None:
        return (refused,)
    if isinstance(command, c.SetTimer):
        return (*overdue(state, command.account), Applied())
    if isinstance(command, c.EndSession | c.EndAllSessions | c.Proceed):
        return (Applied(), *purging.step(state, [*state.purges.values(), *_begun(state, command, seq)]))
    return (Applied(),)


def _refuse(state: State, command: c.Presence) -> Rejected | None:
    match command:
        case c.OpenSession() if len(state.sessions) >= SESSIONS_MAX:
            return Rejected(Reject.SESSIONS_MUST_FIT, len(state.sessions), SESSIONS_MAX)
        case c.EndSession():
            return refuse_gone(state, command.session or -1)
        case c.SwitchSession():
            if not AS_ACCOUNT <= command.switch <= SWITCH_OFF:
                return Rejected(Reject.SWITCH_MUST_BE_KNOWN, command.switch, SWITCH_OFF)
            return refuse_gone(state, command.session or -1)
        case c.SwitchAccount() | c.SetTimer():
            if command.account not in state.accounts or not command.account:
                return Rejected(Reject.ACCOUNT_MUST_EXIST, command.account)
            if isinstance(command, c.SetTimer) and not 0 <= command.after_ms <= TIMER_MAX_MS:
                return Rejected(Reject.TIMER_MUST_FIT, command.after_ms, TIMER_MAX_MS)
    return None


def _begun(state: State, command: c.Presence, seq: int) -> list[Purge]:
    """The purges a command begins."""
    if isinstance(command, c.EndAllSessions):
        asked = _asked(state)
        return [purge for session in state.sessions.values() for purge in _purge_of(state, session, seq, asked)]
    if isinstance(command, c.EndSession) and not command.keeps:
        return _purge_of(state, state.sessions[command.session], seq, _asked(state))
    return []


def _asked(state: State) -> dict[int, dict[int, None]]:
    """Accounts with a request for quotes, by the connection that minds it."""
    asked: dict[int, dict[int, None]] = {}
    for rfq in state.rfqs.values():
        asked.setdefault(rfq.request.session, {})[rfq.request.account] = None
    return asked


def _purge_of(state: State, session: Session, seq: int, asked: dict[int, dict[int, None]]) -> list[Purge]:
    """The purge of a lost connection; none if nothing of it has to go."""
    accounts = dict.fromkeys(order.account for order in state.by_session.get(session.id, {}).values())
    accounts |= asked.get(session.id, {})
    if not accounts or session.switch == SWITCH_OFF:
        return []
    wanting: list[int] = []
    if session.switch != SWITCH_ON:
        wanting = [account for account in sorted(accounts) if state.accounts[account].cancels]
        if not wanting:
            return []
    return [Purge(purging.OF_SESSION, session.id, b"", seq, wanting)]


def overdue(state: State, account: int) -> tuple[Event, ...]:
    """The account's timer, if its time has passed, fires before anything new of the account is looked at."""
    due_ns = state.timers.get(account)
    return (TimerFired(account),) if due_ns is not None and due_ns <= state.time_ns else ()


def tick(state: State, seq: int, ended: list[Cancelled]) -> list[Event]:
    """Fire timers whose time has passed, and go on with the purges; ``ended`` leaves in the same record anyway."""
    fired = [account for account, due_ns in state.timers.items() if due_ns <= state.time_ns]
    fired = sorted(fired)[:FIRED_MAX]
    begun = [_purge_of_timer(account, seq) for account in fired]
    events: list[Event] = [TimerFired(account) for account in fired]
    return events + purging.step(state, _merged(state, begun), ended)


def takes_off(events: list[Event]) -> bool:
    """Whether orders leave the books in this tick, or may in the next for a timer that is over already.

    Timers of those who have no orders must not keep anything else waiting: they may fire in every tick.
    """
    fired = sum(type(event) is TimerFired for event in events)
    return fired == FIRED_MAX or any(type(event) is Cancelled for event in events)


def _merged(state: State, begun: list[Purge]) -> list[Purge]:
    """Purges in force with new ones in; a new one takes the place of an unfinished one about the same."""
    purges = dict(state.purges)
    purges.update(((purge.kind, purge.number, purge.owner), purge) for purge in begun)
    return list(purges.values())


def _purge_of_timer(account: int, seq: int) -> Purge:
    return Purge(purging.OF_TIMER, account, b"", seq)


# -- evolving ---------------------------------------------------------------------------------------------------------


def evolve(state: State, command: c.Presence, seq: int, time_ns: Nanos) -> None:
    """Write what the command says; what it cancels follows in events of its own."""
    for purge in _begun(state, command, seq):
        purging.begin(state, purge)
    match command:
        case c.OpenSession():
            state.sessions[seq] = Session(seq, command.by)
        case c.EndSession():
            del state.sessions[command.session]
        case c.EndAllSessions():
            state.sessions.clear()
        case c.SwitchSession():
            state.sessions[command.session].switch = command.switch
        case c.SwitchAccount():
            state.accounts[command.account].cancels = command.cancels
        case c.SetTimer():
            state.timers.pop(command.account, None)
            if command.after_ms:
                state.timers[command.account] = time_ns + command.after_ms * _NANOS_PER_MS
        case _:
            pass


def evolve_fired(state: State, event: TimerFired, seq: int) -> None:
    """The timer is over; what was entered before this record is on its way out."""
    del state.timers[event.account]
    purging.begin(state, _purge_of_timer(event.account, seq))
