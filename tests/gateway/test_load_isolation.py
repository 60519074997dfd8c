"""One reader that has stopped and one client that floods: the others hear every change, in order, and are answered. # M50

At the small scale of a test, and without a stopwatch: what is told is compared with the journal's own count of changes.
The same at scale, with figures: `python -m benchmarks.load`.
"""

import asyncio
import json
import socket
from itertools import pairwise

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from exchange.session.limits import Limits
from exchange.shell.gateway import Settings
from exchange.shell.wallet import Quote

READERS = 12
CHANGES = 120
ASKED = 400
SMALL = 64  # messages that may wait for a reader


@pytest.fixture
def settings() -> Settings:
    return Settings(limits=Limits(), outbox_messages=SMALL)


def request(number, method, **params):
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})


async def stalled(venue, channels):
    """Listens to everything and stops reading; its connection as the gateway has it."""
    before = dict(venue.gateway.connections)
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    plain.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", venue.gateway.port))
    deaf = await connect(venue.gateway.url, sock=plain, compression=None, max_queue=1)
    await deaf.send(request(1, "public/subscribe", channels=channels))
    await deaf.recv()
    deaf.transport.pause_reading()
    return deaf, next(each for each in venue.gateway.connections if each not in before)


async def fill(deaf, own):
    """Ask on without reading, as its credits allow, until it is shown out."""
    while own.is_open:
        try:
            await deaf.send(request(2, "public/get_time"))
        except ConnectionClosed:
            return
        await asyncio.sleep(0)


async def flood(venue):
    """Ask far more than may be asked; how many were answered, and how each of the others was refused."""
    answered, refused = 0, []
    async with connect(venue.gateway.url, compression=None) as loud:
        for number in range(ASKED):
            await loud.send(request(number, "public/get_instruments", currency="any"))
        for _ in range(ASKED):
            message = json.loads(await loud.recv())
            if "error" in message:
                refused.append((message["error"]["code"], message["error"]["data"]["reason"]))
            else:
                answered += 1
    return answered, refused


async def quote(maker, name, turns):
    """Move both sides of a book so many times; change ids, as its own answers tell them."""
    for turn in range(turns):
        told = await maker.mass_quote([Quote(name, (100 + turn % 2, 1), (2_000 + turn % 2 * 5, 1))], "load")
        assert told["x_standing"] == 2


async def heard(subscription, last):
    """Every message of a book up to a change id: ids with those they say they follow."""
    pairs = [(None, -1)]
    async with asyncio.timeout(60):
        while pairs[-1][1] < last:
            note = await subscription.get()
            pairs.append((note.data.get("prev_change_id"), note.data["change_id"]))
    return pairs[1:]


async def test_a_stalled_reader_and_a_flood_change_nothing_for_the_others(venue):
    channels = [f"book.{venue.call}.raw"]
    maker = await venue.client(1)
    await maker.call("private/set_mmp_config", {"mmp_group": "load", "interval": 1, "frozen_time": 1})
    readers = [await venue.client() for _ in range(READERS)]
    subscriptions = [await reader.subscribe(channels) for reader in readers]
    deaf, own = await stalled(venue, channels)
    filling = asyncio.create_task(fill(deaf, own))
    flooding = asyncio.create_task(flood(venue))

    await quote(maker, venue.call, CHANGES)
    last = await venue.sequencer.read(lambda _: venue.publisher.change_id(venue.publisher.listed[venue.call].series))

    told = [await heard(each, last) for each in subscriptions]
    answered, refused = await flooding
    assert len(told[0]) == CHANGES + 1  # the snapshot, and then every change
    assert all(pairs == told[0] for pairs in told)
    assert all(follows == before for (_, before), (follows, _) in pairwise(told[0]))
    assert answered + len(refused) == ASKED
    assert set(refused) == {(10028, "credits_exhausted")}
    assert len(refused) > answered > 0

    async with asyncio.timeout(60):
        await filling
    assert own.why == "slow consumer"
    deaf.transport.abort()
    assert (await maker.call("public/test"))["version"]
    for each in (maker, *readers):
        await each.close()
