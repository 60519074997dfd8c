"""Auctions as things that can happen in ``core_world``: rules set, series auctioned, halted and opened, books that cross.

Shells tick again at once while an uncross goes on; here they sometimes do not, so that anything may happen in between.
"""

from typing import Any

from core_operator import warranted
from core_venue import BTC, HALF_HOUR
from core_world import TRADERS, Draw, World

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.units import WAD

PERCENT = WAD // 100
TICKS_MAX = 500
MOVES = (e.PhaseChanged, e.Uncrossed, e.Traded)


def drive(world: World) -> None:
    """Tick as long as that moves an auction on: it comes to an end."""
    for _ in range(TICKS_MAX):
        events = world.do(c.Tick())
        if not any(type(event) in MOVES for event in events):
            return
    raise AssertionError("auctions move for ever")


def rules(world: World, draw: Draw) -> None:
    """Bands narrow or none at all, openings long or none."""
    opening_s, volatility_s = (0, 60, 600)[draw(3)], (0, 60, 60, 300)[draw(4)]
    band = (0, 0, 10 * PERCENT, 30 * PERCENT)[draw(4)]
    terms = (opening_s, volatility_s, draw(3), band, (0, PERCENT // 10)[draw(2)], (0, 10 * PERCENT)[draw(2)])
    world.must(c.SetAuctions(BTC, *terms, "operator"))


def warranting(world: World, draw: Draw) -> None:
    """The operator commands from outside: with a good warrant, or one that is used, too late, or somebody else's."""
    operation = (
        c.SetPhase(*scope_of(world, draw), c.AUCTION, world.now_s + 30, 0, "test", "operator"),
        c.SetTrading(True, "test", 30),
    )[draw(2)]
    warrant = ({}, {}, {"nonce": world.state.operator_nonce}, {"expiry_s": world.now_s}, {"signer": b"x" * 20})[draw(5)]
    world.do(warranted(world, operation, **warrant))


def scope_of(world: World, draw: Draw) -> tuple[int, int]:
    """A series mostly, an expiry or an underlying now and then."""
    series = world.trading()
    if not series or draw(8) == 0:
        return c.UNDERLYING, BTC
    chosen = series[draw(9) % len(series)]
    return (c.EXPIRY, chosen >> 16) if draw(4) == 0 else (c.SERIES, chosen)


def call(world: World, draw: Draw) -> None:
    """An auction begins, or ends at another time; one in four is followed by others."""
    ends_s, every_s = world.now_s + (0, 30, 90, 600)[draw(4)], (0, 0, 0, 120)[draw(4)]
    world.do(c.SetPhase(*scope_of(world, draw), c.AUCTION, ends_s, every_s, "test", "operator"))


def stop_or_go(world: World, draw: Draw) -> None:
    """A halt, or the end of it: directly if the book allows."""
    phase = (c.HALTED, c.CONTINUOUS, c.CONTINUOUS)[draw(3)]
    world.do(c.SetPhase(*scope_of(world, draw), phase, 0, 0, "test", "operator"))


def busy_auction(world: World, draw: Draw) -> None:
    """Several traders name prices around each other's in one series that is being auctioned, and it ends."""
    series = world.trading()
    if not series or not world.state.is_open:
        return
    pick = draw(9)
    chosen = series[pick % len(series)]
    world.do(c.SetPhase(c.SERIES, chosen, c.AUCTION, world.now_s + 30, 0, "test", "operator"))
    for _ in range(3 + draw(5)):
        terms: dict[str, Any] = {"post_only": draw(8) == 0, "reduce_only": draw(6) == 0, "life": (0, 0, 20)[draw(3)]}
        if draw(8) == 0:
            terms["max_fee"] = 0
        world.trade(
            TRADERS[draw(4)], pick, draw(2) == 0, (1, 50, 300)[draw(3)], (60, 95, 100, 105, 150)[draw(5)], **terms
        )
    if draw(4) == 0:
        world.move_spot((-200, 150)[draw(2)])
    # The oracle never misses a half hour.
    (world.pass_time if world.now_s % HALF_HOUR + 30 >= HALF_HOUR else world.wait)(30)
    if draw(2):
        world.oracle_speaks()
    world.do(c.Tick())
    if draw(2):
        drive(world)


def ticking(world: World, draw: Draw) -> None:
    """Auctions go on, a step or to their end."""
    world.do(c.Tick())
    if draw(2):
        drive(world)


AUCTIONS = {
    "auction_rules": (2, rules),
    "call": (3, call),
    "stop_or_go": (1, stop_or_go),
    "busy_auction": (8, busy_auction),
    "ticking": (6, ticking),
    "warranting": (3, warranting),
}


def never_phased(world: World) -> list[c.AnyCommand]:
    """Commands about phases that are never to be taken."""
    return [
        c.SetTrading(True, "test", -1),
        c.SetAuctions(7, 0, 0, 0, 0, 0, 0, "test"),
        c.SetAuctions(0, -1, 0, 0, 0, 0, 0, "test"),
        c.SetAuctions(0, 0, 0, 0, 0, 0, 2 * 10**18, "test"),
        c.SetPhase(c.UNDERLYING, 7, c.AUCTION, world.now_s, 0, "test", "test"),
        c.SetPhase(c.EXPIRY, 99, c.AUCTION, world.now_s, 0, "test", "test"),
        c.SetPhase(c.SERIES, 99 << 16, c.HALTED, 0, 0, "test", "test"),
        c.SetPhase(c.UNDERLYING, 0, c.UNCROSSING, world.now_s, 0, "test", "test"),
        c.SetPhase(c.UNDERLYING, 0, c.AUCTION, world.now_s - 1, 0, "test", "test"),
        c.SetPhase(c.UNDERLYING, 0, c.AUCTION, world.now_s, -1, "test", "test"),
        c.SetPhase(0, 0, c.AUCTION, world.now_s, 0, "test", "test"),
    ]
