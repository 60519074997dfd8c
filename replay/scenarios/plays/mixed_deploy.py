"""S10: eight servers of a member route orders, and one of them has an old build that does not count.

The same router twice: with nothing that stops it but people, and with a session key that has a limit.
Imports the stage, the old router.
"""

from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.units import QTY_ONE, USDC_ONE, Cash, Qty
from replay.scenarios.measures import Ask, Played
from replay.scenarios.rules.uncounted_router import Parent, child
from replay.scenarios.schema import Scenario, units_of, usdc
from replay.scenarios.stage import Person, Stage, key_of

TICK: Final = 10_000
DEEP: Final = 10**7 * USDC_ONE
SETTLED_EVERY: Final = 60  # child orders


class World(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The member's parents, in contracts each; servers, of which ``stale`` has the old build; children a minute."""

    start_s: int
    spot: Decimal
    strike: Decimal
    vol: Decimal
    parents: int
    contracts: Decimal
    servers: int
    stale: int
    minutes: int
    child: Decimal
    limit_percent: int


class _Ended(NamedTuple):
    """One run: executions, what was bought, and when the last of it was."""

    stage: Stage
    sent: int
    executed: int
    bought: Qty
    spent: Cash
    last_s: int
    refused: int


def play(scenario: Scenario, folder: Path) -> Played:
    """Without a limit, and with one."""
    world = scenario.world_as(World)
    then, here = _run(world, limited=False), _run(world, limited=True)
    runs = {"then": then, "here": here}
    journals = {name: ended.stage.journal(folder / f"{name}.journal") for name, ended in runs.items()}
    wanted = world.parents * units_of(world.contracts, 4)
    figures = {name: _figures(world, ended, wanted) for name, ended in runs.items()}
    asks = (Ask("here", "reject", here.refused),) if here.refused else ()
    return Played(figures["then"], figures["here"], journals, asks)


def _figures(world: World, ended: _Ended, wanted: Qty) -> dict[str, int]:
    return {
        "children": ended.sent,
        "executed": ended.executed,
        "bought": ended.bought // QTY_ONE,
        "beyond_orders": (ended.bought - wanted) // QTY_ONE,
        "spent": ended.spent,
        "stopped_after": ended.last_s - world.start_s,
    }


def _run(world: World, *, limited: bool) -> _Ended:
    stage = Stage("mixed deploy", "BTC_USDC", start_s=world.start_s, lot=100, tick=TICK)
    stage.vol = units_of(world.vol, 18)
    call, _ = stage.list_expiry((world.start_s // 86_400 + 30) * 86_400, [usdc(world.strike)])
    maker, member = stage.join("maker", DEEP), stage.join("member", DEEP)
    key = key_of("router")
    wanted = world.parents * units_of(world.contracts, 4)
    limit = usdc(world.strike) * wanted // QTY_ONE * world.limit_percent // 100 if limited else 0
    stage.register(member, key, c.SCOPE_TRADE, notional=limit)
    stage.round(usdc(world.spot))
    return _Routing(world, stage, maker, member, key, call).through()


class _Routing:
    """The member's servers at work, minute by minute."""

    def __init__(self, world: World, stage: Stage, maker: Person, member: Person, key: bytes, call: int) -> None:
        self._world, self._stage, self._maker, self._member = world, stage, maker, member
        self._key, self._call = key, call
        qty = units_of(world.contracts, 4)
        self._parents = [Parent(qty, number % world.servers != world.stale) for number in range(world.parents)]
        self._done = [0] * world.parents
        self._refused = self._sent = self._executed = self._spent = self._last_s = 0

    def through(self) -> _Ended:
        """Every minute each parent has its next child sent, if its server thinks that there is one."""
        size = units_of(self._world.child, 4)
        for _ in range(self._world.minutes):
            for number, parent in enumerate(self._parents):
                qty = child(parent, self._done[number], size)
                if qty:
                    self._send(number, qty)
            self._stage.settle()
            self._stage.wait(60)
            self._stage.round(usdc(self._world.spot))
        bought = sum(self._done)
        return _Ended(self._stage, self._sent, self._executed, bought, self._spent, self._last_s, self._refused)

    def _send(self, number: int, qty: Qty) -> None:
        stage, price = self._stage, self._stage.mark(self._call) // TICK * TICK
        stage.place(self._maker, self._call, False, qty, price)
        auth = stage.order(self._member, self._call, True, qty, price, tif=c.IOC, key=self._key)
        events = stage.do(c.Place(auth))
        self._sent += 1
        if any(isinstance(event, e.Rejected) for event in events):
            self._refused = self._refused or stage.state.seq
        fills = [event for event in events if isinstance(event, e.Traded)]
        if fills:
            self._executed, self._last_s = self._executed + 1, stage.now_s
        self._done[number] += sum(fill.qty for fill in fills)
        self._spent += sum(fill.price * fill.qty // QTY_ONE for fill in fills)
        stage.must(c.CancelAll(self._maker.account))
