"""The venue of a simulation, which may be shut and killed while its clock goes on. Imports venue, devmarket, serve.

One port for the whole run: whoever was connected finds the venue again where it was.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from exchange.dialect.listed import Listed
from exchange.shell.chain import DevControls
from exchange.shell.gateway import Gateway
from exchange.shell.gateway import Settings as Edge
from exchange.shell.serve import Prices
from exchange.shell.venue import DevKeys, Settings, Venue, open_venue

# A reader that has stopped is found out sooner than at a venue with real distances.
EDGE = Edge(outbox_messages=2_048, outbox_chars=2 * 2**20)


class Killed(Exception):
    """The venue was ended where it stood."""


class Life:
    """A venue and its door; ``venue`` exists while it runs."""

    venue: Venue
    controls: DevControls
    prices: Prices

    def __init__(self, settings: Settings, host: str, port: int) -> None:
        self._settings = settings
        self._where: dict[str, Any] = {"host": host, "port": port}
        self._venue = contextlib.AsyncExitStack()
        self.gateway: Gateway | None = None
        self.is_up = False

    async def open(self) -> None:
        """Start the venue on its journal; the door stays shut."""
        self.venue, self.controls = await self._venue.enter_async_context(open_venue(self._settings))
        self.prices = Prices(self.venue, DevKeys.make())
        self.is_up = True

    async def unlock(self) -> str:
        """Open the door; its address."""
        publisher, hub = self.venue.desk
        self.gateway = await Gateway(
            publisher, self.venue.sequencer, hub, clock=self.venue.clock, settings=EDGE, **self._where
        ).__aenter__()
        self._where["port"] = self.gateway.port
        return self.gateway.url

    async def lock(self) -> None:
        """Cut every connection and shut the door, and wait until the venue has heard who left."""
        if self.gateway is not None:
            gateway, self.gateway = self.gateway, None
            await gateway.__aexit__(None, None, None)
            await self.empty(gateway, 0)

    async def close(self) -> None:
        """End as ``serve`` does when told to: what has queued is written, a snapshot is left."""
        await self.lock()
        self.is_up = False
        await self._venue.aclose()

    async def kill(self) -> None:
        """End at once: nothing is said to anybody, no snapshot is left, nothing is taken to the contracts."""
        self.is_up = False
        with contextlib.suppress(Killed):
            await self._venue.__aexit__(Killed, Killed("a simulated death"), None)
        if self.gateway is not None:  # whoever asks now is told that the venue has stopped, as a dead process would
            gateway, self.gateway = self.gateway, None
            await gateway.__aexit__(None, None, None)
        self._venue = contextlib.AsyncExitStack()

    async def empty(self, gateway: Gateway, most: int) -> None:
        """Wait until no more than so many connections are left, their departure journaled."""
        while len(gateway.connections) > most:  # noqa: ASYNC110 - the gateway counts them and tells nobody
            await asyncio.sleep(0)

    async def listed(self) -> Sequence[Listed]:
        """The options there are, in order of their numbers."""
        known = await self.venue.sequencer.read(lambda _: dict(self.venue.desk.publisher.by_series))
        return [each for _, each in sorted(known.items()) if not each.legs]
