"""One inbox, one writer: stamp, apply, append, sync, publish.

The sequencer owns the live state. Commands and queries pass it in one order; whatever it answers is released only when
every record the answer could have seen is durable. It never catches: a machine that contradicts itself, or a journal
that fails, stops the venue, and the next start rebuilds from what was written. Imports core, codec, journal.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from exchange import codec
from exchange.core import commands as c
from exchange.core import implied
from exchange.core.events import BatchSealed, Event
from exchange.core.firing import ready, wakes_ns
from exchange.core.images import encode
from exchange.core.machine import apply
from exchange.core.state import State
from exchange.core.units import NANOS_PER_SECOND, Nanos
from exchange.shell.clock import Clock
from exchange.shell.inbox import Inbox, Query, Submission
from exchange.shell.meters import Meters
from exchange.shell.precedence import ORDERS, TAKE_BACK, Turn, turn_of
from exchange.shell.snapshots import Anchors, Keeper, Mark
from exchange.signing import Receipt, Signer, receipt_digest
from journal import Backlog, Durable, Record, Writer, encode_record

T = TypeVar("T")

DRAIN_MAX: Final = 1024  # commands applied before others get the processor
INBOX_MAX: Final = 16_384
QUERIES_MAX: Final = INBOX_MAX // 2  # questions leave room for orders
SNAPSHOT_RETRY: Final = 1_000  # records until the next attempt when a frame did not end with a drain


class Overloaded(Exception):
    """The inbox or the journal's backlog is full; new orders are refused, cancels and facts are not."""


class Halted(Exception):
    """The sequencer has stopped; nothing more is accepted until a restart."""


class Draining(Halted):
    """The venue is about to stop: new orders are refused, cancels, facts and questions are not."""


class TakenBack(Exception):
    """A command that overtook the order has cancelled it before it was entered: it is not in the journal."""


class Outcome(NamedTuple):
    """One applied record."""

    seq: int
    time_ns: Nanos
    command: c.AnyCommand
    events: tuple[Event, ...]


class SignedReceipt(msgspec.Struct, frozen=True):
    """The operator's word that a message stands in the journal at ``receipt.seq``, in the domain of Clearing."""

    receipt: Receipt
    signature: bytes


class _Answer(NamedTuple):
    """What waits for durability: the rendered value, and which record of the drain it belongs to (-1: none)."""

    waiter: asyncio.Future[Any]
    value: Any
    place: int
    signed: bool


class _Drain(NamedTuple):
    """Everything one pass over the inbox produced."""

    records: list[bytes]
    stamps: list[tuple[int, Nanos]]
    sealing: list[int]
    answers: list[_Answer]
    notes: list[Any]
    images: list[bytes]  # the state after it, encoded, when a snapshot is due


class Sequencer:
    """The single writer of the venue."""

    def __init__(
        self,
        state: State,
        writer: Writer,
        clock: Clock,
        operator_key: bytes,
        domain: bytes,
        *,
        anchors: Anchors | None = None,
        tap: Callable[[State, Outcome], Sequence[Any]] = lambda _state, _outcome: (),
        publish: Callable[[Sequence[Any]], None] = lambda _notes: None,
        digest_every: int = 10_000,
        keeper: Keeper | None = None,
        snapshot_every: int = 100_000,
        meters: Meters | None = None,
    ) -> None:
        self._state = state
        self._writer = writer
        self._clock = clock
        self._signer = Signer(operator_key)
        self._domain = domain
        self._tap = tap
        self._publish = publish
        self._digest_every = digest_every
        self._next_digest = state.seq + digest_every
        self._keeper = keeper
        self._snapshot_every = snapshot_every
        self._next_snapshot = state.seq + snapshot_every
        self._last: Mark | None = None  # the last frame of ours that is durable
        self._inbox = Inbox()
        self._arrived = asyncio.Event()
        self._drains: asyncio.Queue[tuple[asyncio.Future[Durable] | None, _Drain]] = asyncio.Queue(64)
        self._unanswered: deque[_Drain] = deque()  # begun and not answered yet, wherever they are
        self._halted: BaseException | None = None
        self._stopping = False
        self._draining = False
        self._meters = meters or Meters()
        self.anchors = anchors or Anchors()

    # -- what others call ---------------------------------------------------------------------------------------------

    async def submit(
        self,
        command: c.AnyCommand,
        render: Callable[[State, Outcome], T],
        *,
        signed: bool = True,
        unless: Callable[[State], T | None] | None = None,
    ) -> tuple[T, SignedReceipt | None]:
        """Sequence a command. ``render`` sees the state exactly as of its record; this returns once it is durable.

        ``unless`` is asked first, when the command's turn has come: what it answers is the answer, and the command is
        not sequenced.

        Raises for new orders Overloaded when the inbox or the journal cannot take more, Draining when the venue is
        about to stop, TakenBack when a cancellation of everything has overtaken them; Halted when stopped.
        """
        self._check_running()
        turn = turn_of(command)
        if turn in ORDERS and self._draining:
            raise Draining("the venue is stopping")
        if turn in ORDERS and self._is_full():
            raise Overloaded(f"{len(self._inbox)} messages wait")
        waiter: asyncio.Future[tuple[T, SignedReceipt | None]] = asyncio.get_running_loop().create_future()
        asked_ns = time.perf_counter_ns()
        self._put(Submission(command, render, waiter, signed=signed, unless=unless), turn)
        answer = await waiter
        self._meters.answered(time.perf_counter_ns() - asked_ns)
        return answer

    async def record(self, command: c.AnyCommand) -> Outcome:
        """Sequence a command and return its outcome, without a signed receipt."""
        outcome, _ = await self.submit(command, _outcome, signed=False)
        return outcome

    async def record_all(self, commands: Sequence[c.AnyCommand]) -> list[Outcome]:
        """Sequence commands with nothing of anybody else's in between; their outcomes, without receipts.

        All of them go at the turn of the first. Facts and listings only: no orders.
        """
        self._check_running()
        loop = asyncio.get_running_loop()
        waiters: list[asyncio.Future[tuple[Outcome, None]]] = [loop.create_future() for _ in commands]
        turn = turn_of(commands[0]) if commands else Turn.IN_TURN  # one lane, or something could get between
        for command, waiter in zip(commands, waiters, strict=True):
            self._put(Submission(command, _outcome, waiter, signed=False), turn)
        return [outcome for outcome, _ in await asyncio.gather(*waiters)]

    async def read(self, query: Callable[[State], T]) -> T:
        """Answer a query in order with the commands, once everything it saw is durable. Raises Overloaded, Halted."""
        self._check_running()
        if self._inbox.ready >= QUERIES_MAX:
            raise Overloaded(f"{self._inbox.ready} messages wait")
        return await self._asked(query)

    async def _asked(self, query: Callable[[State], T]) -> T:
        waiter: asyncio.Future[tuple[T, None]] = asyncio.get_running_loop().create_future()
        self._inbox.ask(Query(query, waiter))
        self._arrived.set()
        return (await waiter)[0]

    async def drain(self) -> None:
        """Take no new order from here on; return once all that came before is answered, orders held back included."""
        self._check_running()
        self._draining = True
        held_until_ns = self._inbox.held_until_ns
        if held_until_ns is not None:
            await self._clock.sleep(max(held_until_ns - self._clock.now_ns(), 0) / NANOS_PER_SECOND)
        self._check_running()
        await self._asked(lambda _state: None)

    @property
    def waiting(self) -> int:
        """Messages in the inbox, held back or not."""
        return len(self._inbox)

    @property
    def held(self) -> int:
        """Orders held back by the taker delay."""
        return self._inbox.held

    @property
    def backlog(self) -> Backlog:
        """What is applied and not durable yet."""
        return self._writer.backlog

    @property
    def accepting(self) -> bool:
        """Whether a new order would be taken at this moment."""
        return not (self._draining or self._stopping) and self._halted is None and not self._is_full()

    @property
    def halted(self) -> BaseException | None:
        """What ended the sequencer; None while it runs."""
        return self._halted

    def glance(self, query: Callable[[State], T]) -> T:
        """What the state is between two drains, durable or not: for gauges, never for an answer. Must not write."""
        return query(self._state)

    def stop(self) -> None:
        """Finish what has arrived, then end ``run``. Orders that are still held back end with Halted, unsequenced."""
        self._stopping = True
        self._arrived.set()

    def _is_full(self) -> bool:
        return len(self._inbox) >= INBOX_MAX or not self._writer.accepting

    def _put(self, item: Submission, turn: Turn) -> None:
        config = self._state.config
        delay_ns = config.taker_delay_ns if turn is Turn.TAKING and config is not None else 0
        # No taker seems to have come before one that a record already knows, though the clock was set back meanwhile.
        arrived_ns = max(self._clock.now_ns(), self._state.time_ns) if delay_ns else 0
        self._inbox.put(item, turn, arrived_ns, delay_ns)
        self._arrived.set()

    # -- the loop -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Sequence until stopped. Any failure ends it, fails every waiter and is raised."""
        releasing = asyncio.create_task(self._release_all(), name="sequencer release")
        try:
            await self._sequence(releasing)
            await self._first_of(self._drains.join(), releasing)
            await self._part(releasing)
        except BaseException as error:
            self._halted = error
            raise
        finally:
            releasing.cancel()
            self._halted = self._halted or Halted("stopped")
            self._fail_waiters(self._halted)
            await asyncio.gather(releasing, return_exceptions=True)

    async def _sequence(self, releasing: "asyncio.Task[None]") -> None:
        while True:
            if self._inbox.due_ns is not None:
                self._inbox.release(self._clock.now_ns())
            if self._inbox.ready or self._fires():
                await self._hand_over(self._drain(), releasing)
                await asyncio.sleep(0)
            elif self._stopping:
                return
            else:
                self._arrived.clear()
                await self._first_of(self._woken(), releasing)

    def _now_ns(self) -> Nanos:
        """The time of the next record."""
        return max(self._clock.now_ns(), self._state.time_ns)

    def _fires(self) -> bool:
        """Whether an order whose trigger was reached has waited long enough and enters now."""
        return bool(self._state.due) and ready(self._state, self._now_ns()) != 0

    async def _woken(self) -> None:
        """Until something arrives, or the first order that is held back is due, fresh or fired."""
        moments = (self._inbox.due_ns, self._fires_ns())
        due_ns = min((moment for moment in moments if moment is not None), default=None)
        waits: list[asyncio.Task[Any]] = [asyncio.create_task(self._arrived.wait())]
        if due_ns is not None:
            left_s = max(due_ns - self._clock.now_ns(), 0) / NANOS_PER_SECOND
            waits.append(asyncio.create_task(self._clock.sleep(left_s)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    def _fires_ns(self) -> Nanos | None:
        """When the next of those will have waited, if that is ahead; what does not enter then waits for a record."""
        moment = wakes_ns(self._state) if self._state.due else None
        return moment if moment is not None and moment > self._now_ns() else None

    async def _hand_over(self, drain: _Drain, releasing: "asyncio.Task[None]") -> None:
        appended = self._writer.append(drain.records) if drain.records else None
        await self._first_of(self._drains.put((appended, drain)), releasing)

    async def _part(self, releasing: "asyncio.Task[None]") -> None:
        """Leave a snapshot of the end, and behind it the digest by which the next start will believe it."""
        if self._keeper is None or self._last is None:
            return
        prepared = self._keeper.prepare(encode(self._state), self.anchors, self._last)
        self._next_digest = 0
        await self._hand_over(self._drain(), releasing)
        await self._first_of(self._drains.join(), releasing)
        self._keeper.write(prepared)

    @staticmethod
    async def _first_of(waiting: Coroutine[Any, Any, object], releasing: "asyncio.Task[None]") -> None:
        """Wait for something, or for the release side to fail, and raise what it failed with."""
        task = asyncio.ensure_future(waiting)
        await asyncio.wait({task, releasing}, return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        if releasing.done():
            releasing.result()

    def _drain(self) -> _Drain:
        drain = _Drain([], [], [], [], [], [])
        self._unanswered.append(drain)
        if not self._inbox.brings_facts:  # of a transaction that the drain before began, perhaps
            self._go_on(drain)
        for item in self._inbox.drain(DRAIN_MAX):  # where its waiter is found should the machine contradict itself
            if isinstance(item, Query):
                drain.answers.append(_Answer(item.waiter, _ask(item.ask, self._state), -1, signed=False))
            elif not item.is_gone:
                self._take(drain, item)
        if self._state.seq >= self._next_digest:
            self._next_digest = self._state.seq + self._digest_every
            self._apply(drain, c.TakeDigest())
        if self._keeper is not None and self._state.seq >= self._next_snapshot:
            self._next_snapshot = self._state.seq + SNAPSHOT_RETRY
            drain.images.append(encode(self._state))
        return drain

    def _take(self, drain: _Drain, item: Submission) -> None:
        known = _ask(item.unless, self._state) if item.unless is not None else None
        if known is not None:
            drain.answers.append(_Answer(item.waiter, known, -1, signed=False))
            return
        outcome = self._apply(drain, item.command)
        value = _ask(lambda state: item.render(state, outcome), self._state)
        drain.answers.append(_Answer(item.waiter, value, len(drain.records) - 1, item.signed))
        if isinstance(item.command, TAKE_BACK):
            self._answer_taken_back(drain, item, outcome.seq)
        if not isinstance(item.command, c.Observation):  # facts of one transaction stay together
            self._go_on(drain)

    def _go_on(self, drain: _Drain) -> None:
        """What follows from records before by records of its own: combos that are reached, then orders that are due."""
        if self._state.deferred:
            self._match_on(drain)
        if self._state.due:
            self._fire(drain)

    def _match_on(self, drain: _Drain) -> None:
        """Combos that a record had no room for trade before anybody else; what settlement has no room for waits."""
        while len(drain.records) < DRAIN_MAX and implied.ready(self._state, self._now_ns()):
            self._apply(drain, c.Proceed())

    def _fire(self, drain: _Drain) -> None:
        """Orders whose trigger was reached, and that have waited, enter first; those beyond one drain with the next."""
        while len(drain.records) < DRAIN_MAX:
            order_id = ready(self._state, self._now_ns())
            if not order_id:
                return
            self._apply(drain, c.Fire(order_id))

    def _answer_taken_back(self, drain: _Drain, item: Submission, seq: int) -> None:
        for entry in self._inbox.take_back(item):
            failure = _Failure(TakenBack(f"cancelled by record {seq} before it was entered"))
            drain.answers.append(_Answer(entry.waiter, failure, -1, signed=False))

    def _apply(self, drain: _Drain, command: c.AnyCommand) -> Outcome:
        state = self._state
        seq, time_ns = state.seq + 1, self._now_ns()
        events = apply(state, seq, time_ns, command)
        record = Record(seq, time_ns, codec.encode_command(command), codec.encode_events(events))
        drain.records.append(encode_record(record))
        drain.stamps.append((seq, time_ns))
        if any(type(event) is BatchSealed for event in events):
            drain.sealing.append(seq)
        outcome = Outcome(seq, time_ns, command, events)
        self._meters.applied(command, events)
        drain.notes.extend(self._tap(state, outcome))
        return outcome

    # -- after durability ---------------------------------------------------------------------------------------------

    async def _release_all(self) -> None:
        while True:
            appended, drain = await self._drains.get()
            durable = await appended if appended is not None else None
            priors: dict[int, bytes] = {}
            if durable is not None:
                frame = durable.frame
                priors = self._anchor(drain, durable)
                self._last = Mark(frame.frame_no, frame.last_seq, frame.head)
                self._keep(drain, self._last)
            self._publish(drain.notes)
            for answer in drain.answers:
                if not answer.waiter.done():
                    self._answer(answer, durable, drain, priors)
            self._unanswered.popleft()
            self._drains.task_done()

    def _anchor(self, drain: _Drain, durable: Durable) -> dict[int, bytes]:
        """Let the tree grow; the roots before the records that somebody waits to have a receipt of."""
        asked = [drain.stamps[each.place][0] for each in drain.answers if each.signed and not each.waiter.done()]
        return self.anchors.extend(drain.stamps[0][0], durable.leaves, drain.sealing, dict.fromkeys(asked))

    def _keep(self, drain: _Drain, at: Mark) -> None:
        """Write the snapshot that is due, and take a digest next; frames that go on beyond a drain are passed over."""
        if not drain.images or self._keeper is None or at.last_seq != drain.stamps[-1][0]:
            return
        if self._keeper.write(self._keeper.prepare(drain.images[0], self.anchors, at)):
            self._next_snapshot = at.last_seq + self._snapshot_every
            self._next_digest = 0

    def _answer(self, answer: _Answer, durable: Durable | None, drain: _Drain, priors: Mapping[int, bytes]) -> None:
        if isinstance(answer.value, _Failure):
            answer.waiter.set_exception(answer.value.error)
            return
        receipt = None
        if answer.signed and durable is not None:
            seq, time_ns = drain.stamps[answer.place]
            leaf = durable.leaves[answer.place]
            plain = Receipt(seq=seq, prior_root=priors[seq], record_hash=leaf, time_ns=time_ns)
            receipt = SignedReceipt(plain, self._signer.sign(receipt_digest(self._domain, plain)))
        answer.waiter.set_result((answer.value, receipt))

    def _check_running(self) -> None:
        if self._halted is not None or self._stopping:
            raise Halted("the sequencer has stopped")

    def _fail_waiters(self, error: BaseException) -> None:
        waiting = [answer.waiter for drain in self._unanswered for answer in drain.answers]
        for waiter in [*waiting, *self._inbox.waiters()]:
            if not waiter.done():
                waiter.set_exception(Halted(f"the sequencer stopped: {error}"))
                waiter.exception()  # `run` raises it: a caller who has gone away leaves no second report


class _Failure(NamedTuple):
    """A query or rendering that raised: its own caller's problem, not the venue's."""

    error: Exception


def _ask(question: Callable[[State], Any], state: State) -> Any:
    try:
        return question(state)
    except Exception as error:  # noqa: BLE001 - handed to the caller who asked
        return _Failure(error)


def _outcome(_state: State, outcome: Outcome) -> Outcome:
    return outcome
