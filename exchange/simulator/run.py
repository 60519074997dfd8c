"""``verbatim simulate``: a venue, its market, and what goes wrong, from a seed.

Everything the simulation does is one action after another, each awaited to its end before the next begins, at moments
of a clock that only moves between them. So the journal of a run that no foreign client joins is a function of the seed
and the options, byte for byte, at any pace. Imports the other modules of the simulator.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import structlog

from exchange.core import commands as c
from exchange.core.images import digest
from exchange.core.index import Rules
from exchange.core.units import NANOS_PER_SECOND, USDC_ONE, WAD, Nanos, Price, Seconds, seconds_of
from exchange.demo.ground import fresh
from exchange.demo.tally import Tally
from exchange.shell import devmarket
from exchange.shell.chain import ChainUnavailable, checksum
from exchange.shell.deploy import Terms
from exchange.shell.devmarket import Feed
from exchange.shell.feeds import VolSurface
from exchange.shell.keys import dev_key
from exchange.shell.owner import Owner
from exchange.shell.recording import EXPIRY_S, delivery_price
from exchange.shell.serve import Trader as Account
from exchange.shell.serve import moves_auctions
from exchange.shell.timekeeping import unknown
from exchange.shell.venue import Settings
from exchange.simulator.agenda import Action, Agenda
from exchange.simulator.chance import Chance
from exchange.simulator.faults import Fault, require_possible
from exchange.simulator.flow import load
from exchange.simulator.gates import ChainGate, Stall, StoreGate
from exchange.simulator.life import Life
from exchange.simulator.pace import PacedClock
from exchange.simulator.traders import Maker, Rest, Trader, Wallet
from exchange.simulator.trouble import Trouble
from exchange.simulator.world import HOUR_S, Place, World

JOURNAL: Final = Path("var/simulated/venue.journal")
START_S: Final = EXPIRY_S + 4 * HOUR_S  # noon after the recorded half day, whose delivery price is the first spot
SETUP_S: Final = 1_800  # before the market: deployment and deposits take blocks, and blocks take time
SOURCES: Final = 3
CROWD: Final = 4
DEPOSIT: Final = 5_000_000 * USDC_ONE
MAKERS_SHARE: Final = 9 * WAD // 10  # of the level changes; the crowd makes the others
REST_S: Final = 30  # an order of the crowd rests, in the mean
TICK_S, ROUND_S, BLOCK_S, CLOCK_S, LISTING_S, HEARTBEAT_S = 1, 5, 12, 60, 600, 900
WIND_UP_BLOCKS: Final = 64
TERMS: Final = Terms(
    settlement_window_s=600, max_round_age_s=30 * 86_400, operator_timeout_s=30 * 86_400, batch_age_max_s=60
)

_log = structlog.get_logger(__name__)


class Options(NamedTuple):
    """As on the command line. ``speed`` None: as fast as it goes; ``activity``: so many times what was recorded.

    ``journal`` must be free; None is a place of its own, emptied.
    """

    seed: int = 1
    speed: int | None = None
    seconds: Seconds = HOUR_S
    journal: Path | None = None
    start_s: Seconds = START_S
    host: str = "127.0.0.1"
    port: int = 0
    activity: int = 1
    faults: tuple[Fault, ...] = ()


class Ready(msgspec.Struct, frozen=True):
    """What is said once the market opens. ``accounts`` are for clients from outside; everyone knows their keys."""

    url: str
    http: str
    journal: str
    seed: int
    speed: str
    start: int
    end: int
    chain_id: int
    clearing: str
    operators: str
    accounts: list[Account]
    faults: list[str]


class Summary(msgspec.Struct, frozen=True):
    """What is said at the end. ``troubles``: each fault and what was seen of it; ``digest`` is of the state, in hex."""

    seconds: int
    seq: int
    digest: str
    orders: int
    cancels: int
    trades: int
    batches: int
    settled_trades: int
    refusals: dict[str, int]
    troubles: dict[str, str]
    journal: str


class SimulatedFeed(Feed):
    """The index of three sources, and the world's vols."""

    def __init__(self, world: World, places: Sequence[Place]) -> None:
        super().__init__(places, Rules())
        self.series: dict[int, tuple[Seconds, Price]] = {}  # expiry and strike of what is listed
        self._world = world

    def vols(self, time_s: Seconds) -> VolSurface:
        """Each strike's own."""
        return lambda series: self._world.vol(time_s, *self.series[series])


class Simulation:
    """One run."""

    def __init__(self, options: Options) -> None:
        require_possible(options.faults, options.seconds)
        self.options = options
        self.journal = fresh(options.journal, JOURNAL)
        self.flow = load()
        self.world = World(options.seed, options.start_s - SETUP_S, delivery_price(), self.flow)
        self.places = [Place(number, options.seed, self.world) for number in range(1, SOURCES + 1)]
        self.clock = PacedClock(options.start_s - SETUP_S, options.speed)
        self.tally = Tally()
        self.refusals: Counter[str] = Counter()
        self.stall = Stall()
        self.agenda = Agenda()
        self.stop = asyncio.Event()
        self.trouble = Trouble(self)
        settings = Settings(
            self.journal,
            TERMS,
            self.clock,
            venue="verbatim-simulated",
            tap=self.tally.tap,
            chain_through=lambda chain: ChainGate(chain, lambda: self.trouble.chain_is_down),
            store_through=lambda store: StoreGate(store, self.stall),
        )
        self.life = Life(settings, options.host, options.port)
        self.feed = SimulatedFeed(self.world, self.places)
        self.makers, self.crowd = self._people()

    def _people(self) -> tuple[list[Maker], list[Wallet]]:
        halves = (self.flow.half_spread_tight, self.flow.half_spread, self.flow.half_spread_wide)
        seed, world, refusals = self.options.seed, self.world, self.refusals
        makers = [
            Maker(dev_key(f"simulated maker {n}"), world, Chance(seed, f"maker {n}"), refusals, half)
            for n, half in enumerate(halves, 1)
        ]
        crowd = [
            Wallet(dev_key(f"simulated wallet {n}"), world, Chance(seed, f"wallet {n}"), refusals)
            for n in range(1, CROWD + 1)
        ]
        return makers, crowd

    @property
    def traders(self) -> list[Trader]:
        """Everybody of the simulation's own."""
        return [*self.makers, *self.crowd]

    @property
    def now_s(self) -> Seconds:
        """The second it is."""
        return seconds_of(self.clock.now_ns())

    # -- the run ------------------------------------------------------------------------------------------------------

    async def run(self, ready: Callable[[Ready], None]) -> Summary:
        """From the first block to the summary."""
        await self.life.open()
        try:
            owners = await self._prepare()
            url = await self.enter()
            self._plan()
            ready(self._ready(url, owners))
            await self._happen()
            return await self._wind_up()
        finally:
            if self.life.is_up:
                await self.life.close()

    async def _prepare(self) -> list[Owner]:
        """List, endow, and see the chain at the moment the market opens."""
        life = self.life
        await devmarket.list_missing(life.venue, self.feed.near(self.now_s), self.now_s)
        foreign = await devmarket.endow(life.venue, life.controls, devmarket.trader_keys(), devmarket.DEPOSIT)
        await devmarket.endow(life.venue, life.controls, [trader.key for trader in self.traders], DEPOSIT)
        await devmarket.until_final(life.venue, life.controls)
        self.clock.move_to((self.options.start_s - BLOCK_S * 4) * NANOS_PER_SECOND)
        for _ in range(4):
            self.clock.move_to(self.clock.now_ns() + BLOCK_S * NANOS_PER_SECOND)
            await self._block()
        await self._round()
        return foreign

    async def enter(self) -> str:
        """Open the door, and everybody comes in, in turn."""
        url = await self.life.unlock()
        for trader in self.traders:
            await trader.enter(url, self.now_s)
        return url

    async def part(self) -> None:
        """Everybody leaves, in turn, each heard of before the next."""
        gateway = self.life.gateway
        for trader in self.traders:
            if trader.is_in:
                left = len(gateway.connections) - 1 if gateway is not None else 0
                await trader.leave()
                if gateway is not None:
                    await self.life.empty(gateway, left)

    def _ready(self, url: str, owners: Sequence[Owner]) -> Ready:
        options, contracts = self.options, self.life.venue.contracts
        return Ready(
            url=url,
            http=url.replace("ws", "http", 1).replace("/ws/api/v2", "/api/v2"),
            journal=str(self.journal),
            seed=options.seed,
            speed="max" if options.speed is None else str(options.speed),
            start=options.start_s,
            end=options.start_s + options.seconds,
            chain_id=self.life.venue.chain.chain_id,
            clearing=checksum(contracts.clearing.address),
            operators=checksum(contracts.operators.address),
            accounts=[Account(each.account, checksum(each.address), "0x" + each.key.hex()) for each in owners],
            faults=[str(fault) for fault in options.faults],
        )

    async def _happen(self) -> None:
        """One thing after another, until the end or until told to stop."""
        end_ns = (self.options.start_s + self.options.seconds) * NANOS_PER_SECOND
        self.clock.begin()
        while True:
            time_ns, action = self.agenda.next()
            await self.clock.until(min(time_ns, end_ns), self.stop)
            if time_ns >= end_ns or self.stop.is_set():
                return
            await self._do(action)

    async def _do(self, action: Action) -> None:
        """Take an action to its end. If the disk stalls under it, time passes until the stall is over."""
        if not self.stall.is_on:
            await action()
            return
        doing = asyncio.ensure_future(action())
        waiting = asyncio.ensure_future(self.stall.waited_for.wait())
        await asyncio.wait({doing, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not doing.done():
            await self.clock.until(self.trouble.stall_ends_ns, self.stop)
            self.trouble.end_stall()
        await doing

    async def _wind_up(self) -> Summary:
        """Everybody leaves, what was traded is settled, and the journal ends with a digest."""
        ended_s = self.now_s
        self.trouble.mend()
        if not self.life.is_up:
            await self.life.open()
        await self.part()
        await self.life.lock()
        sequencer = self.life.venue.sequencer
        await sequencer.record(c.SealBatch())
        for _ in range(WIND_UP_BLOCKS):
            if not await sequencer.read(lambda state: bool(state.batches)):
                break
            self.clock.move_to(self.clock.now_ns() + BLOCK_S * NANOS_PER_SECOND)
            await self._block()
        await sequencer.record(c.TakeDigest())
        seq, hashed = await sequencer.read(lambda state: (state.seq, digest(state)))
        tally = self.tally
        return Summary(
            seconds=ended_s - self.options.start_s,
            seq=seq,
            digest=hashed.hex(),
            orders=tally.orders,
            cancels=tally.cancels,
            trades=tally.trades,
            batches=tally.batches,
            settled_trades=tally.settled_trades,
            refusals=dict(sorted(self.refusals.items())),
            troubles=self.trouble.told,
            journal=str(self.journal),
        )

    # -- the calendar -------------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        """Put down what happens first; most of it puts down its own next time."""
        start_ns, flow, activity = self.options.start_s * NANOS_PER_SECOND, self.flow, self.options.activity
        listed = len(self.life.venue.desk.publisher.by_series)
        for period_s, step in (
            (ROUND_S, self._round),
            (TICK_S, self._tick),
            (BLOCK_S, self.chain),
            (CLOCK_S, self._tell_clock),
            (LISTING_S, self._list),
            (HEARTBEAT_S, self._heartbeat),
        ):
            self._every(start_ns + period_s * NANOS_PER_SECOND, period_s, step)
        # A maker that quotes anew takes two levels away and puts two there.
        share = flow.level_changes * MAKERS_SHARE // WAD * activity
        pause_ns = 4 * len(self.makers) * NANOS_PER_SECOND * WAD // share
        for maker in self.makers:
            self.agenda.put(start_ns, partial(self._quote, maker, pause_ns))
        rests = flow.level_changes * (WAD - MAKERS_SHARE) // WAD * listed * activity // 2
        bursts = flow.bursts_an_hour * devmarket.EXPIRIES * activity
        first_ns = start_ns + NANOS_PER_SECOND  # once there are quotes
        self.agenda.put(
            first_ns, partial(self._rest, Chance(self.options.seed, "rests"), NANOS_PER_SECOND * WAD // rests)
        )
        pause_ns = HOUR_S * NANOS_PER_SECOND * WAD // bursts
        self.agenda.put(first_ns, partial(self._burst, Chance(self.options.seed, "bursts"), pause_ns))
        for fault in self.options.faults:
            self.agenda.put(start_ns + fault.at_s * NANOS_PER_SECOND, partial(self.trouble.begin, fault))

    def _every(self, time_ns: Nanos, period_s: Seconds, step: Action) -> None:
        async def again() -> None:
            self._every(time_ns + period_s * NANOS_PER_SECOND, period_s, step)
            if self.life.is_up:
                await step()

        self.agenda.put(time_ns, again)

    async def _round(self) -> None:
        self.feed.series = await self.life.venue.sequencer.read(
            lambda state: {series: (each.expiry_s, each.strike) for series, each in state.series.items()}
        )
        await self.life.prices.catch_up(self.feed)
        if self.now_s > await self.life.venue.sequencer.read(lambda state: state.round.time_s if state.round else 0):
            await self.life.prices.post(self.feed, self.now_s)

    async def _tick(self) -> None:
        while moves_auctions(await self.life.venue.sequencer.record(c.Tick())):
            pass
        await self.life.venue.purge()

    async def _tell_clock(self) -> None:
        await self.life.venue.sequencer.record(unknown("a simulated clock"))

    async def _heartbeat(self) -> None:
        await self.life.venue.sequencer.record(c.SealBatch(heartbeat=True))

    async def chain(self) -> None:
        """The chain moves on, and the venue looks at it if it can."""
        with contextlib.suppress(ChainUnavailable):
            await self._block()

    async def _block(self) -> None:
        controls, venue = self.life.controls, self.life.venue
        await controls.set_next_block_time(self.now_s)
        await controls.mine(1)
        await venue.observe()
        await venue.settler.step()

    async def _list(self) -> None:
        with contextlib.suppress(ChainUnavailable):
            await devmarket.list_missing(self.life.venue, self.world.spot(self.now_s), self.now_s)

    # -- the market ---------------------------------------------------------------------------------------------------

    async def _quote(self, maker: Maker, pause_ns: Nanos) -> None:
        self.agenda.put(self.clock.now_ns() + maker.chance.wait(pause_ns), partial(self._quote, maker, pause_ns))
        gone = self.trouble.makers_are_gone and maker.chance.happens(self.flow.gone_share)
        if maker.is_in and not gone:
            await maker.quote(self.now_s, await self.life.listed())

    async def _burst(self, chance: Chance, pause_ns: Nanos) -> None:
        """Somebody takes, and goes on with the chance that a recorded burst had."""
        self.agenda.put(self.clock.now_ns() + chance.wait(pause_ns), partial(self._burst, chance, pause_ns))
        wallet = chance.one_of(self.crowd)
        if not wallet.is_in:
            return
        await wallet.take(self.now_s, await self.life.listed())
        while chance.happens(WAD - WAD * WAD // self.flow.burst_trades):
            await wallet.take(self.now_s, await self.life.listed())

    async def _rest(self, chance: Chance, pause_ns: Nanos) -> None:
        """Somebody rests an order, perhaps resizes it, and takes it back."""
        now_ns = self.clock.now_ns()
        self.agenda.put(now_ns + chance.wait(pause_ns), partial(self._rest, chance, pause_ns))
        wallet, lasts_ns = chance.one_of(self.crowd), chance.wait(REST_S * NANOS_PER_SECOND)
        resizes = chance.happens(self.flow.resize_share * WAD // self.flow.cancel_share)
        rest = await wallet.rest(self.now_s, await self.life.listed()) if wallet.is_in else None
        if rest is None:
            return
        if resizes:
            self.agenda.put(now_ns + lasts_ns // 2, partial(self._follow, wallet, wallet.resize, rest))
        self.agenda.put(now_ns + lasts_ns, partial(self._follow, wallet, wallet.cancel, rest))

    @staticmethod
    async def _follow(wallet: Wallet, step: Callable[[Rest], Awaitable[None]], rest: Rest) -> None:
        if wallet.is_in:
            await step(rest)


async def simulate(options: Options, ready: Callable[[Ready], None], stop: asyncio.Event | None = None) -> Summary:
    """Run a simulation to its end, or until ``stop`` is set. Raises FaultError, Taken."""
    simulation = Simulation(options)
    simulation.stop = stop or simulation.stop
    return await simulation.run(ready)
