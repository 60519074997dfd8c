"""Combos in the world of ``core_world``: they are listed, ordered, amended, and reached by orders for their legs."""

from typing import Any

from core_world import TRADERS, Draw, World

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.legs import Leg, LegsError, canonical
from exchange.core.state_types import Combo, Order
from exchange.core.units import USDC_ONE

LOT = 100
RATIOS = (1, -1, 1, -1, 2, -2, 3)


def live(world: World) -> list[Combo]:
    """Combos whose legs trade."""
    trading = dict.fromkeys(world.trading())
    return [combo for combo in world.state.combos.values() if all(leg.series in trading for leg in combo.legs)]


def orders_in(world: World) -> list[Order]:
    """Open orders for combos."""
    return [order for order in world.state.orders.values() if order.series in world.state.combos]


def worth(world: World, combo: Combo, percent: int) -> int:
    """What the marks of the legs come to, moved by so many percent of what the dearest leg adds; on the tick."""
    assert world.state.view is not None
    parts = [leg.ratio * world.state.view.marks[leg.series] for leg in combo.legs]
    price = sum(parts) + max(abs(part) for part in parts) * (percent - 100) // 100
    price = price // USDC_ONE * USDC_ONE
    return price if any(leg.ratio < 0 for leg in combo.legs) else max(price, 0)


def listing_combos(world: World, draw: Draw) -> None:
    """Two to four legs of what trades, in ratios that are not always reduced."""
    series_ids = world.trading()
    legs = [Leg(series_ids[draw(len(series_ids))], RATIOS[draw(7)]) for _ in range(2 + draw(3))] if series_ids else []
    try:
        found = canonical(tuple(legs)).legs
    except LegsError:
        return
    world.do(c.CreateCombo(found))


def combo_terms(draw: Draw) -> dict[str, Any]:
    terms: dict[str, Any] = {"tif": (0, 0, 0, 0, 0, 1, 2)[draw(7)], "post_only": draw(8) == 0}
    terms |= {"life": (0, 0, 0, 90, 600)[draw(5)], "by_key": draw(5) == 0}
    mode = (c.CANCEL_TAKER, c.CANCEL_MAKER, c.CANCEL_BOTH)[draw(3)]
    return terms | {"terms": c.Terms(self_trade=mode)} | ({"reduce_only": True} if draw(20) == 0 else {})


def order_combo(world: World, account: int, combo: Combo, is_buy: bool, lots: int, percent: int, **terms: Any) -> None:
    resolved = world.resolved(account, terms)
    world.do(c.Place(world.auth(account, combo.id, is_buy, lots * LOT, worth(world, combo, percent), **resolved)))


def ordering_combos(world: World, draw: Draw) -> None:
    combos = live(world)
    if not combos:
        listing_combos(world, draw)
        return
    percent, lots = (80, 95, 99, 100, 101, 105, 120)[draw(7)], (1, 2, 10, 40, 100)[draw(5)]
    combo, is_buy = combos[draw(len(combos))], draw(2) == 0
    order_combo(world, TRADERS[draw(4)], combo, is_buy, lots, percent, **combo_terms(draw))


def agreeing_on_combos(world: World, draw: Draw) -> None:
    """Two who want the same combo at the same price."""
    combos = live(world)
    if combos:
        combo, maker, percent, is_buy = combos[draw(len(combos))], draw(4), 90 + draw(21), draw(2) == 0
        order_combo(world, TRADERS[maker], combo, is_buy, 1 + draw(60), percent)
        taker = TRADERS[(maker + 1 + draw(3)) % 4]
        order_combo(world, taker, combo, not is_buy, 1 + draw(60), percent, tif=draw(3))


def reaching(world: World, draw: Draw) -> None:
    """Orders for the legs of a resting combo, leg after leg, which may add up to what it wants."""
    wanted = [order for order in orders_in(world) if world.state.combos[order.series] in live(world)]
    if not wanted:
        return
    order = wanted[draw(len(wanted))]
    for leg in world.state.combos[order.series].legs:
        is_buy = order.is_buy == (leg.ratio < 0)
        percent = (100, 103, 110, 130)[draw(4)] if is_buy else (100, 97, 90, 70)[draw(4)]
        pick, lots = world.trading().index(leg.series), (1, 2, 5, 30)[draw(4)] * (1 + draw(3))
        terms = {"terms": c.Terms(display=(0, 0, LOT)[draw(3)])} | ({"reduce_only": True} if draw(9) == 0 else {})
        world.trade(TRADERS[draw(4)], pick, is_buy, lots, percent, **terms)


def changing_combos(world: World, draw: Draw) -> None:
    """An order for a combo is made smaller, moved, or taken off."""
    open_ = orders_in(world)
    if not open_:
        return
    order = open_[draw(len(open_))]
    combo = world.state.combos[order.series]
    if draw(3) == 0 or combo not in live(world):
        world.must(c.Cancel(order.account, order.id))
        return
    price = order.price if draw(2) else worth(world, combo, 95 + draw(11))
    events = world.amend(order.id, order.qty - LOT * draw(3) + LOT * draw(2), price)
    assert type(events[0]) in (e.Amended, e.Rejected, e.BatchSealed, e.TimerFired)


COMBOS = {
    "listing_combos": (4, listing_combos),
    "ordering_combos": (18, ordering_combos),
    "agreeing_on_combos": (8, agreeing_on_combos),
    "reaching": (12, reaching),
    "changing_combos": (6, changing_combos),
}
