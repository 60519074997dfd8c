"""What is measured of a real venue: true numbers, under the names that the page, the dashboard and the alerts use. # M54"""

import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from shell_floor import KEYS, START_S, Floor, open_market, opened

from exchange.core import commands as c
from exchange.core.units import NANOS_PER_SECOND
from exchange.operations import metrics, probes
from exchange.operations.running import Parts, Running, Stage
from exchange.operations.settings import MetricsSection
from exchange.shell.client import Client, Refused
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Terms
from exchange.shell.devmarket import Feed
from exchange.shell.meters import Histogram
from exchange.shell.venue import Settings

ROOT = Path(__file__).resolve().parents[2]


class Watched:
    """A floor, its door, and what its probes say."""

    def __init__(self, floor: Floor, running: Running, url: str) -> None:
        self.floor = floor
        self.running = running
        self.url = url

    async def page(self, name: str) -> tuple[int, dict]:
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/{name}") as told:
            return told.status, await told.json()

    def values(self) -> Mapping[tuple[str, ...], float]:
        """Samples by name and labels, as they stand now."""
        text = metrics.Measurements(self.running).text().decode()
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    settings = Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=4)
    running = Running()
    async with probes.listening(MetricsSection(), running) as url, opened(settings) as floor:
        await open_market(floor)
        async with floor.venue.gateway() as gateway:
            running.parts, running.stage = Parts(floor.venue, gateway, Feed(), settings.journal), Stage.SERVING
            yield Watched(floor, running, url)


async def traded(watched: Watched) -> Mapping[tuple[str, ...], float]:
    """A trade, a subscription, a refusal of the machine and one of the edge; the samples while all are connected."""
    url = watched.running.parts.gateway.url
    async with await Client.connect(url) as maker, await Client.connect(url) as taker:
        for client, key in zip((maker, taker), KEYS, strict=True):
            await client.login(key)
        name = min(await maker.instruments())
        await maker.subscribe([f"book.{name}.raw"])
        await maker.sell(name, 1, 800)
        await taker.buy(name, 0.4, 800)
        with pytest.raises(Refused):
            await taker.buy(name, 10_000, 800)
        with pytest.raises(Refused):
            await taker.call("private/no_such_thing")
        return watched.values()


async def test_what_clients_do_is_measured_as_it_was(watched: Watched):
    before = watched.values()
    now = await traded(watched)
    assert (now["verbatim_connections",], now["verbatim_subscriptions",], now["verbatim_open_orders",]) == (2, 1, 1)
    assert (now["verbatim_unsettled_trades",], now["verbatim_trades_total",]) == (1, 1)
    assert now["verbatim_settlement_lag_seconds",] >= 0
    assert now["verbatim_commands_total", "Place"] == 3
    assert now["verbatim_rejects_total", "account_must_have_margin"] == 1
    assert (now["verbatim_refusals_total", "10009"], now["verbatim_refusals_total", "-32601"]) == (1, 1)
    assert now["verbatim_ack_seconds_count",] > before["verbatim_ack_seconds_count",]
    assert now["verbatim_journal_records_total",] == now["verbatim_seq",]
    assert now["verbatim_journal_sync_seconds_count",] == now["verbatim_journal_frames_total",]


async def test_what_becomes_of_fills_and_markets_is_measured_as_it_was(watched: Watched):
    floor = watched.floor
    await traded(watched)
    await floor.venue.apply(c.SealBatch())
    await floor.block()
    assert watched.values()["verbatim_unsettled_batches",] == 1
    await floor.until_settled()
    await floor.venue.apply(c.SetTrading(is_open=False, cause="a test"))
    now = watched.values()
    assert now["verbatim_connections_ended_total", "client"] == 2
    assert (now["verbatim_batch_gas_count",], now["verbatim_unsettled_trades",]) == (1, 0)
    assert now["verbatim_batch_gas_sum",] == now["verbatim_gas_total", "settle_signed"] > 100_000
    assert (now["verbatim_trading_open",], now["verbatim_settlement_lag_seconds",]) == (0, 0)
    assert now["verbatim_breaker_status", "order", "venue"] >= 2


async def test_the_names_are_those_of_the_page(watched: Watched):
    text = metrics.Measurements(watched.running).text().decode()
    told = dict(re.findall(r"^# TYPE (verbatim_\w+) (\w+)$", text, re.MULTILINE))
    assert told == {metrics.full_name(name): family.kind for name, family in metrics.FAMILIES.items()}
    assert (ROOT / "docs" / "METRICS.md").read_text() == metrics.page()


async def test_labels_are_those_of_the_page(watched: Watched):
    meters = watched.floor.venue.meters
    meters.contracts_refused["settle_signed"] += 1
    labels = {
        name: sample.labels.keys()
        for family in metrics.VenueCollector(watched.running).collect()
        for sample in family.samples
        for name in [sample.name]
    }
    for name, family in metrics.FAMILIES.items():
        found = labels.get(metrics.full_name(name))
        assert found is None or tuple(found) == family.labels, name


async def test_a_page_is_made_once_a_second_at_most(watched: Watched):
    measured = metrics.Measurements(watched.running)
    first = measured.text()
    await watched.floor.venue.apply(c.Tick())
    assert measured.text() is first


async def test_probes_say_what_holds_and_what_does_not(watched: Watched):
    """Ready is whether a new order is taken; what people should look at besides is a warning."""
    status, told = await watched.page("readyz")
    assert (status, told["ok"], told["reasons"], told["warnings"]) == (200, True, [], [])
    watched.floor.clock.move_to(watched.floor.clock.now_ns() + 3_600 * NANOS_PER_SECOND)
    status, told = await watched.page("readyz")
    assert status == 200
    assert [warning.split(":")[0] for warning in told["warnings"]] == ["oracle_fresh", "chain_in_sight"]
    watched.running.stage = Stage.DRAINING
    await watched.floor.venue.sequencer.drain()
    status, told = await watched.page("readyz")
    assert (status, [reason.split(":")[0] for reason in told["reasons"]]) == (503, ["serving", "accepting"])
    assert (await watched.page("healthz"))[0] == 200


async def test_before_the_venue_is_there_the_process_lives_and_is_not_ready():
    running = Running()
    async with probes.listening(MetricsSection(), running) as url:
        watched = Watched(None, running, url)
        assert (await watched.page("healthz"))[0] == 200
        status, told = await watched.page("readyz")
        assert (status, told["reasons"]) == (503, ["serving: starting"])
        assert watched.values()["verbatim_ready",] == 0


async def test_a_port_that_is_taken_is_refused_with_its_name():
    async with probes.listening(MetricsSection(), Running()) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(probes.PortTaken, match=f"127.0.0.1:{port}"):
            async with probes.listening(MetricsSection(port=port), Running()):
                pass


def test_a_histogram_counts_what_equals_a_bound_below_it():
    held = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.5):
        held.observe(value)
    assert (held.counts, held.sum) == ([2, 1, 1], 5.5)
