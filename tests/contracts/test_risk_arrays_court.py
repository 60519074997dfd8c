"""Who may show which arrays, and what becomes of a root with a wrong cell in it."""

from __future__ import annotations

import pytest
from contract_arrays import Arrays, Prices, Risk
from contract_drawing import PATIENCE, drawn
from contract_venue import BTC, USDC, WAD, Venue, key
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from exchange import risk_words
from exchange.core.margin import Kind
from exchange.core.risk_models.arrays import encode, leaf_hash, prove, root_of
from exchange.core.risk_models.soundness import broken
from exchange.core.risk_models.venue_set import PORTFOLIO
from exchange.shell.chain import Reverted
from exchange.shell.contract import artifact, deploy_local

pytestmark = PATIENCE
SPOT = 60_000 * USDC
SERIES = tuple(1 << 16 | at for at in range(8))
HELD = {SERIES[0]: -(10**4), SERIES[2]: 10**4}


class Court:
    """One expiry of eight series and a round that commits to their arrays."""

    def __init__(self) -> None:
        self.venue = Venue()
        strikes = [(strike * USDC, is_call) for strike in (55_000, 60_000, 65_000, 70_000) for is_call in (True, False)]
        self.venue.list(self.venue.now // 1800 * 1800 + 30 * 86_400, strikes)
        self.risk = Risk(self.venue)

    def round(self, wrong: int | None = None) -> Arrays:
        """The next round; with one cell of a series a unit too low."""
        vols = {series: WAD // 2 + at * WAD // 100 for at, series in enumerate(SERIES)}
        arrays = self.risk.at(Prices({BTC: SPOT}, {1: SPOT}, vols, {1: WAD}, {}), {1: BTC})
        if wrong is not None:
            leaf = bytearray(arrays.leaves[wrong])
            leaf[32 * 7 + 31] -= 1
            arrays.leaves[wrong] = bytes(leaf)
        self.venue.post(arrays.round)
        return arrays

    def challenge(self, arrays: Arrays, series: int, **spoilt: object) -> str:
        """What becomes of a challenge of a leaf."""
        leaf = arrays.leaves[series]
        words = [int.from_bytes(leaf[at : at + 32], "big") for at in range(0, len(leaf), 32)]
        place = list(arrays.leaves).index(series)
        args = {"words": words, "place": place, "proof": prove(arrays.hashed, [place])} | spoilt
        name, arguments = "challenge", (arrays.source(1), args["words"], args["place"], args["proof"])
        try:
            self.venue.send("keeper", self.risk.arrays, name, *arguments)
        except Reverted as error:
            return str(error.reason)
        return "void"

    def shows(self, arrays: Arrays, *, computed: bool = False) -> str:
        """What becomes of a question with arrays shown."""
        try:
            return str(self.risk.ask(arrays, HELD, Kind.INITIAL, computed=computed))
        except Reverted as error:
            return str(error.reason)


@pytest.fixture(scope="module")
def court():
    return Court()


def test_a_wrong_cell_makes_its_root_void_and_arrays_computed_on_chain_go_on(court):
    good, bad = court.round(), court.round(wrong=SERIES[2])
    assert court.challenge(good, SERIES[2]) == "leaf_right"
    assert court.challenge(bad, SERIES[3]) == "leaf_right"
    assert court.shows(bad).isdigit()
    assert court.challenge(bad, SERIES[2]) == "void"
    assert court.challenge(bad, SERIES[2]) == "commitment_void"
    assert court.shows(bad) == "commitment_void"
    assert court.shows(bad, computed=True) == "arrays_unknown"
    for series in HELD:
        court.venue.send("keeper", court.risk.arrays, "compute", bad.source(1), series)
    # Computed arrays are those that follow from the round; the leaf that was shown before is none of them.
    assert court.shows(bad, computed=True) == "arrays_unknown"
    bad.leaves[SERIES[2]] = encode(bad.round_id, SERIES[2], bad.risk.array(SERIES[2]).cells)
    assert court.shows(bad, computed=True) == str(bad.needed(HELD, Kind.INITIAL))
    assert court.shows(good) == str(good.needed(HELD, Kind.INITIAL))


def test_a_challenge_shows_what_stands_under_the_root(court):
    good, bad = court.round(), court.round(wrong=SERIES[5])
    leaf = [int.from_bytes(bad.leaves[SERIES[5]][at : at + 32], "big") for at in range(0, 384, 32)]
    assert court.challenge(good, SERIES[5], words=[leaf[0] - (1 << 192), *leaf[1:]]) == "proof_wrong"
    assert court.challenge(bad, SERIES[5], words=[leaf[0] + (1 << 192), *leaf[1:]]) == "leaf_round"
    assert court.challenge(bad, SERIES[5], words=[leaf[0] + (1 << 128), *leaf[1:]]) == "proof_wrong"
    assert court.challenge(bad, SERIES[5], words=[leaf[0] | 99 << 128, *leaf[1:]]) == "vols_unknown"
    assert court.challenge(bad, SERIES[5], place=4) == "proof_wrong"
    assert court.challenge(bad, SERIES[5], place=8) == "proof_wrong"
    assert court.challenge(bad, SERIES[5], proof=[]) == "proof_wrong"
    assert court.shows(bad) == str(bad.needed(HELD, Kind.INITIAL))
    assert court.challenge(bad, SERIES[5]) == "void"


def test_only_what_the_round_signed_is_a_source(court):
    arrays = court.round()
    source = list(arrays.source(1))
    other = structs.replace(arrays.commitment, size=9)
    vols = tuple(structs.replace(each, vols=(WAD, *each.vols[1:])) for each in arrays.vols)
    spoilt = {
        "commitment_unknown": [source[0], source[1], other.words(), *source[3:]],
        "vols_unknown": [*source[:3], risk_words.vol_hashes(vols), source[4]],
        "round_unknown": [source[0] + 1, *source[1:]],
    }
    for reason, words in spoilt.items():
        with pytest.raises(Reverted, match=reason):
            court.risk.arrays.call("array", tuple(words), SERIES[0])
    with pytest.raises(Reverted, match="vols_unknown"):
        court.risk.arrays.call("array", (*source[:4], risk_words.encode_vols(vols[0])), SERIES[0])
    with pytest.raises(Reverted, match="vols_unknown"):
        court.risk.arrays.call("array", tuple(source), 2 << 16)
    with pytest.raises(Reverted, match="vols_unknown"):
        court.risk.arrays.call("array", tuple(source), SERIES[-1] + 1)


def test_arrays_are_shown_whole_in_order_and_once(court):
    arrays = court.round()
    call, probe = court.risk.question(arrays, HELD, Kind.INITIAL), court.risk.probe.address

    def asked(data: bytes) -> str:
        try:
            court.venue.chain.call(court.risk.portfolio.address, data)
        except Reverted as error:
            return str(error.reason)
        return "answered"

    def shown(**changes: object) -> bytes:
        return risk_words.with_arrays(call, probe, structs.replace(arrays.shown, **changes), HELD)

    assert asked(shown()) == "answered"
    # Leaves in another order, of another round, and the same series twice.
    swapped = {SERIES[2]: arrays.leaves[SERIES[0]], SERIES[0]: arrays.leaves[SERIES[2]]}
    assert asked(shown(leaves=arrays.leaves | swapped)) == "arrays_format"
    assert asked(shown(leaves=arrays.leaves | {SERIES[2]: arrays.leaves[SERIES[0]]})) == "arrays_format"
    assert asked(shown(round_id=arrays.round_id - 1)) == "commitment_unknown"
    heads = (structs.replace(arrays.heads[0], spot=SPOT + 1),)
    assert asked(shown(heads=heads)) == "commitment_unknown"
    wrong = bytes([*arrays.leaves[SERIES[0]][:-1], 1])
    assert asked(shown(leaves=arrays.leaves | {SERIES[0]: wrong})) == "proof_wrong"
    # One series less than is held, and none shown at all.
    assert asked(risk_words.with_arrays(call, probe, arrays.shown, [SERIES[0]])) == "arrays_missing"
    assert asked(risk_words.with_arrays(call, probe, arrays.shown, [])) == "arrays_missing"
    # Through Portfolio to Portfolio: a second showing inside the first.
    inner = risk_words.with_arrays(call, probe, arrays.shown, HELD)
    assert asked(risk_words.with_arrays(inner, court.risk.portfolio.address, arrays.shown, HELD)) == "arrays_shown"
    with pytest.raises(Reverted, match="arrays_missing"):
        court.venue.chain.call(probe, call)


def test_what_was_shown_before_in_a_transaction_answers_nothing_after(court):
    """Two showings in one transaction, the second without a series: the cells of the first are not taken for it."""
    arrays = court.round()
    call, probe = court.risk.question(arrays, HELD, Kind.INITIAL), court.risk.probe.address
    first = risk_words.with_arrays(call, probe, arrays.shown, HELD)
    second = risk_words.with_arrays(call, probe, arrays.shown, [SERIES[0]])
    twice = court.risk.probe.interface.encode("twice", court.risk.portfolio.address, first, first)
    court.venue.chain.call(probe, twice)
    twice = court.risk.probe.interface.encode("twice", court.risk.portfolio.address, first, second)
    with pytest.raises(Reverted, match="arrays_missing"):
        court.venue.chain.call(probe, twice)


def rooted(court: Court, leaves: list[bytes], indexes: list[int], size: int, proof: list[bytes]) -> bytes:
    """The root that the contract makes, nothing where it refuses the proof."""
    try:
        root: bytes = court.risk.probe.call("root_of", leaves, indexes, size, proof)
    except Reverted as error:
        return b"" if error.reason == "proof_wrong" else str(error.reason).encode()
    return root


@given(data=st.data(), size=st.integers(1, 40))
@drawn(60)
def test_several_leaves_have_the_root_of_all_and_nothing_else_has(court, data, size):
    leaves = [leaf_hash(bytes([at])) for at in range(size)]
    indexes = sorted(data.draw(st.sets(st.integers(0, size - 1), min_size=1)))
    proof, root = prove(leaves, indexes), root_of(leaves)
    shown = [leaves[at] for at in indexes]
    assert rooted(court, shown, indexes, size, proof) == root
    at = data.draw(st.integers(0, len(shown) - 1))
    forged = leaf_hash(b"another")
    assert rooted(court, [*shown[:at], forged, *shown[at + 1 :]], indexes, size, proof) != root
    assert rooted(court, shown, indexes, size, [*proof, forged]) == b""
    if proof:
        assert rooted(court, shown, indexes, size, proof[:-1]) == b""
    if len(indexes) > 1:
        assert rooted(court, shown[::-1], indexes[::-1], size, proof) != root
    # A leaf that was shown before it, at the same place, vouches for nothing.
    twice = prove_twice(leaves, indexes[at])
    assert rooted(court, [leaves[indexes[at]], forged], [indexes[at]] * 2, size, twice) == b""


def prove_twice(leaves: list[bytes], index: int) -> list[bytes]:
    """A proof in which each level has the neighbour of one place twice."""
    return [node for node in prove(leaves, [index]) for _ in range(2)]


UNSOUND = [
    {"mm_factor": WAD + 1, "im_factor": 2 * WAD},
    {"im_factor": PORTFOLIO.mm_factor - 1},
    {"short_mm": WAD + 1},
    {"scenarios": ()},
    {"scenarios": (structs.replace(PORTFOLIO.scenarios[0], weight_yearly=1),)},
    {"scenarios": (structs.replace(PORTFOLIO.scenarios[0], spot=10 * WAD + 1),)},
    {"scenarios": tuple(structs.replace(PORTFOLIO.scenarios[0], spot=at) for at in range(45))},
    {"vol": structs.replace(PORTFOLIO.vol, floor_s=0)},
    {"skew": structs.replace(PORTFOLIO.skew, slope_yearly=1)},
]


@pytest.mark.parametrize("fields", UNSOUND)
def test_parameters_are_bounded_on_chain_as_in_the_core(court, fields):
    model = structs.replace(PORTFOLIO, **fields)
    assert broken(model) is not None
    words = risk_words.model_words(model)
    with pytest.raises(Reverted, match="parameter_range"):
        deploy_local(court.venue.chain, key("operator"), artifact("RiskArrays"), court.venue.oracle.address, words)


def test_a_set_of_parameters_is_one_deployment_and_has_one_version(court):
    arrays = court.risk.arrays
    assert arrays.call("VERSION") == risk_words.version_of(PORTFOLIO)
    other = risk_words.model_words(structs.replace(PORTFOLIO, short_mm=0))
    with pytest.raises(Reverted, match="parameter_range"):
        deploy_local(court.venue.chain, key("operator"), artifact("Portfolio"), arrays.address, other)
    assert court.venue.refusal("operator", arrays, "set_clearing", arrays.address) == "clearing_set"
    assert court.venue.refusal("keeper", arrays, "set_clearing", arrays.address) == "clearing_set"
