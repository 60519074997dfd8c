"""Orders that wait for a price: where they stand, and which of them it has reached.

A price is what the journal says: a mark or a spot with the round that is adopted, a last price with the trade. In the
record that brings it, what it reaches moves to the end of ``state.due``, in the order in which a market without jumps
would have passed the prices; from there one after another enters, each by a record of its own (``firing``). So a record
stays small however many wait at one price, and nothing is forgotten when the price goes back. Imports state, commands.
"""

from exchange.core.commands import INDEX, LAST, MARK, Terms, terms_of
from exchange.core.state import State, due_line, line_up
from exchange.core.state_types import Due, Lookout, Order, lookout_key
from exchange.core.units import Price


def price_now(state: State, series: int, watch: int) -> Price:
    """What a trigger of a series watches, as it is now; zero while there is nothing to see."""
    if watch == LAST:
        return state.series[series].last_price
    if state.view is None:
        return 0
    if watch == MARK:
        return state.view.marks.get(series, 0)
    return state.view.spots[state.series[series].underlying]


def reached(terms: Terms, price: Price) -> bool:
    """Whether a price is at the trigger's or beyond it."""
    if not price:
        return False
    return price >= terms.trigger_price if terms.trigger_above else price <= terms.trigger_price


def arm(state: State, order: Order) -> None:
    """The order waits from here on; one whose price is reached already is due at once."""
    price = price_now(state, order.series, order.watch)
    if reached(signed(state, order), price):
        _fall_due(state, order, price)
    else:
        stand(state, order)


def _fall_due(state: State, order: Order, price: Price) -> None:
    state.due[order.id] = Due(order.id, price, state.seq, state.time_ns)
    line_up(state, order)


def stand(state: State, order: Order) -> None:
    """Put a waiting order in its place among those that watch the same."""
    lookout = state.lookouts.setdefault(lookout_key(state.series[order.series], order.watch), Lookout())
    lookout.add(order, signed(state, order))


def disarm(state: State, order: Order) -> None:
    """The order waits no longer, whether it was due or not, or held back altogether."""
    if state.due.pop(order.id, None) is not None:
        line = state.due_lines[due_line(order)]
        del line[order.id]
        if not line:
            del state.due_lines[due_line(order)]
        return
    key = lookout_key(state.series[order.series], order.watch)
    lookout = state.lookouts.get(key)
    if lookout is not None:
        lookout.discard(order, signed(state, order))
        _forget_if_empty(state, key, lookout)


def note_trade(state: State, series: int, price: Price) -> None:
    """A trade was made at this price."""
    _note(state, (LAST, series), price)


def note_round(state: State) -> None:
    """A round is in force: marks first, by series, then spots."""
    view = state.view
    assert view is not None
    for watch, subject in sorted(state.lookouts):
        if watch == MARK:
            _note(state, (watch, subject), view.marks.get(subject, 0))
        elif watch == INDEX:
            _note(state, (watch, subject), view.spots[subject])


def _note(state: State, key: tuple[int, int], price: Price) -> None:
    lookout = state.lookouts.get(key)
    if lookout is None or not price:
        return
    for side, bound in ((lookout.above, price), (lookout.below, -price)):
        end = 0
        while end < len(side) and side[end][0] <= bound:
            _fall_due(state, state.orders[side[end][2]], price)
            end += 1
        del side[:end]
    _forget_if_empty(state, key, lookout)


def _forget_if_empty(state: State, key: tuple[int, int], lookout: Lookout) -> None:
    if not lookout.above and not lookout.below:
        del state.lookouts[key]


def signed(state: State, order: Order) -> Terms:
    """The terms an order stands under."""
    return terms_of(state.auths[order.auth_id].auth)
