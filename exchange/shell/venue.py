"""The composition of a running venue: chain, contracts, journal, sequencer, and the tasks between them.

``open_venue`` is the one path for a first start and a restart: open the chain, deploy or find the contracts, rebuild
the state from the journal, start to sequence. Imports the rest of the shell.
"""

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from exchange import calldata, codec
from exchange.core import commands as c
from exchange.core.events import ChainDisagreed, Event, Rejected
from exchange.core.listing import decide_expiry
from exchange.core.state import State
from exchange.core.units import NANOS_PER_SECOND, WAD, Nanos, Price, Seconds, Wad, seconds_of
from exchange.publisher import Notification, Publisher
from exchange.session import Limits
from exchange.shell import gateway
from exchange.shell.boot import GENESIS, boot
from exchange.shell.broadcast import Hub
from exchange.shell.chain import Address, BlockId, Chain, DevControls, checksum, to_address
from exchange.shell.clock import Clock
from exchange.shell.deploy import Contracts, Deployment, Plan, Terms, deploy
from exchange.shell.devnode import DevNode
from exchange.shell.feeds import Maker, check
from exchange.shell.gateway import Gateway
from exchange.shell.historian import Historian, path_of, writing
from exchange.shell.keys import dev_key, require_dev_chain
from exchange.shell.meters import Meters
from exchange.shell.observer import observations, seats_in
from exchange.shell.rpc import RpcChain
from exchange.shell.sender import Sender
from exchange.shell.sequencer import Outcome, Sequencer
from exchange.shell.settler import Settler
from exchange.shell.snapshots import Keeper, directory_of
from exchange.shell.watcher import FinalisedLogs, Position, Reorged, Watcher, WatchEvent
from exchange.signing import address_of, domain_separator
from journal import SqliteSettings, SqliteStore, Store, Writer

SIGNERS: Final = 5
CLOCK_SLACK_NS: Final = 5 * NANOS_PER_SECOND
GROUP: Final = 4  # series that share a word on the contracts
WEALTH_WEI: Final = 10**24
_log = structlog.get_logger(__name__)


class SetupRefused(Exception):
    """A listing or the configuration did not take: the message names the rule."""


class Series(NamedTuple):
    """A series to list."""

    strike: Price
    is_call: bool


class Listing(NamedTuple):
    """An expiry on the contracts."""

    expiry_id: int
    expiry_s: Seconds
    series: list[Series]


class DevKeys(NamedTuple):
    """The venue's own keys on a development chain."""

    operator: bytes
    signers: tuple[bytes, ...]

    @classmethod
    def make(cls) -> "DevKeys":
        """Operator and oracle signers."""
        return cls(dev_key("operator"), tuple(dev_key(f"oracle signer {n}") for n in range(SIGNERS)))

    def plan(self, terms: Terms) -> Plan:
        """A deployment with a test token in which these keys hold all offices."""
        return Plan(
            operator=checksum(address_of(self.operator)),
            guardian=checksum(address_of(dev_key("guardian"))),
            signers=[checksum(address_of(key)) for key in self.signers],
            terms=terms,
        )


class Desk(NamedTuple):
    """What clients are told, and by whom."""

    publisher: Publisher
    hub: Hub


class Venue:
    """Everything that runs, wired. ``serve`` turns it by its tasks, a demonstration by hand."""

    def __init__(
        self,
        chain: Chain,
        contracts: Contracts,
        sequencer: Sequencer,
        settler: Settler,
        sender: Sender,
        clock: Clock,
        desk: Desk,
        seen: c.ObserveBlock | None,
        meters: Meters,
    ) -> None:
        """``seen`` is the last block whose facts the journal holds; the chain must still hold it."""
        self.meters = meters
        self.chain = chain
        self.desk = desk
        self.contracts = contracts
        self.sequencer = sequencer
        self.settler = settler
        self.sender = sender
        self.clock = clock
        start = contracts.deployment.first_block if seen is None else Position(seen.number, seen.hash)
        self.watcher = Watcher(chain, [contracts.clearing.address, contracts.oracle.address], start, poll_s=0.2)
        self._seen: deque[WatchEvent] = deque()

    # -- facts from the chain -----------------------------------------------------------------------------------------

    async def observe(self) -> int:
        """Look at the chain once and journal what became final; the number of facts."""
        count = 0
        self._seen += await self.watcher.step()
        while self._seen:  # the watcher tells each block once: what cannot be journaled now is kept for the next look
            event = self._seen[0]
            if isinstance(event, FinalisedLogs):
                newest = not any(isinstance(later, FinalisedLogs) for later in islice(self._seen, 1, None))
                count += await self._journal(event, newest=newest)
            elif isinstance(event, Reorged):
                _log.warning("chain_reorganised", depth=event.depth, head=event.new_head.number)
            self._seen.popleft()
        await self.sender.poll()
        return count

    async def _journal(self, event: FinalisedLogs, *, newest: bool) -> int:
        """Facts of a block, and that it was seen: the newest of a look, or the one the facts are of."""
        last, known = await self.sequencer.read(lambda state: (state.mirror.action_id, state.block))
        found = await observations(self.contracts.clearing, event.logs, last)
        seated = await self._seated(event)
        if any(isinstance(command, c.ObserveListing) for command in found):
            await self.adopt_listings()
        # Facts of one transaction may only be true together: an exit that is over, and the cash that left with it.
        for said in self.contracts.clearing.interface.events(event.logs, "OperatorQueued"):
            await self.mind_office(to_address(said.args["operator"]), int(said.args["effective"]))
        block = event.block
        unknown = known is None or block.number > known.number
        told = [*seated, *found]
        seen = [c.ObserveBlock(block.number, block.time_s, block.hash)] if unknown and (told or newest) else []
        for outcome in await self.sequencer.record_all([*told, *seen]):
            _require_applied(outcome)
            for disagreement in outcome.events:
                if isinstance(disagreement, ChainDisagreed):
                    _log.critical("chain_disagreed", seq=outcome.seq, fact=outcome.command, how=disagreement)
        return len(told)

    async def _seated(self, event: FinalisedLogs) -> list[c.ObserveSeat]:
        """Signers whom the oracle seated and the journal does not have: a block whose record was lost is told again."""
        told = seats_in(self.contracts.oracle, event.logs)
        if not told:
            return []
        known = await self.sequencer.read(lambda state: dict.fromkeys(state.seats))
        return [command for command in told if command.signer not in known]

    async def look_at_office(self) -> None:
        """Who is operator on the contracts, or will be."""
        clearing = self.contracts.clearing
        is_named, operator, effective_s = await clearing.call("succession")
        await self.mind_office(operator if is_named else await clearing.call("operator"), effective_s)

    async def mind_office(self, operator: Address, effective_s: Seconds) -> None:
        """Another operator is named: from then on the contracts take no batch of ours, so nothing more may be filled.

        What is filled has the settlement window to land. Trading opens again by hand, if the naming is taken back.
        """
        if operator == to_address(self.contracts.deployment.operator):
            return
        _log.critical("operator_succeeded", operator=checksum(operator), effective_s=effective_s)
        if await self.sequencer.read(lambda state: state.is_open):
            await self.apply(c.SetTrading(is_open=False, cause="operator_succeeded"))

    # -- listing ------------------------------------------------------------------------------------------------------

    async def list_expiry(self, underlying: int, expiry_s: Seconds, series: Sequence[Series]) -> int:
        """List an expiry with its series, four to a group, on the contracts; its id. The machine hears at finality.

        Raises SetupRefused for what the machine would not take: what the contracts have once listed cannot be undone.
        """
        clearing = self.contracts.clearing
        expiry_id = int(await clearing.call("expiry_count")) + 1
        _require_taken(*await self.sequencer.read(lambda state: _would_list(state, underlying, expiry_s)))
        await self._list(clearing.encode("list_expiry", expiry_id, underlying, expiry_s))
        await self.list_series(expiry_id, series)
        return expiry_id

    async def list_series(self, expiry_id: int, series: Sequence[Series]) -> None:
        """List those of an expiry's series that the contracts do not have, counted from the first."""
        clearing = self.contracts.clearing
        for first in range(len(await self._listed(expiry_id, 0)), len(series), GROUP):
            word = calldata.strikes_word(series[first : first + GROUP])
            await self._list(clearing.encode("list_group", expiry_id, first // GROUP, word))

    async def _list(self, data: bytes) -> None:
        await self.sender.included(await self.sender.submit(self.contracts.clearing.address, data))

    async def listings(self) -> list[Listing]:
        """Expiries ahead that the contracts list, with their series."""
        now_s, found = seconds_of(self.clock.now_ns()), []
        for expiry_id in range(1, int(await self.contracts.clearing.call("expiry_count")) + 1):
            _, expiry_s, *_ = await self.contracts.clearing.call("expiry_state", expiry_id)
            if expiry_s > now_s:
                found.append(Listing(expiry_id, expiry_s, await self._listed(expiry_id, 0)))
        return found

    async def adopt_listings(self) -> None:
        """Journal what the contracts finally list and the machine does not: what is listed there is tradable there.

        A venue that stopped between the two takes up here. Series without a gap only, as the machine numbers them.
        """
        clearing = self.contracts.clearing
        now_s = seconds_of(self.clock.now_ns())
        for expiry_id in range(1, int(await clearing.call("expiry_count", block="finalized")) + 1):
            known = await self.sequencer.read(partial(_series_known, expiry_id))
            underlying, expiry_s, *_ = await clearing.call("expiry_state", expiry_id, block="finalized")
            if known is None:
                await self.apply(c.ListExpiry(expiry_id, underlying, expiry_s))
            elif expiry_s <= now_s:
                continue
            for index, item in enumerate(await self._listed(expiry_id, known or 0, "finalized"), known or 0):
                await self.apply(c.ListSeries(expiry_id, index, item.strike, item.is_call))

    async def _listed(self, expiry_id: int, first: int, block: BlockId = "latest") -> list[Series]:
        """Series of an expiry on the contracts from an index on, up to the first empty lane."""
        found: list[Series] = []
        while True:
            group, lane = divmod(first + len(found), GROUP)
            word = await self.contracts.clearing.call("strikes_of", expiry_id, group, block=block)
            for item in calldata.unpack_strikes(word)[lane:]:
                if item is None:
                    return found
                found.append(Series(*item))

    async def apply(self, command: c.AnyCommand) -> Outcome:
        """Sequence an administrative command. Raises SetupRefused when the machine refuses it."""
        outcome = await self.sequencer.record(command)
        _require_applied(outcome)
        return outcome

    # -- who is there -------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """What a start owes before anybody can come."""
        await self.dismiss()
        await self.look_at_office()

    async def dismiss(self) -> None:
        """Whoever was connected when the venue went down is gone: their orders leave before anybody can come."""
        if await self.sequencer.read(lambda state: bool(state.sessions)):
            await self.apply(c.EndAllSessions())
        await self.purge()

    async def purge(self) -> None:
        """Finish what one record could not cancel."""
        while await self.sequencer.read(lambda state: bool(state.purges)):
            await self.apply(c.Proceed())

    async def kill(self, kind: type[c.PullKill | c.ReleaseKill], cause: str) -> None:
        """The operator's hand on the kill switch of the venue."""
        operator = await self.sequencer.read(_operator)
        outcome = await self.sequencer.record(kind(c.KILL_VENUE, 0, b"", operator, cause))
        _log.critical("kill_switch", command=type(outcome.command).__name__, answer=str(outcome.events[0]))
        await self.purge()

    # -- the door -----------------------------------------------------------------------------------------------------

    def gateway(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: Limits | None = None,
        edge: gateway.Settings | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> Gateway:
        """The edge in front of this venue, not yet listening. ``limits`` take the place of those of ``edge``."""
        settings = edge or gateway.Settings()
        settings = msgspec.structs.replace(settings, limits=limits) if limits is not None else settings
        publisher, hub = self.desk
        where: dict[str, Any] = {"host": host, "port": port, "tls": tls, "meters": self.meters}
        return Gateway(publisher, self.sequencer, hub, clock=self.clock, settings=settings, **where)

    # -- prices -------------------------------------------------------------------------------------------------------

    async def post_round(
        self,
        maker: Maker,
        spots: dict[int, Price],
        vol_of: Callable[[int], int],
        time_s: Seconds | None = None,
        *,
        conf: Wad = WAD,
    ) -> Outcome:
        """Make, check and journal a round as of a second that has come; by default the present one."""
        time_s = seconds_of(self.clock.now_ns()) if time_s is None else time_s

        def checked(state: State) -> c.PostRound:
            round_ = maker.make(state, time_s, spots, vol_of, conf=conf)
            check(state, round_)
            return round_

        round_ = await self.sequencer.read(checked)
        return await self.sequencer.record(round_)


def _operator(state: State) -> bytes:
    assert state.config is not None
    return state.config.operator


def _require_time(clock: Clock, state: State) -> None:
    """A clock behind the journal would stand still until it has caught up, and prices would not grow old meanwhile."""
    ahead_ns = state.time_ns - clock.now_ns()
    if ahead_ns > CLOCK_SLACK_NS:
        raise SetupRefused(
            f"the clock stands {ahead_ns // NANOS_PER_SECOND} s before the journal's last record; set it"
        )


def _would_list(state: State, underlying: int, expiry_s: Seconds) -> tuple[c.ListExpiry, tuple[Event, ...]]:
    """What the machine would say to an expiry; under its own next number, for listings may be on their way."""
    wanted = c.ListExpiry(len(state.expiries) + 1, underlying, expiry_s)
    return wanted, decide_expiry(state, wanted)


def _series_known(expiry_id: int, state: State) -> int | None:
    expiry = state.expiries.get(expiry_id)
    return None if expiry is None else len(expiry.series)


def _require_applied(outcome: Outcome) -> None:
    _require_taken(outcome.command, outcome.events)


def _require_taken(command: c.AnyCommand, events: Sequence[Event]) -> None:
    refused = events[0]
    if isinstance(refused, Rejected):
        raise SetupRefused(f"{refused.reason} (value {refused.value}, limit {refused.limit}): {command}")


class Settings(NamedTuple):
    """How to open a venue on a development chain."""

    journal: Path
    terms: Terms
    clock: Clock
    url: str | None = None
    venue: str = "verbatim-dev"
    finality_depth: int = 2
    tap: Callable[[State, Outcome], None] = lambda _state, _outcome: None
    rebuild_history: bool = False  # execute the journal from its beginning, however long that takes
    taker_delay_ns: Nanos | None = None  # instead of what the terms say; of a journal that is there it must be its own
    storage: SqliteSettings = SqliteSettings()
    chain_through: Callable[[Chain], Chain] = lambda chain: chain  # what a simulation puts before the chain
    store_through: Callable[[Store], Store] = lambda store: store  # and before the journal's disk


def deployment_path(journal: Path) -> Path:
    """Where the deployment of a journal's contracts is kept."""
    return journal.with_name(journal.name + ".deployment.json")


@contextlib.asynccontextmanager
async def open_chain(settings: Settings) -> AsyncIterator[tuple[Chain, DevControls]]:
    """The embedded chain, kept beside the journal, or the development node at a URL."""
    if settings.url is None:
        store = settings.journal.with_name(settings.journal.name + ".chain")
        clock = settings.clock
        start_s = seconds_of(clock.now_ns())
        allocation = {address_of(DevKeys.make().operator): WEALTH_WEI}
        node = await DevNode.open(
            store=store,
            finality_depth=settings.finality_depth,
            genesis_time_s=start_s,
            clock=lambda: seconds_of(clock.now_ns()),
            allocation=allocation,
        )
        async with node:
            yield settings.chain_through(node), node
        return
    chain = await RpcChain.open(settings.url)
    try:
        yield settings.chain_through(chain), await chain.dev_controls()
    finally:
        await chain.close()


@contextlib.asynccontextmanager
async def open_venue(settings: Settings) -> AsyncIterator[tuple[Venue, DevControls]]:
    """A venue sequencing on its journal. Leaving the context writes what has queued and closes everything."""
    keys = DevKeys.make()
    async with contextlib.AsyncExitStack() as stack:
        # The journal first: a second venue on it, or one that cannot vouch for it, must not touch the chain either.
        disk = await stack.enter_async_context(
            await SqliteStore.open(settings.journal, GENESIS, schemas=[codec.SCHEMA_FP], settings=settings.storage)
        )
        snapshots = directory_of(settings.journal)
        publisher, store = Publisher(), settings.store_through(disk)
        historian = await stack.enter_async_context(writing(publisher, path_of(settings.journal)))
        booted = await boot(store, snapshots, historian, from_genesis=settings.rebuild_history)
        _require_time(settings.clock, booted.state)
        chain, controls = await stack.enter_async_context(open_chain(settings))
        require_dev_chain(chain.chain_id)
        sender = Sender(chain, keys.operator)
        deployment = await _deployment(settings, chain, controls, sender, keys, booted.state.config)
        meters = Meters()
        wall_ns, committed = settings.clock.now_ns, meters.committed
        writer = Writer(store, codec.SCHEMA_FP, committed=committed, wall_ns=wall_ns)
        await stack.enter_async_context(writer)
        contracts = Contracts(chain, deployment)
        await _require_history(contracts, booted.state.mirror.action_id)
        keeper = Keeper(snapshots, historian.flush)
        stack.push_async_callback(keeper.close)

        async def read(query: Callable[[State], Any]) -> Any:
            return await sequencer.read(query)

        hub = Hub(publisher, read)

        def tap(state: State, outcome: Outcome) -> Sequence[Notification]:
            settings.tap(state, outcome)
            return publisher.tap(state, outcome)

        sequencer = Sequencer(
            booted.state,
            writer,
            settings.clock,
            keys.operator,
            domain_separator(deployment.chain_id, contracts.clearing.address),
            anchors=booted.anchors,
            tap=tap,
            publish=partial(_publish, historian, hub),
            keeper=keeper,
            meters=meters,
        )
        settler = Settler(sequencer, contracts, sender, settings.clock, keys.operator, meters)
        desk, seen = Desk(publisher, hub), booted.state.block
        venue = Venue(chain, contracts, sequencer, settler, sender, settings.clock, desk, seen, meters)
        await stack.enter_async_context(sequencing(sequencer))
        if booted.state.config is None:
            await venue.apply(deployment.configure(settings.venue))
        await venue.begin()
        yield venue, controls


def _publish(historian: Historian, hub: Hub, notes: Sequence[Notification]) -> None:
    """What durable records came to, to whoever writes it down and to whoever listens."""
    historian.take(notes)
    hub.publish(notes)


@contextlib.asynccontextmanager
async def sequencing(sequencer: Sequencer) -> AsyncIterator[None]:
    """Run the sequencer in the background; its failure cancels the body and is raised."""
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(sequencer.run(), name="sequencer")
            yield
            sequencer.stop()
            await running
    except BaseExceptionGroup as group:
        if len(group.exceptions) > 1:
            raise
        raise group.exceptions[0] from group.exceptions[0].__cause__
    finally:
        sequencer.stop()


async def _deployment(
    settings: Settings,
    chain: Chain,
    controls: DevControls,
    sender: Sender,
    keys: DevKeys,
    config: c.Configure | None,
) -> Deployment:
    """The contracts of the journal, deployed if it has none yet. Raises SetupRefused when they are not to be found."""
    path = deployment_path(settings.journal)
    if path.exists():
        found = Deployment.load(path)
        if settings.taker_delay_ns not in (None, found.terms.taker_delay_ns):
            began = found.terms.taker_delay_ns // 10**6
            raise SetupRefused(f"this journal began with a taker delay of {began} ms, and keeps it")
        await _require_same(found, chain, config)
        return found
    if config is not None:
        raise SetupRefused(f"{path.name} is missing, which says where the contracts of this journal are")
    if await chain.balance(sender.address) < WEALTH_WEI // 2:
        await controls.fund(sender.address, WEALTH_WEI)
    delay_ns = settings.terms.taker_delay_ns if settings.taker_delay_ns is None else settings.taker_delay_ns
    terms = msgspec.structs.replace(settings.terms, taker_delay_ns=delay_ns)
    made = await deploy(chain, sender, keys.plan(terms))
    made.save(path)
    return made


async def _require_same(found: Deployment, chain: Chain, config: c.Configure | None) -> None:
    """Money of one venue must not be looked for in the contracts of another, nor on another chain."""
    clearing = to_address(found.clearing)
    if config is not None and (config.chain_id, config.clearing) != (found.chain_id, clearing):
        raise SetupRefused(f"the journal is of other contracts than its deployment file names: {found.clearing}")
    if chain.chain_id != found.chain_id or not await chain.code(clearing):
        raise SetupRefused(f"there is no contract {found.clearing} on this chain, the contracts of this journal")


async def _require_history(contracts: Contracts, known: int) -> None:
    """A chain without the facts of the journal is behind, or has lost what it called final: both need a person."""
    count = int(await contracts.clearing.call("action_count"))
    if count < known:
        raise SetupRefused(f"the journal has {known} actions of the contracts as final, the chain has {count}")
