"""Measurements in the form Prometheus reads, collected when it asks.

Owns their names: docs/METRICS.md, the dashboard and the alerts in deploy/ are held to them. The venue counts by itself
(shell.meters) and knows nothing of who asks; what is read of the state is read between two drains, in the same thread,
and never waits for it. Imports running, prometheus_client.
"""

import asyncio
import os
from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from exchange import codec
from exchange.core.state import State
from exchange.core.units import NANOS_PER_SECOND, Nanos, seconds_of
from exchange.operations.running import Parts, Running, final_age_s, round_age_s, settlement_lag_s
from exchange.shell.meters import Histogram

FRESH_S: Final = 1.0  # whoever asks more often hears the same again
BEAT_S: Final = 0.1
VENUE: Final = "venue"

Row = tuple[tuple[str, ...], float]


class Family(NamedTuple):
    """What is measured under one name."""

    kind: Literal["gauge", "counter", "histogram"]
    text: str
    labels: tuple[str, ...] = ()


FAMILIES: Final = {
    "ready": Family("gauge", "whether a new order would be taken"),
    "schema": Family("gauge", "always 1; which words the journal is written in", ("fingerprint",)),
    "loop_lag_seconds": Family("histogram", "how late the event loop woke a timer"),
    "commands": Family("counter", "records, by kind of command", ("kind",)),
    "trades": Family("counter", "fills"),
    "rejects": Family("counter", "refusals of the machine, which are in the journal", ("reason",)),
    "refusals": Family("counter", "answers with an error, by the dialect's code", ("code",)),
    "ack_seconds": Family("histogram", "from the arrival of a command at the sequencer to its durable answer"),
    "journal_frames": Family("counter", "frames made durable"),
    "journal_records": Family("counter", "records made durable"),
    "journal_written_bytes": Family("counter", "bytes of records made durable"),
    "journal_sync_seconds": Family("histogram", "from the write of a frame to the end of its sync"),
    "journal_file_bytes": Family("gauge", "size of the journal and of its write-ahead log", ("file",)),
    "disk_free_bytes": Family("gauge", "what is left on the journal's disk"),
    "journal_backlog_records": Family("gauge", "applied and not durable yet"),
    "journal_backlog_seconds": Family("gauge", "age of the oldest of them"),
    "inbox_messages": Family("gauge", "messages that wait for the sequencer, held back or not"),
    "connections": Family("gauge", "WebSocket connections"),
    "subscriptions": Family("gauge", "channels, counted once for each who hears them"),
    "connections_ended": Family("counter", "WebSocket connections that ended, and why", ("why",)),
    "chain_head_block": Family("gauge", "newest block seen"),
    "chain_final_block": Family("gauge", "newest final block whose facts were read"),
    "chain_final_age_seconds": Family("gauge", "since the last final block in the journal was made"),
    "chain_reorgs": Family("counter", "reorganisations noticed"),
    "operator_unfinal_transactions": Family("gauge", "sent by the operator and not final"),
    "batch_gas": Family("histogram", "gas of a settled batch"),
    "gas": Family("counter", "gas of the settler's calls that were included", ("call",)),
    "contract_refusals": Family("counter", "the settler's calls that a contract refused", ("call",)),
    "settlement_stopped": Family("gauge", "1: the contracts refused a batch, and a person decides"),
    "settlement_lag_seconds": Family(
        "gauge", "how long the oldest fill waits: since its batch was sealed, or the open one got its first"
    ),
    "unsettled_trades": Family("gauge", "fills that are not final on chain"),
    "unsettled_batches": Family("gauge", "sealed batches that are not final on chain"),
    "oracle_round_age_seconds": Family("gauge", "since the moment of the last oracle round"),
    "index_source_age_seconds": Family("gauge", "since the newest price of a source of the index", ("source",)),
    "breaker_status": Family(
        "gauge",
        "0 normal, 1 degraded, 2 reduce only, 3 cancel only, 4 halted, 5 safeguard, by underlying (and the venue) and "
        "layer; only what was ever moved",
        ("subject", "layer"),
    ),
    "trading_open": Family("gauge", "whether the venue takes any order"),
    "seq": Family("gauge", "last record"),
    "open_orders": Family("gauge", "orders in the books or waiting for a trigger"),
}

HEAD: Final = """# Measurements

What `/metrics` tells Prometheus, on the port of `metrics.port` ([Settings](SETTINGS.md#serve-metrics)); this page is
written by `verbatim settings --metrics`. Counters begin at the start of the process. Asking takes a moment of
the venue's thread, at most once a second, waits for nothing, and is written nowhere. Beside them stand
`process_*` and `python_gc_*` of the client library. The dashboard is `deploy/grafana/venue.json`, the alerts are
`deploy/prometheus/alerts.yml`, and what to do about each is in the [runbook](RUNBOOK.md).

| name | kind | labels | |
|---|---|---|---|
"""


def page() -> str:
    """docs/METRICS.md."""
    return HEAD + "".join(
        f"| `{full_name(name)}` | {family.kind} | {', '.join(family.labels)} | {family.text} |\n"
        for name, family in FAMILIES.items()
    )


def full_name(name: str) -> str:
    """As it is scraped: counters end in ``_total``, histograms in ``_bucket``, ``_count`` and ``_sum`` besides."""
    return f"verbatim_{name}" + ("_total" if FAMILIES[name].kind == "counter" else "")


class VenueCollector(Collector):
    """Everything measured of a venue."""

    def __init__(self, running: Running) -> None:
        self._running = running

    def collect(self) -> Iterator[Metric]:
        """What is so at this moment."""
        running, parts = self._running, self._running.parts
        yield _gauge("ready", int(all(each.holds for each in running.ready())))
        yield _rows("schema", [((codec.SCHEMA_FP.hex(),), 1)])
        yield _histogram("loop_lag_seconds", running.loop_lag_s)
        if parts is None:
            return
        now_ns = parts.venue.clock.now_ns()
        for family in (_counts, _journal, _edge, _chain):
            yield from family(parts)
        yield _rows("index_source_age_seconds", _sources(parts, now_ns))
        yield from parts.venue.sequencer.glance(lambda state: list(_state(state, now_ns)))


class Measurements:
    """A registry, and its text made at most once a second."""

    def __init__(self, running: Running) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(VenueCollector(running))
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._text = b""
        self._made_at: float | None = None

    def text(self) -> bytes:
        """The page that Prometheus scrapes."""
        now = asyncio.get_running_loop().time()
        if self._made_at is None or now - self._made_at >= FRESH_S:
            self._text, self._made_at = generate_latest(self.registry), now
        return self._text


async def watch_loop(lag_s: Histogram) -> None:
    """Measure how late timers are, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + BEAT_S
        await asyncio.sleep(BEAT_S)
        lag_s.observe(max(loop.time() - due, 0.0))


# -- families ---------------------------------------------------------------------------------------------------------


def _counts(parts: Parts) -> Iterator[Metric]:
    meters = parts.venue.meters
    yield _rows("commands", [((kind.__name__,), count) for kind, count in meters.commands.items()])
    yield _rows("trades", [((), meters.trades)])
    yield _rows("rejects", [((reason.value,), count) for reason, count in meters.rejected.items()])
    yield _rows("refusals", [((str(code),), count) for code, count in meters.refused.items()])
    yield _histogram("ack_seconds", meters.ack_s)


def _journal(parts: Parts) -> Iterator[Metric]:
    meters, sequencer, path = parts.venue.meters, parts.venue.sequencer, parts.journal
    yield _rows("journal_frames", [((), meters.frames)])
    yield _rows("journal_records", [((), meters.records)])
    yield _rows("journal_written_bytes", [((), meters.frame_bytes)])
    yield _histogram("journal_sync_seconds", meters.sync_s)
    files = [("journal", path), ("log", path.with_name(path.name + "-wal"))]
    yield _rows("journal_file_bytes", [((name,), file.stat().st_size) for name, file in files if file.exists()])
    disk = os.statvfs(path.parent)
    yield _gauge("disk_free_bytes", disk.f_bavail * disk.f_frsize)
    yield _gauge("journal_backlog_records", sequencer.backlog.records)
    yield _gauge("journal_backlog_seconds", sequencer.backlog.age_ns / NANOS_PER_SECOND)
    yield _gauge("inbox_messages", sequencer.waiting)


def _edge(parts: Parts) -> Iterator[Metric]:
    gateway = parts.gateway
    yield _gauge("connections", len(gateway.connections))
    yield _gauge("subscriptions", parts.venue.desk.hub.subscriptions)
    yield _rows("connections_ended", [((why,), count) for why, count in gateway.meters.ended.items()])


def _chain(parts: Parts) -> Iterator[Metric]:
    venue, meters = parts.venue, parts.venue.meters
    head, final = venue.watcher.head, venue.watcher.position
    yield _rows("chain_head_block", [] if head is None else [((), head.number)])
    yield _rows("chain_final_block", [] if final is None else [((), final.number)])
    yield _rows("chain_reorgs", [((), venue.watcher.reorgs)])
    yield _gauge("operator_unfinal_transactions", len(venue.sender.unfinal))
    yield _histogram("batch_gas", meters.batch_gas)
    yield _rows("gas", [((call,), gas) for call, gas in meters.gas.items()])
    yield _rows("contract_refusals", [((call,), count) for call, count in meters.contracts_refused.items()])
    yield _gauge("settlement_stopped", int(meters.settlement_stopped))


def _state(state: State, now_ns: Nanos) -> Iterator[Metric]:
    round_s, final_s = round_age_s(state, now_ns), final_age_s(state, now_ns)
    yield _gauge("seq", state.seq)
    yield _gauge("open_orders", len(state.orders))
    yield _gauge("trading_open", int(state.is_open))
    yield _gauge("settlement_lag_seconds", settlement_lag_s(state, now_ns))
    yield _gauge("unsettled_trades", len(state.trades))
    yield _gauge("unsettled_batches", len(state.batches))
    yield _rows("oracle_round_age_seconds", [] if round_s is None else [((), round_s)])
    yield _rows("chain_final_age_seconds", [] if final_s is None else [((), final_s)])
    yield _rows("breaker_status", _breakers(state))


def _breakers(state: State) -> Iterator[Row]:
    for key, breaker in state.breakers.items():
        listed = state.underlyings.get(key)
        subject = VENUE if listed is None else listed.name
        yield (subject, "feed"), int(breaker.feed.status)
        yield (subject, "order"), int(breaker.order.status)


def _sources(parts: Parts, now_ns: Nanos) -> Iterator[Row]:
    now_s = seconds_of(now_ns)
    for source in parts.feed.sources:
        seen = source.at(now_s)
        if seen is not None:
            yield (str(source.number),), now_s - seen.time_s


# -- forms ------------------------------------------------------------------------------------------------------------


def _gauge(name: str, value: float) -> Metric:
    return _rows(name, [((), value)])


def _rows(name: str, rows: Iterable[Row]) -> Metric:
    family = FAMILIES[name]
    form = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    made = form(f"verbatim_{name}", family.text, labels=family.labels)
    for values, value in rows:
        made.add_metric(values, value)
    return made


def _histogram(name: str, held: Histogram) -> Metric:
    """Counts up to each bound, as Prometheus has them."""
    below, buckets = 0, []
    for bound, count in zip((*map(str, held.bounds), "+Inf"), held.counts, strict=True):
        below += count
        buckets.append((bound, below))
    return HistogramMetricFamily(f"verbatim_{name}", FAMILIES[name].text, buckets=buckets, sum_value=held.sum)
