"""S6: prices halve, gas surges, and whoever is left alone at an auction names the price.

Vaults are auctioned under the old rule; here accounts that are short options are liquidated whenever anybody can afford
to call the contracts, at the price of the round. Imports the stage, the old auction.
"""

from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from exchange.core.liquidation import haircut_of, merged
from exchange.core.units import RISK_ONE, USDC_ONE, WAD, Cash, div_up, premium_of
from replay.scenarios.measures import Ask, Played, percent
from replay.scenarios.rules.open_auction import Bidder, price
from replay.scenarios.schema import Scenario, units_of, usdc
from replay.scenarios.stage import Person, Stage
from replay.scenarios.takeover import Backing, Backstop, Taken, short, take_over

TICK: Final = 10_000
DEEP: Final = 10**7 * USDC_ONE


class Minute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The price of ether, that of gas in gwei, and how many vaults are auctioned under the old rule."""

    spot: Decimal
    gas: int
    auctions: int


class Keeper(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Up to which price of gas somebody takes part, and what is bid in percent of the worth."""

    gas_max: int
    percent: int


class World(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``vault`` is what one holds in ether, ``debt`` what it owes in USDC; cushions of accounts in percent."""

    start_s: int
    every_s: int
    minutes: tuple[Minute, ...]
    keepers: tuple[Keeper, ...]
    vault: Decimal
    debt: Decimal
    strike: Decimal
    vol: Decimal
    contracts: Decimal
    cushions: tuple[int, ...]
    fund: Decimal
    haircut: int


def play(scenario: Scenario, folder: Path) -> Played:
    """The auctions of that day, and liquidations here on the same prices of ether and gas."""
    world = scenario.world_as(World)
    run = _Falling(world)
    journal = run.stage.journal(folder / "here.journal")
    asks = (Ask("here", "liquidation", run.cases[0].seq),) if run.cases else ()
    return Played(_auctions(world), run.figures(), {"here": journal}, asks)


def _auctions(world: World) -> dict[str, int]:
    bidders = [Bidder(keeper.gas_max, keeper.percent) for keeper in world.keepers]
    held = zero = given = missing = most = 0
    for minute in world.minutes:
        worth = usdc(minute.spot) * units_of(world.vault, 4) // 10**4
        for _ in range(minute.auctions):
            paid = price(bidders, minute.gas, worth)
            if paid is None:
                continue
            held += 1
            zero += paid == 0
            given += worth if paid == 0 else 0
            missing += max(usdc(world.debt) - paid, 0)
            most = max(most, percent(worth - paid, worth))
    return {
        "liquidations": held,
        "for_nothing": zero,
        "for_nothing_share": percent(zero, held),
        "given_away": given,
        "missing": missing,
        "earned_most": most,
    }


class _Falling:
    """The venue here while prices fall: who is liquidated when, and what takers earned by it."""

    def __init__(self, world: World) -> None:
        self.stage = stage = Stage("zero bid", "ETH_USDC", start_s=world.start_s, lot=100, tick=TICK)
        self._world = world
        stage.vol = units_of(world.vol, 18)
        _, put = stage.list_expiry((world.start_s // 86_400 + 15) * 86_400, [usdc(world.strike)])
        maker, provider = stage.join("maker", DEEP), stage.join("provider", DEEP)
        self.fund = stage.join("fund", usdc(world.fund))
        haircut = world.haircut * WAD // 100
        self._backing = Backing(self.fund, stage.join("keeper", 0), (Backstop(provider, haircut),))
        stage.round(usdc(world.minutes[0].spot))
        for number, cushion in enumerate(world.cushions):
            self._writer(put, maker, number, cushion)
        stage.settle()
        self.cases: list[Taken] = []
        self._earned: list[int] = []
        self._alone = 0
        for minute in world.minutes[1:]:
            stage.wait(world.every_s)
            stage.round(usdc(minute.spot))
            self._liquidate(minute.gas)

    def _writer(self, put: int, maker: Person, number: int, cushion: int) -> None:
        stage, qty = self.stage, units_of(self._world.contracts, 4)
        mark = stage.mark(put) // TICK * TICK
        assert stage.state.view is not None
        needed = div_up(stage.state.view.im_units[put] * qty * (100 + cushion), 100 * RISK_ONE)
        who = stage.join(f"writer {number}", needed)
        stage.trade(maker, who, put, qty, mark, buys=False)
        stage.withdraw(who, premium_of(mark, qty))

    def _liquidate(self, gas: int) -> None:
        """Whoever is short is liquidated if anybody can afford to ask for it."""
        stage, asking = self.stage, sum(keeper.gas_max >= gas for keeper in self._world.keepers)
        while asking and (found := short(stage)):
            held, appraisal = stage.holders()[found[0]], stage.appraisal()
            taken = take_over(stage, found[0], self._backing)
            self.cases.append(taken)
            self._alone += asking == 1
            for transfer in taken.outcome.exit.transfers:
                left = merged(held.positions, transfer.positions, -1)
                removed = haircut_of(appraisal, held.positions, left, WAD)
                self._earned.append(percent(transfer.haircut, removed))

    def figures(self) -> dict[str, int]:
        """What came of it; what takers earned at most is a share of the requirement that they took off the account."""
        losses = [case.outcome.losses for case in self.cases]
        uncovered: Cash = sum(each.uncovered + sum(each.socialised.values()) for each in losses)
        return {
            "liquidations": len(self.cases),
            "for_nothing": sum(share >= 100 * 100 for share in self._earned),
            "missing": sum(each.insurance_pays for each in losses) + uncovered,
            "earned_most": max(self._earned, default=0),
            "alone": self._alone,
        }
