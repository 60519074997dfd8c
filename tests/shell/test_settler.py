"""The batcher on real contracts: what was done already, what must wait, and what the contracts will not have."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from shell_floor import KEYS, START_S, Floor, open_market, opened, trade

from exchange import calldata
from exchange.core import commands as c
from exchange.core.units import NANOS_PER_SECOND
from exchange.session.limits import UNLIMITED
from exchange.shell.client import Client, Refused
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Terms
from exchange.shell.keys import dev_key
from exchange.shell.rounds import chain_round
from exchange.shell.sender import Sender
from exchange.shell.settler import BatchRefusedByContract, Settler, plan
from exchange.shell.venue import DevKeys, Settings


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncIterator[Floor]:
    """A market with one trade, its batch sealed and not yet sent."""
    settings = Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=4)
    async with opened(settings) as floor:
        await open_market(floor)
        await trade(floor)
        await floor.block()
        yield floor


def settler_of(floor: Floor, sender: Sender | None = None, key: bytes = DevKeys.make().operator) -> Settler:
    """Another one on the same venue, which has sent nothing yet, as after a restart."""
    venue = floor.venue
    return Settler(venue.sequencer, venue.contracts, sender or Sender(venue.chain, KEYS[0]), floor.clock, key)


async def test_a_batch_settles_and_is_done_when_that_is_final(floor: Floor):
    assert await floor.venue.settler.step() == 1
    assert await floor.batches_settled() == 1
    assert await floor.venue.settler.step() == 1  # in a block, not yet final
    await floor.until_settled()
    assert await floor.venue.sequencer.read(lambda state: plan(state, 0)) == []


async def test_what_an_earlier_attempt_has_settled_is_not_sent_again(floor: Floor):
    await floor.venue.settler.step()
    nonce = await floor.venue.chain.nonce(floor.venue.sender.address)
    again = settler_of(floor, floor.venue.sender)
    assert await again.step() == 1
    assert await again.step() == 1
    assert await floor.venue.chain.nonce(floor.venue.sender.address) == nonce
    await floor.until_settled()
    assert await floor.batches_settled() == 1


async def test_a_round_that_somebody_else_has_posted_is_used(floor: Floor):
    round_, on_chain = await floor.venue.sequencer.read(_first_round)
    oracle, stranger = floor.venue.contracts.oracle, Sender(floor.venue.chain, KEYS[1])
    data = oracle.encode("post_round", *calldata.post_round_args(on_chain, round_.signatures))
    await stranger.included(await stranger.submit(oracle.address, data))
    nonce = await floor.venue.chain.nonce(floor.venue.sender.address)
    await floor.venue.settler.step()
    assert await floor.venue.chain.nonce(floor.venue.sender.address) == nonce + 1  # the batch alone
    assert await floor.batches_settled() == 1


def _first_round(state: Any) -> tuple[c.PostRound, calldata.Round]:
    round_ = next(iter(state.rounds.values()))
    return round_, chain_round(state, round_)


async def test_a_round_from_the_chains_future_waits_for_the_chains_clock(tmp_path: Path):
    settings = Settings(tmp_path / "venue.journal", Terms(settlement_window_s=600), ManualClock(START_S))
    async with opened(settings) as floor:
        await open_market(floor)
        floor.clock.move_to(floor.clock.now_ns() + 60 * NANOS_PER_SECOND)
        await floor.post_round()
        await trade(floor)
        head = await floor.venue.chain.block("latest")
        assert await floor.venue.settler.step() == 1
        assert (await floor.venue.chain.block("latest")).number == head.number  # nothing was sent
        await floor.block()
        await floor.venue.settler.step()
        assert await floor.batches_settled() == 1


async def test_a_batch_that_the_contracts_refuse_halts_trading_and_leaves_cancels(floor: Floor):
    """Signed by a stranger, so that real contracts have a reason."""
    wrong = settler_of(floor, key=dev_key("not the operator"))
    assert await wrong.step() == 1
    assert await floor.venue.sequencer.read(lambda state: state.is_open)  # once may be a reorganisation's doing
    with pytest.raises(BatchRefusedByContract, match="batch 1: operator_signature"):
        await wrong.step()
    assert not await floor.venue.sequencer.read(lambda state: state.is_open)
    assert await floor.batches_settled() == 0
    async with floor.venue.gateway(limits=UNLIMITED) as gateway, await Client.connect(gateway.url) as client:
        await client.login(KEYS[0])
        with pytest.raises(Refused, match="trading_must_be_open"):
            await client.buy(min(await client.instruments()), 1, 10)
        assert await client.cancel_all() == 0


class Unsettled(Sender):
    """Sends over a chain that loses the newest block right after the first inclusion."""

    def __init__(self, floor: Floor) -> None:
        super().__init__(floor.venue.chain, DevKeys.make().operator)
        self._controls, self._is_calm = floor.controls, False

    async def included(self, ticket: Any, poll_s: float = 0.05) -> Any:
        receipt = await super().included(ticket, poll_s)
        if not self._is_calm:
            self._is_calm = True
            await self._controls.reorg(1)
        return receipt


async def test_a_reorganisation_between_a_round_and_its_batch_is_no_refusal(floor: Floor):
    """The batch names a round that is gone for a moment: the contracts say so, and it must not stop the venue."""
    sender = Unsettled(floor)
    settler = settler_of(floor, sender)
    assert await settler.step() == 1
    assert await floor.batches_settled() == 0
    assert await floor.venue.sequencer.read(lambda state: state.is_open)
    await sender.poll()
    await settler.step()
    assert await floor.batches_settled() == 1
