"""Requests for quotes in the world of ``core_world``: asked, answered, edited, taken back, accepted and closed.

Sizes are such that accounts often cannot bear what they are asked for, and prices such that quotes are often passed over.
"""

from typing import Any

from core_combos import live, worth
from core_world import TRADERS, Draw, World, happening

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.units import NO_EXPIRY

LOTS = (10, 50, 100, 300)


def some_rfq(world: World, pick: int) -> Any:
    """A request of the venue, the newest first; none if there is none."""
    found = sorted(world.state.rfqs, reverse=True)
    return world.state.rfqs[found[pick % len(found)]] if found else None


def bound(world: World, account: int, rfq: Any, is_buy: bool, lots: int, percent: int, **terms: Any) -> c.Authorisation:
    """An order for a request, at some share of its mark."""
    series, whole = rfq.request.series, terms.pop("whole", False)
    combo = world.state.combos.get(series)
    if combo is not None:
        price = worth(world, combo, percent) if combo in live(world) else 0
    else:
        price = world.price_near(series, percent) if series in world.trading() else 10**6
    signed = {"terms": c.Terms(rfq=rfq.id, whole=whole)} | terms
    return world.auth(account, series, is_buy, lots * 100, price, **signed)


@happening(4)
def asking(world: World, draw: Draw) -> None:
    series = world.trading()
    if not series:
        return
    step, account = LOTS[draw(2)], TRADERS[draw(4)]
    steps, least = 1 + draw(6), draw(3)
    others = tuple(other for other in TRADERS if other != account)
    combos = live(world) if draw(2) else []
    combo = combos[draw(9) % len(combos)] if combos else None
    number, legs = (series[draw(9) % len(series)], ()) if combo is None else (combo.id, ())
    if combo is not None and draw(2):
        number, legs = 0, combo.legs
    request = c.OpenRfq(
        account,
        number,
        (c.UNTOLD, c.UNTOLD, c.BUYING, c.SELLING)[draw(4)],
        100 * step * steps,
        100 * step,
        100 * step * min(least, steps),
        world.now_s + (20, 60, 600)[draw(3)],
        others[: draw(3)],
        session=world.some_session(draw(3)),
        legs=legs,
    )
    world.do(request)


@happening(8)
def answering(world: World, draw: Draw) -> None:
    rfq = some_rfq(world, draw(3))
    if rfq is None:
        return
    account, percent = TRADERS[draw(4)], (60, 97, 100, 103, 150)[draw(5)]
    lots = rfq.request.step // 100 * (1 + draw(4))
    terms = {"whole": draw(3) == 0, "expiry_s": (NO_EXPIRY, world.now_s + 15)[draw(2)]}
    keys = world.state.accounts[account].keys
    if keys and draw(4) == 0:
        terms["signer"] = next(iter(keys))
    auth = bound(world, account, rfq, draw(2) == 0, lots, percent, **terms)
    events = world.do(c.QuoteRfq(auth, draw(2) == 0, session=world.some_session(draw(3))))
    if type(events[-1]) is not e.Rejected:
        world.order_ids.append(world.state.seq)


@happening(3)
def answering_again(world: World, draw: Draw) -> None:
    quotes = [order for order in world.state.orders.values() if order.rfq]
    if not quotes:
        return
    order = quotes[draw(9) % len(quotes)]
    rfq, lots = world.state.rfqs[order.rfq], (order.qty // 100, 10, 100, 400)[draw(4)]
    replaces = world.state.auths[order.auth_id].auth.nonce + 1
    percent = (97, 100, 103)[draw(3)]
    auth = bound(world, order.account, rfq, order.is_buy, lots, percent, replaces=replaces, whole=draw(4) == 0)
    if draw(2):
        auth = c.Authorisation(
            **{name: getattr(auth, name) for name in auth.__struct_fields__} | {"price": order.price}
        )
    world.do(c.RequoteRfq(order.id, auth))


@happening(8)
def accepting(world: World, draw: Draw) -> None:
    rfq = some_rfq(world, draw(3))
    if rfq is None:
        return
    left = (rfq.request.qty - rfq.filled) // 100
    lots = max(left if draw(2) else left // 2 // (rfq.request.step // 100) * (rfq.request.step // 100), 1)
    is_buy = rfq.request.side == c.BUYING if rfq.request.side else draw(2) == 0
    percent = (200 if is_buy else 20, 100)[draw(2)]
    quotes = sorted(world.state.rfq_quotes.get(rfq.id, {}))
    named = quotes[draw(9) % len(quotes)] if quotes and draw(3) == 0 else 0
    account = rfq.request.account if draw(8) else TRADERS[draw(4)]
    terms = {"tif": (c.IOC, c.FOK)[draw(2)]}
    keys = world.state.accounts[account].keys
    if keys and draw(3) == 0:
        terms["signer"] = next(iter(keys))
    auth = bound(world, account, rfq, is_buy, lots, percent, **terms)
    world.do(c.AcceptRfq(auth, named))


@happening(3)
def asked_no_longer(world: World, draw: Draw) -> None:
    """Requests are closed, quotes taken back, and makers come and go."""
    rfq, account = some_rfq(world, draw(3)), TRADERS[draw(4)]
    match draw(5):
        case 0 if rfq is not None:
            world.must(c.CloseRfq(rfq.request.account, rfq.id))
        case 1:
            world.must(c.CancelRfqQuotes(account, rfq.id if rfq is not None and draw(2) else 0))
        case 2:
            world.must(c.AdmitMaker(account, draw(4) > 0))
        case _:
            world.pass_time(20)


def never_of_requests(world: World) -> list[c.AnyCommand]:
    """Commands about requests that are never to be taken, whatever the state."""
    return [
        c.CloseRfq(1, 10**9),
        c.CancelRfqQuotes(99),
        c.AdmitMaker(0, True),
        c.OpenRfq(1, 99 << 16, c.UNTOLD, 100, 100, 0, world.now_s + 10),
    ]
