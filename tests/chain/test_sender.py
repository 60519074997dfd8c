"""The sender: each action exactly once, whatever becomes of its blocks."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.shell import chain as errors
from exchange.shell.contract import Contract, deploy_local
from exchange.shell.devchain import DevChain
from exchange.shell.devnode import DevNode
from exchange.shell.sender import (
    Dropped,
    Failed,
    Finalised,
    Included,
    Replaced,
    Sender,
    SenderLimits,
    Stalled,
    TransactionFailed,
)
from exchange.shell.transactions import Payload, address_of, sign_transaction, transaction_hash

KEY, OTHER = b"\x01" * 32, b"\x02" * 32
RICH = {address_of(KEY): 10**21, address_of(OTHER): 10**21}
GAS = 200_000


async def poll_until(sender, kind):
    """Poll until an update of this kind comes; returns everything seen."""
    found = []
    async with asyncio.timeout(10):
        while not any(isinstance(update, kind) for update in found):
            found += await sender.poll()
            await asyncio.sleep(0.002)
    return found


async def test_from_submission_to_finality(node, marker):
    contract = await node.deploy(marker)
    sender = Sender(node.chain, node.key)
    ticket = await sender.submit(contract.address, contract.encode("mark", 1))
    (included,) = await poll_until(sender, Included)
    assert included.receipt.ok
    assert await ticket.included() == included.receipt
    assert await sender.poll() == []
    await node.controls.mine(2)
    (finalised,) = await poll_until(sender, Finalised)
    assert finalised.receipt == included.receipt
    assert await ticket.finalised() == included.receipt
    assert sender.unfinal == []
    assert await sender.poll() == []


async def test_what_a_reorganisation_drops_goes_out_again_byte_for_byte(deep_node, marker):
    node = deep_node
    contract = await node.deploy(marker)
    sender = Sender(node.chain, node.key)
    tickets = [await sender.submit(contract.address, contract.encode("mark", what)) for what in (1, 2, 3)]
    raws = [list(ticket.raws) for ticket in tickets]
    async with asyncio.timeout(10):
        while any(ticket.receipt is None for ticket in tickets):
            await sender.poll()
    old = [ticket.receipt for ticket in tickets]
    assert [receipt.block_number for receipt in old] == list(range(old[0].block_number, old[0].block_number + 3))
    await node.controls.reorg(3)
    assert await contract.call("total") == 0
    updates = await sender.poll()
    assert [u.ticket for u in updates if isinstance(u, Dropped)] == tickets
    for ticket in tickets:  # by now they are back already
        assert await node.chain.transaction(transaction_hash(ticket.raws[0])) is not None
    async with asyncio.timeout(10):
        while len([u for u in updates if isinstance(u, Included)]) < 3:
            updates += await sender.poll()
    assert [ticket.raws for ticket in tickets] == raws  # same bytes, same nonce
    assert all(ticket.receipt.block_hash != was.block_hash for ticket, was in zip(tickets, old, strict=True))
    await node.controls.mine(4)
    updates = await poll_until(sender, Finalised)
    assert [u.ticket for u in updates if isinstance(u, Finalised)] == tickets
    assert [await contract.call("times", what) for what in (1, 2, 3)] == [1, 1, 1]
    assert await contract.call("total") == 3


async def test_a_revert_is_failed_with_the_contracts_reason(node, marker):
    contract = await node.deploy(marker)
    sender = Sender(node.chain, node.key)
    with pytest.raises(errors.Reverted, match="thirteen"):  # the estimate finds out for nothing
        await sender.submit(contract.address, contract.encode("mark", 13))
    ticket = await sender.submit(contract.address, contract.encode("mark", 13), gas=GAS)
    (included,) = await poll_until(sender, Included)
    assert not included.receipt.ok
    await node.controls.mine(2)
    (failed,) = await poll_until(sender, Failed)
    assert failed.reason == "thirteen is not marked"
    with pytest.raises(TransactionFailed, match="thirteen"):
        await ticket.finalised()


async def test_a_refused_transaction_leaves_its_nonce_free(node, marker):
    contract = await node.deploy(marker)
    sender = Sender(node.chain, node.key)
    with pytest.raises(errors.InsufficientFunds):
        await sender.submit(contract.address, b"", value=10**30, gas=GAS)
    await sender.submit(contract.address, contract.encode("mark", 1))
    assert (await poll_until(sender, Included))[0].receipt.ok


async def test_a_starved_transaction_is_outbid_under_its_own_nonce(marker):
    async with await DevNode.open(automine=False, gas_limit=2_000_000, allocation=RICH) as dev:
        address = await _deployed(dev, marker)
        contract = Contract(dev, address, marker.interface)
        await _crowd(dev, blocks=8)
        sender = Sender(dev, KEY, SenderLimits(replace_after_blocks=3))
        ticket = await sender.submit(address, contract.encode("mark", 1), gas=GAS)
        behind = await sender.submit(address, contract.encode("mark", 2), gas=GAS)
        first, updates = ticket.raws[0], []
        for _ in range(7):
            await dev.mine()
            updates += await sender.poll()
        assert [type(update) for update in updates] == [Replaced, Replaced]
        assert [update.ticket for update in updates] == [ticket, ticket]  # the other waits for its turn only
        await dev.mine(3)
        await poll_until(sender, Finalised)
        mined = transaction_hash(ticket.raws[-1])
        assert (await ticket.finalised()).tx_hash == mined != transaction_hash(first)
        assert (await behind.finalised()).tx_hash == transaction_hash(behind.raws[0])
        assert await contract.call("times", 1) == 1
        assert await dev.nonce(sender.address) == behind.nonce + 1


async def test_the_fee_cap_is_kept(marker):
    async with await DevNode.open(automine=False, gas_limit=2_000_000, allocation=RICH) as dev:
        address = await _deployed(dev, marker)
        await _crowd(dev, blocks=5)
        cap = 2 * (await dev.fees()).base_fee + 10**9
        sender = Sender(dev, KEY, SenderLimits(replace_after_blocks=2, fee_max=cap))
        ticket = await sender.submit(address, marker.interface.encode("mark", 1), gas=GAS)
        await dev.mine(3)
        (stalled,) = await sender.poll()
        assert isinstance(stalled, Stalled)
        assert "cap" in stalled.reason
        assert len(ticket.raws) == 1
        await dev.mine(4)
        await poll_until(sender, Finalised)


async def _deployed(dev, marker):
    payload = Payload(None, marker.creation_code(), 0, 1_500_000, 10**11, 10**9)
    tx_hash = await dev.send_raw(sign_transaction(KEY, dev.chain_id, 0, payload))
    await dev.mine()
    return (await dev.receipt(tx_hash)).contract_address


async def _crowd(dev, blocks):
    """Somebody else's calldata fills so many blocks to the brim."""
    payload = Payload(b"\x99" * 20, b"\xff" * 48_000, 0, 1_950_000, 10**12, 10**9)
    for nonce in range(blocks):
        await dev.send_raw(sign_transaction(OTHER, dev.chain_id, nonce, payload))


async def test_a_nonce_spent_by_another_is_told_apart():
    async with await DevNode.open(automine=False, allocation=RICH) as dev:
        sender = Sender(dev, KEY)
        ticket = await sender.submit(b"\x99" * 20, b"", value=1, gas=21_000)
        rival = Payload(b"\x88" * 20, b"", 0, 21_000, 10**11, 10**10)
        await dev.send_raw(sign_transaction(KEY, dev.chain_id, ticket.nonce, rival))
        await dev.mine()
        (failed,) = await sender.poll()
        assert failed == Failed(ticket, "another transaction took the nonce", None)
        with pytest.raises(TransactionFailed):
            await ticket.included()


async def test_a_stale_nonce_is_looked_up_again():
    async with await DevNode.open(allocation=RICH) as dev:
        sender = Sender(dev, KEY)
        await sender.submit(b"\x99" * 20, b"", gas=21_000)
        rival = Payload(b"\x88" * 20, b"", 0, 21_000, 10**11, 10**9)
        await dev.send_raw(sign_transaction(KEY, dev.chain_id, 1, rival))
        ticket = await sender.submit(b"\x99" * 20, b"", gas=21_000)
        assert ticket.nonce == 2


async def test_a_gap_left_by_an_earlier_life_is_filled():
    async with await DevNode.open(finality_depth=5, allocation=RICH) as dev:
        before = Payload(b"\x88" * 20, b"", 0, 21_000, 10**11, 10**9)
        await dev.send_raw(sign_transaction(KEY, dev.chain_id, 0, before))
        sender = Sender(dev, KEY)  # knows nothing of nonce 0
        ticket = await sender.submit(b"\x99" * 20, b"", value=1, gas=21_000)
        await sender.poll()
        await dev.reorg(2)
        for _ in range(3):
            await sender.poll()
        assert await dev.balance(b"\x99" * 20) == 1
        await dev.mine(5)
        await poll_until(sender, Finalised)
        assert (await ticket.finalised()).ok


async def test_no_more_than_the_bound_wait_at_once():
    async with await DevNode.open(automine=False, allocation=RICH) as dev:
        sender = Sender(dev, KEY, SenderLimits(waiting_max=2))
        for _ in range(2):
            await sender.submit(b"\x99" * 20, b"", gas=21_000)
        third = asyncio.create_task(sender.submit(b"\x99" * 20, b"", gas=21_000))
        await sender.poll()
        assert not third.done()
        await dev.mine()
        await sender.poll()
        assert (await third).nonce == 2


class Deaf:
    """A node that acts on what it is sent and is then not heard."""

    def __init__(self, dev):
        self._dev, self.deaf = dev, False

    def __getattr__(self, name):
        return getattr(self._dev, name)

    async def send_raw(self, raw):
        tx_hash = await self._dev.send_raw(raw)
        if self.deaf:
            raise errors.ChainUnavailable("the line went dead")
        return tx_hash


async def test_an_unheard_answer_is_not_a_second_transaction():
    async with await DevNode.open(allocation=RICH) as dev:
        chain = Deaf(dev)
        chain.deaf = True
        sender = Sender(chain, KEY)
        ticket = await sender.submit(b"\x99" * 20, b"", value=1, gas=21_000)
        chain.deaf = False
        updates = await poll_until(sender, Finalised)
        assert updates[-1].ticket is ticket
        assert await dev.balance(b"\x99" * 20) == 1


class Torn:
    """A node that answers the receipt from one branch and the block from another, until told not to."""

    def __init__(self, dev):
        self._dev, self.torn = dev, True

    def __getattr__(self, name):
        return getattr(self._dev, name)

    async def block(self, block="latest"):
        found = await self._dev.block(block)
        return replace(found, hash=bytes(32)) if self.torn and isinstance(block, int) else found


async def test_a_receipt_of_another_branch_is_not_final():
    async with await DevNode.open(allocation=RICH) as dev:
        chain = Torn(dev)
        sender = Sender(chain, KEY)
        await sender.submit(b"\x99" * 20, b"", gas=21_000)
        assert [type(update) for update in await sender.poll()] == [Included]
        assert await sender.poll() == []
        chain.torn = False
        assert [type(update) for update in await sender.poll()] == [Finalised]


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.just(0)),
        st.tuples(st.just("mine"), st.integers(1, 3)),
        st.tuples(st.just("reorg"), st.integers(1, 5)),
        st.tuples(st.just("shrink"), st.integers(1, 5)),
        st.tuples(st.just("poll"), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=80, deadline=None)
@given(moves=MOVES, automine=st.booleans())
def test_each_action_happens_exactly_once(marker, moves, automine):
    asyncio.run(_play(marker, moves, automine))


async def _play(marker, moves, automine):
    async with await DevNode.open(finality_depth=4, allocation=RICH) as dev:
        core: DevChain = dev._core
        address = deploy_local(core, OTHER, marker).address
        await dev.mine(4)
        core.automine = automine
        contract, sender = Contract(dev, address, marker.interface), Sender(dev, KEY)
        tickets, final_ever = [], core.number_of("finalized")
        for kind, number in moves:
            if kind == "submit":
                tickets.append(await sender.submit(address, contract.encode("mark", 100 + len(tickets)), gas=GAS))
            elif kind == "mine":
                await dev.mine(number)
            elif kind == "poll":
                await sender.poll()
            else:
                depth = min(number, core.head.number - final_ever)
                if depth > 0:
                    await dev.reorg(depth, new_blocks=0 if kind == "shrink" else None)
            final_ever = max(final_ever, core.number_of("finalized"))
        for _ in range(12):
            await dev.mine(2)
            await sender.poll()
        assert sender.unfinal == []
        assert all(isinstance(ticket.outcome, Finalised) for ticket in tickets)
        assert await contract.call("total") == len(tickets)
        assert [await contract.call("times", 100 + i) for i in range(len(tickets))] == [1] * len(tickets)
