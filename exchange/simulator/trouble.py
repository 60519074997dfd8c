"""What goes wrong in a simulation, how it begins, how it ends, and what was seen of it.

Imports faults, and the parts of a simulation that faults reach into.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from exchange.core.units import NANOS_PER_SECOND, WAD, Nanos, Wad
from exchange.simulator.faults import Fault, Name

if TYPE_CHECKING:
    from exchange.simulator.run import Simulation

FALL: Final[Wad] = -133_531_392_624_522_623  # ln(7/8) in wad
LIE: Final[Wad] = 12 * WAD // 10
ASKED: Final = 1_000  # requests of a flood, each second
RECEIVE_BYTES: Final = 4_096
_log = structlog.get_logger(__name__)


class Trouble:
    """The faults of a run, and the state of those that last."""

    def __init__(self, simulation: "Simulation") -> None:
        self._sim = simulation
        self.told: dict[str, str] = {}
        self.chain_is_down = False
        self.makers_are_gone = False
        self.stall_ends_ns: Nanos = 0

    async def begin(self, fault: Fault) -> None:
        """It happens, and is over when it says."""
        _log.warning("fault_begins", fault=str(fault))
        self.told[str(fault)] = "begun"
        steps: dict[Name, Callable[[Fault], Awaitable[None]]] = {
            Name.CHAIN_DOWN: self._chain_down,
            Name.REORG: self._reorg,
            Name.ORACLE_STALE: self._oracle_stale,
            Name.ORACLE_LIE: self._oracle_lie,
            Name.CRASH: self._crash,
            Name.MAKERS_GONE: self._makers_gone,
            Name.DISK_STALL: self._disk_stall,
            Name.GATEWAY_DROP: self._gateway_drop,
            Name.KILL: self._kill,
            Name.SLOW_CLIENT: self._slow_client,
            Name.FLOOD: self._flood,
        }
        await steps[fault.name](fault)

    def mend(self) -> None:
        """The run ends: whatever still lasts is over."""
        self.chain_is_down = self.makers_are_gone = False
        self.stall_ends_ns = 0
        self._sim.stall.end()
        for place in self._sim.places:
            place.silent, place.lie = False, WAD

    def _later(self, fault: Fault, end: Callable[[Fault], Awaitable[None]]) -> None:
        """Have it end in time."""
        self._sim.agenda.put(self._sim.clock.now_ns() + fault.for_s * NANOS_PER_SECOND, partial(self._end, fault, end))

    async def _end(self, fault: Fault, end: Callable[[Fault], Awaitable[None]]) -> None:
        await end(fault)
        _log.warning("fault_over", fault=str(fault), seen=self.told[str(fault)])

    # -- the chain and the index --------------------------------------------------------------------------------------

    async def _chain_down(self, fault: Fault) -> None:
        self.chain_is_down = True
        before = await self._seen_block()

        async def end(fault: Fault) -> None:
            self.chain_is_down = False
            blind = await self._seen_block()
            await self._sim.chain()
            after = await self._seen_block()
            self.told[str(fault)] = f"saw final block {before} before, {blind} at the end, {after} right after"

        self._later(fault, end)

    async def _seen_block(self) -> int:
        return await self._sim.life.venue.sequencer.read(lambda state: state.block.number if state.block else 0)

    async def _reorg(self, fault: Fault) -> None:
        head = await self._sim.life.venue.chain.block("latest")
        await self._sim.life.controls.reorg(1)
        after = await self._sim.life.venue.chain.block("latest")
        self.told[str(fault)] = f"block {head.number} was {head.hash.hex()[:8]}, is {after.hash.hex()[:8]}"

    async def _oracle_stale(self, fault: Fault) -> None:
        for place in self._sim.places:
            place.silent = True

        async def end(fault: Fault) -> None:
            for place in self._sim.places:
                place.silent = False
            held_s = await self._sim.life.venue.sequencer.read(lambda state: state.round.time_s if state.round else 0)
            self.told[str(fault)] = f"the last round was {self._sim.now_s - held_s} s old at the end"

        self._later(fault, end)

    async def _oracle_lie(self, fault: Fault) -> None:
        liar = self._sim.places[0]
        liar.lie = LIE

        async def end(fault: Fault) -> None:
            liar.lie = WAD
            told = await self._sim.life.venue.sequencer.read(lambda state: state.round)
            assert told is not None
            spot, true = told.spots[0].spot, self._sim.world.spot(told.time_s)
            off = abs(spot - true) * 10_000 // true
            self.told[str(fault)] = f"one of {len(self._sim.places)} lied by 2000 bp, the index was {off} bp off"

        self._later(fault, end)

    async def _crash(self, fault: Fault) -> None:
        now_s, before = self._sim.now_s, self._sim.world.spot(self._sim.now_s)
        self._sim.world.push(now_s + 1, FALL)
        after = self._sim.world.spot(now_s + 1)
        self.told[str(fault)] = f"the spot fell from {before // 10**6} to {after // 10**6}"

    # -- makers, disk and door ----------------------------------------------------------------------------------------

    async def _makers_gone(self, fault: Fault) -> None:
        self.makers_are_gone = True
        for maker in self._sim.makers:
            if maker.is_in:
                await maker.withdraw()

        async def end(fault: Fault) -> None:
            self.makers_are_gone = False
            self.told[str(fault)] = f"for {fault.for_s} s makers quoted as seldom as on 10 October 2025"

        self._later(fault, end)

    async def _disk_stall(self, fault: Fault) -> None:
        self._sim.stall.begin()
        self.stall_ends_ns = self._sim.clock.now_ns() + fault.for_s * NANOS_PER_SECOND

        async def end(fault: Fault) -> None:
            self.end_stall()
            self.told[str(fault)] = f"nothing was durable, nothing acknowledged for {fault.for_s} s"

        self._later(fault, end)

    def end_stall(self) -> None:
        """The disk takes what waits."""
        self._sim.stall.end()

    async def _gateway_drop(self, fault: Fault) -> None:
        gateway = self._sim.life.gateway
        cut = len(gateway.connections) if gateway is not None else 0
        await self._sim.life.lock()
        for trader in self._sim.traders:
            await trader.leave()

        async def end(fault: Fault) -> None:
            await self._sim.enter()
            self.told[str(fault)] = f"{cut} connections cut; the port is open again"

        self._later(fault, end)

    async def _kill(self, fault: Fault) -> None:
        life = self._sim.life
        before = await life.venue.sequencer.read(lambda state: state.seq)
        await life.kill()
        for trader in self._sim.traders:
            await trader.leave()

        async def end(fault: Fault) -> None:
            await life.open()
            after = await life.venue.sequencer.read(lambda state: state.seq)
            await self._sim.enter()
            self.told[str(fault)] = f"ended at record {before}, back from its journal at record {after}"

        self._later(fault, end)

    # -- clients that nobody wants ------------------------------------------------------------------------------------

    async def _slow_client(self, fault: Fault) -> None:
        """It asks for the catalogue as often as its credits allow, and reads nothing."""
        gateway = self._sim.life.gateway
        if gateway is None:
            self.told[str(fault)] = "the door was shut"
            return
        before = dict(gateway.connections)
        with socket.socket() as plain:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
            plain.setblocking(False)
            await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", gateway.port))
            client = await connect(gateway.url, sock=plain.dup(), compression=None, max_queue=1, ping_interval=None)
        await client.send(_request("public/test", {}))
        await client.recv()
        own = next(each for each in gateway.connections if each not in before)
        client.transport.pause_reading()
        await self._ask_on(fault, client, own, self._sim.clock.now_ns() + fault.for_s * NANOS_PER_SECOND)

    async def _ask_on(self, fault: Fault, client: ClientConnection, own: Any, end_ns: Nanos) -> None:
        now_ns = self._sim.clock.now_ns()
        if own.is_open and now_ns < end_ns:
            with contextlib.suppress(ConnectionClosed):
                for _ in range(5):
                    await client.send(_request("public/get_instruments", {"currency": "any"}))
            self._sim.agenda.put(now_ns + NANOS_PER_SECOND, partial(self._ask_on, fault, client, own, end_ns))
            return
        client.transport.abort()
        self.told[str(fault)] = f"closed: {own.why}" if own.why else "still open"

    async def _flood(self, fault: Fault) -> None:
        gateway = self._sim.life.gateway
        if gateway is None:
            self.told[str(fault)] = "the door was shut"
            return
        client = await connect(gateway.url, compression=None, ping_interval=None)
        await self._flood_on(fault, client, {"answered": 0, "refused": 0}, fault.for_s)

    async def _flood_on(self, fault: Fault, client: ClientConnection, count: dict[str, int], left_s: int) -> None:
        try:
            for _ in range(ASKED):
                await client.send(_request("public/get_index_price", {"index_name": "btc_usdc"}))
            for _ in range(ASKED):
                count["refused" if "too_many_requests" in str(await client.recv()) else "answered"] += 1
        except ConnectionClosed as closed:
            self.told[str(fault)] = f"closed after {count['answered']} answers: {closed}"
            return
        if left_s > 1:
            step = partial(self._flood_on, fault, client, count, left_s - 1)
            self._sim.agenda.put(self._sim.clock.now_ns() + NANOS_PER_SECOND, step)
            return
        await client.close()
        self.told[str(fault)] = f"{count['answered']} requests answered, {count['refused']} refused"


def _request(method: str, params: dict[str, Any]) -> str:
    return msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).decode()
