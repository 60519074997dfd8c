"""A deployment and its manifest, by the command line, on both kinds of chain: what is planted is found and named."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exchange.__main__ import main
from exchange.shell.anvil import Anvil, AnvilUnavailable
from exchange.shell.chain import to_address
from exchange.shell.clock import ManualClock
from exchange.shell.contract import artifact
from exchange.shell.deploy import Plan, Terms, deploy
from exchange.shell.devnode import DevNode
from exchange.shell.keys import dev_key
from exchange.shell.manifest import Manifest, compare, write
from exchange.shell.sender import Sender
from exchange.shell.venue import WEALTH_WEI, DevKeys
from exchange.signing import address_of

START_S = 1_800_000_000


@pytest.fixture
async def node() -> AsyncIterator[DevNode]:
    clock = ManualClock(START_S)
    operator = address_of(DevKeys.make().operator)
    async with await DevNode.open(
        finality_depth=2,
        genesis_time_s=START_S,
        clock=lambda: clock.now_ns() // 10**9,
        allocation={operator: WEALTH_WEI},
    ) as opened:
        yield opened


@pytest.fixture
async def founded(node: DevNode) -> tuple[DevNode, Manifest]:
    keys = DevKeys.make()
    made = await deploy(node, Sender(node, keys.operator), keys.plan(Terms()))
    return node, await write(node, made)


async def test_what_was_deployed_is_what_is_written(founded):
    node, manifest = founded
    assert await compare(manifest, node) == []
    again = msgspec.json.decode(msgspec.json.encode(manifest), type=Manifest)
    assert again == manifest
    assert await compare(again, node) == []
    pieces = manifest.pieces
    assert {piece.contract for piece in pieces.values()} == {
        "Vault", "Oracle", "Margin", "Clearing", "Operators", "Treasury", "Token", "Staking", "Governor", "Office",
        "Blocks", "Cases", "Liquidations", "RiskArrays", "Portfolio",
    }  # fmt: skip
    for piece in pieces.values():
        assert piece.code == artifact(piece.contract).made["runtime_sha256"]
        assert piece.immutables.keys() == artifact(piece.contract).made["immutables"].keys()
    assert int(pieces["office"].immutables["state.actions.WINDOW"], 16) == Terms().settlement_window_s
    assert pieces["vault"].parameters["cap()"] == str(Terms().vault_cap)


def planted(manifest: Manifest) -> list[tuple[str, str]]:
    """Everything that a manifest says of a contract and of the build."""
    found = [("artifacts", what) for what in ("compiler", "sources")]
    for label, piece in manifest.pieces.items():
        found += [(label, "code"), (label, "address")]
        found += [(label, name) for name in (*piece.immutables, *piece.parameters)]
    return found


def spoiled(manifest: Manifest, where: str, what: str) -> Manifest:
    """The manifest with one thing otherwise."""
    plain: Any = msgspec.to_builtins(manifest)
    if where == "artifacts":
        plain[what] += "x"
    else:
        piece = plain["pieces"][where]
        holder = next((part for part in (piece["immutables"], piece["parameters"]) if what in part), piece)
        if what == "address":
            holder[what] = plain["deployment"]["guardian"]  # where no contract is
        else:
            holder[what] = holder[what][:-1] + ("0" if holder[what][-1] != "0" else "1")
    return msgspec.convert(plain, Manifest)


async def test_whatever_is_planted_is_found_and_named(founded):
    """Each immutable, each parameter, each address and each code of each contract, one at a time."""
    node, manifest = founded
    things = planted(manifest)
    assert len(things) > 150
    for where, what in things:
        found = {(each.where, each.what) for each in await compare(spoiled(manifest, where, what), node)}
        if what in {"code", "address"}:
            assert {place for place, _ in found} == {where}, (where, what)
        elif where == "artifacts" or "." in what or what.isupper():
            # An immutable may be the address of the code that another contract runs: then that is missing too.
            assert (where, what) in found, (where, what)
            assert len(found) <= 2, (where, what)
        else:
            assert found == {(where, what)}


async def test_a_parameter_that_was_changed_on_the_chain_is_named(founded):
    node, manifest = founded
    guardian = dev_key("guardian")
    await node.fund(address_of(guardian), WEALTH_WEI)
    sender, vault = Sender(node, guardian), manifest.pieces["vault"].address
    lowered = artifact("Vault").interface.encode("set_cap", 5)
    await sender.included(await sender.submit(to_address(vault), lowered))
    (found,) = await compare(manifest, node)
    assert found == ("vault", "cap()", str(Terms().vault_cap), "5")


async def test_a_manifest_of_another_chain_is_said_to_be_one(founded):
    node, manifest = founded
    other = msgspec.structs.replace(manifest.deployment, chain_id=1)
    (found,) = await compare(msgspec.structs.replace(manifest, deployment=other), node)
    assert found[:2] == ("chain", "chain_id")


# -- the command line ---------------------------------------------------------------------------------------------------


def verbatim(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-m", "exchange", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": root}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    try:
        anvil = await Anvil.start(slots_in_an_epoch=1)
    except AnvilUnavailable as error:
        pytest.skip(f"anvil: {error.reason}")
    async with anvil:
        yield anvil.url


async def test_the_command_deploys_writes_and_verifies(url, tmp_path):
    """From an empty directory, with the keys of files, and again with development keys."""
    keys = DevKeys.make()
    plan, key = tmp_path / "plan.json", tmp_path / "key"
    plan.write_bytes(msgspec.json.encode(keys.plan(Terms(settlement_window_s=90))))
    key.write_text("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80\n")  # anvil's first account
    key.chmod(0o600)
    for name, how in (("a.json", ("--plan", plan, "--key-file", key)), ("b.json", ("--dev",))):
        done = await asyncio.to_thread(
            verbatim, "chain", "deploy", "--rpc", url, "--manifest", name, *how, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["clearing"].startswith("0x")
        same = await asyncio.to_thread(verbatim, "chain", "verify", name, "--rpc", url, cwd=tmp_path)
        assert (same.returncode, same.stdout) == (0, f"{name}: the chain has what it says\n")
    keeping = ("--manifest", "b.json", "--rpc", url, "--key-file", key, "--once")
    kept = await asyncio.to_thread(verbatim, "keeper", *keeping, cwd=tmp_path)
    assert (kept.returncode, kept.stdout) == (0, ""), kept.stderr
    text = (tmp_path / "a.json").read_text()
    assert Manifest.load(tmp_path / "a.json").deployment.terms.settlement_window_s == 90
    (tmp_path / "c.json").write_text(text.replace('"cap()": "1000000', '"cap()": "2000000'))
    other = await asyncio.to_thread(verbatim, "chain", "verify", "c.json", "--rpc", url, cwd=tmp_path)
    assert other.returncode == 1
    assert other.stdout.startswith("vault: cap() is 1000000")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("deploy", "--rpc", "http://127.0.0.1:1", "--manifest", "new.json"), "say --dev, or both"),
        (("deploy", "--rpc", "http://127.0.0.1:1", "--manifest", "there", "--dev"), "is there already"),
        (
            (
                "deploy",
                "--rpc",
                "http://127.0.0.1:1",
                "--manifest",
                "new.json",
                "--plan",
                "there",
                "--key-file",
                "there",
            ),
            "is no plan",
        ),
        (("verify", "nowhere.json", "--rpc", "http://127.0.0.1:1"), "is no manifest"),
        (("verify", "there", "--rpc", "http://127.0.0.1:1"), "is no manifest"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    Path("there").write_text("{}")
    assert main(["chain", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not Path("new.json").exists()


def test_a_key_that_others_may_read_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    keys = DevKeys.make()
    Path("plan").write_bytes(msgspec.json.encode(keys.plan(Terms())))
    for text, mode, said in (
        ("00" * 32, 0o644, "read by others"),
        ("00" * 31, 0o600, "31 bytes"),
        ("no", 0o600, "key"),
    ):
        Path("key").write_text(text)
        Path("key").chmod(mode)
        command = ["chain", "deploy", "--rpc", "http://127.0.0.1:1", "--manifest", "m", "--plan", "plan"]
        assert main([*command, "--key-file", "key"]) == 2
        assert said in capsys.readouterr().err


def test_a_plan_without_a_test_token_uses_the_one_it_names():
    plan = msgspec.json.decode(b'{"operator": "a", "guardian": "b", "signers": [], "usdc": "c"}', type=Plan)
    assert (plan.usdc, plan.terms) == ("c", Terms())
