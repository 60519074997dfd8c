"""Five hundred connections, two thousand series: changes of books fanned out, while orders are entered and answered.

A venue in a process of its own, with a journal on disk and its usual bounds; makers replace a hundred two-sided quotes
with one signed message, and each change of a book is told to everybody who listens to it. The peer of the same run is a
server of nothing but `websockets`, which is handed the same texts and tells them to as many. Both are asked for 20,000
tellings a second, then for as many as they can; the venue also beside a reader that has stopped and a client that
floods it.  `python -m benchmarks.load [seconds]`
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import logging
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

from benchmarks import conditions
from exchange import codec
from exchange.core import commands as c
from exchange.core.events import Rejected
from exchange.core.pricing import marks_of
from exchange.core.state import State
from exchange.core.units import NO_EXPIRY, USDC_ONE, WAD
from exchange.publisher import Publisher
from exchange.shell.boot import GENESIS
from exchange.shell.broadcast import Hub
from exchange.shell.client import Client, Refused
from exchange.shell.clock import SystemClock
from exchange.shell.deploy import FEES, STANDARD
from exchange.shell.gateway import Gateway
from exchange.shell.keys import dev_key
from exchange.shell.sequencer import Sequencer
from exchange.shell.venue import sequencing
from exchange.shell.wallet import Quote, sign_quotes
from exchange.signing import address_of, domain_separator
from journal import SqliteStore, Writer

SECONDS = 8.0
CONNECTIONS = 500
EXPIRIES, IN_EXPIRY = 8, 248  # as much as the calldata of one batch can carry
QUOTED = 100  # series in a message, and that a connection listens to
GROUPS = EXPIRIES * IN_EXPIRY // QUOTED
MAKERS = 4
WANTED = 20_000  # tellings a second
SPOT = 62_000 * USDC_ONE
CHAIN = (b"C" * 20, b"O" * 20)
OPERATOR = b"\x01" * 32
MAKER_KEYS = [dev_key(f"load maker {number}") for number in range(MAKERS)]
TRADER_KEY = dev_key("load trader")
REFUSED: Counter[str] = Counter()  # of makers and of the trader, by reason
FLOOD = '{"jsonrpc":"2.0","id":1,"method":"public/get_index_price","params":{"index_name":"btc_usdc"}}'


# -- servers: run in a child process ----------------------------------------------------------------------------------


def opening(now_s: int) -> list[c.AnyCommand]:
    """A venue with everything listed and everybody funded."""
    made: list[c.AnyCommand] = [
        c.Configure("load", 31337, *CHAIN, address_of(OPERATOR), 86_400, 64, 43_200, FEES, STANDARD, mandates=True),
        c.ListUnderlying(0, "BTC_USDC", 100, USDC_ONE, USDC_ONE, 1_000 * USDC_ONE),
    ]
    for expiry in range(EXPIRIES):
        made.append(c.ListExpiry(expiry + 1, 0, (now_s // 86_400 + 30 + expiry) * 86_400))
        strikes = [(50_000 + 100 * index) * USDC_ONE for index in range(IN_EXPIRY)]
        made += [c.ListSeries(expiry + 1, index, strike, index % 2 == 0) for index, strike in enumerate(strikes)]
    for account, key in enumerate([*MAKER_KEYS, TRADER_KEY], 1):
        made.append(c.ObserveAccount(2 * account - 1, account, address_of(key)))
        made.append(c.ObserveDeposit(2 * account, account, 10**9 * USDC_ONE))
    return made


def first_round(state: State, now_s: int) -> c.PostRound:
    """Marks for all of it."""
    sheets = []
    for expiry in state.expiries.values():
        vols = (WAD // 2,) * len(expiry.series)
        marks = marks_of(state, c.Sheet(expiry.id, SPOT, WAD, vols, ()), now_s, 0)
        sheets.append(c.Sheet(expiry.id, SPOT, WAD, vols, marks))
    return c.PostRound(1, now_s, WAD, (c.Spot(0, SPOT, WAD, 0),), tuple(sheets), ())


async def venue(folder: str) -> None:
    """Sequencer, journal on disk and gateway, until its standard input closes."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    clock, publisher = SystemClock(), Publisher()
    now_s = clock.now_ns() // 10**9

    async def read(query: Any) -> Any:
        return await sequencer.read(query)

    hub = Hub(publisher, read)
    store = await SqliteStore.open(Path(folder) / "load.journal", GENESIS, schemas=[codec.SCHEMA_FP])
    async with store, Writer(store, codec.SCHEMA_FP) as writer:
        domain = domain_separator(31337, CHAIN[0])
        sequencer = Sequencer(State(), writer, clock, OPERATOR, domain, tap=publisher.tap, publish=hub.publish)
        async with sequencing(sequencer):
            done = await sequencer.record_all(opening(now_s))
            done.append(await sequencer.record(await sequencer.read(lambda state: first_round(state, now_s))))
            assert not any(isinstance(outcome.events[0], Rejected) for outcome in done)
            async with Gateway(publisher, sequencer, hub, clock=clock) as gateway:
                print(gateway.url, flush=True)
                await asyncio.to_thread(sys.stdin.read)


async def plain(_folder: str) -> None:
    """Keeps who listens to what, and tells them the texts it is handed."""
    listeners: dict[str, list[ServerConnection]] = {}

    async def handle(socket: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            async for message in socket:
                told = json.loads(message)
                for channel in told.get("params", {}).get("channels", ()):
                    listeners.setdefault(channel, []).append(socket)
                for channel, text in told.get("tell", ()):
                    broadcast(listeners.get(channel, ()), text)
                await socket.send('{"id":0,"result":"ok"}')

    async with serve(handle, "127.0.0.1", 0, compression=None, max_size=2**24, ping_interval=None) as server:
        print(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)
        await asyncio.to_thread(sys.stdin.read)


# -- who listens ------------------------------------------------------------------------------------------------------


class Ears(asyncio.Protocol):
    """A WebSocket with next to no cost: counts messages, and hands them on if somebody wants them."""

    def __init__(self, path: str, channels: Sequence[str], times: Times | None) -> None:
        self.heard = 0
        self.subscribed = asyncio.Event()
        self._path = path
        self._times = times
        self._rest = b""
        self._open = False
        self._ask = json.dumps(
            {"jsonrpc": "2.0", "id": 0, "method": "public/subscribe", "params": {"channels": channels}}
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        head = f"GET {self._path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        transport.write(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        """Take whole frames; the server's are not masked."""
        rest = self._rest + data
        if not self._open:
            head, found, rest = rest.partition(b"\r\n\r\n")
            if not found:
                self._rest = head
                return
            self._open = True
            self.transport.write(framed(self._ask))
        at = 0
        while len(rest) >= at + 2:
            size, start = rest[at + 1], at + 2
            if size == 126:
                size, start = int.from_bytes(rest[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, start = int.from_bytes(rest[at + 2 : at + 10], "big"), at + 10
            if len(rest) < start + size:
                break
            self._take(rest[at] & 15, rest[start : start + size])
            at = start + size
        self._rest = rest[at:]

    def _take(self, kind: int, body: bytes) -> None:
        if kind != 1:
            return
        if b'"type":"change"' in body:
            self.heard += 1
            if self._times is not None:
                self._times.hear(body)
        elif b'"result"' in body:
            self.subscribed.set()


def framed(text: str) -> bytes:
    """A client's text frame; a mask of zeros is a mask."""
    body = text.encode()
    size = len(body)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big") if size < 2**16 else b""
    length = length or b"\xff" + size.to_bytes(8, "big")
    return b"\x81" + length + bytes(4) + body


class Times:
    """When changes were asked for, and how long it took until they were heard."""

    def __init__(self) -> None:
        self.asked: dict[bytes, float] = {}
        self.waits: list[float] = []

    def hear(self, body: bytes) -> None:
        """A change came."""
        name = body.partition(b'"instrument_name":"')[2].partition(b'"')[0]
        asked = self.asked.pop(name, None)
        if asked is not None:
            self.waits.append(time.perf_counter() - asked)


# -- who speaks -------------------------------------------------------------------------------------------------------


class Message(NamedTuple):
    """What to send to have a hundred books change, by whom, and which."""

    maker: int
    params: dict[str, Any]
    names: list[str]


class Crowd:
    """Everybody who is connected to one server."""

    def __init__(self, times: Times, ears: list[Ears]) -> None:
        self.times = times
        self.ears = ears
        self.acks: list[float] = []
        self.clients: list[Client] = []
        self.hub: ClientConnection | None = None
        self._turn = asyncio.Lock()

    @property
    def heard(self) -> int:
        """Changes of books that were told, all together."""
        return sum(each.heard for each in self.ears)

    async def say(self, message: Message) -> None:
        """Send it, and wait for the answer."""
        began = time.perf_counter()
        self.times.asked.update((name.encode(), began) for name in message.names)
        if self.hub is not None:
            async with self._turn:
                await self.hub.send(json.dumps(message.params))
                await self.hub.recv()
        else:
            try:
                await self.clients[message.maker].call("private/mass_quote", message.params)
            except Refused as refused:
                REFUSED[refused.message] += 1
        self.acks.append(time.perf_counter() - began)

    def part(self) -> None:
        """Everybody who listens leaves."""
        for each in self.ears:
            each.transport.abort()

    def forget(self) -> None:
        """Measure from here."""
        self.acks.clear()
        self.times.waits.clear()


async def makers(url: str) -> list[Client]:
    """Logged in, and with protections that protect from nothing."""
    found = []
    for key in MAKER_KEYS:
        client = await Client.connect(url)
        client.verify_receipts = False
        await client.login(key)
        for turn in range(-(-GROUPS // MAKERS)):  # a group of quotes has at most 512
            await client.call("private/set_mmp_config", {"mmp_group": f"load {turn}", "interval": 1, "frozen_time": 1})
        found.append(client)
    return found


async def quotes(clients: list[Client], groups: list[list[str]]) -> Iterator[Message]:
    """Messages without end, signed; every price moves each time."""
    known = await clients[0].instruments()

    def made() -> Iterator[Message]:
        for number in itertools.count():
            place = number % len(groups)
            client, low = clients[place % MAKERS], 100 + number // len(groups) % 2
            wanted = [Quote(name, (low, 1), (low + 900, 1)) for name in groups[place]]
            nonce = client.nonces.take(client.account)
            mandate = c.QuoteMandate(client.account, nonce, NO_EXPIRY, 0, 0, 0, 0, 0, b"", b"")
            leaves = [leaf for quote in wanted for leaf in quote.leaves(known[quote.instrument].series)]
            signed = sign_quotes(MAKER_KEYS[place % MAKERS], client.venue.domain(), mandate, leaves)
            params: dict[str, Any] = {"mmp_group": f"load {place // MAKERS}", "authorization": signed}
            params["quotes"] = [each.params() for each in wanted]
            yield Message(place % MAKERS, params, groups[place])

    return made()


def texts(groups: list[list[str]]) -> Iterator[Message]:
    """What the plain server is handed: for each book a text as long as the venue's."""
    for number in itertools.count():
        names = groups[number % len(groups)]
        bids, asks = [["new", 101.0, 1.0], ["delete", 100.0, 0.0]], [["new", 1001.0, 1.0], ["delete", 1000.0, 0.0]]
        told = []
        for name in names:
            ids = {"change_id": 10**6 + number, "prev_change_id": 10**6, "timestamp": 1_800_000_000_000}
            data = {"instrument_name": name, "type": "change"} | ids | {"bids": bids, "asks": asks}
            params = {"channel": f"book.{name}.raw", "data": data}
            body = {"jsonrpc": "2.0", "method": "subscription", "params": params}
            told.append([f"book.{name}.raw", json.dumps(body, separators=(",", ":"))])
        yield Message(0, {"tell": told}, names)


async def listen(url: str, groups: list[list[str]]) -> Crowd:
    """Five hundred, spread over the groups; the first of each group takes the time."""
    where = urlsplit(url)
    assert where.hostname is not None
    assert where.port is not None
    times, found = Times(), []
    for number in range(CONNECTIONS):
        names = groups[number % len(groups)]
        timed = times if number < len(groups) else None
        ears = Ears(where.path or "/", [f"book.{name}.raw" for name in names], timed)
        await asyncio.get_running_loop().create_connection(partial(lambda each: each, ears), where.hostname, where.port)
        found.append(ears)
    for ears in found:
        await ears.subscribed.wait()
    return Crowd(times, found)


async def steadily(crowd: Crowd, messages: Iterator[Message], wanted: int, seconds: float) -> float:
    """So many tellings a second, on a timetable; what was told in a second."""
    pause_s = QUOTED * CONNECTIONS / GROUPS / wanted
    prepared = list(itertools.islice(messages, int(seconds / pause_s)))
    crowd.forget()
    before, began, saying = crowd.heard, time.perf_counter(), []
    for turn, message in enumerate(prepared):
        await asyncio.sleep(max(began + turn * pause_s - time.perf_counter(), 0))
        saying.append(asyncio.create_task(crowd.say(message)))
    await asyncio.gather(*saying)
    return (crowd.heard - before) / (time.perf_counter() - began)


async def greedily(crowd: Crowd, messages: Iterator[Message], seconds: float) -> float:
    """One message behind another, two unanswered; what was told in a second."""
    prepared = list(itertools.islice(messages, int(seconds * 30)))
    crowd.forget()
    queue, before, began = iter(prepared), crowd.heard, time.perf_counter()

    async def speak() -> None:
        for message in queue:
            await crowd.say(message)
            if time.perf_counter() > began + seconds:
                return

    await asyncio.gather(speak(), speak())
    return (crowd.heard - before) / (time.perf_counter() - began)


async def stall(url: str, group: list[str]) -> ClientConnection:
    """Listens to a group, and stops reading: it is cut off when 4,096 messages wait for it."""
    socket = await connect(url, compression=None, max_queue=1, ping_interval=None)
    channels = [f"book.{name}.raw" for name in group]
    await socket.send(
        json.dumps({"jsonrpc": "2.0", "id": 0, "method": "public/subscribe", "params": {"channels": channels}})
    )
    socket.transport.pause_reading()
    return socket


async def flood(url: str, counted: list[int]) -> None:
    """Asks for the index as fast as it is answered, a hundred times at once; counts refusals."""
    async with connect(url, compression=None, max_size=2**24, ping_interval=None) as socket:
        with suppress(ConnectionClosed):
            while True:
                for _ in range(100):
                    await socket.send(FLOOD)
                for _ in range(100):
                    counted["too_many_requests" in str(await socket.recv())[:200]] += 1


async def enter(client: Client, name: str, waits: list[float]) -> None:
    """Orders that no other order meets, one after another, fifty a second, until cancelled."""
    while True:
        began = time.perf_counter()
        try:
            await client.place(name, "0.01", 1, is_buy=True, time_in_force="immediate_or_cancel")
        except Refused as refused:
            REFUSED[refused.message] += 1
        waits.append(time.perf_counter() - began)
        await asyncio.sleep(max(0.02 - (time.perf_counter() - began), 0))


def told(title: str, rate: float, crowd: Crowd, orders: Sequence[float] = ()) -> None:
    """A row."""
    cells = [f"{at(waits, share):>8.1f}" for waits in (crowd.times.waits, crowd.acks, orders) for share in (0.5, 0.99)]
    print(f"  {title:<34} {rate:>9,.0f} {' '.join(cells)}", flush=True)


def at(waits: Sequence[float], share: float) -> float:
    """A quantile in milliseconds."""
    return sorted(waits)[int(share * (len(waits) - 1))] * 1e3 if waits else float("nan")


async def measure(url: str, seconds: float) -> list[list[str]]:
    """Rows for the venue; who listens to what."""
    clients = await makers(url)
    names = list(await clients[0].instruments())
    groups = [names[place * QUOTED : (place + 1) * QUOTED] for place in range(GROUPS)]
    crowd = await listen(url, groups)
    crowd.clients, made = clients, await quotes(clients, groups)
    trader, orders = await Client.connect(url), list[float]()
    await trader.login(TRADER_KEY)
    for message in itertools.islice(made, GROUPS):  # books exist
        await crowd.say(message)
    entering = asyncio.create_task(enter(trader, names[-1], orders))
    orders.clear()
    told("venue, as asked", await steadily(crowd, made, WANTED, seconds), crowd, orders)
    stalled, counted = await stall(url, groups[0]), [0, 0]
    flooding = asyncio.create_task(flood(url, counted))
    orders.clear()
    told("venue, a stalled reader and a flood", await steadily(crowd, made, WANTED, seconds), crowd, orders)
    flooding.cancel()
    stalled.transport.abort()
    entering.cancel()
    await asyncio.gather(flooding, entering, return_exceptions=True)
    told("venue, as many as it can", await greedily(crowd, made, seconds), crowd)
    for each in (*clients, trader):
        await each.close()
    crowd.part()
    others = dict(REFUSED) or "nothing"
    print(f"  the flood: {counted[0]:,} answers, {counted[1]:,} refusals; refused to others: {others}")
    return groups


async def compare(peer: str, groups: list[list[str]], seconds: float) -> None:
    """Rows for the plain server."""
    crowd = await listen(peer, groups)
    crowd.hub = await connect(peer, compression=None, max_size=2**24, ping_interval=None)
    told("websockets alone, as asked", await steadily(crowd, texts(groups), WANTED, seconds), crowd)
    told("websockets alone, as many as it can", await greedily(crowd, texts(groups), seconds), crowd)
    await crowd.hub.close()
    crowd.part()


async def main(seconds: float) -> None:
    """Start both servers, measure, stop them."""
    conditions.show(
        f"{CONNECTIONS} connections, {EXPIRIES * IN_EXPIRY:,} series, each heard by {CONNECTIONS // GROUPS} or more",
        f"{WANTED:,} tellings a second asked for, {QUOTED} quotes with both sides in a message, {seconds:.0f} s a row",
        "fifty signed orders a second are entered beside; servers and clients share the machine; ms",
    )
    print(f"  {'':<34} {'tellings/s':>9} {'quote to book':>17} {'quote to ack':>17} {'order to ack':>17}")
    print(f"  {'':<34} {'':>9} {'p50':>9} {'p99':>8} {'p50':>8} {'p99':>8} {'p50':>8} {'p99':>8}")
    with tempfile.TemporaryDirectory(dir=conditions.scratch()) as folder:
        servers = [await _server(kind, folder) for kind in ("venue", "plain")]
        try:
            urls = [(await server.stdout.readline()).decode().strip() for server in servers]
            await compare(urls[1], await measure(urls[0], seconds), seconds)
        finally:
            for server in servers:
                server.stdin.close()
                await server.wait()


async def _server(kind: str, folder: str) -> Any:
    pipe = asyncio.subprocess.PIPE
    arguments = (sys.executable, "-m", "benchmarks.load", kind, folder)
    return await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe)


if __name__ == "__main__":
    roles = {"venue": venue, "plain": plain}
    if sys.argv[1:2] and sys.argv[1] in roles:
        asyncio.run(roles[sys.argv[1]](sys.argv[2]))
    else:
        asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS))
