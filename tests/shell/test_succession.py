"""The governor names another operator: what was filled settles in time, and nothing is filled that could not."""

from pathlib import Path

import pytest
from shell_floor import START_S, open_market, opened
from shell_polity import decreed, installed
from structlog.testing import capture_logs

from exchange.core import commands as c
from exchange.shell.chain import to_address
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Terms
from exchange.shell.venue import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=2)


def halts(logs) -> list[str]:
    return [log["event"] for log in logs if log["event"] == "operator_succeeded"]


async def test_a_venue_whose_operator_is_replaced_fills_no_more(settings):
    """It hears so at finality, a settlement window before the other takes office; and again at a restart."""
    async with opened(settings) as floor:
        await open_market(floor)
        assert await floor.venue.sequencer.read(lambda state: state.is_open)
        await decreed(floor, "operator", 1)
        with capture_logs() as logs:
            for _ in range(4):
                await floor.block()
        assert halts(logs) == ["operator_succeeded"]
        assert not await floor.venue.sequencer.read(lambda state: state.is_open)
        clearing, own = floor.venue.contracts.clearing, floor.venue.contracts.deployment.operator
        assert await clearing.call("operator") == to_address(own)
        await floor.venue.apply(c.SetTrading(is_open=True, cause="a person errs"))
    with capture_logs() as logs:
        async with opened(settings) as floor:
            assert not await floor.venue.sequencer.read(lambda state: state.is_open)
            await installed(floor)
            assert await floor.venue.contracts.clearing.call("operator") == bytes(19) + b"\1"
        async with opened(settings) as floor:
            assert not await floor.venue.sequencer.read(lambda state: state.is_open)
    assert halts(logs) == ["operator_succeeded"] * 2


async def test_a_venue_that_is_named_again_goes_on(settings):
    async with opened(settings) as floor:
        await open_market(floor)
        own = int(floor.venue.contracts.deployment.operator, 16)
        with capture_logs() as logs:
            await decreed(floor, "operator", own)
            for _ in range(4):
                await floor.block()
        assert halts(logs) == []
        assert await floor.venue.sequencer.read(lambda state: state.is_open)
