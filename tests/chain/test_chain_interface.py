"""The Chain interface, asked of the embedded chain and of anvil alike: same questions, same answers, same gas."""

from itertools import pairwise

import pytest

from exchange.shell import chain as errors
from exchange.shell.chain import checksum, revert_reason, to_address
from exchange.shell.transactions import sign_transaction, transaction_hash


async def test_a_transaction_leaves_a_receipt_a_log_and_a_block(node, marker):
    contract = await node.deploy(marker)
    raw, receipt = await node.send(contract.address, contract.encode("mark", 7, "seven"))
    block = await node.chain.block(receipt.block_number)
    assert receipt.ok
    assert receipt.tx_hash == transaction_hash(raw)
    assert receipt.block_hash == block.hash
    assert block.tx_hashes == (receipt.tx_hash,)
    assert block.gas_used == receipt.gas_used
    parent = await node.chain.block(block.number - 1)
    assert block.parent_hash == parent.hash
    assert parent.time_s <= block.time_s
    (event,) = contract.interface.events(receipt.logs)
    assert event.name == "Marked"
    assert event.args == {"who": node.address, "what": 7, "times": 1, "note": "seven"}
    assert await node.chain.logs(block.number, block.number, [contract.address]) == list(receipt.logs)
    assert await node.chain.logs(block.number, block.number, [bytes(20)]) == []
    assert await contract.call("times", 7) == 1


async def test_an_unknown_transaction_has_no_receipt(node):
    assert await node.chain.receipt(bytes(32)) is None
    assert await node.chain.transaction(bytes(32)) is None
    with pytest.raises(errors.BlockNotFound):
        await node.chain.block(10_000)


async def test_a_revert_says_why_and_costs_gas_only(node, marker):
    contract = await node.deploy(marker)
    with pytest.raises(errors.Reverted) as refused:
        await contract.call("mark", 13)
    assert refused.value.reason == "thirteen is not marked"
    with pytest.raises(errors.Reverted) as refused:
        await node.chain.estimate_gas(node.address, contract.address, contract.encode("mark", 13))
    assert refused.value.reason == "thirteen is not marked"
    before = await node.chain.balance(node.address)
    _, receipt = await node.send(contract.address, contract.encode("mark", 13))
    assert not receipt.ok
    assert receipt.logs == ()
    assert await contract.call("total") == 0
    assert await node.chain.balance(node.address) == before - receipt.gas_used * receipt.gas_price


async def test_a_bare_revert_has_no_words(node, marker):
    contract = await node.deploy(marker)
    with pytest.raises(errors.Reverted) as refused:
        await contract.call("divide", 1, 0)
    assert refused.value.reason == ""
    with pytest.raises(errors.Reverted):
        await node.chain.call(contract.address, b"\xff" * 36)


async def test_results_come_back_as_values(node, marker):
    contract = await node.deploy(marker)
    assert await contract.call("halve", 2**255) == (2**254, True)
    number, time_s, parent_hash = await contract.call("here")
    head = await node.chain.block()
    assert (number, time_s, parent_hash) == (head.number, head.time_s, head.parent_hash)
    assert await node.chain.code(contract.address) != b""
    assert await node.chain.code(node.address) == b""


async def test_an_estimate_suffices(node, marker):
    contract = await node.deploy(marker)
    data = contract.encode("mark", 5, "five")
    needed = await node.chain.estimate_gas(node.address, contract.address, data)
    _, receipt = await node.send(contract.address, data, gas=needed)
    assert receipt.ok
    assert receipt.gas_used == needed
    deployment = marker.creation_code()
    needed = await node.chain.estimate_gas(node.address, None, deployment)
    _, receipt = await node.send(None, deployment, gas=needed)
    assert receipt.ok


async def test_refusals_have_types(node, marker):
    contract = await node.deploy(marker)
    nonce = await node.chain.nonce(node.address)

    async def refused(kind, raw):
        with pytest.raises(kind):
            await node.chain.send_raw(raw)

    await refused(errors.MalformedTransaction, b"\x02\x01\x02")
    await refused(errors.MalformedTransaction, b"\xc0")
    await refused(errors.NonceTooLow, await node.sign(contract.address, b"", nonce=0))
    await refused(errors.InsufficientFunds, await node.sign(contract.address, b"", value=10**30))
    await refused(errors.GasTooLow, await node.sign(contract.address, b"", gas=100))
    await refused(errors.GasTooHigh, await node.sign(contract.address, b"", gas=10**10))
    foreign = sign_transaction(node.key, 1, nonce, _payload_of(contract.address))
    await refused(errors.WrongChain, foreign)
    raw, _ = await node.send(contract.address, contract.encode("mark", 1))
    await refused((errors.AlreadyKnown, errors.NonceTooLow), raw)
    assert await node.chain.nonce(node.address) == nonce + 1


def _payload_of(to):
    from exchange.shell.transactions import Payload

    return Payload(to, b"", 0, 100_000, 10**11, 10**9)


async def test_what_waits_can_be_seen_and_outbid(open_any, key):
    for kind in ("devchain", "anvil-http"):
        async with open_any(kind, key, automine=False) as node:
            to = b"\x77" * 20
            first = await node.sign(to, b"", gas=30_000, max_fee=10**11, priority_fee=10**9)
            await node.chain.send_raw(first)
            waiting = await node.chain.transaction(transaction_hash(first))
            assert waiting.block_number is None
            assert (waiting.sender, waiting.to, waiting.nonce) == (node.address, to, 0)
            assert await node.chain.nonce(node.address, "pending") == 1
            assert await node.chain.nonce(node.address) == 0
            with pytest.raises(errors.AlreadyKnown):
                await node.chain.send_raw(first)
            with pytest.raises(errors.ReplacementUnderpriced):
                await node.chain.send_raw(await node.sign(to, b"", gas=30_001, nonce=0, max_fee=10**11))
            dearer = await node.sign(to, b"", value=5, gas=30_000, nonce=0, max_fee=2 * 10**11, priority_fee=2 * 10**9)
            await node.chain.send_raw(dearer)
            await node.controls.mine()
            assert await node.chain.receipt(transaction_hash(first)) is None
            assert (await node.mined(transaction_hash(dearer))).ok
            assert await node.chain.balance(to) == 5


async def test_finality_follows_two_blocks_behind(node):
    await node.controls.mine(5)
    head = await node.chain.block("latest")
    assert (await node.chain.block("safe")).number == head.number - 1
    assert (await node.chain.block("finalized")).number == head.number - 2
    blocks = await node.chain.blocks(0, head.number)
    assert [block.number for block in blocks] == list(range(head.number + 1))
    assert all(a.hash == b.parent_hash for a, b in pairwise(blocks))


async def test_the_past_can_be_read(node, marker):
    contract = await node.deploy(marker)
    totals = {}
    for what in range(1, 4):
        _, receipt = await node.send(contract.address, contract.encode("mark", what))
        totals[receipt.block_number] = what
    for number, total in totals.items():
        assert await contract.call("total", block=number) == total
    assert await contract.call("total", block="finalized") == 1
    assert await node.chain.nonce(node.address, "finalized") == 2


async def test_time_is_set_to_the_second(node, marker):
    contract = await node.deploy(marker)
    later = (await node.chain.block()).time_s + 86_400
    await node.controls.set_next_block_time(later)
    _, receipt = await node.send(contract.address, contract.encode("mark", 1))
    assert (await node.chain.block(receipt.block_number)).time_s == later
    await node.controls.mine()
    assert (await node.chain.block()).time_s >= later


async def test_a_snapshot_brings_everything_back_once(node, marker):
    contract = await node.deploy(marker)
    await node.send(contract.address, contract.encode("mark", 1))
    saved = await node.controls.snapshot()
    head = await node.chain.block()
    await node.send(contract.address, contract.encode("mark", 1))
    await node.send(contract.address, contract.encode("unmark", 1))
    assert await contract.call("times", 1) == 0
    await node.controls.revert(saved)
    assert await contract.call("times", 1) == 1
    assert await node.chain.block() == head
    with pytest.raises(errors.UnknownSnapshot):
        await node.controls.revert(saved)


async def test_a_reorganisation_of_depth_three_drops_a_transaction_that_can_be_sent_again(node, marker):
    contract = await node.deploy(marker)
    kept = await node.chain.block()
    lost, receipt = await node.send(contract.address, contract.encode("mark", 1))
    remined, _ = await node.send(contract.address, contract.encode("mark", 2))
    await node.controls.mine()
    old = await node.chain.blocks(kept.number, kept.number + 3)
    await node.controls.reorg(3)
    new = await node.chain.blocks(kept.number, kept.number + 3)
    assert new[0].hash == kept.hash
    assert not {block.hash for block in old[1:]} & {block.hash for block in new[1:]}
    assert all(a.hash == b.parent_hash for a, b in pairwise(new))
    for raw in (lost, remined):
        assert await node.chain.receipt(transaction_hash(raw)) is None
        assert await node.chain.transaction(transaction_hash(raw)) is None
    assert await contract.call("total") == 0
    assert await node.chain.nonce(node.address) == 1
    assert await node.chain.logs(0, new[-1].number, [contract.address]) == []
    # The same bytes, under the same nonce, once more.
    await node.chain.send_raw(lost)
    again = await node.mined(transaction_hash(lost))
    assert again.ok
    assert again.block_hash != receipt.block_hash
    assert again.gas_used == receipt.gas_used
    assert await contract.call("times", 1) == 1


async def test_a_reorganisation_can_keep_a_transaction_elsewhere(node, marker):
    contract = await node.deploy(marker)
    raw, receipt = await node.send(contract.address, contract.encode("mark", 1))
    await node.controls.mine(2)
    await node.controls.reorg(3, [(raw, 1)])
    moved = await node.mined(transaction_hash(raw))
    assert moved.block_number == receipt.block_number + 1
    assert await contract.call("times", 1) == 1


async def test_gas_is_equal_to_the_unit_on_both(open_any, key, marker):
    used = {}
    for kind in ("devchain", "anvil-http"):
        async with open_any(kind, key) as node:
            used[kind] = await _gas_of_a_session(node, marker)
    assert used["devchain"] == used["anvil-http"]


async def _gas_of_a_session(node, marker):
    nonce = await node.chain.nonce(node.address)
    _, receipt = await node.send(None, marker.creation_code(), gas=3_000_000)
    assert nonce == 0
    address, gas = receipt.contract_address, [receipt.gas_used]
    encode = marker.interface.encode
    signature = _some_signature(node.key)
    for data in (
        encode("mark", 1),  # fresh slots
        encode("mark", 1, "again"),  # warm contract, dirty slots
        encode("churn", 1),  # set before, so it ends cleared
        encode("churn", 9),  # unset before, so it ends as it began
        encode("unmark", 2),  # nothing to clear
        encode("mark", 3),
        encode("unmark", 3),  # a refund
        encode("mark", 13),  # a revert
        encode("divide", 1, 0),
        encode("recover", *signature),  # a precompile
        encode("halve", 9),  # the transient reentrancy lock
        b"\xff" * 1000,  # the calldata floor
        b"\x00" * 1000,
    ):
        _, receipt = await node.send(address, data)
        gas.append(receipt.gas_used)
    _, receipt = await node.send(b"\x55" * 20, b"", value=3)  # a new account
    gas.append(receipt.gas_used)
    _, receipt = await node.send(address, encode("mark", 2), gas=40_000)  # runs out
    return [*gas, receipt.gas_used]


def _some_signature(key):
    from coincurve import PrivateKey

    signed = PrivateKey(key).sign_recoverable(b"\x01" * 32, hasher=None)
    r, s = int.from_bytes(signed[:32], "big"), int.from_bytes(signed[32:64], "big")
    return b"\x01" * 32, signed[64] + 27, r, s


def test_words_of_a_revert():
    text = bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + (2).to_bytes(32, "big") + b"no".ljust(32, b"\0")
    assert revert_reason(text) == "no"
    assert revert_reason(bytes.fromhex("4e487b71") + (0x11).to_bytes(32, "big")) == "panic 0x11"
    assert revert_reason(b"") == ""
    assert revert_reason(b"\x12\x34\x56\x78") == "0x12345678"
    assert revert_reason(bytes.fromhex("08c379a0")) == "0x08c379a0"


def test_addresses_are_read_and_written():
    spelled = "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045"
    assert checksum(to_address(spelled)) == spelled
    assert to_address(bytes(20)) == bytes(20)
    with pytest.raises(ValueError, match="20 bytes"):
        to_address("0x1234")
