"""S2 and S5: somebody trades with himself, moves the price, and one of his accounts cannot pay the other.

The same people, prices and machine with this venue's breaker and without; what the old rule would have paid is reckoned
beside it, at the same marks. Imports the stage, the rules as they were, surveillance.
"""

from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from exchange.core import commands as c
from exchange.core import index as oracle
from exchange.core.units import QTY_ONE, WAD, Cash, Price, Qty, premium_of
from replay.scenarios.measures import Ask, Played, percent
from replay.scenarios.rules.profit_as_collateral import withdrawable
from replay.scenarios.rules.shared_backstop import Vault
from replay.scenarios.schema import Scenario, units_of, usdc
from replay.scenarios.stage import Stage
from replay.scenarios.takeover import Backing, Backstop, Taken, short, take_over
from replay.surveil.cases import Bounds
from replay.surveil.run import surveil

HALF_HOUR: Final = 1_800
DAY_S: Final = 86_400
FEED: Final = oracle.Rules()


class World(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Prices and deposits in USDC; the price of each minute from the start on; clips of the trade with oneself.

    ``others`` is what the rest has paid in: other depositors, or the components of a vault.
    """

    start_s: int
    underlying: str
    days: int
    strike: Decimal
    vol: Decimal
    contracts: int
    clips: int
    seller: Decimal
    buyer: Decimal
    others: Decimal
    fund: Decimal
    provider: Decimal
    minutes: tuple[Decimal, ...]


class Pump:
    """One run: two accounts of one person, what stands behind them, and what was seen on the way."""

    def __init__(self, world: World, *, guarded: bool) -> None:
        self.stage = Stage("pump", world.underlying, start_s=world.start_s, lot=QTY_ONE, tick=1)
        self.stage.vol = units_of(world.vol, 18)
        expiry_s = (world.start_s // DAY_S + world.days) * DAY_S
        self.series, _ = self.stage.list_expiry(expiry_s, [usdc(world.strike)])
        join = self.stage.join
        self.seller, self.buyer = join("seller", usdc(world.seller)), join("buyer", usdc(world.buyer))
        self.provider, self.fund = join("provider", usdc(world.provider)), join("fund", usdc(world.fund))
        self.others = join("others", usdc(world.others))
        self._backing = Backing(self.fund, join("keeper", 0), (Backstop(self.provider, WAD // 20),))
        if guarded:
            bounds = (FEED.heartbeat_s, FEED.thin, FEED.jump_min, FEED.jump_deviations, FEED.stress_vol)
            self.stage.must(c.SetFeed(0, *bounds, "operator"))
        self.stage.round(usdc(world.minutes[0]))
        self.qty: Qty = world.contracts * QTY_ONE
        self.entry = self.stage.mark(self.series)
        for _ in range(world.clips):
            self.stage.trade(self.seller, self.buyer, self.series, self.qty // world.clips, self.entry, buys=True)
        self.stage.settle()
        self.cases: list[Taken] = []
        self.top: Price = 0
        self.top_spot: Price = 0
        self.short_at: Price = 0
        self.free: Cash = 0
        self.low = self.stage.equity(self.provider)
        for price in world.minutes[1:]:
            self._minute(usdc(price))

    def _minute(self, price: Price) -> None:
        stage = self.stage
        stage.wait(60)
        stage.round(price)
        mark = stage.mark(self.series)
        if not self.short_at and self.seller.account in short(stage):
            self.short_at = mark
        if price > self.top_spot:
            self.top, self.top_spot, self.free = mark, price, stage.free_cash(self.buyer)
        if stage.allowed().liquidates:
            while found := short(stage):
                self.cases.append(take_over(stage, found[0], self._backing))
        self.low = min(self.low, stage.equity(self.provider))

    def won(self, world: World) -> Cash:
        """What both accounts are worth together at the end, beyond what was paid in."""
        paid_in = usdc(world.seller) + usdc(world.buyer)
        return self.stage.equity(self.seller) + self.stage.equity(self.buyer) - paid_in

    def fund_paid(self) -> Cash:
        """What the fund has less than at the beginning."""
        return sum(case.outcome.losses.insurance_pays for case in self.cases)

    def asks(self) -> tuple[Ask, ...]:
        """The first liquidation, if there was one."""
        return (Ask("here", "liquidation", self.cases[0].seq),) if self.cases else ()


def play_profit(scenario: Scenario, folder: Path) -> Played:
    """S2: what the buyer takes out at the top, and what that leaves for the others."""
    world = scenario.world_as(World)
    pump, bare = Pump(world, guarded=True), Pump(world, guarded=False)
    cash = usdc(world.buyer) - premium_of(pump.entry, pump.qty)
    profit = premium_of(pump.top - pump.entry, pump.qty)
    taken = withdrawable(cash, profit, usdc(world.others))
    path = pump.stage.journal(folder / "here.journal")
    wallets = [f"0x{who.address.hex()}" for who in (pump.seller, pump.buyer)]
    then = {
        "index_at_top": pump.top_spot,
        "paper_profit": profit,
        "taken_out": taken,
        "lost_by_others": taken - cash,
        "won": taken - usdc(world.seller) - usdc(world.buyer),
    }
    here = {
        "index_at_top": pump.top_spot,
        "paper_profit": profit,
        "taken_out": pump.free,
        "lost_by_others": pump.fund_paid(),
        "won": pump.won(world),
        "fund_paid_without_breaker": bare.fund_paid(),
        "surveillance_cases": len(surveil(path, Bounds(), [wallets]).cases),
    }
    return Played(then, here, {"here": path}, pump.asks())


def play_backstop(scenario: Scenario, folder: Path) -> Played:
    """S5: what the backstop loses, and who pays in its place."""
    world = scenario.world_as(World)
    pump, bare = Pump(world, guarded=True), Pump(world, guarded=False)
    vault = Vault(usdc(world.others), pump.qty, pump.short_at)
    end = pump.stage.mark(pump.series)
    then = {
        "backstop_lost": vault.lost(pump.top),
        "backstop_lost_share": percent(vault.lost(pump.top), vault.collateral),
        "deleverages": int(vault.deleverages(pump.top, 0)),
        "won": vault.lost(end),
    }
    here = _paid(world, pump)
    here |= {f"{name}_without_breaker": value for name, value in _paid(world, bare).items()}
    return Played(then, here, {"here": pump.stage.journal(folder / "here.journal")}, pump.asks())


def _paid(world: World, pump: Pump) -> dict[str, int]:
    lost = usdc(world.provider) - pump.low
    closed = sum(abs(each.qty) for case in pump.cases for each in case.outcome.closed.closings)
    return {
        "backstop_lost": lost,
        "backstop_lost_share": percent(lost, usdc(world.provider)),
        "deleveraged": closed // QTY_ONE,
        "fund_paid": pump.fund_paid(),
        "won": pump.won(world),
    }
