"""Many orders leaving at once, for one reason: a lost connection, a timer, a kill switch.

A purge is dead to the market with the record that begins it: none of its orders trades or is amended from then on. They
leave the book by the record in bounded steps, that record the first, ticks and ``Proceed`` the rest, so that a crash in
the middle resumes where the journal ends. Imports state, events.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from exchange.core import rfq_rooms
from exchange.core.events import Cancelled, CancelReason, Event, Purged, RfqEnd
from exchange.core.state import PurgeKey, State
from exchange.core.state_types import Account, Order, Purge, Rfq

CANCELS_MAX: Final = 1_000  # orders of purges that one record cancels; the next one goes on

OF_SESSION: Final = 1
OF_TIMER: Final = 2
OF_ACCOUNT: Final = 3
OF_OWNER: Final = 4
OF_VENUE: Final = 5

_REASONS: Final = {
    OF_SESSION: CancelReason.DISCONNECTED,
    OF_TIMER: CancelReason.DEAD_MAN,
    OF_ACCOUNT: CancelReason.KILL_SWITCH,
    OF_OWNER: CancelReason.KILL_SWITCH,
    OF_VENUE: CancelReason.KILL_SWITCH,
}
_ENDS: Final = {
    OF_SESSION: RfqEnd.DISCONNECTED,
    OF_TIMER: RfqEnd.DEAD_MAN,
    OF_ACCOUNT: RfqEnd.KILL_SWITCH,
    OF_OWNER: RfqEnd.KILL_SWITCH,
    OF_VENUE: RfqEnd.KILL_SWITCH,
}


def spared(order: Order) -> bool:
    """Whether an order stays when nobody is there to mind it: it can only make the position smaller."""
    return order.reduce_only


def takes(purge: Purge, order: Order) -> bool:
    """Whether a purge is to cancel an order within its reach: one that stood, as it is now, before the purge began.

    Only what was spared can have been amended since, and then it was queued anew.
    """
    if order.priority >= purge.before or (purge.kind <= OF_TIMER and spared(order)):
        return False
    return not purge.accounts or order.account in purge.accounts


def doom_of(state: State, order: Order) -> CancelReason | None:
    """Why an open order may neither trade nor be amended any more; None if it may."""
    if state.timers:
        due_ns = state.timers.get(order.account)
        if due_ns is not None and due_ns <= state.time_ns and not spared(order):
            return CancelReason.DEAD_MAN
    if not state.purges:
        return None
    for key in _keys_of(state.accounts[order.account], order):
        purge = state.purges.get(key)
        if purge is not None and takes(purge, order):
            return _REASONS[purge.kind]
    return None


def _keys_of(account: Account, order: Order) -> tuple[PurgeKey, ...]:
    """The purges that could reach an order."""
    return (
        (OF_SESSION, order.session, b""),
        (OF_TIMER, account.id, b""),
        (OF_ACCOUNT, account.id, b""),
        (OF_OWNER, 0, account.owner),
        (OF_VENUE, 0, b""),
    )


def step(state: State, purges: Iterable[Purge], gone: Iterable[Cancelled] = ()) -> list[Event]:
    """Cancel what the purges are to, the oldest orders of each first, up to the bound; ``gone`` has left already."""
    taken = dict.fromkeys(event.order_id for event in gone)
    events: list[Event] = []
    room = CANCELS_MAX
    for purge in purges:
        for order in _reach(state, purge):
            if order.id in taken or not takes(purge, order):
                continue
            if not room:
                return events
            room -= 1
            taken[order.id] = None
            events.append(Cancelled(order.id, _REASONS[purge.kind], order.qty - order.filled))
        events.append(Purged(purge.kind, purge.number, purge.owner))
    return events


def _reach(state: State, purge: Purge) -> Iterator[Order]:
    """Open orders a purge could be about, the oldest of each account first."""
    if purge.kind == OF_VENUE:
        yield from state.orders.values()  # as they were entered, here and in a restored state
    elif purge.kind == OF_SESSION:
        yield from _by_age(state.by_session.get(purge.number, {}))
    elif purge.kind == OF_OWNER:
        for account in state.owned.get(purge.owner, ()):
            yield from _by_age(state.accounts[account].orders)
    else:
        yield from _by_age(state.accounts[purge.number].orders)


def _by_age(orders: dict[int, Order]) -> list[Order]:
    """Sorted, for the order of an index is not that of a restored one."""
    return [orders[key] for key in sorted(orders)]


def begin(state: State, purge: Purge) -> None:
    """The purge stands; a later one of the same kind takes an unfinished one in. Requests for quotes end at once."""
    state.purges[purge.kind, purge.number, purge.owner] = purge
    rfq_rooms.end(state, _ENDS[purge.kind], lambda rfq: _is_asked_by(state, purge, rfq))


def _is_asked_by(state: State, purge: Purge, rfq: Rfq) -> bool:
    """Whether a request is of whom the purge is about."""
    account = rfq.request.account
    if purge.kind == OF_SESSION:
        return rfq.request.session == purge.number and (not purge.accounts or account in purge.accounts)
    if purge.kind == OF_OWNER:
        return state.accounts[account].owner == purge.owner
    return purge.kind == OF_VENUE or account == purge.number


def evolve_purged(state: State, event: Purged) -> None:
    """Nothing is left for it to do, perhaps already in the record that began it."""
    del state.purges[event.kind, event.number, event.owner]
