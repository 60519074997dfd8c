"""What the venue announces to everybody besides books, tickers and trades: marks, bars, listings, states.

Nothing is built that nobody watches. Imports core, dialect, history.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.state import State
from exchange.core.state_types import Expiry
from exchange.core.units import NANOS_PER_SECOND, TWAP_SECONDS, seconds_of
from exchange.dialect.channels import BOARDS, RESOLUTIONS, Family
from exchange.dialect.listed import Listed, book_state, instrument_object
from exchange.dialect.market import index_of_underlying
from exchange.dialect.numbers import millis, percent, usdc
from exchange.publisher.candles import DAY_MINUTES, MINUTE_NS, bar_object, merged
from exchange.publisher.history import History
from exchange.publisher.notes import Note, Outcome
from exchange.publisher.orderlog import Noted

_DAY_NS: Final = DAY_MINUTES * MINUTE_NS
_MAY_CHANGE_STATES: Final = (c.PostRound, c.SetTrading, c.SetPhase, c.BatchRefused, c.Operate, c.Tick)


class Boards:
    """Announcements; ``watched`` and ``families`` are the publisher's, which counts who listens."""

    def __init__(
        self,
        by_series: dict[int, Listed],
        indices: dict[str, int],
        history: History,
        watched: Counter[tuple[str, int]],
        families: Counter[Family],
    ) -> None:
        self._by_series = by_series
        self._indices = indices
        self._history = history
        self._watched = watched
        self._families = families
        self._states: dict[int, str] = {}
        self._was_open: bool | None = None

    def note(self, state: State, outcome: Outcome, noted: Noted) -> Iterator[Note]:
        """Follow one record."""
        if not any(self._families[family] for family in BOARDS):
            self._states.clear()
            self._was_open = None
            return
        kind = type(outcome.command)
        if noted.fills and self._families[Family.CHART]:
            yield from self._bars(outcome, noted)
        if kind is c.PostRound:
            yield from self._of_round(state)
        if self._families[Family.CREATION]:
            yield from self._created(state, outcome)
        if kind in _MAY_CHANGE_STATES:
            yield from self._changed(state)

    def watch(self, state: State, family: Family) -> None:
        """Somebody begins to listen: what is known now is not news."""
        if family is Family.STATE and not self._states:
            self._states = {listed.series: book_state(state, listed) for listed in self._by_series.values()}
        if family is Family.PLATFORM and self._was_open is None:
            self._was_open = state.is_open

    def _stem(self, family: Family, subject: str) -> tuple[str, ...]:
        stem = f"{family.value}.{subject}"
        return (stem,) if (stem, 0) in self._watched else ()

    # -- bars ---------------------------------------------------------------------------------------------------------

    def _bars(self, outcome: Outcome, noted: Noted) -> Iterator[Note]:
        """The running bar of each instrument that traded, in each width that somebody watches."""
        traded = [fill.listed for fill in noted.fills] + [fill.listed for fill in noted.combos]
        for listed in {item.series: item for item in traded}.values():
            for resolution, minutes in RESOLUTIONS.items():
                stems = self._stem(Family.CHART, f"{listed.name}.{resolution}")
                if stems:
                    last = outcome.time_ns // MINUTE_NS
                    held = self._history.candles.between(listed.series, last - last % minutes, last)
                    bars = [bar for bar in merged(held, minutes) if bar.prices is not None]
                    if bars:
                        yield Note(stems, 0, bar_object(bars[-1]), latest=False)

    # -- rounds -------------------------------------------------------------------------------------------------------

    def _of_round(self, state: State) -> Iterator[Note]:
        for name, underlying in self._indices.items():
            if stems := self._stem(Family.MARKS, name):
                yield Note(stems, 0, self._marks(state, underlying), latest=True)
            if (stems := self._stem(Family.ESTIMATE, name)) and (item := _estimate(state, underlying)):
                yield Note(stems, 0, item, latest=True)
            if stems := self._stem(Family.STATISTICS, name):
                yield Note(stems, 0, self._statistics(state, name, underlying), latest=True)

    def _marks(self, state: State, underlying: int) -> list[dict[str, Any]]:
        view, now_ms = state.view, millis(state.time_ns)
        assert view is not None
        return [
            {
                "instrument_name": self._by_series[series].name,
                "mark_price": usdc(mark),
                "iv": round(percent(view.vols[series]) / 100, 6),
                "timestamp": now_ms,
            }
            for series, mark in view.marks.items()
            if self._by_series[series].underlying == underlying
        ]

    def _statistics(self, state: State, name: str, underlying: int) -> dict[str, Any]:
        points = self._history.indices.since(underlying, state.time_ns - _DAY_NS)
        prices = [point.price for point in points] or [index_of_underlying(state, underlying)]
        change = round(100 * (prices[-1] - prices[0]) / prices[0], 4) if prices[0] else 0.0
        told = {"index_name": name, "low24h": usdc(min(prices)), "high24h": usdc(max(prices)), "change24h": change}
        return told | {"fast_market": False}

    # -- listings and states ------------------------------------------------------------------------------------------

    def _created(self, state: State, outcome: Outcome) -> Iterator[Note]:
        command, first = outcome.command, outcome.events[0] if outcome.events else None
        series = None
        if isinstance(first, e.ComboListed):
            series = first.combo
        elif isinstance(command, c.ListSeries) and isinstance(first, e.Applied):
            series = state.expiries[command.expiry_id].series[command.index]
        if series is not None:
            listed = self._by_series[series]
            stems = self._of_instrument(Family.CREATION, listed)
            if stems:
                yield Note(stems, 0, instrument_object(state, listed), latest=False)

    def _changed(self, state: State) -> Iterator[Note]:
        """States that are other than last told, of instruments and of the venue."""
        if self._families[Family.STATE]:
            for listed in self._by_series.values():
                now = book_state(state, listed)
                if self._states.get(listed.series) != now:
                    self._states[listed.series] = now
                    item = {"instrument_name": listed.name, "state": now, "timestamp": millis(state.time_ns)}
                    yield Note(self._of_instrument(Family.STATE, listed), 0, item, latest=False)
        if self._families[Family.PLATFORM] and self._was_open is not state.is_open:
            self._was_open = state.is_open
            yield Note(self._stem(Family.PLATFORM, ""), 0, {"locked": not state.is_open}, latest=False)

    def _of_instrument(self, family: Family, listed: Listed) -> tuple[str, ...]:
        stems = [f"{family.value}.{subject}" for subject in listed.subjects]
        return tuple(stem for stem in stems if (stem, 0) in self._watched)


def _estimate(state: State, underlying: int) -> dict[str, Any]:
    """Where the next expiry would be fixed: the mean of what has passed of its last half hour, or the index before."""
    now_s = seconds_of(state.time_ns)
    ahead = [item for item in state.expiries.values() if item.underlying == underlying and _is_ahead(item, now_s)]
    if not ahead or state.view is None:
        return {}
    expiry = min(ahead, key=lambda item: item.expiry_s)
    left_s, term = expiry.expiry_s - now_s, state.view.terms.get(expiry.id)
    is_estimated = left_s <= TWAP_SECONDS and term is not None
    price = term.expected if is_estimated and term is not None else index_of_underlying(state, underlying)
    told = {"seconds": left_s, "price": usdc(price), "is_estimated": is_estimated}
    return told | {"timestamp": now_s * NANOS_PER_SECOND // 10**6}


def _is_ahead(expiry: Expiry, now_s: int) -> bool:
    return expiry.fixing < 0 and expiry.expiry_s > now_s
