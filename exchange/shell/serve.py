"""A running venue: its tasks, from the first round to the last frame.

``serve`` opens the venue, brings a development market up, listens, and runs until told to stop or until something that
must not fail has failed. Imports venue, devmarket, gateway.
"""

import asyncio
import contextlib
import gc
import signal
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from exchange.core import commands as c
from exchange.core.events import Cancelled, PhaseChanged, Rejected, Traded, Uncrossed
from exchange.core.images import digest
from exchange.core.state import State
from exchange.core.units import TWAP_SECONDS, Nanos, Price, Seconds, seconds_of
from exchange.shell import devmarket, gateway
from exchange.shell.chain import ChainError, ChainUnavailable, DevControls, checksum, to_address
from exchange.shell.clock import Clock, SystemClock
from exchange.shell.deploy import Terms
from exchange.shell.devmarket import Feed
from exchange.shell.feeds import Maker
from exchange.shell.owner import Owner
from exchange.shell.sequencer import Outcome, Overloaded
from exchange.shell.settler import BatchRefusedByContract
from exchange.shell.sources import SourceError, Streamed
from exchange.shell.timekeeping import read_clock
from exchange.shell.venue import DevKeys, Settings, Venue, open_venue
from exchange.shell.watcher import FinalityBroken
from journal import SqliteSettings

BLOCK_S: Final = 1.0
LOOK_S: Final = 0.2
ROUND_S: Final = 5  # divides the half hour, so that rounds fall on the edges of settlement windows
TICK_S: Final = 1.0
CLOCK_S: Final = 60.0  # between two readings of the clock
HEARTBEAT_S: Final = 900.0
LISTING_S: Final = 60.0
BACKOFF_MAX_S: Final = 30.0
ROUND_TRIES: Final = 3
LEAVE_S: Final = 10.0
FIRST_PRICE_TRIES: Final = 100

# A development venue may sleep for days between two starts and must settle what it had sealed before; its node may be
# one whose finality is a minute and more behind.
DEV_TERMS: Final = Terms(settlement_window_s=600, max_round_age_s=30 * 86_400, operator_timeout_s=30 * 86_400)

_log = structlog.get_logger(__name__)


class Options(NamedTuple):
    """What to serve, where."""

    journal: Path
    url: str | None = None  # of a development node; None for the embedded chain
    host: str = "127.0.0.1"
    port: int = 0
    taker_delay_ns: Nanos | None = None  # None: as the journal has it, none for a new one
    streams: Path | None = None  # names WebSockets to take the index from; None for the recording
    seed: int | None = None  # of a simulated index instead
    certificate: Path | None = None  # PEM; with it the port speaks TLS and nothing else
    private_key: Path | None = None
    edge: gateway.Settings = gateway.Settings()
    storage: SqliteSettings = SqliteSettings()
    leave_s: float = LEAVE_S  # what is under way at the end may take so long
    rebuild_history: bool = False


class Trader(msgspec.Struct, frozen=True):
    """A wallet that a development venue has endowed. ``key`` is public knowledge."""

    account: int
    address: str
    key: str


class Ready(msgspec.Struct, frozen=True):
    """What the venue says of itself once it can be traded on. ``digest`` is of its state as of ``seq``, in hex."""

    url: str
    chain: str
    chain_id: int
    clearing: str
    operators: str
    journal: str
    seq: int
    digest: str
    keys: list[Trader]
    metrics: str = ""


async def serve(
    options: Options,
    ready: Callable[[Ready], None],
    stop: asyncio.Event,
    watch: Callable[[Venue, gateway.Gateway, Feed], None] = lambda _venue, _gateway, _feed: None,
) -> None:
    """Run a development venue until ``stop`` is set. ``watch`` is shown its parts. Raises what stopped it otherwise."""
    clock, tls = SystemClock(), tls_of(options.certificate, options.private_key)
    chosen: dict[str, Any] = {"taker_delay_ns": options.taker_delay_ns, "storage": options.storage}
    chosen["rebuild_history"] = options.rebuild_history
    settings = Settings(options.journal, DEV_TERMS, clock, options.url, **chosen)
    feed = _feed_of(options, _now(clock))
    async with _listening(feed) as listener, open_venue(settings) as (venue, controls):
        prices = Prices(venue, DevKeys.make())
        owners = await devmarket.endow(venue, controls, devmarket.trader_keys(), devmarket.DEPOSIT)
        await devmarket.list_missing(venue, await _first_price(feed, clock, listener), _now(clock))
        await devmarket.until_final(venue, controls)
        await prices.begin(feed, _now(clock))
        _keep_what_stays()
        edge = venue.gateway(host=options.host, port=options.port, edge=options.edge, tls=tls)
        async with edge as door, asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(_heard(listener), name="index"),
                tasks.create_task(again(venue.observe, LOOK_S), name="follow"),
                tasks.create_task(_settle(venue), name="settle"),
                # Development nodes stand still on their own; finality needs blocks.
                tasks.create_task(again(partial(controls.mine, 1), BLOCK_S), name="mine"),
                tasks.create_task(again(partial(_feed, venue, prices, feed), 0.0), name="feed"),
                tasks.create_task(_tick(venue), name="tick"),
                tasks.create_task(again(partial(_tell_clock, venue), CLOCK_S), name="clock"),
                tasks.create_task(_every(HEARTBEAT_S, venue, c.SealBatch(heartbeat=True)), name="heartbeat"),
                tasks.create_task(again(partial(_list, venue, feed), LISTING_S), name="list"),
                tasks.create_task(again(partial(look_at_bond, venue), LISTING_S), name="bond"),
            ]
            _hear_operator(venue, tasks)
            watch(venue, door, feed)
            ready(await _ready(venue, options, door.url, owners))
            await stop.wait()
            await drain(venue, door, options.leave_s)
            for task in running:
                task.cancel()
        await leave(venue, controls, options.leave_s)


def _keep_what_stays() -> None:
    """What the start has built stays; the collector need not walk it at every turn."""
    gc.collect()
    gc.freeze()


class CertificateError(Exception):
    """The certificate or its key cannot be used."""


def tls_of(certificate: Path | None, private_key: Path | None) -> ssl.SSLContext | None:
    """What the port encrypts with, if it is to. Raises CertificateError."""
    if certificate is None or private_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, private_key)
    except (OSError, ssl.SSLError) as error:
        raise CertificateError(f"{certificate}: {error}") from error
    return context


def _hear_operator(venue: Venue, tasks: asyncio.TaskGroup) -> None:
    """SIGUSR1 pulls the kill switch of the venue, SIGUSR2 releases it."""
    loop = asyncio.get_running_loop()
    for number, kind in ((signal.SIGUSR1, c.PullKill), (signal.SIGUSR2, c.ReleaseKill)):
        loop.add_signal_handler(number, partial(_act, venue, tasks, kind, f"signal {number.name}"))


def _act(venue: Venue, tasks: asyncio.TaskGroup, kind: type[c.PullKill | c.ReleaseKill], cause: str) -> None:
    tasks.create_task(venue.kill(kind, cause), name="kill switch")


async def _ready(venue: Venue, options: Options, url: str, owners: list[Owner]) -> Ready:
    traders = [Trader(o.account, checksum(o.address), "0x" + o.key.hex()) for o in owners]
    seq, hashed = await venue.sequencer.read(lambda state: (state.seq, digest(state)))
    return Ready(
        url=url,
        chain=options.url or "embedded",
        chain_id=venue.chain.chain_id,
        clearing=checksum(venue.contracts.clearing.address),
        operators=checksum(venue.contracts.operators.address),
        journal=str(options.journal),
        seq=seq,
        digest=hashed.hex(),
        keys=traders,
    )


def _now(clock: Clock) -> Seconds:
    return seconds_of(clock.now_ns())


# -- the chain --------------------------------------------------------------------------------------------------------


async def again(step: Callable[[], Awaitable[object]], pause_s: float) -> None:
    """Take a step for ever. A chain that is away, or a venue too busy to be asked, costs patience and nothing else."""
    delay_s = pause_s
    while True:
        try:
            await step()
            delay_s = pause_s
        except ChainUnavailable as error:
            delay_s = min(2 * delay_s, BACKOFF_MAX_S)
            _log.warning("chain_unavailable", error=str(error), retry_s=delay_s)
        except FinalityBroken:
            raise
        except ChainError as error:  # no gas money, a rate limit, a call that somebody else's came before
            delay_s = min(2 * delay_s, BACKOFF_MAX_S)
            _log.error("chain_refused", error=repr(error), retry_s=delay_s)
        except Overloaded as error:
            _log.warning("venue_overloaded", error=str(error), retry_s=delay_s)
        await asyncio.sleep(delay_s)


async def _settle(venue: Venue) -> None:
    """Take batches to the contracts. When they refuse one, trading is halted and stays so; cancels still work."""
    try:
        await again(venue.settler.step, LOOK_S)
    except BatchRefusedByContract as error:
        venue.meters.settlement_stopped = True
        _log.critical("settlement_stopped", error=str(error))


async def drain(venue: Venue, door: gateway.Gateway, most_s: float) -> None:
    """Take no new order, answer what was asked, part from everybody. Whoever does not read is not waited for."""
    try:
        async with asyncio.timeout(most_s):
            await venue.sequencer.drain()
            await door.part()
    except TimeoutError:
        _log.warning("drained_in_part", connections=len(door.connections), messages=venue.sequencer.waiting)


async def leave(venue: Venue, controls: DevControls, leave_s: float = LEAVE_S) -> None:
    """Take what was traded to the contracts, if they answer in time: who knows when there will be a next start.

    Fills of an expiry must be settled a window after it at the latest, and the venue may sleep through that.
    """
    try:
        async with asyncio.timeout(leave_s):
            await venue.sequencer.record(c.SealBatch())
            await controls.mine(1)  # the round the batch names may be younger than the newest block
            await venue.settler.step()
    except (ChainError, BatchRefusedByContract, TimeoutError) as error:
        _log.warning("left_unsettled", error=str(error))


# -- prices and time --------------------------------------------------------------------------------------------------


def _feed_of(options: Options, now_s: Seconds) -> Feed:
    if options.streams is not None:
        return devmarket.streamed(options.streams)
    return devmarket.simulated(options.seed, now_s) if options.seed is not None else Feed()


@contextlib.asynccontextmanager
async def _listening(feed: Feed) -> AsyncIterator[asyncio.Future[list[None]]]:
    """Hear the streams of a feed; what stops one of them stops all."""
    listener = asyncio.gather(*(each.run() for each in feed.sources if isinstance(each, Streamed)))
    try:
        yield listener
    finally:
        listener.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listener


async def _heard(listener: asyncio.Future[list[None]]) -> None:
    await listener


async def _first_price(feed: Feed, clock: Clock, listener: asyncio.Future[list[None]]) -> Price:
    """Where the price is, once a source has spoken. Raises SourceError if none does in time, and what stopped one."""
    for _ in range(FIRST_PRICE_TRIES):
        try:
            return feed.near(_now(clock))
        except LookupError:
            if listener.done():
                listener.result()
            await clock.sleep(LOOK_S)
    raise SourceError(f"no source of the index said anything for {FIRST_PRICE_TRIES * LOOK_S:.0f} s")


class Prices:
    """Posts rounds of a feed with the development signers."""

    def __init__(self, venue: Venue, keys: DevKeys) -> None:
        self._venue = venue
        self._maker = Maker(keys.signers)

    async def post(self, feed: Feed, time_s: Seconds) -> None:
        """A round as of ``time_s``, if the index has a price. A listing in between makes it incomplete: once more."""
        agreed = feed.spot(time_s)
        if agreed is None:
            return
        for _ in range(ROUND_TRIES):
            spots = {devmarket.UNDERLYING: agreed.price}
            outcome = await self._venue.post_round(self._maker, spots, feed.vols(time_s), time_s, conf=agreed.conf)
            refused = outcome.events[0]
            if not isinstance(refused, Rejected):
                return
            _log.warning("round_refused", reason=refused.reason, value=refused.value, limit=refused.limit)

    async def begin(self, feed: Feed, now_s: Seconds) -> None:
        """What was missed, and a first round."""
        await self.catch_up(feed)
        await self.post(feed, now_s)

    async def catch_up(self, feed: Feed) -> None:
        """Rounds at the edges of settlement windows that passed while the venue was down."""
        now_s = _now(self._venue.clock)
        for edge_s in await self._venue.sequencer.read(lambda state: _missed_edges(state, now_s)):
            await self.post(feed, edge_s)


def _missed_edges(state: State, now_s: Seconds) -> list[Seconds]:
    since = state.round.time_s if state.round is not None else now_s
    waiting = [expiry.expiry_s for expiry in state.expiries.values() if expiry.fixing < 0]
    edges = {edge for expiry_s in waiting for edge in (expiry_s - TWAP_SECONDS, expiry_s)}
    return sorted(edge for edge in edges if since < edge <= now_s)


async def _feed(venue: Venue, prices: Prices, feed: Feed) -> None:
    """A round at the next full ``ROUND_S``; those that a busy machine slept through matter only at edges of windows."""
    now_ns = venue.clock.now_ns()
    due_s = seconds_of(now_ns) // ROUND_S * ROUND_S + ROUND_S
    await venue.clock.sleep((due_s * 10**9 - now_ns) / 10**9)
    await prices.catch_up(feed)
    if due_s > await venue.sequencer.read(lambda state: state.round.time_s if state.round else 0):
        await prices.post(feed, due_s)


async def _list(venue: Venue, feed: Feed) -> None:
    """Keep expiries ahead."""
    now_s = _now(venue.clock)
    await devmarket.list_missing(venue, feed.near(now_s), now_s)


async def _tick(venue: Venue) -> None:
    """Let time pass every second, and at once again while that moves an auction on."""
    while True:
        await venue.clock.sleep(TICK_S)
        while moves_auctions(await venue.sequencer.record(c.Tick())):
            pass
        await venue.purge()


def moves_auctions(outcome: Outcome) -> bool:
    """Whether a tick moved an auction on, or took orders off before it could: the next one may have more to do."""
    return any(isinstance(event, PhaseChanged | Uncrossed | Traded | Cancelled) for event in outcome.events)


async def look_at_bond(venue: Venue) -> bool:
    """Whether the operator is bonded. If not, it was caught lying, or its key asked for the bond: people must know."""
    operators, operator = venue.contracts.operators, to_address(venue.contracts.deployment.operator)
    if await operators.call("is_bonded", operator):
        return True
    amount, requested, _, _, is_frozen = await operators.call("bonds", operator)
    _log.critical("operator_not_bonded", bond=amount, requested=requested, frozen=is_frozen)
    return False


async def _tell_clock(venue: Venue) -> None:
    """Journal what the time service says of the clock."""
    await venue.sequencer.record(await read_clock())


async def _every(seconds: float, venue: Venue, command: c.AnyCommand) -> None:
    """Sequence a command at an interval."""
    while True:
        await venue.clock.sleep(seconds)
        await venue.sequencer.record(command)
