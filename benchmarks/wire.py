"""Signed orders per second through the WebSocket of a venue in a process of its own.

Every order is signed by its trader beforehand, checked by the venue, sequenced, synced to disk, and answered with a
signed receipt. The peer of the same run is an echo server on the same library that only returns the same messages.
`python -m benchmarks.wire`
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web
from websockets.asyncio.client import connect

from benchmarks import conditions
from exchange.core.units import NO_EXPIRY, USDC_ONE
from exchange.session.limits import UNLIMITED
from exchange.shell import devmarket
from exchange.shell.client import Client
from exchange.shell.clock import SystemClock
from exchange.shell.deploy import Terms
from exchange.shell.feeds import Maker
from exchange.shell.venue import DevKeys, Settings, open_venue
from exchange.shell.wallet import sign_login, sign_order
from exchange.signing import Order

ORDERS = 4_000
CONNECTIONS = 4
WINDOW = 32
REPEATS = 3


# -- servers: run in a child process ----------------------------------------------------------------------------------


async def venue(folder: str) -> None:
    """A development venue without limits on requests, until its standard input closes."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    clock, feed = SystemClock(), devmarket.Feed()
    settings = Settings(Path(folder) / "bench.journal", Terms(settlement_window_s=1_800), clock)
    async with open_venue(settings) as (opened, controls):
        await devmarket.endow(opened, controls, devmarket.trader_keys(), devmarket.DEPOSIT)
        now_s = clock.now_ns() // 10**9
        await devmarket.list_missing(opened, feed.near(now_s), now_s)
        await devmarket.until_final(opened, controls)
        keys = DevKeys.make()
        spots = {devmarket.UNDERLYING: feed.near(now_s)}
        await opened.post_round(Maker(keys.signers), spots, lambda _: feed.vol, now_s)
        async with opened.gateway(limits=UNLIMITED) as gateway:
            print(gateway.url, flush=True)
            await asyncio.to_thread(sys.stdin.read)


async def echo(_folder: str) -> None:
    """Returns what it hears."""

    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"ws://127.0.0.1:{runner.addresses[0][1]}/", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


# -- client -----------------------------------------------------------------------------------------------------------


async def messages(url: str, key: bytes, first_nonce: int, count: int) -> tuple[str, list[str]]:
    """The login of a trader, and orders that no other order meets, signed."""
    client = await Client.connect(url)
    async with client:
        await client.login(key)
        name, known = next(iter((await client.instruments()).items()))
        fee = await client.default_max_fee(name)
        login = sign_login(key, await client.call("public/get_time"), f"bench {first_nonce}")
        made = []
        for nonce in range(first_nonce, first_nonce + count):
            order = Order(
                account=client.account,
                series=known.series,
                is_buy=True,
                quantity=devmarket.BTC.lot,
                limit_price=USDC_ONE,
                max_fee=fee,
                time_in_force=1,
                nonce=nonce,
                expiry=NO_EXPIRY,
            )
            terms = {
                "instrument_name": name,
                "amount": 0.01,
                "price": 1,
                "time_in_force": "immediate_or_cancel",
                "authorization": sign_order(key, client.venue.domain(), order),
            }
            made.append(json.dumps({"jsonrpc": "2.0", "id": nonce, "method": "private/buy", "params": terms}))
        return json.dumps({"jsonrpc": "2.0", "id": 0, "method": "public/auth", "params": login}), made


async def drive(url: str, login: str | None, sent: list[str], waits: list[float]) -> None:
    """One connection with a window of unanswered messages."""
    async with connect(url, compression=None, max_size=2**24) as socket:
        if login is not None:
            await socket.send(login, text=True)
            assert "access_token" in str(await socket.recv())
        pending: list[float] = []
        queue = iter(sent)
        for text in islice(queue, WINDOW):
            pending.append(time.perf_counter())
            await socket.send(text, text=True)
        for _ in sent:
            answer = await socket.recv()
            waits.append(time.perf_counter() - pending.pop(0))
            assert login is None or b'"receipt"' in (answer if isinstance(answer, bytes) else answer.encode()), answer
            for text in islice(queue, 1):
                pending.append(time.perf_counter())
                await socket.send(text, text=True)


async def measure(url: str, peer: str) -> None:
    """Print a row for the venue and one for the echo."""
    keys, each = devmarket.trader_keys()[:CONNECTIONS], ORDERS // CONNECTIONS
    rates: dict[str, float] = {}
    work = [[await messages(url, key, 1 + n * (each + 1), each) for key in keys] for n in range(REPEATS)]
    for name, where in (("venue", url), ("echo", peer)):
        best = (0.0, [0.0])
        for prepared in work:
            waits: list[float] = []
            began = time.perf_counter()
            logins = [login if name == "venue" else None for login, _ in prepared]
            await asyncio.gather(
                *(drive(where, login, sent, waits) for login, (_, sent) in zip(logins, prepared, strict=True))
            )
            best = max(best, (ORDERS / (time.perf_counter() - began), waits))
        rates[name], waits = best[0], sorted(best[1])
        p50, p99 = waits[len(waits) // 2] * 1e3, waits[len(waits) * 99 // 100] * 1e3
        print(f"  {name:<6} {rates[name]:>9,.0f} messages/s  p50 {p50:>7.2f} ms  p99 {p99:>7.2f} ms")
    print(f"  venue / echo: {rates['venue'] / rates['echo']:.3f}")


async def main() -> None:
    """Start both servers, measure, stop them."""
    conditions.show(
        f"{ORDERS:,} orders (immediate or cancel), {CONNECTIONS} connections, {WINDOW} unanswered each",
        f"best of {REPEATS}; server and client share the machine",
    )
    with tempfile.TemporaryDirectory(dir=conditions.scratch()) as folder:
        servers = [await _server(kind, folder) for kind in ("venue", "echo")]
        try:
            urls = [(await server.stdout.readline()).decode().strip() for server in servers]
            await measure(*urls)
        finally:
            for server in servers:
                server.stdin.close()
                await server.wait()


async def _server(kind: str, folder: str) -> Any:
    pipe = asyncio.subprocess.PIPE
    arguments = (sys.executable, "-m", "benchmarks.wire", kind, folder)
    return await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe)


if __name__ == "__main__":
    roles = {"venue": venue, "echo": echo}
    asyncio.run(roles[sys.argv[1]](sys.argv[2]) if len(sys.argv) > 1 else main())
