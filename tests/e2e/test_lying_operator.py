"""An operator that takes back what it signed loses its bond to a trader with a file of receipts; an honest one cannot. # M08

Everything is real: the venue and its sequencer, the journal on disk, the contracts on a chain, the clients' receipts. The
liar goes on from an older copy of its own journal, so that a record somebody has a receipt for is gone.
"""

import contextlib
import shutil
from collections.abc import AsyncIterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec
import pytest
from e2e_serve import audit, run_module
from shell_floor import KEYS, START_S, Floor, open_market, opened

from exchange.core import commands as c
from exchange.evidence import Collection, Offence, Proof, Statement, decode_file, encode_file
from exchange.session.limits import UNLIMITED
from exchange.shell.chain import Reverted
from exchange.shell.client import Client
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Contracts, Deployment, Terms
from exchange.shell.devnode import DevNode
from exchange.shell.keys import dev_key
from exchange.shell.owner import GAS_MONEY_WEI
from exchange.shell.receipts import Receipts
from exchange.shell.sender import Sender
from exchange.shell.venue import Settings, deployment_path
from exchange.signing import address_of, to_hex
from journal import Frame, prove_inclusion, scan
from replay.contracts import open_contracts
from replay.headers import signed_headers

REPORTER = dev_key("reporter")
REVEAL_DELAY = 60
KEPT_APART = (".chain", ".lock", ".deployment.json")  # the chain goes on, whatever becomes of the journal


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=2)


@contextlib.asynccontextmanager
async def traders(floor: Floor, receipts: Receipts) -> AsyncIterator[list[Client]]:
    """Both wallets, logged in; what they are told is kept in one place."""
    async with floor.venue.gateway(limits=UNLIMITED) as gateway, contextlib.AsyncExitStack() as stack:
        clients = []
        for key in KEYS:
            clients.append(await stack.enter_async_context(await Client.connect(gateway.url, receipts=receipts)))
            await clients[-1].login(key)
        yield clients


async def trade_and_settle(floor: Floor, receipts: Receipts) -> None:
    """Orders that rest, trade, are refused and cancelled; a batch on the contracts, and orders after it."""
    await floor.block()
    await floor.post_round()
    async with traders(floor, receipts) as (maker, taker):
        name = min(await maker.instruments())
        resting = await maker.sell(name, 2, 800)
        await taker.buy(name, 1, 800, time_in_force="immediate_or_cancel")
        await maker.cancel(resting.order_id)
        await maker.sell(name, 1, 900)
        await maker.cancel_all()
        await floor.venue.apply(c.SealBatch())
        await floor.until_settled()
        await taker.buy(name, 1, 100)


def files_of(journal: Path) -> list[Path]:
    return [path for path in journal.parent.glob(journal.name + "*") if not path.name.endswith(KEPT_APART)]


def put_away(journal: Path, into: Path) -> None:
    """A copy of a journal that nobody writes."""
    into.mkdir()
    for path in files_of(journal):
        (shutil.copytree if path.is_dir() else shutil.copy2)(path, into / path.name)


def put_back(journal: Path, kept: Path) -> None:
    for path in files_of(journal):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in kept.iterdir():
        (shutil.copytree if path.is_dir() else shutil.copy2)(path, journal.parent / path.name)


async def lie(settings: Settings, tmp_path: Path) -> tuple[Path, Path]:
    """The files of two traders: one whose order the operator forgot, one who traded in its place."""
    forgotten, settled = tmp_path / "forgotten.json", tmp_path / "settled.json"
    async with opened(settings) as floor:
        await open_market(floor)
    put_away(settings.journal, tmp_path / "kept")
    receipts = Receipts()
    async with opened(settings) as floor:
        await floor.block()
        await floor.post_round()
        async with traders(floor, receipts) as (maker, _):
            await maker.sell(min(await maker.instruments()), 1, 700)
    receipts.save(forgotten)
    put_back(settings.journal, tmp_path / "kept")
    receipts = Receipts()
    async with opened(settings) as floor:
        await trade_and_settle(floor, receipts)
    receipts.save(settled)
    return forgotten, settled


async def sent(chain: DevNode, sender: Sender, contracts: Contracts, call: dict[str, Any]) -> None:
    """Announce, wait, show: the two calls as the command line printed them."""
    await chain.fund(sender.address, GAS_MONEY_WEI)
    to = contracts.operators.address
    await sender.included(await sender.submit(to, bytes.fromhex(call["commit"][2:])))
    head = await chain.block("latest")
    await chain.set_next_block_time(head.time_s + REVEAL_DELAY)
    await chain.mine(1)
    await sender.included(await sender.submit(to, bytes.fromhex(call["reveal"][2:])))


async def slashed_by(settings: Settings, call: dict[str, Any]) -> tuple[int, int]:
    """What the reporter and the treasury have once a call of the command line was sent. The chain keeps nothing of it."""
    deployment = Deployment.load(deployment_path(settings.journal))
    async with open_contracts(str(settings.journal) + ".chain", deployment) as contracts:
        chain = contracts.chain
        assert isinstance(chain, DevNode)
        snapshot = await chain.snapshot()
        await sent(chain, Sender(chain, REPORTER), contracts, call)
        *_, is_frozen = await contracts.operators.call("bonds", bytes.fromhex(deployment.operator[2:]))
        assert is_frozen
        receivers = (address_of(REPORTER), contracts.treasury.address)
        owed = [await contracts.operators.call("owed", receiver) for receiver in receivers]
        await chain.revert(snapshot)
    return owed[0], owed[1]


async def test_a_record_that_was_receipted_and_dropped_costs_the_bond(settings, tmp_path):
    """By the trader's file, the public journal and the public calldata; and by two traders' files without either."""
    forgotten, settled = await lie(settings, tmp_path)
    journal, chain = str(settings.journal), str(settings.journal) + ".chain"
    reporter = ("--reporter", to_hex(address_of(REPORTER)))
    bond = Terms().bond
    reward = bond.posted * bond.reporter_share // 10**18

    assert (await audit("receipts", journal, str(settled), "--chain", chain))["ok"]  # the second story is consistent

    told = await audit("receipts", journal, str(forgotten), "--chain", chain, *reporter)
    assert not told["ok"]
    assert "record_differs" in {finding["kind"] for finding in told["findings"]}
    omission = next(proof for proof in told["proofs"] if proof["function"] == "prove_omission")
    assert await slashed_by(settings, omission) == (reward, bond.posted - reward)

    both = tmp_path / "both.json"
    both.write_bytes(encode_file(merged(forgotten, settled)))
    told = await audit("receipts", journal, str(both), *reporter)
    assert "told_twice" in {finding["kind"] for finding in told["findings"]}
    twice = next(proof for proof in told["proofs"] if proof["function"] == "prove_equivocation")
    assert await slashed_by(settings, twice) == (reward, bond.posted - reward)


def merged(*files: Path) -> Collection:
    kept = [decode_file(path.read_bytes()) for path in files]
    return msgspec.structs.replace(kept[0], statements=tuple(said for each in kept for said in each.statements))


async def test_the_word_of_an_honest_operator_cannot_be_turned_against_it(settings, tmp_path):
    """Every pair of everything it signed, and every path of its journal, is refused by the contract; the audit is clean."""
    receipts, path = Receipts(), tmp_path / "receipts.json"
    async with opened(settings) as floor:
        await open_market(floor)
        await trade_and_settle(floor, receipts)
    async with opened(settings) as floor:  # and a restart changes nothing
        await trade_and_settle(floor, receipts)
    receipts.save(path)
    journal, chain = str(settings.journal), str(settings.journal) + ".chain"
    told = await audit("receipts", journal, str(path), "--chain", chain)
    assert (told["ok"], told["receipts"], told["batches"], told["proofs"]) == (True, 12, 2, [])
    code, out, _ = await run_module("replay", "receipts", journal, str(path))
    assert (code, "the operator kept its word" in out) == (0, True)

    leaves = [leaf for frame in scan(settings.journal) if isinstance(frame, Frame) for leaf in frame.leaves()]
    deployment = Deployment.load(deployment_path(settings.journal))
    async with open_contracts(chain, deployment) as contracts:
        said = [*decode_file(path.read_bytes()).statements, *await signed_headers(contracts)]
        proofs = [Proof(Offence.EQUIVOCATION, *pair) for pair in combinations(said, 2)]
        proofs += list(omissions(said, leaves))
        assert await refusals(contracts, proofs) == {"statements_agree", "leaf_same", "proof_wrong"}


def omissions(said: Sequence[Statement], leaves: list[bytes]) -> Any:
    """Each receipt against each later root, with the true path and that of its neighbour."""
    for receipt in [each for each in said if each.size + 1 == each.number]:
        for head in [each for each in said if each.size >= receipt.number]:
            for at in (receipt.number - 1, receipt.number % head.size):
                way = tuple(prove_inclusion(leaves[: head.size], at))
                yield Proof(Offence.OMISSION, receipt, head, leaves[at], way)


async def refusals(contracts: Contracts, proofs: Sequence[Proof]) -> set[str]:
    """The reasons for which the contract refuses these proofs, each announced in time."""
    chain, salt = contracts.chain, bytes(32)
    assert isinstance(chain, DevNode)
    reporter = Sender(chain, REPORTER)
    await chain.fund(reporter.address, GAS_MONEY_WEI)
    clearing = contracts.deployment
    domain = Collection(clearing.chain_id, clearing.clearing, clearing.operator, ()).domain()
    announced = {proof.commitment(domain, reporter.address, salt): proof for proof in proofs}
    for commitment in announced:
        data = contracts.operators.encode("commit", commitment)
        await reporter.included(await reporter.submit(contracts.operators.address, data))
    head = await chain.block("latest")
    await chain.set_next_block_time(head.time_s + REVEAL_DELAY)
    await chain.mine(1)
    reasons = set()
    for proof in proofs:
        name, args = proof.call(salt)
        with pytest.raises(Reverted) as caught:
            await contracts.operators.call(name, *args, sender=reporter.address)
        reasons.add(caught.value.reason)
    return reasons
