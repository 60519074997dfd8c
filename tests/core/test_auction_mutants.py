"""Bugs planted in the text of the auctions, one by one: each makes one of a few plays come out wrong.

A play is an auction that is compared with something that cannot share the bug: a book that tries every price, the same
auction in one record, a model of the contracts.
"""

import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import pytest
from core_auctions import MOVES
from core_contract import Refused
from core_scenario import check
from core_venue import BTC, USDC
from core_world import World
from test_auctions import (
    CALL,
    LOT,
    bid_and_offered,
    call,
    finish,
    play,
    reach_a_bound,
    ready,
    rich_venue,
    trades_in,
)
from test_scenarios import FOLDER, scenarios_of

from exchange.core import backlog, equilibrium, orders, phases, uncross
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.state_types import Underlying

STEPS = Underlying(0, "X", 1, 1, 5, 100)
TABLES = (
    ([(105, 3), (99, 2)], [(90, 2), (98, 3)], 97),
    ([(110, 5)], [(90, 5)], 97),
    ([(110, 5)], [(90, 5)], 103),
    ([(99, 1), (95, 4)], [(91, 2), (93, 2)], 80),
    ([(100, 4), (96, 1)], [(95, 2), (100, 1)], 130),
    ([(120, 1), (110, 7)], [(105, 3), (115, 9)], 90),
    ([(99, 2)], [(99, 2)], 50),
    ([(99, 3), (98, 1)], [(97, 3)], 97),
    ([(110, 1), (99, 10)], [(90, 5)], 99),
)


def mutated(place: Any, name: str, before: str, after: str) -> Callable[..., Any]:
    """The function with a piece of its text replaced."""
    function = getattr(place, name)
    text = textwrap.dedent(inspect.getsource(function))
    assert text.count(before) == 1, (name, before)
    scope: dict[str, Any] = {}
    exec(compile(text.replace(before, after), f"mutant of {name}", "exec"), function.__globals__, scope)
    return scope[name]  # type: ignore[no-any-return]


# -- plays ------------------------------------------------------------------------------------------------------------


def prices_are_the_best() -> None:
    for bids, asks, reference in TABLES:
        ranks = []
        for price in [*range(85, 100), *range(100, 126, 5)]:
            bid, offered = bid_and_offered(bids, asks, price)
            ranks.append((-min(bid, offered), abs(bid - offered), abs(price - reference), price))
        found = equilibrium.equilibrium(bids, asks, STEPS, reference)
        assert found is not None
        assert (-found.volume, abs(found.surplus), found.price) == (min(ranks)[0], min(ranks)[1], min(ranks)[3])


def many_records_are_one() -> None:
    whole = trades_in(finish(ready(120)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uncross, "SWEEP_MAX", 2)
        venue = ready(120)
        assert trades_in(finish(venue)) == whole
    venue.check()
    venue.check_history()
    assert not venue.state.auctions


def settlement_sets_the_pace() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backlog, "trades_max", lambda _: 5)
        venue = ready(60)
        assert len(trades_in(finish(venue))) == 5
        assert phases.phase_of(venue.state, CALL) == c.UNCROSSING


def cancels_in_between() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uncross, "SWEEP_MAX", 1)
        venue = rich_venue(4)
        call(venue)
        for account, price in ((1, 500), (2, 500), (3, 560)):
            venue.place(account, CALL, False, LOT, price * USDC)
        venue.place(4, CALL, True, 2 * LOT, 570 * USDC)
        venue.wait(60)
        venue.must(c.Tick())
        left = list(venue.state.books[CALL].asks.within(500 * USDC))
        assert len(left) == 1
        venue.must(c.Cancel(left[0].account, left[0].id))
        assert len(trades_in(finish(venue))) == 1
        venue.check()
        assert not venue.state.auctions


def bands_and_openings() -> None:
    venue = rich_venue(2)
    venue.must(c.SetAuctions(BTC, 60, 60, 1, 10**17, 0, 0, "operator"))
    venue.place(1, CALL, False, LOT, 900 * USDC)
    venue.place(2, CALL, True, LOT, 900 * USDC)
    for seconds, kind in ((59, None), (1, e.PhaseChanged), (59, None), (1, e.Uncrossed)):
        venue.wait(seconds)
        events = venue.must(c.Tick())
        assert (type(events[0]) if len(events) > 1 else None) is kind
    expiry = venue.list_expiry((venue.now_s // 1_800 + 48) * 1_800)
    series = expiry << 16
    assert venue.rejected(c.Place(venue.auth(1, series, True, LOT, USDC))) is e.Reject.SERIES_MUST_TAKE_ORDERS
    assert [type(event) for event in venue.must(c.Tick())] == [e.Applied]
    venue.round(62_000)
    venue.must(c.Tick())
    assert phases.phase_of(venue.state, series) == c.AUCTION
    venue.wait(60)
    venue.must(c.Tick())
    assert phases.phase_of(venue.state, series) == c.CONTINUOUS


def the_chain_takes_it() -> None:
    """Somebody's money melts while orders collect, and somebody only makes."""
    world = World(batch_trades_max=100)
    series = world.trading()[0]
    world.trade(2, 0, False, 50, 110, post_only=True)
    world.must(c.SetPhase(c.SERIES, series, c.AUCTION, world.now_s + 30, 0, "test", "operator"))
    world.trade(4, 0, True, 30, 120)
    world.trade(3, 0, False, 150, 60)
    world.trade(4, 0, True, 200, 115)
    world.wait(30)
    world.move_spot(120)
    world.oracle_speaks()
    while any(type(event) in MOVES for event in world.do(c.Tick())):
        world.check()
    assert world.state.trades
    world.quiesce()


def scenarios_go_as_written() -> None:
    for _, text in scenarios_of(FOLDER / "auctions.txt"):
        check(text)


def quotes_are_protected() -> None:
    for bounds in ({"qty": 3 * LOT}, {"count": 1}):
        reach_a_bound(**bounds)


PLAYS = (
    prices_are_the_best,
    scenarios_go_as_written,
    quotes_are_protected,
    play,
    bands_and_openings,
    cancels_in_between,
    settlement_sets_the_pace,
    the_chain_takes_it,
    many_records_are_one,
)
U, P, E = uncross._Uncross, uncross.Pairs, equilibrium
MUTANTS: tuple[tuple[Any, str, str, str], ...] = (
    (E, "equilibrium", "-found.volume, abs(found.surplus)", "abs(found.surplus), -found.volume"),
    (E, "equilibrium", "abs(found.surplus), abs(price - reference)", "abs(price - reference), abs(found.surplus)"),
    (E, "equilibrium", "rank < best[0]", "rank > best[0]"),
    (E, "_stretches", "if price >= low", "if price > low"),
    (E, "_stretches", "demand -= bid.get(price, 0)", "demand -= 0"),
    (E, "_stretches", "if above <= below", "if above < 0"),
    (E, "nearest", "<= tick", "> tick"),
    (U, "_settle_on", "_at(fixed, bids, asks) if fixed else ", ""),
    (U, "_settle_on", "self.removed |= pairs.unable", "pass"),
    (U, "_part_owners", "self.removed[later.id]", "self.removed[earlier.id]"),
    (U, "_offers", "max(closable - filled, 0)", "max(closable, 0)"),
    (U, "_offers", "self.caps.get(order.id, qty)", "qty"),
    (U, "_settle_on", "self.caps |= tripped", "pass"),
    (U, "_stale", "<= 0", "< -1"),
    (U, "_fills", "min(record_room, backlog.room(self.state))", "record_room"),
    (U, "_still_crossed", "best[0] >= best[1]", "False"),
    (U, "_without_trades", "[phases.again(self.state, self.auction)] if fixed and not self.exhausted else []", "[]"),
    (U, "decide", "if not fixed:", "if False:"),
    (P, "_fill", "sorted((bid, ask), key=_age)", "(bid, ask)"),
    (P, "_borne", "return None if risk", "return after if risk"),
    (P, "_fill", "if counts(maker)", "if False"),
    (P, "_left", "or offer.order.id in self.gone", ""),
    (P, "_next", "offer.order.price < self.price", "offer.order.price > self.price"),
    (P, "run", "if len(self.events) >= self.limit", "if False"),
    (P, "_borne", "before.cash - paid - fee", "before.cash + paid - fee"),
    (phases, "after_uncross", "if not auction.every_s", "if auction.every_s"),
    (phases, "extension", "auction.extended >= rules.extensions_max", "True"),
    (phases, "evolve_changed", "before.extended + 1", "before.extended"),
    (phases, "band_of", "mark + width)", "mark + 9 * width)"),
    (phases, "opened", "auction.id in view.marks", "True"),
    (phases, "evolve_listed", "rules.opening_s", "False"),
    (uncross, "_may_end", "auction.ends_s > now_s", "False"),
    (uncross, "_may_end", "(not auction.volatile or state.books[auction.id].crossed())", "True"),
    (uncross, "_may_end", "not auction.volatile or ", ""),
    (phases, "evolve_changed", "before.extended + 1, before.volatile", "before.extended + 1, False"),
    (uncross, "evolve_uncrossed", "UNCROSSING, event.price", "UNCROSSING, event.price + 1"),
    (orders, "_fill_in_place", "order.hidden = max(left - order.display, 0)", "order.hidden = left"),
)


@pytest.mark.parametrize("fine", PLAYS, ids=[fine.__name__ for fine in PLAYS])
def test_without_a_bug_every_play_comes_out_right(fine: Callable[[], None]) -> None:
    fine()


@pytest.mark.parametrize(
    ("place", "name", "before", "after"), MUTANTS, ids=[f"{name}: {after}" for _, name, _, after in MUTANTS]
)
def test_a_planted_bug_spoils_a_play(
    monkeypatch: pytest.MonkeyPatch, place: Any, name: str, before: str, after: str
) -> None:
    monkeypatch.setattr(place, name, mutated(place, name, before, after))
    for spoiled in PLAYS:
        try:
            spoiled()
        except (AssertionError, ArithmeticError, Refused, KeyError, TypeError, ValueError):
            return
        except pytest.fail.Exception as failed:
            if "Timeout" in str(failed):  # a bug that only never ends proves nothing
                raise
            return
    pytest.fail("nobody noticed")
