"""A venue under its settings, from the signals that end it to what its parts are given.

Imports settings, shell.serve.
"""

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import msgspec

from exchange.operations.settings import Section, ServeSettings
from exchange.session.limits import Costs, Limits, OrderToTrade, Rate
from exchange.shell import gateway
from exchange.shell.serve import Options, Ready, serve
from journal import SqliteSettings

NANOS_PER_MS = 10**6
MIB = 2**20


async def run(settings: ServeSettings, ready: Callable[[Ready], None]) -> None:
    """Serve until SIGINT or SIGTERM. Raises what ``serve`` raises."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(options_of(settings), ready, stop)


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
