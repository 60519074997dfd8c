"""Views of an account's margin: each figure is checked by moving the market, or the account, and asking the machine."""

import pytest
from core_venue import BTC, HALF_HOUR, USDC, Venue, series_named, standard_venue

from exchange.core import commands as c
from exchange.core import margin_views as views
from exchange.core import parameters as p
from exchange.core import risk
from exchange.core.black76 import black76_mark
from exchange.core.greeks import black76_greeks
from exchange.core.images import decode, digest, encode
from exchange.core.margin import Kind
from exchange.core.risk_models.venue_set import PORTFOLIO
from exchange.core.state import State
from exchange.core.state_types import Account
from exchange.core.units import QTY_ONE, WAD

CALL, HIGH, PUT, LATER = (series_named(name) for name in ("62000C", "64000C", "61000P", "62000C.2"))


@pytest.fixture
def traded() -> Venue:
    """Account 1 is short a call and a put and long two others, account 2 has the other side; one order is open."""
    venue = standard_venue()
    venue.must(c.SetPortfolio(BTC, PORTFOLIO, "test"))
    venue.fund(1, 30_000)
    venue.fund(2, 100_000)
    for series, seller, price in ((CALL, 1, 500), (PUT, 1, 200), (HIGH, 2, 50), (LATER, 2, 1_500)):
        venue.place(seller, series, False, 10_000, price * USDC)
        venue.place(3 - seller, series, True, 10_000, price * USDC)
    venue.place(1, series_named("60000P"), True, 10_000, 20 * USDC)
    assert venue.state.accounts[1].positions == {CALL: -10_000, PUT: -10_000, HIGH: 10_000, LATER: 10_000}
    return venue


def account_of(venue: Venue, number: int = 1) -> Account:
    return venue.state.accounts[number]


def needs(state: State, account: Account, kind: Kind) -> int:
    return risk.requirement_of(state, risk.view_now(state), account.positions, kind)


def test_figures_are_what_the_machine_asks(traded: Venue) -> None:
    state, account = traded.state, account_of(traded)
    found = views.figures(state, account)
    assert found.equity == account.cash - account.held
    assert (found.initial, found.maintenance) == tuple(needs(state, account, kind) for kind in reversed(Kind))
    assert found.open_orders > 20 * USDC
    assert found.margin(Kind.MAINTENANCE) == found.equity - found.maintenance > found.margin(Kind.INITIAL)


def test_views_only_read_and_say_the_same_of_a_restored_state(traded: Venue) -> None:
    before = digest(traded.state)
    again = decode(encode(traded.state))
    for state in (traded.state, again):
        account = state.accounts[1]
        told = [
            views.figures(state, account),
            views.greeks_by_expiry(state, account.positions),
            views.scenario_tables(state, account.positions),
            views.liquidation_prices(state, account, BTC),
            views.smallest_cure(state, account, Kind.INITIAL),
        ]
        if state is traded.state:
            first = told
    assert told == first
    assert digest(traded.state) == before


def test_greeks_are_those_of_the_legs_by_expiry(traded: Venue) -> None:
    state, account = traded.state, account_of(traded)
    view, found = risk.view_now(state), views.greeks_by_expiry(traded.state, account_of(traded).positions)
    assert list(found) == [1, 2]
    option = state.series[LATER]
    on = view.terms[2]
    alone = black76_greeks(on.expected, option.strike, view.vols[LATER], on.years, WAD, 0, is_call=True)
    assert found[2] == views.GreekSums(alone.delta, alone.gamma, alone.vega, alone.theta)
    one = views.greeks_by_expiry(state, {CALL: 3})
    three = [views.greeks_by_expiry(state, {CALL: QTY_ONE})[1]]
    assert all(abs(QTY_ONE * a - 3 * b) <= QTY_ONE for a, b in zip(one[1], three[0], strict=True))
    assert found[1].gamma < 0 < found[2].gamma
    assert account.positions[CALL] < 0


def test_the_scenario_table_is_what_repricing_gives(traded: Venue) -> None:
    state, account = traded.state, account_of(traded)
    table = views.scenario_tables(state, account.positions)[BTC]
    view = risk.view_now(state)
    at = next(at for at, item in enumerate(PORTFOLIO.scenarios) if item.spot > WAD and item.vol == p.VOL_SAME)
    scenario = PORTFOLIO.scenarios[at]
    change = 0
    for series, qty in account.positions.items():
        option = state.series[series]
        on, vol = view.terms[series >> 16], view.vols[series]
        now, then = (
            black76_mark(price, option.strike, vol, on.years, is_call=option.is_call)
            for price in (on.expected, on.expected * scenario.spot // WAD)
        )
        change += qty * (then - now)
    assert table.scenarios[at] == views.ScenarioLoss(scenario, -(change // QTY_ONE))
    assert table.scenarios[table.worst].loss == max(row.loss for row in table.scenarios)
    assert table.initial > table.scenarios[table.worst].loss
    assert table.initial > table.maintenance > 0


def test_the_index_at_which_margin_is_missing(traded: Venue) -> None:
    """There the account falls short, and a step of 1e-6 USDC nearer it does not."""
    state, account = traded.state, account_of(traded)
    crossing = views.liquidation_prices(state, account, BTC)
    assert crossing.below is not None
    assert crossing.above is not None
    assert crossing.below < risk.view_now(state).spots[BTC] < crossing.above
    for price, inward in ((crossing.below, 1), (crossing.above, -1)):
        for moved, is_short in ((price, True), (price + inward, False)):
            view = views.moved_view(state, account.positions, BTC, moved)
            needed = risk.requirement_of(state, view, account.positions, Kind.MAINTENANCE)
            assert (account.cash - account.held < needed) is is_short


def test_a_moved_view_is_the_view_of_a_round_there(traded: Venue) -> None:
    """With no time passed: the same marks as an honest round posted at that index."""
    moved = 70_000 * USDC
    twin = Venue().open()
    for expiry in traded.state.expiries.values():
        twin.list_expiry(expiry.expiry_s)
    twin.round(70_000)
    assert twin.state.view is not None
    positions = account_of(traded).positions
    view = views.moved_view(traded.state, positions, BTC, moved)
    assert {series: view.marks[series] for series in positions} == {
        series: twin.state.view.marks[series] for series in positions
    }
    assert view.forwards == twin.state.view.forwards


def test_what_only_owns_options_is_never_short_and_what_is_short_now_says_so(traded: Venue) -> None:
    state = traded.state
    bought = views.liquidation_prices(state, Account(9, b""), BTC)
    assert bought == views.Crossing(None, None)
    account = account_of(traded)
    account.cash = 0
    spot = risk.view_now(state).spots[BTC]
    assert views.liquidation_prices(state, account, BTC) == views.Crossing(spot, spot)


def test_what_if_is_what_happens(traded: Venue) -> None:
    """A fill at a price: the figures told before are those after, but for its fee."""
    state, account = traded.state, account_of(traded, 2)
    told = views.with_changes(state, account, {PUT: -4_000}, 190 * USDC * 4_000 // QTY_ONE)
    traded.fund(3, 10_000)
    traded.place(3, PUT, True, 4_000, 190 * USDC)
    traded.place(2, PUT, False, 4_000, 190 * USDC)
    after = views.figures(state, account)
    assert after.initial == told.initial
    assert after.maintenance == told.maintenance
    assert 0 <= told.equity - after.equity < 10 * USDC
    assert views.with_changes(state, account, {}) == after


def test_a_cure_works_and_a_little_less_does_not(traded: Venue) -> None:
    state, account = traded.state, account_of(traded)
    account.cash = needs(state, account, Kind.INITIAL) - 300 * USDC
    cure = views.smallest_cure(state, account, Kind.INITIAL)
    assert cure.deposit == 300 * USDC
    assert views.with_changes(state, account, {}, cure.deposit).margin(Kind.INITIAL) == 0
    assert views.with_changes(state, account, {}, cure.deposit - 1).margin(Kind.INITIAL) < 0
    assert {CALL, LATER} <= set(cure.closing)
    lot = state.underlyings[BTC].lot
    for series, qty in cure.closing.items():
        sign, mark = (-1 if account.positions[series] > 0 else 1), risk.view_now(state).marks[series]
        for closed, works in ((qty, True), (qty - lot, False)):
            cash = -sign * closed * mark // QTY_ONE
            margin = views.with_changes(state, account, {series: sign * closed}, cash).margin(Kind.INITIAL)
            assert (margin >= 0) is works, (series, closed)


def test_nothing_is_missing_then_nothing_cures(traded: Venue) -> None:
    assert views.smallest_cure(traded.state, account_of(traded, 2), Kind.MAINTENANCE) == views.Cure(0, {})


def test_in_the_last_half_hour_only_what_is_not_settled_moves(traded: Venue) -> None:
    state = traded.state
    for seconds in (35 * HALF_HOUR, 900):
        traded.wait(seconds)
        traded.round(62_000)
    view, positions = risk.view_now(state), account_of(traded).positions
    on, spot = view.terms[1], view.spots[BTC]
    assert 0 < on.fixed < on.expected
    same = views.moved_view(state, positions, BTC, spot)
    assert {series: same.marks[series] for series in positions} == {series: view.marks[series] for series in positions}
    half = views.moved_view(state, positions, BTC, spot // 2)
    assert half.marks[PUT] < 61_000 * USDC - (on.fixed + (on.expected - on.fixed) // 2) + USDC
    table = views.scenario_tables(state, {PUT: -QTY_ONE})[BTC]
    lowest = min(range(len(PORTFOLIO.scenarios)), key=lambda at: PORTFOLIO.scenarios[at].spot)
    weight, factor = PORTFOLIO.scenarios[lowest].weight, PORTFOLIO.scenarios[lowest].spot
    settled = on.fixed + (on.expected - on.fixed) * factor // WAD
    assert abs(table.scenarios[lowest].loss - (61_000 * USDC - settled - view.marks[PUT]) * weight // WAD) <= 1
