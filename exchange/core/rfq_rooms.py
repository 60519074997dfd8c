"""Where quotes for a request stand, and which requests are over: the facts that orders and purges move.

A quote is an order that is in no book: it is found by the request that its signed terms name, and by nothing else that
trades. Imports state, events.
"""

from collections.abc import Callable

from exchange.core.events import RfqEnd
from exchange.core.state import State
from exchange.core.state_types import Order, Rfq


def enter(state: State, order: Order) -> None:
    """A quote stands in its request."""
    state.rfq_quotes.setdefault(order.rfq, {})[order.id] = order


def leave(state: State, order: Order) -> None:
    """A quote stands there no longer."""
    quotes = state.rfq_quotes[order.rfq]
    del quotes[order.id]
    if not quotes:
        del state.rfq_quotes[order.rfq]


def quotes_of(state: State, rfq_id: int) -> list[Order]:
    """Quotes that stand in a request, in the order in which they were entered or lost their place."""
    return sorted(state.rfq_quotes.get(rfq_id, {}).values(), key=lambda order: (order.priority, order.id))


def end(state: State, reason: RfqEnd, meant: Callable[[Rfq], bool]) -> None:
    """Requests that are meant are over, if they were not before; their quotes leave with the next tick."""
    for rfq in state.rfqs.values():
        if rfq.ended is None and meant(rfq):
            rfq.ended = reason
