"""S9: an option that is exercised once and paid twice.

Puts expire in the money here and the chain pays their holders; then somebody asks again, of contracts that keep to
their rule and of contracts that pay twice. Imports the stage, settlement of the core, the old rule.
"""

from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import settlement
from exchange.core.margin import settlement_value
from exchange.core.units import QTY_ONE, USDC_ONE, Cash
from replay.scenarios.measures import Ask, Played, percent
from replay.scenarios.rules.looped_exercise import exercise
from replay.scenarios.schema import Scenario, units_of, usdc
from replay.scenarios.stage import Person, Stage

HALF_HOUR: Final = 1_800
TICK: Final = 10_000


class World(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Puts of one strike; what each seller has sold, in contracts; the spot before, and at which they settle."""

    start_s: int
    days: int
    strike: Decimal
    spot: Decimal
    settles: Decimal
    vol: Decimal
    sold: tuple[Decimal, ...]


class _Expired:
    """A venue after an expiry that was fixed: who sold, who holds, and what the chain has still to pay."""

    def __init__(self, world: World) -> None:
        self.stage = stage = Stage("double exercise", "ETH_USDC", start_s=world.start_s, lot=10, tick=TICK)
        stage.vol = units_of(world.vol, 18)
        expiry_s = world.start_s + world.days * 48 * HALF_HOUR
        _, put = stage.list_expiry(expiry_s, [usdc(world.strike)])
        stage.round(usdc(world.spot))
        self.holder = stage.join("holder", 10**6 * USDC_ONE)
        self.sellers = [self._seller(put, number, units_of(qty, 4)) for number, qty in enumerate(world.sold)]
        stage.settle()
        self.before = {key: stage.state.accounts[key].cash for key in stage.state.accounts}
        for moment in (expiry_s - HALF_HOUR, expiry_s):  # the mean in between is what options settle at
            stage.wait(moment - stage.now_s)
            stage.round(usdc(world.settles))
        self.price = stage.state.expiries[1].fixing
        stage.observe(c.ObserveFixing, 1, self.price)

    def _seller(self, put: int, number: int, qty: int) -> Person:
        who = self.stage.join(f"seller {number}", 10**4 * USDC_ONE)
        price = self.stage.mark(put) // TICK * TICK
        self.stage.trade(who, self.holder, put, qty, price, buys=True)
        return who

    def due(self, who: Person) -> Cash:
        """What the contracts owe an account for the expiry, by what it holds there."""
        held = self.stage.state.mirror.positions.get(who.account, {})
        return settlement_value(settlement.legs_in(self.stage.state, held, 1), self.price)

    def ask(self, who: Person, paid: Cash) -> int:
        """The chain says that it paid; how often the machine does not agree."""
        events = self.stage.observe(c.ObserveExpirySettled, 1, who.account, paid)
        return sum(isinstance(event, e.ChainDisagreed) for event in events)


def play(scenario: Scenario, folder: Path) -> Played:
    """Both rules, and the old fault planted in the contracts of this venue."""
    world = scenario.world_as(World)
    sold = [units_of(qty, 4) for qty in world.sold]
    looped = exercise(usdc(world.strike), sold, max(sold))
    owed = usdc(world.strike) * looped.paid_for // QTY_ONE
    then = {
        "paid_of_owed": percent(looped.paid_out, owed),
        "taken": looped.paid_out - owed,
    }
    honest, planted = _Expired(world), _Expired(world)
    first = honest.due(honest.holder)
    disagreed = sum(honest.ask(who, honest.due(who)) for who in (honest.holder, *honest.sellers))
    second = honest.due(honest.holder)
    disagreed += honest.ask(honest.holder, second)
    noticed = planted.ask(planted.holder, first) + planted.ask(planted.holder, first)
    state = honest.stage.state
    moved = sum(account.cash - honest.before.get(key, 0) for key, account in state.accounts.items())
    here = {
        "paid_of_owed": percent(first + second, first),
        "taken": second,
        "noticed": noticed,
        "disagreements": disagreed,
        "created": moved,
    }
    journals = {"here": honest.stage.journal(folder / "here.journal")}
    journals["planted"] = planted.stage.journal(folder / "planted.journal")
    return Played(then, here, journals, (Ask("here", "fill", 1),))
