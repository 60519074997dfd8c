"""An order or key may end between a fill and its settlement, or begin anew: NO_BUST must survive it.

Off chain an order is judged when it fills, on chain when its batch lands. The contract grants one settlement window on
top of what was signed, so a fill in the last second of an order has that window to land in, however short the order
lived. ``core_contract`` stands for the contract; tests/contracts shows the same edge on the contract itself.
"""

import pytest
from core_contract import Refused
from core_venue import Venue
from core_world import LANDS_WITHIN, WINDOW, World

from exchange.core import commands as c
from exchange.core import events as e

MAKER, TAKER = 4, 2
LOTS = 60


def fill_in_the_last_second(life: int, *, by_key: bool) -> tuple[World, int]:
    """Maker and taker sign orders that end together; they trade one second before. The world, and when they end."""
    world = World(batch_trades_max=100)
    end_s = world.now_s + life
    if by_key:
        world.delegate(MAKER, life)
        world.finalise(1)
        world.trade(MAKER, 0, True, LOTS, 100, by_key=True)
    else:
        world.trade(MAKER, 0, True, LOTS, 100, life=life)
    world.wait(life - 1)
    world.see_block()
    world.trade(TAKER, 0, False, LOTS, 100, life=1)
    assert [(trade.qty, world.now_s) for trade in world.state.trades.values()] == [(LOTS * 100, end_s - 1)]
    return world, end_s


@pytest.mark.parametrize("by_key", [False, True], ids=["orders end", "a key ends"])
@pytest.mark.parametrize("life", [1, 2, 90, WINDOW])
def test_a_fill_in_the_last_second_has_the_whole_window_to_settle(life, by_key):
    world, end_s = fill_in_the_last_second(life, by_key=by_key)
    world.wait(end_s + WINDOW - world.now_s)
    world.seal(heartbeat=False)
    world.land()
    world.quiesce()


@pytest.mark.parametrize(("by_key", "reason"), [(False, "order_expired"), (True, "key_expired")])
def test_a_second_later_the_contract_would_refuse(by_key, reason):
    world, end_s = fill_in_the_last_second(90, by_key=by_key)
    world.wait(end_s + WINDOW + 1 - world.now_s)
    world.seal(heartbeat=False)
    with pytest.raises(Refused, match=reason):
        world.land()


@pytest.mark.parametrize("by_key", [False, True], ids=["orders end", "a key ends"])
def test_no_batch_waits_so_long_that_its_orders_could_not_settle(by_key):
    """Ticks seal a batch by its age, and it lands in time, with nobody asking."""
    world, end_s = fill_in_the_last_second(2, by_key=by_key)
    world.pass_time(WINDOW)
    assert not world.state.trades
    assert world.state.config.batch_age_max_s + 120 + LANDS_WITHIN < WINDOW
    assert world.chain.batch_id == 1
    assert end_s < world.now_s


def test_nothing_is_filled_in_the_second_an_order_ends():
    world = World(batch_trades_max=100)
    world.trade(MAKER, 0, True, LOTS, 100, life=60)
    world.wait(60)
    events = world.trade(TAKER, 0, False, LOTS, 100)
    assert not any(type(event) is e.Traded for event in events)


def test_an_order_past_its_time_is_not_amended_back_to_life():
    """Whether the tick that takes it off the book has come by already or not."""
    world = World(batch_trades_max=100)
    world.trade(MAKER, 0, True, LOTS, 100, life=60)
    world.wait(60)
    assert len(world.state.orders) == 1
    assert world.replace(0, LOTS, 100)[0] == e.Rejected(e.Reject.ORDER_MUST_BE_OPEN, min(world.state.orders))


def test_a_venue_whose_batches_may_wait_longer_than_the_window_is_not_opened():
    with pytest.raises(AssertionError):
        Venue().open(batch_age_max_s=WINDOW + 1, settlement_window_s=WINDOW)


# -- a key that begins anew -------------------------------------------------------------------------------------------


def fill_half(world: World, *, by_key: bool) -> int:
    """A bid of the maker that is half filled, and settled; its number."""
    world.trade(MAKER, 0, True, 2 * LOTS, 100, by_key=by_key)
    order_id = world.state.seq
    world.trade(TAKER, 0, False, LOTS, 100)
    world.seal(heartbeat=False)
    world.land()
    world.finalise(1)
    return order_id


def begin_anew(world: World) -> None:
    """The key's time is over, so its owner may register it again: this time it may cancel, and not trade."""
    world.delegate(MAKER, 10**6, c.SCOPE_CANCEL)
    world.finalise(len(world.unseen))
    assert [key.scopes for key in world.state.accounts[MAKER].keys.values()] == [c.SCOPE_CANCEL]


@pytest.mark.parametrize("revoked", [False, True], ids=["the key ends", "the key is revoked"])
@pytest.mark.parametrize("first_by_key", [False, True], ids=["owner, key, owner", "key, owner"])
def test_an_order_that_a_key_once_signed_settles_though_the_key_has_lost_its_scope(first_by_key, revoked):
    """The contract asks of every order it is shown, ancestors too, that its signer may trade: no matter since when."""
    world = World(batch_trades_max=100)
    world.delegate(MAKER, 3_600 if revoked else 60)
    world.finalise(1)
    order_id = fill_half(world, by_key=first_by_key)
    if not first_by_key:
        world.replace(0, 2 * LOTS, 101, by_key=True)
    world.replace(0, 2 * LOTS, 100)
    if revoked:
        world.revoke(MAKER)
        world.finalise(1)
    world.pass_time(WINDOW + 61)
    begin_anew(world)
    still_open = order_id in world.state.orders
    world.trade(TAKER, 0, False, LOTS, 90)
    world.quiesce()
    assert still_open is first_by_key  # an ancestor that had yet to travel takes its order along when its key ends
