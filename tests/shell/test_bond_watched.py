"""A venue notices when its operator is not bonded: from the start, asked back, or taken. # M08"""

from pathlib import Path

import pytest
from shell_floor import START_S, Floor, opened
from shell_polity import decreed, installed
from structlog.testing import capture_logs

from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Bond, Terms
from exchange.shell.serve import look_at_bond
from exchange.shell.venue import Settings


def settings(path: Path, bond: Bond) -> Settings:
    return Settings(path / "venue.journal", Terms(bond=bond), ManualClock(START_S), finality_depth=2)


async def looked_at(floor: Floor) -> list[dict[str, object]]:
    """What an operator of the venue is told, if it is not bonded."""
    with capture_logs() as logs:
        is_bonded = await look_at_bond(floor.venue)
    assert is_bonded is (logs == [])
    return [{key: log[key] for key in ("event", "log_level", "bond", "requested", "frozen")} for log in logs]


@pytest.mark.parametrize("posted", [100, 99])
async def test_the_minimum_is_looked_for(tmp_path, posted):
    async with opened(settings(tmp_path, Bond(posted=posted, minimum=100))) as floor:
        told = await looked_at(floor)
    assert [log["bond"] for log in told] == [99][: 100 - posted]


async def test_a_bond_that_is_asked_back_is_noticed(tmp_path):
    """In office it could only ask for what is beyond the minimum; out of office for all, and then the alarm goes."""
    async with opened(settings(tmp_path, Bond(posted=100, minimum=60))) as floor:
        venue, contracts = floor.venue, floor.venue.contracts
        await decreed(floor, "operator", 1)
        await installed(floor)
        data = contracts.operators.encode("request_withdrawal", 50)
        await venue.sender.included(await venue.sender.submit(contracts.operators.address, data))
        (told,) = await looked_at(floor)
    assert told == {
        "event": "operator_not_bonded",
        "log_level": "critical",
        "bond": 100,
        "requested": 50,
        "frozen": False,
    }
