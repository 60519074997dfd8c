"""What else can happen in a world: orders that wait for a price, orders that came together, and their firing."""

from typing import Any

import msgspec
from core_venue import USDC
from core_world import TRADERS, Draw, World, happening, order

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.breakers import Status
from exchange.core.firing import ready
from exchange.core.risk_models.venue_set import PORTFOLIO
from exchange.core.state_types import attached_id
from exchange.core.triggers import price_now
from exchange.core.units import U64_MAX, WAD


def trigger_at(world: World, pick: int, watch: int, above: bool, permille: int) -> c.Terms:
    """Terms that wait for what is so many thousandths away; far away when there is nothing to watch yet."""
    series_ids = world.trading()
    price = price_now(world.state, series_ids[pick % len(series_ids)], watch) if series_ids else 0
    price = (price or 500 * USDC) * (1_000 + (permille if above else -permille)) // 1_000
    return c.Terms(trigger=watch, trigger_above=above, trigger_price=max(price, 1))


def trade_linked(
    world: World, account: int, pick: int, is_buy: bool, lots: int, link: int, count: int, watch: int, tif: int
) -> tuple[Any, ...]:
    """Place an order near the mark with one or two others linked to it, on either side of what they watch."""
    series_ids = world.trading()
    if not series_ids:
        return ()
    series, count = series_ids[pick % len(series_ids)], 1 if link == c.OCO else count
    first = c.Terms(link=link, attached=count)
    tif = c.GTC if link == c.OCO else tif
    auth = world.auth(account, series, is_buy, lots * 100, world.price_near(series, 100), tif=tif, terms=first)
    attached = []
    for above in (True, False)[:count]:
        terms = msgspec.structs.replace(trigger_at(world, pick, watch, above, 10), link=link, parent=auth.nonce + 1)
        fields = {"reduce_only": link == c.BRACKET, "tif": c.GTC if above else c.IOC, "terms": terms}
        price = world.price_near(series, 110 if is_buy == above else 60)
        attached.append(c.Attached(world.auth(account, series, not is_buy, lots * 100, price, **fields)))
    events = world.do(c.Place(auth, attached=tuple(attached)))
    if type(events[-1]) is not e.Rejected:
        world.order_ids += [attached_id(world.state.seq, place) for place in range(count + 1)]
    return events


@happening(2)
def banding(world: World, draw: Draw) -> None:
    """Bands that bind, bands that hardly do, and none."""
    spot, vol, floor = ((0, 0, 0), (WAD // 50, WAD // 10, WAD // 1_000), (WAD // 4, WAD, 0))[draw(3)]
    world.must(c.SetBands(0, spot, vol, floor, "operator"))
    world.rejected(c.SetBands(draw(2), WAD + 1, 0, 0, "operator"))


@happening(2)
def curbing(world: World, draw: Draw) -> None:
    """A market, or the venue, takes less for a while, and orders come all the same."""
    scope, stage_s = (0, c.UNDERLYING)[draw(2)], (60, 120)[draw(2)]
    status = (Status.REDUCE_ONLY, Status.CANCEL_ONLY, Status.HALTED)[draw(3)]
    world.do(c.SetBreaker(scope, 0, status, 0, "histories", "operator"))
    for _ in range(draw(3)):
        order(world, draw)
    world.do(c.SetBreaker(scope, 0, Status.NORMAL, stage_s, "histories", "operator"))
    world.rejected(c.SetBreaker(scope, 0, Status.DEGRADED, 0, "histories", "operator"))
    for _ in range(3):
        world.pass_time(stage_s)
        world.must(c.Tick())


@happening(1)
def watching_the_feed(world: World, draw: Draw) -> None:
    """Rounds are trusted by loose or by strict bounds."""
    bounds = ((3_600, 0, WAD, 0, 0), (600, WAD // 2, WAD // 200, 6, 3 * WAD // 2))[draw(3) == 0]
    world.must(c.SetFeed(0, *bounds, "operator"))
    world.rejected(c.SetFeed(0, 0, *bounds[1:], "operator"))


@happening(1)
def portfolios(world: World, draw: Draw) -> None:
    """Parameters of a margin that binds nobody: sound ones, some that are not, and for what is not listed."""
    lighter = msgspec.structs.replace(PORTFOLIO, mm_factor=WAD // (2 + draw(5)))
    world.must(c.SetPortfolio(0, (PORTFOLIO, lighter)[draw(1)], "operator"))
    world.rejected(c.SetPortfolio(0, msgspec.structs.replace(lighter, im_factor=lighter.mm_factor - 1), "operator"))
    world.rejected(c.SetPortfolio(77, PORTFOLIO, "operator"))


@happening(2)
def registers(world: World, draw: Draw) -> None:
    """Entries of the register, corrected and not, of what there is and of what there is not."""
    about, values = (
        ((c.VENUE, 0, "mic"), ("XGLD", "XSLV")),
        ((c.UNDERLYING, 0, "dti"), ("value 1", "value 2")),
        ((c.SERIES, draw(3), "isin"), ("US0378331005", "GB0002634946")),
    )[draw(3)]
    entries = world.state.references.get(about, [])
    corrects = (entries[-1].seq if entries else 0, 0, 10**9)[draw(3)]
    world.do(c.SetReference(*about, values[draw(2)], corrects, "history", "operator"))
    world.do(c.CommitIdentity(draw(4), draw(6), bytes([draw(256)]) * (32 if draw(4) else 31), "operator"))
    offset = draw(9) - 4
    world.do(c.RecordClock(("", "A1B2C3D4")[draw(2)], draw(18), offset, abs(offset), 0, 0, "Normal"))


@happening(1)
def seats(world: World, draw: Draw) -> None:
    """Signers of rounds take seats, one after another or after nobody."""
    former = bytes([draw(6)]) * 20 if draw(2) else b""
    world.do(c.ObserveSeat(bytes([draw(6)]) * (20 if draw(9) else 19), draw(9) * 60, former))


@happening(3)
def misfits(world: World, draw: Draw) -> None:
    """Terms of triggers and links that never fit."""
    terms = (
        c.Terms(parent=1),
        c.Terms(attached=1),
        c.Terms(link=c.BRACKET),
        c.Terms(link=c.OCO, attached=1),
        c.Terms(trigger=c.MARK),
        c.Terms(trigger=c.INDEX, trigger_price=U64_MAX, trigger_above=True),
        c.Terms(trigger=c.LAST, trigger_price=-1),
    )[draw(7)]
    series_ids = world.trading()
    if series_ids:
        world.rejected(c.Place(world.auth(TRADERS[draw(4)], series_ids[0], True, 100, USDC, terms=terms)))


@happening(8)
def waiting(world: World, draw: Draw) -> None:
    """An order that waits for a mark, an index or a last price, near or far."""
    terms = {"tif": (c.GTC, c.IOC, c.FOK)[draw(3)], "reduce_only": draw(3) == 0, "post_only": draw(10) == 0}
    terms |= {"life": (0, 0, 90, 600)[draw(4)], "by_key": draw(4) == 0}
    pick, watch, above, permille = draw(9), 1 + draw(3), draw(2) == 0, (1, 1, 5, 30)[draw(4)]
    trigger = trigger_at(world, pick, watch, above, permille)
    world.trade(
        TRADERS[draw(4)], pick, draw(2) == 0, (10, 50, 100)[draw(3)], (60, 100, 150)[draw(3)], terms=trigger, **terms
    )


@happening(8)
def linked(world: World, draw: Draw) -> None:
    """An order with what cancels it, or with what protects what it opens."""
    link, count, watch = (c.OCO, c.BRACKET)[draw(2)], 1 + draw(2), 1 + draw(3)
    trade_linked(world, TRADERS[draw(4)], draw(9), draw(2) == 0, (10, 50, 100)[draw(3)], link, count, watch, draw(3))


@happening(10)
def firing(world: World, draw: Draw) -> None:
    """Some of what is due enters; perhaps the market has just moved a little."""
    if draw(2):
        world.move_spot((-10, -2, 2, 10)[draw(4)])
        world.wait(1)
        world.oracle_speaks()
    for _ in range(1 + draw(4)):
        world.do(c.Fire(ready(world.state, world.time_ns)))
