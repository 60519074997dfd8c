"""A venue that sleeps through an expiry wakes up, fixes it by the prices of its window, and settles what was under way."""

from pathlib import Path

import msgspec
import pytest
from e2e_serve import audit
from shell_floor import DEPOSIT, START_S, Floor, open_market, opened, trade

from exchange.core import commands as c
from exchange.core.units import NANOS_PER_SECOND
from exchange.shell.clock import ManualClock
from exchange.shell.devmarket import Feed
from exchange.shell.serve import DEV_TERMS, Prices, leave
from exchange.shell.venue import DevKeys, Settings

TERMS = msgspec.structs.replace(DEV_TERMS, settlement_window_s=60)


async def wake(floor: Floor) -> None:
    """What `serve` does before it listens, and its first second."""
    prices, feed = Prices(floor.venue, DevKeys.make()), Feed()
    await floor.venue.adopt_listings()
    await prices.catch_up(feed)
    await prices.post(feed, floor.clock.now_ns() // NANOS_PER_SECOND)
    await floor.venue.apply(c.Tick())


@pytest.mark.parametrize(
    ("leaves", "late_s"), [(True, 3 * 86_400), (False, 30)], ids=["stopped for days", "killed for a moment"]
)
async def test_a_venue_that_slept_through_an_expiry_settles_it(tmp_path: Path, leaves: bool, late_s: int) -> None:
    """Ended right after a trade, its batch open. Who has time to leave takes it to the contracts; who was killed must
    be back within the settlement window, which is all the time the contracts give an expired fill.
    """
    settings = Settings(tmp_path / "venue.journal", TERMS, ManualClock(START_S))
    async with opened(settings) as floor:
        await open_market(floor)
        await trade(floor, seal=False)
        if leaves:
            await leave(floor.venue, floor.controls)
        assert await floor.batches_settled() == leaves
        expiry_s = await floor.venue.sequencer.read(lambda state: state.expiries[1].expiry_s)
    later = settings._replace(clock=ManualClock(expiry_s + late_s))
    async with opened(later) as floor:
        await wake(floor)
        assert await floor.venue.sequencer.read(lambda state: state.expiries[1].fixing) >= 0
        await floor.until_settled()
        floor.clock.move_to((expiry_s + TERMS.settlement_window_s + 2) * NANOS_PER_SECOND)
        await floor.until_settled()
        held = await floor.venue.sequencer.read(lambda state: dict(state.mirror.positions))
        assert not any(held.values())
        assert await floor.venue.sequencer.read(lambda state: state.mirror.vault) == 2 * DEPOSIT
    verdict = await audit("verify", str(settings.journal), "--signatures")
    assert verdict["ok"], verdict
    report = await audit("reconcile", str(settings.journal), "--chain", f"{settings.journal}.chain")
    assert (report["ok"], report["settled"]) == (True, True), report
