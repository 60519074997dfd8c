"""The sources keep their own promises: named refusals, documented kill switches, code that fits a chain."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from pathlib import Path

import pytest
from contract_venue import GENESIS, address, key

from exchange.reverts import Revert
from exchange.shell.chain import Reverted
from exchange.shell.contract import artifact, deploy_local
from exchange.shell.devchain import DevChain

SOAK = os.environ.get("VERBATIM_SOAK") == "1"
ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "contracts").rglob("*.vy"))
REASON = re.compile(r'(?:because\(|assert [^\n]*, |raise )"([a-z_]+)"')
NUMBERED = re.compile(r"refusals\.([A-Z_]+)")


def reasons_in(path: Path) -> set[str]:
    text = path.read_text()
    return {*REASON.findall(text), *(name.lower() for name in NUMBERED.findall(text))}


def test_the_list_of_refusals_is_closed():
    found = set().union(*map(reasons_in, SOURCES))
    assert found == {reason.value for reason in Revert}


def test_every_number_has_its_name_and_is_used(market):
    text = (ROOT / "contracts" / "lib" / "refusals.vy").read_text()
    numbers = {
        name: int(number)
        for name, number in re.findall(r"^([A-Z_]+): constant\(uint256\) = (\d+)$", text, re.MULTILINE)
    }
    assert sorted(numbers.values()) == list(range(len(numbers)))
    assert set(numbers) == {name for path in SOURCES for name in NUMBERED.findall(path.read_text())}
    for name, number in numbers.items():
        assert market.venue.clearing.call("reason_of", number) == name.lower()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_assertion_has_a_name(path):
    text = path.read_text()
    assert not re.search(r'^\s*assert (?!.*"[a-z_]+"$)', text, re.MULTILINE)
    assert all(len(reason) <= 32 for reason in reasons_in(path))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_source_says_what_it_is_and_how_to_stop_it(path):
    text = path.read_text()
    assert text.startswith("# pragma version 0.4.3\n")
    head = text.split('"""')[1]
    for tag in ("@title", "@license Apache-2.0", "@notice", "@custom:kill"):
        assert tag in head


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_external_function_has_a_notice(path):
    for match in re.finditer(r"@external\n(?:@\w+\n)*def (\w+)\([^\"]*?:\n    (\S+)", path.read_text()):
        assert match[2] == '"""', match[1]


def builder():
    spec = importlib.util.spec_from_file_location("contracts_build", ROOT / "contracts" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LARGE = {"Clearing", "Office", "Blocks", "Cases", "Liquidations", "Portfolio", "RiskArrays", "Pool"}


def test_artifacts_fit_a_chain():
    build = builder()
    made = [json.loads(path.read_bytes()) for path in build.build()]
    assert {body["name"] for body in made} >= LARGE
    for body in made:
        assert 0 < body["runtime_size"] <= build.RUNTIME_LIMIT
        assert body["abi"]
        assert body["compiler"].startswith("vyper 0.4.3")


# Compiles once more what does not take long; make soak compiles everything.
@pytest.mark.timeout(600)
def test_artifacts_are_the_same_every_time_and_are_made_once(tmp_path, monkeypatch):
    build = builder()
    kept = {path.name: path.read_bytes() for path in build.build()}
    chosen = [path for path in build.deployables() if SOAK or path.stem not in LARGE]
    monkeypatch.setattr(build, "deployables", lambda: chosen)
    (tmp_path / "Gone.json").write_text("{}")
    (tmp_path / "Vault.json").write_text("not json")
    made = {path.name: path.read_bytes() for path in build.build(tmp_path)}
    assert {path.name for path in chosen} == {name.replace(".json", ".vy") for name in made}
    assert made == {name: kept[name] for name in made}
    assert not (tmp_path / "Gone.json").exists()
    stamp = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    build.build(tmp_path)
    assert stamp == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}


def sources(folder, **texts):
    for name, text in texts.items():
        path = folder / f"{name.replace('__', '/')}.vy"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder / "core" / "Vault.vy"


def test_what_a_contract_is_made_from_is_followed_to_the_end(tmp_path):
    build = builder()
    vault = sources(tmp_path, core__Vault="from lib import a\n", lib__a="from lib import b\n", lib__b="", lib__c="")
    assert [path.stem for path in build.made_from(vault, tmp_path)] == ["Vault", "a", "b"]
    clearing = {path.stem for path in build.made_from(ROOT / "contracts" / "core" / "Clearing.vy")}
    assert clearing >= {"Clearing", "Office", "Blocks", "Cases", "Liquidations", "liquidations", "batches"}


@pytest.mark.parametrize(
    "line", ["import lib.a", "from lib import a as b", "from lib import a, b", "from ethereum import x"]
)
def test_an_import_that_would_be_overlooked_is_refused(tmp_path, line):
    build = builder()
    with pytest.raises(build.ImportNotUnderstoodError, match="write `from folder import module`"):
        build.made_from(sources(tmp_path, core__Vault=f"{line}\n", lib__a=""), tmp_path)


@pytest.mark.parametrize("changed", ["Token", "Clearing"])
def test_only_what_a_change_reaches_is_compiled_again(tmp_path, monkeypatch, changed):
    build = builder()
    for path in build.build():
        body = json.loads(path.read_text())
        if path.stem == changed:
            body["made_from_sha256"] = "another"
        (tmp_path / path.name).write_text(json.dumps(body | {"source_sha256": "another"}))
    compiled = []
    monkeypatch.setattr(build, "compile_contract", lambda path: compiled.append(path.stem) or {"bytecode": "new"})
    made = {path.stem: json.loads(path.read_text()) for path in build.build(tmp_path)}
    assert compiled == [changed]
    assert {body["source_sha256"] for body in made.values()} == {build.sources_digest()}
    assert made[changed]["bytecode"] == "new"
    assert made["Vault"]["bytecode"].startswith("0x")


@pytest.mark.parametrize("chain_id", [1, 10, 8453, 42161, 11155111])
def test_the_test_token_refuses_production_chains(chain_id):
    chain = DevChain(chain_id=chain_id, genesis_time_s=GENESIS, allocation={address("operator"): 10**24})
    with pytest.raises(Reverted, match=Revert.CHAIN_PRODUCTION):
        deploy_local(chain, key("operator"), artifact("TestUSDC"))
