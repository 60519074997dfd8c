"""A stored chain after kill -9: what was acknowledged is there, and damage is named."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from exchange.shell.contract import deploy_local
from exchange.shell.devblock import Effects, _seal
from exchange.shell.devchain import DevChain
from exchange.shell.devnode import DevNode
from exchange.shell.devstore import BlockRecord, StoreMismatch
from exchange.shell.flatstore import Changes
from exchange.shell.transactions import address_of

KEY = b"\x01" * 32
ROOT = Path(__file__).parents[2]
RICH = {address_of(KEY): 10**21}


def run_until_killed(path, lines_wanted):
    """Lines the victim got out before it died in the middle of whatever came next."""
    victim = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("restart_victim.py")), str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    with victim:
        heard = [victim.stdout.readline().split() for _ in range(lines_wanted)]
        victim.send_signal(signal.SIGKILL)
        heard += [line.split() for line in victim.stdout.read().splitlines()]
    return [line for line in heard if len(line) == 3]


def test_every_acknowledged_block_survives_kill_nine(chain_file):
    rng, head = random.Random(5), None
    for _ in range(4):
        heard = run_until_killed(chain_file, rng.randint(2, 40))
        if head is not None:
            assert heard[0] == ["ready", str(head.number), head.hash.hex()]
        dev = DevChain(store=chain_file)
        head, last = dev.head, heard[-1]
        if last[0] == "sent":
            receipt = dev.receipt(bytes.fromhex(last[1]))
            reorganised_since = receipt is None and head.number % 7 in (5, 6)
            assert reorganised_since or receipt.block_hash.hex() == last[2]
        else:
            assert head.number >= int(last[1])
            assert dev.block(int(last[1])).hash.hex() == last[2]
        sealed = [tx for n in range(head.number + 1) for tx in dev.block(n).tx_hashes]
        assert dev.nonce(address_of(KEY)) == len(sealed) == dev.balance(b"\x99" * 20)
        dev.close()


@pytest.mark.parametrize("verify", [False, True])
def test_everything_comes_back_as_it_was(chain_file, marker, verify):
    dev = DevChain(allocation=RICH, store=chain_file, genesis_time_s=1_800_000_000)
    contract = deploy_local(dev, KEY, marker)
    contract.send(KEY, "mark", 1)
    dev.fund(b"\x42" * 20, 77)
    dev.set_time(1_900_000_000)
    lost = contract.send(KEY, "mark", 2)
    dev.mine()
    dev.reorg(2)
    saved = dev.snapshot()
    contract.send(KEY, "mark", 3)
    dev.revert(saved)
    contract.send(KEY, "mark", 4)
    before = everything(dev)
    dev.close()

    again = DevChain(store=chain_file, verify=verify)
    assert everything(again) == before
    assert again.receipt(lost.tx_hash) is None
    assert again.balance(b"\x42" * 20) == 77
    assert again.block(0).time_s == 1_800_000_000
    again.reorg(3)  # and its past can still be undone
    again.close()


def everything(dev):
    """What a client can see of every block, and the state behind the newest and the one four before it."""
    store, blocks = dev._machine.store, [dev.block(n) for n in range(dev.head.number + 1)]
    hashes = [tx_hash for block in blocks for tx_hash in block.tx_hashes]
    seen = [(dev.receipt(h), dev.transaction(h)) for h in hashes]
    with dev._state_after(dev.head.number - 4):
        past = dict(store.accounts), {a: dict(slots) for a, slots in store.storage.items()}
    return blocks, seen, dev.logs(0, dev.head.number), store.accounts, store.storage, past


FORGETFUL = """
# pragma version 0.4.3
kept: public(uint256)
@deploy
def __init__(heir: address):
    self.kept = 5
    selfdestruct(heir)
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::vyper.warnings.VyperWarning")
def test_a_contract_that_destroys_itself_at_birth_leaves_nothing(chain_file):
    from vyper.compiler import compile_code

    code = bytes.fromhex(compile_code(FORGETFUL, output_formats=["bytecode"])["bytecode"][2:])
    dev = DevChain(allocation=RICH, store=chain_file)
    receipt = dev.transact(KEY, None, code + bytes(12) + b"\x77" * 20, gas=200_000)
    dev.mine(4)
    before = everything(dev)
    assert receipt.contract_address not in dev._machine.store.accounts
    dev.close()
    for verify in (False, True):
        again = DevChain(store=chain_file, verify=verify)
        assert everything(again) == before
        again.close()


def test_two_writers_of_one_file_are_told_apart(chain_file):
    first = DevChain(allocation=RICH, store=chain_file)
    first.mine()
    second = DevChain(store=chain_file)
    second.mine()
    with pytest.raises(StoreMismatch, match="another process"):
        first.mine()
    assert first.head.number == 1  # what is not durable did not happen
    second.mine()
    second.close()
    first.close()
    third = DevChain(store=chain_file)
    third.close()
    assert third.head == second.head


def test_forged_effects_are_found(chain_file):
    dev = DevChain(allocation=RICH, store=chain_file)
    dev.transact(KEY, b"\x99" * 20, value=1)
    dev.mine()
    dev.close()
    record = msgspec.msgpack.decode(_body(chain_file, 1), type=BlockRecord)
    effects = msgspec.msgpack.decode(record.effects, type=Effects)
    richer = [(a, (n, b"\xff" * 9, code)) for a, (n, _, code) in effects.changes.accounts]
    forged = msgspec.msgpack.encode(Effects(effects.outcomes, Changes(richer, [], [])))
    _overwrite(chain_file, 1, msgspec.msgpack.encode(msgspec.structs.replace(record, effects=forged)))
    with pytest.raises(StoreMismatch, match="damaged"):
        DevChain(store=chain_file)
    resealed = msgspec.structs.replace(record, effects=forged, seal=_seal(record.hash, forged))
    _overwrite(chain_file, 1, msgspec.msgpack.encode(resealed))
    with pytest.raises(StoreMismatch, match="recorded effects"):  # only executing it again can tell
        DevChain(store=chain_file, verify=True)


async def test_the_asynchronous_face_keeps_a_file_too(chain_file, key):
    async with await DevNode.open(store=chain_file) as dev:
        await dev.fund(address_of(key), 5)
    async with await DevNode.open(store=chain_file) as dev:
        assert await dev.balance(address_of(key)) == 5
    with pytest.raises(StoreMismatch):
        await DevNode.open(store=chain_file, chain_id=5)


def test_damage_is_found(chain_file):
    dev = DevChain(allocation=RICH, store=chain_file)
    for _ in range(3):
        dev.transact(KEY, b"\x99" * 20, value=1)
    dev.close()
    body = _body(chain_file, 2)
    _overwrite(chain_file, 2, body[:12] + bytes([body[12] ^ 1]) + body[13:])  # a byte of the recorded hash
    with pytest.raises(StoreMismatch, match="block 2"):
        DevChain(store=chain_file)
    _overwrite(chain_file, 2, _body(chain_file, 3))
    with pytest.raises(StoreMismatch, match="block 2"):
        DevChain(store=chain_file)
    _overwrite(chain_file, 2, b"\xc1")
    with pytest.raises(StoreMismatch, match="cannot be read"):
        DevChain(store=chain_file)
    _overwrite(chain_file, 2, None)
    with pytest.raises(StoreMismatch, match="block 2 is missing"):
        DevChain(store=chain_file)


def _body(path, number):
    with sqlite3.connect(path) as db:
        (body,) = db.execute("SELECT body FROM blocks WHERE number = ?", (number,)).fetchone()
    db.close()
    return body


def _overwrite(path, number, body):
    with sqlite3.connect(path) as db:
        if body is None:
            db.execute("DELETE FROM blocks WHERE number = ?", (number,))
        else:
            db.execute("UPDATE blocks SET body = ? WHERE number = ?", (body, number))
    db.close()
