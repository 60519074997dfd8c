"""Lanes, risk arrays of a round and their commitment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from margin_world import SERIES, SHEETS, SPOT, TERMS, Stage, series_at

from exchange.core.black76 import ScalarPricer, black76_mark
from exchange.core.risk_models import grid, lanes
from exchange.core.risk_models.arrays import LEAF_BYTES, RiskRound, array_of, encode, leaf_hash, root_of
from exchange.core.risk_models.holdings import Holdings
from exchange.core.risk_models.venue_set import PORTFOLIO
from exchange.core.units import U64_MAX, WAD, years_of
from journal import merkle

STAGE = Stage()
CELLS = st.lists(st.integers(0, lanes.VALUE_MAX), min_size=3, max_size=3)
LEGS = st.lists(st.tuples(st.integers(-(2**63) // 64, 2**63 // 64), CELLS), max_size=64)


@given(legs=LEGS)
def test_lanes_add_up_like_the_numbers_in_them(legs: list[tuple[int, list[int]]]) -> None:
    """Up to the largest values and quantities that a position can have."""
    total = sum(qty * lanes.pack(cells) for qty, cells in legs)
    assert lanes.unpack(total, 3) == [sum(qty * cells[at] for qty, cells in legs) for at in range(3)]
    assert lanes.first(total) == sum(qty * cells[0] for qty, cells in legs)


def test_lanes_hold_the_bound_they_state() -> None:
    for sign in (1, -1):
        total = sign * (2**63 - 1) * lanes.pack([lanes.VALUE_MAX] * 41)
        assert lanes.unpack(total, 41) == [sign * (2**63 - 1) * lanes.VALUE_MAX] * 41
    with pytest.raises(AssertionError):
        lanes.pack([lanes.VALUE_MAX + 1])
    with pytest.raises(AssertionError):
        lanes.pack([-1])


def test_an_array_begins_with_the_mark_and_keeps_parity_in_every_cell() -> None:
    for expiry, sheet in SHEETS.items():
        forwards = [grid.ExpiryGrid(PORTFOLIO, sheet).forward_in(shock) for shock in grid.shocks_of(PORTFOLIO)]
        for at in range(6):
            call, put = (series_at(expiry, at, is_call) for is_call in (True, False))
            terms = TERMS[call]
            mark = black76_mark(sheet.forward, terms.strike, terms.vol, years_of(sheet.seconds), is_call=True)
            assert STAGE.round.array(call).cells[0] == mark
            cells = zip(STAGE.round.array(call).cells, STAGE.round.array(put).cells, forwards, strict=True)
            assert all(one - other == forward - terms.strike for one, other, forward in cells)


def test_what_is_already_fixed_of_a_forward_does_not_move() -> None:
    """In the last half hour; and once all of it is fixed, no scenario of spot changes anything."""
    sheet = grid.Sheet(100 * 10**6, 600, years_of(200), fixed=60 * 10**6)
    moved = grid.ExpiryGrid(PORTFOLIO, sheet)
    assert moved.forward_in(grid.Shock(2 * WAD, 0)) == 140 * 10**6
    fixed = grid.ExpiryGrid(PORTFOLIO, sheet._replace(fixed=sheet.forward))
    assert {fixed.forward_in(shock) for shock in grid.shocks_of(PORTFOLIO)} == {sheet.forward}


def test_a_call_and_a_put_with_vols_of_their_own_are_priced_apart() -> None:
    call, put = series_at(2, 0, True), series_at(2, 0, False)
    other = {**TERMS, put: TERMS[put]._replace(vol=2 * TERMS[put].vol)}
    apart = RiskRound(PORTFOLIO, 1, SHEETS, other, ScalarPricer())
    assert apart.array(call) == STAGE.round.array(call)
    assert apart.array(put).cells[0] > STAGE.round.array(put).cells[0]


# -- commitment -------------------------------------------------------------------------------------------------------


@given(hashes=st.lists(st.binary(min_size=32, max_size=32), max_size=40))
def test_the_root_is_that_of_the_journals_tree(hashes: list[bytes]) -> None:
    """Two texts of RFC 6962; the contract's third one is held to the journal's."""
    assert root_of(hashes) == merkle.root_of(hashes)


def test_a_leaf_is_words_of_four_numbers() -> None:
    words = encode(7, 131_074, [1, 2, 3, 4, U64_MAX])
    assert len(words) == LEAF_BYTES == 12 * 32
    assert [int.from_bytes(words[at : at + 8], "big") for at in range(0, 96, 8)] == [
        *(0, 5, 131_074, 7)[::-1],
        *(4, 3, 2, 1),
        *(0, 0, 0, U64_MAX),
    ]
    assert not any(words[96:])
    with pytest.raises(AssertionError):
        encode(7, 1, [U64_MAX + 1])


def test_every_array_of_a_round_is_under_its_root() -> None:
    leaves = [leaf_hash(encode(1, series, STAGE.round.array(series).cells)) for series in SERIES]
    root = STAGE.round.root()
    for at, leaf in enumerate(leaves):
        proof = merkle.prove_inclusion(leaves, at)
        assert merkle.verify_inclusion(leaf, at, len(leaves), proof, root)
    other = leaf_hash(encode(1, SERIES[0], [cell + 1 for cell in STAGE.round.array(SERIES[0]).cells]))
    assert not merkle.verify_inclusion(other, 0, len(leaves), merkle.prove_inclusion(leaves, 0), root)
    assert array_of(TERMS[SERIES[0]].strike, STAGE.round.array(SERIES[0]).cells) == STAGE.round.array(SERIES[0])


# -- positions as they change -----------------------------------------------------------------------------------------


@given(
    fills=st.lists(st.tuples(st.sampled_from(SERIES), st.integers(-3, 3) | st.integers(-(10**9), 10**9)), max_size=30)
)
def test_what_is_kept_is_what_adding_up_gives(fills: list[tuple[int, int]]) -> None:
    kept = Holdings(STAGE.round, SPOT, dict.fromkeys(SHEETS, WAD))
    positions: dict[int, int] = {}
    for series, qty in fills:
        kept.move(series, qty)
        positions[series] = positions.get(series, 0) + qty
    held = {series: qty for series, qty in positions.items() if qty}
    whole = STAGE.market(held)
    assert kept.market() == whole._replace(expiries=tuple(expiry for expiry in whole.expiries if expiry.gross))
