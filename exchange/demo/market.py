"""The recorded market as a script: what was known when, and what happened next.

Owns the timeline and the vols that makers quote from. On a chain whose time is already past the recording, everything
is moved by whole days. Imports recording, core numbers.
"""

from collections.abc import Iterator
from itertools import product
from statistics import median
from typing import Final, NamedTuple

from exchange.core.black76 import black76_mark
from exchange.core.units import NANOS_PER_SECOND, USDC_ONE, Nanos, Price, Qty, Seconds, Wad, years_of
from exchange.dialect.names import instrument_name
from exchange.shell import devmarket, recording
from exchange.shell.recording import RecordedTrade
from exchange.shell.venue import Series

MINUTE_S: Final = 60
DAY_S: Final = 86_400
SETUP_S: Final = 1_800  # before the recording: deployment and deposits take blocks, and blocks take time
STRIKES: Final = range(61_000, 66_500, 500)


class Minute(NamedTuple):
    """A full minute begins."""

    time_ns: Nanos


class Happening(NamedTuple):
    """A recorded trade, moved to the day the demonstration takes place."""

    time_ns: Nanos
    name: str
    taker_buys: bool
    price: Price
    qty: Qty


class Market:
    """Script and knowledge: ``learn`` is called as trades happen, ``fair`` never looks ahead."""

    def __init__(self, not_before_s: Seconds = 0) -> None:
        self._rows = recording.trades()
        days = max(0, -(-(not_before_s - recording.START_S + SETUP_S) // DAY_S))
        self._shift_s = days * DAY_S
        self.start_s: Seconds = recording.START_S + self._shift_s
        self.expiry_s: Seconds = recording.EXPIRY_S + self._shift_s
        self.series = [Series(strike * USDC_ONE, is_call) for strike, is_call in product(STRIKES, (True, False))]
        self.names = [self._name(item) for item in self.series]
        self.spot: Price = self._rows[0].spot
        self._typical: Wad = int(median(row.vol for row in self._rows if row.vol))
        self._vols: dict[str, Wad] = {}
        self.recorded = len(self._rows)

    def _name(self, series: Series | RecordedTrade) -> str:
        return instrument_name(devmarket.BTC.name, self.expiry_s, series.strike, is_call=series.is_call)

    def script(self) -> Iterator[Minute | tuple[RecordedTrade, Happening]]:
        """Minutes from the start to the expiry, and the trades between them, in order."""
        rows = iter([(row, self._happening(row)) for row in self._rows])
        pending = next(rows, None)
        for time_s in range(self.start_s, self.expiry_s + 1, MINUTE_S):
            while pending is not None and pending[1].time_ns < time_s * NANOS_PER_SECOND:
                yield pending
                pending = next(rows, None)
            yield Minute(time_s * NANOS_PER_SECOND)

    def _happening(self, row: RecordedTrade) -> Happening:
        time_ns = row.time_ns + self._shift_s * NANOS_PER_SECOND
        return Happening(time_ns, self._name(row), row.taker_buys, row.price, row.qty)

    def learn(self, row: RecordedTrade) -> None:
        """A trade has happened: its index is the spot from now on, its vol the series' vol."""
        self.spot = row.spot
        if row.vol:
            self._vols[self._name(row)] = row.vol

    def vol(self, name: str) -> Wad:
        """The vol last traded in a series, else what is typical of the day."""
        return self._vols.get(name, self._typical)

    def fair(self, series: Series, time_ns: Nanos) -> Price:
        """Value of a series at the spot and vol known now, in 1e-6 USDC per contract."""
        years = years_of(self.expiry_s - time_ns // NANOS_PER_SECOND)
        return black76_mark(self.spot, series.strike, self.vol(self._name(series)), years, is_call=series.is_call)
