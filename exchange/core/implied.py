"""Resting combos that the books of their legs have reached: they trade at once, in the record that changed the books.

A record first does what its command says. Then, as the books stand by now, one resting combo after another that could
trade through its legs does: of several the one that has waited longest, with the legs at the prices of those who stand
there. So no combo is ever crossed or locked by what its legs imply, except while nothing may trade at all, and where a
record is full: then the next one goes on. Imports state, combosweep, backlog,
purging, admission, events.
"""

from typing import Final

from exchange.core import admission, backlog, budget, purging, status
from exchange.core.combosweep import ComboSweep
from exchange.core.events import Cancelled, CancelReason, Event, Reached
from exchange.core.state import State
from exchange.core.state_types import Combo, Order
from exchange.core.units import Nanos, Seconds, seconds_of

FOLLOWED_MAX: Final = 1_000  # events of this kind that one record takes


def stir_all(state: State) -> None:
    """Every leg is to be looked at: what may trade at all has changed."""
    state.stirred = dict.fromkeys(state.on_leg)


class Crossed:
    """Who of the resting combos is reached, kept up while one record works them off."""

    __slots__ = ("_orders", "_state", "_touched")

    def __init__(self, state: State) -> None:
        self._state = state
        self._orders: dict[tuple[int, bool], Order] = {}
        self._touched: dict[int, None] = {}  # combos to look at

    def first(self, now_s: Seconds) -> Order | None:
        """The one that has waited longest, and is no longer as it was when asked again; None if there is none."""
        state = self._state
        for series in state.stirred:
            self._touched |= dict.fromkeys(state.on_leg.get(series, ()))
        state.stirred.clear()
        for combo_id in self._touched:
            for is_buy in (True, False):
                self._look(combo_id, now_s, is_buy=is_buy)
        found = min(self._orders.values(), key=lambda order: (order.priority, order.id), default=None)
        self._touched = {found.series: None} if found is not None else {}
        return found

    def _look(self, combo_id: int, now_s: Seconds, *, is_buy: bool) -> None:
        order = reached(self._state, self._state.combos[combo_id], now_s, is_buy=is_buy)
        if order is None:
            self._orders.pop((combo_id, is_buy), None)
        else:
            self._orders[combo_id, is_buy] = order


def reached(state: State, combo: Combo, now_s: Seconds, *, is_buy: bool) -> Order | None:
    """The best resting order on this side, if the books of the legs offer one lot at its price or better."""
    if status.refuse(state, combo.underlying, reduces=False) is not None:
        return None
    side = state.books[combo.id].side(is_buy=is_buy)
    if not side.keys or not _may_reach(state, combo, side.keys[-1], is_buy=is_buy):
        return None
    order = next(side.orders())
    return order if _sweep(state, order, now_s).slice() is not None else None


def _may_reach(state: State, combo: Combo, key: int, *, is_buy: bool) -> bool:
    """Whether the best prices of the legs, however little stands there, add up to no worse; none is auctioned."""
    offered = 0
    for leg in combo.legs:
        keys = state.books[leg.series].side(is_buy=is_buy != (leg.ratio > 0)).keys
        if not keys or leg.series in state.auctions:
            return False
        offered += abs(leg.ratio) * keys[-1]
    return key + offered >= 0  # keys of asks are negated prices


def _sweep(state: State, order: Order, now_s: Seconds) -> ComboSweep:
    auth = state.auths[order.auth_id].auth
    return ComboSweep(state, auth, order.qty - order.filled, now_s, order.id, order.auth_id)


def must_wait(state: State) -> bool:
    """Whether settlement leaves no room for the legs of one more fill."""
    return backlog.refuse(state) is not None or backlog.room(state) < budget.GROUP_TRADES_MAX


def may_not(state: State, now_s: Seconds) -> bool:
    """Whether nothing may trade anywhere: what changes that looks at all combos again."""
    return admission.refuse_venue(state, now_s) is not None


def ready(state: State, time_ns: Nanos) -> bool:
    """Whether combos that a full record left over can go on at this moment."""
    return state.deferred and not must_wait(state) and not may_not(state, seconds_of(time_ns))


def decide(state: State, order: Order, now_s: Seconds) -> tuple[Event, ...]:
    """One resting combo that is reached: it fills, is cancelled, or both.

    Whoever may not take (post-only) or cannot bear the fill goes, and so does what should have gone before.
    """
    left = order.qty - order.filled
    doom = purging.doom_of(state, order)
    if doom is None and order.expiry_s <= now_s:
        doom = CancelReason.EXPIRED
    if doom is None and order.post_only:
        doom = CancelReason.POST_ONLY
    if doom is not None:
        return (Reached(order.id), Cancelled(order.id, doom, left))
    sweep = _sweep(state, order, now_s)
    sweep.run()
    events = [Reached(order.id), *sweep.events]
    if sweep.stopped is not None and sweep.stopped is not CancelReason.SWEEP_BOUND:
        events.append(Cancelled(order.id, sweep.stopped, sweep.left))
    return (*events, *sweep.stale_reduce_only(order.id))


def no_combo_reached(state: State) -> str | None:
    """NO_COMBO_REACHED: no resting combo that may trade is crossed or locked by what the books of its legs imply."""
    now_s = seconds_of(state.time_ns)
    if state.deferred or may_not(state, now_s):
        return None
    for combo in state.combos.values():
        for is_buy in (True, False):
            order = None if combo.is_over else reached(state, combo, now_s, is_buy=is_buy)
            if order is not None:
                return f"order {order.id} of combo {combo.id} is reached at {order.price}"
    return None


def combos_are_indexed(state: State) -> str | None:
    """COMBOS_ARE_INDEXED: live combos stand under each of their legs and no others do; legs name one combo."""
    for combo in state.combos.values():
        if state.combo_of[combo.legs] != combo.id:
            return f"legs of combo {combo.id} name combo {state.combo_of[combo.legs]}"
        for leg in combo.legs:
            if (combo.id in state.on_leg.get(leg.series, ())) == combo.is_over:
                return f"combo {combo.id} stands wrongly under its leg {leg.series}"
        if combo.is_over and (state.books[combo.id].bids.keys or state.books[combo.id].asks.keys):
            return f"combo {combo.id} is over and has orders"
    listed = sum(len(found) for found in state.on_leg.values())
    expected = sum(len(combo.legs) for combo in state.combos.values() if not combo.is_over)
    return None if listed == expected else f"{listed} legs are indexed, {expected} are live"
