"""Limits of keys, with the contract in plain words beside the machine; and a machine that forgets one is noticed there."""

from collections.abc import Callable
from typing import Any

import pytest
from core_contract import Refused
from core_venue import USDC
from core_world import WINDOW, World

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import keyroom, observation
from exchange.core.keyroom import KeyRoom
from exchange.core.state import State
from exchange.core.state_types import Key

KEY = bytes([101]) * 20  # of account 1, as the world has it
ONE = 10_000
ROOM = (0, 100_000 * USDC, 0)  # for one contract at a strike of 60,000, and not for two


def fill(world: World, *, as_maker: bool, count: int = 2) -> list[e.CancelReason]:
    """The key sells so many contracts, one by one in the book or all at once, to one who buys them; what was cancelled."""
    series = world.trading()[0]
    price = world.price_near(series, 100)
    orders = [world.auth(1, series, False, ONE, price, signer=KEY) for _ in range(count)]
    other = world.auth(4, series, True, count * ONE, price)
    if not as_maker:
        one = world.auth(1, series, False, count * ONE, price, signer=KEY, tif=c.IOC)
        orders, other = [world.auth(4, series, True, ONE, price) for _ in range(count)], one
    events = [event for auth in (*orders, other) for event in world.do(c.Place(auth))]
    assert not any(type(event) is e.Rejected for event in events), events
    return [event.reason for event in events if type(event) is e.Cancelled]


def live(*, as_maker: bool) -> World:
    world = World()
    world.delegate(1, 7_200, c.SCOPE_TRADE, ROOM)
    world.finalise(1)
    assert fill(world, as_maker=as_maker) in ([e.CancelReason.KEY_LIMIT], []), "nothing else cancels here"
    world.quiesce()
    return world


def registered_again() -> World:
    """An unlimited key sells a contract, expires, and is registered anew with limits before the contract hears of it."""
    world = World()
    world.delegate(1, 60)
    world.finalise(1)
    fill(world, as_maker=True, count=1)
    world.wait(WINDOW + 61)
    world.delegate(1, 7_200, c.SCOPE_TRADE, ROOM)
    world.finalise(1)
    world.see_block()
    world.oracle_speaks()
    fill(world, as_maker=True, count=1)
    world.quiesce()
    return world


def started_over() -> World:
    """A key with limits is used, expires, and is registered anew after everything has settled."""
    world = World()
    world.delegate(1, 60, c.SCOPE_TRADE, ROOM)
    world.finalise(1)
    fill(world, as_maker=True, count=1)
    world.quiesce()
    world.pass_time(WINDOW + 120)
    world.delegate(1, 7_200, c.SCOPE_TRADE, ROOM)
    world.finalise(len(world.unseen))
    fill(world, as_maker=True, count=1)
    world.quiesce()
    return world


@pytest.mark.parametrize("as_maker", [True, False])
def test_what_the_key_may_do_settles_and_no_more_is_made(as_maker):
    world = live(as_maker=as_maker)
    assert world.state.accounts[1].keys[KEY].notional == 60_000 * USDC
    assert sum(world.chain.accounts[4].positions.values()) == ONE


def test_what_it_signed_before_counts_when_it_settles_after_its_registration():
    world = registered_again()
    assert sum(world.chain.accounts[4].positions.values()) == ONE
    assert world.state.accounts[1].keys[KEY].notional == 60_000 * USDC


def test_a_registration_begins_anew_when_all_has_settled():
    world = started_over()
    assert sum(world.chain.accounts[4].positions.values()) == 2 * ONE
    assert world.state.accounts[1].keys[KEY].notional == 60_000 * USDC


honest = KeyRoom.allows


def takers_only(room: KeyRoom, auth: c.Authorisation, *fill: Any) -> bool:
    return auth.tif != c.IOC or honest(room, auth, *fill)


def makers_only(room: KeyRoom, auth: c.Authorisation, *fill: Any) -> bool:
    return auth.tif == c.IOC or honest(room, auth, *fill)


def forget(*_: Any) -> None:
    """What was planned in the same record."""


@pytest.mark.parametrize(
    ("name", "broken", "as_maker"),
    [
        ("allows", takers_only, True),
        ("allows", makers_only, False),
        ("note", forget, True),
        ("note", forget, False),
    ],
)
def test_a_machine_that_does_not_look_is_noticed_by_the_contract(monkeypatch, name, broken, as_maker):
    monkeypatch.setattr(KeyRoom, name, broken)
    with pytest.raises(Refused, match="key_notional"):
        live(as_maker=as_maker)


def without_what_settles_later(state: State, command: c.ObserveKey) -> Key:
    trades, state.trades = state.trades, {}
    key = true_registered(state, command)
    state.trades = trades
    return key


def with_what_it_had_used(state: State, command: c.ObserveKey) -> Key:
    before = state.accounts[command.account].keys.get(command.key)
    key = true_registered(state, command)
    if before is not None:
        key.notional, key.rest, key.spend = before.notional, before.rest, before.spend
    return key


true_registered = keyroom.registered


@pytest.mark.parametrize(
    ("broken", "history", "error"),
    [
        (without_what_settles_later, registered_again, Refused),
        (with_what_it_had_used, started_over, AssertionError),
    ],
)
def test_a_machine_that_misreads_a_registration_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
    broken: Callable[[State, c.ObserveKey], Key],
    history: Callable[[], World],
    error: type[Exception],
) -> None:
    monkeypatch.setattr(observation.keyroom, "registered", broken)
    with pytest.raises(error):
        history()
