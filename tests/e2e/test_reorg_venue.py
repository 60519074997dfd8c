"""A reorganisation of three blocks takes a deposit and a settled batch: nothing is credited twice, the batch settles again.

The same story on the embedded chain and on anvil, with the venue watching, and with the venue down while it happens.
"""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
from e2e_serve import audit, entries

from exchange import codec
from exchange.core import commands as c
from exchange.core import invariants
from exchange.core.events import Rejected
from exchange.core.state import State
from exchange.core.units import NANOS_PER_SECOND, TWAP_SECONDS, USDC_ONE, WAD
from exchange.session.limits import UNLIMITED
from exchange.shell import devmarket
from exchange.shell.anvil import Anvil, AnvilUnavailable
from exchange.shell.chain import DevControls, TransactionRefused
from exchange.shell.client import Client
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Terms
from exchange.shell.feeds import Maker
from exchange.shell.keys import dev_key
from exchange.shell.owner import Owner
from exchange.shell.venue import DevKeys, Series, Settings, Venue, open_chain, open_venue
from exchange.signing import address_of
from replay.engine import END, replay

FINALITY = 4  # blocks: room for a reorganisation of three
DEPTH = 3
START_S = 1_800_000_000
DEPOSIT = 100_000 * USDC_ONE
LATER = 7_000 * USDC_ONE  # the deposit that is lost
SPOT = 63_000 * USDC_ONE
KEYS = [dev_key(f"reorg wallet {number}") for number in range(2)]
TRIES = 40


@pytest.fixture(params=["devchain", "anvil"])
async def settings(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Settings]:
    """How to open a venue on either chain, final four blocks behind the head."""
    journal = tmp_path / "venue.journal"
    if request.param == "devchain":
        yield Settings(journal, Terms(), ManualClock(START_S), finality_depth=FINALITY)
        return
    try:
        anvil = await Anvil.start(slots_in_an_epoch=FINALITY // 2, options=["--timestamp", str(START_S)])
    except AnvilUnavailable as error:
        pytest.skip(f"anvil: {error.reason}")
    async with anvil:
        yield Settings(journal, Terms(), ManualClock(START_S), anvil.url)


class Floor(NamedTuple):
    """An open venue with its levers."""

    venue: Venue
    controls: DevControls
    clock: ManualClock

    async def block(self) -> None:
        """One block, at the venue's time or a later one, and the venue looks."""
        head = await self.venue.chain.block("latest")
        self.clock.move_to(max(self.clock.now_ns() + NANOS_PER_SECOND, head.time_s * NANOS_PER_SECOND))
        if self.clock.now_ns() // NANOS_PER_SECOND > head.time_s:
            await self.controls.set_next_block_time(self.clock.now_ns() // NANOS_PER_SECOND)
        await self.controls.mine(1)
        await self.venue.observe()

    async def post_round(self) -> None:
        """Prices as of now."""
        keys = DevKeys.make().signers
        signers = [address_of(key) for key in keys]
        outcome = await self.venue.post_round(Maker(keys), signers, {0: SPOT}, lambda _: WAD // 2)
        assert not isinstance(outcome.events[0], Rejected), outcome

    async def cash(self, account: int) -> int:
        """What the machine credits."""
        return await self.venue.sequencer.read(lambda state: state.accounts[account].cash)

    async def until_settled(self) -> None:
        """Blocks, looks and settlement steps until nothing is under way."""
        for _ in range(TRIES):
            await self.block()
            wanted = int(await self.venue.contracts.clearing.call("action_count"))
            if not await self.venue.settler.step() and await self._has_heard(wanted):
                return
        raise AssertionError(f"not settled after {TRIES} blocks")

    async def _has_heard(self, wanted: int) -> bool:
        return await self.venue.sequencer.read(lambda state: state.mirror.action_id == wanted and not state.trades)


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Floor]:
    assert isinstance(settings.clock, ManualClock)
    async with open_venue(settings) as (venue, controls):
        yield Floor(venue, controls, settings.clock)


async def open_market(floor: Floor) -> list[Owner]:
    """One expiry, one call and one put, two wallets with final deposits, and a round."""
    await floor.block()
    await floor.venue.apply(devmarket.BTC)
    expiry_s = (floor.clock.now_ns() // NANOS_PER_SECOND // TWAP_SECONDS + 48) * TWAP_SECONDS
    await floor.venue.list_expiry(0, expiry_s, [Series(SPOT, True), Series(SPOT, False)])
    owners = await devmarket.endow(floor.venue, floor.controls, KEYS, DEPOSIT)
    await floor.block()
    await floor.post_round()
    return owners


async def trade(floor: Floor) -> None:
    """One contract changes hands over the socket, and its batch is sealed."""
    async with floor.venue.gateway(limits=UNLIMITED) as gateway, contextlib.AsyncExitStack() as stack:
        maker, taker = [await stack.enter_async_context(await Client.connect(gateway.url)) for _ in KEYS]
        for client, key in zip((maker, taker), KEYS, strict=True):
            await client.login(key)
        name = min(await maker.instruments())
        await maker.sell(name, 1, 800)
        placed = await taker.buy(name, 1, 800, time_in_force="immediate_or_cancel")
        assert len(placed.trades) == 1
    await floor.venue.apply(c.SealBatch())


async def deposit_and_settle(floor: Floor, owner: Owner) -> bytes:
    """A deposit, a round and a batch in the three newest blocks, none final; the deposit as it was signed."""
    before = (await floor.venue.chain.block("latest")).number
    contracts = floor.venue.contracts
    await owner._send(contracts.usdc, "mint", owner.address, LATER)
    await owner._send(contracts.usdc, "approve", contracts.vault.address, LATER)
    await owner._send(contracts.vault, "deposit", owner.account, LATER)
    raw = owner._sender.unfinal[-1].raws[-1]
    assert await floor.venue.settler.step() == 1
    await floor.venue.observe()
    assert (await floor.venue.chain.block("latest")).number == before + 2 + DEPTH
    assert await batches_settled(floor) == 1
    assert int(await contracts.clearing.call("cash_of", owner.account)) > DEPOSIT
    return raw


async def batches_settled(floor: Floor) -> int:
    last, *_ = await floor.venue.contracts.clearing.call("last_batch")
    return int(last)


async def assert_lost(floor: Floor, owner: Owner) -> None:
    """The branch with the deposit and the batch is gone, and nobody had been told of it."""
    assert await batches_settled(floor) == 0
    assert int(await floor.venue.contracts.clearing.call("cash_of", owner.account)) == DEPOSIT
    assert await floor.venue.sequencer.read(lambda state: (len(state.trades), len(state.batches))) == (1, 1)
    assert await floor.venue.sequencer.read(lambda state: state.mirror.cash[owner.account]) == DEPOSIT


async def assert_sound(settings: Settings, owner: Owner) -> None:
    """One credit of each deposit, one settlement of the batch; both layers equal; the journal replays."""
    facts = [codec.decode_command(entry.record.command) for entry in entries(settings.journal).values()]
    credited = Counter(fact.amount for fact in facts if isinstance(fact, c.ObserveDeposit))
    assert credited == {DEPOSIT: len(KEYS), LATER: 1}
    assert [fact.batch_id for fact in facts if isinstance(fact, c.ObserveBatch)] == [1]
    state: State = replay(settings.journal, END)
    assert [broken for invariant in invariants.ALL if (broken := invariant(state))] == []
    assert state.mirror.cash[owner.account] == state.accounts[owner.account].cash
    assert state.mirror.vault == len(KEYS) * DEPOSIT + LATER
    assert state.mirror.positions[1] == {1 << 16: -10_000}
    verdict = await audit("verify", str(settings.journal), "--signatures")
    assert verdict["ok"], verdict
    report = await audit("reconcile", str(settings.journal), "--chain", settings.url or f"{settings.journal}.chain")
    assert (report["ok"], report["settled"]) == (True, True), report


@pytest.mark.parametrize("comes_back", [False, True], ids=["lost", "in another block"])
async def test_a_reorganisation_under_a_running_venue(settings: Settings, comes_back: bool) -> None:
    """The deposit stays out until its owner sends it again, or is in another block of the new branch."""
    async with opened(settings) as floor:
        owner, _ = await open_market(floor)
        await trade(floor)
        credited = await floor.cash(owner.account)
        raw = await deposit_and_settle(floor, owner)
        await floor.controls.reorg(DEPTH, [(raw, DEPTH - 1)] if comes_back else [])
        assert floor.venue.watcher.reorgs == 0
        if not comes_back:
            await assert_lost(floor, owner)
        await floor.block()
        assert floor.venue.watcher.reorgs == 1
        assert await floor.cash(owner.account) == credited
        await owner._sender.poll()
        await floor.until_settled()
        assert await floor.cash(owner.account) == credited + LATER
        await assert_sound(settings, owner)


async def test_a_reorganisation_while_the_venue_is_down(settings: Settings) -> None:
    """A venue that never saw the old branch go settles its batch on the new one."""
    async with opened(settings) as floor:
        owner, _ = await open_market(floor)
        await trade(floor)
        credited = await floor.cash(owner.account)
        raw = await deposit_and_settle(floor, owner)
    async with open_chain(settings) as (_, controls):
        await controls.reorg(DEPTH, [])
    async with opened(settings) as floor:
        await assert_lost(floor, owner)
        await floor.block()
        assert await floor.cash(owner.account) == credited
        await floor.venue.chain.send_raw(raw)
        await floor.until_settled()
        assert await floor.cash(owner.account) == credited + LATER
        with pytest.raises(TransactionRefused):
            await floor.venue.chain.send_raw(raw)
        await assert_sound(settings, owner)
