"""S3: one actor behind many wallets puts profit on paper into more of the same, and the price falls.

Under the old rule a position at fixed leverage grows with each rise; here the same wallets with the same money are long
by calls bought and puts sold, and at each step open what the machine lets them.
Imports the stage, the old rule, surveillance.
"""

from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.units import QTY_ONE, USDC_ONE, WAD, Qty, premium_of
from replay.scenarios.measures import Ask, Played, percent
from replay.scenarios.rules.linear_leverage import Book
from replay.scenarios.schema import Scenario, units_of, usdc
from replay.scenarios.stage import Person, Stage
from replay.scenarios.takeover import Backing, Backstop, Taken, short, take_over
from replay.surveil.cases import Bounds, Practice
from replay.surveil.run import surveil

TICK: Final = 10_000
LOT: Final = 10
DEEP: Final = 10**9 * USDC_ONE


class World(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Prices on the way up, at each of which everything is put in again, and on the way down; strikes for each step."""

    start_s: int
    every_s: int
    wallets: int
    paid_in: Decimal
    leverage: int
    most: Decimal
    up: tuple[Decimal, ...]
    down: tuple[Decimal, ...]
    vol: Decimal
    fund: Decimal


def play(scenario: Scenario, folder: Path) -> Played:
    """Both ways of being long."""
    world = scenario.world_as(World)
    run = _Climbing(world)
    path = run.stage.journal(folder / "here.journal")
    linked = [[f"0x{who.address.hex()}" for who in run.wallets]]
    found = surveil(path, Bounds(concentration_least=1), linked).cases
    here = run.figures() | {"concentration_cases": sum(each.practice is Practice.CONCENTRATION for each in found)}
    asks = (Ask("here", "liquidation", run.cases[0].seq),) if run.cases else ()
    return Played(_levered(world), here, {"here": path}, asks)


def _levered(world: World) -> dict[str, int]:
    """All is closed at the first price at which it is worth less than nothing, or at the last."""
    book = Book(usdc(world.paid_in))
    first = 0
    for price in world.up:
        book = book.grown(usdc(price), world.leverage, usdc(world.most))
        first = first or book.interest(usdc(price))
    top = book.interest(usdc(world.up[-1]))
    at = next((price for price in world.down if book.equity(usdc(price)) < 0), world.down[-1])
    return {
        "interest_first": first,
        "interest_top": top,
        "grew_times": percent(top, first),
        "fund_paid": max(-book.equity(usdc(at)), 0),
    }


class _Climbing:
    """The wallets here: at every price a strike is there to be long at, and each opens what it may."""

    def __init__(self, world: World) -> None:
        self.stage = stage = Stage("reinvested", "YFI_USDC", start_s=world.start_s, lot=LOT, tick=TICK)
        self._world = world
        stage.vol = units_of(world.vol, 18)
        strikes = [usdc(price) for price in world.up]
        series = stage.list_expiry((world.start_s // 86_400 + 30) * 86_400, strikes)
        self._calls, self._puts = series[::2], series[1::2]
        self._maker, provider = stage.join("maker", DEEP), stage.join("provider", DEEP)
        self.fund = stage.join("fund", usdc(world.fund))
        self._backing = Backing(self.fund, stage.join("keeper", 0), (Backstop(provider, 5 * WAD // 100),))
        each = usdc(world.paid_in) // world.wallets
        self.wallets = [stage.join(f"wallet {number}", each) for number in range(world.wallets)]
        self.cases: list[Taken] = []
        self._interest: list[int] = []
        for step, price in enumerate(world.up):
            self._climb(step, usdc(price))
        for price in world.down:
            self._fall(usdc(price))

    def _climb(self, step: int, price: int) -> None:
        stage = self.stage
        if step:
            stage.wait(self._world.every_s)
        stage.round(price)
        for who in self.wallets:
            self._open(who, self._calls[step], self._puts[step])
        stage.settle()
        held = [stage.state.accounts[who.account].positions for who in self.wallets]
        units = sum(max(-qty, 0) for positions in held for qty in positions.values())
        self._interest.append(premium_of(price, units))

    def _open(self, who: Person, call: int, put: int) -> None:
        """Puts sold and calls bought with what the cash allows; halved until the machine lets it through."""
        qty = self._affordable(who, call, put)
        while qty and not self._sold(who, put, qty):
            qty = qty // 2 // LOT * LOT
        if qty:
            price = max(self.stage.mark(call) // TICK * TICK, TICK)
            self.stage.place(self._maker, call, False, qty, price)
            self.stage.do(c.Place(self.stage.order(who, call, True, qty, price, tif=c.FOK)))
            self.stage.must(c.CancelAll(self._maker.account))

    def _affordable(self, who: Person, call: int, put: int) -> Qty:
        """What initial margin of the put and the premium of the call would take of the free cash."""
        assert self.stage.state.view is not None
        unit = self.stage.state.view.im_units[put] // WAD + self.stage.mark(call)
        return self.stage.free_cash(who) * QTY_ONE // unit // LOT * LOT

    def _sold(self, who: Person, put: int, qty: Qty) -> bool:
        """Whether the machine lets so many puts be sold, all at once, at the mark."""
        stage, price = self.stage, max(self.stage.mark(put) // TICK * TICK, TICK)
        stage.place(self._maker, put, True, qty, price)
        events = stage.do(c.Place(stage.order(who, put, False, qty, price, tif=c.FOK)))
        stage.must(c.CancelAll(self._maker.account))
        return any(isinstance(event, e.Traded) for event in events)

    def _fall(self, price: int) -> None:
        stage = self.stage
        stage.wait(self._world.every_s)
        stage.round(price)
        while found := short(stage):
            self.cases.append(take_over(stage, found[0], self._backing))

    def figures(self) -> dict[str, int]:
        """Interest is what the puts sold are worth of the underlying, at the price of the step."""
        return {
            "interest_first": self._interest[0],
            "interest_top": self._interest[-1],
            "grew_times": percent(self._interest[-1], self._interest[0]),
            "fund_paid": sum(case.outcome.losses.insurance_pays for case in self.cases),
            "liquidated": len(self.cases),
        }
