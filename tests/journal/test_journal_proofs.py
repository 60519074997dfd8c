"""Consistency proofs, and both kinds of proof against a tree that others wrote."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal import (
    consistency_ranges,
    inclusion_ranges,
    leaf_hash,
    prove_consistency,
    prove_inclusion,
    root_of,
    roots_of,
    verify_consistency,
    verify_inclusion,
)

DATA = [b"record %d" % number for number in range(80)]
LEAVES = [leaf_hash(data) for data in DATA]


def test_every_tree_goes_on_from_each_of_its_beginnings():
    for new in range(1, 66):
        for old in range(1, new + 1):
            proof = prove_consistency(LEAVES[:new], old)
            roots = root_of(LEAVES[:old]), root_of(LEAVES[:new])
            assert verify_consistency(old, new, proof, *roots)
            assert len(proof) <= new.bit_length() + 1


@given(st.data())
def test_nothing_else_is_proved(data):
    new = data.draw(st.integers(2, 64))
    old = data.draw(st.integers(1, new - 1))
    proof = prove_consistency(LEAVES[:new], old)
    roots = root_of(LEAVES[:old]), root_of(LEAVES[:new])
    forged = data.draw(st.integers(0, old - 1))
    past = [*LEAVES[:forged], sha256(b"another").digest(), *LEAVES[forged + 1 :]]
    assert not verify_consistency(old, new, proof, root_of(past[:old]), roots[1])
    rewritten = root_of(past[:new])
    assert not verify_consistency(old, new, prove_consistency(past[:new], old), roots[0], rewritten)
    assert not verify_consistency(old, new, [*proof, roots[0]], *roots)
    assert not verify_consistency(old, new, proof[1:], *roots)
    assert not verify_consistency(0, new, proof, *roots)
    assert not verify_consistency(new, old, proof, *roots)


@given(st.data())
def test_roots_of_ranges_are_found_in_one_pass(data):
    size = data.draw(st.integers(1, 80))
    wanted = [span for index in range(0, size, 3) for span in inclusion_ranges(index, size)]
    wanted += consistency_ranges(data.draw(st.integers(1, size)), size)
    found = roots_of(iter(LEAVES[:size]), wanted)
    assert found == {(low, high): root_of(LEAVES[low:high]) for low, high in wanted}


def test_what_lies_outside_is_refused():
    for old, new in ((0, 3), (4, 3), (-1, 3)):
        with pytest.raises(IndexError):
            consistency_ranges(old, new)
    with pytest.raises(IndexError):
        roots_of(LEAVES[:4], [(2, 6)])


def test_another_implementation_agrees():
    """Roots, inclusion and consistency of pymerkle 7, which shares no line with this project."""
    pymerkle = pytest.importorskip("pymerkle")
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for size, data in enumerate(DATA, 1):
        tree.append_entry(data)
        assert tree.get_root(size) == root_of(LEAVES[:size])
    for size in (1, 2, 3, 7, 8, 31, 33, 64, 80):
        for index in range(1, size + 1):
            theirs = tree.prove_inclusion(index, size).serialize()
            ours = prove_inclusion(LEAVES[:size], index - 1)
            assert [bytes.fromhex(node) for node in theirs["path"]][1:] == ours
            assert verify_inclusion(LEAVES[index - 1], index - 1, size, ours, root_of(LEAVES[:size]))
        for old in range(1, size + 1):
            theirs = tree.prove_consistency(old, size)
            pymerkle.verify_consistency(tree.get_root(old), tree.get_root(size), theirs)
            ours = prove_consistency(LEAVES[:size], old)
            assert verify_consistency(old, size, ours, tree.get_root(old), tree.get_root(size))
