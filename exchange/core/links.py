"""Orders that came together: what a fill or the end of one means for the others.

One-cancels-other: two orders that together never fill more than the quantity of one. Bracket: an entry with what takes
profit and what stops loss; those are held back until the entry fills, and one-cancel each other. Of the orders that may
fill instead of each other at most one is in the book, the others wait for their triggers, so that no sweep meets two.
A leg takes from the others by filling only: one that is cancelled, expires or is refused leaves them as they are.
Imports state, commands, events.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from exchange.core.commands import (
    BRACKET,
    GTC,
    OCO,
    UNLINKED,
    UNTRIGGERED,
    Amend,
    AnyCommand,
    Authorisation,
    Fire,
    Place,
    Terms,
    terms_of,
)
from exchange.core.events import Cancelled, CancelReason, Event, Held, Reject, Rejected, Traded
from exchange.core.state import State
from exchange.core.state_types import Order, attached_id
from exchange.core.units import Qty

# -- what may come together -------------------------------------------------------------------------------------------


def refuse(command: Place) -> Rejected | None:
    """An order comes with as many others as it says, and each of them names it and fits it."""
    auth, terms, given = command.auth, terms_of(command.auth), len(command.attached)
    allowed = {UNLINKED: (0,), OCO: (1,), BRACKET: (1, 2)}[terms.link]
    if terms.parent or given != terms.attached or given not in allowed:
        return Rejected(Reject.LINKS_MUST_MATCH, given, terms.attached)
    for place, item in enumerate(command.attached, 1):
        if not _names(item.auth, auth) or not _fits(item.auth, auth, terms):
            return Rejected(Reject.LINKS_MUST_MATCH, place, given)
    nonces = [auth.nonce, *(item.auth.nonce for item in command.attached)]
    for at, nonce in enumerate(nonces):
        if nonce in nonces[:at]:
            return Rejected(Reject.LINKS_MUST_MATCH, at, given)
    return None


def _names(child: Authorisation, auth: Authorisation) -> bool:
    terms = terms_of(child)
    same = child.account == auth.account and child.series == auth.series and terms.link == terms_of(auth).link
    return same and terms.parent == auth.nonce + 1 and not terms.attached and not child.replaces


def _fits(child: Authorisation, auth: Authorisation, terms: Terms) -> bool:
    """It waits for a trigger, for the same quantity; in a bracket it closes what the entry opens."""
    if terms_of(child).trigger == UNTRIGGERED or child.qty != auth.qty:
        return False
    if terms.link == BRACKET:
        return child.reduce_only and child.is_buy != auth.is_buy
    return auth.tif == GTC or terms.trigger != UNTRIGGERED  # an order that is over at once cancels nothing later


def refuse_edit(state: State, order: Order, auth: Authorisation) -> Rejected | None:
    """An edit keeps the links as they were signed, and while one waits among linked orders, the quantity too."""
    old, new = terms_of(state.auths[order.auth_id].auth), terms_of(auth)
    if (old.link, old.parent, old.attached) != (new.link, new.parent, new.attached):
        return Rejected(Reject.LINKS_MUST_MATCH, new.link, old.link)
    if order.group and order.watch and auth.qty != order.qty:
        return Rejected(Reject.LINKS_MUST_MATCH, auth.qty, order.qty)
    return None


# -- what follows -----------------------------------------------------------------------------------------------------


class _Leg(NamedTuple):
    """A linked order before a record: how much of it is held back, or -1 when it does not wait."""

    id: int
    qty: Qty
    left: Qty
    held: Qty


def in_the_way(state: State, order: Order) -> list[Order]:
    """Orders in the book that a linked order takes the place of when its trigger fires."""
    members = (state.orders[order_id] for order_id in state.groups.get(order.group, ()))
    return [other for other in members if other.resting and other.id != order.id]


def follow(state: State, command: AnyCommand, seq: int, events: Iterable[Event]) -> tuple[Event, ...]:
    """What a record's fills and cancellations bring upon linked orders that wait."""
    taker = command.order_id if isinstance(command, Amend | Fire) else seq
    filled: dict[int, Qty] = {}
    gone: dict[int, None] = {}
    for event in events:
        if isinstance(event, Traded):
            for order_id in (event.maker_order, event.taker_order or taker):
                filled[order_id] = filled.get(order_id, 0) + event.qty
        elif isinstance(event, Cancelled):
            gone[event.order_id] = None
        elif isinstance(event, Rejected):
            return ()
    groups = {_group_of(state, command, seq, order_id): None for order_id in (*filled, *gone)}
    return tuple(
        event
        for group in sorted(groups)
        if group
        for event in _follow_in(
            _legs(state, command, seq, group), _kind(state, command, seq, group), group, filled, gone
        )
    )


def _group_of(state: State, command: AnyCommand, seq: int, order_id: int) -> int:
    order = state.orders.get(order_id)
    if order is not None:
        return order.group
    return seq if order_id == seq and isinstance(command, Place) and command.attached else 0


def _kind(state: State, command: AnyCommand, seq: int, group: int) -> int:
    if group == seq:
        assert isinstance(command, Place)
        return terms_of(command.auth).link
    any_member = state.orders[state.groups[group][0]]
    return terms_of(state.auths[any_member.auth_id].auth).link


def _legs(state: State, command: AnyCommand, seq: int, group: int) -> list[_Leg]:
    if group == seq:
        assert isinstance(command, Place)
        legs = [_Leg(seq, command.auth.qty, command.auth.qty, -1)]
        for place, item in enumerate(command.attached, 1):
            qty = item.auth.qty
            legs.append(_Leg(attached_id(seq, place), qty, qty, initially_held(item.auth)))
        return legs
    fired = command.order_id if isinstance(command, Fire) else 0
    return [
        _Leg(order.id, order.qty, order.qty - order.filled, order.held if order.watch and order.id != fired else -1)
        for order in (state.orders[order_id] for order_id in state.groups[group])
    ]


def initially_held(auth: Authorisation) -> Qty:
    """What is held back of an order when it comes: all of it in a bracket, until the entry fills."""
    terms = terms_of(auth)
    return auth.qty if terms.link == BRACKET and terms.parent else 0


def _follow_in(
    legs: list[_Leg], kind: int, group: int, filled: dict[int, Qty], gone: dict[int, None]
) -> Iterator[Event]:
    """An entry lets go of what it fills; what one leg fills is held back of the others, and all of it ends them."""
    entry = group if kind == BRACKET else 0
    entry_open = any(leg.id == entry and leg.id not in gone and leg.left > filled.get(leg.id, 0) for leg in legs)
    for leg in legs:
        if leg.held < 0 or leg.id in gone or leg.id == entry:
            continue
        others = sum(qty for order_id, qty in _of(legs, filled) if order_id not in (leg.id, entry))
        held = min(max(leg.held - filled.get(entry, 0) + others, 0), leg.qty)
        if held == leg.qty and not entry_open:
            yield Cancelled(leg.id, CancelReason.LINKED, leg.qty)
        elif held != leg.held:
            yield Held(leg.id, held)


def _of(legs: list[_Leg], filled: dict[int, Qty]) -> Iterator[tuple[int, Qty]]:
    return ((leg.id, filled[leg.id]) for leg in legs if leg.id in filled)
