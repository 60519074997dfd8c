"""Makers in the world of ``core_world``: messages of quotes, and what protects who sends them."""

from typing import Any

from core_quotes import mandate, protect
from core_world import GROUPS, TRADERS, Draw, World

from exchange.core import commands as c
from exchange.core import events as e


def send(world: World, account: int, picks: list[tuple[int, int, int]], group: str, **terms: Any) -> None:
    """A message of quotes: series, share of the mark for the bid, lots; asks as far above the mark."""
    series_ids, leaves = world.trading(), []
    for pick, percent, lots in picks if series_ids else []:
        series = series_ids[pick % len(series_ids)]
        for is_buy in (True, False):
            price = world.price_near(series, percent if is_buy else 200 - percent)
            delta, vega = (pick * 977 % 18_000) - 9_000, pick * 7_919_000 % 10**9
            leaves.append(c.QuoteLeaf(series, is_buy, lots * 100, price, delta, vega))
    whole, signed = terms.pop("whole", False), world.resolved(account, terms)
    events = world.do(c.MassQuote(mandate(world, account, **signed), tuple(leaves), group, whole=whole))
    world.order_ids += [event.order_id for event in events if type(event) is e.Quoted]


def quoting(world: World, draw: Draw) -> None:
    """Both sides of a few series under one signature, with a budget or without."""
    picks = [(draw(9), (60, 90, 95, 98, 101)[draw(5)], (1, 10, 40, 100)[draw(4)]) for _ in range(1 + draw(4))]
    terms = {"qty": (0, 0, 3_000, 9_000)[draw(4)], "delta": (0, 0, 1_000)[draw(3)], "count": (0, 0, 0, 2)[draw(4)]}
    terms |= {"vega": (0, 0, 10**8)[draw(3)], "life": (0, 0, 90, 600)[draw(4)], "by_key": draw(4) == 0}
    send(world, TRADERS[draw(4)], picks, GROUPS[draw(2)], whole=draw(4) == 0, **terms)


def protecting(world: World, draw: Draw) -> None:
    """A group gets other bounds, is reset, frozen, or its quotes are taken off."""
    account, group = TRADERS[draw(4)], GROUPS[draw(2)]
    what = draw(8)
    if what < 4:
        bounds = {"qty": (0, 2_000, 20_000)[draw(3)], "delta": (0, 0, 2_000)[draw(3)], "vega": (0, 0, 10**9)[draw(3)]}
        bounds |= {"count": (0, 0, 2, 5)[draw(4)], "frozen_ns": (0, 10**9, 60 * 10**9)[draw(3)]}
        interval_ns = (0, 10**9, 300 * 10**9)[draw(3)]
        protect(world, account, group, covered=draw(2) == 0, interval_ns=interval_ns, **bounds)
    elif what < 7:
        world.must(c.FreezeQuotes(account, group, is_frozen=what == 6 and draw(3) == 0))
    else:
        world.must(c.CancelQuotes(account, group if draw(2) else "", delta_min=(-(10**5), 0)[draw(2)]))


def sheltering(world: World, draw: Draw) -> None:
    """An order under the protection of a group, perhaps one that cannot be."""
    greeks = {"delta": (0, 4_000, -9_000)[draw(3)], "vega": (0, 10**8)[draw(2)]}
    terms = c.Terms(protection=("a", "b", "a", "b", "nobody")[draw(5)], slide=draw(4) > 0, **greeks)
    account, pick, is_buy, lots = TRADERS[draw(4)], draw(9), draw(2) == 0, (1, 10, 40)[draw(3)]
    more = {"post_only": draw(9) > 0, "reduce_only": draw(5) == 0, "by_key": draw(4) == 0, "life": (0, 90)[draw(2)]}
    world.trade(account, pick, is_buy, lots, (90, 98, 101)[draw(3)], terms=terms, **more)


MAKERS = {"quoting": (14, quoting), "protecting": (4, protecting), "sheltering": (8, sheltering)}
