"""Negative controls: each named invariant fires when its sentence is made false, and each twin notices a broken rule.

A check that cannot fail proves nothing. Here the state, or a rule of the machine, is broken by hand, and the check that
is there for it must say so by name.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from core_contract import Refused
from core_pools import set_pool
from core_quotes import ask, bid, protect, quoted
from core_venue import HALF_HOUR, USDC, Venue, series_named, standard_venue
from core_world import World

from exchange.core import (
    admission,
    fees,
    invariants,
    ledger,
    observation,
    risk,
    settlement,
)
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.book import Level
from exchange.core.breakers import Breaker, Held, Stage, Status
from exchange.core.images import decode, encode
from exchange.core.state import TREASURY, State
from exchange.core.state_types import Deal, Due, Kill, Pool, QueuedBlock, Rfq
from exchange.core.units import QTY_ONE

CALL, HIGHER = series_named("62000C"), series_named("63000C")


@pytest.fixture
def busy() -> Venue:
    """Everything an invariant speaks of exists: positions, resting orders, a sealed and an open batch, a mirror."""
    venue = standard_venue(mandates=True, combos=True)
    for account in (1, 2):
        venue.fund(account, 100_000)
    protect(venue, 1)
    quoted(venue, bid(CALL, 1, 10), ask(CALL, 1, 9_000), account=1, qty=1_000)
    for turn in range(3):
        venue.place(1, CALL, False, 10_000, 900 * USDC)
        venue.place(2, CALL, True, 10_000, 900 * USDC)
        if turn < 2:
            venue.must(c.SealBatch())
    venue.observe(c.ObserveBatch, 1, b"t" * 32, 1, 1)
    venue.place(1, CALL, False, 5_000, 910 * USDC)
    venue.place(2, CALL, True, 5_000, 890 * USDC)
    first = venue.auth(1, CALL, False, 1_000, 950 * USDC, terms=c.Terms(link=c.OCO, attached=1))
    waits = c.Terms(trigger=c.LAST, trigger_above=True, trigger_price=1_000 * USDC, link=c.OCO, parent=first.nonce + 1)
    other = venue.auth(1, CALL, True, 1_000, 990 * USDC, terms=waits)
    venue.must(c.Place(first, attached=(c.Attached(other),)))
    venue.place(1, HIGHER, True, 1_000, USDC)
    venue.place(2, venue.list_combo((CALL, 1), (HIGHER, -1)), True, 1_000, 10 * USDC)
    venue.must(c.AdmitMaker(2, is_maker=True))
    asked = venue.state.seq + 1
    venue.must(c.OpenRfq(1, CALL, c.UNTOLD, 2_000, 1_000, 0, venue.now_s + 60))
    venue.must(c.QuoteRfq(venue.auth(2, CALL, False, 2_000, 920 * USDC, terms=c.Terms(rfq=asked))))
    venue.check()
    return venue


def lose_cash(state: State) -> None:
    state.accounts[1].cash -= 1


def lose_fee(state: State) -> None:
    state.accounts[TREASURY].cash += 1


def lose_position(state: State) -> None:
    state.accounts[1].positions[CALL] += 1


def cross(state: State) -> None:
    best = state.books[CALL].bids.best()
    assert best is not None
    asks = state.books[CALL].asks
    asks.levels[-best] = asks.levels.pop(asks.keys[-1])
    asks.keys[-1] = -best


def miscount_interest(state: State) -> None:
    state.series[CALL].open_interest += 1


def miscount_level(state: State) -> None:
    bids = state.books[CALL].bids
    bids.levels[bids.keys[-1]].total += 1


def miscount_hidden(state: State) -> None:
    bids = state.books[CALL].bids
    bids.hide(bids.best() or 0, 1)


def keep_empty_level(state: State) -> None:
    bids = state.books[CALL].bids
    bids.levels[1], bids.keys[:0] = Level({}, 0), [1]


def show_nothing(state: State) -> None:
    order = next(order for order in state.orders.values() if order.resting)
    order.hidden = order.qty - order.filled
    state.books[order.series].side(is_buy=order.is_buy).hide(order.price, order.hidden)


def watch_nothing(state: State) -> None:
    state.lookouts.clear()


def watch_what_is_there(state: State) -> None:
    state.series[CALL].last_price = 2_000 * USDC


def fire_into_the_void(state: State) -> None:
    state.due[10**9] = Due(10**9, 1, 1)


def lose_a_relation(state: State) -> None:
    next(iter(state.groups.values())).pop()


def both_legs_rest(state: State) -> None:
    group = next(iter(state.groups))
    others = [order for order in state.orders.values() if order.resting and not order.group]
    for order in others:
        order.group = group
        state.groups[group].append(order.id)


def forget_order(state: State) -> None:
    del state.orders[max(order.id for order in state.orders.values() if order.resting)]


def forget_trade(state: State) -> None:
    state.trades.pop(state.next_trade - 2)


def overlap_batches(state: State) -> None:
    next(iter(state.batches.values())).first_trade -= 1


def seal_in_secret(state: State) -> None:
    state.first_unsealed += 1


def misread_chain(state: State) -> None:
    state.mirror.positions[1][CALL] -= 1


def pay_somebody_else(state: State) -> None:
    state.accounts[1].cash -= 1
    state.accounts[2].cash += 1


def misread_cash(state: State) -> None:
    state.mirror.cash[1] += 1


def forget_fee(state: State) -> None:
    state.trades[state.next_trade - 1].taker_fee -= 1


def find_dust(state: State) -> None:
    state.mirror.dust[1] = 1


def hold_nothing_less(state: State) -> None:
    state.accounts[1].held = -1


def hold_treasury(state: State) -> None:
    state.accounts[TREASURY].held = 1


def keep_trading(state: State) -> None:
    state.kills[c.KILL_VENUE, 0, b"", True] = Kill(c.KILL_VENUE, 0, b"", True, b"", "", 0)


def lose_sight(state: State) -> None:
    next(iter(state.orders.values())).session = 7


def forget_authorisation(state: State) -> None:
    state.auths = {key: entry for key, entry in state.auths.items() if not entry.mandate}


def settle_for_no_block(state: State) -> None:
    """An ordinary trade on its way says that it is a leg."""
    batch = next(iter(state.batches.values()))
    state.auths[state.trades[batch.first_trade].taker_auth].deal = 7


def keep_a_block_without_trades(state: State) -> None:
    legs = (c.BlockLeg(CALL, True, 10_000, 900 * USDC),)
    state.deals[7] = Deal(7, c.ExecuteBlock(c.Block(1, 2, legs, 0, 0, 0, 0), b"", b"", b"", b""), 2)


def await_in_secret(state: State) -> None:
    state.accounts[1].awaiting = 1


def await_with_open_orders(state: State) -> None:
    state.await_block(QueuedBlock(b"d" * 32, 1, 2, 0))


def use_mandate_up(state: State) -> None:
    next(iter(state.mandates.values())).qty = 1_000


def freeze_group(state: State) -> None:
    state.accounts[1].groups["front"].frozen_until_ns = state.time_ns + 1


def misplace_quote(state: State) -> None:
    state.accounts[1].quotes["front"].popitem()
    state.accounts[1].quotes["front"][0] = next(iter(state.orders.values()))


def asked(state: State) -> Rfq:
    return next(iter(state.rfqs.values()))


def lose_a_request(state: State) -> None:
    del state.rfqs[asked(state).id]


def lose_its_quotes(state: State) -> None:
    state.rfq_quotes.clear()


def answer_between_steps(state: State) -> None:
    next(iter(state.rfq_quotes[asked(state).id].values())).filled += 1


def ask_for_what_is_filled(state: State) -> None:
    asked(state).filled = asked(state).request.qty


def fill_between_steps(state: State) -> None:
    asked(state).filled += 1


def forget_a_leg(state: State) -> None:
    state.on_leg[HIGHER].clear()


def mistake_legs(state: State) -> None:
    state.combo_of[state.combos[1].legs] = 2


def pass_a_combo_over(state: State) -> None:
    """The legs offer what the resting combo bids for, and it stands still."""
    bid = next(order for order in state.orders.values() if order.series == 1)
    side, bid.price = state.books[1].bids, 2_000 * USDC
    side.levels, side.keys = {bid.price: side.levels.popitem()[1]}, [bid.price]
    state.auths[bid.auth_id].auth = msgspec.structs.replace(state.auths[bid.auth_id].auth, price=bid.price)


def degrade_by_hand(state: State) -> None:
    state.breakers[0] = Breaker(order=Held(Status.DEGRADED, 0))


def close_step_by_step(state: State) -> None:
    stage = Stage(Status.HALTED, 10**9, e.Authority.OPERATOR)
    state.breakers[0] = Breaker(order=Held(Status.REDUCE_ONLY, 0), stages=(stage,))


def make_a_pool_of_who_quotes(state: State) -> None:
    account = next(account for account in state.accounts.values() if any(account.quotes.values()))
    state.pools[account.id] = Pool(account.id, set_pool(account.id))


BREAKS: tuple[tuple[Callable[[State], None], str], ...] = (
    (lose_cash, "cash_sums_to_vault"),
    (lose_fee, "cash_sums_to_vault"),
    (lose_position, "positions_sum_to_zero"),
    (cross, "book_not_crossed"),
    (miscount_interest, "open_interest_matches"),
    (miscount_level, "book_holds_open_orders"),
    (miscount_hidden, "book_holds_open_orders"),
    (keep_empty_level, "book_holds_open_orders"),
    (show_nothing, "icebergs_show_a_slice"),
    (watch_nothing, "waiting_orders_watch"),
    (watch_what_is_there, "waiting_orders_watch"),
    (fire_into_the_void, "waiting_orders_watch"),
    (lose_a_relation, "linked_orders_are_grouped"),
    (both_legs_rest, "linked_orders_are_grouped"),
    (forget_order, "book_holds_open_orders"),
    (forget_trade, "trades_await_settlement"),
    (overlap_batches, "trades_await_settlement"),
    (seal_in_secret, "trades_await_settlement"),
    (misread_chain, "mirror_plus_trades_is_ledger"),
    (pay_somebody_else, "mirror_plus_trades_is_cash"),
    (misread_cash, "mirror_plus_trades_is_cash"),
    (forget_fee, "mirror_plus_trades_is_cash"),
    (find_dust, "mirror_plus_trades_is_cash"),
    (hold_nothing_less, "free_collateral_is_withdrawable"),
    (hold_treasury, "free_collateral_is_withdrawable"),
    (keep_trading, "killed_trade_nothing"),
    (lose_sight, "connections_mind_open_orders"),
    (forget_authorisation, "mandates_are_named"),
    (settle_for_no_block, "blocks_settle_whole"),
    (keep_a_block_without_trades, "blocks_settle_whole"),
    (await_in_secret, "awaited_blocks_are_alone"),
    (await_with_open_orders, "awaited_blocks_are_alone"),
    (use_mandate_up, "quotes_are_protected"),
    (freeze_group, "quotes_are_protected"),
    (misplace_quote, "quotes_are_protected"),
    (lose_a_request, "requests_hold_their_quotes"),
    (lose_its_quotes, "requests_hold_their_quotes"),
    (answer_between_steps, "requests_hold_their_quotes"),
    (ask_for_what_is_filled, "requests_have_something_left"),
    (fill_between_steps, "requests_have_something_left"),
    (forget_a_leg, "combos_are_indexed"),
    (mistake_legs, "combos_are_indexed"),
    (pass_a_combo_over, "no_combo_reached"),
    (degrade_by_hand, "breakers_are_on_their_steps"),
    (close_step_by_step, "breakers_are_on_their_steps"),
    (make_a_pool_of_who_quotes, "pools_quote_for_their_round"),
)


@pytest.mark.parametrize(("damage", "name"), BREAKS, ids=[damage.__name__ for damage, _ in BREAKS])
def test_a_broken_state_is_named(busy: Venue, damage: Callable[[State], None], name: str) -> None:
    damage(busy.state)
    with pytest.raises(invariants.InvariantBroken, match=f"^{name}: "):
        busy.check()


def test_every_named_invariant_is_seen_to_fire() -> None:
    assert {name for _, name in BREAKS} == {invariant.__name__ for invariant in invariants.ALL}
    for invariant in invariants.ALL:
        assert invariant.__doc__ is not None
        assert invariant.__doc__.split(":")[0].isupper()


# -- rules of the machine, broken -------------------------------------------------------------------------------------


def trade_at(world: World, spot_usdc: int) -> None:
    """Account 3 sells account 4 as many calls as its margin takes; then the market moves and the batch goes to chain."""
    for _ in range(12):
        world.trade(4, 0, True, 50, 100)
        world.trade(3, 0, False, 50, 100)
    world.spot = spot_usdc * USDC
    world.wait(1)
    world.oracle_speaks()
    world.seal(heartbeat=False)
    while world.jobs():
        world.land()


def test_an_honest_machine_passes_where_the_broken_ones_do_not() -> None:
    world = World(batch_trades_max=100)
    trade_at(world, 70_000)
    world.quiesce()


@pytest.mark.parametrize(
    ("place", "rule", "broken", "reason"),
    [
        # without reservation and without the check at each fill
        (risk, "fill_shortfall", lambda *_: 0, "account_margin"),
        # a batch goes on to a round at which its accounts no longer hold
        (risk, "holds_at", lambda *_: True, "account_margin"),
    ],
    ids=["fills unchecked", "round carried on"],
)
def test_the_contract_refuses_what_a_machine_without_the_rule_lets_pass(
    monkeypatch: pytest.MonkeyPatch, place: Any, rule: str, broken: Any, reason: str
) -> None:
    monkeypatch.setattr(place, rule, broken)
    if rule == "fill_shortfall":
        monkeypatch.setattr(admission, "refuse_margin", lambda *_: None)
    world = World(batch_trades_max=100)
    with pytest.raises(Refused, match=reason):
        trade_at(world, 70_000)


def amend_between_batches(world: World) -> None:
    """An order fills, is amended twice and fills again: the amendment between never trades, and has to travel."""
    world.trade(4, 0, True, 120, 100)
    world.trade(2, 0, False, 60, 100)
    world.seal(heartbeat=False)
    world.replace(0, 120, 103)
    world.replace(0, 120, 106)
    world.trade(2, 0, False, 40, 106)
    world.quiesce()


def test_a_replaced_order_left_out_of_a_batch_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    amend_between_batches(World(batch_trades_max=100))
    whole = settlement.lineage
    monkeypatch.setattr(settlement, "lineage", lambda *given: whole(*given)[-1:])
    with pytest.raises(AssertionError):
        amend_between_batches(World(batch_trades_max=100))


def live_through(world: World) -> None:
    trade_at(world, 62_000)
    world.quiesce()
    world.run_out()


def test_an_honest_machine_lives_through_it() -> None:
    live_through(World(batch_trades_max=100))


@pytest.mark.parametrize(
    ("place", "rule", "broken"),
    [
        (ledger, "premium_of", lambda price, qty: price * qty // QTY_ONE + 1),
        (fees, "maker_fee", lambda *_: -(10**9)),
        (ledger, "change_position", lambda *_: None),
        (observation, "premium_of", lambda price, qty: price * qty // QTY_ONE - 1),
    ],
    ids=["premium one too high", "rebate from nowhere", "position never moves", "mirror one too low"],
)
def test_invariants_or_the_chain_notice_a_broken_ledger(
    monkeypatch: pytest.MonkeyPatch, place: Any, rule: str, broken: Any
) -> None:
    monkeypatch.setattr(place, rule, broken)
    with pytest.raises((AssertionError, Refused)):
        live_through(World(batch_trades_max=100))


@pytest.mark.parametrize("wrong", [1, -1, 10**6], ids=["one too high", "one too low", "a dollar too high"])
def test_a_wrong_premium_is_seen_with_the_first_trade(monkeypatch: pytest.MonkeyPatch, wrong: int) -> None:
    """The cash of both sides still adds up, and nothing has been sealed."""
    monkeypatch.setattr(ledger, "premium_of", lambda price, qty: price * qty // QTY_ONE + wrong)
    world = World(batch_trades_max=100)
    world.trade(4, 0, True, 50, 100)
    world.check()
    world.trade(3, 0, False, 50, 100)
    assert len(world.state.trades) == 1
    with pytest.raises(invariants.InvariantBroken, match=r"^mirror_plus_trades_is_cash: "):
        world.check()


def test_a_premium_the_mirror_misreads_is_seen_with_the_first_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observation, "premium_of", lambda price, qty: price * qty // QTY_ONE - 1)
    world = World(batch_trades_max=100)
    world.trade(4, 0, True, 50, 100)
    world.trade(3, 0, False, 50, 100)
    world.seal(heartbeat=False)
    world.check()
    world.land()
    world.finalise(1)
    with pytest.raises(invariants.InvariantBroken, match=r"^mirror_plus_trades_is_cash: "):
        world.check()


def expire_with_fractions() -> World:
    """An expiry is settled here: no payoff is a whole unit, and one trade in it is still on its way to the chain."""
    world = World(batch_trades_max=100)
    world.spot = 62_345_678_901
    world.oracle_speaks()
    for buyer, lots in ((2, 1), (4, 3), (2, 7)):
        world.trade(buyer, 0, True, lots, 100)
        world.trade(1, 0, False, lots, 100)
    world.pass_time(2 * HALF_HOUR - 60)
    world.trade(3, 0, True, 9, 100)
    world.trade(1, 0, False, 9, 100)
    world.pass_time(60)
    assert world.state.expiries[1].fixing > 0
    assert len(world.state.trades) == 1
    return world


def test_expiries_settled_here_and_not_yet_there_are_owed_to_the_unit() -> None:
    world = expire_with_fractions()
    world.check()
    world.pass_time(HALF_HOUR + 2)
    world.check()
    world.pay_expiries()
    payments = len(world.unseen)
    dust = set()
    for _ in range(payments):
        world.finalise(1)
        world.check()
        dust.add(world.state.mirror.dust[1])
    assert payments == 4
    assert len(dust) > 2
    assert world.state.mirror.cash[TREASURY] == world.state.accounts[TREASURY].cash


def test_a_chain_that_pays_something_else_is_written_down_and_is_no_contradiction_of_the_machine() -> None:
    world = expire_with_fractions()
    world.pass_time(HALF_HOUR + 2)
    paid = world.chain.settle_expiry(1, 2, world.now_s)
    events = world.observe(c.ObserveExpirySettled, 1, 2, paid + 1)
    assert [type(event) for event in events] == [e.Applied, e.ChainDisagreed]
    world.check()
    assert decode(encode(world.state)).mirror.disputed


@pytest.mark.parametrize("wrong", [1, -1])
def test_a_payoff_one_unit_off_is_seen_as_soon_as_it_is_settled_here(
    monkeypatch: pytest.MonkeyPatch, wrong: int
) -> None:
    whole = settlement.settlement_value
    monkeypatch.setattr(settlement, "settlement_value", lambda *given: whole(*given) + wrong)
    world = expire_with_fractions()
    with pytest.raises(invariants.InvariantBroken, match=r"^mirror_plus_trades_is_cash: "):
        world.check()
