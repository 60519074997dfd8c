"""The tree against the recursive definition of RFC 6962, written here a second time and differently."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journal import Tree, prove_inclusion, root_of, verify_inclusion

LEAVES = [sha256(b"\x00%d" % i).digest() for i in range(201)]


def mth(leaves: list[bytes]) -> bytes:
    """Section 2.1 of RFC 6962, over leaves that are hashed already."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """Section 2.1.1 of RFC 6962."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def test_the_incremental_root_is_the_recursive_one_for_each_size_up_to_200() -> None:
    tree = Tree()
    for n in range(201):
        assert tree.size == n
        assert tree.root() == mth(LEAVES[:n]) == root_of(LEAVES[:n])
        tree.append(LEAVES[n])


@settings(deadline=None)
@given(st.integers(1, 200), st.data())
def test_each_leaf_is_proved_and_nothing_else_is(n: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, n - 1))
    proof = prove_inclusion(LEAVES[:n], index)
    root = mth(LEAVES[:n])
    assert proof == path(index, LEAVES[:n])
    assert verify_inclusion(LEAVES[index], index, n, proof, root)
    other = data.draw(st.integers(0, n).filter(lambda i: i != index))
    assert not verify_inclusion(LEAVES[index], other, n, proof, root)
    assert not verify_inclusion(LEAVES[n], index, n, proof, root)
    assert not verify_inclusion(LEAVES[index], index, n, [*proof, root], root)
    assert not verify_inclusion(LEAVES[index], index, n, proof, LEAVES[n])
    if proof:
        assert not verify_inclusion(LEAVES[index], index, n, proof[:-1], root)


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(0, 60))
def test_a_tree_continues_from_its_frontier(n: int, more: int) -> None:
    tree = Tree()
    tree.extend(LEAVES[:n])
    again = Tree(tree.size, tree.frontier)
    again.extend(LEAVES[:more])
    assert again.root() == mth(LEAVES[:n] + LEAVES[:more])


def test_a_frontier_must_fit_its_size() -> None:
    with pytest.raises(ValueError, match="2 subtrees, not 1"):
        Tree(3, [LEAVES[0]])


@pytest.mark.parametrize("index", [-1, 3])
def test_a_leaf_outside_the_tree_has_no_proof(index: int) -> None:
    with pytest.raises(IndexError):
        prove_inclusion(LEAVES[:3], index)
    assert not verify_inclusion(LEAVES[0], index, 3, [], LEAVES[0])
