"""A refusal for margin names the scenario that requires most, and cures that work and are the smallest that do. # M11"""

from typing import Any

import msgspec
import pytest
from core_profiles import effort
from core_venue import USDC, Venue, series_named, standard_venue
from core_world import TRADERS, World
from hypothesis import given
from hypothesis import strategies as st

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import risk
from exchange.core.events import Reject
from exchange.core.images import encode
from exchange.core.margin import Kind, expiry_requirement
from exchange.dialect import cures

LOT = 100
CALL, PUT, HIGH = series_named("62000C"), series_named("62000P"), series_named("64000C")


def refused_for_margin(venue: Venue, command: Any) -> e.Rejected | None:
    event = venue.do(command)[-1]
    short = type(event) is e.Rejected and event.reason is Reject.ACCOUNT_MUST_HAVE_MARGIN
    return event if short else None


def check_cures(venue: Venue, command: Any, refused: e.Rejected) -> int:
    """What is told is tried: the cured order is taken, a lot or a unit less of the cure is refused."""
    state, before = venue.state, encode(venue.state)
    qty, cash = cures.largest(state, command), cures.deposit(state, command, refused.limit)
    assert encode(state) == before
    assert not cures.taken(state, cures.with_qty(command, qty + LOT))
    assert qty == 0 or cures.taken(state, cures.with_qty(command, qty))
    if cash:
        account = command.auth.account
        assert cures.taken(cures.with_cash(state, account, cash), command)
        assert not cures.taken(cures.with_cash(state, account, cash - 1), command)
    return qty


@pytest.mark.parametrize(("series", "is_buy"), [(CALL, False), (PUT, False), (CALL, True)])
def test_a_cured_order_is_taken_and_one_lot_more_is_not(series: int, is_buy: bool) -> None:
    venue = standard_venue()
    venue.fund(1, 20_000)
    command = c.Place(venue.auth(1, series, is_buy, 1_000_000, 900 * USDC))
    refused = refused_for_margin(venue, command)
    assert refused is not None
    qty = check_cures(venue, command, refused)
    more = c.Place(venue.auth(1, series, is_buy, qty + LOT, 900 * USDC))
    assert venue.rejected(more) is Reject.ACCOUNT_MUST_HAVE_MARGIN
    assert type(venue.place(1, series, is_buy, qty, 900 * USDC)[-1]) is e.Rested


def test_a_cured_deposit_is_enough_and_one_unit_less_is_not() -> None:
    venue = standard_venue()
    venue.fund(1, 20_000)
    command = c.Place(venue.auth(1, CALL, False, 1_000_000, 900 * USDC))
    refused = refused_for_margin(venue, command)
    assert refused is not None
    cash = cures.deposit(venue.state, command, refused.limit)
    venue.observe(c.ObserveDeposit, 1, cash - 1)
    assert refused_for_margin(venue, c.Place(venue.auth(1, CALL, False, 1_000_000, 900 * USDC))) is not None
    venue.observe(c.ObserveDeposit, 1, 1)
    assert type(venue.place(1, CALL, False, 1_000_000, 900 * USDC)[-1]) is e.Rested


def test_the_worst_scenario_of_a_spread_is_its_largest_loss_and_of_a_naked_short_its_charge() -> None:
    venue = standard_venue()
    state = venue.state
    naked = cures.worst_of(state, {CALL: -10_000})
    assert naked is not None
    assert (naked.point, naked.unpaired) == (-1, 0)
    spread = cures.worst_of(state, {CALL: -10_000, HIGH: 10_000})
    assert spread is not None
    assert spread.point == 64_000 * USDC
    assert spread.base == 2_000 * USDC * 10_000 * 10**18
    assert cures.worst_of(state, {CALL: 10_000}) is None


@effort(120)
@given(st.dictionaries(st.integers(0, 9), st.integers(-50_000, 50_000).filter(bool), min_size=1, max_size=6), st.data())
def test_the_terms_add_up_to_the_requirement(held: dict[int, int], data: st.DataObject) -> None:
    venue = standard_venue()
    venue.wait(60)
    conf = data.draw(st.sampled_from((10**18, 10**17)))
    venue.round(
        data.draw(st.integers(55_000, 70_000)), conf=conf, stable=data.draw(st.sampled_from((10**18, 96 * 10**16)))
    )
    state = venue.state
    positions = {1 << 16 | index: qty for index, qty in held.items()}
    (book,) = risk.books_of(state, risk.view_now(state), positions)
    due = expiry_requirement(risk.model_of(state), book, risk.view_now(state).stable, Kind.INITIAL)
    assert cures.scenario_of(state, 1, book).total == due


def test_cures_hold_in_the_middle_of_trading() -> None:
    """Positions, open orders, other people's orders to be met: whoever is short of margin is told what would do."""
    seen = 0
    for seed in range(6):
        world = World(batch_trades_max=5)
        for step in range(40):
            number = seed * 40 + step
            account, pick, is_buy = TRADERS[number % 3], number % 9, number % 2 == 0
            series = world.trading()[pick % len(world.trading())]
            qty = (10 + 37 * (number % 7)) * 100
            command = c.Place(world.auth(account, series, is_buy, qty, world.price_near(series, 95 + number % 11)))
            refused = refused_for_margin(world, command)
            if refused is not None:
                seen += 1
                check_cures(world, command, refused)
    assert seen > 10


def test_an_amendment_is_cured_too() -> None:
    venue = standard_venue()
    venue.fund(1, 20_000)
    venue.place(1, CALL, False, 1_000, 900 * USDC)
    order_id = venue.state.seq
    command = c.Amend(order_id, venue.amend_auth(order_id, 1_000_000, 900 * USDC))
    refused = refused_for_margin(venue, command)
    assert refused is not None
    qty = check_cures(venue, command, refused)
    assert qty > 1_000
    auth = msgspec.structs.replace(command.auth, qty=qty)
    assert type(venue.do(c.Amend(order_id, auth))[-1]) is e.Rested
