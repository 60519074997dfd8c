"""``bundle``: evidence that a stranger verifies with one file; whatever is changed in it is found."""

import ast
import base64
import json
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from journal import encode_record, leaf_hash, root_of
from replay import verify_bundle
from replay.__main__ import main

NAME = "venue.example/journal"


def run(capsys, *arguments):
    code = main([*map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture
def keys(tmp_path, capsys):
    """A key file and its public key."""

    def make(name):
        path = tmp_path / f"{name.replace('/', '-')}.key"
        code, told = run(capsys, "key", name, path)
        assert code == 0
        assert path.stat().st_mode & 0o777 == 0o600
        return path, told["public_key"], told["witness_key"]

    return make


@pytest.fixture
def evidence(sample, keys, tmp_path, capsys):
    """A bundle of some records, with its key."""
    key, public, _ = keys(NAME)
    folder = tmp_path / "evidence"
    first, last = len(sample.records) // 2, len(sample.records) // 2 + 9
    arguments = ["bundle", sample.path, folder, "--first", first, "--last", last, "--key", key]
    code, told = run(capsys, *arguments, "--run", "explain fill 3", "--run", f"at {last} --account 3")
    assert (code, told["signed"]) == (0, True)
    return folder, public


def verdict(folder, *arguments):
    """Run the script as a stranger would: from elsewhere, isolated, without this project on the path."""
    command = [sys.executable, "-I", str(folder / "verify.py"), str(folder), *map(str, arguments), "--json"]
    done = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def test_a_stranger_verifies_it_with_one_file(evidence, sample):
    folder, public = evidence
    code, told = verdict(folder, "--key", public)
    assert (code, told["findings"]) == (0, [])
    assert len(told["anchors"]) == 2
    lines = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    assert [base64.b64decode(line["record"]) for line in lines] == [
        encode_record(record) for record in sample.records[lines[0]["seq"] - 1 : lines[-1]["seq"]]
    ]


def test_a_root_from_elsewhere_does_as_well_as_a_key(evidence, sample):
    folder, _ = evidence
    root = root_of(leaf_hash(encode_record(record)) for record in sample.records).hex()
    assert verdict(folder, "--root", root, "--size", len(sample.records))[0] == 0
    assert verdict(folder, "--root", root, "--size", len(sample.records) - 1)[0] == 1
    assert verdict(folder, "--root", "00" * 32, "--size", len(sample.records))[0] == 1


def test_held_against_nothing_it_says_nothing(evidence):
    folder, _ = evidence
    code, told = verdict(folder)
    assert (code, told["findings"], told["held_against"]) == (2, [], [])


def test_the_script_needs_the_standard_library_and_one_package():
    tree = ast.parse(Path(verify_bundle.__file__).read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    packages = {name.partition(".")[0] for name in names} - sys.stdlib_module_names
    assert packages == {"cryptography"}


def relist(folder, name):
    """Put a changed file into the manifest, as a forger would who cannot sign."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = sha256((folder / name).read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def flip(folder):
    path = folder / "records.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    record = bytearray(base64.b64decode(lines[4]["record"]))
    record[-1] ^= 1
    lines[4]["record"] = base64.b64encode(record).decode()
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    relist(folder, "records.jsonl")


def leave_out(folder):
    path = folder / "records.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], *lines[4:]]) + "\n")
    relist(folder, "records.jsonl")


def cut(folder):
    path = folder / "records.jsonl"
    path.write_text("\n".join(path.read_text().splitlines()[:-2]) + "\n")
    relist(folder, "records.jsonl")


def swap(folder):
    path = folder / "records.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], lines[3], lines[2], *lines[4:]]) + "\n")
    relist(folder, "records.jsonl")


def other_result(folder):
    (folder / "results" / "1.json").write_text("{}")
    relist(folder, "results/1.json")


def other_root(folder):
    path = folder / "checkpoint"
    lines = path.read_text().split("\n")
    lines[2] = base64.b64encode(bytes(32)).decode()
    path.write_text("\n".join(lines))
    relist(folder, "checkpoint")


def other_anchor(folder):
    path = folder / "anchors.json"
    anchors = json.loads(path.read_text())
    anchors[0]["root"] = "11" * 32
    path.write_text(json.dumps(anchors))
    relist(folder, "anchors.json")


def nonsense(folder):
    (folder / "records.jsonl").write_text("[]\n")
    relist(folder, "records.jsonl")


def extra(folder):
    (folder / "results" / "9.json").write_text("{}")


def missing(folder):
    (folder / "anchors.json").write_text("[]")
    (folder / "README.txt").unlink()


CHANGES = {
    flip: "is not the record under the root",
    leave_out: "is due stands",
    cut: "is missing",
    swap: "is due stands",
    other_result: "the venue did not sign this manifest",
    other_root: "the venue did not sign the checkpoint",
    other_anchor: "is not a beginning of the checkpoint",
    nonsense: "the bundle is malformed",
    extra: "results/9.json is not of this bundle",
    missing: "README.txt is missing",
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_whatever_is_changed_is_found_and_named(evidence, change):
    folder, public = evidence
    change(folder)
    code, told = verdict(folder, "--key", public)
    assert code == 1
    assert any(CHANGES[change] in finding for finding in told["findings"])


def test_another_key_did_not_sign_it(evidence, keys):
    folder, _ = evidence
    _, other, _ = keys("somebody.else")
    code, told = verdict(folder, "--key", other)
    assert code == 1
    assert "the venue did not sign the checkpoint" in told["findings"]


def test_a_folder_without_a_manifest_is_no_bundle(evidence):
    folder, public = evidence
    (folder / "manifest.json").unlink()
    assert verdict(folder, "--key", public)[0] == 2
    assert verdict(folder, "--key", "not a key")[0] == 2


def test_results_are_those_of_the_commands(evidence, sample, capsys):
    folder, _ = evidence
    commands = json.loads((folder / "manifest.json").read_text())["commands"]
    assert [command["exit_code"] for command in commands] == [0, 0]
    for command in commands:
        name, _, *rest = command["arguments"][1:]
        _, told = run(capsys, name, sample.path, *rest[:-1])
        assert json.loads((folder / command["result"]).read_text()) == told


@pytest.mark.parametrize(
    ("first", "last"), [(0, 5), (5, 4), (1, 10**6)], ids=["from nothing", "backwards", "beyond the end"]
)
def test_what_is_not_there_cannot_be_bundled(sample, keys, tmp_path, capsys, first, last):
    key, _, _ = keys(NAME)
    code, told = run(capsys, "bundle", sample.path, tmp_path / "e", "--first", first, "--last", last, "--key", key)
    assert (code, bool(told["error"])) == (2, True)
    code, told = run(capsys, "bundle", sample.path, tmp_path / "e", "--first", 1, "--last", 2)
    assert (code, bool(told["error"])) == (2, True)


def test_a_checkpoint_of_another_journal_is_refused(sample, signed_sample, keys, tmp_path, capsys):
    key, _, _ = keys(NAME)
    note = tmp_path / "checkpoint"
    assert run(capsys, "checkpoint", signed_sample.path, "--key", key, "--out", note, "--at", "200")[0] == 0
    arguments = ["bundle", sample.path, tmp_path / "e", "--first", 1, "--last", 2, "--checkpoint", note]
    code, told = run(capsys, *arguments)
    assert code == 2
    assert "not of this journal" in told["error"]


def test_a_bundle_may_rest_on_a_checkpoint_that_a_witness_has_seen(sample, keys, tmp_path, capsys):
    key, public, _ = keys(NAME)
    watch, _, watching = keys("witness.example")
    note, state, folder = tmp_path / "checkpoint", tmp_path / "seen", tmp_path / "evidence"
    assert run(capsys, "checkpoint", sample.path, "--key", key, "--out", note)[0] == 0
    assert run(capsys, "witness", state, note, "--venue", public, "--key", watch)[0] == 0
    arguments = ["bundle", sample.path, folder, "--first", 1, "--last", 3, "--checkpoint", state, "--key", key]
    assert run(capsys, *arguments)[0] == 0
    assert verdict(folder, "--key", public, "--witness", watching)[0] == 0
    shutil.copyfile(note, folder / "checkpoint")
    relist(folder, "checkpoint")
    assert "the witness did not cosign the checkpoint" in verdict(folder, "--witness", watching)[1]["findings"]
