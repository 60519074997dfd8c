"""The ABI codec: one-word types packed here must agree with eth_abi on every value, and refuse what it refuses."""

import json

import pytest
from eth_abi.abi import encode as reference
from hypothesis import given
from hypothesis import strategies as st

from exchange.shell import contract as binding
from exchange.shell.chain import Log
from exchange.shell.contract import Interface, UnknownArtifact, artifact

VALUES = {
    "uint8": st.integers(0, 2**8 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "uint256": st.integers(0, 2**256 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "int128": st.integers(-(2**127), 2**127 - 1),
    "int256": st.integers(-(2**255), 2**255 - 1),
    "bool": st.booleans(),
    "address": st.binary(min_size=20, max_size=20),
    "bytes32": st.binary(min_size=32, max_size=32),
    "string": st.text(max_size=40),
    "bytes": st.binary(max_size=70),
    "uint64[3]": st.lists(st.integers(0, 2**64 - 1), min_size=3, max_size=3).map(tuple),
    "(uint256,address)[]": st.lists(st.tuples(st.integers(0, 9), st.binary(min_size=20, max_size=20))).map(tuple),
}


def entry(kind):
    if not kind.startswith("("):
        return {"name": "x", "type": kind}
    return {
        "name": "x",
        "type": "tuple[]",
        "components": [{"name": "a", "type": "uint256"}, {"name": "b", "type": "address"}],
    }


def function(inputs, outputs=()):
    return [
        {"type": "function", "name": "f", "inputs": [entry(k) for k in inputs], "outputs": [entry(k) for k in outputs]}
    ]


def as_reference(kind, value):
    return ["0x" + value.hex()] if kind == "address" else [value]


@given(data=st.data())
def test_calls_and_results_agree_with_the_reference(data):
    kinds = data.draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=5))
    values = tuple(data.draw(VALUES[kind]) for kind in kinds)
    interface = Interface(function(kinds, kinds))
    encoded = reference(kinds, values)
    assert interface.encode("f", *values)[4:] == encoded
    expected = values[0] if len(values) == 1 else values or None
    assert interface.decode("f", encoded, len(kinds)) == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [("uint8", 256), ("uint64", -1), ("int64", 2**63), ("int64", -(2**63) - 1), ("address", b"\x01"), ("bytes32", b"")],
)
def test_what_does_not_fit_is_refused(kind, value):
    with pytest.raises((OverflowError, ValueError)):
        Interface(function([kind])).encode("f", value)


def test_names_and_counts_must_exist(marker):
    with pytest.raises(KeyError):
        marker.interface.encode("nothing")
    with pytest.raises(KeyError):
        marker.interface.encode("mark")
    assert marker.interface.encode("mark", 1) != marker.interface.encode("mark", 1, "")[:36]


def test_foreign_logs_are_passed_over(marker):
    log = Log(bytes(20), (b"\x01" * 32,), b"", 1, bytes(32), bytes(32), 0)
    anonymous = Log(bytes(20), (), b"", 1, bytes(32), bytes(32), 1)
    assert marker.interface.events([log, anonymous]) == []
    assert len(marker.interface.topic("Marked")) == 32


def test_constructor_arguments_follow_the_code():
    abi = [{"type": "constructor", "inputs": [entry("address"), entry("uint256")]}]
    code = binding.Artifact("X", abi, b"\x60\x00")
    assert code.creation_code(b"\x01" * 20, 5) == b"\x60\x00" + bytes(12) + b"\x01" * 20 + (5).to_bytes(32, "big")


def test_artifacts_come_from_the_package(tmp_path, monkeypatch, marker):
    folder = tmp_path / "artifacts"
    folder.mkdir()
    (folder / "Thing.json").write_text(json.dumps({"abi": marker.abi, "bytecode": "0x6000"}))
    monkeypatch.setattr(binding.resources, "files", lambda _package: tmp_path)
    artifact.cache_clear()
    try:
        assert artifact("Thing").bytecode == b"\x60\x00"
        assert artifact("Thing") is artifact("Thing")
        with pytest.raises(UnknownArtifact):
            artifact("Nothing")
    finally:
        artifact.cache_clear()
