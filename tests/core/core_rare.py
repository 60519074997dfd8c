"""Short stories in the world of ``core_world`` for what chance seldom leads to, each named after what it must meet.

Histories of any length may leave one of these out; told once, each is met for certain, under the same laws.
"""

from collections.abc import Callable
from typing import Any

from core_asking import bound
from core_combos import LOT, order_combo
from core_makers import send
from core_pooling import POOL, quote_for_the_round
from core_pools import set_pool
from core_presence import lost
from core_quotes import protect
from core_venue import BTC, wallet
from core_waiting import trade_linked, trigger_at
from core_world import World

from exchange.core import commands as c
from exchange.core.legs import Leg
from exchange.core.units import WAD

RARE: dict[str, Callable[[World], Any]] = {}
HOUR_NS = 3_600 * 10**9


def leads_to(*kinds: str) -> Callable[[Callable[[World], Any]], Callable[[World], Any]]:
    """Register a story under every kind of event, and every reason to cancel, that it leads to."""

    def register(story: Callable[[World], Any]) -> Callable[[World], Any]:
        RARE.update(dict.fromkeys(kinds, story))
        return story

    return register


@leads_to("ProtectionTriggered", "quote_protection")
def a_window_is_full(world: World) -> None:
    protect(world, 1, "a", qty=500, interval_ns=HOUR_NS)
    send(world, 1, [(0, 95, 10)], "a")
    world.trade(2, 0, False, 10, 90, tif=c.IOC)


@leads_to("quote_budget")
def a_budget_is_used_up(world: World) -> None:
    protect(world, 1, "a")
    send(world, 1, [(0, 95, 10)], "a", qty=500)
    world.trade(2, 0, False, 10, 90, tif=c.IOC)


@leads_to("MassQuoted", "Quoted", "quote_replaced")
def quotes_move_to_another_series(world: World) -> None:
    send(world, 1, [(0, 95, 1)], "a")
    send(world, 1, [(1, 95, 1)], "a", whole=True)


@leads_to("QuoteRefused")
def a_quote_crosses(world: World) -> None:
    send(world, 1, [(0, 101, 1)], "a")


@leads_to("kill_switch")
def a_switch_is_pulled(world: World) -> None:
    world.trade(2, 0, True, 1, 60)
    words = (c.KILL_ACCOUNT, 2, b"", wallet(2), "test")
    world.must(c.PullKill(*words))
    world.must(c.Tick())
    world.must(c.ReleaseKill(*words))


@leads_to("disconnected", "Purged")
def a_connection_is_lost(world: World) -> None:
    lost(world, lambda _: 0)
    world.must(c.Tick())


@leads_to("TimerFired", "dead_man")
def a_timer_runs_out(world: World) -> None:
    world.trade(2, 0, True, 1, 60)
    world.must(c.SetTimer(2, 1_000))
    world.pass_time(30)


@leads_to("reduce_only")
def a_position_is_closed_beside_what_was_to_close_it(world: World) -> None:
    world.trade(2, 0, False, 10, 100)
    world.trade(1, 0, True, 10, 100, tif=c.IOC)
    world.trade(1, 0, False, 10, 150, reduce_only=True)
    world.trade(3, 0, True, 10, 90)
    world.trade(1, 0, False, 10, 90, tif=c.IOC)


@leads_to("margin")
def money_is_gone_when_an_order_meets_somebody(world: World) -> None:
    world.trade(3, 0, False, 50, 100)
    world.request_withdrawal(3, world.free_usdc(3))
    world.finalise(len(world.unseen))
    world.move_spot(100)
    world.wait(1)
    world.oracle_speaks()
    order = world.some_order(0)
    world.do(c.Place(world.auth(4, order.series, True, order.qty, order.price, tif=c.IOC)))


@leads_to("volatility")
def an_order_would_leave_the_band(world: World) -> None:
    world.must(c.SetAuctions(BTC, 0, 60, 0, WAD // 10, 0, 0, "operator"))
    world.trade(2, 0, False, 1, 150)
    world.trade(1, 0, True, 1, 160, tif=c.IOC)


@leads_to("Uncrossed", "PhaseChanged")
def an_auction_ends(world: World) -> None:
    series = world.trading()[0]
    world.must(c.SetPhase(c.SERIES, series, c.AUCTION, world.now_s + 30, 0, "test", "operator"))
    world.trade(2, 0, False, 1, 90)
    world.trade(1, 0, True, 1, 100)
    world.pass_time(60)


@leads_to("account_exiting")
def somebody_leaves(world: World) -> None:
    world.trade(2, 0, True, 1, 60)
    world.ask_to_leave(2)
    world.finalise(len(world.unseen))


@leads_to("on_chain")
def a_nonce_is_cancelled_on_chain(world: World) -> None:
    world.trade(2, 0, True, 1, 60)
    world.cancel_on_chain(0)
    world.finalise(len(world.unseen))


@leads_to("key_limit")
def a_key_has_room_for_less(world: World) -> None:
    world.delegate(1, 900, c.SCOPE_TRADE, (0, 1, 0))
    world.finalise(len(world.unseen))
    world.trade(2, 0, False, 10, 100)
    world.trade(1, 0, True, 10, 100, by_key=True)


@leads_to("rfq_ended", "RfqEnded")
def a_request_is_closed(world: World) -> None:
    series = world.trading()[0]
    world.must(c.OpenRfq(1, series, c.UNTOLD, 1_000, 1_000, 0, world.now_s + 60, ()))
    rfq = world.state.rfqs[world.state.seq]
    world.must(c.QuoteRfq(bound(world, 2, rfq, False, 10, 110)))
    world.must(c.CloseRfq(1, rfq.id))
    world.must(c.Tick())


@leads_to("Parked", "Triggered")
def a_price_is_reached(world: World) -> None:
    world.trade(1, 0, True, 1, 60, terms=trigger_at(world, 0, c.INDEX, True, 5))
    world.move_spot(20)
    world.wait(1)
    world.oracle_speaks()
    world.must(c.Fire(next(iter(world.state.due))))


@leads_to("Held", "linked")
def what_an_entry_opens_is_protected(world: World) -> None:
    trade_linked(world, 1, 0, True, 1, c.BRACKET, 2, c.LAST, c.GTC)
    world.trade(2, 0, False, 1, 100, tif=c.IOC)
    trade_linked(world, 3, 0, True, 1, c.BRACKET, 2, c.LAST, c.GTC)
    world.must(c.CancelAll(3))
    entry = world.trade(3, 0, True, 1, 60)
    assert entry
    first = trade_linked(world, 3, 1, True, 1, c.BRACKET, 2, c.LAST, c.GTC)
    assert first
    world.must(c.Cancel(3, world.state.seq))


@leads_to("ComboListed", "Reached")
def legs_reach_a_combo(world: World) -> None:
    low, up = sorted(world.trading()[:2])
    world.must(c.CreateCombo((Leg(low, 1), Leg(up, 1))))
    combo = next(reversed(world.state.combos.values()))
    order_combo(world, 1, combo, True, 1, 120)
    for series in (low, up):
        world.trade(2, world.trading().index(series), False, LOT // 100, 90)


@leads_to("PoolObserved", "PoolMoved", "pool_round")
def a_pool_meets_a_jump(world: World) -> None:
    protect(world, POOL, "a")
    world.must(set_pool(POOL))
    world.wait(1)
    world.oracle_speaks()
    quote_for_the_round(world, [(0, 95, 10)], "a")
    world.move_spot(100)
    world.wait(1)
    world.oracle_speaks()


@leads_to("Digested")
def the_state_is_named(world: World) -> None:
    world.must(c.TakeDigest())
