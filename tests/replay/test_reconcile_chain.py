"""Reconciliation against real contracts on the embedded chain: the adapter, the choice of the block, the command line."""

import asyncio
import importlib.util
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from exchange import codec
from exchange.core import commands as c
from exchange.core.machine import apply
from exchange.core.state import Mirror, State
from exchange.shell.chain import checksum
from exchange.shell.deploy import FEES, STANDARD, Contracts, Deployment, Terms
from exchange.shell.devchain import DevChain
from exchange.shell.devnode import DevNode
from exchange.shell.observer import observations
from journal import Frame, Record, scan
from replay.__main__ import main
from replay.contracts import ChainView
from replay.reconcile import Verdict, reconcile

TESTS = Path(__file__).parents[1]
USDC = 10**6


def _load(name: str, path: Path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def contract_venue():
    """The contract tests' venue, with contracts as they are now."""
    _load("contracts_build", TESTS.parent / "contracts" / "build.py").build()
    return _load("replay_contract_venue", TESTS / "contracts" / "contract_venue.py")


def opened(contract_venue, monkeypatch, store: Path | None = None):
    """A venue on chain with one expiry and three funded traders, in memory or in a file."""
    monkeypatch.setattr(contract_venue, "DevChain", partial(DevChain, store=store))
    venue = contract_venue.Venue()
    players = [venue.open(name, 200_000 * USDC) for name in ("ann", "bob", "cyd")]
    strikes = [(strike * USDC, is_call) for strike in (55_000, 60_000, 65_000) for is_call in (True, False)]
    venue.list(venue.now // 1800 * 1800 + 8 * 1800, strikes)
    return venue, players


def deployment_of(venue) -> Deployment:
    addresses = {
        "usdc": venue.token,
        "vault": venue.vault,
        "oracle": venue.oracle,
        "margin": venue.margin,
        "arrays": venue.risk_arrays,
        "portfolio": venue.portfolio,
        "clearing": venue.clearing,
        "treasury": venue.treasury,
    }
    return Deployment(
        chain_id=venue.chain.chain_id,
        first_block=0,
        **dict.fromkeys(("operators", "operator", "token", "staking", "governor", "guardian"), checksum(bytes(20))),
        signers=[],
        terms=Terms(),
        **{name: checksum(contract.address) for name, contract in addresses.items()},
    )


@pytest.fixture
async def contracts_of():
    """Bindings over a chain object that the test goes on using."""
    workers = []

    def bind(venue) -> Contracts:
        workers.append(ThreadPoolExecutor(1))
        return Contracts(DevNode(venue.chain, workers[-1]), deployment_of(venue))

    yield bind
    for worker in workers:
        worker.shutdown()


def mirrored(venue) -> State:
    """A state whose mirror is what the contracts say when asked one by one."""
    state = State()
    ledger = venue.ledger()
    state.accounts |= dict.fromkeys(ledger)
    state.expiries |= dict.fromkeys(venue.expiries)
    state.mirror = Mirror(
        action_id=venue.clearing.call("action_count"),
        batch_id=venue.clearing.call("last_batch")[0],
        vault=venue.token.call("balanceOf", venue.vault.address),
        cash={account: cash for account, (cash, _) in ledger.items()},
        positions={account: positions for account, (_, positions) in ledger.items()},
        fixings={key: venue.clearing.call("expiry_state", key)[4] for key in venue.expiries if venue.is_fixed(key)},
    )
    return state


async def test_the_adapter_reads_what_the_contracts_hold(contract_venue, monkeypatch, contracts_of):
    venue, (ann, bob, cyd) = opened(contract_venue, monkeypatch)
    venue.post(venue.round())
    first = venue.cross(ann, bob, 1 << 16 | 4, 10_000, 700 * USDC)
    venue.settle(first)
    venue.settle(venue.cross(bob, cyd, 1 << 16 | 1, 2_500, 900 * USDC))
    state = mirrored(venue)
    view = await ChainView.at_head(contracts_of(venue))
    report = await reconcile(state, view, {1: first.header.journal_root})
    assert report.settled
    assert report.block == venue.chain.head.number
    positions = {(item.key, item.series): item.chain for item in report.items if item.what == "position"}
    assert positions == {(1, 65540): 10_000, (2, 65540): -10_000, (2, 65537): 2_500, (3, 65537): -2_500}

    venue.fix_at(1, 66_000 * USDC)
    venue.settle(venue.batch([], []))
    venue.chain.set_time(venue.now + 100)
    venue.send("keeper", venue.clearing, "settle_expiry", 1, [1, 2])
    settled = mirrored(venue)
    report = await reconcile(settled, await ChainView.at_head(contracts_of(venue)))
    assert report.settled
    assert next(item.chain for item in report.items if item.what == "fixing") == 66_000 * USDC
    assert {item.key for item in report.items if item.what == "position"} == {3}


async def test_the_block_is_the_one_the_journal_has_reached(contract_venue, monkeypatch, contracts_of):
    venue, (ann, *_) = opened(contract_venue, monkeypatch)
    state, block = mirrored(venue), venue.chain.head.number
    for _ in range(3):
        venue.deposit(ann, 5 * USDC)
    contracts = contracts_of(venue)
    at_head = await reconcile(state, await ChainView.at_head(contracts))
    late = {(item.what, item.key) for item in at_head.items if item.verdict is Verdict.LATE}
    assert late == {("action_id", 0), ("vault", 0), ("cash", ann.account)}
    assert at_head.ok
    pinned = await reconcile(state, await ChainView.at_action(contracts, state.mirror.action_id))
    assert pinned.settled
    assert block <= pinned.block < venue.chain.head.number


async def test_what_a_reorganisation_took_is_reorged(contract_venue, monkeypatch, contracts_of):
    venue, (ann, *_) = opened(contract_venue, monkeypatch)
    venue.deposit(ann, 5 * USDC)
    state = mirrored(venue)
    venue.chain.reorg(1)
    view = await ChainView.at_action(contracts_of(venue), state.mirror.action_id)
    report = await reconcile(state, view)
    reorged = {(item.what, item.key) for item in report.items if item.verdict is Verdict.REORGED}
    assert reorged == {("action_id", 0), ("vault", 0), ("cash", ann.account)}
    assert not report.ok


# -- command line: journal, chain file and deployment file -------------------------------------------------------------


@pytest.fixture
async def recorded(contract_venue, monkeypatch, golden, tmp_path):
    """A venue that only observes: its journal, and beside it the chain and the deployment file."""
    path = tmp_path / "venue.journal"
    chain_file = tmp_path / "venue.journal.chain"
    venue, players = opened(contract_venue, monkeypatch, chain_file)
    deployment = deployment_of(venue)
    deployment.save(tmp_path / "venue.journal.deployment.json")
    node = DevNode(venue.chain, ThreadPoolExecutor(1))
    contracts = Contracts(node, deployment)
    logs = await node.logs(0, venue.chain.head.number, [venue.clearing.address])
    commands = [
        c.Configure("test", 31337, b"C" * 20, b"O" * 20, b"P" * 20, 60, 10, 60, FEES, STANDARD),
        *await observations(contracts.clearing, tuple(logs), 0),
    ]
    state, records = State(), []
    for seq, command in enumerate(commands, 1):
        events = apply(state, seq, 10**18 + seq, command)
        records.append(Record(seq, 10**18 + seq, codec.encode_command(command), codec.encode_events(events)))
    await golden.write(path, records)
    return path, chain_file, venue, players, node


def reconciled(path: Path, chain_file: Path, capsys, *more: object) -> tuple[int, dict]:
    code = main(["reconcile", str(path), "--chain", str(chain_file), "--json", *map(str, more)])
    return code, json.loads(capsys.readouterr().out)


async def _in_thread(function, *arguments):
    """The command line runs its own event loop, so it needs a thread of its own here."""
    return await asyncio.to_thread(function, *arguments)


async def test_the_command_line_compares_a_journal_with_a_chain_file(recorded, capsys):
    path, chain_file, venue, (ann, *_), node = recorded
    code, told = await _in_thread(reconciled, path, chain_file, capsys)
    assert (code, told["ok"], told["settled"]) == (0, True, True)
    assert {item["what"] for item in told["items"]} == {"action_id", "batch_id", "vault", "tokens", "cash", "positions"}

    venue.deposit(ann, USDC)
    head = venue.chain.head.number
    code, told = await _in_thread(reconciled, path, chain_file, capsys)
    assert (code, told["settled"]) == (0, True)
    code, told = await _in_thread(reconciled, path, chain_file, capsys, "--block", head)
    assert (code, told["settled"]) == (0, False)

    venue.chain.reorg(head - told["block"] + 12)
    await node.close()
    code, told = await _in_thread(reconciled, path, chain_file, capsys)
    assert (code, told["ok"]) == (1, False)
    assert "reorged" in {item["verdict"] for item in told["items"]}
    assert await _in_thread(main, ["reconcile", str(path), "--chain", str(chain_file)]) == 1
    assert "the layers disagree" in capsys.readouterr().out


async def test_a_chain_that_is_not_there(recorded, capsys, tmp_path):
    path, _, _, _, node = recorded
    await node.close()
    for where in (tmp_path / "none.chain", "http://127.0.0.1:9"):
        code, told = await _in_thread(reconciled, path, where, capsys)
        assert code == 2
        assert told["error"]


async def test_both_sides_are_compared_at_a_block(recorded, capsys, golden, tmp_path):
    """The journal as it stood when it had seen a block, against the contracts at that block; later facts do not count."""
    path, chain_file, venue, (ann, *_), node = recorded
    block = venue.chain.head.number
    venue.deposit(ann, USDC)
    later = venue.chain.head.number
    logs = await node.logs(block + 1, later, [venue.clearing.address])
    contracts = Contracts(node, deployment_of(venue))
    old = [record for frame in scan(path) if isinstance(frame, Frame) for record in frame.records()]
    state, records = State(), []
    commands = [codec.decode_command(record.command) for record in old]
    commands.append(c.ObserveBlock(block, 10**9, bytes(32)))
    commands += await observations(contracts.clearing, tuple(logs), commands[-2].action_id)
    commands.append(c.ObserveBlock(later, 10**9, bytes(32)))
    for seq, command in enumerate(commands, 1):
        events = apply(state, seq, 10**18 + seq, command)
        records.append(Record(seq, 10**18 + seq, codec.encode_command(command), codec.encode_events(events)))
    longer = tmp_path / "longer.journal"
    await golden.write(longer, records)
    manifest = ("--manifest", tmp_path / "venue.journal.deployment.json")
    for at, seq in ((f"block:{block}", len(old) + 1), (f"block:{later}", len(records))):
        code, told = await _in_thread(reconciled, longer, chain_file, capsys, "--at", at, *manifest)
        assert (code, told["settled"], told["seq"], told["block"]) == (0, True, seq, int(at[6:]))
    code, told = await _in_thread(reconciled, longer, chain_file, capsys, "--block", block, *manifest)
    assert (code, told["ok"]) == (1, False)  # the end of the journal against a block that it has left behind


async def test_a_venue_is_followed_until_the_layers_disagree(recorded, capsys):
    """Each look reads what has been added; a deposit on chain is late, a reorganisation ends it."""
    path, chain_file, venue, (ann, *_), node = recorded

    def followed(*more):
        code = main(["reconcile", str(path), "--chain", str(chain_file), "--json", "--follow", "0", *map(str, more)])
        return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    code, told = await _in_thread(followed, "--rounds", 3)
    assert (code, [each["settled"] for each in told]) == (0, [True] * 3)
    venue.deposit(ann, USDC)
    venue.chain.reorg(20)
    await node.close()
    code, told = await _in_thread(followed)
    assert (code, [each["ok"] for each in told]) == (1, [False])
