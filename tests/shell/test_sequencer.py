"""The sequencer alone, on a store in memory whose disk a test can hold back or break."""

import asyncio

import pytest
from shell_bench import AUTH, CANCEL, DOMAIN, KEY, PLACE, TICK, opened, turns

from exchange.core import commands as c
from exchange.core.events import Rejected
from exchange.core.images import digest
from exchange.shell.boot import boot
from exchange.shell.deploy import FEES, STANDARD
from exchange.shell.sequencer import Halted, Overloaded
from exchange.signing import Receipt, address_of, receipt_digest, recover
from journal import JournalFailed, Limits, root_of


async def test_nothing_is_answered_or_published_before_it_is_durable():
    async with opened() as bench:
        bench.disk.open.clear()
        placed, asked = bench.ask(TICK), asyncio.create_task(bench.sequencer.read(lambda state: state.seq))
        await turns()
        assert bench.state.seq == 1  # decided, and known to nobody
        assert not placed.done()
        assert not asked.done()
        assert bench.published == []
        bench.disk.open.set()
        assert (await placed)[0] == (1, 1)
        assert await asked == 1
        assert bench.published == [1]


async def test_a_receipt_names_the_record_and_the_root_of_everything_before_it():
    async with opened() as bench:
        receipts = [receipt.receipt for _, receipt in [await bench.ask(TICK) for _ in range(3)]]
        _, last = await bench.ask(CANCEL)
        assert recover(receipt_digest(DOMAIN, last.receipt), last.signature) == address_of(KEY)
        leaves = [leaf for frame in bench.disk.frames_held for leaf in frame.leaves()]
        for place, receipt in enumerate([*receipts, last.receipt]):
            wanted = Receipt(
                seq=place + 1, prior_root=root_of(leaves[:place]), record_hash=leaves[place], time_ns=receipt.time_ns
            )
            assert receipt == wanted


async def test_what_was_journaled_boots_to_the_state_that_answered():
    async with opened() as bench:
        await asyncio.gather(*[bench.ask(command) for command in (TICK, PLACE, CANCEL) * 20])
        lived = await bench.sequencer.read(digest)
        assert digest((await boot(bench.disk)).state) == lived


async def test_under_load_new_orders_are_refused_and_cancels_are_not():
    async with opened(Limits(records=2)) as bench:
        bench.disk.open.clear()
        first = [bench.ask(TICK), bench.ask(TICK)]
        await turns()
        for order in (PLACE, c.Amend(1, AUTH)):
            with pytest.raises(Overloaded):
                await bench.ask(order)
        cancel = bench.ask(CANCEL)
        await turns()
        assert not cancel.done()
        bench.disk.open.set()
        assert (await cancel)[0] == (3, 3)
        assert [(await each)[0][1] for each in first] == [1, 2]
        assert (await bench.ask(PLACE))[0] == (4, 4)  # and once the disk has caught up, orders again


async def test_a_failing_store_fails_everyone_who_waits_and_nothing_is_told():
    """Those whose record is on the disk's doorstep, those behind them, and those not yet looked at."""
    async with opened() as bench:
        bench.disk.open.clear()
        waiting = []
        for _ in range(80):  # more passes than may wait for the disk
            waiting += [bench.ask(PLACE), asyncio.create_task(bench.sequencer.read(lambda state: state.seq))]
            await asyncio.sleep(0)
        await turns()
        bench.disk.broken = True
        bench.disk.open.set()
        ended, late = await asyncio.wait(waiting, timeout=5)
        assert not late
        assert {type(each.exception()) for each in ended} == {Halted}
        assert bench.published == []
        with pytest.raises(JournalFailed):
            await bench.running
        with pytest.raises(Halted):
            await bench.ask(CANCEL)
        assert bench.disk.frames_held == []


async def test_a_store_that_fails_while_the_venue_stops_ends_it_too():
    async with opened() as bench:
        bench.disk.open.clear()
        waiting = bench.ask(TICK)
        await turns()
        bench.sequencer.stop()
        await turns()
        bench.disk.broken = True
        bench.disk.open.set()
        with pytest.raises(Halted):
            await asyncio.wait_for(waiting, 5)
        await asyncio.wait([bench.running], timeout=5)
        assert isinstance(bench.running.exception(), JournalFailed)


async def test_a_machine_that_contradicts_itself_stops_the_venue_and_answers_nobody():
    """Configured with a batch size that no contract takes: the machine asserts, and what came with it is not told."""
    async with opened() as bench:
        impossible = c.Configure("test", 31337, b"C" * 20, b"O" * 20, b"P" * 20, 60, 0, 10, FEES, STANDARD)
        waiting = [bench.ask(TICK), bench.ask(impossible), bench.ask(TICK)]
        ended, late = await asyncio.wait(waiting, timeout=5)
        assert not late
        assert {type(each.exception()) for each in ended} == {Halted}
        with pytest.raises(AssertionError):
            await bench.running
        assert bench.disk.frames_held == []
        assert bench.published == []


async def test_stopping_answers_what_has_arrived_and_takes_nothing_more():
    async with opened() as bench:
        bench.disk.open.clear()
        waiting = [bench.ask(TICK) for _ in range(10)]
        await asyncio.sleep(0)
        bench.sequencer.stop()
        with pytest.raises(Halted):
            await bench.ask(CANCEL)
        with pytest.raises(Halted):
            await bench.sequencer.read(lambda state: state.seq)
        bench.disk.open.set()
        assert [(await each)[0][1] for each in waiting] == list(range(1, 11))
        await bench.running
        assert bench.published == list(range(1, 11))


async def test_a_question_that_raises_harms_nobody_else():
    async with opened() as bench:
        before = bench.ask(TICK)
        wrong = asyncio.create_task(bench.sequencer.read(lambda _: 1 // 0))
        unrendered = asyncio.create_task(bench.sequencer.submit(TICK, lambda state, _outcome: state.orders[7]))
        after = bench.ask(TICK)
        with pytest.raises(ZeroDivisionError):
            await wrong
        with pytest.raises(KeyError):
            await unrendered
        assert [(await each)[0][1] for each in (before, after)] == [1, 3]  # the unrendered command is record 2
        assert [frame.last_seq for frame in bench.disk.frames_held][-1] == 3


async def test_who_gives_up_waiting_gives_up_the_answer_and_not_the_record():
    async with opened() as bench:
        bench.disk.open.clear()
        impatient, patient = bench.ask(TICK), bench.ask(TICK)
        await turns()
        impatient.cancel()
        await turns()
        bench.disk.open.set()
        assert (await patient)[0] == (2, 2)
        assert bench.published == [1, 2]


async def test_a_refusal_is_journaled_like_anything_else():
    async with opened() as bench:
        outcome = await bench.sequencer.record(PLACE)
        assert isinstance(outcome.events[0], Rejected)
        assert [record.seq for frame in bench.disk.frames_held for record in frame.records()] == [1]
