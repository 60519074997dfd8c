"""``diff`` names every field in which two states differ, and nothing else."""

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from exchange.core.images import decode, encode
from replay import compare
from replay.__main__ import main
from replay.tree import differences, named


def diff(capsys, *arguments):
    code = main(["diff", *map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_state_does_not_differ_from_itself(sample, capsys):
    seq = len(sample.records) // 2
    code, told = diff(capsys, sample.path, seq, seq)
    assert (code, told["equal"], told["differences"]) == (0, True, [])
    assert told["a"] == told["b"]


def test_two_moments_differ_in_what_the_record_between_them_did(sample, capsys):
    """A deposit moves cash of its account, of the vault, and the mirror: nothing else but seq and time."""
    seq = next(r.seq for r in sample.records if r.command[1] == 31)  # ObserveDeposit
    code, told = diff(capsys, sample.path, seq - 1, seq)
    assert code == 1
    paths = {each["path"] for each in told["differences"]} - {"time_ns"}
    number = next(path.split(".")[1] for path in paths if path.startswith("accounts."))
    assert paths == {
        "seq",
        f"accounts.{number}.cash",
        f"mirror.cash.{number}",
        "mirror.action_id",
        "mirror.vault",
    }
    code, told = diff(capsys, sample.path, seq - 1, seq, "--under", f"accounts.{number}")
    assert [each["path"] for each in told["differences"]] == [f"accounts.{number}.cash"]
    assert told["differences"][0]["b"] - told["differences"][0]["a"] == 300_000 * 10**6


def test_two_journals_differ_from_where_they_part(sample, signed_sample, capsys):
    """The opening of both is the same but for what is signed; afterwards they are two stories."""
    code, told = diff(capsys, sample.path, 5, "--other", sample.path)
    assert (code, told["equal"]) == (0, True)
    code, told = diff(capsys, sample.path, "end", "--other", signed_sample.path)
    assert code == 1
    assert told["b"]["journal"] == str(signed_sample.path)
    assert main(["diff", str(sample.path), "end", "--other", str(signed_sample.path)]) == 1
    assert "field(s) differ" in capsys.readouterr().out


def test_one_moment_alone_cannot_be_compared(sample, capsys):
    assert main(["diff", str(sample.path), "5", "--json"]) == 2
    assert "second moment" in json.loads(capsys.readouterr().out)["error"]


def test_a_planted_change_is_named_and_only_it(sample):
    state = sample.state_at(len(sample.records) // 2)
    other = decode(encode(state))
    other.accounts[3].cash += 7
    order = next(iter(other.orders.values()))
    order.price += 1
    found = {each.path: (each.a, each.b) for each in compare.of_states(state, other)}
    assert found == {
        "accounts.3.cash": (state.accounts[3].cash, other.accounts[3].cash),
        f"orders.{order.id}.price": (order.price - 1, order.price),
    }


def test_more_than_can_be_told_is_counted(sample, monkeypatch):
    states = sample.state_at(100), sample.state_at(len(sample.records) // 2)
    whole = compare.report_of(("a", states[0]), ("b", states[1]))
    monkeypatch.setattr(compare, "DIFFERENCES_MAX", 5)
    cut = compare.report_of(("a", states[0]), ("b", states[1]))
    assert (len(cut.differences), cut.omitted) == (5, len(whole.differences) - 5)


class Leaf(msgspec.Struct):
    id: int
    value: int


class Tree(msgspec.Struct):
    leaves: list[Leaf]
    pairs: list[tuple[int, int]]
    raw: bytes


trees = st.builds(
    Tree,
    leaves=st.lists(st.builds(Leaf, id=st.integers(0, 4), value=st.integers(0, 2)), unique_by=lambda x: x.id),
    pairs=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), unique_by=lambda x: x[0]),
    raw=st.binary(max_size=2),
)


@given(trees, trees)
def test_trees_differ_exactly_when_values_do(a, b):
    def canonical(tree):
        return sorted((x.id, x.value) for x in tree.leaves), sorted(tree.pairs), tree.raw

    found = list(differences(named(a), named(b)))
    assert bool(found) == (canonical(a) != canonical(b))
    assert all(each.a != each.b for each in found)
