"""What may happen between asking and being answered: leaving, others leaving, a venue too busy, a task that dies."""

import asyncio
import json

import pytest
from websockets.asyncio.client import connect

from exchange.core import commands as c
from exchange.dialect.channels import parse_channel
from exchange.session import Reply, Subscribe
from exchange.session.work import Envelope, Topic
from exchange.shell.clock import ManualClock
from exchange.shell.gateway import Gateway
from exchange.shell.sequencer import Overloaded
from exchange.shell.subscription import Disconnected


class Ear:
    """A listener that keeps what it hears."""

    address = b""

    def __init__(self):
        self.is_open = True
        self.heard = []

    def send(self, text):
        self.heard.append(json.loads(text))

    def send_latest(self, _key, text):
        self.send(text)

    def end(self, _why):
        self.is_open = False

    def data(self):
        """Messages of channels, without replies."""
        return [item["params"]["data"] for item in self.heard if "params" in item]


class Gate:
    """A reader that asks only once it is let."""

    def __init__(self, read):
        self.opened = asyncio.Event()
        self._read = read

    async def __call__(self, query):
        await self.opened.wait()
        return await self._read(query)


def subscription(name):
    return Subscribe(Envelope(1, 0, True), (Topic(parse_channel(name), ()),))


async def attach(hub, ear, work):
    await hub.attach(ear, work, lambda: Reply("{}"))


async def test_who_left_before_being_attached_is_not_kept(venue):
    ear = Ear()
    ear.is_open = False
    await attach(venue.hub, ear, subscription(f"book.{venue.call}.raw"))
    assert ear.heard == []
    assert ear not in venue.hub._attached
    assert venue.publisher.watching() == 0


async def test_a_book_whose_last_reader_leaves_while_another_comes_is_whole(venue):
    hub, maker = venue.hub, await venue.client(1)
    await maker.sell(venue.call, "0.1", 690)
    first, second, work = Ear(), Ear(), subscription(f"book.{venue.call}.raw")
    await attach(hub, first, work)
    gate = hub._read = Gate(venue.sequencer.read)
    coming = asyncio.create_task(attach(hub, second, work))
    await asyncio.sleep(0)
    hub.leave(first)
    await maker.sell(venue.call, "0.1", 700)  # nobody watches: no delta is made of this
    gate.opened.set()
    await coming
    await maker.sell(venue.call, "0.1", 710)
    snapshot, change = second.data()
    assert [price for _, price, _ in snapshot["asks"]] == [690, 700]
    assert change["prev_change_id"] == snapshot["change_id"]
    assert change["asks"] == [["new", 710.0, 0.1]]
    assert len(first.data()) == 1
    await maker.close()


async def test_a_change_between_the_leaving_and_the_coming_reader_is_told_once(venue):
    """The one on the way was counted in time: the book was watched throughout, and its deltas are kept for it."""
    hub, maker = venue.hub, await venue.client(1)
    first, second, work = Ear(), Ear(), subscription(f"book.{venue.call}.raw")
    await attach(hub, first, work)
    gate = Gate(venue.sequencer.read)

    async def read(query):
        value = await venue.sequencer.read(query)
        await gate.opened.wait()
        return value

    hub._read = read
    coming = asyncio.create_task(attach(hub, second, work))
    await maker.sell(venue.call, "0.1", 700)
    hub.leave(first)
    await maker.sell(venue.call, "0.1", 710)
    gate.opened.set()
    await coming
    (snapshot,) = second.data()
    assert [price for _, price, _ in snapshot["asks"]] == [700, 710]
    await maker.close()


async def test_a_busy_venue_does_not_hold_back_what_has_gathered(venue):
    hub, maker, taker = venue.hub, await venue.client(1), await venue.client(2)
    ear = Ear()
    await attach(hub, ear, subscription(f"trades.{venue.call}.100ms"))
    await attach(hub, ear, subscription(f"ticker.{venue.call}.100ms"))

    async def busy(_query):
        raise Overloaded("as asked")

    hub._read = busy
    await maker.sell(venue.call, "0.1", 700)
    await taker.buy(venue.call, "0.1", 700)
    assert venue.publisher.has_marked()
    await hub.beat()
    assert [len(data) for data in ear.data() if isinstance(data, list)] == [1]
    hub._read = venue.sequencer.read
    await hub.beat()
    assert ear.data()[-1]["instrument_name"] == venue.call
    await asyncio.gather(maker.close(), taker.close())


async def test_a_clock_that_leaps_does_not_cut_off_who_is_about_to_speak(venue, settings):
    clock = ManualClock(1_786_910_400)
    async with Gateway(venue.publisher, venue.sequencer, venue.hub, clock=clock, settings=settings) as gateway:
        socket = await connect(gateway.url)
        await (await socket.ping())  # answered by the connection's reader, so it is there
        clock.move_to(clock.now_ns() + 3_600 * 10**9)
        (connection,) = gateway.connections
        connection.poll(settings.first_message_s)
        assert connection.is_open
        await socket.close()


async def _until_closed(client):
    async with asyncio.timeout(5):
        while True:
            await client.call("public/test")


async def test_a_background_task_that_dies_shuts_the_door(venue):
    client = await venue.client(1)

    async def broken():
        raise ZeroDivisionError

    venue.hub.beat = broken
    with pytest.raises(Disconnected):
        await _until_closed(client)
    with pytest.raises(ConnectionRefusedError):
        await venue.client()
    assert (await venue.sequencer.record(c.Tick())).seq  # the venue itself goes on
    await client.close()
