"""The order in which things that wait are taken up, against the same rules in the simplest words. # M08"""

import asyncio
from typing import Any, NamedTuple, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.core import commands as c
from exchange.shell.inbox import Inbox, Query, Submission
from exchange.shell.precedence import ORDERS, TAKE_BACK, Turn, takes_back, turn_of

DELAY = 50
AUTH = c.Authorisation(1, 1 << 16, True, 100, 10**6, 0, 0, False, False, 0, 0, 2**32 - 1, bytes(20), bytes(65))


def order(account: int = 1, series: int = 7, *, post_only: bool = False, amends: bool = False) -> c.AnyCommand:
    auth = c.Authorisation(account, series, True, 100, 1, 0, 0, post_only, False, 0, 0, 9, bytes(20), bytes(65))
    return c.Amend(1, auth) if amends else c.Place(auth)


def quotes(account: int = 1, *series: int, group: str = "a", label: str = "") -> c.MassQuote:
    mandate = c.QuoteMandate(account, 0, 9, 0, 0, 0, 0, 0, bytes(20), bytes(65))
    leaves = tuple(c.QuoteLeaf(each, True, 100, 1, 0, 0) for each in series or (7,))
    return c.MassQuote(mandate, leaves, group, label)


TAKER, MAKER = order(), order(post_only=True)


def test_what_arms_and_what_fires_keep_their_order():
    """Released and then killed is killed; switched on and then gone takes the orders along."""
    pull, release = c.PullKill(0, 1, b"", b"", ""), c.ReleaseKill(0, 1, b"", b"", "")
    pairs = [(release, pull), (pull, release), (c.SwitchSession(1, 1), c.EndSession(1)), (c.SetTimer(1, 5), c.Tick())]
    loop = asyncio.new_event_loop()
    for first, second in pairs:
        inbox = Inbox()
        for command in (first, TAKER, second):
            inbox.put(Submission(command, _nothing, loop.create_future(), signed=False), turn_of(command))
        found = [item.command for item in inbox.drain(9) if isinstance(item, Submission)]
        assert found == [first, second, TAKER]
    loop.close()


def test_every_command_has_a_turn():
    """Cancels and what the chain said go ahead; only orders may be refused for load, and only some of those wait."""
    ahead = [c.Cancel(1, 1), c.CancelAll(1), c.CancelQuotes(1), c.FreezeQuotes(1, "a", is_frozen=True), c.Tick()]
    ahead.append(c.SetTrading(is_open=False, cause=""))
    assert {turn_of(command) for command in ahead} == {Turn.AHEAD}
    facts = [kind(*range(len(kind.__struct_fields__))) for kind in get_args(c.Observation)]
    assert {turn_of(fact) for fact in facts} == {Turn.AHEAD}
    assert [turn_of(each) for each in (TAKER, MAKER, quotes())] == [Turn.TAKING, Turn.RESTING, Turn.RESTING]
    assert [turn_of(order(amends=True, post_only=rests)) for rests in (False, True)] == [Turn.TAKING, Turn.RESTING]
    others = [c.SealBatch(), c.TakeDigest(), c.ListExpiry(1, 0, 0), c.PostRound(1, 1, 1, (), (), ())]
    assert {turn_of(command) for command in others} == {Turn.IN_TURN}
    assert not {Turn.AHEAD, Turn.IN_TURN} & set(ORDERS)


@pytest.mark.parametrize(
    ("command", "entry", "ends"),
    [
        (c.CancelAll(1), order(1), True),
        (c.CancelAll(1), order(1, amends=True), True),
        (c.CancelAll(1, 7), order(1, 7), True),
        (c.CancelAll(1, 8), order(1, 7), False),
        (c.CancelAll(2), order(1), False),
        (c.Cancel(1, 1), order(1), False),
        (c.ObserveExit(1, 1), order(1), False),
        (c.CancelAll(1), quotes(1), True),
        (c.CancelAll(1, 8), quotes(1, 7, 8), True),
        (c.CancelAll(1, 9), quotes(1, 7, 8), False),
        (c.CancelAll(2), quotes(1), False),
        (c.CancelQuotes(1), quotes(1), True),
        (c.CancelQuotes(1), order(1), False),
        (c.CancelQuotes(2), quotes(1), False),
        (c.CancelQuotes(1, group="a"), quotes(1, group="a"), True),
        (c.CancelQuotes(1, group="b"), quotes(1, group="a"), False),
        (c.CancelQuotes(1, series=9), quotes(1, 7, 8), False),
        (c.CancelQuotes(1, label="x"), quotes(1, label="y"), False),
    ],
)
def test_cancelling_everything_means_also_what_is_on_its_way(command, entry, ends):
    assert takes_back(command, entry) is ends


# -- against the same rules in the simplest words ----------------------------------------------------------------------


class Arrival(NamedTuple):
    """Something that came, and what the rules say of it."""

    number: int
    at: int
    command: Any  # None: a question


class Naive:
    """A list of what waits. Each time, everything is looked at."""

    def __init__(self) -> None:
        self.waiting: list[Arrival] = []
        self.in_line: list[Arrival] = []  # released or never held, in the order in which they got there
        self.taken_back: list[int] = []

    def arrive(self, arrival: Arrival) -> None:
        held = arrival.command is not None and turn_of(arrival.command) is Turn.TAKING
        (self.waiting if held else self.in_line).append(arrival)

    def drain(self, now: int, most: int) -> list[int]:
        due = [each for each in self.waiting if each.at + DELAY <= now]
        self.waiting = [each for each in self.waiting if each not in due]
        self.in_line += due
        taken: list[int] = []
        for _ in range(most):
            if not self.in_line:
                break
            first = next((each for each in self.in_line if is_ahead(each)), self.in_line[0])
            self.in_line.remove(first)
            if first.number in self.taken_back:
                continue
            taken.append(first.number)
            for each in [*self.in_line, *self.waiting]:
                if isinstance(first.command, c.CancelAll) and each.number < first.number and ends(first, each):
                    self.taken_back += [each.number] if each.number not in self.taken_back else []
        return taken


def is_ahead(each: Arrival) -> bool:
    return each.command is not None and turn_of(each.command) is Turn.AHEAD


def ends(cancel: Arrival, each: Arrival) -> bool:
    if not isinstance(each.command, c.Place | c.Amend):
        return False
    return each.command.auth.account == cancel.command.account and cancel.command.series in (
        -1,
        each.command.auth.series,
    )


COMMANDS = st.one_of(
    st.builds(order, st.integers(1, 3), st.sampled_from([7, 8]), post_only=st.booleans(), amends=st.booleans()),
    st.builds(c.Cancel, st.integers(1, 3), st.just(1)),
    st.builds(c.CancelAll, st.integers(1, 3), st.sampled_from([-1, 7, 8])),
    st.just(c.SealBatch()),
    st.none(),
)
STEPS = st.lists(st.one_of(COMMANDS, st.integers(1, 40), st.tuples(st.integers(1, 6))), max_size=60)


def drained(inbox: Inbox, now: int, most: int, names: dict[int, int], gone: list[int]) -> list[int]:
    """What the sequencer does, without a machine."""
    inbox.release(now)
    taken = []
    for item in inbox.drain(most):
        if isinstance(item, Query) or not item.is_gone:
            taken.append(names[id(item)])
        if isinstance(item, Submission) and not item.is_gone and isinstance(item.command, TAKE_BACK):
            gone += [names[id(entry)] for entry in inbox.take_back(item)]
    return taken


@settings(max_examples=400, deadline=None)
@given(STEPS)
def test_it_is_what_the_simplest_words_say(steps):
    """A step is an arrival, time that passes, or a drain of at most so many."""
    loop = asyncio.new_event_loop()
    inbox, naive, now = Inbox(), Naive(), 1
    names: dict[int, int] = {}
    kept: list[Any] = []
    gone: list[int] = []
    for step in [*steps, DELAY, (1_000,)]:
        if isinstance(step, int):
            now += step
        elif isinstance(step, tuple):
            assert drained(inbox, now, step[0], names, gone) == naive.drain(now, step[0])
            assert sorted(gone) == sorted(naive.taken_back)
        else:
            waiter = loop.create_future()
            item = Query(lambda _: 0, waiter) if step is None else Submission(step, _nothing, waiter, signed=False)
            kept.append(item)  # so that no two have one id
            names[id(item)] = len(kept)
            naive.arrive(Arrival(len(kept), now, step))
            if isinstance(item, Query):
                inbox.ask(item)
            else:
                inbox.put(item, turn_of(step), now, DELAY)
        waiting = {names[id(each)] for each in kept if each.waiter in list(inbox.waiters())}
        assert waiting >= {each.number for each in naive.in_line if each.number not in gone}
        assert len(list(inbox.waiters())) == len(inbox)
    assert len(inbox) == 0
    loop.close()


def _nothing(_state: Any, _outcome: Any) -> None:
    return None


def test_one_that_can_take_bears_its_arrival_and_others_do_not():
    loop = asyncio.new_event_loop()
    inbox = Inbox()
    for command in (TAKER, MAKER, c.Cancel(1, 1)):
        inbox.put(Submission(command, _nothing, loop.create_future(), signed=False), turn_of(command), 1_000, DELAY)
    assert (len(inbox), inbox.ready, inbox.due_ns) == (3, 2, 1_000 + DELAY)
    found = []
    for now in (1_000, 1_000 + DELAY - 1, 1_000 + DELAY):
        inbox.release(now)
        for item in inbox.drain(9):
            assert isinstance(item, Submission)
            found.append((now, getattr(item.command, "arrived_ns", 0), turn_of(item.command)))
    assert found == [(1_000, 0, Turn.AHEAD), (1_000, 0, Turn.RESTING), (1_050, 1_000, Turn.TAKING)]
    assert inbox.due_ns is None
    loop.close()
