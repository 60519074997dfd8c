"""Faults are asked for by name; what cannot be had is refused with what can."""

from pathlib import Path

import pytest

from exchange.simulator.faults import LASTING, MOMENTS, Fault, FaultError, Name, parse, require_possible


def test_a_fault_is_told_as_it_is_asked_for():
    assert parse("chain-down@2m+30s") == Fault(Name.CHAIN_DOWN, 120, 30)
    assert parse("crash@1h") == Fault(Name.CRASH, 3_600, 0)
    assert parse("disk-stall@5s") == Fault(Name.DISK_STALL, 5, LASTING[Name.DISK_STALL])
    for name in Name:
        asked = f"{name}@7s" if name in MOMENTS else f"{name}@7s+9s"
        assert str(parse(asked)) == asked


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chain-down", "NAME@TIME"),
        ("chain-down@2", "units are s, m, h"),
        ("chain-down@2s+3", "units are s, m, h"),
        ("earthquake@2s", "there are chain-down, reorg"),
        ("crash@2s+3s", "say crash@2s"),
        ("kill@2s+0s", "say for how long"),
    ],
)
def test_what_is_not_understood_is_refused_with_what_would_be(text, said):
    with pytest.raises(FaultError, match=said):
        parse(text)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["crash@100s"], "not within a run of 100 s"),
        (["kill@90s+20s"], "not within a run of 100 s"),
        (["crash@0s"], "not within a run of 100 s"),
        (["kill@10s+20s", "crash@20s"], "leaves nothing for the other"),
        (["flood@10s+20s", "flood@30s+5s"], "overlap"),
    ],
)
def test_what_makes_no_sense_together_is_refused(asked, said):
    with pytest.raises(FaultError, match=said):
        require_possible(tuple(map(parse, asked)), 100)


def test_what_can_happen_at_once_is_let_pass():
    require_possible(tuple(map(parse, ["chain-down@10s+50s", "oracle-stale@20s+50s", "crash@30s"])), 100)


def test_every_fault_is_told_of_in_the_documentation():
    told = (Path(__file__).parents[2] / "docs" / "SIMULATION.md").read_text()
    assert [name for name in Name if f"| `{name}` |" not in told] == []
