"""A venue behind real sockets: the real sequencer on a journal in memory, the gateway, and clients that sign."""

import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import pytest

from exchange import codec, signing
from exchange.core import commands as c
from exchange.core.events import Rejected
from exchange.core.pricing import marks_of
from exchange.core.state import State
from exchange.core.units import NO_EXPIRY, WAD, seconds_of
from exchange.publisher import Publisher
from exchange.session.limits import UNLIMITED
from exchange.shell.boot import GENESIS
from exchange.shell.broadcast import Hub
from exchange.shell.client import Client
from exchange.shell.clock import SystemClock
from exchange.shell.gateway import Gateway, Settings
from exchange.shell.sequencer import Sequencer
from exchange.shell.venue import sequencing
from journal import MemoryStore, Writer

CENT = WAD // 100
USDC = 10**6
OPERATOR_KEY = b"\x01" * 32
STANDARD = c.StandardModel(*[cents * CENT for cents in (15, 13, 9, 9, 9, 120, 110, 105, 55, 100, 99, 200)])
FEES = c.FeeSchedule(4 * CENT // 100, -CENT // 100, 125 * CENT // 10)
ACCOUNTS = 4
KNOWN = {"mandates": True, "combos": True, "blocks": True, "rfqs": True}


def key_of(number: int) -> bytes:
    return bytes([0x40 + number]) * 32


class Running(NamedTuple):
    """Everything a test may want to reach."""

    gateway: Gateway
    sequencer: Sequencer
    publisher: Publisher
    hub: Hub
    store: MemoryStore
    names: list[str]

    @property
    def call(self) -> str:
        return next(name for name in self.names if name.endswith("-63000-C"))

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}"

    async def client(self, number: int = 0) -> Client:
        client = await Client.connect(self.gateway.url)
        if number:
            await client.login(key_of(number))
        return client


async def must(sequencer: Sequencer, command: c.AnyCommand) -> None:
    outcome = await sequencer.record(command)
    assert not isinstance(outcome.events[0], Rejected), outcome


async def open_market(sequencer: Sequencer, taker_delay_ns: int = 0) -> None:
    """One expiry, six options, funded accounts and a round, as of now."""
    now_s = seconds_of(SystemClock().now_ns())
    expiry_s = (now_s // 1_800 + 48) * 1_800
    clearing = b"C" * 20
    operator = signing.address_of(OPERATOR_KEY)
    who, rules = ("test", 31337, clearing, b"O" * 20, operator), (3_600, 64, 900, FEES, STANDARD)
    await must(sequencer, c.Configure(*who, *rules, taker_delay_ns=taker_delay_ns, **KNOWN))
    await must(sequencer, c.ListUnderlying(0, "BTC_USDC", 100, USDC, 5 * USDC, 1_000 * USDC))
    await must(sequencer, c.ListExpiry(1, 0, expiry_s))
    for index, (strike, is_call) in enumerate(itertools.product((62_000, 63_000, 64_000), (True, False))):
        await must(sequencer, c.ListSeries(1, index, strike * USDC, is_call))
    await must(sequencer, c.SetBlocks(0, 10_000, "desk"))
    actions = itertools.count(1)
    for number in range(1, ACCOUNTS + 1):
        owner = signing.address_of(key_of(number))
        await must(sequencer, c.ObserveAccount(next(actions), number, owner))
        await must(sequencer, c.ObserveDeposit(next(actions), number, 1_000_000 * USDC))
    await post_round(sequencer)


async def post_round(sequencer: Sequencer, spot: int = 63_000 * USDC) -> None:
    """A round as of now."""
    await must(sequencer, await sequencer.read(lambda state: _round(state, spot)))


def _round(state: State, spot: int) -> c.PostRound:
    last = state.round
    time_s = seconds_of(SystemClock().now_ns()) - 60 if last is None else last.time_s + 1
    acc = state.spots[0].acc + state.spots[0].spot if last is not None else 0
    expiry = state.expiries[1]
    vols = (50 * CENT,) * len(expiry.series)
    marks = marks_of(state, c.Sheet(1, spot, WAD, vols, ()), time_s, acc)
    number = last.round_id + 1 if last is not None else 1
    return c.PostRound(number, time_s, WAD, (c.Spot(0, spot, WAD, acc),), (c.Sheet(1, spot, WAD, vols, marks),), ())


@contextlib.asynccontextmanager
async def running(settings: Settings, taker_delay_ns: int = 0) -> AsyncIterator[Running]:
    publisher = Publisher()
    store = MemoryStore(GENESIS, schemas=[codec.SCHEMA_FP])
    hubs: list[Hub] = []
    async with store, Writer(store, codec.SCHEMA_FP) as writer:
        domain = signing.domain_separator(31337, b"C" * 20)
        sequencer = Sequencer(
            State(),
            writer,
            SystemClock(),
            OPERATOR_KEY,
            domain,
            tap=publisher.tap,
            publish=lambda notes: hubs[0].publish(notes) if hubs else None,
        )
        hub = Hub(publisher, sequencer.read)
        hubs.append(hub)
        async with sequencing(sequencer):
            await open_market(sequencer, taker_delay_ns)
            async with Gateway(publisher, sequencer, hub, settings=settings) as gateway:
                yield Running(gateway, sequencer, publisher, hub, store, list(publisher.listed))


@pytest.fixture
def settings() -> Settings:
    """Bounds for a test; override the fixture's result by parametrising or by ``open_venue``."""
    return Settings(limits=UNLIMITED)


@pytest.fixture
async def venue(settings: Settings) -> AsyncIterator[Running]:
    async with running(settings) as made:
        yield made


@pytest.fixture
def open_venue() -> Callable[..., Any]:
    """A venue with bounds, or a taker delay, of the test's own: ``async with open_venue(settings) as venue``."""
    return running


@pytest.fixture
def never() -> int:
    return NO_EXPIRY
