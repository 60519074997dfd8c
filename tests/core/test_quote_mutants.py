"""Planted mistakes in quoting and protection, each of which some check has to notice.

The play is fixed: bursts against one maker, counted anew by ``naive_protection``, a world whose contract takes every batch,
and a covered maker with hardly any money. An honest machine passes all of it.
"""

import random
from collections.abc import Callable
from typing import Any

import pytest
from core_contract import Refused
from core_quotes import CALL, GROUP, LOT, MAKER, OTHER, PUT, TAKER, ask, bid, hit, kinds, protect, quote, quoted, quotes
from core_venue import USDC, Venue
from core_world import World
from naive_protection import broken_promises
from test_covers import covered_venue, slack
from test_protection import BOUNDS, burst, quoting_venue, shelter

from exchange.core import admission, protection, quoting, risk, sweep
from exchange.core import commands as c
from exchange.core.images import decode, encode
from exchange.core.invariants import InvariantBroken

NOTICED = (AssertionError, InvariantBroken, Refused, KeyError)


def bursts() -> None:
    for number in range(10):
        bounds = BOUNDS[number % len(BOUNDS)]
        venue, dice = quoting_venue(**bounds), random.Random(number)
        for _ in range(10):
            burst(venue, dice)
            venue.wait(1)
            venue.round(62_000)
        assert broken_promises(venue.log, venue.state.accounts[MAKER].groups[GROUP].protection) == []
        venue.check()
        venue.check_history()
        assert encode(decode(encode(venue.state))) == encode(venue.state)


def settled_bursts() -> None:
    """The contract counts budgets for itself."""
    world = World(batch_trades_max=3)
    series = world.trading()[0]
    price = world.price_near(series, 100) // USDC
    protect(world, 1, "a")
    for lots in (5, 30, 7):
        quote(
            world, bid(series, 20, price - 5), ask(series, 20, price + 5), account=1, group="a", qty=15 * LOT, count=3
        )
        for is_buy in (True, False, True, True, False):
            world.do(
                c.Place(world.auth(2, series, is_buy, lots * LOT, (price + 5 if is_buy else price - 5) * USDC, tif=1))
            )
        world.check()
    world.quiesce()


def covered_play() -> None:
    venue = covered_venue(34_000)
    account = venue.state.accounts[MAKER]
    leaves = [leaf for series in (CALL, PUT) for leaf in (bid(series, 40, 900), ask(series, 40, 950))]
    quoted(venue, *leaves, qty=200 * LOT)
    assert slack(venue, account) >= 0
    assert (account.open, account.reserved) == ({}, 0)
    order = venue.do(c.Place(venue.auth(MAKER, PUT, False, 200 * LOT, 960 * USDC)))
    for series in (CALL, PUT, CALL, PUT):
        hit(venue, series, True, 35, 960)
        assert slack(venue, account) >= 0
    assert "Rejected" in type(order[-1]).__name__
    venue.check()


def messages() -> None:
    """What a message replaces, and who is first afterwards."""
    venue = quoting_venue()
    (mine, _) = quoted(venue, bid(CALL, 10, 800), ask(CALL, 10, 900))
    venue.place(OTHER, CALL, True, 10 * LOT, 800 * USDC)
    quoted(venue, bid(CALL, 5, 800))
    assert quotes(venue) == [(CALL, True, 800, 5)]
    assert first(venue) == mine
    quoted(venue, bid(CALL, 6, 800))
    assert first(venue) != mine
    quoted(venue, bid(CALL, 6, 905), ask(CALL, 6, 910))
    assert quote(venue, bid(CALL, 6, 905), ask(CALL, 6, 905))[-1].reason == "post_only_must_not_cross"
    hit(venue, CALL, False, 6, 905, TAKER)
    venue.check()
    venue.check_history()
    assert encode(decode(encode(venue.state))) == encode(venue.state)
    protect(venue, qty=LOT)
    assert kinds(quote(venue, bid(CALL, 6, 800))) == ["Rejected"]
    venue.wait(20)
    assert kinds(quote(venue, bid(CALL, 6, 800))) == ["Rejected"]
    restored = decode(encode(venue.state)).accounts[MAKER]
    assert restored.standing == venue.state.accounts[MAKER].standing
    assert restored.quotes == venue.state.accounts[MAKER].quotes
    assert restored.open == venue.state.accounts[MAKER].open


def sheltered() -> None:
    """Orders that are no quotes, under the protection of a group with them."""
    venue = quoting_venue(count=2)
    (quote_id,) = quoted(venue, bid(CALL, 5, 790))
    shelter(venue, CALL, True, 5, 800)
    (entered, _) = shelter(venue, PUT, True, 5, 700)
    assert venue.state.accounts[MAKER].protected == decode(encode(venue.state)).accounts[MAKER].protected
    venue.must(c.CancelQuotes(MAKER, label="nothing"))
    hit(venue, CALL, False, 1, 800)
    assert gone(hit(venue, CALL, False, 4, 800)) == [quote_id, entered.order_id]
    assert kinds(shelter(venue, CALL, True, 5, 800)) == ["Rejected"]
    venue.check()
    venue.check_history()
    assert kinds(shelter(quoting_venue(), CALL, True, 1, 800)) == ["Accepted", "Rested"]


def gone(events: tuple[Any, ...]) -> list[int]:
    return [event.order_id for event in events if "Cancelled" in type(event).__name__]


def first(venue: Venue) -> int:
    return next(iter(venue.state.books[CALL].bids.orders())).id


PLAY = (messages, bursts, settled_bursts, covered_play, sheltered)


@pytest.mark.parametrize("part", PLAY)
def test_an_honest_machine_passes(part: Callable[[], None]) -> None:
    part()


def count_nothing(*_: Any) -> None:
    return None


def forget_the_signs(self: protection.Sums, weight: protection.Weight, qty: int) -> None:
    self.qty, self.delta, self.vega = self.qty + qty, self.delta + weight.delta * qty, self.vega + weight.vega * qty
    self.count, self.moments = self.count + 1, self.past + 1


def stay_sheltered(account: Any, order: Any, group: str) -> None:
    order.protection = group
    if group:
        account.protected.setdefault(group, {})[order.id] = order


def one_fill_late(original: Any) -> Any:
    def reached(self: protection.Sums, bounds: Any) -> Any:
        found = original(self, bounds)
        return None if found is not None and found[1] == found[2] else found

    return reached


MUTANTS: dict[str, tuple[Any, str, Any]] = {
    "no fill of a quote trips anything": (protection.Watch, "note", lambda *_: []),
    "fills of mandates are not kept": (protection, "evolve_filled", count_nothing),
    "fills of windows are not kept": (protection, "_remember", count_nothing),
    "a group that tripped is not frozen": (protection, "evolve_triggered", count_nothing),
    "buying and selling add up": (protection.Sums, "add", forget_the_signs),
    "a bound is reached one later": (protection.Sums, "reached", one_fill_late(protection.Sums.reached)),
    "only the whole window is looked at": (protection.Span, "widest", lambda _, change: abs(change)),
    "what tripped stays in the book": (protection.Watch, "take_off", lambda *_: []),
    "a thawed group has a window with room": (protection, "is_frozen", lambda group, now: now < group.frozen_until_ns),
    "an order that is no quote counts nowhere": (sweep, "counts", lambda order: order.mandate != 0),
    "what an order filled is forgotten": (protection, "counts", lambda order: order.mandate != 0),
    "an order outlives the freezing of its group": (protection, "standing_in", protection.quotes_of),
    "an order enters a frozen group": (admission, "refuse_group", count_nothing),
    "an order is never out of its group": (protection, "shelter", stay_sheltered),
    "old quotes without a new one stay": (quoting.Plan, "withdrawn", lambda _: []),
    "any quote keeps its place": (quoting.Plan, "_keeps_place", lambda *_: True),
    "no quote keeps its place": (quoting.Plan, "_keeps_place", lambda *_: False),
    "quotes may cross": (quoting.Plan, "_refuse_crossing", count_nothing),
    "covers cost nothing": (risk, "cover_of", lambda *_: 0),
    "covers are for the last fill only": (risk, "cover_units", lambda *_: (0, 10**30)),
    "covered quotes are counted as orders too": (risk, "is_covered", lambda *_: False),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_each_mistake_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place, attribute, wrong = MUTANTS[name]
    monkeypatch.setattr(place, attribute, wrong)
    noticed = []
    for part in PLAY:
        try:
            part()
        except NOTICED as error:
            noticed.append(error)
    assert noticed, name
