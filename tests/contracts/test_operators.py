"""The bond of an operator: every refusal, every lie that is paid, and no truth that can be made a lie of. # M08"""

from __future__ import annotations

from itertools import combinations, permutations

import pytest
from contract_court import (
    BOND,
    CALL_BACK,
    DELAY,
    FEE,
    LIE,
    MINIMUM,
    PROOF_WINDOW,
    REFUSE,
    REVEAL_DELAY,
    SALT,
    SHARE,
    Court,
    equivocation,
    hostile_token,
    journal,
    leaf,
    omission,
)
from contract_venue import address, key
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange import signing
from exchange.evidence import Offence, Proof, Statement, contradict, equivocations
from exchange.reverts import Revert
from exchange.shell.chain import Reverted
from exchange.signing import GROUP_ORDER, BatchHeader
from journal import prove_inclusion, root_of

REWARD = BOND * SHARE // 10**18
TRUE = journal(40)
FALSE = [*TRUE[:20], leaf("rewritten"), *TRUE[21:]]  # record 21 is another


@pytest.fixture
def court() -> Court:
    made = Court()
    made.bond()
    return made


@pytest.fixture(scope="module")
def shared() -> Court:
    """For examples that take everything back (`verdict`)."""
    made = Court()
    made.bond()
    return made


# -- lies that are paid ------------------------------------------------------------------------------------------------


def lies(court: Court) -> dict[str, Proof]:
    """One of each kind."""
    receipt, batch = court.receipt, court.batch
    return {
        "two records for one seq": equivocation(receipt(TRUE, 21), receipt(FALSE, 21)),
        "two times for one record": equivocation(receipt(TRUE, 3), receipt(TRUE, 3, time_ns=1)),
        "two pasts for one record": equivocation(receipt(TRUE, 30), receipt(FALSE, 30)),
        "two roots for one batch": equivocation(batch(TRUE, 7, 25), batch(FALSE, 7, 25)),
        "one batch at two sizes": equivocation(batch(TRUE, 7, 25), batch(TRUE, 7, 26)),
        "two roots for one size": equivocation(batch(TRUE, 7, 25), batch(FALSE, 8, 25)),
        "a receipt and a batch": equivocation(receipt(TRUE, 26), batch(FALSE, 8, 25)),
        "another record in a batch": omission(receipt(TRUE, 21), batch(FALSE, 7, 33), FALSE),
        "the same at the edge": omission(receipt(TRUE, 21), batch(FALSE, 7, 21), FALSE),
        "another record in a later receipt": omission(receipt(TRUE, 21), receipt(FALSE, 40), FALSE),
        "dropped, and the rest moved up": omission(
            receipt(TRUE, 21), batch([*TRUE[:20], *TRUE[21:]], 7, 30), [*TRUE[:20], *TRUE[21:]]
        ),
        "the first and only record": omission(receipt(TRUE, 1), batch(journal(1, "x"), 1, 1), journal(1, "x")),
    }


@pytest.mark.parametrize("name", list(lies(Court())))
def test_a_lie_takes_the_whole_bond_and_is_paid_once(court, name):
    proof = lies(court)[name]
    held = court.balance(court.operators.address)
    court.prove(proof)
    assert court.bond_of() == (0, 0, 0, True, True)
    assert (court.owed("reporter"), court.owed("treasury")) == (REWARD, BOND - REWARD)
    again = lies(court)["two times for one record"]
    name_of_call, args = proof.call(SALT)
    assert court.refusal("reporter", name_of_call, *args) == Revert.OPERATOR_FROZEN
    assert court.verdict(proof, salt=bytes(32)) == Revert.OPERATOR_FROZEN
    if name != "two times for one record":
        assert court.verdict(again) == Revert.OPERATOR_FROZEN
    court.send("other", "collect", address("reporter"))
    court.send("other", "collect", address("treasury"))
    assert (court.balance("reporter"), court.balance("treasury")) == (REWARD, BOND - REWARD)
    assert court.balance(court.operators.address) == held - BOND == 0
    assert court.refusal("reporter", "collect", address("reporter")) == Revert.NOTHING_OWED


def retire(court: Court) -> None:
    """Somebody else comes into office, so that the whole bond may be asked for."""
    court.appoint("other")


def test_what_was_asked_back_is_lost_until_it_is_paid(court):
    retire(court)
    court.send("operator", "request_withdrawal", BOND)
    court.wait(DELAY - REVEAL_DELAY - 10)
    court.prove(lies(court)["two records for one seq"])
    assert court.owed("reporter") == REWARD
    court.wait(DELAY)
    assert court.refusal("operator", "withdraw") == Revert.WITHDRAWAL_UNKNOWN
    assert court.refusal("operator", "request_withdrawal", 1) == Revert.OPERATOR_FROZEN


def test_an_operator_without_a_bond_left_is_frozen_for_nothing(court):
    retire(court)
    court.send("operator", "request_withdrawal", BOND)
    court.wait(DELAY)
    court.send("operator", "withdraw")
    court.prove(lies(court)["two records for one seq"])
    amount, requested, _, is_known, is_frozen = court.bond_of()
    assert (amount, requested, is_known, is_frozen) == (0, 0, True, True)
    assert court.owed("reporter") == court.owed("treasury") == 0
    court.fund("other", 10)
    assert court.refusal("other", "post_bond", address("operator"), 10) == Revert.OPERATOR_FROZEN


def test_one_operators_lie_costs_nobody_else(court):
    court.fund("other", BOND)
    court.send("other", "post_bond", address("other"), BOND)
    court.prove(lies(court)["two records for one seq"])
    assert court.bond_of("other") == (BOND, 0, 0, True, False)
    assert court.balance(court.operators.address) == 2 * BOND


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_every_record_that_a_later_root_does_not_hold_is_paid_for(shared, data):
    """Trees of any shape, any place, a batch or a later receipt over it."""
    size = data.draw(st.integers(1, 70), "size")
    seq = data.draw(st.integers(1, size), "seq")
    told = journal(size)
    kept = [*told[: seq - 1], leaf("another"), *told[seq:]]
    by_receipt = data.draw(st.booleans(), "by receipt")
    head = shared.receipt([*kept, leaf("next")], size + 1) if by_receipt else shared.batch(kept, 9, size)
    assert shared.verdict(omission(shared.receipt(told, seq), head, kept)) == "accepted"


def test_every_place_of_every_small_tree_can_be_proved(court):
    """Sizes that are no power of two have paths of different lengths."""
    proofs = []
    for size in range(1, 14):
        kept = journal(size, "kept")
        head = court.batch(kept, size, size)
        proofs += [omission(court.receipt(journal(size), seq), head, kept) for seq in range(1, size + 1)]
    for proof in proofs:
        court.commit(proof)
    court.wait(REVEAL_DELAY + 1)
    court.chain.mine()
    for proof in proofs:
        name, args = proof.call(SALT)
        court.operators.call(name, *args, sender=address("reporter"))  # raises if it is refused


# -- truths that nobody can make a lie of ------------------------------------------------------------------------------


def honest(court: Court, leaves: list[bytes], sealed: list[int]) -> list[Statement]:
    """Everything an honest operator signs: a receipt for each record, a header for each batch, some of them twice."""
    receipts = [court.receipt(leaves, seq) for seq in range(1, len(leaves) + 1)]
    batches = [court.batch(leaves, number, size) for number, size in enumerate(sealed, 1)]
    again = [court.batch(leaves, number, size, deadline=1, round_id=9) for number, size in enumerate(sealed, 1)]
    return [*receipts, *batches, *again, *receipts[:3]]


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 24), st.data())
def test_no_two_true_statements_contradict_each_other(shared, size, data):
    """Everything that was signed about one journal, in pairs: in Python all of them, on the chain one drawn."""
    sealed = sorted(data.draw(st.lists(st.integers(1, size), max_size=3), "sealed"))
    said = honest(shared, journal(size), sealed)
    assert not any(contradict(*pair) for pair in permutations(said, 2))
    assert list(equivocations(said)) == []
    first, second = data.draw(st.tuples(st.sampled_from(said), st.sampled_from(said)))
    assert shared.verdict(equivocation(first, second)) == Revert.STATEMENTS_AGREE


@st.composite
def paths(draw: st.DrawFn, leaves: list[bytes], seq: int) -> tuple[bytes, list[bytes]]:
    """A leaf and a path made from true ones: of another place or size, cut, extended, or nodes dressed as leaves."""
    size = draw(st.integers(seq, len(leaves)))
    at = draw(st.sampled_from([seq - 1, draw(st.integers(0, size - 1))]))
    path = prove_inclusion(leaves[:size], at)
    claimed = draw(st.sampled_from([leaves[at], *path, root_of(leaves[:size]), leaf("forged"), bytes(32)]))
    change = draw(st.sampled_from(["whole", "cut", "extended", "swapped", "no"]))
    if change == "cut":
        path = path[draw(st.integers(0, len(path))) :]
    elif change == "extended":
        path = [*path, draw(st.sampled_from([*leaves, bytes(32)]))]
    elif change == "swapped":
        path = path[::-1]
    return claimed, path if change != "no" else []


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 24), st.data())
def test_no_path_shows_another_record_under_a_true_root(shared, size, data):
    """Whatever leaf and path are put together from what is public, a true receipt stands under every later root."""
    leaves = journal(size)
    seq = data.draw(st.integers(1, size), "seq")
    claimed, path = data.draw(paths(leaves, seq))
    heads = [shared.batch(leaves, 1, covered) for covered in range(size + 1)]
    heads += [shared.receipt([*leaves, leaf("next")], place) for place in range(1, size + 2)]
    head = data.draw(st.sampled_from(heads), "head")
    proof = Proof(Offence.OMISSION, shared.receipt(leaves, seq), head, claimed, tuple(path))
    expected = Revert.LEAF_SAME if claimed == leaves[seq - 1] else Revert.PROOF_WRONG
    assert shared.verdict(proof) == expected


def test_a_root_from_before_the_receipt_says_nothing_of_it(court):
    """Off by one in either direction: the root before a record, and the batch that ends just short of it."""
    for head in (court.batch(FALSE, 7, 20), court.receipt(FALSE, 21)):
        assert head.size == 20
        at = omission(court.receipt(TRUE, 21), court.batch(FALSE, 7, 33), FALSE)
        proof = Proof(Offence.OMISSION, at.first, head, at.leaf, at.path)
        assert court.verdict(proof) == Revert.PROOF_WRONG


def test_an_interior_node_is_no_leaf(court):
    """A receipt over an interior node's hash cannot be had from an honest journal, nor a node shown in a leaf's place."""
    leaves = journal(4)
    left, right = root_of(leaves[:2]), root_of(leaves[2:])
    head = court.batch(leaves, 1, 4)
    proof = Proof(Offence.OMISSION, court.receipt(leaves, 1), head, left, (right,))
    assert court.verdict(proof) == Revert.PROOF_WRONG


def test_statements_for_another_chain_or_contract_prove_nothing(court):
    here = court.domain
    for domain in (
        signing.domain_separator(1, court.clearing.address),
        signing.domain_separator(court.chain.chain_id, court.operators.address),
        signing.domain_separator(court.chain.chain_id, bytes(20)),
    ):
        court.domain = domain
        first, second = court.receipt(TRUE, 21), court.receipt(FALSE, 21)
        court.domain = here
        assert court.verdict(equivocation(first, second)) in {Revert.STATEMENT_SIGNER, Revert.OPERATOR_UNKNOWN}
        mixed = equivocation(first, court.receipt(FALSE, 21))
        assert court.verdict(mixed) == Revert.STATEMENT_SIGNER


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_one_of_two_storytellers_may_be_the_reporter(court):
    """Two statements must be of one signer, and that one bonded."""
    first = court.receipt(TRUE, 21)
    assert court.verdict(equivocation(first, court.receipt(FALSE, 21, by="reporter"))) == Revert.STATEMENT_SIGNER
    strangers = [court.receipt(story, 21, by="reporter") for story in (TRUE, FALSE)]
    assert court.verdict(equivocation(*strangers)) == Revert.OPERATOR_UNKNOWN
    unsigned = [Statement(each.said, bytes(65)[:-1] + bytes((27,))) for each in strangers]
    assert court.verdict(equivocation(*unsigned)) == Revert.STATEMENT_SIGNER


def test_the_other_spelling_of_a_signature_is_refused(court):
    """It would not be a second statement anyway: digests are compared, not signatures."""
    proof = lies(court)["two records for one seq"]
    court.commit(proof)
    court.wait(REVEAL_DELAY)
    name, (first, second, salt) = proof.call(SALT)
    is_batch, words, r, vs = first
    high = GROUP_ORDER - (vs & (2**255 - 1)) | (1 - (vs >> 255)) << 255
    assert court.refusal("reporter", name, (is_batch, words, r, high), second, salt) == Revert.STATEMENT_SIGNER


def test_a_batch_is_no_receipt(court):
    """Neither a header where the omitted receipt belongs, nor the words of one dressed up as a receipt."""
    batch = court.batch(TRUE, 21, 30)
    proof = omission(court.receipt(TRUE, 21), court.batch(FALSE, 7, 33), FALSE)
    assert court.verdict(Proof(Offence.OMISSION, batch, proof.second, proof.leaf, proof.path)) == Revert.STATEMENT_FORM
    name, (first, second, salt) = lies(court)["two records for one seq"].call(SALT)
    _, words, r, vs = first
    for spoiled in ([0, *words[1:]], [*words[:4], 1, 0], [*words[:5], 1]):
        assert court.refusal("reporter", name, (False, spoiled, r, vs), second, salt) == Revert.STATEMENT_FORM


def test_a_proof_must_have_been_announced_by_whoever_shows_it(court):
    proof = lies(court)["two records for one seq"]
    name, args = proof.call(SALT)
    assert court.refusal("reporter", name, *args) == Revert.COMMITMENT_UNKNOWN
    court.commit(proof)
    assert court.refusal("reporter", name, *args) == Revert.COMMITMENT_EARLY
    court.wait(REVEAL_DELAY)
    # A copyist who reads the revealed call has to announce it himself, and to wait, while it is being mined.
    assert court.refusal("copyist", name, *args) == Revert.COMMITMENT_UNKNOWN
    court.commit(proof, "copyist")
    assert court.refusal("copyist", name, *args) == Revert.COMMITMENT_EARLY
    court.send("reporter", name, *args)
    assert court.owed("copyist") == 0 < court.owed("reporter")


def test_a_copied_commitment_only_helps_its_author(court):
    proof = lies(court)["two records for one seq"]
    court.send("copyist", "commit", proof.commitment(court.domain, address("reporter"), SALT))
    with pytest.raises(Reverted, match=Revert.COMMITMENT_KNOWN):
        court.commit(proof)
    court.wait(REVEAL_DELAY)
    name, args = proof.call(SALT)
    assert court.refusal("copyist", name, *args) == Revert.COMMITMENT_UNKNOWN
    court.send("reporter", name, *args)


@pytest.mark.parametrize(
    "terms",
    [
        {"minimum": 0},
        {"share": 0},
        {"share": 5 * 10**17 + 1},
        {"delay": PROOF_WINDOW + REVEAL_DELAY},
        {"window": DELAY},
    ],
)
def test_terms_under_which_lying_would_pay_are_refused(terms):
    with pytest.raises(Reverted, match=Revert.PARAMETER_RANGE):
        Court(**terms)


# -- the bond ----------------------------------------------------------------------------------------------------------


def test_bonds_that_are_refused(court):
    court.fund("other", 5)
    assert court.refusal("other", "post_bond", bytes(20), 5) == Revert.OPERATOR_UNKNOWN
    assert court.refusal("other", "post_bond", address("operator"), 0) == Revert.AMOUNT_ZERO
    assert court.refusal("other", "post_bond", address("operator"), 6) == Revert.TOKEN_BALANCE
    assert court.refusal("other", "request_withdrawal", 1) == Revert.OPERATOR_UNKNOWN
    court.send("other", "post_bond", address("operator"), 5)
    assert court.bond_of()[0] == BOND + 5


def test_the_operator_in_office_keeps_its_minimum(court):
    assert court.operators.call("is_bonded", address("operator"))
    assert court.refusal("operator", "request_withdrawal", BOND - MINIMUM + 1) == Revert.BOND_MINIMUM
    assert court.refusal("operator", "request_withdrawal", BOND + 1) == Revert.AMOUNT_RANGE
    assert court.refusal("operator", "request_withdrawal", 0) == Revert.AMOUNT_ZERO
    assert court.refusal("operator", "withdraw") == Revert.WITHDRAWAL_UNKNOWN
    court.send("operator", "request_withdrawal", BOND - MINIMUM)
    assert court.operators.call("is_bonded", address("operator"))
    assert court.refusal("other", "void_withdrawal", address("operator")) == Revert.ONLY_OPERATOR
    court.wait(DELAY - 10)
    assert court.refusal("operator", "withdraw") == Revert.WITHDRAWAL_EARLY
    court.wait(DELAY)
    court.send("operator", "withdraw")
    assert court.balance("operator") == BOND - MINIMUM
    assert court.bond_of()[:2] == (MINIMUM, 0)


def test_an_operator_that_steps_down_and_returns_keeps_its_bond(court):
    retire(court)
    court.send("operator", "request_withdrawal", BOND)
    assert not court.operators.call("is_bonded", address("operator"))
    court.appoint("operator")
    court.wait(DELAY)
    assert court.refusal("operator", "withdraw") == Revert.BOND_MINIMUM
    court.send("reporter", "void_withdrawal", address("operator"))  # before it steps down again
    retire(court)
    assert court.refusal("operator", "withdraw") == Revert.WITHDRAWAL_UNKNOWN
    court.send("operator", "request_withdrawal", BOND)
    court.send("operator", "void_withdrawal", address("operator"))
    assert court.refusal("operator", "void_withdrawal", address("operator")) == Revert.WITHDRAWAL_UNKNOWN


def test_a_new_request_starts_the_delay_anew(court):
    court.send("operator", "request_withdrawal", 1)
    court.wait(DELAY)
    court.send("operator", "request_withdrawal", BOND - MINIMUM)
    assert court.refusal("operator", "withdraw") == Revert.WITHDRAWAL_EARLY


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["bond", "request", "void", "withdraw", "prove", "collect", "wait", "office"]),
        st.sampled_from(["operator", "other"]),
        st.integers(0, 2 * MINIMUM),
    ),
    max_size=14,
)


def step(court: Court, what: str, who: str, amount: int) -> None:
    match what:
        case "bond":
            court.fund(who, amount)
            court.send(who, "post_bond", address(who), amount)
        case "request":
            court.send(who, "request_withdrawal", amount)
        case "void":
            court.send("reporter", "void_withdrawal", address(who))
        case "withdraw":
            court.send(who, "withdraw")
        case "prove":
            court.prove(equivocation(court.receipt(TRUE, 21, by=who), court.receipt(FALSE, 21, by=who)))
        case "collect":
            court.send(who, "collect", address("reporter" if amount & 1 else "treasury"))
        case "wait":
            court.wait(DELAY)
            court.chain.mine()
        case _:
            court.appoint(who)


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_what_it_holds_is_what_it_owes(shared, steps):
    """Bonds and rewards together are the tokens it holds, whatever is done in whatever order; refusals included."""
    snapshot = shared.chain.snapshot()
    refusals: list[str] = []
    for each in steps:
        try:
            step(shared, *each)
        except Reverted as error:
            refusals.append(error.reason)
        bonds = sum(shared.bond_of(who)[0] for who in ("operator", "other"))
        owed = shared.owed("reporter") + shared.owed("treasury")
        assert shared.balance(shared.operators.address) == bonds + owed
        assert all(shared.bond_of(who)[1] <= shared.bond_of(who)[0] for who in ("operator", "other"))
    assert set(refusals) <= set(Revert)
    shared.chain.revert(snapshot)


# -- a token that cheats -----------------------------------------------------------------------------------------------


@pytest.fixture
def cheated() -> Court:
    made = Court(hostile_token())
    made.bond()
    return made


def behave(court: Court, mode: int, name: str = "collect", *args: object) -> None:
    message = court.operators.interface.encode(name, *args) if args else b""
    court.token.send(key("other"), "behave", mode, court.operators.address, message)


@pytest.mark.parametrize(
    ("mode", "reason"), [(FEE, Revert.BOND_DELTA), (LIE, Revert.BOND_DELTA), (REFUSE, Revert.BOND_TRANSFER)]
)
def test_a_token_that_moves_less_than_it_says_makes_no_bond(cheated, mode, reason):
    cheated.fund("other", 50)
    behave(cheated, mode)
    assert cheated.refusal("other", "post_bond", address("other"), 50) == reason


def test_a_token_that_refuses_stops_no_proof(cheated):
    behave(cheated, REFUSE)
    cheated.prove(lies(cheated)["two records for one seq"])
    assert cheated.refusal("other", "collect", address("reporter")) == Revert.BOND_TRANSFER
    assert cheated.owed("reporter") == REWARD
    behave(cheated, 0)
    cheated.send("other", "collect", address("reporter"))
    assert cheated.balance("reporter") == REWARD


def test_a_token_that_calls_back_is_let_into_nothing(cheated):
    """While tokens move nothing else does: no second payment, no bond under a bond, no proof in between."""
    proof = lies(cheated)["two records for one seq"]
    name, args = proof.call(SALT)
    calls = [
        ("post_bond", (address("operator"), 1)),
        ("collect", (address("treasury"),)),
        ("void_withdrawal", (address("operator"),)),
        (name, args),
    ]
    cheated.commit(proof)
    cheated.wait(REVEAL_DELAY)
    for called, with_args in calls:
        cheated.fund("other", 10)
        behave(cheated, CALL_BACK, called, *with_args)
        cheated.send("other", "post_bond", address("other"), 10)
        assert not cheated.token.call("answered")
    assert cheated.bond_of("other")[0] == 10 * len(calls)
    cheated.send("reporter", name, *args)
    behave(cheated, CALL_BACK, "collect", address("reporter"))
    cheated.send("other", "collect", address("reporter"))
    assert not cheated.token.call("answered")
    assert cheated.balance("reporter") == REWARD


# -- gas ---------------------------------------------------------------------------------------------------------------


def deep(court: Court, depth: int) -> Proof:
    """An omission in a journal of 2**depth records, of which only the path is made."""
    found, path = leaf("another"), tuple(leaf(f"sibling {level}") for level in range(depth))
    root = found
    for sibling in path:
        root = root_of([root, sibling])
    head = court.sign(BatchHeader(batch_id=1, round_id=1, deadline=1, journal_size=2**depth, journal_root=root))
    return Proof(Offence.OMISSION, court.receipt(TRUE, 1), head, found, path)


def test_what_a_proof_costs(court):
    """Two signatures, one slot for the reward, one for the treasury's; SHA-256 per level of the tree."""
    snapshot = court.chain.snapshot()
    gas = {"equivocation": court.prove(lies(court)["two records for one seq"]).gas_used}
    for depth in (20, 40):
        court.chain.revert(snapshot)
        snapshot = court.chain.snapshot()
        gas[f"omission among 2**{depth}"] = court.prove(deep(court, depth)).gas_used
    court.chain.revert(snapshot)
    commitment = court.send("reporter", "commit", SALT).gas_used
    assert gas["equivocation"] < 140_000
    assert gas["omission among 2**20"] < 175_000
    assert gas["omission among 2**40"] < 210_000
    assert commitment < 50_000


def test_the_statements_of_a_pair_may_come_in_either_order(court):
    for name, proof in lies(court).items():
        if proof.offence is Offence.EQUIVOCATION:
            assert court.verdict(equivocation(proof.second, proof.first)) == "accepted", name
    pairs = combinations(honest(court, TRUE[:6], [2, 5]), 2)
    assert not any(contradict(*pair) for pair in pairs)
