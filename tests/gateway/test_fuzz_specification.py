"""The published specification turned against the venue: what follows it, and what is a little off, over real sockets. # M54

Every request is answered, by an error of the specification or by a result; nothing ends in an internal error, on a
WebSocket or over HTTP; and the venue is as sound afterwards as it was: invariants, a journal that boots to the same
state, a client who trades. Two thousand by default, 200,000 by `make soak`; and
as many of strangers who come and go, of whom nothing may be kept.
"""

import asyncio
import contextlib
import gc
import http.client
import json
import threading
import tracemalloc
import urllib.parse
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from exchange.core import invariants
from exchange.core.images import digest
from exchange.session.limits import UNLIMITED
from exchange.shell.boot import GENESIS, boot
from exchange.shell.client import Refused
from exchange.shell.gateway import Settings
from journal import MemoryStore

from .conftest import key_of, running
from .spec_requests import ERRORS, METHODS, SIGNED, calls, damaged, terms

# The venue's thread and the sockets draw from the module's generator while Hypothesis looks whether a strategy does.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
EXAMPLE = 25  # requests of one example
PUBLIC = {name: method for name, method in METHODS.items() if name.startswith("public/")}
LOUD = {"request_failed", "gateway_closed", "journal_failed"}


class Venue:
    """A venue on an event loop in a thread of its own, so that the tests' side needs none."""

    def __init__(self, logs):
        self._logs = logs
        self.loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self.loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        assert self._ready.wait(60)

    async def _serve(self):
        self._over = asyncio.Event()
        async with running(Settings(limits=UNLIMITED)) as self.inside:
            self._ready.set()
            await self._over.wait()

    def run(self, coroutine):
        """Have the venue's loop do something; what came of it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def close(self):
        self.loop.call_soon_threadsafe(self._over.set)
        self._thread.join(60)
        assert not self._thread.is_alive()
        self.loop.close()

    def cut_off(self):
        """Whether the connection that ended last was too slow a reader."""
        return next(e for e in reversed(self._logs) if e["event"] == "connection_ended")["why"] == "slow consumer"

    async def tasks(self):
        return len(asyncio.all_tasks())


@pytest.fixture
def venue():
    with capture_logs() as logs:
        made = Venue(logs)
        yield made
        made.close()
    assert [entry for entry in logs if entry["event"] in LOUD or entry["log_level"] in ("error", "critical")] == []


class Stranger:
    """A WebSocket that logs in if it has a number, and comes back when it is shown out."""

    def __init__(self, venue, number):
        self.asked = 0
        self._venue = venue
        self._number = number
        self._socket = None
        self._signer = venue.run(venue.inside.client(number)) if number else None

    def ask(self, text):
        """Send a text; the answer, or None if the connection was closed over it."""
        self.asked += 1
        try:
            socket = self._connected()
            socket.send(text)
            return self._answer(socket)
        except ConnectionClosed as closed:
            self._socket = None
            code = closed.rcvd.code if closed.rcvd is not None else None
        assert code in (1000, 4000) or self._venue.cut_off()  # logged out, silent, or behind with what it subscribed to
        return None

    def _answer(self, socket):
        while True:
            message = json.loads(socket.recv(timeout=30))
            if message.get("method") not in ("subscription", "heartbeat"):
                return message

    def _connected(self):
        if self._socket is None:
            self._open = contextlib.ExitStack()
            opened = connect(self._venue.inside.gateway.url, compression=None, max_size=2**24, ping_interval=None)
            self._socket = self._open.enter_context(opened)
            if self._signer is not None:
                token = self._venue.run(self._signer.login(key_of(self._number)))["refresh_token"]
                login = {"grant_type": "refresh_token", "refresh_token": token}
                self._socket.send(json.dumps({"jsonrpc": "2.0", "id": 0, "method": "public/auth", "params": login}))
                assert "result" in self._answer(self._socket)
        return self._socket

    def sign(self, said):
        """The parameters of an order, truly signed."""
        return self._venue.run(self._signed(**said))

    async def _signed(self, instrument, **said):
        client, sent = self._signer, []
        call, client.call = client.call, None

        async def keep(method, params=None):
            if method not in SIGNED:
                return await call(method, params)
            sent.append((method, params))
            raise Refused(0, "kept", {})

        client.call = keep
        try:
            await client.place(instrument, said.pop("amount"), said.pop("price"), **said)
        except Refused:
            pass
        finally:
            client.call = call
        return sent[0]

    def close(self):
        if self._socket is not None:
            self._open.close()
        if self._signer is not None:
            self._venue.run(self._signer.close())


def require_answer(message):
    """An answer of the specification: a result, or an error that it lists."""
    assert message["jsonrpc"] == "2.0"
    if "error" in message:
        error = message["error"]
        assert ERRORS[error["code"]] == error["message"]
        assert "result" not in message
    else:
        assert "result" in message


def require_unharmed(venue):
    """Invariants hold, the journal boots to the same state, and somebody trades."""
    sequencer, name = venue.inside.sequencer, venue.inside.call

    async def look():
        broken = await sequencer.read(lambda state: [found for rule in invariants.ALL if (found := rule(state))])
        live = await sequencer.read(digest)
        again = MemoryStore(GENESIS, frames_held=list(venue.inside.store.frames_held))
        return broken, live == digest((await boot(again)).state)

    assert venue.run(look()) == ([], True)

    async def trade():
        async with await venue.inside.client(3) as seller, await venue.inside.client(4) as buyer:
            await seller.call("private/cancel_all", {"subaccount_id": seller.account})
            await buyer.call("private/cancel_all", {"subaccount_id": buyer.account})
            await seller.sell(name, "0.01", 5)
            return (await buyer.buy(name, "0.01", 2_000)).trades

    assert venue.run(trade())


def require_http(venue, method, params):
    """The same over HTTP, in the query and in the body: no answer of the five hundreds, and JSON."""
    port, query = venue.inside.gateway.port, {name: json.dumps(value) for name, value in params.items()}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    for verb, path, text in (
        ("GET", f"/api/v2/{method}?{urllib.parse.urlencode(query, errors='replace')}", None),
        ("POST", "/api/v2", body),
    ):
        if len(path) > 4_000:
            continue
        asking = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        asking.request(verb, path, text.encode("utf-8", "replace") if text else None)
        answer = asking.getresponse()
        require_answer(json.loads(answer.read()))
        assert answer.status < 500
        asking.close()


class Asking:
    """Strangers, one with no login, who ask what is drawn, and the count of what they were told."""

    def __init__(self, venue):
        self.strangers = [Stranger(venue, number) for number in (0, 1, 2)]
        self.seen = {"result": 0, "error": 0, "closed": 0}
        self._venue = venue

    def ask(self, number, requests, orders):
        """Requests of one of them, orders truly signed if it can, and the first request over HTTP."""
        stranger = self.strangers[number]
        for _, text in requests:
            self._hear(stranger.ask(text))
        for said in orders if number else []:
            method, params = stranger.sign(said)
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            self._hear(stranger.ask(json.dumps(body, default=float)))
        (method, params), _ = requests[0]
        require_http(self._venue, method, params)

    def _hear(self, message):
        if message is not None:
            require_answer(message)
        self.seen["closed" if message is None else "result" if "result" in message else "error"] += 1


@pytest.mark.counts(short=40, soak=8_000)
def test_the_specification_and_what_is_a_little_off_it(venue, count):
    """``count`` examples of 25 requests each: 2,000 by default, 200,000 soaked; one of each over HTTP as well."""
    names, asking = venue.inside.names, Asking(venue)
    channels = [
        f"book.{names[0]}.raw",
        f"ticker.{names[1]}.100ms",
        "user.orders.any.any.raw",
        "trades.any.any.raw",
        "x",
    ]
    request = calls(names, channels).flatmap(lambda call: st.tuples(st.just(call), damaged(call)))
    requests = st.lists(request, min_size=EXAMPLE, max_size=EXAMPLE)

    @settings(max_examples=count, database=None, phases=[Phase.generate])
    @given(st.sampled_from([0, 1, 2]), requests, st.lists(terms(names), max_size=3))
    def ask(number, drawn, orders):
        asking.ask(number, drawn, orders)

    ask()
    for stranger in asking.strangers:
        stranger.close()
    seen = asking.seen
    assert sum(seen.values()) >= count * EXAMPLE
    assert seen["result"] > count
    assert seen["error"] > count
    assert venue.run(_placed(venue)) > count // 10
    require_unharmed(venue)


async def _placed(venue):
    """How many records the fuzz has written: much of it got past the door."""
    return await venue.inside.sequencer.read(lambda state: state.seq)


def handles():
    """Open files and sockets of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.counts(short=3, soak=40)
def test_nothing_is_kept_of_those_who_have_gone(venue, count):
    """Phases of strangers who come, ask, subscribe and leave: files, tasks and memory are as after the first of them."""
    names = venue.inside.names
    channels = [f"book.{names[0]}.raw", f"ticker.{names[1]}.100ms"]
    texts = []

    @settings(max_examples=12 if count < 10 else 200, database=None, phases=[Phase.generate])
    @given(st.lists(calls(names, channels, PUBLIC).flatmap(damaged), min_size=EXAMPLE, max_size=EXAMPLE))
    def draw(requests):
        texts.append(requests)

    draw()
    sizes = []
    tracemalloc.start()
    try:
        for _ in range(count):
            for requests in texts:
                stranger = Stranger(venue, 0)
                for text in requests:
                    stranger.ask(text)
                stranger.close()
            venue.run(_all_gone(venue))
            gc.collect()
            sizes.append((handles(), venue.run(venue.tasks()), tracemalloc.get_traced_memory()[0]))
    finally:
        tracemalloc.stop()
    settled = sizes[1:]  # the first fills caches
    assert {(files, tasks) for files, tasks, _ in settled} == {settled[0][:2]}
    grown = settled[-1][2] - settled[0][2]
    assert grown < 64 * 1024 + 2 * EXAMPLE * len(texts) * (count - 2), sizes


async def _all_gone(venue):
    """Wait until the venue has seen everybody leave."""
    async with asyncio.timeout(60):
        while venue.inside.gateway.connections:  # noqa: ASYNC110 - the gateway counts them and tells nobody
            await asyncio.sleep(0.01)
    await asyncio.sleep(0)
