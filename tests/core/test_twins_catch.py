"""Negative controls of the twins: each rule of matching, waiting and linking, broken by hand, makes them disagree."""

from typing import Any

import pytest
from core_twins import Twins
from core_venue import series_named
from naive_book import Wish
from naive_quotes import Bounds, Group

from exchange.core import (
    admission,
    kill,
    links,
    orders,
    presence,
    protection,
    purging,
    quoting,
    sweep,
    triggers,
    uncross,
)
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.book import Side
from exchange.core.state import State, line_up
from exchange.core.state_types import Order

CALL = series_named("62000C")
enter_as_triggered = orders.evolve_triggered


def last_first(side: Side[Any], _limit: int) -> Any:
    for key in reversed(side.keys):
        yield from reversed(side.levels[key].orders.values())


def worst_first(side: Side[Any], _limit: int) -> Any:
    for key in side.keys:
        yield from side.levels[key].orders.values()


def refresh_in_place(state: State, order: Order, _: int) -> None:
    shown = min(order.display, order.hidden)
    order.hidden -= shown
    orders._hide(state, order, -shown)


def note_farthest_first(state: State) -> None:
    assert state.view is not None
    due = len(state.due)
    for watch, subject in sorted(state.lookouts):
        triggers._note(state, (watch, subject), state.view.spots.get(subject, 0))
    later = list(state.due.items())[due:]
    for order_id, item in reversed(later):
        triggers.disarm(state, state.orders[order_id])
        state.due[order_id] = item
        line_up(state, state.orders[order_id])


def enter_whole(state: State, event: e.Triggered, seq: int, time_ns: int) -> None:
    state.orders[event.order_id].held = 0
    enter_as_triggered(state, event, seq, time_ns)


def show_everything(state: State, order: Order, trade_id: int) -> None:
    orders._hide(state, order, -order.hidden)
    side = state.books[order.series].side(is_buy=order.is_buy)
    side.remove(order)
    order.hidden, order.priority, order.turn = 0, state.seq, trade_id
    side.add(order)


def play(twins: Twins) -> None:
    """Two at one price, one behind, and somebody who takes two and a half of them; then a change of mind."""
    for account, total, price in ((2, 1, 999), (3, 1, 999), (2, 2, 1_000)):
        twins.place(Wish(account, False, total, price))
    twins.amend(2, Wish(0, False, 1, 0))
    twins.amend(1, Wish(0, False, 2, 0))
    twins.place(Wish(1, True, 3, 1_000, post_only=True))
    twins.place(Wish(1, True, 4, 1_000))
    twins.place(Wish(2, True, 9, 1_000, tif=2))
    twins.place(Wish(1, False, 9, 998, reduce_only=True))
    twins.place(Wish(3, True, 9, 998))
    twins.place(Wish(3, False, 1, 1_005, reduce_only=True))
    hide_and_meet(twins)
    wait_and_link(twins)


def wait_and_link(twins: Twins) -> None:
    """Orders that wait above and below, near and far, and a take profit and a stop behind an entry that fills in part."""
    for account in (1, 2, 3, 4):
        twins.cancel_all(account)
    for account, price in ((2, 63_000), (3, 62_500), (2, 62_500), (3, 61_000)):
        twins.place(Wish(account, True, 1, 997, when=("index", price > 62_000, price)))
    twins.amend(1, Wish(0, True, 1, 998, when=("index", True, 62_800)))
    twins.move(62_600)
    twins.move(62_000)
    twins.fire()
    twins.place(Wish(1, False, 3, 1_000))
    ways_out = [
        Wish(2, False, 4, 1_005, reduce_only=True, when=("index", True, 62_500)),
        Wish(2, False, 4, 997, tif=1, reduce_only=True, when=("last", False, 998)),
    ]
    twins.place(Wish(2, True, 4, 1_000, link="bracket", others=ways_out))
    twins.move(62_500)
    twins.fire()
    twins.place(Wish(1, True, 1, 1_005))
    twins.place(Wish(3, True, 9, 998))
    twins.place(Wish(1, False, 1, 998))
    twins.fire()
    other_way = Wish(3, True, 2, 1_005, when=("index", True, 63_000))
    twins.place(Wish(3, False, 2, 1_000, link="oco", others=[other_way]))
    twins.place(Wish(1, True, 1, 1_000))
    twins.place(Wish(1, False, 2, 1_005))
    twins.move(63_000)
    twins.fire()


def hide_and_meet(twins: Twins) -> None:
    """Icebergs among others at their price, one made smaller; then somebody meets herself in three ways."""
    twins.cancel_all(2)
    twins.cancel_all(3)
    for account, total, display in ((2, 5, 2), (3, 1, 0), (2, 4, 1)):
        twins.place(Wish(account, False, total, 1_005, display=display))
    twins.amend(2, Wish(0, False, 4, 0, display=2))
    twins.place(Wish(3, True, 2, 1_005, gives_way="maker"))
    twins.place(Wish(3, True, 3, 1_005, gives_way="maker"))
    twins.place(Wish(2, True, 1, 1_005, gives_way="both"))
    twins.place(Wish(1, False, 2, 999))
    twins.place(Wish(1, False, 1, 999))
    twins.place(Wish(4, True, 2, 999))
    twins.place(Wish(4, True, 2, 999, gives_way="both"))
    twins.place(Wish(4, True, 2, 999, gives_way="maker"))


def test_the_twins_agree_on_this_play() -> None:
    play(Twins())


@pytest.mark.parametrize(
    ("place", "rule", "broken"),
    [
        (Side, "within", last_first),
        (Side, "within", worst_first),
        (Side, "meets", lambda *_: False),
        (admission, "closes", lambda *_: 10**9),
        (sweep.Sweep, "reducible", lambda *_, **__: 10**9),
        (orders, "_refresh", refresh_in_place),
        (sweep.Sweep, "_shown", lambda _, maker: maker.qty - maker.filled),
        (orders, "_refresh", show_everything),
        (orders, "_give_back", orders.shrink),
        (sweep.Sweep, "meet_oneself", lambda self, maker: self._fill(maker, min(self.left, self._shown(maker)))),
        (sweep, "terms_of", lambda _: c.NO_TERMS),
        (sweep, "terms_of", lambda _: c.Terms(self_trade=c.CANCEL_MAKER)),
        (triggers, "reached", lambda _, price: bool(price)),
        (triggers, "note_round", lambda _: None),
        (triggers, "note_round", note_farthest_first),
        (triggers, "disarm", lambda *_: None),
        (links, "initially_held", lambda _: 0),
        (links, "follow", lambda *_: ()),
        (links, "in_the_way", lambda *_: []),
        (orders, "evolve_triggered", enter_whole),
    ],
    ids=[
        "last in first out",
        "worst price first",
        "nothing crosses",
        "all orders close",
        "all fills reduce",
        "an iceberg keeps its place",
        "an iceberg trades all at once",
        "the next slice is all that is left",
        "what is shown goes before what is hidden",
        "oneself is met as a stranger",
        "the taker gives way whatever it signed",
        "the maker gives way whatever the taker signed",
        "every trigger is reached",
        "a price that was there is forgotten",
        "the farthest trigger first",
        "an amended trigger is the old one",
        "a bracket waits for nothing",
        "what fills is not held back",
        "nobody stands in the way",
        "what is held back enters too",
    ],
)
def test_the_twin_notices(monkeypatch: pytest.MonkeyPatch, place: Any, rule: str, broken: Any) -> None:
    twins = Twins()
    monkeypatch.setattr(place, rule, broken)
    with pytest.raises(AssertionError):
        play(twins)


# -- who is there -----------------------------------------------------------------------------------------------------


def come_and_go(twins: Twins) -> None:
    """Connections with and without a word, a careful account, a timer, switches of every reach."""
    for switch in (0, 1, 2):
        twins.connect(switch)
    silent, loud, keeping = twins.connections
    twins.be_careful(3, cancels=True)
    for minder in (silent, loud, keeping):
        for account in (2, 3):
            twins.place(Wish(account, False, 1, 1_005, minder=minder))
        twins.place(Wish(2, False, 1, 1_005, reduce_only=True, minder=minder))
    twins.amend(0, Wish(0, False, 1, 1_005, reduce_only=True, minder=loud))
    twins.lose(0)
    twins.place(Wish(3, False, 1, 1_005, minder=silent))
    twins.lose(0)
    twins.say_bye(0)
    twins.set_timer(2, 20)
    twins.place(Wish(2, True, 2, 999))
    twins.place(Wish(2, False, 2, 1_005, reduce_only=True))
    twins.wait(30, tick=False)
    twins.place(Wish(3, False, 1, 999))
    twins.place(Wish(2, True, 1, 998))
    twins.wait(0, tick=True)
    for reach, account in (("account", 2), ("owner", 4), ("venue", 1)):
        twins.place(Wish(account, True, 1, 997, minder=0))
        twins.place(Wish(1, True, 1, 997))
        twins.kill(reach, account)
        twins.place(Wish(account, True, 1, 997))
        twins.place(Wish(1, True, 1, 997))
        twins.release(reach, account)


def test_the_twins_agree_on_who_comes_and_goes() -> None:
    come_and_go(Twins())


def all_that_stand(purge: Any, order: Any) -> bool:
    return order.priority < purge.before


@pytest.mark.parametrize(
    ("place", "rule", "broken"),
    [
        (purging, "spared", lambda _: False),
        (purging, "takes", all_that_stand),
        (purging, "doom_of", lambda *_: None),
        (purging, "_by_age", lambda orders: list(orders.values())[::-1]),
        (presence, "refuse_gone", lambda *_: None),
        (presence, "overdue", lambda *_: ()),
        (presence, "_purge_of", lambda *_: []),
        (kill, "standing", lambda *_: None),
    ],
    ids=[
        "spares nothing",
        "takes other accounts' orders",
        "the doomed trade",
        "youngest first",
        "orders of the gone",
        "timers never fire on orders",
        "nothing leaves with a connection",
        "the killed trade",
    ],
)
def test_the_twin_notices_who_is_there(monkeypatch: pytest.MonkeyPatch, place: Any, rule: str, broken: Any) -> None:
    twins = Twins()
    monkeypatch.setattr(place, rule, broken)
    with pytest.raises(AssertionError):
        come_and_go(twins)


# -- makers -----------------------------------------------------------------------------------------------------------


def quote_and_trip(twins: Twins) -> None:
    """Messages that replace one another, budgets, windows, freezes, and an auction that a bound cuts short."""
    twins.protect(2, "a", Group(Bounds(qty=4), seconds=30, rests=20))
    twins.protect(2, "b", Group(Bounds(delta=12_000), seconds=30))
    about = Wish(2, True, 1, 1)
    twins.quote(about, "a", [(False, 3, 1_005, 4_000), (True, 3, 995, 4_000), (True, 1, 994, 0)], Bounds())
    twins.quote(about, "a", [(False, 2, 1_005, 4_000), (True, 4, 995, 4_000)], Bounds(qty=3))
    twins.quote(about, "b", [(False, 2, 1_005, 9_000), (True, 2, 1_010, 9_000)], Bounds(count=2))
    twins.place(Wish(3, True, 1, 1_005))
    twins.place(Wish(3, False, 1, 995))
    twins.place(Wish(3, True, 3, 1_005))
    twins.place(Wish(3, True, 1, 1_005))
    twins.quote(about, "b", [(False, 1, 1_010, 0)], Bounds())
    twins.wait(40, tick=True)
    twins.quote(about, "b", [(False, 1, 1_010, 0)], Bounds())
    twins.quote(about, "a", [(False, 9, 1_000, 0), (True, 9, 990, 0)], Bounds())
    twins.place(Wish(3, True, 4, 1_000))
    twins.freeze(2, "a", is_frozen=False)
    twins.quote(about, "a", [(False, 2, 1_000, 0)], Bounds())
    twins.cancel_quotes(2, "a")
    for account in (2, 3):
        twins.cancel_all(account)
    twins.call(30)
    twins.freeze(2, "b", is_frozen=False)
    twins.quote(about, "b", [(False, 9, 995, 9_000)], Bounds(count=1))
    for total, price in ((2, 1_010), (2, 1_005), (1, 1_000)):
        twins.place(Wish(3, True, total, price))
    twins.wait(30, tick=True)


def test_the_twins_agree_on_makers() -> None:
    quote_and_trip(Twins())


def nothing_is_cut(self: Any) -> dict[int, int]:
    del self
    return {}


@pytest.mark.parametrize(
    ("place", "rule", "broken"),
    [
        (protection.Watch, "note", lambda *_: []),
        (protection.Watch, "take_off", lambda *_: []),
        (protection, "is_frozen", lambda *_: False),
        (protection, "evolve_filled", lambda *_: None),
        (protection, "evolve_triggered", lambda *_: None),
        (quoting.Plan, "_keeps_place", lambda *_: True),
        (quoting.Plan, "_refuse_crossing", lambda *_: None),
        (quoting.Plan, "withdrawn", lambda _: []),
        (quoting, "evolve_freeze", lambda *_: None),
        (uncross.Pairs, "cut", nothing_is_cut),
    ],
    ids=[
        "nothing trips",
        "what is tripped stands",
        "a frozen group quotes",
        "fills are forgotten",
        "a group is never frozen",
        "every quote keeps its place",
        "quotes take",
        "what is replaced stays",
        "a freeze is forgotten",
        "the price of an auction counts what is cut",
    ],
)
def test_the_twin_notices_makers(monkeypatch: pytest.MonkeyPatch, place: Any, rule: str, broken: Any) -> None:
    twins = Twins()
    monkeypatch.setattr(place, rule, broken)
    with pytest.raises((AssertionError, KeyError)):
        quote_and_trip(twins)
