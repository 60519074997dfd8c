"""When orders end: a heap of deadlines, kept no longer than twice the orders it is for.

An entry is stale once its order has closed or ends at another time; it is passed over, so that what a tick cancels
follows from the open orders alone, whatever the heap still holds of the past. Between its time and the tick that
cancels it, an order neither trades nor is amended. Imports state, events.
"""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Final

from exchange.core.events import Cancelled, CancelReason
from exchange.core.state import State
from exchange.core.state_types import Order
from exchange.core.units import NO_EXPIRY, Seconds

CANCELS_MAX: Final = 1_000  # orders that one tick ends; the next one goes on
STALE_MIN: Final = 64  # stale entries that are never worth a rebuild


def remember(state: State, order: Order) -> None:
    """An order ends at its time; entries of orders long gone are dropped when they are more than the others."""
    if order.expiry_s == NO_EXPIRY:
        return
    heap = state.deadlines
    heappush(heap, (order.expiry_s, order.id))
    if len(heap) > 2 * len(state.orders) + STALE_MIN:
        heap[:] = [(item.expiry_s, item.id) for item in state.orders.values() if item.expiry_s != NO_EXPIRY]
        heapify(heap)


def expired(state: State, now_s: Seconds) -> list[Cancelled]:
    """Cancellations of orders whose time has passed, earliest deadline first, at most ``CANCELS_MAX``."""
    found: dict[int, Order] = {}
    for expiry_s, order_id in _due(state.deadlines, now_s):
        if len(found) == CANCELS_MAX:
            break
        order = state.orders.get(order_id)
        if order is not None and order.expiry_s == expiry_s:
            found[order_id] = order
    return [Cancelled(order.id, CancelReason.EXPIRED, order.qty - order.filled) for order in found.values()]


def _due(heap: list[tuple[int, int]], now_s: Seconds) -> Iterator[tuple[int, int]]:
    """Entries up to a time in ascending order, looking at hardly more of the heap and leaving it as it is."""
    edge = [(heap[0], 0)] if heap else []
    while edge:
        entry, at = heappop(edge)
        if entry[0] > now_s:
            return
        yield entry
        for child in (2 * at + 1, 2 * at + 2):
            if child < len(heap):
                heappush(edge, (heap[child], child))


def forget(state: State, now_s: Seconds) -> None:
    """Drop deadlines that have passed and cancelled what they were for."""
    heap = state.deadlines
    while heap and heap[0][0] <= now_s:
        order = state.orders.get(heap[0][1])
        if order is not None and order.expiry_s == heap[0][0]:
            return
        heappop(heap)
