"""Who goes first: cancels before orders in one drain, takers after their delay, nothing lost on the way. # M08"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from shell_bench import AUTH, CANCEL, PLACE, TICK, Bench, opened, turns

from exchange.core import commands as c
from exchange.core.images import digest
from exchange.shell import sequencer
from exchange.shell.boot import boot
from exchange.shell.deploy import FEES, STANDARD
from exchange.shell.sequencer import Halted, Overloaded, TakenBack
from journal import Limits

DELAY = 50_000_000
OPENING = c.Configure("test", 31337, b"C" * 20, b"O" * 20, b"P" * 20, 60, 64, 10, FEES, STANDARD, taker_delay_ns=DELAY)
RESTS = c.Place(replace(AUTH, post_only=True), label="rests")
AMENDS = c.Amend(1, AUTH)
ALL = c.CancelAll(1)
REVOKES = c.ObserveRevocation(1, 1, b"k" * 20)


def taker(number: int, account: int = 2) -> c.Place:
    return c.Place(replace(AUTH, account=account, nonce=number), label=str(number))


@contextlib.asynccontextmanager
async def delaying(limits: Limits | None = None) -> AsyncIterator[Bench]:
    """A venue that holds takers back; its orders are refused by the machine, which journals them all the same."""
    async with opened(limits) as bench:
        await bench.ask(OPENING)
        yield bench


def kinds(bench: Bench) -> list[str]:
    return [type(command).__name__ for command in bench.commands()]


def labels(bench: Bench) -> list[str]:
    return [command.label for command in bench.commands() if isinstance(command, c.Place)]


async def pass_time(bench: Bench, by_ns: int) -> None:
    bench.clock.move_to(bench.clock.now_ns() + by_ns)
    await turns()


# -- one drain ---------------------------------------------------------------------------------------------------------


async def test_cancels_and_facts_overtake_orders_and_each_other_never():
    async with opened() as bench:
        sent = [PLACE, c.SealBatch(), CANCEL, RESTS, REVOKES, AMENDS, ALL, PLACE, TICK, c.Cancel(1, 2)]
        asked = [bench.ask(command) for command in sent]
        await asyncio.wait(asked)
        ahead = [CANCEL, REVOKES, ALL, TICK, c.Cancel(1, 2)]
        # What "cancel all" of account 1 overtook is not entered any more; the order that came after it is.
        assert bench.commands() == [*ahead, c.SealBatch(), PLACE]
        ended = [each.exception() for each in asked]
        assert [type(error) for error in ended if error is not None] == [TakenBack] * 3
        assert [place for place, error in enumerate(ended) if error is not None] == [0, 3, 5]


async def test_a_question_keeps_its_place_among_orders_and_sees_the_cancels():
    async with opened() as bench:
        other = taker(1)
        waiting = [bench.ask(other), asyncio.create_task(bench.sequencer.read(lambda state: state.seq))]
        waiting += [bench.ask(other), bench.ask(CANCEL)]
        placed, seen, later, cancelled = await asyncio.gather(*waiting)
        assert (cancelled[0], placed[0], seen, later[0]) == ((1, 1), (2, 2), 2, (3, 3))


async def test_facts_that_belong_together_stay_together():
    async with opened() as bench:
        facts = [c.ObserveExit(n, 1) for n in range(3)]
        before = [bench.ask(PLACE), bench.ask(CANCEL)]
        together = asyncio.create_task(bench.sequencer.record_all(facts))
        after = [bench.ask(PLACE), bench.ask(CANCEL)]
        await asyncio.gather(*before, together, *after)
        assert kinds(bench) == ["Cancel", *["ObserveExit"] * 3, "Cancel", "Place", "Place"]
        assert [outcome.command for outcome in together.result()] == facts
        assert await bench.sequencer.record_all([]) == []


async def test_who_was_taken_back_is_told_once_the_cancel_is_durable():
    """Before that a crash could make the cancel undone, and the order with it; then nothing may have been said."""
    async with opened() as bench:
        bench.disk.open.clear()
        entered, cancelled = bench.ask(PLACE), bench.ask(ALL)
        await turns()
        assert not entered.done()
        bench.disk.open.set()
        assert (await cancelled)[0] == (1, 1)
        with pytest.raises(TakenBack):
            await entered


# -- the delay ---------------------------------------------------------------------------------------------------------


async def test_what_rests_and_what_cancels_overtakes_what_takes():
    async with delaying() as bench:
        takes, amends = bench.ask(taker(1)), bench.ask(c.Amend(9, replace(AUTH, account=2)))
        await turns()
        rests, cancels = bench.ask(RESTS), bench.ask(CANCEL)
        await asyncio.gather(rests, cancels)
        await pass_time(bench, DELAY - 1)
        assert not takes.done()
        assert not amends.done()
        last = bench.ask(CANCEL)
        await turns()
        await pass_time(bench, 1)
        await asyncio.gather(takes, amends, last)
        assert kinds(bench) == ["Configure", "Cancel", "Place", "Cancel", "Place", "Amend"]
        assert labels(bench) == ["rests", "1"]


async def test_a_cancel_that_is_there_when_a_taker_is_let_through_goes_first():
    """Both become due for the same drain: the cancel arrived a whole delay later and is first all the same."""
    async with delaying() as bench:
        takes = bench.ask(taker(1))
        await turns()
        bench.clock.move_to(bench.clock.now_ns() + DELAY)  # due, and nobody has looked yet
        cancels = bench.ask(CANCEL)
        await asyncio.gather(takes, cancels)
        assert kinds(bench) == ["Configure", "Cancel", "Place"]


async def test_a_clock_that_was_set_back_makes_no_taker_an_earlier_one():
    """As after a restart: the journal knows a later moment than the clock shows."""
    async with delaying() as bench:
        first = bench.ask(taker(1))
        await turns()
        await pass_time(bench, DELAY)
        await first
        bench.clock._now_ns -= DELAY * 2
        second = bench.ask(taker(2))
        await turns()
        await pass_time(bench, 3 * DELAY)
        await second
        arrivals = [command.arrived_ns for command in bench.commands() if isinstance(command, c.Place)]
        assert arrivals == sorted(arrivals)
        assert bench.records()[-1].time_ns - arrivals[-1] >= DELAY


async def test_cancelling_everything_reaches_what_is_held_back():
    async with delaying() as bench:
        mine, other = bench.ask(taker(1, account=1)), bench.ask(taker(2, account=2))
        await turns()
        await bench.ask(ALL)
        with pytest.raises(TakenBack):
            await mine
        await pass_time(bench, DELAY)
        await other
        assert labels(bench) == ["2"]


async def test_a_stop_tells_those_held_back_that_they_were_not_entered():
    """What was acknowledged is in the journal; what was held back is not, and whoever sent it knows."""
    async with delaying() as bench:
        rests, held = bench.ask(RESTS), bench.ask(taker(1))
        await rests
        late = bench.ask(taker(2))
        await turns()
        bench.clock.move_to(bench.clock.now_ns() + DELAY)  # the first two are due when the venue stops
        due_later = bench.ask(taker(3))
        await asyncio.sleep(0)
        bench.sequencer.stop()
        _, waiting = await asyncio.wait([held, late, due_later], timeout=5)
        assert not waiting
        assert [each.exception() for each in (held, late)] == [None, None]
        assert type(due_later.exception()) is Halted
        await bench.running
        assert labels(bench) == ["rests", "1", "2"]


async def test_a_journal_that_fails_fails_those_held_back_too():
    async with delaying() as bench:
        held = bench.ask(taker(1))
        await turns()
        bench.disk.broken = True
        cancels = bench.ask(CANCEL)
        ended, waiting = await asyncio.wait([held, cancels], timeout=5)
        assert not waiting
        assert {type(each.exception()) for each in ended} == {Halted}


async def test_those_held_back_count_against_the_bound_and_cancels_do_not(monkeypatch):
    monkeypatch.setattr(sequencer, "INBOX_MAX", 3)
    monkeypatch.setattr(sequencer, "QUERIES_MAX", 1)
    async with delaying() as bench:
        held = [bench.ask(taker(number)) for number in range(3)]
        await turns()
        for order in (taker(4), RESTS):
            with pytest.raises(Overloaded):
                await bench.ask(order)
        await bench.ask(CANCEL)
        assert await bench.sequencer.read(lambda state: state.seq) == 2  # nor do they keep questions out
        await pass_time(bench, DELAY)
        await asyncio.gather(*held)
        await bench.ask(RESTS)
        assert labels(bench) == ["0", "1", "2", "rests"]


SCRIPT = st.lists(
    st.one_of(st.sampled_from(["takes", "takes", "rests", "cancels"]), st.integers(1, 2 * DELAY)), max_size=40
)


@settings(max_examples=40, deadline=None)
@given(SCRIPT)
def test_the_journal_shows_that_every_taker_waited_and_nobody_was_overtaken_by_one(script):
    asyncio.run(_lived(script))


async def _lived(script: list[Any]) -> None:
    """Takers in the order of their arrival, each held for the delay and let through at the first look after it."""
    async with delaying() as bench:
        asked, longest = [], 0
        for number, step in enumerate(script):
            if isinstance(step, int):
                await pass_time(bench, step)
                longest = max(longest, step)
            else:
                command = {"takes": taker(number), "rests": RESTS, "cancels": CANCEL}[step]
                asked.append(bench.ask(command))
                await turns()
        await pass_time(bench, DELAY)
        await asyncio.gather(*asked)
        arrivals = [
            (command.arrived_ns, record.time_ns)
            for record, command in zip(bench.records(), bench.commands(), strict=True)
            if isinstance(command, c.Place) and not command.auth.post_only
        ]
        assert arrivals == sorted(arrivals)
        assert len(arrivals) == script.count("takes")
        for arrived_ns, time_ns in arrivals:
            assert DELAY <= time_ns - arrived_ns <= DELAY + max(longest, DELAY)
        lived = await bench.sequencer.read(digest)
        assert digest((await boot(bench.disk)).state) == lived
