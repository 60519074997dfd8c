"""What the contracts list is tradable once it is final: a reorganisation takes no series from under the machine."""

import pytest
from shell_floor import KEYS, SPOT, START_S, open_market, opened

from exchange.core.units import NANOS_PER_SECOND, TWAP_SECONDS
from exchange.session.limits import UNLIMITED
from exchange.shell import devmarket
from exchange.shell.client import Client
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Terms
from exchange.shell.venue import Series, Settings, SetupRefused


def settings(tmp_path, time_s: int) -> Settings:
    return Settings(tmp_path / "venue.journal", Terms(), ManualClock(time_s), finality_depth=8)


async def count(floor) -> tuple[int, int]:
    """Expiries in the machine and on the contracts."""
    here = await floor.venue.sequencer.read(lambda state: len(state.expiries))
    return here, int(await floor.venue.contracts.clearing.call("expiry_count"))


async def list_another(floor) -> None:
    expiry_s = (floor.clock.now_ns() // NANOS_PER_SECOND // TWAP_SECONDS + 60) * TWAP_SECONDS
    await floor.venue.list_expiry(0, expiry_s, [Series(SPOT, True), Series(SPOT, False)])


async def test_a_listing_that_a_reorganisation_took_while_the_venue_was_down_is_listed_again(tmp_path):
    async with opened(settings(tmp_path, START_S)) as floor:
        await open_market(floor)
        before = (await floor.venue.chain.block("latest")).number
        await list_another(floor)
        assert await count(floor) == (1, 2)
        await floor.controls.reorg((await floor.venue.chain.block("latest")).number - before)
        now_s = floor.clock.now_ns() // NANOS_PER_SECOND
    async with opened(settings(tmp_path, now_s + 20)) as floor:
        await floor.venue.adopt_listings()
        assert await count(floor) == (1, 1)
        await list_another(floor)
        await devmarket.until_final(floor.venue, floor.controls)
        assert await count(floor) == (2, 2)
        await floor.post_round()
        async with floor.venue.gateway(limits=UNLIMITED) as gateway, await Client.connect(gateway.url) as client:
            await client.login(KEYS[0])
            found = await client.instruments()
            assert len(found) == 4
            newest = max(found, key=lambda name: found[name].series)
            await client.sell(newest, 1, 800)


async def test_what_became_final_while_the_venue_was_down_is_adopted_at_its_start(tmp_path):
    async with opened(settings(tmp_path, START_S)) as floor:
        await open_market(floor)
        await list_another(floor)
        await floor.controls.mine(9)
        assert await count(floor) == (1, 2)
        now_s = floor.clock.now_ns() // NANOS_PER_SECOND
    async with opened(settings(tmp_path, now_s + 20)) as floor:
        await floor.venue.adopt_listings()
        assert await count(floor) == (2, 2)


async def test_what_the_machine_would_not_take_is_not_put_on_the_contracts(tmp_path):
    async with opened(settings(tmp_path, START_S)) as floor:
        await open_market(floor)
        now_s = floor.clock.now_ns() // NANOS_PER_SECOND
        inside_its_window = (now_s // TWAP_SECONDS + 1) * TWAP_SECONDS
        with pytest.raises(SetupRefused, match="expiry_must_be_ahead"):
            await floor.venue.list_expiry(0, inside_its_window, [Series(SPOT, True)])
        assert await count(floor) == (1, 1)
