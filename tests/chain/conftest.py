"""Shared by the chain tests: a small contract compiled from source, and every kind of chain behind one fixture."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exchange.shell.anvil import Anvil, AnvilUnavailable
from exchange.shell.chain import Chain, DevControls, Receipt
from exchange.shell.contract import Artifact, Contract
from exchange.shell.devnode import DevNode
from exchange.shell.rpc import RpcChain
from exchange.shell.transactions import Payload, address_of, contract_address, sign_transaction, transaction_hash

ETHER = 10**18
SOURCE = """
# pragma version 0.4.3

event Marked:
    who: indexed(address)
    what: indexed(uint256)
    times: uint256
    note: String[40]

times: public(HashMap[uint256, uint256])
total: public(uint256)
scratch: transient(uint256)

@external
def mark(what: uint256, note: String[40] = "") -> uint256:
    assert what != 13, "thirteen is not marked"
    self.scratch += 1
    assert self.scratch == 1  # transient storage is empty in every transaction
    self.times[what] += 1
    self.total += 1
    log Marked(who=msg.sender, what=what, times=self.times[what], note=note)
    return self.total

@external
def unmark(what: uint256):
    self.times[what] = 0  # gives gas back

@external
def churn(what: uint256):
    for i: uint256 in range(4):
        self.times[what] = i + 3  # one slot, dirty from the second time on
    self.times[what] = 0  # back to where it may have begun

@external
@nonreentrant
def halve(what: uint256) -> (uint256, bool):
    return what // 2, what % 2 == 0

@external
def divide(a: uint256, b: uint256) -> uint256:
    return a // b

@view
@external
def here() -> (uint256, uint256, bytes32):
    return block.number, block.timestamp, blockhash(block.number - 1)

@external
def recover(digest: bytes32, v: uint256, r: uint256, s: uint256) -> address:
    return ecrecover(digest, v, r, s)
"""


@pytest.fixture(scope="session")
def marker() -> Artifact:
    """The test contract, compiled here."""
    from vyper.compiler import compile_code
    from vyper.compiler.settings import OptimizationLevel, Settings

    settings = Settings(evm_version="prague", optimize=OptimizationLevel.GAS)
    out = compile_code(SOURCE, output_formats=["abi", "bytecode"], settings=settings)
    return Artifact("Marker", out["abi"], bytes.fromhex(out["bytecode"][2:]))


@pytest.fixture
def key() -> bytes:
    """A fresh account."""
    return secrets.token_bytes(32)


@dataclass
class Node:
    """A chain, its levers, and a funded account that signs by hand."""

    chain: Chain
    controls: DevControls
    key: bytes
    kind: str

    @property
    def address(self) -> bytes:
        return address_of(self.key)

    async def sign(self, to: bytes | None, data: bytes, **fields: int) -> bytes:
        fees = await self.chain.fees()
        nonce = fields.pop("nonce", -1)
        if nonce < 0:
            nonce = await self.chain.nonce(self.address, "pending")
        defaults = {"value": 0, "gas": 1_000_000, "max_fee": fees.base_fee * 4 + 10**9, "priority_fee": 10**9}
        return sign_transaction(self.key, self.chain.chain_id, nonce, Payload(to, data, **(defaults | fields)))

    async def send(self, to: bytes | None, data: bytes, **fields: int) -> tuple[bytes, Receipt]:
        raw = await self.sign(to, data, **fields)
        await self.chain.send_raw(raw)
        return raw, await self.mined(transaction_hash(raw))

    async def mined(self, tx_hash: bytes) -> Receipt:
        async with asyncio.timeout(10):
            # anvil mines a little after it has answered, and has no event to wait for
            while (receipt := await self.chain.receipt(tx_hash)) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
            return receipt

    async def deploy(self, code: Artifact) -> Contract:
        nonce = await self.chain.nonce(self.address)
        _, receipt = await self.send(None, code.creation_code(), gas=3_000_000)
        assert receipt.contract_address == contract_address(self.address, nonce)
        return Contract(self.chain, receipt.contract_address, code.interface)


@asynccontextmanager
async def open_node(kind: str, key: bytes, finality: int = 2, **options: Any) -> AsyncIterator[Node]:
    """A chain of this kind; `finality` is even, since anvil counts it in pairs."""
    if kind == "devchain":
        async with await DevNode.open(finality_depth=finality, **options) as dev:
            await dev.fund(address_of(key), 1000 * ETHER)
            yield Node(dev, dev, key, kind)
        return
    try:
        anvil = await Anvil.start(slots_in_an_epoch=finality // 2, **options)
    except AnvilUnavailable as error:
        pytest.skip(f"anvil: {error.reason}")
    async with anvil, await RpcChain.open(anvil.ws_url if kind == "anvil-ws" else anvil.url) as chain:
        controls = await chain.dev_controls()
        await controls.fund(address_of(key), 1000 * ETHER)
        yield Node(chain, controls, key, kind)


@pytest.fixture(params=["devchain", "anvil-http", "anvil-ws"])
async def node(request: pytest.FixtureRequest, key: bytes) -> AsyncIterator[Node]:
    """Every kind of chain in turn, final two blocks behind the head."""
    async with open_node(request.param, key) as opened:
        yield opened


@pytest.fixture(params=["devchain", "anvil-http", "anvil-ws"])
async def deep_node(request: pytest.FixtureRequest, key: bytes) -> AsyncIterator[Node]:
    """The same, final four blocks behind the head: room for a reorganisation of three."""
    async with open_node(request.param, key, finality=4) as opened:
        yield opened


@pytest.fixture
def open_any() -> Any:
    """`open_node`, for tests that choose the kind themselves."""
    return open_node


@pytest.fixture
def node_type() -> type[Node]:
    """The helper itself, for tests that open their own chain."""
    return Node


@pytest.fixture
def chain_file(tmp_path: Path) -> Path:
    """Where a stored chain may live."""
    return tmp_path / "chain.sqlite"
