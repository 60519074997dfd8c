"""Blocks without the operator on the real contracts, with a venue beside them: it steps aside, follows, and goes on."""

from pathlib import Path

from shell_blocks import block_of, domain_of
from shell_floor import KEYS, START_S, Floor, open_market, opened

from exchange.core import commands as c
from exchange.core.events import Reject, Rejected
from exchange.core.units import NANOS_PER_SECOND, QTY_ONE, USDC_ONE
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Terms
from exchange.shell.owner import Owner
from exchange.shell.rounds import chain_round
from exchange.shell.venue import Settings
from exchange.signing import address_of, order_digest, order_of, sign
from replay.contracts import ChainView
from replay.reconcile import reconcile

CALL, PUT = 1 << 16, 1 << 16 | 1
LEGS = c.BlockLeg(CALL, True, QTY_ONE, 900 * USDC_ONE), c.BlockLeg(PUT, False, 2 * QTY_ONE, 800 * USDC_ONE)
WINDOW_S = 60


async def heard(floor: Floor) -> None:
    """Blocks and looks until the venue has heard of all that happened."""
    clearing = floor.venue.contracts.clearing
    for _ in range(20):
        await floor.block()
        known = await floor.venue.sequencer.read(lambda state: state.mirror.action_id)
        if known == await clearing.call("action_count"):
            return
    raise AssertionError("not heard of")


async def order(floor: Floor, account: int, nonce: int, *, is_buy: bool) -> list[str]:
    """A signed order of the first or the second wallet; names of the events, and of the refusal."""
    key = KEYS[account - 1]
    about = (account, CALL, is_buy, QTY_ONE, 900 * USDC_ONE, 10**9, 0, False, False, 0, nonce, 2**32 - 1)
    unsigned = c.Authorisation(*about, address_of(key), b"")
    signature = sign(key, order_digest(domain_of(floor), order_of(unsigned)))
    outcome = await floor.venue.sequencer.record(c.Place(c.Authorisation(*about, address_of(key), signature)))
    return [str(event.reason) if isinstance(event, Rejected) else type(event).__name__ for event in outcome.events]


async def settle(floor: Floor, keeper: Owner, signed: c.ExecuteBlock) -> None:
    """Anyone, with the newest round."""
    await keeper.settle_block(signed, await floor.venue.sequencer.read(lambda state: chain_round(state, state.round)))


async def pass_window(floor: Floor) -> None:
    floor.clock.move_to(floor.clock.now_ns() + WINDOW_S * NANOS_PER_SECOND)
    await floor.block()
    await floor.post_round()
    await floor.venue.apply(c.SealBatch(heartbeat=True))
    await floor.venue.settler.step()
    await floor.block()


async def test_a_block_that_nobody_asked_the_operator_for(tmp_path: Path):
    settings = Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=4)
    async with opened(settings) as floor:
        maker, taker = await open_market(floor)
        signed = block_of(floor, (maker.account, taker.account), 10**6, *LEGS)
        await order(floor, maker.account, 1, is_buy=False)
        await maker.queue_block(signed)
        await heard(floor)
        assert await order(floor, taker.account, 1, is_buy=True) == [Reject.ACCOUNT_MUST_NOT_AWAIT_BLOCK]
        assert not await floor.venue.sequencer.read(lambda state: dict(state.orders))
        await pass_window(floor)
        await settle(floor, taker, signed)
        await floor.until_settled()
        held = await floor.venue.sequencer.read(
            lambda state: {key: dict(account.positions) for key, account in state.accounts.items() if key}
        )
        assert held == {
            maker.account: {CALL: -QTY_ONE, PUT: 2 * QTY_ONE},
            taker.account: {CALL: QTY_ONE, PUT: -2 * QTY_ONE},
        }
        state = await floor.venue.sequencer.read(lambda state: state)
        report = await reconcile(state, await ChainView.at_head(floor.venue.contracts), {})
        assert report.settled, report
        assert await order(floor, taker.account, 2, is_buy=True) == ["Accepted", "Rested"]


async def test_a_block_that_nobody_settles_lapses_and_the_parties_trade_again(tmp_path: Path):
    settings = Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=4)
    async with opened(settings) as floor:
        maker, taker = await open_market(floor)
        signed = block_of(floor, (maker.account, taker.account), 10**6, *LEGS)
        await maker.queue_block(signed)
        await heard(floor)
        for _ in range(3):
            await pass_window(floor)
        await heard(floor)
        for _ in range(6):
            await floor.block()
        await floor.post_round()
        assert await order(floor, taker.account, 2, is_buy=True) == ["Accepted", "Rested"]


async def test_a_venue_that_starts_in_between_still_steps_aside(tmp_path: Path):
    settings = Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=4)
    async with opened(settings) as floor:
        maker, taker = await open_market(floor)
        signed = block_of(floor, (maker.account, taker.account), 10**6, *LEGS)
        await maker.queue_block(signed)
        await heard(floor)
    async with opened(settings) as floor:
        assert await order(floor, taker.account, 1, is_buy=True) == [Reject.ACCOUNT_MUST_NOT_AWAIT_BLOCK]
        await pass_window(floor)
        keeper = Owner(floor.venue.contracts, KEYS[0])
        await settle(floor, keeper, signed)
        await floor.until_settled()
        there = await floor.venue.sequencer.read(lambda state: dict(state.mirror.positions[taker.account]))
        assert there == {CALL: QTY_ONE, PUT: -2 * QTY_ONE}


async def test_a_reorganisation_takes_the_queueing_back_and_then_the_settlement(tmp_path: Path):
    """Only what is final counts here: neither is heard of before, and each is heard of once."""
    settings = Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=4)
    async with opened(settings) as floor:
        maker, taker = await open_market(floor)
        signed = block_of(floor, (maker.account, taker.account), 10**6, *LEGS)
        await maker.queue_block(signed)
        await taken_back(floor)
        assert await order(floor, taker.account, 1, is_buy=True) == ["Accepted", "Rested"]
        await maker._sender.poll()
        await heard(floor)
        assert not await floor.venue.sequencer.read(lambda state: dict(state.orders))
        await pass_window(floor)
        await settle(floor, taker, signed)
        await taken_back(floor)
        held = await floor.venue.sequencer.read(lambda state: dict(state.accounts[taker.account].positions))
        assert held == {}
        await taker._sender.poll()
        await floor.until_settled()
        held = await floor.venue.sequencer.read(lambda state: dict(state.accounts[taker.account].positions))
        assert held == {CALL: QTY_ONE, PUT: -2 * QTY_ONE}
        state = await floor.venue.sequencer.read(lambda state: state)
        report = await reconcile(state, await ChainView.at_head(floor.venue.contracts), {})
        assert report.settled, report


async def taken_back(floor: Floor) -> None:
    """The last three blocks go, none of them final."""
    for _ in range(2):
        await floor.block()
    await floor.controls.reorg(3, [])
    await floor.block()
    assert floor.venue.watcher.reorgs > 0
