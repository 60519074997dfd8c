"""One WebSocket: reads text into its session, completes the work, writes from a bounded outbox.

A reader that falls behind is closed, never throttled at the expense of others; what it had sequenced stays sequenced.
Imports session, broadcast, outbox, sequencer's errors.
"""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol, TypeVar

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from exchange.core.commands import AnyCommand
from exchange.core.state import State
from exchange.dialect.errors import HALTED, OVERLOADED, STOPPING, TAKEN_BACK, DialectError
from exchange.publisher.notes import Outcome
from exchange.session import Read, Reply, Session, Several, Submit, Subscribe, Unsubscribe, Work
from exchange.session.work import Receipted
from exchange.shell.attendance import Attendance
from exchange.shell.broadcast import Hub
from exchange.shell.clock import Clock
from exchange.shell.meters import Meters
from exchange.shell.outbox import Outbox, Overflow
from exchange.shell.sequencer import Draining, Halted, Overloaded, TakenBack

T = TypeVar("T")

HEARTBEAT_CLOSE: Final = 4000
_log = structlog.get_logger(__name__)


class Backend(Protocol):
    """The sequencer, as the gateway sees it."""

    async def submit(
        self,
        command: AnyCommand,
        render: Callable[[State, Outcome], T],
        *,
        unless: Callable[[State], T | None] | None = None,
    ) -> tuple[T, Receipted | None]:
        """Sequence a command unless there is an answer already; returns once it is durable."""
        ...

    async def read(self, query: Callable[[State], T]) -> T:
        """Ask the state; returns once what was seen is durable."""
        ...


async def complete(work: Submit | Several | Read, backend: Backend, clock: Clock) -> Reply:
    """Do what a piece of work asks and return its reply."""
    try:
        if isinstance(work, Several):
            commands = await backend.read(work.plan)
            done = await asyncio.gather(*(backend.submit(command, work.render) for command in commands))
            receipt = done[-1][1] if done else None
            return work.finish([rendered for rendered, _ in done], receipt, clock.now_ns())
        if isinstance(work, Submit):
            rendered, receipt = await backend.submit(work.command, work.render, unless=work.unless)
            return work.finish(rendered, receipt, clock.now_ns())
        return work.finish(await backend.read(work.query), clock.now_ns())
    except DialectError as error:
        return work.fail(error, clock.now_ns())
    except Overloaded:
        return work.fail(OVERLOADED, clock.now_ns())
    except TakenBack:
        return work.fail(TAKEN_BACK, clock.now_ns())
    except Draining:
        return work.fail(STOPPING, clock.now_ns())
    except Halted:
        return work.fail(HALTED, clock.now_ns())


class Connection:
    """A WebSocket and its session. Also a listener of the hub."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        request: web.Request,
        session: Session,
        backend: Backend,
        hub: Hub,
        clock: Clock,
        outbox: Outbox,
        in_flight_max: int,
        meters: Meters,
    ) -> None:
        self.session = session
        self._born_s = asyncio.get_running_loop().time()
        self.is_open = True
        self.why = ""
        self._socket = socket
        self._transport = request.transport
        self._backend = backend
        self._hub = hub
        self._clock = clock
        self._outbox = outbox
        self._in_flight = asyncio.Semaphore(in_flight_max)
        self._tasks: set[asyncio.Task[None]] = set()
        self._attendance = Attendance(backend)
        self._meters = meters
        self._writer: asyncio.Task[None] | None = None
        self._parting = False
        self._farewell = (WSCloseCode.OK, b"logged out")
        self._keeps = False  # it said goodbye, so its orders stay

    # -- as a listener ------------------------------------------------------------------------------------------------

    @property
    def address(self) -> bytes:
        """Who is logged in; empty if nobody."""
        return self.session.grant.address if self.session.grant is not None else b""

    def send(self, text: str) -> None:
        """Queue a message; a full outbox closes the connection."""
        if not self.is_open:
            return
        try:
            self._outbox.put(text)
        except Overflow:
            self.end("slow consumer")

    def send_latest(self, key: str, text: str) -> None:
        """Queue a message that replaces an unsent one of the same key."""
        if not self.is_open:
            return
        try:
            self._outbox.put_latest(key, text)
        except Overflow:
            self.end("slow consumer")

    def end(self, why: str) -> None:
        """Close now. The peer may not be reading, so there is no closing handshake to wait for."""
        if not self.is_open:
            return
        self.is_open, self.why = False, why
        _log.info("connection_ended", why=why, waiting=len(self._outbox))
        if self._transport is not None:
            self._transport.abort()

    # -- the loop -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until either side ends it."""
        self._writer = asyncio.create_task(self._write(), name="connection writer")
        try:
            await self._read()
        finally:
            self.is_open = False
            self._hub.leave(self)
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
            await self._attendance.leave(keeps=self._keeps)

    async def part(self) -> None:
        """Answer what has been asked and nothing more, write all that waits, and close as one who is going away."""
        self.why, self._farewell = self.why or "venue stopping", (WSCloseCode.GOING_AWAY, b"venue is stopping")
        self._parting = True
        self._hub.leave(self)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._outbox.finish()
        if self._writer is not None:
            await asyncio.wait([self._writer])

    async def _read(self) -> None:
        async for frame in self._socket:
            if self._parting:
                continue  # the peer is about to hear why
            if frame.type is WSMsgType.TEXT:
                await self._handle(self.session.receive(frame.data, self._clock.now_ns()))
            elif frame.type is WSMsgType.BINARY:
                await self._socket.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b"text only")
            elif frame.type is WSMsgType.ERROR:
                return

    async def _handle(self, work: Work) -> None:
        match work:
            case Reply():
                self._answer(work)
                await asyncio.sleep(0)  # a flood of refusals must not starve the writer
            case Unsubscribe():
                self._hub.detach(self, work.topics)
                self.send(work.reply.text)
                if work.ends:
                    self._keeps = True
                    self._outbox.finish()
            case _:
                await self._in_flight.acquire()
                task = asyncio.create_task(self._perform(work))
                self._tasks.add(task)
                task.add_done_callback(partial(self._performed, work))

    def _performed(self, work: Submit | Several | Read | Subscribe, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._in_flight.release()
        if not task.cancelled() and task.exception() is not None:
            _log.error("request_failed", request=work.envelope.id, exc_info=task.exception())
            self.end("internal error")

    async def _perform(self, work: Submit | Several | Read | Subscribe) -> None:
        if not isinstance(work, Subscribe):
            self._answer(await self._complete(work))
            return
        try:
            await self._hub.attach(self, work, lambda: work.finish(self._clock.now_ns()))
        except Overloaded:
            self._answer(work.fail(OVERLOADED, self._clock.now_ns()))
        except Halted:
            self._answer(work.fail(HALTED, self._clock.now_ns()))

    def _answer(self, reply: Reply) -> None:
        if reply.failed:
            self._meters.refused[reply.code] += 1
        self.send(reply.text)

    async def _complete(self, work: Submit | Several | Read) -> Reply:
        """Orders go in the name of the connection, so that they can leave with it."""
        if isinstance(work, Submit) and work.minded:
            try:
                work = await self._attendance.minded(work, self.address)
                self.session.number = await self._attendance.number(self.address)
            except DialectError as error:
                return work.fail(error, self._clock.now_ns())
            except Halted:
                return work.fail(HALTED, self._clock.now_ns())
        return await complete(work, self._backend, self._clock)

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionError):
            while (text := await self._outbox.take()) is not None:
                await self._socket.send_str(text)
            code, why = self._farewell
            await self._socket.close(code=code, message=why)

    def poll(self, patience_s: float) -> None:
        """What time asks for: heartbeats, and the end of connections that never spoke.

        Patience is of this machine's time: the venue's clock may leap, and a stranger cannot know that.
        """
        if not self.session.has_spoken and asyncio.get_running_loop().time() - self._born_s > patience_s:
            self.end("silent")
            return
        polled = self.session.poll(self._clock.now_ns())
        for text in polled.texts:
            self.send(text)
        if polled.close:
            self._tell_close(polled.close)

    def _tell_close(self, why: str) -> None:
        """Close with a code that says why; a peer that does not answer is cut off by the library's timeout."""
        self.is_open, self.why = False, why
        task = asyncio.create_task(self._close(why))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _close(self, why: str) -> None:
        with contextlib.suppress(ConnectionError):
            await self._socket.close(code=HEARTBEAT_CLOSE, message=why.encode())
