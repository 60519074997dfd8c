"""Combos from the machine to the real contracts: all legs settle together, to the last unit that can be withdrawn."""

import random
from pathlib import Path

import pytest
from shell_desk import Desk
from shell_floor import DEPOSIT, START_S, Floor, open_market, opened

from exchange.core import combosweep
from exchange.core import commands as c
from exchange.core.events import Reject, Traded
from exchange.core.legs import Leg, Legs
from exchange.core.units import QTY_ONE, USDC_ONE
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Terms
from exchange.shell.keys import dev_key
from exchange.shell.settler import BatchRefusedByContract
from exchange.shell.venue import Settings
from exchange.signing import address_of

CALL, PUT = 1 << 16, 1 << 16 | 1
SYNTHETIC: Legs = (Leg(CALL, 1), Leg(PUT, -1))  # near no price, at the strike
BACKSPREAD: Legs = (Leg(CALL, 2), Leg(PUT, -1))


async def desk_on(floor: Floor) -> Desk:
    desk = Desk(floor, await open_market(floor))
    for legs in (SYNTHETIC, BACKSPREAD):
        await desk.create(legs)
    return desk


async def test_two_orders_for_a_combo_settle(tmp_path: Path):
    settings = Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=4)
    async with opened(settings) as floor:
        desk = await desk_on(floor)
        await desk.place(0, SYNTHETIC, QTY_ONE, -15)
        events = await desk.place(1, SYNTHETIC, -QTY_ONE, -20, tif=c.IOC)
        prices = [event.price for event in events if isinstance(event, Traded)]
        assert prices[0] - prices[1] == -15 * USDC_ONE
        await desk.settle()
        assert await desk.positions() == [{CALL: QTY_ONE, PUT: -QTY_ONE}, {CALL: -QTY_ONE, PUT: QTY_ONE}]
        await desk.cash_agrees()


async def test_a_combo_settles_against_the_orders_of_its_legs(tmp_path: Path):
    """It came first and took when the last leg came; twice as much of one leg, from two orders."""
    settings = Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=4)
    async with opened(settings) as floor:
        desk = await desk_on(floor)
        await desk.place(1, BACKSPREAD, 100, 1_000)
        await desk.place(0, CALL, -100, 900)
        await desk.place(0, PUT, 100, 850)
        events = await desk.place(0, CALL, -100, 905)
        fills = [event for event in events if isinstance(event, Traded)]
        assert [(fill.qty, fill.price) for fill in fills] == [
            (100, 900 * USDC_ONE), (100, 905 * USDC_ONE), (100, 850 * USDC_ONE)
        ]  # fmt: skip
        await desk.settle()
        assert await desk.positions() == [{CALL: -200, PUT: 100}, {CALL: 200, PUT: -100}]
        await desk.cash_agrees()


PRICED = {CALL: 850, PUT: 850, SYNTHETIC: 0, BACKSPREAD: 850}


def drawn(rng: random.Random, desk: Desk) -> c.Place:
    """Any order near what it is worth, in odd lots."""
    what = rng.choice(list(PRICED))
    price = PRICED[what] * USDC_ONE + 5 * USDC_ONE * rng.randrange(-5, 6)
    terms = {"tif": rng.choice((c.GTC, c.GTC, c.GTC, c.IOC, c.FOK)), "post_only": rng.random() < 0.1}
    if isinstance(what, int):
        terms["reduce_only"] = rng.random() < 0.3
    return desk.signed(rng.randrange(2), what, rng.choice((1, -1)) * 100 * rng.randrange(1, 30), price, **terms)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_whatever_combos_and_their_legs_trade_settles(tmp_path: Path, seed: int):
    """Two hundred orders drawn at random: what was filled is on the contracts, to the unit."""
    settings = Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=4)
    rng, groups = random.Random(seed), 0
    async with opened(settings) as floor:
        desk = await desk_on(floor)
        for _ in range(4):
            for _ in range(50):
                events = await desk.attempt(drawn(rng, desk))
                groups += sum(isinstance(event, Traded) and event.units > 0 for event in events)
            await desk.settle()
            await desk.positions()
            await desk.cash_agrees()
        assert groups > 12
        assert await floor.batches_settled() >= 4


async def test_a_key_trades_combos_of_the_underlyings_in_its_map(tmp_path: Path):
    settings = Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=4)
    async with opened(settings) as floor:
        desk = await desk_on(floor)
        key = dev_key("a key for combos")
        for number, underlyings in enumerate((1 << 0, 1 << 1)):
            terms = (desk.owners[number].account, address_of(key), c.SCOPE_TRADE, START_S + 86_400, underlyings, 0, 0)
            await desk.owners[number]._send(floor.venue.contracts.clearing, "register_key", *terms)
        await floor.until_settled()
        await desk.record(desk.signed(0, SYNTHETIC, 100, 0, key=key))
        (refused,) = await desk.attempt(desk.signed(1, SYNTHETIC, -100, 0, key=key))
        assert refused.reason is Reject.KEY_MUST_ALLOW_UNDERLYING
        await desk.place(1, SYNTHETIC, -100, 0)
        await desk.settle()
        assert (await desk.positions())[0] == {CALL: 100, PUT: -100}


async def leave(desk: Desk) -> int:
    """Everybody withdraws all there is; how much that was."""
    floor, total = desk.floor, 0
    for owner in desk.owners:
        total += await owner.cash_on_chain()
        await owner.request_withdrawal(await owner.cash_on_chain())
    await floor.until_settled()
    window = floor.venue.contracts.deployment.terms.settlement_window_s
    floor.clock.move_to(floor.clock.now_ns() + (window + 60) * 10**9)
    await floor.block()
    await floor.post_round()
    for owner in desk.owners:
        await owner.finalise_withdrawal()
        assert await owner.cash_on_chain() == 0
    return total


async def test_who_traded_combos_withdraws_to_the_last_unit(tmp_path: Path):
    """Odd sizes and prices, an execution in parts, one against legs; then all is closed and everybody leaves."""
    settings = Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=4)
    async with opened(settings) as floor:
        desk = await desk_on(floor)
        await desk.place(0, BACKSPREAD, 3 * QTY_ONE + 100, 945)
        await desk.place(1, BACKSPREAD, -QTY_ONE - 700, 940, tif=c.IOC)
        await desk.place(1, CALL, 2 * QTY_ONE, 950)
        await desk.place(1, PUT, -QTY_ONE, 830)
        await desk.place(0, BACKSPREAD, -QTY_ONE, 1_070, tif=c.FOK)  # at 950 twice, less 830
        await desk.settle()
        await desk.record(c.CancelAll(desk.owners[0].account))
        left = (await desk.positions())[0][PUT]
        assert left == -700
        await desk.place(0, BACKSPREAD, left, 930)
        await desk.place(1, BACKSPREAD, -left, 930, tif=c.IOC)
        await desk.settle()
        assert await desk.positions() == [{}, {}]
        await desk.cash_agrees()
        fees = 2 * DEPOSIT - await leave(desk)
        vault = floor.venue.contracts.vault.address
        assert await floor.venue.contracts.usdc.call("balanceOf", vault) == fees > 0


async def test_the_contract_refuses_a_combo_at_prices_that_were_not_agreed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A machine that got the prices of the legs wrong by one unit could not settle what it said."""
    honest = combosweep.leg_prices

    def dearer(*args):
        first, *others = honest(*args)
        return first + 1, *others

    monkeypatch.setattr(combosweep, "leg_prices", dearer)
    settings = Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=4)
    async with opened(settings) as floor:
        desk = await desk_on(floor)
        await desk.place(0, SYNTHETIC, QTY_ONE, 20)
        await desk.place(1, SYNTHETIC, -QTY_ONE, 20, tif=c.IOC)
        await floor.venue.apply(c.SealBatch())
        with pytest.raises(BatchRefusedByContract, match="price_beyond_limit"):
            await floor.until_settled()
        assert await floor.batches_settled() == 0
