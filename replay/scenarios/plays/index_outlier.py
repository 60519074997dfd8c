"""S1: one of seven constituents of an index prints a wrong price, and accounts are liquidated on it.

The same people, prices and machine three times: under an index that keeps the outlier, under the index of this venue,
and under the wrong index again with this venue's breaker behind it. Imports the stage, the core's index, the old rule.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import index as oracle
from exchange.core.units import RISK_ONE, WAD, Cash, Price, Qty, div_up, premium_of
from replay.scenarios.measures import Ask, Played
from replay.scenarios.rules import mean_index
from replay.scenarios.schema import Scenario, units_of, usdc
from replay.scenarios.stage import Person, Stage
from replay.scenarios.takeover import Backing, Backstop, short, take_over

DAY_S: Final = 86_400
TICK: Final = 10_000
FEED: Final = oracle.Rules(quorum=4)
Index = Callable[[Sequence[oracle.Observation], int], tuple[Price, int]]


class Minute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What each constituent says at a moment, in seconds from the beginning; nothing where it is silent.

    Those that are ``suspended`` count no more, whatever they said last.
    """

    at: int
    prices: tuple[Decimal | None, ...]
    suspended: tuple[str, ...] = ()


class World(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Prices in USDC, cushions in percent of initial margin, quantities in contracts."""

    start_s: int
    constituents: tuple[str, ...]
    outlier: str
    minutes: tuple[Minute, ...]
    strike: Decimal
    vol: Decimal
    cushions: tuple[int, ...]
    contracts: Decimal
    stops: int
    stop_below: Decimal
    bid_share: int


class _Ended(NamedTuple):
    """One run: who was there, and what came of it."""

    stage: Stage
    people: tuple[Person, ...]
    index_low: Price
    stops: int
    liquidated: int
    first: int
    equity: Cash


def play(scenario: Scenario, folder: Path) -> Played:
    """All three, and the evening without the wrong price, to tell what it cost."""
    world = scenario.world_as(World)
    then = _run(world, _mean, guarded=False)
    here = _run(world, _clamped, guarded=True)
    behind = _run(world, _mean, guarded=True)
    runs = {"then": then, "here": here}
    journals = {name: ended.stage.journal(folder / f"{name}.journal") for name, ended in runs.items()}
    calm = _run(_without_outlier(world), _clamped, guarded=True).equity
    asks = (Ask("then", "liquidation", then.first),) if then.first else ()
    extra = {"liquidated_behind_breaker": behind.liquidated, "stops_behind_breaker": behind.stops}
    return Played(_figures(then, calm), _figures(here, calm) | extra, journals, asks)


def _without_outlier(world: World) -> World:
    """The same evening with the constituent silent from when it fell silent to when it was suspended."""
    outlier = world.constituents.index(world.outlier)
    quiet = next(minute.at for minute in world.minutes if minute.prices[outlier] is None)
    minutes = []
    for minute in world.minutes:
        prices = [None if minute.at >= quiet and at == outlier else price for at, price in enumerate(minute.prices)]
        minutes.append(msgspec.structs.replace(minute, prices=tuple(prices)))
    return msgspec.structs.replace(world, minutes=tuple(minutes))


def _figures(ended: _Ended, calm: Cash) -> dict[str, int]:
    lost = calm - ended.equity
    return {"index_low": ended.index_low, "stops_fired": ended.stops, "liquidated": ended.liquidated, "lost": lost}


def _mean(last: Sequence[oracle.Observation], now_s: int) -> tuple[Price, int]:
    del now_s
    return mean_index.index([each.price for each in last]), WAD


def _clamped(last: Sequence[oracle.Observation], now_s: int) -> tuple[Price, int]:
    found = oracle.index_of(FEED, last, now_s)
    assert found is not None
    return found.price, found.conf


def _run(world: World, index: Index, *, guarded: bool) -> _Ended:
    stage = Stage("index outlier", "BTC_USDC", start_s=world.start_s, lot=1_000, tick=TICK)
    stage.vol = units_of(world.vol, 18)
    expiry_s = (world.start_s // DAY_S + 7) * DAY_S
    call, put = stage.list_expiry(expiry_s, [usdc(world.strike)])
    deep = 10**7 * 10**6
    maker, provider, fund, keeper = (stage.join(name, deep) for name in ("maker", "provider", "fund", "keeper"))
    backing = Backing(fund, keeper, (Backstop(provider, 5 * WAD // 100),))
    if guarded:
        bounds = (FEED.heartbeat_s, FEED.thin, FEED.jump_min, FEED.jump_deviations, FEED.stress_vol)
        stage.must(c.SetFeed(0, *bounds, "operator"))
    feed = _Feed(world, index)
    feed.hear(world.minutes[0])
    stage.round(feed.price(stage.now_s)[0])
    qty = units_of(world.contracts, 4)
    people = [_writer(stage, maker, put, qty, number, cushion) for number, cushion in enumerate(world.cushions)]
    people += [_holder(stage, maker, call, qty, number, world) for number in range(world.stops)]
    stage.settle()
    return _minutes(stage, world, feed, backing, people, maker)


class _Feed:
    """The last price of every constituent, and the index of them."""

    def __init__(self, world: World, index: Index) -> None:
        self._last: dict[int, oracle.Observation] = {}
        self._index = index
        self._names = world.constituents
        self.start_s = world.start_s

    def hear(self, minute: Minute) -> None:
        """Whoever speaks is heard; of the others the last word stays, with its time."""
        for source, price in enumerate(minute.prices):
            if price is not None:
                self._last[source] = oracle.Observation(source, self.start_s + minute.at, usdc(price))
        for name in minute.suspended:
            del self._last[self._names.index(name)]

    def price(self, now_s: int) -> tuple[Price, int]:
        """The index and how sure it is."""
        return self._index(list(self._last.values()), now_s)


def _writer(stage: Stage, maker: Person, put: int, qty: Qty, number: int, cushion: int) -> Person:
    """Sells puts and takes out what goes beyond initial margin and so many percent of it."""
    mark = stage.mark(put) // TICK * TICK
    assert stage.state.view is not None
    needed = div_up(stage.state.view.im_units[put] * qty * (100 + cushion), 100 * RISK_ONE)
    who = stage.join(f"writer {number}", needed)
    stage.trade(maker, who, put, qty, mark, buys=False)
    stage.withdraw(who, premium_of(mark, qty))
    return who


def _holder(stage: Stage, maker: Person, call: int, qty: Qty, number: int, world: World) -> Person:
    """Buys calls and leaves a stop: to sell at any price that is bid once the index is there."""
    mark = stage.mark(call) // TICK * TICK
    who = stage.join(f"holder {number}", premium_of(mark, qty))
    stage.trade(maker, who, call, qty, mark, buys=True)
    terms = c.Terms(trigger=c.INDEX, trigger_price=usdc(world.stop_below), trigger_above=False)
    stage.place(who, call, False, qty, TICK, tif=c.IOC, reduce_only=True, terms=terms)
    return who


def _bid(stage: Stage, maker: Person, world: World) -> None:
    """The maker's bid for all calls there are, a share of the mark as it is now, in place of the one before."""
    call = next(iter(stage.state.series))
    stage.must(c.CancelAll(maker.account))
    price = max(stage.mark(call) * world.bid_share // 100 // TICK * TICK, TICK)
    stage.place(maker, call, True, units_of(world.contracts, 4) * world.stops, price)


def _minutes(
    stage: Stage, world: World, feed: _Feed, backing: Backing, people: Sequence[Person], maker: Person
) -> _Ended:
    low, fired, cases = stage.state.spots[0].spot, 0, list[int]()
    for minute in world.minutes[1:]:
        stage.wait(world.start_s + minute.at - stage.now_s)
        feed.hear(minute)
        price, conf = feed.price(stage.now_s)
        before = len(stage.records)
        stage.round(price, conf=conf)
        low, fired = min(low, price), fired + _fired(stage, before)
        if stage.allowed().liquidates:
            cases += [take_over(stage, account, backing).seq for account in short(stage)]
        if stage.allowed().opens:
            _bid(stage, maker, world)
    stage.settle()
    equity = sum(stage.equity(who) for who in people)
    return _Ended(stage, tuple(people), low, fired, len(cases), cases[0] if cases else 0, equity)


def _fired(stage: Stage, before: int) -> int:
    """Stops that entered with the last round."""
    return sum(isinstance(event, e.Triggered) for events in stage.told[before:] for event in events)
