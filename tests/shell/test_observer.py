"""From logs to commands: every action once, in order, and none of them missed."""

from typing import Any, NamedTuple

import pytest
from eth_abi import encode as encode_abi

from exchange.core import commands as c
from exchange.shell.chain import ChainUnavailable, Log, Receipt
from exchange.shell.contract import Artifact, Contract, artifact
from exchange.shell.observer import _BUILDERS, ActionsMissed, observations

CLEARING: Artifact = artifact("Clearing")
ADDRESS, OWNER = b"C" * 20, b"\xaa" * 20


class Node(NamedTuple):
    """A chain of which only receipts are asked."""

    receipts: dict[bytes, Receipt]

    async def receipt(self, tx_hash: bytes) -> Receipt | None:
        return self.receipts.get(tx_hash)


def clearing(*receipts: Receipt) -> Contract:
    node: Any = Node({receipt.tx_hash: receipt for receipt in receipts})
    return Contract(node, ADDRESS, CLEARING.interface)


def log_of(name: str, **values: Any) -> Log:
    """A log of Clearing, encoded as the ABI says; what is not given is 1, or the owner."""
    (entry,) = [each for each in CLEARING.abi if each["type"] == "event" and each["name"] == name]
    rows = [
        (each["type"], values.get(each["name"], OWNER if each["type"] == "address" else default(each["type"])), each)
        for each in entry["inputs"]
    ]
    topics = [encode_abi([kind], [value]) for kind, value, each in rows if each["indexed"]]
    plain = [(kind, value) for kind, value, each in rows if not each["indexed"]]
    data = encode_abi([kind for kind, _ in plain], [value for _, value in plain])
    return Log(ADDRESS, (CLEARING.interface.topic(name), *topics), data, 7, b"B" * 32, b"T" * 32, 0)


def default(kind: str) -> Any:
    if kind.endswith("[]"):
        return [1, 1, 1]  # one position, or three changes
    if kind.endswith("[4]"):
        return (1, 1, 0, 0)
    return bytes(32) if kind == "bytes32" else 1


def deposit(action_id: int, amount: int = 5) -> Log:
    return log_of("Deposited", action_id=action_id, account=3, amount=amount)


async def test_actions_become_commands_in_their_order():
    logs = (log_of("AccountOpened", action_id=1, account=3, owner=OWNER), deposit(2), log_of("OperatorSet"), deposit(3))
    assert await observations(clearing(), logs, 0) == [
        c.ObserveAccount(1, 3, OWNER),
        c.ObserveDeposit(2, 3, 5),
        c.ObserveDeposit(3, 3, 5),
    ]


async def test_what_is_journaled_already_is_passed_over():
    """The chain may be read again from any earlier block."""
    logs = tuple(deposit(action_id) for action_id in (1, 2, 3, 4))
    assert await observations(clearing(), logs, 2) == [c.ObserveDeposit(3, 3, 5), c.ObserveDeposit(4, 3, 5)]
    assert await observations(clearing(), logs, 4) == []
    assert await observations(clearing(), (*logs, *logs), 0) == await observations(clearing(), logs, 0)


@pytest.mark.parametrize(("last", "seen"), [(0, (2,)), (3, (5,)), (0, (1, 2, 4)), (1, (1, 3))])
async def test_a_gap_is_an_error_and_not_a_guess(last: int, seen: tuple[int, ...]):
    with pytest.raises(ActionsMissed, match=f"action {seen[-1]} follows {seen[-1] - 2}"):
        await observations(clearing(), tuple(deposit(action_id) for action_id in seen), last)


async def test_a_settled_batch_is_told_with_what_it_cost():
    receipt = Receipt(b"T" * 32, 7, b"B" * 32, 0, True, 123_456, 1, None, ())
    log = log_of("BatchSettled", action_id=9, batch_id=4)
    assert await observations(clearing(receipt), (log,), 8) == [c.ObserveBatch(9, 4, b"T" * 32, 7, 123_456)]
    with pytest.raises(ChainUnavailable, match="no receipt"):
        await observations(clearing(), (log,), 8)


@pytest.mark.parametrize("name", sorted(_BUILDERS))
async def test_every_action_of_the_contract_can_be_journaled(name: str):
    (command,) = await observations(clearing(), (log_of(name, action_id=1),), 0)
    assert command.action_id == 1


def test_no_event_with_an_action_number_is_left_out():
    numbered = {
        entry["name"]
        for entry in CLEARING.abi
        if entry["type"] == "event" and any(each["name"] == "action_id" for each in entry["inputs"])
    }
    assert numbered == {*_BUILDERS, "BatchSettled"}
