"""Where prices come from: a recorded file, another venue's WebSocket, or a simulation.

A source answers one question: what did this place say, as of a second? A signer asks several and makes an index of them
(``core.index``). Imports core.index, websockets.
"""

import csv
import gzip
import random
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from math import exp, sqrt
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import structlog
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from exchange.core.index import Observation
from exchange.core.units import U64_MAX, USDC_ONE, WAD, YEAR_SECONDS, Price, Seconds, Wad

_log = structlog.get_logger(__name__)

KEPT: Final = 4_096  # observations of a stream that are remembered, for rounds that are made late
MESSAGE_MAX: Final = 65_536
_MS_PER_S: Final = 1_000


class SourceError(ValueError):
    """A file or message does not say what it was configured to say."""


class Source(Protocol):
    """Prices of one place."""

    number: int

    def at(self, time_s: Seconds) -> Observation | None:
        """The newest observation not after a second; None before the first."""
        ...


class Recorded:
    """Prices of a file, at the times it gives; with ``period_s`` the recording is repeated for ever."""

    def __init__(self, number: int, rows: Sequence[tuple[Seconds, Price]], period_s: Seconds | None = None) -> None:
        self.number = number
        self._times, self._prices = [time_s for time_s, _ in rows], [price for _, price in rows]
        if not rows or self._times != sorted(self._times):
            raise SourceError("a recording needs rows, in order of time")
        self._period_s = period_s

    def at(self, time_s: Seconds) -> Observation | None:
        """As ``Source.at``. A repeated recording speaks at every second; its times count from the start of a period."""
        if self._period_s is not None:
            place = max(bisect_right(self._times, time_s % self._period_s), 1)
            return Observation(self.number, time_s, self._prices[place - 1])
        place = bisect_right(self._times, time_s)
        return Observation(self.number, self._times[place - 1], self._prices[place - 1]) if place else None


def read_prices(path: Path, time_ms: str, price: str) -> list[tuple[Seconds, Price]]:
    """Times and prices of a CSV file, plain or gzip, by the names of its columns.

    Raises SourceError with the line that cannot be read.
    """
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        rows = csv.DictReader(lines)
        missing = [name for name in (time_ms, price) if name not in (rows.fieldnames or ())]
        if missing:
            raise SourceError(f"{path.name} has no column {missing[0]}; it has {', '.join(rows.fieldnames or ())}")
        return [_row(path, line, row[time_ms], row[price]) for line, row in enumerate(rows, 2) if row[price]]


def _row(path: Path, line: int, time_ms: str, price: str) -> tuple[Seconds, Price]:
    try:
        return int(time_ms) // _MS_PER_S, usdc_of(price)
    except ValueError as wrong:
        raise SourceError(f"{path.name}, line {line}: {wrong}") from wrong


class Simulated:
    """A random walk of seconds from a seed: the same prices for the same seed and start, on the same machine."""

    def __init__(self, number: int, seed: int, start_s: Seconds, spot: Price, vol: Wad) -> None:
        self.number = number
        self._start_s = start_s
        self._chance = random.Random(seed)  # noqa: S311 - a market, not a secret
        self._step = vol / WAD * sqrt(1 / YEAR_SECONDS)
        self._prices = [spot]

    def at(self, time_s: Seconds) -> Observation | None:
        """As ``Source.at``; None before the start."""
        elapsed = time_s - self._start_s
        if elapsed < 0:
            return None
        while len(self._prices) <= elapsed:
            moved = self._prices[-1] * exp(self._chance.gauss(-self._step * self._step / 2, self._step))
            self._prices.append(max(round(moved), 1))
        return Observation(self.number, time_s, self._prices[elapsed])


class StreamFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a stream's messages keep what is wanted, as dotted paths; a time in milliseconds.

    ``exponent`` is for places that send integers with one; ``conf`` for those that say how wide their price is, in the
    units of the price.
    """

    price: str
    time_ms: str
    conf: str = ""
    exponent: str = ""


class Stream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A WebSocket that sends prices: its address, what to send first, and where messages keep what is wanted."""

    url: str
    fields: StreamFields
    subscribe: dict[str, Any] | None = None
    weight: int = 1


class Streamed:
    """The newest prices of a WebSocket, reconnected whenever it is lost."""

    def __init__(self, number: int, stream: Stream, heard: Callable[[], None] = lambda: None) -> None:
        self.number = number
        self._stream = stream
        self._heard = heard
        self._kept: deque[Observation] = deque(maxlen=KEPT)

    def at(self, time_s: Seconds) -> Observation | None:
        """As ``Source.at``, among the observations still remembered."""
        return next((seen for seen in reversed(self._kept) if seen.time_s <= time_s), None)

    async def run(self) -> None:
        """Listen until cancelled. The library waits longer after each failure to connect."""
        async for socket in connect(self._stream.url, max_size=MESSAGE_MAX):
            try:
                if self._stream.subscribe is not None:
                    await socket.send(msgspec.json.encode(self._stream.subscribe).decode())
                async for message in socket:
                    self._hear(message)
            except ConnectionClosed as lost:
                _log.warning("source_lost", source=self.number, url=self._stream.url, reason=str(lost))

    def _hear(self, message: str | bytes) -> None:
        """A message with a price becomes an observation; others are none of our business, unless they are broken."""
        try:
            seen = observation_of(self.number, self._stream, message)
        except SourceError as wrong:
            _log.warning("source_unreadable", source=self.number, url=self._stream.url, reason=str(wrong))
            return
        if seen is not None and (not self._kept or seen.time_s >= self._kept[-1].time_s):
            self._kept.append(seen)
            self._heard()


def observation_of(number: int, stream: Stream, message: str | bytes) -> Observation | None:
    """What a message says; None if it has no price where one should be. Raises SourceError if it makes no sense."""
    try:
        body = msgspec.json.decode(message)
    except msgspec.DecodeError as wrong:
        raise SourceError(f"not JSON: {wrong}") from wrong
    fields = stream.fields
    price, time_ms = _find(body, fields.price), _find(body, fields.time_ms)
    if price is None:
        return None
    if not isinstance(time_ms, int) or isinstance(time_ms, bool):
        raise SourceError(f"{fields.time_ms} is {time_ms!r}, not milliseconds")
    exponent = _find(body, fields.exponent) if fields.exponent else 0
    if not isinstance(exponent, int) or abs(exponent) > 18:
        raise SourceError(f"{fields.exponent} is {exponent!r}, not an exponent")
    scaled = usdc_of(price, exponent)
    conf = _sureness(scaled, usdc_of(_find(body, fields.conf), exponent)) if fields.conf else WAD
    return Observation(number, time_ms // _MS_PER_S, scaled, conf, stream.weight)


def usdc_of(given: object, exponent: int = 0) -> Price:
    """A decimal in USDC as 1e-6 USDC, rounded down; at least zero. Raises SourceError otherwise."""
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise SourceError(f"{given!r} is not a number")
    try:
        value = Decimal(str(given)).scaleb(exponent) * USDC_ONE
    except InvalidOperation as wrong:
        raise SourceError(f"{given!r} is not a number") from wrong
    if not (value.is_finite() and 0 <= value <= U64_MAX):
        raise SourceError(f"{given!r} is not a price")
    return int(value)


def _sureness(price: Price, width: Price) -> Wad:
    """One minus the width of a price relative to it, at least zero; rounded down."""
    return max(WAD - -(-width * WAD // max(price, 1)), 0)


def _find(body: object, path: str) -> object:
    """What a dotted path leads to; None where it leads nowhere."""
    for part in path.split("."):
        if isinstance(body, dict):
            body = body.get(part)
        elif isinstance(body, list) and part.isdigit() and int(part) < len(body):
            body = body[int(part)]
        else:
            return None
    return body
