"""A reorganisation of three blocks takes a deposit and a settled batch: nothing is credited twice, the batch settles again.

The same story on the embedded chain and on anvil, with the venue watching, and with the venue down while it happens.
"""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from e2e_serve import audit, entries
from shell_floor import DEPOSIT, KEYS, START_S, Floor, open_market, opened, trade

from exchange import codec
from exchange.core import commands as c
from exchange.core import invariants
from exchange.core.state import State
from exchange.core.units import USDC_ONE
from exchange.shell.anvil import Anvil, AnvilUnavailable
from exchange.shell.chain import TransactionRefused
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Terms
from exchange.shell.owner import Owner
from exchange.shell.venue import Settings, SetupRefused, open_chain
from exchange.shell.watcher import FinalityBroken
from replay.engine import END, replay

FINALITY = 4  # blocks: room for a reorganisation of three
DEPTH = 3
LATER = 7_000 * USDC_ONE  # the deposit that is lost


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
    assert await floor.batches_settled() == 1
    assert int(await contracts.clearing.call("cash_of", owner.account)) > DEPOSIT
    return raw


async def assert_lost(floor: Floor, owner: Owner) -> None:
    """The branch with the deposit and the batch is gone, and nobody had been told of it."""
    assert await floor.batches_settled() == 0
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


async def test_a_chain_that_takes_back_what_it_called_final_stops_the_venue(settings: Settings) -> None:
    """While it runs and while it is down: what was credited is gone, and no rule covers that."""
    async with opened(settings) as floor:
        await open_market(floor)
        await trade(floor)
        await floor.until_settled()
        known = await floor.venue.sequencer.read(lambda state: state.mirror.action_id)
        await floor.controls.reorg(FINALITY + DEPTH)
        with pytest.raises(FinalityBroken):
            await floor.block()
    with pytest.raises(SetupRefused, match=f"the journal has {known} actions of the contracts as final, the chain has"):
        async with opened(settings):
            pass
    assert (await audit("verify", str(settings.journal)))["ok"]
    report = await audit("reconcile", str(settings.journal), "--chain", settings.url or f"{settings.journal}.chain")
    assert not report["ok"]
    assert {item["verdict"] for item in report["items"]} == {"matched", "reorged"}


async def test_a_final_block_without_facts_that_changed_while_the_venue_was_down(settings: Settings) -> None:
    """As many facts as before say nothing: the journal names the last block it has seen, and the chain must hold it."""
    async with opened(settings) as floor:
        await open_market(floor)
        for _ in range(2 * DEPTH):
            await floor.block()
        seen = await floor.venue.sequencer.read(lambda state: state.block)
        assert seen is not None
    async with open_chain(settings) as (_, controls):
        await controls.reorg(FINALITY + 1)
    with pytest.raises(FinalityBroken) as broken:
        async with opened(settings) as floor:
            await floor.block()
    assert (broken.value.number, broken.value.expected) == (seen.number, seen.hash)
