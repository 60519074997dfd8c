"""A venue under its settings: what its parts are given, and the signals that end it or have it read them again.

Imports settings, logs, probes, shell.serve.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, NoReturn

import msgspec
import structlog

from exchange.operations import logs, probes, reference
from exchange.operations.loading import SettingsError
from exchange.operations.metrics import watch_loop
from exchange.operations.running import Parts, Running, Stage
from exchange.operations.settings import Section, ServeSettings
from exchange.session.limits import Costs, Limits, OrderToTrade, Rate
from exchange.shell import gateway
from exchange.shell.devmarket import Feed
from exchange.shell.serve import CertificateError, Options, Ready, serve, tls_of
from exchange.shell.venue import Venue
from journal import SqliteSettings

_log = structlog.get_logger(__name__)

NANOS_PER_MS = 10**6
MIB = 2**20


class Given(NamedTuple):
    """Settings, and how to read them again."""

    settings: ServeSettings
    verbose: bool
    read: Callable[[], ServeSettings]


async def run(given: Given, ready: Callable[[Ready], None]) -> None:
    """Serve until SIGINT or SIGTERM. Raises PortTaken, and what ``serve`` raises."""
    stop, settings, running = asyncio.Event(), given.settings, Running()

    def watch(venue: Venue, door: gateway.Gateway, feed: Feed) -> None:
        running.parts, running.stage = Parts(venue, door, feed, settings.venue.journal), Stage.SERVING

    async with probes.listening(settings.metrics, running) as url:
        lag = asyncio.create_task(watch_loop(running.loop_lag_s), name="loop lag")

        def told(line: Ready) -> None:
            ready(msgspec.structs.replace(line, metrics=url))

        serving = asyncio.create_task(serve(options_of(settings), told, stop, watch), name="serve")
        ender = Ender(running, stop, serving, settings.stop.force_s)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ender.hear, number)
        loop.add_signal_handler(signal.SIGHUP, reread, given, running)
        await asyncio.wait([serving])
        lag.cancel()
        if not serving.cancelled():
            serving.result()


class Ender:
    """What a signal to stop does: a drain; at once during a start; at once when it is said again, or takes too long."""

    def __init__(self, running: Running, stop: asyncio.Event, serving: asyncio.Task[None], force_s: float) -> None:
        self._running = running
        self._stop = stop
        self._serving = serving
        self._force_s = force_s

    def hear(self, number: signal.Signals) -> None:
        """A signal to stop."""
        if self._stop.is_set():
            end_now(f"{number.name} again")
        self._stop.set()
        asyncio.get_running_loop().call_later(self._force_s, end_now, f"not ended within {self._force_s} s")
        if self._running.stage is Stage.STARTING:
            self._serving.cancel()  # nobody was told of it yet: what is written is whole, and the next start goes on
        self._running.stage = Stage.DRAINING
        _log.warning("stopping", signal=number.name)


def end_now(why: str) -> NoReturn:
    """End as a kill would: whatever was acknowledged is in the journal, and the next start is the same start."""
    _log.critical("stop_forced", why=why)
    logging.shutdown()
    os._exit(1)


def reread(given: Given, running: Running) -> None:
    """Take up what can be taken up while running: levels of the log, and the certificate. A fault changes nothing."""
    try:
        fresh = given.read()
        door = fresh.gateway
        if running.parts is not None and running.parts.gateway.tls is not None:
            tls_of(door.certificate, door.private_key)  # a key that does not fit must not reach those who connect
            running.parts.gateway.tls.load_cert_chain(str(door.certificate), door.private_key)
    except (SettingsError, CertificateError) as refused:
        _log.error("settings_not_reread", error=str(refused))
        return
    logs.set_levels(fresh.log, verbose=given.verbose)
    _log.warning("settings_reread", need_a_restart=sorted(changed(given.settings, fresh)))


def changed(was: ServeSettings, now: ServeSettings) -> Iterator[str]:
    """Settings that differ and are only taken up by a start, by name."""
    for section, fields in reference.sections(type(was)):
        for name, info in fields.items():
            differs = getattr(getattr(was, section), name) != getattr(getattr(now, section), name)
            if differs and not reference.said_of(info)["reread"]:
                yield f"{section}.{name}"


def options_of(settings: ServeSettings) -> Options:
    """What the venue is given of its settings."""
    venue, door, disk = settings.venue, settings.gateway, settings.storage
    return Options(
        venue.journal,
        venue.chain,
        door.host,
        door.port,
        None if venue.taker_delay_ms is None else venue.taker_delay_ms * NANOS_PER_MS,
        settings.prices.streams,
        settings.prices.simulate,
        door.certificate,
        door.private_key,
        gateway.Settings(limits=_limits(settings), **_same(door, gateway.Settings)),
        SqliteSettings(
            checkpoint_s=disk.checkpoint_s,
            idle_s=disk.idle_s,
            anchor_s=disk.anchor_s,
            wal_bytes_max=disk.wal_mib_max * MIB,
            busy_s=disk.busy_s,
        ),
        settings.stop.drain_s,
        venue.rebuild_history,
    )


def _limits(settings: ServeSettings) -> Limits:
    said, plain = settings.limits, _same(settings.limits, Limits)
    return Limits(
        costs=Costs(**settings.costs.model_dump()),
        cancels=Rate(said.cancels_max, said.cancels_per_s),
        account_matching=Rate(said.account_matching_max, said.account_matching_per_s),
        account_cancels=Rate(said.account_cancels_max, said.account_cancels_per_s),
        account_queries=Rate(said.account_queries_max, said.account_queries_per_s),
        order_to_trade=OrderToTrade(said.orders_window_s, said.orders_free, said.orders_per_fill),
        guesses=Rate(said.guesses_max, 1),
        **plain,
    )


def _same(section: Section, kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Settings that a part has under the same name."""
    return {name: value for name, value in section if name in kind.__struct_fields__}
