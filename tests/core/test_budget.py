"""A batch is cut where a transaction would no longer carry it, and no account holds more than one trade can settle.

That the constants are not below what the contracts use is shown by ``benchmarks/gas_positions.py``.
"""

import pytest
from core_venue import T0, USDC, Venue, series_named, standard_venue

from exchange.core import budget, listing, settlement
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.events import CancelReason
from exchange.core.units import series_of

CALL = series_named("62000C")
LOT = 100
TRANSACTION_GAS = 2**24  # EIP-7825
TRADERS = range(1, 101)


@pytest.fixture
def crowd() -> Venue:
    """A hundred traders, of whom nobody has traded."""
    venue = standard_venue(batch_trades_max=128)
    for account in TRADERS:
        venue.fund(account, 100_000)
    return venue


def pair_off(venue: Venue, series: int) -> None:
    """Fifty trades, two traders each."""
    for seller in TRADERS[::2]:
        venue.must(c.Place(venue.auth(seller, series, False, LOT, 900 * USDC)))
        venue.must(c.Place(venue.auth(seller + 1, series, True, LOT, 900 * USDC)))


def estimates(venue: Venue) -> list[int]:
    """Gas of what is sealed and not final, batch by batch."""
    state, found = venue.state, []
    for batch in state.batches.values():
        draft = budget.Draft(state)
        for trade_id in range(batch.first_trade, batch.last_trade + 1):
            trade = state.trades[trade_id]
            auths = (trade.maker_auth, trade.taker_auth)
            shown = [link for auth in auths for link in settlement.lineage(state, auth, batch.id)]
            draft.add(shown, [state.auths[auth] for auth in auths])
        found.append(draft.total())
    return found


def words(venue: Venue, expiry_id: int) -> budget.Groups:
    """All position words of an expiry."""
    return {series >> 2: None for series in venue.state.expiries[expiry_id].series}


def test_a_batch_among_many_accounts_is_cut_where_its_gas_ends(crowd):
    pair_off(crowd, CALL)
    sealed = [event for event in crowd.must(c.SealBatch()) if type(event) is e.BatchSealed]
    sizes = [event.last_trade - event.first_trade + 1 for event in sealed]
    assert sum(sizes) == 50
    assert len(sizes) == 2
    assert sizes[0] > 35
    assert max(estimates(crowd)) <= budget.GAS_MAX
    crowd.check()
    crowd.check_history()


def test_the_more_accounts_hold_the_fewer_of_them_fit(crowd):
    """What they hold here, what they hold there and what is on its way all has to be looked at."""
    for name in ("60000C", "61000P", "62000C", "64000C", "60000C.2", "62000C.2"):
        pair_off(crowd, series_named(name))
        crowd.must(c.SealBatch())
        for batch_id in list(crowd.state.batches):
            crowd.observe(c.ObserveBatch, batch_id, b"t" * 32, 1, 1)
    pair_off(crowd, CALL)
    sealed = [event for event in crowd.must(c.SealBatch()) if type(event) is e.BatchSealed]
    assert len(sealed) > 2
    assert max(estimates(crowd)) <= budget.GAS_MAX


def test_few_accounts_fill_a_batch_with_trades(venue):
    for _ in range(100):
        venue.must(c.Place(venue.auth(1, CALL, False, LOT, 900 * USDC)))
    events = venue.place(2, CALL, True, 100 * LOT, 900 * USDC)
    assert sum(type(event) is e.Traded for event in events) == 100
    sealed = [event for event in venue.must(c.SealBatch()) if type(event) is e.BatchSealed]
    assert [(event.first_trade, event.last_trade) for event in sealed] == [(1, 100)]


def test_any_one_trade_fits_a_transaction():
    """Both orders with the longest lineages, both accounts with all they may hold, and the sheets of all listings."""
    account = budget.ACCOUNT_GAS + budget.NEW_GROUP_GAS + budget.NEW_EXPIRY_GAS + budget.POSITIONS_GAS_MAX
    orders = (
        budget.ORDERS_MAX * (budget.ORDER_GAS + budget.BESIDE_GAS + budget.KEY_GAS)
        + 2 * (budget.REPLACING_GAS + budget.FILLING_GAS)
        + budget.TRADE_GAS
        + 2 * budget.REDUCING_GAS
    )
    sheets = listing.SHEET_WORDS_MAX * budget.SHEET_WORD_GAS + 2 * listing.EXPIRY_SLOTS * budget.PASSED_SHEET_GAS
    assert budget.FIXED_GAS + orders + 2 * account + sheets < TRANSACTION_GAS


def test_orders_that_only_reduce_cost_more_the_more_of_them_a_batch_shows(venue):
    """The contract looks at all that an account shows in a series, replaced ancestors included, in each such fill."""
    venue.place(2, CALL, False, 100 * LOT, 800 * USDC)
    venue.place(1, CALL, True, 100 * LOT, 800 * USDC)
    venue.must(c.SealBatch())
    venue.must(c.Place(venue.auth(1, CALL, False, 3 * LOT, 800 * USDC, reduce_only=True)))
    chain = venue.state.seq
    venue.place(2, CALL, True, LOT, 800 * USDC, tif=c.IOC)
    for step in range(120):
        assert type(venue.amend(chain, 3 * LOT, (805 + 5 * (step % 2)) * USDC)[-1]) is not e.Rejected
    for _ in range(90):
        venue.must(c.Place(venue.auth(1, CALL, False, LOT, 900 * USDC, reduce_only=True)))
    venue.place(2, CALL, True, 92 * LOT, 900 * USDC)
    sealed = [event for event in venue.must(c.SealBatch()) if type(event) is e.BatchSealed]
    assert len(sealed) > 1
    assert max(estimates(venue)) <= budget.GAS_MAX


@pytest.mark.parametrize("groups_each", [1, 2, 4, 8, 16])
def test_few_positions_always_fit_however_they_are_listed(groups_each):
    """That is why nothing is counted for accounts that have fewer."""
    venue = Venue().open()
    groups: budget.Groups = {}
    for number in range(16 // groups_each):
        expiry_id = venue.list_expiry(T0 + (number + 4) * 1_800, tuple(range(99_000, 99_000 - 2 * groups_each, -1)))
        groups |= words(venue, expiry_id)
    assert len(groups) == budget.SMALL
    assert budget.positions_gas(venue.state, groups, {}) <= budget.POSITIONS_GAS_MAX


def test_strikes_listed_in_descending_order_cost_more():
    """The contract sorts them by insertion."""
    venue = Venue().open()
    up, down = venue.list_expiry(T0 + 7_200, (1, 2, 3, 4)), venue.list_expiry(T0 + 9_000, (4, 3, 2, 1))
    cost = [budget.positions_gas(venue.state, words(venue, key), {}) for key in (up, down)]
    assert cost[1] - cost[0] == 24 * budget.MOVE_GAS


def test_nobody_comes_to_hold_more_than_one_trade_can_settle(venue, monkeypatch):
    """A taker is stopped, a maker moved out of the way; positions already held can be traded on."""
    first, second, third = (series_of(1, index) for index in (0, 4, 8))
    monkeypatch.setattr(budget, "SMALL", 0)
    monkeypatch.setattr(budget, "POSITIONS_GAS_MAX", budget.EXPIRY_GAS + 2 * budget.GROUP_GAS + 10 * budget.MOVE_GAS)
    venue.fund(3, 100_000)
    for series in (first, second):
        venue.must(c.Place(venue.auth(1, series, False, LOT, 900 * USDC)))
        assert type(venue.place(2, series, True, LOT, 900 * USDC)[1]) is e.Traded
    maker = venue.must(c.Place(venue.auth(1, third, False, LOT, 900 * USDC)))[0].order_id
    assert venue.place(3, third, True, LOT, 899 * USDC)[-1] == e.Rested(venue.state.seq, 899 * USDC)
    events = venue.place(2, third, True, LOT, 900 * USDC, tif=c.IOC)
    assert events[1:] == (e.Cancelled(venue.state.seq, CancelReason.POSITIONS_BOUND, LOT),)
    events = venue.place(3, third, True, LOT, 900 * USDC, tif=c.IOC)
    assert events[1] == e.Cancelled(maker, CancelReason.POSITIONS_BOUND, LOT)
    venue.must(c.Place(venue.auth(1, second, False, LOT, 900 * USDC)))
    assert type(venue.place(2, second, True, LOT, 900 * USDC)[1]) is e.Traded
    venue.check()
    venue.check_history()
