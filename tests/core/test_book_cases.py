"""The 34 cases of the neutral oracle's gate, on the book alone, on the whole machine and on the naive book.

And the bugs that the oracle found most often in engines of other people, planted here one by one: each names the cases
that must catch it.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
import pytest
from core_cases import CASES, Levels, play
from core_desk import MachineDesk
from naive_plain import PlainBook

from benchmarks.desk import Desk, Plain
from exchange.core.book import Side
from exchange.core.events import Traded
from exchange.core.state_types import Order
from exchange.core.sweep import SWEEP_MAX, Sweep

LONG = "five thousand fills in one sweep"  # more than one command may cause, and dear for the naive book


class BookDesk(Desk):
    """The production book alone, with what a case wants to see."""

    def best(self, side: int) -> int | None:
        return self.sides[side].best()

    def depth(self, side: int) -> Levels:
        found = self.sides[side].depth(10**9)
        assert all(self.sides[side].total_at(price) == qty for price, qty in found)
        return found


class NaiveDesk(PlainBook):
    """The naive book, likewise."""

    def best(self, side: int) -> int | None:
        first = self.first(side)
        return None if first is None else first.price


def test_there_are_34() -> None:
    assert len(CASES) == 34


@pytest.mark.parametrize("name", CASES)
def test_the_book_answers_as_written(name: str) -> None:
    play(CASES[name], BookDesk())


@pytest.mark.parametrize("name", [name for name in CASES if name != LONG])
def test_the_machine_answers_as_written(name: str) -> None:
    desk = MachineDesk(pairs=2)
    play(CASES[name], desk)
    desk.venue.check()


@pytest.mark.parametrize("name", [name for name in CASES if name != LONG])
def test_the_naive_book_answers_as_written(name: str) -> None:
    play(CASES[name], NaiveDesk())


def test_the_machine_fills_five_thousand_in_pieces_and_in_turn() -> None:
    """One command causes so many fills and no more; the next one goes on where it stopped."""
    desk, count = MachineDesk(pairs=2), 5_000
    desk.take((0, 1, 0, 1, number, number, 100 + (number > 2_500), 0) for number in range(1, count + 1))
    desk.lines.clear()
    for turn in range(count // SWEEP_MAX):
        desk.take([(0, 0, 0, count, 9_000 + turn, 9_000 + turn, 101, 0)])
        assert sum(level[1] for level in desk.depth(1)) == count - SWEEP_MAX * (turn + 1)
        assert desk.best(0) == (101 if desk.best(1) is None else None)  # a buyer that was stopped does not rest
    fills = [line.split(",") for line in desk.lines if line.startswith("1,")]
    assert [int(fill[4]) for fill in fills] == list(range(1, count + 1))
    assert {fill[3] for fill in fills} == {"1"}
    desk.venue.check()


# -- bugs, planted ----------------------------------------------------------------------------------------------------


class Bug(NamedTuple):
    """What is replaced by what, on which books, and the cases that catch it there."""

    place: Any
    rule: str
    broken: Callable[..., Any]
    caught_by: tuple[str, ...]
    desks: tuple[Callable[[], Any], ...] = (BookDesk, lambda: MachineDesk(pairs=2))


RULES = {(place, rule): getattr(place, rule) for place, rule in ((Side, "add"), (Side, "remove"), (Side, "within"))}
whole_add, whole_remove, whole_within = RULES.values()
whole_write, whole_take, whole_modify = Sweep._write, Desk.take, Desk._modify


def fill_at_the_takers_price(sweep: Sweep, maker: Order, fill: Traded) -> None:
    whole_write(sweep, maker, msgspec.structs.replace(fill, price=sweep.auth.price))


class Ticket:
    """A place in a heap that knows prices and no time."""

    def __init__(self, order: Any, sign: int) -> None:
        self.order, self.key = order, -order.price * sign

    def __lt__(self, other: "Ticket") -> bool:
        return self.key < other.key


def heap_without_time(side: Side[Any], limit: int) -> Iterator[Any]:
    heap: list[Ticket] = []
    for order in whole_within(side, limit):
        heapq.heappush(heap, Ticket(order, side.sign))
    while heap:
        yield heapq.heappop(heap).order


CACHE: dict[int, int] = {}  # id of a side -> its best key, as somebody remembers it


def remember_the_best(side: Side[Any], order: Any) -> None:
    if not side.keys:
        CACHE.pop(id(side), None)
    whole_add(side, order)
    CACHE[id(side)] = max(side.keys[-1], CACHE.get(id(side), side.keys[-1]))


def remember_the_first(side: Side[Any], order: Any) -> None:
    if not side.keys:
        CACHE[id(side)] = order.price * side.sign
    whole_add(side, order)


def best_of_cache(side: Side[Any]) -> int | None:
    return CACHE[id(side)] * side.sign if side.keys else None


def meets_of_cache(side: Side[Any], limit: int) -> bool:
    return bool(side.keys) and CACHE[id(side)] >= limit * side.sign


def swap_and_pop(side: Side[Any], order: Any) -> None:
    level = side.levels[order.price * side.sign]
    queue = list(level.orders.values())
    queue[queue.index(order)] = queue[-1]
    whole_remove(side, order)
    level.orders = {other.id: other for other in queue[:-1]}


def beyond_the_limit(side: Side[Any], _limit: int) -> Iterator[Any]:
    return side.orders()


def lose_the_siblings(side: Side[Any], order: Any) -> None:
    key = order.price * side.sign
    del side.levels[key]
    side.keys.remove(key)


def keep_the_modified(desk: Desk, seq: int, new: Plain, ioc: int) -> None:
    old = desk.live.get(new.id)
    whole_modify(desk, seq, new, ioc)
    if old is not None:
        desk.sides[old.side].add(old)


def count_what_was_filled(side: Side[Any], order: Any) -> None:
    whole_add(side, order)
    side.levels[order.price * side.sign].total += order.filled


def count_what_was_taken(side: Side[Any], order: Any, by: int) -> bool:
    if by == order.qty - order.filled:
        side.remove(order)
    return by == order.qty - order.filled


def believe_the_side_of_a_cancel(desk: Desk, messages: Iterable[Any]) -> None:
    for message in messages:
        if message[0] == 1 and message[5] in desk.live:
            desk.live[message[5]].side = message[1]
        whole_take(desk, [message])


def leave_the_level(side: Side[Any], order: Any) -> None:
    level = side.levels[order.price * side.sign]
    del level.orders[order.id]
    level.total -= order.qty - order.filled


BUGS = {
    "fill at the taker's price": Bug(
        Sweep,
        "_write",
        fill_at_the_takers_price,
        ("a buyer pays what the seller asked", "a seller gets what the buyer bid"),
        (lambda: MachineDesk(pairs=2),),
    ),
    "a heap that knows prices and no time": Bug(
        Side,
        "within",
        heap_without_time,
        ("scattered cancels in a deep queue", LONG),
    ),
    "a cached best that no removal lowers": Bug(
        Side,
        "add",
        remember_the_best,
        ("cancelling the best bid leaves no level behind", "cancelling the best offer leaves no level behind"),
    ),
    "a cached best that no newcomer raises": Bug(
        Side,
        "add",
        remember_the_first,
        ("an immediate-or-cancel buy sweeps several levels, the best first",),
    ),
    "swap and pop": Bug(
        Side, "remove", swap_and_pop, ("cancel the head of a queue, then sweep it", "scattered cancels in a deep queue")
    ),
    "a sweep past its own limit": Bug(
        Side, "within", beyond_the_limit, ("a buyer stops at its own limit", "a seller stops at its own limit")
    ),
    "lost siblings": Bug(
        Side,
        "remove",
        lose_the_siblings,
        ("those at its price survive a modify, and it comes last", "cancel the middle of a queue, then sweep it"),
    ),
    "an id that rests twice": Bug(
        Desk,
        "_modify",
        keep_the_modified,
        ("partly filled, then modified: the new quantity is what is open", "a bid modified up to the offer trades"),
        (BookDesk,),
    ),
    "depth that counts what was filled before": Bug(
        Side, "add", count_what_was_filled, ("the rest of a buyer becomes the best bid and trades next",)
    ),
    "depth that counts what was taken": Bug(
        Side, "take", count_what_was_taken, ("partly filled, then cancelled", "the queue is kept from call to call")
    ),
    "a cancel that believes its message's side": Bug(
        Desk, "take", believe_the_side_of_a_cancel, ("cancel the head of a queue, then sweep it",), (BookDesk,)
    ),
    "a level without orders": Bug(
        Side,
        "remove",
        leave_the_level,
        ("cancelling the best bid leaves no level behind", "several levels filled exactly leave nothing"),
    ),
}


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_caught(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    bug = BUGS[name]
    monkeypatch.setattr(bug.place, bug.rule, bug.broken)
    if bug.broken in (remember_the_best, remember_the_first):
        monkeypatch.setattr(Side, "best", best_of_cache)
        monkeypatch.setattr(Side, "meets", meets_of_cache)
    for desk in bug.desks:
        for case in bug.caught_by:
            if case != LONG or desk is BookDesk:
                with pytest.raises((AssertionError, KeyError, IndexError)):
                    play(CASES[case], desk())
