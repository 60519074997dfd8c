"""The venue and the facts of its chain: a node that fails in the middle of a look costs a retry, not a fact."""

from pathlib import Path
from typing import Any

import pytest
from shell_floor import START_S, open_market, opened, trade

from exchange.shell.chain import ChainUnavailable, Receipt
from exchange.shell.clock import ManualClock
from exchange.shell.contract import Contract
from exchange.shell.deploy import Terms
from exchange.shell.venue import Settings, SetupRefused


class Flaky:
    """A chain that does not answer the first questions for a receipt."""

    def __init__(self, chain: Any, failures: int) -> None:
        self._chain, self.failures = chain, failures

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chain, name)

    async def receipt(self, tx_hash: bytes) -> Receipt | None:
        if self.failures:
            self.failures -= 1
            raise ChainUnavailable("the node is away")
        found: Receipt | None = await self._chain.receipt(tx_hash)
        return found


async def test_a_node_that_fails_while_a_batch_is_journaled_is_asked_again(tmp_path: Path):
    settings = Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S))
    async with opened(settings) as floor:
        await open_market(floor)
        await trade(floor)
        await floor.block()
        await floor.venue.settler.step()
        contracts = floor.venue.contracts
        flaky: Any = Flaky(floor.venue.chain, failures=2)
        contracts.clearing = Contract(flaky, contracts.clearing.address, contracts.clearing.interface)
        await floor.controls.mine(3)
        for _ in range(2):
            with pytest.raises(ChainUnavailable):
                await floor.venue.observe()
        assert await floor.venue.observe() == 1
        assert await floor.venue.sequencer.read(lambda state: (state.mirror.batch_id, len(state.trades))) == (1, 0)
        await floor.until_settled()


async def test_a_clock_behind_the_journal_is_refused(tmp_path):
    """It would stand still until it has caught up, and prices would not grow old meanwhile."""
    path = tmp_path / "venue.journal"
    async with opened(Settings(path, Terms(), ManualClock(START_S), finality_depth=2)) as floor:
        await open_market(floor)
    with pytest.raises(SetupRefused, match="before the journal's last record"):
        async with opened(Settings(path, Terms(), ManualClock(START_S - 60), finality_depth=2)):
            pass
