"""Trades that move a price others depend on: ignition, hunted triggers, the window that settles, and sheer size.

Imports sights and cases.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from exchange.core.commands import LAST
from exchange.core.events import Triggered
from exchange.core.units import Nanos, Price, Qty
from replay.surveil.cases import SECOND, Bounds, Case, Evidence, Practice, case, share
from replay.surveil.colluding import note
from replay.surveil.sights import Detector, Pair, Sight, pairs


class _Take(NamedTuple):
    """One trade of an account: its price, and which way."""

    account: int
    time_ns: Nanos
    price: Price
    qty: Qty
    is_buy: bool
    pair: Pair


class _Runs(msgspec.Struct):
    """The takes of one group in one series, lately, and runs that moved the price."""

    takes: deque[_Take] = msgspec.field(default_factory=deque)
    lit: list[_Take] = []
    found: Evidence = msgspec.field(default_factory=Evidence)
    score: int = 0


class Ignition(Detector):
    """Point 4(f): several takes one way that move the price, and then the other way at the better price."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._runs: dict[tuple[str, int], _Runs] = {}

    def see(self, sight: Sight) -> None:
        """Each trade concerns its taker's run, and what either side closes."""
        for pair in pairs(sight):
            for event in pair:
                fill = event.fill
                assert fill is not None
                key = (sight.people.group(event.order.account), fill.series)
                runs = self._runs.setdefault(key, _Runs())
                take = _Take(event.order.account, event.time_ns, fill.price, fill.qty, fill.is_buy, pair)
                self._reverse(runs, take)
                if fill.is_taker:
                    self._run(runs, take)

    def _run(self, runs: _Runs, take: _Take) -> None:
        since_ns = take.time_ns - self._bounds.ignition_within_s * SECOND
        while runs.takes and (runs.takes[0].time_ns < since_ns or runs.takes[0].is_buy != take.is_buy):
            runs.takes.popleft()
        runs.takes.append(take)
        moved = share(abs(take.price - runs.takes[0].price), runs.takes[0].price)
        onwards = (take.price > runs.takes[0].price) == take.is_buy
        if len(runs.takes) >= self._bounds.ignition_takes and onwards and moved >= self._bounds.ignition_move:
            runs.lit = list(runs.takes)

    def _reverse(self, runs: _Runs, take: _Take) -> None:
        if not runs.lit or runs.lit[-1].is_buy == take.is_buy:
            return
        late = take.time_ns - runs.lit[-1].time_ns > self._bounds.ignition_back_s * SECOND
        mean = sum(each.price * each.qty for each in runs.lit) // sum(each.qty for each in runs.lit)
        if not late and (take.price > mean) == runs.lit[-1].is_buy:
            moved = share(abs(runs.lit[-1].price - runs.lit[0].price), runs.lit[0].price)
            for each in (*runs.lit, take):
                note(runs.found, each.pair, each.account)
            runs.score = max(runs.score, share(moved, self._bounds.ignition_move))
        runs.lit = []

    def cases(self) -> Iterator[Case]:
        """One for each group and series."""
        for (group, series), runs in self._runs.items():
            if runs.score:
                words = "takes one way that moved the price, closed the other way at a better one"
                yield case(Practice.IGNITION, [group], [series], runs.found, runs.score, words)


class _Push(NamedTuple):
    group: str
    time_ns: Nanos
    pair: Pair


class Hunting(Detector):
    """Points 2(c) and 2(d): a trade reaches the triggers of others, and who made it meets what they set off."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._pushes: dict[int, _Push] = {}
        self._set_off: dict[int, _Push] = {}
        self._found: dict[tuple[str, int], Evidence] = {}

    def see(self, sight: Sight) -> None:
        """Trades, triggers they reach, and whom those orders meet."""
        for event in sight.step.events:
            if type(event) is Triggered and event.fact in self._pushes:
                self._trigger(sight, event)
        trades = pairs(sight)
        for pair in trades:
            self._meet(sight, pair)
        if trades:
            taker = trades[-1].taker
            push = _Push(sight.people.group(taker.order.account), taker.time_ns, trades[-1])
            self._pushes[sight.step.seq] = push
        for seq in [seq for seq, push in self._pushes.items() if self._is_late(push, sight.step.time_ns)]:
            del self._pushes[seq]

    def _is_late(self, push: _Push, time_ns: Nanos) -> bool:
        return time_ns - push.time_ns > self._bounds.hunting_within_s * SECOND

    def _trigger(self, sight: Sight, event: Triggered) -> None:
        """An order of somebody else's, set off by the last price of that trade."""
        push = self._pushes[event.fact]
        told = next(each.order for each in sight.orders if each.order.id == event.order_id)
        if told.trigger == LAST and sight.people.group(told.account) != push.group:
            self._set_off[event.order_id] = push

    def _meet(self, sight: Sight, pair: Pair) -> None:
        for event, other in (pair, pair[::-1]):
            push = self._set_off.get(event.order.id)
            if push is None or self._is_late(push, event.time_ns):
                continue
            if sight.people.group(other.order.account) == push.group:
                assert event.fill is not None
                found = self._found.setdefault((push.group, event.fill.series), Evidence())
                note(found, push.pair, push.pair.taker.order.account)
                note(found, pair, other.order.account)

    def cases(self) -> Iterator[Case]:
        """One for each group and series."""
        for (group, series), found in self._found.items():
            met = len(found.trades) - 1
            if met >= self._bounds.hunting_least:
                words = "a trade reached triggers of others, and met the orders they set off"
                yield case(
                    Practice.TRIGGER_HUNTING, [group], [series], found, share(met, self._bounds.hunting_least), words
                )


class _Window(msgspec.Struct):
    """Volume of one expiry in its settlement window, and whose."""

    volume: Qty = 0
    of: dict[str, Qty] = {}
    found: dict[str, Evidence] = {}


class ExpiryWindow(Detector):
    """Point 5(d): most of what trades in an expiry, while the index that settles it is being averaged, is of one who
    holds a position in it. Constituents of the index trade elsewhere and are not seen here.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._windows: dict[int, _Window] = {}

    def see(self, sight: Sight) -> None:
        """Trades of series about to settle, by those who hold any of the expiry."""
        for pair in pairs(sight):
            fill = pair.maker.fill
            assert fill is not None
            option = sight.state.series[fill.series]
            left_s = option.expiry_s - pair.maker.time_ns // SECOND
            if left_s > self._bounds.window_s:
                continue
            window = self._windows.setdefault(option.expiry_id, _Window())
            window.volume += fill.qty
            for event in pair:
                positions = sight.state.accounts[event.order.account].positions
                holds = any(sight.state.series[series].expiry_id == option.expiry_id for series in positions)
                if holds:
                    group = sight.people.group(event.order.account)
                    window.of[group] = window.of.get(group, 0) + fill.qty
                    note(window.found.setdefault(group, Evidence()), pair, event.order.account)

    def cases(self) -> Iterator[Case]:
        """One for each group and expiry; counterparties of a wash are a case of another kind."""
        for expiry, window in self._windows.items():
            for group, qty in window.of.items():
                part, found = share(qty, window.volume), window.found[group]
                if part >= self._bounds.window_share and len(found.trades) >= self._bounds.window_least:
                    words = f"{part / 10:.1f} % of what traded while expiry {expiry} was settled"
                    yield case(
                        Practice.EXPIRY_WINDOW, [group], [], found, share(part, self._bounds.window_share), words
                    )


class Concentration(Detector):
    """Point 2(b): one side of a series is mostly one group's."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._worst: dict[tuple[str, int], tuple[int, Evidence]] = {}

    def see(self, sight: Sight) -> None:
        """Shares of the open interest of a series, after each trade in it."""
        for pair in pairs(sight):
            for event in pair:
                assert event.fill is not None
                self._weigh(sight, pair, event.order.account, event.fill.series)

    def _weigh(self, sight: Sight, pair: Pair, account: int, series: int) -> None:
        interest, group = sight.state.series[series].open_interest, sight.people.group(account)
        if interest < self._bounds.concentration_least:
            return
        accounts = sight.people.accounts(group)
        held = sum(sight.state.accounts[each].positions.get(series, 0) for each in accounts)
        part = share(abs(held), interest)
        worst = self._worst.get((group, series), (self._bounds.concentration_share - 1, Evidence()))[0]
        if part > worst:
            found = Evidence()
            note(found, pair)
            found.accounts = dict.fromkeys(accounts)
            self._worst[group, series] = (part, found)

    def cases(self) -> Iterator[Case]:
        """One for each group and series, at its worst."""
        for (group, series), (part, found) in self._worst.items():
            words = f"{part / 10:.1f} % of the open interest, at its most"
            yield case(
                Practice.CONCENTRATION, [group], [series], found, share(part, self._bounds.concentration_share), words
            )
