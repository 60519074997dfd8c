"""Clearing is one address with one storage and two codes; reduce-only, rounds of exits and claims as the chain sees them."""

from __future__ import annotations

import pytest
from contract_drawing import PATIENCE
from contract_venue import EXIT_ROUND_AGE, LOT, MAX_ROUND_AGE, USDC, WINDOW, book_state, key, spoiled

from exchange import calldata
from exchange.calldata import Trade
from exchange.reverts import Revert
from exchange.shell.chain import Reverted
from exchange.shell.contract import artifact, deploy_local

pytestmark = PATIENCE
PRICE = 700 * USDC
INDEX = 60_000 * USDC


@pytest.fixture
def m(shared_market):
    """The shared market, taken back afterwards."""
    with shared_market.venue.aside():
        yield shared_market


# -- two codes, one storage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", range(12))
def test_clearing_runs_no_office_made_under_other_settings(m, place):
    venue = m.venue
    others = list(venue.settings)
    twin = deploy_local(venue.chain, key("operator"), artifact("Margin"), venue.parameters)
    others[place] = twin.address if isinstance(others[place], bytes) else others[place] + 1
    office = venue.office.address
    with pytest.raises(Reverted) as caught:
        deploy_local(venue.chain, key("operator"), artifact("Clearing"), tuple(others), office)
    assert caught.value.reason == Revert.OFFICE_SETTINGS
    deploy_local(venue.chain, key("operator"), artifact("Clearing"), venue.settings, office)


def test_the_office_called_directly_moves_nothing_of_clearing(m):
    venue = m.venue
    before = book_state(venue)[venue.clearing.address]
    venue.send("third", venue.office, "open_account")
    venue.send("operator", venue.office, "list_expiry", 1, 1, venue.now // 1800 * 1800 + 3600)
    assert venue.refusal("third", venue.office, "credit", 1, 10**6) == Revert.ONLY_VAULT
    venue.send("third", venue.office, "request_exit", 1)
    venue.chain.set_time(venue.now + WINDOW)
    venue.send("third", venue.office, "finalise_exit", 1, 0, b"", b"")
    assert book_state(venue)[venue.clearing.address] == before


def test_a_call_that_nobody_knows_is_refused(m):
    with pytest.raises(Reverted):
        m.venue.chain.transact(key("third"), m.venue.clearing.address, b"\x12\x34\x56\x78")
    with pytest.raises(Reverted):
        m.venue.chain.transact(key("third"), m.venue.clearing.address, b"")


def test_callers_see_one_contract(m):
    names = {entry["name"] for entry in artifact("Clearing").abi if entry["type"] == "function"}
    assert {"settle_signed", "open_account", "finalise_exit", "positions_of"} <= names
    assert m.venue.clearing.call("OFFICE") == m.venue.office.address


# -- reduce-only ---------------------------------------------------------------------------------------------------


def turns(m, *legs, reducing):
    """A batch in which the taker trades each (quantity, order) in turn; orders named in `reducing` only reduce.

    Legs with the same letter fill one order, so the batch does not list orders in the order of their fills.
    """
    totals: dict[str, int] = {}
    for quantity, name in legs:
        totals[name] = totals.get(name, 0) + quantity
    orders, places = [], {}
    for name, total in totals.items():
        places[name] = len(orders)
        orders.append(m.venue.sign(m.venue.order(m.taker, m.call, total, PRICE, reduce_only=name in reducing)))
    trades = []
    for quantity, name in legs:
        orders.append(m.venue.sign(m.venue.order(m.maker, m.call, -quantity, PRICE)))
        trades.append(Trade(len(orders) - 1, places[name], abs(quantity), PRICE, INDEX))
    return m.venue.batch(orders, trades)


@pytest.mark.parametrize(
    ("legs", "reducing", "fits"),
    [
        ([(-3, "a")], "a", True),
        ([(-4, "a")], "a", False),
        ([(1, "a")], "a", False),
        ([(-2, "a"), (-1, "b")], "ab", True),
        ([(-2, "a"), (-2, "b")], "ab", False),
        ([(2, "a"), (-5, "b")], "b", True),
        ([(-5, "b"), (2, "a")], "b", False),
        ([(-3, "a"), (2, "c"), (-2, "b"), (-4, "a")], "b", True),
        ([(-3, "a"), (-4, "a"), (4, "b")], "b", True),
        ([(-3, "a"), (-4, "a"), (5, "b")], "b", False),
        ([(-3, "a"), (4, "b")], "b", False),
    ],
)
def test_a_reduce_only_order_never_grows_nor_turns_a_position(m, legs, reducing, fits):
    """The taker holds three. What counts is what it holds at each trade, not at the ends of the batch."""
    m.venue.settle(m.venue.cross(m.taker, m.maker, m.call, 3 * LOT, PRICE))
    batch = turns(m, *((quantity * LOT, name) for quantity, name in legs), reducing=reducing)
    if fits:
        m.venue.settle(batch)
        assert m.venue.positions(m.taker.account).get(m.call, 0) == (3 + sum(leg[0] for leg in legs)) * LOT
    else:
        assert m.venue.settle_refusal(batch) == Revert.ORDER_REDUCE_ONLY


def test_a_reduce_only_maker_is_held_to_it_too(m):
    buyer = m.venue.sign(m.venue.order(m.taker, m.call, LOT, PRICE, reduce_only=True))
    seller = m.venue.sign(m.venue.order(m.maker, m.call, -LOT, PRICE))
    trades = [Trade(0, 1, LOT, PRICE, INDEX)]
    assert m.venue.settle_refusal(m.venue.batch([buyer, seller], trades)) == Revert.ORDER_REDUCE_ONLY
    m.venue.settle(m.venue.cross(m.maker, m.taker, m.call, LOT, PRICE))
    m.venue.settle(m.venue.batch([buyer, seller], trades))


def test_positions_of_others_and_of_other_series_close_nothing(m):
    m.venue.settle(m.venue.cross(m.third, m.maker, m.call, LOT, PRICE))
    m.venue.settle(m.venue.cross(m.taker, m.maker, m.puts[0], LOT, PRICE))
    assert m.venue.settle_refusal(turns(m, (-LOT, "a"), reducing="a")) == Revert.ORDER_REDUCE_ONLY


# -- claims --------------------------------------------------------------------------------------------------------


def test_what_is_fixed_after_the_round_of_a_batch_is_still_a_risk_in_it(m):
    """Somebody fixes an expiry before a batch that names an earlier round has landed: it is judged as when sealed."""
    venue, expiry_id, expiry = m.venue, m.expiry_id, m.venue.expiries[m.expiry_id]
    venue.settle(venue.cross(m.maker, m.taker, m.call, LOT, PRICE))
    lasting = {"expiry": expiry + 500}
    orders = [
        venue.sign(venue.order(m.maker, m.call, LOT, PRICE, **lasting)),
        venue.sign(venue.order(m.taker, m.call, -LOT, PRICE, **lasting)),
    ]
    venue.chain.set_time(expiry - 1800)
    venue.post(venue.round(time=expiry - 1800, acc=10**15))
    venue.chain.set_time(expiry - 10)
    named = venue.post(venue.round(66_000 * USDC))
    batch = venue.batch(orders, [Trade(0, 1, LOT, PRICE, INDEX)])
    sheets = (named.round_id, batch.hashes, batch.sheets)
    risks = [venue.clearing.call("margin_of", player.account, True, *sheets) for player in (m.maker, m.taker)]
    venue.chain.set_time(expiry)
    last = venue.post(venue.round(60_000 * USDC, time=expiry, acc=10**15 + 1800 * 66_000 * USDC, expiry_ids=[]))
    venue.send("keeper", venue.clearing, "fix_expiry", expiry_id)
    assert risks == [venue.clearing.call("margin_of", player.account, True, *sheets) for player in (m.maker, m.taker)]
    claims = (last.round_id, calldata.sheet_hashes(last), b"")
    assert venue.clearing.call("margin_of", m.maker.account, True, *claims) == venue.cash(m.maker.account) + 1000 * USDC
    assert venue.settle_refusal(spoiled(batch, sheets=b"")) == Revert.SHEET_MISSING
    venue.settle(batch)
    assert venue.positions(m.maker.account) == {m.call: 2 * LOT}


# -- exits ---------------------------------------------------------------------------------------------------------


def test_collateral_leaves_by_the_newest_round_or_one_of_the_last_moments(m):
    """The owner cannot pick the most favourable of all rounds that a batch might still name."""
    venue, account = m.venue, m.taker.account
    venue.settle(venue.cross(m.maker, m.taker, m.call, LOT, PRICE))
    venue.send("taker", venue.clearing, "request_withdrawal", account, 1)
    venue.chain.set_time(venue.now + WINDOW)

    def proof(round_):
        return round_.round_id, calldata.sheet_hashes(round_), calldata.select_sheets(round_, [m.expiry_id])

    older = venue.post(venue.round())
    venue.chain.set_time(venue.now + EXIT_ROUND_AGE - 5)
    newer = venue.post(venue.round())
    for round_ in (older, newer):
        with venue.aside():
            venue.send("keeper", venue.clearing, "finalise_withdrawal", account, *proof(round_))
    venue.chain.set_time(venue.now + EXIT_ROUND_AGE)
    for name in ("finalise_withdrawal", "finalise_exit"):
        if name == "finalise_exit":
            venue.send("taker", venue.clearing, "request_exit", account)
            venue.chain.set_time(venue.now + WINDOW)
        assert venue.refusal("keeper", venue.clearing, name, account, *proof(older)) == Revert.ROUND_NOT_NEWEST
        with venue.aside():
            venue.send("keeper", venue.clearing, name, account, *proof(newer))
    venue.chain.set_time(newer.time + MAX_ROUND_AGE)
    assert venue.refusal("keeper", venue.clearing, "finalise_exit", account, *proof(newer)) == Revert.ROUND_STALE
    unknown = (newer.round_id + 1, *proof(newer)[1:])
    assert venue.refusal("keeper", venue.clearing, "finalise_exit", account, *unknown) == Revert.ROUND_UNKNOWN
