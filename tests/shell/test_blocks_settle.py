"""Block trades from the machine to the real contracts: in their order among ordinary batches, all legs or none."""

from pathlib import Path

import pytest
from shell_blocks import block_of
from shell_floor import START_S, open_market, opened, trade

from exchange.core import commands as c
from exchange.core import risk
from exchange.core.events import BatchSealed, BlockTraded
from exchange.core.units import QTY_ONE, USDC_ONE
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Terms
from exchange.shell.settler import BatchRefusedByContract
from exchange.shell.venue import Settings

CALL, PUT = 1 << 16, 1 << 16 | 1
LEGS = c.BlockLeg(CALL, True, QTY_ONE, 900 * USDC_ONE), c.BlockLeg(PUT, False, 2 * QTY_ONE, 800 * USDC_ONE)


async def test_a_block_between_orders_settles_as_it_was_acknowledged(tmp_path: Path):
    settings = Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=4)
    async with opened(settings) as floor:
        maker, taker = (owner.account for owner in await open_market(floor))
        await floor.venue.apply(c.SetBlocks(0, QTY_ONE, "desk"))
        await trade(floor, seal=False)
        outcome = await floor.venue.sequencer.record(block_of(floor, (maker, taker), 10**6, *LEGS))
        assert [type(event) for event in outcome.events] == [BatchSealed, BlockTraded, BlockTraded, BatchSealed]
        await trade(floor)
        await floor.until_settled()
        assert await floor.batches_settled() == 3
        held = await floor.venue.sequencer.read(
            lambda state: ({key: dict(of) for key, of in state.mirror.positions.items()}, state.deals, state.auths)
        )
        assert held == (
            {maker: {CALL: -3 * QTY_ONE, PUT: 2 * QTY_ONE}, taker: {CALL: 3 * QTY_ONE, PUT: -2 * QTY_ONE}},
            {},
            {},
        )
        clearing = floor.venue.contracts.clearing
        for account in (maker, taker):
            here = await floor.venue.sequencer.read(lambda state, key=account: state.accounts[key].cash)
            assert await clearing.call("cash_of", account) == here


async def test_what_the_machine_should_not_have_taken_stops_the_venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A machine that does not look at margin would be refused by the contract; so the real one has to look."""
    settings = Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=4)
    async with opened(settings) as floor:
        maker, taker = (owner.account for owner in await open_market(floor))
        await floor.venue.apply(c.SetBlocks(0, QTY_ONE, "desk"))
        monkeypatch.setattr(risk, "moves_shortfall", lambda *_: 0)
        large = c.BlockLeg(CALL, True, 100 * QTY_ONE, 900 * USDC_ONE)
        outcome = await floor.venue.sequencer.record(block_of(floor, (maker, taker), 10**6, large))
        assert type(outcome.events[0]) is BlockTraded
        with pytest.raises(BatchRefusedByContract, match="account_margin"):
            await floor.until_settled()
        assert not await floor.venue.sequencer.read(lambda state: state.is_open)
