"""Who is there: connections, dead man's timers, kill switches; and the orders that leave with them.

A purge is dead to the market with the record that begins it: what it reaches may neither trade nor be amended, and
leaves by the record in bounded steps. Imports the words of the journal and the ledger.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from exchange.core import commands as c
from exchange.core.events import Applied, Cancelled, CancelReason, Event, Purged, Reject, Rejected, RfqEnd, TimerFired
from replay.checker.bounds import FIRED_MAX, PURGED_MAX, SESSIONS_MAX, TIMER_MAX_MS
from replay.checker.facts import Account, Order, Request
from replay.checker.ledger import TREASURY, Ledger
from replay.checker.rules import Rule

NANOS_PER_MS: Final = 1_000_000
SESSION: Final = 1
TIMER: Final = 2
ACCOUNT: Final = 3
OWNER: Final = 4
VENUE: Final = 5
KINDS: Final = {c.KILL_ACCOUNT: ACCOUNT, c.KILL_OWNER: OWNER, c.KILL_VENUE: VENUE}
REASONS: Final = {
    SESSION: CancelReason.DISCONNECTED,
    TIMER: CancelReason.DEAD_MAN,
    ACCOUNT: CancelReason.KILL_SWITCH,
    OWNER: CancelReason.KILL_SWITCH,
    VENUE: CancelReason.KILL_SWITCH,
}


ENDS: Final = {
    SESSION: RfqEnd.DISCONNECTED,
    TIMER: RfqEnd.DEAD_MAN,
    ACCOUNT: RfqEnd.KILL_SWITCH,
    OWNER: RfqEnd.KILL_SWITCH,
    VENUE: RfqEnd.KILL_SWITCH,
}


class Purge(NamedTuple):
    """Orders on their way out: those of a session, an account, an owner or the venue that came before a record."""

    kind: int
    number: int
    owner: bytes
    before: int
    accounts: tuple[int, ...] = ()

    @property
    def key(self) -> tuple[int, int, bytes]:
        """What it is about; a later purge about the same takes it in."""
        return self.kind, self.number, self.owner

    def takes(self, order: Order) -> bool:
        """Whether an order has to go; one that can only reduce stays when merely nobody minds it."""
        if order.age[0] >= self.before or (self.kind <= TIMER and order.reduce_only):
            return False
        if self.accounts and order.account.id not in self.accounts:
            return False
        reached = {
            SESSION: order.session == self.number,
            OWNER: order.account.owner == self.owner,
            VENUE: True,
        }
        return reached.get(self.kind, order.account.id == self.number)

    def ends(self, request: Request) -> bool:
        """Whether a request for quotes is over with it."""
        account = request.account
        if self.kind == SESSION:
            minded = request.asked.session == self.number
            return minded and (not self.accounts or account.id in self.accounts)
        return self.kind == VENUE or (account.owner == self.owner if self.kind == OWNER else account.id == self.number)


def dooms(ledger: Ledger, order: Order) -> list[CancelReason]:
    """Why an open order may neither trade nor be amended any more; nothing if it may."""
    found: list[CancelReason] = []
    if ledger.timers and not order.reduce_only:
        due_ns = ledger.timers.get(order.account.id)
        if due_ns is not None and due_ns <= ledger.time_ns:
            found.append(CancelReason.DEAD_MAN)
    return found + [REASONS[purge.kind] for purge in ledger.purges.values() if purge.takes(order)]


def is_killed(ledger: Ledger, account: Account) -> bool:
    """Whether a kill switch is pulled over an account."""
    reach = ((c.KILL_VENUE, 0, b""), (c.KILL_OWNER, 0, account.owner), (c.KILL_ACCOUNT, account.id, b""))
    return any((*key, hand) in ledger.kills for key in reach for hand in (True, False))


# -- steps ------------------------------------------------------------------------------------------------------------


def overdue(ledger: Ledger, account: int, events: Sequence[Event]) -> Sequence[Event]:
    """What remains of a record's events after the timer that had to fire first."""
    due_ns = ledger.timers.get(account)
    fires = due_ns is not None and due_ns <= ledger.time_ns
    first = events[0] if events else None
    if (type(first) is TimerFired) != fires or (fires and first != TimerFired(account)):
        ledger.note(Rule.TIMER_MUST_FIRE, f"the timer of account {account} fires otherwise than when it is due")
    if type(first) is not TimerFired:
        return events
    _fire(ledger, first.account)
    return events[1:]


def _fire(ledger: Ledger, account: int) -> None:
    ledger.timers.pop(account, None)
    begin(ledger, Purge(TIMER, account, b"", ledger.seq))


def begin(ledger: Ledger, purge: Purge) -> None:
    """Its orders are dead to the market, and its requests for quotes are over."""
    ledger.purges[purge.key] = purge
    for request in ledger.requests.values():
        if request.ended is None and purge.ends(request):
            request.ended = ENDS[purge.kind]


def ticked(ledger: Ledger, events: Sequence[Event]) -> Sequence[Event]:
    """What remains of a tick after the timers that fire and the purges that go on."""
    due = sorted(account for account, due_ns in ledger.timers.items() if due_ns <= ledger.time_ns)[:FIRED_MAX]
    at = 0
    while at < len(events) and type(events[at]) is TimerFired:
        at += 1
    if [event.account for event in events[:at]] != due:  # type: ignore[attr-defined]
        ledger.note(Rule.TIMER_MUST_FIRE, "other timers fire than are due", expected=due, actual=events[:at])
    for event in events[:at]:
        _fire(ledger, event.account)  # type: ignore[attr-defined]
    end = at
    while end < len(events) and _is_step(events[end]):
        end += 1
    if ledger.purges or end > at:
        step(ledger, events[at:end])
    return events[end:]


def _is_step(event: Event) -> bool:
    return type(event) is Purged or (type(event) is Cancelled and event.reason in REASONS.values())


def step(ledger: Ledger, events: Sequence[Event]) -> None:
    """Purges go on: only their orders leave, all of them unless that is too many for one record."""
    gone = 0
    for event in events:
        if type(event) is Purged:
            _purged(ledger, event)
            continue
        if type(event) is not Cancelled:
            ledger.note(Rule.EVENTS_MUST_FIT, f"{type(event).__name__} does not follow from a purge")
            continue
        gone += 1
        order = ledger.orders.get(event.order_id)
        if order is not None and event.reason not in dooms(ledger, order):
            sentence = f"order {order.id} is purged ({event.reason}) and nothing reaches it"
            ledger.note(Rule.CANCEL_MUST_HAVE_A_REASON, sentence, order=order.id, actual=event.reason)
        ledger.end(event.order_id, event.remaining)
    if ledger.purges and gone < PURGED_MAX:
        left = [purge.key for purge in ledger.purges.values()]
        ledger.note(Rule.CANCEL_MUST_BE_COMPLETE, "a purge stops before it is over", expected=(), actual=left)


def _purged(ledger: Ledger, event: Purged) -> None:
    purge = ledger.purges.pop((event.kind, event.number, event.owner), None)
    if purge is None:
        ledger.note(Rule.EVENTS_MUST_FIT, "a purge ends that never began", actual=event)
        return
    for order in _reach(ledger, purge):
        if purge.takes(order):
            sentence = f"order {order.id} stays though the purge that reaches it is said to be over"
            ledger.note(Rule.CANCEL_MUST_BE_COMPLETE, sentence, order=order.id, expected=REASONS[purge.kind])


def _reach(ledger: Ledger, purge: Purge) -> Iterable[Order]:
    if purge.kind in (TIMER, ACCOUNT):
        return ledger.accounts[purge.number].orders.values()
    return ledger.by_session.get(purge.number, {}).values() if purge.kind == SESSION else ledger.orders.values()


# -- commands ---------------------------------------------------------------------------------------------------------


def present(ledger: Ledger, command: c.Presence, events: Sequence[Event]) -> None:
    """Connections, switches, timers and kill switches."""
    broken = list(_broken(ledger, command))
    if len(events) == 1 and type(events[0]) is Rejected:
        if events[0].reason not in broken:
            sentence = f"a {type(command).__name__} is refused for {events[0].reason}, and that does not hold"
            ledger.note(Rule.REFUSAL_MUST_HOLD, sentence, actual=events[0].reason)
        return
    if isinstance(command, c.SetTimer):
        events = overdue(ledger, command.account, events)
    if not events or type(events[0]) is not Applied:
        ledger.note(Rule.EVENTS_MUST_FIT, f"a {type(command).__name__} is neither refused nor applied")
        return
    for rule in broken:
        ledger.note(Rule.ADMISSION_MUST_HOLD, f"a {type(command).__name__} is taken that breaks {rule}", actual=rule)
    _write(ledger, command)
    if isinstance(command, c.EndSession | c.EndAllSessions | c.Proceed | c.PullKill):
        step(ledger, events[1:])
    elif len(events) > 1:
        ledger.note(Rule.EVENTS_MUST_FIT, f"a {type(command).__name__} causes more than itself", actual=events[1])


def _broken(ledger: Ledger, command: c.Presence) -> Iterator[Reject]:
    accounts = ledger.accounts
    match command:
        case c.OpenSession():
            if len(ledger.sessions) >= SESSIONS_MAX:
                yield Reject.SESSIONS_MUST_FIT
        case c.EndSession() | c.SwitchSession():
            if command.session not in ledger.sessions:
                yield Reject.SESSION_MUST_BE_OPEN
            if isinstance(command, c.SwitchSession) and not c.AS_ACCOUNT <= command.switch <= c.SWITCH_OFF:
                yield Reject.SWITCH_MUST_BE_KNOWN
        case c.SwitchAccount() | c.SetTimer():
            if command.account not in accounts or command.account == TREASURY:
                yield Reject.ACCOUNT_MUST_EXIST
            if isinstance(command, c.SetTimer) and not 0 <= command.after_ms <= TIMER_MAX_MS:
                yield Reject.TIMER_MUST_FIT
        case c.PullKill() | c.ReleaseKill():
            yield from _broken_switch(ledger, command)
        case _:
            pass


def _broken_switch(ledger: Ledger, command: c.PullKill | c.ReleaseKill) -> Iterator[Reject]:
    if command.scope not in KINDS or bool(command.account) + bool(command.owner) != (command.scope != c.KILL_VENUE):
        yield Reject.SWITCH_MUST_BE_KNOWN
    if command.scope == c.KILL_ACCOUNT and (not command.account or command.account not in ledger.accounts):
        yield Reject.ACCOUNT_MUST_EXIST
    owners = (account.owner for account in ledger.accounts.values() if account.id != TREASURY)
    if command.scope == c.KILL_OWNER and command.owner not in owners:
        yield Reject.ACCOUNT_MUST_EXIST
    if not _may(ledger, command):
        yield Reject.SIGNER_MUST_BE_AUTHORISED
    if isinstance(command, c.ReleaseKill) and _kill_key(ledger, command) not in ledger.kills:
        yield Reject.KILL_SWITCH_MUST_BE_PULLED


def _may(ledger: Ledger, command: c.PullKill | c.ReleaseKill) -> bool:
    """The operator everywhere, a wallet over what it owns; a key that may cancel pulls and never releases."""
    if _is_operator(ledger, command.by):
        return True
    if command.scope == c.KILL_OWNER:
        return command.by == command.owner
    account = ledger.accounts.get(command.account) if command.scope == c.KILL_ACCOUNT else None
    if account is None:
        return False
    scopes, end_s = account.keys.get(command.by, (0, 0))
    may_pull = isinstance(command, c.PullKill) and bool(scopes & c.SCOPE_CANCEL) and end_s > ledger.now_s
    return command.by == account.owner or may_pull


def _is_operator(ledger: Ledger, by: bytes) -> bool:
    return ledger.config is not None and by == ledger.config.operator


def _kill_key(ledger: Ledger, command: c.PullKill | c.ReleaseKill) -> tuple[int, int, bytes, bool]:
    return command.scope, command.account, command.owner, _is_operator(ledger, command.by)


def _write(ledger: Ledger, command: c.Presence) -> None:
    match command:
        case c.OpenSession():
            ledger.sessions[ledger.seq] = c.AS_ACCOUNT
        case c.EndSession():
            _lost(ledger, command.session, keeps=command.keeps)
        case c.EndAllSessions():
            for session in list(ledger.sessions):
                _lost(ledger, session, keeps=False)
        case c.SwitchSession():
            ledger.sessions[command.session] = command.switch
        case c.SwitchAccount():
            ledger.accounts[command.account].cancels = command.cancels
        case c.SetTimer():
            ledger.timers.pop(command.account, None)
            if command.after_ms:
                ledger.timers[command.account] = ledger.time_ns + command.after_ms * NANOS_PER_MS
        case c.PullKill():
            ledger.kills[_kill_key(ledger, command)] = None
            begin(ledger, Purge(KINDS[command.scope], command.account, command.owner, ledger.seq))
        case c.ReleaseKill():
            ledger.kills.pop(_kill_key(ledger, command), None)
        case _:
            pass


def _lost(ledger: Ledger, session: int, *, keeps: bool) -> None:
    """A connection has ended; what it minded goes if it, or the accounts concerned, wanted that."""
    switch = ledger.sessions.pop(session, c.SWITCH_OFF)
    accounts = [order.account for order in ledger.by_session.get(session, {}).values()]
    accounts += [request.account for request in ledger.requests.values() if request.asked.session == session]
    if keeps or not accounts or switch == c.SWITCH_OFF:
        return
    wanting: tuple[int, ...] = ()
    if switch != c.SWITCH_ON:
        wanting = tuple(sorted({account.id for account in accounts if account.cancels}))
        if not wanting:
            return
    begin(ledger, Purge(SESSION, session, b"", ledger.seq, wanting))


def mind(ledger: Ledger, order: Order, session: int) -> None:
    """A connection minds the order from here on, and no other; nobody's does with 0."""
    if order.session:
        minded = ledger.by_session[order.session]
        del minded[order.id]
        if not minded:
            del ledger.by_session[order.session]
    order.session = session
    if session:
        ledger.by_session.setdefault(session, {})[order.id] = order
