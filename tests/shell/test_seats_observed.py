"""A signer of rounds is replaced under a running venue: it hears of it from the chain, and goes on with the successor."""

from pathlib import Path

import pytest
from shell_floor import SPOT, START_S, Floor, open_market, opened
from shell_polity import decreed

from exchange.core import commands as c
from exchange.core.events import Rejected
from exchange.core.seats import sitting
from exchange.core.units import NANOS_PER_SECOND, WAD
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Terms
from exchange.shell.feeds import Maker, RoundRefused
from exchange.shell.keys import dev_key
from exchange.shell.venue import DevKeys, Settings
from exchange.signing import address_of

KEYS = sorted(DevKeys.make().signers, key=address_of)
NEW = dev_key("a successor")


async def priced(floor: Floor, keys: list[bytes]) -> int:
    """The time of a round that is taken, signed by those of the keys that sit."""
    outcome = await floor.venue.post_round(Maker(keys), {0: SPOT}, lambda _: WAD // 2)
    assert not isinstance(outcome.events[0], Rejected), outcome
    return floor.clock.now_ns() // NANOS_PER_SECOND


async def caught_up(floor: Floor) -> None:
    """The clock is where the chain is, and the venue has seen all of it."""
    head = await floor.venue.chain.block("latest")
    floor.clock.move_to((head.time_s + 1) * NANOS_PER_SECOND)
    await floor.controls.set_next_block_time(head.time_s + 1)
    for _ in range(4):
        await floor.block()


async def test_a_venue_goes_on_with_the_successor_from_the_second_that_was_announced(tmp_path: Path):
    clock = ManualClock(START_S)
    terms = Terms()
    async with opened(Settings(tmp_path / "v.journal", terms, clock)) as floor:
        await floor.block()
        seats = await floor.venue.sequencer.read(lambda state: sitting(state, START_S))
        assert seats == tuple(address_of(key) for key in KEYS)
        await decreed(
            floor, "signer", int.from_bytes(address_of(NEW), "big"), int.from_bytes(address_of(KEYS[0]), "big")
        )
        await caught_up(floor)
        since_s, _ = await floor.venue.contracts.oracle.call("term_of", address_of(NEW))
        await open_market(floor)  # within the notice: whom the successor follows signs
        with pytest.raises(RoundRefused, match="3 known signatures of 5"):
            await priced(floor, [NEW, *KEYS[1:4]])
        clock.move_to(since_s * NANOS_PER_SECOND)
        with pytest.raises(RoundRefused, match="3 known signatures of 5"):
            await priced(floor, KEYS[:4])
        await priced(floor, [NEW, *KEYS[1:4]])
        await floor.venue.apply(c.SealBatch(heartbeat=True))
        settled = await floor.batches_settled()
        await floor.until_settled()  # a batch carries the round to the oracle, which knows who sits
        assert await floor.batches_settled() > settled
        assert (await floor.venue.contracts.oracle.call("last_round"))[1] >= since_s
